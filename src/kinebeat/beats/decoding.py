"""From a beat activation to beats: one tempo for the clip, then a bar-pointer HMM that is free to drift about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kinebeat.beats.hmm import beat_states, decode_beats
from kinebeat.motion import MOTION_FPS

if TYPE_CHECKING:
    from numpy.typing import NDArray

SLOWEST_BPM, FASTEST_BPM = 60.0, 180.0
PREFERRED_BPM, PREFERRED_OCTAVES = 112.0, 0.60
"""People tap between 70 and 160 BPM: a log-normal preference over tempo."""
DRIFT = 0.12
"""How far, as a part of it, the tempo may move from the clip's own in either direction."""
TRANSITION_LAMBDA = 3000.0
"""How dear a change of tempo is (Krebs et al. 2015, eq. 9, have 100 for music)."""
STARTS_WITHIN = 0.02
"""How far from the clip's tempo its first beats are, as a part of it: standard deviation."""
FRAMES_PER_BEAT = 64
SHARPENED = 2.0
"""Power to which an activation is raised: an unsure network is vague nearly everywhere."""
LEAST_BEATS = 8
"""Fewer beats than this agree by chance too easily: the confidence falls, to nothing at two."""
HALVED_FROM_BPM, UNEVEN = 125.0, 0.88
"""From this tempo on, beats of which every other is weaker by this are taken for halves of the true ones."""
CLEARLY_MORE = 4.0
"""One and a half times a tempo is taken in its place if it has so many times the power (`exact_tempo`)."""
AGREEING_S, SEARCHED = 20.0, 0.04
SPECTRUM = 1 << 16
"""Points of the Fourier transform: 0.05 BPM each."""
FALLBACK_BPM = 100.0
PEAK_S = 0.12
"""About how long one peak of an activation lasts."""
_REACH = 3


@dataclass(frozen=True)
class Beats:
    """What is heard in a beat activation.

    Attributes:
        beats_s: (B,) float64, increasing, seconds from its first frame.
        tempo_bpm: the clip's one tempo.
        confidence: in [0, 1], how clear that tempo is.
    """

    beats_s: NDArray[np.float64]
    tempo_bpm: float
    confidence: float


def decode(activation: NDArray[np.floating[Any]], *, halves_below: float = UNEVEN) -> Beats:
    """Hear the beats of a whole clip.

    A movement shows its beats far less exactly than music sounds them, so much of the clip has to agree on each: the
    tempo is found for the whole clip first, to a fraction of a percent, and the frames of the model are then made so
    long that a beat at that tempo has exactly `FRAMES_PER_BEAT`. A steady tempo thus costs nothing, and a departure
    from it can be made dear (`TRANSITION_LAMBDA`) without forbidding it.

    Args:
        activation: (T,) in [0, 1] at `MOTION_FPS`, of any length.
        halves_below: quick beats of which every other has less than this part of the others' height are taken for
            halves of slower ones; 0 never.
    """
    activation = np.nan_to_num(np.asarray(activation, np.float64))
    if not len(activation):
        return Beats(np.zeros(0), FALLBACK_BPM, 0.0)
    tempo_bpm, confidence = clip_tempo(activation)
    beats_s, tempo_bpm = _follow(activation, tempo_bpm)
    if tempo_bpm >= HALVED_FROM_BPM and _evenness(activation, beats_s) < halves_below:
        beats_s, tempo_bpm = _follow(activation, tempo_bpm / 2)
    known = np.clip((len(beats_s) - 2) / (LEAST_BEATS - 2), 0.0, 1.0)
    return Beats(beats_s, tempo_bpm, float(confidence * known))


def _follow(activation: NDArray[np.float64], tempo_bpm: float) -> tuple[NDArray[np.float64], float]:
    """Beats in seconds about a tempo, and that tempo made exact."""
    tempo_bpm = exact_tempo(activation, tempo_bpm)
    fps = FRAMES_PER_BEAT * tempo_bpm / 60
    times_s = np.arange(0.0, len(activation) / MOTION_FPS, 1 / fps)
    frames = np.interp(times_s, np.arange(len(activation)) / MOTION_FPS, activation) ** SHARPENED
    states = beat_states(fps, tempo_bpm / (1 + DRIFT), tempo_bpm * (1 + DRIFT), TRANSITION_LAMBDA)
    away = states.periods / FRAMES_PER_BEAT - 1
    beats_s = decode_beats(frames, states, -0.5 * (away / STARTS_WITHIN) ** 2) / fps
    return _smooth(beats_s * MOTION_FPS, activation), tempo_bpm


def _evenness(activation: NDArray[np.float64], beats_s: NDArray[np.float64]) -> float:
    """Mean activation of every other beat over that of those between, the lesser over the greater."""
    if len(beats_s) < LEAST_BEATS:
        return 1.0
    near = np.round(beats_s * MOTION_FPS).astype(int)[:, None] + np.arange(-2, 3)
    height = activation[np.clip(near, 0, len(activation) - 1)].max(1)
    even, odd = float(height[::2].mean()), float(height[1::2].mean())
    return min(even, odd) / max(even, odd, 1e-9)


def exact_tempo(activation: NDArray[np.float64], tempo_bpm: float) -> float:
    """The tempo near a given one, or near one and a half times it, at which the beats of the clip agree best, in BPM.

    It maximises the power of the activation at the beat's frequency and, by half as much, at twice that, summed over
    windows of `AGREEING_S`: beats further apart than that need not be in phase. Three halves of a beat repeat
    themselves as well as two beats do, so the autocorrelation may give two thirds of the tempo; there the power is
    next to nothing.
    """
    length = min(len(activation), round(AGREEING_S * MOTION_FPS))
    if length < MOTION_FPS:
        return tempo_bpm
    spectrum = _spectrum(activation, length)
    found_bpm, power = _strongest(spectrum, tempo_bpm)
    if power <= 1e-12 * length**2:
        return tempo_bpm
    if tempo_bpm * 1.5 <= FASTEST_BPM:
        quicker_bpm, more = _strongest(spectrum, tempo_bpm * 1.5)
        if more > CLEARLY_MORE * power:
            return quicker_bpm
    return found_bpm


def _spectrum(activation: NDArray[np.float64], length: int) -> NDArray[np.float64]:
    """Power of an activation by frequency, (`SPECTRUM` / 2 + 1,), summed over windows of so many frames."""
    window = np.hanning(length + 2)[1:-1]
    spectrum = np.zeros(SPECTRUM // 2 + 1)
    last = len(activation) - length
    for first in sorted({*range(0, last, length // 4), last}):
        part = activation[first : first + length]
        spectrum += np.abs(np.fft.rfft((part - part.mean()) * window, SPECTRUM)) ** 2
    return spectrum


def _strongest(spectrum: NDArray[np.float64], tempo_bpm: float) -> tuple[float, float]:
    """The tempo within `SEARCHED` of a given one that has most power, and that power."""
    tempi = tempo_bpm * (1 + np.linspace(-SEARCHED, SEARCHED, 161))
    at, bins = tempi / 60 / MOTION_FPS * SPECTRUM, np.arange(len(spectrum))
    power = np.interp(at, bins, spectrum) + 0.5 * np.interp(2 * at, bins, spectrum)
    best = int(np.argmax(power))
    return float(tempi[best]), float(power[best])


def clip_tempo(activation: NDArray[np.float64]) -> tuple[float, float]:
    """The clip's one tempo in BPM and how clear it is, in [0, 1].

    The tempo maximises the autocorrelation of the activation at one to four beats under a preference for the
    tempi at which people tap. Clarity is that autocorrelation against what unrelated peaks reach by chance in a clip
    of the same length.
    """
    x = activation - activation.mean()
    power = float(x @ x)
    if power < 1e-9:
        return FALLBACK_BPM, 0.0
    size = 1 << int(np.ceil(np.log2(2 * len(x))))
    spectrum = np.abs(np.fft.rfft(x, size)) ** 2
    lags = np.arange(len(x))
    correlation = np.fft.irfft(spectrum, size)[: len(x)] / power * (len(x) / np.maximum(len(x) - lags, 1))
    bpm = np.exp(np.linspace(np.log(SLOWEST_BPM), np.log(FASTEST_BPM), 221))
    period = 60 * MOTION_FPS / bpm
    weights = {1: 0.3, 2: 0.3, 3: 0.2, 4: 0.2}
    salience, total = np.zeros(len(bpm)), np.zeros(len(bpm))
    for beats, weight in weights.items():
        lag = beats * period
        usable = lag < 0.6 * len(x)
        salience += np.where(usable, weight * np.interp(lag, lags, correlation), 0.0)
        total += np.where(usable, weight, 0.0)
    usable = total > 0
    if not usable.any():
        return FALLBACK_BPM, 0.0
    salience = np.where(usable, salience / np.maximum(total, 1e-9), -1.0)
    preference = np.exp(-0.5 * (np.log2(bpm / PREFERRED_BPM) / PREFERRED_OCTAVES) ** 2)
    # The power lets a tempo at which every beat repeats win over its double, at which every other does.
    best = int(np.argmax(np.maximum(salience, 0) ** 1.5 * preference))
    independent = max(4.0, len(x) / MOTION_FPS / PEAK_S)
    chance = 1.5 / np.sqrt(independent)  # one and a half deviations: the best of many tempi is taken
    return float(bpm[best]), float(np.clip((salience[best] - chance) / 0.30, 0.0, 1.0))


def _smooth(frames: NDArray[np.float64], activation: NDArray[np.float64]) -> NDArray[np.float64]:
    """Beats in seconds, freed of frame rounding and of the decoder's early bias.

    Each decoded beat moves to the centre of the activation around it, then onto a straight line through itself and
    its four neighbours on either side, heavier the nearer they are and the more activation they have.
    """
    near = np.arange(-_REACH, _REACH + 1)
    centre = frames.copy()
    weight = np.ones(len(frames))
    for _ in range(2):
        at = np.clip(np.round(centre).astype(int)[:, None] + near, 0, len(activation) - 1)
        weight = activation[at].sum(1) + 1e-6
        centre = np.where(weight > 0.05, (activation[at] * at).sum(1) / weight, centre)
    numbers = np.arange(len(centre))
    out = centre / MOTION_FPS
    if len(centre) >= 3:
        for i in numbers:
            part = slice(max(0, i - 4), i + 5)
            away = numbers[part] - i
            out[i] = np.polyfit(away, centre[part], 1, w=np.sqrt(weight[part] * (5 - np.abs(away))))[1] / MOTION_FPS
    return out
