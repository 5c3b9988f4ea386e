"""Hearing the beat of whole movements: puppets that keep time, movement that keeps none, a tempo that is given."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from kinebeat.accents import WEAKEST_PEAK, find_accents
from kinebeat.beats.decoding import FALLBACK_BPM
from kinebeat.beats.grid import BEATS_PER_BAR, STEPS_PER_BAR, BeatGrid
from kinebeat.beats.hearing import hear_beats, laid_over
from kinebeat.beats.tracking import CLEAR_BEAT
from kinebeat.errors import OptionError
from kinebeat.motion import compute_motion
from movers import (
    DURATION_S,
    JOINTS,
    MOVERS,
    frame_times_s,
    frames_at,
    jitter,
    pendulum,
    punching,
    sharp_moves,
    standing,
    swing_arms,
    swinging,
    track,
    walk_on_the_spot,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from kinebeat.motion import Motion
    from kinebeat.pose.track import PoseTrack

RATES = [15.0, 24000 / 1001, 25.0, 30000 / 1001, 50.0, 60.0, None]
"""Frames a second; None varies."""
NEAR_S = 0.070
"""A beat this close to a true one is right by the usual score of beat trackers."""


def grid_of(pose: PoseTrack, duration_s: float = DURATION_S) -> BeatGrid:
    return hear_beats(compute_motion(pose, duration_s), duration_s)


def away_s(grid: BeatGrid, times_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Seconds from each time to the nearest beat."""
    nearest = np.abs(grid.beats_s[:, None] - times_s).argmin(0)
    return np.asarray(grid.beats_s[nearest] - times_s)


def assert_keeps_time(grid: BeatGrid, stops_s: NDArray[np.float64], bpm: float) -> None:
    """The tempo, a beat near each stop, and always as near."""
    assert grid.source == "movement"
    assert grid.confidence > 0.9
    assert grid.tempo_bpm == pytest.approx(bpm, rel=0.002)
    away = away_s(grid, stops_s)
    assert np.abs(away).max() < NEAR_S
    assert np.ptp(away) < 0.025


def assert_covers(grid: BeatGrid, duration_s: float) -> None:
    assert np.isfinite(grid.beats_s).all()
    assert (np.diff(grid.beats_s) > 0.1).all()
    assert grid.beats_s[0] <= 0
    assert grid.beats_s[-1] >= duration_s
    assert grid.steps % STEPS_PER_BAR == 0
    assert 0 <= grid.confidence <= 1


# Puppets that keep time


@pytest.mark.parametrize("bpm", [60.0, 66.0, 75.0, 90.0, 105.0, 120.0, 135.0, 150.0])
def test_a_pendulum_gives_its_tempo_and_a_beat_at_each_stop(bpm: float) -> None:
    stops_s = np.arange(0.2 + 60 / bpm, DURATION_S - 0.3, 60 / bpm)
    grid = grid_of(pendulum(frames_at(30000 / 1001), lambda s: (s - 0.2) * bpm / 60))
    assert_keeps_time(grid, stops_s, bpm)
    assert_covers(grid, DURATION_S)


@pytest.mark.parametrize("fps", RATES)
@pytest.mark.parametrize("bpm", [60.0, 90.0, 150.0])
def test_a_pendulum_gives_its_tempo_at_any_frame_rate(bpm: float, fps: float | None) -> None:
    stops_s = np.arange(0.35 + 60 / bpm, DURATION_S - 0.3, 60 / bpm)
    assert_keeps_time(grid_of(pendulum(frames_at(fps), lambda s: (s - 0.35) * bpm / 60)), stops_s, bpm)


@pytest.mark.parametrize("fps", RATES)
@pytest.mark.parametrize("bpm", [76.0, 92.0, 104.0, 120.0, 132.0])
def test_walking_gives_its_steps_at_any_frame_rate(bpm: float, fps: float | None) -> None:
    times_s = frames_at(fps)
    body = walk_on_the_spot(times_s, lambda s: (s - 0.3) * bpm / 60) + jitter((len(times_s), 17, 2), 0.001, 0)
    assert_keeps_time(grid_of(track(body, times_s)), np.arange(0.3 + 60 / bpm, DURATION_S - 0.3, 60 / bpm), bpm)


@pytest.mark.parametrize("fps", RATES)
def test_dead_stops_give_their_tempo_at_any_frame_rate(fps: float | None) -> None:
    assert_keeps_time(grid_of(punching(frames_at(fps))), 0.8 + 60 / 105.3 * np.arange(33), 105.3)


def test_a_tempo_that_grows_is_followed() -> None:
    def beats(s: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray((96 * s + 0.5 * 12 / 40 * s**2) / 60)

    grid = grid_of(pendulum(frames_at(30.0, 40.0), beats), 40.0)
    fine_s = np.arange(0, 40, 0.001)
    stops_s = np.interp(np.arange(1, int(beats(np.array([39.5]))[0])), beats(fine_s), fine_s)
    assert np.abs(away_s(grid, stops_s)).max() < NEAR_S
    tempo = 60 / np.diff(grid.beats_s)
    assert np.median(tempo[:10]) == pytest.approx(97.5, rel=0.02)
    assert np.median(tempo[-10:]) == pytest.approx(106.5, rel=0.02)


def test_the_strongest_of_four_stops_is_the_downbeat() -> None:
    for strong in range(BEATS_PER_BAR):
        stops_s = 0.8 + 0.55 * np.arange(34)
        size = np.where(np.arange(34) % BEATS_PER_BAR == strong, 1.2, 0.4)
        times_s = frames_at(30.0)
        grid = grid_of(track(swing_arms(standing(times_s), sharp_moves(times_s, stops_s, size)), times_s))
        bar = grid.step(stops_s[strong::BEATS_PER_BAR]) % STEPS_PER_BAR
        assert np.minimum(bar, STEPS_PER_BAR - bar).max() < 1.0


# The picture does not matter


def mirrored(pose: PoseTrack) -> PoseTrack:
    """As in a mirror: left is right, and x runs the other way."""
    swap = {"left": "right", "right": "left"}
    other = [JOINTS.index("_".join(swap.get(part, part) for part in joint.split("_"))) for joint in JOINTS]
    return replace(pose, xy=(pose.xy * [-1, 1] + [1280, 0]).astype(np.float32)[:, other])


def noisy(pose: PoseTrack) -> PoseTrack:
    """White noise of 3 pixels on a body of 500."""
    noise = np.random.default_rng(0).normal(0, 3, pose.xy.shape)
    return replace(pose, xy=(pose.xy + noise).astype(np.float32))


PICTURES: dict[str, Callable[[PoseTrack], PoseTrack]] = {
    "half as large": lambda pose: replace(pose, xy=pose.xy * np.float32(0.5)),
    "twice as large": lambda pose: replace(pose, xy=pose.xy * np.float32(2)),
    "mirrored": mirrored,
    "flipped, sides kept": lambda pose: replace(pose, xy=(pose.xy * [-1, 1] + [1280, 0]).astype(np.float32)),
    "shifted": lambda pose: replace(pose, xy=pose.xy + np.array([200, -150], np.float32)),
    "noisy": noisy,
    "noisy and small": lambda pose: replace(noisy(pose), xy=noisy(pose).xy * np.float32(0.5)),
}


@pytest.mark.parametrize("change", PICTURES)
@pytest.mark.parametrize("mover", MOVERS)
def test_the_tempo_stays_when_the_picture_changes(mover: str, change: str) -> None:
    move, bpm = MOVERS[mover]
    pose = move(frames_at(30.0))
    plain, changed = grid_of(pose), grid_of(PICTURES[change](pose))
    assert plain.tempo_bpm == pytest.approx(bpm, rel=0.002)
    assert changed.tempo_bpm == pytest.approx(plain.tempo_bpm, rel=0.02 if "noisy" in change else 0.001)
    inside = plain.beats_s[(plain.beats_s > 1) & (plain.beats_s < DURATION_S - 1)]
    assert np.abs(away_s(changed, inside)).max() < (NEAR_S if "noisy" in change else 0.010)
    assert changed.source == "movement"


# Movement without a beat


def assert_unsure(motion: Motion, duration_s: float = DURATION_S) -> None:
    grid = hear_beats(motion, duration_s)
    assert grid.confidence < CLEAR_BEAT
    assert grid.source == "accents"
    assert_covers(grid, duration_s)


@pytest.mark.parametrize("sd", [0.001, 0.002])
@pytest.mark.parametrize("seed", range(3))
def test_standing_still_under_a_jittery_detector_is_no_beat(seed: int, sd: float) -> None:
    times_s = frames_at(30.0)
    assert_unsure(compute_motion(track(standing(times_s) + jitter((len(times_s), 17, 2), sd, seed), times_s), 20.0))


@pytest.mark.parametrize("seed", range(4))
def test_keypoints_of_white_noise_are_no_beat(seed: int) -> None:
    times_s = frames_at(30.0)
    noise = np.random.default_rng(seed).normal(0, 0.2, (len(times_s), 17, 2))
    assert_unsure(compute_motion(track(standing(times_s) + noise, times_s), DURATION_S))


@pytest.mark.parametrize("mover", MOVERS)
def test_shuffling_its_frames_takes_most_of_a_movements_confidence(mover: str) -> None:
    pose = MOVERS[mover][0](frames_at(30.0))
    shuffled = []
    for seed in range(8):
        order = np.random.default_rng(seed).permutation(len(pose.xy))
        shuffled.append(grid_of(replace(pose, xy=pose.xy[order])).confidence)
    assert np.mean(np.array(shuffled) < CLEAR_BEAT) > 0.8
    assert max(shuffled) < 0.3 * grid_of(pose).confidence


def test_moves_at_random_moments_are_no_beat() -> None:
    times_s = frames_at(30.0, 30.0)
    confidence = []
    for seed in range(8):
        stops_s = np.cumsum(np.random.default_rng(seed).uniform(0.3, 1.5, 31))
        body = swing_arms(standing(times_s), sharp_moves(times_s, stops_s[stops_s < 29.5]))
        confidence.append(grid_of(track(body, times_s), 30.0).confidence)
    assert np.median(confidence) < CLEAR_BEAT
    assert max(confidence) < 2 * CLEAR_BEAT


def test_an_empty_picture_is_no_beat() -> None:
    times_s = frames_at(30.0)
    empty = compute_motion(track(np.full((len(times_s), 17, 2), np.nan), times_s), DURATION_S)
    assert_unsure(empty)
    assert hear_beats(empty, DURATION_S).confidence == 0.0
    assert hear_beats(empty, DURATION_S).tempo_bpm == pytest.approx(FALLBACK_BPM)
    assert not laid_over(empty).any()


@pytest.mark.parametrize("seen", ["all", "nothing", "half of the joints"])
@pytest.mark.parametrize(("frames", "duration_s"), [(1, 1 / 30), (1, 5.0), (2, 0.07), (3, 0.1), (6, 0.2), (30, 1.0)])
def test_clips_too_short_for_a_beat_are_heard_all_the_same(frames: int, duration_s: float, seen: str) -> None:
    times_s = frame_times_s(60.0)[:frames]
    body = swing_arms(standing(times_s), 0.8 + 0.7 * np.cos(2 * np.pi * times_s))
    if seen == "nothing":
        body[:] = np.nan
    elif seen == "half of the joints":
        body[np.random.default_rng(0).uniform(size=body.shape[:2]) < 0.5] = np.nan
    motion = compute_motion(track(body, times_s), duration_s)
    for tempo_bpm in (None, 100.0):
        assert_covers(hear_beats(motion, duration_s, tempo_bpm), duration_s)
    if duration_s <= 1.0:
        assert hear_beats(motion, duration_s).confidence < CLEAR_BEAT


@pytest.mark.parametrize("lost", ["half of the joints", "every other second", "the second half"])
def test_a_beat_is_heard_through_what_is_not_seen(lost: str) -> None:
    times_s = frames_at(30.0)
    body = swing_arms(standing(times_s), 0.8 + 0.7 * np.cos(np.pi * (times_s - 0.2) * 110 / 60))
    if lost == "half of the joints":
        body[np.random.default_rng(0).uniform(size=body.shape[:2]) < 0.5] = np.nan
    else:
        body[times_s % 2 >= 1 if lost == "every other second" else times_s >= 10] = np.nan
    grid = grid_of(track(body, times_s))
    assert grid.tempo_bpm == pytest.approx(110, rel=0.01)
    assert grid.source == "movement"
    assert_covers(grid, DURATION_S)


# The user's tempo


@pytest.mark.parametrize("tempo_bpm", [30.0, 100.0, 101.7, 300.0])
def test_a_given_tempo_is_kept_exactly_whatever_the_movement(tempo_bpm: float) -> None:
    motion = compute_motion(swinging(frames_at(30.0)), DURATION_S)
    grid = hear_beats(motion, DURATION_S, tempo_bpm=tempo_bpm)
    np.testing.assert_allclose(np.diff(grid.beats_s), 60 / tempo_bpm, rtol=1e-9)
    assert grid.tempo_bpm == pytest.approx(tempo_bpm, rel=1e-9)
    assert (grid.source, grid.confidence) == ("tempo", 1.0)
    assert_covers(grid, DURATION_S)


def test_a_given_tempo_that_is_the_movements_own_is_put_on_its_stops() -> None:
    motion = compute_motion(punching(frames_at(30.0)), DURATION_S)
    grid = hear_beats(motion, DURATION_S, tempo_bpm=105.3)
    assert np.abs(away_s(grid, find_accents(motion, WEAKEST_PEAK).times_s)).max() < 0.030


@pytest.mark.parametrize("tempo_bpm", [0.0, -100.0, 29.9, 300.1, float("nan"), float("inf")])
def test_a_tempo_nobody_plays_is_refused(tempo_bpm: float) -> None:
    motion = compute_motion(swinging(frames_at(30.0, 4.0)), 4.0)
    with pytest.raises(OptionError, match="expected 30 to 300"):
        hear_beats(motion, 4.0, tempo_bpm=tempo_bpm)
