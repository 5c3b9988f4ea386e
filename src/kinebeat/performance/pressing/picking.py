"""Notes out of keys that go down."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kinebeat.performance.joining import without_overlaps
from kinebeat.performance.notes import Notes
from kinebeat.performance.piano_keys import LOWEST_PITCH

if TYPE_CHECKING:
    from numpy.typing import NDArray

APART_S = 0.11
"""A key is not struck twice within this."""
SHORTEST_S, LONGEST_S = 0.08, 4.0


def struck_notes(
    struck: NDArray[np.float32],
    held: NDArray[np.float32],
    threshold: float,
    still: float,
    fps: float,
    velocity: int = 76,
) -> Notes:
    """Notes where a key's probability of being struck has a peak.

    Args:
        struck: (T, 88) in [0, 1].
        held: (T, 88) in [0, 1].
        threshold: of a peak.
        still: probability of being held below which a note ends.
        fps: pictures a second.
        velocity: of all notes.
    """
    reach = max(1, round(APART_S * fps))
    padded = np.pad(struck, ((reach, reach), (0, 0)), constant_values=-1.0)
    highest = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1, axis=0).max(-1)
    frames, keys = np.nonzero((struck >= highest) & (struck >= threshold))
    onset_s, offset_s = np.zeros(len(frames)), np.zeros(len(frames))
    for at, (frame, key) in enumerate(zip(frames.tolist(), keys.tolist(), strict=True)):
        onset_s[at] = _refined(struck[:, key], frame) / fps
        later = held[frame + 1 : frame + 1 + round(LONGEST_S * fps), key] < still
        offset_s[at] = (frame + 1 + (int(later.argmax()) if later.any() else len(later))) / fps
    return without_overlaps(
        Notes.of(onset_s, np.maximum(offset_s, onset_s + SHORTEST_S), keys + LOWEST_PITCH, velocity)
    )


def _refined(struck: NDArray[np.float32], frame: int) -> float:
    """A peak's place, by the parabola through it and its neighbours."""
    if not 0 < frame < len(struck) - 1:
        return float(frame)
    before, here, after = (float(x) for x in struck[frame - 1 : frame + 2])
    bend = before - 2 * here + after
    return frame + (0.5 * (before - after) / bend if bend < 0 else 0.0)
