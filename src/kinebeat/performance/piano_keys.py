"""The 88 keys of a piano as data: where each of them lies.

Conventions. Key units: u runs along the keyboard in widths of a white key, from 0 (the left edge of the lowest key,
A0, as its player sees it) to 52 (the right edge of the highest, C8); v runs along the keys from 0 (the front edge of
the white keys, towards the player) to 1 (their far edge, where the black keys end too). White keys are numbered from
0 (A0) to 51 (C8).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

LOWEST_PITCH = 21
"""MIDI pitch of A0."""
PITCHES = 88
"""Keys of a whole piano."""
WHITE_KEYS = 52
"""White ones among them."""
BLACK_FROM_V = 0.36
"""Where a black key begins: 95 of the white keys' 150 mm are beside black ones."""
PITCH_CLASSES = 12
"""Keys of an octave: those of one class have the same neighbours."""
KEY_LENGTH_U = 6.4
"""How long a white key is, in its own widths: 150 mm by 23.5 mm."""

# A black key is 13.7 mm wide at its foot, a white one 23.5 mm.
_BLACK_WIDTH_U = 0.583
_WHITE_CLASSES = (0, 2, 4, 5, 7, 9, 11)
_C_IS_WHITE_KEY = 2  # C1 is the third white key


def _black_offsets_u() -> dict[int, float]:
    """Where the middles of an octave's black keys lie, from the left edge of C: by pitch class, in white keys.

    Between C and E, and between F and B, the white keys' narrow parts are equally wide: so the black keys do
    not sit above the white keys' borders but up to 0.15 of a key beside them.
    """
    two = (3 - 2 * _BLACK_WIDTH_U) / 3
    three = (4 - 3 * _BLACK_WIDTH_U) / 4
    half = _BLACK_WIDTH_U / 2
    offsets = {1: two + half, 3: 2 * two + 3 * half}
    offsets |= {6: 3 + three + half, 8: 3 + 2 * three + 3 * half, 10: 3 + 3 * three + 5 * half}
    return offsets


def _laid_out() -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """`CENTRE_U`, `WIDTH_U` and `IS_BLACK`."""
    centre, width, black = np.zeros(PITCHES), np.ones(PITCHES), np.zeros(PITCHES, np.bool_)
    offsets = _black_offsets_u()
    for key in range(PITCHES):
        octave, pitch_class = divmod(key + LOWEST_PITCH, 12)
        c_u = _C_IS_WHITE_KEY + 7 * (octave - 2)  # pitch 24 is C1
        if pitch_class in offsets:
            centre[key], width[key], black[key] = c_u + offsets[pitch_class], _BLACK_WIDTH_U, True
        else:
            centre[key] = c_u + _WHITE_CLASSES.index(pitch_class) + 0.5
    return centre, width, black


CENTRE_U, WIDTH_U, IS_BLACK = _laid_out()
"""(88,) middle and width of each key in white keys, and whether it is black; the lowest first."""

BLACK_U: NDArray[np.float64] = CENTRE_U[IS_BLACK]
"""(36,) middles of the black keys."""

_WHITE_PITCHES = LOWEST_PITCH + np.flatnonzero(~IS_BLACK)
_BLACK_PITCHES = LOWEST_PITCH + np.flatnonzero(IS_BLACK)


def pitch_at(u: ArrayLike, v: ArrayLike) -> NDArray[np.int64]:
    """The key at a place of the keyboard.

    Args:
        u: any shape, along the keyboard, in white keys.
        v: the same shape or one that fits it, along the keys.

    Returns:
        MIDI pitches, in their common shape; -1 beside the keyboard, before or behind it, and where u or v is NaN.
    """
    u_of, v_of = np.broadcast_arrays(np.asarray(u, np.float64), np.asarray(v, np.float64))
    with np.errstate(invalid="ignore"):
        on_keys = (u_of >= 0) & (u_of < WHITE_KEYS) & (v_of >= 0) & (v_of <= 1)
    pitch = np.full(u_of.shape, -1, np.int64)
    if not on_keys.any():
        return pitch
    at, depth = u_of[on_keys], v_of[on_keys]
    found = _WHITE_PITCHES[at.astype(np.int64)]
    nearest = np.abs(at[:, None] - BLACK_U).argmin(axis=1)
    on_black = (depth >= BLACK_FROM_V) & (np.abs(at - BLACK_U[nearest]) <= _BLACK_WIDTH_U / 2)
    pitch[on_keys] = np.where(on_black, _BLACK_PITCHES[nearest], found)
    return pitch
