"""Which of the hands that were found is the left one and which the right: one assignment over a whole clip.

MediaPipe says of every hand how likely it is a right one, mostly well, but for stretches of seconds wrongly. A hand
that moves on from where it was is the same hand, so the cheapest way through the clip is sought (Viterbi) where a hand
costs what its label speaks against it, what the side its thumb is on speaks against it, how far it moved from where
that side's hand was seen last, and how far it is from the body's wrist. What fits nowhere, such as a hand seen in a
pattern of keys for one frame, is left out at a price.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Weights of one frame's label and of its thumb's side, small because those of following frames err together.
_LABEL, _THUMB = 0.25, 0.5
_LEAST_SHARE = 0.05
# How wide the palm must look, as a part of its length, for the thumb's side to count whole.
_FLAT = 0.5
# A hand may be this many hand sizes off, plus so many per second, at the price of 1.
_STEP_SIZES, _STEP_SIZES_PER_S = 0.1, 4.0
_DEAREST_STEP = 60.0
# Price of leaving a hand out: more than that of moving as fast as hands can.
_LEFT_OUT = 6.0
# Price of one hand vanishing where the other appears: so near (hand sizes) and so soon that it is the same one.
_TURNED, _TURNED_SIZES, _TURNED_S = 20.0, 0.6, 0.5
# Weight of the distance to the body's wrist, in hand sizes, and its most.
_WRIST, _DEAREST_WRIST = 0.3, 0.9
# Hands whose points are nearer than this part of their size lie on each other: one player has no such two.
SAME_HAND = 0.35
LEFT, RIGHT = 0, 1


def assigned(
    hands_xy: NDArray[np.float32],
    right_share: NDArray[np.float32],
    times_s: NDArray[np.float64],
    shot: NDArray[np.int32],
    wrists_xy: NDArray[np.float32] | None = None,
) -> NDArray[np.int64]:
    """Say which hand is whose.

    Args:
        hands_xy: (T, H, 21, 2) pixels, in no order; NaN where there is no hand.
        right_share: (T, H) how likely each is a right hand, 0 to 1.
        times_s: (T,).
        shot: (T,) number of the shot; across a change of it nothing is known of where hands are.
        wrists_xy: (T, 2, 2) the body's left and right wrist, NaN where not seen; None where there is no body.

    Returns:
        (T, 2) which of the H hands is the left and which the right one, -1 for none.
    """
    frames, count = right_share.shape
    there = np.isfinite(hands_xy[..., 0]).all(axis=2)
    size = hand_size_px(hands_xy)
    if not frames or not np.isfinite(size):
        return np.full((frames, 2), -1)
    middle = np.where(there[..., None], hands_xy.mean(axis=2), np.nan).astype(np.float64)
    price = _prices(hands_xy, right_share, there, size, wrists_xy)
    doubled = _doubled(hands_xy)
    states = np.array([(a, b) for a, b in product(range(-1, count), repeat=2) if a != b or a < 0])
    cost = np.where((states < 0).all(axis=1), 0.0, np.inf)
    last_xy = np.full((len(states), 2, 2), np.nan)
    last_s = np.full((len(states), 2), np.nan)
    came_from = np.zeros((frames, len(states)), np.int64)
    for t in range(frames):
        if t and shot[t] != shot[t - 1]:
            last_xy[:], last_s[:] = np.nan, np.nan
        here = _state_prices(states, price[t], there[t], doubled[t])
        step = _step_prices(states, middle[t], times_s[t], last_xy, last_s, size)
        total = cost[:, None] + step
        came_from[t] = np.argmin(total, axis=0)
        cost = total[came_from[t], np.arange(len(states))] + here
        cost -= cost.min()
        last_xy, last_s = last_xy[came_from[t]], last_s[came_from[t]]
        for side in (LEFT, RIGHT):
            used = states[:, side] >= 0
            last_xy[used, side] = middle[t, states[used, side]]
            last_s[used, side] = times_s[t]
    state = int(np.argmin(cost))
    result = np.full((frames, 2), -1)
    for t in range(frames - 1, -1, -1):
        result[t] = states[state]
        state = int(came_from[t, state])
    return result


def hand_size_px(hands_xy: NDArray[np.float32]) -> float:
    """Typical hand of a clip: from the wrist to the root of the middle finger, doubled; NaN without hands."""
    palm = np.linalg.norm(hands_xy[..., 9, :] - hands_xy[..., 0, :], axis=-1)
    across = np.linalg.norm(hands_xy[..., 5, :] - hands_xy[..., 17, :], axis=-1)
    length = np.fmax(palm, across)
    return 2 * float(np.nanmedian(length)) if np.isfinite(length).any() else float("nan")


def thumb_share(hands_xy: NDArray[np.float32], right_share: NDArray[np.float32]) -> NDArray[np.float64]:
    """How likely each hand is a right one by the side its thumb is on.

    A right hand seen from its back has the thumb on the left, seen from its palm on the right; which of them this
    camera sees is learned from the labels of the whole clip. Where a hand may show both, nothing is learned.

    Args:
        hands_xy: (T, H, 21, 2) pixels, NaN where there is no hand.
        right_share: (T, H) how likely each is a right hand by its label.

    Returns:
        (T, H) how likely by its thumb; 0.5 where that says nothing, NaN where there is no hand.
    """
    index, pinky = (hands_xy[:, :, k].astype(np.float64) - hands_xy[:, :, 0] for k in (5, 17))
    across = index[..., 0] * pinky[..., 1] - index[..., 1] * pinky[..., 0]
    palm = np.fmax((index**2).sum(-1), (pinky**2).sum(-1))
    turn = np.clip(across / (np.fmax(palm, 1e-9) * _FLAT), -1, 1)
    result = np.where(np.isfinite(turn), 0.5, np.nan)
    for sign in (-1, 1):
        there = sign * turn > 0
        weight = np.abs(turn[there])
        if weight.sum() > 0:
            share = float((weight * right_share[there]).sum() / weight.sum())
            result[there] += weight * (share - 0.5)
    return result


def _against(right_share: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """(T, H, 2) what speaks against a hand's being the left and the right one, as minus a logarithm."""
    share = np.clip(right_share.astype(np.float64), _LEAST_SHARE, 1 - _LEAST_SHARE)
    against: NDArray[np.float64] = -np.log(np.stack([1 - share, share], axis=-1))
    return against


def _prices(
    hands_xy: NDArray[np.float32],
    right_share: NDArray[np.float32],
    there: NDArray[np.bool_],
    size: float,
    wrists_xy: NDArray[np.float32] | None,
) -> NDArray[np.float64]:
    """(T, H, 2) what each hand costs as the left and as the right one; NaN where there is none."""
    price = _LABEL * _against(right_share) + _THUMB * _against(thumb_share(hands_xy, right_share))
    if wrists_xy is not None:
        off = np.linalg.norm(hands_xy[:, :, None, 0] - wrists_xy[:, None], axis=-1) / size
        price = price + np.nan_to_num(np.minimum(_WRIST * off, _DEAREST_WRIST), nan=0.0)
    return np.where(there[..., None], price, np.nan)


def _doubled(hands_xy: NDArray[np.float32]) -> NDArray[np.bool_]:
    """(T, H, H) which hands lie on each other."""
    apart = np.linalg.norm(hands_xy[:, :, None] - hands_xy[:, None], axis=-1).mean(axis=-1)
    extent = np.ptp(hands_xy, axis=2).max(axis=-1)
    with np.errstate(invalid="ignore"):
        doubled: NDArray[np.bool_] = apart < SAME_HAND * np.fmax(extent[:, :, None], extent[:, None])
    return doubled


def _state_prices(
    states: NDArray[np.int64], price: NDArray[np.float64], there: NDArray[np.bool_], doubled: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """(S,) what each pair of choices costs at one time; infinite where it is no choice."""
    result = np.full(len(states), _LEFT_OUT * there.sum())
    for side in (LEFT, RIGHT):
        used = states[:, side] >= 0
        chosen = price[states[used, side], side]
        result[used] += np.where(np.isfinite(chosen), chosen - _LEFT_OUT, np.inf)
    both = (states >= 0).all(axis=1)
    result[both] += np.where(doubled[states[both, LEFT], states[both, RIGHT]], np.inf, 0.0)
    return result


def _step_prices(
    states: NDArray[np.int64],
    middle: NDArray[np.float64],
    time_s: float,
    last_xy: NDArray[np.float64],
    last_s: NDArray[np.float64],
    size: float,
) -> NDArray[np.float64]:
    """(S before, S now) what it costs to get from where the hands were seen last to where they are chosen now."""
    allowed = size * (_STEP_SIZES + _STEP_SIZES_PER_S * (time_s - last_s))
    off = np.linalg.norm(middle[None, None] - last_xy[:, :, None], axis=-1) / allowed[..., None]
    step = np.nan_to_num(np.minimum(off**2, _DEAREST_STEP), nan=0.0)
    result = np.zeros((len(states), len(states)))
    for side, other in ((LEFT, RIGHT), (RIGHT, LEFT)):
        used = states[:, side] >= 0
        result[:, used] += step[:, side][:, states[used, side]]
        # the other hand was here a moment ago and is nowhere now
        alone = used & (states[:, other] < 0)
        near = np.linalg.norm(middle[None] - last_xy[:, None, other], axis=-1) < _TURNED_SIZES * size
        near &= (time_s - last_s[:, other] < _TURNED_S)[:, None]
        result[:, alone] += np.where(near[:, states[alone, side]], _TURNED, 0.0)
    return result
