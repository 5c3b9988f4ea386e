"""Loudness as ITU-R BS.1770 has it, and gains that move gently."""

import numpy as np
import pytest

from kinebeat.levels import SILENT_LUFS, amplitude, decibels, levels, limit_curve, loudness_lufs, shaped

RATE_HZ = 48000


def tone(seconds: float, hz: float, dbfs: float) -> np.ndarray:
    wave = amplitude(dbfs) * np.sin(2 * np.pi * hz * np.arange(round(seconds * RATE_HZ)) / RATE_HZ)
    return np.stack([wave, wave], 1).astype(np.float32)


def loudness(sound: np.ndarray, block: int = 7000) -> float:
    return loudness_lufs((sound[i : i + block] for i in range(0, len(sound), block)), len(sound))


def test_the_standards_own_tone():
    one_side = tone(3, 997, 0) * np.float32([1, 0])
    assert loudness(one_side) == pytest.approx(-3.01, abs=0.02)
    assert loudness(tone(3, 997, -20)) == pytest.approx(-20.0, abs=0.02)


def test_bass_is_heard_less_and_treble_more():
    assert loudness(tone(3, 40, -20)) < -24
    assert loudness(tone(3, 5000, -20)) == pytest.approx(-16.7, abs=0.3)


def test_pauses_and_quiet_passages_do_not_count():
    loud, quiet, nothing = tone(4, 997, -20), tone(4, 997, -45), np.zeros((8 * RATE_HZ, 2), np.float32)
    assert loudness(np.concatenate([nothing, loud, nothing])) == pytest.approx(-20, abs=0.4)
    assert loudness(np.concatenate([loud, quiet])) == pytest.approx(-20, abs=0.4)
    assert loudness(nothing) == SILENT_LUFS
    assert loudness(nothing[:0]) == SILENT_LUFS


def test_blocks_do_not_matter():
    sound = np.concatenate([tone(1.23, 300, -12), tone(0.7, 4000, -30)])
    assert loudness(sound, 999) == pytest.approx(loudness(sound, 10**6), abs=1e-9)
    for block in (100, 4801):
        blocks = [sound[i : i + block] for i in range(0, len(sound), block)]
        assert np.array_equal(levels(blocks, len(sound)), levels([sound], len(sound)))
        curve = np.linspace(0, 1, 194, dtype=np.float32)
        assert np.array_equal(np.concatenate(list(shaped(blocks, curve))), next(shaped([sound], curve)))


def test_a_limited_sound_stays_below_its_peak_and_moves_gently():
    rng = np.random.default_rng(0)
    sound = (0.3 * rng.standard_normal((2 * RATE_HZ, 2))).astype(np.float32)
    sound[RATE_HZ : RATE_HZ + 40] = 1.7
    curve = limit_curve(levels([sound], len(sound)), 0.8)
    assert np.abs(next(shaped([sound], curve))).max() <= 0.8 + 1e-6
    assert np.abs(np.diff(curve)).max() < 0.13


def test_decibels():
    assert amplitude(-6.0) == pytest.approx(0.501, abs=1e-3)
    assert decibels(amplitude(3.5)) == pytest.approx(3.5)
    assert decibels(0.0) == -180
