"""Movement in space -> the `PoseTrack` that a video of it would give: bodies, cameras, frame rates.

Space is metres, y up, 60 frames a second; the joints are those of `rhythmicnet17`. What a detector does wrong
(`detector.py`) is put on the raw joints, which then go through the product's own cleaning (`kinebeat.pose.clean`), so
that what is left over is what is left over in a video.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from kinebeat.beats.truth.detector import detected, draw_noise
from kinebeat.beats.truth.mocap import facing
from kinebeat.errors import OptionError
from kinebeat.pose.clean import clean
from kinebeat.pose.track import PoseTrack
from kinebeat.skeleton import LAYOUTS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kinebeat.beats.truth.detector import Noise

    Floats = NDArray[np.float32]
    Draw = Literal["draw"]

SPACE_FPS = 60.0
FRAME_RATES = (15.0, 24000 / 1001, 24.0, 25.0, 30000 / 1001, 30.0, 50.0, 60000 / 1001, 60.0)
"""Pictures a second that cameras, phones and editors write."""
NOISE_FREE_SHARE = 0.2
"""Share of clips that are keypoints without a detector: projected motion capture."""
_FRAME_RATE_ODDS = (0.05, 0.1, 0.1, 0.12, 0.15, 0.25, 0.06, 0.07, 0.1)
_VARIABLE_SHARE = 0.1
# Short side and long side of ordinary pictures.
_PICTURES = ((360, 640), (480, 640), (480, 854), (540, 960), (720, 960), (720, 1280), (1080, 1920))
_NEAREST_M = 0.3
_LAYOUT = LAYOUTS["rhythmicnet17"]
_AT = {joint: _LAYOUT.index(joint) for joint in _LAYOUT.joints}
_HIP, _NECK = _AT["mid_hip"], _AT["neck"]
_MIRRORED = list(range(len(_LAYOUT.joints)))
for _left, _right in _LAYOUT.pairs:
    _MIRRORED[_left], _MIRRORED[_right] = _right, _left

# parent, child and the length factor that the bone follows, from the root outwards
_TREE = (
    ("mid_hip", "neck", "trunk"),
    ("neck", "nose", "trunk"),
    *(
        (parent.format(s), child.format(s), factor)
        for s in ("left", "right")
        for parent, child, factor in (
            ("neck", "{}_shoulder", "shoulders"),
            ("{}_shoulder", "{}_elbow", "arms"),
            ("{}_elbow", "{}_wrist", "arms"),
            ("mid_hip", "{}_hip", "trunk"),
            ("{}_hip", "{}_knee", "legs"),
            ("{}_knee", "{}_ankle", "legs"),
            ("{}_ankle", "{}_big_toe", "legs"),
        )
    ),
)


@dataclass(frozen=True)
class Body:
    """Proportions, as factors on the lengths of the bones.

    Attributes:
        arms: upper and lower arms.
        legs: thighs, shanks and feet; strides and the height of the hips go with them.
        trunk: back, neck and pelvis.
        shoulders: their width.
        whole: everything.
    """

    arms: float = 1.0
    legs: float = 1.0
    trunk: float = 1.0
    shoulders: float = 1.0
    whole: float = 1.0


@dataclass(frozen=True)
class Camera:
    """Where the camera is and what of the world is in its picture.

    Attributes:
        size: width and height of the picture in pixels.
        aim_m: the point in space that lies at `centre`.
        centre: where in the picture, as shares of width and height (y down).
        px_per_m: pixels of a metre at the aim.
        distance_m: from the aim.
        azimuth_rad: about the vertical, from the z axis towards the x axis.
        elevation_rad: above the aim; negative looks up.
        roll_rad: about the line of sight.
        perspective: real perspective; otherwise all is as large as at the aim (weak perspective).
        mirror: picture flipped as in a selfie; the detector then takes left for right.
        follow: share of the person's path that the camera goes along with.
        pan_rad: the camera turns to and fro by this much, ...
        pan_period_s: ... in this time, ...
        pan_phase_rad: ... from here.
    """

    size: tuple[int, int] = (1280, 720)
    aim_m: tuple[float, float, float] = (0.0, 0.9, 0.0)
    centre: tuple[float, float] = (0.5, 0.5)
    px_per_m: float = 300.0
    distance_m: float = 4.0
    azimuth_rad: float = 0.0
    elevation_rad: float = 0.0
    roll_rad: float = 0.0
    perspective: bool = True
    mirror: bool = False
    follow: float = 0.0
    pan_rad: float = 0.0
    pan_period_s: float = 20.0
    pan_phase_rad: float = 0.0


def film(
    xyz: Floats,
    rng: np.random.Generator,
    *,
    fps: float | None = None,
    body: Body | Draw | None = "draw",
    camera: Camera | Draw = "draw",
    noise: Noise | Draw | None = "draw",
    cleaned: bool = True,
) -> PoseTrack:
    """Film a movement and find its joints.

    Args:
        xyz: (T, 17, 3) metres, y up, `SPACE_FPS`, `rhythmicnet17`.
        rng: where all that is drawn comes from.
        fps: pictures a second, evenly; None draws one of `FRAME_RATES`, now and then a varying one.
        body: proportions; None leaves the body as it is.
        camera: the camera.
        noise: the detector; None gives the joints as they are in the picture, without cleaning.
        cleaned: what the detector finds is cleaned as the product cleans it; otherwise it is as a live engine gets it.

    Returns:
        The track; NaN where a joint is outside the picture or was not found.

    Raises:
        OptionError: xyz has the wrong shape, holds what is not finite, or is shorter than half a second.
    """
    _check(xyz)
    if body == "draw":
        body = draw_body(rng)
    if body is not None:
        xyz = in_proportion(xyz, body)
    if camera == "draw":
        camera = draw_camera(xyz, rng)
    if noise == "draw":
        noise = None if rng.random() < NOISE_FREE_SHARE else draw_noise(rng, body_height_m(xyz) * camera.px_per_m)
    times_s = draw_times_s(rng, (len(xyz) - 1) / SPACE_FPS, fps)
    xy, depth_m = _seen_from(xyz, camera)
    xy, depth_m = _at(xy, times_s), _at(depth_m, times_s)
    shot = np.zeros(len(times_s), np.int32)
    if noise is None:
        with np.errstate(invalid="ignore"):
            inside = ((xy >= 0) & (xy <= np.array(camera.size, np.float32))).all(axis=-1)
        xy = np.where(inside[..., None], xy, np.float32(np.nan)).astype(np.float32)
        return PoseTrack(xy, inside.astype(np.float32), times_s, _LAYOUT.name, shot, camera.size)
    height_m = body_height_m(xyz)
    xy, score = detected(xy, depth_m, times_s, height_m, _height_px(height_m, depth_m, camera), noise, rng)
    if not cleaned:
        return PoseTrack(xy, score, times_s, _LAYOUT.name, shot, camera.size)
    return clean(xy, score, times_s, _LAYOUT.name, camera.size)


def project(xyz: Floats, camera: Camera) -> Floats:
    """Where joints are in the picture.

    Args:
        xyz: (T, 17, 3) metres, y up, `SPACE_FPS`.
        camera: the camera.

    Returns:
        (T, 17, 2) float32, pixels, y down, also beyond the edges; NaN behind the camera.
    """
    return _seen_from(xyz, camera)[0]


def _seen_from(xyz: Floats, camera: Camera) -> tuple[Floats, Floats]:
    """Places in the picture, (T, 17, 2), and distances along the line of sight, (T, 17)."""
    point = xyz - np.array(camera.aim_m, np.float32)
    if camera.follow:
        from scipy.ndimage import gaussian_filter1d

        path = gaussian_filter1d(xyz[:, _HIP], 0.7 * SPACE_FPS, axis=0, mode="nearest")
        path -= np.median(path, axis=0)
        path[:, 1] = 0.0
        point = point - np.float32(camera.follow) * path[:, None]
    sin_a, cos_a = np.sin(camera.azimuth_rad), np.cos(camera.azimuth_rad)
    sin_e, cos_e = np.sin(camera.elevation_rad), np.cos(camera.elevation_rad)
    right = np.array([cos_a, 0.0, -sin_a])
    towards = np.array([sin_a * cos_e, sin_e, cos_a * cos_e])
    axes = np.stack([right, np.cross(towards, right), towards], axis=1).astype(np.float32)
    x, y, z = np.moveaxis(point @ axes, -1, 0)
    depth = camera.distance_m - z
    if camera.pan_rad:
        t = np.arange(len(xyz)) / SPACE_FPS
        yaw = camera.pan_rad * np.sin(2 * np.pi * t / camera.pan_period_s + camera.pan_phase_rad)
        yaw = yaw.astype(np.float32)[:, None]
        if camera.perspective:
            x, depth = x * np.cos(yaw) - depth * np.sin(yaw), x * np.sin(yaw) + depth * np.cos(yaw)
        else:
            x = x - np.float32(camera.distance_m) * np.tan(yaw)
    with np.errstate(divide="ignore"):
        scale = camera.px_per_m * (camera.distance_m / depth if camera.perspective else np.ones_like(depth))
    scale = np.where(depth > _NEAREST_M, scale, np.nan)
    sin_r, cos_r = np.sin(camera.roll_rad), np.cos(camera.roll_rad)
    width, height = camera.size
    u = camera.centre[0] * width + scale * (cos_r * x - sin_r * y)
    v = camera.centre[1] * height - scale * (sin_r * x + cos_r * y)
    if camera.mirror:
        u, v, depth = width - u[:, _MIRRORED], v[:, _MIRRORED], depth[:, _MIRRORED]
    return np.stack([u, v], axis=-1).astype(np.float32), depth.astype(np.float32)


def in_front(xyz: NDArray[np.floating[Any]], *, px_per_m: float, distance_m: float, perspective: bool = True) -> Camera:
    """A level camera that stands still before the person and aims at the hips.

    Args:
        xyz: (T, 17, 3) metres, y up; it stands where the body faces in the mean.
        px_per_m: pixels of a metre at the hips.
        distance_m: from the hips.
        perspective: see `Camera`.
    """
    x_m, y_m, z_m = (float(middle) for middle in np.median(xyz[:, _HIP], axis=0))
    ahead = facing(xyz).mean(0)
    return Camera(
        aim_m=(x_m, y_m, z_m),
        px_per_m=px_per_m,
        distance_m=distance_m,
        azimuth_rad=float(np.arctan2(ahead[0], ahead[2])),
        perspective=perspective,
    )


def in_proportion(xyz: Floats, body: Body) -> Floats:
    """The same movement done by a body of other proportions, (T, 17, 3); angles stay, steps fit the legs."""
    new = xyz.copy()
    new[:, _HIP] = xyz[:, _HIP] * (body.legs * body.whole)
    for parent, child, factor in _TREE:
        a, b = _AT[parent], _AT[child]
        new[:, b] = new[:, a] + (xyz[:, b] - xyz[:, a]) * (getattr(body, factor) * body.whole)
    return new


def body_height_m(xyz: Floats) -> float:
    """Height of the person: thigh and shank are 0.49 of it, the back 0.30 (Winter 2009, fig. 4.1, rounded)."""
    joints = [_AT[joint] for joint in ("left_hip", "left_knee", "left_ankle")]
    bones = np.linalg.norm(np.diff(xyz[::8, joints], axis=1), axis=-1).sum(axis=1)
    back = np.linalg.norm(xyz[::8, _NECK] - xyz[::8, _HIP], axis=-1)
    return float((np.median(bones) + np.median(back)) / 0.79)


def draw_body(rng: np.random.Generator) -> Body:
    """Proportions, each within a tenth of the ordinary."""
    return Body(*(float(factor) for factor in rng.uniform(0.9, 1.1, 5)))


def draw_times_s(rng: np.random.Generator, duration_s: float, fps: float | None = None) -> NDArray[np.float64]:
    """Time stamps of the pictures from 0 to `duration_s`, (T,), evenly where `fps` is given."""
    rate = fps if fps is not None else float(rng.choice(FRAME_RATES, p=_FRAME_RATE_ODDS))
    times_s: NDArray[np.float64] = np.arange(int(duration_s * rate + 1e-6) + 1) / rate
    if fps is None and rng.random() < _VARIABLE_SHARE:
        # A phone: each picture is late by part of a step, and some are left out.
        times_s = times_s + rng.uniform(0.0, rng.uniform(0.1, 0.7), len(times_s)) / rate
        kept = rng.random(len(times_s)) >= rng.uniform(0.0, 0.1)
        times_s = times_s[kept & (times_s <= duration_s)]
    return times_s


def draw_camera(xyz: Floats, rng: np.random.Generator) -> Camera:
    """A camera as people hold it: mostly in front, mostly with the whole person in the picture."""
    short, long = _PICTURES[rng.integers(len(_PICTURES))]
    size = (short, long) if rng.random() < 0.4 else (long, short)
    height_m, hip = body_height_m(xyz), np.median(xyz[:, _HIP], axis=0)
    left = (xyz[:, _AT["left_hip"]] - xyz[:, _AT["right_hip"]]).mean(axis=0)
    facing_rad = float(np.arctan2(-left[2], left[0]))  # the person's left x up
    frontal = rng.random() < 0.7
    azimuth = facing_rad + (rng.normal(0.0, np.radians(40.0)) if frontal else rng.uniform(-np.pi, np.pi))
    kind = rng.choice(("whole", "legs cut", "side cut"), p=(0.78, 0.16, 0.06))
    # The hips are a little above the middle of a standing person.
    if kind == "legs cut":
        share = rng.uniform(1.1, 1.9)
        centre_y = rng.uniform(0.04, 0.12) + 0.42 * share
    else:
        # Raised and spread arms have to fit into an upright picture too.
        share = rng.uniform(0.4, 0.9) * min(1.0, 1.5 * size[0] / size[1])
        centre_y = 0.5 + rng.uniform(-0.5, 0.5) * (1.0 - share) * 0.9 - 0.02
    centre_x = rng.uniform(0.03, 0.15) if kind == "side cut" else rng.normal(0.5, 0.08)
    if kind == "side cut" and rng.random() < 0.5:
        centre_x = 1.0 - centre_x
    px_per_m = share * size[1] / height_m
    distance_m = float(rng.uniform(2.0, 8.0))
    travel_m = float(np.ptp(np.percentile(xyz[:, _HIP][:, [0, 2]], (3, 97), axis=0), axis=0).max())
    too_far = travel_m > min(0.6 * size[0] / px_per_m, 0.6 * distance_m)
    if too_far and rng.random() < 0.9:
        follow = float(rng.uniform(0.85, 1.0))
    else:
        follow = float(rng.uniform(0.2, 1.0)) if rng.random() < 0.25 else 0.0
    panned = rng.random() < 0.25
    view_rad = float(np.arctan(0.5 * size[0] / (px_per_m * distance_m)))
    camera = Camera(
        size=size,
        aim_m=(float(hip[0]), float(hip[1]), float(hip[2])),
        centre=(float(centre_x), float(centre_y)),
        px_per_m=float(px_per_m),
        distance_m=distance_m,
        azimuth_rad=float(azimuth),
        elevation_rad=float(np.radians(rng.triangular(-10.0, 3.0, 30.0))),
        roll_rad=float(np.radians(rng.normal(0.0, 2.0))),
        perspective=bool(rng.random() < 0.7),
        mirror=bool(rng.random() < 0.5),
        follow=follow,
        pan_rad=view_rad * float(rng.uniform(0.05, 0.3)) if panned else 0.0,
        pan_period_s=float(rng.uniform(10.0, 40.0)),
        pan_phase_rad=float(rng.uniform(0.0, 2 * np.pi)),
    )
    neck = project(xyz, camera)[:, _NECK]
    with np.errstate(invalid="ignore"):
        in_picture = float(((neck > 0) & (neck < np.array(size))).all(axis=-1).mean())
    # Whoever films somebody who is hardly ever there goes along.
    return camera if in_picture > 0.5 else replace(camera, follow=1.0, pan_rad=0.0)


def _height_px(height_m: float, depth_m: Floats, camera: Camera) -> float:
    """How tall a person is in the picture whose joints are as far off as (T, 17) `depth_m` has them."""
    height_px = height_m * camera.px_per_m
    if camera.perspective:
        height_px *= float(camera.distance_m / max(_NEAREST_M, np.median(depth_m[:, _HIP])))
    return height_px


def _at(x: Floats, times_s: NDArray[np.float64]) -> Floats:
    """Values at other times, (K, ...), of x (T, ...) at `SPACE_FPS`: a cubic through four neighbours (Catmull-Rom)."""
    place = times_s * SPACE_FPS
    first = np.clip(np.floor(place + 1e-9).astype(int), 0, len(x) - 2)
    u = (place - first).astype(np.float32).reshape(-1, *([1] * (x.ndim - 1)))
    a, b, c, d = (x[np.clip(first + k, 0, len(x) - 1)] for k in (-1, 0, 1, 2))
    slope_b, slope_c = (c - a) / 2, (d - b) / 2
    cubic = (2 * b - 2 * c + slope_b + slope_c) * u**3 + (3 * c - 3 * b - 2 * slope_b - slope_c) * u**2
    return np.asarray(cubic + slope_b * u + b, np.float32)


def _check(xyz: Floats) -> None:
    joints = len(_LAYOUT.joints)
    if xyz.ndim != 3 or xyz.shape[1:] != (joints, 3) or len(xyz) < SPACE_FPS / 2:
        raise OptionError(f"a movement to film is (T, {joints}, 3) of half a second or more, got {xyz.shape}")
    if not np.isfinite(xyz).all():
        raise OptionError("a movement to film must be finite everywhere; fill the gaps first")
