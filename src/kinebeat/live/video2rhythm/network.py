"""The heavy baseline in torch: RhythmicNet's Video2Rhythm made causal (InteractiveBeat 4.4), for training and export.

"A 1-layer decoder with same hidden size and number of attention heads as RhythmicNet": the first stage of Video2Rhythm
(ST-GCN of ten layers, two transformer layers with self-similarity and relative attention, as `beats.network` has them)
reads three seconds of joint velocities, and a causal transformer decoder says K and visual beats of the next second, K
by K.

Shapes: B clips, T ticks of context, V joints, E width, F ticks forecast.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from kinebeat.beats.network import AttentionLayer, GraphEncoder, SelfSimilarity, sinusoids, squash
from kinebeat.beats.network import NetConfig as EncoderConfig
from kinebeat.live.movement import LIVE_FPS

if TYPE_CHECKING:
    from collections.abc import Sequence

CONTEXT_TICKS = round(3 * LIVE_FPS)
FORECAST_TICKS = round(LIVE_FPS)
_NEVER = -1e4


def _encoder_config() -> EncoderConfig:
    """RhythmicNet's ST-GCN at half its frame rate: two ticks to a token, 15 tokens a second as there."""
    return replace(
        EncoderConfig(), channels=(64,) * 10, strides=(1, 2, 1, 1, 1, 1, 1, 1, 1, 1), kernels=(5,) * 10, width=128
    )


@dataclass(frozen=True)
class HeavyConfig:
    """All that decides the shape of the network.

    Attributes:
        encoder: ST-GCN and transformer encoder.
    """

    encoder: EncoderConfig = field(default_factory=_encoder_config)


class DecoderLayer(nn.Module):
    """Pre-norm causal transformer decoder layer (Vaswani et al. 2017, section 3.1)."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        width = config.width
        self.heads, self.depth = config.heads, width // config.heads
        self.norm_own, self.own = nn.LayerNorm(width), nn.Linear(width, 3 * width)
        self.norm_asked, self.asked = nn.LayerNorm(width), nn.Linear(width, width)
        self.told = nn.Linear(width, 2 * width)
        self.own_out, self.told_out = nn.Linear(width, width), nn.Linear(width, width)
        self.feed = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, config.feed * width), nn.GELU(), nn.Linear(config.feed * width, width)
        )
        self.drop = nn.Dropout(config.dropout)
        self.later: Tensor
        later = torch.full((FORECAST_TICKS, FORECAST_TICKS), _NEVER).triu(1)
        self.register_buffer("later", later, persistent=False)

    def forward(self, x: Tensor, memory: Tensor) -> Tensor:
        """Ticks (B, F, E), none of which hears a later one, and memory (B, N, E) -> (B, F, E)."""
        ticks = x.shape[1]
        query, key, value = self._parted(self.own(self.norm_own(x)), 3)
        x = x + self.drop(self.own_out(_attended(query, key, value, self.later[:ticks, :ticks])))
        (query,) = self._parted(self.asked(self.norm_asked(x)), 1)
        key, value = self._parted(self.told(memory), 2)
        x = x + self.drop(self.told_out(_attended(query, key, value)))
        changed: Tensor = x + self.drop(self.feed(x))
        return changed

    def _parted(self, x: Tensor, parts: int) -> Sequence[Tensor]:
        """(B, N, parts E) -> parts times (B, H, N, D)."""
        return x.reshape(x.shape[0], -1, parts, self.heads, self.depth).permute(2, 0, 3, 1, 4).unbind(0)


def _attended(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> Tensor:
    """Scaled dot-product attention of (B, H, N, D), as (B, N, H D)."""
    scores = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])
    if mask is not None:
        scores = scores + mask
    return (scores.softmax(-1) @ value).transpose(1, 2).flatten(2)


def shifted(offsets: Tensor) -> Tensor:
    """K (B, F) as the decoder is told it: of the tick before each."""
    return nn.functional.pad(offsets, (1, 0))[:, :-1]


class Video2RhythmNet(nn.Module):
    """Movement of three seconds in, K and visual beats of the second after it out."""

    def __init__(self, config: HeavyConfig | None = None) -> None:
        super().__init__()
        self.config = config or HeavyConfig()
        shape = self.config.encoder
        self.encoder = GraphEncoder(shape)
        self.similarity = SelfSimilarity(shape.width)
        self.layers = nn.ModuleList(AttentionLayer(shape, relative=True) for _ in range(shape.layers))
        self.norm = nn.LayerNorm(shape.width)
        self.given = nn.Linear(1, shape.width)
        self.decoder = DecoderLayer(shape)
        self.out = nn.LayerNorm(shape.width)
        self.head = nn.Linear(shape.width, 2)
        with torch.no_grad():
            self.head.bias.copy_(torch.tensor([-1.5, -2.0]))
        self.positions: Tensor
        self.register_buffer("positions", sinusoids(FORECAST_TICKS, shape.width), persistent=False)

    def remember(self, velocity: Tensor, seen: Tensor) -> Tensor:
        """What is kept of the context: velocity (B, T, V, 2) and seen (B, T, V) -> (B, T / 2, E)."""
        safe = torch.where(seen[..., None] > 0, velocity, torch.zeros_like(velocity))
        x: Tensor = self.encoder(squash(safe), seen)
        anyone = seen.amax(2).reshape(len(seen), -1, 2).amax(2)
        mask = ((1.0 - anyone) * _NEVER)[:, None, None]
        extra = self.similarity(x, mask)
        for layer in self.layers:
            x = layer(x, extra, mask)
        kept: Tensor = self.norm(x)
        return kept

    def decode(self, memory: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
        """K and logits of beats (B, F) of ticks, of each of which the K before it (B, F) is told."""
        ticks = before.shape[1]
        x = self.given(before[..., None]) + self.positions[:ticks]
        said = self.head(self.out(self.decoder(x, memory)))
        return torch.sigmoid(said[..., 0]), said[..., 1]

    def forward(self, velocity: Tensor, seen: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
        """K and logits of beats (B, F) with teacher forcing: told the true K (B, F) of the tick before."""
        return self.decode(self.remember(velocity, seen), shifted(truth))

    def forecast(self, velocity: Tensor, seen: Tensor, ticks: int = FORECAST_TICKS) -> tuple[Tensor, Tensor]:
        """K and logits of beats (B, ticks) after the context, by its own K."""
        memory = self.remember(velocity, seen)
        before = memory.new_zeros(len(memory), 1)
        for _ in range(ticks - 1):
            offset, _ = self.decode(memory, before)
            before = torch.cat([before, offset[:, -1:]], 1)
        return self.decode(memory, before)
