"""Rhythm: accents on their steps, pulled no further off the grid than needed; energy; presence; grids moved."""

from __future__ import annotations

import numpy as np
import pytest

from kinebeat.accents import WEAKEST_PEAK, Accents, find_accents
from kinebeat.beats.grid import STEPS_PER_BAR, BeatGrid
from kinebeat.beats.tracking import track_beats
from kinebeat.motion import MOTION_FPS, Motion, compute_motion
from kinebeat.rhythm import ENERGY_FLOOR, LANDING_TOLERANCE_S, SETTLE_S, Rhythm, compose, energy, settled
from movers import frame_times_s, jitter, pendulum, sharp_moves, standing, swing_arms, track

GRID = BeatGrid(np.arange(9) * 0.5)  # 120 BPM, two bars, a 16th is 125 ms
STEP_S = 0.125


def motion_at(speed: np.ndarray, present: np.ndarray | None = None) -> Motion:
    zeros = np.zeros(len(speed), np.float32)
    present = np.ones(len(speed), bool) if present is None else present
    times_s = np.arange(len(speed)) / MOTION_FPS
    velocity, directogram = np.zeros((len(speed), 17, 2), np.float32), np.zeros((len(speed), 12), np.float32)
    return Motion(times_s, velocity, directogram, zeros, zeros, speed.astype(np.float32), present)


def composed(times_s: list[float], strength: list[float], grid: BeatGrid = GRID) -> Rhythm:
    accents = Accents(np.array(times_s, float), np.array(strength, np.float32))
    return compose(grid, accents, motion_at(np.ones(240)))


def rhythm_of(angle: np.ndarray, times_s: np.ndarray, seed: int = 0) -> Rhythm:
    duration_s = float(times_s[-1]) + 1 / 30
    body = swing_arms(standing(times_s), angle)
    motion = compute_motion(track(body + jitter(body.shape, 0.0005, seed), times_s), duration_s)
    grid = track_beats(find_accents(motion, WEAKEST_PEAK), duration_s)
    return compose(grid, find_accents(motion), motion)


def test_beats_are_on_every_fourth_step() -> None:
    rhythm = composed([], [])
    np.testing.assert_array_equal(np.flatnonzero(rhythm.beat), np.arange(0, 32, 4))
    assert not rhythm.accent.any()
    assert not rhythm.accent_offset.any()


@pytest.mark.parametrize(
    ("away_s", "step", "offset_s"),
    [
        (0.0, 9, 0.0),
        (0.010, 9, 0.0),  # within the tolerance: the drum may stay on the grid
        (-0.0149, 9, 0.0),
        (0.040, 9, 0.025),  # beyond: it leaves the grid by what exceeds the tolerance
        (-0.050, 9, -0.035),
        (0.0624, 9, 0.0474),
        (0.0626, 10, -0.0474),
        (-0.070, 8, 0.040),
    ],
)
def test_an_accent_is_on_its_nearest_step_and_pulled_as_little_as_needed(
    away_s: float, step: int, offset_s: float
) -> None:
    rhythm = composed([9 * STEP_S + away_s], [0.7])
    assert list(np.flatnonzero(rhythm.accent)) == [step]
    assert rhythm.accent[step] == pytest.approx(0.7)
    assert rhythm.accent_offset[step] * STEP_S == pytest.approx(offset_s, abs=1e-6)


def test_a_pulled_drum_is_within_the_tolerance_of_its_accent_at_any_tempo() -> None:
    rng = np.random.default_rng(0)
    for _ in range(30):
        grid = BeatGrid(np.cumsum(rng.uniform(0.3, 1.0, 17)) - 0.3)
        times_s = np.sort(rng.uniform(0, grid.beats_s[-1] - 0.5, 12))
        rhythm = compose(grid, Accents(times_s, np.full(12, 0.5, np.float32)), motion_at(np.ones(900)))
        where = np.flatnonzero(rhythm.accent)
        drums_s = grid.time_s(where + rhythm.accent_offset[where])
        assert np.abs(drums_s[:, None] - times_s).min(1).max() < LANDING_TOLERANCE_S + 0.002
        assert (rhythm.accent_offset >= -0.5).all()
        assert (rhythm.accent_offset < 0.5).all()


def test_the_strongest_of_two_accents_on_a_step_stays() -> None:
    for order in ([0, 1, 2], [2, 1, 0], [1, 2, 0]):
        times_s, strength = np.array([0.50, 0.54, 0.46]), np.array([0.4, 0.9, 0.6])
        rhythm = composed(list(times_s[order]), list(strength[order]))
        assert list(np.flatnonzero(rhythm.accent)) == [4]
        assert rhythm.accent[4] == pytest.approx(0.9)
        assert rhythm.accent_offset[4] * STEP_S == pytest.approx(0.025, abs=1e-6)


def test_accents_beyond_the_grid_are_left_out() -> None:
    rhythm = composed([-0.3, 4.1, 1.0], [0.5, 0.5, 0.5])
    assert list(np.flatnonzero(rhythm.accent)) == [8]


def test_an_accent_midway_between_steps_keeps_its_offset_below_a_half() -> None:
    grid = BeatGrid(np.arange(9) * 0.2)  # 300 BPM: the tolerance is a third of a 16th
    rhythm = composed([10 * 0.05 + 0.025], [0.5], grid)
    assert list(np.flatnonzero(rhythm.accent)) == [11]
    assert rhythm.accent_offset[11] == pytest.approx(-0.2)


# Energy and presence


def test_energy_grows_with_speed_and_is_nothing_at_rest() -> None:
    speed = np.repeat([0.0, 0.1, 0.2, 0.4, 0.8], 180)
    level = energy(motion_at(speed))[90::180]
    assert level[0] == 0
    assert (np.diff(level) > 0.05).all()
    assert level[-1] == 1.0


def test_slow_movement_alone_is_no_full_energy() -> None:
    assert energy(motion_at(np.full(300, ENERGY_FLOOR / 4))).max() == pytest.approx(0.25, abs=0.01)


def test_standing_with_a_jittery_detector_is_hardly_any_energy() -> None:
    times_s = frame_times_s(10.0)
    body = standing(times_s) + jitter((len(times_s), 17, 2), 0.001, 0)
    assert energy(compute_motion(track(body, times_s), 10.0)).max() < 0.2


def test_energy_does_not_depend_on_who_is_absent() -> None:
    speed = np.concatenate([np.full(300, 0.5), np.zeros(3000)])
    present = np.arange(3300) < 300
    assert energy(motion_at(speed, present))[100] == pytest.approx(1.0)


def test_an_empty_picture_is_not_present_and_has_no_energy() -> None:
    present = (np.arange(240) >= 60) & (np.arange(240) < 150)
    rhythm = compose(GRID, Accents(np.zeros(0), np.zeros(0, np.float32)), motion_at(np.ones(240), present))
    seen_s = GRID.time_s(np.flatnonzero(rhythm.present))
    assert seen_s[0] == pytest.approx(1.0, abs=0.2)
    assert seen_s[-1] == pytest.approx(2.5, abs=0.2)
    assert not rhythm.energy[~rhythm.present].any()
    assert rhythm.energy[rhythm.present].min() > 0


def test_steps_before_and_after_the_clip_are_not_present() -> None:
    grid = BeatGrid(np.arange(13) * 0.5 - 1.0)
    rhythm = compose(grid, Accents(np.zeros(0), np.zeros(0, np.float32)), motion_at(np.ones(120)))
    time_s = grid.time_s(np.arange(grid.steps))
    assert not rhythm.present[(time_s < -0.15) | (time_s > 2.15)].any()
    assert rhythm.present[(time_s >= 0) & (time_s < 1.9)].all()


def test_nobody_at_all_is_an_empty_rhythm() -> None:
    times_s = frame_times_s(4.0)
    motion = compute_motion(track(np.full((len(times_s), 17, 2), np.nan), times_s), 4.0)
    rhythm = compose(track_beats(find_accents(motion), 4.0), find_accents(motion), motion)
    assert not rhythm.present.any()
    assert not rhythm.accent.any()
    assert not rhythm.energy.any()


# Whole movements


def test_two_movements_give_two_rhythms() -> None:
    # The same tempo and the same number of stops; only where in the bar they fall is different.
    times_s = frame_times_s(16.6)
    bars_s = np.arange(8) * 2.0 + 0.5
    patterns = ([0, 4, 8, 12], [0, 3, 6, 12])
    found = []
    for pattern in patterns:
        stops_s = (bars_s[:, None] + np.array(pattern) * 0.125).ravel()
        rhythm = rhythm_of(sharp_moves(times_s, stops_s, move_s=0.18), times_s)
        found.append(rhythm)
        where = np.flatnonzero(rhythm.accent)
        drums_s = rhythm.grid.time_s(where + rhythm.accent_offset[where])
        assert np.abs(drums_s[:, None] - stops_s).min(0).max() < 0.055
        assert len(where) == pytest.approx(len(stops_s), abs=1)
    gaps = [np.diff(np.flatnonzero(r.accent)) for r in found]
    assert set(gaps[0]) != set(gaps[1])


def test_the_same_movement_gives_the_same_rhythm() -> None:
    times_s = frame_times_s(10.0)
    angle = sharp_moves(times_s, np.arange(1.0, 9.5, 0.6))
    one, other = rhythm_of(angle, times_s, seed=1), rhythm_of(angle, times_s, seed=1)
    np.testing.assert_array_equal(one.accent, other.accent)
    np.testing.assert_array_equal(one.accent_offset, other.accent_offset)


def test_a_pendulums_accents_are_on_its_beats() -> None:
    times_s = frame_times_s(20.0)
    motion = compute_motion(pendulum(times_s, lambda s: 2 * s - 0.3), 20.0)
    rhythm = compose(track_beats(find_accents(motion, WEAKEST_PEAK), 20.0), find_accents(motion), motion)
    where = np.flatnonzero(rhythm.accent)
    assert len(where) == pytest.approx(40, abs=1)
    assert (where[1:-1] % 4 == 0).all()
    assert np.abs(rhythm.accent_offset[where[1:-1]]).max() == 0


# A grid settled on the accents


def accents_at(times_s: np.ndarray, strength: float | np.ndarray = 0.8) -> Accents:
    return Accents(np.asarray(times_s, float), np.broadcast_to(np.asarray(strength, np.float32), len(times_s)).copy())


@pytest.mark.parametrize("bpm", [66.0, 100.0, 127.3])
@pytest.mark.parametrize("late_s", [-0.100, -0.060, 0.0, 0.060, 0.100])
def test_a_grid_that_is_late_or_early_lands_on_the_accents(bpm: float, late_s: float) -> None:
    landings_s = np.arange(0.2, 19.9, 60 / bpm)
    grid = BeatGrid(np.arange(-1, 4 * np.ceil((20 * bpm / 60 + 2) / 4)) * 60 / bpm + 0.2 + late_s, 0.8)
    landed = settled(grid, accents_at(landings_s), 20.0)
    assert np.abs(landed.beats_s[:, None] - landings_s).min(0).max() < 0.004
    assert (landed.source, landed.confidence) == ("movement", 0.8)
    assert landed.tempo_bpm == pytest.approx(bpm)


def test_accents_on_half_beats_hold_a_grid_where_it_is() -> None:
    grid = BeatGrid(np.arange(41) * 0.5 - 0.3)
    for halves_s in (np.arange(0.45, 19, 0.5), np.arange(0.2, 19, 0.25)):
        np.testing.assert_allclose(settled(grid, accents_at(halves_s), 19.0).beats_s, grid.beats_s, atol=0.004)


def test_strong_accents_are_landed_on_before_weak_ones() -> None:
    grid = BeatGrid(np.arange(41) * 0.5)
    strong_s, weak_s = np.arange(1, 19, 0.5) + 0.050, np.arange(1, 19, 0.5) - 0.100
    order = np.argsort(np.concatenate([strong_s, weak_s]))
    for strong, weak, expected_s in ((0.9, 0.3, 0.050), (0.3, 0.9, -0.100)):
        strength = np.repeat([strong, weak], len(strong_s))[order]
        landed = settled(grid, accents_at(np.concatenate([strong_s, weak_s])[order], strength), 19.0)
        assert (landed.beats_s[8] - expected_s) % 0.5 == pytest.approx(0.0, abs=0.010)


@pytest.mark.parametrize("source", ["tempo", "accents"])
def test_a_grid_that_already_lies_on_the_accents_or_is_the_users_is_left_alone(source: str) -> None:
    grid = BeatGrid(np.arange(41) * 0.5, 1.0, source)
    landed = settled(grid, accents_at(np.arange(1, 19, 0.5) + 0.06), 20.0)
    np.testing.assert_array_equal(landed.beats_s, grid.beats_s)
    assert landed.source == source


def test_without_accents_a_grid_stays() -> None:
    grid = BeatGrid(np.arange(41) * 0.5, 0.8)
    np.testing.assert_array_equal(settled(grid, accents_at(np.zeros(0)), 20.0).beats_s, grid.beats_s)


@pytest.mark.parametrize("seed", range(20))
def test_a_settled_grid_has_moved_a_little_as_a_whole_and_covers_the_clip(seed: int) -> None:
    rng = np.random.default_rng(seed)
    duration_s = float(rng.uniform(3, 30))
    bpm = float(rng.uniform(60, 170))
    accents = accents_at(
        np.sort(rng.uniform(0, duration_s, rng.integers(1, 60))), rng.uniform(0.2, 1, 1).astype(np.float32)
    )
    # The tightest grids there are: they begin just at the clip's start and end just at its end.
    beats_s = np.arange(4 * np.ceil(duration_s * bpm / 240) + 1) * 60 / bpm
    beats_s = beats_s - rng.choice([0.0, 0.01, beats_s[-1] - duration_s])
    landed = settled(BeatGrid(beats_s), accents, duration_s)
    shift_s = float(landed.beats_s[np.abs(landed.beats_s - beats_s[0]).argmin()] - beats_s[0])
    assert abs(shift_s) <= SETTLE_S + 1e-9
    kept = landed.beats_s[(landed.beats_s > beats_s[0] - 0.2) & (landed.beats_s < beats_s[-1] + 0.2)]
    np.testing.assert_allclose(kept, beats_s + shift_s, atol=1e-9)
    np.testing.assert_allclose(np.diff(landed.beats_s), 60 / bpm, atol=1e-9)
    assert landed.beats_s[0] <= 0
    assert landed.beats_s[-1] >= duration_s
    assert landed.steps % STEPS_PER_BAR == 0


# A grid moved


@pytest.mark.parametrize("seed", range(10))
def test_a_moved_grid_covers_the_clip_in_whole_bars(seed: int) -> None:
    rng = np.random.default_rng(seed)
    beats_s = np.cumsum(rng.uniform(0.35, 0.8, 33)) - 1.0
    grid = BeatGrid(beats_s - max(0.0, beats_s[0]), 0.7, "movement")
    duration_s = float(grid.beats_s[-1] - rng.uniform(0, 0.3))
    bar_s = 4 * float(np.diff(grid.beats_s).min())
    for by_s in (-bar_s, -0.3, -0.01, 0.0, 0.01, 0.3, bar_s):
        moved = grid.moved(by_s, duration_s)
        assert (moved.confidence, moved.source) == (0.7, "movement")
        assert moved.beats_s[0] <= 0
        assert moved.beats_s[-1] >= duration_s
        assert (np.diff(moved.beats_s) > 0.3).all()
        assert moved.steps % STEPS_PER_BAR == 0
        # All its beats are there still, and a downbeat is a downbeat.
        more = int(np.abs(moved.beats_s - (grid.beats_s[0] + by_s)).argmin())
        assert more in (0, 4)
        np.testing.assert_allclose(moved.beats_s[more : more + 33], grid.beats_s + by_s, atol=1e-9)
        steps = rng.uniform(-20, moved.steps + 20, 50)
        np.testing.assert_allclose(moved.step(moved.time_s(steps)), steps, atol=1e-9)
        times_s = rng.uniform(-3, duration_s + 3, 50)
        np.testing.assert_allclose(moved.time_s(moved.step(times_s)), times_s, atol=1e-9)


def test_a_grid_gets_a_bar_more_only_where_the_clip_would_lie_bare() -> None:
    grid = BeatGrid(np.arange(9) * 0.5 - 0.2)
    assert len(grid.moved(0.0, 3.8).beats_s) == 9
    assert len(grid.moved(0.2, 3.8).beats_s) == 9
    np.testing.assert_allclose(grid.moved(0.3, 3.8).beats_s, np.arange(-4, 9) * 0.5 + 0.1)
    np.testing.assert_allclose(grid.moved(-0.1, 3.8).beats_s, np.arange(13) * 0.5 - 0.3)


def test_a_grid_whose_accents_are_on_its_sixteenths_stays() -> None:
    """No shift within reach brings them onto a half: moving would only harm."""
    grid = BeatGrid(np.arange(17.0))  # 60 BPM
    times_s = np.arange(0.25, 15, 0.5)
    assert settled(grid, Accents(times_s, np.full(len(times_s), 0.8, np.float32)), 16.0) is grid


@pytest.mark.parametrize("by_s", [-3.3, -0.1, 0.1, 5.0])
def test_a_moved_grid_covers_the_clip_in_whole_bars_and_no_more(by_s: float) -> None:
    grid = BeatGrid(np.arange(9) * 0.5 - 0.1)
    moved = grid.moved(by_s, 3.0)
    assert -2.0 < moved.beats_s[0] <= 0
    assert 3.0 <= moved.beats_s[-1] < 5.0
    assert len(moved.beats_s) % 4 == 1
    away = (moved.beats_s[0] - grid.beats_s[0] - by_s) / 2.0
    assert away == pytest.approx(round(away))
