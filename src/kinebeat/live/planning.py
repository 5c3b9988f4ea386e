"""Which beats the drums play: each interval from a beat to the next is handed out once, before it begins.

The pulse says where the beats of the movement are; here it is decided where those of the music are. They follow the
movement within bounds, so that the music neither stumbles nor ever plays a beat twice or not at all (InteractiveBeat
3.4: the tempo is updated with each beat, and drums are made for the next beat interval, so that no delay adds up).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kinebeat.accents import LANDING_LAG_S

if TYPE_CHECKING:
    from kinebeat.live.pulse import Pulse

LEAD_S = 0.08
"""How long before they begin beats and 16ths are handed out: outputs need time, and more would be guessed than seen."""
MOST_CORRECTED = 0.20
"""How much longer or shorter than the movement's a beat of the music may be, as a part of it, to come back to it."""
CORRECTED = 0.7
"""Share of what the music is off that its next beat takes away: all of it would pass on every shake of the pulse."""
TRUSTED_FROM, TRUSTED = 0.35, 0.65
"""Clarity of a pulse that is not followed at all, and of one that is followed wholly."""
BEATS_PER_BAR = 4


@dataclass(frozen=True)
class Interval:
    """From one beat to the next.

    Attributes:
        start_s: when it begins.
        period_s: how long it is.
        number: of its beat, through the performance.
        in_bar: 0 on the downbeat, 1, 2, 3.
    """

    start_s: float
    period_s: float
    number: int
    in_bar: int

    @property
    def end_s(self) -> float:
        """When the next begins."""
        return self.start_s + self.period_s

    @property
    def tempo_bpm(self) -> float:
        """Beats a minute."""
        return 60.0 / self.period_s


def confidence(pulse: Pulse) -> float:
    """How far the pulse is to be trusted, in [0, 1]."""
    return min(1.0, max(0.0, (pulse.clarity - TRUSTED_FROM) / (TRUSTED - TRUSTED_FROM)))


def first_interval(start_s: float, pulse: Pulse, number: int, period_s: float) -> Interval:
    """The interval with which the music begins, or begins again, on a downbeat.

    Args:
        start_s: when: where a strong movement lands.
        pulse: of the movement.
        number: of the beat.
        period_s: of the music before, for as long as the pulse says little.
    """
    trust = confidence(pulse)
    return Interval(start_s, period_s + trust * (pulse.period_s - period_s), number, 0)


def next_interval(last: Interval, pulse: Pulse, now_s: float) -> Interval:
    """The interval after another.

    Args:
        last: the one before.
        pulse: of the movement.
        now_s: the time that it is of.
    """
    trust = confidence(pulse)
    period_s = last.period_s + trust * (pulse.period_s - last.period_s)
    # How far past the movement's nearest beat ours begins, in beats.
    past = (last.end_s - LANDING_LAG_S - now_s) / pulse.period_s + pulse.phase
    off = past - round(past)
    correction = min(MOST_CORRECTED, max(-MOST_CORRECTED, -CORRECTED * trust * off))
    return Interval(last.end_s, period_s * (1 + correction), last.number + 1, (last.in_bar + 1) % BEATS_PER_BAR)
