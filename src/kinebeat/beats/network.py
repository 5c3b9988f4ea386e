"""The networks that hear beats in movement (RhythmicNet Table 1), in torch: for training and export only.

Shapes: B clips, T frames at 60 Hz, V = 17 joints, C channels, N tokens at 15 Hz (N = T / 4), E width, H heads.
Every network takes `velocity (B, T, V, 2)` in body heights per second and `seen (B, T, V)`, 1 where the joint is seen
and 0 where it is not, and gives logits (B, T). What the velocity says where `seen` is 0 never matters.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from kinebeat.skeleton import LAYOUTS

if TYPE_CHECKING:
    from numpy.typing import NDArray

SKELETON = LAYOUTS["rhythmicnet17"]
JOINTS = len(SKELETON.joints)
CENTRE = "mid_hip"
FRAMES_PER_TOKEN = 4
WINDOW = 600
"""Frames of the longest clip: 10 s."""
_LINEAR_TO = 0.5
"""Body heights per second from which speed counts by its logarithm, so that no glitch outweighs a dance."""
_NEVER = -1e4


@dataclass(frozen=True)
class Parts:
    """What a row of Table 1 is made of."""

    encoder: str
    transformer: bool = False
    similarity: bool = False
    relative: bool = False


VARIANTS = {
    "tcn": Parts("tcn"),
    "tf": Parts("linear", transformer=True),
    "stgcn": Parts("stgcn"),
    "stgcn-tf": Parts("stgcn", transformer=True),
    "stgcn-tf-ssm": Parts("stgcn", transformer=True, similarity=True),
    "stgcn-tf-rel": Parts("stgcn", transformer=True, relative=True),
    "stgcn-tf-ssm-rel": Parts("stgcn", transformer=True, similarity=True, relative=True),
}


@dataclass(frozen=True)
class NetConfig:
    """All that decides the shape of a network.

    Attributes:
        model: a row of Table 1, a key of `VARIANTS`.
        channels: of each ST-GCN layer; their number is the paper's.
        strides: of each ST-GCN layer in time; their product is `FRAMES_PER_TOKEN`.
        kernels: frames of each layer's temporal convolution.
        width: E.
        heads: of the transformer; the paper's.
        layers: of the transformer; the paper's.
        feed: width of the transformer's feed-forward layers, in widths.
        tcn_dilations: of the baseline's residual layers.
        dropout: in training.
    """

    model: str = "stgcn-tf-ssm-rel"
    channels: tuple[int, ...] = (24,) * 3 + (48,) * 7
    strides: tuple[int, ...] = (2, 1, 1, 2, 1, 1, 1, 1, 1, 1)
    kernels: tuple[int, ...] = (9, 9, 9, 9, 5, 5, 5, 5, 5, 5)
    width: int = 64
    heads: int = 2
    layers: int = 2
    feed: int = 2
    tcn_dilations: tuple[int, ...] = (1, 2, 4, 8, 16, 1, 2, 4, 8, 16)
    dropout: float = 0.1


SHAPES = {
    "wide": NetConfig(),
    "narrow": NetConfig(
        channels=(32,) * 10,
        strides=(2, 2, 1, 1, 1, 1, 1, 1, 1, 1),
        kernels=(9, 9, 5, 5, 5, 5, 5, 5, 5, 5),
        tcn_dilations=(1, 2, 4, 8, 16, 32, 64),
    ),
}
"""Shapes by name. The narrow one has three quarters of the numbers and learns half as many clips again in its time."""


def spatial_partition() -> NDArray[np.float32]:
    """Neighbours of each joint by where they lie, (3, V, V): [k, w, v] is 1 if v is a neighbour of w of kind k.

    Spatial configuration partitioning of Yan et al. 2018, section 3.3, eq. 8: a joint itself, its neighbours nearer
    to the body's centre (centripetal), and those further away (centrifugal), counted in bones.
    """
    linked = np.zeros((JOINTS, JOINTS), bool)
    for a, b in SKELETON.bone_indices:
        linked[a, b] = linked[b, a] = True
    away = np.full(JOINTS, -1)
    ring, bones = [SKELETON.index(CENTRE)], 0
    while ring:
        away[ring] = bones
        ring, bones = [int(v) for v in np.flatnonzero(linked[ring].any(0) & (away < 0))], bones + 1
    if (away < 0).any():
        raise ValueError("the skeleton is in pieces")
    nearer = away[None, :] < away[:, None]
    return np.array([np.eye(JOINTS, dtype=bool), linked & nearer, linked & ~nearer], np.float32)


def squash(velocity: Tensor) -> Tensor:
    """Velocity, linear while slow and logarithmic where fast, with the speed's direction kept."""
    speed = torch.sqrt((velocity * velocity).sum(-1, keepdim=True) + 1e-12) / _LINEAR_TO
    return velocity / _LINEAR_TO * (torch.log(speed + torch.sqrt(speed * speed + 1.0)) / speed)


def _as_picture(x: Tensor) -> Tensor:
    """(B, T, V, C) seen as (B, C, T, V); nothing is copied, since convolutions take channels that lie last."""
    return x.permute(0, 3, 1, 2)


def _grouped(x: Tensor, frames: int) -> Tensor:
    """(B, T, ...) -> (B, T / frames, frames, ...)."""
    return x.reshape(x.shape[0], x.shape[1] // frames, frames, *x.shape[2:])


class GraphLayer(nn.Module):
    """One ST-GCN layer (Yan et al. 2018, eq. 10): over the joint's neighbours, then over time, then the residual.

    Args:
        inputs: channels in.
        channels: channels out.
        kernel: frames of the temporal convolution.
        stride: in time.
        dropout: in training.
        residual: False for the first layer, as in the paper.
    """

    def __init__(
        self, inputs: int, channels: int, kernel: int, stride: int, dropout: float, *, residual: bool = True
    ) -> None:
        super().__init__()
        self.importance = nn.Parameter(torch.ones(JOINTS * 3, JOINTS))
        self.spatial = nn.Linear(3 * inputs, channels, bias=False)
        self.norm_in = nn.BatchNorm2d(channels)
        self.temporal = nn.Conv2d(channels, channels, (kernel, 1), (stride, 1), (kernel // 2, 0), bias=False)
        self.norm_out = nn.BatchNorm2d(channels)
        self.drop = nn.Dropout2d(dropout)  # whole channels: few numbers to draw
        self.stride, self.residual = stride, residual
        changes = residual and (inputs != channels or stride != 1)
        self.match = nn.Linear(inputs, channels, bias=False) if changes else None
        self.norm_match = nn.BatchNorm2d(channels) if changes else None

    def forward(self, x: Tensor, graph: Tensor) -> Tensor:
        """Joints (B, T, V, C) and graph (B, T, 3 V, V) -> (B, T / stride, V, channels)."""
        around = (graph * self.importance) @ x
        mixed = self.spatial(around.reshape(*x.shape[:3], 3 * x.shape[3]))
        out = self.norm_out(self.temporal(functional.relu(self.norm_in(_as_picture(mixed)))))
        out = self.drop(out)
        if self.residual:
            before = x[:, :: self.stride]
            if self.match is not None and self.norm_match is not None:
                out = out + self.norm_match(_as_picture(self.match(before)))
            else:
                out = out + _as_picture(before)
        return functional.relu(out).permute(0, 2, 3, 1)


class GraphEncoder(nn.Module):
    """ST-GCN: joints to features of every token, the joints that are not seen left out."""

    def __init__(self, config: NetConfig) -> None:
        super().__init__()
        inputs = (3, *config.channels[:-1])
        shapes = zip(inputs, config.channels, config.kernels, config.strides, strict=True)
        self.layers = nn.ModuleList(
            GraphLayer(*shape, config.dropout, residual=i > 0) for i, shape in enumerate(shapes)
        )
        self.strides = config.strides
        self.out = nn.Linear(config.channels[-1], config.width)
        self.neighbours: Tensor
        # Joint by joint, so that a product with the joints comes out with a joint's three kinds side by side.
        rows = spatial_partition().transpose(1, 0, 2).reshape(3 * JOINTS, JOINTS)
        self.register_buffer("neighbours", torch.as_tensor(rows), persistent=False)

    def graph(self, seen: Tensor) -> Tensor:
        """What is seen (B, T, V) -> (B, T, 3 V, V): the mean over the neighbours of each kind that are seen."""
        linked = self.neighbours * seen[:, :, None]
        return linked / linked.sum(-1, keepdim=True).clamp(min=1.0)

    def forward(self, velocity: Tensor, seen: Tensor) -> Tensor:
        """Velocity (B, T, V, 2), zero where unseen, and seen (B, T, V) -> (B, N, E)."""
        x, graph = torch.cat([velocity, seen[..., None]], -1), self.graph(seen)
        for layer, stride in zip(self.layers, self.strides, strict=True):
            x = layer(x, graph)
            if stride > 1:
                seen = _grouped(seen, stride).amax(2)
                graph = self.graph(seen)
        joints = seen.sum(2, keepdim=True).clamp(min=1.0)
        features: Tensor = self.out((x * seen[..., None]).sum(2) / joints)
        return features


class LinearEncoder(nn.Module):
    """A linear projection of the joints: what the transformer of the row "TF" sees."""

    def __init__(self, config: NetConfig) -> None:
        super().__init__()
        self.project = nn.Linear(FRAMES_PER_TOKEN * JOINTS * 3, config.width)

    def forward(self, velocity: Tensor, seen: Tensor) -> Tensor:
        """As `GraphEncoder.forward`."""
        joints = torch.cat([velocity, seen[..., None]], -1).flatten(2)
        features: Tensor = self.project(_grouped(joints, FRAMES_PER_TOKEN).flatten(2))
        return features


class ConvolutionalEncoder(nn.Module):
    """The baseline: a temporal convolutional network over all joints' velocities at once.

    After Pedersoli and Goto 2020, "Dance beat tracking from visual information alone": dilated residual convolutions
    over time, a skeleton being no more than a list of numbers. The stem brings it to the others' token rate.
    """

    def __init__(self, config: NetConfig) -> None:
        super().__init__()
        width = config.width
        self.stem = nn.Sequential(
            nn.Conv1d(JOINTS * 3, width, 9, 2, 4, bias=False),
            nn.BatchNorm1d(width),
            nn.ELU(),
            nn.Conv1d(width, width, 5, 2, 2, bias=False),
            nn.BatchNorm1d(width),
            nn.ELU(),
        )
        self.layers = nn.ModuleList(
            nn.Sequential(
                nn.Conv1d(width, width, 5, 1, 2 * dilation, dilation, bias=False),
                nn.BatchNorm1d(width),
                nn.ELU(),
                nn.Dropout(config.dropout),
                nn.Conv1d(width, width, 1),
            )
            for dilation in config.tcn_dilations
        )

    def forward(self, velocity: Tensor, seen: Tensor) -> Tensor:
        """As `GraphEncoder.forward`."""
        x = self.stem(torch.cat([velocity, seen[..., None]], -1).flatten(2).transpose(1, 2))
        for layer in self.layers:
            x = x + layer(x)
        features: Tensor = x.transpose(1, 2)
        return features


class SelfSimilarity(nn.Module):
    """The temporal self-similarity matrix of the motion features as a term of the attention scores.

    RhythmicNet section 3: S_ij = -||P_i - P_j||^2, softmax over time j, one channel through a convolution. The softmax
    favours frames that are ALIKE. Two things the paper does not say: the distance is divided by a learned
    temperature, without which a frame resembles itself alone, and the softmax is multiplied by the number of tokens
    it is over, so that its mean is 1 at any length.
    """

    def __init__(self, width: int, kernel: int = 7) -> None:
        super().__init__()
        self.log_temperature = nn.Parameter(torch.tensor(0.5 * math.log(width)))
        self.mix = nn.Conv2d(1, 1, kernel, padding=kernel // 2)
        nn.init.normal_(self.mix.weight, std=0.02)  # the largest entries are as many as there are tokens

    def similarity(self, features: Tensor, mask: Tensor) -> Tensor:
        """P (B, N, E) and mask (B, 1, 1, N), added before the softmax -> S (B, 1, N, N), rows of mean 1."""
        square = (features * features).sum(-1)
        distance = square[:, :, None] + square[:, None] - 2 * features @ features.transpose(1, 2)
        alike = -distance.clamp(min=0.0)[:, None] * torch.exp(-self.log_temperature) + mask
        return alike.softmax(-1) * (mask > 0.5 * _NEVER).sum(-1, keepdim=True)

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        """The convolved matrix, (B, 1, N, N)."""
        mixed: Tensor = self.mix(self.similarity(features, mask))
        return mixed


class Attention(nn.Module):
    """Softmax((Q K^T + S + R) / sqrt(D)) V, the attention of RhythmicNet section 3.

    R is the relative position encoding of Shaw et al. 2018 with a vector for every distance and head, brought in place
    by Music Transformer's skewing (Huang et al. 2018, section 3.4.1), here in both directions.
    """

    def __init__(self, config: NetConfig, *, relative: bool) -> None:
        super().__init__()
        self.heads, self.depth = config.heads, config.width // config.heads
        self.inputs = nn.Linear(config.width, 3 * config.width)
        self.out = nn.Linear(config.width, config.width)
        self.drop = nn.Dropout(config.dropout)
        self.tokens = WINDOW // FRAMES_PER_TOKEN
        distances = torch.randn(self.heads, 2 * self.tokens - 1, self.depth) * 0.02
        self.distances = nn.Parameter(distances) if relative else None

    def relative(self, query: Tensor) -> Tensor:
        """Query (B, H, N, D) -> R (B, H, N, N): [i, j] is the query of i times the vector of the distance j - i."""
        if self.distances is None:
            raise TypeError("made without relative positions")
        n = query.shape[2]
        if n > self.tokens:
            raise ValueError(f"{n} tokens: made for {self.tokens} at most")
        table = self.distances[:, self.tokens - n : self.tokens + n - 1]
        # Row i of `by_distance` has its own token in column n - 1; one entry more to a row shifts it into place.
        by_distance = functional.pad(query @ table.transpose(1, 2), (0, 1))
        flat = functional.pad(by_distance.flatten(2), (0, n - 1))
        return flat.reshape(*query.shape[:2], n + 1, 2 * n - 1)[:, :, :n, n - 1 :]

    def forward(self, x: Tensor, extra: Tensor | None, mask: Tensor) -> Tensor:
        """Tokens (B, N, E), extra (B, 1, N, N) and mask (B, 1, 1, N), both added to the scores -> (B, N, E)."""
        inputs: Tensor = self.inputs(x)
        query, key, value = inputs.reshape(*x.shape[:2], 3, self.heads, self.depth).permute(2, 0, 3, 1, 4)
        scores = query @ key.transpose(-1, -2)
        if extra is not None:
            scores = scores + extra
        if self.distances is not None:
            scores = scores + self.relative(query)
        weights = self.drop((scores / math.sqrt(self.depth) + mask).softmax(-1))
        mixed: Tensor = self.out((weights @ value).transpose(1, 2).flatten(2))
        return mixed


class AttentionLayer(nn.Module):
    """Pre-norm transformer encoder layer."""

    def __init__(self, config: NetConfig, *, relative: bool) -> None:
        super().__init__()
        width = config.width
        self.norm_attend, self.attend = nn.LayerNorm(width), Attention(config, relative=relative)
        self.norm_feed = nn.LayerNorm(width)
        self.feed = nn.Sequential(
            nn.Linear(width, config.feed * width),
            nn.GELU(),
            nn.Dropout(config.dropout),
            nn.Linear(config.feed * width, width),
        )
        self.drop = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, extra: Tensor | None, mask: Tensor) -> Tensor:
        """As `Attention.forward`."""
        x = x + self.drop(self.attend(self.norm_attend(x), extra, mask))
        changed: Tensor = x + self.drop(self.feed(self.norm_feed(x)))
        return changed


def sinusoids(tokens: int, width: int) -> Tensor:
    """Absolute positions (Vaswani et al. 2017, section 3.5), (tokens, width)."""
    angle = torch.arange(tokens)[:, None] * torch.exp(torch.arange(0, width, 2) * (-math.log(1e4) / width))
    return torch.stack([angle.sin(), angle.cos()], -1).flatten(1)


class BeatNet(nn.Module):
    """A row of RhythmicNet's Table 1: movement in, a logit of a music beat for every frame out."""

    def __init__(self, config: NetConfig) -> None:
        super().__init__()
        self.config, parts = config, VARIANTS[config.model]
        encoders: dict[str, Any] = {"stgcn": GraphEncoder, "linear": LinearEncoder, "tcn": ConvolutionalEncoder}
        self.encoder = encoders[parts.encoder](config)
        self.similarity = SelfSimilarity(config.width) if parts.similarity else None
        layers = config.layers if parts.transformer else 0
        self.layers = nn.ModuleList(AttentionLayer(config, relative=parts.relative) for _ in range(layers))
        self.absolute = parts.transformer and not parts.relative
        self.norm = nn.LayerNorm(config.width)
        # Four frames to a token: the beat's phase is finer than the token.
        self.head = nn.Linear(config.width, FRAMES_PER_TOKEN)
        self.positions: Tensor
        self.register_buffer("positions", sinusoids(WINDOW // FRAMES_PER_TOKEN, config.width), persistent=False)

    def features(self, velocity: Tensor, seen: Tensor) -> Tensor:
        """The motion features P, (B, N, E), of the inputs of `forward`."""
        seen = seen.to(velocity.dtype)
        # Chosen, not multiplied: what stands where a joint is not seen may be infinite.
        safe = torch.where(seen[..., None] > 0, velocity, torch.zeros_like(velocity))
        features: Tensor = self.encoder(squash(safe), seen)
        return features

    def logits(self, features: Tensor, seen: Tensor) -> Tensor:
        """Motion features P (B, N, E) and seen (B, T, V) -> (B, T)."""
        x = features
        if len(self.layers):
            # Tokens in which nobody is seen are not attended to.
            anyone = _grouped(seen.to(x.dtype).amax(2), FRAMES_PER_TOKEN).amax(2)
            mask = ((1.0 - anyone) * _NEVER)[:, None, None]
            extra = self.similarity(x, mask) if self.similarity is not None else None
            if self.absolute:
                x = x + self.positions[: x.shape[1]]
            for layer in self.layers:
                x = layer(x, extra, mask)
        logits: Tensor = self.head(self.norm(x)).flatten(1)
        return logits

    def forward(self, velocity: Tensor, seen: Tensor) -> Tensor:
        """Velocity (B, T, V, 2) and seen (B, T, V), T a multiple of 4 up to `WINDOW` -> logits (B, T)."""
        return self.logits(self.features(velocity, seen), seen)


def parameters(net: nn.Module) -> int:
    """How many numbers a network learns."""
    return sum(value.numel() for value in net.parameters())
