"""What a network of this room must beat: counts of what is played."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kinebeat.beats.grid import STEPS_PER_BEAT
from kinebeat.live.drumming.data import CONTEXT, WINDOW, Windows, movement_like
from kinebeat.live.style.accumulate import normalised

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from kinebeat.drums.data import Performance

SMOOTHING = 0.5
LEVELS = 4
"""Styles are told apart in so many levels, and silence."""


def level_of(style: NDArray[np.float32]) -> NDArray[np.int64]:
    """Style in [0, 1] as one of 1 + `LEVELS` classes, 0 for almost nothing."""
    return np.where(style < 0.1, 0, 1 + np.minimum((style * LEVELS).astype(np.int64), LEVELS - 1))


def counted_nll(train: Windows, test: Windows, words: int) -> dict[str, float]:
    """Nats a 16th of the next beat's words, by counts.

    Args:
        train: windows to count in.
        test: windows to score.
        words: number of words W.

    Returns:
        "unigram" (each word by itself); "unigram_style" (given the level of its style and its place in the beat);
        "bigram" (given the word before); "bigram_style" (given that and the style), each backing off to the simpler.
    """
    (w, given), (x, asked) = _contexts(train), _contexts(test)
    uniform = np.full((1, words), 1 / words)
    single = _distribution(np.zeros_like(w), w, 1, uniform)
    styled = _distribution(given["style"], w, 4 * (1 + LEVELS), single)
    pair = _distribution(given["before"], w, words, single)
    # Pairs of word and level are many and rare: they lean on the word of the style.
    both_parent = np.repeat(_distribution(given["level"], w, 1 + LEVELS, single), words, 0)
    both = _distribution(given["level"] * words + given["before"], w, (1 + LEVELS) * words, both_parent)
    rows = {
        "unigram": (single, np.zeros_like(x)),
        "unigram_style": (styled, asked["style"]),
        "bigram": (pair, asked["before"]),
        "bigram_style": (both, asked["level"] * words + asked["before"]),
    }
    return {name: float(-np.log(table[row, x]).mean()) for name, (table, row) in rows.items()}


def velocity_errors(
    train: Sequence[Performance], test: Sequence[Performance], rng: np.random.Generator
) -> dict[str, float]:
    """What it costs to take a style for the velocity of each hit of its step (InteractiveBeat 3.3).

    Args:
        train: performances to take means from.
        test: performances to score.
        rng: makes styles look like those of a movement.

    Returns:
        Mean squared errors of velocities at the hits: of one "constant", of each "drum_mean", of the "own_style" of the
        drums, and of the "style" that looks like one of a movement.
    """
    velocity, drum, _, _ = _hits_with_style(train, rng)
    means = np.array([velocity[drum == d].mean() if (drum == d).any() else velocity.mean() for d in range(9)])
    truth, which, own, moved = _hits_with_style(test, rng)
    said = {"constant": velocity.mean(), "drum_mean": means[which], "own_style": own, "style": moved}
    return {name: float(((value - truth) ** 2).mean()) for name, value in said.items()}


def _hits_with_style(
    performances: Sequence[Performance], rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]:
    """Of all hits (H,): velocity, drum, style of the drums' own, style that looks like a movement's."""
    found: list[tuple[NDArray[np.generic], ...]] = []
    for p in performances:
        beats = len(p.hits) // STEPS_PER_BEAT
        if not beats:
            continue
        loudest = np.pad(p.velocities.max(1), (CONTEXT, 0))
        windows = np.lib.stride_tricks.sliding_window_view(loudest, WINDOW)[::STEPS_PER_BEAT]
        styles = [normalised(w)[:, CONTEXT:].reshape(-1) for w in (windows, movement_like(windows, rng))]
        step, drum = np.nonzero(p.hits[: beats * STEPS_PER_BEAT])
        found.append((p.velocities[step, drum], drum, styles[0][step], styles[1][step]))
    velocity, drum, own, moved = (np.concatenate(column) for column in zip(*found, strict=True))
    return velocity, drum, own, moved


def _contexts(windows: Windows) -> tuple[NDArray[np.int64], dict[str, NDArray[np.int64]]]:
    """The words to be played, and what each is told by, all flat."""
    played = windows.words[:, CONTEXT:]
    level = level_of(windows.style[:, CONTEXT:])
    place = np.broadcast_to(np.arange(played.shape[1]), played.shape)
    found = {"style": level * played.shape[1] + place, "level": level, "before": windows.words[:, CONTEXT - 1 : -1]}
    return played.ravel(), {name: np.ascontiguousarray(value).ravel() for name, value in found.items()}


def _distribution(
    context: NDArray[np.int64], word: NDArray[np.int64], contexts: int, parent: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(contexts, W) probabilities: counts, smoothed by those of a simpler model, (1 or contexts, W)."""
    words = parent.shape[1]
    counts = np.bincount(context * words + word, minlength=contexts * words).reshape(contexts, words)
    weight = SMOOTHING * words
    return np.asarray((counts + weight * parent) / (counts.sum(1, keepdims=True) + weight))
