"""The drummer: a rhythm in, a drum performance out.

Hits come from the hits transformer over a window of eight bars that slides by two, so that each bar is played
knowing the six before it. Velocities and offsets come from the U-Net. Then the rules of accompaniment: every accent
is heard, on the movement exactly and without flams; nobody in the picture is silence; stillness is quiet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kinebeat.beats.grid import STEPS_PER_BAR
from kinebeat.drums.kit import DRUMS
from kinebeat.drums.models import NEVER, HitsModel, PerformanceModel
from kinebeat.drums.rhythms import DENSITY_SPAN_STEPS, PHRASE_BARS, features
from kinebeat.drums.sampling import go_on
from kinebeat.drums.track import DrumTrack
from kinebeat.errors import OptionError
from kinebeat.weights import load

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from kinebeat.rhythm import Rhythm

HITS_WEIGHT, PERFORMANCE_WEIGHT = "drums-hits", "drums-performance"
HOP_STEPS = 2 * STEPS_PER_BAR
USUAL_HITS_PER_STEP = 1.17  # Groove, mean of the training split
FLAM_STEPS = 0.6
# What a strong accent sounds like: how much likelier a word gets for one of these drums in it, in nats.
WEIGHTY = {"kick": 0.6, "snare": 0.6, "crash": 0.8, "low tom": 0.3, "mid tom": 0.3, "high tom": 0.3}
# Gain of velocities when the mover stands still and when they move most.
QUIET_GAIN, FULL_GAIN = 0.35, 1.1
ACCENT_VELOCITY, ACCENT_VELOCITY_SPAN = 0.45, 0.5
SOFTEST = 1.0 / 127.0
LATEST_OFFSET = np.nextafter(np.float32(0.5), np.float32(0))


class Drummer:
    """Plays drums to rhythms; reads its models once."""

    def __init__(self) -> None:
        self._hits = HitsModel(load(HITS_WEIGHT))
        self._performance = PerformanceModel(load(PERFORMANCE_WEIGHT))

    def play(
        self,
        rhythm: Rhythm,
        *,
        seed: int = 0,
        temperature: float = 0.95,
        top_k: int = 40,
        density: float = 1.0,
        progress: Callable[[float], None] | None = None,
    ) -> DrumTrack:
        """Accompany a rhythm of any length.

        Args:
            rhythm: beats, accents, energy and presence on 16ths.
            seed: all randomness; the same seed plays the same.
            temperature: of the hits; lower is plainer.
            top_k: how many combinations of hits are in question at each 16th.
            density: how busy, in (0, 2]; 1 is like Groove's drummers.
            progress: called with the share done, in [0, 1].

        Raises:
            OptionError: an option is out of range.
        """
        if not 0.0 < density <= 2.0:
            raise OptionError(f"density is {density:g}: expected more than 0 and at most 2")
        if not temperature > 0.0:
            raise OptionError(f"temperature is {temperature:g}: expected more than 0")
        if top_k < 1:
            raise OptionError(f"top_k is {top_k}: expected 1 or more")
        words = self._words(rhythm, seed, temperature, top_k, density, progress)
        hits = self._hits.vocabulary.decode(words)
        velocities, offsets = perform(self._performance, hits, rhythm.grid.tempo_bpm)
        track = follow_movement(rhythm, hits, velocities, offsets)
        if progress is not None:
            progress(1.0)
        return track

    def _words(
        self,
        rhythm: Rhythm,
        seed: int,
        temperature: float,
        top_k: int,
        density: float,
        progress: Callable[[float], None] | None,
    ) -> NDArray[np.int64]:
        window = self._hits.steps
        steps = len(rhythm.beat)
        padded = max(window, -(-steps // HOP_STEPS) * HOP_STEPS)
        rest = padded - steps
        beat, accent = np.pad(rhythm.beat, (0, rest)), np.pad(heard_accents(rhythm), (0, rest))
        present = np.pad(rhythm.present, (0, rest))
        wish = density_wish(np.pad(rhythm.energy, (0, rest), mode="edge" if steps else "constant"), density)
        given = features(beat, accent, wish, np.float64(rhythm.grid.tempo_bpm))
        bar = np.arange(padded) // STEPS_PER_BAR % PHRASE_BARS
        # Each step has its own draw, so that a change in the rhythm changes the music from there on and not before.
        chance = np.random.default_rng(seed).random(padded)
        words = np.zeros(padded, np.int64)
        matrix = self._hits.vocabulary.matrix
        first = 0
        while first < steps:
            start = max(0, first + HOP_STEPS - window)
            stop = start + window
            new = slice(first, stop)
            words[new] = go_on(
                self._hits,
                given[None, start:stop],
                bar[None, start:stop],
                words[None, start:first],
                chance[None, new],
                temperature=temperature,
                top_k=top_k,
                bias=word_bias(matrix, accent[new], present[new], density)[None],
            )[0]
            first = stop
            if progress is not None:
                progress(min(0.99, first / padded))
        return words[:steps]


def perform(
    model: PerformanceModel, hits: NDArray[np.bool_], tempo_bpm: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Velocities and offsets (S, 9) of hits (S, 9) of any length, also where there is no hit.

    The model sees windows that overlap by half; of each its middle is kept.
    """
    window = model.bars * STEPS_PER_BAR
    edge = window // 4
    middle = window - 2 * edge
    steps = len(hits)
    count = max(1, -(-steps // middle))
    padded = np.zeros((count * middle + 2 * edge, len(DRUMS)), bool)
    padded[edge : edge + steps] = hits
    velocities = np.zeros((count * middle, len(DRUMS)), np.float32)
    offsets = np.zeros_like(velocities)
    for start in range(0, count * middle, middle):
        found = model(padded[None, start : start + window], np.array([tempo_bpm]))
        velocities[start : start + middle], offsets[start : start + middle] = (part[0, edge:-edge] for part in found)
    return velocities[:steps], offsets[:steps]


def heard_accents(rhythm: Rhythm) -> NDArray[np.float32]:
    """(S,) strengths of the accents that are played: those where somebody is in the picture."""
    return np.asarray(np.where(rhythm.present, rhythm.accent, 0.0), np.float32)


def density_wish(energy: NDArray[np.float32], density: float) -> NDArray[np.float64]:
    """(S,) hits a step to ask for: more where there is more movement, constant over every two bars."""
    wish = np.empty(len(energy))
    for start in range(0, len(energy), DENSITY_SPAN_STEPS):
        span = slice(start, start + DENSITY_SPAN_STEPS)
        wish[span] = USUAL_HITS_PER_STEP * density * (0.7 + 0.6 * energy[span].mean())
    return wish


def word_bias(
    matrix: NDArray[np.bool_], accent: NDArray[np.float32], present: NDArray[np.bool_], density: float
) -> NDArray[np.float32]:
    """What is added to the logits: (S, W).

    Only the empty word where nobody is there; any but the empty word on an accent, the weightier the stronger it
    is; elsewhere the empty word by the density wished, over and above what the model does about it.
    """
    weights = np.array([WEIGHTY.get(drum.name, 0.0) for drum in DRUMS])
    bias = accent[:, None] * (matrix @ weights)
    empty = ~matrix.any(1)
    bias[:, empty] = np.where(accent > 0, NEVER, -np.log(density))[:, None]
    bias[np.ix_(~present, ~empty)] = NEVER
    return np.asarray(bias, np.float32)


def follow_movement(
    rhythm: Rhythm,
    hits: NDArray[np.bool_],
    velocities: NDArray[np.float32],
    offsets: NDArray[np.float32],
) -> DrumTrack:
    """Make a drummer's performance (S, 9) the accompaniment of a movement.

    Hits on an accent fall where the accent falls; an ordinary hit next to it that would sound as a flam is left
    out. Velocities follow the movement's energy, and an accent's loudest drum is as loud as the accent is strong.
    """
    accent = heard_accents(rhythm)
    accented = accent > 0
    hits = hits & rhythm.present[:, None]
    offsets = np.clip(offsets, -0.5, LATEST_OFFSET)
    offsets[accented] = np.clip(rhythm.accent_offset[accented], -0.5, LATEST_OFFSET)[:, None]
    for side in (-1, 1):
        accents = np.flatnonzero(accented)
        accents = accents[(accents + side >= 0) & (accents + side < len(hits))]
        beside = accents[~accented[accents + side]]
        gap = np.abs(side + offsets[beside + side] - rhythm.accent_offset[beside, None])
        hits[beside + side] &= gap >= FLAM_STEPS
    gain = QUIET_GAIN + (FULL_GAIN - QUIET_GAIN) * np.clip(rhythm.energy, 0.0, 1.0)
    played = np.clip(velocities, SOFTEST, 1.0) * gain[:, None] * hits
    loudest = played.max(1, initial=0.0)
    wanted = np.where(accented, ACCENT_VELOCITY + ACCENT_VELOCITY_SPAN * accent, 0.0)
    rise = np.where((loudest > 0) & (loudest < wanted), wanted / np.maximum(loudest, SOFTEST), 1.0)
    played = np.where(hits, np.clip(played * rise[:, None], SOFTEST, 1.0), 0.0)
    return DrumTrack(rhythm.grid, hits, played.astype(np.float32), np.where(hits, offsets, 0.0).astype(np.float32))
