"""Plays an instrument to drums: the trained model, what may be played, and chance."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Protocol

import numpy as np

from kinebeat.accompaniment.limits import Playing, playable
from kinebeat.accompaniment.tokens import Controls, Stream, decode_part, encode_drums
from kinebeat.accompaniment.vocabulary import DECODER, NO_NOTES, PAD
from kinebeat.drums.models import NEVER
from kinebeat.drums.sampling import draw_words
from kinebeat.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from kinebeat.accompaniment.limits import Wish
    from kinebeat.accompaniment.model import BarState
    from kinebeat.accompaniment.parts import Chords, DrumBars, Part

TEMPERATURE, TOP_K = 0.95, 24
_BEGIN = (DECODER.first["Bar"], DECODER.first["Position"])
"""Every bar begins with these."""


class Model(Protocol):
    """What is asked of `kinebeat.accompaniment.model.AccompanimentModel`."""

    bar_tokens: int

    def begin_bar(
        self, drums: Sequence[Stream], state: BarState | None = None, played: NDArray[np.int64] | None = None
    ) -> BarState:
        """Hear the drums of the next bar."""
        ...

    def step(self, tokens: NDArray[np.int64], state: BarState) -> tuple[NDArray[np.float32], BarState]:
        """Play some tokens."""
        ...


def play_tokens(
    model: Model,
    drums: Sequence[DrumBars],
    wishes: Sequence[Wish],
    seeds: Sequence[int],
    *,
    temperature: float = TEMPERATURE,
    top_k: int = TOP_K,
    progress: Callable[[float], None] | None = None,
) -> list[NDArray[np.int64]]:
    """The decoder's tokens of some pieces of equally many bars, played side by side.

    What a piece becomes depends on its own drums, wish and seed alone.

    Args:
        model: the trained model.
        drums: of each piece.
        wishes: what is asked for in each piece.
        seeds: of each piece.
        temperature: below 1 the likely becomes likelier.
        top_k: only the k likeliest of the tokens that may be played are drawn from.
        progress: called with the share done, in [0, 1].

    Raises:
        OptionError: pieces that are not alike, or an option out of range.
    """
    if not temperature > 0.0:
        raise OptionError(f"temperature is {temperature:g}: expected more than 0")
    if top_k < 1:
        raise OptionError(f"top_k is {top_k}: expected 1 or more")
    bars = wishes[0].bars
    if any(wish.bars != bars or heard.bars != bars for wish, heard in zip(wishes, drums, strict=True)):
        raise OptionError("drums and wishes with different numbers of bars")
    heard = [_by_bar(piece, wish) for piece, wish in zip(drums, wishes, strict=True)]
    chance = [np.random.default_rng(seed) for seed in seeds]
    playing = [Playing() for _ in wishes]
    said: list[list[int]] = [[] for _ in wishes]
    state, counts = None, None
    for bar in range(bars):
        state = model.begin_bar([streams[bar] for streams in heard], state, counts)
        logits, state = model.step(np.tile(np.array(_BEGIN, np.int64), (len(wishes), 1)), state)
        playing = [piece.then(_BEGIN[0]).then(_BEGIN[1]) for piece in playing]
        for tokens in said:
            tokens.extend(_BEGIN)
        counts = np.full(len(wishes), len(_BEGIN))
        going = np.ones(len(wishes), bool)
        while True:
            room = model.bar_tokens - int(counts.max())
            token = np.full((len(wishes), 1), PAD, np.int64)
            for i in np.flatnonzero(going):
                mask = playable(wishes[i], playing[i], room)
                logit = np.where(mask, logits[i, -1], np.float32(NEVER))
                draw = np.array([chance[i].random()])
                token[i] = draw_words(logit[None], draw, temperature=temperature, top_k=min(top_k, int(mask.sum())))
                going[i] = token[i, 0] != DECODER.first["Bar"]
            for i in np.flatnonzero(going):
                said[i].append(int(token[i, 0]))
                playing[i] = playing[i].then(said[i][-1])
                counts[i] += 1
            if not going.any():
                break
            logits, state = model.step(np.where(going[:, None], token, PAD), state)
        if progress is not None:
            progress((bar + 1) / bars)
    return [np.array(tokens, np.int64) for tokens in said]


def play(
    model: Model,
    drums: Sequence[DrumBars],
    wishes: Sequence[Wish],
    seeds: Sequence[int],
    *,
    temperature: float = TEMPERATURE,
    top_k: int = TOP_K,
    progress: Callable[[float], None] | None = None,
) -> list[tuple[Part, Chords]]:
    """What is played in each piece, and the chords it is played on; see `play_tokens`."""
    tokens = play_tokens(model, drums, wishes, seeds, temperature=temperature, top_k=top_k, progress=progress)
    return [decode_part(one)[:2] for one in tokens]


def _by_bar(drums: DrumBars, wish: Wish) -> list[Stream]:
    """The encoder's tokens of each bar."""
    controls = Controls(wish.instrument, wish.tempo_bpm, wish.key, wish.notes or NO_NOTES)
    stream = encode_drums(drums, controls)
    starts = np.searchsorted(stream.bar, np.arange(drums.bars + 1))
    return [Stream(stream.tokens[a:b], stream.when[a:b], stream.bar[a:b]) for a, b in pairwise(starts)]
