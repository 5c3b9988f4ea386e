"""Turn a trained network into shipped weights: `python -m kinebeat.live.pulsenet.export --run RUN`.

Like `network.py` and `train.py` this file needs torch, and nothing that plays imports it.
"""

from __future__ import annotations

import argparse
import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from kinebeat.live.movement import JOINTS
from kinebeat.live.pulsenet.model import NAME
from kinebeat.live.pulsenet.train import Recipe, load_best
from kinebeat.live.visbeat.export import LICENCE
from kinebeat.live.visbeat.network import parameters
from kinebeat.weights import FOLDER
from kinebeat.weights.cards import card_text
from kinebeat.weights.exporting import read_entries, to_onnx, write_entries, write_graphs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from kinebeat.live.pulsenet.network import PulseNet

DATA = (
    "dances made of the CMU Graphics Lab Motion Capture Database (free for any use), of the Bandai Namco Research "
    "Motion Dataset (CC BY-NC 4.0) and of ChoreoNet (Ye et al. 2020; no licence stated), warped in time onto beats "
    "that we chose; some of ChoreoNet with the beats it states; people who stand; all filmed by made-up cameras and "
    "found by a made-up detector"
)
CAUTION = (
    "Learned from one person at a time, from films of motion capture and not from real cameras. It knows the beat of "
    "dances; of a walk it may say anything."
)


def model_parts(net: PulseNet) -> dict[str, NDArray[np.uint8]]:
    """The graph of PulseNet: see `kinebeat.live.pulsenet.model.PulseNet`."""
    net = net.eval()
    given = {
        "velocity": (torch.zeros(1, 1, JOINTS, 2), "...."),
        "seen": (torch.ones(1, 1, JOINTS), "..."),
        "state": (net.begin(1), "..."),
    }
    return {"step": to_onnx(net, net.forward, given, {"logit": "..", "after": "..."})}


def command(kept: Mapping[str, Any], run: Path) -> str:
    """The command that trains it again, from what the training said of itself."""
    words = [f"python -m kinebeat.live.pulsenet.train --data CORPUS --out runs/{run.name} --seed {kept['seed']}"]
    usual = Recipe()
    chosen = {name: kept["recipe"][name] for name in ("steps", "batch", "rate")}
    words += [f"--{name} {value:g}" for name, value in chosen.items() if value != getattr(usual, name)]
    words += [f"--minutes {kept['minutes']:g}"] if kept["minutes"] is not None else []
    return " ".join(words)


def export(run: Path, *, folder: Path = FOLDER) -> str:
    """Write the network that a training kept, its registry entry and its card.

    Args:
        run: folder of the training.
        folder: where the weights go.

    Returns:
        The name of the weight.

    Raises:
        InputError: no training is there.
    """
    net, kept = load_best(run)
    entries = read_entries(folder)
    entries[NAME] = {
        "sha256": write_graphs(NAME, {part: graph.tobytes() for part, graph in model_parts(net).items()}, folder),
        "constants": {"layers": net.config.layers, "hidden": net.config.hidden},
        "licence": LICENCE,
        "data": DATA,
        "recipe": command(kept, run),
        "scores": [{"set": "validation", **{k: round(kept[k], 4) for k in ("coherence", "tempo_right", "loss")}}],
        "date": dt.datetime.fromtimestamp((run / "best.pt").stat().st_mtime, dt.UTC).date().isoformat(),
    }
    facts = {
        "seed": str(kept["seed"]),
        "training": f"best at step {kept['step']} of {kept['recipe']['steps']}, {kept['seconds'] / 60:.0f} minutes in; "
        f"validation, dances of 20 s: mean phase coherence of the pulse with the music {kept['coherence']:.2f}, tempo "
        f"right in {kept['tempo_right']:.2f}",
    }
    about = f"The beat of the music that somebody dances to, as it happens; {parameters(net):,} numbers."
    card = card_text(NAME, about, entries[NAME], facts, [], CAUTION)
    (folder / f"{NAME}.md").write_text(card, encoding="utf-8")
    write_entries(entries, folder)
    return NAME


def main(arguments: Sequence[str] | None = None) -> None:
    """The command `python -m kinebeat.live.pulsenet.export`."""
    about = (__doc__ or "").split("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m kinebeat.live.pulsenet.export", description=about)
    parser.add_argument("--run", type=Path, required=True, help="folder of a training")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the weights go")
    options = parser.parse_args(arguments)
    export(options.run, folder=options.folder)


if __name__ == "__main__":
    main()
