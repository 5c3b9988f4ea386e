"""How good an envelope of drum onsets is that was made of a movement."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from kinebeat.beats.grid import STEPS_PER_BEAT
from kinebeat.live.movement import LIVE_FPS
from kinebeat.live.style.accumulate import accumulated

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kinebeat.live.style.pairs import Pairs

STRONG = 0.5
"""A 16th of the truth this strong, as a velocity, has a strong onset; drummers touch two 16ths in three somehow."""
PERIOD = 2 * STEPS_PER_BEAT
"""16ths after which drums tend to come again: kick and snare."""
WARMING_TICKS = 60
"""Two seconds after which a network knows where it is; what comes before is not scored."""


def steps_of(beats_s: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """16ths (S,) between beats (B,), NaN after the last."""
    beats = beats_s[np.isfinite(beats_s)].astype(np.float64)
    count = (len(beats) - 1) * STEPS_PER_BEAT
    return np.interp(np.arange(count) / STEPS_PER_BEAT, np.arange(len(beats)), beats)


def on_steps(
    envelope: NDArray[np.float32], beats_s: NDArray[np.float32], first_tick: int = 0
) -> list[NDArray[np.float32]]:
    """Strength of the 16ths of each curve that lie whole after a tick: envelope (N, T), beats (N, B)."""
    times_s = np.arange(envelope.shape[1]) / LIVE_FPS
    found = []
    for row, beats in zip(envelope, beats_s, strict=True):
        steps = steps_of(beats)
        inside = (steps >= first_tick / LIVE_FPS + 0.1) & (steps <= times_s[-1] - 0.1)
        found.append(accumulated(row, times_s, steps)[inside])
    return found


def scores(envelope: NDArray[np.float32], pairs: Pairs) -> dict[str, float]:
    """Figures of envelopes (N, T) that were made of the curves of some pairs.

    Returns:
        "correlation" with the drums of the pairs, mean over the curves that are not silent; "follows", the same with
        the curve; "onset_f" of 16ths with a strong onset, at the threshold that is best for it,
        "onset_threshold"; "periodicity", the correlation of the 16ths with those two beats later; "deviation", standard
        deviation by that of the drums.
    """
    late = slice(WARMING_TICKS, None)
    made, drums, offsets = envelope[:, late], pairs.envelope[:, late], pairs.offsets[:, late]
    sounding = (drums.std(1) > 0.02) & (offsets.std(1) > 0.01)
    truth = np.concatenate(on_steps(pairs.envelope, pairs.beats_s, WARMING_TICKS)) > STRONG
    strength = on_steps(envelope, pairs.beats_s, WARMING_TICKS)
    best, threshold = best_f(np.concatenate(strength), truth)
    again = [_correlation(row[None, PERIOD:], row[None, :-PERIOD])[0] for row in strength if len(row) >= 2 * PERIOD]
    return {
        "correlation": float(_correlation(made, drums)[sounding].mean()),
        "follows": float(_correlation(made, offsets)[sounding].mean()),
        "onset_f": best,
        "onset_threshold": threshold,
        "periodicity": float(np.mean(again)) if again else 0.0,
        "deviation": float(made[sounding].std() / drums[sounding].std()),
    }


def best_f(said: NDArray[np.floating[Any]], truth: NDArray[np.bool_]) -> tuple[float, float]:
    """The best F measure of "strength above a threshold" against (N,) truth, and that threshold."""
    order = np.argsort(-said, kind="stable")
    right = np.cumsum(truth[order])
    f = 2 * right / (np.arange(1, len(said) + 1) + max(1, int(truth.sum())))
    best = int(f.argmax())
    return float(f[best]), float(said[order[best]])


def _correlation(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float64]:
    a, b = (x - x.mean(1, keepdims=True, dtype=np.float64) for x in (one, other))
    scale = np.sqrt((a * a).sum(1) * (b * b).sum(1))
    return np.asarray((a * b).sum(1) / np.maximum(scale, 1e-9))
