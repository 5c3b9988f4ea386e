"""What a random split of Groove's windows does to the U-Net's figures (python benchmarks/random_split.py --data DIR).

RhythmicNet's paper splits Groove 0.8/0.1/0.1 without saying by what. Drummers repeat a groove for minutes, so windows
drawn at random have near twins in training. This trains the paper's U-Net once on the data set's own training files and
once on 80 % of all windows at random, for as many steps, and scores both on the data set's own test files.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from common import finish
from kinebeat.drums.batches import Windows, cut, whole
from kinebeat.drums.data import read_groove, vocabulary_of
from kinebeat.drums.train import RECIPES, build, losses, validate

BARS = 2


def tensors(windows: Windows, rows: np.ndarray) -> dict[str, torch.Tensor]:
    """Some windows as the training takes them."""
    return {name: torch.as_tensor(value[rows]) for name, value in vars(windows).items()}


def main() -> None:
    """Train twice, score, and write benchmarks/results/random_split.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=6000)
    options = parser.parse_args()
    torch.set_num_threads(1)
    start = time.perf_counter()
    performances = read_groove(options.data)
    vocabulary = vocabulary_of(p.hits for p in performances)
    test = whole([p for p in performances if p.split == "test" and p.kind == "beat"], BARS, vocabulary, seed=1)
    rng = np.random.default_rng(0)
    chosen = {
        "the data set's own split": [(p, f) for p in performances if p.split == "train" for f in starts(p)],
        "80 % of all windows at random": [(p, f) for p in performances for f in starts(p) if rng.random() < 0.8],
    }
    rows = []
    for name, places in chosen.items():
        windows = cut(places, BARS, vocabulary, np.random.default_rng(0))
        figures = fit(windows, test, options.steps, vocabulary)
        rows.append({"name": name, "windows": len(places), **figures})
    finish(
        "random_split",
        "U-Net of the paper on Groove's own test files, hits only",
        rows,
        data=f"Groove MIDI Dataset, 4/4; {options.steps} steps each, last weights",
        seconds=time.perf_counter() - start,
    )


def starts(performance: object) -> range:
    """First bars of the windows of a file, half overlapping."""
    return range(max(1, len(performance.hits) // 16 - BARS + 1))  # type: ignore[attr-defined]


def fit(windows: Windows, test: Windows, steps: int, vocabulary: object) -> dict[str, float]:
    """Train the paper's U-Net on windows and score it."""
    torch.manual_seed(0)
    plan = replace(RECIPES["unet-paper"], net={"dropout": 0.0})
    net = build("unet-paper", plan, vocabulary)  # type: ignore[arg-type]
    optimiser = torch.optim.AdamW(net.parameters(), lr=plan.rate, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    rng = np.random.default_rng(1)
    for _ in range(steps):
        loss = losses(net, tensors(windows, rng.integers(len(windows.hits), size=plan.batch)))["loss"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    figures = validate(net, test, torch.device("cpu"))
    return {"velocity_mse": figures["velocity_mse"], "offset_mse": figures["offset_mse"]}


if __name__ == "__main__":
    main()
