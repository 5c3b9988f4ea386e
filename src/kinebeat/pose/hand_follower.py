"""Follows hands through the pictures of a chunk, each with a MediaPipe graph of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from kinebeat.pose.hand_region import Region, around, cut_out

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

HAND_POINTS = 21
# Two hands are one where their points are nearer to each other than this part of their size.
_SAME_HAND = 0.35
# For how many pictures a lost hand is looked for where it was.
_PATIENCE = 6
# What is left around a hand that is painted over, as a part of its longer side.
_BOX_MARGIN = 0.1
# How far a hand may go from the middle of its region, as a part of the region's side, until the region follows it.
_OFF_MIDDLE = 0.25


class HandFollower:
    """Follows one hand.

    MediaPipe knows where a hand was as a place in its picture, so its region stays where it is as long as the hand is
    well inside.
    """

    def __init__(self, graph: Any) -> None:
        self._graph = graph
        self._known = False
        self._region: Region | None = None
        self._missed = 0
        self.last: NDArray[np.float32] | None = None

    @property
    def active(self) -> bool:
        """Whether it has a hand to follow or to look for."""
        return self._region is not None

    def start(self, hand: NDArray[np.float32], size: tuple[int, int]) -> None:
        """Follow a hand (22, 3), pixels, from the next picture on; `size` is the picture's width and height."""
        self.stop()
        self.last = hand[:HAND_POINTS, :2].copy()
        self._region = _region_of(self.last, size)

    def stop(self) -> None:
        """Forget the hand, so that what follows depends on nothing seen before."""
        self._forget()
        self._region, self._missed, self.last = None, 0, None

    def __call__(self, rgb: NDArray[np.uint8], others: list[NDArray[np.float32]]) -> NDArray[np.float32] | None:
        """Take the hand one picture further.

        Args:
            rgb: (H, W, 3) the next picture.
            others: hands (21, 2), pixels, that are followed already: while this one is looked for they are painted
                over, or the nearest of them would be taken for it.

        Returns:
            (22, 3) the hand, pixels; None where it is not seen.
        """
        if self._region is None or self.last is None:
            return None
        if not self._known and others:
            rgb = _without(rgb, others, self.last)
        found = hands_in(self._graph.process, rgb, self._region)
        self._known = bool(len(found))
        if not len(found):
            self._missed += 1
            if self._missed > _PATIENCE:
                self.stop()
            return None
        self._missed = 0
        hand: NDArray[np.float32] = found[0]
        self.last = hand[:HAND_POINTS, :2].copy()
        region = _region_of(self.last, (rgb.shape[1], rgb.shape[0]))
        side = self._region[2] - self._region[0], self._region[3] - self._region[1]
        moved = np.subtract(np.add(region[:2], region[2:]), np.add(self._region[:2], self._region[2:])) / 2
        if (np.abs(moved) > _OFF_MIDDLE * np.array(side)).any():
            self._forget()
            self._region = region
        return hand

    def _forget(self) -> None:
        """A picture with nothing in it makes MediaPipe forget; it costs less than a new graph and does the same."""
        if self._known and self._region is not None:
            left, top, right, bottom = self._region
            self._graph.process(np.zeros((bottom - top, right - left, 3), np.uint8))
        self._known = False


def _region_of(hand: NDArray[np.float32], size: tuple[int, int]) -> Region:
    low, high = hand.min(axis=0), hand.max(axis=0)
    return around((low + high) / 2, float((high - low).max()), size)


def _without(rgb: NDArray[np.uint8], others: list[NDArray[np.float32]], hand: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The picture with some hands (21, 2) painted over, but for where another one is."""
    result = rgb.copy()
    for other in others:
        result[_box(other, rgb)] = 0
    result[_box(hand, rgb)] = rgb[_box(hand, rgb)]
    return result


def _box(hand: NDArray[np.float32], rgb: NDArray[np.uint8]) -> tuple[slice, slice]:
    """Rows and columns of the box around a hand (21, 2)."""
    low, high = hand.min(axis=0), hand.max(axis=0)
    margin = _BOX_MARGIN * (high - low).max()
    left, top = np.clip(np.floor(low - margin), 0, None).astype(int).tolist()
    right, bottom = np.clip(np.ceil(high + margin), 0, (rgb.shape[1], rgb.shape[0])).astype(int).tolist()
    return slice(top, bottom), slice(left, right)


def hands_in(
    process: Callable[[NDArray[np.uint8]], Any], rgb: NDArray[np.uint8], region: Region
) -> NDArray[np.float32]:
    """(H, 22, 3) the hands MediaPipe finds in a region of a picture.

    Of each its 21 points, (x, y, how sure MediaPipe is of the side), and one more, (how likely it is a right hand, 0,
    how sure); x and y in pixels of the whole picture.
    """
    left, top, right, bottom = region
    found = process(cut_out(rgb, region))
    if not found.multi_hand_landmarks:
        return np.zeros((0, HAND_POINTS + 1, 3), np.float32)
    result = []
    for points, sides in zip(found.multi_hand_landmarks, found.multi_handedness, strict=True):
        side = sides.classification[0]
        # MediaPipe takes every picture for a mirrored one: what it calls left is a right hand.
        is_right = side.score if side.label == "Left" else 1 - side.score
        xy = [(left + p.x * (right - left), top + p.y * (bottom - top), side.score) for p in points.landmark]
        result.append([*xy, (is_right, 0.0, side.score)])
    return np.array(result, np.float32)


def distinct(hands: NDArray[np.float32]) -> NDArray[np.float32]:
    """The hands (H, 22, 3), in pixels, surest first, without those that lie on a surer one."""
    kept: list[int] = []
    for i in np.argsort(-hands[:, HAND_POINTS, 2], kind="stable").tolist():
        if all(not same_hand(hands[i, :HAND_POINTS, :2], hands[k, :HAND_POINTS, :2]) for k in kept):
            kept.append(i)
    return hands[kept]


def same_hand(a: NDArray[np.float32], b: NDArray[np.float32]) -> bool:
    """Whether (21, 2) and (21, 2), in pixels, are the same hand seen twice."""
    side = max(float(np.ptp(a, axis=0).max()), float(np.ptp(b, axis=0).max()), 1e-9)
    return float(np.linalg.norm(a - b, axis=-1).mean()) < _SAME_HAND * side


def follow(
    followers: list[HandFollower],
    rgb: NDArray[np.uint8],
    found: NDArray[np.float32] | None,
) -> list[NDArray[np.float32]]:
    """Take the hands one picture further.

    Args:
        followers: one for each hand that may be followed.
        rgb: (H, W, 3) the next picture.
        found: (H, 22, 3) the hands that a search found in it; None where there was none.

    Returns:
        The hands that are followed, each (22, 3).
    """
    if found is not None:
        for hand in found:
            free = next((follower for follower in followers if not follower.active), None)
            known = [follower.last for follower in followers if follower.last is not None]
            if free is not None and not any(same_hand(hand[:HAND_POINTS, :2], other) for other in known):
                free.start(hand, (rgb.shape[1], rgb.shape[0]))
    hands: list[NDArray[np.float32]] = []
    for follower in followers:
        others = [other.last for other in followers if other is not follower and other.last is not None]
        hand = follower(rgb, others)
        if hand is None:
            continue
        if any(same_hand(hand[:HAND_POINTS, :2], other[:HAND_POINTS, :2]) for other in hands):
            follower.stop()
        else:
            hands.append(hand)
    return hands
