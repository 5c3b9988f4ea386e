"""A live session from keypoints to events, its recording, and what is made of it."""

import dataclasses
import json
import threading
import time

import numpy as np
import pytest

from kinebeat.beats.grid import BEATS_PER_BAR
from kinebeat.errors import InputError, KinebeatError, OptionError
from kinebeat.live import session as sessions
from kinebeat.live.events import Beat, Change, Hit
from kinebeat.live.inputs.browser import BrowserInput
from kinebeat.live.inputs.frames import Frame
from kinebeat.live.inputs.recorded import KeypointsInput
from kinebeat.live.keypoints import LAYOUT, from_layout
from kinebeat.live.outputs.output import Output, Seen
from kinebeat.live.outputs.take import take_grid, take_score, write_music
from kinebeat.live.recording import Step, Take, event_arrays, load_take, replay, save_take
from kinebeat.live.session import Session
from kinebeat.live.settings import LiveSettings
from kinebeat.pose import load_pose, save_pose
from live_engines import PERIOD_S, Metronome
from movers import frame_times_s, swinging


class Kept(Output):
    name = "kept"

    def __init__(self):
        self.announced, self.played = [], []

    def announce(self, item):
        self.announced.append(item)

    def play(self, event):
        self.played.append(event)

    def events(self):
        return [item for item in self.announced if not isinstance(item, Seen)]


def keypoints_of(track, i):
    return from_layout(track.xy[i], track.score[i], LAYOUT, track.size)


@pytest.fixture
def keypoints_file(tmp_path):
    """Somebody swings their arms for 1.2 s and is not seen for 0.3 s."""
    track = swinging(frame_times_s(1.5) + 20.0)
    track.xy[36:] = np.nan
    track.score[36:] = 0
    save_pose(track, tmp_path / "keypoints.npz")
    return tmp_path / "keypoints.npz"


def test_frames_become_events_on_the_sessions_clock(keypoints_file):
    kept = Kept()
    session = Session(KeypointsInput(keypoints_file), Metronome, LiveSettings(), outputs=[kept], keep=True)
    session.run()
    events = kept.events()
    seen = [item for item in kept.announced if isinstance(item, Seen)]
    assert [type(event) for event in events[:4]] == [Change, Beat, Hit, Hit]
    beats_s = [event.time_s for event in events if isinstance(event, Beat)]
    np.testing.assert_allclose(np.diff(beats_s), PERIOD_S, atol=1e-9)
    assert beats_s[0] == pytest.approx(seen[0].time_s)  # the engine's time 0 is the first frame
    assert events[-1].reason == "nobody is seen"
    assert sorted(event.time_s for event in kept.played) == [event.time_s for event in kept.played]
    assert len(kept.played) == len(events)  # the input ended, and what was due was still played
    report = session.report()
    assert report.frames == 45
    assert report.steps == len(session.take.steps)
    assert report.delay.count == report.frames - report.replaced - report.passed_over
    assert report.handovers[0].error.count == len(events)
    assert session.take.steps[0].time_s == 0.0


def test_a_failing_output_does_not_stop_the_music(keypoints_file):
    class Broken(Output):
        name = "broken"

        def announce(self, item):
            raise RuntimeError("no")

    kept, notices = Kept(), []
    Session(
        KeypointsInput(keypoints_file), Metronome, LiveSettings(), outputs=[Broken(), kept], notice=notices.append
    ).run()
    assert any(isinstance(event, Hit) for event in kept.played)
    assert "broken: no" in notices[0]


class ByHand(BrowserInput):
    """An input whose frames a test gives."""


def in_thread(session):
    thread = threading.Thread(target=session.run, daemon=True)
    thread.start()
    return thread


def give(source, session, number, frame):
    """Deliver a frame and wait until the engine is through with it."""
    while source._deliver is None:
        time.sleep(0.001)
    came = session.report().steps
    source._deliver(frame)
    end_s = time.monotonic() + 20
    while session.report().steps == came and time.monotonic() < end_s:
        time.sleep(0.001)


def test_where_no_frame_comes_the_engine_is_told_and_then_rests(monkeypatch):
    monkeypatch.setattr(sessions, "REST_S", 0.5)
    track, source, kept = swinging(frame_times_s(0.2)), ByHand(), Kept()
    session = Session(source, Metronome, LiveSettings(), outputs=[kept], keep=True)
    thread = in_thread(session)
    try:
        for i in range(3):
            give(source, session, i, Frame(session.clock.now_s(), keypoints=keypoints_of(track, i), number=i))
        end_s = time.monotonic() + 20
        while not any(isinstance(e, Change) and e.mood == "waiting" for e in kept.events()):
            assert time.monotonic() < end_s
            time.sleep(0.01)
        time.sleep(0.8)
        steps = session.report().steps
        time.sleep(0.5)
        assert session.report().steps == steps  # at rest
        give(source, session, 9, Frame(session.clock.now_s(), keypoints=keypoints_of(track, 3), number=9))
        assert session.report().steps > steps
    finally:
        session.stop()
        thread.join()
    idle = [item for item in kept.announced if isinstance(item, Seen) and item.idle]
    assert idle
    times_s = [step.time_s for step in session.take.steps]
    assert (np.diff(times_s) > 0).all()


def test_a_frame_that_comes_after_a_later_one_is_passed_over():
    track, source = swinging(frame_times_s(0.2)), ByHand()
    session = Session(source, Metronome, LiveSettings(), keep=True)
    thread = in_thread(session)
    try:
        now_s = session.clock.now_s()
        give(source, session, 0, Frame(now_s, keypoints=keypoints_of(track, 0)))
        give(source, session, 1, Frame(now_s + 0.05, keypoints=keypoints_of(track, 1)))
        source._deliver(Frame(now_s + 0.01, keypoints=keypoints_of(track, 2)))
        end_s = time.monotonic() + 20
        while not session.report().passed_over and time.monotonic() < end_s:
            time.sleep(0.001)
    finally:
        session.stop()
        thread.join()
    assert session.report().passed_over == 1


def test_pictures_are_looked_at_and_the_newest_wins():
    track, source, kept = swinging(frame_times_s(0.2)), ByHand(), Kept()
    looking, go = threading.Event(), threading.Event()
    looked = []

    def find(picture):
        looked.append(int(picture[0, 0, 0]))
        looking.set()
        go.wait(20)
        return keypoints_of(track, 0)

    session = Session(source, Metronome, LiveSettings(), outputs=[kept], find=find)
    thread = in_thread(session)
    try:
        for number in (1, 2, 3, 4):
            while source._deliver is None:
                time.sleep(0.001)
            source._deliver(Frame(0.1 * number, np.full((2, 2, 3), number, np.uint8), number=number))
            looking.wait(20)
        go.set()
        end_s = time.monotonic() + 20
        while len([s for s in kept.announced if isinstance(s, Seen) and not s.idle]) < 2:
            assert time.monotonic() < end_s
            time.sleep(0.001)
    finally:
        go.set()
        session.stop()
        thread.join()
    assert looked == [1, 4]
    assert session.report().replaced == 2
    assert session.report().pose.count == 2


def test_other_settings_begin_anew_and_are_replayed_too(tmp_path):
    track, source, kept = swinging(frame_times_s(1.0)), ByHand(), Kept()
    session = Session(source, Metronome, LiveSettings(), outputs=[kept], keep=True)
    thread = in_thread(session)
    try:
        for i in range(12):
            if i == 6:
                session.change(LiveSettings(mode="both", seed=8))
                assert session.settings.seed == 8
            give(source, session, i, Frame(session.clock.now_s(), keypoints=keypoints_of(track, i), number=i))
    finally:
        session.stop()
        thread.join()
    assert [settings.seed for _, settings in session.take.settings] == [0, 8]
    moods = [event.reason for event in kept.events() if isinstance(event, Change)]
    assert moods[:3] == ["you move", "the settings were changed", "you move"]
    save_take(session.take, tmp_path / "s.npz")
    played = replay(tmp_path / "s.npz", Metronome)
    assert played.difference is None
    assert [event.number for event in played.take.events if isinstance(event, Beat)].count(0) == 2


def test_a_failing_input_or_pose_ends_the_session_with_its_error(keypoints_file):
    class Bad:
        name = "bad"

        def run(self, deliver, clock, stop, notice):
            raise InputError("film", "is damaged", "get another")

    with pytest.raises(InputError, match="damaged"):
        Session(Bad(), Metronome, LiveSettings()).run()

    class Pictures(Bad):
        def run(self, deliver, clock, stop, notice):
            deliver(Frame(clock.now_s(), np.zeros((2, 2, 3), np.uint8)))
            stop.wait(20)

    def find(picture):
        raise KinebeatError("no MediaPipe")

    with pytest.raises(KinebeatError, match="no MediaPipe"):
        Session(Pictures(), Metronome, LiveSettings(), find=find).run()


# --- recordings


@pytest.fixture
def take(keypoints_file):
    """A take in which the settings were changed on the way."""
    track = load_pose(keypoints_file)
    built, steps = [], []
    for i in range(len(track.times_s)):
        if i in (0, 20):
            built.append((i, LiveSettings(seed=len(built) + 4)))
            engine = Metronome(built[-1][1])
            state = engine.begin()
        time_s = float(track.times_s[i] - track.times_s[0])
        seen = keypoints_of(track, i)
        events, state = engine.step(seen, time_s, state)
        steps.append(Step(seen, time_s, events))
    return Take(steps, built)


def test_a_take_is_replayed_bit_for_bit(take, tmp_path):
    path = tmp_path / "s.npz"
    save_take(take, path)
    played = replay(path, Metronome)
    assert played.difference is None
    assert played.take.events == take.events
    assert played.take.settings == take.settings
    assert [step.time_s for step in played.take.steps] == [step.time_s for step in take.steps]
    with np.load(path) as archive:
        assert int(archive["seed"]) == 4
        assert len(archive["hit_time_s"]) == sum(isinstance(event, Hit) for event in take.events)
        assert set(archive["hit_joint"]) == {"", "left_wrist"}


def test_a_session_that_was_recorded_is_replayed_bit_for_bit(keypoints_file, tmp_path):
    session = Session(KeypointsInput(keypoints_file), Metronome, LiveSettings(seed=3), keep=True)
    session.run()
    save_take(session.take, tmp_path / "s.npz")
    assert replay(tmp_path / "s.npz", Metronome).difference is None


def test_another_engine_is_found_out(take, tmp_path):
    save_take(take, tmp_path / "s.npz")

    class Louder(Metronome):
        def step(self, keypoints, time_s, state):
            events, state = super().step(keypoints, time_s, state)
            louder = [
                dataclasses.replace(event, velocity=np.nextafter(event.velocity, 2))
                if isinstance(event, Hit)
                else event
                for event in events
            ]
            return tuple(louder), state

    class Later(Metronome):
        def step(self, keypoints, time_s, state):
            return super().step(None if state.begun_s is None and time_s < 0.1 else keypoints, time_s, state)

    assert "velocity" in replay(tmp_path / "s.npz", Louder).difference
    assert "beat 0 differs in its step" in replay(tmp_path / "s.npz", Later).difference
    assert (
        "came now"
        in replay(tmp_path / "s.npz", type("Mute", (Metronome,), {"step": lambda *a: ((), a[-1])})).difference
    )


def test_a_take_is_a_keypoint_file(take, tmp_path):
    save_take(take, tmp_path / "s.npz")
    track = load_pose(tmp_path / "s.npz")
    assert track.size == (1280, 720)
    np.testing.assert_array_equal(track.xy[0], take.steps[0].keypoints.xy)
    assert np.isnan(track.xy[-1]).all()
    assert track.times_s[0] == 0.0


def test_files_that_hold_no_take_are_refused(take, tmp_path, keypoints_file):
    with pytest.raises(InputError, match="no recorded session"):
        load_take(keypoints_file)
    with pytest.raises(InputError, match="no such file"):
        load_take(tmp_path / "none.npz")
    save_take(take, tmp_path / "s.npz")
    with np.load(tmp_path / "s.npz") as archive:
        arrays = dict(archive)
    for name, value in (
        ("settings", np.array([json.dumps({"mode": "waltz"})] * 2)),
        ("settings", np.array(["{"] * 2)),
        ("settings_from", np.array([3, 5])),
        ("sizes", arrays["sizes"][:-1]),
    ):
        np.savez(tmp_path / "bad.npz", **{**arrays, name: value})
        with pytest.raises(InputError, match="no session of this version"):
            load_take(tmp_path / "bad.npz")


def test_an_empty_take_is_not_written(tmp_path):
    with pytest.raises(OptionError, match="nothing was recorded"):
        save_take(Take(), tmp_path / "s.npz")
    assert list(tmp_path.iterdir()) == []


def test_events_become_arrays_and_none_is_an_empty_joint():
    arrays = event_arrays([(), (Hit(1.5, 2, 0.5, 0),), (Beat(2.0, 0, 0, 120.0, 1.0), Change(2.0, "ending", "why"))])
    assert arrays["hit_step"].tolist() == [1]
    assert arrays["hit_joint"].tolist() == [""]
    assert arrays["beat_step"].tolist() == arrays["change_step"].tolist() == [2]
    assert arrays["change_mood"].tolist() == ["ending"]


# --- takes as music


def beats_at(times_s, in_bar=0, tempo=120.0):
    return [Beat(t, k, (in_bar + k) % 4, tempo, 0.5) for k, t in enumerate(times_s)]


def test_the_beats_of_a_take_are_those_of_its_grid():
    grid = take_grid(beats_at([0.7, 1.2, 1.7, 2.2, 2.7], in_bar=2), 3.0)
    assert grid.beats_s[0] <= 0
    assert (len(grid.beats_s) - 1) % BEATS_PER_BAR == 0
    assert grid.beats_s[-1] >= 3.0
    np.testing.assert_allclose(np.diff(grid.beats_s), 0.5)
    first = int(np.argmin(np.abs(grid.beats_s - 0.7)))
    assert first % BEATS_PER_BAR == 2
    assert grid.confidence == pytest.approx(0.5)


def test_a_pause_is_filled_with_whole_bars():
    played = beats_at([0.0, 0.5, 1.0, 1.5]) + beats_at([7.9, 8.4])
    grid = take_grid(played, 9.0)
    assert (np.diff(grid.beats_s) > 0.3).all()
    for time_s, in_bar in ((1.5, 3), (7.9, 0), (8.4, 1)):
        place = int(np.argmin(np.abs(grid.beats_s - time_s)))
        assert grid.beats_s[place] == pytest.approx(time_s)
        assert place % BEATS_PER_BAR == in_bar


def test_a_take_without_beats_still_has_a_grid():
    grid = take_grid([], 5.0)
    assert grid.beats_s[0] == 0
    assert grid.beats_s[-1] >= 5.0
    assert take_grid([], 0.0).steps == 16


def test_hits_become_notes():
    hits = [
        Hit(1.0, 0, 1.0, 0),
        Hit(0.5, 3, 0.5, 1),
        Hit(0.7, 2, 0.001, 2),
        Hit(1.004, 0, 0.9, 3),
        Hit(-0.1, 0, 1.0, 4),
    ]
    score = take_score([*hits, *beats_at([0.0, 0.5])], 1.2)
    track = score.tracks[0]
    np.testing.assert_allclose(track.time_s, [0.5, 0.7, 1.0])
    assert track.pitch.tolist() == [46, 42, 36]
    assert track.velocity.tolist() == [64, 1, 127]
    np.testing.assert_allclose(track.duration_s, [0.2, 0.1, 0.1])  # the open hi-hat until the closed one
    assert score.duration_s == pytest.approx(3.0, abs=0.01)  # the last stroke rings out
    with pytest.raises(OptionError):
        take_score(hits, 1.2, "pots")


def test_a_take_is_written_as_sound_and_notes(take, tmp_path):
    from kinebeat.midi_in import read_drums

    assert write_music(take, wav=tmp_path / "t.wav", midi=tmp_path / "t.mid") == ()
    assert (tmp_path / "t.wav").stat().st_size > 2 * 48000 * 6
    hits_s = sorted(event.time_s for event in take.events if isinstance(event, Hit))
    found = read_drums(tmp_path / "t.mid")
    np.testing.assert_allclose(np.sort(found.track.time_s), hits_s, atol=2e-3)
    assert write_music(take) == ()


def test_a_take_without_a_stroke_is_silent(tmp_path):
    still = Take([Step(None, 0.0, ()), Step(None, 0.5, ())], [(0, LiveSettings())])
    write_music(still, wav=tmp_path / "t.wav", midi=tmp_path / "t.mid")
    assert (tmp_path / "t.mid").exists()
