"""The chunks of one clip, dealt to the processes that look at them through memory shared with them."""

from __future__ import annotations

import json
import mmap
import os
import queue
import threading
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import count
from typing import TYPE_CHECKING

from kinebeat.errors import KinebeatError

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from kinebeat.pose.processes import PoseWorkers
    from kinebeat.pose.worker import SlotShape, SlotViews

Box = tuple[float, float, float, float]
_CLIPS = count()


@dataclass(frozen=True)
class Job:
    """A chunk to analyse.

    Attributes:
        number: its place in the clip.
        slot: where its pictures lie.
        frames: how many there are.
        skip: how many of them, at the start, are of the chunk before.
        look_in: left, top, right, bottom as shares of the upright picture: where the person to follow is in the
            first picture; None where whoever is found first will do.
    """

    number: int
    slot: int
    frames: int
    skip: int
    look_in: Box | None = None


@dataclass(frozen=True)
class Answer:
    """What was found in a chunk.

    Attributes:
        job: what was asked.
        poses: (N, 33, 3) as in `SlotViews`.
        thumbs: (N, B) small pictures.
    """

    job: Job
    poses: NDArray[np.float32]
    thumbs: NDArray[np.uint8]


class Pool:
    """One clip's chunks and the processes that look at them.

    Args:
        workers: whose processes they are; nobody else may use them before `close`.
        size: how many of them.
        shape: of the slots, one more than there are processes.

    Raises:
        KinebeatError: the workers are at work on another clip.
    """

    def __init__(self, workers: PoseWorkers, size: int, shape: SlotShape) -> None:
        slots = size + 1
        self._workers = workers
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[Answer | str] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._layout = {"clip": next(_CLIPS), "slots": slots, "shape": asdict(shape)}
        self._idle_slots = list(range(slots))
        self._size = size
        self.views: list[SlotViews] = []
        taken, fd = workers.take(size, shape.finder)
        try:
            os.ftruncate(fd, slots * shape.slot_bytes)
            block = mmap.mmap(fd, slots * shape.slot_bytes)
            self.views = [shape.views(block, slot) for slot in range(slots)]
            for worker in taken:
                thread = threading.Thread(target=self._serve, args=(worker.process,), daemon=True)
                thread.start()
                self._threads.append(thread)
        except BaseException:
            self.close()
            raise

    def free_slot(self) -> int | None:
        """A slot to write into; None where all are in use."""
        return self._idle_slots.pop(0) if self._idle_slots else None

    def release(self, slot: int) -> None:
        """Give a slot back whose pictures are no longer needed."""
        self._idle_slots.append(slot)

    def send(self, job: Job) -> None:
        """Give a chunk to whichever process is free first."""
        self._jobs.put(job)

    def next_answer(self) -> Answer:
        """Wait for a chunk to be done. Its slot stays in use until it is released.

        Raises:
            KinebeatError: a process has failed.
        """
        answer = self._answers.get()
        if isinstance(answer, str):
            raise KinebeatError(f"the pose worker process failed ({answer}); try fewer workers")
        return answer

    def close(self, *, whole: bool = False) -> None:
        """Give the processes back.

        Args:
            whole: whether all answers have been taken; if not, the processes, which may be at work, are ended.
        """
        # One for every thread that may wait: a signal may have come before the last was noted down.
        for _ in range(self._size):
            self._jobs.put(None)
        if not whole:
            self._workers.stop()
        for thread in self._threads:
            thread.join()
        self.views = []
        self._workers.give_back()

    def _serve(self, process: subprocess.Popen[str]) -> None:
        """Thread: pass jobs to one process and its answers back."""
        for job in self._requests():
            try:
                reply = self._ask(process, job)
            except (OSError, ValueError):
                reply = {}
            if "slot" not in reply:
                self._answers.put(str(reply.get("error", f"exit code {process.wait()}")))
                return
            views = self.views[job.slot]
            poses, thumbs = views.poses[: job.frames].copy(), views.thumbs[: job.frames].copy()
            self._answers.put(Answer(job, poses, thumbs))

    def _requests(self) -> Iterator[Job]:
        while (job := self._jobs.get()) is not None:
            yield job

    def _ask(self, process: subprocess.Popen[str], job: Job) -> dict[str, object]:
        """Send one job and wait for the answer; empty where the process has ended."""
        if process.stdin is None or process.stdout is None:
            return {}
        with suppress(BrokenPipeError):  # it may have said why before it ended
            order = {**self._layout, "slot": job.slot, "frames": job.frames, "look_in": job.look_in}
            process.stdin.write(json.dumps(order) + "\n")
            process.stdin.flush()
        line = process.stdout.readline()
        reply: dict[str, object] = json.loads(line) if line else {}
        return reply
