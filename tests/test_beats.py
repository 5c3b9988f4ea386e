"""Beats: the grid, the HMM against brute force, and puppets that keep time."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np
import pytest

from kinebeat.accents import WEAKEST_PEAK, Accents, find_accents
from kinebeat.beats.cues import bumps
from kinebeat.beats.decoding import FALLBACK_BPM, TRANSITION_LAMBDA, clip_tempo, decode
from kinebeat.beats.grid import BEATS_PER_BAR, STEPS_PER_BAR, STEPS_PER_BEAT, BeatGrid
from kinebeat.beats.hmm import OBSERVATION_LAMBDA, beat_states, decode_beats
from kinebeat.beats.tracking import (
    CLEAR_BEAT,
    fit_tempo,
    track_beats,
)
from kinebeat.errors import OptionError
from kinebeat.motion import MOTION_FPS, compute_motion
from movers import (
    frame_times_s,
    jitter,
    pendulum,
    sharp_moves,
    standing,
    swing_arms,
    track,
    variable_frame_times_s,
    walk_on_the_spot,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from kinebeat.pose.track import PoseTrack


def heard(pose: PoseTrack, duration_s: float) -> Accents:
    return find_accents(compute_motion(pose, duration_s), WEAKEST_PEAK)


def as_bumps(accents: Accents, duration_s: float = 20.0) -> NDArray[np.float64]:
    return bumps(accents.times_s, accents.strength, round(duration_s * MOTION_FPS))


def accents_at(times_s: np.ndarray, strength: float | np.ndarray = 0.8) -> Accents:
    return Accents(np.asarray(times_s, float), np.broadcast_to(np.asarray(strength, np.float32), len(times_s)).copy())


def away_from_beats_s(times_s: np.ndarray, grid: BeatGrid, parts: int = 1) -> np.ndarray:
    """Seconds from each time to the nearest beat (or part of a beat)."""
    steps = grid.step(times_s) / STEPS_PER_BEAT * parts
    return np.asarray(grid.time_s(np.round(steps) / parts * STEPS_PER_BEAT) - times_s)


def assert_sound(grid: BeatGrid, duration_s: float) -> None:
    """What every grid promises."""
    assert (np.diff(grid.beats_s) > 0.1).all()
    assert grid.beats_s[0] <= 0
    assert grid.beats_s[BEATS_PER_BAR] > 0  # no bar lies wholly before the clip
    assert grid.beats_s[-1] >= duration_s
    assert grid.steps % STEPS_PER_BAR == 0
    assert grid.steps >= STEPS_PER_BAR
    assert 0 <= grid.confidence <= 1


# The grid


def random_grid(seed: int) -> BeatGrid:
    rng = np.random.default_rng(seed)
    beats = BEATS_PER_BAR * rng.integers(1, 30) + 1
    return BeatGrid(np.cumsum(rng.uniform(0.3, 0.9, beats)) - rng.uniform(0.3, 2.5))


@pytest.mark.parametrize("seed", range(20))
def test_steps_and_seconds_are_each_others_inverse(seed: int) -> None:
    grid = random_grid(seed)
    steps = np.random.default_rng(seed).uniform(-40, grid.steps + 40, 200)
    np.testing.assert_allclose(grid.step(grid.time_s(steps)), steps, atol=1e-9)
    times_s = np.sort(np.random.default_rng(seed).uniform(grid.beats_s[0] - 5, grid.beats_s[-1] + 5, 200))
    np.testing.assert_allclose(grid.time_s(grid.step(times_s)), times_s, atol=1e-9)
    assert (np.diff(grid.step(times_s)) > 0).all()


def test_every_fourth_step_is_a_beat_and_beyond_the_ends_the_tempo_goes_on() -> None:
    grid = BeatGrid(np.array([0.0, 0.5, 1.0, 1.6, 2.2]))
    np.testing.assert_allclose(grid.time_s(np.arange(0, 17, 4)), grid.beats_s)
    assert grid.time_s(-4) == pytest.approx(-0.5)
    assert grid.time_s(20) == pytest.approx(2.8)
    assert grid.step(1.3) == pytest.approx(10)
    assert grid.steps == 16


def test_beats_inside_a_clip_begin_at_its_start_and_end_before_its_end() -> None:
    grid = BeatGrid(np.arange(-4, 9) * 0.5)  # downbeats at -2, 0, 2 and 4 s
    np.testing.assert_array_equal(grid.inside(1.5), [0.0, 0.5, 1.0])
    np.testing.assert_array_equal(grid.inside(2.0, every=BEATS_PER_BAR), [0.0])
    np.testing.assert_array_equal(grid.inside(2.1, every=BEATS_PER_BAR), [0.0, 2.0])
    assert len(grid.inside(0.0)) == 0


def test_tempo_is_that_of_a_line_through_the_beats() -> None:
    assert BeatGrid(np.arange(17) * 0.5).tempo_bpm == pytest.approx(120)
    shaken = np.arange(65) * 0.6 + np.random.default_rng(0).normal(0, 0.01, 65)
    assert BeatGrid(shaken).tempo_bpm == pytest.approx(100, abs=0.1)


# The HMM


def brute_force_beats(activation: np.ndarray, periods: list[int], change: float) -> list[int]:
    """Beats of the likeliest path, by trying every path: a beat length and a place in it, then beat after beat."""
    frames = len(activation)
    total = {p: sum(np.exp(-change * abs(q / p - 1)) for q in periods) for p in periods}
    best, beats_of_best = -np.inf, []
    for first in periods:
        for place in range(first):
            for rest in itertools.product(periods, repeat=frames // min(periods) + 1):
                path: list[tuple[int, int]] = [(first, k) for k in range(place, first)]
                score = -np.log(first)
                for p, q in itertools.pairwise([first, *rest]):
                    if len(path) >= frames:
                        break
                    score += -change * abs(q / p - 1) - np.log(total[p])
                    path += [(q, k) for k in range(q)]
                path = path[:frames]
                for value, (p, k) in zip(activation, path, strict=True):
                    beat = k / p < 1 / OBSERVATION_LAMBDA
                    score += np.log(value) if beat else np.log((1 - value) / (OBSERVATION_LAMBDA - 1))
                if score > best + 1e-9:
                    best, beats_of_best = score, [t for t, (_, k) in enumerate(path) if k == 0]
    return beats_of_best


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("change", [2.0, 10.0, TRANSITION_LAMBDA])
def test_viterbi_finds_what_trying_every_path_finds(seed: int, change: float) -> None:
    activation = np.random.default_rng(seed).uniform(0.02, 0.98, 9)
    states = beat_states(1.0, 60 / 4, 60 / 2, change)
    assert list(states.periods) == [2, 3, 4]
    assert list(decode_beats(activation, states)) == brute_force_beats(activation, [2, 3, 4], change)


@pytest.mark.parametrize(("period", "phase"), [(20, 0), (24, 7), (30, 13), (37, 36), (45, 3)])
def test_a_metronome_is_recovered_to_the_frame(period: int, phase: int) -> None:
    activation = np.full(900, 0.01)
    activation[phase::period] = 0.95
    beats = decode_beats(activation, beat_states(60.0, 70, 185, 300.0))
    # A beat is seen over its first sixteenth: longer than 16 frames, it begins at its pulse or one or two before.
    lead = np.arange(phase, 900, period)[-len(beats) :] - beats
    assert (lead == lead[0]).all()
    assert 0 <= lead[0] <= (period - 1) // 16
    assert len(beats) >= (900 - phase) // period


def test_the_hmm_follows_a_slow_change_of_tempo() -> None:
    true = np.cumsum(np.linspace(38, 28, 60))
    activation = np.full(int(true[-1]) + 20, 0.01)
    activation[true.astype(int)] = 0.95
    beats = decode_beats(activation, beat_states(60.0, 80, 140, 300.0))
    assert np.abs(beats[:, None] - true).min(0).max() <= 3


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_no_evidence_still_gives_steady_beats(value: float) -> None:
    beats = decode_beats(np.full(600, value), beat_states(60.0, 80, 140, 300.0))
    assert len(beats) > 600 / 46
    assert (np.diff(beats) >= 25).all()


def test_the_shortest_inputs_are_decoded() -> None:
    states = beat_states(60.0, 80, 140, 300.0)
    assert len(decode_beats(np.zeros(0), states)) == 0
    assert len(decode_beats(np.array([0.9]), states)) == 1
    assert len(beat_states(60.0, 120, 120, 300.0).periods) == 1


def test_a_prior_decides_where_the_activation_does_not() -> None:
    states = beat_states(60.0, 80, 140, 300.0)
    prior = np.full(len(states.periods), -50.0)
    prior[list(states.periods).index(36)] = 0.0
    assert set(np.diff(decode_beats(np.full(600, 0.05), states, prior))) == {36}


# Puppets


@pytest.mark.parametrize("fps", [24000 / 1001, 25.0, 30000 / 1001, 60.0, None])
def test_a_pendulum_at_120_bpm_gives_120_bpm(fps: float | None) -> None:
    times_s = frame_times_s(30.0, fps) if fps else variable_frame_times_s(30.0)
    grid = track_beats(heard(pendulum(times_s, lambda s: 2 * (s - 0.2)), 30.0), 30.0)
    assert_sound(grid, 30.0)
    assert grid.source == "movement"
    assert grid.confidence > 0.9
    assert grid.tempo_bpm == pytest.approx(120, abs=0.1)
    stops_s = np.arange(0.7, 29.5, 0.5)
    assert np.abs(away_from_beats_s(stops_s, grid)).max() < 0.030


@pytest.mark.parametrize("bpm", [66.0, 76.0, 92.5, 100.0, 113.0, 128.0, 140.0, 152.0])
def test_a_pendulum_keeps_its_tempo_and_octave(bpm: float) -> None:
    grid = track_beats(heard(pendulum(frame_times_s(30.0), lambda s: s * bpm / 60), 30.0), 30.0)
    assert grid.tempo_bpm == pytest.approx(bpm, rel=0.002)


def test_sharp_stops_with_jitter_give_their_tempo() -> None:
    stops_s = 0.8 + 0.6 * np.arange(40)
    times_s = frame_times_s(25.0)
    body = swing_arms(standing(times_s), sharp_moves(times_s, stops_s)) + jitter((len(times_s), 17, 2), 0.001, 3)
    grid = track_beats(heard(track(body, times_s), 25.0), 25.0)
    assert grid.tempo_bpm == pytest.approx(100, abs=0.2)
    assert np.abs(away_from_beats_s(stops_s, grid)).max() < 0.040


@pytest.mark.parametrize("bpm", [88.0, 104.0, 120.0])
def test_walking_on_the_spot_gives_the_pace(bpm: float) -> None:
    times_s = frame_times_s(20.0)
    body = walk_on_the_spot(times_s, lambda s: (s - 0.3) * bpm / 60) + jitter((len(times_s), 17, 2), 0.001, 0)
    grid = track_beats(heard(track(body, times_s), 20.0), 20.0)
    assert grid.source == "movement"
    assert grid.confidence > 0.5
    assert grid.tempo_bpm == pytest.approx(bpm, rel=0.005)
    assert np.abs(away_from_beats_s(np.arange(1, 19) * 60 / bpm + 0.3, grid)).max() < 0.045


@pytest.mark.parametrize(("first_bpm", "last_bpm"), [(100, 112), (120, 104), (96, 116)])
def test_a_drifting_tempo_is_followed(first_bpm: float, last_bpm: float) -> None:
    def beats(s: np.ndarray) -> np.ndarray:
        return (first_bpm * s + 0.5 * (last_bpm - first_bpm) / 60 * s**2) / 60

    grid = track_beats(heard(pendulum(frame_times_s(60.0), beats), 60.0), 60.0)
    assert_sound(grid, 60.0)
    fine_s = np.arange(0, 60, 0.001)
    stops_s = np.interp(np.arange(1, int(beats(np.array([59.0]))[0])), beats(fine_s), fine_s)
    assert np.abs(away_from_beats_s(stops_s, grid)).max() < 0.035
    tempo = 60 / np.diff(grid.beats_s)
    quarter = (last_bpm - first_bpm) / 12  # the tempo five seconds in, and five before the end
    assert np.median(tempo[4:16]) == pytest.approx(first_bpm + quarter, abs=1.5)
    assert np.median(tempo[-18:-6]) == pytest.approx(last_bpm - quarter, abs=1.5)


def test_half_beats_between_the_beats_do_not_lose_the_tempo() -> None:
    rng = np.random.default_rng(0)
    for bpm in (84.0, 100.0, 120.0):
        beats_s = np.arange(0.4, 40, 60 / bpm)
        halves_s = beats_s[rng.uniform(size=len(beats_s)) < 0.5] + 30 / bpm
        times_s = np.concatenate([beats_s, halves_s])
        order = np.argsort(times_s)
        strength = np.concatenate([np.full(len(beats_s), 0.9), np.full(len(halves_s), 0.4)])
        grid = track_beats(accents_at(times_s[order] + rng.normal(0, 0.01, len(times_s)), strength[order]), 40.0)
        assert grid.tempo_bpm == pytest.approx(bpm, rel=0.005)


def test_the_strong_beat_of_four_is_the_downbeat() -> None:
    times_s = 0.3 + 0.5 * np.arange(60)
    grid = track_beats(accents_at(times_s, np.where(np.arange(60) % 4 == 2, 1.0, 0.5)), 30.0)
    bar = grid.step(times_s[2::4]) % STEPS_PER_BAR
    assert np.minimum(bar, STEPS_PER_BAR - bar).max() < 0.5


def test_a_learned_activation_takes_the_place_of_the_movements_own() -> None:
    frames = np.arange(1800)
    activation = 0.9 * np.exp(-0.5 * (((frames - 10) % 36 - 18) / 2.0) ** 2)  # 100 BPM
    grid = track_beats(accents_at(np.arange(0.1, 30, 0.41)), 30.0, heard=decode(activation))
    assert grid.tempo_bpm == pytest.approx(100, abs=0.1)
    assert np.abs(away_from_beats_s((28 + 36 * np.arange(1, 48)) / MOTION_FPS, grid)).max() < 0.01


# Where there is no beat


def random_accents(seed: int, duration_s: float, per_s: float = 3.0) -> Accents:
    rng = np.random.default_rng(seed)
    times_s = np.sort(rng.uniform(0, duration_s, int(duration_s * per_s)))
    times_s = times_s[np.diff(times_s, prepend=-1.0) > 0.11]
    return accents_at(times_s, rng.uniform(0.15, 1.0, len(times_s)))


def test_confidence_tells_a_beat_from_chance() -> None:
    chance = [clip_tempo(as_bumps(random_accents(k, 20.0)))[1] for k in range(60)]
    assert np.mean(np.array(chance) < CLEAR_BEAT) >= 0.98
    rng = np.random.default_rng(0)
    kept = []
    for bpm in (75, 90, 105, 120, 135, 150):
        times_s = np.arange(0.3, 20, 60 / bpm)
        times_s = times_s[rng.uniform(size=len(times_s)) < 0.8] + 0.0
        times_s = np.sort(np.concatenate([times_s + rng.normal(0, 0.015, len(times_s)), rng.uniform(0, 20, 12)]))
        accents = accents_at(times_s, rng.uniform(0.4, 1.0, len(times_s)))
        kept.append(clip_tempo(as_bumps(accents))[1])
    assert min(kept) > CLEAR_BEAT


def test_standing_still_has_no_confidence() -> None:
    times_s = frame_times_s(20.0)
    body = standing(times_s) + jitter((len(times_s), 17, 2), 0.001, 0)
    grid = track_beats(heard(track(body, times_s), 20.0), 20.0)
    assert_sound(grid, 20.0)
    assert grid.confidence < CLEAR_BEAT
    assert grid.source == "accents"


def test_without_accents_the_grid_is_the_fallback() -> None:
    for duration_s in (0.0, 0.02, 0.5, 10.0):
        grid = track_beats(accents_at(np.zeros(0)), duration_s)
        assert_sound(grid, duration_s)
        assert grid.tempo_bpm == pytest.approx(FALLBACK_BPM)
        assert grid.confidence == 0.0
        assert fit_tempo(accents_at(np.zeros(0))) == FALLBACK_BPM


def test_accents_on_16ths_without_a_beat_find_their_grid() -> None:
    # Accents on random 16ths of 105 BPM: hardly periodic, but the grid under them can be found.
    rng = np.random.default_rng(1)
    step_s = 60 / 105 / 4
    times_s = 0.07 + step_s * np.sort(rng.choice(120, 45, replace=False))
    assert fit_tempo(accents_at(times_s)) == pytest.approx(105, abs=0.5)


@pytest.mark.parametrize("seed", range(25))
def test_every_grid_keeps_its_promises(seed: int) -> None:
    rng = np.random.default_rng(seed)
    duration_s = float(rng.choice([0.03, 0.5, 1.0, 2.5, 7.0, 20.0, 60.0]))
    accents = random_accents(seed, duration_s, float(rng.uniform(0.2, 6)))
    tempo = float(rng.uniform(30, 300)) if seed % 3 == 0 else None
    grid = track_beats(accents, duration_s, tempo)
    assert_sound(grid, duration_s)
    if tempo is None:
        assert 60 <= grid.tempo_bpm <= 200


def test_accents_close_together_at_the_very_end_or_start_are_no_harm() -> None:
    for times_s in ([0.0], [9.99], [0.0, 0.12], [9.8, 9.95, 10.02], [-0.005, 4.0]):
        assert_sound(track_beats(accents_at(np.array(times_s)), 10.0), 10.0)


# The user's tempo


@pytest.mark.parametrize("tempo_bpm", [30.0, 61.8, 100.0, 117.3, 174.0, 300.0])
def test_a_given_tempo_is_kept_and_put_on_the_accents(tempo_bpm: float) -> None:
    step_s = 60 / tempo_bpm / 4
    rng = np.random.default_rng(0)
    sixteenth = np.arange(int(20 / step_s))
    strength = np.where(sixteenth % 4 == 3, 1.0, 0.4)
    kept = (rng.uniform(size=len(sixteenth)) < 0.5) | (sixteenth % 4 == 3)
    times_s = 0.3 * step_s + step_s * sixteenth
    grid = track_beats(accents_at(times_s[kept], strength[kept]), 20.0, tempo_bpm)
    assert_sound(grid, 20.0)
    assert (grid.source, grid.confidence) == ("tempo", 1.0)
    assert grid.tempo_bpm == pytest.approx(tempo_bpm, rel=1e-9)
    np.testing.assert_allclose(np.diff(grid.beats_s), 60 / tempo_bpm, rtol=1e-9)
    assert np.abs(away_from_beats_s(times_s[3::4], grid)).max() < 0.006


@pytest.mark.parametrize("tempo_bpm", [0.0, -120.0, 29.9, 300.1, float("nan"), float("inf")])
def test_a_tempo_out_of_range_is_refused(tempo_bpm: float) -> None:
    with pytest.raises(OptionError, match="expected 30 to 300"):
        track_beats(accents_at(np.arange(5.0)), 10.0, tempo_bpm)


def test_a_long_clip_takes_memory_in_proportion(peak_bytes: Callable[[Callable[[], object]], int]) -> None:
    def peak(duration_s: float) -> int:
        accents = accents_at(np.arange(0.2, duration_s, 0.25))
        return peak_bytes(lambda: track_beats(accents, duration_s))

    peak(10.0)
    assert peak(480.0) < 10 * peak(60.0)
