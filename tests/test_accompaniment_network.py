"""The accompaniment's network against loops written out by hand, and bar by bar against the whole."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs torch, the [train] extra")

from kinebeat.accompaniment.attention import (  # noqa: E402
    NEVER,
    attend,
    blocks_of,
    cross_sight,
    decoder_sight,
    encoder_sight,
)
from kinebeat.accompaniment.network import SHAPES, AccompanimentNet, NetConfig, sinusoids  # noqa: E402

TINY = NetConfig(20, 30, width=16, heads=2, encoder_layers=2, decoder_layers=2, memory=7, dropout=0.0)
LENGTHS = ((4, 6), (9, 3), (2, 5), (5, 11), (3, 1), (6, 4))
"""Tokens of the drums and of the instrument in each bar."""
MORE = tuple((b + 1, a + 2) for a, b in LENGTHS)


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def made_net(config=TINY, seed=0):
    torch.manual_seed(seed)
    net = AccompanimentNet(config).eval()
    for value in net.parameters():
        value.data += 0.2 * torch.randn_like(value)  # no bias stays at zero
    return net


def piece(lengths=LENGTHS, seed=0, first_bar=0):
    """Random tokens: encoder tokens, when and bar, then the decoder's, each (1, L)."""
    rng = np.random.default_rng(seed)
    sides = []
    for side, words in ((0, TINY.encoder_words), (1, TINY.decoder_words)):
        counts = [n[side] for n in lengths]
        bar = np.repeat(np.arange(len(counts)), counts) + first_bar
        when = np.concatenate([np.sort(rng.integers(0, 49, n)) for n in counts])
        sides += [rng.integers(words, size=len(bar)), when, bar]
    return [torch.as_tensor(x)[None] for x in sides]


def padded(pieces):
    most = [max(p[i].shape[1] for p in pieces) for i in range(6)]

    def to(x, length, value):
        return torch.nn.functional.pad(x, (0, length - x.shape[1]), value=value)

    return [torch.cat([to(p[i], most[i], -1 if i in (2, 5) else 0) for p in pieces]) for i in range(6)]


def seen_by_hand(bars, others, *, memory, causal, cross):
    """The rule in words: who may see whom."""
    table = np.zeros((len(bars), len(others)), bool)
    for i, bar in enumerate(bars):
        for j, other in enumerate(others):
            if cross:
                table[i, j] = bar == other
                continue
            begin = list(bars).index(bar)
            if other == bar:
                table[i, j] = j <= i or not causal
            elif j < begin:
                table[i, j] = begin - j <= memory
    return table


def seen(sight, keys, size):
    """What the blocks let each token see."""
    table = np.zeros((sight.low.shape[1], keys), bool)
    for block in blocks_of(sight, size):
        table[block.rows, block.columns] = block.mask[0].numpy() == 0
    return table


@pytest.mark.parametrize("memory", [0, 1, 7, 100])
@pytest.mark.parametrize("size", [3, 64])
def test_who_sees_whom_is_as_written_out_by_hand(memory, size):
    parts = piece(first_bar=4)
    encoder, decoder = parts[2], parts[5]
    sights = {
        (False, False): (encoder_sight(encoder, memory), encoder, encoder),
        (True, False): (decoder_sight(decoder, memory), decoder, decoder),
        (False, True): (cross_sight(decoder, encoder), decoder, encoder),
    }
    for (causal, cross), (sight, rows, columns) in sights.items():
        by_hand = seen_by_hand(rows[0].tolist(), columns[0].tolist(), memory=memory, causal=causal, cross=cross)
        np.testing.assert_array_equal(seen(sight, columns.shape[1], size), by_hand)


@pytest.mark.parametrize("size", [4, 64])
def test_attention_is_as_written_out_by_hand(size):
    rng = torch.Generator().manual_seed(1)
    bar = piece()[2]
    heads, length, depth = 2, bar.shape[1], 3
    query, placed, keys, values = (torch.randn(heads, 1, length, depth, generator=rng) for _ in range(4))
    blocks = blocks_of(encoder_sight(bar, 5), size)
    near = max(block.ahead for block in blocks)
    table = torch.randn(heads, length + near, depth, generator=rng)
    ours = attend(query, keys, values, blocks, placed, table, length - 1)
    allowed = seen_by_hand(bar[0].tolist(), bar[0].tolist(), memory=5, causal=False, cross=False)
    for h in range(heads):
        for i in range(length):
            visible = np.flatnonzero(allowed[i])
            distances = i - visible
            scores = [
                query[h, 0, i] @ keys[h, 0, j] + placed[h, 0, i] @ table[h, length - 1 - d]
                for j, d in zip(visible, distances, strict=True)
            ]
            by_hand = torch.stack(scores).softmax(0) @ values[h, 0, visible]
            torch.testing.assert_close(ours[h, 0, i], by_hand)


@pytest.mark.parametrize("placing", [True, False])
def test_gradient_of_attention_is_that_of_its_numbers(placing):
    rng = torch.Generator().manual_seed(2)
    bar = torch.tensor([[0, 0, 1, 1, 1, 2], [0, 1, 1, 2, 2, 2]])

    def numbers(*shape):
        return torch.randn(*shape, generator=rng, dtype=torch.float64, requires_grad=True)

    blocks = blocks_of(encoder_sight(bar, 2), 4)
    near = max(block.ahead for block in blocks)
    inputs = [numbers(2, 2, 6, 2) for _ in range(4 if placing else 3)] + [numbers(2, 6 + near, 2)] * placing

    def f(query, keys, values, placed=None, table=None):
        return attend(query, keys, values, blocks, placed, table, 5)

    assert torch.autograd.gradcheck(f, inputs)


def test_distances_ahead_differ_from_those_behind():
    rows = sinusoids(torch.arange(3.0, -4.0, -1.0), 8)
    assert torch.allclose(rows[3, 0::2], torch.zeros(4))
    assert torch.allclose(rows[0, 0::2], -rows[6, 0::2])
    assert torch.allclose(rows[0, 1::2], rows[6, 1::2])


def bar_by_bar(net, parts, chunk):
    """Compute a piece with kept keys and values alone, `chunk` tokens at a time: logits (1, L, W)."""
    config, logits = net.config, []
    far = near = 40
    tables = [[layer.attend.table(far, near).transpose(1, 2) for layer in side] for side in (net.encoder, net.decoder)]
    none = torch.zeros(2, config.heads, 1, 0, config.depth)
    memories = [(none, none), (none, none)]

    def by_layer(pair):
        return list(zip(*pair, strict=True))

    def kept(old, new):
        both = [torch.cat([a, b], 3) for a, b in zip(old, new, strict=True)]
        return tuple(x[..., max(0, x.shape[3] - config.memory) :, :] for x in both)

    for bar in parts[2].unique():
        drums, notes = parts[2][0] == bar, parts[5][0] == bar
        tokens, when = (x[:, drums] for x in parts[:2])
        mask = torch.zeros(1, memories[0][0].shape[3] + tokens.shape[1])
        cross, new = net.encode_bar(tokens, when, mask, by_layer(memories[0]), tables[0], far)
        memories[0] = kept(memories[0], new)
        tokens, when = (x[:, notes] for x in parts[3:5])
        past = memories[1]
        for start in range(0, tokens.shape[1], chunk):
            part = slice(start, start + chunk)
            n, before = tokens[:, part].shape[1], past[0].shape[3]
            mask = torch.full((1, n, before + n), NEVER).triu(before + 1)
            nothing = torch.zeros(1, int(drums.sum()))
            layers = [[pair] for pair in by_layer(past)], by_layer(cross)
            out, new = net.decode(tokens[:, part], when[:, part], mask, *layers, nothing, tables[1], far)
            past = tuple(torch.cat([a, b], 3) for a, b in zip(past, new, strict=True))
            logits.append(out)
        memories[1] = tuple(x[..., max(0, x.shape[3] - config.memory) :, :] for x in past)
    return torch.cat(logits, 1)


@torch.no_grad()
@pytest.mark.parametrize("memory", [0, 7, 100])
@pytest.mark.parametrize("chunk", [1, 3])
def test_bar_by_bar_equals_the_whole(memory, chunk):
    net = made_net(replace(TINY, memory=memory))
    parts = piece()
    torch.testing.assert_close(bar_by_bar(net, parts, chunk), net(*parts), rtol=1e-4, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("block", [5, 64])
def test_later_tokens_and_drums_never_change_earlier_outputs(monkeypatch, block):
    monkeypatch.setattr("kinebeat.accompaniment.network._BLOCK", block)
    net, parts = made_net(), piece()
    whole = net(*parts)
    for at in (5, 6, 14, 20):
        changed = [x.clone() for x in parts]
        changed[3][0, at] = (changed[3][0, at] + 1) % TINY.decoder_words
        out = net(*changed)
        torch.testing.assert_close(out[:, :at], whole[:, :at], rtol=0, atol=1e-6)
        assert (out[:, at] - whole[:, at]).abs().max() > 1e-3
    for bar in (1, 3, 5):
        changed = [x.clone() for x in parts]
        changed[0][parts[2] == bar] = (changed[0][parts[2] == bar] + 1) % TINY.encoder_words
        out = net(*changed)
        torch.testing.assert_close(out[parts[5] < bar], whole[parts[5] < bar], rtol=0, atol=1e-6)
        assert (out[parts[5] == bar] - whole[parts[5] == bar]).abs().max() > 1e-3


@torch.no_grad()
def test_without_memory_bars_know_nothing_of_each_other():
    net, parts = made_net(replace(TINY, memory=0)), piece()
    whole = net(*parts)
    for bar in range(len(LENGTHS)):
        drums, notes = parts[2][0] == bar, parts[5][0] == bar
        alone = [x[:, drums] for x in parts[:3]] + [x[:, notes] for x in parts[3:]]
        torch.testing.assert_close(net(*alone), whole[:, notes], rtol=1e-4, atol=1e-5)
    remembering = made_net()
    assert (remembering(*alone) - remembering(*parts)[:, notes]).abs().max() > 1e-3


@torch.no_grad()
def test_padding_and_neighbours_change_nothing():
    net = made_net()
    pieces = [piece(), piece(MORE, seed=1, first_bar=2), piece(LENGTHS[:2], seed=2)]
    together = net(*padded(pieces))
    for row, parts in zip(together, pieces, strict=True):
        length = parts[3].shape[1]
        torch.testing.assert_close(row[None, :length], net(*parts), rtol=1e-4, atol=1e-5)


def test_gradients_reach_every_number():
    net = made_net()
    parts = padded([piece(), piece(MORE, seed=1)])
    net(*parts).square().mean().backward()
    assert all(value.grad is not None and value.grad.abs().sum() > 0 for value in net.parameters())


@torch.no_grad()
def test_half_precision_gives_nearly_the_same():
    net, parts = made_net(), piece()
    with torch.autocast("cpu", torch.bfloat16):
        halved = net(*parts)
    assert halved.dtype == torch.float32
    assert (halved - net(*parts)).abs().max() < 0.3


def test_shapes_are_the_papers_and_smaller():
    paper, small = SHAPES["paper"], SHAPES["small"]
    assert (paper.encoder_layers, paper.decoder_layers, paper.heads, paper.memory) == (4, 8, 8, 256)
    assert small.width < paper.width
    with pytest.raises(ValueError, match="width 20"):
        AccompanimentNet(replace(TINY, width=20, heads=8))
