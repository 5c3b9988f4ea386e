"""The shipped PulseNet: what it may know, who stands, and the engine that listens to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from kinebeat.evaluation.following import coherence, played_beats
from kinebeat.live.engine import LiveEngine
from kinebeat.live.movement import movement_of
from kinebeat.live.pulse import USUAL_MUSIC
from kinebeat.live.pulsenet.model import PulseNet
from kinebeat.puppet import make_dance, puppet_pose
from movers import frame_times_s, jitter, standing, track

if TYPE_CHECKING:
    from numpy.typing import NDArray


@pytest.fixture(scope="module")
def net() -> PulseNet:
    return PulseNet()


def said(net: PulseNet, velocity: NDArray[np.float32]) -> NDArray[np.float64]:
    """(T,) beats of the tick after each."""
    state, beats = net.begin(), np.zeros(len(velocity))
    for tick, moved in enumerate(velocity):
        beats[tick], state = net.step(moved, state)
    return beats


def dancing_velocity(duration_s: float, tempo_bpm: float) -> NDArray[np.float32]:
    dance = make_dance(duration_s=duration_s + 2, tempo_bpm=tempo_bpm, seed=2)
    return movement_of(puppet_pose(frame_times_s(duration_s), dance=dance)).velocity


def test_what_comes_later_changes_nothing_that_was_said(net: PulseNet) -> None:
    one, other = dancing_velocity(6.0, 100.0), dancing_velocity(6.0, 100.0)
    other[90:] = dancing_velocity(6.0, 120.0)[90 : len(other)]
    before, after = said(net, one), said(net, other)
    np.testing.assert_array_equal(before[:90], after[:90])
    assert not np.array_equal(before[90:], after[90:])


def test_a_state_can_be_gone_on_from_again(net: PulseNet) -> None:
    velocity = dancing_velocity(3.0, 100.0)
    state = net.begin()
    for moved in velocity[:60]:
        _, state = net.step(moved, state)
    kept = state.values.copy()
    assert net.step(velocity[60], state)[0] == net.step(velocity[60], state)[0]
    np.testing.assert_array_equal(state.values, kept)


def test_of_who_stands_and_of_nobody_it_says_less_than_usual(net: PulseNet) -> None:
    times_s = frame_times_s(12.0)
    still = standing(times_s)
    movement = movement_of(track(still + jitter(still.shape, 0.001, seed=3), times_s))
    assert said(net, movement.velocity)[90:].max() < USUAL_MUSIC
    assert said(net, np.full_like(movement.velocity, np.nan))[90:].max() < USUAL_MUSIC


@pytest.mark.parametrize("tempo_bpm", [80.0, 96.0, 124.0])
def test_the_engine_locks_to_a_dance(tempo_bpm: float) -> None:
    dance = make_dance(duration_s=34.0, tempo_bpm=tempo_bpm, seed=4)
    beats = played_beats(puppet_pose(frame_times_s(30.0), dance=dance), LiveEngine())
    at_s = np.array([beat.time_s for beat in beats])
    locked, _ = coherence(at_s[at_s > 10], dance.beats_s)
    assert locked > 0.9
    assert beats[-1].tempo_bpm == pytest.approx(tempo_bpm, rel=0.05)
