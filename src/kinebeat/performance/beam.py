"""The likeliest words of a clip, by beam search (paper, section 3.3: five hypotheses)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kinebeat.performance.events import TICKS_PER_S, Limits, State, after, allowed, first_state
from kinebeat.performance.model import START

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kinebeat.performance.model import PerformanceModel, Seen

BEAM = 5
MOST_WORDS = 600
"""In a clip of six seconds; nobody plays more."""


@dataclass(frozen=True, eq=False)
class _Hypothesis:
    """Words so far, their log probability, and what may come after them."""

    words: tuple[int, ...]
    score: float
    state: State


def likeliest(model: PerformanceModel, seen: Seen, limits: Limits, *, beam: int = BEAM) -> NDArray[np.int64]:
    """The words of a clip.

    Hypotheses are compared by the log probability of all they say, at equal numbers of words. That would favour who
    waits in long steps and plays nothing, so what has come to the clip's end is compared by the mean of its words.

    Args:
        model: the network.
        seen: the clip as it sees it.
        limits: what the instrument can play, and the clip's length.
        beam: hypotheses.
    """
    going, past = [_Hypothesis((), 0.0, first_state())], model.begin(1)
    done: list[_Hypothesis] = []
    while going and len(going[0].words) < MOST_WORDS:
        words = np.array([one.words[-1] if one.words else START for one in going], np.int64)
        seconds = np.array([one.state.tick / TICKS_PER_S for one in going])
        logits, past = model.say(words, seconds, seen, past)
        options = np.full(logits.shape, -np.inf)
        for row, one in enumerate(going):
            may = allowed(one.state, limits)
            scores = logits[row][may].astype(np.float64)
            top = scores.max()
            options[row, may] = one.score + scores - top - np.log(np.exp(scores - top).sum())
        best = np.argsort(-options, axis=None, kind="stable")[: 2 * beam]
        rows, chosen = np.unravel_index(best[np.isfinite(options.reshape(-1)[best])], options.shape)
        kept: list[int] = []
        following: list[_Hypothesis] = []
        for row, word in zip(rows.tolist(), chosen.tolist(), strict=True):
            one = going[row]
            next_one = _Hypothesis((*one.words, word), float(options[row, word]), after(one.state, word))
            if next_one.state.tick >= limits.ticks:
                done.append(next_one)
            elif len(following) < beam:
                following.append(next_one)
                kept.append(row)
        going, past = following, past[:, kept]
        if len(done) >= beam and going and max(_merit(one) for one in done) > max(_merit(one) for one in going):
            break
    every = done or going
    return np.array(max(every, key=_merit).words, np.int64)


def _merit(one: _Hypothesis) -> float:
    return one.score / max(1, len(one.words))
