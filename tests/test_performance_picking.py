"""Notes picked out of probabilities that were made by hand."""

import numpy as np
import pytest

from kinebeat.performance.batches import rolls
from kinebeat.performance.notes import Notes
from kinebeat.performance.picking import Picking, pick


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


@pytest.mark.parametrize(("threshold", "count"), [(0.2, 1), (1.5, 0)])
def test_the_threshold_decides(threshold, count):
    assert len(picked(Notes.of([1.0], [1.4], [60], 76), struck=0.4, how=Picking(threshold))) == count
