"""Real people in real videos; needs the folder that KINEBEAT_DATA names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from kinebeat import skeleton
from kinebeat.pose import filter as joint_filter
from kinebeat.pose import mediapipe_pose, read_pose
from kinebeat.pose.mediapipe_pose import find_landmarks

if TYPE_CHECKING:
    from pathlib import Path

    from kinebeat.pose import PoseTrack

pytestmark = pytest.mark.data
LAYOUT = skeleton.LAYOUTS["rhythmicnet17"]


def seen(track: PoseTrack, *joints: str) -> float:
    where = [LAYOUT.index(joint) for joint in joints] or slice(None)
    return float(np.isfinite(track.xy[:, where, 0]).any(axis=1).mean())


@pytest.mark.parametrize(
    "name",
    [
        "aist_d2m_test_0.mp4",
        "breakdance_handstand.mp4",
        "phone_dance_portrait.mp4",
        "edge/edge_fps5_silent.mp4",
    ],
)
def test_a_dancer_is_seen_throughout(data_dir: Path, name: str) -> None:
    track = read_pose(data_dir / "videos" / name)
    assert seen(track) > 0.95
    assert np.isfinite(track.xy).mean() > 0.9
    inside = (track.xy > -0.02 * max(track.size)) & (track.xy < 1.02 * max(track.size))
    assert inside[np.isfinite(track.xy)].all()


@pytest.mark.parametrize("name", ["edge_noise", "edge_black", "edge_noperson_testpattern"])
def test_nobody_is_seen_where_nobody_is(data_dir: Path, name: str) -> None:
    assert seen(read_pose(data_dir / "videos" / "edge" / f"{name}.mp4")) == 0


def test_a_picture_stored_sideways_gives_an_upright_figure(data_dir: Path) -> None:
    track = read_pose(data_dir / "videos" / "edge" / "edge_rotated90_metadata.mp4")
    assert track.size == (640, 360)
    heights = np.nanmedian(track.xy[..., 1], axis=0)
    nose, hip, ankle = (heights[LAYOUT.index(joint)] for joint in ("nose", "mid_hip", "left_ankle"))
    assert nose < hip < ankle


def test_legs_below_the_picture_are_not_made_up(data_dir: Path) -> None:
    track = read_pose(data_dir / "videos" / "edge" / "edge_upperbody_crop.mp4")
    assert seen(track, "nose") > 0.95
    assert seen(track, "left_knee", "right_knee", "left_ankle", "right_ankle") < 0.05


@pytest.mark.parametrize("name", ["trio_portrait_dance.mp4", "edge/edge_duo_sidebyside.mp4"])
def test_one_of_several_dancers_is_followed(data_dir: Path, name: str) -> None:
    track = read_pose(data_dir / "videos" / name)
    assert seen(track) > 0.95
    assert track.shot.max() == 0


def test_seams_are_hardly_to_be_seen(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = data_dir / "videos" / "aist_d2m_test_0.mp4"
    chunked = find_landmarks(path).xy
    monkeypatch.setattr(mediapipe_pose, "CHUNK", 1000)
    whole = find_landmarks(path).xy
    seams = np.arange(72, len(whole), 72)
    assert len(seams) == 3
    xy, _ = skeleton.convert(whole, np.ones(whole.shape[:2]), "blazepose33", "rhythmicnet17")
    torso = joint_filter.body_size_px(xy, "rhythmicnet17")

    def bend(xy: np.ndarray, at: np.ndarray) -> float:
        """Median departure from even movement, torsos."""
        return float(np.nanmedian(np.linalg.norm(xy[at] - 2 * xy[at - 1] + xy[at - 2], axis=-1))) / torso

    assert bend(chunked, seams) < 2 * bend(whole, np.arange(2, len(whole)))
    assert np.nanmedian(np.linalg.norm(chunked[seams] - whole[seams], axis=-1)) < 0.05 * torso
