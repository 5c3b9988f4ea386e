"""From activations made by hand to beats: tempo, drift, gaps, octaves, and inputs that hold nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from kinebeat.beats.cues import HIGHEST, bumps
from kinebeat.beats.decoding import FALLBACK_BPM, SEARCHED, clip_tempo, decode, exact_tempo
from kinebeat.beats.tracking import CLEAR_BEAT
from kinebeat.motion import MOTION_FPS

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

EXACT = 0.001
"""A tempo is found to a thousandth, which is how finely it is sought."""


def activation_of(
    times_s: ArrayLike, strength: ArrayLike = 0.9, duration_s: float = 40.0, *, noise: float = 0.0, seed: int = 0
) -> NDArray[np.float64]:
    """A bump on each time over a floor of noise, (T,) in [0, 1]."""
    times = np.asarray(times_s, float)
    heights = np.broadcast_to(np.asarray(strength, np.float32), times.shape)
    curve = bumps(times, heights, round(duration_s * MOTION_FPS))
    return np.clip(curve + noise * np.abs(np.random.default_rng(seed).normal(size=len(curve))), 0.0, 1.0)


def with_half_beats(bpm: float, weaker: float, duration_s: float = 40.0) -> NDArray[np.float64]:
    """Beats at 0.9, and between them half-beats that are weaker."""
    beats_s = np.arange(0.4, duration_s - 0.4, 60 / bpm)
    strength = np.concatenate([np.full(len(beats_s), 0.9), np.full(len(beats_s), weaker)])
    return activation_of(np.concatenate([beats_s, beats_s + 30 / bpm]), strength, duration_s)


def steady_s(bpm: float, duration_s: float, first_s: float = 0.31) -> NDArray[np.float64]:
    return np.arange(first_s, duration_s, 60 / bpm)


def gliding_s(first_bpm: float, last_bpm: float, duration_s: float) -> NDArray[np.float64]:
    """Beats whose tempo goes evenly from the one to the other."""
    fine_s = np.arange(0.0, duration_s, 0.0005)
    beats = (first_bpm * fine_s + 0.5 * (last_bpm - first_bpm) / duration_s * fine_s**2) / 60
    return np.interp(np.arange(1, int(beats[-1]) + 1), beats, fine_s)


def assert_same_beats(found_s: NDArray[np.float64], true_s: NDArray[np.float64], within_s: float) -> None:
    """Each true beat is found and none is between them; before the first and after the last there may be one more."""
    away_s = np.abs(found_s[:, None] - true_s)
    assert away_s.min(0).max() < within_s
    inside = (found_s > true_s[0] - within_s) & (found_s < true_s[-1] + within_s)
    assert inside.sum() == len(true_s)


# A tempo and its beats


@pytest.mark.parametrize("seed", range(4))
def test_every_beat_of_two_noisy_minutes_is_found(seed: int) -> None:
    # One beat in five is missing, the others are scattered by 10 ms, and every three seconds there is a false one.
    rng = np.random.default_rng(seed)
    true_s = steady_s(90.37, 120.0)
    kept_s = true_s[rng.uniform(size=len(true_s)) < 0.8]
    false_s = rng.uniform(0, 120, 40)
    times_s = np.concatenate([kept_s + rng.normal(0, 0.010, len(kept_s)), false_s])
    strength = np.concatenate([rng.uniform(0.4, 1.0, len(kept_s)), rng.uniform(0.2, 0.7, len(false_s))])
    heard = decode(activation_of(times_s, strength, 120.0, noise=0.05, seed=seed))
    assert heard.tempo_bpm == pytest.approx(90.37, rel=EXACT)
    assert 60 / np.polyfit(np.arange(len(heard.beats_s)), heard.beats_s, 1)[0] == pytest.approx(90.37, rel=EXACT)
    assert_same_beats(heard.beats_s, true_s, 0.030)
    assert heard.confidence > 0.9


@pytest.mark.parametrize(("first_bpm", "last_bpm"), [(100, 112), (112, 100), (90, 100)])
@pytest.mark.parametrize("noise", [0.0, 0.05])
def test_a_drifting_tempo_is_followed(first_bpm: float, last_bpm: float, noise: float) -> None:
    true_s = gliding_s(first_bpm, last_bpm, 60.0)
    heard = decode(activation_of(true_s, duration_s=60.0, noise=noise))
    assert_same_beats(heard.beats_s, true_s, 0.030)
    tempo = 60 / np.diff(heard.beats_s)
    assert np.median(tempo[:8]) == pytest.approx(first_bpm, rel=0.02)
    assert np.median(tempo[-8:]) == pytest.approx(last_bpm, rel=0.02)
    assert first_bpm < heard.tempo_bpm < last_bpm or last_bpm < heard.tempo_bpm < first_bpm


@pytest.mark.parametrize("bpm", [84.0, 100.3, 133.0])
def test_a_tempo_is_held_through_eight_seconds_without_evidence(bpm: float) -> None:
    true_s = steady_s(bpm, 40.0)
    heard = decode(activation_of(true_s[(true_s < 16) | (true_s > 24)]))
    assert heard.tempo_bpm == pytest.approx(bpm, rel=EXACT)
    assert_same_beats(heard.beats_s, true_s, 0.030)


def test_beats_go_on_at_their_tempo_where_a_clip_begins_and_ends_without_evidence() -> None:
    true_s = steady_s(104.0, 40.0)
    heard = decode(activation_of(true_s[(true_s > 6) & (true_s < 34)]))
    assert_same_beats(heard.beats_s, true_s, 0.030)


@pytest.mark.parametrize("offset_s", [0.0, 0.004, 0.009, 0.013])
def test_beats_between_two_frames_are_found_between_them(offset_s: float) -> None:
    true_s = steady_s(100.0, 30.0, 0.5 + offset_s)
    heard = decode(activation_of(true_s, duration_s=30.0)).beats_s
    near_s = heard[np.abs(heard[:, None] - true_s).argmin(0)]
    assert np.abs(near_s - true_s)[1:-1].max() < 0.004


def test_beats_increase_and_lie_in_the_clip() -> None:
    for seed in range(6):
        noise = np.random.default_rng(seed).uniform(0, 1, 900)
        beats_s = decode(noise).beats_s
        assert (np.diff(beats_s) > 0.2).all()
        assert beats_s[0] > -0.1
        assert beats_s[-1] < 15.1


def test_ten_minutes_are_decoded_to_the_last_beat() -> None:
    true_s = steady_s(97.0, 600.0)
    heard = decode(activation_of(true_s, duration_s=600.0, noise=0.02))
    assert heard.tempo_bpm == pytest.approx(97.0, rel=EXACT)
    assert_same_beats(heard.beats_s, true_s, 0.030)


def test_decoding_takes_memory_in_proportion_to_the_clip(peak_bytes: Callable[[Callable[[], object]], int]) -> None:
    def peak(duration_s: float) -> int:
        activation = activation_of(steady_s(97.0, duration_s), duration_s=duration_s)
        return peak_bytes(lambda: decode(activation))

    peak(10.0)
    assert peak(240.0) < 10 * peak(40.0)


# Octaves


@pytest.mark.parametrize("bpm", [72.0, 80.0, 96.0, 112.0, 128.0, 140.0])
@pytest.mark.parametrize("weaker", [0.2, 0.35, 0.5])
def test_weaker_half_beats_do_not_double_the_tempo(bpm: float, weaker: float) -> None:
    heard = decode(with_half_beats(bpm, weaker))
    assert heard.tempo_bpm == pytest.approx(bpm, rel=EXACT)
    beats_s = np.arange(0.4, 39.6, 60 / bpm)
    assert_same_beats(heard.beats_s, beats_s, 0.030)


@pytest.mark.parametrize("bpm", [38.0, 45.0, 50.0, 55.0])
def test_movement_at_half_the_tempo_is_heard_where_people_tap(bpm: float) -> None:
    heard = decode(activation_of(steady_s(bpm, 40.0)))
    assert heard.tempo_bpm == pytest.approx(2 * bpm, rel=EXACT)
    assert np.abs(heard.beats_s[:, None] - steady_s(bpm, 40.0)).min(0).max() < 0.030


@pytest.mark.parametrize("bpm", [190.0, 200.0, 220.0, 240.0, 256.0])
def test_movement_at_double_the_tempo_is_heard_where_people_tap(bpm: float) -> None:
    heard = decode(activation_of(steady_s(bpm, 40.0)))
    assert heard.tempo_bpm == pytest.approx(bpm / 2, rel=EXACT)
    assert np.abs(heard.beats_s[:, None] - steady_s(bpm, 40.0)).min(1)[1:-1].max() < 0.030


@pytest.mark.parametrize("bpm", [70.0, 85.0, 100.0, 115.0, 130.0, 145.0, 155.0])
def test_plain_beats_where_people_tap_keep_their_octave(bpm: float) -> None:
    assert decode(activation_of(steady_s(bpm, 40.0))).tempo_bpm == pytest.approx(bpm, rel=EXACT)


def alternating(bpm: float, strong: float, weak: float) -> NDArray[np.float64]:
    """Beats of which every other is weaker."""
    beats_s = steady_s(bpm, 40.0)
    return activation_of(beats_s, np.where(np.arange(len(beats_s)) % 2 == 0, strong, weak))


@pytest.mark.parametrize("weak", [0.6, 0.7])
@pytest.mark.parametrize("bpm", [132.0, 140.0, 152.0])
def test_of_quick_beats_the_weaker_are_halves_unless_told_otherwise(bpm: float, weak: float) -> None:
    curve = alternating(bpm, 0.9, weak)
    heard = decode(curve)
    assert heard.tempo_bpm == pytest.approx(bpm / 2, rel=EXACT)
    strong_s = steady_s(bpm, 40.0)[::2]
    assert np.abs(heard.beats_s[:, None] - strong_s).min(0).max() < 0.030
    assert decode(curve, halves_below=0.4).tempo_bpm == pytest.approx(bpm, rel=EXACT)


@pytest.mark.parametrize("bpm", [90.0, 105.0, 120.0])
def test_of_slower_beats_the_weaker_are_beats(bpm: float) -> None:
    assert decode(alternating(bpm, 0.9, 0.65)).tempo_bpm == pytest.approx(bpm, rel=EXACT)


@pytest.mark.parametrize("bpm", [130.0, 150.0])
def test_quick_beats_of_random_strength_are_no_halves(bpm: float) -> None:
    beats_s = steady_s(bpm, 40.0)
    strength = np.random.default_rng(0).permutation(np.linspace(0.5, 1.0, len(beats_s)))
    assert decode(activation_of(beats_s, strength)).tempo_bpm == pytest.approx(bpm, rel=EXACT)


# Confidence


@pytest.mark.parametrize("bpm", [75.0, 100.0, 150.0])
def test_the_more_beats_the_surer_and_two_prove_nothing(bpm: float) -> None:
    sure = []
    for beats in (2, 4, 6, 10, 20):
        duration_s = beats * 60 / bpm
        sure.append(decode(activation_of(steady_s(bpm, duration_s, 30 / bpm), duration_s=duration_s)).confidence)
    assert sure == sorted(sure)
    assert sure[0] < CLEAR_BEAT
    assert sure[-1] > 0.9


def test_a_clip_is_surer_the_more_of_its_beats_there_are() -> None:
    rng = np.random.default_rng(0)
    true_s = steady_s(100.0, 40.0)
    order = rng.permutation(len(true_s))
    false_s = rng.uniform(0, 40, len(true_s))
    clear = []
    for share in (1.0, 0.75, 0.5, 0.0):
        kept = round(share * len(true_s))
        clear.append(clip_tempo(activation_of(np.concatenate([true_s[order[:kept]], false_s[kept:]])))[1])
    assert clear == sorted(clear, reverse=True)
    assert clear[0] > 0.9
    assert clear[-1] < CLEAR_BEAT


def test_a_louder_activation_is_no_clearer() -> None:
    curve = activation_of(steady_s(100.0, 40.0) + np.random.default_rng(0).normal(0, 0.06, 67))
    for part in (clip_tempo(0.2 * curve), clip_tempo(0.5 * curve + 0.4)):
        assert part == pytest.approx(clip_tempo(curve))
    assert 0.0 < clip_tempo(curve)[1] < 1.0


# Inputs that hold nothing, and other kinds of number


@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("frames", [1, 2, 7, 59, 60, 61, 600])
def test_a_constant_activation_has_no_confidence_and_harms_nothing(frames: int, value: float) -> None:
    heard = decode(np.full(frames, value))
    assert heard.confidence == 0.0
    assert 60 <= heard.tempo_bpm <= 180
    assert np.isfinite(heard.beats_s).all()
    assert (np.diff(heard.beats_s) > 0.3).all()


@pytest.mark.parametrize("frames", [3, 30, 59, 61, 90])
def test_a_single_beat_in_a_short_clip_is_no_clear_beat(frames: int) -> None:
    heard = decode(activation_of([frames / 120], duration_s=frames / 60))
    assert heard.confidence < CLEAR_BEAT
    assert np.isfinite(heard.beats_s).all()


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.longdouble])
def test_another_kind_of_number_gives_the_same_beats(kind: type) -> None:
    curve = activation_of(steady_s(97.0, 20.0), duration_s=20.0, noise=0.05)
    given, expected = decode(curve.astype(kind)), decode(curve)
    assert given.beats_s.dtype == np.float64
    assert given.tempo_bpm == pytest.approx(expected.tempo_bpm, rel=EXACT)
    np.testing.assert_allclose(given.beats_s, expected.beats_s, atol=0.005)


def test_an_activation_of_ones_and_noughts_is_decoded_and_not_written_to() -> None:
    marked = activation_of(steady_s(97.0, 20.0), duration_s=20.0) > 0.5 * HIGHEST
    before = marked.copy()
    assert decode(marked).tempo_bpm == pytest.approx(97.0, rel=EXACT)
    assert decode(marked.astype(np.int64)).tempo_bpm == pytest.approx(97.0, rel=EXACT)
    np.testing.assert_array_equal(marked, before)


# The exact tempo


@pytest.mark.parametrize("bpm", [63.2, 90.37, 118.04, 171.9])
@pytest.mark.parametrize("off", [-0.03, -0.01, 0.0, 0.02, 0.03])
def test_a_rough_tempo_is_made_exact(bpm: float, off: float) -> None:
    curve = activation_of(steady_s(bpm, 40.0), noise=0.05)
    assert exact_tempo(curve, bpm * (1 + off)) == pytest.approx(bpm, rel=EXACT)


def test_the_exact_tempo_is_never_far_from_the_given_one() -> None:
    curve = activation_of(steady_s(100.0, 40.0))
    for given in (85.0, 110.0, 140.0):
        assert abs(exact_tempo(curve, given) / given - 1) <= SEARCHED + 1e-9


def test_parts_of_a_clip_out_of_phase_still_agree_on_the_tempo() -> None:
    first_s, second_s = np.arange(0.3, 30.0, 0.6), np.arange(30.5, 60.0, 0.6)  # 100 BPM, and half a beat is skipped
    assert exact_tempo(activation_of(np.concatenate([first_s, second_s]), duration_s=60.0), 101.0) == pytest.approx(
        100.0, rel=2 * EXACT
    )


def test_under_a_second_of_clip_the_given_tempo_stays() -> None:
    assert exact_tempo(activation_of([0.3, 0.8], duration_s=0.9), 117.0) == 117.0


@pytest.mark.parametrize(("bpm", "weaker"), [(155, 0.5), (150, 0.6), (140, 0.9), (160, 0.5)])
def test_quick_beats_with_strong_halves_are_not_heard_at_two_thirds(bpm: float, weaker: float) -> None:
    assert decode(with_half_beats(bpm, weaker)).tempo_bpm == pytest.approx(bpm, rel=0.002)


@pytest.mark.parametrize("bpm", [280, 300])
def test_movement_too_quick_to_tap_is_halved_and_nothing_else(bpm: float) -> None:
    assert decode(activation_of(steady_s(bpm, 40.0))).tempo_bpm == pytest.approx(bpm / 2, rel=0.002)


def test_no_activation_has_no_beats() -> None:
    heard = decode(np.zeros(0))
    assert not len(heard.beats_s)
    assert (heard.tempo_bpm, heard.confidence) == (FALLBACK_BPM, 0.0)


@pytest.mark.parametrize("unknown", [slice(None), slice(100, 101)])
def test_what_is_not_known_of_an_activation_is_no_beat(unknown: slice) -> None:
    activation = np.zeros(600)
    activation[unknown] = np.nan
    heard = decode(activation)
    assert (heard.tempo_bpm, heard.confidence) == (FALLBACK_BPM, 0.0)
