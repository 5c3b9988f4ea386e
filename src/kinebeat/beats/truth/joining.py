"""Pieces of movement and how they become one: turned, moved and faded into each other, arms exchanged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kinebeat.beats.truth.landings import JOINTS, UPPER
from kinebeat.beats.truth.mocap import facing
from kinebeat.beats.truth.warp import Fit, warp
from kinebeat.motion import MOTION_FPS
from kinebeat.skeleton import LAYOUTS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.random import Generator
    from numpy.typing import NDArray

    from kinebeat.beats.truth.material import Material

TREADMILL_SIGMA_S, TREADMILL = 1.0, 0.9
"""Share of the way across the floor that is taken out, so that a dance of joined pieces stays in the picture."""
MIDDLE = JOINTS.index("mid_hip")
_SWAPPED = np.arange(len(JOINTS))
for _left, _right in LAYOUTS["rhythmicnet17"].pairs:
    _SWAPPED[[_left, _right]] = _right, _left


@dataclass(frozen=True)
class Piece:
    """A stretch of a dance: the body at any beat of the grid from `start_beat`, usable a little beyond `end_beat`."""

    start_beat: float
    end_beat: float
    body: Callable[[NDArray[np.float64]], NDArray[np.float32]]
    content: str


def player(
    m: Material, fit: Fit, start_s: float, start_beat: float, mirrored: bool, later: float = 0.0
) -> Callable[[NDArray[np.float64]], NDArray[np.float32]]:
    """The body of a fitted recording at any beat, `later` beats after where it was fitted."""
    inner = fit.at_beat > start_beat + 0.05
    kept = Fit(fit.at_s[inner], fit.at_beat[inner], fit.worth)

    def body(beats: NDArray[np.float64]) -> NDArray[np.float32]:
        xyz = m.at(warp(kept, start_s, start_beat, beats - later))
        return _mirrored(xyz) if mirrored else xyz

    return body


def unwarped(
    m: Material, offset_s: float, pace: float, mirrored: bool
) -> Callable[[NDArray[np.float64]], NDArray[np.float32]]:
    """The body of a recording at any second, at a pace of its own."""

    def body(times_s: NDArray[np.float64]) -> NDArray[np.float32]:
        xyz = m.at(times_s * pace + offset_s)
        return _mirrored(xyz) if mirrored else xyz

    return body


def with_arms(
    lower: Callable[[NDArray[np.float64]], NDArray[np.float32]],
    upper: Callable[[NDArray[np.float64]], NDArray[np.float32]] | None,
    moving: float,
) -> Callable[[NDArray[np.float64]], NDArray[np.float32]]:
    """A body with another one's arms, or with arms that move only in part."""
    if upper is None and moving == 1.0:
        return lower
    elbows, wrists = UPPER[::2], UPPER[1::2]
    shoulders = [JOINTS.index(f"{side}_shoulder") for side in ("left", "right")]

    def body(beats: NDArray[np.float64]) -> NDArray[np.float32]:
        xyz = lower(beats)
        arms = xyz if upper is None else upper(beats)
        turn = _yaw(facing(xyz)) - _yaw(facing(arms))
        hanging = arms[:, [*elbows, *wrists]] - arms[:, [*shoulders, *shoulders]]
        hanging = _turned(hanging, turn)
        if moving != 1.0:
            middle = hanging.mean(0, keepdims=True)
            hanging = middle + np.float32(moving) * (hanging - middle)
        xyz = xyz.copy()
        xyz[:, [*elbows, *wrists]] = xyz[:, [*shoulders, *shoulders]] + hanging
        return xyz

    return body


def joined(pieces: Sequence[Piece], beat: NDArray[np.float64], rng: Generator) -> NDArray[np.float32]:
    """The body at each frame: pieces one after the other, each turned and moved to where the last one stands."""
    out = np.zeros((len(beat), len(JOINTS), 3), np.float32)
    first_frame = into = 0
    for k, piece in enumerate(pieces):
        last_frame = min(len(beat), int(np.searchsorted(beat, piece.end_beat)))
        fade = round(float(rng.uniform(0.15, 0.40)) * MOTION_FPS)
        until = min(len(beat), last_frame + fade)
        if until <= first_frame or first_frame >= len(beat):
            continue
        xyz = piece.body(beat[first_frame:until])
        if k == 0:
            out[first_frame:until] = xyz
        else:
            overlap = min(into, until - first_frame)
            middle = min(overlap // 2, len(xyz) - 1)
            there = out[first_frame + middle]
            yaw = float(_yaw(facing(there[None]))[0] - _yaw(facing(xyz[middle : middle + 1]))[0])
            xyz = _turned(xyz, yaw)
            moved = there[MIDDLE] - xyz[middle, MIDDLE]
            moved[1] = 0.0
            xyz = xyz + moved
            ramp = np.linspace(0, 1, overlap + 2, dtype=np.float32)[1:-1, None, None]
            ramp = ramp * ramp * (3 - 2 * ramp)
            out[first_frame : first_frame + overlap] *= 1 - ramp
            out[first_frame : first_frame + overlap] += ramp * xyz[:overlap]
            out[first_frame + overlap : until] = xyz[overlap:]
        into, first_frame = until - last_frame, last_frame
    return out


def on_the_spot(xyz: NDArray[np.float32]) -> NDArray[np.float32]:
    """Most of the way across the floor taken out."""
    from scipy.ndimage import gaussian_filter1d

    way = xyz[:, MIDDLE] * np.array([1, 0, 1], np.float32)
    slow = gaussian_filter1d(way, TREADMILL_SIGMA_S * MOTION_FPS, axis=0, mode="nearest")
    return np.asarray(xyz - np.float32(TREADMILL) * slow[:, None])


def _mirrored(xyz: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(xyz[:, _SWAPPED] * np.array([-1, 1, 1], np.float32))


def _yaw(ahead: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.arctan2(ahead[:, 0], ahead[:, 2]))


def _turned(xyz: NDArray[np.float32], yaw: NDArray[np.float64] | float) -> NDArray[np.float32]:
    """Positions turned about the upright axis."""
    cos, sin = (np.asarray(f(yaw), np.float32) for f in (np.cos, np.sin))
    if cos.ndim:
        cos, sin = cos[:, None], sin[:, None]
    x, z = xyz[..., 0], xyz[..., 2]
    return np.stack([x * cos + z * sin, xyz[..., 1], z * cos - x * sin], axis=-1)
