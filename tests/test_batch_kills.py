"""Batches that are killed, stopped, starved and robbed of their workers."""

import errno
import signal
import subprocess
import sys
import threading
import time

import psutil
import pytest

from batches import lines, results, wait_for_work, write_list
from kinebeat.batch import run_batch
from kinebeat.batch.work import do_clip
from kinebeat.errors import OutputError

CODE = "from kinebeat.cli import main; main()"


def start(clips, out, *words: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", CODE, "batch", str(clips), "--out", str(out), "--workers", "2", *words],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def own_files(out) -> list[str]:
    return [path.name for path in (out / ".batch").iterdir()]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Three clips, and what an undisturbed batch makes of them."""
    clips = write_list(tmp_path_factory.mktemp("clips"), "a.npz", "b.npz", "c.npz")
    out = tmp_path_factory.mktemp("whole")
    assert run_batch(clips, out, workers=1).done == 3
    return clips, results(out)


@pytest.mark.parametrize("after", ["the first clip has begun", "a clip is done"])
def test_kill_9_loses_only_what_was_in_flight(after, whole, tmp_path):
    clips, expected = whole
    out = tmp_path / "out"
    process = start(clips, out)
    wait_for_work(out, process)
    while after == "a clip is done" and not (out / "manifest.jsonl").read_bytes():
        time.sleep(0.01)
    family = psutil.Process(process.pid).children(recursive=True)
    done = (out / "manifest.jsonl").read_bytes().count(b"\n")
    process.kill()
    process.communicate()
    _, alive = psutil.wait_procs(family, timeout=20)
    assert not alive, "no worker outlives the batch"
    for name, content in results(out).items():
        if not name.startswith(".batch/"):
            assert content == expected[name], "there is no half file"
    result = run_batch(clips, out, workers=1)
    assert result.skipped >= done
    assert result.done + result.skipped == 3
    assert results(out) == expected
    assert set(lines(out)) == {"a.npz", "b.npz", "c.npz"}
    assert own_files(out) == ["lock"]


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_is_clean(sent, whole, tmp_path):
    clips, expected = whole
    out = tmp_path / "out"
    process = start(clips, out)
    wait_for_work(out, process)
    family = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(sent)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "stopped; nothing unfinished was left" in said
    _, alive = psutil.wait_procs(family, timeout=10)
    assert not alive
    assert own_files(out) == ["lock"]
    assert results(out).items() <= expected.items()
    assert {f"{name}.soundtrack.wav" for name in lines(out)} == set(results(out))


def test_a_worker_that_is_killed_fails_its_clip_alone(whole, tmp_path):
    clips, expected = whole
    out = tmp_path / "out"
    killed = []

    def kill() -> None:
        wait_for_work(out)
        for child in psutil.Process().children():
            if "kinebeat.batch.worker" in " ".join(child.cmdline()):
                killed.append(child.pid)
                child.kill()

    thread = threading.Thread(target=kill)
    thread.start()
    result = run_batch(clips, out, workers=1)
    thread.join()
    assert len(killed) == 1
    assert (result.done, result.failed) == (2, 1)
    assert "its worker was killed, perhaps for want of memory; run the batch again, with fewer workers" in str(result)
    assert lines(out)["a.npz"]["outcome"] == "failed"
    assert own_files(out) == ["lock"]
    assert run_batch(clips, out, workers=1).done == 1
    assert results(out) == expected


def test_a_worker_makes_way_after_its_share_of_clips(whole, tmp_path, monkeypatch):
    clips, expected = whole
    monkeypatch.setattr("kinebeat.batch.crew.RENEWED_AFTER", 1)
    started = []
    real = subprocess.Popen

    def start_worker(*words, **how):
        started.append(real(*words, **how))
        return started[-1]

    monkeypatch.setattr(subprocess, "Popen", start_worker)
    assert run_batch(clips, tmp_path / "out", workers=1).done == 3
    assert len(started) == 3
    assert all(process.poll() is not None for process in started)
    assert results(tmp_path / "out") == expected


def test_a_clip_that_takes_too_long_fails_alone(whole, tmp_path):
    clips, _ = whole
    result = run_batch(clips, tmp_path / "out", workers=1, limit_s=0.05)
    assert (result.done, result.failed) == (0, 3)
    assert "a.npz: took longer than 0.05 s; allow more time, or leave it out" in result.failures


def test_a_full_disk_stops_the_batch(whole, tmp_path, monkeypatch):
    clips, expected = whole
    out = tmp_path / "out"

    def full(*_: object, **__: object) -> None:
        raise OutputError(out, "the disk is full", "free some space") from OSError(errno.ENOSPC, "No space")

    def no_room(orders, **_):
        for order in orders:
            patch.setattr("kinebeat.soundtrack", full)
            yield do_clip(order)

    with monkeypatch.context() as patch:
        patch.setattr("kinebeat.batch.crew.local_outcomes", no_room)
        with pytest.raises(OutputError, match="the disk is full; free some space; then run the batch again"):
            run_batch(clips, out, workers=1)
    assert list(lines(out)) == ["a.npz"]
    (out / "a.npz.soundtrack.wav").mkdir()  # something in the way is no full disk
    result = run_batch(clips, out, workers=1)
    assert (result.done, result.failed) == (2, 1)
    (out / "a.npz.soundtrack.wav").rmdir()
    assert run_batch(clips, out, workers=1).done == 1
    assert results(out) == expected
