"""Drawn keyboards whose every key is known, seen by any camera."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from kinebeat.performance.piano_keys import BLACK_FROM_V, BLACK_U, CENTRE_U, IS_BLACK, KEY_LENGTH_U

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kinebeat.performance.keyboard import Keyboard

_FINE = 2
_WHITE, _BLACK, _BODY, _GAP, _TABLE, _SKIN = 225.0, 45.0, 60.0, 120.0, 150.0, 170.0


def camera(
    *,
    angle_deg: float = 0.0,
    key_px: float = 12.0,
    middle_px: tuple[float, float] = (360.0, 360.0),
    middle_u: float = 26.0,
    length: float = KEY_LENGTH_U,
    narrows: tuple[float, float] = (0.0, 0.0),
    mirrored: bool = False,
) -> NDArray[np.float64]:
    """(3, 3) key units to pixels.

    Args:
        angle_deg: 0 where the player sits at the bottom of the picture, 180 at its top; clockwise.
        key_px: width of a white key in the middle.
        middle_px: where (middle_u, 0.5) is seen.
        middle_u: the key in the middle.
        length: of the keys, in their widths; less than 6.4 where the camera looks from the front.
        narrows: by how much keys look smaller a whole keyboard further right, and a whole key further back.
        mirrored: whether the picture is flipped left to right before it is turned.
    """
    centred = np.array([[1.0, 0, -middle_u], [0, -length, length / 2], [0, 0, 1]])
    perspective = np.array([[1.0, 0, 0], [0, 1, 0], [narrows[0] / 52, -narrows[1] / length, 1]])
    angle = np.deg2rad(angle_deg)
    side = -1.0 if mirrored else 1.0
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    turn[:2] *= key_px
    turn[:2, 2] = middle_px
    return turn @ np.diag([side, 1.0, 1.0]) @ perspective @ centred


def draw_keyboard(
    to_pixels: NDArray[np.float64],
    size: tuple[int, int] = (720, 720),
    *,
    first: int = 0,
    last: int = 51,
    table: float = _TABLE,
    noise: float = 3.0,
    seed: int = 0,
) -> NDArray[np.uint8]:
    """Draw a keyboard on a table.

    Args:
        to_pixels: (3, 3) key units to pixels.
        size: (width, height).
        first: its lowest white key.
        last: its highest white key.
        table: grey level beside it.
        noise: standard deviation, grey levels.
        seed: of the noise.

    Returns:
        (H, W) uint8 grey.
    """
    width, height = size
    at = (np.stack(np.meshgrid(np.arange(width * _FINE), np.arange(height * _FINE)), -1) + 0.5) / _FINE - 0.5
    p = np.concatenate([at, np.ones((*at.shape[:2], 1))], -1) @ np.linalg.inv(to_pixels).T
    # behind the horizon there is only the table
    ahead = p[..., 2] > 0
    u, v = np.where(ahead, p[..., 0] / p[..., 2], -99), np.where(ahead, p[..., 1] / p[..., 2], -99)
    picture = np.full(u.shape, table, np.float64)
    body = (u > first - 2) & (u < last + 3) & (v > -0.1) & (v < 2.2)
    picture[body] = _BODY
    keys = (u >= first) & (u <= last + 1) & (v >= 0) & (v <= 1)
    picture[keys] = _WHITE
    picture[keys & (np.abs(u - np.round(u)) < 0.04)] = _GAP
    # whether a hundredth of a white key belongs to a black one
    hundredths = (np.arange(5200) + 0.5) / 100
    there = BLACK_U[(first + 0.5 < BLACK_U) & (last + 0.5 > BLACK_U)]
    is_black = np.abs(hundredths[:, None] - there).min(axis=1, initial=9.0) < 0.28
    on = keys & (v >= BLACK_FROM_V) & is_black[np.clip((u * 100).astype(np.int64), 0, 5199)]
    picture[on] = _BLACK
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return with_noise(small, noise, seed)


def with_noise(picture: NDArray[np.floating], noise: float, seed: int) -> NDArray[np.uint8]:
    shaken = picture + np.random.default_rng(seed).normal(0, noise, picture.shape)
    return np.clip(np.round(shaken), 0, 255).astype(np.uint8)


def with_hands(
    picture: NDArray[np.uint8], to_pixels: NDArray[np.float64], hands_u: tuple[float, ...], key_px: float = 12.0
) -> NDArray[np.uint8]:
    """Lay blobs as wide as hands, seven keys, over the keys, each with an arm towards the player."""
    covered = picture.copy()
    for u in hands_u:
        hand, elbow = (to_pixels @ [u, v, 1.0] for v in (0.3, -2.5))
        hand, elbow = hand[:2] / hand[2], elbow[:2] / elbow[2]
        as_int = [tuple(int(c) for c in np.round(p)) for p in (hand, elbow)]
        cv2.line(covered, as_int[0], as_int[1], _SKIN - 15, round(3 * key_px))
        cv2.circle(covered, as_int[0], round(3.5 * key_px), _SKIN, -1)
    return covered


def errors(keyboard: Keyboard, to_pixels: NDArray[np.float64]) -> tuple[float, float]:
    """The largest errors in u, in white keys, and in v over the middles of the keys that are said to be seen."""
    seen = (keyboard.first < CENTRE_U) & (keyboard.last + 1 > CENTRE_U)
    uv = np.column_stack([CENTRE_U, np.where(IS_BLACK, 0.7, 0.2)])[seen]
    p = np.column_stack([uv, np.ones(len(uv))]) @ to_pixels.T
    off = np.abs(keyboard.key_units(p[:, :2] / p[:, 2:]) - uv)
    return float(off[:, 0].max()), float(off[:, 1].max())
