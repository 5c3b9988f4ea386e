"""How many messages may come."""

from __future__ import annotations

import time


class Allowance:
    """So many a second, a second's worth at once.

    Args:
        per_s: how many.
    """

    def __init__(self, per_s: float) -> None:
        self._per_s = self._left = per_s
        self._last_s = time.monotonic()

    def one_more(self) -> bool:
        """Whether one more is allowed."""
        now_s = time.monotonic()
        self._left = min(self._per_s, self._left + (now_s - self._last_s) * self._per_s)
        self._last_s = now_s
        if self._left < 1:
            return False
        self._left -= 1
        return True
