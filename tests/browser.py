"""Drives a real Chromium over its DevTools protocol; only what the tests of the page need."""

from __future__ import annotations

import base64
import itertools
import json
import re
import shutil
import subprocess
import time
import urllib.request
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any

from websockets.sync.client import connect

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
WAIT_S = 40.0


def chromium() -> str | None:
    """The program, if there is one."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class Tab:
    """One page."""

    def __init__(self, address: str) -> None:
        self._stack = ExitStack()
        self._socket = self._stack.enter_context(connect(address, max_size=2**26, open_timeout=WAIT_S))
        self._numbers = itertools.count(1)
        self.problems: list[str] = []
        self.call("Runtime.enable")
        self.call("Log.enable")
        self.call("Page.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            message = json.loads(self._socket.recv(timeout=WAIT_S))
            self._note(message)
            if message.get("id") == number:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']}")
                return message["result"]

    def _note(self, message: dict[str, Any]) -> None:
        if message.get("method") == "Runtime.exceptionThrown":
            detail = message["params"]["exceptionDetails"]
            self.problems.append(detail.get("exception", {}).get("description", detail["text"]))
        if message.get("method") == "Log.entryAdded" and message["params"]["entry"]["source"] == "security":
            self.problems.append(message["params"]["entry"]["text"])

    def value(self, expression: str) -> Any:
        """What an expression is in the page; a promise is waited for."""
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise RuntimeError(str(result["exceptionDetails"]))
        return result["result"].get("value")

    def wait_for(self, expression: str, within_s: float = WAIT_S) -> None:
        """Until an expression is true in the page."""
        end_s = time.monotonic() + within_s
        while not self.value(expression):
            if time.monotonic() > end_s:
                shown = self.value("document.body.dataset.state + ' | ' + document.body.innerText")
                raise AssertionError(f"never true: {expression}; the page shows: {shown}; {self.problems}")
            time.sleep(0.1)

    def open(self, url: str) -> None:
        self.call("Page.navigate", url=url)
        self.wait_for("document.readyState === 'complete' && !!document.body.dataset.state")

    def press(self, key: str, code: str, number: int) -> None:
        """A key, as if pressed by hand; the browser counts it as a gesture of the user."""
        where = {"key": key, "code": code, "windowsVirtualKeyCode": number}
        text = {"text": "\r"} if key == "Enter" else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", **where, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", **where)

    def click(self, selector: str) -> None:
        """The middle of an element, with the mouse."""
        self.value(f"document.querySelector({selector!r}).scrollIntoView({{block: 'center'}})")
        box = self.value(
            f"(({{x, y, width, height}}) => [x + width / 2, y + height / 2])"
            f"(document.querySelector({selector!r}).getBoundingClientRect())"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=box[0], y=box[1], button="left", clickCount=1)

    def picture(self, path: Path) -> None:
        """A picture of what is seen."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))

    def close(self) -> None:
        with suppress(Exception):  # it may have gone already
            self.call("Page.close")
        self._stack.close()


class Browser:
    """A running Chromium without a window."""

    def __init__(self, port: int) -> None:
        self._port = port

    def tab(self) -> Tab:
        request = urllib.request.Request(f"http://127.0.0.1:{self._port}/json/new?about:blank", method="PUT")
        with urllib.request.urlopen(request, timeout=WAIT_S) as answer:
            return Tab(json.load(answer)["webSocketDebuggerUrl"])

    def allow_camera(self, tab: Tab, url: str, allowed: bool) -> None:
        setting = "granted" if allowed else "denied"
        origin = url.rstrip("/")
        tab.call("Browser.setPermission", permission={"name": "camera"}, setting=setting, origin=origin)


@contextmanager
def running(program: str, folder: Path, film: Path | None) -> Iterator[Browser]:
    """Start Chromium.

    Args:
        program: its path.
        folder: an empty one, for its profile.
        film: what its camera shows, over and over; None for no camera.
    """
    camera = (
        []
        if film is None
        else [
            "--use-fake-device-for-media-stream=fps=30",
            f"--use-file-for-fake-video-capture={film}",
        ]
    )
    process = subprocess.Popen(
        [
            program,
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--mute-audio",
            "--remote-debugging-port=0",
            f"--user-data-dir={folder}",
            "--window-size=1280,900",
            *camera,
            "about:blank",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if found := re.search(r"DevTools listening on ws://127.0.0.1:(\d+)/", line):
                break
        else:
            raise AssertionError("Chromium did not start")
        yield Browser(int(found[1]))
    finally:
        process.kill()
        process.wait()
        process.stderr.close()
