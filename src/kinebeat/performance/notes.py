"""The noun `Notes`: what somebody plays, in seconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, eq=False)
class Notes:
    """Notes in order of onset, then of pitch; all arrays have one entry a note.

    Attributes:
        onset_s: (N,) float64, seconds of the clip.
        offset_s: (N,) float64, later than the onset.
        pitch: (N,) int64, MIDI pitch.
        velocity: (N,) int64 in 1..127.
    """

    onset_s: NDArray[np.float64]
    offset_s: NDArray[np.float64]
    pitch: NDArray[np.int64]
    velocity: NDArray[np.int64]

    @classmethod
    def of(cls, onset_s: ArrayLike, offset_s: ArrayLike, pitch: ArrayLike, velocity: ArrayLike = 80) -> Notes:
        """Notes in any order, put into theirs; one velocity may stand for all."""
        onset, offset = np.asarray(onset_s, np.float64), np.asarray(offset_s, np.float64)
        pitches = np.asarray(pitch, np.int64)
        velocities = np.broadcast_to(np.asarray(velocity, np.int64), pitches.shape)
        order = np.lexsort((pitches, onset))
        return cls(onset[order], offset[order], pitches[order], velocities[order].copy())

    @classmethod
    def none(cls) -> Notes:
        """Silence."""
        return cls.of([], [], [])

    def __len__(self) -> int:
        return len(self.pitch)

    def __getitem__(self, which: NDArray[Any] | slice) -> Notes:
        """Some of the notes, by a mask or a slice."""
        return Notes(self.onset_s[which], self.offset_s[which], self.pitch[which], self.velocity[which])

    def later(self, seconds: float) -> Notes:
        """The same notes, moved in time."""
        return Notes(self.onset_s + seconds, self.offset_s + seconds, self.pitch, self.velocity)
