"""Turn trained beat networks into the weights that are shipped: `python -m kinebeat.beats.export --runs runs`.

Like `network.py` and `train.py` this file needs torch, and nothing that plays imports it. A folder `NAME-SEED` in
`runs` becomes the part `seedSEED` of the weight `beats-NAME`, or of `beats`, which the product uses, if NAME is
"product".
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import re
from collections import defaultdict
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from kinebeat.beats.network import SHAPES, WINDOW, BeatNet, NetConfig, parameters
from kinebeat.beats.train import Recipe, load_best
from kinebeat.errors import InputError
from kinebeat.motion import MOTION_FPS
from kinebeat.skeleton import LAYOUTS
from kinebeat.weights import FOLDER
from kinebeat.weights.exporting import read_entries, to_onnx, write_entries, write_graphs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Run = tuple[BeatNet, dict[str, Any]]

PRODUCT = "product"
ROWS = {
    "tcn": "TCN",
    "tf": "TF",
    "stgcn": "ST-GCN",
    "stgcn-tf": "ST-GCN+TF",
    "stgcn-tf-ssm": "ST-GCN+TF+SSM",
    "stgcn-tf-rel": "ST-GCN+TF+RelAttn",
    "stgcn-tf-ssm-rel": "ST-GCN+TF+SSM+RelAttn",
}
LICENCE = (
    "Apache-2.0 as far as it is ours; trained in part on data for non-commercial use and on data without a licence: "
    "for commercial use train again on a corpus made with --without bandai --without choreonet"
)
DATA = {
    "warped": "movement of the CMU Graphics Lab Motion Capture Database (free for any use), of the Bandai Namco "
    "Research Motion Dataset (CC BY-NC 4.0) and of ChoreoNet (Ye et al. 2020; no licence stated), warped in time onto "
    "beats that we chose and filmed by made-up cameras",
    "choreonet": "ChoreoNet's own beats",
    "negative": "unwarped movement without a beat",
}
CAUTION = (
    "Learned from one person at a time and from movement that was mostly not danced to any music: expect it to hear "
    "regular movement, not to know styles of dance."
)
SCORES = ("set", "f", "cemgil", "cmlc", "cmlt", "amlt")
_FOLDER = re.compile(r"(.+)-(\d+)")


def net_graph(net: BeatNet) -> NDArray[np.uint8]:
    """The ONNX graph of a network: `velocity (B, 600, 17, 2)` and `seen (B, 600, 17)` to `logits (B, 600)`."""
    joints = len(LAYOUTS["rhythmicnet17"].joints)
    velocity, seen = torch.zeros(1, WINDOW, joints, 2), torch.ones(1, WINDOW, joints)
    inputs = {"velocity": (velocity, "B..."), "seen": (seen, "B..")}
    return to_onnx(net.eval(), net.forward, inputs, {"logits": "B."})


def find_runs(runs: Path) -> dict[str, dict[str, Path]]:
    """The trainings in a folder: for each weight its parts and their folders.

    Raises:
        InputError: there is none.
    """
    found: dict[str, dict[str, Path]] = defaultdict(dict)
    for best in sorted(runs.glob("*/best.pt")):
        named = _FOLDER.fullmatch(best.parent.name)
        if named:
            name = "beats" if named[1] == PRODUCT else f"beats-{named[1]}"
            found[name][f"seed{int(named[2])}"] = best.parent
    if not found:
        raise InputError(runs, "expected folders NAME-SEED with a best.pt in each, found none", "train first")
    return dict(found)


def command(name: str, kept: Mapping[str, Any]) -> str:
    """The command that trains a weight, from what one of its trainings said of itself."""
    usual = Recipe()
    words = ["python -m kinebeat.beats.train --data CORPUS", f"--model {kept['config']['model']}"]
    net = replace(NetConfig(**kept["config"]), model=NetConfig().model)
    words += [f"--shape {name}" for name, shape in SHAPES.items() if shape == net and shape != NetConfig()]
    words.append(f"--out runs/{name.removeprefix('beats-') if name != 'beats' else PRODUCT}-SEED --seed SEED")
    chosen = {name: kept["recipe"][name] for name in ("steps", "batch", "rate", "beat_weight")}
    words += [f"--{k.replace('_', '-')} {value:g}" for k, value in chosen.items() if value != getattr(usual, k)]
    words += [f"--without {kind}" for kind in kept["without"]]
    words += [f"--minutes {kept['minutes']:g}"] if kept["minutes"] is not None else []
    words += ["--half"] * kept["half"]
    return " ".join(words)


def card(name: str, entry: Mapping[str, Any], trained: Mapping[str, Run]) -> str:
    """The Markdown card of a weight."""
    net, kept = next(iter(trained.values()))
    best = entry["constants"]["best"]
    about = "Kept for the table alone. "
    if name == "beats":
        about = (
            f"The beats that the product hears, with `{best}`, the best on validation; the others are for the table. "
        )
    shape = f"; {unusual(net.config)}" if unusual(net.config) else ""
    lines = [f"# {name}", "", f"{ROWS[net.config.model]} of RhythmicNet's Table 1: {parameters(net):,} numbers{shape}."]
    lines += [
        f"{about}Velocities of 17 joints over 10 s at {MOTION_FPS:g} Hz to the logit of a music beat at each frame.",
        "",
        "| | |",
        "|---|---|",
    ]
    lines += [f"| file | `{name}.{part}.onnx`, sha256 `{sha256}` |" for part, sha256 in entry["sha256"].items()]
    lines += [f"| licence | {entry['licence']} |", f"| data | {entry['data']} |"]
    lines += [f"| recipe | `{entry['recipe']}` |", f"| seed | {', '.join(p.removeprefix('seed') for p in trained)} |"]
    lines += [f"| date | {entry['date']} |"]
    for part, (_, kept) in trained.items():
        said = (
            f"best at step {kept['step']}, {kept['seconds'] / 60:.0f} minutes in; validation: loss {kept['loss']:.4f}"
        )
        lines.append(f"| training of {part} | {said}, F of the peaks {kept['peak_f']:.3f} |")
    lines += [
        "",
        "Figures (higher is better):",
        "",
        f"| row | {' | '.join(SCORES)} |",
        "|---" * (len(SCORES) + 1) + "|",
    ]
    for row in entry["scores"]:
        cells = [f"{row[key]:.3f}" if isinstance(row.get(key), float) else str(row.get(key, "")) for key in SCORES]
        lines.append(f"| {row['name']} | {' | '.join(cells)} |")
    lines += ["", CAUTION, ""]
    return "\n".join(lines)


def unusual(config: NetConfig) -> str:
    """What of a network's shape is not as usual, in words."""
    usual = NetConfig()
    names = [field.name for field in fields(NetConfig) if field.name != "model"]
    return ", ".join(f"{n} {getattr(config, n)}" for n in names if getattr(config, n) != getattr(usual, n))


def export(runs: Path, *, scores: Path | None = None, folder: Path = FOLDER) -> list[str]:
    """Write all networks that were trained in a folder, their registry and their cards.

    Args:
        runs: holds a folder `NAME-SEED` for each training.
        scores: what `kinebeat evaluate beats --json` wrote.
        folder: where the weights go.

    Returns:
        The names of the weights written.

    Raises:
        InputError: no training is there.
    """
    table: list[dict[str, Any]] = json.loads(scores.read_text(encoding="utf-8"))["rows"] if scores else []
    entries, found = read_entries(folder), find_runs(runs)
    for name, parts in found.items():
        trained = {part: load_best(path) for part, path in parts.items()}
        _, kept = next(iter(trained.values()))
        model, without = kept["config"]["model"], list(kept["without"])
        graphs = {part: net_graph(net).tobytes() for part, (net, _) in trained.items()}
        newest = max((path / "best.pt").stat().st_mtime for path in parts.values())
        by_seed = {part: kept["peak_f"] for part, (_, kept) in trained.items()}
        best, figure = max(by_seed, key=lambda part: by_seed[part]), float(np.mean(list(by_seed.values())))
        rows = [{"name": "peaks, mean of the seeds", "set": "validation", "f": round(figure, 4)}]
        rows += [
            {key: row[key] for key in ("name", *SCORES) if key in row} for row in table if row["name"] == ROWS[model]
        ]
        entries[name] = {
            "sha256": write_graphs(name, graphs, folder),
            "constants": {"model": model, "without": without, "best": best},
            "licence": LICENCE,
            "data": "; ".join(text for kind, text in DATA.items() if kind not in without),
            "recipe": command(name, kept),
            "scores": rows,
            "date": dt.datetime.fromtimestamp(newest, dt.UTC).date().isoformat(),
        }
        (folder / f"{name}.md").write_text(card(name, entries[name], trained), encoding="utf-8")
    write_entries(entries, folder)
    return list(found)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command `python -m kinebeat.beats.export`."""
    parser = argparse.ArgumentParser(prog="python -m kinebeat.beats.export", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--runs", type=Path, required=True, help="holds a folder NAME-SEED for each training")
    parser.add_argument("--scores", type=Path, help="what `kinebeat evaluate beats --json` wrote")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the weights go")
    options = parser.parse_args(arguments)
    export(options.runs, scores=options.scores, folder=options.folder)


if __name__ == "__main__":
    main()
