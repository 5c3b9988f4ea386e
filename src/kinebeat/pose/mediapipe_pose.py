"""Video -> raw landmarks, with MediaPipe in several processes.

The chunks of `kinebeat.pose.chunks` are blended where they meet. Where a chunk follows another person than the one
before, it is done again and shown first only the place where that person was.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from kinebeat import video_in
from kinebeat.pose import chunks, shots
from kinebeat.pose.worker import LANDMARKS, SlotShape

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from kinebeat.pose.pool import Answer, Box
    from kinebeat.pose.processes import Workers

CHUNK, WARM_UP = chunks.CHUNK, chunks.WARM_UP
# The last of the warm-up pictures are mixed with what the chunk before says of them. Its first two follow the
# detector's coarse box rather than the body and are left out.
BLEND = 2
# Pictures nearer in time than this are left out, so that 120 and 240 a second become 60: no movement needs them, and
# each costs as much as any other. A little less than a sixtieth, as the times of phones waver.
LEAST_STEP_S = 0.0135
# How much of its size is added on every side of the box in which a person is looked for again.
_BOX_MARGIN = 0.25


@dataclass(frozen=True)
class RawPose:
    """What MediaPipe saw, before any cleaning.

    Attributes:
        xy: (T, 33, 2) float32, pixels of the full upright picture; NaN where nobody was found.
        visibility: (T, 33) float32; 0 where nobody was found.
        times_s: (T,) float64.
        cuts: (T,) bool, whether a new shot begins at this frame.
        change: (T,) float64, how much the picture differs from the one before, of 255.
        size: width and height of the full upright picture.
    """

    xy: NDArray[np.float32]
    visibility: NDArray[np.float32]
    times_s: NDArray[np.float64]
    cuts: NDArray[np.bool_]
    change: NDArray[np.float64]
    size: tuple[int, int]


def find_landmarks(
    path: str | Path, *, workers: Workers = None, progress: Callable[[float], None] | None = None
) -> RawPose:
    """Run MediaPipe Pose over a video.

    Args:
        path: a video file.
        workers: processes for this video, or kept ones; None takes the usable cores, 8 at most. The result does not
            depend on it.
        progress: called with the share done, 0 to 1, from the calling thread.

    Returns:
        The landmarks of the person MediaPipe follows.

    Raises:
        InputError: the video cannot be used.
        KinebeatError: a worker process failed.
    """
    info = video_in.probe(path)
    joined = Joined()
    dealing = chunks.Dealing(CHUNK, WARM_UP, LEAST_STEP_S)
    times_s = chunks.deal(info, dealing, SlotShape, joined, workers=workers, progress=progress)
    xy, visibility = joined.poses()
    return RawPose(
        xy=xy * np.array([info.width, info.height], np.float32),
        visibility=visibility,
        times_s=times_s,
        cuts=joined.changes.cuts(),
        change=joined.changes.steps(),
        size=(info.width, info.height),
    )


@dataclass
class Joined:
    """Chunks put together, in order; of each frame's points the first 33 are the body's."""

    parts: list[NDArray[np.float32]] = field(default_factory=list)
    changes: shots.Changes = field(default_factory=shots.Changes)
    frames: int = 0

    def other_person(self, answer: Answer) -> Box | None:
        """Where the person followed so far is, if the next chunk follows someone else; None where all is well."""
        before, again = self._seam(answer)
        if not (np.isfinite(before).all() and np.isfinite(again).all()) or _same_body(before, again):
            return None
        first = self.parts[-1][-answer.job.skip, :LANDMARKS]
        if not np.isfinite(first).all():
            return None
        low, high = first[:, :2].min(axis=0), first[:, :2].max(axis=0)
        margin = _BOX_MARGIN * (high - low)
        left, top = (low - margin).tolist()
        right, bottom = (high + margin).tolist()
        return left, top, right, bottom

    def add(self, answer: Answer) -> None:
        """Append a chunk; where it overlaps the one before, go over from that to this within a few frames."""
        before, again = self._seam(answer)
        if len(before) and _same_body(before, again):
            weight = (np.arange(1, BLEND + 1, dtype=np.float32) / (BLEND + 1))[:, None, None]
            before[:] = (1 - weight) * before + weight * again
        new = answer.poses[answer.job.skip :]
        self.parts.append(new)
        self.changes.add(answer.thumbs[answer.job.skip :])
        self.frames += len(new)

    def poses(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Positions (T, 33, 2) as shares of the picture and visibility (T, 33)."""
        parts = [part[:, :LANDMARKS] for part in self.parts]
        whole = np.concatenate(parts) if parts else np.zeros((0, LANDMARKS, 3), np.float32)
        return whole[..., :2], np.nan_to_num(whole[..., 2])

    def _seam(self, answer: Answer) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The last frames so far, a view, and what the next chunk says of them; none before the first chunk."""
        skip, body = answer.job.skip, answer.poses[:, :LANDMARKS]
        if not skip:
            return body[:0], body[:0]
        return self.parts[-1][-BLEND:, :LANDMARKS], body[skip - BLEND : skip]


def _same_body(a: NDArray[np.float32], b: NDArray[np.float32]) -> bool:
    """Whether two looks at the same frames, (N, 33, 3), show one person: within half a torso, all found."""
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        return False
    if not len(a):
        return True
    torso = np.linalg.norm(a[:, (11, 12), :2].mean(1) - a[:, (23, 24), :2].mean(1), axis=-1).mean()
    apart = np.median(np.linalg.norm(a[..., :2] - b[..., :2], axis=-1))
    return bool(apart < 0.5 * torso)
