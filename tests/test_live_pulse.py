"""The pulse as it happens, and the beats that are played to it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from kinebeat.live import planning, pulse
from kinebeat.live.movement import LIVE_FPS
from kinebeat.live.settings import LiveSettings


def _heard(beats_s, duration_s, *, height=0.35, noise=0.03, scatter_s=0.015, seed=0):
    """(T,) what a network may say of such beats."""
    rng = np.random.default_rng(seed)
    times_s = np.arange(round(duration_s * LIVE_FPS)) / LIVE_FPS
    said = 0.005 + rng.uniform(0, noise, len(times_s))
    for beat_s in beats_s:
        away = times_s - beat_s - rng.normal(0, scatter_s)
        said = np.maximum(said, height * np.exp(-0.5 * (away / 0.035) ** 2))
    return said


def _played(said, tempo_bpm=100.0):
    """All intervals that are handed out."""
    state = pulse.begin()
    intervals = [planning.first_interval(0.0, state, 0, 60 / tempo_bpm)]
    for tick, beat in enumerate(said):
        state = pulse.step(float(beat), state)
        while intervals[-1].end_s - LiveSettings().lead_s <= tick / LIVE_FPS:
            intervals.append(planning.next_interval(intervals[-1], state, tick / LIVE_FPS))
    return intervals, state


def _coherence(intervals, beats_s, since_s):
    """Mean resultant length of the phases of the music's beats within those of the movement, and the mean phase."""
    at = np.array([interval.start_s for interval in intervals]) + planning.AHEAD_S
    at = at[(at > since_s) & (at < beats_s[-1])]
    turned = np.exp(2j * np.pi * np.interp(at, beats_s, np.arange(len(beats_s)))).mean()
    return abs(turned), np.angle(turned) / (2 * np.pi)


@pytest.mark.parametrize("tempo_bpm", [70, 90, 112, 130, 155])
def test_steady_beats_are_found_and_kept(tempo_bpm):
    beats_s = np.arange(0.4, 40, 60 / tempo_bpm)
    intervals, state = _played(_heard(beats_s, 40))
    assert state.tempo_bpm == pytest.approx(tempo_bpm, rel=0.03)
    coherence, phase = _coherence(intervals, beats_s, 10)
    assert coherence > 0.92
    assert abs(phase) < 0.08


def test_every_beat_is_handed_out_once_and_none_is_left_out():
    beats_s = np.concatenate([np.arange(0.4, 20, 60 / 90), np.arange(20.3, 40, 0.5)])
    intervals, _ = _played(_heard(beats_s, 40))
    assert [interval.number for interval in intervals] == list(range(len(intervals)))
    assert [interval.in_bar for interval in intervals] == [k % 4 for k in range(len(intervals))]
    ends = [interval.end_s for interval in intervals[:-1]]
    assert ends == [interval.start_s for interval in intervals[1:]]
    periods = np.array([interval.length_s for interval in intervals])
    shortest, longest = 60 / pulse.FASTEST_BPM, 60 / pulse.SLOWEST_BPM
    assert periods.min() > shortest * (1 - planning.MOST_CORRECTED) - 1e-9
    assert periods.max() < longest * (1 + planning.MOST_CORRECTED) + 1e-9


def test_what_has_no_beat_is_told_from_what_has():
    rng = np.random.default_rng(0)
    steady = _played(_heard(np.arange(0.4, 40, 0.55), 40))[1]
    silent = _played(_heard([], 40))[1]
    random = [_played(_heard(np.cumsum(rng.uniform(0.25, 1.3, 50)), 40, seed=s))[1].clarity for s in range(5)]
    assert planning.confidence(steady) > 0.9
    assert planning.confidence(silent) == 0.0
    assert np.mean(random) < steady.clarity - 0.2


def test_without_a_clear_pulse_the_tempo_is_kept():
    intervals, _ = _played(_heard([], 20), tempo_bpm=93.0)
    assert {round(interval.tempo_bpm, 6) for interval in intervals} == {93.0}


def test_a_step_leaves_the_state_before_it_as_it_was():
    state = pulse.begin()
    for beat in _heard(np.arange(0.4, 10, 0.5), 10):
        state = pulse.step(float(beat), state)
    kept = state.belief.copy()
    first, second = pulse.step(0.7, state), pulse.step(0.7, state)
    assert np.array_equal(first.belief, second.belief)
    assert np.array_equal(state.belief, kept)


def test_what_is_to_come_changes_nothing_that_was():
    said = _heard(np.arange(0.4, 20, 0.5), 20)
    states = [pulse.begin()]
    for beat in said:
        states.append(pulse.step(float(beat), states[-1]))
    again = pulse.begin()
    for beat in said[:300]:
        again = pulse.step(float(beat), again)
    assert np.array_equal(again.belief, states[300].belief)
    assert again.phase == states[300].phase


def _clear(period_s, phase):
    return replace(pulse.begin(), period_s=period_s, phase=phase, clarity=1.0)


def test_a_beat_that_has_begun_ends_with_the_movements_own():
    # At 10.0 the movement is on its beat, at 120 BPM; the music, at 90, would end this beat at 10.4.
    thought = planning.Interval(10.4 - 60 / 90, 60 / 90, 60 / 90, 7, 3)
    bent = planning.bent(thought, _clear(0.5, 1 - planning.AHEAD_S / 0.5), 10.0, 0.75)
    assert bent.end_s == pytest.approx(10.4 + planning.CORRECTED * 0.1)
    assert (bent.start_s, bent.period_s, bent.number, bent.in_bar) == (thought.start_s, 60 / 90, 7, 3)
    # As far as what is left of it allows, and not at all where no pulse is clear.
    little = planning.bent(thought, _clear(0.5, 1 - planning.AHEAD_S / 0.5), 10.0, 0.1)
    assert little.length_s == pytest.approx(thought.length_s * (1 + 0.1 * planning.MOST_BENT))
    assert planning.bent(thought, pulse.begin(), 10.0, 0.5) == thought


def test_the_tempo_is_told_without_what_a_beat_makes_up_for():
    last = planning.Interval(9.5, 0.5, 0.5, 3, 3)
    following = planning.next_interval(last, _clear(0.5, 1.1 - planning.AHEAD_S / 0.5), 10.0)
    assert following.tempo_bpm == pytest.approx(120.0)
    assert following.length_s == pytest.approx(0.5 * (1 - planning.CORRECTED * 0.1))


def test_what_two_networks_say_is_one():
    usual = pulse.together(pulse.USUAL_MUSIC, pulse.USUAL)
    assert usual == pytest.approx(pulse.USUAL)
    both = pulse.together(0.6, 0.4)
    assert both > pulse.together(0.6, pulse.USUAL) > usual > pulse.together(0.02, pulse.USUAL)
    assert both > pulse.together(pulse.USUAL_MUSIC, 0.4) > usual
