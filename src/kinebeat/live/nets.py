"""What the live engine asks of its networks; tests give it others than those that are shipped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Ears(Protocol):
    """What VisBeatNet does for the engine."""

    def begin(self) -> Any:
        """State before anything was seen."""

    def step(
        self, directogram: NDArray[np.float32], offset: float, present: bool, state: Any
    ) -> tuple[float, float, Any]:
        """Kinematic offset and beat of the tick after this, each in [0, 1], and the state."""

    def forecast(self, state: Any, ticks: int = ...) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Kinematic offsets and beats of the next ticks."""


class Tapper(Protocol):
    """What PulseNet does for the engine."""

    def begin(self) -> Any:
        """State before anything was seen."""

    def step(self, velocity: NDArray[np.float32], state: Any) -> tuple[float, Any]:
        """Beat of the music that is danced to on the tick after this, in [0, 1], and the state."""


class Stylist(Protocol):
    """What MuStyleNet does for the engine."""

    def begin(self) -> Any:
        """State before anything was heard."""

    def step(self, offset: float, state: Any) -> tuple[float, Any]:
        """Onset envelope at a tick, and the state."""

    def forecast(self, offsets: NDArray[np.float32], state: Any) -> NDArray[np.float32]:
        """Onset envelope at ticks to come."""


class Drummer(Protocol):
    """What DrumGenNet does for the engine."""

    def play(
        self,
        style: NDArray[np.float32],
        hits: NDArray[np.bool_],
        beat_in_bar: int,
        uniforms: NDArray[np.float64],
        temperature: float,
    ) -> NDArray[np.bool_]:
        """Hits of the next beat, (4, 9)."""


def shipped_ears() -> Ears:
    """VisBeatNet."""
    from kinebeat.live.visbeat.model import VisBeatNet

    return VisBeatNet()


def shipped_tapper() -> Tapper:
    """PulseNet."""
    from kinebeat.live.pulsenet.model import PulseNet

    return PulseNet()


def shipped_stylist() -> Stylist:
    """MuStyleNet."""
    from kinebeat.live.style.model import MuStyleNet

    return MuStyleNet()


def shipped_drummer() -> Drummer:
    """DrumGenNet."""
    from kinebeat.live.drumming.model import DrumGenNet

    return DrumGenNet()
