"""Outputs that appear whole or not at all.

A result is written to a hidden file beside its final place and renamed when everything has been written. An
error or Ctrl-C removes it; a killed process leaves at most a file whose name starts with `TEMPORARY_PREFIX`.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import time
from pathlib import Path
from typing import TYPE_CHECKING

from kinebeat.errors import OptionError, OutputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

TEMPORARY_PREFIX = ".kinebeat-"

_REMEDIES = {
    errno.ENOSPC: ("the disk is full", "free some space or write elsewhere"),
    errno.EDQUOT: ("the disk quota is used up", "free some space or write elsewhere"),
    errno.EFBIG: ("the file is too large for this disk", "write to another disk"),
    errno.EROFS: ("the disk is read-only", "write to a folder that can be written"),
    errno.EACCES: ("writing here is not permitted", "write to a folder that can be written"),
    errno.EPERM: ("writing here is not permitted", "write to a folder that can be written"),
    errno.ENAMETOOLONG: ("the name is too long", "choose a shorter name"),
    errno.ENOENT: ("the folder does not exist", "make it first or write elsewhere"),
    errno.ENOTDIR: ("a part of the path is not a folder", "write to a folder that exists"),
}
# Errors that can only come from writing; the others may as well concern a file that is being read.
_WRITE_ONLY = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS})


def check_output(path: str | Path, inputs: Iterable[str | Path] = ()) -> None:
    """See whether a file could be written at `path`, before long work is done for it.

    Args:
        path: where a result is to go.
        inputs: files that are being read and must not be overwritten.

    Raises:
        OutputError: the folder is missing or cannot be written, `path` is a folder or a device, or it is one
            of the inputs.
    """
    try:
        _check_place(path, inputs)
        trial = _temporary(_final(path))
        os.close(os.open(trial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        trial.unlink()
    except OSError as error:
        raise _translated(path, error) from error


def check_folder(path: str | Path) -> None:
    """See whether files could be written in a folder at `path`, which is made if it is not there.

    Args:
        path: the folder.

    Raises:
        OutputError: it cannot be made or written in, or is something else.
    """
    final = _final(path)
    if final.exists() and not final.is_dir():
        raise OutputError(path, "is not a folder", "choose another name for the folder")
    inside = path if final.is_dir() else final.parent
    try:
        check_output(Path(inside) / f"{TEMPORARY_PREFIX}{secrets.token_hex(4)}")
    except OutputError as error:
        raise OutputError(path, error.problem, error.remedy) from error


@contextlib.contextmanager
def made_folder(path: str | Path) -> Iterator[None]:
    """Make a folder unless it is there; if what is written in it fails, it goes again.

    Raises:
        OutputError: as `check_folder`.
    """
    check_folder(path)
    final = _final(path)
    new = not final.is_dir()
    try:
        if new:
            final.mkdir()
    except OSError as error:
        raise _translated(path, error) from error
    try:
        yield
    except BaseException:
        if new:
            with contextlib.suppress(OSError):
                final.rmdir()
        raise


@contextlib.contextmanager
def held(folder: Path, path: Path, taken: str, remedy: str, patience_s: float) -> Iterator[int]:
    """Hold a folder for one process and those that it hands the lock on to.

    Args:
        folder: what is held.
        path: of the lock, a file in it; that is made if it is not there, and stays.
        taken: what is said of the folder where another holds it.
        remedy: what to do then.
        patience_s: how long another is waited for.

    Yields:
        The file descriptor of the lock. Whoever has it, too, holds the folder with us.

    Raises:
        OutputError: another holds it, or the disk cannot lock files.
    """
    try:
        lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise OutputError(folder, f"cannot be written in ({error.strerror})", "write elsewhere") from error
    try:
        _wait_for(lock, folder, taken, remedy, patience_s)
        yield lock
    finally:
        os.close(lock)


def _wait_for(lock: int, folder: Path, taken: str, remedy: str, patience_s: float) -> None:
    import fcntl

    end_s = time.monotonic() + patience_s
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() < end_s:
                time.sleep(0.1)
                continue
            holder = os.pread(lock, 20, 0).decode(errors="replace").strip() or "unknown"
            raise OutputError(folder, f"{taken} (process {holder})", remedy) from None
        except OSError as error:
            problem = f"this disk cannot lock files ({error.strerror})"
            raise OutputError(folder, problem, "write to another disk") from error
        break
    with contextlib.suppress(OSError):  # on a full disk it is held all the same
        os.ftruncate(lock, 0)
        os.pwrite(lock, str(os.getpid()).encode(), 0)


def check_distinct(paths: Sequence[Path]) -> None:
    """Refuse two results in one file.

    Raises:
        OptionError: two of the paths are the same file.
    """
    if len({path.resolve() for path in paths}) < len(paths):
        raise OptionError("two outputs have the same name; give each its own")


def _check_place(path: str | Path, inputs: Iterable[str | Path]) -> None:
    """Refuse what is no place for a new file."""
    final = _final(path)
    if final.is_dir():
        raise OutputError(path, "is a folder", "name a file in it")
    if not final.parent.exists():
        raise OutputError(path, f"the folder {final.parent} does not exist", "make it first or write elsewhere")
    if not final.parent.is_dir():
        raise OutputError(path, f"{final.parent} is not a folder", "write to a folder that exists")
    if final.exists() and not final.is_file():
        raise OutputError(path, "is not an ordinary file", "choose another name")
    for source in inputs:
        with contextlib.suppress(OSError):
            if final.exists() and final.samefile(source):
                raise OutputError(path, "is the input itself", "choose another name for the output")


@contextlib.contextmanager
def atomic_outputs(paths: Sequence[str | Path], inputs: Iterable[str | Path] = ()) -> Iterator[list[Path]]:
    """Write several files that appear together at the end, or not at all.

    Args:
        paths: where the results go; what is there already is replaced.
        inputs: files that are being read and must not be overwritten.

    Yields:
        One temporary path for each of `paths`, in the same folder and with the same suffix. All of them must
        have been written when the block ends.

    Raises:
        OutputError: as `check_output`; two of the paths are the same; or the disk filled up on the way.
    """
    sources = list(inputs)
    for path in paths:
        check_output(path, sources)
    finals = [_final(path) for path in paths]
    if len(set(finals)) < len(finals):
        twice = next(path for path, final in zip(paths, finals, strict=True) if finals.count(final) > 1)
        raise OutputError(twice, "is named for two outputs", "give each output its own name")
    temporaries = [_temporary(final) for final in finals]
    try:
        yield temporaries
        _rename_all(temporaries, finals)
    except OSError as error:
        culprit = next(
            (i for i, t in enumerate(temporaries) if error.filename is not None and str(t) == str(error.filename)),
            None,
        )
        if culprit is None and error.errno not in _WRITE_ONLY:
            raise
        raise _translated(paths[culprit or 0], error) from error
    finally:
        for temporary in temporaries:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_output(path: str | Path, inputs: Iterable[str | Path] = ()) -> Iterator[Path]:
    """Write one file that appears whole or not at all; see `atomic_outputs`.

    Args:
        path: where the result goes.
        inputs: files that are being read and must not be overwritten.

    Yields:
        The temporary path to write to.
    """
    with atomic_outputs([path], inputs) as (temporary,):
        yield temporary


def _rename_all(temporaries: Sequence[Path], finals: Sequence[Path]) -> None:
    """Move every temporary file to its place; when one cannot be moved, put everything back as it was."""
    unwritten = [final for temporary, final in zip(temporaries, finals, strict=True) if not temporary.exists()]
    if unwritten:  # a defect of the caller, not of the surroundings
        raise AssertionError(f"nothing was written for {unwritten}")
    backups: list[tuple[Path, Path | None]] = []  # a final path and where the file that was there waits
    try:
        for temporary, final in zip(temporaries, finals, strict=True):
            waiting = None
            if len(finals) > 1 and final.exists():
                waiting = _temporary(final)
                final.rename(waiting)
            backups.append((final, waiting))
            temporary.replace(final)
    except BaseException:
        for final, waiting in backups:
            with contextlib.suppress(OSError):
                if waiting is not None:
                    waiting.replace(final)
                else:
                    final.unlink(missing_ok=True)
        raise
    for _, waiting in backups:
        if waiting is not None:
            with contextlib.suppress(OSError):
                waiting.unlink()


def _final(path: str | Path) -> Path:
    """The place itself: links are followed, so that a link stays a link and its target is replaced."""
    try:
        return Path(os.path.realpath(path))
    except ValueError as error:  # a NUL in the name
        raise OutputError(repr(str(path)), "is not a possible file name", "choose another name") from error


def _temporary(final: Path) -> Path:
    """A hidden name beside `final` with the same suffix, not longer than file systems allow."""
    stem = final.stem.encode(errors="ignore")[:100].decode(errors="ignore")
    return final.with_name(f"{TEMPORARY_PREFIX}{secrets.token_hex(4)}-{stem}{final.suffix}")


def _translated(path: str | Path, error: OSError) -> OutputError:
    """The error of the operating system as one line with its remedy."""
    number = error.errno or 0
    unknown = (os.strerror(number) if number else str(error), "write to another folder")
    problem, remedy = _REMEDIES.get(number, unknown)
    return OutputError(path, problem, remedy)
