"""`kinebeat beats`: what it hears, what it writes, how it ends."""

from __future__ import annotations

import json
import sys
import wave
from types import ModuleType
from typing import TYPE_CHECKING

import av
import numpy as np
import pytest
from PIL import Image

import kinebeat
from command_line import run
from kinebeat.accents import find_accents
from kinebeat.audio import PEAK_DBFS
from kinebeat.beat_plot import plot_beats
from kinebeat.beats.cues import kinematic
from kinebeat.beats.grid import BeatGrid
from kinebeat.clicks import BEAT_HZ, CLICK_S, DOWNBEAT_HZ, burst, click_track
from kinebeat.errors import OptionError, OutputError
from kinebeat.motion import compute_motion
from kinebeat.plot import ACCENT, BEAT
from kinebeat.pose import save_pose
from kinebeat.puppet import puppet_pose
from kinebeat.rhythm import SETTLE_S
from movers import frame_times_s, jitter, standing, track
from test_audio import tone, write_clip
from test_plot import pixels
from test_video_out import assert_same_picture

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from kinebeat.clicks import ClickTrack

RATE_HZ = 48000
PEAK = 10 ** (PEAK_DBFS / 20)
TEMPO_BPM = 97.0


@pytest.fixture
def keypoints(tmp_path: Path) -> Path:
    """The exact joints of the dancing figure, in a folder of their own."""
    path = tmp_path / "dancer.npz"
    save_pose(puppet_pose(frame_times_s(12.0), tempo_bpm=TEMPO_BPM), path)
    return path


def onsets_s(sound: NDArray[np.float32]) -> NDArray[np.float64]:
    """Where the level first comes to a quarter of the loudest after a silence; (N,) seconds."""
    loud = np.flatnonzero(np.abs(sound) > 0.25 * np.abs(sound).max())
    return loud[np.diff(loud, prepend=-RATE_HZ) > 0.05 * RATE_HZ] / RATE_HZ


def pitch_hz(sound: NDArray[np.float32], at_s: float) -> float:
    """The strongest frequency of the click that begins at a time."""
    part = sound[round(at_s * RATE_HZ) :][: round(CLICK_S * RATE_HZ)]
    size = 1 << 14
    return float(np.abs(np.fft.rfft(part, size)).argmax() * RATE_HZ / size)


def drawn(clicks: ClickTrack) -> NDArray[np.float32]:
    return np.concatenate(list(clicks.blocks()))


def test_the_dances_tempo_and_beats_are_heard_in_its_video(puppet_clip, tmp_path, capsys):
    clip, dance = puppet_clip
    out, plot, click = (tmp_path / name for name in ("beats.json", "beats.png", "click.mp4"))
    assert run("beats", clip, "--json", out, "--plot", plot, "--click", click) == 0
    said = json.loads(out.read_text())
    assert said["tempo_bpm"] == pytest.approx(dance.tempo_bpm, rel=0.01)
    assert said["source"] == "movement"
    assert said["confidence"] > 0.5
    assert said["duration_s"] == pytest.approx(5.0, abs=0.05)
    beats_s = np.array(said["beats_s"])
    assert (beats_s >= 0).all()
    assert (beats_s < said["duration_s"]).all()
    away = np.abs(dance.beats_s[:, None] - beats_s[None]).min(1)
    assert away.max() < 0.07
    assert set(said["downbeats_s"]) <= set(said["beats_s"])
    assert said["version"] == kinebeat.__version__
    assert {"pose", "movement", "beats", "plot", "click"} <= set(said["seconds_by_stage"])
    assert_same_picture(clip, click)
    with av.open(str(click)) as container:
        (audio,) = container.streams.audio
        assert (audio.rate, audio.layout.name) == (RATE_HZ, "stereo")
        heard = np.concatenate([frame.to_ndarray() for frame in container.decode(audio)], axis=1)[0]
    found = onsets_s(heard)
    assert len(found) == len(beats_s)
    assert np.abs(found - beats_s).max() < 0.005
    screen = capsys.readouterr()
    assert f"{said['tempo_bpm']:.1f} BPM, heard in the movement" in screen.out
    assert f"{len(beats_s)} beats" in screen.out
    assert screen.err == ""
    assert sorted(path.name for path in tmp_path.iterdir()) == ["beats.json", "beats.png", "click.mp4"]


def test_keypoints_give_a_wav_with_a_click_on_the_sample_of_every_beat(keypoints, tmp_path, capsys):
    out, click = tmp_path / "beats.json", tmp_path / "click.wav"
    assert run("beats", keypoints, "--json", out, "--click", click, "-q") == 0
    assert capsys.readouterr().out == ""
    said = json.loads(out.read_text())
    assert said["tempo_bpm"] == pytest.approx(TEMPO_BPM, rel=0.01)
    with wave.open(str(click)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (RATE_HZ, 2, 3)
        assert file.getnframes() == round(said["duration_s"] * RATE_HZ)
        raw = np.frombuffer(file.readframes(file.getnframes()), np.uint8).reshape(-1, 2, 3)
    sound = (raw[:, 0].astype(np.int32) << np.array([8, 16, 24])).sum(1).astype(np.int32) / np.float32(2**31)
    found = onsets_s(sound)
    assert len(found) == len(said["beats_s"])
    assert np.abs(found - said["beats_s"]).max() < 0.001
    for beat_s in said["beats_s"]:
        high = beat_s in said["downbeats_s"]
        assert pitch_hz(sound, beat_s) == pytest.approx(DOWNBEAT_HZ if high else BEAT_HZ, rel=0.1)


def test_the_tempo_can_be_fixed(keypoints, tmp_path, capsys):
    assert run("beats", keypoints, "--tempo", 120, "--json", tmp_path / "a.json") == 0
    said = json.loads((tmp_path / "a.json").read_text())
    assert said["tempo_bpm"] == pytest.approx(120)
    assert said["source"] == "tempo"
    assert "as asked" in capsys.readouterr().out


def test_a_movement_without_a_beat_is_said_to_have_none(tmp_path, capsys):
    times_s = frame_times_s(12.0)
    path = tmp_path / "idle.npz"
    save_pose(track(standing(times_s) + jitter((len(times_s), 17, 2), 0.004, seed=1), times_s), path)
    assert run("beats", path, "--json", tmp_path / "a.json") == 0
    screen = capsys.readouterr()
    assert "no clear beat" in screen.out
    assert screen.err.startswith("kinebeat: warning: ")
    said = json.loads((tmp_path / "a.json").read_text())
    assert said["confidence"] < 0.15
    assert said["source"] == "accents"
    assert len(said["warnings"]) == 1


def test_stillness_is_said(tmp_path):
    times_s = frame_times_s(4.0)
    path = tmp_path / "still.npz"
    save_pose(track(standing(times_s), times_s), path)
    (warning,) = kinebeat.hear(path).warnings
    assert "hardly any movement" in warning


def test_hear_tells_its_stages_and_what_it_heard(keypoints, tmp_path):
    seen: list[str] = []
    heard = kinebeat.hear(keypoints, progress=lambda stage, share: seen.append(stage))
    assert [*dict.fromkeys(seen)] == ["pose", "movement", "beats"] == list(heard.seconds)
    assert heard.video is None
    assert heard.pose.detected_share == 1
    assert heard.grid.tempo_bpm == pytest.approx(TEMPO_BPM, rel=0.01)
    assert set(heard.downbeats_s) <= set(heard.beats_s) < set(heard.grid.beats_s)
    # A soundtrack's beats lie on the movement: they are these, all moved by the same.
    moved_s = kinebeat.soundtrack(keypoints).grid.beats_s - heard.grid.beats_s
    np.testing.assert_allclose(moved_s, moved_s[0], atol=1e-9)
    assert abs(moved_s[0]) <= SETTLE_S
    heard.save(plot=tmp_path / "a.png", progress=lambda stage, share: seen.append(stage))
    assert seen[-1] == "plot"


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        (["missing.mp4"], "missing.mp4"),
        (["nobody.npz"], "nobody was found"),
        (["dancer.npz", "--tempo", "5"], "tempo"),
        (["dancer.npz", "--click", "out.mp4"], "no picture"),
        (["dancer.npz", "--click", "out.ogg"], ".wav, .mp4"),
        (["dancer.npz", "--plot", "nowhere/out.png"], "nowhere"),
        (["dancer.npz", "--json", "."], "folder"),
        (["dancer.npz", "--json", "dancer.npz"], "input"),
        (["dancer.npz", "--pose", "nobody.npz", "--json", "nobody.npz"], "input"),
        (["dancer.npz", "--json", "a.out", "--plot", "a.out"], "same name"),
        (["dancer.npz", "--json", "a.json", "--plot", "b.png", "--click", "nowhere/c.wav"], "nowhere"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_is_one_line_exit_code_2_and_leaves_nothing(words, wrong, keypoints, monkeypatch, capsys):
    folder = keypoints.parent
    monkeypatch.chdir(folder)
    times_s = frame_times_s(1.0)
    save_pose(track(np.full((len(times_s), 17, 2), np.nan), times_s), folder / "nobody.npz")
    before = sorted(folder.iterdir())
    assert run("beats", *words) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("kinebeat: ")
    assert said.err.count("\n") == 1
    assert wrong in said.err
    assert sorted(folder.iterdir()) == before


def test_files_appear_all_or_none(keypoints, tmp_path, monkeypatch):
    def fail(*_: object) -> None:
        raise OutputError("a.wav", "the disk is full", "free some space")

    monkeypatch.setattr("kinebeat.audio.write_wav", fail)
    before = sorted(tmp_path.iterdir())
    words = ["--json", tmp_path / "a.json", "--plot", tmp_path / "a.png", "--click", tmp_path / "a.wav"]
    assert run("beats", keypoints, *words) == 2
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("at_s", [0.0, 0.5, 0.9999, 1.0, 1.00001, 2.995])
def test_a_click_begins_on_its_sample_whatever_the_blocks(at_s):
    sound = drawn(click_track(np.array([at_s]), np.array([at_s]), 3.0))
    assert sound.shape == (3 * RATE_HZ, 2)
    assert np.array_equal(sound[:, 0], sound[:, 1])
    expected = np.zeros(4 * RATE_HZ, np.float32)
    click = PEAK * burst(DOWNBEAT_HZ)
    expected[round(at_s * RATE_HZ) :][: len(click)] = click
    assert sound[:, 0] == pytest.approx(expected[: 3 * RATE_HZ], abs=1e-6)


def test_beats_outside_the_clip_are_not_heard():
    beats_s = np.array([-0.5, -0.001, 3.0, 3.5])
    assert not drawn(click_track(beats_s, beats_s[:1], 3.0)).any()


def test_a_click_is_short_starts_at_once_and_does_not_pop():
    for frequency_hz in (BEAT_HZ, DOWNBEAT_HZ):
        click = burst(frequency_hz)
        assert len(click) == round(0.010 * RATE_HZ)
        assert np.abs(click).max() == pytest.approx(1)
        assert np.abs(click).argmax() < 0.001 * RATE_HZ
        assert abs(click[0]) < 1e-6
        assert abs(click[-1]) < 0.01


def test_no_clip_is_too_long_to_keep_in_memory():
    clicks = click_track(np.arange(0, 3600, 0.5), np.arange(0, 3600, 2.0), 3600.0)
    frames, largest, beats = 0, 0, 0
    for block in clicks.blocks():
        frames, largest = frames + len(block), max(largest, len(block))
        beats += len(onsets_s(block[:, 0]))
    assert (frames, beats) == (3600 * RATE_HZ, 7200)
    assert largest <= RATE_HZ


@pytest.mark.parametrize(("original", "level"), [("keep", 0.3), ("duck", 0.3 / 4), ("mute", 0.0)])
def test_the_clips_own_sound_plays_on_under_the_clicks(tmp_path, original, level):
    clip = write_clip(tmp_path / "clip.mkv", tone(level=0.3))
    clicks = click_track(np.array([1.0, 2.0]), np.array([1.0]), 4.0, clip=clip, original=original)
    sound = drawn(clicks)[:, 0]
    assert np.abs(sound[round(2.5 * RATE_HZ) : round(3.5 * RATE_HZ)]).max() == pytest.approx(level, rel=0.05, abs=1e-4)
    under = drawn(click_track(np.zeros(0), np.zeros(0), 4.0, clip=clip, original=original))[:, 0]
    assert onsets_s(sound - under) == pytest.approx([1.0, 2.0], abs=0.001)
    assert clicks.warnings == ()


def test_loud_sound_and_clicks_together_do_not_clip(tmp_path):
    clip = write_clip(tmp_path / "clip.mkv", tone(level=0.99))
    beats_s = np.arange(0, 4, 0.5)
    clicks = click_track(beats_s, beats_s[::4], 4.0, clip=clip)
    sound = drawn(clicks)
    assert clicks.original_gain == pytest.approx(0.5 * PEAK / 0.99, rel=0.02)
    assert 0.8 * PEAK < np.abs(sound).max() <= PEAK + 1e-6
    assert sound.shape == (clicks.frames, 2) == (4 * RATE_HZ, 2)


def test_a_clip_without_sound_has_clicks_alone(tmp_path):
    for number, sound in enumerate((None, tone(level=0.0))):
        clip = write_clip(tmp_path / f"{number}.mkv", sound)
        clicks = click_track(np.array([1.0]), np.array([1.0]), 2.0, clip=clip)
        assert clicks.original_gain == 0
        assert np.abs(drawn(clicks)).max() == pytest.approx(PEAK)


def test_what_becomes_of_the_sound_is_one_of_three():
    with pytest.raises(OptionError, match="keep, duck, mute"):
        click_track(np.zeros(1), np.zeros(1), 1.0, original="shout")


def drawn_plot(path: Path, duration_s: float, seen: bool = True) -> NDArray[np.uint8]:
    """The plot of the dancing figure, read back."""
    pose = puppet_pose(frame_times_s(duration_s, 10.0), tempo_bpm=120.0)
    if not seen:
        pose.xy[len(pose.xy) // 3 : len(pose.xy) // 2] = np.nan
    motion = compute_motion(pose, duration_s)
    accents = find_accents(motion)
    grid = BeatGrid(np.arange(0.1 - 2.0, duration_s + 2, 0.5))
    activation = kinematic(motion)
    plot_beats(path, motion, grid, duration_s, accents=accents, activation=activation, title="clip", note="note")
    return np.asarray(Image.open(path).convert("RGB"))


def test_a_plot_says_what_its_activation_has_to_do_with_the_beats(tmp_path, monkeypatch):
    """The activation is the network's also where it is not what the beats were decoded from."""
    notes: dict[str, str] = {}

    def keep(path, _motion, grid, _duration_s, *, note, **_rest):
        notes[grid.source] = note
        path.touch()

    monkeypatch.setattr("kinebeat.beat_plot.plot_beats", keep)
    times_s = frame_times_s(6.0)
    for name, pose, tempo_bpm in (
        ("dancer", puppet_pose(times_s, tempo_bpm=TEMPO_BPM), None),
        ("dancer", puppet_pose(times_s, tempo_bpm=TEMPO_BPM), 120.0),
        ("still", track(standing(times_s), times_s), None),
    ):
        save_pose(pose, tmp_path / f"{name}.npz")
        kinebeat.hear(tmp_path / f"{name}.npz", tempo_bpm=tempo_bpm).save(plot=tmp_path / "beats.png")
    assert set(notes) == {"movement", "tempo", "accents"}
    assert "plain repetition" in notes["movement"]
    assert "put on the accents instead" in notes["tempo"]
    assert "fitted to the accents instead" in notes["accents"]


def test_a_plot_shows_braking_accents_beats_and_where_nobody_is(tmp_path):
    picture = drawn_plot(tmp_path / "a.png", 12.0)
    assert pixels(picture, BEAT) > 200
    assert pixels(picture, ACCENT) > 200
    assert 700 < picture.shape[1] <= 2800
    grey, with_gap = (pixels(drawn_plot(tmp_path / "b.png", 12.0, seen), "#ebedf1") for seen in (True, False))
    assert with_gap > grey + 2000


@pytest.mark.parametrize(("duration_s", "lines"), [(0.05, 1), (39.0, 1), (90.0, 3), (1500.0, 12)])
def test_long_clips_are_wrapped_into_a_bounded_page(tmp_path, duration_s, lines):
    picture = drawn_plot(tmp_path / "a.png", duration_s)
    assert picture.shape[1] <= 2800
    assert 300 * lines < picture.shape[0] < 500 + 450 * lines


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("drums", "kinebeat.drums.train"),
        ("beats", "kinebeat.beats.train"),
        ("beat-corpus", "kinebeat.beats.truth.corpus"),
    ],
)
def test_training_gets_the_words_that_are_its_own(name, module, monkeypatch, capsys):
    got: list[list[str]] = []
    stand_in = ModuleType(module)
    stand_in.main = got.append
    monkeypatch.setitem(sys.modules, module, stand_in)
    assert run("train", name, "--data", "somewhere", "--seed", 3) == 0
    assert got == [["--data", "somewhere", "--seed", "3"]]
    monkeypatch.setitem(sys.modules, module, None)  # as where torch is not installed
    assert run("train", name) == 2
    assert "kinebeat[train]" in capsys.readouterr().err


def test_evaluate_beats_prints_and_writes_its_table(tmp_path, monkeypatch, capsys):
    def evaluate_beats(data, *, clips, seed, progress):
        progress("clips", 1.0)
        return {"table": "Beats", "rows": [{"name": "metronome", "f": 0.22, "clips": clips, "seed": seed}]}

    stand_in = ModuleType("kinebeat.evaluation.beats")
    stand_in.evaluate_beats = evaluate_beats
    stand_in.as_text = lambda table: "\n".join(row["name"] for row in table["rows"])
    monkeypatch.setitem(sys.modules, "kinebeat.evaluation.beats", stand_in)
    out = tmp_path / "table.json"
    assert run("evaluate", "beats", "--data", tmp_path, "--clips", 3, "--seed", 5, "--json", out, "-q") == 0
    assert json.loads(out.read_text())["rows"] == [{"name": "metronome", "f": 0.22, "clips": 3, "seed": 5}]
    assert "metronome" in capsys.readouterr().out
