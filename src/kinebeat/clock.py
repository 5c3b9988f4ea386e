"""Times the stages of the work and passes their progress on."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Progress = Callable[[str, float], None]


class Clock:
    """Times the stages and passes their progress on.

    Attributes:
        seconds: time spent by stage so far; a stage that runs again adds to it.
    """

    def __init__(self, progress: Progress | None, seconds: dict[str, float]) -> None:
        self._progress = progress
        self.seconds = seconds

    @contextmanager
    def stage(self, name: str) -> Iterator[Callable[[float], None]]:
        """Run one stage; yields what reports the share of it that is done."""

        def report(share: float) -> None:
            if self._progress is not None:
                self._progress(name, min(1.0, share))

        report(0.0)
        start = time.perf_counter()
        try:
            yield report
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start
        report(1.0)
