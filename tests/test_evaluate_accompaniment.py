"""Table 3 on music whose figures are known, and on models that know everything or nothing."""

import json
import sys
from dataclasses import replace
from itertools import pairwise
from types import ModuleType

import numpy as np
import pytest

from accompaniments import RandomModel, random_chords, random_drums, random_part
from command_line import run
from kinebeat.accompaniment.corpus import Segment, load_segments, save_segments
from kinebeat.accompaniment.harmony import NO_KEY, chord_numbered
from kinebeat.accompaniment.parts import (
    POSITIONS_PER_BAR,
    Chords,
    drums_from_hits,
    drums_on_grid,
    part_from_notes,
    transposed,
)
from kinebeat.accompaniment.tokens import decode_drums
from kinebeat.accompaniment.vocabulary import DECODER, ENCODER, NO_NOTES
from kinebeat.errors import InputError
from kinebeat.evaluation import accompaniment as table
from kinebeat.evaluation import part_baselines, part_likelihood, part_players, part_sets, part_table
from kinebeat.evaluation.part_metrics import onset_agreement, statistics

BARS = 16
SILENCE = part_from_notes(BARS, [], [], [], [])


def segment(seed, instrument="piano", tempo_bpm=None, part=None, drums=None, **others):
    """Sixteen bars of anything a player could play."""
    rng = np.random.default_rng([seed, 77])
    played = random_part(rng, notes=90, low=45, high=80) if part is None else part
    struck = random_drums(rng, hits=200) if drums is None else drums
    tempo = float(rng.uniform(118, 122)) if tempo_bpm is None else tempo_bpm
    told = {"key": seed % 24, "song": f"song{seed}", "chords": random_chords(rng)} | others
    return Segment(
        part=played,
        drums=struck,
        tempo_bpm=tempo,
        instrument=instrument,
        file=f"file{seed}",
        start_bar=0,
        **told,
    )


def scale():
    """C major, up and up in quarters."""
    steps = np.array([0, 2, 4, 5, 7, 9, 11, 12])[np.arange(64) % 8]
    return part_from_notes(BARS, 12 * np.arange(64), [12] * 64, 60 + steps, [80] * 64)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    for split, seeds in (("train", range(8)), ("test", range(8, 16))):
        some = [segment(seed, ("piano", "guitar")[seed % 2]) for seed in seeds]
        save_segments(some, folder / f"{split}.npz")
    return folder


class KnowingModel:
    """Has heard some pieces before: it knows what comes next, with a given probability."""

    bar_tokens = 256

    def __init__(self, pieces, share):
        self.share, self.known, self.strict = share, {}, True
        for piece in pieces:
            starts = np.searchsorted(piece.music.bar, np.arange(BARS + 1))
            bars = [piece.music.tokens[a:b] for a, b in pairwise(starts)]
            self.known[self.name(piece.drums.tokens[piece.drums.bar == 0])] = bars

    @staticmethod
    def name(tokens):
        return tuple(tokens[~np.isin(ENCODER.kind[tokens], [2, 3, 4, 5])].tolist())

    def begin_bar(self, drums, state=None, played=None):
        if state is None:
            return [self.known[self.name(bar.tokens)] for bar in drums], 0, 0
        pieces, bar, at = state
        assert played.max() == at
        return pieces, bar + 1, 0

    def step(self, tokens, state):
        pieces, bar, at = state
        rest = (1 - self.share) / (len(DECODER) - 1)
        chance = np.full((*tokens.shape, len(DECODER)), rest)
        for i, bars in enumerate(pieces):
            coming = [*bars[bar][1:], DECODER.first["Bar"]]
            for j in range(tokens.shape[1]):
                if at + j < len(bars[bar]):
                    assert not self.strict or tokens[i, j] == bars[bar][at + j]
                    chance[i, j, coming[at + j]] = self.share
        return np.log(chance).astype(np.float32), (pieces, bar, at + tokens.shape[1])


# Sets and their overlaps.


def test_a_set_is_described_part_by_part():
    found = part_sets.describe([segment(1, part=scale(), tempo_bpm=120.0), segment(2, part=SILENCE)])
    for name, value in statistics(scale(), 120.0).items():
        assert found.figures[name][0] == pytest.approx(value)
    assert found.figures["in_key"][0] == 1.0
    assert found.mean("silence") == pytest.approx(0.5)
    assert found.mean("ioi_s") == pytest.approx(0.5)  # silence has none
    assert np.isnan(part_sets.describe([segment(2, part=SILENCE)]).mean("pitch_interval"))


def test_the_columns_of_the_table_are_means_and_differences():
    slow, fast = (part_sets.describe([segment(1, part=scale(), tempo_bpm=tempo)] * 4) for tempo in (60.0, 120.0))
    found = part_sets.table_figures(slow, fast)
    assert (found["pc_per_bar"], found["ioi_s"]) == pytest.approx((4.0, 1.0))
    assert (found["pc_per_bar_off"], found["ioi_s_off"]) == pytest.approx((0.0, 0.5))
    assert (found["pch"], found["nlh"]) == pytest.approx((1.0, 1.0))
    assert "pch_oa" not in part_sets.table_figures(slow, slow)
    assert "pch_oa" in found
    listening = part_sets.listening_figures(slow)
    assert (listening["notes_per_bar"], listening["silence"], listening["polyphony"]) == (4.0, 0.0, 1.0)


def test_overlap_with_the_mean_histogram():
    truth = np.eye(12)[[0, 0, 7, 7]]
    assert part_sets.mean_overlap(np.eye(12)[[0]], truth) == pytest.approx(0.5)
    assert part_sets.mean_overlap(np.eye(12)[[1]], truth) == 0.0
    assert part_sets.mean_overlap(truth.mean(0)[None], truth) == pytest.approx(1.0)
    with_silence = np.concatenate([truth, np.full((2, 12), np.nan)])
    assert part_sets.mean_overlap(with_silence, with_silence) == pytest.approx(0.5)
    assert np.isnan(part_sets.mean_overlap(with_silence[4:], truth))


def histograms(seed, count, peak=0.0):
    rng = np.random.default_rng(seed)
    some = rng.random((count, 12)) + peak * np.eye(12)[rng.integers(12, size=count)]
    return some / some.sum(1, keepdims=True)


def test_overlap_of_distances_asks_whether_sets_are_alike():
    truth = histograms(0, 80)
    alike = part_sets.distance_overlap(histograms(1, 60), truth)
    apart = part_sets.distance_overlap(histograms(1, 60, peak=20.0), truth)
    all_one = part_sets.distance_overlap(np.tile(np.eye(12)[3], (60, 1)), truth)
    assert alike > 0.93
    assert apart < 0.2
    assert all_one < 0.05
    assert np.isnan(part_sets.distance_overlap(np.full((3, 12), np.nan), truth))


def test_overlap_of_distances_is_that_of_scipys_kernel_densities():
    from scipy.spatial.distance import cdist, pdist
    from scipy.stats import gaussian_kde

    truth, made = histograms(2, 40, peak=1.0), histograms(3, 30, peak=2.0)
    grid = np.linspace(-0.5, 2.0, 2501)
    both = [gaussian_kde(pdist(truth))(grid), gaussian_kde(cdist(made, truth).ravel())(grid)]
    expected = np.minimum(*both).sum() * (grid[1] - grid[0])
    assert part_sets.distance_overlap(made, truth) == pytest.approx(expected, abs=0.005)


def test_overlap_of_each_samples_distances():
    truth = histograms(0, 80)
    alike = part_sets.sample_overlap(histograms(1, 60), truth)
    assert alike == pytest.approx(part_sets.sample_overlap(truth, truth, same=True), abs=0.05)
    assert part_sets.sample_overlap(histograms(1, 60, peak=20.0), truth) < 0.1 < alike
    # One sample is a set of one.
    assert part_sets.sample_overlap(truth[:1], truth) == pytest.approx(part_sets.distance_overlap(truth[:1], truth))
    # In the middle of them all it is too near to each.
    assert part_sets.sample_overlap(truth.mean(0)[None], truth) < part_sets.sample_overlap(truth, truth, same=True)
    assert np.isnan(part_sets.sample_overlap(np.full((3, 12), np.nan), truth))


# Following the drums.


def playing_on_its_drums(seed):
    own = segment(seed)
    onset = np.unique(own.drums.onset)
    pitch = np.random.default_rng(seed).integers(50, 70, len(onset))
    return replace(own, part=part_from_notes(BARS, onset, [3] * len(onset), pitch, [80] * len(onset)))


def test_who_plays_on_the_drums_is_heard_to_follow_them():
    found = part_sets.following([playing_on_its_drums(seed) for seed in range(20)], [segment(s) for s in range(20)])
    assert found["agreement"] == pytest.approx(1.0)
    assert found["agreement_null"] < 0.6
    assert found["agreement_z"] > 20
    assert found["agreement_t"] > 20
    assert found["agreement_above"] == 1.0
    assert found["agreement_parts"] == 20


def test_who_plays_anything_is_not():
    some = [segment(seed) for seed in range(40)]
    found = part_sets.following(some, some)
    assert abs(found["agreement_z"]) < 3
    assert abs(found["agreement_t"]) < 3
    assert 0.3 < found["agreement_above"] < 0.7
    own = np.mean([onset_agreement(one.part, one.drums) for one in some])
    assert found["agreement"] == pytest.approx(own, rel=1e-6)


def test_the_null_is_other_songs_at_the_same_tempo():
    played = playing_on_its_drums(0)
    same_song = segment(1, song="song0")
    faster = segment(2, tempo_bpm=played.tempo_bpm * 1.06)
    alone = part_sets.following([played], [played, same_song, faster])
    assert alone == {"agreement": pytest.approx(1.0), "agreement_parts": 0}
    one = segment(3, tempo_bpm=played.tempo_bpm * 1.04)
    found = part_sets.following([played, segment(4, part=SILENCE)], [same_song, faster, one])
    assert found["agreement_null"] == pytest.approx(onset_agreement(played.part, one.drums))
    assert found["agreement_parts"] == 1
    assert np.isnan([found["agreement_z"], found["agreement_t"]]).all()  # one alone has no spread


def test_parts_of_one_song_do_not_make_it_surer():
    some, others = [playing_on_its_drums(seed) for seed in range(6)], [segment(seed) for seed in range(20, 40)]
    once, thrice = part_sets.following(some, others), part_sets.following(some * 3, others)
    assert thrice["agreement_t"] == pytest.approx(once["agreement_t"])
    assert thrice["agreement_z"] > 1.4 * once["agreement_z"]


# Copies.


def test_copies_are_found():
    known = [segment(seed).part for seed in range(6)]
    fresh = [segment(seed).part for seed in range(20, 24)]
    found = part_sets.common_runs({"copied": [transposed(part, 2) for part in known[:3]], "fresh": fresh}, known)
    assert found["copied"]["common_run_median"] == np.median([len(part) for part in known[:3]])
    assert found["copied"]["common_run_share_p95"] == pytest.approx(1.0)
    assert found["fresh"]["common_run_max"] < 8


# Players that are no models.


def bars_of(one):
    """Each bar's onsets and pitches."""
    bar = one.part.onset // POSITIONS_PER_BAR
    inside = one.part.onset % POSITIONS_PER_BAR
    return [tuple(zip(inside[bar == b], one.part.pitch[bar == b], strict=True)) for b in range(BARS)]


def test_shuffled_bars_are_the_same_bars_in_another_order():
    whole = segment(3)
    (moved,) = part_baselines.bars_shuffled([whole], seed=1)
    assert bars_of(moved) != bars_of(whole)
    assert sorted(bars_of(moved)) == sorted(bars_of(whole))
    assert moved.drums == whole.drums
    order = [bars_of(whole).index(bar) for bar in bars_of(moved)]
    assert np.array_equal(moved.chords.symbols.reshape(-1, 2), whole.chords.symbols.reshape(-1, 2)[order])


def test_swapped_drums_are_another_songs_at_the_same_tempo():
    own, same_song, slow = (
        segment(0, tempo_bpm=100.0),
        segment(1, tempo_bpm=100.0, song="song0"),
        segment(2, tempo_bpm=80.0),
    )
    near = segment(3, tempo_bpm=104.0)
    (swapped,) = part_baselines.drums_swapped([own], [own, same_song, slow, near])
    assert (swapped.drums, swapped.part, swapped.tempo_bpm) == (near.drums, own.part, 100.0)
    (nearest,) = part_baselines.drums_swapped([own], [own, same_song, slow])
    assert nearest.drums == slow.drums


def test_random_notes_are_as_many_and_within_reach():
    some = [segment(seed) for seed in range(5)]
    made = part_baselines.random_notes(some)
    for one, real in zip(made, some, strict=True):
        assert 0.9 * len(real.part) <= len(one.part) <= len(real.part)  # some fall on each other
    assert np.concatenate([one.part.pitch for one in made]).min() >= 45
    assert len(part_baselines.random_notes([segment(0, part=SILENCE)])[0].part) == 0


def test_the_nearest_bars_are_those_with_the_same_drums(corpus):
    known = part_baselines.only(load_segments(corpus, "train"), "guitar")
    assert {one.instrument for one in known} == {"guitar"}
    assert [one.file for one in known] == ["file1", "file3", "file5", "file7"]
    order = np.random.default_rng(0).permutation(BARS)
    source = known[2]
    place = np.argsort(order)
    onset = place[source.drums.onset // POSITIONS_PER_BAR] * POSITIONS_PER_BAR + source.drums.onset % POSITIONS_PER_BAR
    asked = segment(90, "guitar", drums=drums_from_hits(BARS, onset, source.drums.drum, source.drums.velocity))
    told = []
    (made,) = part_baselines.nearest_bars([asked], known, progress=told.append)
    assert bars_of(made) == [bars_of(source)[b] for b in order]
    assert np.array_equal(made.chords.symbols.reshape(-1, 2), source.chords.symbols.reshape(-1, 2)[order])
    assert told[-1] == 1.0


def test_the_nearest_bar_is_found_in_any_block(corpus, monkeypatch):
    known = load_segments(corpus, "train")
    asked = [segment(seed) for seed in (91, 92)]
    whole = part_baselines.nearest_bars(asked, known)
    monkeypatch.setattr(part_baselines, "_BLOCK", 16)
    pieces = part_baselines.nearest_bars(asked, known)

    def unlike(made):
        """Struck in one and not in the other, least over all known bars: none is nearer than what was copied."""
        bars = {bar: (one, b) for one in known for b, bar in enumerate(bars_of(one)) if bar}
        found = []
        for b, bar in enumerate(bars_of(made)):
            if bar in bars:
                one, source = bars[bar]
                found.append((b, len(hits_in(one.drums, source) ^ hits_in(made.drums, b))))
        return found

    def hits_in(drums, bar):
        here = drums.onset // POSITIONS_PER_BAR == bar
        return set(zip(drums.onset[here] % POSITIONS_PER_BAR, drums.drum[here], strict=True))

    for some in (whole, pieces):
        for made in some:
            for b, away in unlike(made):
                least = min(len(hits_in(one.drums, c) ^ hits_in(made.drums, b)) for one in known for c in range(BARS))
                assert away == least


# Likelihoods.


@pytest.mark.parametrize("share", [0.9, 0.25])
def test_a_model_that_knows_the_answer_pays_for_its_doubts_alone(share):
    pieces = part_likelihood.pieces_of([segment(seed) for seed in range(5)])
    told = []
    found = part_likelihood.likelihood(KnowingModel(pieces, share), pieces, batch=2, workers=2, progress=told.append)
    assert found.tokens.sum(1).tolist() == [len(piece.music) - 1 for piece in pieces]
    assert found.nats / np.maximum(found.tokens, 1) == pytest.approx(
        np.where(found.tokens > 0, -np.log(share), 0.0), rel=1e-5
    )
    assert found.per_token == pytest.approx(-np.log(share), rel=1e-5)
    notes = sum(len(segment(seed).part) for seed in range(5))
    assert found.per_note == pytest.approx(found.nats.sum() / notes)
    assert found.by_kind() == pytest.approx(dict.fromkeys(found.by_kind(), -np.log(share)), rel=1e-5)
    assert set(found.by_kind()) == {"bar", "position", "tempo", "chord", "pitch", "velocity", "duration"}
    assert told[-1] == 1.0


def test_shuffled_bars_cost_more_who_knows_the_order():
    known = segment(0)
    model = KnowingModel(part_likelihood.pieces_of([known]), 0.9)
    (moved,) = part_likelihood.pieces_of(part_baselines.bars_shuffled([known]))
    model.strict = False
    assert part_likelihood.likelihood(model, [moved]).per_token > 10 * -np.log(0.9)


def test_what_is_told_is_told(corpus):
    (plain,) = part_likelihood.pieces_of([segment(5)])
    (told,) = part_likelihood.pieces_of([segment(5)], told=True)
    (silent,) = part_likelihood.pieces_of([segment(5)], hits=False)
    assert decode_drums(plain.drums.tokens)[1].key == NO_KEY
    assert set(decode_drums(plain.drums.tokens)[1].notes) == {NO_NOTES}
    assert decode_drums(told.drums.tokens)[1].key == 5
    assert NO_NOTES not in decode_drums(told.drums.tokens)[1].notes
    assert len(decode_drums(silent.drums.tokens)[0]) == 0
    assert np.array_equal(plain.music.tokens, silent.music.tokens)


def test_the_unigram_counts_tokens():
    pieces = part_likelihood.pieces_of([segment(seed) for seed in range(3)])
    found = part_likelihood.unigram([], pieces)
    assert found.per_token == pytest.approx(np.log(len(DECODER)))
    better = part_likelihood.unigram(pieces, pieces)
    counts = np.bincount(np.concatenate([p.music.tokens for p in pieces]), minlength=len(DECODER)) + 1
    bar = -np.log(counts[DECODER.first["Bar"]] / counts.sum())
    assert better.by_kind()["bar"] == pytest.approx(bar)
    assert better.per_token < found.per_token


def test_gains_are_paired_and_songs_count_once():
    rng = np.random.default_rng(0)
    tokens = np.zeros((12, len(DECODER.kinds)), np.int64)
    tokens[:, 5] = rng.integers(50, 150, 12)
    noise = rng.normal(0, 30, 12)
    base = np.zeros(tokens.shape)
    base[:, 5] = 300 + noise
    worse = base + 0.5 * tokens
    songs = [str(i) for i in range(12)]
    high, low = (part_likelihood.Likelihood(nats, tokens) for nats in (worse, base))
    gain = part_likelihood.lowered(low, high, songs)
    assert (gain.per_token, gain.per_note) == pytest.approx((0.5, 0.5))
    assert (gain.se, gain.se_per_note) == pytest.approx((0.0, 0.0), abs=1e-12)  # it is the same everywhere
    moved = base.copy()
    moved[:, 5] += rng.normal(5, 20, 12)
    each = part_likelihood.lowered(low, part_likelihood.Likelihood(moved, tokens), songs)
    saved, count = (moved - base).sum(1), tokens.sum(1)
    ratio = saved.sum() / count.sum()
    assert each.per_token == pytest.approx(ratio)
    assert each.se == pytest.approx(np.sqrt(((saved - ratio * count) ** 2).sum() / (12 * 11)) / count.mean())
    # The same twelve pieces twice, of the same songs, tell no more than once (but for the doubled sums).
    twice = [part_likelihood.Likelihood(np.tile(nats, (2, 1)), np.tile(tokens, (2, 1))) for nats in (base, moved)]
    assert part_likelihood.lowered(*twice, songs * 2).se == pytest.approx(each.se)
    assert np.isnan(part_likelihood.lowered(low, high, ["one"] * 12).se)


@pytest.mark.train
def test_the_likelihood_is_that_of_the_network_as_it_is_trained():
    torch = pytest.importorskip("torch", reason="needs torch, the [train] extra")
    pytest.importorskip("onnx", reason="needs onnx, the [train] extra")
    from kinebeat.accompaniment.batches import side_by_side
    from kinebeat.accompaniment.export import model_parts
    from kinebeat.accompaniment.model import AccompanimentModel
    from kinebeat.accompaniment.network import AccompanimentNet, NetConfig
    from kinebeat.accompaniment.train import loss_of_batch

    torch.manual_seed(0)
    shape = {"width": 16, "heads": 2, "encoder_layers": 1, "decoder_layers": 2, "memory": 24, "dropout": 0.0}
    net = AccompanimentNet(NetConfig(len(ENCODER), len(DECODER), **shape)).eval()
    pieces = part_likelihood.pieces_of([segment(seed) for seed in range(3)], told=True)
    with torch.no_grad():
        expected = float(loss_of_batch(net, side_by_side(pieces)))
    model = AccompanimentModel(model_parts(net, 128))
    assert part_likelihood.likelihood(model, pieces).per_token == pytest.approx(expected, abs=2e-3)
    crowded = segment(0, part=random_part(np.random.default_rng(0), notes=1500, low=40, high=90))
    too_long = part_likelihood.pieces_of([crowded])
    assert part_likelihood.longest_bar(too_long[0]) > 128
    with pytest.raises(ValueError, match="expected 128 at most"):
        part_likelihood.likelihood(model, too_long)


# Players that are models.


def test_a_model_that_knows_a_piece_plays_it_and_is_caught():
    song = segment(4, part=transposed(scale(), 5), chords=Chords(np.full(32, chord_numbered("F"))))
    pieces = part_likelihood.pieces_of([song])
    (made,) = part_players.play_freely(KnowingModel(pieces, 0.99), [song], top_k=1)
    assert (made.part.onset.tolist(), made.part.pitch.tolist()) == (song.part.onset.tolist(), song.part.pitch.tolist())
    assert made.chords == song.chords
    assert part_sets.common_runs({"it": [made.part]}, [scale()])["it"]["common_run_max"] == 64


def test_pieces_are_played_in_batches_as_alone():
    some = [segment(seed, ("piano", "guitar")[seed % 2]) for seed in range(3)]
    told = []
    one, two = (
        part_players.play_freely(
            RandomModel("Position", 30), some, seed=3, batch=batch, workers=batch, progress=told.append
        )
        for batch in (1, 2)
    )
    for a, b, asked in zip(one, two, some, strict=True):
        assert a.part == b.part
        assert a.drums == asked.drums
    assert told[-1] == 1.0
    (other,) = part_players.play_freely(RandomModel("Position", 30), some[:1], seed=4)
    assert other.part != one[0].part


class Listener(RandomModel):
    """Remembers what it has heard."""

    def __init__(self):
        super().__init__("Bar", 30)
        self.heard = []

    def begin_bar(self, drums, state=None, played=None):
        self.heard += [bar.tokens for bar in drums]
        return super().begin_bar(drums, state, played)


def test_nothing_is_told_but_drums_and_tempo():
    for hits in (True, False):
        model, asked = Listener(), segment(6)
        part_players.play_freely(model, [asked], hits=hits)
        drums, controls = decode_drums(np.concatenate(model.heard))
        assert (controls.key, set(controls.notes), controls.instrument) == (NO_KEY, {NO_NOTES}, "piano")
        assert np.array_equal(drums.onset, asked.drums.onset if hits else [])


def test_the_product_is_told_key_and_notes_and_ends():
    model, asked = Listener(), segment(6)
    (made,) = part_players.play_as_product(model, [asked])
    controls = decode_drums(np.concatenate(model.heard))[1]
    assert controls.key == made.key == 6
    assert NO_NOTES not in controls.notes
    assert made.part.onset.max() == 15 * POSITIONS_PER_BAR
    (free,) = part_players.play_as_product(Listener(), [segment(6, key=NO_KEY)])
    assert free.key != NO_KEY


def test_drums_of_songs_become_drums_of_ours_and_back():
    hits = np.arange(0, BARS * POSITIONS_PER_BAR, 3)
    velocity = np.resize([40, 60, 80, 100, 120], len(hits))
    straight = drums_from_hits(BARS, hits, np.arange(len(hits)) % 9, velocity)
    back = drums_on_grid(part_players.drum_track(straight, 97.0))
    assert np.array_equal(back.onset, straight.onset)
    assert np.array_equal(back.drum, straight.drum)
    assert np.abs(back.velocity - straight.velocity).max() <= 1
    track = part_players.drum_track(straight, 97.0)
    assert track.grid.tempo_bpm == pytest.approx(97.0)
    assert track.onsets()[0] == pytest.approx(hits / 12 * 60 / 97.0)
    triplets = drums_from_hits(BARS, np.arange(0, 768, 4), [2] * 192, [90] * 192)
    away_s = part_players.drum_track(triplets, 60.0).onsets()[0] - np.arange(BARS * 12) / 3
    assert np.abs(away_s).max() < 1e-6
    last = drums_from_hits(BARS, [BARS * POSITIONS_PER_BAR - 1], [0], [90])
    assert part_players.drum_track(last, 60.0).hits[-1, 0]


# The whole table.


@pytest.fixture(scope="module")
def models():
    return {variant: RandomModel("Position", 100) for variant in table.NAMES}


@pytest.fixture(scope="module")
def whole(corpus, models, tmp_path_factory):
    told = []
    nowhere = tmp_path_factory.mktemp("nowhere")
    found = table.evaluate_accompaniment(
        nowhere,
        corpus=corpus,
        models=models,
        sampling=table.Sampling(samples=2),
        progress=lambda _, share: told.append(share),
    )
    return found, told


def rows_of(found, instrument="piano"):
    return {row["name"]: row for row in found["rows"] if row["instrument"] == instrument}


@pytest.mark.parametrize("instrument", ["piano", "guitar"])
def test_the_table_has_every_player(whole, instrument):
    rows = rows_of(whole[0], instrument)
    players = [table.DATASET, *table.NAMES.values(), table.PRODUCT, table.SHUFFLED, table.NEAREST, table.RANDOM]
    for name in players:
        for figure in ("pc_per_bar", "ioi_s", "pch", "nlh", "agreement", "common_run_p95", "notes_per_bar", "in_key"):
            assert np.isfinite(rows[name][figure]), (name, figure)
        assert ("pch_oa" in rows[name]) == (name != table.DATASET)
        assert 0 <= rows[name]["nlh_each"] <= 1
    assert rows[table.DATASET]["samples"] == 4
    assert rows[table.HALVES]["samples"] == 2
    assert rows[table.NAMES["full"]]["samples"] == 2
    assert rows[table.PRODUCT]["samples"] == 1
    assert rows[table.DATASET]["pc_per_bar_off"] == 0.0
    assert rows[table.SHUFFLED]["notes_per_bar"] == pytest.approx(rows[table.RANDOM]["notes_per_bar"], rel=0.1)
    assert sum(row.get("quoted", False) for row in rows.values()) == 3


def test_the_table_has_the_likelihoods(whole):
    rows = rows_of(whole[0])
    for variant in table.NAMES.values():
        assert rows[variant]["nll"] > np.log(len(DECODER))  # they think at random, and are sure of it
        assert rows[variant]["nll_told"] > 0
        assert rows[variant]["nll_segments"] == 2
    assert np.isfinite(rows[table.SHUFFLED]["nll"])
    assert rows["unigram"]["nll"] < np.log(len(DECODER))
    memory = rows["memory lowers NLL by"]
    full, without = (rows[table.NAMES[variant]] for variant in ("twin", "no-memory"))
    assert memory["per_token"] == pytest.approx(without["nll"] - full["nll"])
    assert memory["per_note"] == pytest.approx(without["nll_per_note"] - full["nll_per_note"])
    for what in ("drums lower", "its own drums lower", "order of bars lowers", "key and notes told lower"):
        name = f"{what} NLL by"
        assert np.isfinite([rows[name]["per_token"], rows[name]["se"]]).all()
    assert np.isfinite(rows["drums lower NLL by, key and notes told"]["by_position"])


def test_progress_rises_to_the_end(whole):
    told = whole[1]
    assert told == sorted(told)
    assert told[-1] == 1.0


def test_the_table_can_be_read_and_written(whole, tmp_path):
    from kinebeat.evaluation import tables

    text = part_table.as_text(whole[0])
    for words in ("piano: Table 3", "guitar: listening", "paper: Drum2Guitar", "memory lowers NLL by", "agreement_z"):
        assert words in text
    tables.write_json(whole[0], tmp_path / "table.json")
    assert len(json.loads((tmp_path / "table.json").read_text())["rows"]) == len(whole[0]["rows"])


def test_models_that_are_not_there_are_said_to_be_left_out(corpus, monkeypatch):
    monkeypatch.setattr(table, "registry", dict)
    assert table.shipped_models() == {}
    found = table.evaluate_accompaniment(corpus, corpus=corpus, sampling=table.Sampling(samples=2, seed=1))
    rows = rows_of(found)
    for variant, name in table.NAMES.items():
        assert {"full": table.WEIGHT, **table.ABLATED}[variant] in rows[name]["note"]
    assert table.PRODUCT not in rows
    assert table.Sampling(workers=3).threads == 3
    assert table.Sampling().threads >= 1
    assert "memory lowers NLL by" not in rows
    assert rows[table.RANDOM]["agreement"] > 0


def test_one_seed_is_one_table(corpus):
    found = [
        table.evaluate_accompaniment(corpus, corpus=corpus, models={}, sampling=table.Sampling(3, seed))["rows"]
        for seed in (0, 0, 1)
    ]
    texts = [json.dumps(rows) for rows in found]
    assert texts[0] == texts[1]
    assert texts[0] != texts[2]


def test_the_corpus_is_made_once_and_kept(tmp_path, corpus, monkeypatch):
    made = []

    def make_corpus(data, out, progress):
        made.append(data)
        out.mkdir(parents=True, exist_ok=True)
        for split in ("train", "test"):
            (out / f"{split}.npz").write_bytes((corpus / f"{split}.npz").read_bytes())

    monkeypatch.setattr(table, "make_corpus", make_corpus)
    for _ in range(2):
        assert len(table.load_corpus(tmp_path, tmp_path / "kept")["test"]) == 8
    assert made == [tmp_path]
    assert len(table.load_corpus(tmp_path, None)["train"]) == 8
    assert len(made) == 2


def test_without_data_it_says_so(tmp_path, corpus):
    with pytest.raises(InputError, match="multi-track corpus"):
        table.evaluate_accompaniment(tmp_path, models={})
    pianos = [one for one in load_segments(corpus, "test") if one.instrument == "piano"]
    for split in ("train", "test"):
        save_segments(pianos, tmp_path / f"{split}.npz")
    with pytest.raises(InputError, match="too few segments of the guitar"):
        table.evaluate_accompaniment(tmp_path, corpus=tmp_path, models={}, sampling=table.Sampling(samples=1))


def test_evaluate_accompaniment_prints_and_writes_its_table(tmp_path, monkeypatch, capsys):
    def evaluate_accompaniment(data, *, corpus, ablation, sampling, progress):
        progress("corpus", 1.0)
        told = {"samples": sampling.samples, "seed": sampling.seed, "workers": sampling.workers}
        return {"table": "Table 3", "rows": [{"instrument": "piano", "name": "dataset", **told}]}

    stand_in = ModuleType("kinebeat.evaluation.accompaniment")
    stand_in.evaluate_accompaniment = evaluate_accompaniment
    stand_in.Sampling = table.Sampling
    monkeypatch.setitem(sys.modules, "kinebeat.evaluation.accompaniment", stand_in)
    out = tmp_path / "table.json"
    asked = ("evaluate", "accompaniment", "--data", tmp_path, "--corpus", tmp_path, "--samples", 3, "--seed", 5)
    assert run(*asked, "--workers", 1, "--json", out, "-q") == 0
    (row,) = json.loads(out.read_text())["rows"]
    assert row == {"instrument": "piano", "name": "dataset", "samples": 3, "seed": 5, "workers": 1}
    assert "dataset" in capsys.readouterr().out
