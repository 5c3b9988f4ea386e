import json
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the [train] extra is not installed")
pytest.importorskip("onnx", reason="the [train] extra is not installed")

from kinebeat import weights  # noqa: E402
from kinebeat.beats import activation, batches, export  # noqa: E402
from kinebeat.beats import train as training  # noqa: E402
from kinebeat.beats.activation import beat_activation  # noqa: E402
from kinebeat.beats.batches import WINDOW, Augmentation  # noqa: E402
from kinebeat.beats.network import JOINTS, SHAPES, SKELETON, BeatNet, NetConfig  # noqa: E402
from kinebeat.errors import InputError, OptionError  # noqa: E402
from kinebeat.motion import motion_from_velocity  # noqa: E402
from kinebeat.training import Session  # noqa: E402

pytestmark = pytest.mark.train
SMALL = NetConfig(channels=(8,) * 10, kernels=(5,) * 10, width=16, tcn_dilations=(1, 2, 4), dropout=0.0)


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
    rng = np.random.default_rng(0)
    velocity, seen = rng.normal(size=(2, 4, JOINTS, 2)).astype(np.float32), rng.random((2, 4, JOINTS)) < 0.8
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
        corpus,
        "stgcn-tf-ssm-rel",
        Session(runs / "product-0", device="cpu", log=lines.append),
        recipe=recipe,
        config=SMALL,
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


def test_half_precision_changes_the_loss_little(corpus):
    torch.manual_seed(0)
    net = BeatNet(replace(SMALL, model="stgcn-tf-ssm-rel")).eval()
    clips = batches.whole(batches.read_corpus(corpus, "validation"))
    with torch.no_grad():
        whole, half = (training.losses(net, clips, 4.0, torch.device("cpu"), half=half)[0] for half in (False, True))
    assert half.dtype == torch.float32
    assert not torch.equal(half, whole)
    assert half == pytest.approx(whole, rel=0.02)


def test_a_resumed_training_ends_as_if_never_stopped(corpus, tmp_path, monkeypatch):
    recipe = training.Recipe(steps=6, batch=2, validate_every=3)
    config = replace(SMALL, dropout=0.1)
    session = Session(tmp_path / "whole", device="cpu")
    whole = training.train(corpus, "stgcn-tf-ssm-rel", session, recipe=recipe, config=config)
    session = replace(session, out=tmp_path / "parts")
    calls = []

    def stop_after_four(*arguments):
        calls.append(1)
        if len(calls) > 4:
            raise KeyboardInterrupt
        return draw(*arguments)

    draw = training.draw
    monkeypatch.setattr(training, "draw", stop_after_four)
    monkeypatch.setattr("kinebeat.training.CHECKPOINT_EVERY_S", -1.0)
    with pytest.raises(KeyboardInterrupt):
        training.train(corpus, "stgcn-tf-ssm-rel", session, recipe=recipe, config=config)
    monkeypatch.setattr(training, "draw", draw)
    session = replace(session, resume=True)
    parts = training.train(corpus, "stgcn-tf-ssm-rel", session, recipe=recipe, config=config)
    assert parts["loss"] == pytest.approx(whole["loss"], rel=1e-6)


def test_the_command_trains_for_the_time_it_is_given(corpus, tmp_path):
    training.main(
        [
            *("--data", str(corpus), "--model", "tf", "--out", str(tmp_path / "run"), "--device", "cpu", "--seed", "3"),
            *("--minutes", "0.01", "--batch", "2", "--without", "choreonet", "--half", "--shape", "narrow"),
        ]
    )
    net, kept = training.load_best(tmp_path / "run")
    assert not net.training
    assert net.config == replace(SHAPES["narrow"], model="tf")
    assert 1 <= kept["step"] < 1000
    told = [kept[name] for name in ("seed", "without", "minutes", "half")]
    assert told == [3, ["choreonet"], 0.01, True]
    assert export.command("beats-tf", kept) == (
        "python -m kinebeat.beats.train --data CORPUS --model tf --shape narrow --out runs/tf-SEED --seed SEED"
        " --batch 2 --without choreonet --minutes 0.01 --half"
    )


def test_the_validation_is_thinned_evenly(corpus):
    clips = batches.whole(batches.read_corpus(corpus, "validation"))
    thin = training._thinned(clips, 3)
    assert np.array_equal(thin.target, clips.target[[0, 7, 14]])
    assert training._thinned(clips, 15) is clips


def test_what_cannot_be_trained_says_so(corpus, tmp_path):
    with pytest.raises(OptionError, match="no model"):
        training.train(corpus, "trumpet", Session(tmp_path))
    with pytest.raises(InputError, match="checkpoint"):
        training.train(corpus, "tf", Session(tmp_path / "none", resume=True, device="cpu"))
    with pytest.raises(InputError, match="weights of a training"):
        training.load_best(tmp_path)


# What is shipped


def test_an_exported_training_is_heard_as_it_was_trained(trained, tmp_path, monkeypatch):
    runs = trained[0]
    scores = tmp_path / "scores.json"
    scores.write_text(json.dumps({"rows": [{"name": "TCN", "set": "warped", "f": 0.5}]}))
    export.main(["--runs", str(runs), "--scores", str(scores), "--folder", str(tmp_path)])
    monkeypatch.setattr(weights, "FOLDER", tmp_path)
    weights.registry.cache_clear()
    activation._session.cache_clear()
    try:
        entry = weights.registry()["beats"]
        assert list(entry.sha256) == ["seed0"]
        assert entry.constants["best"] == "seed0"
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
        seen = np.isfinite(velocity).all(-1)
        both = [(velocity, seen), batches.mirrored(velocity, seen)]
        expected = np.mean(
            [torch.sigmoid(net(torch.as_tensor(v)[None], torch.as_tensor(s)[None]))[0].numpy() for v, s in both], axis=0
        )
    assert expected.std() > 0.1
    assert heard == pytest.approx(expected, abs=2e-3)


def test_of_several_seeds_the_best_on_validation_is_heard(trained, tmp_path):
    for seed, peak_f in enumerate((0.3, 0.8, 0.5)):
        folder = tmp_path / f"product-{seed}"
        folder.mkdir()
        kept = torch.load(trained[0] / "product-0" / "best.pt", weights_only=True)
        torch.save(kept | {"peak_f": peak_f}, folder / "best.pt")
    export.export(tmp_path, folder=tmp_path)
    entry = json.loads((tmp_path / "registry.json").read_text())["beats"]
    assert list(entry["sha256"]) == ["seed0", "seed1", "seed2"]
    assert entry["constants"]["best"] == "seed1"
    assert entry["scores"][0]["f"] == pytest.approx(np.mean([0.3, 0.8, 0.5]), abs=1e-4)
    assert "with `seed1`" in (tmp_path / "beats.md").read_text(encoding="utf-8")


def test_the_recipe_on_the_card_is_the_command_that_was_run(corpus, tmp_path):
    recipe = training.Recipe(steps=1, batch=2, rate=1e-3)
    session = Session(tmp_path / "tcn-1", device="cpu", minutes=5)
    training.train(corpus, "tcn", session, recipe=recipe, config=SMALL, without=["negative"])
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
