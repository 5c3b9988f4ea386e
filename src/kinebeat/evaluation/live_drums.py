"""InteractiveBeat's Table 4: how much like real drums the drums of the live pipelines sound.

A sample is four seconds of sound. NDB counts, of 50 kinds of log-mel spectrograms that the training drums fall into,
those which come up more or less often than in training (`evaluation.ndb`). The Frechet distance is between training
drums and samples in the features of our own classifier of drum genres (`evaluation.genre`): the paper's Inception is
another, so figures compare rows here and not with the paper. All movement is of the test split of the live corpus.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from kinebeat.beats.truth.corpus import ready
from kinebeat.drums.data import read_groove
from kinebeat.errors import InputError
from kinebeat.evaluation import live_players as players
from kinebeat.evaluation.drum_audio import Kit, Take, groove_take, places_in, take_of
from kinebeat.evaluation.genre.model import GenreNet
from kinebeat.evaluation.ndb import different_cells, fit_cells
from kinebeat.evaluation.visual_beat_estimators import HEAVY, Sample
from kinebeat.live.corpus import CLIPS, DURATION_S, build, films, load_corpus
from kinebeat.live.drumming.model import DrumGenNet, MonoNet
from kinebeat.live.engine import LiveEngine
from kinebeat.live.settings import LiveSettings
from kinebeat.live.style.model import MuStyleNet
from kinebeat.live.visbeat.model import VisBeatNet
from kinebeat.weights import load
from kinebeat.weights.sessions import open_session

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from kinebeat.beats.truth.mocap import Part
    from kinebeat.drums.data import Performance
    from kinebeat.evaluation.live_players import Heard

    Row = dict[str, Any]

SAMPLES = 5000
CELLS = 50
MOST_STEPS = 48
"""16ths of four seconds at the fastest tempo."""
LEAST_BEATS = 8
"""A clip with fewer true visual beats has nobody moving in it, and no drums are asked for."""

# What the paper prints, AIST; its Frechet distance is in other features, its samples are other movement.
QUOTED: tuple[Row, ...] = (
    {"name": "paper: Rule-based-Mono", "ndb": 49, "frechet": 68.0},
    {"name": "paper: RhythmicNet-Mono", "ndb": 49, "frechet": 66.0},
    {"name": "paper: RhythmicNet-Poly", "ndb": 46, "frechet": 47.0},
    {"name": "paper: InteractiveBeat", "ndb": 41, "frechet": 37.0},
)


@dataclass(frozen=True)
class Yardstick:
    """What samples are measured by: Groove's training drums.

    Attributes:
        score: NDB and Frechet distance of spectrograms (N, 40, 100).
        kit: the sounds.
    """

    score: Callable[[NDArray[np.float16]], Row]
    kit: Kit


def frechet_distance(one: NDArray[np.floating[Any]], other: NDArray[np.floating[Any]]) -> float:
    """Squared Frechet distance of two normal distributions with the means and covariances of samples (N, D), (M, D).

    |m - n|^2 + tr(C + D - 2 (C D)^(1/2)), Heusel et al. 2017, "GANs trained by a two time-scale update rule".
    """
    m, n = one.mean(0, dtype=np.float64), other.mean(0, dtype=np.float64)
    c, d = (np.atleast_2d(np.cov(x.astype(np.float64), rowvar=False)) for x in (one, other))
    # The trace of the root of C D is that of the root of the symmetric C^(1/2) D C^(1/2).
    values, vectors = np.linalg.eigh(c)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    mixed = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ d @ root), 0)).sum()
    return float(max(0.0, ((m - n) ** 2).sum() + np.trace(c) + np.trace(d) - 2 * mixed))


def pictures(spectrograms: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """Spectrograms (N, 40, 100) as rows for NDB, coarser in pitch and time."""
    count = len(spectrograms)
    pitched = spectrograms.astype(np.float32).reshape(count, 20, 2, 100).mean(2)
    return np.asarray(pitched.reshape(count, 20, 50, 2).mean(3).reshape(count, -1))


def yardstick(training: Sequence[Performance], takes: int, seed: int, progress: Callable[[float], None]) -> Yardstick:
    """Measure the training drums."""
    kit, net = Kit(), GenreNet()
    places = places_in(training)
    chosen = np.random.default_rng([seed, 0]).choice(len(places), min(takes, len(places)), replace=False)
    real = spectrograms(kit, [groove_take(*places[i]) for i in chosen], progress)
    cells = fit_cells(pictures(real), cells=min(CELLS, len(real)), seed=seed)
    features = net.look(real)[0]

    def score(made: NDArray[np.float16]) -> Row:
        if not len(made):
            return {"samples": 0}
        found = frechet_distance(features, net.look(made)[0])
        return {"samples": len(made), "ndb": different_cells(cells, pictures(made)), "frechet": found}

    return Yardstick(score, kit)


def spectrograms(
    kit: Kit, takes: Sequence[Take], progress: Callable[[float], None] = lambda _: None
) -> NDArray[np.float16]:
    """Of takes, (N, 40, 100)."""
    found = np.zeros((len(takes), 40, 100), np.float16)
    for i, take in enumerate(takes):
        found[i] = kit.spectrogram(take)
        progress((i + 1) / len(takes))
    return found


def evaluate_live_drums(
    data: Path,
    *,
    corpus: Path | None = None,
    samples: int = SAMPLES,
    clips: int = CLIPS["test"],
    split: Part = "test",
    seed: int = 0,
    temperature: float = 1.0,
    progress: Callable[[str, float], None] | None = None,
) -> dict[str, Any]:
    """Score all rows of Table 4 whose networks are there.

    Args:
        data: the folder that holds the Groove MIDI Dataset and motion capture.
        corpus: what `kinebeat.live.corpus` made.
        samples: of each row.
        clips: of movement, at most.
        split: "test", or "validation" to choose by.
        seed: of samples and clusters.
        temperature: of the drummers.
        progress: told what is done, and the share.

    Returns:
        `table`, `rows` with "ndb", "frechet" and "hits_per_second", or with "left_out", which says why there are none,
        and `protocol`.

    Raises:
        InputError: the data is not there.
    """
    report = progress or (lambda _name, _share: None)
    performances = [p for p in read_groove(data) if p.kind == "beat"]
    measure = yardstick(
        [p for p in performances if p.split == "train"], samples, seed, lambda s: report("training drums", s)
    )
    moving = movement(data, corpus, split, clips, seed, lambda s: report("movement", s))
    test = [p for p in performances if p.split == split]
    rng = np.random.default_rng([seed, 1])
    rows: list[Row] = []

    def add(name: str, takes: Sequence[Take]) -> None:
        made = spectrograms(measure.kit, takes, lambda s: report(name, s))
        strokes = sum(len(take.time_s) for take in takes)
        rows.append({"name": name, **measure.score(made), "hits_per_second": strokes / max(1, len(takes)) / 4.0})

    tempi = [60.0 / found[1] for sample in moving if (found := players.beat_interval(sample.beats_s))]
    add(f"real drums, Groove {split}", _real(test, samples, rng))
    add(f"real drums, Groove {split}, at the tempi of the movement", _real(test, samples, rng, tempi))
    add("random hits, each drum as often as in Groove", _random(test, samples, rng))
    pipelines = _pipelines(moving, samples, rng, temperature)
    pipelines["Kinebeat's engine, frame by frame"] = lambda: players.engine_takes(
        [shot.found for shot in films(ready(data, split, ()), split, clips, seed)],
        lambda number: LiveEngine(LiveSettings(seed=number, temperature=temperature)),
        samples,
        seed,
    )
    for name, make in pipelines.items():
        try:
            takes = make()
        except InputError as error:
            rows.append({"name": name, "left_out": f"its network is not there: {error.problem}"})
        else:
            add(name, takes)
    return {
        "table": f"live drums: InteractiveBeat Table 4, movement of the {split} split",
        "rows": [*rows, *({**row, "quoted": True} for row in QUOTED)],
        "protocol": {
            "clips": len(moving),
            "ndb_cells": CELLS,
            "seconds_a_sample": 4.0,
            "temperature": temperature,
            "seed": seed,
        },
    }


def _pipelines(
    moving: Sequence[Sample], samples: int, rng: np.random.Generator, temperature: float
) -> dict[str, Callable[[], list[Take]]]:
    """The rows with movement: each plays when it is called, or says that its network is not there."""

    def mono(hear: Callable[[Sample], Heard]) -> list[Take]:
        return players.mono_takes([hear(sample) for sample in moving], MonoNet(), samples, DURATION_S, rng)

    def poly(hear: Callable[[Sample], Heard], make: Callable[[Heard], Callable[[int], Any]]) -> list[Take]:
        scores = [players.styled(hear(sample), DURATION_S, make) for sample in moving]
        return players.poly_takes([s for s in scores if s is not None], DrumGenNet(), samples, rng, temperature)

    def visbeat() -> Callable[[Sample], Heard]:
        return partial(players.heard_by_visbeat, VisBeatNet())

    def continued() -> Callable[[Sample], Heard]:
        hear = visbeat()
        return lambda sample: players.continued(hear(sample))

    def video2rhythm() -> Callable[[Sample], Heard]:
        parts = load(HEAVY)
        graphs = open_session(parts["encoder"]), open_session(parts["decoder"])
        return partial(players.heard_by_video2rhythm, *graphs, float(parts["threshold"]))

    network, truth = players.by_network, players.heard_truth
    return {
        "Rule-based-Mono": lambda: mono(players.heard_by_rule),
        "RhythmicNet-Mono": lambda: mono(video2rhythm()),
        "RhythmicNet-Poly": lambda: poly(video2rhythm(), players.by_peaks),
        "InteractiveBeat": lambda: poly(visbeat(), network(MuStyleNet())),
        "VisBeatNet, DrumGenNet, without MuStyleNet": lambda: poly(visbeat(), players.by_peaks),
        "InteractiveBeat, knowing the movement to come": lambda: poly(truth, network(MuStyleNet())),
        "DrumGenNet on peaks, knowing the movement to come": lambda: poly(truth, players.by_peaks),
        "InteractiveBeat, the movement going on as a beat ago": lambda: poly(continued(), network(MuStyleNet())),
    }


def movement(
    data: Path, corpus: Path | None, split: Part, clips: int, seed: int, progress: Callable[[float], None]
) -> list[Sample]:
    """Clips in which somebody moves.

    Args:
        data: the folder with motion capture, where they are made anew.
        corpus: the folder of a live corpus, or None.
        split: whose clips.
        clips: at most.
        seed: of those that are made anew.
        progress: called with the share done.

    Raises:
        InputError: no such corpus, or no motion capture.
    """
    if corpus is not None:
        found = load_corpus(corpus / f"{split}.npz")
    else:
        found = build(ready(data, split, ()), split, clips, seed, progress=progress)
    return [
        Sample(
            found.directogram[k].astype(np.float32),
            found.offset[k],
            found.present[k],
            found.velocity[k].astype(np.float32),
            np.nan_to_num(found.truth[k].astype(np.float32)),
            found.beats_s(k),
        )
        for k in range(min(clips, len(found.kind)))
        if len(found.beats_s(k)) >= LEAST_BEATS
    ]


def _real(
    performances: Sequence[Performance],
    samples: int,
    rng: np.random.Generator,
    tempi_bpm: Sequence[float] | None = None,
) -> list[Take]:
    """Takes of real drums, at their own tempo or at one of some others."""
    places = places_in(performances)
    if tempi_bpm:  # a slow tempo makes a take shorter, in bars, and a fast one longer: all must lie within the file
        places = [(p, bar) for p, bar in places if len(p.hits) - bar * 16 >= MOST_STEPS]
    which = rng.integers(len(places), size=samples)
    tempo_of = [float(rng.choice(tempi_bpm)) if tempi_bpm else places[i][0].tempo_bpm for i in which]
    return [groove_take(places[i][0], places[i][1], tempo) for i, tempo in zip(which, tempo_of, strict=True)]


def _random(performances: Sequence[Performance], samples: int, rng: np.random.Generator) -> list[Take]:
    """Takes of hits as often and as loud as in some performances, at random on their 16ths."""
    share = np.mean(np.concatenate([p.hits for p in performances]), axis=0)
    loud = np.concatenate([p.velocities[p.hits] for p in performances])
    made = []
    for i in rng.integers(len(performances), size=samples):
        step_s = 15.0 / performances[i].tempo_bpm
        step, drum = np.nonzero(rng.random((int(np.ceil(4.0 / step_s)), len(share))) < share)
        made.append(take_of(step * step_s, drum.astype(np.int64), rng.choice(loud, len(step)).astype(np.float64)))
    return made
