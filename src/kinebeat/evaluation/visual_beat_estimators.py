"""Who says visual beats: the paper's rules, a metronome, the heavy baseline and VisBeatNet, each on a `Sample`."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kinebeat import weights
from kinebeat.beats.visual import normalised
from kinebeat.live.movement import LIVE_FPS, OFFSET_DELAY_S
from kinebeat.live.visbeat.model import NAME, VisBeatNet
from kinebeat.live.visbeat.peaks import peaks

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Beats = NDArray[np.float64]

CONTEXT = round(3 * LIVE_FPS)
SECOND = round(LIVE_FPS)
HEAVY = "live-video2rhythm"
RULE_WINDOW_S, RULE_WAIT_S, RULE_ABOVE = 0.25, 0.25, 0.015
"""The paper's (4.4): highest in the window, so long after the last, and so much above the window's mean."""
DRAWS = 20
FROM_3_S = "next second from 3 s"
"""The paper's way: each second is forecast from the three before it."""


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
    return _continued(sample, found, found + OFFSET_DELAY_S + RULE_WINDOW_S / 2)


def truth_continued(sample: Sample) -> Beats:
    """The same of the true beats, each known as it happens: how even visual beats are."""
    return _continued(sample, sample.beats_s, sample.beats_s)


def _continued(sample: Sample, found: Beats, known_s: Beats) -> Beats:
    """Of each second the beats that were known before it, three seconds old at most, at their median distance."""
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
        Estimator("true beats so far, continued evenly", FROM_3_S, lambda s: [truth_continued(s)]),
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
