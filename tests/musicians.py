"""Hand-made musicians: hands over keys that lie flat in the picture, and players who hear what they are told to."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from kinebeat.performance.keyboard import Keyboard
from kinebeat.performance.keypoints import Performer
from kinebeat.performance.notes import Notes
from kinebeat.pose.track import PoseTrack
from kinebeat.skeleton import LAYOUTS

if TYPE_CHECKING:
    import pytest

SIZE = (640, 272)
KEY_PX = 12.0
FRONT_PX, LENGTH_PX = 200.0, 70.0
LAYOUT = LAYOUTS["body25_hands"]


def flat_keyboard(**changes) -> Keyboard:
    """All 52 white keys from x = 8 on, their front edge below, 70 pixels long."""
    to_keys = np.array([[1 / KEY_PX, 0.0, -8.0 / KEY_PX], [0.0, -1 / LENGTH_PX, FRONT_PX / LENGTH_PX], [0.0, 0.0, 1.0]])
    return replace(Keyboard(to_keys, 0, 51, 0.9, True, False), **changes)


def hand_xy(u: float, v: float) -> np.ndarray:
    """(21, 2) pixels of a hand whose fingertips are around a place on the keys, the middle one at it."""
    x, y = 8.0 + u * KEY_PX, FRONT_PX - v * LENGTH_PX
    out = np.zeros((21, 2))
    out[0] = x, y + 60
    for finger in range(5):
        for joint in range(4):
            out[1 + 4 * finger + joint] = x + (finger - 2) * KEY_PX, y + 30 - 10 * joint
    return out


def pianist(duration_s: float = 4.0, fps: float = 20.0, *, v: float = 0.3, seed: int = 0, **changes) -> Performer:
    """Both hands over the keys, moving about; no body, as a camera above the keys has it."""
    rng = np.random.default_rng(seed)
    times_s = np.arange(round(duration_s * fps)) / fps
    xy = np.full((len(times_s), 67, 2), np.nan, np.float32)
    for begin, middle in ((25, 16.0), (46, 36.0)):
        for frame in range(len(times_s)):
            xy[frame, begin : begin + 21] = hand_xy(middle + np.sin(times_s[frame]), v)
        xy[:, begin : begin + 21] += rng.normal(0, 0.5, (len(times_s), 21, 2))
    return Performer(pose_of(xy, times_s), **changes)


def pose_of(xy: np.ndarray, times_s: np.ndarray) -> PoseTrack:
    score = np.isfinite(xy[..., 0]).astype(np.float32)
    return PoseTrack(xy, score, times_s, "body25_hands", np.zeros(len(times_s), np.int32), SIZE)


def unseen(performer: Performer, frames: slice | np.ndarray, joints: slice = slice(0, 67)) -> Performer:
    """The same, but some joints are not seen in some frames."""
    xy = performer.track.xy.copy()
    xy[frames, joints] = np.nan
    return replace(performer, track=pose_of(xy, performer.track.times_s))


def with_body(performer: Performer) -> Performer:
    xy = performer.track.xy.copy()
    xy[:, :25] = np.linspace(10, 200, 25)[:, None]
    return replace(performer, track=pose_of(xy, performer.track.times_s))


def scale(duration_s: float = 4.0) -> Notes:
    onset_s = np.arange(0.25, duration_s - 0.3, 0.25)
    pitches = 60 + np.resize([0, 2, 4, 5, 7, 9, 11, 12], len(onset_s))
    return Notes.of(onset_s, onset_s + 0.24, pitches, 64 + np.arange(len(onset_s)) % 50)


def install(
    patch: pytest.MonkeyPatch,
    performer: Performer | None = None,
    notes: Notes | None = None,
    keyboard: Keyboard | None = None,
) -> list[tuple]:
    """Have the pipeline see this player on this keyboard and hear these notes; what it asked for is noted down."""
    asked: list[tuple] = []
    performer = pianist() if performer is None else performer
    notes = scale() if notes is None else notes

    def read_performer(source, *, workers=None, least_step_s=0.0, progress=None):
        asked.append(("performer", source, workers))
        if progress is not None:
            progress(1.0)
        return performer

    class Player:
        def ready(self, instrument):
            pass

        def play(self, performer, keyboard, instrument, *, film=None, seed=0, progress=None):
            asked.append(("play", keyboard, instrument, seed, film))
            return notes

    def find_keyboard(path, *, progress=None):
        asked.append(("keyboard", path))
        return keyboard

    patch.setattr("kinebeat.performance.player.Player", Player)
    patch.setattr("kinebeat.performance.keypoints.read_performer", read_performer)
    patch.setattr("kinebeat.performance.keyboard.find_keyboard", find_keyboard)
    patch.setattr("kinebeat.soundfont.SYSTEM_FONTS", ())
    return asked
