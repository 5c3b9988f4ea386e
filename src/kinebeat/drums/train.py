"""Train the models of the drums room: `python -m kinebeat.drums.train --data DIR --model hits --out runs/hits`.

Every model has its recipe below, sized so that it ends on one CPU core; `--device cuda` runs the same recipe.
A training writes `last.pt` (to go on from), `best.pt` (averaged weights with the best validation score) and
`log.jsonl` into its folder.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from kinebeat.drums.batches import Windows, draw, whole
from kinebeat.drums.data import Performance, Vocabulary, read_groove, vocabulary_of
from kinebeat.drums.network import GrooVAE, HitsTransformer, PerformanceUNet
from kinebeat.errors import InputError, OptionError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@dataclass(frozen=True)
class Recipe:
    """All that decides a training besides the data, the seed and the device."""

    bars: int
    steps: int
    batch: int
    rate: float = 1e-3
    weight_decay: float = 0.05
    warmup_steps: int = 200
    average: float = 0.998
    fills: bool = False
    drop_drum: float = 0.0
    validate_every: int = 500
    net: dict[str, Any] = field(default_factory=dict)


CHECKPOINT_EVERY_S = 120.0
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
    net.train()
    return {name: value / weights for name, value in total.items()}


def train(
    data: Path,
    model: str,
    out: Path,
    *,
    device: str = "auto",
    seed: int = 0,
    resume: bool = False,
    minutes: float | None = None,
    threads: int = 1,
    recipe: Recipe | None = None,
    log: Callable[[str], None] | None = None,
) -> dict[str, float]:
    """Train one model and keep its best weights.

    Args:
        data: the folder that holds the Groove MIDI Dataset.
        model: a name in `RECIPES`.
        out: folder for checkpoints and log.
        device: "auto", "cpu" or "cuda".
        seed: of weights and batches.
        resume: go on from `last.pt`.
        minutes: end sooner than the recipe says; the learning rate falls in time for it.
        threads: of torch on the CPU.
        recipe: instead of the model's own.
        log: told every line that goes into the log.

    Returns:
        The validation figures of the weights kept.

    Raises:
        OptionError: no such model.
        InputError: no data, or nothing to go on from.
    """
    if model not in RECIPES:
        raise OptionError(f"no model {model!r}: expected one of {', '.join(RECIPES)}")
    plan = recipe or RECIPES[model]
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    where = torch.device(("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device)
    out.mkdir(parents=True, exist_ok=True)
    performances = read_groove(data, cache=out.parent / "cache")
    vocabulary = vocabulary_of(p.hits for p in performances)
    learned = [p for p in performances if p.split == "train" and (p.kind == "beat" or plan.fills)]
    checked = whole(_split(performances, "validation"), plan.bars, vocabulary, seed=1)
    net = build(model, plan, vocabulary).to(where)
    average = torch.optim.swa_utils.AveragedModel(net, avg_fn=_warming_average(plan.average), use_buffers=False)
    matrices = [p for p in net.parameters() if p.ndim > 1]
    rest = [p for p in net.parameters() if p.ndim <= 1]
    groups = [{"params": matrices, "weight_decay": plan.weight_decay}, {"params": rest, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=plan.rate, betas=(0.9, 0.98))
    step, best, spent = 0, math.inf, 0.0
    last = out / "last.pt"
    if resume:
        if not last.is_file():
            raise InputError(last, "expected a checkpoint, found none", "train without --resume")
        kept = torch.load(last, map_location=where, weights_only=True)
        net.load_state_dict(kept["net"])
        average.load_state_dict(kept["average"])
        optimiser.load_state_dict(kept["optimiser"])
        torch.set_rng_state(kept["rng"].cpu())
        step, best, spent = kept["step"], kept["best"], kept["seconds"]
    figures: dict[str, float] = {}
    began, saved, seen = time.monotonic() - spent, time.monotonic(), 0.0
    net.train()
    while step < plan.steps:
        share = step / plan.steps
        if minutes is not None:
            share = max(share, (time.monotonic() - began) / (60 * minutes))
        rate = plan.rate * min(1.0, (step + 1) / plan.warmup_steps) * 0.5 * (1 + math.cos(math.pi * min(1.0, share)))
        for group in optimiser.param_groups:
            group["lr"] = rate
        batch = _tensors(draw(learned, plan.bars, plan.batch, vocabulary, seed, step), where)
        if plan.drop_drum:
            batch["hits"] = batch["hits"] * (torch.rand(plan.batch, 1, 9, device=where) >= plan.drop_drum)
        loss = losses(net, batch)["loss"]
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        average.update_parameters(net)
        seen += float(loss.detach())
        step += 1
        done = step >= plan.steps or share >= 1.0
        if step % plan.validate_every == 0 or done:
            figures = validate(average.module, checked, where)
            record = {"step": step, "seconds": round(time.monotonic() - began), "rate": rate}
            record |= {"train_loss": seen / plan.validate_every, **figures}
            seen = 0.0
            line = json.dumps(record)
            with (out / "log.jsonl").open("a") as handle:
                handle.write(line + "\n")
            if log is not None:
                log(line)
            if figures["loss"] < best:
                best = figures["loss"]
                _save(
                    out / "best.pt",
                    {"net": average.module.state_dict(), "model": model, "recipe": asdict(plan), **record},
                )
        if time.monotonic() - saved > CHECKPOINT_EVERY_S or done:
            saved = time.monotonic()
            state = {"net": net.state_dict(), "average": average.state_dict(), "optimiser": optimiser.state_dict()}
            _save(last, {**state, "rng": torch.get_rng_state(), "step": step, "best": best, "seconds": saved - began})
        if done:
            break
    return figures


def _warming_average(decay: float) -> Callable[[Tensor, Tensor, Tensor | int], Tensor]:
    """Exponential moving average that forgets faster at first, so that it does not start from noise."""

    def average(kept: Tensor, new: Tensor, seen: Tensor | int) -> Tensor:
        share = min(decay, (1 + float(seen)) / (10 + float(seen)))
        return kept * share + new * (1 - share)

    return average


def _split(performances: Sequence[Performance], split: str) -> list[Performance]:
    return [p for p in performances if p.split == split and p.kind == "beat"]


def _save(path: Path, state: dict[str, Any]) -> None:
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    partial.replace(path)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command `python -m kinebeat.drums.train`."""
    parser = argparse.ArgumentParser(prog="python -m kinebeat.drums.train", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder that holds the Groove MIDI Dataset")
    parser.add_argument("--model", choices=sorted(RECIPES), required=True)
    parser.add_argument("--out", type=Path, required=True, help="folder for checkpoints and log")
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, help="end after this many minutes at the latest")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args(arguments)
    train(
        options.data,
        options.model,
        options.out,
        device=options.device,
        seed=options.seed,
        resume=options.resume,
        minutes=options.minutes,
        threads=options.threads,
    )


if __name__ == "__main__":
    main()
