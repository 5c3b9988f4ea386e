from types import SimpleNamespace

import numpy as np
import pytest

from kinebeat import weights
from kinebeat.beats import activation
from kinebeat.beats.activation import HOP, JOINTS, WINDOW, beat_activation, through_windows
from kinebeat.beats.batches import mirrored
from kinebeat.errors import OptionError
from kinebeat.motion import motion_from_velocity


def walk(frames, seed=0):
    """Anybody's movement, now and then a joint out of sight."""
    rng = np.random.default_rng(seed)
    velocity = rng.normal(size=(frames, JOINTS, 2)).astype(np.float32)
    velocity[rng.random((frames, JOINTS)) < 0.1] = np.nan
    return velocity


def speed(velocity, seen):
    """A frame's activation is its own joints' mean speed."""
    return np.hypot(velocity[..., 0], velocity[..., 1]).sum(1) / seen.sum(1).clip(min=1)


def whole_window(velocity, seen):
    """A frame's activation depends on all of the window."""
    return speed(velocity, seen) * seen.mean() + np.linspace(0, 1, len(velocity)) * velocity.std()


@pytest.mark.parametrize("frames", [0, 1, 7, WINDOW - 1, WINDOW, WINDOW + 1, WINDOW + HOP, 5 * HOP + 17])
def test_windows_of_any_number_give_back_what_each_frame_says(frames):
    velocity = walk(frames)
    seen = np.isfinite(velocity).all(-1)
    heard = through_windows(velocity, speed)
    assert heard.shape == (frames,)
    assert heard.dtype == np.float32
    assert heard == pytest.approx(speed(np.nan_to_num(velocity), seen), rel=1e-5)


def test_a_longer_clip_changes_nothing_but_the_end():
    velocity = walk(3001)
    long, short = (through_windows(part, whole_window) for part in (velocity, velocity[:2002]))
    assert np.array_equal(long[: 2002 - WINDOW], short[:-WINDOW])
    assert not np.allclose(long[1995:2002], short[-7:])


def test_windows_go_every_five_seconds_and_end_with_the_clip():
    firsts = []
    velocity = np.arange(1700, dtype=np.float32)[:, None, None] * np.ones((1, JOINTS, 2), np.float32)

    def hear(window, seen):
        firsts.append(int(window[0, 0, 0]))
        assert window.shape == (WINDOW, JOINTS, 2)
        assert seen.all()
        return np.zeros(WINDOW)

    through_windows(velocity, hear)
    assert firsts == [0, HOP, 2 * HOP, 3 * HOP, 1700 - WINDOW]


def test_the_middle_of_a_window_counts_more_than_its_edge():
    def its_place(window, seen):
        return np.full(WINDOW, float(window[0, 0, 0] > 0))

    velocity = np.ones((WINDOW + HOP, JOINTS, 2), np.float32)
    velocity[0] = -1  # the first window says 0, the second 1
    heard = through_windows(velocity, its_place)
    assert (np.diff(heard[HOP:WINDOW]) > 0).all()
    assert heard[HOP] < 0.1
    assert heard[WINDOW - 1] > 0.9
    assert (heard[:HOP] == 0).all()
    assert (heard[WINDOW:] == 1).all()


def test_nobody_in_the_picture_gives_no_activation_and_is_not_heard():
    velocity = walk(6 * HOP)
    velocity[HOP : 4 * HOP] = np.nan
    heard = []

    def hear(window, seen):
        assert seen.any()
        assert np.isfinite(window).all()
        assert (window[seen == 0] == 0).all()
        heard.append(1)
        return np.full(WINDOW, 0.8)

    found = through_windows(velocity, hear)
    assert len(heard) == 3  # of five
    assert found[: HOP // 2] == pytest.approx(0.8)
    assert (found[2 * HOP : 3 * HOP] == 0).all()
    assert (through_windows(np.full((700, JOINTS, 2), np.nan), hear) == 0).all()


def test_infinite_velocities_are_not_seen():
    velocity = walk(WINDOW)
    velocity[3, 2] = np.inf
    assert np.isfinite(through_windows(velocity, speed)).all()


class Constant:
    """A network that says the same logit at every frame."""

    def __init__(self, logit):
        self.logit = logit

    def run(self, _, inputs):
        assert inputs["velocity"].dtype == inputs["seen"].dtype == np.float32
        return [np.full(inputs["velocity"].shape[:2], self.logit, np.float32)]


@pytest.fixture
def shipped(monkeypatch):
    beats = SimpleNamespace(sha256={"seed1": "", "seed0": ""}, constants={"best": "seed1"})
    entries = {"beats": beats, "drums-hits": SimpleNamespace(sha256={})}
    monkeypatch.setattr(weights, "registry", lambda: entries)
    monkeypatch.setattr(activation, "_session", lambda _, part: Constant({"seed0": 0.0, "seed1": 1000.0}[part]))


@pytest.mark.usefixtures("shipped")
def test_the_best_seed_of_a_model_is_heard_or_the_one_that_is_named():
    motion = motion_from_velocity(walk(100))
    for part, expected in ((None, 1.0), ("seed0", 0.5), ("seed1", 1.0)):
        heard = beat_activation(motion, "beats", part)
        assert heard.shape == (100,)
        assert heard == pytest.approx(expected, abs=1e-6)


@pytest.mark.usefixtures("shipped")
def test_what_cannot_be_heard_says_so():
    motion = motion_from_velocity(walk(100))
    with pytest.raises(OptionError, match=r"known are beats$"):
        beat_activation(motion, "drums-hits")
    with pytest.raises(OptionError, match="seed0, seed1"):
        beat_activation(motion, "beats", "seed2")
    with pytest.raises(OptionError, match="rhythmicnet17"):
        beat_activation(motion_from_velocity(np.zeros((100, 33, 2), np.float32)))


def test_the_beat_has_no_left_and_right() -> None:
    velocity = np.random.default_rng(0).normal(0, 0.4, (700, 17, 2)).astype(np.float32)
    seen = np.ones(velocity.shape[:2], np.float32)
    other = mirrored(velocity, seen)[0]
    own, mirror = (beat_activation(motion_from_velocity(v)) for v in (velocity, other))
    np.testing.assert_allclose(own, mirror, atol=1e-5)
    assert own.std() > 0
