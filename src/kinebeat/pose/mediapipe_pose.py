"""Video -> raw landmarks, with MediaPipe in several processes.

The pictures are decoded once, in order, and dealt out in chunks of a fixed length. A chunk is analysed as if it
stood alone, after a few pictures of the chunk before it to warm up on, and at the seam the two are blended. So the
result is the same, bit for bit, whatever the number of processes, and the memory is the same whatever the length.
"""

from __future__ import annotations

import json
import mmap
import os
import queue
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kinebeat import video_in
from kinebeat.errors import KinebeatError
from kinebeat.pose import shots
from kinebeat.pose.worker import LANDMARKS, SlotShape, SlotViews

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from av.video.frame import VideoFrame
    from numpy.typing import NDArray

# Pictures per chunk, and how many of the chunk before are seen again. Fixed, never a function of the machine.
CHUNK, WARM_UP = 72, 4
# The last of the warm-up pictures are mixed with what the chunk before says of them. Its first two follow the
# detector's coarse box rather than the body and are left out.
BLEND = 2
# Longer side of the pictures MediaPipe sees. It looks at the body in 256 pixels, so more gives little; 720p needs no
# scaling, which costs more than the pixels it saves.
PICTURE_SIDE = 1280
# Frame rates above this are thinned: no movement needs them, and each picture costs as much as any other.
MAX_FPS = 62.0
_MAX_WORKERS = 8


@dataclass(frozen=True)
class RawPose:
    """What MediaPipe saw, before any cleaning.

    Attributes:
        xy: (T, 33, 2) float32, pixels of the full upright picture; NaN where nobody was found.
        visibility: (T, 33) float32; 0 where nobody was found.
        times_s: (T,) float64.
        cuts: (T,) bool, whether a new shot begins at this frame.
        change: (T,) float64, how much the picture differs from the one before, of 255.
        size: width and height of the full upright picture.
    """

    xy: NDArray[np.float32]
    visibility: NDArray[np.float32]
    times_s: NDArray[np.float64]
    cuts: NDArray[np.bool_]
    change: NDArray[np.float64]
    size: tuple[int, int]


def usable_cores() -> int:
    """Cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def find_landmarks(
    path: str | Path, *, workers: int | None = None, progress: Callable[[float], None] | None = None
) -> RawPose:
    """Run MediaPipe Pose over a video.

    Args:
        path: a video file.
        workers: processes; None takes the usable cores, 8 at most. The result does not depend on it.
        progress: called with the share done, 0 to 1, from the calling thread.

    Returns:
        The landmarks of the person MediaPipe follows.

    Raises:
        InputError: the video cannot be used.
        KinebeatError: a worker process failed.
    """
    info = video_in.probe(path)
    stride = max(1, ceil(info.fps / MAX_FPS))
    expected = ceil(info.frames_estimate / stride)
    wanted = min(usable_cores(), _MAX_WORKERS) if workers is None else max(1, workers)
    if expected:
        wanted = min(wanted, ceil(expected / CHUNK))
    pool: _Pool | None = None
    joined = _Joined()
    times_s: list[float] = []
    waiting: dict[int, _Answer] = {}
    sent = done = 0

    def take(answers: list[_Answer]) -> None:
        nonlocal done
        waiting.update((answer.number, answer) for answer in answers)
        while done in waiting:
            joined.add(waiting.pop(done))
            done += 1
            if progress is not None and expected:
                progress(min(1.0, joined.frames / expected))

    try:
        slot = filled = skip = 0
        tail: NDArray[np.uint8] | None = None
        for time_s, frame, (width, height), turns in video_in.raw_frames(
            path, max_side=PICTURE_SIDE, stride=stride
        ):
            if pool is None:
                pool = _Pool(wanted, SlotShape(CHUNK + WARM_UP, width, height, turns))
            if filled == 0:
                slot, answers = pool.free_slot()
                take(answers)
                skip = 0 if tail is None else len(tail)
                if tail is not None:
                    pool.views[slot].pictures[:skip] = tail
                filled = skip
            _store(frame, pool.views[slot].pictures[filled], width, height)
            times_s.append(time_s)
            filled += 1
            if filled == skip + CHUNK:
                tail = pool.views[slot].pictures[filled - WARM_UP : filled].copy()
                pool.send(_Job(sent, slot, filled, skip))
                sent += 1
                filled = 0
        if pool is not None and filled:
            pool.send(_Job(sent, slot, filled, skip))
            sent += 1
        while pool is not None and done < sent:
            take([pool.next_answer()])
    finally:
        if pool is not None:
            pool.close()
    xy, visibility = joined.poses()
    if progress is not None:
        progress(1.0)
    return RawPose(
        xy=xy * np.array([info.width, info.height], np.float32),
        visibility=visibility,
        times_s=np.array(times_s),
        cuts=joined.changes.cuts(),
        change=joined.changes.steps(),
        size=(info.width, info.height),
    )


def _store(frame: VideoFrame, into: NDArray[np.uint8], width: int, height: int) -> None:
    """Convert a decoded frame to yuv420p of the given size and copy its planes, without their padding."""
    small = frame.reformat(width=width, height=height, format="yuv420p")
    flat = into.reshape(-1)
    at = 0
    for plane in small.planes:
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[
            : plane.height, : plane.width
        ]
        flat[at : at + rows.size] = rows.ravel()
        at += rows.size


@dataclass(frozen=True)
class _Job:
    """A chunk to analyse: its place in the clip, its slot, its pictures and how many of them are warm-up."""

    number: int
    slot: int
    frames: int
    skip: int


@dataclass(frozen=True)
class _Answer:
    """A chunk's result: (N, 33, 3) poses and (N, B) small pictures, the first `skip` of them warm-up."""

    number: int
    skip: int
    poses: NDArray[np.float32]
    thumbs: NDArray[np.uint8]


@dataclass
class _Joined:
    """Chunks put together, in order."""

    parts: list[NDArray[np.float32]] = field(default_factory=list)
    changes: shots.Changes = field(default_factory=shots.Changes)
    frames: int = 0

    def add(self, answer: _Answer) -> None:
        """Append a chunk; where it overlaps the one before, go over from that to this within a few frames."""
        new = answer.poses[answer.skip :]
        if answer.skip and self.parts:
            before = self.parts[-1][-BLEND:]
            again = answer.poses[answer.skip - BLEND : answer.skip]
            if _same_body(before, again):
                weight = (np.arange(1, BLEND + 1, dtype=np.float32) / (BLEND + 1))[:, None, None]
                before[:] = (1 - weight) * before + weight * again
        self.parts.append(new)
        self.changes.add(answer.thumbs[answer.skip :])
        self.frames += len(new)

    def poses(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Positions (T, 33, 2) as shares of the picture and visibility (T, 33)."""
        whole = np.concatenate(self.parts) if self.parts else np.zeros((0, LANDMARKS, 3), np.float32)
        return whole[..., :2], np.nan_to_num(whole[..., 2])


def _same_body(a: NDArray[np.float32], b: NDArray[np.float32]) -> bool:
    """Whether two looks at the same frames, (N, 33, 3), show one person: within half a torso, all found."""
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        return False
    torso = np.linalg.norm(a[:, (11, 12), :2].mean(1) - a[:, (23, 24), :2].mean(1), axis=-1).mean()
    apart = np.median(np.linalg.norm(a[..., :2] - b[..., :2], axis=-1))
    return bool(apart < 0.5 * torso)


class _Pool:
    """Worker processes and the memory shared with them.

    The processes are plain child processes rather than `multiprocessing` ones, so that a script without a
    `__main__` guard can call this, and the memory is anonymous, so that nothing is left behind however this ends.
    """

    def __init__(self, workers: int, shape: SlotShape) -> None:
        slots = workers + 1
        size = slots * shape.slot_bytes
        self._free: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[_Answer | str] = queue.SimpleQueue()
        self._processes: list[subprocess.Popen[str]] = []
        self._threads: list[threading.Thread] = []
        self._fd = _anonymous_memory(size)
        block = mmap.mmap(self._fd, size)
        self.views: list[SlotViews] = [shape.views(block, slot) for slot in range(slots)]
        self._idle_slots = list(range(slots))
        order = json.dumps({"fd": self._fd, "slots": slots, "shape": asdict(shape)})
        root = Path(__file__).resolve().parents[2]
        code = f"import sys; sys.path.append({str(root)!r}); from kinebeat.pose.worker import main; main()"
        try:
            for _ in range(workers):
                process = subprocess.Popen(  # noqa: S603  our own interpreter and module
                    [sys.executable, "-P", "-W", "ignore", "-c", code, order],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    pass_fds=(self._fd,),
                    text=True,
                    # Ctrl-C in a terminal goes to the whole group: this process ends the workers itself.
                    start_new_session=True,
                )
                self._processes.append(process)
                thread = threading.Thread(target=self._serve, args=(process,), daemon=True)
                thread.start()
                self._threads.append(thread)
        except BaseException:
            self.close()
            raise

    def free_slot(self) -> tuple[int, list[_Answer]]:
        """Wait for a slot to write into; also whatever answers have come in meanwhile."""
        answers = []
        while not self._idle_slots:
            answers.append(self.next_answer())
        return self._idle_slots.pop(0), answers

    def send(self, job: _Job) -> None:
        """Give a filled slot to whichever process is free first."""
        self._jobs.put(job)

    def next_answer(self) -> _Answer:
        """Wait for a chunk to be done and take its slot back."""
        answer = self._answers.get()
        if isinstance(answer, str):
            raise KinebeatError(f"the pose worker process failed ({answer}); try fewer workers")
        self._idle_slots.append(self._free.get())
        return answer

    def close(self) -> None:
        """End the processes and let go of the memory."""
        for _ in self._threads:
            self._jobs.put(None)
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.wait()
        for thread in self._threads:
            thread.join()
        for process in self._processes:
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with suppress(OSError):
                        pipe.close()
        self.views = []
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _serve(self, process: subprocess.Popen[str]) -> None:
        """Thread: pass jobs to one process and its answers back."""
        for job in self._requests():
            try:
                reply = _ask(process, job)
            except (OSError, ValueError):
                reply = {}
            if "slot" not in reply:
                self._answers.put(str(reply.get("error", f"exit code {process.wait()}")))
                return
            views = self.views[job.slot]
            answer = _Answer(
                job.number, job.skip, views.poses[: job.frames].copy(), views.thumbs[: job.frames].copy()
            )
            self._free.put(job.slot)
            self._answers.put(answer)

    def _requests(self) -> Iterator[_Job]:
        while (job := self._jobs.get()) is not None:
            yield job


def _ask(process: subprocess.Popen[str], job: _Job) -> dict[str, object]:
    """Send one job and wait for the answer; empty where the process has ended."""
    if process.stdin is None or process.stdout is None:
        return {}
    with suppress(BrokenPipeError):  # it may have said why before it ended
        process.stdin.write(json.dumps({"slot": job.slot, "frames": job.frames}) + "\n")
        process.stdin.flush()
    line = process.stdout.readline()
    reply: dict[str, object] = json.loads(line) if line else {}
    return reply


def _anonymous_memory(size: int) -> int:
    """File descriptor of memory without a name: it is gone with the last process that holds it."""
    if hasattr(os, "memfd_create"):
        fd = os.memfd_create("kinebeat")
    else:
        with tempfile.TemporaryFile() as file:
            fd = os.dup(file.fileno())
    os.truncate(fd, size)
    return fd
