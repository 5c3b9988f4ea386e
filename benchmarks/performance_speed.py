"""Seconds to hear a film of a musician, by stage (python benchmarks/performance_speed.py FILM [violin=FILM ...])."""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

from common import finish
from kinebeat import perform
from kinebeat.weights import registry


def main() -> None:
    """Measure, and write benchmarks/results/performance_speed.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("films", nargs="+", help="of pianists, or INSTRUMENT=FILM")
    parser.add_argument("--workers", type=int, help="processes that look for hands")
    options = parser.parse_args()
    start = time.perf_counter()
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        for named in options.films:
            instrument, _, path = named.rpartition("=")
            film, instrument = Path(path), instrument or "piano"
            began = time.perf_counter()
            made = perform(film, instrument, workers=options.workers)
            made.save(Path(folder) / "out.mp4")
            whole_s = time.perf_counter() - began
            row: dict[str, Any] = {"name": film.stem, "instrument": instrument, "duration_s": made.duration_s}
            row |= {
                "frames_per_s": made.video.fps,
                "looked_at_per_s": len(made.performer.track.times_s) / made.duration_s,
            }
            row |= {"notes": len(made.played), "s_per_s": whole_s / made.duration_s}
            rows.append(row | {f"{stage}_s_per_s": took / made.duration_s for stage, took in made.seconds.items()})
    weights = [weight for name, weight in registry().items() if name.startswith("performance-")]
    megabytes = sum(file.stat().st_size for weight in weights for file in weight.files) / 1e6
    rows.append({"name": "shipped weights", "megabytes": megabytes})
    finish(
        "performance_speed",
        "kinebeat perform: seconds per second of film",
        rows,
        data=f"{len(options.films)} films, {options.workers or 'all'} processes",
        seconds=time.perf_counter() - start,
    )


if __name__ == "__main__":
    main()
