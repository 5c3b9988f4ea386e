"""Opens a studio: its folder, its memory, its workers, its page."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

from kinebeat.errors import OutputError
from kinebeat.files import held
from kinebeat.serving.guard import LARGEST_BODY, guarded
from kinebeat.serving.names import own_names
from kinebeat.serving.password import Door
from kinebeat.serving.running import server_of
from kinebeat.serving.sockets import listening
from kinebeat.soundfont import open_soundfont
from kinebeat.studio.app import UPLOAD, application
from kinebeat.studio.board import Board
from kinebeat.studio.jobs import Jobs
from kinebeat.studio.live_child import LiveChild
from kinebeat.studio.store import Store
from kinebeat.studio.variants import Variants

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from pathlib import Path

    from starlette.types import Scope

    from kinebeat.studio.settings import StudioSettings

LARGEST_MESSAGE = 4096
LARGEST_SETTINGS = 256 * 1024
OPEN_FILES = ("/login.js", "/style.css", "/icon.svg")
"""What the page that asks for the password needs."""
PATIENCE_S = 5.0
"""The workers of a studio that was killed hold its folder until they have noticed; so long they are waited for."""


def serve(settings: StudioSettings, ready: Callable[[str], None], log: Callable[[str], None] | None = None) -> None:
    """Serve a studio until SIGTERM or Ctrl-C.

    Args:
        settings: how it is opened.
        ready: called with the address of the page when it can be opened.
        log: gets what went wrong inside, with its traceback.

    Raises:
        ServerError: the port or the address cannot be used.
        OutputError: the folder cannot be written, or another studio is at work in it.
        InputError: the memory in it is damaged, or the soundfont cannot be used.
        OptionError: a name is none.
    """
    open_soundfont(settings.soundfont)
    with ExitStack() as stack:
        bound = stack.enter_context(listening(settings.port, settings.host))
        _own_folder(settings.data)
        remedy = "close it, or name another folder with --data"
        stack.enter_context(
            held(settings.data, settings.data / "lock", "another studio is at work in it", remedy, PATIENCE_S)
        )
        store = Store(settings.data / "studio.sqlite")
        stack.callback(store.close)
        asyncio.run(_served(settings, bound, store, ready, log))


async def _served(
    settings: StudioSettings,
    bound: socket.socket,
    store: Store,
    ready: Callable[[str], None],
    log: Callable[[str], None] | None,
) -> None:
    port = bound.getsockname()[1]
    board = Board()
    variants = Variants(store, settings.limits, settings.soundfont, log)
    jobs = variants.jobs = Jobs(settings, store, board, variants.first, variants.forget, log)
    child = LiveChild() if settings.live else None
    door = None if settings.password is None else Door(settings.password, port=port, open_paths=OPEN_FILES)
    app = guarded(
        application(settings, jobs, variants, board, None if child is None else child.url),
        own_names(settings.host, port, settings.names),
        door=door,
        largest_body=lambda scope: _largest_body(scope, settings.limits.upload_bytes),
        log=log,
    )
    server = server_of(app, largest_message=LARGEST_MESSAGE)
    loop = asyncio.get_running_loop()

    def end() -> None:
        server.should_exit = True
        board.close()

    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError, ValueError, RuntimeError):  # not in the main thread: nobody sends them
            loop.add_signal_handler(number, end)
    await jobs.start()
    warming = asyncio.create_task(variants.start())
    serving = asyncio.create_task(server.serve(sockets=[bound]))
    try:
        while not server.started and not serving.done():
            await asyncio.sleep(0.01)
        host = settings.host if ":" not in settings.host else f"[{settings.host}]"
        ready(f"http://{host}:{port}/")
        await serving
    finally:
        warming.cancel()
        await asyncio.gather(jobs.stop(), variants.stop(), warming, return_exceptions=True)
        if child is not None:
            await child.stop()


def _largest_body(scope: Scope, upload_bytes: int) -> int:
    """How much a request may bring."""
    if scope["method"] == "POST" and scope["path"] == UPLOAD:
        return upload_bytes
    return LARGEST_SETTINGS if scope["path"].startswith(f"{UPLOAD}/") else LARGEST_BODY


def _own_folder(data: Path) -> None:
    """Make the folder of a studio, which nobody else may look into.

    Raises:
        OutputError: it cannot be made or written in.
    """
    from kinebeat.files import check_folder

    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.chmod(data, 0o700)  # noqa: PTH101  also one that was there
    except OSError as error:
        problem = f"cannot be made a studio's folder ({error.strerror})"
        raise OutputError(data, problem, "name another with --data") from error
    check_folder(data)
