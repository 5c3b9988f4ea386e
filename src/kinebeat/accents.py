"""Accents: the moments at which a movement is felt to land.

Two detectors. `find_accents` is the product's: sub-frame peaks of the deceleration with a strength. `paper_style` is
RhythmicNet's, exactly as its paper says, kept for comparison.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kinebeat.motion import MOTION_FPS, PAPER_FPS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kinebeat.motion import Motion

LEVEL_WINDOW_S = 6.0
LEVEL_PERCENTILE = 90.0
LEVEL_FLOOR = 0.65
"""Deceleration (body heights per second squared) below which a clip counts as standing still: the detector's jitter
on an idle person stays under a third of it."""
LANDING_LAG_S = 0.024
"""From the peak of the braking to where a sound is looked for. A dead stop is 7 ms before that peak, the rest of a
pendulum at 120 BPM 50 ms after it, the lowest speed on ordinary video 60 ms after it: this lies between them."""
CLOSEST_S = 0.11
WEAKEST_PEAK = 0.12
WEAKEST_ACCENT = 0.30

STYLE_FFT = 16
STYLE_HOP = 4
STYLE_SHARE = 0.10


@dataclass(frozen=True)
class Accents:
    """Moments at which the movement lands.

    Attributes:
        times_s: (N,) float64, increasing, finer than the frames.
        strength: (N,) float32 in (0, 1], against the hard braking of the seconds around; see `peaks`.
    """

    times_s: NDArray[np.float64]
    strength: NDArray[np.float32]


def find_accents(motion: Motion, weakest: float = WEAKEST_ACCENT) -> Accents:
    """Peaks of the deceleration: where limbs stop, which is when a drum is expected.

    A peak's strength is its prominence against the level of the seconds around it, so that a quiet passage has
    accents too, but never less than `LEVEL_FLOOR`, so that standing still has none.

    Args:
        motion: the movement.
        weakest: peaks of less strength are left out; in (0, 1].
    """
    braking = peaks(motion.deceleration, weakest=weakest)
    return Accents(braking.times_s + LANDING_LAG_S, braking.strength)


def movement_peaks(motion: Motion) -> Accents:
    """All kinematic peaks (of the deceleration), weak ones too: what alignment is scored against."""
    return peaks(motion.deceleration, weakest=WEAKEST_PEAK)


def peaks(curve: NDArray[np.float32], weakest: float) -> Accents:
    """Sub-frame peaks of a kinematic curve on the scale of `MOTION_FPS`, with strengths.

    A peak as prominent as the level around it (`LEVEL_PERCENTILE` of the curve) has a strength of 0.82.

    Args:
        curve: (T,) kinematic offsets, body heights per second squared.
        weakest: least strength, in (0, 1].
    """
    from scipy.signal import find_peaks

    if len(curve) < 3:
        return Accents(np.zeros(0), np.zeros(0, np.float32))
    # A zero at either end lets a movement that is cut off there count.
    padded = np.concatenate([[0.0], curve / _local_level(curve), [0.0]])
    where, found = find_peaks(
        padded,
        distance=max(1, round(CLOSEST_S * MOTION_FPS)),
        prominence=0.0,
        wlen=round(4.0 * MOTION_FPS) + 1,
    )
    strength = _compressed(found["prominences"])
    strong = strength >= weakest
    times_s = (where - 1 + _vertex(padded, where)) / MOTION_FPS
    return Accents(times_s[strong], strength[strong].astype(np.float32))


def paper_style(kinematic_offsets: NDArray[np.float64]) -> NDArray[np.bool_]:
    """RhythmicNet's style stream at 15 fps: which frames are transitional movements.

    Short-time Fourier transform of 16 points and hop 4 (Hann window, centred, mirrored ends), magnitude of the
    highest of its frequency bins, the top 10 % of it over the whole clip, each repeated 4 times. Source: RhythmicNet
    section 3, Style Extraction, and implementation details.

    Args:
        kinematic_offsets: (T,) at 15 fps, from `motion.paper_kinematic_offsets`.

    Returns:
        (T,) bool.
    """
    frames = len(kinematic_offsets)
    mirrored = np.pad(kinematic_offsets, STYLE_FFT // 2, mode="reflect" if frames > STYLE_FFT // 2 else "edge")
    windows = np.lib.stride_tricks.sliding_window_view(mirrored, STYLE_FFT)[::STYLE_HOP]
    highest = np.abs(np.fft.rfft(windows * np.hanning(STYLE_FFT + 1)[:-1], axis=1))[:, -1]
    count = max(1, round(STYLE_SHARE * len(highest)))
    marked = np.zeros(len(highest), bool)
    marked[np.argsort(-highest, kind="stable")[:count]] = True
    marked &= highest > 1e-9 * max(1.0, float(np.abs(kinematic_offsets).max(initial=0.0)))
    return np.repeat(marked, STYLE_HOP)[:frames]


def paper_style_times_s(style: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Start times in seconds of the runs of a style stream."""
    return np.flatnonzero(np.diff(np.concatenate([[0], style.astype(int)])) > 0) / PAPER_FPS


def _local_level(curve: NDArray[np.float32]) -> NDArray[np.float64]:
    """High percentile of the curve over the seconds around, half of it the whole clip's, with a floor; (T,)."""
    hop = round(MOTION_FPS)
    half = round(LEVEL_WINDOW_S * MOTION_FPS / 2)
    knots = np.arange(0, len(curve) + hop, hop)
    local = [
        np.percentile(curve[max(0, k - half) : k + half + 1], LEVEL_PERCENTILE) for k in knots if k - half < len(curve)
    ]
    moving = curve[curve > LEVEL_FLOOR / 3]
    whole = np.percentile(moving, LEVEL_PERCENTILE) if len(moving) else 0.0
    level = 0.5 * np.interp(np.arange(len(curve)), knots[: len(local)], local) + 0.5 * whole
    return np.asarray(np.maximum(level, LEVEL_FLOOR))


def _compressed(prominence: NDArray[np.float64]) -> NDArray[np.float64]:
    """Prominence as it is up to a half, then ever slower towards 1: of two strong accents one is still the stronger."""
    return np.where(prominence < 0.5, prominence, 1 - 0.5 * np.exp(1 - 2 * np.maximum(prominence, 0.5)))


def _vertex(curve: NDArray[np.float64], where: NDArray[np.int64]) -> NDArray[np.float64]:
    """Offset in frames of the parabola's vertex through each peak and its neighbours, within half a frame."""
    left, mid, right = curve[where - 1], curve[where], curve[where + 1]
    bend = left - 2 * mid + right
    offset = np.where(bend < 0, 0.5 * (left - right) / np.where(bend < 0, bend, -1.0), 0.0)
    return np.clip(offset, -0.5, 0.5)
