"""MuStyleNet as trained and shipped, run by onnxruntime on one thread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from kinebeat.weights import load
from kinebeat.weights.sessions import open_session

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    State = NDArray[np.float32]

WEIGHT = "live-style"


class MuStyleNet:
    """How hard somebody brakes becomes how hard drums are struck, tick by tick (`kinebeat.live.movement.LIVE_FPS`).

    State is explicit and never changed: two steps from one state give the same.

    Args:
        parts: what `kinebeat.weights.load` gives; the shipped ones if None.
    """

    def __init__(self, parts: Mapping[str, NDArray[Any]] | None = None) -> None:
        parts = load(WEIGHT) if parts is None else parts
        self._net = open_session(parts["net"])
        layers, _, width = self._net.get_inputs()[1].shape
        self._shape = int(layers), 1, int(width)

    def begin(self) -> State:
        """Before the first tick."""
        return np.zeros(self._shape, np.float32)

    def step(self, offset: float, state: State) -> tuple[float, State]:
        """One tick.

        Args:
            offset: kinematic offset in [0, 1]; 0 where nobody is seen.
            state: after the ticks before.

        Returns:
            The envelope, at least 0 and about as high as the velocity of a drum that is struck, and the next state.
        """
        envelope, state = self._run(np.array([[offset]], np.float32), state)
        return float(envelope[0]), state

    def forecast(self, offsets: NDArray[np.floating[Any]], state: State) -> NDArray[np.float32]:
        """The envelope (N,) that kinematic offsets (N,) to come would give, in one call; the state stays as it was."""
        if not len(offsets):
            return np.zeros(0, np.float32)
        return self._run(np.asarray(offsets, np.float32)[None], state)[0]

    def _run(self, offsets: NDArray[np.float32], state: State) -> tuple[NDArray[np.float32], State]:
        envelope, state = self._net.run(None, {"offsets": offsets, "state": state})
        return envelope[0], state
