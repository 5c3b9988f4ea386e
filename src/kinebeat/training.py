"""How every network of Kinebeat is trained; needs torch, and nothing that plays imports it.

A training writes `last.pt` (to go on from), `best.pt` (averaged weights with the best validation score) and `log.jsonl`
into its folder.
"""

from __future__ import annotations

import json
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from kinebeat.errors import InputError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping

CHECKPOINT_EVERY_S = 120.0


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How long a network is trained, and how fast; the recipes of the rooms add to it what is theirs.

    Attributes:
        steps: at most; the learning rate falls to nothing over them, or over the minutes given.
        rate: highest learning rate of AdamW.
        weight_decay: of AdamW, on matrices alone.
        betas: of AdamW.
        warmup_steps: over which the rate rises.
        average: decay of the moving average of the weights.
        validate_every: steps.
    """

    steps: int
    rate: float = 1e-3
    weight_decay: float = 0.05
    betas: tuple[float, float] = (0.9, 0.999)
    warmup_steps: int = 200
    average: float = 0.998
    validate_every: int = 500

    def rate_at(self, step: int, share: float) -> float:
        """Learning rate of a step: a linear rise, and half a cosine that is spent by `share` in [0, 1]."""
        return self.rate * min(1.0, (step + 1) / self.warmup_steps) * 0.5 * (1 + math.cos(math.pi * min(1.0, share)))


@dataclass(frozen=True)
class Session:
    """Where and how one training runs; nothing in it changes what is learned, but for the seed and the minutes.

    Attributes:
        out: folder for checkpoints and log.
        device: "auto", "cpu" or "cuda".
        seed: of weights and batches.
        resume: go on from `last.pt`.
        minutes: end sooner than the schedule says; the learning rate falls in time for it.
        threads: of torch on the CPU.
        log: told every line that goes into the log.
    """

    out: Path
    device: str = "auto"
    seed: int = 0
    resume: bool = False
    minutes: float | None = None
    threads: int = 1
    log: Callable[[str], None] | None = None

    def begin(self) -> torch.device:
        """Make the folder, set seed and threads, and say where to compute."""
        torch.set_num_threads(self.threads)
        torch.manual_seed(self.seed)
        self.out.mkdir(parents=True, exist_ok=True)
        return torch.device(("cuda" if torch.cuda.is_available() else "cpu") if self.device == "auto" else self.device)


def fit(
    net: nn.Module,
    plan: Schedule,
    session: Session,
    *,
    loss_of: Callable[[int], Tensor],
    validate: Callable[[Any], dict[str, float]],
    merit: Callable[[Mapping[str, float]], float],
    about: Mapping[str, Any],
    decays: Callable[[str, Tensor], bool] | None = None,
) -> dict[str, float]:
    """Train a network and keep its best weights.

    Args:
        net: on the device that `Session.begin` gave.
        plan: the schedule, or a recipe made on it; kept in `best.pt` as "recipe".
        session: where and how.
        loss_of: the loss of a batch, by its step.
        validate: figures of the network with averaged weights.
        merit: of those figures one number, the higher the better.
        about: kept in `best.pt` beside "net", "recipe", "seed", "minutes" and the figures.
        decays: of a parameter's name and value, whether its weights decay; matrices if None.

    Returns:
        The last validation's figures.

    Raises:
        InputError: nothing to go on from.
    """
    where = next(net.parameters()).device
    average = torch.optim.swa_utils.AveragedModel(net, avg_fn=_warming_average(plan.average), use_buffers=True)
    groups = _groups(net, plan.weight_decay, decays or (lambda _, value: value.ndim > 1))
    optimiser = torch.optim.AdamW(groups, lr=plan.rate, betas=plan.betas)
    last, step, best, spent = session.out / "last.pt", 0, -math.inf, 0.0
    if session.resume:
        if not last.is_file():
            raise InputError(last, "expected a checkpoint, found none", "train without --resume")
        kept = torch.load(last, map_location=where, weights_only=True)
        net.load_state_dict(kept["net"])
        average.load_state_dict(kept["average"])
        optimiser.load_state_dict(kept["optimiser"])
        torch.set_rng_state(kept["rng"].cpu())
        step, best, spent = kept["step"], kept["best"], kept["seconds"]
    figures: dict[str, float] = {}
    began, saved = time.monotonic() - spent, time.monotonic()
    losses_seen: list[float] = []
    net.train()
    while step < plan.steps:
        share = step / plan.steps
        if session.minutes is not None:
            share = max(share, (time.monotonic() - began) / (60 * session.minutes))
        for group in optimiser.param_groups:
            group["lr"] = plan.rate_at(step, share)
        loss = loss_of(step)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        average.update_parameters(net)
        losses_seen.append(float(loss.detach()))
        step += 1
        done = step >= plan.steps or share >= 1.0
        if step % plan.validate_every == 0 or done:
            with torch.no_grad():
                figures = validate(average.module.eval())
            record = {"step": step, "seconds": round(time.monotonic() - began), "rate": plan.rate_at(step, share)}
            record |= {"train_loss": sum(losses_seen) / len(losses_seen), **figures}
            losses_seen = []
            line = json.dumps(record)
            with (session.out / "log.jsonl").open("a", encoding="utf-8") as handle:
                handle.write(line + "\n")
            if session.log is not None:
                session.log(line)
            if merit(figures) > best:
                best = merit(figures)
                kept = {"net": average.module.state_dict(), "recipe": asdict(plan), "seed": session.seed}
                _save(session.out / "best.pt", {**kept, "minutes": session.minutes, **about, **record})
        if time.monotonic() - saved > CHECKPOINT_EVERY_S or done:
            saved = time.monotonic()
            state = {"net": net.state_dict(), "average": average.state_dict(), "optimiser": optimiser.state_dict()}
            _save(last, {**state, "rng": torch.get_rng_state(), "step": step, "best": best, "seconds": saved - began})
        if done:
            break
    return figures


def read_best(folder: Path) -> dict[str, Any]:
    """What a training kept of its best weights: "net", "recipe", the figures, and what its room says about it.

    Raises:
        InputError: the folder holds no training.
    """
    path = folder / "best.pt"
    if not path.is_file():
        raise InputError(path, "expected the weights of a training, found none", "train first")
    kept: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return kept


def add_session_options(parser: argparse.ArgumentParser) -> None:
    """The options of every training's command line that say where and how it runs."""
    parser.add_argument("--out", type=Path, required=True, help="folder for checkpoints and log")
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, help="end after this many minutes at the latest")
    parser.add_argument("--threads", type=int, default=1, help="of the processor")


def session_from(options: argparse.Namespace) -> Session:
    """The session that those options ask for."""
    names = ("out", "device", "resume", "seed", "minutes", "threads")
    return Session(**{name: getattr(options, name) for name in names})


def _groups(net: nn.Module, weight_decay: float, decays: Callable[[str, Tensor], bool]) -> list[dict[str, Any]]:
    sides: dict[bool, list[nn.Parameter]] = {True: [], False: []}
    for name, value in net.named_parameters():
        sides[decays(name, value)].append(value)
    return [
        {"params": sides[True], "weight_decay": weight_decay},
        {"params": sides[False], "weight_decay": 0.0},
    ]


def _warming_average(decay: float) -> Callable[[Tensor, Tensor, Tensor | int], Tensor]:
    """Exponential moving average that forgets faster at first, so that it does not start from noise."""

    def average(kept: Tensor, new: Tensor, seen: Tensor | int) -> Tensor:
        if not kept.is_floating_point():
            return new
        share = min(decay, (1 + float(seen)) / (10 + float(seen)))
        return kept * share + new * (1 - share)

    return average


def _save(path: Path, state: dict[str, Any]) -> None:
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    partial.replace(path)
