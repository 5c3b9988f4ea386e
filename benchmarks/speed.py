"""Whole run against pose alone, on the same 720p30 clip, taken in turns (python benchmarks/speed.py)."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from common import finish, spread
from kinebeat import soundtrack
from kinebeat.pose import read_pose
from kinebeat.puppet import draw_puppet_video
from kinebeat.weights import total_bytes

IMPORT = "import time; t = time.perf_counter(); import kinebeat; print(time.perf_counter() - t)"


def main() -> None:
    """Measure and write benchmarks/results/speed.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--video", type=Path, help="a clip; a drawn 720p30 one if not given")
    parser.add_argument("--seconds", type=float, default=20.0, help="length of the drawn clip")
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        clip = options.video or Path(folder) / "clip.mp4"
        if options.video is None:
            draw_puppet_video(clip, duration_s=options.seconds, fps=30, size=(1280, 720))
        pose_s, whole_s, stages, length_s = [], [], [], 0.0
        for _ in range(options.runs):
            begun = time.perf_counter()
            read_pose(clip)
            pose_s.append(time.perf_counter() - begun)
            begun = time.perf_counter()
            made = soundtrack(clip)
            made.save(Path(folder) / "out.mp4")
            whole_s.append(time.perf_counter() - begun)
            stages.append(made.seconds)
            length_s = made.duration_s
    imports = [
        float(subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, text=True, check=True).stdout)
        for _ in range(options.runs)
    ]
    rows = [
        {"name": "pose alone", "s_per_s_of_video": float(np.median(pose_s)) / length_s, **spread(pose_s)},
        {"name": "whole run", "s_per_s_of_video": float(np.median(whole_s)) / length_s, **spread(whole_s)},
        {"name": "whole run / pose alone", "ratio": float(np.median(np.array(whole_s) / np.array(pose_s)))},
        *({"name": f"stage: {stage}", "p50_s": float(np.median([s[stage] for s in stages]))} for stage in stages[0]),
        {"name": "import kinebeat", **spread(imports)},
        {"name": "shipped weights", "megabytes": total_bytes() / 1e6},
    ]
    where = options.video.name if options.video else f"drawn dancer, {options.seconds:g} s, 1280x720, 30 fps"
    finish("speed", "Speed", rows, data=f"{where}; {options.runs} runs in turns", seconds=time.perf_counter() - start)


if __name__ == "__main__":
    main()
