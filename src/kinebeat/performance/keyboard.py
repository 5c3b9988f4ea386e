"""The keyboard in the picture: from pixels to keys.

The camera may stand anywhere: the picture may be turned, oblique, mirrored, or show a part of the keyboard. Hands
disappear in the median of pictures from all over the clip, or of those of a part of it where the camera moved.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from kinebeat.performance.keyboard_depth import OUTSIDE, find_depth, level_view
from kinebeat.performance.keyboard_ends import place_of, seen_extent
from kinebeat.performance.keyboard_lines import Lines, grown
from kinebeat.performance.keyboard_rows import Turn, View, best_view, contrast, dark_runs, octaves
from kinebeat.performance.piano_keys import BLACK_U
from kinebeat.performance.stills import stills

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import ArrayLike, NDArray

_STILLS = 24
# Pictures are made smaller than this where they are larger; where nothing is found, once more with the larger bound.
_SIDES_PX = (1280, 2560)
_SMALL_PX = 640
# Octaves' worth of evidence, added up over rows, below which nobody looks on; real keyboards show hundreds.
_LEAST_EVIDENCE = 12.0
# Black keys must lie this near to where they belong, root mean square in white keys.
_MOST_ERROR_U = 0.12
# Of the black keys between the outermost ones this share must be seen.
_LEAST_SHARE = 0.6
# How keys are compared over time: windows of this many white keys, moved by up to this much, of which this is still.
_WINDOW_U, _REACH_U, _STILL_U = 7.0, 1.2, 0.25
_LIKE_KEYS = 0.5
# How much brighter than the other side the player's must be to be told for certain, as a share of white less black, and
# what confidence is worth where the white keys' front edge is not seen.
_CLEAR, _UNSEEN_FRONT = 0.3, 0.8
# A keyboard is taken without looking for a better one from this confidence on.
_GOOD = 0.5


@dataclass(frozen=True, eq=False)
class Keyboard:
    """Where the keys are in a clip's upright picture.

    Key units: u in white keys from 0 (the left edge of A0) to 52 (the right edge of C8), v from 0 (the front edge of
    the white keys, towards the player) to 1 (their far edge).

    Attributes:
        to_keys: (3, 3) float64, homography from pixels to key units; its last row is positive wherever there are keys.
        first: the lowest white key seen, 0..51.
        last: the highest white key seen.
        confidence: 0..1: the share of black keys that were seen, times the share of the clip in which they lie where
            this says; low where the camera moved, where the keys' front edge is not seen or their front not told
            from their back.
        octave_known: whether an end of the keyboard told which octave is which; otherwise the middle of the picture is
            taken to be near D4.
        mirrored: whether the picture is a mirror image, where the ends tell.
    """

    to_keys: NDArray[np.float64]
    first: int
    last: int
    confidence: float
    octave_known: bool
    mirrored: bool

    def key_units(self, xy: ArrayLike) -> NDArray[np.float64]:
        """(..., 2) pixels to (..., 2) key units; NaN stays NaN, and what lies behind the horizon becomes it."""
        return _mapped(self.to_keys, xy)

    def pixels(self, uv: ArrayLike) -> NDArray[np.float64]:
        """(..., 2) key units to (..., 2) pixels."""
        back = np.linalg.inv(self.to_keys)
        # scaled such that it is positive on the keys
        sign = np.sign(back[2] @ np.array([(self.first + self.last + 1) / 2, 0.5, 1.0]))
        return _mapped(back * sign, uv)


def _mapped(matrix: NDArray[np.float64], points: ArrayLike) -> NDArray[np.float64]:
    """Apply a homography to (..., 2) points; NaN where it gives nothing."""
    at = np.asarray(points, np.float64)
    p = at @ matrix[:, :2].T + matrix[:, 2]
    ahead = p[..., 2:] > 1e-12
    return np.where(ahead, p[..., :2] / np.where(ahead, p[..., 2:], 1.0), np.nan)


def find_keyboard(path: str | Path, *, progress: Callable[[float], None] | None = None) -> Keyboard | None:
    """Find the piano keyboard in a video.

    Args:
        path: a video file in which the camera stands still, at least for most of the time.
        progress: told the share that is done, 0..1.

    Returns:
        Where the keys are, in pixels of the upright picture; None where no keyboard is seen.

    Raises:
        InputError: the file cannot be read, as `video_in.probe`.
    """
    keyboard: Keyboard | None = None
    for attempt, side in enumerate(_SIDES_PX):
        pictures, scale = _pictures(path, side, progress if attempt == 0 else None)
        found = keyboard_in(pictures)
        if found is not None:
            to_small = np.diag([scale, scale, 1.0])
            to_small[:2, 2] = (scale - 1) / 2  # the middle of the first pixel is 0 in either
            keyboard = replace(found, to_keys=found.to_keys @ to_small)
            break
        if max(pictures.shape[1:]) < side:
            break  # it was not made smaller: a larger bound changes nothing
    if progress is not None:
        progress(1.0)
    return keyboard


def _pictures(path: str | Path, side: int, progress: Callable[[float], None] | None) -> tuple[NDArray[np.uint8], float]:
    """(N, H, W) stills of a clip and their scale."""
    _, pictures, scale = stills(path, _STILLS, max_side=side, progress=progress)
    return pictures, scale


def keyboard_in(pictures: NDArray[np.uint8]) -> Keyboard | None:
    """Find the piano keyboard in pictures that one camera took.

    Args:
        pictures: (N, H, W) grey, spread over the clip; one is enough.

    Returns:
        The keyboard in their pixels; None where none is seen.
    """
    # where the camera moved, a part of the clip shows what the whole does not
    parts = np.array_split(pictures, 3) if len(pictures) >= 6 else []
    best: Keyboard | None = None
    for some in (pictures, *parts):
        found = _found_in(_median(some), finely=some is pictures)
        if found is None:
            continue
        found = replace(found, confidence=found.confidence * steadiness(pictures, found))
        if best is None or found.confidence > best.confidence:
            best = found
        if best.confidence >= _GOOD:
            break
    return best if best is not None and best.confidence > 0 else None


def _median(pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, W) the middle of what each pixel shows; of two in the middle the brighter one."""
    middle: NDArray[np.uint8] = np.partition(pictures, len(pictures) // 2, axis=0)[len(pictures) // 2]
    return middle


def _view(picture: NDArray[np.uint8], finely: bool) -> View:
    """The best view, sought in a small picture first; `finely`: where that shows nothing, in the picture itself."""
    scale = min(1.0, _SMALL_PX / max(picture.shape))
    size = round(picture.shape[1] * scale), round(picture.shape[0] * scale)
    view = best_view(np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8))
    if view.evidence < _LEAST_EVIDENCE and finely and scale < 1:
        return best_view(picture)
    return replace(view, window_px=round(view.window_px / scale) | 1)


def _found_in(picture: NDArray[np.uint8], finely: bool) -> Keyboard | None:
    """The keyboard of one picture; its confidence is that in this picture alone."""
    view = _view(picture, finely)
    if view.evidence < _LEAST_EVIDENCE:
        return None
    away = contrast(picture, view.window_px)
    turn, lines = _lines(away, view.angle_deg, view.window_px)
    if lines is not None:
        # once more with rows that run along the keyboard
        turn, lines = _lines(away, view.angle_deg + _slope_deg(lines), view.window_px)
    if lines is None:
        return None
    keys = np.unique(lines.key)
    share = len(keys) / (int(keys.max()) - int(keys.min()) + 1)
    if lines.error_u > _MOST_ERROR_U or share < _LEAST_SHARE:
        return None
    turned = cv2.warpAffine(picture, turn.to_turned[:2], turn.size)
    depth = find_depth(np.asarray(turned, np.uint8), lines)
    if depth is None:
        return None
    to_keys = np.stack([lines.h1, depth.h2, lines.h3]) @ turn.to_turned
    if np.linalg.det(to_keys) > 0:
        # the player sees bass to the left: turn u round about D, where the keys look the same
        to_keys[0] = 3 * to_keys[2] - to_keys[0]
        keys = np.sort(1 - keys)
    extent = seen_extent(picture, to_keys, keys, depth.white, depth.black)
    height, width = picture.shape
    middle = to_keys @ np.array([(width - 1) / 2, (height - 1) / 2, 1.0])
    place = place_of(extent, float(middle[0] / middle[2]) if middle[2] > 0 else (extent.first + extent.last + 1) / 2)
    if place.mirrored:
        to_keys[0] = 3 * to_keys[2] - to_keys[0]
    to_keys[0] += place.shift * to_keys[2]
    sure = share * float(np.clip(depth.front_clear / _CLEAR, 0.1, 1.0)) * (1.0 if depth.front_seen else _UNSEEN_FRONT)
    return Keyboard(to_keys, place.first, place.last, sure, place.octave_known, place.mirrored)


def _lines(away: NDArray[np.float32], angle_deg: float, window_px: int) -> tuple[Turn, Lines | None]:
    """The black keys that rows of a direction show."""
    turn = Turn.by(angle_deg, (away.shape[0], away.shape[1]))
    runs = dark_runs(away, turn, 1)
    return turn, grown(runs, octaves(runs, window_px))


def _slope_deg(lines: Lines) -> float:
    """How far the row of black keys falls to the right in the picture that the lines were found in."""
    middles = np.array([lines.xy[lines.key == key].mean(axis=0) for key in np.unique(lines.key)])
    return float(np.rad2deg(np.arctan(np.polyfit(middles[:, 0], middles[:, 1], 1)[0])))


def steadiness(pictures: NDArray[np.uint8], keyboard: Keyboard) -> float:
    """The share of pictures in which the keys lie where the keyboard says.

    Each picture is compared with the pattern of black and white keys, an octave at a time and at several shifts;
    octaves under hands agree with no shift and do not count.

    Args:
        pictures: (N, H, W) grey.
        keyboard: where the keys should be.
    """
    step_u = 0.1
    u = np.arange(keyboard.first, keyboard.last + 1, step_u)
    size, reach = round(_WINDOW_U / step_u), round(_REACH_U / step_u)
    starts = range(reach, len(u) - size - reach + 1, size // 2)
    if not starts:  # little more than an octave is seen
        size = max(len(u) - 2 * reach, 1)
        starts = range(reach, reach + 1)
    is_black = np.abs(u[:, None] - BLACK_U).min(axis=1) < 0.29
    pattern = np.where(is_black, -1.0, 1.0)
    steady = 0
    for picture in pictures:
        view = level_view(picture, keyboard.to_keys, u, np.linspace(0.5, 0.9, 5)).astype(np.float64)
        inside = view != OUTSIDE
        levels = np.where(inside, view, 0.0).sum(axis=0) / np.maximum(inside.sum(axis=0), 1)
        shifts = []
        for start in starts:
            moved = sliding_window_view(levels[start - reach : start + size + reach], size)
            likes = _alike(moved, pattern[start : start + size])
            if likes.max() >= _LIKE_KEYS:
                shifts.append((int(likes.argmax()) - reach) * step_u)
        still = np.abs(shifts) <= _STILL_U
        steady += len(shifts) >= len(starts) / 4 and float(np.mean(still)) > 0.5
    return steady / len(pictures)


def _alike(rows: NDArray[np.float64], pattern: NDArray[np.float64]) -> NDArray[np.float64]:
    """(M,) correlations of (M, N) rows with a pattern (N,), 0 where a row is flat."""
    shape = (pattern - pattern.mean()) / max(float(pattern.std()), 1e-9)
    spread = rows.std(axis=1)
    like: NDArray[np.float64] = rows @ shape / rows.shape[1] / np.maximum(spread, 1.0)
    return like
