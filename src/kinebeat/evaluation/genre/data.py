"""Groove's takes with their genres."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kinebeat.evaluation.drum_audio import FRAMES, MELS, Kit, groove_take, places_in

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from kinebeat.drums.data import Performance

GENRES = (
    "rock",
    "latin",
    "jazz",
    "funk",
    "afrobeat",
    "afrocuban",
    "hiphop",
    "neworleans",
    "dance",
    "soul",
    "reggae",
    "country",
)
"""The twelve that Groove's training split has most of."""


def genre_of(performance: Performance) -> int:
    """Number in `GENRES`, -1 for another."""
    name = performance.style.split("/")[0]
    return GENRES.index(name) if name in GENRES else -1


def labelled_takes(
    performances: Sequence[Performance], count: int, seed: int, progress: Callable[[float], None] | None = None
) -> tuple[NDArray[np.float16], NDArray[np.int64]]:
    """Spectrograms (N, 40, 100) of four seconds each, and their genres (N,).

    Args:
        performances: of one split.
        count: takes at most; all there are if there are fewer.
        seed: draws them.
        progress: called with the share done.
    """
    places = places_in([p for p in performances if genre_of(p) >= 0])
    chosen = np.sort(np.random.default_rng(seed).permutation(len(places))[:count])
    kit = Kit()
    found = np.zeros((len(chosen), MELS, FRAMES), np.float16)
    for i, place in enumerate(chosen):
        found[i] = kit.spectrogram(groove_take(*places[place]))
        if progress is not None:
            progress((i + 1) / len(chosen))
    return found, np.array([genre_of(places[place][0]) for place in chosen], np.int64)
