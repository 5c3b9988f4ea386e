"""Train VisBeatNet: `python -m kinebeat.live.visbeat.train --data CORPUS --out runs/visbeat`.

The corpus is made by `python -m kinebeat.live.corpus`. `--variant video2rhythm` trains the heavy baseline.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from kinebeat.beats.network import NetConfig as EncoderConfig
from kinebeat.live.corpus import load_corpus
from kinebeat.live.movement import LIVE_FPS
from kinebeat.live.video2rhythm import network as heavy
from kinebeat.live.video2rhythm.network import HeavyConfig, Video2RhythmNet, shifted
from kinebeat.live.visbeat.data import Augmentation, Batch, Windows, draw, draw_windows, whole, windows_at
from kinebeat.live.visbeat.network import FORECAST_TICKS, NetConfig, VisBeatNet
from kinebeat.live.visbeat.peaks import best_threshold
from kinebeat.training import Schedule, Session, add_session_options, fit, read_best, session_from

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from kinebeat.live.corpus import LiveCorpus

CONTEXT_TICKS = round(3 * LIVE_FPS)
SECOND = round(LIVE_FPS)


@dataclass(frozen=True, kw_only=True)
class Recipe(Schedule):
    """All that decides a training besides the corpus, the seed and the device.

    Attributes:
        batch: crops in a batch.
        ticks: of a crop.
        anchors: of a crop, from each of which a roll-out is made.
        beat_weight: how much more a beat counts than no beat.
        offsets_weight: of the mean square error against the beats' cross-entropy.
        rolled_weight: of the roll-outs against the next tick.
        taught_until: share of the steps over which teacher forcing ends: at first all roll-outs are told the true K,
            then ever fewer, at last none.
        augmentation: of the crops.
    """

    steps: int = 6000
    rate: float = 4e-3
    weight_decay: float = 0.01
    validate_every: int = 500
    batch: int = 32
    ticks: int = 300
    anchors: int = 4
    beat_weight: float = 2.5
    offsets_weight: float = 8.0
    rolled_weight: float = 1.0
    taught_until: float = 0.2
    augmentation: Augmentation = field(default_factory=Augmentation)


@dataclass(frozen=True, kw_only=True)
class HeavyRecipe(Schedule):
    """The same for the heavy baseline.

    Attributes:
        batch: windows in a batch.
        beat_weight: how much more a beat counts than no beat.
        offsets_weight: of the mean square error against the beats' cross-entropy.
        validation_windows: of each clip of the validation.
        taught_until: share of the steps over which teacher forcing ends, as in `Recipe`. Its own K is that of a first
            pass told the truth (Mihaylova and Martins 2019, Scheduled Sampling for Transformers).
    """

    steps: int = 4000
    rate: float = 6e-4
    weight_decay: float = 0.05
    validate_every: int = 500
    batch: int = 32
    beat_weight: float = 2.5
    offsets_weight: float = 8.0
    validation_windows: int = 4
    taught_until: float = 0.3


def losses(net: VisBeatNet, batch: Batch, plan: Recipe, rng: np.random.Generator, taught_share: float) -> Tensor:
    """Loss of a batch: K and beats of the next tick, and of roll-outs from anchors in it.

    Args:
        net: the network.
        batch: crops.
        plan: the weights of the parts.
        rng: where the anchors come from.
        taught_share: share of the roll-outs that are told the true K.
    """
    where = net.offset.bias.device
    ticks, truth, beat, known = (
        torch.as_tensor(x).to(where) for x in (batch.ticks, batch.truth, batch.beat, batch.known)
    )
    offset, logit, states = net.whole(ticks)
    # The first half second is spent on learning who moves.
    early = SECOND // 2
    loss = _loss(offset[:, early:-1], logit[:, early:-1], truth[:, early + 1 :], beat[:, early + 1 :], known, plan)
    clips, length = truth.shape
    anchors = rng.integers(CONTEXT_TICKS - 1, length - FORECAST_TICKS, (clips, plan.anchors))
    at = torch.as_tensor(anchors, device=where)
    rows = torch.arange(clips, device=where)[:, None]
    ahead = at[..., None] + 1 + torch.arange(FORECAST_TICKS, device=where)
    truth, beat, known = (x[rows[..., None], ahead].flatten(0, 1) for x in (truth, beat, known))
    taught = torch.as_tensor(rng.random(clips * plan.anchors) < taught_share, device=where)
    told = torch.where(taught[:, None] & (known > 0), truth, torch.nan)
    offsets, logits = net.forecast(states[rows, at].flatten(0, 1), taught=told)
    return loss + plan.rolled_weight * _loss(offsets, logits, truth, beat, known, plan)


def _loss(
    offset: Tensor, logit: Tensor, truth: Tensor, beat: Tensor, known: Tensor, plan: Recipe | HeavyRecipe
) -> Tensor:
    """Mean square error of K and weighted cross-entropy of the beats, over the ticks whose truth is known."""
    known = known[:, -truth.shape[1] :]
    square = (offset - truth) ** 2
    weight = torch.tensor(plan.beat_weight, device=logit.device)
    entropy = functional.binary_cross_entropy_with_logits(logit, beat, pos_weight=weight, reduction="none")
    return ((plan.offsets_weight * square + entropy) * known).sum() / known.sum().clamp(min=1.0)


def forecasts(net: VisBeatNet, ticks: Tensor) -> tuple[Tensor, Tensor]:
    """One-second forecasts, one after the other, through whole clips after the first three seconds.

    Args:
        net: the network.
        ticks: (B, T, TICK_INPUTS).

    Returns:
        (B, T) K and (B, T) logits of a beat, of the ticks from `CONTEXT_TICKS` on as far as whole seconds go; the rest
        is that of the next tick.
    """
    offset, logit, states = net.whole(ticks)
    # What is said of the next tick belongs to that tick.
    offset, logit = (functional.pad(x, (1, 0))[:, :-1] for x in (offset, logit))
    logit[:, 0] = -10.0
    for first in range(CONTEXT_TICKS, ticks.shape[1] - SECOND + 1, SECOND):
        k, beat = net.forecast(states[:, first - 1], SECOND)
        offset[:, first : first + SECOND], logit[:, first : first + SECOND] = k, beat
    return offset, logit


@torch.no_grad()
def validate(net: VisBeatNet, clips: Batch, beats: Sequence[NDArray[np.float64]], plan: Recipe) -> dict[str, float]:
    """Losses and F-measures of the forecasts of whole clips, and of the next tick.

    Args:
        net: the network.
        clips: whole clips.
        beats: true visual beats of each, fractional ticks.
        plan: the weights of the losses.
    """
    net.eval()
    where = net.offset.bias.device
    ticks = torch.as_tensor(clips.ticks).to(where)
    rolled = forecasts(net, ticks)
    offset, logit, _ = net.whole(ticks)
    near = tuple(functional.pad(x, (1, 0))[:, :-1] for x in (offset, logit))
    figures = {}
    truth, beat, known = (
        torch.as_tensor(x)[:, CONTEXT_TICKS:].to(where) for x in (clips.truth, clips.beat, clips.known)
    )
    judged = [b[b >= CONTEXT_TICKS] - CONTEXT_TICKS for b in beats]
    for name, (k, chance) in (("rolled", rolled), ("next", near)):
        k, chance = k[:, CONTEXT_TICKS:], chance[:, CONTEXT_TICKS:]
        figures[f"{name}_loss"] = float(_loss(k, chance, truth, beat, known, plan))
        figures[f"{name}_mse"] = float((((k - truth) ** 2) * known).sum() / known.sum())
        f, threshold = best_threshold(list(torch.sigmoid(chance).cpu().numpy()), judged)
        figures |= {f"{name}_f": f, f"{name}_threshold": threshold}
    return figures


def train(
    data: Path, session: Session, *, recipe: Recipe | None = None, config: NetConfig | None = None
) -> dict[str, float]:
    """Train the network and keep its best weights.

    Args:
        data: folder of the corpus.
        session: where and how the training runs.
        recipe: instead of the usual.
        config: of the network, instead of the usual.

    Returns:
        The last validation's figures.

    Raises:
        InputError: no corpus, or nothing to go on from.
    """
    plan, shape = recipe or Recipe(), config or NetConfig()
    learned, checked = (load_corpus(data / f"{part}.npz") for part in ("train", "validation"))
    clips = whole(checked)
    beats = [checked.beats_s(k) * LIVE_FPS for k in range(len(checked.kind))]
    net = VisBeatNet(shape).to(session.begin())

    def loss_of(step: int) -> Tensor:
        batch = draw(learned, plan.batch, plan.ticks, session.seed, step, plan.augmentation)
        taught = max(0.0, 1.0 - step / max(1.0, plan.taught_until * plan.steps))
        return losses(net, batch, plan, np.random.default_rng((session.seed, step, 1)), taught)

    return fit(
        net,
        plan,
        session,
        loss_of=loss_of,
        validate=lambda averaged: validate(averaged, clips, beats, plan),
        merit=lambda figures: figures["rolled_f"] + figures["next_f"],
        about={"config": asdict(shape), "variant": "visbeat"},
    )


def train_heavy(
    data: Path, session: Session, *, recipe: HeavyRecipe | None = None, config: HeavyConfig | None = None
) -> dict[str, float]:
    """Train the heavy baseline and keep its best weights; as `train`."""
    plan, shape = recipe or HeavyRecipe(), config or HeavyConfig()
    learned, checked = (load_corpus(data / f"{part}.npz") for part in ("train", "validation"))
    net = Video2RhythmNet(shape).to(session.begin())

    def loss_of(step: int) -> Tensor:
        drawn = draw_windows(learned, plan.batch, heavy.CONTEXT_TICKS, heavy.FORECAST_TICKS, session.seed, step)
        velocity, seen, truth, beat, known = _on(net, drawn)
        memory = net.remember(velocity, seen)
        taught = max(0.0, 1.0 - step / max(1.0, plan.taught_until * plan.steps))
        if taught < 1.0:
            with torch.no_grad():
                own, _ = net.decode(memory, shifted(truth))
            told = torch.as_tensor(np.random.default_rng((session.seed, step, 1)).random(len(truth)) < taught)
            told_truth = torch.where(told.to(truth.device)[:, None], truth, own)
        else:
            told_truth = truth
        offset, logit = net.decode(memory, shifted(told_truth))
        return _loss(offset, logit, truth, beat, known, plan)

    return fit(
        net,
        plan,
        session,
        loss_of=loss_of,
        validate=lambda averaged: validate_heavy(averaged, checked, plan),
        merit=lambda figures: figures["rolled_f"],
        about={"config": asdict(shape), "variant": "video2rhythm"},
    )


@torch.no_grad()
def validate_heavy(net: Video2RhythmNet, corpus: LiveCorpus, plan: HeavyRecipe) -> dict[str, float]:
    """Losses and F-measure of one-second forecasts, spread evenly over the clips."""
    net.eval()
    clips, length = corpus.offset.shape
    starts = np.linspace(heavy.CONTEXT_TICKS, length - heavy.FORECAST_TICKS, plan.validation_windows).astype(int)
    said: list[NDArray[np.float32]] = []
    true: list[NDArray[np.float64]] = []
    totals = np.zeros(3)
    for start in starts.tolist():
        drawn = windows_at(corpus, range(clips), [start] * clips, heavy.CONTEXT_TICKS, heavy.FORECAST_TICKS)
        velocity, seen, truth, beat, known = _on(net, drawn)
        offset, logit = net.forecast(velocity, seen)
        weight = float(known.sum())
        square = float((((offset - truth) ** 2) * known).sum())
        totals += [weight * float(_loss(offset, logit, truth, beat, known, plan)), square, weight]
        said += list(torch.sigmoid(logit).cpu().numpy())
        beats = [corpus.beats_s(k) * LIVE_FPS - start for k in range(clips)]
        true += [b[(b >= 0) & (b < heavy.FORECAST_TICKS)] for b in beats]
    f, threshold = best_threshold(said, true)
    loss, mse = (totals[:2] / totals[2]).tolist()
    return {"rolled_loss": loss, "rolled_mse": mse, "rolled_f": f, "rolled_threshold": threshold}


def _on(net: nn.Module, drawn: Windows) -> tuple[Tensor, ...]:
    """The arrays of windows as tensors where the network is."""
    where = next(net.parameters()).device
    return tuple(
        torch.as_tensor(x).to(where) for x in (drawn.velocity, drawn.seen, drawn.truth, drawn.beat, drawn.known)
    )


def load_heavy(folder: Path) -> tuple[Video2RhythmNet, dict[str, Any]]:
    """The heavy baseline that a training kept, and what `best.pt` says of it; as `load_best`."""
    kept = read_best(folder)
    net = Video2RhythmNet(HeavyConfig(EncoderConfig(**kept["config"]["encoder"])))
    net.load_state_dict(kept.pop("net"))
    return net.eval(), kept


def load_best(folder: Path) -> tuple[VisBeatNet, dict[str, Any]]:
    """The network that a training kept, ready to be used, and what `best.pt` says of it.

    Raises:
        InputError: the folder holds no training.
    """
    kept = read_best(folder)
    net = VisBeatNet(NetConfig(**kept["config"]))
    net.load_state_dict(kept.pop("net"))
    return net.eval(), kept


def main(arguments: Sequence[str] | None = None) -> None:
    """The command `python -m kinebeat.live.visbeat.train`."""
    about = (__doc__ or "").split("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m kinebeat.live.visbeat.train", description=about)
    parser.add_argument("--data", type=Path, required=True, help="folder of the corpus")
    parser.add_argument("--variant", choices=("visbeat", "video2rhythm"), default="visbeat", help="which network")
    add_session_options(parser)
    parser.add_argument("--steps", type=int, help="steps of the training")
    parser.add_argument("--batch", type=int, help="crops in a batch")
    parser.add_argument("--rate", type=float, help="highest learning rate")
    options = parser.parse_args(arguments)
    names = ("steps", "batch", "rate")
    chosen = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    if options.variant == "visbeat":
        train(options.data, session_from(options), recipe=replace(Recipe(), **chosen))
    else:
        train_heavy(options.data, session_from(options), recipe=replace(HeavyRecipe(), **chosen))


if __name__ == "__main__":
    main()
