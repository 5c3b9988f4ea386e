"""RhythmicNet's Table 3: what piano and guitar play to the drums of test songs, beside what a reader needs to judge it.

Rows are players, for each instrument: the test segments themselves, and one half of their songs against the other (what
a perfect model would score); the trained models, playing to the drums of test segments and told nothing else but the
tempo, as in the paper; the product; and three that are no models. `part_sets.py`, `part_likelihood.py`,
`part_players.py` and `part_baselines.py` say what the figures and the players are. `kinebeat evaluate accompaniment`.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kinebeat.accompaniment.batches import piece_of
from kinebeat.accompaniment.corpus import load_segments, make_corpus
from kinebeat.accompaniment.model import AccompanimentModel
from kinebeat.accompaniment.parts import INSTRUMENTS
from kinebeat.accompaniment.player import TEMPERATURE, TOP_K
from kinebeat.errors import InputError
from kinebeat.evaluation.part_baselines import bars_shuffled, drums_swapped, nearest_bars, only, random_notes
from kinebeat.evaluation.part_likelihood import likelihood, longest_bar, lowered, pieces_of, unigram
from kinebeat.evaluation.part_players import play_as_product, play_freely
from kinebeat.evaluation.part_sets import (
    common_runs,
    describe,
    evenly,
    following,
    halves,
    listening_figures,
    said_harmony,
    table_figures,
)
from kinebeat.evaluation.part_table import quoted
from kinebeat.weights import load, registry

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from kinebeat.accompaniment.batches import Piece
    from kinebeat.accompaniment.corpus import Segment, Segments
    from kinebeat.accompaniment.parts import Part
    from kinebeat.accompaniment.player import Model
    from kinebeat.evaluation.part_likelihood import Likelihood

    Row = dict[str, Any]
    Report = Callable[[float], None]

SAMPLES = 200
PRODUCT_SHARE = 4
"""The product plays one piece at a time: it plays to one of so many of the segments."""
UNIGRAM_SEGMENTS = 2000
WEIGHT = "accompaniment"
ABLATED = {
    "twin": "accompaniment-full",
    "no-memory": "accompaniment-no-memory",
    "unconditional": "accompaniment-unconditional",
}
"""Networks that were all trained equally long, the first whole, the others without something; they are not shipped."""
NAMES = {
    "full": "Kinebeat",
    "twin": "Kinebeat, trained as long as the next two",
    "no-memory": "Kinebeat, no memory",
    "unconditional": "Kinebeat, unconditional",
}
DATASET, HALVES, PRODUCT = "dataset", "dataset, half of its songs beside the rest", "Kinebeat, as in the product"
SHUFFLED, NEAREST, RANDOM = "bars shuffled", "nearest training bars", "random notes"
SWAPPED, UNIGRAM = "another song's drums", "unigram"
TOLD = ", told"


@dataclass(frozen=True)
class Sampling:
    """How much is played, and how.

    Attributes:
        samples: test segments of each instrument whose drums are played to.
        seed: of all chance.
        temperature: of the models' rows; the product has its own.
        top_k: likewise.
        workers: threads; all cores if None.
    """

    samples: int = SAMPLES
    seed: int = 0
    temperature: float = TEMPERATURE
    top_k: int = TOP_K
    workers: int | None = None

    @property
    def threads(self) -> int:
        """How many."""
        return self.workers or os.cpu_count() or 1


def evaluate_accompaniment(
    data: Path,
    *,
    corpus: Path | None = None,
    ablation: Path | None = None,
    models: Mapping[str, Model] | None = None,
    sampling: Sampling | None = None,
    progress: Callable[[str, float], None] | None = None,
) -> dict[str, Any]:
    """Score all rows.

    Args:
        data: the folder that holds the multi-track corpus.
        corpus: where its segments are kept for the next time, or are already; nowhere if None.
        ablation: folder that `ABLATED` were exported to; without it their rows are left out.
        models: by the keys of `NAMES`, in place of those shipped and exported. Rows of others are left out.
        sampling: how much is played, and how.
        progress: called with the stage and the share of everything that is done.

    Returns:
        `table` and `rows`; each row has its `instrument`, its `name` and figures.

    Raises:
        InputError: the data is not there, or is too little; or the ablation's models are not.
    """
    report = progress or (lambda _stage, _share: None)
    how = sampling or Sampling()
    given = {**shipped_models(), **ablated_models(ablation)} if models is None else models
    splits = load_corpus(data, corpus, _within(lambda share: report("corpus", share), 0.0, 0.1))
    rows: list[Row] = []
    played: dict[tuple[str, str], list[Part]] = {}
    for number, instrument in enumerate(INSTRUMENTS):
        told = _within(lambda share: report("playing", share), 0.1 + 0.4 * number, 0.4)
        truth = [segment for segment in splits["test"] if segment.instrument == instrument]
        known = only(splits["train"], instrument)
        if len({segment.song for segment in truth}) < 2 or not len(known):
            raise InputError(corpus or data, f"too few segments of the {instrument}", "make the corpus again, whole")
        asked = evenly(truth, how.samples)
        sets = play_all(given, asked, known, how, _within(told, 0.0, 0.6))
        found = [*set_rows(sets, truth, how), *_left_out(given)]
        short = [segment for segment in asked if _fits(segment, given)]
        costs = all_costs(given, short, truth, known, how, _within(told, 0.65, 0.35))
        _add_likelihoods(found, costs)
        found += gain_rows(costs, [segment.song for segment in short])
        found += quoted(instrument)
        rows += [{"instrument": instrument} | row for row in found]
        played |= {(instrument, name): [one.part for one in some] for name, some in sets.items()}
    report("looking for copies", 0.9)
    runs = common_runs(played, (segment.part for segment in splits["train"]))
    for row in rows:
        row |= runs.get((row["instrument"], row["name"]), {})
    report("done", 1.0)
    return {"table": f"accompaniment: RhythmicNet Table 3, seed {how.seed}", "rows": rows}


def shipped_models() -> dict[str, Model]:
    """The product's network, if it is there."""
    return {"full": AccompanimentModel(load(WEIGHT))} if WEIGHT in registry() else {}


def ablated_models(folder: Path | None) -> dict[str, Model]:
    """Those of `ABLATED` that are in a folder; none if it is None.

    Raises:
        InputError: there are no models in it.
    """
    if folder is None:
        return {}
    return {
        name: AccompanimentModel(load(weight, folder)) for name, weight in ABLATED.items() if weight in registry(folder)
    }


def load_corpus(data: Path, corpus: Path | None, progress: Report | None = None) -> dict[str, Segments]:
    """The splits "train" and "test" of the corpus; if they are not there they are made, and kept in `corpus`.

    Raises:
        InputError: neither the corpus nor what it is made of is there.
        OutputError: it cannot be kept.
    """
    if corpus is None:
        with tempfile.TemporaryDirectory() as folder:
            return load_corpus(data, Path(folder), progress)
    if not all((corpus / f"{split}.npz").is_file() for split in ("train", "test")):
        make_corpus(data, corpus, progress=progress)
    return {split: load_segments(corpus, split) for split in ("train", "test")}


def play_all(
    models: Mapping[str, Model], asked: Sequence[Segment], known: Segments, how: Sampling, report: Report
) -> dict[str, list[Segment]]:
    """What everyone plays to the drums of some segments, by name; the segments themselves come first."""
    sets = {DATASET: list(asked)}
    share = 1 / (len(models) + 2)
    for number, (variant, model) in enumerate(models.items()):
        sets[NAMES[variant]] = play_freely(
            model,
            asked,
            hits=variant != "unconditional",
            seed=how.seed,
            temperature=how.temperature,
            top_k=how.top_k,
            workers=how.threads,
            progress=_within(report, number * share, share),
        )
    if "full" in models:
        few = evenly(asked, -(-len(asked) // PRODUCT_SHARE))
        told = _within(report, 1 - 2 * share, share)
        sets[PRODUCT] = play_as_product(models["full"], few, seed=how.seed, workers=how.threads, progress=told)
    sets[SHUFFLED] = bars_shuffled(asked, seed=how.seed)
    sets[NEAREST] = nearest_bars(asked, known, seed=how.seed, progress=_within(report, 1 - share, share))
    sets[RANDOM] = random_notes(asked, seed=how.seed)
    return sets


def set_rows(sets: Mapping[str, Sequence[Segment]], truth: Sequence[Segment], how: Sampling) -> list[Row]:
    """A row for each player, and one that sets one half of the test songs against the other.

    Args:
        sets: from `play_all`.
        truth: all test segments: they describe the dataset, and lend their drums to the null.
        how: for its seed.
    """
    described = describe(truth)
    one, other = halves(truth)
    rows: list[Row] = []
    for name, played in sets.items():
        own = truth if name == DATASET else played
        made = described if name == DATASET else describe(played)
        figures = table_figures(made, described) | following(played, truth, seed=how.seed) | listening_figures(made)
        figures |= said_harmony(own) if name != RANDOM else {}
        rows.append({"name": name, "samples": len(own), **figures})
        if name == DATASET:
            rows.append({"name": HALVES, "samples": len(one), **table_figures(describe(one), describe(other))})
    return rows


def all_costs(
    models: Mapping[str, Model],
    segments: Sequence[Segment],
    truth: Sequence[Segment],
    known: Segments,
    how: Sampling,
    report: Report,
) -> dict[str, Likelihood]:
    """What segments cost every model, by name; "NAME, told" where key and number of notes are said.

    Args:
        models: by variant.
        segments: short enough for all models.
        truth: all test segments, for drums of other songs.
        known: training segments of the instrument.
        how: for its seed and threads.
        report: told the share done.
    """
    asked: dict[str, tuple[Model, list[Piece]]] = {}
    for variant, model in models.items():
        for suffix in ("", TOLD):
            pieces = pieces_of(segments, hits=variant != "unconditional", told=bool(suffix))
            asked[NAMES[variant] + suffix] = model, pieces
    if "full" in models:
        asked[SHUFFLED] = models["full"], pieces_of(bars_shuffled(segments, seed=how.seed))
        asked[SWAPPED] = models["full"], pieces_of(drums_swapped(segments, truth, seed=how.seed))
    found: dict[str, Likelihood] = {}
    for name, (model, pieces) in asked.items():
        share = 1 / len(asked)
        told = _within(report, len(found) * share, share)
        found[name] = likelihood(model, pieces, workers=how.threads, progress=told)
    some = np.unique(np.linspace(0, len(known) - 1, UNIGRAM_SEGMENTS).round().astype(int)).tolist()
    return found | {UNIGRAM: unigram(pieces_of(known[i] for i in some), pieces_of(segments))}


def gain_rows(costs: Mapping[str, Likelihood], songs: Sequence[str]) -> list[Row]:
    """By how much drums and memory lower the likelihood, of networks trained equally long, and shuffling raises it."""
    full, twin, no_memory, no_drums = NAMES.values()
    equal = twin if twin in costs else full
    asked = [("memory lowers NLL by", equal, no_memory), ("drums lower NLL by", equal, no_drums)]
    asked += [(f"{what}, key and notes told", one + TOLD, other + TOLD) for what, one, other in asked]
    asked += [("its own drums lower NLL by", full, SWAPPED), ("order of bars lowers NLL by", full, SHUFFLED)]
    asked += [("key and notes told lower NLL by", full + TOLD, full)]
    rows: list[Row] = []
    for what, one, other in asked:
        if one in costs and other in costs:
            gain = lowered(costs[one], costs[other], songs)
            parts = {f"by_{kind}": cost - costs[one].by_kind()[kind] for kind, cost in costs[other].by_kind().items()}
            figures = {"per_token": gain.per_token, "se": gain.se, "z": gain.per_token / gain.se if gain.se else np.nan}
            rows.append({"name": what, **figures, "per_note": gain.per_note, "se_per_note": gain.se_per_note, **parts})
    return rows


def _within(report: Report, begin: float, share: float) -> Report:
    """Progress of a part of the work as progress of the whole."""
    return lambda done: report(begin + share * done)


def _fits(segment: Segment, models: Mapping[str, Model]) -> bool:
    """Whether all its bars, in any order, are short enough for the models."""
    longest = longest_bar(piece_of(segment))
    return all(longest < model.bar_tokens for model in models.values())


def _left_out(models: Mapping[str, Model]) -> list[Row]:
    return [
        {"name": NAMES[variant], "note": f"left out: no weights {weight}"}
        for variant, weight in {"full": WEIGHT, **ABLATED}.items()
        if variant not in models
    ]


def _add_likelihoods(rows: list[Row], costs: Mapping[str, Likelihood]) -> None:
    """Add likelihoods to the rows of the players, and rows for those who do not play."""
    by_name = {row["name"]: row for row in rows}
    for name, cost in costs.items():
        plain = name.removesuffix(TOLD)
        if plain not in by_name:
            by_name[plain] = {"name": plain}
            rows.append(by_name[plain])
        what = "nll" if plain == name else "nll_told"
        figures = {what: cost.per_token, f"{what}_per_note": cost.per_note}
        by_name[plain] |= figures | {f"{what}_{kind}": value for kind, value in cost.by_kind().items()}
        by_name[plain]["nll_segments"] = len(cost.tokens)
