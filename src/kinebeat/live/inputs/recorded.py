"""Videos and keypoint files as inputs: played in real time, at the times that they hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kinebeat import video_in
from kinebeat.live.inputs.frames import Frame
from kinebeat.live.keypoints import LAYOUT, from_layout
from kinebeat.pose import load_pose

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable
    from pathlib import Path

    from kinebeat.live.clock import SessionClock

PICTURE_SIDE = 1280
"""Longer side of the pictures that are looked at; MediaPipe itself looks at the body in 256 pixels."""


class VideoInput:
    """A video file, each frame at its own time.

    Raises:
        InputError: the video cannot be used.
    """

    def __init__(self, path: Path) -> None:
        video_in.probe(path)
        self.name = path.name
        self.path = path

    def run(
        self,
        deliver: Callable[[Frame], None],
        clock: SessionClock,
        stop: threading.Event,
        notice: Callable[[str], None],
    ) -> None:
        """Deliver the pictures; a machine too slow to decode them in time is told of once."""
        count = video_in.DecodeCount()
        begin_s: float | None = None
        told = False
        for time_s, picture in video_in.frames(self.path, max_side=PICTURE_SIDE, count=count):
            if begin_s is None:
                begin_s = clock.now_s() - time_s
            due_s = begin_s + time_s
            if stop.wait(max(0.0, due_s - clock.now_s())):
                return
            if clock.now_s() - due_s > 0.5 and not told:
                told = True
                notice(f"{self.name}: this machine is too slow to decode it in real time; frames come late")
            deliver(Frame(due_s, picture, number=count.frames))
        if count.errors:
            notice(f"{self.name}: {count.errors} damaged parts were stepped over")


class KeypointsInput:
    """A keypoint file (`.npz`), each frame at its own time.

    Raises:
        InputError: the file cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self.name = path.name
        self._track = load_pose(path)

    def run(
        self,
        deliver: Callable[[Frame], None],
        clock: SessionClock,
        stop: threading.Event,
        notice: Callable[[str], None],  # noqa: ARG002  there is nothing to tell
    ) -> None:
        """Deliver the keypoints."""
        track = self._track
        begin_s = clock.now_s() - float(track.times_s[0])
        for i, time_s in enumerate(track.times_s):
            due_s = begin_s + float(time_s)
            if stop.wait(max(0.0, due_s - clock.now_s())):
                return
            keypoints = from_layout(track.xy[i], track.score[i], LAYOUT, track.size)
            deliver(Frame(due_s, keypoints=keypoints, number=i + 1))
