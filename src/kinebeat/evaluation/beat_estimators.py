"""What the table of beats compares: the networks of RhythmicNet's Table 1, cues, the product, a metronome."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from kinebeat.beats.decoding import Beats, decode
from kinebeat.evaluation import beat_metrics as metrics

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from kinebeat.evaluation.beat_clips import Clip
    from kinebeat.motion import Motion

DRAWS = 20
PRODUCT = "product"
METRONOME = "metronome, true tempo, random phase"

NETWORKS = (
    ("TCN", "beats-tcn"),
    ("TF", "beats-tf"),
    ("ST-GCN", "beats-stgcn"),
    ("ST-GCN+TF", "beats-stgcn-tf"),
    ("ST-GCN+TF+SSM", "beats-stgcn-tf-ssm"),
    ("ST-GCN+TF+RelAttn", "beats-stgcn-tf-rel"),
    ("ST-GCN+TF+SSM+RelAttn", "beats"),
)


class Heard(Protocol):
    """What an estimator says of a clip; `BeatGrid` is one."""

    @property
    def beats_s(self) -> NDArray[np.float64]:
        """(B,) seconds, increasing."""

    @property
    def tempo_bpm(self) -> float:
        """Of the whole clip."""

    @property
    def confidence(self) -> float:
        """In [0, 1]."""


@dataclass(frozen=True)
class Estimator:
    """A row of the table.

    Attributes:
        name: of the row.
        seeds: one function from clips to beats for each seed it was trained or drawn with.
    """

    name: str
    seeds: tuple[Callable[[Clip], Heard], ...]


def standard_estimators() -> tuple[Estimator, ...]:
    """The networks of Table 1 that are shipped, the cues, and the product."""
    from kinebeat.beats import cues
    from kinebeat.beats.activation import beat_activation
    from kinebeat.beats.hearing import hear_beats
    from kinebeat.weights import registry

    def through_decoder(activation: Callable[[Motion], NDArray[np.floating[Any]]]) -> Callable[[Clip], Heard]:
        return lambda clip: decode(activation(clip.motion))

    def network(model: str, part: str) -> Callable[[Clip], Heard]:
        return through_decoder(lambda motion: beat_activation(motion, model, part))

    shipped = registry()
    networks = [
        Estimator(name, tuple(network(model, part) for part in sorted(shipped[model].sha256)))
        for name, model in NETWORKS
        if model in shipped
    ]
    from_cues = [
        Estimator("kinematic offsets", (through_decoder(cues.kinematic),)),
        Estimator("speed minima", (through_decoder(cues.speed_minima),)),
        Estimator("visual beats", (through_decoder(cues.visual),)),
    ]
    return (*networks, *from_cues, Estimator(PRODUCT, (lambda clip: hear_beats(clip.motion, clip.duration_s),)))


def metronomes(seed: int = 0, draws: int = DRAWS) -> Estimator:
    """An estimator that is told the tempo and draws a phase for each music; its draws count as seeds.

    Two films of one dance get one phase, as they would from anything that heard its tempo.
    """

    def draw(number: int) -> Callable[[Clip], Heard]:
        def hear(clip: Clip) -> Heard:
            rng = np.random.default_rng([seed, number, zlib.crc32(clip.beats_s.tobytes())])
            if clip.spans_s is None:
                beats_s = metrics.metronome_beats(clip.beats_s, clip.duration_s, rng)
                return Beats(beats_s, metrics.reference_tempo_bpm(clip.beats_s), float("nan"))
            parts = [np.zeros(0)]
            for own, _ in clip.pieces(np.zeros(0)):
                start_s = own[0] - 30 / metrics.reference_tempo_bpm(own)
                parts.append(start_s + metrics.metronome_beats(own - start_s, own[-1] + own[0] - 2 * start_s, rng))
            return Beats(np.concatenate(parts), float("nan"), float("nan"))

        return hear

    return Estimator(METRONOME, tuple(draw(number) for number in range(draws)))
