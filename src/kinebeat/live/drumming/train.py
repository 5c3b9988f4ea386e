"""Train the live drummers: `python -m kinebeat.live.drumming.train --data DIR --model drumgen --out runs/drumgen`."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from kinebeat.drums.data import Performance, Vocabulary, read_groove, vocabulary_of
from kinebeat.errors import OptionError
from kinebeat.live.drumming.baselines import counted_nll
from kinebeat.live.drumming.data import (
    CONTEXT,
    Material,
    Windows,
    draw,
    drum_notes,
    material_of,
    note_batch,
    take,
)
from kinebeat.live.drumming.network import DrumGenTransformer, MonoGRU
from kinebeat.training import Schedule, Session, add_session_options, fit, session_from

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

NOTES = 64


@dataclass(frozen=True, kw_only=True)
class Recipe(Schedule):
    """All that decides a training besides the data, the seed and the device.

    Attributes:
        batch: windows, or runs of notes, in a batch.
        told: share of the windows that are told the beat of the bar.
        begun: share of the windows in which the drums have only just begun.
        net: arguments of the network.
    """

    batch: int = 64
    told: float = 0.7
    begun: float = 0.12
    betas: tuple[float, float] = (0.9, 0.98)
    net: dict[str, Any] = field(default_factory=dict)


RECIPES = {
    "drumgen": Recipe(steps=9000, rate=2e-3, validate_every=500),
    "mono": Recipe(steps=2000, rate=3e-3, batch=64, validate_every=200),
}


def _tensors(windows: Windows) -> tuple[Tensor, Tensor, Tensor]:
    return torch.as_tensor(windows.style), torch.as_tensor(windows.beat_in_bar), torch.as_tensor(windows.words)


def drumgen_loss(net: DrumGenTransformer, windows: Windows) -> Tensor:
    """Mean nats of all 16 words: the past is learned too, at a quarter of the price of the new beat.

    Silence before the drums begin is nothing to be learned.
    """
    style, beat, words = _tensors(windows)
    nats = functional.cross_entropy(net(style, beat, words).transpose(1, 2), words, reduction="none")
    begun = (words != 0).cumsum(1)[:, :CONTEXT] > 0
    return 0.25 * (nats[:, :CONTEXT] * begun).mean() + nats[:, CONTEXT:].mean()


@torch.no_grad()
def drumgen_nats(net: DrumGenTransformer, windows: Windows, batch: int = 512) -> float:
    """Nats a 16th of the new beat."""
    net.eval()
    total = 0.0
    for start in range(0, len(windows.words), batch):
        part = Windows(*(value[start : start + batch] for value in vars(windows).values()))
        style, beat, words = _tensors(part)
        logits = net(style, beat, words)[:, CONTEXT:]
        total += float(functional.cross_entropy(logits.flatten(0, 1), words[:, CONTEXT:].flatten(), reduction="sum"))
    return total / (len(windows.words) * (windows.words.shape[1] - CONTEXT))


def note_loss(net: MonoGRU, notes: NDArray[np.int64]) -> Tensor:
    """Mean nats of drum notes (B, L), -1 where there is none."""
    target = torch.as_tensor(notes)
    return functional.cross_entropy(net(target).transpose(1, 2), target, ignore_index=-1)


def validation_windows(material: Material, seed: int = 1) -> dict[str, Windows]:
    """All beats, with movement-like styles and with the drums' own, told the beat of the bar and not."""
    every = np.arange(len(material))
    moved = take(material, every, np.random.default_rng(seed))
    unknown = np.full_like(moved.beat_in_bar, -1)
    clean = take(material, every)
    return {
        "nats": moved,
        "nats_not_told": Windows(moved.style, moved.words, unknown),
        "nats_own_style": clean,
        "nats_no_style": Windows(np.zeros_like(moved.style), moved.words, moved.beat_in_bar),
        "nats_beginning": Windows(moved.style, _begun_now(moved.words), moved.beat_in_bar),
    }


def _begun_now(words: NDArray[np.int64]) -> NDArray[np.int64]:
    """Windows (B, 16) whose past is silent."""
    return np.where(np.arange(words.shape[1]) < CONTEXT, 0, words)


def groove(data: Path, cache: Path) -> tuple[dict[str, list[Performance]], Vocabulary]:
    """Groove's long performances by split, and the vocabulary of all its files."""
    performances = read_groove(data, cache=cache)
    splits = {
        split: [p for p in performances if p.split == split and p.kind == "beat"]
        for split in ("train", "validation", "test")
    }
    return splits, vocabulary_of(p.hits for p in performances)


def train(data: Path, model: str, session: Session, *, recipe: Recipe | None = None) -> dict[str, float]:
    """Train one network and keep its best weights.

    Args:
        data: the folder that holds the Groove MIDI Dataset.
        model: "drumgen" or "mono".
        session: where and how the training runs.
        recipe: instead of the model's own.

    Returns:
        The last validation's figures, nats.

    Raises:
        OptionError: no such model.
        InputError: no data, or nothing to go on from.
    """
    if model not in RECIPES:
        raise OptionError(f"no model {model!r}: expected one of {', '.join(RECIPES)}")
    plan = recipe or RECIPES[model]
    splits, vocabulary = groove(data, session.out.parent / "cache")
    session.begin()
    if model == "mono":
        return _train_mono(splits, session, plan)
    learned = material_of(splits["train"], vocabulary)
    checked = validation_windows(material_of(splits["validation"], vocabulary))
    rng = np.random.default_rng(2)
    baselines = counted_nll(take(learned, np.arange(len(learned)), rng), checked["nats"], len(vocabulary))
    net = DrumGenTransformer(vocabulary.matrix, **plan.net)
    return fit(
        net,
        plan,
        session,
        loss_of=lambda step: drumgen_loss(net, draw(learned, plan.batch, session.seed, step, plan.told, plan.begun)),
        validate=lambda averaged: {
            **{name: drumgen_nats(averaged, windows) for name, windows in checked.items()},
            **baselines,
        },
        merit=lambda figures: -figures["nats"],
        about={"model": model},
    )


def _train_mono(splits: dict[str, list[Performance]], session: Session, plan: Recipe) -> dict[str, float]:
    notes = {split: [drum_notes(p) for p in splits[split]] for split in ("train", "validation")}
    checked = note_batch(notes["validation"], NOTES, 512, 1, 0)
    net = MonoGRU(**plan.net)
    baselines = counted_notes(notes["train"], checked)

    def validate(averaged: MonoGRU) -> dict[str, float]:
        with torch.no_grad():
            return {"nats": float(note_loss(averaged, checked)), **baselines}

    return fit(
        net,
        plan,
        session,
        loss_of=lambda step: note_loss(net, note_batch(notes["train"], NOTES, plan.batch, session.seed, step)),
        validate=validate,
        merit=lambda figures: -figures["nats"],
        about={"model": "mono"},
    )


def counted_notes(train: Sequence[NDArray[np.int64]], asked: NDArray[np.int64]) -> dict[str, float]:
    """Nats a note by counts: "unigram", and "bigram" given the note before; notes (B, L), -1 where there is none."""
    drums = 9
    pairs = np.ones((drums + 1, drums))
    for notes in train:
        np.add.at(pairs, (np.concatenate([[drums], notes[:-1]])[: len(notes)], notes), 1)
    there = asked >= 0
    before = np.concatenate([np.full((len(asked), 1), drums), asked[:, :-1]], 1)[there]
    single = pairs[:drums].sum(0) / pairs[:drums].sum()
    double = pairs / pairs.sum(1, keepdims=True)
    return {
        "unigram": float(-np.log(single[asked[there]]).mean()),
        "bigram": float(-np.log(double[before, asked[there]]).mean()),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """The command `python -m kinebeat.live.drumming.train`."""
    about = (__doc__ or "").split("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m kinebeat.live.drumming.train", description=about)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds the Groove MIDI Dataset")
    parser.add_argument("--model", choices=sorted(RECIPES), required=True)
    add_session_options(parser)
    options = parser.parse_args(arguments)
    train(options.data, options.model, session_from(options))


if __name__ == "__main__":
    main()
