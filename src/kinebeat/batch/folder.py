"""The output folder of a batch: one batch at a time, and nothing unfinished left in it."""

from __future__ import annotations

import contextlib
import shutil
from typing import TYPE_CHECKING

from kinebeat.batch.work import OWN_FOLDER, WORK
from kinebeat.errors import OutputError
from kinebeat.files import check_folder, held

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
    except OSError as error:
        raise OutputError(out, f"cannot be written in ({error.strerror})", "write elsewhere") from error
    remedy = "wait until it has ended, or write elsewhere"
    with held(out, own / "lock", "another batch is at work in it", remedy, PATIENCE_S) as lock:
        _clear(own)
        try:
            yield lock
        finally:
            _clear(own)


def _clear(own: Path) -> None:
    """Remove what was not finished."""
    shutil.rmtree(own / WORK, ignore_errors=True)
