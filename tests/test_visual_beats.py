"""Visual beats: the dynamic programming against brute force, and puppets whose impacts are known."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from kinebeat.beats import cues
from kinebeat.beats.visual import (
    LONGEST_S,
    SHORTEST_S,
    VisualBeats,
    best_chain,
    kinematic_offsets,
    normalised,
    visual_beats,
)
from kinebeat.errors import OptionError
from kinebeat.motion import MOTION_FPS, compute_motion
from kinebeat.skeleton import LAYOUTS
from movers import (
    JOINTS,
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

    from numpy.typing import ArrayLike, NDArray

    from kinebeat.pose.track import PoseTrack

BEAT_SIGMA_FRAMES = 2.0


def bumps(duration_s: float, times_s: ArrayLike, heights: ArrayLike = 1.0, fps: float = MOTION_FPS) -> np.ndarray:
    """Offsets by hand, (T,): a bump of 33 ms at each time."""
    curve = np.zeros(round(duration_s * fps))
    for time_s, height in zip(
        *np.broadcast_arrays(np.asarray(times_s, float), np.asarray(heights, float)), strict=True
    ):
        away = (np.arange(len(curve)) / fps - time_s) * MOTION_FPS / BEAT_SIGMA_FRAMES
        curve = np.maximum(curve, height * np.exp(-0.5 * away**2))
    return curve


def beats_of(pose: PoseTrack, duration_s: float) -> VisualBeats:
    return visual_beats(kinematic_offsets(compute_motion(pose, duration_s).velocity))


def away_s(times_s: np.ndarray, truth_s: ArrayLike) -> NDArray[np.float64]:
    """Seconds from each time to the nearest true one, negative where it is early."""
    away = times_s[:, None] - np.asarray(truth_s, float)
    return np.asarray(away[np.arange(len(times_s)), np.abs(away).argmin(1)])


# Equation 1, by brute force


def objective(chosen: tuple[int, ...], strength: np.ndarray, spacing: np.ndarray, alpha: float) -> float:
    """V(m) of eq. 1."""
    total = sum(strength[j] for j in chosen)
    for i, j in itertools.pairwise(chosen):
        score = spacing[j, j - 1 - i] if j - i <= spacing.shape[1] else -1.0
        total += score if np.isinf(score) else alpha * score
    return float(total)


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0, 3.0])
@pytest.mark.parametrize("reach", [0, 1, 3, 9])
@pytest.mark.parametrize("seed", range(5))
def test_no_subset_is_better(seed: int, reach: int, alpha: float) -> None:
    rng = np.random.default_rng([seed, reach])
    strength, spacing = rng.uniform(0, 1, 9), -rng.uniform(0, 1, (9, reach))
    spacing[rng.uniform(size=spacing.shape) < 0.2] = -np.inf
    every = [m for n in range(10) for m in itertools.combinations(range(9), n)]
    best = max(objective(m, strength, spacing, alpha) for m in every)
    chosen = best_chain(strength, spacing, alpha)
    assert (np.diff(chosen) > 0).all()
    assert objective(tuple(int(j) for j in chosen), strength, spacing, alpha) == pytest.approx(best, abs=1e-12)


def test_a_chain_of_none_and_of_one() -> None:
    assert len(best_chain(np.zeros(0), np.zeros((0, 0)), 1.0)) == 0
    assert list(best_chain(np.array([0.4]), np.zeros((1, 0)), 1.0)) == [0]


# From offsets made by hand


def test_every_bump_of_a_steady_row_is_a_beat() -> None:
    times_s = np.arange(0.4, 19.6, 0.503)
    beats = visual_beats(bumps(20.0, times_s), least_level=0)
    np.testing.assert_allclose(beats.times_s, times_s, atol=0.002)
    np.testing.assert_allclose(beats.strength, 1.0, atol=0.05)


@pytest.mark.parametrize("fps", [15.0, 24000 / 1001, 30.0, 120.0])
def test_the_frame_rate_of_the_offsets_is_free(fps: float) -> None:
    times_s = np.arange(0.4, 19.6, 0.6)
    beats = visual_beats(bumps(20.0, times_s, fps=fps), fps, least_level=0)
    np.testing.assert_allclose(beats.times_s, times_s, atol=0.25 / fps)


def test_even_spacing_is_preferred_to_a_stronger_stray() -> None:
    steady_s = np.arange(0.5, 19.6, 0.5)
    strays_s = steady_s[[7, 16, 28]] + 0.22
    curve = np.maximum(bumps(20.0, steady_s, 0.5), bumps(20.0, strays_s, 0.9))
    beats = visual_beats(curve, least_level=1.0)
    np.testing.assert_allclose(beats.times_s, steady_s, atol=0.003)
    np.testing.assert_allclose(beats.strength, 0.5, atol=0.03)
    # Without a price on the spacing the strays are taken in place of the beats that they are too near to.
    strongest = visual_beats(curve, alpha=0.0, least_level=1.0)
    np.testing.assert_allclose(
        strongest.times_s, np.sort(np.concatenate([np.delete(steady_s, [7, 16, 28]), strays_s])), atol=0.003
    )


def test_a_peak_between_beats_does_not_halve_them() -> None:
    steady_s = np.arange(0.5, 19.6, 0.6)
    between_s = steady_s[[5, 12, 13, 20]] + 0.3
    curve = np.maximum(bumps(20.0, steady_s, 0.6), bumps(20.0, between_s, 0.5))
    np.testing.assert_allclose(visual_beats(curve, least_level=1.0).times_s, steady_s, atol=0.003)


def test_a_few_hard_impacts_do_not_silence_the_rest() -> None:
    times_s = np.arange(0.5, 59.6, 0.5)
    heights = np.random.default_rng(0).uniform(0.15, 0.35, len(times_s))
    heights[20:32] = 1.0
    beats = visual_beats(bumps(60.0, times_s, heights), least_level=0)
    assert len(beats.times_s) > 0.97 * len(times_s)
    assert np.abs(away_s(beats.times_s, times_s)).max() < 0.003


def test_the_tempo_is_that_of_the_seconds_around() -> None:
    # 0.45 s apart, then 0.62 s: halfway between would be as good as either for one autocorrelation of the whole.
    times_s = np.concatenate([np.arange(0.5, 30, 0.45), np.arange(30.5, 60, 0.62)])
    strays_s = np.array([10.52, 21.42, 40.2, 52.9])
    strays_s += 0.21 - away_s(strays_s, times_s)
    curve = np.maximum(bumps(61.0, times_s, 0.6), bumps(61.0, strays_s, 0.7))
    found_s = visual_beats(curve, least_level=1.0).times_s
    clear = np.abs(found_s - 30.2) > 2.0
    np.testing.assert_allclose(away_s(found_s[clear], times_s), 0, atol=0.003)
    assert (np.abs(away_s(times_s, found_s)) < 0.003).mean() > 0.97


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e4])
def test_the_unit_of_the_offsets_does_not_matter(scale: float) -> None:
    rng = np.random.default_rng(0)
    curve = bumps(30.0, np.sort(rng.uniform(0, 30, 70)), rng.uniform(0.2, 1, 70))
    one, other = visual_beats(curve, least_level=0), visual_beats(scale * curve, least_level=0)
    np.testing.assert_allclose(one.times_s, other.times_s)
    np.testing.assert_allclose(one.strength, other.strength, rtol=1e-6)


def test_beats_are_never_nearer_than_the_shortest() -> None:
    rng = np.random.default_rng(1)
    beats = visual_beats(np.abs(rng.normal(size=3000)), alpha=0.0, least_level=0)
    assert len(beats.times_s) > 100
    assert np.diff(beats.times_s).min() >= SHORTEST_S - 1e-9
    assert beats.strength.min() > 0
    assert beats.strength.max() == 1.0


def test_a_negative_alpha_is_refused() -> None:
    for alpha in (-0.1, float("nan")):
        with pytest.raises(OptionError, match="0 or more"):
            visual_beats(np.ones(10), alpha=alpha)


# What is not known


def test_a_link_across_a_gap_is_not_free() -> None:
    # A weak bump half a second after a steady row goes on with it; after a moment unseen it is one by itself.
    times_s = np.arange(0.5, 10.1, 0.5)
    curve = np.maximum(bumps(13.0, times_s, 1.0), bumps(13.0, [10.5], 0.5))
    assert visual_beats(curve, least_level=1.0).times_s[-1] == pytest.approx(10.5, abs=0.002)
    curve[round(10.2 * MOTION_FPS) : round(10.3 * MOTION_FPS)] = np.nan
    assert visual_beats(curve, least_level=1.0).times_s[-1] == pytest.approx(10.0, abs=0.002)


def test_a_link_across_a_long_rest_is_not_free() -> None:
    times_s = np.arange(0.5, 10.1, 0.5)
    for late_s in (10.0 + LONGEST_S + 0.1, 25.0):
        curve = np.maximum(bumps(30.0, times_s, 1.0), bumps(30.0, [late_s], 0.5))
        assert visual_beats(curve, least_level=1.0).times_s[-1] == pytest.approx(10.0, abs=0.002)


@pytest.mark.parametrize("gap_s", [0.4, 3.0, 30.0])
def test_beats_go_on_after_a_gap(gap_s: float) -> None:
    before_s = np.arange(0.5, 10.1, 0.5)
    after_s = np.arange(10.5 + gap_s, 20 + gap_s, 0.6)
    curve = bumps(21.0 + gap_s, np.concatenate([before_s, after_s]))
    curve[round(10.2 * MOTION_FPS) : round((10.3 + gap_s) * MOTION_FPS)] = np.nan
    np.testing.assert_allclose(
        visual_beats(curve, least_level=0).times_s, np.concatenate([before_s, after_s]), atol=0.003
    )


@pytest.mark.parametrize("frames", [0, 1, 2, 3, 10, 40])
@pytest.mark.parametrize("value", [0.0, np.nan])
def test_nothing_has_no_beats(frames: int, value: float) -> None:
    beats = visual_beats(np.full(frames, value), least_level=0)
    assert beats.times_s.shape == beats.strength.shape == (0,)


@pytest.mark.parametrize("frames", [1, 2, 3, 7, 30, 90])
def test_a_short_clip_has_few_beats_inside_it(frames: int) -> None:
    curve = np.abs(np.random.default_rng(frames).normal(size=frames)) + 0.1
    beats = visual_beats(curve, least_level=0)
    assert 1 <= len(beats.times_s) <= 1 + frames / MOTION_FPS / SHORTEST_S
    assert beats.times_s.min() >= 0
    assert beats.times_s.max() <= (frames - 1) / MOTION_FPS


# The top 1 %


def test_the_top_one_percent_is_one() -> None:
    offsets = np.random.default_rng(0).permutation(np.arange(1, 1001) / 100.0)
    unit = normalised(offsets, 0.0)
    assert (unit == 1).sum() == 11  # the 99th percentile itself and the ten above it
    np.testing.assert_allclose(unit[unit < 1], offsets[unit < 1] / 9.90)
    np.testing.assert_array_equal(normalised(unit, 0.0), unit)


def test_one_leap_does_not_flatten_the_rest() -> None:
    curve = bumps(60.0, np.arange(0.5, 60, 0.5))
    curve[1000:1005] = 200.0
    beats = visual_beats(curve, least_level=0)
    assert np.median(beats.strength) > 0.9


def test_normalising_keeps_what_is_unknown_and_a_least_level() -> None:
    offsets = np.array([0.1, np.nan, 0.2, 0.4])
    np.testing.assert_allclose(normalised(offsets, 0.8), [0.125, np.nan, 0.25, 0.5])
    np.testing.assert_allclose(normalised(offsets * 0, 0.0), [0, np.nan, 0, 0])


# Puppets


@pytest.mark.parametrize("bpm", [60.0, 76.0, 92.5, 113.0, 128.0, 152.0])
def test_a_pendulum_has_a_beat_at_each_turn(bpm: float) -> None:
    found_s = beats_of(pendulum(frame_times_s(20.0), lambda s: s * bpm / 60), 20.0).times_s
    turns_s = np.arange(0, 20, 60 / bpm)
    inside = (found_s > 0.5) & (found_s < 19.5)
    away = away_s(found_s[inside], turns_s)
    assert -0.070 < away.min() <= away.max() < 0.0  # the braking is hardest before the rest
    np.testing.assert_allclose(np.diff(found_s[inside]), 60 / bpm, atol=0.008)
    assert inside.sum() == ((turns_s > 0.5 + 0.05) & (turns_s < 19.5 + 0.05)).sum()


@pytest.mark.parametrize("fps", [24000 / 1001, 25.0, 30000 / 1001, 60.0, None])
def test_the_cameras_frame_rate_moves_no_beat(fps: float | None) -> None:
    times_s = frame_times_s(20.0, fps) if fps else variable_frame_times_s(20.0)
    found_s = beats_of(pendulum(times_s, lambda s: 2 * s), 20.0).times_s
    found_s = found_s[(found_s > 0.7) & (found_s < 19.2)]
    assert len(found_s) == 37
    np.testing.assert_allclose(away_s(found_s, np.arange(0, 20, 0.5)), -0.046, atol=0.012)


def test_the_papers_bins_have_stops_in_mid_swing() -> None:
    # Why the product brakes joints and not directions: at 80 BPM the arms turn round every 0.75 s.
    motion = compute_motion(pendulum(frame_times_s(30.0), lambda s: s / 0.75), 30.0)
    turns_s = np.arange(0, 31, 0.75)
    joints_s = visual_beats(kinematic_offsets(motion.velocity)).times_s[1:-1]
    bins_s = visual_beats(kinematic_offsets(motion.velocity, "directions")).times_s[1:-1]
    assert np.abs(away_s(joints_s, turns_s)).max() < 0.06
    assert np.std(np.diff(joints_s)) < 0.005
    assert np.abs(away_s(bins_s, turns_s)).min() > 0.25
    assert np.std(np.diff(bins_s)) > 0.04


def test_both_ways_agree_on_a_straight_way() -> None:
    times_s = frame_times_s(8.0)
    body = standing(times_s)
    hop = np.clip((times_s % 1.0) / 0.3, 0, 1) ** 2 * np.where(times_s % 2 < 1, 1, -1) + (times_s % 2 >= 1)
    body[:, JOINTS.index("right_wrist")] += 0.2 * hop[:, None] * np.array([np.cos(0.5), np.sin(0.5)])
    velocity = compute_motion(track(body, times_s), 8.0).velocity
    joints = np.nan_to_num(kinematic_offsets(velocity))
    bins = np.nan_to_num(kinematic_offsets(velocity, "directions", lowpass_s=0.015))
    assert joints.max() > 0.5
    np.testing.assert_allclose(bins, joints, atol=0.15 * joints.max())
    assert np.corrcoef(bins, joints)[0, 1] > 0.98


@pytest.mark.parametrize(("way", "alpha"), [("joints", 0.5), ("joints", 0.7), ("joints", 1.0), ("directions", 0.7)])
@pytest.mark.parametrize("bpm", [80.0, 100.0, 126.0])
def test_sharp_moves_are_found_among_weaker_and_odd_ones(bpm: float, way: str, alpha: float) -> None:
    # The right arm stops on each beat, give or take 20 ms; the left one strays, three times in ten seconds.
    rng = np.random.default_rng(round(bpm))
    times_s = frame_times_s(30.0)
    stops_s = np.arange(1.0, 29.0, 60 / bpm)
    strays_s = np.arange(2.0, 28.0, 3.1) + rng.uniform(-0.4, 0.4, 9)
    body = standing(times_s) + jitter((len(times_s), 17, 2), 0.001, 0)
    right = sharp_moves(times_s, stops_s + rng.normal(0, 0.02, len(stops_s)), rng.uniform(0.6, 1.0, len(stops_s)))
    body = swing_arms(body, right, "right")
    body = swing_arms(body, sharp_moves(times_s, strays_s, rng.uniform(0.3, 0.8, 9)), "left")
    velocity = compute_motion(track(body, times_s), 30.0).velocity
    found_s = visual_beats(kinematic_offsets(velocity, way), alpha=alpha).times_s  # type: ignore[arg-type]
    assert (np.abs(away_s(stops_s, found_s)) < 0.07).mean() > 0.9
    assert (np.abs(away_s(found_s, stops_s)) < 0.07).mean() > 0.8
    assert np.median(np.diff(found_s)) == pytest.approx(60 / bpm, abs=0.02)


def test_walking_on_the_spot_gives_the_pace() -> None:
    times_s = frame_times_s(20.0)
    body = walk_on_the_spot(times_s, lambda s: 1.8 * s) + jitter((len(times_s), 17, 2), 0.001, 0)
    found_s = beats_of(track(body, times_s), 20.0).times_s
    assert np.median(np.diff(found_s)) == pytest.approx(1 / 1.8, abs=0.005)
    assert np.percentile(np.abs(away_s(found_s, np.arange(40) / 1.8)), 90) < 0.04


def test_size_place_and_mirror_change_nothing() -> None:
    times_s = frame_times_s(20.0)
    stops_s = np.sort(np.random.default_rng(2).uniform(1, 19, 24))
    pose = track(swing_arms(standing(times_s), sharp_moves(times_s, stops_s)), times_s)
    order = list(range(len(JOINTS)))
    for left, right in LAYOUTS["rhythmicnet17"].pairs:
        order[left], order[right] = right, left
    mirrored = pose.xy[:, order] * np.array([-1, 1], np.float32) + np.array([1279, 0], np.float32)
    one = beats_of(pose, 20.0)
    assert len(one.times_s) > 10
    for xy in (0.5 * pose.xy, 2 * pose.xy, pose.xy + np.float32(90), mirrored):
        other = beats_of(replace(pose, xy=xy), 20.0)
        np.testing.assert_allclose(one.times_s, other.times_s, atol=0.002)
        np.testing.assert_allclose(one.strength, other.strength, atol=0.01)


def test_a_papers_mirror_keeps_its_beats() -> None:
    # 18 bins are centred on 0, 20, ... degrees, of which 180 minus each is one too.
    times_s = frame_times_s(10.0)
    velocity = compute_motion(pendulum(times_s, lambda s: 1.7 * s), 10.0).velocity
    mirrored = velocity * np.array([-1, 1], np.float32)
    one, other = (kinematic_offsets(v, "directions") for v in (velocity, mirrored))
    np.testing.assert_allclose(one, other, atol=0.02 * np.nanmax(one))


@pytest.mark.parametrize("way", ["joints", "directions"])
@pytest.mark.parametrize(("seed", "fps"), [(0, 24.0), (1, 30.0), (2, 60.0)])
def test_standing_still_has_no_beats(seed: int, fps: float, way: str) -> None:
    times_s = frame_times_s(20.0, fps)
    still = standing(times_s)
    for body in (still, still + jitter(still.shape, 0.001, seed)):
        velocity = compute_motion(track(body, times_s), 20.0).velocity
        offsets = kinematic_offsets(velocity, way)  # type: ignore[arg-type]
        assert np.isfinite(offsets).mean() > 0.99
        assert len(visual_beats(offsets).times_s) == 0


@pytest.mark.parametrize("way", ["joints", "directions"])
def test_nobody_and_a_person_who_comes_and_goes(way: str) -> None:
    times_s = frame_times_s(20.0)
    pose = pendulum(times_s, lambda s: 2 * s)
    xy = pose.xy.copy()
    away = (times_s > 8.0) & (times_s < 13.0)
    xy[away] = np.nan
    velocity = compute_motion(replace(pose, xy=xy), 20.0).velocity
    offsets = kinematic_offsets(velocity, way)  # type: ignore[arg-type]
    assert np.isnan(offsets[490:775]).all()
    assert np.isfinite(offsets[:470]).all()
    found_s = visual_beats(offsets).times_s
    assert not ((found_s > 8.0) & (found_s < 13.0)).any()
    assert (found_s < 8.0).sum() > 12
    assert (found_s > 13.0).sum() > 10
    nobody = kinematic_offsets(np.full_like(velocity, np.nan), way)  # type: ignore[arg-type]
    assert np.isnan(nobody).all()
    assert len(visual_beats(nobody).times_s) == 0


def test_a_joint_that_leaves_the_picture_brakes_no_direction() -> None:
    times_s = frame_times_s(6.0)
    body = standing(times_s)
    for joint in ("right_wrist", "right_elbow"):
        body[:, JOINTS.index(joint), 0] -= 0.6 * np.clip(times_s - 2.0, 0, None)  # goes at 2 s and never stops
        body[times_s > 4.0, JOINTS.index(joint)] = np.nan
    velocity = compute_motion(track(body, times_s), 6.0).velocity
    assert kinematic_offsets(velocity, "directions")[150:-1].max() < 0.02
    assert len(visual_beats(kinematic_offsets(velocity)).times_s) == 0


@pytest.mark.parametrize("way", ["joints", "directions"])
@pytest.mark.parametrize("frames", [0, 1, 2, 3, 8])
def test_velocities_of_a_few_frames(frames: int, way: str) -> None:
    velocity = np.ones((frames, 17, 2), np.float16)
    offsets = kinematic_offsets(velocity, way)  # type: ignore[arg-type]
    assert offsets.shape == (frames,)
    assert len(visual_beats(offsets).times_s) == 0


def test_blocks_of_frames_join_without_a_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    velocity = compute_motion(pendulum(frame_times_s(10.0), lambda s: 1.7 * s), 10.0).velocity
    whole = kinematic_offsets(velocity, "directions")
    monkeypatch.setattr("kinebeat.beats.visual._BLOCK_FRAMES", 97)
    np.testing.assert_allclose(kinematic_offsets(velocity, "directions"), whole, atol=1e-5)
    beats = visual_beats(whole)
    monkeypatch.setattr("kinebeat.beats.visual._BLOCK_WINDOWS", 3)
    np.testing.assert_allclose(visual_beats(whole).times_s, beats.times_s)


def test_a_long_clip_takes_memory_in_proportion(peak_bytes: Callable[[Callable[[], object]], int]) -> None:
    def peak(duration_s: float) -> int:
        curve = np.tile(bumps(20.0, np.arange(0.3, 20, 0.4)), round(duration_s / 20))
        return peak_bytes(lambda: visual_beats(curve, least_level=0))

    peak(20.0)
    assert peak(3600.0) < 8 * peak(600.0)


# The cue


def test_a_cue_is_a_bump_on_each_beat() -> None:
    times_s, strength = np.array([0.0, 1.005, 1.055, 2.99]), np.array([1.0, 0.5, 0.75, 0.6], np.float32)
    activation = cues.bumps(times_s, strength, 180)
    assert activation.shape == (180,)
    seconds = np.arange(180) / MOTION_FPS
    each = strength * np.exp(-0.5 * ((seconds[:, None] - times_s) / 0.030) ** 2)
    np.testing.assert_allclose(activation, 0.95 * each.max(1), atol=4e-4)


@pytest.mark.parametrize("frames", [1, 120])
def test_a_cue_covers_its_clip_whatever_the_beats(frames: int) -> None:
    for times_s in (np.zeros(0), np.array([5.0]), np.array([-1.0])):
        activation = cues.bumps(times_s, np.ones(len(times_s), np.float32), frames)
        assert len(activation) == frames
        assert not activation.any()


def test_the_cue_of_a_movement_peaks_on_its_visual_beats() -> None:
    motion = compute_motion(pendulum(frame_times_s(10.0), lambda s: 1.7 * s), 10.0)
    beats = visual_beats(kinematic_offsets(motion.velocity))
    assert len(beats.times_s) > 12
    activation = cues.visual(motion)
    assert activation.shape == motion.times_s.shape
    near = np.round(beats.times_s * MOTION_FPS).astype(int)
    # A beat lies at most half a frame from the nearest, where its bump is still 0.96 of its height.
    assert (activation[near] > 0.95 * 0.95 * beats.strength).all()
    assert activation.max() <= 0.95
