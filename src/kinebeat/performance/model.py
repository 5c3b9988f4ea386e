"""The trained performance network, run by onnxruntime on one thread: what is seen in a clip, then word by word.

Shapes: T frames, V nodes, B hypotheses side by side, N keys and values of all blocks, H heads, P words before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kinebeat.errors import OptionError
from kinebeat.performance.events import WORDS
from kinebeat.performance.instruments import INSTRUMENTS
from kinebeat.performance.picking import Picking
from kinebeat.weights import load, registry
from kinebeat.weights.sessions import open_session

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from kinebeat.performance.features import Features

WEIGHTS = {"keys": "performance-piano", "others": "performance-others"}
"""Of those who play on keys, and of everybody else."""
START = WORDS
_NUMBERS = {name: number for number, name in enumerate(INSTRUMENTS)}


@dataclass(frozen=True, eq=False)
class Seen:
    """A clip as the network sees it.

    Attributes:
        struck: (T, 88) float32 in [0, 1], that a key or pitch is struck.
        held: (T, 88) float32 in [0, 1].
        memory: (1, T, E) float32, what words look at.
        kept: (N, 1, H, T, D) float32, the same as the blocks look at it.
    """

    struck: NDArray[np.float32]
    held: NDArray[np.float32]
    memory: NDArray[np.float32]
    kept: NDArray[np.float32]


class PerformanceModel:
    """A trained performance network.

    Args:
        parts: what `kinebeat.weights.load` gives: the graphs "look" and "say", and the constants "keys" (whether it is
            for those who play on keys), "blocks", "heads", "depth", "recurrent" (whether the decoder keeps a state
            instead of the words before), "threshold" and "held".
    """

    def __init__(self, parts: Mapping[str, NDArray[Any]]) -> None:
        self._look, self._say = open_session(parts["look"]), open_session(parts["say"])
        self.keys = bool(parts["keys"])
        self.picking = Picking(float(parts["threshold"]), float(parts["held"]))
        self._nothing = 2 * int(parts["blocks"]), int(parts["heads"]), int(parts["depth"])
        self._recurrent = bool(parts.get("recurrent", False))

    @classmethod
    def of(cls, instrument: str) -> PerformanceModel:
        """The shipped model of an instrument.

        Raises:
            InputError: its weights are damaged.
            OptionError: no model of the instrument is shipped.
        """
        name = WEIGHTS["keys" if INSTRUMENTS[instrument].family == "keys" else "others"]
        if name not in registry():
            raise OptionError(f"the {instrument} cannot be heard yet: no model of its players is shipped")
        return cls(load(name))

    def look(self, features: Features, instrument: str) -> Seen:
        """See a clip."""
        inputs = {"nodes": features.nodes[None], "instrument": np.array([_NUMBERS[instrument]])}
        if self.keys:
            inputs["tips"] = features.tips[None]
        done, memory, kept = self._look.run(None, inputs)
        return Seen(done[0, ..., 0], done[0, ..., 1], memory, kept)

    def begin(self, hypotheses: int) -> NDArray[np.float32]:
        """What is kept of no words."""
        blocks, heads, depth = self._nothing
        return np.zeros((blocks, hypotheses, heads, int(self._recurrent), depth), np.float32)

    def say(
        self, words: NDArray[np.int64], seconds: NDArray[np.floating[Any]], seen: Seen, past: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Go on by one word.

        Args:
            words: (B,), the last word of each hypothesis, `START` at first.
            seconds: (B,) of the clip, when the word after it is said.
            seen: the clip.
            past: (N, B, H, P, D), what is kept of the words before.

        Returns:
            (B, 240) logits of the word after it, and what is kept with it.
        """
        at = seconds.astype(np.float32)
        logits, after = self._say.run(
            None,
            {"words": words[:, None], "seconds": at[:, None], "memory": seen.memory, "kept": seen.kept, "past": past},
        )
        return logits[:, 0], after
