"""The instruments whose players can be heard, as data."""

from __future__ import annotations

from typing import NamedTuple


class Instrument(NamedTuple):
    """What an instrument is.

    Attributes:
        program: General MIDI program, from 0.
        lowest: MIDI pitch of its lowest note.
        highest: MIDI pitch of its highest note.
        family: how it is played: "keys", "bowed", "plucked", "wind" or "bellows".
        voices: how many notes sound at once at most.
        real: whether its model has learned from films of real players, not from simulated ones alone.
    """

    program: int
    lowest: int
    highest: int
    family: str
    voices: int
    real: bool = False


INSTRUMENTS: dict[str, Instrument] = {
    "piano": Instrument(0, 21, 108, "keys", 10, real=True),
    "violin": Instrument(40, 55, 100, "bowed", 2),
    "viola": Instrument(41, 48, 91, "bowed", 2),
    "cello": Instrument(42, 36, 81, "bowed", 2),
    "guitar": Instrument(24, 40, 83, "plucked", 6),
    "ukulele": Instrument(24, 60, 88, "plucked", 4),
    "bass": Instrument(33, 28, 67, "plucked", 1),
    "accordion": Instrument(21, 53, 89, "bellows", 4),
    "tuba": Instrument(58, 28, 58, "wind", 1),
    "bassoon": Instrument(70, 34, 72, "wind", 1),
    "trumpet": Instrument(56, 55, 82, "wind", 1),
    "flute": Instrument(73, 60, 96, "wind", 1),
}
"""By name. General MIDI has no ukulele: a nylon-string guitar stands in."""
