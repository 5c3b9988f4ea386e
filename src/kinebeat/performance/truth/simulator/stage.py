"""The noun `Simulated`: a performance that nobody gave, with all that is true of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from kinebeat.performance.keyboard import Keyboard
    from kinebeat.performance.keypoints import Performer
    from kinebeat.performance.notes import Notes
    from kinebeat.pose.track import PoseTrack


@dataclass(frozen=True, eq=False)
class Simulated:
    """A simulated performance.

    Attributes:
        track: what a detector would find in the film, layout `body25_hands`: with jitter, doubt, gaps and swaps.
        clean: the same joints as they are; NaN only where the film does not show them.
        notes: what is really played. Notes that nobody could reach in time are left out, and a note ends
            where its finger has to leave it.
        joint: (N,) of each note, the joint of the layout that makes it: a fingertip, or the wrist of a bow.
        keyboard: of a piano, where its keys are in the picture; otherwise None.
        instrument: name in `INSTRUMENTS`.
    """

    track: PoseTrack
    clean: PoseTrack
    notes: Notes
    joint: NDArray[np.int64]
    keyboard: Keyboard | None
    instrument: str

    @property
    def performer(self) -> Performer:
        """The track as `read_performer` gives it."""
        from kinebeat.performance.keypoints import Performer

        return Performer(self.track, 0.0, ())
