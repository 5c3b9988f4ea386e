"""Movement as it happens: frames of keypoints go in at any rate, ticks on a uniform scale come out.

The causal counterpart of `kinebeat.motion`, whose conventions and constants hold here: seconds on the input's clock,
lengths in body heights, x right and y down. A tick needs nothing that comes after the first frame at or after its
time, so what is known at a tick lags behind the movement: velocities and directogram by `VELOCITY_DELAY_S`, kinematic
offsets by `OFFSET_DELAY_S`. Both are constant; whoever needs the time of an impact takes them off. (On hand-made movers
at 24 to 120 frames a second the peaks of the offsets come 71 to 87 ms after the stops.) That is the price of a noise
no larger than the offline motion has: a detector's jitter on a person who stands makes the same offsets in both.

What is done with frames that are not as they should be:

- A time that is not a number, or beyond 100 billion seconds, is a fault of the caller and raises an `OptionError`.
- A frame whose time is not after the last one's is left out: pictures that come over a network overtake each other. A
  clock that was set back begins anew (`begin`).
- Between two sightings of a joint that are more than `LONGEST_STEP_S` apart nothing is interpolated: ticks in a longer
  gap have nobody in them. After `MOST_TICKS` such ticks the scale leaps to the tick before the new frame.
- A joint that leaps faster than `FASTEST` begins anew where it lands.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from kinebeat.beats.visual import BINS
from kinebeat.errors import OptionError
from kinebeat.motion import BONE_IN_BODY_HEIGHTS, FASTEST, LEAST_JOINTS, LONGEST_STEP_S, PAN_SIGMA_S
from kinebeat.pose.clean import LEAST_SCORE
from kinebeat.skeleton import LAYOUTS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kinebeat.pose.track import PoseTrack

    Floats = NDArray[np.float64]

LIVE_FPS = 30.0
LAYOUT = "rhythmicnet17"
JOINTS = len(LAYOUTS[LAYOUT].joints)
MOST_TICKS = 150
"""Ticks that one frame may bring, five seconds: what a longer gap leaves out is left out for good."""
MEMORY_S = 2.0
"""Past over which body height and number of joints are judged."""
SLOPE_TICKS = 4
"""Ticks through whose places the line is laid whose slope is a joint's velocity."""
VELOCITY_DELAY_S = (SLOPE_TICKS - 1) / 2 / LIVE_FPS
"""The middle of that line lies so far back, 50 ms."""
OFFSET_DELAY_S = VELOCITY_DELAY_S + 1.0 / LIVE_FPS
"""Braking is the change of speed over two ticks, whose middle lies one tick further back: 83 ms."""
# A frame so little before a tick's time is on it: containers round their times to the millisecond.
_EARLY_S = 0.001
_SHORTEST_STEP_S = 1 / 60
_LATEST_S = 1e11
# No picture is so large, and nobody in one so small.
_FARTHEST_PX, _SMALLEST_PX = 1e6, 2.0
_LEAST_BONES = 3
_HEIGHT_PERCENTILE = 0.8
_MEMORY = round(MEMORY_S * LIVE_FPS)
_BONES = np.array([[LAYOUTS[LAYOUT].index(joint) for joint in bone] for bone in BONE_IN_BODY_HEIGHTS])
_BONE_LENGTHS = np.array(list(BONE_IN_BODY_HEIGHTS.values()))
_PAN_GAIN = 1 - np.exp(-1 / (LIVE_FPS * PAN_SIGMA_S))
_BIN_ANGLES = 2 * np.pi * np.arange(BINS) / BINS
_PLACE = np.arange(SLOPE_TICKS, dtype=np.float64)


@dataclass(frozen=True)
class Tick:
    """What is known of a person's movement at one tick.

    Attributes:
        time_s: of the tick, a whole number of `1 / LIVE_FPS` after the first frame.
        directogram: (18,) float32, as `Motion.directogram`, body heights per second.
        offset: causal kinematic offset, how hard the joints brake, body heights per second squared.
        velocity: (17, 2) float32, body heights per second; NaN where a joint is not followed.
        xy: (17, 2) float32, pixels at the tick; NaN where a joint is not seen.
        height_px: height of the person; NaN as long as it is unknown.
        present: whether somebody is seen.
    """

    time_s: float
    directogram: NDArray[np.float32]
    offset: float
    velocity: NDArray[np.float32]
    xy: NDArray[np.float32]
    height_px: float
    present: bool


@dataclass(frozen=True)
class Movement:
    """Ticks, one after the other, as arrays: see `Tick`.

    Attributes:
        times_s: (T,) float64.
        directogram: (T, 18) float32.
        offset: (T,) float32.
        velocity: (T, 17, 2) float32.
        xy: (T, 17, 2) float32.
        height_px: (T,) float64.
        present: (T,) bool.
    """

    times_s: NDArray[np.float64]
    directogram: NDArray[np.float32]
    offset: NDArray[np.float32]
    velocity: NDArray[np.float32]
    xy: NDArray[np.float32]
    height_px: NDArray[np.float64]
    present: NDArray[np.bool_]


@dataclass(frozen=True)
class MovementState:
    """What has to be remembered between frames. It is never changed; `advance` gives a new one.

    Attributes:
        first_s: time of the first frame, which tick 0 is on; NaN before it.
        last_s: time of the last frame.
        ticks: number of the next tick.
        seen_xy: (17, 2) where each joint was last seen, pixels.
        seen_s: (17,) when that was; NaN for never.
        places: (`SLOPE_TICKS`, 17, 2) pixels at the last ticks.
        speeds: (2, 17) speeds at the last two ticks, body heights per second.
        heights: (`_MEMORY`,) guesses of the body height at the last ticks, NaN where there was none.
        counts: (`_MEMORY`,) how many joints were followed at the last ticks.
        height_px: the height in use.
        common: (2,) the slow motion of the whole body, body heights per second.
    """

    first_s: float
    last_s: float
    ticks: int
    seen_xy: Floats
    seen_s: Floats
    places: Floats
    speeds: Floats
    heights: Floats
    counts: Floats
    height_px: float
    common: Floats


def begin() -> MovementState:
    """The state before the first frame."""
    return MovementState(
        first_s=float("nan"),
        last_s=float("nan"),
        ticks=0,
        seen_xy=np.full((JOINTS, 2), np.nan),
        seen_s=np.full(JOINTS, np.nan),
        places=np.full((SLOPE_TICKS, JOINTS, 2), np.nan),
        speeds=np.full((2, JOINTS), np.nan),
        heights=np.full(_MEMORY, np.nan),
        counts=np.zeros(_MEMORY),
        height_px=float("nan"),
        common=np.zeros(2),
    )


def advance(
    xy: NDArray[np.floating[Any]] | None,
    score: NDArray[np.floating[Any]] | None,
    time_s: float,
    state: MovementState,
) -> tuple[tuple[Tick, ...], MovementState]:
    """Take in one frame.

    Args:
        xy: (17, 2) pixels, `rhythmicnet17`, not finite where a joint is not seen; None where nobody is. What is a
            million pixels away is not seen either.
        score: (17,) the detector's confidence, below `LEAST_SCORE` a joint counts as not seen; None trusts them all.
        time_s: of the frame, on the input's clock.
        state: what the frame before left.

    Returns:
        The ticks since the last frame, in order, up to the one on or before this frame; often none or one. And the
        state for the next frame.

    Raises:
        OptionError: the time is not a number of seconds, or the shapes are not those of 17 joints.
    """
    here = _checked(xy, score, time_s)
    if time_s <= state.last_s:
        return (), state
    if np.isnan(state.first_s):
        state = replace(state, first_s=time_s)
    seen = np.isfinite(here[:, 0])
    followed = seen & _followed(here, time_s, state)
    due = range(state.ticks, int(np.floor((time_s + _EARLY_S - state.first_s) * LIVE_FPS)) + 1)
    if len(due) > MOST_TICKS:
        due = range(due.start, due.start + MOST_TICKS - 1)
        numbers = [*due, int(np.floor((time_s + _EARLY_S - state.first_s) * LIVE_FPS))]
    else:
        numbers = list(due)
    # A joint that leapt must not be joined to where it was by the line through the ticks.
    leapt = seen & ~followed & np.isfinite(state.places).any((0, 2))
    if leapt.any():
        state = replace(state, places=np.where(leapt[:, None], np.nan, state.places))
    ticks = []
    for number in numbers:
        tick_s = state.first_s + number / LIVE_FPS
        place = np.where(seen[:, None] & (tick_s >= time_s - _EARLY_S), here, np.nan)
        if followed.any():
            share = np.clip((tick_s - state.seen_s) / (time_s - state.seen_s), 0.0, 1.0)[:, None]
            place = np.where(followed[:, None], state.seen_xy + share * (here - state.seen_xy), place)
        tick, state = _tick(place, tick_s, state)
        ticks.append(tick)
    return tuple(ticks), replace(
        state,
        last_s=time_s,
        ticks=numbers[-1] + 1 if numbers else state.ticks,
        seen_xy=np.where(seen[:, None], here, state.seen_xy),
        seen_s=np.where(seen, time_s, state.seen_s),
    )


def movement_of(pose: PoseTrack) -> Movement:
    """All ticks of a track, as a live engine would have had them one by one.

    Args:
        pose: keypoints, layout `rhythmicnet17`. A change of shot parts what is before it from what comes after.

    Raises:
        OptionError: another layout.
    """
    if pose.layout != LAYOUT:
        raise OptionError(f"the live movement takes joints as {LAYOUT}, got {pose.layout}: convert them first")
    state = begin()
    ticks: list[Tick] = []
    for k, time_s in enumerate(pose.times_s):
        if k and pose.shot[k] != pose.shot[k - 1]:
            fresh = begin()
            state = replace(state, seen_s=fresh.seen_s, places=fresh.places, heights=fresh.heights)
        some, state = advance(pose.xy[k], pose.score[k], float(time_s), state)
        ticks += some
    return Movement(
        times_s=np.array([tick.time_s for tick in ticks], np.float64),
        directogram=np.array([tick.directogram for tick in ticks], np.float32).reshape(-1, BINS),
        offset=np.array([tick.offset for tick in ticks], np.float32),
        velocity=np.array([tick.velocity for tick in ticks], np.float32).reshape(-1, JOINTS, 2),
        xy=np.array([tick.xy for tick in ticks], np.float32).reshape(-1, JOINTS, 2),
        height_px=np.array([tick.height_px for tick in ticks], np.float64),
        present=np.array([tick.present for tick in ticks], bool),
    )


def directions(velocity: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """Directogram of one tick, RhythmicNet eq. 1 as `motion.add_directions` has it, all joints at once.

    Args:
        velocity: (J, 2), NaN where a joint is not followed.

    Returns:
        (18,) sums of the joints' speeds.
    """
    known = np.where(np.isnan(velocity), 0.0, velocity)
    speed = np.hypot(known[:, 0], known[:, 1])
    angle = np.arctan2(known[:, 1], known[:, 0])
    away = np.abs((angle[:, None] - _BIN_ANGLES + np.pi) % (2 * np.pi) - np.pi)
    near = away <= 2 * np.pi / BINS + 1e-6  # as there: rounding must not decide about a direction on an edge
    return np.asarray(speed @ near, np.float32)


def _checked(
    xy: NDArray[np.floating[Any]] | None, score: NDArray[np.floating[Any]] | None, time_s: float
) -> NDArray[np.float64]:
    """The joints in float64, NaN where they are not seen or not believed."""
    if not abs(time_s) <= _LATEST_S:
        raise OptionError(f"the time of a frame is seconds, got {time_s}")
    if xy is None:
        return np.full((JOINTS, 2), np.nan)
    here = np.array(xy, np.float64)
    if here.shape != (JOINTS, 2) or (score is not None and np.shape(score) != (JOINTS,)):
        got = f"{here.shape}" if score is None else f"{here.shape} and {np.shape(score)}"
        raise OptionError(f"a frame has {JOINTS} joints: expected ({JOINTS}, 2) pixels and ({JOINTS},), got {got}")
    with np.errstate(invalid="ignore"):
        unseen = ~(np.abs(here) <= _FARTHEST_PX).all(axis=1)
    if score is not None:
        unseen |= ~(np.asarray(score) >= LEAST_SCORE)
    here[unseen] = np.nan
    return here


def _followed(here: Floats, time_s: float, state: MovementState) -> NDArray[np.bool_]:
    """(17,) which joints may be joined to where they were last seen."""
    step_s = time_s - state.seen_s
    with np.errstate(invalid="ignore", over="ignore"):
        near = step_s <= LONGEST_STEP_S
        if np.isfinite(state.height_px):
            way = np.linalg.norm(here - state.seen_xy, axis=1)
            near &= way <= FASTEST * state.height_px * np.maximum(step_s, _SHORTEST_STEP_S)
    return np.asarray(near)


def _tick(place: Floats, tick_s: float, state: MovementState) -> tuple[Tick, MovementState]:
    """What is known at a tick at which the joints are at `place`, (17, 2) pixels, and the state after it."""
    heights = np.append(state.heights[1:], _height_guess(place))
    height_px = _upper(heights, _HEIGHT_PERCENTILE, state.height_px)
    places = np.concatenate([state.places[1:], place[None]])
    velocity = _slopes(places) * (LIVE_FPS / height_px)
    followed = np.isfinite(velocity[:, 0])
    count = int(followed.sum())
    counts = np.append(state.counts[1:], count)
    common = np.sort(velocity[followed], axis=0)
    common = 0.5 * (common[(count - 1) // 2] + common[count // 2]) if count >= LEAST_JOINTS else np.zeros(2)
    common = state.common + _PAN_GAIN * (common - state.common)
    velocity = velocity - common
    joints = _joints(counts)
    speed = np.hypot(velocity[:, 0], velocity[:, 1])
    # Half the change over two ticks is half the noise of the change over one. A joint that is lost or found has none.
    braking = (state.speeds[0] - speed) * (LIVE_FPS / 2)
    offset = float(braking[braking > 0].sum() / joints)
    present = bool(np.isfinite(place[:, 0]).sum() >= LEAST_JOINTS and np.isfinite(height_px))
    tick = Tick(
        time_s=tick_s,
        directogram=directions(velocity) / np.float32(joints),
        offset=offset,
        velocity=velocity.astype(np.float32),
        xy=place.astype(np.float32),
        height_px=height_px,
        present=present,
    )
    after = replace(
        state,
        places=places,
        speeds=np.stack([state.speeds[1], speed]),
        heights=heights,
        counts=counts,
        height_px=height_px,
        common=common,
    )
    return tick, after


def _height_guess(place: Floats) -> float:
    """Height of the person in pixels by the bones in view, as `motion.body_height_px` guesses it; NaN for too few."""
    bones = place[_BONES[:, 0]] - place[_BONES[:, 1]]
    guesses = np.hypot(bones[:, 0], bones[:, 1]) / _BONE_LENGTHS
    if np.isfinite(guesses).sum() < _LEAST_BONES:
        return float("nan")
    guess = _upper(guesses, 0.75, float("nan"))
    return guess if guess >= _SMALLEST_PX else float("nan")


def _upper(values: Floats, share: float, otherwise: float) -> float:
    """Quantile of the values that are numbers, interpolated."""
    known = np.sort(values[np.isfinite(values)])
    if len(known) == 0:
        return otherwise
    rank = share * (len(known) - 1)
    below = int(rank)
    above = min(below + 1, len(known) - 1)
    return float(known[below] + (rank - below) * (known[above] - known[below]))


def _slopes(places: Floats) -> Floats:
    """Slope of the line through each joint's last places, (17, 2) pixels a tick.

    At most one of the places may be missing, and never the last.
    """
    seen = np.isfinite(places[:, :, 0])
    good = seen[-1] & (seen.sum(axis=0) >= SLOPE_TICKS - 1)
    count = np.maximum(seen.sum(axis=0), 1)
    middle = (seen * _PLACE[:, None]).sum(axis=0) / count
    weight = seen * (_PLACE[:, None] - middle)
    spread = np.maximum((weight**2).sum(axis=0), 1e-9)
    # About the newest place, so that the coordinates' own size costs no digits.
    away = np.where(seen[..., None], places - places[-1], 0.0)
    slope = (weight[..., None] * away).sum(axis=0) / spread[:, None]
    return np.where(good[:, None], slope, np.nan)


def _joints(counts: Floats) -> float:
    """How many joints of this person are followed, at least 1: the median of the last ticks with somebody there."""
    known = counts[counts >= LEAST_JOINTS]
    return max(1.0, _upper(known, 0.5, 1.0))
