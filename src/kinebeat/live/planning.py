"""Which beats the drums play: each interval from a beat to the next is handed out once, before it begins.

The pulse says where the beats of the movement are; here it is decided where those of the music are. They follow the
movement within bounds, so that the music neither stumbles nor ever plays a beat twice or not at all (InteractiveBeat
3.4: the tempo is updated with each beat, and drums are made for the next beat interval, so that no delay adds up).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kinebeat.accents import LANDING_LAG_S
from kinebeat.live.movement import LIVE_FPS
from kinebeat.live.pulse import VISUAL_TICKS

if TYPE_CHECKING:
    from kinebeat.live.pulse import Pulse

AHEAD_S = VISUAL_TICKS / LIVE_FPS - LANDING_LAG_S
"""How long before the beat as dancers have it the drums play theirs: on the landings, which they are to answer."""
MOST_CORRECTED = 0.20
"""How much longer or shorter than the movement's a beat of the music may be, as a part of it, to come back to it."""
CORRECTED = 0.7
"""Share of what the music is off that its next beat takes away: all of it would pass on every shake of the pulse."""
MOST_BENT = 0.35
"""The same for what is left of a beat in its middle."""
TRUSTED_FROM, TRUSTED = 0.35, 0.65
"""Clarity of a pulse that is not followed at all, and of one that is followed wholly."""
BEATS_PER_BAR = 4


@dataclass(frozen=True)
class Interval:
    """From one beat to the next.

    Attributes:
        start_s: when it begins.
        length_s: how long it is, with what it makes up for.
        period_s: how long a beat of the music is without that.
        number: of its beat, through the performance.
        in_bar: 0 on the downbeat, 1, 2, 3.
    """

    start_s: float
    length_s: float
    period_s: float
    number: int
    in_bar: int

    @property
    def end_s(self) -> float:
        """When the next begins."""
        return self.start_s + self.length_s

    @property
    def tempo_bpm(self) -> float:
        """Beats a minute, of the music."""
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
    period_s += trust * (pulse.period_s - period_s)
    return Interval(start_s, period_s, period_s, number, 0)


def next_interval(last: Interval, pulse: Pulse, now_s: float) -> Interval:
    """The interval after another.

    Args:
        last: the one before.
        pulse: of the movement.
        now_s: the time that it is of.
    """
    trust = confidence(pulse)
    period_s = last.period_s + trust * (pulse.period_s - last.period_s)
    correction = -CORRECTED * trust * _past(last, pulse, now_s)
    length_s = period_s * (1 + min(MOST_CORRECTED, max(-MOST_CORRECTED, correction)))
    return Interval(last.end_s, length_s, period_s, last.number + 1, (last.in_bar + 1) % BEATS_PER_BAR)


def bent(interval: Interval, pulse: Pulse, now_s: float, left: float) -> Interval:
    """An interval that ends sooner or later than was thought when it began.

    Args:
        interval: that has begun.
        pulse: of the movement, as it is now.
        now_s: the time that it is of.
        left: of the interval, as a part of it: what has not been handed out.
    """
    most_s = MOST_BENT * left * interval.length_s
    wanted_s = -CORRECTED * confidence(pulse) * _past(interval, pulse, now_s) * pulse.period_s
    return replace(interval, length_s=interval.length_s + min(most_s, max(-most_s, wanted_s)))


def _past(interval: Interval, pulse: Pulse, now_s: float) -> float:
    """How far past the movement's nearest beat an interval ends, in beats."""
    past = (interval.end_s + AHEAD_S - now_s) / pulse.period_s + pulse.phase
    return past - round(past)
