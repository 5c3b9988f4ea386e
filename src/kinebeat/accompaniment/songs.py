"""MIDI files of songs, and what each of their players does in 16 bars of them.

Files are as in the multi-track corpus: tracks named DRUMS, PIANO, GUITAR and BASS.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kinebeat.accompaniment.harmony import find_chords, find_key, sounding
from kinebeat.accompaniment.parts import (
    POSITIONS_PER_BAR,
    POSITIONS_PER_BEAT,
    SEGMENT_BARS,
    Chords,
    DrumBars,
    Part,
    drums_from_hits,
    part_from_notes,
)
from kinebeat.beats.grid import BEATS_PER_BAR
from kinebeat.drums.kit import DRUM_OF_PITCH

if TYPE_CHECKING:
    from numpy.typing import NDArray

PLAYERS = ("DRUMS", "PIANO", "GUITAR", "BASS")
_DRUM = np.array([DRUM_OF_PITCH.get(pitch, -1) for pitch in range(128)])


@dataclass(frozen=True)
class Track:
    """One track of a file.

    Attributes:
        player: one of `PLAYERS`.
        program: of General MIDI, 0 .. 127.
        notes: (N, 4) int64: onset in ticks, duration in ticks, pitch, velocity.
    """

    player: str
    program: int
    notes: NDArray[np.int64]


@dataclass(frozen=True)
class Song:
    """A file.

    Attributes:
        ticks_per_beat: how fine its time is.
        tracks: of the four players; others are left out.
        tempos: (M, 2) float64: from which tick on, and BPM; the first is from tick 0.
    """

    ticks_per_beat: int
    tracks: tuple[Track, ...]
    tempos: NDArray[np.float64]


@dataclass(frozen=True)
class Harmony:
    """What a song's piano, guitar and bass together sound like in some bars."""

    chords: Chords
    key: int


def read_song(content: bytes) -> Song:
    """Read a MIDI file.

    Raises:
        RuntimeError: it cannot be read.
    """
    import symusic

    score: Any = symusic.Score.from_midi(content)
    tracks = []
    for track in score.tracks:
        if track.name not in PLAYERS:
            continue
        table = track.notes.numpy()
        columns = [table[name].astype(np.int64) for name in ("time", "duration", "pitch", "velocity")]
        tracks.append(Track(track.name, int(track.program), np.stack(columns, axis=1)))
    tempos = np.array([(tempo.time, tempo.qpm) for tempo in score.tempos], np.float64).reshape(-1, 2)
    if not len(tempos):
        tempos = np.array([[0.0, 120.0]])  # MIDI's own, where nothing is said
    tempos = tempos[np.argsort(tempos[:, 0], kind="stable")]
    tempos[0, 0] = 0.0
    return Song(int(score.ticks_per_quarter), tuple(tracks), tempos)


def on_grid(song: Song, notes: NDArray[np.int64], start_tick: int) -> NDArray[np.int64]:
    """Notes (N, 4) in positions from `start_tick`; a tie goes to the later position, no note is shorter than 1."""
    ticks = song.ticks_per_beat
    placed = notes.copy()
    placed[:, 0] = (2 * POSITIONS_PER_BEAT * (notes[:, 0] - start_tick) + ticks) // (2 * ticks)
    placed[:, 1] = np.maximum(1, (2 * POSITIONS_PER_BEAT * notes[:, 1] + ticks) // (2 * ticks))
    return placed


def part_of(song: Song, instrument: str, start_tick: int, bars: int = SEGMENT_BARS) -> Part:
    """What an instrument plays from a tick on: of several players the one with the most notes there.

    A piano is often written as a track for each hand, so all tracks of one program are one player; guitars of one
    program are several players. What starts just before the first bar, and is nearest to it, belongs to it.
    """
    players: dict[tuple[int, int], list[NDArray[np.int64]]] = {}
    for number, track in enumerate(song.tracks):
        if track.player == instrument.upper():
            player = (track.program, 0 if instrument == "piano" else number)
            players.setdefault(player, []).append(_within(on_grid(song, track.notes, start_tick), bars))
    played = [np.concatenate(tracks) for tracks in players.values()]
    notes = max(played, key=len, default=np.zeros((0, 4), np.int64))
    return part_from_notes(bars, *notes.T)


def drums_of(song: Song, start_tick: int, bars: int = SEGMENT_BARS) -> DrumBars:
    """What the drums play from a tick on, as far as it is one of our nine."""
    notes = [on_grid(song, track.notes, start_tick) for track in song.tracks if track.player == "DRUMS"]
    placed = np.concatenate([*notes, np.zeros((0, 4), np.int64)])
    placed = placed[_DRUM[placed[:, 2]] >= 0]
    return drums_from_hits(bars, placed[:, 0], _DRUM[placed[:, 2]], placed[:, 3])


def harmony_of(song: Song, start_tick: int, bars: int = SEGMENT_BARS) -> Harmony:
    """Chords and key of all that has pitches, from a tick on."""
    notes = [on_grid(song, track.notes, start_tick) for track in song.tracks if track.player != "DRUMS"]
    placed = np.concatenate([*notes, np.zeros((0, 4), np.int64)])
    sound = sounding(bars, placed[:, 0], placed[:, 1], placed[:, 2])
    key = find_key(sound)
    return Harmony(find_chords(sound, key), key)


def tempo_of(song: Song, start_tick: int, bars: int = SEGMENT_BARS) -> float:
    """The mean tempo of some bars, BPM: their beats by their minutes."""
    end = start_tick + bars * BEATS_PER_BAR * song.ticks_per_beat
    bounds = np.clip(np.append(song.tempos[:, 0], max(end, song.tempos[-1, 0])), start_tick, end)
    minutes = (np.diff(bounds) / song.ticks_per_beat / song.tempos[:, 1]).sum()
    return float(bars * BEATS_PER_BAR / minutes)


def _within(placed: NDArray[np.int64], bars: int) -> NDArray[np.int64]:
    return placed[(placed[:, 0] >= 0) & (placed[:, 0] < bars * POSITIONS_PER_BAR)]
