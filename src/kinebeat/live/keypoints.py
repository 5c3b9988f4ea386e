"""What the live engine sees of one frame: the joints of one person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kinebeat import skeleton
from kinebeat.errors import OptionError
from kinebeat.pose.clean import believed

if TYPE_CHECKING:
    from numpy.typing import NDArray

LAYOUT = "rhythmicnet17"


@dataclass(frozen=True, slots=True)
class Keypoints:
    """One person's joints in one frame.

    Attributes:
        xy: (17, 2) float32, pixels of the upright picture, layout `rhythmicnet17`; NaN where a joint is not seen.
        score: (17,) float32 in [0, 1], the detector's confidence; 0 where a joint is not seen.
        size: width and height of the picture.
    """

    xy: NDArray[np.float32]
    score: NDArray[np.float32]
    size: tuple[int, int]

    @property
    def shares(self) -> NDArray[np.float32]:
        """(17, 2) places as shares of the picture's width and height, NaN where a joint is not seen."""
        return (self.xy / np.array(self.size, np.float32)).astype(np.float32)


def from_layout(
    xy: NDArray[np.floating[Any]], score: NDArray[np.floating[Any]], layout: str, size: tuple[int, int]
) -> Keypoints | None:
    """Keypoints from any layout, as they are.

    Args:
        xy: (J, 2) pixels, not finite where a joint is not seen.
        score: (J,) confidence.
        layout: name in `kinebeat.skeleton.LAYOUTS`.
        size: width and height of the picture.

    Returns:
        The keypoints; None where no joint is seen.

    Raises:
        OptionError: the layout is unknown, the shapes are not its own, or the size is not above 0.
    """
    if min(size) <= 0:
        raise OptionError(f"a picture's width and height are above 0, got {size[0]} x {size[1]}")
    xy17, score17 = skeleton.convert(np.asarray(xy, np.float32), np.nan_to_num(score), layout, LAYOUT)
    seen = np.isfinite(xy17).all(axis=-1)
    if not seen.any():
        return None
    xy17[~seen], score17[~seen] = np.nan, 0.0
    return Keypoints(xy17, np.clip(score17, 0.0, 1.0), size)


def from_landmarks(landmarks: NDArray[np.floating[Any]], size: tuple[int, int]) -> Keypoints | None:
    """Keypoints from what MediaPipe Pose says of one picture; joints that it only guesses are left out.

    Args:
        landmarks: (33, 3) x and y as shares of the picture's width and height, visibility; NaN where nobody is found.
        size: width and height of the picture.

    Returns:
        The keypoints; None where nobody is seen.
    """
    xy = landmarks[:, :2] * np.array(size, np.float32)
    found = from_layout(xy, landmarks[:, 2], "blazepose33", size)
    if found is None:
        return None
    sure = believed(found.xy[None], found.score[None], size)[0]
    return from_layout(sure, found.score, LAYOUT, size)
