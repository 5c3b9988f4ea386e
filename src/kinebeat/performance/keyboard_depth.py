"""Where keys begin and end in the picture: the second coordinate of the keyboard's map.

Three lines run along a keyboard: the front edge of the white keys (v = 0), the black keys' front ends
(v = `BLACK_FROM_V`) and the far end of all keys (v = 1). Before the black keys' ends everything is bright, behind the
far end it is not: that tells on which side the player sits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from kinebeat.performance.keyboard_lines import Lines, black_u
from kinebeat.performance.piano_keys import BLACK_FROM_V

if TYPE_CHECKING:
    from numpy.typing import NDArray

# How much of a black key counts as its core, and where the white beside it is looked at, in white keys from its middle.
_CORE_U, _BESIDE_U = 0.15, (0.38, 0.56)
# How far beyond the ends of the black keys brightness is compared, in their lengths.
_BEYOND = 0.3
# Where the front edge of the white keys may be.
_FRONT_V = (-0.45, 0.2)
# A share of the contrast between white and black: what has fallen by more is no white key any more.
_FALLEN = 0.35
# How far points may be from a line, in lengths of a key, before they count for little.
_LINE_V = 0.03
OUTSIDE = -1.0
"""What stands for pixels beside the picture in `level_view` and elsewhere."""


@dataclass(frozen=True, eq=False)
class Depth:
    """The second coordinate of a keyboard.

    Attributes:
        h2: (3,) numerator of v = (h2 . p) / (h3 . p).
        front_seen: whether the front edge itself was found rather than inferred from the black keys' length.
        front_clear: -1..1, how much brighter the side of the player is than the other, beyond the black keys.
        white: grey level of white keys.
        black: grey level of black keys.
    """

    h2: NDArray[np.float64]
    front_seen: bool
    front_clear: float
    white: float
    black: float


def level_view(
    picture: NDArray[np.uint8], to_keys: NDArray[np.float64], u: NDArray[np.float64], v: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Look at a picture in key units.

    Args:
        picture: (H, W) grey.
        to_keys: (3, 3) pixels to key units.
        u: (N,) columns.
        v: (M,) rows.

    Returns:
        (M, N) grey levels, `OUTSIDE` where the picture ends.
    """
    grid_u, grid_v = np.meshgrid(u, v)
    p = np.linalg.inv(to_keys) @ np.stack([grid_u.ravel(), grid_v.ravel(), np.ones(grid_u.size)])
    # what lies behind the camera must not be seen in front of it
    ahead = p[2] * np.sign(np.median(p[2])) > 1e-9
    xy = np.where(ahead, p[:2] / np.where(ahead, p[2], 1.0), -10.0).reshape(2, *grid_u.shape).astype(np.float32)
    return _sampled(picture, xy)


def _sampled(picture: NDArray[np.uint8], xy: NDArray[np.float32]) -> NDArray[np.float32]:
    """Grey levels at (2, M, N) pixels, `OUTSIDE` where there are none."""
    height, width = picture.shape
    seen = cv2.remap(picture.astype(np.float32), xy[0], xy[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    inside = (xy[0] >= 0) & (xy[1] >= 0) & (xy[0] <= width - 1) & (xy[1] <= height - 1)
    return np.where(inside, seen, np.float32(OUTSIDE))


def find_depth(picture: NDArray[np.uint8], lines: Lines) -> Depth | None:
    """Find where keys begin and end.

    Args:
        picture: (H, W) grey, turned so that its rows run along the keyboard.
        lines: the black keys in it.

    Returns:
        The map's second coordinate; None where no black key shows both its ends.
    """
    ends = _black_ends(picture, lines)
    if ends is None:
        return None
    upper, lower, brighter_above, white, black = ends
    near, far = (upper, lower) if brighter_above > 0 else (lower, upper)
    points = np.concatenate([near, far])
    v = np.concatenate([np.full(len(near), BLACK_FROM_V), np.ones(len(far))])
    h2 = _fit_v(lines.h3, points, v)
    to_keys = np.stack([lines.h1, h2, lines.h3])
    front = _front_edge(picture, to_keys, lines, white, black)
    if len(front):
        points, v = np.concatenate([points, front]), np.concatenate([v, np.zeros(len(front))])
        # as many votes for the edge as for the black keys' ends
        weight = np.ones(len(v))
        weight[-len(front) :] = np.sqrt(len(near) / len(front))
        h2 = _fit_v(lines.h3, points, v, weight)
    return Depth(h2, len(front) > 0, abs(brighter_above), white, black)


def _black_ends(
    picture: NDArray[np.uint8], lines: Lines
) -> tuple[NDArray[np.float64], NDArray[np.float64], float, float, float] | None:
    """Follow each black key to both of its ends.

    Returns:
        (N, 2) pixels of the upper and of the lower ends, how much brighter it is above the upper than below the lower
        ones (-1..1), and the grey levels of white and black keys; None where no two keys show both their ends.
    """
    upper: list[tuple[float, float]] = []
    lower: list[tuple[float, float]] = []
    above: list[float] = []
    below: list[float] = []
    whites, blacks = [], []
    keys = np.unique(lines.key)
    offsets = np.concatenate(
        [np.linspace(-_CORE_U, _CORE_U, 5), np.linspace(*_BESIDE_U, 4), -np.linspace(*_BESIDE_U, 4)]
    )
    for key, u in zip(keys, black_u(keys), strict=True):
        rows = lines.xy[lines.key == key, 1]
        first, last = float(np.percentile(rows, 5)), float(np.percentile(rows, 95))
        length = max(last - first, 4.0)
        y = np.arange(first - 0.8 * length, last + 0.8 * length, 0.5)
        x = _x_on(lines, u + offsets, y)
        seen = _sampled(picture, np.stack([x, np.broadcast_to(y[:, None], x.shape)]).astype(np.float32))
        gone = (seen < 0).any(axis=1)
        dark, beside = seen[:, :5].mean(axis=1), seen[:, 5:].mean(axis=1)
        middle = (y > first + 0.2 * length) & (y < last - 0.2 * length) & ~gone
        if middle.sum() < 2:
            continue
        step = float(np.median((beside - dark)[middle]))
        if step < 15:
            continue
        falls = np.where(gone, np.nan, beside - dark) < 0.5 * step
        start = int(np.searchsorted(y, (first + last) / 2))
        up, down = np.flatnonzero(falls[:start]), np.flatnonzero(falls[start:])
        floor = float(np.median(dark[middle]))
        for hits, points, brightness, sign in ((up, upper, above, -1), (down, lower, below, 1)):
            if not len(hits):
                continue
            end = int(hits[-1]) if sign < 0 else start + int(hits[0])
            beyond = end + sign * round(_BEYOND * length / 0.5)
            if gone[min(max(end + sign, 0), len(y) - 1)]:
                continue
            points.append((float(_x_on(lines, np.array([u]), y[[end]])[0, 0]), float(y[end] - sign * 0.25)))
            if 0 <= beyond < len(y) and not gone[beyond]:
                brightness.append((dark[beyond] - floor) / step)
        whites.append(float(np.median(beside[middle])))
        blacks.append(floor)
    if min(len(upper), len(lower)) < 2:
        return None
    brighter = float(np.median(above)) if above else 0.0
    brighter -= float(np.median(below)) if below else 0.0
    white, black = float(np.median(whites)), float(np.median(blacks))
    return np.array(upper), np.array(lower), float(np.clip(brighter, -1, 1)), white, black


def _x_on(lines: Lines, u: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """(M, N) x of the pixels at which (N,) lines of constant u cross (M,) rows."""
    (a, b, c), (g, h, i) = lines.h1, lines.h3
    u_row, y_column = u[None, :], y[:, None]
    across: NDArray[np.float64] = (u_row * (h * y_column + i) - b * y_column - c) / (a - g * u_row)
    return across


def _fit_v(
    h3: NDArray[np.float64],
    xy: NDArray[np.float64],
    v: NDArray[np.float64],
    weight: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """(3,) h2 such that (h2 . p) / (h3 . p) is v at the points, outliers left out step by step."""
    p = np.column_stack([xy, np.ones(len(xy))])
    below = p @ h3
    given = np.ones(len(v)) if weight is None else weight
    trust = given / np.abs(below)
    h2 = np.zeros(3)
    for _ in range(8):
        h2 = np.linalg.lstsq(p * trust[:, None], v * below * trust, rcond=None)[0]
        off = (p @ h2) / below - v
        trust = given / np.abs(below) / (1 + (off / _LINE_V) ** 2)
    return h2


def _front_edge(
    picture: NDArray[np.uint8], to_keys: NDArray[np.float64], lines: Lines, white: float, black: float
) -> NDArray[np.float64]:
    """(N, 2) pixels on the front edge of the white keys, one for each few keys; none where it is not seen."""
    first, last = np.floor(black_u(np.array([lines.key.min(), lines.key.max()])))
    count = int(last - first) + 1
    inner = np.linspace(0.25, 0.75, 5)
    u = (first + np.arange(count)[:, None] + inner).ravel()
    v = np.arange(BLACK_FROM_V - 0.08, _FRONT_V[0], -0.01)
    view = level_view(picture, to_keys, u, v).reshape(len(v), count, len(inner))
    points = []
    for at in range(0, count - 2, 3):
        some = view[:, at : at + 3].reshape(len(v), -1)
        shown = np.median(some, axis=1)
        usual = float(np.median(shown[:12]))
        if usual < (white + black) / 2:
            continue  # a hand lies there
        fallen = np.flatnonzero(shown < usual - _FALLEN * (white - black))
        if len(fallen) and shown[fallen[0]] >= 0 and _FRONT_V[0] < v[fallen[0]] < _FRONT_V[1]:
            points.append((first + at + 1.5, v[fallen[0]]))
    if len(points) < max(2, count // 9):
        return np.zeros((0, 2))
    uv = np.array(points)
    # what is not near most of the others is a hand or a shadow
    uv = uv[np.abs(uv[:, 1] - np.median(uv[:, 1])) < 0.12]
    p = np.linalg.inv(to_keys) @ np.vstack([uv.T, np.ones(len(uv))])
    return np.asarray((p[:2] / p[2]).T)
