"""The alignment score: by hand, and on silent, metronome and random sound."""

from __future__ import annotations

import math

import numpy as np
import pytest

from kinebeat.errors import OptionError
from kinebeat.evaluation.alignment import Alignment, Events, beat_alignment, pooled_alignment

NOTHING = np.zeros(0)


def random_times_s(seed: int, duration_s: float, per_s: float) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.sort(rng.uniform(0, duration_s, int(duration_s * per_s)))


# One clip by hand


def test_score_by_hand() -> None:
    # 20 ms, 0, 50 ms (the nearer of two) and 400 ms away; sigma is 50 ms.
    near = beat_alignment([1.02, 2.0, 2.45, 3.4], [1.0, 2.0, 2.5, 3.0])
    expected = [math.exp(-0.08), 1.0, math.exp(-0.5), math.exp(-32.0)]
    np.testing.assert_allclose(near, expected, rtol=1e-12)


def test_pooled_score_by_hand() -> None:
    clips = [
        Events(np.array([1.0, 2.0]), np.array([1.05]), 5.0),
        Events(np.array([4.0]), np.array([3.9, 4.1]), 10.0),
        Events(np.array([0.5]), NOTHING, 1.0),
    ]
    forth = pooled_alignment(clips, shifts=3)
    # Every event weighs the same, whichever clip it is of; a peak in a silent clip scores nothing.
    assert forth.score == pytest.approx((math.exp(-0.5) + math.exp(-0.5 * 19**2) + math.exp(-2) + 0) / 4, abs=1e-12)
    assert forth.events == 4
    back = pooled_alignment(clips, reverse=True, shifts=3)
    assert back.score == pytest.approx((math.exp(-0.5) + 2 * math.exp(-2)) / 3, abs=1e-12)
    assert back.events == 3


def test_sigma_is_the_distance_that_scores_exp_of_minus_a_half() -> None:
    assert beat_alignment([1.0], [1.2], sigma_s=0.2)[0] == pytest.approx(math.exp(-0.5))


def test_order_of_the_sound_does_not_matter() -> None:
    a, b = random_times_s(0, 10, 3), random_times_s(1, 10, 3)
    shuffled = np.random.default_rng(0).permutation(b)
    np.testing.assert_array_equal(beat_alignment(a, b), beat_alignment(a, shuffled))


def test_nearest_is_the_nearest_of_all() -> None:
    a, b = random_times_s(2, 10, 5), random_times_s(3, 10, 5)
    brute = np.exp(-((a[:, None] - b).__abs__().min(1) ** 2) / (2 * 0.05**2))
    np.testing.assert_allclose(beat_alignment(a, b), brute, rtol=1e-12)


# The kinds of input every metric is shown


def test_perfect_sound_scores_one_and_far_above_chance() -> None:
    times_s = random_times_s(0, 60, 1.5)
    perfect = pooled_alignment([Events(times_s, times_s, 60.0)])
    assert perfect.score == 1.0
    assert perfect.z > 8
    assert pooled_alignment([Events(times_s, times_s, 60.0)], reverse=True).score == 1.0


def test_silence_scores_nothing() -> None:
    forth = pooled_alignment([Events(random_times_s(0, 30, 2), NOTHING, 30.0)])
    assert (forth.score, forth.null_mean, forth.null_sd) == (0.0, 0.0, 0.0)
    assert math.isnan(forth.z)
    back = pooled_alignment([Events(random_times_s(0, 30, 2), NOTHING, 30.0)], reverse=True)
    assert math.isnan(back.score)
    assert back.events == 0


def test_nobody_moving_has_no_score() -> None:
    forth = pooled_alignment([Events(NOTHING, random_times_s(0, 30, 2), 30.0)])
    assert math.isnan(forth.score)
    assert math.isnan(forth.z)
    assert pooled_alignment([Events(NOTHING, random_times_s(0, 30, 2), 30.0)], reverse=True).score == 0.0


def test_no_clip_at_all_has_no_score() -> None:
    empty = pooled_alignment([])
    assert empty.events == 0
    assert math.isnan(empty.score)


@pytest.mark.parametrize("reverse", [False, True])
def test_random_sound_is_chance(reverse: bool) -> None:
    z = [
        pooled_alignment(
            [Events(random_times_s(2 * k, 40, 2), random_times_s(2 * k + 1, 40, 3), 40.0)], reverse=reverse, shifts=120
        ).z
        for k in range(40)
    ]
    assert np.mean(np.abs(z) < 3) >= 0.95
    assert abs(np.mean(z)) < 0.6
    assert 0.5 < np.std(z) < 1.6


def test_a_metronome_at_another_tempo_is_chance() -> None:
    movement_s = np.arange(0.2, 120, 0.61)
    assert abs(pooled_alignment([Events(movement_s, np.arange(0, 120, 0.5), 120.0)]).z) < 3


def test_a_metronome_on_the_movement_is_not() -> None:
    movement_s = np.arange(0.2, 60, 0.5) + np.random.default_rng(0).normal(0, 0.02, 120)
    on, off = (pooled_alignment([Events(movement_s, np.arange(s, 60, 0.5), 60.0)]) for s in (0.2, 0.45))
    assert on.score > 0.85
    assert off.score < 0.05
    assert on.z > 1 > 0 > off.z


def test_a_dense_sound_scores_high_and_its_null_says_so() -> None:
    dense = pooled_alignment([Events(random_times_s(0, 30, 2), np.arange(0, 30, 0.05), 30.0)])
    assert dense.score > 0.9
    assert dense.null_mean > 0.9
    assert abs(dense.z) < 3


# The null


def test_the_null_has_a_seed() -> None:
    clips = [Events(random_times_s(0, 30, 2), random_times_s(1, 30, 2), 30.0)]
    assert pooled_alignment(clips, seed=3) == pooled_alignment(clips, seed=3)
    assert pooled_alignment(clips, seed=3).null_mean != pooled_alignment(clips, seed=4).null_mean


def test_the_null_is_the_mean_over_every_shift() -> None:
    # One peak and one onset: over all shifts of 10 s the mean is the kernel's area over 10 s.
    null = pooled_alignment([Events(np.array([5.0]), np.array([1.0]), 10.0)], shifts=4000)
    assert null.null_mean == pytest.approx(math.sqrt(2 * math.pi) * 0.05 / 10, rel=0.25)


def test_z_is_the_distance_from_the_null_in_its_deviations() -> None:
    got = pooled_alignment([Events(random_times_s(0, 30, 2), random_times_s(1, 30, 2), 30.0)])
    assert isinstance(got, Alignment)
    assert got.z == pytest.approx((got.score - got.null_mean) / got.null_sd, rel=1e-12)


# Bad input


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_times_that_are_not_finite_are_refused(bad: float) -> None:
    with pytest.raises(OptionError, match="finite seconds"):
        beat_alignment([1.0, bad], [1.0])
    with pytest.raises(OptionError, match="finite seconds"):
        beat_alignment([1.0], [bad])
    with pytest.raises(OptionError, match="finite seconds"):
        pooled_alignment([Events(np.array([1.0]), np.array([bad]), 5.0)])


def test_empty_sides() -> None:
    assert beat_alignment([], []).shape == (0,)
    assert beat_alignment([], [1.0]).shape == (0,)
    np.testing.assert_array_equal(beat_alignment([1.0, 2.0], []), [0.0, 0.0])
