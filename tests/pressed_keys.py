"""Drawn keyboards with keys that go down, already straightened, and films of them."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import cv2
import numpy as np

from keyboards import camera, draw_keyboard
from kinebeat.performance.notes import Notes
from kinebeat.performance.piano_keys import CENTRE_U, IS_BLACK, LOWEST_PITCH, WIDTH_U
from kinebeat.performance.pressing.pictures import COLUMNS, FINENESS, PICTURES_PER_S, ROWS, V_RANGE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

SIZE = (640, 160)
TO_PIXELS = camera(key_px=12.0, middle_px=(320.0, 80.0))
_ROWS_OF_V = ROWS / (V_RANGE[1] - V_RANGE[0])
_TO_STRAIGHT = np.array([[FINENESS, 0, -0.5], [0, _ROWS_OF_V, -V_RANGE[0] * _ROWS_OF_V - 0.5], [0, 0, 1.0]])


@cache
def still(seed: int = 0) -> NDArray[np.uint8]:
    """(V, U), nobody plays."""
    return draw_keyboard(_TO_STRAIGHT, (COLUMNS, ROWS), noise=1.0, seed=seed)


def pressed(picture: NDArray[np.uint8], pitches: Iterable[int]) -> NDArray[np.uint8]:
    """The same with keys down: in the shadow of their neighbours, with dark gaps on either side."""
    drawn = picture.astype(np.float32)
    rows = slice(0, ROWS)
    for pitch in pitches:
        key = pitch - LOWEST_PITCH
        left, right = ((CENTRE_U[key] + side * WIDTH_U[key] / 2) * FINENESS for side in (-1, 1))
        rows = slice(ROWS // 2, ROWS) if IS_BLACK[key] else slice(6, ROWS - 6)
        drawn[rows, round(left) : round(right)] *= 0.9
        for edge in (left, right):
            drawn[rows, max(0, round(edge) - 1) : round(edge) + 1] = 30
    return np.clip(drawn, 0, 255).astype(np.uint8)


def played(notes: Notes, duration_s: float, seed: int = 0) -> NDArray[np.uint8]:
    """(T, V, U) of what is played."""
    rng = np.random.default_rng(seed)
    nobody = still(seed)
    pictures = []
    for time_s in np.arange(round(duration_s * PICTURES_PER_S)) / PICTURES_PER_S:
        down = notes.pitch[(notes.onset_s <= time_s + 1e-6) & (notes.offset_s > time_s)]
        noisy = pressed(nobody, down.tolist()).astype(np.float32) + rng.normal(0, 1.0, nobody.shape)
        pictures.append(np.clip(noisy, 1, 255).astype(np.uint8))
    return np.stack(pictures)


def part(duration_s: float, seed: int, per_s: float = 3.0) -> Notes:
    """Notes at random on the grid of the pictures, a third of a second each, no pitch twice at once."""
    rng = np.random.default_rng(seed)
    onset_s = np.arange(0.5, duration_s - 0.6, 1 / per_s)
    onset_s = np.round(onset_s * PICTURES_PER_S) / PICTURES_PER_S
    pitch = rng.integers(LOWEST_PITCH, LOWEST_PITCH + 88, len(onset_s))
    return Notes.of(onset_s, onset_s + 0.3, pitch, 76)


def moved(picture: NDArray[np.uint8], across: float, along: float) -> NDArray[np.uint8]:
    """A straightened picture of a camera that has moved by some pixels."""
    move = np.array([[1.0, 0, across], [0, 1, along]])
    return np.asarray(cv2.warpAffine(picture, move, (COLUMNS, ROWS), borderMode=cv2.BORDER_REPLICATE), np.uint8)
