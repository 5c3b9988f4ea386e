"""The live drummers as trained and shipped, run by onnxruntime on one thread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kinebeat.drums.data import Vocabulary
from kinebeat.drums.kit import DRUMS
from kinebeat.errors import OptionError
from kinebeat.live.drumming.data import NOT_TOLD
from kinebeat.weights import load
from kinebeat.weights.sessions import open_session

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

DRUMGEN_WEIGHT, MONO_WEIGHT = "live-drums", "live-mono"


class DrumGenNet:
    """Drums for the next beat.

    Args:
        parts: what `kinebeat.weights.load` gives; the shipped ones if None.
    """

    def __init__(self, parts: Mapping[str, NDArray[Any]] | None = None) -> None:
        parts = load(DRUMGEN_WEIGHT) if parts is None else parts
        self.vocabulary = Vocabulary(parts["codes"])
        self._net = open_session(parts["net"])

    def play(
        self,
        style: NDArray[np.floating[Any]],
        hits: NDArray[np.bool_],
        beat_in_bar: int,
        uniforms: NDArray[np.floating[Any]],
        temperature: float = 1.0,
    ) -> NDArray[np.bool_]:
        """The hits of the next beat, one call of one graph; the same arguments always give the same.

        Args:
            style: (16,) in [0, 1], of the last three beats and the next: `kinebeat.live.style.accumulate.style_of`.
            hits: (12, 9) of the last three beats, False before the music began.
            beat_in_bar: of the next beat, 0 on the downbeat, or -1 where it is not known.
            uniforms: (4,) in [0, 1), one draw for each 16th.
            temperature: below 1 the likely becomes likelier.

        Returns:
            (4, 9).

        Raises:
            OptionError: the temperature is not above 0.
        """
        beat = np.array([beat_in_bar])
        return np.asarray(self.play_many(style[None], hits[None], beat, uniforms[None], temperature)[0])

    def play_many(
        self,
        style: NDArray[np.floating[Any]],
        hits: NDArray[np.bool_],
        beat_in_bar: NDArray[np.int64],
        uniforms: NDArray[np.floating[Any]],
        temperature: float = 1.0,
    ) -> NDArray[np.bool_]:
        """`play` for B beats that have nothing to do with each other: (B, 16), (B, 12, 9), (B,), (B, 4) -> (B, 4, 9).

        Raises:
            OptionError: the temperature is not above 0.
        """
        if not temperature > 0.0:
            raise OptionError(f"temperature is {temperature:g}: expected more than 0")
        inputs = {
            "style": np.asarray(style, np.float32),
            "context": self.vocabulary.encode(hits),
            "beat_in_bar": np.asarray(beat_in_bar, np.int64),
            "uniforms": np.asarray(uniforms, np.float32),
            "temperature": np.array(temperature, np.float32),
        }
        return self.vocabulary.decode(self._net.run(None, inputs)[0])


@dataclass(frozen=True)
class MonoState:
    """Where a monophonic drummer is: the drum played last (9 is none yet), and the net's memory (1, 1, E)."""

    drum: int
    hidden: NDArray[np.float32]


class MonoNet:
    """The paper's monophonic drummer (section 4.5): which drum comes next, whenever that is.

    Args:
        parts: what `kinebeat.weights.load` gives; the shipped ones if None.
    """

    def __init__(self, parts: Mapping[str, NDArray[Any]] | None = None) -> None:
        parts = load(MONO_WEIGHT) if parts is None else parts
        self._net = open_session(parts["net"])
        self._width = int(self._net.get_inputs()[1].shape[2])

    def begin(self) -> MonoState:
        """Before the first note."""
        return MonoState(len(DRUMS), np.zeros((1, 1, self._width), np.float32))

    def step(self, state: MonoState, uniform: float, temperature: float = 1.0) -> tuple[int, MonoState]:
        """The next drum.

        Args:
            state: where the drummer is; it is not changed.
            uniform: in [0, 1), where in the distribution the draw falls.
            temperature: below 1 the likely becomes likelier.

        Raises:
            OptionError: the temperature is not above 0.
        """
        if not temperature > 0.0:
            raise OptionError(f"temperature is {temperature:g}: expected more than 0")
        inputs = {
            "before": np.array([state.drum]),
            "hidden": state.hidden,
            "uniform": np.array([uniform], np.float32),
            "temperature": np.array(temperature, np.float32),
        }
        drum, hidden = self._net.run(None, inputs)
        return int(drum[0]), MonoState(int(drum[0]), hidden)


__all__ = ["DRUMGEN_WEIGHT", "MONO_WEIGHT", "NOT_TOLD", "DrumGenNet", "MonoNet", "MonoState"]
