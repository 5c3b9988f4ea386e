"""The server itself: uvicorn, with bounds on connections and on those who never say what they want."""

from __future__ import annotations

from typing import TYPE_CHECKING

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    import asyncio

    from starlette.types import ASGIApp

MOST_CONNECTIONS = 200
HEAD_S = 10.0
"""How long the head of a request may take, from when the connection is there."""


def server_of(app: ASGIApp, *, largest_message: int, lifespan: bool = False) -> uvicorn.Server:
    """A server that serves an application, on sockets that are given to its `serve`.

    Args:
        app: a guarded application.
        largest_message: bytes of a message that a WebSocket may bring.
        lifespan: whether the application is told of its beginning and end.
    """
    config = uvicorn.Config(
        app,
        http=PatientProtocol,
        ws="websockets-sansio",
        ws_max_size=largest_message,
        ws_per_message_deflate=False,
        lifespan="on" if lifespan else "off",
        log_config=None,
        log_level="critical",
        access_log=False,
        proxy_headers=False,  # whoever says to be someone else is not believed
        server_header=False,
        timeout_graceful_shutdown=1,
    )
    return uvicorn.Server(config)


class PatientProtocol(H11Protocol):
    """One connection; it is ended if the head of a request does not come in time, or if there are too many."""

    _head_due: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has come."""
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:
            transport.abort()
        else:
            self._head_due = self.loop.call_later(HEAD_S, transport.abort)

    def data_received(self, data: bytes) -> None:
        """Something has come; a new head, if it is one, has its time from now on."""
        super().data_received(data)
        upgraded = self.transport.get_protocol() is not self
        if upgraded or self.conn.their_state is not h11.IDLE:
            self._stop_waiting()
        elif self._head_due is None:
            self._head_due = self.loop.call_later(HEAD_S, self.transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _stop_waiting(self) -> None:
        if self._head_due is not None:
            self._head_due.cancel()
            self._head_due = None
