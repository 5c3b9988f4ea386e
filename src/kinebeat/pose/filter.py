"""Cleaning of joints over time: side swaps, teleports, short gaps, jitter.

Everything looks forwards and backwards alike, so nothing is delayed, and never across a change of shot. Times may
be irregular. Lengths are measured in torsos (middle of the shoulders to middle of the hips), so that the size of
the picture and the distance of the camera do not matter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kinebeat import skeleton

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Longest time without a joint that is bridged.
BRIDGE_S = 0.2
# Width (standard deviation) of the window of the local parabola: passes what is below about 6 Hz.
SMOOTH_S = 0.04
# A joint that is this far (torsos, plus torsos per second squared of time to get there) from the line between the
# frames before and after, which agree with each other, was not there.
_TELEPORT_TORSOS, _TELEPORT_TORSOS_PER_S = 0.25, 6.0
# Gain, in torsos summed over a group's joints, from which left and right count as exchanged.
_SWAP_TORSOS = 0.6
# A joint seen for less than this, alone in time, is noise.
_ISLAND_S = 0.1

_SWAP_GROUPS = (
    ("shoulder", "elbow", "wrist"),
    ("hip", "knee", "ankle", "big_toe"),
)


def torso_px(xy: NDArray[np.float32], layout: str) -> NDArray[np.float32]:
    """(T,) length of the torso: shoulders' middle to hips' middle, or 1.4 shoulder widths where that is longer.

    The width stands in where the hips are not seen; the larger of the two where somebody bends towards the camera.
    """
    where = skeleton.layout(layout)
    left, right = xy[:, where.index("left_shoulder")], xy[:, where.index("right_shoulder")]
    hips = (xy[:, where.index("left_hip")] + xy[:, where.index("right_hip")]) / 2
    long = np.linalg.norm((left + right) / 2 - hips, axis=-1)
    wide = np.linalg.norm(left - right, axis=-1) * np.float32(1.4)
    torso: NDArray[np.float32] = np.fmax(long, wide)
    return torso


def body_size_px(xy: NDArray[np.float32], layout: str) -> float:
    """Typical torso of the whole track in pixels; NaN where it is never seen."""
    torso = torso_px(xy, layout)
    return float(np.nanmedian(torso)) if np.isfinite(torso).any() else float("nan")


def smoothed(
    xy: NDArray[np.float32],
    times_s: NDArray[np.float64],
    shot: NDArray[np.int32],
    *,
    width_s: float = SMOOTH_S,
) -> NDArray[np.float32]:
    """Weaken jitter: at each time the value of a parabola fitted to the neighbourhood (Savitzky-Golay's idea).

    The fit is weighted with a Gaussian of the distance in time, so irregular timestamps and missing joints need no
    special care; a parabola keeps the place and, up to the third order, the height of peaks.

    Args:
        xy: (T, J, 2), NaN where not seen.
        times_s: (T,).
        shot: (T,).
        width_s: standard deviation of the weights.

    Returns:
        (T, J, 2), NaN in the same places. Where fewer than four neighbours are near, values are left alone.
    """
    frames = len(xy)
    if frames < 5:
        return xy.copy()
    reach = int(np.clip(np.ceil(3 * width_s / np.median(np.diff(times_s))), 2, 30))
    seen = np.isfinite(xy[..., 0])
    value = np.where(seen[..., None], xy, 0).astype(np.float64)
    base = value.copy()
    moments = np.zeros((5, *seen.shape))
    products = np.zeros((3, *xy.shape))
    neighbours = np.zeros(seen.shape, np.int32)
    for k in range(-reach, reach + 1):
        lo, hi = max(0, -k), min(frames, frames - k)
        if lo >= hi:
            continue
        here, there = slice(lo, hi), slice(lo + k, hi + k)
        u = (times_s[there] - times_s[here]) / width_s
        weight = np.where(shot[there] == shot[here], np.exp(-0.5 * u**2), 0.0)[:, None] * seen[there]
        neighbours[here] += weight > 0.01
        difference = value[there] - base[here]
        for power in range(5):
            moments[power, here] += weight * (u**power)[:, None]
        for power in range(3):
            products[power, here] += (weight * (u**power)[:, None])[..., None] * difference
    s0, s1, s2, s3, s4 = moments
    # Cramer's rule for the constant term of the parabola
    c0, c1, c2 = s2 * s4 - s3 * s3, s2 * s3 - s1 * s4, s1 * s3 - s2 * s2
    whole = s0 * c0 + s1 * c1 + s2 * c2
    good = seen & (neighbours >= 5) & (whole > 1e-9)
    shift = (c0[..., None] * products[0] + c1[..., None] * products[1] + c2[..., None] * products[2]) / np.where(
        good, whole, 1.0
    )[..., None]
    result: NDArray[np.float32] = np.where(good[..., None], base + shift, xy).astype(np.float32)
    return result


def bridged(
    xy: NDArray[np.float32],
    score: NDArray[np.float32],
    times_s: NDArray[np.float64],
    shot: NDArray[np.int32],
    *,
    longest_s: float = BRIDGE_S,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Fill gaps of up to `longest_s` within a shot with a straight line; their score is half of what is around.

    Args:
        xy: (T, J, 2), NaN where not seen.
        score: (T, J).
        times_s: (T,).
        shot: (T,).
        longest_s: gaps in which more time than this is missing stay.

    Returns:
        xy and score with the gaps filled.
    """
    frames = len(xy)
    if frames < 3:
        return xy.copy(), score.copy()
    seen = np.isfinite(xy[..., 0])
    index = np.arange(frames)[:, None]
    before = np.maximum.accumulate(np.where(seen, index, -1), axis=0)
    after = np.minimum.accumulate(np.where(seen, index, frames)[::-1], axis=0)[::-1]
    a, b = np.maximum(before, 0), np.minimum(after, frames - 1)
    missing_s = times_s[b] - times_s[a] - np.median(np.diff(times_s))
    fill = ~seen & (before >= 0) & (after < frames) & (shot[a] == shot[b]) & (missing_s <= longest_s)
    joint = np.broadcast_to(np.arange(xy.shape[1]), seen.shape)
    share = np.where(fill, (times_s[:, None] - times_s[a]) / np.where(fill, times_s[b] - times_s[a], 1.0), 0.0)
    line = xy[a, joint] + share[..., None] * (xy[b, joint] - xy[a, joint])
    new_xy: NDArray[np.float32] = np.where(fill[..., None], line, xy).astype(np.float32)
    around = 0.5 * (score[a, joint] + share * (score[b, joint] - score[a, joint]))
    new_score: NDArray[np.float32] = np.where(fill, around, score).astype(np.float32)
    return new_xy, new_score


def without_teleports(
    xy: NDArray[np.float32], times_s: NDArray[np.float64], shot: NDArray[np.int32], torso: float
) -> NDArray[np.float32]:
    """Take out joints that are elsewhere for a single frame.

    Args:
        xy: (T, J, 2), NaN where not seen.
        times_s: (T,).
        shot: (T,).
        torso: length of the torso in pixels.

    Returns:
        (T, J, 2) with such joints NaN.
    """
    if len(xy) < 3 or not np.isfinite(torso):
        return xy.copy()
    a, here, b = xy[:-2], xy[1:-1], xy[2:]
    dt = np.diff(times_s)
    share = (dt[:-1] / (dt[:-1] + dt[1:]))[:, None, None]
    off = np.linalg.norm(here - (a + share * (b - a)), axis=-1) / torso
    agree = np.linalg.norm(b - a, axis=-1) / torso
    allowed = (_TELEPORT_TORSOS + _TELEPORT_TORSOS_PER_S * np.minimum(dt[:-1], dt[1:]))[:, None]
    same_shot = ((shot[:-2] == shot[1:-1]) & (shot[2:] == shot[1:-1]))[:, None]
    with np.errstate(invalid="ignore"):
        gone = same_shot & (off > allowed) & (off > 1.5 * agree)
    result = xy.copy()
    result[1:-1][gone] = np.nan
    return result


def without_islands(
    xy: NDArray[np.float32], times_s: NDArray[np.float64], shot: NDArray[np.int32]
) -> NDArray[np.float32]:
    """Take out joints that are seen for less than 0.1 s and then, or before that, not.

    Args:
        xy: (T, J, 2), NaN where not seen.
        times_s: (T,).
        shot: (T,).

    Returns:
        (T, J, 2) with such joints NaN. Whole clips shorter than that are left alone.
    """
    frames = len(xy)
    if frames < 2 or times_s[-1] - times_s[0] < 4 * _ISLAND_S:
        return xy.copy()
    step_s = float(np.median(np.diff(times_s)))
    result = xy.copy()
    seen = np.isfinite(xy[..., 0])
    new_shot = np.concatenate([[True], np.diff(shot) != 0])
    for joint in range(xy.shape[1]):
        on = seen[:, joint]
        starts = np.flatnonzero(on & (np.concatenate([[True], ~on[:-1]]) | new_shot))
        ends = np.flatnonzero(on & np.concatenate([~on[1:] | new_shot[1:], [True]]))
        for start, end in zip(starts, ends, strict=True):
            if times_s[end] - times_s[start] + step_s < _ISLAND_S:
                result[start : end + 1, joint] = np.nan
    return result


def unswapped(
    xy: NDArray[np.float32],
    score: NDArray[np.float32],
    shot: NDArray[np.int32],
    torso: float,
    layout: str,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Undo sudden exchanges of left and right, arms and legs apart.

    A turned person's sides are often taken for one another from one frame to the next; which is called left does not
    matter to the motion, but the jump does. Legs that cross move little from frame to frame, so they stay.

    Args:
        xy: (T, J, 2), NaN where not seen.
        score: (T, J).
        shot: (T,).
        torso: length of the torso in pixels.
        layout: of the joints.

    Returns:
        xy and score with the sides put back.
    """
    xy, score = xy.copy(), score.copy()
    if len(xy) < 2 or not np.isfinite(torso):
        return xy, score
    where = skeleton.layout(layout)
    for group in _SWAP_GROUPS:
        names = [name for name in group if f"left_{name}" in where.joints]
        left = [where.index(f"left_{name}") for name in names]
        right = [where.index(f"right_{name}") for name in names]
        both = xy[:, left + right]
        turned = xy[:, right + left]
        stay = np.nansum(np.linalg.norm(both[1:] - both[:-1], axis=-1), axis=1) / torso
        change = np.nansum(np.linalg.norm(turned[1:] - both[:-1], axis=-1), axis=1) / torso
        # A joint that is missing on one side at one of the times can be compared in one way only: no verdict.
        complete = np.isfinite(both).all(axis=(1, 2))
        judged = complete[1:] & complete[:-1] & (shot[1:] == shot[:-1])
        gain = np.where(judged, stay - change, -np.inf)
        flips = gain > _SWAP_TORSOS
        exchanged = np.logical_xor.accumulate(np.concatenate([[False], flips]))
        # a new shot starts as told
        for start in np.flatnonzero(np.diff(shot)) + 1:
            end = start + np.argmax(np.append(shot[start:] != shot[start], True))
            if exchanged[start]:
                exchanged[start:end] ^= True
        old_xy, old_score = xy[:, left + right].copy(), score[:, left + right].copy()
        rows = np.flatnonzero(exchanged)
        for k, joint in enumerate(right + left):
            xy[rows, joint], score[rows, joint] = old_xy[rows, k], old_score[rows, k]
    return xy, score
