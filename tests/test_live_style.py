"""Style: from an envelope to 16ths, pairs of movement and drums, figures of envelopes."""

import numpy as np
import pytest

from kinebeat.drums.data import Performance
from kinebeat.errors import InputError
from kinebeat.live.corpus import LiveCorpus
from kinebeat.live.movement import LIVE_FPS
from kinebeat.live.style import pairs as pairing
from kinebeat.live.style.accumulate import LEAST_LEVEL, accumulated, envelope_of, normalised, style_of
from kinebeat.live.style.model import MuStyleNet
from kinebeat.live.style.scores import best_f, scores, steps_of


def ticks(seconds):
    return np.arange(round(seconds * LIVE_FPS)) / LIVE_FPS


@pytest.mark.parametrize("tempo_bpm", [65.0, 100.0, 137.0, 170.0])
@pytest.mark.parametrize("early", [-0.02, 0.0, 0.03])
def test_a_lone_onset_gives_its_velocity_to_its_own_16th(tempo_bpm, early):
    steps = 1.0 + np.arange(16) * 15 / tempo_bpm
    envelope = envelope_of(np.array([steps[7] + early]), np.array([0.8]), ticks(8))
    strength = accumulated(envelope, ticks(8), steps)
    assert strength.argmax() == 7
    assert strength.sum() == pytest.approx(0.8, rel=0.02)
    assert strength[7] > 0.5


def test_nothing_is_lost_between_16ths_and_ticks_count_where_they_lie():
    envelope = np.ones(300, np.float32)
    one = accumulated(envelope, ticks(10), np.arange(2.0, 6.0, 0.125))
    other = accumulated(envelope, ticks(10), np.arange(2.0, 6.0, 0.25))
    assert one == pytest.approx(other[0] / 2)
    # Beyond the envelope's ends there is nothing.
    assert accumulated(envelope, ticks(10), np.arange(20.0, 24.0, 0.25)).max() == 0


def test_style_is_measured_by_the_loudest_of_late_but_quiet_stays_quiet():
    strength = np.array([[0.1, 0.8, 0.4, 0.0], [0.05, 0.02, 0.0, 0.0]], np.float32)
    style = normalised(strength)
    assert style[0].tolist() == pytest.approx([0.125, 1.0, 0.5, 0.0])
    assert style[1].max() == pytest.approx(0.05 / LEAST_LEVEL)
    assert normalised(np.zeros(16, np.float32)).max() == 0


def test_style_of_a_groove_is_its_accents():
    steps = 0.5 + np.arange(16) * 0.125
    velocity = np.tile([0.9, 0.2, 0.5, 0.2], 4)
    style = style_of(envelope_of(steps, velocity, ticks(4)), ticks(4), steps)
    inner = slice(1, 15)
    assert np.corrcoef(style[inner], velocity[inner])[0, 1] > 0.97
    assert len(envelope_of(np.zeros(0), np.zeros(0), ticks(1))) == 30


def pulse(period_s, seconds=20.0):
    """Somebody who stops hard every so often."""
    return envelope_of(
        np.arange(0.2, seconds, period_s), np.ones(len(np.arange(0.2, seconds, period_s))), ticks(seconds)
    )


@pytest.mark.parametrize(
    ("gap_s", "beat_s"), [(0.5, 0.5), (0.25, 0.5), (0.3, 0.6), (1.0, 0.5), (1.9, 0.475), (0.8, 0.8)]
)
def test_drums_take_visual_beats_for_beats_halves_or_pairs(gap_s, beat_s):
    visual = 0.1 + gap_s * np.arange(60)
    beats = pairing.drum_beats(visual, 4.0, 10.0, np.random.default_rng(0))
    assert np.diff(beats) == pytest.approx(beat_s)
    assert beats[0] < 4.0
    assert beats[-1] > 10.0
    away = np.abs(beats[:, None] - visual).min(1)
    assert away[:: max(1, round(gap_s / beat_s))].max() < 1e-6 or away[1 :: round(gap_s / beat_s)].max() < 1e-6


def test_a_gap_between_visual_beats_is_filled_and_a_drift_is_followed():
    visual = np.concatenate([np.arange(0, 5, 0.5), np.arange(6.5, 12, 0.5)])
    beats = pairing.drum_beats(visual, 3.0, 9.0, np.random.default_rng(0))
    assert np.diff(beats) == pytest.approx(0.5)
    drifting = np.cumsum(np.linspace(0.5, 0.6, 20))
    assert np.isin(
        np.round(drifting[6:12], 6), np.round(pairing.drum_beats(drifting, 3.0, 9.0, np.random.default_rng(0)), 6)
    ).all()


def test_without_visual_beats_a_tempo_is_drawn():
    found = [pairing.drum_beats(np.zeros(0), 0.0, 6.0, np.random.default_rng(i)) for i in range(8)]
    periods = {round(float(np.diff(beats)[0]), 4) for beats in found}
    assert len(periods) > 4
    assert all(60 / 140 - 1e-3 <= period <= 60 / 80 + 1e-3 for period in periods)


def test_splatted_onsets_are_the_envelope():
    rng = np.random.default_rng(0)
    onsets = np.where(rng.random((3, 20)) < 0.2, np.nan, rng.uniform(-5, 95, (3, 20)))
    velocity = rng.random((3, 20)).astype(np.float32)
    fast = pairing.splat(onsets, velocity, 90)
    slow = np.stack([envelope_of(o / LIVE_FPS, v, ticks(3)) for o, v in zip(onsets, velocity, strict=True)])
    assert np.abs(fast - slow).max() < 0.02


def test_a_warp_moves_drums_onto_the_stops_as_far_as_it_reaches():
    stops = np.arange(15, 170, 15.0)[None]
    one = np.ones(stops.shape, np.float32)
    curve = pairing.splat(stops, one, 180)
    for shift, reached in ((1, True), (-2, True), (6, False)):
        drums = pairing.splat(stops + shift, one, 180)
        cost, path = pairing.warp(curve, drums)
        assert (np.abs(np.median(path) - shift) < 0.5) == reached
        assert (cost[0] < 0.01) == reached
    assert pairing.warp(curve, curve)[0][0] == 0
    assert np.abs(path).max() <= pairing.REACH
    assert np.abs(np.diff(path)).max() <= 1


def drums(split="train", tempo_bpm=120.0, bars=16):
    hits = np.zeros((16 * bars, 9), bool)
    hits[::8, 0] = hits[4::8, 1] = hits[::2, 2] = True
    velocities = hits * np.array([0.9, 0.8, 0.4] + [0] * 6, np.float32)
    return Performance(
        f"{tempo_bpm}", "one", "rock", "beat", split, tempo_bpm, hits, velocities, np.zeros_like(velocities)
    )


def curves(period_s=0.5):
    return [pairing.Curve(pulse(period_s), np.arange(0.2, 20.0, period_s)) for _ in range(2)]


def test_pairs_have_their_strong_drums_on_the_stops():
    made = pairing.make_pairs(curves(), [drums(), drums(tempo_bpm=90.0)], 20, 0)
    assert len(made) == 20
    figures = scores(made.offsets, made)
    assert figures["follows"] == pytest.approx(1.0)
    assert figures["correlation"] > 0.5
    assert figures["onset_f"] > 0.95
    again = pairing.make_pairs(curves(), [drums(), drums(tempo_bpm=90.0)], 20, 0)
    assert np.array_equal(made.envelope, again.envelope)


def test_better_fitting_drums_are_taken_and_the_warp_fits_them_better():
    bent = [pairing.Curve(np.roll(c.offsets, 2), c.beats_s) for c in curves()]  # stops come after the beats
    maker = pairing.Matchmaker(bent, [drums()])
    follow = [
        scores(made.envelope, made)["follows"]
        for made in (
            maker.pairs(20, np.random.default_rng(0), candidates=4, fit=True),
            maker.pairs(20, np.random.default_rng(0), candidates=4, fit=False),
        )
    ]
    assert follow[0] > follow[1] + 0.2


def test_stillness_is_silence():
    offsets = np.where(np.arange(600) < 300, pulse(0.5), 0).astype(np.float32)
    still = pairing.Curve(offsets, np.arange(0.2, 10.0, 0.5))
    made = pairing.make_pairs([still], [drums()], 40, 0)
    last = np.array(
        [np.flatnonzero(row >= pairing.STILL)[-1] if (row >= pairing.STILL).any() else -40 for row in made.offsets]
    )
    assert (last < 0).sum() > 3
    assert ((last > 60) & (last < 150)).sum() > 3
    for envelope, end in zip(made.envelope, last, strict=True):
        assert envelope[max(0, end + 30) :].max(initial=0) < 0.05
        assert end < 20 or envelope[max(0, end - 60) : end].max() > 0.3


class Ears:
    """Hears the number of the tick to come, in thousandths, and forecasts half of that."""

    def begin(self):
        return 0

    def step(self, directogram, offset, present, state):
        assert directogram.shape == (18,)
        return (state + 1) / 1000, 0.0, state + 1

    def forecast(self, state, ticks=36):
        return np.arange(state, state + ticks, dtype=np.float32) / 2000, np.zeros(ticks, np.float32)


def test_curves_are_heard_before_they_happen_and_forecast_at_their_end(tmp_path):
    clips = 2
    kept = LiveCorpus(
        directogram=np.zeros((clips, 600, 18), np.float16),
        offset=np.zeros((clips, 600), np.float32),
        present=np.ones((clips, 600), bool),
        velocity=np.zeros((clips, 600, 17, 2), np.float16),
        truth=np.tile(pulse(0.5), (clips, 1)).astype(np.float16),
        beat_time_s=np.tile(np.arange(0.2, 20, 0.5), clips).astype(np.float32),
        beat_strength=np.ones(40 * clips, np.float32),
        beat_clip=np.repeat(np.arange(clips), 40).astype(np.int32),
        music_time_s=np.zeros(0, np.float32),
        music_clip=np.zeros(0, np.int32),
        kind=np.array(["warped"] * clips),
        content=np.array(["dance"] * clips),
    )
    kept.save(tmp_path / "train.npz")
    plain = pairing.read_curves(tmp_path, "train")
    assert plain[0].heard is None
    curves = pairing.read_curves(tmp_path, "train", Ears())
    assert curves[1].heard == pytest.approx(np.arange(600) / 1000)
    assert curves[1].ahead[3][:2] == pytest.approx([30 / 2000, 31 / 2000])
    made = pairing.make_pairs(curves, [drums()], 30, 0)
    for heard, given in zip(made.heard, made.offsets, strict=True):
        start = round(float(heard[0]) * 1000)
        tick = start + np.arange(180)
        forecast = np.isclose(heard, tick / 2000) & (tick > 0)
        assert np.isclose(heard[~forecast], tick[~forecast] / 1000).all()
        assert forecast.sum() <= 36
        assert forecast[180 - forecast.sum() :].all()
        assert np.allclose(given, plain[0].offsets[tick])
    assert np.mean([np.isclose(h[-1], (round(float(h[0]) * 1000) + 179) / 2000) for h in made.heard]) > 0.5
    unheard = pairing.make_pairs(plain, [drums()], 3, 0)
    assert np.array_equal(unheard.heard, unheard.offsets)


def test_pairs_are_kept_and_found_again(tmp_path):
    made = pairing.make_pairs(curves(), [drums()], 6, 0)
    pairing.save_pairs(made, tmp_path / "deep" / "train.npz")
    found = pairing.load_pairs(tmp_path / "deep" / "train.npz")
    assert np.abs(found.envelope - made.envelope).max() < 1e-3
    assert np.array_equal(found.beats_s, made.beats_s, equal_nan=True)
    with pytest.raises(InputError, match=r"test\.npz"):
        pairing.load_pairs(tmp_path / "test.npz")
    with pytest.raises(InputError, match="corpus"):
        pairing.read_curves(tmp_path, "train")


def test_scores_know_truth_from_silence_and_noise():
    made = pairing.make_pairs(curves(), [drums()], 20, 0)
    rng = np.random.default_rng(0)
    true = scores(made.envelope, made)
    silent = scores(np.zeros_like(made.envelope), made)
    noise = scores(rng.random(made.envelope.shape, np.float32), made)
    assert true["correlation"] == pytest.approx(1.0)
    assert true["onset_f"] == 1.0
    assert true["periodicity"] > 0.8
    assert silent["correlation"] == silent["deviation"] == 0
    assert abs(noise["correlation"]) < 0.1
    assert noise["periodicity"] < 0.4
    assert noise["onset_f"] < 0.75


def test_the_best_threshold_is_found():
    said = np.array([0.9, 0.8, 0.7, 0.1])
    assert best_f(said, np.array([True, True, False, False])) == (1.0, 0.8)
    assert best_f(said, np.array([False] * 4))[0] == 0.0
    steps = steps_of(np.array([0.0, 0.4, 1.2, np.nan], np.float32))
    assert steps == pytest.approx([0, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0])


@pytest.fixture(scope="module")
def net():
    return MuStyleNet()


def test_streaming_is_offline_and_more_never_changes_what_was(net):
    offsets = np.random.default_rng(0).random(400).astype(np.float32)
    whole = net.forecast(offsets, net.begin())
    assert whole.shape == (400,)
    assert whole.min() >= 0
    assert np.abs(net.forecast(offsets[:250], net.begin()) - whole[:250]).max() < 1e-6
    state, stream = net.begin(), []
    for offset in offsets[:250]:
        kept = state.copy()
        envelope, after = net.step(float(offset), state)
        assert np.array_equal(state, kept)
        stream.append(envelope)
        state = after
    assert np.abs(np.array(stream) - whole[:250]).max() < 1e-5
    assert np.abs(net.forecast(offsets[250:], state) - whole[250:]).max() < 1e-5
    assert len(net.forecast(np.zeros(0), state)) == 0


def test_stops_are_answered_at_once_and_stillness_is_quiet(net):
    offsets = np.where(np.arange(600) < 450, pulse(0.5), 0).astype(np.float32)
    envelope = net.forecast(offsets, net.begin())
    stops = np.round(np.arange(5.2, 15.0, 0.5) * LIVE_FPS).astype(int)
    on = np.stack([envelope[s - 1 : s + 3].max() for s in stops])
    off = np.stack([envelope[s + 5 : s + 11].mean() for s in stops])
    assert on.mean() > 0.4
    assert on.mean() > 2 * off.mean()
    assert envelope[510:].max() < 0.15 < envelope[400:450].max()
    assert net.forecast(np.zeros(300), net.begin()).max() < 0.15


def test_an_hour_does_not_wear_it_out(net):
    offsets = np.tile(pulse(0.5), 180)
    envelope = net.forecast(offsets, net.begin())
    assert len(envelope) == 108000
    assert np.abs(envelope[-600:] - envelope[600:1200]).max() < 0.05
