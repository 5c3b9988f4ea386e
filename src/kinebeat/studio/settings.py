"""What the studio may be asked for, and where it keeps its work."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

PORT = 8765
HOST = "127.0.0.1"


@dataclass(frozen=True)
class Limits:
    """What is refused, so that nobody can fill the disk or keep the studio at work for ever.

    Attributes:
        upload_bytes: size of a file.
        longest_s: length of a video.
        largest_side: of its picture, pixels.
        waiting: jobs that wait to be worked on.
        jobs: jobs that are kept; older ones are to be removed by hand.
        variants: of one job.
        edits: of one variant.
        free_bytes: of the disk that are left to others.
    """

    upload_bytes: int = 500 * 2**20
    longest_s: float = 600.0
    largest_side: int = 4096
    waiting: int = 20
    jobs: int = 200
    variants: int = 12
    edits: int = 2000
    free_bytes: int = 200 * 2**20


@dataclass(frozen=True)
class StudioSettings:
    """How a studio is opened.

    Attributes:
        data: folder of the jobs; made if it is not there.
        host: address on which it is served.
        port: 0 takes any that is free.
        names: further names by which it may be called, such as "studio.local".
        password: asked of every page; None asks for none, which only the loopback address allows.
        limits: what is refused.
        live: whether the live page may be opened from it.
        workers: processes that look for the person; all cores if None.
        soundfont: path of an .sf2 file with which all is played; one that is found if None.
    """

    data: Path
    host: str = HOST
    port: int = PORT
    names: tuple[str, ...] = ()
    password: str | None = field(default=None, repr=False)
    limits: Limits = Limits()
    live: bool = True
    workers: int | None = None
    soundfont: Path | None = None
