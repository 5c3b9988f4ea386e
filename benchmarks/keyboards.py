"""Keyboards found in films, and how long it takes (python benchmarks/keyboards.py --data DIR).

The films of pianists all show a whole keyboard of 88 keys; the other films show none.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

from common import finish, spread
from kinebeat.errors import InputError
from kinebeat.performance.keyboard import Keyboard, find_keyboard
from kinebeat.performance.truth.piano_videos import read_clips


def main() -> None:
    """Measure, and write benchmarks/results/keyboards.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    options = parser.parse_args()
    start = time.perf_counter()
    films = {
        "films of pianists": [clip.path for clip in read_clips(options.data)],
        "other films": sorted((options.data / "videos").rglob("*.mp4")),
    }
    rows: list[dict[str, Any]] = []
    for name, paths in films.items():
        found: list[Keyboard] = []
        taken_s: list[float] = []
        for path in paths:
            began = time.process_time()
            try:
                keyboard = find_keyboard(path)
            except InputError:
                continue  # a broken file, there on purpose
            taken_s.append(time.process_time() - began)
            found += [keyboard] if keyboard is not None else []
        row = {"name": name, "films": len(taken_s), "found": len(found)}
        row["all_88_keys"] = sum(k.octave_known and (k.first, k.last) == (0, 51) and not k.mirrored for k in found)
        rows.append(row | {f"cpu_{key}": value for key, value in spread(taken_s).items()})
    finish("keyboards", "Keyboards", rows, data="all that can be read", seconds=time.perf_counter() - start)


if __name__ == "__main__":
    main()
