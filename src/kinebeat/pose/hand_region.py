"""Where in a musician's picture hands are looked for.

MediaPipe looks for palms in a whole picture at 192 pixels, in which a hand over a keyboard is hardly twenty pixels wide
and one of somebody who is seen from head to foot a few. So hands are sought in the whole picture, then in parts of it
that overlap, or around the wrists of the body, and followed each in a part of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Region = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels; the last two are past the end. It may stick out of the picture."""

# Parts along the longer side, each over half of its neighbour.
_TILES = 3
# A hand as a part of the torso, and under which part of the picture's longer side it is sought around the wrists.
_HAND_TORSO, _SMALL = 0.35, 0.12
# Side of the part of a picture in which a hand is sought or followed, in hand sizes.
_AROUND_HANDS = 5.0
_LEAST_SIDE = 64
# By what part of its shorter side the whole picture is made wider all around: MediaPipe hardly finds a hand that is cut
# off by the edge, and finds it where the edge goes on (15 of 28 pictures against 27 in a film of one such hand).
_WIDER = 0.15
# How much of a region may be outside the picture, if that is less.
_OUTSIDE = 0.25


def search_regions(wrists: NDArray[np.floating[Any]], torso_px: float, size: tuple[int, int]) -> list[Region]:
    """The parts of a picture in which hands are sought, one after the other.

    Args:
        wrists: (N, 2) pixels, those of the body's wrists that are seen; none without a body.
        torso_px: length of its torso; NaN without a body.
        size: width and height of the picture.
    """
    hand_px = _HAND_TORSO * torso_px
    if len(wrists) and np.isfinite(wrists).all() and hand_px < _SMALL * max(size):
        return [around(wrist, hand_px, size) for wrist in wrists]
    along = 0 if size[0] >= size[1] else 1
    length = 2 * size[along] // (_TILES + 1)
    wider = round(_WIDER * min(size))
    regions = [(-wider, -wider, size[0] + wider, size[1] + wider)]
    for k in range(_TILES):
        region = [0, 0, size[0], size[1]]
        region[along] = k * (size[along] - length) // (_TILES - 1)
        region[along + 2] = region[along] + length
        regions.append((region[0], region[1], region[2], region[3]))
    return regions


def around(point: NDArray[np.floating[Any]], hand_px: float, size: tuple[int, int]) -> Region:
    """The box around a point in which a hand of a size is followed; most of it is inside the picture.

    Args:
        point: (2,) pixels.
        hand_px: the longer side of the hand.
        size: width and height of the picture.
    """
    side = max(_LEAST_SIDE, round(_AROUND_HANDS * hand_px))
    (left, right), (top, bottom) = (
        _span(float(middle), side, length, round(_WIDER * min(size)))
        for middle, length in zip(point, size, strict=True)
    )
    return left, top, right, bottom


def _span(middle: float, side: int, length: int, wider: int) -> tuple[int, int]:
    """Where one of a region's sides begins and ends: no more than that part of it outside of a picture's length."""
    if side >= length + 2 * wider:
        return -wider, length + wider
    outside = min(_OUTSIDE * side, wider)
    start = round(float(np.clip(middle - side / 2, -outside, max(length + outside - side, -outside))))
    return start, start + side


def cut_out(rgb: NDArray[np.uint8], region: Region) -> NDArray[np.uint8]:
    """The pixels of a region; what is outside the picture repeats its edge."""
    left, top, right, bottom = region
    height, width = rgb.shape[:2]
    inside = rgb[max(top, 0) : min(bottom, height), max(left, 0) : min(right, width)]
    beyond = ((max(-top, 0), max(bottom - height, 0)), (max(-left, 0), max(right - width, 0)), (0, 0))
    return np.ascontiguousarray(np.pad(inside, beyond, mode="edge") if np.any(beyond) else inside)
