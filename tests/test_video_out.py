"""The finished video: the same picture packet for packet, with the sound where it belongs."""

from __future__ import annotations

import os
import resource
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from kinebeat.audio import PEAK_DBFS
from kinebeat.errors import InputError, OutputError
from kinebeat.files import atomic_output
from kinebeat.video_out import check_container, encode, mux, write_pictures

RATE_HZ = 48000


def write_clip(
    path: Path,
    times: list[int],
    *,
    codec: str = "libx264",
    time_base: Fraction = Fraction(1, 600),
    size: tuple[int, int] = (64, 48),
    pix_fmt: str = "yuv420p",
    rotation: int = 0,
    with_sound: bool = False,
    container_format: str | None = None,
) -> Path:
    """A clip whose pictures get lighter, at the given times in units of `time_base`."""
    with av.open(str(path), "w", format=container_format) as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height = size
        stream.pix_fmt = pix_fmt
        if codec == "libx264":
            stream.options = {"preset": "veryfast", "bf": "2"}
        stream.codec_context.time_base = time_base
        if rotation:
            stream.set_display_rotation(rotation)
        if with_sound:
            audio = container.add_stream("aac", rate=RATE_HZ, layout="stereo")
        for number, time in enumerate(times):
            picture = np.full((size[1], size[0], 3), 20 + number * 200 // len(times), np.uint8)
            picture[: size[1] // 2, : size[0] // 2] = 255 - number * 200 // len(times)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = time, time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if with_sound:
            for begin in range(0, RATE_HZ, 1024):
                block = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), "fltp", "stereo")
                block.sample_rate, block.pts = RATE_HZ, begin
                container.mux(audio.encode(block))
            container.mux(audio.encode(None))
    return path


def packets(path: Path) -> list[tuple[float, bytes]]:
    """Times and content of the picture's packets, in seconds from the container's start."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        base, start_s = float(stream.time_base), (container.start_time or 0) / 1e6
        return [(p.pts * base - start_s, bytes(p)) for p in container.demux(stream) if p.size]


def decoded(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        return np.concatenate([frame.to_ndarray() for frame in container.decode(audio=0)], axis=1)


def click(at_s: float, end_s: float) -> np.ndarray:
    """Silence with a short burst."""
    sound = np.zeros((round(end_s * RATE_HZ), 2), np.float32)
    burst = np.arange(round(at_s * RATE_HZ), min(round((at_s + 0.01) * RATE_HZ), len(sound)))
    sound[burst] = 0.8 * np.sin(2 * np.pi * 2000 * burst / RATE_HZ)[:, None]
    return sound


def assert_same_picture(clip: Path, out: Path) -> None:
    before, after = packets(clip), packets(out)
    assert [p[1] for p in after] == [p[1] for p in before]
    assert np.abs(np.array([p[0] for p in after]) - np.array([p[0] for p in before])).max() < 1e-4


VARIABLE = [0, 20, 45, 60, 61, 100, 180, 200, 330, 340, 500, 600, 610, 700, 900]


@pytest.mark.parametrize("times", [list(range(0, 1200, 24)), VARIABLE, [t + 90 for t in VARIABLE], [0]])
@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_the_picture_is_copied_packet_for_packet(tmp_path: Path, times: list[int], suffix: str) -> None:
    clip = write_clip(tmp_path / "clip.mp4", times)
    out = tmp_path / f"out{suffix}"
    assert mux(clip, [click(0.2, 2.0)], out) == ()
    if suffix == ".mkv":  # Matroska counts milliseconds
        assert [p[1] for p in packets(out)] == [p[1] for p in packets(clip)]
        assert [p[0] for p in packets(out)] == pytest.approx([p[0] for p in packets(clip)], abs=6e-4)
    else:
        assert_same_picture(clip, out)


@pytest.mark.parametrize("rotation", [90, -90, 180])
def test_rotation_is_kept(tmp_path: Path, rotation: int) -> None:
    clip = write_clip(tmp_path / "clip.mp4", VARIABLE, rotation=rotation)
    mux(clip, [click(0.2, 1.5)], tmp_path / "out.mp4")
    assert_same_picture(clip, tmp_path / "out.mp4")
    for path in (clip, tmp_path / "out.mp4"):
        with av.open(str(path)) as container:
            assert abs(next(container.decode(video=0)).rotation) == abs(rotation)


@pytest.mark.parametrize("end_s", [0.01, 0.5, 1.5, 2.0001])
@pytest.mark.parametrize("cut", [1024, 1000, 96000])
def test_sound_is_as_long_as_given_and_at_its_time(tmp_path: Path, end_s: float, cut: int) -> None:
    clip = write_clip(tmp_path / "clip.mp4", VARIABLE)
    sound = click(end_s * 0.6, end_s)
    mux(clip, (sound[i : i + cut] for i in range(0, len(sound), cut)), tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as container:
        (audio,) = container.streams.audio
        assert (audio.codec_context.name, audio.rate, audio.layout.name) == ("aac", RATE_HZ, "stereo")
        assert audio.start_time == 0
        assert float(audio.duration * audio.time_base) == pytest.approx(len(sound) / RATE_HZ, abs=1e-4)
    heard = decoded(tmp_path / "out.mp4")[0][: len(sound)]
    if end_s >= 0.5:
        lag = np.correlate(heard, sound[:, 0], "full" if len(heard) < 30000 else "same").argmax()
        middle = len(sound) - 1 if len(heard) < 30000 else len(heard) // 2
        assert abs(int(lag) - middle) <= 2


def test_the_clips_own_sound_is_replaced(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", VARIABLE, with_sound=True)
    mux(clip, [click(0.5, 1.5)], tmp_path / "out.mp4")
    assert_same_picture(clip, tmp_path / "out.mp4")
    assert np.abs(decoded(tmp_path / "out.mp4")).max() > 0.5


def test_the_index_comes_first_so_that_a_browser_can_start_at_once(tmp_path: Path) -> None:
    mux(write_clip(tmp_path / "clip.mp4", VARIABLE), [click(0.5, 1.5)], tmp_path / "out.mp4")
    content = (tmp_path / "out.mp4").read_bytes()
    assert 0 < content.index(b"moov") < content.index(b"mdat")


def test_loud_drums_do_not_clip_after_aac(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    hits = np.zeros((4 * RATE_HZ, 2), np.float32)
    decay = np.exp(-np.arange(6000) / 900)[:, None]
    for begin in range(0, len(hits) - 6000, 7000):
        hits[begin : begin + 6000] += rng.normal(size=(6000, 2)) * decay
    hits *= 10 ** (PEAK_DBFS / 20) / np.abs(hits).max()
    mux(write_clip(tmp_path / "clip.mp4", VARIABLE), [hits], tmp_path / "out.mp4")
    assert np.abs(decoded(tmp_path / "out.mp4")).max() <= 10 ** (-1 / 20)


@pytest.mark.parametrize("codec", ["libx265", "libvpx-vp9", "mpeg4"])
def test_other_codecs_that_players_know_are_copied(tmp_path: Path, codec: str) -> None:
    suffix, base = (".webm", Fraction(1, 1000)) if codec == "libvpx-vp9" else (".mkv", Fraction(1, 25))
    if codec == "mpeg4":
        suffix = ".avi"
    times = [round(i * 0.04 / base) for i in range(20)]
    clip = write_clip(tmp_path / f"clip{suffix}", times, codec=codec, time_base=base)
    assert mux(clip, [click(0.5, 0.8)], tmp_path / "out.mp4") == ()
    assert_same_picture(clip, tmp_path / "out.mp4")


@pytest.mark.parametrize(
    ("codec", "suffix", "pix_fmt"),
    [("mjpeg", ".avi", "yuvj420p"), ("gif", ".gif", "rgb8"), ("ffv1", ".mkv", "yuv444p")],
)
def test_what_an_mp4_cannot_carry_is_encoded_anew_at_its_times(
    tmp_path: Path, codec: str, suffix: str, pix_fmt: str
) -> None:
    base = Fraction(1, 25)
    clip = write_clip(tmp_path / f"clip{suffix}", list(range(20)), codec=codec, time_base=base, pix_fmt=pix_fmt)
    (warning,) = mux(clip, [click(0.5, 0.8)], tmp_path / "out.mp4")
    assert "encoded anew as H.264" in warning
    times_s = sorted(p[0] for p in packets(tmp_path / "out.mp4"))
    assert times_s == pytest.approx(sorted(p[0] for p in packets(clip)), abs=1e-3)
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert container.streams.video[0].codec_context.name == "h264"
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([clip.name, "out.mp4"])


def test_pictures_out_of_order_in_an_avi_are_put_in_order(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.avi", list(range(25)), time_base=Fraction(1, 25))  # H.264 with B-frames
    mux(clip, [click(0.5, 1.0)], tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as container:
        frames = list(container.decode(video=0))
    light = [float(frame.to_ndarray(format="rgb24")[-1, -1].mean()) for frame in frames]
    assert len(light) >= 20
    assert np.all(np.diff(light) > 0)


@pytest.mark.parametrize("times", [list(range(0, 1200, 24)), VARIABLE, [0], [0, 24], [0, 24, 48]])
def test_matroska_that_leaves_out_times_of_decoding_is_copied(tmp_path: Path, times: list[int]) -> None:
    clip = write_clip(tmp_path / "clip.mkv", times)
    assert mux(clip, [click(0.1, 0.5)], tmp_path / "out.mp4") == ()
    assert_same_picture(clip, tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) == len(times)


@pytest.mark.parametrize("size", [(64, 48), (63, 47), (2, 2), (1, 1)])
def test_pictures_of_any_size_at_any_times(tmp_path: Path, size: tuple[int, int]) -> None:
    times_s = [0.0, 0.1, 0.101, 0.5]
    rng = np.random.default_rng(0)
    pictures = [(t, rng.integers(0, 255, (size[1], size[0], 3)).astype(np.uint8)) for t in times_s]
    write_pictures(pictures, tmp_path / "out.mp4", fps=10, end_s=1.25)
    with av.open(str(tmp_path / "out.mp4")) as container:
        (stream,) = container.streams.video
        assert (stream.width, stream.height) == (max(size[0] // 2 * 2, 2), max(size[1] // 2 * 2, 2))
        assert float(stream.duration * stream.time_base) == pytest.approx(1.25, abs=1e-3)
        assert [float(f.time) for f in container.decode(video=0)] == pytest.approx(times_s, abs=1e-4)


def test_encoding_turns_the_picture_upright_and_can_draw_on_it(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", VARIABLE, size=(64, 32), rotation=90)
    seen: list[float] = []

    def draw(shown: tuple[float, np.ndarray]) -> np.ndarray:
        time_s, picture = shown
        assert picture.shape == (64, 32, 3)
        seen.append(time_s)
        return np.full_like(picture, 200)

    encode(clip, tmp_path / "drawn.mp4", draw)
    assert seen == pytest.approx(np.array(VARIABLE) / 600, abs=1e-6)
    with av.open(str(tmp_path / "drawn.mp4")) as container:
        frames = list(container.decode(video=0))
    assert [float(f.time) for f in frames] == pytest.approx(seen, abs=1e-4)
    assert (frames[0].width, frames[0].height, frames[0].rotation) == (32, 64, 0)
    assert frames[3].to_ndarray(format="rgb24").mean() == pytest.approx(200, abs=3)


def test_a_picture_that_starts_after_the_sound_stays_in_time_when_encoded_anew(tmp_path: Path) -> None:
    times_s = [0.2, 0.3, 0.45]
    pictures = [(t, np.full((32, 32, 3), 60, np.uint8)) for t in times_s]
    write_pictures(pictures, tmp_path / "drawn.mp4", fps=10, end_s=0.6)
    mux(tmp_path / "drawn.mp4", [click(0.3, 0.6)], tmp_path / "out.mp4")
    for name in ("drawn.mp4", "out.mp4"):
        assert [p[0] for p in packets(tmp_path / name)] == pytest.approx([0.0, 0.3, 0.45], abs=1e-4)
        with av.open(str(tmp_path / name)) as container:
            assert container.start_time == 0


def test_a_cut_off_clip_keeps_what_can_be_read(tmp_path: Path) -> None:
    times = list(range(0, 24 * 100, 24))
    clip = write_clip(
        tmp_path / "clip.ts", [t * 150 for t in times], time_base=Fraction(1, 90000), container_format="mpegts"
    )
    whole = clip.read_bytes()
    cut = tmp_path / "cut.ts"
    cut.write_bytes(whole[: len(whole) // 2])
    mux(cut, [click(0.5, 1.5)], tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) > 30


def test_what_is_no_video_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("hello")
    with pytest.raises(InputError, match=r"text\.mp4: not a video"):
        mux(tmp_path / "text.mp4", [click(0.5, 1.0)], tmp_path / "out.mp4")
    with av.open(str(tmp_path / "sound.m4a"), "w", format="mp4") as container:
        audio = container.add_stream("aac", rate=RATE_HZ, layout="stereo")
        block = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), "fltp", "stereo")
        block.sample_rate = RATE_HZ
        container.mux(audio.encode(block))
        container.mux(audio.encode(None))
    with pytest.raises(InputError, match="no picture"):
        mux(tmp_path / "sound.m4a", [click(0.5, 1.0)], tmp_path / "out.mp4")
    with pytest.raises(OutputError, match=r"name it OUT\.mp4"):
        check_container(tmp_path / "out.wav")


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_a_disk_that_fills_up_is_told_and_leaves_nothing(tmp_path: Path, suffix: str) -> None:
    clip = write_clip(tmp_path / "clip.mp4", VARIABLE)
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (4 * RATE_HZ, 2)).astype(np.float32)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    def write() -> None:
        with atomic_output(tmp_path / f"out{suffix}") as temporary:
            mux(clip, [noise], temporary)

    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, limits[1]))
        with pytest.raises(OutputError, match="too large for this disk"):
            write()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]
    write()
    assert (tmp_path / f"out{suffix}").stat().st_size > 40_000


@pytest.mark.data
def test_every_real_clip_keeps_its_picture(tmp_path: Path) -> None:
    if "KINEBEAT_DATA" not in os.environ:
        pytest.skip("KINEBEAT_DATA names no folder of data")
    folder = Path(os.environ["KINEBEAT_DATA"]) / "videos"
    refused = {"edge_audio_only", "edge_not_a_video", "edge_truncated_nomoov", "edge_zero_bytes"}
    clips = [p for p in sorted(folder.glob("**/*.*")) if p.suffix != ".csv"]
    assert len(clips) > 40
    for clip in clips:
        out = tmp_path / "out.mp4"
        if clip.stem in refused:
            with pytest.raises(InputError):
                mux(clip, [click(0.5, 1.0)], out)
        elif mux(clip, [click(0.5, 1.0)], out) == ():
            assert_same_picture(clip, out)
        else:
            assert clip.stem == "edge_anim"
