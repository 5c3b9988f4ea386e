"""Reads the drums of anybody's MIDI file: their own notes, and the same on a grid of whole bars of 4/4."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kinebeat.beats.grid import BEATS_PER_BAR, STEPS_PER_BAR, STEPS_PER_BEAT, BeatGrid
from kinebeat.drums.kit import DRUM_OF_PITCH, DRUMS
from kinebeat.drums.track import DrumTrack
from kinebeat.errors import InputError
from kinebeat.score import Track

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

USUAL_TEMPO_US = 500_000  # MIDI's own, where nothing is said
LONGEST_S = 3600.0
MOST_BEATS = 20_000
MOST_BYTES = 32 * 2**20
LATEST_OFFSET = np.nextafter(np.float32(0.5), np.float32(0))


@dataclass(frozen=True)
class FileTimes:
    """Where seconds are in a MIDI file; it is written back as it was.

    Attributes:
        ticks_per_beat: resolution.
        tempos: changes as (tick, microseconds per beat), the first at tick 0, rising.
        bars: time signatures as (tick, numerator, denominator), the first at tick 0, rising.
    """

    ticks_per_beat: int
    tempos: tuple[tuple[int, int], ...]
    bars: tuple[tuple[int, int, int], ...]

    @cached_property
    def _nodes(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Ticks and seconds of the changes, and seconds per tick from there on."""
        tick, tempo_us = np.array(self.tempos, np.float64).T
        tick_s = tempo_us * 1e-6 / self.ticks_per_beat
        return tick, np.concatenate([[0.0], np.cumsum(np.diff(tick) * tick_s[:-1])]), tick_s

    def time_s(self, tick: NDArray[Any]) -> NDArray[np.float64]:
        """Seconds at ticks."""
        nodes, nodes_s, tick_s = self._nodes
        i = np.clip(np.searchsorted(nodes, tick, side="right") - 1, 0, None)
        return np.asarray(nodes_s[i] + (tick - nodes[i]) * tick_s[i])

    def tick(self, time_s: NDArray[np.float64]) -> NDArray[np.int64]:
        """The nearest tick of times in seconds."""
        nodes, nodes_s, tick_s = self._nodes
        i = np.clip(np.searchsorted(nodes_s, time_s, side="right") - 1, 0, None)
        ticks: NDArray[np.int64] = np.round(nodes[i] + (time_s - nodes_s[i]) / tick_s[i]).astype(np.int64)
        return ticks


@dataclass(frozen=True)
class DrumFile:
    """The drums of a MIDI file.

    Attributes:
        path: the file.
        drums: what of them is one of our nine drums, on the grid of the file's beats.
        track: all their notes as they are in the file.
        times: the file's own ticks, tempos and bars.
        warnings: one line each, for the user.
    """

    path: Path
    drums: DrumTrack
    track: Track
    times: FileTimes
    warnings: tuple[str, ...]


def read_drums(path: str | Path) -> DrumFile:
    """Read the drums of a MIDI file: those of channel 10, or else of tracks with "drum" in their name.

    Percussion that is none of our nine drums stays in `track`. Of several strokes on one drum in one 16th the hardest
    is in `drums`.

    Args:
        path: a standard MIDI file in 4/4, with or without a pickup.

    Raises:
        InputError: the file cannot be read, has no drums, is not in 4/4 or lasts for more than an hour.
    """
    path = Path(path)
    score = _read(path)
    found, others = _drum_tracks(path, score)
    notes = np.concatenate([_notes(track) for track in found])
    notes = notes[np.lexsort([notes[:, 2], notes[:, 0]])]
    times = FileTimes(int(score.ticks_per_quarter), _tempos(score), _bars(score))
    time_s, end_s = times.time_s(notes[:, 0]), times.time_s(notes[:, 0] + notes[:, 1])
    remedy = "give a part of it"
    if end_s.max() > LONGEST_S:
        raise InputError(path, f"lasts {end_s.max() / 60:.0f} minutes: expected an hour at most", remedy)
    if notes[-1, 0] > MOST_BEATS * times.ticks_per_beat:
        raise InputError(path, f"has more than {MOST_BEATS} beats", remedy)
    if not np.isin(notes[:, 2], list(DRUM_OF_PITCH)).any():
        raise InputError(path, "none of its drum notes is a drum we know", "use General MIDI's percussion keys")
    drums = _on_grid(_beats(path, times, int(notes[-1, 0])), time_s, notes[:, 2], notes[:, 3])
    track = Track("Drums", int(found[0].program), True, time_s, end_s - time_s, notes[:, 2], notes[:, 3])
    are = "1 track beside the drums is" if others == 1 else f"{others} tracks beside the drums are"
    return DrumFile(path, drums, track, times, (f"{path.name}: {are} left out",) if others else ())


def _read(path: Path) -> Any:
    """The file as symusic has it."""
    import symusic

    remedy = "give a standard MIDI file (.mid)"
    try:
        if path.stat().st_size > MOST_BYTES:
            raise InputError(path, f"has more than {MOST_BYTES // 2**20} MB, too much for MIDI", remedy)
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise InputError(path, "there is no such file", remedy) from error
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror})", remedy) from error
    if not content:
        raise InputError(path, "is empty", remedy)
    if content[:4] != b"MThd":
        raise InputError(path, "is not a MIDI file", remedy)
    if len(content) < 14 or content[12] & 0x80 or not any(content[12:14]):
        raise InputError(path, "its time is not in ticks per beat", remedy)
    if _is_cut_off(content):
        raise InputError(path, "is damaged or cut off", "save or copy it again")
    try:
        return symusic.Score.from_midi(content)
    except (RuntimeError, ValueError) as error:
        raise InputError(path, "is damaged or cut off", "save or copy it again") from error


def _is_cut_off(content: bytes) -> bool:
    """Whether a chunk is longer than the file, or no track is there at all."""
    place, tracks = 8 + int.from_bytes(content[4:8], "big"), 0
    while place + 8 <= len(content):
        tracks += content[place : place + 4] == b"MTrk"
        place += 8 + int.from_bytes(content[place + 4 : place + 8], "big")
    return place > len(content) or tracks < min(1, int.from_bytes(content[10:12], "big"))


def _drum_tracks(path: Path, score: Any) -> tuple[list[Any], int]:
    """The tracks with drums, and how many others have notes."""
    sounding = [track for track in score.tracks if len(track.notes)]
    if not sounding:
        raise InputError(path, "has no notes", "give a file with drums")
    drums = [track for track in sounding if track.is_drum]
    drums = drums or [track for track in sounding if "drum" in track.name.lower()]
    if not drums:
        raise InputError(path, "has no drums", "put them on channel 10 or call their track Drums")
    return drums, len(sounding) - len(drums)


def _notes(track: Any) -> NDArray[np.int64]:
    """(N, 4): onset and duration in ticks, pitch, velocity."""
    table = track.notes.numpy()
    columns = [np.asarray(table[name], np.int64) for name in ("time", "duration", "pitch", "velocity")]
    columns[3] = np.clip(columns[3], 1, 127)
    return np.stack(columns, axis=1)


def _tempos(score: Any) -> tuple[tuple[int, int], ...]:
    """Tempo changes; of several at one tick the last counts."""
    changes = {0: USUAL_TEMPO_US}
    for tempo in sorted(score.tempos, key=lambda tempo: tempo.time):
        changes[int(tempo.time)] = max(1, int(tempo.mspq))
    return tuple(changes.items())


def _bars(score: Any) -> tuple[tuple[int, int, int], ...]:
    """Time signatures; of several at one tick the last counts."""
    changes = {0: (BEATS_PER_BAR, 4)}
    for bar in sorted(score.time_signatures, key=lambda bar: bar.time):
        changes[int(bar.time)] = (int(bar.numerator), max(1, int(bar.denominator)))
    return tuple((tick, *bar) for tick, bar in changes.items())


def _beats(path: Path, times: FileTimes, last_tick: int) -> NDArray[np.float64]:
    """Beats in whole bars from before time 0 until after the last note, seconds.

    A time signature that ends within its first bar is a pickup. What comes before the first whole bar goes on backwards
    at its own pace, but the first beat of a pickup is as long as the one after it: `kinebeat.score.tempo_map` makes
    it longer or shorter to begin at time 0.
    """
    ticks, bar_ticks = times.ticks_per_beat, BEATS_PER_BAR * times.ticks_per_beat
    bars = [bar for bar in times.bars if bar[0] <= last_tick]
    first = bars[1][0] if len(bars) > 1 and bars[1][0] <= bar_ticks else 0
    _check_bars(path, times, bars[1:] if first else bars, first)
    count = max(1, -(-(last_tick + 1 - first) // bar_ticks) + 1)  # one more, for strokes just before its bar line
    beats_s = times.time_s(first + ticks * np.arange(BEATS_PER_BAR * count + 1))
    whole = first // ticks
    # Beats of the pickup that are there as a whole, but for its first.
    lead = first - ticks * np.arange(whole, 0, -1)
    lead = lead[1:] if whole and lead[0] == 0 else lead
    beats_s = np.concatenate([times.time_s(lead), beats_s])
    before = -len(lead) % BEATS_PER_BAR
    if first or before:
        while beats_s[0] - before * (beats_s[1] - beats_s[0]) > 1e-9:
            before += BEATS_PER_BAR
    return np.concatenate([beats_s[0] - (beats_s[1] - beats_s[0]) * np.arange(before, 0, -1), beats_s])


def _check_bars(path: Path, times: FileTimes, bars: Sequence[tuple[int, int, int]], first: int) -> None:
    """Refuse what is not in whole bars of four beats from the first bar line on."""
    for tick, numerator, denominator in bars:
        if numerator * 4 != BEATS_PER_BAR * denominator:
            at_s = float(times.time_s(np.array(tick)))
            raise InputError(path, f"is in {numerator}/{denominator} at {at_s:.1f} s", "give one that is in 4/4")
        if (tick - first) % (BEATS_PER_BAR * times.ticks_per_beat):
            at_s = float(times.time_s(np.array(tick)))
            raise InputError(path, f"has a bar that is not whole before {at_s:.1f} s", "give one that is in 4/4")


def _on_grid(
    beats_s: NDArray[np.float64], time_s: NDArray[np.float64], pitch: NDArray[np.int64], velocity: NDArray[np.int64]
) -> DrumTrack:
    """Strokes on 16ths; the grid ends with the bar of the last."""
    drum = np.array([DRUM_OF_PITCH.get(key, -1) for key in range(128)])[pitch]
    place = np.round(BeatGrid(beats_s).step(time_s), 6)
    step = np.maximum(np.floor(place + 0.5).astype(np.int64), 0)
    bars = int(step.max()) // STEPS_PER_BAR + 1
    grid = BeatGrid(beats_s[: bars * STEPS_PER_BAR // STEPS_PER_BEAT + 1], source="tempo")
    shape = (grid.steps, len(DRUMS))
    hits, velocities, offsets = np.zeros(shape, bool), np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    order = np.argsort(velocity, kind="stable")  # of several the last written stays
    order = order[drum[order] >= 0]
    at = step[order], drum[order]
    hits[at] = True
    velocities[at] = velocity[order] / 127
    offsets[at] = np.clip(place[order] - step[order], -0.5, LATEST_OFFSET)
    return DrumTrack(grid, hits, velocities, offsets)
