"""The pool of worker processes that look for poses, and the memory shared with them."""

from __future__ import annotations

import json
import mmap
import os
import queue
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kinebeat.errors import KinebeatError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from kinebeat.pose.worker import SlotShape, SlotViews

Box = tuple[float, float, float, float]


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
    """Worker processes and the memory shared with them.

    The processes are plain child processes rather than `multiprocessing` ones, so that a script without a
    `__main__` guard can call this, and the memory is anonymous, so that nothing is left behind however this ends.
    """

    def __init__(self, workers: int, shape: SlotShape) -> None:
        slots = workers + 1
        size = slots * shape.slot_bytes
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[Answer | str] = queue.SimpleQueue()
        self._processes: list[subprocess.Popen[str]] = []
        self._threads: list[threading.Thread] = []
        self._fd = _anonymous_memory(size)
        block = mmap.mmap(self._fd, size)
        self.views: list[SlotViews] = [shape.views(block, slot) for slot in range(slots)]
        self._idle_slots = list(range(slots))
        order = json.dumps({"fd": self._fd, "slots": slots, "shape": asdict(shape)})
        root = Path(__file__).resolve().parents[2]
        code = f"import sys; sys.path.append({str(root)!r}); from kinebeat.pose.worker import main; main()"
        try:
            for _ in range(workers):
                process = subprocess.Popen(  # noqa: S603  our own interpreter and module
                    [sys.executable, "-P", "-W", "ignore", "-c", code, order],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    pass_fds=(self._fd,),
                    text=True,
                    # Ctrl-C in a terminal goes to the whole group: this process ends the workers itself.
                    start_new_session=True,
                )
                self._processes.append(process)
                thread = threading.Thread(target=self._serve, args=(process,), daemon=True)
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

    def close(self) -> None:
        """End the processes and let go of the memory."""
        # One for every thread that may wait: a signal may have come before the last was noted down.
        for _ in self._processes:
            self._jobs.put(None)
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.wait()
        for thread in self._threads:
            thread.join()
        for process in self._processes:
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with suppress(OSError):
                        pipe.close()
        self.views = []
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _serve(self, process: subprocess.Popen[str]) -> None:
        """Thread: pass jobs to one process and its answers back."""
        for job in self._requests():
            try:
                reply = _ask(process, job)
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


def _ask(process: subprocess.Popen[str], job: Job) -> dict[str, object]:
    """Send one job and wait for the answer; empty where the process has ended."""
    if process.stdin is None or process.stdout is None:
        return {}
    with suppress(BrokenPipeError):  # it may have said why before it ended
        order = {"slot": job.slot, "frames": job.frames, "look_in": job.look_in}
        process.stdin.write(json.dumps(order) + "\n")
        process.stdin.flush()
    line = process.stdout.readline()
    reply: dict[str, object] = json.loads(line) if line else {}
    return reply


def _anonymous_memory(size: int) -> int:
    """File descriptor of memory without a name: it is gone with the last process that holds it."""
    if hasattr(os, "memfd_create"):
        fd = os.memfd_create("kinebeat")
    else:
        with tempfile.TemporaryFile() as file:
            fd = os.dup(file.fileno())
    os.truncate(fd, size)
    return fd
