"""Violin, viola and cello."""

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
from kinebeat.performance.truth.simulator.motion import sway
from kinebeat.performance.truth.simulator.neck import Grip, Neck, left_hand, playable
from kinebeat.performance.truth.simulator.strings import LENGTHS_M, TUNINGS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kinebeat.performance.notes import Notes
    from kinebeat.performance.truth.simulator.figure import Figure

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

SAME_BOW_SHARE = 0.46
"""Share of notes that are played on the bow of the note before: of 20,562 notes of violin videos (YTVF), where 54 in a
hundred notes change the bow, almost whatever their length."""
_REST_S = 0.15  # after such a rest a new bow is taken
_LONGEST_S = 3.0
_BOW_M = (0.05, 0.5)  # where the string touches the bow, from the frog
_LIFTED_M_S = 1.2  # how fast a lifted bow goes, on the average
_STARTS = 0.12  # share of a stroke in which the bow gets its speed, and loses it
_TILT_RAD = np.deg2rad(15.0)  # from string to string
_CROSS_S = 0.08


class Strokes(NamedTuple):
    """Strokes of a bow.

    Attributes:
        start_s: (K,).
        end_s: (K,).
        from_m: (K,) where the string touches the bow at the start, from the frog; ...
        to_m: (K,) ... and at the end.
        of_note: (N,) which stroke each note is on.
    """

    start_s: Floats
    end_s: Floats
    from_m: Floats
    to_m: Floats
    of_note: Ints


def bow_strokes(notes: Notes, rng: np.random.Generator) -> Strokes:
    """Strokes for a part: new ones after rests, and after as many notes as violinists are seen to slur.

    Their direction alternates; louder and longer ones use more of the bow.
    """
    of_note = np.zeros(len(notes), np.int64)
    starts: list[float] = []
    until = -np.inf
    for n in range(len(notes)):
        onset = float(notes.onset_s[n])
        together = n > 0 and onset - notes.onset_s[n - 1] < 0.04
        rested = onset - until > _REST_S
        tired = bool(starts) and onset - starts[-1] > _LONGEST_S
        if not starts or not (together or (not rested and not tired and rng.random() < SAME_BOW_SHARE)):
            starts.append(onset)
        of_note[n] = len(starts) - 1
        until = max(until, float(notes.offset_s[n]))
    start = np.array(starts)
    end = np.array([notes.offset_s[of_note == k].max() for k in range(len(start))])
    end[:-1] = np.where(start[1:] - end[:-1] < _REST_S, start[1:], np.minimum(end[:-1], start[1:]))
    loud = np.array([notes.velocity[of_note == k].mean() for k in range(len(start))]) / 90.0
    wish = np.clip(rng.uniform(0.2, 0.5) * loud * (end - start) ** 0.7 + 0.03, 0.03, _BOW_M[1] - _BOW_M[0])
    begin, finish = np.zeros(len(start)), np.zeros(len(start))
    at, down = float(rng.uniform(0.1, 0.25)), True
    for k in range(len(start)):
        if k and start[k] - end[k - 1] >= _REST_S:  # lifted, and put on where there is room
            down = bool(rng.random() < 0.75)
            there = float(rng.uniform(0.08, 0.25) if down else rng.uniform(0.3, 0.48))
            far = _LIFTED_M_S * (start[k] - end[k - 1])
            at = float(np.clip(there, at - far, at + far))
        begin[k] = at
        at = float(np.clip(at + (wish[k] if down else -wish[k]), *_BOW_M))
        if abs(at - begin[k]) < 0.02:  # no bow is left this way
            at = float(np.clip(begin[k] - (wish[k] if down else -wish[k]), *_BOW_M))
            down = not down
        finish[k] = at
        down = not down
    return Strokes(start, end, begin, finish, of_note)


def bow_path(strokes: Strokes, times_s: Floats) -> Floats:
    """(T,) where the string touches the bow: even strokes, with short changes between."""
    k = np.clip(np.searchsorted(strokes.start_s, times_s, side="right") - 1, 0, None)
    share = np.clip((times_s - strokes.start_s[k]) / np.maximum(strokes.end_s[k] - strokes.start_s[k], 1e-6), 0, 1)
    even = 1 / (1 - _STARTS)
    gone = np.where(
        share < _STARTS,
        share**2 * even / (2 * _STARTS),
        np.where(share > 1 - _STARTS, 1 - (1 - share) ** 2 * even / (2 * _STARTS), (share - _STARTS / 2) * even),
    )
    path = strokes.from_m[k] + gone * (strokes.to_m[k] - strokes.from_m[k])
    # Between strokes, the way to where the next one begins.
    then = np.minimum(k + 1, len(strokes.start_s) - 1)
    rest = strokes.start_s[then] - strokes.end_s[k]
    later = np.clip((times_s - strokes.end_s[k]) / np.maximum(rest, 1e-6), 0, 1) * (then > k)
    return np.asarray(path + later**2 * (3 - 2 * later) * (strokes.from_m[then] - path))


def play_bowed(
    notes: Notes, instrument: str, times_s: Floats, rng: np.random.Generator
) -> tuple[Floats, Notes, Ints, Figure]:
    """Play a bowed instrument.

    Returns:
        Joints in space (T, 67, 3) as in `figure`, what is really played, for each note the joint that makes it (a
        fingertip of the left hand, for open strings the wrist that bows), and who plays.
    """
    figure = draw_figure(rng, seated_share=1.0 if instrument == "cello" else 0.35)
    neck, grip, bow = _held(instrument, figure, rng)
    played, stopped = playable(notes, instrument, figure)
    left, tip = left_hand(played, stopped, instrument, neck, grip, times_s, figure, rng)
    right = _bow_hand(played, stopped.string, neck, bow, times_s, figure, rng)
    onsets = played.onset_s[np.concatenate([[True], np.diff(played.onset_s) > 0.5])] if len(played) else np.zeros(0)
    shift = lively_shift(figure, times_s, onsets, rng)
    turn = 0.0 if instrument == "cello" else -0.55
    places = stand(figure, left, right, shift, rng, turn_rad=turn, elbows=((-0.4, 0.2, -1.0), (0.8, -0.2, -0.7)))
    joint = np.where(tip > 0, HANDS[0].start + tip, HANDS[1].start)
    return places, played, joint, figure


def _held(instrument: str, figure: Figure, rng: np.random.Generator) -> tuple[Neck, Grip, Floats]:
    """Where the strings are, how the left hand holds them, and where the bow points on the middle strings."""
    size, long = figure.size, LENGTHS_M[instrument]
    if instrument == "cello":
        along = np.array([0.22, 0.32, -0.92]) + rng.normal(0, 0.03, 3)
        along /= np.linalg.norm(along)
        bridge = np.array([0.02, 0.36, figure.hip_m + 0.06])
        out = np.array([0.0, 0.92, 0.32])
        grip = Grip((0.02, 0.085, 0.02), (0.15, -0.75, 0.1), (-0.1, 0.35, 0.9), vibrato=True)
    else:
        angle = np.deg2rad(rng.normal(42.0, 6.0))
        along = np.array([np.sin(angle), -np.cos(angle), rng.normal(0.05, 0.08)])
        along /= np.linalg.norm(along)
        chin = np.array([-0.05 * size, 0.10 * size, figure.neck_m + 0.02 * size])
        bridge = chin - 0.13 * along * long / 0.328
        out = np.array([0.4, 0.15, 1.0])
        grip = Grip((-0.01, -0.035, -0.075), (0.05, 0.55, 0.8), (-0.55, -0.7, 0.3), vibrato=True)
    out = out - (out @ along) * along
    out /= np.linalg.norm(out)
    across = np.cross(out, along) if instrument != "cello" else np.cross(along, out)
    # Strings go from the lowest to the highest: towards the bow's hand on a violin, away from it on a cello.
    right = np.array([1.0, 0.0, 0.0])
    if (across @ right > 0) == (instrument == "cello"):
        across = -across
    bow = across if instrument != "cello" else -across
    return Neck(bridge - long * along, along, across, out, 0.011, len(TUNINGS[instrument]), long), grip, bow


def _bow_hand(
    notes: Notes, string: Ints, neck: Neck, bow: Floats, times_s: Floats, figure: Figure, rng: np.random.Generator
) -> Floats:
    """(T, 21, 3) the right hand: along the bow as it is drawn, tilted from string to string."""
    step_s = float(np.median(np.diff(times_s)))
    share = float(rng.uniform(0.1, 0.16))  # from the bridge to the bow, as a share of the string
    middle = (neck.strings - 1) / 2
    if len(notes):
        strokes = bow_strokes(notes, rng)
        drawn = bow_path(strokes, times_s)
        at, first = np.unique(notes.onset_s, return_index=True)
        side = stepped(times_s, at, (string[first] - middle)[:, None].astype(np.float64), _CROSS_S)[:, 0]
        # The bow is off the string in rests.
        sounding = np.zeros(len(times_s))
        for start, end in zip(strokes.start_s, strokes.end_s, strict=True):
            sounding = np.maximum(sounding, ((times_s >= start - 0.1) & (times_s <= end + 0.1)).astype(np.float64))
        width = max(1, round(0.15 / step_s))
        lifted = 1 - np.convolve(sounding, np.ones(width) / width, "same")
    else:
        drawn, side, lifted = (np.full(len(times_s), value) for value in (0.3, 0.0, 1.0))
    contact = neck.place(side + middle, np.full(len(times_s), (1 - share) * neck.long_m))
    # On a string that lies towards the bow's hand the hand is lower, or nearer to the player.
    towards = np.sign(bow @ neck.across)
    tilt = (-towards * side * _TILT_RAD)[:, None]
    way = np.cos(tilt) * bow + np.sin(tilt) * neck.out
    wrist = contact + (drawn * figure.size)[:, None] * way + (0.02 + 0.05 * lifted)[:, None] * neck.out
    wrist = wrist + 0.004 * figure.lively * sway(wrist.shape, step_s, 0.5, rng)
    # Fingers hang over the stick and go along with it; the wrist is high at the frog and low at the tip.
    bend = (0.3 - drawn)[:, None]
    frame = frame_of(-0.75 * way - 0.55 * neck.out + 0.1 * neck.along, neck.out + 0.8 * bend * way - 0.3 * way)
    wrist = wrist - 0.075 * figure.hand * frame[:, 1]
    curl = 0.55 + 0.1 * rng.standard_normal(5) + 0.25 * bend * np.array([0.3, 1, 1, 1, 1.2])
    tips = curled_tips(np.clip(curl, 0.0, 1.0), figure.hand)
    return place_hand(wrist, frame, tips, figure.hand, right=True)
