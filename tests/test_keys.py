"""Keys by all the names they go by."""

import pytest

from kinebeat.accompaniment.harmony import NO_CHORD, NO_KEY, chord_name, chord_numbered
from kinebeat.errors import OptionError
from kinebeat.keys import chord_spelled, key_number, key_spelled


@pytest.mark.parametrize(
    ("names", "number"),
    [
        ("A minor|Am|a minor|A-minor|A MINOR|A min|Amin|am|a-moll|A moll| Am ", 21),
        ("C|c|C major|C maj|Cmaj|CM|C-Dur|c dur", 0),
        ("F#|F♯|F sharp|f sharp major|Fis|fis dur|Gb|G flat|Ges|ges-dur|F#maj", 6),
        ("Bb|bb|B flat|B♭ major|B dur|B-Dur|A#|Bes", 10),
        ("B|b|H|h dur|Cb|B major", 11),
        ("eb minor|Ebm|E flat minor|es moll|Es-moll|D#m|d sharp minor|dis moll", 15),
        ("Cis|C#|Db|Des dur", 1),
        ("cis moll|C#m|c# minor|Dbm", 13),
        ("Ab|As|as dur|A flat|G#", 8),
        ("h moll|Bm|b minor|B min", 23),
        ("B moll|Bbm|b flat minor|bb minor", 22),
        ("E|e|Fb", 4),
        ("F|E#", 5),
    ],
)
def test_common_spellings(names, number):
    for name in names.split("|"):
        assert key_number(name) == number, name


@pytest.mark.parametrize("name", ["", "I", "A minor 7", "Am7", "A dorian", "X#", "A##", "Cs", "major", "21"])
def test_what_is_no_key_is_answered_with_examples(name):
    with pytest.raises(OptionError, match="such as A minor, Am"):
        key_number(name)


def test_every_key_comes_back_by_its_own_name():
    assert [key_number(key_spelled(key)) for key in range(NO_KEY)] == list(range(NO_KEY))
    assert [key_spelled(key) for key in (10, 3, 15, 22, 21, 6, NO_KEY)] == [
        "Bb major",
        "Eb major",
        "Eb minor",
        "Bb minor",
        "A minor",
        "F# major",
        "none",
    ]


def test_chords_are_spelled_as_their_key_is():
    chord = chord_numbered("A#maj7")
    assert chord_spelled(chord, key_number("F")) == "Bbmaj7"
    assert chord_spelled(chord, key_number("B")) == "A#maj7"
    assert chord_spelled(NO_CHORD, 5) == "N"
    assert all(chord_spelled(c, 0) == chord_name(c) for c in range(NO_CHORD + 1))
    assert chord_spelled(chord_numbered("Am"), 5) == "Am"
