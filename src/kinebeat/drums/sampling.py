"""Words drawn from a hits model: temperature, top-k, and what must or may not be played."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kinebeat.drums.models import NEVER

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from kinebeat.drums.models import HitsModel


def draw_words(
    logits: NDArray[np.float32], chance: NDArray[np.float64], *, temperature: float, top_k: int
) -> NDArray[np.int64]:
    """One word for each row.

    Args:
        logits: (B, W).
        chance: (B,) in [0, 1), where in the distribution the draw falls.
        temperature: below 1 the likely becomes likelier.
        top_k: only the k likeliest words may be drawn.
    """
    top_k = min(top_k, logits.shape[1])
    least = np.partition(logits, -top_k, 1)[:, -top_k, None]
    scaled = np.where(logits >= least, logits.astype(np.float64), float(NEVER)) / temperature
    weight = np.exp(scaled - scaled.max(1, keepdims=True))
    heights = np.cumsum(weight, 1)
    found = (heights <= chance[:, None] * heights[:, -1:]).sum(1)
    return np.asarray(np.minimum(found, logits.shape[1] - 1))


def go_on(
    model: HitsModel,
    features: NDArray[np.float32],
    bar: NDArray[np.int64],
    played: NDArray[np.int64],
    chance: NDArray[np.float64],
    *,
    temperature: float,
    top_k: int,
    steer: Callable[[int, NDArray[np.int64]], NDArray[np.float32]] | None = None,
) -> NDArray[np.int64]:
    """Fill windows with words, after those already played.

    Args:
        model: the hits transformer.
        features: (B, S, F), the rhythm.
        bar: (B, S), bar of the phrase.
        played: (B, C) words at the start of the window, C < S.
        chance: (B, S - C), see `draw_words`.
        temperature: see `draw_words`.
        top_k: see `draw_words`.
        steer: given how many steps were filled and the words (B,) before (the start word at first), what is added
            to the logits (B, W); `NEVER` forbids a word.

    Returns:
        (B, S - C) words.
    """
    state = model.begin(features, bar)
    before = np.concatenate([np.full((len(played), 1), model.start), played], 1)
    words = np.empty(chance.shape, np.int64)
    for i in range(chance.shape[1]):
        out, state = model.step(before, state)
        logits = out[:, -1, : len(model.vocabulary)]
        if steer is not None:
            logits = logits + steer(i, before[:, -1])
        words[:, i] = draw_words(logits, chance[:, i], temperature=temperature, top_k=top_k)
        before = words[:, i : i + 1]
    return words
