"""The Graph-Transformer of Foley Music in torch, for training and export only; playing needs none of this.

Shapes: B clips, T frames, V nodes, C channels, W width of a node, E width of the decoder, L words, F = 10 fingertips,
K candidate keys of a fingertip, P = 88 keys.

To the paper's two parts, a spatial-temporal graph network and a transformer that writes events, a third is added for
those who play on keys: of every fingertip in every frame, whether it strikes or holds one of the keys near to it. It
knows the keys only by where they are relative to the fingertip, so that one note teaches it all 88. Of all others it
is said of every pitch in every frame whether a note begins or sounds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from kinebeat.performance.events import WORDS
from kinebeat.performance.features import BODY_CHANNELS, CHANNELS, FPS, HAND_NODES, LAYOUT, TIPS
from kinebeat.performance.instruments import INSTRUMENTS
from kinebeat.performance.piano_keys import CENTRE_U, IS_BLACK, PITCHES
from kinebeat.performance.reading import NOTHING, Reading

if TYPE_CHECKING:
    from collections.abc import Sequence

CANDIDATES = 8
"""Keys about a fingertip that it may be on: some three white ones and what is black between them, either way."""
LONGEST_S = 8.0
"""Clips may be this long."""


@dataclass(frozen=True)
class NetConfig:
    """All that decides the shape of a network.

    Attributes:
        keys: whether it is for those who play on keys, told by their hands alone.
        hands: whether the hands are told at all (paper, Table 5).
        graph_layers: of the graph network.
        node_width: W.
        kernel: frames that a temporal convolution spans.
        width: E.
        feed: width of the decoder's feed-forward layers.
        heads: of attention.
        layers: decoder blocks.
        recurrent: a GRU instead of the transformer's blocks (paper, Table 5).
        dropout: in training.
        reading_width: of what says the pitches of those who have no keys.
        reading_steps: frames between the taps of each of its temporal convolutions.
    """

    keys: bool = True
    hands: bool = True
    graph_layers: int = 10
    node_width: int = 64
    kernel: int = 5
    width: int = 512
    feed: int = 1024
    heads: int = 8
    layers: int = 6
    recurrent: bool = False
    dropout: float = 0.1
    reading_width: int = 512
    reading_steps: tuple[int, ...] = (1, 2, 4, 8, 1)

    @property
    def channels(self) -> int:
        """Of a node."""
        return len(CHANNELS if self.keys else BODY_CHANNELS)

    @property
    def told(self) -> int:
        """Of a node, with what the network adds to them."""
        return self.channels + (0 if self.keys else 4)

    @property
    def nodes(self) -> tuple[int, ...]:
        """The nodes of the layout that are told."""
        return HAND_NODES if self.keys else tuple(range(len(LAYOUT.joints)))


SHAPES = {
    "paper": NetConfig(),
    "small": NetConfig(node_width=32, width=192, feed=384, heads=4, layers=4),
    "swift": NetConfig(
        graph_layers=3, node_width=16, width=128, feed=256, heads=4, layers=2, dropout=0.0, reading_width=256
    ),
}
"""The paper's size, one that two processor cores can train, and one that sees more players in the same time."""


def adjacency(nodes: Sequence[int]) -> Tensor:
    """(V, V), row-normalised, each node with itself and those it has a bone to; the wrists join hands and arms."""
    bones = [*LAYOUT.bone_indices]
    bones += [(LAYOUT.index(f"{side}_wrist"), LAYOUT.index(f"{side}_hand_wrist")) for side in ("left", "right")]
    joined = np.eye(len(LAYOUT.joints), dtype=np.float32)
    for a, b in bones:
        joined[a, b] = joined[b, a] = 1.0
    joined = joined[np.ix_(nodes, nodes)]
    return torch.as_tensor(joined / joined.sum(1, keepdims=True))


class GraphLayer(nn.Module):
    """Equation 1, P = A X W_S W_T, with a residual; how much each bone counts is learned."""

    def __init__(self, graph: Tensor, width: int, kernel: int, dropout: float) -> None:
        super().__init__()
        self.graph: Tensor
        self.register_buffer("graph", graph)
        self.weight = nn.Parameter(torch.ones_like(graph))
        self.space = nn.Linear(width, width)
        self.time = nn.Conv2d(width, width, (kernel, 1), padding=(kernel // 2, 0))
        self.norm = nn.LayerNorm(width)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, V, W) -> the same."""
        y = functional.relu((self.graph * self.weight) @ self.space(self.norm(x)))
        moved = self.time(y.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        out: Tensor = x + self.drop(functional.relu(moved))
        return out


class Encoder(nn.Module):
    """Nodes over time to their vectors: batch normalisation of the input, then residual graph layers."""

    def __init__(self, config: NetConfig) -> None:
        super().__init__()
        nodes = config.nodes
        told = torch.ones(len(nodes), 1)
        if not config.hands:
            told[[k for k, node in enumerate(nodes) if node in HAND_NODES]] = 0.0
        self.told: Tensor
        self.register_buffer("told", told)
        self.placed = [] if config.keys else [BODY_CHANNELS.index(name) for name in ("x", "y", "depth", "across")]
        self.scale = nn.BatchNorm1d(len(nodes) * config.told)
        self.inputs = nn.Linear(config.told, config.node_width)
        self.place = nn.Parameter(torch.randn(len(nodes), config.node_width) * 0.05)
        graph = adjacency(nodes)
        self.layers = nn.ModuleList(
            GraphLayer(graph, config.node_width, config.kernel, config.dropout) for _ in range(config.graph_layers)
        )
        self.norm = nn.LayerNorm(config.node_width)

    def forward(self, nodes: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, V, C) -> vectors (B, T, V, W), and the nodes as they come out of the normalisation.

        Of those who have no keys nobody knows where their instrument is, and how it is held: so where a node is in a
        frame is told also from where it is on the average of the clip.
        """
        nodes = nodes * self.told
        if self.placed:
            seen = nodes[..., BODY_CHANNELS.index("seen"), None]
            place = nodes[..., self.placed]
            usual = (place * seen).sum(1, keepdim=True) / seen.sum(1, keepdim=True).clamp(min=1.0)
            nodes = torch.cat([nodes, (place - usual) * seen], -1)
        scaled = self.scale(nodes.flatten(2).transpose(1, 2)).transpose(1, 2).reshape(nodes.shape)
        x = self.inputs(scaled) + self.place
        for layer in self.layers:
            x = layer(x)
        return self.norm(x), scaled


class Touch(nn.Module):
    """Whether fingertips strike or hold the keys near to them."""

    def __init__(self, config: NetConfig) -> None:
        super().__init__()
        wide = 2 * config.node_width
        self.centre: Tensor
        self.black: Tensor
        self.register_buffer("centre", torch.as_tensor(CENTRE_U, dtype=torch.float32))
        self.register_buffer("black", torch.as_tensor(IS_BLACK, dtype=torch.float32))
        self.tip = nn.Linear(config.node_width, wide)
        self.finger = nn.Parameter(torch.randn(len(TIPS), wide) * 0.05)
        self.key = nn.Sequential(nn.Linear(5, wide), nn.GELU(), nn.Linear(wide, wide))
        out = nn.Linear(wide, 2)
        with torch.no_grad():
            out.bias.copy_(torch.tensor([-4.0, -3.0]))  # most fingers rest
        self.both = nn.Sequential(nn.GELU(), nn.Linear(wide, wide), nn.GELU(), out)

    def candidates(self, tips: Tensor) -> Tensor:
        """The keys nearest to fingertips (B, T, F, 2): (B, T, F, K)."""
        away = (torch.nan_to_num(tips[..., :1]) - self.centre).abs()
        return away.topk(CANDIDATES, largest=False, sorted=False).indices

    def forward(self, vectors: Tensor, tips: Tensor, keys: Tensor) -> Tensor:
        """Vectors of the fingertips (B, T, F, W), their places and candidates -> logits (B, T, F, K, 2).

        The last axis is: a key is struck in this frame; it is held.
        """
        seen = torch.isfinite(tips).all(-1)
        place = torch.nan_to_num(tips)
        away = place[..., :1] - self.centre[keys]
        depth = place[..., 1:].expand_as(away) / 6.4
        black = self.black[keys]
        told = torch.stack([away, away.abs(), depth, black, depth * (1 - 2 * black)], -1)
        mixed = (self.tip(vectors) + self.finger)[..., None, :] + self.key(told)
        logits: Tensor = self.both(mixed)
        return torch.where(seen[..., None, None], logits, torch.full_like(logits, NOTHING))


def on_keys(logits: Tensor, keys: Tensor) -> Tensor:
    """What fingertips do, (B, T, F, K, 2), as log probabilities that a key is left alone: (B, T, P, 2), not above 0.

    A key is left alone where every finger near to it leaves it alone: a noisy or.
    """
    clips, frames = logits.shape[:2]
    alone = -functional.softplus(logits).reshape(clips, frames, -1, 2)
    places = keys.reshape(clips, frames, -1, 1).expand_as(alone)
    return alone.new_zeros(clips, frames, PITCHES, 2).scatter_add(2, places, alone)


def sinusoids(times: Tensor, width: int) -> Tensor:
    """Times (...,) in frames -> (..., width)."""
    rate = torch.exp(torch.arange(0, width, 2, device=times.device) * (-math.log(1e4) / width))
    angle = times[..., None] * rate
    return torch.cat([angle.sin(), angle.cos()], -1)


class SelfAttention(nn.Module):
    """Equation 3: to every pair of words, by their distance, a learned vector is added (Huang et al. 2018)."""

    def __init__(self, config: NetConfig, longest: int) -> None:
        super().__init__()
        self.heads, self.depth = config.heads, config.width // config.heads
        self.inputs = nn.Linear(config.width, 3 * config.width, bias=False)
        self.distance = nn.Parameter(torch.randn(config.heads, longest, self.depth) * 0.02)
        self.out = nn.Linear(config.width, config.width)

    def forward(self, x: Tensor, past: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """(B, L, E), after keys and values of the past (B, H, N, D) -> the same, and all keys and values."""
        query, key, value = self.inputs(x).unflatten(-1, (3, self.heads, self.depth)).permute(2, 0, 3, 1, 4)
        if past is not None:
            key, value = torch.cat([past[0], key], 2), torch.cat([past[1], value], 2)
        new, whole = x.shape[1], key.shape[2]
        at = torch.arange(whole - new, whole, device=x.device)[:, None] - torch.arange(whole, device=x.device)
        places = at.clamp(min=0, max=self.distance.shape[1] - 1)
        if new == 1:
            moved = query @ self.distance[:, places[0]].transpose(1, 2)
        else:
            by_distance = query @ self.distance.transpose(1, 2)
            moved = by_distance.gather(3, places.expand(*by_distance.shape[:3], whole))
        scores = (query @ key.transpose(2, 3) + moved) * self.depth**-0.5
        weights = scores.masked_fill(at < 0, NOTHING).softmax(-1)
        return self.out((weights @ value).transpose(1, 2).flatten(2)), (key, value)


class CrossAttention(nn.Module):
    """Equation 4: words look at the frames."""

    def __init__(self, config: NetConfig) -> None:
        super().__init__()
        self.heads, self.depth = config.heads, config.width // config.heads
        self.query = nn.Linear(config.width, config.width, bias=False)
        self.inputs = nn.Linear(config.width, 2 * config.width, bias=False)
        self.out = nn.Linear(config.width, config.width)

    def remember(self, memory: Tensor) -> tuple[Tensor, Tensor]:
        """Frames (B, T, E) -> keys and values (B, H, T, D)."""
        both = self.inputs(memory).unflatten(-1, (2, self.heads, self.depth)).permute(2, 0, 3, 1, 4)
        return both[0], both[1]

    def forward(self, x: Tensor, kept: tuple[Tensor, Tensor]) -> Tensor:
        """(B, L, E) -> (B, L, E)."""
        query = self.query(x).unflatten(-1, (self.heads, self.depth)).transpose(1, 2)
        weights = (query @ kept[0].transpose(2, 3) * self.depth**-0.5).softmax(-1)
        out: Tensor = self.out((weights @ kept[1]).transpose(1, 2).flatten(2))
        return out


class Block(nn.Module):
    """One decoder block: relative self attention or a GRU, attention to the frames, and equation 5."""

    def __init__(self, config: NetConfig, longest: int) -> None:
        super().__init__()
        width = config.width
        self.norm_self, self.norm_cross, self.norm_feed = (nn.LayerNorm(width) for _ in range(3))
        self.attend = None if config.recurrent else SelfAttention(config, longest)
        self.gru = nn.GRU(width, width, batch_first=True) if config.recurrent else None
        self.cross = CrossAttention(config)
        self.feed = nn.Sequential(nn.Linear(width, config.feed), nn.ReLU(), nn.Linear(config.feed, width))
        self.drop = nn.Dropout(config.dropout)

    def forward(
        self, x: Tensor, memory: tuple[Tensor, Tensor], past: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """(B, L, E) -> the same, and what is to be kept for the words after."""
        if self.attend is not None:
            mixed, kept = self.attend(self.norm_self(x), past)
        else:
            assert self.gru is not None  # noqa: S101  one of the two is there
            mixed, last = self.gru(self.norm_self(x), None if past is None else past[0])
            kept = last, last
        x = x + self.drop(mixed)
        x = x + self.drop(self.cross(self.norm_cross(x), memory))
        return x + self.drop(self.feed(self.norm_feed(x))), kept


LONGEST = 512
"""Distances between words that are told apart."""


class PerformanceNet(nn.Module):
    """A musician's movement in, what keys or pitches do and the words of the music out."""

    def __init__(self, config: NetConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.encoder = Encoder(config)
        self.touch = Touch(config) if config.keys else None
        self.reading = None if config.keys else Reading(config)
        self.tips = [config.nodes.index(tip) for tip in TIPS]
        self.pooled = nn.Linear(2 * config.node_width, width)
        self.roll = nn.Linear(2 * PITCHES, width, bias=False)
        self.instrument = nn.Embedding(len(INSTRUMENTS), width)
        self.word = nn.Embedding(WORDS + 1, width)  # the last is the start
        for table in (self.instrument, self.word):
            nn.init.normal_(table.weight, std=0.05)
        self.blocks = nn.ModuleList(Block(config, LONGEST) for _ in range(config.layers))
        self.norm = nn.LayerNorm(width)
        self.said = nn.Linear(width, WORDS)
        self.drop = nn.Dropout(config.dropout)

    def look(self, nodes: Tensor, tips: Tensor, instrument: Tensor) -> tuple[Tensor, Tensor]:
        """What is seen.

        Args:
            nodes: (B, T, V, C).
            tips: (B, T, F, 2), NaN where not seen; empty without keys.
            instrument: (B,) numbers in `INSTRUMENTS`.

        Returns:
            (B, T, V, W) vectors of the nodes; (B, T, P, 2) log probabilities that a key or pitch is not struck, not
            held.
        """
        vectors, scaled = self.encoder(nodes)
        if self.touch is None:
            assert self.reading is not None  # noqa: S101  one of the two is there
            return vectors, self.reading(vectors, scaled, instrument)
        keys = self.touch.candidates(tips)
        return vectors, on_keys(self.touch(vectors[:, :, self.tips], tips, keys), keys)

    def remember(self, vectors: Tensor, alone: Tensor, instrument: Tensor) -> Tensor:
        """What the decoder looks at, (B, T, E); instruments are (B,) numbers in `INSTRUMENTS`."""
        memory = self.pooled(torch.cat([vectors.mean(2), vectors.amax(2)], -1))
        memory = memory + self.roll((1 - alone.exp()).flatten(2))
        frames = torch.arange(memory.shape[1], device=memory.device, dtype=memory.dtype)
        out: Tensor = memory + sinusoids(frames, memory.shape[2]) + self.instrument(instrument)[:, None]
        return out

    def say(self, words: Tensor, seconds: Tensor, memory: Tensor) -> Tensor:
        """Logits (B, L, WORDS) of the word after each of the words (B, L), which comes at seconds (B, L) of the clip.

        The first word is the start, `WORDS`.
        """
        x = self.drop(self._told(words, seconds, memory))
        for block in self.blocks:
            x, _ = block(x, block.cross.remember(memory))  # type: ignore[union-attr, operator]
        out: Tensor = self.said(self.norm(x))
        return out

    def go_on(
        self,
        words: Tensor,
        seconds: Tensor,
        memory: Tensor,
        kept: Sequence[tuple[Tensor, Tensor]],
        past: Sequence[Tensor],
    ) -> tuple[Tensor, list[Tensor]]:
        """The same for one more word (B, 1), given what is kept of the frames and of the words before."""
        x = self._told(words, seconds, memory)
        after: list[Tensor] = []
        for i, block in enumerate(self.blocks):
            x, (keys, values) = block(x, kept[i], (past[2 * i], past[2 * i + 1]))
            after += [keys, values]
        return self.said(self.norm(x)), after

    def _told(self, words: Tensor, seconds: Tensor, memory: Tensor) -> Tensor:
        """Words, when the next is to be said, and the frame that is seen then."""
        frames = seconds * FPS
        at = frames.round().long().clamp(0, memory.shape[1] - 1)
        if memory.shape[0] == 1:  # many hypotheses of one clip
            here = memory[0][at]
        else:
            here = memory.gather(1, at[..., None].expand(-1, -1, memory.shape[2]))
        told: Tensor = self.word(words) + sinusoids(frames, memory.shape[2]) + here
        return told


def parameters(net: nn.Module) -> int:
    """How many numbers a network learns."""
    return sum(value.numel() for value in net.parameters())
