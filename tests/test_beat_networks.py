import json
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the [train] extra is not installed")
pytest.importorskip("onnx", reason="the [train] extra is not installed")

from kinebeat import weights  # noqa: E402
from kinebeat.beats import activation, batches, export, network  # noqa: E402
from kinebeat.beats import train as training  # noqa: E402
from kinebeat.beats.activation import beat_activation  # noqa: E402
from kinebeat.beats.batches import WINDOW, Augmentation  # noqa: E402
from kinebeat.beats.network import CENTRE, JOINTS, SKELETON, VARIANTS, BeatNet, NetConfig  # noqa: E402
from kinebeat.drums.models import open_session  # noqa: E402
from kinebeat.errors import InputError, OptionError  # noqa: E402
from kinebeat.motion import motion_from_velocity  # noqa: E402

pytestmark = pytest.mark.train
SMALL = NetConfig(channels=(8,) * 10, kernels=(5,) * 10, width=16, tcn_dilations=(1, 2, 4), dropout=0.0)


def small(model, seed=0):
    torch.manual_seed(seed)
    return BeatNet(replace(SMALL, model=model)).eval()


def given(frames=128, clips=2, seed=0):
    """Velocities and what is seen; the second clip's last second shows nobody."""
    rng = torch.Generator().manual_seed(seed)
    velocity = torch.randn(clips, frames, JOINTS, 2, generator=rng)
    seen = (torch.rand(clips, frames, JOINTS, generator=rng) < 0.8).float()
    seen[-1, -60:] = 0
    return velocity, seen


def pulses(clips, seed, frames=720):
    """Arms and legs that swing in time with a beat, four joints of each clip, and clips of noise alone."""
    rng = np.random.default_rng(seed)
    velocity = rng.normal(0, 0.05, (clips, frames, JOINTS, 2)).astype(np.float32)
    times_s, clip, kind = [], [], []
    for i in range(clips):
        kind.append("negative" if i % 5 == 4 else "choreonet" if i % 5 == 3 else "warped")
        if kind[-1] == "negative":
            continue
        period = rng.uniform(0.45, 0.75)
        beats_s = np.arange(rng.uniform(0, period), frames / 60, period)
        phase = (np.arange(frames) / 60 - beats_s[0]) / period
        for joint in rng.choice(JOINTS, 4, replace=False):
            way = rng.normal(size=2)
            velocity[i, :, joint] += np.sin(np.pi * phase)[:, None] * way / np.hypot(*way)  # at rest on the beat
        times_s.append(beats_s)
        clip.append(np.full(len(beats_s), i))
    velocity[rng.random(velocity.shape[:3]) < 0.05] = np.nan
    return {
        "velocity": velocity.astype(np.float16),
        "beat_time_s": np.concatenate(times_s).astype(np.float32),
        "beat_clip": np.concatenate(clip).astype(np.int32),
        "kind": np.array(kind),
    }


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    np.savez(folder / "train.npz", **pulses(40, 1))
    np.savez(folder / "validation.npz", **pulses(15, 2))
    return folder


# The graph


def test_the_partition_is_the_skeleton_by_distance_from_its_centre():
    own, nearer, further = network.spatial_partition()
    assert np.array_equal(own, np.eye(JOINTS))
    assert np.array_equal(nearer, further.T)
    assert (nearer + further).sum() == 2 * len(SKELETON.bones)
    towards = {
        joint: {SKELETON.joints[v] for v in np.flatnonzero(nearer[i])} for i, joint in enumerate(SKELETON.joints)
    }
    assert towards[CENTRE] == set()
    assert all(len(found) == 1 for joint, found in towards.items() if joint != CENTRE)
    assert towards["left_wrist"] == {"left_elbow"}
    assert towards["right_big_toe"] == {"right_ankle"}
    assert towards["nose"] == {"neck"}
    neck = {SKELETON.joints[v] for v in np.flatnonzero(further[SKELETON.index("neck")])}
    assert neck == {"nose", "left_shoulder", "right_shoulder"}


def test_the_graph_takes_the_mean_over_the_neighbours_that_are_seen():
    encoder = small("stgcn").encoder
    seen = torch.ones(1, 4, JOINTS)
    hidden = [SKELETON.index(joint) for joint in ("nose", "left_elbow")]
    seen[..., hidden] = 0
    graph = encoder.graph(seen)[0, 0].unflatten(0, (JOINTS, 3))
    assert (graph[..., hidden] == 0).all()
    neck = graph[SKELETON.index("neck"), 2]
    shoulders = [SKELETON.index(f"{side}_shoulder") for side in ("left", "right")]
    assert neck[shoulders].tolist() == [0.5, 0.5]
    assert float(neck.sum()) == 1
    assert float(graph[SKELETON.index("left_wrist"), 1].sum()) == 0  # its elbow is not seen


# The networks


@pytest.mark.parametrize("model", VARIANTS)
def test_every_network_gives_a_logit_a_frame(model):
    net = small(model)
    for frames in (4, 128, WINDOW):
        velocity, seen = given(frames)
        logits = net(velocity, seen.bool())
        assert logits.shape == (2, frames)
        assert torch.isfinite(logits).all()
    assert torch.isfinite(net(velocity, torch.zeros_like(seen))).all()


@pytest.mark.parametrize("model", VARIANTS)
def test_what_is_not_seen_does_not_matter_and_that_it_is_not_seen_does(model):
    net = small(model)
    velocity, seen = given()
    hidden = seen[..., None] == 0
    with torch.no_grad():
        expected = net(velocity, seen)
        for garbage in (1e6, float("nan"), float("inf")):
            assert torch.equal(net(torch.where(hidden, torch.tensor(garbage), velocity), seen), expected)
        at_rest = net(torch.where(hidden, torch.tensor(0.0), velocity), torch.ones_like(seen))
    assert (at_rest - expected).abs().max() > 1e-3


@pytest.mark.parametrize("model", [name for name, parts in VARIANTS.items() if parts.transformer])
def test_frames_without_anybody_are_not_attended_to(model):
    net = small(model)
    velocity, seen = given(256, clips=1)
    seen[:, 128:] = 0
    features = net.features(velocity, seen)
    changed = features.clone()
    changed[:, 40:, ::2] += 5.0
    with torch.no_grad():
        assert net.logits(changed, seen)[:, :96] == pytest.approx(net.logits(features, seen)[:, :96], abs=1e-5)
        everybody = torch.ones_like(seen)
        assert (net.logits(changed, everybody) - net.logits(features, everybody))[:, :96].abs().max() > 1e-3


def test_frames_that_are_alike_are_similar():
    net = network.SelfSimilarity(4)
    features = torch.randn(1, 6, 4, generator=torch.Generator().manual_seed(0))
    features[0, 5] = features[0, 1]
    features[0, 3] = features[0, 1] + 0.01
    features[0, 2] = features[0, 1] + 10.0
    with torch.no_grad():
        found = net.similarity(features, torch.zeros(1, 1, 1, 6))[0, 0]
        assert found.sum(1) == pytest.approx(6.0, rel=1e-5)
        assert found[1].argsort(descending=True)[:3].tolist() in ([1, 5, 3], [5, 1, 3])
        assert int(found[1].argmin()) == 2
        assert float(found[1, 5]) == pytest.approx(float(found[1, 1]))
        # The formula itself, with its sign.
        distance = ((features[0, 1] - features[0]) ** 2).sum(-1)
        expected = 6 * torch.softmax(-distance / 4**0.5, 0)
        assert found[1] == pytest.approx(expected, rel=1e-3)
        masked = net.similarity(features, torch.tensor([0, 0, 0, 0, 0, network._NEVER]).reshape(1, 1, 1, 6))[0, 0]
    assert (masked[:, 5] == 0).all()
    assert masked.sum(1) == pytest.approx(5.0, rel=1e-5)


def test_the_attention_is_the_papers():
    attention = small("stgcn-tf-ssm-rel").layers[0].attend
    n, heads, depth = 5, attention.heads, attention.depth
    x, extra = torch.randn(1, n, SMALL.width), torch.randn(1, 1, n, n)
    with torch.no_grad():
        query, key, value = attention.inputs(x)[0].reshape(n, 3, heads, depth).permute(1, 2, 0, 3)
        expected = []
        for h in range(heads):
            rows = []
            for i in range(n):
                away = [attention.distances[h, j - i + attention.tokens - 1] for j in range(n)]
                scores = [query[h, i] @ key[h, j] + extra[0, 0, i, j] + query[h, i] @ away[j] for j in range(n)]
                rows.append(torch.softmax(torch.stack(scores) / depth**0.5, 0) @ value[h])
            expected.append(torch.stack(rows))
        expected = attention.out(torch.cat(expected, -1))
        assert attention(x, extra, torch.zeros(1, 1, 1, n))[0] == pytest.approx(expected, abs=1e-5)


def test_no_clip_is_longer_than_the_window():
    with pytest.raises(ValueError, match="at most"):
        small("stgcn-tf-rel")(*given(WINDOW + 4))
    with pytest.raises(TypeError, match="relative"):
        small("stgcn-tf").layers[0].attend.relative(torch.zeros(1, 2, 5, 8))


def test_a_glitch_cannot_outweigh_a_dance():
    slow, glitch = torch.tensor([0.03, -0.04]), torch.tensor([3000.0, -4000.0])
    assert network.squash(slow) == pytest.approx(slow / 0.5, rel=1e-2)
    squashed = network.squash(glitch)
    assert float(squashed.norm()) < 12
    assert squashed / squashed.norm() == pytest.approx(torch.tensor([0.6, -0.8]), rel=1e-4)
    assert network.squash(torch.zeros(2)).tolist() == [0, 0]


def test_the_full_network_fits_its_budget():
    full, tcn = (network.parameters(BeatNet(NetConfig(model))) for model in ("stgcn-tf-ssm-rel", "tcn"))
    assert 150_000 < full < 350_000
    assert 0.8 < tcn / full < 1.25


# The clips


def test_a_corpus_is_read_with_each_clips_own_beats(corpus):
    read = batches.read_corpus(corpus, "train")
    kept = np.load(corpus / "train.npz")
    assert len(read) == 40
    for i in (0, 7, 38):
        assert read.beats_s[i] == pytest.approx(kept["beat_time_s"][kept["beat_clip"] == i])
    assert len(read.beats_s[4]) == 0
    some = batches.read_corpus(corpus, "train", without=["choreonet", "negative"])
    assert set(some.kind) == {"warped"}
    assert len(some) == 24
    assert np.array_equal(some.beats_s[3], read.beats_s[5])


def test_a_corpus_that_is_none_is_refused(tmp_path, corpus):
    with pytest.raises(InputError, match="found no file"):
        batches.read_corpus(tmp_path, "train")
    (tmp_path / "train.npz").write_bytes(b"something else")
    with pytest.raises(InputError, match="expected a split of a corpus"):
        batches.read_corpus(tmp_path, "train")
    np.savez(tmp_path / "train.npz", velocity=np.zeros(3))
    with pytest.raises(InputError, match="expected a split of a corpus"):
        batches.read_corpus(tmp_path, "train")
    np.savez(tmp_path / "train.npz", **(pulses(2, 0) | {"velocity": np.zeros((2, 300, JOINTS, 2))}))
    with pytest.raises(InputError, match=r"found \(2, 300"):
        batches.read_corpus(tmp_path, "train")
    with pytest.raises(InputError, match="no clip is left"):
        batches.read_corpus(corpus, "train", without=["warped", "choreonet", "negative"])


def test_the_target_is_a_bump_on_every_beat():
    target = batches.bumps(np.array([-1.0, 0.0, 0.5, 9.99, 30.0]))
    assert target.shape == (WINDOW,)
    assert target[30] == target[0] == target[599] == 1
    assert np.flatnonzero(target).tolist() == [0, 1, 2, *range(28, 33), 597, 598, 599]
    assert target[28] == target[32] < target[29] == target[31] < 1


def test_a_window_is_cut_with_its_own_beats(corpus):
    read = batches.read_corpus(corpus, "train")
    clips = batches.cut(read, np.array([0, 4, 3]), np.array([100, 0, 120]))
    assert clips.velocity.shape == (3, WINDOW, JOINTS, 2)
    assert np.isfinite(clips.velocity).all()
    assert (clips.velocity[clips.seen == 0] == 0).all()
    assert np.array_equal(clips.seen[0] == 1, np.isfinite(read.velocity[0, 100:700, :, 0]))
    inside = read.beats_s[0] * 60 - 100
    inside = np.round(inside[(inside > -0.5) & (inside < 599.5)])
    assert np.flatnonzero(clips.target[0] == 1).tolist() == inside.tolist()
    assert not clips.target[1].any()
    assert clips.weight.tolist() == [1.0, 0.5, 0.25]
    assert len(batches.whole(read).weight) == 40


def test_a_faster_dance_has_its_beats_nearer_to_each_other(corpus):
    read = batches.read_corpus(corpus, "train")
    twice = batches.cut(read, np.array([0]), np.array([10]), np.array([1.15]))
    inside = np.round((read.beats_s[0] - 10 / 60) * 60 / 1.15)
    assert np.flatnonzero(twice.target[0] == 1).tolist() == inside[(inside >= 0) & (inside < WINDOW)].tolist()
    clip = read.velocity[0].astype(np.float32)
    assert twice.velocity[0, 0][twice.seen[0, 0] == 1] == pytest.approx(1.15 * clip[10][twice.seen[0, 0] == 1])
    between = 1.15 * (0.7 * clip[12] + 0.3 * clip[13])  # frame 2 is at 10 + 2.3
    assert np.array_equal(twice.seen[0, 2] == 1, np.isfinite(between).all(-1))
    assert twice.velocity[0, 2][twice.seen[0, 2] == 1] == pytest.approx(between[np.isfinite(between).all(-1)], rel=1e-3)


def test_a_clip_as_long_as_the_window_can_be_drawn():
    kept = pulses(4, 0, frames=WINDOW)
    none = tuple(np.zeros(0) for _ in range(4))
    clips = batches.draw(batches.Corpus(kept["velocity"], none, kept["kind"]), 16, 0, 0)
    assert clips.velocity.shape == (16, WINDOW, JOINTS, 2)


def test_batches_depend_on_seed_and_number_alone(corpus):
    read = batches.read_corpus(corpus, "train")
    one, same, next_, other = (batches.draw(read, 4, *which) for which in ((0, 5), (0, 5), (0, 6), (1, 5)))
    assert np.array_equal(one.velocity, same.velocity)
    assert not np.array_equal(one.velocity, next_.velocity)
    assert not np.array_equal(one.velocity, other.velocity)


def test_a_mirror_exchanges_left_and_right():
    velocity, seen = (x.numpy() for x in given(4))
    turned, visible = batches.mirrored(velocity, seen)
    left, right, nose = (SKELETON.index(joint) for joint in ("left_wrist", "right_wrist", "nose"))
    assert np.array_equal(turned[..., left, :], velocity[..., right, :] * [-1, 1])
    assert np.array_equal(turned[..., nose, :], velocity[..., nose, :] * [-1, 1])
    assert np.array_equal(visible[..., right], seen[..., left])
    assert np.array_equal(batches.mirrored(turned, visible)[0], velocity)


def test_variation_stays_within_its_bounds():
    rng = np.random.default_rng(0)
    velocity = np.ones((64, WINDOW, JOINTS, 2), np.float32)
    seen, target = np.ones(velocity.shape[:3], np.float32), np.ones(velocity.shape[:2], np.float32)
    clips = batches.Clips(velocity, seen, target, np.ones(64, np.float32))
    nothing = Augmentation(stretch=1, roll_deg=0, speed=1, squash=1, limb=0, blank=0)
    still = batches.augment(clips, nothing, rng)
    assert np.array_equal(np.abs(still.velocity), velocity)
    assert np.array_equal(still.target, target)
    varied = batches.augment(clips, Augmentation(), rng)
    assert np.array_equal(velocity, np.ones_like(velocity))  # what was given is left alone
    moving = np.linalg.norm(varied.velocity, axis=-1)[varied.seen == 1]
    assert np.sqrt(2) / 1.4 * 0.7 < moving.min() < 1.0 < moving.max() < np.sqrt(2) * 1.4 + 1e-3
    assert (varied.velocity[varied.seen == 0] == 0).all()
    nobody = ~varied.seen.any(2)
    assert nobody.any(1).mean() < 0.4
    assert nobody.sum(1).max() < WINDOW // 2
    assert np.array_equal(varied.target == 0, nobody)  # no beat is asked for where nobody is
    hidden = varied.seen[~nobody] == 0
    wrists = [SKELETON.index(f"{side}_wrist") for side in ("left", "right")]
    trunk = [SKELETON.index(joint) for joint in ("neck", "mid_hip", "left_shoulder", "right_hip")]
    assert hidden[:, wrists].any()
    assert not hidden[:, trunk].any()


# The training


def test_peaks_on_the_beats_score_one_and_elsewhere_nothing():
    target = np.stack([batches.bumps(np.arange(offset, 10, 0.5)) for offset in (0.2, 0.3)])
    assert training.peak_score(0.8 * target, target)[0] == pytest.approx(1.0)
    assert training.peak_score(0.8 * np.roll(target, 3, 1), target)[0] == pytest.approx(1.0)
    assert training.peak_score(0.8 * np.roll(target, 15, 1), target)[0] == 0
    half = target * (np.arange(WINDOW) < 300)
    assert training.peak_score(half, target)[0] == pytest.approx(2 / 3, abs=0.02)
    noisy = np.maximum(target * 0.8, np.roll(target, 15, 1) * 0.4)
    score, threshold = training.peak_score(noisy, target)
    assert score == pytest.approx(1.0)
    assert 0.4 < threshold <= 0.8
    assert training.peak_score(np.zeros((0, WINDOW)), np.zeros((0, WINDOW))) == (0.0, 0.5)


def constant_loss(clips, beat_weight):
    """The loss of the best activation that never changes."""
    weight = clips.weight[:, None] / clips.weight.sum() / WINDOW
    yes, no = beat_weight * (clips.target * weight).sum(), ((1 - clips.target) * weight).sum()
    chance = yes / (yes + no)
    return -(yes * np.log(chance) + no * np.log(1 - chance))


@pytest.fixture(scope="module")
def trained(corpus, tmp_path_factory):
    """A folder of trainings with one small one in it, and its log."""
    runs = tmp_path_factory.mktemp("runs")
    recipe = training.Recipe(steps=40, batch=8, rate=1e-2, warmup_steps=10, average=0.9, validate_every=20)
    lines = []
    figures = training.train(
        corpus, "stgcn-tf-ssm-rel", runs / "product-0", recipe=recipe, config=SMALL, device="cpu", log=lines.append
    )
    return runs, recipe, figures, [json.loads(line) for line in lines]


def test_a_network_learns_to_hear_a_pulse(corpus, trained):
    runs, recipe, figures, log = trained
    checked = batches.whole(batches.read_corpus(corpus, "validation"))
    assert figures["loss"] < 0.7 * constant_loss(checked, recipe.beat_weight)
    assert figures["peak_f"] > 0.7
    assert [line["step"] for line in log] == [20, 40]
    kept = [json.loads(line) for line in (runs / "product-0" / "log.jsonl").read_text().splitlines()]
    assert kept == log


def test_a_resumed_training_ends_as_if_never_stopped(corpus, tmp_path, monkeypatch):
    recipe = training.Recipe(steps=6, batch=2, validate_every=3)
    config = replace(SMALL, dropout=0.1)
    whole = training.train(corpus, "stgcn-tf-ssm-rel", tmp_path / "whole", recipe=recipe, config=config, device="cpu")
    calls = []

    def stop_after_four(*arguments):
        calls.append(1)
        if len(calls) > 4:
            raise KeyboardInterrupt
        return draw(*arguments)

    draw = training.draw
    monkeypatch.setattr(training, "draw", stop_after_four)
    monkeypatch.setattr(training, "CHECKPOINT_EVERY_S", -1.0)
    with pytest.raises(KeyboardInterrupt):
        training.train(corpus, "stgcn-tf-ssm-rel", tmp_path / "parts", recipe=recipe, config=config, device="cpu")
    monkeypatch.setattr(training, "draw", draw)
    parts = training.train(
        corpus, "stgcn-tf-ssm-rel", tmp_path / "parts", recipe=recipe, config=config, device="cpu", resume=True
    )
    assert parts["loss"] == pytest.approx(whole["loss"], rel=1e-6)


def test_the_command_trains_for_the_time_it_is_given(corpus, tmp_path):
    training.main(
        [
            *("--data", str(corpus), "--model", "tf", "--out", str(tmp_path / "run"), "--device", "cpu", "--seed", "3"),
            *("--minutes", "0.01", "--batch", "2", "--without", "choreonet", "--half"),
        ]
    )
    net, kept = training.load_best(tmp_path / "run")
    assert not net.training
    assert net.config == NetConfig("tf")
    assert 1 <= kept["step"] < 1000
    told = [kept[name] for name in ("seed", "without", "minutes", "half")]
    assert told == [3, ["choreonet"], 0.01, True]


def test_the_validation_is_thinned_evenly(corpus):
    clips = batches.whole(batches.read_corpus(corpus, "validation"))
    thin = training._thinned(clips, 3)
    assert np.array_equal(thin.target, clips.target[[0, 7, 14]])
    assert training._thinned(clips, 15) is clips


def test_what_cannot_be_trained_says_so(corpus, tmp_path):
    with pytest.raises(OptionError, match="no model"):
        training.train(corpus, "trumpet", tmp_path)
    with pytest.raises(InputError, match="checkpoint"):
        training.train(corpus, "tf", tmp_path / "none", resume=True, device="cpu")
    with pytest.raises(InputError, match="weights of a training"):
        training.load_best(tmp_path)


# What is shipped


@pytest.mark.parametrize("model", VARIANTS)
def test_the_exported_network_is_the_trained_one(model):
    torch.manual_seed(0)
    net = BeatNet(NetConfig(model)).eval()
    graph = export.net_graph(net)
    assert len(graph) < 1e6
    session = open_session(graph)
    velocity, seen = given(WINDOW)
    with torch.no_grad():
        expected = net(velocity, seen).numpy()
    heard = session.run(None, {"velocity": velocity.numpy(), "seen": seen.numpy()})[0]
    assert expected.std() > 0.05
    assert np.abs(heard - expected).max() < 1e-3  # weights are stored in half precision


def test_an_exported_training_is_heard_as_it_was_trained(trained, tmp_path, monkeypatch):
    runs = trained[0]
    scores = tmp_path / "scores.json"
    scores.write_text(json.dumps({"rows": [{"name": "TCN", "set": "warped", "f": 0.5}]}))
    export.main(["--runs", str(runs), "--scores", str(scores), "--folder", str(tmp_path)])
    monkeypatch.setattr(weights, "FOLDER", tmp_path)
    monkeypatch.setattr(weights, "REGISTRY", tmp_path / "registry.json")
    weights.registry.cache_clear()
    activation._session.cache_clear()
    try:
        entry = weights.registry()["beats"]
        assert list(entry.sha256) == ["seed0"]
        said = entry.card.read_text(encoding="utf-8")
        for fact in (entry.sha256["seed0"], entry.licence, entry.data, entry.recipe, entry.date, "channels (8, 8"):
            assert fact in said
        assert entry.scores
        velocity = pulses(1, 3)["velocity"][0, :WINDOW].astype(np.float32)
        heard = beat_activation(motion_from_velocity(velocity))
    finally:
        weights.registry.cache_clear()
        activation._session.cache_clear()
    net, _ = training.load_best(runs / "product-0")
    with torch.no_grad():
        seen = torch.as_tensor(np.isfinite(velocity).all(-1))
        expected = torch.sigmoid(net(torch.as_tensor(velocity)[None], seen[None]))[0].numpy()
    assert expected.std() > 0.1
    assert heard == pytest.approx(expected, abs=2e-3)


def test_the_recipe_on_the_card_is_the_command_that_was_run(corpus, tmp_path):
    recipe = training.Recipe(steps=1, batch=2, rate=1e-3)
    training.train(
        corpus, "tcn", tmp_path / "tcn-1", recipe=recipe, config=SMALL, device="cpu", without=["negative"], minutes=5
    )
    scores = tmp_path / "scores.json"
    rows = [{"name": "TCN", "set": "warped", "f": 0.51}, {"name": "TF", "set": "warped", "f": 0.1}]
    scores.write_text(json.dumps({"rows": rows}))
    assert export.export(tmp_path, scores=scores, folder=tmp_path) == ["beats-tcn"]
    entry = json.loads((tmp_path / "registry.json").read_text())["beats-tcn"]
    assert entry["recipe"] == (
        "python -m kinebeat.beats.train --data CORPUS --model tcn --out runs/tcn-SEED --seed SEED"
        " --steps 1 --batch 2 --rate 0.001 --without negative --minutes 5"
    )
    assert "without a beat" not in entry["data"]
    assert [row.get("f") for row in entry["scores"][1:]] == [0.51]
    assert (tmp_path / "beats-tcn.seed1.onnx").is_file()
    with pytest.raises(InputError, match="NAME-SEED"):
        export.export(tmp_path / "tcn-1", folder=tmp_path)
