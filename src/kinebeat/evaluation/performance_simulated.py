"""Foley Music's figures for instruments without films: on simulated players that no training has seen.

Nothing here says how a real player would be heard. Each row is marked `truth: simulated`; figures are means over
players, `_se` their standard error. Beside what is scored stand what it heard of other players of the same instrument,
and notes drawn from what such players usually play. What lips do is not seen: so of winds it is told as well how right
somebody would be who knows each note's onset and fingers, and plays the most usual pitch that has them.

The paper's Table 5 asks how well networks foretell the words of a performance, in nats a word: as it is, without hands,
with a GRU for the transformer. Those are trained equally long and exported to a folder of their own, and not shipped.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from kinebeat.evaluation import tables
from kinebeat.evaluation.note_metrics import note_figures
from kinebeat.evaluation.performance_baselines import fit_prior, until
from kinebeat.performance.batches import whole
from kinebeat.performance.instruments import INSTRUMENTS
from kinebeat.performance.model import PerformanceModel
from kinebeat.performance.player import Player
from kinebeat.performance.truth.build import simulated_pieces
from kinebeat.weights import load, registry

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from kinebeat.performance.batches import Batch
    from kinebeat.performance.corpus import Piece
    from kinebeat.performance.notes import Notes

    Row = dict[str, Any]

SEED = 20
"""Of the players that are scored; those of the training have others."""
USUAL_SEED, USUAL = 10_000, 12
"""Seed and number of the players who show what is usual."""
DRAWS = 8
FINGERS = "who knows onsets and fingers"
TABLE_5 = "nats a word, the paper's Table 5"
ABLATED = {"full": "performance-full", "without hands": "performance-no-hands", "GRU": "performance-gru"}
"""Rows of Table 5, and what their networks are called in the folder that they were exported to."""
# What the paper prints; its data are films.
_QUOTED = {
    "GRU": (1.631, 3.747, 3.06, 2.631, 2.101),
    "without hands": (1.565, 3.632, 3.014, 2.805, 2.259),
    "full": (1.558, 3.603, 2.981, 2.512, 1.995),
}
_QUOTED_OF = ("violin", "viola", "cello", "trumpet", "flute")
OTHERS = tuple(name for name, of in INSTRUMENTS.items() if of.family != "keys")


def evaluate_simulated(
    *,
    players: int = 10,
    instruments: Sequence[str] = OTHERS,
    ablation: Path | None = None,
    words: bool = True,
    model: PerformanceModel | None = None,
    seed: int = SEED,
    progress: Callable[[str, float], None] | None = None,
) -> dict[str, Any]:
    """Score the model of those who have no keys on simulated players.

    Args:
        players: of each instrument.
        instruments: whose.
        ablation: folder that `ABLATED` were exported to; without it there is no Table 5.
        words: whether the decoder's words are played too, which takes longest.
        model: the shipped one if None.
        seed: of the players, and of what is drawn.
        progress: called with the instrument and the share of everything that is done.

    Returns:
        `table` and `rows`; each row has `set`, `truth`, `name` and figures.

    Raises:
        InputError: the model is damaged, or the ablation's are not there.
        OptionError: no model is shipped.
    """
    report = progress or (lambda _stage, _share: None)
    model = model or PerformanceModel.of(instruments[0])
    methods = {"Kinebeat": Player(model)}
    if words:
        methods["Kinebeat, the decoder's words"] = Player(model, words=True)
    tested: dict[str, list[Piece]] = {}
    rows: list[Row] = []
    for number, instrument in enumerate(instruments):
        tested[instrument] = list(simulated_pieces([instrument], players, seed))
        usual = list(simulated_pieces([instrument], USUAL, USUAL_SEED))
        share = number / len(instruments) * (0.5 if ablation else 1.0)
        report(instrument, share)
        rows += score_players(tested[instrument], usual, methods, seed=seed)
    if ablation is not None:
        rows += score_words(tested, ablated_models(ablation), progress=lambda s: report("Table 5", 0.5 + 0.5 * s))
    return {"table": "performance: instruments without films, simulated players", "rows": rows}


def score_players(
    pieces: Sequence[Piece], usual: Sequence[Piece], methods: Mapping[str, Player], *, seed: int = SEED
) -> list[Row]:
    """Rows of one instrument: all methods, each also on other players than those it heard, and notes drawn blindly.

    Args:
        pieces: who is scored, all of one instrument.
        usual: who shows what is usual.
        methods: how they are heard.
        seed: of what is drawn.
    """
    prior = fit_prior(usual)
    said: dict[str, list[list[Notes]]] = {}
    for name, player in methods.items():
        heard = [player.hear(piece.features(), piece.instrument) for piece in pieces]
        said[name] = [[notes] for notes in heard]
        if name == "Kinebeat" and len(pieces) > 1:
            said["Kinebeat, of another player"] = [
                [until(heard[j], piece.duration_s) for j in range(len(pieces)) if j != i]
                for i, piece in enumerate(pieces)
            ]
    said["what is usual, drawn blindly"] = [
        [prior.draw(piece.duration_s, np.random.default_rng([seed, i, draw])) for draw in range(DRAWS)]
        for i, piece in enumerate(pieces)
    ]
    if INSTRUMENTS[pieces[0].instrument].family == "wind":
        said[FINGERS] = [[by_fingers(piece.notes, piece.instrument, usual)] for piece in pieces]
    return [_row(pieces, name, answers) for name, answers in said.items()]


def by_fingers(notes: Notes, instrument: str, usual: Sequence[Piece]) -> Notes:
    """The same notes, each at the most usual of the pitches that a wind instrument's players finger like it.

    Args:
        notes: what is played.
        instrument: which, a wind instrument.
        usual: who shows what is usual.
    """
    from kinebeat.performance.notes import Notes
    from kinebeat.performance.truth.simulator.winds import fingers_down

    of = INSTRUMENTS[instrument]
    counts = np.bincount(np.concatenate([piece.notes.pitch for piece in usual]), minlength=128)
    alike: dict[tuple[int, ...], int] = {}
    for pitch in range(of.lowest, of.highest + 1):
        down = fingers_down(instrument, pitch)
        if down not in alike or counts[pitch] > counts[alike[down]]:
            alike[down] = pitch
    heard = [alike[fingers_down(instrument, int(pitch))] for pitch in notes.pitch]
    return Notes.of(notes.onset_s, notes.offset_s, heard, notes.velocity)


def score_words(
    tested: Mapping[str, Sequence[Piece]],
    models: Mapping[str, PerformanceModel],
    *,
    progress: Callable[[float], None] | None = None,
) -> list[Row]:
    """Rows of Table 5: nats a word of each model, by instrument.

    Args:
        tested: players of each instrument.
        models: by the names of their rows.
        progress: called with the share done.
    """
    rows: list[Row] = []
    clips = {instrument: whole(pieces, 1) for instrument, pieces in tested.items()}
    for done, (name, model) in enumerate(models.items()):
        row: Row = {"set": TABLE_5, "truth": "simulated", "name": name}
        for instrument, batches in clips.items():
            costs = np.concatenate([word_costs(model, batch, instrument) for batch in batches])
            row[instrument] = float(costs.mean())
        rows.append(row)
        if progress is not None:
            progress((done + 1) / len(models))
    for name, figures in _QUOTED.items():
        row = {"set": TABLE_5, "truth": "quoted", "name": f"paper: {name}"}
        rows.append(row | dict(zip(_QUOTED_OF, figures, strict=True)))
    return rows


def word_costs(model: PerformanceModel, clip: Batch, instrument: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    """What each word of a clip costs a model that is told the words before it, in nats.

    Args:
        model: the network.
        clip: a batch of one.
        instrument: what is played.
    """
    from kinebeat.performance.features import Features

    seen = model.look(Features(clip.nodes[0], clip.tips[0]), instrument)
    target = clip.target[0][clip.target[0] >= 0]
    past = model.begin(1)
    costs = np.zeros(len(target))
    for place, word in enumerate(target.tolist()):
        logits, past = model.say(clip.words[:, place], clip.seconds[:, place], seen, past)
        scores = logits[0].astype(np.float64)
        costs[place] = np.log(np.exp(scores - scores.max()).sum()) + scores.max() - scores[word]
    return costs


def ablated_models(folder: Path) -> dict[str, PerformanceModel]:
    """Those of `ABLATED` that are in a folder.

    Raises:
        InputError: there are no models in it.
    """
    there = registry(folder)
    return {name: PerformanceModel(load(weight, folder)) for name, weight in ABLATED.items() if weight in there}


def as_text(content: dict[str, Any]) -> str:
    """The table for the screen, a block for each instrument."""
    rows = content["rows"]
    starts = [i for i, row in enumerate(rows) if i == 0 or row["set"] != rows[i - 1]["set"]]
    parts = []
    for begin, end in pairwise([*starts, len(rows)]):
        shown = [{key: value for key, value in row.items() if key not in ("set", "truth")} for row in rows[begin:end]]
        parts.append(tables.as_text({"table": f"-- {rows[begin]['set']} (simulated)", "rows": shown}))
    return "\n\n".join([content["table"], *parts])


def _row(pieces: Sequence[Piece], name: str, answers: Sequence[Sequence[Notes]]) -> Row:
    """Means over players of the means over a method's answers."""
    row: Row = {"set": pieces[0].instrument, "truth": "simulated", "name": name, "players": len(pieces)}
    row["notes"] = sum(len(piece.notes) for piece in pieces)
    each = [[note_figures(piece.notes, notes) for notes in some] for piece, some in zip(pieces, answers, strict=True)]
    for figure in ("onset_f", "pitch_f", "class_f", "density_ratio"):
        values = np.array([np.mean([one[figure] for one in some]) for some in each])
        row[figure] = float(values.mean())
        if figure.endswith("_f") and len(values) > 1:
            row[f"{figure}_se"] = float(values.std(ddof=1) / np.sqrt(len(values)))
    return row
