"""CPU time of hearing beats per second of video, one clip at a time (python benchmarks/beats_speed.py)."""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING

import numpy as np

from common import finish
from kinebeat.beats.activation import beat_activation
from kinebeat.beats.hearing import hear_beats
from kinebeat.evaluation.beat_clips import duration_of
from kinebeat.motion import compute_motion
from kinebeat.puppet import puppet_pose
from kinebeat.weights import registry

if TYPE_CHECKING:
    from collections.abc import Callable

SHIPPED = "beats"


def cpu_ms_per_s(work: Callable[[], object], length_s: float, runs: int) -> dict[str, float]:
    """Percentiles over runs of the process's CPU time (all threads) per second of video, after one run to warm up."""
    work()
    spent = []
    for _ in range(runs):
        begun = time.process_time()
        work()
        spent.append(1000 * (time.process_time() - begun) / length_s)
    return {f"p{p}_cpu_ms_per_s": float(np.percentile(spent, p)) for p in (50, 95, 99)}


def main() -> None:
    """Measure and write benchmarks/results/beats_speed.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, nargs="+", default=[20.0, 120.0], help="lengths of the clips")
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    start = time.perf_counter()
    rows: list[dict[str, object]] = []
    for seconds in options.seconds:
        pose = puppet_pose(np.arange(round(seconds * 30)) / 30)
        length_s = duration_of(pose)
        motion = compute_motion(pose, length_s)
        stages: dict[str, Callable[[], object]] = {
            "movement from keypoints": lambda pose=pose, length_s=length_s: compute_motion(pose, length_s),
            "the network alone": lambda motion=motion: beat_activation(motion, SHIPPED),
            "hear_beats, network and all": lambda motion=motion, length_s=length_s: hear_beats(motion, length_s),
        }
        for name, work in stages.items():
            rows.append({"name": f"{name}, {seconds:g} s", **cpu_ms_per_s(work, length_s, options.runs)})
    shipped = registry()[SHIPPED]
    used = shipped.file(shipped.constants["best"])
    rows.append({"name": "weight files", "megabytes": used.stat().st_size / 1e6})
    where = f"drawn dancer's joints at 30 fps; {options.runs} runs"
    finish("beats_speed", "CPU time of hearing beats", rows, data=where, seconds=time.perf_counter() - start)


if __name__ == "__main__":
    main()
