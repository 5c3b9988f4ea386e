"""The manifest: JSON Lines, one line on each clip, which a kill at any moment leaves readable.

While a batch runs, lines are appended; of several on one clip the last counts. When a batch begins and ends the file is
written anew with one line a clip, sorted by name; a last line that was cut off goes.
"""

from __future__ import annotations

import errno
import json
import os
from typing import TYPE_CHECKING, Any

from kinebeat.batch.clips import Identity, identity
from kinebeat.errors import InputError, OutputError
from kinebeat.files import atomic_output

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType

    from kinebeat.batch.clips import Clip

NAME = "manifest.jsonl"
BEGUN = "begun"
"""Outcome of a clip that is being done again; where it stays, in a batch that was killed, the clip is not done."""
_SPARE = "move it away, or write to another folder"


class Manifest:
    """The lines of one output folder; to be used in a `with` block by whoever holds the folder's lock.

    Of each line only what tells whether its clip is to be done again is kept in memory.
    """

    def __init__(self, out: Path) -> None:
        self._out = out
        self.path = out / NAME
        self._places: dict[str, int] = {}
        self._known: dict[str, _Known] = {}

    def __enter__(self) -> Manifest:
        """Read it, and write it anew where it is not in order.

        Raises:
            InputError: a file of this name is something else.
            OutputError: it cannot be written.
        """
        if self.path.exists():
            self._read()
            self._tidy()
        try:
            self._file = self.path.open("ab", buffering=0)
        except OSError as error:
            raise _unwritable(self.path, error) from error
        self._end = self._file.tell()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        if kind is None or not issubclass(kind, OutputError):
            self._tidy()

    def add(self, line: dict[str, Any]) -> None:
        """Append a line; it is on the disk when this returns.

        Raises:
            OutputError: it cannot be written; what is there stays.
        """
        data = (json.dumps(line, allow_nan=False) + "\n").encode()
        try:
            written = self._file.write(data)
            os.fsync(self._file.fileno())
        except OSError as error:
            raise _unwritable(self.path, error) from error
        if written < len(data):
            raise _unwritable(self.path, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
        self._remember(line, self._end)
        self._end += len(data)

    def begin(self, clip: str) -> dict[str, Any] | None:
        """Note that a clip is being done again: until it is, what is there may be of either time.

        Args:
            clip: its name.

        Returns:
            The line that it had; None, and nothing is noted, if it had none.

        Raises:
            OutputError: as `add`.
        """
        if clip not in self._places:
            return None
        with self.path.open("rb") as file:
            file.seek(self._places[clip])
            found: dict[str, Any] = json.loads(file.readline())
        self.add({"clip": clip, "outcome": BEGUN})
        return found

    def is_done(self, clip: Clip, options: str, now: Identity) -> bool:
        """Whether a clip was done as it is now, with the same options, and its results are still there."""
        known = self._known.get(clip.name)
        return known is not None and known.options == options and known.identity == now and known.is_there(self._out)

    def known_sha256(self, clip: Clip, options: str, now: Identity) -> str | None:
        """Digest of a clip that may be as it was when it was done, but for the time at which it was written."""
        known = self._known.get(clip.name)
        alike = known is not None and known.options == options and known.identity.bytes == now.bytes
        return known.sha256 if alike and known is not None and known.is_there(self._out) else None

    def other_source(self, clip: Clip) -> str | None:
        """Another file that is still there and whose results are under this clip's name; None if there is none."""
        known = self._known.get(clip.name)
        if known is None or known.source == str(clip.path) or not os.path.exists(known.source):  # noqa: PTH110
            return None
        try:
            return None if os.path.samefile(known.source, clip.path) else known.source  # noqa: PTH121
        except OSError:
            return None

    def _remember(self, line: dict[str, Any], place: int) -> None:
        clip = line["clip"]
        self._known.pop(clip, None)
        if line["outcome"] == BEGUN:
            self._places.pop(clip, None)
            return
        self._places[clip] = place
        if line["outcome"] == "done":
            seen = Identity(line["bytes"], line["mtime_ns"])
            self._known[clip] = _Known(seen, line["sha256"], line["options"], line["source"], line["outputs"])

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        place = 0
        with self.path.open("rb") as file:
            for line in file:
                yield place, line
                place += len(line)

    def _read(self) -> None:
        try:
            for place, line in self._lines():
                if line.endswith(b"\n") and line.strip():
                    self._remember(json.loads(line), place)
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(self.path, "is not a manifest of Kinebeat", _SPARE) from error
        except OSError as error:
            raise InputError(self.path, f"cannot be read ({error.strerror})", _SPARE) from error

    def _tidy(self) -> None:
        """Keep the last line on each clip, sorted by name, if the file is not so already."""
        order = sorted(self._places)
        places = [self._places[clip] for clip in order]
        found = [(place, line.endswith(b"\n")) for place, line in self._lines()]
        if found == [(place, True) for place in places]:
            return
        with self.path.open("rb") as old, atomic_output(self.path) as temporary, temporary.open("wb") as new:
            for clip in order:
                old.seek(self._places[clip])
                self._places[clip] = new.tell()
                new.write(old.readline())
            new.flush()
            os.fsync(new.fileno())


class _Known:
    """What is kept of the line on a clip that is done."""

    __slots__ = ("identity", "options", "outputs", "sha256", "source")

    def __init__(self, seen: Identity, sha256: str, options: str, source: str, outputs: dict[str, int]) -> None:
        self.identity = seen
        self.sha256 = sha256
        self.options = options
        self.source = source
        self.outputs = tuple(outputs.items())

    def is_there(self, out: Path) -> bool:
        """Whether all results are there in their full size."""
        try:
            return all(identity(out / name).bytes == size for name, size in self.outputs)
        except OSError:
            return False


def _unwritable(path: Path, error: OSError) -> OutputError:
    return OutputError(path, f"cannot be written ({error.strerror})", "free some space or write elsewhere")
