"""The clock of a live session, and what is measured with it."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass

import numpy as np

KEPT = 20_000
"""Measurements that are remembered: those of the last quarter of an hour or so."""


class SessionClock:
    """Seconds since a session began; never set back, whatever becomes of the computer's time of day."""

    def __init__(self) -> None:
        self._origin_s = time.perf_counter()

    def now_s(self) -> float:
        """Seconds since the session began."""
        return time.perf_counter() - self._origin_s


@dataclass(frozen=True)
class Spread:
    """How a measurement is spread, in milliseconds; all 0 where nothing was measured.

    Attributes:
        count: of measurements since the beginning.
        p50_ms: median.
        p95_ms: 95th percentile.
        p99_ms: 99th percentile.
    """

    count: int
    p50_ms: float
    p95_ms: float
    p99_ms: float


class Measured:
    """The last `KEPT` values of one measurement; may be added to in one thread and looked at in another."""

    def __init__(self) -> None:
        self._values_s: deque[float] = deque(maxlen=KEPT)
        self._count = 0
        self._lock = threading.Lock()

    def add(self, seconds: float) -> None:
        """One more."""
        with self._lock:
            self._values_s.append(seconds)
            self._count += 1

    def values_s(self) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        """(N,) float64 what is remembered, the newest last."""
        with self._lock:
            return np.array(self._values_s, np.float64)

    def spread(self) -> Spread:
        """How it is spread."""
        values_s = self.values_s()
        if not len(values_s):
            return Spread(0, 0.0, 0.0, 0.0)
        p50, p95, p99 = (float(1000 * value) for value in np.percentile(values_s, (50, 95, 99)))
        return Spread(self._count, p50, p95, p99)
