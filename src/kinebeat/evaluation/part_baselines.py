"""What no model made, to judge models by: bars shuffled or copied, notes at random, and drums of another song."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from kinebeat.accompaniment.parts import INSTRUMENTS, POSITIONS_PER_BAR, SEGMENT_BARS, Chords, part_from_notes
from kinebeat.accompaniment.vocabulary import DURATIONS
from kinebeat.drums.kit import DRUMS
from kinebeat.evaluation.part_sets import SAME_TEMPO

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from kinebeat.accompaniment.corpus import Segment, Segments

_CELLS = len(DRUMS) * POSITIONS_PER_BAR
_BLOCK = 4096


def bars_shuffled(segments: Sequence[Segment], *, seed: int = 0) -> list[Segment]:
    """Each part, and its chords, with the bars in random order; the drums stay."""
    rng = np.random.default_rng([seed, 1])
    return [_shuffled(segment, rng.permutation(segment.part.bars)) for segment in segments]


def _shuffled(segment: Segment, order: NDArray[np.int64]) -> Segment:
    """The bars `order[0]`, `order[1]`, ... one after the other."""
    part, bars = segment.part, len(order)
    place = np.argsort(order)
    onset = place[part.onset // POSITIONS_PER_BAR] * POSITIONS_PER_BAR + part.onset % POSITIONS_PER_BAR
    moved = part_from_notes(bars, onset, part.duration, part.pitch, part.velocity)
    return replace(segment, part=moved, chords=Chords(segment.chords.symbols.reshape(bars, 2)[order].ravel()))


def drums_swapped(segments: Sequence[Segment], others: Sequence[Segment], *, seed: int = 0) -> list[Segment]:
    """Each segment with the drums of another song at its tempo; where none is so near, at the nearest tempo."""
    rng = np.random.default_rng([seed, 4])
    tempo, song = np.array([one.tempo_bpm for one in others]), np.array([one.song for one in others])
    made = []
    for segment in segments:
        away = np.where(song == segment.song, np.inf, np.abs(tempo / segment.tempo_bpm - 1))
        near = np.flatnonzero(away <= max(SAME_TEMPO, away.min()))
        made.append(replace(segment, drums=others[int(rng.choice(near))].drums))
    return made


def random_notes(segments: Sequence[Segment], *, seed: int = 0) -> list[Segment]:
    """As many notes as each part has, anywhere on the grid, within the pitches of nine notes in ten, of any length."""
    rng = np.random.default_rng([seed, 2])
    pitches = np.concatenate([segment.part.pitch for segment in segments])
    low, high = np.percentile(pitches, [5, 95]).astype(int) if len(pitches) else (60, 60)
    made = []
    for segment in segments:
        bars, count = segment.part.bars, len(segment.part)
        onset = rng.integers(0, bars * POSITIONS_PER_BAR, count)
        pitch = rng.integers(low, high + 1, count)
        part = part_from_notes(bars, onset, rng.choice(DURATIONS, count), pitch, np.full(count, 80))
        made.append(replace(segment, part=part))
    return made


def only(segments: Segments, instrument: str) -> Segments:
    """The segments of one instrument."""
    own = segments.instrument == INSTRUMENTS.index(instrument)
    notes, hits = np.diff(segments.note_from), np.diff(segments.hit_from)
    each = ("chords", "key", "tempo_bpm", "instrument", "start_bar", "file", "song")
    return replace(
        segments,
        notes=segments.notes[np.repeat(own, notes)],
        note_from=np.concatenate([[0], np.cumsum(notes[own])]),
        hits=segments.hits[np.repeat(own, hits)],
        hit_from=np.concatenate([[0], np.cumsum(hits[own])]),
        **{name: getattr(segments, name)[own] for name in each},
    )


def nearest_bars(
    segments: Sequence[Segment],
    known: Segments,
    *,
    seed: int = 0,
    progress: Callable[[float], None] | None = None,
) -> list[Segment]:
    """Parts put together from the training bars whose drums are most like those of each bar, note for note.

    How unlike drums are is the number of places (drum and position) that are struck in one bar and not in the other.
    Among bars that are equally near chance decides.

    Args:
        segments: whose drums are played to.
        known: the training segments of the same instrument.
        seed: of the choice among equals.
        progress: called with the share done.
    """
    asked = np.concatenate([_places(segment.drums.onset, segment.drums.drum, SEGMENT_BARS) for segment in segments])
    found = _nearest(asked, known, np.random.default_rng([seed, 3]), progress)
    made = []
    for number, segment in enumerate(segments):
        own = found[number * SEGMENT_BARS : (number + 1) * SEGMENT_BARS]
        rows, chords = [], []
        for bar, (source, source_bar) in enumerate(zip(*divmod(own, SEGMENT_BARS), strict=True)):
            notes = known.notes[known.note_from[source] : known.note_from[source + 1]].astype(np.int64)
            copied = notes[notes[:, 0] // POSITIONS_PER_BAR == source_bar]
            copied[:, 0] += (bar - source_bar) * POSITIONS_PER_BAR
            rows.append(copied)
            chords.append(known.chords[source, 2 * source_bar : 2 * source_bar + 2])
        part = part_from_notes(SEGMENT_BARS, *np.concatenate(rows).T)
        made.append(replace(segment, part=part, chords=Chords(np.concatenate(chords).astype(np.int64))))
    return made


def _places(onset: NDArray[np.int64], drum: NDArray[np.int64], bars: int) -> NDArray[np.float32]:
    """1 where a drum is struck, (bars, drums * positions)."""
    found = np.zeros((bars, _CELLS), np.float32)
    found[onset // POSITIONS_PER_BAR, drum * POSITIONS_PER_BAR + onset % POSITIONS_PER_BAR] = 1
    return found


def _nearest(
    asked: NDArray[np.float32],
    known: Segments,
    rng: np.random.Generator,
    progress: Callable[[float], None] | None,
) -> NDArray[np.int64]:
    """For each bar asked for (N, cells) the number of the training bar (segment * 16 + bar) that is nearest."""
    best = np.full(len(asked), np.inf)
    found = np.zeros(len(asked), np.int64)
    each = max(1, _BLOCK // SEGMENT_BARS)
    for first in range(0, len(known), each):
        last = min(first + each, len(known))
        hits = known.hits[known.hit_from[first] : known.hit_from[last]].astype(np.int64)
        segment = np.repeat(np.arange(last - first), np.diff(known.hit_from[first : last + 1]))
        onset = segment * SEGMENT_BARS * POSITIONS_PER_BAR + hits[:, 0]
        bars = _places(onset, hits[:, 1], (last - first) * SEGMENT_BARS)
        away = bars.sum(1) + asked.sum(1)[:, None] - 2 * asked @ bars.T
        away += rng.random(away.shape, np.float32) / 2  # whole numbers: this decides among equals alone
        nearest = away.argmin(1)
        distance = away[np.arange(len(asked)), nearest]
        better = distance < best
        best[better], found[better] = distance[better], nearest[better] + first * SEGMENT_BARS
        if progress is not None:
            progress(last / len(known))
    return found
