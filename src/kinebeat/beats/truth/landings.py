"""Where a recorded movement lands: feet touch down, hands stop, the trunk reaches its lowest point, the body slows."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kinebeat.motion import MOTION_FPS
from kinebeat.skeleton import LAYOUTS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

JOINTS = LAYOUTS["rhythmicnet17"].joints
UPPER = tuple(JOINTS.index(f"{side}_{joint}") for side in ("left", "right") for joint in ("elbow", "wrist"))
WEIGHT = {"feet": 1.0, "trunk": 0.8, "hands": 0.7, "body": 0.8}
STOPPED = 0.2
"""A limb has stopped when its speed has lost all but this part of what it loses between a peak and the next low."""
FULL_DROP = {"feet": 1.6, "hands": 1.6, "body": 0.7}
"""Loss of speed, metres per second, that counts as a landing of full strength."""
WEAKEST_DROP = 0.15
FULL_BOUNCE_M = 0.10
WEAKEST_BOUNCE_M = 0.015
TOGETHER_S = 0.045
CLOSEST_S = 0.15


@dataclass(frozen=True)
class Landings:
    """Moments at which a movement lands.

    Attributes:
        times_s: (N,) float64, increasing.
        strength: (N,) float64 in (0, 1].
    """

    times_s: NDArray[np.float64]
    strength: NDArray[np.float64]


def find_landings(xyz: NDArray[np.float32], parts: Iterable[str] = tuple(WEIGHT)) -> Landings:
    """Landings of a body or of parts of it; those of several limbs at once are one, and stronger.

    Args:
        xyz: (T, 17, 3) metres, y up, 60 fps.
        parts: of `WEIGHT`.
    """
    from scipy.ndimage import gaussian_filter1d
    from scipy.signal import find_peaks

    together = np.zeros(len(xyz))
    for part in parts:
        for frame, strength in _landings_of(xyz, part):
            together[frame] += WEIGHT[part] * strength
    sigma = TOGETHER_S * MOTION_FPS
    curve = gaussian_filter1d(together, sigma, mode="constant") * sigma * np.sqrt(2 * np.pi)
    frames, _ = find_peaks(curve, distance=round(CLOSEST_S * MOTION_FPS), height=0.15)
    if not len(frames):
        return Landings(np.zeros(0), np.zeros(0))
    level = max(1.0, float(np.percentile(curve[frames], 85)))
    return Landings(frames / MOTION_FPS, np.minimum(curve[frames] / level, 1.0))


def _landings_of(xyz: NDArray[np.float32], part: str) -> list[tuple[int, float]]:
    from scipy.signal import find_peaks

    if part == "trunk":
        height = xyz[:, JOINTS.index("mid_hip"), 1].astype(np.float64)
        low, found = find_peaks(-height, prominence=WEAKEST_BOUNCE_M, wlen=round(2 * MOTION_FPS) + 1)
        return [(int(f), min(1.0, p / FULL_BOUNCE_M)) for f, p in zip(low, found["prominences"], strict=True)]
    if part == "body":
        speeds = [np.linalg.norm(np.gradient(xyz - xyz[:, 8:9], 1 / MOTION_FPS, axis=0), axis=2).mean(1)]
    else:
        ends = ("ankle",) if part == "feet" else ("wrist",)
        centre = 0.0 if part == "feet" else xyz[:, JOINTS.index("mid_hip")]
        speeds = [
            np.linalg.norm(np.gradient(xyz[:, JOINTS.index(f"{side}_{end}")] - centre, 1 / MOTION_FPS, axis=0), axis=1)
            for side in ("left", "right")
            for end in ends
        ]
    return [landing for speed in speeds for landing in _stops(speed, FULL_DROP[part])]


def _stops(speed: NDArray[np.float64], full_drop: float) -> list[tuple[int, float]]:
    """Frames at which a speed has come down from a peak, with how far it fell."""
    from scipy.signal import find_peaks

    fast, _ = find_peaks(speed, prominence=WEAKEST_DROP, wlen=round(2 * MOTION_FPS))
    stops = []
    for peak, following in itertools.pairwise([*fast, len(speed)]):
        after = speed[peak:following]
        low = float(after.min())
        drop = float(speed[peak]) - low
        if drop < WEAKEST_DROP:
            continue
        stops.append((int(peak + np.argmax(after <= low + STOPPED * drop)), min(1.0, drop / full_drop)))
    return stops
