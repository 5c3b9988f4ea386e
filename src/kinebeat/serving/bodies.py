"""Bounds on what a request may bring, and on how long it may take to bring it."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import Message, Receive

SLOWEST_BYTES_PER_S = 16_000.0
"""A body that comes more slowly than this has the patience of the server, and no more."""
LINGER_S, LINGER_BYTES = 2.0, 64 * 2**20
"""How much of a refused body is still taken: a client that is cut off while it sends never reads the answer."""


class BodyRefusedError(Exception):
    """A body is too large or too slow; the guard answers, the application only cleans up.

    Args:
        status: of HTTP.
    """

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class BoundedBody:
    """Passes the parts of a body on, as long as it keeps to its bounds.

    Args:
        receive: from the client.
        largest: bytes that it may have.
        patience_s: how long in all the server waits for it, beyond what a slow connection needs.
    """

    def __init__(self, receive: Receive, largest: int, patience_s: float) -> None:
        self._receive, self._largest, self._left_s = receive, largest, patience_s
        self._bytes = 0
        self._whole = False

    async def __call__(self) -> Message:
        """The next part.

        Raises:
            BodyRefusedError: too large (413) or too slow (408).
        """
        if self._whole:  # from now on it is waited for the client to go away
            return await self._receive()
        begun_s = time.monotonic()
        try:
            async with asyncio.timeout(self._left_s):
                message = await self._receive()
        except TimeoutError:
            raise BodyRefusedError(408) from None
        if message["type"] == "http.request":
            size = len(message.get("body", b""))
            self._bytes += size
            self._left_s += size / SLOWEST_BYTES_PER_S - (time.monotonic() - begun_s)
            self._whole = not message.get("more_body", False)
            if self._bytes > self._largest:
                raise BodyRefusedError(413)
        return message


async def drain(receive: Receive) -> None:
    """Take some more of a body that was refused, so that the client comes to read why."""
    taken = 0
    try:
        async with asyncio.timeout(LINGER_S):
            while taken < LINGER_BYTES:
                message = await receive()
                taken += len(message.get("body", b""))
                if message["type"] != "http.request" or not message.get("more_body", False):
                    return
    except TimeoutError:
        return
