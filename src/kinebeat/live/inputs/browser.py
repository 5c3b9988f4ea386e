"""A browser's camera as input: the server hands its frames in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kinebeat.live.inputs.frames import Frame

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from kinebeat.live.clock import SessionClock

OLDEST_S = 1.0
"""A frame that claims to be older is taken to be so old: its sender's clock is wrong."""


class BrowserInput:
    """Frames that come over a network; it never ends by itself."""

    name = "browser"

    def __init__(self) -> None:
        self._deliver: Callable[[Frame], None] | None = None
        self._clock: SessionClock | None = None

    def run(
        self,
        deliver: Callable[[Frame], None],
        clock: SessionClock,
        stop: threading.Event,
        notice: Callable[[str], None],  # noqa: ARG002  there is nothing to tell
    ) -> None:
        """Let frames through until the session ends."""
        self._clock, self._deliver = clock, deliver
        stop.wait()
        self._deliver = None

    def hand_in(self, jpeg: bytes, time_s: float, number: int) -> None:
        """A frame from the browser.

        Args:
            jpeg: the picture.
            time_s: when it was taken, on the session's clock as far as the browser knows it.
            number: that the browser gave it.
        """
        deliver, clock = self._deliver, self._clock
        if deliver is None or clock is None:
            return
        now_s = clock.now_s()
        deliver(Frame(min(now_s, max(now_s - OLDEST_S, time_s)), jpeg, number=number))
