"""The table of visual beats on beats and clips made by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from mir_eval import beat as mir_beat

from kinebeat.evaluation import visual_beat_estimators as estimators
from kinebeat.evaluation import visual_beats as table
from kinebeat.evaluation.visual_beat_estimators import Estimator, Sample
from kinebeat.evaluation.visual_beats import Tally, evaluate_visual_beats, sample_of
from kinebeat.live.movement import LIVE_FPS
from kinebeat.live.visbeat.peaks import best_threshold, peaks
from movers import frame_times_s, punching, standing, track

if TYPE_CHECKING:
    from pathlib import Path

STOPS_S = 0.8 + 60 / 105.3 * np.arange(33)


@pytest.fixture(scope="module")
def sample() -> Sample:
    return sample_of(punching(frame_times_s(12.0)))


@pytest.fixture(scope="module")
def still() -> Sample:
    times_s = frame_times_s(8.0)
    return sample_of(track(standing(times_s), times_s))


# Peaks


def test_peaks_are_found_between_ticks() -> None:
    curve = np.zeros(30)
    curve[9:12] = [0.5, 0.8, 0.7]
    curve[20] = 0.3
    assert peaks(curve, 0.2).tolist() == pytest.approx([10 + 0.5 * 0.2 / 0.4, 20.0])
    assert peaks(curve, 0.4).tolist() == pytest.approx([10.25])
    assert len(peaks(np.zeros(10), 0.1)) == 0
    assert len(peaks(np.zeros(0), 0.1)) == 0


def test_of_peaks_too_near_the_higher_is_taken_and_of_a_plateau_the_first() -> None:
    curve = np.zeros(30)
    curve[[10, 12]] = 0.9, 1.0
    curve[20:23] = 0.5
    assert np.round(peaks(curve, 0.2)).tolist() == [12, 20]


def test_a_peak_may_be_at_either_end() -> None:
    assert peaks(np.array([1.0, 0.2, 0, 0, 0, 0, 0, 0, 0.3, 0.9]), 0.5).tolist() == [0.0, 9.0]


def test_the_best_threshold_parts_beats_from_the_rest() -> None:
    true = np.arange(10.0, 290.0, 20.0)
    activation = np.full(300, 0.01)
    activation[true.astype(int)] = 0.7
    activation[true.astype(int) + 10] = 0.3
    f, threshold = best_threshold([activation], [true])
    assert f == 1.0
    assert 0.3 < threshold <= 0.7
    assert best_threshold([np.zeros(30)], [np.array([5.0])])[0] == 0.0


# Figures


def test_figures_of_one_clip_are_those_of_mir_eval() -> None:
    rng = np.random.default_rng(0)
    true_s = np.cumsum(rng.uniform(0.4, 0.8, 20))
    said_s = np.sort(np.concatenate([true_s[::2] + rng.normal(0, 0.04, 10), rng.uniform(0, 12, 5)]))
    tally = Tally()
    tally.add(true_s, said_s, true_s)
    figures = tally.figures()
    assert figures["f"] == pytest.approx(mir_beat.f_measure(true_s, said_s))
    assert figures["cemgil"] == pytest.approx(mir_beat.cemgil(true_s, said_s)[0])
    hits = figures["precision"] * len(said_s)
    assert hits == pytest.approx(figures["recall"] * len(true_s))
    assert hits == pytest.approx(round(hits))


def test_perfect_and_silent_and_too_many() -> None:
    true_s = np.arange(1.0, 9.0, 0.5)
    perfect, silent, doubled = Tally(), Tally(), Tally()
    perfect.add(true_s, true_s, true_s)
    silent.add(true_s, np.zeros(0), true_s)
    doubled.add(true_s, np.sort(np.concatenate([true_s, true_s + 0.25])), true_s)
    assert set(perfect.figures().values()) == {1.0}
    assert set(silent.figures().values()) == {0.0}
    assert doubled.figures()["precision"] == 0.5
    # Who says many beats loses nothing in this one.
    assert doubled.figures()["recall"] == doubled.figures()["b_align"] == 1.0
    assert set(Tally().figures().values()) == {0.0}


def test_clips_are_pooled() -> None:
    one, none = Tally(), Tally()
    one.add(np.array([1.0, 2.0]), np.array([1.0]), np.array([1.0]))
    none.add(np.zeros(0), np.array([3.0, 4.0, 5.0]), np.zeros(0))
    figures = table.pooled([one, none]).figures()
    assert figures["precision"] == 0.25
    assert figures["recall"] == 0.5
    assert one.said == 1


# Methods


def test_rules_find_stops_without_their_delay(sample: Sample) -> None:
    found = estimators.rule_based(sample)
    inside = STOPS_S[STOPS_S < 11.5]
    assert max(np.abs(found - stop_s).min() for stop_s in inside) < 0.05
    assert np.diff(found).min() >= estimators.RULE_WAIT_S


def test_rules_go_on_evenly_from_what_they_know(sample: Sample, still: Sample) -> None:
    said = estimators.continued(sample)
    assert said.min() >= 3.0
    away = [np.abs(said - stop_s).min() for stop_s in STOPS_S[(STOPS_S > 3.1) & (STOPS_S < 11.9)]]
    assert np.mean(np.array(away) < 0.07) > 0.9
    # A change in the last second changes nothing that was said of it.
    later = sample.offset.copy()
    later[270:] = 0.0
    changed = estimators.continued(replace(sample, offset=later))
    np.testing.assert_allclose(changed[changed < 10.0], said[said < 10.0], atol=1e-6)
    assert len(estimators.continued(still)) == 0


def test_even_beats_go_on_evenly(sample: Sample, still: Sample) -> None:
    said = estimators.truth_continued(sample)
    inside = STOPS_S[(STOPS_S > 3.1) & (STOPS_S < 11.5)]
    assert max(np.abs(said - stop_s).min() for stop_s in inside) < 0.06
    assert len(estimators.truth_continued(still)) == 0


def test_rules_find_nothing_in_nothing(still: Sample) -> None:
    assert len(estimators.rule_based(still)) == 0
    assert len(still.beats_s) == 0


def test_the_metronome_knows_the_tempo_and_no_phase(sample: Sample, still: Sample) -> None:
    rng = np.random.default_rng(0)
    ticks = [estimators.metronome(sample, rng) for _ in range(50)]
    assert np.median(np.diff(ticks[0])) == pytest.approx(60 / 105.3, abs=0.01)
    assert np.std([beats[0] for beats in ticks]) > 0.1
    assert len(estimators.metronome(still, rng)) == 0


class Counting:
    """Says of the n-th second after the last tick the n-th part, and remembers how many ticks it was told."""

    threshold, next_threshold = 0.5, 0.5

    def begin(self) -> int:
        return 0

    def step(self, directogram: Any, offset: float, present: bool, state: int) -> tuple[float, float, int]:
        assert directogram.shape == (18,)
        return 0.0, (state + 1) / 1000, state + 1

    def forecast(self, state: int, ticks: int = 36) -> tuple[np.ndarray, np.ndarray]:
        return np.zeros(ticks), np.full(ticks, state / 1000)


def test_forecasts_are_told_three_seconds_or_everything_before(sample: Sample) -> None:
    net: Any = Counting()
    fresh, streamed = (estimators.forecast_activation(net, sample, context) for context in (90, None))
    assert fresh[:90].max() == streamed[:90].max() == 0.0
    np.testing.assert_allclose(fresh[90:], 0.09)
    for second in range(3, 12):
        np.testing.assert_allclose(streamed[30 * second : 30 * second + 30], 30 * second / 1000)
    near = estimators.next_activation(net, sample)
    np.testing.assert_allclose(near[1:] * 1000, np.arange(1, len(near)))


class Session:
    """Stands for a graph of the heavy baseline."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def run(self, _: None, given: dict[str, np.ndarray]) -> Any:
        return self.answer(given)


def test_the_heavy_one_is_told_three_seconds_and_its_own_k(sample: Sample) -> None:
    asked: list[int] = []

    def decode(given: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        before = given["before"]
        asked.append(before.shape[1])
        np.testing.assert_allclose(before[0], np.r_[0.0, np.arange(1, before.shape[1])])
        return np.arange(1.0, before.shape[1] + 1)[None].astype(np.float32), np.full_like(before, 2.0)

    def encode(given: dict[str, np.ndarray]) -> tuple[np.ndarray]:
        assert given["velocity"].shape == (1, 90, 17, 2)
        assert np.isfinite(given["velocity"]).all()
        assert given["seen"].shape == (1, 90, 17)
        return (np.zeros((1, 45, 8), np.float32),)

    said = estimators.heavy_activation(Session(encode), Session(decode), sample)
    assert asked == list(range(1, 31)) * 9
    np.testing.assert_allclose(said[90:], 1 / (1 + np.exp(-2.0)))
    assert said[:90].max() == 0.0


# The table


def test_every_estimator_is_scored_on_every_set(sample: Sample, still: Sample) -> None:
    knowing = Estimator("knowing", "all", lambda s: [s.beats_s], 7, lambda s: 1.5, lambda s: 0.5)
    silent = Estimator("silent", "none", lambda s: [np.zeros(0)])
    told: list[tuple[str, float]] = []
    made = evaluate_visual_beats(
        None,  # type: ignore[arg-type]
        estimators=[knowing, silent],
        sets={"moves": [sample, sample], "still": [still]},
        progress=lambda stage, share: told.append((stage, share)),
    )
    measured = [row for row in made["rows"] if row["way"] != "quoted"]
    assert [(row["set"], row["name"]) for row in measured] == [
        ("moves", "knowing"),
        ("moves", "silent"),
        ("still", "knowing"),
        ("still", "silent"),
    ]
    assert measured[0]["f"] == 1.0
    assert measured[0]["b_align"] > 0.95
    assert [measured[0][key] for key in ("parameters", "ms_per_s", "wait_ms")] == [7, 1.5, 0.5]
    assert measured[0]["beats_per_s"] == pytest.approx(105.3 / 60, rel=0.1)
    assert measured[1]["f"] == measured[1]["recall"] == 0.0
    assert told == [("moves", 0.75), ("still", 1.0)]
    text = table.as_text(made)
    assert "-- moves" in text
    assert "0.6901" in text


def test_the_rows_are_those_of_the_paper_and_take_their_time(sample: Sample) -> None:
    rows = estimators.standard_estimators(seed=1)
    names = [row.name for row in rows if row.name != "Video2Rhythm"]
    assert names[:2] == ["Rule-based", "Rule-based, continued evenly"]
    assert names[4:] == ["VisBeatNet"] * 3
    short = table.sample_of(punching(frame_times_s(5.0)))
    for row in rows:
        assert all(np.isfinite(said).all() for said in row.draws(short))
        if row.name == "VisBeatNet":
            assert row.parameters is not None
            assert row.parameters < 32_000
            assert row.ms is not None
            assert row.wait_ms is not None
            assert row.wait_ms(short) > 0


def test_what_is_said_in_the_first_three_seconds_does_not_count(sample: Sample) -> None:
    early = Estimator("early", "", lambda s: [s.beats_s[s.beats_s >= 3.0], s.beats_s])
    row = table.score(early, [sample])
    assert row["precision"] == row["recall"] == 1.0


def test_videos_that_are_not_there_are_left_out(tmp_path: Path) -> None:
    assert table.real(tmp_path, None, lambda _: None) == {}


def test_keypoints_of_videos_are_taken_from_where_they_were_kept(tmp_path: Path) -> None:
    from kinebeat.pose import save_pose

    save_pose(punching(frame_times_s(6.0)), tmp_path / f"{table.VIDEOS[0]}.npz")
    found = table.real(tmp_path, tmp_path, lambda _: None)
    assert list(found) == ["real videos"]
    assert found["real videos"][0].duration_s == pytest.approx(6.0, abs=1 / LIVE_FPS)


def test_a_clip_of_which_nobody_is_in_the_picture_has_no_beats(sample: Sample) -> None:
    pose = punching(frame_times_s(6.0))
    nobody = sample_of(replace(pose, xy=np.full_like(pose.xy, np.nan), score=np.zeros_like(pose.score)))
    assert len(nobody.beats_s) == 0
    assert not nobody.present.any()
    assert len(estimators.rule_based(nobody)) == 0
