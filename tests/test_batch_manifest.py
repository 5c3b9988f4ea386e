"""The manifest: readable after a kill at any byte, one line a clip."""

import errno
import json
import os

import pytest

from kinebeat.batch.clips import Clip, Identity
from kinebeat.batch.manifest import Manifest
from kinebeat.errors import InputError, OutputError

SEEN = Identity(4, 5)


def done(clip: str, options: str = "o") -> dict:
    return {
        "clip": clip,
        "outcome": "done",
        "source": f"/in/{clip}",
        "bytes": 4,
        "mtime_ns": 5,
        "sha256": "s",
        "options": options,
        "outputs": {f"{clip}.wav": 3},
    }


@pytest.fixture
def out(tmp_path):
    for name in "abc":
        (tmp_path / f"{name}.wav").write_text("abc")
    return tmp_path


def told(out) -> list[tuple[str, str]]:
    lines = [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]
    return [(line["clip"], line.get("options", "")) for line in lines]


def is_done(manifest: Manifest, name: str, options: str = "o") -> bool:
    return manifest.is_done(Clip(name, f"/in/{name}"), options, SEEN)


def test_the_last_line_counts_and_the_end_is_in_order(out):
    with Manifest(out) as manifest:
        for clip, options in (("b", "o"), ("a", "o"), ("b", "p")):
            manifest.add(done(clip, options))
        assert [name for name, _ in told(out)] == ["b", "a", "b"]
    assert told(out) == [("a", "o"), ("b", "p")]
    with Manifest(out) as manifest:
        assert is_done(manifest, "a")
        assert is_done(manifest, "b", "p")
        assert not is_done(manifest, "b")
        assert not is_done(manifest, "c")


def test_a_file_cut_off_anywhere_loses_at_most_the_line_that_was_cut(out):
    with Manifest(out) as manifest:
        manifest.add(done("a"))
        manifest.add(done("b"))
    whole = (out / "manifest.jsonl").read_bytes()
    first = whole.index(b"\n") + 1
    for size in {*range(0, len(whole), 23), first - 1, first, len(whole) - 1, len(whole)}:
        (out / "manifest.jsonl").write_bytes(whole[:size])
        with Manifest(out) as manifest:
            assert is_done(manifest, "a") == (size >= first)
            assert is_done(manifest, "b") == (size == len(whole))
            manifest.add(done("c"))
        assert ("c", "o") in told(out)
        assert all(line.endswith(b"\n") for line in (out / "manifest.jsonl").read_bytes().splitlines(keepends=True))


def test_what_was_begun_again_and_not_ended_is_not_done(out):
    with Manifest(out) as manifest:
        manifest.add(done("a"))
        assert manifest.begin("b") is None
        assert manifest.begin("a") == done("a")
        assert not is_done(manifest, "a")
        whole = (out / "manifest.jsonl").read_bytes()
    assert told(out) == []
    (out / "manifest.jsonl").write_bytes(whole)  # as a kill would leave it
    with Manifest(out) as manifest:
        assert not is_done(manifest, "a")


@pytest.mark.parametrize("change", ["gone", "other size"])
def test_what_is_not_there_in_its_size_is_not_done(change, out):
    with Manifest(out) as manifest:
        manifest.add(done("a"))
        assert is_done(manifest, "a")
        assert manifest.known_sha256(Clip("a", out / "x"), "o", Identity(4, 99)) == "s"
        (out / "a.wav").unlink()
        if change == "other size":
            (out / "a.wav").write_text("abcd")
        assert not is_done(manifest, "a")
        assert manifest.known_sha256(Clip("a", out / "x"), "o", Identity(4, 99)) is None


@pytest.mark.parametrize(
    "content", [b"not JSON\n", b"[1]\n", b'{"clip": "a"}\n', b'{"clip": "a", "outcome": "done"}\n']
)
def test_a_file_of_something_else_is_left_alone(content, out):
    (out / "manifest.jsonl").write_bytes(content)
    with pytest.raises(InputError, match="is not a manifest of Kinebeat"):
        Manifest(out).__enter__()
    assert (out / "manifest.jsonl").read_bytes() == content


def test_a_full_disk_ends_it_and_what_was_written_stays(out, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    def add() -> None:
        with Manifest(out) as manifest:
            manifest.add(done("a"))
            monkeypatch.setattr(os, "fsync", full)
            manifest.add(done("b"))

    with pytest.raises(OutputError, match=r"cannot be written .No space left"):
        add()
    monkeypatch.undo()
    with Manifest(out) as manifest:
        assert is_done(manifest, "a")
