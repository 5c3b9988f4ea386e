"""What the live engine says: every output, from the page to a MIDI port, drinks from these.

Times are seconds on the clock of the keypoints that were given to the engine. A time may be in the future: that is
when the event is due.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Mood = Literal["waiting", "playing", "ending"]


@dataclass(frozen=True)
class Beat:
    """A beat of the drums.

    Attributes:
        time_s: when it is due.
        number: counted from the first beat of the performance; never twice, and none is left out.
        in_bar: 0 on the downbeat, 1, 2, 3.
        tempo_bpm: of the beat that begins here.
        confidence: in [0, 1], how clear the pulse of the movement is.
    """

    time_s: float
    number: int
    in_bar: int
    tempo_bpm: float
    confidence: float


@dataclass(frozen=True)
class Hit:
    """One stroke on one drum.

    Attributes:
        time_s: when it is due.
        drum: number in `kinebeat.drums.kit.DRUMS`.
        velocity: in (0, 1].
        number: counted through the performance, in the order in which hits are handed out.
        joint: the hand or foot that struck it in instrument mode, as in `kinebeat.skeleton`; None for the groove.
    """

    time_s: float
    drum: int
    velocity: float
    number: int
    joint: str | None = None


@dataclass(frozen=True)
class Change:
    """The engine begins to wait, to play or to come to an end.

    Attributes:
        time_s: when.
        mood: what it does from then on.
        reason: a short sentence for the person in front of the camera.
    """

    time_s: float
    mood: Mood
    reason: str


Event = Beat | Hit | Change
