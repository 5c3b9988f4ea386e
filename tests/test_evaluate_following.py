"""How the following of a mover is scored, on movers and engines whose scores are known."""

from __future__ import annotations

import json

import numpy as np
import pytest

from command_line import run
from kinebeat.evaluation import following
from kinebeat.evaluation.following import Hurry, Mover
from kinebeat.live.engine import LiveEngine
from kinebeat.live.events import Beat
from live_nets import DeafTapper, PlainDrummer, PlainStylist, ScriptedEars
from movers import frame_times_s, standing, track


def _beats(at_s, tempo_bpm=120.0):
    return [Beat(float(time_s), k, k % 4, tempo_bpm, 1.0) for k, time_s in enumerate(at_s)]


def _mover(beats_s, changes_s=None):
    times_s = frame_times_s(40)
    return Mover("somebody", track(standing(times_s), times_s), beats_s, changes_s)


def test_beats_that_are_always_equally_late_are_coherent():
    beats_s = np.arange(0, 30, 0.5)
    found, late = following.coherence(beats_s + 0.1, beats_s)
    assert found == pytest.approx(1.0)
    assert late == pytest.approx(0.2)
    half, _ = following.coherence(beats_s[::2], beats_s)
    double, _ = following.coherence(np.arange(0, 29.5, 0.25), beats_s)
    assert half == pytest.approx(1.0)
    assert double == pytest.approx(0.0, abs=0.02)
    anywhere, _ = following.coherence(np.random.default_rng(0).uniform(0, 29, 1000), beats_s)
    assert anywhere < 0.1
    assert following.coherence(np.zeros(0), beats_s)[0] == 0.0
    assert following.coherence(beats_s, np.zeros(1))[0] == 0.0


def test_who_hurries_does_so_from_a_beat_on():
    beats_s = np.arange(0.2, 60, 60 / 90)
    hurry = Hurry.at_a_beat(beats_s)
    assert hurry.from_s in beats_s
    assert hurry.from_s == pytest.approx(20, abs=0.7)
    hurried = hurry.hurried_s(beats_s)
    assert np.diff(hurried[hurried < hurry.from_s]) == pytest.approx(60 / 90)
    assert np.diff(hurried[hurried >= hurry.from_s]) == pytest.approx(60 / 120)
    assert hurry.original_s(hurried) == pytest.approx(beats_s)
    assert Hurry.at_a_beat(np.arange(0, 12, 0.6)).from_s == pytest.approx(6.0)


def test_following_begins_with_the_first_of_some_beats_that_are_right():
    beats_s = np.concatenate([np.arange(0, 20, 60 / 90), np.arange(20, 40, 0.5)])
    mover = _mover(beats_s, 20.0)
    wrong = _beats(20.0 + np.arange(6) * 60 / 90 + 0.3, 90.0)
    right = _beats(np.arange(24.5, 39, 0.5))
    assert following.beats_to_follow(wrong + right, mover, 0.0) == 9.0
    assert following.beats_to_follow(wrong, mover, 0.0) == np.inf
    late = _beats(np.arange(24.6, 39, 0.5))
    assert following.beats_to_follow(wrong + late, mover, 0.0) == np.inf
    assert following.beats_to_follow(wrong + late, mover, 0.2) == 9.0
    other_tempo = _beats(np.arange(24.5, 39, 0.5), 100.0)
    assert following.beats_to_follow(wrong + other_tempo, mover, 0.0) == np.inf


def test_the_drawn_movers_have_the_beats_that_they_say():
    movers = list(following.drawn_movers())
    assert [mover.name for mover in movers].count("figure, steady") == len(following.TEMPI_BPM)
    hurrying = movers[-1]
    assert hurrying.changes_s is not None
    after = hurrying.beats_s[hurrying.beats_s > hurrying.changes_s]
    assert np.diff(after) == pytest.approx(0.5)
    assert len(hurrying.pose.times_s) == round(following.DURATION_S * following.FPS)


def test_the_table_has_the_engine_beside_a_metronome(monkeypatch):
    beats_s = np.arange(0.5, 60, 0.5)
    movers = [m for m in following.drawn_movers() if m.changes_s is not None][:1]
    times_s = frame_times_s(40)
    movers += [Mover("nobody", track(standing(times_s), times_s), beats_s)]
    monkeypatch.setattr(following, "drawn_movers", lambda _seed: iter(movers))
    told = []

    def engine():
        ears = ScriptedEars(movers[0].beats_s)
        return LiveEngine(ears=ears, tapper=DeafTapper(), stylist=PlainStylist(), drummer=PlainDrummer())

    found = following.evaluate_following(None, engine_of=engine, progress=told.append)
    rows = {row["name"]: row for row in found["rows"]}
    assert told[-1] == 1.0
    assert rows["Kinebeat: nobody"]["locked_share"] == 0.0  # who stands still gets no drums
    assert rows["Kinebeat: figure, 90 to 120 BPM"]["never_share"] == 0.0
    assert rows["Kinebeat: figure, 90 to 120 BPM"]["beats_to_follow_median"] < 10
    metronome = rows["metronome at 100 BPM: figure, 90 to 120 BPM"]
    assert metronome["never_share"] == 1.0
    assert "beats_to_follow_median" not in metronome
    json.dumps(found, allow_nan=False)


def test_the_command_prints_and_writes_the_table(tmp_path, monkeypatch, capsys):
    row = {"name": "Kinebeat: somebody", "movers": 1, "coherence_median": 0.95}

    def made(data, *, clips, seed, progress):
        progress(1.0)
        return {"table": "following", "rows": [{**row, "clips": clips, "seed": seed, "with_data": data is not None}]}

    monkeypatch.setattr(following, "evaluate_following", made)
    out = tmp_path / "following.json"
    code = run("evaluate", "following", "--clips", 3, "--seed", 2, "--json", out, "--quiet")
    assert code == 0
    assert "Kinebeat: somebody" in capsys.readouterr().out
    assert json.loads(out.read_text())["rows"][0] == {**row, "clips": 3, "seed": 2, "with_data": False}
