"""What needs no model of playing, to judge models by: what pianists usually play, and what was played elsewhere.

The third, the key under the fingertip, is in `evaluation.fingertips`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from kinebeat.errors import OptionError
from kinebeat.performance.notes import Notes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from kinebeat.performance.truth.piano_videos import PianoClip


class Played(Protocol):
    """Something of some length in which notes are played."""

    @property
    def notes(self) -> Notes:
        """In its seconds."""

    @property
    def duration_s(self) -> float:
        """Length in seconds."""


TOGETHER_S = 0.03
"""Notes that begin so soon after each other are a chord."""
OTHERS = 8
"""So many other clips at most stand in for a clip."""


@dataclass(frozen=True)
class Prior:
    """What is usual in some clips, each array in any order.

    Attributes:
        before_s: (C,) how long each clip lasts before its first note.
        after_s: (C,) how long it lasts after its last onset.
        interval_s: (I,) between one chord or single note and the next, of all clips.
        size: (K,) of notes in a chord, of all clips.
        pitch: (N,) of all notes.
        length_s: (N,) of all notes.
        velocity: (N,) of all notes.
    """

    before_s: NDArray[np.float64]
    after_s: NDArray[np.float64]
    interval_s: NDArray[np.float64]
    size: NDArray[np.int64]
    pitch: NDArray[np.int64]
    length_s: NDArray[np.float64]
    velocity: NDArray[np.int64]

    def draw(self, duration_s: float, rng: np.random.Generator) -> Notes:
        """Notes for a clip of this length that nobody has looked at: everything is drawn from what is usual."""
        onset_s, end_s = float(rng.choice(self.before_s)), duration_s - float(rng.choice(self.after_s))
        onsets: list[float] = []
        pitches: list[int] = []
        while onset_s <= end_s:
            together = _different(self.pitch, int(rng.choice(self.size)), rng)
            onsets += [onset_s] * len(together)
            pitches += together
            onset_s += float(rng.choice(self.interval_s))
        which = rng.integers(len(self.length_s), size=len(onsets))
        return Notes.of(onsets, np.array(onsets) + self.length_s[which], pitches, self.velocity[which])


def fit_prior(clips: Sequence[Played]) -> Prior:
    """The prior of some clips.

    Raises:
        OptionError: there are no notes in them.
    """
    played = [clip for clip in clips if len(clip.notes)]
    if not played:
        raise OptionError("no notes to learn from: expected clips in which something is played")
    intervals, sizes = [], []
    for clip in played:
        first = np.flatnonzero(np.diff(clip.notes.onset_s, prepend=-np.inf) > TOGETHER_S)
        sizes.append(np.diff(first, append=len(clip.notes)))
        intervals.append(np.diff(clip.notes.onset_s[first]))
    every = [clip.notes for clip in played]
    between_s = np.concatenate(intervals)
    return Prior(
        np.array([clip.notes.onset_s[0] for clip in played]),
        np.array([max(0.0, clip.duration_s - clip.notes.onset_s[-1]) for clip in played]),
        between_s if len(between_s) else np.array([np.inf]),
        np.concatenate(sizes),
        np.concatenate([notes.pitch for notes in every]),
        np.concatenate([notes.offset_s - notes.onset_s for notes in every]),
        np.concatenate([notes.velocity for notes in every]),
    )


def elsewhere(clips: Sequence[PianoClip], number: int, *, seed: int = 0, most: int = OTHERS) -> list[int]:
    """Which clips stand in for a clip, so that what is heard in them is scored on it: numbers of some others.

    They are of other players, who play other pieces, and played in the same way (by one finger, or not), as far as
    there are such: a null that knows less would be too easy to beat.
    """
    own = clips[number]
    others = [i for i in range(len(clips)) if i != number]
    others = [i for i in others if clips[i].folder != own.folder] or others
    others = [i for i in others if clips[i].one_finger == own.one_finger] or others
    rng = np.random.default_rng([seed, number])
    return sorted(int(i) for i in rng.permutation(np.array(others, np.int64))[:most])


def until(notes: Notes, duration_s: float) -> Notes:
    """The notes that begin within a clip of this length."""
    return notes[notes.onset_s < duration_s]


def _different(pitches: NDArray[np.int64], count: int, rng: np.random.Generator) -> list[int]:
    """Pitches drawn from a list, each as often as it is in it, until so many are different or many were drawn."""
    found: dict[int, None] = {}
    for pitch in rng.choice(pitches, 4 * count):
        found[int(pitch)] = None
        if len(found) == count:
            break
    return list(found)
