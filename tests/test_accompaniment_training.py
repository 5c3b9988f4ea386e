"""Batches, training and export of the accompaniment, with music that is made up and networks that are tiny."""

import itertools
import json
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs torch, the [train] extra")
pytest.importorskip("onnx", reason="needs onnx, the [train] extra")

from kinebeat.accompaniment import train as training  # noqa: E402
from kinebeat.accompaniment.batches import (  # noqa: E402
    NOTHING,
    POOL,
    Batches,
    Drawing,
    Piece,
    SegmentPieces,
    crop,
    crops,
    evenly,
    piece_of,
    random_crop,
    side_by_side,
    varied,
    whole,
)
from kinebeat.accompaniment.corpus import Segment, load_segments, save_segments  # noqa: E402
from kinebeat.accompaniment.export import export, model_parts  # noqa: E402
from kinebeat.accompaniment.export import main as export_main  # noqa: E402
from kinebeat.accompaniment.model import AccompanimentModel, Kept  # noqa: E402
from kinebeat.accompaniment.network import AccompanimentNet, NetConfig  # noqa: E402
from kinebeat.accompaniment.parts import (  # noqa: E402
    POSITIONS_PER_BAR,
    SEGMENT_BARS,
    Chords,
    drums_from_hits,
    part_from_notes,
)
from kinebeat.accompaniment.tokens import Stream, decode_drums, decode_part, without_hits  # noqa: E402
from kinebeat.accompaniment.vocabulary import DECODER, ENCODER, NO_NOTES  # noqa: E402
from kinebeat.errors import InputError, OptionError  # noqa: E402
from kinebeat.training import Session  # noqa: E402

TINY = NetConfig(
    len(ENCODER), len(DECODER), width=16, heads=2, encoder_layers=1, decoder_layers=2, memory=24, dropout=0.0
)
DRAWING = Drawing(batch=3, tokens=120)
RECIPE = training.Recipe(
    steps=6, warmup_steps=2, validate_every=3, drawing=DRAWING, validation_pieces=3, unigram_pieces=5, rate=3e-3
)


def segment(seed):
    """Sixteen bars of a part that plays with the drums, with an empty bar among them."""
    rng = np.random.default_rng(seed)
    onset = np.concatenate([b * POSITIONS_PER_BAR + 6 * rng.choice(8, 3, replace=False) for b in range(16) if b != 5])
    pitch = rng.integers(40, 80, len(onset))
    hits = np.arange(0, SEGMENT_BARS * POSITIONS_PER_BAR, 12)
    return Segment(
        part_from_notes(SEGMENT_BARS, onset, np.full(len(onset), 6), pitch, rng.integers(40, 120, len(onset))),
        drums_from_hits(SEGMENT_BARS, hits, np.arange(len(hits)) % 2, np.full(len(hits), 100)),
        Chords(np.repeat(rng.integers(0, 12, 8), 4)),
        int(rng.integers(24)),
        float(rng.uniform(70, 180)),
        "guitar" if seed % 2 else "piano",
        f"file{seed}",
        f"song{seed}",
        0,
    )


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    for split, seeds in (("train", range(8)), ("validation", range(8, 12))):
        save_segments([segment(seed) for seed in seeds], folder / f"{split}.npz")
    return folder


@pytest.fixture(scope="module")
def pieces(corpus):
    return SegmentPieces(load_segments(corpus, "train"))


def same(one: Piece, other: Piece):
    return all(
        np.array_equal(getattr(getattr(one, side), name), getattr(getattr(other, side), name))
        for side in ("drums", "music")
        for name in ("tokens", "when", "bar")
    )


def equal_batches(one, other):
    return all(np.array_equal(a, b) for a, b in zip(vars(one).values(), vars(other).values(), strict=True))


def test_pieces_say_what_the_segments_hold(pieces):
    for number in range(len(pieces)):
        part, chords, _ = decode_part(pieces[number].music.tokens)
        made = segment(number)
        np.testing.assert_array_equal(part.onset, made.part.onset)
        np.testing.assert_array_equal(chords.symbols, made.chords.symbols)
        drums, controls = decode_drums(pieces[number].drums.tokens)
        np.testing.assert_array_equal(drums.onset, made.drums.onset)
        assert (controls.instrument, controls.key) == (made.instrument, made.key)
        assert controls.notes[5] == 0
        assert NO_NOTES not in controls.notes


def test_a_piece_without_hits_keeps_its_headers(pieces):
    silent = piece_of(segment(0), hits=False)
    assert (silent.drums.when == 0).all()
    np.testing.assert_array_equal(silent.drums.tokens, without_hits(pieces[0].drums).tokens)
    np.testing.assert_array_equal(silent.music.tokens, pieces[0].music.tokens)


def test_crops_are_whole_bars_and_together_the_whole(pieces):
    piece = pieces[0]
    parts = list(crops(piece, 60))
    assert len(parts) > 3
    assert all(len(part.music) <= 60 for part in parts)
    np.testing.assert_array_equal(np.concatenate([part.music.tokens for part in parts]), piece.music.tokens)
    np.testing.assert_array_equal(np.concatenate([part.drums.tokens for part in parts]), piece.drums.tokens)
    for part in parts:
        assert part.music.tokens[0] == DECODER.first["Bar"]
        assert part.music.bar[0] == part.drums.bar[0] == 0
        assert part.music.bar[-1] == part.drums.bar[-1]
    # One more bar would not have fitted.
    assert all(len(a.music) + np.sum(b.music.bar == 0) > 60 for a, b in itertools.pairwise(parts))


def test_a_bar_that_is_too_long_is_cut_off(pieces):
    part, after = crop(pieces[0], 2, 5)
    assert len(part.music) == 5
    assert after == 3
    assert len(list(crops(pieces[0], 5))) == SEGMENT_BARS


def test_random_crops_are_full_and_reach_both_ends(pieces):
    rng = np.random.default_rng(0)
    longest = max(np.bincount(pieces[0].music.bar))
    found = [random_crop(pieces[0], 100, rng) for _ in range(200)]
    assert min(len(part.music) for part in found) > 100 - longest
    ends = [decode_part(part.music.tokens)[0].pitch[-1] for part in found]
    assert decode_part(pieces[0].music.tokens)[0].pitch[-1] in ends
    assert any(same(part, crop(pieces[0], 0, 100)[0]) for part in found)
    assert same(random_crop(pieces[0], 10_000, rng), pieces[0])


def test_variations_move_both_sides_alike(pieces):
    rng, original = np.random.default_rng(1), pieces[2]
    before = decode_part(original.music.tokens)[0].pitch
    key = decode_drums(original.drums.tokens)[1].key
    moves, silent = set(), set()
    for _ in range(60):
        piece = varied(original, Drawing(no_key=0.3, no_notes=0.3), rng)
        moved = decode_part(piece.music.tokens)[0].pitch - before
        assert len(set(moved.tolist())) == 1
        moves.add(int(moved[0]))
        controls = decode_drums(piece.drums.tokens)[1]
        said = ENCODER.are(piece.drums.tokens, "Key") & (piece.drums.tokens != ENCODER.span("Key").stop - 1)
        if said.any():
            assert controls.key % 12 == (key + moved[0]) % 12
            assert controls.key // 12 == key // 12
        silent.add((bool(said.any()), NO_NOTES in controls.notes))
        np.testing.assert_array_equal(piece.drums.when, original.drums.when)
    assert moves == set(range(-6, 7))
    assert silent == {(a, b) for a in (True, False) for b in (True, False)}
    still = varied(original, Drawing(semitones=0, tempo_bins=0, no_key=0, no_notes=0), rng)
    assert same(still, original)


def test_batches_are_padded_and_ask_for_the_next_token(pieces):
    parts = [crop(pieces[i], 0, n)[0] for i, n in ((0, 60), (1, 100))]
    batch = side_by_side(parts)
    for row, part in enumerate(parts):
        size = len(part.music)
        np.testing.assert_array_equal(batch.decoder_tokens[row, :size], part.music.tokens)
        np.testing.assert_array_equal(batch.target[row, : size - 1], part.music.tokens[1:])
        assert (batch.target[row, size - 1 :] == NOTHING).all()
        assert (batch.decoder_bar[row, size:] == NOTHING).all()
        assert (batch.encoder_bar[row, len(part.drums) :] == NOTHING).all()
    assert len(batch.inputs) == 6


def test_a_batch_is_a_function_of_seed_and_step(pieces):
    through = Batches(pieces, DRAWING, seed=3)
    drawn = [through(step) for step in range(POOL + 2)]
    jumped = Batches(pieces, DRAWING, seed=3)(POOL + 1)
    assert equal_batches(drawn[POOL + 1], jumped)
    assert equal_batches(through(2), drawn[2])
    assert not equal_batches(Batches(pieces, DRAWING, seed=4)(2), drawn[2])
    assert not equal_batches(drawn[0], drawn[1])


def test_every_piece_is_drawn_once_before_any_is_drawn_again(pieces):
    asked = []

    class Watched:
        def __len__(self):
            return len(pieces)

        def __getitem__(self, number):
            asked.append(number)
            return pieces[number]

    Batches(Watched(), DRAWING, seed=0)(0)
    assert sorted(asked[:8]) == sorted(asked[8:16]) == list(range(8))
    assert asked[:8] != asked[8:16]


def test_validation_holds_every_token_of_its_pieces(pieces):
    batches = whole(pieces, 60, 4, most=3)
    assert evenly(pieces, 3)[0] == 0
    assert evenly(pieces, 3)[-1] == 7
    expected = sum(len(pieces[i].music) for i in evenly(pieces, 3))
    assert sum((batch.decoder_bar >= 0).sum() for batch in batches) == expected
    assert all(equal_batches(a, b) for a, b in zip(batches, whole(pieces, 60, 4, most=3), strict=True))


def test_figures_are_means_over_the_tokens_asked_for(pieces):
    batches = whole(pieces, 60, 4, most=8)
    tally = training.Tally.empty()
    for batch in batches:
        kind = DECODER.kind[np.maximum(batch.target, 0)]
        tally.add(batch, np.where(kind == DECODER.kinds.index("Pitch"), 3.0, 1.0))
    figures = tally.figures()
    notes = sum(len(segment(i).part.onset) for i in range(8))
    tokens = sum(int((batch.target >= 0).sum()) for batch in batches)
    assert figures["nll_pitch"] == 3.0
    assert figures["nll_duration"] == figures["nll_chord"] == 1.0
    assert figures["nll"] == pytest.approx((tokens + 2 * notes) / tokens)
    assert figures["nll_per_note"] == pytest.approx((tokens + 2 * notes) / notes)
    assert {"nll_piano", "nll_guitar", "nll_per_note_guitar"} <= set(figures)
    assert training.Tally.empty().figures() == {}


def test_unigram_knows_how_often_each_token_is_played(pieces):
    batches = whole(pieces, 10_000, 8, most=8)
    figures = training.unigram(pieces, 8, batches)
    tokens = np.concatenate([pieces[i].music.tokens for i in range(8)])
    counts = np.bincount(tokens, minlength=len(DECODER)) + 1.0
    asked = np.concatenate([pieces[i].music.tokens[1:] for i in range(8)])
    assert figures["unigram"] == pytest.approx(-np.log(counts / counts.sum())[asked].mean())
    assert figures["unigram_pitch"] > figures["unigram_bar"]


def run(corpus, out, variant="full", resume=False, steps=6):
    return training.train(
        corpus, variant, Session(out, device="cpu", resume=resume), recipe=replace(RECIPE, steps=steps), config=TINY
    )


def test_training_learns_and_goes_on_as_if_never_stopped(corpus, tmp_path, monkeypatch):
    figures = run(corpus, tmp_path / "whole")
    records = [json.loads(line) for line in (tmp_path / "whole" / "log.jsonl").read_text().splitlines()]
    assert [record["step"] for record in records] == [3, 6]
    assert records[1]["nll"] < records[0]["nll"]
    assert figures["unigram"] == records[1]["unigram"]
    # Stopped after three steps of the same schedule.
    monkeypatch.setattr("kinebeat.training.CHECKPOINT_EVERY_S", -1.0)
    real = training.loss_of_batch
    seen = []

    def stopping(net, batch, *, half=False):
        if len(seen) == 3:
            raise KeyboardInterrupt
        seen.append(batch)
        return real(net, batch, half=half)

    monkeypatch.setattr(training, "loss_of_batch", stopping)
    with pytest.raises(KeyboardInterrupt):
        run(corpus, tmp_path / "parts")
    monkeypatch.setattr(training, "loss_of_batch", real)
    assert run(corpus, tmp_path / "parts", resume=True) == figures


@pytest.mark.parametrize("variant", ["no-memory", "unconditional"])
def test_variants_are_kept_with_what_they_are_told(corpus, tmp_path, variant):
    run(corpus, tmp_path, variant, steps=3)
    net, kept = training.load_best(tmp_path)
    assert kept["variant"] == variant
    assert net.config.memory == (0 if variant == "no-memory" else TINY.memory)
    assert not net.training


def test_unknown_variants_and_missing_corpora_are_refused(corpus, tmp_path):
    with pytest.raises(OptionError, match="no variant 'half'"):
        training.train(corpus, "half", Session(tmp_path))
    with pytest.raises(OptionError, match="no shape 'huge'"):
        training.train(corpus, "full", Session(tmp_path), shape="huge")
    with pytest.raises(InputError):
        training.train(tmp_path, "full", Session(tmp_path))
    with pytest.raises(InputError, match="found none"):
        training.load_best(tmp_path)


def test_command_line_trains(corpus, tmp_path, monkeypatch):
    monkeypatch.setitem(training.RECIPES, "small", RECIPE)
    monkeypatch.setitem(training.SHAPES, "small", TINY)
    asked = "--variant full --steps 2 --batch 2 --rate 0.01 --device cpu --half"
    training.main(["--data", str(corpus), "--out", str(tmp_path / "run"), *asked.split()])
    _, kept = training.load_best(tmp_path / "run")
    assert (kept["step"], kept["recipe"]["rate"], kept["recipe"]["drawing"]["batch"]) == (2, 0.01, 2)
    export_main(["--run", str(tmp_path / "run"), "--folder", str(tmp_path)])
    assert "--steps 2 --rate 0.01 --batch 2 --half`" in (tmp_path / "accompaniment.md").read_text()


# --- the exported model ---


def made(config):
    """A network with random numbers, and the same exported."""
    torch.manual_seed(0)
    net = AccompanimentNet(config).eval()
    for value in net.parameters():
        # As rounded as what is shipped.
        value.data = (value + 0.2 * torch.randn_like(value)).half().float()
    return net, AccompanimentModel(model_parts(net, bar_tokens=64))


@pytest.fixture(scope="module")
def exported():
    return made(TINY)


@pytest.fixture(scope="module")
def forgetful():
    return made(replace(TINY, memory=0))


def of_bar(stream, bar):
    part = stream.bar == bar
    return Stream(stream.tokens[part], stream.when[part], stream.bar[part])


def whole_logits(net, piece):
    with torch.no_grad():
        return net(*[torch.as_tensor(x) for x in side_by_side([piece]).inputs])[0].numpy()


@pytest.mark.parametrize("chunk", [1, 4])
def test_exported_model_steps_to_the_logits_of_the_whole(exported, pieces, chunk):
    net, model = exported
    piece = crop(pieces[0], 0, 150)[0]
    state, found, longest = None, [], 0
    for bar in range(int(piece.music.bar[-1]) + 1):
        state = model.begin_bar([of_bar(piece.drums, bar)], state)
        tokens = of_bar(piece.music, bar).tokens.astype(np.int64)[None]
        for start in range(0, tokens.shape[1], chunk):
            logits, state = model.step(tokens[:, start : start + chunk], state)
            found.append(logits[0])
        longest = max(longest, len(state.memory) + 1)
        assert state.played == tokens.shape[1]
    assert longest == TINY.memory  # it was trimmed
    np.testing.assert_allclose(np.concatenate(found), whole_logits(net, piece), atol=5e-3)


@pytest.mark.parametrize("which", ["exported", "forgetful"])
def test_pieces_go_side_by_side_as_if_alone(request, which, pieces):
    net, model = request.getfixturevalue(which)
    parts = [crop(pieces[0], 0, 90)[0], crop(pieces[3], 4, 90)[0], crop(pieces[4], 1, 90)[0]]
    bars = min(int(part.music.bar[-1]) for part in parts) + 1
    state, played = None, None
    found = [[] for _ in parts]
    for bar in range(bars):
        state = model.begin_bar([of_bar(part.drums, bar) for part in parts], state, played)
        rows = [of_bar(part.music, bar).tokens for part in parts]
        played = np.array([len(row) for row in rows])
        tokens = np.zeros((len(rows), played.max()), np.int64)
        for i, row in enumerate(rows):
            tokens[i, : len(row)] = row
        logits, state = model.step(tokens, state)
        for i, count in enumerate(played):
            found[i].append(logits[i, :count])
    for part, ours in zip(parts, found, strict=True):
        ours = np.concatenate(ours)
        np.testing.assert_allclose(ours, whole_logits(net, part)[: len(ours)], atol=5e-3)


def test_a_state_can_be_gone_on_from_twice(exported, pieces):
    _, model = exported
    state = model.begin_bar([of_bar(pieces[0].drums, 0)])
    first, after = model.step(np.array([[1]]), state)
    again, _ = model.step(np.array([[1]]), state)
    np.testing.assert_array_equal(first, again)
    assert (state.played, after.played) == (0, 1)


def test_what_is_kept_is_the_last_of_each_piece():
    keys = np.arange(6, dtype=np.float32).reshape(1, 1, 1, 6, 1).repeat(2, 2)
    there = np.array([[1, 0, 1, 1, 0, 0], [0, 1, 1, 0, 1, 1]], bool)
    last = Kept(keys, -keys, there).last(3)
    assert last.there.all()
    np.testing.assert_array_equal(last.keys[0, 0, :, :, 0], [[0, 2, 3], [2, 4, 5]])
    np.testing.assert_array_equal(last.values, -last.keys)
    longer = Kept(keys, -keys, there).last(9)
    np.testing.assert_array_equal(longer.there, [[False, True, True, True], [True] * 4])
    assert not Kept(keys, keys, there).last(0).there.any()
    assert not Kept.nothing(1, 1, 2, 1).last(5).there.any()
    gap = np.array([[0, 0, 0, 1, 0, 1], [0, 0, 1, 1, 1, 1]], bool)
    closed = Kept(keys, -keys, gap).last(4)
    np.testing.assert_array_equal(closed.there, [[False, False, True, True], [True] * 4])
    np.testing.assert_array_equal(closed.keys[0, 0, 0, 2:, 0], [3, 5])


def test_too_much_is_refused(exported, pieces):
    _, model = exported
    bar = of_bar(pieces[0].drums, 0)
    state = model.begin_bar([bar])
    with pytest.raises(ValueError, match="65 tokens: expected 64"):
        model.step(np.ones((1, 65), np.int64), state)
    with pytest.raises(ValueError, match="drums for 2 pieces: expected 1"):
        model.begin_bar([bar, bar], state)
    long = Stream(*(np.zeros(70, np.int16) for _ in range(3)))
    with pytest.raises(ValueError, match="70 tokens: expected 64"):
        model.begin_bar([long])


def test_export_writes_weights_registry_and_card(corpus, tmp_path):
    run(corpus, tmp_path / "run", steps=3)
    names = ["dataset", "Kinebeat", "Kinebeat, no memory", "Kinebeat, as in the product", "Kinebeat"]
    (tmp_path / "scores.json").write_text(json.dumps({"rows": [{"name": name, "nll": 1.0} for name in names]}))
    export(tmp_path / "run", name="accompaniment", folder=tmp_path, scores=tmp_path / "scores.json")
    export(tmp_path / "run", name="accompaniment-no-memory", folder=tmp_path, scores=tmp_path / "scores.json")
    entries = json.loads((tmp_path / "registry.json").read_text())
    assert [row["name"] for row in entries["accompaniment-no-memory"]["scores"][2:]] == ["Kinebeat, no memory"]
    entry = entries["accompaniment"]
    assert entry["constants"]["memory"] == TINY.memory
    own = ["Kinebeat", "Kinebeat, as in the product", "Kinebeat"]
    assert [score["name"] for score in entry["scores"]] == ["validation", "validation, unigram", *own]
    assert entry["scores"][1]["nll"] == pytest.approx(entry["scores"][0]["nll"], rel=0.5)  # it has hardly learned
    assert "--variant full" in entry["recipe"]
    card = (tmp_path / "accompaniment.md").read_text()
    assert "| pitch |" in card
    assert "into its training" not in card
    assert entry["sha256"]["decoder"] in card
    parts = {part: np.fromfile(tmp_path / f"accompaniment.{part}.onnx", np.uint8) for part in entry["sha256"]}
    model = AccompanimentModel({**parts, **{k: np.array(v) for k, v in entry["constants"].items()}})
    state = model.begin_bar([of_bar(piece_of(segment(1)).drums, 0)])
    assert model.step(np.array([[DECODER.first["Bar"]]]), state)[0].shape == (1, 1, len(DECODER))


def test_a_card_says_when_a_training_was_cut_short(corpus, tmp_path):
    run(corpus, tmp_path / "run", steps=3)
    best = torch.load(tmp_path / "run" / "best.pt", weights_only=True)
    torch.save(best | {"recipe": best["recipe"] | {"steps": 10}}, tmp_path / "run" / "best.pt")
    export(tmp_path / "run", name="accompaniment", folder=tmp_path)
    assert "Taken 30 % into its training" in (tmp_path / "accompaniment.md").read_text()
