"""Where players of instruments without keys have their hands, so that it is said when nobody seems to play."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kinebeat.performance.features import LAYOUT, in_shoulder_widths, resampled

if TYPE_CHECKING:
    from kinebeat.pose.track import PoseTrack

    Range = tuple[float, float]

POSTURES: dict[str, tuple[tuple[Range, Range], tuple[Range, Range]]] = {
    "violin": (((0.4, 1.7), (-0.1, 0.5)), ((-1.2, 0.6), (-0.4, 0.7))),
    "viola": (((0.6, 2.0), (-0.1, 0.5)), ((-0.9, 0.9), (-0.4, 0.6))),
    "cello": (((0.1, 1.0), (-0.4, 0.3)), ((-1.8, -0.1), (0.5, 1.1))),
    "guitar": (((0.6, 1.9), (0.0, 1.0)), ((-0.8, 0.3), (0.3, 0.9))),
    "ukulele": (((0.0, 1.0), (0.2, 0.8)), ((-0.9, 0.1), (0.2, 0.7))),
    "bass": (((0.6, 2.0), (-0.6, 1.0)), ((-0.7, 0.4), (0.4, 1.0))),
    "accordion": (((0.3, 1.5), (0.8, 1.4)), ((-1.3, -0.1), (0.6, 1.5))),
    "tuba": (((-0.1, 1.5), (-0.1, 0.6)), ((-1.1, 0.5), (0.3, 0.7))),
    "bassoon": (((-0.5, 0.7), (-0.2, 0.2)), ((-0.8, 0.2), (1.0, 1.5))),
    "trumpet": (((-0.6, 0.7), (-0.2, 0.2)), ((-0.8, 0.3), (-0.2, 0.1))),
    "flute": (((-1.0, 0.0), (-0.4, 0.0)), ((-1.4, -1.2), (-0.4, 0.1))),
}
"""Left and right wrist, (x, y) each, the median of a film: shoulder widths from the neck, to the right and down in
the picture; of 96 in 100 of 70 simulated players."""
MARGIN = 0.35
"""Shoulder widths by which real players and cameras may differ from those."""
_SEEN = 0.2


def unlike(track: PoseTrack, instrument: str) -> tuple[str, ...]:
    """A warning if the hands are not where those of the instrument's players are.

    Args:
        track: the player, layout `body25_hands`.
        instrument: a key of `INSTRUMENTS`.
    """
    if instrument not in POSTURES:
        return ()
    placed = in_shoulder_widths(resampled(track))
    if placed is None:
        return ()
    for side, ranges in zip(("left", "right"), POSTURES[instrument], strict=True):
        wrist = placed[:, LAYOUT.index(f"{side}_wrist")]
        if np.isfinite(wrist[:, 0]).mean() < _SEEN:
            continue
        for place, (least, most) in zip(np.nanmedian(wrist, 0).tolist(), ranges, strict=True):
            if not least - MARGIN <= place <= most + MARGIN:
                said = f"the {side} hand is not where players of the {instrument} have it"
                return (f"{said}: if nobody plays one, what is heard means nothing",)
    return ()
