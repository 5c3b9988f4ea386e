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
        while not self._settled(expression):
            if time.monotonic() > end_s:
                shown = self.value("document.body.dataset.state + ' | ' + document.body.innerText")
                raise AssertionError(f"never true: {expression}; the page shows: {shown}; {self.problems}")
            time.sleep(0.1)

    def _settled(self, expression: str) -> bool:
        """Whether an expression is true; not in a page that is just being left."""
        try:
            return bool(self.value(expression))
        except RuntimeError as error:
            if "navigated" in str(error) or "context" in str(error):
                return False
            raise

    def open(self, url: str) -> None:
        self.call("Page.navigate", url=url)
        self.wait_for("document.readyState === 'complete' && !!document.body.dataset.state")

    def press(self, key: str, code: str, number: int, modifiers: int = 0) -> None:
        """A key, as if pressed by hand; the browser counts it as a gesture of the user.

        Modifiers are 2 for control and 8 for shift, or their sum.
        """
        where = {"key": key, "code": code, "windowsVirtualKeyCode": number, "modifiers": modifiers}
        text = {"text": {"Enter": "\r", " ": " "}[key]} if key in ("Enter", " ") else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", **where, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", **where)

    def click(self, selector: str) -> None:
        """The middle of an element, with the mouse; an element that is just being made anew is waited for."""
        found = (
            f"((element) => {{ if (!element) return null; element.scrollIntoView({{block: 'center'}});"
            "const {x, y, width, height} = element.getBoundingClientRect(); return [x + width / 2, y + height / 2]; })"
            f"(document.querySelector({selector!r}))"
        )
        end_s = time.monotonic() + WAIT_S
        while (box := self.value(found)) is None:
            assert time.monotonic() < end_s, f"never there: {selector}"
            time.sleep(0.1)
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=box[0], y=box[1], button="left", clickCount=1)

    def drag(self, begin: tuple[float, float], end: tuple[float, float]) -> None:
        """Hold the mouse at one place of the window and let go at another."""
        places = [begin, ((begin[0] + end[0]) / 2, (begin[1] + end[1]) / 2), end]
        self._mouse("mousePressed", places[0])
        for place in places:
            self._mouse("mouseMoved", place)
        self._mouse("mouseReleased", end)

    def _mouse(self, kind: str, place: tuple[float, float]) -> None:
        held = {"button": "left", "buttons": 1, "clickCount": 1}
        self.call("Input.dispatchMouseEvent", type=kind, x=place[0], y=place[1], **held)

    def box(self, selector: str) -> tuple[float, float, float, float]:
        """Where an element is in the window once it is in sight: left, top, width, height."""
        self.value(f"document.querySelector({selector!r}).scrollIntoView({{block: 'center'}})")
        found = f"document.querySelector({selector!r}).getBoundingClientRect()"
        left, top, width, height = self.value(f"(({{x, y, width, height}}) => [x, y, width, height])({found})")
        return left, top, width, height

    def choose_files(self, selector: str, *paths: Path) -> None:
        """Give files to an input, as if they were chosen by hand."""
        found = self.call("Runtime.evaluate", expression=f"document.querySelector({selector!r})")
        self.call("DOM.setFileInputFiles", objectId=found["result"]["objectId"], files=[str(path) for path in paths])

    def drop_files(self, selector: str, *paths: Path) -> None:
        """Drag files from the disk onto an element and let go."""
        left, top, width, height = self.box(selector)
        data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            self.call("Input.dispatchDragEvent", type=kind, x=left + width / 2, y=top + height / 2, data=data)

    def before_each_page(self, script: str) -> None:
        """Run a script in each page before its own."""
        self.call("Page.addScriptToEvaluateOnNewDocument", source=script)

    def look_like(self, width: int, scheme: str = "light", still: bool = False) -> None:
        """Be so wide, a telephone if that is narrow, light or dark, and still if things shall not move."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 500
        )
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        features.append({"name": "prefers-reduced-motion", "value": "reduce" if still else "no-preference"})
        self.call("Emulation.setEmulatedMedia", features=features)

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
