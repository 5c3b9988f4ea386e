"""Keys and chords as musicians write them: what a user may call a key, and flats where flats belong."""

from __future__ import annotations

import re

from kinebeat.accompaniment.harmony import MODES, NO_CHORD, NO_KEY, PITCH_CLASSES, chord_name
from kinebeat.errors import OptionError

EXAMPLES = "A minor, Am, C, F# major, Bb, ebm"
_NATURAL = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11, "H": 11}
_SHARP, _FLAT = ("#", "♯", "sharp", "is"), ("b", "♭", "flat", "es", "s")
_MAJOR, _MINOR = ("", "maj", "major", "dur", "M"), ("m", "min", "minor", "moll")
_NAME = re.compile(r"([A-Ha-h])[ -]*(#|♯|♭|sharp|flat|is|es|b|s)?[ -]*([A-Za-z]*)", re.IGNORECASE)
_FLATS = dict(zip(PITCH_CLASSES, ("C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B"), strict=True))
_FLAT_KEYS = ((5, 10, 3, 8, 1), (2, 7, 0, 5, 10, 3))
"""Tonics of the major and of the minor keys that are written with flats."""


def key_number(name: str) -> int:
    """The number of a key in `kinebeat.accompaniment.harmony` by any of its usual names.

    Without a mode it is major, whatever the letter's case. German names are understood too: cis moll, As-Dur, h moll;
    B is the English one unless a German mode follows it.

    Args:
        name: such as "A minor", "Am", "F#", "e flat minor", "cis moll".

    Raises:
        OptionError: this is no key.
    """
    found = _NAME.fullmatch(name.strip())
    if found is not None:
        letter, sign, mode = found[1].upper(), (found[2] or "").lower(), found[3]
        mode = mode if mode == "M" else mode.lower()
        if (sign != "s" or letter in "AE") and mode in _MAJOR + _MINOR:
            shift = (sign in _SHARP) - (sign in _FLAT)
            if letter == "B" and not sign and mode in ("dur", "moll"):
                shift = -1
            return 12 * (mode in _MINOR) + (_NATURAL[letter] + shift) % 12
    raise OptionError(f"key {name!r} is unknown: expected a name such as {EXAMPLES}")


def key_spelled(key: int) -> str:
    """A key's name with a flat where it is written with flats, such as "Bb major"; "none" for no key."""
    return "none" if key == NO_KEY else f"{_tonic(key)} {list(MODES)[key // 12]}"


def chord_spelled(chord: int, key: int) -> str:
    """A chord's name with flats in a key that is written with flats, such as "Bbmaj7"; "N" if nothing sounds."""
    name = chord_name(chord)
    if chord == NO_CHORD or not _has_flats(key):
        return name
    root = name[: 1 + name[1:].startswith("#")]
    return _FLATS[root] + name.removeprefix(root)


def _tonic(key: int) -> str:
    sharp = PITCH_CLASSES[key % 12]
    return _FLATS[sharp] if _has_flats(key) else sharp


def _has_flats(key: int) -> bool:
    return key != NO_KEY and key % 12 in _FLAT_KEYS[key // 12]
