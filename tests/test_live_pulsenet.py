"""PulseNet: its state, what it may know, and that it learns; on made clips whose music is known."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the [train] extra is not installed")
pytest.importorskip("onnx", reason="the [train] extra is not installed")

from kinebeat import weights  # noqa: E402
from kinebeat.beats.batches import Augmentation  # noqa: E402
from kinebeat.live.corpus import LiveCorpus, bump  # noqa: E402
from kinebeat.live.movement import LIVE_FPS, VELOCITY_DELAY_S  # noqa: E402
from kinebeat.live.pulsenet import data, export, model  # noqa: E402
from kinebeat.live.pulsenet import train as training  # noqa: E402
from kinebeat.live.pulsenet.network import NetConfig, PulseNet  # noqa: E402
from kinebeat.live.pulsenet.train import Recipe  # noqa: E402
from kinebeat.training import Session  # noqa: E402

pytestmark = pytest.mark.train
torch.set_num_threads(1)
PLAIN = Augmentation(stretch=1.0, roll_deg=0.0, speed=1.0, squash=1.0, limb=0.0, blank=0.0)


def net_of(seed=0):
    torch.manual_seed(seed)
    return PulseNet(NetConfig(hidden=12)).eval()


def moves(clips=2, ticks=60, seed=0):
    rng = np.random.default_rng(seed)
    velocity = rng.normal(0, 0.5, (clips, ticks, 17, 2)).astype(np.float32)
    return torch.as_tensor(velocity), torch.as_tensor((rng.random((clips, ticks, 17)) < 0.9).astype(np.float32))


def corpus_of(clips, seed, ticks=300):
    """Dances whose body sinks and rises with the music, heard of with the delay of a live velocity; one stands."""
    rng = np.random.default_rng(seed)
    at_s = np.arange(ticks) / LIVE_FPS - VELOCITY_DELAY_S
    velocity, times_s = [], []
    for clip in range(clips):
        beats_s = np.arange(rng.uniform(0.0, 0.5), ticks / LIVE_FPS, rng.uniform(0.45, 0.75))
        phase = np.interp(at_s, beats_s, np.arange(len(beats_s)))
        moved = rng.normal(0, 0.02, (ticks, 17, 2))
        if clip:
            moved[..., 1] += 0.4 * np.sin(2 * np.pi * phase)[:, None]
        velocity.append(moved)
        times_s.append(beats_s if clip else np.zeros(0))
    shape = clips, ticks
    return LiveCorpus(
        directogram=np.zeros((*shape, 18), np.float16),
        offset=np.zeros(shape, np.float32),
        present=np.ones(shape, bool),
        velocity=np.array(velocity, np.float16),
        truth=np.zeros(shape, np.float16),
        beat_time_s=np.zeros(0, np.float32),
        beat_strength=np.zeros(0, np.float32),
        beat_clip=np.zeros(0, np.int32),
        music_time_s=np.concatenate(times_s).astype(np.float32),
        music_clip=np.repeat(np.arange(clips), [len(b) for b in times_s]).astype(np.int32),
        kind=np.array(["idle", *["warped"] * (clips - 1)]),
        content=np.array(["puppet"] * clips),
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    corpus_of(16, 1).save(folder / "train.npz")
    corpus_of(6, 2).save(folder / "validation.npz")
    out = tmp_path_factory.mktemp("run") / "pulsenet"
    recipe = Recipe(
        steps=80, batch=8, ticks=150, rate=1e-2, warmup_steps=5, validate_every=40, average=0.9, augmentation=PLAIN
    )
    figures = training.train(folder, Session(out, device="cpu"), recipe=recipe, config=NetConfig(hidden=16))
    return out, figures


@torch.no_grad()
def test_one_tick_after_the_other_gives_what_the_whole_gives():
    net, (velocity, seen) = net_of(), moves()
    logit, last = net(velocity, seen)
    state = net.begin(2)
    for k in range(velocity.shape[1]):
        one, state = net(velocity[:, k : k + 1], seen[:, k : k + 1], state)
        torch.testing.assert_close(one[:, 0], logit[:, k], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(state, last, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_more_of_the_input_never_changes_earlier_output():
    net, (velocity, seen) = net_of(), moves()
    other = velocity.clone()
    other[:, 40:] = moves(seed=9)[0][:, 40:]
    one, two = net(velocity, seen)[0], net(other, seen)[0]
    torch.testing.assert_close(one[:, :40], two[:, :40], atol=0, rtol=0)
    assert not torch.equal(one[:, 40:], two[:, 40:])


@torch.no_grad()
def test_what_is_not_seen_tells_nothing():
    net, (velocity, seen) = net_of(), moves()
    other = torch.where(seen[..., None] > 0, velocity, torch.full_like(velocity, torch.nan))
    torch.testing.assert_close(net(other, seen)[0], net(velocity, seen)[0], atol=0, rtol=0)


def test_a_crop_has_the_beats_of_its_music_a_tick_ahead():
    made = corpus_of(2, 3)
    crop = data.draw(made, 8, 200, 0, 0, PLAIN)
    whole = data.whole(made)
    np.testing.assert_array_equal(whole.target[1], bump(made.music_s(1), 301)[1:])
    assert whole.target[0].max() == 0
    assert set(np.round(crop.weight, 2)) <= {0.5, 1.0}
    for k in np.flatnonzero(crop.weight == 1.0):
        # The vertical velocity goes through nothing on the beat, upwards to downwards, and is known late.
        beats = np.flatnonzero(crop.target[k] >= 1.0) + 1
        known = beats + round(VELOCITY_DELAY_S * LIVE_FPS)
        down = crop.velocity[k, :, :, 1].mean(-1)
        for tick in known[known < 195]:
            assert abs(down[tick]) < 0.25
            assert down[tick + 4] > 0.2 > -0.1 > down[tick - 4]


def test_who_hurries_within_a_crop_has_beats_that_come_sooner(monkeypatch):
    made = corpus_of(2, 3)
    monkeypatch.setattr(data, "HURRIED_SHARE", 1.0)
    monkeypatch.setattr(data, "CHANGED_SHARE", 0.0)
    crop = data.draw(made, 40, 150, 0, 0, PLAIN)
    ratios = []
    for k in np.flatnonzero(crop.weight == 1.0):
        beats = np.flatnonzero(crop.target[k] >= 1.0)
        gaps = np.diff(beats)
        assert gaps.min() > 0.45 / data.HURRIED * LIVE_FPS - 2
        ratios.append(gaps[-1] / gaps[0])
        # It moves as much faster as its beats come sooner.
        fast = np.abs(crop.velocity[k, :, :, 1]).mean(-1)
        assert (fast[-20:].max() > fast[:20].max()) == (gaps[-1] < gaps[0]) or abs(gaps[-1] - gaps[0]) < 3
    assert min(ratios) < 0.85
    assert max(ratios) > 1.15


def test_clips_without_known_music_are_left_out():
    made = corpus_of(4, 3)
    made = replace(made, kind=np.array(["idle", "moving", "warped", "long"]))
    assert data.usable(made).tolist() == [0, 2]
    assert len(data.whole(made).velocity) == 2


def test_a_crop_may_take_all_of_its_clip():
    made = corpus_of(2, 3)
    for step in range(30):
        crop = data.draw(made, 4, 299, 0, step, PLAIN)
        assert np.isfinite(crop.velocity).all()


def test_a_crop_depends_on_its_number_alone():
    made = corpus_of(4, 3)
    one, other = (data.draw(made, 3, 100, 5, 7, Augmentation()) for _ in range(2))
    np.testing.assert_array_equal(one.velocity, other.velocity)
    assert not np.array_equal(one.velocity, data.draw(made, 3, 100, 5, 8, Augmentation()).velocity)


def test_the_pulse_of_beats_at_one_tempo_is_that_tempo():
    beats_s = np.arange(0.3, 20, 0.6)
    at_s = (np.arange(600) + 1) / LIVE_FPS
    said = 0.02 + 0.8 * np.exp(-0.5 * ((at_s[:, None] - beats_s) / 0.03) ** 2).max(1)
    phase, tempo = training.pulse_of(said)
    assert tempo[300:] == pytest.approx(100.0, rel=0.03)
    assert phase[-1] - phase[300] == pytest.approx((at_s[-1] - at_s[300]) / 0.6, abs=0.1)


def test_it_learns_the_beat_of_a_dance_and_knows_who_stands(run):
    _, figures = run
    assert figures["tempo_right"] >= 0.6
    assert figures["coherence"] > 0.8
    assert figures["standing"] < 0.1


def test_the_exported_graph_says_what_the_network_says(run, tmp_path):
    out, _ = run
    net, kept = training.load_best(out)
    parts = export.model_parts(net) | {"layers": 2, "hidden": 16}
    shipped = model.PulseNet(parts)
    velocity, seen = moves(1, 40, seed=4)
    with torch.no_grad():
        logit, _ = net(velocity, seen)
    state = shipped.begin()
    for k in range(40):
        given = np.where(seen[0, k, :, None] > 0, velocity[0, k], np.nan)
        beat, state = shipped.step(given, state)
        assert beat == pytest.approx(float(torch.sigmoid(logit[0, k])), abs=2e-3)
    (tmp_path / weights.REGISTRY).write_text("{}")
    assert export.export(out, folder=tmp_path) == model.NAME
    card = (tmp_path / f"{model.NAME}.md").read_text()
    assert f"{kept['coherence']:.2f}" in card
    assert "python -m kinebeat.live.pulsenet.train" in card
