"""A player's body and hands in space, for all who are not filmed from above.

Space is metres: x to the player's right, y the way the player faces, z up from the floor; the player sits or stands at
the origin. Sizes are those of an adult 1.72 m tall.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kinebeat.performance.truth.simulator.detector import HANDS, LAYOUT
from kinebeat.performance.truth.simulator.hand import BONES_M, KNUCKLES_M, joints_of
from kinebeat.performance.truth.simulator.motion import PEAK_SPEED, glide, sway

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

HIP_SEATED_M, HIP_STANDING_M = 0.52, 0.93
_NECK_UP_M, _UPPER_ARM_M, _FOREARM_M = 0.50, 0.29, 0.26
_SHOULDER_M = (0.18, 0.0, -0.03)
# From the neck: x, forward, up.
_HEAD = {"nose": (0.0, 0.11, 0.17), "eye": (0.032, 0.085, 0.205), "ear": (0.075, 0.01, 0.185)}
# From the middle of the hips to the floor, seated and standing; of the right side.
_LEGS = {
    True: {"hip": (0.1, 0, 0), "knee": (0.16, 0.43, 0.0), "ankle": (0.16, 0.4, -0.44)},
    False: {"hip": (0.1, 0, 0), "knee": (0.12, 0.02, -0.42), "ankle": (0.12, -0.02, -0.84)},
}
_FEET = {"heel": (0.0, -0.05, -0.05), "big_toe": (0.0, 0.17, -0.06), "small_toe": (0.06, 0.15, -0.06)}


@dataclass(frozen=True)
class Figure:
    """Somebody who plays.

    Attributes:
        seated: or standing.
        size: an adult of 1.72 m being 1.
        hand: size of the hands, the same.
        lively: how much the body goes along, an ordinary player being 1.
        fastest_m_s: how fast a hand can go.
    """

    seated: bool
    size: float = 1.0
    hand: float = 1.0
    lively: float = 1.0
    fastest_m_s: float = 2.0

    @property
    def hip_m(self) -> float:
        """Height of the hips."""
        return self.size * (HIP_SEATED_M if self.seated else HIP_STANDING_M)

    @property
    def neck_m(self) -> float:
        """Height of the neck."""
        return self.hip_m + self.size * _NECK_UP_M


def draw_figure(rng: np.random.Generator, *, seated_share: float) -> Figure:
    """A player by chance."""
    size = float(np.clip(rng.normal(1.0, 0.06), 0.8, 1.15))
    return Figure(
        seated=bool(rng.random() < seated_share),
        size=size,
        hand=size * float(np.clip(rng.normal(1.0, 0.05), 0.85, 1.15)),
        lively=float(np.exp(0.5 * rng.normal())),
        fastest_m_s=float(rng.uniform(1.5, 2.5)),
    )


def stepped(times_s: Floats, at_s: Floats, places: Floats, quick_s: float, fastest: float = np.inf) -> Floats:
    """Be at each place from its moment on, and arrive just then.

    Args:
        times_s: (T,) when to look.
        at_s: (K,) rising.
        places: (K, D).
        quick_s: how long the way takes when there is time; it begins no earlier than the moment before.
        fastest: no way is faster than this, if there is time.

    Returns:
        (T, D).
    """
    way = np.linalg.norm(np.diff(places, axis=0), axis=1)
    wish = np.maximum(quick_s, PEAK_SPEED * way / fastest)
    depart = np.maximum(at_s[1:] - wish, at_s[:-1])
    return glide(times_s, depart, at_s[1:], places)[0]


def frame_of(forward: Floats, up: Floats) -> Floats:
    """(T, 3, 3) rows x, y, z of a right hand whose fingers point forward and whose back looks up, or nearly so."""
    y = forward / np.linalg.norm(forward, axis=-1, keepdims=True)
    z = up - (up * y).sum(-1, keepdims=True) * y
    z = z / np.linalg.norm(z, axis=-1, keepdims=True)
    return np.stack([np.cross(y, z), y, z], axis=-2)


def curled_tips(curl: Floats, size: float) -> Floats:
    """(T, 5, 3) fingertips of a hand by itself, of fingers that are straight (0) to closed (1), (T, 5)."""
    length = size * BONES_M.sum(axis=1) * (1 - 0.6 * curl)
    angle = 0.25 + 1.8 * curl
    tips = np.stack([np.zeros_like(curl), length * np.cos(angle), -length * np.sin(angle)], axis=-1)
    # The thumb goes from beside the palm to before it.
    side = curl[:, 0]
    thumb = np.stack([-0.8 + 1.0 * side, 0.7 - 0.1 * side, -0.2 - 0.5 * side], axis=-1)
    tips[:, 0] = length[:, :1] * thumb / np.linalg.norm(thumb, axis=-1, keepdims=True)
    return np.asarray(tips + size * KNUCKLES_M)


def place_hand(wrist_m: Floats, frame: Floats, tips: Floats, size: float, *, right: bool) -> Floats:
    """A hand in space.

    Args:
        wrist_m: (T, 3).
        frame: (T, 3, 3) from `frame_of`.
        tips: (T, 5, 3) fingertips in the hand's own space: x to the little finger, y forward, z to its back.
        size: of the hand.
        right: or left.

    Returns:
        (T, 21, 3) joints.
    """
    still = np.zeros(len(wrist_m))
    joints = joints_of(np.zeros((len(wrist_m), 3)), still, tips, size)
    return wrist_m[:, None] + joints @ _sided(frame, right)


def seen_from_hand(points_m: Floats, wrist_m: Floats, frame: Floats, *, right: bool) -> Floats:
    """(T, K, 3) points in space as the hand's own space has them."""
    return np.asarray((points_m - wrist_m[:, None]) @ np.swapaxes(_sided(frame, right), -1, -2))


def _sided(frame: Floats, right: bool) -> Floats:
    """A left hand is a right hand's mirror image."""
    return frame if right else frame * np.array([-1.0, 1.0, 1.0])[:, None]


def lively_shift(figure: Figure, times_s: Floats, accent_s: Floats, rng: np.random.Generator) -> Floats:
    """(T, 3) how far the neck goes along with the music: it drifts, and nods at some moments."""
    step_s = float(np.median(np.diff(times_s)))
    shift = np.array([0.02, 0.012, 0.004]) * figure.lively * sway((len(times_s), 3), step_s, 0.7, rng)
    some = accent_s[rng.random(len(accent_s)) < 0.6]
    for moment in some:
        nod = np.exp(-0.5 * ((times_s - moment) / 0.12) ** 2)
        shift += figure.lively * rng.uniform(0.2, 1.0) * nod[:, None] * np.array([0.0, 0.008, -0.012])
    return shift


def stand(
    figure: Figure,
    left: Floats,
    right: Floats,
    shift: Floats,
    rng: np.random.Generator,
    *,
    turn_rad: float = 0.0,
    elbows: tuple[tuple[float, float, float], tuple[float, float, float]] = ((-0.5, -0.3, -1.0), (0.5, -0.3, -1.0)),
) -> Floats:
    """Give the hands a body.

    Args:
        figure: whose.
        left: (T, 21, 3) the left hand, and ...
        right: ... the right one; they go along with the body.
        shift: (T, 3) of the neck, from `lively_shift`.
        rng: for what differs between people.
        turn_rad: of the head, to the right.
        elbows: where the left and the right elbow point.

    Returns:
        (T, 67, 3) all joints.
    """
    frames, size = len(left), figure.size
    at: dict[str, Floats] = {}
    hip = np.array([0.0, 0.0, figure.hip_m])
    neck = np.array([0.0, 0.02 * size, figure.neck_m])
    at["mid_hip"], at["neck"] = hip, neck
    cos, sin = np.cos(turn_rad), np.sin(turn_rad)
    for name, (x, y, z) in _HEAD.items():
        for side, sign in (("right_", 1.0), ("left_", -1.0)) if x else (("", 0.0),):
            at[side + name] = neck + size * np.array([sign * x * cos + y * sin, y * cos - sign * x * sin, z])
    wide = rng.uniform(0.9, 1.3) if figure.seated else rng.uniform(0.7, 1.3)
    for side, sign in (("right_", 1.0), ("left_", -1.0)):
        mirror = np.array([sign, 1.0, 1.0])
        at[side + "shoulder"] = neck + size * mirror * np.array(_SHOULDER_M)
        for name, place in _LEGS[figure.seated].items():
            spread = wide if name != "hip" else 1.0
            at[side + name] = hip + size * mirror * np.array(place) * (spread, 1.0, 1.0)
        for name, place in _FEET.items():
            at[side + name] = at[side + "ankle"] + size * mirror * np.array(place)
    body = np.stack([np.broadcast_to(at.get(name, hip), (frames, 3)) for name in LAYOUT.joints[:25]], axis=1).copy()
    body = bent(body, figure, shift)
    hands = [bent(hand, figure, shift) for hand in (left, right)]
    for side, hand, hint in zip(("left", "right"), hands, elbows, strict=True):
        shoulder = body[:, LAYOUT.index(f"{side}_shoulder")]
        body[:, LAYOUT.index(f"{side}_elbow")] = _elbow(shoulder, hand[:, 0], size, np.array(hint))
        body[:, LAYOUT.index(f"{side}_wrist")] = hand[:, 0]
    places = np.empty((frames, 67, 3))
    places[:, :25], places[:, HANDS[0]], places[:, HANDS[1]] = body, hands[0], hands[1]
    return places


def bent(points_m: Floats, figure: Figure, shift: Floats) -> Floats:
    """Points (T, K, 3) of a body whose neck is shifted (T, 3): the higher above the hips, the more they go along."""
    share = np.clip((points_m[..., 2] - figure.hip_m) / (figure.neck_m - figure.hip_m), 0.0, 1.4)
    return np.asarray(points_m + share[..., None] * shift[:, None])


def _elbow(shoulder: Floats, wrist: Floats, size: float, hint: Floats) -> Floats:
    """(T, 3) elbows of arms that bend towards the hint."""
    upper, fore = size * _UPPER_ARM_M, size * _FOREARM_M
    way = wrist - shoulder
    far = np.maximum(np.linalg.norm(way, axis=-1), 1e-3)
    longer = np.maximum(far / (0.99 * (upper + fore)), 1.0)
    first, second = upper * longer, fore * longer
    near = np.maximum(far, np.abs(first - second) + 1e-3)
    along = (first**2 - second**2 + near**2) / (2 * near)
    high = np.sqrt(np.maximum(first**2 - along**2, 0.0))
    unit = way / far[:, None]
    bend = hint - (unit @ hint)[:, None] * unit
    bend = bend / np.maximum(np.linalg.norm(bend, axis=-1, keepdims=True), 1e-6)
    return np.asarray(shoulder + along[:, None] * unit + high[:, None] * bend)
