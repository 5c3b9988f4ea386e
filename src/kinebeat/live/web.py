"""The web application behind the page of `kinebeat live`: files, the drums' recordings, the WebSocket's door."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from fastapi import FastAPI, WebSocket

PAGE = Path(__file__).parent / "page"


def application(
    recordings: Callable[[], dict[tuple[int, int], bytes]],
    play_with: Callable[[WebSocket], Awaitable[None]],
) -> FastAPI:
    """The web application: the page, the drums' recordings, the WebSocket. It is to stand behind a guard.

    Args:
        recordings: WAV files by drum and layer; may take long.
        play_with: takes the connection of a page, until it ends.
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
        with suppress(WebSocketDisconnect, ValueError, KeyError):
            await play_with(websocket)

    app.add_api_route("/drums/{number}/{layer}.wav", drum, methods=["GET"], response_model=None)
    app.router.routes.append(WebSocketRoute("/live", live))
    app.mount("/", StaticFiles(directory=PAGE, html=True, follow_symlink=False))
    return app
