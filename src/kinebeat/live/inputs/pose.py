"""Looks for a person in one picture at a time, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kinebeat.errors import KinebeatError
from kinebeat.live.inputs.pose_worker import ANSWER, ANSWER_BYTES, JPEG, REQUEST, RGB
from kinebeat.live.keypoints import from_landmarks
from kinebeat.pose.worker import LANDMARKS

if TYPE_CHECKING:
    from kinebeat.live.inputs.frames import Picture
    from kinebeat.live.keypoints import Keypoints

CODE = "from kinebeat.live.inputs.pose_worker import main; main()"
MOST_FAILURES = 3
"""A process that has failed so often without an answer between is not started again."""


class PoseFinder:
    """MediaPipe Pose with tracking. The process starts at once and is soon ready; `find` waits for it.

    Args:
        code: what the process runs.
    """

    def __init__(self, code: str = CODE) -> None:
        self._code = code
        self._lock = threading.Lock()
        self._closed = False
        self._ready = threading.Event()
        self._failures = 0
        self._process = self._started()

    @property
    def ready(self) -> bool:
        """Whether the process has begun to answer."""
        return self._ready.is_set()

    def warm_up(self) -> None:
        """Wait until the process answers; that takes a few seconds.

        Raises:
            KinebeatError: the process fails again and again.
        """
        self.find(np.zeros((64, 64, 3), np.uint8))

    def find(self, picture: Picture) -> Keypoints | None:
        """Look for the person who was in the pictures before, else for anybody.

        Args:
            picture: (H, W, 3) uint8 RGB, or the bytes of a JPEG.

        Returns:
            Their keypoints; None where nobody is found, the JPEG cannot be read, or the finder was closed meanwhile.

        Raises:
            KinebeatError: the process fails again and again.
        """
        content: bytes | memoryview
        if isinstance(picture, bytes):
            head, content = REQUEST.pack(JPEG, 0, 0, len(picture)), picture
        else:
            height, width = picture.shape[:2]
            content = np.ascontiguousarray(picture).data.cast("B")
            head = REQUEST.pack(RGB, width, height, content.nbytes)
        answer = self._ask(head, content)
        if answer is None:
            return None
        read, width, height = ANSWER.unpack(answer[: ANSWER.size])
        landmarks = np.frombuffer(answer[ANSWER.size :], "<f4").reshape(LANDMARKS, 3)
        if not read or np.isnan(landmarks).any():
            return None
        return from_landmarks(landmarks, (width, height))

    def close(self) -> None:
        """End the process."""
        with self._lock:
            self._closed = True
            process = self._process
        _end(process)

    def _started(self) -> subprocess.Popen[bytes]:
        root = Path(__file__).resolve().parents[3]
        process = subprocess.Popen(  # noqa: S603  our own interpreter and module
            [
                sys.executable,
                "-P",
                "-W",
                "ignore",
                "-c",
                f"import sys; sys.path.append({str(root)!r}); {self._code}",
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            # Ctrl-C in a terminal goes to the whole group: this process ends the other itself.
            start_new_session=True,
        )
        self._ready.clear()
        return process

    def _ask(self, head: bytes, content: bytes | memoryview) -> bytes | None:
        while True:
            process = self._process
            answer = b""
            with suppress(OSError, ValueError):
                answer = self._exchanged(process, head, content)
            if answer:
                self._failures = 0
                return answer
            with self._lock:
                if self._closed:
                    return None
                self._failures += 1
                if self._failures >= MOST_FAILURES:
                    raise KinebeatError(
                        "the process that looks for people fails again and again; see whether MediaPipe can be "
                        'imported: python -c "import mediapipe"'
                    )
                _end(process)
                self._process = self._started()

    def _exchanged(self, process: subprocess.Popen[bytes], head: bytes, content: bytes | memoryview) -> bytes:
        """One picture and its answer; empty where the process has ended."""
        if process.stdin is None or process.stdout is None:
            return b""
        if not self._ready.is_set():
            if len(process.stdout.read(ANSWER.size)) < ANSWER.size:
                return b""
            self._ready.set()
        process.stdin.write(head)
        process.stdin.write(content)
        process.stdin.flush()
        answer = process.stdout.read(ANSWER.size + ANSWER_BYTES)
        return answer if len(answer) == ANSWER.size + ANSWER_BYTES else b""


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(OSError, ValueError):
                pipe.close()
