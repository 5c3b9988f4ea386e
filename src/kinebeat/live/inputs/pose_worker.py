"""The process that looks for a person in one picture after another, for the live engine.

`python -c "...; main()"` is started by `kinebeat.live.inputs.pose`. On standard input come pictures, each after a
`REQUEST` that tells its kind and size; on standard output goes an `ANSWER` and the landmarks for each. At the end of
its input the process ends, so none outlives its parent. A process rather than a thread, so that looking for people
never makes a drum late.
"""

from __future__ import annotations

import os
import struct
import sys
import types
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from kinebeat.pose.worker import LANDMARKS

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Box = tuple[float, float, float, float]

REQUEST = struct.Struct("<BIII")
"""Kind of picture, width, height (0 for a JPEG), bytes that follow."""
ANSWER = struct.Struct("<BII")
"""1 where the picture could be read, else 0; its width and height. (33, 3) float32 follow."""
RGB, JPEG = 0, 1
ANSWER_BYTES = LANDMARKS * 3 * 4
LARGEST_SIDE = 4096
LOOK_FRAMES = 20
"""A person who was lost is looked for, in so many pictures, only near where they were: else it may be somebody else."""
BOX_MARGIN = 0.5
"""How much of its size is added on every side of the box in which they are looked for."""


def main() -> None:
    """Answer pictures until the input ends."""
    # The libraries below write to both standard streams, past Python: keep a private way back to the parent.
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    find = finder()
    answers.write(ANSWER.pack(1, 0, 0))  # ready
    serve(sys.stdin.buffer, answers, find)


def serve(requests: BinaryIO, answers: Any, find: Callable[[NDArray[np.uint8]], NDArray[np.float32]]) -> None:
    """Answer pictures until the input ends or breaks off.

    Args:
        requests: where they come from.
        answers: where the answers go.
        find: (H, W, 3) RGB to (33, 3) landmarks.
    """
    nobody = np.full((LANDMARKS, 3), np.nan, np.float32)
    while len(head := requests.read(REQUEST.size)) == REQUEST.size:
        kind, width, height, length = REQUEST.unpack(head)
        content = requests.read(length)
        if len(content) < length:
            return
        rgb = decoded(kind, width, height, content)
        if rgb is None:
            answers.write(ANSWER.pack(0, 0, 0) + nobody.tobytes())
        else:
            answers.write(ANSWER.pack(1, rgb.shape[1], rgb.shape[0]) + find(rgb).astype("<f4").tobytes())


def decoded(kind: int, width: int, height: int, content: bytes) -> NDArray[np.uint8] | None:
    """A picture as (H, W, 3) RGB; None where it cannot be read or is larger than any camera's."""
    if kind == RGB:
        return np.frombuffer(content, np.uint8).reshape(height, width, 3)
    import cv2

    size = jpeg_size(content)
    if size is None or max(size) > LARGEST_SIDE:
        return None
    picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    return None if picture is None else cv2.cvtColor(picture, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)


def jpeg_size(content: bytes) -> tuple[int, int] | None:
    """Width and height that a JPEG tells of itself, before it is decoded; None where it is none.

    A few bytes can claim a picture that fills the memory.
    """
    if content[:2] != b"\xff\xd8":
        return None
    at = 2
    while at + 9 <= len(content) and content[at] == 0xFF:
        marker = content[at + 1]
        if marker == 0xFF:  # padding
            at += 1
            continue
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack_from(">HH", content, at + 5)
            return (width, height) if width and height else None
        at += 2 + int.from_bytes(content[at + 2 : at + 4], "big")
    return None


def finder() -> Callable[[NDArray[np.uint8]], NDArray[np.float32]]:
    """Load MediaPipe and return the function that looks for the same person in one picture after the other."""
    # MediaPipe imports these for drawing and recording, which nobody does here; they are half its start-up time.
    for name in ("matplotlib", "matplotlib.pyplot", "sounddevice"):
        sys.modules.setdefault(name, types.ModuleType(name))
    import cv2
    from mediapipe.python.solutions.pose import Pose

    cv2.setNumThreads(1)
    # MediaPipe's own smoothing of landmarks lags; the engine follows movements by itself.
    pose = Pose(model_complexity=1, smooth_landmarks=False)
    pose.process(np.zeros((64, 64, 3), np.uint8))  # the first picture takes long
    return same_person(lambda rgb: pose.process(rgb).pose_landmarks)


def same_person(look: Callable[[NDArray[np.uint8]], Any]) -> Callable[[NDArray[np.uint8]], NDArray[np.float32]]:
    """A function that looks for one person and keeps to that one.

    Args:
        look: (H, W, 3) RGB to MediaPipe's landmarks; None where nobody is found.

    Returns:
        (H, W, 3) RGB to (33, 3) float32 x, y as shares of the picture and visibility, NaN where nobody is found.
    """
    box: Box | None = None
    lost = 0

    def find(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
        nonlocal box, lost
        if lost > LOOK_FRAMES:
            box = None
        found = look(_only(rgb, box) if lost and box is not None else rgb)
        if found is None:
            lost += 1
            return np.full((LANDMARKS, 3), np.nan, np.float32)
        lost = 0
        landmarks = np.array([(p.x, p.y, p.visibility) for p in found.landmark], np.float32)
        low, high = landmarks[:, :2].min(axis=0), landmarks[:, :2].max(axis=0)
        margin = BOX_MARGIN * (high - low)
        left, top, right, bottom = (float(edge) for edge in (*(low - margin), *(high + margin)))
        box = (left, top, right, bottom)
        return landmarks

    return find


def _only(rgb: NDArray[np.uint8], box: Box) -> NDArray[np.uint8]:
    """The picture with black outside of a box (left, top, right, bottom as shares of it)."""
    height, width = rgb.shape[:2]
    left, top, right, bottom = (
        round(float(np.clip(share, 0, 1)) * side)
        for share, side in zip(box, (width, height, width, height), strict=True)
    )
    inside = np.zeros_like(rgb)
    inside[top:bottom, left:right] = rgb[top:bottom, left:right]
    return inside
