"""InteractiveBeat's Table 2: visual beats said before they happen, against those that the whole movement has.

Truth are the visual beats of the offline motion, which knows all of a clip and no detector's errors. What is scored
comes from `live.movement`, causally. Sets: dances and everyday movement of performers and kinds that no training has
seen, filmed by made-up cameras; street dance whose keypoints were found in real pictures; real videos.

Figures are pooled: hits, beats said and true beats are summed over all clips of a set from the fourth second on, so a
clip without beats counts what is said in it. Precision, recall and F within 70 ms as `mir_eval.beat` matches them;
Cemgil with sigma = 40 ms; B-Align is the Beat Alignment Score of Li et al. 2021 (AI Choreographer), the mean over all
kinematic peaks of the movement of how near a beat is (sigma = 50 ms): who says many beats gets it for nothing.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kinebeat.errors import InputError
from kinebeat.evaluation import tables
from kinebeat.evaluation.alignment import beat_alignment
from kinebeat.evaluation.beat_clips import duration_of, street_poses
from kinebeat.evaluation.beat_metrics import f_measure
from kinebeat.evaluation.visual_beat_estimators import CONTEXT, Estimator, Sample, standard_estimators
from kinebeat.live.corpus import build, seen_live
from kinebeat.live.movement import LIVE_FPS
from kinebeat.live.visbeat.peaks import peaks

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from kinebeat.pose.track import PoseTrack

    Beats = NDArray[np.float64]
    Row = dict[str, Any]

CLIPS = 60
PEAK = 0.10
"""A kinematic peak is at least so high, as a part of the clip's top 1 %."""
CEMGIL_S, ALIGN_S = 0.040, 0.050
VIDEOS = (
    "aist_break_cdcd2.mp4",
    "aist_cdcd3.mp4",
    "aist_d2m_test_0.mp4",
    "mgt_dancer.avi",
    "solo_dance_overlay30s.mp4",
    "sam2_juggle.mp4",
    "sports2d_dumbbell.mp4",
    "sports2d_walking.mp4",
    "phone_walk_portrait.mp4",
)
"""Videos of one person who moves for six seconds or more."""
_PAPER = {
    "Rule-based": (0.3862, 0.5731, 0.4510, 0.3353, 0.286, None, 1.0),
    "RhythmicNet": (0.6978, 0.4960, 0.5945, 0.4593, 0.4147, 800_000, 90.0),
    "VisBeatNet": (0.6901, 0.5071, 0.5819, 0.4602, 0.4032, 30_000, 5.0),
}
_BANDAI, _LABORATORY = ("cmu", "choreonet"), ("bandai",)


@dataclass
class Tally:
    """Sums over clips."""

    hits: float = 0.0
    said: int = 0
    true: int = 0
    near: float = 0.0
    aligned: float = 0.0
    peaks: int = 0

    def add(self, true_s: Beats, said_s: Beats, peaks_s: Beats) -> None:
        """Add a clip: true beats, beats said, and kinematic peaks."""
        self.hits += f_measure(true_s, said_s) * (len(true_s) + len(said_s)) / 2
        self.said += len(said_s)
        self.true += len(true_s)
        self.near += float(beat_alignment(true_s, said_s, CEMGIL_S).sum())
        self.aligned += float(beat_alignment(peaks_s, said_s, ALIGN_S).sum())
        self.peaks += len(peaks_s)

    def figures(self) -> dict[str, float]:
        """Pooled figures, each in [0, 1]; 0 where there is nothing."""
        return {
            "precision": self.hits / max(1, self.said),
            "recall": self.hits / max(1, self.true),
            "f": 2 * self.hits / max(1, self.said + self.true),
            "cemgil": 2 * self.near / max(1, self.said + self.true),
            "b_align": self.aligned / max(1, self.peaks),
        }


# Clips


def laboratory(data: Path, clips: int, seed: int, progress: Callable[[float], None]) -> dict[str, list[Sample]]:
    """Movement of performers and of kinds that no training has seen, filmed by made-up cameras.

    Raises:
        InputError: the recordings are not there.
    """
    from kinebeat.beats.truth.corpus import ready

    sets = {}
    wanted: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
        ("unseen performers, danced to a beat", _LABORATORY, ("warped", "choreonet")),
        ("unseen performers, as recorded", _LABORATORY, ("moving", "long")),
        ("unseen kinds of movement, danced to a beat", _BANDAI, ("warped",)),
        ("unseen kinds of movement, as recorded", _BANDAI, ("moving",)),
        ("standing about", (), ("idle",)),
    )
    for number, (name, without, kinds) in enumerate(wanted):
        material = ready(data, "test", without)
        corpus = build(material, "test", clips if name != "standing about" else -(-clips // 3), seed + number, kinds)
        sets[name] = [
            Sample(
                corpus.directogram[k].astype(np.float32),
                corpus.offset[k],
                corpus.present[k],
                corpus.velocity[k].astype(np.float32),
                np.nan_to_num(corpus.truth[k].astype(np.float32)),
                corpus.beats_s(k),
            )
            for k in range(len(corpus.kind))
        ]
        progress((number + 1) / len(wanted))
    return sets


def sample_of(pose: PoseTrack) -> Sample:
    """A clip of keypoints that were found in real pictures: the truth is what the offline motion makes of the same."""
    clip = seen_live(pose, pose, duration_of(pose))
    truth = np.nan_to_num(clip.truth).astype(np.float32)
    return Sample(clip.directogram, clip.offset, clip.present, clip.velocity, truth, clip.beat_time_s)


def real(data: Path, keypoints: Path | None, progress: Callable[[float], None]) -> dict[str, list[Sample]]:
    """Street dance, and `VIDEOS`, as far as the folder has them.

    Keypoints were cleaned by the product, which a live engine cannot do, so what it is told is a little better.

    Args:
        data: folder of the data sets.
        keypoints: folder with the keypoints of the videos, `NAME.npz`; those that are missing are written there.
        progress: called with the share done.
    """
    from kinebeat.pose import load_pose, read_pose, save_pose

    sets = {}
    with contextlib.suppress(InputError):  # this part of the data is not in every folder
        sets["street dance, real keypoints"] = [sample_of(pose) for _, pose, _ in street_poses(data)]
    videos = [data / "videos" / name for name in VIDEOS]
    found = []
    for number, video in enumerate(videos):
        kept = keypoints / f"{video.name}.npz" if keypoints is not None else None
        if kept is not None and kept.is_file():
            found.append(sample_of(load_pose(kept)))
        elif video.is_file():
            pose = read_pose(video)
            if kept is not None:
                save_pose(pose, kept)
            found.append(sample_of(pose))
        progress((number + 1) / len(videos))
    if found:
        sets["real videos"] = found
    return sets


# The table


def evaluate_visual_beats(
    data: Path,
    *,
    clips: int = CLIPS,
    seed: int = 0,
    keypoints: Path | None = None,
    estimators: Sequence[Estimator] | None = None,
    sets: Mapping[str, Sequence[Sample]] | None = None,
    progress: Callable[[str, float], None] | None = None,
) -> dict[str, Any]:
    """Score every estimator on every set.

    Args:
        data: folder of the data sets.
        clips: of each set of made films, 20 s each.
        seed: of the films and the metronome.
        keypoints: see `real`.
        estimators: rows of the table; `standard_estimators` if None.
        sets: what to score on instead.
        progress: called with the stage and the share of everything that is done.

    Returns:
        `table` and `rows`: each row has `set`, `name`, `way` and figures.

    Raises:
        InputError: the data is not there.
    """
    report = progress or (lambda _stage, _share: None)
    rows_of = standard_estimators(seed) if estimators is None else list(estimators)
    if sets is None:
        made = laboratory(data, clips, seed, lambda share: report("films", 0.3 * share))
        sets = made | real(data, keypoints, lambda share: report("videos", 0.3 + 0.2 * share))
    rows: list[Row] = []
    for number, (name, samples) in enumerate(sets.items()):
        rows += [{"set": name} | score(estimator, samples, seed) for estimator in rows_of]
        report(name, 0.5 + 0.5 * (number + 1) / len(sets))
    return {"table": "visual beats: InteractiveBeat Table 2", "rows": rows + quoted()}


def score(estimator: Estimator, samples: Sequence[Sample], seed: int = 0) -> Row:
    """Figures of one estimator on one set, pooled; `f_sd` is F's spread when clips are drawn anew (bootstrap)."""
    each, draws = [], 1
    for sample in samples:
        tally = Tally()
        from_s = CONTEXT / LIVE_FPS
        true_s = sample.beats_s[sample.beats_s >= from_s]
        peaks_s = peaks(sample.truth, PEAK) / LIVE_FPS
        answers = estimator.draws(sample)
        draws = len(answers)
        for said_s in answers:
            kept = said_s[(said_s >= from_s) & (said_s < sample.duration_s)]
            tally.add(true_s, kept, peaks_s[peaks_s >= from_s])
        each.append(tally)
    rng = np.random.default_rng(seed)
    again = [pooled([each[k] for k in rng.integers(len(each), size=len(each))]).figures()["f"] for _ in range(200)]
    row: Row = {"name": estimator.name, "way": estimator.way, "clips": len(samples)}
    whole = pooled(each)
    row |= whole.figures() | {"f_sd": float(np.std(again))}
    row["beats_per_s"] = whole.said / draws / max(1e-9, sum(s.duration_s - CONTEXT / LIVE_FPS for s in samples))
    row["parameters"] = estimator.parameters
    row["ms_per_s"] = estimator.ms(samples[0]) if estimator.ms is not None else None
    row["wait_ms"] = estimator.wait_ms(samples[0]) if estimator.wait_ms is not None else None
    return row


def pooled(tallies: Sequence[Tally]) -> Tally:
    """The sum of several."""
    total = Tally()
    for tally in tallies:
        for name, value in vars(tally).items():
            setattr(total, name, getattr(total, name) + value)
    return total


def quoted() -> list[Row]:
    """What the paper prints, on other data; not measured here."""
    names = ("precision", "recall", "f", "cemgil", "b_align", "parameters", "wait_ms")
    return [
        {"set": "the paper's, AIST", "name": name, "way": "quoted"} | dict(zip(names, figures, strict=True))
        for name, figures in _PAPER.items()
    ]


def as_text(content: dict[str, Any]) -> str:
    """The table for the screen, one block a set."""
    blocks: dict[str, list[Row]] = {}
    for row in content["rows"]:
        blocks.setdefault(str(row["set"]), []).append({k: v for k, v in row.items() if k != "set"})
    parts = [tables.as_text({"table": f"-- {name}", "rows": rows}) for name, rows in blocks.items()]
    return "\n\n".join([content["table"], *parts])
