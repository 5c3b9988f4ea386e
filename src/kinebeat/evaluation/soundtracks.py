"""Alignment of whole soundtracks with their movement, beside baselines: `kinebeat evaluate alignment`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from kinebeat.accents import WEAKEST_PEAK, paper_style, paper_style_times_s, peaks
from kinebeat.errors import InputError
from kinebeat.evaluation.alignment import Events, pooled_alignment
from kinebeat.motion import paper_kinematic_offsets
from kinebeat.pipeline import soundtrack

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from kinebeat.pipeline import Soundtrack


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

    Raises:
        InputError: the only source cannot be used.
    """
    rows: list[dict[str, Any]] = []
    pools: dict[str, list[Events]] = {name: [] for name in _POOLS}
    rng = np.random.default_rng(seed)
    for number, source in enumerate(sources):

        def stage(name: str, share: float, done: int = number, label: str = source.name) -> None:
            if progress is not None:
                progress(label, (done + share * 0.99) / len(sources) if name == "pose" else (done + 1) / len(sources))

        try:
            made = soundtrack(source, seed=seed, workers=workers, progress=stage)
        except InputError as error:
            if len(sources) == 1:
                raise
            rows.append({"name": source.name, "left_out": error.problem})
            continue
        own = made.events()
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
