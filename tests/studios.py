"""A studio that runs in a process of its own, for tests."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kinebeat.studio.settings import Limits

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WAIT_S = 150.0
RUN = """
import json, sys
from pathlib import Path
from kinebeat.studio.server import serve
from kinebeat.studio.settings import Limits, StudioSettings
told = json.loads(sys.argv[1])
limits = Limits(**told.pop("limits"))
data = Path(told.pop("data"))
log = lambda text: print(text, file=sys.stderr, flush=True)
serve(StudioSettings(data, limits=limits, **told), ready=lambda url: print(json.dumps(url), flush=True), log=log)
"""


@dataclass
class Answer:
    """What a studio says to a request."""

    status: int
    headers: Any
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class RunningStudio:
    """A studio and how to speak with it.

    Attributes:
        url: of its page, with a slash at the end.
        process: it runs in.
        data: its folder.
    """

    url: str
    process: subprocess.Popen[str]
    data: Path

    @property
    def host(self) -> str:
        return self.url.removeprefix("http://").rstrip("/")

    def ask(self, path: str, method: str = "GET", content: Any = None, headers: dict[str, str] | None = None) -> Answer:
        """A request, with bytes or JSON."""
        body = content if content is None or isinstance(content, bytes) else json.dumps(content).encode()
        request = urllib.request.Request(self.url + path, body, headers or {}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=WAIT_S) as answer:
                return Answer(answer.status, answer.headers, answer.read())
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.headers, error.read())

    def upload(self, clip: Path, name: str | None = None, **options: str) -> dict[str, Any]:
        """Bring a clip; the job."""
        asked = urllib.parse.urlencode({"name": name or clip.name, **options})
        answer = self.ask(f"api/jobs?{asked}", "POST", clip.read_bytes())
        assert answer.status == 201, answer.body
        return answer.json

    def wait(self, job: str, states: tuple[str, ...] = ("done", "failed"), within_s: float = WAIT_S) -> dict[str, Any]:
        """Until a job is in one of some states."""
        end_s = time.monotonic() + within_s
        while (told := self.ask(f"api/jobs/{job}").json)["state"] not in states:
            assert time.monotonic() < end_s, told
            time.sleep(0.05)
        return told

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End it; its exit code."""
        self.process.send_signal(number)
        return self.process.wait(WAIT_S)


@contextmanager
def running_studio(data: Path, **settings: Any) -> Iterator[RunningStudio]:
    """Run a studio on a free port.

    Args:
        data: its folder.
        settings: those of `StudioSettings`, and of `Limits`.
    """
    limits = {name: settings.pop(name) for name in list(settings) if name in Limits.__dataclass_fields__}
    told = {"data": str(data), "port": 0, "limits": {"free_bytes": 0, **limits}, **settings}
    process = subprocess.Popen([sys.executable, "-c", RUN, json.dumps(told)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, "the studio did not start"
        yield RunningStudio(json.loads(line), process, data)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(WAIT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        process.stdout.close()
