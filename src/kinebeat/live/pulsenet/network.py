"""PulseNet in torch: for training and export only.

What RhythmicNet's Video2Rhythm does with a whole clip, done causally: the velocities of the joints go in tick by tick,
and how likely the tick after it is a beat of the music that is danced to comes out. Visual beats (InteractiveBeat
3.1.1) are where a movement brakes; of these a dance has several to each beat of its music, and between them.

Shapes: B clips, T ticks at `LIVE_FPS`, V joints, L layers, H hidden.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from kinebeat.beats.network import squash
from kinebeat.live.movement import JOINTS


@dataclass(frozen=True)
class NetConfig:
    """All that decides the shape of a network.

    Attributes:
        hidden: H.
        layers: L.
        dropout: of what a layer tells the next.
    """

    hidden: int = 96
    layers: int = 2
    dropout: float = 0.2


class PulseNet(nn.Module):
    """The network. Its state is what its recurrent layers remember, (L, B, H)."""

    def __init__(self, config: NetConfig | None = None) -> None:
        super().__init__()
        self.config = config or NetConfig()
        hidden, layers, dropout = self.config.hidden, self.config.layers, self.config.dropout
        self.told = nn.Linear(3 * JOINTS, hidden)
        self.gru = nn.GRU(hidden, hidden, layers, batch_first=True, dropout=dropout if layers > 1 else 0.0)
        self.beat = nn.Linear(hidden, 1)
        nn.init.constant_(self.beat.bias, -2.0)  # beats are few

    def begin(self, clips: int) -> Tensor:
        """The state before the first tick."""
        return self.beat.bias.new_zeros(self.config.layers, clips, self.config.hidden)

    def forward(self, velocity: Tensor, seen: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Any number of ticks.

        Args:
            velocity: (B, T, V, 2), anything where a joint is not seen.
            seen: (B, T, V), 1 or 0.
            state: after the ticks before; as at the beginning if None.

        Returns:
            (B, T) logits of a beat on the tick after each, and the state.
        """
        safe = torch.where(seen[..., None] > 0, velocity, torch.zeros_like(velocity))
        told = torch.cat([squash(safe).flatten(2), seen], -1)
        heard, state = self.gru(torch.relu(self.told(told)), self.begin(len(velocity)) if state is None else state)
        return self.beat(heard)[..., 0], state
