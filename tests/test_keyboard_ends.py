"""Which piano key is which, from what is seen of a keyboard's ends."""

from __future__ import annotations

import pytest

from kinebeat.performance.keyboard_ends import RANGES, Extent, place_of

# Counting from middle C (white key 23) shifts everything by this much.
C4 = 23


def seen(first: int, last: int, first_ends: bool = True, last_ends: bool = True, origin: int = C4) -> Extent:
    """White keys of a whole piano, counted from one of its Cs."""
    return Extent(first - origin, last - origin, first_ends, last_ends)


@pytest.mark.parametrize("usual", RANGES)
@pytest.mark.parametrize("origin", [2, 23, 51])
def test_both_ends_tell_the_keyboard_whatever_c_is_counted_from(usual, origin) -> None:
    place = place_of(seen(usual.first, usual.last, origin=origin), middle_u=0.0)
    assert (place.shift, place.first, place.last) == (origin, usual.first, usual.last)
    assert place.octave_known
    assert not place.mirrored


@pytest.mark.parametrize("usual", RANGES)
def test_both_ends_tell_a_mirrored_keyboard(usual) -> None:
    real = seen(usual.first, usual.last)
    flipped = Extent(2 - real.last, 2 - real.first, True, True)
    place = place_of(flipped, middle_u=0.0)
    # a keyboard that looks the same either way is not mirrored
    assert place.mirrored == (flipped != real)
    assert (place.first, place.last) == (usual.first, usual.last)


@pytest.mark.parametrize(("first", "last", "ends"), [(0, 20, "first"), (30, 51, "last"), (0, 51, "neither")])
def test_one_end_or_a_whole_piano_is_enough(first: int, last: int, ends: str) -> None:
    place = place_of(seen(first, last, ends == "first", ends == "last"), middle_u=0.0)
    assert (place.shift, place.first, place.last) == (C4, first, last)
    assert place.octave_known
    assert not place.mirrored


def test_a_key_counted_wrongly_at_an_end_does_no_harm() -> None:
    place = place_of(seen(0, 50), middle_u=0.0)
    assert (place.shift, place.first, place.last) == (C4, 0, 51)
    assert place.doubt > place_of(seen(0, 51), middle_u=0.0).doubt


def test_an_end_on_e_or_g_may_be_that_of_a_mirrored_piano() -> None:
    assert not place_of(seen(30, 48, False, True), middle_u=0.0).octave_known
    # unless more is seen than such a keyboard has
    place = place_of(Extent(2 - (51 - C4), 2 - (3 - C4), True, False), middle_u=0.0)
    assert place.mirrored
    assert place.octave_known


def test_without_ends_the_middle_of_the_picture_is_near_d4() -> None:
    for middle in (-20.0, 0.0, 3.0, 33.0):
        place = place_of(Extent(int(middle) - 8, int(middle) + 8, False, False), middle_u=middle)
        assert not place.octave_known
        assert abs(middle + place.shift - 24.5) <= 3.5
        assert 0 <= place.first < place.last <= 51


def test_what_is_seen_is_on_the_piano_even_where_its_middle_is_far_from_the_picture_s() -> None:
    place = place_of(Extent(0, 30, False, False), middle_u=40.0)
    assert place.shift >= 0
    assert place.last - place.first == 30


def test_ends_that_no_usual_keyboard_has_tell_nothing() -> None:
    assert not place_of(Extent(1, 12, True, True), middle_u=6.0).octave_known
