"""What the network of key presses is told of a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np

from kinebeat.performance.pressing.pictures import OUTSIDE

if TYPE_CHECKING:
    from numpy.typing import NDArray

Level = TypeVar("Level", np.uint8, np.float32)
_WHITE = 0.9
"""Quantile of the levels of a still keyboard that a white key has."""
_GAIN, _MOST = 4.0, 2.0
_STILLS = 48


def still_of(pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(V, U): what the keys look like when nobody plays, the middle of what each pixel shows all over (T, V, U)."""
    every = max(1, len(pictures) // _STILLS)
    return middle(pictures[every // 2 :: every])


def middle(pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(V, U): the middle of what each pixel shows in (N, V, U)."""
    found: NDArray[np.uint8] = np.partition(pictures, len(pictures) // 2, axis=0)[len(pictures) // 2]
    return found


def channels(pictures: NDArray[Level], before: NDArray[Level], still: NDArray[Level]) -> NDArray[np.float32]:
    """How pictures differ from the still keyboard and from those before them, and the still keyboard.

    Args:
        pictures: (T, V, U) levels.
        before: (V, U), the picture before the first.
        still: (V, U).

    Returns:
        (T, 3, V, U) float32; differences are in quarters of the white keys' level.
    """
    there = still > OUTSIDE
    white = float(np.quantile(still[there], _WHITE)) if there.any() else 255.0
    told = np.empty((len(pictures), 3, *still.shape), np.float32)
    levels = pictures.astype(np.float32)
    earlier = np.concatenate([before[None].astype(np.float32), levels[:-1]])
    for channel, other in ((0, still[None].astype(np.float32)), (1, earlier)):
        away = (levels - other) * (_GAIN / white)
        told[:, channel] = np.clip(away, -_MOST, _MOST) * ((levels > OUTSIDE) & (other > OUTSIDE))
    told[:, 2] = np.where(there, still / white - 0.5, 0.0)
    return told
