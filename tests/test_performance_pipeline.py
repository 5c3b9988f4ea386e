"""`perform`: from a film to music, and what becomes of bad films; the players are made by hand (`musicians`)."""

from __future__ import annotations

import json
import wave
from dataclasses import replace
from typing import TYPE_CHECKING

import av
import numpy as np
import pytest
import symusic

import kinebeat
from command_line import run
from kinebeat.accompaniment.harmony import scale_pitch_classes
from kinebeat.errors import InputError, OptionError, OutputError
from kinebeat.performance.instruments import INSTRUMENTS
from kinebeat.performance.notes import Notes
from kinebeat.performance.outputs import midi_times
from kinebeat.performance.pipeline import score_of
from kinebeat.pose import save_pose
from musicians import SIZE, flat_keyboard, install, pianist, scale, unseen, with_body

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def film(tmp_path_factory, write_video) -> Path:
    """Four seconds of a picture as large as the musicians' one."""
    pictures = np.random.default_rng(0).integers(0, 255, (80, SIZE[1] // 8, SIZE[0] // 8, 1), np.uint8)
    large = (np.kron(picture, np.ones((8, 8, 3), np.uint8)) for picture in pictures)
    return write_video(tmp_path_factory.mktemp("film") / "piano.mp4", large, fps=20.0)


@pytest.fixture
def stage(monkeypatch):
    """A pianist over a keyboard, who plays a scale."""
    return install(monkeypatch, keyboard=flat_keyboard())


@pytest.fixture
def keypoints(tmp_path) -> Path:
    path = tmp_path / "player.npz"
    save_pose(pianist().track, path)
    return path


def test_all_that_leads_to_the_music(film, stage):
    heard = []
    made = kinebeat.perform(film, seed=3, workers=1, progress=lambda name, share: heard.append((name, share)))
    assert isinstance(made, kinebeat.Performance)
    assert [entry[0] for entry in stage] == ["keyboard", "performer", "play"]
    assert stage[1] == ("performer", film, 1)
    assert stage[2][2:] == ("piano", 3, film)
    assert stage[2][1] is made.keyboard is not None
    assert made.duration_s == pytest.approx(4.0)
    assert not made.experimental
    assert made.warnings == ()
    assert np.array_equal(made.played.pitch, scale().pitch)
    (track,) = made.score.tracks
    assert (track.name, track.program, track.is_drum) == ("Piano", 0, False)
    assert np.array_equal(track.time_s, scale().onset_s)
    assert set(made.seconds) == {"keyboard", "keypoints", "listening"} == {name for name, _ in heard}
    assert max(share for _, share in heard) == 1.0


def test_every_output_is_written(film, stage, tmp_path):
    made = kinebeat.perform(film)
    names = {"video": "o.mp4", "midi": "o.mid", "wav": "o.wav", "plot": "o.png", "report": "o.json"}
    paths = {kind: tmp_path / name for kind, name in names.items()}
    assert made.save(paths.pop("video"), **paths) == ()
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(names.values())
    with wave.open(str(tmp_path / "o.wav")) as sound:
        assert (sound.getframerate(), sound.getnchannels(), sound.getnframes()) == (48000, 2, 4 * 48000)
        samples = np.frombuffer(sound.readframes(4 * 48000), np.uint8)
        assert samples.any()
    with av.open(str(tmp_path / "o.mp4")) as out, av.open(str(film)) as given:
        assert (out.streams.audio[0].rate, out.streams.audio[0].layout.name) == (48000, "stereo")
        before, after = ([bytes(p) for p in c.demux(c.streams.video[0]) if p.size] for c in (given, out))
        assert before == after  # the picture is copied
    assert {"sound", "writing"} <= set(made.seconds)


def test_midi_has_the_very_times(film, stage, tmp_path):
    kinebeat.perform(film, "piano").save(midi=tmp_path / "o.mid")
    midi = symusic.Score(str(tmp_path / "o.mid"))
    (track,) = midi.tracks
    assert [(t.time, t.mspq) for t in midi.tempos] == [(0, 500000)]
    assert midi.ticks_per_quarter == 500  # so a tick is a millisecond
    assert [note.time for note in track.notes] == [round(1000 * t) for t in scale().onset_s]
    assert [note.duration for note in track.notes] == [240] * len(scale())
    assert [(note.pitch, note.velocity) for note in track.notes] == list(
        zip(scale().pitch.tolist(), scale().velocity.tolist(), strict=True)
    )
    assert midi_times(3600.0).ticks_per_beat == 500
    assert midi_times(4 * 3600.0).ticks_per_beat == 50


def test_the_report(film, stage, tmp_path):
    made = kinebeat.perform(film, key="d", transpose=-12, sound="flute", seed=7)
    made.save(report=tmp_path / "o.json", wav=tmp_path / "o.wav")
    said = json.loads((tmp_path / "o.json").read_text())
    assert said["version"] == kinebeat.__version__
    assert (said["instrument"], said["experimental"], said["learned_from"]) == (
        "piano", False, "films of real players",
    )  # fmt: skip
    assert said["seed"] == 7
    assert said["settings"]["key"] == "D major"
    assert (said["settings"]["sound"], said["settings"]["program"]) == ("flute", 73)
    assert said["heard_key"] == "C major"
    assert said["keypoints"]["hands_share"] == said["keypoints"]["over_keys_share"] == 1.0
    assert said["keyboard"]["confidence"] == 0.9
    assert {"keyboard", "keypoints", "listening", "sound"} <= set(said["seconds_by_stage"])
    assert [note["pitch"] for note in said["played"]] == scale().pitch.tolist()
    assert all(note["pitch"] % 12 in scale_pitch_classes(2) for note in said["notes"])
    assert min(note["pitch"] for note in said["notes"]) >= INSTRUMENTS["flute"].lowest
    assert said["peak_dbfs"] < 0
    assert said["warnings"] == []


def test_edits(film, stage):
    made = kinebeat.perform(film, transpose=2)
    assert np.array_equal(made.notes.pitch, scale().pitch + 2)
    assert np.array_equal(made.played.pitch, scale().pitch)
    other = made.edited(key="Am", sound="bass")
    assert other.settings.transpose == 0
    assert other.settings.key == "A minor"
    assert other.score.tracks[0].program == INSTRUMENTS["bass"].program
    assert other.notes.pitch.max() <= INSTRUMENTS["bass"].highest
    assert np.isin(other.notes.pitch % 12, scale_pitch_classes(21)).all()
    assert len(stage) == 3  # nobody listened again
    again = made.edited(transpose=2)
    assert np.array_equal(again.notes.pitch, made.notes.pitch)


def test_nothing_is_heard_beyond_the_film_or_without_hands(film, monkeypatch):
    notes = Notes.of([-0.2, 0.5, 2.0, 3.5, 4.2], [0.3, 1.0, 2.5, 6.0, 5.0], [60, 62, 64, 65, 67])
    install(monkeypatch, unseen(pianist(), slice(30, 50)), notes, flat_keyboard())
    made = kinebeat.perform(film)
    assert made.played.pitch.tolist() == [62, 65]
    assert made.played.offset_s.tolist() == [1.0, pytest.approx(4.0)]


def test_silence_is_said(film, monkeypatch, tmp_path):
    install(monkeypatch, notes=Notes.none(), keyboard=flat_keyboard())
    made = kinebeat.perform(film)
    assert made.warnings == ("not one note is heard; the music is silence",)
    made.save(tmp_path / "o.mp4", plot=tmp_path / "o.png", midi=tmp_path / "o.mid", report=tmp_path / "o.json")
    assert len(list(tmp_path.iterdir())) == 4


def test_an_instrument_of_simulated_truth_is_experimental(film, monkeypatch, tmp_path):
    asked = install(monkeypatch, with_body(pianist()))
    made = kinebeat.perform(film, "violin")
    assert [entry[0] for entry in asked] == ["performer", "play"]
    assert asked[1][1] is None
    assert made.experimental
    assert made.warnings[0] == "the violin is experimental: its model has learned from simulated players alone"
    assert all("not where players of the violin have it" in said for said in made.warnings[1:])
    assert made.score.tracks[0].program == 40
    made.save(report=tmp_path / "o.json")
    said = json.loads((tmp_path / "o.json").read_text())
    assert (said["experimental"], said["learned_from"], said["keyboard"]) == (True, "simulated players alone", None)


def test_no_keyboard_in_the_picture(film, monkeypatch):
    asked = install(monkeypatch, keyboard=None)
    with pytest.raises(InputError, match=r"no keyboard was found.*film the keys from above.*or name another"):
        kinebeat.perform(film)
    assert [entry[0] for entry in asked] == ["keyboard"]  # refused before the hands are looked for


def test_keypoints_alone(keypoints, monkeypatch, tmp_path):
    install(monkeypatch, with_body(pianist()))
    with pytest.raises(InputError, match=r"do not show the keys.*keypoints beside it"):
        kinebeat.perform(keypoints)
    made = kinebeat.perform(keypoints, "guitar")
    assert made.video is None
    assert made.duration_s == pytest.approx(4.0)
    made.save(wav=tmp_path / "o.wav")
    with pytest.raises(OptionError, match="no picture"):
        made.save(tmp_path / "o.mp4")
    assert not (tmp_path / "o.mp4").exists()


def test_keypoints_of_another_picture(film, monkeypatch, keypoints):
    performer = pianist()
    install(monkeypatch, replace(performer, track=replace(performer.track, size=(320, 136))), None, flat_keyboard())
    with pytest.raises(InputError, match="320 x 136, but the video has 640 x 272"):
        kinebeat.perform(film, pose=keypoints)


def test_a_film_that_breaks_off(film, monkeypatch):
    install(monkeypatch, pianist(2.0), keyboard=flat_keyboard())
    made = kinebeat.perform(film)
    assert made.duration_s == pytest.approx(2.0)
    assert made.warnings == ("only the first 2.0 of 4.0 seconds can be read",)
    assert made.played.onset_s.max() < 2.0
    whole = kinebeat.perform(film, pose=film)
    assert whole.duration_s == pytest.approx(4.0)


def test_a_single_frame(keypoints, monkeypatch, tmp_path):
    install(monkeypatch, with_body(pianist(0.05)), Notes.none())
    made = kinebeat.perform(keypoints, "guitar")
    assert made.duration_s == 0
    assert made.warnings[-1].startswith("not one note")
    made.save(wav=tmp_path / "o.wav", midi=tmp_path / "o.mid", plot=tmp_path / "o.png", report=tmp_path / "o.json")
    assert len(list(tmp_path.glob("o.*"))) == 4


def test_warnings_of_the_keypoints_come_first(film, monkeypatch):
    keyboard = flat_keyboard(octave_known=False)
    install(monkeypatch, pianist(warnings=("a hand was seen twice",), crowd=0.3), None, keyboard)
    first, second = kinebeat.perform(film).warnings
    assert first == "a hand was seen twice"
    assert "which octave is which" in second


def test_a_mirrored_film_is_played_by_the_other_hands(film, monkeypatch):
    performer = unseen(pianist(), slice(None), slice(25, 46))
    install(monkeypatch, performer, None, flat_keyboard(mirrored=True))
    made = kinebeat.perform(film)
    assert (made.sight.left, made.sight.right) == (1.0, 0.0)
    (line,) = made.warnings
    assert "mirrored" in line


def test_three_pianists_are_refused(film, monkeypatch):
    install(monkeypatch, pianist(crowd=0.9), None, flat_keyboard())
    with pytest.raises(InputError, match="more players than one"):
        kinebeat.perform(film)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"instrument": "kazoo"}, "instrument 'kazoo': expected one of piano, violin"),
        ({"sound": "kazoo"}, "sound 'kazoo': expected one of piano, violin"),
        ({"transpose": 99}, "transpose 99: expected -48 to 48"),
        ({"key": "X dur"}, "key 'X dur' is unknown"),
    ],
)
def test_options_that_cannot_be(film, stage, options, said):
    with pytest.raises(OptionError, match=said):
        kinebeat.perform(film, **options)
    assert stage == []


def test_the_score_covers_the_film():
    for duration_s in (0.3, 2.0, 61.3):
        score = score_of(Notes.none(), "cello", duration_s)
        assert score.grid.beats_s[-1] >= duration_s
        assert score.grid.tempo_bpm == pytest.approx(120)
        assert (len(score.grid.beats_s) - 1) % 4 == 0


def test_outputs_come_together_or_not_at_all(film, stage, tmp_path):
    made = kinebeat.perform(film)
    with pytest.raises(OutputError, match="does not exist"):
        made.save(midi=tmp_path / "o.mid", wav=tmp_path / "none" / "o.wav")
    with pytest.raises(OptionError, match="same name"):
        made.save(midi=tmp_path / "o", wav=tmp_path / "o")
    with pytest.raises(OutputError, match="is the input itself"):
        made.save(film)
    assert list(tmp_path.iterdir()) == []


def test_the_command(film, stage, tmp_path, capsys):
    out, report = tmp_path / "out.mp4", tmp_path / "out.json"
    words = ["--instrument", "piano", "-o", out, "--midi", tmp_path / "o.mid", "--wav", tmp_path / "o.wav"]
    words += ["--plot", tmp_path / "o.png", "--report", report, "--transpose", "-5", "--key", "Bb", "--seed", 4]
    assert run("perform", film, *words, "--sound", "cello", "--workers", 1) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith("piano, 14 notes, transposed by -5, in Bb major, sounding as cello in 4.0 s\nwrote ")
    assert shown.err == ""
    assert len(list(tmp_path.iterdir())) == 5
    assert json.loads(report.read_text())["seed"] == 4


def test_the_command_without_names(film, stage, tmp_path, capsys):
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(film.read_bytes())
    assert run("perform", clip, "-q") == 0
    assert (tmp_path / "clip.performance.mp4").exists()
    assert capsys.readouterr().out == ""


def test_the_command_with_keypoints_writes_a_wav(keypoints, monkeypatch, capsys):
    install(monkeypatch, with_body(pianist()))
    assert run("perform", keypoints, "-i", "tuba") == 0
    assert keypoints.with_name("player.performance.wav").exists()
    shown = capsys.readouterr()
    assert shown.out.startswith("tuba (experimental), ")
    assert "kinebeat: warning: the tuba is experimental" in shown.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--instrument", "kazoo"], "expected one of piano"),
        (["--key", "H#x"], "key 'H#x' is unknown"),
        (["--midi", "/nowhere/o.mid"], "the folder /nowhere does not exist"),
        (["-o", "out.avi"], "a soundtrack video ends in one of"),
        (["--soundfont", "none.sf2"], "none.sf2"),
    ],
)
def test_the_command_ends_with_2(film, stage, tmp_path, monkeypatch, capsys, words, said):
    monkeypatch.chdir(tmp_path)
    base = [] if "-o" in words else ["-o", tmp_path / "out.mp4"]
    assert run("perform", film, *base, *words) == 2
    shown = capsys.readouterr().err
    assert said in shown
    assert shown.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_the_command_refuses_a_video_of_keypoints(keypoints, stage, tmp_path, capsys):
    assert run("perform", keypoints, "-i", "violin", "-o", tmp_path / "o.mp4") == 2
    assert "has no picture" in capsys.readouterr().err


def test_help_says_what_is_experimental(capsys):
    assert run("perform", "--help") == 0
    text = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "Experimental, learned from simulated players alone: violin, viola, cello" in text


@pytest.mark.data
def test_a_real_right_hand_on_real_keys(data_dir, monkeypatch):
    """An Ode to Joy of eleven seconds: hands and keys are found, and what is played is played by a hand."""
    film = data_dir / "performers" / "esnylmz_9th_symphony_righthand.mp4"
    with monkeypatch.context() as patch:
        install(patch)
        player = kinebeat.performance.player.Player
    monkeypatch.setattr("kinebeat.performance.player.Player", player)
    made = kinebeat.perform(film, workers=1)
    assert made.sight.right > 0.9 > 0.1 > made.sight.left
    assert made.sight.over_keys > 0.9
    assert made.sight.crowd == 0
    assert len(made.played) == len(scale())
    (line,) = made.warnings
    assert "which octave is which" in line
