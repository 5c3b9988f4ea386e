"""Where the studio keeps what belongs to a job: paths are made of its id and of numbers, never of what a user typed."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

JOB_ID = re.compile(r"[0-9a-f]{16}")
KEPT_SUFFIXES = frozenset(
    {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".mts", ".3gp", ".flv", ".wmv", ".ogv"}
)
OTHER_SUFFIX = ".video"
LONGEST_NAME, LONGEST_SUFFIX = 100, 5
NAMELESS = "clip"
RESERVED = frozenset({"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))})
"""Names that Windows keeps for devices; a download may land there."""


@dataclass(frozen=True)
class JobFolder:
    """The files of one job.

    Attributes:
        path: its folder.
    """

    path: Path

    @property
    def heard(self) -> Path:
        """Folder of what was heard in the clip."""
        return self.path / "heard"

    @property
    def movement(self) -> Path:
        """Curves for drawing, JSON."""
        return self.path / "movement.json"

    @property
    def original(self) -> Path:
        """The clip's own sound, as `sound` has it."""
        return self.path / "original.pcm"

    @property
    def preview(self) -> Path:
        """The picture in a form that browsers play, where the source is in none."""
        return self.path / "preview.mp4"

    def source(self) -> Path | None:
        """The clip; None if it is gone."""
        return next(iter(sorted(self.path.glob("source.*"))), None)

    def variant(self, number: int) -> Path:
        """Folder of a variant."""
        return self.path / "variants" / str(number)

    def told(self, number: int, revision: int) -> Path:
        """What is played in a variant, JSON."""
        return self.variant(number) / f"told.{revision}.json"

    def sound(self, number: int, revision: int, track: str) -> Path:
        """The sound of a track: 48 kHz stereo, 16 bits, nothing else; it grows while it is rendered."""
        return self.variant(number) / f"sound.{revision}" / f"{track}.pcm"

    def download(self, number: int, name: str) -> Path:
        """A file that was made for taking away."""
        return self.variant(number) / "files" / name


def source_name(name: str) -> str:
    """What an uploaded file is called on the disk: only its suffix is the user's, and only if it is a usual one."""
    suffix = PurePosixPath(name.replace("\\", "/")).suffix.lower()
    return f"source{suffix if suffix in KEPT_SUFFIXES else OTHER_SUFFIX}"


def shown_name(name: str) -> str:
    """A user's name for a file, made harmless: for showing and for naming downloads, never for finding a file.

    Folders, control characters, marks that turn the direction of writing and what file systems refuse are left out.
    """
    last = unicodedata.normalize("NFC", name.replace("\\", "/").encode("utf-8", "ignore").decode()).split("/")[-1]
    plain = "".join(letter for letter in last if unicodedata.category(letter)[0] != "C" and letter not in '<>:"|?*/\\%')
    plain = re.sub(r"\s+", " ", plain).rstrip(" .")
    stem, dot, suffix = plain.rpartition(".")
    if not dot or not 1 <= len(suffix) <= LONGEST_SUFFIX:
        stem, dot, suffix = plain, "", ""
    stem = stem.strip(" .") or NAMELESS
    if stem.split(".")[0].lower() in RESERVED:
        stem = f"{NAMELESS}-{stem}"
    return f"{stem[: LONGEST_NAME - len(suffix) - 1].rstrip(' .')}{dot}{suffix}"
