"""Stands before the application of a page: own names, own pages, bounded bodies, no word of what went wrong inside."""

from __future__ import annotations

import asyncio
import traceback
from contextlib import suppress
from typing import TYPE_CHECKING

from kinebeat.serving.answers import PlainErrors, refuse
from kinebeat.serving.bodies import BodyRefusedError, BoundedBody, drain

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from kinebeat.serving.names import OwnNames
    from kinebeat.serving.password import Door

REFUSED, BROKEN = 4003, 1011
"""Codes with which a WebSocket is closed."""
LARGEST_BODY = 64 * 1024
PATIENCE_S = 20.0
POLICY = (
    "default-src 'self'; connect-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; "
    "object-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
SECURITY = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
READING = frozenset({"GET", "HEAD"})
FOREIGN = frozenset({"cross-site", "same-site"})
"""`Sec-Fetch-Site` of other pages; another port of this computer is of the same site."""
_CLOSE = (b"connection", b"close")


def guarded(
    app: ASGIApp,
    names: OwnNames,
    *,
    door: Door | None = None,
    largest_body: Callable[[Scope], int] | int = LARGEST_BODY,
    patience_s: float = PATIENCE_S,
    policy: str = POLICY,
    log: Callable[[str], None] | None = None,
) -> ASGIApp:
    """An application behind a guard.

    - Requests that were sent to another name get 421, WebSockets a refusal.
    - WebSockets of other pages are refused; so are requests of other pages, with 403, unless one is a link to a page.
    - A body that is larger than it may be gets 413, one that does not come 408.
    - Every answer says what the page may load, and is not kept unless the application says so.
    - Errors go out as {"problem", "remedy"}; what the application did not expect is 500, 422 is 400.

    Args:
        app: what it stands before.
        names: by which the server goes.
        door: asks for the password; None where there is none.
        largest_body: bytes, or a function that says how many for a request.
        patience_s: how long a body may be waited for beyond what 16 kB/s need.
        policy: the content security policy.
        log: gets the traceback of what the application did not expect.
    """
    inner = app if door is None else door.before(app)
    said = [(key.lower().encode(), value.encode()) for key, value in SECURITY.items()]
    said.append((b"content-security-policy", policy.encode()))

    async def guard(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await _websocket(inner, names, log, scope, receive, send)
        elif scope["type"] == "http":
            largest = largest_body(scope) if callable(largest_body) else largest_body
            await _request(inner, names, log, largest, patience_s, scope, receive, _with_headers(send, said))
        else:
            await app(scope, receive, send)

    return guard


async def _request(
    app: ASGIApp,
    names: OwnNames,
    log: Callable[[str], None] | None,
    largest: int,
    patience_s: float,
    scope: Scope,
    receive: Receive,
    send: Send,
) -> None:
    if not names.has(header(scope, b"host")):
        await refuse(send, 421)
        return
    if _is_foreign(scope, names):
        await refuse(send, 403)
        return
    length = header(scope, b"content-length")
    if length and not (length.isascii() and length.isdecimal()):
        await refuse(send, 400, headers=[_CLOSE])
        return
    if length and (len(length) > 18 or int(length) > largest):
        await _refuse_body(413, receive, send)
        return
    body = BoundedBody(receive, largest, patience_s)
    refused: list[BodyRefusedError] = []

    async def bounded() -> Message:
        try:
            return await body()
        except BodyRefusedError as error:
            refused.append(error)
            raise

    started = False

    async def unless_refused(message: Message) -> None:
        nonlocal started
        if not refused:
            started = True
            await send(message)

    try:
        await app(scope, bounded, PlainErrors(unless_refused))
    except asyncio.CancelledError:
        return  # the server ends
    except Exception as error:
        if not refused and not _went_away(error):
            if log is not None:
                log(traceback.format_exc())
            if not started:
                await refuse(send, 500)
    if refused and not started:
        await _refuse_body(refused[0].status, receive, send)


async def _websocket(
    app: ASGIApp, names: OwnNames, log: Callable[[str], None] | None, scope: Scope, receive: Receive, send: Send
) -> None:
    if not names.is_own_page(header(scope, b"origin"), header(scope, b"host")):
        await send({"type": "websocket.close", "code": REFUSED})
        return
    try:
        await app(scope, receive, send)
    except asyncio.CancelledError:
        return
    except Exception as error:
        if log is not None and not _went_away(error):
            log(traceback.format_exc())
        with suppress(Exception):  # it may be closed already
            await send({"type": "websocket.close", "code": BROKEN})


def header(scope: Scope, name: bytes) -> str:
    """A header of a request; empty where it is not there or given more than once."""
    values = [value for key, value in scope.get("headers", ()) if key == name]
    return values[0].decode("latin-1") if len(values) == 1 else ""


def _is_foreign(scope: Scope, names: OwnNames) -> bool:
    """Whether a page of somebody else asks.

    Browsers say where a request comes from in `Origin` (whatever changes something) and `Sec-Fetch-Site` (all of them);
    programs that are no browsers need not say anything.
    """
    site = header(scope, b"sec-fetch-site")
    if scope["method"] in READING:
        followed = header(scope, b"sec-fetch-mode") == "navigate" and header(scope, b"sec-fetch-dest") == "document"
        return site in FOREIGN and not followed
    if any(key == b"origin" for key, _ in scope["headers"]):
        return not names.is_own_page(header(scope, b"origin"), header(scope, b"host"))
    return site in FOREIGN


async def _refuse_body(status: int, receive: Receive, send: Send) -> None:
    """Refuse a request whose body was not taken, and end its connection."""
    await refuse(send, status, headers=[_CLOSE], more=True)
    await drain(receive)
    await send({"type": "http.response.body", "body": b""})


def _with_headers(send: Send, said: list[tuple[bytes, bytes]]) -> Send:
    """Says with each answer what the page may do; what the application says itself stays."""

    async def secured(message: Message) -> None:
        if message["type"] == "http.response.start":
            own = list(message.get("headers", ()))
            given = {key.lower() for key, _ in own}
            message = {**message, "headers": [*own, *((key, value) for key, value in said if key not in given)]}
        await send(message)

    return secured


def _went_away(error: Exception) -> bool:
    """Whether an error only says that the client has gone."""
    from starlette.requests import ClientDisconnect
    from starlette.websockets import WebSocketDisconnect

    return isinstance(error, (ClientDisconnect, WebSocketDisconnect))
