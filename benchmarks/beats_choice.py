"""What hears the beat best, on the validation part (python benchmarks/beats_choice.py --data DIR).

Cues, mixtures of them and ways of decoding, on warped movement of people and classes that no training has seen and
that the table of `kinebeat evaluate beats` does not use.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from common import finish
from kinebeat.beats.activation import beat_activation
from kinebeat.beats.decoding import FASTEST_BPM, Beats, decode
from kinebeat.beats.hearing import CUES, laid_over
from kinebeat.beats.hmm import beat_states, decode_beats
from kinebeat.beats.truth.corpus import build
from kinebeat.evaluation.beat_clips import corpus_clips
from kinebeat.evaluation.beat_metrics import beat_figures, mean, tempo_figures
from kinebeat.motion import MOTION_FPS

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from kinebeat.evaluation.beat_clips import Clip

    Activation = NDArray[np.floating]

SLOWEST_BPM = 55.0
MUSIC_LAMBDA = 100.0
"""What Krebs, Boeck and Widmer (2015) have for music."""
SHARE = 0.3
LENGTHS_S = (20.0, 60.0)


def decode_as_music(activation: Activation) -> Beats:
    """The bar-pointer HMM over all tempi, as it is used for music: no tempo of the clip, none preferred."""
    states = beat_states(MOTION_FPS, SLOWEST_BPM, FASTEST_BPM, MUSIC_LAMBDA)
    beats_s = decode_beats(np.asarray(activation, np.float64), states) / MOTION_FPS
    tempo_bpm = 60 / float(np.median(np.diff(beats_s))) if len(beats_s) > 1 else 0.0
    return Beats(beats_s, tempo_bpm, 0.0)


def scored(
    clips: list[Clip], activations: list[Activation], way: Callable[[Activation], Beats]
) -> list[dict[str, float]]:
    """Figures of each clip."""
    heard = [way(activation) for activation in activations]
    return [
        beat_figures(clip.beats_s, beats.beats_s) | tempo_figures(clip.beats_s, beats.tempo_bpm)
        for clip, beats in zip(clips, heard, strict=True)
    ]


def ahead(ours: list[dict[str, float]], theirs: list[dict[str, float]], whose: str) -> dict[str, float]:
    """By how much one is ahead of another on the same clips, with the standard error."""
    found: dict[str, float] = {}
    for name in ("f", "cmlt"):
        away = np.array([a[name] - b[name] for a, b in zip(ours, theirs, strict=True)])
        found[f"{name}_ahead_of_{whose}"] = float(away.mean())
        found[f"{name}_ahead_of_{whose}_se"] = float(away.std(ddof=1) / len(away) ** 0.5)
    return found


def main() -> None:
    """Measure and write benchmarks/results/beats_choice.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--clips", type=int, default=60, help="of 20 s; half as many of 60 s")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    start = time.perf_counter()
    rows: list[dict[str, object]] = []
    for length_s, count in zip(LENGTHS_S, (options.clips, options.clips // 2), strict=True):
        made = build(
            options.data, "validation", count, seed=11, kinds=("warped",), workers=options.workers, duration_s=length_s
        )
        clips = list(corpus_clips(made, "warped"))
        mixtures = {name: {name: 1.0} for name in CUES}
        mixtures |= {f"learned + {SHARE} {name}": {"learned": 1.0, name: SHARE} for name in CUES if name != "learned"}
        activations = {name: [laid_over(clip.motion, weights) for clip in clips] for name, weights in mixtures.items()}
        activations["TCN"] = [beat_activation(clip.motion, "beats-tcn") for clip in clips]
        found = {(name, "ours"): scored(clips, some, decode) for name, some in activations.items()}
        for name in ("learned", "TCN"):
            found[name, "as for music"] = scored(clips, activations[name], decode_as_music)
        for (name, way), each in found.items():
            row = {"name": f"{name}, {length_s:g} s, decoded {way}", "clips": len(clips), **mean(each)}
            if name.startswith("learned +"):
                row |= ahead(each, found["learned", way], "learned")
            if name == "learned":
                row |= ahead(each, found["TCN", way], "tcn")
            rows.append(row)
    data = f"warped movement, validation part: {options.clips} clips of 20 s, {options.clips // 2} of 60 s"
    finish("beats_choice", "What hears the beat best", rows, data=data, seconds=time.perf_counter() - start)


if __name__ == "__main__":
    main()
