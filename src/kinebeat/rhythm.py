"""The noun `Rhythm`, and how it is composed: which 16th steps carry a beat and which an accent of the movement.

RhythmicNet (section 3, Rhythm Composition) adds the streams of beats and style; here both keep their strength, and
an accent its place within the step, so that a drum can land on the movement and not only near it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kinebeat.beats.grid import STEPS_PER_BEAT
from kinebeat.motion import MOTION_FPS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kinebeat.accents import Accents
    from kinebeat.beats.grid import BeatGrid
    from kinebeat.motion import Motion

LANDING_TOLERANCE_S = 0.015
"""A drum this close to its movement is heard as on it: hits leave the grid only by what exceeds this."""
SETTLE_S, SETTLE_SIGMA_S = 0.12, 0.035
"""How far a grid may be moved to lie on the accents, and how near an accent has to be to count."""
SETTLE_SHARE, SETTLE_GAIN = 0.2, 1.1
"""Share of the accents that must come to lie on the grid, and how many times more than did before."""
ENERGY_SIGMA_S = 0.30
ENERGY_FLOOR = 0.12
"""Speed in body heights per second that counts as full energy even in a clip where nobody moves faster."""
ENERGY_PERCENTILE = 90.0


@dataclass(frozen=True)
class Rhythm:
    """Beats and accents on the 16th steps of a grid: what the drummer is given.

    Attributes:
        grid: the beats; all arrays below have `grid.steps` entries.
        beat: (S,) float32, 1 on beats and 0 elsewhere.
        accent: (S,) float32 in [0, 1], strength of the movement's accent at that step, 0 where there is none.
        accent_offset: (S,) float32 in [-0.5, 0.5), in 16ths from the step, where a drum must fall to be heard as on
            the accent.
        energy: (S,) float32 in [0, 1], how much the mover moves around that step; 0 is standing still.
        present: (S,) bool, whether anyone is in the picture at that step.
    """

    grid: BeatGrid
    beat: NDArray[np.float32]
    accent: NDArray[np.float32]
    accent_offset: NDArray[np.float32]
    energy: NDArray[np.float32]
    present: NDArray[np.bool_]


def compose(
    grid: BeatGrid,
    accents: Accents,
    motion: Motion,
    *,
    tolerance_s: float = LANDING_TOLERANCE_S,
    by_hand: NDArray[np.bool_] | None = None,
) -> Rhythm:
    """Put beats and accents on the 16ths of a grid.

    Of several accents that fall on one step the strongest stays, one by hand before all others.

    Args:
        grid: the beats.
        accents: moments of the movement that should be heard.
        motion: for the energy and for who is in the picture.
        tolerance_s: how near to its movement a drum is heard as on it.
        by_hand: (N,) which accents somebody put where they are: there they are heard, whatever the grid is and whether
            or not anyone is seen; none if None.
    """
    by_hand = np.zeros(len(accents.times_s), bool) if by_hand is None else by_hand
    beat = np.zeros(grid.steps, np.float32)
    beat[::STEPS_PER_BEAT] = 1.0
    accent = np.zeros(grid.steps, np.float32)
    offset = np.zeros(grid.steps, np.float32)
    # Weak ones first: of two on one step the later written stays.
    order = np.lexsort((accents.strength, by_hand))
    felt_s = accents.times_s[order]
    near_s = np.where(by_hand[order], 0.0, tolerance_s)
    step = np.floor(grid.step(felt_s) + 0.5).astype(np.int64)
    away_s = felt_s - grid.time_s(step)
    pulled = grid.step(felt_s - np.clip(away_s, -near_s, near_s)) - step
    pulled[np.abs(away_s) <= near_s] = 0.0
    on_grid = (step >= 0) & (step < grid.steps)
    accent[step[on_grid]] = accents.strength[order][on_grid]
    offset[step[on_grid]] = np.minimum(pulled[on_grid], np.nextafter(np.float32(0.5), np.float32(0.0)))
    time_s = grid.time_s(np.arange(grid.steps))
    at = np.clip(np.round(time_s * MOTION_FPS).astype(int), 0, len(motion.times_s) - 1)
    in_clip = (time_s > motion.times_s[0] - 0.1) & (time_s < motion.times_s[-1] + 0.1)
    present = _widened(motion.present)[at] & in_clip
    present[step[on_grid & by_hand[order]]] = True
    return Rhythm(grid, beat, accent, offset, np.where(present, energy(motion)[at], 0.0).astype(np.float32), present)


def settled(grid: BeatGrid, accents: Accents, duration_s: float) -> BeatGrid:
    """The grid moved by one constant so that it lies on the movement's accents, halves of the beat allowed.

    Dancers land some way before the music's beat (`beats.hearing`). A soundtrack that is made for the movement has no
    other music to agree with: its beats belong where the movement lands.

    Args:
        grid: the beats.
        accents: moments of the movement.
        duration_s: length of the clip.
    """
    if grid.source != "movement" or not len(accents.times_s):
        return grid
    shifts_s = np.arange(-SETTLE_S, SETTLE_S + 1e-9, 0.005)
    half_s = 30.0 / grid.tempo_bpm
    halves = grid.step(accents.times_s[None, :] - shifts_s[:, None]) / STEPS_PER_BEAT * 2
    away_s = (halves - np.round(halves)) * half_s
    fit = np.exp(-0.5 * (away_s / SETTLE_SIGMA_S) ** 2) @ accents.strength
    best = int(np.argmax(fit))
    agrees = fit[best] > SETTLE_SHARE * accents.strength.sum() and fit[best] > SETTLE_GAIN * fit[len(fit) // 2]
    return grid.moved(float(shifts_s[best]), duration_s) if agrees else grid


def energy(motion: Motion) -> NDArray[np.float32]:
    """How much the mover moves, (T,) in [0, 1]: smoothed speed against the clip's own fast passages."""
    from scipy.ndimage import gaussian_filter1d

    speed = gaussian_filter1d(motion.speed.astype(np.float64), ENERGY_SIGMA_S * MOTION_FPS, mode="nearest")
    moving = speed[motion.present]
    full = max(ENERGY_FLOOR, float(np.percentile(moving, ENERGY_PERCENTILE)) if len(moving) else 0.0)
    return np.asarray(np.clip(speed / full, 0.0, 1.0), np.float32)


def _widened(present: NDArray[np.bool_], seconds: float = 0.15) -> NDArray[np.bool_]:
    """Presence with its edges moved out a little: a drum on the last movement seen is still on a movement."""
    reach = round(seconds * MOTION_FPS)
    return np.convolve(present.astype(float), np.ones(2 * reach + 1), mode="same") > 0.5
