"""What the benchmarks share: percentiles, and where their JSON goes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from kinebeat.evaluation.tables import as_text, table, write_json

RESULTS = Path(__file__).parent / "results"


def spread(seconds: list[float]) -> dict[str, float]:
    """p50, p95 and p99 of some timings, in seconds."""
    return {f"p{p}_s": float(np.percentile(seconds, p)) for p in (50, 95, 99)}


def finish(name: str, title: str, rows: list[dict[str, Any]], *, data: str, seconds: float) -> None:
    """Print a benchmark's table and write it to benchmarks/results/NAME.json."""
    content = table(title, rows, data=data, seconds=seconds)
    print(as_text(content))
    write_json(content, RESULTS / f"{name}.json")
