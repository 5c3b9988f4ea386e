"""A few pictures from all over a clip, without reading the whole of a long one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import av
import numpy as np
from av.stream import Disposition

from kinebeat.errors import InputError
from kinebeat.video_in import DECODER_THREADS, probe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream
    from numpy.typing import NDArray

# Clips shorter than this are read through: they hold few pictures that can be decoded by themselves.
_SHORT_S = 20.0
# Errors in a row after which a file is taken to be at its end.
_MOST_ERRORS = 200


def stills(
    path: str | Path, count: int, *, max_side: int, progress: Callable[[float], None] | None = None
) -> tuple[NDArray[np.float64], NDArray[np.uint8], float]:
    """Take grey pictures at about equal distances in time.

    Of a long clip those pictures are taken that can be decoded without what lies before them, where there are enough:
    the time that this takes then does not depend on the clip's length.

    Args:
        path: a video file.
        count: how many pictures at most; fewer where the clip has fewer, or half as many where those are near at hand.
        max_side: pictures with a longer side than this are made smaller.
        progress: told the share that is done, 0..1.

    Returns:
        `(times_s, pictures, scale)`: (N,) seconds from the container's start, rising; (N, H, W) uint8 luma, upright;
        how many of their pixels one pixel of the video is.

    Raises:
        InputError: the file cannot be read, as `video_in.probe`.
    """
    info = probe(path)
    scale = min(1.0, max_side / max(info.width, info.height))
    width, height = max(1, round(info.width * scale)), max(1, round(info.height * scale))
    turns = info.rotation_deg // 90
    stored = (height, width) if turns % 2 else (width, height)
    step_s = info.duration_s / count
    times: list[float] = []
    pictures: list[NDArray[np.uint8]] = []
    for spread in (_by_jumping, _by_reading):
        if spread is _by_jumping and info.duration_s < _SHORT_S:
            continue
        times.clear()
        pictures.clear()
        with av.open(str(path), metadata_errors="replace") as container:
            stream = _moving(container)
            stream.thread_type = "AUTO"
            stream.codec_context.thread_count = DECODER_THREADS
            for time_s, frame in spread(container, stream, info.start_s, step_s, count):
                grey = frame.reformat(width=stored[0], height=stored[1], format="gray").to_ndarray()
                pictures.append(np.rot90(grey, turns))
                times.append(time_s)
                if progress is not None:
                    progress(len(times) / count)
        if len(times) >= count / 2:
            break
    if not times:
        raise InputError(path, "no picture in it can be decoded", "play it to see whether it is damaged, or convert it")
    return np.array(times), np.stack(pictures), width / info.width


def _moving(container: InputContainer) -> VideoStream:
    """The picture's stream, not that of a cover."""
    return next(s for s in container.streams.video if not s.disposition & Disposition.attached_pic)


def _by_jumping(
    container: InputContainer, stream: VideoStream, start_s: float, step_s: float, count: int
) -> Iterator[tuple[float, VideoFrame]]:
    """The last picture before each wanted time that can be decoded by itself, each once."""
    last_s = -np.inf
    for at in range(count):
        wanted = round((start_s + (at + 0.5) * step_s) / (stream.time_base or 1))
        try:
            container.seek(wanted, stream=stream)
            frame = next(container.decode(stream), None)
        except (av.FFmpegError, OSError):
            continue
        if frame is not None and frame.time is not None and frame.time - start_s > last_s:
            last_s = frame.time - start_s
            yield last_s, frame


def _by_reading(
    container: InputContainer, stream: VideoStream, start_s: float, step_s: float, count: int
) -> Iterator[tuple[float, VideoFrame]]:
    """The first picture after each wanted time; the very last one where there is no other."""
    stream.codec_context.skip_frame = "NONREF"  # pictures that no other needs
    last_s, taken = -np.inf, 0
    spare: tuple[float, VideoFrame] | None = None
    packets = container.demux(stream)
    errors_in_a_row = 0
    while taken < count and errors_in_a_row < _MOST_ERRORS:
        try:
            frames = next(packets).decode()
            errors_in_a_row = 0
        except StopIteration:
            break
        except (av.FFmpegError, OSError):
            errors_in_a_row += 1
            continue
        for frame in frames:
            time_s = frame.time - start_s if frame.time is not None else max(last_s, 0.0) + step_s
            spare = (time_s, frame)
            if taken < count and time_s > last_s and time_s >= (taken + 0.5) * step_s:
                last_s, taken = time_s, taken + 1
                yield spare
    if not taken and spare is not None:
        yield spare
