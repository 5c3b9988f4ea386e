"""The pulse of a movement as it happens: where in a beat one is, how long the beat is, how clear that is.

The bar-pointer states of `beats.hmm` (Krebs, Boeck and Widmer 2015), filtered forwards: after each tick the belief is
the distribution over phase and tempo given all that was seen until then, and nothing is ever taken back. The paper
(InteractiveBeat 3.1.2) runs Viterbi over a window instead, and may change its mind about beats that were played.

Krebs et al. look for beats in the first 1/16 of each. What a network says of a movement is broader than that, most of
all of quick beats, and half of the tempo would then do as well. So here a state says how much of a beat it is by its
distance in seconds, and what the network says counts by that power.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from kinebeat.beats.decoding import PREFERRED_BPM, PREFERRED_OCTAVES
from kinebeat.beats.hmm import BeatStates, beat_states
from kinebeat.live.movement import LIVE_FPS

if TYPE_CHECKING:
    from numpy.typing import NDArray

SLOWEST_BPM, FASTEST_BPM = 65.0, 170.0
FINER = 2
"""Steps of the model in a tick: at 30 a second alone, tempi would be up to a tenth apart."""
TRANSITION_LAMBDA = 300.0
"""How dear a change of tempo is at each beat, Krebs et al. 2015, eq. 9, have 100 for music."""
LEAPS = 0.05
"""Probability that the tempo becomes any other at a beat: somebody changes the dance."""
BROAD_S = 0.025
"""Standard deviation of a beat as the network says it."""
USUAL = 0.05
"""What says nothing: above it a beat is likelier than before, below it less likely."""
USUAL_MUSIC = 0.1
"""The same of PulseNet: beats of music are more even than visual beats, and its target is as broad."""
VISUAL_TICKS = 2
"""How long after a movement brakes hardest the music has its beat, ticks: `LANDING_LAG_S` and a dancer's own 50 ms."""
MUSIC_WEIGHT, VISUAL_WEIGHT = 0.4, 0.5
"""What the odds of the two networks count: they hear the same movement, so not all of both is news."""
FLOOR, CEILING = 0.02, 0.9
"""Bounds of what may be said of a beat; beyond them one tick would decide about all the ticks before."""
LEAST, MOST = 0.005, 0.95
"""The same of what each of two networks may say."""
SAME_TEMPO = 0.12
"""Tempi this near to the likeliest, as a part of it, are one."""
SETTLE_S = 1.0
"""Over how long clarity is averaged."""


@dataclass(frozen=True)
class Pulse:
    """What is believed after a tick.

    Attributes:
        belief: (S,) float64, probability of each state of `states()`.
        period_s: length of a beat.
        phase: in [0, 1), 0 on the beat.
        clarity: in [0, 1], how much of the belief agrees with `phase` and `period_s`, averaged over some time.
        last: what the network said of the tick.
    """

    belief: NDArray[np.float64]
    period_s: float
    phase: float
    clarity: float
    last: float

    @property
    def tempo_bpm(self) -> float:
        """Beats a minute."""
        return 60.0 / self.period_s


@dataclass(frozen=True)
class _Model:
    states: BeatStates
    change: NDArray[np.float64]
    on_beat: NDArray[np.float64]
    turn: NDArray[np.complex128]
    prior: NDArray[np.float64]


@cache
def _model() -> _Model:
    states = beat_states(LIVE_FPS * FINER, SLOWEST_BPM, FASTEST_BPM, TRANSITION_LAMBDA)
    bpm = 60 * LIVE_FPS * FINER / states.periods
    prior = np.exp(-0.5 * (np.log2(bpm / PREFERRED_BPM) / PREFERRED_OCTAVES) ** 2)
    prior /= prior.sum()
    change = (1 - LEAPS) * np.exp(states.log_change) + LEAPS * prior
    position = np.concatenate([np.arange(n) / n for n in states.periods])
    away_s = np.minimum(position, 1 - position) * np.repeat(states.periods, states.periods) / (LIVE_FPS * FINER)
    return _Model(states, change, np.exp(-0.5 * (away_s / BROAD_S) ** 2), np.exp(2j * np.pi * position), prior)


def begin() -> Pulse:
    """Before anything was seen: any phase of any tempo."""
    model = _model()
    belief = np.repeat(model.prior / model.states.periods, model.states.periods)
    return Pulse(belief, 60.0 / PREFERRED_BPM, 0.0, 0.0, 0.0)


def step(beat: float, pulse: Pulse) -> Pulse:
    """The pulse one tick later.

    Args:
        beat: in [0, 1], how likely a beat is at that tick.
        pulse: before it.
    """
    model = _model()
    belief = _heard(pulse.belief, pulse.last, beat, model)
    period_s, turned = _reading(belief, model)
    blend = 1.0 / (SETTLE_S * LIVE_FPS)
    clarity = pulse.clarity + blend * (abs(turned) - pulse.clarity)
    return Pulse(belief, period_s, _phase(turned), clarity, beat)


def together(music: float, visual: float) -> float:
    """What two networks say of one beat.

    Args:
        music: probability that the music has a beat, as PulseNet says.
        visual: probability of a visual beat `VISUAL_TICKS` before, as VisBeatNet says.
    """
    said, seen = (min(max(beat, LEAST), MOST) for beat in (music, visual))
    odds = MUSIC_WEIGHT * (_logit(said) - _logit(USUAL_MUSIC)) + VISUAL_WEIGHT * (_logit(seen) - _logit(USUAL))
    return 1 / (1 + math.exp(-odds - _logit(USUAL)))


def _heard(belief: NDArray[np.float64], last: float, beat: float, model: _Model) -> NDArray[np.float64]:
    """The belief a tick later."""
    states = model.states
    said, before = _odds(beat), _odds(last)
    for part in range(1, FINER + 1):
        moved = np.empty_like(belief)
        moved[1:] = belief[:-1]
        moved[states.first] = belief[states.last] @ model.change
        belief = moved * np.exp((before + (said - before) * part / FINER) / FINER * model.on_beat)
    belief /= belief.sum()
    return belief


def _odds(beat: float) -> float:
    """How much likelier than usual, as the logarithm of the ratio of the odds."""
    return _logit(min(max(beat, FLOOR), CEILING)) - _logit(USUAL)


def _logit(probability: float) -> float:
    return math.log(probability / (1 - probability))


def _phase(turned: complex) -> float:
    phase = float(np.angle(turned) / (2 * np.pi)) % 1.0
    return phase if phase < 1.0 else 0.0


def _reading(belief: NDArray[np.float64], model: _Model) -> tuple[float, complex]:
    """Beat length in seconds, and the mean turn around the circle of the states that have about that length."""
    states = model.states
    by_period = np.add.reduceat(belief, states.first)
    around = np.add.reduceat(belief * model.turn, states.first)
    # The tempo with most belief near it, as one tempo's belief is spread over its neighbours.
    near = np.abs(states.periods[:, None] / states.periods - 1) < SAME_TEMPO
    chosen = near[int((near @ by_period).argmax())]
    weight = float(by_period[chosen].sum())
    period = float(by_period[chosen] @ states.periods[chosen]) / weight
    return period / (LIVE_FPS * FINER), complex(around[chosen].sum())
