"""What a page asks for, from JSON to settings: checked value by value, so that nothing else comes in."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kinebeat.errors import OptionError
from kinebeat.faders import HIGHEST_DB, LOWEST_DB, ORIGINAL
from kinebeat.outputs import DRUMS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kinebeat.settings import Settings

    Wish = dict[str, Any]

LARGEST_SEED = 2**31 - 1
LONGEST_TEXT = 40
MOST_TRANSPOSED = 48
DEFAULT: Wish = {
    "tempo_bpm": None,
    "density": 1.0,
    "kit": "standard",
    "seed": 0,
    "instruments": [],
    "key": None,
    "edits": [],
    "levels": {},
}


def checked_wish(asked: Any, most_edits: int) -> Wish:
    """The settings of a variant, complete and within what they may be; what is not named is as usual.

    Args:
        asked: JSON of a page.
        most_edits: how many there may be.

    Raises:
        OptionError: it is not what settings look like.
    """
    from kinebeat.edits import read_edits, told_edits

    wish = DEFAULT | _object(asked, DEFAULT, "settings")
    tempo = wish["tempo_bpm"]
    edits = wish["edits"]
    if not isinstance(edits, list) or len(edits) > most_edits:
        raise OptionError(f"edits: expected a list of at most {most_edits}; forget some")
    instruments = wish["instruments"]
    if not isinstance(instruments, list) or not all(isinstance(name, str) for name in instruments):
        raise OptionError("instruments: expected a list of names; choose among those shown")
    kept: Wish = {
        "tempo_bpm": None if tempo is None else _number(tempo, "tempo", 10, 1000),
        "density": _number(wish["density"], "density", 0, 10),
        "kit": _text(wish["kit"], "kit"),
        "seed": _whole(wish["seed"], "seed", 0, LARGEST_SEED),
        "instruments": [_text(name, "instrument") for name in instruments],
        "key": None if wish["key"] is None else _text(wish["key"], "key"),
        "edits": told_edits(read_edits(edits)),
        "levels": checked_levels(wish["levels"]),
    }
    from kinebeat.settings import checked

    kept["key"] = checked(settings_of(kept)).key
    return kept


def checked_levels(asked: Any, tracks: Iterable[str] | None = None) -> dict[str, float | None]:
    """Levels by track in dB, None for one that is mute; those that are not named are as usual.

    Args:
        asked: JSON of a page.
        tracks: there are; those of a soundtrack if None.

    Raises:
        OptionError: they are not.
    """
    from kinebeat.score import SEATS

    names = {ORIGINAL, DRUMS, *SEATS} if tracks is None else set(tracks)
    usual = {name: None if name == ORIGINAL else 0.0 for name in sorted(names)}
    levels = usual | _object(asked, names, "levels")
    return {
        name: None if level is None else _number(level, f"level of {name}", LOWEST_DB, HIGHEST_DB)
        for name, level in levels.items()
    }


def settings_of(wish: Wish, soundfont: str | None = None) -> Settings:
    """A checked wish as the pipeline takes it, with the soundfont of the studio."""
    from kinebeat.edits import read_edits
    from kinebeat.settings import Settings

    return Settings(
        tempo_bpm=wish["tempo_bpm"],
        density=wish["density"],
        kit=wish["kit"],
        seed=wish["seed"],
        instruments=tuple(wish["instruments"]),
        key=wish["key"],
        soundfont=None if soundfont is None else Path(soundfont),
        edits=read_edits(wish["edits"]),
    )


def checked_performance(asked: dict[str, str]) -> Wish:
    """What is asked of a performance, from the words of an address.

    Raises:
        OptionError: an option is outside what it may be.
    """
    from kinebeat.performance.instruments import INSTRUMENTS
    from kinebeat.performance.pipeline import Settings, checked

    transpose = asked.get("transpose") or "0"
    if not transpose.lstrip("+-").isdecimal() or len(transpose) > len("-48"):
        raise OptionError("transpose: expected semitones; give a whole number")
    instrument = asked.get("instrument") or "piano"
    if instrument not in INSTRUMENTS:
        raise OptionError("there is no such instrument; choose among those shown")
    sound, key = asked.get("sound") or None, asked.get("key") or None
    if key is not None:
        _text(key, "key")
    settings = checked(Settings(int(transpose), key, sound))
    return {"instrument": instrument, "transpose": settings.transpose, "key": settings.key, "sound": settings.sound}


def _object(asked: Any, names: Any, what: str) -> Wish:
    if not isinstance(asked, dict) or not set(asked) <= set(names):
        raise OptionError(f"{what}: expected {', '.join(sorted(names))}; leave out what is not among them")
    return asked


def _number(value: Any, what: str, least: float, most: float) -> float:
    right = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not right or not math.isfinite(value) or not least <= value <= most:
        raise OptionError(f"{what}: expected {least:g} to {most:g}; choose another value")
    return float(value)


def _whole(value: Any, what: str, least: int, most: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise OptionError(f"{what}: expected a whole number from {least} to {most}; choose another")
    return value


def _text(value: Any, what: str) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_TEXT:
        raise OptionError(f"{what}: expected a short text; choose another")
    return value
