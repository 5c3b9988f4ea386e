"""Left and right hands over a clip, from hands in no order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from kinebeat.performance import sides

if TYPE_CHECKING:
    from numpy.typing import NDArray

FPS = 20.0


def hand(x: NDArray[np.float64], y: float, *, right: bool, down: bool = True) -> NDArray[np.float32]:
    """(T, 21, 2) a hand seen from its back, fingers down the picture as of a player at its top, 80 px long."""
    points = np.zeros((21, 2))
    for finger in range(5):
        across = (finger - 2) * 12.0
        for k in range(4):
            points[1 + 4 * finger + k] = across, 40 + 12 * k
    # a right hand whose fingers point down has its thumb, finger 0, at the right
    if right:
        points[:, 0] *= -1
    if not down:
        points *= -1
    at = np.stack([np.broadcast_to(x, x.shape), np.full(len(x), y)], axis=-1)
    return (points[None] + at[:, None]).astype(np.float32)


def clip(frames: int = 200) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float64]]:
    """Two hands that play: the right one at the left of the picture, entry 0; (T, 2, 21, 2), (T, 2), (T,)."""
    times_s = np.arange(frames) / FPS
    right = hand(150 + 60 * np.sin(1.5 * times_s), 60, right=True)
    left = hand(400 + 60 * np.cos(times_s), 60, right=False)
    share = np.stack([np.full(frames, 0.95), np.full(frames, 0.05)], axis=1).astype(np.float32)
    return np.stack([right, left], axis=1), share, times_s


def shuffled(seed: int, *arrays: NDArray[np.float32]) -> tuple[NDArray[np.int64], list[NDArray[np.float32]]]:
    """The arrays with the order of hands drawn anew in each frame, and the order, (T, H)."""
    rng = np.random.default_rng(seed)
    frames, count = arrays[0].shape[:2]
    order = np.argsort(rng.random((frames, count)), axis=1)
    return order, [array[np.arange(frames)[:, None], order] for array in arrays]


def whose(
    xy: NDArray[np.float32],
    share: NDArray[np.float32],
    times_s: NDArray[np.float64],
    wrists: NDArray[np.float32] | None = None,
) -> NDArray[np.int64]:
    return sides.assigned(xy, share, times_s, np.zeros(len(times_s), np.int32), wrists)


def test_the_order_of_the_hands_does_not_matter() -> None:
    xy, share, times_s = clip()
    order, (xy, share) = shuffled(0, xy, share)
    found = whose(xy, share, times_s)
    frame = np.arange(len(times_s))
    np.testing.assert_array_equal(order[frame, found[:, sides.RIGHT]], 0)
    np.testing.assert_array_equal(order[frame, found[:, sides.LEFT]], 1)


def test_labels_that_are_wrong_for_two_seconds_change_nothing() -> None:
    xy, share, times_s = clip()
    share[60:100] = 1 - share[60:100]
    np.testing.assert_array_equal(whose(xy, share, times_s), np.tile([1, 0], (200, 1)))


def test_a_single_hand_keeps_its_side_when_its_label_wavers() -> None:
    xy, share, times_s = clip()
    xy[:, 1], share[:, 1] = np.nan, np.nan
    share[80:100, 0] = 0.1
    np.testing.assert_array_equal(whose(xy, share, times_s), np.tile([-1, 0], (200, 1)))


def test_crossed_hands_are_believed() -> None:
    xy, share, times_s = clip()
    reach = np.clip((times_s - 3) / 2, 0, 1) * 400
    xy[:, 0, :, 0] += reach[:, None]
    xy[:, 0, :, 1] += 90  # over the other hand, nearer to the fall board
    assert xy[-1, 0, 0, 0] > xy[-1, 1, 0, 0]
    np.testing.assert_array_equal(whose(xy, share, times_s), np.tile([1, 0], (200, 1)))


def test_a_hand_that_was_away_is_told_by_its_label_and_its_thumb() -> None:
    xy, share, times_s = clip()
    xy[60:140], share[60:140] = np.nan, np.nan
    xy[140:], share[140:] = xy[140:, ::-1], share[140:, ::-1].copy()
    found = whose(xy, share, times_s)
    np.testing.assert_array_equal(found[:60], np.tile([1, 0], (60, 1)))
    assert (found[60:140] == -1).all()
    np.testing.assert_array_equal(found[140:], np.tile([0, 1], (60, 1)))


def test_a_hand_seen_elsewhere_for_a_moment_is_left_out() -> None:
    xy, share, times_s = clip()
    xy[100, 0, :, 0] += 300
    xy[100, 0, :, 1] += 150
    found = whose(xy, share, times_s)
    assert found[100].tolist() == [1, -1]
    np.testing.assert_array_equal(np.delete(found, 100, axis=0), np.tile([1, 0], (199, 1)))


def test_one_hand_seen_twice_is_one_hand() -> None:
    xy, share, times_s = clip()
    xy[:, 1], share[:, 1] = xy[:, 0] + 2, 0.4
    found = whose(xy, share, times_s)
    assert (found[:, sides.LEFT] == -1).all()
    assert (found[:, sides.RIGHT] >= 0).all()


def test_the_wrists_of_the_body_tell_where_labels_do_not() -> None:
    xy, share, times_s = clip()
    share[:] = 0.5
    wrists = np.stack([xy[:, 1, 0], xy[:, 0, 0]], axis=1)
    np.testing.assert_array_equal(whose(xy, share, times_s, wrists), np.tile([1, 0], (200, 1)))
    np.testing.assert_array_equal(whose(xy, share, times_s, wrists[:, ::-1]), np.tile([0, 1], (200, 1)))


@pytest.mark.parametrize("down", [True, False])
def test_the_side_of_the_thumb_is_learned_from_the_labels(down: bool) -> None:
    flat = np.full(100, 200.0)
    xy = np.stack([hand(flat, 100, right=True, down=down), hand(flat + 200, 100, right=False, down=down)], axis=1)
    share = np.tile(np.array([0.9, 0.2], np.float32), (100, 1))
    share[::4] = 0.5
    by_thumb = sides.thumb_share(xy, share)
    assert (by_thumb[:, 0] > 0.75).all()
    assert (by_thumb[:, 1] < 0.35).all()
    mirrored = xy * np.array([-1, 1], np.float32)
    np.testing.assert_allclose(sides.thumb_share(mirrored, share), by_thumb, atol=1e-6)


def test_a_thumb_says_nothing_where_hands_are_seen_from_both_sides() -> None:
    times_s = np.arange(100) / FPS
    xy = np.stack([hand(200 + 0 * times_s, 100, right=True)] * 2, axis=1)
    share = np.tile(np.array([0.9, 0.1], np.float32), (100, 1))
    np.testing.assert_allclose(sides.thumb_share(xy, share), 0.5, atol=1e-6)


def test_nothing_is_assigned_where_nothing_is_seen() -> None:
    xy, share = np.full((5, 2, 21, 2), np.nan, np.float32), np.full((5, 2), np.nan, np.float32)
    assert (whose(xy, share, np.arange(5) / FPS) == -1).all()
    assert whose(xy[:0], share[:0], np.zeros(0)).shape == (0, 2)
    assert np.isnan(sides.hand_size_px(xy))


def test_a_hand_is_twice_its_palm() -> None:
    xy, _, _ = clip(3)
    assert sides.hand_size_px(xy) == pytest.approx(2 * 40)
