"""Beats of songs whose beats are known: drums that our own synthesizer plays."""

import numpy as np
import pytest

from kinebeat.audio import RATE_HZ, mix, write_wav
from kinebeat.beats.grid import STEPS_PER_BAR, BeatGrid
from kinebeat.drums.track import DrumTrack
from kinebeat.errors import InputError
from kinebeat.score import score_from_drums
from kinebeat.song import hear_song

KICK, SNARE, HAT = 0, 1, 3


def beats_of(tempo_bpm, bars, drift=0.0, early=1.3):
    """Beats that begin a little before the song does; each is longer than the one before by a share."""
    lengths_s = 60 / tempo_bpm * (1 + drift) ** np.arange(4 * bars)
    return np.concatenate([[0], np.cumsum(lengths_s)]) - early * 60 / tempo_bpm


def drum_song(path, beats_s):
    """A rock beat with quarters on the hi-hat."""
    hits = np.zeros((4 * (len(beats_s) - 1), 9), bool)
    hits[::STEPS_PER_BAR, KICK] = hits[10::STEPS_PER_BAR, KICK] = hits[4::8, SNARE] = hits[::4, HAT] = True
    velocities = np.where(hits, np.float32(0.8), np.float32(0))
    track = DrumTrack(BeatGrid(beats_s), hits, velocities, np.zeros(hits.shape, np.float32))
    write_wav(mix(score_from_drums(track, float(beats_s[-1]))).blocks(), path)
    return path


def noise(path, seconds, level=0.1):
    rng = np.random.default_rng(0)
    block = (level * rng.standard_normal((round(seconds * RATE_HZ), 2))).astype(np.float32)
    write_wav([block], path)
    return path


@pytest.mark.parametrize("tempo_bpm", [84.0, 120.0, 133.0])
def test_the_beats_and_bars_of_a_song(tmp_path, tempo_bpm):
    beats_s = beats_of(tempo_bpm, 10)
    song = hear_song(drum_song(tmp_path / "song.wav", beats_s), float(beats_s[-1]))
    assert song.grid.tempo_bpm == pytest.approx(tempo_bpm, rel=0.002)
    assert song.grid.source == "song"
    inside = beats_s[(beats_s >= 0) & (beats_s < beats_s[-1])]
    away_s = np.abs(song.grid.beats_s[:, None] - inside).min(0)
    assert away_s.max() < 0.01
    bars_s = beats_s[::4]
    assert np.abs(song.grid.beats_s[::4, None] - bars_s[1:-1]).min(0).max() < 0.01
    assert song.grid.beats_s[0] <= 0
    assert song.grid.beats_s[-1] >= beats_s[-1] - 1e-6
    assert song.pulse > 3


def test_a_drifting_tempo_is_followed(tmp_path):
    beats_s = beats_of(110.0, 12, drift=0.002)
    song = hear_song(drum_song(tmp_path / "song.wav", beats_s), float(beats_s[-1]))
    inside = beats_s[(beats_s >= 0) & (beats_s < beats_s[-1])]
    away_s = np.abs(song.grid.beats_s[:, None] - inside).min(0)
    assert np.median(away_s) < 0.01
    assert away_s.max() < 0.03


def test_the_beat_of_a_short_song_goes_on_to_the_end_of_the_clip(tmp_path):
    beats_s = beats_of(100.0, 6)
    path = drum_song(tmp_path / "song.wav", beats_s)
    song = hear_song(path, 30.0)
    assert song.grid.beats_s[-1] >= 30.0
    assert np.diff(song.grid.beats_s) == pytest.approx(0.6, abs=0.004)


def test_progress_is_told(tmp_path):
    told = []
    beats_s = beats_of(120.0, 4)
    hear_song(drum_song(tmp_path / "song.wav", beats_s), float(beats_s[-1]), told.append)
    assert told == sorted(told)
    assert told[-1] == 1.0


def test_a_song_without_a_beat_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"noise\.wav.*no .*beat is heard"):
        hear_song(noise(tmp_path / "noise.wav", 8.0), 8.0)
    with pytest.raises(InputError, match=r"silence\.wav.*no .*beat is heard"):
        hear_song(noise(tmp_path / "silence.wav", 8.0, 0.0), 8.0)
    with pytest.raises(InputError, match="no beat is heard"):
        hear_song(drum_song(tmp_path / "short.wav", beats_of(120.0, 1, early=0.0)), 2.0)


def test_a_file_without_sound_is_refused(tmp_path):
    (tmp_path / "song.mp3").write_bytes(b"this is no song" * 50)
    with pytest.raises(InputError, match=r"song\.mp3"):
        hear_song(tmp_path / "song.mp3", 5.0)
    with pytest.raises(InputError, match=r"nothing\.mp3"):
        hear_song(tmp_path / "nothing.mp3", 5.0)
