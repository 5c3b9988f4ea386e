"""The studio against those who mean it harm: every point of what keeps it safe, tried from outside."""

import http.client
import io
import json
import os
import re
import socket
import subprocess
import sys
import time
import zipfile
from contextlib import ExitStack, closing, suppress
from urllib.parse import quote

import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from browser import chromium, running
from command_line import run
from kinebeat.studio.folders import shown_name, source_name
from studio_process import StudioProcess, is_plain

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the studio runs on Linux and macOS")
MB = 2**20
NOBODY = "0123456789abcdef"
EVIL = 'da"nce\r\nX-Evil: 1; filename=../../x é🩰.mp4'


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    studio = StudioProcess(
        tmp_path_factory.mktemp("safety") / "studio", "--largest-mb", 1, "--longest-minutes", 0.1, "--waiting", 3
    )
    yield studio
    assert studio.end() == 0
    assert studio.log == ""


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    from kinebeat.puppet import draw_puppet_video

    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    draw_puppet_video(path, duration_s=3.0, fps=25.0, size=(240, 320), tempo_bpm=120.0)
    return path


@pytest.fixture(scope="module")
def done(studio, clip):
    """The id of a job that is done."""
    status, job, _ = studio.upload(clip, EVIL)
    assert status == 201
    studio.done(job["id"])
    return job["id"]


def every_address(job):
    """(method, address) of all that the studio does."""
    one = f"/api/jobs/{job}"
    variant = f"{one}/variants/1"
    return [
        ("GET", "/api/state"),
        ("GET", "/api/jobs"),
        ("POST", "/api/jobs?name=a.mp4"),
        ("POST", "/api/demo"),
        ("GET", one),
        ("POST", f"{one}/retry"),
        ("GET", f"{one}/video"),
        ("GET", f"{one}/movement"),
        ("GET", variant),
        ("POST", f"{one}/variants"),
        ("PUT", variant),
        ("PATCH", variant),
        ("DELETE", variant),
        ("GET", f"{variant}/sound/1/drums"),
        ("GET", f"{variant}/files/wav"),
        ("GET", "/live"),
        ("DELETE", one),
    ]


# Who may come in


def test_other_pages_reach_nothing_that_does_something(studio, done):
    for method, path in every_address(done):
        for foreign in (
            {"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"},
            {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"},
        ):
            status, said, _ = studio.ask(method, path, b"{}" if method != "GET" else None, foreign)
            assert status == 403, path
            assert is_plain(said)
    assert studio.job(done)["state"] == "done"


def test_other_names_reach_nothing(studio, done):
    for host in ("evil.example", f"evil.example:{studio.port}", "127.0.0.1:1", f"127.0.0.1.evil.example:{studio.port}"):
        for method, path in every_address(done):
            status, said, _ = studio.ask(method, path, b"{}" if method != "GET" else None, {"Host": host})
            assert status == 421
            assert is_plain(said)


def test_events_are_for_our_own_pages(studio):
    for origin, headers in (
        ("http://evil.example", {}),
        ("null", {}),
        (f"https://127.0.0.1:{studio.port}", {}),
        (f"http://localhost:{studio.port}", {}),  # another origin than the address it asks
        (f"http://evil.example:{studio.port}", {"Host": f"evil.example:{studio.port}"}),
    ):
        with pytest.raises(InvalidStatus) as refused:
            studio.events(origin, headers=headers)
        assert refused.value.response.status_code in (400, 403)
    with studio.events() as page:
        assert json.loads(page.recv(timeout=20))["t"] == "jobs"


TRIES = """
Promise.all([
  fetch('{url}api/demo', {{method: 'POST', mode: 'no-cors'}}).then(() => 'sent', () => 'refused'),
  fetch('{url}api/state').then(() => 'read', () => 'refused'),
  new Promise(done => {{
    const socket = new WebSocket('{url}api/events'.replace('http', 'ws'));
    socket.onopen = () => done('open');
    socket.onerror = () => done('refused');
  }}),
  new Promise(done => {{
    const picture = new Image();
    picture.onload = () => done('seen');
    picture.onerror = () => done('refused');
    picture.src = '{url}icon.svg';
  }}),
])
"""


def test_a_foreign_page_in_a_real_browser_reaches_nothing(studio, done, tmp_path):
    program = chromium()
    if program is None:
        pytest.skip("needs Chromium")
    url = f"http://127.0.0.1:{studio.port}/"
    with running(program, tmp_path, None) as browser:
        tab = browser.tab()
        tab.call("Page.navigate", url="data:text/html,<h1>another page</h1>")
        tab.wait_for("document.body.innerText === 'another page'")
        assert tab.value(TRIES.format(url=url)) == ["refused"] * 4
        assert [job["id"] for job in studio.jobs()] == [done]
        assert not any("live_child" in " ".join(one.cmdline()) for one in studio.family())
        tab.open(url)  # its own page may; and it leads to the live page, which is another origin
        assert tab.value(TRIES.format(url=url)) == ["sent", "read", "open", "seen"]
        tab.value("location.href = '/live'")
        tab.wait_for("document.title.includes('live') && !!document.body.dataset.state")
        assert f":{studio.port}/" not in tab.value("location.href")
        tab.close()
    for job in studio.jobs():
        if job["id"] != done:
            studio.ask("DELETE", f"/api/jobs/{job['id']}")


def test_only_this_computer_is_listened_to(studio):
    import psutil

    places = {
        connection.laddr.ip
        for process in (psutil.Process(studio.process.pid), *studio.family())
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert places == {"127.0.0.1"}


def test_the_folder_is_closed_to_others(studio):
    assert studio.data.stat().st_mode & 0o777 == 0o700


def test_answers_cannot_be_framed_sniffed_or_kept(studio, done):
    for path in ("/", "/api/jobs", f"/api/jobs/{done}/video", f"/api/jobs/{done}/variants/1/files/midi", "/none"):
        headers = studio.ask("GET", path)[2]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "script-src" not in headers["content-security-policy"]  # 'self', as all else
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert "access-control-allow-origin" not in headers


# How much they may bring


def test_uploads_that_are_too_large_are_refused_and_leave_nothing(studio):
    before = len(studio.jobs())
    status, said, _ = studio.upload(bytes(MB + 1))
    assert (status, is_plain(said)) == (413, True)
    with closing(http.client.HTTPConnection("127.0.0.1", studio.port, timeout=60)) as connection:
        connection.request("POST", "/api/jobs?name=a.mp4", iter([bytes(MB // 2)] * 5), encode_chunked=True,
                           headers={"Transfer-Encoding": "chunked"})  # fmt: skip
        answer = connection.getresponse()
        assert answer.status == 413
        assert is_plain(json.loads(answer.read()))
    assert len(studio.jobs()) == before
    wait_until_clean(studio)


def wait_until_clean(studio):
    end_s = time.monotonic() + 20
    while studio.strays():
        assert time.monotonic() < end_s, studio.strays()
        time.sleep(0.05)


@pytest.mark.parametrize("said_bytes", [50, 2**40])
def test_a_length_that_is_not_true_does_no_harm(studio, said_bytes):
    before = len(studio.jobs())
    with socket.create_connection(("127.0.0.1", studio.port), timeout=60) as client:
        head = f"POST /api/jobs?name=a.mp4 HTTP/1.1\r\nHost: 127.0.0.1:{studio.port}\r\n"
        client.sendall(f"{head}Content-Length: {said_bytes}\r\n\r\n12345".encode())
        client.shutdown(socket.SHUT_WR)
        with suppress(ConnectionResetError):
            client.recv(1000)
    wait_until_clean(studio)
    assert len(studio.jobs()) == before


def test_an_empty_file_is_refused(studio):
    status, said, _ = studio.upload(b"")
    assert (status, is_plain(said)) == (400, True)
    wait_until_clean(studio)


def failed(studio, content, name="a.mp4"):
    """What is said of an upload that comes to nothing; it is gone afterwards."""
    status, job, _ = studio.upload(content, name)
    assert status == 201, job
    job = studio.wait(job["id"])
    assert job["state"] == "failed"
    assert is_plain({"problem": job["problem"], "remedy": job["remedy"]}, str(studio.data), "source")
    assert studio.ask("DELETE", f"/api/jobs/{job['id']}")[0] == 204
    assert not (studio.data / "jobs" / job["id"]).exists()
    return job["problem"]


def test_videos_may_be_so_long_and_so_large(studio, tmp_path, write_video):
    black = np.zeros((32, 32, 3), np.uint8)
    long = write_video(tmp_path / "long.mp4", [black] * 40, times_s=[0.2 * k for k in range(40)])
    assert "longer than 0.1 minutes" in failed(studio, long)
    wide = write_video(tmp_path / "wide.mp4", [np.zeros((16, 4112, 3), np.uint8)] * 2)
    assert "4112" in failed(studio, wide)


def test_files_that_are_something_else_are_refused(studio, tmp_path):
    for content in (
        b"not a video",
        b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n",  # a playlist that names other files
        b"ffconcat version 1.0\nfile /etc/passwd\n",
        b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>",
        b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 9 RTP/AVP 96\n",
        b"PK\x03\x04" + bytes(200),
        bytes(1000),
        os.urandom(2000),
    ):
        failed(studio, content)


def test_so_many_may_wait(studio, done):
    came = []
    try:
        for _ in range(6):
            status, said, headers = studio.ask("POST", "/api/demo")
            came.append((status, said, headers))
            if status != 201:
                break
        status, said, headers = came[-1]
        assert status == 429
        assert is_plain(said)
        assert int(headers["retry-after"]) > 0
        assert len(came) in (4, 5)
        assert studio.upload(b"x")[0] == 429
    finally:
        for status, said, _ in came:
            if status == 201:
                assert studio.ask("DELETE", f"/api/jobs/{said['id']}")[0] == 204
    wait_until_clean(studio)
    assert [job["id"] for job in studio.jobs()] == [done]


# What they call things

NAMES = [
    "../../etc/passwd",
    "..\\..\\windows\\win.ini",
    "/etc/passwd",
    "C:\\con.mp4",
    "con.mp4",
    "a" * 10_000 + ".mp4",
    "nul\0.mp4",
    "\u202egpj.4pm",
    "\u2066hidden\u2069.mp4",
    "🩰💃.mp4",
    "<img src=x onerror=alert(1)>.mp4",
    "'); DROP TABLE jobs;--.mp4",
    "%2e%2e%2f%2e%2e%2fetc",
    "line\nbreak\r\nSet-Cookie: a=b.mp4",
    " . ",
    "",
    ".",
    "..",
    "\ud83d",  # half of a letter
    "-rf.mp4",
    "$(reboot).mp4",
    "a.php",
    "e\u0301.mp4",
]


@pytest.mark.parametrize("name", NAMES)
def test_names_are_made_harmless(name):
    shown = shown_name(name)
    assert 0 < len(shown) <= 100
    assert not set(shown) & set('/\\\0\r\n<>"|?*:\u202e\u2066\u2069')
    assert shown == shown.strip(" .")
    assert shown.split(".")[0].lower() != "con"
    assert re.fullmatch(r"source\.[a-z0-9]{2,5}", source_name(name))


def test_names_find_no_files(studio, clip):
    for name in NAMES:
        query = quote(name.encode("utf-8", "surrogatepass"), safe="")
        status, job, _ = studio.ask("POST", f"/api/jobs?name={query}", b"no video")
        assert status == 201, (name[:40], job)
        assert job["name"] == shown_name(name.replace("\ud83d", 3 * "\ufffd"))
        files = [path.name for path in (studio.data / "jobs" / job["id"]).rglob("*")]
        assert all(re.fullmatch(r"source\.[a-z0-9]+", file) for file in files)
        studio.wait(job["id"])
        assert studio.ask("DELETE", f"/api/jobs/{job['id']}")[0] == 204
    assert sorted(path.name for path in studio.data.iterdir() if "studio.sqlite" not in path.name) == ["jobs", "lock"]
    assert studio.ask("POST", f"/api/jobs?name={'a' * 30_000}", b"x")[0] == 400
    assert studio.ask("POST", "/api/jobs", b"x")[0] == 400
    assert studio.ask("POST", "/api/jobs?name=a&kind=../x", b"x")[0] == 400


def test_a_name_does_not_come_out_as_a_header_or_a_path(studio, done):
    assert studio.job(done)["name"] == "x é🩰.mp4"
    status, said, headers = studio.ask("GET", f"/api/jobs/{done}/variants/1/files/stems")
    assert status == 200
    assert "x-evil" not in headers
    assert headers["content-disposition"].startswith("attachment; filename")
    assert "/" not in headers["content-disposition"].replace("utf-8''", "")
    with zipfile.ZipFile(io.BytesIO(said)) as archive:
        assert all(re.fullmatch(r"[a-z0-9 _-]+\.wav", inside, re.IGNORECASE) for inside in archive.namelist())


@pytest.mark.parametrize(
    "job",
    [
        *("..", "../..", "%2e%2e", "%2e%2e%2f%2e%2e", "..%2f..%2fetc%2fpasswd", "%00", ".", "*"),
        *("a" * 15, "A" * 16, "a" * 17, "g" * 16, "a" * 5000, "%F0%9F%A9%B0", "0123456789abcde%0a", "' OR 1=1", NOBODY),
    ],
)
def test_only_ids_are_ids(studio, done, job):
    for path in ("", "/video", "/movement", "/variants/1", "/variants/1/files/mp4", "/variants/1/sound/1/drums"):
        status, said, headers = studio.ask("GET", f"/api/jobs/{job.replace(' ', '%20')}{path}")
        if status == 307:  # the page's own folder, which lacks its slash
            assert "location" in headers
            assert said == b""
            continue
        assert status in (404, 405), path
        assert is_plain(said, str(studio.data))
    assert studio.ask("DELETE", f"/api/jobs/{job.replace(' ', '%20')}")[0] in (404, 405)
    assert [one["id"] for one in studio.jobs()] == [done]


@pytest.mark.parametrize(
    ("path", "statuses"),
    [
        ("variants/1/files/../../../source.mp4", (404,)),
        ("variants/1/files/%2e%2e%2f%2e%2e%2fsource.mp4", (404,)),
        ("variants/1/files/exe", (404,)),
        ("variants/1/files/", (404,)),
        ("variants/0", (404,)),
        ("variants/-1", (404,)),
        ("variants/99999999999999999999999999", (400, 404)),
        ("variants/x", (400, 404)),
        ("variants/1/sound/1/..%2f..%2fsource", (404, 410)),
        ("variants/1/sound/1/%00", (404, 410)),
        ("variants/1/sound/1/piano", (404, 410)),
        ("variants/1/sound/9/drums", (410,)),
        ("variants/1/sound/-1/drums", (400, 404, 410)),
        ("variants/1/sound/1/drums?from_s=nan", (400,)),
        ("variants/1/sound/1/drums?from_s=inf&to_s=inf", (400,)),
        ("variants/1/sound/1/drums?from_s=x", (400,)),
        ("variants/1/sound/1/drums?from_s=8&to_s=1", (200, 400)),
        ("variants/1/sound/1/drums?from_s=-1e300&to_s=1e300", (200, 400)),
    ],
)
def test_only_what_belongs_to_a_job_is_given_out(studio, done, path, statuses):
    status, said, _ = studio.ask("GET", f"/api/jobs/{done}/{path}")
    assert status in statuses, said
    if status == 200:
        assert len(said) < 10 * MB
    else:
        assert is_plain(said, str(studio.data))


def test_links_to_other_files_are_not_followed(studio, done, tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_bytes(b"the secret" * 1000)
    variant = f"/api/jobs/{done}/variants/1"
    revision = studio.job(done)["variants"][0]["revision"]
    sound = f"{variant}/sound/{revision}/drums"
    assert {studio.ask("GET", path)[0] for path in (f"{variant}/files/midi", sound)} == {200}
    folder = studio.data / "jobs" / done
    replaced = [folder / "source.mp4", folder / "movement.json", *folder.glob("variants/1/files/midi*"),
                *folder.glob(f"variants/1/sound.{revision}/*.pcm")]  # fmt: skip
    assert len(replaced) == 4
    for path in replaced:
        path.rename(path.with_suffix(".kept"))
        path.symlink_to(secret)
    try:
        for path in (f"/api/jobs/{done}/video", f"/api/jobs/{done}/movement", f"{variant}/files/midi", sound):
            said = studio.ask("GET", path)[1]
            assert b"secret" not in (said if isinstance(said, bytes) else json.dumps(said).encode()), path
    finally:
        for path in replaced:
            path.unlink()
            path.with_suffix(".kept").rename(path)


@pytest.mark.parametrize("parts", ["bytes=99999999-", "bytes=5-1", "bytes=a-b", "bytes=-0", "bytes=" + "0-0," * 2000])
def test_parts_that_a_file_does_not_have(studio, done, parts):
    status, said, _ = studio.ask("GET", f"/api/jobs/{done}/video", headers={"Range": parts})
    assert status in (200, 206, 400, 416)
    if status >= 400:
        assert is_plain(said, str(studio.data))
    assert len(said) < MB


# What they say


DEEP = b"[" * 100_000


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"null", b"[]", b"7", b"\xff\xfe", DEEP, b'{"edits": ' + DEEP + b"}", b'{"density": NaN}',
     b'{"density": 1e999}', b'{"density": "1"}', b'{"density": true}', b'{"tempo_bpm": -5}', b'{"tempo_bpm": 1e9}',
     b'{"seed": -1}', b'{"seed": 1e3}', b'{"seed": 99999999999999999999999999999}', b'{"kit": "tuba"}',
     b'{"kit": []}',
     b'{"instruments": ["tuba"]}', b'{"instruments": ["piano", "piano", "piano"]}', b'{"instruments": "piano"}',
     b'{"key": "X dur"}', b'{"key": {}}', b'{"levels": {"drums": 99}}', b'{"levels": {"../x": 0}}', b'{"unknown": 1}',
     b'{"edits": [{}]}', b'{"edits": [{"what": "beat", "at_s": Infinity, "to_s": 1}]}', b'{"edits": [7]}',
     b'{"edits": [' + b'{"what": "accent", "at_s": null, "to_s": 1},' * 5000 + b"{}]}",
     b'{"edits": [{"what": "pose", "at_s": 0, "to_s": 1}]}', b" " * 300_000, b'{"kit": "' + b"a" * 200_000 + b'"}'],
)  # fmt: skip
def test_settings_that_are_none_are_refused(studio, done, body):
    for method, path in (("POST", "variants"), ("PUT", "variants/1")):
        status, said, _ = studio.ask(method, f"/api/jobs/{done}/{path}", body)
        if body in (b"", b"null", b"[]"):
            assert status in (200, 201, 400)
        assert status in (400, 413) or b"piano" in body, (status, said)
        if status >= 400:
            assert is_plain(said, str(studio.data))
    if b"levels" in body or body[:1] != b"{":
        assert studio.ask("PATCH", f"/api/jobs/{done}/variants/1", body)[0] in (400, 413)
    assert studio.job(done)["variants"][0]["revision"] >= 1


def test_a_variants_name_is_only_shown(studio, done):
    for name in ("<b>x</b>", "'; DROP TABLE variants;--", "../x", "\u202ex", "🩰" * 20):
        status, said, _ = studio.ask("PATCH", f"/api/jobs/{done}/variants/1", {"name": name})
        assert status in (200, 400)
        if status == 200:
            assert "\u202e" not in said["name"]
    for name in ("", 7, None, "x" * 10_000, ["a"]):
        assert studio.ask("PATCH", f"/api/jobs/{done}/variants/1", {"name": name})[0] in (200, 400)
    assert studio.job(done)["state"] == "done"
    assert len(studio.job(done)["variants"][0]["name"]) <= 100


def say_much(page):
    for _ in range(2000):
        page.send("x" * 1000)
        with suppress(TimeoutError):
            page.recv(timeout=0.001)


def read_on(page):
    while True:
        page.recv(timeout=20)


def test_pages_that_talk_too_much_are_let_go(studio):
    with studio.events() as page:
        page.recv(timeout=20)
        with pytest.raises(ConnectionClosed):
            say_much(page)
    with studio.events() as page:
        page.recv(timeout=20)
        page.send("x" * 100_000)
        with pytest.raises(ConnectionClosed) as closed:
            read_on(page)
    assert closed.value.rcvd.code == 1009


def test_many_pages_at_once_are_bounded(studio):
    refused = 0
    with ExitStack() as pages:
        for _ in range(80):
            page = pages.enter_context(studio.events())
            with suppress(ConnectionClosed):
                if json.loads(page.recv(timeout=20))["t"] == "jobs":
                    continue
            refused += 1
        assert refused > 0
        assert studio.ask("GET", "/api/state")[0] == 200
    with studio.events() as page:
        assert json.loads(page.recv(timeout=20))["t"] == "jobs"


def test_odd_methods_and_places_are_told_so(studio):
    for method, path, status in (
        ("TRACE", "/", 405),
        ("CONNECT", "/", 405),
        ("POST", "/", 405),
        ("DELETE", "/api/jobs", 405),
        ("GET", "/api/none", 404),
        ("GET", "/docs", 404),
        ("GET", "/openapi.json", 404),
        ("GET", "/../server.py", 404),
        ("GET", "/%2e%2e/app.py", 404),
        ("GET", "/..%5capp.py", 404),
        ("GET", "//etc/passwd", 404),
        ("GET", "/index.html/..%2f..%2fapp.py", 404),
        ("GET", "/%7f", 404),
    ):
        came, said, _ = studio.ask(method, path)
        assert came == status, (method, path, came)
        assert is_plain(said, str(studio.data)), said


# Servers beside each other


def test_two_studios_on_one_port_or_in_one_folder(studio, tmp_path, capsys):
    assert run("studio", "--no-browser", "--port", studio.port, "--data", tmp_path / "other") == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert f"port {studio.port}" in said
    assert "--port" in said
    assert not (tmp_path / "other").exists()
    assert run("studio", "--no-browser", "--port", 0, "--data", studio.data) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "another studio is at work in it" in said
    assert studio.ask("GET", "/api/state")[0] == 200


def test_live_and_studio_on_one_port(studio, capsys):
    assert run("live", "--no-browser", "--port", studio.port) == 2
    assert "--port" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        (["--host", "0.0.0.0"], "--password"),
        (["--host", "::"], "--password"),
        (["--host", "192.0.2.1"], "--password"),
        (["--name", "http://studio.local"], "studio.local"),
        (["--longest-minutes", "nan"], "a day"),
        (["--longest-minutes", "0"], "more than 0"),
        (["--password"], "KINEBEAT_PASSWORD"),
    ],
)
def test_what_cannot_be_served_is_said(words, remedy, tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("KINEBEAT_PASSWORD", raising=False)
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    assert run("studio", "--no-browser", "--port", 0, "--data", tmp_path / "d", *words) == 2
    said = capsys.readouterr().err
    assert remedy in said
    assert said.count("\n") == 1
    assert not (tmp_path / "d").exists()


def test_a_short_password_is_refused(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("KINEBEAT_PASSWORD", "short")
    assert run("studio", "--no-browser", "--port", 0, "--data", tmp_path / "d") == 2
    said = capsys.readouterr().err
    assert "at least 8" in said
    assert "short" not in said


@pytest.mark.parametrize("place", ["file", "file/below"])
def test_a_folder_that_is_none_is_refused(place, tmp_path, capsys):
    (tmp_path / "file").write_text("x")
    assert run("studio", "--no-browser", "--port", 0, "--data", tmp_path / place) == 2
    assert "--data" in capsys.readouterr().err


def test_a_memory_that_is_damaged_is_told_and_kept(tmp_path, capsys):
    (tmp_path / "studio.sqlite").write_bytes(b"no database" * 1000)
    assert run("studio", "--no-browser", "--port", 0, "--data", tmp_path) == 2
    said = capsys.readouterr().err
    assert "damaged" in said
    assert said.count("\n") == 1
    assert (tmp_path / "studio.sqlite").read_bytes().startswith(b"no database")


# The password


PASSWORD = "not the usual words"


@pytest.fixture(scope="module")
def locked(tmp_path_factory):
    locked = StudioProcess(
        tmp_path_factory.mktemp("locked") / "studio", "--name", "studio.local", password=PASSWORD, host="0.0.0.0"
    )
    yield locked
    assert locked.end() == 0


def test_without_the_password_nothing_is_told(locked):
    for method, path in every_address(NOBODY):
        status, said, _ = locked.ask(method, path, b"{}" if method != "GET" else None)
        assert status == 401, path
        assert is_plain(said)
    status, _, headers = locked.ask("GET", "/", headers={"Accept": "text/html"})
    assert (status, headers["location"]) == (303, "/login")
    assert locked.ask("GET", "/main.js")[0] == 401
    with pytest.raises(InvalidStatus):
        locked.events()
    assert not list((locked.data / "jobs").iterdir())


def test_the_page_that_asks_for_the_password_and_what_it_needs_are_given(locked):
    status, page, _ = locked.ask("GET", "/login")
    assert status == 200
    for needed in re.findall(rb'(?:src|href)="([^"#]+)"', page):
        path = needed.decode()
        assert locked.ask("GET", path if path.startswith("/") else f"/{path}")[0] == 200, path


def test_other_names_are_refused_on_all_interfaces_too(locked):
    assert locked.ask("GET", "/login", headers={"Host": f"evil.example:{locked.port}"})[0] == 421
    assert locked.ask("GET", "/login", headers={"Host": f"10.1.2.3:{locked.port}"})[0] == 200
    assert locked.ask("GET", "/login", headers={"Host": "studio.local"})[0] == 200


def test_the_password_opens_the_studio_but_not_the_live_page(locked):
    status, _, headers = locked.ask("POST", "/api/login", {"password": PASSWORD})
    assert status == 204
    locked.cookie = headers["set-cookie"].split(";")[0]
    try:
        assert locked.ask("GET", "/api/state")[1]["password"] is True
        assert locked.ask("GET", "/api/state")[1]["live"] is False
        assert locked.ask("GET", "/live")[0] == 409
        with locked.events() as page:
            assert json.loads(page.recv(timeout=20)) == {"t": "jobs", "jobs": []}
    finally:
        locked.cookie = None
    for cookie in (f"kinebeat-{locked.port}=", f"kinebeat-{locked.port}=x", f"kinebeat-1={headers['set-cookie']}"):
        assert locked.ask("GET", "/api/state", headers={"Cookie": cookie})[0] == 401


def test_guessing_the_password_is_stopped(locked):
    came = [locked.ask("POST", "/api/login", {"password": f"guess {k}"})[0] for k in range(7)]
    assert came == [401] * 5 + [429] * 2
    assert locked.ask("POST", "/api/login", {"password": PASSWORD})[0] == 429


def test_the_password_is_on_no_command_line_and_in_no_file(locked):
    told = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert PASSWORD not in told
    assert not any(PASSWORD.encode() in path.read_bytes() for path in locked.data.rglob("*") if path.is_file())
