"""Turn a trained classifier into the weights that are shipped: `python -m kinebeat.evaluation.genre.export --run RUN`.

Like `network.py` and `train.py` this file needs torch, and nothing that scores imports it.
"""

from __future__ import annotations

import argparse
import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from kinebeat.drums.data import read_groove
from kinebeat.evaluation.drum_audio import FRAMES, MELS
from kinebeat.evaluation.genre.data import labelled_takes
from kinebeat.evaluation.genre.model import WEIGHT
from kinebeat.evaluation.genre.network import GenreCNN
from kinebeat.evaluation.genre.train import accuracy
from kinebeat.training import read_best
from kinebeat.weights import FOLDER
from kinebeat.weights.cards import card_text
from kinebeat.weights.exporting import read_entries, to_onnx, write_entries, write_graphs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

DATA = "Groove MIDI Dataset 1.0.0 (Gillick et al. 2019), official split, 4/4 beat files; CC BY 4.0; sound of TimGM6mb"
CAUTION = "A yardstick, not a judge: it knows four seconds of Groove's drummers through one soundfont."
TEST_TAKES = 2000


def genre_parts(net: GenreCNN, genres: Sequence[str]) -> dict[str, NDArray[Any]]:
    """The graph of a classifier: see `kinebeat.evaluation.genre.model.GenreNet`."""
    inputs = {"spectrogram": (torch.rand(2, MELS, FRAMES), "B..")}
    graph = to_onnx(net.eval(), net.look, inputs, {"features": "B.", "logits": "B."})
    return {"net": graph, "genres": np.array(genres)}


def export(run: Path, data: Path, *, folder: Path = FOLDER) -> None:
    """Write the classifier that a training kept, its entry in the registry and its card, scored on the test split.

    Args:
        run: the folder of the training.
        data: the folder that holds the Groove MIDI Dataset.
        folder: where the weights go.

    Raises:
        InputError: no training, or no data.
    """
    kept = read_best(run)
    net = GenreCNN(len(kept["genres"]), **kept["recipe"]["net"])
    net.load_state_dict(kept.pop("net"))
    test = [p for p in read_groove(data) if p.split == "test" and p.kind == "beat"]
    takes = labelled_takes(test, TEST_TAKES, 0)
    found = accuracy(net, takes)
    usual = kept["genres"].index("rock")
    chance = {"accuracy": float((takes[1] == usual).mean()), "balanced_accuracy": 1 / len(np.unique(takes[1]))}
    rows = [
        {"name": "this, test", "accuracy": found["accuracy"], "balanced_accuracy": found["balanced_accuracy"]},
        {"name": "always rock, test", **chance},
        {"name": "this, validation", **{key: kept[key] for key in ("accuracy", "balanced_accuracy")}},
    ]
    parts = genre_parts(net, kept["genres"])
    words = f"python -m kinebeat.evaluation.genre.train --data DIR --out runs/genre --seed {kept['seed']}"
    entry = {
        "sha256": write_graphs(WEIGHT, {"net": parts["net"].tobytes()}, folder),
        "constants": {"genres": list(kept["genres"])},
        "licence": "Apache-2.0",
        "data": DATA,
        "recipe": words + (f" --minutes {kept['minutes']:g}" if kept["minutes"] is not None else ""),
        "scores": [{k: round(v, 4) if isinstance(v, float) else v for k, v in row.items()} for row in rows],
        "date": dt.datetime.fromtimestamp((run / "best.pt").stat().st_mtime, dt.UTC).date().isoformat(),
    }
    write_entries({**read_entries(folder), WEIGHT: entry}, folder)
    numbers = sum(value.numel() for value in net.parameters())
    what = (
        f"Classifier of {len(kept['genres'])} drum genres ({', '.join(kept['genres'])}) from the log-mel spectrogram "
        f"of four seconds; {numbers:,} numbers. `kinebeat evaluate live-drums` measures drums in its features."
    )
    cells = [[r["name"], f"{r['accuracy']:.3f}", f"{r['balanced_accuracy']:.3f}"] for r in rows]
    sentence = f"Share of takes told rightly, {len(takes[1])} of the test split's:"
    tables = [(sentence, ("", "accuracy", "mean over genres"), cells)]
    facts = {"seed": str(kept["seed"]), "training": f"best at step {kept['step']}, {kept['takes']:,} takes"}
    (folder / f"{WEIGHT}.md").write_text(card_text(WEIGHT, what, entry, facts, tables, CAUTION), encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> None:
    """The command `python -m kinebeat.evaluation.genre.export`."""
    about = (__doc__ or "").split("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m kinebeat.evaluation.genre.export", description=about)
    parser.add_argument("--run", type=Path, required=True, help="folder of the training")
    parser.add_argument("--data", type=Path, required=True, help="folder that holds the Groove MIDI Dataset")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the weights go")
    options = parser.parse_args(arguments)
    export(options.run, options.data, folder=options.folder)


if __name__ == "__main__":
    main()
