"""Changing what was heard: another pitch, another key, another instrument (Foley Music, section 4.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kinebeat.accompaniment.harmony import NO_KEY, key_of, scale_pitch_classes
from kinebeat.performance.joining import without_overlaps
from kinebeat.performance.notes import Notes

if TYPE_CHECKING:
    from numpy.typing import NDArray

OCTAVE = 12
FEWEST_CLASSES = 4
"""Music of fewer pitch classes has no key that could be heard."""


def transposed(notes: Notes, semitones: int) -> Notes:
    """The notes higher by semitones, lower if negative, wherever that is."""
    return Notes.of(notes.onset_s, notes.offset_s, notes.pitch + semitones, notes.velocity)


def in_range(notes: Notes, lowest: int, highest: int) -> Notes:
    """The notes within an instrument's range: what lies beyond comes nearer by whole octaves.

    Args:
        notes: any.
        lowest: MIDI pitch.
        highest: MIDI pitch, an octave higher at least.
    """
    up = -(-np.maximum(lowest - notes.pitch, 0) // OCTAVE)
    down = -(-np.maximum(notes.pitch - highest, 0) // OCTAVE)
    folded = notes.pitch + OCTAVE * (up - down)
    return without_overlaps(Notes.of(notes.onset_s, notes.offset_s, folded, notes.velocity))


def heard_key(notes: Notes) -> int:
    """The key of notes by how long each pitch class sounds (`kinebeat.accompaniment.harmony`); `NO_KEY` if none."""
    weight = np.bincount(notes.pitch % OCTAVE, notes.offset_s - notes.onset_s, OCTAVE).astype(np.float64)
    if np.count_nonzero(weight) < FEWEST_CLASSES:
        return NO_KEY
    return key_of(weight, int(notes.pitch.min()) % OCTAVE)


def in_key(notes: Notes, key: int) -> Notes:
    """The notes in another key, the shape of the melody kept.

    The key that is heard moves to the new one by the nearer way, each of its degrees to the same degree, so that C
    major in A minor sounds minor. What is not of the key that is heard goes to the nearest degree, and so does
    everything where none is heard. Of two notes the higher is never the lower then, but both may become the same.

    Args:
        notes: any.
        key: number in `kinebeat.accompaniment.harmony`; `NO_KEY` changes nothing.
    """
    if key == NO_KEY or not len(notes):
        return notes
    pitch = notes.pitch + _steps(heard_key(notes), key)[notes.pitch % OCTAVE]
    return without_overlaps(Notes.of(notes.onset_s, notes.offset_s, pitch, notes.velocity))


def _steps(heard: int, key: int) -> NDArray[np.int64]:
    """(12,) by how many semitones each pitch class moves."""
    scale = _degrees(key)
    if heard == NO_KEY:
        tonic, move, before = key % OCTAVE, 0, scale
    else:
        tonic = heard % OCTAVE
        move = (key - heard + 5) % OCTAVE - 5  # by at most 6 up and 5 down
        before = _degrees(heard)
    # Above the tonic; one octave more on either side, so that every class has a degree below and one above it.
    degrees, goals = (np.concatenate([x - OCTAVE, x, x + OCTAVE]) for x in (before, scale))
    steps = np.zeros(OCTAVE, np.int64)
    for above in range(OCTAVE):
        here = np.flatnonzero(degrees == above)
        if len(here):
            goal = goals[here[0]]
        else:  # between two degrees: to the nearer of theirs, and the lower where both are as near
            place = int(np.searchsorted(degrees, above))
            between = goals[place - 1 : place + 1]
            goal = between[int(np.argmin(np.abs(between - above)))]
        steps[(tonic + above) % OCTAVE] = goal - above + move
    return steps


def _degrees(key: int) -> NDArray[np.int64]:
    """Semitones of a key's degrees above its tonic, rising."""
    return (np.array(scale_pitch_classes(key)) - key) % OCTAVE
