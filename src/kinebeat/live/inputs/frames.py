"""Frames on their way from an input to the engine: the newest wins."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from kinebeat.live.clock import SessionClock
    from kinebeat.live.keypoints import Keypoints

    Picture = NDArray[np.uint8] | bytes
    """(H, W, 3) uint8 RGB, or the bytes of a JPEG."""


@dataclass(frozen=True)
class Frame:
    """One frame.

    Attributes:
        time_s: when it was taken, on the session's clock.
        picture: in which a person is to be looked for; None where the keypoints are known.
        keypoints: where there is no picture; None for nobody.
        number: that its sender gave it.
    """

    time_s: float
    picture: Picture | None = None
    keypoints: Keypoints | None = None
    number: int = 0


class Mailbox:
    """Holds one frame: a newer one takes the place of one that was not fetched yet, so that no queue is ever built."""

    def __init__(self) -> None:
        self._frame: Frame | None = None
        self._changed = threading.Condition()
        self._closed = False
        self.replaced = 0

    def put(self, frame: Frame) -> None:
        """Lay a frame in; one that still lies there is lost."""
        with self._changed:
            if self._frame is not None:
                self.replaced += 1
            self._frame = frame
            self._changed.notify()

    def take(self, wait_s: float) -> Frame | None:
        """The frame, as soon as there is one; None after so many seconds, or when the box is closed and empty."""
        with self._changed:
            if self._frame is None and not self._closed:
                self._changed.wait_for(lambda: self._frame is not None or self._closed, max(0.0, wait_s))
            frame, self._frame = self._frame, None
            return frame

    def close(self) -> None:
        """No more frames will come."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    @property
    def closed(self) -> bool:
        """Whether no more frames will come and none is left."""
        with self._changed:
            return self._closed and self._frame is None


class Input(Protocol):
    """A source of frames. `run` is called once, in a thread of its own."""

    name: str

    def run(
        self,
        deliver: Callable[[Frame], None],
        clock: SessionClock,
        stop: threading.Event,
        notice: Callable[[str], None],
    ) -> None:
        """Deliver frames until the source ends or `stop` is set.

        Args:
            deliver: takes a frame; never waits.
            clock: of the session, on which the frames have their times.
            stop: set when the session ends.
            notice: takes a sentence for the user.

        Raises:
            KinebeatError: the source cannot be used.
        """
        ...
