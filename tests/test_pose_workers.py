"""Processes that look for people, kept from one clip to the next."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import numpy as np
import psutil
import pytest

from kinebeat.errors import KinebeatError
from kinebeat.pose.mediapipe_musician import RawMusician, find_musician
from kinebeat.pose.mediapipe_pose import RawPose, find_landmarks
from kinebeat.pose.processes import PoseWorkers
from kinebeat.video_in import frames

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kinebeat.puppet import Dance


@pytest.fixture(scope="module")
def clips(
    puppet_clip: tuple[Path, Dance], write_video: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """A dancer, one in a picture of another size that begins where the first ends, and one that is turned."""
    pictures = [picture for _, picture in frames(puppet_clip[0])]
    folder = tmp_path_factory.mktemp("clips")
    wide = (np.pad(picture, ((0, 0), (0, 140), (0, 0))) for picture in pictures[29:49])
    turned = (np.rot90(picture, -1) for picture in pictures[40:60])
    return {
        "tall": write_video(folder / "tall.mp4", pictures[:30], fps=25.0),
        "wide": write_video(folder / "wide.mp4", wide, fps=25.0),
        "turned": write_video(folder / "turned.mp4", turned, fps=25.0, rotation_deg=90),
    }


def pids(workers: PoseWorkers) -> list[int]:
    return [worker.process.pid for worker in workers._workers]


def same(a: RawPose | RawMusician, b: RawPose | RawMusician) -> bool:
    return all(np.array_equal(value, vars(b)[name], equal_nan=True) for name, value in vars(a).items())


def test_what_kept_processes_find_is_what_new_ones_find_to_the_bit(
    clips: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kinebeat.pose.mediapipe_pose.CHUNK", 12)
    new = {name: find_landmarks(path, workers=1) for name, path in clips.items()}
    assert all(np.isfinite(raw.xy).any() for raw in new.values())
    with PoseWorkers(2) as workers:
        first = find_landmarks(clips["tall"], workers=workers)
        known = pids(workers)
        kept = {name: find_landmarks(clips[name], workers=workers) for name in ("wide", "turned", "tall")}
        assert pids(workers) == known
        assert len(known) == 2
    assert same(first, new["tall"])
    for name, raw in kept.items():
        assert same(raw, new[name]), name


def test_musicians_hands_do_not_depend_on_the_film_before(clips: dict[str, Path]) -> None:
    new = find_musician(clips["tall"], workers=1)
    with PoseWorkers(1) as workers:
        find_musician(clips["wide"], workers=workers)
        assert same(find_musician(clips["tall"], workers=workers), new)


def test_a_process_looks_for_one_thing_all_its_life() -> None:
    with PoseWorkers(2) as workers:
        workers.warm_up()
        bodies = pids(workers)
        workers.warm_up("body")
        assert pids(workers) == bodies
        workers.warm_up("musician")
        assert len(pids(workers)) == 2
        assert not set(pids(workers)) & set(bodies)
        assert not any(psutil.pid_exists(pid) for pid in bodies)


def test_between_two_clips_no_pictures_are_held(clips: dict[str, Path]) -> None:
    with PoseWorkers(1) as workers:
        find_landmarks(clips["tall"], workers=workers)
        assert os.fstat(workers._fd).st_size == 0


def test_a_process_that_dies_between_two_clips_is_replaced(clips: dict[str, Path]) -> None:
    with PoseWorkers(1) as workers:
        before = find_landmarks(clips["wide"], workers=workers)
        (killed,) = pids(workers)
        os.kill(killed, signal.SIGKILL)
        psutil.wait_procs([psutil.Process(killed)] if psutil.pid_exists(killed) else [], timeout=10)
        assert same(find_landmarks(clips["wide"], workers=workers), before)
        assert pids(workers) != [killed]


def test_one_that_dies_at_work_is_told_and_the_next_clip_is_done(clips: dict[str, Path]) -> None:
    with PoseWorkers(2) as workers:

        def kill() -> None:
            while not any(worker.clips for worker in workers._workers):
                time.sleep(0.005)
            workers._workers[0].process.kill()

        thread = threading.Thread(target=kill)
        thread.start()
        with pytest.raises(KinebeatError, match=r"pose worker process failed .*; try fewer workers"):
            find_landmarks(clips["tall"], workers=workers)
        thread.join()
        assert len(find_landmarks(clips["tall"], workers=workers).times_s) == 30


def test_an_error_in_the_middle_ends_what_is_at_work_and_the_next_clip_is_done(
    clips: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kinebeat.pose.mediapipe_pose.CHUNK", 8)

    def stop(_share: float) -> None:
        raise KeyboardInterrupt

    with PoseWorkers(2) as workers:
        workers.warm_up()
        begun = [worker.process for worker in workers._workers]
        with pytest.raises(KeyboardInterrupt):
            find_landmarks(clips["tall"], workers=workers, progress=stop)
        assert all(process.poll() is not None for process in begun)
        assert len(find_landmarks(clips["wide"], workers=workers).times_s) == 20


def test_two_clips_at_once_are_refused(clips: dict[str, Path]) -> None:
    with PoseWorkers(1) as workers:
        workers.take(1, "body")
        try:
            known = pids(workers)
            workers.warm_up("musician")  # they are at work: they stay
            assert pids(workers) == known
            with pytest.raises(KinebeatError, match="at work on another clip; let each thread have its own"):
                find_landmarks(clips["tall"], workers=workers)
        finally:
            workers.give_back()


def test_a_process_makes_way_after_its_share_of_clips(clips: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kinebeat.pose.processes.RENEWED_AFTER", 2)
    with PoseWorkers(1) as workers:
        seen = []
        for _ in range(3):
            find_landmarks(clips["wide"], workers=workers)
            seen += pids(workers)
    assert seen[0] == seen[1] != seen[2]


def test_closing_ends_all_and_may_be_done_twice() -> None:
    workers = PoseWorkers(2)
    workers.warm_up()
    processes = [worker.process for worker in workers._workers]
    workers.close()
    workers.close()
    assert [process.poll() for process in processes] == [-signal.SIGKILL] * 2


# The processes are idle and warm when their parent goes, in one way or another.
SCRIPT = """
import sys, time
from kinebeat.pose.processes import PoseWorkers
workers = PoseWorkers(2)
workers.warm_up()
print(*[worker.process.pid for worker in workers._workers], flush=True)
sys.stdin.readline()
"""


@pytest.mark.parametrize("how", ["ends", "is killed"])
def test_none_outlives_its_parent(how: str) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", SCRIPT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    left = [psutil.Process(int(pid)) for pid in parent.stdout.readline().split()]
    assert len(left) == 2
    if how == "is killed":
        parent.kill()
    parent.communicate("\n" if how == "ends" else None)
    _, alive = psutil.wait_procs(left, timeout=30)
    assert not [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]
