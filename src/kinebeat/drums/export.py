"""Turn trained checkpoints into the weights that are shipped: `python -m kinebeat.drums.export --runs runs --data DIR`.

Like `network.py` and `train.py` this file needs torch, and nothing that plays imports it.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from kinebeat.beats.grid import STEPS_PER_BAR
from kinebeat.drums.data import Vocabulary, read_groove, vocabulary_of
from kinebeat.drums.network import GrooVAE, HitsTransformer, PerformanceUNet
from kinebeat.drums.rhythms import FEATURES
from kinebeat.drums.train import Recipe, build
from kinebeat.training import read_best
from kinebeat.weights import FOLDER
from kinebeat.weights.exporting import read_entries, to_onnx, write_entries, write_graphs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray


def hits_parts(net: HitsTransformer, vocabulary: Vocabulary, features: int) -> dict[str, NDArray[Any]]:
    """The two graphs of a hits transformer, with its vocabulary: see `kinebeat.drums.models.HitsModel`."""
    net.eval()
    batch, steps, past = 2, 3, 5
    rhythm, bar = torch.zeros(batch, net.steps, features), torch.zeros(batch, net.steps, dtype=torch.long)
    encoder = to_onnx(
        net,
        net.encode,
        {"features": (rhythm, "B.."), "bar": (bar, "B.")},
        {"here": "B..", "memory_keys": ".B...", "memory_values": ".B..."},
    )
    here, keys, values = net.encode(rhythm, bar)
    kept = torch.zeros(*keys.shape[:3], past, keys.shape[4])

    def decode(before: Tensor, here: Tensor, bar: Tensor, steps: Tensor, mask: Tensor, *caches: Tensor) -> Any:
        out, keys, values = net.decode(before, here, bar, steps, mask, (caches[0], caches[1]), (caches[2], caches[3]))
        return out, keys[..., -before.shape[1] :, :], values[..., -before.shape[1] :, :]

    decoder = to_onnx(
        net,
        decode,
        {
            "before": (torch.zeros(batch, steps, dtype=torch.long), "BT"),
            "here": (here[:, :steps], "BT."),
            "bar": (bar[:, :steps], "BT"),
            "steps": (torch.arange(steps), "T"),
            "mask": (torch.zeros(steps, past + steps), "TA"),
            "memory_keys": (keys, ".B..."),
            "memory_values": (values, ".B..."),
            "past_keys": (kept, ".B.P."),
            "past_values": (kept, ".B.P."),
        },
        {"out": "BT.", "keys": ".B.T.", "values": ".B.T."},
    )
    return {
        "encoder": encoder,
        "decoder": decoder,
        "codes": vocabulary.codes,
        "steps": np.array(net.steps),
        "words": np.array(net.words),
    }


def unet_parts(net: PerformanceUNet, bars: int) -> dict[str, NDArray[Any]]:
    """The graph of a U-Net: see `kinebeat.drums.models.PerformanceModel`."""
    hits = torch.zeros(2, bars * 16, 9 + net.extras)
    graph = to_onnx(net, net.forward, {"hits": (hits, "BS.")}, {"performance": "BS."})
    return {"net": graph, "extras": np.array(net.extras), "bars": np.array(bars)}


def groovae_parts(net: GrooVAE, steps: int, features: int) -> dict[str, NDArray[Any]]:
    """The graphs of a GrooVAE: see `kinebeat.drums.models.GrooVAEModel`."""
    net.eval()
    rhythm = torch.zeros(2, steps, features)
    latent, _ = net.encode(rhythm)
    hidden, cell = net.begin(latent)
    decoder_inputs = {
        "latent": (latent, "B."),
        "before": (torch.zeros(2, 1, 27), "B.."),
        "hidden": (hidden, ".B."),
        "cell": (cell, ".B."),
    }
    return {
        "encoder": to_onnx(net, net.encode, {"features": (rhythm, "B..")}, {"mean": "B.", "log_variance": "B."}),
        "begin": to_onnx(net, net.begin, {"latent": (latent, "B.")}, {"hidden": ".B.", "cell": ".B."}),
        "decoder": to_onnx(net, net.decode, decoder_inputs, {"out": "B..", "next_hidden": ".B.", "next_cell": ".B."}),
    }


@dataclass(frozen=True)
class Shipped:
    """A shipped model: the run it comes from, and what its card says of it."""

    model: str
    title: str
    what: str
    rows: tuple[str, ...]
    minutes: int
    note: str = ""


LICENCE = "Apache-2.0"
DATA = "Groove MIDI Dataset 1.0.0 (Gillick et al. 2019), official split, 4/4 files; CC BY 4.0"
SHIPPED = {
    "drums-hits": Shipped(
        "hits",
        "Hits transformer",
        "Rhythm of 8 bars (beats, accents, wished density, tempo) to hits of nine drums: one of 152 words a 16th.",
        ("TF w. hits sequence + U-Net",),
        58,
    ),
    "drums-performance": Shipped(
        "unet",
        "Velocity and offset U-Net of the product",
        "Hits of 8 bars and the tempo to the velocity and the timing of every hit.",
        ("TF w. hits sequence + U-Net as shipped (sees 8 bars and the tempo)", "each drum's mean velocity, no offset"),
        11,
        "The three seeds were trained with `--minutes` 11, 9 and 6.",
    ),
    "drums-performance-paper": Shipped(
        "unet-paper",
        "Velocity and offset U-Net with the paper's inputs",
        "Hits of 2 bars and nothing else to velocities and offsets. Kept for the table; the product uses the other.",
        ("TF w. hits sequence + U-Net", "each drum's mean velocity, no offset"),
        7,
        "Seed 0 ran to its 8,000 steps without `--minutes`, before the average of weights got its warm-up; "
        "seed 1 ran with `--minutes 5`.",
    ),
    "drums-multi-hits": Shipped(
        "multi-hits",
        "Ablation: transformer with many outputs, with hits sequence",
        "Rhythm of 2 bars to words, velocities and offsets at once. Kept for the table alone.",
        ("TF multi-outputs w. hits sequence",),
        8,
    ),
    "drums-multi": Shipped(
        "multi",
        "Ablation: transformer with many outputs, without hits sequence",
        "Rhythm of 2 bars to nine independent hits, velocities and offsets at once. Kept for the table alone.",
        ("TF multi-outputs w.o. hits sequence",),
        8,
    ),
    "drums-groovae": Shipped(
        "groovae",
        "Baseline: GrooVAE, our own re-implementation",
        "Rhythm of 2 bars to hits, velocities and offsets by a recurrent VAE. Kept for the table alone.",
        ("GrooVAE (own)",),
        14,
    ),
}


def export_run(
    model: str, folders: Sequence[Path], vocabulary: Vocabulary
) -> tuple[dict[str, NDArray[Any]], list[Any]]:
    """The parts of the model trained in some folders (U-Nets of several seeds are averaged), and their records."""
    parts: dict[str, NDArray[Any]] = {}
    records = []
    for i, folder in enumerate(folders):
        kept = read_best(folder)
        plan = Recipe(**kept["recipe"])
        net = build(model, plan, vocabulary)
        net.load_state_dict(kept.pop("net"))
        records.append(kept)
        if isinstance(net, PerformanceUNet):
            found = unet_parts(net.eval(), plan.bars)
            parts |= {f"net{i}": found.pop("net"), **found}
        elif isinstance(net, HitsTransformer):
            parts = hits_parts(net, vocabulary, len(FEATURES))
        elif isinstance(net, GrooVAE):
            parts = groovae_parts(net, plan.bars * STEPS_PER_BAR, len(FEATURES))
    return parts, records


def card(name: str, shipped: Shipped, entry: Mapping[str, Any], records: Sequence[Mapping[str, Any]]) -> str:
    """The Markdown card of a model."""
    lines = [f"# {name}", "", f"{shipped.title}. {shipped.what}", "", "| | |", "|---|---|"]
    seeds = ", ".join(str(seed) for seed in range(len(records)))
    lines += [f"| file | `{name}.{part}.onnx`, sha256 `{sha256}` |" for part, sha256 in entry["sha256"].items()]
    lines += [f"| licence | {entry['licence']} |"]
    lines += [f"| data | {entry['data']} |", f"| recipe | `{entry['recipe']}` |", f"| seed | {seeds} |"]
    lines += [f"| date | {entry['date']} |"]
    for record in records:
        figures = [f"{key} {record[key]:.4f}" for key in FIGURES if key in record]
        spent = f"best at step {record['step']}, {record['seconds'] / 60:.0f} minutes in"
        lines.append(f"| training | {spent}; validation: {', '.join(figures)} |")
    lines += ["", "Figures of `kinebeat evaluate drums` on the test files (lower is better):", ""]
    lines += ["| row | NDB of 50 | velocity MSE at hits | offset MSE at hits |", "|---|---|---|---|"]
    for row in entry["scores"]:
        cells = [f"{row[key]:.4f}" if isinstance(row.get(key), float) else str(row.get(key, "")) for key in SCORES]
        lines.append(f"| {row['name']} | {' | '.join(cells)} |")
    if shipped.note:
        lines += ["", shipped.note]
    lines += [
        "",
        "Groove's drummers play rock, funk, jazz and Latin grooves on an electronic kit in 4/4: expect no other.",
        "",
    ]
    return "\n".join(lines)


FIGURES = ("nats_per_step", "velocity_mse", "offset_mse")
SCORES = ("ndb", "velocity_mse", "offset_mse")


def export(data: Path, runs: Path, *, date: str, scores: Path | None = None, folder: Path = FOLDER) -> None:
    """Write all models that were trained in `runs`, their registry and their cards.

    Args:
        data: the folder that holds the Groove MIDI Dataset, for the vocabulary.
        runs: holds a folder `MODEL` for each (U-Nets: also `MODEL-1`, ... of further seeds).
        date: of the training, for the cards.
        scores: what `kinebeat evaluate drums --json` wrote.
        folder: where the weights go.
    """
    vocabulary = vocabulary_of(p.hits for p in read_groove(data, cache=runs / "cache"))
    rows = {row["name"]: row for row in json.loads(scores.read_text())["rows"]} if scores else {}
    entries = read_entries(folder)
    for name, shipped in SHIPPED.items():
        folders = [runs / shipped.model, *sorted(runs.glob(f"{shipped.model}-[1-9]"))]
        if not (folders[0] / "best.pt").is_file():
            continue
        parts, records = export_run(shipped.model, folders, vocabulary)
        graphs = {part: value.tobytes() for part, value in parts.items() if value.dtype == np.uint8}
        command = f"python -m kinebeat.drums.train --data DIR --model {shipped.model} --out runs/{shipped.model}"
        command += f" --minutes {shipped.minutes}"
        if len(folders) > 1:
            command += f" --seed SEED, for seeds 0 to {len(folders) - 1}; their outputs are averaged"
        entry = {
            "sha256": write_graphs(name, graphs, folder),
            "constants": {part: value.tolist() for part, value in parts.items() if part not in graphs},
            "licence": LICENCE,
            "data": DATA,
            "recipe": command,
            "date": date,
            "scores": [
                {key: rows[row][key] for key in ("name", *SCORES) if key in rows[row]}
                for row in shipped.rows
                if row in rows
            ],
        }
        entries[name] = entry
        (folder / f"{name}.md").write_text(card(name, shipped, entry, records))
    write_entries(entries, folder)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command `python -m kinebeat.drums.export`."""
    parser = argparse.ArgumentParser(prog="python -m kinebeat.drums.export", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder that holds the Groove MIDI Dataset")
    parser.add_argument("--runs", type=Path, required=True, help="folder that holds the trainings")
    parser.add_argument("--date", required=True, help="when they were trained, for the cards")
    parser.add_argument("--scores", type=Path, help="what `kinebeat evaluate drums --json` wrote")
    options = parser.parse_args(arguments)
    export(options.data, options.runs, date=options.date, scores=options.scores)


if __name__ == "__main__":
    main()
