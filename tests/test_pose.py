from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from kinebeat import skeleton
from kinebeat.errors import InputError, KinebeatError
from kinebeat.pose import filter as joint_filter
from kinebeat.pose import mediapipe_pose, processes, read_pose
from kinebeat.pose.mediapipe_pose import RawPose, find_landmarks
from kinebeat.puppet import Dance, puppet_pose
from kinebeat.video_in import frames
from movers import standing, track

if TYPE_CHECKING:
    from collections.abc import Callable

    from kinebeat.pose import PoseTrack

    Write = Callable[..., Path]

LAYOUT = skeleton.LAYOUTS["rhythmicnet17"]


@pytest.fixture(scope="module")
def progress() -> list[float]:
    return []


@pytest.fixture(scope="module")
def puppet_track(puppet_clip: tuple[Path, Dance], progress: list[float]) -> PoseTrack:
    return read_pose(puppet_clip[0], workers=2, progress=progress.append)


@pytest.fixture(scope="module")
def in_small_chunks(puppet_clip: tuple[Path, Dance]) -> RawPose:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mediapipe_pose, "CHUNK", 25)
        return find_landmarks(puppet_clip[0], workers=2)


def test_a_person_is_found_in_a_frame_if_any_joint_is() -> None:
    times_s = np.arange(4) / 30
    body = standing(times_s)
    body[1, 1:], body[2:] = np.nan, np.nan
    assert track(body, times_s).detected_share == 0.5


def test_the_puppet_is_found_where_it_is(puppet_clip: tuple[Path, Dance], puppet_track: PoseTrack) -> None:
    true = puppet_pose(puppet_track.times_s, size=puppet_track.size, dance=puppet_clip[1])
    assert puppet_track.detected_share > 0.95
    assert puppet_track.size == (360, 480)
    np.testing.assert_allclose(puppet_track.times_s, np.arange(125) / 25, atol=1e-3)
    off = np.linalg.norm(puppet_track.xy - true.xy, axis=-1)
    torso = joint_filter.body_size_px(true.xy, true.layout)
    assert np.nanmedian(off) < 0.12 * torso
    for side in ("left", "right"):
        assert np.nanmedian(off[:, LAYOUT.index(f"{side}_wrist")]) < 0.15 * torso
    assert puppet_track.shot.max() == 0
    assert puppet_track.score.max() <= 1


@pytest.mark.parametrize("workers", [1, 3])
def test_the_number_of_processes_changes_nothing(
    puppet_clip: tuple[Path, Dance],
    in_small_chunks: RawPose,
    workers: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mediapipe_pose, "CHUNK", 25)
    other = find_landmarks(puppet_clip[0], workers=workers)
    for name in ("xy", "visibility", "times_s", "cuts", "change"):
        np.testing.assert_array_equal(getattr(other, name), getattr(in_small_chunks, name))


def test_seams_between_chunks_are_within_the_jitter(
    puppet_clip: tuple[Path, Dance], in_small_chunks: RawPose, monkeypatch: pytest.MonkeyPatch
) -> None:
    chunked = in_small_chunks.xy
    monkeypatch.setattr(mediapipe_pose, "CHUNK", 1000)
    whole = find_landmarks(puppet_clip[0], workers=1).xy
    seams = np.arange(25, 125, 25)
    at_seams = np.median(np.linalg.norm(chunked[seams] - whole[seams], axis=-1))
    steps = np.linalg.norm(chunked[seams] - chunked[seams - 1], axis=-1)
    usual_steps = np.linalg.norm(np.diff(whole, axis=0), axis=-1)
    # what a joint wobbles from frame to frame beyond moving evenly
    jitter = np.median(np.linalg.norm(np.diff(whole, 2, axis=0), axis=-1))
    torso = 0.285 * 0.7 * 480
    assert at_seams < max(jitter, 0.02 * torso)
    assert np.median(steps) < np.median(usual_steps) + 0.02 * torso


def test_progress_rises_to_1(puppet_track: PoseTrack, progress: list[float]) -> None:
    assert len(puppet_track.times_s) == 125
    assert progress == sorted(progress)
    assert len(progress) >= 2
    assert progress[-1] == 1.0


def test_a_picture_stored_sideways_is_turned_first(
    puppet_clip: tuple[Path, Dance], puppet_track: PoseTrack, write_video: Write, tmp_path: Path
) -> None:
    pictures = [np.rot90(picture, -1) for _, picture in frames(puppet_clip[0])][:30]
    path = write_video(tmp_path / "sideways.mp4", pictures, fps=25.0, rotation_deg=90)
    track = read_pose(path, workers=1)
    assert track.size == (360, 480)
    off = np.linalg.norm(track.xy - puppet_track.xy[:30], axis=-1)
    assert np.nanmedian(off) < 4


def test_irregular_times_reach_the_track(puppet_clip: tuple[Path, Dance], write_video: Write, tmp_path: Path) -> None:
    keep = [0, 1, 2, 5, 6, 9, 10, 11, 15, 16]
    pictures = [p for i, (_, p) in enumerate(frames(puppet_clip[0])) if i in keep]
    path = write_video(tmp_path / "vfr.mp4", pictures, times_s=[i / 25 for i in keep])
    track = read_pose(path, workers=1)
    np.testing.assert_allclose(track.times_s, np.array(keep) / 25, atol=1e-3)


def test_a_cut_begins_a_shot(puppet_clip: tuple[Path, Dance], write_video: Write, tmp_path: Path) -> None:
    pictures = [p for _, p in frames(puppet_clip[0])][:60]
    for i in range(20, 40):
        # another scene: closer, elsewhere, in another light
        close = np.repeat(np.repeat(pictures[i], 2, 0), 2, 1)[60:540, 150:510]
        pictures[i] = np.ascontiguousarray(close // 2)
    track = read_pose(write_video(tmp_path / "cut.mp4", pictures, fps=25.0), workers=1)
    assert (np.flatnonzero(np.diff(track.shot)) + 1).tolist() == [20, 40]


def test_nobody_is_nobody(write_video: Write, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    noise = (rng.integers(0, 255, (96, 128, 3), np.uint8) for _ in range(20))
    black = (np.zeros((96, 128, 3), np.uint8) for _ in range(300))
    for name, pictures in (("noise", noise), ("black", black)):
        track = read_pose(write_video(tmp_path / f"{name}.mp4", pictures), workers=1)
        assert track.detected_share == 0
        assert (track.score == 0).all()
        assert track.layout == "rhythmicnet17"


def test_a_single_picture_is_a_track_of_one_frame(
    puppet_clip: tuple[Path, Dance], write_video: Write, tmp_path: Path
) -> None:
    _, picture = next(frames(puppet_clip[0]))
    track = read_pose(write_video(tmp_path / "one.mp4", [picture]))
    assert track.xy.shape == (1, 17, 2)
    assert np.isfinite(track.xy).all()


def test_very_high_frame_rates_are_thinned(write_video: Write, tmp_path: Path) -> None:
    black = (np.zeros((64, 64, 3), np.uint8) for _ in range(120))
    track = read_pose(write_video(tmp_path / "fast.mp4", black, fps=240.0), workers=1)
    np.testing.assert_allclose(track.times_s, np.arange(30) / 60, atol=1e-3)


def test_what_is_outside_the_picture_is_not_guessed(write_video: Write, tmp_path: Path) -> None:
    data = pytest.importorskip("skimage.data", reason="scikit-image comes with the dev extra")
    photo = data.astronaut()
    pictures = (np.ascontiguousarray(np.roll(photo, 2 * i, axis=1)) for i in range(20))
    track = read_pose(write_video(tmp_path / "photo.mp4", pictures), workers=1)
    assert track.detected_share == 1
    nose = track.xy[:, LAYOUT.index("nose")]
    assert np.polyfit(np.arange(20), nose[:, 0], 1)[0] == pytest.approx(2, abs=0.4)
    np.testing.assert_allclose(nose[0], (220, 118), atol=25)
    for joint in ("ankle", "knee"):
        assert np.isnan(track.xy[:, LAYOUT.index(f"left_{joint}")]).all()


def test_a_worker_that_dies_is_told(puppet_clip: tuple[Path, Dance], monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[str]] = []
    original = subprocess.Popen

    def start(*args: object, **options: object) -> subprocess.Popen[str]:
        process = original(*args, **options)  # type: ignore[call-overload]
        process.kill()
        started.append(process)
        return process

    monkeypatch.setattr(processes.subprocess, "Popen", start)
    with pytest.raises(KinebeatError, match="worker"):
        find_landmarks(puppet_clip[0], workers=2)
    assert all(process.poll() is not None for process in started)


def test_bad_videos_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_pose(tmp_path / "missing.mp4")


# No __main__ guard, as in a first script: it must not start itself again.
SCRIPT = """
import sys
from kinebeat.pose import read_pose
print("ready", flush=True)
track = read_pose(sys.argv[1], workers=2)
print(len(track.times_s), flush=True)
"""


def children(pid: int) -> list[int]:
    psutil = pytest.importorskip("psutil", reason="psutil comes with the dev extra")
    return [process.pid for process in psutil.Process(pid).children(recursive=True)]


def test_a_plain_script_can_call_it(puppet_clip: tuple[Path, Dance], tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    # files that lie beside the script must not get in the way of the workers
    (tmp_path / "json.py").write_text("raise SystemExit('the wrong json')")
    done = subprocess.run(
        [sys.executable, "-P", str(script), str(puppet_clip[0])],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=120,
    )
    assert done.stdout.split() == ["ready", "125"]
    assert done.stderr == ""


@pytest.mark.parametrize("kill", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupt_leaves_no_process_behind(write_video: Write, tmp_path: Path, kill: signal.Signals) -> None:
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 255, (240, 320, 3), np.uint8) for _ in range(8)]
    path = write_video(tmp_path / "long.mp4", (noise[i % 8] for i in range(1500)), options={"preset": "ultrafast"})
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    deadline = time.monotonic() + 60
    workers: list[int] = []
    while len(workers) < 2 and time.monotonic() < deadline:
        workers = children(process.pid)
        time.sleep(0.05)
    assert len(workers) == 2
    os.kill(process.pid, kill)
    process.wait(timeout=60)
    process.stdout.close()
    assert process.returncode != 0
    while time.monotonic() < deadline and any(Path(f"/proc/{pid}").exists() for pid in workers):
        time.sleep(0.05)
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)
