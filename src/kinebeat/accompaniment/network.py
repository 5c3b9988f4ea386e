"""The network that adds an instrument to drums, in torch: for training and export only; playing needs none of this.

An encoder-decoder Transformer-XL (RhythmicNet section 3, Drum2Music; Dai et al. 2019). Shapes: B pieces, L tokens,
E width, H heads, D = E / H, W words, P tokens of the past, T tokens of a bar, N layers. A token is given by its word,
by `when` in its bar it is (0 for what heads the bar, p + 1 at position p) and by its `bar`, counted from any first bar;
-1 marks the padding that may follow the last token of a piece.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from kinebeat.accompaniment.attention import (
    Block,
    attend,
    blocks_of,
    cross_sight,
    decoder_sight,
    encoder_sight,
    skewed,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

Cache = tuple[Tensor, Tensor]
WHENS = 49
"""Values of `when`: the bar's head and 48 positions."""
_BLOCK = 64
"""Tokens that attend at a time on the CPU, elsewhere twice as many: what none of them sees is not computed."""


@dataclass(frozen=True)
class NetConfig:
    """All that decides the shape of a network.

    Attributes:
        encoder_words: size of the vocabulary of drums and controls.
        decoder_words: size of the instrument's vocabulary.
        width: E.
        heads: H.
        encoder_layers: that read the drums.
        decoder_layers: that write the notes.
        feed: width of the feed-forward layers, in widths.
        dropout: in training.
        memory: tokens before the bar that can be seen, on both sides; 0 for none.
    """

    encoder_words: int = 0
    decoder_words: int = 0
    width: int = 288
    heads: int = 8
    encoder_layers: int = 4
    decoder_layers: int = 8
    feed: int = 4
    dropout: float = 0.1
    memory: int = 256

    @property
    def depth(self) -> int:
        """D, the width of a head."""
        return self.width // self.heads


SHAPES = {
    "paper": NetConfig(),
    "small": NetConfig(width=192, heads=4, encoder_layers=3, decoder_layers=5, dropout=0.0),
}
"""Shapes by name: the paper's, and one that two processor cores can train in two hours on less than three epochs."""


@dataclass(frozen=True)
class New:
    """The place of new tokens after those kept.

    Attributes:
        seen: P + n, how many are kept and new.
        columns: of the tables of distances, those from P + n - 1 to as far ahead as is looked.
        mask: (B, n or 1, P + n), 0 where a token is seen and `NEVER` where it is not.
    """

    seen: int
    columns: slice
    mask: Tensor

    @classmethod
    def tokens(cls, new: int, before: int, far: int, ahead: int, mask: Tensor) -> New:
        """Of a number of tokens, with tables that begin at the distance `far`."""
        return cls(before + new, slice(far + 1 - before - new, far + 1 + ahead), mask)


def sinusoids(distances: Tensor, width: int) -> Tensor:
    """R of Dai et al. 2019, section 3.3: distances (N,) -> (N, width), sines and cosines side by side."""
    rate = torch.exp(torch.arange(0, width, 2, device=distances.device) * (-math.log(1e4) / width))
    angle = distances[:, None] * rate
    return torch.stack([angle.sin(), angle.cos()], -1).flatten(1)


class SelfAttention(nn.Module):
    """Relative attention (Dai et al. 2019, section 3.3): the four terms with u and v, brought in place by skewing.

    See `attention.py` for the order of the axes.
    """

    def __init__(self, config: NetConfig) -> None:
        super().__init__()
        self.heads, self.depth = config.heads, config.depth
        self.inputs = nn.Linear(config.width, 3 * config.width, bias=False)
        self.distance = nn.Linear(config.width, config.width, bias=False)
        self.out = nn.Linear(config.width, config.width)
        self.content_bias = nn.Parameter(torch.zeros(config.heads, 1, 1, config.depth))
        self.distance_bias = nn.Parameter(torch.zeros(config.heads, 1, 1, config.depth))

    def project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, L, E) -> queries, keys, values, each (H, B, L, D), in single precision."""
        both = self.inputs(x).reshape(*x.shape[:2], 3, self.heads, self.depth)
        both = both.permute(2, 3, 0, 1, 4).float().contiguous()
        return both[0], both[1], both[2]

    def table(self, far: int, near: int) -> Tensor:
        """The vectors of the distances from `far` back to `near` ahead, (H, far + near + 1, D)."""
        weight = self.distance.weight
        distances = torch.arange(far, -near - 1, -1.0, device=weight.device)
        rows: Tensor = self.distance(sinusoids(distances, weight.shape[1]))
        return rows.reshape(len(rows), self.heads, self.depth).transpose(0, 1).float().contiguous()

    def queries(self, query: Tensor) -> tuple[Tensor, Tensor]:
        """What is asked of the keys, and what of the distances."""
        scale = self.depth**-0.5
        return (query + self.content_bias) * scale, (query + self.distance_bias) * scale

    def forward(self, x: Tensor, blocks: Sequence[Block]) -> Tensor:
        """Attend within x (B, L, E)."""
        query, keys, values = self.project(x)
        far = x.shape[1] - 1
        table = self.table(far, max(block.ahead for block in blocks))
        with torch.autocast(x.device.type, enabled=False):
            content, placed = self.queries(query)
            mixed = attend(content, keys, values, blocks, placed, table, far)
        return self.join(mixed)

    def join(self, mixed: Tensor) -> Tensor:
        """Heads (H, B, L, D) -> (B, L, E)."""
        out: Tensor = self.out(mixed.permute(1, 2, 0, 3).flatten(2))
        return out

    def step(self, x: Tensor, past: Sequence[Cache], table: Tensor, new: New) -> tuple[Tensor, Cache]:
        """Attend from new tokens to those kept and to themselves; what is kept is not copied.

        Args:
            x: (B, n, E).
            past: keys and values of the tokens before, in any number of pieces, each (H, B, P, D), P >= 1.
            table: what `table` gives, transposed: (H, D, N).
            new: the place of the tokens.

        Returns:
            (B, n, E), and the keys and values of the new tokens.
        """
        query, keys, values = self.project(x)
        content, placed = self.queries(query)
        moved = (placed @ table[:, None])[..., new.columns].flatten(0, 1)
        parts = [*past, (keys, values)]
        scores = torch.cat([content @ part.transpose(2, 3) for part, _ in parts], 3)
        weights = (scores + skewed(moved, new.seen).reshape(scores.shape) + new.mask).softmax(-1)
        mixed, at = torch.zeros_like(query), 0
        for _, part in parts:
            mixed, at = mixed + weights[..., at : at + part.shape[2]] @ part, at + part.shape[2]
        return self.join(mixed), (keys, values)


class CrossAttention(nn.Module):
    """Attention from the instrument to the drums. Where in the bar a token is, its embedding says; no distances."""

    def __init__(self, config: NetConfig) -> None:
        super().__init__()
        self.heads, self.depth = config.heads, config.depth
        self.query = nn.Linear(config.width, config.width, bias=False)
        self.inputs = nn.Linear(config.width, 2 * config.width, bias=False)
        self.out = nn.Linear(config.width, config.width)

    def keys_values(self, drums: Tensor) -> Cache:
        """The encoder's vectors (B, L', E) -> keys and values, each (H, B, L', D), in single precision."""
        both = self.inputs(drums).reshape(*drums.shape[:2], 2, self.heads, self.depth)
        both = both.permute(2, 3, 0, 1, 4).float().contiguous()
        return both[0], both[1]

    def forward(self, x: Tensor, drums: Tensor, blocks: Sequence[Block]) -> Tensor:
        """Attend from x (B, L, E) to drums (B, L', E)."""
        keys, values = self.keys_values(drums)
        query = self._query(x)
        with torch.autocast(x.device.type, enabled=False):
            mixed = attend(query, keys, values, blocks)
        return self._join(mixed)

    def step(self, x: Tensor, drums: Cache, mask: Tensor) -> Tensor:
        """Attend from x (B, T, E) to the keys and values of a bar; mask (B, 1, L') is added to the scores."""
        scores = self._query(x) @ drums[0].transpose(2, 3)
        return self._join((scores + mask).softmax(-1) @ drums[1])

    def _query(self, x: Tensor) -> Tensor:
        query: Tensor = self.query(x).reshape(*x.shape[:2], self.heads, self.depth).permute(2, 0, 1, 3)
        scale: float = self.depth**-0.5
        return query.float() * scale

    def _join(self, mixed: Tensor) -> Tensor:
        out: Tensor = self.out(mixed.permute(1, 2, 0, 3).flatten(2))
        return out


class Layer(nn.Module):
    """Pre-norm transformer layer; with `cross` it also attends to the drums."""

    def __init__(self, config: NetConfig, *, cross: bool) -> None:
        super().__init__()
        width = config.width
        self.norm_self, self.attend = nn.LayerNorm(width), SelfAttention(config)
        self.norm_cross = nn.LayerNorm(width) if cross else None
        self.cross = CrossAttention(config) if cross else None
        self.norm_feed = nn.LayerNorm(width)
        self.feed = nn.Sequential(
            nn.Linear(width, config.feed * width), nn.GELU(approximate="tanh"), nn.Linear(config.feed * width, width)
        )
        self.drop = nn.Dropout(config.dropout)

    def forward(
        self, x: Tensor, blocks: Sequence[Block], drums: Tensor | None = None, cross: Sequence[Block] = ()
    ) -> Tensor:
        """One layer over all tokens (B, L, E)."""
        x = x + self.drop(self.attend(self.norm_self(x), blocks))
        if self.cross is not None and self.norm_cross is not None and drums is not None:
            x = x + self.drop(self.cross(self.norm_cross(x), drums, cross))
        return self._fed(x)

    def step(
        self,
        x: Tensor,
        past: Sequence[Cache],
        table: Tensor,
        new: New,
        drums: Cache | None = None,
        drums_mask: Tensor | None = None,
    ) -> tuple[Tensor, Cache]:
        """One layer over some new tokens; see the steps of the attentions."""
        mixed, made = self.attend.step(self.norm_self(x), past, table, new)
        x = x + mixed
        if self.cross is not None and self.norm_cross is not None and drums is not None and drums_mask is not None:
            x = x + self.cross.step(self.norm_cross(x), drums, drums_mask)
        return self._fed(x), made

    def _fed(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.drop(self.feed(self.norm_feed(x)))
        return out


def _stacked(kept: Sequence[Cache]) -> Cache:
    return torch.stack([keys for keys, _ in kept]), torch.stack([values for _, values in kept])


class AccompanimentNet(nn.Module):
    """Drums and controls in, the words of an instrument out."""

    def __init__(self, config: NetConfig) -> None:
        super().__init__()
        if config.width % (2 * config.heads):
            raise ValueError(f"width {config.width}: expected a multiple of twice the {config.heads} heads")
        self.config = config
        self.encoder_word = _embedding(config.encoder_words, config.width)
        self.encoder_when = _embedding(WHENS, config.width)
        self.decoder_word = _embedding(config.decoder_words, config.width)
        self.decoder_when = _embedding(WHENS, config.width)
        self.encoder = nn.ModuleList(Layer(config, cross=False) for _ in range(config.encoder_layers))
        self.encoder_norm = nn.LayerNorm(config.width)
        self.decoder = nn.ModuleList(Layer(config, cross=True) for _ in range(config.decoder_layers))
        self.decoder_norm = nn.LayerNorm(config.width)
        self.word_bias = nn.Parameter(torch.zeros(config.decoder_words))
        self.drop = nn.Dropout(config.dropout)

    def forward(
        self,
        encoder_tokens: Tensor,
        encoder_when: Tensor,
        encoder_bar: Tensor,
        decoder_tokens: Tensor,
        decoder_when: Tensor,
        decoder_bar: Tensor,
    ) -> Tensor:
        """All bars of some pieces at once, as if they came one by one.

        Args:
            encoder_tokens: (B, L') int64.
            encoder_when: (B, L').
            encoder_bar: (B, L'), rising, -1 for padding.
            decoder_tokens: (B, L); every bar of theirs must have drums.
            decoder_when: (B, L).
            decoder_bar: (B, L), rising, -1 for padding.

        Returns:
            (B, L, W) logits of the token after each.
        """
        memory = self.config.memory
        size = _BLOCK if decoder_tokens.device.type == "cpu" else 2 * _BLOCK
        encoding = blocks_of(encoder_sight(encoder_bar, memory), size)
        decoding = blocks_of(decoder_sight(decoder_bar, memory), size)
        crossing = blocks_of(cross_sight(decoder_bar, encoder_bar), size)
        drums = self.drop(self.encoder_word(encoder_tokens) + self.encoder_when(encoder_when))
        for layer in self.encoder:
            drums = layer(drums, encoding)
        drums = self.encoder_norm(drums)
        x = self.drop(self.decoder_word(decoder_tokens) + self.decoder_when(decoder_when))
        for layer in self.decoder:
            x = layer(x, decoding, drums, crossing)
        return self.logits(x)

    def encode_bar(
        self, tokens: Tensor, when: Tensor, mask: Tensor, past: Sequence[Cache], tables: Sequence[Tensor], far: int
    ) -> tuple[Cache, Cache]:
        """Read the drums of one bar.

        Args:
            tokens: (B, T) int64.
            when: (B, T).
            mask: (B, P + T), 0 for what is there and `NEVER` for padding.
            past: of each layer keys and values of the P >= 1 tokens before the bar, each (H, B, P, D).
            tables: of each layer, see `SelfAttention.step`; T ahead.
            far: the first distance of the tables.

        Returns:
            For the decoder's layers keys and values, each (N, H, B, T, D); those of this bar for the memory, likewise.
        """
        x = self.encoder_word(tokens) + self.encoder_when(when)
        size = tokens.shape[1]
        new = New.tokens(size, past[0][0].shape[2], far, size, mask[:, None])
        kept: list[Cache] = []
        for layer, before, table in zip(self.encoder, past, tables, strict=True):
            x, made = layer.step(x, [before], table, new)  # type: ignore[operator]
            kept.append(made)
        x = self.encoder_norm(x)
        cross = [layer.cross.keys_values(x) for layer in self.decoder]  # type: ignore[union-attr, operator]
        return _stacked(cross), _stacked(kept)

    def decode(
        self,
        tokens: Tensor,
        when: Tensor,
        mask: Tensor,
        past: Sequence[Sequence[Cache]],
        drums: Sequence[Cache],
        drums_mask: Tensor,
        tables: Sequence[Tensor],
        far: int,
    ) -> tuple[Tensor, Cache]:
        """Go on by some tokens of one bar.

        Args:
            tokens: (B, n) int64.
            when: (B, n).
            mask: (B, n, P + n), 0 where a token is seen and `NEVER` where it is not.
            past: of each layer keys and values of what was before, see `SelfAttention.step`.
            drums: of each layer keys and values of the bar's drums, see `encode_bar`.
            drums_mask: (B, T), `NEVER` for padding.
            tables: of each layer, see `SelfAttention.step`; one ahead.
            far: the first distance of the tables.

        Returns:
            (B, n, W) logits of the token after each; keys and values of the new tokens, each (N, H, B, n, D).
        """
        x = self.decoder_word(tokens) + self.decoder_when(when)
        new = New.tokens(tokens.shape[1], sum(keys.shape[2] for keys, _ in past[0]), far, 1, mask)
        kept: list[Cache] = []
        for layer, before, table, here in zip(self.decoder, past, tables, drums, strict=True):
            x, made = layer.step(x, before, table, new, here, drums_mask[:, None])  # type: ignore[operator]
            kept.append(made)
        return self.logits(x), _stacked(kept)

    def logits(self, x: Tensor) -> Tensor:
        """(B, L, E) -> (B, L, W), single precision: the output's matrix is the input's."""
        # Not divided by the root of the width: that would slow the first thousand steps down.
        words = functional.linear(self.decoder_norm(x), self.decoder_word.weight)
        return words.float() + self.word_bias


def _embedding(words: int, width: int) -> nn.Embedding:
    table = nn.Embedding(words, width)
    nn.init.normal_(table.weight, std=0.05)
    return table


def parameters(net: nn.Module) -> int:
    """How many numbers a network learns."""
    return sum(value.numel() for value in net.parameters())
