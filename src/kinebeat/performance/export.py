"""Turn a trained performance network into the weights that are shipped: `python -m kinebeat.performance.export`.

Like `network.py` and `train.py` this file needs torch, and nothing that plays imports it.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from kinebeat.performance.features import TIPS
from kinebeat.performance.model import WEIGHTS
from kinebeat.performance.network import PerformanceNet, parameters
from kinebeat.performance.picking import Picking
from kinebeat.performance.train import load_best
from kinebeat.weights import FOLDER
from kinebeat.weights.cards import card_text
from kinebeat.weights.exporting import read_entries, to_onnx, write_entries, write_graphs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

LICENCE = {
    "keys": "Apache-2.0 as far as it is ours; trained in part on films of pianists published as research data without "
    "a licence: for other use train again on simulated pianists alone",
    "others": "Apache-2.0; trained on simulated players alone, who play parts that are made up",
}
DATA = {
    "keys": "AI-Pianist (Akbari, Liang and Cheng 2018): 42 overhead films of 11 pianists with notes transcribed by "
    "machine, no licence stated (real; some of their hands were found "
    "by an earlier version of our keypoints); hands made by our simulator (simulated)",
    "others": "players made by our simulator alone (simulated)",
}
SHOWN = {
    "keys": ("Kinebeat",),
    "others": ("Kinebeat", "Kinebeat, of another player", "what is usual, drawn blindly"),
}
"""Rows of the figures that go with the weights."""
FIGURES = ("set", "playing", "truth", "name", "clips", "players", "onset_f", "pitch_f", "class_f", "class_f_se")
"""What of a row goes with them."""
CAUTION = {
    "keys": "Learned from films from above in which all keys can be seen, 20 pictures a second and 11 pixels a key. "
    "Loudness is not in the data: all notes are equally loud.",
    "others": "Experimental: it has never seen a real player.",
}


def model_parts(net: PerformanceNet, picking: Picking) -> dict[str, NDArray[Any]]:
    """The graphs of a network and what goes with them: see `kinebeat.performance.model.PerformanceModel`."""
    net = net.eval()
    config, frames = net.config, 20
    nodes = torch.zeros(1, frames, len(config.nodes), config.channels)
    tips = torch.rand(1, frames, len(TIPS), 2)

    def seen(nodes: Tensor, tips: Tensor, instrument: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        vectors, alone = net.look(nodes, tips, instrument)
        memory = net.remember(vectors, alone, instrument)
        kept = [value for block in net.blocks for value in block.cross.remember(memory)]  # type: ignore[union-attr, operator]
        return 1 - alone.exp(), memory, torch.stack(kept)

    def seen_without(nodes: Tensor, instrument: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return seen(nodes, nodes.new_zeros(*nodes.shape[:2], 0, 2), instrument)

    def say(words: Tensor, seconds: Tensor, memory: Tensor, kept: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        pairs = list(zip(kept[0::2].unbind(0), kept[1::2].unbind(0), strict=True))
        if not config.recurrent:
            logits, after = net.go_on(words, seconds, memory, pairs, list(past.unbind(0)))
            return logits, torch.stack(after)
        # The state of a GRU (1, B, E) goes as if it were one word of the past, split into heads.
        logits, after = net.go_on(words, seconds, memory, pairs, list(past[:, :, :, 0].flatten(2)[:, None].unbind(0)))
        return logits, torch.stack(after).reshape(past.shape)

    instrument = torch.zeros(1, dtype=torch.long)
    looked = {"nodes": (nodes, ".T.."), "tips": (tips, ".T.."), "instrument": (instrument, ".")}
    if not config.keys:
        del looked["tips"]
    with torch.no_grad():
        _, memory, kept = seen(nodes, tips, instrument)
    beams, before = 3, 1 if config.recurrent else 4
    past = torch.zeros(2 * config.layers, beams, config.heads, before, config.width // config.heads)
    return {
        "look": to_onnx(
            net, seen if config.keys else seen_without, looked, {"done": ".T..", "memory": ".T.", "kept": "...T."}
        ),
        "say": to_onnx(
            net,
            say,
            {
                "words": (torch.zeros(beams, 1, dtype=torch.long), "B."),
                "seconds": (torch.zeros(beams, 1), "B."),
                "memory": (memory, ".T."),
                "kept": (kept, "...T."),
                "past": (past, ".B..." if config.recurrent else ".B.P."),
            },
            {"logits": "B..", "after": ".B..." if config.recurrent else ".B.Q."},
        ),
        "keys": np.array(config.keys),
        "blocks": np.array(config.layers),
        "heads": np.array(config.heads),
        "depth": np.array(config.width // config.heads),
        "recurrent": np.array(config.recurrent),
        "threshold": np.array(picking.struck),
        "held": np.array(picking.held),
    }


def export(
    run: Path,
    *,
    name: str | None = None,
    threshold: float | None = None,
    scores: Path | None = None,
    folder: Path = FOLDER,
) -> str:
    """Write a trained network, its entry in the registry and its card.

    Args:
        run: the folder of the training.
        name: of the weight; by what it was trained for if None.
        threshold: of `Picking`; the one that was best in the clips of validation if None.
        scores: what `kinebeat evaluate performance --json` wrote.
        folder: where the weights go.

    Returns:
        The name.

    Raises:
        InputError: no training is there.
    """
    net, kept = load_best(run)
    kind = "keys" if net.config.keys else "others"
    name = name or WEIGHTS[kind]
    if threshold is None:
        threshold = float(kept.get("threshold", Picking().struck))
    parts = model_parts(net, Picking(struck=threshold))
    graphs = {part: value.tobytes() for part, value in parts.items() if value.dtype == np.uint8}
    table: list[dict[str, Any]] = json.loads(scores.read_text(encoding="utf-8"))["rows"] if scores else []
    entries = read_entries(folder)
    entries[name] = {
        "sha256": write_graphs(name, graphs, folder),
        "constants": {part: value.tolist() for part, value in parts.items() if part not in graphs},
        "licence": LICENCE[kind],
        "data": DATA[kind],
        "recipe": command(kept),
        "scores": [
            {"name": "validation", **{key: round(value, 4) for key, value in _validated(kept).items()}},
            *({k: row[k] for k in FIGURES if k in row} for row in table if row.get("name") in SHOWN[kind]),
        ],
        "date": dt.datetime.fromtimestamp((run / "best.pt").stat().st_mtime, dt.UTC).date().isoformat(),
    }
    (folder / f"{name}.md").write_text(card(name, entries[name], net, kept), encoding="utf-8")
    write_entries(entries, folder)
    return name


def _validated(kept: Mapping[str, Any]) -> dict[str, float]:
    return {key: float(kept[key]) for key in kept if key.startswith("val_") or key in ("note_f", "threshold")}


def command(kept: Mapping[str, Any]) -> str:
    """The command that trains it again, from what the training said of itself."""
    keys, drawing = kept["config"]["keys"], kept["recipe"]["drawing"]
    words = ["python -m kinebeat.performance.train --out runs/performance"]
    words += [f"--data CORPUS/train-*.npz CORPUS/validation-{'real' if keys else 'simulated'}.npz"]
    words += [f"--variant {kept['variant']} --shape {kept['shape']} --seed {kept['seed']}"]
    words += [f"--steps {kept['recipe']['steps']} --rate {kept['recipe']['rate']:g}"]
    words += [f"--batch {drawing['batch']}", f"--real {drawing['real']:g}" if keys else ""]
    words += [f"--minutes {kept['minutes']:g}"] if kept["minutes"] is not None else []
    return " ".join(word for word in words if word)


def card(name: str, entry: Mapping[str, Any], net: PerformanceNet, kept: Mapping[str, Any]) -> str:
    """The Markdown card of a weight."""
    config = net.config
    what = (
        f"Graph-Transformer of Foley Music ({kept['variant']}): {config.graph_layers} graph layers of width "
        f"{config.node_width} over {len(config.nodes)} joints, {config.layers} decoder blocks of {config.width} / "
        f"{config.feed} with {config.heads} heads; {parameters(net):,} numbers."
    )
    if not config.keys:
        layers, width = len(config.reading_steps), config.reading_width
        what += f" What each pitch does is read by {layers} convolutions of width {width}."
    facts = {
        "seed": str(kept["seed"]),
        "training": f"best at step {kept['step']} of {kept['recipe']['steps']}, {kept['seconds'] / 60:.0f} minutes in",
        "plays with": f"threshold {entry['constants']['threshold']:g}, held {entry['constants']['held']:g}",
        "validation": ", ".join(f"{key} {value:.3f}" for key, value in _validated(kept).items()),
    }
    return card_text(name, what, entry, facts, _tables(entry), CAUTION["keys" if config.keys else "others"])


def _tables(entry: Mapping[str, Any]) -> list[tuple[str, list[str], list[list[str]]]]:
    """The figures of a card: F of notes within 100 ms."""
    heads = ["of", "who", "onset", "and pitch", "and pitch class"]
    rows = [
        [f"{row['set']} ({row.get('truth', row.get('playing', 'all'))})", row["name"]]
        + [f"{row[figure]:.2f}" for figure in ("onset_f", "pitch_f", "class_f")]
        for row in entry["scores"]
        if "class_f" in row
    ]
    return [("F of notes within 100 ms, on players it has never seen:", heads, rows)] if rows else []


def main(arguments: Sequence[str] | None = None) -> None:
    """The command `python -m kinebeat.performance.export`."""
    about = (__doc__ or "").split("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m kinebeat.performance.export", description=about)
    parser.add_argument("--run", type=Path, required=True, help="folder of a training")
    parser.add_argument("--name", help="of the weight")
    parser.add_argument("--threshold", type=float, help="from which a key is struck")
    parser.add_argument("--scores", type=Path, help="what `kinebeat evaluate performance --json` wrote")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the weights go")
    options = parser.parse_args(arguments)
    export(
        options.run,
        name=options.name,
        threshold=options.threshold,
        scores=options.scores,
        folder=options.folder,
    )


if __name__ == "__main__":
    main()
