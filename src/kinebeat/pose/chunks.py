"""A video dealt out in chunks to worker processes, and the answers joined in order.

The pictures are decoded once, in order, and dealt out in chunks of a fixed length. A chunk is analysed as if it
stood alone, after a few pictures of the chunk before it to warm up on. So the result is the same, bit for bit,
whatever the number of processes, and so is the memory, whatever the length.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil
from typing import TYPE_CHECKING, Protocol

import numpy as np

from kinebeat import video_in
from kinebeat.pose.pool import Answer, Box, Job, Pool
from kinebeat.pose.processes import PoseWorkers

if TYPE_CHECKING:
    from collections.abc import Callable

    from av.video.frame import VideoFrame
    from numpy.typing import NDArray

    from kinebeat.pose.processes import Workers
    from kinebeat.pose.worker import SlotShape

# Pictures per chunk, and how many of the chunk before are seen again. Fixed, never a function of the machine.
CHUNK, WARM_UP = 72, 4
# Longer side of the pictures MediaPipe sees. It looks at bodies and hands in 256 pixels, so more gives little; 720p
# needs no scaling, which costs more than the pixels it saves.
PICTURE_SIDE = 1280


class Joined(Protocol):
    """Where the answers go, in order."""

    frames: int

    def other_person(self, answer: Answer) -> Box | None:
        """Where to look instead, if the next chunk follows someone else; None where all is well."""

    def add(self, answer: Answer) -> None:
        """Take in the next chunk."""


@dataclass(frozen=True)
class Dealing:
    """How a video is dealt out.

    Attributes:
        chunk: new pictures per chunk.
        warm_up: pictures of the chunk before that are seen again.
        least_step_s: pictures nearer in time than this to the last one taken are left out.
    """

    chunk: int = CHUNK
    warm_up: int = WARM_UP
    least_step_s: float = 0.0


def deal(
    info: video_in.VideoInfo,
    dealing: Dealing,
    shape_of: Callable[[int, int, int, int], SlotShape],
    joined: Joined,
    *,
    workers: Workers = None,
    progress: Callable[[float], None] | None = None,
) -> NDArray[np.float64]:
    """Have a video analysed, chunk by chunk.

    Args:
        info: of the video.
        dealing: how it is dealt out.
        shape_of: the slots, from their number of pictures, the stored width and height, and the quarter turns.
        joined: takes the answers, in order.
        workers: processes for this video, or kept ones; None takes the usable cores, 8 at most. The result does not
            depend on it.
        progress: called with the share done, 0 to 1, from the calling thread.

    Returns:
        (T,) seconds of the pictures that were analysed.

    Raises:
        InputError: the video cannot be used.
        KinebeatError: a worker process failed.
    """
    if isinstance(workers, PoseWorkers):
        times_s = _dealt(info, dealing, shape_of, joined, workers, progress)
    else:
        with PoseWorkers(workers) as own:
            times_s = _dealt(info, dealing, shape_of, joined, own, progress)
    if progress is not None:
        progress(1.0)
    return np.array(times_s)


def _dealt(
    info: video_in.VideoInfo,
    dealing: Dealing,
    shape_of: Callable[[int, int, int, int], SlotShape],
    joined: Joined,
    workers: PoseWorkers,
    progress: Callable[[float], None] | None,
) -> list[float]:
    """Have kept processes analyse a video; the seconds of its pictures."""
    expected = info.frames_estimate
    if dealing.least_step_s > 0:
        expected = min(expected, ceil(info.duration_s / dealing.least_step_s))
    size = min(workers.count, ceil(expected / dealing.chunk)) if expected else workers.count
    pool: Pool | None = None
    times_s: list[float] = []
    waiting: dict[int, Answer] = {}
    sent = done = 0
    whole = False

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
            info.path, max_side=PICTURE_SIDE, least_step_s=dealing.least_step_s
        ):
            if pool is None:
                pool = Pool(workers, size, shape_of(dealing.chunk + dealing.warm_up, width, height, turns))
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
            if filled == skip + dealing.chunk:
                tail = pool.views[slot].pictures[filled - dealing.warm_up : filled].copy()
                pool.send(Job(sent, slot, filled, skip))
                sent += 1
                filled = 0
        if pool is not None and filled:
            pool.send(Job(sent, slot, filled, skip))
            sent += 1
        while pool is not None and done < sent:
            take(pool)
        whole = True
    finally:
        if pool is not None:
            pool.close(whole=whole)
    return times_s


def _store(frame: VideoFrame, into: NDArray[np.uint8], width: int, height: int) -> None:
    """Convert a decoded frame to yuv420p of the given size and copy its planes, without their padding."""
    small = frame.reformat(width=width, height=height, format="yuv420p")
    flat = into.reshape(-1)
    at = 0
    for plane in small.planes:
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[: plane.height, : plane.width]
        flat[at : at + rows.size] = rows.ravel()
        at += rows.size
