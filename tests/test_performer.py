"""A performer from what MediaPipe saw, from keypoints and from video."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from kinebeat import skeleton
from kinebeat.errors import InputError
from kinebeat.performance.keypoints import LAYOUT, performer_of, read_performer
from kinebeat.pose import save_pose
from kinebeat.pose.mediapipe_musician import RawMusician, find_musician
from kinebeat.pose.track import PoseTrack
from kinebeat.video_in import frames

if TYPE_CHECKING:
    from collections.abc import Callable

    from kinebeat.puppet import Dance

FPS, FRAMES = 20.0, 120
SOURCE = Path("player.mp4")


def seen(*, body: bool = False) -> RawMusician:
    """Six seconds: the right hand, entry 0, plays at the left of the picture; the left one rests at its right."""
    rng = np.random.default_rng(0)
    shape = rng.uniform(-25, 25, (21, 2))
    shape[0], shape[9] = (0, -30), (0, 10)
    times_s = np.arange(FRAMES) / FPS
    right = shape + np.stack([150 + 40 * np.sin(2 * times_s), np.full(FRAMES, 80)], axis=-1)[:, None]
    left = shape * [-1, 1] + np.tile([450.0, 80.0], (FRAMES, 1))[:, None]
    counted = np.full(FRAMES, np.nan, np.float32)
    counted[::20] = 2
    body_xy = np.full((FRAMES, 33, 2), np.nan, np.float32)
    if body:
        joints = skeleton.layout("blazepose33")
        body_xy[:] = rng.uniform(100, 200, (33, 2))
        for joint, at in {"shoulder": 40, "hip": 200, "knee": 250, "elbow": 90}.items():
            body_xy[:, joints.index(f"right_{joint}")] = 240, at
            body_xy[:, joints.index(f"left_{joint}")] = 360, at
        body_xy[:, joints.index("right_wrist")], body_xy[:, joints.index("left_wrist")] = right[:, 0], left[:, 0]
    return RawMusician(
        body_xy=body_xy,
        visibility=np.where(np.isfinite(body_xy[..., 0]), 0.9, 0).astype(np.float32),
        hands_xy=np.stack([right, left], axis=1).astype(np.float32),
        right_share=np.tile(np.array([0.9, 0.2], np.float32), (FRAMES, 1)),
        counted=counted,
        times_s=times_s,
        cuts=np.zeros(FRAMES, bool),
        change=np.ones(FRAMES),
        size=(640, 272),
    )


def test_both_hands_are_where_they_were_seen() -> None:
    raw = seen()
    performer = performer_of(raw, SOURCE)
    assert performer.track.layout == LAYOUT
    assert performer.track.xy.shape == (FRAMES, 67, 2)
    assert performer.track.size == (640, 272)
    np.testing.assert_array_equal(performer.track.times_s, raw.times_s)
    np.testing.assert_allclose(performer.right_hand, raw.hands_xy[:, 0], atol=0.5)
    np.testing.assert_allclose(performer.left_hand, raw.hands_xy[:, 1], atol=0.5)
    joints = skeleton.layout(LAYOUT)
    np.testing.assert_array_equal(performer.track.xy[:, joints.index("left_hand_index4")], performer.left_hand[:, 8])
    assert np.isnan(performer.track.xy[:, :25]).all()
    assert performer.hands_share == 1
    assert performer.crowd == 0
    assert performer.warnings == ()


def test_scores_are_the_hands_and_0_where_nothing_is() -> None:
    score = performer_of(seen(), SOURCE).track.score
    assert (score[:, :25] == 0).all()
    np.testing.assert_allclose(np.median(score[:, 25:46], axis=0), 0.8, atol=0.05)
    np.testing.assert_allclose(np.median(score[:, 46:], axis=0), 0.9, atol=0.05)


def test_a_joint_that_wobbles_has_a_lower_score() -> None:
    raw = seen()
    raw.hands_xy[:, 1, 8, 1] += 6 * (-1.0) ** np.arange(FRAMES)
    score = performer_of(raw, SOURCE).track.score
    assert np.median(score[:, 25 + 8]) < 0.7 * np.median(score[:, 25 + 7])


def test_the_body_is_there_too() -> None:
    raw = seen(body=True)
    track = performer_of(raw, SOURCE).track
    joints, blaze = skeleton.layout(LAYOUT), skeleton.layout("blazepose33")
    for joint in ("left_shoulder", "right_wrist", "nose"):
        np.testing.assert_allclose(track.xy[:, joints.index(joint)], raw.body_xy[:, blaze.index(joint)], atol=0.5)
    neck = raw.body_xy[:, [blaze.index("left_shoulder"), blaze.index("right_shoulder")]].mean(axis=1)
    np.testing.assert_allclose(track.xy[:, joints.index("neck")], neck, atol=0.5)


def test_a_body_seen_in_passing_beside_hands_is_none() -> None:
    raw = seen(body=True)
    raw.body_xy[20:], raw.visibility[20:] = np.nan, 0
    assert np.isnan(performer_of(raw, SOURCE).track.xy[:, :25]).all()


def test_gaps_up_to_150_ms_are_bridged_and_longer_ones_stay() -> None:
    raw = seen()
    true = raw.hands_xy[:, 0].copy()
    for start, missing in ((40, 3), (80, 4)):
        gap = slice(start, start + missing)
        raw.hands_xy[gap, 0], raw.right_share[gap, 0] = np.nan, np.nan
    performer = performer_of(raw, SOURCE)
    hand, score = performer.right_hand, performer.track.score[:, 46:]
    np.testing.assert_allclose(hand[40:43], true[40:43], atol=3)
    assert (score[40:43] < 0.5).all()
    assert np.isnan(hand[80:84]).all()
    assert (score[80:84] == 0).all()


def test_a_single_frame_elsewhere_is_taken_out() -> None:
    raw = seen()
    true = raw.hands_xy[60, 0].copy()
    raw.hands_xy[60, 0] += np.array([30, 150], np.float32)
    np.testing.assert_allclose(performer_of(raw, SOURCE).right_hand[60], true, atol=3)


def test_a_finger_comes_down_when_it_did() -> None:
    raw = seen()
    for onset in (30, 50, 70, 90):
        raw.hands_xy[onset : onset + 4, 1, 8, 1] += 8
    raw.hands_xy[:, 1, 8, 1] += np.random.default_rng(1).normal(0, 0.3, FRAMES)
    tip = performer_of(raw, SOURCE).left_hand[:, 8, 1]
    rest = np.median(tip)
    for onset in (30, 50, 70, 90):
        down = (tip[onset - 2 : onset + 2] - rest) / 8
        crossed = onset - 2 + np.interp(0.5, down, np.arange(4))
        assert abs(crossed - (onset - 0.5)) / FPS < 0.008


def test_joints_little_outside_the_picture_stay_with_a_low_score() -> None:
    raw = seen()
    raw.hands_xy[:, 1, :, 1] -= 60  # the wrist 10 px above the picture, the fingers in it
    raw.hands_xy[:, 1, 4, 1] = -200
    performer = performer_of(raw, SOURCE)
    score = performer.track.score[:, 25:46]
    assert np.isfinite(performer.left_hand[:, 0]).all()
    assert (score[:, 0] < 0.3).all()
    assert np.median(score[:, 9]) > 0.7
    assert np.isnan(performer.left_hand[:, 4]).all()


def test_more_hands_than_two_are_a_crowd() -> None:
    raw = seen()
    raw.counted[::40] = 4
    performer = performer_of(raw, SOURCE)
    assert performer.crowd == 0.5
    assert len(performer.warnings) == 1
    assert "several players" in performer.warnings[0]


def test_few_hands_are_a_warning_and_nothing_at_all_an_error() -> None:
    raw = seen(body=True)
    raw.hands_xy[30:], raw.right_share[30:] = np.nan, np.nan
    performer = performer_of(raw, SOURCE)
    assert performer.hands_share == 0.25
    assert "25%" in performer.warnings[0]
    nobody = seen()
    nobody.hands_xy[:], nobody.right_share[:] = np.nan, np.nan
    with pytest.raises(InputError, match=r"player\.mp4") as error:
        performer_of(nobody, SOURCE)
    assert "hands" in str(error.value)


def test_repeated_pictures_are_left_out() -> None:
    raw = seen()
    raw.change[3::4] = 0.01
    assert len(performer_of(raw, SOURCE).track.times_s) == FRAMES * 3 // 4


def test_keypoints_are_taken_as_they_are(tmp_path: Path) -> None:
    track = performer_of(seen(body=True), SOURCE).track
    save_pose(track, tmp_path / "player.npz")
    again = read_performer(tmp_path / "player.npz").track
    for name in ("xy", "score", "times_s", "shot"):
        np.testing.assert_array_equal(getattr(again, name), getattr(track, name))
    assert again.layout == LAYOUT
    assert again.size == track.size


def test_keypoints_of_a_body_alone_have_no_hands_to_speak_of(tmp_path: Path) -> None:
    whole = performer_of(seen(body=True), SOURCE).track
    body = PoseTrack(whole.xy[:, :25], whole.score[:, :25], whole.times_s, "body25", whole.shot, whole.size)
    save_pose(body, tmp_path / "body.npz")
    performer = read_performer(tmp_path / "body.npz")
    assert performer.track.xy.shape == (FRAMES, 67, 2)
    np.testing.assert_array_equal(performer.track.xy[:, :25], body.xy)
    assert np.isnan(performer.left_hand[:, 1:]).all()
    save_pose(replace(whole, xy=np.full_like(whole.xy, np.nan)), tmp_path / "nobody.npz")
    with pytest.raises(InputError, match=r"nobody\.npz"):
        read_performer(tmp_path / "nobody.npz")


def test_what_is_no_video_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "notes.mp4").write_text("la la la")
    for name in ("notes.mp4", "missing.mp4", "missing.npz"):
        with pytest.raises(InputError, match=re.escape(name)):
            read_performer(tmp_path / name)


def test_nobody_in_the_picture_is_an_error(write_video: Callable[..., Path], tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    wall = rng.integers(90, 110, (96, 128, 3)).astype(np.uint8)
    path = write_video(tmp_path / "wall.mp4", [wall] * 12)
    with pytest.raises(InputError, match="neither hands nor a player") as error:
        read_performer(path, workers=1)
    assert "film the player" in str(error.value)


def test_the_number_of_processes_changes_nothing(
    puppet_clip: tuple[Path, Dance],
    write_video: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from kinebeat.pose import mediapipe_musician

    monkeypatch.setattr(mediapipe_musician, "CHUNK", 18)
    pictures = [picture for _, picture in frames(puppet_clip[0])][:50]
    path = write_video(tmp_path / "dance.mp4", pictures, fps=25.0)
    done: list[float] = []
    one = find_musician(path, workers=1, progress=done.append)
    three = find_musician(path, workers=3)
    for name in ("body_xy", "visibility", "hands_xy", "right_share", "counted", "times_s", "cuts", "change"):
        np.testing.assert_array_equal(getattr(one, name), getattr(three, name))
    assert done == sorted(done)
    assert done[-1] == 1
    track = performer_of(one, path).track
    joints = skeleton.layout(LAYOUT)
    assert np.isfinite(track.xy[:, :25, 0]).any(axis=1).mean() > 0.8
    # what is taken for the figure's hands is at its arms' ends
    forearm = np.linalg.norm(track.xy[:, joints.index("left_elbow")] - track.xy[:, joints.index("left_wrist")], axis=-1)
    for side in ("left", "right"):
        hand, wrist = (track.xy[:, joints.index(f"{side}_{joint}")] for joint in ("hand_wrist", "wrist"))
        assert np.isfinite(hand[:, 0]).sum() > 10
        assert np.nanmedian(np.linalg.norm(hand - wrist, axis=-1)) < 0.5 * np.nanmedian(forearm)
