"""The noun `PoseTrack`: where one person's joints are, over time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class PoseTrack:
    """One person's joints over time.

    Attributes:
        xy: (T, J, 2) float32, pixels of the upright picture, x right and y down; NaN where a joint was not seen.
        score: (T, J) float32 in [0, 1], the detector's confidence; 0 where a joint was not seen.
        times_s: (T,) float64, the container's own timestamps, strictly increasing, first picture frame near 0.
        layout: name of the joint layout, a key of `kinebeat.skeleton.LAYOUTS`.
        shot: (T,) int32, number of the shot a frame belongs to; motion is never computed across a change of it.
        size: width and height of the upright picture in pixels.
    """

    xy: NDArray[np.float32]
    score: NDArray[np.float32]
    times_s: NDArray[np.float64]
    layout: str
    shot: NDArray[np.int32]
    size: tuple[int, int]

    @property
    def detected_share(self) -> float:
        """Share of the frames in which a person was found."""
        return float(np.isfinite(self.xy[..., 0]).any(1).mean())
