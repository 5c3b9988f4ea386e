"""Faders: each track and the clip's own sound at its level, limited together, in the mix, the stems and the report."""

from __future__ import annotations

import json
import wave
from dataclasses import replace
from typing import TYPE_CHECKING

import av
import numpy as np
import pytest

import kinebeat
from command_line import run
from kinebeat.audio import PEAK_DBFS, mix
from kinebeat.background import Background
from kinebeat.beats.grid import BeatGrid
from kinebeat.errors import OptionError
from kinebeat.faders import check_faders, read_levels, summed, track_names
from kinebeat.pose import save_pose
from kinebeat.score import Score, Track
from kinebeat.video_in import probe
from movers import frame_times_s, sharp_moves, standing, swing_arms, track
from songs import beats_of, drum_song

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

RATE_HZ = 48000
PEAK = 10 ** (PEAK_DBFS / 20)


@pytest.fixture(autouse=True)
def _small_font(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kinebeat.soundfont.SYSTEM_FONTS", ())


def band(end_s: float = 4.0, velocity: int = 100) -> Score:
    """Drums on every beat, and a piano and a guitar that hold a note each."""
    beats_s = np.arange(0.5, end_s, 0.5)
    n = len(beats_s)
    drums = Track("Drums", 0, True, beats_s, np.full(n, 0.1), np.full(n, 38), np.full(n, velocity))
    held = [
        Track(name, program, False, np.array([0.1]), np.array([end_s]), np.array([pitch]), np.array([90]), pan=pan)
        for name, program, pitch, pan in (("Piano", 0, 60, -0.2), ("Guitar", 24, 52, 0.3))
    ]
    return Score((drums, *held), BeatGrid(np.arange(0, end_s + 5, 0.5)), end_s)


def whole(blocks: Iterator[NDArray[np.float32]]) -> NDArray[np.float32]:
    return np.concatenate(list(blocks))


def factor(level_db: float) -> float:
    return float(10 ** (level_db / 20))


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A grey picture of four seconds with a tone of 0.3."""
    path = tmp_path_factory.mktemp("clip") / "clip.mkv"
    tone = (0.3 * np.sin(2 * np.pi * 300 * np.arange(4 * RATE_HZ) / RATE_HZ) * 32767).astype(np.int16)
    with av.open(str(path), "w") as container:
        picture = container.add_stream("libx264", rate=10, options={"preset": "ultrafast"})
        picture.width = picture.height = 32
        picture.pix_fmt = "yuv420p"
        audio = container.add_stream("pcm_s16le", rate=RATE_HZ, layout="stereo")
        for number in range(40):
            frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), 128, np.uint8), format="rgb24")
            frame.pts = number
            container.mux(picture.encode(frame))
        container.mux(picture.encode(None))
        for begin in range(0, len(tone), 1000):
            block = av.AudioFrame.from_ndarray(tone[begin : begin + 1000].repeat(2)[None], "s16", "stereo")
            block.sample_rate, block.pts = RATE_HZ, begin
            container.mux(audio.encode(block))
        container.mux(audio.encode(None))
    return path


def test_without_faders_nothing_changes_and_with_all_at_0_hardly(clip: Path) -> None:
    plain, faded = mix(band(), clip=clip), mix(band(), clip=clip, levels_db={})
    assert np.abs(whole(plain.blocks()) - whole(faded.blocks())).max() < 1e-6
    assert all(np.array_equal(whole(plain.stem(i)), whole(faded.stem(i))) for i in range(3))
    assert faded.peak == pytest.approx(plain.peak, abs=1e-6)


def test_each_track_is_at_its_level() -> None:
    plain = mix(band(velocity=30))
    levels_db = {"drums": -6.0, "guitar": 3.0}
    faded = mix(band(velocity=30), levels_db=levels_db)
    stems = [whole(plain.stem(i)) for i in range(3)]
    for i, level_db in enumerate((-6.0, 0.0, 3.0)):
        assert np.abs(whole(faded.stem(i)) - stems[i] * factor(level_db)).max() < 1e-6
    total = stems[0] * factor(-6.0) + stems[1] + stems[2] * factor(3.0)
    assert np.abs(total).max() < PEAK  # else the limiter is heard
    assert np.abs(whole(faded.blocks()) - total).max() < 1e-6
    assert faded.peak == pytest.approx(np.abs(total).max(), abs=1e-6)


@pytest.mark.parametrize("muted", ["drums", "piano", "guitar"])
def test_a_muted_track_is_not_heard(muted: str) -> None:
    plain, faded = mix(band()), mix(band(), levels_db={muted: None})
    number = ["drums", "piano", "guitar"].index(muted)
    assert not whole(faded.stem(number)).any()
    others = sum(whole(plain.stem(i)) for i in range(3) if i != number)
    assert np.abs(whole(faded.blocks()) - others).max() < 0.25 * PEAK


def test_all_muted_is_silence(clip: Path) -> None:
    silent = mix(band(), clip=clip, levels_db=dict.fromkeys(("drums", "piano", "guitar", "original")))
    sound = whole(silent.blocks())
    assert sound.shape == (4 * RATE_HZ, 2)
    assert not sound.any()
    assert silent.peak == 0


def test_the_clips_own_sound_is_heard_where_it_has_a_level(clip: Path) -> None:
    score = band(velocity=20)
    quiet = {"drums": -20.0, "piano": None, "guitar": None}
    without, with_it, louder = (
        whole(mix(score, clip=clip, levels_db=quiet | one).blocks())
        for one in ({}, {"original": 0.0}, {"original": -6.0})
    )
    assert np.abs(with_it - without).max() == pytest.approx(0.3, rel=0.02)
    assert np.abs(louder - without).max() == pytest.approx(0.3 * factor(-6.0), rel=0.02)
    assert np.array_equal(without, whole(mix(score, levels_db=quiet | {"original": None}).blocks()))


def test_what_is_too_loud_together_is_limited(clip: Path) -> None:
    loud = mix(band(velocity=127), clip=clip, levels_db={"drums": 6.0, "piano": 6.0, "original": 6.0})
    sound = whole(loud.blocks())
    assert np.abs(sound).max() <= PEAK + 1e-6
    assert np.abs(sound).max() > 0.9 * PEAK
    assert loud.peak == pytest.approx(np.abs(sound).max(), abs=1e-6)


def test_a_clip_without_sound_is_told(tmp_path: Path) -> None:
    faded = mix(band(), clip=tmp_path / "keys.npz", levels_db={"original": -3.0})
    assert faded.warnings == ("keys.npz has no sound of its own",)
    assert np.array_equal(whole(faded.blocks()), whole(mix(band(), levels_db={}).blocks()))


def test_a_background_has_a_fader_too(tmp_path: Path) -> None:
    song = Background(drum_song(tmp_path / "song.wav", beats_of(105.0, 6, early=0.4)))
    plain, faded = mix(band(), background=song), mix(band(), background=song, levels_db={"background": -12.0})
    assert np.abs(whole(faded.stem(3)) - whole(plain.stem(3)) * factor(-12.0)).max() < 1e-6
    assert np.array_equal(whole(faded.stem(0)), whole(plain.stem(0)))
    alone = whole(mix(band(), background=song, levels_db=dict.fromkeys(("drums", "piano", "guitar"))).blocks())
    assert np.abs(alone - whole(plain.stem(3))).max() < 1e-6


def test_stems_can_be_drawn_side_by_side() -> None:
    mixed = mix(band(23.0), levels_db={"piano": -3.0})
    together = zip(*(mixed.stem(i) for i in range(3)), strict=True)
    beside = [np.concatenate(blocks) for blocks in zip(*together, strict=True)]
    assert all(np.array_equal(one, whole(mixed.stem(i))) for i, one in enumerate(beside))
    assert np.array_equal(whole(summed([mixed.stem(i) for i in range(3)])), beside[0] + beside[1] + beside[2])


@pytest.mark.parametrize(
    ("levels_db", "words"),
    [
        ({"drums": 6.1}, "-40 to 6"),
        ({"drums": -41.0}, "-40 to 6"),
        ({"drums": float("nan")}, "-40 to 6"),
        ({"violin": 0.0}, "expected one of drums, piano, guitar, original"),
        ({"background": 0.0}, "expected one of"),
    ],
)
def test_faders_that_cannot_be(levels_db: dict[str, float | None], words: str) -> None:
    with pytest.raises(OptionError, match=words):
        mix(band(), levels_db=levels_db)


def test_the_clips_own_sound_is_told_once() -> None:
    for original in ("keep", "duck"):
        with pytest.raises(OptionError, match="a level instead"):
            mix(band(), original=original, levels_db={"drums": 0.0})
    names = track_names(band(), joined=True)
    assert names == ("drums", "piano", "guitar", "background")
    check_faders({"original": None, "background": 0.0}, names, "mute")
    with pytest.raises(OptionError, match="background"):
        check_faders({"original": -3.0}, names, "mute")


def test_levels_in_words() -> None:
    assert read_levels(["drums=-3", "Piano = OFF", "original=+2.5"]) == {"drums": -3.0, "piano": None, "original": 2.5}
    for words in (["drums"], ["=3"], ["drums=loud"], ["drums=nan"], ["drums=inf"], ["drums=1", "Drums=2"]):
        with pytest.raises(OptionError):
            read_levels(words)


@pytest.fixture(scope="module")
def mover(tmp_path_factory: pytest.TempPathFactory) -> Path:
    times_s = frame_times_s(4.0)
    path = tmp_path_factory.mktemp("mover") / "mover.npz"
    save_pose(track(swing_arms(standing(times_s), sharp_moves(times_s, np.arange(0.5, 3.6, 0.5))), times_s), path)
    return path


def samples(path: Path) -> NDArray[np.float64]:
    with wave.open(str(path)) as file:
        content = np.frombuffer(file.readframes(file.getnframes()), np.uint8).reshape(-1, 3)
    return (np.pad(content, ((0, 0), (1, 0))).copy().view("<i4")[:, 0] >> 8).reshape(-1, 2) / (2**23 - 1)


def test_a_soundtrack_is_saved_with_its_faders(mover: Path, clip: Path, tmp_path: Path) -> None:
    made = kinebeat.soundtrack(mover)
    plain, faded, stems, report = (tmp_path / name for name in ("plain.wav", "faded.wav", "stems", "a.json"))
    made.save(wav=plain, report=report)
    assert json.loads(report.read_text())["levels_db"] is None
    made.save(wav=faded, stems=stems, report=report, levels_db={"drums": -6.0, "original": None})
    assert json.loads(report.read_text())["levels_db"] == {"drums": -6.0, "original": None}
    assert np.abs(samples(faded) - samples(plain) * factor(-6.0)).max() < 1e-5
    assert np.array_equal(samples(stems / "drums.wav"), samples(faded))
    # With a picture, the clip's own sound is there.
    seen = replace(made, heard=replace(made.heard, source=clip, video=probe(clip)))
    seen.save(wav=faded, levels_db={"drums": None, "original": 0.0})
    assert np.abs(samples(faded)).max() == pytest.approx(0.3, rel=0.02)
    for levels_db in ({"piano": 0.0}, {"drums": 99.0}):
        with pytest.raises(OptionError):
            made.save(midi=tmp_path / "a.mid", levels_db=levels_db)
    assert not (tmp_path / "a.mid").exists()


def test_the_command_line(mover: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wav, report = tmp_path / "a.wav", tmp_path / "a.json"
    words = ["soundtrack", mover, "--wav", wav, "--report", report, "-q"]
    assert run(*words, "--level", "drums=-3", "--level", "original=off") == 0
    assert json.loads(report.read_text())["levels_db"] == {"drums": -3.0, "original": None}
    wav.unlink()
    report.unlink()
    for wrong, told in (
        (["--level", "drums"], "expected such as drums=-3"),
        (["--level", "piano=0"], "expected one of drums, original"),
        (["--level", "drums=9"], "-40 to 6"),
        (["--level", "original=0", "--original", "keep"], "a level instead"),
    ):
        assert run(*words, *wrong) == 2
        assert told in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
