"""`kinebeat live` beside the studio: a process of its own, on a port of its own, so that neither holds up the other.

It ends with the studio, however that ends: it watches the pipe that only the studio holds.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from kinebeat.children import command
from kinebeat.errors import KinebeatError

if TYPE_CHECKING:
    from collections.abc import Sequence

SAYS_WHERE = "the page is at "
START_S, GRACE_S = 30.0, 5.0
WORDS = ("--no-browser", "--port", "0", "--quiet")


class LiveError(KinebeatError):
    """The live page cannot be opened.

    Attributes:
        problem: what happened.
        remedy: what to do.
    """

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"{problem}; {remedy}")
        self.problem, self.remedy = problem, remedy


class LiveChild:
    """The one live page of a studio: started when it is asked for, and again when it has ended.

    Args:
        words: options of `kinebeat live`.
    """

    def __init__(self, words: Sequence[str] = WORDS) -> None:
        self._words = words
        self._process: asyncio.subprocess.Process | None = None
        self._url = ""
        self._one_at_a_time = asyncio.Lock()
        self._reader: asyncio.Task[None] | None = None
        self._stopped = False

    @property
    def pid(self) -> int | None:
        """Of the process, if it runs."""
        process = self._process
        return None if process is None or process.returncode is not None else process.pid

    async def url(self) -> str:
        """Where the live page is; it is started if it is not running.

        Raises:
            LiveError: it does not come up, or the studio is ending.
        """
        async with self._one_at_a_time:
            if self.pid is None:
                await self._start()
            return self._url

    async def stop(self) -> None:
        """End it; it cannot be started again."""
        self._stopped = True
        async with self._one_at_a_time:
            await self._end()

    async def _start(self) -> None:
        if self._stopped:
            raise LiveError("the studio is ending", "start it again")
        await self._end()
        self._process = await asyncio.create_subprocess_exec(
            *command(__name__),
            "live",
            *self._words,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            # Ctrl-C in a terminal goes to the whole group: the studio ends it itself.
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(START_S):
                self._url = await self._said()
        except TimeoutError:
            await self._end()
            raise LiveError(f"the live page did not open within {START_S:g} s", "try again") from None
        except BaseException:
            await asyncio.shield(self._end())
            raise
        self._reader = asyncio.create_task(self._read_on())

    async def _said(self) -> str:
        process = self._process
        if process is None or process.stdout is None:
            raise AssertionError("it was started")
        async for line in process.stdout:
            text = line.decode(errors="replace").strip()
            if text.startswith(SAYS_WHERE):
                return text.removeprefix(SAYS_WHERE)
        code = await process.wait()
        raise LiveError(f"the live page ended before it opened (exit code {code})", "see what `kinebeat live` says")

    async def _read_on(self) -> None:
        """Take what it says, so that it is never held up by a full pipe."""
        process = self._process
        if process is not None and process.stdout is not None:
            while await process.stdout.read(1 << 16):
                pass
            await process.wait()

    async def _end(self) -> None:
        process, self._process = self._process, None
        if self._reader is not None:
            self._reader.cancel()
            self._reader = None
        if process is None:
            return
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), GRACE_S)
        except TimeoutError:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        if process.stdin is not None:
            process.stdin.close()


def main() -> None:
    """The child: `kinebeat` with the words it was given, until it is done or its parent has gone."""
    threading.Thread(target=_watch, daemon=True).start()
    from kinebeat.cli import main as kinebeat

    sys.argv[0] = "kinebeat"
    kinebeat()


def _watch() -> None:
    """Thread: nothing is ever said on the pipe, so what comes is its end."""
    while os.read(0, 1 << 10):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait(GRACE_S)
    os._exit(1)
