"""What the accompaniment's network is trained on: crops of pieces, in batches of numpy arrays.

A batch is a function of (seed, step) alone, so that a training that was stopped goes on exactly as if it had not been.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

import numpy as np

from kinebeat.accompaniment.tokens import Controls, Stream, encode_drums, encode_part, notes_per_bar, without_hits
from kinebeat.accompaniment.vocabulary import DECODER, ENCODER, PAD, free_shifts, notes_bin, shift_table, silence_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from kinebeat.accompaniment.corpus import Segment, Segments

POOL = 16
"""Batches that are drawn together and sorted by length, so that little of them is padding."""
NOTHING = -1
"""The bar of padding, and the target where there is none."""


@dataclass(frozen=True, eq=False)
class Piece:
    """Some bars: what is played to, and what is played."""

    drums: Stream
    music: Stream


class Pieces(Protocol):
    """Many pieces, by number."""

    def __len__(self) -> int: ...

    def __getitem__(self, number: int, /) -> Piece: ...


@dataclass(frozen=True)
class Batch:
    """Pieces side by side.

    Attributes:
        encoder_tokens: (B, L') int64, then padding.
        encoder_when: (B, L') int64.
        encoder_bar: (B, L') int64, from 0, `NOTHING` for padding.
        decoder_tokens: (B, L) int64.
        decoder_when: (B, L) int64.
        decoder_bar: (B, L) int64.
        target: (B, L) int64, the token after each, `NOTHING` after the last.
    """

    encoder_tokens: NDArray[np.int64]
    encoder_when: NDArray[np.int64]
    encoder_bar: NDArray[np.int64]
    decoder_tokens: NDArray[np.int64]
    decoder_when: NDArray[np.int64]
    decoder_bar: NDArray[np.int64]
    target: NDArray[np.int64]

    @property
    def inputs(self) -> tuple[NDArray[np.int64], ...]:
        """What the network takes, in its order."""
        return tuple(vars(self).values())[:-1]


@dataclass(frozen=True)
class Drawing:
    """How batches are drawn.

    Attributes:
        batch: crops in a batch.
        tokens: of a crop at most, on the instrument's side; twice as many on the drums'.
        semitones: how far a crop is transposed either way, as far as its pitches can be.
        tempo_bins: how far its tempo is moved either way.
        no_key: probability that its key is not said.
        no_notes: probability that how many notes it has is not said.
    """

    batch: int = 8
    tokens: int = 512
    semitones: int = 6
    tempo_bins: int = 1
    no_key: float = 0.25
    no_notes: float = 0.25


def piece_of(segment: Segment, *, hits: bool = True) -> Piece:
    """The tokens of a segment; without `hits` its drums are silent."""
    notes = tuple(notes_bin(notes_per_bar(segment.part)).tolist())
    drums = encode_drums(segment.drums, Controls(segment.instrument, segment.tempo_bpm, segment.key, notes))
    return Piece(drums if hits else without_hits(drums), encode_part(segment.part, segment.chords, segment.tempo_bpm))


class SegmentPieces:
    """The pieces of a corpus; each is made when it is first asked for, and kept."""

    def __init__(self, segments: Segments, *, hits: bool = True) -> None:
        self._segments, self._hits = segments, hits
        self._made: dict[int, Piece] = {}

    def __len__(self) -> int:
        return len(self._segments)

    def __getitem__(self, number: int) -> Piece:
        if number not in self._made:
            self._made[number] = piece_of(self._segments[number], hits=self._hits)
        return self._made[number]


def _starts(stream: Stream, bars: int) -> NDArray[np.int64]:
    """Where each bar begins, and the end: (bars + 1,)."""
    return np.searchsorted(stream.bar, np.arange(bars + 1))


def _cut(stream: Stream, part: slice, first_bar: int) -> Stream:
    return Stream(stream.tokens[part], stream.when[part], stream.bar[part] - first_bar)


def crop(piece: Piece, first_bar: int, tokens: int) -> tuple[Piece, int]:
    """As many whole bars from `first_bar` on as fit, and the bar after them.

    A first bar that alone is too long is cut off.
    """
    bars = int(piece.music.bar[-1]) + 1
    music, drums = _starts(piece.music, bars), _starts(piece.drums, bars)
    fits = (music - music[first_bar] <= tokens) & (drums - drums[first_bar] <= 2 * tokens)
    end = max(first_bar + 1, int(np.flatnonzero(fits)[-1]))
    cut = slice(music[first_bar], min(music[end], music[first_bar] + tokens))
    beside = slice(drums[first_bar], min(drums[end], drums[first_bar] + 2 * tokens))
    return Piece(_cut(piece.drums, beside, first_bar), _cut(piece.music, cut, first_bar)), end


def random_crop(piece: Piece, tokens: int, rng: np.random.Generator) -> Piece:
    """A crop from a random bar, up to the first from which all that follows fits: crops are full, and reach the end."""
    bars = int(piece.music.bar[-1]) + 1
    starts = _starts(piece.music, bars)
    last = min(int(np.searchsorted(starts, starts[-1] - tokens)), bars - 1)
    return crop(piece, int(rng.integers(last + 1)), tokens)[0]


def crops(piece: Piece, tokens: int) -> Iterator[Piece]:
    """The whole piece in crops one after the other."""
    first, bars = 0, int(piece.music.bar[-1]) + 1
    while first < bars:
        part, first = crop(piece, first, tokens)
        yield part


def varied(piece: Piece, how: Drawing, rng: np.random.Generator) -> Piece:
    """The piece in another key and tempo, and with less said about it."""
    low, high = free_shifts(piece.music.tokens)
    semitones = int(rng.integers(max(low, -how.semitones), min(high, how.semitones) + 1))
    tempo = int(rng.integers(-how.tempo_bins, how.tempo_bins + 1))
    silent = silence_table(key=bool(rng.random() < how.no_key), notes=bool(rng.random() < how.no_notes))
    drums, music = (shift_table(vocabulary, semitones, tempo) for vocabulary in (ENCODER, DECODER))
    return Piece(
        Stream(silent[drums[piece.drums.tokens]], piece.drums.when, piece.drums.bar),
        Stream(music[piece.music.tokens], piece.music.when, piece.music.bar),
    )


def _likeness(piece: Piece) -> tuple[int, int]:
    """Neighbours in this order waste little: about as much music, then about as many drums."""
    return len(piece.music) // 50, len(piece.drums)


def side_by_side(pieces: Sequence[Piece]) -> Batch:
    """A batch of pieces."""
    sides: list[NDArray[np.int64]] = []
    for streams in ([piece.drums for piece in pieces], [piece.music for piece in pieces]):
        shape = len(streams), max(len(stream) for stream in streams)
        tokens, when = np.full(shape, PAD, np.int64), np.zeros(shape, np.int64)
        bar = np.full(shape, NOTHING, np.int64)
        for row, stream in enumerate(streams):
            part = row, slice(len(stream))
            tokens[part], when[part], bar[part] = stream.tokens, stream.when, stream.bar
        sides += [tokens, when, bar]
    target = np.full_like(sides[3], NOTHING)
    target[:, :-1] = np.where(sides[5][:, 1:] == NOTHING, NOTHING, sides[3][:, 1:])
    return Batch(sides[0], sides[1], sides[2], sides[3], sides[4], sides[5], target)


class Batches:
    """The batches of a training, by step.

    Args:
        pieces: all there are; each is drawn once before any is drawn again.
        how: the batches are drawn.
        seed: of all that is random.
    """

    def __init__(self, pieces: Pieces, how: Drawing, seed: int) -> None:
        self._pieces, self._how, self._seed = pieces, how, seed
        self._pool: tuple[int, list[Batch]] = (-1, [])

    def __call__(self, step: int) -> Batch:
        """The batch of a step."""
        number, place = divmod(step, POOL)
        if self._pool[0] != number:
            self._pool = (number, self._drawn(number))
        return self._pool[1][place]

    def _drawn(self, number: int) -> list[Batch]:
        size = POOL * self._how.batch
        rng = np.random.default_rng([self._seed, 1, number])
        found = []
        for at in range(number * size, (number + 1) * size):
            epoch, place = divmod(at, len(self._pieces))
            piece = self._pieces[int(_order(len(self._pieces), self._seed, epoch)[place])]
            found.append(varied(random_crop(piece, self._how.tokens, rng), self._how, rng))
        found.sort(key=_likeness)
        groups = [found[i : i + self._how.batch] for i in range(0, size, self._how.batch)]
        return [side_by_side(groups[i]) for i in rng.permutation(POOL)]


@lru_cache(maxsize=2)
def _order(count: int, seed: int, epoch: int) -> NDArray[np.int64]:
    return np.random.default_rng([seed, 0, epoch]).permutation(count)


def evenly(pieces: Pieces, most: int) -> list[int]:
    """The numbers of at most so many pieces, spread evenly over all."""
    return sorted({int(i) for i in np.linspace(0, len(pieces) - 1, min(most, len(pieces))).round()})


def whole(pieces: Pieces, tokens: int, batch: int, most: int) -> list[Batch]:
    """Pieces as they are, from their first bar, in crops one after the other: for validation."""
    parts = [part for number in evenly(pieces, most) for part in crops(pieces[number], tokens)]
    parts.sort(key=_likeness)
    return [side_by_side(parts[i : i + batch]) for i in range(0, len(parts), batch)]
