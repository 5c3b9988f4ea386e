"""The keys of a film, straightened: every picture as if it were taken from right above the keyboard.

Shapes: T pictures, V = `ROWS` along the keys from before their front edge to behind them, U = `COLUMNS` along the
keyboard from A0 to C8.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from kinebeat import video_in
from kinebeat.performance.piano_keys import WHITE_KEYS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from kinebeat.performance.keyboard import Keyboard

PICTURES_PER_S = 20
"""Pictures are taken from a film so often."""
FINENESS = 10
"""Columns of a white key."""
COLUMNS, ROWS = WHITE_KEYS * FINENESS, 48
V_RANGE = (-0.15, 1.05)
"""What the rows reach over: the front faces of the keys, which a tilted camera sees, and what is right behind them."""
OUTSIDE = 0
"""Level of what is not in the picture; what is there is at least 1."""
_OVERSAMPLED = 2  # rows that one row is the mean of
_SHARP_PX = 14.0  # a white key that is wider than this in a film is made smaller before it is straightened


class Straightener:
    """Straightens pictures of one size.

    Args:
        keyboard: where the keys are in the upright film.
        size: (width, height) of the film.
        taken: (width, height) of the pictures that will be given, the film's made smaller.
    """

    def __init__(self, keyboard: Keyboard, size: tuple[int, int], taken: tuple[int, int]) -> None:
        u = (np.arange(COLUMNS) + 0.5) / FINENESS
        rows = ROWS * _OVERSAMPLED
        v = V_RANGE[0] + (np.arange(rows) + 0.5) * (V_RANGE[1] - V_RANGE[0]) / rows
        places = keyboard.pixels(np.stack(np.broadcast_arrays(u[None], v[:, None]), -1))
        places = (places + 0.5) * (np.array(taken) / np.array(size)) - 0.5
        self._at = np.nan_to_num(places, nan=-1e4).astype(np.float32)
        inside = ((self._at >= 0) & (self._at <= np.array(taken) - 1)).all(-1)
        self._there = inside.reshape(ROWS, _OVERSAMPLED, COLUMNS).all(1)

    def __call__(self, grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """(H, W) levels -> (V, U); the top row is nearest to the player."""
        levels = np.maximum(grey, 1)
        fine = cv2.remap(
            levels,
            self._at[..., 0],
            self._at[..., 1],
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=[OUTSIDE],
        )
        level = np.asarray(cv2.resize(fine, (COLUMNS, ROWS), interpolation=cv2.INTER_AREA), np.uint8)
        return np.where(self._there, level, np.uint8(OUTSIDE))


def key_pictures(
    path: str | Path, keyboard: Keyboard, *, progress: Callable[[float], None] | None = None
) -> Iterator[NDArray[np.uint8]]:
    """The keys of a film, `PICTURES_PER_S` times a second from its beginning to its last picture.

    Args:
        path: the film.
        keyboard: where its keys are.
        progress: called with the share of the film that is read.

    Yields:
        (V, U) uint8 levels, at each time the picture that is nearest to it.

    Raises:
        InputError: the file cannot be read, as `video_in.probe`.
    """
    info = video_in.probe(path)
    size = info.width, info.height
    max_side = _max_side(keyboard, size)
    straighten: Straightener | None = None
    last: NDArray[np.uint8] | None = None
    last_s, done = -np.inf, 0
    for time_s, frame, stored, turns in video_in.raw_frames(path, max_side=max_side):
        if (time_s + last_s) / 2 * PICTURES_PER_S >= done and last is not None:
            for _ in range(_due(done, (time_s + last_s) / 2)):
                yield last
                done += 1
        if _due(done, time_s + 1.0 / PICTURES_PER_S):
            luma = frame.reformat(width=stored[0], height=stored[1], format="gray").to_ndarray()
            grey = np.rot90(luma, turns).astype(np.uint8, copy=False)
            if straighten is None:
                straighten = Straightener(keyboard, size, (grey.shape[1], grey.shape[0]))
            last, last_s = straighten(grey), time_s
            if progress is not None and info.duration_s > 0:
                progress(min(1.0, time_s / info.duration_s))
    if last is not None:
        for _ in range(_due(done, last_s + 0.5 / PICTURES_PER_S)):
            yield last


def _due(done: int, until_s: float) -> int:
    """How many pictures have their time before some second, beside those that are done."""
    return max(0, int(np.ceil(until_s * PICTURES_PER_S - 1e-6)) - done)


def _max_side(keyboard: Keyboard, size: tuple[int, int]) -> int | None:
    """Bound on the longer side of a picture with white keys no wider than is useful."""
    ends = keyboard.pixels(np.array([[keyboard.first, 0.3], [keyboard.last + 1.0, 0.3]]))
    width_px = float(np.linalg.norm(ends[1] - ends[0])) / (keyboard.last + 1 - keyboard.first)
    return None if width_px <= _SHARP_PX else round(max(size) * _SHARP_PX / width_px)
