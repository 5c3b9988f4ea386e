"""InteractiveBeat's Table 5 on this machine: how long it takes from movement to drums (`kinebeat evaluate latency`).

Four questions, each a block of rows:

- how long a model's step is, from a tick of movement to the drums of the next beat, on one thread;
- the total latency as the paper adds it up (section 4.6): what is not causal pays for camera, network and waiting, what
  makes the drums of the next beat pays for its network alone;
- how long it really is from a frame to its events, in a live session with the pose process, at the video's own pace;
- how exactly a session hands its events over.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kinebeat import video_in
from kinebeat.errors import InputError, OptionError
from kinebeat.evaluation import tables
from kinebeat.evaluation.latency_pipelines import OURS, Watch, standard_pipelines
from kinebeat.evaluation.latency_sessions import POSE, frame_rows, handover_rows, play, spread
from kinebeat.evaluation.visual_beat_estimators import CONTEXT as LISTENED
from kinebeat.live import movement
from kinebeat.live.engine import LiveEngine
from kinebeat.live.events import Hit
from kinebeat.live.inputs.pose import PoseFinder
from kinebeat.live.inputs.recorded import KeypointsInput
from kinebeat.live.keypoints import Keypoints
from kinebeat.live.settings import LiveSettings
from kinebeat.pose import save_pose
from kinebeat.puppet import draw_puppet_video, puppet_pose

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from kinebeat.evaluation.latency_pipelines import Pipeline
    from kinebeat.evaluation.latency_sessions import Finder
    from kinebeat.live.session import Engine
    from kinebeat.pose.track import PoseTrack

    Row = dict[str, Any]

SECONDS, LEAST_SECONDS = 60.0, 5.0
FPS = 30.0
SIZE = (1280, 720)
JITTER_PX = 2.0
MODEL, SUM = "model step", "total as the paper adds it up"
WHOLE = "all"
DIRECTOGRAM = "directogram"
ENGINE, ENGINE_DRUMS = "Kinebeat's engine, every frame", "Kinebeat's engine, frames that give drums"


@dataclass(frozen=True)
class Scheme:
    """How a pipeline's latency adds up (4.6).

    Attributes:
        causal: it makes the drums of the next beat, so that the camera is compensated for.
        wait_ms: for what it waits besides: half the rules' window, or the mean time to the next look for beats (T_r).
    """

    causal: bool
    wait_ms: float = 0.0

    def total_ms(self, network_ms: float, camera_ms: float) -> float:
        """L_total: L_ni where it is causal, else L_cam + L_ni and the wait."""
        return network_ms if self.causal else camera_ms + network_ms + self.wait_ms


SCHEMES = {
    "Rule-based-Mono": Scheme(causal=False, wait_ms=125.0),
    "RhythmicNet-Mono": Scheme(causal=False, wait_ms=30.0),
    "RhythmicNet-Poly": Scheme(causal=True),
    "InteractiveBeat": Scheme(causal=True),
    OURS: Scheme(causal=True),
    ENGINE_DRUMS: Scheme(causal=True),
}
PAPER = {
    "Rule-based-Mono": (0.0, 158.0),
    "RhythmicNet-Mono": (70.0, 133.0),
    "RhythmicNet-Poly": (81.0 + 22.0, 103.0),
    "InteractiveBeat": (1.0 + 5.0 + 6.0 + 22.0, 34.0),
}
"""Milliseconds of the networks, and the total, as the paper prints them; the rules' 125 ms are all waiting."""
PAPER_CAMERA_MS = 33.0
"""Its camera gives 30 frames a second, and OpenPose on a Titan X keeps up with that."""


def evaluate_latency(
    video: Path | None = None,
    *,
    seconds: float = SECONDS,
    seed: int = 0,
    heavy: Path | None = None,
    engine_of: Callable[[LiveSettings], Engine] = LiveEngine,
    finder: Callable[[], Finder] = PoseFinder,
    progress: Callable[[str, float], None] = lambda _stage, _share: None,
) -> dict[str, Any]:
    """Measure all four.

    Args:
        video: of one person who moves, for the frames; a film of the dancing figure in 720p if None.
        seconds: how long each part plays.
        seed: of the dance and of what the drummers choose.
        heavy: folder with the weights of Video2Rhythm; None for those that are shipped.
        engine_of: makes Kinebeat's engine.
        finder: looks for the person in the frames.
        progress: called with a stage and its share done.

    Returns:
        `table` and `rows`: each row has `part`, `name` and figures.

    Raises:
        InputError: the video cannot be used, or nobody is found in it.
        OptionError: too few seconds.
    """
    if not seconds >= LEAST_SECONDS:
        raise OptionError(f"latency is measured over at least {LEAST_SECONDS:g} seconds, got {seconds:g}")
    if video is not None:
        video_in.probe(video)  # a file that is none is refused before minutes have gone by
    pose = dancer(seconds, seed)
    engine = engine_of(LiveSettings(seed=seed))
    model = model_rows(
        pose, standard_pipelines(seed, heavy), engine, progress=lambda share: progress("model steps", share)
    )
    with tempfile.TemporaryDirectory() as folder:
        if video is None:
            film = Path(folder) / "figure.mp4"
            draw_puppet_video(
                film, duration_s=seconds, fps=FPS, size=SIZE, seed=seed, progress=lambda share: progress("film", share)
            )
        else:
            film = video
        frames = frame_rows(film, seconds, seed, engine_of=engine_of, finder=finder, progress=progress)
        keypoints = Path(folder) / "keypoints.npz"
        save_pose(pose, keypoints)
        heard = play(
            KeypointsInput(keypoints),
            seconds,
            seed,
            engine_of=engine_of,
            progress=lambda share: progress("handover", share),
        )
    handed = handover_rows("keypoints in real time, no pose", *heard)
    sums = total_rows(model, next(row for row in frames if row["name"] == POSE))
    return {"table": "latency: InteractiveBeat Table 5", "rows": [*model, *sums, *frames, *handed]}


def dancer(seconds: float, seed: int) -> PoseTrack:
    """The dancing figure with a detector's jitter, 30 times a second."""
    pose = puppet_pose(np.arange(round(seconds * FPS)) / FPS, size=SIZE, seed=seed)
    pose.xy[:] += np.random.default_rng(seed).normal(0, JITTER_PX, pose.xy.shape)
    return pose


# The models' steps


def model_rows(
    pose: PoseTrack,
    pipelines: Mapping[str, Callable[[], Pipeline]],
    engine: Engine,
    *,
    now_s: Callable[[], float] = time.perf_counter,
    progress: Callable[[float], None] = lambda _: None,
) -> list[Row]:
    """Time of each pipeline's step and its stages, and of the engine's.

    All take turns at each tick, so that what else the computer does meets them alike, and each finds the caches as the
    others left them. The first three seconds warm up. A pipeline's whole begins with the directogram.

    Args:
        pose: who is moving, a frame each tick.
        pipelines: see `standard_pipelines`.
        engine: plays to the same frames.
        now_s: tells the time.
        progress: called with the share done.
    """
    ready: dict[str, Pipeline] = {}
    missing: dict[str, str] = {}
    for name, make in pipelines.items():
        try:
            ready[name] = make()
        except InputError as error:
            missing[name] = f"its network is not there: {error.problem}"
    watches = {name: Watch(now_s) for name in (DIRECTOGRAM, *ready, ENGINE)}
    whole_s: dict[str, list[float]] = {name: [] for name in ready}
    drums_s: list[float] = []
    moved, state = movement.begin(), engine.begin()
    for number, (xy, score, time_s) in enumerate(zip(pose.xy, pose.score, pose.times_s, strict=True)):
        if number == LISTENED:
            for watch in watches.values():
                watch.forget()
        seen = _timed(watches[DIRECTOGRAM], DIRECTOGRAM, lambda: movement.advance(xy, score, time_s, moved))  # noqa: B023
        ticks, moved = seen
        for name, pipeline in ready.items():
            watch = watches[name]
            watch.start()
            for tick in ticks:
                pipeline.hear(tick)
            if number % pipeline.every:
                continue
            pipeline.play(watch.lap)
            watch.stop()
            if number >= LISTENED:
                whole_s[name].append(watches[DIRECTOGRAM].whole_s[-1] + watch.whole_s[-1])
        given = Keypoints(xy, score, pose.size), float(time_s), state
        events, state = _timed(watches[ENGINE], WHOLE, lambda: engine.step(*given))  # noqa: B023
        if number >= LISTENED and any(isinstance(event, Hit) for event in events):
            drums_s.append(watches[ENGINE].whole_s[-1])
        progress((number + 1) / len(pose.times_s))
    rows: list[Row] = [{"name": DIRECTOGRAM, "stage": WHOLE} | spread(watches[DIRECTOGRAM].whole_s)]
    for name in pipelines:
        if name in missing:
            rows.append({"name": name, "left_out": missing[name]})
            continue
        rows.append({"name": name, "stage": WHOLE} | spread(watches[name].whole_s))
        rows += [{"name": name, "stage": stage} | spread(took_s) for stage, took_s in watches[name].stages_s.items()]
        rows.append({"name": name, "stage": "all, with directogram"} | spread(whole_s[name]))
    rows.append({"name": ENGINE, "stage": "keypoints to events"} | spread(watches[ENGINE].whole_s))
    rows.append({"name": ENGINE_DRUMS, "stage": "keypoints to events"} | spread(drums_s))
    return [{"part": MODEL} | row for row in rows]


def _timed(watch: Watch, stage: str, work: Callable[[], Any]) -> Any:
    watch.start()
    done = work()
    watch.lap(stage)
    watch.stop()
    return done


# What the paper adds up


def total_rows(model: Sequence[Row], pose: Row) -> list[Row]:
    """Total latency of each pipeline by the paper's sum (4.6), and the paper's own beside it.

    L_cam is the time between two frames of a camera of 30 a second, or what looking for the person takes if that is
    more.

    Args:
        model: what `model_rows` gives.
        pose: time that looking for the person takes, a frame.
    """
    rows: list[Row] = []
    for name, scheme in SCHEMES.items():
        own = [row for row in model if row["name"] == name]
        row: Row = {"part": SUM, "name": name, "causal": "C" if scheme.causal else "NC"}
        measured = [r for r in own if r.get("stage") in ("all, with directogram", "keypoints to events")]
        if not measured or not measured[0]["count"]:
            why = own[0].get("left_out") if own else None
            rows.append(row | {"left_out": why or "it was never asked for drums"})
            continue
        for level in ("p50", "p99"):
            camera_ms = max(1000 / FPS, pose[f"{level}_ms"])
            network_ms = measured[0][f"{level}_ms"]
            if level == "p50":
                row |= _parts(scheme, network_ms, camera_ms)
            row["total_ms" if level == "p50" else "total_p99_ms"] = scheme.total_ms(network_ms, camera_ms)
        rows.append(row)
    for name, (network_ms, total_ms) in PAPER.items():
        scheme = SCHEMES[name]
        row = {"part": SUM, "name": f"paper: {name}", "causal": "C" if scheme.causal else "NC"}
        rows.append(row | _parts(scheme, network_ms, PAPER_CAMERA_MS) | {"total_ms": total_ms, "quoted": True})
    return rows


def _parts(scheme: Scheme, network_ms: float, camera_ms: float) -> Row:
    """What is added up; a causal pipeline pays for no camera and does not wait."""
    parts: Row = {"network_ms": network_ms}
    return parts if scheme.causal else {"camera_ms": camera_ms, **parts, "wait_ms": scheme.wait_ms}


def as_text(content: Mapping[str, Any]) -> str:
    """The table for the screen, one block a part, what was left out below it."""
    blocks: dict[str, list[Row]] = {}
    for row in content["rows"]:
        blocks.setdefault(str(row["part"]), []).append(row)
    texts = [str(content["table"])]
    for part, rows in blocks.items():
        there = [{k: v for k, v in row.items() if k not in ("part", "quoted")} for row in rows if "left_out" not in row]
        missing = [f"{row['name']} is left out: {row['left_out']}" for row in rows if "left_out" in row]
        texts.append("\n".join([tables.as_text({"table": f"-- {part}", "rows": there}), *missing]))
    return "\n\n".join(texts)
