"""Turn a trained network into shipped weights: `python -m kinebeat.live.visbeat.export --run RUN`.

Like `network.py` and `train.py` this file needs torch, and nothing that plays imports it.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from kinebeat.live.video2rhythm import network as heavy
from kinebeat.live.visbeat.model import FORECAST_TICKS, NAME, NEAR_TICKS
from kinebeat.live.visbeat.network import TICK_INPUTS, parameters
from kinebeat.live.visbeat.train import HeavyRecipe, Recipe, load_best, load_heavy
from kinebeat.skeleton import LAYOUTS
from kinebeat.training import read_best
from kinebeat.weights import FOLDER
from kinebeat.weights.cards import card_text
from kinebeat.weights.exporting import read_entries, to_onnx, write_entries, write_graphs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from kinebeat.live.video2rhythm.network import Video2RhythmNet
    from kinebeat.live.visbeat.network import VisBeatNet

HEAVY_NAME = "live-video2rhythm"
LICENCE = (
    "Apache-2.0 as far as it is ours; trained in part on data for non-commercial use and on data without a licence: "
    "for commercial use train again on a corpus made with --without bandai --without choreonet"
)
DATA = (
    "movement of the CMU Graphics Lab Motion Capture Database (free for any use), of the Bandai Namco Research Motion "
    "Dataset (CC BY-NC 4.0) and of ChoreoNet (Ye et al. 2020; no licence stated), as it is and warped in time onto "
    "beats that we chose, filmed by made-up cameras and found by a made-up detector; the truth is computed from it"
)
CAUTION = (
    "Learned from one person at a time, from films of motion capture and not from real cameras. A visual beat is where "
    "the movement brakes evenly, not where music would have its beat."
)
WHAT = {
    NAME: "VisBeatNet of InteractiveBeat 3.1.2: the kinematic offsets and visual beats to come of a live movement",
    HEAVY_NAME: "Video2Rhythm made causal, InteractiveBeat 4.4: kept to be measured beside, it plays nothing",
}
SCORES = ("set", "way", "precision", "recall", "f", "cemgil", "b_align")


def model_parts(net: VisBeatNet) -> dict[str, NDArray[np.uint8]]:
    """The graphs of VisBeatNet: see `kinebeat.live.visbeat.model.VisBeatNet`."""
    net = net.eval()
    tick, state = torch.zeros(1, TICK_INPUTS), net.begin(1)

    def step(tick: Tensor, state: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        offset, logit, after = net.step(tick, state)
        return offset, torch.sigmoid(logit), after

    def forecast(state: Tensor, ticks: int) -> tuple[Tensor, Tensor]:
        offsets, logits = net.forecast(state, ticks)
        return offsets, torch.sigmoid(logits)

    inputs = {"tick": (tick, ".."), "state": (state, "..")}
    return {"step": to_onnx(net, step, inputs, {"offset": ".", "chance": ".", "after": ".."})} | {
        name: to_onnx(
            net,
            lambda state, ticks=ticks: forecast(state, ticks),
            {"state": (state, "..")},
            {"offsets": "..", "chances": ".."},
        )
        for name, ticks in (("near", NEAR_TICKS), ("forecast", FORECAST_TICKS))
    }


def heavy_parts(net: Video2RhythmNet) -> dict[str, NDArray[np.uint8]]:
    """The graphs of the heavy baseline: velocity and seen to memory; memory and the K so far to K and logits."""
    net, joints = net.eval(), len(LAYOUTS["rhythmicnet17"].joints)
    velocity, seen = torch.zeros(1, heavy.CONTEXT_TICKS, joints, 2), torch.ones(1, heavy.CONTEXT_TICKS, joints)
    with torch.no_grad():
        memory = net.remember(velocity, seen)
    return {
        "encoder": to_onnx(
            net, net.remember, {"velocity": (velocity, "...."), "seen": (seen, "...")}, {"memory": "..."}
        ),
        "decoder": to_onnx(
            net,
            net.decode,
            {"memory": (memory, "..."), "before": (torch.zeros(1, 7), ".N")},
            {"offsets": ".N", "logits": ".N"},
        ),
    }


def command(kept: Mapping[str, Any], run: Path) -> str:
    """The command that trains it again, from what the training said of itself."""
    usual = Recipe() if kept["variant"] == "visbeat" else HeavyRecipe()
    words = ["python -m kinebeat.live.visbeat.train --data CORPUS", f"--variant {kept['variant']}"]
    words.append(f"--out runs/{run.name} --seed {kept['seed']}")
    chosen = {name: kept["recipe"][name] for name in ("steps", "batch", "rate")}
    words += [f"--{name} {value:g}" for name, value in chosen.items() if value != getattr(usual, name)]
    words += [f"--minutes {kept['minutes']:g}"] if kept["minutes"] is not None else []
    return " ".join(words)


def card(name: str, entry: Mapping[str, Any], kept: Mapping[str, Any], numbers: int) -> str:
    """The Markdown card of a weight."""
    validation = f"F of forecasts of a second {kept['rolled_f']:.3f}, their mean square error {kept['rolled_mse']:.4f}"
    if "next_f" in kept:
        validation += f"; F of the next tick {kept['next_f']:.3f}, its error {kept['next_mse']:.4f}"
    facts = {
        "seed": str(kept["seed"]),
        "training": f"best at step {kept['step']} of {kept['recipe']['steps']}, {kept['seconds'] / 60:.0f} minutes in; "
        f"validation: {validation}",
    }
    cells = [
        [str(row["name"]), *(f"{v:.3f}" if isinstance(v := row.get(key), float) else str(v or "") for key in SCORES)]
        for row in entry["scores"]
    ]
    table = ("Of `kinebeat evaluate visual-beats` (higher is better):", ("row", *SCORES), cells)
    return card_text(name, f"{WHAT[name]}; {numbers:,} numbers.", entry, facts, [table] if cells else [], CAUTION)


def export(run: Path, *, scores: Path | None = None, folder: Path = FOLDER) -> str:
    """Write the network that a training kept, its registry entry and its card.

    Args:
        run: folder of the training.
        scores: what `kinebeat evaluate visual-beats --json` wrote.
        folder: where the weights go.

    Returns:
        The name of the weight.

    Raises:
        InputError: no training is there.
    """
    if read_best(run)["variant"] == "visbeat":
        name, title = NAME, "VisBeatNet"
        net, kept = load_best(run)
        _unweigh(net.beat.bias, kept)
        parts, numbers = model_parts(net), parameters(net)
        constants: dict[str, Any] = {"state_size": net.state_size}
    else:
        name, title = HEAVY_NAME, "Video2Rhythm"
        baseline, kept = load_heavy(run)
        _unweigh(baseline.head.bias[1], kept)
        parts, numbers, constants = heavy_parts(baseline), parameters(baseline), {}
    constants |= {"parameters": numbers, "threshold": _unweighed(kept["rolled_threshold"], kept)}
    if "next_threshold" in kept:
        constants["next_threshold"] = _unweighed(kept["next_threshold"], kept)
    table: list[dict[str, Any]] = json.loads(scores.read_text(encoding="utf-8"))["rows"] if scores else []
    entries = read_entries(folder)
    entries[name] = {
        "sha256": write_graphs(name, {part: graph.tobytes() for part, graph in parts.items()}, folder),
        "constants": constants,
        "licence": LICENCE,
        "data": DATA,
        "recipe": command(kept, run),
        "scores": [
            {k: row[k] for k in ("name", *SCORES) if k in row}
            for row in (*_validation(title, kept), *table)
            if row["name"] == title
        ],
        "date": dt.datetime.fromtimestamp((run / "best.pt").stat().st_mtime, dt.UTC).date().isoformat(),
    }
    (folder / f"{name}.md").write_text(card(name, entries[name], kept, numbers), encoding="utf-8")
    write_entries(entries, folder)
    return name


def _validation(title: str, kept: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rows of the validation, where thresholds were chosen."""
    ways = {"rolled_f": "next second from all before", "next_f": "next tick from all before"}
    if title != "VisBeatNet":
        ways = {"rolled_f": "next second from 3 s"}
    return [{"name": title, "set": "validation", "way": way, "f": round(kept[key], 4)} for key, way in ways.items()]


@torch.no_grad()
def _unweigh(bias: Tensor, kept: Mapping[str, Any]) -> None:
    """Take the weight of the beats off their logits again, so that a probability is as often right as it says."""
    bias -= math.log(kept["recipe"]["beat_weight"])


def _unweighed(threshold: float, kept: Mapping[str, Any]) -> float:
    """The threshold on a probability of which that is taken off."""
    odds = threshold / (1 - threshold) / float(kept["recipe"]["beat_weight"])
    return round(odds / (1 + odds), 4)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command `python -m kinebeat.live.visbeat.export`."""
    about = (__doc__ or "").split("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m kinebeat.live.visbeat.export", description=about)
    parser.add_argument("--run", type=Path, required=True, help="folder of a training")
    parser.add_argument("--scores", type=Path, help="what `kinebeat evaluate visual-beats --json` wrote")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the weights go")
    options = parser.parse_args(arguments)
    export(options.run, scores=options.scores, folder=options.folder)


if __name__ == "__main__":
    main()
