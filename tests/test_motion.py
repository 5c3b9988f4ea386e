"""Movement of puppets whose every stop is known."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from kinebeat.accents import find_accents
from kinebeat.motion import (
    MOTION_FPS,
    PAPER_FPS,
    Motion,
    add_directions,
    body_height_px,
    compute_motion,
    joints_followed,
    paper_kinematic_offsets,
    speed_and_changes,
)
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
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from kinebeat.pose.track import PoseTrack

STOPS_S = np.array([1.0, 1.9, 2.6, 3.7, 4.5, 5.6, 6.2, 7.1, 8.0])


def mover(duration_s: float = 9.0, fps: float = 30.0, **camera: object) -> PoseTrack:
    times_s = frame_times_s(duration_s, fps)
    return track(swing_arms(standing(times_s), sharp_moves(times_s, STOPS_S)), times_s, **camera)  # type: ignore[arg-type]


def assert_same_movement(one: Motion, other: Motion, rtol: float = 1e-3) -> None:
    for name in ("acceleration", "deceleration", "speed"):
        a, b = getattr(one, name), getattr(other, name)
        np.testing.assert_allclose(a, b, atol=rtol * a.max(), err_msg=name)
    a, b = find_accents(one), find_accents(other)
    np.testing.assert_allclose(a.times_s, b.times_s, atol=0.001)
    np.testing.assert_allclose(a.strength, b.strength, atol=0.01)
    assert len(a.times_s) == len(STOPS_S)


# Equation 1, by hand


def directogram(velocity: list[list[float]], bins: int = 12) -> list[float]:
    out = np.zeros((1, bins), np.float32)
    for joint in velocity:
        add_directions(out, np.array([joint], np.float32))
    return [round(float(x), 5) for x in out[0]]


def test_a_direction_counts_in_each_bin_within_one_bin_of_it() -> None:
    # 3-4-5 to the right and down: 53.13 degrees, so bins 30 and 60 degrees, 23 and 7 degrees away, and no other.
    assert directogram([[3, 4]]) == [0, 5, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0]


def test_a_direction_on_a_centre_counts_in_both_neighbours_too() -> None:
    # |theta - phi| <= 2 pi / bins holds with equality.
    assert directogram([[2, 0]]) == [2, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]
    assert directogram([[-2, 0]]) == [0, 0, 0, 0, 0, 2, 2, 2, 0, 0, 0, 0]


def test_joints_add_up_and_unseen_ones_count_nothing() -> None:
    assert directogram([[3, 4], [0, -1], [np.nan, np.nan]]) == [0, 5, 5, 0, 0, 0, 0, 0, 1, 1, 1, 0]


@pytest.mark.parametrize("bins", [4, 12, 18])
def test_every_direction_reaches_two_or_three_bins(bins: int) -> None:
    for angle in np.random.default_rng(bins).uniform(-np.pi, np.pi, 200):
        active = np.flatnonzero(directogram([[float(np.cos(angle)), float(np.sin(angle))]], bins))
        assert len(active) == 2


def test_motion_has_the_directogram_of_its_movement() -> None:
    # One wrist of 17 joints goes straight down at half a body height per second, from 1 s to 3 s.
    times_s = frame_times_s(4.0)
    body = standing(times_s)
    body[:, JOINTS.index("left_wrist"), 1] += 0.5 * np.clip(times_s - 1.0, 0, 2)
    motion = compute_motion(track(body, times_s), 4.0)
    assert motion.directogram.shape == (240, 12)
    at = motion.directogram[np.searchsorted(motion.times_s, 2.0)] * 17
    height = float(np.median(body_height_px(track(body, times_s))))
    np.testing.assert_allclose(at[2:5], 0.5 * 500.0 / height, rtol=0.01)  # y is down: 90 degrees is bin 3
    np.testing.assert_allclose(at[[0, 1, 5, 6, 7, 8, 9, 10, 11]], 0.0, atol=1e-4)


# Signs and places


def test_a_start_accelerates_and_a_stop_decelerates() -> None:
    times_s = frame_times_s(4.0, 60.0)
    body = standing(times_s)
    body[:, JOINTS.index("right_wrist"), 0] += 0.4 * np.clip(times_s - 1.0, 0, 1)  # goes at 1 s, stops at 2 s
    motion = compute_motion(track(body, times_s), 4.0)
    assert motion.times_s[motion.acceleration.argmax()] == pytest.approx(1.0, abs=0.02)
    assert motion.times_s[motion.deceleration.argmax()] == pytest.approx(2.0, abs=0.02)
    # What a joint gains and loses is its speed, of which each of 17 joints has a part.
    speed = 0.4 * 500 / float(np.median(body_height_px(track(body, times_s)))) / 17
    assert motion.speed[motion.times_s.searchsorted(1.5)] == pytest.approx(speed, rel=0.01)
    assert motion.acceleration.sum() / MOTION_FPS == pytest.approx(speed, rel=0.02)
    assert motion.deceleration.sum() / MOTION_FPS == pytest.approx(speed, rel=0.02)


def test_papers_offsets_have_both_signs() -> None:
    times_s = frame_times_s(4.0, PAPER_FPS)
    body = standing(times_s)
    body[:, JOINTS.index("right_wrist"), 0] += 0.4 * np.clip(times_s - 1.0, 0, 1)
    pose = track(body, times_s)
    starts, stops = paper_kinematic_offsets(pose, 4.0), paper_kinematic_offsets(pose, 4.0, braking=True)
    # The step from frame 15 to 16 is the first that moves and 29 to 30 the last. Along the x axis the speed of 0.4 of
    # the body per 15 frames counts in 3 of 12 bins.
    step = 0.4 / 15 * 500 / float(np.median(body_height_px(pose))) * 3 / 12
    expected = np.zeros(60)
    expected[16] = step
    np.testing.assert_allclose(starts, expected, atol=1e-5)
    np.testing.assert_allclose(stops, np.roll(expected, 15), atol=1e-5)


def test_the_later_papers_offsets_are_filtered_before_the_negative_is_removed() -> None:
    # InteractiveBeat: 18 bins. A wrist goes to the right for half a second and stops, at 30 fps.
    times_s = frame_times_s(4.0, 30.0)
    body = standing(times_s)
    body[:, JOINTS.index("right_wrist"), 0] += 0.4 * np.clip(times_s - 1.0, 0, 0.5)
    pose = track(body, times_s)
    plain, smooth = (
        paper_kinematic_offsets(pose, 4.0, braking=True, bins=18, fps=30.0, lowpass_s=s) for s in (0.0, 0.05)
    )
    step = 0.4 / 30 * 500 / float(np.median(body_height_px(pose))) * 3 / 18
    expected = np.zeros(120)
    expected[46] = step
    np.testing.assert_allclose(plain, expected, atol=1e-6)
    assert smooth.argmax() == 46
    assert smooth.max() == pytest.approx(step / (np.sqrt(2 * np.pi) * 0.05 * 30), rel=0.05)
    assert smooth.sum() == pytest.approx(step, rel=0.01)
    # At a steady speed for three frames only, start and stop are one blur, and little is left of either.
    short = standing(times_s)
    short[:, JOINTS.index("right_wrist"), 0] += 0.4 * np.clip(times_s - 1.0, 0, 0.1)
    left = paper_kinematic_offsets(track(short, times_s), 4.0, braking=True, bins=18, fps=30.0, lowpass_s=0.1)
    assert left.sum() < 0.5 * step


def test_speed_and_its_changes_can_be_had_of_velocities_alone() -> None:
    motion = compute_motion(mover(), 9.0)
    speed, acceleration, deceleration = speed_and_changes(motion.velocity)
    np.testing.assert_array_equal(speed, motion.speed)
    np.testing.assert_array_equal(acceleration, motion.acceleration)
    np.testing.assert_array_equal(deceleration, motion.deceleration)


def test_joints_are_counted_where_there_is_a_person() -> None:
    velocity = np.full((10, 17, 2), np.nan, np.float32)
    assert joints_followed(velocity) == 1
    velocity[:7, :2] = 0.0  # two joints are no person
    assert joints_followed(velocity) == 1
    velocity[:3, :11] = 0.0
    assert joints_followed(velocity) == 11


def test_a_limb_that_bends_its_way_at_steady_speed_does_not_stop() -> None:
    # A hand on a circle crosses the edge of a direction bin twelve times a turn; no crossing is a landing.
    times_s = frame_times_s(6.0)
    body = standing(times_s)
    turn = 2 * np.pi * 0.7 * times_s
    body[:, JOINTS.index("right_wrist")] += 0.2 * np.stack([np.cos(turn), np.sin(turn)], axis=1)
    motion = compute_motion(track(body, times_s), 6.0)
    inside = (motion.times_s > 0.5) & (motion.times_s < 5.5)
    assert motion.deceleration[inside].max() < 0.05 * compute_motion(mover(), 9.0).deceleration.max()


def test_body_height_is_that_of_the_puppet() -> None:
    for height_px in (80.0, 500.0, 1000.0):
        guess = body_height_px(mover(height_px=height_px))
        assert np.median(guess) == pytest.approx(height_px, rel=0.1)


# Invariances


@pytest.mark.parametrize("camera", [{"height_px": 250.0, "feet_px": (320.0, 350.0)}, {"height_px": 150.0}])
def test_resolution_and_distance_change_nothing(camera: dict[str, object]) -> None:
    assert_same_movement(compute_motion(mover(), 9.0), compute_motion(mover(**camera), 9.0))


def test_place_in_the_picture_changes_nothing() -> None:
    assert_same_movement(compute_motion(mover(), 9.0), compute_motion(mover(feet_px=(140.0, 600.0)), 9.0))


def test_mirroring_changes_nothing() -> None:
    pose = mover()
    xy = pose.xy.copy()
    xy[..., 0] = 1279 - xy[..., 0]
    layout = LAYOUTS["rhythmicnet17"]
    order = list(range(len(JOINTS)))
    for left, right in layout.pairs:
        order[left], order[right] = right, left
    assert_same_movement(compute_motion(pose, 9.0), compute_motion(replace(pose, xy=xy[:, order]), 9.0))


@pytest.mark.parametrize("velocity_px", [(120.0, 0.0), (-60.0, 25.0), (400.0, 0.0)])
def test_a_steady_pan_or_walk_changes_nothing(velocity_px: tuple[float, float]) -> None:
    pose = mover()
    drift = (pose.times_s[:, None] * np.array(velocity_px)).astype(np.float32)
    panned = replace(pose, xy=pose.xy + drift[:, None])
    assert_same_movement(compute_motion(pose, 9.0), compute_motion(panned, 9.0), rtol=0.02)


def test_a_slow_zoom_adds_no_accent() -> None:
    times_s = frame_times_s(9.0)
    body = swing_arms(standing(times_s), sharp_moves(times_s, STOPS_S))
    zoom = 1 + 0.05 * times_s[:, None, None]
    pose = replace(mover(), xy=(300 * zoom * body + np.array([640.0, 700.0])).astype(np.float32))
    times = find_accents(compute_motion(pose, 9.0)).times_s
    np.testing.assert_allclose(times, find_accents(compute_motion(mover(), 9.0)).times_s, atol=0.01)


@pytest.mark.parametrize("fps", [24000 / 1001, 25.0, 30000 / 1001, 60.0])
def test_frame_rate_moves_no_accent(fps: float) -> None:
    one, other = (find_accents(compute_motion(mover(fps=f), 9.0)).times_s for f in (50.0, fps))
    np.testing.assert_allclose(one, other, atol=0.012)


def test_variable_frame_rate_moves_no_accent() -> None:
    times_s = variable_frame_times_s(9.0)
    pose = track(swing_arms(standing(times_s), sharp_moves(times_s, STOPS_S)), times_s)
    one, other = (find_accents(compute_motion(p, 9.0)).times_s for p in (mover(fps=60.0), pose))
    np.testing.assert_allclose(one, other, atol=0.012)


# What is not movement


def accents_of(pose: PoseTrack, duration_s: float) -> np.ndarray:
    return find_accents(compute_motion(pose, duration_s)).times_s


def test_standing_still_is_silent() -> None:
    times_s = frame_times_s(20.0)
    motion = compute_motion(track(standing(times_s), times_s), 20.0)
    assert motion.present.mean() > 0.99
    assert motion.speed.max() < 1e-3
    assert len(find_accents(motion).times_s) == 0


@pytest.mark.parametrize("fps", [24.0, 30.0, 60.0])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_detectors_jitter_is_no_movement(fps: float, seed: int) -> None:
    # Joints of people who stand still jitter by 0.4 to 1 thousandths of the body height in ordinary pictures.
    times_s = frame_times_s(20.0, fps)
    body = standing(times_s) + jitter((len(times_s), 17, 2), 0.001, seed)
    motion = compute_motion(track(body, times_s), 20.0)
    assert motion.speed.mean() < 0.02
    assert len(find_accents(motion).times_s) == 0


def test_nobody_is_nothing() -> None:
    times_s = frame_times_s(3.0)
    motion = compute_motion(track(np.full((len(times_s), 17, 2), np.nan), times_s), 3.0)
    assert len(motion.times_s) == 180
    assert not motion.present.any()
    for curve in (motion.speed, motion.acceleration, motion.deceleration, motion.directogram):
        assert not curve.any()
    assert len(find_accents(motion).times_s) == 0


def test_a_person_who_comes_and_goes_is_present_only_then() -> None:
    pose = mover()
    xy = pose.xy.copy()
    away = (pose.times_s < 2.2) | (pose.times_s > 6.7)
    xy[away] = np.nan
    motion = compute_motion(replace(pose, xy=xy), 9.0)
    present_s = motion.times_s[motion.present]
    assert present_s[0] == pytest.approx(2.2, abs=0.04)
    assert present_s[-1] == pytest.approx(6.7, abs=0.04)
    assert motion.present.sum() == pytest.approx(4.5 * MOTION_FPS, abs=4)
    assert not motion.speed[~motion.present].any()
    np.testing.assert_allclose(find_accents(motion).times_s, STOPS_S[2:7], atol=0.04)


@pytest.mark.parametrize("gap_s", [0.5, 1.5])
def test_a_gap_in_mid_movement_makes_no_accent(gap_s: float) -> None:
    # Arms that swing on and on without a stop, by a circle; then both are lost for a while.
    times_s = frame_times_s(8.0)
    body = standing(times_s)
    turn = 2 * np.pi * 0.8 * times_s
    circle = 0.2 * np.stack([np.cos(turn), np.sin(turn)], axis=1)
    for joint in ("right_wrist", "left_wrist", "right_elbow"):
        body[:, JOINTS.index(joint)] += circle
    whole = accents_of(track(body, times_s), 8.0)
    for joint in ("right_wrist", "left_wrist", "right_elbow"):
        body[(times_s > 4.0) & (times_s < 4.0 + gap_s), JOINTS.index(joint)] = np.nan
    gappy = accents_of(track(body, times_s), 8.0)
    assert len(whole) == len(gappy) == 0


def test_a_joint_that_leaves_the_picture_makes_no_accent() -> None:
    times_s = frame_times_s(6.0)
    body = standing(times_s)
    for joint in ("right_wrist", "right_elbow"):
        body[:, JOINTS.index(joint), 0] -= 0.6 * np.clip(times_s - 2.0, 0, None)  # goes at 2 s and never stops
        body[times_s > 4.0, JOINTS.index(joint)] = np.nan
    assert len(accents_of(track(body, times_s), 6.0)) == 0


def test_a_cut_between_frames_of_the_motions_own_rate_makes_no_accent() -> None:
    # At 60 frames a second no moment between the shots is unseen; an arm goes on to the cut, and is still after it.
    times_s = frame_times_s(6.0, MOTION_FPS)
    body = standing(times_s)
    cut = times_s >= 3.0
    body[~cut, JOINTS.index("right_wrist"), 0] -= 0.5 * times_s[~cut]
    body[cut] += 0.05
    pose = track(body, times_s, shot=cut.astype(np.int32))
    assert compute_motion(pose, 6.0).deceleration[60:].max() < 1e-3
    assert len(accents_of(pose, 6.0)) == 0


def test_a_shot_cut_makes_no_accent() -> None:
    times_s = frame_times_s(9.0)
    pose = mover()
    xy = pose.xy.copy()
    shot = (times_s >= 5.0).astype(np.int32)
    xy[shot == 1] = 1.4 * xy[shot == 1] + np.array([-300.0, -350.0], np.float32)
    np.testing.assert_allclose(
        accents_of(replace(pose, xy=xy, shot=shot), 9.0), find_accents(compute_motion(pose, 9.0)).times_s, atol=0.02
    )


def test_a_still_picture_cut_to_another_makes_no_accent() -> None:
    times_s = frame_times_s(6.0)
    body = standing(times_s)
    body[times_s >= 3.0] = swing_arms(body[times_s >= 3.0], np.full((times_s >= 3.0).sum(), 1.2)) + 0.3
    cut = (times_s >= 3.0).astype(np.int32)
    assert len(accents_of(track(body, times_s, shot=cut), 6.0)) == 0


def test_a_detector_that_leaps_to_somebody_else_makes_no_accent() -> None:
    times_s = frame_times_s(6.0)
    body = standing(times_s)
    body[(times_s >= 2.0) & (times_s < 2.1)] += 1.1
    body[times_s >= 4.0, :, 0] -= 0.8
    assert len(accents_of(track(body, times_s), 6.0)) == 0


# Sizes


@pytest.mark.parametrize("frames", [0, 1, 2, 3, 4, 5])
@pytest.mark.parametrize("duration_s", [0.0, 0.01, 0.2])
def test_clips_of_a_few_frames(frames: int, duration_s: float) -> None:
    times_s = frame_times_s(1.0)[:frames]
    pose = track(standing(times_s), times_s)
    motion = compute_motion(pose, duration_s)
    assert len(motion.times_s) == max(1, int(np.ceil(duration_s * MOTION_FPS)))
    assert {len(x) for x in (motion.directogram, motion.acceleration, motion.deceleration, motion.speed)} == {
        len(motion.times_s)
    }
    assert all(np.isfinite(x).all() for x in (motion.directogram, motion.acceleration, motion.speed))
    assert len(find_accents(motion).times_s) == 0
    assert np.isfinite(paper_kinematic_offsets(pose, duration_s)).all()


def test_motion_covers_a_clip_longer_than_its_poses() -> None:
    motion = compute_motion(mover(), 30.0)
    assert len(motion.times_s) == 1800
    assert not motion.present[600:].any()


def test_a_long_clip_stays_small(peak_bytes: Callable[[Callable[[], object]], int]) -> None:
    times_s = frame_times_s(150.0)
    pose = pendulum(times_s, lambda s: 1.7 * s)
    compute_motion(pose, 150.0)
    assert peak_bytes(lambda: compute_motion(pose, 150.0)) < 25e6 * 150 / 600  # 25 MB for ten minutes
