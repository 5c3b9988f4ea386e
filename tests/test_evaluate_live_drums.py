"""Table 4: metrics on made-up sound, the pipelines on made-up movement, and what is said where a network is missing."""

from types import SimpleNamespace

import numpy as np
import pytest

from kinebeat.drums.data import Performance
from kinebeat.errors import InputError
from kinebeat.evaluation import live_drums as table
from kinebeat.evaluation import live_players as players
from kinebeat.evaluation.drum_audio import SECONDS
from kinebeat.evaluation.live_style import evaluate_live_style
from kinebeat.evaluation.visual_beat_estimators import Sample
from kinebeat.live.drumming.model import DrumGenNet, MonoNet
from kinebeat.live.engine import LiveEngine
from kinebeat.live.movement import LIVE_FPS
from kinebeat.live.settings import LiveSettings
from kinebeat.live.style.accumulate import envelope_of
from kinebeat.live.style.model import MuStyleNet
from kinebeat.live.style.pairs import Curve, make_pairs, save_pairs
from live_nets import DeafTapper, PlainDrummer, PlainStylist, ScriptedEars
from movers import frame_times_s, punching, standing, track

TICKS = 600


def mover(period_s=0.5, first_s=0.2, seed=0):
    """A clip of somebody who stops hard every so often."""
    rng = np.random.default_rng(seed)
    beats = np.arange(first_s, 19.8, period_s)
    truth = envelope_of(beats, np.ones(len(beats)), np.arange(TICKS) / LIVE_FPS)
    return Sample(
        directogram=rng.random((TICKS, 18)).astype(np.float32),
        offset=3 * truth,
        present=np.ones(TICKS, bool),
        velocity=rng.normal(size=(TICKS, 17, 2)).astype(np.float32),
        truth=truth,
        beats_s=beats,
    )


class Ears:
    """A network that hears a pulse of half a second from the third second on, whatever it is shown."""

    next_threshold = 0.5

    def begin(self):
        return 0

    def step(self, directogram, offset, present, state):
        on = (state + 1) % 15 == 0
        return 0.8 * on, 1.0 * (on and state > 80), state + 1

    def forecast(self, state, ticks=36):
        on = np.arange(state, state + ticks) % 15 == 0
        return (0.8 * on).astype(np.float32), on.astype(np.float32)


class Encoder:
    """Of the heavy baseline: looks at three seconds."""

    def __init__(self):
        self.asked = 0

    def run(self, _, given):
        assert given["velocity"].shape == (1, 90, 17, 2)
        assert np.isfinite(given["velocity"]).all()
        self.asked += 1
        return (np.ones((1, 45, 8), np.float32),)


class Decoder:
    """Of the heavy baseline: a beat at the fourth tick and every fifteen; it must be told what it said."""

    def run(self, _, given):
        ticks = given["before"].shape[1]
        on = np.arange(ticks) % 15 == 3
        assert given["before"][0] == pytest.approx(np.concatenate([[0.0], 0.9 * on[:-1]]))
        return (0.9 * on[None]).astype(np.float32), np.where(on, 5.0, -5.0)[None].astype(np.float32)


def test_frechet_distance_of_what_is_known():
    rng = np.random.default_rng(0)
    one = rng.normal(size=(4000, 3))
    assert table.frechet_distance(one, one) == pytest.approx(0, abs=1e-9)
    assert table.frechet_distance(one, one + np.array([3, 4, 0])) == pytest.approx(25, rel=1e-6)
    # normal distributions of spread 1 and 2: (2 - 1)^2 in each of three directions
    assert table.frechet_distance(one, 2 * one) == pytest.approx(3, rel=0.1)
    turned = rng.normal(size=(4000, 3)) * [3, 1, 1]
    assert table.frechet_distance(turned, turned[:, ::-1]) == pytest.approx(2 * (3 - 1) ** 2, rel=0.1)


@pytest.mark.parametrize(("gap_s", "interval_s"), [(0.5, 0.5), (0.25, 0.5), (1.4, 0.7), (0.36, 0.36)])
def test_the_interval_is_a_drummers_and_the_grid_is_on_the_beats(gap_s, interval_s):
    beats = 0.13 + gap_s * np.arange(40)
    first, interval = players.beat_interval(beats)
    assert interval == pytest.approx(interval_s)
    off = (beats[0] - first) / interval
    assert abs(off - round(off)) < 0.01 or gap_s < interval_s
    assert players.beat_interval(beats[:3]) is None


def test_the_truth_is_known_now_and_to_come():
    clip = mover()
    heard = players.heard_truth(clip)
    assert np.array_equal(heard.forecast(100), clip.truth[101:137])
    assert len(heard.forecast(TICKS - 1)) == 36
    assert heard.strength == pytest.approx(np.ones(len(clip.beats_s)), abs=0.2)


def test_rules_hear_the_stops():
    heard = players.heard_by_rule(mover())
    assert len(heard.beats_s) == pytest.approx(40, abs=2)
    assert heard.strength.min() > 0.4
    assert heard.forecast(50).max() == 0
    assert len(players.heard_by_rule(Sample(*(0 * np.asarray(v) for v in vars(mover()).values()))).beats_s) == 0


def test_a_network_is_asked_from_tick_to_tick():
    heard = players.heard_by_visbeat(Ears(), mover())
    assert heard.offsets[15] == heard.offsets[30] == pytest.approx(0.8)
    assert heard.offsets[16] == 0
    assert heard.beats_s == pytest.approx(np.arange(90, TICKS, 15) / LIVE_FPS)
    assert heard.strength == pytest.approx(0.8)
    # what is forecast after tick 44 begins with tick 45
    assert heard.forecast(44)[0] == pytest.approx(0.8)


def test_a_movement_may_be_taken_to_go_on_as_a_beat_ago():
    clip = mover(0.5)
    heard = players.continued(players.heard_truth(clip))
    assert heard.forecast(300) == pytest.approx(clip.truth[301:337], abs=1e-3)  # it does
    # half of a beat of fifteen ticks has been seen, and is said again and again; nothing later is
    changed = clip.truth.copy()
    changed[301:] = 0.123
    other = players.continued(players._heard(changed, lambda _: np.zeros(36, np.float32), clip.beats_s))
    assert np.array_equal(heard.forecast(300), other.forecast(300))
    none = players._heard(clip.truth, lambda _: np.ones(36, np.float32), clip.beats_s[:2])
    assert players.continued(none).forecast(5).min() == 1


def test_the_heavy_baseline_hears_only_what_was():
    encoder = Encoder()
    heard = players.heard_by_video2rhythm(encoder, Decoder(), 0.5, mover())
    assert encoder.asked == 34
    assert heard.beats_s[0] == pytest.approx((90 + 3) / LIVE_FPS, abs=0.01)
    assert heard.offsets[:90].max() == 0
    assert heard.forecast(104)[3] == pytest.approx(0.9)
    assert len(heard.forecast(104)) == 36


def test_styles_have_their_accents_where_the_stops_are_and_take_nothing_from_later():
    clip = mover()
    heard = players.heard_truth(clip)
    score = players.styled(heard, 20.0, players.by_peaks)
    assert score.style.shape[1] == 16
    assert len(score.steps_s) == 4 * len(score.style)
    assert np.diff(score.steps_s) == pytest.approx(0.125)
    assert score.style[:, ::4].mean() > 0.9
    assert score.style[:, 2::4].max() < 0.2
    # Who stops at the tenth second is the same until then, but for what is forecast.
    stopped = np.where(np.arange(TICKS) < 300, clip.truth, 0).astype(np.float32)
    early = players.Heard(stopped, lambda t: np.zeros(36, np.float32), clip.beats_s, heard.strength)
    late = players.Heard(clip.truth, lambda t: np.zeros(36, np.float32), clip.beats_s, heard.strength)
    make = players.by_network(MuStyleNet())
    one, other = (players.styled(h, 20.0, make) for h in (early, late))
    before = score.steps_s[::4] < 9.5
    assert np.array_equal(one.style[before], other.style[before])
    assert not np.array_equal(one.style, other.style)
    assert (
        players.styled(players.Heard(stopped, late.forecast, clip.beats_s[:2], heard.strength[:2]), 20.0, make) is None
    )


def test_takes_are_four_seconds_from_a_downbeat_and_of_one_seed():
    score = players.styled(players.heard_truth(mover()), 20.0, players.by_peaks)
    starts = players.take_starts(score)
    assert all(start % 16 == 0 for start in starts)
    assert np.diff(score.steps_s[starts]).min() >= SECONDS
    assert score.steps_s[starts[-1]] <= 20.0 - SECONDS
    drummer = DrumGenNet()
    one, same, other = (players.poly_takes([score], drummer, 10, np.random.default_rng(s)) for s in (0, 0, 1))
    assert len(one) == 10
    assert all(take.time_s.max(initial=0) < SECONDS for take in one)
    assert np.mean([len(take.time_s) for take in one]) > 8
    assert [t.drum.tolist() for t in one] == [t.drum.tolist() for t in same] != [t.drum.tolist() for t in other]
    assert players.poly_takes([], drummer, 10, np.random.default_rng(0)) == []


def test_mono_plays_one_drum_on_each_beat():
    heard = players.heard_truth(mover())
    takes = players.mono_takes([heard], MonoNet(), 9, 20.0, np.random.default_rng(0))
    assert len(takes) == 9
    for take in takes:
        assert take.time_s[:8] == pytest.approx(0.5 * np.arange(8), abs=1e-6)
    assert players.mono_takes([], MonoNet(), 9, 20.0, np.random.default_rng(0)) == []


def test_what_the_engine_plays_is_cut_at_its_downbeats():
    ears = ScriptedEars(np.arange(0, 60, 0.6))
    asked = []

    def engine_of(seed):
        asked.append(seed)
        return LiveEngine(
            LiveSettings(seed=seed), ears=ears, tapper=DeafTapper(), stylist=PlainStylist(), drummer=PlainDrummer()
        )

    takes = players.engine_takes([punching(frame_times_s(20.0))], engine_of, 9, 5)
    assert len(takes) == 9
    assert asked == [5, 6]
    for take in takes:
        assert take.time_s[0] == pytest.approx(0.0, abs=1e-9)
        assert set(take.drum[take.time_s == 0.0]) == {0, 2}  # what the plain drummer plays on a downbeat
        kicks = np.unique(take.time_s[take.drum == 0])
        assert np.diff(kicks).mean() == pytest.approx(1.2, rel=0.1)
    standing_still = track(standing(frame_times_s(20.0)), frame_times_s(20.0))
    assert players.engine_takes([standing_still], engine_of, 9, 0) == []


def groove(split, seed):
    rng = np.random.default_rng(seed)
    hits = np.zeros((16 * 12, 9), bool)
    hits[::8, 0] = hits[4::8, 1] = hits[::2, 2] = True
    hits |= rng.random(hits.shape) < 0.03
    played = (hits * rng.uniform(0.3, 1.0, hits.shape)).astype(np.float32)
    return Performance(f"{split}{seed}", "one", "rock", "beat", split, 90.0 + 5 * seed, hits, played, 0 * played)


def test_the_table_has_all_rows_and_says_which_are_missing(tmp_path, monkeypatch):
    files = tuple(groove("train", i) for i in range(8)) + tuple(groove("test", i) for i in range(3))
    monkeypatch.setattr(table, "read_groove", lambda *_, **__: files)
    monkeypatch.setattr(table, "movement", lambda *_, **__: [mover(0.5), mover(0.6, seed=1)])
    monkeypatch.setattr(table, "VisBeatNet", Ears)
    monkeypatch.setattr(table, "ready", lambda *_: [])
    shots = [SimpleNamespace(found=punching(frame_times_s(20.0)))]
    monkeypatch.setattr(table, "films", lambda material, part, clips, seed: shots)

    def missing(name):
        raise InputError(tmp_path, f"expected a model {name!r} and found none", "install it")

    monkeypatch.setattr(table, "load", missing)
    told = []
    found = table.evaluate_live_drums(tmp_path, samples=60, progress=lambda name, share: told.append((name, share)))
    rows = {row["name"]: row for row in found["rows"]}
    missed = {name: rows.pop(name)["left_out"] for name in ("RhythmicNet-Mono", "RhythmicNet-Poly")}
    assert all("video2rhythm" in why for why in missed.values())
    ours = {name: row for name, row in rows.items() if not row.get("quoted")}
    assert len(ours) == 10
    for row in ours.values():
        assert row["samples"] == 60
        assert 0 <= row["ndb"] <= 50
        assert row["frechet"] >= 0
        assert row["hits_per_second"] > 0
    assert rows["Rule-based-Mono"]["hits_per_second"] < rows["InteractiveBeat"]["hits_per_second"]
    assert sum(bool(row.get("quoted")) for row in found["rows"]) == 4
    assert told[0][0] == "training drums"


def test_movement_is_read_from_a_corpus_or_said_to_be_missing(tmp_path):
    with pytest.raises(InputError, match=r"test\.npz"):
        table.movement(tmp_path, tmp_path, "test", 5, 0, lambda _: None)
    with pytest.raises(InputError):
        table.movement(tmp_path, None, "test", 5, 0, lambda _: None)


def test_style_is_scored_beside_the_curve_and_other_drums(tmp_path):
    curve = Curve(mover().truth, mover().beats_s)
    made = make_pairs([curve], [groove("train", 6)], 30, 0)
    save_pairs(made, tmp_path / "test.npz")
    rows = {row["name"]: row for row in evaluate_live_style(tmp_path)["rows"]}
    assert len(rows) == 6
    assert rows["the drums of the pair"]["correlation"] == pytest.approx(1.0, abs=1e-3)
    assert rows["the true offsets"]["follows"] == pytest.approx(1.0, abs=1e-3)
    assert rows["MuStyleNet on the true offsets"]["follows"] > 0.5
    assert rows["drums of another pair"]["correlation"] < 0.9
