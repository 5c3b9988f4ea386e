"""How the live engine is asked to play."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from kinebeat.errors import OptionError
from kinebeat.live.pulse import FASTEST_BPM, SLOWEST_BPM

Mode = Literal["groove", "instrument", "both"]


@dataclass(frozen=True)
class LiveSettings:
    """How the engine plays.

    Attributes:
        mode: "groove" plays drums to the beat of the movement, in "instrument" hands and feet strike drums, or "both".
        seed: of what the drummer chooses.
        temperature: of that choice; lower is plainer.
        sensitivity: 2 hears movements half as large.
        tempo_bpm: with which it begins.
        lead_s: how long before they are due beats and 16ths are handed out. Outputs need time, and what comes later
            could be seen instead of guessed; slow computers need more.
    """

    mode: Mode = "groove"
    seed: int = 0
    temperature: float = 0.9
    sensitivity: float = 1.0
    tempo_bpm: float = 100.0
    lead_s: float = 0.08

    def __post_init__(self) -> None:
        if self.mode not in ("groove", "instrument", "both"):
            raise OptionError(f"mode {self.mode!r}: expected groove, instrument or both")
        if not 0.2 <= self.sensitivity <= 5:
            raise OptionError(f"sensitivity {self.sensitivity:g}: expected 0.2 to 5")
        if not 0 < self.temperature <= 2:
            raise OptionError(f"temperature {self.temperature:g}: expected more than 0, at most 2")
        if not 0.03 <= self.lead_s <= 0.3:
            raise OptionError(f"lead {self.lead_s:g} s: expected 0.03 to 0.3")
        if not SLOWEST_BPM <= self.tempo_bpm <= FASTEST_BPM:
            raise OptionError(f"tempo {self.tempo_bpm:g}: expected {SLOWEST_BPM:g} to {FASTEST_BPM:g} BPM")
