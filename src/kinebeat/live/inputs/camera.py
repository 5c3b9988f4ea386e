"""A camera of this computer as input."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from kinebeat.errors import KinebeatError
from kinebeat.live.inputs.frames import Frame

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from kinebeat.live.clock import SessionClock

WIDTH, HEIGHT, FPS = 1280, 720, 30
AGAIN_S = 1.0
"""How long is waited before a camera that was unplugged is tried again."""
MISSES = 15
"""Pictures in a row that do not come before a camera counts as gone."""


class CameraError(KinebeatError):
    """A camera cannot be used."""


class Capture(Protocol):
    """What is needed of `cv2.VideoCapture`."""

    def isOpened(self) -> bool:  # noqa: N802  OpenCV's name
        """Whether it can be read."""
        ...

    def read(self) -> tuple[bool, Any]:
        """Wait for a picture: whether there is one, and (H, W, 3) BGR."""
        ...

    def release(self) -> None:
        """Let go of the camera."""
        ...


class CameraInput:
    """A camera by its number; one that is unplugged while it plays is waited for.

    Args:
        number: 0 is the first.
        open_camera: how a camera is opened; OpenCV's way if None.

    Raises:
        CameraError: there is no such camera, or it may not be used.
    """

    def __init__(self, number: int, open_camera: Callable[[int], Capture] | None = None) -> None:
        self.name = f"camera {number}"
        self.number = number
        self._open = open_camera or _open_camera
        self._camera: Capture | None = self._open(number)
        if not self._camera.isOpened():
            self._camera.release()
            raise CameraError(f"{self.name}: {_why_not(number)}")

    def run(
        self,
        deliver: Callable[[Frame], None],
        clock: SessionClock,
        stop: threading.Event,
        notice: Callable[[str], None],
    ) -> None:
        """Deliver pictures as the camera gives them; the time of a picture is that at which it came."""
        import cv2

        number = misses = 0
        try:
            while not stop.is_set():
                if self._camera is None:
                    if stop.wait(AGAIN_S):
                        return
                    self._reopen()
                    if self._camera is not None:
                        notice(f"{self.name}: back")
                    continue
                there, picture = self._camera.read()
                time_s = clock.now_s()
                if there:
                    misses, number = 0, number + 1
                    # A copy: the next picture may be written over this one.
                    rgb: NDArray[np.uint8] = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
                    deliver(Frame(time_s, rgb, number=number))
                    continue
                misses += 1
                if misses >= MISSES or not self._camera.isOpened():
                    notice(f"{self.name}: no picture comes any more; is it unplugged? Waiting for it")
                    self._camera.release()
                    self._camera, misses = None, 0
                elif stop.wait(0.01):
                    return
        finally:
            if self._camera is not None:
                self._camera.release()

    def _reopen(self) -> None:
        camera = self._open(self.number)
        if camera.isOpened():
            self._camera = camera
        else:
            camera.release()


def _open_camera(number: int) -> Capture:
    import cv2

    cv2.setLogLevel(0)  # it is told by ourselves, in one line
    camera: Capture = cv2.VideoCapture(number)
    if camera.isOpened():
        settings: Any = camera
        settings.set(cv2.CAP_PROP_FRAME_WIDTH, WIDTH)
        settings.set(cv2.CAP_PROP_FRAME_HEIGHT, HEIGHT)
        settings.set(cv2.CAP_PROP_FPS, FPS)
        settings.set(cv2.CAP_PROP_BUFFERSIZE, 1)
    return camera


def _why_not(number: int) -> str:
    """What keeps a camera from being opened, as far as it can be known, and the remedy."""
    if sys.platform.startswith("linux"):
        device = Path(f"/dev/video{number}")
        if not device.exists():
            others = sorted(path.name.removeprefix("video") for path in Path("/dev").glob("video*"))
            there = f"there are {', '.join(others)}" if others else "this computer shows none"
            return f"there is no such camera ({there}); plug one in, or use the page (kinebeat live)"
        try:
            with device.open("rb"):
                pass
        except PermissionError:
            return f"{device} may not be read; add yourself to the group of the camera (often 'video')"
        except OSError:
            return f"{device} is in use; close the program that has the camera"
    return (
        "it cannot be opened; see whether it is plugged in, another program has it, or the system's privacy "
        "settings keep it from this one"
    )
