"""Train the classifier of drum genres: `python -m kinebeat.evaluation.genre.train --data DIR --out runs/genre`."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from kinebeat.drums.data import read_groove
from kinebeat.evaluation.genre.data import GENRES, labelled_takes
from kinebeat.evaluation.genre.network import GenreCNN
from kinebeat.training import Schedule, Session, add_session_options, fit, session_from

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Labelled = tuple[NDArray[np.float16], NDArray[np.int64]]


@dataclass(frozen=True, kw_only=True)
class Recipe(Schedule):
    """All that decides a training besides the data, the seed and the device.

    Attributes:
        batch: takes in a batch.
        takes: of the training split at most.
        net: arguments of the network.
    """

    steps: int = 2500
    rate: float = 2e-3
    validate_every: int = 250
    batch: int = 48
    takes: int = 8000
    net: dict[str, Any] = field(default_factory=dict)


def varied(spectrograms: NDArray[np.float16], rng: np.random.Generator) -> NDArray[np.float32]:
    """Spectrograms (B, 40, 100) a little louder or softer, with a stretch of time and some pitches left out."""
    found = spectrograms.astype(np.float32)
    quiet = found <= 0
    found += rng.normal(0.0, 0.05, (len(found), 1, 1)).astype(np.float32)
    found[quiet] = 0.0
    for row in found:
        band, time = rng.integers(row.shape[0] - 4), rng.integers(row.shape[1] - 10)
        row[band : band + rng.integers(5)] = 0.0
        row[:, time : time + rng.integers(11)] = 0.0
    return found


@torch.no_grad()
def accuracy(net: GenreCNN, labelled: Labelled, batch: int = 128) -> dict[str, float]:
    """Share of takes told rightly, "balanced_accuracy" (mean over the genres there are) and "nats" a take."""
    net.eval()
    spectrograms, genres = labelled
    logits = np.concatenate(
        [
            net(torch.as_tensor(spectrograms[i : i + batch].astype(np.float32))).numpy()
            for i in range(0, len(genres), batch)
        ]
    )
    right = logits.argmax(1) == genres
    nats = functional.cross_entropy(torch.as_tensor(logits), torch.as_tensor(genres))
    return {
        "accuracy": float(right.mean()),
        "balanced_accuracy": float(np.mean([right[genres == g].mean() for g in np.unique(genres)])),
        "nats": float(nats),
    }


def train(data: Path, session: Session, *, recipe: Recipe | None = None) -> dict[str, float]:
    """Train the classifier and keep its best weights.

    Args:
        data: the folder that holds the Groove MIDI Dataset.
        session: where and how the training runs.
        recipe: instead of the usual one.

    Returns:
        The last validation's figures.

    Raises:
        InputError: no data, or nothing to go on from.
    """
    plan = recipe or Recipe()
    performances = [p for p in read_groove(data, cache=session.out.parent / "cache") if p.kind == "beat"]
    learned = labelled_takes([p for p in performances if p.split == "train"], plan.takes, 0)
    checked = labelled_takes([p for p in performances if p.split == "validation"], plan.takes, 0)
    usual = int(np.bincount(learned[1], minlength=len(GENRES)).argmax())
    session.begin()
    net = GenreCNN(len(GENRES), **plan.net)
    # Rock is half of Groove: a root keeps it from being all that is learned.
    weight = np.bincount(learned[1], minlength=len(GENRES))[learned[1]] ** -0.5
    weight /= weight.sum()

    def loss_of(step: int) -> Tensor:
        rng = np.random.default_rng([session.seed, step])
        which = rng.choice(len(weight), plan.batch, p=weight)
        logits = net(torch.as_tensor(varied(learned[0][which], rng)))
        return functional.cross_entropy(logits, torch.as_tensor(learned[1][which]), label_smoothing=0.05)

    return fit(
        net,
        plan,
        session,
        loss_of=loss_of,
        validate=lambda averaged: {**accuracy(averaged, checked), "commonest": float((checked[1] == usual).mean())},
        merit=lambda figures: figures["accuracy"] + figures["balanced_accuracy"],
        about={"genres": list(GENRES), "takes": len(learned[1])},
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """The command `python -m kinebeat.evaluation.genre.train`."""
    about = (__doc__ or "").split("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m kinebeat.evaluation.genre.train", description=about)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds the Groove MIDI Dataset")
    add_session_options(parser)
    options = parser.parse_args(arguments)
    train(options.data, session_from(options))


if __name__ == "__main__":
    main()
