"""Video of a musician -> raw hands and body, with MediaPipe in several processes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from kinebeat import video_in
from kinebeat.pose import chunks
from kinebeat.pose.hand_follower import HAND_POINTS
from kinebeat.pose.mediapipe_pose import Joined
from kinebeat.pose.musician_worker import HANDS, POINTS
from kinebeat.pose.worker import LANDMARKS, SlotShape

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from kinebeat.pose.processes import Workers

CHUNK = chunks.CHUNK
# Pictures nearer in time than this are left out: thirty a second tell when a finger comes down.
LEAST_STEP_S = 0.031
# From this rate the body, which moves less than the fingers, is looked at in every other picture.
_BODY_FPS = 22.0


@dataclass(frozen=True)
class RawMusician:
    """What MediaPipe saw, before any cleaning.

    Attributes:
        body_xy: (T, 33, 2) float32, pixels of the full upright picture; NaN where no body was found.
        visibility: (T, 33) float32; 0 where no body was found.
        hands_xy: (T, H, 21, 2) float32, pixels, in no order; NaN where there is no hand.
        right_share: (T, H) float32, how likely a hand is a right one, 0 to 1; NaN where there is none.
        counted: (T,) float32, hands in the picture where they were counted; NaN in most frames.
        times_s: (T,) float64.
        cuts: (T,) bool, whether a new shot begins at this frame.
        change: (T,) float64, how much the picture differs from the one before, of 255.
        size: width and height of the full upright picture.
    """

    body_xy: NDArray[np.float32]
    visibility: NDArray[np.float32]
    hands_xy: NDArray[np.float32]
    right_share: NDArray[np.float32]
    counted: NDArray[np.float32]
    times_s: NDArray[np.float64]
    cuts: NDArray[np.bool_]
    change: NDArray[np.float64]
    size: tuple[int, int]


def find_musician(
    path: str | Path,
    *,
    workers: Workers = None,
    least_step_s: float = 0.0,
    progress: Callable[[float], None] | None = None,
) -> RawMusician:
    """Run MediaPipe Hands, and Pose where there is a body, over a video.

    Args:
        path: a video file.
        workers: processes for this video, or kept ones; None takes the usable cores, 8 at most. The result does not
            depend on it.
        least_step_s: pictures nearer in time than this to the last one looked at are left out; `LEAST_STEP_S` at least.
        progress: called with the share done, 0 to 1, from the calling thread.

    Returns:
        The hands and the body.

    Raises:
        InputError: the video cannot be used.
        KinebeatError: a worker process failed.
    """
    info = video_in.probe(path)
    step_s = max(LEAST_STEP_S, least_step_s)
    shape = partial(SlotShape, points=POINTS, finder="musician", body_every=2 if info.fps > _BODY_FPS else 1)
    joined = Joined()
    times_s = chunks.deal(
        info, chunks.Dealing(CHUNK, least_step_s=step_s), shape, joined, workers=workers, progress=progress
    )
    size = np.array([info.width, info.height], np.float32)
    body, visibility = joined.poses()
    whole = np.concatenate(joined.parts)
    hands = whole[:, LANDMARKS:-1].reshape(len(whole), HANDS, HAND_POINTS + 1, 3)
    return RawMusician(
        body_xy=body * size,
        visibility=visibility,
        hands_xy=hands[:, :, :HAND_POINTS, :2] * size,
        right_share=hands[:, :, HAND_POINTS, 0],
        counted=whole[:, -1, 0],
        times_s=times_s,
        cuts=joined.changes.cuts(),
        change=joined.changes.steps(),
        size=(info.width, info.height),
    )
