"""Which finger plays which note of a pianist's hand: the way of least cost.

A hand is described as a right hand: fingers 0 (thumb) to 4 (little finger) from left to right. A left hand is its
mirror image; mirrored about D the keyboard keeps its black keys.

A step from one finger to another costs as much as it is rare among fingerings written by a pianist: how often two
fingers follow each other, times how far apart (in steps of the scale) their keys then lie, a Laplace distribution
about the median. The same is asked of notes with one other between them, which keeps a hand in its position.
`kinebeat.performance.truth.simulator.czerny` measures the figures.
"""

from __future__ import annotations

from functools import cache
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

FINGERS = 5


class Pair(NamedTuple):
    """How two fingers, the lower first, follow each other.

    Attributes:
        share: of all pairs.
        steps: median distance in steps of the scale; for a finger that follows itself, the share of the same key.
        spread: mean absolute deviation from it, in steps.
    """

    share: float
    steps: float
    spread: float


# Medians and shares over the 14,155 fingered notes of the training pieces of Czerny's studies (CXML, split "train").
NEXT: dict[tuple[int, int], Pair] = {
    (0, 0): Pair(0.0593, 0.68, 0.66),
    (0, 1): Pair(0.1731, 1.0, 0.76),
    (0, 2): Pair(0.1139, 2.0, 1.20),
    (0, 3): Pair(0.0319, 3.0, 2.03),
    (0, 4): Pair(0.1078, 4.5, 1.13),
    (1, 1): Pair(0.0241, 0.92, 0.25),
    (1, 2): Pair(0.1281, 1.0, 0.45),
    (1, 3): Pair(0.0334, 2.0, 0.61),
    (1, 4): Pair(0.0326, 3.0, 0.77),
    (2, 2): Pair(0.0262, 0.93, 0.25),
    (2, 3): Pair(0.0820, 1.0, 0.38),
    (2, 4): Pair(0.0768, 2.0, 0.55),
    (3, 3): Pair(0.0115, 0.95, 0.26),
    (3, 4): Pair(0.0666, 1.0, 0.46),
    (4, 4): Pair(0.0325, 0.74, 0.56),
}
NEXT_BUT_ONE: dict[tuple[int, int], Pair] = {
    (0, 0): Pair(0.1286, 0.69, 0.70),
    (0, 1): Pair(0.0624, 1.0, 1.78),
    (0, 2): Pair(0.1387, 2.0, 1.02),
    (0, 3): Pair(0.0414, 4.0, 1.34),
    (0, 4): Pair(0.0448, 4.0, 1.20),
    (1, 1): Pair(0.0637, 0.67, 0.71),
    (1, 2): Pair(0.0599, 1.0, 1.55),
    (1, 3): Pair(0.0935, 2.0, 0.79),
    (1, 4): Pair(0.0718, 3.5, 1.21),
    (2, 2): Pair(0.0529, 0.81, 0.45),
    (2, 3): Pair(0.0308, 1.0, 0.70),
    (2, 4): Pair(0.1177, 2.0, 0.58),
    (3, 3): Pair(0.0252, 0.86, 0.34),
    (3, 4): Pair(0.0216, 1.0, 0.98),
    (4, 4): Pair(0.0470, 0.75, 0.57),
}
"""By fingers, for notes that follow each other and notes with one between them."""
BLACK_GAIN = np.array([[0.07, -1.03], [-0.04, 0.28], [-0.07, 0.48], [-0.08, 0.55], [0.06, -0.88]])
"""(5, 2) logarithm of how much likelier than others each finger is on a white and on a black key."""
# Weights that agree best with the pieces in hand: keys' colour, memory of the note before the last.
_COLOUR_WEIGHT, _MEMORY_WEIGHT = 1.0, 0.6
# In a chord: how far apart neighbouring fingers lie at ease, in steps, and how much they like to spread.
_CHORD_STEPS, _CHORD_SPREAD = np.array([1.5, 1.0, 1.0, 1.0]), 0.8
_HELD_COST = 12.0
_FORGOTTEN_S = 1.2  # after such a rest the hand may begin anew
_WILD = 0.05  # share of steps that follow no rule, over 14 steps
_WIDEST_STEPS = 14
_SCALE_STEPS = np.array([0, 0.5, 1, 1.5, 2, 3, 3.5, 4, 4.5, 5, 5.5, 6])
_BLACK = np.array([False, True, False, True, False, False, True, False, True, False, True, False])
_D4 = 62


def steps_of(pitch: Ints) -> Floats:
    """Where keys lie, in steps of the scale; a black key halfway between its neighbours."""
    where: Floats = 7.0 * (pitch // 12) + _SCALE_STEPS[pitch % 12]
    return where


@cache
def _log_odds(which: str) -> Floats:
    """(5, 5, 57) log odds of a step from finger to finger over so many half steps of the scale, from -14 to 14."""
    steps = np.arange(-2 * _WIDEST_STEPS, 2 * _WIDEST_STEPS + 1) / 2
    odds = np.zeros((FINGERS, FINGERS, len(steps)))
    for (low, high), pair in (NEXT if which == "next" else NEXT_BUT_ONE).items():
        if low == high:
            away = (1 - pair.steps) * np.exp(-np.abs(steps) / 3) / 6
            odds[low, low] = np.log(pair.share * (pair.steps * (steps == 0) + away))
            continue
        for first, then, up in ((low, high, steps), (high, low, -steps)):
            near = np.exp(-np.abs(up - pair.steps) / pair.spread) / (2 * pair.spread)
            odds[first, then] = np.log(pair.share / 2 * ((1 - _WILD) * near + _WILD / _WIDEST_STEPS))
    return odds


@cache
def _choices(notes: int) -> Ints:
    """(C, notes) all ways to put fingers on keys without crossing them."""
    return np.array(list(combinations(range(FINGERS), notes)), np.int64)


def choose_fingers(
    chords: Sequence[Ints],
    *,
    right: bool,
    gap_s: Sequence[float] | None = None,
    held: Sequence[NDArray[np.bool_]] | None = None,
) -> list[Ints]:
    """Fingers for what one hand plays.

    Args:
        chords: pitches that begin together, rising, one to five of them.
        right: whether it is the right hand.
        gap_s: (len(chords),) time since the chord before; a long rest frees the hand. Left out, all follow closely.
        held: which notes of a chord are still held when the next begins; their fingers are taken.

    Returns:
        Fingers, 1 (thumb) to 5, as fingers are numbered in music, for each pitch of each chord.
    """
    if not chords:
        return []
    turned = [pitch if right else 2 * _D4 - pitch[::-1] for pitch in chords]
    kept = [h if right else h[::-1] for h in held] if held is not None else [np.zeros(len(p), bool) for p in turned]
    where = [steps_of(pitch) for pitch in turned]
    options = [_choices(len(pitch)) for pitch in turned]
    local = [_alone(pitch, option) for pitch, option in zip(turned, options, strict=True)]
    gaps = gap_s if gap_s is not None else [0.0] * len(chords)
    weight = [1.0 / (1.0 + max(0.0, gap / _FORGOTTEN_S) ** 2) for gap in gaps]
    path = _best_path(where, options, local, weight, kept)
    fingers = [option[choice] + 1 for option, choice in zip(options, path, strict=True)]
    return fingers if right else [f[::-1] for f in fingers]


def _best_path(
    where: list[Floats], options: list[Ints], local: list[Floats], weight: list[float], held: list[NDArray[np.bool_]]
) -> list[int]:
    """Viterbi over pairs of neighbouring chords; the number of the option of each chord."""
    if len(where) == 1:
        return [int(local[0].argmax())]

    def step(k: int) -> Floats:
        gain = weight[k] * _step("next", where[k - 1], options[k - 1], where[k], options[k])
        return gain - _taken(where[k - 1], options[k - 1], held[k - 1], where[k], options[k])

    score = local[0][:, None] + local[1][None] + step(1)
    back: list[Ints] = []
    for k in range(2, len(where)):
        memory = _MEMORY_WEIGHT * weight[k] * weight[k - 1]
        far = score[:, :, None] + memory * _step("but one", where[k - 2], options[k - 2], where[k], options[k])[:, None]
        back.append(far.argmax(axis=0))
        score = far.max(axis=0) + step(k) + local[k][None]
    before, last = (int(i) for i in np.unravel_index(int(score.argmax()), score.shape))
    path = [last, before]
    for came_from in reversed(back):
        before, last = int(came_from[before, last]), before
        path.append(before)
    return path[::-1]


def _alone(pitch: Ints, option: Ints) -> Floats:
    """(C,) what a chord's options are worth by themselves."""
    worth = _COLOUR_WEIGHT * BLACK_GAIN[option, _BLACK[pitch % 12].astype(np.int64)].sum(axis=1)
    if len(pitch) > 1:
        # The ease of a stretch between two fingers is the sum of those between.
        reach = np.concatenate([[0.0], np.cumsum(_CHORD_STEPS)])
        ease = reach[option[:, 1:]] - reach[option[:, :-1]]
        apart = np.diff(steps_of(pitch))
        worth = worth - (np.abs(apart - ease) / _CHORD_SPREAD).sum(axis=1)
    return np.asarray(worth)


def _step(which: str, from_steps: Floats, from_option: Ints, to_steps: Floats, to_option: Ints) -> Floats:
    """(C, D) log odds of a chord's options after another's: of their lowest notes and their highest ones."""
    table = _log_odds(which)
    total = np.zeros((len(from_option), len(to_option)))
    ends = ((0, 0),) if len(from_steps) == len(to_steps) == 1 else ((0, 0), (-1, -1))
    for a, b in ends:
        apart = int(np.clip(round(2 * (to_steps[b] - from_steps[a])) + 2 * _WIDEST_STEPS, 0, 4 * _WIDEST_STEPS))
        total += table[from_option[:, a][:, None], to_option[:, b][None], apart]
    return total / len(ends)


def _taken(
    from_steps: Floats, from_option: Ints, held: NDArray[np.bool_], to_steps: Floats, to_option: Ints
) -> Floats | float:
    """(C, D) cost of fingers that would have to leave a key they hold, or would be crossed over it."""
    if not held.any():
        return 0.0
    finger, key = from_option[:, held][:, None, :, None], from_steps[held][:, None]
    apart = to_option[None, :, None, :] - finger
    against = (apart == 0) | (np.sign(apart) * np.sign(to_steps[None] - key)[None, None] < 0)
    return np.asarray(_HELD_COST * against.sum(axis=(2, 3)), np.float64)
