"""What is left of Groove's offsets for one who knows a file (python benchmarks/offset_oracle.py --data DIR)."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from common import finish
from kinebeat.drums.data import read_groove

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kinebeat.drums.data import Performance

# What is known of a test file: its mean offset at so many places of the bar, and whether of each drum apart.
KNOWN = {
    "nothing (zero offset)": (0, False),
    "the mean of the file": (1, False),
    "the mean of each drum in the file": (1, True),
    "the mean at each quarter of a beat in the file": (4, False),
    "the mean of each drum at each place in the bar in the file": (16, True),
}


def left(performance: Performance, places: int, by_drum: bool) -> NDArray[np.float64]:
    """Squared errors (hits,) of offsets predicted by their own means over groups of hits."""
    step, drum = np.nonzero(performance.hits)
    offset = performance.offsets[step, drum].astype(float)
    if places == 0:
        return offset**2
    group = step % places * 9 + (drum if by_drum else 0)
    mean = np.bincount(group, offset) / np.maximum(np.bincount(group), 1)
    return (offset - mean[group]) ** 2


def main() -> None:
    """Measure and write benchmarks/results/offset_oracle.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    options = parser.parse_args()
    start = time.perf_counter()
    test = [p for p in read_groove(options.data) if p.split == "test" and p.kind == "beat"]
    rows = [
        {"name": name, "offset_mse": float(np.concatenate([left(p, *known) for p in test]).mean())}
        for name, known in KNOWN.items()
    ]
    finish(
        "offset_oracle",
        "Offset MSE at hits for one who knows ...",
        rows,
        data="Groove MIDI Dataset, official test split, 4/4 beat files",
        seconds=time.perf_counter() - start,
    )


if __name__ == "__main__":
    main()
