"""The output folder of a batch: one batch at a time, and nothing unfinished left in it."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from typing import TYPE_CHECKING

from kinebeat.batch.work import OWN_FOLDER, WORK
from kinebeat.errors import OutputError
from kinebeat.files import check_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PATIENCE_S = 5.0
"""The workers of a batch that was killed hold its lock until they have noticed; so long they are waited for."""


@contextlib.contextmanager
def opened(out: Path) -> Iterator[int]:
    """Hold an output folder for one batch; it is made if it is not there.

    Args:
        out: the folder.

    Yields:
        The file descriptor of its lock. Whoever has it, too, holds the folder with us.

    Raises:
        OutputError: it cannot be made or written in, or another batch is at work in it.
    """
    check_folder(out)
    own = out / OWN_FOLDER
    try:
        own.mkdir(parents=True, exist_ok=True)
        lock = os.open(own / "lock", os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise OutputError(out, f"cannot be written in ({error.strerror})", "write elsewhere") from error
    try:
        _lock(lock, out)
        _clear(own)
        try:
            yield lock
        finally:
            _clear(own)
    finally:
        os.close(lock)


def _lock(lock: int, out: Path) -> None:
    import fcntl

    end_s = time.monotonic() + PATIENCE_S
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() < end_s:
                time.sleep(0.1)
                continue
            holder = os.pread(lock, 20, 0).decode(errors="replace").strip() or "unknown"
            remedy = "wait until it has ended, or write elsewhere"
            raise OutputError(out, f"another batch is at work in it (process {holder})", remedy) from None
        except OSError as error:
            problem = f"this disk cannot lock files ({error.strerror})"
            raise OutputError(out, problem, "write to another disk") from error
        break
    with contextlib.suppress(OSError):  # on a full disk it is held all the same
        os.ftruncate(lock, 0)
        os.pwrite(lock, str(os.getpid()).encode(), 0)


def _clear(own: Path) -> None:
    """Remove what was not finished."""
    shutil.rmtree(own / WORK, ignore_errors=True)
