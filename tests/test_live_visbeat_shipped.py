"""The shipped VisBeatNet on puppets whose stops are known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from kinebeat.errors import OptionError
from kinebeat.live.movement import LIVE_FPS, begin, movement_of
from kinebeat.live.movement import advance as see
from kinebeat.live.visbeat.model import FORECAST_TICKS, VisBeatNet
from kinebeat.live.visbeat.peaks import peaks
from movers import frame_times_s, jitter, punching, standing, swinging, track

if TYPE_CHECKING:
    from collections.abc import Callable

    from kinebeat.live.movement import Movement
    from kinebeat.live.visbeat.model import VisBeatState
    from kinebeat.pose.track import PoseTrack


@pytest.fixture(scope="module")
def net() -> VisBeatNet:
    return VisBeatNet()


def followed(net: VisBeatNet, movement: Movement) -> tuple[np.ndarray, np.ndarray, VisBeatState]:
    """K and beats as they were said of each tick one before it, and the state at last."""
    state = net.begin()
    offsets, beats = np.zeros(len(movement.offset) + 1), np.zeros(len(movement.offset) + 1)
    for k in range(len(movement.offset)):
        tick: tuple[Any, ...] = movement.directogram[k], float(movement.offset[k]), bool(movement.present[k])
        offsets[k + 1], beats[k + 1], state = net.step(*tick, state)
    return offsets, beats, state


@pytest.mark.parametrize(("make", "tempo_bpm"), [(punching, 105.3), (swinging, 118.0)])
def test_beats_are_said_at_the_stops_before_they_are_seen(
    net: VisBeatNet, make: Callable[[np.ndarray], PoseTrack], tempo_bpm: float
) -> None:
    pose = make(frame_times_s(16.0))
    said = peaks(followed(net, movement_of(pose))[1], net.next_threshold) / LIVE_FPS
    said = said[said > 4.0]
    # Every stop is said, within two ticks and a half of where all of them are in the mean.
    turns = said * tempo_bpm / 60 % 1.0
    mean = np.angle(np.exp(2j * np.pi * turns).mean()) / (2 * np.pi)
    away_s = ((turns - mean + 0.5) % 1.0 - 0.5) * 60 / tempo_bpm
    assert len(said) >= 0.85 * 12 * tempo_bpm / 60
    assert np.mean(np.abs(away_s) < 2.5 / LIVE_FPS) > 0.85


def test_nothing_is_said_of_who_stands(net: VisBeatNet) -> None:
    times_s = frame_times_s(12.0)
    still = standing(times_s)
    _, beats, state = followed(net, movement_of(track(still + jitter(still.shape, 0.001, seed=3), times_s)))
    assert beats[90:].max() < net.next_threshold
    assert net.forecast(state)[1].max() < net.threshold


def test_nothing_is_said_of_nobody(net: VisBeatNet) -> None:
    state, moved = net.begin(), begin()
    for k in range(120):
        ticks, moved = see(None, None, k / 30, moved)
        for tick in ticks:
            offset, beat, state = net.step(tick.directogram, tick.offset, tick.present, state)
    assert offset < 0.2
    assert beat < net.next_threshold


def test_a_forecast_goes_on_from_the_next_tick(net: VisBeatNet) -> None:
    offsets, beats, state = followed(net, movement_of(punching(frame_times_s(6.0))))
    before = state.values.copy()
    k, chance = net.forecast(state)
    assert k.shape == chance.shape == (FORECAST_TICKS,)
    assert k[0] == pytest.approx(offsets[-1], abs=1e-4)
    assert chance[0] == pytest.approx(beats[-1], abs=1e-4)
    assert ((k >= 0) & (k <= 1) & (chance >= 0) & (chance <= 1)).all()
    np.testing.assert_array_equal(state.values, before)
    np.testing.assert_array_equal(net.forecast(state, 9)[0], k[:9])
    with pytest.raises(OptionError, match="forecast of 40"):
        net.forecast(state, 40)


def test_what_it_says_does_not_drift(net: VisBeatNet) -> None:
    # Minutes of the same movement over and over.
    movement = movement_of(punching(frame_times_s(16.0)))
    period = round(60 / 105.3 * 7 * LIVE_FPS)
    piece = slice(60, 60 + 3 * period)
    state, said = net.begin(), []
    for _ in range(20):
        count = []
        for k in range(piece.start, piece.stop):
            tick: tuple[Any, ...] = movement.directogram[k], float(movement.offset[k]), bool(movement.present[k])
            _, beat, state = net.step(*tick, state)
            count.append(beat)
        said.append(np.mean(count))
    assert np.isfinite(state.values).all()
    np.testing.assert_allclose(said[3:], said[3], rtol=0.05)
