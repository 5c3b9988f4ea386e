"""The page of `kinebeat live`, served to browsers on this computer only.

One page plays at a time. Over its WebSocket come text messages (JSON with a `t` that says what they are) and frames: an
8-byte little-endian float, when the frame was taken in seconds on the session's clock, a 4-byte number, and a JPEG.
Back go what was seen, events with the time they are due, and settings.

Nobody else gets in: the server listens on the loopback address, stands behind the guard of `kinebeat.serving`, and
bounds what a message may hold and how many may come.
"""

from __future__ import annotations

import asyncio
import json
import struct
import threading
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from kinebeat import __version__
from kinebeat.audio import pcm_16, wav_16
from kinebeat.drums.kit import DRUMS
from kinebeat.errors import OptionError
from kinebeat.live.events import Beat, Change, Event
from kinebeat.live.outputs.output import Output, Seen
from kinebeat.live.outputs.samples import LAYERS, DrumSamples
from kinebeat.score import CHOKED, CHOKING
from kinebeat.serving.allowance import Allowance
from kinebeat.serving.sockets import LOOPBACK, ServerError, listening
from kinebeat.skeleton import LAYOUTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi import WebSocket

    from kinebeat.live.inputs.browser import BrowserInput
    from kinebeat.live.session import Session

HEAD = struct.Struct("<dI")
LARGEST_MESSAGE = 512 * 1024
MOST_FRAMES_PER_S, MOST_MESSAGES_PER_S = 70, 200
SEEN_WAITING, MOST_WAITING = 10, 2000
"""Messages that a slow page may leave lying: what was seen is left out beyond the one, it is cut off at the other."""
TAKE = '{"t":"take"}'
"""What a second page says to play in place of the first."""
TAKEN_OVER, TOO_MUCH = 4001, 1008
START_S, TURN_S = 15.0, 0.2
"""How long the server may take to start, and how often a second page looks whether the first has gone."""


@dataclass
class _Guest:
    """The page that plays, and what waits to be sent to it."""

    socket: WebSocket
    waiting: asyncio.Queue[str]


class PageOutput(Output):
    """Sends what is seen and what is to be played to the page as soon as it is known: the page keeps time itself."""

    name = "page"

    def __init__(self) -> None:
        self._send: Callable[[dict[str, Any], bool], None] | None = None

    def connect(self, send: Callable[[dict[str, Any], bool], None]) -> None:
        """Where messages go: a function of the message and whether it may be left out."""
        self._send = send

    def announce(self, item: Event | Seen) -> None:
        """Send it on."""
        if self._send is not None:
            self._send(message_of(item), isinstance(item, Seen))


def message_of(item: Event | Seen) -> dict[str, Any]:
    """An event, or what was seen in a frame, as the page gets it; unseen joints are null."""
    if isinstance(item, Seen):
        joints = None
        if item.keypoints is not None:
            shares = item.keypoints.shares.tolist()
            joints = [None if x != x else [round(x, 4), round(y, 4)] for x, y in shares]
        return {"t": "seen", "number": item.number, "joints": joints, "idle": item.idle, "at": item.time_s}
    kind = "beat" if isinstance(item, Beat) else "change" if isinstance(item, Change) else "hit"
    content = asdict(item)
    content["at"] = content.pop("time_s")
    return {"t": kind, **content}


class PageServer:
    """Serves the page in a thread of its own.

    Args:
        source: takes the frames of the browser.
        output: the session's output that belongs to the page.
        samples: makes the recordings of the drums; called once, in another thread.
        port: of the page; 0 takes any that is free.

    Raises:
        ServerError: the port is in use.
    """

    def __init__(
        self, source: BrowserInput, output: PageOutput, samples: Callable[[], DrumSamples], port: int = 0
    ) -> None:
        self._source, self._samples = source, samples
        self._session: Session | None = None
        self._guest: _Guest | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._recordings: dict[tuple[int, int], bytes] | None = None
        self._recording = threading.Lock()
        self._socket = listening(port)
        self.port: int = self._socket.getsockname()[1]
        self._thread: threading.Thread | None = None
        output.connect(self.send)

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://{LOOPBACK}:{self.port}/"

    def start(self, session: Session) -> None:
        """Begin to serve.

        Args:
            session: whose settings the page may change.

        Raises:
            ServerError: the server does not come up.
        """
        from kinebeat.live.web import application
        from kinebeat.serving.guard import guarded
        from kinebeat.serving.names import own_names
        from kinebeat.serving.running import server_of

        self._session = session
        app = guarded(application(self.recordings, self.play_with), own_names(LOOPBACK, self.port))
        self._uvicorn = server_of(app, largest_message=LARGEST_MESSAGE)
        self._thread = threading.Thread(target=self._serve, name="page", daemon=True)
        self._thread.start()
        threading.Thread(target=self.recordings, daemon=True).start()
        end_s = time.monotonic() + START_S
        while not self._uvicorn.started:
            if not self._thread.is_alive() or time.monotonic() > end_s:
                raise ServerError(f"the page cannot be served at {self.url}")
            time.sleep(0.02)

    def stop(self) -> None:
        """End; pages are told by the end of their connection."""
        if self._thread is not None:
            self._uvicorn.should_exit = True
            self._thread.join(5.0)
        self._socket.close()

    def notice(self, text: str) -> None:
        """Tell the page a sentence."""
        self.send({"t": "notice", "text": text}, False)

    def send(self, message: dict[str, Any], may_be_left_out: bool) -> None:
        """Send a message to the page that plays, if there is one; from any thread, never waits."""
        loop = self._loop
        if loop is not None and self._guest is not None:
            with suppress(RuntimeError):  # the loop has just ended
                loop.call_soon_threadsafe(self._queue, json.dumps(message), may_be_left_out)

    def recordings(self) -> dict[tuple[int, int], bytes]:
        """WAV files of the drums by drum and layer; made when they are first asked for."""
        with self._recording:
            if self._recordings is None:
                waves = self._samples().waves
                self._recordings = {
                    (d, k): wav_16(pcm_16(wave)) for d, own in enumerate(waves) for k, wave in enumerate(own)
                }
            return self._recordings

    def _serve(self) -> None:
        asyncio.run(self._uvicorn.serve(sockets=[self._socket]))

    def _queue(self, text: str, may_be_left_out: bool) -> None:
        guest = self._guest
        if guest is None or (may_be_left_out and guest.waiting.qsize() > SEEN_WAITING):
            return
        try:
            guest.waiting.put_nowait(text)
        except asyncio.QueueFull:
            self._guest = None
            self._spawn(guest.socket.close(TOO_MUCH, "the page does not read"))

    def _spawn(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        task.add_done_callback(lambda done: done.exception())

    async def play_with(self, websocket: WebSocket) -> None:
        """One page's connection, from its beginning to its end."""
        await websocket.accept()
        self._loop = asyncio.get_running_loop()
        if self._guest is not None:
            await websocket.send_text(json.dumps({"t": "busy"}))
            await self._turn(websocket)
        earlier = self._guest
        guest = self._guest = _Guest(websocket, asyncio.Queue(MOST_WAITING))
        guest.waiting.put_nowait(json.dumps(self._hello()))
        sender = asyncio.ensure_future(_send_all(guest))
        try:
            if earlier is not None:
                with suppress(RuntimeError, OSError):
                    await earlier.socket.close(TAKEN_OVER, "taken over")
            await self._listen(guest)
        finally:
            sender.cancel()
            if self._guest is guest:
                self._guest = None

    async def _turn(self, websocket: WebSocket) -> None:
        """Until a second page takes over, or the first has gone."""
        said = asyncio.ensure_future(websocket.receive_text())
        try:
            while self._guest is not None:
                await asyncio.wait({said}, timeout=TURN_S)
                if said.done():
                    if said.result() == TAKE:
                        return
                    said = asyncio.ensure_future(websocket.receive_text())
        finally:
            said.cancel()

    async def _listen(self, guest: _Guest) -> None:
        frames, messages = Allowance(MOST_FRAMES_PER_S), Allowance(MOST_MESSAGES_PER_S)
        while True:
            message = await guest.socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            if self._guest is not guest:
                continue
            content = message.get("bytes")
            if not messages.one_more():
                await guest.socket.close(TOO_MUCH, "too many messages")
                return
            if content is not None:
                if len(content) > HEAD.size and frames.one_more():
                    time_s, number = HEAD.unpack_from(content)
                    if time_s == time_s:
                        self._source.hand_in(content[HEAD.size :], time_s, number)
                continue
            answer = self._answer(message.get("text") or "")
            if answer is not None:
                guest.waiting.put_nowait(json.dumps(answer))

    def _answer(self, text: str) -> dict[str, Any] | None:
        """What is said to a text message."""
        session = self._session
        try:
            message = json.loads(text)
            kind = message["t"]
        except (ValueError, TypeError, KeyError):
            return {"t": "problem", "text": "a message that cannot be read"}
        if session is None:
            return None
        if kind == "ping":
            return {"t": "pong", "id": message.get("id"), "now": session.clock.now_s()}
        if kind != "set":
            return {"t": "problem", "text": f"a message of an unknown kind: {str(kind)[:20]}"}
        wanted = {key: message[key] for key in ("mode", "sensitivity") if key in message}
        try:
            settings = replace(session.settings, **wanted)
        except (OptionError, TypeError) as error:
            return {"t": "problem", "text": str(error)}
        if settings != session.settings:
            session.change(settings)
        return {"t": "settings", "mode": settings.mode, "sensitivity": settings.sensitivity}

    def _hello(self) -> dict[str, Any]:
        """What a page has to know first."""
        session = self._session
        layout = LAYOUTS["rhythmicnet17"]
        return {
            "t": "hello",
            "version": __version__,
            "drums": [drum.name for drum in DRUMS],
            "layers": LAYERS,
            "choked": CHOKED,
            "choking": CHOKING,
            "joints": layout.joints,
            "bones": layout.bone_indices,
            "mode": session.settings.mode if session else "groove",
            "sensitivity": session.settings.sensitivity if session else 1.0,
        }


async def _send_all(guest: _Guest) -> None:
    """Send what waits, for as long as the connection holds."""
    from fastapi import WebSocketDisconnect

    with suppress(RuntimeError, OSError, WebSocketDisconnect):
        while True:
            await guest.socket.send_text(await guest.waiting.get())
