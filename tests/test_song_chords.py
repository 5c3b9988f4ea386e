"""Chords of songs whose chords are known: tones by hand, and piano and drums that our own synthesizer plays."""

import numpy as np
import pytest

from kinebeat.accompaniment.harmony import NO_CHORD, NO_KEY, chord_name, chord_numbered, key_name
from kinebeat.song import hear_song
from kinebeat.song_chords import FFT, HOP, chords_of_tones, half_bar_tones
from songs import beats_of, chord_song, drum_song

RATE_HZ = 24000
HALF_S = 1.0
C, F, G, AM, EM = (60, 64, 67), (60, 65, 69), (59, 62, 67), (57, 60, 64), (59, 64, 67)
NAMES = {C: "C", F: "F", G: "G", AM: "Am", EM: "Em"}
VERSE = (C, C, AM, AM, F, F, G, G)


@pytest.fixture(autouse=True)
def _small_font(monkeypatch):
    monkeypatch.setattr("kinebeat.soundfont.SYSTEM_FONTS", ())


def tones(chords, up=0, noise=0.0):
    """Half bars of notes with overtones, and a hiss over all; silence where a chord is ()."""
    time_s = np.arange(round(len(chords) * HALF_S * RATE_HZ)) / RATE_HZ
    sound = noise * np.random.default_rng(0).standard_normal(len(time_s))
    for half, pitches in enumerate(chords):
        there = (time_s >= half * HALF_S) & (time_s < (half + 1) * HALF_S)
        for pitch in pitches:
            hz = 440 * 2 ** ((pitch + up - 69) / 12)
            sound[there] += sum(0.5**n * np.sin(2 * np.pi * n * hz * time_s[there]) for n in range(1, 6))
    return np.pad(sound, FFT // 2).astype(np.float32)


def heard(sound, halves):
    found, key = chords_of_tones(*half_bar_tones([sound], RATE_HZ, HALF_S * np.arange(halves + 1)))
    return [chord_name(chord) for chord in found], key_name(key)


@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_chords_and_key_of_tones(noise):
    assert heard(tones(VERSE, noise=noise), 8) == ([NAMES[chord] for chord in VERSE], "C major")


@pytest.mark.parametrize("up", [-3, 2, 7])
def test_they_move_with_the_music(up):
    found, _ = chords_of_tones(*half_bar_tones([tones(VERSE, up)], RATE_HZ, HALF_S * np.arange(9)))
    expected = [(chord_numbered(NAMES[chord]) + 7 * up) % NO_CHORD for chord in VERSE]
    assert found.tolist() == expected


def test_in_pieces_they_are_as_in_one():
    sound, bounds_s = tones(VERSE), HALF_S * np.arange(9)
    cut = 20 * HOP
    pieces = [sound[: cut - HOP + FFT], sound[cut:]]
    for whole, cut_up in zip(
        half_bar_tones([sound], RATE_HZ, bounds_s), half_bar_tones(pieces, RATE_HZ, bounds_s), strict=True
    ):
        assert np.allclose(whole, cut_up)


def test_a_pause_has_no_chord_and_beyond_the_sound_there_is_none():
    names, _ = heard(tones((C, C, (), (), F, F)), 9)
    assert names[:2] + names[4:6] == ["C", "C", "F", "F"]
    assert names[3] == names[7] == names[8] == "N"


def test_what_has_one_chord_alone_has_none():
    for sound in (tones((C,) * 8), tones(((),) * 8, noise=0.3), tones(((),) * 8)):
        assert set(heard(sound, 8)[0]) == {"N"}
    assert chords_of_tones(np.zeros((0, 12)), np.zeros((0, 12)))[1] == NO_KEY


def test_the_chords_of_a_song(tmp_path):
    beats_s = beats_of(112.0, 12)
    chords = VERSE * 3
    song = hear_song(chord_song(tmp_path / "song.wav", beats_s, chords), 20.0)
    middle_s = (beats_s[:-2:2] + beats_s[2::2]) / 2
    right = []
    for shift_s, one in (
        (0.0, song),
        (0.0, song.over(7.0)),
        (5.0, hear_song(tmp_path / "song.wav", 14.0, start_s=5.0)),
        (-3.0, hear_song(tmp_path / "song.wav", 20.0, start_s=-3.0)),
    ):
        assert len(one.chords.symbols) == one.grid.steps // 8
        here_s = middle_s - shift_s
        inside = (here_s > 0.6) & (here_s < one.grid.beats_s[-1]) & (middle_s > 0.6) & (middle_s < 20)
        half = np.floor(one.grid.step(here_s[inside]) / 8).astype(int)
        said = [chord_name(int(chord)) for chord in one.chords.symbols[half]]
        true = [NAMES[chords[i]] for i in np.flatnonzero(inside)]
        right.append(np.mean([a == b for a, b in zip(said, true, strict=True)]))
    assert min(right) > 0.85
    longer = song.over(60.0)
    assert (longer.chords.symbols[-8:] == NO_CHORD).all()


def test_drums_have_no_chords(tmp_path):
    song = hear_song(drum_song(tmp_path / "song.wav", beats_of(120.0, 10)), 18.0)
    assert (song.chords.symbols == NO_CHORD).all()
