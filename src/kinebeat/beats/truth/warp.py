"""Smooth time warps that put the landings of a recorded movement onto a metrical grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kinebeat.beats.truth.landings import Landings

SLOWEST, FASTEST = 0.6, 1.65
"""Limits of the speed at which a movement is replayed: beyond them it no longer looks like a person's."""
PACES = (0.75, 0.87, 1.0, 1.15, 1.32)
UNEVEN = 1.5
"""Cost of an e-fold change of pace from one landing to the next, squared, in landings of full strength."""
MISSED = 0.35
HALF_WORTH, QUARTER_WORTH = 0.0, -0.2
LONGEST_LINK = 12
"""Longest way from one chosen landing to the next, in quarter beats."""


@dataclass(frozen=True)
class Fit:
    """Where chosen landings of a movement are put.

    Attributes:
        at_s: (N,) float64, seconds of the recording, increasing.
        at_beat: (N,) float64, beats from the start of the piece, increasing; multiples of a quarter.
        worth: how well the landings sit, per beat.
    """

    at_s: NDArray[np.float64]
    at_beat: NDArray[np.float64]
    worth: float


def fit_to_beats(
    landings: Landings, start_s: float, start_beat: float, end_beat: float, period_s: float, on_beat: float = 0.0
) -> Fit | None:
    """Choose landings and a place on the grid for each, so that strong ones fall on beats and the pace stays even.

    Dynamic programming over landings and the quarter of the beat they are put on. A landing on a beat is worth its
    strength, one half-way `HALF_WORTH` times it, one on another quarter `QUARTER_WORTH` times it; a landing that is
    passed over costs `MISSED` of it, and an uneven pace costs `UNEVEN` log(pace)^2.

    Args:
        landings: of the recording.
        start_s: where in the recording the piece begins.
        start_beat: where on the grid it begins, in beats (any fraction).
        end_beat: how far it must reach.
        period_s: length of a beat in seconds.
        on_beat: which quarter of the beat counts as the beat, in beats: 0, or 0.5 for a mover on the off-beat.

    Returns:
        The best fit over `PACES`, or None if the landings do not reach.
    """
    after = landings.times_s > start_s + 0.1
    times_s, strength = landings.times_s[after], landings.strength[after]
    if not len(times_s):
        return None
    fits = [_at_pace(times_s, strength, start_s, start_beat, end_beat, period_s, on_beat, pace) for pace in PACES]
    return max((fit for fit in fits if fit is not None), key=lambda fit: fit.worth, default=None)


def _at_pace(
    times_s: NDArray[np.float64],
    strength: NDArray[np.float64],
    start_s: float,
    start_beat: float,
    end_beat: float,
    period_s: float,
    on_beat: float,
    pace: float,
) -> Fit | None:
    """The best fit whose links are all near one pace (seconds of the recording per second of the music)."""
    reach_s = (end_beat - start_beat) * period_s * FASTEST + 2.0
    count = int(np.searchsorted(times_s, start_s + reach_s))
    if count == 0 or times_s[count - 1] < start_s + (end_beat - start_beat) * period_s * SLOWEST:
        return None
    missed = np.concatenate([[0.0], np.cumsum(strength)]) * MISSED
    first_quarter = int(np.ceil(start_beat * 4 + 1e-9))
    quarters = int(np.ceil(end_beat * 4)) + 4 - first_quarter
    worth_of = np.full(quarters, QUARTER_WORTH)
    place = (np.arange(quarters) + first_quarter - round(on_beat * 4)) % 4
    worth_of[place == 2], worth_of[place == 0] = HALF_WORTH, 1.0
    score = np.full((count, quarters), -np.inf)
    came_from = np.full((count, quarters), -1)  # which landing, and by how long a link, as one number
    quarter_s = period_s / 4
    grid = np.arange(quarters)
    # From the start of the piece, which need not be a landing.
    away_s = (grid + first_quarter - start_beat * 4) * quarter_s
    for i in range(count):
        ratio = (times_s[i] - start_s) / np.maximum(away_s, 1e-6)
        fine = (ratio > SLOWEST) & (ratio < FASTEST) & (away_s < 4 * LONGEST_LINK * quarter_s)
        score[i, fine] = strength[i] * worth_of[fine] - missed[i] - UNEVEN * np.log(ratio[fine] / pace) ** 2
        for j in range(i - 1, -1, -1):
            step_s = times_s[i] - times_s[j]
            if step_s > LONGEST_LINK * quarter_s * FASTEST:
                break
            low = max(1, int(np.ceil(step_s / FASTEST / quarter_s)))
            high = min(LONGEST_LINK, int(step_s / SLOWEST / quarter_s), quarters - 1)
            for link in range(low, high + 1):
                ratio_link = step_s / (link * quarter_s)
                gain = UNEVEN * np.log(ratio_link / pace) ** 2 + missed[i] - missed[j + 1]
                new = score[j, : quarters - link] + strength[i] * worth_of[link:] - gain
                better = new > score[i, link:]
                score[i, link:][better] = new[better]
                came_from[i, link:][better] = j * (LONGEST_LINK + 1) + link
    ends = score.copy()
    ends[:, : int(np.ceil(end_beat * 4)) - first_quarter] = -np.inf
    if not np.isfinite(ends).any():
        return None
    i, quarter = (int(k) for k in np.unravel_index(int(np.argmax(ends)), ends.shape))
    worth = float(ends[i, quarter]) / (end_beat - start_beat)
    chosen: list[tuple[float, float]] = []
    while i >= 0:
        chosen.append((float(times_s[i]), (quarter + first_quarter) / 4))
        before = int(came_from[i, quarter])
        i, quarter = before // (LONGEST_LINK + 1), quarter - before % (LONGEST_LINK + 1)
    chosen.reverse()
    return Fit(np.array([c[0] for c in chosen]), np.array([c[1] for c in chosen]), worth)


def warp(fit: Fit, start_s: float, start_beat: float, beats: NDArray[np.float64]) -> NDArray[np.float64]:
    """Seconds of the recording at beats of the grid: a smooth increasing curve through the fit's points."""
    from scipy.interpolate import PchipInterpolator

    knots_beat = np.concatenate([[start_beat], fit.at_beat])
    knots_s = np.concatenate([[start_s], fit.at_s])
    inside = PchipInterpolator(knots_beat, knots_s)(np.clip(beats, knots_beat[0], knots_beat[-1]))
    # Beyond its ends the curve goes on at its mean pace.
    pace = (knots_s[-1] - knots_s[0]) / (knots_beat[-1] - knots_beat[0])
    beyond = np.minimum(beats - knots_beat[0], 0) + np.maximum(beats - knots_beat[-1], 0)
    return np.asarray(inside + pace * beyond)
