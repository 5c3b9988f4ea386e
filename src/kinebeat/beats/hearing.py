"""Hears the beat of a movement: what a network has learned of dance, and what is plain in a movement that repeats."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from kinebeat.accents import WEAKEST_PEAK, find_accents
from kinebeat.beats.activation import beat_activation
from kinebeat.beats.cues import kinematic, speed_minima, visual
from kinebeat.beats.decoding import Beats, clip_tempo, decode
from kinebeat.beats.tracking import track_beats
from kinebeat.motion import MOTION_FPS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from kinebeat.beats.grid import BeatGrid
    from kinebeat.motion import Motion

CUES: dict[str, Callable[[Motion], NDArray[np.floating[Any]]]] = {
    "learned": beat_activation,
    "kinematic offsets": kinematic,
    "speed minima": speed_minima,
    "visual beats": visual,
}
LEADS_S = {"learned": 0.0, "kinematic offsets": 0.075, "speed minima": 0.035, "visual beats": 0.10}
"""How much before the music's beat each cue peaks, on validation; by this it is moved before it is laid over others."""
WEIGHTS = {"learned": 1.0}
"""What dance is listened to with: on validation no mixture with other cues did better than the network alone."""
UNSURE, SURE = 0.12, 0.25
"""Activation at the beats of somebody who stands or of noise, and of dance, the least sure included."""
AFTER_S = 0.067
JERKY, SMOOTH = 0.15, 0.40
"""Correlation of the joints' velocities with those `AFTER_S` later: of frames in no order, and the least of people."""
STEP_UNEVEN = 0.4
SAME_TEMPO = 0.04
EXACT = 0.9
"""Clarity of landings that only a machine has, or one who moves like one."""


def hear_beats(motion: Motion, duration_s: float, tempo_bpm: float | None = None) -> BeatGrid:
    """Follow the beat of a movement through a whole clip.

    Two ears: `hear_dance` knows where the music's beat is in dance, `hear_repetition` hears what repeats itself,
    as steps and pendulums do. The surer one is believed; where both are sure, the plain one, which is the more exact.

    Args:
        motion: the movement.
        duration_s: length of the clip.
        tempo_bpm: if given, the tempo; only the phase is sought.

    Raises:
        OptionError: the tempo is outside 30 to 300 BPM.
    """
    accents = find_accents(motion, WEAKEST_PEAK)
    if tempo_bpm is not None:
        return track_beats(accents, duration_s, tempo_bpm)
    danced = hear_dance(motion)
    plain = hear_repetition(motion, danced)
    surer = plain if plain.confidence >= danced.confidence else danced
    return track_beats(accents, duration_s, heard=replace(surer, confidence=surer.confidence * bodily(motion)))


def bodily(motion: Motion) -> float:
    """How far a movement is one that a body can make, in [0, 1]: limbs have mass, their velocity lasts.

    Frames in no order and joints that jump about repeat themselves often enough by chance, or by what a network makes
    of them, to seem to have a beat.

    Args:
        motion: the movement.
    """
    later = round(AFTER_S * MOTION_FPS)
    now, then = (np.nan_to_num(part, nan=0.0) for part in (motion.velocity[:-later], motion.velocity[later:]))
    both = (now.any(-1) & then.any(-1))[..., None]
    power = float(np.sqrt((now**2 * both).sum(dtype=np.float64) * (then**2 * both).sum(dtype=np.float64)))
    lasting = float((now * then).sum(dtype=np.float64)) / power if power > 0 else 0.0
    return float(np.clip((lasting - JERKY) / (SMOOTH - JERKY), 0.0, 1.0))


def hear_dance(motion: Motion, weights: Mapping[str, float] = WEIGHTS) -> Beats:
    """The music's beats in a dance, from cues laid over each other.

    It is sure where the activation repeats itself and is high on its beats: a network that does not know hears a
    vague beat in anything.

    Args:
        motion: the movement.
        weights: of the cues, by their names in `CUES`.
    """
    activation = laid_over(motion, weights)
    heard = decode(activation)
    if not len(heard.beats_s):
        return replace(heard, confidence=0.0)
    at = np.clip(np.round(heard.beats_s * MOTION_FPS).astype(int), 0, len(activation) - 1)
    known = np.clip((activation[at].mean() - UNSURE) / (SURE - UNSURE), 0.0, 1.0)
    return replace(heard, confidence=float(heard.confidence * known))


def hear_repetition(motion: Motion, danced: Beats) -> Beats:
    """The beat of a movement's landings, or of its lows of speed if those repeat themselves more clearly.

    Either tells a tempo more surely than a place. Unless the landings are as regular as a machine's, where the network
    hears the same tempo, however faintly, it is asked for the beats. Else beats of the lows, which may lie anywhere
    between two landings, are moved, all alike, to where most lands.

    Args:
        motion: the movement.
        danced: what the network hears.
    """
    landings, lows = kinematic(motion), speed_minima(motion)
    by_lows = clip_tempo(lows)[1] > clip_tempo(landings)[1]
    # Right and left step unlike each other: here beats may be a good deal weaker and still be beats.
    heard = decode(lows if by_lows else landings, halves_below=STEP_UNEVEN)
    same = len(danced.beats_s) > 0 and abs(danced.tempo_bpm / heard.tempo_bpm - 1) < SAME_TEMPO
    if same and (by_lows or heard.confidence < EXACT):
        return replace(danced, confidence=max(heard.confidence, danced.confidence))
    return _landed(heard, landings) if by_lows else heard


def _landed(heard: Beats, landings: NDArray[np.float64]) -> Beats:
    """Beats moved by one constant, at most half of one, to where most lands."""
    half_s = 30 / heard.tempo_bpm
    shifts_s = np.arange(-half_s, half_s, 1 / MOTION_FPS)
    frames = (heard.beats_s[None, :] + shifts_s[:, None]) * MOTION_FPS
    landed = np.interp(frames, np.arange(len(landings)), landings, left=0.0, right=0.0).sum(1)
    return replace(heard, beats_s=heard.beats_s + shifts_s[int(np.argmax(landed))])


def laid_over(motion: Motion, weights: Mapping[str, float] = WEIGHTS) -> NDArray[np.float64]:
    """The weighted sum of cues over the heaviest weight, each moved to where the music's beat is, (T,) in [0, 1].

    Args:
        motion: the movement.
        weights: of the cues, by their names in `CUES`.
    """
    total = np.zeros(len(motion.times_s))
    frames = np.arange(len(total))
    for name, weight in weights.items():
        cue = np.asarray(CUES[name](motion), np.float64)
        total += weight * np.interp(frames - LEADS_S[name] * MOTION_FPS, frames, cue, left=0.0, right=0.0)
    return np.clip(total / max(weights.values()), 0.0, 1.0)
