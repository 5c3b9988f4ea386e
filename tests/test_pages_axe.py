"""The pages of studio, live and survey by the accessibility rules of axe-core: light, dark and on a telephone."""

import sys

import pytest

from axe import axe_source, broken_rules
from browser import Tab, chromium, running
from command_line import run
from kinebeat.live.inputs.browser import BrowserInput
from kinebeat.live.outputs.samples import DrumSamples
from kinebeat.live.server import PageOutput, PageServer
from kinebeat.live.session import Session
from kinebeat.live.settings import LiveSettings
from kinebeat.puppet import draw_puppet_video
from live_engines import Metronome
from studios import running_studio

pytestmark = pytest.mark.skipif(chromium() is None, reason="no Chromium is installed (Debian: apt install chromium)")
posix = pytest.mark.skipif(sys.platform == "win32", reason="the studio runs on Linux and macOS")
LOOKS = ((1280, "light"), (1280, "dark"), (360, "light"), (360, "dark"))


@pytest.fixture(scope="module")
def axe(request) -> str:
    return axe_source(request.config.cache.mkdir("axe"))


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with running(chromium(), tmp_path_factory.mktemp("profile"), None) as browser:
        yield browser


@pytest.fixture
def tab(axe, browser):
    tab = browser.tab()
    yield tab
    tab.close()


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clip") / "dancer.mp4"
    draw_puppet_video(path, duration_s=3.0, fps=25, size=(240, 320), tempo_bpm=120)
    return path


def check(tab: Tab, axe: str, what: str) -> None:
    """No rule is broken in any look."""
    for width, scheme in LOOKS:
        tab.look_like(width, scheme)
        assert broken_rules(tab, axe) == [], (what, width, scheme)


def test_the_rules_find_what_is_wrong(tab, axe):
    tab.call("Page.navigate", url="data:text/html,<body data-state=x><img src=x><p style='color:%23ccc'>pale</p>")
    tab.wait_for("document.readyState === 'complete'")
    broken = " ".join(broken_rules(tab, axe))
    for rule in ("image-alt", "color-contrast", "html-has-lang", "document-title"):
        assert rule in broken


@posix
def test_the_studio(tab, axe, clip, tmp_path):
    with running_studio(tmp_path / "data") as studio:
        tab.open(studio.url)
        tab.wait_for("document.body?.dataset.state === 'start'")
        check(tab, axe, "start without clips")
        (tmp_path / "noise.mp4").write_bytes(b"\x07" * 5000)
        failed = studio.upload(tmp_path / "noise.mp4")["id"]
        name = studio.upload(clip)["id"]
        tab.open(f"{studio.url}#job={name}")
        tab.wait_for("document.body?.dataset.state === 'working'")
        assert broken_rules(tab, axe) == [], "progress"
        studio.wait(name)
        tab.wait_for("document.querySelectorAll('#mixer li').length > 0")
        tab.click("#with input[value=piano]")
        tab.wait_for("document.querySelectorAll('#mixer li').length > 1")
        tab.click("#keep")
        tab.wait_for("document.querySelectorAll('#variants li').length > 1")
        tab.click("#next")
        tab.click("#later")
        tab.click("#mixer .mute")
        tab.click("#table summary")
        tab.wait_for("document.querySelectorAll('#rows tr').length > 1 && !document.body.classList.contains('busy')")
        check(tab, axe, "a clip")
        tab.click("#keys")
        check(tab, axe, "keys")
        tab.press("Escape", "Escape", 27)
        tab.click(".back")
        tab.wait_for("document.body?.dataset.state === 'start'")
        tab.click("input[value=performance]")
        check(tab, axe, "start with clips")
        tab.value(f"location.hash = 'job={failed}'")
        tab.wait_for("document.body?.dataset.state === 'failed'")
        check(tab, axe, "a clip that failed")
        tab.value("location.href = 'about:blank'")


@posix
def test_the_password(tab, axe, tmp_path):
    with running_studio(tmp_path / "data", password="open sesame") as studio:
        tab.open(f"{studio.url}login")
        check(tab, axe, "login")
        tab.value("document.getElementById('password').value = 'x'")
        tab.click("button")
        tab.wait_for("document.body?.dataset.state === 'refused'")
        check(tab, axe, "wrong password")


def test_the_live_page(tab, axe):
    source, page = BrowserInput(), PageOutput()
    server = PageServer(source, page, lambda: DrumSamples(()), 0)
    server.start(Session(source, Metronome, LiveSettings(), outputs=[page]))
    try:
        tab.open(server.url)
        tab.wait_for("document.body?.dataset.state === 'idle'")
        check(tab, axe, "live")
    finally:
        server.stop()


def test_the_survey(tab, axe, clip, tmp_path):
    assert run("survey", clip, "--out", tmp_path / "out", "--workers", 1, "-q") == 0
    tab.open((tmp_path / "out" / "page" / "index.html").as_uri())
    tab.wait_for("document.body?.dataset.state === 'intro'")
    check(tab, axe, "survey")
    tab.click("#start")
    tab.wait_for("document.body?.dataset.state === 'trial'")
    check(tab, axe, "trial")
    tab.value("document.querySelectorAll('main > section').forEach((s) => { s.hidden = s.id !== 'end'; })")
    check(tab, axe, "end")
