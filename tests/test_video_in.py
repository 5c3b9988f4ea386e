from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from kinebeat.errors import InputError
from kinebeat.video_in import DecodeCount, frames, probe, raw_frames

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    Write = Callable[..., Path]


def numbered(count: int, size: tuple[int, int] = (64, 96)) -> Iterator[NDArray[np.uint8]]:
    """Pictures whose grey says their number; a white block marks the upper left corner."""
    for i in range(count):
        picture = np.full((*size, 3), 10 + 4 * i % 200, np.uint8)
        picture[: size[0] // 4, : size[1] // 4] = 255
        yield picture


@pytest.mark.parametrize("fps", [5.0, 24000 / 1001, 25.0, 30000 / 1001, 59.94])
def test_times_are_those_of_the_container(tmp_path: Path, write_video: Write, fps: float) -> None:
    path = write_video(tmp_path / "a.mp4", numbered(40), fps=fps)
    times_s = [t for t, _ in frames(path)]
    np.testing.assert_allclose(times_s, np.arange(40) / fps, atol=2e-4)


def test_variable_frame_rate_keeps_its_times(tmp_path: Path, write_video: Write) -> None:
    told = [0.0, 0.033, 0.1, 0.11, 0.4, 1.0, 1.02]
    path = write_video(tmp_path / "a.mp4", numbered(7), times_s=told)
    np.testing.assert_allclose([t for t, _ in frames(path)], told, atol=1e-3)


def test_a_container_that_starts_late_starts_at_0(tmp_path: Path, write_video: Write) -> None:
    path = write_video(tmp_path / "a.ts", numbered(10), times_s=[5 + i / 25 for i in range(10)])
    times_s = [t for t, _ in frames(path)]
    np.testing.assert_allclose(times_s, np.arange(10) / 25, atol=1e-3)
    assert probe(path).start_s > 4


def test_pictures_are_rgb_and_in_order(tmp_path: Path, write_video: Write) -> None:
    colours = [(200, 30, 30), (30, 180, 30), (30, 30, 200)]
    pictures = [np.full((64, 64, 3), colour, np.uint8) for colour in colours]
    path = write_video(tmp_path / "a.mp4", pictures)
    for (_, picture), colour in zip(frames(path), colours, strict=True):
        assert picture.shape == (64, 64, 3)
        assert picture.dtype == np.uint8
        np.testing.assert_allclose(picture.mean(axis=(0, 1)), colour, atol=6)


@pytest.mark.parametrize(("rotation", "corner"), [(0, "UL"), (90, "LL"), (180, "LR"), (-90, "UR")])
def test_rotation_in_the_file_is_applied(tmp_path: Path, write_video: Write, rotation: int, corner: str) -> None:
    path = write_video(tmp_path / "a.mp4", numbered(3), rotation_deg=rotation)
    info = probe(path)
    _, picture = next(frames(path))
    assert (info.height, info.width) == picture.shape[:2] == ((64, 96) if rotation in (0, 180) else (96, 64))
    assert info.rotation_deg == rotation % 360
    h, w = picture.shape[0] // 8, picture.shape[1] // 8
    corners = {
        "UL": picture[h, w],
        "UR": picture[h, -w],
        "LL": picture[-h, w],
        "LR": picture[-h, -w],
    }
    assert max(corners, key=lambda name: int(corners[name].astype(int).sum())) == corner


def test_max_side_makes_smaller_but_never_larger(tmp_path: Path, write_video: Write) -> None:
    path = write_video(tmp_path / "a.mp4", numbered(2, (120, 200)))
    assert next(frames(path, max_side=100))[1].shape == (60, 100, 3)
    assert next(frames(path, max_side=500))[1].shape == (120, 200, 3)


def test_odd_sizes_and_other_pixel_formats(tmp_path: Path, write_video: Write) -> None:
    path = write_video(tmp_path / "a.mp4", numbered(4, (63, 97)), pix_fmt="yuv444p")
    assert [p.shape for _, p in frames(path)] == [(63, 97, 3)] * 4
    _, _, size, _ = next(raw_frames(path, max_side=200))
    assert size == (96, 64) or size == (98, 64) or size == (96, 62)  # even, for chroma planes
    ten_bits = write_video(
        tmp_path / "b.mp4",
        numbered(4),
        codec="libx265",
        pix_fmt="yuv420p10le",
        options={"x265-params": "log-level=0"},
    )
    assert len(list(frames(ten_bits))) == 4
    animation = write_video(tmp_path / "c.gif", numbered(5), codec="gif", pix_fmt="rgb8", fps=10.0)
    times_s = [t for t, _ in frames(animation)]
    np.testing.assert_allclose(times_s, np.arange(5) / 10, atol=0.011)


def test_probe_says_what_is_in_the_file(tmp_path: Path, write_video: Write) -> None:
    path = write_video(tmp_path / "a.mp4", numbered(30), fps=29.97, audio_s=1.0)
    info = probe(path)
    assert info.path == path
    assert info.fps == pytest.approx(29.97, abs=0.01)
    assert info.duration_s == pytest.approx(30 / 29.97, abs=0.05)
    assert info.frames_estimate == 30
    assert info.codec == "h264"
    assert info.has_audio
    assert not probe(write_video(tmp_path / "b.mp4", numbered(3))).has_audio


def test_a_single_frame_is_a_video(tmp_path: Path, write_video: Write) -> None:
    path = write_video(tmp_path / "a.mp4", numbered(1))
    assert [t for t, _ in frames(path)] == [0.0]


def test_a_cut_off_file_gives_what_is_readable(tmp_path: Path, write_video: Write) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (60, 64, 96, 3), np.uint8)
    options = {"g": "5", "bf": "0"}
    path = write_video(tmp_path / "a.ts", noise, options=options)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 6 // 10])
    times_s = [t for t, _ in frames(path)]
    assert 20 <= len(times_s) < 60
    assert (np.diff(times_s) > 0).all()


def test_damage_is_stepped_over_and_counted(tmp_path: Path, write_video: Write) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (60, 64, 96, 3), np.uint8)
    path = write_video(tmp_path / "a.mp4", noise, options={"g": "5", "bf": "0"})
    damaged = bytearray(path.read_bytes())
    middle = len(damaged) // 2
    damaged[middle : middle + len(damaged) // 10] = bytes(len(damaged) // 10)
    path.write_bytes(bytes(damaged))
    count = DecodeCount()
    times_s = [t for t, _ in frames(path, count=count)]
    assert len(times_s) == count.frames
    assert len(times_s) >= 40
    assert (np.diff(times_s) > 0).all()
    assert times_s[-1] > 1.8
    assert count.errors > 0


def make_missing(folder: Path, _: Write) -> Path:
    return folder / "missing.mp4"


def make_folder(folder: Path, _: Write) -> Path:
    return folder


def make_empty(folder: Path, _: Write) -> Path:
    path = folder / "empty.mp4"
    path.touch()
    return path


def make_text(folder: Path, _: Write) -> Path:
    path = folder / "text.mp4"
    path.write_text("this is no video\n" * 50)
    return path


def make_without_index(folder: Path, write: Write) -> Path:
    path = write(folder / "cut.mp4", numbered(30))
    path.write_bytes(path.read_bytes()[:900])
    return path


def make_still(folder: Path, _: Write) -> Path:
    import av

    path = folder / "still.png"
    with av.open(str(path), "w", format="image2") as container:
        stream = container.add_stream("png", rate=1)
        stream.width = stream.height = 64
        stream.pix_fmt = "rgb24"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), "rgb24")))
        container.mux(stream.encode(None))
    return path


def make_sound(folder: Path, _: Write) -> Path:
    import wave

    path = folder / "sound.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(16000))
    return path


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (make_missing, "no such file"),
        (make_folder, "is a folder"),
        (make_empty, "0 bytes"),
        (make_text, "not a video"),
        (make_without_index, "moov"),
        (make_still, "still picture"),
        (make_sound, "no picture"),
    ],
)
def test_what_cannot_be_used_is_named_with_a_remedy(
    tmp_path: Path, write_video: Write, make: Callable[[Path, Write], Path], said: str
) -> None:
    path = make(tmp_path, write_video)
    for use in (probe, lambda p: next(frames(p))):
        with pytest.raises(InputError, match=said) as caught:
            use(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)
        assert caught.value.remedy


EDGE = {
    "edge_audio_only.m4a": "no picture",
    "edge_not_a_video.mp4": "not a video",
    "edge_truncated_nomoov.mp4": "moov",
    "edge_zero_bytes.mp4": "0 bytes",
}


@pytest.mark.data
def test_real_odd_files_are_read_or_refused(data_dir: Path) -> None:
    files = sorted((data_dir / "videos" / "edge").iterdir())
    assert files
    for path in files:
        if path.name in EDGE:
            with pytest.raises(InputError, match=EDGE[path.name]):
                probe(path)
            continue
        info = probe(path)
        times_s = np.array([t for t, *_ in raw_frames(path)])
        assert len(times_s) >= 1, path.name
        assert 0 <= times_s[0] < 0.1, path.name
        assert (np.diff(times_s) > 0).all(), path.name
        if "truncated" not in path.name:
            assert times_s[-1] == pytest.approx(info.duration_s, abs=0.25), path.name
