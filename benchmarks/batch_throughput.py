"""A batch against the sum of single runs of the same clips, taken in turns (python benchmarks/batch_throughput.py)."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from common import finish
from kinebeat.puppet import draw_puppet_video

COMMAND = [sys.executable, "-c", "from kinebeat.cli import main; main()"]


def timed(*words: object, cores: set[int]) -> float:
    """Seconds that `kinebeat` takes with these words, on these cores."""
    begin_s = time.perf_counter()
    # The affinity is this process's own while the command starts, and is taken over by all that it starts.
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        process = subprocess.Popen([*COMMAND, *map(str, words)], stdout=subprocess.DEVNULL)
    finally:
        os.sched_setaffinity(0, before)
    if process.wait():
        raise SystemExit(f"kinebeat {' '.join(map(str, words))} failed")
    return time.perf_counter() - begin_s


def singles(clips: list[Path], out: Path, cores: set[int]) -> float:
    """Seconds that the clips take one after the other."""
    return sum(timed("soundtrack", clip, "-o", out / f"{clip.stem}.mp4", "-q", cores=cores) for clip in clips)


def batch(folder: Path, out: Path, workers: int, cores: set[int]) -> float:
    """Seconds that a batch takes."""
    shutil.rmtree(out, ignore_errors=True)
    return timed("batch", folder, "--out", out, "--workers", workers, "-q", cores=cores)


def main() -> None:
    """Measure and write benchmarks/results/batch_throughput.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=Path, help="a folder of clips; drawn ones if not given")
    parser.add_argument("--count", type=int, default=8, help="how many are drawn")
    parser.add_argument("--seconds", type=float, default=10.0, help="length of a drawn clip")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="print only, write nothing")
    options = parser.parse_args()
    begin_s = time.perf_counter()
    cores = sorted(os.sched_getaffinity(0))[: options.workers]
    if len(cores) < options.workers:
        raise SystemExit(f"{options.workers} workers need as many cores; there are {len(cores)}")
    with tempfile.TemporaryDirectory() as place:
        work = Path(place)
        folder = options.clips or work / "clips"
        if options.clips is None:
            folder.mkdir()
            for number in range(options.count):
                size, tempo = (1280, 720), 90.0 + 6 * number
                clip = folder / f"{number}.mp4"
                draw_puppet_video(clip, duration_s=options.seconds, fps=30, size=size, tempo_bpm=tempo, seed=number)
        clips = sorted(path for path in folder.iterdir() if path.is_file())
        (work / "out").mkdir()
        ways = {
            "single runs, one core": lambda: singles(clips, work / "out", {cores[0]}),
            f"single runs, {options.workers} cores": lambda: singles(clips, work / "out", set(cores)),
            "batch, 1 worker, one core": lambda: batch(folder, work / "batch", 1, {cores[0]}),
            f"batch, {options.workers} workers, {options.workers} cores": lambda: batch(
                folder, work / "batch", options.workers, set(cores)
            ),
        }
        taken: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(options.runs):
            for name, way in ways.items():
                taken[name].append(way())
    rows = [
        {"name": name, "p50_s": float(np.median(seconds)), "s_a_clip": float(np.median(seconds)) / len(clips)}
        for name, seconds in taken.items()
    ]
    whole = np.array(taken[f"batch, {options.workers} workers, {options.workers} cores"])
    for name in list(ways)[:3]:
        gain = np.array(taken[name]) / whole
        rows.append({"name": f"throughput of the batch against {name}", "ratio": float(np.median(gain))})
    drawn = f"{options.count} drawn dancers of {options.seconds:g} s, 1280x720, 30 fps"
    data = f"{drawn if options.clips is None else options.clips.name}; {options.runs} runs in turns"
    if options.quick:
        print(rows)
        return
    finish("batch_throughput", "Batch", rows, data=data, seconds=time.perf_counter() - begin_s)


if __name__ == "__main__":
    main()
