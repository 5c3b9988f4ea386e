"""VisBeatNet ready to play: the shipped graphs, run by onnxruntime on one thread, one tick at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kinebeat import weights
from kinebeat.beats.visual import BINS
from kinebeat.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

NAME = "live-visbeat"
FORECAST_TICKS = 36
NEAR_TICKS = 5
"""The most that the graph for short forecasts gives, which takes a sixth of the time."""


@dataclass(frozen=True)
class VisBeatState:
    """What the network remembers, and is never changed.

    Attributes:
        values: (1, S) float32, as `network.VisBeatNet` lays it out.
    """

    values: NDArray[np.float32]


class VisBeatNet:
    """Kinematic offsets and visual beats of the ticks to come.

    Args:
        parts: "step", "forecast" and "near", ONNX graphs as uint8 arrays, and the constants "state_size", "threshold"
            and "next_threshold"; those that are shipped if None.

    Raises:
        InputError: the shipped weights are damaged.
    """

    def __init__(self, parts: Mapping[str, NDArray[Any]] | None = None) -> None:
        from kinebeat.weights.sessions import open_session

        parts = weights.load(NAME) if parts is None else parts
        self._step = open_session(parts["step"])
        self._near, self._forecast = open_session(parts["near"]), open_session(parts["forecast"])
        self._size = int(parts["state_size"])
        self.threshold = float(parts["threshold"])
        """Probability from which a peak of the forecast beats is a beat, the best on validation."""
        self.next_threshold = float(parts["next_threshold"])
        """The same of the beats that `step` gives."""

    def begin(self) -> VisBeatState:
        """The state before the first tick."""
        return VisBeatState(np.zeros((1, self._size), np.float32))

    def step(
        self, directogram: NDArray[np.floating[Any]], offset: float, present: bool, state: VisBeatState
    ) -> tuple[float, float, VisBeatState]:
        """Take in one tick of `kinebeat.live.movement`.

        Args:
            directogram: (18,) body heights per second.
            offset: body heights per second squared.
            present: whether somebody is seen.
            state: what the tick before left.

        Returns:
            K of the next tick and the probability of a visual beat there, both in [0, 1], and the state for it.
        """
        tick = np.empty((1, BINS + 2), np.float32)
        tick[0, :BINS], tick[0, BINS], tick[0, BINS + 1] = directogram, offset, present
        next_offset, chance, values = self._step.run(None, {"tick": tick, "state": state.values})
        return float(next_offset[0]), float(chance[0]), VisBeatState(values)

    def forecast(
        self, state: VisBeatState, ticks: int = FORECAST_TICKS
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """What comes after the last tick if nothing more is seen; the state stays as it is.

        Args:
            state: after the last tick.
            ticks: how many, at most `FORECAST_TICKS`.

        Returns:
            (ticks,) K and (ticks,) probabilities of a visual beat, the first of the tick after the last one.

        Raises:
            OptionError: more ticks than can be forecast.
        """
        if not 0 <= ticks <= FORECAST_TICKS:
            raise OptionError(f"a forecast of {ticks} ticks: expected 0 to {FORECAST_TICKS}")
        session = self._near if ticks <= NEAR_TICKS else self._forecast
        offsets, chances = session.run(None, {"state": state.values})
        return offsets[0, :ticks], chances[0, :ticks]
