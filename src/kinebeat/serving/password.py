"""A password before a page: sessions for those who know it, few attempts for those who do not."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import ipaddress
import json
import secrets
import time
from collections import OrderedDict, deque
from typing import TYPE_CHECKING

from kinebeat.serving.answers import refuse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from starlette.types import ASGIApp, Receive, Scope, Send

PAGE, LOGIN, LOGOUT = "/login", "/api/login", "/api/logout"
SESSION_S = 7 * 24 * 3600.0
MOST_SESSIONS = 64
ATTEMPTS, WITHIN_S = 5, 60.0
ATTEMPTS_OF_ALL = 60
MOST_ADDRESSES = 1024
LONGEST_PASSWORD = 1024
"""Bytes; what is longer is not even looked at."""
LARGEST_LOGIN = 8 * 1024


class Door:
    """Lets in who has said the password: by a cookie that only the server can have made.

    Args:
        password: the words; they are kept as a salted hash.
        port: of the server; cookies know no ports, so its name holds it.
        open_paths: what everybody gets: the page that asks for the password, and what that needs.
        now_s: a clock that is never set back.

    Raises:
        ValueError: the password is empty or far too long.
    """

    def __init__(
        self,
        password: str,
        *,
        port: int = 0,
        open_paths: Iterable[str] = (),
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        words = password.encode("utf-8", "surrogatepass")
        if not 0 < len(words) <= LONGEST_PASSWORD:
            raise ValueError("a password has between one letter and a thousand")
        self._salt = secrets.token_bytes(16)
        self._hash = _hashed(words, self._salt)
        self.cookie = f"kinebeat-{port}"
        self._open = frozenset({PAGE, LOGIN, *open_paths})
        self._now_s = now_s
        self._sessions: OrderedDict[bytes, float] = OrderedDict()  # hash of the token: when it ends
        self._tried: OrderedDict[str, deque[float]] = OrderedDict()
        self._tried_by_all: deque[float] = deque()
        self._one_at_a_time = asyncio.Lock()

    def before(self, app: ASGIApp) -> ASGIApp:
        """The application behind the door."""

        async def asked(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http" and scope["path"] == LOGIN:
                await self._log_in(scope, receive, send)
            elif scope["type"] == "http" and scope["path"] == LOGOUT:
                await self._log_out(scope, send)
            elif self.is_known(scope) or (scope["type"] == "http" and scope["path"] in self._open):
                await app(scope, receive, send)
            elif scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 4001})
            elif _is_for_a_page(scope):
                where = [(b"location", PAGE.encode()), (b"content-length", b"0")]
                await send({"type": "http.response.start", "status": 303, "headers": where})
                await send({"type": "http.response.body", "body": b""})
            else:
                await refuse(send, 401)

        return asked

    def is_known(self, scope: Scope) -> bool:
        """Whether a request brings the cookie of a session that has not ended."""
        now_s = self._now_s()
        return any(self._sessions.get(_key(token), now_s) > now_s for token in self._tokens(scope))

    async def opens(self, password: str, address: str) -> str | None:
        """Try a password.

        Args:
            password: what was said.
            address: who says it.

        Returns:
            The token of a new session, None where the password is wrong.

        Raises:
            PermissionError: too many attempts; none is looked at until a minute has gone.
        """
        who = _who(address)
        if not self._may_try(who):
            raise PermissionError
        words = password.encode("utf-8", "surrogatepass")[: LONGEST_PASSWORD + 1]
        async with self._one_at_a_time:  # a hash takes memory and time on purpose
            right = await asyncio.to_thread(_is_right, words, self._salt, self._hash)
        if not right:
            return None
        self._tried.pop(who, None)
        if self._tried_by_all:
            self._tried_by_all.pop()
        token = secrets.token_urlsafe(32)
        self._sessions[_key(token)] = self._now_s() + SESSION_S
        while len(self._sessions) > MOST_SESSIONS:
            self._sessions.popitem(last=False)
        return token

    def _may_try(self, who: str) -> bool:
        """Note an attempt, if one more is allowed."""
        since_s = self._now_s() - WITHIN_S
        tried = self._tried.setdefault(who, deque())
        self._tried.move_to_end(who)
        while len(self._tried) > MOST_ADDRESSES:
            self._tried.popitem(last=False)
        for times in (tried, self._tried_by_all):
            while times and times[0] <= since_s:
                times.popleft()
        if len(tried) >= ATTEMPTS or len(self._tried_by_all) >= ATTEMPTS_OF_ALL:
            return False
        tried.append(self._now_s())
        self._tried_by_all.append(self._now_s())
        return True

    async def _log_in(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "POST":
            await refuse(send, 405)
            return
        body = b""
        while len(body) <= LARGEST_LOGIN:
            message = await receive()
            if message["type"] != "http.request":
                return
            body += message.get("body", b"")
            if not message.get("more_body", False):
                break
        password = _said(body) if len(body) <= LARGEST_LOGIN else None
        if password is None:
            await refuse(send, 400)
            return
        address = (scope.get("client") or ("", 0))[0]
        try:
            token = await self.opens(password, address)
        except PermissionError:
            wait = [(b"retry-after", str(round(WITHIN_S)).encode())]
            await refuse(send, 429, "too many wrong passwords", "wait a minute and try again", wait)
            return
        if token is None:
            await refuse(send, 401, "the password is wrong", "try again")
        else:
            await self._say_cookie(send, token, round(SESSION_S))

    async def _log_out(self, scope: Scope, send: Send) -> None:
        if scope["method"] != "POST":
            await refuse(send, 405)
            return
        for token in self._tokens(scope):
            self._sessions.pop(_key(token), None)
        await self._say_cookie(send, "", 0)

    async def _say_cookie(self, send: Send, token: str, age_s: int) -> None:
        cookie = f"{self.cookie}={token}; Path=/; Max-Age={age_s}; HttpOnly; SameSite=Strict"
        await send({"type": "http.response.start", "status": 204, "headers": [(b"set-cookie", cookie.encode())]})
        await send({"type": "http.response.body", "body": b""})

    def _tokens(self, scope: Scope) -> list[str]:
        """All cookies of our name."""
        found = []
        for key, value in scope.get("headers", ()):
            if key == b"cookie":
                for part in value.decode("latin-1").split(";"):
                    name, equals, token = part.strip().partition("=")
                    if equals and name == self.cookie and token:
                        found.append(token)
        return found[:4]


def _key(token: str) -> bytes:
    """Sessions are looked up by a hash, so that how long it takes says nothing of any token."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def _hashed(words: bytes, salt: bytes) -> bytes:
    return hashlib.scrypt(words, salt=salt, n=2**14, r=8, p=1, maxmem=2**26)


def _is_right(words: bytes, salt: bytes, right: bytes) -> bool:
    return hmac.compare_digest(_hashed(words, salt), right)


def _said(body: bytes) -> str | None:
    """The password in a body."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return None
    password = said.get("password") if isinstance(said, dict) else None
    return password if isinstance(password, str) else None


def _who(address: str) -> str:
    """Who an address is counted for: a house with IPv6 has more addresses than there are attempts."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is None:
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)


def _is_for_a_page(scope: Scope) -> bool:
    """Whether somebody wants to see a page, rather than a program some data."""
    if scope["method"] not in ("GET", "HEAD") or scope["path"].startswith("/api/"):
        return False
    return any(key == b"accept" and b"text/html" in value for key, value in scope["headers"])
