"""The two ears: which one is believed, what each hears, and the cues that are laid over each other for them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from kinebeat.beats import hearing
from kinebeat.beats.cues import bumps
from kinebeat.beats.decoding import Beats
from kinebeat.beats.hearing import LEADS_S, SURE, UNSURE, bodily, hear_beats, hear_dance, hear_repetition, laid_over
from kinebeat.motion import MOTION_FPS, compute_motion, motion_from_velocity
from movers import DURATION_S, MOVERS, frames_at, punching, swinging, walking

if TYPE_CHECKING:
    from numpy.typing import NDArray


def spikes(times_s: NDArray[np.float64], height: float, frames: int) -> NDArray[np.float64]:
    return bumps(times_s, np.full(len(times_s), height / 0.95, np.float32), frames)


# Two ears


@pytest.mark.parametrize(
    ("danced", "plain", "followed_bpm"),
    [(0.9, 0.5, 80.0), (0.5, 0.9, 120.0), (0.7, 0.7, 120.0), (1.0, 1.0, 120.0), (0.2, 0.0, 80.0), (0.1, 0.05, None)],
)
def test_the_surer_ear_is_followed_and_neither_where_both_are_unsure(
    monkeypatch: pytest.MonkeyPatch, danced: float, plain: float, followed_bpm: float | None
) -> None:
    times_s = frames_at(30.0)
    motion = compute_motion(punching(times_s), DURATION_S)
    monkeypatch.setattr(hearing, "hear_dance", lambda _: Beats(np.arange(0.1, 20, 60 / 80), 80.0, danced))
    monkeypatch.setattr(hearing, "hear_repetition", lambda *_: Beats(np.arange(0.1, 20, 60 / 120), 120.0, plain))
    grid = hear_beats(motion, DURATION_S)
    assert grid.confidence == max(danced, plain)
    if followed_bpm is None:
        assert grid.source == "accents"
    else:
        assert grid.tempo_bpm == pytest.approx(followed_bpm)


@pytest.mark.parametrize(("height", "confidence"), [(0.0, 0.0), (0.9 * UNSURE, 0.0), (SURE + 0.1, 1.0), (0.95, 1.0)])
def test_dance_is_sure_only_where_the_network_is(
    monkeypatch: pytest.MonkeyPatch, height: float, confidence: float
) -> None:
    motion = compute_motion(swinging(frames_at(30.0)), DURATION_S)
    beats_s = np.arange(0.5, DURATION_S, 0.6)
    monkeypatch.setitem(hearing.CUES, "learned", lambda m: spikes(beats_s, height, len(m.times_s)))
    heard = hear_dance(motion, {"learned": 1.0})
    assert heard.confidence == pytest.approx(confidence, abs=0.01)
    if confidence:
        assert heard.tempo_bpm == pytest.approx(100, rel=0.001)


def test_repetition_is_heard_in_the_landings_and_where_they_are_none_in_the_lows_of_speed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    motion = compute_motion(swinging(frames_at(30.0)), DURATION_S)
    frames = len(motion.times_s)
    chance_s = np.sort(np.random.default_rng(0).uniform(0, DURATION_S, 40))
    regular, random = spikes(np.arange(0.5, DURATION_S, 0.6), 0.9, frames), spikes(chance_s, 0.9, frames)
    for landings, lows in ((regular, random), (random, regular)):
        monkeypatch.setattr(hearing, "kinematic", lambda _, cue=landings: cue)
        monkeypatch.setattr(hearing, "speed_minima", lambda _, cue=lows: cue)
        heard = hear_repetition(motion, hear_dance(motion))
        assert heard.tempo_bpm == pytest.approx(100, rel=0.001)
        assert heard.confidence > 0.9


def test_where_lows_and_network_agree_on_the_tempo_the_network_says_where_the_beats_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    motion = compute_motion(swinging(frames_at(30.0)), DURATION_S)
    frames = len(motion.times_s)
    lows_s, steps_s = np.arange(0.5, DURATION_S, 0.6), np.arange(0.7, DURATION_S, 0.6)
    chance_s = np.sort(np.random.default_rng(0).uniform(0, DURATION_S, 40))
    monkeypatch.setattr(hearing, "speed_minima", lambda _: spikes(lows_s, 0.9, frames))
    monkeypatch.setattr(hearing, "kinematic", lambda _: spikes(chance_s, 0.5, frames))
    same = hear_repetition(motion, Beats(steps_s, 101.0, 0.01))
    np.testing.assert_array_equal(same.beats_s, steps_s)
    assert same.confidence > 0.9
    other = hear_repetition(motion, Beats(steps_s, 130.0, 0.01))
    assert other.tempo_bpm == pytest.approx(100, rel=0.001)


def test_beats_of_the_lows_are_moved_to_where_most_lands(monkeypatch: pytest.MonkeyPatch) -> None:
    motion = compute_motion(swinging(frames_at(30.0)), DURATION_S)
    frames = len(motion.times_s)
    lows_s = np.arange(0.5, DURATION_S, 0.6)
    some = np.random.default_rng(1).random(len(lows_s)) < 0.4  # too few to be the clearer of the two
    monkeypatch.setattr(hearing, "speed_minima", lambda _: spikes(lows_s, 0.9, frames))
    monkeypatch.setattr(hearing, "kinematic", lambda _: spikes(lows_s[some] + 0.2, 0.9, frames))
    heard = hear_repetition(motion, Beats(np.zeros(0), 100.0, 0.0))
    inner = heard.beats_s[(heard.beats_s > 1) & (heard.beats_s < DURATION_S - 1)]
    away = (inner - 0.7 + 0.3) % 0.6 - 0.3
    assert np.abs(away).max() < 0.03


def test_where_landings_and_network_agree_on_the_tempo_only_a_machines_landings_say_where_the_beats_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    motion = compute_motion(swinging(frames_at(30.0)), DURATION_S)
    frames = len(motion.times_s)
    landings_s, music_s = np.arange(0.5, DURATION_S, 0.6), np.arange(0.6, DURATION_S, 0.6)
    rng = np.random.default_rng(3)
    strays = np.zeros(frames)
    strays[rng.integers(0, frames, 60)] = 0.9
    monkeypatch.setattr(hearing, "speed_minima", lambda _: np.zeros(frames))
    for extra, expected_s in ((0.0, landings_s), (1.0, music_s)):
        cue = np.maximum(spikes(landings_s, 0.9, frames), extra * np.convolve(strays, np.hanning(9), "same"))
        monkeypatch.setattr(hearing, "kinematic", lambda _, cue=cue: cue)
        heard = hear_repetition(motion, Beats(music_s, 100.0, 0.02))
        inner = heard.beats_s[(heard.beats_s > 1) & (heard.beats_s < DURATION_S - 1)]
        assert np.abs(inner[:, None] - expected_s).min(1).max() < 0.035
        assert heard.confidence > 0.1


# Cues laid over each other


@pytest.mark.parametrize("name", sorted(LEADS_S))
def test_a_cue_is_moved_later_by_its_lead(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setitem(hearing.CUES, name, lambda m: spikes(np.array([1.0]), 0.8, len(m.times_s)))
    motion = compute_motion(swinging(frames_at(30.0, 3.0)), 3.0)
    curve = laid_over(motion, {name: 1.0})
    assert (curve @ np.arange(len(curve))) / curve.sum() / MOTION_FPS == pytest.approx(1.0 + LEADS_S[name], abs=1e-3)
    assert curve.shape == motion.times_s.shape


def test_every_cue_that_is_weighted_has_its_lead_and_can_be_heard() -> None:
    assert set(hearing.WEIGHTS) <= set(hearing.CUES)
    assert set(LEADS_S) == set(hearing.CUES)
    motion = compute_motion(walking(frames_at(30.0, 12.0)), 12.0)
    for name in hearing.CUES:
        curve = laid_over(motion, {name: 1.0})
        assert curve.shape == motion.times_s.shape
        assert curve.min() >= 0
        assert curve.max() <= 1


def test_weights_say_how_much_a_cue_counts_beside_the_heaviest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hearing, "LEADS_S", dict.fromkeys(LEADS_S, 0.0))
    monkeypatch.setitem(hearing.CUES, "learned", lambda m: spikes(np.array([1.0, 2.5]), 0.8, len(m.times_s)))
    monkeypatch.setitem(hearing.CUES, "speed minima", lambda m: spikes(np.array([2.0, 2.5]), 0.6, len(m.times_s)))
    motion = compute_motion(swinging(frames_at(30.0, 3.0)), 3.0)
    for scale in (1.0, 0.2, 5.0):
        curve = laid_over(motion, {"learned": scale * 1.0, "speed minima": scale * 0.5})
        assert curve[60] == pytest.approx(0.8, abs=1e-3)
        assert curve[120] == pytest.approx(0.3, abs=1e-3)
        assert curve[150] == pytest.approx(1.0)  # 0.8 and 0.3 are more than certain
        assert curve.min() >= 0


def test_of_a_cue_at_the_edge_nothing_comes_in_from_beyond(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(hearing.CUES, "learned", lambda m: np.ones(len(m.times_s)))
    monkeypatch.setattr(hearing, "LEADS_S", LEADS_S | {"learned": 0.1})
    motion = compute_motion(swinging(frames_at(30.0, 3.0)), 3.0)
    curve = laid_over(motion, {"learned": 1.0})
    np.testing.assert_array_equal(curve, (np.arange(180) >= 6).astype(float))


# Bodies


@pytest.mark.parametrize("mover", MOVERS)
@pytest.mark.parametrize("fps", [15.0, 30.0, 60.0])
def test_what_a_body_does_is_bodily_and_its_frames_shuffled_are_not(mover: str, fps: float) -> None:
    pose = MOVERS[mover][0](frames_at(fps))
    assert bodily(compute_motion(pose, DURATION_S)) > 0.9
    if fps < 60:
        order = np.random.default_rng(0).permutation(len(pose.xy))
        assert bodily(compute_motion(replace(pose, xy=pose.xy[order]), DURATION_S)) == 0.0


def test_nobody_and_nothing_is_not_bodily() -> None:
    nobody = motion_from_velocity(np.full((600, 17, 2), np.nan, np.float32))
    assert bodily(nobody) == 0.0
    assert bodily(motion_from_velocity(np.zeros((2, 17, 2), np.float32))) == 0.0
