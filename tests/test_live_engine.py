"""The engine: what it plays to whom, and that it is one deterministic state machine."""

from __future__ import annotations

import numpy as np
import pytest

from kinebeat.errors import OptionError
from kinebeat.live import planning, pulse
from kinebeat.live.engine import LiveEngine
from kinebeat.live.events import Beat, Change, Hit
from kinebeat.live.keypoints import Keypoints
from kinebeat.live.settings import LiveSettings
from live_nets import DeafTapper, PlainDrummer, PlainStylist, ScriptedEars
from movers import frame_times_s, standing, swing_arms, track

PERIOD_S = 0.6


def _engine(beats_s=(), **settings):
    nets = {"ears": ScriptedEars(beats_s), "tapper": DeafTapper(), "stylist": PlainStylist(), "drummer": PlainDrummer()}
    return LiveEngine(LiveSettings(**settings), **nets)


def _swinging(times_s, moves_from_s=0.0, moves_to_s=np.inf, period_s=PERIOD_S):
    """Both arms land once in a period, while they move at all."""
    phase = np.clip(times_s, moves_from_s, moves_to_s) / period_s
    return swing_arms(standing(times_s), 0.8 + 0.7 * np.cos(np.pi * phase))


def _frames(body, times_s):
    pose = track(body, times_s)
    return [
        (Keypoints(xy, score, (1280, 720)), float(time_s))
        for xy, score, time_s in zip(pose.xy, pose.score, times_s, strict=True)
    ]


def _run(engine, frames):
    """All events and, beside each, the time at which it was handed out."""
    state = engine.begin()
    out = []
    for keypoints, time_s in frames:
        events, state = engine.step(keypoints, time_s, state)
        out += [(event, time_s) for event in events]
    return out


def _of(out, kind):
    return [event for event, _ in out if isinstance(event, kind)]


def _steady(duration_s=20.0, fps=30.0, **moves):
    times_s = frame_times_s(duration_s, fps)
    return _frames(_swinging(times_s, **moves), times_s)


@pytest.fixture(scope="module")
def steady():
    return _run(_engine(np.arange(0, 60, PERIOD_S)), _steady())


def test_drums_come_with_the_first_strong_movement_and_go_on(steady):
    changes = _of(steady, Change)
    assert [change.mood for change in changes] == ["playing"]
    assert changes[0].time_s < 1.5 * PERIOD_S
    beats = _of(steady, Beat)
    assert len(beats) > 28
    assert beats[0].in_bar == 0
    assert beats[-1].tempo_bpm == pytest.approx(60 / PERIOD_S, rel=0.03)
    assert beats[-1].confidence > 0.8


def test_beats_fall_on_those_of_the_movement(steady):
    at = np.array([beat.time_s for beat in _of(steady, Beat)])
    phase = (at[at > 5] - planning.LANDING_LAG_S) / PERIOD_S
    turned = np.exp(2j * np.pi * phase).mean()
    assert abs(turned) > 0.97
    assert abs(np.angle(turned)) / (2 * np.pi) < 0.04


def test_no_event_is_lost_or_doubled_or_handed_out_late(steady):
    beats, hits = _of(steady, Beat), _of(steady, Hit)
    assert [beat.number for beat in beats] == list(range(len(beats)))
    assert sorted(hit.number for hit in hits) == list(range(len(hits)))
    assert len({(hit.time_s, hit.drum) for hit in hits}) == len(hits)
    first = next(k for k, (event, _) in enumerate(steady) if isinstance(event, Beat) and event.number == 1)
    ahead_s = [event.time_s - at for event, at in steady[first:] if not isinstance(event, Change)]
    assert min(ahead_s) >= LiveSettings().lead_s - 1 / 30 - 1e-9


def test_a_slow_computer_is_given_more_time():
    events = _run(_engine(np.arange(0, 60, PERIOD_S), lead_s=0.2), _steady(10.0))
    ahead_s = [event.time_s - at for event, at in events[5:] if not isinstance(event, Change)]
    assert 0.2 - 1 / 30 - 1e-9 <= min(ahead_s) <= max(ahead_s) < 0.2 + 1 / 30


def test_hits_lie_on_sixteenths_of_their_beat(steady):
    beats, hits = _of(steady, Beat), _of(steady, Hit)
    at = np.array([beat.time_s for beat in beats])
    places = np.interp([hit.time_s for hit in hits if hit.time_s < at[-1]], at, np.arange(len(at))) * 4
    off = np.abs(places - np.round(places))
    assert off[: len(off) // 4].max() < 0.06  # the second half makes up for what the pulse has learned
    assert off[len(off) // 4 :].max() < 0.01
    firsts = np.round(places).astype(int) % 4 < 1
    assert off[firsts].max() < 1e-6
    assert all(0 < hit.velocity <= 1 for hit in hits)


def test_replaying_the_same_frames_gives_the_same_events_bit_for_bit(steady):
    again = _run(_engine(np.arange(0, 60, PERIOD_S)), _steady())
    assert again == steady
    other = _run(_engine(np.arange(0, 60, PERIOD_S), seed=1), _steady())
    assert _of(other, Hit) != _of(steady, Hit)
    assert [beat.time_s for beat in _of(other, Beat)] == [beat.time_s for beat in _of(steady, Beat)]


def test_a_whole_track_is_played_as_frame_by_frame(steady):
    times_s = frame_times_s(20.0)
    played = _engine(np.arange(0, 60, PERIOD_S)).play(track(_swinging(times_s), times_s))
    assert list(played) == [event for event, _ in steady]


def test_what_comes_later_changes_nothing_that_was_played(steady):
    frames = _steady()
    moved = frames[:300] + [(None, time_s) for _, time_s in frames[300:]]
    before = [pair for pair in steady if pair[1] < 10]
    assert [pair for pair in _run(_engine(np.arange(0, 60, PERIOD_S)), moved) if pair[1] < 10] == before


def test_a_state_can_be_stepped_twice(steady):
    engine, frames = _engine(np.arange(0, 60, PERIOD_S)), _steady()
    state = engine.begin()
    for keypoints, time_s in frames[:200]:
        _, state = engine.step(keypoints, time_s, state)

    def rest():
        events, then = [], state
        for keypoints, time_s in frames[200:300]:
            some, then = engine.step(keypoints, time_s, then)
            events += some
        return events

    assert rest() == rest() != []


def test_who_stands_still_hears_nothing():
    times_s = frame_times_s(10)
    assert _run(_engine(np.arange(0, 10, PERIOD_S)), _frames(standing(times_s), times_s)) == []
    assert _run(_engine(), [(None, float(time_s)) for time_s in times_s]) == []


def test_when_the_mover_stops_the_drums_end_within_a_bar_and_wait():
    out = _run(_engine(np.arange(0, 60, PERIOD_S)), _steady(moves_to_s=10.0))
    assert [change.mood for change in _of(out, Change)] == ["playing", "ending", "waiting"]
    last_s = max(hit.time_s for hit in _of(out, Hit))
    assert last_s <= 10.0 + 4 * PERIOD_S
    ending = [hit.velocity for hit in _of(out, Hit) if hit.time_s > 10 + 2.2 * PERIOD_S]
    assert max(ending) < max(hit.velocity for hit in _of(out, Hit))


def test_they_come_back_on_the_first_strong_movement():
    times_s = frame_times_s(24)
    phase = np.where(times_s < 6, times_s, np.where(times_s < 12, 6.0, times_s - 6.0)) / PERIOD_S
    body = swing_arms(standing(times_s), 0.8 + 0.7 * np.cos(np.pi * phase))
    out = _run(
        _engine(np.concatenate([np.arange(0, 6, PERIOD_S), np.arange(12, 30, PERIOD_S)])), _frames(body, times_s)
    )
    changes = _of(out, Change)
    assert [change.mood for change in changes] == ["playing", "ending", "waiting", "playing"]
    assert 12 < changes[-1].time_s < 12 + 1.3 * PERIOD_S
    numbers = [beat.number for beat in _of(out, Beat)]
    assert numbers == list(range(len(numbers)))
    back = next(beat for beat in _of(out, Beat) if beat.time_s >= changes[-1].time_s)
    assert back.in_bar == 0
    assert back.time_s == pytest.approx(changes[-1].time_s)


def test_a_missed_frame_and_a_glimpse_of_nobody_do_not_stop_the_music():
    frames = _steady()
    rng = np.random.default_rng(0)
    gaps = [frame for frame in frames if rng.random() > 0.2]
    glimpses = [(None if 8.0 < time_s < 8.4 else keypoints, time_s) for keypoints, time_s in gaps]
    out = _run(_engine(np.arange(0, 60, PERIOD_S)), glimpses)
    assert [change.mood for change in _of(out, Change)] == ["playing"]
    numbers = [beat.number for beat in _of(out, Beat)]
    assert numbers == list(range(len(numbers)))
    assert len(numbers) > 28


def test_who_leaves_the_picture_is_said_to_have_left():
    frames = [(None if time_s > 8 else keypoints, time_s) for keypoints, time_s in _steady()]
    changes = _of(_run(_engine(np.arange(0, 60, PERIOD_S)), frames), Change)
    assert [change.mood for change in changes] == ["playing", "ending", "waiting"]
    assert changes[1].reason == "nobody is seen"


@pytest.mark.parametrize("fps", [10.0, 24.0, 60.0])
def test_a_camera_of_another_rate_plays_the_same_beats(fps):
    out = _run(_engine(np.arange(0, 60, PERIOD_S)), _steady(fps=fps))
    at = np.array([beat.time_s for beat in _of(out, Beat)])
    turned = np.exp(2j * np.pi * (at[at > 5] - planning.LANDING_LAG_S) / PERIOD_S).mean()
    assert abs(turned) > 0.95


def test_frames_from_the_past_are_passed_over(steady):
    frames = _steady()
    shuffled = []
    for k, frame in enumerate(frames):
        shuffled.append(frame)
        if k % 7 == 6:
            shuffled.append(frames[k - 3])
    assert _of(_run(_engine(np.arange(0, 60, PERIOD_S)), shuffled), Beat) == _of(steady, Beat)


def test_an_instrument_sounds_with_each_stop_and_nothing_else():
    stops_s = np.arange(1.0, 15.0, 0.7)
    times_s = frame_times_s(16)
    angle = np.full(len(times_s), 0.3)
    for k, stop_s in enumerate(stops_s):
        swing = 0.5 - 0.5 * np.cos(np.pi * np.clip((times_s - stop_s + 0.2) / 0.2, 0, 1))
        angle = np.where(times_s >= stop_s - 0.2, (1.3 - swing) if k % 2 else (0.3 + swing), angle)
    out = _run(_engine(mode="instrument"), _frames(swing_arms(standing(times_s), angle, "left"), times_s))
    assert all(isinstance(event, Hit) for event, _ in out)
    hits = _of(out, Hit)
    assert len(hits) == len(stops_s)
    assert np.abs(np.array([hit.time_s for hit in hits]) - stops_s).max() < 0.05
    assert {hit.joint for hit in hits} == {"left_wrist"}
    both = _run(
        _engine(np.arange(0, 16, 0.7), mode="both"), _frames(swing_arms(standing(times_s), angle, "left"), times_s)
    )
    assert [hit.time_s for hit in _of(both, Hit) if hit.joint] == [hit.time_s for hit in hits]
    assert _of(both, Beat)
    assert sorted(hit.number for hit in _of(both, Hit)) == list(range(len(_of(both, Hit))))


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("mode", "dance"),
        ("sensitivity", 0.0),
        ("temperature", -1.0),
        ("tempo_bpm", 300.0),
        ("sensitivity", np.nan),
        ("lead_s", 1.0),
    ],
)
def test_settings_that_make_no_sense_are_refused(setting, value):
    with pytest.raises(OptionError, match=setting.split("_")[0]):
        LiveSettings(**{setting: value})


def test_the_tempo_follows_from_90_to_120_within_four_beats():
    slow = np.arange(0, 20, 60 / 90)
    beats_s = np.concatenate([slow, np.arange(slow[-1] + 0.5, 40, 0.5)])
    times_s = frame_times_s(40)
    phase = np.interp(times_s, beats_s, np.arange(len(beats_s)))
    body = swing_arms(standing(times_s), 0.8 + 0.7 * np.cos(np.pi * phase))
    beats = _of(_run(_engine(beats_s), _frames(body, times_s)), Beat)
    since = [beat for beat in beats if beat.time_s > slow[-1]]
    near = [abs(np.log2(beat.tempo_bpm / 120)) < 0.1 for beat in since]
    assert any(near[:5])
    assert all(near[8:])
    assert all(pulse.SLOWEST_BPM * 0.8 < beat.tempo_bpm < pulse.FASTEST_BPM * 1.25 for beat in beats)
