"""How takes of drums sound to metrics, and the classifier of drum genres."""

import importlib.resources
import json
from dataclasses import replace

import numpy as np
import pytest

from kinebeat.beats.grid import BeatGrid
from kinebeat.drums.data import Performance
from kinebeat.drums.track import DrumTrack
from kinebeat.evaluation import drum_audio
from kinebeat.evaluation.drum_audio import FRAMES, MELS, RATE_HZ, SECONDS, Kit, Take
from kinebeat.evaluation.genre import data
from kinebeat.evaluation.genre.model import GenreNet
from kinebeat.score import score_from_drums
from kinebeat.synth import render


@pytest.fixture(scope="module")
def kit():
    return Kit()


def performance(style="rock/groove1", tempo_bpm=120.0, bars=6, seed=0, split="train"):
    rng = np.random.default_rng(seed)
    hits = rng.random((16 * bars, 9)) < np.array([0.2, 0.15, 0.4, 0.05, 0, 0, 0, 0.02, 0.1])
    velocities = (hits * rng.integers(4, 33, hits.shape) / 32).astype(np.float32)
    offsets = (hits * rng.uniform(-0.2, 0.2, hits.shape)).astype(np.float32)
    return Performance(f"{style}{seed}", "one", style, "beat", split, tempo_bpm, hits, velocities, offsets)


def test_a_take_is_four_seconds_from_a_bar_on():
    played = performance(tempo_bpm=120.0)
    take = drum_audio.groove_take(played, 2)
    assert (np.diff(take.time_s) >= 0).all()
    assert 0 <= take.time_s.min() < take.time_s.max() < SECONDS
    step, drum = np.nonzero(played.hits[32:64])
    inside = (step + played.offsets[32:64][step, drum] >= 0) & (step + played.offsets[32:64][step, drum] < 32)
    assert abs(len(take.time_s) - inside.sum()) <= 2
    faster = drum_audio.groove_take(played, 2, 240.0)
    assert len(faster.time_s) > 1.5 * len(take.time_s)
    # 120 BPM: two bars are four seconds
    assert len(drum_audio.places_in([played])) == 5
    assert len(drum_audio.places_in([replace(played, tempo_bpm=121.0)])) == 4


def test_added_strokes_are_what_the_synth_plays(kit):
    from scipy.signal import resample_poly

    played = performance(seed=3)
    grid = BeatGrid(np.arange(25) * 0.5)
    score = score_from_drums(DrumTrack(grid, played.hits, played.velocities, played.offsets), SECONDS)
    font = str(importlib.resources.files("pretty_midi") / "TimGM6mb.sf2")
    whole = resample_poly(render(score, font).mean(1), 1, 3).astype(np.float32)
    added = kit.sound(drum_audio.groove_take(played, 0))
    assert added.shape == whole.shape == (int(SECONDS * RATE_HZ),)
    assert np.corrcoef(added, whole)[0, 1] > 0.95
    assert np.abs(drum_audio.log_mel(added) - drum_audio.log_mel(whole)).mean() < 0.01


def test_a_closing_hi_hat_ends_an_open_one(kit):
    open_hat = Take(np.array([0.5]), np.array([3]), np.array([1.0]))
    closed = Take(np.array([0.5, 0.8]), np.array([3, 2]), np.array([1.0, 0.05]))
    late = slice(int(1.0 * RATE_HZ), int(1.2 * RATE_HZ))
    assert np.abs(kit.sound(open_hat)[late]).max() > 10 * np.abs(kit.sound(closed)[late]).max()
    soon = slice(int(0.8 * RATE_HZ), int(0.82 * RATE_HZ))
    assert np.abs(kit.sound(closed)[soon]).max() > 0.01


def test_a_spectrogram_shows_when_and_how_high():
    time_s = np.arange(int(SECONDS * RATE_HZ)) / RATE_HZ
    sine = np.where((time_s > 1) & (time_s < 2), np.sin(2 * np.pi * 1000 * time_s), 0).astype(np.float32)
    shown = drum_audio.log_mel(sine)
    assert shown.shape == (MELS, FRAMES)
    assert shown[:, 30:45].mean(1).argmax() == pytest.approx(15, abs=2)
    assert shown.max() == pytest.approx(1.0, abs=0.1)
    assert shown[:, :23].max() == shown[:, 53:].max() == 0
    assert drum_audio.log_mel(np.zeros_like(sine)).max() == 0


def test_louder_strokes_are_louder_and_silence_is_silent(kit):
    energy = [(kit.sound(Take(np.zeros(1), np.array([1]), np.array([v]))) ** 2).sum() for v in (0.2, 0.5, 1.0)]
    assert energy[0] < energy[1] < energy[2]
    nothing = drum_audio.take_of(np.zeros(0), np.zeros(0, np.int64), np.zeros(0))
    assert kit.spectrogram(nothing).max() == 0


def test_takes_have_their_genres():
    takes = [performance("funk/groove1", seed=1), performance("polka", seed=2), performance("rock", seed=3)]
    found, genre = data.labelled_takes(takes, 100, 0)
    assert found.shape == (10, MELS, FRAMES)
    assert sorted(set(genre)) == sorted({data.GENRES.index("funk"), data.GENRES.index("rock")})
    assert len(data.labelled_takes(takes, 3, 0)[1]) == 3
    assert [data.genre_of(p) for p in takes] == [3, -1, 0]
    assert len(data.GENRES) == 12


def test_the_shipped_classifier_looks_at_each_take_alone(kit):
    net = GenreNet()
    rng = np.random.default_rng(0)
    shown = np.stack([kit.spectrogram(drum_audio.groove_take(performance(seed=i), 0)) for i in range(3)])
    features, logits = net.look(shown)
    assert features.shape == (3, 64)
    assert logits.shape == (3, len(net.genres)) == (3, 12)
    assert np.abs(net.look(shown[1:2])[0] - features[1]).max() < 1e-4
    many = net.look(rng.random((70, MELS, FRAMES)))[0]
    assert many.shape == (70, 64)


@pytest.mark.train
def test_the_classifier_learns_and_is_shipped(tmp_path, monkeypatch):
    torch = pytest.importorskip("torch", reason="the [train] extra is not installed")
    from kinebeat.evaluation.genre import export, train
    from kinebeat.evaluation.genre.network import GenreCNN
    from kinebeat.training import Session

    def files(*_, **__):
        """Rock is kick and snare, jazz is the ride."""
        found = []
        for i, split in enumerate(["train"] * 4 + ["validation"] * 2 + ["test"] * 2):
            hits = np.zeros((128, 9), bool)
            hits[:: 2 + i % 3, [0, 1] if i % 2 else [8]] = True
            style = "rock/1" if i % 2 else "jazz"
            played = (0.7 * hits).astype(np.float32)
            found.append(Performance(f"{i}", "one", style, "beat", split, 110.0, hits, played, 0 * played))
        return tuple(found)

    monkeypatch.setattr(train, "read_groove", files)
    monkeypatch.setattr(export, "read_groove", files)
    recipe = train.Recipe(
        steps=100, batch=8, validate_every=50, warmup_steps=1, rate=5e-3, net={"channels": (4, 4, 8, 8)}
    )
    figures = train.train(tmp_path, Session(tmp_path / "run", device="cpu"), recipe=recipe)
    assert figures["balanced_accuracy"] > 0.9
    export.export(tmp_path / "run", tmp_path, folder=tmp_path)
    entry = json.loads((tmp_path / "registry.json").read_text())["drum-genres"]
    assert entry["scores"][0]["accuracy"] > 0.9
    card = (tmp_path / "drum-genres.md").read_text()
    assert all(said in card for said in (entry["recipe"], entry["data"], *entry["sha256"].values()))
    net = GenreCNN(3, channels=(4, 4, 8, 8)).eval()
    shown = torch.rand(5, MELS, FRAMES)
    with torch.no_grad():
        features, logits = net.look(shown)
    model = GenreNet(export.genre_parts(net, ("a", "b", "c")))
    found = model.look(shown.numpy())
    assert np.abs(found[0] - features.numpy()).max() < 5e-3
    assert np.abs(found[1] - logits.numpy()).max() < 5e-3
    assert model.genres == ("a", "b", "c")
