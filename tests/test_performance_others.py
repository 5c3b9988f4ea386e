"""The shipped model of players without keys, on simulated ones that it has not seen: it never saw any other."""

import numpy as np
import pytest

from kinebeat import perform, weights
from kinebeat.evaluation.note_metrics import note_figures
from kinebeat.performance.features import body_features
from kinebeat.performance.instruments import INSTRUMENTS
from kinebeat.performance.model import PerformanceModel
from kinebeat.performance.player import Player
from kinebeat.performance.truth.build import simulated_pieces
from kinebeat.performance.truth.simulator.parts import random_part
from kinebeat.performance.truth.simulator.simulate import simulate
from kinebeat.pose import save_pose

OTHERS = [name for name, of in INSTRUMENTS.items() if of.family != "keys"]


@pytest.fixture(scope="module")
def player():
    return Player(PerformanceModel.of("violin"))


@pytest.mark.parametrize("instrument", ["violin", "guitar", "tuba", "flute"])
def test_it_hears_simulated_players_and_not_what_is_usual(player, instrument):
    pieces = list(simulated_pieces([instrument], 3, 500))
    heard = [player.hear(piece.features(), instrument) for piece in pieces]
    own = [note_figures(piece.notes, notes) for piece, notes in zip(pieces, heard, strict=True)]
    others = [note_figures(piece.notes, notes) for piece, notes in zip(pieces, heard[1:] + heard[:1], strict=True)]
    class_f, by_chance = (np.mean([one["class_f"] for one in figures]) for figures in (own, others))
    assert class_f > 0.15
    assert class_f > 1.5 * by_chance
    assert np.mean([one["onset_f"] for one in own]) > 0.6
    assert 0.5 < np.mean([one["density_ratio"] for one in own]) < 1.6


@pytest.mark.parametrize("instrument", OTHERS)
def test_each_plays_within_its_range_and_voices(player, instrument):
    of = INSTRUMENTS[instrument]
    (piece,) = simulated_pieces([instrument], 1, 501)
    notes = player.hear(piece.features(slice(0, 240)), instrument)
    assert len(notes)
    assert ((notes.pitch >= of.lowest) & (notes.pitch <= of.highest)).all()
    together = np.unique(notes.onset_s, return_counts=True)[1]
    assert together.max() <= of.voices
    if of.voices == 1:
        assert (notes.offset_s[:-1] <= notes.onset_s[1:] + 1e-9).all()


@pytest.mark.parametrize("instrument", ["violin", "guitar", "flute"])
def test_who_stands_still_or_is_not_there_plays_little(player, instrument):
    (piece,) = simulated_pieces([instrument], 1, 502)
    seen = int(np.isfinite(piece.joints[..., 0]).sum(1).argmax())
    still = np.repeat(piece.joints[seen : seen + 1], 300, 0)
    still = still + np.random.default_rng(0).normal(0, 0.1, still.shape).astype(np.float32)
    assert len(player.hear(body_features(still), instrument)) < 3
    nobody = np.full_like(still, np.nan)
    assert len(player.hear(body_features(nobody), instrument)) < 5


def test_the_keypoints_of_a_violinist_become_music(tmp_path):
    rng = np.random.default_rng(3)
    made = simulate(random_part("violin", rng, 10.0), "violin", rng)
    save_pose(made.track, tmp_path / "violin.npz")
    heard = perform(tmp_path / "violin.npz", "violin")
    assert heard.experimental
    assert heard.warnings == ("the violin is experimental: its model has learned from simulated players alone",)
    assert note_figures(made.notes, heard.notes)["onset_f"] > 0.5
    assert heard.score.tracks[0].program == INSTRUMENTS["violin"].program
    heard.save(midi=tmp_path / "violin.mid", report=tmp_path / "violin.json")
    assert "if nobody plays one" in perform(tmp_path / "violin.npz", "accordion").warnings[-1]


def test_its_weights_are_small_and_their_card_says_simulated():
    weight = weights.registry()["performance-others"]
    assert sum(file.stat().st_size for file in weight.files) < 8e6
    card = weight.card.read_text(encoding="utf-8")
    assert "never seen a real player" in card
    assert "simulated" in weight.data
    assert {score["truth"] for score in weight.scores if "truth" in score} == {"simulated"}
