"""From dark runs in rows to the lines of a keyboard: which black key each run belongs to, and a map of the picture.

The middles of the black keys are lines in the picture that meet in one point (far away, where the camera looks straight
down), so that u, in white keys, is a ratio of two linear functions of the pixel: u = (h1 . p) / (h3 . p) with
p = (x, y, 1). Five numbers, found by least squares over thousands of runs; those that do not fit (fingers, sleeves,
shadows) are left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kinebeat.performance.keyboard_rows import BLACK_OFFSETS_U, OCTAVE_U

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kinebeat.performance.keyboard_rows import Octaves, Runs

# How far a run's middle may be from the black key it is taken for, and how wide it may be, in white keys.
_NEAR_U = 0.25
_NARROWEST_U, _WIDEST_U = 0.28, 0.82
# How many black keys beyond those already found may be looked for in a round, and how many rows.
_REACH_KEYS, _FIRST_REACH_PX, _MOST_ROUNDS = 4, 4.0, 40
# Through how many rows runs are traced to see how the keys lean, and how far one may move to the next row, in widths.
_TRACED_ROWS, _STEP_WIDTHS = 12, 0.45
# How strongly perspective is held back while little is seen: a weight on its two numbers.
_RIDGE = 1e-4
# Runs of a black key that are seen in fewer rows than this share of the usual are chance.
_LEAST_ROWS = 0.3
LEAST_BLACK_KEYS = 7
"""Black keys that must be seen: about ten white ones."""


@dataclass(frozen=True, eq=False)
class Lines:
    """Black keys in a picture and the map that they give; u counts from the left edge of some C.

    Attributes:
        h1: (3,) numerator of u.
        h3: (3,) its denominator, 1 in the middle of what was seen, positive wherever there are keys.
        xy: (N, 2) middles of dark runs, pixels.
        key: (N,) the black key each belongs to, counted from the C# right of u = 0, in the direction of u.
        error_u: how far the runs are from their keys' middles, root mean square in white keys.
    """

    h1: NDArray[np.float64]
    h3: NDArray[np.float64]
    xy: NDArray[np.float64]
    key: NDArray[np.int64]
    error_u: float


def black_u(key: NDArray[np.int64]) -> NDArray[np.float64]:
    """Middles of black keys that are counted from a C#, in white keys from the left edge of its C."""
    octave, place = np.divmod(key, 5)
    u: NDArray[np.float64] = OCTAVE_U * octave + BLACK_OFFSETS_U[place]
    return u


def nearest_black(u: NDArray[np.float64]) -> NDArray[np.int64]:
    """The black key nearest to each u, counted as for `black_u`."""
    octave, rest = np.divmod(u, OCTAVE_U)
    beside = np.concatenate([[BLACK_OFFSETS_U[-1] - OCTAVE_U], BLACK_OFFSETS_U, [BLACK_OFFSETS_U[0] + OCTAVE_U]])
    place = np.abs(rest[:, None] - beside).argmin(axis=1) - 1
    key: NDArray[np.int64] = octave.astype(np.int64) * 5 + place
    return key


def seed_chain(found: Octaves) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The longest row of runs that follow one another like black keys.

    Args:
        found: octaves among dark runs, at least one.

    Returns:
        `(runs, keys)`: indices of the runs of that row and the black keys they are.
    """
    follows = np.zeros(len(found.first), np.bool_)
    follows[1:] = (np.diff(found.first) == 1) & ((found.key[:-1] + 1) % 5 == found.key[1:])
    start = np.flatnonzero(~follows)
    length = np.diff(np.append(start, len(found.first)))
    # of the rows that see equally many the middle one, away from the keys' ends
    longest = np.flatnonzero(length == length.max())
    pick = longest[len(longest) // 2]
    count = int(length[pick]) + 5
    first = found.first[start[pick]]
    return first + np.arange(count), found.key[start[pick]] + np.arange(count)


def _traced(
    runs: Runs, chain: NDArray[np.int64], keys: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Follow the runs of a row into the rows above and below, however much the keys lean.

    Args:
        runs: dark runs.
        chain: those of one row.
        keys: the black keys they are.

    Returns:
        `(runs, keys)`: with those of the rows beside it.
    """
    rows, start = np.unique(runs.y, return_index=True)
    end = np.append(start[1:], len(runs.y))
    middle = int(np.searchsorted(rows, runs.y[chain[0]]))
    mine, labels = [chain], [keys]
    for step in (-1, 1):
        x, lean, key, width = runs.x[chain], np.zeros(len(chain)), keys, runs.width[chain]
        for row in range(middle + step, middle + step * (_TRACED_ROWS + 1), step):
            if not 0 <= row < len(rows):
                break
            here = np.arange(start[row], end[row])
            nearest = here[np.abs(runs.x[here] - (x + lean)[:, None]).argmin(axis=1)]
            moved = runs.x[nearest] - x
            same = np.abs(moved - lean) < _STEP_WIDTHS * width
            same &= np.abs(runs.width[nearest] - width) < 0.5 * width
            if not same.any():
                break
            x, lean, key, width = runs.x[nearest][same], moved[same], key[same], width[same]
            mine.append(nearest[same])
            labels.append(key)
    return np.concatenate(mine), np.concatenate(labels)


def fit_u(
    xy: NDArray[np.float64], u: NDArray[np.float64], rounds: int = 3
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Fit u = (h1 . p) / (h3 . p) to points by least squares, leaving out what fits badly.

    Args:
        xy: (N, 2) pixels.
        u: (N,) white keys.
        rounds: how often outliers are left out anew.

    Returns:
        `(h1, h3)`, (3,) each, with h3 . p = 1 at the points' mean.
    """
    middle, size = xy.mean(axis=0), max(float(np.ptp(xy[:, 0])), 1.0)
    p = np.column_stack([(xy - middle) / size, np.ones(len(xy))])
    u_middle = float(u.mean())
    v = u - u_middle
    # v (1 + g x + h y) = a x + b y + c, linear in the five numbers
    equations = np.column_stack([p, -v[:, None] * p[:, :2]])
    hold = np.diag([0.0, 0.0, 0.0, 1.0, 1.0]) * _RIDGE * np.sqrt(len(v)) * max(float(np.ptp(v)), 1.0)
    hold[1, 1] = 1e-2  # one row alone does not tell how the keys lean
    weight = np.ones(len(v))
    for _ in range(rounds):
        weighted = equations * (weight**2)[:, None]
        a, b, c, g, h = np.linalg.solve(weighted.T @ equations + hold @ hold, weighted.T @ v)
        fitted = (p @ np.array([a, b, c])) / np.maximum(p @ np.array([g, h, 1.0]), 1e-3)
        weight = 1 / (1 + ((fitted - v) / 0.1) ** 2)
    h3 = np.array([g, h, 1.0])
    h1 = np.array([a, b, c]) + u_middle * h3
    back = np.array([[1 / size, 0, -middle[0] / size], [0, 1 / size, -middle[1] / size], [0, 0, 1]])
    return h1 @ back, h3 @ back


def u_of(h1: NDArray[np.float64], h3: NDArray[np.float64], xy: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N,) u at (N, 2) pixels; NaN behind the horizon."""
    p = np.column_stack([xy, np.ones(len(xy))])
    below = p @ h3
    u: NDArray[np.float64] = np.where(below > 1e-3, (p @ h1) / np.where(below > 1e-3, below, 1.0), np.nan)
    return u


def grown(runs: Runs, found: Octaves) -> Lines | None:
    """Follow the keyboard from its best row to all that can be seen of it.

    Args:
        runs: dark runs in the rows of a turned picture.
        found: octaves among them.

    Returns:
        The black keys, in pixels of the turned picture; None where there are too few.
    """
    if not len(found.first):
        return None
    xy = np.column_stack([runs.x, runs.y])
    mine, key = _traced(runs, *seed_chain(found))
    h1, h3 = fit_u(xy[mine], black_u(key))
    reach_px, before = _FIRST_REACH_PX, -1
    for _ in range(_MOST_ROUNDS):
        low, high = runs.y[mine].min() - reach_px, runs.y[mine].max() + reach_px
        near = np.flatnonzero((runs.y >= low) & (runs.y <= high))
        u = u_of(h1, h3, xy[near])
        half = np.column_stack([runs.width[near] / 2, np.zeros(len(near))])
        width = u_of(h1, h3, xy[near] + half) - u_of(h1, h3, xy[near] - half)
        labels = np.zeros(len(near), np.int64)
        known = np.isfinite(u) & np.isfinite(width)
        labels[known] = nearest_black(u[known])
        fits = known.copy()
        fits[known] &= np.abs(u[known] - black_u(labels[known])) < _NEAR_U
        fits[known] &= (width[known] > _NARROWEST_U) & (width[known] < _WIDEST_U)
        fits &= (labels >= key.min() - _REACH_KEYS) & (labels <= key.max() + _REACH_KEYS)
        if fits.sum() < 6:
            return None
        mine, key = near[fits], labels[fits]
        h1, h3 = fit_u(xy[mine], black_u(key))
        if len(mine) == before:
            break
        before, reach_px = len(mine), min(reach_px * 1.5, 40.0)
    return _cleaned(xy[mine], key)


def _cleaned(xy: NDArray[np.float64], key: NDArray[np.int64]) -> Lines | None:
    """Leave out keys and rows that are seen by chance, and fit once more."""
    for _ in range(2):
        rows, row = np.unique(xy[:, 1], return_inverse=True)
        in_row = np.bincount(row, minlength=len(rows))
        keep = in_row[row] >= 3
        if keep.sum() < 6:
            return None
        xy, key = xy[keep], key[keep]
        seen, place, count = np.unique(key, return_inverse=True, return_counts=True)
        often = count >= max(2.0, _LEAST_ROWS * float(np.median(count)))
        # a dark thing beside the keyboard may lie where another black key would, but has no neighbours
        apart = np.abs(seen[often][:, None] - seen[often])
        often[often] = ((apart > 0) & (apart <= 2)).any(axis=1)
        xy, key = xy[often[place]], key[often[place]]
        if often.sum() < LEAST_BLACK_KEYS:
            return None
    h1, h3 = fit_u(xy, black_u(key), rounds=6)
    off = u_of(h1, h3, xy) - black_u(key)
    keep = np.abs(off) < _NEAR_U
    if keep.sum() < 6 or len(np.unique(key[keep])) < LEAST_BLACK_KEYS:
        return None
    return Lines(h1, h3, xy[keep], key[keep], float(np.sqrt((off[keep] ** 2).mean())))
