"""Worker processes that take orders as lines of JSON and answer so: what both ends share.

They are plain child processes, not those of `multiprocessing`, so that a script without a `__main__` guard can start
them. A worker ends at once when its parent closes the pipe or dies, whatever it is doing, so none is left behind.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    Message = dict[str, Any]

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
"""Environment of a worker: its cores are those of its fellows."""
PAUSE = {"pause": True}
"""What a parent says to have an order that can be taken up again make way for the next."""


def command(module: str) -> list[str]:
    """How to start a worker: the `main` of a module of this package, in our own interpreter.

    Args:
        module: its full name.
    """
    root = Path(__file__).resolve().parents[1]
    code = f"import sys; sys.path.append({str(root)!r}); from {module} import main; main()"
    return [sys.executable, "-P", "-W", "ignore", "-c", code]


def yield_to_others(by: int = 0) -> None:
    """Let other processes go first: whoever needs the processor now.

    A session of its own is on some systems a scheduling group of its own, and niceness counts only among its members;
    then the group is told how nice its first process is.

    Args:
        by: how much nicer this process becomes; 0 if it has been told by its parent.
    """
    niceness = os.nice(by)
    if niceness > 0:
        with suppress(OSError):
            Path("/proc/self/autogroup").write_text(str(niceness), encoding="ascii")


class Desk:
    """A worker's end of the pipes."""

    def __init__(self) -> None:
        # The libraries below write to both standard streams, past Python: keep a private way back to the parent.
        self._answers = os.fdopen(os.dup(1), "w", buffering=1)
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        self._orders: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._paused = threading.Event()

    def tell(self, message: Message) -> None:
        """Say something to the parent."""
        self._answers.write(json.dumps(message) + "\n")

    @property
    def paused(self) -> bool:
        """Whether the order at hand is to make way."""
        return self._paused.is_set()

    def work(self, do: Callable[[Message], Message | None]) -> None:
        """Do one order after the other until the input ends or SIGTERM comes, which raises KeyboardInterrupt in `do`.

        Args:
            do: does an order; what it returns is told, if it is anything.
        """
        signal.signal(signal.SIGTERM, _stop)
        threading.Thread(target=self._listen, daemon=True).start()
        with suppress(KeyboardInterrupt):
            while True:
                order = self._orders.get()
                self._paused.clear()
                answer = do(order)
                if answer is not None:
                    self.tell(answer)

    def _listen(self) -> None:
        """Thread: pass orders on. Python's own reader would hold its lock while the process ends."""
        heard = b""
        while said := os.read(0, 1 << 16):
            *lines, heard = (heard + said).split(b"\n")
            for line in lines:
                message = json.loads(line)
                if message == PAUSE:
                    self._paused.set()
                else:
                    self._orders.put(message)
        os._exit(0)


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
