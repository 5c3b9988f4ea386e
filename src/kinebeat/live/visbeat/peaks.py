"""From the activation of visual beats to their times: peaks above a threshold, and how many of them are right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from kinebeat.beats.visual import SHORTEST_S
from kinebeat.live.movement import LIVE_FPS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

THRESHOLDS = np.linspace(0.05, 0.9, 35)
_REACH = int(SHORTEST_S * LIVE_FPS / 2)


def peaks(activation: NDArray[np.floating[Any]], threshold: float) -> NDArray[np.float64]:
    """Ticks, fractional, of the peaks of an activation: highest within an eighth of a second, at least the threshold.

    Args:
        activation: (T,) not negative.
        threshold: above 0.
    """
    curve = np.asarray(activation, np.float64)
    around = np.pad(curve, _REACH, constant_values=-1.0)
    if not len(curve):
        return np.zeros(0)
    windows = np.lib.stride_tricks.sliding_window_view(around, 2 * _REACH + 1)
    # Of equal neighbours the first.
    top = (curve >= windows.max(1)) & (curve > np.concatenate([[-1.0], curve[:-1]])) & (curve >= threshold)
    at = np.flatnonzero(top)
    left, middle, right = around[at + _REACH - 1], curve[at], around[at + _REACH + 1]
    inner = (left >= 0) & (right >= 0)
    bend = np.minimum(left - 2 * middle + right, -1e-12)
    return np.asarray(at + np.where(inner, np.clip(0.5 * (left - right) / bend, -0.5, 0.5), 0.0), np.float64)


def best_threshold(
    activations: Sequence[NDArray[np.floating[Any]]], beats: Sequence[NDArray[np.float64]]
) -> tuple[float, float]:
    """F-measure of all clips' peaks together at the threshold that is best for them, and that threshold.

    Args:
        activations: (T,) of each clip.
        beats: true beats of each clip, in fractional ticks.
    """
    from kinebeat.evaluation.beat_metrics import f_measure

    total = sum(map(len, beats))
    scores = []
    for threshold in THRESHOLDS:
        hits = found = 0.0
        for activation, true in zip(activations, beats, strict=True):
            picked = peaks(activation, float(threshold))
            found += len(picked)
            hits += f_measure(true / LIVE_FPS, picked / LIVE_FPS) * (len(true) + len(picked)) / 2
        scores.append(2 * hits / max(1.0, found + total))
    best = int(np.argmax(scores))
    return float(scores[best]), float(THRESHOLDS[best])
