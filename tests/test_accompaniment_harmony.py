"""Keys and chords: progressions written by hand, and everything moved through all keys."""

from __future__ import annotations

import numpy as np
import pytest

from accompaniments import random_part
from kinebeat.accompaniment.harmony import (
    CHORDS,
    KEYS,
    NO_CHORD,
    NO_KEY,
    chord_name,
    chord_numbered,
    chord_pitch_classes,
    find_chords,
    find_key,
    key_name,
    scale_pitch_classes,
    sounding,
    transposed_chords,
    transposed_keys,
)


def blocks(names, *, octave=60, bass=None, arpeggio=False):
    """One chord per half bar, (N, 3) onset, duration, pitch; `bass` is the octave of a bass on the root."""
    notes = []
    for half, name in enumerate(names):
        tones = chord_pitch_classes(chord_numbered(name))
        stacked = [octave + tones[0] + (tone - tones[0]) % 12 for tone in tones]
        for number in range(8 if arpeggio else len(stacked)):
            at = 24 * half + (3 * number if arpeggio else 0)
            notes.append((at, 3 if arpeggio else 24, stacked[number % len(stacked)]))
        if bass is not None and tones:
            notes.append((24 * half, 24, bass + tones[0]))
    return np.array(notes, np.int64).reshape(-1, 3)


def heard(notes, bars):
    return sounding(bars, *notes.T)


def named(chords):
    return [chord_name(chord) for chord in chords.symbols]


PROGRESSIONS = {
    "major": ["C", "F", "G", "C"],
    "a chord per bar": ["C", "C", "F", "F", "G", "G", "C", "C"],
    "minor": ["Am", "Dm", "Em", "Am"],
    "minor with its dominant": ["Am", "Dm", "E7", "Am"],
    "sevenths": ["Dm7", "G7", "Cmaj7", "Cmaj7"],
    "diminished": ["C", "Bdim", "Am", "Am"],
    "augmented": ["C", "C", "Caug", "Caug", "F", "F"],
}


@pytest.mark.parametrize("name", PROGRESSIONS)
@pytest.mark.parametrize("how", [{}, {"arpeggio": True}, {"bass": 36}, {"arpeggio": True, "bass": 36}])
def test_progressions_are_heard_in_every_way_of_playing_them(name, how):
    names = PROGRESSIONS[name]
    assert named(find_chords(heard(blocks(names, **how), len(names) // 2))) == names


def test_c_f_g_c_is_in_c_and_its_relative_in_a_minor():
    assert key_name(find_key(heard(blocks(["C", "F", "G", "C"]), 2))) == "C major"
    assert key_name(find_key(heard(blocks(["Am", "Dm", "Em", "Am"]), 2))) == "A minor"
    assert key_name(find_key(heard(blocks(["D", "G", "A", "D"]), 2))) == "D major"


def test_a_scale_has_its_key():
    scale = np.array([(12 * k, 12, 62 + above) for k, above in enumerate((0, 2, 4, 5, 7, 9, 11, 12))])
    scale[-1, 1] = 36  # rests on the tonic
    assert key_name(find_key(heard(scale, 3))) == "D major"


def test_silence_has_no_chord_and_no_key():
    nothing = sounding(2, [], [], [])
    assert named(find_chords(nothing)) == ["N"] * 4
    assert find_key(nothing) == NO_KEY
    assert find_key(heard(np.array([(0, 48, pitch) for pitch in range(60, 72)]), 1)) == NO_KEY


def test_a_silent_half_bar_has_no_chord_and_a_ringing_note_has():
    notes = blocks(["C", "C", "C", "C"])
    gap = notes[notes[:, 0] != 24]
    assert named(find_chords(heard(gap, 2))) == ["C", "N", "C", "C"]
    gap[gap[:, 0] == 0, 1] = 48
    assert named(find_chords(heard(gap, 2))) == ["C"] * 4


def test_the_key_decides_the_third_of_an_open_fifth():
    fifth = np.array([(48, 24, 57), (48, 24, 64), (72, 24, 57), (72, 24, 64)])
    minor, major = blocks(["Am", "Dm"]), blocks(["A", "D"])
    assert named(find_chords(heard(np.concatenate([minor, fifth]), 2)))[2:] == ["Am", "Am"]
    assert named(find_chords(heard(np.concatenate([major, fifth]), 2)))[2:] == ["A", "A"]


def test_the_bass_decides_between_a_sixth_and_a_minor_seventh():
    tones = np.array([(0, 24, pitch) for pitch in (60, 64, 67, 69)] + [(24, 24, pitch) for pitch in (60, 64, 67, 69)])
    assert named(find_chords(heard(np.concatenate([tones, [(0, 48, 45)]]), 1))) == ["Am7", "Am7"]
    assert named(find_chords(heard(np.concatenate([tones, [(0, 48, 36)]]), 1))) == ["C", "C"]


def test_passing_notes_do_not_change_the_chord():
    melody = np.array([(3 * k, 3, pitch) for k, pitch in enumerate([72, 74, 76, 77, 79, 77, 76, 74] * 2)])
    assert named(find_chords(heard(np.concatenate([blocks(["C", "C"], octave=48), melody]), 1))) == ["C", "C"]


def test_a_chord_is_not_left_for_a_moment_but_for_good():
    def third_and_fifth_of_c(halves):  # or an open E minor
        return np.array([(24 * half, 24, pitch) for half in halves for pitch in (64, 67)])

    moment = blocks(["C", "N", "C", "C"])
    assert named(find_chords(heard(np.concatenate([moment, third_and_fifth_of_c([1])]), 2))) == ["C"] * 4
    good = np.concatenate([blocks(["C", "C"]), third_and_fifth_of_c(range(2, 8))])
    assert named(find_chords(heard(good, 4), key=0)) == ["C"] * 2 + ["Em"] * 6


def test_what_started_before_counts_for_what_is_left_of_it():
    sound = sounding(1, [-24, -24, -24, 40], [30, 24, 48, 99], [60, 62, 64, 65])
    assert sound[:, 60].sum() == 6
    assert sound[:, 62].sum() == 0
    assert sound[:, 64].sum() == 24
    assert sound[:, 65].sum() == 8
    assert sound.shape == (48, 128)


@pytest.mark.parametrize("name", PROGRESSIONS)
def test_everything_moves_with_the_music(name):
    notes = blocks(PROGRESSIONS[name], bass=40)
    bars = len(PROGRESSIONS[name]) // 2
    check_equivariance(notes, bars)


def test_anything_at_all_moves_with_the_music_ties_included():
    for seed in range(25):
        part = random_part(np.random.default_rng(seed), 4, 3 * seed, low=24, high=100)
        check_equivariance(np.stack([part.onset, part.duration, part.pitch], axis=1), 4)
    for pitches in ([60], [60, 66], [60, 64, 68], [60, 63, 66, 69], [60, 62, 64, 66, 68, 70], [60, 61], [60, 67]):
        check_equivariance(np.array([(0, 48, pitch) for pitch in pitches]), 1)


def check_equivariance(notes, bars):
    sound = heard(notes, bars)
    chords, key = find_chords(sound), find_key(sound)
    for semitones in range(-12, 13):
        moved = heard(notes + np.array([0, 0, semitones]), bars)
        assert find_key(moved) == transposed_keys(key, semitones)
        assert np.array_equal(find_chords(moved).symbols, transposed_chords(chords.symbols, semitones))


def test_names_and_pitch_classes():
    assert (CHORDS, KEYS) == (85, 25)
    assert [chord_name(chord) for chord in (0, 1, 7 * 6 + 6, NO_CHORD)] == ["C", "Cm", "F#m7", "N"]
    assert len({chord_name(chord) for chord in range(CHORDS)}) == CHORDS
    assert all(chord_numbered(chord_name(chord)) == chord for chord in range(CHORDS))
    assert chord_pitch_classes(chord_numbered("A7")) == (9, 1, 4, 7)
    assert chord_pitch_classes(NO_CHORD) == ()
    assert [key_name(key) for key in (0, 21, NO_KEY)] == ["C major", "A minor", "none"]
    assert scale_pitch_classes(21) == (9, 11, 0, 2, 4, 5, 7)
    assert sorted(scale_pitch_classes(21)) == sorted(scale_pitch_classes(0))
    assert len(scale_pitch_classes(NO_KEY)) == 12
    with pytest.raises(KeyError):
        chord_numbered("H")


def test_moving_by_octaves_moves_nothing():
    chords, keys = np.arange(CHORDS), np.arange(KEYS)
    assert np.array_equal(transposed_chords(chords, 12), chords)
    assert np.array_equal(transposed_keys(keys, -12), keys)
    assert transposed_chords(NO_CHORD, 5) == NO_CHORD
    assert transposed_keys(NO_KEY, 5) == NO_KEY
    for chord in range(NO_CHORD):
        moved = chord_pitch_classes(int(transposed_chords(chord, 5)))
        assert moved == tuple((pc + 5) % 12 for pc in chord_pitch_classes(chord))
