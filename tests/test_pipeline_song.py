"""Drums for a song: its beats, the movement's accents, from file to file."""

import json
import wave

import numpy as np
import pytest

import kinebeat
from command_line import run
from kinebeat.accompaniment.harmony import NO_CHORD
from kinebeat.errors import InputError, OptionError, OutputError
from kinebeat.pose import save_pose
from movers import frame_times_s, sharp_moves, standing, swing_arms, track
from players import invent
from songs import beats_of, chord_song, drum_song, noise

DURATION_S = 10.0
SONG_BEATS_S = beats_of(105.0, 6, early=0.4)
STOPS_S = np.arange(0.9, 9.3, 0.55)


@pytest.fixture(autouse=True)
def _small_font(monkeypatch):
    monkeypatch.setattr("kinebeat.soundfont.SYSTEM_FONTS", ())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("song")


@pytest.fixture(scope="module")
def mover(folder):
    times_s = frame_times_s(DURATION_S)
    path = folder / "mover.npz"
    save_pose(track(swing_arms(standing(times_s), sharp_moves(times_s, STOPS_S)), times_s), path)
    return path


@pytest.fixture(scope="module")
def song(folder):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kinebeat.soundfont.SYSTEM_FONTS", ())
        return drum_song(folder / "song.wav", SONG_BEATS_S)


@pytest.fixture(scope="module")
def made(mover, song):
    return kinebeat.soundtrack(mover, background=song, seed=3)


@pytest.fixture(scope="module")
def clip(folder, song):
    """A grey picture with the song for its own sound."""
    import av

    path = folder / "clip.mkv"
    with av.open(str(path), "w") as container, av.open(str(song)) as sound:
        picture = container.add_stream("libx264", rate=10, options={"preset": "ultrafast"})
        picture.width = picture.height = 32
        picture.pix_fmt = "yuv420p"
        audio = container.add_stream("pcm_s16le", rate=48000, layout="stereo")
        resampler = av.AudioResampler(format="s16", layout="stereo", rate=48000)
        for number in range(round(DURATION_S * 10)):
            frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), 128, np.uint8), format="rgb24")
            frame.pts = number
            container.mux(picture.encode(frame))
        container.mux(picture.encode(None))
        for heard in sound.decode(audio=0):
            if heard.time < DURATION_S:
                for block in resampler.resample(heard):
                    container.mux(audio.encode(block))
        container.mux(audio.encode(None))
    return path


def inside(beats_s, low=0.0, high=DURATION_S):
    return beats_s[(beats_s >= low) & (beats_s < high)]


def samples(path):
    """(N, 2) whole numbers of a 24-bit file."""
    with wave.open(str(path)) as file:
        content = np.frombuffer(file.readframes(file.getnframes()), np.uint8).reshape(-1, 3)
    return (np.pad(content, ((0, 0), (1, 0))).copy().view("<i4")[:, 0] >> 8).reshape(-1, 2)


def test_the_beat_is_the_songs_and_not_the_movements(made, song):
    assert made.grid.source == "song"
    assert made.grid.tempo_bpm == pytest.approx(105, rel=0.003)
    known = inside(SONG_BEATS_S, 0.1, 9.9)
    assert np.abs(made.grid.beats_s[:, None] - known).min(0).max() < 0.012
    assert made.song.path == song
    assert 0.5 < made.grid.confidence < 1
    assert made.settings.background == song


def test_every_accent_is_heard_on_the_movement(made):
    hits = made.drums.hits.any(1)
    assert hits[made.rhythm.accent > 0].all()
    found = np.abs(made.accents.times_s[:, None] - STOPS_S).min(0)
    assert np.mean(found < 0.06) > 0.8
    heard_s = made.drums.onsets()[0]
    assert np.abs(made.accents.times_s[:, None] - heard_s).min(1).max() < 0.06


def test_other_hits_keep_the_songs_beat(made):
    free = made.drums.hits & ~(made.rhythm.accent > 0)[:, None]
    assert free.sum() > 5
    step, drum = np.nonzero(free)
    away_s = made.grid.time_s(step + made.drums.offsets[step, drum]) - made.grid.time_s(step)
    assert np.median(away_s) == pytest.approx(0, abs=0.001)
    assert np.percentile(np.abs(away_s), 90) < 0.03


def test_an_accent_near_the_songs_16th_stays_on_it(made):
    step = np.floor(made.grid.step(made.accents.times_s) + 0.5).astype(int)
    away_s = np.abs(made.accents.times_s - made.grid.time_s(step))
    offset = made.rhythm.accent_offset[step]
    assert (away_s < 0.025).any()
    assert (away_s > 0.026).any()
    assert not offset[away_s < 0.025].any()
    assert offset[away_s > 0.026].all()


def test_without_a_background_nothing_is_different(mover, made):
    alone = kinebeat.soundtrack(mover, seed=3)
    assert alone.grid.source != "song"
    assert alone.song is None
    assert alone.background is None
    assert np.array_equal(alone.accents.times_s, made.accents.times_s)


def test_variants_share_the_song(made):
    stages = []
    other = made.variant(4, progress=lambda stage, share: stages.append(stage))
    assert other.song is made.song
    assert other.grid is made.grid
    assert other.background == made.background
    assert "song" not in stages
    assert other.seconds["song"] == made.seconds["song"]
    assert not np.array_equal(other.drums.hits, made.drums.hits)
    assert np.array_equal(made.variant(3).drums.offsets, made.drums.offsets)


def test_all_files(tmp_path, made, song):
    names = {"wav": "a.wav", "report": "a.json", "plot": "a.png", "midi": "a.mid", "stems": "stems"}
    assert made.save(**{kind: tmp_path / name for kind, name in names.items()}) == ()
    assert sorted(path.name for path in (tmp_path / "stems").iterdir()) == ["background.wav", "drums.wav"]
    whole, drums, under = (samples(tmp_path / name) for name in ("a.wav", "stems/drums.wav", "stems/background.wav"))
    assert np.abs(drums + under - whole).max() <= 4
    assert np.abs(whole).max() / 2**23 <= 10 ** (-2 / 20) + 1e-6
    said = json.loads((tmp_path / "a.json").read_text())
    assert said["beat_source"] == "song"
    assert said["beat_confidence"] == pytest.approx(1 - 1 / made.song.pulse, abs=1e-6)
    assert said["background"]["path"] == said["settings"]["background"] == str(song)
    assert said["background"]["start_s"] == said["settings"]["background_start_s"] == 0
    assert said["background"]["pulse"] > 2
    assert said["key_source"] is None


def test_instruments_play_in_the_songs_key_unless_another_is_asked_for(tmp_path, mover, song, monkeypatch):
    invent(monkeypatch)
    ours, asked = (
        kinebeat.soundtrack(mover, background=song, instruments="piano", seed=3, key=key) for key in (None, "F# minor")
    )
    assert ours.accompaniments[0].key == ours.song.key
    assert ours.variant(4).accompaniments[0].key == ours.song.key
    assert asked.accompaniments[0].key == 12 + 6
    for made, source in ((ours, "song"), (asked, "asked"), (kinebeat.soundtrack(mover, instruments="piano"), "seed")):
        made.save(report=tmp_path / "a.json", stems=tmp_path / "stems")
        said = json.loads((tmp_path / "a.json").read_text())
        assert said["key_source"] == source
    assert said["background"] is None


def test_instruments_play_on_the_songs_chords(tmp_path, mover, song, monkeypatch):
    invent(monkeypatch)
    verse = [(60, 64, 67), (57, 60, 64), (60, 65, 69), (59, 62, 67)]
    chordal = chord_song(tmp_path / "chords.wav", SONG_BEATS_S, verse * 3)
    made = kinebeat.soundtrack(mover, background=chordal, instruments=("piano", "guitar"), seed=3)
    heard = made.song.chords.symbols
    there = heard != NO_CHORD
    assert len(np.unique(heard[there])) > 2
    for one in made.accompaniments:
        assert np.array_equal(one.chords.symbols[there], heard[there])
    drums_alone = kinebeat.soundtrack(mover, background=song, instruments="piano", seed=3)
    for one, source in ((made, "song"), (drums_alone, "own")):
        one.save(report=tmp_path / "a.json")
        assert json.loads((tmp_path / "a.json").read_text())["chord_source"] == source


def test_the_clips_own_sound(tmp_path, clip, mover, made):
    own = kinebeat.soundtrack(clip, pose=mover, background="clip", seed=3)
    assert own.settings.background == "clip"
    assert own.song.path == clip
    assert np.abs(inside(own.grid.beats_s)[:, None] - made.grid.beats_s).min(1).max() < 0.01
    assert own.save(tmp_path / "a.mp4", wav=tmp_path / "a.wav", stems=tmp_path / "stems") == ()
    assert (tmp_path / "a.mp4").stat().st_size > 10000
    under = samples(tmp_path / "stems" / "background.wav")
    assert np.abs(under).max() > 0.2 * 2**23


def test_a_song_may_start_later_and_end_sooner(tmp_path, mover, song):
    late = kinebeat.soundtrack(mover, background=song, background_start_s=-2.5)
    known = inside(SONG_BEATS_S + 2.5, 2.6)
    assert np.abs(late.grid.beats_s[:, None] - known).min(0).max() < 0.012
    cut = kinebeat.soundtrack(mover, background=song, background_start_s=6.0)
    assert cut.song.start_s == 6.0
    assert cut.grid.beats_s[-1] >= DURATION_S
    assert np.diff(cut.grid.beats_s) == pytest.approx(60 / 105, abs=0.004)
    assert (cut.drums.onsets()[0] > 8.5).any(), "the drums go on after the song"
    cut.save(stems=tmp_path)
    under = samples(tmp_path / "background.wav")
    assert not under[round(8.5 * 48000) :].any()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"background": "song.wav", "tempo_bpm": 100.0}, "leave one of them out"),
        ({"background_start_s": 3.0}, "without a background"),
        ({"background": "clip", "background_start_s": 3.0}, "starts with the clip"),
        ({"background": "song.wav", "background_start_s": float("nan")}, "expected seconds"),
    ],
)
def test_options_that_do_not_go_together(mover, song, options, words, monkeypatch):
    monkeypatch.chdir(song.parent)
    stages = []
    with pytest.raises(OptionError, match=words):
        kinebeat.soundtrack(mover, progress=lambda stage, share: stages.append(stage), **options)
    assert stages == []


def test_what_has_no_beat_is_refused_before_the_work(mover, clip, folder):
    flat = noise(folder / "noise.wav", 12.0)
    with pytest.raises(InputError, match=r"no .*beat is heard"):
        kinebeat.soundtrack(mover, background=flat)
    stages = []
    with pytest.raises(InputError, match=r"no .*beat is heard"):
        kinebeat.soundtrack(clip, pose=mover, background=flat, progress=lambda stage, share: stages.append(stage))
    assert set(stages) == {"song"}, "a video's pose takes long"
    with pytest.raises(InputError, match=r"mover\.npz: has no sound"):
        kinebeat.soundtrack(mover, background="clip")


def test_a_beat_that_is_hardly_there_is_said(mover, song, monkeypatch):
    monkeypatch.setattr("kinebeat.song.CLEAR_PULSE", 1e3)
    made = kinebeat.soundtrack(mover, background=song)
    assert [line for line in made.warnings if line.startswith("song.wav has no clear beat")]


def test_the_clips_own_sound_is_not_there_twice(tmp_path, made):
    for original in ("keep", "duck"):
        with pytest.raises(OptionError, match="leave one of them out"):
            made.save(wav=tmp_path / "a.wav", original=original)
    assert not list(tmp_path.iterdir())


def test_the_song_is_not_written_over(made):
    before = made.song.path.read_bytes()
    with pytest.raises(OutputError, match="input itself"):
        made.save(wav=made.song.path)
    assert made.song.path.read_bytes() == before


def test_the_command_line(tmp_path, mover, song, capsys):
    words = ["--background", song, "--wav", tmp_path / "a.wav", "--stems", tmp_path / "s", "--variants", 2]
    assert run("soundtrack", mover, "--background-start", 0.5, *words) == 0
    assert "BPM (heard in song.wav)" in capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.1.wav", "a.2.wav", "s.1", "s.2"]
    assert len(list((tmp_path / "s.2").iterdir())) == 2


@pytest.mark.parametrize(
    "words",
    [
        ["--background", "song.wav", "--tempo", "100"],
        ["--background", "song.wav", "--original", "keep"],
        ["--background", "clip"],
        ["--background", "none.mp3"],
        ["--background", "text.mp3"],
        ["--background", "song.wav", "--wav", "song.wav"],
        ["--background", "song.wav", "--background-start", "500"],
        ["--background-start", "5"],
        ["--background", "song.wav", "--wav", "nowhere/a.wav"],
    ],
    ids=" ".join,
)
def test_bad_options_exit_with_2_and_write_nothing(words, mover, song, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for path in (mover, song):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "text.mp3").write_text("no sound " * 99)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert run("soundtrack", "mover.npz", *words) == 2
    said = capsys.readouterr().err
    assert said.startswith("kinebeat: ")
    assert said.count("\n") == 1
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
