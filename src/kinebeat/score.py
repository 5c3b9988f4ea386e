"""The noun `Score`: the whole music as tracks of notes in seconds, and what MIDI files make of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from kinebeat.beats.grid import BEATS_PER_BAR
from kinebeat.drums.kit import DRUMS
from kinebeat.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from kinebeat.accompaniment.accompanist import Accompaniment
    from kinebeat.beats.grid import BeatGrid
    from kinebeat.drums.track import DrumTrack

KITS: dict[str, int] = {
    "standard": 0,
    "room": 8,
    "power": 16,
    "electronic": 24,
    "tr808": 25,
    "jazz": 32,
    "brush": 40,
    "orchestra": 48,
}
"""Drum kits: the programs of the percussion channel in General MIDI level 2."""


class Seat(NamedTuple):
    """How an instrument sounds in the mix: General MIDI program, place from -1 (left) to 1, and level."""

    program: int
    pan: float
    level_db: float


SEATS: dict[str, Seat] = {"piano": Seat(0, -0.25, 0.0), "guitar": Seat(25, 0.3, 2.0)}
"""Grand piano and steel-string guitar beside drums in the middle. The levels bring what the accompanist plays to some
6 dB below our drums while it plays, on the mean of two fonts (benchmarks/instrument_levels.py)."""

TICKS_PER_BEAT = 960  # as fine as sequencers go
MOST_TICKS = 9_000_000  # readers such as pretty_midi take a file of more than 10^7 ticks for a broken one
HIT_S = 0.1  # how long a drum's note is written; the sound itself rings as long as it wants
OPEN_HAT_S = 1.0  # an open hi-hat is held until the next hi-hat, at most so long
CHOKED = tuple(number for number, drum in enumerate(DRUMS) if drum.name == "open hi-hat")
CHOKING = tuple(number for number, drum in enumerate(DRUMS) if "hi-hat" in drum.name)
SAME_HIT_S = 0.01  # two strokes on one drum closer than this are one
VOLUME_CONTROL, PAN_CONTROL = 7, 10
BESIDE_DRUMS = 64  # MIDI volume of instruments: what our own levels come to, on the mean of two fonts
LONGEST_BEAT_US = 0xFFFFFF  # a MIDI file keeps the microseconds of a beat in 24 bits
KEPT_TEMPO_US = 100  # a tempo goes on as long as its beats stay this near to the grid's


@dataclass(frozen=True)
class Track:
    """Notes of one instrument, in order of time; all arrays have one entry a note.

    Attributes:
        name: what a sequencer shows.
        program: General MIDI program; for drums the kit.
        is_drum: whether this is the percussion channel (MIDI channel 10).
        time_s: (N,) float64 onsets in seconds of the clip.
        duration_s: (N,) float64.
        pitch: (N,) int64, MIDI pitch.
        velocity: (N,) int64 in 1..127.
        pan: from -1, all on the left, to 1.
        level_db: how much louder than instruments usually are beside drums (`kinebeat.balance`).
    """

    name: str
    program: int
    is_drum: bool
    time_s: NDArray[np.float64]
    duration_s: NDArray[np.float64]
    pitch: NDArray[np.int64]
    velocity: NDArray[np.int64]
    pan: float = 0.0
    level_db: float = 0.0


@dataclass(frozen=True)
class Score:
    """The whole music: its tracks, the beats they were written on, and how long the clip is.

    Attributes:
        tracks: the instruments.
        grid: the beats, which become the tempo map of a MIDI file.
        duration_s: length of the clip in seconds.
    """

    tracks: tuple[Track, ...]
    grid: BeatGrid
    duration_s: float


def score_from_drums(drums: DrumTrack, duration_s: float, kit: str = "standard") -> Score:
    """Drums as a score: one percussion track.

    A note lasts `HIT_S` or until the next stroke on the same drum; an open hi-hat lasts until the next stroke
    on either hi-hat. Hits before 0 and from `duration_s` on are left out.

    Args:
        drums: the hits.
        duration_s: length of the clip in seconds.
        kit: a key of `KITS`.

    Raises:
        OptionError: there is no such kit.
    """
    if kit not in KITS:
        raise OptionError(f"there is no kit {kit!r}; choose one of {', '.join(KITS)}")
    time_s, drum, strength = drums.onsets()
    inside = (time_s >= 0) & (time_s < duration_s)
    time_s, drum, strength = time_s[inside], drum[inside], strength[inside]
    velocity = np.clip(np.round(strength.astype(float) * 127), 1, 127).astype(np.int64)
    kept = np.ones(len(time_s), dtype=bool)
    length_s = np.full(len(time_s), HIT_S)
    for number in range(len(DRUMS)):
        own = np.flatnonzero(drum == number)
        kept[own], velocity[own] = _single_strokes(time_s[own], velocity[own])
        own = own[kept[own]]
        choking = np.flatnonzero(np.isin(drum, CHOKING)) if number in CHOKED else own
        later = np.searchsorted(time_s[choking], time_s[own], side="right")
        next_s = np.append(time_s[choking], np.inf)[later]
        longest_s = OPEN_HAT_S if number in CHOKED else HIT_S
        length_s[own] = np.maximum(np.minimum(longest_s, next_s - time_s[own]), SAME_HIT_S)
    pitch = np.array([drum.pitch for drum in DRUMS])[drum]
    track = Track("Drums", KITS[kit], True, time_s[kept], length_s[kept], pitch[kept], velocity[kept])
    return Score((track,), drums.grid, float(duration_s))


def with_accompaniments(score: Score, made: Iterable[Accompaniment]) -> Score:
    """The score with a track for each instrument that plays along.

    Notes before 0 and from `duration_s` on are left out; what rings longer ends there.
    """
    tracks = list(score.tracks)
    for one in made:
        time_s, length_s = one.times_s()
        inside = (time_s >= 0) & (time_s < score.duration_s)
        time_s, length_s = time_s[inside], length_s[inside]
        length_s = np.minimum(length_s, score.duration_s - time_s)
        notes = time_s, length_s, one.part.pitch[inside], one.part.velocity[inside]
        seat = SEATS[one.instrument]
        tracks.append(Track(one.instrument.capitalize(), seat.program, False, *notes, seat.pan, seat.level_db))
    return replace(score, tracks=tuple(tracks))


def _single_strokes(
    time_s: NDArray[np.float64], velocity: NDArray[np.int64]
) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Which strokes on one drum stay when those that nearly coincide become one, as strong as the stronger."""
    kept = np.ones(len(time_s), dtype=bool)
    velocity = velocity.copy()
    last = 0
    for i in range(1, len(time_s)):
        if time_s[i] - time_s[last] < SAME_HIT_S:
            kept[i] = False
            velocity[last] = max(velocity[last], velocity[i])
        else:
            last = i
    return kept, velocity


class MidiTimes(Protocol):
    """Where seconds are in a MIDI file: its resolution, tempos and bars."""

    @property
    def ticks_per_beat(self) -> int:
        """Resolution."""
        ...

    @property
    def tempos(self) -> tuple[tuple[int, int], ...]:
        """Tempo changes as (tick, microseconds per beat)."""
        ...

    @property
    def bars(self) -> tuple[tuple[int, int, int], ...]:
        """Time signatures as (tick, numerator, denominator)."""
        ...

    def tick(self, time_s: NDArray[np.float64]) -> NDArray[np.int64]:
        """The nearest tick of times in seconds."""
        ...


@dataclass(frozen=True)
class TempoMap:
    """The beats of a MIDI file. Tick 0 is time 0 of the clip; beat i is at tick `i * ticks_per_beat`.

    Attributes:
        beats_s: (B,) float64, where the file's beats are, rounded as the file rounds them; the first is 0.
        tempos_us: tempo changes as (number of the beat, microseconds per beat).
        pickup_beats: how many beats there are before the first bar line; 0 if the clip starts on one.
        ticks_per_beat: resolution, coarser in a clip of more than an hour.
    """

    beats_s: NDArray[np.float64]
    tempos_us: tuple[tuple[int, int], ...]
    pickup_beats: int
    ticks_per_beat: int

    @property
    def tempos(self) -> tuple[tuple[int, int], ...]:
        """Tempo changes as (tick, microseconds per beat)."""
        return tuple((beat * self.ticks_per_beat, tempo_us) for beat, tempo_us in self.tempos_us)

    @property
    def bars(self) -> tuple[tuple[int, int, int], ...]:
        """Time signatures as (tick, numerator, denominator)."""
        whole = (self.pickup_beats * self.ticks_per_beat, BEATS_PER_BAR, 4)
        return ((0, self.pickup_beats, 4), whole) if self.pickup_beats else (whole,)

    def tick(self, time_s: NDArray[np.float64]) -> NDArray[np.int64]:
        """The nearest tick of times in seconds; beyond the last beat its tempo goes on."""
        end_us = self.tempos_us[-1][1]
        beyond = self.beats_s[-1] + end_us * 1e-6 * np.arange(1, 3)
        nodes_s = np.append(self.beats_s, beyond)
        i = np.clip(np.searchsorted(nodes_s, time_s, side="right") - 1, 0, len(nodes_s) - 2)
        beat = i + (time_s - nodes_s[i]) / (nodes_s[i + 1] - nodes_s[i])
        ticks: NDArray[np.int64] = np.round(beat * self.ticks_per_beat).astype(np.int64)
        return ticks


def tempo_map(grid: BeatGrid) -> TempoMap:
    """Write a grid as a MIDI tempo map whose bars and beats are the grid's.

    What lies between time 0 and the first bar line becomes a pickup bar: the grid's own beats, of which the
    first is a longer or shorter one. A MIDI file rounds tempos to microseconds per beat, so every tempo is
    chosen from where the file's beats have come to, which keeps the error from adding up.

    Args:
        grid: the beats; its first is a bar line at or before 0.
    """
    beats_s = grid.beats_s
    near_s = np.diff(beats_s)[np.clip(np.searchsorted(beats_s, 0.0) - 1, 0, len(beats_s) - 2)]
    bar_lines_s = beats_s[::BEATS_PER_BAR]
    if np.abs(bar_lines_s).min() < KEPT_TEMPO_US * 1e-6:
        first = int(np.abs(bar_lines_s).argmin()) * BEATS_PER_BAR
        wanted_s, pickup_beats = beats_s[first:] - beats_s[first], 0
    else:
        # A bar line just after 0 would need an absurd tempo before it, so then the next one ends the pickup.
        first = int(np.searchsorted(bar_lines_s, near_s / 4)) * BEATS_PER_BAR
        lead_s = beats_s[:first][beats_s[:first] > near_s / 2]
        wanted_s = np.concatenate([[0.0], lead_s, beats_s[first:]])
        pickup_beats = len(lead_s) + 1
    if len(wanted_s) < 2:  # the grid ends before the first bar line: its last beat goes on
        wanted_s = np.array([0.0, near_s])
    tempos = _fewest_tempos(wanted_s * 1e6)
    changes = dict(tempos)
    lengths_us = np.zeros(len(wanted_s) - 1, dtype=np.int64)
    for beat in range(len(lengths_us)):
        lengths_us[beat] = changes.get(beat, lengths_us[beat - 1])
    ticks_per_beat = TICKS_PER_BEAT
    while len(wanted_s) * ticks_per_beat > MOST_TICKS and ticks_per_beat > 120:
        ticks_per_beat //= 2
    return TempoMap(np.append(0, np.cumsum(lengths_us)) * 1e-6, tuple(tempos), pickup_beats, ticks_per_beat)


def _fewest_tempos(wanted_us: NDArray[np.float64]) -> list[tuple[int, int]]:
    """Tempos in whole microseconds that keep every beat near its place, each going on as long as it can.

    Args:
        wanted_us: (B,) where the beats should be, from 0 on.

    Returns:
        Tempo changes as (number of the beat, microseconds per beat).
    """
    tempos = []
    beat, now_us = 0, 0
    while beat < len(wanted_us) - 1:
        low, high = 1, LONGEST_BEAT_US
        best, end = 0, beat
        while end < len(wanted_us) - 1:  # one more beat: which tempos still reach it closely enough?
            far_us, beats = wanted_us[end + 1] - now_us, end + 1 - beat
            low = max(low, int(np.ceil((far_us - KEPT_TEMPO_US) / beats)))
            high = min(high, int(np.floor((far_us + KEPT_TEMPO_US) / beats)))
            if low > high and best:
                break
            best = int(np.clip(round(far_us / beats), min(low, high), high))
            end += 1
        tempos.append((beat, best))
        now_us += best * (end - beat)
        beat = end
    return tempos


def save_midi(score: Score, path: str | Path, times: MidiTimes | None = None) -> None:
    """Write a score as a standard MIDI file, with its tempo map and the drums on channel 10.

    Args:
        score: the music.
        path: the file to write; wrap in `kinebeat.files.atomic_output` to have it appear whole.
        times: ticks, tempos and bars of the file; those of the score's grid if None.
    """
    from symusic.core import ControlChangeTick, NoteTick, ScoreTick, TempoTick, TimeSignatureTick, TrackTick

    times = tempo_map(score.grid) if times is None else times
    midi = ScoreTick(times.ticks_per_beat)
    for tick, tempo_us in times.tempos:
        midi.tempos.append(TempoTick(tick, mspq=tempo_us))
    for tick, numerator, denominator in times.bars:
        midi.time_signatures.append(TimeSignatureTick(tick, numerator, denominator))
    for track in score.tracks:
        start, end = times.tick(track.time_s), times.tick(track.time_s + track.duration_s)
        notes = TrackTick(track.name, track.program, track.is_drum)
        if not track.is_drum:
            notes.controls.append(ControlChangeTick(0, VOLUME_CONTROL, BESIDE_DRUMS))
            notes.controls.append(ControlChangeTick(0, PAN_CONTROL, round(64 + 63 * track.pan)))
        for row in zip(start, np.maximum(end - start, 1), track.pitch, track.velocity, strict=True):
            time, duration, pitch, velocity = (int(value) for value in row)
            notes.notes.append(NoteTick(time, duration, pitch, velocity))
        midi.tracks.append(notes)
    Path(path).write_bytes(midi.dumps_midi())  # symusic's own writing is silent about a full disk
