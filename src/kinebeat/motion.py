"""Movement from keypoints: directogram, kinematic offsets, speed.

Conventions: time is seconds of the clip, on a uniform scale of `MOTION_FPS`; lengths are in body heights, so that
nothing depends on resolution, on the distance of the camera, on mirroring or on where in the picture a person is.
Angles are radians, counter-clockwise from the x axis of the picture with y down.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

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
FASTEST = 12.0
"""Body heights per second. A joint that is faster, twice as fast as a sprinter's foot, was mistaken for another."""
VELOCITY_SIGMA_S = 0.030
OFFSETS_SIGMA_S = 0.015
_BLOCK = 4096
EDGE = 3
"""Frames at either end of a sighting whose acceleration, smoothed from one side only and mostly noise, is left out."""
LEAST_JOINTS = 3
"""A person of whom fewer joints are seen is not there."""
PAN_SIGMA_S = 0.8
"""Common motion of the whole body slower than this is a walk or a camera pan, not a gesture."""

BONE_IN_BODY_HEIGHTS = {
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
        velocity: (T, J, 2) float32, velocity of each joint without the slow motion of the whole body, body heights
            per second, x right and y down; NaN where the joint is not seen.
        directogram: (T, bins) float32, speed by direction, body heights per second (RhythmicNet eq. 1).
        acceleration: (T,) float32, kinematic offsets with the sign RhythmicNet gives them: how hard the joints speed
            up, mean over joints, body heights per second squared.
        deceleration: (T,) float32, kinematic offsets with the sign of InteractiveBeat 3.1.1: how hard the joints
            brake, the same unit; it peaks where limbs stop.
        speed: (T,) float32, mean speed of the joints, body heights per second.
        present: (T,) bool, whether the person is seen.
    """

    times_s: NDArray[np.float64]
    velocity: NDArray[np.float32]
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
            for (a, b), part in BONE_IN_BODY_HEIGHTS.items()
        ],
        axis=1,
    ).astype(np.float64)
    count = np.isfinite(guesses).sum(1)
    rank = 0.75 * np.maximum(count - 1, 0)
    guesses.sort(axis=1)  # NaN last
    frames = np.arange(len(guesses))
    below, above = guesses[frames, np.floor(rank).astype(int)], guesses[frames, np.ceil(rank).astype(int)]
    height = np.where(count >= 3, below + (rank % 1) * (above - below), np.nan)
    return _running_percentile(height, pose.times_s, pose.shot, width_s=2.0, percentile=80)


def compute_motion(pose: PoseTrack, duration_s: float, bins: int = PAPER_BINS) -> Motion:
    """Directogram, kinematic offsets and speed of a person through a clip.

    The papers difference the directogram. Its bins have hard edges, so a limb that bends its way at a steady speed
    "stops" in one bin at each edge: a pendulum gets a second false beat in the middle of its swing. Here each joint's
    own speed is differenced instead; `paper_kinematic_offsets` is the papers' way.

    Args:
        pose: keypoints; `shot` and NaN say where no motion may be computed.
        duration_s: length of the clip; the result covers it whole.
        bins: directions of the directogram.
    """
    times_s = np.arange(max(1, int(np.ceil(duration_s * MOTION_FPS)))) / MOTION_FPS
    velocity, present = _velocity(pose, times_s)
    return motion_from_velocity(velocity, present, bins)


def motion_from_velocity(
    velocity: NDArray[np.float32], present: NDArray[np.bool_] | None = None, bins: int = PAPER_BINS
) -> Motion:
    """The rest of a `Motion` from the velocities of its joints.

    Args:
        velocity: (T, J, 2) body heights per second at `MOTION_FPS`, NaN where a joint is not seen.
        present: (T,) whether the person is seen; where `LEAST_JOINTS` are if None.
        bins: directions of the directogram.
    """
    joints = joints_followed(velocity)
    directogram = np.zeros((len(velocity), bins), np.float32)
    for joint in range(velocity.shape[1]):
        add_directions(directogram, velocity[:, joint] / joints)
    speed, acceleration, deceleration = speed_and_changes(velocity)
    return Motion(
        times_s=np.arange(len(velocity)) / MOTION_FPS,
        velocity=velocity,
        directogram=directogram,
        acceleration=acceleration,
        deceleration=deceleration,
        speed=speed,
        present=np.isfinite(velocity[..., 0]).sum(1) >= LEAST_JOINTS if present is None else present,
    )


def joints_followed(velocity: NDArray[np.floating[Any]]) -> float:
    """How many joints of a person are followed, at least 1: the median over the frames in which three or more are.

    Args:
        velocity: (T, J, 2), NaN where a joint is not seen.
    """
    seen = np.isfinite(velocity[..., 0]).sum(1)
    present = seen >= LEAST_JOINTS
    return max(1.0, float(np.median(seen[present]))) if present.any() else 1.0


def speed_and_changes(
    velocity: NDArray[np.floating[Any]],
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """`Motion.speed`, `Motion.acceleration` and `Motion.deceleration` of velocities, (T,) each.

    Args:
        velocity: (T, J, 2) at `MOTION_FPS`, body heights per second, NaN where a joint is not seen.
    """
    joints = joints_followed(velocity)
    speed, acceleration, deceleration = (np.zeros(len(velocity)) for _ in range(3))
    # One joint at a time, which keeps long clips small, and differenced where the joint is seen: a joint that leaves
    # the picture must not look as if it had stopped.
    for joint in range(velocity.shape[1]):
        own = np.linalg.norm(velocity[:, joint].astype(np.float64), axis=1) / joints
        speed += np.nan_to_num(own)
        change = np.zeros(len(own))
        for part in _finite_runs(own):
            if part.stop - part.start > 2 * EDGE:
                sure = slice(part.start + EDGE, part.stop - EDGE)
                change[sure] = np.gradient(own[part], 1 / MOTION_FPS)[EDGE:-EDGE]
        change = _gaussian(change, OFFSETS_SIGMA_S * MOTION_FPS)
        acceleration += np.maximum(change, 0)
        deceleration += np.maximum(-change, 0)
    return speed.astype(np.float32), acceleration.astype(np.float32), deceleration.astype(np.float32)


def add_directions(directogram: NDArray[np.float32], velocity: NDArray[np.float32]) -> None:
    """Add one joint to a directogram, RhythmicNet eq. 1: D(t, theta) = sum_j |F_t(j)| 1_theta(angle of F_t(j)).

    The indicator is 1 where |theta - phi| <= 2 pi / bins, so a direction counts in each bin whose centre is that near.

    Args:
        directogram: (T, bins), added to in place; bin k is centred on 2 pi k / bins.
        velocity: (T, 2), NaN where the joint is not seen.
    """
    bins = directogram.shape[1]
    speed = np.nan_to_num(np.linalg.norm(velocity, axis=1))
    angle = np.nan_to_num(np.arctan2(velocity[:, 1], velocity[:, 0]))
    for k in range(bins):
        away = np.abs((angle - 2 * np.pi * k / bins + np.pi) % (2 * np.pi) - np.pi)
        # The allowance keeps float rounding from deciding about a direction that lies exactly on an edge.
        directogram[:, k] += speed * (away <= 2 * np.pi / bins + 1e-6)


def paper_kinematic_offsets(
    pose: PoseTrack,
    duration_s: float,
    *,
    braking: bool = False,
    bins: int = PAPER_BINS,
    fps: float = PAPER_FPS,
    lowpass_s: float = 0.0,
) -> NDArray[np.float64]:
    """Kinematic offsets as the papers have them, (T,), of plain frame differences.

    Mean over the bins of the positive part of the directogram's first difference (RhythmicNet section 3, Style
    Extraction, and implementation details: 12 bins, 15 fps, nothing smoothed) or of its negative part (InteractiveBeat
    3.1.1 and 4.2: 18 bins, low-pass filtered before the negative values are removed).

    Args:
        pose: keypoints.
        duration_s: length of the clip.
        braking: InteractiveBeat's sign instead of RhythmicNet's.
        bins: directions of the directogram.
        fps: frame rate at which frames are differenced.
        lowpass_s: standard deviation in seconds of the Gaussian low-pass; 0 is none.

    Returns:
        Body heights a frame, more of them a frame: the unit goes with the frame rate squared.
    """
    times_s = np.arange(max(2, int(np.ceil(duration_s * fps)))) / fps
    height = _filled_height_px(pose)
    directogram = np.zeros((len(times_s), bins), np.float32)
    for joint in range(pose.xy.shape[1]):
        step = np.full((len(times_s), 2), np.nan, np.float32)
        for part, xy, height_px in _resampled(pose, joint, times_s, height):
            step[part][1:] = np.diff(xy, axis=0) / height_px[1:, None]
        add_directions(directogram, step)
    total = np.zeros(len(times_s))
    for directed in directogram.T:  # one direction at a time keeps long clips small
        flux = np.diff(directed.astype(np.float64), prepend=directed[:1])
        if lowpass_s > 0:
            flux = _gaussian(flux, lowpass_s * fps)
        total += np.maximum(-flux if braking else flux, 0)
    return total / bins


def _resampled(
    pose: PoseTrack, joint: int, times_s: NDArray[np.float64], height_px: NDArray[np.float64]
) -> Iterator[tuple[slice, NDArray[np.float64], NDArray[np.float64]]]:
    """Each stretch over which a joint is followed: its place on other times, its pixels and the body height there."""
    from scipy.interpolate import PchipInterpolator

    xy = pose.xy[:, joint].astype(np.float64)
    seen = np.flatnonzero(np.isfinite(xy[:, 0]) & np.isfinite(height_px))
    gap_s = np.diff(pose.times_s[seen])
    leap = np.linalg.norm(np.diff(xy[seen], axis=0), axis=1) > FASTEST * height_px[seen[1:]] * gap_s
    breaks = (gap_s > LONGEST_STEP_S) | (np.diff(pose.shot[seen]) != 0) | leap
    for part in np.split(seen, np.flatnonzero(breaks) + 1):
        if len(part) >= 3:
            t = pose.times_s[part]
            first, last = (int(i) for i in np.searchsorted(times_s, [t[0], np.nextafter(t[-1], np.inf)]))
            at = times_s[first:last]
            yield slice(first, last), PchipInterpolator(t, xy[part])(at), np.interp(at, t, height_px[part])


def _velocity(pose: PoseTrack, times_s: NDArray[np.float64]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Smoothed velocity without the slow motion of the whole body, and whether the person is seen.

    Returns:
        (T, J, 2) body heights per second, NaN where unknown; (T,) bool.
    """
    velocity = np.full((len(times_s), pose.xy.shape[1], 2), np.nan, np.float32)
    joints_seen = np.zeros(len(times_s), int)
    height = _filled_height_px(pose)
    for joint in range(pose.xy.shape[1]):
        for part, xy, height_px in _resampled(pose, joint, times_s, height):
            joints_seen[part] += 1
            if len(xy) >= 4:
                # Pixels are differenced before they are divided: a change of the height must not move anybody.
                raw = np.gradient(xy, 1 / MOTION_FPS, axis=0) / height_px[:, None]
                velocity[part, joint] = _gaussian(raw, VELOCITY_SIGMA_S * MOTION_FPS)
                # Two shots whose frames follow each other without a gap must not be differenced across the cut.
                if part.start > 0:
                    velocity[part.start - 1, joint] = np.nan
    common = np.full((len(times_s), 2), np.nan)
    for first in range(0, len(times_s), _BLOCK):
        some = first + np.flatnonzero(np.isfinite(velocity[first : first + _BLOCK, :, 0]).any(1))
        if len(some):
            common[some] = np.nanmedian(velocity[some], axis=1)
    for part in _finite_runs(common[:, 0]):
        velocity[part] -= _gaussian(common[part], PAN_SIGMA_S * MOTION_FPS)[:, None].astype(np.float32)
    return velocity, joints_seen >= LEAST_JOINTS


def _gaussian(x: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    from scipy.ndimage import gaussian_filter1d

    return np.asarray(gaussian_filter1d(x, sigma, axis=0, mode="mirror"))


def _filled_height_px(pose: PoseTrack) -> NDArray[np.float64]:
    """Height of the person in pixels, (T,), guessed where too little is seen from the rest of the shot."""
    height = body_height_px(pose)
    for first, last in _runs(pose.shot, pose.times_s):
        if np.isfinite(height[first:last]).any():
            height[first:last] = _filled(height[first:last])
    return height


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
