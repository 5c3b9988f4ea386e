"""Train the performance network: `python -m kinebeat.performance.train --data CORPUS --out runs/piano`."""

from __future__ import annotations

import argparse
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from kinebeat.errors import InputError, OptionError
from kinebeat.evaluation.note_metrics import matched
from kinebeat.performance.batches import NOTHING, Batch, Batches, Drawing, cut, whole
from kinebeat.performance.corpus import read_pieces
from kinebeat.performance.features import CLIP_FRAMES, FPS
from kinebeat.performance.instruments import INSTRUMENTS
from kinebeat.performance.network import SHAPES, NetConfig, PerformanceNet
from kinebeat.performance.picking import Picking, pick, pick_voices
from kinebeat.training import Schedule, Session, add_session_options, fit, read_best, session_from

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from kinebeat.performance.corpus import Piece

VARIANTS: dict[str, dict[str, bool]] = {"full": {}, "no-hands": {"hands": False}, "gru": {"recurrent": True}}
"""What Table 5 of the paper compares."""
_LEAST = 1e-4
THRESHOLDS = (0.1, 0.125, 0.15, 0.175, 0.2, 0.25, 0.3, 0.4, 0.5)
"""Of `Picking`, from which validation chooses."""
THRESHOLDS_WITHOUT_KEYS = (0.4, 0.6, 0.8, 1.0, 1.2)
_VOICES = [of.voices for of in INSTRUMENTS.values()]


@dataclass(frozen=True, kw_only=True)
class Recipe(Schedule):
    """All that decides a training besides the data, the network, the seed and the device.

    Attributes:
        noam: the paper's schedule, a linear rise and then the inverse square root; else half a cosine.
        drawing: how the batches are drawn.
        touch: weight of what keys or pitches do in the loss, beside the words.
        words_every: steps from one with words in the loss to the next: they cost time that what pitches do needs.
        halved: whether products are computed in half precision (bfloat16), which is quicker.
        validated: pieces to validate on at most, the first of them.
    """

    steps: int = 3000
    rate: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.98)
    weight_decay: float = 0.02
    validate_every: int = 250
    noam: bool = False
    drawing: Drawing = field(default_factory=Drawing)
    touch: float = 1.0
    words_every: int = 1
    halved: bool = False
    validated: int = 44

    def rate_at(self, step: int, share: float) -> float:
        """Learning rate of a step."""
        if not self.noam:
            return super().rate_at(step, share)
        return float(self.rate * min((step + 1) / self.warmup_steps, (self.warmup_steps / (step + 1)) ** 0.5))


RECIPES = {
    "small": Recipe(),
    "swift": Recipe(steps=20000, rate=1.5e-3, words_every=4, halved=True, validate_every=1000),
    "paper": Recipe(
        steps=60000, rate=7e-4, warmup_steps=4000, validate_every=2000, noam=True, drawing=Drawing(batch=32)
    ),
}
"""How each of `SHAPES` is trained."""


def losses(net: PerformanceNet, batch: Batch, *, with_words: bool = True) -> dict[str, Tensor]:
    """Nats a frame of what keys or pitches do, "struck" and "held"; nats a word, "words", if they are wanted."""
    where = net.norm.weight.device
    nodes, tips, instrument, struck, held, words, seconds, target = (
        torch.as_tensor(x).to(where) for x in vars(batch).values()
    )
    vectors, alone = net.look(nodes, tips, instrument)
    found: dict[str, Tensor] = {}
    frames = struck.shape[0] * struck.shape[1]
    for name, truth, log_alone in (("struck", struck, alone[..., 0]), ("held", held, alone[..., 1])):
        done = (1 - log_alone.exp()).clamp(min=_LEAST).log()
        found[name] = -(truth * done + (1 - truth) * log_alone).sum() / frames
    if not with_words:
        return found
    memory = net.remember(vectors, alone, instrument)
    logits = net.say(words, seconds, memory)
    found["words"] = functional.cross_entropy(logits.flatten(0, 1), target.flatten(), ignore_index=NOTHING)
    return found


@torch.no_grad()
def validate(net: PerformanceNet, batches: Sequence[Batch], truths: Sequence[Any]) -> dict[str, float]:
    """The losses, and the F of onset and pitch at the best threshold."""
    net.eval()
    sums: dict[str, float] = {}
    for batch in batches:
        for name, value in losses(net, batch).items():
            sums[name] = sums.get(name, 0.0) + float(value) / len(batches)
    figures = {f"val_{name}": value for name, value in sums.items()}
    rows, voices = [], []
    for batch in batches:
        looked = (torch.as_tensor(value) for value in (batch.nodes, batch.tips, batch.instrument))
        rows += list((1 - net.look(*looked)[1].exp()).numpy())
        voices += [_VOICES[number] for number in batch.instrument.tolist()]
    best = 0.0
    for threshold in THRESHOLDS if net.config.keys else THRESHOLDS_WITHOUT_KEYS:
        counts = np.zeros(3)
        for roll, truth, most in zip(rows, truths, voices, strict=True):
            how = Picking(threshold)
            said = pick(*_both(roll), how) if net.config.keys else pick_voices(*_both(roll), how, most)
            hits = matched(truth.onset_s, truth.pitch, said.onset_s, said.pitch)
            counts += hits, len(truth), len(said)
        f = float(2 * counts[0] / max(1.0, counts[1] + counts[2]))
        if f > best:
            best, figures["threshold"] = f, threshold
    return figures | {"note_f": best}


def _both(roll: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    return roll[..., 0], roll[..., 1]


def truths_of(pieces: Sequence[Piece]) -> list[Any]:
    """The notes struck in each clip of `batches.whole`."""
    found = []
    for piece in pieces:
        for start in range(0, max(1, len(piece.joints) - CLIP_FRAMES // 2), CLIP_FRAMES):
            notes = cut(piece.notes, start / FPS)
            found.append(notes[notes.onset_s >= 0])
    return found


def train(
    data: Sequence[Path],
    session: Session,
    *,
    variant: str = "full",
    shape: str = "small",
    recipe: Recipe | None = None,
    config: NetConfig | None = None,
    start: Path | None = None,
) -> dict[str, float]:
    """Train one network and keep its best weights.

    Args:
        data: files of pieces; those called `validation*.npz` are validated on, all others learned from.
        session: where and how the training runs.
        variant: a key of `VARIANTS`.
        shape: a key of `SHAPES`.
        recipe: instead of the shape's.
        config: of the network, instead of the shape's.
        start: folder of a training whose best weights are begun with.

    Returns:
        The last validation's figures.

    Raises:
        OptionError: no such variant or shape.
        InputError: no corpus, or nothing to go on from.
    """
    for value, known, what in ((variant, VARIANTS, "variant"), (shape, SHAPES, "shape")):
        if value not in known:
            raise OptionError(f"no {what} {value!r}: expected one of {', '.join(known)}")
    plan = recipe or RECIPES[shape]
    learned: list[Piece] = []
    checked: list[Piece] = []
    for path in data:
        (checked if path.name.startswith("validation") else learned).extend(read_pieces(path))
    if not learned or not checked:
        raise InputError(data[0], "pieces to learn from and pieces to validate on are needed", "name files of both")
    checked = checked[: plan.validated]
    keys = learned[0].keys
    build = replace(config or SHAPES[shape], **VARIANTS[variant] | {"keys": keys})  # type: ignore[arg-type]
    asked = whole(checked, plan.drawing.batch)
    where = session.begin()
    net = PerformanceNet(build).to(where)
    if start is not None:
        net.load_state_dict(read_best(start)["net"])
    batches = Batches(learned, plan.drawing, session.seed)
    truths = truths_of(checked)

    def loss_of(step: int) -> Tensor:
        with torch.autocast(where.type, torch.bfloat16, enabled=plan.halved):
            found = losses(net, batches(step), with_words=step % plan.words_every == 0)
        done = plan.touch * (found["struck"] + 0.3 * found["held"])
        return done + found["words"] if "words" in found else done

    return fit(
        net,
        plan,
        session,
        loss_of=loss_of,
        validate=lambda averaged: validate(averaged, asked, truths),
        merit=lambda figures: figures.get("note_f", 0.0) - figures["val_words"],
        about={
            "config": asdict(build),
            "variant": variant,
            "shape": shape,
            "start": None if start is None else start.name,
        },
    )


def load_best(folder: Path) -> tuple[PerformanceNet, dict[str, Any]]:
    """The network that a training kept, ready to be used, and what `best.pt` says of it.

    Raises:
        InputError: the folder holds no training.
    """
    kept = read_best(folder)
    net = PerformanceNet(NetConfig(**kept["config"]))
    net.load_state_dict(kept.pop("net"))
    return net.eval(), kept


def main(arguments: Sequence[str] | None = None) -> None:
    """The command `python -m kinebeat.performance.train`."""
    about = (__doc__ or "").split("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m kinebeat.performance.train", description=about)
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="files of a corpus")
    parser.add_argument("--variant", choices=list(VARIANTS), default="full", help="what it is told and made of")
    parser.add_argument("--shape", choices=list(SHAPES), default="small", help="how large the network is")
    add_session_options(parser)
    parser.add_argument("--steps", type=int, help="steps of the training")
    parser.add_argument("--batch", type=int, help="clips in a batch")
    parser.add_argument("--rate", type=float, help="highest learning rate")
    parser.add_argument("--start", type=Path, help="folder of a training to begin with")
    parser.add_argument("--words-every", type=int, help="steps from one with words to the next")
    parser.add_argument("--real", type=float, help="share of the clips that are of films")
    options = parser.parse_args(arguments)
    plan = RECIPES[options.shape]
    given = {name: value for name, value in vars(options).items() if value is not None}
    chosen = {name: given[name] for name in ("steps", "rate", "words_every") if name in given}
    drawn = {name: given[name] for name in ("batch", "real") if name in given}
    train(
        options.data,
        session_from(options),
        variant=options.variant,
        shape=options.shape,
        start=options.start,
        recipe=replace(plan, drawing=replace(plan.drawing, **drawn), **chosen),
    )


if __name__ == "__main__":
    main()
