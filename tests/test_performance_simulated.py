"""The figures of instruments without films, by players and models whose answers are known."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from command_line import run
from kinebeat.errors import InputError
from kinebeat.evaluation import performance_simulated as simulated
from kinebeat.performance.batches import whole
from kinebeat.performance.events import WORDS
from kinebeat.performance.notes import Notes
from kinebeat.performance.truth.build import simulated_pieces


@pytest.fixture(scope="module")
def flutists():
    return list(simulated_pieces(["flute"], 3, 77))


class Knowing:
    """Hears what was played, as it knows the pieces by how long they are."""

    def __init__(self, pieces):
        self.notes = {len(piece.joints): piece.notes for piece in pieces}

    def hear(self, features, _instrument):
        return self.notes[len(features)]


class Uniform:
    """A model to which every word is as likely as any."""

    def look(self, features, instrument):
        return len(features), instrument

    def begin(self, hypotheses):
        return np.zeros((2, hypotheses, 1, 0, 1), np.float32)

    def say(self, words, _seconds, _seen, past):
        return np.zeros((len(words), WORDS), np.float32), past


def test_who_knows_is_right_and_right_about_nobody_else(flutists):
    silent = SimpleNamespace(hear=lambda *_: Notes.none())
    methods = {"Kinebeat": Knowing(flutists), "silence": silent}
    rows = {row["name"]: row for row in simulated.score_players(flutists, flutists, methods)}
    blind = {"Kinebeat, of another player", "what is usual, drawn blindly"}
    assert set(rows) == {"Kinebeat", "silence", simulated.FINGERS, *blind}
    assert all((row["set"], row["truth"], row["players"]) == ("flute", "simulated", 3) for row in rows.values())
    own = rows["Kinebeat"]
    assert [own[f"{what}_f"] for what in ("onset", "pitch", "class")] == [1.0] * 3
    assert (own["class_f_se"], own["density_ratio"]) == (0.0, 1.0)
    assert own["notes"] == sum(len(piece.notes) for piece in flutists)
    assert rows["silence"]["onset_f"] == rows["silence"]["density_ratio"] == 0.0
    for name in blind:
        assert rows[name]["pitch_f"] < 0.15
        assert rows[name]["pitch_f"] <= rows[name]["class_f"] <= rows[name]["onset_f"] < 0.8
    # The two lower octaves of a flute are fingered alike.
    told = rows[simulated.FINGERS]
    assert told["onset_f"] == 1.0
    assert 0.3 < told["pitch_f"] < 0.9 < told["class_f"]


def test_each_word_costs_what_it_is_likely(flutists):
    rows = simulated.score_words({"flute": flutists[:1]}, {"full": Uniform()})
    assert rows[0]["name"] == "full"
    assert rows[0]["flute"] == pytest.approx(np.log(WORDS))
    assert {row["truth"] for row in rows[1:]} == {"quoted"}
    (clip, *_) = whole(flutists[:1], 1)
    assert len(simulated.word_costs(Uniform(), clip, "flute")) == (clip.target >= 0).sum()


def test_models_that_are_not_there_are_named(tmp_path):
    with pytest.raises(InputError, match=r"registry\.json"):
        simulated.ablated_models(tmp_path)
    (tmp_path / "registry.json").write_text("{}")
    assert simulated.ablated_models(tmp_path) == {}


def test_the_verb_writes_a_table_that_says_simulated(tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("KINEBEAT_DATA", raising=False)
    assert run("evaluate", "performance", "--quiet") == 2
    assert "--simulated" in capsys.readouterr().err
    out = tmp_path / "out.json"
    monkeypatch.setattr(simulated, "USUAL", 1)
    monkeypatch.setattr(simulated.evaluate_simulated, "__kwdefaults__", short(simulated.evaluate_simulated))
    assert run("evaluate", "performance", "--simulated", "--players", 1, "--json", out, "--quiet") == 0
    content = json.loads(out.read_text())
    assert {(row["set"], row["truth"]) for row in content["rows"]} == {("trumpet", "simulated")}
    assert "-- trumpet (simulated)" in capsys.readouterr().out


def short(function):
    return function.__kwdefaults__ | {"instruments": ("trumpet",), "words": False}
