"""How the dancing figure looks: rounded limbs with a lit side, a face, clothes, a plain room."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Colour = tuple[int, int, int]

_WALL_TOP, _WALL_BOTTOM, _FLOOR = (226, 232, 238), (206, 215, 224), (178, 168, 156)
_SKIN, _SKIN_LIT = (214, 160, 124), (238, 190, 156)
_SHIRT, _SHIRT_LIT = (176, 62, 48), (214, 92, 68)
_TROUSERS, _TROUSERS_LIT = (38, 52, 84), (58, 78, 118)
_SHOE, _SHOE_LIT = (226, 226, 222), (250, 250, 248)
_HAIR, _INK, _LIPS = (62, 40, 30), (40, 30, 28), (168, 76, 70)
# cv2 takes whole numbers with this many binary places, so that edges move smoothly.
_PLACES = 4
_ONE = 1 << _PLACES


class Painter:
    """Draws the figure; the room, which does not change, is painted once.

    Args:
        size: width and height of the picture.
        scale: pixels per body height.
    """

    def __init__(self, size: tuple[int, int], scale: float) -> None:
        self._scale = scale
        self._ground_y = 0.5 * (size[1] + scale * 1.08)
        self._room = _room(size, self._ground_y - 0.06 * scale)

    def draw(self, points: dict[str, NDArray[np.float64]]) -> NDArray[np.uint8]:
        """Paint one picture.

        Args:
            points: where each point of the figure is, (2,) pixels.

        Returns:
            (H, W, 3) uint8 RGB.
        """
        picture = self._room.copy()
        self._shadow(picture, points)
        for side in ("left", "right"):
            self._leg(picture, points, side)
        self._trunk(picture, points)
        self._head(picture, points)
        for side in ("left", "right"):
            self._arm(picture, points, side)
        return picture

    def _shadow(self, picture: NDArray[np.uint8], points: dict[str, NDArray[np.float64]]) -> None:
        feet = (points["left_ankle"][0] + points["right_ankle"][0]) / 2
        spread = abs(points["left_ankle"][0] - points["right_ankle"][0]) / 2
        for grow, darkness in ((1.3, 0.93), (1.0, 0.88)):
            layer = picture.copy()
            axes = (grow * (spread + 0.09 * self._scale), grow * 0.028 * self._scale)
            _ellipse(layer, (feet, self._ground_y), axes, 0.0, (0, 0, 0))
            cv2.addWeighted(picture, darkness, layer, 1 - darkness, 0, dst=picture)

    def _leg(self, picture: NDArray[np.uint8], points: dict[str, NDArray[np.float64]], side: str) -> None:
        hip, knee, ankle, toe = (points[f"{side}_{j}"] for j in ("hip", "knee", "ankle", "big_toe"))
        heel = ankle + 0.6 * (np.array([ankle[0], toe[1]]) - ankle)
        self._limb(picture, heel, toe, 0.024, 0.020, _SHOE, _SHOE_LIT)
        self._limb(picture, hip, knee, 0.055, 0.042, _TROUSERS, _TROUSERS_LIT)
        self._limb(picture, knee, ankle, 0.042, 0.030, _TROUSERS, _TROUSERS_LIT)

    def _trunk(self, picture: NDArray[np.uint8], points: dict[str, NDArray[np.float64]]) -> None:
        left, right, hip_l, hip_r = (
            points[name] for name in ("left_shoulder", "right_shoulder", "left_hip", "right_hip")
        )
        self._hull(picture, [(hip_l, 0.052), (hip_r, 0.052)], _TROUSERS)
        belt_l, belt_r = hip_l + 0.08 * (left - hip_l), hip_r + 0.08 * (right - hip_r)
        outline = [(left, 0.040), (right, 0.040), (belt_l, 0.044), (belt_r, 0.044)]
        self._hull(picture, outline, _SHIRT)
        middle = (left + right + belt_l + belt_r) / 4
        lit = [(middle + 0.72 * (p - middle) + self._light(), 0.5 * r) for p, r in outline]
        self._hull(picture, lit, _SHIRT_LIT)

    def _head(self, picture: NDArray[np.uint8], points: dict[str, NDArray[np.float64]]) -> None:
        head, neck = points["head"], points["neck"]
        up = (head - neck) / max(float(np.linalg.norm(head - neck)), 1e-6)
        right = np.array([-up[1], up[0]])
        tilt = float(np.degrees(np.arctan2(right[1], right[0])))
        unit = 0.068 * self._scale

        def at(x: float, y: float) -> tuple[float, float]:
            place = head + unit * (x * right + y * up)
            return float(place[0]), float(place[1])

        self._limb(picture, neck + 0.2 * unit * up, head, 0.030, 0.030, _SKIN, _SKIN)
        _ellipse(picture, at(0, 0.16), (0.92 * unit, 1.06 * unit), tilt, _HAIR)
        for x in (-0.80, 0.80):
            _ellipse(picture, at(x, -0.02), (0.14 * unit, 0.22 * unit), tilt, _SKIN)
        _ellipse(picture, at(0, -0.06), (0.78 * unit, 0.98 * unit), tilt, _SKIN)
        _ellipse(picture, at(-0.08, 0.0), (0.62 * unit, 0.82 * unit), tilt, _SKIN_LIT)
        _ellipse(picture, at(0, 0.86), (0.72 * unit, 0.38 * unit), tilt, _HAIR)
        for x in (-0.32, 0.32):
            _ellipse(picture, at(x, 0.10), (0.15 * unit, 0.095 * unit), tilt, (250, 250, 250))
            _ellipse(picture, at(x, 0.10), (0.075 * unit, 0.085 * unit), tilt, _INK)
            self._line(picture, at(x - 0.15, 0.37), at(x + 0.15, 0.37), 0.045 * unit, _HAIR)
        self._line(picture, at(0.0, 0.05), at(0.06, -0.22), 0.045 * unit, _SKIN)
        self._line(picture, at(0.06, -0.22), at(-0.05, -0.24), 0.05 * unit, _SKIN)
        # a smile: the lower half of an ellipse, its teeth on top
        _ellipse(picture, at(0, -0.44), (0.30 * unit, 0.20 * unit), tilt, _LIPS, (0, 180))
        _ellipse(picture, at(0, -0.44), (0.24 * unit, 0.09 * unit), tilt, (250, 248, 244), (0, 180))

    def _arm(self, picture: NDArray[np.uint8], points: dict[str, NDArray[np.float64]], side: str) -> None:
        shoulder, elbow, wrist, hand = (points[f"{side}_{j}"] for j in ("shoulder", "elbow", "wrist", "hand"))
        along = (hand - wrist) / max(float(np.linalg.norm(hand - wrist)), 1e-6)
        across = np.array([-along[1], along[0]]) * (1 if side == "left" else -1)
        self._limb(picture, elbow, wrist, 0.027, 0.019, _SKIN, _SKIN_LIT)
        palm = wrist + 0.35 * (hand - wrist)
        for spread in (-0.5, -0.17, 0.17, 0.5):
            tip = hand + 0.018 * self._scale * (along + spread * across)
            self._limb(picture, palm, tip, 0.010, 0.0065, _SKIN, _SKIN_LIT)
        thumb = wrist + 0.030 * self._scale * (0.7 * along - across)
        self._limb(picture, wrist, thumb, 0.011, 0.007, _SKIN, _SKIN_LIT)
        self._hull(picture, [(wrist, 0.017), (wrist + 0.75 * (hand - wrist), 0.018)], _SKIN_LIT)
        self._limb(picture, shoulder, elbow, 0.036, 0.029, _SKIN, _SKIN_LIT)
        sleeve = shoulder + 0.62 * (elbow - shoulder)
        self._limb(picture, shoulder, sleeve, 0.043, 0.038, _SHIRT, _SHIRT_LIT)

    def _light(self) -> NDArray[np.float64]:
        """How far the lit side lies off the middle: the lamp is up on the left."""
        return np.array([-0.006, -0.004]) * self._scale

    def _limb(
        self,
        picture: NDArray[np.uint8],
        a: NDArray[np.float64],
        b: NDArray[np.float64],
        radius_a: float,
        radius_b: float,
        colour: Colour,
        lit: Colour,
    ) -> None:
        """A tapered limb with a lit side; radii in body heights."""
        self._hull(picture, [(a, radius_a), (b, radius_b)], colour)
        self._hull(picture, [(a + self._light(), 0.55 * radius_a), (b + self._light(), 0.55 * radius_b)], lit)

    def _hull(
        self, picture: NDArray[np.uint8], circles: list[tuple[NDArray[np.float64], float]], colour: Colour
    ) -> None:
        """Fill the convex hull of circles; radii in body heights."""
        turn = np.linspace(0, 2 * np.pi, 24, endpoint=False)
        ring = np.stack([np.cos(turn), np.sin(turn)], axis=1)
        outline = np.concatenate([centre + radius * self._scale * ring for centre, radius in circles])
        hull = cv2.convexHull(outline.astype(np.float32))[:, 0]
        cv2.fillConvexPoly(picture, _fixed(hull), colour, cv2.LINE_AA, _PLACES)

    def _line(
        self,
        picture: NDArray[np.uint8],
        a: tuple[float, float],
        b: tuple[float, float],
        radius_px: float,
        colour: Colour,
    ) -> None:
        radius = radius_px / self._scale
        self._hull(picture, [(np.array(a), radius), (np.array(b), radius)], colour)


def _fixed(points: NDArray[np.floating[Any]]) -> NDArray[np.int32]:
    """cv2's fixed-point numbers."""
    fixed: NDArray[np.int32] = np.round(points * _ONE).astype(np.int32)
    return fixed


def _ellipse(
    picture: NDArray[np.uint8],
    centre: tuple[float, float],
    axes: tuple[float, float],
    tilt_deg: float,
    colour: Colour,
    arc_deg: tuple[int, int] = (0, 360),
) -> None:
    at = (round(centre[0] * _ONE), round(centre[1] * _ONE))
    size = (max(1, round(axes[0] * _ONE)), max(1, round(axes[1] * _ONE)))
    cv2.ellipse(picture, at, size, tilt_deg, *arc_deg, colour, -1, cv2.LINE_AA, _PLACES)


def _room(size: tuple[int, int], horizon_y: float) -> NDArray[np.uint8]:
    """A wall that is lighter above, and a floor that fades towards the wall."""
    width, height = size
    row = np.arange(height)[:, None]
    wall = np.array(_WALL_TOP) + (np.array(_WALL_BOTTOM) - np.array(_WALL_TOP)) * np.clip(row / horizon_y, 0, 1)
    depth = np.clip((row - horizon_y) / max(height - horizon_y, 1), 0, 1)
    floor = np.array(_FLOOR) * (0.92 + 0.14 * depth)
    column = np.where(row < horizon_y, wall, floor)
    side = 1 - 0.07 * np.abs(np.linspace(-1, 1, width)) ** 2
    room: NDArray[np.uint8] = np.clip(column[:, None] * side[None, :, None], 0, 255).astype(np.uint8)
    return room
