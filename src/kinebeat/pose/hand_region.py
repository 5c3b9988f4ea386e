"""Where in a musician's picture hands are looked for.

MediaPipe looks for palms in a whole picture at 192 pixels, in which a hand over a keyboard is hardly twenty pixels wide
and one of somebody who is seen from head to foot a few. So hands are sought in parts of the picture that overlap, or
around the wrists of the body, and followed each in a part of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Region = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels; the last two are past the end."""

# Parts along the longer side, each over half of its neighbour.
_TILES = 3
# A hand as a part of the torso, and under which part of the picture's longer side it is sought around the wrists.
_HAND_TORSO, _SMALL = 0.35, 0.08
# Side of the part of a picture in which a hand is sought or followed, in hand sizes.
_AROUND_HANDS = 5.0
_LEAST_SIDE = 64


def search_regions(wrists: NDArray[np.floating[Any]], torso_px: float, size: tuple[int, int]) -> list[Region]:
    """The parts of a picture in which hands are sought.

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
    regions = []
    for k in range(_TILES):
        region = [0, 0, size[0], size[1]]
        region[along] = k * (size[along] - length) // (_TILES - 1)
        region[along + 2] = region[along] + length
        regions.append((region[0], region[1], region[2], region[3]))
    return regions


def around(point: NDArray[np.floating[Any]], hand_px: float, size: tuple[int, int]) -> Region:
    """The square around a point in which a hand of a size is followed, moved inside the picture.

    Args:
        point: (2,) pixels.
        hand_px: the longer side of the hand.
        size: width and height of the picture.
    """
    side = max(_LEAST_SIDE, round(_AROUND_HANDS * hand_px))
    width, height = min(side, size[0]), min(side, size[1])
    left = int(np.clip(round(float(point[0]) - width / 2), 0, size[0] - width))
    top = int(np.clip(round(float(point[1]) - height / 2), 0, size[1] - height))
    return left, top, left + width, top + height
