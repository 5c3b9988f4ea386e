"""The live movement of puppets whose every stop is known: causal, streamed, and no wiser than it may be."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.signal import find_peaks

from kinebeat.errors import OptionError
from kinebeat.live.movement import (
    JOINTS,
    LIVE_FPS,
    MOST_TICKS,
    OFFSET_DELAY_S,
    VELOCITY_DELAY_S,
    Movement,
    MovementState,
    Tick,
    advance,
    begin,
    directions,
    movement_of,
)
from kinebeat.motion import FASTEST, add_directions, compute_motion, joints_followed
from kinebeat.skeleton import LAYOUTS
from movers import (
    frame_times_s,
    frames_at,
    jitter,
    pendulum,
    punching,
    sharp_moves,
    standing,
    swing_arms,
    track,
    walking,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from kinebeat.pose.track import PoseTrack

NAMES = LAYOUTS["rhythmicnet17"].joints
STOPS_S = np.array([1.0, 1.9, 2.6, 3.7, 4.5, 5.6, 6.2, 7.1, 8.0])


def mover(duration_s: float = 9.0, fps: float = 30.0, **camera: object) -> PoseTrack:
    times_s = frame_times_s(duration_s, fps)
    return track(swing_arms(standing(times_s), sharp_moves(times_s, STOPS_S)), times_s, **camera)  # type: ignore[arg-type]


def peaks_s(movement: Movement) -> np.ndarray:
    """Times of the strong peaks of the kinematic offsets, finer than the ticks."""
    curve = movement.offset.astype(float)
    at, _ = find_peaks(curve, height=0.4 * np.percentile(curve, 99), distance=5)
    left, middle, right = curve[at - 1], curve[at], curve[at + 1]
    return movement.times_s[0] + (at + 0.5 * (left - right) / (left - 2 * middle + right)) / LIVE_FPS


def offline_peaks_s(pose: PoseTrack, duration_s: float) -> np.ndarray:
    curve = compute_motion(pose, duration_s).deceleration.astype(float)
    at, _ = find_peaks(curve, height=0.4 * np.percentile(curve, 99), distance=10)
    return at / 60


def stream(pose: PoseTrack, state: MovementState | None = None) -> tuple[list[Tick], MovementState]:
    state = begin() if state is None else state
    ticks: list[Tick] = []
    for xy, score, time_s in zip(pose.xy, pose.score, pose.times_s, strict=True):
        some, state = advance(xy, score, float(time_s), state)
        ticks += some
    return ticks, state


def assert_same_tick(one: Tick, other: Tick) -> None:
    for field in fields(Tick):
        np.testing.assert_array_equal(getattr(one, field.name), getattr(other, field.name), err_msg=field.name)


# Peaks


@pytest.mark.parametrize("fps", [10.0, 24.0, 30.0, 60.0, None])
def test_a_stop_is_felt_at_the_stated_delay_at_any_frame_rate(fps: float | None) -> None:
    pose = punching(frames_at(fps))
    truth = 0.8 + 60 / 105.3 * np.arange(33)
    found = peaks_s(movement_of(pose))
    assert len(found) == len(truth)
    # A dead stop between two frames looks like braking in the middle between them, whoever looks.
    np.testing.assert_allclose(found - truth, OFFSET_DELAY_S, atol=0.02 if fps != 10 else 0.07)


@pytest.mark.parametrize("make", [lambda t: pendulum(t, lambda s: (s - 0.2) * 118 / 60), walking])
def test_soft_braking_comes_the_stated_delay_after_the_offline_peaks(
    make: Callable[[np.ndarray], PoseTrack],
) -> None:
    pose = make(frame_times_s(12.0))
    found, offline = peaks_s(movement_of(pose)), offline_peaks_s(pose, 12.0)
    away = [peak - offline[np.abs(peak - OFFSET_DELAY_S - offline).argmin()] for peak in found[1:-1]]
    assert len(away) > 15
    assert np.median(away) == pytest.approx(OFFSET_DELAY_S, abs=0.5 / LIVE_FPS)
    assert np.std(away) < 0.02


def test_offsets_are_as_large_at_all_frame_rates_as_offline() -> None:
    level = [float(np.percentile(movement_of(walking(frames_at(fps))).offset, 99)) for fps in (24, 30, 60, None)]
    offline = float(np.percentile(compute_motion(walking(frames_at(30)), 20.0).deceleration, 99))
    np.testing.assert_allclose(level, offline, rtol=0.12)


def test_velocity_is_that_of_the_stated_delay_ago() -> None:
    times_s = frame_times_s(4.0, 60.0)
    body = standing(times_s)
    wrist = NAMES.index("left_wrist")
    body[:, wrist, 0] += 0.1 * np.sin(2 * np.pi * times_s)
    movement = movement_of(track(body, times_s))
    then = movement.times_s - VELOCITY_DELAY_S
    height = 500.0 / movement.height_px[-1]
    expected = height * 0.2 * np.pi * np.cos(2 * np.pi * then)
    np.testing.assert_allclose(movement.velocity[30:, wrist, 0], expected[30:], atol=0.02)
    assert np.abs(movement.velocity[5:, :wrist]).max() == 0.0


def test_nobody_brakes_who_stands() -> None:
    times_s = frame_times_s(5.0)
    movement = movement_of(track(standing(times_s), times_s))
    assert movement.present.all()
    assert movement.offset.max() == 0.0
    assert movement.directogram.max() == 0.0


def test_a_detectors_jitter_is_far_below_movement() -> None:
    times_s = frame_times_s(20.0)
    still = standing(times_s)
    noise = jitter(still.shape, 0.002, seed=1)
    shaking = movement_of(track(still + noise, times_s)).offset
    assert np.percentile(shaking, 99) < 0.2 * np.percentile(movement_of(walking(times_s)).offset, 99) + 0.3


# Directogram and units


def test_directions_are_the_papers() -> None:
    rng = np.random.default_rng(0)
    velocity = rng.normal(size=(50, JOINTS, 2)).astype(np.float32)
    velocity[rng.random((50, JOINTS)) < 0.1] = np.nan
    velocity[0] = [1.0, 0.0]  # on an edge between three bins
    for frame in velocity:
        expected = np.zeros((1, 18), np.float32)
        for joint in frame:
            add_directions(expected, joint[None])
        np.testing.assert_allclose(directions(frame), expected[0], rtol=1e-5)


def test_the_directogram_is_divided_by_the_joints_that_are_followed() -> None:
    whole = mover()
    legs = [k for k, name in enumerate(NAMES) if name.endswith(("ankle", "big_toe"))]
    xy = whole.xy.copy()
    xy[:, legs] = np.nan
    score = np.isfinite(xy[..., 0]).astype(np.float32)
    cut, seen = movement_of(replace(whole, xy=xy, score=score)), movement_of(whole)
    assert joints_followed(cut.velocity) == JOINTS - 4
    later = slice(100, None)
    np.testing.assert_allclose(
        cut.directogram[later] * (JOINTS - 4), seen.directogram[later] * JOINTS, rtol=2e-3, atol=1e-3
    )


@pytest.mark.parametrize("camera", [{"height_px": 130.0}, {"feet_px": (90.0, 500.0)}, {"height_px": 1900.0}])
def test_resolution_and_place_do_not_matter(camera: dict[str, object]) -> None:
    one, other = movement_of(mover()), movement_of(mover(**camera))
    np.testing.assert_allclose(other.offset, one.offset, atol=0.01)
    np.testing.assert_allclose(other.directogram, one.directogram, atol=0.002)


def test_a_mirror_turns_the_bins_round() -> None:
    pose = walking(frame_times_s(6.0))
    flipped = pose.xy.copy()
    flipped[..., 0] = 1280 - flipped[..., 0]
    one, other = movement_of(pose), movement_of(replace(pose, xy=flipped))
    # An angle phi becomes pi - phi: bin k becomes bin 9 - k.
    np.testing.assert_allclose(other.directogram, one.directogram[:, (9 - np.arange(18)) % 18], atol=1e-3)
    np.testing.assert_allclose(other.offset, one.offset, atol=2e-3)


def test_a_pan_is_taken_off_and_costs_no_stop() -> None:
    pose = mover()
    panned = pose.xy + (60.0 * pose.times_s[:, None, None] * np.array([1.0, 0.0])).astype(np.float32)
    still, moved = movement_of(pose), movement_of(replace(pose, xy=panned.astype(np.float32)))
    later = slice(120, None)  # after the four seconds in which the pan is learnt
    np.testing.assert_allclose(moved.velocity[later], still.velocity[later], atol=0.03)
    np.testing.assert_allclose(peaks_s(moved), peaks_s(still), atol=0.03)


def test_height_is_of_the_past() -> None:
    movement = movement_of(mover(height_px=400.0))
    assert movement.height_px[0] == pytest.approx(400.0, rel=0.1)
    assert np.ptp(movement.height_px) < 20.0


# What is not as it should be


def test_joints_that_are_not_believed_count_as_not_seen() -> None:
    pose = mover()
    score = pose.score.copy()
    score[:, 4] = 0.1
    movement = movement_of(replace(pose, score=score))
    assert np.isnan(movement.velocity[:, 4]).all()
    assert np.isfinite(movement.velocity[10:, 5]).all()
    trusted, _ = advance(pose.xy[0], None, 0.0, begin())
    assert np.isfinite(trusted[0].xy).all()


def test_a_joint_that_goes_and_comes_back_does_not_brake() -> None:
    times_s = frame_times_s(6.0)
    body = standing(times_s)
    body += (0.3 * np.sin(2 * np.pi * 0.5 * times_s))[:, None, None] * np.array([1.0, 0.0])
    seen = movement_of(track(body, times_s))
    body[60:75, NAMES.index("left_wrist")] = np.nan
    body[100:101, NAMES.index("right_wrist")] = np.nan
    lost = movement_of(track(body, times_s))
    assert lost.offset.max() <= seen.offset.max() + 1e-6
    assert np.isnan(lost.velocity[60:75, NAMES.index("left_wrist")]).all()
    assert np.isfinite(lost.velocity[78:, NAMES.index("left_wrist")]).all()
    assert lost.present.all()


def test_an_impossible_leap_is_no_movement() -> None:
    times_s = frame_times_s(4.0)
    body = standing(times_s)
    body[60:63, NAMES.index("left_wrist")] += 1.5 * FASTEST / 30
    movement = movement_of(track(body, times_s))
    assert movement.offset.max() == 0.0
    assert movement.directogram.max() == 0.0


def test_nobody_is_absent() -> None:
    state = begin()
    for k in range(30):
        ticks, state = advance(None, None, k / 30, state)
        assert [tick.present for tick in ticks] == [False]
        assert ticks[0].offset == 0.0
        assert np.isnan(ticks[0].height_px)
        assert ticks[0].directogram.shape == (18,)
    ticks, state = advance(np.full((17, 2), np.nan), np.zeros(17), 1.0, state)
    assert [tick.present for tick in ticks] == [False]
    ticks, _ = advance(mover().xy[0], None, 31 / 30, state)
    assert [tick.present for tick in ticks] == [True]


def test_two_joints_are_nobody() -> None:
    xy = np.full((17, 2), np.nan)
    xy[:2] = 100.0
    ticks, _ = advance(xy, None, 0.0, begin())
    assert not ticks[0].present


@pytest.mark.parametrize("size", [0.0, 1e-9, 1e200])
def test_who_is_no_size_of_a_person_is_not_there(size: float) -> None:
    state = begin()
    for k in range(10):
        body = standing([0.0])[0] * (1 + 0.01 * k)
        ticks, state = advance(body * size, None, k / 30, state)
        assert [tick.present for tick in ticks] == [False]
        assert ticks[0].offset == 0.0
        assert ticks[0].directogram.max() == 0.0


def test_a_gap_is_not_bridged() -> None:
    pose = mover()
    kept = (pose.times_s < 3.0) | (pose.times_s > 4.0)
    ticks, _ = stream(
        replace(pose, xy=pose.xy[kept], score=pose.score[kept], times_s=pose.times_s[kept], shot=pose.shot[kept])
    )
    times_s = np.array([tick.time_s for tick in ticks])
    np.testing.assert_allclose(np.diff(times_s), 1 / LIVE_FPS, atol=1e-9)
    gone = (times_s > 2.98) & (times_s < 4.02)
    assert [tick.present for tick in ticks] == list(~gone)
    after = [tick for tick in ticks if tick.time_s > 4.02]
    assert all(np.isnan(tick.velocity).all() for tick in after[:2])
    assert max(tick.offset for tick in after[:5]) < 0.5


def test_a_gap_of_hours_brings_few_ticks() -> None:
    pose = mover(2.0)
    ticks, state = stream(pose)
    more, state = advance(pose.xy[0], None, 5 * 3600.0, state)
    assert len(more) == MOST_TICKS
    assert [tick.present for tick in more] == [False] * (MOST_TICKS - 1) + [True]
    assert more[-1].time_s == pytest.approx(5 * 3600.0, abs=1 / LIVE_FPS)
    times_s = [tick.time_s for tick in (*ticks, *more)]
    assert np.diff(times_s).min() > 0
    following, _ = advance(pose.xy[0], None, 5 * 3600.0 + 0.04, state)
    assert len(following) == 1


@pytest.mark.parametrize("time_s", [float("nan"), float("inf"), -float("inf"), 1e300])
def test_a_time_that_is_none_is_refused(time_s: float) -> None:
    with pytest.raises(OptionError, match="time of a frame"):
        advance(None, None, time_s, begin())


def test_frames_that_come_late_or_twice_are_left_out() -> None:
    pose = mover(2.0)
    _, state = stream(pose)
    for time_s in (pose.times_s[-1], 0.5, -3.0):
        ticks, after = advance(pose.xy[3], None, float(time_s), state)
        assert ticks == ()
        assert after is state


@pytest.mark.parametrize("shape", [(16, 2), (17, 3), (17,)])
def test_other_joints_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(OptionError, match="17 joints"):
        advance(np.zeros(shape), None, 0.0, begin())
    with pytest.raises(OptionError, match="17 joints"):
        advance(np.zeros((17, 2)), np.zeros(16), 0.0, begin())


def test_another_layout_is_refused() -> None:
    with pytest.raises(OptionError, match="rhythmicnet17"):
        movement_of(replace(mover(1.0), layout="coco17"))


def test_times_need_not_begin_at_zero() -> None:
    pose = mover()
    moved = movement_of(replace(pose, times_s=pose.times_s + 1000.5))
    assert moved.times_s[0] == 1000.5
    np.testing.assert_allclose(moved.offset, movement_of(pose).offset, atol=1e-3)


def test_a_change_of_shot_is_no_movement() -> None:
    times_s = frame_times_s(4.0)
    body = standing(times_s)
    body[60:] += [0.1, 0.05]  # less than a leap
    shot = (np.arange(len(times_s)) >= 60).astype(np.int32)
    assert movement_of(track(body, times_s)).offset.max() > 0.5
    assert movement_of(track(body, times_s, shot=shot)).offset.max() == 0.0


# Streams


def test_a_tick_comes_with_the_first_frame_at_or_after_it() -> None:
    xy = mover().xy
    state = begin()
    made = []
    for k, time_s in enumerate((2.0, 2.01, 2.033, 2.05, 2.2, 2.2332)):
        ticks, state = advance(xy[k], None, time_s, state)
        made.append([round((tick.time_s - 2.0) * LIVE_FPS, 6) for tick in ticks])
    # The third frame is a third of a millisecond early, as rounded times are, and counts as on its tick.
    assert made == [[0], [], [1], [], [2, 3, 4, 5, 6], [7]]


def test_more_of_the_input_never_changes_earlier_ticks() -> None:
    pose = mover(fps=24.0)
    half = len(pose.times_s) // 2
    short = replace(
        pose, xy=pose.xy[:half], score=pose.score[:half], times_s=pose.times_s[:half], shot=pose.shot[:half]
    )
    whole, part = movement_of(pose), movement_of(short)
    for field in fields(Movement):
        value = getattr(part, field.name)
        np.testing.assert_array_equal(getattr(whole, field.name)[: len(value)], value, err_msg=field.name)


def test_streaming_gives_what_the_whole_gives() -> None:
    pose = mover(fps=25.0)
    movement = movement_of(pose)
    ticks, _ = stream(pose)
    assert len(ticks) == len(movement.times_s)
    for field in fields(Movement):
        stacked = np.array([getattr(tick, "time_s" if field.name == "times_s" else field.name) for tick in ticks])
        np.testing.assert_array_equal(
            stacked.astype(getattr(movement, field.name).dtype), getattr(movement, field.name)
        )


def test_a_state_stays_as_it_is() -> None:
    pose = mover()
    _, state = stream(
        replace(pose, xy=pose.xy[:60], score=pose.score[:60], times_s=pose.times_s[:60], shot=pose.shot[:60])
    )
    before = {field.name: np.copy(getattr(state, field.name)) for field in fields(state)}
    first, after_first = advance(pose.xy[60], pose.score[60], float(pose.times_s[60]), state)
    second, after_second = advance(pose.xy[60], pose.score[60], float(pose.times_s[60]), state)
    for one, other in zip(first, second, strict=True):
        assert_same_tick(one, other)
    for name, value in before.items():
        np.testing.assert_array_equal(getattr(state, name), value)
        np.testing.assert_array_equal(getattr(after_first, name), getattr(after_second, name))


def test_the_frame_that_was_given_may_be_written_over() -> None:
    pose = mover(1.0)
    frame = pose.xy[0].astype(np.float64)
    ticks, state = advance(frame, None, 0.0, begin())
    frame[:] = -1.0
    assert ticks[0].xy.min() > 0
    assert state.seen_xy.min() > 0


def test_no_frames_no_ticks() -> None:
    pose = mover()
    none = replace(pose, xy=pose.xy[:0], score=pose.score[:0], times_s=pose.times_s[:0], shot=pose.shot[:0])
    movement = movement_of(none)
    assert movement.velocity.shape == (0, 17, 2)
    assert movement.directogram.shape == (0, 18)
