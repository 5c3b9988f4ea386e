"""Movement from keypoints: directogram, kinematic offsets, speed.

Conventions: time is seconds of the clip, on a uniform scale of `MOTION_FPS`; lengths are in body heights, so that
nothing depends on resolution, on the distance of the camera, on mirroring or on where in the picture a person is.
Angles are radians, counter-clockwise from the x axis of the picture with y down.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kinebeat.skeleton import LAYOUTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from kinebeat.pose.track import PoseTrack

MOTION_FPS = 60.0
PAPER_FPS = 15.0
"""Frame rate at which RhythmicNet takes its style (implementation details)."""
PAPER_BINS = 12
LONGEST_STEP_S = 0.3
"""Two sightings of a joint further apart than this are not joined into one movement."""
VELOCITY_SIGMA_S = 0.030
OFFSETS_SIGMA_S = 0.025
PAN_SIGMA_S = 0.8
"""Common motion of the whole body slower than this is a walk or a camera pan, not a gesture."""

_BONE_IN_BODY_HEIGHTS = {
    ("neck", "mid_hip"): 0.30,
    ("right_shoulder", "left_shoulder"): 0.22,
    ("right_shoulder", "right_elbow"): 0.17,
    ("right_elbow", "right_wrist"): 0.15,
    ("left_shoulder", "left_elbow"): 0.17,
    ("left_elbow", "left_wrist"): 0.15,
    ("right_hip", "right_knee"): 0.245,
    ("right_knee", "right_ankle"): 0.245,
    ("left_hip", "left_knee"): 0.245,
    ("left_knee", "left_ankle"): 0.245,
}
"""Segment lengths as parts of the body height (Winter 2009, fig. 4.1, rounded)."""


@dataclass(frozen=True)
class Motion:
    """How one person moves, on a uniform time scale.

    Attributes:
        times_s: (T,) float64, `MOTION_FPS` apart, over the whole clip.
        directogram: (T, bins) float32, speed by direction, body heights per second.
        acceleration: (T,) float32, kinematic offsets as RhythmicNet has them, body heights per second squared.
        deceleration: (T,) float32, kinematic offsets as InteractiveBeat 3.1.1 has them, body heights per second
            squared; it peaks where limbs stop.
        speed: (T,) float32, mean speed of the joints, body heights per second.
        present: (T,) bool, whether the person is seen.
    """

    times_s: NDArray[np.float64]
    directogram: NDArray[np.float32]
    acceleration: NDArray[np.float32]
    deceleration: NDArray[np.float32]
    speed: NDArray[np.float32]
    present: NDArray[np.bool_]


def body_height_px(pose: PoseTrack) -> NDArray[np.float64]:
    """Height of the person in pixels at each frame, (T,); NaN where too little is seen.

    Each bone in view gives a guess of the height; foreshortening only shortens bones, so the upper quartile of the
    guesses is taken, then a high percentile over two seconds.
    """
    names = LAYOUTS[pose.layout].joints
    guesses = np.stack(
        [
            np.linalg.norm(pose.xy[:, names.index(a)] - pose.xy[:, names.index(b)], axis=1) / part
            for (a, b), part in _BONE_IN_BODY_HEIGHTS.items()
        ],
        axis=1,
    ).astype(np.float64)
    seen = np.isfinite(guesses).sum(1) >= 3
    height = np.full(len(guesses), np.nan)
    if seen.any():
        height[seen] = np.nanpercentile(guesses[seen], 75, axis=1)
    return _running_percentile(height, pose.times_s, pose.shot, width_s=2.0, percentile=80)


def compute_motion(pose: PoseTrack, duration_s: float, bins: int = PAPER_BINS) -> Motion:
    """Directogram, kinematic offsets and speed of a person through a clip.

    Args:
        pose: keypoints; `shot` and NaN say where no motion may be computed.
        duration_s: length of the clip; the result covers it whole.
        bins: directions of the directogram.
    """
    times_s = np.arange(max(1, int(np.ceil(duration_s * MOTION_FPS)))) / MOTION_FPS
    xy, present = _resample(pose, times_s)
    velocity = _velocity(xy)
    joints = max(1.0, float(np.median(np.isfinite(velocity[present, :, 0]).sum(1)))) if present.any() else 1.0
    directogram = np.zeros((len(times_s), bins))
    change = np.zeros((len(times_s), bins))
    # One joint at a time, which keeps long clips small, and summed after the difference: a joint that leaves the
    # picture must not look as if it had stopped.
    for joint in range(velocity.shape[1]):
        by_direction = _directions(velocity[:, joint], bins)
        directogram += np.nan_to_num(by_direction) / joints
        if len(times_s) > 1:
            change += np.nan_to_num(np.gradient(by_direction, 1 / MOTION_FPS, axis=0)) / joints
    smooth = _gaussian(change, OFFSETS_SIGMA_S * MOTION_FPS)
    return Motion(
        times_s=times_s,
        directogram=directogram.astype(np.float32),
        acceleration=np.maximum(smooth, 0).mean(1).astype(np.float32),
        deceleration=np.maximum(-smooth, 0).mean(1).astype(np.float32),
        speed=(np.nan_to_num(np.linalg.norm(velocity, axis=2)).sum(1) / joints).astype(np.float32),
        present=present,
    )


def paper_kinematic_offsets(pose: PoseTrack, duration_s: float) -> NDArray[np.float64]:
    """RhythmicNet's kinematic offsets at 15 fps, (T,): plain frame differences, 12 bins, nothing smoothed.

    Source: RhythmicNet section 3, Style Extraction, eq. 1 and implementation details.
    """
    times_s = np.arange(max(2, int(np.ceil(duration_s * PAPER_FPS)))) / PAPER_FPS
    xy, _ = _resample(pose, times_s)
    step = np.diff(xy, axis=0, prepend=xy[:1])
    directogram = np.zeros((len(times_s), PAPER_BINS))
    for joint in range(xy.shape[1]):
        directogram += np.nan_to_num(_directions(step[:, joint], PAPER_BINS))
    return np.asarray(np.maximum(np.diff(directogram, axis=0, prepend=directogram[:1]), 0).mean(1))


def _directions(velocity: NDArray[np.float64], bins: int) -> NDArray[np.float64]:
    """Speed of one joint, (T, 2), spread over directions, (T, bins): RhythmicNet eq. 1 before its sum over joints.

    As the equation has it, a direction counts in every bin whose centre is within 2 pi / bins of it.
    """
    speed = np.linalg.norm(velocity, axis=1)
    angle = np.arctan2(velocity[..., 1], velocity[..., 0])
    centres = 2 * np.pi * np.arange(bins) / bins
    away = np.abs(np.angle(np.exp(1j * (angle[..., None] - centres))))
    return np.asarray(speed[..., None] * (away <= 2 * np.pi / bins))


def _resample(pose: PoseTrack, times_s: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Joints in body heights on other times, (T, J, 2), and whether the person is seen, (T,)."""
    from scipy.interpolate import PchipInterpolator

    out = np.full((len(times_s), pose.xy.shape[1], 2), np.nan)
    height = body_height_px(pose)
    for first, last in _runs(pose.shot, pose.times_s):
        if not np.isfinite(height[first:last]).any():
            continue
        scale = np.nanmedian(height[first:last]) if last - first < 3 else _filled(height[first:last])
        xy = pose.xy[first:last] / np.reshape(scale, (-1, 1, 1))
        for joint in range(xy.shape[1]):
            seen = np.flatnonzero(np.isfinite(xy[:, joint, 0]))
            for part in np.split(seen, np.flatnonzero(np.diff(pose.times_s[first + seen]) > LONGEST_STEP_S) + 1):
                if len(part) < 3:
                    continue
                t = pose.times_s[first + part]
                inside = slice(np.searchsorted(times_s, t[0]), np.searchsorted(times_s, t[-1], side="right"))
                out[inside, joint] = PchipInterpolator(t, xy[part, joint])(times_s[inside])
    return out, np.isfinite(out[..., 0]).sum(1) >= 3


def _velocity(xy: NDArray[np.float64]) -> NDArray[np.float64]:
    """Smoothed velocity without the slow motion of the whole body, (T, J, 2) per second; NaN where unknown."""
    velocity = np.full_like(xy, np.nan)
    for joint in range(xy.shape[1]):
        for part in _finite_runs(xy[:, joint, 0]):
            if part.stop - part.start >= 4:
                raw = np.gradient(xy[part, joint], 1 / MOTION_FPS, axis=0)
                velocity[part, joint] = _gaussian(raw, VELOCITY_SIGMA_S * MOTION_FPS)
    seen = np.isfinite(velocity[..., 0])
    common = np.zeros((len(xy), 2))
    some = seen.any(1)
    if some.any():
        common[some] = np.nanmedian(velocity[some], axis=1)
    for part in _finite_runs(np.where(some, 0.0, np.nan)):
        velocity[part] -= _gaussian(common[part], PAN_SIGMA_S * MOTION_FPS)[:, None]
    return velocity


def _gaussian(x: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    from scipy.ndimage import gaussian_filter1d

    return np.asarray(gaussian_filter1d(x, sigma, axis=0, mode="nearest"))


def _runs(shot: NDArray[np.int32], times_s: NDArray[np.float64]) -> Iterator[tuple[int, int]]:
    """First and past-the-last frame of each shot."""
    if len(times_s) == 0:
        return
    edges = [0, *(np.flatnonzero(np.diff(shot)) + 1), len(times_s)]
    yield from itertools.pairwise(edges)


def _finite_runs(x: NDArray[np.float64]) -> Iterator[slice]:
    """Slices over which x has no NaN."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], np.isfinite(x).astype(int), [0]])))
    for first, last in zip(edges[::2], edges[1::2], strict=True):
        yield slice(int(first), int(last))


def _filled(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """The values with NaN replaced by interpolation (nearest value beyond the ends)."""
    good = np.flatnonzero(np.isfinite(x))
    return np.interp(np.arange(len(x)), good, x[good])


def _running_percentile(
    x: NDArray[np.float64],
    times_s: NDArray[np.float64],
    shot: NDArray[np.int32],
    width_s: float,
    percentile: float,
) -> NDArray[np.float64]:
    """Percentile of x over a window around each frame, within its shot, interpolated from a coarser scale."""
    out = np.full(len(x), np.nan)
    for first, last in _runs(shot, times_s):
        t, values = times_s[first:last], x[first:last]
        if not np.isfinite(values).any():
            continue
        knots = np.arange(t[0], t[-1] + width_s / 4, width_s / 4)
        level = np.full(len(knots), np.nan)
        for i, knot in enumerate(knots):
            window = values[np.searchsorted(t, knot - width_s / 2) : np.searchsorted(t, knot + width_s / 2)]
            if np.isfinite(window).any():
                level[i] = np.nanpercentile(window, percentile)
        out[first:last] = np.interp(t, knots, _filled(level))
        out[first:last][~np.isfinite(values)] = np.nan
    return out
