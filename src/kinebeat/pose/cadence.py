"""Repeated pictures: a film of 24 pictures a second in a file of 30, or an animation drawn on twos.

When every fifth picture is shown twice, everything in it seems to stop six times a second, and a rhythm is heard
that nobody danced. Repeats that come in a regular pattern are left out, and the other pictures get the times at
which they were taken: a repeat may have been put in between two pictures (24 a second shown as 30), or a picture may
have been lost later in the pattern, which shows as a step twice as long.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

REPEAT_SHARE = 0.2
"""A picture that differs from the one before by less than this part of what is usual around it repeats it."""
LEAST_CHANGE = 0.05
"""Change in grey levels below which a passage is a still, not a film with repeats."""
LOST_SHARE = 1.3
"""Change at one place of the pattern, against that at the others, from which a picture is missing there."""
_WINDOW = 24
_LONGEST_PATTERN = 12
_LEAST_REPEATS = 4


def repeated_frames(change: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which frames repeat the one before in a regular pattern, (T,) bool.

    Args:
        change: (T,) mean absolute difference of a small grey picture from the one before, in grey levels of 255; the
            first entry does not count.
    """
    frames = len(change)
    usual = np.array(
        [np.percentile(change[max(1, i - _WINDOW) : i + _WINDOW + 1], 75) if frames > 1 else 0.0 for i in range(frames)]
    )
    candidate = (change < REPEAT_SHARE * usual) & (usual > LEAST_CHANGE)
    candidate[:1] = False
    # Two unchanged frames in a row are a pause.
    single = candidate & ~np.roll(candidate, 1) & ~np.roll(candidate, -1)
    at = np.flatnonzero(single)
    repeated = np.zeros(frames, bool)
    gaps = np.diff(at)
    first = 0
    while first < len(gaps):
        last = first
        while last + 1 < len(gaps) and gaps[last + 1] == gaps[first]:
            last += 1
        if gaps[first] <= _LONGEST_PATTERN and last - first + 2 >= _LEAST_REPEATS:
            repeated[at[first : last + 2]] = True
        first = last + 1
    return repeated


def even_times(
    times_s: NDArray[np.float64], repeated: NDArray[np.bool_], change: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Times of the frames that are kept, as even as the pictures were taken, (K,).

    Each run of a pattern keeps the mean time of its frames, so that sound stays with the picture.

    Args:
        times_s: (T,) seconds of all frames.
        repeated: (T,) which of them repeat the one before.
        change: (T,) as for `repeated_frames`.
    """
    times = times_s.astype(np.float64).copy()
    at = np.flatnonzero(repeated)
    for run in np.split(at, np.flatnonzero(np.diff(at) > _LONGEST_PATTERN) + 1):
        if len(run) < 2:
            continue
        frames = np.arange(run[0], run[-1] + 1)
        step = _steps(change[frames], int(np.median(np.diff(run))), repeated[frames])
        ordinal = np.cumsum(step)
        slope, level = np.polyfit(ordinal, times[frames], 1)
        times[frames] = level + slope * ordinal
    kept = times[~repeated]
    # The line may pass the frames outside its run by less than a frame.
    rising = np.maximum.accumulate(kept)
    return np.asarray(rising + 1e-6 * np.cumsum(np.diff(rising, prepend=-np.inf) <= 0))


def _steps(change: NDArray[np.float64], gap: int, repeated: NDArray[np.bool_]) -> NDArray[np.float64]:
    """By how many pictures each frame of a pattern is later than the one before: 0, 1, or 2 past a lost one."""
    place = np.arange(len(change)) % gap
    usual = np.array([np.median(change[(place == k) & ~repeated]) if k else 0.0 for k in range(gap)])
    step = np.ones(gap)
    step[1:][usual[1:] > LOST_SHARE * np.median(usual[1:])] = 2.0
    return np.asarray(np.where(repeated, 0.0, step[place]))
