"""The web application behind the page of `kinebeat live`: files, the drums' recordings, the WebSocket's door."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from fastapi import FastAPI, WebSocket

PAGE = Path(__file__).parent / "page"
REFUSED = 4003
SECURITY = {
    "Content-Security-Policy": "default-src 'self'; connect-src 'self'; img-src 'self' blob: data:; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def application(
    recordings: Callable[[], dict[tuple[int, int], bytes]],
    play_with: Callable[[WebSocket], Awaitable[None]],
    hosts: frozenset[str],
) -> FastAPI:
    """The web application: the page, the drums' recordings, the WebSocket.

    Args:
        recordings: WAV files by drum and layer; may take long.
        play_with: takes the connection of a page, until it ends.
        hosts: names with their ports that this server goes by.
    """
    from fastapi import FastAPI, HTTPException, Response, WebSocketDisconnect
    from fastapi.concurrency import run_in_threadpool
    from fastapi.staticfiles import StaticFiles
    from starlette.routing import WebSocketRoute

    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)

    async def drum(number: int, layer: int) -> Response:
        made = await run_in_threadpool(recordings)
        if (number, layer) not in made:
            raise HTTPException(404)
        return Response(made[number, layer], media_type="audio/wav")

    async def live(websocket: WebSocket) -> None:
        if websocket.headers.get("origin", "").removeprefix("http://") not in hosts:
            await websocket.close(REFUSED)
            return
        with suppress(WebSocketDisconnect, ValueError, KeyError):
            await play_with(websocket)

    app.add_api_route("/drums/{number}/{layer}.wav", drum, methods=["GET"], response_model=None)
    app.router.routes.append(WebSocketRoute("/live", live))
    app.mount("/", StaticFiles(directory=PAGE, html=True, follow_symlink=False))
    app.add_middleware(_OwnNamesOnly, hosts=hosts)
    return app


class _OwnNamesOnly:
    """Refuses requests that were sent to another name, and says with each answer what the page may do."""

    def __init__(self, app: Any, hosts: frozenset[str]) -> None:
        self._app, self._hosts = app, hosts

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        headers = dict(scope.get("headers", ()))
        if headers.get(b"host", b"").decode("latin-1") not in self._hosts:
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": REFUSED})
            else:
                await send({"type": "http.response.start", "status": 421, "headers": []})
                await send({"type": "http.response.body", "body": b"not a name of this server"})
            return

        async def secured(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                own = [(key.lower().encode(), value.encode()) for key, value in SECURITY.items()]
                message = {**message, "headers": [*message.get("headers", ()), *own]}
            await send(message)

        await self._app(scope, receive, secured)
