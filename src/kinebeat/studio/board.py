"""Who wants to know of the jobs, and how they are told."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    Message = dict[str, Any]

MOST_WAITING = 500
"""Messages that a slow listener may leave lying; then it is let go and has to come again."""
MOST_LISTENERS = 50


class TooManyError(Exception):
    """There are as many listeners as there may be."""


class Board:
    """Passes messages to all listeners; a listener that does not listen is let go."""

    def __init__(self) -> None:
        self._listeners: set[asyncio.Queue[Message | None]] = set()

    @contextmanager
    def listening(self) -> Iterator[asyncio.Queue[Message | None]]:
        """Be a listener for a while; None means that one has been let go.

        Raises:
            TooManyError: there are too many.
        """
        if len(self._listeners) >= MOST_LISTENERS:
            raise TooManyError
        waiting: asyncio.Queue[Message | None] = asyncio.Queue(MOST_WAITING + 1)
        self._listeners.add(waiting)
        try:
            yield waiting
        finally:
            self._listeners.discard(waiting)

    def tell(self, message: Message) -> None:
        """Tell everybody."""
        for waiting in list(self._listeners):
            if waiting.qsize() < MOST_WAITING:
                waiting.put_nowait(message)
            else:
                self._listeners.discard(waiting)
                waiting.put_nowait(None)

    def close(self) -> None:
        """Let everybody go."""
        for waiting in list(self._listeners):
            if not waiting.full():
                waiting.put_nowait(None)
        self._listeners.clear()
