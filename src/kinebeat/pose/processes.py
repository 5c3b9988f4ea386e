"""The processes that look for people: started for one clip, or kept for many."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kinebeat.errors import KinebeatError

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

MOST_WORKERS = 8
RENEWED_AFTER = 200
"""A process makes way for a new one after so many clips, so that no leak of any library can add up."""


def usable_cores() -> int:
    """Cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass
class Worker:
    """One process.

    Attributes:
        process: it reads and writes lines of JSON (`kinebeat.pose.worker`).
        finder: what it looks for, all its life: what it has loaded takes hundreds of megabytes.
        clips: how many it has been given work of.
    """

    process: subprocess.Popen[str]
    finder: str
    clips: int = 0

    def can_take(self, finder: str) -> bool:
        """Whether it can be given the next clip, in which this is looked for."""
        return self.process.poll() is None and self.clips < RENEWED_AFTER and self.finder == finder


class PoseWorkers:
    """Processes that look for people, kept from one clip to the next.

    To start one takes about half a second of a core. Give these to whatever takes a number of `workers`:

        with PoseWorkers(2) as workers:
            for clip in clips:
                soundtrack(clip, workers=workers)

    They look at one clip at a time, and what they find does not depend on what they saw before. They end with the
    block, or with the process that made them, however that ends. After an error they are ended, too; the next clip gets
    new ones.

    They are plain child processes rather than `multiprocessing` ones, so that a script without a `__main__` guard can
    call this. The memory shared with them is anonymous, so that nothing is left behind however this ends, and empty
    between two clips.

    Args:
        count: how many; None takes the usable cores, 8 at most. None is started before it is needed.

    Attributes:
        count: how many there are at most.
    """

    def __init__(self, count: int | None = None) -> None:
        self.count = min(usable_cores(), MOST_WORKERS) if count is None else max(1, count)
        self._workers: list[Worker] = []
        self._turn = threading.Lock()
        self._fd = _anonymous_memory()

    def __enter__(self) -> Self:
        """Nothing is started yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End them all."""
        self.close()

    def warm_up(self, finder: str = "body") -> None:
        """Start all processes and have them load what they look with; nobody waits for them.

        Args:
            finder: what will be looked for: "body", or "musician" for a musician's hands and body.
        """
        if not self._turn.acquire(blocking=False):
            return  # they are at work, so they are warm
        try:
            self._hire(self.count, finder)
        finally:
            self._turn.release()

    def close(self) -> None:
        """End all processes and let go of the memory."""
        self.stop()
        self._forget(self._workers)
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def take(self, count: int, finder: str) -> tuple[list[Worker], int]:
        """Have processes for a clip, until `give_back`.

        Args:
            count: how many, `self.count` at most.
            finder: what is looked for, see `warm_up`.

        Returns:
            The processes, and the file descriptor of the memory that is shared with them.

        Raises:
            KinebeatError: they are at work on another clip.
        """
        if not self._turn.acquire(blocking=False):
            raise KinebeatError("the pose workers are at work on another clip; let each thread have its own")
        try:
            self._hire(count, finder)
        except BaseException:
            self.stop()
            self.give_back()
            raise
        taken = self._workers[:count]
        for worker in taken:
            worker.clips += 1
        return taken, self._fd

    def stop(self) -> None:
        """Kill all processes, whatever they are doing."""
        for worker in self._workers:
            worker.process.kill()
        for worker in self._workers:
            worker.process.wait()

    def give_back(self) -> None:
        """Say that the clip is done. Nobody may look at the shared memory, or read from the processes, any more."""
        self._forget([worker for worker in self._workers if worker.process.poll() is not None])
        if self._fd >= 0:
            os.ftruncate(self._fd, 0)
        self._turn.release()

    def _hire(self, count: int, finder: str) -> None:
        """Have so many processes with a finder, in place of those that have died, are old or have another one."""
        self._forget([worker for worker in self._workers if not worker.can_take(finder)])
        while len(self._workers) < count:
            self._workers.append(Worker(self._start(finder), finder))

    def _start(self, finder: str) -> subprocess.Popen[str]:
        root = Path(__file__).resolve().parents[2]
        code = f"import sys; sys.path.append({str(root)!r}); from kinebeat.pose.worker import main; main()"
        return subprocess.Popen(  # noqa: S603  our own interpreter and module
            [sys.executable, "-P", "-W", "ignore", "-c", code, str(self._fd), finder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            pass_fds=(self._fd,),
            text=True,
            # Ctrl-C in a terminal goes to the whole group: this process ends the workers itself.
            start_new_session=True,
        )

    def _forget(self, workers: list[Worker]) -> None:
        """End some of the processes and close their pipes."""
        for worker in workers:
            worker.process.kill()
        for worker in workers:
            worker.process.wait()
            for pipe in (worker.process.stdin, worker.process.stdout):
                if pipe is not None:
                    with suppress(OSError):
                        pipe.close()
        self._workers = [worker for worker in self._workers if worker not in workers]


Workers = int | PoseWorkers | None
"""Who looks for people: so many processes for this clip alone, kept ones, or as many as there are cores."""


def _anonymous_memory() -> int:
    """File descriptor of empty memory without a name: it is gone with the last process that holds it."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("kinebeat")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
