"""Several people in the picture: one of them is followed, and the same one from chunk to chunk."""

from __future__ import annotations

import threading
from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np
import pytest

from kinebeat.pose.mediapipe_pose import BLEND, WARM_UP, find_landmarks
from kinebeat.pose.pool import Answer, Job, Pool
from kinebeat.pose.processes import PoseWorkers
from kinebeat.pose.worker import THUMB_BYTES, SlotShape
from kinebeat.video_in import frames, raw_frames

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kinebeat.puppet import Dance


@pytest.fixture(scope="module")
def two_people(
    puppet_clip: tuple[Path, Dance],
    write_video: Callable[..., Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """Two dancers side by side, one a little behind the other; 40 frames."""
    pictures = [picture for _, picture in frames(puppet_clip[0])][:50]
    pairs = [np.concatenate([a, b], axis=1) for a, b in zip(pictures, pictures[10:], strict=False)]
    return write_video(tmp_path_factory.mktemp("two") / "two.mp4", pairs, fps=25.0)


def test_whoever_is_pointed_at_is_followed(two_people: Path) -> None:
    stored = list(raw_frames(two_people))[:8]
    _, frame, (width, height), turns = stored[0]
    shape = SlotShape(8, width, height, turns)
    with PoseWorkers(1) as workers, closing(Pool(workers, 1, shape)) as pool:
        slot = pool.free_slot()
        assert slot is not None
        for i, (_, frame, _, _) in enumerate(stored):
            picture = frame.to_ndarray(format="yuv420p")
            pool.views[slot].pictures[i] = picture.reshape(height * 3 // 2, width)
        for box, middle in (((0.0, 0.0, 0.5, 1.0), 0.25), ((0.5, 0.0, 1.0, 1.0), 0.75)):
            pool.send(Job(0, slot, 8, 0, look_in=box))
            poses = pool.next_answer().poses
            assert np.isfinite(poses).all()
            # he is pointed at in the first pictures alone, and followed from there
            np.testing.assert_allclose(np.median(poses[..., 0], axis=1), middle, atol=0.06)


def test_a_stop_while_the_workers_start_ends_them_all(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[threading.Thread] = []

    class Stopped(threading.Thread):
        """A stop comes when the second thread has just been started, before anybody has noted it down."""

        def start(self) -> None:
            super().start()
            started.append(self)
            if len(started) == 2:
                raise KeyboardInterrupt

    monkeypatch.setattr("kinebeat.pose.pool.threading.Thread", Stopped)
    with PoseWorkers(3) as workers:
        with pytest.raises(KeyboardInterrupt):
            Pool(workers, 3, SlotShape(4, 64, 64, 0))
        processes, _ = workers.take(3, "body")  # they can be had again: the stop has given them back
        workers.give_back()
    assert all(worker.process.poll() is not None for worker in processes)
    for thread in started:
        thread.join(timeout=20)
    assert [thread.is_alive() for thread in started] == [False, False]


def test_one_person_is_kept_through_all_chunks(two_people: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from kinebeat.pose import mediapipe_pose

    monkeypatch.setattr(mediapipe_pose, "CHUNK", 10)
    raw = find_landmarks(two_people, workers=2)
    middle = np.nanmedian(raw.xy[..., 0], axis=1)
    assert np.ptp(middle) < 0.15 * raw.size[0]


def body(x: float) -> np.ndarray:
    """(33, 3) a body standing at x."""
    rng = np.random.default_rng(0)
    pose = np.concatenate([rng.uniform(-0.05, 0.05, (33, 2)), np.ones((33, 1))], axis=1)
    pose[:, 1] += np.linspace(0.2, 0.9, 33)
    pose[:, 0] += x
    return pose.astype(np.float32)


def answer(number: int, xs: list[float], skip: int) -> Answer:
    poses = np.stack([body(x) for x in xs])
    return Answer(Job(number, 0, len(xs), skip), poses, np.zeros((len(xs), THUMB_BYTES), np.uint8))


def test_a_chunk_that_follows_someone_else_is_noticed_and_told_where_to_look() -> None:
    from kinebeat.pose.mediapipe_pose import Joined

    joined = Joined()
    first = answer(0, [0.25] * 10, 0)
    assert joined.other_person(first) is None
    joined.add(first)
    assert joined.other_person(answer(1, [0.26] * 14, WARM_UP)) is None
    box = joined.other_person(answer(1, [0.75] * 14, WARM_UP))
    assert box is not None
    left, top, right, bottom = box
    assert 0.1 < left < 0.2 < 0.3 < right < 0.4
    assert top < 0.2
    assert bottom > 0.9
    unseen = answer(1, [0.75] * 14, WARM_UP)
    unseen.poses[:] = np.nan
    assert joined.other_person(unseen) is None


def test_at_a_seam_one_chunk_goes_over_into_the_next() -> None:
    from kinebeat.pose.mediapipe_pose import Joined

    joined = Joined()
    joined.add(answer(0, [0.25] * 10, 0))
    joined.add(answer(1, [0.28] * 14, WARM_UP))
    xy, visibility = joined.poses()
    assert xy.shape == (20, 33, 2)
    assert visibility.shape == (20, 33)
    x = xy[:, 0, 0] - xy[0, 0, 0]
    np.testing.assert_allclose(x[: 10 - BLEND], 0, atol=1e-6)
    np.testing.assert_allclose(x[10:], 0.03, atol=1e-6)
    np.testing.assert_allclose(np.diff(x[10 - BLEND - 1 : 11]), 0.03 / (BLEND + 1), atol=1e-6)
