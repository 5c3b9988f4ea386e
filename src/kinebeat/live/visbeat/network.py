"""VisBeatNet in torch: for training and export only (InteractiveBeat 3.1.2, fig. 3).

Shapes: B clips, T ticks at `LIVE_FPS`, N bins of the directogram. RN1 is told at each tick what is known of the
movement, and says the kinematic offset K of the tick after it. RN2 is told that K and the hidden state of RN1, and
says whether the tick after it is a visual beat. To forecast, RN1 is told its own K, and that nothing else is known.

What a live movement is told in: the directogram on a logarithmic scale, and the causal offset as a part of what this
person reaches (`level`), since K, the truth, is normalised in each clip.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from kinebeat.beats.visual import BINS, STILL_LEVEL
from kinebeat.live.movement import LIVE_FPS

FORECAST_TICKS = 36
TICK_INPUTS = BINS + 2
"""A tick as the network takes it: directogram, offset, present (1 or 0)."""
LEVEL_S = 8.0
"""Past over which the level is judged."""
LEVEL_RMS = 3.0
"""The top 1 % of kinematic offsets are about so many times their root mean square."""
_CAP = 8.0
# An offset counts in the level by at most so many times the level: joints that are mistaken for others brake hard.
_SPREAD = 8.0
# The directogram counts by its logarithm from about an eighth of a body height per second.


@dataclass(frozen=True)
class NetConfig:
    """All that decides the shape of a network; the paper's.

    Attributes:
        offsets: hidden size of RN1.
        beats: hidden size of RN2.
    """

    offsets: int = 64
    beats: int = 32


class VisBeatNet(nn.Module):
    """The network. Its state is one vector (B, S) so that a graph has one state in and one out.

    The state holds, in this order: hidden of RN1, hidden of RN2, K of the next tick, logit of a beat there, mean
    square of the offsets, number of ticks in it, whether somebody was there.
    """

    def __init__(self, config: NetConfig | None = None) -> None:
        super().__init__()
        self.config = config or NetConfig()
        self.rn1 = nn.GRU(BINS + 4, self.config.offsets, batch_first=True)
        self.rn2 = nn.GRU(1 + self.config.offsets, self.config.beats, batch_first=True)
        self.offset = nn.Linear(self.config.offsets, 1)
        self.beat = nn.Linear(self.config.beats, 1)
        nn.init.constant_(self.offset.bias, -1.5)  # K is mostly small, and beats are few
        nn.init.constant_(self.beat.bias, -2.0)

    @property
    def state_size(self) -> int:
        """S."""
        return self.config.offsets + self.config.beats + 5

    def begin(self, clips: int) -> Tensor:
        """The state before the first tick, (B, S)."""
        return self.beat.bias.new_zeros(clips, self.state_size)

    def whole(self, ticks: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """All ticks of clips at once.

        Args:
            ticks: (B, T, TICK_INPUTS).

        Returns:
            (B, T) K of the tick after each; (B, T) logits of a beat there; (B, T, S) the state after each.
        """
        levels = self._levels(ticks)
        hidden1, _ = self.rn1(_inputs(ticks, _level(levels[..., 0])))
        offset = torch.sigmoid(self.offset(hidden1))
        hidden2, _ = self.rn2(torch.cat([offset, hidden1], -1))
        logit = self.beat(hidden2)
        states = torch.cat([hidden1, hidden2, offset, logit, levels, ticks[..., -1:]], -1)
        return offset[..., 0], logit[..., 0], states

    def step(self, tick: Tensor, state: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """One tick, (B, TICK_INPUTS): K of the next one (B,), logit of a beat there (B,), and the new state."""
        a, b = self.config.offsets, self.config.beats
        levels = _next_level(tick, state[:, a + b + 2 : a + b + 4])
        hidden1 = _gates(self.rn1, _told(self.rn1, _inputs(tick, _level(levels[:, 0]))), state[:, :a])
        offset = torch.sigmoid(self.offset(hidden1))
        hidden2 = _gates(self.rn2, _told(self.rn2, torch.cat([offset, hidden1], -1)), state[:, a : a + b])
        logit = self.beat(hidden2)
        return offset[:, 0], logit[:, 0], torch.cat([hidden1, hidden2, offset, logit, levels, tick[:, -1:]], -1)

    def forecast(
        self, state: Tensor, ticks: int = FORECAST_TICKS, *, taught: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """What comes after the last tick, with nothing more to be seen.

        Args:
            state: (B, S).
            ticks: how many.
            taught: (B, ticks) the true K, told instead of the network's own where it is not NaN (teacher forcing).

        Returns:
            (B, ticks) K and (B, ticks) logits of a beat; the first is of the tick after the last one stepped.
        """
        a, b = self.config.offsets, self.config.beats
        hidden1, offset = state[:, :a], state[:, a + b : a + b + 1]
        level = _level(state[:, a + b + 2])
        # What is not known stays the same through the forecast: its part of RN1's input is computed once.
        unknown = state.new_zeros(len(state), BINS + 1)
        still = torch.cat([unknown, torch.zeros_like(offset), state[:, -1:], level.log()[:, None]], -1)
        told = _told(self.rn1, still)
        by_offset = _weight(self.rn1, "weight_ih_l0")[:, BINS]
        offsets, hiddens = [offset], []
        for k in range(1, ticks):
            given = offset
            if taught is not None:
                truth = taught[:, k - 1 : k]
                given = torch.where(torch.isnan(truth), offset, torch.nan_to_num(truth))
            hidden1 = _gates(self.rn1, told + given * by_offset, hidden1)
            offset = torch.sigmoid(self.offset(hidden1))
            offsets.append(offset)
            hiddens.append(torch.cat([offset, hidden1], -1))
        logit = state[:, a + b + 1 : a + b + 2]
        if hiddens:
            hidden2, _ = self.rn2(torch.stack(hiddens, 1), state[None, :, a : a + b].contiguous())
            logit = torch.cat([logit, self.beat(hidden2)[..., 0]], 1)
        return torch.cat(offsets, 1), logit

    @torch.no_grad()
    def _levels(self, ticks: Tensor) -> Tensor:
        """Mean square of the offsets up to each tick and the number of ticks in it, (B, T, 2)."""
        levels = [ticks.new_zeros(len(ticks), 2)]
        for tick in ticks.unbind(1):
            levels.append(_next_level(tick, levels[-1]))
        return torch.stack(levels[1:], 1)


def parameters(net: nn.Module) -> int:
    """How many numbers a network has learned."""
    return sum(value.numel() for value in net.parameters())


def _next_level(tick: Tensor, level: Tensor) -> Tensor:
    """Mean square of the offsets (..., 0) and how many ticks it is of (..., 1), after one more tick."""
    square, count = level[..., 0], level[..., 1]
    offset, present = tick[..., BINS], tick[..., BINS + 1]
    offset = torch.minimum(offset, _CAP * _level(square))
    gain = present / torch.clamp(count + 1.0, max=LEVEL_S * LIVE_FPS)
    count = torch.clamp(count + present, max=LEVEL_S * LIVE_FPS)
    return torch.stack([square + gain * (offset * offset - square), count], -1)


def _level(square: Tensor) -> Tensor:
    """What the top 1 % of a person's offsets are held to reach, never less than one who moves."""
    return torch.clamp(LEVEL_RMS * torch.sqrt(square), min=STILL_LEVEL)


def _inputs(tick: Tensor, level: Tensor) -> Tensor:
    """What RN1 is told of a tick: directogram, K as far as it is known, that it is known, present, level."""
    directogram = torch.log1p(_SPREAD * tick[..., :BINS])
    known = torch.clamp(tick[..., BINS] / level, max=1.5)
    rest = [known, torch.ones_like(known), tick[..., BINS + 1], level.log()]
    return torch.cat([directogram, torch.stack(rest, -1)], -1)


def _told(gru: nn.GRU, x: Tensor) -> Tensor:
    """What the inputs (B, I) of a GRU layer give to its gates, (B, 3 H)."""
    return functional.linear(x, _weight(gru, "weight_ih_l0"), _weight(gru, "bias_ih_l0"))


def _weight(gru: nn.GRU, name: str) -> Tensor:
    value: Tensor = getattr(gru, name)
    return value


def _gates(gru: nn.GRU, told: Tensor, hidden: Tensor) -> Tensor:
    """One step of a GRU layer: what `_told` gives, and its state (B, H) -> (B, H)."""
    size = gru.hidden_size
    kept = functional.linear(hidden, _weight(gru, "weight_hh_l0"), _weight(gru, "bias_hh_l0"))
    gates = torch.sigmoid(told[:, : 2 * size] + kept[:, : 2 * size])
    new = torch.tanh(told[:, 2 * size :] + gates[:, :size] * kept[:, 2 * size :])
    return new + gates[:, size:] * (hidden - new)
