"""The movement of a pianist's hands: `HandPlan` -> joints in space at the times of the pictures.

Space is metres: x along the keyboard from its left edge, y along the keys from their front edge, z up from their tops.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kinebeat.performance.piano_keys import IS_BLACK, LOWEST_PITCH
from kinebeat.performance.truth.simulator.hand import KNUCKLES_M, joints_of, pointing
from kinebeat.performance.truth.simulator.motion import PEAK_SPEED, glide, sway, window
from kinebeat.performance.truth.simulator.piano_plan import KEY_M, POINTING_M, REST_M

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kinebeat.performance.truth.simulator.piano_plan import HandPlan, PianoStyle

    Floats = NDArray[np.float64]

_INDEX = 1
_KEY_DEPTH_M, _BLACK_TOP_M = 0.009, 0.012
_REACH_M = 0.145  # from the wrist to the resting tip of the middle finger of an arched hand
_WRIST_M = 0.05  # above the keys
_HOVER_M = np.array([0.008, 0.012, 0.012, 0.012, 0.010])
_ELBOW_M = (0.22, -0.40)  # from the middle of the body, and from the keys' front
_STRIKE_S, _RISE_S = 0.035, 0.05
_SLIDE_M = np.array([0.006, 0.02])
_LONG_REST_S, _LEAVES = 2.5, 0.35  # so long are the rests in which so many hands leave the picture
_HOMES_M = (12.0 * KEY_M, 40.0 * KEY_M)


def move_hand(plan: HandPlan, times_s: Floats, style: PianoStyle, rng: np.random.Generator) -> Floats | None:
    """Move a hand.

    Args:
        plan: what it does.
        times_s: (T,) when to look.
        style: who plays.
        rng: for what a player does by chance.

    Returns:
        (T, 21, 3) its joints; None where it plays nothing and is not in the picture either.
    """
    step_s = float(np.median(np.diff(times_s))) if len(times_s) > 1 else 0.04
    sign = 1.0 if plan.right else -1.0
    turn = np.array([sign, 1.0])  # within, x runs towards the little finger
    if not len(plan.notes):
        if rng.random() < 0.5:
            return None
        # It lies before the keyboard, or waits above the keys.
        home = _HOMES_M[int(plan.right)] + rng.normal(0.0, 0.08)
        anchor = np.array([[sign * home, rng.uniform(-0.25, 0.05)]])
        no_time = np.zeros(0)
        hand, share, hops = glide(times_s, no_time, no_time, anchor)[0], np.zeros(len(times_s)), np.zeros(len(times_s))
    else:
        hand, share, hops = _hand_path(plan, times_s, turn, style, rng)
    loose = style.loose * style.size
    hand = hand + 0.0045 * loose * sway(hand.shape, step_s, 0.3, rng)
    hop = hops * np.sin(np.pi * share) ** 2
    hand[:, 1] -= 0.15 * hop
    press = _presses(plan, times_s)
    lift = hop + 0.004 * loose * sway(hand.shape[:1], step_s, 0.8, rng)
    yaw = _yaw(hand, sign, style, rng) + 0.04 * loose * sway(hand.shape[:1], step_s, 0.7, rng)
    back = pointing(yaw, np.array([[0.0, style.size * _REACH_M, 0.0]]))[:, 0]
    # A stroke goes through the hand: the wrist sinks and comes forward a little.
    weight = press.sum(axis=1).clip(0, 2)
    wrist = np.stack(
        [
            hand[:, 0] - back[:, 0],
            hand[:, 1] - back[:, 1] + 0.0005 * weight,
            style.size * _WRIST_M + lift - 0.004 * weight,
        ],
        axis=1,
    )
    idle = _idle_tips(hand, wrist, yaw, lift, press, step_s, style, rng)
    tips = _strike(plan, times_s, idle, hand, turn, style, rng)
    joints = joints_of(wrist, yaw, tips, style.size)
    joints[..., 0] *= sign
    return joints


def gone(plan: HandPlan, times_s: Floats, rng: np.random.Generator) -> NDArray[np.bool_]:
    """(T,) when the hand has left the picture: for a part of a long rest, and of the time before and after it plays."""
    ends = np.maximum.accumulate(plan.until_s)
    begins = np.concatenate([[-np.inf], ends]) + 0.4
    until = np.concatenate([plan.at_s, [np.inf]]) - 0.4
    gone = np.zeros(len(times_s), np.bool_)
    for k in np.flatnonzero(until - begins > _LONG_REST_S):
        if rng.random() < _LEAVES:
            early, late = rng.uniform(0.0, 0.6, 2)
            gone |= (times_s > begins[k] + early) & (times_s < until[k] - late)
    return gone


def _hand_path(
    plan: HandPlan, times_s: Floats, turn: Floats, style: PianoStyle, rng: np.random.Generator
) -> tuple[Floats, Floats, Floats]:
    """(T, 2) anchor, (T,) share of the present glide, (T,) how high its arc is."""
    at, until, places = plan.at_s, plan.until_s, plan.anchor_m * turn
    # Before it begins and after it has ended the hand may be off the keys.
    for first in (True, False):
        if rng.random() < 0.7:
            away = (places[0] if first else places[-1]) + (rng.normal(0.0, 0.12), -rng.uniform(0.02, 0.22))
            pause = float(rng.uniform(0.3, 2.0))
            moment = at[0] - pause if first else max(at[-1] + 0.1, until[-1]) + pause
            at = np.concatenate([[moment], at] if first else [at, [moment]])
            until = np.concatenate([[moment], until] if first else [until, [moment]])
            places = np.concatenate([[away], places] if first else [places, [away]])
    way = np.linalg.norm(np.diff(places, axis=0), axis=1)
    gap = np.diff(at)
    least = PEAK_SPEED * way / style.fastest_m_s
    lead = style.lead_s * rng.uniform(0.2, 1.0, len(gap))
    lead = np.minimum(lead, np.minimum(0.4 * gap, np.maximum(gap - 0.03 - least, 0.0)))
    arrive = at[1:] - lead
    room = arrive - at[:-1] - 0.02
    wish = (0.18 + 1.2 * np.sqrt(way)) * np.exp(0.25 * rng.standard_normal(len(gap)))
    # In haste the hand still waits a little with the key.
    hurry = np.minimum(wish, rng.uniform(0.45, 0.95, len(gap)) * room)
    latest = arrive - np.minimum(np.maximum(hurry, least), room)
    earliest = np.maximum(at[:-1] + 0.02, np.minimum(until[:-1], latest))
    depart = np.minimum(earliest + rng.beta(1.0, 1.2, len(gap)) * np.maximum(latest - earliest, 0.0), latest)
    # An unhurried hand takes a second or so at most for its way.
    arrive = np.minimum(arrive, depart + np.maximum(2.5 * wish, 0.6))
    path, share = glide(times_s, depart, arrive, places)
    k = np.maximum(np.searchsorted(depart, times_s, side="right") - 1, 0)
    high = np.minimum(0.22 * way, 0.05) * np.exp(0.4 * rng.standard_normal(len(way)))
    hops = high[k] if len(high) else np.zeros(len(times_s))
    return path, share, hops


def _yaw(hand: Floats, sign: float, style: PianoStyle, rng: np.random.Generator) -> Floats:
    """(T,) forearms point from the elbow to the hand, and wrists make up for some of it."""
    elbow_x = sign * style.body_u * KEY_M + _ELBOW_M[0]
    arm = np.arctan2(hand[:, 0] - elbow_x, hand[:, 1] - style.size * _REACH_M - _ELBOW_M[1])
    return np.asarray(rng.uniform(0.35, 0.9) * arm + rng.normal(-0.08, 0.1))


def _presses(plan: HandPlan, times_s: Floats) -> Floats:
    """(T, 5) how far each finger's key is down, 0 to 1."""
    down = np.zeros((len(times_s), 5))
    for finger in range(5):
        own = plan.notes[plan.finger == finger]
        if len(own):
            k = np.maximum(np.searchsorted(own.onset_s - _STRIKE_S, times_s, side="right") - 1, 0)
            on, off = own.onset_s[k], own.offset_s[k]
            down[:, finger] = window(times_s, on - _STRIKE_S, on, off, off + _RISE_S)
    return down


def _idle_tips(
    hand: Floats,
    wrist: Floats,
    yaw: Floats,
    lift: Floats,
    press: Floats,
    step_s: float,
    style: PianoStyle,
    rng: np.random.Generator,
) -> Floats:
    """(T, 5, 3) where the fingertips are when they do not play."""
    rest = style.size * REST_M + 0.003 * rng.standard_normal((5, 2))
    if style.one_finger:
        rest[_INDEX] = style.size * POINTING_M
    # Fingers keep half of the hand's turn: keys are straight.
    spread = pointing(0.5 * yaw, np.concatenate([rest, np.zeros((5, 1))], axis=1))
    high = _HOVER_M * rng.uniform(0.5, 1.6, 5) + lift[:, None]
    idle: Floats = np.concatenate([hand[:, None] + spread[..., :2], high[..., None]], axis=2)
    idle += 0.0035 * style.loose * sway(idle.shape, step_s, 0.2, rng)
    # Neighbours go along with a finger that strikes; the others rise a little.
    along = np.zeros_like(press)
    along[:, 1:] += press[:, :-1]
    along[:, :-1] += press[:, 1:]
    idle[..., 2] -= 0.003 * along
    if style.one_finger:
        fist = wrist[:, None] + pointing(yaw, style.size * (KNUCKLES_M + np.array([0.0, 0.016, -0.024])))
        fist[:, 0] = wrist + pointing(yaw, style.size * np.array([[-0.016, 0.068, -0.024]]))[:, 0]
        curl = np.clip(style.curl + 0.1 * rng.standard_normal(5), 0.0, 1.0)
        curl[_INDEX] = 0.0
        idle += curl[:, None] * (fist - idle)
    return idle


def _strike(
    plan: HandPlan,
    times_s: Floats,
    idle: Floats,
    hand: Floats,
    turn: Floats,
    style: PianoStyle,
    rng: np.random.Generator,
) -> Floats:
    """(T, 5, 3) fingertips: at the onset each is on its key where the plan says, then slides a little with the hand."""
    tips = idle.copy()
    slides = rng.uniform(0.3, 0.9)
    for finger in range(5):
        own = plan.finger == finger
        if not own.any():
            continue
        on, off = plan.notes.onset_s[own], plan.notes.offset_s[own]
        places = plan.place_m[own] * turn
        loud = plan.notes.velocity[own] / 127.0
        top = np.where(IS_BLACK[plan.notes.pitch[own] - LOWEST_PITCH], _BLACK_TOP_M, 0.0)
        before = np.concatenate([[-np.inf], off[:-1]])
        rise = np.maximum(on - rng.uniform(0.1, 0.4, len(on)), before)
        after = np.concatenate([on[1:], [np.inf]])
        fall = np.minimum(off + rng.uniform(0.12, 0.35, len(on)), after)
        began = np.stack([np.interp(on, times_s, hand[:, axis]) for axis in (0, 1)], axis=1)
        lifted = style.lift_m * (0.2 + loud) * rng.uniform(0.3, 1.0, len(on))
        k = np.searchsorted(rise, times_s, side="right") - 1
        taken = np.zeros(len(times_s))
        total = np.zeros((len(times_s), 3))
        for back in (0, 1):
            n = np.maximum(k - back, 0)
            share = window(times_s, rise[n], on[n], off[n], fall[n]) * (k >= back) * (1 - taken)
            down = window(times_s, on[n] - _STRIKE_S, on[n], off[n], off[n] + _RISE_S)
            # Up first, then down onto the key.
            way = np.clip((times_s - rise[n]) / np.maximum(on[n] - rise[n], 1e-6), 0.0, 1.0)
            arc = lifted[n] * np.sin(np.pi * way) ** 2 * np.minimum((on[n] - rise[n]) / 0.1, 1.0)
            slid = np.clip(slides * (hand - began[n]), -_SLIDE_M, _SLIDE_M)
            spot = np.concatenate([places[n] + slid, (top[n] - _KEY_DEPTH_M * down + arc)[:, None]], axis=1)
            total += share[:, None] * spot
            taken += share
        tips[:, finger] = (1 - taken)[:, None] * idle[:, finger] + total
    return tips
