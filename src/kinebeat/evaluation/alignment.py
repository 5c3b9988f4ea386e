"""How well sound lands on movement: the beat-alignment score and its shift null.

Conventions: events are times in seconds, increasing. BAS(A -> B) is the mean over events a of A of
exp(-min_b (a - b)^2 / (2 sigma^2)) with sigma = 50 ms. A dense soundtrack scores high for nothing, so the score is
always shown beside what the same sound scores when shifted around the clip at random.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kinebeat.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import ArrayLike, NDArray

    from kinebeat.pipeline import Soundtrack

SIGMA_S = 0.050
SHIFTS = 500


@dataclass(frozen=True)
class Events:
    """Movement and sound of one clip.

    Attributes:
        movement_s: (A,) times of kinematic peaks.
        sound_s: (B,) onset times.
        duration_s: length of the clip, the circle on which the null shifts the sound.
    """

    movement_s: NDArray[np.float64]
    sound_s: NDArray[np.float64]
    duration_s: float


@dataclass(frozen=True)
class Alignment:
    """A score beside its shift null; NaN where a side has no events.

    Attributes:
        score: BAS of movement -> sound, or the other way round.
        null_mean: mean score of the shifted sound.
        null_sd: its standard deviation.
        z: (score - null_mean) / null_sd.
        events: number of events the mean is over.
    """

    score: float
    null_mean: float
    null_sd: float
    z: float
    events: int


def beat_alignment(a_s: ArrayLike, b_s: ArrayLike, sigma_s: float = SIGMA_S) -> NDArray[np.float64]:
    """How close an event of B is to each event of A, (A,) in [0, 1]; its mean is BAS(A -> B).

    Raises:
        OptionError: times are not finite.
    """
    a, b = np.asarray(a_s, float), np.sort(np.asarray(b_s, float))
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise OptionError("event times: expected finite seconds")
    if len(b) == 0:
        return np.zeros(len(a))
    right = np.searchsorted(b, a)
    nearest = np.minimum(np.abs(a - b[np.clip(right, 0, len(b) - 1)]), np.abs(a - b[np.clip(right - 1, 0, len(b) - 1)]))
    return np.asarray(np.exp(-(nearest**2) / (2 * sigma_s**2)))


def pooled_alignment(
    clips: Sequence[Events], *, reverse: bool = False, seed: int = 0, shifts: int = SHIFTS
) -> Alignment:
    """BAS over all events of several clips, beside the same after shifting each clip's sound at random.

    Args:
        clips: movement and sound of each clip.
        reverse: score sound -> movement instead of movement -> sound.
        seed: of the shifts.
        shifts: number of random shifts.
    """

    def score(sounds: Sequence[NDArray[np.float64]]) -> float:
        pairs = [
            (sound, clip.movement_s) if reverse else (clip.movement_s, sound)
            for clip, sound in zip(clips, sounds, strict=True)
        ]
        each = np.concatenate([beat_alignment(a, b) for a, b in pairs]) if pairs else np.zeros(0)
        return float(each.mean()) if len(each) else float("nan")

    own = score([c.sound_s for c in clips])
    rng = np.random.default_rng(seed)
    null = np.array(
        [score([(c.sound_s + rng.uniform(0, c.duration_s)) % c.duration_s for c in clips]) for _ in range(shifts)]
    )
    mean, sd = float(null.mean()), float(null.std())
    events = sum(len(c.sound_s if reverse else c.movement_s) for c in clips)
    return Alignment(own, mean, sd, (own - mean) / sd if sd > 0 else float("nan"), events)


def clip_events(made: Soundtrack) -> Events:
    """Kinematic peaks and drum onsets of a soundtrack; drums that sound as one count once."""
    onsets = made.score.tracks[0].time_s if made.score.tracks else np.zeros(0)
    return Events(made.peaks.times_s, np.unique(np.round(onsets, 3)), made.duration_s)


def evaluate_alignment(
    sources: Sequence[Path],
    *,
    seed: int = 0,
    workers: int | None = None,
    progress: Callable[[str, float], None] | None = None,
) -> dict[str, Any]:
    """Score the soundtracks of several clips against their movement, beside baselines and three kinds of peaks.

    Rows: each clip; all clips pooled; the same with other ideas of what a kinematic peak is (acceleration, as
    RhythmicNet's offsets; lowest speed, as AIST++); and, against the same movement, a metronome in eighths at each
    grid's tempo, RhythmicNet's rhythm of beats and style, and as many onsets as the drums have at random times. A
    source in which nobody is found is listed with the reason and left out of the pool.

    Args:
        sources: videos or keypoint files.
        seed: of drums, shifts and baselines.
        workers: processes that look for the person.
        progress: called with the stage and the share of it that is done.
    """
    from kinebeat.accents import WEAKEST_PEAK, peaks
    from kinebeat.errors import KinebeatError
    from kinebeat.pipeline import soundtrack

    rows: list[dict[str, Any]] = []
    pools: dict[str, list[Events]] = {name: [] for name in _POOLS}
    rng = np.random.default_rng(seed)
    for number, source in enumerate(sources):

        def stage(name: str, share: float, done: int = number, label: str = source.name) -> None:
            if progress is not None:
                progress(label, (done + share * 0.99) / len(sources) if name == "pose" else (done + 1) / len(sources))

        try:
            made = soundtrack(source, seed=seed, workers=workers, progress=stage)
        except KinebeatError as error:
            rows.append({"name": source.name, "left_out": str(error)})
            continue
        own = clip_events(made)
        rows.append(_row(source.name, [own], seed) | {"beat": made.grid.source, "tempo_bpm": made.grid.tempo_bpm})
        fast = float(np.percentile(made.motion.speed, 90))
        slowness = np.maximum(fast - made.motion.speed, 0).astype(np.float32)
        eighths = made.grid.time_s(np.arange(0, made.grid.steps, 2))
        inside = eighths[(eighths >= 0) & (eighths < own.duration_s)]
        chance = np.sort(rng.uniform(0, own.duration_s, len(own.sound_s)))
        variations = (
            own,
            Events(peaks(made.motion.acceleration, WEAKEST_PEAK).times_s, own.sound_s, own.duration_s),
            Events(peaks(slowness, WEAKEST_PEAK).times_s, own.sound_s, own.duration_s),
            Events(own.movement_s, inside, own.duration_s),
            Events(own.movement_s, _paper_rhythm_s(made), own.duration_s),
            Events(own.movement_s, chance, own.duration_s),
        )
        for name, events in zip(_POOLS, variations, strict=True):
            pools[name].append(events)
    rows += [_row(name, clips, seed) for name, clips in pools.items() if clips]
    return {"table": "Alignment of drums with movement (BAS, sigma 50 ms)", "rows": rows}


_POOLS = (
    "pooled",
    "pooled, peaks of acceleration",
    "pooled, lowest speed",
    "baseline: metronome in eighths",
    "baseline: RhythmicNet's beats and style",
    "baseline: onsets at random",
)


def _paper_rhythm_s(made: Soundtrack) -> NDArray[np.float64]:
    """RhythmicNet's rhythm for a clip: beats and style on the nearest 16ths, here of our grid, in seconds."""
    from kinebeat.accents import paper_style, paper_style_times_s
    from kinebeat.motion import paper_kinematic_offsets

    style_s = paper_style_times_s(paper_style(paper_kinematic_offsets(made.pose, made.duration_s)))
    steps = np.union1d(np.arange(0, made.grid.steps, 4), np.round(made.grid.step(style_s)))
    times_s = made.grid.time_s(steps)
    return times_s[(times_s >= 0) & (times_s < made.duration_s)]


def _row(name: str, clips: Sequence[Events], seed: int) -> dict[str, Any]:
    there, back = (pooled_alignment(clips, reverse=reverse, seed=seed) for reverse in (False, True))
    total_s = sum(clip.duration_s for clip in clips)
    return {
        "name": name,
        "movement_to_sound": there.score,
        "null_mean": there.null_mean,
        "null_sd": there.null_sd,
        "z": there.z,
        "sound_to_movement": back.score,
        "sound_to_movement_null": back.null_mean,
        "sound_to_movement_z": back.z,
        "peaks": there.events,
        "onsets_per_s": sum(len(clip.sound_s) for clip in clips) / total_s,
    }
