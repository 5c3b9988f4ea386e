"""Turn a trained network of key presses into shipped weights: `python -m kinebeat.performance.pressing.export`.

Like `network.py` and `train.py` this file needs torch, and nothing that plays imports it.
"""

from __future__ import annotations

import argparse
import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from kinebeat.performance.piano_keys import CENTRE_U, LOWEST_PITCH, PITCH_CLASSES, PITCHES
from kinebeat.performance.pressing.model import WEIGHT
from kinebeat.performance.pressing.network import CHANNELS, PressNet, parameters
from kinebeat.performance.pressing.pictures import COLUMNS, ROWS
from kinebeat.performance.pressing.train import HELD, load_best
from kinebeat.weights import FOLDER
from kinebeat.weights.cards import card_text
from kinebeat.weights.exporting import read_entries, to_onnx, write_entries, write_graphs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

LICENCE = (
    "Apache-2.0 as far as it is ours; trained on films of pianists published as research data without a licence: for "
    "other use train again on films of your own"
)
DATA = (
    "AI-Pianist (Akbari, Liang and Cheng 2018): 43 overhead films of 11 pianists with notes transcribed by machine, no "
    "licence stated (real)"
)
CAUTION = (
    "Learned from the films of one data set: cameras that stand still, 20 pictures a second, 11 pixels a key; other "
    "films are imitated by changes of light, sharpness and place alone. Loudness is not in the data: all notes are "
    "equally loud."
)


def graphs_of(net: PressNet) -> dict[str, NDArray[np.uint8]]:
    """The graphs "see" and "follow", for all 88 keys: see `kinebeat.performance.pressing.model.PressModel`."""
    net = net.eval()
    centres = torch.as_tensor(CENTRE_U, dtype=torch.float32)
    classes = (torch.arange(PITCHES) + LOWEST_PITCH) % PITCH_CLASSES

    def see(pictures: Tensor) -> Tensor:
        count = pictures.shape[0]
        return net.at_keys(pictures, centres.expand(count, -1), classes.expand(count, -1))

    def follow(told: Tensor) -> Tensor:
        return net.through_time(told[None])[0].sigmoid()

    pictures, told = torch.zeros(3, CHANNELS, ROWS, COLUMNS), torch.zeros(40, PITCHES, net.config.width)
    return {
        "see": to_onnx(net, see, {"pictures": (pictures, "N...")}, {"told": "N.."}),
        "follow": to_onnx(net, follow, {"told": (told, "T..")}, {"done": "T.."}),
    }


def export(run: Path, *, threshold: float | None = None, name: str = WEIGHT, folder: Path = FOLDER) -> str:
    """Write a trained network, its entry in the registry and its card.

    Args:
        run: the folder of the training.
        threshold: of a key that is struck; the one that was best in validation if None.
        name: of the weight.
        folder: where the weights go.

    Returns:
        The name.

    Raises:
        InputError: no training is there.
    """
    net, kept = load_best(run)
    graphs = {part: graph.tobytes() for part, graph in graphs_of(net).items()}
    chosen = float(kept["threshold"]) if threshold is None else threshold
    validated = {key: round(float(kept[key]), 4) for key in ("note_f", "class_f", "threshold")}
    entries = read_entries(folder)
    entries[name] = {
        "sha256": write_graphs(name, graphs, folder),
        "constants": {"threshold": chosen, "held": HELD},
        "licence": LICENCE,
        "data": DATA,
        "recipe": command(kept),
        "scores": [{"name": "validation", **validated}],
        "date": dt.datetime.fromtimestamp((run / "best.pt").stat().st_mtime, dt.UTC).date().isoformat(),
    }
    (folder / f"{name}.md").write_text(card(name, entries[name], net, kept), encoding="utf-8")
    write_entries(entries, folder)
    return name


def command(kept: Mapping[str, Any]) -> str:
    """The command that trains it again, from what the training said of itself."""
    recipe = kept["recipe"]
    words = ["python -m kinebeat.performance.pressing.train --films CORPUS --out runs/presses"]
    words += [f"--seed {kept['seed']} --steps {recipe['steps']} --rate {recipe['rate']:g}"]
    words += [f"--batch {recipe['drawing']['batch']}"]
    words += [f"--{option} runs/{kept[option]}" for option in ("start", "clock") if kept.get(option) is not None]
    words += [f"--minutes {kept['minutes']:g}"] if kept["minutes"] is not None else []
    return " ".join(words)


def card(name: str, entry: Mapping[str, Any], net: PressNet, kept: Mapping[str, Any]) -> str:
    """The Markdown card of a weight."""
    config = net.config
    widths = ", ".join(str(width) for width in config.widths)
    what = (
        f"Sees the keys of a piano go down in a film: convolutions of {widths} over each straightened picture, "
        f"{config.layers} of {config.width} over time, the same for all 88 keys; {parameters(net):,} numbers."
    )
    facts = {
        "seed": str(kept["seed"]),
        "training": f"best at step {kept['step']} of {kept['recipe']['steps']}, {kept['seconds'] / 60:.0f} minutes in",
        "plays with": f"threshold {entry['constants']['threshold']:g}, held {entry['constants']['held']:g}",
        "validation": ", ".join(f"{key} {value:.3f}" for key, value in entry["scores"][0].items() if key != "name"),
    }
    if kept.get("clock") is not None:
        facts["notes"] = f"at the time of the strokes that runs/{kept['clock']} saw, a network trained before it"
    return card_text(name, what, entry, facts, [], CAUTION)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command `python -m kinebeat.performance.pressing.export`."""
    about = (__doc__ or "").split("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m kinebeat.performance.pressing.export", description=about)
    parser.add_argument("--run", type=Path, required=True, help="folder of the training")
    parser.add_argument("--threshold", type=float, help="from which a key is struck")
    parser.add_argument("--name", default=WEIGHT, help="of the weight")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the weights go")
    options = parser.parse_args(arguments)
    export(options.run, threshold=options.threshold, name=options.name, folder=options.folder)


if __name__ == "__main__":
    main()
