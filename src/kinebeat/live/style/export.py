"""Turn a trained MuStyleNet into the weights that are shipped: `python -m kinebeat.live.style.export --run RUN`.

Like `network.py` and `train.py` this file needs torch, and nothing that plays imports it.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from kinebeat.live.style.model import WEIGHT
from kinebeat.live.style.network import Adversaries, MuStyleGRU
from kinebeat.live.style.train import Recipe
from kinebeat.training import read_best
from kinebeat.weights import FOLDER
from kinebeat.weights.cards import card_text
from kinebeat.weights.exporting import read_entries, to_onnx, write_entries, write_graphs

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

LICENCE = (
    "Apache-2.0 as far as it is ours; trained in part on data for non-commercial use and on data without a licence: "
    "for commercial use train again on a corpus made with --without bandai --without choreonet"
)
DATA = (
    "kinematic offsets of the CMU Graphics Lab Motion Capture Database (free for any use), of the Bandai Namco "
    "Research Motion Dataset (CC BY-NC 4.0) and of ChoreoNet (Ye et al. 2020; no licence stated), paired with the "
    "Groove MIDI Dataset 1.0.0 (Gillick et al. 2019; CC BY 4.0), training splits"
)
CAUTION = (
    "Nothing in the data says which drums a movement wants: it strikes where limbs stop, and fills like a drummer."
)
WHAT = (
    "MuStyleNet (InteractiveBeat 3.2): kinematic offsets at 30 a second to the envelope of drum onsets, two GRUs of 64 "
    "that look back only; {numbers:,} numbers. One graph takes any number of ticks, one of the engine's or a forecast."
)
COLUMNS = {
    "correlation": "correlation with the drums",
    "onset_f": "F of strong 16ths",
    "periodicity": "likeness two beats later",
    "follows": "correlation with the movement",
    "deviation": "deviation by the drums'",
}


def style_parts(net: MuStyleGRU) -> dict[str, NDArray[Any]]:
    """The graph of a MuStyleNet: see `kinebeat.live.style.model.MuStyleNet`."""
    state = torch.zeros(net.layers, 1, net.width)
    inputs = {"offsets": (torch.rand(1, 5), ".N"), "state": (state, "...")}
    return {"net": to_onnx(net.eval(), net.forward, inputs, {"envelope": ".N", "next_state": "..."})}


def export(run: Path, *, table: Path | None = None, folder: Path = FOLDER) -> None:
    """Write the network that a training kept, its entry in the registry and its card.

    Args:
        run: the folder of the training.
        table: rows to be shown beside it, what `kinebeat evaluate live-style --json` wrote.
        folder: where the weights go.

    Raises:
        InputError: no training is there.
    """
    kept = read_best(run)
    both = Adversaries(**kept["recipe"]["net"])
    both.load_state_dict(kept.pop("net"))
    net = both.generator
    graphs: dict[str, NDArray[np.uint8]] = style_parts(net)
    usual = Recipe()
    words = [f"python -m kinebeat.live.style.train --pairs PAIRS --out runs/style --seed {kept['seed']}"]
    names = ("steps", "adversarial", "rate", "heard")
    words += [
        f"--{key} {kept['recipe'][key]:g}"
        for key in names
        if kept["recipe"].get(key, getattr(usual, key)) != getattr(usual, key)
    ]
    words += [f"--minutes {kept['minutes']:g}"] if kept["minutes"] is not None else []
    words += [f"--start runs/{kept['start']}"] if kept.get("start") is not None else []
    rows = [
        {"name": f"this, validation, {what}", **{key: round(kept[before + key], 4) for key in COLUMNS}}
        for what, before in (("the curves as they are", ""), ("as VisBeatNet hears them", "heard_"))
        if before + "correlation" in kept
    ]
    rows += json.loads(table.read_text(encoding="utf-8"))["rows"] if table is not None else []
    entry = {
        "sha256": write_graphs(WEIGHT, {part: graph.tobytes() for part, graph in graphs.items()}, folder),
        "constants": {},
        "licence": LICENCE,
        "data": DATA,
        "recipe": " ".join(words),
        "scores": rows,
        "date": dt.datetime.fromtimestamp((run / "best.pt").stat().st_mtime, dt.UTC).date().isoformat(),
    }
    write_entries({**read_entries(folder), WEIGHT: entry}, folder)
    cells = [[row["name"], *(f"{row[key]:.3f}" if key in row else "" for key in COLUMNS)] for row in rows]
    facts = {
        "seed": str(kept["seed"]),
        "pairs": f"{kept['pairs']:,}",
        "training": f"best at step {kept['step']}, {kept['seconds'] / 60:.0f} minutes in",
    }
    numbers = sum(value.numel() for value in net.parameters())
    tables = [("Figures on pairs of movement and drums that it has not seen:", ["", *COLUMNS.values()], cells)]
    text = card_text(WEIGHT, WHAT.format(numbers=numbers), entry, facts, tables, CAUTION)
    (folder / f"{WEIGHT}.md").write_text(text, encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> None:
    """The command `python -m kinebeat.live.style.export`."""
    about = (__doc__ or "").split("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m kinebeat.live.style.export", description=about)
    parser.add_argument("--run", type=Path, required=True, help="folder of the training")
    parser.add_argument("--table", type=Path, help="what `kinebeat evaluate live-style --json` wrote")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the weights go")
    options = parser.parse_args(arguments)
    export(options.run, table=options.table, folder=options.folder)


if __name__ == "__main__":
    main()
