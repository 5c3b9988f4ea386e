"""Notes out of keys that go down."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kinebeat.performance.joining import without_overlaps
from kinebeat.performance.notes import Notes
from kinebeat.performance.piano_keys import LOWEST_PITCH
from kinebeat.performance.picking import LONGEST_S, SHORTEST_S, place_of_peak

if TYPE_CHECKING:
    from numpy.typing import NDArray

APART_S = 0.11
"""A key is not struck twice within this."""


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
        onset_s[at] = place_of_peak(struck[:, key], frame) / fps
        later = held[frame + 1 : frame + 1 + round(LONGEST_S * fps), key] < still
        offset_s[at] = (frame + 1 + (int(later.argmax()) if later.any() else len(later))) / fps
    return without_overlaps(
        Notes.of(onset_s, np.maximum(offset_s, onset_s + SHORTEST_S), keys + LOWEST_PITCH, velocity)
    )
