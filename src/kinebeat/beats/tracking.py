"""From movement to a beat grid that covers the whole clip."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kinebeat.beats.grid import BEATS_PER_BAR, STEPS_PER_BEAT, BeatGrid
from kinebeat.beats.hmm import beat_states, decode_beats
from kinebeat.errors import OptionError
from kinebeat.motion import MOTION_FPS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kinebeat.accents import Accents

SLOWEST_BPM, FASTEST_BPM = 60.0, 180.0
PREFERRED_BPM, PREFERRED_OCTAVES = 112.0, 0.60
"""People tap between 70 and 160 BPM: a log-normal preference over tempo."""
DRIFT = 0.12
"""How far, as a part of it, the tempo may move from the clip's own in either direction."""
CLEAR_BEAT = 0.15
"""Confidence from which the movement's own beat is followed; random peaks reach it in under 2 % of clips."""
BUMP_SIGMA_S = 0.030
FALLBACK_BPM = 100.0
_REACH = 3
_FIT_SIGMA_S = 0.030
_FIT_RANGE_BPM = (80.0, 150.0)


def track_beats(
    accents: Accents,
    duration_s: float,
    tempo_bpm: float | None = None,
    activation: NDArray[np.float64] | None = None,
) -> BeatGrid:
    """Follow the beat of a movement through a whole clip.

    Where the movement repeats itself, its beat is decoded by a bar-pointer HMM, free to drift. Where it does not,
    the grid is the tempo and phase that put most accent strength on 16ths.

    Args:
        accents: peaks of the movement, weak ones too.
        duration_s: length of the clip.
        tempo_bpm: if given, the tempo of the grid; only the phase is sought.
        activation: (T,) beat activation at `MOTION_FPS` from a learned model; from the accents if None.

    Raises:
        OptionError: the tempo is outside 30 to 300 BPM.
    """
    if tempo_bpm is not None:
        check_tempo(tempo_bpm)
        return _cover(_constant_beats(accents, duration_s, tempo_bpm), accents, duration_s, 1.0, "tempo")
    if activation is None:
        activation = movement_activation(accents, duration_s)
    tempo, confidence = clip_tempo(activation)
    if confidence < CLEAR_BEAT:
        fitted = fit_tempo(accents)
        return _cover(_constant_beats(accents, duration_s, fitted), accents, duration_s, confidence, "accents")
    states = beat_states(MOTION_FPS, tempo / (1 + DRIFT), tempo * (1 + DRIFT))
    beats_s = _smooth(decode_beats(activation, states), activation)
    if len(beats_s) < 2:
        beats_s = _constant_beats(accents, duration_s, tempo)
    return _cover(beats_s, accents, duration_s, confidence, "movement")


def check_tempo(tempo_bpm: float) -> None:
    """Refuse a tempo that nobody plays.

    Raises:
        OptionError: it is outside 30 to 300 BPM.
    """
    if not 30 <= tempo_bpm <= 300:
        raise OptionError(f"tempo {tempo_bpm:g} BPM: expected 30 to 300")


def movement_activation(accents: Accents, duration_s: float) -> NDArray[np.float64]:
    """A beat activation made of the movement's peaks: a bump as high as its strength on each, (T,) in [0, 0.95]."""
    frames = max(1, int(np.ceil(duration_s * MOTION_FPS)))
    activation = np.zeros(frames)
    reach = int(np.ceil(4 * BUMP_SIGMA_S * MOTION_FPS))
    for time_s, strength in zip(accents.times_s, accents.strength, strict=True):
        centre = round(time_s * MOTION_FPS)
        near = np.arange(max(0, centre - reach), min(frames, centre + reach + 1))
        bump = strength * np.exp(-0.5 * ((near / MOTION_FPS - time_s) / BUMP_SIGMA_S) ** 2)
        activation[near] = np.maximum(activation[near], bump)
    return 0.95 * activation


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
    independent = max(4.0, len(x) / MOTION_FPS / (4 * BUMP_SIGMA_S))
    chance = 1.5 / np.sqrt(independent)  # one and a half deviations: the best of many tempi is taken
    return float(bpm[best]), float(np.clip((salience[best] - chance) / 0.30, 0.0, 1.0))


def fit_tempo(accents: Accents) -> float:
    """Tempo in BPM whose 16ths, at their best phase, carry most accent strength beyond what chance would put there."""
    if len(accents.times_s) < 3:
        return FALLBACK_BPM
    tempi = np.arange(_FIT_RANGE_BPM[0], _FIT_RANGE_BPM[1] + 0.25, 0.5)
    fits = [_phase_fit(accents, bpm)[1] for bpm in tempi]
    preference = 0.5 * (np.log2(tempi / PREFERRED_BPM) / PREFERRED_OCTAVES) ** 2
    return float(tempi[int(np.argmax(np.array(fits) - preference))])


def _phase_fit(accents: Accents, tempo_bpm: float) -> tuple[float, float]:
    """Best offset in seconds of a constant grid of 16ths, and its fit in standard deviations above chance."""
    step = 60 / tempo_bpm / STEPS_PER_BEAT
    weight = accents.strength / np.sqrt(np.sum(accents.strength**2))
    offsets = np.arange(0, step, 0.005)
    away = (accents.times_s[None, :] - offsets[:, None] + step / 2) % step - step / 2
    kernel = np.exp(-0.5 * (away / _FIT_SIGMA_S) ** 2)
    spread = np.linspace(-step / 2, step / 2, 101)
    by_chance = np.exp(-0.5 * (spread / _FIT_SIGMA_S) ** 2)
    fit = ((kernel - by_chance.mean()) / by_chance.std()) @ weight
    best = int(np.argmax(fit))
    return float(offsets[best]), float(fit[best])


def _constant_beats(accents: Accents, duration_s: float, tempo_bpm: float) -> NDArray[np.float64]:
    """Beats at one tempo, in phase with the accents."""
    period = 60 / tempo_bpm
    phase = 0.0
    if len(accents.times_s):
        step = period / STEPS_PER_BEAT
        offset, _ = _phase_fit(accents, tempo_bpm)
        # Of the four 16ths that could be the beat, the one with most strength on it.
        number = np.round((accents.times_s - offset) / step).astype(int) % STEPS_PER_BEAT
        phase = offset + step * int(np.bincount(number, accents.strength, STEPS_PER_BEAT).argmax())
    return np.arange(phase, max(duration_s, 2 * period) + 2 * period, period)


def _smooth(frames: NDArray[np.int64], activation: NDArray[np.float64]) -> NDArray[np.float64]:
    """Beats in seconds, freed of frame rounding and of the decoder's early bias.

    Each decoded beat moves to the centre of the activation around it, then onto a straight line through itself and
    its four neighbours on either side, heavier the nearer they are and the more activation they have.
    """
    near = np.arange(-_REACH, _REACH + 1)
    centre = frames.astype(np.float64)
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


def _cover(
    beats_s: NDArray[np.float64], accents: Accents, duration_s: float, confidence: float, source: str
) -> BeatGrid:
    """Extend beats to whole bars that cover the clip, the downbeat where the accents are strongest."""
    head = float(np.median(np.diff(beats_s[:9])))
    tail = float(np.median(np.diff(beats_s[-9:])))
    before = max(0, int(np.ceil(beats_s[0] / head - 1e-9)))
    beats_s = np.concatenate([beats_s[0] - head * np.arange(before, 0, -1), beats_s])
    downbeat = 0
    if len(accents.times_s):
        number = np.round(np.interp(accents.times_s, beats_s, np.arange(len(beats_s)))).astype(int)
        near = np.exp(-0.5 * ((accents.times_s - beats_s[number]) / 0.05) ** 2)
        downbeat = int(np.bincount(number % BEATS_PER_BAR, accents.strength * near, BEATS_PER_BAR).argmax())
    if beats_s[downbeat] > 0:
        downbeat -= BEATS_PER_BAR
    if downbeat < 0:
        beats_s = np.concatenate([beats_s[0] - head * np.arange(-downbeat, 0, -1), beats_s])
        downbeat = 0
    beats_s = beats_s[downbeat:]
    while len(beats_s) > BEATS_PER_BAR and beats_s[BEATS_PER_BAR] <= 0:
        beats_s = beats_s[BEATS_PER_BAR:]
    enough = int(np.searchsorted(beats_s, duration_s))
    missing = max(0, int(np.ceil((duration_s - beats_s[-1]) / tail)))
    last = enough if enough < len(beats_s) else len(beats_s) - 1 + missing
    last = max(BEATS_PER_BAR, -(-last // BEATS_PER_BAR) * BEATS_PER_BAR)
    more = last + 1 - len(beats_s)
    if more > 0:
        beats_s = np.concatenate([beats_s, beats_s[-1] + tail * np.arange(1, more + 1)])
    return BeatGrid(beats_s[: last + 1], confidence, source)
