"""Beats of songs whose beats are known: drums that our own synthesizer plays."""

import numpy as np
import pytest

from kinebeat.beats.grid import BeatGrid
from kinebeat.drums.track import DrumTrack
from kinebeat.errors import InputError
from kinebeat.rhythm import Rhythm
from kinebeat.song import FRAME_S, TEMPO_FRAMES, _tempo_bpm, hear_song, on_the_song
from songs import beats_of, drum_song, noise


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
    with pytest.raises(InputError, match="no steady beat is heard in 2 s"):
        hear_song(drum_song(tmp_path / "short.wav", beats_of(120.0, 1, early=0.0)), 2.0)


def test_a_file_without_sound_is_refused(tmp_path):
    (tmp_path / "song.mp3").write_bytes(b"this is no song" * 50)
    with pytest.raises(InputError, match=r"song\.mp3"):
        hear_song(tmp_path / "song.mp3", 5.0)
    with pytest.raises(InputError, match=r"nothing\.mp3"):
        hear_song(tmp_path / "nothing.mp3", 5.0)


def test_a_song_is_heard_for_longer_than_a_short_clip_lasts(tmp_path):
    beats_s = beats_of(110.0, 8)
    song = hear_song(drum_song(tmp_path / "song.wav", beats_s), 2.0)
    assert song.grid.beats_s[0] <= 0
    assert song.grid.beats_s[-1] < 8.0, "the grid covers the clip and no more than a bar around it"
    inside = beats_s[(beats_s > 0) & (beats_s < 2)]
    assert np.abs(song.grid.beats_s[:, None] - inside).min(0).max() < 0.01


@pytest.mark.parametrize("start_s", [-1.3, 2.35])
def test_a_song_may_start_before_or_after_the_clip(tmp_path, start_s):
    beats_s = beats_of(110.0, 10)
    song = hear_song(drum_song(tmp_path / "song.wav", beats_s), 10.0, start_s=start_s)
    assert song.start_s == start_s
    inside = beats_s[(beats_s > max(start_s, 0)) & (beats_s < 10)] - start_s
    assert np.abs(song.grid.beats_s[:, None] - inside).min(0).max() < 0.01
    bars_s = beats_s[4::4] - start_s
    bars_s = bars_s[(bars_s > 0) & (bars_s < 10)]
    assert np.abs(song.grid.beats_s[::4, None] - bars_s).min(0).max() < 0.01


def test_an_mp3_is_in_time(tmp_path):
    import av

    beats_s = beats_of(118.0, 8)
    song = tmp_path / "song.mp3"
    with av.open(str(song), "w") as out, av.open(str(drum_song(tmp_path / "song.wav", beats_s))) as sound:
        stream = out.add_stream("libmp3lame", rate=44100, layout="stereo")
        resampler = av.AudioResampler(format=stream.format.name, layout="stereo", rate=44100)
        for frame in [*sound.decode(audio=0), None]:
            for block in resampler.resample(frame):
                out.mux(stream.encode(block))
        out.mux(stream.encode(None))
    inside = beats_s[(beats_s >= 0) & (beats_s < beats_s[-1])]
    assert np.abs(hear_song(song, float(beats_s[-1])).grid.beats_s[:, None] - inside).min(0).max() < 0.01


def test_a_song_is_not_heard_where_it_is_silent(tmp_path):
    path = drum_song(tmp_path / "song.wav", beats_of(120.0, 5, early=0.0))
    with pytest.raises(InputError, match="silent from 11 s on"):
        hear_song(path, 10.0, start_s=11.0)
    late = hear_song(path, 40.0, start_s=-20.0)
    assert np.diff(late.grid.beats_s) == pytest.approx(0.5, abs=0.003)
    assert late.grid.beats_s[0] <= 0
    assert late.pulse == pytest.approx(hear_song(path, 10.0).pulse, rel=0.02), "silence makes no beat clearer"


def test_the_grid_is_cut_or_goes_on_as_the_clip_needs(tmp_path):
    song = hear_song(drum_song(tmp_path / "song.wav", beats_of(120.0, 6)), 10.0)
    for seconds in (4.0, 17.0):
        beats_s = song.over(seconds).grid.beats_s
        assert (len(beats_s) - 1) % 4 == 0
        assert beats_s[0] <= 0 < beats_s[4]
        assert beats_s[-5] < seconds <= beats_s[-1]
        assert np.abs(((beats_s - song.grid.beats_s[0] + 0.25) % 0.5) - 0.25).max() < 0.02
    assert song.over(4.0).grid.source == "song"
    assert song.over(4.0).grid.confidence == song.grid.confidence == pytest.approx(1 - 1 / song.pulse)


@pytest.mark.parametrize("more", [0, 1, 700])
def test_the_tempo_of_a_long_song_is_found_piece_by_piece(more):
    onsets = np.zeros(2 * TEMPO_FRAMES + more, np.float32)
    onsets[::47] = 1
    assert _tempo_bpm(onsets) == pytest.approx(60 / (47 * FRAME_S), rel=0.01)


def test_what_is_early_all_the_time_comes_onto_the_beat_and_accents_stay():
    grid = BeatGrid(np.arange(0, 4.5, 0.5), source="song")
    hits, offsets = np.zeros((32, 9), bool), np.zeros((32, 9), np.float32)
    hits[::2, 0] = True
    offsets[::2, 0] = -0.1 + 0.02 * np.resize([-1, 0, 1], 16)
    offsets[4, 0] = -0.5
    accent = np.zeros(32, np.float32)
    accent[8] = 1.0
    offsets[8, 0] = 0.3
    nothing = np.zeros(32, np.float32)
    rhythm = Rhythm(grid, nothing, accent, nothing, nothing, np.ones(32, bool))
    moved = on_the_song(DrumTrack(grid, hits, hits.astype(np.float32), offsets), rhythm)
    free = hits & ~(accent > 0)[:, None]
    assert np.median(moved.offsets[free]) == pytest.approx(0, abs=1e-6)
    assert np.ptp((moved.offsets - offsets)[free]) == pytest.approx(0, abs=1e-6)
    assert moved.offsets[8, 0] == np.float32(0.3)
    assert not moved.offsets[~hits].any()
    nobody = DrumTrack(grid, np.zeros_like(hits), np.zeros_like(offsets), np.zeros_like(offsets))
    assert on_the_song(nobody, rhythm) is nobody
