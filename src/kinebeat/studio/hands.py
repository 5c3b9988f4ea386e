"""The studio's worker processes, as the server sees them: an order goes in, progress and an answer come out."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from kinebeat.children import ONE_THREAD, PAUSE, command
from kinebeat.errors import KinebeatError

if TYPE_CHECKING:
    from collections.abc import Callable

    Message = dict[str, Any]
    Told = Callable[[Message], None]

STALL_S = 120.0
"""A worker that says nothing for so long is taken to hang."""
GRACE_S = 5.0
"""How long a worker that is told to stop has to clean up before it is killed."""
LONGEST_LINE = 4 * 2**20


class RefusedError(KinebeatError):
    """An order that cannot be carried out.

    Attributes:
        problem: what was expected and what came, for the page.
        remedy: what to do about it.
        full: whether it was for want of room on the disk.
    """

    def __init__(self, problem: str, remedy: str, *, full: bool = False) -> None:
        super().__init__(f"{problem}; {remedy}")
        self.problem, self.remedy, self.full = problem, remedy, full


class Hand:
    """One worker process, started when it is first needed and again when it has died; it does one order at a time.

    Args:
        module: whose `main` it runs.
        log: gets the traceback of what a worker did not expect.
    """

    def __init__(self, module: str, log: Callable[[str], None] | None = None) -> None:
        self._module, self._log = module, log
        self._process: asyncio.subprocess.Process | None = None
        self._busy = asyncio.Lock()
        self._restful = False

    @property
    def pid(self) -> int | None:
        """Of the process, if it runs."""
        process = self._process
        return None if process is None or process.returncode is not None else process.pid

    async def ask(
        self, order: Message, told: Told | None = None, *, restful: bool = False, stall_s: float = STALL_S
    ) -> Message:
        """Have an order carried out; if the caller is cancelled, so is the work.

        Args:
            order: what is to be done; see `kinebeat.studio.worker`.
            told: called with every message that is not the answer.
            restful: an order that makes way for the next; its answer says whether it is finished.
            stall_s: how long the worker may be silent.

        Returns:
            The answer.

        Raises:
            RefusedError: it cannot be carried out, or the worker died.
        """
        if self._busy.locked() and self._restful:
            await self._say(PAUSE)
        async with self._busy:
            self._restful = restful
            try:
                await self._ready()
                await self._say(order)
                return await self._answer(told, stall_s)
            except RefusedError:
                raise
            except BaseException:  # cancelled: what it is doing is no longer wanted
                await asyncio.shield(self._end())
                raise
            finally:
                self._restful = False

    async def stop(self) -> None:
        """End the process."""
        await self._end()

    async def _ready(self) -> None:
        if self.pid is not None:
            return
        try:
            self._process = await asyncio.create_subprocess_exec(
                *command(self._module),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                # Ctrl-C in a terminal goes to the whole group: the studio ends its workers itself.
                start_new_session=True,
                env={**os.environ, **ONE_THREAD},
                limit=LONGEST_LINE,
            )
        except OSError as error:
            remedy = "end other programs, then try again"
            raise RefusedError(f"a worker cannot be started ({error.strerror})", remedy) from error

    async def _say(self, message: Message) -> None:
        process = self._process
        if process is not None and process.stdin is not None:
            with suppress(ConnectionError, RuntimeError):  # it has died: that will be heard
                process.stdin.write(json.dumps(message).encode() + b"\n")
                await process.stdin.drain()

    async def _answer(self, told: Told | None, stall_s: float) -> Message:
        process = self._process
        if process is None or process.stdout is None:
            raise AssertionError("it was started")
        while True:
            try:
                line = await asyncio.wait_for(process.stdout.readline(), stall_s)
            except TimeoutError:
                await self._end(signal.SIGKILL)
                raise RefusedError(f"nothing came of it for {stall_s:g} s", "try again, or use another clip") from None
            if not line:
                raise RefusedError(*await self._death())
            message: Message = json.loads(line)
            if "answer" in message:
                answer: Message = message["answer"]
                return answer
            if "refused" in message:
                refused = message["refused"]
                if refused["trace"] is not None and self._log is not None:
                    self._log(refused["trace"])
                raise RefusedError(refused["problem"], refused["remedy"], full=refused["full"])
            if told is not None:
                told(message)

    async def _death(self) -> tuple[str, str]:
        """Why it died, as far as can be known, and what to do."""
        process = self._process
        code = None if process is None else await process.wait()
        self._process = None
        if code == -signal.SIGKILL:
            return "its worker was killed, perhaps for want of memory", "use a shorter or smaller video"
        how = f"exit code {code}" if code is None or code >= 0 else signal.Signals(-code).name
        return f"its worker died ({how})", "try again; if it happens again, use another clip"

    async def _end(self, first: signal.Signals = signal.SIGTERM) -> None:
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            process.send_signal(first)
        try:
            await asyncio.wait_for(process.wait(), GRACE_S)
        except TimeoutError:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
