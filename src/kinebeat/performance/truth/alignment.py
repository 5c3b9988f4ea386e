"""When notes were played, by the hands: the clock of the notes of a film is not always that of its pictures.

In the piano films it is off by a constant, up to 0.6 s and in every third clip by more than 0.1 s: the first note was
put at its time afterwards, the notes were heard in a sound that the films no longer have. A finger is on a key while
the key sounds, so notes that are moved until fingers are on the keys of as many as possible are at their time again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from kinebeat.performance.piano_keys import CENTRE_U, LOWEST_PITCH, PITCHES
from kinebeat.skeleton import LAYOUTS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kinebeat.performance.keyboard import Keyboard
    from kinebeat.performance.keypoints import Performer
    from kinebeat.performance.notes import Notes

LONGEST_LAG_S = 1.0
_GRID_S = 0.025
_HELD_S = 0.3
"""So much of a note counts at most: pianists let go of long notes and keep them with the pedal."""
_NEAR_U = 0.3
"""Standard deviation of where on its key a finger is, in white keys."""
_OVER_V = (-0.15, 1.1)
_FAR_COSTS = 0.03
"""A lag is believed if it puts this share more of the notes under fingers for every second of it."""
_AS_GOOD = 0.003
_TIPS = tuple(f"{hand}_hand_{f}4" for hand in ("left", "right") for f in ("thumb", "index", "middle", "ring", "pinky"))


class Alignment(NamedTuple):
    """How notes lie on a film.

    Attributes:
        lag_s: how much later the notes are than the hands; `notes.later(-lag_s)` are at their time.
        agreement: how much of the notes is under a finger then, 0..1.
        listed: how much of them is as they are.
    """

    lag_s: float
    agreement: float
    listed: float


def align(notes: Notes, performer: Performer, keyboard: Keyboard, *, longest_s: float = LONGEST_LAG_S) -> Alignment:
    """Find how much later notes are than the hands that play them.

    Args:
        notes: what is played, by a clock that is off by a constant.
        performer: the player's joints.
        keyboard: where the keys are.
        longest_s: how far to look in either direction.

    Returns:
        The alignment; no lag and no agreement where there is nothing to go by.
    """
    known = (notes.pitch >= LOWEST_PITCH) & (notes.pitch < LOWEST_PITCH + PITCHES)
    notes = notes[known]
    under = _under_finger(notes, performer, keyboard)
    if not len(notes) or not under.any():
        return Alignment(0.0, 0.0, 0.0)
    steps = round(longest_s / _GRID_S)
    lags_s = np.arange(-steps, steps + 1) * _GRID_S
    total = np.concatenate([np.zeros((1, len(notes))), np.cumsum(under, axis=0)])
    end_s = np.minimum(notes.offset_s, notes.onset_s + _HELD_S)
    share = np.array([_share(total, notes.onset_s - lag, end_s - lag) for lag in lags_s])
    score = share - _FAR_COSTS * np.abs(lags_s)
    best = last = first = int(score.argmax())
    # Where a finger rests on a key for longer than the note is, several lags are as good: the middle one is taken.
    while last + 1 < len(score) and score[last + 1] >= score[best] - _AS_GOOD:
        last += 1
    while first > 0 and score[first - 1] >= score[best] - _AS_GOOD:
        first -= 1
    return Alignment(float((lags_s[first] + lags_s[last]) / 2), float(share[best]), float(share[steps]))


def align_to_strokes(
    notes: Notes, struck: NDArray[np.floating[Any]], fps: float, *, longest_s: float = LONGEST_LAG_S
) -> float:
    """How much later notes are than the keys that are seen to go down, seconds.

    Args:
        notes: what is played, by a clock that is off by a constant.
        struck: (T, 88) in [0, 1], how likely each key is struck in each picture.
        fps: pictures a second.
        longest_s: how far to look in either direction.
    """
    known = (notes.pitch >= LOWEST_PITCH) & (notes.pitch < LOWEST_PITCH + PITCHES)
    onset_s, keys = notes.onset_s[known], notes.pitch[known] - LOWEST_PITCH
    if not len(onset_s) or len(struck) < 2:
        return 0.0
    step_s = _GRID_S / 5
    lags_s = np.arange(-round(longest_s / step_s), round(longest_s / step_s) + 1) * step_s
    places = np.clip((onset_s - lags_s[:, None]) * fps, 0, len(struck) - 1)
    before = np.minimum(places.astype(np.int64), len(struck) - 2)
    share = places - before
    found = (1 - share) * struck[before, keys] + share * struck[before + 1, keys]
    return float(lags_s[found.mean(1).argmax()])


def _under_finger(notes: Notes, performer: Performer, keyboard: Keyboard) -> NDArray[np.float64]:
    """How near the nearest fingertip is to each note's key, (T, N) in [0, 1], every 25 ms from time 0 on."""
    track = performer.track
    names = LAYOUTS[track.layout].joints
    uv = keyboard.key_units(track.xy[:, [names.index(tip) for tip in _TIPS]].astype(np.float64))
    grid_s = np.arange(0.0, float(track.times_s[-1]) + _GRID_S / 2, _GRID_S)
    keys_u = CENTRE_U[notes.pitch - LOWEST_PITCH]
    nearest = np.zeros((len(grid_s), len(notes)))
    for u, v in np.moveaxis(uv, 1, 0).transpose(0, 2, 1):
        seen = np.isfinite(u) & np.isfinite(v)
        if seen.any():
            u_of, v_of = (np.interp(grid_s, track.times_s[seen], part[seen]) for part in (u, v))
            over = (v_of > _OVER_V[0]) & (v_of < _OVER_V[1])
            near = np.exp(-0.5 * ((u_of[:, None] - keys_u) / _NEAR_U) ** 2)
            np.maximum(nearest, near * over[:, None], out=nearest)
    return nearest


def _share(total: NDArray[np.float64], begin_s: NDArray[np.float64], end_s: NDArray[np.float64]) -> float:
    """Mean over notes of how near a finger was between two times, from running sums."""
    first = np.clip(np.round(begin_s / _GRID_S), 0, len(total) - 2).astype(np.int64)
    last = np.clip(np.round(end_s / _GRID_S).astype(np.int64), first + 1, len(total) - 1)
    each = np.arange(total.shape[1])
    return float(((total[last, each] - total[first, each]) / (last - first)).mean())
