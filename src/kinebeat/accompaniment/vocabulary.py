"""The two vocabularies of the accompaniment as data, and tables that move tokens within them.

A token is a kind and a value. Velocities, lengths of notes, tempos and densities are binned here and nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from kinebeat.accompaniment.harmony import (
    CHORDS,
    KEYS,
    NO_KEY,
    chord_name,
    key_name,
    transposed_chords,
    transposed_keys,
)
from kinebeat.accompaniment.parts import HIGHEST_PITCH, INSTRUMENTS, LOWEST_PITCH, POSITIONS_PER_BAR, fold
from kinebeat.drums.kit import DRUMS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import ArrayLike, NDArray

DURATIONS = np.array(
    [1, 2, 3, 4, 5, 6, 8, 9, 10, 12, 15, 16, 18, 20, 21, 24, 28, 30, 32, 36, 42, 48, 54, 60, 66, 72, 84, 96]
)
"""Lengths of notes, in positions."""
VELOCITIES = np.arange(4, 128, 8)
"""Velocities of notes: the middles of 16 bins of 8."""
SLOWEST_BPM, FASTEST_BPM = 50.0, 220.0
TEMPO_BINS = 16
TEMPOS = SLOWEST_BPM * (FASTEST_BPM / SLOWEST_BPM) ** ((np.arange(TEMPO_BINS) + 0.5) / TEMPO_BINS)
"""Tempos in BPM: the middles of bins that are each 9.7 % wide."""
NOTES_FROM = np.array([0, 1, 2, 3, 5, 7, 9, 13])
"""How many positions of a bar have notes that start there: the least number of each bin. A chord counts once."""
NO_NOTES = len(NOTES_FROM)
"""The bin that does not say how many."""
HITS_FROM = np.array([1, 50, 90])
"""The least velocity of each band of drum hits."""
HIT_VELOCITIES = np.array([32, 72, 108])
"""The velocity that a band stands for."""


def tempo_bin(tempo_bpm: ArrayLike) -> NDArray[np.int64]:
    """Bins of tempos in BPM; those beyond the ends are in the outermost."""
    at = np.log(np.asarray(tempo_bpm, np.float64) / SLOWEST_BPM) / np.log(FASTEST_BPM / SLOWEST_BPM)
    return np.asarray(np.clip(np.floor(at * TEMPO_BINS), 0, TEMPO_BINS - 1), np.int64)


def velocity_bin(velocity: ArrayLike) -> NDArray[np.int64]:
    """Bins of MIDI velocities 1 .. 127."""
    return np.asarray((np.clip(np.asarray(velocity, np.int64), 1, 127) - 1) // 8)


def duration_bin(duration: ArrayLike) -> NDArray[np.int64]:
    """The nearest of `DURATIONS`; half-way between two it is the longer, as what is held is seldom held too long."""
    between = (DURATIONS[1:] + DURATIONS[:-1]) / 2
    return np.asarray(np.searchsorted(between, np.asarray(duration), side="right"))


def notes_bin(count: ArrayLike) -> NDArray[np.int64]:
    """Bins of how many positions of a bar have notes."""
    return np.asarray(np.searchsorted(NOTES_FROM, np.asarray(count), side="right") - 1)


def hit_band(velocity: ArrayLike) -> NDArray[np.int64]:
    """Bands of drum velocities 1 .. 127."""
    return np.asarray(np.searchsorted(HITS_FROM, np.asarray(velocity), side="right") - 1)


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """All tokens of one side: kind by kind, each with values 0, 1, ...

    Attributes:
        kinds: names of the kinds.
        first: for each kind its first token.
        sizes: for each kind how many values it has.
        kind: (V,) for each token the number of its kind.
        value: (V,) for each token its value.
        names: for each token its name.
    """

    kinds: tuple[str, ...]
    first: dict[str, int]
    sizes: dict[str, int]
    kind: NDArray[np.int64]
    value: NDArray[np.int64]
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.kind)

    def span(self, kind: str) -> slice:
        """The tokens of a kind."""
        return slice(self.first[kind], self.first[kind] + self.sizes[kind])

    def are(self, tokens: NDArray[np.integer[Any]], kind: str) -> NDArray[np.bool_]:
        """Which tokens are of a kind."""
        span = self.span(kind)
        return np.asarray((tokens >= span.start) & (tokens < span.stop))

    def describe(self, tokens: ArrayLike) -> str:
        """Tokens as words, for people."""
        return " ".join(self.names[token] for token in np.asarray(tokens).tolist())


def _vocabulary(*kinds: tuple[str, Sequence[str]]) -> Vocabulary:
    names = tuple(name for name, _ in kinds)
    sizes = [len(values) for _, values in kinds]
    return Vocabulary(
        names,
        dict(zip(names, (np.cumsum(sizes) - sizes).tolist(), strict=True)),
        dict(zip(names, sizes, strict=True)),
        np.repeat(np.arange(len(kinds)), sizes),
        np.concatenate([np.arange(size) for size in sizes]),
        tuple(f"{name}_{value}" if value else name for name, values in kinds for value in values),
    )


def _texts(values: ArrayLike) -> list[str]:
    return [str(value) for value in np.asarray(values).tolist()]


_TEMPO_NAMES = _texts(np.rint(TEMPOS).astype(int))
_POSITION_NAMES = _texts(np.arange(POSITIONS_PER_BAR))
DECODER = _vocabulary(
    ("Pad", [""]),
    ("Bar", [""]),
    ("Tempo", _TEMPO_NAMES),
    ("Position", _POSITION_NAMES),
    ("Chord", [chord_name(chord) for chord in range(CHORDS)]),
    ("Pitch", _texts(np.arange(LOWEST_PITCH, HIGHEST_PITCH + 1))),
    ("Velocity", _texts(VELOCITIES)),
    ("Duration", _texts(DURATIONS)),
)
ENCODER = _vocabulary(
    ("Pad", [""]),
    ("Bar", [""]),
    ("For", INSTRUMENTS),
    ("Tempo", _TEMPO_NAMES),
    ("Key", [key_name(key).replace(" ", "-") for key in range(KEYS)]),
    ("Notes", [*(f"from-{least}" for least in NOTES_FROM.tolist()), "none"]),
    ("Position", _POSITION_NAMES),
    (
        "Hit",
        [f"{drum.name.replace(' ', '-')}-{band}" for drum in DRUMS for band in ("soft", "middle", "loud")],
    ),
)
PAD = 0
"""Fills batches; never part of music. The same in both vocabularies."""


def _table(
    vocabulary: Vocabulary, moves: dict[str, Callable[[NDArray[np.int64]], NDArray[np.int64]]]
) -> NDArray[np.int16]:
    table = np.arange(len(vocabulary))
    for kind, move in moves.items():
        if kind in vocabulary.first:
            span = vocabulary.span(kind)
            table[span] = vocabulary.first[kind] + move(vocabulary.value[span])
    table = table.astype(np.int16)
    table.flags.writeable = False  # it is kept for the next caller
    return table


@lru_cache(maxsize=512)
def shift_table(vocabulary: Vocabulary, semitones: int = 0, tempo_bins: int = 0) -> NDArray[np.int16]:
    """A table (V,) that transposes and hastens: `table[tokens]`.

    Pitches, chords and the key go up by `semitones`, tempos by `tempo_bins`, both of them no further than they can: a
    pitch comes back by an octave (it may then stand out of order, see `free_shifts`), a tempo stays at the end.
    """
    return _table(
        vocabulary,
        {
            "Pitch": lambda value: fold(value + LOWEST_PITCH + semitones) - LOWEST_PITCH,
            "Chord": lambda value: transposed_chords(value, semitones),
            "Key": lambda value: transposed_keys(value, semitones),
            "Tempo": lambda value: np.clip(value + tempo_bins, 0, TEMPO_BINS - 1),
        },
    )


@lru_cache(maxsize=8)
def silence_table(*, key: bool = True, notes: bool = True) -> NDArray[np.int16]:
    """A table of the encoder's tokens in which the key, or how many notes there are, is not said."""
    moves: dict[str, Callable[[NDArray[np.int64]], NDArray[np.int64]]] = {}
    if key:
        moves["Key"] = lambda value: np.full_like(value, NO_KEY)
    if notes:
        moves["Notes"] = lambda value: np.full_like(value, NO_NOTES)
    return _table(ENCODER, moves)


def free_shifts(tokens: NDArray[np.integer[Any]]) -> tuple[int, int]:
    """The lowest and highest transposition (semitones) of the decoder's tokens in which no pitch leaves the range."""
    pitches = DECODER.value[tokens[DECODER.are(tokens, "Pitch")]]
    if not len(pitches):
        return -(HIGHEST_PITCH - LOWEST_PITCH), HIGHEST_PITCH - LOWEST_PITCH
    return -int(pitches.min()), HIGHEST_PITCH - LOWEST_PITCH - int(pitches.max())
