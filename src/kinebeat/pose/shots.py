"""Where a new shot begins: cuts in the picture, and jumps from one person to another.

Motion is never computed across such a place, so a false one costs little (one accent may be lost) and a missed one
sounds like a blow out of nowhere.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from kinebeat.pose.worker import THUMB_BYTES, THUMB_SIDE

if TYPE_CHECKING:
    from numpy.typing import NDArray

# A cut changes the small picture by this much (of 255) at least, and this many times more than its surroundings do:
# a zoom or a fast dancer changes many pictures in a row.
_LEAST_CHANGE, _TIMES_SURROUNDINGS = 9.0, 3.5
# Frames on each side that count as surroundings.
_SURROUNDINGS = 6
# How much of the change must be seen across three frames too: after a flash the old picture comes back.
_LASTING = 0.7
# How far the middle joint may move between two frames, in torsos: a body's own quickness plus what a pose
# estimator may err by.
_JUMP_TORSOS, _JUMP_TORSOS_PER_S = 0.5, 10.0
# Logarithm of a change in body size within two frames that is no movement either.
_JUMP_LOG_SCALE = 0.7


@dataclass
class Changes:
    """How much the picture changes from frame to frame, gathered while it streams by.

    Attributes:
        step: change from the frame before, per frame.
        three_steps: change from three frames before, per frame.
    """

    step: list[NDArray[np.float32]] = field(default_factory=list)
    three_steps: list[NDArray[np.float32]] = field(default_factory=list)
    _last: NDArray[np.uint8] = field(default_factory=lambda: np.zeros((0, THUMB_BYTES), np.uint8))

    def add(self, thumbs: NDArray[np.uint8]) -> None:
        """Take in the next small pictures, (N, THUMB_BYTES)."""
        seen = np.concatenate([self._last, thumbs])
        first = len(self._last)
        self.step.append(_change(seen, 1)[first:])
        self.three_steps.append(_change(seen, 3)[first:])
        self._last = seen[-3:]

    def steps(self) -> NDArray[np.float64]:
        """(T,) change of each frame from the one before, of 255."""
        return np.concatenate([np.zeros(0), *self.step])

    def cuts(self) -> NDArray[np.bool_]:
        """(T,) whether a new shot begins at a frame."""
        if not self.step:
            return np.zeros(0, np.bool_)
        step, three = np.concatenate(self.step), np.concatenate(self.three_steps)
        frames = len(step)
        near = np.full((2 * _SURROUNDINGS, frames), np.nan, np.float32)
        for row, k in enumerate([k for k in range(-_SURROUNDINGS, _SURROUNDINGS + 1) if k]):
            lo, hi = max(0, -k), min(frames, frames - k)
            # the first frame has nothing before it: its change of 0 says nothing about the surroundings
            if lo < hi:
                near[row, lo:hi] = np.where(np.arange(lo + k, hi + k) > 0, step[lo + k : hi + k], np.nan)
        known = np.isfinite(near)
        near[~known] = np.inf
        usual = np.sort(near, axis=0)[np.maximum(known.sum(axis=0) - 1, 0) // 2, np.arange(frames)]
        usual = np.where(known.any(axis=0), usual, 0.0)
        # one of these three-step changes spans a flash and its ends, and sees the same scene before and after
        later = np.concatenate([three[2:], step[-2:]])[:frames]
        earlier = np.where(np.arange(frames) < 3, step, three)
        cuts: NDArray[np.bool_] = step > _LEAST_CHANGE
        cuts &= (step > _TIMES_SURROUNDINGS * usual) & (np.minimum(later, earlier) > _LASTING * step)
        return cuts


def _change(thumbs: NDArray[np.uint8], lag: int) -> NDArray[np.float32]:
    """(N,) mean absolute change of luma plus that of chroma against `lag` frames before; 0 where there is none."""
    change = np.zeros(len(thumbs), np.float32)
    if len(thumbs) > lag:
        apart = np.abs(thumbs[lag:].astype(np.int16) - thumbs[:-lag].astype(np.int16))
        luma = apart[:, : THUMB_SIDE**2].mean(axis=1, dtype=np.float32)
        chroma = apart[:, THUMB_SIDE**2 :].mean(axis=1, dtype=np.float32)
        change[lag:] = luma + chroma
    return change


def person_jumps(
    xy: NDArray[np.float32], times_s: NDArray[np.float64], torso: NDArray[np.float32]
) -> NDArray[np.bool_]:
    """Where the body is suddenly another one.

    Args:
        xy: (T, J, 2) pixels, NaN where not seen.
        times_s: (T,).
        torso: (T,) length of the torso in pixels, NaN where unknown.

    Returns:
        (T,) whether a frame shows another person than the last frame in which someone was seen.
    """
    jumps = np.zeros(len(xy), np.bool_)
    seen = np.flatnonzero(np.isfinite(xy[..., 0]).any(axis=1))
    if len(seen) < 2:
        return jumps
    a, b = seen[:-1], seen[1:]
    apart = np.linalg.norm(xy[b] - xy[a], axis=-1)
    both = np.isfinite(apart)
    usable = both.sum(axis=1) >= 3
    middle = np.full(len(a), np.nan)
    middle[usable] = np.nanmedian(apart[usable], axis=1)
    size = np.fmax(torso[a], torso[b])
    dt = times_s[b] - times_s[a]
    far = middle > size * (_JUMP_TORSOS + _JUMP_TORSOS_PER_S * dt)
    with np.errstate(divide="ignore", invalid="ignore"):  # a torso without length, in a file of somebody else's
        grown = np.abs(np.log(torso[b] / torso[a])) > _JUMP_LOG_SCALE + 4 * dt
    # Someone who is seen again after a long while may be anyone anywhere: no motion is computed across it anyway.
    jumps[b] = np.where(np.isfinite(middle), far | (grown & (middle > 0.3 * size)), False)
    return jumps
