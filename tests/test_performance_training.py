"""The performance network learns, is told nothing it should not know, and plays the same when it is exported."""

import json
from dataclasses import replace

import numpy as np
import pytest

from kinebeat.errors import InputError, OptionError
from kinebeat.evaluation.note_metrics import matched
from kinebeat.performance import batches
from kinebeat.performance.batches import NOTHING, Batches, Drawing, rolls, side_by_side, varied
from kinebeat.performance.beam import likeliest
from kinebeat.performance.corpus import Piece, read_pieces, write_pieces
from kinebeat.performance.events import WORDS, Limits, after, allowed, decode, first_state
from kinebeat.performance.features import CLIP_FRAMES, FPS
from kinebeat.performance.notes import Notes
from kinebeat.performance.piano_keys import CENTRE_U, LOWEST_PITCH
from pianists import RIGHT_INDEX_TIP, one_finger, random_notes

torch = pytest.importorskip("torch", reason="training needs the extra 'train'")

from kinebeat.performance import export, network, train  # noqa: E402
from kinebeat.performance.model import START, PerformanceModel  # noqa: E402
from kinebeat.performance.network import NetConfig, PerformanceNet, on_keys  # noqa: E402
from kinebeat.performance.picking import Picking  # noqa: E402
from kinebeat.performance.player import Player  # noqa: E402
from kinebeat.training import Session  # noqa: E402
from kinebeat.weights import load  # noqa: E402

TINY = NetConfig(graph_layers=3, node_width=16, width=32, feed=48, heads=2, layers=2, dropout=0.0)
PLAIN = Drawing(batch=4, turn=0, scale=0, shift=0, jitter=0, lost=0, mirror=0)


@pytest.fixture(scope="module")
def pieces():
    return [one_finger(random_notes(seed), seed=seed) for seed in range(4)]


def bodies(count=2, seconds=8.0):
    """Players of a violin whose joints tremble; the notes have nothing to do with it."""
    made = []
    for seed in range(count):
        rng = np.random.default_rng(seed)
        joints = rng.normal(0, 60, (1, 67, 2)) + rng.normal(0, 2, (int(seconds * FPS), 67, 2))
        made.append(Piece(joints.astype(np.float32), random_notes(seed, seconds), "violin", False, f"violin {seed}"))
    return made


# What is learned from


def test_pieces_come_back_from_their_file(pieces, tmp_path):
    write_pieces(tmp_path / "train.npz", pieces)
    for one, kept in zip(pieces, read_pieces(tmp_path / "train.npz"), strict=True):
        np.testing.assert_array_equal(one.joints, kept.joints)
        np.testing.assert_array_equal(one.notes.onset_s, kept.notes.onset_s)
        np.testing.assert_array_equal(one.notes.pitch, kept.notes.pitch)
        assert (one.instrument, one.real, one.name, one.keys) == (kept.instrument, kept.real, kept.name, True)


def test_a_file_that_holds_no_pieces_is_named(tmp_path):
    with pytest.raises(InputError, match="no such corpus"):
        read_pieces(tmp_path / "none.npz")
    (tmp_path / "bad.npz").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"bad\.npz"):
        read_pieces(tmp_path / "bad.npz")


def test_rolls_are_highest_at_onsets_and_held_until_the_end():
    struck, held = rolls(Notes.of([1.0], [1.5], [60], 76), 90)
    assert struck[:, 60 - 21].argmax() == 30
    assert struck.sum() == pytest.approx(struck[:, 60 - 21].sum())
    np.testing.assert_array_equal(np.flatnonzero(held[:, 60 - 21]), np.arange(30, 45))


def test_a_batch_says_the_notes_of_its_clips(pieces):
    batch = side_by_side([batches.clip_of(pieces[0], 60, None, np.random.default_rng(0))], ["piano"])
    said = batch.words[0][1 : 1 + int((batch.target[0] != NOTHING).sum())]
    assert batch.words[0, 0] == START == WORDS
    np.testing.assert_array_equal(batch.target[0][: len(said)], said)
    notes = decode(said, 6.0)
    truth = batches.cut(pieces[0].notes, 2.0)
    np.testing.assert_array_equal(notes.pitch, truth.pitch)
    np.testing.assert_allclose(notes.onset_s, np.maximum(truth.onset_s, 0), atol=0.006)
    # The time given with each word is that of the word after it.
    assert batch.seconds[0, 0] == 0
    assert batch.seconds[0].max() <= 6.0
    assert (np.diff(batch.seconds[0]) >= 0).all()


def test_the_same_seed_draws_the_same_batches(pieces):
    one, again, other = (Batches(pieces, Drawing(batch=3), seed)(7) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.nodes, again.nodes)
    np.testing.assert_array_equal(one.words, again.words)
    assert not np.array_equal(one.nodes, other.nodes)


def test_a_mirror_keeps_the_finger_on_its_key():
    piece = one_finger(random_notes(3))
    joints, notes = batches.mirrored(piece.joints, piece.notes)
    frames = np.round(notes.onset_s * FPS).astype(int)
    left_index_tip = RIGHT_INDEX_TIP - 21
    away = joints[frames, left_index_tip, 0] - CENTRE_U[notes.pitch - LOWEST_PITCH]
    assert np.abs(away).max() < 0.75
    assert np.isnan(joints[:, 21:]).all()
    back, again = batches.mirrored(joints, notes)
    np.testing.assert_allclose(back, piece.joints, atol=1e-4)
    np.testing.assert_array_equal(again.pitch, piece.notes.pitch)


def test_variation_moves_little_and_loses_some():
    piece = one_finger(random_notes(3))
    clip = piece.joints[:CLIP_FRAMES]
    rng = np.random.default_rng(0)
    moved, notes = varied(clip, piece.notes, replace(Drawing(), mirror=0, lost=0), rng)
    assert 0.01 < np.nanmedian(np.abs(moved - clip)) < 1.0
    np.testing.assert_array_equal(notes.pitch, piece.notes.pitch)
    same, _ = varied(clip, piece.notes, PLAIN, rng)
    np.testing.assert_allclose(same, clip, atol=1e-5)
    lost, _ = varied(clip, piece.notes, replace(PLAIN, lost=1.0), rng)
    assert np.isnan(lost[:, 21:]).any()
    body = bodies(1)[0].joints[:CLIP_FRAMES]
    turned, _ = varied(body, piece.notes, replace(PLAIN, turn=0.1, scale=0.1), rng)
    assert not np.allclose(turned, body, atol=1.0)
    assert np.isfinite(turned).all()


# The network


def test_two_fingers_that_leave_a_key_alone_are_multiplied():
    logits = torch.full((1, 1, 2, 2, 2), network.NOTHING)
    keys = torch.tensor([[[[10, 11], [10, 12]]]])
    logits[0, 0, 0, 0, 0] = 0.0
    logits[0, 0, 1, 0, 0] = 1.0
    alone = on_keys(logits, keys)
    expected = np.log(0.5) + np.log(1 - 1 / (1 + np.exp(-1.0)))
    assert float(alone[0, 0, 10, 0]) == pytest.approx(expected, abs=1e-5)
    assert float(alone[..., 1].abs().max()) < 1e-5
    assert float(alone[0, 0, 11:, 0].abs().max()) < 1e-5


def test_an_octave_higher_the_same_hands_strike_an_octave_higher(pieces):
    torch.manual_seed(0)
    net = PerformanceNet(TINY).eval()
    clip = Piece(pieces[0].joints[:90], pieces[0].notes, "piano", True, "")
    higher = Piece(clip.joints + np.array([7.0, 0.0], np.float32), clip.notes, "piano", True, "")
    with torch.no_grad():
        low, high = (
            1 - net.look(torch.as_tensor(f.nodes)[None], torch.as_tensor(f.tips)[None], torch.tensor([0]))[1].exp()
            for f in (clip.features(), higher.features())
        )
    np.testing.assert_allclose(low[0, :, :-12], high[0, :, 12:], atol=1e-4)
    assert low.max() > 1e-3


def test_words_know_only_what_was_said_before_them(pieces):
    torch.manual_seed(0)
    batch = side_by_side([batches.clip_of(pieces[0], 0, None, np.random.default_rng(0))], ["piano"])
    for config in (TINY, replace(TINY, recurrent=True)):
        net = PerformanceNet(config).eval()
        words, seconds = torch.as_tensor(batch.words), torch.as_tensor(batch.seconds)
        memory = torch.randn(1, CLIP_FRAMES, config.width)
        other = words.clone()
        other[:, 9:] = 5
        with torch.no_grad():
            a, b = net.say(words, seconds, memory), net.say(other, seconds, memory)
        np.testing.assert_allclose(a[:, :9], b[:, :9], atol=1e-5)
        assert not torch.allclose(a[:, 9:], b[:, 9:])


def test_without_hands_the_hands_change_nothing():
    torch.manual_seed(0)
    net = PerformanceNet(replace(TINY, keys=False, hands=False)).eval()
    features = bodies(1)[0].features(slice(0, 60))
    nodes = torch.as_tensor(features.nodes)[None]
    other = nodes.clone()
    other[:, :, 25:] = 3.0
    tips = torch.zeros(1, 60, 0, 2)
    with torch.no_grad():
        violin = torch.tensor([1])
        a, alone = net.look(nodes, tips, violin)
        b, again = net.look(other, tips, violin)
        other[:, :, 3] = 3.0
        c, _ = net.look(other, tips, violin)
    np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(alone, again)
    assert not torch.allclose(b, c)


def test_only_what_an_instrument_has_is_struck():
    torch.manual_seed(0)
    net = PerformanceNet(replace(TINY, keys=False)).eval()
    nodes = torch.as_tensor(np.stack([bodies(1)[0].features(slice(0, 30)).nodes] * 2))
    with torch.no_grad():
        _, alone = net.look(nodes, torch.zeros(2, 30, 0, 2), torch.tensor([1, 8]))
    done = (1 - alone.exp()).amax((1, 3)).numpy()
    for row, (lowest, highest) in enumerate(((55, 100), (28, 58))):  # violin, tuba
        inside = np.zeros(88, bool)
        inside[lowest - LOWEST_PITCH : highest - LOWEST_PITCH + 1] = True
        assert (done[row][inside] > 0).all()
        assert (done[row][~inside] == 0).all()


def test_a_body_that_stands_elsewhere_is_read_alike():
    torch.manual_seed(0)
    encoder = network.Encoder(replace(TINY, keys=False)).train()
    nodes = torch.as_tensor(bodies(1)[0].features(slice(0, 60)).nodes)[None]
    with torch.no_grad():
        _, here = encoder(nodes)
        moved = nodes.clone()
        moved[..., [0, 1, 4, 6]] += 0.4
        _, there = encoder(moved)
    assert here.shape == (1, 60, 67, 11)
    np.testing.assert_allclose(here[..., 7:], there[..., 7:], atol=1e-3)


# Training and playing


@pytest.fixture(scope="module")
def trained(pieces, tmp_path_factory):
    folder = tmp_path_factory.mktemp("performance")
    write_pieces(folder / "train.npz", pieces[:3])
    write_pieces(folder / "validation.npz", pieces[3:])
    recipe = replace(train.Recipe(), steps=150, rate=5e-3, warmup_steps=5, validate_every=150, drawing=PLAIN)
    data = [folder / "train.npz", folder / "validation.npz"]
    figures = train.train(data, Session(folder / "run"), recipe=recipe, config=TINY)
    return folder, figures


def test_a_finger_that_dips_is_learned(trained):
    _, figures = trained
    assert figures["val_struck"] < 0.5
    assert figures["val_words"] < 4.0
    assert np.log(240) > figures["val_words"] + 1


def test_what_is_exported_plays_as_the_network_does(trained, pieces):
    folder, _ = trained
    net, _ = train.load_best(folder / "run")
    model = PerformanceModel(export.model_parts(net, Picking(0.3)))
    features = pieces[3].features(slice(0, 120))
    seen = model.look(features, "piano")
    words, seconds = np.array([[START, 3, 200, 210]]), np.array([[0, 0, 0, 1.0]], np.float32)
    with torch.no_grad():
        piano = torch.zeros(1, dtype=torch.long)
        vectors, alone = net.look(torch.as_tensor(features.nodes)[None], torch.as_tensor(features.tips)[None], piano)
        memory = net.remember(vectors, alone, piano)
        expected = net.say(torch.as_tensor(words), torch.as_tensor(seconds), memory)[0].numpy()
    np.testing.assert_allclose(seen.struck, (1 - alone.exp())[0, ..., 0], atol=5e-3)
    past = model.begin(1)
    for place in range(4):
        logits, past = model.say(words[:, place], seconds[:, place], seen, past)
        np.testing.assert_allclose(logits[0], expected[place], atol=0.05)
    # Two hypotheses do not disturb each other.
    both, _ = model.say(np.array([START, START]), np.zeros(2), seen, model.begin(2))
    np.testing.assert_allclose(both[0], both[1], atol=1e-5)


def test_the_words_that_are_found_are_allowed_and_end_with_the_clip(trained, pieces):
    folder, _ = trained
    net, _ = train.load_best(folder / "run")
    model = PerformanceModel(export.model_parts(net, Picking(0.3)))
    seen = model.look(pieces[3].features(slice(0, 90)), "piano")
    limits = Limits(300, 21, 108, 10)
    words = likeliest(model, seen, limits, beam=3)
    state = first_state()
    for word in words.tolist():
        assert allowed(state, limits)[word]
        state = after(state, word)
    assert state.tick == 300


def test_a_player_hears_the_dips(trained, pieces):
    folder, _ = trained
    net, _ = train.load_best(folder / "run")
    model = PerformanceModel(export.model_parts(net, Picking(0.3)))
    shares = []
    notes = Player(model).hear(pieces[3].features(), "piano", progress=shares.append)
    assert shares[-1] == 1.0
    there, found = len(pieces[3].notes), len(notes)
    hits, shuffled = (
        matched(piece.notes.onset_s, piece.notes.pitch, notes.onset_s, notes.pitch) for piece in (pieces[3], pieces[2])
    )
    assert hits > 0.4 * there
    assert hits > 2 * shuffled
    assert found < 3 * there
    said = Player(model, words=True, beam=2).hear(pieces[3].features(slice(0, 200)), "piano")
    assert ((said.pitch >= 21) & (said.pitch <= 108) & (said.offset_s <= 200 / FPS + 0.01)).all()
    assert len(Player(model).hear(pieces[3].features(slice(0, 3)), "piano")) == 0


@pytest.fixture(scope="module")
def without_keys(tmp_path_factory):
    """Each variant, trained for two steps on violinists and exported."""
    folder = tmp_path_factory.mktemp("others")
    write_pieces(folder / "train.npz", bodies())
    write_pieces(folder / "validation.npz", bodies(1))
    data = [folder / "train.npz", folder / "validation.npz"]
    recipe = replace(train.Recipe(), steps=2, halved=True, words_every=2, drawing=replace(PLAIN, batch=2))
    for variant in train.VARIANTS:
        figures = train.train(data, Session(folder / variant), variant=variant, recipe=recipe, config=TINY)
        assert {"val_struck", "val_held", "val_words", "note_f"} <= set(figures)
        export.export(folder / variant, name=f"performance-{variant}", folder=folder)
    return folder


def test_players_without_keys_are_trained_and_exported_too(without_keys):
    entry = json.loads((without_keys / "registry.json").read_text())["performance-full"]
    assert entry["constants"]["keys"] is False
    assert "films" not in entry["licence"] + entry["data"]
    assert "validation-simulated.npz" in entry["recipe"]
    assert "simulated" in (without_keys / "performance-full.md").read_text()
    model = PerformanceModel(load("performance-full", without_keys))
    model.picking = Picking(0.0, 0.0, 0.0)
    clip = bodies(1)[0].features(slice(0, 100))
    for words in (False, True):
        notes = Player(model, words=words, beam=2).hear(clip, "violin")
        assert len(notes)
        assert ((notes.pitch >= 55) & (notes.pitch <= 100)).all()


@pytest.mark.parametrize("variant", ["full", "gru"])
def test_what_is_exported_without_keys_says_what_the_network_says(without_keys, variant):
    net, _ = train.load_best(without_keys / variant)
    model = PerformanceModel(load(f"performance-{variant}", without_keys))
    features = bodies(1)[0].features(slice(0, 80))
    seen = model.look(features, "cello")
    words, seconds = np.array([[START, 3, 200, 210]]), np.array([[0, 0, 0, 1.0]], np.float32)
    with torch.no_grad():
        cello = torch.tensor([3])
        vectors, alone = net.look(torch.as_tensor(features.nodes)[None], torch.zeros(1, 80, 0, 2), cello)
        memory = net.remember(vectors, alone, cello)
        expected = net.say(torch.as_tensor(words), torch.as_tensor(seconds), memory)[0].numpy()
    np.testing.assert_allclose(seen.struck, (1 - alone.exp())[0, ..., 0], atol=5e-3)
    past = model.begin(2)
    for place in range(4):
        both = np.repeat(words[:, place], 2), np.repeat(seconds[:, place], 2)
        logits, past = model.say(*both, seen, past)
        np.testing.assert_allclose(logits, expected[[place, place]], atol=0.05)


def test_wrong_options_are_named(pieces, tmp_path):
    write_pieces(tmp_path / "train.npz", pieces[:1])
    with pytest.raises(OptionError, match="no variant 'half'"):
        train.train([tmp_path / "train.npz"], Session(tmp_path / "run"), variant="half")
    with pytest.raises(InputError, match="to validate on"):
        train.train([tmp_path / "train.npz"], Session(tmp_path / "run"))


def test_the_papers_schedule_rises_and_falls_with_the_root():
    plan = train.RECIPES["paper"]
    assert plan.rate_at(3999, 0.0) == pytest.approx(7e-4)
    assert plan.rate_at(1999, 0.0) == pytest.approx(3.5e-4)
    assert plan.rate_at(15999, 0.5) == pytest.approx(3.5e-4)
