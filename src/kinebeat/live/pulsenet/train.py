"""Train PulseNet: `python -m kinebeat.live.pulsenet.train --data CORPUS --out runs/pulsenet`.

The corpus is made by `python -m kinebeat.live.corpus`.
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

from kinebeat.beats.batches import Augmentation, Clips
from kinebeat.evaluation.following import NEAR_TEMPO, coherence
from kinebeat.live import pulse
from kinebeat.live.corpus import load_corpus
from kinebeat.live.movement import LIVE_FPS
from kinebeat.live.pulsenet.data import draw, usable, whole
from kinebeat.live.pulsenet.network import NetConfig, PulseNet
from kinebeat.training import Schedule, Session, add_session_options, fit, read_best, session_from

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

SETTLED_S = 8.0
"""From where on in a clip the pulse is judged."""
LISTENED_S = 2.0
"""Where the loss begins: before it nobody could know."""


@dataclass(frozen=True, kw_only=True)
class Recipe(Schedule):
    """All that decides a training besides the corpus, the seed and the device.

    Attributes:
        batch: crops in a batch.
        ticks: of a crop.
        augmentation: of the crops, beside their speed.
    """

    steps: int = 4000
    rate: float = 2e-3
    weight_decay: float = 0.02
    validate_every: int = 250
    batch: int = 24
    ticks: int = 420
    augmentation: Augmentation = field(default_factory=Augmentation)


def loss_of_batch(net: PulseNet, clips: Clips) -> Tensor:
    """Cross-entropy of the beats, a tick ahead, weighted by clip."""
    velocity, seen, target, weight = _on(net, clips)
    logit, _ = net(velocity, seen)
    entropy = functional.binary_cross_entropy_with_logits(logit, target, reduction="none")
    entropy = entropy[:, round(LISTENED_S * LIVE_FPS) :].mean(1)
    return (entropy * weight).sum() / weight.sum()


def pulse_of(beats: NDArray[np.floating[Any]]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Phase in beats, going on from beat to beat, and tempo in BPM, as the pulse has them after each tick (T,)."""
    state = pulse.begin()
    phase, tempo = np.zeros(len(beats)), np.zeros(len(beats))
    for t, beat in enumerate(beats):
        state = pulse.step(float(beat), state)
        phase[t], tempo[t] = state.phase, state.tempo_bpm
    return np.unwrap(phase, period=1.0), tempo


@torch.no_grad()
def validate(net: PulseNet, clips: Clips, music_s: Sequence[NDArray[np.float64]]) -> dict[str, float]:
    """The loss, and how the pulse goes with the music of the dances.

    Args:
        net: the network.
        clips: whole clips.
        music_s: beats of the music of each.

    Returns:
        `loss`; `coherence`, the mean over the dances of the phase coherence of the pulse with the music;
        `tempo_right`, the share of them whose tempo is within `NEAR_TEMPO`; and `standing`, the mean of what is said
        where nobody dances.
    """
    net.eval()
    velocity, seen, _, _ = _on(net, clips)
    said = torch.sigmoid(net(velocity, seen)[0]).cpu().numpy()
    together, right = [], []
    for beats, times_s in zip(said, music_s, strict=True):
        if len(times_s) < 3:
            continue
        phase, tempo = pulse_of(beats)
        # The pulse after a tick is that of the tick after it.
        at_s = (np.arange(len(beats)) + 1) / LIVE_FPS
        settled = (at_s >= SETTLED_S) & (at_s <= times_s[-1])
        crossed = np.flatnonzero(np.diff(np.floor(phase[settled])) > 0)
        together.append(coherence(at_s[settled][crossed], times_s)[0])
        true_bpm = 60 / float(np.median(np.diff(times_s)))
        right.append(abs(np.log2(np.median(tempo[settled]) / true_bpm)) < np.log2(1 + NEAR_TEMPO))
    danced = np.array([len(times_s) > 0 for times_s in music_s])
    return {
        "loss": float(loss_of_batch(net, clips)),
        "coherence": float(np.mean(together)),
        "tempo_right": float(np.mean(right)),
        "standing": float(said[~danced].mean()) if not danced.all() else float("nan"),
    }


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
    clips, music_s = whole(checked), [checked.music_s(int(clip)) for clip in usable(checked)]
    net = PulseNet(shape).to(session.begin())
    return fit(
        net,
        plan,
        session,
        loss_of=lambda step: loss_of_batch(
            net, draw(learned, plan.batch, plan.ticks, session.seed, step, plan.augmentation)
        ),
        validate=lambda averaged: validate(averaged, clips, music_s),
        merit=lambda figures: -figures["loss"],
        about={"config": asdict(shape)},
    )


def load_best(folder: Path) -> tuple[PulseNet, dict[str, Any]]:
    """The network that a training kept, ready to be used, and what `best.pt` says of it.

    Raises:
        InputError: the folder holds no training.
    """
    kept = read_best(folder)
    net = PulseNet(NetConfig(**kept["config"]))
    net.load_state_dict(kept.pop("net"))
    return net.eval(), kept


def _on(net: PulseNet, clips: Clips) -> tuple[Tensor, ...]:
    where = net.beat.bias.device
    return tuple(torch.as_tensor(x).to(where) for x in (clips.velocity, clips.seen, clips.target, clips.weight))


def main(arguments: Sequence[str] | None = None) -> None:
    """The command `python -m kinebeat.live.pulsenet.train`."""
    about = (__doc__ or "").split("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m kinebeat.live.pulsenet.train", description=about)
    parser.add_argument("--data", type=Path, required=True, help="folder of the corpus")
    add_session_options(parser)
    parser.add_argument("--steps", type=int, help="steps of the training")
    parser.add_argument("--batch", type=int, help="crops in a batch")
    parser.add_argument("--rate", type=float, help="highest learning rate")
    options = parser.parse_args(arguments)
    names = ("steps", "batch", "rate")
    chosen = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    train(options.data, session_from(options), recipe=replace(Recipe(), **chosen))


if __name__ == "__main__":
    main()
