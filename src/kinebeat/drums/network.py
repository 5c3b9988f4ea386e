"""The networks of the drums room, in torch: for training and export only; playing needs none of this.

Shapes: B batch, S 16th steps, D = 9 drums, W words, L layers, P cached steps, E width.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from kinebeat.beats.grid import STEPS_PER_BAR
from kinebeat.drums.kit import DRUMS
from kinebeat.drums.rhythms import FEATURES, PHRASE_BARS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

RHYTHM_ONLY = FEATURES.index("density known")  # the first features are the rhythm; the others are ours
Cache = tuple[Tensor, Tensor]


class Attention(nn.Module):
    """Multi-head attention whose keys and values are made apart, so that they can be kept."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)

    def keys_values(self, x: Tensor) -> Cache:
        """(B, S, E) -> keys and values, each (B, heads, S, E / heads)."""
        both = self.key_value(x).unflatten(-1, (2, self.heads, -1)).permute(2, 0, 3, 1, 4)
        return both[0], both[1]

    def forward(self, x: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None = None) -> Tensor:
        """Attend from x (B, S, E); mask (S, keys) is added to the scores."""
        query = self.query(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        scores = query @ keys.transpose(-1, -2) * query.shape[-1] ** -0.5
        if mask is not None:
            scores = scores + mask
        weights = functional.dropout(scores.softmax(-1), self.dropout, self.training)
        mixed: Tensor = self.out((weights @ values).transpose(1, 2).flatten(2))
        return mixed


class Block(nn.Module):
    """Pre-norm transformer layer; with `cross` it also attends to the encoder."""

    def __init__(self, width: int, heads: int, dropout: float, *, cross: bool) -> None:
        super().__init__()
        self.norm_self, self.attend_self = nn.LayerNorm(width), Attention(width, heads, dropout)
        self.norm_cross = nn.LayerNorm(width) if cross else None
        self.attend_cross = Attention(width, heads, dropout) if cross else None
        self.norm_feed = nn.LayerNorm(width)
        self.feed = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Dropout(dropout), nn.Linear(4 * width, width)
        )
        self.drop = nn.Dropout(dropout)

    def forward(
        self, x: Tensor, past: Cache | None = None, mask: Tensor | None = None, memory: Cache | None = None
    ) -> tuple[Tensor, Cache]:
        """One layer; returns its output and all keys and values so far."""
        y = self.norm_self(x)
        keys, values = self.attend_self.keys_values(y)
        if past is not None:
            keys, values = torch.cat([past[0], keys], 2), torch.cat([past[1], values], 2)
        x = x + self.drop(self.attend_self(y, keys, values, mask))
        if self.attend_cross is not None and self.norm_cross is not None and memory is not None:
            x = x + self.drop(self.attend_cross(self.norm_cross(x), *memory))
        return x + self.drop(self.feed(self.norm_feed(x))), (keys, values)


def causal_mask(steps: int, past: int = 0) -> Tensor:
    """(steps, past + steps): 0 where a step may look, -1e9 at what comes after it."""
    return torch.full((steps, past + steps), -1e9).triu(past + 1)


def _embedding(count: int, width: int, spread: float) -> nn.Embedding:
    table = nn.Embedding(count, width)
    nn.init.normal_(table.weight, std=spread)
    return table


class HitsTransformer(nn.Module):
    """Encoder-decoder transformer: rhythm in, one word (a combination of hits) for each 16th out.

    RhythmicNet section 3, Rhythm2Drum: 3 + 3 layers, 4 heads. A step's decoder input is the word before it plus
    the encoder's vector of the step itself, so that which step of the rhythm is meant needs not be learned.

    Args:
        hits_of_words: (W, 9), what each word plays.
        steps: the longest window.
        words: False makes the ablation without hit sequence: nine independent hits instead of one word.
        performance: True makes the ablations with many outputs: velocities and offsets too.
    """

    def __init__(
        self,
        hits_of_words: NDArray[Any],
        *,
        steps: int = 128,
        width: int = 128,
        heads: int = 4,
        layers: int = 3,
        dropout: float = 0.2,
        words: bool = True,
        performance: bool = False,
    ) -> None:
        super().__init__()
        self.words, self.steps = words, steps
        self.hits_of_words: Tensor
        self.register_buffer("hits_of_words", torch.as_tensor(hits_of_words, dtype=torch.float32))
        self.features = nn.Linear(len(FEATURES), width)
        places = (STEPS_PER_BAR, PHRASE_BARS, steps, STEPS_PER_BAR, PHRASE_BARS, steps)
        self.place = nn.ModuleList(_embedding(n, width, 0.02) for n in places)
        self.word = _embedding(len(hits_of_words) + 1, width, 0.05)  # the last is the start
        self.drum = nn.Linear(len(DRUMS), width, bias=False)
        self.encoder = nn.ModuleList(Block(width, heads, dropout, cross=False) for _ in range(layers))
        self.encoder_norm = nn.LayerNorm(width)
        self.decoder = nn.ModuleList(Block(width, heads, dropout, cross=True) for _ in range(layers))
        self.decoder_norm = nn.LayerNorm(width)
        self.bias = nn.Parameter(torch.zeros(len(hits_of_words)))
        numbers = len(DRUMS) * ((0 if words else 1) + (2 if performance else 0))
        self.outs = nn.Linear(width, numbers) if numbers else None
        self.drop = nn.Dropout(dropout)

    def word_table(self) -> Tensor:
        """(W + 1, E): a word's own vector (with words) plus those of the drums it plays."""
        drums = functional.pad(self.drum(self.hits_of_words), (0, 0, 0, 1))
        own = self.word.weight if self.words else functional.pad(self.word.weight[-1:], (0, 0, len(drums) - 1, 0))
        return own + drums

    def _place(self, bar: Tensor, steps: Tensor, first: int) -> Tensor:
        in_bar, in_phrase, in_window = list(self.place)[first : first + 3]
        found: Tensor = in_bar(steps % STEPS_PER_BAR) + in_phrase(bar) + in_window(steps)
        return found

    def encode(self, features: Tensor, bar: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Rhythm (B, S, F) and bar of the phrase (B, S) -> vectors (B, S, E), cross keys and values (L, B, ...)."""
        steps = torch.arange(features.shape[1], device=features.device)
        x = self.drop(self.features(features) + self._place(bar, steps, 0))
        for block in self.encoder:
            x, _ = block(x)
        x = self.encoder_norm(x)
        memory = [block.attend_cross.keys_values(x) for block in self.decoder]  # type: ignore[union-attr, operator]
        return x, torch.stack([keys for keys, _ in memory]), torch.stack([values for _, values in memory])

    def decode(
        self,
        before: Tensor,
        here: Tensor,
        bar: Tensor,
        steps: Tensor,
        mask: Tensor,
        memory: tuple[Tensor, Tensor],
        past: tuple[Tensor, Tensor] | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Logits of some steps, given the words before each.

        Args:
            before: (B, T) int, the word one step earlier; W is the start.
            here: (B, T, E), the encoder's vectors of these steps.
            bar: (B, T) int, the bar of the phrase.
            steps: (T,) int, places in the window.
            mask: (T, P + T), see `causal_mask`.
            memory: cross keys and values from `encode`.
            past: keys and values of the P steps before, each (L, B, heads, P, E / heads).

        Returns:
            (B, T, W) logits of words, or (B, T, 9 | 18 | 27) hits, velocities, offsets side by side; all keys; values.
        """
        table = self.word_table()
        x = self.drop(functional.embedding(before, table) + here + self._place(bar, steps, 3))
        kept: list[Cache] = []
        for i, block in enumerate(self.decoder):
            cache = None if past is None else (past[0][i], past[1][i])
            x, new = block(x, cache, mask, (memory[0][i], memory[1][i]))
            kept.append(new)
        x = self.decoder_norm(x)
        outs = [x @ table[:-1].T * x.shape[-1] ** -0.5 + self.bias] if self.words else []
        if self.outs is not None:
            outs.append(self.outs(x))
        return torch.cat(outs, -1), torch.stack([k for k, _ in kept]), torch.stack([v for _, v in kept])

    def forward(self, features: Tensor, bar: Tensor, words: Tensor) -> Tensor:
        """Teacher-forced: the output for each step given the true words (B, S) before it."""
        here, *memory = self.encode(features, bar)
        start = torch.full_like(words[:, :1], len(self.bias))
        steps = torch.arange(words.shape[1], device=words.device)
        mask = causal_mask(words.shape[1]).to(words.device)
        before = torch.cat([start, words[:, :-1]], 1)
        return self.decode(before, here, bar, steps, mask, (memory[0], memory[1]))[0]


class _Residual(nn.Module):
    """Two convolutions along time with a way around them; channels change in the first."""

    def __init__(self, inputs: int, outputs: int, kernel: int, dropout: float) -> None:
        super().__init__()
        self.first = nn.Conv1d(inputs, outputs, kernel, padding=kernel // 2)
        self.second = nn.Conv1d(outputs, outputs, kernel, padding=kernel // 2)
        self.around = nn.Conv1d(inputs, outputs, 1)
        self.norms = nn.ModuleList(nn.GroupNorm(4, outputs) for _ in range(2))
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        y = functional.gelu(self.norms[0](self.first(x)))
        y = self.norms[1](self.second(self.drop(y)))
        return functional.gelu(y + self.around(x))


class PerformanceUNet(nn.Module):
    """U-Net from hits to velocities and offsets: RhythmicNet section 3, channels 16, 32, 64, 128.

    Time is the image's axis and the drums are its channels: unlike neighbouring pixels, neighbouring drums have
    nothing in common that a small filter could use.

    Args:
        extras: further inputs a step (the product's tempo), 0 for the paper's.
    """

    def __init__(
        self, *, extras: int = 0, channels: Sequence[int] = (16, 32, 64, 128), kernel: int = 5, dropout: float = 0.2
    ) -> None:
        super().__init__()
        self.extras = extras
        drums = len(DRUMS)
        sizes = [drums + extras, *channels]
        pairs = list(itertools.pairwise(sizes))
        self.down = nn.ModuleList(_Residual(i, o, kernel, dropout) for i, o in pairs)
        self.up = nn.ModuleList(
            _Residual(o + i, i, kernel, dropout) for i, o in reversed(list(itertools.pairwise(channels)))
        )
        self.out = nn.Conv1d(channels[0] + drums + extras, 2 * drums, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Hits and extras (B, S, 9 + extras) -> velocities and offsets (B, S, 18); S a multiple of 8."""
        x = inputs = x.transpose(1, 2)
        skips = []
        for i, block in enumerate(self.down):
            x = block(x if i == 0 else functional.max_pool1d(x, 2))
            skips.append(x)
        skips.pop()
        for block in self.up:
            x = block(torch.cat([functional.interpolate(x, scale_factor=2.0, mode="nearest"), skips.pop()], 1))
        velocity, offset = self.out(torch.cat([x, inputs], 1)).transpose(1, 2).chunk(2, -1)
        # The middle of the data is the zero of the net.
        return torch.cat([velocity * 0.3 + 0.5, offset * 0.2], -1)


class GrooVAE(nn.Module):
    """Our own re-implementation of GrooVAE (Gillick et al. 2019), made to turn a rhythm into drums (their Tap2Drum).

    A bidirectional LSTM reads the rhythm into a latent vector; an LSTM writes hits, velocities and offsets step by
    step from that vector and from what it wrote before.
    """

    def __init__(self, *, width: int = 128, latent: int = 32, layers: int = 2, dropout: float = 0.2) -> None:
        super().__init__()
        self.width, self.layers = width, layers
        self.encoder = nn.LSTM(RHYTHM_ONLY, width, batch_first=True, bidirectional=True)
        self.posterior = nn.Linear(2 * width, 2 * latent)
        self.start = nn.Linear(latent, 2 * layers * width)
        self.decoder = nn.LSTM(latent + 3 * len(DRUMS), width, layers, batch_first=True, dropout=dropout)
        self.out = nn.Linear(width, 3 * len(DRUMS))

    def encode(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Rhythm (B, S, F), of which the first three features are used -> mean and log variance (B, Z)."""
        _, (hidden, _) = self.encoder(features[..., :RHYTHM_ONLY])
        mean, log_variance = self.posterior(torch.cat([hidden[0], hidden[1]], -1)).chunk(2, -1)
        return mean, log_variance

    def begin(self, latent: Tensor) -> tuple[Tensor, Tensor]:
        """The decoder's first state, each (layers, B, E)."""
        both = torch.tanh(self.start(latent)).reshape(-1, 2, self.layers, self.width).permute(1, 2, 0, 3)
        return both[0].contiguous(), both[1].contiguous()

    def decode(self, latent: Tensor, before: Tensor, hidden: Tensor, cell: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Hit logits, velocities, offsets (B, T, 27) from latent (B, Z) and the steps before (B, T, 27); next state."""
        steps = latent[:, None].expand(-1, before.shape[1], -1)
        x, (hidden, cell) = self.decoder(torch.cat([steps, before], -1), (hidden, cell))
        return self.out(x), hidden, cell

    def forward(self, features: Tensor, played: Tensor) -> tuple[Tensor, Tensor]:
        """Teacher-forced on what was played (B, S, 27): output (B, S, 27) and divergence from the prior (B,)."""
        mean, log_variance = self.encode(features)
        latent = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean) * self.training
        before = functional.pad(played[:, :-1], (0, 0, 1, 0))
        divergence = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum(-1)
        return self.decode(latent, before, *self.begin(latent))[0], divergence
