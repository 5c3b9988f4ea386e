"""Accents: stops of puppets at known times, and the paper's style stream by hand."""

from __future__ import annotations

import numpy as np
import pytest

from kinebeat.accents import (
    CLOSEST_S,
    LANDING_LAG_S,
    WEAKEST_PEAK,
    Accents,
    find_accents,
    movement_peaks,
    paper_style,
    paper_style_times_s,
    peaks,
)
from kinebeat.motion import MOTION_FPS, Motion, compute_motion
from movers import frame_times_s, jitter, pendulum, sharp_moves, standing, swing_arms, track


def motion_of(stops_s: np.ndarray, sizes: object = 1.0, fps: float = 30.0, noise: float = 0.0) -> Motion:
    duration_s = float(stops_s[-1]) + 1.0
    times_s = frame_times_s(duration_s, fps)
    body = swing_arms(standing(times_s), sharp_moves(times_s, stops_s, sizes))  # type: ignore[arg-type]
    return compute_motion(track(body + jitter(body.shape, noise, 0), times_s), duration_s)


def nearest_error_s(found_s: np.ndarray, true_s: np.ndarray) -> np.ndarray:
    away = found_s[:, None] - true_s[None, :]
    return away[np.abs(away).argmin(0), np.arange(len(true_s))]


# Where an accent is


@pytest.mark.parametrize("fps", [24000 / 1001, 25.0, 30000 / 1001, 30.0, 50.0, 60.0])
@pytest.mark.parametrize("noise", [0.0, 0.001])
def test_a_sharp_stop_is_found_between_the_frames(fps: float, noise: float) -> None:
    stops_s = 1.0 + np.cumsum(np.random.default_rng(0).uniform(0.5, 1.1, 25))
    accents = find_accents(motion_of(stops_s, fps=fps, noise=noise))
    error_s = nearest_error_s(accents.times_s - LANDING_LAG_S, stops_s)
    assert np.abs(error_s).max() < 0.015
    assert error_s.std() < 0.005  # a frame is 17 to 42 ms
    assert len(accents.times_s) == len(stops_s)


def test_a_soft_stop_is_found_soon_before_the_rest() -> None:
    # A pendulum slows for half of its way; felt to land somewhere between the hardest braking and the rest.
    times_s = frame_times_s(20.0)
    motion = compute_motion(pendulum(times_s, lambda s: 2 * (s - 0.2)), 20.0)
    stops_s = np.arange(0.7, 19.5, 0.5)
    error_s = nearest_error_s(find_accents(motion).times_s, stops_s)
    assert np.abs(error_s).max() < 0.030


def test_a_pendulum_has_one_accent_a_stop() -> None:
    for bpm in (60.0, 90.0, 120.0, 160.0):
        times_s = frame_times_s(20.0)
        motion = compute_motion(pendulum(times_s, lambda s, bpm=bpm: s * bpm / 60), 20.0)  # type: ignore[misc]
        assert len(find_accents(motion).times_s) == pytest.approx(20 * bpm / 60, abs=1)


def test_peaks_of_a_curve_are_where_they_were_put() -> None:
    times_s = np.arange(600) / MOTION_FPS
    true_s = np.array([1.003, 2.5, 3.7112, 6.249, 8.8])
    curve = sum(3.0 * np.exp(-0.5 * ((times_s - s) / 0.04) ** 2) for s in true_s)
    found = peaks(np.asarray(curve, np.float32), 0.5)
    np.testing.assert_allclose(found.times_s, true_s, atol=0.001)
    np.testing.assert_allclose(found.strength, 1.0, atol=0.15)


# How strong it is


def test_strength_grows_with_the_size_of_the_movement() -> None:
    sizes = np.array([0.15, 1.0, 0.3, 0.8, 0.5, 1.0, 0.2, 0.6])
    stops_s = 1.5 + 1.2 * np.arange(len(sizes))
    accents = find_accents(motion_of(stops_s, sizes), weakest=0.02)
    error_s = accents.times_s[:, None] - LANDING_LAG_S - stops_s
    strength = accents.strength[np.abs(error_s).argmin(0)]
    by_size = strength[np.argsort(sizes, kind="stable")]
    assert (np.diff(by_size[:-1]) > 0.02).all()
    assert by_size[-1] == pytest.approx(by_size[-2], abs=0.02)  # the same size twice
    assert by_size[-1] > 0.9


def test_weakest_leaves_out_what_is_weaker() -> None:
    sizes = np.tile([1.0, 0.35], 6)
    motion = motion_of(1.0 + 0.8 * np.arange(12), sizes)
    weak, strong = find_accents(motion, 0.15), find_accents(motion, 0.7)
    assert len(weak.times_s) == 12
    assert len(strong.times_s) == 6
    assert (strong.strength >= 0.7).all()
    assert (weak.strength >= 0.15).all()


def test_a_quiet_passage_has_accents_too() -> None:
    stops_s = 1.0 + 0.8 * np.arange(30)
    sizes = np.where(np.arange(30) < 15, 1.0, 0.4)
    accents = find_accents(motion_of(stops_s, sizes))
    assert (accents.times_s > stops_s[15]).sum() == 15


def test_accents_are_never_closer_than_a_limb_can_strike() -> None:
    curve = np.random.default_rng(0).uniform(0, 5, 3000).astype(np.float32)
    found = peaks(curve, 0.1)
    assert len(found.times_s) > 100
    assert np.diff(found.times_s).min() > CLOSEST_S - 1.5 / MOTION_FPS


def test_movement_peaks_are_the_accents_and_weaker_ones_without_the_lag() -> None:
    motion = motion_of(1.0 + 0.8 * np.arange(12), np.tile([1.0, 0.35], 6))
    accents, all_peaks = find_accents(motion), movement_peaks(motion)
    assert set(np.round(accents.times_s - LANDING_LAG_S, 9)) <= set(np.round(all_peaks.times_s, 9))
    np.testing.assert_array_equal(all_peaks.times_s, find_accents(motion, WEAKEST_PEAK).times_s - LANDING_LAG_S)


@pytest.mark.parametrize("frames", [0, 1, 2, 3, 10])
def test_a_still_curve_has_no_peaks(frames: int) -> None:
    found = peaks(np.zeros(frames, np.float32), 0.1)
    assert isinstance(found, Accents)
    assert len(found.times_s) == len(found.strength) == 0


def test_times_increase_and_strengths_are_in_range_for_any_curve() -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        curve = rng.gamma(0.5, rng.uniform(0.1, 20), rng.integers(3, 800)).astype(np.float32)
        found = peaks(curve, WEAKEST_PEAK)
        assert (np.diff(found.times_s) > 0).all()
        assert ((found.strength >= WEAKEST_PEAK - 1e-6) & (found.strength <= 1)).all()
        assert (found.times_s >= -0.5 / MOTION_FPS).all()
        assert (found.times_s <= len(curve) / MOTION_FPS).all()


# The paper's style


def marked_frames(offsets: dict[int, float], frames: int) -> list[int]:
    curve = np.zeros(frames)
    for frame, height in offsets.items():
        curve[frame] = height
    return list(np.flatnonzero(paper_style(curve)))


def test_one_impulse_is_marked_for_one_hop() -> None:
    # 48 frames have 13 windows; the best tenth is one, the one whose middle is the impulse.
    assert marked_frames({20: 1.0}, 48) == [20, 21, 22, 23]


def test_style_by_hand() -> None:
    # The Hann window has cos^2(pi d / 16) at d frames from its middle, and the highest bin of one impulse is its height
    # times that. Windows are at 0, 4, 8 ...: 2.0 at frame 21 gives 1.92 at 20, 1.38 at 24, 0.62 at 16, 0.08 at 28; 1.0
    # at frame 49 gives 0.96 at 48, 0.69 at 52. The best 1, 2, 3 and 4 windows of 13, 21, 31 and 41:
    impulses = {21: 2.0, 49: 1.0}
    assert marked_frames({21: 2.0}, 48) == [*range(20, 24)]
    assert marked_frames(impulses, 80) == [*range(20, 28)]
    assert marked_frames(impulses, 120) == [*range(20, 28), *range(48, 52)]
    assert marked_frames(impulses, 160) == [*range(20, 28), *range(48, 56)]


def test_the_window_of_the_style_is_periodic() -> None:
    # One frame after the middle and one before weigh the same, so the higher impulse wins.
    assert marked_frames({21: 1.0, 39: 0.98}, 48) == [20, 21, 22, 23]
    assert marked_frames({21: 0.98, 39: 1.0}, 48) == [40, 41, 42, 43]


def test_opposite_neighbours_cancel_in_the_highest_bin() -> None:
    # The highest of the bins alternates in sign from frame to frame: a slow swell has nothing there.
    swell = 1 + np.sin(2 * np.pi * np.arange(300) / 60)
    swell[150] += 0.2
    marked = np.flatnonzero(paper_style(swell))
    inside = marked[(marked > 8) & (marked < 290)]
    assert inside.min() >= 140
    assert inside.max() <= 160


@pytest.mark.parametrize("frames", [397, 997, 4000])
def test_style_marks_a_tenth_and_repeats_by_the_hop(frames: int) -> None:
    style = paper_style(np.random.default_rng(frames).uniform(size=frames))
    assert style.mean() == pytest.approx(0.10, abs=0.01)
    whole = style[: frames // 4 * 4].reshape(-1, 4)
    assert (whole.all(1) | ~whole.any(1)).all()


@pytest.mark.parametrize("frames", [1, 2, 3, 8, 9, 16, 100])
def test_a_still_clip_has_no_style(frames: int) -> None:
    style = paper_style(np.zeros(frames))
    assert style.shape == (frames,)
    assert not style.any()


def test_style_times_are_the_starts_of_runs() -> None:
    style = np.zeros(90, bool)
    style[[0, 1, 2, 3, 15, 16, 17, 18, 19, 20, 21, 22, 60]] = True
    np.testing.assert_allclose(paper_style_times_s(style), [0.0, 1.0, 4.0])
    assert len(paper_style_times_s(np.zeros(10, bool))) == 0
