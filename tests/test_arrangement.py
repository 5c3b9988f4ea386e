"""Piano and guitar to the drums of a MIDI file; the model plays at random here, within the accompanist's rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

import mido
import numpy as np
import pytest
import symusic

import kinebeat
from command_line import run
from kinebeat.errors import InputError, KinebeatError, OptionError, OutputError
from kinebeat.midi_in import read_drums
from players import invent, read_music
from test_midi_in import beat, write

if TYPE_CHECKING:
    from pathlib import Path

TEMPOS = ((0, 500000), (2400, 430000), (4000, 470000))
EXTRA = [(100, 56, 33), (1917, 38, 12), (1930, 40, 99)]  # a cowbell and a drag


@pytest.fixture(scope="module", autouse=True)
def _invented():
    with pytest.MonkeyPatch.context() as patch:
        invent(patch)
        patch.setattr("kinebeat.soundfont.SYSTEM_FONTS", ())
        yield


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    """Four bars after a pickup of one beat, with tempo changes and more than our nine drums."""
    notes = [(0, 42, 50), *((480 + tick, pitch, velocity) for tick, pitch, velocity in [*beat(4), *EXTRA])]
    return write(tmp_path_factory.mktemp("drums") / "drums.mid", notes, bars=((0, 1, 4), (480, 4, 4)), tempos=TEMPOS)


@pytest.fixture(scope="module")
def made(source):
    return kinebeat.accompany(source, ("guitar", "piano"), key="E minor", seed=2)


def drum_notes(path: Path) -> list[tuple[int, int, int, int]]:
    (drums,) = (track for track in symusic.Score(str(path)).tracks if track.is_drum)
    return sorted((note.time, note.duration, note.pitch, note.velocity) for note in drums.notes)


def test_drums_tempos_and_bars_are_written_as_they_were(tmp_path, source, made):
    assert made.save(tmp_path / "out.mid") == ()
    before, after = symusic.Score(str(source)), symusic.Score(str(tmp_path / "out.mid"))
    assert drum_notes(tmp_path / "out.mid") == drum_notes(source)
    assert [(t.time, t.mspq) for t in after.tempos] == [(t.time, t.mspq) for t in before.tempos] == list(TEMPOS)
    assert [(b.time, b.numerator) for b in after.time_signatures] == [(0, 1), (480, 4)]
    assert after.ticks_per_quarter == before.ticks_per_quarter
    assert [track.name for track in after.tracks] == ["Drums", "Guitar", "Piano"]
    assert [track.program for track in after.tracks[1:]] == [25, 0]
    again = read_drums(tmp_path / "out.mid")
    assert np.array_equal(again.drums.hits, made.drums.hits)
    assert again.warnings == ("out.mid: 2 tracks beside the drums are left out",)


def test_what_is_played_is_on_the_files_grid(tmp_path, made):
    made.save(tmp_path / "out.mid")
    for track in symusic.Score(str(tmp_path / "out.mid")).tracks[1:]:
        ticks = np.array([note.time for note in track.notes])
        assert len(ticks) > 8
        # But where the tempo changes within a beat, a twelfth is not a twelfth of its ticks.
        steady = (ticks // 480 != 2400 // 480) & (ticks // 480 != 4000 // 480)
        assert not (ticks[steady] % 40).any()
    assert {one.key for one in made.accompaniments} == {16}
    last = max(track.time_s.max() for track in made.score.tracks[1:])
    assert last == pytest.approx(made.drums.grid.beats_s[-5])  # the cadence, on the last bar line


def test_nobody_plays_before_the_drums(tmp_path):
    path = write(tmp_path / "late.mid", beat(3, first=1920 * 3))
    made = kinebeat.accompany(path)
    assert [one.instrument for one in made.accompaniments] == ["piano"]
    assert made.score.tracks[1].time_s.min() >= 6.0


def test_same_seed_same_notes(source, made):
    again = kinebeat.accompany(source, ("guitar", "piano"), key="e minor", seed=2)
    assert [one.part for one in again.accompaniments] == [one.part for one in made.accompaniments]
    other = kinebeat.accompany(source, ("guitar", "piano"), key="Em", seed=3)
    assert other.accompaniments[0].part != made.accompaniments[0].part
    assert other.warnings == ()
    alone = kinebeat.accompany(source, "guitar", key="Em", seed=2)
    assert alone.accompaniments[0].part == made.accompaniments[0].part
    bold = kinebeat.accompany(source, ("guitar", "piano"), key="Em", seed=2, temperature=1.9)
    assert bold.accompaniments[0].part != made.accompaniments[0].part
    sparse = kinebeat.accompany(source, ("guitar", "piano"), key="Em", seed=2, density=0.2)
    assert len(sparse.accompaniments[0].part) < len(made.accompaniments[0].part)


def test_the_kit_is_the_files_own_unless_one_is_named(tmp_path, source):
    file = mido.MidiFile(source)
    file.tracks[0].insert(0, mido.Message("program_change", channel=9, program=32))
    file.save(tmp_path / "jazz.mid")
    assert kinebeat.accompany(tmp_path / "jazz.mid").score.tracks[0].program == 32
    assert kinebeat.accompany(tmp_path / "jazz.mid", kit="room").score.tracks[0].program == 8


def test_sound_and_stems(tmp_path, made):
    import wave

    assert made.save(wav=tmp_path / "a.wav", stems=tmp_path / "stems") == ()
    assert sorted(path.name for path in (tmp_path / "stems").iterdir()) == ["drums.wav", "guitar.wav", "piano.wav"]
    with wave.open(str(tmp_path / "a.wav")) as sound:
        assert sound.getnframes() / 48000 == pytest.approx(made.score.duration_s, abs=1e-4)
    ends_s = max(float((track.time_s + track.duration_s).max()) for track in made.score.tracks)
    assert made.score.duration_s > ends_s + 0.5


def test_all_or_nothing(tmp_path, source, made):
    with pytest.raises(OutputError):
        made.save(tmp_path / "a.mid", wav=tmp_path / "nowhere" / "a.wav")
    with pytest.raises(OptionError, match="same name"):
        made.save(tmp_path / "a.mid", wav=tmp_path / "a.mid")
    with pytest.raises(OutputError, match="input itself"):
        made.save(source)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"instruments": ()}, "no instrument"),
        ({"instruments": ("tuba",)}, "piano, guitar"),
        ({"instruments": ("piano", "piano")}, "each once"),
        ({"key": "Q"}, "such as A minor"),
        ({"density": 0.0}, "density"),
        ({"temperature": 0.0}, "temperature"),
        ({"temperature": float("nan")}, "temperature"),
        ({"kit": "spoons"}, "kit"),
        ({"soundfont": "missing.sf2"}, "no such file"),
    ],
)
def test_bad_options(source, options, words):
    with pytest.raises(KinebeatError, match=words):
        kinebeat.accompany(source, **options)


def test_progress_tells_the_stages(source):
    seen = []
    made = kinebeat.accompany(source, progress=lambda stage, share: seen.append(stage))
    assert [*dict.fromkeys(seen)] == ["drums", "accompaniment"] == list(made.seconds)


def test_the_command_line(tmp_path, source, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "drums.mid").write_bytes(source.read_bytes())
    words = ["--with", "guitar", "--key", "F", "--seed", 4, "--temperature", 0.8, "--density", 0.7, "--kit", "jazz"]
    assert run("accompany", "drums.mid", *words, "-o", "out.mid", "--wav", "out.wav", "--stems", "stems") == 0
    said = capsys.readouterr().out
    assert "guitar (" in said
    assert "in F major" in said
    assert said.endswith("wrote out.mid\nwrote out.wav\nwrote stems\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["drums.mid", "out.mid", "out.wav", "stems"]
    assert drum_notes(tmp_path / "out.mid") == drum_notes(source)
    assert run("accompany", "drums.mid", "-q") == 0
    assert capsys.readouterr().out == ""
    made = symusic.Score("drums.accompanied.mid")
    assert [track.name for track in made.tracks] == ["Drums", "Piano"]


@pytest.mark.parametrize(
    "words",
    [
        ["drums.mid", "-o", "nowhere/out.mid"],
        ["drums.mid", "-o", "drums.mid"],
        ["drums.mid", "--wav", "drums.mid"],
        ["drums.mid", "--with", "tuba"],
        ["drums.mid", "--with", "piano", "--with", "piano"],
        ["drums.mid", "--key", "H#m7"],
        ["drums.mid", "--temperature", "9"],
        ["drums.mid", "--density", "0"],
        ["drums.mid", "--kit", "spoons"],
        ["drums.mid", "--stems", "drums.mid"],
        ["missing.mid"],
        ["."],
        ["text.mid"],
    ],
    ids=" ".join,
)
def test_bad_words_exit_with_2_and_write_nothing(words, source, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "drums.mid").write_bytes(source.read_bytes())
    (tmp_path / "text.mid").write_text("these are no drums")
    assert run("accompany", *words) == 2
    assert capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["drums.mid", "text.mid"]


def test_what_is_no_midi_file_is_one_line(tmp_path, capsys):
    (tmp_path / "text.mid").write_text("these are no drums")
    assert run("accompany", tmp_path / "text.mid") == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert said.startswith(f"kinebeat: {tmp_path / 'text.mid'}: is not a MIDI file; ")


def test_the_trained_model_plays(source, monkeypatch):
    read_music(monkeypatch)
    made = kinebeat.accompany(source, ("piano", "guitar"))
    assert all(len(one.time_s) for one in made.score.tracks)
    assert sum(len(one.time_s) for one in made.score.tracks[1:]) > 5


def test_a_file_that_is_no_file(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        kinebeat.accompany(tmp_path / "missing.mid")
