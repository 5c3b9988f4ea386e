"""Fixtures that several test files share."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    from kinebeat.puppet import Dance


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real data; tests that need it are skipped where it is not."""
    folder = os.environ.get("KINEBEAT_DATA")
    if not folder:
        pytest.skip("KINEBEAT_DATA does not name the folder with the real videos and music")
    path = Path(folder)
    if not path.is_dir():
        pytest.skip(f"KINEBEAT_DATA names {folder}, which is no folder")
    return path


@pytest.fixture(scope="session")
def puppet_clip(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Dance]:
    """A dancing figure of five seconds, small and at 25 pictures a second, and the truth about its dance."""
    from kinebeat.puppet import draw_puppet_video

    path = tmp_path_factory.mktemp("puppet") / "puppet.mp4"
    return path, draw_puppet_video(path, duration_s=5.0, fps=25.0, size=(360, 480), tempo_bpm=120.0)


@pytest.fixture(scope="session")
def write_video() -> Callable[..., Path]:
    """The function `write(path, pictures, ...)` that makes small videos."""

    def write(
        path: Path,
        pictures: Iterable[NDArray[np.uint8]],
        *,
        fps: float = 30.0,
        times_s: Iterable[float] | None = None,
        rotation_deg: int = 0,
        codec: str = "libx264",
        pix_fmt: str = "yuv420p",
        audio_s: float = 0.0,
        options: dict[str, str] | None = None,
    ) -> Path:
        """Write (H, W, 3) uint8 RGB pictures.

        Args:
            path: the file; its suffix says which container.
            pictures: one after the other, all of one size.
            fps: frame rate where `times_s` is not given.
            times_s: a time for each picture, for a variable frame rate.
            rotation_deg: rotation written into the file, counter-clockwise, to be undone by the reader.
            codec: of the picture.
            pix_fmt: of the picture.
            audio_s: seconds of silence to add as a sound stream.
            options: for the codec.
        """
        import av

        clock = Fraction(1, 90000)
        rate = Fraction(fps).limit_denominator(1001)
        times = iter(times_s) if times_s is not None else None
        with av.open(str(path), "w") as container:
            stream = container.add_stream(codec, rate=rate, options=options or {})
            stream.pix_fmt = pix_fmt
            sound = container.add_stream("aac", rate=48000) if audio_s else None
            for i, picture in enumerate(pictures):
                if i == 0:
                    stream.height, stream.width = picture.shape[:2]
                    if rotation_deg:
                        stream.set_display_rotation(rotation_deg)
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
                if times is not None:
                    frame.pts, frame.time_base = round(next(times) / clock), clock
                    stream.codec_context.time_base = clock
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
            if sound is not None:
                for start in range(0, round(audio_s * 48000), 1024):
                    silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
                    silence.sample_rate, silence.pts, silence.time_base = 48000, start, Fraction(1, 48000)
                    container.mux(sound.encode(silence))
                container.mux(sound.encode(None))
        return path

    return write


@pytest.fixture(scope="session")
def peak_bytes() -> Callable[[Callable[[], object]], int]:
    """The function `peak_bytes(work)`: the most memory that Python and NumPy hold at once while it runs."""
    import tracemalloc

    def measure(work: Callable[[], object]) -> int:
        tracemalloc.start()
        work()
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    return measure


@pytest.fixture(scope="session")
def puppet_path(puppet_clip):
    """The puppet's video alone."""
    return puppet_clip[0]
