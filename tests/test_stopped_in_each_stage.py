"""SIGTERM in each stage of a command: it ends with 130 and one line, no file is left, and no process.

And kill -9, after which no half file has the name of a result.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from batches import write_list
from kinebeat.files import TEMPORARY_PREFIX
from kinebeat.pose import save_pose
from kinebeat.puppet import draw_puppet_video, puppet_pose
from musicians import SIZE
from songs import beats_of, drum_song

if TYPE_CHECKING:
    from kinebeat.pose import PoseTrack

MARK = "KINEBEAT_TEST_RUN"
"""In the environment of a run and of all that it starts, so that these can be found."""
TOLD = "kinebeat: stopped; nothing unfinished was left"

# The run sends itself SIGTERM when it tells that so much of a stage is done.
STOP = """
import os, signal, sys, time
from kinebeat.clock import Clock

stage, least, begin = sys.argv.pop(1), float(sys.argv.pop(1)), Clock.__init__

def stopping(self, progress, seconds):
    def told(name, share):
        if progress is not None:
            progress(name, share)
        if name == stage and share >= least:
            stop()
    begin(self, told, seconds)

Clock.__init__ = stopping
"""
ITSELF = STOP + "stop = lambda: os.kill(os.getpid(), signal.SIGTERM)\n"
RUN = "from kinebeat.cli import main; main()\n"
# A worker of a batch stops the batch, and is in the middle of its stage until it is told to clean up.
WORKER = STOP + "stop = lambda: (os.kill(os.getppid(), signal.SIGTERM), time.sleep(60))\n"
BATCH = f"""
import sys
from kinebeat.batch import crew
words = [sys.argv.pop(1), sys.argv.pop(1)]
crew.command = lambda module: [sys.executable, "-c", {WORKER!r} + f"from {{module}} import main; main()", *words]
"""
# A pianist made by hand, who plays a scale on keys made by hand.
PIANIST = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
import pytest
from musicians import flat_keyboard, install
install(pytest.MonkeyPatch(), keyboard=flat_keyboard())
"""


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, PoseTrack]:
    """A dancing figure of three seconds, and where its joints are."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    dance = draw_puppet_video(path, duration_s=3.0, fps=30.0, size=(240, 320), tempo_bpm=120.0)
    times_s = [frame / 30 for frame in range(90)]
    return path, puppet_pose(times_s, size=(240, 320), dance=dance)


@pytest.fixture(scope="module")
def inputs(clip: tuple[Path, PoseTrack], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """What the commands are given, by the words that stand for it."""
    folder = tmp_path_factory.mktemp("inputs")
    save_pose(clip[1], folder / "pose.npz")
    draw_puppet_video(folder / "film.mp4", duration_s=4.0, fps=20.0, size=SIZE)
    return {
        "CLIP": clip[0],
        "FILM": folder / "film.mp4",
        "POSE": folder / "pose.npz",
        "SONG": drum_song(folder / "song.wav", beats_of(120.0, 2)),
        "LIST": write_list(folder, "a.npz", "b.npz"),
        "CLIPS": clip[0].parent,
    }


def processes(mark: str) -> list[psutil.Process]:
    """Those of a run that are alive."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


def assert_ended(
    code: str, stage: str, share: float, words: str, inputs: dict[str, Path], here: Path
) -> subprocess.CompletedProcess[str]:
    """Run a command that stops, in a folder; neither a process of it nor a temporary file elsewhere is left."""
    temporary, mark = here.with_name("temporary"), uuid.uuid4().hex
    here.mkdir()
    temporary.mkdir()
    given = [str(inputs.get(word, word)) for word in words.split()]
    before = {path: path.read_bytes() for path in inputs.values() if path.is_file()}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, stage, str(share), *given, "-q"],
        cwd=here,
        env={**os.environ, "TMPDIR": str(temporary), MARK: mark},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    end_s = time.monotonic() + 15
    while (left := processes(mark)) and time.monotonic() < end_s:
        time.sleep(0.05)
    assert left == []
    assert {path: path.read_bytes() for path in before} == before
    assert list(temporary.iterdir()) == []
    return done


def assert_stopped(code: str, stage: str, share: float, words: str, inputs: dict[str, Path], tmp_path: Path) -> Path:
    """Run a command that sends itself SIGTERM, in a folder of its own; the folder."""
    done = assert_ended(code, stage, share, words, inputs, tmp_path / "here")
    assert done.returncode == 130, done.stderr
    assert done.stderr.strip() == TOLD
    return tmp_path / "here"


SOUNDTRACK = (
    "soundtrack CLIP --pose POSE --with piano -o out.mp4 "
    "--wav out.wav --midi out.mid --plot out.png --report out.json --stems stems"
)
STAGES = [
    ("pose", 0.0),
    ("movement", 0.0),
    ("beats", 0.0),
    ("drums", 0.0),
    ("accompaniment", 0.0),
    ("accompaniment", 0.3),
    ("sound", 0.0),
    ("writing", 0.0),
    ("writing", 0.3),
    ("writing", 0.99),
]


@pytest.mark.parametrize(("stage", "share"), STAGES, ids=lambda value: str(value))
def test_a_soundtrack(stage, share, inputs, tmp_path):
    here = assert_stopped(ITSELF + RUN, stage, share, SOUNDTRACK, inputs, tmp_path)
    assert list(here.iterdir()) == []


@pytest.mark.parametrize("share", [0.3])
def test_a_soundtrack_while_a_song_is_heard(share, inputs, tmp_path):
    words = "soundtrack CLIP --pose POSE --background SONG -o out.mp4"
    assert list(assert_stopped(ITSELF + RUN, "song", share, words, inputs, tmp_path).iterdir()) == []


@pytest.mark.parametrize("share", [0.3])
def test_a_soundtrack_while_the_person_is_looked_for(share, inputs, tmp_path):
    words = "soundtrack CLIP --workers 2 -o out.mp4"
    assert list(assert_stopped(ITSELF + RUN, "pose", share, words, inputs, tmp_path).iterdir()) == []


@pytest.mark.parametrize(("stage", "words"), [("pose", "soundtrack CLIP -o out.mp4"), ("writing", SOUNDTRACK)])
def test_kill_9_leaves_no_process_and_nothing_under_the_names_of_results(stage, words, inputs, tmp_path):
    code = STOP + "stop = lambda: os.kill(os.getpid(), signal.SIGKILL)\n" + RUN
    done = assert_ended(code, stage, 0.3, words, inputs, tmp_path / "here")
    assert done.returncode == -signal.SIGKILL, done.stderr
    left = [path.name for path in (tmp_path / "here").rglob("*") if path.is_file()]
    assert all(name.startswith(TEMPORARY_PREFIX) for name in left)


@pytest.mark.parametrize(("stage", "share"), [("keyboard", 0.3)])
def test_a_performance_while_keys_are_looked_for(stage, share, inputs, tmp_path):
    words = "perform CLIP -o out.mp4"
    assert list(assert_stopped(ITSELF + RUN, stage, share, words, inputs, tmp_path).iterdir()) == []


@pytest.mark.parametrize("share", [0.3])
def test_a_performance_while_hands_are_looked_for(share, inputs, tmp_path):
    words = "perform CLIP --instrument violin --workers 2 -o out.mp4"
    assert list(assert_stopped(ITSELF + RUN, "keypoints", share, words, inputs, tmp_path).iterdir()) == []


@pytest.mark.parametrize(("stage", "share"), [("listening", 0.0), ("sound", 0.0), ("writing", 0.0), ("writing", 0.3)])
def test_a_performance(stage, share, inputs, tmp_path):
    words = "perform FILM -o out.mp4 --wav out.wav --midi out.mid --plot out.png --report out.json"
    here = assert_stopped(ITSELF + PIANIST + RUN, stage, share, words, inputs, tmp_path)
    assert list(here.iterdir()) == []


@pytest.mark.parametrize(("stage", "share"), [("pose", 0.3), ("drums", 0.0), ("versions", 0.0), ("versions", 0.3)])
def test_a_survey(stage, share, inputs, tmp_path):
    words = "survey CLIP --out survey --workers 1"
    assert list(assert_stopped(ITSELF + RUN, stage, share, words, inputs, tmp_path).iterdir()) == []


@pytest.mark.parametrize(
    ("stage", "share", "what"),
    [("pose", 0.3, "CLIPS"), ("drums", 0.0, "LIST"), ("sound", 0.0, "LIST"), ("writing", 0.3, "LIST")],
    ids=lambda value: str(value),
)
def test_a_batch(stage, share, what, inputs, tmp_path):
    words = f"batch {what} --out made --workers 1 --midi --report --stems"
    made = assert_stopped(BATCH + RUN, stage, share, words, inputs, tmp_path) / "made"
    assert sorted(path.relative_to(made).as_posix() for path in made.rglob("*")) == [
        ".batch",
        ".batch/lock",
        "manifest.jsonl",
    ]
    assert (made / "manifest.jsonl").read_text() == "", "no clip is done"
