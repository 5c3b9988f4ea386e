"""The pipelines of InteractiveBeat's Table 5, each as one step from a tick of movement to the drums of the next beat.

They are the pipelines of `evaluation.live_players` as they would run live. Tempo and beat are given to all alike: the
next beat begins now and there are 100 in a minute, as what is asked here is how long a step takes.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from kinebeat.beats.grid import BEATS_PER_BAR, STEPS_PER_BEAT
from kinebeat.beats.visual import normalised
from kinebeat.drums.kit import DRUMS
from kinebeat.evaluation.live_players import Heard, by_peaks
from kinebeat.evaluation.visual_beat_estimators import CONTEXT as LISTENED
from kinebeat.evaluation.visual_beat_estimators import HEAVY, RULE_ABOVE, RULE_WINDOW_S, SECOND
from kinebeat.live.drumming.data import CONTEXT, NEW, WINDOW
from kinebeat.live.drumming.model import DrumGenNet, MonoNet
from kinebeat.live.engine import FORECAST_TICKS, FORESEEN_TICKS
from kinebeat.live.movement import LIVE_FPS
from kinebeat.live.style.accumulate import style_of
from kinebeat.live.style.model import MuStyleNet
from kinebeat.live.visbeat.model import VisBeatNet
from kinebeat.live.visbeat.peaks import peaks
from kinebeat.skeleton import LAYOUTS
from kinebeat.weights import load
from kinebeat.weights.sessions import open_session

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from kinebeat.live.movement import Tick
    from kinebeat.live.nets import Drummer, Ears, Stylist

    Lap = Callable[[str], None]

STEP_S = 0.15
STEPS_S = STEP_S * (np.arange(WINDOW) - CONTEXT)
"""The 16ths of three beats of past and of the one that begins now, at 100 BPM."""
CHECK_TICKS = round(0.060 * LIVE_FPS)
"""RhythmicNet-Mono looks for visual beats in the latest 60 ms (4.6)."""
HEAVY_EVERY = 3
"""The heavy network is asked at every third tick only: it takes long, and always does the same work."""
OURS = "InteractiveBeat, looking no further than the engine"
DRUM_NOTES, DRUMGEN, HEAVY_STAGE = "GRU of drum notes", "DrumGenNet", "Video2Rhythm"


class Watch:
    """Takes the time of a work that is done again and again, and of its stages.

    Args:
        now_s: tells the time.

    Attributes:
        whole_s: of each time that it was done.
        stages_s: of each of its stages.
    """

    def __init__(self, now_s: Callable[[], float] = time.perf_counter) -> None:
        self._now_s = now_s
        self._began_s = self._last_s = 0.0
        self.whole_s: list[float] = []
        self.stages_s: dict[str, list[float]] = {}

    def start(self) -> None:
        """The work begins."""
        self._began_s = self._last_s = self._now_s()

    def lap(self, stage: str) -> None:
        """A stage is over."""
        now_s = self._now_s()
        self.stages_s.setdefault(stage, []).append(now_s - self._last_s)
        self._last_s = now_s

    def stop(self) -> None:
        """The work is done; what came after its last stage does not count."""
        self.whole_s.append(self._last_s - self._began_s)

    def forget(self) -> None:
        """Begin anew."""
        self.whole_s.clear()
        self.stages_s.clear()


class Pipeline(Protocol):
    """One row of Table 5.

    Attributes:
        every: it plays at every so many-th tick.
    """

    every: int

    def hear(self, tick: Tick) -> None:
        """Take in a tick."""

    def play(self, lap: Lap) -> Any:
        """The drums of the next beat, or of now; `lap` is called after each stage."""


class DrumsInTurn:
    """DrumGenNet, or another, beat after beat."""

    def __init__(self, drummer: Drummer, seed: int) -> None:
        self._drummer, self._rng = drummer, np.random.default_rng(seed)
        self._hits, self._beat = np.zeros((CONTEXT, len(DRUMS)), bool), 0

    def next(self, style: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Hits (4, 9) of the next beat to style (16,)."""
        new = self._drummer.play(style, self._hits, self._beat % BEATS_PER_BAR, self._rng.random(NEW), 1.0)
        self._hits, self._beat = np.concatenate([self._hits[STEPS_PER_BEAT:], new]), self._beat + 1
        return new


class NotesInTurn:
    """The GRU of drum notes, one after another."""

    def __init__(self, drummer: MonoNet, seed: int) -> None:
        self._drummer, self._rng, self._state = drummer, np.random.default_rng(seed), drummer.begin()

    def next(self) -> int:
        """The next drum."""
        drum, self._state = self._drummer.step(self._state, float(self._rng.random()))
        return drum


def is_beat(offsets: NDArray[np.floating[Any]]) -> bool:
    """Whether the paper's rules (4.4) find a visual beat half a window, 125 ms, before the newest of some offsets (T,).

    It is the highest of its window and above the window's mean; see `visual_beat_estimators.rule_based`.
    """
    half = round(RULE_WINDOW_S * LIVE_FPS / 2)
    window = normalised(offsets)[-(2 * half + 1) :]
    return bool(window[half] >= window.max() and window[half] > window.mean() + RULE_ABOVE)


class RuleBasedMono:
    """One drum on each visual beat that the rules find. A drum is drawn at every tick, as if each were one."""

    every = 1

    def __init__(self, drummer: MonoNet, seed: int = 0) -> None:
        self._notes, self._offsets = NotesInTurn(drummer, seed), np.zeros(LISTENED, np.float32)

    def hear(self, tick: Tick) -> None:
        """See `Pipeline`."""
        self._offsets = np.append(self._offsets[1:], np.float32(tick.offset))

    def play(self, lap: Lap) -> tuple[bool, int]:
        """Whether there is a beat, and its drum."""
        found = is_beat(self._offsets)
        lap("rules")
        drum = self._notes.next()
        lap(DRUM_NOTES)
        return found, drum


class HeavyEars:
    """Video2Rhythm made causal: of the last three seconds it says what comes after them, tick by tick.

    Args:
        parts: "encoder" and "decoder", ONNX graphs as uint8 arrays, and the constant "threshold".
    """

    def __init__(self, parts: Mapping[str, NDArray[Any]]) -> None:
        self._encoder, self._decoder = open_session(parts["encoder"]), open_session(parts["decoder"])
        self.threshold = float(parts["threshold"])
        joints = len(LAYOUTS["rhythmicnet17"].joints)
        self._velocity = np.full((LISTENED + CHECK_TICKS, joints, 2), np.nan, np.float32)

    def hear(self, tick: Tick) -> None:
        """Take in a tick."""
        self._velocity = np.concatenate([self._velocity[1:], tick.velocity[None]])

    def say(self, ticks: int, ago: int = 0) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Offsets and beats (ticks,), each in [0, 1], of the ticks after three seconds that ended so many ticks ago."""
        end = len(self._velocity) - ago
        velocity = self._velocity[None, end - LISTENED : end]
        seen = np.isfinite(velocity).all(-1)
        given = {"velocity": np.where(seen[..., None], velocity, 0), "seen": seen.astype(np.float32)}
        memory, before = self._encoder.run(None, given)[0], np.zeros((1, 1), np.float32)
        for _ in range(ticks - 1):
            offsets, _ = self._decoder.run(None, {"memory": memory, "before": before})
            before = np.concatenate([before, offsets[:, -1:]], axis=1)
        offsets, logits = self._decoder.run(None, {"memory": memory, "before": before})
        return offsets[0], (1 / (1 + np.exp(-np.clip(logits[0], -30, 30)))).astype(np.float32)


class RhythmicNetMono:
    """One drum on each visual beat of the latest 60 ms, of which the heavy network knows the three seconds before."""

    every = HEAVY_EVERY

    def __init__(self, ears: HeavyEars, drummer: MonoNet, seed: int = 0) -> None:
        self._ears, self._notes = ears, NotesInTurn(drummer, seed)

    def hear(self, tick: Tick) -> None:
        """See `Pipeline`."""
        self._ears.hear(tick)

    def play(self, lap: Lap) -> tuple[bool, int]:
        """Whether there is a beat, and its drum."""
        _, beats = self._ears.say(CHECK_TICKS, CHECK_TICKS)
        found = bool(beats.max() >= self._ears.threshold)
        lap(HEAVY_STAGE)
        drum = self._notes.next()
        lap(DRUM_NOTES)
        return found, drum


class RhythmicNetPoly:
    """Drums to the beats and the peaks of a second that the heavy network forecasts."""

    every = HEAVY_EVERY

    def __init__(self, ears: HeavyEars, drummer: Drummer, seed: int = 0) -> None:
        self._ears, self._drums = ears, DrumsInTurn(drummer, seed)
        # Offsets and beats as they were said, of three seconds of past and of the second to come.
        self._said = np.zeros((2, LISTENED + SECOND), np.float32)

    def hear(self, tick: Tick) -> None:
        """See `Pipeline`."""
        self._ears.hear(tick)
        self._said = np.pad(self._said[:, 1:], ((0, 0), (0, 1)))

    def play(self, lap: Lap) -> NDArray[np.bool_]:
        """Hits of the next beat, (4, 9)."""
        self._said[:, LISTENED:] = self._ears.say(SECOND)
        lap(HEAVY_STAGE)
        offsets, beats = self._said
        beats_s = peaks(beats, self._ears.threshold) / LIVE_FPS
        heard = Heard(offsets[:LISTENED], lambda _: offsets[LISTENED:], beats_s, np.ones(len(beats_s), np.float32))
        envelope = by_peaks(heard)(LISTENED - 1)
        style = style_of(envelope, _times_s(len(envelope), LISTENED), STEPS_S)
        lap("peaks and style")
        new = self._drums.next(style)
        lap(DRUMGEN)
        return new


class InteractiveBeat:
    """As the paper has it: VisBeatNet's forecast, MuStyleNet's envelope of it, and the drums of a whole beat."""

    every = 1

    def __init__(self, ears: Ears, stylist: Stylist, drummer: Drummer, seed: int = 0) -> None:
        self._ears, self._stylist, self._drums = ears, stylist, DrumsInTurn(drummer, seed)
        self._heard, self._styled = ears.begin(), stylist.begin()
        self._past = np.zeros(LISTENED, np.float32)
        self._tick: Tick | None = None

    def hear(self, tick: Tick) -> None:
        """See `Pipeline`."""
        self._tick = tick

    def play(self, lap: Lap) -> NDArray[np.bool_]:
        """Hits of the next beat, (4, 9)."""
        tick = self._tick
        assert tick is not None  # noqa: S101  a tick is heard before it is played to
        offset, _, self._heard = self._ears.step(tick.directogram, tick.offset, tick.present, self._heard)
        ahead = self._ahead(offset)
        lap("VisBeatNet")
        newest, self._styled = self._stylist.step(offset, self._styled)
        to_come = self._stylist.forecast(ahead, self._styled)
        lap("MuStyleNet")
        self._past = np.append(self._past[1:], np.float32(newest))
        envelope = np.concatenate([self._past, to_come])
        style = style_of(envelope, _times_s(len(envelope), LISTENED - 1), STEPS_S)
        lap("style")
        new = self._drums.next(style)
        lap(DRUMGEN)
        return new

    def _ahead(self, newest: float) -> NDArray[np.float32]:  # noqa: ARG002  the forecast begins with it
        """Kinematic offsets of the ticks after that of which the step has told."""
        return self._ears.forecast(self._heard)[0][1:]


class AsTheEngine(InteractiveBeat):
    """The same, but what is more than four ticks ahead is taken to be as it was a beat ago: see `live.engine`."""

    def __init__(self, ears: Ears, stylist: Stylist, drummer: Drummer, seed: int = 0) -> None:
        super().__init__(ears, stylist, drummer, seed)
        self._offsets = np.zeros(round(STEPS_PER_BEAT * STEP_S * LIVE_FPS), np.float32)

    def _ahead(self, newest: float) -> NDArray[np.float32]:
        """See `InteractiveBeat`; to come are a second's ticks."""
        self._offsets = np.append(self._offsets[1:], np.float32(newest))
        ahead = np.tile(self._offsets, FORECAST_TICKS // len(self._offsets) + 1)[: FORECAST_TICKS - 1]
        ahead[:FORESEEN_TICKS] = self._ears.forecast(self._heard, 1 + FORESEEN_TICKS)[0][1:]
        return ahead


def _times_s(ticks: int, past: int) -> NDArray[np.float64]:
    """When ticks are, of which so many are not to come."""
    return np.asarray((np.arange(ticks) - past + 1) / LIVE_FPS, np.float64)


def standard_pipelines(seed: int = 0, heavy: Path | None = None) -> dict[str, Callable[[], Pipeline]]:
    """The four pipelines by their names, and ours; each is made when it is called.

    Making one raises InputError where its network is not there.

    Args:
        seed: of the drummers' choices.
        heavy: folder of the heavy network; None for the shipped one.
    """
    return {
        "Rule-based-Mono": lambda: RuleBasedMono(MonoNet(), seed),
        "RhythmicNet-Mono": lambda: RhythmicNetMono(HeavyEars(load(HEAVY, heavy)), MonoNet(), seed),
        "RhythmicNet-Poly": lambda: RhythmicNetPoly(HeavyEars(load(HEAVY, heavy)), DrumGenNet(), seed),
        "InteractiveBeat": lambda: InteractiveBeat(VisBeatNet(), MuStyleNet(), DrumGenNet(), seed),
        OURS: lambda: AsTheEngine(VisBeatNet(), MuStyleNet(), DrumGenNet(), seed),
    }
