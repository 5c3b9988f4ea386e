"""Foley Music's figures: how much of what a musician plays is heard in a silent video, beside what knows less.

Real films of pianists (`performance.truth.piano_videos`): players that no training has seen, and the data set's own
test clips, whose players nobody knows; all of each, and those who play with both hands apart from scales played by
one finger. What notes are scored by is in `note_metrics`. Figures are means over clips, `_se` their standard error
over clips, and `_se_players` over the means of the players where there are two or more: clips of one player are alike.

The notes that the data set lists lie up to 0.6 s beside the pictures. So every figure is there twice: as listed, and
`_aligned`, when the notes of each clip have been moved by the one constant that puts them under the hands
(`performance.truth.alignment`). What is scored has no part in that, but for where its hands and keys are.

Beside what is scored stand: what a method heard in other clips, scored on this one (right as to how pianists play,
wrong as to what happens here); notes drawn from what is usual (`performance_baselines`); the key under the fingertip
(`fingertips`). Table 3 of the paper, NDB, asks instead whether all that is played sounds like what pianists play.

A further table is a further function that gives rows with "set" and "name", joined in `evaluate_performance`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kinebeat.errors import InputError
from kinebeat.evaluation import tables
from kinebeat.evaluation.fingertips import SHIPPED, keys_under_fingertips
from kinebeat.evaluation.note_audio import CELLS, fit_ndb
from kinebeat.evaluation.note_metrics import note_figures
from kinebeat.evaluation.performance_baselines import elsewhere, fit_prior, until
from kinebeat.performance.notes import Notes
from kinebeat.performance.truth.alignment import Alignment, align
from kinebeat.performance.truth.piano_videos import PianoClip, Split, of_splits, read_clips
from kinebeat.performance.truth.watching import Seen, watch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    Row = dict[str, Any]
    Said = Mapping[str, Sequence[Sequence[Notes]]]

SETS: dict[Split, str] = {
    "test-players": "unseen players",
    "test-clips": "TestSet clips",
    "validation": "validation player",
    "train": "training players",
}
TESTS: tuple[Split, ...] = ("test-players", "test-clips")
DRAWS = 8
ALIGNMENT = "how late the listed notes are"
TABLE_3 = "piano: NDB, the paper's Table 3"
COLUMNS = (
    *("name", "clips", "onset_f", "pitch_f", "class_f", "class_f_se"),
    *("onset_f_aligned", "pitch_f_aligned", "class_f_aligned", "class_f_aligned_se", "density_ratio"),
    *("ndb", "lag_s", "agreement", "agreement_listed"),
)
"""What the screen shows; the JSON has more."""

# What the paper prints, for all its instruments together; the films and the sounds are others.
_QUOTED = {"VIG": 33, "WaveNet": 32, "GAN": 25, "SampleRNN": 30, "Foley Music": 20}


@dataclass(frozen=True)
class Method:
    """A row of the table.

    Attributes:
        name: of the row.
        play: `play(seen, rng)` gives the notes; raises InputError where it hears nothing that it would stand for.
        draws: how often it is asked, where chance is part of it.
        mismatched: whether a second row shows what it hears in other clips.
    """

    name: str
    play: Callable[[Seen, np.random.Generator], Notes]
    draws: int = 1
    mismatched: bool = False


def standard_methods(training: Sequence[PianoClip]) -> list[Method]:
    """Kinebeat's player, as it is, by the joints alone and as the paper's decoder would play, and the baselines.

    Raises:
        InputError: the player's model is not there.
    """
    from kinebeat.performance.model import PerformanceModel
    from kinebeat.performance.player import Player

    model = PerformanceModel.of("piano")

    def by(player: Player) -> Callable[[Seen, np.random.Generator], Notes]:
        def play(seen: Seen, rng: np.random.Generator) -> Notes:
            seed = int(rng.integers(2**31))
            return player.play(seen.performer, seen.keyboard, "piano", film=seen.film, seed=seed)

        return play

    return [
        Method("Kinebeat", by(Player(model)), mismatched=True),
        Method("Kinebeat, by the joints alone", by(Player(model, pictures=False)), mismatched=True),
        Method("Kinebeat, the decoder's words", by(Player(model, words=True))),
        *baselines(training),
    ]


def baselines(training: Sequence[PianoClip]) -> list[Method]:
    """Notes drawn from what the training's pianists usually play, and the key under the fingertip."""
    prior = fit_prior(training)

    def under(seen: Seen, _rng: np.random.Generator) -> Notes:
        if seen.keyboard is None:
            return Notes.none()
        return keys_under_fingertips(seen.performer, seen.keyboard, SHIPPED)

    return [
        Method("what is usual, drawn blindly", lambda seen, rng: prior.draw(seen.duration_s, rng), draws=DRAWS),
        Method("nearest key under the fingertip", under, mismatched=True),
    ]


def evaluate_performance(
    data: Path,
    *,
    keypoints: Path | None = None,
    splits: Sequence[Split] = TESTS,
    methods: Callable[[Sequence[PianoClip]], Sequence[Method]] = standard_methods,
    look: Callable[[PianoClip, Path | None], Seen] = watch,
    cells: int = CELLS,
    seed: int = 0,
    progress: Callable[[str, float], None] | None = None,
) -> dict[str, Any]:
    """Score all methods on the piano films.

    Args:
        data: folder of the data sets.
        keypoints: see `truth.watching.watch`.
        splits: whose clips are scored; "validation" to choose by.
        methods: makes the rows from the clips of the training.
        look: how a clip is seen.
        cells: of NDB.
        seed: of everything that is drawn.
        progress: called with the stage and the share of everything that is done.

    Returns:
        `table` and `rows`; each row has `set`, `name` and figures, those of films also `playing`.

    Raises:
        InputError: the data is not there.
    """
    report = progress or (lambda _stage, _share: None)
    clips = read_clips(data)
    training, scored = of_splits(clips, ["train"]), of_splits(clips, splits)
    rows_of = list(methods(training))
    said: dict[str, list[list[Notes]]] = {method.name: [] for method in rows_of}
    alignments: list[Alignment] = []
    for number, clip in enumerate(scored):
        report(clip.name, 0.8 * number / max(1, len(scored)))
        seen = look(clip, keypoints)
        unknown = Alignment(0.0, 0.0, 0.0)
        alignments.append(align(clip.notes, seen.performer, seen.keyboard) if seen.keyboard is not None else unknown)
        for which, method in enumerate(rows_of):
            said[method.name].append(_played(method, seen, [seed, number, which]))
    for method in rows_of:
        if method.mismatched:
            said[f"{method.name}, in another clip"] = mismatched(scored, said[method.name], seed=seed)
    rows = score_films(scored, said, [alignment.lag_s for alignment in alignments])
    for clip, found in zip(scored, alignments, strict=True):
        row: Row = {"set": ALIGNMENT, "name": clip.name, "lag_s": found.lag_s}
        rows.append(row | {"agreement": found.agreement, "agreement_listed": found.listed})
    rows += score_ndb(training, scored, said, cells=cells, seed=seed, progress=lambda s: report("NDB", 0.8 + 0.2 * s))
    return {"table": "performance: Foley Music, real films of pianists", "rows": rows}


def mismatched(clips: Sequence[PianoClip], said: Sequence[Sequence[Notes]], *, seed: int = 0) -> list[list[Notes]]:
    """For each clip what was heard in others; see `performance_baselines.elsewhere`."""
    return [
        [until(said[other][0], clip.duration_s) for other in elsewhere(clips, number, seed=seed)]
        for number, clip in enumerate(clips)
    ]


def score_films(clips: Sequence[PianoClip], said: Said, lags_s: Sequence[float]) -> list[Row]:
    """Rows of all methods on each set, and on each way of playing in it.

    Args:
        clips: what was played.
        said: of each method, of each clip, its answers; the clip's figures are their mean.
        lags_s: how late the notes of each clip are.
    """
    rows: list[Row] = []
    figures = {
        name: [
            _mean([_figures(clip.notes, lag_s, notes) for notes in answers])
            for clip, lag_s, answers in zip(clips, lags_s, each, strict=True)
        ]
        for name, each in said.items()
    }
    for split, title in SETS.items():
        for playing, wanted in (("all", None), ("two hands", False), ("one finger", True)):
            which = [i for i, c in enumerate(clips) if c.split == split and wanted in (None, c.one_finger)]
            for name, each in said.items():
                if which:
                    row: Row = {"set": title, "playing": playing, "name": name}
                    row |= _summary([clips[i] for i in which], [figures[name][i] for i in which])
                    row["unheard"] = sum(not any(len(notes) for notes in each[i]) for i in which)
                    rows.append(row)
    return rows


def score_ndb(
    training: Sequence[PianoClip],
    clips: Sequence[PianoClip],
    said: Said,
    *,
    cells: int = CELLS,
    seed: int = 0,
    progress: Callable[[float], None] | None = None,
) -> list[Row]:
    """Rows of the paper's Table 3: first what was really played, then every method's first answer to each clip.

    The test finds the more cells to differ the more pieces there are: only rows of one table can be compared.
    """
    played = [clip.notes for clip in clips]
    ndb = fit_ndb([clip.notes for clip in training], cells=cells, seed=seed, progress=progress)
    answers = {"what was really played": played} | {name: [one[0] for one in each] for name, each in said.items()}
    rows: list[Row] = [{"set": TABLE_3, "name": name, "ndb": ndb(notes, played)} for name, notes in answers.items()]
    return rows + [{"set": TABLE_3, "name": f"paper: {name}", "ndb": n, "quoted": True} for name, n in _QUOTED.items()]


def as_text(content: dict[str, Any]) -> str:
    """The table for the screen, a block for each set and way of playing."""
    blocks: dict[str, list[Row]] = {}
    for row in content["rows"]:
        title = f"{row['set']}, {row['playing']}" if "playing" in row else str(row["set"])
        blocks.setdefault(title, []).append({key: row[key] for key in COLUMNS if key in row})
    parts = [tables.as_text({"table": f"-- {title}", "rows": rows}) for title, rows in blocks.items()]
    return "\n\n".join([content["table"], *parts])


def _played(method: Method, seen: Seen, seed: list[int]) -> list[Notes]:
    """What a method says of a clip; nothing where it will not say anything."""
    rng = np.random.default_rng(seed)
    answers = []
    for _ in range(method.draws):
        try:
            answers.append(until(method.play(seen, rng), seen.duration_s))
        except InputError:
            answers.append(Notes.none())
    return answers


def _figures(played: Notes, lag_s: float, said: Notes) -> dict[str, float]:
    """Figures of an answer, as the notes are listed and, `_aligned`, when they are moved by their lag."""
    figures = note_figures(played, said)
    aligned = note_figures(played.later(-lag_s), said)
    return figures | {f"{name}_aligned": value for name, value in aligned.items() if name != "density_ratio"}


def _mean(figures: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: float(np.mean([one[name] for one in figures])) for name in figures[0]}


def _summary(clips: Sequence[PianoClip], figures: Sequence[Mapping[str, float]]) -> Row:
    """Means over clips, with standard errors over clips and over players."""
    folders = sorted({clip.folder for clip in clips})
    row: Row = {"clips": len(clips), "players": len(folders), "notes": sum(len(clip.notes) for clip in clips)}
    for name in figures[0]:
        values = np.array([one[name] for one in figures])
        by_player = [values[[clip.folder == folder for clip in clips]].mean() for folder in folders]
        row[name] = float(values.mean())
        row[f"{name}_se"] = _standard_error(values)
        if len(folders) > 1:
            row[f"{name}_se_players"] = _standard_error(np.array(by_player))
    return row


def _standard_error(values: np.ndarray[Any, np.dtype[np.float64]]) -> float | None:
    """Of a mean; None where there is one value alone."""
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else None
