"""Cues for the beat: what in a movement may mark it, each as an activation at `MOTION_FPS`.

A cue peaks where the movement does something, which is not quite where the music's beat is; see `hearing.CUES`.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from kinebeat.accents import WEAKEST_PEAK, find_accents
from kinebeat.beats.visual import kinematic_offsets, visual_beats
from kinebeat.motion import MOTION_FPS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kinebeat.motion import Motion

BUMP_SIGMA_S = 0.030
HIGHEST = 0.95
"""No single movement is taken for a certain beat."""
MINIMUM_DEPTH = 0.05
"""Prominence of a low of the speed, as a part of the clip's fast passages, that counts."""
SLOW_CLIP = 0.12
"""Speed in body heights per second that counts as fast even in a clip where nobody moves faster."""


def bumps(times_s: NDArray[np.float64], strength: NDArray[np.float32], frames: int) -> NDArray[np.float64]:
    """A bump as high as its strength on each moment, (frames,) in [0, `HIGHEST`].

    Args:
        times_s: (N,) moments.
        strength: (N,) in [0, 1].
        frames: length of the activation at `MOTION_FPS`.
    """
    activation = np.zeros(frames)
    reach = int(np.ceil(4 * BUMP_SIGMA_S * MOTION_FPS))
    at = np.round(times_s * MOTION_FPS).astype(int)[:, None] + np.arange(-reach, reach + 1)
    bump = strength[:, None] * np.exp(-0.5 * ((at / MOTION_FPS - times_s[:, None]) / BUMP_SIGMA_S) ** 2)
    inside = (at >= 0) & (at < frames)
    np.maximum.at(activation, at[inside], bump[inside])
    return HIGHEST * activation


def kinematic(motion: Motion) -> NDArray[np.float64]:
    """Where limbs brake: peaks of the kinematic offsets."""
    accents = find_accents(motion, WEAKEST_PEAK)
    return bumps(accents.times_s, accents.strength, len(motion.times_s))


def speed_minima(motion: Motion) -> NDArray[np.float64]:
    """Where the body is slowest: lows of the mean speed of the joints, by how deep they are.

    The kinematic beats that music-to-dance research scores alignment by.
    """
    from scipy.signal import find_peaks

    speed = motion.speed.astype(np.float64)
    if not motion.present.any():
        return np.zeros(len(speed))
    fast = max(SLOW_CLIP, float(np.percentile(speed[motion.present], 80)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a low as long as the window has no prominence
        lows, found = find_peaks(-speed, prominence=MINIMUM_DEPTH * fast, wlen=round(4.0 * MOTION_FPS) + 1)
    return bumps(lows / MOTION_FPS, np.clip(found["prominences"] / fast, 0, 1), len(speed))


def visual(motion: Motion) -> NDArray[np.float64]:
    """Visual beats: impacts at equal distances (InteractiveBeat 3.1.1), of the joints' own braking."""
    beats = visual_beats(kinematic_offsets(motion.velocity))
    return bumps(beats.times_s, beats.strength, len(motion.times_s))
