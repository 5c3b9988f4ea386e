"""Visual beats: the impacts of a movement that come at equal distances.

Source: InteractiveBeat (Liu, Su and Shlizerman, WACV 2024), section 3.1.1, after A. Davis and M. Agrawala, "Visual
rhythm and beat", 2018. Kinematic offsets K say how hard the limbs brake; the beats are the subset of K's peaks that is
strong and evenly spaced at once (eq. 1 and 2), found by dynamic programming.

A visual beat is where a movement *has* its impacts: it needs no music, and often there are two to a beat of
the music. Times are those of the hardest braking, which comes before the limb is at rest (`accents.LANDING_LAG_S`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from kinebeat.errors import OptionError
from kinebeat.motion import (
    EDGE,
    LEAST_JOINTS,
    MOTION_FPS,
    add_directions,
    joints_followed,
    speed_and_changes,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

BINS = 18
"""Directions of the directogram, 20 degrees each (section 4.2)."""
LOWPASS_S = 0.020
"""Standard deviation of the Gaussian low-pass over the motion flux. The paper has one and does not say which."""
ALPHA = 0.7
"""Weight of even spacing against strong impacts, in median strengths of a candidate. The paper does not give one."""
TOP_PERCENTILE = 99.0
STILL_LEVEL = 0.65
"""Body heights per second squared: what the top 1 % of a person who moves reaches. Normalising by less would make beats
of the jitter of a pose detector on a person who stands."""
STILL_PEAK = 0.40
"""Least prominence of a candidate, as a part of the least level; the peaks of that jitter stay under a third of it."""
WEAKEST = 0.10
"""Least prominence of a candidate, as a part of the top 1 %."""
CLOSEST_S = 0.11
"""Of two peaks nearer than this the weaker is no candidate."""
SHORTEST_S, LONGEST_S = 0.25, 2.0
"""Two beats in a row are never nearer than the one, and have no spacing beyond the other."""
WINDOW_S = 8.0
"""Length of the window of the local autocorrelation (Hann)."""
WINDOW_HOP_S = 0.5
_BLOCK_FRAMES = 1 << 15
_BLOCK_WINDOWS = 256


@dataclass(frozen=True)
class VisualBeats:
    """Evenly spaced impacts of a movement.

    Attributes:
        times_s: (N,) float64, increasing, finer than the frames.
        strength: (N,) float32 in (0, 1], the normalised kinematic offsets there.
    """

    times_s: NDArray[np.float64]
    strength: NDArray[np.float32]


def kinematic_offsets(
    velocity: NDArray[np.floating[Any]],
    braking_of: Literal["joints", "directions"] = "joints",
    *,
    bins: int = BINS,
    lowpass_s: float = LOWPASS_S,
) -> NDArray[np.float32]:
    """How hard a person brakes, (T,), body heights per second squared, NaN where nobody is seen.

    "directions" is the paper's way: motion flux is the negative first difference of the directogram; it is low-pass
    filtered, its negative values are removed, and the mean over the bins is taken (times bins / 2 over the number of
    joints, as every movement counts in two bins: so both ways give the same for a limb on a straight line). "joints"
    brakes each joint's own speed, `Motion.deceleration`: a limb that swings on a bent way leaves one bin after the
    other at full speed, which the paper's way takes for a stop.

    Where a joint begins or ends to be seen its change counts nothing, here as there.

    Args:
        velocity: (T, J, 2) at `MOTION_FPS`, body heights per second, NaN where a joint is not seen: `Motion.velocity`.
        braking_of: what is differenced.
        bins: directions of the directogram; only for "directions".
        lowpass_s: standard deviation in seconds of the Gaussian low-pass on the flux; only for "directions".
    """
    offsets = (
        _direction_braking(velocity, bins, lowpass_s) if braking_of == "directions" else speed_and_changes(velocity)[2]
    )
    offsets[np.isfinite(velocity[..., 0]).sum(1) < LEAST_JOINTS] = np.nan
    return offsets


def normalised(offsets: NDArray[np.floating[Any]], least_level: float = STILL_LEVEL) -> NDArray[np.float64]:
    """Kinematic offsets in [0, 1]: the top 1 % of those known are 1; NaN stays.

    Args:
        offsets: (T,) not negative, NaN where unknown.
        least_level: what the top 1 % is held to reach at least, in the offsets' unit; 0 normalises anything.
    """
    level = _top_level(offsets, least_level)
    return np.minimum(np.asarray(offsets, np.float64) / level, 1.0)


def visual_beats(
    offsets: NDArray[np.floating[Any]],
    fps: float = MOTION_FPS,
    *,
    alpha: float = ALPHA,
    least_level: float = STILL_LEVEL,
) -> VisualBeats:
    """The evenly spaced strong peaks of kinematic offsets: the subset m that maximises eq. 1.

    V(m) = sum_j u(m_j) + alpha sum_j V_T(m_j, m_j+1), V_T = T[m_j+1 - m_j] / T_max - 1 (eq. 2),

    u are the normalised offsets and T their autocorrelation in a window around the pair. T is taken without the local
    mean and not below zero, so V_T is in [-1, 0]; T_max is its largest value at lags of `SHORTEST_S` to `LONGEST_S`.
    Beats nearer than the one never follow each other.
    Two beats further apart than that, or with unknown offsets between them, have T = 0: to begin anew after a pause
    costs alpha, and is never free. Alpha is in units of the candidates' median u: of real movement few impacts are near
    the top 1 %, and at a fixed price they would be all that is left.

    Args:
        offsets: (T,) kinematic offsets K, not negative, of any kind; NaN where unknown.
        fps: their frame rate; frame i is at i / fps seconds.
        alpha: weight of even spacing, at least 0: a beat so many times the median strength pays for the worst link.
        least_level: see `normalised`; 0 for offsets in another unit than body heights per second squared.

    Raises:
        OptionError: alpha is below 0.
    """
    if not alpha >= 0:
        raise OptionError(f"alpha {alpha:g}: expected 0 or more")
    at, strength = _candidates(offsets, fps, least_level)
    if len(at) == 0:
        return VisualBeats(np.zeros(0), np.zeros(0, np.float32))
    spacing = _spacing_scores(at, normalised(offsets, least_level), fps)
    chosen = best_chain(strength, spacing, alpha * float(np.median(strength)))
    return VisualBeats(at[chosen] / fps, strength[chosen].astype(np.float32))


def best_chain(strength: NDArray[np.float64], spacing: NDArray[np.float64], alpha: float) -> NDArray[np.int64]:
    """The subset of candidates that maximises eq. 1, by dynamic programming.

    Args:
        strength: (N,) u of each candidate, in order of time, not negative.
        spacing: (N, L) V_T in [-1, 0] of candidate j with j - 1, j - 2, ..., j - L; with all before those it is -1;
            -inf where the two may not follow each other.
        alpha: weight of the spacing.

    Returns:
        (M,) numbers of the chosen candidates, increasing.
    """
    count, reach = spacing.shape
    price = np.where(np.isneginf(spacing), -np.inf, alpha * np.maximum(spacing, -1.0))
    best = np.zeros(count)
    came_from = np.full(count, -1)
    far, far_at = 0.0, -1  # the best chain that ends too early to be near; none at all at first
    for j in range(count):
        early = j - 1 - reach
        if early >= 0 and best[early] - alpha > far:
            far, far_at = best[early] - alpha, early
        near = min(j, reach)
        before, before_at = far, far_at
        if near:
            linked = best[j - near : j] + price[j, near - 1 :: -1]
            i = int(linked.argmax())
            if linked[i] >= far:
                before, before_at = float(linked[i]), j - near + i
        best[j] = strength[j] + before
        came_from[j] = before_at
    chain: list[int] = []
    j = int(best.argmax()) if count else -1
    while j >= 0:
        chain.append(j)
        j = int(came_from[j])
    return np.array(chain[::-1], np.int64)


def _direction_braking(velocity: NDArray[np.floating[Any]], bins: int, lowpass_s: float) -> NDArray[np.float32]:
    """Mean over the bins of the low-passed motion flux where it is positive, (T,), a block of frames at a time."""
    from scipy.ndimage import binary_erosion, gaussian_filter1d

    frames = len(velocity)
    sigma = lowpass_s * MOTION_FPS
    halo = int(4 * sigma + 0.5) + 2
    # As in `speed_and_changes`: the ends of a sighting are mostly noise, and no change at all across them.
    sure = binary_erosion(np.isfinite(velocity[..., 0]), np.ones((2 * EDGE + 1, 1), bool))
    offsets = np.zeros(frames, np.float32)
    for first in range(0, frames, _BLOCK_FRAMES):
        last = min(frames, first + _BLOCK_FRAMES)
        wide = slice(max(0, first - halo), min(frames, last + halo))
        if wide.stop - wide.start < 2:
            continue
        flux = np.zeros((wide.stop - wide.start, bins), np.float32)
        for joint in range(velocity.shape[1]):
            directogram = np.zeros_like(flux)
            add_directions(directogram, velocity[wide, joint].astype(np.float32))
            # The first difference, taken to either side and halved, so that it lies on the frame.
            flux -= np.gradient(directogram, axis=0) * sure[wide, joint, None]
        if sigma > 0:
            flux = gaussian_filter1d(flux, sigma, axis=0, mode="nearest")
        offsets[first:last] = np.maximum(flux, 0).sum(1)[first - wide.start : last - wide.start]
    return offsets * np.float32(MOTION_FPS / 2 / joints_followed(velocity))


def _top_level(offsets: NDArray[np.floating[Any]], least_level: float) -> float:
    known = offsets[np.isfinite(offsets)]
    # "lower" takes one of the values, so that normalising twice is normalising once.
    top = float(np.percentile(known, TOP_PERCENTILE, method="lower")) if len(known) else 0.0
    return max(top, least_level, float(np.finfo(np.float32).tiny))


def _candidates(
    offsets: NDArray[np.floating[Any]], fps: float, least_level: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Peaks of the offsets: places in fractional frames and normalised heights, (N,) each."""
    from scipy.signal import find_peaks

    # Peaks are sought before the top 1 % is cut off, which would flatten the strongest. A zero at either end lets an
    # impact that is cut off there count.
    level = _top_level(offsets, least_level)
    curve = np.nan_to_num(np.asarray(offsets, np.float64)) / level
    padded = np.concatenate([[0.0], curve, [0.0]])
    where, _ = find_peaks(
        padded,
        distance=max(1.0, CLOSEST_S * fps),
        prominence=max(WEAKEST, STILL_PEAK * least_level / level),
        wlen=2 * round(LONGEST_S * fps) + 1,
    )
    left, middle, right = padded[where - 1], padded[where], padded[where + 1]
    bend = np.minimum(left - 2 * middle + right, -1e-12)
    vertex = np.clip(0.5 * (left - right) / bend, -0.5, 0.5)
    at = np.clip(where - 1 + vertex, 0, max(0, len(curve) - 1))
    return at, np.minimum(middle, 1.0)


def _spacing_scores(at: NDArray[np.float64], curve: NDArray[np.float64], fps: float) -> NDArray[np.float64]:
    """V_T of eq. 2 of each candidate with those before it, (N, L), as `best_chain` takes it."""
    count = len(at)
    longest = LONGEST_S * fps
    reach = int((np.arange(count) - np.searchsorted(at, at - longest)).max())  # most candidates in two seconds
    earlier = np.arange(count)[:, None] - 1 - np.arange(reach)
    exists = earlier >= 0
    earlier = np.maximum(earlier, 0)
    lag = at[:, None] - at[earlier]
    unknown = np.concatenate([[0], np.cumsum(np.isnan(curve))])
    frame = np.round(at).astype(int)
    linked = (
        exists & (lag >= SHORTEST_S * fps) & (lag <= longest) & (unknown[frame[:, None] + 1] == unknown[frame[earlier]])
    )
    spacing = np.where(lag < SHORTEST_S * fps, -np.inf, -1.0)
    middle = 0.5 * (at[:, None] + at[earlier])
    spacing[linked] += _tempo_preference(curve, fps, middle[linked], lag[linked])
    return spacing


def _tempo_preference(
    curve: NDArray[np.float64], fps: float, at: NDArray[np.float64], lag: NDArray[np.float64]
) -> NDArray[np.float64]:
    """T[lag] / T_max of the window around a place, in [0, 1]; places and lags in fractional frames, (P,) each."""
    hop = WINDOW_HOP_S * fps
    half = round(WINDOW_S * fps / 2)
    shortest, longest = int(SHORTEST_S * fps), int(np.ceil(LONGEST_S * fps)) + 1
    knots = np.round(np.arange(0, len(curve) + hop, hop)).astype(int)
    known = np.pad(np.isfinite(curve).astype(np.float64), half)
    values = np.pad(np.nan_to_num(curve), half)
    hann = np.hanning(2 * half + 3)[1:-1]
    size = 1 << int(np.ceil(np.log2(2 * half + 1 + longest)))
    preference = np.zeros((len(knots), longest + 1), np.float32)
    for first in range(0, len(knots), _BLOCK_WINDOWS):
        some = slice(first, first + _BLOCK_WINDOWS)
        frames = np.minimum(knots[some], len(curve) - 1)[:, None] + np.arange(2 * half + 1)
        weight = hann * known[frames]
        mean = (weight * values[frames]).sum(1) / np.maximum(weight.sum(1), 1e-12)
        # Divided by the window's own autocorrelation: the mean product of what is known at both ends of a lag.
        products, pairs = (
            np.fft.irfft(np.abs(np.fft.rfft(x, size)) ** 2, size)[:, : longest + 1]
            for x in (weight * (values[frames] - mean[:, None]), weight)
        )
        enough = pairs > 0.02 * (hann @ hann)
        mean_product = np.where(enough, np.maximum(products, 0) / np.where(enough, pairs, 1.0), 0.0)
        mean_product[:, :shortest] = 0.0
        preference[some] = mean_product / np.maximum(mean_product.max(1, keepdims=True), 1e-12)
    return _bilinear(preference, at / hop, lag)


def _bilinear(table: NDArray[np.float32], row: NDArray[np.float64], column: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values of a table between its entries, (P,)."""
    i = np.clip(row.astype(int), 0, len(table) - 2)
    k = np.clip(column.astype(int), 0, table.shape[1] - 2)
    down, across = np.clip(row - i, 0, 1), np.clip(column - k, 0, 1)
    upper = table[i, k] * (1 - across) + table[i, k + 1] * across
    lower = table[i + 1, k] * (1 - across) + table[i + 1, k + 1] * across
    return np.asarray(upper * (1 - down) + lower * down, np.float64)
