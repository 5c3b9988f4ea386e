"""Which keys a keyboard has: where it ends, and so which C is which, and whether the picture is mirrored.

The black keys repeat every octave: only the ends tell the octaves apart. They are also symmetrical about D: only the
ends tell a mirrored picture, because a mirrored A...C reads as E...G.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from kinebeat.performance.keyboard_depth import level_view
from kinebeat.performance.keyboard_lines import black_u
from kinebeat.performance.piano_keys import WHITE_KEYS

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Range(NamedTuple):
    """A usual keyboard: its lowest and its highest white key, A0 being 0, and what it costs to believe in it."""

    first: int
    last: int
    unlikely: float


RANGES = (
    Range(0, 51, 0.0),  # 88 keys, A0-C8
    Range(9, 44, 0.3),  # 61, C2-C7
    Range(4, 48, 0.3),  # 76, E1-G7
    Range(4, 46, 0.5),  # 73, E1-E7
    Range(9, 37, 0.5),  # 49, C2-C6
    Range(16, 37, 0.6),  # 37, C3-C6
    Range(16, 30, 0.6),  # 25, C3-C5
    Range(0, 49, 0.7),  # 85, A0-A7
)
"""Usual keyboards. None of them tells 49 keys from C2 from 49 from C3: the range that makers choose most is taken."""

# What a mirrored picture costs to believe in, and a key counted wrongly at an end.
_MIRRORED, _MISCOUNTED = 0.4, 0.6
_MOST_COST = 1.2
# How much less the next best place must be believed in for the best to be certain.
_CERTAIN = 0.15
# D4, where players sit, in white keys from the left edge of A0.
_MIDDLE_U = 24.5
# The part of a white key that is looked at to see whether it is one: before the black keys, off its borders.
_LOOK_V, _LOOK_U = (0.06, 0.3), 0.3
# How much darker than white a key may be, as a share of white less black, and how much of it must be so bright.
_DARKER, _BRIGHT_SHARE = 0.4, 0.6
# White keys that may follow the last black key: none has more than two between blacks.
_MOST_BEYOND = 3


@dataclass(frozen=True)
class Extent:
    """The white keys that are seen, counted from some C.

    Attributes:
        first: the lowest one.
        last: the highest one.
        first_ends: whether the keyboard is seen to end there; otherwise the picture does.
        last_ends: likewise.
    """

    first: int
    last: int
    first_ends: bool
    last_ends: bool


@dataclass(frozen=True)
class Place:
    """Where the keyboard in the picture lies on a whole piano.

    Attributes:
        shift: white keys from A0 to the C that the extent is counted from, once a mirrored one is read the other way.
        first: the lowest white key that is seen, 0..51.
        last: the highest one.
        mirrored: whether the picture is a mirror image; then the extent reads from treble to bass.
        octave_known: whether an end told which octave is which.
        doubt: how unusual such a keyboard is, 0 (a whole piano) to about 1.
    """

    shift: int
    first: int
    last: int
    mirrored: bool
    octave_known: bool
    doubt: float


def seen_extent(
    picture: NDArray[np.uint8], to_keys: NDArray[np.float64], keys: NDArray[np.int64], white: float, black: float
) -> Extent:
    """Walk from the outermost black keys to the last white key on either side.

    Args:
        picture: (H, W) grey.
        to_keys: (3, 3) its pixels to key units counted from some C.
        keys: black keys that are seen, counted from the C# there.
        white: grey level of white keys.
        black: grey level of black keys.
    """
    outer = np.round(black_u(np.array([keys.min(), keys.max()]))).astype(np.int64)
    low, high = int(outer[0]) - 1, int(outer[1])  # the white keys beside the outermost black ones
    start, count = low - 2 * _MOST_BEYOND, high - low + 1 + 4 * _MOST_BEYOND
    inner = np.linspace(0.5 - _LOOK_U, 0.5 + _LOOK_U, 7)
    u = (start + np.arange(count)[:, None] + inner).ravel()
    view = level_view(picture, to_keys, u, np.linspace(*_LOOK_V, 7)).reshape(7, count, len(inner))
    outside = (view < 0).mean(axis=(0, 2)) > 0.5
    level = np.median(view, axis=(0, 2))
    ends = []
    for edge, step in ((low, -1), (high, 1)):
        # light falls off towards the ends: the nearest keys tell how bright white is there
        near = [level[edge - step * k - start] for k in range(2, 9) if 0 <= edge - step * k - start < count]
        local = float(np.clip(np.median(near), (white + black) / 2, 255.0)) if near else white
        bright = (view > local - _DARKER * (white - black)).mean(axis=(0, 2)) >= _BRIGHT_SHARE
        at = edge
        while abs(at + step - edge) <= _MOST_BEYOND and bright[at + step - start] and not outside[at + step - start]:
            at += step
        if outside[at - start]:  # the picture ends within the key beside the last black one
            ends.append((at, False))
        elif abs(at - edge) >= _MOST_BEYOND:
            # bright on and on, where a black key should have come: the last key is the one that is usual there
            ends.append((edge + step * _usual_beyond(edge, step), True))
        else:
            ends.append((at, not bool(outside[at + step - start])))
    return Extent(ends[0][0], ends[1][0], ends[0][1], ends[1][1])


def _usual_beyond(edge: int, step: int) -> int:
    """White keys that usual keyboards have beyond the last black key, its neighbour not counted."""
    # A#-B goes on to C, and downwards F#-F to E; A-A# and C-C# begin, D#-E and F#-G end a keyboard
    return int(edge % 7 == (6 if step > 0 else 3))


def place_of(extent: Extent, middle_u: float) -> Place:
    """Find the usual keyboard that agrees best with what is seen.

    Args:
        extent: the white keys seen.
        middle_u: u of the picture's middle, counted as the extent is.
    """
    best: Place | None = None
    others = np.inf  # cost of the best place in another octave, or of a mirrored one
    for mirrored in (False, True):
        # read from the other end, D stays where it is: key k becomes 2 - k
        seen = Extent(2 - extent.last, 2 - extent.first, extent.last_ends, extent.first_ends) if mirrored else extent
        for some in RANGES:
            for shift in range(2 - 7 * 8, 2 + 7 * 16, 7):
                cost = _cost(seen, some, shift)
                if cost is None:
                    continue
                cost += some.unlikely + _MIRRORED * mirrored
                first = some.first if seen.first_ends else max(seen.first + shift, some.first)
                last = some.last if seen.last_ends else min(seen.last + shift, some.last)
                same = best is not None and (best.shift, best.mirrored) == (shift, mirrored)
                if best is None or cost < best.doubt:
                    others = best.doubt if best is not None and not same else others
                    best = Place(shift, first, last, mirrored, True, cost)
                elif not same:
                    others = min(others, cost)
    ended = extent.first_ends or extent.last_ends
    # without an end only a keyboard too wide for any other place tells where it lies
    if best is not None and best.doubt <= _MOST_COST and (ended or (others > _MOST_COST and not best.mirrored)):
        return replace(best, octave_known=others - best.doubt > _CERTAIN)
    shift = 2 + 7 * round((_MIDDLE_U - 2 - middle_u) / 7)
    # whatever is seen has to be on the piano
    while extent.first + shift < 0 and extent.last + shift + 7 < WHITE_KEYS:
        shift += 7
    while extent.last + shift >= WHITE_KEYS and extent.first + shift - 7 >= 0:
        shift -= 7
    first, last = (int(np.clip(key + shift, 0, WHITE_KEYS - 1)) for key in (extent.first, extent.last))
    return Place(shift, first, last, False, False, _MOST_COST)


def _cost(seen: Extent, some: Range, shift: int) -> float | None:
    """How badly a range agrees with what is seen, whose count begins `shift` white keys above A0; None: not at all."""
    first, last = seen.first + shift, seen.last + shift
    wrong = abs(first - some.first) if seen.first_ends else max(some.first - first, 0)
    wrong_last = abs(last - some.last) if seen.last_ends else max(last - some.last, 0)
    if max(wrong, wrong_last) > 1:
        return None
    return _MISCOUNTED * (wrong + wrong_last)
