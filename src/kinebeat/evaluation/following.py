"""How the live engine follows a mover: `kinebeat evaluate following`.

Movers whose beats are known go through the engine frame by frame, as a camera would give them. Steady ones ask whether
the drums lock to the movement, others whether they follow when it goes from 90 to 120 BPM from one beat to the next.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from kinebeat.beats.visual import kinematic_offsets, visual_beats
from kinebeat.live.engine import LiveEngine
from kinebeat.live.events import Beat
from kinebeat.live.settings import LiveSettings
from kinebeat.motion import compute_motion
from kinebeat.puppet import make_dance, puppet_pose

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from kinebeat.pose.track import PoseTrack

FPS = 30.0
JITTER_PX = 2.0
DURATION_S, SETTLED_S = 40.0, 10.0
"""Length of a mover, and when the drums should have locked."""
SLOW_BPM, QUICK_BPM, CHANGES_S = 90.0, 120.0, 20.0
TEMPI_BPM = (70.0, 80.0, 90.0, 100.0, 112.0, 120.0, 132.0, 145.0)
NEAR_TEMPO, NEAR_PHASE, IN_A_ROW = 0.06, 0.15, 4
"""What counts as having followed: tempo and phase within these parts of a beat for so many beats in a row."""
LOCKED = 0.9
"""Phase coherence from which on the drums are locked to the movement."""
METRONOME = "metronome at 100 BPM"
LEVELS = (0.5, 1.0, 2.0)
"""Beats of the drums to one of the mover at which they still go together."""


@dataclass(frozen=True)
class Mover:
    """Somebody whose beats are known.

    Attributes:
        name: for the table.
        pose: what a camera and a detector see.
        beats_s: (B,) beats of the movement.
        changes_s: when the tempo changes; None if it does not.
    """

    name: str
    pose: PoseTrack
    beats_s: NDArray[np.float64]
    changes_s: float | None = None


def drawn_movers(seed: int = 0) -> Iterator[Mover]:
    """The dancing figure with a detector's jitter: steady at several tempi, and going from one to another."""
    rng = np.random.default_rng(seed)
    times_s = np.arange(round(DURATION_S * FPS)) / FPS
    for tempo_bpm in TEMPI_BPM:
        dance = make_dance(duration_s=DURATION_S + 4, tempo_bpm=tempo_bpm, seed=seed)
        pose = _jittered(puppet_pose(times_s, dance=dance), rng)
        yield Mover("figure, steady", pose, dance.beats_s[dance.beats_s < DURATION_S])
    for number in range(4):
        dance = make_dance(duration_s=2 * DURATION_S, tempo_bpm=SLOW_BPM, seed=seed + number)
        hurry = Hurry.at_a_beat(dance.beats_s)
        pose = replace(puppet_pose(hurry.original_s(times_s), dance=dance), times_s=times_s)
        yield Mover("figure, 90 to 120 BPM", _jittered(pose, rng), hurry.hurried_s(dance.beats_s), hurry.from_s)


def recorded_movers(data: Path, count: int, seed: int = 0) -> Iterator[Mover]:
    """Dances made of the motion capture of people whom no net has seen, as a random camera and a detector see them.

    Args:
        data: folder that holds `motion/` and `dance/`.
        count: of each kind: steady, and from 90 to 120 BPM.
        seed: the source of chance.

    Raises:
        InputError: the folder does not hold the recordings.
    """
    from kinebeat.beats.truth.camera import film
    from kinebeat.beats.truth.corpus import ready
    from kinebeat.beats.truth.dances import Choices, make_dance

    material = ready(data, "test")
    steady = Choices(steady_share=1.0)
    for number in range(count):
        rng = np.random.default_rng((seed, number))
        dance = make_dance(material, rng, DURATION_S, steady)
        pose = film(dance.xyz, rng, fps=FPS, cleaned=False)
        yield Mover("unseen people, steady", pose, dance.beats_s)
        slowed = SLOW_BPM / dance.tempo_bpm
        hurry = Hurry.at_a_beat(dance.beats_s / slowed)
        times_s = hurry.hurried_s(pose.times_s / slowed)
        yield Mover(
            "unseen people, 90 to 120 BPM",
            replace(pose, times_s=times_s),
            hurry.hurried_s(dance.beats_s / slowed),
            hurry.from_s,
        )


@dataclass(frozen=True)
class Hurry:
    """A mover's time that runs faster from one moment on."""

    from_s: float
    factor: float = QUICK_BPM / SLOW_BPM

    @classmethod
    def at_a_beat(cls, beats_s: NDArray[np.float64]) -> Hurry:
        """From the first beat after `CHANGES_S`, or from the one in the middle of what is shorter."""
        late = beats_s[beats_s >= CHANGES_S]
        return cls(float(late[0] if len(late) > len(beats_s) / 3 else beats_s[len(beats_s) // 2]))

    def original_s(self, times_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """The moment of the movement that is seen at a time."""
        return np.where(times_s < self.from_s, times_s, self.from_s + (times_s - self.from_s) * self.factor)

    def hurried_s(self, times_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """The time at which a moment of the movement is seen."""
        return np.where(times_s < self.from_s, times_s, self.from_s + (times_s - self.from_s) / self.factor)


def played_beats(pose: PoseTrack, engine: LiveEngine) -> list[Beat]:
    """The beats that an engine plays to a track."""
    return [event for event in engine.play(pose) if isinstance(event, Beat)]


def coherence(at_s: NDArray[np.float64], beats_s: NDArray[np.float64]) -> tuple[float, float]:
    """Phase coherence R of some beats with those of a mover, and how late they are on the mean, in beats.

    R is the length of the mean of exp(2 pi i phase), phases within the mover's beats: 1 if all are the same.
    """
    if len(beats_s) < 2:
        return 0.0, float("nan")
    inside = at_s[(at_s >= beats_s[0]) & (at_s <= beats_s[-1])]
    if not len(inside):
        return 0.0, float("nan")
    turned = complex(np.exp(2j * np.pi * np.interp(inside, beats_s, np.arange(len(beats_s)))).mean())
    return abs(turned), float(np.angle(turned)) / (2 * np.pi)


def beats_to_follow(played: list[Beat], mover: Mover, late: float) -> float:
    """The mover's beat, counted from its change, from which on the drums go with it; infinite for never.

    Args:
        played: beats of the drums.
        mover: whose tempo changes, or who begins.
        late: how late the drums are where they go with it, in beats.
    """
    changes_s = mover.beats_s[0] if mover.changes_s is None else mover.changes_s
    since = [beat for beat in played if beat.time_s >= changes_s]
    right = []
    for beat in since:
        octave = min(abs(np.log2(beat.tempo_bpm / QUICK_BPM / level)) for level in LEVELS)
        phase = np.interp(beat.time_s, mover.beats_s, np.arange(len(mover.beats_s))) - late
        off = min(abs((phase * level + 0.5) % 1 - 0.5) for level in (1.0, 2.0))
        right.append(octave < np.log2(1 + NEAR_TEMPO) and off < NEAR_PHASE)
    for k in range(len(since) - IN_A_ROW + 1):
        if all(right[k : k + IN_A_ROW]):
            return float(round((since[k].time_s - changes_s) * QUICK_BPM / 60 - late))
    return float("inf")


def evaluate_following(
    data: Path | None,
    *,
    clips: int = 20,
    seed: int = 0,
    engine_of: Callable[[], LiveEngine] | None = None,
    progress: Callable[[float], None] | None = None,
) -> dict[str, Any]:
    """Score the engine with all movers, beside a metronome that never listens.

    Args:
        data: folder that holds `motion/` and `dance/`; without it there is the dancing figure alone.
        clips: of recorded movement, of each kind.
        seed: the source of chance.
        engine_of: makes an engine; the shipped one if None.
        progress: told the share done.

    Returns:
        `table` and `rows`.

    Raises:
        InputError: the folder does not hold the recordings.
    """
    make = engine_of or (lambda: LiveEngine(LiveSettings(seed=seed)))
    movers = list(drawn_movers(seed))
    if data is not None:
        movers += recorded_movers(data, clips, seed)
    engine = make()
    found: dict[str, dict[str, list[dict[str, float]]]] = {"Kinebeat": {}, METRONOME: {}}
    for number, mover in enumerate(movers):
        played = {"Kinebeat": played_beats(mover.pose, engine), METRONOME: _metronome(mover)}
        for name, beats in played.items():
            found[name].setdefault(mover.name, []).append(_figures(beats, mover))
        if progress is not None:
            progress((number + 1) / len(movers))
    rows = [_row(name, kind, figures) for name, kinds in found.items() for kind, figures in kinds.items()]
    return {"table": f"following: does the live engine go with the mover, seed {seed}", "rows": rows}


def _row(name: str, kind: str, figures: list[dict[str, float]]) -> dict[str, Any]:
    table = {key: np.array([one[key] for one in figures]) for key in figures[0]}
    row: dict[str, Any] = {"name": f"{name}: {kind}", "movers": len(figures)}
    medians = {f"{key}_median": float(np.median(values)) for key, values in table.items()}
    row |= {key: value for key, value in medians.items() if np.isfinite(value)}
    if "coherence" in table:
        row["locked_share"] = float((table["coherence"] >= LOCKED).mean())
        row["tempo_right_share"] = float((np.abs(np.log2(table["tempo_ratio"])) < np.log2(1 + NEAR_TEMPO)).mean())
    else:
        row["within_four_beats_share"] = float((table["beats_to_follow"] <= 4.0).mean())
        row["never_share"] = float(np.isinf(table["beats_to_follow"]).mean())
    return row


def _metronome(mover: Mover) -> list[Beat]:
    """100 BPM from the first frame on."""
    at_s = np.arange(0.0, float(mover.pose.times_s[-1]), 0.6)
    return [Beat(float(time_s), number, number % 4, 100.0, 0.0) for number, time_s in enumerate(at_s)]


def _figures(played: list[Beat], mover: Mover) -> dict[str, float]:
    at_s = np.array([beat.time_s for beat in played])
    if mover.changes_s is None:
        settled = at_s[at_s >= SETTLED_S]
        found, late = coherence(settled, mover.beats_s)
        level = float(np.median([beat.tempo_bpm for beat in played])) if played else float("nan")
        own = 60 / float(np.median(np.diff(mover.beats_s)))
        with_visual, _ = coherence(settled, _visual_beats(mover.pose))
        return {
            "coherence": found,
            "coherence_with_visual_beats": with_visual,
            "late_beats": late,
            "tempo_ratio": level / own,
        }
    before = at_s[(at_s > mover.changes_s / 2) & (at_s < mover.changes_s)]
    _, late = coherence(before, mover.beats_s)
    return {"beats_to_follow": beats_to_follow(played, mover, 0.0 if np.isnan(late) else late)}


def _visual_beats(pose: PoseTrack) -> NDArray[np.float64]:
    """The evenly spaced impacts of a movement, heard offline."""
    motion = compute_motion(pose, float(pose.times_s[-1]))
    return visual_beats(kinematic_offsets(motion.velocity)).times_s


def _jittered(pose: PoseTrack, rng: np.random.Generator) -> PoseTrack:
    return replace(pose, xy=(pose.xy + rng.normal(0, JITTER_PX, pose.xy.shape)).astype(np.float32))
