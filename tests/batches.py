"""Clips for the tests of batches: keypoints, which need no pose, in folders, and a list of them."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from kinebeat.pose import save_pose
from movers import frame_times_s, sharp_moves, standing, swing_arms, track

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

NAMES = ("a.npz", "sub/a.npz", "z.npz")
BAD = "bad.npz"
WAIT_S = 300.0


def write_mover(path: Path, number: int = 0, duration_s: float = 4.0) -> Path:
    """Someone who strikes out with both arms, at another tempo for each number."""
    times_s = frame_times_s(duration_s)
    stops_s = np.arange(0.7, duration_s - 0.2, 0.42 + 0.06 * number)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_pose(track(swing_arms(standing(times_s), sharp_moves(times_s, stops_s)), times_s), path)
    return path


def write_list(folder: Path, *names: str) -> Path:
    """A list of movers, which are made."""
    for number, name in enumerate(names):
        write_mover(folder / name, number)
    path = folder / "clips.txt"
    path.write_text("\n".join(["# clips", "", *names]), encoding="utf-8")
    return path


def lines(out: Path) -> dict[str, dict[str, Any]]:
    """The manifest, which must have one line a clip."""
    found = [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]
    named = {line["clip"]: line for line in found}
    assert len(named) == len(found)
    assert list(named) == sorted(named)
    return named


def results(out: Path) -> dict[str, bytes]:
    """Everything in an output folder but the manifest and the lock."""
    return {
        str(path.relative_to(out)): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file() and path.name != "manifest.jsonl" and path != out / ".batch" / "lock"
    }


def wait_for_work(out: Path, process: subprocess.Popen | None = None) -> None:
    """Until a worker has begun with a clip.

    Args:
        out: the output folder.
        process: the batch, where it is one of its own; it must not end before.
    """
    end_s = time.monotonic() + WAIT_S
    while not (out / ".batch" / "work").is_dir() or not any((out / ".batch" / "work").iterdir()):
        assert time.monotonic() < end_s, "no worker has begun"
        assert process is None or process.poll() is None, "the batch ended before"
        time.sleep(0.01)
