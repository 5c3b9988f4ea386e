"""How things move that know where they are going: glides from place to place, windows in time, drift."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]


def ease(share: ArrayLike) -> Floats:
    """The way done after a share of the time of a movement of least jerk (Flash and Hogan 1985); 0 before, 1 after.

    Its speed is highest in the middle, 1.875 times the mean.
    """
    s = np.clip(np.asarray(share, np.float64), 0.0, 1.0)
    done: Floats = s**3 * (10 - 15 * s + 6 * s**2)
    return done


PEAK_SPEED = 1.875
"""Highest speed of `ease`, with the mean as unit."""


def glide(times_s: Floats, depart_s: Floats, arrive_s: Floats, places: Floats) -> tuple[Floats, Floats]:
    """Glide from place to place.

    Args:
        times_s: (T,) when to look.
        depart_s: (K - 1,) when each place but the last is left, ...
        arrive_s: (K - 1,) ... and when the next is reached: not before `depart_s`, nor after the next is left.
        places: (K, D) where to be.

    Returns:
        Where it is, (T, D), and the share of the present glide that is done, (T,), 0 or 1 where it rests.
    """
    if len(places) == 1:
        return np.repeat(places, len(times_s), axis=0), np.zeros(len(times_s))
    k = np.maximum(np.searchsorted(depart_s, times_s, side="right") - 1, 0)
    share = np.clip((times_s - depart_s[k]) / np.maximum(arrive_s[k] - depart_s[k], 1e-6), 0.0, 1.0)
    return places[k] + ease(share)[:, None] * (places[k + 1] - places[k]), share


def window(times_s: Floats, rise_s: ArrayLike, on_s: ArrayLike, off_s: ArrayLike, fall_s: ArrayLike) -> Floats:
    """1 from on to off, rising from `rise_s` and falling until `fall_s`; shapes broadcast."""
    t, rise, on, off, fall = (np.asarray(a, np.float64) for a in (times_s, rise_s, on_s, off_s, fall_s))
    up = ease((t - rise) / np.maximum(on - rise, 1e-6))
    down = ease((t - off) / np.maximum(fall - off, 1e-6))
    return np.asarray(up * (1 - down))


def drift(shape: tuple[int, ...], step_s: float, memory_s: float, rng: np.random.Generator) -> Floats:
    """Noise of standard deviation 1 along the first axis, whose autocorrelation falls by e in `memory_s`."""
    from scipy.signal import lfilter

    like = float(np.exp(-step_s / memory_s))
    white = rng.standard_normal(shape)
    white[1:] *= np.sqrt(1 - like**2)
    return np.asarray(lfilter([1.0], [1.0, -like], white, axis=0), np.float64)


def sway(shape: tuple[int, ...], step_s: float, memory_s: float, rng: np.random.Generator) -> Floats:
    """The same without jerks, as bodies drift: `drift`, filtered once more."""
    from scipy.signal import lfilter, lfilter_zi

    like = float(np.exp(-step_s / memory_s))
    rough = drift(shape, step_s, memory_s, rng)
    begin = rough[:1] * lfilter_zi([1 - like], [1.0, -like])[0]
    smooth, _ = lfilter([1 - like], [1.0, -like], rough, axis=0, zi=begin)
    # Of noise with autocorrelation a^|k| such a filter leaves the variance (1 - a) (1 + a^2) / ((1 + a) (1 - a^2)).
    left = (1 - like) * (1 + like**2) / ((1 + like) * (1 - like**2))
    return np.asarray(smooth / np.sqrt(left), np.float64)
