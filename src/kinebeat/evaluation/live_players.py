"""The four pipelines of InteractiveBeat's Table 4, played offline to clips of the live corpus.

Each hears a clip in its own way (`Heard`) and plays drums to what it heard. What is played in a beat rests on nothing
that comes after the beat began, but for two things that are given to all alike: the clip's tempo and where its beats
fall are those of all the visual beats that the pipeline heard in the clip.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from kinebeat.beats.grid import BEATS_PER_BAR, STEPS_PER_BEAT
from kinebeat.beats.visual import normalised
from kinebeat.drums.kit import DRUMS
from kinebeat.evaluation.drum_audio import SECONDS, Take, take_of
from kinebeat.evaluation.visual_beat_estimators import CONTEXT as LISTENED
from kinebeat.evaluation.visual_beat_estimators import SECOND, rule_based
from kinebeat.live.drumming.data import CONTEXT, CONTEXT_BEATS, NEW, WINDOW
from kinebeat.live.events import Beat, Hit
from kinebeat.live.movement import LIVE_FPS, OFFSET_DELAY_S
from kinebeat.live.style.accumulate import envelope_of, style_of
from kinebeat.live.style.pairs import FASTEST_BPM, SLOWEST_BPM
from kinebeat.live.visbeat.model import FORECAST_TICKS
from kinebeat.live.visbeat.peaks import peaks

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from kinebeat.evaluation.visual_beat_estimators import Sample
    from kinebeat.live.drumming.model import DrumGenNet, MonoNet
    from kinebeat.live.engine import LiveEngine
    from kinebeat.live.nets import Stylist
    from kinebeat.live.visbeat.model import VisBeatNet
    from kinebeat.pose.track import PoseTrack

SOFTEST = 0.05
"""Velocity of a hit where the style is nothing."""


@dataclass(frozen=True)
class Heard:
    """What a pipeline hears in a clip.

    Attributes:
        offsets: (T,) float32, kinematic offset of each tick as it is known at the tick, in [0, 1].
        forecast: given a tick, the offsets (36,) of those after it.
        beats_s: (N,) float64, visual beats in seconds from the first tick.
        strength: (N,) float32 in [0, 1], how strong each is.
    """

    offsets: NDArray[np.float32]
    forecast: Callable[[int], NDArray[np.float32]]
    beats_s: NDArray[np.float64]
    strength: NDArray[np.float32]


def heard_truth(sample: Sample) -> Heard:
    """What a perfect network would hear: the offline kinematic offsets and visual beats, now and to come."""
    padded = np.pad(sample.truth, (0, FORECAST_TICKS))
    return _heard(sample.truth, lambda t: padded[t + 1 : t + 1 + FORECAST_TICKS], sample.beats_s)


def heard_by_rule(sample: Sample) -> Heard:
    """What the rules of section 4.4 hear; they forecast nothing."""
    delay = round(OFFSET_DELAY_S * LIVE_FPS)
    curve = np.pad(normalised(sample.offset)[delay:], (0, delay)).astype(np.float32)
    return _heard(curve, lambda _: np.zeros(FORECAST_TICKS, np.float32), rule_based(sample))


def heard_by_visbeat(net: VisBeatNet, sample: Sample) -> Heard:
    """What VisBeatNet hears as it goes from tick to tick."""
    state, states = net.begin(), []
    offsets, beats = np.zeros((2, len(sample.offset) + 1), np.float32)
    for t in range(len(sample.offset)):
        tick = sample.directogram[t], float(sample.offset[t]), bool(sample.present[t])
        offsets[t + 1], beats[t + 1], state = net.step(*tick, state)
        states.append(state)
    found = peaks(beats[:-1], net.next_threshold) / LIVE_FPS
    return _heard(offsets[:-1], lambda t: net.forecast(states[t], FORECAST_TICKS)[0], found)


def heard_by_video2rhythm(encoder: Any, decoder: Any, threshold: float, sample: Sample) -> Heard:
    """What the heavy baseline hears: every half second the second to come from the three before it.

    Args:
        encoder: session of its first graph: velocity (1, 90, 17, 2) and seen (1, 90, 17) to its memory ...
        decoder: ... and of its second, which is told its own offsets, tick by tick.
        threshold: of its beats.
        sample: the clip.
    """
    seen = np.isfinite(sample.velocity).all(-1)
    velocity = np.where(seen[..., None], sample.velocity, 0).astype(np.float32)
    known: dict[int, tuple[NDArray[np.float32], NDArray[np.float32]]] = {}

    def ahead(t: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Offsets and beats (30,) of the ticks from t on, t at least 90."""
        if t not in known:
            window = slice(t - LISTENED, t)
            given = {"velocity": velocity[None, window], "seen": seen[None, window].astype(np.float32)}
            memory, said = encoder.run(None, given)[0], np.zeros((1, 0), np.float32)
            for _ in range(SECOND):
                before = np.concatenate([np.zeros((1, 1), np.float32), said], 1)
                offsets, logits = decoder.run(None, {"memory": memory, "before": before})
                said = np.concatenate([said, offsets[:, -1:]], 1)
            known[t] = said[0], 1 / (1 + np.exp(-np.clip(logits[0], -30, 30)))
        return known[t]

    offsets, beats = np.zeros((2, len(sample.offset)), np.float32)
    hop = SECOND // 2
    for t in range(LISTENED, len(offsets), hop):
        some = min(hop, len(offsets) - t)
        offsets[t : t + some], beats[t : t + some] = (part[:some] for part in ahead(t))

    def forecast(t: int) -> NDArray[np.float32]:
        return np.pad(ahead(max(LISTENED, t + 1))[0], (0, FORECAST_TICKS))[:FORECAST_TICKS]

    return _heard(offsets, forecast, peaks(beats, threshold) / LIVE_FPS)


def _heard(
    offsets: NDArray[np.float32], forecast: Callable[[int], NDArray[np.float32]], beats_s: NDArray[np.float64]
) -> Heard:
    near = np.clip(np.round(beats_s * LIVE_FPS).astype(int), 0, len(offsets) - 1)
    return Heard(offsets, forecast, beats_s, offsets[near])


def beat_interval(beats_s: NDArray[np.float64]) -> tuple[float, float] | None:
    """First beat and interval, in seconds, of drums to visual beats; None where there are too few.

    The interval is the median between visual beats, halved or doubled into a drummer's tempi; the first beat is the one
    from which a steady grid meets most of them best.
    """
    if len(beats_s) < 4:
        return None
    interval = float(np.median(np.diff(beats_s)))
    while interval < 60.0 / FASTEST_BPM:
        interval *= 2
    while interval > 60.0 / SLOWEST_BPM:
        interval /= 2
    turn = np.exp(2j * np.pi * beats_s / interval).mean()
    first = float(np.angle(turn) / (2 * np.pi) * interval) % interval
    return first, interval


def continued(heard: Heard) -> Heard:
    """The same with another forecast: the movement goes on as it was heard a beat ago."""
    found = beat_interval(heard.beats_s)
    if found is None:
        return heard
    lag = max(1, round(found[1] * LIVE_FPS))

    def forecast(t: int) -> NDArray[np.float32]:
        # Where a beat ago is still to come, two beats ago is taken, and so on.
        past = np.arange(1, FORECAST_TICKS + 1) - lag
        past -= lag * np.maximum(0, -(-past // lag))
        return heard.offsets[np.clip(t + past, 0, None)]

    return replace(heard, forecast=forecast)


@dataclass(frozen=True)
class Score:
    """What is played to a clip, or is to be: 16ths and their styles.

    Attributes:
        steps_s: (S,) when the 16ths are, from the first beat after three seconds on.
        style: (beats, 16) float32, of three beats before each beat and of itself.
    """

    steps_s: NDArray[np.float64]
    style: NDArray[np.float32]


def styled(
    heard: Heard, duration_s: float, make: Callable[[Heard], Callable[[int], NDArray[np.float32]]]
) -> Score | None:
    """Styles of all beats of a clip; None where no beat was heard.

    Args:
        heard: what the pipeline hears.
        duration_s: of the clip.
        make: how an envelope is made: given what is heard a function that, given a tick, gives the envelope of all
            ticks up to it and of the forecast.
    """
    found = beat_interval(heard.beats_s)
    if found is None:
        return None
    first, interval = found
    start = int(np.ceil((max(LISTENED / LIVE_FPS, CONTEXT_BEATS * interval) - first) / interval))
    stop = int(np.floor((duration_s - first) / interval))
    if stop - start < BEATS_PER_BAR:
        return None
    envelope_at = make(heard)
    styles = []
    for beat in range(start, stop):
        steps_s = first + interval * (beat - CONTEXT_BEATS + np.arange(WINDOW) / STEPS_PER_BEAT)
        # The beat is planned when the tick has come that its first 16th begins with.
        tick = min(len(heard.offsets) - 1, int((steps_s[CONTEXT] - interval / (2 * STEPS_PER_BEAT)) * LIVE_FPS))
        envelope = envelope_at(tick)
        styles.append(style_of(envelope, np.arange(len(envelope)) / LIVE_FPS, steps_s))
    steps = first + interval * (start + np.arange((stop - start) * STEPS_PER_BEAT) / STEPS_PER_BEAT)
    return Score(steps, np.stack(styles))


def by_network(stylist: Stylist) -> Callable[[Heard], Callable[[int], NDArray[np.float32]]]:
    """InteractiveBeat's envelopes: MuStyleNet on the offsets so far and on the forecast."""

    def make(heard: Heard) -> Callable[[int], NDArray[np.float32]]:
        state, states = stylist.begin(), []
        past = np.empty(len(heard.offsets), np.float32)
        for t, offset in enumerate(heard.offsets):
            past[t], state = stylist.step(float(offset), state)
            states.append(state)
        return lambda t: np.concatenate([past[: t + 1], stylist.forecast(heard.forecast(t), states[t])])

    return make


def by_peaks(heard: Heard) -> Callable[[int], NDArray[np.float32]]:
    """RhythmicNet's envelopes: an onset on every beat and on every peak of the offsets, as strong as the offset is."""

    def envelope(t: int) -> NDArray[np.float32]:
        curve = np.concatenate([heard.offsets[: t + 1], heard.forecast(t)])
        at = peaks(curve, 0.1)
        beats = heard.beats_s[heard.beats_s * LIVE_FPS <= t + FORECAST_TICKS] * LIVE_FPS
        onsets = np.concatenate([at, beats]) / LIVE_FPS
        height = np.concatenate([curve[np.round(at).astype(int)], np.ones(len(beats), np.float32)])
        return envelope_of(onsets, height, np.arange(len(curve)) / LIVE_FPS)

    return envelope


def poly_takes(
    scores: Sequence[Score], drummer: DrumGenNet, samples: int, rng: np.random.Generator, temperature: float = 1.0
) -> list[Take]:
    """Takes that DrumGenNet plays to styles, all clips as often."""
    made: list[Take] = []
    while len(made) < samples and any(take_starts(score) for score in scores):
        hits = _played(scores, drummer, rng, temperature)
        for score, played in zip(scores, hits, strict=True):
            step, drum = np.nonzero(played)
            velocity = np.maximum(score.style[:, CONTEXT:].reshape(-1)[step], SOFTEST)
            for start in take_starts(score):
                time_s = score.steps_s[step] - score.steps_s[start]
                made.append(take_of(time_s, drum.astype(np.int64), velocity.astype(np.float64)))
    return made[:samples]


def mono_takes(
    heard: Sequence[Heard], drummer: MonoNet, samples: int, duration_s: float, rng: np.random.Generator
) -> list[Take]:
    """Takes of one drum on each visual beat, as strong as the beat, all clips as often."""
    made: list[Take] = []
    sounding = [h for h in heard if len(h.beats_s) >= BEATS_PER_BAR]
    while len(made) < samples and sounding:
        for h in sounding:
            state, drums = drummer.begin(), np.zeros(len(h.beats_s), np.int64)
            for i, uniform in enumerate(rng.random(len(h.beats_s))):
                drums[i], state = drummer.step(state, float(uniform))
            velocity = np.maximum(h.strength.astype(np.float64), SOFTEST)
            for first in np.arange(LISTENED / LIVE_FPS, duration_s - SECONDS, SECONDS):
                later = h.beats_s[h.beats_s >= first]
                if len(later) and later[0] <= duration_s - SECONDS:
                    made.append(take_of(h.beats_s - later[0], drums, velocity))
    return made[:samples]


def engine_takes(
    tracks: Sequence[PoseTrack], engine_of: Callable[[int], LiveEngine], samples: int, seed: int
) -> list[Take]:
    """Takes of what the live engine plays, frame by frame, from each of its downbeats after three seconds on.

    Args:
        tracks: who moves, as a detector finds them.
        engine_of: makes an engine by its seed.
        samples: how many; all tracks are played again with another seed until there are as many.
        seed: the first.
    """
    made: list[Take] = []
    before = -1
    while before < len(made) < samples:
        before = len(made)
        engine = engine_of(seed)
        for track in tracks:
            hits, starts = _heard_from(engine, track)
            time_s, velocity = (np.array([getattr(hit, key) for hit in hits]) for key in ("time_s", "velocity"))
            drum = np.array([hit.drum for hit in hits], np.int64)
            made += [take_of(time_s - start_s, drum, velocity) for start_s in starts]
        seed += 1
    return made[:samples]


def _heard_from(engine: LiveEngine, track: PoseTrack) -> tuple[list[Hit], list[float]]:
    """All hits of the groove, and the downbeats from which four seconds are heard before the track ends."""
    events = list(engine.play(track))
    hits = [event for event in events if isinstance(event, Hit)]
    starts = [event.time_s for event in events if isinstance(event, Beat) and event.in_bar == 0]
    first_s, last_s = LISTENED / LIVE_FPS, float(track.times_s[-1]) - SECONDS
    return hits, [start_s for start_s in starts if first_s <= start_s <= last_s]


def take_starts(score: Score) -> list[int]:
    """Steps, downbeats, at which takes begin that do not overlap."""
    starts: list[int] = []
    bar = BEATS_PER_BAR * STEPS_PER_BEAT
    end_s = 2 * score.steps_s[-1] - score.steps_s[-2]
    for step in range(bar, len(score.steps_s), bar):  # the first bar goes on from nothing
        free = not starts or score.steps_s[step] - score.steps_s[starts[-1]] >= SECONDS
        if free and end_s - score.steps_s[step] >= SECONDS:
            starts.append(step)
    return starts


def _played(
    scores: Sequence[Score], drummer: DrumGenNet, rng: np.random.Generator, temperature: float
) -> list[NDArray[np.bool_]]:
    """Hits (S, 9) of each clip, all clips beat by beat together."""
    hits = [np.zeros((CONTEXT + len(score.steps_s), len(DRUMS)), bool) for score in scores]
    for beat in range(max((len(score.style) for score in scores), default=0)):
        on = [i for i, score in enumerate(scores) if beat < len(score.style)]
        style = np.stack([scores[i].style[beat] for i in on])
        first = beat * STEPS_PER_BEAT
        context = np.stack([hits[i][first : first + CONTEXT] for i in on])
        number = np.full(len(on), beat % BEATS_PER_BAR)
        found = drummer.play_many(style, context, number, rng.random((len(on), NEW)), temperature)
        for i, new in zip(on, found, strict=True):
            hits[i][first + CONTEXT : first + CONTEXT + NEW] = new
    return [played[CONTEXT:] for played in hits]
