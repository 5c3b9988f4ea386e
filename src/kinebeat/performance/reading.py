"""The part of the network that reads what is played from a body without keys; needs torch, as `network.py` does.

Shapes: B clips, T frames, V nodes, P = 88 pitches.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from kinebeat.performance.instruments import INSTRUMENTS
from kinebeat.performance.piano_keys import LOWEST_PITCH, PITCHES

if TYPE_CHECKING:
    from kinebeat.performance.network import NetConfig

NOTHING = -1e4
"""Logit of what cannot be."""


class Reading(nn.Module):
    """Whether each pitch begins and sounds, of those who have no keys: fingering is where every finger is."""

    def __init__(self, config: NetConfig) -> None:
        super().__init__()
        width, layers = config.reading_width, len(config.reading_steps)
        self.inputs = nn.Linear(len(config.nodes) * (config.node_width + config.told), width)
        self.instrument = nn.Embedding(len(INSTRUMENTS), (1 + 2 * layers) * width)
        nn.init.normal_(self.instrument.weight, std=0.02)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in config.reading_steps)
        self.layers = nn.ModuleList(
            nn.Conv1d(width, width, 3, padding=step, dilation=step) for step in config.reading_steps
        )
        self.mixed = nn.ModuleList(nn.Linear(width, width) for _ in config.reading_steps)
        self.drop = nn.Dropout(config.dropout)
        near = _nearness()
        self.near: Tensor
        self.register_buffer("near", near)
        self.out = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 2 * near.shape[1], bias=False))
        self.rest = nn.Parameter(torch.tensor([-5.0, -4.0]).repeat(PITCHES, 1))  # most pitches rest
        pitches = torch.arange(LOWEST_PITCH, LOWEST_PITCH + PITCHES)
        ranges = [(pitches >= of.lowest) & (pitches <= of.highest) for of in INSTRUMENTS.values()]
        self.ranges: Tensor
        self.register_buffer("ranges", torch.stack(ranges))

    def forward(self, vectors: Tensor, scaled: Tensor, instrument: Tensor) -> Tensor:
        """What `Encoder` gives and instruments (B,) -> as `on_keys`, (B, T, P, 2)."""
        x = self.inputs(torch.cat([vectors.flatten(2), scaled.flatten(2)], -1))
        shift, *both = self.instrument(instrument)[:, None].chunk(1 + 2 * len(self.layers), -1)
        x = x + shift
        layers = zip(self.norms, self.layers, self.mixed, both[0::2], both[1::2], strict=True)
        for norm, layer, mixed, gain, offset in layers:
            near = layer((norm(x) * (1 + gain) + offset).transpose(1, 2)).transpose(1, 2)
            x = x + self.drop(mixed(functional.gelu(near)))
        with torch.autocast(x.device.type, enabled=False):  # most probabilities are near to 0
            logits = (self.out(x.float()).unflatten(-1, (2, -1)) @ self.near.T).transpose(2, 3) + self.rest
        logits = logits.masked_fill(~self.ranges[instrument][:, None, :, None], NOTHING)
        return -functional.softplus(logits)


def _nearness() -> Tensor:
    """(P, N) what pitches share, so that each is learned with its neighbours and octaves.

    Each has a column of its own, shares wider ones with what is near to it, and one with all of its name.
    """
    pitch = torch.arange(PITCHES)
    apart = (pitch[:, None] - pitch).float()
    near = [torch.exp(-0.5 * (apart[:, ::step] / step) ** 2) for step in (2, 6)]
    name = (pitch[:, None] % 12 == torch.arange(12)).float()
    return torch.cat([torch.eye(PITCHES), *near, name], 1)
