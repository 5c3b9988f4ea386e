"""Necks and strings: which string, finger and place of the hand make each note, by the way of least cost."""

from __future__ import annotations

from functools import lru_cache
from itertools import combinations, pairwise, permutations
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from kinebeat.performance.truth.simulator.piano_hands import chords_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kinebeat.performance.notes import Notes

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

TUNINGS: dict[str, tuple[int, ...]] = {
    "violin": (55, 62, 69, 76),
    "viola": (48, 55, 62, 69),
    "cello": (36, 43, 50, 57),
    "guitar": (40, 45, 50, 55, 59, 64),
    "ukulele": (67, 60, 64, 69),
    "bass": (28, 33, 38, 43),
}
"""MIDI pitches of the open strings, from the one that a downward stroke meets first."""
LENGTHS_M = {"violin": 0.328, "viola": 0.375, "cello": 0.69, "guitar": 0.65, "ukulele": 0.345, "bass": 0.86}
"""From nut to bridge."""
# Semitones above the first finger that each finger can stop: hands of a violin span a fourth, others a third.
_SPANS = {
    "violin": {0: 1, 1: 2, 2: 2, 3: 3, 4: 3, 5: 4, 6: 4},
    "cello": {0: 1, 1: 2, 2: 3, 3: 4, 4: 4},
    "guitar": {0: 1, 1: 2, 2: 3, 3: 4, 4: 4},
}
# How unusual it is to stop so many semitones above the first finger, by the size of the span.
_STRETCH = {(7, 1): 0.5, (7, 4): 0.5, (7, 6): 1.0, (5, 4): 1.0}
_SPAN_OF = {"violin": "violin", "viola": "violin", "cello": "cello", "guitar": "guitar", "ukulele": "guitar"}
_HIGHEST_HAND = {"violin": 21, "viola": 19, "cello": 22, "guitar": 17, "ukulele": 15, "bass": 20}


class NeckCosts(NamedTuple):
    """What ways to play cost.

    Attributes:
        high: a hand up the neck, per semitone.
        open: an open string.
        shift: a hand that moves at all, ...
        far: ... and for each semitone.
        cross: the next string, each.
        slide: one finger for two places in a row.
        stretch: a finger beyond its own semitone.
    """

    high: float = 0.06
    open: float = 0.6
    shift: float = 1.0
    far: float = 0.12
    cross: float = 0.8
    slide: float = 0.8
    stretch: float = 1.0


COSTS = NeckCosts()


class Stopped(NamedTuple):
    """How the notes of a part are stopped.

    Attributes:
        kept: (N,) which of the notes can be played; the rest is about these.
        string: (M,) from 0, as in `TUNINGS`.
        finger: (M,) 1 (index) to 4; 0 for an open string.
        semitones: (M,) above the open string.
        hand: (M,) where the index finger would stop, in semitones.
    """

    kept: NDArray[np.bool_]
    string: Ints
    finger: Ints
    semitones: Ints
    hand: Ints


class _State(NamedTuple):
    string: tuple[int, ...]
    finger: tuple[int, ...]
    semitones: tuple[int, ...]
    hand: int
    cost: float


def along_m(instrument: str, semitones: Floats | Ints) -> Floats:
    """How far from the nut a string is stopped for so many semitones."""
    return np.asarray(LENGTHS_M[instrument] * (1 - 2.0 ** (-np.asarray(semitones, np.float64) / 12)))


def stop_notes(notes: Notes, instrument: str, costs: NeckCosts = COSTS) -> Stopped:
    """Choose strings, fingers and places of the left hand for a part.

    Args:
        notes: what is to be played.
        instrument: a key of `TUNINGS`.
        costs: what ways to play cost.

    Returns:
        How each note is stopped. Of a chord that no hand can stop, notes from its middle are left out.
    """
    kept = np.zeros(len(notes), np.bool_)
    orders, layers = [], []
    for chord in chords_of(notes.onset_s):
        order = chord[np.argsort(notes.pitch[chord], kind="stable")]
        pitches = tuple(int(p) for p in notes.pitch[order])
        states = _states(instrument, pitches, costs)
        while not states and len(order) > 1:
            order = np.delete(order, len(order) // 2)
            pitches = tuple(int(p) for p in notes.pitch[order])
            states = _states(instrument, pitches, costs)
        if states:
            kept[order] = True
            orders.append(order)
            layers.append(states)
    path = _cheapest(layers, [float(notes.onset_s[o[0]]) for o in orders], costs)
    string, finger, semitones, hand = (np.zeros(len(notes), np.int64) for _ in range(4))
    for order, state in zip(orders, path, strict=True):
        string[order], finger[order], semitones[order] = state.string, state.finger, state.semitones
        hand[order] = state.hand
    return Stopped(kept, string[kept], finger[kept], semitones[kept], hand[kept])


@lru_cache(maxsize=4096)
def _states(instrument: str, pitches: tuple[int, ...], costs: NeckCosts) -> tuple[_State, ...]:
    """All ways to stop a chord."""
    tuning = TUNINGS[instrument]
    rising = all(a < b for a, b in pairwise(tuning))
    ways = combinations(range(len(tuning)), len(pitches)) if rising else permutations(range(len(tuning)), len(pitches))
    span = _SPANS[_SPAN_OF.get(instrument, "guitar")]
    bowed = instrument in ("violin", "viola", "cello")
    states = []
    for strings in ways:
        if bowed and len(strings) > 1 and strings[-1] - strings[0] != len(strings) - 1:
            continue  # a bow meets neighbours
        semitones = tuple(p - tuning[s] for p, s in zip(pitches, strings, strict=True))
        stopped = [s for s in semitones if s > 0]
        if min(semitones) < 0:
            continue
        hands = range(max(1, max(stopped) - max(span)), min(stopped) + 1) if stopped else (0,)
        for hand in hands:
            if hand > _HIGHEST_HAND[instrument]:
                continue
            finger = tuple(span[s - hand] if s > 0 else 0 for s in semitones)
            stretch = sum(_STRETCH.get((len(span), s - hand), 0.0) for s in stopped)
            # The hand is at home where the index finger stops a whole tone.
            cost = costs.high * abs(hand - 2) + costs.stretch * stretch + costs.open * sum(s == 0 for s in semitones)
            states.append(_State(tuple(strings), finger, semitones, hand, cost))
    return tuple(states)


def _cheapest(layers: list[tuple[_State, ...]], at_s: list[float], costs: NeckCosts) -> list[_State]:
    """Viterbi. Where only open strings are played the hand stays, so their place is that of the state before."""
    if not layers:
        return []
    tables = [_table(states) for states in layers]
    total = tables[0][:, 3].copy()
    hands = np.where(tables[0][:, 0] > 0, tables[0][:, 0], 1.0)
    back: list[Ints] = []
    held: list[Floats] = [hands]
    for k in range(1, len(layers)):
        before, now = tables[k - 1], tables[k]
        move = np.where(now[:, 0] > 0, np.abs(now[:, 0][None] - hands[:, None]), 0.0)
        # A hand that has time moves easily.
        haste = 1.0 / (1.0 + max(0.0, at_s[k] - at_s[k - 1] - 0.3))
        cost = haste * (costs.shift * (move > 0) + costs.far * move)
        cost += costs.cross * np.abs(now[:, 1][None] - before[:, 1][:, None])
        same = (now[:, 2][None] == before[:, 2][:, None]) & (now[:, 2][None] > 0)
        cost += costs.slide * (same & (now[:, 4][None] != before[:, 4][:, None]))
        cost += total[:, None] + now[:, 3][None]
        best = cost.argmin(axis=0)
        back.append(best)
        total = cost[best, np.arange(len(now))]
        hands = np.where(now[:, 0] > 0, now[:, 0], hands[best])
        held.append(hands)
    choice = int(total.argmin())
    path = []
    for k in range(len(layers) - 1, -1, -1):
        path.append(layers[k][choice]._replace(hand=int(held[k][choice])))
        if k:
            choice = int(back[k - 1][choice])
    return path[::-1]


def _table(states: tuple[_State, ...]) -> Floats:
    """(S, 5) hand, mean string, lowest finger that stops, cost, and how many semitones that finger stops."""
    rows = []
    for s in states:
        finger, semitones = min(((f, t) for f, t in zip(s.finger, s.semitones, strict=True) if f), default=(0, 0))
        rows.append((s.hand, sum(s.string) / len(s.string), finger, s.cost, semitones))
    return np.array(rows, np.float64)


def chord_shape(instrument: str, root: int, intervals: tuple[int, ...], *, highest_fret: int = 4) -> Ints:
    """A chord as it is strummed near the nut.

    Args:
        instrument: a key of `TUNINGS`.
        root: pitch class.
        intervals: of the chord's notes above it.
        highest_fret: no string is stopped beyond.

    Returns:
        Pitches in the order of the strings, from the one that sounds the root, if one of the lower three does.
    """
    classes = {(root + i) % 12 for i in intervals}
    shape = []
    for open_pitch in TUNINGS[instrument]:
        fret = next((f for f in range(highest_fret + 1) if (open_pitch + f) % 12 in classes), None)
        if fret is not None:
            shape.append(open_pitch + fret)
    first = next((k for k, pitch in enumerate(shape[:3]) if pitch % 12 == root), 0) if len(shape) > 4 else 0
    return np.array(shape[first:], np.int64)
