"""A studio in a process of its own, as its users have it, and what can be asked of it."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import psutil
from websockets.sync.client import connect

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

WAIT_S = 60.0
SAYS = "the studio is at http://127.0.0.1:"
START = "import sys; from kinebeat.cli import main; sys.argv[0] = 'kinebeat'; main()"


class StudioProcess:
    """`kinebeat studio` with a folder.

    Args:
        data: the folder.
        words: more options.
        password: to be set.
        before: what the process does first, Python.
        inside: words of a program that starts it.
        host: to serve on.
    """

    def __init__(
        self,
        data: Path,
        *words: object,
        password: str | None = None,
        before: str = "",
        inside: Sequence[str] = (),
        host: str | None = None,
    ) -> None:
        self.data = data
        command = [sys.executable, "-c", f"{before}\n{START}", "studio", "--data", str(data), "--no-browser", "--quiet"]
        environment = {key: value for key, value in os.environ.items() if key != "KINEBEAT_PASSWORD"}
        if password is not None:
            environment["KINEBEAT_PASSWORD"] = password
        where = [] if host is None else ["--host", host]
        self.errors = data.parent / f"{data.name}.errors"
        with self.errors.open("ab") as errors:
            self.process = subprocess.Popen(
                [*inside, *command, "--port", "0", *where, *map(str, words)],
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment,
                text=True,
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        self.said = line.strip()
        self.port = int(self.said.rpartition(":")[2].rstrip("/")) if self.said else 0
        self.cookie: str | None = None

    @property
    def log(self) -> str:
        """What it said of what went wrong inside."""
        return self.errors.read_text(encoding="utf-8")

    def ask(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None, timeout_s: float = WAIT_S
    ) -> tuple[int, Any, Any]:
        """Status, body (JSON read, if it is JSON) and headers of an answer."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout_s)) as connection:
            content = json.dumps(body) if isinstance(body, (dict, list)) else body
            own = {} if self.cookie is None else {"Cookie": self.cookie}
            connection.request(method, path, content, {**own, **(headers or {})})
            answer = connection.getresponse()
            said = answer.read()
            if said and answer.headers.get("content-type", "").startswith("application/json"):
                said = json.loads(said)
            return answer.status, said, answer.headers

    def upload(self, source: Path | bytes, name: str = "clip.mp4", **options: str) -> tuple[int, Any, Any]:
        """Bring a clip."""
        more = "".join(f"&{key}={quote(value)}" for key, value in options.items())
        content = source if isinstance(source, (bytes, bytearray)) else source.read_bytes()
        return self.ask("POST", f"/api/jobs?name={quote(name, safe='')}{more}", content)

    def job(self, name: str) -> dict[str, Any]:
        """How a job stands."""
        status, job, _ = self.ask("GET", f"/api/jobs/{name}")
        assert status == 200, job
        return job

    def done(self, name: str) -> dict[str, Any]:
        """Until a job is done, which it must be."""
        job = self.wait(name)
        assert job["state"] == "done", job
        return job

    def jobs(self) -> list[dict[str, Any]]:
        """All of them."""
        return self.ask("GET", "/api/jobs")[1]["jobs"]

    def wait(
        self, name: str, states: tuple[str, ...] = ("done", "failed"), within_s: float = WAIT_S, every_s: float = 0.02
    ) -> dict[str, Any]:
        """Until a job has come so far."""
        end_s = time.monotonic() + within_s
        while (job := self.job(name))["state"] not in states:
            assert time.monotonic() < end_s, job
            time.sleep(every_s)
        return job

    def events(self, origin: str | None = None, **more: Any) -> Any:
        """The door of the pages' WebSockets."""
        headers = {} if self.cookie is None else {"Cookie": self.cookie}
        return connect(
            f"ws://127.0.0.1:{self.port}/api/events",
            origin=origin or f"http://127.0.0.1:{self.port}",
            open_timeout=20,
            additional_headers={**headers, **more.pop("headers", {})},
            **more,
        )

    def family(self) -> list[psutil.Process]:
        """All processes that it has started, and theirs."""
        with suppress(psutil.NoSuchProcess):
            return psutil.Process(self.process.pid).children(recursive=True)
        return []

    def end(self, number: signal.Signals = signal.SIGTERM, within_s: float = 20.0) -> int:
        """End it; its exit code. Its workers must be gone, too."""
        family = self.family()
        with suppress(ProcessLookupError):
            self.process.send_signal(number)
        code = self.process.wait(within_s)
        if self.process.stdout is not None:
            self.process.stdout.close()
        end_s = time.monotonic() + 10
        while alive := [one for one in family if _lives(one)]:
            assert time.monotonic() < end_s, alive
            time.sleep(0.02)
        return code

    def strays(self) -> list[str]:
        """Files that nobody should find."""
        known = {job["id"] for job in self.jobs()}
        folders = [path.name for path in (self.data / "jobs").iterdir() if path.name not in known]
        hidden = [str(path.relative_to(self.data)) for path in self.data.rglob(".kinebeat-*")]
        return folders + hidden


def _lives(process: psutil.Process) -> bool:
    """Whether a process still does anything; one whose parent has gone may wait long for being buried."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def is_plain(said: Any, *words: str) -> bool:
    """Whether an error is one for users: sentences in our form, without paths, tracebacks, or these words."""
    if not isinstance(said, dict) or said.keys() != {"problem", "remedy"}:
        return False
    text = f"{said['problem']} {said['remedy']}"
    return not any(word in text for word in ("/", "\\", "Traceback", "Error", "File ", "kinebeat.", *words))
