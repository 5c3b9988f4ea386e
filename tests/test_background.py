"""A song under which music is mixed: where it is, how loud the drums are beside it, how it ends."""

import numpy as np
import pytest

from kinebeat.audio import BESIDE_SONG_DB, LIMITED_DB, PEAK_DBFS, RATE_HZ, mix, write_wav
from kinebeat.background import Background, check_background
from kinebeat.beats.grid import BeatGrid
from kinebeat.errors import InputError
from kinebeat.levels import loudness_lufs
from kinebeat.score import Score, Track
from songs import beats_of, drum_song, noise

PEAK = 10 ** (PEAK_DBFS / 20)
SECONDS = 8.0
BEATS_S = np.arange(0.25, SECONDS - 0.2, 0.5)


@pytest.fixture(autouse=True)
def _small_font(monkeypatch):
    monkeypatch.setattr("kinebeat.soundfont.SYSTEM_FONTS", ())


def drumming(times_s=BEATS_S, velocity=90, seconds=SECONDS):
    n = len(times_s)
    notes = np.array(times_s, float), np.full(n, 0.1), np.full(n, 38), np.full(n, velocity)
    return Score((Track("Drums", 0, True, *notes),), BeatGrid(np.arange(0, seconds + 5, 0.5)), seconds)


def with_piano(score):
    chord = np.repeat(np.arange(0, SECONDS - 1, 1.0), 3)
    notes = chord, np.full(len(chord), 0.9), np.tile([60, 64, 67], len(chord) // 3), np.full(len(chord), 70)
    return Score((*score.tracks, Track("Piano", 0, False, *notes, pan=-0.25)), score.grid, score.duration_s)


def pads(path, level, seconds=SECONDS, begin_s=0.0, end_s=np.inf):
    """A chord that swells twice a second, as loud everywhere from one time to another."""
    time_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    swell = 0.75 + 0.25 * np.cos(4 * np.pi * time_s)
    chord = sum(np.sin(2 * np.pi * hz * time_s) for hz in (110, 220, 277, 330, 660, 1320)) / 6
    sound = level * swell * chord * ((time_s >= begin_s) & (time_s < end_s))
    write_wav([np.stack([sound, sound], 1).astype(np.float32)], path)
    return path


def whole(blocks):
    return np.concatenate(list(blocks))


def loudness(sound):
    return loudness_lufs([sound], len(sound))


@pytest.mark.parametrize("start_s", [0.0, 1.2345, -0.75, 20.0, -20.0])
def test_a_background_is_where_it_should_be(tmp_path, start_s):
    path = noise(tmp_path / "song.wav", 3.0)
    itself = whole(Background(path).blocks(3 * RATE_HZ))
    moved = whole(Background(path, start_s).blocks(2 * RATE_HZ))
    assert moved.shape == (2 * RATE_HZ, 2)
    expected = np.zeros_like(moved)
    frame = np.arange(2 * RATE_HZ) + round(start_s * RATE_HZ)
    there = (frame >= 0) & (frame < len(itself))
    expected[there] = itself[frame[there]]
    assert np.array_equal(moved, expected)


@pytest.mark.parametrize("level", [0.02, 0.2, 0.99])
@pytest.mark.parametrize("velocity", [70, 110])
def test_drums_are_as_far_below_a_quiet_song_as_below_a_loud_one(tmp_path, level, velocity):
    mixed = mix(drumming(velocity=velocity), background=Background(pads(tmp_path / "song.wav", level)))
    drums, song = (whole(mixed.stem(number)) for number in (0, 1))
    assert loudness(drums) - loudness(song) == pytest.approx(BESIDE_SONG_DB, abs=0.3 + LIMITED_DB)
    # They are heard, and the song is still there.
    ours, theirs = np.abs(drums), np.abs(song)
    hits = [slice(round(t * RATE_HZ), round((t + 0.05) * RATE_HZ)) for t in BEATS_S[:-2]]
    assert all(ours[hit].max() > 0.7 * theirs[hit].max() for hit in hits)
    assert loudness(whole(mixed.blocks())) - loudness(song) < 2.0


def test_a_song_with_silence_has_drums_as_loud_as_one_without(tmp_path):
    gap, none = (
        mix(drumming(), background=Background(pads(tmp_path / f"{end_s}.wav", 0.2, end_s=end_s)))
        for end_s in (4.0, 9.0)
    )
    ratio = loudness(whole(gap.stem(0))) / loudness(whole(none.stem(0)))
    assert ratio == pytest.approx(1, abs=0.1)


def test_a_recording_that_is_hardly_heard_is_made_louder_within_reason(tmp_path):
    quiet, quieter = (
        mix(drumming(), background=Background(pads(tmp_path / f"{level}.wav", level))) for level in (0.01, 0.003)
    )
    itself = np.abs(whole(Background(tmp_path / "0.003.wav").blocks(RATE_HZ))).max()
    assert np.abs(whole(quieter.stem(1))).max() == pytest.approx(10 * itself, rel=0.02)
    assert quieter.peak < 0.5 * quiet.peak < quiet.peak


def test_quiet_drums_stay_quieter(tmp_path):
    background = Background(pads(tmp_path / "song.wav", 0.3))
    soft, loud = (whole(mix(drumming(velocity=v), background=background).stem(0)) for v in (12, 90))
    assert loudness(soft) < loudness(loud) - 6


@pytest.mark.parametrize("level", [0.05, 0.5, 1.0])
def test_the_peak_is_kept_and_the_limiter_hardly_works(tmp_path, level):
    mixed = mix(drumming(velocity=127), background=Background(pads(tmp_path / "song.wav", level)))
    sound, song = whole(mixed.blocks()), whole(mixed.stem(1))
    assert sound.shape == (round(SECONDS * RATE_HZ), 2)
    assert np.abs(sound).max() == pytest.approx(mixed.peak, abs=1e-6)
    assert mixed.peak <= PEAK + 1e-6
    if level > 0.1:
        assert mixed.peak > 0.95 * PEAK
    # The song's own swell comes back: from one of its tops to the next its gain moves by no more than the limit.
    original = whole(Background(tmp_path / "song.wav").blocks(len(song)))
    body = slice(0, round((SECONDS - 1.1) * RATE_HZ))
    heard = np.abs(original[body]) > 0.3 * level * 0.5
    gain = song[body][heard] / original[body][heard]
    assert 20 * np.log10(gain.max() / gain.min()) < LIMITED_DB + 0.05


def test_stems_and_song_add_up_to_the_whole(tmp_path):
    mixed = mix(with_piano(drumming()), background=Background(pads(tmp_path / "song.wav", 0.9)))
    parts = [whole(mixed.stem(number)) for number in range(3)]
    assert np.abs(sum(parts) - whole(mixed.blocks())).max() < 1e-6
    assert np.array_equal(whole(mixed.blocks()), whole(mixed.blocks()))
    assert all(np.abs(part).max() > 0.03 for part in parts)


def test_a_longer_song_goes_out_and_a_shorter_one_ends(tmp_path):
    longer = mix(drumming([]), background=Background(pads(tmp_path / "long.wav", 0.3, seconds=20.0)))
    song = np.abs(whole(longer.blocks()))
    assert song[-200:].max() < 0.001
    assert song[round(7.4 * RATE_HZ) : round(7.6 * RATE_HZ)].max() < 0.8 * song[: 6 * RATE_HZ].max()
    shorter = mix(drumming(), background=Background(pads(tmp_path / "short.wav", 0.3, seconds=3.1)))
    song, drums = (np.abs(whole(shorter.stem(number))) for number in (1, 0))
    assert not song[round(3.2 * RATE_HZ) :].any()
    assert song[round(3.09 * RATE_HZ) : round(3.1 * RATE_HZ)].max() < 0.05 * song.max()
    assert drums[round(6 * RATE_HZ) :].max() > 0.9 * drums.max()


def test_a_song_that_is_silent_here_leaves_the_music_as_it_is(tmp_path):
    background = Background(pads(tmp_path / "song.wav", 0.3, seconds=30.0, begin_s=15.0))
    mixed = mix(drumming(), background=background)
    assert mixed.warnings == ("song.wav is silent for as long as the clip lasts",)
    assert np.array_equal(whole(mixed.blocks()), whole(mix(drumming()).blocks()))
    assert not whole(mixed.stem(1)).any()


def test_a_clip_of_a_moment(tmp_path):
    path = drum_song(tmp_path / "song.wav", beats_of(120.0, 4, early=0.0))
    for seconds in (1 / RATE_HZ, 0.03, 0.4):
        assert len(whole(mix(drumming([0.0], seconds=seconds), background=Background(path)).blocks())) == round(
            seconds * RATE_HZ
        )


def test_what_has_no_sound_is_refused(tmp_path):
    (tmp_path / "song.mp3").write_bytes(b"this is no song" * 50)
    np.savez(tmp_path / "keys.npz", a=1)
    for name, words in (("song.mp3", "cannot be read"), ("none.mp3", "No such file"), ("keys.npz", "no sound")):
        with pytest.raises(InputError, match=rf"{name}.*{words}.*; give a sound file"):
            check_background(tmp_path / name)
    with pytest.raises(InputError, match="no sound"):
        check_background(tmp_path)
    check_background(noise(tmp_path / "noise.wav", 0.1))
