"""A batch: what it writes, what it does again, and what cannot be begun."""

import json
import os
import shutil

import pytest

import kinebeat
from batches import BAD, NAMES, lines, results, write_list, write_mover
from command_line import run
from kinebeat.batch import BatchSettings, run_batch
from kinebeat.batch.clips import Clip, clip_seed, content_sha256, find_clips, identity
from kinebeat.batch.folder import opened
from kinebeat.batch.settings import Resolved, resolved
from kinebeat.errors import InputError, OptionError, OutputError


@pytest.fixture(scope="module")
def batch(tmp_path_factory):
    """A list with a bad clip in it, and what two workers made of it."""
    folder = tmp_path_factory.mktemp("clips")
    clips = write_list(folder, *NAMES)
    (folder / BAD).write_bytes(b"PK nonsense")
    clips.write_text(clips.read_text() + f"\n{BAD}\nmissing.mp4\n")
    out = tmp_path_factory.mktemp("batch") / "out"
    assert run("batch", clips, "--out", out, "--midi", "--workers", 2, "-q") == 1
    return clips, out


def test_every_clip_has_a_line_and_bad_ones_stop_nothing(batch):
    _, out = batch
    told = lines(out)
    assert set(told) == {*NAMES, BAD, "missing.mp4"}
    for name in NAMES:
        line = told[name]
        assert line["outcome"] == "done"
        assert line["tempo_bpm"] > 0
        assert line["accents"] > 3
        assert line["seconds"] > line["seconds_by_stage"]["drums"] > 0
        assert line["outputs"] == {end: (out / end).stat().st_size for end in line["outputs"]}
    assert told[BAD]["outcome"] == "failed"
    assert "npz" in told[BAD]["problem"]
    assert "write one with numpy.savez" in told[BAD]["remedy"]
    assert "No such file" in told["missing.mp4"]["problem"]


def test_clips_of_one_name_in_two_folders_keep_apart(batch):
    _, out = batch
    assert set(results(out)) == {f"{name}.soundtrack.{kind}" for name in NAMES for kind in ("mid", "wav")}
    assert len(set(results(out).values())) == 2 * len(NAMES)


def test_a_clip_alone_with_its_seed_gives_the_same(batch, tmp_path):
    clips, out = batch
    name = "sub/a.npz"
    made = kinebeat.soundtrack(clips.parent / name, seed=lines(out)[name]["seed"])
    made.save(midi=tmp_path / "a.mid", wav=tmp_path / "a.wav")
    for kind in ("mid", "wav"):
        assert (tmp_path / f"a.{kind}").read_bytes() == (out / f"{name}.soundtrack.{kind}").read_bytes()


def test_one_worker_gives_what_two_give(batch, tmp_path):
    clips, out = batch
    assert run("batch", clips, "--out", tmp_path / "other", "--midi", "--workers", 1, "-q") == 1
    assert results(tmp_path / "other") == results(out)


def test_what_is_done_is_skipped_and_what_failed_tried_again(batch, capsys):
    clips, out = batch
    before = {path: (out / path).stat().st_mtime_ns for path in results(out)}
    assert run("batch", clips, "--out", out, "--midi", "--workers", 1) == 1
    said = capsys.readouterr()
    assert "0 clips done, 3 done before, 2 failed" in said.out
    assert "warning: bad.npz: " in said.err
    assert {path: (out / path).stat().st_mtime_ns for path in before} == before


def test_what_has_changed_is_done_anew_and_nothing_else(tmp_path):
    clips, out = write_list(tmp_path, "a.npz", "b.npz"), tmp_path / "out"

    def again(settings: BatchSettings | None = None) -> tuple[int, int]:
        result = run_batch(clips, out, settings, workers=1)
        return result.done, result.skipped

    assert again() == (2, 0)
    os.utime(tmp_path / "a.npz", ns=(1, 1))  # copied, say: it holds the same
    assert again() == (0, 2)
    assert lines(out)["a.npz"]["mtime_ns"] == 1
    assert lines(out)["a.npz"]["outputs"]
    (out / "b.npz.soundtrack.wav").unlink()
    assert again() == (1, 1)
    write_mover(tmp_path / "a.npz", 4)
    assert again() == (1, 1)
    heard = results(out)
    assert again(BatchSettings(seed=1)) == (2, 0)
    assert results(out) != heard
    assert again(BatchSettings(seed=1)) == (0, 2)
    assert run_batch(clips, out, BatchSettings(seed=1), workers=1, redo=True).done == 2
    assert again() == (2, 0)
    assert results(out) == heard


def test_everything_that_can_be_wanted_is_written(tmp_path):
    clips, out = write_list(tmp_path, "a.npz"), tmp_path / "out"
    words = ["--midi", "--stems", "--report", "--plot", "--with", "piano", "--workers", 1, "-q"]
    assert run("batch", clips, "--out", out, *words) == 0
    names = {f"a.npz.soundtrack.{kind}" for kind in ("wav", "mid", "json", "png")}
    names |= {f"a.npz.soundtrack.stems/{player}.wav" for player in ("drums", "piano")}
    assert set(results(out)) == names
    assert set(lines(out)["a.npz"]["outputs"]) == names
    assert lines(out)["a.npz"]["notes"]["piano"] > 0
    # the folder of stems takes the place of the one that is there, and nothing of that stays
    assert run("batch", clips, "--out", out, "--stems", "--variants", 1, "--workers", 1, "-q") == 0
    assert set(results(out)) == names - {"a.npz.soundtrack.stems/piano.wav"}
    assert run("batch", clips, "--out", tmp_path / "two", "--variants", 2, "--workers", 1, "-q") == 0
    assert set(results(tmp_path / "two")) == {f"a.npz.soundtrack.{n}.wav" for n in (1, 2)}
    assert len(set(results(tmp_path / "two").values())) == 2


def test_a_folder_of_videos_gives_videos(puppet_path, tmp_path):
    shutil.copy(puppet_path, tmp_path / "dancer.mp4")
    out = tmp_path / "out"
    assert run("batch", tmp_path, "--out", out, "--workers", 1, "-q") == 0
    assert list(results(out)) == ["dancer.mp4.soundtrack.mp4"]
    made = kinebeat.soundtrack(puppet_path, seed=lines(out)["dancer.mp4"]["seed"], workers=2)
    made.save(tmp_path / "alone.mp4")
    assert results(out)["dancer.mp4.soundtrack.mp4"] == (tmp_path / "alone.mp4").read_bytes()


def test_progress_goes_up_to_all(batch):
    clips, out = batch
    seen = []
    run_batch(
        clips, out, BatchSettings(midi=True), workers=1, progress=lambda stage, share: seen.append((stage, share))
    )
    assert {stage for stage, _ in seen} == {"clips"}
    shares = [share for _, share in seen]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0.0, 1.0)


@pytest.mark.parametrize("hidden", ["folder", "list"])
def test_which_files_are_clips(hidden, tmp_path):
    for name in ("b.MP4", "a.mov", "sub/a.mov", ".hidden.mp4", "sub/.git/a.mp4", "notes.txt", "a.soundtrack.mp4"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    out = tmp_path / "results"
    out.mkdir()
    (out / "c.mp4").touch()
    if hidden == "folder":
        assert [clip.name for clip in find_clips(tmp_path, out)] == ["a.mov", "b.MP4", "sub/a.mov"]
        return
    (tmp_path / "list").write_text(
        f"# mine\n\nsub/../a.mov\n  ./a.mov \nnotes.txt\n{tmp_path}/b.MP4\n../elsewhere.mp4\n"
    )
    found = find_clips(tmp_path / "list", out)
    outside = str(tmp_path.parent / "elsewhere.mp4")
    assert [clip.name for clip in found] == sorted(["a.mov", "notes.txt", f"{tmp_path}/b.MP4"[1:], outside[1:]])
    assert Clip("a.mov", tmp_path / "a.mov") in found


def test_names_that_are_not_utf8_are_names(tmp_path):
    name = os.fsdecode(b"\xff.npz")
    write_mover(tmp_path / "a.npz").rename(tmp_path / name)
    (tmp_path / "list").write_bytes(b"\xff.npz\n")
    assert run_batch(tmp_path / "list", tmp_path / "out", workers=1).done == 1
    assert list(lines(tmp_path / "out")) == [name]
    assert run_batch(tmp_path / "list", tmp_path / "out", workers=1).skipped == 1


def test_a_clip_whose_results_cannot_have_their_names_fails_at_once(tmp_path):
    name = "n" * 245 + ".npz"
    result = run_batch(write_list(tmp_path, name), tmp_path / "out", BatchSettings(report=True), workers=1)
    assert result.failed == 1
    assert "File name too long" in result.failures[0]
    assert "give the clip a shorter name" in result.failures[0]


def test_a_seed_is_of_the_batch_and_of_what_the_clip_holds(tmp_path):
    one, two = (write_mover(tmp_path / name) for name in ("a.npz", "b.npz"))
    assert content_sha256(one) == content_sha256(two)
    assert clip_seed(0, "a") != clip_seed(1, "a") != clip_seed(0, "b")
    assert clip_seed(0, "0" * 64) == 838107293, "seeds are part of what users rely on"
    assert 0 <= clip_seed(7, "c") < 2**31


def test_a_folder_of_keypoints_is_known_by_its_files(tmp_path):
    (tmp_path / "a.json").write_text("{}")
    before = content_sha256(tmp_path), identity(tmp_path).bytes
    (tmp_path / "a.json").rename(tmp_path / "b.json")
    assert content_sha256(tmp_path) != before[0]
    assert identity(tmp_path).bytes == before[1] == 2


def test_the_key_of_the_options_is_of_what_they_do(tmp_path):
    font = resolved(BatchSettings()).settings.soundfont
    shutil.copy(font, tmp_path / "same.sf2")
    plain = resolved(BatchSettings())
    assert resolved(BatchSettings(soundfont=tmp_path / "same.sf2")).key == plain.key
    others = [
        *(BatchSettings(tempo_bpm=100), BatchSettings(density=0.5), BatchSettings(kit="jazz"), BatchSettings(seed=1)),
        *(BatchSettings(key="Am"), BatchSettings(background="clip"), BatchSettings(original="keep")),
        *(BatchSettings(overlay=True), BatchSettings(variants=2), BatchSettings(midi=True), BatchSettings(wav=True)),
        *(BatchSettings(plot=True), BatchSettings(report=True), BatchSettings(stems=True)),
        BatchSettings(instruments=("piano",)),
    ]
    assert len({plain.key, *(resolved(one).key for one in others)}) == 1 + len(others)
    assert resolved(BatchSettings(key="A minor")).key == resolved(BatchSettings(key="Am")).key
    assert Resolved.from_json(json.loads(json.dumps(plain.as_json()))) == plain


def test_a_soundfont_that_is_another_for_the_worker_is_refused(tmp_path):
    font = tmp_path / "font.sf2"
    shutil.copy(resolved(BatchSettings()).settings.soundfont, font)
    sure = resolved(BatchSettings(soundfont=font))
    sure.check_here()
    font.write_bytes(font.read_bytes() + b"\0")
    with pytest.raises(InputError, match="is not the file the batch was begun with"):
        sure.check_here()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["missing"], "no such folder or list"),
        (["empty"], "no videos are in it"),
        (["nothing.txt"], "no clips are named in it"),
        (["binary"], "is not a text file"),
        (["clip.mp4"], "kinebeat soundtrack"),
        (["clips.txt", "--out", "clip.mp4"], "is not a folder"),
        (["clips.txt", "--out", "no/where"], "does not exist"),
        (["clips.txt", "--density", "9"], "density 9"),
        (["clips.txt", "--kit", "spoons"], "spoons"),
        (["clips.txt", "--tempo", "5"], "tempo"),
        (["clips.txt", "--key", "X"], "key"),
        (["clips.txt", "--soundfont", "missing.sf2"], "missing.sf2"),
        (["clips.txt", "--background", "missing.mp3"], "missing.mp3"),
        (["clips.txt", "--background", "clip", "--original", "keep"], "background"),
        (["clips.txt", "--limit", "0"], "limit"),
        (["clips.txt", "--limit", "9", "--ray", "local"], "cluster"),
        (["clips.txt", "--workers", "0"], "workers"),
    ],
    ids=lambda words: " ".join(words) if isinstance(words, list) else "",
)
def test_what_cannot_be_begun(words, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "nothing.txt").write_text("# none\n")
    (tmp_path / "binary").write_bytes(b"a\0b")
    (tmp_path / "clip.mp4").write_text("clip")
    (tmp_path / "clips.txt").write_text("clip.mp4")
    before = sorted(tmp_path.rglob("*"))
    out = [] if "--out" in words else ["--out", "out"]
    assert run("batch", *words, *out) == 2
    assert said in capsys.readouterr().err
    assert sorted(tmp_path.rglob("*")) == before


def test_without_ray_a_cluster_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    (tmp_path / "list").write_text("a.mp4")
    with pytest.raises(OptionError, match=r"pip install 'kinebeat\[cluster\]'"):
        run_batch(tmp_path / "list", tmp_path / "out", ray="local")
    assert not (tmp_path / "out").exists()


def test_two_batches_in_one_folder_do_not_fight(tmp_path, monkeypatch):
    monkeypatch.setattr("kinebeat.batch.folder.PATIENCE_S", 0.0)
    clips, out = write_list(tmp_path, "a.npz"), tmp_path / "out"
    with opened(out), pytest.raises(OutputError, match=f"another batch is at work in it .process {os.getpid()}."):
        run_batch(clips, out)
    assert not (out / "manifest.jsonl").exists()


def test_the_results_of_another_clip_are_not_written_over(tmp_path):
    one, two = (write_list(tmp_path / name, "a.npz") for name in ("one", "two"))
    write_mover(two.parent / "a.npz", 3)
    out = tmp_path / "out"
    assert run_batch(one, out, workers=1).done == 1
    before = results(out)
    result = run_batch(two, out, workers=1)
    assert (result.done, result.failed) == (0, 1)
    assert "take another output folder" in result.failures[0]
    assert results(out) == before
    assert run_batch(one, out, workers=1).skipped == 1
    shutil.rmtree(one.parent)  # moved away, or gone: then it is the clip's own place
    assert run_batch(two, out, workers=1).done == 1
