"""From movement to a beat grid that covers the whole clip."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kinebeat.beats.cues import bumps
from kinebeat.beats.decoding import FALLBACK_BPM, PREFERRED_BPM, PREFERRED_OCTAVES, decode
from kinebeat.beats.grid import BEATS_PER_BAR, STEPS_PER_BEAT, BeatGrid
from kinebeat.errors import OptionError
from kinebeat.motion import MOTION_FPS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kinebeat.accents import Accents
    from kinebeat.beats.decoding import Beats

LANDING_LEAD_S = 0.06
"""A dancer lands about this much before the music's beat."""
CLEAR_BEAT = 0.15
"""Confidence from which the movement's own beat is followed; random peaks reach it in under 2 % of clips."""
_FIT_SIGMA_S = 0.030
_FIT_RANGE_BPM = (80.0, 150.0)


def track_beats(
    accents: Accents, duration_s: float, tempo_bpm: float | None = None, heard: Beats | None = None
) -> BeatGrid:
    """Follow the beat of a movement through a whole clip.

    Where a beat is clear, the grid follows it, free to drift. Where it is not, the grid is the tempo and phase that put
    most accent strength on 16ths.

    Args:
        accents: peaks of the movement, weak ones too.
        duration_s: length of the clip.
        tempo_bpm: if given, the tempo of the grid; only the phase is sought.
        heard: the beat and how clear it is; that of the accents alone if None.

    Raises:
        OptionError: the tempo is outside 30 to 300 BPM.
    """
    if tempo_bpm is not None:
        check_tempo(tempo_bpm)
        return _cover(_constant_beats(accents, duration_s, tempo_bpm), accents, duration_s, 1.0, "tempo")
    if heard is None:
        frames = max(1, int(np.ceil(duration_s * MOTION_FPS)))
        heard = decode(bumps(accents.times_s, accents.strength, frames))
    if heard.confidence < CLEAR_BEAT:
        fitted = _constant_beats(accents, duration_s, fit_tempo(accents))
        return _cover(fitted, accents, duration_s, heard.confidence, "accents")
    beats_s = heard.beats_s
    if len(beats_s) < 2:
        beats_s = _constant_beats(accents, duration_s, heard.tempo_bpm)
    return _cover(beats_s, accents, duration_s, heard.confidence, "movement")


def check_tempo(tempo_bpm: float) -> None:
    """Refuse a tempo that nobody plays.

    Raises:
        OptionError: it is outside 30 to 300 BPM.
    """
    if not 30 <= tempo_bpm <= 300:
        raise OptionError(f"tempo {tempo_bpm:g} BPM: expected 30 to 300")


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
        away_s = accents.times_s - beats_s[number]
        near = np.maximum(np.exp(-0.5 * (away_s / 0.05) ** 2), np.exp(-0.5 * ((away_s + LANDING_LEAD_S) / 0.05) ** 2))
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
