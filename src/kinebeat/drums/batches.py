"""Training windows cut from Groove, as numpy arrays: what the trainings of the drums room are fed.

Every batch is drawn by its own generator, seeded with (seed, batch number), so that a training that was stopped
goes on exactly as if it had not been.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kinebeat.beats.grid import STEPS_PER_BAR
from kinebeat.drums.rhythms import PHRASE_BARS, beats, features, local_density, movement_like_accents

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from kinebeat.drums.data import Performance, Vocabulary


@dataclass(frozen=True)
class Windows:
    """Windows of one length: B of S steps.

    Attributes:
        features: (B, S, F) float32, the rhythm as the hits models are given it.
        bar: (B, S) int64, bar of the phrase.
        words: (B, S) int64.
        hits: (B, S, 9) float32.
        velocities: (B, S, 9) float32.
        offsets: (B, S, 9) float32.
        inside: (B, S) float32, 0 where a window reaches beyond its file.
        tempo_bpm: (B,) float64.
    """

    features: NDArray[np.float32]
    bar: NDArray[np.int64]
    words: NDArray[np.int64]
    hits: NDArray[np.float32]
    velocities: NDArray[np.float32]
    offsets: NDArray[np.float32]
    inside: NDArray[np.float32]
    tempo_bpm: NDArray[np.float64]


def cut(
    places: Sequence[tuple[Performance, int]],
    bars: int,
    vocabulary: Vocabulary,
    rng: np.random.Generator,
    *,
    wishes: float = 0.75,
) -> Windows:
    """Windows that start at given bars, with rhythms like those of movement.

    Args:
        places: performance and first bar of each window; a window may reach beyond the end of its file.
        bars: length.
        vocabulary: the words.
        rng: draws the rhythms.
        wishes: share of the windows that are told how dense the music is.
    """
    steps = bars * STEPS_PER_BAR
    matrices = np.zeros((3, len(places), steps, 9), np.float32)
    accent, inside = np.zeros((2, len(places), steps), np.float32)
    density = np.full((len(places), steps), np.nan)
    bar = np.zeros((len(places), steps), np.int64)
    for i, (source, first) in enumerate(places):
        span = slice(first * STEPS_PER_BAR, first * STEPS_PER_BAR + steps)
        length = len(source.hits[span])
        matrices[:, i, :length] = source.hits[span], source.velocities[span], source.offsets[span]
        inside[i, :length] = 1.0
        accent[i, :length] = movement_like_accents(source.velocities[span], rng)
        if rng.random() < wishes:
            density[i, :length] = local_density(source.hits[span]) * np.exp(rng.normal(0.0, 0.1))
        bar[i] = (first + np.arange(steps) // STEPS_PER_BAR) % PHRASE_BARS
    tempo_bpm = np.array([source.tempo_bpm for source, _ in places])
    rhythm = features(np.broadcast_to(beats(steps), accent.shape), accent, density, tempo_bpm)
    words = vocabulary.encode(matrices[0] > 0)
    return Windows(rhythm, bar, words, matrices[0], matrices[1], matrices[2], inside, tempo_bpm)


def draw(
    performances: Sequence[Performance], bars: int, size: int, vocabulary: Vocabulary, seed: int, number: int
) -> Windows:
    """Batch `number` of a training: windows from anywhere, each bar of the data as likely as any other."""
    rng = np.random.default_rng([seed, number])
    # A window may start up to half its length before the end of a file, so that endings are learned too.
    starts = np.array([max(1, len(p.hits) // STEPS_PER_BAR - bars // 2) for p in performances])
    flat = rng.integers(starts.sum(), size=size)
    ends = np.cumsum(starts)
    which = np.searchsorted(ends, flat, side="right")
    first = flat - (ends[which] - starts[which])
    return cut([(performances[w], int(f)) for w, f in zip(which, first, strict=True)], bars, vocabulary, rng)


def whole(performances: Sequence[Performance], bars: int, vocabulary: Vocabulary, seed: int) -> Windows:
    """All windows without overlap that lie inside their file: for validation, the same every time."""
    places = [(p, first) for p in performances for first in range(0, len(p.hits) // STEPS_PER_BAR - bars + 1, bars)]
    return cut(places, bars, vocabulary, np.random.default_rng(seed))
