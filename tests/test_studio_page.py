"""The page of the studio in a real Chromium, with the real server: what is seen, heard, changed and saved."""

import json
import shutil
import socket
import sys
import time

import av
import numpy as np
import pytest

from browser import Tab, chromium, running
from kinebeat.audio import RATE_HZ
from kinebeat.puppet import draw_puppet_video
from studios import RunningStudio, running_studio

pytestmark = [
    pytest.mark.skipif(chromium() is None, reason="no Chromium is installed (Debian: apt install chromium)"),
    pytest.mark.skipif(sys.platform == "win32", reason="the studio runs on Linux and macOS"),
]
SECONDS = 4.0
SPACE, ENTER, TAB, LEFT, RIGHT, DELETE, ESCAPE = (
    (" ", "Space", 32),
    ("Enter", "Enter", 13),
    ("Tab", "Tab", 9),
    ("ArrowLeft", "ArrowLeft", 37),
    ("ArrowRight", "ArrowRight", 39),
    ("Delete", "Delete", 46),
    ("Escape", "Escape", 27),
)
CONTROL, SHIFT = 2, 8
EAR = """
window.ears = [];
const connect = AudioNode.prototype.connect;
AudioNode.prototype.connect = function (to, ...more) {
  if (to instanceof AudioDestinationNode) {
    const ear = new AnalyserNode(this.context, { fftSize: 8192 });
    connect.call(this, ear);
    window.ears.push(ear);
  }
  return connect.call(this, to, ...more);
};
window.loudness = () => {
  const samples = new Float32Array(8192);
  let most = 0;
  for (const ear of window.ears) {
    ear.getFloatTimeDomainData(samples);
    for (const sample of samples) most = Math.max(most, Math.abs(sample));
  }
  return most;
};
"""
"""Listens to all that goes to the loudspeakers."""


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """The dancing figure, with a hum as its own sound."""
    folder = tmp_path_factory.mktemp("clip")
    draw_puppet_video(folder / "silent.mp4", duration_s=SECONDS, fps=25, size=(240, 320), tempo_bpm=120)
    hum = (0.2 * np.sin(np.arange(round(SECONDS * RATE_HZ)) / 40)).astype(np.float32)
    path = folder / "dancer.mp4"
    with av.open(str(folder / "silent.mp4")) as source, av.open(str(path), "w") as target:
        picture = target.add_stream_from_template(source.streams.video[0])
        sound = target.add_stream("aac", rate=RATE_HZ, layout="mono")
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = picture
                target.mux(packet)
        frame = av.AudioFrame.from_ndarray(hum[None], format="fltp", layout="mono")
        frame.rate = RATE_HZ
        target.mux(sound.encode(frame))
        target.mux(sound.encode(None))
    return path


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    with running_studio(tmp_path_factory.mktemp("studio") / "data", waiting=5) as studio:
        yield studio


@pytest.fixture(scope="module")
def job(studio, clip) -> str:
    """A clip whose soundtrack is done."""
    name = studio.upload(clip)["id"]
    assert studio.wait(name)["state"] == "done"
    return name


@pytest.fixture
def fresh(studio, job) -> str:
    """The same with one variant as it was at first."""
    for variant in studio.ask(f"api/jobs/{job}").json["variants"][1:]:
        studio.ask(f"api/jobs/{job}/variants/{variant['number']}", "DELETE")
    assert studio.ask(f"api/jobs/{job}/variants/1", "PUT", {}).status == 200
    studio.ask(f"api/jobs/{job}/variants/1", "PATCH", {"name": "Variant 1"})
    return job


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with running(chromium(), tmp_path_factory.mktemp("profile"), None) as browser:
        yield browser


@pytest.fixture
def tab(browser):
    tab = browser.tab()
    tab.before_each_page(EAR)
    tab.look_like(1280)
    yield tab
    tab.close()
    assert tab.problems == []  # no script failed, no rule of the page was broken


def state(name: str) -> str:
    return f"document.body?.dataset.state === {name!r}"


def text(element: str) -> str:
    return f"document.getElementById({element!r}).textContent"


def sound(name: str) -> str:
    return f"document.body.dataset.sound === {name!r}"


def open_job(tab: Tab, studio: RunningStudio, name: str) -> None:
    tab.open(f"{studio.url}#job={name}")
    tab.wait_for("document.querySelectorAll('#mixer li').length > 0")


def play(tab: Tab) -> None:
    tab.click("#play")
    tab.wait_for(sound("playing"))


def variant(studio: RunningStudio, name: str, number: int = 1) -> dict:
    return studio.ask(f"api/jobs/{name}/variants/{number}").json


def until(seen, within_s: float = 40.0) -> None:
    """Until something is so in the studio."""
    end_s = time.monotonic() + within_s
    while not seen():
        assert time.monotonic() < end_s
        time.sleep(0.05)


def change(tab: Tab, element: str, value: object) -> None:
    """Set a field, as if by hand."""
    tab.value(
        f"(e => {{ e.value = {json.dumps(value)}; e.dispatchEvent(new Event('input', {{bubbles: true}}));"
        f" e.dispatchEvent(new Event('change', {{bubbles: true}})); }})(document.getElementById({element!r}))"
    )


def drawn(tab: Tab, canvas: str = "lanes") -> str:
    """What a canvas shows, once it has been drawn anew."""
    return tab.value(
        "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() =>"
        f" done(document.getElementById({canvas!r}).toDataURL()))))"
    )


# The first view


def test_a_video_goes_up_its_stages_are_told_and_it_opens(tab, studio, clip):
    tab.open(studio.url)
    tab.wait_for(state("start"))
    assert "500 MB, 10 min" in tab.value(text("limits"))
    tab.value(
        "window.told = new Set(); window.heard = []; window.titles = [];"
        "new MutationObserver(() => titles.push(document.title))"
        ".observe(document.querySelector('title'), {childList: true});"
        "new MutationObserver(() => document.querySelectorAll('.stages .now').forEach((e) => told.add(e.textContent)))"
        ".observe(document.getElementById('making'), {childList: true, subtree: true});"
        "new MutationObserver(() => heard.push(document.getElementById('said').textContent))"
        ".observe(document.getElementById('said'), {childList: true})"
    )
    tab.choose_files("#file", clip)
    tab.wait_for("!document.getElementById('job').hidden")
    assert tab.value(text("job-name")) == "dancer.mp4"
    tab.wait_for("/left/.test(document.querySelector('#making .large')?.textContent)")
    tab.wait_for(state("done"))
    tab.wait_for("document.querySelectorAll('#mixer li').length === 2")
    assert "Looking for the person" in tab.value("[...told]")
    assert any(" % " in title and "dancer.mp4" in title for title in tab.value("titles"))
    said = tab.value("heard")
    assert any("Looking for the person" in words and "% in all" in words for words in said), said
    assert said[-1] == "dancer.mp4: Done"
    assert len(said) < 20  # stages and quarters, not every step
    assert tab.value("new URLSearchParams(location.hash.slice(1)).get('job')")
    tab.value("history.back()")
    tab.wait_for(state("start"))
    assert tab.value("document.querySelectorAll('#jobs .card[data-state=done]').length") >= 1


def test_a_video_may_be_dropped_and_the_way_it_goes_up_is_seen_and_stopped(tab, studio, clip, tmp_path):
    tab.open(studio.url)
    tab.wait_for(state("start"))
    big = tmp_path / "big.mp4"
    with big.open("wb") as file:
        file.truncate(60 * 2**20)
    tab.call("Network.enable")
    slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 2**20}
    tab.call("Network.emulateNetworkConditions", **slow)
    tab.drop_files("#drop", big)
    tab.wait_for("/Sending, [0-9]+ % of 60 MB/.test(document.querySelector('#uploads .card')?.textContent)")
    tab.click("#uploads button")
    tab.wait_for("!document.querySelector('#uploads .card')")
    assert "not sent" in tab.value(text("said"))
    assert not any(one["name"] == "big.mp4" for one in studio.ask("api/jobs").json["jobs"])


def test_a_file_that_is_no_video_fails_in_words_and_may_be_removed(tab, studio, tmp_path):
    (tmp_path / "noise.mp4").write_bytes(b"\x07" * 5000)
    tab.open(studio.url)
    tab.wait_for(state("start"))
    tab.choose_files("#file", tmp_path / "noise.mp4")
    tab.wait_for(state("failed"))
    words = tab.value("document.querySelector('#making .problem').textContent")
    assert words.count(".") >= 2, words  # what is wrong, and what to do
    assert "Traceback" not in words
    assert "/" not in words
    assert tab.value("document.querySelector('#making button').textContent") == "Try again"
    tab.click(".back")
    tab.wait_for(state("start"))
    failed = "document.querySelector('.card[data-state=failed]')"
    assert tab.value(f"{failed}.textContent").count(words) == 1
    tab.value(f"[...{failed}.querySelectorAll('button')].find((b) => b.textContent === 'Remove').click()")
    tab.wait_for("document.getElementById('sure').open")
    assert "noise.mp4" in tab.value(text("sure-text"))
    tab.click("#sure button[value=no]")
    tab.wait_for("!document.getElementById('sure').open")
    assert tab.value(f"{failed} !== null")
    tab.value(f"[...{failed}.querySelectorAll('button')].find((b) => b.textContent === 'Remove').click()")
    tab.click("#sure-yes")
    tab.wait_for(f"{failed} === null")
    assert tab.value("document.activeElement.id") == "clips-head"
    assert not any(one["name"] == "noise.mp4" for one in studio.ask("api/jobs").json["jobs"])


def test_the_demo_is_a_press_away_and_can_be_stopped(tab, studio):
    tab.open(studio.url)
    tab.wait_for(state("start"))
    tab.click("#demo")
    tab.wait_for("!document.getElementById('job').hidden")
    name = tab.value("new URLSearchParams(location.hash.slice(1)).get('job')")
    assert studio.ask(f"api/jobs/{name}").json["kind"] == "demo"
    tab.wait_for("/Drawing the figure/.test(document.getElementById('making').textContent)")
    assert studio.ask(f"api/jobs/{name}", "DELETE").status == 204
    tab.wait_for(state("start"))  # it is gone, so the list is shown
    assert "not here any more" in tab.value(text("start-problem"))


def test_a_failed_clip_is_removed_from_its_own_view(tab, studio, tmp_path):
    (tmp_path / "noise.mp4").write_bytes(b"\x07" * 5000)
    name = studio.upload(tmp_path / "noise.mp4")["id"]
    tab.open(f"{studio.url}#job={name}")
    tab.wait_for(state("failed"))
    tab.click("#making button:last-child")
    tab.wait_for("document.getElementById('sure').open")
    tab.click("#sure-yes")
    tab.wait_for(state("start"))
    until(lambda: studio.ask(f"api/jobs/{name}").status == 404)
    assert tab.value("document.getElementById('start-problem').hidden")


def test_a_musician_is_chosen_with_an_instrument_and_live_drums_are_a_link(tab, studio, tmp_path):
    draw_puppet_video(tmp_path / "player.mp4", duration_s=2.0, fps=12, size=(240, 240), tempo_bpm=120)
    tab.open(studio.url)
    tab.wait_for(state("start"))
    assert tab.value("document.getElementById('live').getAttribute('href')") == "live"
    assert tab.value("document.getElementById('musician').hidden")
    tab.click("input[value=performance]")
    tab.wait_for("!document.getElementById('musician').hidden")
    names = tab.value("[...document.querySelectorAll('#performer option')].map((o) => o.textContent)")
    assert names[0] == "piano"
    assert "violin (experimental)" in names
    assert tab.value("document.getElementById('experimental').hidden")
    change(tab, "performer", "violin")
    assert not tab.value("document.getElementById('experimental').hidden")
    change(tab, "transpose", -2)
    tab.choose_files("#file", tmp_path / "player.mp4")
    tab.wait_for("!document.getElementById('job').hidden")
    name = tab.value("new URLSearchParams(location.hash.slice(1)).get('job')")
    told = studio.ask(f"api/jobs/{name}").json
    assert told["kind"] == "performance"
    assert (told["options"]["instrument"], told["options"]["transpose"]) == ("violin", -2)
    tab.wait_for("document.querySelectorAll('#mixer li').length > 0", 90)
    assert tab.value("document.querySelector('#mixer .track').textContent") == "violin"
    assert "experimental" in tab.value(text("findings"))
    # It is played as it was seen: there is nothing to choose, and no beat to move.
    for hidden in ("#music", ".variants", "#edit", "#files li:nth-child(3)"):
        assert tab.value(f"document.querySelector({hidden!r}).offsetParent === null"), hidden
    play(tab)
    studio.ask(f"api/jobs/{name}", "DELETE")
    tab.wait_for(state("start"))
    tab.wait_for(sound("paused"))


# Picture, sound and the time axis


def test_it_is_seen_and_heard_and_the_picture_keeps_to_the_sound(tab, studio, fresh):
    open_job(tab, studio, fresh)
    still = drawn(tab)
    assert tab.value("loudness()") == 0
    play(tab)
    tab.wait_for("loudness() > 0.01")
    tab.wait_for("document.getElementById('video').currentTime > 0.8")
    away = tab.value(
        """(async () => {
          const away = [];
          const clock = document.getElementById("clock");
          for (let n = 0; n < 20; n += 1) {
            await new Promise((done) => setTimeout(done, 50));
            away.push(document.getElementById("video").currentTime - Number(clock.dataset.s));
          }
          return away;
        })()"""
    )
    assert np.median(np.abs(away)) < 0.05, away
    assert drawn(tab) != still  # the playhead has moved
    tab.click("#play")
    tab.wait_for(sound("paused"))
    tab.wait_for("loudness() < 1e-4 && document.getElementById('video').paused")


def test_it_stops_at_the_end_or_begins_again(tab, studio, fresh):
    open_job(tab, studio, fresh)
    change(tab, "position", SECONDS - 0.5)
    play(tab)
    tab.wait_for(sound("paused"))
    assert tab.value("Number(document.getElementById('clock').dataset.s)") == SECONDS
    tab.click("#loop")
    assert tab.value("document.getElementById('loop').getAttribute('aria-pressed')") == "true"
    tab.value(
        "window.states = []; new MutationObserver(() => states.push(document.body.dataset.sound))"
        ".observe(document.body, {attributes: true, attributeFilter: ['data-sound']})"
    )
    tab.click("#mixer [aria-label='Solo original sound']")  # it hums without a pause
    change(tab, "position", SECONDS - 0.8)
    play(tab)
    tab.wait_for("loudness() > 0.1")
    quietest = "window.quietest = Infinity; setInterval(() => { quietest = Math.min(quietest, loudness()); }, 20); 0"
    tab.value(quietest)
    tab.wait_for("Number(document.getElementById('clock').dataset.s) < 2")
    assert tab.value("states.at(-1)") == "playing"
    assert tab.value("states.filter((state) => state === 'loading').length") == 1  # it did not stop to begin again
    assert tab.value("quietest") > 0.1


def test_a_click_on_the_axis_or_the_overview_seeks_and_the_axis_zooms(tab, studio, fresh):
    open_job(tab, studio, fresh)
    left, top, width, _ = tab.box("#overview")
    tab.drag((left + width / 2, top + 20), (left + width / 2, top + 20))
    tab.wait_for(f"Math.abs(Number(document.getElementById('clock').dataset.s) - {SECONDS / 2}) < 0.02")
    assert abs(tab.value("document.getElementById('video').currentTime") - SECONDS / 2) < 0.1
    whole = drawn(tab)
    tab.click("#zoom-in")
    assert drawn(tab) != whole
    tab.click("#zoom-out")
    assert drawn(tab) == whole
    left, top, width, height = tab.box("#lanes")
    tab.drag((left + width - 2, top + height - 40), (left + width - 2, top + height - 40))
    tab.wait_for(f"Number(document.getElementById('clock').dataset.s) > {SECONDS} - 0.1")
    # A drag scrolls a part of the clip and seeks nothing.
    for _ in range(3):
        tab.click("#zoom-in")
    before = drawn(tab)
    at_s = tab.value("document.getElementById('clock').dataset.s")
    left, top, width, height = tab.box("#lanes")
    tab.drag((left + width / 2, top + height - 40), (left + width / 2 + 200, top + height - 40))
    assert drawn(tab) != before
    assert tab.value("document.getElementById('clock').dataset.s") == at_s


# Changes


def test_another_seed_is_heard_and_drawn_while_it_plays(tab, studio, fresh):
    open_job(tab, studio, fresh)
    tab.click("#loop")
    play(tab)
    tab.wait_for("loudness() > 0.01")
    seen = variant(studio, fresh)["tracks"][0]["notes"]
    tab.click("#another")
    tab.wait_for("performance.getEntriesByName('kinebeat:heard').length === 1")
    assert tab.value(sound("playing"))  # it went on
    told = tab.value("performance.getEntriesByName('kinebeat:heard')[0].detail")
    now = variant(studio, fresh)
    assert now["revision"] == told["revision"] > 1
    assert now["settings"]["seed"] == tab.value("document.getElementById('seed').valueAsNumber")
    assert now["tracks"][0]["notes"] != seen
    assert told["after_ms"] > 0
    tab.wait_for("loudness() > 0.01")


def test_tempo_density_kit_instruments_and_key_reach_the_music(tab, studio, fresh):
    open_job(tab, studio, fresh)
    heard = variant(studio, fresh)
    change(tab, "density", 2)
    change(tab, "kit", "jazz")
    change(tab, "tempo", 100)
    tab.click("#with input[value=piano]")
    change(tab, "key", "A minor")
    until(lambda: variant(studio, fresh)["settings"]["key"] == "A minor")
    tab.wait_for("document.querySelectorAll('#mixer li').length === 3")  # the piano has come to drums and original
    settings = variant(studio, fresh)["settings"]
    assert (settings["density"], settings["kit"], settings["tempo_bpm"]) == (2, "jazz", 100)
    assert settings["instruments"] == ["piano"]
    assert "100.0 BPM, as you say" in tab.value(text("tempo-said"))
    assert "in A minor" in tab.value(text("findings"))
    assert len(variant(studio, fresh)["tracks"]) == 2
    tab.click("#tempo-auto")
    until(lambda: variant(studio, fresh)["tempo_bpm"] == heard["tempo_bpm"])


def test_what_is_wanted_last_wins_and_nothing_is_made_twice(tab, studio, fresh):
    open_job(tab, studio, fresh)
    before = variant(studio, fresh)["revision"]
    tab.value("document.getElementById('density').focus()")
    for _ in range(12):
        tab.press(*LEFT)
    until(lambda: variant(studio, fresh)["settings"]["density"] == pytest.approx(0.4))
    assert before < variant(studio, fresh)["revision"] < before + 8  # not once for each of the twelve
    tab.wait_for("!document.body.classList.contains('busy')")
    made = variant(studio, fresh)["revision"]
    change(tab, "density", 0.4)
    change(tab, "kit", "standard")
    change(tab, "kit", "jazz")
    until(lambda: variant(studio, fresh)["settings"]["kit"] == "jazz")
    assert variant(studio, fresh)["revision"] == made + 1


def test_tracks_are_muted_alone_and_louder(tab, studio, fresh):
    open_job(tab, studio, fresh)
    tab.click("#loop")
    play(tab)
    tab.wait_for("loudness() > 0.01")
    tab.click("#mixer [aria-label='Mute drums']")
    tab.wait_for("loudness() < 1e-4")
    until(lambda: variant(studio, fresh)["settings"]["levels"]["drums"] is None)
    assert (
        tab.value("document.querySelector('#mixer [aria-label=\"Mute drums\"]').getAttribute('aria-pressed')") == "true"
    )
    tab.click("#mixer [aria-label='Solo original sound']")  # it was mute: whoever wants it alone wants to hear it
    revision = variant(studio, fresh)["revision"]
    wave = studio.ask(f"api/jobs/{fresh}/variants/1/sound/{revision}/original?from_s=1&to_s=2").body[44:]
    peak = np.abs(np.frombuffer(wave, "<i2") / 32768).max()
    tab.wait_for(f"Math.abs(loudness() / {peak} - 1) < 0.05")  # as it is: the limiter leaves it alone
    tab.value("document.querySelector('#mixer li:nth-child(2) input').focus()")
    for _ in range(10):
        tab.press(*LEFT)
    until(lambda: variant(studio, fresh)["settings"]["levels"]["original"] == -10)
    tab.wait_for(f"Math.abs(loudness() / {peak} - 10 ** -0.5) < 0.02")
    tab.click("#mixer [aria-label='Solo original sound']")
    tab.click("#mixer [aria-label='Mute original sound']")
    tab.wait_for("loudness() < 1e-4")


def test_variants_stand_side_by_side_and_take_over_where_it_plays(tab, studio, fresh):
    open_job(tab, studio, fresh)
    tab.click("#keep")
    tab.wait_for("document.querySelectorAll('#variants li').length === 2")
    tab.wait_for("document.querySelector('#variants .chosen strong')?.textContent === 'Variant 2'")
    tab.click("#another")
    until(lambda: variant(studio, fresh, 2)["revision"] == 2)
    assert variant(studio, fresh)["settings"]["seed"] == 0  # the first stays as it is
    tab.click("#loop")
    play(tab)
    tab.wait_for("loudness() > 0.01")
    tab.click("#variants li:first-child .choose")
    tab.wait_for("performance.getEntriesByName('kinebeat:heard').some(({detail}) => detail.number === 1)")
    assert tab.value(sound("playing"))
    assert tab.value("document.getElementById('seed').value") == "0"
    tab.value("history.back()")
    tab.wait_for("document.querySelector('#variants .chosen strong')?.textContent === 'Variant 2'")
    tab.call("Page.reload")
    tab.wait_for("document.querySelector('#variants .chosen strong')?.textContent === 'Variant 2'")
    # Another name.
    tab.click("#variants li:last-child .does button:first-child")
    tab.wait_for("!!document.querySelector('.rename input')")
    tab.value("document.querySelector('.rename input').value = 'Calm one'")
    tab.press(*ENTER)
    until(lambda: variant(studio, fresh, 2)["name"] == "Calm one")
    tab.wait_for("document.querySelector('#variants .chosen strong')?.textContent === 'Calm one'")
    # And gone.
    tab.click("#variants li:last-child .does button:last-child")
    tab.wait_for("document.getElementById('sure').open")
    tab.click("#sure-yes")
    tab.wait_for("document.querySelectorAll('#variants li').length === 1")
    tab.wait_for("document.querySelector('#variants .chosen strong')?.textContent === 'Variant 1'")


def test_two_pages_show_the_same(browser, tab, studio, fresh):
    open_job(tab, studio, fresh)
    assert studio.ask(f"api/jobs/{fresh}/variants/1", "PUT", {"seed": 77, "kit": "brush"}).status == 200
    tab.wait_for("document.getElementById('seed').value === '77' && document.getElementById('kit').value === 'brush'")


# Edits by hand


def accents(studio: RunningStudio, name: str) -> list[dict]:
    return variant(studio, name)["accents"]


def test_an_accent_is_moved_deleted_added_and_all_that_undone(tab, studio, fresh):
    open_job(tab, studio, fresh)
    before = accents(studio, fresh)
    plain = drawn(tab)
    tab.click("#next")
    assert tab.value(text("picked")).startswith(f"Accent 1 of {len(before)}, {before[0]['time_s']:.3f} s")
    tab.value("document.getElementById('timeline').focus()")
    tab.press(*RIGHT)
    tab.press(*RIGHT)
    tab.press(*LEFT, modifiers=SHIFT)
    to_s = round(before[0]["heard_s"] + 0.019, 3)
    until(lambda: accents(studio, fresh)[0]["time_s"] == to_s)
    assert variant(studio, fresh)["settings"]["edits"] == [
        {"what": "accent", "at_s": before[0]["heard_s"], "to_s": to_s}
    ]
    assert "heard at" in tab.value(text("picked"))
    moved = drawn(tab)
    assert moved != plain
    tab.click("#to")
    change(tab, "to", round(to_s + 0.1, 3))
    until(lambda: accents(studio, fresh)[0]["time_s"] == round(to_s + 0.1, 3))
    tab.value("document.getElementById('timeline').focus()")
    tab.press(*DELETE)
    until(lambda: len(accents(studio, fresh)) == len(before) - 1)
    tab.press("z", "KeyZ", 90, modifiers=CONTROL)
    until(lambda: len(accents(studio, fresh)) == len(before))
    tab.press("Z", "KeyZ", 90, modifiers=CONTROL | SHIFT)
    until(lambda: len(accents(studio, fresh)) == len(before) - 1)
    change(tab, "position", 2.2)
    tab.click("#add")
    until(lambda: any(one["heard_s"] is None and abs(one["time_s"] - 2.2) < 0.02 for one in accents(studio, fresh)))
    assert "added by hand" in tab.value(text("picked"))
    assert "2 edited by hand" not in tab.value(text("timeline-said"))  # what is deleted is not drawn
    tab.click("#forget")
    until(lambda: accents(studio, fresh) == before)
    assert tab.value("document.getElementById('forget').disabled")


def accent_lane(tab: Tab, name: str) -> float:
    """How far below the upper edge of the time axis the accents are taken hold of."""
    return tab.value(
        "(async () => { const { lanesOf } = await import('./lanes.js');"
        f" const variant = await (await fetch('api/jobs/{name}/variants/1')).json();"
        " return lanesOf(variant, {}).lanes.find(({ what }) => what === 'accent').top + 30; })()"
    )


def test_a_mark_is_taken_hold_of_and_dragged(tab, studio, fresh):
    open_job(tab, studio, fresh)
    one = accents(studio, fresh)[1]
    left, top, width, _ = tab.box("#lanes")
    gutter = 92
    x = left + gutter + one["time_s"] / SECONDS * (width - gutter)
    y = top + accent_lane(tab, fresh)
    tab.drag((x, y), (x + 30, y))
    by_s = 30 / (width - gutter) * SECONDS
    until(lambda: variant(studio, fresh)["settings"]["edits"])
    edit = variant(studio, fresh)["settings"]["edits"][0]
    assert edit["at_s"] == one["heard_s"]
    assert abs(edit["to_s"] - one["time_s"] - by_s) < 0.02


def test_a_refused_edit_says_why_and_goes_back(tab, studio, fresh):
    open_job(tab, studio, fresh)
    beats = variant(studio, fresh)["beats"]
    change(tab, "what", "beat")
    tab.click("#next")
    before = tab.value(text("picked"))
    assert before.startswith(("Beat", "Downbeat"))
    change(tab, "to", beats[2]["time_s"])  # onto another one
    tab.wait_for("!document.getElementById('refused').hidden")
    words = tab.value(text("refused"))
    assert words.count(".") >= 2, words
    assert tab.value(text("picked")) == before
    assert tab.value("document.getElementById('undo').disabled")
    assert variant(studio, fresh)["beats"] == beats


# Downloads


def saved(folder, suffix: str):
    return [path for path in folder.iterdir() if path.name.endswith(suffix)]


def test_all_is_there_to_be_taken_away(tab, studio, fresh, tmp_path):
    tab.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    open_job(tab, studio, fresh)
    for what, suffix in (("midi", ".mid"), ("wav", ".wav"), ("report", ".json"), ("stems", ".zip"), ("mp4", ".mp4")):
        tab.click(f"#files a[href$='/{what}']")
        until(lambda suffix=suffix: saved(tmp_path, suffix))
        assert saved(tmp_path, suffix)[0].name.startswith("dancer")
    tab.wait_for("!document.querySelector('#files [aria-busy]')")
    assert tab.value(text("said")) == "MP4 is ready"
    tab.value("document.querySelector('#files li:last-child a').href += 's'")
    tab.click("#files li:last-child a")
    tab.wait_for("!document.querySelector('#files li:last-child .problem').hidden")
    assert "no such file" in tab.value("document.querySelector('#files li:last-child .problem').textContent")


# For everybody


def test_the_keyboard_alone_will_do(tab, studio, fresh, tmp_path):
    tab.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    tab.open(studio.url)
    tab.wait_for("document.querySelector('#jobs .card[data-state=done]') !== null")

    def tab_to(wanted: str) -> None:
        for _ in range(80):
            tab.press(*TAB)
            if tab.value(f"document.activeElement.matches({wanted!r})"):
                outline = tab.value("getComputedStyle(document.activeElement).outlineStyle")
                assert outline == "solid" or wanted == "#file", wanted  # the focus is seen
                return
        raise AssertionError(f"{wanted} is not reached")

    tab_to("#file")
    tab_to("input[name=kind]")
    tab_to("#demo")
    tab_to(f"#jobs a[href='#job={fresh}']")
    tab.press(*ENTER)
    tab.wait_for("document.querySelectorAll('#mixer li').length > 0")
    assert tab.value("document.activeElement.id") == "job-name"
    tab.press(*SPACE)  # nothing that wants it has the focus
    tab.wait_for(sound("playing"))
    tab_to("#play")
    tab.press(*SPACE)
    tab.wait_for(sound("paused"))
    tab_to("#timeline")
    tab.press("Home", "Home", 36)
    tab.press("ArrowDown", "ArrowDown", 40)
    assert tab.value(text("picked")).startswith("Accent 1 of")
    tab.press(*RIGHT)
    until(lambda: variant(studio, fresh)["settings"]["edits"])
    tab.press(*ESCAPE)
    assert tab.value(text("picked")) == "Nothing selected"
    tab.press(*RIGHT)
    tab.wait_for("Number(document.getElementById('clock').dataset.s) === 1")
    tab_to("#another")
    tab_to("#mixer input")
    tab_to("#files a[href$='/midi']")
    tab.press(*ENTER)
    until(lambda: saved(tmp_path, ".mid"))


def test_the_keys_are_told(tab, studio):
    tab.open(studio.url)
    tab.wait_for(state("start"))
    tab.click("#keys")
    tab.wait_for("document.getElementById('help').open")
    assert "10 ms" in tab.value(text("help"))
    tab.press(*ESCAPE)
    tab.wait_for("!document.getElementById('help').open")
    assert tab.value("document.activeElement.id") == "keys"


def test_who_does_not_see_the_axis_is_told_what_is_on_it(tab, studio, fresh):
    open_job(tab, studio, fresh)
    told = variant(studio, fresh)
    words = tab.value(text("timeline-said"))
    strokes = len(told["tracks"][0]["notes"])
    assert words.startswith(f"{len(told['beats'])} beats, {len(told['accents'])} accents, drums {strokes} strokes")
    tab.click("#table summary")
    tab.wait_for("document.querySelectorAll('#rows tbody tr').length > 0")
    rows = tab.value("document.querySelectorAll('#rows tbody tr').length")
    assert rows == len(told["beats"]) + len(told["accents"])
    assert "alignment" in tab.value(text("findings"))
    # What no label names has one of its own.
    names = tab.value(
        "[...document.querySelectorAll('#studio button, #studio input, #studio select')].map((e) =>"
        " (e.getAttribute('aria-label') || e.labels?.[0]?.textContent || e.textContent).trim())"
    )
    assert all(names)


@pytest.mark.parametrize("width", [320, 360, 768])
def test_nothing_is_cut_off_on_narrow_screens(tab, studio, fresh, width):
    tab.look_like(width)
    outside = """[...document.querySelectorAll("button, input, select, a, canvas")].filter((e) => {
        const { left, right, width } = e.getBoundingClientRect();
        return width > 0 && (left < -0.5 || right > innerWidth + 0.5);
    }).map((e) => e.id || e.outerHTML)"""
    small = """[...document.querySelectorAll("button, select, .button")].filter((e) => {
        const { width, height } = e.getBoundingClientRect();
        return width > 0 && (height < 39.5 || width < 39.5);
    }).map((e) => e.id || e.outerHTML)"""
    tab.open(studio.url)
    tab.wait_for(state("start"))
    tab.click("input[value=performance]")
    for view in ("start", "job"):
        if view == "job":
            open_job(tab, studio, fresh)
            tab.click("#next")
        assert tab.value("document.documentElement.scrollWidth") <= width
        assert tab.value(outside) == []
        assert tab.value(small) == []


def test_a_finger_scrolls_the_axis(tab, studio, fresh):
    tab.look_like(360)
    open_job(tab, studio, fresh)
    for _ in range(3):
        tab.click("#zoom-in")
    before = drawn(tab)
    left, top, width, height = tab.box("#lanes")
    y = top + height - 60
    tab.call("Input.dispatchTouchEvent", type="touchStart", touchPoints=[{"x": left + width - 40, "y": y}])
    for step in range(1, 6):
        point = {"x": left + width - 40 - 30 * step, "y": y}
        tab.call("Input.dispatchTouchEvent", type="touchMove", touchPoints=[point])
    tab.call("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])
    assert drawn(tab) != before
    assert tab.value("document.getElementById('clock').dataset.s") == "0"


def test_a_finger_moves_only_what_it_has_selected(tab, studio, fresh):
    tab.look_like(360)
    open_job(tab, studio, fresh)
    one = accents(studio, fresh)[1]
    left, top, width, _ = tab.box("#lanes")
    gutter = 58
    x = left + gutter + one["time_s"] / SECONDS * (width - gutter)
    y = top + accent_lane(tab, fresh)

    def swipe(to: float) -> None:
        tab.call("Input.dispatchTouchEvent", type="touchStart", touchPoints=[{"x": x, "y": y}])
        if to != x:
            for place in ((x + to) / 2, to):
                tab.call("Input.dispatchTouchEvent", type="touchMove", touchPoints=[{"x": place, "y": y}])
        tab.call("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])

    swipe(x + 30)
    assert tab.value(text("picked")) == "Nothing selected"
    swipe(x)
    assert tab.value(text("picked")).startswith("Accent 2 of")
    swipe(x + 30)
    until(lambda: variant(studio, fresh)["settings"]["edits"])
    assert variant(studio, fresh)["settings"]["edits"][0]["at_s"] == one["heard_s"]


def test_light_and_dark_are_both_drawn(tab, studio, fresh):
    open_job(tab, studio, fresh)
    light = drawn(tab)
    tab.look_like(1280, "dark")
    tab.wait_for("matchMedia('(prefers-color-scheme: dark)').matches")
    assert drawn(tab) != light


def test_the_axis_leafs_over_where_things_shall_not_move(tab, studio):
    tab.open(studio.url)
    starts = """(async () => {
      const { View } = await import("./view.js");
      const starts = (still) => {
        const view = new View();
        view.open(60, false);
        const seen = new Set();
        for (let s = 0; s < 30; s += 0.1) { view.follow(s, still); seen.add(view.start_s); }
        return seen.size;
      };
      return [starts(false), starts(true)];
    })()"""
    scrolling, leafing = tab.value(starts)
    assert scrolling > 200
    assert leafing <= 4


# When something goes wrong


def test_a_video_that_is_dropped_on_another_clip_goes_up_too(tab, studio, fresh, tmp_path):
    (tmp_path / "noise.mp4").write_bytes(b"\x07" * 5000)
    open_job(tab, studio, fresh)
    tab.drop_files("#timeline", tmp_path / "noise.mp4")
    tab.wait_for("document.getElementById('job-name').textContent === 'noise.mp4'")
    name = tab.value("new URLSearchParams(location.hash.slice(1)).get('job')")
    studio.ask(f"api/jobs/{name}", "DELETE")
    tab.wait_for(state("start"))


def test_a_picture_that_the_browser_cannot_show_is_told(tab, studio, fresh):
    open_job(tab, studio, fresh)
    tab.value("document.getElementById('video').src = 'style.css'")
    tab.wait_for("/cannot show the picture/.test(document.getElementById('notice').textContent)")
    play(tab)
    tab.wait_for("loudness() > 0.01")


@pytest.fixture
def unused_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def test_live_drums_are_reached_from_here(tab, studio):
    tab.open(studio.url)
    tab.wait_for(state("start"))
    assert tab.value("document.getElementById('live').target") == "_blank"
    tab.open(f"{studio.url}live")
    tab.wait_for("document.title === 'Kinebeat live' && document.body.dataset.state === 'idle'")
    assert tab.value("location.origin + '/'") != studio.url


def test_the_studio_ends_and_comes_back(tab, studio, fresh, tmp_path, unused_port):
    shutil.copytree(studio.data, tmp_path / "data")
    with running_studio(tmp_path / "data", port=unused_port) as first:
        open_job(tab, first, fresh)
        first.stop()
        tab.wait_for("!document.getElementById('lost').hidden")
        assert "connection is lost" in tab.value(text("lost"))
    with running_studio(tmp_path / "data", port=unused_port) as second:
        tab.wait_for("document.getElementById('lost').hidden")
        before = variant(second, fresh)["revision"]
        play(tab)
        tab.wait_for("loudness() > 0.01")
        tab.click("#another")
        until(lambda: variant(second, fresh)["revision"] == before + 1)
        tab.value("location.href = 'about:blank'")  # nobody asks in vain when it ends


def test_who_does_not_know_the_password_stays_outside(tab, tmp_path):
    with running_studio(tmp_path / "data", password="open sesame") as studio:
        tab.open(studio.url)
        tab.wait_for("location.pathname === '/login' && document.activeElement.id === 'password'")
        tab.call("Input.insertText", text="sesame")
        tab.press(*ENTER)
        tab.wait_for(state("refused"))
        assert tab.value(text("wrong")) == "The password is wrong. Try again."
        tab.value("document.getElementById('password').value = ''")
        tab.call("Input.insertText", text="open sesame")
        tab.press(*ENTER)
        tab.wait_for(state("start"))
        tab.call("Network.clearBrowserCookies")
        tab.click("#demo")
        tab.wait_for("location.pathname === '/login'")


def test_stretches_join_and_decks_take_over_without_a_seam(tab, studio):
    tab.open(studio.url)
    worst = tab.value(
        """(async () => {
          const { Deck } = await import("./deck.js");
          const { STRETCH_S } = await import("./stretches.js");
          const rate = 48000;
          const tone = (time_s) => 0.5 * Math.sin(2 * Math.PI * 441 * time_s);
          const stretches = { here(source, track, place) {
            const buffer = new AudioBuffer({ length: rate * STRETCH_S, numberOfChannels: 1, sampleRate: rate });
            const samples = buffer.getChannelData(0);
            for (let n = 0; n < samples.length; n += 1) samples[n] = tone(place * STRETCH_S + n / rate);
            return buffer;
          } };
          const context = new OfflineAudioContext(1, 8 * rate, rate);
          const deck = () => new Deck({ duration_s: 60 }, stretches, new Map([["drums", 1]]));
          const [first, second] = [deck(), deck()];
          first.begin(context, context.destination, -2.5, 0); // in the middle of a stretch
          second.begin(context, context.destination, -2.5, 4);
          first.stop(4);
          const heard = (await context.startRendering()).getChannelData(0);
          let worst = 0;
          for (let n = rate / 10; n < heard.length; n += 1) {
            worst = Math.max(worst, Math.abs(heard[n] - tone(2.5 + n / rate)));
          }
          return worst;
        })()"""
    )
    assert worst < 1e-3


def test_few_stretches_are_fetched_at_once_urgent_ones_first_and_old_ones_no_more(tab, studio):
    tab.open(studio.url)
    order, most, stopped = tab.value(
        """(async () => {
          const { Stretches, STRETCH_S, soundPath } = await import("./stretches.js");
          let going = 0;
          let most = 0;
          const asked = [];
          window.fetch = (address, { signal }) => new Promise((done, fail) => {
            const place = Number(new URL(address, location).searchParams.get("from_s")) / STRETCH_S;
            asked.push(place);
            most = Math.max(most, ++going);
            const end = (how) => () => { going -= 1; how(); };
            signal.addEventListener("abort", end(() => fail(new DOMException("", "AbortError"))));
            if (place < 9) setTimeout(end(() => fail(new TypeError())), 10);
          });
          const stretches = new Stretches();
          const source = { id: "x", number: 1, revision: 1, duration_s: 600 };
          const all = [0, 1, 2, 3, 4].map((place) => stretches.get(source, "drums", place));
          all.push(stretches.get(source, "drums", 5, true));
          await Promise.allSettled(all);
          const hung = stretches.get(source, "drums", 9).then(() => "came", (error) => error.name);
          await new Promise((done) => setTimeout(done, 20));
          stretches.forsake(soundPath(source));
          return [asked, most, await hung];
        })()"""
    )
    assert order == [0, 1, 2, 5, 3, 4, 9]
    assert most == 3
    assert stopped == "AbortError"


def test_stretches_of_sound_are_forgotten_when_there_are_too_many(tab, studio):
    tab.open(studio.url)
    kept = tab.value(
        """(async () => {
          const { Stretches, STRETCH_S } = await import("./stretches.js");
          const frames = 48000 * STRETCH_S;
          const wav = new ArrayBuffer(44 + 4 * frames);
          const view = new DataView(wav);
          const name = (place, letters) => [...letters].forEach((l, i) => view.setUint8(place + i, l.charCodeAt(0)));
          name(0, "RIFF"); name(8, "WAVEfmt "); view.setUint32(16, 16, true); view.setUint16(22, 2, true);
          view.setUint32(24, 48000, true); name(36, "data"); view.setUint32(40, 4 * frames, true);
          view.setInt16(44, -16384, true);
          let asked = 0;
          window.fetch = async () => { asked += 1; return new Response(wav.slice(0)); };
          const stretches = new Stretches();
          const source = { id: "x", number: 1, revision: 1, duration_s: 600 };
          const first = await stretches.get(source, "drums", 0);
          for (let place = 1; place < 600 / STRETCH_S; place += 1) await stretches.get(source, "drums", place);
          const here = (place) => stretches.here(source, "drums", place) !== undefined;
          const seconds = [asked * STRETCH_S, stretches.kept.size * STRETCH_S];
          const last = here(600 / STRETCH_S - 1);
          return [...seconds, last, here(0), first.getChannelData(0)[0], first.duration / STRETCH_S];
        })()"""
    )
    assert kept == [600, 312, True, False, -0.5, 1]
