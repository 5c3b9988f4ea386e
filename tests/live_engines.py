"""A small engine of the live engine's shape, whose every event is known beforehand."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from kinebeat.live.events import Beat, Change, Hit
from kinebeat.live.settings import LiveSettings

PERIOD_S, LEAD_S = 0.5, 0.12


@dataclass(frozen=True)
class State:
    begun_s: float | None = None
    beats: int = 0
    hits: int = 0
    mood: str = "waiting"
    heights: tuple[float, ...] = ()


class Metronome:
    """From the first frame with somebody in it a beat and two strokes every half second, for as long as they are seen.

    How hard the strokes are depends on the seed and on the keypoints, so that a replay has something to compare.
    """

    lead_s = LEAD_S

    def __init__(self, settings: LiveSettings | None = None) -> None:
        self.settings = settings or LiveSettings()

    def begin(self) -> State:
        return State()

    def step(self, keypoints, time_s, state):
        events = []
        if keypoints is None:
            if state.mood == "playing":
                events.append(Change(time_s, "waiting", "nobody is seen"))
                state = replace(state, mood="waiting", begun_s=None)
            return tuple(events), state
        height = float(np.nanmean(keypoints.xy[:, 1]))
        state = replace(state, heights=(*state.heights[-9:], height))
        if state.mood == "waiting":
            events.append(Change(time_s, "playing", "you move"))
            state = replace(state, mood="playing", begun_s=time_s - state.beats * PERIOD_S)
        while state.begun_s + state.beats * PERIOD_S - self.lead_s <= time_s:
            beat_s = state.begun_s + state.beats * PERIOD_S
            chance = np.random.default_rng([self.settings.seed, state.beats]).random()
            loud = 0.3 + 0.5 * chance + 0.2 * (sum(state.heights) % 1)
            events += [
                Beat(beat_s, state.beats, state.beats % 4, 60 / PERIOD_S, 0.75),
                Hit(beat_s, 0, loud, state.hits),
                Hit(beat_s + PERIOD_S / 2, 2, loud / 2, state.hits + 1, "left_wrist"),
            ]
            state = replace(state, beats=state.beats + 1, hits=state.hits + 2)
        return tuple(events), state
