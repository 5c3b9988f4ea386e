"""Peak memory of a whole run on a short and a ten times longer clip (python benchmarks/memory.py)."""

from __future__ import annotations

import argparse
import contextlib
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from common import finish
from kinebeat.puppet import draw_puppet_video


def peak_megabytes(command: list[str]) -> float:
    """Most memory that a command and its processes held together, shared pages counted once (PSS)."""
    process = psutil.Popen(command)
    peak = 0
    while process.poll() is None:
        held = 0
        for part in [process, *_children(process)]:
            with contextlib.suppress(psutil.Error):
                held += part.memory_full_info().pss
        peak = max(peak, held)
        time.sleep(0.05)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return peak / 1e6


def _children(process: psutil.Process) -> list[psutil.Process]:
    with contextlib.suppress(psutil.Error):
        return process.children(recursive=True)
    return []


def main() -> None:
    """Measure and write benchmarks/results/memory.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, nargs=2, default=(1.0, 10.0))
    options = parser.parse_args()
    start = time.perf_counter()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for minutes in options.minutes:
            clip = Path(folder) / f"clip{minutes:g}.mp4"
            draw_puppet_video(clip, duration_s=60 * minutes, fps=30, size=(640, 480))
            outputs = ["-o", f"{folder}/out.mp4", "--wav", f"{folder}/out.wav", "--report", f"{folder}/out.json"]
            run = "from kinebeat.cli import main; main()"
            held = peak_megabytes([sys.executable, "-c", run, "soundtrack", str(clip), *outputs, "--quiet"])
            rows.append({"name": f"{minutes:g} minutes", "peak_megabytes": held})
    rows.append({"name": "ratio", "ratio": rows[1]["peak_megabytes"] / rows[0]["peak_megabytes"]})
    finish("memory", "Peak memory", rows, data="drawn dancer, 640x480, 30 fps", seconds=time.perf_counter() - start)


if __name__ == "__main__":
    main()
