"""Which of a pianist's hands plays which note, and which notes nobody could play."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from kinebeat.performance.piano_keys import CENTRE_U, LOWEST_PITCH

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from kinebeat.performance.notes import Notes

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

TOGETHER_S = 0.035
"""Notes that begin so close to each other are one chord."""
MOST_FINGERS = 5
_BEAM = 12
_HOMES_U = (16.0, 31.0)  # where the hands wait: G3 below and G4 above middle C
_LEAST_APART_U = 3.0


class _Way(NamedTuple):
    """A way to have shared the notes out so far.

    Attributes:
        cost: what it costs.
        at_u: where the left and the right hand are, ...
        since_s: ... and since when.
        last: (notes of the left hand in the last chord, the way before).
    """

    cost: float
    at_u: tuple[float, float]
    since_s: tuple[float, float]
    last: tuple[int, _Way] | None


def chords_of(onset_s: Floats) -> list[NDArray[np.int64]]:
    """Numbers of the notes that begin together, chord by chord; onsets rise."""
    if not len(onset_s):
        return []
    starts, first = [0], onset_s[0]
    for k, onset in enumerate(onset_s):
        if onset - first > TOGETHER_S:
            starts.append(k)
            first = onset
    return np.split(np.arange(len(onset_s)), starts[1:])


def share_out(notes: Notes, *, hands: str, reach_u: float, most: int, middle_u: float = 23.5) -> NDArray[np.bool_]:
    """Share notes out between two hands.

    The left hand has the lower notes of a chord. Hands cost what they stretch beyond their reach, how far they go and
    how fast, notes beyond their fingers, crossing the other hand, and playing far on its side.

    Args:
        notes: what is to be played, within the keys of a piano.
        hands: "both", "left" or "right".
        reach_u: how far a hand can stretch, white keys.
        most: fingers that a hand plays with.
        middle_u: where the hands' regions meet.

    Returns:
        (N,) whether the right hand plays the note.
    """
    if hands != "both":
        return np.full(len(notes), hands == "right")
    u = CENTRE_U[notes.pitch - LOWEST_PITCH]
    chords = chords_of(notes.onset_s)
    orders = [chord[np.argsort(notes.pitch[chord], kind="stable")] for chord in chords]
    ways = [_Way(0.0, _HOMES_U, (-1.0, -1.0), None)]
    for order in orders:
        keys, now_s = [float(x) for x in u[order]], float(notes.onset_s[order].min())
        found = [
            _after(way, keys, split, now_s, reach_u, most, middle_u) for way in ways for split in range(len(keys) + 1)
        ]
        ways = sorted(found, key=lambda w: w.cost)[:_BEAM]
    right = np.zeros(len(notes), np.bool_)
    last = ways[0].last
    while last is not None:
        split, before = last
        right[orders.pop()[split:]] = True
        last = before.last
    return right


def _after(
    way: _Way, keys: Sequence[float], split: int, now_s: float, reach_u: float, most: int, middle_u: float
) -> _Way:
    """What becomes of a way when the left hand takes the lowest `split` keys of a chord."""
    cost, at, since = way.cost, list(way.at_u), list(way.since_s)
    for hand, own in enumerate((keys[:split], keys[split:])):
        if not own:
            continue
        middle = sum(own) / len(own)
        far = abs(middle - at[hand])
        cost += 0.1 * far + 0.04 * far / (0.1 + max(0.0, now_s - since[hand]))
        cost += 10.0 * max(0.0, own[-1] - own[0] - reach_u) + 30.0 * max(0, len(own) - most)
        cost += 0.12 * max(0.0, (middle - middle_u - 4) if hand == 0 else (middle_u - 4 - middle))
        at[hand], since[hand] = middle, now_s
    cost += 1.0 * max(0.0, at[0] + _LEAST_APART_U - at[1])
    return _Way(cost, (at[0], at[1]), (since[0], since[1]), (split, way))


def within_reach(pitch: Ints, *, right: bool, reach_u: float, most: int) -> NDArray[np.bool_]:
    """Which notes of a chord a hand can strike: the outer ones first, the right hand's from above.

    Args:
        pitch: of the chord, rising.
        right: whether it is the right hand.
        reach_u: how far it can stretch, white keys.
        most: fingers it plays with.
    """
    u = CENTRE_U[pitch - LOWEST_PITCH]
    near = (u[-1] - u <= reach_u) if right else (u - u[0] <= reach_u)
    near &= np.concatenate([[True], np.diff(pitch) > 0])
    kept = np.flatnonzero(near)
    kept = kept[-most:] if right else kept[:most]
    can = np.zeros(len(pitch), np.bool_)
    can[kept] = True
    return can
