"""The figures of beats: by hand, against mir_eval, and on perfect, off-beat, silent, metronome and random input."""

from __future__ import annotations

import math

import numpy as np
import pytest

from kinebeat.errors import OptionError
from kinebeat.evaluation import beat_metrics as metrics

BEATS_S = np.arange(0.3, 30, 0.5)
NOTHING = np.zeros(0)
ZEROS = dict.fromkeys(metrics.FIGURES, 0.0)


def drifting(seed: int = 0, beats: int = 60) -> np.ndarray:
    """Beats whose tempo wanders by a few per cent."""
    rng = np.random.default_rng(seed)
    period_s = 0.5 * np.exp(np.cumsum(rng.normal(0, 0.005, beats)))
    return 0.2 + np.cumsum(period_s)


# The kinds of input every metric is shown


@pytest.mark.parametrize("beats_s", [BEATS_S, drifting(), drifting(1)])
def test_perfect_beats_score_one_in_everything(beats_s: np.ndarray) -> None:
    assert metrics.beat_figures(beats_s, beats_s) == pytest.approx(dict.fromkeys(metrics.FIGURES, 1.0))


def test_double_tempo_is_right_at_another_level() -> None:
    double = np.sort(np.concatenate([BEATS_S, BEATS_S[:-1] + 0.25]))
    got = metrics.beat_figures(BEATS_S, double)
    assert got["f"] == pytest.approx(2 / 3, abs=0.01)  # every beat found, every other estimate wrong
    assert got["cmlc"] == got["cmlt"] == 0
    assert got["amlc"] == got["amlt"] == 1


def test_half_tempo_is_right_at_another_level() -> None:
    got = metrics.beat_figures(BEATS_S, BEATS_S[::2])
    assert got["f"] == pytest.approx(2 / 3, abs=0.01)
    assert got["cmlt"] == 0
    assert got["amlt"] == 1


def test_off_beats_are_right_at_another_level_alone() -> None:
    got = metrics.beat_figures(BEATS_S, BEATS_S[:-1] + 0.25)
    assert (got["f"], got["cmlc"], got["cmlt"]) == (0, 0, 0)
    assert got["cemgil"] < 1e-6
    assert got["amlc"] == got["amlt"] == 1


def test_one_wrong_beat_breaks_the_continuous_score_more_than_the_total() -> None:
    beats_s = BEATS_S.copy()
    beats_s[30] += 0.15
    got = metrics.beat_figures(BEATS_S, beats_s)
    # the moved beat and the interval after it fail
    assert got["cmlt"] == pytest.approx(58 / 60)
    assert got["cmlc"] == pytest.approx(30 / 60)
    assert got["f"] == pytest.approx(59 / 60)


@pytest.mark.parametrize("one", [NOTHING, np.array([3.3])])
def test_silence_and_a_single_beat_are_scored_without_a_warning(one: np.ndarray) -> None:
    for reference, estimated in ((BEATS_S, one), (one, BEATS_S), (one, NOTHING), (NOTHING, one)):
        got = metrics.beat_figures(reference, estimated)
        if len(one) and len(reference) and len(estimated):
            assert got["f"] == pytest.approx(2 / (len(BEATS_S) + 1))
            assert {got[name] for name in ("cmlc", "cmlt", "amlc", "amlt")} == {0.0}
        else:
            assert got == ZEROS
    assert metrics.beat_figures([1.0], [1.02])["f"] == 1
    assert metrics.beat_figures([1.0, 2.0], [1.0, 2.0])["cmlt"] == 1


def test_random_beats_score_what_their_number_makes_likely() -> None:
    got = metrics.mean(
        [metrics.beat_figures(np.arange(0.3, 60, 0.5), np.random.default_rng(k).uniform(0, 60, 120)) for k in range(20)]
    )
    assert 0.15 < got["f"] < 0.32  # windows of 140 ms cover 28 % of the time
    assert got["cmlc"] < 0.06
    assert got["cmlt"] < 0.12


def test_trim_leaves_the_start_of_both_out() -> None:
    late = np.concatenate([[0.1, 0.2, 1.0, 4.1], BEATS_S[BEATS_S >= 5]])
    assert metrics.beat_figures(BEATS_S, late)["f"] < 0.95
    assert metrics.beat_figures(BEATS_S, late, trim_s=5.0)["f"] == 1


def test_order_does_not_matter_and_times_must_be_finite() -> None:
    backwards = metrics.beat_figures(BEATS_S[::-1], BEATS_S[::-1])
    assert backwards == pytest.approx(dict.fromkeys(metrics.FIGURES, 1.0))
    for bad in (float("nan"), float("inf")):
        with pytest.raises(OptionError, match="finite seconds"):
            metrics.beat_figures([1.0, bad], BEATS_S)
        with pytest.raises(OptionError, match="finite seconds"):
            metrics.beat_figures(BEATS_S, [bad])


# The quick F


def test_the_quick_f_is_mir_evals() -> None:
    for seed in range(30):
        rng = np.random.default_rng(seed)
        reference, estimated = (np.sort(rng.uniform(0, 20, rng.integers(0, 60))) for _ in range(2))
        expected = metrics.beat_figures(reference, estimated)["f"]
        assert metrics.f_measure(reference, estimated) == pytest.approx(expected, abs=1e-12)
    assert metrics.f_measure(NOTHING, NOTHING) == 0


# One constant lag


@pytest.mark.parametrize("lag_s", [-0.235, -0.04, 0.0, 0.075, 0.2])
def test_the_lag_of_exact_beats_is_found(lag_s: float) -> None:
    references = [drifting(k) for k in range(3)]
    found, figures = metrics.after_lag(references, [r + lag_s for r in references])
    assert found == pytest.approx(lag_s, abs=1e-9)
    assert figures["f"] == 1
    assert figures["cmlt"] == 1
    assert figures["cemgil"] == pytest.approx(1)


def test_the_lag_is_one_for_all_clips() -> None:
    references = [drifting(k) for k in range(2)]
    lag_s, figures = metrics.after_lag(references, [references[0] + 0.12, references[1] - 0.12])
    # neither clip can have its own: one is right and the other 240 ms away
    assert abs(lag_s) == pytest.approx(0.12, abs=0.071)
    assert figures["f"] == pytest.approx(0.5, abs=0.05)


def test_lag_never_hurts_f_and_needs_beats() -> None:
    references = [drifting(k) for k in range(3)]
    estimates = [np.sort(np.random.default_rng(k).uniform(0, 30, 60)) for k in range(3)]
    plain = metrics.mean([metrics.beat_figures(r, e) for r, e in zip(references, estimates, strict=True)])
    assert metrics.after_lag(references, estimates)[1]["f"] >= plain["f"]
    assert metrics.after_lag(references, [NOTHING] * 3) == (0.0, ZEROS)
    assert metrics.after_lag([], []) == (0.0, ZEROS)


# Tempo


@pytest.mark.parametrize(
    ("bpm", "plain", "octave"),
    [(120, 1, 1), (124.5, 1, 1), (125.5, 0, 0), (60, 0, 1), (58, 0, 1), (240, 0, 1), (250, 0, 0), (np.nan, 0, 0)],
)
def test_tempo_by_hand(bpm: float, plain: int, octave: int) -> None:
    got = metrics.tempo_figures(BEATS_S, bpm)
    assert got == {"tempo_within_4pct": plain, "tempo_within_4pct_octave": octave}


def test_tempo_is_that_of_a_line_through_the_beats() -> None:
    assert metrics.reference_tempo_bpm(BEATS_S) == pytest.approx(120)
    late_first = BEATS_S.copy()
    late_first[0] += 0.1
    assert metrics.reference_tempo_bpm(late_first) == pytest.approx(120, rel=1e-3)
    assert math.isnan(metrics.reference_tempo_bpm([1.0]))
    assert metrics.tempo_figures([1.0], 120.0)["tempo_within_4pct_octave"] == 0


# Chance


def test_the_null_of_exact_beats_is_a_metronome_of_any_phase() -> None:
    null = metrics.shift_null(BEATS_S, BEATS_S, np.random.default_rng(0), 200)
    assert null["f_null"] == pytest.approx(0.28, abs=0.07)
    # the window of the continuity scores is 17.5 % of a period in either direction
    assert null["cmlt_null"] == pytest.approx(0.35, abs=0.08)
    assert null["f_z"] == pytest.approx((1 - null["f_null"]) / null["f_null_sd"])
    assert null["f_z"] > 1


def test_the_null_says_that_a_metronome_is_chance() -> None:
    z = []
    for seed in range(16):
        rng = np.random.default_rng(seed)
        references = [drifting(5 * seed + k, 24) for k in range(5)]
        estimates = [metrics.metronome_beats(r, 13, rng) for r in references]
        z.append(metrics.pooled_shift_null(references, estimates, rng, 30)["f_z"])
    assert np.mean(np.abs(z) < 3) >= 0.9
    assert abs(np.mean(z)) < 0.8


def test_the_null_of_many_clips_is_narrow_and_has_a_seed() -> None:
    references = [drifting(k, 40) for k in range(12)]
    several = metrics.pooled_shift_null(references, references, np.random.default_rng(0), 30)
    again = metrics.pooled_shift_null(references, references, np.random.default_rng(0), 30)
    one = metrics.shift_null(references[0], references[0], np.random.default_rng(0), 30)
    assert several == again
    assert several["f_null_sd"] < one["f_null_sd"] / 2
    assert several["f_z"] > 5


def test_the_null_of_silence_has_no_spread() -> None:
    null = metrics.shift_null(BEATS_S, NOTHING, np.random.default_rng(0), 3)
    assert (null["f_null"], null["f_null_sd"]) == (0, 0)
    assert math.isnan(null["f_z"])


def test_shifted_beats_keep_their_number_and_stay_on_the_circle() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        moved = metrics.shifted(BEATS_S, rng, 30.0, 10.0)
        assert len(moved) == len(BEATS_S)
        assert moved.min() >= 0
        assert moved.max() < 30
    near = metrics.shifted(BEATS_S, rng, 100.0)
    assert abs(near[1:-1] - BEATS_S[1:-1]).max() <= 0.5
    assert metrics.shifted([1.0], rng, 10.0).shape == (1,)


def test_a_metronome_knows_the_tempo_and_no_phase() -> None:
    rng = np.random.default_rng(0)
    beats_s = metrics.metronome_beats(BEATS_S, 30, rng)
    assert np.diff(beats_s) == pytest.approx(0.5)
    assert 0 <= beats_s[0] < 0.5
    assert metrics.metronome_beats(BEATS_S, 30, rng)[0] != beats_s[0]
    assert metrics.metronome_beats([1.0], 30, rng).shape == (0,)
    got = metrics.metronome(BEATS_S, 30, rng, 200)
    assert got["f"] == pytest.approx(0.28, abs=0.07)
    assert got["amlt"] > got["cmlt"]


# Means


def test_means_and_spreads_by_hand() -> None:
    clips = [{"f": 0.2, "cmlt": 0.0}, {"f": 0.6, "cmlt": float("nan")}]
    assert metrics.mean(clips) == pytest.approx({"f": 0.4, "cmlt": 0.0})
    got = metrics.mean_and_spread(clips, "clips")
    assert got == pytest.approx({"f": 0.4, "f_sd_clips": 0.2, "cmlt": 0.0, "cmlt_sd_clips": 0.0})
    assert metrics.mean([]) == {}


def test_seeds_and_clips_are_told_apart() -> None:
    got = metrics.over_seeds([[{"f": 0.1}, {"f": 0.5}], [{"f": 0.3}, {"f": 0.5}]])
    assert got["f"] == pytest.approx(0.35)
    assert got["f_sd_clips"] == pytest.approx((0.2 + 0.1) / 2)
    assert got["f_sd_seeds"] == pytest.approx(0.1 / math.sqrt(2))
    assert "f_sd_seeds" not in metrics.over_seeds([[{"f": 0.1}, {"f": 0.5}]])


def test_auc_by_hand() -> None:
    assert metrics.auc([0.9, 0.8], [0.1, 0.2, 0.3]) == 1
    assert metrics.auc([0.1], [0.9]) == 0
    assert metrics.auc([0.5, 0.9], [0.5, 0.1]) == pytest.approx(3.5 / 4)
    assert math.isnan(metrics.auc([], [1.0]))
