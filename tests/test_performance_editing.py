"""Another pitch, another key, another instrument."""

import numpy as np
import pytest

from kinebeat.accompaniment.harmony import NO_KEY, scale_pitch_classes
from kinebeat.keys import key_number, key_spelled
from kinebeat.performance.editing import heard_key, in_key, in_range, transposed
from kinebeat.performance.instruments import INSTRUMENTS
from kinebeat.performance.notes import Notes

ODE = [64, 64, 65, 67, 67, 65, 64, 62, 60, 60, 62, 64, 64, 62, 62, 60]  # Ode to Joy, C major


def melody(pitches, step_s=0.4):
    onset_s = np.arange(len(pitches)) * step_s
    return Notes.of(onset_s, onset_s + step_s, pitches)


def test_transposed_there_and_back():
    notes = melody(ODE)
    assert transposed(notes, 5).pitch.tolist() == [pitch + 5 for pitch in ODE]
    assert transposed(transposed(notes, -17), 17).pitch.tolist() == ODE
    assert np.array_equal(transposed(notes, 3).onset_s, notes.onset_s)


@pytest.mark.parametrize("name", INSTRUMENTS)
def test_every_pitch_finds_its_octave(name):
    instrument = INSTRUMENTS[name]
    notes = melody(list(range(128)))
    folded = in_range(notes, instrument.lowest, instrument.highest)
    assert folded.pitch.min() >= instrument.lowest
    assert folded.pitch.max() <= instrument.highest
    assert ((folded.pitch - notes.pitch) % 12 == 0).all()
    inside = (notes.pitch >= instrument.lowest) & (notes.pitch <= instrument.highest)
    assert np.array_equal(folded.pitch[inside], notes.pitch[inside])


def test_octaves_that_fold_onto_each_other_are_one_note():
    chord = Notes.of([0.0, 0.0], [1.0, 2.0], [36, 60])
    folded = in_range(chord, 55, 82)
    assert (folded.pitch.tolist(), folded.offset_s.tolist()) == ([60], [2.0])


def test_the_key_is_heard():
    assert key_spelled(heard_key(melody(ODE))) == "C major"
    assert key_spelled(heard_key(transposed(melody(ODE), 3))) == "Eb major"
    assert heard_key(melody([60, 62, 60])) == NO_KEY
    assert heard_key(Notes.none()) == NO_KEY


def test_ode_to_joy_in_other_keys():
    assert in_key(melody(ODE), key_number("D")).pitch.tolist() == [pitch + 2 for pitch in ODE]
    assert in_key(melody(ODE), key_number("A")).pitch.tolist() == [pitch - 3 for pitch in ODE]
    minor = [pitch - (pitch == 64) for pitch in ODE]
    assert in_key(melody(ODE), key_number("C minor")).pitch.tolist() == minor
    assert in_key(melody(minor), key_number("C major")).pitch.tolist() == ODE
    assert in_key(melody(ODE), key_number("C")).pitch.tolist() == ODE


def test_what_is_not_of_the_key_goes_to_the_nearest_degree():
    pitches = [*ODE, 61, 66, 63]
    assert in_key(melody(pitches), key_number("C")).pitch.tolist() == [*ODE, 60, 65, 62]
    few = [61, 63]  # no key is heard in them
    assert in_key(melody(few), key_number("E")).pitch.tolist() == [61, 63]
    assert in_key(melody(few), key_number("C")).pitch.tolist() == [60, 62]


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("key", range(24))
def test_all_is_in_the_key_and_the_shape_is_kept(seed, key):
    notes = melody(np.random.default_rng(seed).integers(30, 90, 40))
    made = in_key(notes, key)
    assert np.isin(made.pitch % 12, scale_pitch_classes(key)).all()
    assert np.array_equal(made.onset_s, notes.onset_s)
    up, up_made = np.sign(np.diff(notes.pitch)), np.sign(np.diff(made.pitch))
    assert (up * up_made >= 0).all()
    assert (up_made[up == 0] == 0).all()
    assert np.abs(made.pitch - notes.pitch).max() <= 8


def test_no_key_and_no_notes():
    assert in_key(melody(ODE), NO_KEY).pitch.tolist() == ODE
    assert len(in_key(Notes.none(), 0)) == len(in_range(Notes.none(), 40, 80)) == 0
