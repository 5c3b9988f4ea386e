"""What both workers of the studio share: errors in words for the page, and sound as the page takes it."""

from __future__ import annotations

import errno
import json
import os
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kinebeat.audio import pcm_16
from kinebeat.errors import InputError, KinebeatError, OutputError
from kinebeat.studio.folders import JobFolder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import numpy as np
    from numpy.typing import NDArray

    Message = dict[str, Any]

FRAME_BYTES = 4
"""Of sound as the page takes it: stereo, 16 bits."""
NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG})
DEFECT = "something went wrong in Kinebeat itself"
DEFECT_REMEDY = "try again; if it happens again, please report it with the clip"


def answer(do: Callable[[Message], Message], order: Message) -> Message:
    """Carry out an order; whatever happens, there is an answer without a path or a traceback in it.

    Args:
        do: carries it out.
        order: what is to be done; the folders in it are not told.
    """
    trace: str | None = None  # for the log of whoever runs the studio
    try:
        return {"answer": do(order)}
    except KinebeatError as error:
        problem, remedy = words(error)
        cause = error.__cause__
        full = isinstance(error, OutputError) and isinstance(cause, OSError) and cause.errno in NO_ROOM
    except MemoryError:
        problem, remedy, full = "there is not enough memory for it", "use a shorter or smaller video", False
    except OSError as error:
        full = error.errno in NO_ROOM
        problem = "the studio's disk is full" if full else DEFECT
        remedy = "remove jobs that are no longer needed" if full else DEFECT_REMEDY
    except Exception:
        problem, remedy, full, trace = DEFECT, DEFECT_REMEDY, False, traceback.format_exc()
    told = {"problem": plain(problem, order), "remedy": plain(remedy, order), "full": full}
    return {"refused": told | {"trace": trace}}


def words(error: KinebeatError) -> tuple[str, str]:
    """Problem and remedy of an error."""
    if isinstance(error, InputError):
        return error.problem, error.remedy
    problem, _, remedy = str(error).rpartition("; ")
    return (problem, remedy) if problem else (remedy, "choose another value")


def plain(text: str, order: Message, name: str = "the clip") -> str:
    """A text without the folders that an order names."""
    for key in ("source", "folder", "font"):
        path = str(order.get(key) or "")
        if path:
            text = text.replace(path, name).replace(os.path.realpath(path), name)
    return text


def write_pcm(blocks: Iterable[NDArray[np.float32]], path: Path) -> None:
    """Write sound as the page takes it: 16 bits, 48 kHz, stereo, without a head; whole or not at all."""
    from kinebeat.files import atomic_output

    with atomic_output(path) as temporary, temporary.open("wb") as file:
        for block in blocks:
            file.write(pcm_16(block))


def folder_of(order: Message) -> JobFolder:
    """The folder of the job that an order is about."""
    return JobFolder(Path(order["folder"]))


def hide_paths(report: Path, name: str) -> None:
    """Put the user's name for the clip in the place of where the studio keeps it.

    Args:
        report: a JSON file, changed in place.
        name: of the clip.
    """
    content = json.loads(report.read_text(encoding="utf-8"))
    source = content["source"]
    content["source"] = name
    font = content.get("settings", {}).get("soundfont")
    if font is not None:
        content["settings"]["soundfont"] = Path(font).name
    text = json.dumps(content, indent=1, allow_nan=False)
    text = text.replace(json.dumps(source)[1:-1], json.dumps(name)[1:-1])  # in the warnings
    report.write_text(text + "\n", encoding="utf-8")
