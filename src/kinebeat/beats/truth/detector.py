"""What a pose detector makes of joints in a picture: jitter, doubt, limbs lost for a while, sides exchanged.

It is put on the raw joints, before the product's own cleaning. The constants were measured on some twenty ordinary
videos of people (dance, sport, walking, housework; 24 to 60 pictures a second) read with MediaPipe Pose.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kinebeat.skeleton import LAYOUTS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

_LAYOUT = LAYOUTS["rhythmicnet17"]
_AT = {joint: _LAYOUT.index(joint) for joint in _LAYOUT.joints}
_HIP, _NECK = _AT["mid_hip"], _AT["neck"]
# Jitter of each joint, the trunk's being 1: medians over the videos.
_JITTER = {"nose": 1.0, "shoulder": 1.0, "elbow": 1.4, "wrist": 1.8, "hip": 1.0, "knee": 1.3, "ankle": 1.3, "toe": 1.5}
_JOINT_JITTER = np.array(
    [next((v for k, v in _JITTER.items() if joint.endswith(k)), 0.8) for joint in _LAYOUT.joints], np.float32
)
_LIMBS = tuple(
    tuple(_AT[f"{side}_{joint}"] for joint in joints)
    for side in ("left", "right")
    for joints in (("elbow", "wrist"), ("knee", "ankle", "big_toe"))
)
_SIDES = (("shoulder", "elbow", "wrist"), ("hip", "knee", "ankle", "big_toe"))
# Time constants of jitter: neighbouring pictures of 30 a second are alike by 0.5, and a limb is misplaced for a while.
_QUICK_S, _SLOW_S, _SLOW_RATIO = 0.05, 0.4, 1.5
_SHAKE_S = 0.15
_SWELL = 0.6


@dataclass(frozen=True)
class Noise:
    """What a detector does wrong, before the product's cleaning.

    Attributes:
        jitter: standard deviation of a resting trunk's joints along x and y, body heights.
        speed_gain: how much jitter grows with speed, per body height per second.
        shake: the hand that holds the camera, body heights, all joints alike.
        hidden_gain: how many times more a joint behind the trunk jitters.
        doubt: how much such a joint's confidence falls, 0 to 1.
        bursts_per_s: passages of each limb that are lost track of: wild, late or unseen.
        lag_s: how late a fast limb may be in such a passage.
        swaps_per_s: passages in which left and right are exchanged, arms or legs.
        nobody_per_s: passages in which nobody is found.
    """

    jitter: float = 0.0017
    speed_gain: float = 0.8
    shake: float = 0.0
    hidden_gain: float = 3.0
    doubt: float = 0.5
    bursts_per_s: float = 0.14
    lag_s: float = 0.05
    swaps_per_s: float = 0.02
    nobody_per_s: float = 0.0


def draw_noise(rng: np.random.Generator, height_px: float) -> Noise:
    """A detector on an ordinary video: `jitter` spreads as measured, and small people are found less exactly.

    Args:
        rng: where it comes from.
        height_px: body height in the picture; a quarter of a pixel is as well as a joint can be placed.
    """
    bad = rng.normal()
    return Noise(
        jitter=float(np.clip(0.0017 * np.exp(0.7 * bad), 0.0002, 0.007) + 0.2 / height_px),
        speed_gain=float(rng.uniform(0.1, 0.9)),
        shake=float(rng.choice((0.0, 1.0)) * rng.uniform(0.0, 0.003)),
        hidden_gain=float(rng.uniform(1.0, 4.0)),
        doubt=float(rng.uniform(0.1, 0.9)),
        bursts_per_s=float(np.clip(0.14 * np.exp(bad + 0.5 * rng.normal()), 0.0, 0.8)),
        lag_s=float(rng.uniform(0.0, 0.08)),
        swaps_per_s=float(rng.choice((0.0, 0.02, 0.1), p=(0.6, 0.3, 0.1))),
        nobody_per_s=float(rng.choice((0.0, 0.03, 0.2), p=(0.65, 0.2, 0.15))),
    )


def detected(
    xy: Floats,
    depth_m: Floats,
    times_s: NDArray[np.float64],
    height_m: float,
    height_px: float,
    noise: Noise,
    rng: np.random.Generator,
) -> tuple[Floats, Floats]:
    """What a detector finds of joints in a picture.

    Args:
        xy: (T, 17, 2) pixels, where the joints are.
        depth_m: (T, 17) how far off, along the line of sight.
        times_s: (T,) of the pictures.
        height_m: height of the person, ...
        height_px: ... and in the picture.
        noise: what the detector does wrong.
        rng: where it comes from.

    Returns:
        Raw joints, (T, 17, 2) pixels, NaN where nobody is found, and their confidence, (T, 17).
    """
    frames, step_s = len(times_s), float(np.median(np.diff(times_s)))
    velocity = np.nan_to_num(np.gradient(xy, times_s, axis=0)).astype(np.float32)
    speed = np.minimum(np.linalg.norm(velocity, axis=-1) / height_px, 4.0)
    hidden = _hidden(xy, depth_m, height_px, height_m)
    gain = _JOINT_JITTER * (1 + noise.speed_gain * speed) * (1 + noise.hidden_gain * hidden)
    score = np.clip(0.98 - np.abs(rng.normal(0.0, 0.05, 17)) - 0.05 * np.abs(rng.normal(size=(frames, 17))), 0, 1)
    score -= noise.doubt * hidden * rng.uniform(0.3, 1.1, 17)
    xy = xy.copy()
    for limb in _LIMBS:
        for _ in range(rng.poisson(noise.bursts_per_s * times_s[-1])):
            # A fast limb is lost more easily.
            odds = np.cumsum(0.2 + speed[:, limb[-1]], dtype=np.float64)
            middle_s = times_s[min(int(np.searchsorted(odds, rng.random() * odds[-1])), frames - 1)]
            width_s = 0.12 * np.exp(0.6 * rng.normal())
            passage = np.exp(-0.5 * ((times_s - middle_s) / width_s) ** 2).astype(np.float32)
            kind, first = rng.integers(3), int(rng.integers(len(limb)))
            strength = rng.uniform(3.0, 12.0)
            for joint in limb[first:]:
                if kind == 0:
                    gain[:, joint] *= 1 + strength * passage
                elif kind == 1:
                    xy[:, joint] -= (noise.lag_s * passage)[:, None] * velocity[:, joint]
                else:
                    score[:, joint] -= 0.9 * passage
    xy += (noise.jitter * height_px) * gain[..., None] * _jitter(frames, step_s, rng)
    if noise.shake:
        xy += (noise.shake * height_px) * _red((frames, 1, 2), step_s, _SHAKE_S, rng)
    # MediaPipe has no neck and no middle of the hips; the product takes the middle of the two sides.
    for middle, side in ((_NECK, "shoulder"), (_HIP, "hip")):
        pair = [_AT[f"left_{side}"], _AT[f"right_{side}"]]
        xy[:, middle], score[:, middle] = xy[:, pair].mean(axis=1), score[:, pair].min(axis=1)
    for _ in range(rng.poisson(noise.swaps_per_s * times_s[-1])):
        names = _SIDES[int(rng.random() < 0.7)]
        first = int(rng.integers(frames))
        rows = slice(first, first + int(rng.integers(1, 3 + round(0.3 / step_s))))
        sides = [_AT[f"left_{name}"] for name in names], [_AT[f"right_{name}"] for name in names]
        xy[rows, sides[0] + sides[1]] = xy[rows, sides[1] + sides[0]]
    for _ in range(rng.poisson(noise.nobody_per_s * times_s[-1])):
        first = int(rng.integers(frames))
        rows = slice(first, first + 1 + round(0.15 * np.exp(1.2 * rng.normal()) / step_s))
        xy[rows], score[rows] = np.nan, 0.0
    score = np.where(np.isfinite(xy[..., 0]), np.clip(score, 0, 1), 0)
    return xy.astype(np.float32), score.astype(np.float32)


def _hidden(xy: Floats, depth_m: Floats, height_px: float, height_m: float) -> Floats:
    """(T, 17) 0..1: elbows, wrists, knees and ankles that are behind the trunk or behind the other leg."""
    hidden = np.zeros(depth_m.shape, np.float32)
    middle, axis = xy[:, _HIP], xy[:, _NECK] - xy[:, _HIP]
    long = np.maximum((axis**2).sum(axis=-1), 1.0)
    for side, other in (("left", "right"), ("right", "left")):
        for joint in ("elbow", "wrist"):
            at = _AT[f"{side}_{joint}"]
            away = xy[:, at] - middle
            along = np.clip((away * axis).sum(axis=-1) / long, 0, 1)
            off = np.linalg.norm(away - along[:, None] * axis, axis=-1) / height_px
            behind = depth_m[:, at] - depth_m[:, _HIP] > 0.04 * height_m
            hidden[:, at] = behind * np.exp(-0.5 * (off / 0.05) ** 2)
        for joint in ("knee", "ankle"):
            at, cover = _AT[f"{side}_{joint}"], _AT[f"{other}_{joint}"]
            off = np.linalg.norm(xy[:, at] - xy[:, cover], axis=-1) / height_px
            hidden[:, at] = 0.5 * (depth_m[:, at] > depth_m[:, cover]) * np.exp(-0.5 * (off / 0.04) ** 2)
    return np.nan_to_num(hidden)


def _jitter(frames: int, step_s: float, rng: np.random.Generator) -> Floats:
    """(T, 17, 2) quick jitter of standard deviation 1, now more and now less, and slow misplacement."""
    quick = _red((frames, 17, 2), step_s, _QUICK_S, rng)
    # The log-normal swell gives the long tails that are measured; its mean square is 1.
    swell = np.exp(_SWELL * (_red((frames, 17, 1), step_s, _SLOW_S, rng) - np.float32(_SWELL)))
    jitter: Floats = swell * quick + np.float32(_SLOW_RATIO) * _red((frames, 17, 2), step_s, _SLOW_S, rng)
    return jitter


def _red(shape: tuple[int, ...], step_s: float, memory_s: float, rng: np.random.Generator) -> Floats:
    """Noise of standard deviation 1 along the first axis whose autocorrelation falls by e in `memory_s`."""
    from scipy.signal import lfilter

    like = float(np.exp(-step_s / memory_s))
    white = rng.standard_normal(shape, dtype=np.float32)
    white[1:] *= np.float32(np.sqrt(1 - like**2))
    red: Floats = np.asarray(lfilter([1.0], [1.0, -like], white, axis=0)).astype(np.float32)
    return red
