"""`kinebeat live` on the command line."""

import os
import signal
import threading
import time

import numpy as np
import pytest
from websockets.sync.client import connect

from command_line import run
from kinebeat.cli import live as command
from kinebeat.live.outputs import midi, speakers
from kinebeat.live.outputs.osc import OscOutput
from kinebeat.live.outputs.speakers import SpeakerError
from kinebeat.live.recording import load_take
from kinebeat.pose import save_pose
from live_engines import Metronome
from movers import frame_times_s, swinging


@pytest.fixture(autouse=True)
def metronome(monkeypatch):
    """An engine whose events are known, in the place of the trained one."""
    monkeypatch.setattr(command, "_engine", Metronome)


@pytest.fixture
def keypoints(tmp_path):
    save_pose(swinging(frame_times_s(1.2)), tmp_path / "k.npz")
    return tmp_path / "k.npz"


@pytest.fixture
def taken(keypoints, tmp_path):
    assert run("live", "--video", keypoints, "--record", tmp_path / "s.npz", "--quiet") == 0
    return tmp_path / "s.npz"


def test_a_take_is_played_recorded_and_written(keypoints, tmp_path, capsys):
    files = [tmp_path / name for name in ("s.npz", "t.wav", "t.mid")]
    code = run(
        "live", "--video", keypoints, "--record", files[0], "--wav", files[1], "--midi", files[2], "--seed", 5,
        "--osc", "127.0.0.1:9",
    )  # fmt: skip
    said = capsys.readouterr().out
    assert code == 0
    for path in files:
        assert path.exists()
        assert f"wrote {path}" in said
    assert "36 frames" in said
    assert "OSC to 127.0.0.1:9: handed over" in said
    take, arrays = load_take(files[0])
    assert take.settings[0][1].seed == 5
    assert len(arrays["hit_step"]) >= 4


def test_a_replay_says_that_it_is_the_same(taken, tmp_path, capsys):
    assert run("live", "--replay", taken, "--midi", tmp_path / "again.mid") == 0
    said = capsys.readouterr().out
    assert "the same as were recorded, bit for bit" in said
    assert (tmp_path / "again.mid").exists()


def test_a_replay_that_differs_is_an_error(taken, monkeypatch, capsys):
    class Other(Metronome):
        lead_s = 0.3

    monkeypatch.setattr(command, "_engine", Other)
    assert run("live", "--replay", taken) == 2
    assert "other events than were recorded" in capsys.readouterr().err


def test_a_take_is_keypoints_for_the_other_verbs(taken, tmp_path):
    assert run("live", "--video", taken, "--record", tmp_path / "again.npz", "--quiet") == 0
    np.testing.assert_array_equal(np.load(taken)["xy"][0], np.load(tmp_path / "again.npz")["xy"][0])


def test_a_take_gets_the_offline_treatment_without_a_video(tmp_path):
    save_pose(swinging(frame_times_s(4.0)), tmp_path / "k.npz")
    assert run("live", "--video", tmp_path / "k.npz", "--record", tmp_path / "s.npz", "--quiet") == 0
    assert run("soundtrack", tmp_path / "s.npz", "--quiet") == 0
    assert (tmp_path / "s.soundtrack.wav").stat().st_size > 3 * 48000 * 6


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopping_it_writes_the_take(tmp_path, number, capsys):
    save_pose(swinging(frame_times_s(60.0)), tmp_path / "k.npz")

    def stop():
        time.sleep(2.0)
        os.kill(os.getpid(), number)

    thread = threading.Thread(target=stop)
    thread.start()
    assert run("live", "--video", tmp_path / "k.npz", "--record", tmp_path / "s.npz") == 0
    thread.join()
    take, _ = load_take(tmp_path / "s.npz")
    assert 0 < take.duration_s < 59
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_it_ends_after_so_many_seconds_and_says_what_goes_on(tmp_path, capsys):
    save_pose(swinging(frame_times_s(60.0)), tmp_path / "k.npz")
    assert run("live", "--video", tmp_path / "k.npz", "--seconds", 0.5, "--no-speakers") == 0
    assert "playing: you move" in capsys.readouterr().out


def test_where_nothing_else_is_asked_for_the_loudspeakers_play(keypoints, monkeypatch, capsys):
    def none(samples, clock):
        raise SpeakerError("no loudspeakers here")

    monkeypatch.setattr(speakers, "SpeakerOutput", none)
    assert run("live", "--video", keypoints) == 2
    assert "no loudspeakers here" in capsys.readouterr().err
    assert run("live", "--video", keypoints, "--osc", "127.0.0.1:9", "--quiet") == 0


def test_a_video_is_looked_at(puppet_path, tmp_path):
    assert run("live", "--video", puppet_path, "--record", tmp_path / "s.npz", "--quiet") == 0
    take, _ = load_take(tmp_path / "s.npz")
    seen = [step for step in take.steps if step.keypoints is not None]
    assert seen
    assert seen[-1].keypoints.size == (360, 480)


def test_the_page_is_served_until_the_time_is_up(capsys):
    found = []

    def look():
        end_s = time.monotonic() + 30
        while time.monotonic() < end_s and not found:
            said = capsys.readouterr().out
            if "http://" in said:
                url = said.split("the page is at ")[1].split()[0]
                with connect(url.replace("http", "ws") + "live", origin=url.rstrip("/")) as page:
                    found.append(page.recv(timeout=20))
            time.sleep(0.05)

    thread = threading.Thread(target=look)
    thread.start()
    assert run("live", "--port", 0, "--no-browser", "--seconds", 4) == 0
    thread.join()
    assert '"t": "hello"' in found[0]


def test_ports_are_listed(monkeypatch, capsys):
    monkeypatch.setattr(midi, "port_names", lambda: ["Synth 1", "Synth 2"])
    assert run("live", "--midi-port", "list") == 0
    assert capsys.readouterr().out.splitlines() == ["Synth 1", "Synth 2"]
    monkeypatch.setattr(midi, "port_names", list)
    assert run("live", "--midi-port", "list") == 0
    assert "no MIDI ports" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--camera", 0, "--video", "x.mp4"), "give one"),
        (("--video", "none.mp4"), "no such file"),
        (("--video", "none.npz"), "no such file"),
        (("--camera", 61), "camera 61: "),
        (("--kit", "pots"), "no kit"),
        (("--sensitivity", 9), "sensitivity"),
        (("--seconds", 0), "--seconds"),
        (("--osc", "nowhere"), "host:port"),
        (("--replay", "none.npz"), "no such file"),
        (("--replay", "none.npz", "--speakers"), "--video TAKE.npz"),
        (("--record", "no/such/folder/s.npz"), "does not exist"),
        (("--wav", "a.wav", "--midi", "a.wav"), "same name"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(tmp_path, monkeypatch, capsys, words, said):
    monkeypatch.chdir(tmp_path)
    assert run("live", "--no-browser", *words) == 2
    errors = capsys.readouterr().err.strip().splitlines()
    assert len(errors) == 1
    assert said in errors[0]
    assert list(tmp_path.iterdir()) == []


def test_one_failing_output_closes_the_others(monkeypatch, keypoints, capsys):
    closed, close = [], OscOutput.close

    def noted(self):
        closed.append(self.name)
        close(self)

    monkeypatch.setattr(OscOutput, "close", noted)

    def fails(name):
        raise midi.MidiError("no MIDI here")

    monkeypatch.setattr(midi, "midi_output", fails)
    assert run("live", "--video", keypoints, "--osc", "127.0.0.1:9", "--midi-port", "x") == 2
    assert closed == ["OSC to 127.0.0.1:9"]
    assert "no MIDI here" in capsys.readouterr().err


def test_hits_reach_a_midi_port(monkeypatch, keypoints):
    sent = []

    class Port:
        def send_message(self, message):
            sent.append(tuple(message))

        def close_port(self):
            sent.append("closed")

    monkeypatch.setattr(midi, "_opened", lambda name: Port())
    assert run("live", "--video", keypoints, "--midi-port", "synth", "--quiet") == 0
    assert (0xFA,) in sent
    assert sent.count((0xF8,)) >= 24
    assert any(message[:2] == (0x99, 36) for message in sent)
    assert sent[-1] == "closed"
