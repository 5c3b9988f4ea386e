"""The noun `Rhythm`: which 16th steps carry a beat and which an accent of the movement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kinebeat.beats.grid import BeatGrid


@dataclass(frozen=True)
class Rhythm:
    """Beats and accents on the 16th steps of a grid: what the drummer is given.

    Attributes:
        grid: the beats; all arrays below have `grid.steps` entries.
        beat: (S,) float32, 1 on beats and 0 elsewhere.
        accent: (S,) float32 in [0, 1], strength of the movement's accent at that step, 0 where there is none.
        accent_offset: (S,) float32 in [-0.5, 0.5), where within its step the accent falls, in 16ths.
        energy: (S,) float32 in [0, 1], how much the mover moves around that step; 0 is standing still.
        present: (S,) bool, whether anyone is in the picture at that step.
    """

    grid: BeatGrid
    beat: NDArray[np.float32]
    accent: NDArray[np.float32]
    accent_offset: NDArray[np.float32]
    energy: NDArray[np.float32]
    present: NDArray[np.bool_]
