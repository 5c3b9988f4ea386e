"""Notes picked out of probabilities that were made by hand."""

import numpy as np
import pytest

from kinebeat.performance.batches import rolls
from kinebeat.performance.notes import Notes
from kinebeat.performance.picking import Picking, pick, pick_voices


def picked(notes, frames=180, struck=1.0, how=Picking()):  # noqa: B008
    on, held = rolls(notes, frames)
    return pick(struck * on, held, how)


def test_certain_probabilities_give_the_notes_again():
    notes = Notes.of([0.31, 0.9, 0.9, 1.5, 3.02], [0.8, 1.4, 2.0, 1.62, 5.0], [60, 64, 67, 62, 60], 76)
    found = picked(notes)
    np.testing.assert_array_equal(found.pitch, notes.pitch)
    np.testing.assert_allclose(found.onset_s, notes.onset_s, atol=0.02)
    np.testing.assert_allclose(found.offset_s, notes.offset_s, atol=0.11)


def test_silence_gives_nothing():
    assert len(pick(np.zeros((90, 88)), np.zeros((90, 88)), Picking())) == 0
    assert len(pick(np.zeros((0, 88)), np.zeros((0, 88)), Picking())) == 0
    assert len(pick(np.full((90, 88), 0.01), np.zeros((90, 88)), Picking())) == 0


def test_a_doubt_between_neighbours_is_one_note_of_the_likelier():
    notes = Notes.of([1.0], [1.5], [60], 76)
    on, held = rolls(notes, 90)
    doubt = 0.6 * on
    doubt[:, 61 - 21] = 0.4 * on[:, 60 - 21]
    doubt[:, 62 - 21] = 0.3 * on[:, 60 - 21]
    found = pick(doubt, held, Picking())
    np.testing.assert_array_equal(found.pitch, [60])


def test_keys_further_apart_are_two_notes():
    found = picked(Notes.of([1.0, 1.0], [1.5, 1.5], [60, 64], 76), struck=0.7)
    np.testing.assert_array_equal(found.pitch, [60, 64])


def test_a_key_struck_again_ends_its_note():
    found = picked(Notes.of([1.0, 1.5], [1.5, 2.5], [60, 60], 76))
    assert len(found) == 2
    assert found.offset_s[0] <= found.onset_s[1]


def of_voices(notes, voices, how=Picking()):  # noqa: B008
    return pick_voices(*rolls(notes, 180), how, voices)


def test_without_keys_certain_probabilities_give_the_notes_again():
    notes = Notes.of([0.31, 0.9, 0.9, 1.5, 3.02], [0.8, 1.4, 2.0, 1.62, 5.0], [60, 64, 67, 62, 60], 76)
    found = of_voices(notes, 4)
    np.testing.assert_array_equal(found.pitch, notes.pitch)
    np.testing.assert_allclose(found.onset_s, notes.onset_s, atol=0.02)
    np.testing.assert_allclose(found.offset_s, notes.offset_s, atol=0.11)
    assert len(pick_voices(np.zeros((90, 88)), np.zeros((90, 88)), Picking(), 2)) == 0


def test_one_voice_ends_its_notes_where_the_next_begins():
    notes = Notes.of([0.5, 1.0, 1.0], [2.0, 1.4, 1.6], [60, 64, 67], 76)
    found = of_voices(notes, 1)
    assert len(found) == 2
    assert (found.offset_s[:-1] <= found.onset_s[1:]).all()


def test_a_note_whose_string_is_in_doubt_is_one_note():
    on, held = rolls(Notes.of([1.0], [1.5], [60], 76), 90)
    doubt, held = 0.45 * on, 0.3 * held
    for other, share in ((61, 0.4), (59, 0.3), (67, 0.3), (53, 0.25)):
        doubt[:, other - 21] = share * on[:, 60 - 21]
    for voices in (1, 2):
        np.testing.assert_array_equal(pick_voices(doubt, held, Picking(1.0), voices).pitch, [60])
    assert len(pick_voices(doubt, held, Picking(4.0), 1)) == 0


@pytest.mark.parametrize(("threshold", "count"), [(0.2, 1), (1.5, 0)])
def test_the_threshold_decides(threshold, count):
    assert len(picked(Notes.of([1.0], [1.4], [60], 76), struck=0.4, how=Picking(threshold))) == count
