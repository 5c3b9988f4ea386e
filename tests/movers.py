"""Hand-made movers: puppets whose every stop is known, as pose tracks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kinebeat.pose.track import PoseTrack
from kinebeat.skeleton import LAYOUTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

JOINTS = LAYOUTS["rhythmicnet17"].joints
HEIGHT_M = 1.7
DURATION_S = 20.0
"""How long most movers are looked at."""

# A person who stands, in body heights: x right, y down, the soles at 0.
_STANDING = {
    "nose": (0.0, -0.93),
    "neck": (0.0, -0.82),
    "right_shoulder": (-0.11, -0.82),
    "right_elbow": (-0.13, -0.65),
    "right_wrist": (-0.14, -0.50),
    "left_shoulder": (0.11, -0.82),
    "left_elbow": (0.13, -0.65),
    "left_wrist": (0.14, -0.50),
    "mid_hip": (0.0, -0.52),
    "right_hip": (-0.06, -0.52),
    "right_knee": (-0.065, -0.275),
    "right_ankle": (-0.07, -0.03),
    "left_hip": (0.06, -0.52),
    "left_knee": (0.065, -0.275),
    "left_ankle": (0.07, -0.03),
    "left_big_toe": (0.09, 0.0),
    "right_big_toe": (-0.09, 0.0),
}


def frame_times_s(duration_s: float, fps: float = 30.0) -> NDArray[np.float64]:
    return np.arange(round(duration_s * fps)) / fps


def variable_frame_times_s(duration_s: float, seed: int = 0) -> NDArray[np.float64]:
    """A phone's variable frame rate: 15 to 45 ms between frames."""
    gaps = np.random.default_rng(seed).uniform(0.015, 0.045, int(duration_s / 0.015))
    times = np.concatenate([[0.0], np.cumsum(gaps)])
    return times[times < duration_s]


def standing(times_s: ArrayLike) -> NDArray[np.float64]:
    """(T, 17, 2) body heights: nothing moves."""
    pose = np.array([_STANDING[joint] for joint in JOINTS])
    return np.repeat(pose[None], len(np.asarray(times_s)), axis=0)


def swing_arms(body: NDArray[np.float64], angle: NDArray[np.float64], sides: str = "right left") -> NDArray[np.float64]:
    """Turn straight arms about the shoulders by an angle in radians (0 hangs down, positive is outwards), (T,)."""
    out = body.copy()
    for side in sides.split():
        outwards = -1.0 if side == "right" else 1.0
        shoulder = out[:, JOINTS.index(f"{side}_shoulder")]
        for joint, length in (("elbow", 0.17), ("wrist", 0.32)):
            direction = np.stack([outwards * np.sin(angle), np.cos(angle)], axis=1)
            out[:, JOINTS.index(f"{side}_{joint}")] = shoulder + length * direction
    return out


def pendulum(times_s: NDArray[np.float64], beat_s: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> PoseTrack:
    """Both arms swing, and stop whenever `beat_s`, which maps seconds to beats, is a whole number."""
    return track(swing_arms(standing(times_s), 0.8 + 0.7 * np.cos(np.pi * beat_s(times_s))), times_s)


def sharp_moves(
    times_s: NDArray[np.float64], stops_s: ArrayLike, sizes: ArrayLike = 1.0, move_s: float = 0.20
) -> NDArray[np.float64]:
    """Arm angle, (T,), that moves for `move_s` towards each stop, ever faster, stops dead at it, and comes back."""
    angle = np.full(len(times_s), 0.3)
    stops, sizes = np.broadcast_arrays(np.asarray(stops_s, float), np.asarray(sizes, float))
    direction = 1.0
    for stop, size in zip(stops, sizes, strict=True):
        progress = np.clip((times_s - (stop - move_s)) / move_s, 0, 1) ** 2
        angle = angle + direction * size * progress
        direction = -direction
    return angle


def jitter(shape: tuple[int, ...], sd: float, seed: int) -> NDArray[np.float64]:
    """A pose detector's noise on somebody who stands still: neighbouring frames are alike (0.5)."""
    white = np.random.default_rng(seed).normal(size=shape)
    out = np.empty(shape)
    out[0] = white[0]
    for i in range(1, len(out)):
        out[i] = 0.5 * out[i - 1] + np.sqrt(1 - 0.5**2) * white[i]
    return sd * out


def track(
    body: NDArray[np.float64],
    times_s: NDArray[np.float64],
    *,
    height_px: float = 500.0,
    feet_px: tuple[float, float] = (640.0, 700.0),
    shot: NDArray[np.int32] | None = None,
) -> PoseTrack:
    """Body heights to a pose track in pixels of a 1280 x 720 picture."""
    xy = (body * height_px + np.array(feet_px)).astype(np.float32)
    score = np.isfinite(xy[..., 0]).astype(np.float32)
    shot = np.zeros(len(times_s), np.int32) if shot is None else shot
    return PoseTrack(xy, score, np.asarray(times_s, float), "rhythmicnet17", shot, (1280, 720))


def in_space(body: NDArray[np.float64]) -> NDArray[np.float32]:
    """Body heights to metres, (T, 17, 3), y up, facing the z axis."""
    xyz = np.zeros((*body.shape[:2], 3), np.float32)
    xyz[..., 0], xyz[..., 1] = HEIGHT_M * body[..., 0], -HEIGHT_M * body[..., 1]
    return xyz


def walk_on_the_spot(
    times_s: NDArray[np.float64], beat_s: Callable[[NDArray[np.float64]], NDArray[np.float64]]
) -> NDArray[np.float64]:
    """Body that puts a foot down, right and left in turn, whenever `beat_s` is a whole number; the arms swing along."""
    beats = beat_s(times_s)
    body = standing(times_s)
    for side, first in (("right", 0), ("left", 1)):
        lift = np.where(np.floor(beats) % 2 == first, np.sin(np.pi * (beats % 1)), 0.0)
        for joint, height in (("knee", 0.10), ("ankle", 0.16), ("big_toe", 0.16)):
            body[:, JOINTS.index(f"{side}_{joint}"), 1] -= height * lift
        swing = 0.15 + 0.25 * np.cos(np.pi * (beats + first))
        body = swing_arms(body, swing, side)
    return body


def frames_at(fps: float | None, duration_s: float = DURATION_S) -> NDArray[np.float64]:
    return frame_times_s(duration_s, fps) if fps else variable_frame_times_s(duration_s)


def swinging(times_s: NDArray[np.float64]) -> PoseTrack:
    """Arms that swing at 118 BPM."""
    return pendulum(times_s, lambda s: (s - 0.2) * 118 / 60)


def walking(times_s: NDArray[np.float64]) -> PoseTrack:
    """Steps on the spot at 97 BPM."""
    return track(walk_on_the_spot(times_s, lambda s: (s - 0.3) * 97 / 60), times_s)


def punching(times_s: NDArray[np.float64]) -> PoseTrack:
    """Arms that stop dead, at 105.3 BPM."""
    return track(swing_arms(standing(times_s), sharp_moves(times_s, 0.8 + 60 / 105.3 * np.arange(33))), times_s)


MOVERS: dict[str, tuple[Callable[[NDArray[np.float64]], PoseTrack], float]] = {
    "swinging": (swinging, 118.0),
    "walking": (walking, 97.0),
    "punching": (punching, 105.3),
}
