"""Turn trained live drummers into the weights that are shipped: `python -m kinebeat.live.drumming.export --data DIR`.

Like `network.py` and `train.py` this file needs torch, and nothing that plays imports it.
"""

from __future__ import annotations

import argparse
import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from kinebeat.drums.data import Vocabulary, read_groove, vocabulary_of
from kinebeat.live.drumming.baselines import velocity_errors
from kinebeat.live.drumming.data import CONTEXT, NEW, WINDOW
from kinebeat.live.drumming.model import DRUMGEN_WEIGHT, MONO_WEIGHT
from kinebeat.live.drumming.network import DrumGenTransformer, MonoGRU
from kinebeat.training import read_best
from kinebeat.weights import FOLDER
from kinebeat.weights.cards import card_text
from kinebeat.weights.exporting import read_entries, to_onnx, write_entries, write_graphs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from kinebeat.drums.data import Performance

LICENCE = "Apache-2.0"
DATA = "Groove MIDI Dataset 1.0.0 (Gillick et al. 2019), official split, 4/4 beat files; CC BY 4.0"
CAUTION = "Groove's drummers play rock, funk, jazz and Latin grooves on an electronic kit in 4/4: expect no other."
WEIGHT_OF = {"drumgen": DRUMGEN_WEIGHT, "mono": MONO_WEIGHT}


def drumgen_parts(net: DrumGenTransformer, vocabulary: Vocabulary) -> dict[str, NDArray[Any]]:
    """The graph of a DrumGenNet and its vocabulary: see `kinebeat.live.drumming.model.DrumGenNet`."""
    windows = 2
    graph = to_onnx(
        net.eval(),
        net.play,
        {
            "style": (torch.rand(windows, WINDOW), "B."),
            "context": (torch.zeros(windows, CONTEXT, dtype=torch.long), "B."),
            "beat_in_bar": (torch.zeros(windows, dtype=torch.long), "B"),
            "uniforms": (torch.rand(windows, NEW), "B."),
            "temperature": (torch.tensor(1.0), ""),
        },
        {"words": "B."},
    )
    return {"net": graph, "codes": vocabulary.codes}


def mono_parts(net: MonoGRU) -> dict[str, NDArray[Any]]:
    """The graph of a monophonic drummer: see `kinebeat.live.drumming.model.MonoNet`."""
    graph = to_onnx(
        net.eval(),
        net.step,
        {
            "before": (torch.zeros(1, dtype=torch.long), "."),
            "hidden": (torch.zeros(1, 1, net.gru.hidden_size), "..."),
            "uniform": (torch.rand(1), "."),
            "temperature": (torch.tensor(1.0), ""),
        },
        {"drum": ".", "next_hidden": "..."},
    )
    return {"net": graph}


WHAT = {
    "drumgen": (
        "DrumGenNet (InteractiveBeat 3.3): style of four beats and hits of three to the hits of the fourth. 2 + 2 "
        "layers, width 64, 1 head; {numbers:,} numbers. One graph encodes, takes four steps and draws."
    ),
    "mono": (
        "Monophonic drummer (InteractiveBeat 4.5): the drum that comes next after those before. A GRU of 64; "
        "{numbers:,} numbers. Kept for the tables."
    ),
}
ROWS = {
    "drumgen": {
        "nats": "this, styles like those of movement",
        "nats_not_told": "this, not told the beat of the bar",
        "nats_own_style": "this, the drums' own style",
        "nats_beginning": "this, silence before",
        "nats_no_style": "this, style all zero",
        "bigram_style": "counts given the word before and the level of the style",
        "unigram_style": "counts given the place in the beat and the level of the style",
        "bigram": "counts given the word before",
        "unigram": "counts",
    },
    "mono": {"nats": "this", "bigram": "counts given the drum before", "unigram": "counts"},
}
VELOCITIES = {
    "style": "the style of its step, like those of movement",
    "own_style": "the style of its step, the drums' own",
    "drum_mean": "its drum's mean",
    "constant": "one mean",
}


def export(run: Path, performances: Sequence[Performance], *, folder: Path = FOLDER) -> str:
    """Write the network that a training kept, its entry in the registry and its card.

    Args:
        run: the folder of the training.
        performances: all of Groove.
        folder: where the weights go.

    Returns:
        The name of the weight.

    Raises:
        InputError: no training is there.
    """
    kept = read_best(run)
    model, weights = kept["model"], kept.pop("net")
    vocabulary = vocabulary_of(p.hits for p in performances)
    net: DrumGenTransformer | MonoGRU
    if model == "mono":
        net = MonoGRU(**kept["recipe"]["net"])
        net.load_state_dict(weights)
        parts = mono_parts(net)
    else:
        net = DrumGenTransformer(vocabulary.matrix, **kept["recipe"]["net"])
        net.load_state_dict(weights)
        parts = drumgen_parts(net, vocabulary)
    name = WEIGHT_OF[model]
    graphs = {part: value.tobytes() for part, value in parts.items() if value.dtype == np.uint8}
    entry = {
        "sha256": write_graphs(name, graphs, folder),
        "constants": {part: value.tolist() for part, value in parts.items() if part not in graphs},
        "licence": LICENCE,
        "data": DATA,
        "recipe": command(kept),
        "scores": [{"name": f"validation, {what}", "nats": round(kept[key], 4)} for key, what in ROWS[model].items()],
        "date": dt.datetime.fromtimestamp((run / "best.pt").stat().st_mtime, dt.UTC).date().isoformat(),
    }
    write_entries({**read_entries(folder), name: entry}, folder)
    numbers = sum(value.numel() for value in net.parameters())
    unit = "a note" if model == "mono" else "a 16th of the next beat"
    sentence = f"Negative log likelihood on the validation split, nats {unit} (lower is better):"
    tables = [(sentence, ("", "nats"), [(what, f"{kept[key]:.3f}") for key, what in ROWS[model].items()])]
    if model == "drumgen":
        beats = {s: [p for p in performances if p.split == s and p.kind == "beat"] for s in ("train", "validation")}
        errors = velocity_errors(beats["train"], beats["validation"], np.random.default_rng(0))
        sentence = "Mean squared error of velocities on the validation split, if the velocity of a hit is"
        tables.append((sentence, ("", "error"), [(what, f"{errors[key]:.4f}") for key, what in VELOCITIES.items()]))
    facts = {
        "seed": str(kept["seed"]),
        "training": f"best at step {kept['step']}, {kept['seconds'] / 60:.0f} minutes in",
    }
    text = card_text(name, WHAT[model].format(numbers=numbers), entry, facts, tables, CAUTION)
    (folder / f"{name}.md").write_text(text, encoding="utf-8")
    return name


def command(kept: Mapping[str, Any]) -> str:
    """The command that trains a network, from what its training said of itself."""
    model = kept["model"]
    words = [
        f"python -m kinebeat.live.drumming.train --data DIR --model {model} --out runs/{model} --seed {kept['seed']}"
    ]
    words += [f"--minutes {kept['minutes']:g}"] if kept["minutes"] is not None else []
    return " ".join(words)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command `python -m kinebeat.live.drumming.export`."""
    about = (__doc__ or "").split("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m kinebeat.live.drumming.export", description=about)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds the Groove MIDI Dataset")
    parser.add_argument("--run", type=Path, required=True, action="append", help="folder of a training")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the weights go")
    options = parser.parse_args(arguments)
    performances = read_groove(options.data)
    for run in options.run:
        export(run, performances, folder=options.folder)


if __name__ == "__main__":
    main()
