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
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kinebeat import weights
from kinebeat.beats.visual import normalised
from kinebeat.errors import InputError
from kinebeat.evaluation import tables
from kinebeat.evaluation.alignment import beat_alignment
from kinebeat.evaluation.beat_clips import duration_of, street_poses
from kinebeat.evaluation.beat_metrics import f_measure
from kinebeat.live.corpus import build, seen_live
from kinebeat.live.movement import LIVE_FPS, OFFSET_DELAY_S
from kinebeat.live.visbeat.model import NAME, VisBeatNet
from kinebeat.live.visbeat.peaks import peaks

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from kinebeat.pose.track import PoseTrack

    Beats = NDArray[np.float64]
    Row = dict[str, Any]

CLIPS = 60
CONTEXT = round(3 * LIVE_FPS)
SECOND = round(LIVE_FPS)
HEAVY = "live-video2rhythm"
RULE_WINDOW_S, RULE_WAIT_S, RULE_ABOVE = 0.25, 0.25, 0.015
"""The paper's (4.4): highest in the window, so long after the last, and so much above the window's mean."""
PEAK = 0.10
"""A kinematic peak is at least so high, as a part of the clip's top 1 %."""
CEMGIL_S, ALIGN_S = 0.040, 0.050
DRAWS = 20
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
FROM_3_S = "next second from 3 s"
"""The paper's way: each second is forecast from the three before it."""
_PAPER = {
    "Rule-based": (0.3862, 0.5731, 0.4510, 0.3353, 0.286, None, 1.0),
    "RhythmicNet": (0.6978, 0.4960, 0.5945, 0.4593, 0.4147, 800_000, 90.0),
    "VisBeatNet": (0.6901, 0.5071, 0.5819, 0.4602, 0.4032, 30_000, 5.0),
}
_BANDAI, _LABORATORY = ("cmu", "choreonet"), ("bandai",)


@dataclass(frozen=True)
class Sample:
    """One clip.

    Attributes:
        directogram: (T, 18) what a live engine has of it, tick by tick.
        offset: (T,).
        present: (T,).
        velocity: (T, 17, 2), NaN where a joint is not followed.
        truth: (T,) the true K.
        beats_s: the true visual beats.
    """

    directogram: NDArray[np.float32]
    offset: NDArray[np.float32]
    present: NDArray[np.bool_]
    velocity: NDArray[np.float32]
    truth: NDArray[np.float32]
    beats_s: Beats

    @property
    def duration_s(self) -> float:
        """Length of the clip."""
        return len(self.offset) / LIVE_FPS


@dataclass(frozen=True)
class Estimator:
    """A row of the table.

    Attributes:
        name: of the method.
        way: what it is told, and when it says its beats.
        draws: for each clip one or more answers, whose figures are pooled: beats in seconds.
        parameters: how many numbers it has learned.
        ms: milliseconds of one thread for each second of beats, on a clip.
        wait_ms: milliseconds from the last tick that is told to what is said after it, which is the paper's time.
    """

    name: str
    way: str
    draws: Callable[[Sample], Sequence[Beats]]
    parameters: int | None = None
    ms: Callable[[Sample], float] | None = None
    wait_ms: Callable[[Sample], float] | None = None


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


# Methods


def rule_based(sample: Sample) -> Beats:
    """The paper's rules (4.4) on the causal kinematic offsets, whose constant delay is taken off; no forecast.

    The offsets are normalised by the top 1 % of the whole clip, which a live engine would not know.
    """
    curve = normalised(sample.offset)
    half = round(RULE_WINDOW_S * LIVE_FPS / 2)
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(curve, half, mode="edge"), 2 * half + 1)
    found: list[float] = []
    for at in np.flatnonzero((curve >= windows.max(1)) & (curve > windows.mean(1) + RULE_ABOVE)):
        if not found or at / LIVE_FPS - found[-1] >= RULE_WAIT_S:
            found.append(at / LIVE_FPS)
    return np.array(found) - OFFSET_DELAY_S


def continued(sample: Sample) -> Beats:
    """What the rules alone can forecast: of each second, the rules' beats before it continued at their median distance.

    A beat is known to the rules when its window is over and what is said of it has come in.
    """
    found = rule_based(sample)
    known_s = found + OFFSET_DELAY_S + RULE_WINDOW_S / 2
    said: list[float] = []
    for first in range(CONTEXT, len(sample.offset), SECOND):
        second_s = first / LIVE_FPS
        before = found[(known_s <= second_s) & (found >= second_s - CONTEXT / LIVE_FPS)]
        if len(before) < 2:
            continue
        period_s = float(np.median(np.diff(before)))
        ahead = np.arange(1, int((second_s + 1 - before[-1]) / period_s) + 1)
        beats_s = before[-1] + period_s * ahead
        said += beats_s[(beats_s >= second_s) & (beats_s < second_s + 1)].tolist()
    return np.array(said)


def metronome(sample: Sample, rng: np.random.Generator) -> Beats:
    """Beats at the median distance of the true ones, of random phase: what knowing the tempo alone is worth."""
    if len(sample.beats_s) < 2:
        return np.zeros(0)
    period_s = float(np.median(np.diff(sample.beats_s)))
    return np.arange(rng.uniform(0, period_s), sample.duration_s, period_s)


def forecast_activation(net: VisBeatNet, sample: Sample, context: int | None) -> NDArray[np.float32]:
    """Beats of each second from what was before it, (T,): zero before the first forecast.

    Args:
        net: the network.
        sample: a clip.
        context: ticks before each second that the network is told; all since the clip began if None.
    """
    out = np.zeros(len(sample.offset), np.float32)
    state = net.begin()
    for first in range(CONTEXT, len(out), SECOND):
        if context is not None:
            state = net.begin()
        start = first - context if context is not None else (first - SECOND if first > CONTEXT else 0)
        for k in range(start, first):
            _, _, state = net.step(sample.directogram[k], float(sample.offset[k]), bool(sample.present[k]), state)
        out[first : first + SECOND] = net.forecast(state, SECOND)[1][: len(out) - first]
    return out


def next_activation(net: VisBeatNet, sample: Sample) -> NDArray[np.float32]:
    """What is said of each tick one tick before it, (T,)."""
    out = np.zeros(len(sample.offset), np.float32)
    state = net.begin()
    for k in range(len(out) - 1):
        tick = sample.directogram[k], float(sample.offset[k]), bool(sample.present[k])
        _, out[k + 1], state = net.step(*tick, state)
    return out


def heavy_activation(encoder: Any, decoder: Any, sample: Sample) -> NDArray[np.float32]:
    """What the heavy baseline says of each second from the three before it, (T,).

    Args:
        encoder: session of its first graph, ...
        decoder: ... and of its second, which is told its own K, tick by tick.
        sample: a clip.
    """
    out = np.zeros(len(sample.offset), np.float32)
    seen = np.isfinite(sample.velocity).all(-1)
    velocity = np.where(seen[..., None], sample.velocity, 0).astype(np.float32)
    for first in range(CONTEXT, len(out), SECOND):
        window = slice(first - CONTEXT, first)
        given = {"velocity": velocity[None, window], "seen": seen[None, window].astype(np.float32)}
        memory = encoder.run(None, given)[0]
        before = np.zeros((1, 1), np.float32)
        for _ in range(SECOND - 1):
            offsets, _ = decoder.run(None, {"memory": memory, "before": before})
            before = np.concatenate([before, offsets[:, -1:]], axis=1)
        logits = decoder.run(None, {"memory": memory, "before": before})[1][0]
        out[first : first + SECOND] = (1 / (1 + np.exp(-np.clip(logits, -30, 30))))[: len(out) - first]
    return out


def standard_estimators(seed: int = 0) -> list[Estimator]:
    """The rows: rules, a metronome, the heavy baseline where its weights are shipped, and VisBeatNet in three ways."""
    net, numbers = VisBeatNet(), int(weights.registry()[NAME].constants["parameters"])

    def drawn(sample: Sample) -> Sequence[Beats]:
        rng = np.random.default_rng(seed)
        return [metronome(sample, rng) for _ in range(DRAWS)]

    def picked(
        activation: Callable[[Sample], NDArray[np.float32]], threshold: float
    ) -> Callable[[Sample], list[Beats]]:
        return lambda sample: [peaks(activation(sample), threshold) / LIVE_FPS]

    def timed(activation: Callable[[Sample], Any]) -> Callable[[Sample], float]:
        return lambda sample: _milliseconds(activation, sample)

    def anew(activation: Callable[[Sample], Any]) -> Callable[[Sample], float]:
        return lambda sample: _took_ms(lambda: activation(_first(sample, 4)), 20)

    def forecast(sample: Sample) -> NDArray[np.float32]:
        return forecast_activation(net, sample, CONTEXT)

    def streamed(sample: Sample) -> NDArray[np.float32]:
        return forecast_activation(net, sample, None)

    def following(sample: Sample) -> NDArray[np.float32]:
        return next_activation(net, sample)

    rows = [
        Estimator("Rule-based", "after the fact", lambda s: [rule_based(s)], None, timed(rule_based), anew(rule_based)),
        Estimator(
            "Rule-based, continued evenly", FROM_3_S, lambda s: [continued(s)], None, timed(continued), anew(continued)
        ),
        Estimator("metronome at the true median tempo, random phase", "knows the tempo", drawn),
    ]
    if HEAVY in weights.registry():
        from kinebeat.weights.sessions import open_session

        constants, parts = weights.registry()[HEAVY].constants, weights.load(HEAVY)
        encoder, decoder = open_session(parts["encoder"]), open_session(parts["decoder"])

        def heavy(sample: Sample) -> NDArray[np.float32]:
            return heavy_activation(encoder, decoder, sample)

        name, learned = "Video2Rhythm", int(constants["parameters"])
        rows.append(
            Estimator(name, FROM_3_S, picked(heavy, float(constants["threshold"])), learned, timed(heavy), anew(heavy))
        )
    ways = (
        (FROM_3_S, forecast, net.threshold, anew(forecast)),
        ("next second from all before", streamed, net.threshold, lambda s: _step_ms(net, s, forecast=True)),
        ("next tick from all before", following, net.next_threshold, lambda s: _step_ms(net, s, forecast=False)),
    )
    for way, activation, threshold, wait in ways:
        rows.append(Estimator("VisBeatNet", way, picked(activation, threshold), numbers, timed(activation), wait))
    return rows


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


def _milliseconds(activation: Callable[[Sample], Any], sample: Sample) -> float:
    """Time for each second of the clip that is said something of."""
    return _took_ms(lambda: activation(sample), 5) / max(1.0, sample.duration_s - CONTEXT / LIVE_FPS)


def _first(sample: Sample, seconds: int) -> Sample:
    """The beginning of a clip."""
    cut = {name: value[: seconds * SECOND] for name, value in vars(sample).items() if name != "beats_s"}
    return Sample(**cut, beats_s=sample.beats_s[sample.beats_s < seconds])


def _step_ms(net: VisBeatNet, sample: Sample, *, forecast: bool) -> float:
    """Time for one tick more, and for the forecast of a second after it if there is one."""
    state = net.begin()
    tick = sample.directogram[0], float(sample.offset[0]), bool(sample.present[0])

    def work() -> None:
        _, _, after = net.step(*tick, state)
        if forecast:
            net.forecast(after, SECOND)

    return _took_ms(work, 100)


def _took_ms(work: Callable[[], Any], times: int) -> float:
    """Median time of a call."""
    took = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        took.append(time.perf_counter() - began)
    return 1000 * float(np.median(took))
