"""Made music for the tests of the accompaniment: seeded, of all kinds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kinebeat.accompaniment.harmony import CHORDS
from kinebeat.accompaniment.parts import POSITIONS_PER_BAR, Chords, DrumBars, Part, drums_from_hits, part_from_notes

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
