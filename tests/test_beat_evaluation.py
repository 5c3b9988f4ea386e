"""The table of beats, on made movement and with estimators whose answers are known."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import numpy as np
import pytest

import movers
from kinebeat.beats.cues import kinematic
from kinebeat.beats.decoding import Beats, decode
from kinebeat.evaluation import beat_clips as clips_of
from kinebeat.evaluation import beat_estimators as estimators
from kinebeat.evaluation import beats as table
from kinebeat.evaluation.beat_estimators import METRONOME, PRODUCT, Estimator
from kinebeat.weights import registry

if TYPE_CHECKING:
    from pathlib import Path

    from kinebeat.evaluation.beat_clips import Clip
    from kinebeat.pose.track import PoseTrack

NOTHING = np.zeros(0)
SIDES = ("left", "right")


def dance(bpm: float = 100.0, duration_s: float = 12.0, fps: float = 30.0) -> PoseTrack:
    times_s = movers.frame_times_s(duration_s, fps)
    return movers.pendulum(times_s, lambda t: t * bpm / 60)


def dance_beats_s(bpm: float = 100.0, duration_s: float = 12.0) -> np.ndarray:
    return np.arange(0, duration_s, 60 / bpm)


@pytest.fixture(scope="module")
def two_dances() -> list[Clip]:
    return [clips_of.clip_of(f"at {bpm:g}", dance(bpm), dance_beats_s(bpm)) for bpm in (90.0, 120.0)]


def braking(clip: Clip) -> Beats:
    return decode(kinematic(clip.motion))


def late_by(lag_s: float):
    return lambda clip: Beats(clip.beats_s + lag_s, 60 / float(np.median(np.diff(clip.beats_s))), 0.9)


def silent(clip: Clip) -> Beats:
    return Beats(NOTHING, float("nan"), 0.0)


# Estimators


def test_a_metronome_knows_tempo_alone(two_dances: list[Clip]) -> None:
    draws = estimators.metronomes(seed=0, draws=6).seeds
    clip = two_dances[1]
    starts = [hear(clip).beats_s[0] for hear in draws]
    assert len(set(starts)) == 6
    assert all(hear(clip).tempo_bpm == pytest.approx(120) for hear in draws)
    assert draws[0](clip).beats_s[0] == estimators.metronomes(seed=0).seeds[0](clip).beats_s[0]
    # two films of one dance have one phase
    assert draws[0](dataclasses.replace(clip, name="another")).beats_s[0] == starts[0]
    assert estimators.metronomes(seed=1).seeds[0](clip).beats_s[0] != starts[0]


def test_a_metronome_has_the_tempo_of_each_stretch(two_dances: list[Clip]) -> None:
    beats_s = np.concatenate([np.arange(0, 4.1, 0.5), np.arange(6, 11.9, 0.7)])
    clip = dataclasses.replace(two_dances[0], beats_s=beats_s, spans_s=np.array([[0.0, 4.0], [6.0, 11.6]]))
    row = table.score(estimators.metronomes(0), [clip], "parts")[0]
    assert row["tempo_within_4pct"] == 1
    assert 0.1 < row["f"] < 0.5
    for heard in (hear(clip) for hear in estimators.metronomes(0).seeds):
        for truth, kept in clip.pieces(heard.beats_s):
            assert abs(len(kept) - len(truth)) <= 1
    perfect = table.score(Estimator("perfect", (late_by(0.0),)), [clip], "parts")[0]
    assert perfect["f"] == perfect["cmlt"] == perfect["tempo_within_4pct"] == 1


def test_the_rows_are_the_networks_that_are_shipped_the_cues_and_the_product(
    two_dances: list[Clip], monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = registry()
    some = dataclasses.replace(next(iter(shipped.values())), sha256={"seed1": "", "seed0": ""})
    beatless = {name: weight for name, weight in shipped.items() if not name.startswith("beats")}
    asked = []

    def activation(motion: object, model: str, part: str) -> np.ndarray:
        asked.append((model, part))
        return kinematic(two_dances[0].motion)

    monkeypatch.setattr("kinebeat.weights.registry", lambda: beatless | {"beats-tf": some})
    monkeypatch.setattr("kinebeat.beats.activation.beat_activation", activation)
    monkeypatch.setattr("kinebeat.beats.hearing.hear_beats", lambda motion, _duration_s: decode(kinematic(motion)))
    found = {estimator.name: estimator for estimator in estimators.standard_estimators()}
    assert next(iter(found)) == "TF"
    assert [*found][-1] == PRODUCT
    assert {"kinematic offsets", "speed minima", "visual beats"} < set(found)
    assert len(found) == 5
    for hear in found["TF"].seeds:
        assert hear(two_dances[0]).beats_s.size > 10
    assert asked == [("beats-tf", "seed0"), ("beats-tf", "seed1")]
    for name in ("kinematic offsets", "visual beats", PRODUCT):
        heard = found[name].seeds[0](two_dances[1])
        assert heard.tempo_bpm == pytest.approx(120, rel=0.03), name
        assert 0 <= heard.confidence <= 1


# Rows


def test_perfect_beats_have_a_perfect_row(two_dances: list[Clip]) -> None:
    row, shifted = table.score(Estimator(PRODUCT, (late_by(0.0),)), two_dances, "made")
    assert all(row[name] == pytest.approx(1) for name in ("f", "cemgil", "cmlc", "cmlt", "amlt", "tempo_within_4pct"))
    assert row["lag_ms"] == 0
    assert row["clips"] == 2
    assert row["confidence"] == pytest.approx(0.9)
    assert shifted["f"] == pytest.approx(0.25, abs=0.12)
    assert shifted["f_z_of_product"] == pytest.approx((1 - shifted["f"]) / shifted["f_null_sd"])
    assert shifted["f_z_of_product"] > 2


def test_a_constant_lag_is_told_and_taken_off(two_dances: list[Clip]) -> None:
    (row,) = table.score(Estimator("late", (late_by(0.12),)), two_dances, table.STREET)
    assert row["f"] == 0
    assert row["lag_ms"] == pytest.approx(120)
    # a beat that falls on the very end comes late and is lost
    assert row["f_after_lag"] == pytest.approx(1, abs=0.03)
    assert (row["f at 90"], row["f at 120"]) == (0, 0)


def test_silence_has_a_row_of_zeros(two_dances: list[Clip]) -> None:
    row, shifted = table.score(Estimator(PRODUCT, (silent,)), two_dances, "made")
    assert {row[name] for name in ("f", "cemgil", "cmlc", "cmlt", "amlt", "f_after_lag", "confidence")} == {0.0}
    assert row["tempo_within_4pct_octave"] == 0
    assert math.isnan(shifted["f_z_of_product"])


def test_seeds_have_a_mean_and_a_spread(two_dances: list[Clip]) -> None:
    (row,) = table.score(Estimator("net", (late_by(0.0), late_by(0.12), late_by(0.0))), two_dances, "made")
    assert row["seeds"] == 3
    assert row["f"] == pytest.approx(2 / 3)
    assert row["f_sd_seeds"] == pytest.approx(np.std([1, 0, 1], ddof=1))
    assert row["f_sd_clips"] == 0
    assert row["f_after_lag"] == pytest.approx(1, abs=0.03)
    assert row["lag_ms"] == pytest.approx(40)


def test_confidence_on_dance_and_without_a_beat(two_dances: list[Clip]) -> None:
    quiet = {"idling": [dataclasses.replace(two_dances[0], name=str(k), beats_s=NOTHING) for k in range(3)]}
    sure = {"0": 0.1, "1": 0.5, "2": 0.9, "at 90": 0.5, "at 120": 0.8}
    rows = table.confidence_rows(
        lambda clip: Beats(NOTHING, 100.0, sure[clip.name]), {table.WARPED: two_dances, "none": []}, quiet
    )
    assert [row["name"] for row in rows] == [table.WARPED, "no beat: idling"]
    assert rows[0]["confidence"] == pytest.approx(0.65)
    assert rows[1]["confidence_sd"] == pytest.approx(np.std([0.1, 0.5, 0.9]))
    # of six pairs dance is above in three, level in one
    assert rows[1]["auc_of_warped"] == pytest.approx(3.5 / 6)


def test_invariance_tells_how_far_the_tempo_moves() -> None:
    poses = {"a": dance(100, fps=60), "b": dance(120, fps=60)}
    steady = {row["name"]: row for row in table.invariance_rows(lambda c: Beats(NOTHING, 100.0, 1.0), poses)}
    assert len(steady) == 11
    assert all(row["tempo_change_max_pct"] == 0 and row["share_within_2pct"] == 1 for row in steady.values())
    assert steady["all variants"]["clips"] == 20

    def handed(clip: Clip) -> Beats:  # a poor estimator, which takes sides
        left, right = (np.nanmean(np.abs(clip.motion.velocity[:, movers.JOINTS.index(f"{s}_wrist")])) for s in SIDES)
        return Beats(NOTHING, 100.0 if left > right else 110.0, 1.0)

    times_s = movers.frame_times_s(8.0, 60)
    waving = movers.track(movers.swing_arms(movers.standing(times_s), np.sin(9 * times_s), "left"), times_s)
    taken = {row["name"]: row for row in table.invariance_rows(handed, {"a": waving, "b": waving})}
    assert taken["mirrored"]["tempo_change_max_pct"] == pytest.approx(10)
    assert taken["mirrored"]["share_within_2pct"] == 0
    assert taken["all variants"]["share_within_2pct"] == pytest.approx(0.9)
    assert table.invariance_rows(handed, {}) == []


def test_the_beat_of_braking_limbs_is_measured_on_made_movement(two_dances: list[Clip]) -> None:
    (row, _) = table.score(Estimator(PRODUCT, (braking,)), two_dances, "made")
    assert row["f"] > 0.9
    assert row["tempo_within_4pct"] == 1
    moved = {row["name"]: row for row in table.invariance_rows(braking, {"a": dance(100, fps=60)})}
    assert moved["all variants"]["tempo_change_max_pct"] < 2


def test_the_lead_over_the_tcn_is_measured_clip_by_clip(two_dances: list[Clip]) -> None:
    def half_right(clip: Clip) -> Beats:
        return late_by(0.12 if clip.name == "at 90" else 0.0)(clip)

    given = [Estimator("TCN", (half_right,)), Estimator("full", (late_by(0.0), late_by(0.0)))]
    rows = [row for one in given for row in table.score(one, two_dances, table.WARPED)]
    table.add_lead(rows)
    assert rows[0]["f_by_clip"] == pytest.approx([0, 1], abs=0.01)
    assert rows[0]["f_ahead_of_tcn"] == rows[0]["f_ahead_of_tcn_se"] == 0
    assert rows[1]["f_ahead_of_tcn"] == pytest.approx(0.5)
    assert rows[1]["f_ahead_of_tcn_se"] == pytest.approx(np.std([1, 0], ddof=1) / np.sqrt(2))
    elsewhere = [row | {"set": table.STREET} for row in table.score(given[1], two_dances, table.STREET)]
    table.add_lead(elsewhere)
    assert "f_ahead_of_tcn" not in elsewhere[0]


# The whole table


def test_the_table_has_every_estimator_on_every_set(two_dances: list[Clip], tmp_path: Path) -> None:
    sources = table.Sources(
        {table.WARPED: two_dances, table.STREET: two_dances[:1], "none": []},
        {"idling": [dataclasses.replace(two_dances[0], beats_s=NOTHING)]},
        {"a": dance(100, duration_s=6, fps=60)},
    )
    given = [
        Estimator("perfect", (late_by(0.0),)),
        Estimator("silent", (silent,)),
        Estimator(PRODUCT, (braking,)),
    ]
    shares: list[float] = []
    found = table.evaluate_beats(
        tmp_path, estimators=given, sources=sources, progress=lambda _stage, share: shares.append(share)
    )
    by_set = {name: [r["name"] for r in found["rows"] if r["set"] == name] for name in (table.WARPED, table.STREET)}
    names = ["perfect", "silent", PRODUCT, f"{PRODUCT}, beats shifted at random", METRONOME]
    assert by_set == {table.WARPED: names, table.STREET: names}
    assert len([row for row in found["rows"] if row.get("quoted")]) == 11
    assert {row["set"] for row in found["rows"]} >= {"confidence", "invariance"}
    assert shares == sorted(shares)
    assert shares[-1] == 1
    text = table.as_text(found)
    assert "-- warped" in text
    assert "ST-GCN+TF+SSM+RelAttn" in text
    assert "f_sd_clips" not in text
    assert "by_clip" not in text
    again = table.evaluate_beats(tmp_path, estimators=given, sources=sources)
    assert again == found


def test_a_table_without_the_product_has_no_rows_about_it(two_dances: list[Clip], tmp_path: Path) -> None:
    found = table.evaluate_beats(
        tmp_path, estimators=[Estimator("perfect", (late_by(0.0),))], sources=table.Sources({"made": two_dances})
    )
    assert {row["set"] for row in found["rows"]} == {"made", "quoted: AIST", "quoted: street"}


@pytest.mark.data
def test_a_tiny_table_of_the_real_clips(data_dir: Path) -> None:
    shares: list[float] = []
    sources = table.load_sources(data_dir, clips=2, progress=shares.append)
    assert shares == sorted(shares)
    assert len(sources.sets[table.WARPED]) == 2
    assert len(sources.sets[table.STREET]) == len(sources.poses) == 4
    sets = {name: clips[:2] for name, clips in sources.sets.items()}
    assert all(clip.pieces(clip.beats_s) and len(clip.beats_s) >= 8 for clips in sets.values() for clip in clips)
    small = table.Sources(sets, {name: clips[:1] for name, clips in sources.without_beat.items()})
    found = table.evaluate_beats(data_dir, estimators=[Estimator(PRODUCT, (braking,))], sources=small)
    rows = {(row["set"], row["name"]): row for row in found["rows"]}
    for name in sets:
        assert 0 <= rows[name, PRODUCT]["f"] <= 1
        assert rows[name, METRONOME]["tempo_within_4pct"] == 1
        assert rows[name, METRONOME]["f"] < 0.5
    assert rows[table.PUPPETS, PRODUCT]["f"] > 0.7
