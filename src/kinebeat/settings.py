"""What the user chooses about the music of a soundtrack, and whether it can be."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from kinebeat.background import CLIP, Background
from kinebeat.beats.tracking import check_tempo
from kinebeat.edits import Edit, check_edits
from kinebeat.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Sequence

SPARSEST, DENSEST = 0.1, 2.0


@dataclass(frozen=True)
class Settings:
    """What the user chose about the music.

    Attributes:
        tempo_bpm: tempo of the grid; heard from the movement if None.
        density: how busy the players are, 1 is a drummer's.
        kit: name of a drum kit, a key of `kinebeat.score.KITS`.
        soundfont: path of an .sf2 file; one that is found if None.
        seed: the one source of chance, 0 or more.
        instruments: who plays beside the drums, of "piano" and "guitar".
        key: what they play in, such as "A minor"; if None the background's, or drawn by the seed.
        background: a song, or "clip" for the clip's own sound: its beats are the grid, and the music is mixed under it.
        background_start_s: which second of the song falls on the clip's time 0; below 0 it begins so much later.
        edits: beats and accents that were moved, deleted or added by hand.
    """

    tempo_bpm: float | None = None
    density: float = 1.0
    kit: str = "standard"
    soundfont: Path | None = None
    seed: int = 0
    instruments: tuple[str, ...] = ()
    key: str | None = None
    background: Path | Literal["clip"] | None = None
    background_start_s: float = 0.0
    edits: tuple[Edit, ...] = ()


def background_of(source: Path, settings: Settings) -> Background | None:
    """The sound that the music of a clip is to join; None if there is none."""
    if settings.background is None:
        return None
    path = settings.background if isinstance(settings.background, Path) else source
    return Background(path, settings.background_start_s)


def each(names: str | Sequence[str]) -> tuple[str, ...]:
    """Names one by one; a single one may come alone."""
    return (names,) if isinstance(names, str) else tuple(names)


def checked(settings: Settings) -> Settings:
    """The same settings with the key by its usual name.

    Raises:
        OptionError: one is outside what it may be.
        InputError: the soundfont cannot be used.
    """
    from kinebeat.score import KITS, SEATS
    from kinebeat.soundfont import open_soundfont

    if settings.tempo_bpm is not None:
        check_tempo(settings.tempo_bpm)
    if not SPARSEST <= settings.density <= DENSEST:
        raise OptionError(f"density {settings.density:g}: expected {SPARSEST:g} to {DENSEST:g}")
    if settings.kit not in KITS:
        raise OptionError(f"kit {settings.kit!r}: expected one of {', '.join(KITS)}")
    if settings.seed < 0:
        raise OptionError(f"seed {settings.seed}: expected 0 or more")
    for number, instrument in enumerate(settings.instruments):
        if instrument not in SEATS:
            raise OptionError(f"instrument {instrument!r}: expected one of {', '.join(SEATS)}")
        if instrument in settings.instruments[:number]:
            raise OptionError(f"instrument {instrument!r} is named twice: expected each once")
    _check_background_options(settings)
    check_edits(settings.edits)
    if settings.soundfont is not None:
        open_soundfont(settings.soundfont)
    if settings.key is None:
        return settings
    from kinebeat.keys import key_number, key_spelled

    return replace(settings, key=key_spelled(key_number(settings.key)))


def _check_background_options(settings: Settings) -> None:
    start_s = settings.background_start_s
    if not np.isfinite(start_s):
        raise OptionError(f"start of the background {start_s:g}: expected seconds")
    if settings.background is None and start_s:
        raise OptionError("a start of the background without a background; name a song")
    if settings.background == CLIP and start_s:
        raise OptionError("the clip's own sound starts with the clip; leave the start of the background out")
    if settings.background is not None and settings.tempo_bpm is not None:
        raise OptionError("a tempo and a background: the background's beat is the tempo; leave one of them out")
    if settings.background is not None and any(edit.what == "beat" for edit in settings.edits):
        raise OptionError("beats that are a song's cannot be edited; leave the background or those edits out")
