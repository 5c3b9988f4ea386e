"""The classifier, in torch: for training and export only; scoring needs none of this."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional

FEATURES = 64


class GenreCNN(nn.Module):
    """Log-mel spectrogram (B, 40, 100) to genres: four convolutions, pooled over all time and pitch.

    Args:
        genres: how many.
        channels: of each convolution; each halves the picture.
        dropout: in training.
    """

    def __init__(self, genres: int, *, channels: tuple[int, ...] = (16, 32, 64, 64), dropout: float = 0.3) -> None:
        super().__init__()
        sizes = (1, *channels)
        self.convolutions = nn.ModuleList(
            nn.Conv2d(i, o, 3, stride=(2, 2), padding=1) for i, o in itertools.pairwise(sizes)
        )
        self.norms = nn.ModuleList(nn.GroupNorm(4, size) for size in channels)
        self.features = nn.Linear(2 * channels[-1], FEATURES)
        self.out = nn.Linear(FEATURES, genres)
        self.drop = nn.Dropout(dropout)

    def look(self, spectrogram: Tensor) -> tuple[Tensor, Tensor]:
        """Features (B, 64) and logits (B, genres)."""
        x = spectrogram[:, None]
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            x = functional.gelu(norm(convolution(x)))
        pooled = self.drop(torch.cat([x.mean((2, 3)), x.amax((2, 3))], 1))
        features = functional.gelu(self.features(pooled))
        return features, self.out(self.drop(features))

    def forward(self, spectrogram: Tensor) -> Tensor:
        """Logits (B, genres)."""
        return self.look(spectrogram)[1]
