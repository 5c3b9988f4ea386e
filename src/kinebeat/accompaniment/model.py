"""The trained accompaniment, run by onnxruntime on one thread, bar by bar and token by token.

State is explicit: `state = model.begin_bar(drums, state)`, then `logits, state = model.step(tokens, state)`.
Shapes: B pieces, N layers, H heads, P tokens kept, T tokens of a bar's drums, D numbers a head, W words.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from kinebeat.accompaniment.vocabulary import DECODER, PAD
from kinebeat.weights.sessions import open_session

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from kinebeat.accompaniment.tokens import Stream

LEAST_KEPT = 2
"""Places that a memory has at least, if need be empty ones: graphs do not like to be given nothing."""
_NEVER = np.float32(-1e4)


@dataclass(frozen=True, eq=False)
class Kept:
    """Keys and values of what came before.

    Attributes:
        keys: (N, H, B, P, D) float32.
        values: (N, H, B, P, D) float32.
        there: (B, P), whether a place holds a token of its piece; pieces need not have as many.
    """

    keys: NDArray[np.float32]
    values: NDArray[np.float32]
    there: NDArray[np.bool_]

    @classmethod
    def nothing(cls, layers: int, heads: int, pieces: int, depth: int) -> Kept:
        """Empty places alone."""
        none = np.zeros((layers, heads, pieces, LEAST_KEPT, depth), np.float32)
        return cls(none, none, np.zeros((pieces, LEAST_KEPT), bool))

    def __len__(self) -> int:
        return self.there.shape[1]

    def followed_by(
        self, keys: NDArray[np.float32], values: NDArray[np.float32], there: NDArray[np.bool_] | None = None
    ) -> Kept:
        """The same with some tokens after it."""
        there = np.ones((keys.shape[2], keys.shape[3]), bool) if there is None else there
        both = np.concatenate([self.keys, keys], 3), np.concatenate([self.values, values], 3)
        return Kept(*both, np.concatenate([self.there, there], 1))

    def split(self, at: int) -> tuple[Kept, Kept]:
        """The places before and from some place on."""
        part, rest = slice(at), slice(at, None)
        return tuple(  # type: ignore[return-value]
            Kept(
                np.ascontiguousarray(self.keys[..., cut, :]),
                np.ascontiguousarray(self.values[..., cut, :]),
                self.there[:, cut],
            )
            for cut in (part, rest)
        )

    def last(self, most: int) -> Kept:
        """At most the last so many tokens of each piece, moved so that all end at one place."""
        count = np.minimum(self.there.sum(1), most)
        size = max(LEAST_KEPT, int(count.max()))
        there = np.arange(size) >= size - count[:, None]
        if (self.there[:, len(self) - size :] == there).all():  # they are at the end already
            part = slice(len(self) - size, None)
            return Kept(self.keys[..., part, :], self.values[..., part, :], there)
        # A stable sort by whether a token is there brings those that are to the end in their order.
        order = np.argsort(self.there, 1, kind="stable")[:, len(self) - size :]
        at = order[None, None, :, :, None]
        return Kept(np.take_along_axis(self.keys, at, 3), np.take_along_axis(self.values, at, 3), there)


@dataclass(frozen=True, eq=False)
class BarState:
    """Where the players are, and all they need to go on.

    Attributes:
        drums_memory: of the drums of the bars before and of this one.
        memory: of the notes of the bars before, but for the last place.
        bar: of that place and of what was played in this bar; it grows, the memory does not.
        cross_keys: (N, H, B, T, D), the drums of this bar, as the decoder's layers look at them.
        cross_values: (N, H, B, T, D).
        cross_mask: (B, T) float32, added to the scores.
        when: (B,) `when` of the last token played; see `Stream`.
    """

    drums_memory: Kept
    memory: Kept
    bar: Kept
    cross_keys: NDArray[np.float32]
    cross_values: NDArray[np.float32]
    cross_mask: NDArray[np.float32]
    when: NDArray[np.int64]

    @property
    def played(self) -> int:
        """Tokens played in this bar."""
        return len(self.bar) - 1


class AccompanimentModel:
    """A trained accompaniment.

    Args:
        parts: what `kinebeat.weights.load` gives: the graphs `encoder` and `decoder`, the `memory` in tokens,
            how many tokens a bar may have at most (`bar_tokens`), and the `layers` of encoder and decoder, the `heads`
            and their `depth`.
    """

    def __init__(self, parts: Mapping[str, NDArray[Any]]) -> None:
        self.memory, self.bar_tokens = int(parts["memory"]), int(parts["bar_tokens"])
        self._layers = [int(count) for count in parts["layers"]]
        self._heads, self._depth = int(parts["heads"]), int(parts["depth"])
        self._encoder, self._decoder = open_session(parts["encoder"]), open_session(parts["decoder"])

    def begin_bar(
        self, drums: Sequence[Stream], state: BarState | None = None, played: NDArray[np.int64] | None = None
    ) -> BarState:
        """Hear the drums of the next bar.

        Args:
            drums: for each piece the encoder's tokens of one bar.
            state: at the end of the bar before; None for the first.
            played: (B,) how many of the tokens that were played in that bar count, where some pieces were done
                sooner than others; all if None.

        Raises:
            ValueError: more tokens than the model was made for, or another number of pieces.
        """
        pieces, lengths = len(drums), np.array([len(bar) for bar in drums])
        if lengths.max() > self.bar_tokens:
            raise ValueError(f"a bar of drums with {lengths.max()} tokens: expected {self.bar_tokens} at most")
        if state is not None and len(state.when) != pieces:
            raise ValueError(f"drums for {pieces} pieces: expected {len(state.when)}")
        there = np.arange(lengths.max()) < lengths[:, None]
        tokens, when = np.full(there.shape, PAD, np.int64), np.zeros(there.shape, np.int64)
        tokens[there] = np.concatenate([bar.tokens for bar in drums])
        when[there] = np.concatenate([bar.when for bar in drums])
        if state is None:
            heard, past = (Kept.nothing(layers, self._heads, pieces, self._depth) for layers in self._layers)
        else:
            heard, bar = state.drums_memory.last(self.memory), state.bar
            if played is not None:
                bar = replace(bar, there=bar.there & (np.arange(len(bar)) <= played[:, None]))
            past = state.memory.followed_by(bar.keys, bar.values, bar.there).last(self.memory)
        cross_keys, cross_values, keys, values = self._encoder.run(
            None,
            {
                "tokens": tokens,
                "when": when,
                "mask": _mask(np.concatenate([heard.there, there], 1)),
                "past_keys": heard.keys,
                "past_values": heard.values,
            },
        )
        return BarState(
            heard.followed_by(keys, values, there),
            *past.split(len(past) - 1),
            cross_keys,
            cross_values,
            _mask(there),
            np.zeros(pieces, np.int64),
        )

    def step(self, tokens: NDArray[np.int64], state: BarState) -> tuple[NDArray[np.float32], BarState]:
        """Play some tokens.

        Args:
            tokens: (B, n), the next tokens of the bar, n >= 1.
            state: where the players are.

        Returns:
            (B, n, W) logits of the token after each, and where they are then.

        Raises:
            ValueError: more tokens than a bar may have.
        """
        n = tokens.shape[1]
        if state.played + n > self.bar_tokens:
            raise ValueError(f"a bar of {state.played + n} tokens: expected {self.bar_tokens} at most")
        when = _when(tokens, state.when)
        seen = np.concatenate([state.memory.there, state.bar.there, np.ones(tokens.shape, bool)], 1)
        causal = np.tri(n, seen.shape[1], seen.shape[1] - n, dtype=bool)
        inputs = {
            "tokens": tokens.astype(np.int64, copy=False),
            "when": when,
            "mask": _mask(seen[:, None] & causal),
            "cross_mask": state.cross_mask,
        }
        cross = state.cross_keys, state.cross_values
        kept = {"memory": (state.memory.keys, state.memory.values), "bar": (state.bar.keys, state.bar.values)}
        for what, (keys, values) in {**kept, "cross": cross}.items():
            for i in range(self._layers[1]):
                inputs[f"{what}_keys_{i}"], inputs[f"{what}_values_{i}"] = keys[i], values[i]
        logits, keys, values = self._decoder.run(None, inputs)
        return logits, replace(state, bar=state.bar.followed_by(keys, values), when=when[:, -1])


def _mask(there: NDArray[np.bool_]) -> NDArray[np.float32]:
    return np.where(there, np.float32(0), _NEVER)


def _when(tokens: NDArray[np.int64], before: NDArray[np.int64]) -> NDArray[np.int64]:
    """`when` of some tokens (B, n), given that of the token before, (B,)."""
    found, last = np.empty(tokens.shape, np.int64), before
    for i in range(tokens.shape[1]):
        token = tokens[:, i]
        last = np.where(DECODER.are(token, "Position"), DECODER.value[token] + 1, last)
        last = found[:, i] = np.where(DECODER.are(token, "Bar"), 0, last)
    return found
