"""Where frames come from: the newest wins, times are kept, troubles are told."""

import io
import struct
import sys
import threading
import time

import cv2
import numpy as np
import pytest

from kinebeat.errors import InputError, KinebeatError
from kinebeat.live.clock import Measured, SessionClock
from kinebeat.live.inputs import camera as cameras
from kinebeat.live.inputs import pose_worker
from kinebeat.live.inputs.browser import OLDEST_S, BrowserInput
from kinebeat.live.inputs.camera import CameraError, CameraInput
from kinebeat.live.inputs.frames import Frame, Mailbox
from kinebeat.live.inputs.pose import PoseFinder
from kinebeat.live.inputs.pose_worker import ANSWER, ANSWER_BYTES, JPEG, REQUEST, RGB
from kinebeat.live.inputs.recorded import KeypointsInput, VideoInput
from kinebeat.pose import save_pose
from kinebeat.skeleton import LAYOUTS
from movers import frame_times_s, swinging

OURS = LAYOUTS["rhythmicnet17"]


def delivered(source, stop=None, notices=None):
    """All frames of an input that ends by itself."""
    frames = []
    told = [] if notices is None else notices
    source.run(frames.append, SessionClock(), stop or threading.Event(), told.append)
    return frames


def test_the_newest_frame_wins():
    box = Mailbox()
    for number in range(5):
        box.put(Frame(0.1 * number, number=number))
    assert box.take(0).number == 4
    assert box.replaced == 4
    assert box.take(0) is None
    box.put(Frame(1.0, number=7))
    box.close()
    assert not box.closed
    assert box.take(10).number == 7
    assert box.closed
    assert box.take(10) is None


def test_what_is_measured_is_spread():
    measured = Measured()
    assert measured.spread().count == 0
    for ms in range(101):
        measured.add(ms / 1000)
    spread = measured.spread()
    assert spread.count == 101
    assert (spread.p50_ms, spread.p95_ms, spread.p99_ms) == pytest.approx((50, 95, 99))


def test_a_video_is_played_at_its_own_times(puppet_path):
    source = VideoInput(puppet_path)
    frames, stop = [], threading.Event()

    def deliver(frame):
        frames.append(frame)
        if len(frames) == 20:
            stop.set()

    clock = SessionClock()
    source.run(deliver, clock, stop, lambda text: None)
    assert len(frames) == 20
    np.testing.assert_allclose(np.diff([frame.time_s for frame in frames]), 1 / 25, atol=1e-6)
    assert all(frame.picture.shape == (480, 360, 3) for frame in frames)
    assert clock.now_s() >= frames[-1].time_s  # none came before its time


def test_a_file_that_is_no_video_is_refused_at_once(tmp_path):
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"nothing")
    with pytest.raises(InputError):
        VideoInput(path)


def test_keypoints_are_played_at_their_own_times(tmp_path):
    track = swinging(frame_times_s(0.5) + 3.0)
    track.xy[4] = np.nan
    save_pose(track, tmp_path / "k.npz")
    frames = delivered(KeypointsInput(tmp_path / "k.npz"))
    assert len(frames) == 15
    np.testing.assert_allclose(np.diff([frame.time_s for frame in frames]), 1 / 30, atol=1e-9)
    assert frames[4].keypoints is None
    np.testing.assert_array_equal(frames[5].keypoints.xy, track.xy[5])
    assert frames[5].keypoints.size == (1280, 720)


class FakeCamera:
    """Gives so many pictures, then none."""

    def __init__(self, pictures, opened=True):
        self.left, self.opened, self.released = pictures, opened, False

    def isOpened(self):  # noqa: N802
        return self.opened

    def read(self):
        if not self.left:
            return False, None
        self.left -= 1
        return True, np.full((4, 6, 3), (1, 2, 3), np.uint8)

    def release(self):
        self.released = True


def test_a_camera_that_is_unplugged_is_waited_for(monkeypatch):
    monkeypatch.setattr(cameras, "AGAIN_S", 0.01)
    first, gone, second = FakeCamera(3), FakeCamera(0, opened=False), FakeCamera(2)
    waiting = [first, gone, gone, second]
    source = CameraInput(0, lambda number: waiting.pop(0))
    frames, notices, stop = [], [], threading.Event()

    def deliver(frame):
        frames.append(frame)
        if len(frames) == 5:
            stop.set()

    source.run(deliver, SessionClock(), stop, notices.append)
    assert [frame.number for frame in frames] == [1, 2, 3, 4, 5]
    np.testing.assert_array_equal(frames[0].picture[0, 0], (3, 2, 1))  # RGB
    assert "unplugged" in notices[0]
    assert "back" in notices[1]
    assert first.released
    assert second.released


def test_a_camera_that_is_not_there_is_an_error_that_says_so():
    with pytest.raises(CameraError, match="camera 63: "):
        CameraInput(63, lambda number: FakeCamera(0, opened=False))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the reasons are looked up as Linux shows them")
def test_the_real_way_to_open_a_camera_says_that_there_is_none():
    with pytest.raises(CameraError, match="no such camera"):
        CameraInput(63)


def test_a_browsers_times_are_bounded():
    source, frames, stop = BrowserInput(), [], threading.Event()
    source.hand_in(b"early", 0.0, 1)  # before it runs
    clock = SessionClock()
    thread = threading.Thread(target=source.run, args=(frames.append, clock, stop, print))
    thread.start()
    while not frames:
        source.hand_in(b"x", clock.now_s(), 2)
    now_s = clock.now_s()
    source.hand_in(b"future", now_s + 9, 3)
    source.hand_in(b"past", now_s - 9, 4)
    stop.set()
    thread.join()
    source.hand_in(b"after", now_s, 5)
    future, past = frames[-2:]
    assert now_s <= future.time_s < now_s + 5
    assert past.time_s == pytest.approx(now_s - OLDEST_S, abs=0.5)
    assert past.picture == b"past"


def jpeg(width=64, height=48):
    return cv2.imencode(".jpg", np.full((height, width, 3), (0, 0, 255), np.uint8))[1].tobytes()


def test_a_jpegs_size_is_known_before_it_is_decoded():
    assert pose_worker.jpeg_size(jpeg(300, 20)) == (300, 20)
    assert pose_worker.jpeg_size(b"\xff\xd8" + bytes(40)) is None
    assert pose_worker.jpeg_size(b"PNG") is None
    assert pose_worker.jpeg_size(jpeg()[:20]) is None


def test_pictures_are_decoded_as_rgb():
    picture = pose_worker.decoded(JPEG, 0, 0, jpeg())
    assert picture.shape == (48, 64, 3)
    assert picture[0, 0, 0] > 240
    assert picture[0, 0, 2] < 20
    raw = np.arange(2 * 3 * 3, dtype=np.uint8)
    np.testing.assert_array_equal(pose_worker.decoded(RGB, 3, 2, raw.tobytes()), raw.reshape(2, 3, 3))


def test_what_is_no_picture_or_a_huge_one_is_not_decoded():
    assert pose_worker.decoded(JPEG, 0, 0, b"nothing") is None
    huge = bytearray(jpeg())
    at = huge.index(b"\xff\xc0")
    huge[at + 5 : at + 9] = struct.pack(">HH", 60000, 60000)
    assert pose_worker.decoded(JPEG, 0, 0, bytes(huge)) is None


class Landmark:
    def __init__(self, x, y):
        self.x, self.y, self.visibility = x, y, 0.9


class Found:
    def __init__(self, x):
        self.landmark = [Landmark(x + 0.001 * k, 0.4 + 0.005 * k) for k in range(33)]


def test_a_person_who_was_lost_is_looked_for_where_they_were_and_then_everywhere():
    looked_at = []
    answers = [Found(0.2)] + [None] * (pose_worker.LOOK_FRAMES + 1) + [Found(0.8)]

    def look(rgb):
        looked_at.append(rgb.any(axis=(0, 2)))  # which columns are not black
        return answers.pop(0)

    find = pose_worker.same_person(look)
    picture = np.full((50, 100, 3), 9, np.uint8)
    results = [find(picture) for _ in range(pose_worker.LOOK_FRAMES + 3)]
    assert looked_at[0].all()  # anybody will do
    assert looked_at[1].all()  # tracked
    for columns in looked_at[2 : pose_worker.LOOK_FRAMES + 2]:
        assert columns[20:23].all()
        assert not columns[40:].any()
    assert looked_at[-1].all()
    assert np.isnan(results[5]).all()
    assert results[-1][0, 0] == pytest.approx(0.8)


def test_the_worker_answers_each_picture_and_ends_with_its_input():
    rgb = np.zeros((2, 3, 3), np.uint8).tobytes()
    content = (
        REQUEST.pack(RGB, 3, 2, len(rgb)) + rgb + REQUEST.pack(JPEG, 0, 0, 4) + b"none" + REQUEST.pack(RGB, 9, 9, 99)
    )
    answers = io.BytesIO()
    pose_worker.serve(io.BytesIO(content), answers, lambda picture: np.full((33, 3), picture.shape[1], np.float32))
    said = answers.getvalue()
    assert len(said) == 2 * (ANSWER.size + ANSWER_BYTES)
    assert ANSWER.unpack_from(said) == (1, 3, 2)
    assert np.frombuffer(said[ANSWER.size :][:4], "<f4") == 3
    assert ANSWER.unpack_from(said, ANSWER.size + ANSWER_BYTES) == (0, 0, 0)


STAND_IN = """
import sys, numpy as np
from kinebeat.live.inputs import pose_worker
pose_worker.finder = lambda: lambda rgb: {find}
pose_worker.main()
"""


def stand_in(find):
    """Code of a process in which `find` takes the place of MediaPipe."""
    return STAND_IN.format(find=find)


def test_pictures_go_to_the_process_and_keypoints_come_back():
    finder = PoseFinder(stand_in("np.full((33, 3), 0.5 if rgb.any() else np.nan, np.float32)"))
    try:
        seen = finder.find(np.ones((20, 40, 3), np.uint8))
        assert finder.ready
        np.testing.assert_allclose(seen.xy, np.tile([20.0, 10.0], (17, 1)))
        assert seen.size == (40, 20)
        assert finder.find(np.zeros((20, 40, 3), np.uint8)) is None
        assert finder.find(b"no jpeg") is None
        assert finder.find(jpeg(64, 48)).size == (64, 48)
    finally:
        finder.close()
    assert finder.find(jpeg()) is None  # closed


def test_a_process_that_dies_is_started_again(tmp_path):
    mark = tmp_path / "died"
    dies = f"__import__('pathlib').Path({str(mark)!r})"
    half = "np.full((33, 3), 0.5, np.float32)"
    finder = PoseFinder(stand_in(f"{half} if {dies}.exists() else ({dies}.touch(), sys.exit(1))"))
    try:
        assert finder.find(jpeg()).size == (64, 48)
        assert mark.exists()
    finally:
        finder.close()


def test_a_process_that_always_dies_is_given_up():
    finder = PoseFinder("raise SystemExit(1)")
    try:
        with pytest.raises(KinebeatError, match="MediaPipe"):
            finder.find(jpeg())
    finally:
        finder.close()


def test_a_hanging_process_can_be_closed():
    finder = PoseFinder("import time; time.sleep(60)")
    answers = []
    thread = threading.Thread(target=lambda: answers.append(finder.find(jpeg())))
    thread.start()
    time.sleep(0.1)
    finder.close()
    thread.join(20)
    assert answers == [None]


def test_mediapipe_finds_the_puppet(puppet_path):
    from kinebeat import video_in

    finder = PoseFinder()
    try:
        pictures = [picture for _, (_, picture) in zip(range(6), video_in.frames(puppet_path), strict=False)]
        found = [finder.find(picture) for picture in pictures]
    finally:
        finder.close()
    assert all(keypoints is not None for keypoints in found)
    assert found[-1].size == (360, 480)
    nose, ankle = (found[-1].xy[OURS.index(joint)] for joint in ("nose", "left_ankle"))
    assert nose[1] < ankle[1] - 150
