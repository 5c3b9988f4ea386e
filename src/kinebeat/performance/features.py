"""What the performance network is told of a musician: the nodes of a graph, thirty times a second.

Hands on keys are measured in key units, so that one network serves any camera; everybody else is measured by the width
of their own shoulders. A node's place is told relative to its own part (the hand it belongs to, or the neck), how it
moves is told as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kinebeat.performance.joining import CLIP_S
from kinebeat.performance.piano_keys import KEY_LENGTH_U
from kinebeat.skeleton import LAYOUTS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kinebeat.performance.keyboard import Keyboard
    from kinebeat.pose.track import PoseTrack

FPS = 30.0
"""Frames a second that the network is told."""
CLIP_FRAMES = round(CLIP_S * FPS)
"""Of a clip."""
LONGEST_GAP_S = 0.12
"""Between two frames of the track, over which a joint is taken to move in a straight line."""
LAYOUT = LAYOUTS["body25_hands"]
BODY = slice(0, 25)
LEFT, RIGHT = slice(25, 46), slice(46, 67)
HANDS = (LEFT, RIGHT)
HAND_NODES = tuple(range(25, 67))
"""All that a pianist is told by; whoever has no keys is told by all nodes."""
TIPS = tuple(
    LAYOUT.index(f"{side}_hand_{finger}4")
    for side in ("left", "right")
    for finger in ("thumb", "index", "middle", "ring", "pinky")
)
"""The ten fingertips in the layout, from the left thumb to the right little finger."""
CHANNELS = ("x", "y", "speed x", "speed y", "depth", "seen")
"""Of a node. "depth" is where it is along the keys, or how far below the neck."""
BODY_CHANNELS = (*CHANNELS, "across")
"""Of a node of those who have no keys: also how far beside the neck; "speed" of a hand's joints is that about their
middle."""
_KEYS_SPAN, _KEYS_SPEED = 3.0, 20.0
"""What about comes to 1 in key units: half a hand's span, and the speed of a quick hand in keys a second."""
_BODY_SPEED = 4.0
"""The same in shoulder widths a second."""
_SHOULDERS_SEEN = 0.2
"""Share of the frames with both shoulders from which on they measure a player."""
_HAND_SPAN = 0.3
"""Half a hand's span in shoulder widths."""


@dataclass(frozen=True, eq=False)
class Features:
    """A musician at `FPS` frames a second, from time 0 on.

    Attributes:
        nodes: (T, V, C) float32, see `CHANNELS`, without keys `BODY_CHANNELS`; zeros where a node is not seen.
        tips: (T, 10, 2) float32, where the fingertips of a pianist are: u, and the depth in the same units (widths of a
            white key) from the front edge; NaN where a tip is not seen. Empty (T, 0, 2) without keys.
    """

    nodes: NDArray[np.float32]
    tips: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.nodes)


def features_of(track: PoseTrack, keyboard: Keyboard | None) -> Features:
    """Features of a track in the layout `body25_hands`; in key units where there is a keyboard."""
    xy = resampled(track)
    if keyboard is None:
        return body_features(xy)
    return key_features(keyboard.key_units(xy[:, HAND_NODES]) * np.array([1.0, KEY_LENGTH_U]))


def resampled(track: PoseTrack) -> NDArray[np.float64]:
    """The joints (T, J, 2) at `FPS` frames a second, in pixels; NaN where they were not seen."""
    given_s = np.asarray(track.times_s, np.float64)
    times_s = np.arange(int(np.floor(given_s[-1] * FPS + 1e-6)) + 1) / FPS
    if len(given_s) == 1:
        return np.repeat(track.xy[:1].astype(np.float64), len(times_s), 0)
    after = np.clip(np.searchsorted(given_s, times_s), 1, len(given_s) - 1)
    before = after - 1
    gap_s = given_s[after] - given_s[before]
    share = np.clip((times_s - given_s[before]) / gap_s, 0.0, 1.0)
    a, b = track.xy[before].astype(np.float64), track.xy[after].astype(np.float64)
    here = share[:, None, None]
    joined = (gap_s <= LONGEST_GAP_S)[:, None, None] & np.isfinite(a) & np.isfinite(b)
    # Where only one neighbour has the joint, it stands for the time about itself.
    near, far = np.where(here <= 0.5, a, b), np.where(here <= 0.5, b, a)
    away_s = np.stack([np.minimum(share, 1 - share), np.maximum(share, 1 - share)]) * gap_s
    near[away_s[0] > 1 / FPS], far[away_s[1] > 1 / FPS] = np.nan, np.nan
    near = np.where(np.isfinite(near), near, far)
    with np.errstate(invalid="ignore"):
        return np.where(joined, a + here * (b - a), near)


def key_features(uy: NDArray[np.floating[Any]]) -> Features:
    """Features of both hands' joints (T, 42, 2) in widths of a white key, along the keyboard and along the keys."""
    seen = np.isfinite(uy).all(-1)
    nodes = np.zeros((*uy.shape[:2], len(CHANNELS)), np.float32)
    for hand in (slice(0, 21), slice(21, 42)):
        nodes[:, hand, :2] = (uy[:, hand] - _middle(uy[:, hand])) / _KEYS_SPAN
    nodes[..., 2:4] = _speed(uy) / _KEYS_SPEED
    nodes[..., 4] = uy[..., 1] / KEY_LENGTH_U
    nodes[..., 5] = 1.0
    nodes[~seen] = 0.0
    tips = uy[:, [tip - HAND_NODES[0] for tip in TIPS]].astype(np.float32)
    tips[~np.isfinite(tips).all(-1)] = np.nan
    return Features(_bounded(nodes), tips)


def body_features(xy: NDArray[np.floating[Any]]) -> Features:
    """Features of all joints (T, 67, 2) in pixels; a body that shows no shoulders is measured by its hands."""
    scale, neck = _shoulders(xy)
    placed = (xy - neck) / scale
    seen = np.isfinite(placed).all(-1)
    nodes = np.zeros((*xy.shape[:2], len(BODY_CHANNELS)), np.float32)
    nodes[:, BODY, :2] = placed[:, BODY]
    for hand in HANDS:
        nodes[:, hand, :2] = (placed[:, hand] - _middle(placed[:, hand])) / _HAND_SPAN
    nodes[:, BODY, 2:4] = _speed(placed[:, BODY]) / _BODY_SPEED
    for hand in HANDS:
        nodes[:, hand, 2:4] = _speed(placed[:, hand] - _middle(placed[:, hand])) / _HAND_SPAN / _BODY_SPEED
    nodes[..., 4], nodes[..., 6] = placed[..., 1], placed[..., 0]
    nodes[..., 5] = 1.0
    nodes[~seen] = 0.0
    return Features(_bounded(nodes), np.zeros((len(xy), 0, 2), np.float32))


def in_shoulder_widths(xy: NDArray[np.floating[Any]]) -> NDArray[np.float64] | None:
    """Joints (T, 67, 2) in pixels as shoulder widths from the neck; None where too few shoulders are seen."""
    seen = np.isfinite(xy[:, [LAYOUT.index("left_shoulder"), LAYOUT.index("right_shoulder")], 0]).all(1)
    if seen.mean() < _SHOULDERS_SEEN:
        return None
    scale, neck = _shoulders(xy)
    return np.asarray((xy - neck) / scale, np.float64)


def _shoulders(xy: NDArray[np.floating[Any]]) -> tuple[float, NDArray[np.float64]]:
    """The width of the shoulders in pixels, and the neck (T, 1, 2) or what stands for it."""
    left, right, neck = (xy[:, LAYOUT.index(joint)] for joint in ("left_shoulder", "right_shoulder", "neck"))
    width = np.linalg.norm(left - right, axis=-1)
    if np.isfinite(width).mean() >= _SHOULDERS_SEEN:
        usual = np.nanmedian(neck, 0)
        place = np.where(np.isfinite(neck).all(-1, keepdims=True), neck, usual)
        return max(1.0, float(np.nanmedian(width))), place[:, None].astype(np.float64)
    hands = xy[:, HAND_NODES[0] :]
    with np.errstate(invalid="ignore"):
        sizes = [_size(hands[:, :21]), _size(hands[:, 21:])]
    size = np.concatenate(sizes)
    size = size[np.isfinite(size)]
    # A hand is about half as long as shoulders are wide.
    middle = np.nanmedian(hands.reshape(-1, 2), 0) if np.isfinite(hands).any() else np.zeros(2)
    return max(1.0, 2.0 * float(np.median(size))) if len(size) else 1.0, np.asarray(middle[None, None], np.float64)


def _size(hand: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """From the wrist to the middle finger's root and tip, (T,) pixels."""
    return np.asarray(
        np.linalg.norm(hand[:, 9] - hand[:, 0], axis=-1) + np.linalg.norm(hand[:, 12] - hand[:, 9], axis=-1)
    )


def _middle(hand: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Mean of a hand's joints that are seen, (T, 1, 2); NaN where none is."""
    seen = np.isfinite(hand).all(-1)
    count = seen.sum(1)[:, None]
    total = np.where(seen[..., None], hand, 0.0).sum(1)
    return np.asarray(np.where(count > 0, total / np.maximum(count, 1), np.nan)[:, None])


def _speed(xy: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Central differences, units a second; 0 where a neighbour is missing."""
    speed = np.zeros(xy.shape)
    if len(xy) > 2:
        speed[1:-1] = (xy[2:] - xy[:-2]) * (FPS / 2)
    return np.nan_to_num(speed)


def _bounded(nodes: NDArray[np.float32]) -> NDArray[np.float32]:
    """What is far beyond anything a body does is a fault of the detector."""
    return np.clip(nodes, -8.0, 8.0)
