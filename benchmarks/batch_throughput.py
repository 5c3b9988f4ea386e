"""A batch against the sum of single runs of the same clips, taken in turns (python benchmarks/batch_throughput.py)."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from common import finish
from kinebeat.puppet import draw_puppet_video

if TYPE_CHECKING:
    from collections.abc import Callable

COMMAND = [sys.executable, "-c", "from kinebeat.cli import main; main()"]
LEFT_ALONE = 0.1
"""A time counts if the other processes of the machine had at most this many cores meanwhile."""
LOOK_S = 2.0


class Others:
    """What other processes take, and how long they are waited for."""

    def __init__(self, patience_s: float) -> None:
        self._end_s = time.monotonic() + patience_s
        self.cores: list[float] = []

    def quiet(self, way: Callable[[], float]) -> float:
        """Seconds that something takes, once other processes leave the cores alone, or have been waited for enough."""
        while True:
            while self._cores(time.sleep, LOOK_S)[0] > LEFT_ALONE and time.monotonic() < self._end_s:
                pass
            cores, seconds = self._cores(way)
            if cores <= LEFT_ALONE or time.monotonic() > self._end_s:
                self.cores.append(cores)
                return seconds

    def _cores(self, do: Callable[..., Any], *words: float) -> tuple[float, Any]:
        """How many cores others had meanwhile, and what came of it."""
        begin_s, before_s = time.perf_counter(), self._cpu_s()
        result = do(*words)
        return (self._cpu_s() - before_s) / (time.perf_counter() - begin_s), result

    def _cpu_s(self) -> float:
        """Processor seconds of all processes but this one and those that it waited for."""
        ticks = Path("/proc/stat").read_text().split("\n")[0].split()[1:8]
        idle = (3, 4)
        whole_s = sum(int(tick) for i, tick in enumerate(ticks) if i not in idle) / os.sysconf("SC_CLK_TCK")
        ours = os.times()
        return whole_s - (ours.user + ours.system + ours.children_user + ours.children_system)


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


def single(clip: Path, out: Path, cores: set[int]) -> float:
    """Seconds that a clip takes alone."""
    return timed("soundtrack", clip, "-o", out / f"{clip.stem}.mp4", "-q", cores=cores)


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
    parser.add_argument("--patience", type=float, default=60.0, help="minutes to wait for other processes, in all")
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
        others = Others(60 * options.patience)

        def singles(on: set[int]) -> float:
            return sum(others.quiet(partial(single, clip, work / "out", on)) for clip in clips)

        def batches(workers: int) -> float:
            return others.quiet(partial(batch, folder, work / "batch", workers, set(cores[:workers])))

        ways = {
            "single runs, one core": partial(singles, {cores[0]}),
            f"single runs, {options.workers} cores": partial(singles, set(cores)),
            "batch, 1 worker, one core": partial(batches, 1),
            f"batch, {options.workers} workers, {options.workers} cores": partial(batches, options.workers),
        }
        taken: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(options.runs):
            for name, way in ways.items():
                taken[name].append(way())
                print(
                    f"{name}: {taken[name][-1]:.1f} s, others on up to {max(others.cores):.2f} cores", file=sys.stderr
                )
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
    data += f"; other processes had {max(others.cores):.2f} cores meanwhile at most"
    if options.quick:
        print(rows)
        return
    finish("batch_throughput", "Batch", rows, data=data, seconds=time.perf_counter() - begin_s)


if __name__ == "__main__":
    main()
