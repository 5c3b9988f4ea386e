"""The noun `BeatGrid`: beats followed through a whole clip, and the 16th steps between them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

STEPS_PER_BEAT = 4
BEATS_PER_BAR = 4
STEPS_PER_BAR = STEPS_PER_BEAT * BEATS_PER_BAR


@dataclass(frozen=True)
class BeatGrid:
    """Beat times through a whole clip; step k (a 16th) and seconds map onto each other piecewise linearly.

    The first beat is a downbeat at or before time 0 and the beats come in whole bars that cover the clip, so
    step 0 is always the start of a bar and `steps` is a multiple of `STEPS_PER_BAR`.

    Attributes:
        beats_s: (B,) float64, strictly increasing; the last entry is the end of the last bar.
        confidence: in [0, 1]; how clearly the movement itself has this beat.
        source: where the beat comes from: "movement", "accents" (no beat found: the grid that fits the accents
            best), "tempo" (given by the user) or "song" (heard in the music that plays along).
    """

    beats_s: NDArray[np.float64]
    confidence: float = 1.0
    source: str = "movement"

    @property
    def steps(self) -> int:
        """Number of 16th steps on the grid."""
        return (len(self.beats_s) - 1) * STEPS_PER_BEAT

    @property
    def tempo_bpm(self) -> float:
        """Tempo of the straight line through the beats (least squares)."""
        slope = np.polyfit(np.arange(len(self.beats_s)), self.beats_s, 1)[0]
        return float(60.0 / slope)

    def time_s(self, step: ArrayLike) -> NDArray[np.float64]:
        """Seconds at fractional steps; beyond the ends the outermost beat period goes on."""
        return _extrapolating_interp(
            np.asarray(step, float) / STEPS_PER_BEAT, np.arange(len(self.beats_s)), self.beats_s
        )

    def step(self, time_s: ArrayLike) -> NDArray[np.float64]:
        """Fractional steps at times in seconds: the inverse of `time_s`."""
        beats = _extrapolating_interp(np.asarray(time_s, float), self.beats_s, np.arange(len(self.beats_s)))
        return beats * STEPS_PER_BEAT

    def inside(self, duration_s: float, every: int = 1) -> NDArray[np.float64]:
        """(N,) beats inside a clip, seconds: from 0 to before its end.

        Args:
            duration_s: length of the clip.
            every: 1 gives all of them, `BEATS_PER_BAR` the downbeats.
        """
        beats_s = self.beats_s[::every]
        return beats_s[(beats_s >= 0) & (beats_s < duration_s)]

    def moved(self, by_s: float, duration_s: float) -> BeatGrid:
        """The same beats later by seconds (earlier if negative), in as many whole bars as now cover the clip."""
        bar = np.array([self.step(-by_s), self.step(duration_s - by_s)]) / STEPS_PER_BAR
        first = int(np.floor(bar[0] + 1e-9))
        last = max(first + 1, int(np.ceil(bar[1] - 1e-9)))
        steps = np.arange(first * BEATS_PER_BAR, last * BEATS_PER_BAR + 1) * STEPS_PER_BEAT
        return replace(self, beats_s=self.time_s(steps) + by_s)


def _extrapolating_interp(x: NDArray[np.float64], xp: ArrayLike, fp: ArrayLike) -> NDArray[np.float64]:
    """Piecewise-linear interpolation that continues its first and last segment beyond the ends."""
    xp, fp = np.asarray(xp, float), np.asarray(fp, float)
    i = np.clip(np.searchsorted(xp, x, side="right") - 1, 0, len(xp) - 2)
    slope = (fp[i + 1] - fp[i]) / (xp[i + 1] - xp[i])
    return np.asarray(fp[i] + (x - xp[i]) * slope)
