"""Outputs appear whole or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from kinebeat import files
from kinebeat.errors import OptionError, OutputError
from kinebeat.files import (
    TEMPORARY_PREFIX,
    atomic_output,
    atomic_outputs,
    check_distinct,
    check_folder,
    check_output,
    made_folder,
)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_output_appears_only_at_the_end(tmp_path: Path) -> None:
    final = tmp_path / "out.mp4"
    with atomic_output(final) as temporary:
        temporary.write_text("whole")
        assert not final.exists()
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".mp4"
        assert temporary.name.startswith(TEMPORARY_PREFIX)
    assert final.read_text() == "whole"
    assert names(tmp_path) == ["out.mp4"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError, SystemExit])
def test_interrupted_output_leaves_what_was_there(tmp_path: Path, error: type[BaseException]) -> None:
    final = tmp_path / "out.wav"
    final.write_text("before")

    def interrupted() -> None:
        with atomic_output(final) as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(error):
        interrupted()
    assert final.read_text() == "before"
    assert names(tmp_path) == ["out.wav"]


def test_several_outputs_appear_together_or_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = tmp_path / "old.mid", tmp_path / "new.wav"
    old.write_text("before")
    real = Path.replace

    def replace(self: Path, target: Path) -> Path:
        if Path(target).name == "new.wav":
            raise OSError(errno.ENOSPC, "no space", str(self))
        return real(self, target)

    def write() -> None:
        with atomic_outputs([old, new]) as (a, b):
            a.write_text("after")
            b.write_text("after")

    monkeypatch.setattr(Path, "replace", replace)
    with pytest.raises(OutputError, match=r"new\.wav: the disk is full; free"):
        write()
    assert old.read_text() == "before"
    assert names(tmp_path) == ["old.mid"]
    monkeypatch.undo()
    write()
    assert old.read_text() == new.read_text() == "after"
    assert names(tmp_path) == ["new.wav", "old.mid"]


def test_full_disk_while_writing_is_told_with_its_remedy(tmp_path: Path) -> None:
    def write() -> None:
        with atomic_output(tmp_path / "out.mp4") as temporary:
            temporary.write_text("half")
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OutputError, match=r"out\.mp4: the disk is full; free some space"):
        write()
    assert names(tmp_path) == []


def test_an_error_of_reading_is_not_called_an_output_error(tmp_path: Path) -> None:
    def write() -> None:
        with atomic_output(tmp_path / "out.mp4"):
            (tmp_path / "missing").read_text()

    with pytest.raises(FileNotFoundError):
        write()


def test_bad_places_are_refused_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    for path, message in [
        (tmp_path, "is a folder; name a file in it"),
        (tmp_path / "no" / "out.mp4", "does not exist; make it first"),
        (tmp_path / "file" / "out.mp4", "is not a folder"),
        (fifo, "is not an ordinary file"),
        (tmp_path / ("x" * 10 + "." + "y" * 300), "name is too long"),
        (str(tmp_path) + "/a\0b", "not a possible file name"),
    ]:
        with pytest.raises(OutputError, match=message):
            check_output(path)
    assert names(tmp_path) == ["fifo", "file"]


@pytest.mark.parametrize(
    ("number", "message"),
    [(errno.EROFS, "read-only"), (errno.EACCES, "not permitted"), (errno.EIO, "I/O|Input/output")],
)
def test_unwritable_folder_is_noticed_beforehand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, message: str
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(files.os, "open", refuse)
    with pytest.raises(OutputError, match=message):
        check_output(tmp_path / "out.mp4")


def test_input_is_never_overwritten_not_even_through_a_link(tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    clip.write_text("picture")
    (tmp_path / "link.mp4").symlink_to(clip)
    os.link(clip, tmp_path / "hard.mp4")
    for name in ("clip.mp4", "link.mp4", "hard.mp4"):
        with pytest.raises(OutputError, match="is the input itself"):
            check_output(tmp_path / name, inputs=[clip])
    check_output(tmp_path / "other.mp4", inputs=[clip, tmp_path / "missing"])


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real.txt").write_text("before")
    (tmp_path / "link.txt").symlink_to("real.txt")
    with atomic_output(tmp_path / "link.txt") as temporary:
        temporary.write_text("after")
    assert (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "real.txt").read_text() == "after"


def test_the_same_output_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="two outputs"), atomic_outputs([tmp_path / "a", tmp_path / "a"]):
        pass


def test_two_results_in_one_file_are_refused_by_whatever_name(tmp_path: Path) -> None:
    check_distinct([])
    check_distinct([tmp_path / "a.json", tmp_path / "b.json"])
    with pytest.raises(OptionError, match="same name"):
        check_distinct([tmp_path / "a.json", tmp_path / "b.json", tmp_path / "folder" / ".." / "a.json"])


def test_forgetting_an_output_is_a_defect(tmp_path: Path) -> None:
    def forget() -> None:
        with atomic_output(tmp_path / "out"):
            pass

    with pytest.raises(AssertionError):
        forget()


def test_long_names_are_possible(tmp_path: Path) -> None:
    final = tmp_path / ("é" * 120 + ".mp4")
    with atomic_output(final) as temporary:
        temporary.write_text("x")
    assert final.exists()


def test_names_that_are_not_utf8_are_possible(tmp_path: Path) -> None:
    out = tmp_path / os.fsdecode(b"caf\xe9.mid")
    with atomic_output(out) as temporary:
        temporary.write_bytes(b"notes")
    assert out.read_bytes() == b"notes"
    assert list(tmp_path.iterdir()) == [out]


def test_a_folder_is_made_and_goes_again_if_nothing_came_of_it(tmp_path: Path) -> None:
    with made_folder(tmp_path / "new"):
        (tmp_path / "new" / "a").write_text("a")
    assert names(tmp_path / "new") == ["a"]

    def failing(folder: Path) -> None:
        with made_folder(folder):
            raise KeyboardInterrupt

    for folder in ("other", "new"):
        with pytest.raises(KeyboardInterrupt):
            failing(tmp_path / folder)
    assert names(tmp_path) == ["new"]
    assert names(tmp_path / "new") == ["a"]


def test_no_place_for_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in ("file", "nowhere/new", "file/new"):
        with pytest.raises(OutputError) as raised:
            check_folder(tmp_path / path)
        assert raised.value.path == tmp_path / path
    check_folder(tmp_path / "new")
    check_folder(tmp_path)
    assert names(tmp_path) == ["file"]
