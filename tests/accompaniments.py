"""Made music, and a made-up model, for the tests of the accompaniment: seeded, of all kinds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kinebeat.accompaniment.harmony import CHORDS
from kinebeat.accompaniment.parts import POSITIONS_PER_BAR, Chords, DrumBars, Part, drums_from_hits, part_from_notes
from kinebeat.accompaniment.vocabulary import DECODER

if TYPE_CHECKING:
    from collections.abc import Iterator


def random_part(rng: np.random.Generator, bars: int = 16, notes: int | None = None, low=21, high=108) -> Part:
    """Notes anywhere: crowded or sparse, with doubles, zero lengths and velocities beyond the ends."""
    count = int(rng.integers(0, 400)) if notes is None else notes
    return part_from_notes(
        bars,
        rng.integers(-20, bars * POSITIONS_PER_BAR + 20, count),
        rng.integers(0, 140, count),
        rng.integers(low, high + 1, count),
        rng.integers(0, 140, count),
    )


def random_drums(rng: np.random.Generator, bars: int = 16, hits: int | None = None) -> DrumBars:
    """Hits anywhere."""
    count = int(rng.integers(0, 600)) if hits is None else hits
    at = rng.integers(-20, bars * POSITIONS_PER_BAR + 20, count)
    return drums_from_hits(bars, at, rng.integers(0, 9, count), rng.integers(0, 140, count))


def random_chords(rng: np.random.Generator, bars: int = 16) -> Chords:
    """Chords that change now and then."""
    return Chords(np.repeat(rng.integers(0, CHORDS, 2 * bars), rng.integers(1, 4, 2 * bars))[: 2 * bars])


def made_music(bars: int = 16) -> Iterator[tuple[str, Part]]:
    """Parts of all kinds, each with its name."""
    rng = np.random.default_rng(0)
    yield "silence", random_part(rng, bars, 0)
    yield "one note at the very end", part_from_notes(bars, [bars * 48 - 1], [96], [60], [127])
    yield (
        "every position",
        part_from_notes(bars, np.arange(bars * 48), [1] * bars * 48, [60] * bars * 48, [1] * bars * 48),
    )
    yield "all keys at once", part_from_notes(bars, [0] * 88, [48] * 88, np.arange(21, 109), np.arange(88) + 20)
    yield "triplets", part_from_notes(bars, np.arange(0, 96, 4), [4] * 24, 48 + np.arange(24), [80] * 24)
    yield (
        "only the last bar",
        part_from_notes(bars, (bars - 1) * 48 + np.arange(0, 48, 3), [3] * 16, [72] * 16, [99] * 16),
    )
    for seed in range(40):
        rng = np.random.default_rng(seed)
        yield f"anything {seed}", random_part(rng, bars)
        yield f"guitar-like {seed}", random_part(rng, bars, low=40, high=76)
        yield f"beyond the keys {seed}", random_part(rng, bars, low=0, high=127)


@dataclass
class Heard:
    """How many tokens a bar of each piece has, and what is remembered: a hash of all that was said."""

    memory: np.ndarray
    played: int = 0


class RandomModel:
    """Draws its logits from what was heard and said so far, with a leaning towards some kind of token."""

    def __init__(self, leaning="", bar_tokens=128):
        self.bar_tokens, self.leaning = bar_tokens, leaning

    def begin_bar(self, drums, state=None, played=None):
        memory = state.memory if state is not None else np.zeros(len(drums), np.uint64)
        heard = [np.uint64(int(bar.tokens.astype(np.int64).sum())) for bar in drums]
        # Only what counts of the bar before is remembered.
        return Heard(memory * np.uint64(31) + np.array(heard))

    def step(self, tokens, state):
        assert state.played + tokens.shape[1] <= self.bar_tokens
        memory, logits = state.memory.copy(), np.empty((*tokens.shape, len(DECODER)), np.float32)
        for j in range(tokens.shape[1]):
            memory = np.where(
                tokens[:, j] > 0, memory * np.uint64(1099511628211) + tokens[:, j].astype(np.uint64), memory
            )
            for i, number in enumerate(memory):
                logits[i, j] = np.random.default_rng(int(number)).normal(0, 3, len(DECODER))
        if self.leaning:
            logits[..., DECODER.span(self.leaning)] += 8
        return logits, Heard(memory, state.played + tokens.shape[1])
