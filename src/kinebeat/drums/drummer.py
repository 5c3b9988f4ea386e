"""The drummer: a rhythm in, a drum performance out.

Hits come from the hits transformer over a window of eight bars that slides by two, so that each bar is played
knowing the six before it. Velocities and offsets come from the U-Net. Then the rules of accompaniment: every accent
is heard, on the movement exactly and without flams; nobody in the picture is silence; stillness is quiet.
"""

from __future__ import annotations

from functools import cache
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
# Groove's drummers play about 8.6 hits a second at any tempo but the slowest: fewer a step where steps are short.
USUAL_HITS_PER_STEP, FEWER_HITS_PER_BPM, USUAL_TEMPO_BPM = 1.2, 0.0063, 105.0
# How hard density is kept to, in nats for each hit of a word: by the wish alone, and by what is missing from it.
DENSITY_PUSH, DENSITY_PULL = 0.5, 2.0
LEAST_HITS_PER_STEP, MOST_HITS_PER_STEP = 0.8, 1.45
# A movement's accents come on top of what a drummer would play: with this share of a drummer's hits there are, on real
# videos, as many moments with a hit a second as in Groove (5.5).
SHARE_OF_HITS = 0.7
FLAM_STEPS = 0.6
# What a strong accent sounds like: how much likelier a word gets for one of these drums in it, in nats.
WEIGHTY = {"kick": 0.3, "snare": 0.3, "crash": 0.4, "low tom": 0.15, "mid tom": 0.15, "high tom": 0.15}
# Movement has more accents, less regularly, than the rhythms of the training, and answered one by one they make a drum
# solo. So weaker ones are heard but do not lead the transformer, and words with one of the drums that keep time get
# likelier. Chosen so that the shares of the drums and the likeness of neighbouring bars are those of Groove.
LEADING_ACCENT = 0.8
TIMEKEEPERS = {"closed hi-hat", "ride"}
TIMEKEEPING = 0.6
# Gain of velocities when the mover stands still and when they move most.
QUIET_GAIN, FULL_GAIN = 0.35, 1.1
ACCENT_VELOCITY, ACCENT_VELOCITY_SPAN = 0.45, 0.5
SOFTEST = 1.0 / 127.0
LATEST_OFFSET = np.nextafter(np.float32(0.5), np.float32(0))


class Drummer:
    """Plays drums to rhythms; all drummers share the models, which are read once."""

    def __init__(self) -> None:
        self._hits, self._performance = _shipped()

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
        words = self._words(rhythm, seed, temperature, top_k, SHARE_OF_HITS * density, progress)
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
        energy = np.pad(rhythm.energy, (0, rest), mode="edge" if steps else "constant")
        wish = density * density_wish(energy, rhythm.grid.tempo_bpm)
        leading = np.where(accent >= LEADING_ACCENT, accent, np.float32(0))
        given = features(beat, leading, wish, np.float64(rhythm.grid.tempo_bpm))
        bar = np.arange(padded) // STEPS_PER_BAR % PHRASE_BARS
        # Each step has its own draw, however long the clip is.
        chance = np.random.default_rng(seed).random(padded)
        words = np.zeros(padded, np.int64)
        matrix = self._hits.vocabulary.matrix
        keep = density_keeper(matrix.sum(1), wish, present, density)
        first = 0

        def steer(i: int, before: NDArray[np.int64]) -> NDArray[np.float32]:
            step = first + i
            return word_bias(matrix, accent[step], bool(present[step])) + keep(step, int(before[0]))

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
                steer=steer,
            )[0]
            first = stop
            if progress is not None:
                progress(min(0.99, first / padded))
        return words[:steps]


@cache
def _shipped() -> tuple[HitsModel, PerformanceModel]:
    """The models as shipped; they keep no state."""
    return HitsModel(load(HITS_WEIGHT)), PerformanceModel(load(PERFORMANCE_WEIGHT))


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


def density_wish(energy: NDArray[np.float32], tempo_bpm: float) -> NDArray[np.float64]:
    """(S,) hits a step of a drummer at a tempo: more where there is more movement, constant over every two bars."""
    usual = USUAL_HITS_PER_STEP - FEWER_HITS_PER_BPM * (tempo_bpm - USUAL_TEMPO_BPM)
    usual = min(max(usual, LEAST_HITS_PER_STEP), MOST_HITS_PER_STEP)
    wish = np.empty(len(energy))
    for start in range(0, len(energy), DENSITY_SPAN_STEPS):
        span = slice(start, start + DENSITY_SPAN_STEPS)
        wish[span] = usual * (0.7 + 0.4 * energy[span].mean())
    return wish


def density_keeper(
    counts: NDArray[np.int64], wish: NDArray[np.float64], present: NDArray[np.bool_], density: float
) -> Callable[[int, int], NDArray[np.float32]]:
    """What is added to the logits (W,) to keep to a density, given the step and the word before it.

    The model itself knows the wish, but also goes on as it began; words of many hits get likelier while the last
    two bars had fewer hits than wished, and the other way round.

    Args:
        counts: (W,) hits of each word.
        wish: (S,) wished hits a step.
        present: (S,) where somebody is there; silence elsewhere is nothing to make up for.
        density: what the user asked for, 1 for the usual.
    """
    level = float(wish[0])

    def keep(step: int, before: int) -> NDArray[np.float32]:
        nonlocal level
        if step > 0 and present[step - 1]:
            level += (float(counts[before]) - level) / DENSITY_SPAN_STEPS
        missing = np.log((wish[step] + 0.1) / (level + 0.1))
        return np.asarray((DENSITY_PUSH * np.log(density) + DENSITY_PULL * missing) * counts, np.float32)

    return keep


def word_bias(matrix: NDArray[np.bool_], accent: np.float32, present: bool) -> NDArray[np.float32]:
    """What may be played in a step, as numbers (W,) added to the logits; matrix is (W, 9).

    Only the empty word where nobody is there; any but the empty word on an accent, the weightier the stronger it is;
    rather a word that keeps time than one that does not.
    """
    weights = np.array([WEIGHTY.get(drum.name, 0.0) for drum in DRUMS])
    keeps_time = np.array([drum.name in TIMEKEEPERS for drum in DRUMS])
    bias = accent * (matrix @ weights) + TIMEKEEPING * matrix[:, keeps_time].any(1)
    empty = ~matrix.any(1)
    if accent > 0:
        bias[empty] = NEVER
    if not present:
        bias[~empty] = NEVER
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
