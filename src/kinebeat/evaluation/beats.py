"""RhythmicNet's Table 1: the music's beats heard in movement, beside what a reader needs to judge the figures.

Rows are estimators, each on several sets of clips: (a) beat-warped motion capture of people and kinds of movement
that no training has seen; (b) ChoreoNet by dancer, whose beats are interpolated between hand-set ends, so that its
phase can hardly be trusted and all figures on it are weak; (c) street dance, whose beats are the music's; and the
package's own dancing figure. All activations go through one decoder. A metronome at the true tempo says what knowing
the tempo alone is worth, the product's beats shifted at random what their phase is worth. `kinebeat evaluate beats`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from kinebeat.evaluation import beat_metrics as metrics
from kinebeat.evaluation import tables
from kinebeat.evaluation.beat_clips import (
    Clip,
    choreonet_clips,
    clip_of,
    corpus_clips,
    duration_of,
    evenly,
    excerpt,
    excerpts,
    puppet_clips,
    street_poses,
    variants,
    without_beat,
)
from kinebeat.evaluation.beat_estimators import METRONOME, PRODUCT, Estimator, Heard, metronomes, standard_estimators
from kinebeat.motion import compute_motion

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from kinebeat.pose.track import PoseTrack

    Row = dict[str, Any]

CLIPS = 40
SHIFTS = 40
EXCERPT_S = 20.0
INVARIANCE_S = 60.0
SAME_TEMPO = 0.02
BASELINE, LEAD = "TCN", ("f", "cmlt")
WARPED, STREET, PUPPETS = "warped", "street", "puppets"

_JSON_ALONE = ("quoted", "f_by", "f_sd_clips", "cmlt_by", "cmlt_sd", "cemgil_", "cmlc_", "amlc", "amlt_")

# What others print, for comparison; not measured here.
_PAPER = {
    "TCN": (0.4497, 0.4515, 0.4814, 0.6304),
    "TF": (0.1607, 0.1624, 0.3285, 0.4690),
    "ST-GCN": (0.5489, 0.5545, 0.4923, 0.6478),
    "ST-GCN+TF": (0.6189, 0.6234, 0.5509, 0.7193),
    "ST-GCN+TF+SSM": (0.6320, 0.6358, 0.5772, 0.7307),
    "ST-GCN+TF+RelAttn": (0.6801, 0.6831, 0.5919, 0.7467),
    "ST-GCN+TF+SSM+RelAttn": (0.7143, 0.7194, 0.6159, 0.7579),
}
_STREET_QUOTED = {
    "authors' released weights": (0.39, 0.55),
    "speed minima": (0.50, 0.52),
    "four cues fused": (0.48, 0.59),
    "metronome at the true tempo, random phase": (0.22, None),
}


@dataclass(frozen=True)
class Sources:
    """What is scored.

    Attributes:
        sets: clips with beats, by the name of the set.
        without_beat: clips without, by kind.
        poses: keypoints that the invariance rows film anew, by name.
    """

    sets: Mapping[str, Sequence[Clip]]
    without_beat: Mapping[str, Sequence[Clip]] = field(default_factory=dict)
    poses: Mapping[str, PoseTrack] = field(default_factory=dict)


def evaluate_beats(
    data: Path,
    *,
    clips: int = CLIPS,
    seed: int = 0,
    estimators: Sequence[Estimator] | None = None,
    sources: Sources | None = None,
    progress: Callable[[str, float], None] | None = None,
) -> dict[str, Any]:
    """Score every estimator on every set, and the product's confidence and invariance.

    Args:
        data: folder of the data sets.
        clips: of warped movement, 20 s each; half as many without a beat are made besides.
        seed: of the corpus, the shifts, the metronomes and the noise.
        estimators: rows of the table; `standard_estimators()` if None. One of them is named `PRODUCT`.
        sources: what to score on instead of `load_sources(data)`.
        progress: called with the stage and the share of everything that is done.

    Returns:
        `table` and `rows`: each row has `set`, `name` and figures; shares and scores are in [0, 1].

    Raises:
        InputError: the data is not there.
    """
    report = progress or (lambda _stage, _share: None)
    found = standard_estimators() if estimators is None else tuple(estimators)
    given = sources or load_sources(data, clips=clips, seed=seed, progress=lambda s: report("clips", 0.25 * s))
    every = (*found, metronomes(seed))
    rows: list[Row] = []
    for place, (set_name, members) in enumerate(given.sets.items()):
        for number, estimator in enumerate(every):
            rows += score(estimator, members, set_name, seed=seed)
            report(set_name, 0.25 + 0.5 * (place + (number + 1) / len(every)) / len(given.sets))
    add_lead(rows)
    rows += quoted()
    hear = next((estimator.seeds[0] for estimator in found if estimator.name == PRODUCT), None)
    if hear is not None:
        rows += confidence_rows(hear, given.sets, given.without_beat)
        report("confidence", 0.85)
        rows += invariance_rows(hear, given.poses, seed=seed)
    report("done", 1.0)
    return {"table": "beats: RhythmicNet Table 1", "rows": rows}


def as_text(content: dict[str, Any]) -> str:
    """The table for the screen, one block a set; spreads over clips and what is said twice are in the JSON alone."""
    blocks: dict[str, list[Row]] = {}
    for row in content["rows"]:
        shown = {key: value for key, value in row.items() if key != "set" and not key.startswith(_JSON_ALONE)}
        blocks.setdefault(str(row["set"]), []).append(shown)
    parts = [tables.as_text({"table": f"-- {name}", "rows": rows}) for name, rows in blocks.items()]
    return "\n\n".join([content["table"], *parts])


def score(estimator: Estimator, clips: Sequence[Clip], set_name: str, *, seed: int = 0) -> list[Row]:
    """The row of one estimator on one set; with several seeds their mean and spread. The product has its null too."""
    row: Row = {"set": set_name, "name": estimator.name, "clips": len(clips)}
    if not clips:
        return []
    heard = [[hear(clip) for clip in clips] for hear in estimator.seeds]
    each = [[_clip_figures(clip, one) for clip, one in zip(clips, found, strict=True)] for found in heard]
    row |= {"seeds": len(heard)} | _tidy(metrics.over_seeds(each))
    pieces = [[p for c, h in zip(clips, found, strict=True) for p in c.pieces(h.beats_s)] for found in heard]
    lags = [metrics.after_lag([r for r, _ in some], [e for _, e in some]) for some in pieces]
    for figure in LEAD:
        row[f"{figure}_by_clip"] = [round(float(np.mean(own)), 4) for own in _by_clip(each, figure)]
    if estimator.name != METRONOME:
        row["lag_ms"] = 1000 * float(np.mean([lag_s for lag_s, _ in lags]))
    after = metrics.over_seeds([[figures] for _, figures in lags])
    row |= {f"{name}_after_lag": after[name] for name in metrics.FIGURES if name != "amlc"}
    if "f_sd_seeds" in after:
        row["f_after_lag_sd_seeds"] = after["f_sd_seeds"]
    if set_name == STREET:
        for number, clip in enumerate(clips):
            row[f"f {clip.name}"] = float(np.mean([figures[number]["f"] for figures in each]))
    if estimator.name != PRODUCT:
        return [row]
    rng = np.random.default_rng([seed, 2])
    durations = [c.duration_s if c.spans_s is None else None for c in clips for _ in c.pieces(np.zeros(0))]
    null = metrics.pooled_shift_null(
        [r for r, _ in pieces[0]], [e for _, e in pieces[0]], rng, SHIFTS, durations_s=durations
    )
    shifted: Row = {"set": set_name, "name": f"{PRODUCT}, beats shifted at random", "clips": len(clips)}
    for name in metrics.FIGURES:
        shifted |= {name: null[f"{name}_null"], f"{name}_z_of_product": null[f"{name}_z"]}
    return [row, shifted | {"f_null_sd": null["f_null_sd"]}]


def add_lead(rows: Sequence[Row]) -> None:
    """Say of each row on warped movement how far it is ahead of the TCN, clip by clip, with its standard error."""
    here = [row for row in rows if row["set"] == WARPED and "f_by_clip" in row]
    baseline = next((row for row in here if row["name"] == BASELINE), None)
    if baseline is None:
        return
    for figure in LEAD:
        for row in here:
            lead = np.subtract(row[f"{figure}_by_clip"], baseline[f"{figure}_by_clip"])
            row[f"{figure}_ahead_of_tcn"] = float(lead.mean())
            row[f"{figure}_ahead_of_tcn_se"] = float(lead.std(ddof=1) / np.sqrt(len(lead))) if len(lead) > 1 else np.nan


def confidence_rows(
    hear: Callable[[Clip], Heard], sets: Mapping[str, Sequence[Clip]], without: Mapping[str, Sequence[Clip]]
) -> list[Row]:
    """Mean confidence on dance and on movement without a beat, and how often dance has the higher (AUC)."""
    dance = {name: [_confidence(hear(clip)) for clip in clips] for name, clips in sets.items() if clips}
    above = [name for name in (WARPED, STREET) if name in dance]
    rows = [_confidence_row(name, values) for name, values in dance.items()]
    for name, clips in without.items():
        values = [_confidence(hear(clip)) for clip in clips]
        if values:
            areas = {f"auc_of_{kind}": metrics.auc(dance[kind], values) for kind in above}
            rows.append(_confidence_row(f"no beat: {name}", values) | areas)
    return rows


def invariance_rows(hear: Callable[[Clip], Heard], poses: Mapping[str, PoseTrack], *, seed: int = 0) -> list[Row]:
    """How far the tempo moves when the same movement is filmed differently; an octave is a change of 100 or -50 %."""
    changes: dict[str, list[float]] = {}
    for number, pose in enumerate(poses.values()):
        own_bpm = _tempo_bpm(hear, pose)
        for name, variant in variants(pose, seed + number).items():
            changes.setdefault(name, []).append(_tempo_bpm(hear, variant) / own_bpm - 1)
    if not changes:
        return []
    changes["all variants"] = [change for some in changes.values() for change in some]
    return [
        {
            "set": "invariance",
            "name": name,
            "clips": len(some),
            "tempo_change_max_pct": 100 * float(np.max(np.abs(some))),
            "share_within_2pct": float(np.mean(np.abs(some) <= SAME_TEMPO)),
        }
        for name, some in changes.items()
    ]


def load_sources(
    data: Path, *, clips: int = CLIPS, seed: int = 0, progress: Callable[[float], None] | None = None
) -> Sources:
    """All sets of clips.

    Args:
        data: folder that holds `dance/` and `motion/`.
        clips: of warped movement; half as many without a beat are made besides.
        seed: of the corpus and of the movement without a beat.
        progress: called with the share done.

    Raises:
        InputError: the data is not there.
    """
    from kinebeat.beats.truth.corpus import build

    report = progress or (lambda _: None)
    street = street_poses(data)
    warped = build(data, "test", clips, seed, ("warped",), progress=lambda share: report(0.5 * share))
    negative = build(data, "test", -(-clips // 2), seed, ("negative",), progress=lambda s: report(0.5 + 0.25 * s))
    # Of the first dancer's takes only 17 has not been trained on; the validation part has no other labelled take.
    units = {
        "take 17": build(data, "validation", -(-clips // 4), seed, ("choreonet",)),
        "takes ll, mm": build(data, "test", -(-clips // 4), seed, ("choreonet",)),
    }
    report(0.9)
    # Neighbouring stretches are much alike: a few of each take say as much as all.
    stretches = [some for _, pose, _ in street for some in excerpts(pose, EXCERPT_S)[::2]]
    kinds = without_beat(stretches, seed)
    report(1.0)
    return Sources(
        sets={
            WARPED: corpus_clips(warped, "warped"),
            **{f"ChoreoNet takes (weak), {dancer}": own for dancer, own in choreonet_clips(data).items()},
            **{f"ChoreoNet units joined (weak), {who}": corpus_clips(own, "choreonet") for who, own in units.items()},
            STREET: [clip_of(name, pose, beats_s) for name, pose, beats_s in street],
            PUPPETS: puppet_clips(),
        },
        without_beat={"unwarped movement": corpus_clips(negative, "negative")}
        | {name: evenly(some, clips) for name, some in kinds.items()},
        poses={name: excerpt(pose, 0.0, INVARIANCE_S) for name, pose, _ in street},
    )


def quoted() -> list[Row]:
    """What others print."""
    rows: list[Row] = []
    for name, (cmlc, cmlt, cemgil, f) in _PAPER.items():
        figures = {"cmlc": cmlc, "cmlt": cmlt, "cemgil": cemgil, "f": f}
        rows.append({"set": "quoted: AIST", "name": f"paper: {name}", **figures, "quoted": True})
    for name, (f, after) in _STREET_QUOTED.items():
        row = {"set": f"quoted: {STREET}", "name": name, "f": f, "quoted": True}
        rows.append(row if after is None else row | {"f_after_lag": after})
    return rows


def _clip_figures(clip: Clip, heard: Heard) -> dict[str, float]:
    """Figures of one clip, mean over its stretches, and whether the tempo is right."""
    each = []
    for truth, beats_s in clip.pieces(np.asarray(heard.beats_s, float)):
        tempo = heard.tempo_bpm if clip.spans_s is None else metrics.reference_tempo_bpm(beats_s)
        each.append(metrics.beat_figures(truth, beats_s) | metrics.tempo_figures(truth, tempo))
    return metrics.mean(each) | {"confidence": _confidence(heard)}


def _by_clip(each: Sequence[Sequence[Mapping[str, float]]], figure: str) -> list[list[float]]:
    """One figure of each clip, of each seed."""
    return [[one[figure] for one in of_clip] for of_clip in zip(*each, strict=True)]


def _tidy(figures: dict[str, float]) -> dict[str, float]:
    """Without the spreads nobody asks for, and without what no clip has."""
    wanted = (*metrics.FIGURES, "tempo_within_4pct", "tempo_within_4pct_octave", "confidence")
    keep = {*wanted, *(f"{name}_sd_seeds" for name in metrics.FIGURES), "f_sd_clips", "cmlt_sd_clips"}
    return {name: value for name, value in figures.items() if name in keep and np.isfinite(value)}


def _confidence_row(name: str, values: Sequence[float]) -> Row:
    return {
        "set": "confidence",
        "name": name,
        "clips": len(values),
        "confidence": float(np.mean(values)),
        "confidence_sd": float(np.std(values)),
    }


def _confidence(heard: Heard) -> float:
    return float(heard.confidence)


def _tempo_bpm(hear: Callable[[Clip], Heard], pose: PoseTrack) -> float:
    duration_s = duration_of(pose)
    return hear(Clip("", compute_motion(pose, duration_s), duration_s, np.zeros(0))).tempo_bpm
