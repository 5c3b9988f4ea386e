"""The studio's web application: what the page asks for, from addresses to the jobs and back.

Errors are JSON with `problem` and `remedy`; what stands before it (`kinebeat.serving.guard`) sees to names, origins,
bodies and the password.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import FastAPI, Query, Request, Response, WebSocket, WebSocketDisconnect
from fastapi.responses import FileResponse, JSONResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles
from starlette.requests import ClientDisconnect
from starlette.routing import WebSocketRoute

from kinebeat import __version__
from kinebeat.audio import wav_16
from kinebeat.errors import KinebeatError, OptionError, OutputError
from kinebeat.studio.board import Board, TooManyError
from kinebeat.studio.hands import RefusedError
from kinebeat.studio.jobs import JobError
from kinebeat.studio.live_child import LiveError
from kinebeat.studio.wishes import checked_performance
from kinebeat.studio.work import words

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from kinebeat.studio.jobs import Jobs
    from kinebeat.studio.settings import StudioSettings
    from kinebeat.studio.variants import Variants

PAGE = Path(__file__).parent / "page"
UPLOAD = "/api/jobs"
LATER_S = 30
BUSY = 4008
MESSAGES_OF_A_LISTENER = 20
"""A page that listens has nothing to say; one that says more than this is let go."""


def application(
    settings: StudioSettings,
    jobs: Jobs,
    variants: Variants,
    board: Board,
    open_live: Callable[[], Awaitable[str]] | None,
) -> FastAPI:
    """The web application.

    Args:
        settings: of the studio.
        jobs: its jobs.
        variants: their variants.
        board: passes word of them on.
        open_live: starts the live page if it is not running, and says where it is; None where there is none.
    """
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.add_exception_handler(KinebeatError, _told_error)

    @app.get("/api/state")
    async def state() -> dict[str, Any]:
        return _state(settings, open_live is not None)

    @app.get("/api/jobs")
    async def all_jobs() -> dict[str, Any]:
        return {"jobs": jobs.all_told()}

    @app.post("/api/jobs")
    async def upload(
        request: Request,
        name: Annotated[str, Query(max_length=20_000)],
        kind: Annotated[str, Query(pattern="^(soundtrack|performance)$")] = "soundtrack",
    ) -> Response:
        options = checked_performance(dict(request.query_params)) if kind == "performance" else {}
        length = request.headers.get("content-length")
        try:
            job = await jobs.receive(
                name,
                "performance" if kind == "performance" else "soundtrack",
                options,
                request.stream(),
                None if length is None else int(length),
            )
        except ClientDisconnect:
            return Response(status_code=400)
        return JSONResponse(jobs.told(job), 201)

    @app.post("/api/demo")
    async def demo() -> Response:
        return JSONResponse(jobs.told(jobs.demo()), 201)

    @app.get("/api/jobs/{job}")
    async def one_job(job: str) -> dict[str, Any]:
        return jobs.told(jobs.get(job))

    @app.delete("/api/jobs/{job}")
    async def remove(job: str) -> Response:
        await jobs.remove(job)
        return Response(status_code=204)

    @app.post("/api/jobs/{job}/retry")
    async def retry(job: str) -> dict[str, Any]:
        return jobs.told(jobs.retry(job))

    @app.get("/api/jobs/{job}/video")
    async def video(job: str) -> Response:
        found = jobs.done(job)
        folder = jobs.folder(found.id)
        media = found.facts.get("media")
        return _file(folder.preview if media is None else folder.source(), media or "video/mp4")

    @app.get("/api/jobs/{job}/movement")
    async def movement(job: str) -> Response:
        return _file(jobs.folder(jobs.done(job).id).movement, "application/json")

    @app.post("/api/jobs/{job}/variants")
    async def new_variant(job: str, request: Request) -> Response:
        return JSONResponse(await variants.make(jobs.done(job), await _json(request), None), 201)

    @app.get("/api/jobs/{job}/variants/{number}")
    async def one_variant(job: str, number: int) -> dict[str, Any]:
        found = jobs.done(job)
        return variants.told(found, variants.get(found.id, number))

    @app.put("/api/jobs/{job}/variants/{number}")
    async def remake(job: str, number: int, request: Request) -> dict[str, Any]:
        return await variants.make(jobs.done(job), await _json(request), number)

    @app.patch("/api/jobs/{job}/variants/{number}")
    async def change(job: str, number: int, request: Request) -> dict[str, Any]:
        return vars(variants.change(jobs.done(job), number, await _json(request)))

    @app.delete("/api/jobs/{job}/variants/{number}")
    async def drop(job: str, number: int) -> Response:
        await variants.drop(jobs.done(job), number)
        return Response(status_code=204)

    @app.get("/api/jobs/{job}/variants/{number}/sound/{revision}/{track}")
    async def sound(
        job: str, number: int, revision: int, track: str, from_s: float = 0.0, to_s: float = 8.0
    ) -> Response:
        samples = await variants.stretch(jobs.done(job), number, revision, track, from_s, to_s)
        return Response(wav_16(samples), media_type="audio/wav")

    @app.get("/api/jobs/{job}/variants/{number}/files/{what}")
    async def download(job: str, number: int, what: str) -> Response:
        place, called, media = await variants.download(jobs.done(job), number, what)
        return _file(place, media, called)

    @app.get("/live")
    async def live() -> Response:
        if open_live is None:
            problem = "the live page is only on the computer that runs the studio"
            raise JobError(409, problem, "run kinebeat live there")
        return RedirectResponse(await open_live(), 303)

    @app.get("/login")
    async def login() -> Response:
        return _file(PAGE / "login.html", "text/html; charset=utf-8")

    async def events(websocket: WebSocket) -> None:
        await websocket.accept()
        with suppress(WebSocketDisconnect, RuntimeError, OSError):
            try:
                with board.listening() as waiting:
                    await _listen(websocket, jobs, waiting)
            except TooManyError:
                await websocket.close(BUSY, "too many pages are open")

    app.router.routes.append(WebSocketRoute("/api/events", events))
    app.mount("/", StaticFiles(directory=PAGE, html=True, follow_symlink=False))
    return app


def _state(settings: StudioSettings, live: bool) -> dict[str, Any]:
    from kinebeat.performance.instruments import INSTRUMENTS
    from kinebeat.score import KITS, SEATS

    limits = settings.limits
    return {
        "version": __version__,
        "limits": {
            "upload_bytes": limits.upload_bytes,
            "longest_s": limits.longest_s,
            "largest_side": limits.largest_side,
            "waiting": limits.waiting,
            "variants": limits.variants,
        },
        "kits": list(KITS),
        "instruments": list(SEATS),
        "performers": [{"name": name, "experimental": not one.real} for name, one in INSTRUMENTS.items()],
        "live": live,
        "password": settings.password is not None,
    }


async def _listen(websocket: WebSocket, jobs: Jobs, waiting: asyncio.Queue[Any]) -> None:
    """Pass messages on until the page goes, or has said more than it has to."""
    await websocket.send_text(json.dumps({"t": "jobs", "jobs": jobs.all_told()}))

    async def until_gone() -> None:
        for _ in range(MESSAGES_OF_A_LISTENER):
            if (await websocket.receive())["type"] == "websocket.disconnect":
                return

    gone = asyncio.create_task(until_gone())
    try:
        while True:
            message = asyncio.create_task(waiting.get())
            done, _ = await asyncio.wait({message, gone}, return_when=asyncio.FIRST_COMPLETED)
            if message not in done or message.result() is None:
                message.cancel()
                await websocket.close(BUSY)
                return
            await websocket.send_text(json.dumps(message.result()))
    finally:
        gone.cancel()


async def _json(request: Request) -> Any:
    try:
        return json.loads(await request.body())
    except (ValueError, RecursionError) as error:
        raise JobError(400, "this is no JSON", "reload the page") from error


def _file(place: Path | None, media: str, called: str | None = None) -> Response:
    """A file of a job, whole or a part of it.

    Raises:
        JobError: it is gone, or something else lies in its place.
    """
    if place is None or not place.is_file() or place.is_symlink():
        raise JobError(410, "this file is gone", "make it again")
    return FileResponse(place, media_type=media, filename=called)


async def _told_error(_request: Request, error: Exception) -> Response:
    """An error in words that hold no path."""
    headers = {}
    if isinstance(error, JobError):
        status, problem, remedy = error.status, error.problem, error.remedy
        headers = {"Retry-After": str(LATER_S)} if status in (429, 503) else {}
    elif isinstance(error, RefusedError):
        status, problem, remedy = 507 if error.full else 400, error.problem, error.remedy
    elif isinstance(error, LiveError):
        status, problem, remedy = 503, error.problem, error.remedy
    elif isinstance(error, OptionError):
        status, (problem, remedy) = 400, words(error)
    elif isinstance(error, OutputError):
        status, problem, remedy = 507, "the studio's disk is full or cannot be written", "remove jobs, free some space"
    else:
        status, problem, remedy = 500, "something went wrong in the studio", "try again"
    return JSONResponse({"problem": problem, "remedy": remedy}, status, headers)
