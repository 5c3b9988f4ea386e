"""Errors as they go out: JSON with `problem` and `remedy`, whatever the application said."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.types import Message, Send

SENTENCES = {
    400: ("the request cannot be understood", "reload the page and try again"),
    401: ("this needs the password", "log in first"),
    403: ("the request comes from another page", "open this one by its own address"),
    404: ("there is nothing here", "go back to the page"),
    405: ("this cannot be done here", "reload the page and try again"),
    408: ("what was sent came too slowly", "try again with a better connection"),
    409: ("this cannot be done now", "wait, or reload the page"),
    410: ("this is gone", "reload the page"),
    413: ("what was sent is too large", "send something smaller"),
    416: ("the file has no such part", "reload the page"),
    421: ("this server goes by other names", "open it by the address that it said when it started"),
    429: ("too much at a time", "wait a minute and try again"),
    500: ("something went wrong inside Kinebeat", "try again; if it happens again, start Kinebeat again"),
    503: ("busy", "try again in a moment"),
    507: ("the disk is full", "free some space and try again"),
}
LARGEST_ERROR = 64 * 1024
"""Bytes of an error's body that are looked at; a longer one is replaced."""
_OF_BODY = (b"content-type", b"content-length")


async def refuse(
    send: Send,
    status: int,
    problem: str | None = None,
    remedy: str | None = None,
    headers: Iterable[tuple[bytes, bytes]] = (),
    *,
    more: bool = False,
) -> None:
    """Answer a request with an error.

    Args:
        send: to the client.
        status: of HTTP.
        problem: what is wrong; None for the usual sentence.
        remedy: what to do; None for the usual sentence.
        headers: more headers.
        more: leave the answer open; an empty part must end it.
    """
    body = error_body(status, problem, remedy)
    own = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), *headers]
    await send({"type": "http.response.start", "status": status, "headers": own})
    await send({"type": "http.response.body", "body": body, "more_body": more})


def error_body(status: int, problem: str | None = None, remedy: str | None = None) -> bytes:
    """The JSON of an error."""
    usual = SENTENCES.get(status, SENTENCES[500 if status >= 500 else 400])
    return json.dumps({"problem": problem or usual[0], "remedy": remedy or usual[1]}).encode()


class PlainErrors:
    """Passes an answer on; one that is an error and does not say so in our form is said anew.

    Frameworks tell more than they should: what they expected, or what they were given.

    Args:
        send: to the client.
    """

    def __init__(self, send: Send) -> None:
        self._send = send
        self._start: Message | None = None
        self._body = b""

    async def __call__(self, message: Message) -> None:
        """Take one message of the application."""
        if message["type"] == "http.response.start" and message["status"] >= 400:
            self._start = message
            return
        if self._start is not None and message["type"] == "http.response.body":
            self._body += message.get("body", b"")[: LARGEST_ERROR + 1 - len(self._body)]
            if message.get("more_body"):
                return
            start, self._start = self._start, None
            status = 400 if start["status"] == 422 else start["status"]
            body = self._body if _is_ours(self._body) else error_body(status)
            kept = [
                (k, v) for k, v in start.get("headers", ()) if k.lower() not in (b"content-type", b"content-length")
            ]
            headers = [*kept, (b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
            await self._send({"type": "http.response.start", "status": status, "headers": headers})
            await self._send({"type": "http.response.body", "body": body})
            return
        await self._send(message)


def _is_ours(body: bytes) -> bool:
    """Whether an error's body has our form, and nothing more."""
    if len(body) > LARGEST_ERROR:
        return False
    try:
        said: Any = json.loads(body)
    except ValueError:
        return False
    return (
        isinstance(said, dict)
        and said.keys() == {"problem", "remedy"}
        and all(isinstance(text, str) for text in said.values())
    )
