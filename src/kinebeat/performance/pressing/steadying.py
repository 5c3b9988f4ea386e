"""Films whose camera moves a little: every straightened picture is laid on the still keyboard again.

Between two pictures a hand-held camera moves less than the gap between two keys, which is what shows that one is down.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from kinebeat.performance.pressing.channels import still_of
from kinebeat.performance.pressing.pictures import OUTSIDE

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOVED_PX = 0.12
"""Pictures that lie within this of the still keyboard, root mean square, are left as they are."""
FURTHEST_PX = 12.0
"""No picture is moved further: a camera that does is pointed at something else."""
_STEPS = 4
_ENOUGH_PX = 0.06
_BETTER = 0.95
_EVERY = 3  # rows
_NOISE = 3.0  # levels
_STIFF = 0.05  # how much a picture resists being moved, and being turned and stretched, as shares of what holds it
_LEAST_SEEN = 0.1
# A camera moves if this share of so many pictures lies elsewhere.
_LOOKED_AT, _MOVING = 48, 0.2
# Light: levels that tell of it, on how fine a grid, and by how much it may differ.
_DARK, _SPARSE, _SAME_LIGHT = 40, 4, 0.02


class Steadier:
    """Finds how pictures lie on a still keyboard, each beginning where the last one lay.

    An affine map by Gauss and Newton's method; pixels that differ by more than most, those of hands, count little
    (Geman and McClure's weights).

    Args:
        still: (V, U), what the pictures are laid on.
    """

    def __init__(self, still: NDArray[np.uint8]) -> None:
        rows, columns = still.shape
        self._size = columns, rows
        blurred = cv2.GaussianBlur(still, (0, 0), 1.0).astype(np.float32)
        along, across = np.gradient(blurred)
        x, y = np.meshgrid(np.linspace(-1, 1, columns), np.linspace(-1, 1, rows))
        columns_of = [across, across * x, across * y, along, along * x, along * y]
        inside = cv2.erode((still > OUTSIDE).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
        self._rows = np.zeros_like(inside)
        self._rows[::_EVERY] = inside[::_EVERY]
        self._slopes = np.stack([part[self._rows] for part in columns_of], -1).astype(np.float32)
        self._still = blurred[self._rows]
        self._spread = np.array([1, 1 / 3, 1 / 3, 1, 1 / 3, 1 / 3])  # mean squares of 1, x and y
        self._at = np.zeros(6)
        self._edged = bool((still == OUTSIDE).any())

    def __call__(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """(V, U), the picture laid on the keyboard, or itself where it lies there."""
        if not self.moves(picture):
            return picture
        laid = np.asarray(cv2.warpAffine(picture, self._map(self._at), self._size, flags=_BACK), np.uint8)
        if self._edged:
            # what is between a pixel and nothing is neither
            there = cv2.warpAffine(
                np.where(picture > OUTSIDE, 255, 0).astype(np.uint8), self._map(self._at), self._size, flags=_BACK
            )
            laid[there < 255] = OUTSIDE
        return laid

    def moves(self, picture: NDArray[np.uint8]) -> bool:
        """Whether a picture lies elsewhere than the keyboard; where it lies is kept."""
        if len(self._still) < _LEAST_SEEN * self._size[0] * self._size[1] / _EVERY:
            return False
        blurred = cv2.GaussianBlur(picture, (0, 0), 1.0)
        at = self._at
        for _ in range(_STEPS):
            step = self._step(self._away(blurred, at))
            at = at + step
            if _distance(step, self._spread) < _ENOUGH_PX:
                break
        far = _distance(at, self._spread)
        if not MOVED_PX <= far < FURTHEST_PX or not self._better(blurred, at):
            self._at = np.zeros(6)
            return False
        self._at = at
        return True

    def _away(self, blurred: Any, at: NDArray[np.float64]) -> NDArray[np.float32]:
        """How pixels differ from the keyboard's."""
        levels = cv2.warpAffine(blurred, self._map(at), self._size, flags=_BACK)[self._rows]
        away: NDArray[np.float32] = np.where(levels == OUTSIDE, np.float32(0), self._still - levels)
        return away

    def _better(self, blurred: Any, at: NDArray[np.float64]) -> bool:
        """Whether a picture is more like the keyboard when it is moved."""
        before, after = self._away(blurred, np.zeros(6)), self._away(blurred, at)
        scale = _scale(before)
        cost = [float((away**2 / (away**2 + scale**2)).mean()) for away in (before, after)]
        return cost[1] < _BETTER * cost[0]

    def _step(self, away: NDArray[np.float32]) -> NDArray[np.float64]:
        """The change that would lay it better."""
        weights = (1 + (away / _scale(away)) ** 2) ** -2
        weighted = self._slopes * weights[:, None]
        square = (weighted.T @ self._slopes).astype(np.float64)
        hold = _STIFF * np.diag(square).mean() * np.diag([0, 1, 1, 0, 1, 1]) + 1e-3 * np.eye(6)
        return np.asarray(np.linalg.solve(square + hold, (weighted.T @ away).astype(np.float64)), np.float64)

    def _map(self, at: NDArray[np.float64]) -> NDArray[np.float64]:
        """(2, 3): where a pixel of the keyboard lies in the picture."""
        width, height = self._size
        move = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
        for row in (0, 1):
            base, by_x, by_y = at[3 * row : 3 * row + 3]
            move[row, 0] += 2 * by_x / (width - 1)
            move[row, 1] += 2 * by_y / (height - 1)
            move[row, 2] += base - by_x - by_y
        return move


_BACK = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP


def lit_alike(pictures: NDArray[np.uint8], still: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Pictures (T, V, U) in the light of the still keyboard; the same array where the light hardly changes.

    A camera that sets its own exposure makes all of a picture brighter when a dark sleeve comes into it. Hands cover
    less than half of the keys, so the middle of all pixels' ratios is the light's.
    """
    some = (slice(None, None, _SPARSE), slice(None, None, _SPARSE))
    base = still[some]
    there = base > _DARK
    if not there.any():
        return pictures
    ratios = np.array([np.median(base[there] / np.maximum(picture[some][there], 1.0)) for picture in pictures])
    changed = np.flatnonzero(np.abs(ratios - 1) > _SAME_LIGHT)
    if not len(changed):
        return pictures
    lit = pictures.copy()
    for at in changed:
        level = np.clip(np.round(pictures[at] * ratios[at]), 1, 255).astype(np.uint8)
        lit[at] = np.where(pictures[at] == OUTSIDE, np.uint8(OUTSIDE), level)
    return lit


def steadied(pictures: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Pictures (T, V, U) in the light of their still keyboard and laid on it, and that keyboard (V, U).

    The still keyboard of a film that moves is not sharp until its pictures have been laid on each other once.
    """
    still = still_of(pictures)
    pictures = lit_alike(pictures, still)
    looker = Steadier(still)
    some = pictures[:: max(1, len(pictures) // _LOOKED_AT)]
    if sum(looker.moves(picture) for picture in some) < _MOVING * len(some):
        return pictures, still
    for _ in range(2):
        steadier = Steadier(still)
        laid = np.stack([steadier(picture) for picture in pictures])
        still = still_of(laid)
    return laid, still


def _scale(away: NDArray[np.float32]) -> float:
    """Levels by which pixels differ that belong to each other."""
    return max(_NOISE, 1.5 * float(np.median(np.abs(away))))


def _distance(at: NDArray[np.float64], spread: NDArray[np.float64]) -> float:
    """Pixels by which a map moves, root mean square."""
    return float(np.sqrt((at**2 * spread).sum()))
