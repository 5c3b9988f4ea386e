"""Guitar, ukulele and bass."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kinebeat.performance.truth.simulator.detector import HANDS
from kinebeat.performance.truth.simulator.figure import (
    curled_tips,
    draw_figure,
    frame_of,
    lively_shift,
    place_hand,
    seen_from_hand,
    stand,
)
from kinebeat.performance.truth.simulator.hand import TIPS
from kinebeat.performance.truth.simulator.motion import glide, sway, window
from kinebeat.performance.truth.simulator.neck import Grip, Neck, left_hand, playable
from kinebeat.performance.truth.simulator.piano_hands import chords_of
from kinebeat.performance.truth.simulator.strings import LENGTHS_M, TUNINGS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kinebeat.performance.notes import Notes
    from kinebeat.performance.truth.simulator.figure import Figure

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

_STRUM_FROM = 3
"""So many strings at once are strummed, fewer are plucked with a finger each."""
_APART_M = {"guitar": 0.0105, "ukulele": 0.013, "bass": 0.019}
_SWING_S = 0.09
_THUMB, _INDEX, _MIDDLE, _RING = 0, 1, 2, 3
_PULL_S, _READY_S, _BACK_S = 0.03, 0.07, 0.12


def play_plucked(
    notes: Notes, instrument: str, times_s: Floats, rng: np.random.Generator
) -> tuple[Floats, Notes, Ints, Figure]:
    """Play a plucked instrument.

    Returns:
        As `bowed.play_bowed`; an open string is made by the right hand's fingertip that plucks it, or its wrist.
    """
    figure = draw_figure(rng, seated_share=0.35 if instrument == "bass" else 0.75)
    neck = _held(instrument, figure, rng)
    grip = Grip((0.01, 0.045, -0.05), (-0.1, -0.75, 0.35), (-0.1, -0.3, -0.9), vibrato=bool(rng.random() < 0.3))
    played, stopped = playable(notes, instrument, figure)
    left, tip = left_hand(played, stopped, instrument, neck, grip, times_s, figure, rng)
    right, finger = _right_hand(played, stopped.string, instrument, neck, times_s, figure, rng)
    strong = played.onset_s[played.velocity >= np.percentile(played.velocity, 75)] if len(played) else np.zeros(0)
    shift = lively_shift(figure, times_s, strong, rng)
    places = stand(figure, left, right, shift, rng, turn_rad=float(rng.uniform(-0.5, 0.1)))
    joint = np.where(tip > 0, HANDS[0].start + tip, HANDS[1].start + finger)
    return places, played, joint, figure


def _held(instrument: str, figure: Figure, rng: np.random.Generator) -> Neck:
    """A neck to the player's left, its strings facing forward, the lowest on top."""
    size, long = figure.size, LENGTHS_M[instrument]
    rise = np.deg2rad(rng.normal({"guitar": 22.0, "ukulele": 18.0, "bass": 28.0}[instrument], 7.0))
    ahead = np.deg2rad(rng.normal(12.0, 6.0))
    along = np.array([np.cos(rise) * np.cos(ahead), -np.cos(rise) * np.sin(ahead), -np.sin(rise)])
    high = {"guitar": 0.17, "ukulele": 0.27, "bass": 0.1}[instrument] + (0.0 if figure.seated else 0.06)
    bridge = np.array([0.13 * size, 0.21 * size, figure.hip_m + high * size]) + rng.normal(0, 0.02, 3)
    out = np.array([0.0, 1.0, 0.25])
    out = out - (out @ along) * along
    out /= np.linalg.norm(out)
    across = np.cross(along, out)
    if across[2] > 0:  # downwards
        across = -across
    return Neck(bridge - long * along, along, across, out, _APART_M[instrument], len(TUNINGS[instrument]), long)


def _right_hand(
    notes: Notes, string: Ints, instrument: str, neck: Neck, times_s: Floats, figure: Figure, rng: np.random.Generator
) -> tuple[Floats, Ints]:
    """(T, 21, 3) the right hand, and (N,) which of its joints makes each note."""
    step_s = float(np.median(np.diff(times_s)))
    finger = np.zeros(len(notes), np.int64)
    chords = chords_of(notes.onset_s)
    strums = [c for c in chords if len(c) >= _STRUM_FROM]
    swing = _swings(notes, strums, string, figure, times_s, rng)
    share = float(rng.uniform(0.16, 0.3))
    spot = neck.place(np.full(len(times_s), (neck.strings - 1) / 2), np.full(len(times_s), (1 - share) * neck.long_m))
    wrist = spot + 0.055 * neck.out + figure.hand * (0.045 * neck.along - 0.055 * neck.across)
    wrist = wrist + swing[:, None] * neck.across + 0.003 * figure.lively * sway(wrist.shape, step_s, 0.5, rng)
    # A strum comes from the forearm, which turns.
    turned = 4.0 * swing[:, None]
    frame = frame_of(
        -0.45 * neck.along + (0.8 + turned) * neck.across - 0.35 * neck.out,
        neck.out - (0.3 - turned) * neck.across,
    )
    curl = np.clip(np.array([0.35, 0.55, 0.5, 0.5, 0.45]) + 0.08 * rng.standard_normal(5), 0.0, 1.0)
    tips = curled_tips(np.broadcast_to(curl, (len(times_s), 5)), figure.hand)
    plucks = np.concatenate([c for c in chords if len(c) < _STRUM_FROM] or [np.zeros(0, np.int64)])
    if len(plucks):
        plucking = _plucking_fingers(notes, plucks, string, instrument)
        for f in (_THUMB, _INDEX, _MIDDLE, _RING):
            own = plucks[plucking == f]
            if len(own):
                place = neck.place(string[own], np.full(len(own), (1 - share) * neck.long_m))
                tips[:, f] = _plucked(notes.onset_s[own], place, tips[:, f], wrist, frame, times_s)
        finger[plucks] = np.array(TIPS)[plucking]
    return place_hand(wrist, frame, tips, figure.hand, right=True), finger


def _swings(
    notes: Notes, strums: list[Ints], string: Ints, figure: Figure, times_s: Floats, rng: np.random.Generator
) -> Floats:
    """(T,) how far the hand is below the middle of the strings; each strum crosses it at its onset."""
    if not strums:
        return np.zeros(len(times_s))
    wide = rng.uniform(0.025, 0.06) * figure.size
    moments = np.array([(notes.onset_s[chord[0]] + notes.onset_s[chord[-1]]) / 2 for chord in strums])
    gaps = np.concatenate([[np.inf], np.diff(moments), [np.inf]])
    halves = np.minimum(_SWING_S, 0.3 * np.minimum(gaps[:-1], gaps[1:]))
    at: list[float] = []
    place: list[float] = []
    for chord, moment, half in zip(strums, moments, halves, strict=True):
        down = string[chord[0]] <= string[chord[-1]]
        far = wide * (0.5 + notes.velocity[chord].mean() / 127) * half / _SWING_S
        at += [moment - half, moment + half]
        place += [-far, far] if down else [far, -far]
    when = np.array(at)
    return glide(times_s, when[:-1], when[1:], np.array(place)[:, None])[0][:, 0]


def _plucking_fingers(notes: Notes, plucks: Ints, string: Ints, instrument: str) -> Ints:
    """Thumb on the low strings, a finger for each of the high ones; bassists take index and middle finger in turn."""
    if instrument == "bass":
        return np.where(np.arange(len(plucks)) % 2 == 0, _INDEX, _MIDDLE)
    strings = len(TUNINGS[instrument])
    own = np.where(string[plucks] < strings - 3, _THUMB, string[plucks] - (strings - 3) + _INDEX)
    if strings == 4:  # a ukulele: the thumb has the one on top
        own = np.where(string[plucks] == 0, _THUMB, string[plucks])
    # A finger is not quick enough to play twice in a row: its neighbour takes turns with it.
    for k in range(1, len(own)):
        if own[k] == own[k - 1] != _THUMB and notes.onset_s[plucks[k]] - notes.onset_s[plucks[k - 1]] < 0.25:
            own[k] = own[k] + 1 if own[k] < _RING else own[k] - 1
    return np.asarray(own, np.int64)


def _plucked(onset_s: Floats, place: Floats, wait: Floats, wrist: Floats, frame: Floats, times_s: Floats) -> Floats:
    """(T, 3) a fingertip in the hand's space: on the string until the onset, then pulled away from it."""
    n = np.clip(np.searchsorted(onset_s - _READY_S - _PULL_S, times_s, side="right") - 1, 0, None)
    on = onset_s[n]
    there = window(times_s, on - _READY_S, on - 0.2 * _PULL_S, on, on + _BACK_S)
    pulled = window(times_s, on, on + _PULL_S, on + _PULL_S, on + _BACK_S + _PULL_S)
    spot = seen_from_hand(place[n][:, None], wrist, frame, right=True)[:, 0]
    tip = wait + there[:, None] * (spot - wait)
    # Towards the palm.
    return np.asarray(tip + pulled[:, None] * np.array([0.0, -0.014, -0.006]))
