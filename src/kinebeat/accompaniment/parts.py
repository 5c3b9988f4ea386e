"""The nouns of the accompaniment: notes, drums and chords on a grid of 12 positions per beat.

Conventions: all bars are 4/4 and have 48 positions, so that 16ths (3 positions) and triplets (4) are both on the grid.
Onsets are positions from the start of the first bar. Velocities are MIDI's, 1 to 127. Arrays are int64.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from kinebeat.beats.grid import BEATS_PER_BAR, STEPS_PER_BAR, STEPS_PER_BEAT
from kinebeat.drums.kit import DRUMS
from kinebeat.errors import OptionError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from kinebeat.drums.track import DrumTrack

POSITIONS_PER_BEAT = 12
POSITIONS_PER_BAR = POSITIONS_PER_BEAT * BEATS_PER_BAR
POSITIONS_PER_STEP = POSITIONS_PER_BEAT // STEPS_PER_BEAT
SEGMENT_BARS = 16
"""Bars of a piece of music that is learned from, as in the paper."""
INSTRUMENTS = ("piano", "guitar")
LOWEST_PITCH, HIGHEST_PITCH = 21, 108
PLAYED_VELOCITIES = (0, 19, 43, 66, 99, 127)
SONG_VELOCITIES = (1, 44, 73, 95, 112, 127)
"""Drum velocities at the same 0, 5, 25, 50, 75 and 95 per cent of the Groove dataset, which our drums are like, and of
the songs that the accompaniment learns from, whose drums are louder and more even."""


@dataclass(frozen=True, eq=False)
class Part:
    """What one instrument plays.

    Notes are in order of onset, then of pitch, and no pitch starts twice at one position. `part_from_notes` makes
    such a part of any notes.

    Attributes:
        bars: how many bars it has; a note may ring beyond the last.
        onset: (N,) positions in 0 .. 48 * bars - 1.
        duration: (N,) positions, at least 1.
        pitch: (N,) MIDI pitches in 21 .. 108.
        velocity: (N,) 1 .. 127.
    """

    bars: int
    onset: NDArray[np.int64]
    duration: NDArray[np.int64]
    pitch: NDArray[np.int64]
    velocity: NDArray[np.int64]

    def __post_init__(self) -> None:
        _check(self.bars, self.onset, self.pitch, 128, "part_from_notes")

    def __len__(self) -> int:
        return len(self.onset)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Part) and _same(self, other)

    __hash__ = None  # type: ignore[assignment]


@dataclass(frozen=True, eq=False)
class DrumBars:
    """What the drums play, in order of onset, then of drum; no drum is struck twice at one position.

    Attributes:
        bars: how many bars they play.
        onset: (N,) positions in 0 .. 48 * bars - 1.
        drum: (N,) numbers in `kinebeat.drums.kit.DRUMS`.
        velocity: (N,) 1 .. 127.
    """

    bars: int
    onset: NDArray[np.int64]
    drum: NDArray[np.int64]
    velocity: NDArray[np.int64]

    def __post_init__(self) -> None:
        _check(self.bars, self.onset, self.drum, len(DRUMS), "drums_from_hits")

    def __len__(self) -> int:
        return len(self.onset)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DrumBars) and _same(self, other)

    __hash__ = None  # type: ignore[assignment]


@dataclass(frozen=True, eq=False)
class Chords:
    """The harmony, one chord per half bar.

    Attributes:
        symbols: (2 * bars,) chord numbers of `kinebeat.accompaniment.harmony`.
    """

    symbols: NDArray[np.int64]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Chords) and _same(self, other)

    __hash__ = None  # type: ignore[assignment]


def _same(one: object, other: object) -> bool:
    return all(np.array_equal(value, vars(other)[name]) for name, value in vars(one).items())


def _check(bars: int, onset: NDArray[np.int64], second: NDArray[np.int64], size: int, maker: str) -> None:
    if not len(onset):
        return
    if onset[0] < 0 or onset[-1] >= bars * POSITIONS_PER_BAR or (np.diff(onset * size + second) <= 0).any():
        raise OptionError(f"notes outside the {bars} bars, out of order or twice; {maker} puts them right")


def part_from_notes(bars: int, onset: ArrayLike, duration: ArrayLike, pitch: ArrayLike, velocity: ArrayLike) -> Part:
    """Make any notes on the grid playable.

    A note that starts outside the bars is left out. A pitch outside 21 .. 108 is moved by octaves until it is
    inside. Durations are at least 1, velocities are brought into 1 .. 127. Of one pitch struck several times at one
    position, one note stays, as long as the longest and as loud as the loudest. A note ends when its pitch is
    struck again.

    Args:
        bars: how many bars the part has.
        onset: (N,) whole positions.
        duration: (N,) whole positions.
        pitch: (N,) MIDI pitches.
        velocity: (N,) MIDI velocities.
    """
    at, length, key, loud = (np.asarray(v, np.int64) for v in (onset, duration, pitch, velocity))
    keep = (at >= 0) & (at < bars * POSITIONS_PER_BAR)
    at, length, key, loud = at[keep], np.maximum(length[keep], 1), fold(key[keep]), np.clip(loud[keep], 1, 127)
    places, which = np.unique(at * 128 + key, return_inverse=True)
    longest, loudest = np.ones_like(places), np.ones_like(places)
    np.maximum.at(longest, which, length)
    np.maximum.at(loudest, which, loud)
    return released(Part(bars, places // 128, longest, places % 128, loudest))


def released(part: Part) -> Part:
    """The part with every note ending, at the latest, when its pitch is struck again."""
    order = np.lexsort([part.onset, part.pitch])
    gap = np.diff(part.onset[order])
    gap[np.diff(part.pitch[order]) != 0] = np.iinfo(np.int64).max
    duration = part.duration.copy()
    duration[order[:-1]] = np.minimum(duration[order[:-1]], gap)
    return replace(part, duration=duration)


def fold(pitch: ArrayLike) -> NDArray[np.int64]:
    """Pitches moved by octaves, as few as needed, into 21 .. 108."""
    at = np.asarray(pitch, np.int64)
    up = np.maximum(0, -((at - LOWEST_PITCH) // 12))
    down = np.maximum(0, -((HIGHEST_PITCH - at) // 12))
    return np.asarray(at + 12 * (up - down))


def transposed(part: Part, semitones: int) -> Part:
    """The part higher or lower; what leaves the range comes back by octaves."""
    return part_from_notes(part.bars, part.onset, part.duration, part.pitch + semitones, part.velocity)


def drums_from_hits(bars: int, onset: ArrayLike, drum: ArrayLike, velocity: ArrayLike) -> DrumBars:
    """Any hits on the grid in order; those outside the bars are left out, of two on one drum the louder stays.

    Args:
        bars: how many bars there are.
        onset: (N,) whole positions.
        drum: (N,) numbers in `kinebeat.drums.kit.DRUMS`.
        velocity: (N,) MIDI velocities.
    """
    at, struck, loud = (np.asarray(v, np.int64) for v in (onset, drum, velocity))
    keep = (at >= 0) & (at < bars * POSITIONS_PER_BAR)
    places, which = np.unique(at[keep] * len(DRUMS) + struck[keep], return_inverse=True)
    loudest = np.ones_like(places)
    np.maximum.at(loudest, which, np.clip(loud[keep], 1, 127))
    return DrumBars(bars, places // len(DRUMS), places % len(DRUMS), loudest)


def drums_on_grid(track: DrumTrack) -> DrumBars:
    """Our own drums on the grid.

    A 16th step k is position 3 k, plus what the hits on the same 16th of the beat do on the median: so a shuffle or
    triplets, which a drum track writes as offsets, come out as such, while the looseness of the playing, which is not
    for the other players to copy, does not. Velocities become those that are as loud among the drums of songs.
    """
    step, drum = np.nonzero(track.hits)
    offset = track.offsets[step, drum].astype(np.float64)
    position = step * POSITIONS_PER_STEP
    for sixteenth in range(STEPS_PER_BEAT):
        here = step % STEPS_PER_BEAT == sixteenth
        if here.any():
            # A little less than half a position stays where it is; a step never reaches the next one's place.
            position[here] += int(np.clip(np.rint(np.median(offset[here]) * POSITIONS_PER_STEP), -1, 1))
    bars = len(track.hits) // STEPS_PER_BAR
    position = np.clip(position, 0, max(0, bars * POSITIONS_PER_BAR - 1))
    loud = np.interp(track.velocities[step, drum].astype(np.float64) * 127, PLAYED_VELOCITIES, SONG_VELOCITIES)
    return drums_from_hits(bars, position, drum, np.rint(loud))
