"""How drums sound, for metrics of their audio: takes of four seconds, mixed from single strokes of our own synth.

Every take of an evaluation is made of the same few hundred strokes, so each is played by `kinebeat.synth` once and then
only added up, which gives what the synth gives for the whole. The font is the small one that pretty_midi brings,
wherever Kinebeat runs, as metrics of other fonts cannot be compared.
"""

from __future__ import annotations

import importlib.resources
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from kinebeat.beats.grid import STEPS_PER_BAR, STEPS_PER_BEAT, BeatGrid
from kinebeat.drums.kit import DRUMS
from kinebeat.score import CHOKED, CHOKING, HIT_S, Score, Track
from kinebeat.soundfont import open_soundfont
from kinebeat.synth import CHOKE_S, Sampler, render_blocks

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from kinebeat.drums.data import Performance

SECONDS = 4.0
RATE_HZ = 16000
LONGEST_S = 2.5
"""A stroke is heard for so long at most."""
LEVELS = 32
"""Velocities are rounded to so many levels."""
FFT, HOP, MELS, LOWEST_HZ, HIGHEST_HZ = 1024, 640, 40, 40.0, 7600.0
FRAMES = int(SECONDS * RATE_HZ) // HOP
FLOOR_DB = -60.0


@dataclass(frozen=True)
class Take:
    """Strokes of four seconds.

    Attributes:
        time_s: (N,) float64 in [0, 4).
        drum: (N,) int64.
        velocity: (N,) float64 in (0, 1].
    """

    time_s: NDArray[np.float64]
    drum: NDArray[np.int64]
    velocity: NDArray[np.float64]


def take_of(time_s: NDArray[np.float64], drum: NDArray[np.int64], velocity: NDArray[np.float64]) -> Take:
    """The strokes that lie within a take, in order of time."""
    inside = np.flatnonzero((time_s >= 0) & (time_s < SECONDS))
    order = inside[np.argsort(time_s[inside], kind="stable")]
    return Take(time_s[order], drum[order], np.clip(velocity[order], 0.01, 1.0))


def groove_take(performance: Performance, bar: int, tempo_bpm: float | None = None) -> Take:
    """Four seconds of a performance from a bar on, at its own tempo or another."""
    first = bar * STEPS_PER_BAR
    step, drum = np.nonzero(performance.hits[first:])
    place = step + performance.offsets[first:][step, drum]
    time_s = place * 60.0 / (tempo_bpm or performance.tempo_bpm) / STEPS_PER_BEAT
    return take_of(time_s, drum.astype(np.int64), performance.velocities[first:][step, drum].astype(np.float64))


def places_in(performances: Sequence[Performance]) -> list[tuple[Performance, int]]:
    """All bars from which four seconds can be taken."""
    found = []
    for p in performances:
        needed = int(np.ceil(SECONDS * p.tempo_bpm / 60 / 4))
        found += [(p, bar) for bar in range(len(p.hits) // STEPS_PER_BAR - needed + 1)]
    return found


class Kit:
    """The single strokes, played when they are first needed.

    Args:
        soundfont: instead of the small one.
    """

    def __init__(self, soundfont: Path | None = None) -> None:
        small = importlib.resources.files("pretty_midi") / "TimGM6mb.sf2"
        self._sampler = Sampler(open_soundfont(str(small) if soundfont is None else soundfont))
        self._strokes: dict[tuple[int, int], NDArray[np.float32]] = {}

    def stroke(self, drum: int, level: int) -> NDArray[np.float32]:
        """(N,) mono at 16 kHz; level is in 1 .. `LEVELS`."""
        key = drum, level
        if key not in self._strokes:
            self._strokes[key] = self._played(drum, round(127 * level / LEVELS))
        return self._strokes[key]

    def sound(self, take: Take) -> NDArray[np.float32]:
        """Four seconds at 16 kHz, mono."""
        mixed = np.zeros(round(SECONDS * RATE_HZ), np.float32)
        closing = take.time_s[np.isin(take.drum, CHOKING)]
        for at_s, drum, velocity in zip(take.time_s, take.drum, take.velocity, strict=True):
            wave = self.stroke(int(drum), max(1, round(float(velocity) * LEVELS)))
            if drum in CHOKED:
                later = closing[closing > at_s]
                if len(later):
                    wave = _choked(wave, round(float(later[0] - at_s) * RATE_HZ))
            start = round(float(at_s) * RATE_HZ)
            wave = wave[: len(mixed) - start]
            mixed[start : start + len(wave)] += wave
        return mixed

    def spectrogram(self, take: Take) -> NDArray[np.float32]:
        """Log-mel spectrogram (40, 100) in [0, 1], from -60 dB of full level up: what all metrics look at."""
        return log_mel(self.sound(take))

    def _played(self, drum: int, velocity: int) -> NDArray[np.float32]:
        from scipy.signal import resample_poly

        one = np.ones(1)
        held = LONGEST_S if drum in CHOKED else HIT_S
        pitch, loud = np.array([DRUMS[drum].pitch]), np.array([max(1, velocity)])
        track = Track("Drums", 0, True, 0.0 * one, held * one, pitch, loud)
        score = Score((track,), BeatGrid(np.arange(5) * 0.5), LONGEST_S)
        wave = np.concatenate(list(render_blocks(score, self._sampler.font, sampler=self._sampler))).mean(1)
        found = np.asarray(resample_poly(wave, 1, 48000 // RATE_HZ), np.float32)
        loud_until = np.flatnonzero(np.abs(found) > 1e-4)
        return found[: loud_until[-1] + 1 if len(loud_until) else 1]


def log_mel(sound: NDArray[np.float32]) -> NDArray[np.float32]:
    """Log-mel spectrogram of four seconds (64000,): (40, 100) in [0, 1]."""
    padded = np.pad(sound, (FFT // 2, FFT // 2))
    frames = np.lib.stride_tricks.sliding_window_view(padded, FFT)[::HOP][:FRAMES]
    power = np.abs(np.fft.rfft(frames * np.hanning(FFT).astype(np.float32), axis=1)) ** 2
    # A sine of amplitude 1 has a power of (FFT / 4)^2 in its bin.
    bands = power.astype(np.float32) @ _mel_filters().T / (FFT / 4) ** 2
    level_db = 10 * np.log10(np.maximum(bands, 10 ** (FLOOR_DB / 10)))
    return np.asarray(np.clip(1 - level_db / FLOOR_DB, 0.0, 1.2).T, np.float32)


@cache
def _mel_filters() -> NDArray[np.float32]:
    """(40, bins) triangles evenly spaced in mel, each of height 1."""
    mels = 2595 * np.log10(1 + np.array([LOWEST_HZ, HIGHEST_HZ]) / 700)
    edges = 700 * (10 ** (np.linspace(mels[0], mels[1], MELS + 2) / 2595) - 1)
    hertz = np.fft.rfftfreq(FFT, 1 / RATE_HZ)
    # A triangle narrower than a bin would be empty.
    width = RATE_HZ / FFT
    low = np.minimum(edges[:-2], edges[1:-1] - width)[:, None]
    high = np.maximum(edges[2:], edges[1:-1] + width)[:, None]
    middle = edges[1:-1, None]
    return np.asarray(
        np.clip(np.minimum((hertz - low) / (middle - low), (high - hertz) / (high - middle)), 0, None), np.float32
    )


def _choked(wave: NDArray[np.float32], after: int) -> NDArray[np.float32]:
    """A stroke that is damped some samples after it began."""
    fade = round(CHOKE_S * RATE_HZ)
    short = wave[: after + fade].copy()
    ending = short[after:]
    ending *= np.linspace(1, 0, fade, dtype=np.float32)[: len(ending)]
    return short
