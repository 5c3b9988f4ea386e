import json
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the [train] extra is not installed")
pytest.importorskip("onnx", reason="the [train] extra is not installed")

from kinebeat.drums import train as training  # noqa: E402
from kinebeat.drums.data import Performance, vocabulary_of  # noqa: E402
from kinebeat.drums.export import groovae_parts, hits_parts, unet_parts  # noqa: E402
from kinebeat.drums.models import GrooVAEModel, HitsModel, PerformanceModel  # noqa: E402
from kinebeat.drums.network import GrooVAE, HitsTransformer, PerformanceUNet  # noqa: E402
from kinebeat.drums.rhythms import FEATURES  # noqa: E402
from kinebeat.errors import InputError, OptionError  # noqa: E402
from kinebeat.training import Session  # noqa: E402

pytestmark = pytest.mark.train
STEPS, BATCH = 32, 3


@pytest.fixture(scope="module")
def vocabulary():
    return vocabulary_of([np.random.default_rng(0).random((40, 9)) < 0.3])


@pytest.fixture(scope="module")
def given(vocabulary):
    rng = np.random.default_rng(1)
    features = rng.normal(size=(BATCH, STEPS, len(FEATURES))).astype(np.float32)
    bar = np.tile(np.arange(STEPS) // 16, (BATCH, 1))
    return features, bar, rng.integers(len(vocabulary), size=(BATCH, STEPS))


def stepped(model, features, bar, words, chunks):
    """The outputs when the words come in chunks of these lengths."""
    before = np.concatenate([np.full((len(words), 1), model.start), words[:, :-1]], 1)
    state, outs, at = model.begin(features, bar), [], 0
    for length in chunks:
        out, state = model.step(before[:, at : at + length], state)
        outs.append(out)
        at += length
    return np.concatenate(outs, 1)


@pytest.mark.parametrize("words", [True, False])
def test_stepping_with_kept_keys_is_the_whole_forward_pass(vocabulary, given, words):
    torch.manual_seed(0)
    net = HitsTransformer(vocabulary.matrix, steps=STEPS, width=32, words=words, performance=True).eval()
    with torch.no_grad():
        whole = net(*map(torch.as_tensor, given)).numpy()
    model = HitsModel(hits_parts(net, vocabulary, len(FEATURES)))
    for chunks in ([STEPS], [1] * STEPS, [20, 1, 1, 10]):
        # weights are stored in half precision, so the export is near, and the ways of stepping are equal
        assert np.abs(stepped(model, *given, chunks) - whole).max() < 5e-3
    one, other = (stepped(model, *given, chunks) for chunks in ([STEPS], [1] * STEPS))
    assert np.abs(one - other).max() < 1e-4


def test_a_later_word_never_changes_an_earlier_output(vocabulary, given):
    net = HitsTransformer(vocabulary.matrix, steps=STEPS, width=32).eval()
    features, bar, words = map(torch.as_tensor, given)
    changed = words.clone()
    changed[:, 20] = (changed[:, 20] + 1) % len(vocabulary)
    with torch.no_grad():
        difference = (net(features, bar, words) - net(features, bar, changed)).abs().amax((0, 2))
    assert difference[:21].max() < 1e-5
    assert difference[21] > 1e-5


@pytest.mark.parametrize("extras", [0, 1])
def test_the_exported_unet_is_the_trained_one_at_any_length(extras):
    torch.manual_seed(0)
    net = PerformanceUNet(extras=extras).eval()
    model = PerformanceModel(unet_parts(net, bars=2))
    for steps in (32, 128):
        hits = np.random.default_rng(0).random((2, steps, 9)) < 0.2
        inputs = torch.cat([torch.as_tensor(hits).float(), torch.zeros(2, steps, extras)], -1)
        with torch.no_grad():
            expected = net(inputs).numpy()
        assert np.abs(np.concatenate(model(hits, np.full(2, 110.0)), -1) - expected).max() < 5e-3


def test_groovae_steps_like_its_forward_pass():
    torch.manual_seed(0)
    net = GrooVAE(width=16, latent=8).eval()
    rng = np.random.default_rng(0)
    features = rng.normal(size=(BATCH, STEPS, len(FEATURES))).astype(np.float32)
    played = rng.random((BATCH, STEPS, 27)).astype(np.float32)
    with torch.no_grad():
        expected = net(torch.as_tensor(features), torch.as_tensor(played))[0].numpy()
    model = GrooVAEModel(groovae_parts(net, STEPS, len(FEATURES)))
    latent, _ = model.posterior(features)
    state, before, outs = model.begin(latent), np.zeros((BATCH, 27), np.float32), []
    for step in range(STEPS):
        out, state = model.step(latent, before, state)
        outs.append(out)
        before = played[:, step]
    assert np.abs(np.stack(outs, 1) - expected).max() < 5e-3


def performances():
    """Eight files of one groove: kick on one and three, snare on two and four, hi-hat on quavers."""
    hits = np.zeros((128, 9), bool)
    hits[::8, 0] = hits[4::8, 1] = hits[::2, 2] = True
    splits = ["train"] * 6 + ["validation"] * 2
    return tuple(
        Performance(
            f"{i}.mid",
            "one",
            "rock",
            "beat",
            split,
            100.0,
            hits,
            0.8 * hits.astype(np.float32),
            0.1 * hits.astype(np.float32),
        )
        for i, split in enumerate(splits)
    )


SMALL = {
    "hits": {"width": 16, "layers": 1},
    "multi": {"width": 16, "layers": 1, "steps": 32, "words": False, "performance": True},
    "multi-hits": {"width": 16, "layers": 1, "steps": 32, "performance": True},
    "groovae": {"width": 16, "latent": 8},
    "unet": {"extras": 1, "channels": (4, 8)},
    "unet-paper": {"channels": (4, 8)},
}


@pytest.mark.parametrize("model", sorted(training.RECIPES))
def test_every_recipe_learns_a_plain_groove(tmp_path, monkeypatch, model):
    monkeypatch.setattr(training, "read_groove", lambda *_, **__: performances())
    recipe = replace(
        training.RECIPES[model], steps=30, batch=4, validate_every=10, warmup_steps=1, rate=0.01, net=SMALL[model]
    )
    training.train(tmp_path, model, Session(tmp_path / model, device="cpu"), recipe=recipe)
    log = [json.loads(line) for line in (tmp_path / model / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in log] == [10, 20, 30]
    assert log[-1]["loss"] < log[0]["loss"]


def test_a_resumed_training_ends_as_if_never_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "read_groove", lambda *_, **__: performances())
    recipe = replace(training.RECIPES["unet-paper"], steps=8, batch=2, validate_every=4, net=SMALL["unet-paper"])
    whole = training.train(tmp_path, "unet-paper", Session(tmp_path / "whole", device="cpu"), recipe=recipe)

    calls = []

    def stop_after_four(*arguments):
        calls.append(1)
        if len(calls) > 4:
            raise KeyboardInterrupt
        return draw(*arguments)

    draw = training.draw
    monkeypatch.setattr(training, "draw", stop_after_four)
    monkeypatch.setattr("kinebeat.training.CHECKPOINT_EVERY_S", -1.0)
    session = Session(tmp_path / "parts", device="cpu")
    with pytest.raises(KeyboardInterrupt):
        training.train(tmp_path, "unet-paper", session, recipe=recipe)
    monkeypatch.setattr(training, "draw", draw)
    parts = training.train(tmp_path, "unet-paper", replace(session, resume=True), recipe=recipe)
    assert parts["loss"] == pytest.approx(whole["loss"], rel=1e-6)


def test_what_cannot_be_trained_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "read_groove", lambda *_, **__: performances())
    with pytest.raises(OptionError, match="no model"):
        training.train(tmp_path, "trumpet", Session(tmp_path))
    with pytest.raises(InputError, match="checkpoint"):
        training.train(tmp_path, "unet-paper", Session(tmp_path / "none", resume=True, device="cpu"))
