"""Songs whose beats are known: drums that our own synthesizer plays, and noise that has none."""

import numpy as np

from kinebeat.audio import RATE_HZ, mix, write_wav
from kinebeat.beats.grid import STEPS_PER_BAR, BeatGrid
from kinebeat.drums.track import DrumTrack
from kinebeat.score import score_from_drums

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
