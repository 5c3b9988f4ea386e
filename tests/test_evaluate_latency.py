"""Table 5: what is reported is what happened, told with made clocks; no test asks how quick this machine is."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from command_line import run
from kinebeat.errors import InputError, OptionError
from kinebeat.evaluation import latency, tables
from kinebeat.evaluation import latency_pipelines as pipelines
from kinebeat.evaluation import latency_sessions as sessions
from kinebeat.evaluation.visual_beat_estimators import HEAVY, Sample, rule_based
from kinebeat.live.clock import SessionClock, Spread
from kinebeat.live.drumming.model import MonoNet
from kinebeat.live.events import Beat, Change, Hit
from kinebeat.live.inputs.recorded import KeypointsInput
from kinebeat.live.keypoints import LAYOUT, from_layout
from kinebeat.live.movement import OFFSET_DELAY_S, movement_of
from kinebeat.live.outputs.output import Seen
from kinebeat.live.session import Handover, Report
from kinebeat.pose import save_pose
from live_engines import Metronome
from live_nets import PlainDrummer, PlainStylist, ScriptedEars
from movers import frame_times_s, swinging


class Hands:
    """A clock that goes on only when it is told to."""

    def __init__(self):
        self.time_s = 0.0

    def __call__(self):
        return self.time_s

    def pass_ms(self, ms):
        self.time_s += ms / 1000


class Slow:
    """Something whose every call of a method takes so many milliseconds of a made clock."""

    def __init__(self, inner, clock, **ms):
        self._inner, self._clock, self._ms = inner, clock, ms

    def __getattr__(self, name):
        method = getattr(self._inner, name)

        def slowly(*given, **named):
            self._clock.pass_ms(self._ms.get(name, 0))
            return method(*given, **named)

        return slowly


def rows_by(rows):
    return {(row["name"], row.get("stage")): row for row in rows}


def test_a_watch_tells_stages_and_the_whole():
    clock = Hands()
    watch = pipelines.Watch(clock)
    for ms in (1, 2, 3):
        clock.pass_ms(100)  # between two works
        watch.start()
        clock.pass_ms(ms)
        watch.lap("one")
        clock.pass_ms(10)
        watch.lap("two")
        clock.pass_ms(50)  # after the last stage
        watch.stop()
    assert watch.stages_s["one"] == pytest.approx([0.001, 0.002, 0.003])
    assert watch.stages_s["two"] == pytest.approx([0.010] * 3)
    assert watch.whole_s == pytest.approx([0.011, 0.012, 0.013])
    watch.forget()
    assert watch.whole_s == []
    assert watch.stages_s == {}


def test_a_spread_is_in_milliseconds():
    found = sessions.spread([0.001 * k for k in range(101)])
    assert found == pytest.approx({"count": 101, "p50_ms": 50, "p95_ms": 95, "p99_ms": 99, "max_ms": 100})
    assert sessions.spread([]) == {"count": 0}


# The models' steps


def modelled(clock, makes, engine=None, seconds=5.0):
    pose = swinging(frame_times_s(seconds))
    return latency.model_rows(pose, makes, engine or Slow(Metronome(), clock, step=7), now_s=clock)


def test_each_stage_takes_what_its_network_took():
    clock = Hands()
    beat = pipelines.InteractiveBeat(
        Slow(ScriptedEars(), clock, step=2, forecast=3),
        Slow(PlainStylist(), clock, step=2, forecast=4),
        Slow(PlainDrummer(), clock, play=22),
    )
    rows = rows_by(modelled(clock, {"InteractiveBeat": lambda: beat}))
    p50 = {stage: row["p50_ms"] for (name, stage), row in rows.items() if name == "InteractiveBeat"}
    wanted = {"all": 33, "VisBeatNet": 5, "MuStyleNet": 6, "style": 0, "DrumGenNet": 22, "all, with directogram": 33}
    assert p50 == pytest.approx(wanted)
    # five seconds, of which three warm up
    assert rows["InteractiveBeat", "all"]["count"] == 60
    assert rows["InteractiveBeat", "all, with directogram"]["count"] == 60
    assert rows["directogram", "all"]["count"] == 60
    engine = rows[latency.ENGINE, "keypoints to events"]
    assert (engine["count"], engine["p50_ms"]) == (60, pytest.approx(7))
    drums = rows[latency.ENGINE_DRUMS, "keypoints to events"]
    assert drums["count"] == 4  # a metronome of two beats a second
    assert drums["p99_ms"] == pytest.approx(7)
    assert all(row["part"] == latency.MODEL for row in rows.values())


def test_the_time_of_the_directogram_belongs_to_the_whole(monkeypatch):
    clock = Hands()
    monkeypatch.setattr(latency, "movement", Slow(latency.movement, clock, advance=1))
    beat = pipelines.InteractiveBeat(ScriptedEars(), PlainStylist(), Slow(PlainDrummer(), clock, play=22))
    rows = rows_by(modelled(clock, {"InteractiveBeat": lambda: beat}))
    assert rows["directogram", "all"]["p99_ms"] == pytest.approx(1)
    assert rows["InteractiveBeat", "all"]["p99_ms"] == pytest.approx(22)
    assert rows["InteractiveBeat", "all, with directogram"]["p99_ms"] == pytest.approx(23)


def test_interactivebeat_styles_what_comes_after_what_is_heard():
    """A stop a beat away is in the style of the 16th on which it falls."""
    styles = []

    class Drummer(PlainDrummer):
        def play(self, style, hits, beat_in_bar, uniforms, temperature):
            styles.append(style)
            return super().play(style, hits, beat_in_bar, uniforms, temperature)

    class Ears(ScriptedEars):
        def forecast(self, state, ticks=36):
            offsets = np.zeros(ticks, np.float32)
            offsets[8] = 1.0  # the first is of the next tick: nine ticks, two 16ths, after this one
            return offsets, offsets

    beat = pipelines.InteractiveBeat(Ears(), PlainStylist(), Drummer())
    tick = SimpleNamespace(directogram=np.zeros(18, np.float32), offset=0.0, present=True)
    beat.hear(tick)
    hits = beat.play(lambda _: None)
    assert hits.shape == (4, 9)
    assert int(styles[0].argmax()) == 14


def test_the_rules_of_one_tick_are_those_of_a_clip():
    movement = movement_of(swinging(frame_times_s(6.0)))
    clip = Sample(
        movement.directogram, movement.offset, movement.present, movement.velocity, movement.offset, np.zeros(0)
    )
    wanted = rule_based(clip) + OFFSET_DELAY_S
    found = [(t - 4) / 30 for t in range(90, len(movement.offset)) if pipelines.is_beat(movement.offset[: t + 1])]
    wanted = wanted[(wanted > 87 / 30) & (wanted < (len(movement.offset) - 4.5) / 30)]
    assert len(wanted) > 2
    # live the rules also have what comes sooner than their shortest wait
    assert all(np.abs(np.array(found) - beat_s).min() < 0.01 for beat_s in wanted)
    assert not pipelines.is_beat(np.zeros(90))


def test_far_ahead_ours_expects_what_was_a_beat_ago():
    class Ears:
        def begin(self):
            return 0

        def step(self, directogram, offset, present, state):
            return state / 100, 0.0, state + 1

        def forecast(self, state, ticks):
            assert ticks == 5
            return 10.0 + np.arange(5.0), np.zeros(5)

    class Stylist:
        told = None

        def begin(self):
            return 0

        def step(self, offset, state):
            return 0.0, state

        def forecast(self, offsets, state):
            self.told = offsets
            return np.zeros(len(offsets))

    class Drummer:
        def play(self, style, hits, beat, uniforms, temperature):
            return np.zeros((4, 9), bool)

    stylist = Stylist()
    pipeline = pipelines.AsTheEngine(Ears(), stylist, Drummer())
    for _ in range(30):
        pipeline.hear(SimpleNamespace(directogram=np.zeros(18), offset=0.0, present=True))
        pipeline.play(lambda stage: None)
    assert len(stylist.told) == 35
    np.testing.assert_array_equal(stylist.told[:4], [11, 12, 13, 14])
    history = np.arange(30 - 18, 30) / 100  # at 100 BPM a beat has 18 ticks
    np.testing.assert_allclose(stylist.told[4:], np.tile(history, 3)[4:35])


def test_a_missing_network_is_said_and_leaves_the_others(tmp_path):
    clock = Hands()
    makes = pipelines.standard_pipelines()
    heavy = {name: makes[name] for name in ("RhythmicNet-Mono", "RhythmicNet-Poly")}
    (tmp_path / "registry.json").write_text("{}")
    missing = pipelines.standard_pipelines(heavy=tmp_path)
    assert list(missing) == [*latency.PAPER, pipelines.OURS]
    makes = {name: missing[name] for name in heavy} | {"Rule-based-Mono": makes["Rule-based-Mono"]}
    rows = modelled(clock, makes, seconds=3.5)
    left_out = {row["name"]: row["left_out"] for row in rows if "left_out" in row}
    assert set(left_out) == set(heavy)
    assert all("its network is not there" in why and "video2rhythm" in why for why in left_out.values())
    assert rows_by(rows)["Rule-based-Mono", "all"]["count"] == 15
    sums = {row["name"]: row for row in latency.total_rows(rows, {"p50_ms": 10.0, "p99_ms": 20.0})}
    assert sums["RhythmicNet-Poly"]["left_out"] == left_out["RhythmicNet-Poly"]
    assert sums["Rule-based-Mono"]["total_ms"] == pytest.approx(1000 / 30 + 125)
    text = latency.as_text({"table": "t", "rows": [*rows, *sums.values()]})
    assert "RhythmicNet-Mono is left out: its network is not there" in text


@pytest.mark.train
def test_the_heavy_network_is_timed_where_it_is_there(tmp_path):
    torch = pytest.importorskip("torch")
    from kinebeat.live.video2rhythm.network import HeavyConfig, Video2RhythmNet
    from kinebeat.live.visbeat.export import heavy_parts
    from kinebeat.weights.exporting import write_entries, write_graphs

    torch.set_num_threads(1)
    torch.manual_seed(0)
    small = HeavyConfig(replace(HeavyConfig().encoder, channels=(8,) * 10, width=16, dropout=0.0))
    parts = heavy_parts(Video2RhythmNet(small).eval())
    entry = {
        "sha256": write_graphs(HEAVY, {part: graph.tobytes() for part, graph in parts.items()}, tmp_path),
        "constants": {"threshold": 0.5, "parameters": 1},
        **dict.fromkeys(("licence", "data", "recipe", "date"), ""),
        "scores": [],
    }
    write_entries({HEAVY: entry}, tmp_path)
    clock = Hands()
    makes = pipelines.standard_pipelines(heavy=tmp_path)
    rows = rows_by(modelled(clock, {name: makes[name] for name in ("RhythmicNet-Mono", "RhythmicNet-Poly")}))
    assert not any("left_out" in row for row in rows.values())
    for name, last in (("RhythmicNet-Mono", "GRU of drum notes"), ("RhythmicNet-Poly", "DrumGenNet")):
        assert rows[name, "Video2Rhythm"]["count"] == rows[name, last]["count"] == 20  # at every third tick
        assert rows[name, "all, with directogram"]["count"] == 20


class Encoder:
    """Remembers the three seconds that it was shown."""

    def run(self, _, given):
        assert given["velocity"].shape == (1, 90, 17, 2)
        assert np.isfinite(given["velocity"]).all()
        self.velocity, self.seen = given["velocity"], given["seen"]
        return (np.zeros((1, 45, 8), np.float32),)


class Decoder:
    """A peak at the fourth tick and every fifteen; it must be told what it said."""

    def __init__(self):
        self.calls = 0

    def run(self, _, given):
        self.calls += 1
        ticks = given["before"].shape[1]
        on = np.arange(ticks) % 15 == 3
        assert given["before"][0] == pytest.approx(np.concatenate([[0.0], 0.9 * on[:-1]]))
        return (0.9 * on[None]).astype(np.float32), np.where(on, 5.0, -5.0)[None].astype(np.float32)


@pytest.fixture
def heavy_ears(monkeypatch):
    monkeypatch.setattr(pipelines, "open_session", lambda graph: graph)
    return pipelines.HeavyEars({"encoder": Encoder(), "decoder": Decoder(), "threshold": np.array(0.5)})


def test_the_heavy_pipelines_look_where_the_paper_has_them_look(heavy_ears):
    encoder, decoder = heavy_ears._encoder, heavy_ears._decoder
    mono = pipelines.RhythmicNetMono(heavy_ears, MonoNet())
    for k in range(100):
        mono.hear(SimpleNamespace(velocity=np.full((17, 2), np.nan if k == 98 else k, np.float32)))
    found, drum = mono.play(lambda _: None)
    # of the latest 60 ms, two ticks, it knows the three seconds before
    assert encoder.velocity[0, [0, -1], 0, 0].tolist() == [8, 97]
    assert decoder.calls == 2
    assert not found
    assert 0 <= drum < 9
    offsets, beats = heavy_ears.say(30)
    assert encoder.velocity[0, [0, -2, -1], 0, 0].tolist() == [10, 0, 99]
    assert encoder.seen[0, -3:].min(axis=1).tolist() == [1, 0, 1]
    assert np.flatnonzero(offsets > 0.5).tolist() == np.flatnonzero(beats > 0.5).tolist() == [3, 18]


def test_rhythmicnet_poly_styles_the_peaks_to_come(heavy_ears):
    styles = []

    class Drummer(PlainDrummer):
        def play(self, style, hits, beat_in_bar, uniforms, temperature):
            styles.append(style)
            return super().play(style, hits, beat_in_bar, uniforms, temperature)

    poly = pipelines.RhythmicNetPoly(heavy_ears, Drummer())
    tick = SimpleNamespace(velocity=np.zeros((17, 2), np.float32))
    poly.hear(tick)
    assert poly.play(lambda _: None).shape == (4, 9)
    # Peaks at 4 and 19 ticks after this one: 133 ms is the second 16th of the beat, 633 ms is beyond it.
    assert np.flatnonzero(styles[0] > 0.5).tolist() == [13]
    for _ in range(10):
        poly.hear(tick)
    poly.play(lambda _: None)
    # What was said of the ten ticks since is past now: the peak lies 6 ticks ago, 200 ms.
    assert np.flatnonzero(styles[1][:12] > 0.5).tolist() == [11]


# What the paper adds up


def test_the_papers_sum_on_its_own_numbers():
    for name, (network_ms, total_ms) in latency.PAPER.items():
        assert latency.SCHEMES[name].total_ms(network_ms, latency.PAPER_CAMERA_MS) == total_ms
    rows = {row["name"]: row for row in latency.total_rows([], {"p50_ms": 1.0, "p99_ms": 2.0})}
    assert rows["InteractiveBeat"]["left_out"]
    quoted = [row for row in rows.values() if row.get("quoted")]
    assert [row["total_ms"] for row in quoted] == [158, 133, 103, 34]
    assert [row["causal"] for row in quoted] == ["NC", "NC", "C", "C"]
    mono = rows["paper: RhythmicNet-Mono"]
    assert (mono["camera_ms"], mono["network_ms"], mono["wait_ms"]) == (33, 70, 30)
    assert "camera_ms" not in rows["paper: InteractiveBeat"]


@pytest.mark.parametrize(("pose_ms", "camera_ms"), [(20.0, 1000 / 30), (80.0, 80.0)])
def test_only_what_is_not_causal_pays_for_camera_and_pose(pose_ms, camera_ms):
    model = [
        {"name": name, "stage": "all, with directogram", "count": 9, "p50_ms": 4.0, "p99_ms": 6.0}
        for name in latency.PAPER
    ]
    model += [
        {"name": latency.ENGINE_DRUMS, "stage": "keypoints to events", "count": 9, "p50_ms": 1.0, "p99_ms": 2.0},
    ]
    pose = {"p50_ms": pose_ms, "p99_ms": pose_ms + 100}
    rows = {row["name"]: row for row in latency.total_rows(model, pose) if not row.get("quoted")}
    assert rows["Rule-based-Mono"]["total_ms"] == pytest.approx(camera_ms + 4 + 125)
    assert rows["RhythmicNet-Mono"]["total_ms"] == pytest.approx(camera_ms + 4 + 30)
    assert rows["RhythmicNet-Mono"]["total_p99_ms"] == pytest.approx(pose_ms + 100 + 6 + 30)
    assert rows["RhythmicNet-Poly"]["total_ms"] == rows["InteractiveBeat"]["total_ms"] == 4.0
    assert (rows[latency.ENGINE_DRUMS]["total_ms"], rows[latency.ENGINE_DRUMS]["total_p99_ms"]) == (1.0, 2.0)


# Live sessions


class HandClock(SessionClock):
    """A session's clock that goes on only when it is told to."""

    def __init__(self):
        self.time_s = 0.0

    def now_s(self):
        return self.time_s


def seen(time_s, delay_s, *, somebody=True, idle=False):
    found = from_layout(np.ones((17, 2)), np.ones(17), LAYOUT, (4, 4)) if somebody else None
    return Seen(time_s, found, 0, delay_s, idle=idle)


NOTHING = Spread(0, 0.0, 0.0, 0.0)


def reported(dropped=0):
    of_outputs = (Handover("listener", NOTHING, NOTHING, dropped),)
    return Report(9, 1, 0, 9, NOTHING, NOTHING, NOTHING, of_outputs)


def test_a_listener_tells_what_happened():
    clock = HandClock()
    heard = sessions.Listener(clock, seconds=1.0)
    stopped = []
    heard.enough = lambda: stopped.append(clock.time_s)
    in_time, late, change = Hit(10.2, 0, 0.5, 0), Beat(10.0, 0, 0, 100.0, 1.0), Change(10.1, "playing", "you move")
    clock.time_s = 10.13
    for event in (late, change, in_time):
        heard.announce(event)
    heard.announce(seen(10.1, 0.030))
    heard.play(late)  # told of 130 ms past due, and handed over at once
    clock.time_s = 10.14
    heard.play(change)
    clock.time_s = 10.203
    heard.play(in_time)
    heard.announce(seen(10.15, 0.010, somebody=False))
    heard.announce(seen(10.5, 0.0, somebody=False, idle=True))
    assert not stopped
    heard.announce(seen(11.1, 0.020))
    assert stopped
    assert heard.delay_s == [0.030, 0.010, 0.020]  # no frame, no delay
    assert heard.delay_with_events_s == [0.030]
    assert heard.found == 2
    assert heard.error_s == pytest.approx([0.0, 0.010, 0.003])
    assert heard.past_due_s == pytest.approx([0.130, 0.003])
    told, due = sessions.handover_rows("made", heard, reported(dropped=2))
    assert (told["count"], told["events"], told["told_past_due"], told["dropped"]) == (3, 3, 2, 2)
    assert told["max_ms"] == pytest.approx(10)
    assert due["count"] == 2
    assert due["max_ms"] == pytest.approx(130)


@pytest.fixture
def keypoints_file(tmp_path):
    save_pose(swinging(frame_times_s(1.2)), tmp_path / "keypoints.npz")
    return tmp_path / "keypoints.npz"


def test_a_session_is_listened_to_until_it_is_enough(keypoints_file):
    shares = []
    heard, report = sessions.play(KeypointsInput(keypoints_file), 0.4, engine_of=Metronome, progress=shares.append)
    assert 13 <= report.frames < 36  # 0.4 of 1.2 s, at the file's own times
    assert shares[-1] == 1.0
    assert len(heard.delay_s) == heard.found == report.delay.count
    assert heard.events >= 4
    assert len(heard.error_s) + report.handovers[0].dropped <= heard.events
    assert min(heard.error_s) >= 0


class Looker:
    """Finds the same person in every picture, or nobody."""

    def __init__(self, somebody=True):
        self.somebody, self.shapes, self.closed = somebody, [], False

    def warm_up(self):
        pass

    def find(self, picture):
        self.shapes.append(picture.shape)
        found = swinging(np.array([len(self.shapes) / 30]))
        return from_layout(found.xy[0], found.score[0], LAYOUT, found.size) if self.somebody else None

    def close(self):
        self.closed = True


def test_frames_are_looked_at_in_real_time(puppet_path):
    looker = Looker()
    rows = sessions.frame_rows(puppet_path, 1.0, engine_of=Metronome, finder=lambda: looker)
    assert looker.closed
    assert set(looker.shapes) == {(480, 360, 3)}
    by_name = {row["name"]: row for row in rows if row["part"] == sessions.FRAMES}
    frames = by_name["every frame that was looked at"]
    assert (frames["fps"], frames["size"], frames["pace"]) == (pytest.approx(25), "360 x 480", "real time")
    # One second of 25 a second, in real time: had it not been paced, all five seconds would have come.
    assert 26 <= frames["frames"] < 125
    assert frames["count"] + frames["frames_lost"] <= frames["frames"]
    assert frames["share_found"] == 1.0
    assert by_name[sessions.POSE]["count"] >= frames["count"]
    assert frames["p50_ms"] >= 0
    assert [row["from"] for row in rows if row["part"] == sessions.HANDOVER] == [
        "due, or told of if later",
        "due, beats and hits",
    ]


def test_a_delay_has_the_time_of_the_pose_in_it(puppet_path):
    from kinebeat.live.inputs.recorded import VideoInput

    class Later(SessionClock):
        ahead_s = 0.0

        def now_s(self):
            return super().now_s() + self.ahead_s

    clock, looker = Later(), Looker()

    def find(picture):
        clock.ahead_s += 0.050
        return looker.find(picture)

    heard, report = sessions.play(VideoInput(puppet_path), 0.5, find=find, engine_of=Metronome, clock=clock)
    assert report.pose.p50_ms > 49.9
    assert min(heard.delay_s) > 0.0499


def test_bad_input_is_refused(tmp_path, puppet_path):
    with pytest.raises(InputError, match="nobody is found"):
        sessions.frame_rows(puppet_path, 0.3, engine_of=Metronome, finder=lambda: Looker(somebody=False))
    for name, content in (("none.mp4", None), ("text.mp4", b"nothing")):
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError):
            latency.evaluate_latency(tmp_path / name, seconds=5)
    for seconds in (1.0, float("nan")):
        with pytest.raises(OptionError, match="at least 5"):
            latency.evaluate_latency(seconds=seconds)


def test_the_verb_writes_all_four_parts(tmp_path, monkeypatch, capsys):
    """On little, and on an engine that needs no network."""
    monkeypatch.setattr(latency, "LEAST_SECONDS", 0.5)
    monkeypatch.setattr(latency, "LISTENED", 5)
    monkeypatch.setattr(latency, "SIZE", (320, 240))
    evaluate = latency.evaluate_latency
    looker = Looker()
    monkeypatch.setattr(
        latency,
        "evaluate_latency",
        lambda video, *, seconds, seed, progress: evaluate(
            video, seconds=seconds / 5, seed=seed, engine_of=Metronome, finder=lambda: looker, progress=progress
        ),
    )
    out = tmp_path / "latency.json"
    assert run("evaluate", "latency", "--seconds", 5, "--json", out, "--quiet") == 0
    written = json.loads(out.read_text())
    assert written["table"] == "latency: InteractiveBeat Table 5"
    parts = list(dict.fromkeys(row["part"] for row in written["rows"]))
    assert parts == [latency.MODEL, latency.SUM, sessions.FRAMES, sessions.HANDOVER]
    assert "its film, 1280 x 720" in written["data"]
    assert set(looker.shapes) == {(240, 320, 3)}
    measured = {row["name"] for row in written["rows"] if row["part"] == latency.MODEL}
    assert measured == {"directogram", *latency.PAPER, pipelines.OURS, latency.ENGINE, latency.ENGINE_DRUMS}
    assert all("count" in row for row in written["rows"] if row["part"] == latency.MODEL and "left_out" not in row)
    printed = capsys.readouterr().out
    assert all(f"-- {part}" in printed for part in parts)
    assert tables.as_text({"table": "", "rows": written["rows"]})


def test_the_verb_refuses_what_is_no_video(tmp_path, capsys):
    assert run("evaluate", "latency", "--video", tmp_path / "none.mp4") == 2
    assert "none.mp4" in capsys.readouterr().err
