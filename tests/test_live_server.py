"""The page's server: what it serves, and whom it refuses."""

import http.client
import io
import json
import threading
import wave
from contextlib import suppress

import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from kinebeat.drums.kit import DRUMS
from kinebeat.live import server as servers
from kinebeat.live.events import Beat, Change, Hit
from kinebeat.live.inputs.browser import BrowserInput
from kinebeat.live.keypoints import Keypoints
from kinebeat.live.outputs.output import Seen
from kinebeat.live.outputs.samples import LAYERS, DrumSamples
from kinebeat.live.server import HEAD, TAKE, PageOutput, PageServer, ServerError, message_of
from kinebeat.live.session import Session
from kinebeat.live.settings import LiveSettings
from kinebeat.live.web import PAGE
from live_engines import Metronome

KEYPOINTS = Keypoints(np.full((17, 2), 10, np.float32), np.ones(17, np.float32), (40, 20))


class Running:
    """A server with a session whose pose finder remembers the pictures."""

    def __init__(self, port=0):
        self.pictures, self.notices = [], []
        source, page = BrowserInput(), PageOutput()
        silence = np.zeros((10, 2), np.float32)
        kit = DrumSamples(tuple(tuple(silence for _ in LAYERS) for _ in DRUMS))
        self.server = PageServer(source, page, lambda: kit, port)
        self.session = Session(
            source, Metronome, LiveSettings(), outputs=[page], find=self.find, notice=self.notices.append, keep=True
        )
        self.server.start(self.session)
        self.thread = threading.Thread(target=self.session.run, daemon=True)
        self.thread.start()

    def find(self, picture):
        self.pictures.append(picture)
        return KEYPOINTS

    def stop(self):
        self.session.stop()
        self.thread.join()
        self.server.stop()

    def get(self, path, host=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=20)
        connection.request("GET", path, headers={} if host is None else {"Host": host})
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer, content

    def page(self, origin=None, **more):
        port = self.server.port
        return connect(
            f"ws://127.0.0.1:{port}/live", origin=origin or f"http://127.0.0.1:{port}", open_timeout=20, **more
        )


@pytest.fixture(scope="module")
def running():
    running = Running()
    yield running
    running.stop()


def next_of(page, kind):
    """The next message of a kind."""
    for _ in range(500):
        message = json.loads(page.recv(timeout=20))
        if message["t"] == kind:
            return message
    raise AssertionError(kind)


def read_on(page):
    """Read until the connection ends."""
    while True:
        page.recv(timeout=20)


def frame(time_s, number, content=b"jpeg"):
    return HEAD.pack(time_s, number) + content


def now_of(page):
    page.send(json.dumps({"t": "ping", "id": 1}))
    return next_of(page, "pong")["now"]


def test_the_page_and_its_parts_are_served(running):
    for path, kind in (
        ("/", "text/html"),
        ("/main.js", "javascript"),
        ("/style.css", "text/css"),
        ("/icon.svg", "svg"),
    ):
        answer, content = running.get(path)
        assert answer.status == 200
        assert kind in answer.headers["content-type"]
        assert content
        assert "default-src 'self'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_every_part_that_the_page_names_is_there(running):
    folder = PAGE
    names = {path.name for path in folder.iterdir()}
    for path in folder.glob("*.js"):
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.startswith("import"):
                assert line.split('"')[1].removeprefix("./") in names


@pytest.mark.parametrize(
    "path", ["/../server.py", "/%2e%2e/server.py", "/..%2fserver.py", "/none", "/docs", "/openapi.json"]
)
def test_nothing_else_is_served(running, path):
    answer, content = running.get(path)
    assert answer.status == 404
    assert b"PageServer" not in content


def test_the_drums_are_served(running):
    answer, content = running.get("/drums/8/2.wav")
    assert answer.headers["content-type"] == "audio/wav"
    with wave.open(io.BytesIO(content)) as file:
        assert file.getnframes() == 10
    for path in ("/drums/9/0.wav", "/drums/0/3.wav"):
        assert running.get(path)[0].status == 404
    assert running.get("/drums/x/0.wav")[0].status == 400


def test_other_names_for_this_computer_are_refused(running):
    assert running.get("/", host="evil.example")[0].status == 421
    assert running.get("/", host=f"127.0.0.1:{running.server.port + 1}")[0].status == 421
    assert running.get("/", host=f"localhost:{running.server.port}")[0].status == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "https://127.0.0.1", "http://127.0.0.1:1", "null"])
def test_other_pages_are_refused(running, origin):
    with pytest.raises(InvalidStatus):
        running.page(origin)


def test_a_websocket_to_another_name_is_refused(running):
    port = running.server.port
    with pytest.raises(InvalidStatus):
        running.page(additional_headers={"Host": f"evil.example:{port}"})


def test_only_this_computer_is_listened_to(running):
    assert running.server._socket.getsockname()[0] == "127.0.0.1"


def test_frames_go_in_and_events_come_back(running):
    with running.page() as page:
        hello = next_of(page, "hello")
        assert hello["drums"] == [drum.name for drum in DRUMS]
        assert len(hello["joints"]) == 17
        now_s = now_of(page)
        page.send(frame(now_s, 7))
        came = {}
        while not {"seen", "beat", "hit"} <= came.keys():
            message = json.loads(page.recv(timeout=20))
            came.setdefault(message["t"], message)
        seen, beat, hit = came["seen"], came["beat"], came["hit"]
        assert seen["number"] == 7
        assert seen["joints"][0] == [0.25, 0.5]
        assert beat["tempo_bpm"] == 120
        assert beat["at"] == pytest.approx(now_s, abs=1e-9)  # on the page's own clock
        assert 0 < hit["velocity"] <= 1
        assert running.pictures[-1] == b"jpeg"


def test_frames_without_a_time_or_picture_are_left_out(running):
    with running.page() as page:
        next_of(page, "hello")
        before = len(running.pictures)
        for bad in (b"", b"short", HEAD.pack(1.0, 1), frame(float("nan"), 2)):
            page.send(bad)
        page.send(frame(now_of(page), 3, b"good"))
        while not (running.pictures and running.pictures[-1] == b"good"):
            next_of(page, "seen")
        assert len(running.pictures) == before + 1


def test_settings_are_changed_and_told(running):
    with running.page() as page:
        assert next_of(page, "hello")["mode"] == "groove"
        page.send(json.dumps({"t": "set", "mode": "both", "sensitivity": 2.0}))
        assert next_of(page, "settings") == {"t": "settings", "mode": "both", "sensitivity": 2.0}
        assert running.session.settings.mode == "both"
        for bad in ({"mode": "waltz"}, {"sensitivity": 99}, {"sensitivity": "x"}, {"mode": ["both"]}):
            page.send(json.dumps({"t": "set", **bad}))
            assert "text" in next_of(page, "problem")
        assert running.session.settings.mode == "both"
        page.send(json.dumps({"t": "set", "mode": "groove", "sensitivity": 1.0}))
        next_of(page, "settings")


@pytest.mark.parametrize("text", ["{", "[]", "7", "null", '{"t": []}', '{"t": "shutdown"}', "{}"])
def test_messages_that_mean_nothing_are_answered_and_do_no_harm(running, text):
    with running.page() as page:
        next_of(page, "hello")
        page.send(text)
        assert next_of(page, "problem")
        assert now_of(page) > 0


def test_a_second_page_waits_or_takes_over(running):
    with running.page() as first:
        next_of(first, "hello")
        with running.page() as second:
            assert json.loads(second.recv(timeout=20)) == {"t": "busy"}
            second.send("something else")
            second.send(TAKE)
            next_of(second, "hello")
            with pytest.raises(ConnectionClosed) as closed:
                read_on(first)
            assert closed.value.rcvd.code == servers.TAKEN_OVER
            assert now_of(second) > 0


def test_a_second_page_plays_when_the_first_has_gone(running):
    with running.page() as first:
        next_of(first, "hello")
        with running.page() as second:
            assert json.loads(second.recv(timeout=20)) == {"t": "busy"}
            first.close()
            next_of(second, "hello")
            assert now_of(second) > 0


def test_messages_that_are_too_large_end_the_connection(running):
    with running.page() as page:
        next_of(page, "hello")
        page.send(bytes(servers.LARGEST_MESSAGE + 1))
        with pytest.raises(ConnectionClosed):
            read_on(page)
    with running.page() as page:  # and the next is welcome
        next_of(page, "hello")


def test_a_flood_of_messages_ends_the_connection(running):
    with running.page() as page:
        next_of(page, "hello")
        with suppress(ConnectionClosed):
            for _ in range(5 * servers.MOST_MESSAGES_PER_S):
                page.send('{"t":"ping","id":0}')
        with pytest.raises(ConnectionClosed) as closed:
            read_on(page)
        assert closed.value.rcvd.code == servers.TOO_MUCH


def test_more_frames_than_a_camera_gives_are_left_out(running, monkeypatch):
    monkeypatch.setattr(servers, "MOST_FRAMES_PER_S", 5)
    with running.page() as page:
        next_of(page, "hello")
        came = running.session.report().frames
        for number in range(50):
            page.send(frame(1.0, number))
        now_of(page)
        assert running.session.report().frames <= came + 10


def test_notices_reach_the_page(running):
    with running.page() as page:
        next_of(page, "hello")
        running.server.notice("the camera is gone")
        assert next_of(page, "notice")["text"] == "the camera is gone"


def test_a_slow_page_gets_no_old_pictures_and_every_event(running):
    server, sent = running.server, []

    class Loop:
        def call_soon_threadsafe(self, call, *arguments):
            call(*arguments)

    import asyncio

    guest = servers._Guest(None, asyncio.Queue(servers.MOST_WAITING))
    kept = server._guest, server._loop
    server._guest, server._loop = guest, Loop()
    try:
        for number in range(50):
            server.send({"t": "seen", "number": number}, True)
            server.send({"t": "hit", "number": number}, False)
        while not guest.waiting.empty():
            sent.append(json.loads(guest.waiting.get_nowait())["t"])
    finally:
        server._guest, server._loop = kept
    assert sent.count("hit") == 50
    assert sent.count("seen") <= servers.SEEN_WAITING + 1


def test_a_port_in_use_is_an_error_with_a_remedy(running):
    with pytest.raises(ServerError, match="--port"):
        PageServer(BrowserInput(), PageOutput(), lambda: None, running.server.port)
    with pytest.raises(ServerError, match="--port"):
        PageServer(BrowserInput(), PageOutput(), lambda: None, 70000)


def test_messages_hold_what_they_tell():
    assert message_of(Beat(1.0, 2, 3, 100.0, 0.5)) == {
        "t": "beat", "at": 1.0, "number": 2, "in_bar": 3, "tempo_bpm": 100.0, "confidence": 0.5
    }  # fmt: skip
    assert message_of(Hit(1.0, 2, 0.5, 4, "left_wrist"))["joint"] == "left_wrist"
    assert message_of(Change(1.0, "ending", "why"))["mood"] == "ending"
    xy = KEYPOINTS.xy.copy()
    xy[5] = np.nan
    joints = message_of(Seen(1.0, Keypoints(xy, KEYPOINTS.score, (40, 20)), 9, 0.1))["joints"]
    assert joints[5] is None
    assert joints[4] == [0.25, 0.5]
    assert message_of(Seen(1.0, None, 9, 0.1))["joints"] is None


def test_the_connection_ends_with_the_server():
    running = Running()
    with running.page() as page:
        next_of(page, "hello")
        running.stop()
        with pytest.raises(ConnectionClosed):
            read_on(page)
