import hashlib
import os
import subprocess
import sys
from dataclasses import replace

import pytest

from kinebeat import weights
from kinebeat.errors import InputError


@pytest.mark.parametrize("name", sorted(weights.registry()))
def test_every_weight_is_the_one_registered_and_has_its_card(name):
    weight = weights.registry()[name]
    card = weight.card.read_text(encoding="utf-8")
    assert weight.files
    for part, sha256 in weight.sha256.items():
        assert hashlib.sha256(weight.file(part).read_bytes()).hexdigest() == sha256
    for said in (*weight.sha256.values(), weight.licence, weight.data, weight.recipe, weight.date):
        assert said
        assert said in card
    assert weight.scores
    assert weights.load(name)


def test_no_weight_lies_about_unregistered():
    files = {path for path in weights.FOLDER.iterdir() if path.suffix in (".onnx", ".npz", ".safetensors")}
    assert files == {file for weight in weights.registry().values() for file in weight.files}


def megabytes(names):
    return sum(file.stat().st_size for name in names for file in weights.registry()[name].files) / 1e6


def test_the_drums_weigh_less_than_ten_megabytes():
    assert 1 < megabytes(name for name in weights.registry() if name.startswith("drums")) < 10


def test_the_network_that_hears_the_beat_weighs_less_than_three_megabytes():
    assert 0.1 < megabytes(["beats"]) < 3


def test_the_total_is_that_of_all_files():
    lying = sum(path.stat().st_size for path in weights.FOLDER.glob("*.onnx"))
    assert weights.total_bytes() == lying == round(1e6 * megabytes(weights.registry()))


def test_every_model_has_a_card_and_every_card_a_model():
    cards = {path.stem for path in weights.FOLDER.glob("*.md")} - {"README"}
    assert cards == set(weights.registry())


def test_a_damaged_weight_is_refused(tmp_path, monkeypatch):
    (tmp_path / "some.net.onnx").write_bytes(b"not what was shipped")
    weight = replace(next(iter(weights.registry().values())), name="some", sha256={"net": "0" * 64}, folder=tmp_path)
    monkeypatch.setattr(weights, "registry", lambda _folder: {"some": weight})
    with pytest.raises(InputError, match="sha256"):
        weights.load("some", tmp_path)
    (tmp_path / "some.net.onnx").unlink()
    with pytest.raises(InputError, match="cannot be read"):
        weights.load("some", tmp_path)


def test_a_model_that_is_not_there_says_so():
    with pytest.raises(InputError, match=r"registry\.json.*'trumpet'"):
        weights.load("trumpet")


def test_a_folder_without_models_says_so(tmp_path):
    with pytest.raises(InputError, match=r"registry\.json.*no models"):
        weights.registry(tmp_path)


def test_nobody_is_told_that_a_model_is_run(tmp_path):
    code = (
        "from kinebeat.weights import load\n"
        "from kinebeat.weights.sessions import open_session\n"
        "open_session(load('drums-performance')['net0'])\n"
    )
    places = {name: str(tmp_path) for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME")}
    # What runs tests in public turns it off, too.
    known = {name: value for name, value in os.environ.items() if name not in ("CI", "ORT_DISABLE_TELEMETRY")}
    subprocess.run([sys.executable, "-c", code], env=known | places, check=True)
    assert list(tmp_path.rglob("*")) == []
