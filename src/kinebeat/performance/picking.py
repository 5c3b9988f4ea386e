"""Notes out of what keys or pitches do: peaks of "struck", ended where "held" ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kinebeat.performance.features import FPS
from kinebeat.performance.joining import without_overlaps
from kinebeat.performance.notes import Notes
from kinebeat.performance.piano_keys import CENTRE_U, LOWEST_PITCH

if TYPE_CHECKING:
    from numpy.typing import NDArray

NEAR_U = 1.2
"""Keys whose middles are this near may be one finger's doubt: what is given to all of them is given to one."""
APART_S = 0.09
"""A key is not struck twice within this, nor do neighbours share a stroke further apart."""
SHORTEST_S, LONGEST_S = 0.08, 4.0
_NEAR = 2
"""Frames about a peak that belong to it."""
_APART = 3
"""Semitones between pitches that are taken to begin together."""
_BESIDE, _BEGUN = 0.4, 0.2
"""What a further pitch of a chord is given at least: of what the likeliest is given, and as struck."""


@dataclass(frozen=True)
class Picking:
    """Thresholds, chosen on validation.

    Attributes:
        struck: of the probability that a key or one of its neighbours is struck.
        held: of the probability that a key is held, below which its note ends.
        beside: of what a further pitch of a chord is given, as struck and held, without keys.
    """

    struck: float = 0.4
    held: float = 0.15
    beside: float = 0.7


def pick(struck: NDArray[np.floating], held: NDArray[np.floating], how: Picking, velocity: int = 76) -> Notes:  # type: ignore[type-arg]
    """Notes of probabilities.

    The highest peak is taken first; what it and its neighbours are given about that time is then spent.

    Args:
        struck: (T, 88) in [0, 1], at `FPS` frames a second.
        held: (T, 88) in [0, 1].
        how: thresholds.
        velocity: of all notes.
    """
    beside = np.abs(CENTRE_U[:, None] - CENTRE_U) <= NEAR_U
    left = np.asarray(struck, np.float64).copy()
    reach = round(APART_S * FPS)
    # Strokes are given to a few frames: their sum in time is about 2 for a certain one.
    peaks = _peaks(left)
    order = np.argsort(-left[peaks], kind="stable")
    frames, keys = peaks[0][order], peaks[1][order]
    onsets: list[tuple[float, int, float]] = []
    for frame, key in zip(frames.tolist(), keys.tolist(), strict=True):
        around = slice(max(0, frame - reach), frame + reach + 1)
        if left[frame, key] < how.struck / 4:
            continue
        mass = left[around][:, beside[key]].max(0).sum()
        if mass < how.struck:
            continue
        onsets.append((place_of_peak(struck[:, key], frame) / FPS, key, _end_s(held[:, key], frame, how)))
        left[around, beside[key]] = 0.0
    if not onsets:
        return Notes.none()
    onset_s, key, end_s = (np.array(values) for values in zip(*onsets, strict=True))
    return without_overlaps(Notes.of(onset_s, np.maximum(end_s, onset_s + SHORTEST_S), key + LOWEST_PITCH, velocity))


def pick_voices(
    struck: NDArray[np.floating],  # type: ignore[type-arg]
    held: NDArray[np.floating],  # type: ignore[type-arg]
    how: Picking,
    voices: int,
    velocity: int = 76,
) -> Notes:
    """Notes of those who have no keys: first when something begins, then what.

    Where a film leaves the pitch in doubt, as between two strings, it may still be clear that a note begins: so what
    all pitches are given decides when, and the likeliest pitches are taken; of two next to each other one is doubt.

    Args:
        struck: (T, 88) in [0, 1], at `FPS` frames a second.
        held: (T, 88) in [0, 1].
        how: thresholds.
        voices: how many notes sound at once at most.
        velocity: of all notes.
    """
    any_left = np.asarray(struck, np.float64).sum(1, keepdims=True)
    any_of = any_left[:, 0].copy()
    frames = _peaks(any_left)[0]
    onsets: list[tuple[float, int, float]] = []
    for frame in frames[np.argsort(-any_left[frames, 0], kind="stable")].tolist():
        around = slice(max(0, frame - _NEAR), frame + _NEAR + 1)
        if any_left[frame, 0] < any_of[frame] / 2 or any_left[around].sum() < how.struck:
            continue
        any_left[around] = 0.0
        begun = struck[around].sum(0)
        given = begun + held[frame + 1 : frame + 1 + _NEAR].sum(0)
        at_s = place_of_peak(any_of, frame) / FPS
        onsets += [(at_s, key, _end_s(held[:, key], frame, how)) for key in _chord(given, begun, how, voices)]
    if not onsets:
        return Notes.none()
    onset_s, key, end_s = (np.array(values) for values in zip(*onsets, strict=True))
    if voices == 1:
        order = np.argsort(onset_s, kind="stable")
        onset_s, key, end_s = onset_s[order], key[order], end_s[order]
        end_s[:-1] = np.minimum(end_s[:-1], onset_s[1:])
    ends = np.maximum(end_s, onset_s + SHORTEST_S)
    return without_overlaps(Notes.of(onset_s, ends, key + LOWEST_PITCH, velocity))


def _chord(given: NDArray[np.float64], begun: NDArray[np.float64], how: Picking, voices: int) -> list[int]:
    """The keys that begin together, of what they are given in all and as struck, (88,) each."""
    order: list[int] = np.argsort(-given, kind="stable").tolist()
    sound = order[:1]
    least = max(how.beside, _BESIDE * given[sound[0]])
    for key in order[1:]:
        if len(sound) == voices or given[key] < least:
            break
        # What is hardly struck goes on from before.
        if begun[key] >= _BEGUN and min(abs(key - other) for other in sound) >= _APART:
            sound.append(key)
    return sound


def _peaks(struck: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Frames and keys of what is highest among its neighbours in time."""
    padded = np.pad(struck, ((1, 1), (0, 0)), constant_values=-1.0)
    frames, keys = np.nonzero((struck > padded[:-2]) & (struck >= padded[2:]) & (struck > 0))
    return frames, keys


def place_of_peak(values: NDArray[np.floating], frame: int) -> float:  # type: ignore[type-arg]
    """Where a peak is that is highest in some frame, in frames: by the parabola through it and its neighbours."""
    if not 0 < frame < len(values) - 1:
        return float(frame)
    before, here, after = (float(x) for x in values[frame - 1 : frame + 2])
    bend = before - 2 * here + after
    return frame + (0.5 * (before - after) / bend if bend < 0 else 0.0)


def _end_s(held: NDArray[np.floating], frame: int, how: Picking) -> float:  # type: ignore[type-arg]
    """Seconds at which a note ends that begins at a frame."""
    later = held[frame + 1 : frame + 1 + round(LONGEST_S * FPS)]
    over = np.flatnonzero(later < how.held)
    # A finger may take two frames to be seen as holding.
    over = over[over >= 2] if len(later) > 2 and (later[:4] >= how.held).any() else over
    return (frame + 1 + (int(over[0]) if len(over) else len(later))) / FPS
