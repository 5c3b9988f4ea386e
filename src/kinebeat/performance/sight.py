"""What a film shows of its player: how much of hands and body is seen, and whether that is enough to hear music in."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from kinebeat.errors import InputError
from kinebeat.performance.instruments import INSTRUMENTS
from kinebeat.skeleton import LAYOUTS

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from kinebeat.performance.keyboard import Keyboard
    from kinebeat.performance.keypoints import Performer
    from kinebeat.performance.notes import Notes
    from kinebeat.pose.track import PoseTrack

KEYS_FAMILY = "keys"
"""Family of the instruments that are heard by where the hands are on their keys."""
FEWEST_HANDS = 0.05
"""Share of the frames with hands below which there is nothing to hear."""
CROWDED = 0.5
"""Share of the frames with more players than one above which what is heard would be nobody's music."""
OFF_KEYS, SELDOM_ON_KEYS = 0.05, 0.4
"""Shares of the frames with hands in which they are over the keys."""
BODILESS = 0.2
UNSURE_KEYBOARD = 0.5
"""Below this confidence of a keyboard its keys may not be where they seem."""
REACH_S = 0.4
"""A note this far in time from any hand that could have played it was not seen."""
LONGEST_STEP_S = 0.3
"""Two sightings of a hand further apart than this are not one movement."""
_LAYOUT = LAYOUTS["body25_hands"]
_FINGERS = ("thumb", "index", "middle", "ring", "pinky")
_SIDES = ("left", "right")
_BODY = slice(0, 25)
_LEAST_BODY = 3  # joints without which nobody's body is there
# From a little before the keys, where a hand rests, to a little behind them, where long fingers reach.
_OVER_V = (-0.4, 1.25)
_BESIDE_U = 1.0


@dataclass(frozen=True)
class Sight:
    """What is seen of a player, as shares of the frames.

    Attributes:
        hands: with a hand or both.
        left: with the left hand.
        right: with the right hand.
        body: with a body.
        crowd: with more hands or people than one player has.
        over_keys: of those with a hand, in which one is over the keys; None where there is no keyboard.
    """

    hands: float
    left: float
    right: float
    body: float
    crowd: float
    over_keys: float | None


def look(performer: Performer, keyboard: Keyboard | None) -> Sight:
    """What is seen of a player, on this keyboard if it is one."""
    track = performer.track
    left, right = (_seen(track, side) for side in _SIDES)
    hands = left | right
    body = np.isfinite(track.xy[:, _BODY, 0]).sum(1) >= _LEAST_BODY
    over = None
    if keyboard is not None:
        over = _share(_over_keys(track, keyboard)[hands])
    return Sight(_share(hands), _share(left), _share(right), _share(body), float(performer.crowd), over)


def check_sight(source: Path, sight: Sight, keyboard: Keyboard | None, instrument: str) -> tuple[str, ...]:
    """What keeps a film from being heard well, beside what `read_performer` has said of it.

    Args:
        source: the film.
        sight: what is seen in it.
        keyboard: of an instrument with keys.
        instrument: a key of `INSTRUMENTS`.

    Returns:
        Warnings, one line each.

    Raises:
        InputError: there is no music to be seen in it.
    """
    said = []
    if sight.hands < FEWEST_HANDS:
        problem = f"hands are seen in only {sight.hands:.0%} of the frames, so there is nothing to hear"
        raise InputError(source, problem, "give a sharp film with the player's hands in the picture")
    if sight.crowd > CROWDED:
        problem = f"more players than one are in {sight.crowd:.0%} of the frames"
        raise InputError(source, problem, "crop the film so that one of them is seen")
    if INSTRUMENTS[instrument].family != KEYS_FAMILY and sight.body < BODILESS:
        said.append(
            f"a body is seen in only {sight.body:.0%} of the frames; the model of the {instrument} looks at it as well"
        )
    if keyboard is None or sight.over_keys is None:
        return tuple(said)
    if sight.over_keys < OFF_KEYS:
        problem = f"the hands are over the keys in only {sight.over_keys:.0%} of the frames"
        raise InputError(source, problem, f"give a film in which the {instrument} is played, or name what is played")
    if sight.over_keys < SELDOM_ON_KEYS:
        said.append(f"the hands are over the keys in only {sight.over_keys:.0%} of the frames in which they are seen")
    if keyboard.confidence < UNSURE_KEYBOARD:
        said.append(
            f"the keyboard is not surely found (confidence {keyboard.confidence:.2f} of 1), or the camera moves; "
            "keys may be mistaken"
        )
    if keyboard.mirrored:
        said.append("the picture is mirrored, as selfies are; keys and hands are read the right way round")
    if not keyboard.octave_known:
        said.append(
            "the picture does not tell which octave is which, so its middle is taken for the keyboard's; "
            "where all sounds an octave off, transposing it by 12 or -12 puts it right"
        )
    return tuple(said)


def unmirrored(performer: Performer) -> Performer:
    """A player of a mirrored picture with left and right as they are: in a mirror a left hand looks a right one."""
    track = performer.track
    order = np.arange(len(_LAYOUT.joints))
    for left, right in _LAYOUT.pairs:
        order[[left, right]] = right, left
    return replace(performer, track=replace(track, xy=track.xy[:, order], score=track.score[:, order]))


def played_by_hands(notes: Notes, performer: Performer, keyboard: Keyboard | None) -> NDArray[np.bool_]:
    """(N,) which notes are struck while a hand is seen, on an instrument with keys over them."""
    track = performer.track
    there = _seen(track, "left") | _seen(track, "right")
    if keyboard is not None:
        there &= _over_keys(track, keyboard)
    times_s = track.times_s[there]
    if not len(times_s):
        return np.zeros(len(notes), bool)
    after = np.searchsorted(times_s, notes.onset_s)
    beyond = np.concatenate([[-np.inf], times_s, [np.inf]])
    nearest_s = np.minimum(notes.onset_s - beyond[after], beyond[after + 1] - notes.onset_s)
    return np.asarray(nearest_s <= REACH_S)


def hand_speeds(track: PoseTrack) -> NDArray[np.float32]:
    """(T, 2) how fast the fingers of the left and the right hand move, in hand lengths a second; NaN where unseen.

    A hand's length is from its wrist to its middle knuckle. A frame has the speed since the one before.
    """
    speeds = np.full((len(track.times_s), 2), np.nan, np.float32)
    if len(track.times_s) < 2:
        return speeds
    step_s = np.diff(track.times_s)
    joined = (step_s <= LONGEST_STEP_S) & (np.diff(track.shot) == 0)
    for number, side in enumerate(_SIDES):
        wrist, knuckle = (track.xy[:, _LAYOUT.index(f"{side}_hand_{joint}")] for joint in ("wrist", "middle1"))
        lengths = np.linalg.norm(wrist - knuckle, axis=-1)
        if not np.isfinite(lengths).any():
            continue
        tips = track.xy[:, _tips(side)].astype(np.float64)
        moved = np.linalg.norm(np.diff(tips, axis=0), axis=-1) / step_s[:, None]
        both = np.isfinite(moved)
        mean = np.where(both, moved, 0).sum(1) / np.maximum(both.sum(1), 1) / max(float(np.nanmedian(lengths)), 1e-6)
        speeds[1:, number] = np.where(both.any(1) & joined, mean, np.nan)
    speeds[0] = speeds[1]
    return speeds


def _tips(side: str) -> list[int]:
    return [_LAYOUT.index(f"{side}_hand_{finger}4") for finger in _FINGERS]


def _seen(track: PoseTrack, side: str) -> NDArray[np.bool_]:
    """(T,) whether a hand is seen: a fingertip is, for the rest of a hand may be taken from the body."""
    return np.asarray(np.isfinite(track.xy[:, _tips(side), 0]).any(1))


def _over_keys(track: PoseTrack, keyboard: Keyboard) -> NDArray[np.bool_]:
    """(T,) whether a fingertip is over the keys that are in the picture."""
    uv = keyboard.key_units(track.xy[:, [*_tips("left"), *_tips("right")]].astype(np.float64))
    u, v = np.moveaxis(np.nan_to_num(uv, nan=-np.inf), -1, 0)
    within = (u >= keyboard.first - _BESIDE_U) & (u <= keyboard.last + 1 + _BESIDE_U)
    return np.asarray((within & (v >= _OVER_V[0]) & (v <= _OVER_V[1])).any(1))


def _share(frames: NDArray[np.bool_]) -> float:
    return float(frames.mean()) if len(frames) else 0.0
