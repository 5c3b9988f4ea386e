"""The process that does one clip after the other (`kinebeat.batch.crew` starts it).

A line of JSON on standard input is an order, a line on standard output its outcome. At the end of the input the process
ends at once, whatever it is doing, so none outlives its parent.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

    from kinebeat.batch.work import Order


def main() -> None:
    """Do clips until the input ends or SIGTERM comes; then what is not finished is removed."""
    # The libraries below write to both standard streams, past Python: keep a private way back to the parent.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    signal.signal(signal.SIGTERM, _stop)
    orders: queue.SimpleQueue[Order] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(orders,), daemon=True).start()
    from kinebeat.batch.work import do_clip
    from kinebeat.pose.processes import PoseWorkers

    with suppress(KeyboardInterrupt), PoseWorkers(1) as workers:
        while True:
            answers.write(json.dumps(do_clip(orders.get(), workers)) + "\n")


def _listen(orders: queue.SimpleQueue[Order]) -> None:
    """Thread: pass orders on. Python's own reader would hold its lock while the process ends."""
    heard = b""
    while said := os.read(0, 1 << 16):
        *lines, heard = (heard + said).split(b"\n")
        for line in lines:
            orders.put(json.loads(line))
    os._exit(0)


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
