"""The page in a real Chromium, whose camera shows the dancing puppet."""

import re
import threading
from pathlib import Path

import av
import numpy as np
import pytest

from browser import Browser, Tab, chromium, running
from kinebeat.drums.kit import DRUMS
from kinebeat.live.inputs.browser import BrowserInput
from kinebeat.live.inputs.pose import PoseFinder
from kinebeat.live.outputs.samples import LAYERS, DrumSamples
from kinebeat.live.server import PageOutput, PageServer
from kinebeat.live.session import Session
from kinebeat.live.settings import LiveSettings
from kinebeat.puppet import draw_puppet_video
from live_engines import Metronome

pytestmark = pytest.mark.skipif(chromium() is None, reason="no Chromium is installed (Debian: apt install chromium)")


class Program:
    """What `kinebeat live` runs, with an engine whose events are known."""

    def __init__(self, finder: PoseFinder, port: int = 0, engine: type[Metronome] = Metronome) -> None:
        time_s = np.arange(12000) / 48000
        wave = (0.3 * np.sin(2 * np.pi * 200 * time_s) * np.exp(-30 * time_s)).astype(np.float32)
        kit = DrumSamples(tuple(tuple(np.stack([wave, wave], 1) for _ in LAYERS) for _ in DRUMS))
        source, page = BrowserInput(), PageOutput()
        self.server = PageServer(source, page, lambda: kit, port)
        self.session = Session(source, engine, LiveSettings(), outputs=[page], find=finder.find, keep=True)
        self.server.start(self.session)
        self._thread = threading.Thread(target=self.session.run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self.session.stop()
        self._thread.join()
        self.server.stop()


@pytest.fixture(scope="module")
def finder():
    finder = PoseFinder()
    yield finder
    finder.close()


@pytest.fixture(scope="module")
def film(tmp_path_factory) -> Path:
    """Motion JPEG, the only compressed film that Chromium's fake camera takes."""
    folder = tmp_path_factory.mktemp("film")
    draw_puppet_video(folder / "puppet.mp4", duration_s=6.0, fps=30.0, size=(640, 480), tempo_bpm=120.0)
    path = folder / "puppet.mjpeg"
    with av.open(str(folder / "puppet.mp4")) as source, av.open(str(path), "w", format="mjpeg") as target:
        stream = target.add_stream("mjpeg", rate=30)
        stream.width, stream.height, stream.pix_fmt = 640, 480, "yuvj420p"
        for picture in source.decode(video=0):
            target.mux(stream.encode(picture.reformat(format="yuvj420p")))
        target.mux(stream.encode(None))
    return path


@pytest.fixture(scope="module")
def browser(film, tmp_path_factory):
    with running(chromium(), tmp_path_factory.mktemp("profile"), film) as browser:
        yield browser


@pytest.fixture
def program(finder):
    program = Program(finder)
    yield program
    program.stop()


@pytest.fixture
def tab(browser):
    tab = browser.tab()
    yield tab
    tab.close()
    assert tab.problems == []  # no script failed, no rule of the page was broken


def state(name: str) -> str:
    return f"document.body.dataset.state === {name!r}"


def number(element: str) -> str:
    return f"Number.parseFloat(document.getElementById({element!r}).textContent)"


def play(browser: Browser, tab: Tab, program: Program) -> None:
    browser.allow_camera(tab, program.server.url, True)
    tab.open(program.server.url)
    tab.wait_for(state("idle"))
    tab.click("#start")
    tab.wait_for(state("playing"))


def test_frames_go_up_events_come_back_and_sound_is_scheduled(browser, tab, program):
    play(browser, tab, program)
    tab.wait_for(f"{number('sounded')} >= 4")
    assert tab.value("document.getElementById('headline').textContent") == "Playing"
    assert tab.value(number("tempo")) == 120
    assert "ms" in tab.value("document.getElementById('latency').textContent")
    assert tab.value(number("latency")) > 0
    assert re.fullmatch(r"\d+ of \d+ \(95 %: \d+ ms\)", tab.value("document.getElementById('late').textContent"))
    assert tab.value(number("rate")) > 0
    # The skeleton is drawn: something of the overlay is not transparent.
    drawn = """(() => {
        const { width, height } = document.getElementById("overlay");
        const pen = document.getElementById("overlay").getContext("2d");
        return pen.getImageData(0, 0, width, height).data.some((value) => value > 0);
    })()"""
    tab.wait_for(drawn)
    tab.wait_for("document.querySelector('#beats .on') !== null")
    steps = [step for step in program.session.take.steps if step.keypoints is not None]
    assert steps[-1].keypoints.size == (640, 480)
    tab.click("#start")
    tab.wait_for(state("idle"))
    assert tab.value("document.getElementById('video').srcObject === null")


class Foresighted(Metronome):
    """Hands out its events so early that no computer is too slow for them, and never stops."""

    lead_s = 2.0

    def step(self, keypoints, time_s, state):
        return ((), state) if keypoints is None else super().step(keypoints, time_s, state)


def test_strokes_begin_when_they_are_due_on_the_sounds_own_clock(browser, tab, finder):
    program = Program(finder, engine=Foresighted)
    try:
        browser.allow_camera(tab, program.server.url, True)
        tab.open(program.server.url)
        tab.value(
            """
            window.begun = [];
            const start = AudioBufferSourceNode.prototype.start;
            AudioBufferSourceNode.prototype.start = function (when) {
              if (when > this.context.currentTime) window.begun.push(when);
              return start.call(this, when);
            };
            """
        )
        tab.wait_for(state("idle"))
        tab.click("#start")
        tab.wait_for("window.begun.length >= 12")
        begun = np.sort(tab.value("window.begun"))
    finally:
        program.stop()
    # They are a quarter of a second apart, though they came over a socket when they liked. A busy computer's sound may
    # stand still now and then, so this is asked of most of them.
    steps = np.diff(begun) / 0.25
    assert np.median(np.abs(steps - np.round(steps))) < 0.01, steps


def test_the_keyboard_alone_will_do(browser, tab, program):
    browser.allow_camera(tab, program.server.url, True)
    tab.open(program.server.url)
    tab.wait_for(state("idle"))
    for _ in range(3):
        tab.press("Tab", "Tab", 9)
        if tab.value("document.activeElement.id") == "start":
            break
    assert tab.value("document.activeElement.id") == "start"
    tab.press("Enter", "Enter", 13)
    tab.wait_for(state("playing"))
    names = tab.value(
        "[...document.querySelectorAll('button, input')].filter((e) => !e.hidden).map("
        "(e) => e.labels?.length ? e.labels[0].textContent.trim() : e.textContent.trim())"
    )
    assert all(names)
    assert tab.value("document.getElementById('word').getAttribute('role')") == "status"


def test_modes_and_sensitivity_reach_the_engine(browser, tab, program):
    tab.open(program.server.url)
    tab.wait_for(state("idle"))
    tab.click("input[value=instrument]")
    tab.value(
        "(e => { e.value = 2; e.dispatchEvent(new Event('input')); e.dispatchEvent(new Event('change')); })"
        "(document.getElementById('sensitivity'))"
    )
    tab.wait_for("document.getElementById('sensitivity-said').textContent === '2.0'")
    tab.wait_for("document.querySelector('input[value=instrument]').checked")
    for _ in range(100):
        if program.session.settings.sensitivity == 2.0:
            break
        tab.value("new Promise((done) => setTimeout(done, 50))")
    assert program.session.settings.mode == "instrument"
    assert program.session.settings.sensitivity == 2.0


def test_a_refused_camera_is_told_and_may_be_allowed_after_all(browser, tab, program):
    browser.allow_camera(tab, program.server.url, False)
    tab.open(program.server.url)
    tab.wait_for(state("idle"))
    tab.click("#start")
    tab.wait_for(state("refused"))
    assert "refused" in tab.value("document.getElementById('headline').textContent")
    assert "refused" in tab.value("document.title")
    browser.allow_camera(tab, program.server.url, True)
    tab.click("#start")
    tab.wait_for(state("playing"))


def test_a_computer_without_a_camera_is_told(program, tmp_path):
    with running(chromium(), tmp_path, None) as without:
        tab = without.tab()
        without.allow_camera(tab, program.server.url, True)
        tab.open(program.server.url)
        tab.wait_for(state("idle"))
        tab.click("#start")
        tab.wait_for(state("nocamera"))
        tab.close()


def test_the_program_ends_and_comes_back(browser, tab, finder):
    first = Program(finder)
    port = first.server.port
    try:
        play(browser, tab, first)
    finally:
        first.stop()
    tab.wait_for(state("gone"))
    assert "kinebeat live" in tab.value("document.getElementById('detail').textContent")
    second = Program(finder, port)
    try:
        before = tab.value(number("sounded"))
        tab.wait_for(state("playing"))
        tab.wait_for(f"{number('sounded')} > {before}")
    finally:
        second.stop()


def test_a_program_that_hangs_counts_as_gone(browser, tab, program, monkeypatch):
    tab.open(program.server.url)
    tab.wait_for(state("idle"))
    with monkeypatch.context() as patch:
        patch.setattr(program.server, "_answer", lambda text: None)
        tab.wait_for(state("gone"))
    tab.wait_for(state("idle"))


def test_a_second_tab_waits_and_may_take_over(browser, tab, program):
    tab.open(program.server.url)
    tab.wait_for(state("idle"))
    other = browser.tab()
    try:
        other.open(program.server.url)
        other.wait_for(state("busy"))
        assert other.value("document.getElementById('start').disabled")
        other.click("#here")
        other.wait_for(state("idle"))
        tab.wait_for(state("taken"))
        tab.click("#here")
        tab.wait_for(state("idle"))
        other.wait_for(state("taken"))
    finally:
        other.close()


def test_a_hidden_tab_says_so_and_comes_back(browser, tab, program):
    play(browser, tab, program)
    other = browser.tab()  # in front of it
    try:
        other.call("Page.bringToFront")
        tab.wait_for("document.hidden")
        tab.wait_for(state("hidden"))
        assert "hidden" in tab.value("document.title")
        tab.call("Page.bringToFront")
        tab.wait_for("!document.hidden")
        tab.wait_for(state("playing"))
        assert "Welcome back" in tab.value("document.getElementById('notice').textContent")
    finally:
        other.close()


def test_nobody_in_the_picture_is_told(browser, tab):
    empty = Program(type("Nobody", (), {"find": staticmethod(lambda picture: None)})())
    try:
        browser.allow_camera(tab, empty.server.url, True)
        tab.open(empty.server.url)
        tab.wait_for(state("idle"))
        tab.click("#start")
        tab.wait_for(state("nobody"))
    finally:
        empty.stop()


@pytest.mark.parametrize("width", [320, 390, 768, 1440])
def test_nothing_is_cut_off_on_narrow_screens(browser, tab, program, width):
    tab.call("Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=width < 500)
    tab.open(program.server.url)
    tab.wait_for(state("idle"))
    assert tab.value("document.documentElement.scrollWidth") <= width
    assert tab.value("document.getElementById('start').getBoundingClientRect().width") > 90


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_can_be_read_in_light_and_dark(browser, tab, program, scheme):
    tab.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    tab.open(program.server.url)
    tab.wait_for(state("idle"))
    pairs = """["body", "#detail", "#start", ".figures dt", "legend", ".drums li"].map((name) => {
        const of = document.querySelector(name);
        let behind = of;
        while (getComputedStyle(behind).backgroundColor === "rgba(0, 0, 0, 0)") behind = behind.parentElement;
        return [getComputedStyle(of).color, getComputedStyle(behind).backgroundColor, name];
    })"""
    for ink, ground, name in tab.value(pairs):
        assert contrast(ink, ground) >= 4.5, (name, ink, ground)  # WCAG 2.2, 1.4.3


def contrast(one: str, other: str) -> float:
    """Contrast of two colours, `rgb(r, g, b)`, as WCAG defines it."""

    def luminance(colour):
        share = np.array([float(part) for part in colour.split("(")[1].rstrip(")").split(",")[:3]]) / 255
        linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)
