"""A live session: frames from an input, looked at, given to the engine, whose events go to the outputs.

Threads: the input delivers frames; one looks for the person in the newest; the session's own (`Session.run`) steps the
engine; each output has one that hands events over when they are due. The engine's time 0 is the first frame.
"""

from __future__ import annotations

import queue
import sys
import threading
from collections import deque
from dataclasses import dataclass, replace
from statistics import median
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from kinebeat.live.clock import Measured, SessionClock, Spread
from kinebeat.live.events import Change, Event
from kinebeat.live.inputs.frames import Frame, Mailbox
from kinebeat.live.outputs.output import Output, Runner, Seen
from kinebeat.live.recording import Step, Take

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kinebeat.live.inputs.frames import Input, Picture
    from kinebeat.live.keypoints import Keypoints
    from kinebeat.live.settings import LiveSettings

IDLE_S, LONGEST_IDLE_S = 0.1, 0.5
"""Where no frame comes for so long the engine is told that nobody is seen; for a slow camera after `IDLE_FRAMES`."""
IDLE_FRAMES = 2.5
REST_S = 3.0
"""Where the music has ended and no frame has come for so long, the engine rests until one comes."""
SWITCH_S = 0.0005
"""How soon Python's threads take turns: its usual 5 ms would make drums late."""
LAST_EVENTS_S = 0.3
"""When a session is stopped, what is due this soon is still handed over; when its input ends, all is."""
LONGEST_END_S = 4.0


class Engine(Protocol):
    """What a session needs of `kinebeat.live.engine.LiveEngine`."""

    def begin(self) -> Any:
        """State before anything was seen."""
        ...

    def step(self, keypoints: Keypoints | None, time_s: float, state: Any) -> tuple[tuple[Event, ...], Any]:
        """Events after one more frame, and the state."""
        ...


@dataclass(frozen=True)
class Handover:
    """How one output was served.

    Attributes:
        name: of the output.
        error: from when an event was due, or given if that was later, until it was handed over.
        late: by how much events were past due when they were given, of those that were.
        dropped: hits that were left out.
    """

    name: str
    error: Spread
    late: Spread
    dropped: int


@dataclass(frozen=True)
class Report:
    """How a session went.

    Attributes:
        frames: that came.
        replaced: of these, those that a newer one took the place of before they were looked at.
        passed_over: of these, those that came after a later one.
        steps: of the engine.
        pose: time that looking for the person took, a frame.
        step: time that the engine took, a step.
        delay: from when a frame was taken until its events were given to the outputs.
        handovers: of each output.
    """

    frames: int
    replaced: int
    passed_over: int
    steps: int
    pose: Spread
    step: Spread
    delay: Spread
    handovers: tuple[Handover, ...]


class Session:
    """Lets an engine play to an input.

    Args:
        source: where frames come from.
        engine_of: makes an engine with given settings.
        settings: with which it begins.
        outputs: what the events go to.
        find: looks for the person in a picture; not needed where the input gives keypoints.
        clock: of the session.
        keep: whether the take is kept in memory, to be written at the end.
        notice: takes a sentence for the user; called from any thread.
    """

    def __init__(
        self,
        source: Input,
        engine_of: Callable[[LiveSettings], Engine],
        settings: LiveSettings,
        *,
        outputs: Sequence[Output] = (),
        find: Callable[[Picture], Keypoints | None] | None = None,
        clock: SessionClock | None = None,
        keep: bool = False,
        notice: Callable[[str], None] = lambda _text: None,
    ) -> None:
        self.clock = clock or SessionClock()
        self.take = Take()
        self._source, self._engine_of, self._settings = source, engine_of, settings
        self._find, self._keep, self._notice = find, keep, notice
        self._wanted: LiveSettings | None = settings
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._failure: BaseException | None = None
        self._frames = Mailbox()
        self._seen: queue.SimpleQueue[Frame] = queue.SimpleQueue()
        self._looking = True
        self._came = self._passed_over = self._steps = 0
        self._pose, self._step, self._delay = Measured(), Measured(), Measured()
        self._runners = [Runner(output, self.clock, notice) for output in outputs]
        self._origin_s: float | None = None
        self._last_s = -np.inf  # time of the last step, from the first frame
        self._arrived_s = 0.0
        self._gaps_s: deque[float] = deque(maxlen=15)
        self._delays_s: deque[float] = deque(maxlen=15)
        self._mood = "waiting"
        self._end_s = 0.0  # when the last event is due

    @property
    def settings(self) -> LiveSettings:
        """That hold, or will from the next step on."""
        with self._lock:
            return self._wanted or self._settings

    def change(self, settings: LiveSettings) -> None:
        """Let the engine begin anew with other settings; from any thread."""
        with self._lock:
            self._wanted = settings

    def stop(self) -> None:
        """End the session soon; from any thread, or a signal's handler."""
        self._stop.set()

    def run(self) -> None:
        """Play until the input ends or `stop` is called.

        Raises:
            KinebeatError: the input or the pose cannot be used.
        """
        switch_s = sys.getswitchinterval()
        threads = [threading.Thread(target=work, daemon=True) for work in (self._receive, self._look)]
        try:
            engine = self._engine_of(self.settings)
            sys.setswitchinterval(SWITCH_S)
            for thread in threads:
                thread.start()
            self._play(engine)
        except BaseException as error:
            self._failure = self._failure or error
        finally:
            ended = not self._stop.is_set()
            self._stop.set()
            self._frames.close()
            within_s = LAST_EVENTS_S
            if ended and self._failure is None:
                within_s = min(LONGEST_END_S, max(0.0, self._end_s - self.clock.now_s()) + LAST_EVENTS_S)
            for runner in self._runners:
                runner.end(within_s)
            for runner in self._runners:
                runner.join()
            if threads[0].ident is not None:
                threads[0].join(1.0)
            sys.setswitchinterval(switch_s)
        if self._failure is not None:
            raise self._failure

    def report(self) -> Report:
        """How it went so far."""
        return Report(
            self._came,
            self._frames.replaced,
            self._passed_over,
            self._steps,
            self._pose.spread(),
            self._step.spread(),
            self._delay.spread(),
            tuple(
                Handover(runner.output.name, runner.errors.spread(), runner.late.spread(), runner.dropped)
                for runner in self._runners
            ),
        )

    def _receive(self) -> None:
        """Thread: the input."""
        try:
            self._source.run(self._deliver, self.clock, self._stop, self._notice)
        except BaseException as error:
            self._failure = self._failure or error
        finally:
            self._frames.close()

    def _deliver(self, frame: Frame) -> None:
        self._came += 1
        self._frames.put(frame)

    def _look(self) -> None:
        """Thread: look for the person in the newest frame."""
        try:
            while not self._frames.closed and not self._stop.is_set():
                frame = self._frames.take(LONGEST_IDLE_S)
                if frame is None:
                    continue
                if frame.picture is not None and self._find is not None:
                    begin_s = self.clock.now_s()
                    found = self._find(frame.picture)
                    self._pose.add(self.clock.now_s() - begin_s)
                    frame = replace(frame, picture=None, keypoints=found)
                self._seen.put(frame)
        except BaseException as error:
            self._failure = self._failure or error
        finally:
            self._looking = False

    def _play(self, engine: Engine) -> None:
        """Step the engine for each frame that was looked at, and where none comes."""
        of, state = self._changed_settings(), engine.begin()
        while not self._stop.is_set():
            looking = self._looking
            try:
                frame = self._seen.get(timeout=self._patience_s())
            except queue.Empty:
                frame = None
                if not looking:
                    return
            changed = self._changed_settings()
            if changed is not None:
                if changed != of:
                    engine, of = self._engine_of(changed), changed
                state = engine.begin()
            step = self._next_step(frame)
            if step is None:
                continue
            keypoints, time_s = step
            begin_s = self.clock.now_s()
            events, state = engine.step(keypoints, time_s, state)
            self._step.add(self.clock.now_s() - begin_s)
            self._last_s = time_s
            self._steps += 1
            if self._keep:
                self.take.steps.append(Step(keypoints, time_s, tuple(events)))
            self._hand_on(frame, keypoints, time_s, events)

    def _changed_settings(self) -> LiveSettings | None:
        with self._lock:
            changed, self._wanted = self._wanted, None
            if changed is None:
                return None
            self._settings = changed
        if self._steps and self._mood != "waiting":
            self._give(Change(self.clock.now_s(), "waiting", "the settings were changed"))
        self._mood = "waiting"
        if self.take.settings and self.take.settings[-1][0] == len(self.take.steps):
            self.take.settings.pop()
        self.take.settings.append((len(self.take.steps), changed))
        return changed

    def _next_step(self, frame: Frame | None) -> tuple[Keypoints | None, float] | None:
        """What goes into the engine, and its time from the first frame on; None where there is nothing to do."""
        now_s = self.clock.now_s()
        if frame is not None:
            if self._origin_s is None:
                self._origin_s = frame.time_s
            elif now_s - self._arrived_s < LONGEST_IDLE_S:
                self._gaps_s.append(now_s - self._arrived_s)
            self._arrived_s = now_s
            self._delays_s.append(now_s - frame.time_s)
            time_s = frame.time_s - self._origin_s
            if time_s <= self._last_s:
                self._passed_over += 1
                return None
            return frame.keypoints, time_s
        resting = self._mood == "waiting" and now_s - self._arrived_s > REST_S
        if self._origin_s is None or resting:
            return None
        # A frame that is still on its way must not come too late because of this step.
        time_s = now_s - median(self._delays_s) - self._origin_s
        return (None, time_s) if time_s > self._last_s else None

    def _hand_on(
        self, frame: Frame | None, keypoints: Keypoints | None, time_s: float, events: Sequence[Event]
    ) -> None:
        """Give the outputs what was seen and what came of it, on the session's clock."""
        origin_s = self._origin_s or 0.0
        for event in events:
            if isinstance(event, Change):
                self._mood = event.mood
            due_s = event.time_s + origin_s
            self._end_s = max(self._end_s, due_s)
            self._give(replace(event, time_s=due_s))
        delay_s = self.clock.now_s() - (time_s + origin_s)
        if frame is not None:
            self._delay.add(delay_s)
        number = 0 if frame is None else frame.number
        self._give(Seen(time_s + origin_s, keypoints, number, delay_s, idle=frame is None))

    def _give(self, item: Event | Seen) -> None:
        for runner in self._runners:
            runner.give(item)

    def _patience_s(self) -> float:
        """How long a frame is waited for before the engine is told that none came."""
        if not self._gaps_s:
            return IDLE_S
        return min(LONGEST_IDLE_S, max(IDLE_S, IDLE_FRAMES * median(self._gaps_s)))
