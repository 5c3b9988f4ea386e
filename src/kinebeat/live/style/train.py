"""Train MuStyleNet: `python -m kinebeat.live.style.train --pairs PAIRS --out runs/style`.

PAIRS is what `kinebeat.live.style.pairs` made. The loss is the mean squared error and a Wasserstein critic's opinion
with gradient penalty (InteractiveBeat 4.2 names both losses, and not how the critic is kept smooth).
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from kinebeat.live.movement import LIVE_FPS
from kinebeat.live.style.network import Adversaries
from kinebeat.live.style.pairs import Pairs, load_pairs
from kinebeat.live.style.scores import scores
from kinebeat.training import Schedule, Session, add_session_options, fit, read_best, session_from

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

FORECAST_TICKS = 36
"""The longest forecast of the live engine, whose errors the network learns to stand."""
MERITS = ("correlation", "onset_f", "heard_correlation", "heard_onset_f")


@dataclass(frozen=True, kw_only=True)
class Recipe(Schedule):
    """All that decides a training besides the data, the seed and the device.

    Attributes:
        batch: curves in a batch.
        adversarial: weight of the critic's opinion; 0 trains on the mean squared error alone.
        penalty: weight of the gradient penalty.
        heard: share of the curves that are given as VisBeatNet hears them.
        noisy: share of the others that are made as rough as a forecast may be.
        checked: pairs to validate on at most.
        net: arguments of the network.
    """

    steps: int = 4000
    rate: float = 2e-3
    betas: tuple[float, float] = (0.5, 0.9)
    weight_decay: float = 0.0
    validate_every: int = 250
    batch: int = 48
    adversarial: float = 0.01
    penalty: float = 10.0
    heard: float = 0.0
    noisy: float = 0.7
    checked: int = 1000
    net: dict[str, Any] = field(default_factory=dict)


def like_forecasts(offsets: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Curves (B, T) as a network would hear and then forecast them: blurred, out of scale, at the end faded to a mean.

    Args:
        offsets: (B, T) in [0, 1], the truth.
        rng: the only source of randomness.
    """
    from scipy.ndimage import gaussian_filter1d

    count, ticks = offsets.shape
    soft = np.asarray(gaussian_filter1d(offsets, 1.5, axis=1, mode="nearest"), np.float32)
    share = rng.uniform(0.0, 0.8, (count, 1))
    heard = (1 - share) * offsets + share * soft
    heard = heard * np.exp(rng.normal(0.0, 0.25, (count, 1))) + rng.normal(0.0, 0.03, (count, ticks))
    # From some tick on, at most a forecast before the end, less and less of it is known.
    start = ticks - rng.integers(0, FORECAST_TICKS + 1, (count, 1))
    ahead = np.maximum(0, np.arange(ticks) - start) / LIVE_FPS
    known = np.exp(-ahead * rng.uniform(0.0, 1.5, (count, 1)))
    late = np.stack([np.roll(row, by) for row, by in zip(soft, rng.integers(-2, 3, count), strict=True)])
    level = offsets[:, : ticks - FORECAST_TICKS].mean(1, keepdims=True)
    forecast = known * late + (1 - known) * level
    return np.asarray(np.clip(np.where(ahead > 0, forecast, heard), 0.0, 1.0), np.float32)


def batch_of(pairs: Pairs, plan: Recipe, seed: int, number: int) -> tuple[Tensor, Tensor, Tensor]:
    """Batch `number`: offsets (B, T), envelope (B, T), where the gradient penalty is taken (B,)."""
    rng = np.random.default_rng([seed, number])
    which = np.sort(rng.choice(len(pairs), min(plan.batch, len(pairs)), replace=False))
    offsets = pairs.offsets[which]
    noisy = rng.random(len(which)) < plan.noisy
    given = np.where(noisy[:, None], like_forecasts(offsets, rng), offsets)
    given = np.where(rng.random((len(which), 1)) < plan.heard, pairs.heard[which], given)
    mixes = rng.random(len(which), np.float32)
    return torch.as_tensor(given), torch.as_tensor(pairs.envelope[which]), torch.as_tensor(mixes)


@torch.no_grad()
def made_of(net: Adversaries, offsets: NDArray[np.float32], batch: int = 250) -> NDArray[np.float32]:
    """Envelopes (N, T) of curves (N, T)."""
    parts = [net.generator(torch.as_tensor(offsets[i : i + batch]))[0].numpy() for i in range(0, len(offsets), batch)]
    return np.concatenate(parts)


def validate(net: Adversaries, pairs: Pairs) -> dict[str, float]:
    """Figures of `scores`, on the curves as they are, and "heard_..." as VisBeatNet hears them."""
    net.eval()
    made, heard = made_of(net, pairs.offsets), made_of(net, pairs.heard)
    return {
        "mse": float(((made - pairs.envelope) ** 2).mean()),
        **scores(made, pairs),
        **{f"heard_{name}": value for name, value in scores(heard, pairs).items()},
    }


def train(
    pairs: Path, session: Session, *, recipe: Recipe | None = None, start: Path | None = None
) -> dict[str, float]:
    """Train the network and keep its best weights.

    Args:
        pairs: folder of the pairs.
        session: where and how the training runs.
        recipe: instead of the usual one.
        start: folder of a training whose weights to begin with.

    Returns:
        The last validation's figures.

    Raises:
        InputError: no pairs, or nothing to go on from.
    """
    plan = recipe or Recipe()
    learned, checked = load_pairs(pairs / "train.npz"), load_pairs(pairs / "validation.npz")
    checked = Pairs(*(value[: plan.checked] for value in vars(checked).values()))
    session.begin()
    net = Adversaries(**plan.net)
    if start is not None:
        net.load_state_dict(read_best(start)["net"])

    def loss_of(step: int) -> Tensor:
        parts = batch_of(learned, plan, session.seed, step)
        return net.losses(*parts, adversarial=plan.adversarial, penalty=plan.penalty)["loss"]

    return fit(
        net,
        plan,
        session,
        loss_of=loss_of,
        validate=lambda averaged: validate(averaged, checked),
        merit=lambda figures: sum(figures[name] for name in MERITS),
        about={"pairs": len(learned), "start": start.name if start is not None else None},
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """The command `python -m kinebeat.live.style.train`."""
    about = (__doc__ or "").split("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m kinebeat.live.style.train", description=about)
    parser.add_argument("--pairs", type=Path, required=True, help="folder of the pairs of movement and drums")
    add_session_options(parser)
    parser.add_argument("--steps", type=int, help="steps of the training")
    parser.add_argument("--adversarial", type=float, help="weight of the critic; 0 is the mean squared error alone")
    parser.add_argument("--rate", type=float, help="highest learning rate")
    parser.add_argument("--heard", type=float, help="share of the curves that are given as VisBeatNet hears them")
    parser.add_argument("--start", type=Path, help="folder of a training whose weights to begin with")
    options = parser.parse_args(arguments)
    names = ("steps", "adversarial", "rate", "heard")
    chosen = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    train(options.pairs, session_from(options), recipe=replace(Recipe(), **chosen), start=options.start)


if __name__ == "__main__":
    main()
