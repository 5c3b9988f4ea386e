"""The page of a survey in a real Chromium, opened from the disk: what is shown, what must be done, what is saved."""

import json
import shutil
import wave
from types import SimpleNamespace

import av
import numpy as np
import pytest

from browser import Tab, chromium, running
from command_line import run
from kinebeat.audio import RATE_HZ
from kinebeat.clip_audio import clip_audio
from kinebeat.levels import levels, loudness_lufs
from kinebeat.puppet import draw_puppet_video
from kinebeat.survey import SurveySettings, make_survey, making, tally
from kinebeat.survey.making import KEY
from kinebeat.survey.plan import OURS, RANDOM, SHUFFLED, SILENT, Plan, Trial
from kinebeat.survey.sounds import Sound
from kinebeat.video_in import probe

needs_chromium = pytest.mark.skipif(
    chromium() is None, reason="no Chromium is installed (Debian: apt install chromium)"
)
SECONDS = 3.0
TITLE = 'Beats & "moves" <1>'


def write_tone(path, seconds: float = SECONDS) -> None:
    samples = (3000 * np.sin(np.arange(round(seconds * RATE_HZ)) / 20)).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(samples.tobytes())


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A survey on one dancing figure, with another system's sound."""
    folder = tmp_path_factory.mktemp("survey")
    draw_puppet_video(folder / "dancer.mp4", duration_s=SECONDS, fps=25, size=(240, 320), tempo_bpm=120)
    write_tone(folder / "tone.wav")
    words = ["--other", f"theirs={folder / 'tone.wav'}", "--title", TITLE, "--workers", 1, "-q"]
    assert run("survey", folder / "dancer.mp4", "--out", folder / "out", *words) == 0
    return folder / "out"


@pytest.fixture(scope="module")
def plan(made) -> Plan:
    key = json.loads((made / KEY).read_text())
    trials = tuple(Trial(**trial) for trial in key["trials"])
    return Plan(key["survey"], tuple(key["videos"]), (), trials)


def media(made, plan: Plan) -> dict[str, object]:
    """The file of each version."""
    trial = next(trial for trial in plan.trials if trial.question == "prefer")
    return {name: made / "page" / "media" / f"{code}.mp4" for code, name in trial.versions.items()}


def test_all_versions_have_one_picture_and_one_loudness(made, plan):
    files = media(made, plan)
    assert set(files) == {OURS, SHUFFLED, RANDOM, "theirs", SILENT}
    assert len(list((made / "page" / "media").iterdir())) == 5
    frames = round(SECONDS * RATE_HZ)
    loud, pictures, sounds = {}, set(), set()
    for name, path in files.items():
        with av.open(str(path)) as container:
            pictures.add(b"".join(bytes(packet) for packet in container.demux(video=0)))
        heard = list(clip_audio(path, frames).blocks())
        sounds.add(np.concatenate(heard).tobytes())
        loud[name] = loudness_lufs(iter(heard), frames)
        assert levels(iter(heard), frames).max() < 1
    assert len(pictures) == 1
    assert len(sounds) == 5
    assert loud.pop(SILENT) == -70
    assert max(loud.values()) - min(loud.values()) < 0.5


def test_who_takes_part_cannot_see_whose_is_whose(made):
    page = (made / "page" / "index.html").read_text()
    assert not any(name in page for name in (OURS, SHUFFLED, RANDOM, "theirs", SILENT, "dancer"))
    assert "Beats &amp; &quot;moves&quot; &lt;1&gt;" in page
    assert "http" not in page.replace("http-equiv", ""), "nothing is fetched from elsewhere"


def test_a_survey_is_never_written_over(made, tmp_path, capsys):
    before = (made / KEY).read_bytes()
    assert run("survey", tmp_path / "x.mp4", "--out", made) == 2
    draw_puppet_video(tmp_path / "x.mp4", duration_s=2.0, fps=10, size=(120, 160))
    assert run("survey", tmp_path / "x.mp4", "--out", made) == 2
    assert "is not empty; choose a new folder" in capsys.readouterr().err
    assert (made / KEY).read_bytes() == before


def test_bad_words_are_refused_before_long_work(tmp_path, capsys):
    for name in ("a", "b", "c"):
        draw_puppet_video(tmp_path / f"{name}.mp4", duration_s=1.0, fps=10, size=(120, 160))
    write_tone(tmp_path / "tone.wav")
    (tmp_path / "folder").mkdir()
    shutil.copy(tmp_path / "tone.wav", tmp_path / "folder" / "a.wav")
    shutil.copy(tmp_path / "a.mp4", tmp_path / "folder" / "b.mp4")
    one, two, three = (tmp_path / f"{name}.mp4" for name in "abc")
    for words, said in (
        ([one, "--other", "theirs"], "expected NAME=PATH"),
        ([one, "--other", f"no sound={one}"], "is no name for another system"),
        ([one, "--other", f"x={tmp_path / 'none'}"], "no such file or folder"),
        ([one, "--other", f"x={one}"], "has no sound"),
        ([one, two, "--other", f"x={tmp_path / 'tone.wav'}"], "is one file for 2 videos"),
        ([one, two, "--other", f"x={tmp_path / 'folder'}"], "has no sound"),
        ([three, "--other", f"x={tmp_path / 'folder'}"], "has 0 files for c.mp4"),
        ([one, one], "two videos have the same name"),
        ([tmp_path / "tone.wav"], "tone.wav"),
        ([one, "--density", 7], "density 7"),
    ):
        assert run("survey", *words, "--out", tmp_path / "out") == 2, words
        assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_picture_that_browsers_do_not_play_is_encoded_anew(write_video, tmp_path):
    pictures = [np.full((96, 128, 3), 10 * n, np.uint8) for n in range(10)]
    old = write_video(tmp_path / "old.avi", pictures, codec="mpeg4")
    new = making._playable(old, tmp_path / "new.mp4")
    assert new == tmp_path / "new.mp4"
    assert probe(new).codec == "h264"
    assert probe(new).duration_s == pytest.approx(probe(old).duration_s, abs=0.05)
    assert making._playable(new, tmp_path / "none.mp4") == new


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with running(chromium(), tmp_path_factory.mktemp("profile"), None) as browser:
        yield browser


@pytest.fixture
def tab(browser):
    tab = browser.tab()
    yield tab
    tab.close()
    assert tab.problems == []  # no script failed, no rule of the page was broken


def state(name: str) -> str:
    return f"document.body.dataset.state === {name!r}"


def shown(tab: Tab) -> list[str]:
    return tab.value("[...document.querySelectorAll('video')].map((v) => v.src.split('/').pop().split('.')[0])")


def laid_out(tab: Tab) -> None:
    """Wait until the videos have their heights: what is below them moves until then."""
    tab.wait_for("[...document.querySelectorAll('video')].every((v) => v.readyState >= 1)")


def watch_all(tab: Tab) -> None:
    """At four times the speed; one after the other, as a video that begins stops the others."""
    for i in range(len(shown(tab))):
        video = f"document.querySelectorAll('video')[{i}]"
        tab.value(f"(v => {{ v.muted = true; v.playbackRate = 4; return v.play(); }})({video})")
        tab.wait_for(f"document.querySelectorAll('.watched')[{i}].textContent === 'watched'")
        assert (
            tab.value(f"[...document.querySelectorAll('video')].filter((v, i) => i !== {i} && !v.paused).length") == 0
        )


def choose(tab: Tab, plan: Plan, name: str) -> None:
    codes = {version: code for trial in plan.trials for code, version in trial.versions.items()}
    tab.click(f'input[value="{codes[name]}"]')
    tab.click("#next")


def press_tab(tab: Tab) -> None:
    tab.press("Tab", "Tab", 9)


@needs_chromium
def test_a_person_goes_through_with_the_keyboard_and_the_answers_count(tab, browser, made, plan, tmp_path):
    tab.open((made / "page" / "index.html").as_uri() + "?sheet=7")
    tab.wait_for(state("intro"))
    assert tab.value("document.querySelector('h1').textContent") == TITLE
    for _ in range(20):
        if tab.value("document.activeElement.id") == "start":
            break
        press_tab(tab)
    tab.press("Enter", "Enter", 13)
    tab.wait_for(state("trial"))
    assert tab.value("document.activeElement.id") == "question", "a screen reader reads on from the question"
    for turn, (trial, codes) in enumerate(plan.sheet(7)):
        tab.wait_for(f"document.getElementById('progress').textContent === '{turn + 1} of 2'")
        assert shown(tab) == codes
        laid_out(tab)
        wanted = OURS if trial.question == "match" else SILENT
        tab.click("#next")
        tab.wait_for("document.getElementById('missing').textContent.startsWith('Please watch A, B, C, D')")
        watch_all(tab)
        tab.click("#next")
        tab.wait_for("document.getElementById('missing').textContent === 'Please choose one of them.'")
        if turn == 0:  # a reload loses nothing
            choose(tab, plan, wanted)
            tab.wait_for("document.getElementById('progress').textContent === '2 of 2'")
            tab.open((made / "page" / "index.html").as_uri())
            tab.wait_for(state("intro"))
            tab.click("#resume")
        else:
            choose(tab, plan, wanted)
    tab.wait_for(state("end"))
    tab.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    tab.click("#save")
    name = tab.value("document.getElementById('save').download")
    path = tmp_path / name
    for _ in range(100):
        if path.exists() and path.stat().st_size:
            break
        tab.value("new Promise((go) => setTimeout(go, 100))")
    assert name.startswith(f"answers-{plan.survey}-")
    assert path.read_text().split() == tab.value("document.getElementById('answers').value").split()
    found = tally([path], made)
    assert (found["people"], found["votes"], found["warnings"]) == (1, 2, [])
    assert {one["question"]: one["rows"][0]["name"] for one in found["questions"]} == {"match": OURS, "prefer": SILENT}
    tab.click("#again")
    tab.wait_for(state("intro"))
    assert tab.value("document.getElementById('resume').hidden")


@needs_chromium
@pytest.mark.parametrize("number", range(4))
def test_the_page_and_the_plan_agree_on_every_order(number, tab, made, plan):
    tab.open((made / "page" / "index.html").as_uri())
    tab.wait_for(state("intro"))
    for sheet in range(number, plan.sheets, 4):
        told = tab.value(f"order({sheet}).map((one) => [one.name, one.shown])")
        assert told == [[trial.name, codes] for trial, codes in plan.sheet(sheet)]


@needs_chromium
def test_a_skipped_video_is_not_a_watched_one(tab, made):
    tab.open((made / "page" / "index.html").as_uri() + "?sheet=0")
    tab.click("#start")
    tab.wait_for(state("trial"))
    tab.wait_for("document.querySelector('video').readyState >= 1")
    tab.value(
        "(v => { v.muted = true; v.currentTime = v.duration - 0.2; return v.play(); })(document.querySelector('video'))"
    )
    tab.wait_for("document.querySelector('video').ended")
    assert tab.value("document.querySelector('.watched').textContent") == ""
    tab.value("document.querySelectorAll('video')[1].src = 'media/none.mp4'")
    tab.wait_for("document.querySelectorAll('.watched')[1].textContent === 'cannot be played'")


@needs_chromium
@pytest.mark.parametrize(("width", "scheme"), [(360, "light"), (1280, "dark")])
def test_names_for_screen_readers_and_no_scrolling_sideways(width, scheme, tab, made, tmp_path):
    tab.call("Emulation.setDeviceMetricsOverride", width=width, height=740, deviceScaleFactor=1, mobile=False)
    tab.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    tab.open((made / "page" / "index.html").as_uri() + "?sheet=0")
    tab.picture(tmp_path / "intro.png")
    tab.click("#start")
    tab.wait_for(state("trial"))
    tab.wait_for("[...document.querySelectorAll('video')].every((v) => v.readyState >= 2)")
    assert tab.value("document.documentElement.scrollWidth") <= width
    nodes = tab.call("Accessibility.getFullAXTree")["nodes"]
    roles = [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes if not node["ignored"]]
    choices = sorted(name for role, name in roles if role == "radio")
    assert choices == [f"Choose {letter}" for letter in "ABCD"]
    assert sorted(name for role, name in roles if role == "Video") == [f"Video {letter}" for letter in "ABCD"]
    assert ("group", "Choose one video") in roles
    assert all(name for role, name in roles if role in ("button", "heading", "textbox", "link"))
    tab.picture(tmp_path / "trial.png")


@needs_chromium
def test_a_page_in_one_file_plays_without_anything_beside_it(tab, tmp_path, monkeypatch):
    def silent(*_: object) -> dict[str, Sound]:
        sound = Sound(lambda: iter([np.zeros((RATE_HZ, 2), np.float32)]), 0.0)
        return dict.fromkeys((OURS, SHUFFLED, RANDOM, SILENT), sound)

    draw_puppet_video(tmp_path / "d.mp4", duration_s=1.0, fps=10, size=(120, 160))
    monkeypatch.setattr(making, "_soundtrack", lambda *_: SimpleNamespace(warnings=("short",)))
    monkeypatch.setattr(making, "versions", silent)
    settings = SurveySettings(question="match", one_file=True)
    assert make_survey([tmp_path / "d.mp4"], tmp_path / "out", settings) == ("d.mp4: short",)
    assert [path.name for path in (tmp_path / "out" / "page").iterdir()] == ["index.html"]
    (tmp_path / "out" / "page" / "index.html").rename(tmp_path / "alone.html")
    tab.open((tmp_path / "alone.html").as_uri())
    tab.click("#start")
    tab.wait_for(state("trial"))
    tab.wait_for("[...document.querySelectorAll('video')].every((v) => v.readyState >= 2)")
    assert len(shown(tab)) == 3
