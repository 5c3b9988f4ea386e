from __future__ import annotations

import numpy as np
import pytest

from kinebeat import skeleton
from kinebeat.pose import filter as joint_filter
from kinebeat.pose.clean import clean
from kinebeat.puppet import puppet_pose

LAYOUT = skeleton.LAYOUTS["rhythmicnet17"]
WRIST = LAYOUT.index("right_wrist")


def pendulum(times_s: np.ndarray, period_s: float = 0.9, width_px: float = 80.0) -> np.ndarray:
    """(T, 1, 2) a bob that swings."""
    x = width_px * np.sin(2 * np.pi * times_s / period_s)
    return np.stack([300 + x, 200 - 0.2 * np.abs(x)], axis=-1)[:, None].astype(np.float32)


def turning_points_s(times_s: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Times of local maxima of |x|, between frames by a parabola."""
    y = np.abs(x - np.median(x))
    k = np.flatnonzero((y[1:-1] >= y[:-2]) & (y[1:-1] > y[2:]) & (y[1:-1] > 0.7 * y.max())) + 1
    peaks = []
    for i in k:
        a, b, _ = np.polyfit(times_s[i - 1 : i + 2] - times_s[i], y[i - 1 : i + 2], 2)
        peaks.append(times_s[i] - b / (2 * a))
    return np.array(peaks)


def irregular(fps: float, seconds: float) -> np.ndarray:
    rng = np.random.default_rng(1)
    steps = rng.uniform(0.6, 1.4, int(seconds * fps)) / fps
    return np.concatenate([[0.0], np.cumsum(steps)])


@pytest.mark.parametrize("fps", [24.0, 30.0, 59.94])
@pytest.mark.parametrize("even", [True, False])
def test_jitter_is_weakened_and_peaks_stay(fps: float, even: bool) -> None:
    times_s = np.arange(0, 12, 1 / fps) if even else irregular(fps, 12)
    true = pendulum(times_s)
    noise = np.random.default_rng(0).normal(0, 1.5, true.shape).astype(np.float32)
    shot = np.zeros(len(times_s), np.int32)
    after = joint_filter.smoothed(true + noise, times_s, shot)
    inner = slice(5, -5)
    left_over = np.std((after - true)[inner])
    assert left_over < 0.75 * np.std(noise[inner])
    clean_peaks = turning_points_s(times_s, joint_filter.smoothed(true, times_s, shot)[:, 0, 0])
    true_peaks = turning_points_s(times_s, true[:, 0, 0])
    assert len(clean_peaks) == len(true_peaks) > 20
    np.testing.assert_allclose(clean_peaks, true_peaks, atol=0.005)


def test_smoothing_keeps_the_swing_as_wide() -> None:
    times_s = np.arange(0, 6, 1 / 30)
    true = pendulum(times_s, period_s=0.5)
    after = joint_filter.smoothed(true, times_s, np.zeros(len(times_s), np.int32))
    assert np.ptp(after[5:-5, 0, 0]) > 0.9 * np.ptp(true[5:-5, 0, 0])


def test_smoothing_looks_forwards_and_backwards_alike() -> None:
    times_s = irregular(30, 4)
    xy = pendulum(times_s) + np.random.default_rng(2).normal(0, 3, (len(times_s), 1, 2)).astype(np.float32)
    shot = np.zeros(len(times_s), np.int32)
    forwards = joint_filter.smoothed(xy, times_s, shot)
    backwards = joint_filter.smoothed(xy[::-1], (times_s[-1] - times_s)[::-1], shot)[::-1]
    np.testing.assert_allclose(forwards, backwards, atol=1e-3)


def test_nothing_leaks_across_shots_or_gaps() -> None:
    times_s = np.arange(60) / 30
    xy = pendulum(times_s)
    xy[40:50] = np.nan
    shot = np.repeat([0, 1], 30).astype(np.int32)
    other = xy.copy()
    other[:30] += 1000
    a, b = joint_filter.smoothed(xy, times_s, shot), joint_filter.smoothed(other, times_s, shot)
    np.testing.assert_array_equal(a[30:], b[30:])
    np.testing.assert_array_equal(np.isnan(a), np.isnan(xy))


def test_short_gaps_are_bridged_long_ones_stay() -> None:
    times_s = np.arange(90) / 30
    xy = np.stack([times_s * 100, times_s * 10], axis=-1)[:, None].astype(np.float32)
    true = xy.copy()
    score = np.ones((90, 1), np.float32)
    for gap in (slice(20, 25), slice(40, 52), slice(0, 3), slice(86, 90)):
        xy[gap], score[gap] = np.nan, 0
    shot = np.zeros(90, np.int32)
    after, after_score = joint_filter.bridged(xy, score, times_s, shot)
    np.testing.assert_allclose(after[20:25], true[20:25], atol=1e-3)
    assert (after_score[20:25] == 0.5).all()
    assert np.isnan(after[[*range(40, 52), 0, 1, 2, *range(86, 90)]]).all()
    shot[22:] = 1
    assert np.isnan(joint_filter.bridged(xy, score, times_s, shot)[0][20:25]).all()


def test_a_joint_that_is_elsewhere_for_one_frame_is_put_back() -> None:
    track = puppet_pose(np.arange(90) / 30)
    xy = track.xy.copy()
    xy[33, WRIST] += (150, -120)
    torso = joint_filter.body_size_px(xy, track.layout)
    after = joint_filter.without_teleports(xy, track.times_s, track.shot, torso)
    assert np.isnan(after[33, WRIST]).all()
    assert np.isnan(after).any(axis=-1).sum() == 1


def test_fast_dancing_is_not_taken_for_teleports() -> None:
    for fps in (10, 30, 60):
        track = puppet_pose(np.arange(0, 12, 1 / fps), tempo_bpm=140)
        torso = joint_filter.body_size_px(track.xy, track.layout)
        after = joint_filter.without_teleports(track.xy, track.times_s, track.shot, torso)
        np.testing.assert_array_equal(after, track.xy)


def test_exchanged_sides_are_put_back() -> None:
    track = puppet_pose(np.arange(120) / 30)
    left = [i for i, _ in LAYOUT.pairs]
    right = [i for _, i in LAYOUT.pairs]
    xy = track.xy.copy()
    for frames in (slice(20, 21), slice(50, 70)):
        both = xy[frames].copy()
        xy[frames, left], xy[frames, right] = both[:, right], both[:, left]
    torso = joint_filter.body_size_px(xy, track.layout)
    after, _ = joint_filter.unswapped(xy, track.score, track.shot, torso, track.layout)
    np.testing.assert_array_equal(after, track.xy)


def test_crossing_legs_are_left_alone() -> None:
    times_s = np.arange(90) / 30
    track = puppet_pose(times_s)
    xy = track.xy.copy()
    swing = 40 * np.sin(2 * np.pi * times_s)
    for side, sign in (("left", 1), ("right", -1)):
        for joint, share in (("knee", 0.6), ("ankle", 1.0), ("big_toe", 1.0)):
            xy[:, LAYOUT.index(f"{side}_{joint}"), 0] = 360 + sign * share * swing
        xy[:, LAYOUT.index(f"{side}_hip"), 0] = 360
    torso = joint_filter.body_size_px(xy, track.layout)
    after, _ = joint_filter.unswapped(xy, track.score, track.shot, torso, track.layout)
    np.testing.assert_array_equal(after, xy)


def test_flickers_of_a_joint_are_taken_out() -> None:
    times_s = np.arange(90) / 30
    xy = np.full((90, 2, 2), np.nan, np.float32)
    xy[:, 0] = 5
    xy[30:32, 1] = 7
    xy[60:80, 1] = 7
    after = joint_filter.without_islands(xy, times_s, np.zeros(90, np.int32))
    assert np.isnan(after[30:32, 1]).all()
    np.testing.assert_array_equal(after[60:80, 1], xy[60:80, 1])
    np.testing.assert_array_equal(after[:, 0], xy[:, 0])


def test_cleaning_a_perfect_track_hardly_changes_it() -> None:
    track = puppet_pose(np.arange(180) / 30)
    after = clean(track.xy, track.score, track.times_s, track.layout, track.size)
    assert after.shot.max() == 0
    assert np.isfinite(after.xy).all()
    off = np.linalg.norm(after.xy - track.xy, axis=-1) / joint_filter.body_size_px(track.xy, track.layout)
    # only where something stops dead may the smoothing be seen
    assert np.median(off) < 0.002
    assert off.max() < 0.2


def test_doubtful_and_outside_joints_are_left_out() -> None:
    track = puppet_pose(np.arange(60) / 30)
    xy, score = track.xy.copy(), track.score.copy()
    score[:, WRIST] = 0.05
    ankle = LAYOUT.index("left_ankle")
    xy[:, ankle, 1] = track.size[1] + 50
    after = clean(xy, score, track.times_s, track.layout, track.size)
    assert np.isnan(after.xy[:, [WRIST, ankle]]).all()
    assert (after.score[:, [WRIST, ankle]] == 0).all()
    assert np.isfinite(np.delete(after.xy, [WRIST, ankle], axis=1)).all()


def test_another_person_is_another_shot() -> None:
    track = puppet_pose(np.arange(90) / 30)
    xy = track.xy * 0.4
    xy[45:, :, 0] += 300
    after = clean(xy, track.score, track.times_s, track.layout, track.size)
    np.testing.assert_array_equal(after.shot, np.repeat([0, 1], 45))


@pytest.mark.parametrize("frames", [0, 1, 2, 3, 7])
@pytest.mark.parametrize("seen", [True, False])
def test_short_and_empty_tracks_pass(frames: int, seen: bool) -> None:
    track = puppet_pose(np.arange(frames) / 30)
    xy = track.xy if seen else np.full_like(track.xy, np.nan)
    after = clean(xy, track.score, track.times_s, track.layout, track.size)
    assert after.xy.shape == (frames, 17, 2)
    assert np.isfinite(after.xy).all() == (seen or frames == 0)
    assert after.shot.shape == (frames,)


@pytest.mark.parametrize(("score", "kept"), [(0.4, False), (0.9, True)])
def test_a_knee_without_its_hip_has_to_be_believed_more(score: float, kept: bool) -> None:
    track = puppet_pose(np.arange(60) / 30)
    knee, hip = LAYOUT.index("left_knee"), LAYOUT.index("left_hip")
    track.score[:, hip] = 0.1
    track.score[:, knee] = score
    after = clean(track.xy, track.score, track.times_s, track.layout, track.size)
    assert np.isnan(after.xy[:, hip]).all()
    assert np.isfinite(after.xy[:, knee]).all() == kept
