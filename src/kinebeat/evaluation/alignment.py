"""How well sound lands on movement: the beat-alignment score and its shift null.

Conventions: events are times in seconds, increasing. BAS(A -> B) is the mean over events a of A of
exp(-min_b (a - b)^2 / (2 sigma^2)) with sigma = 50 ms. A dense soundtrack scores high for nothing, so the score is
always shown beside what the same sound scores when shifted around the clip at random.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kinebeat.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

SIGMA_S = 0.050
SHIFTS = 500


@dataclass(frozen=True)
class Events:
    """Movement and sound of one clip.

    Attributes:
        movement_s: (A,) times of kinematic peaks.
        sound_s: (B,) onset times.
        duration_s: length of the clip, the circle on which the null shifts the sound.
    """

    movement_s: NDArray[np.float64]
    sound_s: NDArray[np.float64]
    duration_s: float


@dataclass(frozen=True)
class Alignment:
    """A score beside its shift null; NaN where a side has no events.

    Attributes:
        score: BAS of movement -> sound, or the other way round.
        null_mean: mean score of the shifted sound.
        null_sd: its standard deviation.
        z: (score - null_mean) / null_sd.
        events: number of events the mean is over.
    """

    score: float
    null_mean: float
    null_sd: float
    z: float
    events: int


def beat_alignment(a_s: ArrayLike, b_s: ArrayLike, sigma_s: float = SIGMA_S) -> NDArray[np.float64]:
    """How close an event of B is to each event of A, (A,) in [0, 1]; its mean is BAS(A -> B).

    Raises:
        OptionError: times are not finite.
    """
    a, b = np.asarray(a_s, float), np.sort(np.asarray(b_s, float))
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise OptionError("event times: expected finite seconds")
    if len(b) == 0:
        return np.zeros(len(a))
    right = np.searchsorted(b, a)
    nearest = np.minimum(np.abs(a - b[np.clip(right, 0, len(b) - 1)]), np.abs(a - b[np.clip(right - 1, 0, len(b) - 1)]))
    return np.asarray(np.exp(-(nearest**2) / (2 * sigma_s**2)))


def pooled_alignment(
    clips: Sequence[Events], *, reverse: bool = False, seed: int = 0, shifts: int = SHIFTS
) -> Alignment:
    """BAS over all events of several clips, beside the same after shifting each clip's sound at random.

    Args:
        clips: movement and sound of each clip.
        reverse: score sound -> movement instead of movement -> sound.
        seed: of the shifts.
        shifts: number of random shifts.
    """

    def score(sounds: Sequence[NDArray[np.float64]]) -> float:
        pairs = [
            (sound, clip.movement_s) if reverse else (clip.movement_s, sound)
            for clip, sound in zip(clips, sounds, strict=True)
        ]
        each = np.concatenate([beat_alignment(a, b) for a, b in pairs]) if pairs else np.zeros(0)
        return float(each.mean()) if len(each) else float("nan")

    own = score([c.sound_s for c in clips])
    rng = np.random.default_rng(seed)
    null = np.array(
        [score([(c.sound_s + rng.uniform(0, c.duration_s)) % c.duration_s for c in clips]) for _ in range(shifts)]
    )
    mean, sd = float(null.mean()), float(null.std())
    events = sum(len(c.sound_s if reverse else c.movement_s) for c in clips)
    return Alignment(own, mean, sd, (own - mean) / sd if sd > 0 else float("nan"), events)
