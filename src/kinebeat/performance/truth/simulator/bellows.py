"""The accordion: keys for the right hand, bellows that the left hand draws and pushes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kinebeat.performance.notes import Notes
from kinebeat.performance.truth.simulator.detector import HANDS
from kinebeat.performance.truth.simulator.figure import (
    curled_tips,
    draw_figure,
    frame_of,
    lively_shift,
    place_hand,
    stand,
)
from kinebeat.performance.truth.simulator.hand import TIPS
from kinebeat.performance.truth.simulator.motion import sway
from kinebeat.performance.truth.simulator.piano_motion import move_hand
from kinebeat.performance.truth.simulator.piano_plan import KEY_M, PianoStyle, plan_hands
from kinebeat.performance.truth.simulator.winds import breaths

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kinebeat.performance.truth.simulator.figure import Figure

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

_SMALLER = 0.85  # an accordion's keys are narrower than a piano's
_MIDDLE_U = 28.0  # of its keys from F3 to F6, as white keys of a piano
_OPEN_M = (0.02, 0.38)
_TURNS_S = (1.5, 4.0)


def bellows_turns(notes: Notes, rng: np.random.Generator, until_s: float) -> Floats:
    """When the bellows turn: with the notes after rests, and with some note after so many seconds."""
    turns: list[float] = []
    phrases = set(breaths(notes).tolist())
    last, longest = 0.0, float(rng.uniform(*_TURNS_S))
    for onset in notes.onset_s:
        if onset > last and ((float(onset) in phrases and onset - last > 0.5) or onset - last > longest):
            turns.append(float(onset))
            last, longest = float(onset), float(rng.uniform(*_TURNS_S))
    return np.array([*turns, max(until_s, last + 1.0)])


def play_bellows(
    notes: Notes, instrument: str, times_s: Floats, rng: np.random.Generator
) -> tuple[Floats, Notes, Ints, Figure]:
    """Play the accordion.

    The right hand plays as on a piano; how fast the bellows go tells how loud.

    Returns:
        As `winds.play_wind`; each note's joint is the fingertip on its key.
    """
    del instrument  # there is one
    figure = draw_figure(rng, seated_share=0.7)
    style = PianoStyle(hands="right", size=figure.hand, row_v=float(rng.uniform(0.25, 0.5)), loose=figure.lively)
    plan = plan_hands(notes, style, rng)[1]
    played = plan.notes
    keys = move_hand(plan, times_s, style, rng) if len(played) else None
    right = _on_chest(keys, times_s, figure, rng)
    left = _left_hand(played, times_s, figure, rng)
    strong = played.onset_s[played.velocity > 85]
    places = stand(figure, left, right, lively_shift(figure, times_s, strong, rng), rng, turn_rad=0.3)
    joint = HANDS[1].start + np.array(TIPS)[plan.finger]
    return places, Notes(played.onset_s, played.offset_s, played.pitch, played.velocity), joint, figure


def _on_chest(keys: Floats | None, times_s: Floats, figure: Figure, rng: np.random.Generator) -> Floats:
    """(T, 21, 3) a hand that plays a keyboard which hangs before the chest: its bass is on top, its keys face right."""
    down = np.array([0.1, 0.12, -1.0]) + rng.normal(0, 0.04, 3)
    inward = np.array([-0.75, 0.65, 0.0]) + rng.normal(0, 0.06, 3)
    x = down / np.linalg.norm(down)
    y = inward - (inward @ x) * x
    y /= np.linalg.norm(y)
    z = np.cross(x, y)
    middle = np.array([0.16 * figure.size, 0.30 * figure.size, figure.hip_m + 0.24 * figure.size])
    if keys is None:
        ones = np.ones((len(times_s), 1))
        tips = curled_tips(np.full((len(times_s), 5), 0.4), figure.hand)
        return place_hand(ones * (middle - 0.1 * y), frame_of(ones * y, ones * z), tips, figure.hand, right=True)
    flat = keys - np.array([_MIDDLE_U * KEY_M, 0.0, 0.0])
    return np.asarray(middle + _SMALLER * flat @ np.stack([x, y, z]))


def _left_hand(notes: Notes, times_s: Floats, figure: Figure, rng: np.random.Generator) -> Floats:
    """(T, 21, 3) the hand behind its strap, which goes out and in with the bellows."""
    step_s = float(np.median(np.diff(times_s)))
    # Air flows while something sounds, the more the louder.
    flow = np.full(len(times_s), 0.03)
    for on, off, velocity in zip(notes.onset_s, notes.offset_s, notes.velocity, strict=True):
        sounding = (times_s >= on) & (times_s < off)
        flow[sounding] = np.maximum(flow[sounding], 0.25 + 0.75 * velocity / 127)
    turns = bellows_turns(notes, rng, float(times_s[-1]))
    way = np.where(np.searchsorted(turns, times_s, side="right") % 2 == 0, 1.0, -1.0)
    width = max(1, round(0.12 / step_s))
    speed = np.convolve(rng.uniform(0.06, 0.16) * way * flow, np.ones(width) / width, "same")
    opened = np.zeros(len(times_s))
    at = float(rng.uniform(0.05, 0.15))
    for k, v in enumerate(speed):
        # Near an end the player saves air rather than stop.
        room = (_OPEN_M[1] - at) if v > 0 else (at - _OPEN_M[0])
        at += v * step_s * min(1.0, max(room, 0.0) / 0.08)
        opened[k] = at
    middle = np.array([-0.16 * figure.size, 0.26 * figure.size, figure.hip_m + 0.22 * figure.size])
    fan = np.stack([-opened, 0.15 * opened, -0.35 * opened], axis=1)
    wrist = middle + fan + 0.002 * figure.lively * sway((len(times_s), 3), step_s, 0.4, rng)
    ones = np.ones((len(times_s), 1))
    frame = frame_of(ones * np.array([0.35, 0.9, -0.1]), ones * np.array([-0.9, 0.35, 0.2]))
    tips = curled_tips(np.clip(np.full((len(times_s), 5), 0.45) + 0.05 * rng.standard_normal(5), 0, 1), figure.hand)
    return place_hand(wrist, frame, tips, figure.hand, right=False)
