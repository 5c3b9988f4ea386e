"""The noun `DrumTrack`: a drum performance on a beat grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kinebeat.beats.grid import BeatGrid


@dataclass(frozen=True)
class DrumTrack:
    """A drum performance: three matrices on the 16th steps of a grid (GrooVAE's representation).

    Attributes:
        grid: the beats.
        hits: (S, 9) bool, in the order of `kinebeat.drums.kit.DRUMS`.
        velocities: (S, 9) float32 in [0, 1], 0 where there is no hit.
        offsets: (S, 9) float32 in [-0.5, 0.5), in 16ths from the step, 0 where there is no hit.
    """

    grid: BeatGrid
    hits: NDArray[np.bool_]
    velocities: NDArray[np.float32]
    offsets: NDArray[np.float32]

    def onsets(self) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float32]]:
        """Times in seconds (N,), drum numbers (N,) and velocities (N,) of all hits, in order of time."""
        step, drum = np.nonzero(self.hits)
        time_s = self.grid.time_s(step + self.offsets[step, drum])
        order = np.argsort(time_s, kind="stable")
        return time_s[order], drum[order], self.velocities[step, drum][order]
