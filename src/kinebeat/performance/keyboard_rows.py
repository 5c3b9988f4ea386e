"""Where a picture has rows that look like a keyboard: dark runs in the black keys' grouping by two and three.

A row that crosses black keys alternates between dark and bright; the middles of neighbouring black keys are 1.2, 1.8,
1.1, 1.1 and 1.8 white keys apart, over and over. Six dark runs in these proportions are an octave's worth of evidence,
whatever the scale; nothing else that is striped (fences, crossings, blinds) shows them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from kinebeat.performance.piano_keys import BLACK_U

if TYPE_CHECKING:
    from numpy.typing import NDArray

OCTAVE_U = 7.0
"""White keys in an octave."""
BLACK_OFFSETS_U: NDArray[np.float64] = BLACK_U[1:6] - 2.0
"""(5,) middles of an octave's black keys from the left edge of C: C#, D#, F#, G#, A#."""

_GAPS_U = np.diff(np.append(BLACK_OFFSETS_U, BLACK_OFFSETS_U[0] + OCTAVE_U))
_PATTERNS = np.stack([np.roll(_GAPS_U, -first) for first in range(5)])
# How far an octave's five gaps may be from the pattern, root mean square in white keys: equal gaps are 0.29 away.
_OCTAVE_RMS_U = 0.17
# How wide a dark run may be, in white keys.
_NARROWEST_U, _WIDEST_U = 0.25, 0.85
# The smallest white key that is looked for, and the share of the window that the largest may be.
_SMALLEST_KEY_PX, _LARGEST_KEY = 4.5, 0.3
# A picture is compared with its surroundings in windows of these sizes, which serve keys of different sizes.
WINDOWS_PX = (33, 81, 201)
# Surroundings that differ less than this, in grey levels, are flat.
_NOISE_LEVELS = 10.0
# Dark is what lies this many standard deviations under its surroundings.
_DARK = 0.25
_ANGLE_STEP_DEG = 6.0


@dataclass(frozen=True, eq=False)
class Runs:
    """Dark runs in the rows of a turned picture, row by row and from left to right; all arrays are (N,).

    Attributes:
        y: the rows they lie in, in pixels of the turned picture.
        x: their middles, pixels.
        width: pixels.
    """

    y: NDArray[np.float64]
    x: NDArray[np.float64]
    width: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Octaves:
    """Six runs in a row that lie like black keys; all arrays are (N,).

    Attributes:
        first: index of the first of the six among the runs.
        key: which black key of the octave it would be, 0 (C#) to 4 (A#).
        quality: 0..1, 1 where the proportions are exact.
    """

    first: NDArray[np.int64]
    key: NDArray[np.int64]
    quality: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Turn:
    """A turn of the picture that makes rows of a direction in it.

    Attributes:
        to_turned: (3, 3) picture's pixels to the turned picture's.
        size: (width, height) of the turned picture.
        picture: (width, height) of the picture itself.
    """

    to_turned: NDArray[np.float64]
    size: tuple[int, int]
    picture: tuple[int, int]

    @classmethod
    def by(cls, angle_deg: float, shape: tuple[int, int]) -> Turn:
        """The turn after which a line that fell by `angle_deg` to the right is level."""
        height, width = shape
        angle = np.deg2rad(angle_deg)
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        corners = turn @ np.array([[0, width - 1, 0, width - 1], [0, 0, height - 1, height - 1]], np.float64)
        low, high = corners.min(axis=1), corners.max(axis=1)
        matrix = np.eye(3)
        matrix[:2, :2], matrix[:2, 2] = turn, -low
        size = np.ceil(high - low).astype(np.int64) + 1
        return cls(matrix, (int(size[0]), int(size[1])), (width, height))

    def inside(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Whether places of the turned picture are places of the picture."""
        # a rotation and a shift: undone by its transpose, which is quicker than an inverse for each of many turns
        (cos, sin, left), (_, _, top) = self.to_turned[:2]
        at_x, at_y = cos * (x - left) - sin * (y - top), sin * (x - left) + cos * (y - top)
        within: NDArray[np.bool_] = (at_x >= 0) & (at_y >= 0)
        within &= (at_x <= self.picture[0] - 1) & (at_y <= self.picture[1] - 1)
        return within


def contrast(picture: NDArray[np.uint8], window_px: int) -> NDArray[np.float32]:
    """How far each pixel is from its surroundings, in their standard deviations.

    Args:
        picture: (H, W) grey.
        window_px: side of the square that counts as surroundings.

    Returns:
        (H, W); negative where it is darker.
    """
    grey = picture.astype(np.float32)
    window = (window_px, window_px)
    mean = cv2.blur(grey, window)
    spread = np.sqrt(np.maximum(cv2.blur(grey * grey, window) - mean * mean, 0))
    away: NDArray[np.float32] = (grey - mean) / (spread + np.float32(_NOISE_LEVELS))
    return away


def dark_runs(away: NDArray[np.float32], turn: Turn, row_step_px: int) -> Runs:
    """Find the dark runs in every `row_step_px`-th row of the turned contrast, their ends between pixels."""
    matrix = turn.to_turned[:2].copy()
    matrix[1] /= row_step_px
    size = (turn.size[0], (turn.size[1] + row_step_px - 1) // row_step_px)
    rows = np.asarray(cv2.warpAffine(away, matrix, size, flags=cv2.INTER_LINEAR, borderValue=[0.0]), np.float32)
    rows[:, 0] = rows[:, -1] = 0.0  # whatever begins within the picture ends within it
    dark = rows < -_DARK
    change = dark[:, 1:] != dark[:, :-1]
    at_row, before = np.nonzero(change)
    a, b = rows[at_row, before], rows[at_row, before + 1]
    edge = before + (a + _DARK) / (a - b)
    start, end = edge[0::2].astype(np.float64), edge[1::2].astype(np.float64)
    y = at_row[0::2] * float(row_step_px)
    whole = turn.inside(start - 1, y) & turn.inside(end + 1, y)  # not cut off by the picture's edge
    return Runs(y[whole], ((start + end) / 2)[whole], (end - start)[whole])


def octaves(runs: Runs, window_px: int) -> Octaves:
    """Find all sixes of neighbouring runs that lie like black keys."""
    count = len(runs.x) - 5
    if count < 1:
        none = np.zeros(0, np.int64)
        return Octaves(none, none, np.zeros(0))
    at = np.flatnonzero(runs.y[5:] == runs.y[:-5])
    span = runs.x[at + 5] - runs.x[at]
    unit = span / OCTAVE_U
    at, unit = (some[(unit > _SMALLEST_KEY_PX) & (unit < _LARGEST_KEY * window_px)] for some in (at, unit))
    six = at[:, None] + np.arange(6)
    gaps = np.diff(runs.x[six], axis=1) / unit[:, None]
    widths = runs.width[six] / unit[:, None]
    off = np.sqrt(((gaps[:, None, :] - _PATTERNS) ** 2).mean(axis=2))
    key = off.argmin(axis=1)
    off = off.min(axis=1)
    good = (off < _OCTAVE_RMS_U) & (widths.min(axis=1) > _NARROWEST_U) & (widths.max(axis=1) < _WIDEST_U)
    return Octaves(at[good], key[good], 1 - off[good] / _OCTAVE_RMS_U)


@dataclass(frozen=True)
class View:
    """How to look at a picture.

    Attributes:
        angle_deg: how far lines fall to the right that are to be rows, as in `Turn.by`.
        window_px: for `contrast`.
        evidence: how many octaves of black keys were seen, added up over rows.
    """

    angle_deg: float
    window_px: int
    evidence: float


def best_view(picture: NDArray[np.uint8]) -> View:
    """Find how to turn a picture so that its rows cross black keys: all directions are tried.

    Args:
        picture: (H, W) grey.
    """
    best = View(0.0, WINDOWS_PX[0], 0.0)
    shape = (picture.shape[0], picture.shape[1])
    for window_px in WINDOWS_PX:
        if window_px > 1.5 * max(shape):
            continue
        away = contrast(picture, window_px)
        for angle_deg in np.arange(-90.0, 90.0, _ANGLE_STEP_DEG):
            turn = Turn.by(float(angle_deg), shape)
            found = octaves(dark_runs(away, turn, 3), window_px)
            evidence = float(found.quality.sum())
            if evidence > best.evidence:
                best = View(float(angle_deg), window_px, evidence)
    return best
