"""Following hands through pictures, with a stand-in for MediaPipe that sees bright squares."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from kinebeat.pose.hand_follower import HandFollower, distinct, follow, hands_in
from kinebeat.pose.hand_region import around, cut_out, search_regions
from kinebeat.pose.musician_worker import Body, fits, follow_body, spread, stays

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIZE = (400, 200)
SIDE = 24


class Squares:
    """Finds the brightest square whose middle is in the picture; once it has one, the nearest to where it was."""

    def __init__(self, most: int = 1) -> None:
        self.most, self.last = most, None
        self.pictures = 0

    def process(self, picture: NDArray[np.uint8]) -> SimpleNamespace:
        self.pictures += 1
        seen = []
        for value in np.unique(picture[picture > 99])[::-1]:
            y, x, _ = np.nonzero(picture == value)
            seen.append((int(value), (x.min() + x.max() + 1) / 2, (y.min() + y.max() + 1) / 2))
        if self.last is not None:
            seen.sort(key=lambda s: abs(s[1] - self.last[0]) + abs(s[2] - self.last[1]))
        seen = seen[: self.most]
        self.last = seen[0][1:] if seen else None
        height, width = picture.shape[:2]
        corners = [(i % 5 / 4 - 0.5, i // 5 / 4 - 0.5) for i in range(21)]
        points = [
            [SimpleNamespace(x=(x + SIDE * a) / width, y=(y + SIDE * b) / height) for a, b in corners]
            for _, x, y in seen
        ]
        return SimpleNamespace(
            multi_hand_landmarks=[SimpleNamespace(landmark=p) for p in points],
            multi_handedness=[
                SimpleNamespace(classification=[SimpleNamespace(label="Left", score=value / 255)])
                for value, _, _ in seen
            ],
        )


def picture(*hands: tuple[int, int, int]) -> NDArray[np.uint8]:
    """A picture with squares: brightness, x and y of their middles."""
    rgb = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    for value, x, y in hands:
        rgb[max(y - SIDE // 2, 0) : y + SIDE // 2, max(x - SIDE // 2, 0) : x + SIDE // 2] = value
    return rgb


def middle(hand: NDArray[np.float32]) -> list[float]:
    return [round(float(v)) for v in (hand[:21, :2].min(axis=0) + hand[:21, :2].max(axis=0)) / 2]


def search(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    return distinct(hands_in(Squares(4).process, rgb, (0, 0, *SIZE)))


def test_a_hand_is_where_it_is_whatever_part_of_the_picture_is_looked_at() -> None:
    rgb = picture((200, 150, 80))
    for region in ((0, 0, 400, 200), (100, 30, 300, 130), (-60, -30, 460, 230)):
        (hand,) = hands_in(Squares().process, rgb, region)
        assert hand.shape == (22, 3)
        assert middle(hand) == [150, 80]
        # MediaPipe calls a right hand left, as if the picture were mirrored
        np.testing.assert_allclose(hand[21], [200 / 255, 0, 200 / 255], atol=1e-6)
    assert hands_in(Squares().process, rgb, (200, 0, 400, 200)).shape == (0, 22, 3)


def test_two_hands_are_followed_apart_though_each_graph_would_take_the_brighter() -> None:
    followers = [HandFollower(Squares()), HandFollower(Squares())]
    rgb = picture((250, 150, 80), (150, 200, 80))
    hands = follow(followers, rgb, search(rgb))
    assert sorted(map(middle, hands)) == [[150, 80], [200, 80]]
    for step in range(1, 30):
        hands = follow(followers, picture((250, 150 + 4 * step, 80), (150, 200 + 4 * step, 90)), None)
        assert sorted(map(middle, hands)) == [[150 + 4 * step, 80], [200 + 4 * step, 90]]


def test_a_lost_hand_is_waited_for_and_then_given_up() -> None:
    graph = Squares()
    followers = [HandFollower(graph)]
    rgb = picture((250, 150, 80))
    follow(followers, rgb, search(rgb))
    for _ in range(3):
        assert follow(followers, picture(), None) == []
    assert middle(follow(followers, picture((250, 160, 85)), None)[0]) == [160, 85]
    for _ in range(20):
        assert follow(followers, picture(), None) == []
    assert not followers[0].active
    before = graph.pictures
    assert follow(followers, picture((250, 160, 85)), None) == []
    assert graph.pictures == before


def test_what_was_followed_is_forgotten_when_stopped() -> None:
    graph = Squares()
    follower = HandFollower(graph)
    rgb = picture((250, 150, 80))
    follow([follower], rgb, search(rgb))
    assert graph.last is not None
    follower.stop()
    assert graph.last is None
    assert follower.last is None
    pictures = graph.pictures
    follower.stop()
    assert graph.pictures == pictures


def test_one_hand_is_not_followed_twice() -> None:
    followers = [HandFollower(Squares()), HandFollower(Squares())]
    rgb = picture((250, 150, 80))
    follow(followers, rgb, search(rgb))
    hands = follow(followers, rgb, search(rgb))
    assert len(hands) == 1
    assert [follower.active for follower in followers] == [True, False]


def test_what_is_given_back_may_be_changed() -> None:
    followers = [HandFollower(Squares()), HandFollower(Squares())]
    rgb = picture((250, 150, 80), (150, 300, 80))
    for _ in range(3):
        hands = follow(followers, rgb, search(rgb))
        assert sorted(map(middle, hands)) == [[150, 80], [300, 80]]
        for hand in hands:
            hand[:] = 0


def test_of_hands_on_each_other_the_surest_is_kept() -> None:
    hands = hands_in(Squares(4).process, picture((250, 150, 80), (150, 300, 80)), (0, 0, *SIZE))
    twice = np.concatenate([hands + np.float32(0.5), hands])
    twice[:2, 21, 2] = 0.1
    np.testing.assert_array_equal(np.sort(distinct(twice)[:, 0, 0]), np.sort(hands[:, 0, 0]))


def test_a_region_is_around_its_hand_and_mostly_in_the_picture() -> None:
    for point in ((200, 100), (0, 0), (399, 199), (10, 190)):
        left, top, right, bottom = around(np.array(point), 20, SIZE)
        assert (right - left, bottom - top) == (100, 100)
        assert left <= point[0] <= right
        assert top <= point[1] <= bottom
        assert min(left, top, SIZE[0] - right, SIZE[1] - bottom) >= -30
    left, top, right, bottom = around(np.array([300, 150]), 300, SIZE)
    assert left < 0
    assert right > SIZE[0]
    assert top < 0
    assert bottom > SIZE[1]


def test_outside_the_picture_its_edge_goes_on() -> None:
    rgb = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    cut = cut_out(rgb, (-1, 0, 3, 3))
    assert cut.shape == (3, 4, 3)
    np.testing.assert_array_equal(cut[:2, 1:3], rgb)
    np.testing.assert_array_equal(cut[:2, 0], rgb[:, 0])
    np.testing.assert_array_equal(cut[2], cut[1])


@pytest.mark.parametrize("size", [(640, 272), (272, 640), (101, 100)])
def test_hands_are_sought_in_the_whole_picture_and_in_parts_that_cover_it(size: tuple[int, int]) -> None:
    whole, *parts = search_regions(np.zeros((0, 2)), float("nan"), size)
    assert whole[0] < 0
    assert whole[3] > size[1]
    covered = np.zeros((size[1], size[0]), int)
    for left, top, right, bottom in parts:
        covered[top:bottom, left:right] += 1
        assert (right - left) * (bottom - top) < 0.6 * size[0] * size[1]
    assert (covered >= 1).all()
    along = np.argmax(size)
    assert (np.take(covered, size[along] // 2, axis=1 - along) >= 1).all()
    assert covered.max() == 2


def test_small_hands_are_sought_around_the_wrists() -> None:
    wrists = np.array([[100.0, 100.0], [500.0, 300.0]])
    regions = search_regions(wrists, 100.0, (1280, 720))
    assert len(regions) == 2
    for (left, top, right, bottom), (x, y) in zip(regions, wrists, strict=True):
        assert left < x < right
        assert top < y < bottom
        assert right - left == 175
    assert len(search_regions(wrists, 500.0, (1280, 720))) == 4


def body(x: float, torso: float, wrists: tuple[tuple[float, float], tuple[float, float]]) -> Body:
    return Body(np.array([x, 100.0]), torso, np.array(wrists))


def test_a_body_made_of_a_hand_is_none() -> None:
    hands = hands_in(Squares(4).process, picture((250, 150, 80), (150, 300, 80)), (0, 0, *SIZE))
    at_wrists = (tuple(hands[0, 0, :2]), tuple(hands[1, 0, :2]))
    assert fits(body(200, 90, at_wrists), hands)
    assert not fits(body(150, 25, at_wrists), hands)
    assert not fits(body(200, 90, ((30, 190), (40, 190))), hands)
    assert fits(body(200, 90, ((0, 0), (0, 0))), hands[:0])


def test_a_body_stays_in_its_place() -> None:
    nowhere = ((0.0, 0.0), (0.0, 0.0))
    assert stays([body(100, 90, nowhere), body(120, 95, nowhere), body(300, 40, nowhere)])
    assert not stays([body(100, 90, nowhere), body(300, 90, nowhere)])
    assert not stays([body(100, 90, nowhere), body(110, 30, nowhere)])
    assert not stays([body(100, 90, nowhere)])


def test_looks_are_spread_over_what_shows_something() -> None:
    marks = np.zeros(100, np.int8)
    assert spread(marks, (0.1, 0.5, 0.9)) == [10, 50, 90]
    marks[:80] = -1
    assert spread(marks, (0.1, 0.5, 0.9)) == [82, 90, 98]
    marks[:] = -1
    assert spread(marks, (0.1, 0.5, 0.9)) == []
    assert spread(np.zeros(1, np.int8), (0.1, 0.5, 0.9)) == [0]


class Walker:
    """A body follower that sees the number of the picture."""

    following = False

    def __init__(self) -> None:
        self.looked_at: list[int] = []

    def forget(self) -> None:
        self.following = False

    def __call__(self, rgb: NDArray[np.uint8]) -> NDArray[np.float32] | None:
        self.looked_at.append(int(rgb[0, 0, 0]))
        self.following = True
        return None if rgb[0, 0, 0] == 8 else np.full((33, 3), rgb[0, 0, 0], np.float32)


def test_between_two_looks_a_body_moves_evenly_within_its_scene() -> None:
    marks = np.zeros(13, np.int8)
    marks[0], marks[5], marks[11] = 1, 1, -1
    into = np.full((13, 34, 3), np.nan, np.float32)
    walker = Walker()
    follow_body(walker, into, marks, lambda i: np.full((4, 4, 3), i, np.uint8), 2, None)  # type: ignore[arg-type]
    # the first and the last picture of a scene are always looked at
    assert walker.looked_at == [0, 2, 4, 5, 7, 9, 10, 12]
    np.testing.assert_allclose(into[:11, 0, 0], np.arange(11))
    assert np.isnan(into[11]).all()
    assert np.isnan(into[:, 33]).all()
