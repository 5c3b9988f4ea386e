"""What the hits model is given for each 16th, and rhythms for training like those that movement gives."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kinebeat.beats.grid import STEPS_PER_BAR, STEPS_PER_BEAT

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

FEATURES = ("beat", "accented", "accent strength", "density known", "density", "tempo")
PHRASE_BARS = 8
DENSITY_SPAN_STEPS = 2 * STEPS_PER_BAR


def features(
    beat: NDArray[np.float32], accent: NDArray[np.float32], density: NDArray[np.float64] | None, tempo_bpm: ArrayLike
) -> NDArray[np.float32]:
    """Stack what the encoder is given.

    Args:
        beat: (..., S), 1 on beats.
        accent: (..., S), strength in [0, 1], 0 where there is no accent.
        density: (..., S), wished hits a step; NaN where there is no wish; None for no wish anywhere.
        tempo_bpm: (...), the tempo.

    Returns:
        (..., S, 6) float32, in the order of `FEATURES`.
    """
    wish = np.full(accent.shape, np.nan) if density is None else density
    known = np.isfinite(wish)
    tempo = np.broadcast_to(np.log2(np.asarray(tempo_bpm, float) / 110.0)[..., None], accent.shape)
    wish = np.where(known, wish, 1.2) - 1.2  # Groove's mean is 1.2 hits a step
    return np.asarray(np.stack([beat, accent > 0, accent, known, wish, tempo], -1), np.float32)


def local_density(hits: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(S,) mean hits a step over the two bars around each bar-pair: hits is (S, 9), constant over every two bars."""
    counts = hits.sum(-1).astype(float)
    density = np.empty(len(counts))
    for start in range(0, len(counts), DENSITY_SPAN_STEPS):
        span = slice(start, start + DENSITY_SPAN_STEPS)
        density[span] = counts[span].mean()
    return density


def movement_like_accents(
    velocities: NDArray[np.float32], rng: np.random.Generator, *, most: float = 0.6
) -> NDArray[np.float32]:
    """Accents (S,) that a mover to these drums might give: the strongest onsets, a random share of them, not clean.

    A share drawn from [0, `most`] of the steps with a hit is kept, louder ones first with some disorder; one in
    ten of them is missed, one empty or weak step in a hundred is added, and strengths are scaled and noisy.

    Args:
        velocities: (S, 9), 0 where there is no hit.
        rng: the only source of randomness.
        most: the largest share.
    """
    loudest = velocities.max(-1)
    onsets = np.flatnonzero(loudest > 0)
    share = rng.uniform(0.0, most)
    rank = loudest[onsets] + rng.normal(0.0, 0.15, len(onsets))
    chosen = onsets[np.argsort(-rank, kind="stable")[: round(share * len(onsets))]]
    chosen = chosen[rng.random(len(chosen)) > 0.1]
    accent = np.where(rng.random(len(loudest)) < 0.01, rng.uniform(0.1, 1.0, len(loudest)), 0.0)
    strength = loudest[chosen] * rng.uniform(0.7, 1.2) + rng.normal(0.0, 0.1, len(chosen))
    accent[chosen] = np.clip(strength, 0.05, 1.0)
    return np.asarray(accent, np.float32)


def beats(steps: int) -> NDArray[np.float32]:
    """(S,) float32: 1 on every fourth 16th."""
    return np.asarray(np.arange(steps) % STEPS_PER_BEAT == 0, np.float32)
