"""Cameras of the simulator: metres -> pixels.

Space is metres: x to the player's right, y the way the player faces, z up. An overhead film is one from 90 degrees
above; from azimuth 0, the side that the player faces, the player is at the top of the picture and the bass at the
right.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kinebeat.performance.truth.simulator.piano_plan import KEY_M, LENGTH_M

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kinebeat.performance.truth.simulator.figure import Figure

    Floats = NDArray[np.float64]

FRAME_RATES = (20.0, 24.0, 25.0, 30000 / 1001, 30.0, 60.0)
"""Pictures a second of films by chance."""
_FRAME_RATE_ODDS = (0.35, 0.05, 0.15, 0.2, 0.2, 0.05)
_SIZES = ((640, 272), (640, 360), (640, 480), (1280, 720), (1920, 1080))
_FRONT_SIZES = ((640, 360), (640, 480), (1280, 720), (1920, 1080), (720, 1280))
_NEAREST_M = 0.05
_UPPER = [*range(8), *range(15, 19), *range(25, 67)]  # head, arms and hands


@dataclass(frozen=True, eq=False)
class Camera:
    """A camera that stands still.

    Attributes:
        matrix: (3, 4) takes (x, y, z, 1) in metres to homogeneous pixels; the third is the depth in metres.
        size: width and height of the picture.
    """

    matrix: Floats
    size: tuple[int, int]

    def project(self, places_m: Floats) -> Floats:
        """(..., 3) metres -> (..., 2) pixels; NaN behind the camera."""
        found = places_m @ self.matrix[:, :3].T + self.matrix[:, 3]
        depth = np.where(found[..., 2] > _NEAREST_M, found[..., 2], np.nan)
        return np.asarray(found[..., :2] / depth[..., None])

    def to_keys(self) -> Floats:
        """(3, 3) homography of the keyboard's plane, z = 0: homogeneous pixels -> (u, v, 1) over their depth."""
        plane = self.matrix[:, [0, 1, 3]] @ np.diag([KEY_M, LENGTH_M, 1.0])
        back = np.linalg.inv(plane)
        return np.asarray(back)


def camera(
    *,
    size: tuple[int, int],
    aim_m: tuple[float, float, float],
    px_per_m: float,
    distance_m: float,
    azimuth_rad: float = 0.0,
    elevation_rad: float = 0.0,
    roll_rad: float = 0.0,
    centre: tuple[float, float] = (0.5, 0.5),
) -> Camera:
    """Place a camera.

    Args:
        size: width and height of the picture.
        aim_m: what lies at `centre`.
        px_per_m: pixels of a metre at the aim.
        distance_m: from the aim.
        azimuth_rad: from the side that the player faces, towards the player's right.
        elevation_rad: above the aim; a quarter turn looks straight down.
        roll_rad: turns the picture clockwise.
        centre: where in the picture the aim lies, as shares of width and height.
    """
    sin_a, cos_a = np.sin(azimuth_rad), np.cos(azimuth_rad)
    sin_e, cos_e = np.sin(elevation_rad), np.cos(elevation_rad)
    towards = np.array([sin_a * cos_e, cos_a * cos_e, sin_e])
    right = np.array([-cos_a, sin_a, 0.0])
    down = np.cross(-towards, right)
    cos_r, sin_r = np.cos(roll_rad), np.sin(roll_rad)
    turned = np.stack([cos_r * right - sin_r * down, sin_r * right + cos_r * down, -towards])
    position = np.asarray(aim_m) + distance_m * towards
    focal = px_per_m * distance_m
    inner = np.array([[focal, 0.0, centre[0] * size[0]], [0.0, focal, centre[1] * size[1]], [0.0, 0.0, 1.0]])
    return Camera(inner @ np.concatenate([turned, -(turned @ position)[:, None]], axis=1), size)


def draw_fps(rng: np.random.Generator) -> float:
    """A frame rate by chance."""
    return float(rng.choice(FRAME_RATES, p=_FRAME_RATE_ODDS))


def draw_keyboard_camera(rng: np.random.Generator, low_u: float, high_u: float) -> Camera:
    """A camera above a keyboard, as pianists film themselves: mostly straight from above, whatever way up.

    Args:
        rng: where it comes from.
        low_u: the lowest key that is played, white keys, ...
        high_u: ... and the highest. Mostly they are in the picture.
    """
    width, height = size = _SIZES[int(rng.choice(len(_SIZES), p=(0.4, 0.15, 0.1, 0.25, 0.1)))]
    # A keyboard fills the picture's width; or only the part that is played, with something beside it.
    played = high_u - low_u + 2 * rng.uniform(2.0, 8.0)
    shown = rng.uniform(50.0, 62.0) if rng.random() < 0.7 else float(np.clip(played, 16.0, 60.0))
    spare = max(0.0, shown - played) / 2
    middle = (low_u + high_u) / 2 + rng.uniform(-spare, spare)
    px_per_key = width / shown
    steep = np.deg2rad(90 - abs(rng.normal(0, 9)) if rng.random() < 0.75 else rng.uniform(40, 80))
    side = np.deg2rad(rng.choice([0.0, 180.0], p=[0.5, 0.5]) + rng.normal(0, 5))
    # The keys' front edge near the middle: above it there are hands, below it keys.
    down = float(np.clip(0.5 + rng.normal(0, 0.08), 0.35, 0.65))
    if height / px_per_key < 12:
        down = 0.5
    return camera(
        size=size,
        aim_m=(middle * KEY_M, 0.1 * LENGTH_M, 0.0),
        px_per_m=px_per_key / KEY_M,
        distance_m=float(rng.uniform(0.9, 2.5)),
        azimuth_rad=float(side),
        elevation_rad=float(steep),
        roll_rad=float(np.deg2rad(rng.normal(0, 3))),
        centre=(0.5, down),
    )


def film_from_front(places_m: Floats, figure: Figure, rng: np.random.Generator) -> Camera:
    """A camera in front of a player: all of the body, or from the hips or the waist up; hands and head are in it.

    Args:
        places_m: (T, 67, 3) joints of the player.
        figure: who plays.
        rng: where chance comes from.
    """
    upper = places_m[:, _UPPER].reshape(-1, 3)
    low, high = np.nanpercentile(upper, [1, 99], axis=0)
    bottom = {"all": 0.0, "knees": 0.35, "hips": min(figure.hip_m, float(low[2])) - 0.05}
    bottom_m = bottom[str(rng.choice(list(bottom), p=(0.25, 0.3, 0.45)))]
    top_m = max(figure.neck_m + 0.35, float(high[2]) + 0.05)
    width, height = size = _FRONT_SIZES[int(rng.choice(len(_FRONT_SIZES), p=(0.2, 0.2, 0.3, 0.2, 0.1)))]
    tall_m = (top_m - bottom_m) * rng.uniform(1.0, 1.35)
    wide_m = (float(high[0] - low[0]) + 0.2) * rng.uniform(1.0, 1.3)
    azimuth = np.deg2rad(np.clip(rng.normal(0.0, 20.0), -55, 55))
    return camera(
        size=size,
        aim_m=(float(low[0] + high[0]) / 2, float(low[1] + high[1]) / 2, (bottom_m + top_m) / 2),
        px_per_m=min(height / tall_m, width / wide_m),
        distance_m=float(rng.uniform(1.6, 5.0)),
        azimuth_rad=float(azimuth),
        elevation_rad=float(np.deg2rad(rng.normal(4.0, 6.0))),
        roll_rad=float(np.deg2rad(rng.normal(0.0, 2.0))),
        centre=(float(rng.uniform(0.47, 0.53)), 0.5),
    )
