"""Repeated pictures: a film of 24 pictures a second in a file of 30, or an animation drawn on twos.

When every fifth picture is shown twice, everything in it seems to stop six times a second, and a rhythm is heard
that nobody danced. Repeats that come in a regular pattern are left out. If they were put in between the pictures
(24 to 30 a second), the others are spread evenly; if they stand in place of pictures that were lost, the picture
after a repeat has moved twice as far, and the times of the others are right as they are.
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
"""Change after a repeat, against that between other pictures, from which it stands in place of a lost picture."""
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
    """Times of the frames that are kept, evenly spread wherever repeats were put in between them, (K,).

    Each run of a pattern keeps the mean time of its frames, so that sound stays with the picture.

    Args:
        times_s: (T,) seconds of all frames.
        repeated: (T,) which of them repeat the one before.
        change: (T,) as for `repeated_frames`.
    """
    keep = np.flatnonzero(~repeated)
    times = times_s[keep].astype(np.float64).copy()
    at = np.flatnonzero(repeated)
    if len(at) == 0:
        return times
    for run in np.split(at, np.flatnonzero(np.diff(at) > _LONGEST_PATTERN) + 1):
        after = run[run + 1 < len(change)] + 1
        between = np.setdiff1d(np.arange(run[0], run[-1]), np.concatenate([run, after]))
        if len(between) and np.median(change[after]) > LOST_SHARE * np.median(change[between]):
            continue
        first, last = np.searchsorted(keep, [run[0] - 1, run[-1] + 1])
        last = min(last, len(keep) - 1)
        if last - first < 2:
            continue
        ordinal = np.arange(first, last + 1)
        slope, level = np.polyfit(ordinal - first, times[first : last + 1], 1)
        times[first : last + 1] = level + slope * (ordinal - first)
    # A line may step past a neighbour outside its run by less than a frame.
    return np.maximum.accumulate(times + 1e-6 * np.arange(len(times)))
