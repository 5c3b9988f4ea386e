"""The command line: what it writes, what it says, how it ends."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from command_line import run
from kinebeat.pose import save_pose
from movers import frame_times_s, sharp_moves, standing, swing_arms, track


@pytest.fixture
def keypoints(tmp_path):
    times_s = frame_times_s(8.0)
    body = swing_arms(standing(times_s), sharp_moves(times_s, np.arange(1, 8, 0.5)))
    path = tmp_path / "mover.npz"
    save_pose(track(body, times_s), path)
    return path


def test_keypoints_give_a_wav_by_default(keypoints, capsys):
    assert run("soundtrack", keypoints, "--seed", 1) == 0
    assert (keypoints.parent / "mover.soundtrack.wav").exists()
    assert "BPM" in capsys.readouterr().out


def test_variants_are_numbered_and_differ(keypoints, tmp_path, capsys):
    midi = tmp_path / "v.mid"
    assert run("soundtrack", keypoints, "--midi", midi, "--wav", tmp_path / "v.wav", "--variants", 2, "-q") == 0
    assert capsys.readouterr().out == ""
    one, two = (tmp_path / f"v.{n}.mid" for n in (1, 2))
    assert one.read_bytes() != two.read_bytes()
    assert not midi.exists()


def test_video_in_video_out(puppet_path, tmp_path):
    out, report = tmp_path / "out.mp4", tmp_path / "out.json"
    assert run("soundtrack", puppet_path, "-o", out, "--report", report, "-q") == 0
    import av

    with av.open(str(out)) as container:
        assert {s.type for s in container.streams} == {"video", "audio"}
    said = json.loads(report.read_text())
    assert said["detected_share"] > 0.9
    assert len(said["onsets"]) > 5


def test_pose_writes_keypoints_that_soundtrack_takes(puppet_path, tmp_path):
    pose, one, two = (tmp_path / name for name in ("pose.npz", "one.mid", "two.mid"))
    assert run("pose", puppet_path, "-o", pose, "-q") == 0
    assert run("soundtrack", puppet_path, "--midi", one, "-o", tmp_path / "one.mp4", "-q") == 0
    assert run("soundtrack", puppet_path, "--pose", pose, "--midi", two, "-o", tmp_path / "two.mp4", "-q") == 0
    assert one.read_bytes() == two.read_bytes()


def test_demo_needs_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run("demo", "--seconds", 4, "-q") == 0
    assert [p.name for p in tmp_path.iterdir()] == ["kinebeat-demo.mp4"]


def test_evaluate_alignment_writes_a_table(keypoints, tmp_path, capsys):
    table = tmp_path / "table.json"
    assert run("evaluate", "alignment", keypoints, "--json", table, "-q") == 0
    rows = {row["name"]: row for row in json.loads(table.read_text())["rows"]}
    assert rows["pooled"]["movement_to_sound"] > rows["pooled"]["null_mean"]
    assert "baseline: metronome in eighths" in capsys.readouterr().out


def bad_inputs(folder: Path) -> dict[str, list[object]]:
    (folder / "empty.mp4").touch()
    (folder / "text.mp4").write_text("not a video at all\n" * 50)
    (folder / "keys.npz").write_bytes(b"PK nonsense")
    (folder / "folder").mkdir()
    import cv2

    cv2.imwrite(str(folder / "still.png"), np.full((120, 160, 3), 200, np.uint8))
    return {
        "missing": ["missing.mp4"],
        "empty": ["empty.mp4"],
        "text": ["text.mp4"],
        "broken npz": ["keys.npz"],
        "folder without JSON": ["folder"],
        "still": ["still.png"],
    }


@pytest.mark.parametrize("case", ["missing", "empty", "text", "broken npz", "folder without JSON", "still"])
def test_bad_input_is_one_line_with_the_file_and_exit_code_2(case, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = bad_inputs(tmp_path)[case]
    before = sorted(tmp_path.rglob("*"))
    assert run("soundtrack", *words) == 2
    said = capsys.readouterr().err
    assert said.startswith("kinebeat: ")
    assert said.count("\n") == 1
    assert str(words[0]) in said
    assert ";" in said, "the remedy follows a semicolon"
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    "words",
    [
        ["-o", "nowhere/out.wav"],
        ["-o", "."],
        ["--wav", "mover.npz"],
        ["-o", "out.mp4"],
        ["--density", "9"],
        ["--kit", "spoons"],
        ["--tempo", "5"],
        ["--soundfont", "missing.sf2"],
        ["--pose", "missing.npz"],
        ["--no-such-option"],
    ],
    ids=lambda words: " ".join(words),
)
def test_bad_options_exit_with_2_and_write_nothing(words, keypoints, monkeypatch, capsys):
    monkeypatch.chdir(keypoints.parent)
    assert run("soundtrack", "mover.npz", *words) == 2
    assert capsys.readouterr().err
    assert [p.name for p in keypoints.parent.iterdir()] == ["mover.npz"]


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_leaves_nothing_behind(sent, puppet_path, tmp_path):
    code = "from kinebeat.cli import main; main()"
    words = ["soundtrack", str(puppet_path), "-o", str(tmp_path / "out.mp4"), "--wav", str(tmp_path / "out.wav")]
    process = subprocess.Popen([sys.executable, "-c", code, *words], stderr=subprocess.PIPE, text=True)
    watched = psutil.Process(process.pid)
    while not (workers := watched.children()):  # the pose has begun, the outputs have not
        time.sleep(0.01)
    os.kill(process.pid, sent)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "stopped" in said
    assert not list(tmp_path.iterdir())
    _, alive = psutil.wait_procs(workers, timeout=10)
    assert not alive


def test_version_and_help(capsys):
    assert run("--version") == 0
    assert capsys.readouterr().out.strip()[0].isdigit()
    assert run("soundtrack", "--help") == 0
    said = capsys.readouterr().out
    assert "--density" in said
    assert "all cores" in said, "what is left out is named"
