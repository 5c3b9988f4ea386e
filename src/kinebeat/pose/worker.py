"""The process that runs MediaPipe: one process keeps one core busy.

`python -c "...; main()"` is started by `kinebeat.pose.processes`, which shares memory with it. A line of JSON on
standard input says how the memory is laid out for a clip and names the slot in which the pictures of a chunk lie; the
answers are written into the same slot and a line goes back. At the end of its input the process ends, so none outlives
its parent.

Each chunk is treated as if MediaPipe had seen nothing before it: its result depends on its pictures alone.
"""

from __future__ import annotations

import importlib
import json
import mmap
import os
import sys
import types
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from kinebeat.children import yield_to_others

if TYPE_CHECKING:
    from numpy.typing import NDArray

LANDMARKS = 33
# Side of the small luma picture in which shot cuts are looked for, and of its two chroma pictures.
THUMB_SIDE, THUMB_CHROMA_SIDE = 24, 8
THUMB_BYTES = THUMB_SIDE**2 + 2 * THUMB_CHROMA_SIDE**2
# Mean change of the small luma picture (of 255) from which MediaPipe's tracking starts afresh. Starting afresh costs
# one frame's time and nothing else, so this is low.
_FRESH_START_CHANGE = 25.0
BLACK = np.zeros((64, 64, 3), np.uint8)
# In how many pictures, at most, a person is looked for in one place only.
LOOK_FRAMES = 4
# Standard deviation of the small luma picture under which nothing can be seen: black, a fade, a covered lens.
_UNIFORM_SD = 2.0


@dataclass(frozen=True)
class SlotShape:
    """What lies in one slot of the shared block.

    Attributes:
        frames: how many pictures fit.
        width: of the stored picture, even.
        height: of the stored picture, even.
        turns: quarter turns counter-clockwise that make it upright.
        points: how many points are found in a picture.
        finder: what is looked for, a key of `FINDERS`.
        body_every: in a musician's video the body is looked at in every so-many-th picture.
    """

    frames: int
    width: int
    height: int
    turns: int
    points: int = LANDMARKS
    finder: str = "body"
    body_every: int = 1

    @property
    def picture_bytes(self) -> int:
        """Bytes of one yuv420p picture."""
        return self.width * self.height * 3 // 2

    @property
    def slot_bytes(self) -> int:
        """Bytes of one slot, rounded up to whole pages."""
        bytes_per_frame = self.picture_bytes + 4 * self.points * 3 + THUMB_BYTES
        return -(-self.frames * bytes_per_frame // mmap.PAGESIZE) * mmap.PAGESIZE

    def blank(self) -> NDArray[np.uint8]:
        """(H, W, 3) a black upright picture: shown one, MediaPipe forgets whom it followed."""
        upright = (self.width, self.height) if self.turns % 2 else (self.height, self.width)
        return np.zeros((*upright, 3), np.uint8)

    def views(self, block: mmap.mmap, slot: int) -> SlotViews:
        """Arrays onto one slot of the block."""
        at = slot * self.slot_bytes
        poses = np.frombuffer(block, np.float32, self.frames * self.points * 3, at)
        at += poses.nbytes
        pictures = np.frombuffer(block, np.uint8, self.frames * self.picture_bytes, at)
        at += pictures.nbytes
        thumbs = np.frombuffer(block, np.uint8, self.frames * THUMB_BYTES, at)
        return SlotViews(
            self,
            poses.reshape(self.frames, self.points, 3),
            pictures.reshape(self.frames, self.height * 3 // 2, self.width),
            thumbs.reshape(self.frames, THUMB_BYTES),
        )


@dataclass(frozen=True)
class SlotViews:
    """One slot.

    Attributes:
        shape: what lies in it.
        poses: (N, P, 3) float32, x and y as shares of the upright picture's width and height, visibility; NaN
            where nobody was found. The first 33 points are the body's; what follows is for each finder to say.
        pictures: (N, height * 3 / 2, width) uint8, yuv420p as stored.
        thumbs: (N, THUMB_BYTES) uint8, the small luma picture and the two small chroma pictures.
    """

    shape: SlotShape
    poses: NDArray[np.float32]
    pictures: NDArray[np.uint8]
    thumbs: NDArray[np.uint8]


class Find(Protocol):
    """Looks at the first pictures of a slot and fills in its answers."""

    def __call__(self, slot: SlotViews, frames: int, look_in: list[float] | None) -> None:
        """`look_in` as in `kinebeat.pose.pool.Job`."""


def main() -> None:
    """Answer chunks until the input ends. Arguments: file descriptor of the shared memory, and a key of `FINDERS`.

    An order names the clip, the number of slots and their `SlotShape`, and in which slot how many pictures lie.
    """
    # The libraries below write to both standard streams, past Python: keep a private way back to the parent.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    yield_to_others()
    clip: int | None = None
    slots: list[SlotViews] = []
    try:
        find = _finder(sys.argv[2])
        for line in sys.stdin:
            order = json.loads(line)
            if order["clip"] != clip:
                clip, slots = order["clip"], _slots(int(sys.argv[1]), order["slots"], SlotShape(**order["shape"]))
            find(slots[order["slot"]], order["frames"], order["look_in"])
            answers.write(json.dumps({"slot": order["slot"]}) + "\n")
    except Exception as error:  # whatever it is, the parent must hear of it
        answers.write(json.dumps({"error": f"{type(error).__name__}: {error}"}) + "\n")


def _slots(fd: int, count: int, shape: SlotShape) -> list[SlotViews]:
    """Arrays onto the shared memory."""
    block = mmap.mmap(fd, count * shape.slot_bytes)
    return [shape.views(block, slot) for slot in range(count)]


def body_finder() -> Find:
    """Load MediaPipe Pose and return the function that fills in one slot's answers."""
    import cv2
    from mediapipe.python.solutions.pose import Pose

    cv2.setNumThreads(1)
    # MediaPipe's own smoothing of landmarks is causal, so it lags: ours comes later and does not.
    pose = Pose(model_complexity=1, smooth_landmarks=False)
    # With its first picture MediaPipe makes its networks ready: better before somebody waits for it.
    pose.process(BLACK)
    tracking = False

    def find(slot: SlotViews, frames: int, look_in: list[float] | None) -> None:
        nonlocal tracking
        shape = slot.shape
        fresh = new_scenes(cv2, slot, frames)
        slot.poses[:frames] = np.nan
        for i in np.flatnonzero(fresh >= 0).tolist():
            if fresh[i] and tracking:
                # A picture with nobody in it makes MediaPipe forget whom it followed. Measured to give the same
                # numbers, bit for bit, as a new graph, in a tenth of the time.
                pose.process(shape.blank())
                tracking = False
            rgb = upright_rgb(cv2, slot.pictures[i], shape)
            if look_in is not None and not tracking and i < LOOK_FRAMES:
                rgb = only(rgb, look_in)
            found = pose.process(rgb).pose_landmarks
            tracking = found is not None
            if tracking:
                slot.poses[i] = [(p.x, p.y, p.visibility) for p in found.landmark]

    return find


FINDERS = {"body": "kinebeat.pose.worker:body_finder", "musician": "kinebeat.pose.musician_worker:musician_finder"}
"""What can be looked for, and the function that makes its `Find`."""


def _finder(name: str) -> Find:
    """Make the function that fills in one slot's answers."""
    # MediaPipe imports these for drawing and recording, which nobody does here; they are half its start-up time.
    for module in ("matplotlib", "matplotlib.pyplot", "sounddevice"):
        sys.modules.setdefault(module, types.ModuleType(module))
    where, function = FINDERS[name].split(":")
    find: Find = getattr(importlib.import_module(where), function)()
    return find


def new_scenes(cv2: Any, slot: SlotViews, frames: int) -> NDArray[np.int8]:
    """Fill in a slot's small pictures and say where tracking starts afresh.

    Returns:
        (N,) 1 where a picture is the first of a scene, 0 where it goes on, -1 where nothing can be seen in it.
    """
    marks = np.zeros(frames, np.int8)
    fresh = True
    before: NDArray[np.float32] | None = None
    for i in range(frames):
        slot.thumbs[i] = _thumb(cv2, slot.pictures[i], slot.shape)
        luma = slot.thumbs[i, : THUMB_SIDE**2].astype(np.float32)
        if before is not None and np.abs(luma - before).mean() > _FRESH_START_CHANGE:
            fresh = True
        before = luma
        if luma.std() < _UNIFORM_SD:
            fresh = True
            marks[i] = -1
            continue
        marks[i] = fresh
        fresh = False
    return marks


def upright_rgb(cv2: Any, stored: NDArray[np.uint8], shape: SlotShape) -> NDArray[np.uint8]:
    """(H, W, 3) the picture as a person sees it."""
    rgb: NDArray[np.uint8] = cv2.cvtColor(stored, cv2.COLOR_YUV2RGB_I420)
    return np.ascontiguousarray(np.rot90(rgb, shape.turns)) if shape.turns else rgb


def only(rgb: NDArray[np.uint8], box: list[float]) -> NDArray[np.uint8]:
    """The picture with black outside of a box (left, top, right, bottom as shares of it)."""
    height, width = rgb.shape[:2]
    left, top, right, bottom = (
        round(float(np.clip(share, 0, 1)) * side)
        for share, side in zip(box, (width, height, width, height), strict=True)
    )
    inside = np.zeros_like(rgb)
    inside[top:bottom, left:right] = rgb[top:bottom, left:right]
    return inside


def _thumb(cv2: Any, stored: NDArray[np.uint8], shape: SlotShape) -> NDArray[np.uint8]:
    """Small luma and chroma pictures of a yuv420p picture, one after the other."""
    height, width = shape.height, shape.width
    planes = [stored[:height]]
    planes += list(stored[height:].reshape(2, height // 2, width // 2))
    small = []
    for plane, side in zip(planes, (THUMB_SIDE, THUMB_CHROMA_SIDE, THUMB_CHROMA_SIDE), strict=True):
        # averaging a few hundred columns is enough, and all of them would take a tenth of the pose's time
        step = max(1, plane.shape[1] // 256)
        few = np.ascontiguousarray(plane[::step, ::step])
        small.append(cv2.resize(few, (side, side), interpolation=cv2.INTER_AREA).ravel())
    return np.concatenate(small)
