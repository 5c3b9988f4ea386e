"""VisBeatNet: its state, what it may know, and that it learns; on made clips whose beats are known."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the [train] extra is not installed")
pytest.importorskip("onnx", reason="the [train] extra is not installed")

from kinebeat import weights  # noqa: E402
from kinebeat.errors import InputError, OptionError  # noqa: E402
from kinebeat.live.corpus import LiveCorpus, seen_live  # noqa: E402
from kinebeat.live.movement import LIVE_FPS, movement_of  # noqa: E402
from kinebeat.live.video2rhythm import network as heavy  # noqa: E402
from kinebeat.live.video2rhythm.network import HeavyConfig, Video2RhythmNet  # noqa: E402
from kinebeat.live.visbeat import export, model  # noqa: E402
from kinebeat.live.visbeat import train as training  # noqa: E402
from kinebeat.live.visbeat.data import Augmentation, draw, draw_windows, ticks_of, whole, windows_at  # noqa: E402
from kinebeat.live.visbeat.network import FORECAST_TICKS, TICK_INPUTS, NetConfig, VisBeatNet, parameters  # noqa: E402
from kinebeat.live.visbeat.train import HeavyRecipe, Recipe  # noqa: E402
from kinebeat.training import Session  # noqa: E402
from kinebeat.weights.sessions import open_session  # noqa: E402
from movers import frame_times_s, punching, walking  # noqa: E402

pytestmark = pytest.mark.train
torch.set_num_threads(1)
PLAIN = Augmentation(changed_share=0.0, mirrored_share=0.0, turned_share=0.0)
SMALL = HeavyConfig(replace(HeavyConfig().encoder, channels=(8,) * 10, width=16, dropout=0.0))


def net_of(seed=0):
    torch.manual_seed(seed)
    return VisBeatNet().eval()


def moves(clips=2, ticks=80, seed=0):
    """Ticks of no particular movement; the second clip begins with nobody there."""
    rng = np.random.default_rng(seed)
    shape = clips, ticks
    given = ticks_of(rng.exponential(0.3, (*shape, 18)), rng.exponential(1.0, shape), np.ones(shape))
    given[-1, :20] = 0.0
    return torch.as_tensor(given)


def corpus_of(clips, seed, ticks=240):
    """Clips in which something brakes at every beat, two and a half ticks before it is heard of."""
    rng = np.random.default_rng(seed)
    at = np.arange(ticks) / LIVE_FPS
    directogram, offset, truth, times_s = [], [], [], []
    for _ in range(clips):
        beats_s = np.arange(rng.uniform(0, 0.6), ticks / LIVE_FPS, rng.uniform(0.45, 0.75))
        near = np.exp(-0.5 * ((at[:, None] - beats_s) / 0.05) ** 2).max(1)
        late = np.interp(at - 2.5 / LIVE_FPS, at, near)
        way = np.zeros(18)
        way[rng.integers(18)] = rng.uniform(0.3, 0.8)
        directogram.append((1 - late)[:, None] * way + rng.exponential(0.02, (ticks, 18)))
        offset.append(late * rng.uniform(1.5, 6.0) + rng.exponential(0.05, ticks))
        truth.append(near)
        times_s.append(beats_s)
    return LiveCorpus(
        np.array(directogram, np.float16),
        np.array(offset, np.float32),
        np.ones((clips, ticks), bool),
        rng.normal(0, 0.3, (clips, ticks, 17, 2)).astype(np.float16),
        np.array(truth, np.float16),
        np.concatenate(times_s).astype(np.float32),
        np.ones(sum(map(len, times_s)), np.float32),
        np.repeat(np.arange(clips), [len(b) for b in times_s]).astype(np.int32),
        np.zeros(0, np.float32),
        np.zeros(0, np.int32),
        np.array(["warped"] * clips),
        np.array(["puppet"] * clips),
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("corpus")
    corpus_of(24, 1).save(out / "train.npz")
    corpus_of(6, 2).save(out / "validation.npz")
    return out


@pytest.fixture(scope="module")
def run(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "visbeat"
    recipe = Recipe(steps=60, batch=12, ticks=180, anchors=3, warmup_steps=5, validate_every=20, average=0.9, rate=1e-2)
    figures = training.train(folder, Session(out, device="cpu"), recipe=recipe)
    return out, figures


# State and causality


def test_it_is_as_small_as_the_papers():
    assert 20_000 < parameters(VisBeatNet()) < 32_000
    assert 700_000 < parameters(Video2RhythmNet()) < 900_000


@torch.no_grad()
def test_one_tick_after_the_other_gives_what_the_whole_gives():
    net, ticks = net_of(), moves()
    offset, logit, states = net.whole(ticks)
    state = net.begin(2)
    for k in range(ticks.shape[1]):
        k_next, beat_next, state = net.step(ticks[:, k], state)
        torch.testing.assert_close(k_next, offset[:, k], atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(beat_next, logit[:, k], atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(state, states[:, k], atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_more_of_the_input_never_changes_earlier_output():
    net, ticks = net_of(), moves()
    other = ticks.clone()
    other[:, 50:] = moves(seed=9)[:, 50:]
    for one, two in zip(net.whole(ticks), net.whole(other), strict=True):
        torch.testing.assert_close(one[:, :50], two[:, :50], atol=0, rtol=0)
        assert not torch.equal(one[:, 50:], two[:, 50:])


@torch.no_grad()
def test_a_forecast_begins_with_what_was_said_of_the_next_tick_and_goes_on_the_same():
    net, ticks = net_of(), moves()
    offset, logit, states = net.whole(ticks)
    before = states[:, -1].clone()
    offsets, logits = net.forecast(states[:, -1])
    assert offsets.shape == logits.shape == (2, FORECAST_TICKS)
    torch.testing.assert_close(offsets[:, 0], offset[:, -1])
    torch.testing.assert_close(logits[:, 0], logit[:, -1])
    torch.testing.assert_close(states[:, -1], before, atol=0, rtol=0)
    for count in (1, 7):
        fewer = net.forecast(states[:, -1], count)
        torch.testing.assert_close(fewer[0], offsets[:, :count])
        torch.testing.assert_close(fewer[1], logits[:, :count])


@torch.no_grad()
def test_what_is_taught_changes_what_comes_after_it_alone():
    net = net_of()
    state = net.whole(moves())[2][:, -1]
    own = net.forecast(state)[0]
    truth = torch.full((2, FORECAST_TICKS), torch.nan)
    torch.testing.assert_close(net.forecast(state, taught=truth)[0], own)
    truth[:, 10] = 0.9
    taught = net.forecast(state, taught=truth)[0]
    torch.testing.assert_close(taught[:, :11], own[:, :11], atol=0, rtol=0)
    assert (taught[:, 11] != own[:, 11]).all()
    # Its own K told as the truth changes nothing.
    torch.testing.assert_close(net.forecast(state, taught=own)[0], own)


@torch.no_grad()
def test_nobody_is_no_part_of_the_level():
    net = net_of()
    ticks = moves()
    a = net.config.offsets + net.config.beats + 2
    levels = net.whole(ticks)[2][..., a : a + 2]
    assert levels[1, :20].abs().max() == 0
    assert levels[1, 30, 1] == 11
    mean_square = (ticks[0, :40, 18] ** 2).mean()
    assert 0.3 * mean_square < levels[0, 39, 0] <= 1.0001 * mean_square  # what is far above the level is cut


# Clips


def test_a_mirrored_crop_is_the_movement_in_a_mirror():
    pose = walking(frame_times_s(10.0))
    flipped = pose.xy.copy()
    flipped[..., 0] = 1280 - flipped[..., 0]
    one, other = (clip_corpus(p, 8.0) for p in (pose, replace(pose, xy=flipped)))
    mirrored = draw(one, 1, 200, 0, 0, replace(PLAIN, mirrored_share=1.0))
    candidates = whole(other).ticks[0]
    errors = [np.abs(mirrored.ticks[0] - candidates[k : k + 200]).max() for k in range(40)]
    assert min(errors) < 0.01


def clip_corpus(pose, duration_s):
    clip = seen_live(pose, pose, duration_s)
    count = len(clip.beat_time_s)
    return LiveCorpus(
        clip.directogram[None].astype(np.float16),
        clip.offset[None].astype(np.float32),
        clip.present[None],
        clip.velocity[None].astype(np.float16),
        clip.truth[None].astype(np.float16),
        clip.beat_time_s.astype(np.float32),
        clip.beat_strength,
        np.zeros(count, np.int32),
        np.zeros(0, np.float32),
        np.zeros(0, np.int32),
        np.array(["warped"]),
        np.array(["puppet"]),
    )


def test_a_faster_crop_is_heard_as_late_as_ever():
    slow = punching(frame_times_s(20.0, 60.0))
    plain = movement_of(slow)
    for step in range(20):
        crop = draw(clip_corpus(slow, 18.0), 1, 300, 0, step, Augmentation(1.25, 1.0, 0.0, 0.0))
        period = np.median(np.diff(np.flatnonzero(crop.beat[0] >= 1.0)))
        if period < 0.85 * LIVE_FPS * 60 / 105.3:
            break
    lag = [np.corrcoef(crop.truth[0, : 300 - k], crop.ticks[0, k:, 18])[0, 1] for k in range(6)]
    assert int(np.argmax(lag)) in (2, 3)
    speed = LIVE_FPS * 60 / 105.3 / period
    # Braking goes with the square of the speed.
    assert crop.ticks[0, :, 18].max() == pytest.approx(plain.offset.max() * speed**2, rel=0.1)


def test_what_is_not_known_is_marked_and_counts_nothing():
    corpus = corpus_of(2, 0)
    truth = corpus.truth.copy()
    truth[:, 100:150] = np.nan
    clips = whole(replace(corpus, truth=truth))
    assert np.isfinite(clips.truth).all()
    assert clips.known[:, 100:150].max() == 0
    assert clips.beat[:, 100:150].max() == 0
    assert clips.known.mean() == pytest.approx(1 - 50 / 240)
    plan, net = Recipe(ticks=200, anchors=2), net_of()
    for changed in (0.0, 1.0):
        given = np.where(clips.known > 0, clips.truth, changed).astype(np.float32)
        loss = float(training.losses(net, replace(clips, truth=given), plan, np.random.default_rng(0), 0.0).detach())
        if changed == 0.0:
            first = loss
    assert loss == pytest.approx(first)


def test_batches_depend_on_seed_and_step_alone():
    corpus = corpus_of(5, 0)
    one, same, other = (draw(corpus, 4, 150, 7, step, Augmentation()) for step in (3, 3, 4))
    assert one.ticks.shape == (4, 150, TICK_INPUTS)
    assert np.array_equal(one.ticks, same.ticks)
    assert not np.array_equal(one.ticks, other.ticks)


def test_windows_hold_what_was_before_and_what_comes_after():
    corpus = corpus_of(3, 0)
    windows = windows_at(corpus, [0, 2], [100, 131], 90, 30)
    assert windows.velocity.shape == (2, 90, 17, 2)
    np.testing.assert_array_equal(windows.velocity[1, -1], corpus.velocity[2, 130].astype(np.float32))
    np.testing.assert_array_equal(windows.truth[1], corpus.truth[2, 131:161].astype(np.float32))
    beats = corpus.beats_s(2) * LIVE_FPS - 131
    np.testing.assert_array_equal(
        np.flatnonzero(windows.beat[1] >= 1.0), np.round(beats[(beats > -0.5) & (beats < 29.5)]).astype(int)
    )
    assert draw_windows(corpus, 5, 90, 30, 0, 1).seen.shape == (5, 90, 17)


# Learning


def test_it_learns_to_say_beats_before_they_happen(run):
    out, figures = run
    assert figures["rolled_f"] > 0.35
    assert figures["next_f"] > 0.75
    assert figures["next_mse"] < 0.05
    net, kept = training.load_best(out)
    assert kept["variant"] == "visbeat"
    assert isinstance(net.config, NetConfig)


def test_losses_and_forecasts_are_of_whole_clips(run, folder):
    net, _ = training.load_best(run[0])
    ticks = torch.as_tensor(whole(corpus_of(2, 5)).ticks)
    with torch.no_grad():
        offset, logit = training.forecasts(net, ticks)
        near, _, states = net.whole(ticks)
        third = net.forecast(states[:, 149], 30)
    assert offset.shape == logit.shape == (2, 240)
    torch.testing.assert_close(offset[:, 150:180], third[0])
    torch.testing.assert_close(logit[:, 150:180], third[1])
    torch.testing.assert_close(offset[:, 1:90], near[:, :89])


def test_a_training_needs_a_corpus(tmp_path):
    with pytest.raises(InputError, match="no corpus"):
        training.train(tmp_path, Session(tmp_path / "run", device="cpu"))
    with pytest.raises(InputError, match="train first"):
        training.load_best(tmp_path)


def test_the_command_trains(folder, tmp_path):
    words = ["--data", str(folder), "--out", str(tmp_path / "r"), "--device", "cpu", "--steps", "2", "--batch", "2"]
    training.main(words)
    assert (tmp_path / "r" / "best.pt").is_file()


# Shipped form


def test_the_exported_graphs_play_what_the_network_says(run, tmp_path):
    out, _ = run
    assert export.export(out, folder=tmp_path) == model.NAME
    net, kept = training.load_best(out)
    parts = export.model_parts(net)
    state_size, threshold = np.array(net.state_size), np.array(0.3)
    player = model.VisBeatNet(
        {**parts, "state_size": state_size, "threshold": threshold, "next_threshold": np.array(0.2)}
    )
    assert (player.threshold, player.next_threshold) == (pytest.approx(0.3), pytest.approx(0.2))
    ticks = whole(corpus_of(1, 8)).ticks[0]
    state, held = player.begin(), net.begin(1)
    for tick in ticks[:120]:
        before = state.values.copy()
        k, beat, after = player.step(tick[:18], float(tick[18]), bool(tick[19]), state)
        assert np.array_equal(state.values, before)
        with torch.no_grad():
            offset, logit, held = net.step(torch.as_tensor(tick)[None], held)
        # Weights are stored in half precision.
        assert k == pytest.approx(float(offset), abs=0.01)
        assert beat == pytest.approx(float(torch.sigmoid(logit)), abs=0.02)
        state = after
    offsets, beats = player.forecast(state)
    assert offsets.shape == beats.shape == (model.FORECAST_TICKS,)
    assert offsets[0] == pytest.approx(k, abs=1e-5)
    assert beats[0] == pytest.approx(beat, abs=1e-5)
    shorter = player.forecast(state, 5)
    np.testing.assert_array_equal(shorter[0], offsets[:5])
    with torch.no_grad():
        expected = net.forecast(held)
    np.testing.assert_allclose(offsets, expected[0][0], atol=0.02)
    with pytest.raises(OptionError, match="37 ticks"):
        player.forecast(state, 37)
    # The shipped ones say of a beat what is left when its weight in the training is taken off.
    shipped = weights.load(model.NAME, tmp_path)
    _, beat_shipped, _ = model.VisBeatNet(shipped).step(ticks[0, :18], float(ticks[0, 18]), True, player.begin())
    _, beat_own, _ = player.step(ticks[0, :18], float(ticks[0, 18]), True, player.begin())
    odds, own = beat_shipped / (1 - beat_shipped), beat_own / (1 - beat_own)
    assert odds == pytest.approx(own / Recipe().beat_weight, rel=0.02)
    threshold, own = float(shipped["threshold"]), kept["rolled_threshold"]
    assert threshold / (1 - threshold) == pytest.approx(own / (1 - own) / Recipe().beat_weight, rel=0.01)
    card = (tmp_path / f"{model.NAME}.md").read_text(encoding="utf-8")
    entry = export.read_entries(tmp_path)[model.NAME]
    assert entry["constants"]["parameters"] == parameters(net)
    assert entry["recipe"].startswith("python -m kinebeat.live.visbeat.train --data CORPUS --variant visbeat")
    for said in (entry["sha256"]["step"], "CC BY-NC", f"{kept['rolled_f']:.3f}"):
        assert said in card


# The heavy baseline


@torch.no_grad()
def test_the_heavy_decoder_knows_no_later_k():
    torch.manual_seed(0)
    net = Video2RhythmNet(SMALL).eval()
    velocity, seen = torch.randn(2, heavy.CONTEXT_TICKS, 17, 2), torch.ones(2, heavy.CONTEXT_TICKS, 17)
    truth = torch.rand(2, heavy.FORECAST_TICKS)
    later = truth.clone()
    later[:, 12:] = 0.5
    one, other = net(velocity, seen, truth), net(velocity, seen, later)
    for a, b in zip(one, other, strict=True):
        torch.testing.assert_close(a[:, :13], b[:, :13])
        assert not torch.isclose(a[:, 13:], b[:, 13:], atol=1e-7).all()
    # Told its own K it says what it says by itself.
    own = net.forecast(velocity, seen)
    torch.testing.assert_close(net(velocity, seen, own[0])[0], own[0], atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_what_is_not_seen_does_not_matter_to_the_heavy_one():
    torch.manual_seed(0)
    net = Video2RhythmNet(SMALL).eval()
    velocity, seen = torch.randn(1, heavy.CONTEXT_TICKS, 17, 2), torch.ones(1, heavy.CONTEXT_TICKS, 17)
    seen[:, :, 3] = 0
    other = velocity.clone()
    other[:, :, 3] = torch.nan
    torch.testing.assert_close(net.forecast(velocity, seen)[0], net.forecast(other, seen)[0])


def test_the_heavy_one_trains_and_is_exported(folder, tmp_path):
    recipe = HeavyRecipe(steps=4, batch=4, warmup_steps=1, validate_every=2, validation_windows=2)
    figures = training.train_heavy(folder, Session(tmp_path / "v", device="cpu"), recipe=recipe, config=SMALL)
    assert set(figures) == {"rolled_loss", "rolled_mse", "rolled_f", "rolled_threshold"}
    assert export.export(tmp_path / "v", folder=tmp_path) == export.HEAVY_NAME
    net, _ = training.load_heavy(tmp_path / "v")
    parts = {name: open_session(graph) for name, graph in export.heavy_parts(net).items()}
    windows = windows_at(corpus_of(2, 0), [1], [100], heavy.CONTEXT_TICKS, heavy.FORECAST_TICKS)
    memory = parts["encoder"].run(None, {"velocity": windows.velocity, "seen": windows.seen})[0]
    with torch.no_grad():
        kept = net.remember(torch.as_tensor(windows.velocity), torch.as_tensor(windows.seen))
        np.testing.assert_allclose(memory, kept, atol=0.02)
        for ticks in (1, 7, 30):
            before = windows.truth[:, :ticks]
            offsets, logits = parts["decoder"].run(None, {"memory": memory, "before": before})
            expected = net.decode(kept, torch.as_tensor(before))
            np.testing.assert_allclose(offsets, expected[0], atol=0.01)
            np.testing.assert_allclose(logits, expected[1], atol=0.05)
