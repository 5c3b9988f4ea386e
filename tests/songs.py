"""Songs whose beats and chords are known: what our own synthesizer plays, and noise that has none."""

import numpy as np

from kinebeat.audio import RATE_HZ, mix, write_wav
from kinebeat.beats.grid import STEPS_PER_BAR, BeatGrid
from kinebeat.drums.track import DrumTrack
from kinebeat.score import Score, Track, score_from_drums

KICK, SNARE, HAT = 0, 1, 3


def beats_of(tempo_bpm, bars, drift=0.0, early=1.3):
    """Beats that begin a little before the song does; each is longer than the one before by a share."""
    lengths_s = 60 / tempo_bpm * (1 + drift) ** np.arange(4 * bars)
    return np.concatenate([[0], np.cumsum(lengths_s)]) - early * 60 / tempo_bpm


def drum_song(path, beats_s):
    """A rock beat with quarters on the hi-hat."""
    write_wav(mix(_drums(beats_s)).blocks(), path)
    return path


def chord_song(path, beats_s, chords):
    """The same with a piano that strikes one chord after the other, for two beats each, with its root in the bass."""
    drums = _drums(beats_s)
    notes = []
    for half, pitches in enumerate(chords):
        # What begins before time 0 is not heard.
        begin_s, end_s = max(beats_s[2 * half], 0.0), beats_s[2 * half + 2]
        notes += [(begin_s, end_s - begin_s - 0.02, pitch, 90) for pitch in (pitches[0] - 24, *pitches)]
    time_s, length_s, pitch, velocity = np.array([note for note in notes if note[1] > 0.05]).T
    piano = Track("Piano", 0, False, time_s, length_s, pitch.astype(int), velocity.astype(int))
    write_wav(mix(Score((*drums.tracks, piano), drums.grid, drums.duration_s)).blocks(), path)
    return path


def _drums(beats_s):
    hits = np.zeros((4 * (len(beats_s) - 1), 9), bool)
    hits[::STEPS_PER_BAR, KICK] = hits[10::STEPS_PER_BAR, KICK] = hits[4::8, SNARE] = hits[::4, HAT] = True
    velocities = np.where(hits, np.float32(0.8), np.float32(0))
    track = DrumTrack(BeatGrid(beats_s), hits, velocities, np.zeros(hits.shape, np.float32))
    return score_from_drums(track, float(beats_s[-1]))


def noise(path, seconds, level=0.1):
    rng = np.random.default_rng(0)
    block = (level * rng.standard_normal((round(seconds * RATE_HZ), 2))).astype(np.float32)
    write_wav([block], path)
    return path
