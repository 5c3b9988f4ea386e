"""Train a beat network: `python -m kinebeat.beats.train --data CORPUS --model stgcn-tf-ssm-rel --out runs/full`.

Every row of RhythmicNet's Table 1 has the same recipe; `--device cuda` runs it too. A training writes `last.pt` (to go
on from), `best.pt` (averaged weights with the best validation score) and `log.jsonl` into its folder.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from kinebeat.beats.batches import Augmentation, Clips, draw, read_corpus, whole
from kinebeat.beats.network import SHAPES, VARIANTS, BeatNet, NetConfig
from kinebeat.errors import InputError, OptionError
from kinebeat.motion import MOTION_FPS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True)
class Recipe:
    """All that decides a training besides the data, the network, the seed and the device.

    Attributes:
        steps: at most; the learning rate falls to nothing over them, or over the minutes given.
        batch: clips of 10 s.
        rate: highest learning rate of AdamW.
        weight_decay: of AdamW, on matrices alone.
        warmup_steps: over which the rate rises.
        average: decay of the moving average of the weights.
        beat_weight: how much more a beat counts than no beat (RhythmicNet's weighted cross-entropy).
        validate_every: steps.
        validation_clips: windows at most to validate on.
        augmentation: how the clips are varied.
    """

    steps: int = 6000
    batch: int = 16
    rate: float = 2e-3
    weight_decay: float = 0.05
    warmup_steps: int = 200
    average: float = 0.998
    beat_weight: float = 4.0
    validate_every: int = 250
    validation_clips: int = 600
    augmentation: Augmentation = field(default_factory=Augmentation)


CHECKPOINT_EVERY_S = 120.0
HIT_WITHIN_S = 0.070
"""A peak this near to a beat hears it, as in mir_eval."""
_PEAK_APART = 9
_THRESHOLDS = np.linspace(0.1, 0.9, 17)


def losses(
    net: BeatNet, clips: Clips, beat_weight: float, device: torch.device, *, half: bool = False
) -> tuple[Tensor, Tensor]:
    """Weighted binary cross-entropy of a batch, clip by clip and each times its weight, and the logits (B, T)."""
    velocity, seen, target = (torch.as_tensor(x).to(device) for x in (clips.velocity, clips.seen, clips.target))
    # The attention stays in single precision: differences of like frames would be lost.
    with torch.autocast(device.type, torch.bfloat16, enabled=half):
        features = net.features(velocity, seen)
    logits = net.logits(features.float(), seen)
    weight = torch.tensor(beat_weight, device=device)
    each = functional.binary_cross_entropy_with_logits(logits, target, pos_weight=weight, reduction="none")
    return each.mean(1) * torch.as_tensor(clips.weight).to(device), logits


@torch.no_grad()
def validate(
    net: BeatNet, clips: Clips, beat_weight: float, device: torch.device, *, half: bool = False, batch: int = 32
) -> dict[str, float]:
    """The loss over all clips, and how well the peaks of the activation fall on the beats."""
    net.eval()
    total, activations = 0.0, []
    for start in range(0, len(clips.weight), batch):
        part = Clips(*(value[start : start + batch] for value in vars(clips).values()))
        loss, logits = losses(net, part, beat_weight, device, half=half)
        total += float(loss.sum())
        activations.append(torch.sigmoid(logits).cpu().numpy())
    net.train()
    activation = np.concatenate(activations)
    beats = clips.target.any(1)
    # Beats that count in full alone: those that are coarse in phase would add nothing but chance.
    trusted = beats & (clips.weight >= clips.weight[beats].max(initial=0.0))
    best_f, threshold = peak_score(activation[trusted], clips.target[trusted])
    figures = {"loss": total / float(clips.weight.sum()), "peak_f": best_f, "threshold": threshold}
    if not beats.all():
        figures["negatives_mean"] = float(activation[~beats].mean())
    return figures


def peak_score(activation: NDArray[np.float32], target: NDArray[np.float32]) -> tuple[float, float]:
    """F-measure of an activation's peaks over all clips together at the threshold that is best for them.

    Args:
        activation: (B, T) in [0, 1].
        target: (B, T), exactly 1 on each beat alone.

    Returns:
        F in [0, 1] and the threshold.
    """
    if not len(activation):
        return 0.0, 0.5
    around = np.pad(activation, ((0, 0), (_PEAK_APART, _PEAK_APART)), constant_values=-1.0)
    highest = np.lib.stride_tricks.sliding_window_view(around, 2 * _PEAK_APART + 1, axis=1).max(-1)
    peaks = np.where(activation >= highest, activation, 0.0)
    beats = target >= 1.0
    reach = int(HIT_WITHIN_S * MOTION_FPS)
    near = np.lib.stride_tricks.sliding_window_view(np.pad(peaks, ((0, 0), (reach, reach))), 2 * reach + 1, axis=1)
    heard, found = near.max(-1)[beats], peaks[peaks > 0]
    scores = [
        2 * (heard >= t).sum() / max(1, (found >= t).sum() + len(heard))  # 2 hits / (peaks + beats)
        for t in _THRESHOLDS
    ]
    best = int(np.argmax(scores))
    return float(scores[best]), float(_THRESHOLDS[best])


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
    half: bool = False,
    without: Collection[str] = (),
    recipe: Recipe | None = None,
    config: NetConfig | None = None,
    log: Callable[[str], None] | None = None,
) -> dict[str, float]:
    """Train one network and keep its best weights.

    Args:
        data: folder of the corpus.
        model: a row of Table 1, a key of `VARIANTS`.
        out: folder for checkpoints and log.
        device: "auto", "cpu" or "cuda".
        seed: of weights and batches.
        resume: go on from `last.pt`.
        minutes: end sooner than the recipe says; the learning rate falls in time for it.
        threads: of torch on the CPU.
        half: compute the encoder in bfloat16: twice as fast where the processor has it, slow where it has not.
        without: kinds of clips to leave out of the training (not of the validation).
        recipe: instead of the usual.
        config: of the network, instead of the usual.
        log: told every line that goes into the log.

    Returns:
        The last validation's figures.

    Raises:
        OptionError: no such model.
        InputError: no corpus, or nothing to go on from.
    """
    if model not in VARIANTS:
        raise OptionError(f"no model {model!r}: expected one of {', '.join(VARIANTS)}")
    plan, shape = recipe or Recipe(), replace(config or NetConfig(), model=model)
    learned = read_corpus(data, "train", without)
    checked = _thinned(whole(read_corpus(data, "validation")), plan.validation_clips)
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    where = torch.device(("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device)
    out.mkdir(parents=True, exist_ok=True)
    net = BeatNet(shape).to(where)
    average = torch.optim.swa_utils.AveragedModel(net, avg_fn=_warming_average(plan.average), use_buffers=True)
    averaged: Any = average.module
    optimiser = torch.optim.AdamW(_groups(net, plan.weight_decay), lr=plan.rate)
    last, step, best, spent = out / "last.pt", 0, -math.inf, 0.0
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
    began, saved, losses_seen = time.monotonic() - spent, time.monotonic(), []
    net.train()
    while step < plan.steps:
        share = step / plan.steps
        if minutes is not None:
            share = max(share, (time.monotonic() - began) / (60 * minutes))
        rate = plan.rate * min(1.0, (step + 1) / plan.warmup_steps) * 0.5 * (1 + math.cos(math.pi * min(1.0, share)))
        for group in optimiser.param_groups:
            group["lr"] = rate
        clips = draw(learned, plan.batch, seed, step, plan.augmentation)
        loss = losses(net, clips, plan.beat_weight, where, half=half)[0].sum() / float(clips.weight.sum())
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        average.update_parameters(net)
        losses_seen.append(float(loss.detach()))
        step += 1
        done = step >= plan.steps or share >= 1.0
        if step % plan.validate_every == 0 or done:
            figures = validate(averaged, checked, plan.beat_weight, where, half=half)
            record = {"step": step, "seconds": round(time.monotonic() - began), "rate": rate}
            record |= {"train_loss": float(np.mean(losses_seen)), **figures}
            losses_seen = []
            line = json.dumps(record)
            with (out / "log.jsonl").open("a") as handle:
                handle.write(line + "\n")
            if log is not None:
                log(line)
            if figures["peak_f"] > best:
                best = figures["peak_f"]
                about = {"config": asdict(shape), "recipe": asdict(plan), "seed": seed}
                about |= {"without": list(without), "minutes": minutes, "half": half}
                _save(out / "best.pt", {"net": averaged.state_dict(), **about, **record})
        if time.monotonic() - saved > CHECKPOINT_EVERY_S or done:
            saved = time.monotonic()
            state = {"net": net.state_dict(), "average": average.state_dict(), "optimiser": optimiser.state_dict()}
            _save(last, {**state, "rng": torch.get_rng_state(), "step": step, "best": best, "seconds": saved - began})
        if done:
            break
    return figures


def load_best(folder: Path) -> tuple[BeatNet, dict[str, Any]]:
    """The network that a training kept, ready to be used, and what `best.pt` says of it.

    Raises:
        InputError: the folder holds no training.
    """
    path = folder / "best.pt"
    if not path.is_file():
        raise InputError(path, "expected the weights of a training, found none", "train first")
    kept: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    net = BeatNet(NetConfig(**kept["config"]))
    net.load_state_dict(kept.pop("net"))
    return net.eval(), kept


def _thinned(clips: Clips, most: int) -> Clips:
    """At most so many clips, spread evenly over all."""
    if len(clips.weight) <= most:
        return clips
    keep = np.linspace(0, len(clips.weight) - 1, most).round().astype(int)
    return Clips(*(value[keep] for value in vars(clips).values()))


def _groups(net: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Matrices decay; norms, biases, edge importances, distances and the temperature do not."""
    free = {id(p) for name, p in net.named_parameters() if p.ndim < 2 or name.endswith(("importance", "distances"))}
    return [
        {"params": [p for p in net.parameters() if id(p) not in free], "weight_decay": weight_decay},
        {"params": [p for p in net.parameters() if id(p) in free], "weight_decay": 0.0},
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


def main(arguments: Sequence[str] | None = None) -> None:
    """The command `python -m kinebeat.beats.train`."""
    parser = argparse.ArgumentParser(prog="python -m kinebeat.beats.train", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the corpus")
    parser.add_argument("--model", choices=list(VARIANTS), default="stgcn-tf-ssm-rel")
    parser.add_argument("--shape", choices=list(SHAPES), default="wide", help="how large the network is")
    parser.add_argument("--out", type=Path, required=True, help="folder for checkpoints and log")
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, help="end after this many minutes at the latest")
    parser.add_argument("--steps", type=int, help="steps of the training")
    parser.add_argument("--batch", type=int, help="clips in a batch")
    parser.add_argument("--rate", type=float, help="highest learning rate")
    parser.add_argument("--beat-weight", type=float, help="how much more a beat counts than no beat")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--half", action="store_true", help="encoder in bfloat16, where the processor has it")
    parser.add_argument(
        "--without", action="append", default=[], metavar="KIND", help="leave clips of a kind out: choreonet, negative"
    )
    options = parser.parse_args(arguments)
    chosen = {name: getattr(options, name) for name in ("steps", "batch", "rate", "beat_weight")}
    train(
        options.data,
        options.model,
        options.out,
        device=options.device,
        seed=options.seed,
        resume=options.resume,
        minutes=options.minutes,
        threads=options.threads,
        half=options.half,
        without=options.without,
        config=SHAPES[options.shape],
        recipe=replace(Recipe(), **{name: value for name, value in chosen.items() if value is not None}),
    )


if __name__ == "__main__":
    main()
