"""Hands and feet as drum sticks: each sharp stop strikes a drum, on the stop and not after it.

A limb that brakes hard will have stopped soon: from its speed and its braking the moment is known before it comes, and
so the stroke can be handed out with a due time at which the limb is seen to stop, whatever filters and outputs take.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kinebeat.live.movement import LIVE_FPS
from kinebeat.skeleton import LAYOUTS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kinebeat.live.movement import Tick

STICKS = ("right_wrist", "left_wrist", "right_ankle", "left_ankle")
_SKELETON = LAYOUTS["rhythmicnet17"]
_AT = np.array([_SKELETON.index(joint) for joint in STICKS])
LEAST_SPEED = 1.1
"""Body heights per second that a limb must have had: a hand that is raised to the face or a step of a walk has less."""
LEAST_SPEED_FEET = 0.9
LEAST_BRAKING = 6.0
"""Body heights per second squared. A swing that ends by itself has a third of that."""
FULL_SPEED = 4.5
"""Body heights per second of a stroke as loud as can be."""
FALLEN = 0.6
"""Share of its highest speed below which a braking limb is taken to be stopping."""
FORESEEN_S = 0.10
"""A stop that is further away is left to the next ticks, which see it better."""
LEAST_WAY = 0.10
"""Body heights from where the limb last rested or struck; the jitter of a pose detector goes nowhere."""
AT_REST = 0.25
"""Share of the least speed below which a limb rests, and what it did before is over."""
REST_S = 0.12
"""Between two strokes of one limb at least; drummers' hands manage about this."""


@dataclass(frozen=True)
class Stroke:
    """A sharp stop.

    Attributes:
        time_s: of the stop.
        joint: one of `STICKS`.
        strength: in (0, 1].
    """

    time_s: float
    joint: str
    strength: float


@dataclass(frozen=True)
class Limb:
    """What is remembered of one hand or foot.

    Attributes:
        xy: (2,) where it was at the last tick, pixels; NaN where it was not seen.
        from_xy: (2,) where it last rested or struck.
        speed: its last, body heights per second.
        highest: of its speeds since it last struck or rested.
        struck_s: when it last struck.
    """

    xy: NDArray[np.float64]
    from_xy: NDArray[np.float64]
    speed: float = 0.0
    highest: float = 0.0
    struck_s: float = -np.inf


def begin() -> tuple[Limb, ...]:
    """Nothing seen yet."""
    nowhere = np.full(2, np.nan)
    return tuple(Limb(nowhere, nowhere) for _ in STICKS)


def step(tick: Tick, limbs: tuple[Limb, ...], sensitivity: float = 1.0) -> tuple[tuple[Stroke, ...], tuple[Limb, ...]]:
    """The strokes that a tick shows to come, at most one of each limb.

    Speeds are those between two ticks, not `Tick.velocity`, which is smoother but later: a stroke cannot wait.

    Args:
        tick: of the movement.
        limbs: as they were after the last.
        sensitivity: 2 lets a limb strike at half the speed and half the braking.

    Returns:
        The strokes, due about now, and the limbs.
    """
    strokes: list[Stroke] = []
    after: list[Limb] = []
    for joint, xy, limb in zip(STICKS, tick.xy[_AT].astype(np.float64), limbs, strict=True):
        speed = float(np.linalg.norm(xy - limb.xy)) * LIVE_FPS / tick.height_px
        if not np.isfinite(speed):
            after.append(Limb(xy, xy, struck_s=limb.struck_s))
            continue
        braking = (limb.speed - speed) * LIVE_FPS
        highest = max(limb.highest, speed)
        seen_s = tick.time_s - 0.5 / LIVE_FPS  # the speed between two ticks is that of the moment between them
        least = (LEAST_SPEED_FEET if joint.endswith("ankle") else LEAST_SPEED) / sensitivity
        if (
            highest >= least
            and float(np.linalg.norm(xy - limb.from_xy)) >= LEAST_WAY / sensitivity * tick.height_px
            and braking >= LEAST_BRAKING / sensitivity
            and speed < FALLEN * highest
            and seen_s + speed / braking <= tick.time_s + FORESEEN_S
            and tick.time_s - limb.struck_s >= REST_S
        ):
            stop_s = max(tick.time_s, seen_s + speed / braking)
            strokes.append(Stroke(stop_s, joint, min(1.0, highest / FULL_SPEED * sensitivity)))
            after.append(Limb(xy, xy, speed, 0.0, tick.time_s))
        elif speed < AT_REST * least:
            after.append(Limb(xy, xy, speed, 0.0, limb.struck_s))
        else:
            # Having struck, a limb must gather speed anew.
            gathers = speed > limb.speed or limb.highest > 0
            after.append(Limb(xy, limb.from_xy, speed, highest if gathers else 0.0, limb.struck_s))
    return tuple(strokes), tuple(after)
