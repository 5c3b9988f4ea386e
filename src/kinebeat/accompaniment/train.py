"""Train the accompaniment: `python -m kinebeat.accompaniment.train --data CORPUS --variant full --out runs/full`.

One network serves all instruments. `--device cuda` with `--shape paper` runs it at the paper's size.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from kinebeat.accompaniment.batches import NOTHING, Batch, Batches, Drawing, SegmentPieces, evenly, whole
from kinebeat.accompaniment.corpus import load_segments
from kinebeat.accompaniment.network import SHAPES, AccompanimentNet, NetConfig
from kinebeat.accompaniment.parts import INSTRUMENTS
from kinebeat.accompaniment.vocabulary import DECODER, ENCODER
from kinebeat.errors import OptionError
from kinebeat.training import Schedule, Session, add_session_options, fit, read_best, session_from

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from kinebeat.accompaniment.batches import Pieces


@dataclass(frozen=True)
class Variant:
    """What a network is told: `memory` of the bars before, and the `hits` of the drums."""

    memory: bool = True
    hits: bool = True


VARIANTS = {"full": Variant(), "no-memory": Variant(memory=False), "unconditional": Variant(hits=False)}


@dataclass(frozen=True, kw_only=True)
class Recipe(Schedule):
    """All that decides a training besides the data, the network, the seed and the device.

    Attributes:
        drawing: how the batches are drawn.
        validation_pieces: to validate on at most.
        unigram_pieces: of the training data, to count tokens in for the baseline.
    """

    steps: int = 9000
    rate: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.98)
    weight_decay: float = 0.02
    validate_every: int = 500
    drawing: Drawing = field(default_factory=Drawing)
    validation_pieces: int = 200
    unigram_pieces: int = 2000


RECIPES = {
    "small": Recipe(),
    "paper": Recipe(
        steps=20000, rate=6e-4, warmup_steps=1000, validate_every=1000, average=0.999, drawing=Drawing(batch=32)
    ),
}
"""How each of `SHAPES` is trained."""


def logits_of(net: AccompanimentNet, batch: Batch, *, half: bool = False) -> tuple[Tensor, Tensor]:
    """Logits (B, L, W) of a batch, and its target (B, L)."""
    where = net.word_bias.device
    inputs = [torch.as_tensor(x).to(where) for x in batch.inputs]
    with torch.autocast(where.type, torch.bfloat16, enabled=half):
        logits = net(*inputs)
    return logits, torch.as_tensor(batch.target).to(where)


def loss_of_batch(net: AccompanimentNet, batch: Batch, *, half: bool = False) -> Tensor:
    """Mean negative log likelihood of a batch's tokens, in nats."""
    logits, target = logits_of(net, batch, half=half)
    return functional.cross_entropy(logits.flatten(0, 1), target.flatten(), ignore_index=NOTHING)


@dataclass
class Tally:
    """Sums over tokens: nats and counts, by kind of token and by instrument, (instruments, kinds)."""

    nats: NDArray[np.float64]
    count: NDArray[np.int64]

    @classmethod
    def empty(cls) -> Tally:
        """Of no token."""
        shape = len(INSTRUMENTS), len(DECODER.kinds)
        return cls(np.zeros(shape), np.zeros(shape, np.int64))

    def add(self, batch: Batch, nats: NDArray[np.float64]) -> None:
        """Add the tokens of a batch, whose nats are (B, L)."""
        asked = batch.target != NOTHING
        who = np.array([ENCODER.value[row[ENCODER.are(row, "For")][0]] for row in batch.encoder_tokens])
        place = np.broadcast_to(who[:, None], asked.shape)[asked], DECODER.kind[batch.target[asked]]
        np.add.at(self.nats, place, nats[asked])
        np.add.at(self.count, place, 1)

    def figures(self, name: str = "nll") -> dict[str, float]:
        """Nats per token, by kind of token, per note, and by instrument; what has no token is left out."""
        pitch = DECODER.kinds.index("Pitch")
        sums = {
            name: (self.nats.sum(), self.count.sum()),
            f"{name}_per_note": (self.nats.sum(), self.count[:, pitch].sum()),
        }
        for i, kind in enumerate(DECODER.kinds):
            sums[f"{name}_{kind.lower()}"] = self.nats[:, i].sum(), self.count[:, i].sum()
        for i, instrument in enumerate(INSTRUMENTS):
            sums[f"{name}_{instrument}"] = self.nats[i].sum(), self.count[i].sum()
            sums[f"{name}_per_note_{instrument}"] = self.nats[i].sum(), self.count[i, pitch].sum()
        return {key: float(nats / count) for key, (nats, count) in sums.items() if count}


@torch.no_grad()
def validate(net: AccompanimentNet, batches: Sequence[Batch], *, half: bool = False) -> dict[str, float]:
    """Negative log likelihoods of all tokens but the first of each crop: see `Tally.figures`."""
    net.eval()
    tally = Tally.empty()
    for batch in batches:
        logits, target = logits_of(net, batch, half=half)
        nats = functional.cross_entropy(logits.flatten(0, 1), target.flatten().clamp(min=0), reduction="none")
        tally.add(batch, nats.view(target.shape).double().cpu().numpy())
    return tally.figures()


def unigram(pieces: Pieces, most: int, batches: Sequence[Batch]) -> dict[str, float]:
    """The same figures for a baseline that knows nothing but how often each token is played."""
    counts = np.ones(len(DECODER))
    for number in evenly(pieces, most):
        counts += np.bincount(pieces[number].music.tokens, minlength=len(DECODER))
    nats = -np.log(counts / counts.sum())
    tally = Tally.empty()
    for batch in batches:
        tally.add(batch, nats[np.maximum(batch.target, 0)])
    return tally.figures("unigram")


def train(
    data: Path,
    variant: str,
    session: Session,
    *,
    shape: str = "small",
    half: bool = False,
    recipe: Recipe | None = None,
    config: NetConfig | None = None,
) -> dict[str, float]:
    """Train one network and keep its best weights.

    Args:
        data: folder of the corpus.
        variant: a key of `VARIANTS`.
        session: where and how the training runs.
        shape: a key of `SHAPES`.
        half: compute in bfloat16 but for the attention: twice as fast where the processor has it, slow where not.
        recipe: instead of the shape's.
        config: of the network, instead of the shape's; its vocabularies are set here.

    Returns:
        The last validation's figures.

    Raises:
        OptionError: no such variant or shape.
        InputError: no corpus, or nothing to go on from.
    """
    for value, known, what in ((variant, VARIANTS, "variant"), (shape, SHAPES, "shape")):
        if value not in known:
            raise OptionError(f"no {what} {value!r}: expected one of {', '.join(known)}")
    told, plan = VARIANTS[variant], recipe or RECIPES[shape]
    build = replace(config or SHAPES[shape], encoder_words=len(ENCODER), decoder_words=len(DECODER))
    build = build if told.memory else replace(build, memory=0)
    learned, checked = (SegmentPieces(load_segments(data, split), hits=told.hits) for split in ("train", "validation"))
    asked = whole(checked, plan.drawing.tokens, plan.drawing.batch, plan.validation_pieces)
    baseline = unigram(learned, plan.unigram_pieces, asked)
    where = session.begin()
    if where.type == "cuda":
        torch.set_float32_matmul_precision("high")
    net = AccompanimentNet(build).to(where)
    batches = Batches(learned, plan.drawing, session.seed)
    return fit(
        net,
        plan,
        session,
        loss_of=lambda step: loss_of_batch(net, batches(step), half=half),
        validate=lambda averaged: {**validate(averaged, asked, half=half), **baseline},
        merit=lambda figures: -figures["nll"],
        about={"config": asdict(build), "variant": variant, "shape": shape, "half": half},
        decays=lambda name, value: value.ndim > 1 and not name.endswith("_bias"),
    )


def load_best(folder: Path) -> tuple[AccompanimentNet, dict[str, Any]]:
    """The network that a training kept, ready to be used, and what `best.pt` says of it.

    Raises:
        InputError: the folder holds no training.
    """
    kept = read_best(folder)
    net = AccompanimentNet(NetConfig(**kept["config"]))
    net.load_state_dict(kept.pop("net"))
    return net.eval(), kept


def main(arguments: Sequence[str] | None = None) -> None:
    """The command `python -m kinebeat.accompaniment.train`."""
    about = (__doc__ or "").split("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m kinebeat.accompaniment.train", description=about)
    parser.add_argument("--data", type=Path, required=True, help="folder of the corpus")
    parser.add_argument("--variant", choices=list(VARIANTS), default="full", help="what the network is told")
    parser.add_argument("--shape", choices=list(SHAPES), default="small", help="how large the network is")
    add_session_options(parser)
    parser.add_argument("--steps", type=int, help="steps of the training")
    parser.add_argument("--batch", type=int, help="crops in a batch")
    parser.add_argument("--rate", type=float, help="highest learning rate")
    parser.add_argument("--half", action="store_true", help="compute in bfloat16, where the processor has it")
    options = parser.parse_args(arguments)
    plan = RECIPES[options.shape]
    chosen = {name: getattr(options, name) for name in ("steps", "rate") if getattr(options, name) is not None}
    drawing = plan.drawing if options.batch is None else replace(plan.drawing, batch=options.batch)
    train(
        options.data,
        options.variant,
        session_from(options),
        shape=options.shape,
        half=options.half,
        recipe=replace(plan, drawing=drawing, **chosen),
    )


if __name__ == "__main__":
    main()
