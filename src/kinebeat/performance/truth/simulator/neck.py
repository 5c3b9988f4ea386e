"""The left hand on a neck: where it is, and which fingertips stop which strings when."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from kinebeat.performance.notes import Notes
from kinebeat.performance.truth.simulator.figure import frame_of, place_hand, seen_from_hand, stepped
from kinebeat.performance.truth.simulator.hand import TIPS
from kinebeat.performance.truth.simulator.motion import PEAK_SPEED, sway, window
from kinebeat.performance.truth.simulator.strings import LENGTHS_M, Stopped, along_m, stop_notes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kinebeat.performance.truth.simulator.figure import Figure

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

_SHORTEST_S = 0.04
_TOGETHER_S = 0.06
_PRESS_S, _LEAVE_S = 0.07, 0.1
_LIFT_M = 0.015
_VIBRATO_FROM_S = 0.3


class Neck(NamedTuple):
    """Where an instrument's strings are.

    Attributes:
        nut_m: (3,) the middle string's end at the scroll or head.
        along: (3,) unit vector from the nut to the bridge.
        across: (3,) unit vector from the first string to the last.
        out: (3,) unit vector away from the fingerboard.
        apart_m: from string to string.
        strings: how many.
        long_m: from the nut to the bridge.
    """

    nut_m: Floats
    along: Floats
    across: Floats
    out: Floats
    apart_m: float
    strings: int
    long_m: float

    def place(self, string: Floats | Ints, from_nut_m: Floats) -> Floats:
        """(..., 3) a point on a string."""
        side = self.apart_m * (np.asarray(string) - (self.strings - 1) / 2)
        return np.asarray(self.nut_m + from_nut_m[..., None] * self.along + np.asarray(side)[..., None] * self.across)


class Grip(NamedTuple):
    """How the left hand is held, in units of the neck's own directions (along, across, out).

    Attributes:
        wrist_m: the wrist, from where the index finger stops.
        fingers: where the fingers point.
        back: where the back of the hand looks.
        vibrato: whether long notes tremble.
    """

    wrist_m: tuple[float, float, float]
    fingers: tuple[float, float, float]
    back: tuple[float, float, float]
    vibrato: bool


def playable(notes: Notes, instrument: str, figure: Figure) -> tuple[Notes, Stopped]:
    """What can be played of a part, and how.

    Notes that the hand cannot be there for in time are left out; a note ends where its string is needed.
    """
    stopped = stop_notes(notes, instrument)
    notes = notes[stopped.kept]
    string, finger, semitones, hand = (np.asarray(a) for a in stopped[1:])
    where = along_m(instrument, hand)
    can = np.ones(len(notes), np.bool_)
    since_s, at_m = -np.inf, 0.0
    for n in range(len(notes)):
        if finger[n] == 0:
            continue
        way_s = PEAK_SPEED * abs(where[n] - at_m) / figure.fastest_m_s
        if notes.onset_s[n] - since_s > _TOGETHER_S and notes.onset_s[n] - since_s - _SHORTEST_S < way_s:
            can[n] = False
            continue
        since_s, at_m = float(notes.onset_s[n]), float(where[n])
    notes, string, finger = notes[can], string[can], finger[can]
    semitones, hand = semitones[can], hand[can]
    offset = notes.offset_s.copy()
    for n in range(len(notes)):
        # The string is played again, or its finger or the hand has to go.
        later = slice(n + 1, None)
        again = (string[later] == string[n]) & (notes.onset_s[later] > notes.onset_s[n])
        moved = (finger[later] == finger[n]) & (semitones[later] != semitones[n])
        away = (hand[later] != hand[n]) & (finger[later] > 0)
        gone = np.flatnonzero(again | ((moved | away) & bool(finger[n])))
        if len(gone):
            offset[n] = min(offset[n], notes.onset_s[n + 1 + gone[0]] - 0.01)
    offset = np.maximum(offset, notes.onset_s + 0.02)
    kept = Notes(notes.onset_s, offset, notes.pitch, notes.velocity)
    return kept, stopped._replace(
        kept=np.ones(len(kept), bool), string=string, finger=finger, semitones=semitones, hand=hand
    )


def left_hand(
    notes: Notes,
    stopped: Stopped,
    instrument: str,
    neck: Neck,
    grip: Grip,
    times_s: Floats,
    figure: Figure,
    rng: np.random.Generator,
) -> tuple[Floats, Ints]:
    """Move the left hand.

    Returns:
        (T, 21, 3) its joints, and for each note the fingertip that stops it among them, 0 for an open string. At a
        note's onset that fingertip is on the string where the note is.
    """
    step_s = float(np.median(np.diff(times_s)))
    axes = np.stack([neck.along, neck.across, neck.out])
    stops = stopped.finger > 0
    at, first = np.unique(notes.onset_s[stops], return_index=True)
    hands = along_m(instrument, stopped.hand[stops][first]) if len(at) else along_m(instrument, np.array([2]))
    path = stepped(times_s, at if len(at) else np.zeros(1), hands[:, None], 0.16, figure.fastest_m_s)[:, 0]
    tremble = _vibrato(notes, stopped, times_s, rng) if grip.vibrato else np.zeros(len(times_s))
    root = neck.place(np.full(len(times_s), (neck.strings - 1) / 2), path)
    wrist = root + figure.hand * np.array(grip.wrist_m) @ axes
    wrist = wrist + 0.003 * figure.lively * sway(wrist.shape, step_s, 0.5, rng) + 0.006 * tremble[:, None] * neck.along
    ones = np.ones((len(times_s), 1))
    frame = frame_of(ones * (np.array(grip.fingers) @ axes), ones * (np.array(grip.back) @ axes))
    # Where fingers wait: above the middle string, a semitone or so from each other.
    reach = figure.hand * np.array([0.0, 0.0, 0.022, 0.042, 0.060]) * (0.6 if LENGTHS_M[instrument] < 0.4 else 1.0)
    wait = neck.place(np.full((len(times_s), 5), (neck.strings - 1) / 2), path[:, None] + reach)
    wait = wait + (_LIFT_M * rng.uniform(0.6, 1.5, 5))[:, None] * neck.out
    wait += 0.002 * figure.lively * sway(wait.shape, step_s, 0.3, rng)
    # The thumb is behind the neck.
    wait[:, 0] = root - 0.03 * neck.out + 0.02 * neck.along
    tips = wait
    for finger in range(1, 5):
        own = stopped.finger == finger
        if own.any():
            place = neck.place(stopped.string[own], along_m(instrument, stopped.semitones[own]))
            tips[:, finger] = _stopping(notes[own], place, tips[:, finger], times_s)
    tips[:, 1:] += 0.003 * tremble[:, None, None] * neck.along
    local = seen_from_hand(tips, wrist, frame, right=False)
    return place_hand(wrist, frame, local, figure.hand, right=False), np.where(stops, np.array(TIPS)[stopped.finger], 0)


def _stopping(notes: Notes, place: Floats, wait: Floats, times_s: Floats) -> Floats:
    """(T, 3) a fingertip that is on each of its places (N, 3) from the onset until the note ends."""
    before = np.concatenate([[-np.inf], notes.offset_s[:-1]])
    rise = np.minimum(np.maximum(notes.onset_s - _PRESS_S, before), notes.onset_s)
    after = np.concatenate([notes.onset_s[1:], [np.inf]])
    fall = np.maximum(np.minimum(notes.offset_s + _LEAVE_S, after), notes.offset_s)
    now = np.searchsorted(rise, times_s, side="right") - 1
    taken, total = np.zeros(len(times_s)), np.zeros((len(times_s), 3))
    for back in (0, 1):
        n = np.maximum(now - back, 0)
        share = window(times_s, rise[n], notes.onset_s[n], notes.offset_s[n], fall[n]) * (now >= back) * (1 - taken)
        total += share[:, None] * place[n]
        taken += share
    return np.asarray((1 - taken)[:, None] * wait + total)


def _vibrato(notes: Notes, stopped: Stopped, times_s: Floats, rng: np.random.Generator) -> Floats:
    """(T,) -1..1, on long notes that are stopped; it begins a little later than the note."""
    rate, wide = rng.uniform(5.0, 6.8), rng.uniform(0.3, 1.0)
    depth = np.zeros(len(times_s))
    for n in np.flatnonzero((stopped.finger > 0) & (notes.offset_s - notes.onset_s > _VIBRATO_FROM_S)):
        on, off = notes.onset_s[n], notes.offset_s[n]
        depth = np.maximum(depth, window(times_s, on + 0.08, on + 0.25, off - 0.08, off))
    return np.asarray(wide * depth * np.sin(2 * np.pi * rate * times_s + rng.uniform(0, 2 * np.pi)))
