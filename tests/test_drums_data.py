import numpy as np
import pytest

from kinebeat.drums.data import (
    Vocabulary,
    quantise,
    read_groove,
    read_midi,
    vocabulary_of,
    windows,
)
from kinebeat.errors import InputError


def variable_length(number):
    out = [number & 0x7F]
    while number := number >> 7:
        out.insert(0, 0x80 | (number & 0x7F))
    return bytes(out)


def midi_file(notes, ticks_per_quarter=480):
    """A one-track MIDI file of (tick, pitch, velocity), each note ten ticks long."""
    events = sorted([(t, 0x99, p, v) for t, p, v in notes] + [(t + 10, 0x89, p, 0) for t, p, v in notes])
    body, now = b"\x00\xff\x51\x03\x07\xa1\x20", 0
    for tick, status, pitch, velocity in events:
        body += variable_length(tick - now) + bytes([status, pitch, velocity])
        now = tick
    body += b"\x00\xff\x2f\x00"
    head = b"MThd" + (6).to_bytes(4, "big") + (0).to_bytes(2, "big") + (1).to_bytes(2, "big")
    return head + ticks_per_quarter.to_bytes(2, "big") + b"MTrk" + len(body).to_bytes(4, "big") + body


def test_notes_of_a_hand_made_midi_file_fall_on_their_16ths():
    # 480 ticks a quarter are 120 a 16th: a kick on 0, a snare 30 late on step 4, a hi-hat 30 early on step 8
    hits, velocities, offsets = quantise(*read_midi(midi_file([(0, 36, 127), (510, 38, 64), (930, 42, 32)])))
    assert hits.shape == (16, 9)
    assert np.argwhere(hits).tolist() == [[0, 0], [4, 1], [8, 2]]
    assert velocities[hits] == pytest.approx([1.0, 64 / 127, 32 / 127])
    assert offsets[hits] == pytest.approx([0.0, 0.25, -0.25])
    assert not velocities[~hits].any()
    assert not offsets[~hits].any()


def test_the_louder_of_two_notes_of_one_drum_stays():
    for order in ([0, 1], [1, 0]):
        step, velocity = np.array([3.8, 4.1])[order], np.array([100, 40])[order]
        hits, velocities, offsets = quantise(step, [38, 40], velocity)
        assert hits.sum() == 1
        assert velocities[4, 1] == pytest.approx(100 / 127)
        assert offsets[4, 1] == pytest.approx(-0.2)


def test_offsets_stay_in_their_range_and_a_tie_is_late():
    hits, _, offsets = quantise(np.array([0.5, 1.49999, 2.50001]), [36, 36, 36], [90, 90, 90])
    assert np.flatnonzero(hits[:, 0]).tolist() == [0, 1, 3]
    assert (offsets < 0.5).all()
    assert (offsets >= -0.5).all()


def test_notes_that_are_no_drum_of_the_kit_are_left_out():
    hits, _, _ = quantise([0.0, 1.0], [36, 100], [90, 90])
    assert hits.sum() == 1


def test_no_notes_give_no_steps():
    hits, velocities, offsets = quantise([], [], [])
    assert hits.shape == velocities.shape == offsets.shape == (0, 9)


def test_matrices_survive_being_words():
    hits = np.random.default_rng(0).random((64, 9)) < 0.3
    vocabulary = vocabulary_of([hits])
    assert np.array_equal(vocabulary.decode(vocabulary.encode(hits)), hits)


def test_the_first_word_is_the_empty_step():
    vocabulary = vocabulary_of([np.ones((4, 9), bool)])
    assert len(vocabulary) == 2
    assert vocabulary.encode(np.zeros((1, 9), bool)).tolist() == [0]


def test_a_combination_nobody_plays_becomes_the_nearest():
    vocabulary = Vocabulary(np.array([0, 0b000000011, 0b111000000]))
    hits = np.zeros((1, 9), bool)
    hits[0, [0, 1, 4]] = True
    assert vocabulary.encode(hits).tolist() == [1]


def test_windows_keep_their_order_and_leave_a_rest_out():
    matrix = np.arange(16 * 5 * 9).reshape(80, 9)
    assert np.array_equal(windows(matrix, 2), np.stack([matrix[:32], matrix[32:64]]))
    assert len(windows(matrix, 2, 1)) == 4
    assert len(windows(matrix[:16], 2)) == 0


def test_no_dataset_says_what_to_do(tmp_path):
    with pytest.raises(InputError, match=r"groove\.tar\.xz"):
        read_groove(tmp_path)


@pytest.mark.data
def test_groove_has_152_words_and_the_official_split(data_dir, tmp_path):
    performances = read_groove(data_dir, cache=tmp_path)
    assert len(performances) == 1138
    assert len(vocabulary_of(p.hits for p in performances)) == 152
    beats = [p.split for p in performances if p.kind == "beat"]
    assert [beats.count(split) for split in ("train", "validation", "test")] == [368, 46, 77]
    again = read_groove(data_dir, cache=tmp_path)
    for field in ("hits", "velocities", "offsets", "name", "split", "tempo_bpm"):
        assert all(
            np.array_equal(getattr(a, field), getattr(b, field)) for a, b in zip(performances, again, strict=True)
        )
