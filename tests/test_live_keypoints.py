"""Keypoints of one frame, made from what pose estimators say."""

import numpy as np
import pytest

from kinebeat.errors import OptionError
from kinebeat.live.keypoints import from_landmarks, from_layout
from kinebeat.skeleton import LAYOUTS

BLAZE = LAYOUTS["blazepose33"]
OURS = LAYOUTS["rhythmicnet17"]
SIZE = (200, 100)


def landmarks() -> np.ndarray:
    """A person in the middle of the picture, every joint somewhere else."""
    k = np.arange(33)
    return np.stack([0.4 + 0.005 * k, 0.2 + 0.01 * k, np.full(33, 0.9)], axis=1).astype(np.float32)


def test_landmarks_become_pixels_of_our_joints():
    found = from_landmarks(landmarks(), SIZE)
    left, right = BLAZE.index("left_shoulder"), BLAZE.index("right_shoulder")
    shoulders = landmarks()[[left, right], :2] * SIZE
    assert found.size == SIZE
    np.testing.assert_allclose(found.xy[OURS.index("left_shoulder")], shoulders[0], rtol=1e-6)
    np.testing.assert_allclose(found.xy[OURS.index("neck")], shoulders.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(found.shares * SIZE, found.xy, rtol=1e-6)
    assert found.xy.dtype == found.score.dtype == np.float32
    np.testing.assert_allclose(found.score, 0.9)


def test_joints_that_are_guessed_are_left_out():
    raw = landmarks()
    raw[BLAZE.index("left_ankle"), 2] = 0.1  # hardly believed
    raw[BLAZE.index("right_wrist"), 0] = 1.4  # outside of the picture
    found = from_landmarks(raw, SIZE)
    for joint in ("left_ankle", "right_wrist"):
        assert np.isnan(found.xy[OURS.index(joint)]).all()
        assert found.score[OURS.index(joint)] == 0
    assert np.isfinite(found.xy[OURS.index("right_ankle")]).all()


def test_nobody_is_none():
    assert from_landmarks(np.full((33, 3), np.nan, np.float32), SIZE) is None
    faint = landmarks()
    faint[:, 2] = 0.05
    assert from_landmarks(faint, SIZE) is None
    assert from_layout(np.full((17, 2), np.nan), np.zeros(17), "rhythmicnet17", SIZE) is None


def test_a_half_known_place_is_not_seen():
    xy = np.full((17, 2), 50.0)
    xy[3, 1] = np.inf
    found = from_layout(xy, np.full(17, 2.0), "rhythmicnet17", SIZE)
    assert np.isnan(found.xy[3]).all()
    assert found.score[3] == 0
    assert found.score[4] == 1


@pytest.mark.parametrize(
    ("layout", "joints", "size"), [("no such", 17, SIZE), ("coco17", 16, SIZE), ("coco17", 17, (0, 5))]
)
def test_what_cannot_be_is_refused(layout, joints, size):
    with pytest.raises(OptionError):
        from_layout(np.zeros((joints, 2)), np.ones(joints), layout, size)
