"""What stands before the pages' servers: names, pages, bodies, errors, the password."""

import asyncio
import http.client
import json
import socket
import threading
import time
from contextlib import closing

import pytest
from fastapi import FastAPI, HTTPException, Request, WebSocket
from starlette.responses import PlainTextResponse
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from kinebeat.errors import OptionError
from kinebeat.serving import password as passwords
from kinebeat.serving import running as runnings
from kinebeat.serving.allowance import Allowance
from kinebeat.serving.answers import error_body
from kinebeat.serving.bodies import BodyRefusedError, BoundedBody
from kinebeat.serving.guard import guarded
from kinebeat.serving.names import is_loopback, own_names
from kinebeat.serving.password import ATTEMPTS, MOST_SESSIONS, SESSION_S, WITHIN_S, Door
from kinebeat.serving.running import server_of
from kinebeat.serving.sockets import ServerError, listening

LARGEST = 1000
SECRET = "no rose without thorns"


def an_application(seen):
    """Routes that do what applications do, and what they should not."""
    app = FastAPI(openapi_url=None)

    @app.get("/")
    async def page():
        return PlainTextResponse("the page", headers={"Cache-Control": "max-age=5"})

    @app.post("/count")
    async def count(request: Request):
        size = 0
        try:
            async for part in request.stream():
                size += len(part)
        except BaseException as error:
            seen.append(type(error).__name__)
            raise
        seen.append(size)
        return {"size": size}

    @app.get("/number/{number}")
    async def number(number: int):
        return number

    @app.get("/broken")
    async def broken():
        raise RuntimeError(f"cannot read /secret/{SECRET}")

    @app.get("/told")
    async def told():
        raise HTTPException(404, f"/secret/{SECRET} is not there")

    @app.get("/late")
    async def late():
        async def parts():
            yield b"half"
            raise RuntimeError(SECRET)

        from starlette.responses import StreamingResponse

        return StreamingResponse(parts(), headers={"Content-Length": "8"})

    @app.get("/login")
    async def login():
        return PlainTextResponse("say it")

    @app.get("/login.css")
    async def css():
        return PlainTextResponse("body {}")

    @app.websocket("/talk")
    async def talk(websocket: WebSocket):
        await websocket.accept()
        while True:
            text = await websocket.receive_text()
            if text == "break":
                raise RuntimeError(SECRET)
            await websocket.send_text(text)

    return app


def wait_for(so):
    """Until something is so."""
    end_s = time.monotonic() + 20
    while not so():
        assert time.monotonic() < end_s
        time.sleep(0.01)


class Running:
    """The application on a port of its own."""

    def __init__(self, password=None, patience_s=20.0):
        self.seen, self.logged = [], []
        self.socket = listening(0)
        self.port = self.socket.getsockname()[1]
        door = None if password is None else Door(password, port=self.port, open_paths=["/login.css"])
        app = guarded(
            an_application(self.seen),
            own_names("127.0.0.1", self.port, ["studio.local"]),
            door=door,
            largest_body=LARGEST,
            patience_s=patience_s,
            log=self.logged.append,
        )
        self.server = server_of(app, largest_message=5000)
        self.thread = threading.Thread(
            target=lambda: asyncio.run(self.server.serve(sockets=[self.socket])), daemon=True
        )
        self.thread.start()

    def stop(self):
        self.server.should_exit = True
        self.thread.join()
        self.socket.close()

    def ask(self, method, path, body=None, headers=None):
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)) as connection:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()

    def talk(self, origin=None, **more):
        origin = origin or f"http://127.0.0.1:{self.port}"
        return connect(f"ws://127.0.0.1:{self.port}/talk", origin=origin, open_timeout=20, **more)

    def raw(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)


@pytest.fixture(scope="module")
def running():
    running = Running()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def locked():
    locked = Running(SECRET)
    yield locked
    locked.stop()


# Names


def test_a_server_on_this_computer_has_three_names():
    names = own_names("127.0.0.1", 8765)
    for host in ("127.0.0.1:8765", "localhost:8765", "LOCALHOST:8765", "[::1]:8765"):
        assert names.has(host)
    for host in ("", "127.0.0.1", "localhost", "127.0.0.1:8766", "192.168.0.2:8765", "evil.example:8765",
                 "localhost.:8765", "127.0.0.1:8765@evil.example", "127.0.0.1:08765", "0x7f.1:8765"):  # fmt: skip
        assert not names.has(host)


def test_a_server_on_all_interfaces_takes_addresses_and_no_unknown_name():
    for everywhere in ("0.0.0.0", "::"):
        names = own_names(everywhere, 8765, ["Studio.local"])
        for host in ("192.168.0.2:8765", "[fe80::1]:8765", "studio.local:8765", "studio.local", "localhost:8765"):
            assert names.has(host)
        for host in ("evil.example:8765", "192.168.0.2", "192.168.0.2:80", "[fe80::1]", "1.2.3:8765", "[1.2.3.4]:8765",
                     "studio.local.evil.example:8765", ":8765", "[]:8765"):  # fmt: skip
            assert not names.has(host)


def test_the_usual_port_is_left_out_by_browsers():
    assert own_names("127.0.0.1", 80).has("127.0.0.1")
    assert own_names("0.0.0.0", 80).has("10.0.0.1")
    assert own_names("0.0.0.0", 80).has("[::1]")


def test_a_page_is_our_own_only_under_the_name_it_was_asked_for():
    names = own_names("0.0.0.0", 8765, ["studio.local"])
    assert names.is_own_page("http://10.0.0.1:8765", "10.0.0.1:8765")
    assert not names.is_own_page("http://10.0.0.9:8765", "10.0.0.1:8765")
    assert not names.is_own_page("https://10.0.0.1:8765", "10.0.0.1:8765")
    assert not names.is_own_page("null", "10.0.0.1:8765")
    assert not names.is_own_page("", "")
    assert not names.is_own_page("http://evil.example", "evil.example")
    assert names.is_own_page("https://studio.local", "studio.local")  # a proxy with TLS stands before it


@pytest.mark.parametrize("name", ["http://studio.local", "a:1", "", "a/b", "a b", "-a", "ä.de", "a" * 300])
def test_what_is_no_name_is_refused(name):
    with pytest.raises(OptionError, match="no name of a computer"):
        own_names("127.0.0.1", 1, [name])


def test_loopback_is_known():
    assert all(is_loopback(host) for host in ("127.0.0.1", "127.1.2.3", "::1", "localhost", "[::1]"))
    assert not any(is_loopback(host) for host in ("0.0.0.0", "::", "192.168.0.2", "example.org", ""))


# Sockets


def test_one_port_is_one_servers():
    with listening(0) as first:
        port = first.getsockname()[1]
        for host in ("127.0.0.1", "0.0.0.0"):
            with pytest.raises(ServerError, match=f"port {port}.*--port"):
                listening(port, host)


@pytest.mark.parametrize("port", [-1, 65536, 70000])
def test_no_such_port(port):
    with pytest.raises(ServerError, match="--port"):
        listening(port)


@pytest.mark.parametrize("host", ["192.0.2.7", "no.such.host.invalid", "a" * 300, "bad host"])
def test_an_address_of_somebody_else_is_refused(host):
    with pytest.raises(ServerError):
        listening(0, host)


# The guard


def test_answers_say_what_a_page_may_do_and_keep_what_the_application_says(running):
    status, headers, body = running.ask("GET", "/")
    assert (status, body) == (200, b"the page")
    assert "default-src 'self'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers.get_all("cache-control") == ["max-age=5"]
    assert "server" not in headers
    assert running.ask("GET", "/number/1")[1]["cache-control"] == "no-store"


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1", "127.0.0.1:1", "[::ffff:127.0.0.1]"])
def test_other_names_are_refused(running, host):
    status, headers, body = running.ask("GET", "/", headers={"Host": host})
    assert status == 421
    assert json.loads(body).keys() == {"problem", "remedy"}
    assert "content-security-policy" in headers


def test_own_names_are_served(running):
    for host in (f"localhost:{running.port}", f"[::1]:{running.port}", "studio.local", f"Studio.Local:{running.port}"):
        assert running.ask("GET", "/", headers={"Host": host})[0] == 200


@pytest.mark.parametrize(
    "request_line", ["GET / HTTP/1.0\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "GET / HTTP/1.1\r\n\r\n"]
)
def test_no_name_or_two_are_refused(running, request_line):
    with running.raw() as client:
        client.sendall(request_line.encode())
        said = client.makefile("rb").readline()
    assert said.split()[1] in (b"421", b"400")


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": "http://localhost:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_other_pages_change_nothing(running, headers):
    before = list(running.seen)
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        status, _, body = running.ask(method, "/count", b"1", headers)
        assert status == 403
        assert json.loads(body)["problem"] == "the request comes from another page"
    assert running.seen == before


def test_our_own_page_and_programs_change_what_they_like(running):
    own = f"http://127.0.0.1:{running.port}"
    for headers in ({"Origin": own, "Sec-Fetch-Site": "same-origin"}, {}, {"Sec-Fetch-Site": "none"}):
        assert running.ask("POST", "/count", b"123", headers)[0] == 200
        assert running.seen[-1] == 3
    localhost = f"localhost:{running.port}"
    assert running.ask("POST", "/count", b"1", {"Host": localhost, "Origin": f"http://{localhost}"})[0] == 200
    assert running.ask("POST", "/count", b"1", {"Host": localhost, "Origin": own})[0] == 403


def test_other_pages_may_link_and_not_load(running):
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert running.ask("GET", "/", headers=link)[0] == 200
    for other in ({"Sec-Fetch-Mode": "no-cors"}, {"Sec-Fetch-Dest": "iframe"}, {"Sec-Fetch-Site": "same-site",
                  "Sec-Fetch-Mode": "cors"}):  # fmt: skip
        assert running.ask("GET", "/", headers={**link, **other})[0] == 403


def test_bodies_may_be_so_large(running):
    assert running.ask("POST", "/count", bytes(LARGEST))[0] == 200
    for body, headers in (
        (bytes(LARGEST + 1), {}),  # the length is said
        (iter([bytes(600), bytes(600)]), {"Transfer-Encoding": "chunked"}),
    ):
        before = len(running.seen)
        with closing(http.client.HTTPConnection("127.0.0.1", running.port, timeout=20)) as connection:
            connection.request("POST", "/count", body, headers, encode_chunked=not headers.get("Content-Length"))
            answer = connection.getresponse()
            assert answer.status == 413
            assert json.loads(answer.read())["problem"] == "what was sent is too large"
        assert running.seen[before:] in ([], ["BodyRefusedError"])


@pytest.mark.parametrize("length", ["99999999999999999999999", "-5", "1e3", "0x10", "5, 6", "²"])
def test_lengths_that_are_none_are_refused(running, length):
    with running.raw() as client:
        client.sendall(
            f"POST /count HTTP/1.1\r\nHost: 127.0.0.1:{running.port}\r\nContent-Length: {length}\r\n\r\n".encode()
            + bytes(10)
        )
        client.shutdown(socket.SHUT_WR)
        assert client.makefile("rb").readline().split()[1] in (b"400", b"413")


def test_more_than_was_said_is_another_request(running):
    with running.raw() as client:
        client.sendall(f"POST /count HTTP/1.1\r\nHost: 127.0.0.1:{running.port}\r\nContent-Length: 3\r\n\r\n".encode())
        client.sendall(b"abc" + bytes(100))
        answer = client.makefile("rb").read()
    assert b'{"size":3}' in answer
    assert answer.count(b"HTTP/1.1") <= 2
    assert running.seen[-1] == 3


def test_a_body_that_does_not_come_is_not_waited_for():
    running = Running(patience_s=0.3)
    try:
        with running.raw() as client:
            client.sendall(
                f"POST /count HTTP/1.1\r\nHost: 127.0.0.1:{running.port}\r\nContent-Length: 500\r\n\r\n12345".encode()
            )
            answer = client.makefile("rb").read()
        assert answer.startswith(b"HTTP/1.1 408")
        wait_for(lambda: running.seen == ["BodyRefusedError"])
        assert running.logged == []
    finally:
        running.stop()


def test_a_body_in_drops_is_cut_off_and_a_slow_one_is_not():
    async def taken(size, pause_s, parts):
        sent = 0

        async def receive():
            nonlocal sent
            await asyncio.sleep(pause_s)
            sent += 1
            return {"type": "http.request", "body": bytes(size), "more_body": sent < parts}

        body = BoundedBody(receive, 10**9, 0.1)
        try:
            while (await body())["more_body"]:
                pass
        except BodyRefusedError as error:
            return error.status
        return sent

    assert asyncio.run(taken(1, 0.01, 1000)) == 408
    assert asyncio.run(taken(1000, 0.01, 30)) == 30  # a thousand bytes buy more than the pause


@pytest.mark.parametrize(
    ("path", "status"), [("/none", 404), ("/number/x", 400), ("/broken", 500), ("/told", 404), ("/%00", 404)]
)
def test_errors_tell_nothing_of_what_went_wrong_inside(running, path, status):
    running.logged.clear()
    came, headers, body = running.ask("GET", path)
    assert came == status
    assert json.loads(body).keys() == {"problem", "remedy"}
    assert SECRET.encode() not in body
    assert b"/" not in body
    assert int(headers["content-length"]) == len(body)
    if status == 500:
        wait_for(lambda: running.logged)  # it is noted after the answer
    assert [SECRET in text for text in running.logged] == ([True] if status == 500 else [])


def test_an_answer_that_breaks_off_is_not_taken_for_whole(running):
    with pytest.raises(http.client.IncompleteRead) as broken:
        running.ask("GET", "/late")
    assert broken.value.partial == b"half"


def test_wrong_methods_are_told_so(running):
    assert running.ask("DELETE", "/")[0] == 405
    assert running.ask("TRACE", "/")[0] == 405


@pytest.mark.parametrize("origin", ["http://evil.example", "https://127.0.0.1:1", "null", "file://"])
def test_websockets_of_other_pages_are_refused(running, origin):
    with pytest.raises(InvalidStatus) as refused:
        running.talk(origin)
    assert refused.value.response.status_code == 403


def test_websockets_without_a_page_or_to_another_name_are_refused(running):
    with pytest.raises(InvalidStatus):
        connect(f"ws://127.0.0.1:{running.port}/talk", open_timeout=20)
    with pytest.raises(InvalidStatus):
        running.talk("http://evil.example", additional_headers={"Host": "evil.example"})


def test_websockets_of_our_page_talk_until_something_breaks(running):
    running.logged.clear()
    with running.talk() as page:
        page.send("hello")
        assert page.recv(timeout=20) == "hello"
        page.send("break")
        with pytest.raises(ConnectionClosed) as closed:
            page.recv(timeout=20)
    assert closed.value.rcvd.code == 1011
    assert SECRET not in closed.value.rcvd.reason
    wait_for(lambda: running.logged)
    assert SECRET in running.logged[0]


def test_websocket_messages_may_be_so_large(running):
    with running.talk() as page:
        page.send("x" * 5001)
        with pytest.raises(ConnectionClosed) as closed:
            page.recv(timeout=20)
    assert closed.value.rcvd.code == 1009


def test_who_never_says_what_he_wants_is_cut_off(running, monkeypatch):
    monkeypatch.setattr(runnings, "HEAD_S", 0.3)
    with running.raw() as silent, running.raw() as slow:
        slow.sendall(b"GET / HTTP/1.1\r\nHo")
        for client in (silent, slow):
            try:
                assert client.recv(10) == b""
            except ConnectionResetError:
                continue
    with running.raw() as second:  # a connection that was used once has no more time
        ask = f"GET /number/1 HTTP/1.1\r\nHost: 127.0.0.1:{running.port}\r\n\r\n".encode()
        second.sendall(ask)
        assert b"200" in second.recv(1000)
        second.sendall(ask[:20])
        try:
            while second.recv(1000):
                pass
        except ConnectionResetError:
            pass
    with running.talk() as page:  # and one that talks has all the time it wants
        time.sleep(0.5)
        page.send("still here")
        assert page.recv(timeout=20) == "still here"


def test_connections_are_bounded(running, monkeypatch):
    monkeypatch.setattr(runnings, "MOST_CONNECTIONS", 5)
    clients = [running.raw() for _ in range(40)]
    try:
        dropped = 0
        for client in clients[10:]:
            try:
                dropped += client.recv(1) == b""
            except ConnectionResetError:
                dropped += 1
        assert dropped == 30
    finally:
        for client in clients:
            client.close()
    end_s = time.monotonic() + 10
    while True:  # they have gone: others are welcome
        try:
            assert running.ask("GET", "/")[0] == 200
        except (ConnectionError, http.client.RemoteDisconnected):
            assert time.monotonic() < end_s
            continue
        break


def test_usual_sentences_fit_every_status():
    for status in (400, 404, 418, 500, 599):
        said = json.loads(error_body(status))
        assert said["problem"]
        assert said["remedy"]
    assert json.loads(error_body(404, "no such job"))["problem"] == "no such job"


def test_an_allowance_runs_out_and_comes_back(monkeypatch):
    now_s = 100.0
    monkeypatch.setattr("kinebeat.serving.allowance.time.monotonic", lambda: now_s)
    allowance = Allowance(3)
    assert [allowance.one_more() for _ in range(4)] == [True, True, True, False]
    now_s += 1 / 3 + 1e-9
    assert [allowance.one_more() for _ in range(2)] == [True, False]


# The password


def cookie_of(locked, password=SECRET):
    status, headers, _ = locked.ask("POST", "/api/login", json.dumps({"password": password}))
    assert status == 204
    return headers["set-cookie"]


def test_without_the_password_there_is_only_the_page_that_asks_for_it(locked):
    assert locked.ask("GET", "/login")[0] == 200
    assert locked.ask("GET", "/login.css")[0] == 200
    status, headers, body = locked.ask("GET", "/", headers={"Accept": "text/html,*/*"})
    assert (status, headers["location"], body) == (303, "/login", b"")
    for method, path in (("GET", "/"), ("POST", "/count"), ("GET", "/api/x"), ("GET", "/none"), ("GET", "/login/../"),
                         ("GET", "//login"), ("GET", "/login.css/x")):  # fmt: skip
        status, _, body = locked.ask(method, path, headers={"Accept": "text/html"} if "api" in path else {})
        assert status == 401
        assert json.loads(body) == {"problem": "this needs the password", "remedy": "log in first"}
    with pytest.raises(InvalidStatus):
        locked.talk()


def test_the_password_opens_everything_and_logging_out_closes_it(locked):
    cookie = cookie_of(locked)
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= {part.strip() for part in cookie.split(";")}
    session = {"Cookie": cookie.split(";")[0]}
    assert locked.ask("GET", "/", headers=session)[0] == 200
    assert locked.ask("GET", "/", headers={"Cookie": f"a=b; {session['Cookie']}; c"})[0] == 200
    with locked.talk(additional_headers=session) as page:
        page.send("in")
        assert page.recv(timeout=20) == "in"
    assert locked.ask("POST", "/api/logout", headers=session)[0] == 204
    assert locked.ask("GET", "/", headers=session)[0] == 401


def test_forged_cookies_open_nothing(locked):
    name = f"kinebeat-{locked.port}"
    token = cookie_of(locked).split(";")[0].partition("=")[2]
    for forged in ("", "x", token[:-1], token + "x", token.swapcase(), "'; --", "\xff" * 40, "a" * 4000, SECRET):
        assert locked.ask("GET", "/", headers={"Cookie": f"{name}={forged}"})[0] == 401
    for cookie in (f"other={token}", f"{name} {token}", token, f"{name}={token[::-1]}"):
        assert locked.ask("GET", "/", headers={"Cookie": cookie})[0] == 401


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'"x"', b"{}", b'{"password": 7}', b'{"password": null}', b"[" * 900, b"\xff\xfe"]
)
def test_what_says_no_password_is_told_so(locked, body):
    assert locked.ask("POST", "/api/login", body)[0] == 400


def test_only_posting_logs_in(locked):
    assert locked.ask("GET", "/api/login")[0] == 405
    assert locked.ask("GET", "/api/logout")[0] == 405
    foreign = {"Origin": "http://evil.example"}
    assert locked.ask("POST", "/api/login", json.dumps({"password": SECRET}), foreign)[0] == 403


def test_guessing_is_slow():
    locked = Running(SECRET)
    try:
        came = [
            locked.ask("POST", "/api/login", json.dumps({"password": guess}), {"X-Forwarded-For": f"10.0.0.{k}"})
            for k, guess in enumerate(["", "a", SECRET[:-1], SECRET + " ", "x" * 900, "y", SECRET])
        ]
    finally:
        locked.stop()
    assert [status for status, _, _ in came] == [401] * ATTEMPTS + [429] * 2
    assert int(came[-1][1]["retry-after"]) == 60


class Clock:
    now_s = 1000.0

    def __call__(self):
        return self.now_s


def opened(door, password, address="10.0.0.1"):
    return asyncio.run(door.opens(password, address))


def scope_with(door, token):
    return {"headers": [(b"cookie", f"{door.cookie}={token}".encode())]}


@pytest.fixture
def quick(monkeypatch):
    """Hashes that take no time."""
    monkeypatch.setattr(passwords, "_hashed", lambda words, salt: salt + words)


def test_attempts_are_counted_for_each_address_and_come_back(quick):
    clock = Clock()
    door = Door(SECRET, now_s=clock)
    for _ in range(ATTEMPTS):
        assert opened(door, "x") is None
    with pytest.raises(PermissionError):
        opened(door, SECRET)
    assert opened(door, SECRET, "10.0.0.2")
    clock.now_s += WITHIN_S
    assert opened(door, SECRET)


def test_a_house_with_many_addresses_is_one(quick):
    door = Door(SECRET, now_s=Clock())
    for k in range(ATTEMPTS):
        assert opened(door, "x", f"2001:db8::{k:x}") is None
    with pytest.raises(PermissionError):
        opened(door, "x", "2001:db8::ffff")
    assert opened(door, "x", "2001:db8:1::1") is None
    assert opened(door, "x", "::ffff:10.0.0.1") is None
    assert opened(door, "x", "no address") is None


def test_many_addresses_together_are_held_up_too(quick, monkeypatch):
    monkeypatch.setattr(passwords, "MOST_ADDRESSES", 20)
    door = Door(SECRET, now_s=Clock())
    for k in range(passwords.ATTEMPTS_OF_ALL):
        opened(door, "x", f"10.0.0.{k}")
    with pytest.raises(PermissionError):
        opened(door, SECRET, "10.0.1.1")
    assert len(door._tried) <= 20


def test_sessions_end_and_are_bounded(quick):
    clock = Clock()
    door = Door(SECRET, now_s=clock)
    tokens = [opened(door, SECRET) for _ in range(MOST_SESSIONS + 1)]
    assert len(set(tokens)) == len(tokens)
    assert not door.is_known(scope_with(door, tokens[0]))  # the oldest made way
    assert door.is_known(scope_with(door, tokens[1]))
    clock.now_s += SESSION_S
    assert not door.is_known(scope_with(door, tokens[-1]))


def test_a_clock_that_is_set_does_not_matter(quick, monkeypatch):
    door = Door(SECRET)
    token = opened(door, SECRET)
    monkeypatch.setattr(time, "time", lambda: 4e9)
    assert door.is_known(scope_with(door, token))


def test_the_password_itself_is_not_kept():
    door = Door(SECRET)
    assert not any(SECRET in repr(value) for value in vars(door).values())
    assert opened(door, SECRET)
    for none in ("", "x" * 1025):
        with pytest.raises(ValueError, match="letter"):
            Door(none)
