"""What each hand of a pianist does: fingers, where on the keys, how long, and what it has to leave out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kinebeat.performance.notes import Notes
from kinebeat.performance.piano_keys import (
    BLACK_FROM_V,
    BLACK_U,
    CENTRE_U,
    IS_BLACK,
    KEY_LENGTH_U,
    LOWEST_PITCH,
    WIDTH_U,
)
from kinebeat.performance.truth.simulator.fingering import choose_fingers
from kinebeat.performance.truth.simulator.motion import PEAK_SPEED
from kinebeat.performance.truth.simulator.piano_hands import MOST_FINGERS, chords_of, share_out, within_reach

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

KEY_M = 0.0235
"""Width of a white key."""
LENGTH_M = KEY_LENGTH_U * KEY_M
"""How long it is."""
REST_M = np.array([[-0.048, -0.044], [-0.0225, -0.008], [0.0, 0.0], [0.0225, -0.007], [0.044, -0.028]])
"""(5, 2) where a right hand's fingertips rest, from the middle finger's: five neighbouring white keys."""
POINTING_M = np.array([-0.024, 0.012])
"""The same of an index finger that plays alone."""
SHORTEST_S = 0.03
"""A key is held for so long at least."""
_INDEX = 1
_STRETCH_M = 0.045
_FINGER_LEAVES_S = 0.04


@dataclass(frozen=True)
class PianoStyle:
    """How somebody plays.

    Attributes:
        hands: "both", "left" or "right".
        one_finger: plays with the index fingers alone, the others curled.
        size: of the hands, an adult's being 1.
        row_v: where the middle fingers play white keys.
        scatter_u: how far from a key's middle it is struck, standard deviation.
        fastest_m_s: how fast a hand can go.
        lead_s: how long before a note the hand is there, when there is time, at most.
        lift_m: how high a finger is lifted before a loud note.
        loose: how much hands drift and idle fingers move, an ordinary player being 1.
        curl: how tightly fingers that do not play are curled, with `one_finger`.
        body_u: where the player sits.
    """

    hands: str = "both"
    one_finger: bool = False
    size: float = 1.0
    row_v: float = 0.3
    scatter_u: float = 0.14
    fastest_m_s: float = 2.5
    lead_s: float = 0.15
    lift_m: float = 0.01
    loose: float = 1.0
    curl: float = 0.8
    body_u: float = 26.0


def draw_style(rng: np.random.Generator, *, one_finger_share: float = 0.3) -> PianoStyle:
    """A player by chance; many of those who are filmed from above play scales with one finger."""
    one_finger = bool(rng.random() < one_finger_share)
    return PianoStyle(
        hands=str(rng.choice(["both", "left", "right"], p=[0.76, 0.08, 0.16])),
        one_finger=one_finger,
        size=float(np.clip(rng.normal(0.96, 0.06), 0.8, 1.15)),
        row_v=float(np.clip(rng.normal(0.2 if one_finger else 0.31, 0.09), 0.05, 0.6)),
        scatter_u=float(rng.uniform(0.08, 0.22)),
        fastest_m_s=float(rng.uniform(1.8, 3.0)),
        lead_s=float(rng.uniform(0.03, 0.3)),
        lift_m=float(rng.uniform(0.003, 0.02)),
        loose=float(np.exp(0.4 * rng.normal())),
        curl=float(rng.uniform(0.3, 1.0)),
        body_u=float(rng.normal(26.0, 2.5)),
    )


@dataclass(frozen=True, eq=False)
class HandPlan:
    """What one hand does. Lengths are metres of the keyboard's plane: x from its left edge, y from the keys' front.

    Attributes:
        right: whether it is the right hand.
        notes: what it plays.
        finger: (N,) 0 (thumb) to 4.
        place_m: (N, 2) where the fingertip is on the key.
        chord: (N,) number of the chord the note belongs to.
        at_s: (K,) when each chord begins.
        until_s: (K,) when its last key is let go.
        anchor_m: (K, 2) where the middle finger would rest (`REST_M`).
    """

    right: bool
    notes: Notes
    finger: Ints
    place_m: Floats
    chord: Ints
    at_s: Floats
    until_s: Floats
    anchor_m: Floats


def plan_hands(notes: Notes, style: PianoStyle, rng: np.random.Generator) -> list[HandPlan]:
    """Plan both hands, the left first; a hand that has nothing to play has a plan without notes.

    Args:
        notes: what is to be played; keys that a piano does not have are left out.
        style: who plays.
        rng: for what a player does by chance.
    """
    on_keys = (notes.pitch >= LOWEST_PITCH) & (notes.pitch < LOWEST_PITCH + len(CENTRE_U))
    notes = notes[on_keys & (notes.offset_s > notes.onset_s)]
    most = 1 if style.one_finger else MOST_FINGERS
    reach_u = 9.0 * style.size
    right = share_out(notes, hands=style.hands, reach_u=reach_u, most=most)
    return [_plan_hand(notes[right == side], bool(side), reach_u, most, style, rng) for side in (False, True)]


def _plan_hand(
    notes: Notes, right: bool, reach_u: float, most: int, style: PianoStyle, rng: np.random.Generator
) -> HandPlan:
    """Plan one hand. Within, x runs towards the little finger."""
    can = np.zeros(len(notes), np.bool_)
    sizes = []
    for chord in chords_of(notes.onset_s):
        order = chord[np.argsort(notes.pitch[chord], kind="stable")]
        can[order] = within_reach(notes.pitch[order], right=right, reach_u=reach_u, most=most)
        sizes.append(int(can[order].sum()))
    notes = notes[can]
    chords = np.split(np.arange(len(notes)), np.cumsum(sizes)[:-1]) if sizes else []
    sign = 1.0 if right else -1.0
    finger = _fingers(notes, chords, right, style)
    place = _aim(notes, finger, sign, style, rng)
    rest = _rest(style)
    at = np.array([notes.onset_s[c[0]] for c in chords])
    own = np.array([(place[c] - rest[finger[c]]).mean(axis=0) for c in chords]).reshape(-1, 2)
    anchor = _eased(own, at)
    played = _in_time(notes, chords, at, anchor, finger, place, style)
    number = np.repeat(np.arange(len(chords)), [len(c) for c in chords]) if chords else np.zeros(0, np.int64)
    chords_kept, number = np.unique(number[played], return_inverse=True)
    notes, finger, place = notes[played], finger[played], place[played]
    at, anchor = at[chords_kept], anchor[chords_kept]
    offset = _let_go(notes, number, finger, place, at, anchor, rest, style)
    until = np.full(len(at), -np.inf)
    np.maximum.at(until, number, offset)
    place, anchor = place * (sign, 1.0), anchor * (sign, 1.0)
    kept = Notes(notes.onset_s, offset, notes.pitch, notes.velocity)
    return HandPlan(right, kept, finger, place, number, at, until, anchor)


def _rest(style: PianoStyle) -> Floats:
    rest = style.size * REST_M
    if style.one_finger:
        rest[_INDEX] = style.size * POINTING_M
    return rest


def _fingers(notes: Notes, chords: list[Ints], right: bool, style: PianoStyle) -> Ints:
    """(N,) fingers from 0."""
    if style.one_finger or not chords:
        return np.full(len(notes), _INDEX, np.int64)
    finger = np.zeros(len(notes), np.int64)
    orders = [chord[np.argsort(notes.pitch[chord], kind="stable")] for chord in chords]
    begin = [float(notes.onset_s[order].min()) for order in orders]
    gap = [0.0] + [float(b - notes.offset_s[order].max()) for order, b in zip(orders, begin[1:], strict=False)]
    ends = [*begin[1:], np.inf]
    held = [notes.offset_s[order] > end + 0.1 for order, end in zip(orders, ends, strict=True)]
    chosen = choose_fingers([notes.pitch[order] for order in orders], right=right, gap_s=gap, held=held)
    for order, fingers in zip(orders, chosen, strict=True):
        finger[order] = fingers - 1
    return finger


def _aim(notes: Notes, finger: Ints, sign: float, style: PianoStyle, rng: np.random.Generator) -> Floats:
    """(N, 2) where on its key each finger strikes, x towards the little finger.

    Hands move forward where a short finger has to reach a black key.
    """
    key = notes.pitch - LOWEST_PITCH
    black = IS_BLACK[key]
    u = CENTRE_U[key] + np.clip(style.scatter_u * rng.standard_normal(len(key)), -0.35, 0.35) * WIDTH_U[key]
    v = style.row_v + _rest(style)[finger, 1] / LENGTH_M + 0.1 * rng.standard_normal(len(key))
    on_black = np.clip(np.maximum(v, BLACK_FROM_V + 0.03 + 0.1 * rng.random(len(key))), 0.0, 0.92)
    # Between black keys there is room for a finger, but many stay in front of them.
    deep = v > BLACK_FROM_V - 0.03
    between = deep & (rng.random(len(key)) < 0.6)
    low, high = _narrow(key)
    u = np.where(between & ~black, np.clip(u, low + 0.08, high - 0.08), u)
    on_white = np.clip(np.where(deep & ~between, BLACK_FROM_V - 0.03, v), 0.03, 0.85)
    return np.stack([sign * u * KEY_M, np.where(black, on_black, on_white) * LENGTH_M], axis=1)


def _narrow(key: Ints) -> tuple[Floats, Floats]:
    """(N,), (N,) left and right edge, in white keys, of the part of a key that lies between black keys."""
    middle = CENTRE_U[key]
    half = WIDTH_U[IS_BLACK][0] / 2
    apart = BLACK_U[None] - middle[:, None]
    left = np.where((apart < 0) & (apart > -1), BLACK_U + half, -np.inf).max(axis=1, initial=-np.inf)
    right = np.where((apart > 0) & (apart < 1), BLACK_U - half, np.inf).min(axis=1, initial=np.inf)
    return np.maximum(left, middle - WIDTH_U[key] / 2), np.minimum(right, middle + WIDTH_U[key] / 2)


def _eased(own: Floats, at: Floats) -> Floats:
    """Anchors that do not follow every finger of a quick passage: fingers reach to the sides as well."""
    if len(own) < 3:
        return own
    near = 0.35 * np.exp(-np.diff(at) / 0.3)[:, None]
    total, weight = own.copy(), np.ones((len(own), 1))
    total[1:] += near * own[:-1]
    total[:-1] += near * own[1:]
    weight[1:] += near
    weight[:-1] += near
    off = np.clip(total / weight - own, -0.7 * _STRETCH_M, 0.7 * _STRETCH_M)
    return np.asarray(own + off)


def _in_time(
    notes: Notes, chords: list[Ints], at: Floats, anchor: Floats, finger: Ints, place: Floats, style: PianoStyle
) -> NDArray[np.bool_]:
    """(N,) which notes the hand, and each finger, can be there for."""
    played = np.zeros(len(notes), np.bool_)
    hand_at, finger_at = -1, np.full(5, -1)
    for k, chord in enumerate(chords):
        if hand_at >= 0:
            way_s = PEAK_SPEED * float(np.linalg.norm(anchor[k] - anchor[hand_at])) / style.fastest_m_s
            if at[k] - at[hand_at] - SHORTEST_S < way_s:
                continue
        for n in chord:
            before = finger_at[finger[n]]
            if before >= 0:
                way_s = PEAK_SPEED * float(np.linalg.norm(place[n] - place[before])) / style.fastest_m_s
                room_s = notes.onset_s[n] - notes.onset_s[before] - SHORTEST_S
                if room_s < max(way_s, _FINGER_LEAVES_S):
                    continue
            played[n] = True
            finger_at[finger[n]] = n
        if played[chord].any():
            hand_at = k
    return played


def _let_go(
    notes: Notes, chord: Ints, finger: Ints, place: Floats, at: Floats, anchor: Floats, rest: Floats, style: PianoStyle
) -> Floats:
    """(N,) when each key is let go: as written, unless the finger or the hand is needed elsewhere."""
    offset = notes.offset_s.copy()
    for n in range(len(notes)):
        later = np.flatnonzero(finger[n + 1 :] == finger[n])
        if len(later):
            then = n + 1 + int(later[0])
            way_s = PEAK_SPEED * float(np.linalg.norm(place[then] - place[n])) / style.fastest_m_s
            offset[n] = min(offset[n], notes.onset_s[then] - max(way_s, _FINGER_LEAVES_S))
        k = chord[n] + 1
        while k < len(at) and at[k] < offset[n]:
            if np.abs(place[n] - anchor[k] - rest[finger[n]]).max() > _STRETCH_M:
                offset[n] = at[k] - SHORTEST_S
                break
            k += 1
        offset[n] = max(offset[n], notes.onset_s[n] + SHORTEST_S)
    return offset
