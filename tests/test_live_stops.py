"""Hands and feet as drum sticks: a stroke for each sharp stop, on the stop."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from kinebeat.live import movement, stops
from movers import JOINTS, frame_times_s, standing, swing_arms, track

MOVE_S = 0.2


def _reaches(times_s, stops_s, move_s=MOVE_S):
    """(T, 17, 2): the right arm swings there and back, and each time stops sharply where it was going."""
    angle = np.full(len(times_s), 0.3)
    away = False
    for stop_s in stops_s:
        share = np.clip((times_s - stop_s + move_s) / move_s, 0, 1)
        swing = 0.5 - 0.5 * np.cos(np.pi * share)
        begun = times_s >= stop_s - move_s
        angle = np.where(begun, (1.3 - swing) if away else (0.3 + swing), angle)
        away = not away
    return swing_arms(standing(times_s), angle, "right")


def _noisy(pose, noise_px):
    """The track as a detector that is off by so many pixels sees it."""
    off = np.random.default_rng(0).normal(0, noise_px, pose.xy.shape)
    return replace(pose, xy=(pose.xy + off).astype(np.float32))


def _strokes(pose, sensitivity=1.0):
    """All strokes, and when each was handed out."""
    state, limbs = movement.begin(), stops.begin()
    found, at = [], []
    for xy, score, time_s in zip(pose.xy, pose.score, pose.times_s, strict=True):
        ticks, state = movement.advance(xy, score, float(time_s), state)
        for tick in ticks:
            strokes, limbs = stops.step(tick, limbs, sensitivity)
            found += strokes
            at += [float(time_s)] * len(strokes)
    return found, np.array(at)


@pytest.fixture
def stops_s():
    return 1.0 + np.cumsum(np.random.default_rng(3).uniform(0.5, 0.9, 30))


@pytest.mark.parametrize("fps", [15.0, 24.0, 30.0, 60.0])
@pytest.mark.parametrize("noise_px", [0.0, 2.0])
def test_each_sharp_stop_sounds_once_and_on_it(stops_s, fps, noise_px):
    times_s = frame_times_s(stops_s[-1] + 1, fps)
    pose = _noisy(track(_reaches(times_s, stops_s), times_s), noise_px)
    strokes, at = _strokes(pose)
    assert [stroke.joint for stroke in strokes] == ["right_wrist"] * len(stops_s)
    late_s = np.array([stroke.time_s for stroke in strokes]) - stops_s
    assert np.abs(late_s).max() < 0.05
    assert abs(np.median(late_s)) < 0.02
    assert (np.array([stroke.time_s for stroke in strokes]) >= at - 1 / movement.LIVE_FPS - 1e-9).all()


def test_harder_strokes_are_louder():
    times_s = frame_times_s(6)
    body = standing(times_s)
    loud = _strokes(track(_reaches(times_s, [2.0, 4.0], 0.15), times_s))[0]
    soft = _strokes(track(_reaches(times_s, [2.0, 4.0], 0.26), times_s))[0]
    assert len(loud) == len(soft) == 2
    assert min(s.strength for s in loud) > max(s.strength for s in soft)
    assert _strokes(track(body, times_s))[0] == []


def test_a_slow_swing_strikes_nothing_until_one_asks_for_more():
    times_s = frame_times_s(12)
    pose = track(_reaches(times_s, [3.0, 6.0, 9.0], 0.8), times_s)
    assert _strokes(pose)[0] == []
    assert len(_strokes(pose, sensitivity=4.0)[0]) == 3


def test_the_jitter_of_a_detector_strikes_nothing():
    times_s = frame_times_s(30)
    assert _strokes(_noisy(track(standing(times_s), times_s), 3.0))[0] == []


def test_a_hand_that_is_lost_in_its_stroke_strikes_nothing(stops_s):
    times_s = frame_times_s(3)
    body = _reaches(times_s, [2.0])
    body[(times_s > 1.9) & (times_s < 2.2), JOINTS.index("right_wrist")] = np.nan
    assert _strokes(track(body, times_s))[0] == []
