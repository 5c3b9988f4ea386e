"""Turn a trained accompaniment into the weights that are shipped: `python -m kinebeat.accompaniment.export --run RUN`.

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
from torch import Tensor, nn

from kinebeat.accompaniment.model import LEAST_KEPT
from kinebeat.accompaniment.network import AccompanimentNet, NetConfig, parameters
from kinebeat.accompaniment.train import RECIPES, load_best
from kinebeat.evaluation.accompaniment import ABLATED, NAMES, PRODUCT, WEIGHT
from kinebeat.weights import FOLDER
from kinebeat.weights.exporting import read_entries, to_onnx, write_entries, write_graphs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

BAR_TOKENS = 256
"""The most tokens that a bar may have, on either side."""
LICENCE = (
    "Apache-2.0 as far as it is ours; trained on MIDI files that were mostly found on the web, transcriptions of songs "
    "whose rights are others': for research"
)
DATA = (
    "multi-track corpus of drums, piano, guitar and bass (its README says where each file comes from), training split"
)
FINISHED = 0.95
"""From which share of its schedule on a training counts as done."""
CAUTION = (
    "Popular songs in 4/4 with a steady tempo, as transcribed by amateurs: expect their habits, no other metre, and no "
    "player's timing."
)


class Stepper(nn.Module):
    """A network and the vectors of all its distances, which depend on nothing else."""

    def __init__(self, net: AccompanimentNet, bar_tokens: int = BAR_TOKENS) -> None:
        super().__init__()
        # Where nothing is kept, some places are kept that nobody sees.
        self.net, self.far = net, max(net.config.memory, LEAST_KEPT) + bar_tokens - 1
        self.bar_tokens = bar_tokens
        for name, side, near in (("encoder", net.encoder, bar_tokens), ("decoder", net.decoder, 1)):
            for i, layer in enumerate(side):
                table = layer.attend.table(self.far, near)  # type: ignore[operator, union-attr]
                self.register_buffer(f"{name}_{i}", table.detach().transpose(1, 2).contiguous())

    def _tables(self, name: str, layers: int) -> list[Tensor]:
        return [self.get_buffer(f"{name}_{i}") for i in range(layers)]

    def encode(self, tokens: Tensor, when: Tensor, mask: Tensor, past_keys: Tensor, past_values: Tensor) -> Any:
        """See `AccompanimentNet.encode_bar`."""
        tables = self._tables("encoder", self.net.config.encoder_layers)
        past = list(zip(past_keys.unbind(0), past_values.unbind(0), strict=True))
        cross, new = self.net.encode_bar(tokens, when, mask, past, tables, self.far)
        return *cross, *new

    def decode(self, tokens: Tensor, when: Tensor, mask: Tensor, cross_mask: Tensor, *kept: Tensor) -> Any:
        """See `AccompanimentNet.decode`.

        What is kept is, of each layer, keys and values of the memory, of this bar, and of the drums.
        """
        tables = self._tables("decoder", self.net.config.decoder_layers)
        pairs = list(zip(kept[0::2], kept[1::2], strict=True))
        past, drums = list(zip(pairs[0::3], pairs[1::3], strict=True)), pairs[2::3]
        logits, new = self.net.decode(tokens, when, mask, past, drums, cross_mask, tables, self.far)
        return logits, *new


@torch.no_grad()
def model_parts(net: AccompanimentNet, bar_tokens: int = BAR_TOKENS) -> dict[str, NDArray[Any]]:
    """The two graphs of a network and what goes with them: see `kinebeat.accompaniment.model.AccompanimentModel`."""
    config, stepper = net.config, Stepper(net.eval(), bar_tokens).eval()
    pieces, past, recent, drums, n = 2, 6, 5, 4, 3

    def words(tokens: int) -> Tensor:
        return torch.zeros(pieces, tokens, dtype=torch.long)

    memory = torch.zeros(config.encoder_layers, config.heads, pieces, past, config.depth)
    layer = {
        "memory": (memory[0], ".BP."),
        "bar": (memory[0, :, :, :recent], ".BQ."),
        "cross": (memory[0, :, :, :drums], ".BT."),
    }
    encoder = to_onnx(
        stepper,
        stepper.encode,
        {
            "tokens": (words(drums), "BT"),
            "when": (words(drums), "BT"),
            "mask": (torch.zeros(pieces, past + drums), "BA"),
            "past_keys": (memory, "..BP."),
            "past_values": (memory, "..BP."),
        },
        {"cross_keys": "..BT.", "cross_values": "..BT.", "keys": "..BT.", "values": "..BT."},
    )
    decoder = to_onnx(
        stepper,
        stepper.decode,
        {
            "tokens": (words(n), "BN"),
            "when": (words(n), "BN"),
            "mask": (torch.zeros(pieces, n, past + recent + n), "BNA"),
            "cross_mask": (torch.zeros(pieces, drums), "BT"),
            # Layer by layer, so that nothing needs to be cut out of a whole.
            **{
                f"{what}_{of}_{i}": layer[what]
                for i in range(config.decoder_layers)
                for what in layer
                for of in ("keys", "values")
            },
        },
        {"logits": "BN.", "keys": "..BN.", "values": "..BN."},
    )
    return {
        "encoder": encoder,
        "decoder": decoder,
        "memory": np.array(config.memory),
        "bar_tokens": np.array(bar_tokens),
        "layers": np.array([config.encoder_layers, config.decoder_layers]),
        "heads": np.array(config.heads),
        "depth": np.array(config.depth),
    }


def command(kept: Mapping[str, Any]) -> str:
    """The command that trains a network, from what its training said of itself."""
    usual = RECIPES[kept["shape"]]
    words = [f"python -m kinebeat.accompaniment.train --data CORPUS --variant {kept['variant']}"]
    words += [f"--shape {kept['shape']} --out runs/{kept['variant']} --seed {kept['seed']}"]
    words += [f"--{k} {kept['recipe'][k]:g}" for k in ("steps", "rate") if kept["recipe"][k] != getattr(usual, k)]
    batch = kept["recipe"]["drawing"]["batch"]
    words += [f"--batch {batch}"] if batch != usual.drawing.batch else []
    words += [f"--minutes {kept['minutes']:g}"] if kept["minutes"] is not None else []
    return " ".join(words + ["--half"] * kept["half"])


def card(name: str, entry: Mapping[str, Any], net: AccompanimentNet, kept: Mapping[str, Any]) -> str:
    """The Markdown card of a weight."""
    config = net.config
    shape = (
        f"{config.encoder_layers} encoder and {config.decoder_layers} decoder layers, {config.heads} heads, width "
        f"{config.width}, memory {config.memory}: {parameters(net):,} numbers"
    )
    paper = ("encoder_layers", "decoder_layers", "heads", "memory")
    as_paper = all(getattr(config, key) == getattr(NetConfig(), key) for key in paper)
    lines = [f"# {name}", "", f"RhythmicNet's Drum2Music ({kept['variant']}): {shape}."]
    lines += ["Layers, heads and memory are the paper's.", ""] if as_paper else [""]
    lines += ["| | |", "|---|---|"]
    lines += [f"| file | `{name}.{part}.onnx`, sha256 `{sha256}` |" for part, sha256 in entry["sha256"].items()]
    lines += [f"| {key} | {entry[key]} |" for key in ("licence", "data")]
    lines += [f"| recipe | `{entry['recipe']}` |", f"| seed | {kept['seed']} |", f"| date | {entry['date']} |"]
    lines += [f"| training | best at step {kept['step']}, {kept['seconds'] / 60:.0f} minutes in |", ""]
    done = kept["step"] / kept["recipe"]["steps"]
    if kept["minutes"] is not None:
        done = max(done, kept["seconds"] / (60 * kept["minutes"]))
    if done < FINISHED:
        lines += [
            f"Taken {100 * done:.0f} % into its training, before the learning rate had fallen: not yet what it can be.",
            "",
        ]
    lines += ["Negative log likelihood on the validation split, nats (lower is better):", ""]
    lines += ["| | this | unigram |", "|---|---|---|"]
    for key in [key for key in kept if key == "nll" or key.startswith("nll_")]:
        what = key.removeprefix("nll").strip("_").replace("_", " ") or "per token"
        lines.append(f"| {what} | {kept[key]:.3f} | {kept['unigram' + key.removeprefix('nll')]:.3f} |")
    return "\n".join([*lines, "", CAUTION, ""])


def export(run: Path, *, name: str = "accompaniment", scores: Path | None = None, folder: Path = FOLDER) -> None:
    """Write a trained network, its entry in the registry and its card.

    Args:
        run: the folder of the training.
        name: of the weight.
        scores: what `kinebeat evaluate accompaniment --json` wrote; this model's rows of it are kept in the registry.
        folder: where the weights go.

    Raises:
        InputError: no training is there.
    """
    net, kept = load_best(run)
    parts = model_parts(net)
    graphs = {part: value.tobytes() for part, value in parts.items() if value.dtype == np.uint8}
    table: list[dict[str, Any]] = json.loads(scores.read_text(encoding="utf-8"))["rows"] if scores else []
    # The product plays with the model that is shipped.
    own = (NAMES["full"], PRODUCT) if name == WEIGHT else (NAMES.get({v: k for k, v in ABLATED.items()}.get(name, "")),)
    entry = {
        "sha256": write_graphs(name, graphs, folder),
        "constants": {part: value.tolist() for part, value in parts.items() if part not in graphs},
        "licence": LICENCE,
        "data": DATA,
        "recipe": command(kept),
        "scores": [
            {"name": "validation", "nll": round(kept["nll"], 4)},
            {"name": "validation, unigram", "nll": round(kept["unigram"], 4)},
            *(row for row in table if row["name"] in own),
        ],
        "date": dt.datetime.fromtimestamp((run / "best.pt").stat().st_mtime, dt.UTC).date().isoformat(),
    }
    write_entries({**read_entries(folder), name: entry}, folder)
    (folder / f"{name}.md").write_text(card(name, entry, net, kept), encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> None:
    """The command `python -m kinebeat.accompaniment.export`."""
    about = (__doc__ or "").split("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m kinebeat.accompaniment.export", description=about)
    parser.add_argument("--run", type=Path, required=True, help="folder of the training")
    parser.add_argument("--name", default="accompaniment", help="of the weight")
    parser.add_argument("--scores", type=Path, help="what `kinebeat evaluate accompaniment --json` wrote")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the weights go")
    options = parser.parse_args(arguments)
    export(options.run, name=options.name, scores=options.scores, folder=options.folder)


if __name__ == "__main__":
    main()
