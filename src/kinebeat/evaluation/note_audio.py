"""How notes sound, for metrics of sound: pieces of four seconds as log-mel spectrograms, played by our own synth.

As in `evaluation.drum_audio`, whose spectrogram this is, the font is the small one that pretty_midi brings, wherever
Kinebeat runs, as metrics of other fonts cannot be compared.
"""

from __future__ import annotations

import importlib.resources
from typing import TYPE_CHECKING

import numpy as np

from kinebeat.beats.grid import BeatGrid
from kinebeat.evaluation.drum_audio import RATE_HZ, SECONDS, log_mel
from kinebeat.evaluation.ndb import different_cells, fit_cells
from kinebeat.score import Score, Track
from kinebeat.soundfont import open_soundfont
from kinebeat.synth import RATE_HZ as SYNTH_HZ
from kinebeat.synth import Sampler, render_blocks

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from kinebeat.performance.notes import Notes

HOP_S = 2.0
CELLS = 50
LOUDEST = 0.25
"""A piece is brought up to this, as loudness is no part of the truth."""


class Room:
    """An instrument that is played where it can be heard.

    Args:
        program: General MIDI program.
        soundfont: instead of the small one.
    """

    def __init__(self, program: int = 0, soundfont: Path | None = None) -> None:
        small = importlib.resources.files("pretty_midi") / "TimGM6mb.sf2"
        self._sampler = Sampler(open_soundfont(str(small) if soundfont is None else soundfont))
        self._program = program

    def sound(self, notes: Notes, duration_s: float) -> NDArray[np.float32]:
        """Mono at 16 kHz, from time 0 on."""
        from scipy.signal import resample_poly

        length_s = notes.offset_s - notes.onset_s
        track = Track("Notes", self._program, False, notes.onset_s, length_s, notes.pitch, notes.velocity)
        score = Score((track,), BeatGrid(np.arange(5) * 0.5), duration_s)
        blocks = render_blocks(score, self._sampler.font, sampler=self._sampler)
        mono = np.concatenate([np.zeros(0, np.float32), *(block.mean(1) for block in blocks)])
        return np.asarray(resample_poly(mono, 1, SYNTH_HZ // RATE_HZ), np.float32)

    def pieces(self, notes: Notes, begin_s: float, end_s: float) -> NDArray[np.float32]:
        """Spectrograms (N, 40, 100) of four seconds each, every two seconds from a time to another.

        Where there is less than four seconds of music there are none.
        """
        starts_s = np.arange(begin_s, end_s - SECONDS + 1e-9, HOP_S)
        if not len(starts_s):
            return np.zeros((0, 40, 100), np.float32)
        sound = self.sound(notes, float(starts_s[-1]) + SECONDS)
        size = round(SECONDS * RATE_HZ)
        sound = np.pad(sound, (0, size))
        found = []
        for start_s in starts_s:
            first = round(float(start_s) * RATE_HZ)
            piece = sound[first : first + size]
            loudest = float(np.abs(piece).max())
            found.append(log_mel(piece * (LOUDEST / loudest if loudest > 0 else 1.0)))
        return np.stack(found)


def fit_ndb(
    training: Sequence[Notes],
    *,
    program: int = 0,
    cells: int = CELLS,
    seed: int = 0,
    progress: Callable[[float], None] | None = None,
) -> Callable[[Sequence[Notes], Sequence[Notes]], int]:
    """Foley Music's Table 3: the number of statistically different bins (`evaluation.ndb`) of what notes sound like.

    Args:
        training: what is played in the clips of the training; `cells` kinds of their spectrograms are told apart.
        program: the instrument's General MIDI program.
        cells: how many.
        seed: of the clustering.
        progress: called with the share of the training notes that have been played.

    Returns:
        A function of `(said, played)`, for each clip what a method plays and what is really played: NDB of the pieces
        of `said`, from the first note that is really played to the last. Lower is better; 5 % of the cells differ by
        chance.

    Raises:
        OptionError: there is too little music for so many cells.
    """
    room = Room(program)

    def pictures(said: Sequence[Notes], played: Sequence[Notes]) -> NDArray[np.float32]:
        found = [np.zeros((0, 40, 100), np.float32)]
        for number, (one, true) in enumerate(zip(said, played, strict=True)):
            if len(true):
                found.append(room.pieces(one, float(true.onset_s[0]), float(true.offset_s.max())))
            if progress is not None and said is training:
                progress((number + 1) / len(said))
        return coarse(np.concatenate(found))

    known = fit_cells(pictures(training, training), cells=cells, seed=seed)
    return lambda said, played: different_cells(known, pictures(said, played))


def coarse(spectrograms: NDArray[np.float32]) -> NDArray[np.float32]:
    """Spectrograms (N, 40, 100) as rows for NDB: all 40 bands, a tenth of the time steps, as in 400 ms all changes."""
    return np.asarray(spectrograms.reshape(len(spectrograms), 40, 10, 10).mean(3).reshape(len(spectrograms), -1))
