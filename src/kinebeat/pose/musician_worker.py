"""What a worker process does with a musician's pictures: both hands, and the body where there is one.

One record of `POINTS` points is made per picture: the 33 points of the body, then for each of `HANDS` hands its 22 as
`kinebeat.pose.hand_follower` gives them, with places as shares of the picture, and last one point whose first value is
the number of hands in the picture where all were counted. All is NaN where nothing was found.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from kinebeat.pose.hand_follower import HAND_POINTS, HandFollower, distinct, follow, hands_in
from kinebeat.pose.hand_region import search_regions
from kinebeat.pose.worker import BLACK, LANDMARKS, LOOK_FRAMES, new_scenes, only, upright_rgb

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from kinebeat.pose.worker import Find, SlotViews

    Picture = Callable[[int], NDArray[np.uint8]]

HANDS = 2
POINTS = LANDMARKS + HANDS * (HAND_POINTS + 1) + 1
COUNTED_HANDS = 4
"""Hands that are looked for where they are counted, so that a second player is noticed."""
# Where in a chunk all hands are counted and a body is looked for.
_LOOKS = (0.1, 0.9, 0.5)
# In every so-many-th picture hands are sought while fewer than two are followed.
_SEARCH_EVERY = 10
# A hand is believed from a lower score on than MediaPipe's 0.5: fast hands are blurred, near ones are cut off.
_LEAST_PALM = 0.3
# Mean visibility of head and shoulders under which no body is in the picture, and of a wrist under which it is not.
_LEAST_VISIBILITY = 0.5
_HEAD_AND_SHOULDERS = slice(0, 13)
_SHOULDERS, _WRISTS, _HIPS = [11, 12], [15, 16], [23, 24]
# What a body that sits or stands moves (torsos) and grows (a logarithm) in a chunk, at most.
_STAYS_TORSOS, _STAYS_LOG_SCALE = 0.6, 0.35
# A torso is longer than this many hands, from wrist to finger tip, however it is turned; and a hand is no farther from
# a wrist of the body than its own length and this part of the torso.
_TORSO_HANDS, _FROM_WRIST = 1.3, 0.3


_NONE = np.zeros((0, 2))


class Body(NamedTuple):
    """A body in one picture, in pixels: the middle of its shoulders (2,), its torso's length, its wrists (2, 2)."""

    neck: NDArray[np.float64]
    torso: float
    wrists: NDArray[np.float64]


class BodyFollower:
    """MediaPipe Pose, which follows one body and can be made to forget it.

    Attributes:
        blank: a picture with nobody in it, in the size of the others.
        following: whether there is a body that it follows.
    """

    def __init__(self, graph: Any) -> None:
        self._graph, self.blank = graph, BLACK
        self.following = False

    def forget(self) -> None:
        """Start afresh; see `kinebeat.pose.worker.body_finder`."""
        if self.following:
            self._graph.process(self.blank)
        self.following = False

    def __call__(self, rgb: NDArray[np.uint8]) -> NDArray[np.float32] | None:
        """(33, 3) the body in the next picture, x and y as shares of it, and visibility; None for none."""
        found = self._graph.process(rgb).pose_landmarks
        self.following = found is not None
        return np.array([(p.x, p.y, p.visibility) for p in found.landmark], np.float32) if self.following else None


def musician_finder() -> Find:
    """Load MediaPipe Hands and Pose and return the function that fills in one slot's answers."""
    import cv2
    from mediapipe.python.solutions.hands import Hands
    from mediapipe.python.solutions.pose import Pose

    cv2.setNumThreads(1)
    hands = [Hands(max_num_hands=1, min_detection_confidence=_LEAST_PALM) for _ in range(HANDS)]
    counting = Hands(static_image_mode=True, max_num_hands=COUNTED_HANDS, min_detection_confidence=_LEAST_PALM)
    body = Pose(model_complexity=1, smooth_landmarks=False)
    for graph in (*hands, counting, body):
        graph.process(BLACK)  # see `kinebeat.pose.worker.body_finder`
    followers = [HandFollower(graph) for graph in hands]
    pose = BodyFollower(body)

    def find(slot: SlotViews, frames: int, look_in: list[float] | None) -> None:
        shape = slot.shape
        pose.blank = shape.blank()
        size = np.array([pose.blank.shape[1], pose.blank.shape[0]])
        marks = new_scenes(cv2, slot, frames)
        poses = slot.poses[:frames]
        poses[:] = np.nan

        def picture(i: int) -> NDArray[np.uint8]:
            return upright_rgb(cv2, slot.pictures[i], shape)

        def search(
            rgb: NDArray[np.uint8], enough: int, wrists: NDArray[np.float64] = _NONE, torso_px: float = np.nan
        ) -> NDArray[np.float32]:
            found = np.zeros((0, HAND_POINTS + 1, 3), np.float32)
            for region in search_regions(wrists, torso_px, (rgb.shape[1], rgb.shape[0])):
                found = distinct(np.concatenate([found, hands_in(counting.process, rgb, region)]))
                if len(found) >= enough:
                    break
            return found

        looked: dict[int, NDArray[np.float32]] = {}
        bodies: list[Body] = []
        for i in spread(marks, _LOOKS):
            # the third look decides where the first two do not agree
            if len(looked) == 2 and (not bodies or stays(bodies)):
                break
            rgb = picture(i)
            looked[i] = search(rgb, COUNTED_HANDS)
            poses[i, -1, 0] = len(looked[i])
            body = body_in(pose, rgb)
            if body is not None and fits(body, looked[i]):
                bodies.append(body)
        torso_px = float("nan")
        if stays(bodies):
            torso_px = float(np.median([body.torso for body in bodies]))
            follow_body(pose, poses, marks, picture, shape.body_every, look_in)

        def hands_at(i: int, rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
            if len(looked.get(i, ())):
                return looked[i]
            wrists = poses[i, _WRISTS]
            return search(rgb, HANDS, wrists[wrists[:, 2] > _LEAST_VISIBILITY, :2] * size, torso_px)

        follow_hands(followers, hands_at, poses, marks, picture)

    return find


def spread(marks: NDArray[np.int8], shares: tuple[float, ...]) -> list[int]:
    """Some of the pictures of a chunk that show something, at shares of their number."""
    visible = np.flatnonzero(marks >= 0)
    return list(dict.fromkeys(visible[(np.array(shares) * len(visible)).astype(int)].tolist())) if len(visible) else []


def body_in(pose: BodyFollower, rgb: NDArray[np.uint8]) -> Body | None:
    """Where MediaPipe sees a body in a picture, if head and shoulders are in it."""
    pose.forget()
    points = pose(rgb)
    if points is None:
        return None
    inside = ((points[:, :2] > 0) & (points[:, :2] < 1)).all(axis=1)
    if np.where(inside, points[:, 2], 0)[_HEAD_AND_SHOULDERS].mean() < _LEAST_VISIBILITY:
        return None
    xy = points[:, :2] * np.array([rgb.shape[1], rgb.shape[0]])
    shoulders, hips = xy[_SHOULDERS], xy[_HIPS]
    long = np.linalg.norm(shoulders.mean(axis=0) - hips.mean(axis=0))
    wide = np.linalg.norm(shoulders[0] - shoulders[1])
    return Body(shoulders.mean(axis=0), float(max(long, 1.4 * wide)), xy[_WRISTS])


def fits(body: Body, hands: NDArray[np.float32]) -> bool:
    """Whether a body and the hands (H, 22, 3), pixels, in the same picture can be one person's.

    Over the keyboard of a piano MediaPipe sees bodies in hands, sleeves and knees, and is quite sure of them. A
    player's body is larger than his hands, and some of them are where its wrists are.
    """
    if not len(hands):
        return True
    xy = hands[:, :HAND_POINTS, :2]
    hand_px = np.ptp(xy, axis=1).max(axis=1)
    off = np.linalg.norm(body.wrists - xy[:, :1], axis=-1).min(axis=1)
    near = off < hand_px + _FROM_WRIST * body.torso
    return bool(near.any() and body.torso > _TORSO_HANDS * np.median(hand_px))


def stays(bodies: list[Body]) -> bool:
    """Whether several looks show a body that sits or stands in its place, as made-up ones do not."""
    if len(bodies) < 2:
        return False
    torso = np.array([body.torso for body in bodies])
    at = np.array([body.neck for body in bodies])
    middle = np.median(torso)
    near = np.linalg.norm(at - np.median(at, axis=0), axis=-1) < _STAYS_TORSOS * middle
    alike = np.abs(np.log(torso / middle)) < _STAYS_LOG_SCALE
    return int((near & alike).sum()) >= 2


def follow_hands(
    followers: list[HandFollower],
    hands_at: Callable[[int, NDArray[np.uint8]], NDArray[np.float32]],
    into: NDArray[np.float32],
    marks: NDArray[np.int8],
    picture: Picture,
) -> None:
    """Fill in the hands of all pictures that show something; `hands_at` seeks hands (H, 22, 3), pixels, in one."""
    for follower in followers:
        follower.stop()
    next_search = 0
    for i in np.flatnonzero(marks >= 0).tolist():
        if marks[i] == 1:
            next_search = i
            for follower in followers:
                follower.stop()
        rgb = picture(i)
        found = None
        if i >= next_search and not all(follower.active for follower in followers):
            found = hands_at(i, rgb)
            next_search = i + _SEARCH_EVERY
        hands = follow(followers, rgb, found)
        for k, hand in enumerate(hands):
            hand[:HAND_POINTS, :2] /= np.array([rgb.shape[1], rgb.shape[0]], np.float32)
            at = LANDMARKS + k * (HAND_POINTS + 1)
            into[i, at : at + HAND_POINTS + 1] = hand


def follow_body(
    pose: BodyFollower,
    into: NDArray[np.float32],
    marks: NDArray[np.int8],
    picture: Picture,
    every: int,
    look_in: list[float] | None,
) -> None:
    """Follow the body in every so-many-th picture of a scene; between two of them it moves evenly."""
    pose.forget()
    last: int | None = None
    for i, mark in enumerate(marks.tolist()):
        if mark < 0:
            last = None
            continue
        if mark == 1:
            pose.forget()
            last = None
        goes_on = i + 1 < len(marks) and marks[i + 1] == 0
        if last is not None and i - last < every and goes_on:
            continue
        rgb = picture(i)
        if look_in is not None and not pose.following and i < LOOK_FRAMES:
            rgb = only(rgb, look_in)
        found = pose(rgb)
        if found is not None:
            into[i, :LANDMARKS] = found
        if last is not None:
            share = (np.arange(1, i - last, dtype=np.float32) / (i - last))[:, None, None]
            into[last + 1 : i, :LANDMARKS] = (1 - share) * into[last, :LANDMARKS] + share * into[i, :LANDMARKS]
        last = i
