"""Train a beat network: `python -m kinebeat.beats.train --data CORPUS --model stgcn-tf-ssm-rel --out runs/full`.

Every row of RhythmicNet's Table 1 has the same recipe; `--device cuda` runs it too.
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

from kinebeat.beats.batches import Augmentation, Clips, draw, read_corpus, whole
from kinebeat.beats.network import SHAPES, VARIANTS, BeatNet, NetConfig
from kinebeat.errors import OptionError
from kinebeat.motion import MOTION_FPS
from kinebeat.training import Schedule, Session, add_session_options, fit, read_best, session_from

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Recipe(Schedule):
    """All that decides a training besides the data, the network, the seed and the device.

    Attributes:
        batch: clips of 10 s.
        beat_weight: how much more a beat counts than no beat (RhythmicNet's weighted cross-entropy).
        validation_clips: windows at most to validate on.
        augmentation: how the clips are varied.
    """

    steps: int = 6000
    batch: int = 16
    rate: float = 2e-3
    beat_weight: float = 4.0
    validate_every: int = 250
    validation_clips: int = 600
    augmentation: Augmentation = field(default_factory=Augmentation)


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
    session: Session,
    *,
    half: bool = False,
    without: Collection[str] = (),
    recipe: Recipe | None = None,
    config: NetConfig | None = None,
) -> dict[str, float]:
    """Train one network and keep its best weights.

    Args:
        data: folder of the corpus.
        model: a row of Table 1, a key of `VARIANTS`.
        session: where and how the training runs.
        half: compute the encoder in bfloat16: twice as fast where the processor has it, slow where it has not.
        without: kinds of clips to leave out of the training (not of the validation).
        recipe: instead of the usual.
        config: of the network, instead of the usual.

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
    where = session.begin()
    net = BeatNet(shape).to(where)

    def loss_of(step: int) -> Tensor:
        clips = draw(learned, plan.batch, session.seed, step, plan.augmentation)
        return losses(net, clips, plan.beat_weight, where, half=half)[0].sum() / float(clips.weight.sum())

    return fit(
        net,
        plan,
        session,
        loss_of=loss_of,
        validate=lambda averaged: validate(averaged, checked, plan.beat_weight, where, half=half),
        merit=lambda figures: figures["peak_f"],
        about={"config": asdict(shape), "without": list(without), "half": half},
        decays=_decays,
    )


def load_best(folder: Path) -> tuple[BeatNet, dict[str, Any]]:
    """The network that a training kept, ready to be used, and what `best.pt` says of it.

    Raises:
        InputError: the folder holds no training.
    """
    kept = read_best(folder)
    net = BeatNet(NetConfig(**kept["config"]))
    net.load_state_dict(kept.pop("net"))
    return net.eval(), kept


def _thinned(clips: Clips, most: int) -> Clips:
    """At most so many clips, spread evenly over all."""
    if len(clips.weight) <= most:
        return clips
    keep = np.linspace(0, len(clips.weight) - 1, most).round().astype(int)
    return Clips(*(value[keep] for value in vars(clips).values()))


def _decays(name: str, value: Tensor) -> bool:
    """Matrices decay; norms, biases, edge importances, distances and the temperature do not."""
    return value.ndim > 1 and not name.endswith(("importance", "distances"))


def main(arguments: Sequence[str] | None = None) -> None:
    """The command `python -m kinebeat.beats.train`."""
    parser = argparse.ArgumentParser(prog="python -m kinebeat.beats.train", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the corpus")
    parser.add_argument("--model", choices=list(VARIANTS), default="stgcn-tf-ssm-rel")
    parser.add_argument("--shape", choices=list(SHAPES), default="wide", help="how large the network is")
    add_session_options(parser)
    parser.add_argument("--steps", type=int, help="steps of the training")
    parser.add_argument("--batch", type=int, help="clips in a batch")
    parser.add_argument("--rate", type=float, help="highest learning rate")
    parser.add_argument("--beat-weight", type=float, help="how much more a beat counts than no beat")
    parser.add_argument("--half", action="store_true", help="encoder in bfloat16, where the processor has it")
    parser.add_argument(
        "--without", action="append", default=[], metavar="KIND", help="leave clips of a kind out: choreonet, negative"
    )
    options = parser.parse_args(arguments)
    chosen = {name: getattr(options, name) for name in ("steps", "batch", "rate", "beat_weight")}
    train(
        options.data,
        options.model,
        session_from(options),
        half=options.half,
        without=options.without,
        config=SHAPES[options.shape],
        recipe=replace(Recipe(), **{name: value for name, value in chosen.items() if value is not None}),
    )


if __name__ == "__main__":
    main()
