"""What an output is, and the thread that hands events over to it when they are due."""

from __future__ import annotations

import heapq
import itertools
import os
import threading
import time
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from kinebeat.live.clock import Measured
from kinebeat.live.events import Hit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kinebeat.live.clock import SessionClock
    from kinebeat.live.events import Event
    from kinebeat.live.keypoints import Keypoints

_T = TypeVar("_T")

STALE_S, LATEST_S = 0.25, 0.5
"""A hit is left out that an output's own slowness holds up for the one, or that is past due by the other."""
AGAIN_S = 2.0
"""How long an output that has failed is left alone before it is tried again."""
NAP_S, NEAR_S = 0.002, 0.025
"""Waiting for a lock is coarse on some systems, sleeping is not: the last moments before an event are slept through."""
MOST_WAITING = 5000
"""Announcements that a slow output may leave lying; the oldest go first."""
DRAIN_S = 1.0
"""How long an output may take to end."""


@dataclass(frozen=True)
class Seen:
    """What was seen in one frame.

    Attributes:
        time_s: of the frame, on the session's clock.
        keypoints: None for nobody.
        number: of the frame, as its sender counts.
        delay_s: from the frame's time until the engine was through with it.
        idle: whether there was no frame at all.
    """

    time_s: float
    keypoints: Keypoints | None
    number: int
    delay_s: float
    idle: bool = False


class Output:
    """Something that takes events. All is called in one thread of its own; what is not needed is not overridden.

    Attributes:
        name: for the user.
        latency_s: how long before it is due an event must be handed over to be heard in time.
    """

    name: str = "output"
    latency_s: float = 0.0

    def announce(self, item: Event | Seen) -> None:
        """Take word of something as soon as it is known; its time may be in the future."""

    def play(self, event: Event) -> None:
        """Take an event when it is due."""

    def wake_s(self) -> float | None:
        """When `tick` wants to be called next, on the session's clock; None for never."""
        return None

    def tick(self, now_s: float) -> None:
        """It is time for what `wake_s` asked for."""

    def reopen(self) -> None:
        """Try to work again after a failure."""

    def close(self) -> None:
        """Fall silent and let go of everything."""


class Runner:
    """The thread of one output: a slow or failing one stops neither the others nor the music.

    Args:
        output: which.
        clock: of the session.
        notice: takes a sentence for the user.

    Attributes:
        errors: seconds from when an event was due, or given if that was later, until it was handed over.
        late: seconds by which events were past due when they were given.
        dropped: hits left out because they were stale or the output had failed.
    """

    def __init__(self, output: Output, clock: SessionClock, notice: Callable[[str], None]) -> None:
        self.output = output
        self.errors, self.late = Measured(), Measured()
        self.dropped = 0
        self._clock, self._notice = clock, notice
        self._inbox: deque[Event | Seen] = deque(maxlen=MOST_WAITING)
        self._heap: list[tuple[float, int, float, Event]] = []
        self._order = itertools.count()
        self._changed = threading.Condition()
        self._end_s: float | None = None
        self._silent_until_s = 0.0
        self._failed = False
        self._thread = threading.Thread(target=self._run, name=f"output {output.name}", daemon=True)
        self._thread.start()

    def give(self, item: Event | Seen) -> None:
        """Pass something on; never waits."""
        with self._changed:
            self._inbox.append(item)
            self._changed.notify()

    def end(self, within_s: float) -> None:
        """Hand over what is due within some seconds, then close the output; does not wait for that."""
        with self._changed:
            self._end_s = self._clock.now_s() + within_s
            self._changed.notify()

    def join(self) -> None:
        """Wait until the output is closed, after `end`; one that does not answer is left behind."""
        end_s = self._end_s if self._end_s is not None else self._clock.now_s()
        self._thread.join(max(0.0, end_s - self._clock.now_s()) + DRAIN_S)
        if self._thread.is_alive():
            self._notice(f"{self.output.name}: does not answer any more and is left behind")

    def _run(self) -> None:
        while self._wait():
            while self._inbox:
                self._take(self._inbox.popleft())
            now_s = self._clock.now_s()
            while self._heap and self._heap[0][0] <= now_s:
                self._hand_over(*heapq.heappop(self._heap))
                now_s = self._clock.now_s()
            wake_s = self._guarded(self.output.wake_s)
            if wake_s is not None and wake_s <= now_s:
                self._guarded(partial(self.output.tick, now_s))
        self._guarded(self.output.close)

    def _wait(self) -> bool:
        """Until there is something to do; False when it is over."""
        while True:
            wake_s = self._guarded(self.output.wake_s)
            with self._changed:
                now_s = self._clock.now_s()
                if self._inbox:
                    return True
                ahead = [when for when in (wake_s, self._heap[0][0] if self._heap else None) if when is not None]
                if self._end_s is not None and (not self._heap or now_s >= self._end_s):
                    return False
                wait_s = min(ahead) - now_s if ahead else None
                if self._end_s is not None and wait_s is not None:
                    wait_s = min(wait_s, max(0.0, self._end_s - now_s))
                if wait_s is None or wait_s > NEAR_S:
                    self._changed.wait(None if wait_s is None else wait_s - NEAR_S + NAP_S)
                    continue
            if wait_s <= 0:
                return True
            time.sleep(min(wait_s, NAP_S))

    def _take(self, item: Event | Seen) -> None:
        self._guarded(lambda: self.output.announce(item))
        if isinstance(item, Seen):
            return
        now_s = self._clock.now_s()
        due_s = item.time_s - self.output.latency_s
        if due_s < now_s:
            self.late.add(now_s - due_s)
        heapq.heappush(self._heap, (due_s, next(self._order), now_s, item))

    def _hand_over(self, due_s: float, _order: int, given_s: float, event: Event) -> None:
        now_s = self._clock.now_s()
        error_s = now_s - max(due_s, given_s)
        self.errors.add(error_s)
        if isinstance(event, Hit) and (error_s > STALE_S or now_s - due_s > LATEST_S or now_s < self._silent_until_s):
            self.dropped += 1
            return
        self._guarded(lambda: self.output.play(event))

    def _guarded(self, call: Callable[[], _T]) -> _T | None:
        """What a call to the output gives; None where it fails, or has failed a moment ago."""
        try:
            if self._failed:
                if self._clock.now_s() < self._silent_until_s:
                    return None
                self.output.reopen()
                self._failed, self._silent_until_s = False, 0.0
                self._notice(f"{self.output.name}: works again")
            return call()
        except Exception as error:  # whatever it is, the music goes on
            if not self._silent_until_s:
                self._notice(
                    f"{self.output.name}: {error or type(error).__name__}; it is tried again every now and then"
                )
            self._failed = True
            self._silent_until_s = self._clock.now_s() + AGAIN_S
            return None


@contextmanager
def quietly() -> Iterator[None]:
    """Keep what a library's C code writes from the error stream: it is told by ourselves, in one line."""
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
