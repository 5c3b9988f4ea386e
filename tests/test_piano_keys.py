"""The 88 keys as data."""

from __future__ import annotations

import numpy as np

from kinebeat.performance.piano_keys import (
    BLACK_FROM_V,
    BLACK_U,
    CENTRE_U,
    IS_BLACK,
    LOWEST_PITCH,
    PITCHES,
    WHITE_KEYS,
    WIDTH_U,
    pitch_at,
)


def test_there_are_52_white_and_36_black_keys() -> None:
    assert len(CENTRE_U) == len(WIDTH_U) == len(IS_BLACK) == PITCHES
    assert (~IS_BLACK).sum() == WHITE_KEYS == 52
    assert IS_BLACK.sum() == len(BLACK_U) == 36


def test_white_keys_tile_the_keyboard_and_pitches_rise_along_it() -> None:
    assert np.allclose(CENTRE_U[~IS_BLACK], np.arange(52) + 0.5)
    assert (np.diff(CENTRE_U) > 0).all()


def test_known_keys_lie_where_they_should() -> None:
    key_of = {21: 0.5, 24: 2.5, 60: 23.5, 62: 24.5, 69: 28.5, 108: 51.5}
    for pitch, u in key_of.items():
        assert CENTRE_U[pitch - LOWEST_PITCH] == u
    g_sharp, d = CENTRE_U[68 - LOWEST_PITCH], CENTRE_U[62 - LOWEST_PITCH]
    assert np.isclose(g_sharp, 28.0)  # in the very middle between G and A
    # C# and D# lie mirrored about D, and not above the borders of the white keys
    c_sharp, d_sharp = CENTRE_U[61 - LOWEST_PITCH], CENTRE_U[63 - LOWEST_PITCH]
    assert np.isclose(d - c_sharp, d_sharp - d)
    assert 0.05 < 24 - c_sharp < 0.15


def test_every_key_is_found_at_its_own_middle() -> None:
    depth = np.where(IS_BLACK, 0.7, 0.2)
    assert (pitch_at(CENTRE_U, depth) == np.arange(21, 109)).all()


def test_before_the_black_keys_there_are_only_white_ones() -> None:
    assert not IS_BLACK[pitch_at(BLACK_U, BLACK_FROM_V - 0.01) - LOWEST_PITCH].any()


def test_beside_the_keyboard_there_is_no_key() -> None:
    assert pitch_at([-0.1, 52.0, 10.0, 10.0, np.nan, 10.0], [0.5, 0.5, -0.1, 1.1, 0.5, np.nan]).tolist() == [-1] * 6
    assert pitch_at(10.5, 0.1).shape == ()


def test_a_whole_picture_of_places_can_be_asked_for() -> None:
    u, v = np.meshgrid(np.linspace(-1, 53, 60), np.linspace(-0.2, 1.2, 9))
    pitches = pitch_at(u, v)
    assert pitches.shape == (9, 60)
    assert pitches.max() == 108
    assert pitches[pitches >= 0].min() == 21
