"""The nine drums, as data: their order, their General MIDI pitches, and which pitches of a drum pad mean which.

The classes are those of the Groove MIDI Dataset paper (Gillick et al. 2019, "Learning to Groove with Inverse
Sequence Transformations", table 3).
"""

from __future__ import annotations

from typing import NamedTuple


class Drum(NamedTuple):
    """One of the nine drums: its name, the General MIDI pitch played, and all pitches that count as it."""

    name: str
    pitch: int
    pitches: tuple[int, ...]


DRUMS: tuple[Drum, ...] = (
    Drum("kick", 36, (35, 36)),
    Drum("snare", 38, (37, 38, 39, 40)),
    Drum("closed hi-hat", 42, (22, 42, 44)),
    Drum("open hi-hat", 46, (26, 46)),
    Drum("low tom", 43, (41, 43, 58)),
    Drum("mid tom", 47, (45, 47)),
    Drum("high tom", 50, (48, 50)),
    Drum("crash", 49, (49, 52, 55, 57)),
    Drum("ride", 51, (51, 53, 59)),
)
DRUM_OF_PITCH: dict[int, int] = {pitch: number for number, drum in enumerate(DRUMS) for pitch in drum.pitches}
