"""What memory and drums are worth to the accompaniment, in nats (python benchmarks/accompaniment_ablation.py --help).

Each folder holds networks that were trained equally long, exported under the names of
`kinebeat.evaluation.accompaniment.ABLATED`; whole segments of test songs are foretold by each of them, told drums and
tempo alone. Differences are paired, their standard errors over songs. Two trainings of one recipe differ by chance,
too: a standard error over songs does not know of that.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common import finish
from kinebeat.accompaniment.parts import INSTRUMENTS
from kinebeat.errors import OptionError
from kinebeat.evaluation.accompaniment import DATASET, NAMES, Sampling, ablated_models, load_corpus, set_rows
from kinebeat.evaluation.part_likelihood import Likelihood, likelihood, longest_bar, lowered, pieces_of
from kinebeat.evaluation.part_players import play_freely
from kinebeat.evaluation.part_sets import evenly

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kinebeat.accompaniment.corpus import Segment

TWIN = "twin"


def main() -> None:
    """Measure, and write benchmarks/results/accompaniment_ablation.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--corpus", type=Path, help="where the segments are, or are to be kept")
    parser.add_argument("--folders", type=Path, nargs="+", required=True, help="of networks trained equally long")
    parser.add_argument("--segments", type=int, default=300, help="test segments of an instrument, spread evenly")
    parser.add_argument("--play", type=int, metavar="SAMPLES", help="Table 3's statistics of so many pieces instead")
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    start = time.perf_counter()
    test = load_corpus(options.data, options.corpus)["test"]
    if options.play:
        finish(
            "accompaniment_variants",
            "Accompaniment: what networks trained equally long play",
            [row for folder in options.folders for row in played(folder, list(test), options.play, options.workers)],
            data=f"drums of test songs, {options.play} pieces of an instrument",
            seconds=time.perf_counter() - start,
        )
        return
    rows: list[dict[str, Any]] = []
    for folder in options.folders:
        models = ablated_models(folder)
        if TWIN not in models:
            raise OptionError(f"{folder} holds no whole network to compare with")
        for instrument in INSTRUMENTS:
            own = [segment for segment in test if segment.instrument == instrument]
            step = max(1, len(own) // options.segments)
            some = [
                segment
                for segment, piece in zip(own[::step], pieces_of(own[::step]), strict=True)
                if longest_bar(piece) < min(model.bar_tokens for model in models.values())
            ]
            costs: dict[str, Likelihood] = {
                name: likelihood(model, pieces_of(some, hits=name != "unconditional"), workers=options.workers)
                for name, model in models.items()
            }
            for name, cost in costs.items():
                row: dict[str, Any] = {"set": folder.name, "instrument": instrument, "name": NAMES[name]}
                row |= {"nll": cost.per_token, "nll_per_note": cost.per_note, "segments": len(some)}
                if name != TWIN:
                    gain = lowered(costs[TWIN], cost, [segment.song for segment in some])
                    row |= {"whole_is_lower_by": gain.per_token, "se": gain.se}
                rows.append(row | {f"nll_{kind}": value for kind, value in cost.by_kind().items()})
    finish(
        "accompaniment_ablation",
        "Accompaniment: networks trained equally long",
        rows,
        data=f"test songs, at most {options.segments} segments of an instrument",
        seconds=time.perf_counter() - start,
    )


def played(folder: Path, test: Sequence[Segment], samples: int, workers: int) -> list[dict[str, Any]]:
    """Rows of Table 3 of a folder's networks, beside the data's own."""
    rows: list[dict[str, Any]] = []
    for instrument in INSTRUMENTS:
        truth = [segment for segment in test if segment.instrument == instrument]
        asked, how = evenly(truth, samples), Sampling(samples=samples, workers=workers)
        sets = {DATASET: list(asked)}
        for name, model in ablated_models(folder).items():
            sets[NAMES[name]] = play_freely(
                model,
                asked,
                hits=name != "unconditional",
                seed=how.seed,
                temperature=how.temperature,
                top_k=how.top_k,
                workers=how.threads,
            )
        rows += [{"set": folder.name, "instrument": instrument} | row for row in set_rows(sets, truth, how)]
    return rows


if __name__ == "__main__":
    main()
