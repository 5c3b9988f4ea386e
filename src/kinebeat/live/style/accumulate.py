"""Style: how strong the strongest drum of each 16th is, from an envelope of drum onsets.

InteractiveBeat 3.2: the envelope is accumulated over each 16th and normalised. The training data of DrumGenNet and the
engine both come through here, so that one sees what the other was taught.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

BUMP_SIGMA_S = 1 / 30
"""Standard deviation of the bump that an onset is in an envelope."""
BUMP_AREA_S = BUMP_SIGMA_S * float(np.sqrt(2 * np.pi))
"""Seconds by which accumulated envelope is divided, so that a lone onset gives its velocity."""
LEAST_LEVEL = 0.25
"""What the strongest of the 16ths is held to be at least, as a velocity: less is quiet and stays so."""


def envelope_of(
    onsets_s: NDArray[np.float64], velocities: NDArray[np.floating[Any]], times_s: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Onset envelope (T,) at some times: each onset is a bump as high as its velocity, and the highest counts.

    Args:
        onsets_s: (N,), NaN where there is none.
        velocities: (N,) in [0, 1].
        times_s: (T,).
    """
    if not len(onsets_s):
        return np.zeros(len(times_s), np.float32)
    away = (times_s[:, None] - np.nan_to_num(onsets_s, nan=-1e6)) / BUMP_SIGMA_S
    return np.asarray((np.exp(-0.5 * away**2) * velocities).max(1), np.float32)


def accumulated(
    envelope: NDArray[np.floating[Any]], times_s: NDArray[np.float64], steps_s: NDArray[np.float64]
) -> NDArray[np.float32]:
    """The envelope summed over each 16th, O_acc of section 3.2, in units of velocity, (N,).

    A 16th reaches half way to its neighbours, as the drum of a step may be early or late. A tick holds until half way
    to its neighbours, and is shared by two 16ths where it lies across their border.

    Args:
        envelope: (T,) at the ticks, not negative.
        times_s: (T,) float64, increasing; what lies beyond its ends is 0.
        steps_s: (N,) float64, increasing, N at least 2: when the 16ths are.
    """
    edges = _borders(steps_s)
    ticks = _borders(times_s)
    area = np.concatenate([[0.0], np.cumsum(np.asarray(envelope, np.float64) * np.diff(ticks))])
    return np.asarray(np.diff(np.interp(edges, ticks, area)) / BUMP_AREA_S, np.float32)


def normalised(strength: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """Style in [0, 1]: accumulated 16ths (..., N) by the strongest of them.

    The net is given four beats at a time, three of them past, so "loudest" means loudest of late. It needs nothing that
    is not known yet but the forecast itself, and makes up for a mover whose envelope is low all through. A beat that
    is normalised again in the next window may change by a factor; the hits that were played stay.

    Args:
        strength: (..., N) in units of velocity.
    """
    level = np.maximum(strength.max(-1, keepdims=True), LEAST_LEVEL)
    return np.asarray(np.clip(strength / level, 0.0, 1.0), np.float32)


def style_of(
    envelope: NDArray[np.floating[Any]], times_s: NDArray[np.float64], steps_s: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Style (N,) in [0, 1] of an envelope at ticks: see `accumulated` and `normalised`."""
    return normalised(accumulated(envelope, times_s, steps_s))


def _borders(times: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N + 1,) half way between neighbours, and as far beyond the first and the last."""
    middle = 0.5 * (times[1:] + times[:-1])
    return np.concatenate([[2 * times[0] - middle[0]], middle, [2 * times[-1] - middle[-1]]])
