"""Training on drawn keyboards: the network learns to see keys go down, and plays the same when it is exported."""

from __future__ import annotations

import json
from functools import partial

import numpy as np
import pytest

from kinebeat.errors import InputError
from kinebeat.evaluation.note_metrics import note_figures
from kinebeat.performance.pressing.corpus import Film, read_films, write_film
from kinebeat.performance.pressing.model import PressModel, parts_of
from pressed_keys import part, played

pytest.importorskip("torch")

from kinebeat.performance.pressing import export as exporting
from kinebeat.performance.pressing import train as training
from kinebeat.performance.pressing.batches import Drawing
from kinebeat.performance.pressing.network import PressConfig
from kinebeat.training import Session
from kinebeat.weights import load

CONFIG = PressConfig(widths=(6, 8, 8, 16), width=16, layers=2, dropout=0.0)
RECIPE = training.Recipe(
    steps=60, rate=1e-2, warmup_steps=5, average=0.9, validate_every=30, drawing=Drawing(batch=4, frames=24, part_u=14)
)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("films")
    for split, seeds in (("train", (1, 2)), ("validation", (3,))):
        (folder / split).mkdir()
        for seed in seeds:
            notes = part(8.0, seed, per_s=4.0)
            write_film(folder / split / f"{seed}.npz", Film(played(notes, 8.0, seed), notes, str(seed)))
    return folder


@pytest.fixture(scope="module")
def run(corpus, tmp_path_factory):
    out = tmp_path_factory.mktemp("run")
    training.train(corpus, Session(out), recipe=RECIPE, config=CONFIG)
    return out


@pytest.fixture(scope="module")
def model(run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    name = exporting.export(run, folder=folder)
    return PressModel(load(name, folder))


@pytest.fixture(scope="module")
def unseen(corpus):
    (film,) = read_films(corpus / "validation")
    return film


def test_it_learns(run):
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    assert lines[-1]["train_loss"] < 0.7 * lines[0]["train_loss"]
    assert lines[-1]["note_f"] > 0.6


def test_exported_it_plays_the_same(run, model, unseen):
    net, _ = training.load_best(run)
    heard = np.concatenate(list(model.hear(iter(unseen.pictures))))
    assert heard.shape == (len(unseen.pictures), 88, 2)
    assert np.abs(heard - training.hear(net, unseen)).max() < 0.02
    notes = model.play(iter(unseen.pictures))
    assert note_figures(unseen.notes, notes)["pitch_f"] > 0.6
    others = part(unseen.duration_s, 77, per_s=4.0)
    assert note_figures(others, notes)["pitch_f"] < 0.3


def test_parts_of_a_long_film_are_heard_as_the_whole(model, unseen, monkeypatch):
    whole = np.concatenate(list(model.hear(iter(unseen.pictures))))
    short = partial(parts_of, part_s=3.0, beside_s=1.0)
    monkeypatch.setattr("kinebeat.performance.pressing.model.parts_of", short)
    parts = np.concatenate(list(model.hear(iter(unseen.pictures))))
    assert parts.shape == whole.shape
    assert np.abs(parts - whole).mean() < 0.02


def test_nobody_plays_nothing(model, unseen):
    assert len(model.play(iter([]))) == 0
    assert len(model.play(iter(unseen.pictures[:1]))) == 0
    black = np.zeros_like(unseen.pictures[:50])
    assert len(model.play(iter(black))) == 0


def test_notes_at_a_wrong_time_are_moved_by_what_it_sees(run, unseen):
    net, _ = training.load_best(run)
    late = Film(unseen.pictures, unseen.notes.later(0.15), "late")
    moved = training.on_time(net, late).notes.onset_s - unseen.notes.onset_s
    assert np.abs(moved).max() < 0.06


def test_it_goes_on_and_tells_what_it_began_with(corpus, run, tmp_path):
    recipe = training.Recipe(steps=2, rate=1e-4, validate_every=2, drawing=RECIPE.drawing)
    training.train(corpus, Session(tmp_path), recipe=recipe, config=CONFIG, start=run, clock=run)
    _, kept = training.load_best(tmp_path)
    assert kept["note_f"] > 0.5
    assert f"--start runs/{run.name} --clock runs/{run.name}" in exporting.command(kept)


def test_the_card_says_what_it_is(run, tmp_path):
    name = exporting.export(run, threshold=0.4, folder=tmp_path)
    card = (tmp_path / f"{name}.md").read_text(encoding="utf-8")
    for told in ("AI-Pianist", "threshold 0.4", "no licence stated", "best at step", "(real)"):
        assert told in card


def test_without_films_there_is_no_training(tmp_path):
    with pytest.raises(InputError, match="there is no such folder"):
        training.main(["--films", str(tmp_path / "none"), "--out", str(tmp_path / "run")])
