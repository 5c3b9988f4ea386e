"""The studio's jobs: they arrive, wait, are worked on one after the other, and are told of.

Everything here runs in the server's event loop; what takes long is done by a worker process or a thread.
"""

from __future__ import annotations

import asyncio
import secrets
import shutil
import time
import traceback
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from kinebeat.errors import KinebeatError
from kinebeat.studio.folders import JOB_ID, JobFolder, shown_name, source_name
from kinebeat.studio.hands import Hand, RefusedError
from kinebeat.studio.progress import KEYLESS, PERFORMANCE, SOUNDTRACK, Progress
from kinebeat.studio.store import Job, now
from kinebeat.studio.work import DEFECT, DEFECT_REMEDY, words

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from kinebeat.studio.board import Board
    from kinebeat.studio.settings import StudioSettings
    from kinebeat.studio.store import Kind, Store, Variant

    Message = dict[str, Any]

HEARING = "kinebeat.studio.hearing_worker"
TOLD_EVERY_S = 0.2
CHECK_STALL_S = 30.0
"""A file that cannot be looked into in so long is refused."""
UNFINISHED = ".kinebeat-"
"""How the folder of an upload begins until the upload is whole."""
DEMO_NAME = "demo.mp4"
AFTER_TROUBLE_S = 2.0


class JobError(KinebeatError):
    """What is asked of a job cannot be done.

    Attributes:
        status: of HTTP.
        problem: what is wrong.
        remedy: what to do about it.
    """

    def __init__(self, status: int, problem: str, remedy: str) -> None:
        super().__init__(f"{problem}; {remedy}")
        self.status, self.problem, self.remedy = status, problem, remedy


class Jobs:
    """All jobs of a studio.

    Args:
        settings: of the studio.
        store: remembers them.
        board: is told of every change.
        first: makes the first variant of a job whose clip has been heard, given what it calls to tell of progress.
        forget: has nothing more written into the folder of a job, by its id.
        log: gets the traceback of what was not expected.
    """

    def __init__(
        self,
        settings: StudioSettings,
        store: Store,
        board: Board,
        first: Callable[[Job, Callable[[Message], None]], Awaitable[Variant]],
        forget: Callable[[str], Awaitable[None]],
        log: Callable[[str], None] | None = None,
    ) -> None:
        self._settings, self._store, self._board = settings, store, board
        self._first, self._forget = first, forget
        self._root = settings.data / "jobs"
        self._log = log
        self._hand = Hand(HEARING, log)
        self._wake = asyncio.Event()
        self._progress: dict[str, Progress] = {}
        self._working: tuple[str, asyncio.Task[None]] | None = None
        self._arriving = 0
        self._told_s = 0.0
        self._loop_task: asyncio.Task[None] | None = None

    def folder(self, name: str) -> JobFolder:
        """The files of a job; its id has been checked to be one."""
        if not JOB_ID.fullmatch(name):
            raise AssertionError("no id")
        return JobFolder(self._root / name)

    async def start(self) -> None:
        """Tidy up after the last time, take up what was not finished, begin to work."""
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._store.take_up()
        known = {job.id for job in self._store.jobs()}
        strays = [path for path in self._root.iterdir() if path.name not in known]
        await asyncio.to_thread(_remove_all, strays)
        self._loop_task = asyncio.create_task(self._work())
        self._wake.set()

    async def stop(self) -> None:
        """End; a job that is being worked on will be taken up at the next start."""
        working = self._working
        if self._loop_task is not None:
            self._loop_task.cancel()
            await asyncio.gather(self._loop_task, return_exceptions=True)
        if working is not None:
            working[1].cancel()
            await asyncio.gather(working[1], return_exceptions=True)
            with suppress(KinebeatError):
                self._store.put_back(working[0])
        await self._hand.stop()

    def get(self, name: str) -> Job:
        """A job.

        Raises:
            JobError: there is none of this id.
        """
        job = self._store.job(name) if JOB_ID.fullmatch(name) else None
        if job is None:
            raise JobError(404, "there is no such job", "it may have been removed; go back to the list")
        return job

    def done(self, name: str) -> Job:
        """A job whose clip has been heard.

        Raises:
            JobError: there is none, or it is not done.
        """
        job = self.get(name)
        if job.state != "done":
            raise JobError(409, "this job is not done", "wait until it is")
        return job

    def told(self, job: Job) -> Message:
        """A job as the page gets it."""
        progress = self._progress.get(job.id)
        waiting = self._store.waiting() if job.state == "waiting" else []
        return {
            "id": job.id,
            "name": job.name,
            "kind": job.kind,
            "state": job.state,
            "place": waiting.index(job.id) + 1 if job.id in waiting else None,
            "stage": None if progress is None else progress.stage,
            "share": 0.0 if progress is None else round(progress.share, 3),
            "done_share": float(job.state == "done") if progress is None else round(progress.done_share, 3),
            "left_s": None if progress is None else round(progress.left_s, 1),
            "stages": list(_stages(job) if progress is None else progress.stages),
            "problem": job.problem,
            "remedy": job.remedy,
            "created": job.created,
            "options": job.options,
            **{name: job.facts.get(name) for name in ("duration_s", "width", "height", "has_sound")},
            "warnings": job.facts.get("warnings", []),
            "variants": [vars(variant) for variant in self._store.variants(job.id)],
        }

    def all_told(self) -> list[Message]:
        """All jobs as the page gets them, the newest first."""
        return [self.told(job) for job in self._store.jobs()]

    def announce(self, name: str) -> None:
        """Tell all pages how a job stands."""
        job = self._store.job(name)
        if job is not None:
            self._board.tell({"t": "job", "job": self.told(job)})

    async def receive(
        self, name: str, kind: Kind, options: Message, body: AsyncIterator[bytes], expected_bytes: int | None
    ) -> Job:
        """Take an upload; it becomes a job when it is whole.

        Args:
            name: what the user calls the file.
            kind: what is to be made of it.
            options: of a performance, checked.
            body: its bytes.
            expected_bytes: how many there will be; None if that is not known.

        Raises:
            JobError: too large, too many jobs, no room on the disk.
        """
        limits = self._settings.limits
        self._check_room(expected_bytes or 0)
        if expected_bytes is not None and expected_bytes > limits.upload_bytes:
            raise self._too_large()
        identity = secrets.token_hex(8)
        arriving = self._root / f"{UNFINISHED}{identity}"
        self._arriving += 1
        try:
            taken = 0
            try:
                arriving.mkdir(mode=0o700)
                with (arriving / source_name(name)).open("xb") as file:
                    async for part in body:
                        taken += len(part)
                        if taken > limits.upload_bytes:
                            raise self._too_large()
                        await asyncio.to_thread(file.write, part)
            except OSError as error:
                raise _no_room() from error
            if not taken:
                raise JobError(400, "the file is empty", "choose another")
            return self._added(identity, arriving, shown_name(name), kind, options)
        finally:
            self._arriving -= 1
            await asyncio.to_thread(shutil.rmtree, arriving, ignore_errors=True)

    def demo(self) -> Job:
        """Add a job that draws its clip itself.

        Raises:
            JobError: too many jobs, no room on the disk.
        """
        self._check_room(0)
        identity = secrets.token_hex(8)
        arriving = self._root / f"{UNFINISHED}{identity}"
        try:
            arriving.mkdir(mode=0o700)
        except OSError as error:
            raise _no_room() from error
        return self._added(identity, arriving, DEMO_NAME, "demo", {"seed": secrets.randbelow(1000)})

    def retry(self, name: str) -> Job:
        """Let a failed job be worked on once more.

        Raises:
            JobError: it has not failed, or too many wait.
        """
        job = self.get(name)
        if job.state != "failed":
            raise JobError(409, "this job has not failed", "wait until it is done")
        self._check_room(0)
        self._store.again(name)
        self._wake.set()
        self.announce(name)
        return self.get(name)

    async def remove(self, name: str) -> None:
        """Remove a job and its files; if it is being worked on, that ends.

        Raises:
            JobError: there is none.
        """
        job = self.get(name)
        self._store.remove(job.id)
        if self._working is not None and self._working[0] == job.id:
            self._working[1].cancel()
            await asyncio.gather(self._working[1], return_exceptions=True)
        await self._forget(job.id)
        await asyncio.to_thread(shutil.rmtree, self.folder(job.id).path, ignore_errors=True)
        self._board.tell({"t": "gone", "id": job.id})
        for other in self._store.waiting():
            self.announce(other)

    def _check_room(self, wanted_bytes: int) -> None:
        limits = self._settings.limits
        if len(self._store.waiting()) + self._arriving >= limits.waiting:
            raise JobError(429, "too many jobs are waiting", "wait until some are done")
        if len(self._store.jobs()) + self._arriving >= limits.jobs:
            raise JobError(429, f"there are {limits.jobs} jobs, as many as are kept", "remove some")
        if shutil.disk_usage(self._root).free < wanted_bytes + limits.free_bytes:
            raise _no_room()

    def _too_large(self) -> JobError:
        most = self._settings.limits.upload_bytes / 2**20
        return JobError(413, f"the file is larger than {most:g} MB", "cut it, or make it smaller")

    def _added(self, identity: str, arriving: Path, name: str, kind: Kind, options: Message) -> Job:
        """Put a finished upload in its place and remember it; both, or it is a stray that the next start removes."""
        try:
            arriving.rename(self._root / identity)
        except OSError as error:
            raise _no_room() from error
        try:
            job = self._store.add(Job(identity, name, kind, "waiting", now(), options=options))
        except BaseException:
            shutil.rmtree(self._root / identity, ignore_errors=True)
            raise
        self._wake.set()
        self.announce(identity)
        return job

    async def _work(self) -> None:
        """Work on what waits, one after the other."""
        with suppress(RefusedError):  # a job will say what is wrong
            await self._hand.ask({"do": "ready", "workers": self._settings.workers})
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                while waiting := self._store.waiting():
                    task = asyncio.create_task(self._do(waiting[0]))
                    self._working = waiting[0], task
                    await asyncio.wait({task})
                    self._working = None
                    self.announce(waiting[0])
                    if not task.cancelled():
                        task.result()
            except KinebeatError:  # the store cannot be written: nothing is lost, it is tried again
                self._wake.set()
                await asyncio.sleep(AFTER_TROUBLE_S)

    async def _do(self, name: str) -> None:
        """Work on one job to its end."""
        job = self.get(name)
        self._store.begin(name)
        progress = self._progress[name] = Progress(_stages(job))
        for other in self._store.waiting():
            self.announce(other)
        try:
            await self._hear(self.get(name), progress)
        except (RefusedError, JobError) as error:
            await self._note_failure(name, error.problem, error.remedy)
        except KinebeatError as error:
            await self._note_failure(name, *words(error))
        except Exception:  # a defect must not take the other jobs with it
            if self._log is not None:
                self._log(traceback.format_exc())
            await self._note_failure(name, DEFECT, DEFECT_REMEDY)
        finally:
            del self._progress[name]

    async def _note_failure(self, name: str, problem: str, remedy: str) -> None:
        """Remember that a job came to nothing; on a full disk, as soon as there is room for that."""
        while True:
            try:
                self._store.fail(name, problem, remedy)
            except KinebeatError:
                await asyncio.sleep(AFTER_TROUBLE_S)
            else:
                return

    async def _hear(self, job: Job, progress: Progress) -> None:
        told = self._teller(job.id, progress)
        folder, limits = self.folder(job.id), self._settings.limits
        font = self._settings.soundfont
        about: Message = {
            "folder": str(folder.path),
            "name": job.name,
            "options": job.options,
            "workers": self._settings.workers,
            "font": None if font is None else str(font.absolute()),
        }
        if job.kind == "demo":
            source = folder.path / "source.mp4"
            if not source.is_file():
                told({"stage": "drawing", "share": 0.0})
                await self._hand.ask({"do": "draw", "source": str(source), "seed": job.options["seed"], **about}, told)
        found = folder.source()
        if found is None:
            raise JobError(404, "its file is gone", "upload it again")
        about["source"] = str(found)
        told({"stage": "checking", "share": 0.0})
        asked = {"do": "check", "largest_side": limits.largest_side, "longest_s": limits.longest_s}
        facts = await self._hand.ask({**asked, **about}, told, stall_s=CHECK_STALL_S)
        self._store.know(job.id, facts)
        progress.duration_s = facts["duration_s"]
        if facts["media"] is None:
            progress.stages = [*progress.stages[:-1], "picture", progress.stages[-1]]
        kind = "perform" if job.kind == "performance" else "hear"
        heard = await self._hand.ask({"do": kind, **about, **facts}, told)
        self._store.know(job.id, heard)
        variant = await self._first(self.get(job.id), told)
        self._store.finish(job.id, variant)

    def _teller(self, name: str, progress: Progress) -> Callable[[Message], None]:
        """Passes word of progress on to the pages, but not too often."""

        def told(message: Message) -> None:
            if "stage" not in message:
                return
            new = progress.report(message["stage"], message["share"])
            now_s = time.monotonic()
            if new or now_s - self._told_s >= TOLD_EVERY_S:
                self._told_s = now_s
                self.announce(name)

        return told


def _stages(job: Job) -> list[str]:
    """What a job goes through."""
    if job.kind != "performance":
        return ["drawing", *SOUNDTRACK] if job.kind == "demo" else list(SOUNDTRACK)
    from kinebeat.performance.instruments import INSTRUMENTS
    from kinebeat.performance.sight import KEYS_FAMILY

    return list(PERFORMANCE if INSTRUMENTS[job.options["instrument"]].family == KEYS_FAMILY else KEYLESS)


def _no_room() -> JobError:
    return JobError(507, "the studio's disk is full or cannot be written", "remove jobs that are no longer needed")


def _remove_all(paths: list[Path]) -> None:
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
