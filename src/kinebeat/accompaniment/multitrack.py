"""The multi-track corpus as it lies on the disk: two tables, and MIDI files packed or not."""

from __future__ import annotations

import csv
import tarfile
from typing import TYPE_CHECKING

from kinebeat.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

FOLDER = "multitrack"
ARCHIVE = "midi.tar.xz"
UNPACKED = "midi"
MANIFEST, INDEX = "manifest.csv", "segments.csv"


def find_folder(data: Path) -> Path:
    """The folder of the corpus: `data` or its folder `multitrack`.

    Raises:
        InputError: neither is.
    """
    for folder in (data / FOLDER, data):
        music = (folder / ARCHIVE).is_file() or (folder / UNPACKED).is_dir()
        if music and (folder / MANIFEST).is_file() and (folder / INDEX).is_file():
            return folder
    remedy = f"put {MANIFEST}, {INDEX} and {ARCHIVE} of the multi-track corpus there"
    raise InputError(data, "expected the multi-track corpus, found none", remedy)


def read_table(path: Path, columns: Collection[str]) -> list[dict[str, str]]:
    """The rows of a table, at least one, each with these columns.

    Raises:
        InputError: the table cannot be read or is another.
    """
    try:
        with path.open(newline="") as handle:
            rows = list(csv.DictReader(handle))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(path, f"cannot be read ({error})", "get the corpus whole") from error
    missing = [name for name in columns if rows and rows[0].get(name) is None]
    if missing or not rows:
        raise InputError(path, f"has no column {missing[0]}" if missing else "is empty", "get the corpus whole")
    return rows


def read_files(folder: Path, names: Collection[str]) -> Iterator[tuple[str, bytes]]:
    """Those of the wanted files that are there, each with its name.

    Raises:
        InputError: the archive cannot be unpacked.
    """
    if (folder / UNPACKED).is_dir():
        for name in sorted(names):
            if (folder / name).is_file():
                yield name, (folder / name).read_bytes()
        return
    try:
        with tarfile.open(folder / ARCHIVE) as archive:
            for member in archive:
                name = member.name.removeprefix("./")
                stream = archive.extractfile(member) if name in names else None
                if stream is not None:
                    yield name, stream.read()
    except (OSError, EOFError, tarfile.TarError) as error:
        raise InputError(folder / ARCHIVE, f"cannot be unpacked ({error})", "get it again") from error
