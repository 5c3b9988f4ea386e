"""The live engine: `events, state = engine.step(keypoints, time_s, state)`.

One deterministic state machine without threads, clocks, sockets or sound: every input feeds it, every output drinks
from it, and what was played can be played again to the same events, bit for bit (InteractiveBeat section 3).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from kinebeat.drums.kit import DRUMS
from kinebeat.live import movement, nets, pulse, stops
from kinebeat.live.events import Beat, Change, Hit
from kinebeat.live.keypoints import from_layout
from kinebeat.live.movement import LIVE_FPS
from kinebeat.live.planning import BEATS_PER_BAR, Interval, bent, confidence, first_interval, next_interval
from kinebeat.live.settings import LiveSettings
from kinebeat.live.style.accumulate import style_of
from kinebeat.live.style.contrast import contrasted
from kinebeat.rhythm import ENERGY_FLOOR

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from kinebeat.live.events import Event, Mood
    from kinebeat.live.keypoints import Keypoints
    from kinebeat.live.movement import MovementState, Tick
    from kinebeat.live.nets import Drummer, Ears, Stylist, Tapper
    from kinebeat.live.pulse import Pulse
    from kinebeat.live.stops import Limb
    from kinebeat.pose.track import PoseTrack

FORECAST_TICKS = 36
FORESEEN_TICKS = 4
"""Of a forecast; further ahead it is nearly flat, and what was a beat ago says more."""
STEPS = 4
PAST_BEATS = 3
MOVING = 0.06
"""Mean speed of the joints, body heights per second, below which somebody stands still."""
START_BRAKING = 0.5
"""Body heights per second squared, mean over the joints: a movement that lands as hard as this begins the music."""
COME_S = 0.5
"""Of being seen, before a movement counts as one: who comes into the picture seems to leap there."""
ACTIVITY_S = 0.25
STILL_S, STILL_BEATS = 0.6, 1.25
"""Of stillness, whichever is longer, before the drums begin to end."""
LOUD_S = 8.0
"""Over how long somebody's own loudest movement is forgotten."""
SOFTEST = 0.45
"""Loudness of small movements, of that of large ones."""
LEAST_VELOCITY = 0.12
KICK, SNARE, CLOSED_HAT, CRASH = (
    next(number for number, drum in enumerate(DRUMS) if drum.name == name)
    for name in ("kick", "snare", "closed hi-hat", "crash")
)
CLOSING = (KICK, CRASH)
DRUM_OF_STICK = {"right_wrist": SNARE, "left_wrist": CLOSED_HAT, "right_ankle": KICK, "left_ankle": CRASH}


@dataclass(frozen=True)
class Played:
    """What is played, and what the drummer goes on from.

    Attributes:
        steps_s: (16,) when the 16ths of the last three beats and of this one are.
        hits: (16, 9) bool; none yet where they have not been handed out.
        given: how many of this beat's 16ths have been.
    """

    steps_s: NDArray[np.float64]
    hits: NDArray[np.bool_]
    given: int

    @classmethod
    def before(cls, interval: Interval) -> Played:
        """As if it had gone on like this, unheard."""
        steps_s = interval.start_s + interval.period_s * np.arange(-(PAST_BEATS + 1) * STEPS, 0) / STEPS
        return cls(steps_s, np.zeros((len(steps_s), len(DRUMS)), bool), STEPS)

    def then(self, interval: Interval) -> Played:
        """A beat later."""
        steps_s = interval.start_s + interval.length_s * np.arange(STEPS) / STEPS
        hits = np.concatenate([self.hits[STEPS:], np.zeros((STEPS, len(DRUMS)), bool)])
        return Played(np.concatenate([self.steps_s[STEPS:], steps_s]), hits, 0)

    def bent(self, interval: Interval) -> Played:
        """With what is left of this beat spread evenly up to its end."""
        left = STEPS - self.given
        steps_s = self.steps_s.copy()
        steps_s[-left:] = np.linspace(self.next_s, interval.end_s, left, endpoint=False)
        return replace(self, steps_s=steps_s)

    @property
    def next_s(self) -> float:
        """When the next 16th of this beat is; infinite if there is none."""
        return float(self.steps_s[PAST_BEATS * STEPS + self.given]) if self.given < STEPS else math.inf


@dataclass(frozen=True)
class EngineState:
    """All that the engine knows; it is never changed, each step gives a new one.

    Attributes:
        movement: of the keypoints.
        heard: of the network that hears visual beats.
        visual: what it said of the last ticks, the newest last.
        tapped: of the network that hears the beat of the dance.
        pulse: of the movement, a tick ahead of it, as the networks are.
        styled: of the network that makes style.
        offsets: (N,) kinematic offsets as heard at the last ticks, the newest, a tick ahead, last.
        envelope: (N,) onset envelope at the same ticks.
        mood: "waiting", "playing" or "ending".
        interval: the last that was handed out; None before the first.
        played: by the drummer; None while he waits.
        activity: mean speed of the joints of late, body heights per second.
        loudest: the highest of that, which is slowly forgotten.
        braking: at the last tick.
        came_s: when somebody came into the picture; None while nobody is in it.
        moved_s: when somebody last moved.
        limbs: for instrument mode.
        hits: how many were handed out.
    """

    movement: MovementState
    heard: Any
    visual: tuple[float, ...]
    tapped: Any
    pulse: Pulse
    styled: Any
    offsets: NDArray[np.float32]
    envelope: NDArray[np.float32]
    mood: Mood
    interval: Interval | None
    played: Played | None
    activity: float
    loudest: float
    braking: float
    came_s: float | None
    moved_s: float
    limbs: tuple[Limb, ...]
    hits: int


REMEMBERED = round(LIVE_FPS * 60 / pulse.SLOWEST_BPM * (PAST_BEATS + 2))
"""Ticks of envelope that are kept: as many as the slowest beats that are looked at take."""


class LiveEngine:
    """Plays drums to a movement.

    Args:
        settings: how.
        ears: hears visual beats; the shipped VisBeatNet if None.
        tapper: hears the beat of a dance; the shipped PulseNet if None.
        stylist: makes style; the shipped MuStyleNet if None.
        drummer: plays it; the shipped DrumGenNet if None.
    """

    def __init__(
        self,
        settings: LiveSettings | None = None,
        *,
        ears: Ears | None = None,
        tapper: Tapper | None = None,
        stylist: Stylist | None = None,
        drummer: Drummer | None = None,
    ) -> None:
        self.settings = settings or LiveSettings()
        self.ears = ears or nets.shipped_ears()
        self.tapper = tapper or nets.shipped_tapper()
        self.stylist = stylist or nets.shipped_stylist()
        self.drummer = drummer or nets.shipped_drummer()

    def begin(self) -> EngineState:
        """Before anything was seen."""
        return EngineState(
            movement=movement.begin(),
            heard=self.ears.begin(),
            visual=(pulse.USUAL,) * (pulse.VISUAL_TICKS + 1),
            tapped=self.tapper.begin(),
            pulse=pulse.begin(),
            styled=self.stylist.begin(),
            offsets=np.zeros(REMEMBERED, np.float32),
            envelope=np.zeros(REMEMBERED, np.float32),
            mood="waiting",
            interval=None,
            played=None,
            activity=0.0,
            loudest=ENERGY_FLOOR,
            braking=0.0,
            came_s=None,
            moved_s=-np.inf,
            limbs=stops.begin(),
            hits=0,
        )

    def step(
        self, keypoints: Keypoints | None, time_s: float, state: EngineState
    ) -> tuple[tuple[Event, ...], EngineState]:
        """What there is to play after one more frame.

        Args:
            keypoints: of one person in the frame; None where nobody is seen, or no frame has come.
            time_s: of the frame; its clock is that of the events. A frame from before the last one is passed over.
            state: after the frame before.

        Returns:
            The events, in the order in which they are due, and the state after this frame.
        """
        xy, score = (None, None) if keypoints is None else (keypoints.xy, keypoints.score)
        ticks, moved = movement.advance(xy, score, time_s, state.movement)
        state = replace(state, movement=moved)
        events: list[Event] = []
        for tick in ticks:
            some, state = self._tick(tick, state)
            events += some
        return tuple(sorted(events, key=lambda event: event.time_s)), state

    def play(self, pose: PoseTrack) -> Iterator[Event]:
        """The events of a whole track, as they would come frame by frame.

        Args:
            pose: keypoints of any layout.
        """
        state = self.begin()
        for xy, score, time_s in zip(pose.xy, pose.score, pose.times_s, strict=True):
            events, state = self.step(from_layout(xy, score, pose.layout, pose.size), float(time_s), state)
            yield from events

    def _tick(self, tick: Tick, state: EngineState) -> tuple[list[Event], EngineState]:
        offset, seen_beat, heard = self.ears.step(tick.directogram, tick.offset, tick.present, state.heard)
        beat, tapped = self.tapper.step(tick.velocity, state.tapped)
        visual = (*state.visual[1:], seen_beat)
        envelope, styled = self.stylist.step(offset, state.styled)
        speed = float(tick.directogram.sum()) / 2  # each direction counts in two bins
        activity = state.activity + (speed - state.activity) / (ACTIVITY_S * LIVE_FPS)
        # Both: one alone lasts beyond the stop, the other has the detector's jitter.
        moves = tick.present and min(speed, activity) * self.settings.sensitivity >= MOVING
        started = _lands(tick, state, self.settings.sensitivity)
        state = replace(
            state,
            heard=heard,
            visual=visual,
            tapped=tapped,
            pulse=pulse.step(pulse.together(beat, visual[0]), state.pulse),
            styled=styled,
            offsets=np.append(state.offsets[1:], np.float32(offset)),
            envelope=np.append(state.envelope[1:], np.float32(envelope)),
            activity=activity,
            loudest=max(ENERGY_FLOOR, activity, state.loudest * (1 - 1 / (LOUD_S * LIVE_FPS))),
            braking=tick.offset,
            came_s=None if not tick.present else tick.time_s if state.came_s is None else state.came_s,
            moved_s=tick.time_s if moves else state.moved_s,
        )
        events: list[Event] = []
        if self.settings.mode != "groove":
            some, state = self._strokes(tick, state)
            events += some
        if self.settings.mode != "instrument":
            some, state = self._groove(tick, state, started=started)
            events += some
        return events, state

    def _strokes(self, tick: Tick, state: EngineState) -> tuple[list[Event], EngineState]:
        strokes, limbs = stops.step(tick, state.limbs, self.settings.sensitivity)
        events: list[Event] = [
            Hit(stroke.time_s, DRUM_OF_STICK[stroke.joint], stroke.strength, state.hits + k, stroke.joint)
            for k, stroke in enumerate(strokes)
        ]
        return events, replace(state, limbs=limbs, hits=state.hits + len(strokes))

    def _groove(self, tick: Tick, state: EngineState, *, started: bool) -> tuple[list[Event], EngineState]:
        events: list[Event] = []
        now_s = tick.time_s
        if started and state.mood == "waiting":
            events, state = self._start(now_s, state)
        last = state.interval
        if state.mood == "waiting" or last is None:
            return events, state
        still = now_s - state.moved_s >= max(STILL_S, STILL_BEATS * last.period_s)
        if still and state.mood == "playing" and now_s >= last.start_s:  # what has not begun does not end
            events.append(Change(now_s, "ending", "you stand still" if tick.present else "nobody is seen"))
            state = replace(state, mood="ending")
        elif not still and state.mood == "ending":
            events.append(Change(now_s, "playing", "you move"))
            state = replace(state, mood="playing")
        # A loop, as after a gap between frames more than one thing may be due.
        while state.mood != "waiting":
            played = state.played
            if played is not None and played.next_s - self.settings.lead_s <= now_s:
                if played.given == STEPS // 2:
                    last = bent(last, state.pulse, now_s + 1 / LIVE_FPS, 1 - played.given / STEPS)
                    played = played.bent(last)
                    state = replace(state, interval=last)
                some, state = self._sixteenth(last, played, now_s, state)
            elif last.end_s - self.settings.lead_s <= now_s:
                last = next_interval(last, state.pulse, now_s + 1 / LIVE_FPS)
                bar_is_over = last.in_bar == 0 or last.end_s > state.moved_s + BEATS_PER_BAR * last.period_s
                some, state = (self._close if state.mood == "ending" and bar_is_over else self._beat)(last, state)
            else:
                break
            events += some
        return events, state

    def _start(self, now_s: float, state: EngineState) -> tuple[list[Event], EngineState]:
        """The first beat, or the first after a rest, at once."""
        number, start_s, period_s = 0, now_s, 60 / self.settings.tempo_bpm
        if state.interval is not None:
            number, period_s = state.interval.number + 1, state.interval.period_s
            start_s = max(now_s, state.interval.end_s)
        interval = first_interval(start_s, state.pulse, number, period_s)
        events, state = self._beat(interval, replace(state, mood="playing", played=None))
        return [Change(start_s, "playing", "you move"), *events], state

    def _close(self, interval: Interval, state: EngineState) -> tuple[list[Event], EngineState]:
        """The last stroke, and silence."""
        events, state = self._beat(interval, state)
        events += [Hit(interval.start_s, drum, SOFTEST, state.hits + k) for k, drum in enumerate(CLOSING)]
        events.append(Change(interval.start_s, "waiting", "move, and the drums begin"))
        return events, replace(state, mood="waiting", hits=state.hits + len(CLOSING), played=None)

    def _beat(self, interval: Interval, state: EngineState) -> tuple[list[Event], EngineState]:
        """A beat, whose 16ths are handed out one by one."""
        played = (state.played or Played.before(interval)).then(interval)
        beat = Beat(interval.start_s, interval.number, interval.in_bar, interval.tempo_bpm, confidence(state.pulse))
        return [beat], replace(state, interval=interval, played=played)

    def _sixteenth(
        self, interval: Interval, played: Played, now_s: float, state: EngineState
    ) -> tuple[list[Event], EngineState]:
        """The hits of the next 16th, by all that is known until now.

        The drummer is asked for the whole beat each time, with the same chances, and of what he says the one 16th is
        taken: the style of those to come is a forecast, which gets better while they are waited for.
        """
        to_come = self.stylist.forecast(self._to_come(interval, state), state.styled)
        envelope = np.concatenate([state.envelope, to_come])
        times_s = now_s + (np.arange(len(envelope)) - len(state.envelope) + 2) / LIVE_FPS
        style = contrasted(style_of(envelope, times_s, played.steps_s))
        chances = np.random.default_rng([self.settings.seed, interval.number]).random(STEPS)
        past, at = PAST_BEATS * STEPS, PAST_BEATS * STEPS + played.given
        said = self.drummer.play(style, played.hits[:past], interval.in_bar, chances, self.settings.temperature)
        struck = np.flatnonzero(said[played.given])
        velocity = min(1.0, max(LEAST_VELOCITY, float(style[at]) * self._loudness(played.next_s, interval, state)))
        events: list[Event] = [Hit(played.next_s, int(drum), velocity, state.hits + k) for k, drum in enumerate(struck)]
        hits = played.hits.copy()
        hits[at, struck] = True
        played = replace(played, hits=hits, given=played.given + 1)
        return events, replace(state, played=played, hits=state.hits + len(struck))

    def _to_come(self, interval: Interval, state: EngineState) -> NDArray[np.float32]:
        """Kinematic offsets of the ticks after the newest: forecast, then as a beat ago."""
        forecast, _ = self.ears.forecast(state.heard, 1 + FORESEEN_TICKS)
        beat = max(1, round(interval.period_s * LIVE_FPS))
        offsets = np.tile(state.offsets[-beat:], FORECAST_TICKS // beat + 1)[: FORECAST_TICKS - 1]
        offsets[:FORESEEN_TICKS] = forecast[1 : 1 + FORESEEN_TICKS]  # the first has already been heard
        return offsets

    def _loudness(self, time_s: float, interval: Interval, state: EngineState) -> float:
        """In (0, 1]: of the movement, and less and less of it where the drums come to an end."""
        loudness = SOFTEST + (1 - SOFTEST) * min(1.0, state.activity / state.loudest)
        if state.mood == "ending":
            since = (time_s - state.moved_s) / (BEATS_PER_BAR * interval.period_s)
            loudness *= min(1.0, max(0.3, 1.2 - since))
        return loudness


def _lands(tick: Tick, state: EngineState, sensitivity: float) -> bool:
    """Whether a strong movement lands at this tick: its braking is past its highest."""
    here = tick.present and state.came_s is not None and tick.time_s - state.came_s >= COME_S
    return here and tick.offset < state.braking and state.braking * sensitivity >= START_BRAKING
