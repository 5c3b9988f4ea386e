"""The live drummers and MuStyleNet in torch: they learn, and what is exported is what was trained."""

import json
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the [train] extra is not installed")
pytest.importorskip("onnx", reason="the [train] extra is not installed")

from kinebeat.drums.data import Performance, vocabulary_of  # noqa: E402
from kinebeat.errors import InputError, OptionError  # noqa: E402
from kinebeat.live.drumming import train as drum_training  # noqa: E402
from kinebeat.live.drumming.export import drumgen_parts, mono_parts  # noqa: E402
from kinebeat.live.drumming.export import export as export_drums  # noqa: E402
from kinebeat.live.drumming.model import DrumGenNet, MonoNet  # noqa: E402
from kinebeat.live.drumming.network import DrumGenTransformer, MonoGRU, draw_word  # noqa: E402
from kinebeat.live.style import pairs as pairing  # noqa: E402
from kinebeat.live.style import train as style_training  # noqa: E402
from kinebeat.live.style.export import export as export_style  # noqa: E402
from kinebeat.live.style.export import style_parts  # noqa: E402
from kinebeat.live.style.model import MuStyleNet  # noqa: E402
from kinebeat.live.style.network import Adversaries, MuStyleGRU  # noqa: E402
from kinebeat.training import Session  # noqa: E402

pytestmark = pytest.mark.train


@pytest.fixture(scope="module")
def vocabulary():
    return vocabulary_of([np.random.default_rng(0).random((60, 9)) < 0.3])


@pytest.fixture(scope="module")
def windows(vocabulary):
    rng = np.random.default_rng(1)
    style = torch.as_tensor(rng.random((6, 16)), dtype=torch.float32)
    words = torch.as_tensor(rng.integers(len(vocabulary), size=(6, 16)))
    return style, torch.arange(6) % 5 - 1, words


def test_playing_in_one_graph_is_drawing_from_the_forward_pass(vocabulary, windows):
    torch.manual_seed(0)
    net = DrumGenTransformer(vocabulary.matrix, width=32).eval()
    torch.nn.init.normal_(net.word.weight, std=1.0)
    style, beat, words = windows
    uniforms, temperature = torch.rand(6, 4), torch.tensor(0.8)
    with torch.no_grad():
        played = net.play(style, words[:, :12], beat, uniforms, temperature)
        for step in range(4):
            known = torch.cat([words[:, :12], played[:, :step], words[:, 12 + step :]], 1)
            logits = net(style, beat, known)[:, 12 + step]
            assert torch.equal(draw_word(logits, uniforms[:, step], temperature), played[:, step])
    model = DrumGenNet(drumgen_parts(net, vocabulary))
    hits = vocabulary.decode(words[:, :12].numpy())
    found = model.play_many(style.numpy(), hits, beat.numpy(), uniforms.numpy(), 0.8)
    # weights are stored in half precision: hardly a draw falls the other way
    assert (vocabulary.encode(found) != played.numpy()).mean() < 0.1


def test_a_later_word_never_changes_an_earlier_output(vocabulary, windows):
    net = DrumGenTransformer(vocabulary.matrix, width=32).eval()
    style, beat, words = windows
    changed = words.clone()
    changed[:, 13] = (changed[:, 13] + 1) % len(vocabulary)
    with torch.no_grad():
        difference = (net(style, beat, words) - net(style, beat, changed)).abs().amax((0, 2))
    assert difference[:14].max() < 1e-5
    assert difference[14] > 1e-5


def test_draws_come_as_often_as_they_should():
    logits = torch.tensor([[0.0, 2.0, 1.0]]).expand(3000, 3)
    drawn = draw_word(logits, torch.linspace(0, 1 - 1e-6, 3000), torch.tensor(1.0))
    share = torch.bincount(drawn, minlength=3) / 3000
    assert torch.allclose(share, logits[0].softmax(0), atol=2e-3)
    assert draw_word(logits[:1], torch.tensor([1.0]), torch.tensor(1.0)).item() == 2


def test_the_mono_drummer_steps_like_its_forward_pass():
    torch.manual_seed(0)
    net = MonoGRU(width=16).eval()
    model, state = MonoNet(mono_parts(net)), None
    state = model.begin()
    uniforms = np.random.default_rng(0).random(30)
    played = []
    for uniform in uniforms:
        drum, state = model.step(state, uniform)
        played.append(drum)
    with torch.no_grad():
        logits = net(torch.as_tensor(played)[None])[0]
    again = draw_word(logits, torch.as_tensor(uniforms, dtype=torch.float32), torch.tensor(1.0))
    assert (again.numpy() == played).mean() > 0.95


def test_mustylenet_streams_as_it_runs_offline_and_never_looks_ahead():
    torch.manual_seed(0)
    net = MuStyleGRU(width=16).eval()
    model = MuStyleNet(style_parts(net))
    offsets = np.random.default_rng(0).random(200).astype(np.float32)
    with torch.no_grad():
        whole = net(torch.as_tensor(offsets)[None])[0][0].numpy()
    state, stream = model.begin(), []
    for offset in offsets[:150]:
        envelope, after = model.step(offset, state)
        assert model.step(offset, state)[0] == envelope
        stream.append(envelope)
        state = after
    assert np.abs(np.array(stream) - whole[:150]).max() < 1e-3
    ahead = model.forecast(offsets[150:], state)
    assert np.abs(ahead - whole[150:]).max() < 1e-3
    assert np.array_equal(ahead, model.forecast(offsets[150:], state))
    assert np.abs(model.forecast(offsets[150:160], state) - ahead[:10]).max() < 1e-6
    assert len(model.forecast(np.zeros(0), state)) == 0
    assert whole.min() >= 0


def test_the_critic_is_told_apart_what_the_generator_is_turned_round_on():
    torch.manual_seed(0)
    both = Adversaries(width=8)
    offsets, envelope, mixes = torch.rand(4, 60), torch.rand(4, 60), torch.rand(4)
    gradients = []
    for weight in (1.0, 2.0):
        both.zero_grad()
        found = both.losses(offsets, envelope, mixes, adversarial=weight, penalty=1.0)
        (found["loss"] - found["mse"]).backward()
        gradients.append((both.generator.out.weight.grad.clone(), both.critic.last.weight.grad.clone()))
    assert torch.allclose(2 * gradients[0][0], gradients[1][0], rtol=1e-4)  # the generator hears more of the critic
    assert torch.allclose(gradients[0][1], gradients[1][1])  # which itself learns the same
    # A step against the gradient makes the critic think more of what is made.
    before = both.critic(both.generator(offsets)[0]).mean()
    with torch.no_grad():
        both.generator.out.weight -= 0.05 * gradients[0][0] / gradients[0][0].norm()
    assert both.critic(both.generator(offsets)[0]).mean() > before
    plain = both.losses(offsets, envelope, mixes, adversarial=0.0, penalty=1.0)
    assert plain["loss"] is plain["mse"]


def performances():
    hits = np.zeros((128, 9), bool)
    hits[::8, 0] = hits[4::8, 1] = hits[::2, 2] = True
    velocities = hits * np.array([0.9, 0.8, 0.4] + [0] * 6, np.float32)
    splits = ["train"] * 4 + ["validation"] * 2
    return tuple(
        Performance(f"{i}", "one", "rock", "beat", split, 120.0, hits, velocities, np.zeros_like(velocities))
        for i, split in enumerate(splits)
    )


def test_the_drummers_learn_a_plain_groove_and_are_shipped(tmp_path, monkeypatch):
    monkeypatch.setattr(drum_training, "read_groove", lambda *_, **__: performances())
    small = {"drumgen": {"width": 16}, "mono": {"width": 16}}
    for model, steps in (("drumgen", 60), ("mono", 40)):
        recipe = replace(
            drum_training.RECIPES[model],
            steps=steps,
            batch=8,
            validate_every=20,
            warmup_steps=1,
            rate=0.01,
            net=small[model],
        )
        figures = drum_training.train(tmp_path, model, Session(tmp_path / model, device="cpu"), recipe=recipe)
        log = [json.loads(line) for line in (tmp_path / model / "log.jsonl").read_text().splitlines()]
        assert log[-1]["nats"] < log[0]["nats"]
        assert figures["nats"] < figures["unigram"]
        name = export_drums(tmp_path / model, performances(), folder=tmp_path)
        entry = json.loads((tmp_path / "registry.json").read_text())[name]
        card = (tmp_path / f"{name}.md").read_text()
        assert all(said in card for said in (entry["recipe"], entry["licence"], *entry["sha256"].values()))
        assert entry["scores"][0]["nats"] == pytest.approx(figures["nats"], abs=1e-3)
    with pytest.raises(OptionError, match="no model"):
        drum_training.train(tmp_path, "trumpet", Session(tmp_path))


def test_mustylenet_learns_to_strike_where_movement_stops_and_is_shipped(tmp_path):
    beats = np.arange(0.2, 20, 0.5)
    offsets = pairing.splat(beats[None] * 30, np.ones((1, len(beats)), np.float32), 600)[0]
    for split, count in (("train", 60), ("validation", 20)):
        made = pairing.make_pairs([pairing.Curve(offsets, beats)], [performances()[0]], count, 0)
        pairing.save_pairs(made, tmp_path / "pairs" / f"{split}.npz")
    recipe = style_training.Recipe(steps=60, batch=8, validate_every=20, warmup_steps=1, rate=0.02, net={"width": 16})
    figures = style_training.train(tmp_path / "pairs", Session(tmp_path / "run", device="cpu"), recipe=recipe)
    assert figures["correlation"] > 0.5
    assert figures["onset_f"] > 0.8
    assert figures["heard_correlation"] == pytest.approx(figures["correlation"])  # nobody listened to these
    begun = style_training.train(
        tmp_path / "pairs",
        Session(tmp_path / "more", device="cpu"),
        recipe=replace(recipe, steps=1, rate=1e-6, validate_every=1),
        start=tmp_path / "run",
    )
    assert begun["correlation"] == pytest.approx(figures["correlation"], abs=0.05)
    table = tmp_path / "table.json"
    table.write_text(json.dumps({"rows": [{"name": "the curve itself", "correlation": 0.4}]}))
    export_style(tmp_path / "run", table=table, folder=tmp_path)
    entry = json.loads((tmp_path / "registry.json").read_text())["live-style"]
    card = (tmp_path / "live-style.md").read_text()
    assert all(said in card for said in (entry["recipe"], entry["data"], "the curve itself", *entry["sha256"].values()))
    with pytest.raises(InputError, match="pairs"):
        style_training.train(tmp_path / "none", Session(tmp_path / "other", device="cpu"), recipe=recipe)


def test_forecasts_are_rougher_towards_the_end():
    offsets = np.tile(np.clip(np.sin(np.arange(180) / 3), 0, 1), (300, 1)).astype(np.float32)
    rough = style_training.like_forecasts(offsets, np.random.default_rng(0))
    assert rough.shape == offsets.shape
    assert 0 <= rough.min() <= rough.max() <= 1
    error = ((rough - offsets) ** 2).mean(0)
    assert error[-9:].mean() > 1.5 * error[:120].mean()
