"""Which clips there are, what each is called in the output folder, and whether one has changed."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kinebeat.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

VIDEO_SUFFIXES = frozenset(
    f".{kind}"
    for kind in (
        *("3gp", "avi", "flv", "gif", "m2ts", "m4v", "mkv", "mov", "mp4"),
        *("mpeg", "mpg", "mts", "ogv", "ts", "vob", "webm", "wmv"),
    )
)
MADE = ".soundtrack"
"""The last part of the name, before the suffix, of what Kinebeat writes: in a folder such files are no clips."""
LONGEST_LIST_BYTES = 1 << 28
_REMEDY = "give a folder of videos, or a text file with one path on each line"


@dataclass(frozen=True)
class Clip:
    """One input.

    Attributes:
        name: what it is called in the manifest and, with endings, in the output folder; unique, "/" between folders.
        path: where it is, absolute.
    """

    name: str
    path: Path


@dataclass(frozen=True)
class Identity:
    """What tells a file from a changed one.

    Attributes:
        bytes: its size, or that of all files of a folder of keypoints.
        mtime_ns: when it was last written.
    """

    bytes: int
    mtime_ns: int


def find_clips(source: str | Path, out: Path) -> list[Clip]:
    """All clips of a folder with its subfolders, or of a list, sorted by name.

    Args:
        source: a folder, or a text file with a path on each line; empty lines and those that begin with # are left
            out, and relative paths are taken from the folder of the list.
        out: where results go; they are no clips even if it lies in the folder.

    Raises:
        InputError: there is no such folder or list, or nothing in it.
    """
    source = Path(source)
    if source.is_dir():
        clips = sorted(_in_folder(source, out), key=lambda clip: clip.name)
        if not clips:
            raise InputError(source, "no videos are in it", _REMEDY)
        return clips
    if not source.exists():
        raise InputError(source, "there is no such folder or list", _REMEDY)
    if source.suffix.lower() in VIDEO_SUFFIXES | {".npz"}:
        raise InputError(source, "is a clip", _REMEDY + "; for a single clip there is `kinebeat soundtrack`")
    named: dict[str, Clip] = {}
    for clip in _in_list(source):
        other = named.setdefault(clip.name, clip)
        if other.path != clip.path:
            raise InputError(source, f"{other.path} and {clip.path} would have the same results", "name one of them")
    if not named:
        raise InputError(source, "no clips are named in it", _REMEDY)
    return [named[name] for name in sorted(named)]


def identity(path: Path) -> Identity:
    """Size and time of a clip.

    Raises:
        OSError: it is not there or cannot be looked at.
    """
    found = [file.stat() for file in _files(path)] or [path.stat()]
    return Identity(sum(one.st_size for one in found), max(one.st_mtime_ns for one in found))


def content_sha256(path: Path) -> str:
    """Digest of what a clip holds; its name and place play no part.

    Raises:
        OSError: it cannot be read.
    """
    files = _files(path)
    if files == [path]:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    whole = hashlib.sha256()
    for one in files:
        whole.update(f"{one.name}\0{content_sha256(one)}\n".encode(errors="surrogateescape"))
    return whole.hexdigest()


def clip_seed(seed: int, sha256: str) -> int:
    """The seed of one clip: from the batch's and what the clip holds, so that neither order nor place matters.

    Were all clips played with one seed, all that have no key of their own would be in the same.
    """
    digest = hashlib.sha256(f"{seed}:{sha256}".encode()).digest()
    return int.from_bytes(digest[:4]) >> 1


def _files(path: Path) -> list[Path]:
    """The files of a clip: itself, or the JSON files of a folder of keypoints."""
    return sorted(path.glob("*.json")) if path.is_dir() else [path]


def _in_folder(folder: Path, out: Path) -> Iterator[Clip]:
    results = Path(os.path.realpath(out))
    for place, folders, files in os.walk(folder):
        folders[:] = [
            name for name in folders if not name.startswith(".") and Path(os.path.realpath(place), name) != results
        ]
        for name in files:
            stem, suffix = os.path.splitext(name)  # noqa: PTH122  a Path of a name is slower
            if name.startswith(".") or suffix.lower() not in VIDEO_SUFFIXES or stem.endswith(MADE):
                continue
            path = Path(place, name)
            yield Clip(path.relative_to(folder).as_posix(), path.absolute())


def _in_list(file: Path) -> Iterator[Clip]:
    try:
        if file.stat().st_size > LONGEST_LIST_BYTES:
            raise InputError(file, "is too large for a list of clips", _REMEDY)
        content = file.read_bytes()
    except OSError as error:
        raise InputError(file, f"cannot be read ({error.strerror})", _REMEDY) from error
    if b"\0" in content:
        raise InputError(file, "is not a text file", _REMEDY)
    base = Path(os.path.abspath(file.parent))  # noqa: PTH100  links stay as they are written
    for line in content.decode("utf-8-sig", errors="surrogateescape").splitlines():
        words = line.strip()
        if not words or words.startswith("#"):
            continue
        written = os.path.normpath(words)
        outside = os.path.isabs(written) or Path(written).parts[0] == os.pardir  # noqa: PTH117
        path = Path(os.path.abspath(base / written))  # noqa: PTH100
        name = path.relative_to(path.anchor).as_posix() if outside else Path(written).as_posix()
        if name != ".":
            yield Clip(name, path)
