"""What each part of the made truth adds (python benchmarks/beats_ablation.py --data DIR).

The truth that the beat networks learn from is made: warped dances, joined, filmed, among labelled units and movement
without a beat (`kinebeat.beats.truth`). For the full recipe and for each part left out this makes a small training
corpus, trains Table 1's quickest row on it for as many steps, and scores it on one corpus of the validation part, made
by the full recipe. The full recipe is also made and trained again by another seed: a part whose absence changes less
than that does has not been shown to add anything.

A score says what a part adds towards hearing such truth as this. What it adds towards real dance it cannot say.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from common import RESULTS, finish
from kinebeat.beats.activation import through_windows
from kinebeat.beats.decoding import decode
from kinebeat.beats.train import Recipe, load_best, train
from kinebeat.beats.truth.corpus import EVERYTHING, KINDS, Corpus, Filming, build, build_from, load_corpus, ready
from kinebeat.beats.truth.dances import USUAL, Choices
from kinebeat.evaluation.beat_metrics import auc, beat_figures, tempo_figures
from kinebeat.evaluation.tables import table, write_json
from kinebeat.training import Session

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kinebeat.beats.network import BeatNet

NAME = "beats_ablation"
TITLE = "F of the quick network (TCN) without each part of the made truth"
MODEL = "tcn"


@dataclass(frozen=True)
class Row:
    """A corpus to learn from: made by these choices, filmed like this, some kinds left out of the training."""

    name: str
    choices: Choices = USUAL
    filming: Filming = EVERYTHING
    without: tuple[str, ...] = ()
    another_seed: bool = False


FULL = Row("full recipe")
# Rows that share a corpus stand together: it is made once.
ROWS = (
    FULL,
    Row("no ChoreoNet labels", without=("choreonet",)),
    Row("no negatives", without=("negative",)),
    Row("full recipe, another seed", another_seed=True),
    Row("no mixed limbs", replace(USUAL, mixed_share=0.0)),
    Row("no groove", replace(USUAL, groove_share=0.0)),
    Row("no scatter", replace(USUAL, scatter_s=0.0)),
    Row("no spread of the lag", replace(USUAL, lag_spread_s=0.0)),
    Row("no tempo drift", replace(USUAL, steady_share=1.0)),
    Row("no choice of landings (one try a piece)", replace(USUAL, tries=1)),
    Row("one camera", filming=replace(EVERYTHING, cameras=False)),
    Row("no detector noise", filming=replace(EVERYTHING, noise=False)),
    Row("no proportions", filming=replace(EVERYTHING, proportions=False)),
)


@dataclass(frozen=True)
class Sizes:
    """How large an ablation is; a run goes on from another only if these are the same."""

    clips: int
    steps: int
    scored: int


@dataclass(frozen=True)
class Work:
    """Where and how a run works."""

    data: Path
    folder: Path
    sizes: Sizes
    seeds: int
    workers: int
    threads: int
    half: bool

    def scores(self, row: Row, seed: int) -> Path:
        """File of the scores of a row that is done."""
        slug = "-".join("".join(c if c.isalnum() else " " for c in row.name.lower()).split())
        return self.folder / "scores" / f"{slug}-{seed}.json"


def main() -> None:
    """Make, train and score, and write benchmarks/results/beats_ablation.json after every row."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with motion/ and dance/")
    parser.add_argument(
        "--work", type=Path, default=Path("runs/beats_ablation"), help="a run begun here is gone on with"
    )
    parser.add_argument("--clips", type=int, default=800, help="of 20 s, to learn from")
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--scored", type=int, default=300, help="clips of 20 s, of all kinds, to score")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2, help="processes that make the corpora")
    parser.add_argument("--threads", type=int, default=1, help="of the training")
    parser.add_argument("--half", action=argparse.BooleanOptionalAction, default=True, help="train in bfloat16")
    given = parser.parse_args()
    sizes = Sizes(given.clips, given.steps, given.scored)
    work = Work(given.data, given.work, sizes, given.seeds, given.workers, given.threads, given.half)
    torch.set_num_threads(given.threads)
    begin(work)
    plan = [
        (row, given.seeds if row.another_seed else seed)
        for seed in range(given.seeds)
        for row in ROWS
        if seed == 0 or not row.another_seed
    ]
    run(work, plan)
    rows, seconds = results(work, plan)
    finish(NAME, TITLE, rows, data=described(work), seconds=seconds)


def begin(work: Work) -> None:
    """Make the folder and the corpus to score on, or see that those there are of this run."""
    settings, wanted = work.folder / "settings.json", asdict(work.sizes)
    if settings.is_file() and json.loads(settings.read_text()) != wanted:
        raise SystemExit(f"{work.folder}: begun with {settings.read_text().strip()}; name another folder with --work")
    (work.folder / "scores").mkdir(parents=True, exist_ok=True)
    (work.folder / "corpus").mkdir(exist_ok=True)
    settings.write_text(json.dumps(wanted) + "\n")
    path = work.folder / "corpus" / "validation.npz"
    if not path.is_file():
        show("the corpus to score on")
        build(work.data, "validation", work.sizes.scored, workers=work.workers, progress=dots()).save(path)


def run(work: Work, plan: Sequence[tuple[Row, int]]) -> None:
    """Do the rows that are not done yet, and write the table after each."""
    material, made = None, None
    scored = load_corpus(work.folder / "corpus" / "validation.npz")
    for number, (row, seed) in enumerate(plan, 1):
        path = work.scores(row, seed)
        if path.is_file():
            continue
        start = time.perf_counter()
        show(f"{number} of {len(plan)}: {row.name}, seed {seed}")
        if made != (row.choices, row.filming, seed):
            material = material or ready(work.data, "train")
            corpus = build_from(
                material,
                "train",
                work.sizes.clips,
                seed,
                choices=row.choices,
                filming=row.filming,
                workers=work.workers,
                progress=dots(),
            )
            corpus.save(work.folder / "corpus" / "train.npz")
            made = (row.choices, row.filming, seed)
        net = learn(work, row, seed)
        scores = score(net, scored) | {"seconds": time.perf_counter() - start}
        path.write_text(json.dumps(scores))
        show(f"  F {np.mean(scores['f']):.3f} in {scores['seconds']:.0f} s")
        rows, seconds = results(work, plan)
        write_json(table(TITLE, rows, data=described(work), seconds=seconds), RESULTS / f"{NAME}.json")


def learn(work: Work, row: Row, seed: int) -> BeatNet:
    """The network after its last step: it is not chosen by the clips that it is scored on."""
    steps = work.sizes.steps
    recipe = Recipe(steps=steps, warmup_steps=min(200, steps // 3), validate_every=steps, validation_clips=60)
    out = work.folder / "training"
    train(
        work.folder / "corpus",
        MODEL,
        Session(out, device="cpu", seed=seed, threads=work.threads, log=lambda line: show(f"  {line}")),
        half=work.half,
        without=row.without,
        recipe=recipe,
    )
    return load_best(out)[0]


@torch.no_grad()
def score(net: BeatNet, corpus: Corpus) -> dict[str, Any]:
    """Figures of each clip with music, and the confidence in each clip of each kind."""

    def hear(velocity: np.ndarray, seen: np.ndarray) -> np.ndarray:
        logits = net(torch.as_tensor(velocity[None]), torch.as_tensor(seen[None]))
        return torch.sigmoid(logits)[0].numpy()

    scores: dict[str, Any] = {name: [] for name in ("f", "cemgil", "cmlt", "amlt", "tempo", "labelled_tempo")}
    scores["confidence"] = {kind: [] for kind in KINDS}
    for clip, kind in enumerate(corpus.kind):
        heard = decode(through_windows(corpus.velocity[clip].astype(np.float32), hear))
        scores["confidence"][str(kind)].append(heard.confidence)
        truth_s = corpus.beats_s(clip)
        if kind == "warped":
            figures = beat_figures(truth_s, heard.beats_s)
            for name in ("f", "cemgil", "cmlt", "amlt"):
                scores[name].append(figures[name])
            scores["tempo"].append(tempo_figures(truth_s, heard.tempo_bpm)["tempo_within_4pct"])
        elif kind == "choreonet":
            scores["labelled_tempo"].append(tempo_figures(truth_s, heard.tempo_bpm)["tempo_within_4pct_octave"])
    return scores


def results(work: Work, plan: Sequence[tuple[Row, int]]) -> tuple[list[dict[str, Any]], float]:
    """Rows of the table for what is done, means over seeds, and the seconds that it took."""
    done: dict[str, list[dict[str, Any]]] = {}
    for row, seed in plan:
        path = work.scores(row, seed)
        if path.is_file():
            done.setdefault(row.name, []).append(json.loads(path.read_text()))
    full = np.mean([one["f"] for one in done[FULL.name]], axis=0)
    rows = []
    for name, seeds in done.items():
        f = np.array([one["f"] for one in seeds])
        change = f.mean(0) - full
        row: dict[str, Any] = {"name": name, "f": float(f.mean()), "f_change": None, "f_change_se": None}
        if name != FULL.name:
            row |= {"f_change": float(change.mean()), "f_change_se": float(change.std(ddof=1) / np.sqrt(len(change)))}
        if len(seeds) > 1:
            row["f_sd_seeds"] = float(f.mean(1).std(ddof=1))
        for figure in ("cemgil", "cmlt", "amlt"):
            row[figure] = mean_of(seeds, figure)
        row["tempo_within_4pct"] = mean_of(seeds, "tempo")
        row["labelled_tempo_within_4pct_octave"] = mean_of(seeds, "labelled_tempo")
        rows.append(row | confidence_figures(seeds) | {"seconds": round(sum(one["seconds"] for one in seeds), 1)})
    return rows, sum(row["seconds"] for row in rows)


def confidence_figures(seeds: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Mean confidence in dance and in what is none, the gap, and how often a dance has more than what is none."""
    dance, none = ([np.mean(one["confidence"][kind]) for one in seeds] for kind in ("warped", "negative"))
    areas = [auc(one["confidence"]["warped"], one["confidence"]["negative"]) for one in seeds]
    return {
        "confidence_dance": float(np.mean(dance)),
        "confidence_negative": float(np.mean(none)),
        "confidence_gap": float(np.mean(dance) - np.mean(none)),
        "confidence_auc": float(np.mean(areas)),
    }


def mean_of(seeds: Sequence[dict[str, Any]], figure: str) -> float | None:
    """Mean over seeds and clips; None where there is no such clip."""
    values = [value for one in seeds for value in one[figure]]
    return float(np.mean(values)) if values else None


def described(work: Work) -> str:
    """What was measured on."""
    sizes = work.sizes
    return (
        f"{sizes.clips} clips of 20 s of the train part, {sizes.steps} steps, seeds: {work.seeds}; scored on "
        f"{sizes.scored} clips of all kinds of the validation part, F of the warped ones; f_change_se is over clips, "
        "and the row of another seed shows what chance in making and training does; ChoreoNet labels and negatives are "
        "left out of the same clips, which are fewer then"
    )


def dots() -> Callable[[float], None]:
    """Says every tenth that is done."""
    told = [0]

    def tell(share: float) -> None:
        if int(10 * share) > told[0]:
            told[0] = int(10 * share)
            print(f"  {10 * told[0]} %", end="\n" if told[0] == 10 else "", flush=True)

    return tell


def show(line: str) -> None:
    """A line on the screen with the time of day."""
    print(time.strftime("%H:%M:%S"), line, flush=True)


if __name__ == "__main__":
    main()
