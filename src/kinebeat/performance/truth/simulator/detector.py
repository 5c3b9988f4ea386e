"""What a detector makes of a player's joints: jitter, misplaced fingers, hands lost for a while, sides exchanged.

Lengths are in units of the hand: from its wrist to the root of its middle finger, as seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kinebeat.performance.truth.simulator.motion import drift, sway
from kinebeat.skeleton import LAYOUTS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

LAYOUT = LAYOUTS["body25_hands"]
BODY = slice(0, 25)
HANDS = (slice(25, 46), slice(46, 67))
"""Where the body's and the left and right hand's joints are in the layout."""
_ARM_WRISTS = (LAYOUT.index("left_wrist"), LAYOUT.index("right_wrist"))
_MIDDLE_ROOT = 9
# Jitter of the joints of a resting hand, from its wrist to its fingertips, with the wrist as unit: MediaPipe Hands on
# 17 films of pianists; fingertips jitter 1.2 to 1.5 times as much as knuckles.
_ALONG = np.array([1.0, *np.tile([1.0, 1.1, 1.3, 1.5], 5)])
_QUICK_S, _SLOW_S = 0.04, 0.35
# The body's: of the trunk, in hands (0.0017 body heights, as `kinebeat.beats.truth.detector` measured, half of which
# the cleaning of a track takes), and of what moves more freely.
_BODY_JITTER = 0.02
_FREE = {"elbow": 1.4, "wrist": 1.8, "knee": 1.3, "ankle": 1.3, "toe": 1.5, "heel": 1.5}
_BODY_ALONG = np.array([next((v for k, v in _FREE.items() if k in joint), 1.0) for joint in LAYOUT.joints[BODY]])
_LEAST_INSIDE = 0.5


@dataclass(frozen=True)
class Noise:
    """What a detector does wrong.

    Attributes:
        jitter: of a resting knuckle, standard deviation along x and y, in hands.
        common: the same of the whole hand.
        misplaced: how far a fingertip is put wrong for a while.
        speed_gain: how much jitter grows with speed, per hand a second.
        lost_per_s: how often a hand is lost.
        lost_s: median of for how long.
        swaps_per_s: how often hands are exchanged for a moment.
        floor_px: no joint is found better than this.
    """

    jitter: float = 0.003
    common: float = 0.002
    misplaced: float = 0.055
    speed_gain: float = 0.15
    lost_per_s: float = 0.07
    lost_s: float = 0.4
    swaps_per_s: float = 0.005
    floor_px: float = 0.05


def draw_noise(rng: np.random.Generator, *, holding: bool = False) -> Noise:
    """A detector on an ordinary film.

    The spreads are those of tracks of pianists filmed from above (MediaPipe Hands, 17 films). Hands that hold an
    instrument are lost more often, for moments: the OpenPose track of a saxophonist (Solos) loses one hand once a
    second for 0.08 s in the median, and the other almost never.

    Args:
        rng: where it comes from.
        holding: whether the hands hold an instrument.
    """
    bad = rng.normal()
    lost_per_s, lost_s = (0.2, rng.uniform(0.08, 0.5)) if holding else (0.07, rng.uniform(0.2, 0.7))
    return Noise(
        jitter=float(np.clip(0.003 * np.exp(0.4 * bad + 0.2 * rng.normal()), 0.001, 0.02)),
        common=float(np.clip(0.002 * np.exp(0.4 * bad + 0.2 * rng.normal()), 0.0005, 0.02)),
        misplaced=float(np.clip(0.055 * np.exp(0.5 * rng.normal()), 0.01, 0.12)),
        speed_gain=float(rng.uniform(0.05, 0.3)),
        lost_per_s=float(np.clip(lost_per_s * np.exp(0.7 * bad + 0.6 * rng.normal()), 0.0, 1.5)),
        lost_s=float(lost_s),
        swaps_per_s=float(rng.choice((0.0, 0.01, 0.05), p=(0.7, 0.2, 0.1))),
    )


def shown(xy: Floats, size: tuple[int, int]) -> Floats:
    """What of the joints a picture shows: (T, 67, 2), NaN outside; a hand that is half outside is not found."""
    inside = ((xy >= 0) & (xy <= np.asarray(size, np.float64))).all(axis=-1)
    seen = np.where(inside[..., None], xy, np.nan)
    for hand in HANDS:
        found = inside[:, hand].mean(axis=1) >= _LEAST_INSIDE
        seen[:, hand] = np.where(found[:, None, None], xy[:, hand], np.nan)
    return seen


def detected(
    xy: Floats, times_s: Floats, noise: Noise, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What a detector finds of joints in a film.

    Args:
        xy: (T, 67, 2) pixels, NaN where a joint is not shown.
        times_s: (T,) of the pictures.
        noise: what the detector does wrong.
        rng: where it comes from.

    Returns:
        Joints, (T, 67, 2) pixels, NaN where they are not found, and their scores, (T, 67), 0 there.
    """
    frames = len(times_s)
    step_s = float(np.median(np.diff(times_s))) if frames > 1 else 0.04
    xy = xy.copy()
    score = np.full(xy.shape[:2], 0.9) - 0.1 * rng.random(67)
    units = []
    for side, hand in enumerate(HANDS):
        own = xy[:, hand]
        unit = _unit_px(own)
        units.append(unit)
        if not unit:
            continue
        middle = own[:, _MIDDLE_ROOT]
        speed = np.nan_to_num(np.linalg.norm(np.gradient(middle, step_s, axis=0), axis=-1)) if frames > 1 else 0.0
        gain = 1 + noise.speed_gain * np.minimum(speed / unit, 15.0)[..., None, None]
        quick = (noise.jitter * unit + noise.floor_px) * _ALONG[:, None] * drift((frames, 21, 2), step_s, _QUICK_S, rng)
        common = noise.common * unit * drift((frames, 1, 2), step_s, _QUICK_S, rng)
        # A finger is put wrong for a while, and always a little to the same side.
        slow = sway((frames, 21, 2), step_s, _SLOW_S, rng) + rng.standard_normal((21, 2))
        slow = noise.misplaced * unit * (_ALONG - 0.9)[:, None] * slow
        xy[:, hand] = own + gain * (quick + common) + slow
        likely = np.clip(0.93 + 0.04 * drift((frames,), step_s, _SLOW_S, rng), 0.5, 1.0)
        score[:, hand] = likely[:, None]
        for _ in range(rng.poisson(noise.lost_per_s * frames * step_s)):
            # A fast hand is lost more easily.
            odds = np.cumsum(1.0 + np.broadcast_to(speed, frames) / unit)
            first = min(int(np.searchsorted(odds, rng.random() * odds[-1])), frames - 1)
            length = 1 + round(noise.lost_s * float(np.exp(1.2 * rng.normal())) / step_s)
            xy[first : first + length, hand] = np.nan
        if np.isfinite(xy[:, _ARM_WRISTS[side], 0]).any():
            score[:, _ARM_WRISTS[side]] *= 0.9
    body_px = (_BODY_JITTER * max(units) * noise.jitter / Noise.jitter + noise.floor_px) * _BODY_ALONG[:, None]
    xy[:, BODY] += body_px * drift((frames, 25, 2), step_s, _QUICK_S, rng)
    xy[:, BODY] += 1.5 * body_px * sway((frames, 25, 2), step_s, _SLOW_S, rng)
    for _ in range(rng.poisson(noise.swaps_per_s * frames * step_s)):
        first = int(rng.integers(frames))
        rows = slice(first, first + 1 + int(rng.exponential(0.1) / step_s))
        left, right = xy[rows, HANDS[0]].copy(), xy[rows, HANDS[1]].copy()
        xy[rows, HANDS[0]], xy[rows, HANDS[1]] = right, left
    lost = np.isnan(xy).any(axis=-1)
    xy[lost] = np.nan
    score[lost] = 0.0
    return xy.astype(np.float32), np.clip(score, 0.0, 1.0).astype(np.float32)


def _unit_px(hand: Floats) -> float:
    """From the wrist to the root of the middle finger, in pixels; 0 where the hand is never shown."""
    apart = np.linalg.norm(hand[:, _MIDDLE_ROOT] - hand[:, 0], axis=-1)
    apart = apart[np.isfinite(apart)]
    return float(np.median(apart)) if len(apart) else 0.0
