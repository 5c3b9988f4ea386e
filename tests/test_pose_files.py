from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from kinebeat import skeleton
from kinebeat.errors import InputError, OptionError, OutputError
from kinebeat.pose import load_pose, read_pose, save_pose
from kinebeat.puppet import puppet_pose

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def arrays(frames: int = 20, layout: str = "coco17") -> dict[str, Any]:
    joints = len(skeleton.LAYOUTS[layout].joints)
    rng = np.random.default_rng(0)
    return {
        "xy": rng.uniform(1, 200, (frames, joints, 2)).astype(np.float32),
        "score": np.ones((frames, joints), np.float32),
        "times_s": np.arange(frames) / 25,
        "layout": layout,
    }


def write(path: Path, **changed: Any) -> Path:
    content = arrays() | changed
    np.savez(path, **{name: value for name, value in content.items() if value is not None})
    return path


def test_a_saved_track_comes_back_unchanged(tmp_path: Path) -> None:
    track = puppet_pose(np.arange(30) / 29.97)
    track.xy[3, 5] = np.nan
    track.score[3, 5] = 0
    track.shot[20:] = 1
    save_pose(track, tmp_path / "a.npz")
    assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]
    again = read_pose(tmp_path / "a.npz")
    for name in ("xy", "score", "times_s", "shot"):
        np.testing.assert_array_equal(getattr(again, name), getattr(track, name))
        assert getattr(again, name).dtype == getattr(track, name).dtype
    assert (again.layout, again.size) == (track.layout, track.size)


@pytest.mark.parametrize("layout", sorted(skeleton.LAYOUTS))
def test_every_layout_is_read_as_rhythmicnet17(tmp_path: Path, layout: str) -> None:
    content = arrays(layout=layout)
    track = load_pose(write(tmp_path / "a.npz", **content))
    expected, _ = skeleton.convert(content["xy"], content["score"], layout, "rhythmicnet17")
    np.testing.assert_array_equal(track.xy, expected)
    assert track.layout == "rhythmicnet17"
    assert track.shot.tolist() == [0] * 20
    assert track.size[0] >= np.nanmax(track.xy[..., 0])


def test_whole_number_positions_and_zero_for_missing(tmp_path: Path) -> None:
    xy = np.full((20, 17, 2), 7)
    xy[:, 9] = 0
    score = np.ones((20, 17))
    score[:, 9] = 0
    track = load_pose(write(tmp_path / "a.npz", xy=xy, score=score))
    wrist = skeleton.LAYOUTS["rhythmicnet17"].index("left_wrist")
    assert skeleton.LAYOUTS["coco17"].joints[9] == "left_wrist"
    assert np.isnan(track.xy[:, wrist]).all()
    assert (track.xy[:, 0] == 7).all()


def test_nobody_seen_is_a_track_too(tmp_path: Path) -> None:
    track = load_pose(write(tmp_path / "a.npz", xy=np.full((20, 17, 2), np.nan), score=np.zeros((20, 17))))
    assert np.isnan(track.xy).all()
    assert (track.score == 0).all()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"xy": None}, "xy missing"),
        ({"layout": None}, "layout missing"),
        ({"layout": "kinect"}, "unknown joint layout 'kinect'"),
        ({"xy": np.ones((20, 16, 2))}, r"needs xy \(T, 17, 2\)"),
        ({"xy": np.ones((19, 17, 2))}, r"got \(19, 17, 2\)"),
        ({"score": np.ones((20, 17, 1))}, r"got .*\(20, 17, 1\)"),
        ({"times_s": np.zeros((20, 1))}, "times_s"),
        ({"times_s": np.zeros(20)}, "does not increase at frame 1"),
        ({"times_s": np.r_[np.arange(19) / 25, np.nan]}, "NaN"),
        ({"xy": np.full((20, 17, 2), np.inf)}, "infinite"),
        ({"xy": np.full((20, 17, 2), "a")}, "numbers were expected"),
        ({"shot": np.zeros(3, int)}, "shot must be 20"),
        ({"size": np.array([0, 5])}, "size must be"),
        ({"xy": np.array([{}], dtype=object)}, "plain arrays"),
        (
            {"xy": np.ones((0, 17, 2)), "score": np.ones((0, 17)), "times_s": np.zeros(0)},
            "holds no frames",
        ),
    ],
)
def test_bad_files_are_told_what_was_expected(tmp_path: Path, changed: dict[str, Any], said: str) -> None:
    path = write(tmp_path / "a.npz", **changed)
    with pytest.raises(InputError, match=said) as caught:
        read_pose(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04broken"])
def test_what_is_no_archive_is_said_to_be_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.npz"
    path.write_bytes(content)
    with pytest.raises(InputError, match="not an npz"):
        load_pose(path)
    with pytest.raises(InputError, match="no such file"):
        load_pose(tmp_path / "b.npz")


def test_saving_where_nothing_can_be_saved(tmp_path: Path) -> None:
    with pytest.raises(OutputError):
        save_pose(puppet_pose(np.arange(3) / 30), tmp_path / "missing" / "a.npz")


def person(track_xy: np.ndarray, score: float = 0.9) -> dict[str, Any]:
    """One OpenPose person from rhythmicnet17 joints; the joints that it lacks are (0, 0, 0)."""
    rows = np.zeros((25, 3))
    rows[[*range(15), 19, 22]] = np.c_[track_xy, np.full(17, score)]
    return {"pose_keypoints_2d": rows.ravel().tolist()}


def openpose(folder: Path, frames: dict[int, list[dict[str, Any]]]) -> Path:
    folder.mkdir()
    for number, people in frames.items():
        (folder / f"clip_{number:012d}_keypoints.json").write_text(json.dumps({"people": people}))
    return folder


def test_openpose_files_become_a_track(tmp_path: Path) -> None:
    true = puppet_pose(np.arange(60) / 25)
    folder = openpose(tmp_path / "json", {i + 7: [person(true.xy[i])] for i in range(60)})
    track = read_pose(folder, fps=25.0)
    np.testing.assert_allclose(track.times_s, np.arange(60) / 25)
    off = np.linalg.norm(track.xy - true.xy, axis=-1)
    assert np.isfinite(track.xy).all()
    assert np.median(off) < 1
    assert track.score.max() == pytest.approx(0.9)
    assert track.layout == "rhythmicnet17"


def test_numbers_order_openpose_files_and_missing_ones_are_gaps(tmp_path: Path) -> None:
    true = puppet_pose(np.arange(40) / 30)
    folder = tmp_path / "json"
    folder.mkdir()
    for i in range(40):
        if not 10 <= i < 25:
            # no leading zeros: the names' own order is wrong
            (folder / f"clip_{i}_keypoints.json").write_text(json.dumps({"people": [person(true.xy[i])]}))
    track = read_pose(folder)
    assert len(track.times_s) == 40
    seen = np.isfinite(track.xy[:, 0, 0])
    assert seen.tolist() == [not 10 <= i < 25 for i in range(40)]


def test_the_largest_person_is_followed_through_a_crowd(tmp_path: Path) -> None:
    true = puppet_pose(np.arange(60) / 30)
    small = true.xy * 0.5 + (400, 0)
    shuffle = np.random.default_rng(0)
    frames = {}
    for i in range(60):
        people = [person(true.xy[i]), person(small[i]), {"pose_keypoints_2d": []}]
        if i > 5:
            people.append(person(true.xy[i] * 1.4 + (900, 0)))  # someone larger comes later
        frames[i] = [people[k] for k in shuffle.permutation(len(people))]
    track = read_pose(openpose(tmp_path / "json", frames))
    assert track.shot.max() == 0
    assert np.median(np.linalg.norm(track.xy - true.xy, axis=-1)) < 1


def test_frames_without_people_are_frames(tmp_path: Path) -> None:
    track = read_pose(openpose(tmp_path / "json", {i: [] for i in range(10)}))
    assert track.xy.shape == (10, 17, 2)
    assert np.isnan(track.xy).all()


def coco(folder: Path) -> Path:
    return openpose(folder, {0: [{"pose_keypoints_2d": [1.0] * 54}]})


def text(folder: Path) -> Path:
    folder.mkdir()
    (folder / "a_000000000000_keypoints.json").write_text("{ no json")
    return folder


def other_json(folder: Path) -> Path:
    folder.mkdir()
    (folder / "a_000000000000_keypoints.json").write_text("[1, 2]")
    return folder


def empty(folder: Path) -> Path:
    folder.mkdir()
    return folder


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (coco, "BODY_25"),
        (text, "not an OpenPose"),
        (other_json, "not an OpenPose"),
        (empty, "no OpenPose files"),
    ],
)
def test_bad_folders_are_told_what_was_expected(tmp_path: Path, make: Callable[[Path], Path], said: str) -> None:
    folder = make(tmp_path / "json")
    with pytest.raises(InputError, match=said) as caught:
        read_pose(folder)
    assert str(folder) in str(caught.value)


@pytest.mark.parametrize("fps", [0.0, -3.0, float("nan")])
def test_a_frame_rate_is_above_0(tmp_path: Path, fps: float) -> None:
    with pytest.raises(OptionError, match="frame rate"):
        read_pose(openpose(tmp_path / "json", {0: []}), fps=fps)


def test_a_file_that_unpacks_to_more_than_it_may_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.npz", more=np.zeros(2**18))
    load_pose(path)
    monkeypatch.setattr("kinebeat.pose.files._MOST_BYTES", 2**20)
    with pytest.raises(InputError, match="2 MB of arrays, 1 MB were expected at most"):
        load_pose(path)


def test_arrays_that_are_not_looked_at_are_not_read(tmp_path: Path) -> None:
    load_pose(write(tmp_path / "a.npz", more=np.array([None], object)))


@pytest.mark.parametrize("size", [(np.inf, 5), (5, np.nan), (0, 5), (-1, 5), (2.0**40, 5)])
def test_pictures_have_a_size(tmp_path: Path, size: tuple[float, float]) -> None:
    with pytest.raises(InputError, match="size must be width and height"):
        load_pose(write(tmp_path / "a.npz", size=np.array(size)))


@pytest.mark.parametrize("far", [1e38, -1e38, 2e6])
def test_positions_are_in_pictures(tmp_path: Path, far: float) -> None:
    xy = arrays()["xy"]
    xy[3, 3, 0] = far
    with pytest.raises(InputError, match="beyond 1048576 pixels"):
        load_pose(write(tmp_path / "a.npz", xy=xy))


@pytest.mark.parametrize("step_s", [1e9, 800.0, -1e15])
def test_times_are_seconds_of_a_clip(tmp_path: Path, step_s: float) -> None:
    with pytest.raises(InputError, match="14400 s were expected at most"):
        load_pose(write(tmp_path / "a.npz", times_s=step_s * np.arange(20)))


@pytest.mark.parametrize("said", ['{"people":' * 5000, '{"people": [{"pose_keypoints_2d": [1e300, 1]}]}'])
def test_openpose_files_that_go_too_far_are_refused(tmp_path: Path, said: str) -> None:
    (tmp_path / "clip_000000000000_keypoints.json").write_text(said)
    with pytest.raises(InputError):
        read_pose(tmp_path)
