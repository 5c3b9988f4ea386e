"""What a worker process does with a musician's pictures: both hands, and the body where there is one.

One record of `POINTS` points is made per picture: the 33 points of the body, then for each of `HANDS` hands its 21
points and one more, (share of the evidence that it is a right hand, 0, how sure of it MediaPipe is), and last one
point whose first value is the number of hands in the picture where all were counted, NaN elsewhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from kinebeat.pose.worker import LANDMARKS, LOOK_FRAMES, new_scenes, only, upright_rgb

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from kinebeat.pose.worker import Find, SlotShape, SlotViews

HANDS, HAND_POINTS = 2, 21
POINTS = LANDMARKS + HANDS * (HAND_POINTS + 1) + 1
COUNTED_HANDS = 4
"""Hands that are looked for where they are counted, so that a second player is noticed."""
# Where in a chunk the hands are counted and a body is looked for.
_LOOKS = (0.1, 0.5, 0.9)
# Two hands are one where their points are nearer to each other than this part of their size.
_SAME_HAND = 0.35
# Mean visibility of the face and the shoulders under which no body is in the picture.
_LEAST_VISIBILITY = 0.5
_HEAD_AND_SHOULDERS = slice(0, 13)
# A torso is longer than this many hands, from wrist to finger tip, however it is turned.
_TORSO_HANDS = 1.3
# Pictures after MediaPipe took one hand for two until it is made to look again.
_PATIENCE = 8


class Body(NamedTuple):
    """A body in one picture, in pixels: the middle of its shoulders (2,) and the length of its torso."""

    neck: NDArray[np.float64]
    torso: float


def musician_finder(shape: SlotShape) -> Find:
    """Load MediaPipe Hands and Pose and return the function that fills in one slot's answers."""
    import cv2
    from mediapipe.python.solutions.hands import Hands
    from mediapipe.python.solutions.pose import Pose

    cv2.setNumThreads(1)
    blank = shape.blank()
    following = Hands(max_num_hands=HANDS, model_complexity=1, min_detection_confidence=0.3)
    counting = Hands(static_image_mode=True, max_num_hands=COUNTED_HANDS, model_complexity=1)
    looking = Pose(static_image_mode=True, model_complexity=1)
    body = Pose(model_complexity=1, smooth_landmarks=False)

    def find(slot: SlotViews, frames: int, look_in: list[float] | None) -> None:
        marks = new_scenes(cv2, slot, frames, shape)
        slot.poses[:frames] = np.nan
        visible = np.flatnonzero(marks >= 0)
        if not len(visible):
            return

        def picture(i: int) -> NDArray[np.uint8]:
            return upright_rgb(cv2, slot.pictures[i], shape)

        bodies = []
        for i in visible[np.unique((np.array(_LOOKS) * len(visible)).astype(int))].tolist():
            rgb = picture(i)
            hands = distinct(hands_in(counting, rgb), rgb.shape)
            slot.poses[i, -1, 0] = len(hands)
            bodies.append(body_seen(looking, rgb, hands))
        _follow_hands(following, blank, slot.poses, marks, picture)
        if stays([body for body in bodies if body is not None]):
            _follow_body(body, blank, slot.poses, marks, picture, shape.body_every, look_in)

    return find


def hands_in(hands: Any, rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(H, 22, 3) the hands MediaPipe finds in a picture."""
    found = hands.process(rgb)
    if not found.multi_hand_landmarks:
        return np.zeros((0, HAND_POINTS + 1, 3), np.float32)
    result = []
    for points, sides in zip(found.multi_hand_landmarks, found.multi_handedness, strict=True):
        side = sides.classification[0]
        # MediaPipe takes every picture for a mirrored one: what it calls left is a right hand.
        right = side.score if side.label == "Left" else 1 - side.score
        result.append([(p.x, p.y, side.score) for p in points.landmark] + [(right, 0.0, side.score)])
    return np.array(result, np.float32)


def distinct(hands: NDArray[np.float32], size: tuple[int, ...]) -> NDArray[np.float32]:
    """The hands (H, 22, 3) without those that lie on a surer one; `size` is (height, width, ...) in pixels."""
    kept: list[int] = []
    xy = hands[:, :HAND_POINTS, :2] * np.array([size[1], size[0]], np.float32)
    for i in np.argsort(-hands[:, HAND_POINTS, 2], kind="stable").tolist():
        if all(not same_hand(xy[i], xy[k]) for k in kept):
            kept.append(i)
    return hands[sorted(kept)]


def same_hand(a: NDArray[np.float32], b: NDArray[np.float32]) -> bool:
    """Whether (21, 2) and (21, 2), in pixels, are the same hand seen twice."""
    side = max(float(np.ptp(a, axis=0).max()), float(np.ptp(b, axis=0).max()), 1e-9)
    return float(np.linalg.norm(a - b, axis=-1).mean()) < _SAME_HAND * side


def body_seen(looking: Any, rgb: NDArray[np.uint8], hands: NDArray[np.float32]) -> Body | None:
    """Where MediaPipe sees a body in a picture, unless it cannot be one.

    Over the keyboard of a piano it sees bodies in hands, sleeves and knees, and is quite sure of them. A player's
    body has head and shoulders in the picture, is larger than his hands, and they are where its wrists are.
    """
    found = looking.process(rgb).pose_landmarks
    if found is None:
        return None
    points = np.array([(p.x, p.y, p.visibility) for p in found.landmark])
    inside = ((points[:, :2] > 0) & (points[:, :2] < 1)).all(axis=1)
    if np.where(inside, points[:, 2], 0)[_HEAD_AND_SHOULDERS].mean() < _LEAST_VISIBILITY:
        return None
    size = np.array([rgb.shape[1], rgb.shape[0]])
    xy = points[:, :2] * size
    shoulders, hips = xy[[11, 12]], xy[[23, 24]]
    torso = max(np.linalg.norm(shoulders.mean(0) - hips.mean(0)), 1.4 * np.linalg.norm(shoulders[0] - shoulders[1]))
    for hand in hands[:, :HAND_POINTS, :2] * size:
        hand_size = np.ptp(hand, axis=0).max()
        to_wrist = np.linalg.norm(xy[[15, 16]] - hand[0], axis=-1).min()
        if torso < _TORSO_HANDS * hand_size or to_wrist > hand_size + 0.3 * torso:
            return None
    return Body(shoulders.mean(0), float(torso))


def stays(bodies: list[Body]) -> bool:
    """Whether several looks show a body that sits or stands in its place, as made-up ones do not."""
    if len(bodies) < 2:
        return False
    torso = np.array([body.torso for body in bodies])
    at = np.array([body.neck for body in bodies])
    middle = np.median(torso)
    near = np.linalg.norm(at - np.median(at, axis=0), axis=-1) < 0.6 * middle
    alike = np.abs(np.log(torso / middle)) < 0.35
    return int((near & alike).sum()) >= 2


def _follow_hands(
    hands: Any,
    blank: NDArray[np.uint8],
    into: NDArray[np.float32],
    marks: NDArray[np.int8],
    picture: Callable[[int], NDArray[np.uint8]],
) -> None:
    hands.process(blank)
    patience = 0
    for i in np.flatnonzero(marks >= 0).tolist():
        if marks[i] == 1:
            hands.process(blank)
        rgb = picture(i)
        found = hands_in(hands, rgb)
        single = distinct(found, rgb.shape)
        if len(single) < len(found) and patience <= 0:
            hands.process(blank)
            single = distinct(hands_in(hands, rgb), rgb.shape)
            patience = _PATIENCE
        patience -= 1
        into[i, LANDMARKS : LANDMARKS + len(single) * (HAND_POINTS + 1)] = single.reshape(-1, 3)


def _follow_body(
    pose: Any,
    blank: NDArray[np.uint8],
    into: NDArray[np.float32],
    marks: NDArray[np.int8],
    picture: Callable[[int], NDArray[np.uint8]],
    every: int,
    look_in: list[float] | None,
) -> None:
    """Follow the body in every so-many-th picture; between two of them it moves evenly."""
    pose.process(blank)
    tracking = False
    last: int | None = None
    for i in range(len(marks)):
        if marks[i] < 0:
            last = None
            continue
        if marks[i] == 1 and tracking:
            pose.process(blank)
            tracking = False
        if last is not None and marks[i] == 0 and i % every and i + 1 < len(marks) and marks[i + 1] == 0:
            continue
        rgb = picture(i)
        if look_in is not None and not tracking and i < LOOK_FRAMES:
            rgb = only(rgb, look_in)
        found = pose.process(rgb).pose_landmarks
        tracking = found is not None
        if tracking:
            into[i, :LANDMARKS] = [(p.x, p.y, p.visibility) for p in found.landmark]
        if last is not None and marks[i] == 0:
            for k in range(last + 1, i):
                share = (k - last) / (i - last)
                into[k, :LANDMARKS] = (1 - share) * into[last, :LANDMARKS] + share * into[i, :LANDMARKS]
        last = i
