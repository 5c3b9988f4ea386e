"""Train the models of the drums room: `python -m kinebeat.drums.train --data DIR --model hits --out runs/hits`.

Every model has its recipe below, sized so that it ends on one CPU core; `--device cuda` runs the same recipe.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from kinebeat.drums.batches import Windows, draw, whole
from kinebeat.drums.data import Performance, Vocabulary, read_groove, vocabulary_of
from kinebeat.drums.network import GrooVAE, HitsTransformer, PerformanceUNet
from kinebeat.errors import OptionError
from kinebeat.training import Schedule, Session, add_session_options, fit, session_from

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, kw_only=True)
class Recipe(Schedule):
    """All that decides a training besides the data, the seed and the device."""

    bars: int
    batch: int
    betas: tuple[float, float] = (0.9, 0.98)
    fills: bool = False
    net: dict[str, Any] = field(default_factory=dict)


RECIPES = {
    "hits": Recipe(bars=8, steps=5000, batch=16, net={"width": 128, "dropout": 0.25}),
    "groovae": Recipe(bars=2, steps=4000, batch=64),
    "multi": Recipe(bars=2, steps=2500, batch=32, net={"width": 64, "steps": 32, "words": False, "performance": True}),
    "multi-hits": Recipe(bars=2, steps=2500, batch=32, net={"width": 64, "steps": 32, "performance": True}),
    "unet-paper": Recipe(bars=2, steps=8000, batch=64, fills=True, net={"dropout": 0.2}),
    "unet": Recipe(bars=8, steps=4000, batch=16, fills=True, net={"extras": 1, "dropout": 0.15}),
}


def build(model: str, recipe: Recipe, vocabulary: Vocabulary) -> nn.Module:
    """The untrained network of a model."""
    if model.startswith("unet"):
        return PerformanceUNet(**recipe.net)
    if model == "groovae":
        return GrooVAE(**recipe.net)
    return HitsTransformer(vocabulary.matrix, **recipe.net)


def _tensors(windows: Windows, device: torch.device) -> dict[str, Tensor]:
    return {name: torch.as_tensor(value).to(device) for name, value in vars(windows).items()}


def performance_errors(out: Tensor, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Mean squared error of velocities and of offsets (out: (..., 18)) at the hits alone."""
    velocity, offset = out.chunk(2, -1)
    weight = batch["hits"] / batch["hits"].sum().clamp(min=1)
    errors = [(velocity - batch["velocities"]) ** 2 * weight, (offset - batch["offsets"]) ** 2 * weight]
    return errors[0].sum(), errors[1].sum()


def _with_tempo(batch: dict[str, Tensor], extras: int) -> Tensor:
    if not extras:
        return batch["hits"]
    tempo = torch.log2(batch["tempo_bpm"] / 110.0).float()
    return torch.cat([batch["hits"], tempo[:, None, None].expand(-1, batch["hits"].shape[1], 1)], -1)


def losses(net: nn.Module, batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """What a model is trained on ("loss") and what is worth logging beside it."""
    if isinstance(net, PerformanceUNet):
        velocity, offset = performance_errors(net(_with_tempo(batch, net.extras)), batch)
        return {"loss": velocity + offset, "velocity_mse": velocity, "offset_mse": offset}
    if isinstance(net, GrooVAE):
        played = torch.cat([batch["hits"], batch["velocities"], batch["offsets"]], -1)
        out, divergence = net(batch["features"], played)
        hits = (
            functional.binary_cross_entropy_with_logits(out[..., :9], batch["hits"], reduction="none")
            .sum((1, 2))
            .mean()
        )
        velocity, offset = performance_errors(out[..., 9:], batch)
        # Their beta 0.2; the sum over 32 steps is in nats, as the divergence is.
        steps = out.shape[1]
        loss = (hits + 0.2 * divergence.mean()) / steps + 10.0 * (velocity + offset)
        found = {"loss": loss, "nats_per_step": hits / steps, "divergence": divergence.mean()}
        return found | {"velocity_mse": velocity, "offset_mse": offset}
    if not isinstance(net, HitsTransformer):
        raise TypeError(type(net))
    out = net(batch["features"], batch["bar"], batch["words"])
    inside = batch["inside"] / batch["inside"].sum()
    extra = net.outs.out_features if net.outs is not None else 0
    if net.words:
        logits = out[..., : out.shape[-1] - extra]
        hits = (functional.cross_entropy(logits.transpose(1, 2), batch["words"], reduction="none") * inside).sum()
    else:
        each = functional.binary_cross_entropy_with_logits(out[..., :9], batch["hits"], reduction="none")
        hits = (each.sum(-1) * inside).sum()
    found = {"loss": hits, "nats_per_step": hits}
    if extra >= 18:
        velocity, offset = performance_errors(out[..., -18:], batch)
        found |= {"loss": hits + 10.0 * (velocity + offset), "velocity_mse": velocity, "offset_mse": offset}
    return found


@torch.no_grad()
def validate(net: nn.Module, windows: Windows, device: torch.device, batch: int = 128) -> dict[str, float]:
    """Mean figures over all windows, each weighed by its hits or its steps."""
    net.eval()
    total: dict[str, float] = {}
    weights = 0.0
    for start in range(0, len(windows.words), batch):
        part = _tensors(Windows(*(value[start : start + batch] for value in vars(windows).values())), device)
        weight = float(part["hits"].sum()) if isinstance(net, PerformanceUNet) else float(part["inside"].sum())
        for name, value in losses(net, part).items():
            total[name] = total.get(name, 0.0) + float(value) * weight
        weights += weight
    return {name: value / weights for name, value in total.items()}


def train(data: Path, model: str, session: Session, *, recipe: Recipe | None = None) -> dict[str, float]:
    """Train one model and keep its best weights.

    Args:
        data: the folder that holds the Groove MIDI Dataset.
        model: a name in `RECIPES`.
        session: where and how the training runs.
        recipe: instead of the model's own.

    Returns:
        The last validation's figures.

    Raises:
        OptionError: no such model.
        InputError: no data, or nothing to go on from.
    """
    if model not in RECIPES:
        raise OptionError(f"no model {model!r}: expected one of {', '.join(RECIPES)}")
    plan = recipe or RECIPES[model]
    where = session.begin()
    performances = read_groove(data, cache=session.out.parent / "cache")
    vocabulary = vocabulary_of(p.hits for p in performances)
    learned = [p for p in performances if p.split == "train" and (p.kind == "beat" or plan.fills)]
    checked = whole(_split(performances, "validation"), plan.bars, vocabulary, seed=1)
    net = build(model, plan, vocabulary).to(where)

    def loss_of(step: int) -> Tensor:
        batch = _tensors(draw(learned, plan.bars, plan.batch, vocabulary, session.seed, step), where)
        return losses(net, batch)["loss"]

    return fit(
        net,
        plan,
        session,
        loss_of=loss_of,
        validate=lambda averaged: validate(averaged, checked, where),
        merit=lambda figures: -figures["loss"],
        about={"model": model},
    )


def _split(performances: Sequence[Performance], split: str) -> list[Performance]:
    return [p for p in performances if p.split == split and p.kind == "beat"]


def main(arguments: Sequence[str] | None = None) -> None:
    """The command `python -m kinebeat.drums.train`."""
    parser = argparse.ArgumentParser(prog="python -m kinebeat.drums.train", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder that holds the Groove MIDI Dataset")
    parser.add_argument("--model", choices=sorted(RECIPES), required=True)
    add_session_options(parser)
    options = parser.parse_args(arguments)
    train(options.data, options.model, session_from(options))


if __name__ == "__main__":
    main()
