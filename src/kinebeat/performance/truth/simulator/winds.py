"""Flute, trumpet, bassoon and tuba."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from kinebeat.performance.truth.simulator.detector import HANDS
from kinebeat.performance.truth.simulator.figure import (
    curled_tips,
    draw_figure,
    frame_of,
    lively_shift,
    place_hand,
    stand,
    stepped,
)
from kinebeat.performance.truth.simulator.hand import TIPS
from kinebeat.performance.truth.simulator.motion import sway

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kinebeat.performance.notes import Notes
    from kinebeat.performance.truth.simulator.figure import Figure

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

# Which fingers are down: the left hand's thumb to little finger, then the right hand's.
_T, _1, _2, _3, _P = 0, 1, 2, 3, 4
_R1, _R2, _R3, _RP = 6, 7, 8, 9
# The first octave of a Boehm flute from C4; the second is played like it but for D and E flat, the third by its own.
_FLUTE = {
    0: (_T, _1, _2, _3, _R1, _R2, _R3, _RP),
    1: (_T, _1, _2, _3, _R1, _R2, _R3, _RP),
    2: (_T, _1, _2, _3, _R1, _R2, _R3),
    3: (_T, _1, _2, _3, _R1, _R2, _R3, _RP),
    4: (_T, _1, _2, _3, _R1, _R2, _RP),
    5: (_T, _1, _2, _3, _R1, _RP),
    6: (_T, _1, _2, _3, _R3, _RP),
    7: (_T, _1, _2, _3, _RP),
    8: (_T, _1, _2, _3, _P, _RP),
    9: (_T, _1, _2, _RP),
    10: (_T, _1, _R1, _RP),
    11: (_T, _1, _RP),
    12: (_1, _RP),
    13: (_RP,),
    14: (_T, _2, _3, _R1, _R2, _R3),
    15: (_T, _2, _3, _R1, _R2, _R3, _RP),
}
_FLUTE_HIGH = {
    0: (_1, _RP),
    1: (_RP,),
    2: (_T, _2, _3, _RP),
    3: (_T, _1, _2, _3, _P, _R1, _R2, _R3, _RP),
    4: (_T, _1, _2, _R1, _R2, _RP),
    5: (_T, _1, _3, _R1, _RP),
    6: (_T, _1, _3, _R3, _RP),
    7: (_1, _2, _3, _RP),
    8: (_2, _3, _P, _RP),
    9: (_T, _2, _R1, _RP),
    10: (_T, _R1, _RP),
    11: (_T, _1, _3, _RP),
}
# Fingers down on a bassoon, from F2 (all six holes) up to E3; below, thumbs and little fingers close more; from F3 the
# same once more, with the first hole half open, which from afar looks like open.
_BASSOON = (
    (_1, _2, _3, _R1, _R2, _R3),
    (_1, _2, _3, _R1, _R2, _R3, _RP),
    (_1, _2, _3, _R1, _R2),
    (_1, _2, _3, _R1, _R2, _RP),
    (_1, _2, _3, _R1),
    (_1, _2, _3, _R2),
    (_1, _2, _3),
    (_1, _2),
    (_1, _2, _P),
    (_1,),
    (_1, _3),
    (),
)
_VALVES = ((), (1,), (0,), (0, 1), (1, 2), (0, 2), (0, 1, 2))
"""Valves that lower a brass instrument by so many semitones."""
_OPEN = {"trumpet": (58, 65, 70, 74, 77, 82, 86), "tuba": (34, 41, 46, 50, 53, 58, 62)}
"""Pitches without valves, both in B flat."""
_QUICK_S = 0.06
_BREATH_S = 0.18


class Hold(NamedTuple):
    """How an instrument is held; lengths from the mouth.

    Attributes:
        wrists_m: (2, 3) the left and the right wrist.
        forward: (2, 3) where their fingers point.
        back: (2, 3) where the backs of the hands look.
        curl: (2,) how bent the fingers are.
        turn_rad: of the head.
    """

    wrists_m: Floats
    forward: Floats
    back: Floats
    curl: tuple[float, float]
    turn_rad: float


_HOLDS = {
    "flute": Hold(
        np.array([[0.20, 0.12, -0.10], [0.47, -0.02, -0.10]]),
        np.array([[0.5, -0.3, 0.8], [-0.3, 0.75, 0.45]]),
        np.array([[-0.5, 0.8, 0.4], [0.2, -0.4, 0.9]]),
        (0.55, 0.4),
        -0.35,
    ),
    "trumpet": Hold(
        np.array([[-0.04, 0.16, -0.12], [0.06, 0.14, -0.10]]),
        np.array([[0.8, 0.3, 0.45], [-0.55, 0.6, 0.45]]),
        np.array([[-0.4, 0.9, 0.0], [0.4, -0.1, 0.9]]),
        (0.75, 0.45),
        0.0,
    ),
    "bassoon": Hold(
        np.array([[-0.02, 0.20, -0.12], [0.14, 0.12, -0.50]]),
        np.array([[0.6, 0.7, 0.2], [-0.6, 0.7, -0.1]]),
        np.array([[-0.7, 0.4, 0.5], [0.7, 0.4, 0.3]]),
        (0.5, 0.5),
        0.1,
    ),
    "tuba": Hold(
        np.array([[-0.22, 0.30, -0.20], [0.10, 0.28, -0.28]]),
        np.array([[0.3, 0.6, 0.6], [-0.5, 0.7, -0.2]]),
        np.array([[-0.8, 0.3, 0.2], [0.5, 0.4, 0.8]]),
        (0.6, 0.45),
        0.1,
    ),
}


def fingers_down(instrument: str, pitch: int) -> tuple[int, ...]:
    """Fingers that close something for a note: 0 to 4 the left hand's from its thumb, 5 to 9 the right hand's."""
    if instrument in _OPEN:
        above = [p for p in _OPEN[instrument] if p >= pitch]
        lower = min(above[0] - pitch, len(_VALVES) - 1) if above else 0
        return tuple(_R1 + valve for valve in _VALVES[lower])
    if instrument == "flute":
        step = pitch - 60
        if step < 0:
            return _FLUTE[0]
        if step >= 26:
            return _FLUTE_HIGH[step % 12]
        return _FLUTE[step] if step in _FLUTE else _FLUTE[step - 12]
    step = pitch - 41
    if step < 0:
        return (_T, 5, *_BASSOON[0], *((_RP,) if step > -4 else (_P, _RP)))
    down = _BASSOON[step % 12]
    return tuple(f for f in down if f != _1) if step >= 12 else down


def breaths(notes: Notes) -> Floats:
    """Onsets of the notes before which there is time to breathe, the first among them."""
    if not len(notes):
        return np.zeros(0)
    rest = np.concatenate([[np.inf], notes.onset_s[1:] - np.maximum.accumulate(notes.offset_s)[:-1]])
    return np.asarray(notes.onset_s[rest > _BREATH_S])


def play_wind(
    notes: Notes, instrument: str, times_s: Floats, rng: np.random.Generator
) -> tuple[Floats, Notes, Ints, Figure]:
    """Play a wind instrument: one note at a time, the later one ends the earlier.

    Returns:
        Joints in space (T, 67, 3) as in `figure`, what is really played, for each note a fingertip that is down, or the
        right wrist where none is, and who plays.
    """
    figure = draw_figure(rng, seated_share={"bassoon": 0.9, "tuba": 1.0}.get(instrument, 0.5))
    single = np.concatenate([[True], np.diff(notes.onset_s) > 0.03]) if len(notes) else np.zeros(0, np.bool_)
    played = notes[single]
    if len(played):
        ends = np.concatenate([played.onset_s[1:], [np.inf]])
        played = played.of(played.onset_s, np.minimum(played.offset_s, ends), played.pitch, played.velocity)
    down = np.zeros((len(played), 10))
    for n, pitch in enumerate(played.pitch):
        down[n, list(fingers_down(instrument, int(pitch)))] = 1.0
    moment = played.onset_s if len(played) else np.zeros(1)
    states = stepped(times_s, moment, down if len(played) else np.zeros((1, 10)), _QUICK_S)
    hold = _HOLDS[instrument]
    mouth = np.array([0.0, 0.12 * figure.size, figure.neck_m + 0.13 * figure.size])
    step_s = float(np.median(np.diff(times_s)))
    offset = 0.008 * rng.standard_normal((2, 3))
    hands = []
    for side in range(2):
        wrist = mouth + figure.size * (hold.wrists_m[side] + offset[side])
        wander = 0.003 * figure.lively * sway((len(times_s), 3), step_s, 0.6, rng)
        tilt = 0.06 * rng.standard_normal((2, 3))
        ones = np.ones((len(times_s), 1))
        frame = frame_of(ones * (hold.forward[side] + tilt[0]), ones * (hold.back[side] + tilt[1]))
        own = states[:, 5 * side : 5 * side + 5]
        bent = hold.curl[side] + 0.06 * rng.standard_normal(5)
        curl = np.clip(bent + rng.uniform(0.05, 0.12) * (own - 0.5), 0.0, 1.0)
        tips = curled_tips(curl, figure.hand)
        # A key goes down by a centimetre, a finger that is up hovers as high.
        tips[..., 2] += figure.hand * np.array([0.3, 1, 1, 1, 1]) * 0.006 * (1 - 2 * own)
        hands.append(place_hand(wrist + wander, frame, tips, figure.hand, right=bool(side)))
    shift = lively_shift(figure, times_s, played.onset_s[played.velocity > 85], rng) + _breathing(
        played, times_s, figure, rng
    )
    places = stand(
        figure, hands[0], hands[1], shift, rng, turn_rad=hold.turn_rad, elbows=((-0.8, -0.1, -0.8), (0.8, -0.1, -0.8))
    )
    tip = np.array([int(np.flatnonzero(row)[-1]) if row.any() else -1 for row in down], np.int64)
    joint = np.where(tip >= 5, HANDS[1].start + np.array(TIPS)[tip % 5], HANDS[0].start + np.array(TIPS)[tip % 5])
    return places, played, np.where(tip < 0, HANDS[1].start, joint), figure


def _breathing(notes: Notes, times_s: Floats, figure: Figure, rng: np.random.Generator) -> Floats:
    """(T, 3) shoulders and instrument rise while breath is taken and come down with the first note."""
    shift = np.zeros((len(times_s), 3))
    for onset in breaths(notes):
        early = rng.uniform(0.2, 0.4)
        up = np.exp(-0.5 * ((times_s - onset + early) / (0.4 * early)) ** 2)
        nod = np.exp(-0.5 * ((times_s - onset - 0.03) / 0.08) ** 2)
        high = figure.lively * rng.uniform(0.4, 1.2)
        shift += high * (up[:, None] * np.array([0.0, -0.006, 0.018]) + nod[:, None] * np.array([0.0, 0.006, -0.01]))
    return shift
