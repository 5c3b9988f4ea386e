"""Nets for the live engine whose every answer is known beforehand."""

from __future__ import annotations

import numpy as np

from kinebeat.live.movement import LIVE_FPS
from kinebeat.live.pulse import USUAL_MUSIC


class ScriptedEars:
    """Says beats where it was told that they are; its kinematic offsets are those that it is shown."""

    def __init__(self, beats_s=()):
        self.beats_s = np.asarray(beats_s, float)

    def begin(self):
        return 0, 0.0

    def _beat(self, tick):
        away = np.abs(self.beats_s - np.asarray(tick)[..., None] / LIVE_FPS)
        return 0.01 + 0.35 * np.exp(-0.5 * (away.min(-1, initial=9.0) / 0.035) ** 2)

    def step(self, directogram, offset, present, state):
        tick = state[0] + 1
        return min(1.0, offset), float(self._beat(tick)), (tick, min(1.0, offset))

    def forecast(self, state, ticks=36):
        return np.full(ticks, state[1], np.float32), self._beat(state[0] + 1 + np.arange(ticks)).astype(np.float32)


class DeafTapper:
    """Says nothing of any beat."""

    def begin(self):
        return None

    def step(self, velocity, state):
        return USUAL_MUSIC, None


class PlainStylist:
    """The envelope is the offsets."""

    def begin(self):
        return None

    def step(self, offset, state):
        return offset, None

    def forecast(self, offsets, state):
        return np.asarray(offsets, np.float32)


class PlainDrummer:
    """Kick and snare in turn on the beat and a hi-hat on the eighths; a coin decides about the sixteenths."""

    def play(self, style, hits, beat_in_bar, uniforms, temperature):
        assert style.shape == (16,)
        assert hits.shape == (12, 9)
        out = np.zeros((4, 9), bool)
        out[0, beat_in_bar % 2] = True
        out[[0, 2], 2] = True
        out[[1, 3], 2] = np.asarray(uniforms)[[1, 3]] < 0.5
        return out
