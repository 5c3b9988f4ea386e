"""The network that sees keys go down, in torch, for training and export only; playing needs none of this.

Shapes: B clips, T pictures, V x U a straightened keyboard or a part of it, K keys, W width.

A key that is down leaves a dark gap beside its neighbours and lies in their shadow: a few pixels, the same for every
key but for what is beside it. So one convolutional network looks at all the keyboard, what it sees at the middle of
each key is followed through time by another, and both are the same for all 88 keys.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from kinebeat.performance.piano_keys import PITCH_CLASSES
from kinebeat.performance.pressing.pictures import FINENESS, ROWS

CHANNELS = 3
"""How a picture differs from the still keyboard, how it differs from the picture before, and the still keyboard."""
_STRIDE = 2  # columns of the picture for one of the features
_BESIDE_U = (-0.5, 0.0, 0.5)


@dataclass(frozen=True)
class PressConfig:
    """All that decides the shape of a network.

    Attributes:
        widths: of the convolutions over a picture.
        width: W, of what is known of a key.
        layers: of the convolutions over time.
        kernel: pictures that each of them spans.
        dropout: in training.
    """

    widths: tuple[int, int, int, int] = (16, 32, 48, 96)
    width: int = 96
    layers: int = 4
    kernel: int = 5
    dropout: float = 0.1


class PressNet(nn.Module):
    """Pictures of a keyboard in, which keys are struck and held out."""

    def __init__(self, config: PressConfig) -> None:
        super().__init__()
        self.config = config
        a, b, c, d = config.widths
        self.see = nn.Sequential(
            *_seeing(CHANNELS, a, 5, (2, _STRIDE)),
            *_seeing(a, b, 3, (2, 1)),
            *_seeing(b, c, 3, (2, 1)),
            nn.Conv2d(c, d, (ROWS // 8, 5), padding=(0, 2), bias=False),
            nn.BatchNorm2d(d),
            nn.ReLU(),
        )
        self.gather = nn.Linear(len(_BESIDE_U) * d, config.width)
        self.kind = nn.Embedding(PITCH_CLASSES, config.width)
        self.follow = nn.ModuleList(_Following(config, 2 ** max(0, k - 1)) for k in range(config.layers))
        self.out = nn.Linear(config.width, 2)
        with torch.no_grad():
            self.out.bias.copy_(torch.tensor([-4.0, -3.0]))  # most keys rest

    def at_keys(self, pictures: Tensor, centres: Tensor, classes: Tensor) -> Tensor:
        """What is seen at the middles of keys and half a white key beside them.

        Args:
            pictures: (N, C, V, U).
            centres: (N, K), in white keys from the left edge of the pictures.
            classes: (N, K), pitch classes.

        Returns:
            (N, K, W).
        """
        seen = self.see(pictures)[:, :, 0]  # (N, D, U')
        beside = torch.tensor(_BESIDE_U, device=seen.device)
        places = (centres[..., None] + beside) * (FINENESS / _STRIDE) - 0.5
        low = places.floor().clamp(0, seen.shape[2] - 2)
        share = (places - low).clamp(0, 1).flatten(1)[:, None]
        index = low.long().flatten(1)[:, None].expand(-1, seen.shape[1], -1)
        found = seen.gather(2, index) * (1 - share) + seen.gather(2, index + 1) * share
        around = found.reshape(*found.shape[:2], -1, len(_BESIDE_U)).permute(0, 2, 3, 1).flatten(2)
        told: Tensor = functional.relu(self.gather(around)) + self.kind(classes)
        return told

    def through_time(self, told: Tensor) -> Tensor:
        """Logits (B, T, K, 2), a key is struck and a key is held, of what `at_keys` saw (B, T, K, W)."""
        clips, _, keys, _ = told.shape
        x = told.permute(0, 2, 3, 1).flatten(0, 1)  # (B K, W, T)
        for layer in self.follow:
            x = layer(x)
        x = x.reshape(clips, keys, *x.shape[1:]).permute(0, 3, 1, 2)
        logits: Tensor = self.out(x)
        return logits

    def forward(self, pictures: Tensor, centres: Tensor, classes: Tensor) -> Tensor:
        """(B, T, C, V, U), (B, K) and (B, K) -> (B, T, K, 2)."""
        clips, frames = pictures.shape[:2]
        places, kinds = (x[:, None].expand(-1, frames, -1).flatten(0, 1) for x in (centres, classes))
        told = self.at_keys(pictures.flatten(0, 1), places, kinds)
        return self.through_time(told.reshape(clips, frames, *told.shape[1:]))


def _seeing(inputs: int, outputs: int, kernel: int, stride: tuple[int, int]) -> list[nn.Module]:
    conv = nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=False)
    return [conv, nn.BatchNorm2d(outputs), nn.ReLU()]


class _Following(nn.Module):
    """A residual convolution over time."""

    def __init__(self, config: PressConfig, dilation: int) -> None:
        super().__init__()
        width, kernel = config.width, config.kernel
        self.norm = nn.BatchNorm1d(width)
        self.time = nn.Conv1d(width, width, kernel, padding=dilation * (kernel // 2), dilation=dilation)
        self.mix = nn.Conv1d(width, width, 1)
        self.drop = nn.Dropout(config.dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(N, W, T) -> the same."""
        out: Tensor = x + self.drop(self.mix(functional.relu(self.time(self.norm(x)))))
        return out


def parameters(net: nn.Module) -> int:
    """How many numbers are learned."""
    return sum(p.numel() for p in net.parameters())
