"""Bar-pointer hidden Markov model: beats from a beat activation.

Source: F. Krebs, S. Boeck, G. Widmer, "An efficient state-space model for joint tempo and meter tracking", ISMIR
2015: states are (tempo, position in the beat) with one position a frame, so that a beat of n frames has n states
(section 3.1, eq. 4-6); the tempo changes only at beats, with probability exp(-lambda |n' / n - 1|) (eq. 9); the
activation is observed in the first 1/16 of each beat (section 3.2).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

OBSERVATION_LAMBDA = 16
_LEAST = 1e-3


@dataclass(frozen=True)
class BeatStates:
    """The state space: all positions of all beat lengths, laid end to end.

    Attributes:
        periods: (P,) int, beat lengths in frames, one tempo each.
        first: (P,) int, number of the state that begins each beat length.
        last: (P,) int, number of the state that ends it.
        is_beat: (S,) bool, states in which the activation is observed.
        log_change: (P, P) float64, log probability of going from one beat length (row) to another (column).
    """

    periods: NDArray[np.int64]
    first: NDArray[np.int64]
    last: NDArray[np.int64]
    is_beat: NDArray[np.bool_]
    log_change: NDArray[np.float64]


def beat_states(fps: float, slowest_bpm: float, fastest_bpm: float, transition_lambda: float) -> BeatStates:
    """State space for tempi of a range at a frame rate; the larger lambda is, the dearer a change of tempo."""
    shortest = max(2, int(np.floor(60 * fps / fastest_bpm)))
    longest = max(shortest, int(np.ceil(60 * fps / slowest_bpm)))
    periods = np.arange(shortest, longest + 1)
    last = np.cumsum(periods) - 1
    first = last - periods + 1
    position = np.concatenate([np.arange(n) / n for n in periods])
    ratio = periods[None, :] / periods[:, None]
    change = np.exp(-transition_lambda * np.abs(ratio - 1))
    change /= change.sum(1, keepdims=True)
    return BeatStates(periods, first, last, position < 1 / OBSERVATION_LAMBDA, np.log(np.maximum(change, 1e-300)))


def decode_beats(
    activation: NDArray[np.float64], states: BeatStates, log_prior: NDArray[np.float64] | None = None
) -> NDArray[np.int64]:
    """Most likely beats (Viterbi), as frame numbers.

    Time and memory grow with frames times tempi, not frames times states: a path can only branch at a beat, so one
    back pointer a tempo and frame is kept.

    Args:
        activation: (T,) in [0, 1], how likely each frame is a beat.
        states: the state space at the same frame rate.
        log_prior: (P,) log probability of each beat length at the start; uniform if None.

    Returns:
        (B,) frames at which a beat begins, increasing.
    """
    activation = np.clip(np.asarray(activation, float), _LEAST, 1 - _LEAST)
    if len(activation) == 0:
        return np.zeros(0, np.int64)
    log_beat = np.log(activation)
    log_other = np.log((1 - activation) / (OBSERVATION_LAMBDA - 1))
    prior = np.zeros(len(states.periods)) if log_prior is None else log_prior
    score = np.repeat(prior, states.periods) - np.log(np.repeat(states.periods, states.periods))
    score = score + np.where(states.is_beat, log_beat[0], log_other[0])
    came_from = np.zeros((len(activation), len(states.periods)), np.int16)
    for t in range(1, len(activation)):
        ending = score[states.last]
        arriving = ending[:, None] + states.log_change
        best = arriving.argmax(0)
        came_from[t] = best
        score[1:] = score[:-1]
        score[states.first] = arriving[best, np.arange(len(best))]
        score += np.where(states.is_beat, log_beat[t], log_other[t])
        score -= score.max()
    state = int(score.argmax())
    tempo = int(np.searchsorted(states.last, state))
    t = len(activation) - 1 - (state - int(states.first[tempo]))
    beats: list[int] = []
    while t >= 0:
        beats.append(t)
        if t == 0:
            break
        tempo = int(came_from[t, tempo])
        t -= int(states.periods[tempo])
    return np.array(beats[::-1], np.int64)
