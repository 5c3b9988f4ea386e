"""The finished video: the clip's own picture, packet for packet, with the new sound beside it."""

from __future__ import annotations

import contextlib
import tempfile
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import av
import numpy as np

from kinebeat.errors import InputError, OutputError
from kinebeat.files import TEMPORARY_PREFIX
from kinebeat.synth import RATE_HZ

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from av.container import InputContainer, OutputContainer
    from av.video.stream import VideoStream
    from numpy.typing import NDArray

    Packet = av.Packet[VideoStream]
    Picture = tuple[float, NDArray[np.uint8]]

# What players understand in an mp4; anything else is encoded anew.
COPIED_CODECS = frozenset({"h264", "hevc", "av1", "vp9", "mpeg4"})
CONTAINERS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"}
AUDIO_BITS_PER_S = 256_000  # at 192,000 decoded drums overshot by up to 1.6 dB, here by up to 0.7 dB
AUDIO_FRAME = 1024  # samples of one AAC frame
LOOKED_AT = 64  # packets at the start that tell whether a file's timestamps can be trusted
TICKS_PER_S = 90_000  # time base of pictures encoded here
AV_TICKS_PER_S = 1_000_000  # time base of a container's start


def check_container(path: str | Path) -> None:
    """See whether a file name is one for a video with H.264 and AAC in it.

    Raises:
        OutputError: its suffix is none of `CONTAINERS`.
    """
    if Path(path).suffix.lower() not in CONTAINERS:
        kinds = ", ".join(CONTAINERS)
        raise OutputError(path, f"a soundtrack video ends in one of {kinds}", "name it OUT.mp4")


def mux(clip: str | Path, sound: Iterable[NDArray[np.float32]], out: str | Path) -> tuple[str, ...]:
    """Write a clip's picture with a new sound.

    The picture's packets are copied as they are, with their timestamps and rotation; time 0 of the sound is
    where the clip's container starts. Only a picture that an mp4 cannot carry is encoded anew, as H.264.

    Args:
        clip: the video whose picture is taken.
        sound: (N, 2) float32 blocks at 48 kHz, as long as the clip.
        out: the file to write; wrap in `kinebeat.files.atomic_output` to have it appear whole.

    Returns:
        Warnings, one line each.

    Raises:
        InputError: the clip has no picture that can be read.
        OutputError: `out` is no name for a video.
    """
    check_container(out)
    clip, out = Path(clip), Path(out)
    reason = _why_not_copied(clip)
    if reason is None:
        _copy(clip, sound, out)
        return ()
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=TEMPORARY_PREFIX) as folder:
        encoded = Path(folder) / "picture.mp4"
        encode(clip, encoded)
        _copy(encoded, sound, out)
    return (f"{clip.name}: {reason}, so the picture was encoded anew as H.264",)


def encode(clip: str | Path, out: str | Path, draw: Callable[[Picture], NDArray[np.uint8]] | None = None) -> None:
    """Encode a clip's picture as H.264, upright, without sound, every frame at its own time.

    Args:
        clip: the video.
        out: an .mp4 to write.
        draw: makes the picture that is written from time and picture; None writes it as it is.

    Raises:
        InputError: the clip cannot be read.
    """
    from kinebeat.video_in import frames, probe

    info = probe(clip)
    end_s = info.duration_s

    def pictures() -> Iterator[Picture]:
        for time_s, picture in frames(clip):
            yield time_s, picture if draw is None else draw((time_s, picture))

    write_pictures(pictures(), out, fps=info.fps, end_s=end_s)


def write_pictures(
    pictures: Iterable[Picture], out: str | Path, *, fps: float, end_s: float = 0.0, crf: int = 20
) -> None:
    """Write pictures as an H.264 video, every one shown from its own time until the next.

    The first is shown from time 0 on, so that the file starts there and its times stay those of the clip.

    Args:
        pictures: times in seconds, strictly increasing, and (H, W, 3) uint8 RGB, all of the same size.
        out: an .mp4 to write.
        fps: about how many there are in a second; only a hint to the encoder.
        end_s: how long the last one is shown; one frame if that is sooner.
        crf: quality, 0 (lossless) to 51.
    """
    with av.open(str(out), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=Fraction(max(fps, 1.0)).limit_denominator(1001))
        stream.pix_fmt = "yuv420p"
        # No pictures out of order: a file's length is then the end of the last one shown.
        stream.options = {"crf": str(crf), "preset": "veryfast", "bf": "0"}
        stream.codec_context.time_base = Fraction(1, TICKS_PER_S)
        ticks: dict[int, int] = {}  # how long the frames on their way through the encoder are shown
        last = -1
        for time_s, picture in pictures:
            height, width = picture.shape[0] // 2 * 2, picture.shape[1] // 2 * 2
            if last < 0:
                # Odd sizes lose a row or column: colours are kept for two by two pixels.
                stream.width, stream.height = max(width, 2), max(height, 2)
            picture = np.ascontiguousarray(np.pad(picture, _to_two(picture), mode="edge")[: height or 2, : width or 2])
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts = max(round(time_s * TICKS_PER_S), last + 1) if last >= 0 else 0
            frame.time_base = Fraction(1, TICKS_PER_S)
            if last >= 0:
                ticks[last] = frame.pts - last
            last = frame.pts
            _send(container, stream, frame, ticks)
        ticks[last] = max(round(end_s * TICKS_PER_S) - last, round(TICKS_PER_S / max(fps, 1.0)))
        _send(container, stream, None, ticks)


def _to_two(picture: NDArray[np.uint8]) -> tuple[tuple[int, int], ...]:
    """Padding that makes a picture of one row or column one of two."""
    return (0, max(0, 2 - picture.shape[0])), (0, max(0, 2 - picture.shape[1])), (0, 0)


def _send(container: OutputContainer, stream: VideoStream, frame: av.VideoFrame | None, ticks: dict[int, int]) -> None:
    """Encode a frame, or flush, and write what comes out with the time it is shown."""
    for packet in stream.encode(frame):
        if packet.pts in ticks:
            packet.duration = ticks.pop(packet.pts)
        container.mux(packet)


def _why_not_copied(clip: Path) -> str | None:
    """Why an mp4 cannot carry a clip's packets as they are, or None if it can."""
    with _opened(clip) as (container, stream):
        name = stream.codec_context.name
        if name not in COPIED_CODECS:
            return f"mp4 players do not read {name} pictures"
        if not stream.codec_context.extradata and name in ("h264", "hevc", "mpeg4"):
            return "its stream headers are incomplete"
        last = None
        for number, packet in enumerate(_timed(_packets(container, stream), stream)):
            if packet.pts is None or packet.dts is None or packet.pts < packet.dts:
                return "its pictures have no timestamps"
            if last is not None and packet.dts <= last:
                return "its timestamps run backwards"
            last = packet.dts
            if number >= LOOKED_AT:
                break
        # AVI numbers packets, not pictures, which is wrong as soon as pictures are stored out of order.
        if container.format.name == "avi" and stream.codec_context.has_b_frames:
            return "its pictures are stored out of order"
    return None


def _copy(clip: Path, sound: Iterable[NDArray[np.float32]], out: Path) -> None:
    """Write the packets of a clip's picture and the encoded sound, each in its time."""
    kind = CONTAINERS[out.suffix.lower()]
    # A file's edit list counts in its movie time scale; in milliseconds it would move the picture by up to one.
    options = {} if kind == "matroska" else {"movflags": "+faststart", "movie_timescale": str(RATE_HZ)}
    with (
        _opened(clip) as (source, stream),
        av.open(str(out), "w", format=kind, options=options) as target,
    ):
        time_base = stream.time_base or Fraction(1, TICKS_PER_S)
        picture = target.add_stream_from_template(stream, opaque=True)
        picture.time_base = time_base
        # The fast coder takes half the time of the default one, with no more noise at this bit rate.
        audio = target.add_stream("aac", rate=RATE_HZ, layout="stereo", options={"aac_coder": "fast"})
        audio.bit_rate = AUDIO_BITS_PER_S
        chunks = _audio_frames(sound)
        origin = round(Fraction(source.start_time or 0, AV_TICKS_PER_S) / time_base)
        heard_s, last = 0.0, None
        for packet in _timed(_packets(source, stream), stream):
            if packet.pts is None or packet.dts is None:
                continue
            packet.pts -= origin
            packet.dts -= origin
            if packet.pts < packet.dts or (last is not None and packet.dts <= last):
                continue  # damaged: no file can hold it
            last = packet.dts
            now_s = float(packet.dts * time_base)
            while heard_s <= now_s and (frame := next(chunks, None)) is not None:
                heard_s = (frame.pts or 0) / RATE_HZ
                target.mux(audio.encode(frame))
            packet.stream = picture
            target.mux(packet)
        for frame in chunks:
            target.mux(audio.encode(frame))
        target.mux(audio.encode(None))


def _audio_frames(sound: Iterable[NDArray[np.float32]]) -> Iterator[av.AudioFrame]:
    """Sound cut into the frames that an AAC encoder takes."""
    place = 0
    waiting = np.zeros((0, 2), np.float32)

    def made(samples: NDArray[np.float32]) -> av.AudioFrame:
        planes = np.ascontiguousarray(np.clip(samples, -1, 1).T.astype(np.float32))
        frame = av.AudioFrame.from_ndarray(planes, format="fltp", layout="stereo")
        frame.sample_rate = RATE_HZ
        frame.pts = place
        frame.time_base = Fraction(1, RATE_HZ)
        return frame

    for block in sound:
        waiting = np.concatenate([waiting, block])
        whole = len(waiting) // AUDIO_FRAME * AUDIO_FRAME
        for begin in range(0, whole, AUDIO_FRAME):
            yield made(waiting[begin : begin + AUDIO_FRAME])
            place += AUDIO_FRAME
        waiting = waiting[whole:]
    if len(waiting):
        yield made(waiting)


@contextlib.contextmanager
def _opened(clip: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """A clip and its picture stream, not its cover."""
    try:
        container = av.open(str(clip), "r", metadata_errors="replace")
    except (av.FFmpegError, OSError, ValueError) as error:
        raise InputError(clip, "not a video that can be read", "convert it to mp4") from error
    with container:
        covers = av.stream.Disposition.attached_pic
        moving = [stream for stream in container.streams.video if not stream.disposition & covers]
        if not moving:
            raise InputError(clip, "holds no picture", "give the video that the movement is seen in")
        yield container, moving[0]


def _packets(container: InputContainer, stream: VideoStream) -> Iterator[Packet]:
    """The packets that can be read; a file that was cut off ends there."""
    with contextlib.suppress(av.FFmpegError, OSError):
        for packet in container.demux(stream):
            if packet.size:
                yield packet


def _timed(packets: Iterator[Packet], stream: VideoStream) -> Iterator[Packet]:
    """The packets with the times of decoding that Matroska leaves out at the start, counted back from the next."""
    waiting: list[Packet] = []
    frame = max(1, round(1 / (Fraction(stream.average_rate or 25) * (stream.time_base or 1))))
    for packet in packets:
        waiting.append(packet)
        if packet.dts is None and len(waiting) < LOOKED_AT:
            continue
        for back, early in enumerate(reversed(waiting[:-1]), start=1):
            if packet.dts is not None:
                early.dts = packet.dts - back * frame
        yield from waiting
        waiting = []
    for number, packet in enumerate(waiting):  # a clip so short that none has one
        if packet.pts is not None:
            packet.dts = min(one.pts for one in waiting if one.pts is not None) - (len(waiting) - number - 1) * frame
        yield packet
