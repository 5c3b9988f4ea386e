"""Choose the thresholds of the nearest key under the fingertip (python benchmarks/fingertip_thresholds.py --data DIR).

They are chosen on the clips of the training, their notes moved to the time of the hands; the player of validation
beside them shows whether they hold. What is found belongs into `kinebeat.evaluation.fingertips.Thresholds`.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from common import finish
from kinebeat.evaluation.fingertips import SHIPPED, Fingertips, fingertips, struck, tuned
from kinebeat.evaluation.note_metrics import note_figures
from kinebeat.performance.truth.alignment import align
from kinebeat.performance.truth.piano_videos import of_splits, read_clips
from kinebeat.performance.truth.watching import watch

if TYPE_CHECKING:
    from kinebeat.performance.notes import Notes


def main() -> None:
    """Choose, and write benchmarks/results/fingertip_thresholds.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--keypoints", type=Path, help="folder with the keypoints of the films, filled if they are not")
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    start = time.perf_counter()
    known: dict[str, list[tuple[Fingertips, Notes]]] = {"train": [], "validation": []}
    for clip in of_splits(read_clips(options.data), ("train", "validation")):
        seen = watch(clip, options.keypoints)
        if seen.keyboard is not None:
            lag_s = align(clip.notes, seen.performer, seen.keyboard).lag_s
            known[clip.split].append((fingertips(seen.performer, seen.keyboard), clip.notes.later(-lag_s)))
    found, _ = tuned(known["train"], rounds=options.rounds, seed=options.seed)
    rows = []
    for name, thresholds in (("shipped", SHIPPED), ("chosen", found)):
        for split, clips in known.items():
            each = [note_figures(played, struck(tips, thresholds)) for tips, played in clips]
            row = {"name": f"{name}, {split}", "clips": len(clips)}
            rows.append(row | {key: float(np.mean([one[key] for one in each])) for key in each[0]} | asdict(thresholds))
    finish(
        "fingertip_thresholds",
        "Nearest key under the fingertip",
        rows,
        data="AI-Pianist films, training and validation players, aligned",
        seconds=time.perf_counter() - start,
    )


if __name__ == "__main__":
    main()
