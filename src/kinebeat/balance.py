"""Brings instruments to their level beside the drums, whatever soundfont plays them.

Soundfonts do not agree on how loud a piano is beside a drum kit: the one inside pretty_midi and Debian's FluidR3 are
5 dB apart. So both play a few bars that are always the same, and what they differ by is made up for.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from kinebeat.beats.grid import BeatGrid
from kinebeat.score import Score, Track
from kinebeat.synth import render_blocks

if TYPE_CHECKING:
    from kinebeat.synth import Sampler

TRIAL_S = 4.0
_KICK, _SNARE, _HAT = 36, 38, 42
_CHORD = (48, 55, 60, 64)  # within reach of all instruments
MOST_DB = 15.0  # a font that is further off has no such instrument


def balanced(score: Score, sampler: Sampler) -> Score:
    """The score with the levels of its instruments as they have to be with the sampler's font.

    Before, a track's `level_db` is about its loudness beside the drums; after, it is what is done to the font's sound.

    Args:
        score: the music.
        sampler: plays it.
    """
    kits = [track.program for track in score.tracks if track.is_drum]
    if not kits or len(kits) == len(score.tracks):
        return score
    drums_db = _loudness_db(_beat(kits[0]), sampler)
    tracks = []
    for track in score.tracks:
        if not track.is_drum:
            away_db = float(np.clip(drums_db - _loudness_db(_chords(track.program), sampler), -MOST_DB, MOST_DB))
            track = replace(track, level_db=track.level_db + away_db)
        tracks.append(track)
    return replace(score, tracks=tuple(tracks))


def _loudness_db(track: Track, sampler: Sampler) -> float:
    score = Score((track,), BeatGrid(np.arange(0.0, TRIAL_S + 0.5, 0.5)), TRIAL_S)
    sound = np.concatenate(list(render_blocks(score, sampler=sampler)))
    return float(10 * np.log10(max(float(np.square(sound, dtype=np.float64).mean()), 1e-10)))


def _beat(kit: int) -> Track:
    """Two bars of rock at 120 BPM."""
    eighths_s = np.arange(0, TRIAL_S, 0.25)
    time_s = np.concatenate([eighths_s, eighths_s[::4], eighths_s[2::4]])
    pitch = np.repeat([_HAT, _KICK, _SNARE], [len(eighths_s), len(eighths_s[::4]), len(eighths_s[2::4])])
    return Track("Drums", kit, True, time_s, np.full(len(time_s), 0.1), pitch, np.where(pitch == _HAT, 50, 75))


def _chords(program: int) -> Track:
    """As long, a chord on every beat."""
    time_s = np.repeat(np.arange(0, TRIAL_S, 0.5), len(_CHORD))
    pitch = np.tile(_CHORD, len(time_s) // len(_CHORD))
    return Track("Chords", program, False, time_s, np.full(len(time_s), 0.45), pitch, np.full(len(time_s), 75))
