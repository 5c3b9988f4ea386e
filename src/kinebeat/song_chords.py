"""The chords of a song, half bar by half bar of its own beat, so that piano and guitar can play on them.

Pitch classes of what rises out of the spectrum, so that drums do not count; templates with overtones (Gomez 2006,
"Tonal Description of Polyphonic Audio for Music Content Processing"); a Viterbi search as in
`kinebeat.accompaniment.harmony`. The figures below were chosen on songs of the multi-track corpus that our own
synthesizer played.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kinebeat.accompaniment.harmony import (
    CHORDS,
    NO_CHORD,
    NO_KEY,
    QUALITIES,
    RARITY,
    TEMPLATES,
    best_path,
    chord_pitch_classes,
    key_of,
    scale_pitch_classes,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

FFT, HOP = 8192, 2048
MOST_FRAMES = 256
"""At a time, to save memory."""
RANGE_HZ, BASS_HZ = (80.0, 2000.0), (30.0, 200.0)
FLOOR_BINS = 15
"""What is above the median of so many neighbouring frequencies is a tone."""
OVERTONES, OVERTONE = 5, 0.6
"""How many partials a note has, and how strong each is beside the one below it."""
BASS, IN_KEY = 0.15, 0.03
"""Bonus of a chord whose root is the bass, and of one of the key's own notes."""
CHANGE = (0.052, 0.077)
"""Cost of a new chord on the first and on the third beat."""
SILENT = 0.05
"""A half bar with less than this share of the loudest one's tones has no chord."""
ONE_CHORD = 0.9
"""A song with one chord in this share of its half bars tells none."""


def half_bar_tones(
    pieces: Iterable[NDArray[np.float32]], rate_hz: int, bounds_s: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How strong each pitch class is in each half bar, and in its bass.

    Args:
        pieces: mono sound whose frames of `FFT`, `HOP` apart, follow on each other; the first is centred on 0 s.
        rate_hz: sampling rate.
        bounds_s: (H + 1,) where half bars begin, and the last ends, in seconds of the sound.

    Returns:
        Two (H, 12) arrays: means over the frames; 0 where there are none.
    """
    import librosa
    from scipy.ndimage import median_filter

    hz = librosa.fft_frequencies(sr=rate_hz, n_fft=FFT)
    kept = (hz >= BASS_HZ[0]) & (hz < RANGE_HZ[1])
    fold = librosa.filters.chroma(sr=rate_hz, n_fft=FFT, octwidth=None)
    folds = [(fold * ((hz >= low) & (hz < high)))[:, kept] for low, high in (RANGE_HZ, BASS_HZ)]
    sums, counts = np.zeros((2, len(bounds_s) - 1, 12)), np.zeros(len(bounds_s) - 1)
    done = 0
    for piece in pieces:
        spectrum = np.abs(librosa.stft(piece, n_fft=FFT, hop_length=HOP, center=False))[kept]
        tones = np.maximum(0, spectrum - median_filter(spectrum, size=(FLOOR_BINS, 1), mode="nearest"))
        time_s = (done + np.arange(tones.shape[1])) * HOP / rate_hz
        done += tones.shape[1]
        half = np.searchsorted(bounds_s, time_s, side="right") - 1
        inside = (half >= 0) & (half < len(counts))
        np.add.at(counts, half[inside], 1)
        for total, weights in zip(sums, folds, strict=True):
            np.add.at(total, half[inside], (weights @ tones).T[inside])
    whole, bass = sums / np.maximum(counts, 1)[:, None]
    return whole, bass


def chords_of_tones(whole: NDArray[np.float64], bass: NDArray[np.float64]) -> tuple[NDArray[np.int64], int]:
    """The chord of every half bar, `NO_CHORD` where nothing has a pitch, and the key.

    If it is the same nearly everywhere there are no chords: so drums alone sound, and noise.

    Args:
        whole: (H, 12) from `half_bar_tones`.
        bass: (H, 12) of the bass.
    """
    length = np.linalg.norm(whole, axis=1)
    silent = length <= SILENT * length.max(initial=0)
    key = key_of(whole.sum(0)) if len(whole) else NO_KEY
    if silent.all():
        return np.full(len(whole), NO_CHORD), NO_KEY
    number = np.arange(NO_CHORD)
    root, quality = number // len(QUALITIES), number % len(QUALITIES)
    outside = [pc for pc in range(12) if pc not in scale_pitch_classes(key)]
    in_key = ~TEMPLATES[:, outside].any(1)
    score = np.zeros((len(whole), CHORDS))
    score[:, :NO_CHORD] = whole / np.maximum(length, 1e-12)[:, None] @ _SOUNDING.T
    score[:, :NO_CHORD] += BASS * (bass / np.maximum(bass.sum(1, keepdims=True), 1e-12))[:, root]
    score[:, :NO_CHORD] += IN_KEY * in_key - RARITY[quality]
    score[silent, :NO_CHORD], score[~silent, NO_CHORD] = 0.0, -1.0
    score[silent, NO_CHORD] = 1.0
    found = best_path(score, CHANGE)
    same = np.bincount(found[~silent]).max() >= ONE_CHORD * (~silent).sum()
    return (np.full(len(whole), NO_CHORD) if same else found), key


def _sounding_templates() -> NDArray[np.float64]:
    """What pitch classes a chord sounds like with the overtones of its notes: (84, 12), each of length 1."""
    table = np.zeros((NO_CHORD, 12))
    for chord in range(NO_CHORD):
        for pitch_class in chord_pitch_classes(chord):
            for partial in range(1, OVERTONES + 1):
                above = round(12 * np.log2(partial))
                table[chord, (pitch_class + above) % 12] += OVERTONE ** (partial - 1)
    return np.asarray(table / np.linalg.norm(table, axis=1, keepdims=True))


_SOUNDING = _sounding_templates()
