"""Piano and guitar on a soundtrack; the model plays at random here, within the accompanist's rules."""

from __future__ import annotations

import json
import wave
from dataclasses import replace

import mido
import numpy as np
import pytest

import kinebeat
from command_line import run
from kinebeat.errors import OptionError, OutputError
from kinebeat.outputs import Outputs
from kinebeat.pose import save_pose
from movers import frame_times_s, sharp_moves, standing, swing_arms, track
from players import invent, read_music

DURATION_S = 9.0
SEED = 3


@pytest.fixture(autouse=True)
def _small_font(monkeypatch):
    monkeypatch.setattr("kinebeat.soundfont.SYSTEM_FONTS", ())


@pytest.fixture(scope="module", autouse=True)
def _invented():
    with pytest.MonkeyPatch.context() as patch:
        invent(patch)
        yield


@pytest.fixture(scope="module")
def mover(tmp_path_factory):
    times_s = frame_times_s(DURATION_S)
    path = tmp_path_factory.mktemp("mover") / "mover.npz"
    save_pose(track(swing_arms(standing(times_s), sharp_moves(times_s, np.arange(1, 8.5, 0.5))), times_s), path)
    return path


@pytest.fixture(scope="module")
def alone(mover):
    return kinebeat.soundtrack(mover, seed=SEED)


@pytest.fixture(scope="module")
def made(mover):
    return kinebeat.soundtrack(mover, seed=SEED, instruments=("piano", "guitar"), key="a minor")


def samples(path):
    """(N, 2) whole numbers of a 24-bit file."""
    with wave.open(str(path)) as file:
        assert file.getparams()[:3] == (2, 3, 48000)
        content = np.frombuffer(file.readframes(file.getnframes()), np.uint8).reshape(-1, 3)
    return (np.pad(content, ((0, 0), (1, 0))).copy().view("<i4")[:, 0] >> 8).reshape(-1, 2)


def test_drums_are_what_they_are_alone(alone, made):
    for name in ("hits", "velocities", "offsets"):
        assert np.array_equal(getattr(made.drums, name), getattr(alone.drums, name))
    for name in ("time_s", "duration_s", "pitch", "velocity"):
        assert np.array_equal(getattr(made.score.tracks[0], name), getattr(alone.score.tracks[0], name))
    assert np.array_equal(made.events().sound_s, alone.events().sound_s)
    assert alone.accompaniments == ()


def test_each_instrument_has_its_track_its_place_and_its_notes_in_the_clip(made):
    assert [(t.name, t.program, t.is_drum) for t in made.score.tracks] == [
        ("Drums", 0, True),
        ("Piano", 0, False),
        ("Guitar", 25, False),
    ]
    drums, piano, guitar = made.score.tracks
    assert piano.pan < drums.pan == 0 < guitar.pan
    for played, one in zip((piano, guitar), made.accompaniments, strict=True):
        assert len(played.time_s) > 10
        assert played.time_s.min() >= 0
        assert (played.time_s + played.duration_s).max() <= made.duration_s + 1e-9
        begin_s = one.times_s()[0]
        assert len(played.time_s) == np.count_nonzero((begin_s >= 0) & (begin_s < made.duration_s))
    assert made.settings.instruments == ("piano", "guitar")
    assert made.settings.key == "A minor"
    assert {one.key for one in made.accompaniments} == {21}
    assert "accompaniment" in made.seconds


def test_movement_shapes_what_is_played(made, monkeypatch):
    asked = []

    def play(self, drums, instruments, **given):
        asked.append(given)
        return []

    monkeypatch.setattr("kinebeat.accompaniment.accompanist.Accompanist.play", play)
    made.variant(9)
    assert asked[0]["energy"] is made.rhythm.energy
    assert asked[0]["present"] is made.rhythm.present
    assert (asked[0]["seed"], asked[0]["key"], asked[0]["duration_s"]) == (9, 21, made.duration_s)


def test_same_seed_same_notes_and_a_variant_plays_others(mover, made):
    again = kinebeat.soundtrack(mover, seed=SEED, instruments=["piano", "guitar"], key="Am")
    assert [one.part for one in again.accompaniments] == [one.part for one in made.accompaniments]
    other = made.variant(SEED + 1)
    assert other.accompaniments[0].part != made.accompaniments[0].part
    assert [one.key for one in other.accompaniments] == [21, 21]
    assert len(other.score.tracks) == 3
    back = other.variant(SEED)
    assert [one.part for one in back.accompaniments] == [one.part for one in made.accompaniments]


def test_a_key_is_drawn_where_none_is_named(mover):
    keys = {kinebeat.soundtrack(mover, seed=s, instruments=("guitar",)).accompaniments[0].key for s in range(3)}
    assert len(keys) > 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"instruments": ("tuba",)}, "piano, guitar"),
        ({"instruments": ("piano", "piano")}, "each once"),
        ({"instruments": ("piano",), "key": "Q"}, "such as A minor"),
        ({"key": "A dorian"}, "such as A minor"),
    ],
)
def test_what_cannot_be_is_refused_before_the_work(mover, options, words):
    seen = []
    with pytest.raises(OptionError, match=words):
        kinebeat.soundtrack(mover, progress=lambda stage, share: seen.append(stage), **options)
    assert seen == []


def test_where_nobody_is_nothing_sounds(tmp_path):
    times_s = frame_times_s(14.0)
    body = swing_arms(standing(times_s), sharp_moves(times_s, np.arange(1, 13.5, 0.5)))
    body[(times_s > 5) & (times_s < 9)] = np.nan
    save_pose(track(body, times_s), tmp_path / "gone.npz")
    found = kinebeat.soundtrack(tmp_path / "gone.npz", seed=SEED, instruments=("piano", "guitar"))
    for played in found.score.tracks[1:]:
        sounds = (played.time_s < 8.7) & (played.time_s + played.duration_s > 5.3)
        assert not sounds.any()
        assert (played.time_s > 9).any()


def test_a_clip_that_is_too_short_says_so(tmp_path):
    times_s = frame_times_s(0.7)
    body = swing_arms(standing(times_s), sharp_moves(times_s, np.array([0.3])))
    save_pose(track(body, times_s), tmp_path / "short.npz")
    found = kinebeat.soundtrack(tmp_path / "short.npz", seed=SEED, instruments=("piano",))
    assert "the piano has nothing to play in so short a clip" in found.warnings
    assert len(found.score.tracks[1].time_s) == 0
    assert found.save(wav=tmp_path / "a.wav", report=tmp_path / "a.json", plot=tmp_path / "a.png") == ()
    assert json.loads((tmp_path / "a.json").read_text())["accompaniment"][0]["share_in_key"] is None


def test_the_report_says_key_chords_and_notes(tmp_path, made, alone):
    made.save(report=tmp_path / "a.json", midi=tmp_path / "a.mid")
    said = json.loads((tmp_path / "a.json").read_text())
    assert said["key"] == "A minor"
    assert (said["settings"]["instruments"], said["settings"]["key"]) == (["piano", "guitar"], "A minor")
    times_s = np.array([chord["time_s"] for chord in said["chords"]])
    halves_s = made.grid.time_s(np.arange(0, made.grid.steps, 8))
    assert times_s == pytest.approx(halves_s[(halves_s > -1) & (halves_s < DURATION_S)], abs=1e-4)
    assert {chord["chord"] for chord in said["chords"]} >= {"Am", "E"}  # it ends in a cadence
    for played, notes in zip(said["accompaniment"], made.score.tracks[1:], strict=True):
        assert played["instrument"] == notes.name.lower()
        assert [note["pitch"] for note in played["notes"]] == notes.pitch.tolist()
        assert [note["time_s"] for note in played["notes"]] == pytest.approx(notes.time_s, abs=1e-4)
        in_key = np.isin(notes.pitch % 12, [9, 11, 0, 2, 4, 5, 7])
        assert played["share_in_key"] == pytest.approx(in_key.mean(), abs=1e-4)
    alone.save(report=tmp_path / "b.json")
    said = json.loads((tmp_path / "b.json").read_text())
    assert (said["key"], said["chords"], said["accompaniment"]) == (None, [], [])


def test_midi_has_a_named_track_for_each(tmp_path, made):
    made.save(midi=tmp_path / "a.mid")
    found = {}
    for messages in mido.MidiFile(tmp_path / "a.mid").tracks:
        name = next(m.name for m in messages if m.type == "track_name")
        found[name] = [m for m in messages if m.type == "note_on" and m.velocity]
    assert {name: len(notes) for name, notes in found.items()} == {t.name: len(t.time_s) for t in made.score.tracks}
    assert {m.channel for m in found["Drums"]} == {9}
    assert 9 not in {m.channel for name in ("Piano", "Guitar") for m in found[name]}


def test_stems_add_up_to_the_sound(tmp_path, made):
    wav, stems = tmp_path / "a.wav", tmp_path / "stems"
    made.save(wav=wav, stems=stems)
    assert sorted(path.name for path in stems.iterdir()) == ["drums.wav", "guitar.wav", "piano.wav"]
    each = [samples(path) for path in sorted(stems.iterdir())]
    whole = samples(wav)
    assert all(len(one) == len(whole) == round(DURATION_S * 48000) for one in each)
    assert np.abs(sum(each) - whole).max() <= 4  # of 2^23: rounding, 5e-7
    assert np.abs(whole).max() / 2**23 == pytest.approx(10 ** (-2 / 20), rel=1e-3)
    assert all(np.abs(one).max() > 2**23 * 0.05 for one in each)
    drums, guitar, piano = each
    for one, right in ((drums, 1.0), (guitar, 1.2), (piano, 0.85)):
        left_power, right_power = np.square(one / 2**23).mean(0)
        if one is drums:
            assert 0.5 < right_power / left_power < 2
        else:
            assert (right_power > left_power) == (right > 1)


def test_stems_appear_whole_or_not_at_all(tmp_path, made, monkeypatch):
    stems = tmp_path / "stems"
    with pytest.raises(OutputError):
        made.save(stems=stems, wav=tmp_path / "nowhere" / "a.wav")
    assert not list(tmp_path.iterdir())
    from kinebeat.audio import Mix

    draw = Mix.stem

    def failing(self, number):
        if number == 2:
            raise KeyboardInterrupt
        return draw(self, number)

    monkeypatch.setattr(Mix, "stem", failing)
    with pytest.raises(KeyboardInterrupt):
        made.save(stems=stems, midi=tmp_path / "a.mid")
    assert not list(tmp_path.iterdir())
    stems.mkdir()
    (stems / "piano.wav").write_text("before")
    with pytest.raises(KeyboardInterrupt):
        made.save(stems=stems)
    assert [path.name for path in stems.iterdir()] == ["piano.wav"]
    assert (stems / "piano.wav").read_text() == "before"


def test_stems_that_are_too_loud_alone_are_all_lower(tmp_path, made, monkeypatch):
    from kinebeat.audio import Mix

    plain = Mix.stem

    def louder(self, number):
        # The piano goes down by as much as the guitar goes up: the mix stays as it is.
        shift = {0: 0.0, 1: -1.5, 2: 1.5}[number]
        return (block + np.float32(shift) for block in plain(self, number))

    monkeypatch.setattr(Mix, "stem", louder)
    wav, stems = tmp_path / "a.wav", tmp_path / "stems"
    (warning,) = made.save(wav=wav, stems=stems)
    each = [samples(path) / (2**23 - 1) for path in sorted(stems.iterdir())]
    whole = samples(wav) / (2**23 - 1)
    peak = max(np.abs(one).max() for one in each)
    assert peak == pytest.approx(1, abs=1e-6)
    assert sum((np.abs(one) >= 1 - 1e-7).sum() for one in each) < 5, "nothing is cut off"
    lower_db = -20 * np.log10(np.abs(sum(each)).max() / np.abs(whole).max())
    assert lower_db > 3
    assert np.abs(sum(each) * 10 ** (lower_db / 20) - whole).max() < 1e-5
    assert f"{lower_db:.1f} dB lower" in warning


def test_a_stem_of_an_earlier_run_is_told_and_left(tmp_path, made):
    stems = tmp_path / "stems"
    stems.mkdir()
    for name in ("guitar", "background", "mine"):
        (stems / f"{name}.wav").write_text("before")
    without = replace(made, score=replace(made.score, tracks=made.score.tracks[:2]), accompaniments=())
    said = without.save(stems=stems)
    assert [line.split(" is ")[0] for line in said] == [str(stems / f"{name}.wav") for name in ("guitar", "background")]
    assert (stems / "guitar.wav").read_text() == "before"
    assert made.save(stems=stems) == (f"{stems / 'background.wav'} is of an earlier run, not of this music",)


def test_stems_in_no_place(tmp_path, made):
    (tmp_path / "file").write_text("a file")
    (tmp_path / "stems" / "piano.wav").mkdir(parents=True)
    for stems, words in (("file", "not a folder"), ("nowhere/stems", "does not exist"), ("stems", "is a folder")):
        with pytest.raises(OutputError, match=words):
            made.save(stems=tmp_path / stems)
    with pytest.raises(OptionError, match="same name"):
        made.save(stems=tmp_path / "new", wav=tmp_path / "new")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "stems"]


def test_a_stem_is_not_written_over_the_input(tmp_path, made):
    source = tmp_path / "drums.wav"
    source.write_text("the clip")
    with pytest.raises(OutputError, match="input itself"):
        replace(made, heard=replace(made.heard, source=source)).save(stems=tmp_path)
    assert source.read_text() == "the clip"


def test_numbered_folders():
    outputs = Outputs(midi=kinebeat.pipeline.Path("a.mid"), stems=kinebeat.pipeline.Path("take.v1"))
    assert [str(path) for path in outputs.numbered(2).paths()] == ["a.2.mid", "take.v1.2"]


def test_the_command_line(mover, tmp_path, capsys):
    words = ["--with", "piano", "--with", "guitar", "--key", "Bbm", "--stems", tmp_path / "s", "--variants", 2]
    assert run("soundtrack", mover, "--midi", tmp_path / "a.mid", "--plot", tmp_path / "a.png", *words) == 0
    said = capsys.readouterr().out
    assert "piano (" in said
    assert "guitar (" in said
    assert "in Bb minor" in said
    for number in (1, 2):
        assert (tmp_path / f"a.{number}.mid").exists()
        assert len(list((tmp_path / f"s.{number}").iterdir())) == 3
    assert (tmp_path / "a.1.mid").read_bytes() != (tmp_path / "a.2.mid").read_bytes()


@pytest.mark.parametrize(
    "words",
    [
        ["--with", "tuba"],
        ["--with", "piano", "--with", "piano"],
        ["--with", "piano", "--key", "J minor"],
        ["--stems", "nowhere/stems"],
        ["--stems", "mover.npz"],
        ["--stems", "a", "--wav", "a"],
    ],
    ids=" ".join,
)
def test_bad_options_exit_with_2_and_write_nothing(words, mover, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mover.npz").write_bytes(mover.read_bytes())
    assert run("soundtrack", "mover.npz", *words) == 2
    assert capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mover.npz"]


def test_the_trained_model_plays(mover, monkeypatch):
    read_music(monkeypatch)
    made = kinebeat.soundtrack(mover, seed=SEED, instruments=("piano", "guitar"))
    assert all(len(one.time_s) for one in made.score.tracks)
    assert sum(len(one.time_s) for one in made.score.tracks[1:]) > 10
