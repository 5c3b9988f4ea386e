"""Live sessions that are listened to: how long frames take to become events, and how exactly those are handed over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from kinebeat import video_in
from kinebeat.errors import InputError
from kinebeat.live.clock import SessionClock
from kinebeat.live.engine import LiveEngine
from kinebeat.live.events import Change
from kinebeat.live.inputs.recorded import VideoInput
from kinebeat.live.outputs.output import Output, Seen
from kinebeat.live.session import Session
from kinebeat.live.settings import LiveSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from kinebeat.live.clock import Spread
    from kinebeat.live.events import Event
    from kinebeat.live.inputs.frames import Input, Picture
    from kinebeat.live.keypoints import Keypoints
    from kinebeat.live.session import Engine, Report

    Row = dict[str, Any]

FRAMES, HANDOVER = "frame in, events out", "handover"
POSE = "of it: pose"


class Finder(Protocol):
    """What is needed of `kinebeat.live.inputs.pose.PoseFinder`."""

    def warm_up(self) -> None:
        """Wait until it answers."""

    def find(self, picture: Picture) -> Keypoints | None:
        """Look for the person."""

    def close(self) -> None:
        """End it."""


def spread(values_s: Sequence[float]) -> Row:
    """How often something was measured, and its percentiles in milliseconds; only the count where it was never."""
    if not len(values_s):
        return {"count": 0}
    p50, p95, p99, most = (1000 * float(value) for value in np.percentile(values_s, (50, 95, 99, 100)))
    return {"count": len(values_s), "p50_ms": p50, "p95_ms": p95, "p99_ms": p99, "max_ms": most}


class Listener(Output):
    """An output that makes no sound and notes when it is told of what.

    Attributes:
        delay_s: from when each frame was taken until its events were given.
        delay_with_events_s: of the frames that gave events.
        found: frames in which somebody was seen.
        error_s: from when each event was due, or told of if that was later, until it was handed over.
        past_due_s: of each beat and hit, from when it was due until it was handed over.
        events: that were told of ...
        late: ... and how many of these were past due then.
    """

    name = "listener"

    def __init__(self, clock: SessionClock, seconds: float, progress: Callable[[float], None] = lambda _: None) -> None:
        self.delay_s: list[float] = []
        self.delay_with_events_s: list[float] = []
        self.error_s: list[float] = []
        self.past_due_s: list[float] = []
        self.found = self.events = self.late = 0
        self.enough: Callable[[], None] = lambda: None
        self._clock, self._seconds, self._progress = clock, seconds, progress
        self._told_s: dict[Event, float] = {}
        self._first_s: float | None = None
        self._any = False

    def announce(self, item: Event | Seen) -> None:
        """Word of an event, or of a frame, which comes after its events."""
        if not isinstance(item, Seen):
            self._told_s[item] = now_s = self._clock.now_s()
            self.events, self._any = self.events + 1, True
            self.late += item.time_s < now_s
            return
        if not item.idle:
            self.delay_s.append(item.delay_s)
            if self._any:
                self.delay_with_events_s.append(item.delay_s)
            self.found += item.keypoints is not None
        self._any = False
        self._first_s = item.time_s if self._first_s is None else self._first_s
        self._progress(min(1.0, (item.time_s - self._first_s) / self._seconds))
        if item.time_s - self._first_s >= self._seconds:
            self.enough()

    def play(self, event: Event) -> None:
        """An event is handed over."""
        now_s = self._clock.now_s()
        self.error_s.append(now_s - max(event.time_s, self._told_s.pop(event, event.time_s)))
        if not isinstance(event, Change):  # which is due when it is found out, and so always late
            self.past_due_s.append(now_s - event.time_s)


def play(
    source: Input,
    seconds: float,
    seed: int = 0,
    *,
    find: Callable[[Picture], Keypoints | None] | None = None,
    engine_of: Callable[[LiveSettings], Engine] = LiveEngine,
    clock: SessionClock | None = None,
    progress: Callable[[float], None] = lambda _: None,
) -> tuple[Listener, Report]:
    """A live session in real time, as `kinebeat live` plays it, that is listened to.

    Args:
        source: where frames come from, each at its time.
        seconds: of it that are played, from the first frame on.
        seed: of what the drummer chooses.
        find: looks for the person in a picture.
        engine_of: makes the engine.
        clock: of the session.
        progress: called with the share done.

    Raises:
        KinebeatError: the input or the pose cannot be used.
    """
    clock = clock or SessionClock()
    listener = Listener(clock, seconds, progress)
    session = Session(source, engine_of, LiveSettings(seed=seed), outputs=[listener], find=find, clock=clock)
    listener.enough = session.stop
    session.run()
    return listener, session.report()


def frame_rows(
    video: Path,
    seconds: float,
    seed: int = 0,
    *,
    engine_of: Callable[[LiveSettings], Engine] = LiveEngine,
    finder: Callable[[], Finder],
    progress: Callable[[str, float], None] = lambda _stage, _share: None,
) -> list[Row]:
    """From a frame to its events, with the pose process, and how the same session handed them over.

    Raises:
        InputError: the video cannot be used, or nobody is found in it.
    """
    source, info = VideoInput(video), video_in.probe(video)
    looking = finder()
    try:
        looking.warm_up()
        heard, report = play(
            source,
            seconds,
            seed,
            find=looking.find,
            engine_of=engine_of,
            progress=lambda share: progress("frame to event", share),
        )
    finally:
        looking.close()
    if not heard.found:
        raise InputError(video, "nobody is found in its pictures", "name a video of one person who moves")
    facts: Row = {
        "frames": report.frames,
        "frames_lost": report.replaced + report.passed_over,
        "share_found": heard.found / len(heard.delay_s),
        "fps": info.fps,
        "size": f"{info.width} x {info.height}",
        "pace": "real time",
    }
    rows = [
        {"name": "every frame that was looked at"} | spread(heard.delay_s) | facts,
        {"name": "frames that gave events"} | spread(heard.delay_with_events_s),
        {"name": POSE} | _ours(report.pose),
        {"name": "of it: engine"} | _ours(report.step),
    ]
    return [*({"part": FRAMES} | row for row in rows), *handover_rows("the same video, with pose", heard, report)]


def handover_rows(name: str, heard: Listener, report: Report) -> list[Row]:
    """How exactly events were handed over.

    An event can be told of when it is due already: a beat that begins at once, or one that comes of a frame that took
    long. What the session makes of that is the first row; what is heard is the second.
    """
    dropped = sum(handover.dropped for handover in report.handovers)
    facts = {"events": heard.events, "told_past_due": heard.late, "dropped": dropped}
    of = {"part": HANDOVER, "name": name}
    return [
        of | {"from": "due, or told of if later"} | spread(heard.error_s) | facts,
        of | {"from": "due, beats and hits"} | spread(heard.past_due_s),
    ]


def _ours(measured: Spread) -> Row:
    """A session's measurement as a row."""
    return {
        "count": measured.count,
        "p50_ms": measured.p50_ms,
        "p95_ms": measured.p95_ms,
        "p99_ms": measured.p99_ms,
    }
