"""A real Ray cluster on this machine: two workers, one of which is killed half way, and the results of a local run."""

import subprocess
import sys
import time

import psutil
import pytest

from batches import lines, results, wait_for_work, write_list
from kinebeat.batch import run_batch

pytest.importorskip("ray", reason="Ray is not installed (pip install 'kinebeat[cluster]')", exc_type=ImportError)

CODE = "from kinebeat.cli import main; main()"
NAMES = tuple(f"{letter}.npz" for letter in "abcdef")


def batch(clips, out, *words: str) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", CODE, "batch", str(clips), "--out", str(out), *words])


def at_work(process: psutil.Process) -> list[psutil.Process]:
    """The Ray workers that are doing a clip."""
    found = []
    for child in process.children(recursive=True):
        try:
            if "ray::" in "".join(child.cmdline()[:1]) and "do_clip" in child.cmdline()[0]:
                found.append(child)
        except psutil.Error:
            continue
    return found


def test_a_cluster_does_what_this_machine_does_even_if_a_worker_is_killed(tmp_path):
    clips, out, expected = write_list(tmp_path, *NAMES), tmp_path / "cluster", tmp_path / "local"
    assert run_batch(clips, expected, workers=2).done == len(NAMES)
    process = batch(clips, out, "--ray", "local", "--workers", "2", "-q")
    wait_for_work(out, process)
    while (out / "manifest.jsonl").read_bytes().count(b"\n") < 2:
        assert process.poll() is None
        time.sleep(0.01)
    while not (busy := at_work(psutil.Process(process.pid))):
        assert process.poll() is None
        time.sleep(0.005)
    busy[0].kill()
    assert process.wait(timeout=300) == 0
    assert not busy[0].is_running()
    assert results(out) == results(expected)
    assert {name: line["outcome"] for name, line in lines(out).items()} == dict.fromkeys(NAMES, "done")
    timings = {"seconds", "seconds_by_stage", "started"}
    for name, line in lines(expected).items():
        same = {key: value for key, value in line.items() if key not in timings}
        assert {key: value for key, value in lines(out)[name].items() if key not in timings} == same


def test_a_stop_leaves_the_cluster_and_nothing_behind(tmp_path):
    clips, out = write_list(tmp_path, *NAMES[:3]), tmp_path / "out"
    process = batch(clips, out, "--ray", "local", "--workers", "2", "-q")
    wait_for_work(out, process)
    family = psutil.Process(process.pid).children(recursive=True)
    process.terminate()
    assert process.wait(timeout=120) == 130
    _, alive = psutil.wait_procs(family, timeout=30)
    assert not alive
    assert [path.name for path in (out / ".batch").iterdir()] == ["lock"]


def test_no_cluster_is_told(tmp_path):
    clips = write_list(tmp_path, "a.npz")
    process = subprocess.run(
        [sys.executable, "-c", CODE, "batch", str(clips), "--out", str(tmp_path / "out"), "--ray", "127.0.0.1:1"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 2
    assert "no Ray cluster at '127.0.0.1:1'" in process.stderr.splitlines()[-1]
    assert not (tmp_path / "out").exists()
