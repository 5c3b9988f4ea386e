"""Music as tokens and back.

What is played is REMI (Huang and Yang 2020): per bar `Bar`, then for each position in use `Position`, its chord where
the harmony changes, and for each note `Pitch Velocity Duration`. What is played to, the encoder's side, is per bar a
header and the drums:

    DECODER  Bar  Position_0 [Tempo] Chord {Pitch Velocity Duration}  {Position_p [Chord] {Pitch Velocity Duration}}
    ENCODER  Bar  For Tempo Key Notes  {Position_p {Hit}}

Each token has a bar (from 0) and a `when`: 0 for `Bar` and the header, p + 1 from `Position_p` on.
`quantised` is what the tokens of a part can say: `decode_part(encode_part(x)) == quantised(x)`, and encoding what was
decoded gives the same tokens.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from kinebeat.accompaniment.harmony import NO_CHORD, NO_KEY
from kinebeat.accompaniment.parts import (
    INSTRUMENTS,
    LOWEST_PITCH,
    POSITIONS_PER_BAR,
    Chords,
    DrumBars,
    Part,
    drums_from_hits,
)
from kinebeat.accompaniment.vocabulary import (
    DECODER,
    DURATIONS,
    ENCODER,
    HIT_VELOCITIES,
    HITS_FROM,
    NO_NOTES,
    SLOWEST_BPM,
    TEMPOS,
    VELOCITIES,
    Vocabulary,
    duration_bin,
    hit_band,
    tempo_bin,
    velocity_bin,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

_BANDS = len(HITS_FROM)
_HEADER = ("For", "Tempo", "Key", "Notes")


@dataclass(frozen=True, eq=False)
class Stream:
    """Tokens with their time.

    Attributes:
        tokens: (L,) int16.
        when: (L,) int16, 0 for what belongs to no position, else the position in the bar plus 1.
        bar: (L,) int16, from 0.
    """

    tokens: NDArray[np.int16]
    when: NDArray[np.int16]
    bar: NDArray[np.int16]

    def __len__(self) -> int:
        return len(self.tokens)


@dataclass(frozen=True)
class Controls:
    """What is told about a piece besides its drums.

    Attributes:
        instrument: who plays, one of `INSTRUMENTS`.
        tempo_bpm: of each bar, or one for all.
        key: the key's number, or `NO_KEY`.
        notes: for each bar the bin of how many positions have notes (`notes_bin`), or `NO_NOTES`; one for all may do.
    """

    instrument: str
    tempo_bpm: float | Sequence[float] = 120.0
    key: int = NO_KEY
    notes: int | Sequence[int] = NO_NOTES


def notes_per_bar(part: Part) -> NDArray[np.int64]:
    """How many positions of each bar have notes that start there, (bars,)."""
    return np.bincount(np.unique(part.onset) // POSITIONS_PER_BAR, minlength=part.bars)


def quantised(part: Part) -> Part:
    """The part as its tokens say it: velocities and durations of the vocabulary."""
    return replace(
        part,
        duration=DURATIONS[duration_bin(part.duration)],
        velocity=VELOCITIES[velocity_bin(part.velocity)],
    )


def quantised_drums(drums: DrumBars) -> DrumBars:
    """The drums as their tokens say them."""
    return replace(drums, velocity=HIT_VELOCITIES[hit_band(drums.velocity)])


def stream_of(vocabulary: Vocabulary, tokens: ArrayLike) -> Stream:
    """Tokens with their `when` and `bar`, which follow from the tokens alone."""
    flat = np.asarray(tokens, np.int16)
    bar = np.cumsum(vocabulary.are(flat, "Bar")) - 1
    starts = vocabulary.are(flat, "Position") | vocabulary.are(flat, "Bar")
    own = np.where(vocabulary.are(flat, "Position"), vocabulary.value[flat] + 1, 0)
    last = np.maximum.accumulate(np.where(starts, np.arange(len(flat)), 0))
    return Stream(flat, own[last].astype(np.int16), bar.astype(np.int16))


def _in_order(time: Sequence[NDArray[np.int64]], tokens: Sequence[NDArray[np.int64]]) -> Stream:
    """Merge runs of tokens by time (in positions of the whole piece); at one time in the order given."""
    times = np.concatenate(time)
    rank = np.repeat(np.arange(len(time)), [len(t) for t in time])
    order = np.argsort(times * len(time) + rank, kind="stable")
    placed = times[order]
    when = placed % POSITIONS_PER_BAR + 1
    return Stream(
        np.concatenate(tokens)[order].astype(np.int16),
        # The first run is the bars' own: it stands before their first position.
        np.where(rank[order] == 0, 0, when).astype(np.int16),
        (placed // POSITIONS_PER_BAR).astype(np.int16),
    )


def encode_part(part: Part, chords: Chords, tempo_bpm: float | Sequence[float]) -> Stream:
    """The tokens of what is played.

    Args:
        part: the notes.
        chords: of the song, two per bar.
        tempo_bpm: of each bar, or one for all; NaN says nothing.
    """
    first, bars = DECODER.first, np.arange(part.bars) * POSITIONS_PER_BAR
    known = np.broadcast_to(np.asarray(tempo_bpm, np.float64), (part.bars,))
    tempo = np.where(np.isnan(known), -1, tempo_bin(np.nan_to_num(known, nan=SLOWEST_BPM)))
    told = np.flatnonzero((np.diff(tempo, prepend=-1) != 0) & (tempo >= 0))
    halves = chords.symbols.reshape(part.bars, 2)
    turned = np.flatnonzero(halves[:, 0] != halves[:, 1])
    chord_at = np.concatenate([bars, bars[turned] + POSITIONS_PER_BAR // 2])
    used = np.unique(np.concatenate([part.onset, chord_at]))
    notes = np.stack(
        [
            part.pitch - LOWEST_PITCH + first["Pitch"],
            velocity_bin(part.velocity) + first["Velocity"],
            duration_bin(part.duration) + first["Duration"],
        ],
        axis=1,
    )
    return _in_order(
        [bars, used, bars[told], chord_at, np.repeat(part.onset, 3)],
        [
            np.full(part.bars, first["Bar"]),
            used % POSITIONS_PER_BAR + first["Position"],
            tempo[told] + first["Tempo"],
            np.concatenate([halves[:, 0], halves[turned, 1]]) + first["Chord"],
            notes.ravel(),
        ],
    )


def decode_part(tokens: ArrayLike) -> tuple[Part, Chords, NDArray[np.float64]]:
    """What tokens say: notes, chords, and the tempo of each bar in BPM, (bars,); NaN before the first is told.

    A note that is cut off at the end of the tokens is left out. Of one pitch said twice at one position the last stays.
    A bar's chord that is not said is N.
    """
    stream = stream_of(DECODER, tokens)
    flat, value = stream.tokens, DECODER.value[stream.tokens]
    bars = int(stream.bar[-1]) + 1 if len(flat) else 0
    time = stream.bar.astype(np.int64) * POSITIONS_PER_BAR + np.maximum(stream.when - 1, 0)
    note = np.flatnonzero(DECODER.are(flat, "Pitch"))
    note = note[note + 2 < len(flat)]
    onset, pitch = time[note], value[note] + LOWEST_PITCH
    place = onset * 128 + pitch
    # unique gives the first of each, so look from the end.
    _, which = np.unique(place[::-1], return_index=True)
    which = len(place) - 1 - which
    part = Part(
        bars,
        onset[which],
        DURATIONS[value[note + 2][which]],
        pitch[which],
        VELOCITIES[value[note + 1][which]],
    )
    halves = np.full((bars, 2), -1)
    chord = np.flatnonzero(DECODER.are(flat, "Chord"))
    halves[stream.bar[chord], time[chord] % POSITIONS_PER_BAR * 2 // POSITIONS_PER_BAR] = value[chord]
    halves[halves[:, 0] < 0, 0] = NO_CHORD
    halves[:, 1] = np.where(halves[:, 1] < 0, halves[:, 0], halves[:, 1])
    tempo = np.full(bars, np.nan)
    said = np.flatnonzero(DECODER.are(flat, "Tempo"))
    for bar, number in zip(stream.bar[said], value[said], strict=True):
        tempo[bar:] = TEMPOS[number]
    return part, Chords(halves.ravel()), tempo


def encode_drums(drums: DrumBars, controls: Controls) -> Stream:
    """The tokens of what is played to."""
    first, bars = ENCODER.first, np.arange(drums.bars) * POSITIONS_PER_BAR
    header = {
        "For": INSTRUMENTS.index(controls.instrument),
        "Tempo": tempo_bin(controls.tempo_bpm),
        "Key": controls.key,
        "Notes": controls.notes,
    }
    rows = np.empty((drums.bars, 1 + len(_HEADER)), np.int64)
    rows[:, 0] = first["Bar"]
    for column, kind in enumerate(_HEADER, 1):
        rows[:, column] = np.asarray(header[kind]) + first[kind]
    used = np.unique(drums.onset)
    return _in_order(
        [np.repeat(bars, rows.shape[1]), used, drums.onset],
        [
            rows.ravel(),
            used % POSITIONS_PER_BAR + first["Position"],
            drums.drum * _BANDS + hit_band(drums.velocity) + first["Hit"],
        ],
    )


def decode_drums(tokens: ArrayLike) -> tuple[DrumBars, Controls]:
    """What the encoder's tokens say; tempo and notes bar by bar, the first bar's instrument and key."""
    stream = stream_of(ENCODER, tokens)
    flat, value = stream.tokens, ENCODER.value[stream.tokens]
    bars = int(stream.bar[-1]) + 1 if len(flat) else 0
    hit = np.flatnonzero(ENCODER.are(flat, "Hit"))
    onset = stream.bar[hit].astype(np.int64) * POSITIONS_PER_BAR + stream.when[hit] - 1
    drums = drums_from_hits(bars, onset, value[hit] // _BANDS, HIT_VELOCITIES[value[hit] % _BANDS])
    said = {kind: value[ENCODER.are(flat, kind)] for kind in _HEADER}
    return drums, Controls(
        INSTRUMENTS[int(said["For"][0])],
        tuple(TEMPOS[said["Tempo"]].tolist()),
        int(said["Key"][0]),
        tuple(said["Notes"].tolist()),
    )


def without_hits(stream: Stream) -> Stream:
    """The encoder's tokens with the drums left out: bars and headers alone."""
    keep = stream.when == 0
    return Stream(stream.tokens[keep], stream.when[keep], stream.bar[keep])
