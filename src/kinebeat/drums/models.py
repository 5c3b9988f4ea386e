"""The trained models of the drums room, run by onnxruntime on one thread.

State is explicit: `state = model.begin(rhythm)`, then `out, state = model.step(before, state)`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from kinebeat.drums.data import Vocabulary
from kinebeat.drums.kit import DRUMS
from kinebeat.weights.sessions import open_session

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

NEVER = np.float32(-1e9)


@dataclass(frozen=True)
class DecoderState:
    """Where a hits decoder is in its window, and all it needs to go on.

    Attributes:
        here: (B, S, E) float32, the encoder's vector of every step.
        bar: (B, S) int64, bar of the phrase.
        memory: cross keys and values, each (L, B, heads, S, E / heads).
        past: keys and values of the steps so far, each (L, B, heads, at, E / heads).
        at: number of steps decoded.
    """

    here: NDArray[np.float32]
    bar: NDArray[np.int64]
    memory: tuple[NDArray[np.float32], NDArray[np.float32]]
    past: tuple[NDArray[np.float32], NDArray[np.float32]]
    at: int


class HitsModel:
    """A hits transformer and its vocabulary.

    Args:
        parts: what `kinebeat.weights.load` gives: the graphs `encoder` and `decoder`, the `codes` of the vocabulary,
            the `steps` of its window, and whether it gives `words` (else nine independent hits).
    """

    def __init__(self, parts: Mapping[str, NDArray[Any]]) -> None:
        self.vocabulary = Vocabulary(parts["codes"])
        self.steps, self.words = int(parts["steps"]), bool(parts["words"])
        self._encoder, self._decoder = open_session(parts["encoder"]), open_session(parts["decoder"])

    @property
    def start(self) -> int:
        """The word before the first."""
        return len(self.vocabulary)

    def begin(self, features: NDArray[np.float32], bar: NDArray[np.int64]) -> DecoderState:
        """Read the rhythm of a window: features (B, S, F), bar (B, S), S = `steps`."""
        here, keys, values = self._encoder.run(None, {"features": features, "bar": bar})
        none = np.zeros((*keys.shape[:3], 0, keys.shape[4]), np.float32)
        return DecoderState(here, bar, (keys, values), (none, none), 0)

    def step(self, before: NDArray[np.int64], state: DecoderState) -> tuple[NDArray[np.float32], DecoderState]:
        """Go on by T steps.

        Args:
            before: (B, T), for each of the next T steps the word one step earlier.
            state: where the decoder is.

        Returns:
            (B, T, outputs), and where it is then.
        """
        steps = before.shape[1]
        span = slice(state.at, state.at + steps)
        mask = np.triu(np.full((steps, state.at + steps), NEVER), state.at + 1)
        out, keys, values = self._decoder.run(
            None,
            {
                "before": before,
                "here": state.here[:, span],
                "bar": state.bar[:, span],
                "steps": np.arange(span.start, span.stop),
                "mask": mask,
                "memory_keys": state.memory[0],
                "memory_values": state.memory[1],
                "past_keys": state.past[0],
                "past_values": state.past[1],
            },
        )
        past = tuple(np.concatenate([old, new], 3) for old, new in zip(state.past, (keys, values), strict=True))
        return out, replace(state, past=(past[0], past[1]), at=span.stop)


class PerformanceModel:
    """A U-Net from hits to velocities and offsets.

    Args:
        parts: what `kinebeat.weights.load` gives: the graph `net`, the number `extras` of inputs beside the hits,
            and the number `bars` of bars it was trained on.
    """

    def __init__(self, parts: Mapping[str, NDArray[Any]]) -> None:
        self.extras, self.bars = int(parts["extras"]), int(parts["bars"])
        self._nets = [open_session(parts[name]) for name in sorted(parts) if name.startswith("net")]

    def __call__(
        self, hits: NDArray[np.bool_], tempo_bpm: NDArray[np.float64]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Hits (B, S, 9) and tempi (B,) -> velocities and offsets (B, S, 9), also where there is no hit."""
        inputs = hits.astype(np.float32)
        if self.extras:
            tempo = np.log2(tempo_bpm / 110.0).astype(np.float32)
            inputs = np.concatenate([inputs, np.broadcast_to(tempo[:, None, None], (*hits.shape[:2], 1))], -1)
        out = np.mean([net.run(None, {"hits": inputs})[0] for net in self._nets], 0)
        return out[..., : len(DRUMS)], out[..., len(DRUMS) :]


class GrooVAEModel:
    """GrooVAE, to be compared with.

    Args:
        parts: what `kinebeat.weights.load` gives: the graphs `encoder`, `begin` and `decoder`.
    """

    def __init__(self, parts: Mapping[str, NDArray[Any]]) -> None:
        self._encoder, self._begin, self._decoder = (open_session(parts[n]) for n in ("encoder", "begin", "decoder"))

    def posterior(self, features: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Mean and standard deviation (B, Z) of the latent vector of a rhythm (B, S, F)."""
        mean, log_variance = self._encoder.run(None, {"features": features})
        return mean, np.exp(0.5 * log_variance)

    def begin(self, latent: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The decoder's first state, each (layers, B, E)."""
        hidden, cell = self._begin.run(None, {"latent": latent})
        return hidden, cell

    def step(
        self,
        latent: NDArray[np.float32],
        before: NDArray[np.float32],
        state: tuple[NDArray[np.float32], NDArray[np.float32]],
    ) -> tuple[NDArray[np.float32], tuple[NDArray[np.float32], NDArray[np.float32]]]:
        """One step: latent (B, Z) and what was played one step earlier (B, 27) -> (B, 27) and the next state."""
        inputs = {"latent": latent, "before": before[:, None], "hidden": state[0], "cell": state[1]}
        out, hidden, cell = self._decoder.run(None, inputs)
        return out[:, 0], (hidden, cell)
