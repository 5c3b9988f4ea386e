"""RhythmicNet's Table 2 on the Groove MIDI Dataset, with the baselines that a reader needs to judge it.

Data: Groove's own split, 4/4, `beat` files, windows of two bars without overlap. Errors are mean squared errors of
velocities in [0, 1] and offsets in [-0.5, 0.5) of a 16th, at the hits alone, and over all cells of the matrices
(0 where there is no hit). Models that make hits themselves are scored on velocities and offsets with the true hits
before each step. NDB is that of `kinebeat.evaluation.ndb` over the hits (32 x 9) of 9,000 generated windows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from kinebeat.beats.grid import STEPS_PER_BAR
from kinebeat.drums.batches import Windows, cut
from kinebeat.drums.data import Performance, Vocabulary, read_groove, windows
from kinebeat.drums.drummer import HITS_WEIGHT, PERFORMANCE_WEIGHT, perform
from kinebeat.drums.kit import DRUMS
from kinebeat.drums.models import GrooVAEModel, HitsModel, PerformanceModel
from kinebeat.drums.sampling import go_on
from kinebeat.evaluation.ndb import Cells, different_cells, fit_cells
from kinebeat.weights import load

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

BARS = 2
STEPS = BARS * STEPS_PER_BAR
SAMPLES = 9000
CELLS = 50
BATCH = 64

Prediction = tuple["NDArray[np.float32]", "NDArray[np.float32]"]
Row = dict[str, Any]

# What others print, for comparison; not measured here.
QUOTED: tuple[Row, ...] = (
    {"name": "paper: GrooVAE", "ndb": 46, "velocity_mse": 0.0437, "offset_mse": 0.0402},
    {"name": "paper: TF multi-outputs w.o. hits sequence", "ndb": 44, "velocity_mse": 0.0507, "offset_mse": 0.0348},
    {"name": "paper: TF multi-outputs w. hits sequence", "ndb": 39, "velocity_mse": 0.0493, "offset_mse": 0.0369},
    {"name": "paper: TF w. hits sequence + U-Net", "ndb": 39, "velocity_mse": 0.0267, "offset_mse": 0.0169},
    {"name": "authors' released weights, on this test", "velocity_mse": 0.0356, "offset_mse": 0.0246},
)


def evaluate_drums(
    data: Path,
    *,
    seed: int = 0,
    samples: int = SAMPLES,
    temperature: float = 1.0,
    split: str = "test",
    cache: Path | None = None,
    progress: Callable[[float], None] | None = None,
) -> dict[str, Any]:
    """Score all rows of Table 2.

    Args:
        data: the folder that holds the Groove MIDI Dataset.
        seed: of the rhythms, the samples and the clusters.
        samples: windows generated for NDB.
        temperature: of all models that are sampled.
        split: "test", or "validation" to choose by.
        cache: where parsed data may be kept.
        progress: called with the share done.

    Returns:
        `table` and `rows`; each row has its name and figures, with units or ranges in `protocol`.

    Raises:
        InputError: the data is not there.
    """
    report = progress or (lambda _: None)
    performances = read_groove(data, cache=cache)
    training = _beats(performances, "train")
    scored = _beats(performances, split)
    truth = Truth(scored)
    cells = fit_cells(_flat(_pairs(training, "hits")), cells=CELLS, seed=seed)
    report(0.1)
    hits_model = HitsModel(load(HITS_WEIGHT))
    rows = list(_trivial(training, truth, cells, samples, seed))
    generated = generate_hits(hits_model, scored, samples, seed=seed, temperature=temperature, bars=8)
    ours = {"ndb": different_cells(cells, generated)}
    report(0.4)
    for position, (name, weight) in enumerate(
        (
            ("TF multi-outputs w. hits sequence", "drums-multi-hits"),
            ("TF multi-outputs w.o. hits sequence", "drums-multi"),
        )
    ):
        model = HitsModel(load(weight))
        made = generate_hits(model, scored, samples, seed=seed, temperature=temperature, bars=BARS)
        given = truth.rhythms(model, seed)
        predicted = teacher_forced(model, given)
        rows.append({"name": name, "ndb": different_cells(cells, made), **truth.errors(*predicted)})
        report(0.55 + 0.15 * position)
    groovae = GrooVAEModel(load("drums-groovae"))
    made = _groovae_hits(groovae, hits_model.vocabulary, scored, samples, seed)
    predicted = _groovae_forced(groovae, truth.rhythms(hits_model, seed))
    rows.append({"name": "GrooVAE (own)", "ndb": different_cells(cells, made), **truth.errors(*predicted)})
    report(0.9)
    plain = PerformanceModel(load("drums-performance-paper"))
    rows.append({"name": "TF w. hits sequence + U-Net", **ours, **truth.errors(*plain(truth.hits, truth.tempo_bpm))})
    product = PerformanceModel(load(PERFORMANCE_WEIGHT))
    parts = [perform(product, p.hits, p.tempo_bpm) for p in scored]
    found = tuple(np.concatenate([windows(part[i], BARS) for part in parts]) for i in range(2))
    name = "TF w. hits sequence + U-Net as shipped (sees 8 bars and the tempo)"
    rows.append({"name": name, **ours, **truth.errors(found[0], found[1])})
    rows += [{**row, "quoted": True} for row in QUOTED]
    report(1.0)
    return {
        "table": f"drums: RhythmicNet Table 2, Groove {split}",
        "rows": rows,
        "protocol": {
            "windows": len(truth.hits),
            "hits": int(truth.hits.sum()),
            "generated_windows": samples,
            "ndb_cells": CELLS,
            "ndb_training_windows": int(cells.counts.sum()),
            "temperature": temperature,
            "mse": "velocity in [0, 1], offset in [-0.5, 0.5) of a 16th; at hits, and over all cells",
            "seed": seed,
        },
    }


class Truth:
    """What was played: two-bar windows of the files scored, and the errors of what a model says of them."""

    def __init__(self, performances: Sequence[Performance]) -> None:
        self._performances = performances
        self.hits = _pairs(performances, "hits") > 0
        self.velocities = _pairs(performances, "velocities")
        self.offsets = _pairs(performances, "offsets")
        counts = [len(windows(p.hits, BARS)) for p in performances]
        self.tempo_bpm = np.repeat([p.tempo_bpm for p in performances], counts)

    def rhythms(self, model: HitsModel, seed: int) -> Windows:
        """The same windows with rhythms like those of movement, and with no wish for density."""
        places = [(p, first) for p in self._performances for first in _firsts(p, BARS)]
        return cut(places, BARS, model.vocabulary, np.random.default_rng(seed), wishes=0.0)

    def errors(self, velocities: NDArray[np.float32], offsets: NDArray[np.float32]) -> Row:
        """Mean squared errors; what is said where there is no hit does not count."""
        velocity = ((np.clip(velocities, 0.0, 1.0) - self.velocities) ** 2)[self.hits].astype(np.float64)
        offset = ((np.clip(offsets, -0.5, 0.5) - self.offsets) ** 2)[self.hits].astype(np.float64)
        return {
            "velocity_mse": float(velocity.mean()),
            "offset_mse": float(offset.mean()),
            "velocity_mse_all_cells": float(velocity.sum() / self.hits.size),
            "offset_mse_all_cells": float(offset.sum() / self.hits.size),
        }


def generate_hits(
    model: HitsModel,
    performances: Sequence[Performance],
    samples: int,
    *,
    seed: int,
    temperature: float = 1.0,
    bars: int = BARS,
) -> NDArray[np.float32]:
    """Two-bar windows of hits (samples, 288) that a model plays to rhythms of the performances.

    Models of eight bars play eight bars, which are cut in four. Nothing of the true hits is given but the rhythm.
    """
    rng = np.random.default_rng([seed, 1])
    made = []
    for given in _rhythms(performances, bars, samples, model.vocabulary, rng):
        chance = rng.random((*given.words.shape, 1 if model.words else len(DRUMS)))
        if model.words:
            none = np.zeros((len(given.words), 0), np.int64)
            top_k = len(model.vocabulary)
            words = go_on(model, given.features, given.bar, none, chance[..., 0], temperature=temperature, top_k=top_k)
            hits = model.vocabulary.decode(words)
        else:
            hits = _independent_hits(model, given, chance, temperature)
        made.append(_whole_pairs(hits, given))
    return _flat(np.concatenate(made)[:samples].astype(np.float32))


def teacher_forced(model: HitsModel, given: Windows) -> Prediction:
    """Velocities and offsets (N, S, 9) of a model with many outputs, the true words before each step known."""
    parts = []
    for batch in _batches(given, 4 * BATCH):
        start = np.full((len(batch.words), 1), model.start)
        out, _ = model.step(np.concatenate([start, batch.words[:, :-1]], 1), model.begin(batch.features, batch.bar))
        parts.append(out[..., -2 * len(DRUMS) :])
    both = np.concatenate(parts)
    return both[..., : len(DRUMS)], both[..., len(DRUMS) :]


def _independent_hits(
    model: HitsModel, given: Windows, chance: NDArray[np.float64], temperature: float
) -> NDArray[np.bool_]:
    state = model.begin(given.features, given.bar)
    before = np.full((len(given.words), 1), model.start)
    hits = np.zeros(chance.shape, bool)
    for step in range(chance.shape[1]):
        out, state = model.step(before, state)
        hits[:, step] = chance[:, step] < _chance_of(out[:, 0, : len(DRUMS)] / temperature)
        before = model.vocabulary.encode(hits[:, step : step + 1])
    return hits


def _groovae_hits(
    model: GrooVAEModel, vocabulary: Vocabulary, performances: Sequence[Performance], samples: int, seed: int
) -> NDArray[np.float32]:
    """Hits (samples, 288) that GrooVAE plays: latent drawn from the posterior of a rhythm, hits drawn step by step."""
    rng = np.random.default_rng([seed, 1])
    made = []
    for given in _rhythms(performances, BARS, samples, vocabulary, rng):
        mean, spread = model.posterior(given.features)
        latent = (mean + spread * rng.standard_normal(mean.shape)).astype(np.float32)
        state = model.begin(latent)
        before = np.zeros((len(latent), 3 * len(DRUMS)), np.float32)
        hits = np.zeros((len(latent), STEPS, len(DRUMS)), bool)
        for step in range(STEPS):
            out, state = model.step(latent, before, state)
            hits[:, step] = rng.random((len(latent), len(DRUMS))) < _chance_of(out[:, : len(DRUMS)])
            before = _played(hits[:, step], out)
        made.append(_whole_pairs(hits, given))
    return _flat(np.concatenate(made)[:samples].astype(np.float32))


def _groovae_forced(model: GrooVAEModel, given: Windows) -> Prediction:
    """Velocities and offsets (N, S, 9) that GrooVAE predicts, true hits before each step, its own dynamics."""
    latent, _ = model.posterior(given.features)
    state = model.begin(latent)
    before = np.zeros((len(latent), 3 * len(DRUMS)), np.float32)
    outs = []
    for step in range(STEPS):
        out, state = model.step(latent, before, state)
        outs.append(out)
        before = _played(given.hits[:, step] > 0, out)
    both = np.stack(outs, 1)
    return both[..., len(DRUMS) : 2 * len(DRUMS)], both[..., 2 * len(DRUMS) :]


def _played(hits: NDArray[np.bool_], out: NDArray[np.float32]) -> NDArray[np.float32]:
    """What is fed back: hits, and the velocities and offsets of those hits."""
    return np.asarray(np.concatenate([hits, np.tile(hits, 2) * out[:, len(DRUMS) :]], 1), np.float32)


def _chance_of(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(1.0 / (1.0 + np.exp(-logits)))


def _trivial(training: Sequence[Performance], truth: Truth, cells: Cells, samples: int, seed: int) -> Iterator[Row]:
    """Rows that any model should beat, and rows that say what NDB is for real drums."""
    rng = np.random.default_rng([seed, 2])
    hits, velocities = _pairs(training, "hits") > 0, _pairs(training, "velocities")
    mean = np.array([velocities[..., drum][hits[..., drum]].mean() for drum in range(len(DRUMS))], np.float32)
    shape = truth.hits.shape
    zero = np.zeros(shape, np.float32)
    yield {"name": "each drum's mean velocity, no offset", **truth.errors(np.broadcast_to(mean, shape), zero)}
    chance = hits.mean((0, 1))
    random = rng.random((samples, STEPS, len(DRUMS))) < chance
    yield {"name": "random hits, each drum as often as in training", "ndb": _score(cells, random)}
    yield {
        "name": "real training windows, drawn again",
        "ndb": _score(cells, hits[rng.integers(len(hits), size=samples)]),
    }
    again = truth.hits[rng.integers(len(truth.hits), size=samples)]
    yield {"name": "the real windows scored, drawn again to the same number", "ndb": _score(cells, again)}
    yield {"name": "the real windows scored, each once", "ndb": _score(cells, truth.hits)}


def _score(cells: Cells, hits: NDArray[np.bool_]) -> int:
    return different_cells(cells, _flat(hits.astype(np.float32)))


def _rhythms(
    performances: Sequence[Performance],
    bars: int,
    samples: int,
    vocabulary: Vocabulary,
    rng: np.random.Generator,
) -> Iterator[Windows]:
    """Batches of rhythms until they hold `samples` windows of two bars, every part of the data as often."""
    places = [(p, first) for p in performances for first in _firsts(p, bars)]
    whole = sum(len(windows(p.hits, BARS)) for p in performances)
    rounds = -(-samples // whole)
    todo = [places[i] for _ in range(rounds) for i in rng.permutation(len(places))]
    left = samples
    for start in range(0, len(todo), BATCH):
        given = cut(todo[start : start + BATCH], bars, vocabulary, rng, wishes=0.0)
        yield given
        left -= int(_inside(given).sum())
        if left <= 0:
            return


def _firsts(performance: Performance, bars: int) -> range:
    """First bars of windows that cover all pairs of bars of a file."""
    return range(0, len(performance.hits) // STEPS_PER_BAR - BARS + 1, bars)


def _inside(given: Windows) -> NDArray[np.bool_]:
    return np.asarray(given.inside.reshape(-1, STEPS).all(1))


def _whole_pairs(hits: NDArray[np.bool_], given: Windows) -> NDArray[np.bool_]:
    """Windows of two bars (N, 32, 9) that lie inside their file."""
    return np.asarray(hits.reshape(-1, STEPS, len(DRUMS))[_inside(given)])


def _batches(given: Windows, size: int) -> Iterator[Windows]:
    for start in range(0, len(given.words), size):
        yield Windows(*(value[start : start + size] for value in vars(given).values()))


def _beats(performances: Sequence[Performance], split: str) -> list[Performance]:
    return [p for p in performances if p.split == split and p.kind == "beat"]


def _pairs(performances: Sequence[Performance], matrix: str) -> NDArray[np.float32]:
    return np.concatenate([windows(getattr(p, matrix), BARS) for p in performances]).astype(np.float32)


def _flat(hits: NDArray[np.float32]) -> NDArray[np.float32]:
    return hits.reshape(len(hits), -1)
