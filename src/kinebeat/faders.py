"""Faders: how loud each track and the clip's own sound are beside each other, as somebody wants it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from kinebeat.errors import OptionError
from kinebeat.levels import amplitude
from kinebeat.outputs import BACKGROUND

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from kinebeat.audio import Original
    from kinebeat.score import Score

    Blocks = Iterator[NDArray[np.float32]]

LOWEST_DB, HIGHEST_DB = -40.0, 6.0
ORIGINAL = "original"
"""Name of the clip's own sound."""
MUTED = "off"
"""What stands for a muted track where words are read."""


def track_names(score: Score, *, joined: bool = False) -> tuple[str, ...]:
    """Names of all stems: the tracks in lower case, and the background if the music joins one."""
    names = tuple(track.name.lower() for track in score.tracks)
    return (*names, BACKGROUND) if joined else names


def check_faders(levels_db: Mapping[str, float | None], names: Sequence[str], original: Original) -> None:
    """See whether levels can be set.

    Args:
        levels_db: decibels by name; None mutes.
        names: of the stems, from `track_names`.
        original: what becomes of the clip's own sound where no level says it.

    Raises:
        OptionError: a name is unknown, a level is outside what it may be, or the clip's own sound is told twice what to
            do, or is wanted beside a background.
    """
    known = (*names, ORIGINAL)
    for name, level_db in levels_db.items():
        if name not in known:
            raise OptionError(f"a level of {name!r}: expected one of {', '.join(known)}")
        if level_db is not None and not LOWEST_DB <= level_db <= HIGHEST_DB:
            raise OptionError(f"level of {name} {level_db:g} dB: expected {LOWEST_DB:g} to {HIGHEST_DB:g}, or {MUTED}")
    if original != "mute":
        raise OptionError(f"original sound {original!r} and levels: give the clip's own sound a level instead")
    if BACKGROUND in names and levels_db.get(ORIGINAL) is not None:
        raise OptionError(
            "a level of the clip's own sound and a background: leave one of them out, or take the clip's own sound for "
            "the background"
        )


def read_levels(words: Iterable[str]) -> dict[str, float | None]:
    """Levels from words such as "drums=-3" or "piano=off".

    Raises:
        OptionError: one is something else, or a name comes twice.
    """
    levels_db: dict[str, float | None] = {}
    for word in words:
        name, equals, value = word.partition("=")
        name, value = name.strip().lower(), value.strip().lower()
        if name in levels_db:
            raise OptionError(f"the level of {name} is given twice; give it once")
        try:
            level_db = None if value == MUTED else float(value)
        except ValueError:
            level_db = math.nan
        if not name or not equals or (level_db is not None and not math.isfinite(level_db)):
            raise OptionError(f"level {word!r}: expected such as drums=-3 (in dB) or piano={MUTED}")
        levels_db[name] = level_db
    return levels_db


def faded(blocks: Blocks, level_db: float | None) -> Blocks:
    """A sound at its level; silence if that is None."""
    if level_db == 0:
        return blocks
    gain = np.float32(0.0 if level_db is None else amplitude(level_db))
    return (block * gain for block in blocks)


def summed(sounds: Sequence[Blocks]) -> Blocks:
    """Sounds that go on together, in blocks of one length."""
    for blocks in zip(*sounds, strict=True):
        total = blocks[0].copy()
        for block in blocks[1:]:
            total += block
        yield total
