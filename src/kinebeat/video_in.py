"""Reading a video: what is in the file, and its pictures one after the other.

Conventions. Times are float64 seconds from the container's own timestamps; 0 is where the container starts
(the earliest of its streams), so that a sound placed at the same time lands on the same picture. Pictures are
upright: the rotation that phones write into the file is applied. Nothing here holds more than a few pictures,
whatever the length of the clip.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import av
import numpy as np
from av.stream import Disposition

from kinebeat.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream
    from numpy.typing import NDArray

# A fixed number, not that of the machine's cores: what a damaged file decodes to can depend on it.
DECODER_THREADS = 4
# Demuxers that read one still picture ("png_pipe", "jpeg_pipe", ...) end like this.
_STILL_SUFFIX = "_pipe"
_STILL_FORMATS = {"image2", "ico", "tiff"}
# Errors in a row after which a file is taken to be at its end rather than damaged in places.
_MAX_ERRORS_IN_A_ROW = 200

# A rate above this is no camera's.
_FASTEST_FPS = 500
# A file of a few kilobytes can hold a picture of gigabytes; the largest cameras make half of this.
_MOST_PIXELS = 8192 * 8192

logging.getLogger("libav").setLevel(logging.CRITICAL)


@dataclass(frozen=True)
class VideoInfo:
    """What a video file holds.

    Attributes:
        path: the file.
        duration_s: length of the picture; 0 where the file does not say.
        width: of the upright picture, pixels.
        height: of the upright picture, pixels.
        rotation_deg: how far the stored picture is turned counter-clockwise to be upright: 0, 90, 180 or 270.
        fps: average frame rate.
        frames_estimate: how many frames there are, as far as the file tells; 0 where it does not.
        has_audio: whether there is a sound stream.
        codec: name of the picture's codec, such as `h264`.
        start_s: the container's start on its own clock; all times in Kinebeat are relative to it.
    """

    path: Path
    duration_s: float
    width: int
    height: int
    rotation_deg: int
    fps: float
    frames_estimate: int
    has_audio: bool
    codec: str
    start_s: float


@dataclass
class DecodeCount:
    """How decoding went: `frames` pictures read, `errors` packets that could not be used."""

    frames: int = 0
    errors: int = 0


def probe(path: str | Path) -> VideoInfo:
    """Look into a video file; its first picture is decoded, so what is returned can be read.

    Args:
        path: a video file.

    Returns:
        What it holds.

    Raises:
        InputError: the file is missing, a folder, empty, cut off, not a video, sound only or a still picture.
    """
    path = Path(path)
    with opened(path) as (container, stream):
        first = next((frame for frame in _decoded(container, stream, DecodeCount())), None)
        if first is None:
            raise InputError(
                path, "no picture in it can be decoded", "play it to see whether it is damaged, or convert it"
            )
        turns = _quarter_turns(first)
        width, height = (first.height, first.width) if turns % 2 else (first.width, first.height)
        fps = _fps(stream)
        if stream.duration is not None and stream.time_base is not None:
            duration_s = float(stream.duration * stream.time_base)
        else:
            duration_s = (container.duration or 0) / av.time_base
        return VideoInfo(
            path=path,
            duration_s=max(duration_s, 0.0),
            width=width,
            height=height,
            rotation_deg=turns * 90,
            fps=fps,
            frames_estimate=stream.frames or round(max(duration_s, 0.0) * fps),
            has_audio=bool(container.streams.audio),
            codec=stream.codec_context.name,
            start_s=_origin_s(container),
        )


def frames(
    path: str | Path, *, max_side: int | None = None, count: DecodeCount | None = None
) -> Iterator[tuple[float, NDArray[np.uint8]]]:
    """Stream the pictures of a video, upright.

    Packets that cannot be decoded are skipped, a file that was cut off gives what is readable, pictures whose
    timestamp does not come after the one before are dropped.

    Args:
        path: a video file.
        max_side: pictures with a longer side than this are made smaller.
        count: filled in while reading, where the caller wants to know about damage.

    Yields:
        `(time_s, picture)`: seconds from the container's start, strictly increasing; (H, W, 3) uint8 RGB.

    Raises:
        InputError: as `probe`, before the first picture.
    """
    for time_s, frame, (width, height), turns in raw_frames(path, max_side=max_side, count=count):
        picture = frame.reformat(width=width, height=height, format="rgb24").to_ndarray()
        yield time_s, np.ascontiguousarray(np.rot90(picture, turns))


def raw_frames(
    path: str | Path,
    *,
    max_side: int | None = None,
    least_step_s: float = 0.0,
    count: DecodeCount | None = None,
) -> Iterator[tuple[float, VideoFrame, tuple[int, int], int]]:
    """Stream decoded frames as they are stored, for callers that convert them themselves.

    Args:
        path: a video file.
        max_side: bound on the longer side of the size that is proposed.
        least_step_s: frames that follow the last one yielded sooner than this are left out.
        count: filled in while reading.

    Yields:
        `(time_s, frame, (width, height), turns)`: the size to convert the stored picture to (even, the same
        for all frames), and the quarter turns counter-clockwise that make it upright.

    Raises:
        InputError: as `probe`.
    """
    path = Path(path)
    count = count if count is not None else DecodeCount()
    with opened(path) as (container, stream):
        origin_s = _origin_s(container)
        step_s = 1.0 / _fps(stream)
        last_s = yielded_s = -np.inf
        size, turns = (0, 0), 0
        for frame in _decoded(container, stream, count):
            if frame.time is not None:
                time_s = float(frame.time) - origin_s
            else:
                time_s = last_s + step_s if np.isfinite(last_s) else 0.0
            if time_s <= last_s:
                continue
            last_s = time_s
            if count.frames == 0:
                size, turns = _even_size(frame.width, frame.height, max_side), _quarter_turns(frame)
            count.frames += 1
            if time_s - yielded_s >= least_step_s:
                yielded_s = time_s
                yield time_s, frame, size, turns
        if count.frames == 0:
            raise InputError(
                path, "no picture in it can be decoded", "play it to see whether it is damaged, or convert it"
            )


@contextmanager
def opened(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a file and its picture stream, or raise an InputError that says what is wrong with it."""
    if path.is_dir():
        raise InputError(path, "is a folder where a video was expected", "name a video file inside it")
    if not path.exists():
        raise InputError(path, "no such file", "check the name and the folder")
    if path.stat().st_size == 0:
        raise InputError(path, "the file is empty (0 bytes)", "copy or export it again")
    try:
        container = av.open(str(path), mode="r", metadata_errors="replace")
    except PermissionError as error:
        raise InputError(path, "may not be read", "change its permissions") from error
    except (av.FFmpegError, OSError, ValueError) as error:
        if _is_cut_off_mp4(path):
            raise InputError(
                path,
                "the recording was cut off before its index (moov) was written",
                "copy or export it again; a repair tool may rescue it",
            ) from error
        raise InputError(
            path, "not a video that can be read", "convert it to mp4, or check that the copy is whole"
        ) from error
    try:
        name = container.format.name
        if name.endswith(_STILL_SUFFIX) or name in _STILL_FORMATS:
            raise InputError(path, "is a still picture where a video was expected", "give a video")
        moving = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
        if not moving:
            if container.streams.audio:
                raise InputError(path, "holds sound but no picture", "give the video that the movement is seen in")
            raise InputError(path, "holds no picture", "give a video")
        stream = moving[0]
        if stream.codec_context is None:
            raise InputError(path, "its picture is in a form that is not known", "convert it to mp4")
        width, height = stream.codec_context.width, stream.codec_context.height
        if width * height > _MOST_PIXELS:
            raise InputError(path, f"its picture has {width} x {height} pixels, too many to be read", "make it smaller")
        stream.thread_type = "AUTO"
        stream.codec_context.thread_count = DECODER_THREADS
        stream.codec_context.options = {"max_pixels": str(_MOST_PIXELS)}
        yield container, stream
    finally:
        container.close()


def _decoded(container: InputContainer, stream: VideoStream, count: DecodeCount) -> Iterator[VideoFrame]:
    """Yield the frames that can be decoded, in order of presentation; damage is counted and stepped over."""
    packets = container.demux(stream)
    in_a_row = 0
    while in_a_row < _MAX_ERRORS_IN_A_ROW:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except (av.FFmpegError, OSError):
            count.errors += 1
            in_a_row += 1
            continue
        try:
            pictures = packet.decode()
        except (av.FFmpegError, OSError):
            count.errors += 1
            in_a_row += 1
            continue
        if pictures:
            in_a_row = 0
        for picture in pictures:
            if picture.width and picture.height:
                yield picture


def _origin_s(container: InputContainer) -> float:
    """Seconds on the file's clock that count as 0: the container's start."""
    return (container.start_time or 0) / av.time_base


def _fps(stream: VideoStream) -> float:
    """Average frame rate; where the file tells its clock's rate instead, as browsers' recordings do, a guess."""
    for rate in (stream.average_rate, stream.guessed_rate, stream.base_rate):
        if rate and rate <= _FASTEST_FPS:
            return float(rate)
    return 30.0


def _quarter_turns(frame: VideoFrame) -> int:
    """How many quarter turns counter-clockwise make a decoded frame upright."""
    return round(frame.rotation / 90) % 4


def _even_size(width: int, height: int, max_side: int | None) -> tuple[int, int]:
    """Size with its longer side at most `max_side`, both sides even (chroma planes are half as large)."""
    scale = 1.0 if max_side is None else min(1.0, max_side / max(width, height))
    if scale == 1.0 and max_side is None:
        return width, height
    return max(2, 2 * round(width * scale / 2)), max(2, 2 * round(height * scale / 2))


def _is_cut_off_mp4(path: Path) -> bool:
    """Whether a file begins like an mp4 or mov but holds no index."""
    with path.open("rb") as file:
        if file.read(12)[4:8] not in (b"ftyp", b"mdat", b"wide", b"free"):
            return False
        end = file.seek(0, 2)
        position = 0
        while position + 8 <= end:
            file.seek(position)
            head = file.read(16)
            length = int.from_bytes(head[:4], "big")
            if length == 1 and len(head) == 16:
                length = int.from_bytes(head[8:16], "big")
            if head[4:8] == b"moov":
                return position + length > end
            if length < 8:
                return True
            position += length
    return True
