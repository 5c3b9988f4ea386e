"""PulseNet ready to play: the shipped graph, run by onnxruntime on one thread, one tick at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kinebeat import weights

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

NAME = "live-pulse"


@dataclass(frozen=True)
class PulseNetState:
    """What the network remembers, and is never changed.

    Attributes:
        values: (L, 1, H) float32, as `network.PulseNet` lays it out.
    """

    values: NDArray[np.float32]


class PulseNet:
    """Beats of the music that somebody dances to, as it happens.

    Args:
        parts: "step", an ONNX graph as a uint8 array, and the constants "layers" and "hidden"; those that are shipped
            if None.

    Raises:
        InputError: the shipped weights are damaged.
    """

    def __init__(self, parts: Mapping[str, NDArray[Any]] | None = None) -> None:
        from kinebeat.weights.sessions import open_session

        parts = weights.load(NAME) if parts is None else parts
        self._step = open_session(parts["step"])
        self._shape = int(parts["layers"]), 1, int(parts["hidden"])

    def begin(self) -> PulseNetState:
        """The state before the first tick."""
        return PulseNetState(np.zeros(self._shape, np.float32))

    def step(self, velocity: NDArray[np.floating[Any]], state: PulseNetState) -> tuple[float, PulseNetState]:
        """Take in one tick of `kinebeat.live.movement`.

        Args:
            velocity: (17, 2) body heights per second, NaN where a joint is not followed.
            state: what the tick before left.

        Returns:
            The probability of a beat on the next tick, and the state for it.
        """
        seen = np.isfinite(velocity).all(-1)
        told = np.where(seen[:, None], velocity, 0.0).astype(np.float32)[None, None]
        given = {"velocity": told, "seen": seen.astype(np.float32)[None, None], "state": state.values}
        logit, after = self._step.run(None, given)
        return float(1 / (1 + np.exp(-np.clip(logit[0, 0], -30, 30)))), PulseNetState(after)
