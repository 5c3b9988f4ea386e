"""Train the network that sees keys go down: `python -m kinebeat.performance.pressing.train`."""

from __future__ import annotations

import argparse
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from kinebeat.errors import InputError
from kinebeat.evaluation.note_metrics import matched
from kinebeat.performance.piano_keys import CENTRE_U, LOWEST_PITCH, PITCH_CLASSES, PITCHES
from kinebeat.performance.pressing.batches import Batches, Drawing
from kinebeat.performance.pressing.channels import channels
from kinebeat.performance.pressing.corpus import read_films
from kinebeat.performance.pressing.network import PressConfig, PressNet
from kinebeat.performance.pressing.picking import struck_notes
from kinebeat.performance.pressing.pictures import PICTURES_PER_S
from kinebeat.performance.pressing.steadying import steadied
from kinebeat.performance.truth.alignment import align_to_strokes
from kinebeat.training import Schedule, Session, add_session_options, fit, read_best, session_from

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from kinebeat.performance.pressing.batches import Batch
    from kinebeat.performance.pressing.corpus import Film

THRESHOLDS = tuple(round(0.05 * k, 2) for k in range(2, 15))
"""Of a key that is struck, from which validation chooses."""
HELD = 0.3
"""Probability of being held below which a note ends."""
MOST_MOVED_S = 0.25
_AT_ONCE = 20


@dataclass(frozen=True, kw_only=True)
class Recipe(Schedule):
    """All that decides a training besides the films, the seed and the device.

    Attributes:
        drawing: how the batches are drawn.
        held: weight of held keys in the loss, beside struck ones.
    """

    steps: int = 2000
    rate: float = 2e-3
    warmup_steps: int = 50
    average: float = 0.995
    validate_every: int = 200
    drawing: Drawing = field(default_factory=Drawing)
    held: float = 0.3


def loss_of_batch(net: PressNet, batch: Batch, held_weight: float) -> Tensor:
    """Nats a picture: of struck keys, and of held ones by their weight."""
    where = net.out.weight.device
    pictures, centres, classes, struck, held, asked = (torch.as_tensor(x).to(where) for x in vars(batch).values())
    with torch.autocast(where.type, dtype=torch.bfloat16):
        logits = net(pictures, centres, classes).float()
    truth = torch.stack([struck, held], -1)
    each = functional.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    sums = (each * asked[:, None, :, None]).sum((0, 1, 2)) / (struck.shape[0] * struck.shape[1])
    loss: Tensor = sums[0] + held_weight * sums[1]
    return loss


@torch.no_grad()
def hear(net: PressNet, film: Film) -> NDArray[np.float32]:
    """How likely each key is struck and held in each picture of a film, (T, 88, 2)."""
    centres = torch.as_tensor(CENTRE_U, dtype=torch.float32)
    classes = (torch.arange(PITCHES) + LOWEST_PITCH) % PITCH_CLASSES
    pictures, still = steadied(film.pictures)
    found = []
    for start in range(0, len(pictures), _AT_ONCE):
        told = channels(pictures[start : start + _AT_ONCE], pictures[max(0, start - 1)], still)
        found.append(net.at_keys(torch.as_tensor(told), centres.expand(len(told), -1), classes.expand(len(told), -1)))
    logits = net.through_time(torch.cat(found)[None])
    result: NDArray[np.float32] = logits[0].sigmoid().numpy()
    return result


def on_time(net: PressNet, film: Film) -> Film:
    """A film with its notes at the time of the strokes that a network sees."""
    lag_s = align_to_strokes(film.notes, hear(net, film)[..., 0], PICTURES_PER_S, longest_s=MOST_MOVED_S)
    return replace(film, notes=film.notes.later(-lag_s))


def validate(net: PressNet, films: Sequence[Film]) -> dict[str, float]:
    """F of onset and pitch, and of onset and pitch class, at the best threshold."""
    net.eval()
    heard = [hear(net, film) for film in films]
    best: dict[str, float] = {"note_f": 0.0, "class_f": 0.0, "threshold": THRESHOLDS[0]}
    for threshold in THRESHOLDS:
        counts, of_class = np.zeros(3), 0
        for film, roll in zip(films, heard, strict=True):
            said = struck_notes(roll[..., 0], roll[..., 1], threshold, HELD, PICTURES_PER_S)
            truth = film.notes
            hits = matched(truth.onset_s, truth.pitch, said.onset_s, said.pitch)
            of_class += matched(truth.onset_s, truth.pitch % 12, said.onset_s, said.pitch % 12)
            counts += hits, len(truth), len(said)
        f = float(2 * counts[0] / max(1.0, counts[1] + counts[2]))
        if f > best["note_f"]:
            of_both = float(2 * of_class / max(1.0, counts[1] + counts[2]))
            best = {"note_f": f, "class_f": of_both, "threshold": threshold}
    return best


def train(
    folder: Path,
    session: Session,
    *,
    recipe: Recipe | None = None,
    config: PressConfig | None = None,
    start: Path | None = None,
    clock: Path | None = None,
) -> dict[str, float]:
    """Train a network and keep its best weights.

    Args:
        folder: of a corpus, with the folders `train` and `validation`.
        session: where and how the training runs.
        recipe: the standard one if None.
        config: of the network; the standard one if None.
        start: folder of a training whose best weights are begun with.
        clock: folder of a training; the notes of every film are moved to the strokes that it sees, as their time is
            known to no more than a picture or two without it.

    Returns:
        The last validation's figures.

    Raises:
        InputError: no corpus, or nothing to go on from.
    """
    plan = recipe or Recipe()
    learned, checked = read_films(folder / "train"), read_films(folder / "validation")
    where = session.begin()
    net = PressNet(config or PressConfig()).to(where)
    if start is not None:
        net.load_state_dict(read_best(start)["net"])
    if clock is not None:
        seer, _ = load_best(clock)
        learned, checked = ([on_time(seer, film) for film in some] for some in (learned, checked))
    batches = Batches(learned, plan.drawing, session.seed)
    return fit(
        net,
        plan,
        session,
        loss_of=lambda step: loss_of_batch(net, batches(step), plan.held),
        validate=lambda averaged: validate(averaged, checked),
        merit=lambda figures: figures["note_f"],
        about={
            "config": asdict(net.config),
            "start": None if start is None else start.name,
            "clock": None if clock is None else clock.name,
        },
    )


def load_best(folder: Path) -> tuple[PressNet, dict[str, Any]]:
    """The network that a training kept, ready to be used, and what `best.pt` says of it.

    Raises:
        InputError: the folder holds no training.
    """
    kept = read_best(folder)
    net = PressNet(PressConfig(**kept["config"]))
    net.load_state_dict(kept.pop("net"))
    return net.eval(), kept


def main(arguments: Sequence[str] | None = None) -> None:
    """The command `python -m kinebeat.performance.pressing.train`."""
    about = (__doc__ or "").split("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m kinebeat.performance.pressing.train", description=about)
    parser.add_argument("--films", type=Path, required=True, help="folder of the corpus")
    add_session_options(parser)
    parser.add_argument("--steps", type=int, help="steps of the training")
    parser.add_argument("--batch", type=int, help="clips in a batch")
    parser.add_argument("--rate", type=float, help="highest learning rate")
    parser.add_argument("--start", type=Path, help="folder of a training to begin with")
    parser.add_argument("--clock", type=Path, help="folder of a training that tells when the keys are struck")
    options = parser.parse_args(arguments)
    plan = Recipe()
    chosen = {name: getattr(options, name) for name in ("steps", "rate") if getattr(options, name) is not None}
    if options.batch is not None:
        chosen["drawing"] = replace(plan.drawing, batch=options.batch)
    if not options.films.is_dir():
        raise InputError(options.films, "there is no such folder", "make the corpus first")
    train(
        options.films, session_from(options), recipe=replace(plan, **chosen), start=options.start, clock=options.clock
    )


if __name__ == "__main__":
    main()
