"""Video -> raw landmarks, with MediaPipe in several processes.

The pictures are decoded once, in order, and dealt out in chunks of a fixed length. A chunk is analysed as if it
stood alone, after a few pictures of the chunk before it to warm up on, and at the seam the two are blended. Where it
follows another person than the chunk before, it is done again and shown first only the place where that person was.
So the result is the same, bit for bit, whatever the number of processes, and so is the memory, whatever the length.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from math import ceil
from typing import TYPE_CHECKING

import numpy as np

from kinebeat import video_in
from kinebeat.pose import shots
from kinebeat.pose.pool import Answer, Box, Job, Pool
from kinebeat.pose.worker import LANDMARKS, SlotShape

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from av.video.frame import VideoFrame
    from numpy.typing import NDArray

# Pictures per chunk, and how many of the chunk before are seen again. Fixed, never a function of the machine.
CHUNK, WARM_UP = 72, 4
# The last of the warm-up pictures are mixed with what the chunk before says of them. Its first two follow the
# detector's coarse box rather than the body and are left out.
BLEND = 2
# Longer side of the pictures MediaPipe sees. It looks at the body in 256 pixels, so more gives little; 720p needs no
# scaling, which costs more than the pixels it saves.
PICTURE_SIDE = 1280
# Pictures nearer in time than this are left out, so that 120 and 240 a second become 60: no movement needs them, and
# each costs as much as any other. A little less than a sixtieth, as the times of phones waver.
LEAST_STEP_S = 0.0135
_MAX_WORKERS = 8
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


def usable_cores() -> int:
    """Cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def find_landmarks(
    path: str | Path, *, workers: int | None = None, progress: Callable[[float], None] | None = None
) -> RawPose:
    """Run MediaPipe Pose over a video.

    Args:
        path: a video file.
        workers: processes; None takes the usable cores, 8 at most. The result does not depend on it.
        progress: called with the share done, 0 to 1, from the calling thread.

    Returns:
        The landmarks of the person MediaPipe follows.

    Raises:
        InputError: the video cannot be used.
        KinebeatError: a worker process failed.
    """
    info = video_in.probe(path)
    expected = min(info.frames_estimate, ceil(info.duration_s / LEAST_STEP_S))
    wanted = min(usable_cores(), _MAX_WORKERS) if workers is None else max(1, workers)
    if expected:
        wanted = min(wanted, ceil(expected / CHUNK))
    pool: Pool | None = None
    joined = _Joined()
    times_s: list[float] = []
    waiting: dict[int, Answer] = {}
    sent = done = 0

    def take(pool: Pool) -> None:
        """Wait for an answer and join those whose turn it is."""
        nonlocal done
        answer = pool.next_answer()
        waiting[answer.job.number] = answer
        while done in waiting:
            answer = waiting.pop(done)
            look_in = joined.other_person(answer)
            if look_in is not None and answer.job.look_in is None:
                pool.send(replace(answer.job, look_in=look_in))
                return
            joined.add(answer)
            pool.release(answer.job.slot)
            done += 1
            if progress is not None and info.duration_s > 0:
                progress(min(1.0, times_s[joined.frames - 1] / info.duration_s))

    try:
        slot = filled = skip = 0
        tail: NDArray[np.uint8] | None = None
        for time_s, frame, (width, height), turns in video_in.raw_frames(
            path, max_side=PICTURE_SIDE, least_step_s=LEAST_STEP_S
        ):
            if pool is None:
                pool = Pool(wanted, SlotShape(CHUNK + WARM_UP, width, height, turns))
            if filled == 0:
                while (free := pool.free_slot()) is None:
                    take(pool)
                slot = free
                skip = 0 if tail is None else len(tail)
                if tail is not None:
                    pool.views[slot].pictures[:skip] = tail
                filled = skip
            _store(frame, pool.views[slot].pictures[filled], width, height)
            times_s.append(time_s)
            filled += 1
            if filled == skip + CHUNK:
                tail = pool.views[slot].pictures[filled - WARM_UP : filled].copy()
                pool.send(Job(sent, slot, filled, skip))
                sent += 1
                filled = 0
        if pool is not None and filled:
            pool.send(Job(sent, slot, filled, skip))
            sent += 1
        while pool is not None and done < sent:
            take(pool)
    finally:
        if pool is not None:
            pool.close()
    xy, visibility = joined.poses()
    if progress is not None:
        progress(1.0)
    return RawPose(
        xy=xy * np.array([info.width, info.height], np.float32),
        visibility=visibility,
        times_s=np.array(times_s),
        cuts=joined.changes.cuts(),
        change=joined.changes.steps(),
        size=(info.width, info.height),
    )


def _store(frame: VideoFrame, into: NDArray[np.uint8], width: int, height: int) -> None:
    """Convert a decoded frame to yuv420p of the given size and copy its planes, without their padding."""
    small = frame.reformat(width=width, height=height, format="yuv420p")
    flat = into.reshape(-1)
    at = 0
    for plane in small.planes:
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[: plane.height, : plane.width]
        flat[at : at + rows.size] = rows.ravel()
        at += rows.size


@dataclass
class _Joined:
    """Chunks put together, in order."""

    parts: list[NDArray[np.float32]] = field(default_factory=list)
    changes: shots.Changes = field(default_factory=shots.Changes)
    frames: int = 0

    def other_person(self, answer: Answer) -> Box | None:
        """Where the person followed so far is, if the next chunk follows someone else; None where all is well."""
        before, again = self._seam(answer)
        if not (np.isfinite(before).all() and np.isfinite(again).all()) or _same_body(before, again):
            return None
        first = self.parts[-1][-answer.job.skip]
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
        whole = np.concatenate(self.parts) if self.parts else np.zeros((0, LANDMARKS, 3), np.float32)
        return whole[..., :2], np.nan_to_num(whole[..., 2])

    def _seam(self, answer: Answer) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The last frames so far, a view, and what the next chunk says of them; none before the first chunk."""
        skip = answer.job.skip
        if not skip:
            return answer.poses[:0], answer.poses[:0]
        return self.parts[-1][-BLEND:], answer.poses[skip - BLEND : skip]


def _same_body(a: NDArray[np.float32], b: NDArray[np.float32]) -> bool:
    """Whether two looks at the same frames, (N, 33, 3), show one person: within half a torso, all found."""
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        return False
    if not len(a):
        return True
    torso = np.linalg.norm(a[:, (11, 12), :2].mean(1) - a[:, (23, 24), :2].mean(1), axis=-1).mean()
    apart = np.median(np.linalg.norm(a[..., :2] - b[..., :2], axis=-1))
    return bool(apart < 0.5 * torso)
