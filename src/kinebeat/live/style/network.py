"""MuStyleNet and its critic, in torch: for training and export only; playing needs none of this.

Shapes: B curves, T ticks.
"""

from __future__ import annotations

import itertools
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


class MuStyleGRU(nn.Module):
    """Generator: kinematic offsets to the envelope of drum onsets, two GRUs of 64 that look back only (section 4.2).

    Args:
        width: of each GRU.
        layers: of them.
    """

    def __init__(self, *, width: int = 64, layers: int = 2) -> None:
        super().__init__()
        self.width, self.layers = width, layers
        self.gru = nn.GRU(1, width, layers, batch_first=True)
        self.out = nn.Linear(width, 1)
        nn.init.constant_(self.out.bias, -1.5)

    def forward(self, offsets: Tensor, hidden: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Offsets (B, T) in [0, 1] and the state (layers, B, width), zero if None -> envelope (B, T), state."""
        x, hidden = self.gru(offsets[..., None], hidden)
        return functional.softplus(4.0 * self.out(x)[..., 0]) / 4.0, hidden


class Critic(nn.Module):
    """Discriminator of Wasserstein's kind: three convolutions over an envelope (section 4.2), one number a curve."""

    def __init__(self, *, channels: int = 32, kernel: int = 9) -> None:
        super().__init__()
        sizes = (1, channels, 2 * channels)
        self.convolutions = nn.ModuleList(
            nn.Conv1d(i, o, kernel, stride=2, padding=kernel // 2) for i, o in itertools.pairwise(sizes)
        )
        self.last = nn.Conv1d(sizes[-1], 1, kernel, padding=kernel // 2)

    def forward(self, envelope: Tensor) -> Tensor:
        """(B, T) -> (B,), higher for what looks like drums."""
        x = envelope[:, None]
        for convolution in self.convolutions:
            x = functional.leaky_relu(convolution(x), 0.2)
        score: Tensor = self.last(x).mean((1, 2))
        return score


class _Reversed(torch.autograd.Function):
    """The same number forwards; backwards the gradient times minus a factor (Ganin and Lempitsky 2015)."""

    @staticmethod
    def forward(context: Any, x: Tensor, factor: float) -> Tensor:
        context.factor = factor
        return x.view_as(x)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Any:
        return -context.factor * gradient, None


class Adversaries(nn.Module):
    """Generator and critic trained in one step, as one module.

    The critic's gradient is turned round where it enters the generator, so that one loss teaches the critic to tell
    made envelopes from drums and the generator to be taken for drums.
    """

    def __init__(self, **net: Any) -> None:
        super().__init__()
        self.generator, self.critic = MuStyleGRU(**net), Critic()

    def losses(
        self, offsets: Tensor, envelope: Tensor, mixes: Tensor, *, adversarial: float, penalty: float
    ) -> dict[str, Tensor]:
        """The loss and its parts.

        Args:
            offsets: (B, T), what the generator is given.
            envelope: (B, T), the drums that go with it.
            mixes: (B,) in [0, 1), where between made and real the gradient penalty is taken.
            adversarial: weight of the critic's opinion beside the mean squared error; 0 trains without it.
            penalty: weight of the gradient penalty (Gulrajani et al. 2017).
        """
        made, _ = self.generator(offsets)
        error = functional.mse_loss(made, envelope)
        if adversarial == 0:
            return {"loss": error, "mse": error}
        turned: Tensor = _Reversed.apply(made, adversarial)  # type: ignore[no-untyped-call]
        apart = self.critic(turned).mean() - self.critic(envelope).mean()
        mix = (mixes[:, None] * made.detach() + (1 - mixes[:, None]) * envelope).requires_grad_()
        (slope,) = torch.autograd.grad(self.critic(mix).sum(), mix, create_graph=True)
        steepness = ((slope.norm(dim=1) - 1) ** 2).mean()
        return {"loss": error + apart + penalty * steepness, "mse": error, "wasserstein": -apart}
