"""The verbs that train: thin, and clear about what they lack."""

import sys

import pytest

from command_line import run

NETWORKS = ["drums", "beats", "accompaniment"]


@pytest.mark.parametrize("stage", NETWORKS)
def test_without_torch_the_extra_is_named(stage, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, f"kinebeat.{stage}.train", raising=False)
    assert run("train", stage, "--data", tmp_path / "corpus", "--out", tmp_path / "run") == 2
    said = capsys.readouterr().err
    assert said.startswith("kinebeat: training needs the extra 'train'")
    assert "pip install 'kinebeat[train]'" in said
    assert not list(tmp_path.iterdir())


def test_a_corpus_is_made_without_torch(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "torch", None)
    assert run("train", "accompaniment-corpus", "--data", tmp_path / "nowhere", "--out", tmp_path / "corpus") == 2
    said = capsys.readouterr().err
    assert "nowhere" in said
    assert "extra" not in said
    assert not list(tmp_path.iterdir())


@pytest.mark.train
def test_a_network_is_not_trained_on_nothing(tmp_path, capsys):
    pytest.importorskip("torch")
    assert run("train", "accompaniment", "--data", tmp_path, "--variant", "full", "--out", tmp_path / "run") == 2
    assert "train.npz" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_bad_words_exit_with_2(capsys):
    for words in (["accompaniment-corpus", "--data", "a", "--out", "b", "--without", "Q"], ["accompaniment-corpus"]):
        assert run("train", *words) == 2
        assert capsys.readouterr().err
