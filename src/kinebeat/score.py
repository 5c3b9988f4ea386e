"""The noun `Score`: the whole music as tracks of notes in seconds, and what MIDI files make of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kinebeat.beats.grid import BeatGrid


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
    """

    name: str
    program: int
    is_drum: bool
    time_s: NDArray[np.float64]
    duration_s: NDArray[np.float64]
    pitch: NDArray[np.int64]
    velocity: NDArray[np.int64]


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
