"""A clip's own sound, as 48 kHz stereo that begins where its container starts: time 0 of all of Kinebeat."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kinebeat.errors import InputError
from kinebeat.synth import RATE_HZ

if TYPE_CHECKING:
    from collections.abc import Iterator

    import av
    from numpy.typing import NDArray

MICROSECONDS = 1_000_000  # a container counts its start in them
GAP_S = 0.05  # timestamps that jump by more than this are believed: a gap or an overlap in the recording


@dataclass(frozen=True)
class ClipAudio:
    """A clip's sound that has been found but not yet read.

    Attributes:
        path: the clip.
        frames: how many frames `blocks` gives.
        warnings: why there is none, if so.
    """

    path: Path
    frames: int
    warnings: tuple[str, ...]

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """The sound from time 0 on: (N, 2) float32 blocks, together `frames` long."""
        sent = 0
        if not self.warnings:
            for place, samples in _placed(self.path):
                if place + len(samples) <= sent:
                    continue
                if place > sent:  # nothing was recorded here
                    gap = min(place, self.frames) - sent
                    for begin in range(0, gap, RATE_HZ):
                        yield np.zeros((min(RATE_HZ, gap - begin), 2), np.float32)
                    sent += max(gap, 0)
                block = samples[max(0, sent - place) :][: self.frames - sent]
                if len(block):
                    yield block
                sent += len(block)
                if sent >= self.frames:
                    return
        while sent < self.frames:
            silence = np.zeros((min(RATE_HZ, self.frames - sent), 2), np.float32)
            yield silence
            sent += len(silence)


def clip_audio(path: str | Path, frames: int) -> ClipAudio:
    """Find a clip's own sound.

    Args:
        path: a video file, or anything else that has no sound.
        frames: how much of it is wanted, at 48 kHz.

    Raises:
        InputError: the file is missing or is no media file.
    """
    import av

    path = Path(path)
    if path.is_dir() or path.suffix.lower() in (".npz", ".json"):
        return ClipAudio(path, frames, (f"{path.name} has no sound of its own",))
    try:
        with av.open(str(path), "r", metadata_errors="replace") as container:
            found = bool(container.streams.audio)
    except (av.error.FFmpegError, OSError) as error:
        raise InputError(path, f"cannot be read ({error.strerror})", "give a video file") from error
    return ClipAudio(path, frames, () if found else (f"{path.name} has no sound of its own",))


def _placed(path: Path) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Decoded stretches of sound with their places, in frames from time 0."""
    import av

    with av.open(str(path), "r", metadata_errors="replace") as container:
        stream = container.streams.audio[0]
        begin_s = (container.start_time or 0) / MICROSECONDS
        resampler = av.AudioResampler(format="flt", layout="stereo", rate=RATE_HZ)
        expected_s: float | None = None
        place = 0
        for frame in _decoded(container, stream):
            if frame.time is not None and frame.sample_rate:
                time_s = frame.time - begin_s
                if expected_s is None or abs(time_s - expected_s) > GAP_S:
                    place = round(time_s * RATE_HZ)
                    expected_s = time_s
                expected_s += frame.samples / frame.sample_rate
            frame.pts = None  # the resampler shall only convert; places are kept here
            with contextlib.suppress(av.error.FFmpegError, ValueError):
                for converted in resampler.resample(frame):
                    samples = _stereo(converted)
                    yield place, samples
                    place += len(samples)
        with contextlib.suppress(av.error.FFmpegError, ValueError):
            for converted in resampler.resample(None):
                yield place, _stereo(converted)


def _decoded(container: av.container.InputContainer, stream: av.AudioStream) -> Iterator[av.AudioFrame]:
    """All frames that can be decoded; damaged ones are left out."""
    import av

    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except av.error.FFmpegError:
            return  # the file ends in the middle
        if packet is None:
            return
        with contextlib.suppress(av.error.FFmpegError):
            yield from stream.decode(packet)


def _stereo(frame: av.AudioFrame) -> NDArray[np.float32]:
    samples: NDArray[np.float32] = frame.to_ndarray().reshape(-1, 2).astype(np.float32)
    return np.nan_to_num(samples, nan=0, posinf=0, neginf=0)
