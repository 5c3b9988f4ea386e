"""What the performance network is told: places, speeds and what is not seen, from tracks made by hand."""

import numpy as np
import pytest

from kinebeat.performance import features
from kinebeat.performance.features import FPS, HAND_NODES, LAYOUT, TIPS, body_features, features_of, key_features
from kinebeat.performance.piano_keys import KEY_LENGTH_U
from kinebeat.pose.track import PoseTrack


def track_of(xy, times_s):
    """A track in the layout of musicians."""
    score = np.isfinite(xy[..., 0]).astype(np.float32)
    shot = np.zeros(len(xy), np.int32)
    return PoseTrack(xy.astype(np.float32), score, np.asarray(times_s, float), "body25_hands", shot, (640, 360))


class Keys:
    """A keyboard whose white keys are 10 px wide and begin at x = 20; their front edge is at y = 200."""

    def key_units(self, xy):
        return (xy - np.array([20.0, 200.0])) / np.array([10.0, -10.0 * KEY_LENGTH_U])


def test_the_tips_are_the_ends_of_the_ten_fingers():
    assert len(set(TIPS)) == 10
    assert all(LAYOUT.joints[tip].endswith("4") for tip in TIPS)
    assert [LAYOUT.joints[tip].split("_")[0] for tip in TIPS] == ["left"] * 5 + ["right"] * 5


@pytest.mark.parametrize("fps", [20.0, 25.0, 29.97, 60.0])
def test_frames_come_thirty_times_a_second_whatever_the_film_has(fps):
    times_s = np.arange(int(3 * fps)) / fps
    xy = np.repeat(times_s[:, None, None] * np.array([100.0, -50.0]), 67, 1)
    found = features.resampled(track_of(xy, times_s))
    at = np.arange(len(found)) / FPS
    assert abs(len(found) / FPS - 3) < 0.1
    np.testing.assert_allclose(found[:, 5], at[:, None] * np.array([100.0, -50.0]), atol=1e-3)


def test_a_gap_is_left_empty_and_a_short_one_is_not():
    times_s = np.arange(90) / 30
    xy = np.ones((90, 67, 2))
    kept = np.r_[0:20, 22:40, 60:90]  # two frames missing, then twenty
    found = features.resampled(track_of(xy[kept], times_s[kept]))
    assert np.isfinite(found[:39]).all()
    assert np.isnan(found[42:58]).all()
    assert np.isfinite(found[61:]).all()


def test_one_frame_is_shown_all_the_time():
    assert features.resampled(track_of(np.ones((1, 67, 2)), [0.0])).shape == (1, 67, 2)


def test_a_joint_seen_in_every_other_frame_stays_near_what_was_seen():
    times_s = np.arange(60) / 20
    xy = np.repeat((times_s * 100)[:, None, None], 67, 1).repeat(2, 2)
    xy[1::2, 40] = np.nan
    found = features.resampled(track_of(xy, times_s))
    seen = np.isfinite(found[:, 40, 0])
    assert seen.mean() > 0.5
    assert np.abs(found[seen, 40, 0] - np.flatnonzero(seen) / FPS * 100).max() < 4


def test_hands_on_keys_are_told_in_key_units():
    xy = np.full((30, 67, 2), np.nan)
    xy[:, 46:] = [20 + 10 * 24.5, 200 - 10 * 3.2]  # the right hand, all joints over D4
    found = features_of(track_of(xy, np.arange(30) / 30), Keys())
    assert found.nodes.shape == (30, 42, 6)
    np.testing.assert_allclose(found.tips[:, 5:], np.broadcast_to([24.5, 3.2], (30, 5, 2)), atol=1e-4)
    assert np.isnan(found.tips[:, :5]).all()
    assert (found.nodes[:, :21] == 0).all()
    np.testing.assert_allclose(found.nodes[:, 21:, 4], 0.5, atol=1e-5)
    assert (found.nodes[:, 21:, 5] == 1).all()


def test_where_on_the_keyboard_a_hand_plays_changes_no_node():
    rng = np.random.default_rng(0)
    hands = np.cumsum(rng.normal(0, 0.1, (40, 42, 2)), 0) + 20
    there, octave_up = key_features(hands), key_features(hands + np.array([7.0, 0.0]))
    np.testing.assert_allclose(there.nodes, octave_up.nodes, atol=1e-5)
    np.testing.assert_allclose(there.tips + np.array([7.0, 0.0]), octave_up.tips, atol=1e-4)


def test_speed_is_told_in_units_a_second():
    hands = np.zeros((30, 42, 2))
    hands[..., 0] = np.arange(30)[:, None] * 0.5  # fifteen keys a second
    nodes = key_features(hands).nodes
    np.testing.assert_allclose(nodes[1:-1, :, 2], 15 / 20, atol=1e-5)
    assert (nodes[..., 3] == 0).all()


def test_a_body_is_measured_by_its_shoulders():
    rng = np.random.default_rng(1)
    body = rng.normal(0, 50, (1, 67, 2)) + np.cumsum(rng.normal(0, 1, (40, 67, 2)), 0)
    left, right, neck = (LAYOUT.index(joint) for joint in ("left_shoulder", "right_shoulder", "neck"))
    body[:, left], body[:, right], body[:, neck] = [40.0, 0.0], [-40.0, 0.0], [0.0, 0.0]
    near = body_features(body)
    far = body_features(body * 0.4 + np.array([300.0, 100.0]))
    np.testing.assert_allclose(near.nodes, far.nodes, atol=1e-4)
    np.testing.assert_allclose(near.nodes[:, left, 0], 0.5, atol=1e-5)
    assert near.tips.shape == (40, 0, 2)


def test_hands_alone_are_measured_by_themselves_and_nobody_is_nothing():
    rng = np.random.default_rng(2)
    xy = np.full((30, 67, 2), np.nan)
    xy[:, list(HAND_NODES)] = rng.normal(0, 20, (30, 42, 2))
    there, twice = body_features(xy), body_features(xy * 2 + 5)
    np.testing.assert_allclose(there.nodes, twice.nodes, atol=1e-4)
    assert np.abs(there.nodes).max() > 0.1
    assert (body_features(np.full((30, 67, 2), np.nan)).nodes == 0).all()
    assert (key_features(np.full((30, 42, 2), np.nan)).nodes == 0).all()
    assert len(key_features(np.zeros((0, 42, 2)))) == 0
