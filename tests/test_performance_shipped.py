"""The shipped model of pianists, on some that it has not seen: simulated here, filmed where the data is."""

from dataclasses import replace

import numpy as np
import pytest

from kinebeat import perform
from kinebeat.errors import OptionError
from kinebeat.evaluation.note_metrics import note_figures
from kinebeat.performance.model import PerformanceModel
from kinebeat.performance.player import Player
from kinebeat.performance.truth.build import simulated_pieces
from kinebeat.performance.truth.piano_videos import read_clips


@pytest.fixture(scope="module")
def pianists():
    return list(simulated_pieces(["piano"], 4, 1000))


@pytest.fixture(scope="module")
def heard(pianists):
    return [Player().hear(piece.features(), "piano") for piece in pianists]


def test_it_hears_simulated_pianists_and_not_what_is_usual(pianists, heard):
    own = [note_figures(piece.notes, notes) for piece, notes in zip(pianists, heard, strict=True)]
    others = [note_figures(piece.notes, notes) for piece, notes in zip(pianists, heard[1:] + heard[:1], strict=True)]
    assert np.mean([figures["class_f"] for figures in own]) > 0.5
    assert np.mean([figures["pitch_f"] for figures in own]) > 0.5
    assert np.mean([figures["pitch_f"] for figures in others]) < 0.1
    assert 0.6 < np.mean([figures["density_ratio"] for figures in own]) < 1.6


def test_an_octave_higher_it_hears_the_same_an_octave_higher(pianists, heard):
    piece, notes = pianists[0], heard[0]
    higher = Player().hear(replace(piece, joints=piece.joints + np.array([7.0, 0.0], np.float32)).features(), "piano")
    inside = notes[notes.pitch + 12 <= 108]
    figures = note_figures(replace(inside, pitch=inside.pitch + 12), higher)
    assert figures["pitch_f"] > 0.95


def test_hands_that_rest_play_little(pianists):
    piece = pianists[0]
    seen = np.flatnonzero(np.isfinite(piece.joints[..., 0]).all(1))
    still = np.repeat(piece.joints[seen[:1]], 300, 0)
    still = still + np.random.default_rng(0).normal(0, 0.02, still.shape).astype(np.float32)
    assert len(Player().hear(replace(piece, joints=still).features(), "piano")) < 10


def test_nobody_plays_nothing():
    nobody = np.full((300, 42, 2), np.nan, np.float32)
    piece = next(simulated_pieces(["piano"], 1, 5))
    assert len(Player().hear(replace(piece, joints=nobody).features(), "piano")) == 0


def test_the_decoder_plays_too(pianists):
    piece = pianists[1]
    notes = Player(words=True, beam=2).hear(piece.features(slice(0, 300)), "piano")
    assert len(notes) > 5
    assert ((notes.pitch >= 21) & (notes.pitch <= 108) & (notes.offset_s > notes.onset_s)).all()


def test_an_instrument_without_a_model_is_refused_before_the_film_is_looked_at(tmp_path, monkeypatch):
    monkeypatch.setattr("kinebeat.performance.model.registry", dict)
    with pytest.raises(OptionError, match="the violin cannot be heard yet"):
        PerformanceModel.of("violin")
    film = tmp_path / "keypoints.npz"
    film.write_bytes(b"not even looked at")
    with pytest.raises(OptionError, match="the violin cannot be heard yet"):
        perform(film, "violin")


def test_a_real_pianist_is_heard_better_than_chance(data_dir):
    clips = {clip.name: clip for clip in read_clips(data_dir)}
    clip = clips["TestSet_V10"]
    made = perform(clip.path)
    own = note_figures(clip.notes, made.played)
    other = note_figures(clips["TestSet_V7"].notes, made.played)
    assert own["class_f"] > 0.25
    assert own["class_f"] > 2 * other["class_f"]
    assert made.keyboard is not None
    assert made.keyboard.octave_known
