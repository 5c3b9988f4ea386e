"""The clips that beats are scored on: cut, filmed, filmed otherwise, and robbed of their beat."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

import movers
from kinebeat.beats.cues import kinematic
from kinebeat.beats.decoding import decode
from kinebeat.beats.truth.corpus import Corpus
from kinebeat.errors import InputError
from kinebeat.evaluation import beat_clips as clips
from kinebeat.motion import body_height_px, compute_motion
from kinebeat.pose.files import save_pose
from kinebeat.skeleton import LAYOUTS

if TYPE_CHECKING:
    from pathlib import Path

    from kinebeat.evaluation.beat_clips import Clip
    from kinebeat.pose.track import PoseTrack


def dance(bpm: float = 100.0, duration_s: float = 12.0, fps: float = 30.0) -> PoseTrack:
    times_s = movers.frame_times_s(duration_s, fps)
    return movers.pendulum(times_s, lambda t: t * bpm / 60)


@pytest.fixture(scope="module")
def a_dance() -> Clip:
    return clips.clip_of("at 90", dance(90), np.arange(0, 12, 60 / 90))


# Clips


def test_a_clip_is_scored_between_its_ends(a_dance: Clip) -> None:
    heard_s = np.array([-0.6, 0.0, 3.0, 11.9, 12.0, 12.6])
    ((truth, kept),) = a_dance.pieces(heard_s)
    assert list(kept) == [0.0, 3.0, 11.9]
    assert truth is a_dance.beats_s


def test_where_beats_are_known_in_part_the_rest_does_not_count(a_dance: Clip) -> None:
    beats_s = np.concatenate([np.arange(1, 6, 0.5), [7.0, 7.5, 8.0]])
    clip = dataclasses.replace(a_dance, beats_s=beats_s, spans_s=np.array([[1.0, 5.5], [7.0, 8.0]]))
    pieces = clip.pieces(np.arange(0.1, 12, 0.5))
    assert len(pieces) == 1  # three beats say nothing
    truth, kept = pieces[0]
    np.testing.assert_array_equal(truth, np.arange(1, 6, 0.5))
    np.testing.assert_allclose(kept, np.arange(1.1, 5.7, 0.5))


def test_units_without_a_break_are_one_stretch() -> None:
    spans_s = np.array([[5.0, 6.0], [1.0, 2.0], [2.015, 3.0], [3.2, 4.0]])
    np.testing.assert_allclose(clips.joined(spans_s), [[1, 3], [3.2, 4], [5, 6]])
    assert clips.joined(np.zeros((0, 2))).shape == (0, 2)


def test_clips_of_a_corpus() -> None:
    rng = np.random.default_rng(0)
    corpus = Corpus(
        velocity=rng.normal(0, 0.1, (3, 600, 17, 2)).astype(np.float16),
        beat_time_s=np.array([0.5, 1.0, 1.5, 2.0, 2.5], np.float32),
        beat_clip=np.array([0, 0, 2, 2, 2], np.int32),
        kind=np.array(["warped", "negative", "warped"]),
        content=np.array(["kick", "walk", "dance"]),
        tempo_bpm=np.array([120, np.nan, 120], np.float32),
        lag_s=np.array([0, np.nan, 0], np.float32),
    )
    first, second = clips.corpus_clips(corpus, "warped")
    assert first.duration_s == 10
    assert list(first.beats_s) == [0.5, 1.0]
    assert list(second.beats_s) == [1.5, 2.0, 2.5]
    np.testing.assert_array_equal(second.motion.velocity, corpus.velocity[2].astype(np.float32))
    (negative,) = clips.corpus_clips(corpus, "negative")
    assert len(negative.beats_s) == 0


def body_in_space() -> np.ndarray:
    """Somebody in metres who faces the z axis and swings the left arm."""
    times_s = np.arange(120) / 60
    flat = movers.swing_arms(movers.standing(times_s), 0.8 + 0.5 * np.sin(4 * times_s), "left") * 1.7
    return np.concatenate([flat[..., :1], -flat[..., 1:], np.zeros_like(flat[..., :1])], axis=-1)


def test_the_ideal_camera_looks_from_the_front() -> None:
    xyz = body_in_space()
    pose = clips.frontal(xyz)
    joint = LAYOUTS["rhythmicnet17"].index
    assert np.isfinite(pose.xy).all()
    assert (pose.xy[:, joint("left_hip"), 0] > pose.xy[:, joint("right_hip"), 0]).all()  # we see them mirrored
    assert (pose.xy[:, joint("left_ankle"), 1] > pose.xy[:, joint("nose"), 1]).all()
    assert np.median(body_height_px(pose)) == pytest.approx(500, rel=0.05)
    turned = np.stack([xyz[..., 2], xyz[..., 1], -xyz[..., 0]], axis=-1)
    np.testing.assert_allclose(clips.frontal(turned).xy, pose.xy, atol=0.01)


def write_street(folder: Path, beats: dict[str, object]) -> None:
    street = folder / "dance" / "street"
    street.mkdir(parents=True)
    save_pose(dance(fps=60), street / "gXX_d01_az0.npz")
    (street / "beats.json").write_text(json.dumps(beats))


def test_street_takes_have_the_beats_of_their_music(tmp_path: Path) -> None:
    write_street(tmp_path, {"gXX_d01": {"beats": [0.3, 0.9]}})
    ((name, pose, beats_s),) = clips.street_poses(tmp_path)
    assert name == "gXX_d01_az0"
    assert len(pose.times_s) == 720
    assert list(beats_s) == [0.3, 0.9]


def test_street_takes_that_cannot_be_scored_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"beats\.json"):
        clips.street_poses(tmp_path)
    write_street(tmp_path, {"gYY_d01": {"beats": [0.3]}})
    with pytest.raises(InputError, match="no take gXX_d01"):
        clips.street_poses(tmp_path)
    (tmp_path / "dance" / "street" / "gXX_d01_az0.npz").unlink()
    with pytest.raises(InputError, match="no keypoint files"):
        clips.street_poses(tmp_path)


def test_puppets_move_to_a_metronome() -> None:
    made = clips.puppet_clips(8.0)
    assert len(made) == len(clips.PUPPET_BPM)
    for clip, bpm in zip(made, clips.PUPPET_BPM, strict=True):
        np.testing.assert_allclose(np.diff(clip.beats_s), 60 / bpm)
        assert clip.beats_s[-1] < clip.duration_s == pytest.approx(8)


# The same movement filmed otherwise


def test_variants_show_the_same_dance() -> None:
    pose = dance(fps=60)
    made = clips.variants(pose, 0)
    assert len(made) == 10
    own = compute_motion(pose, 12.0)
    for name in ("picture x0.5", "picture x2", "shifted"):
        assert not np.allclose(made[name].xy, pose.xy)
        np.testing.assert_allclose(compute_motion(made[name], 12.0).velocity, own.velocity, atol=2e-3)
    flipped = compute_motion(made["mirrored"], 12.0).velocity * np.array([-1, 1])
    for left, right in LAYOUTS["rhythmicnet17"].pairs:
        np.testing.assert_allclose(flipped[:, left], own.velocity[:, right], atol=2e-3)
    for fps in clips.RATES_FPS:
        other = made[f"{fps:g} fps"]
        assert 1 / np.diff(other.times_s) == pytest.approx(fps)
        # a straight line between frames of 60 a second misses a swing by little
        for joint in (4, 7):
            there = np.interp(other.times_s, pose.times_s, pose.xy[:, joint, 0])
            np.testing.assert_allclose(other.xy[:, joint, 0], there, atol=0.01)


def test_noise_is_that_of_a_body_that_fills_720_lines() -> None:
    pose = clips.scaled(dance(), 2.0)
    noisy = clips.variants(pose, 0)["3 px noise on a body of 500 px"]
    factor = 500 / float(np.median(body_height_px(pose)))
    assert (noisy.xy - factor * pose.xy).std() == pytest.approx(3, rel=0.03)


def test_resampling_invents_no_joints_and_does_not_cross_cuts() -> None:
    pose = dance(fps=30)
    xy = pose.xy.copy()
    xy[100:110, 3] = np.nan
    shot = (pose.times_s >= 6).astype(np.int32)
    other = clips.resampled(dataclasses.replace(pose, xy=xy, shot=shot), 50)
    hidden = np.isnan(other.xy[:, 3, 0])
    assert hidden.any()
    assert ((other.times_s[hidden] > pose.times_s[99]) & (other.times_s[hidden] < pose.times_s[110])).all()
    assert (other.score[hidden, 3] == 0).all()
    # between the last frame of one shot and the first of the next there is no picture of both
    around = (other.times_s > pose.times_s[179]) & (other.times_s < 6.0)
    assert around.any()
    np.testing.assert_array_equal(other.xy[around, 4], np.repeat(xy[180:181, 4], around.sum(), 0))


def test_excerpts_are_whole_and_start_at_zero() -> None:
    pose = dance(duration_s=12.0)
    parts = clips.excerpts(pose, 4.0)
    assert [len(p.times_s) for p in parts] == [120, 120, 120]
    assert all(p.times_s[0] == pytest.approx(0, abs=1e-9) for p in parts)
    np.testing.assert_array_equal(parts[1].xy, pose.xy[120:240])
    assert len(clips.excerpts(pose, 30.0)) == 1
    assert clips.duration_of(parts[2]) == pytest.approx(4.0)


def test_some_clips_stand_for_all(a_dance: Clip) -> None:
    many = [dataclasses.replace(a_dance, name=str(k)) for k in range(10)]
    assert [c.name for c in clips.evenly(many, 4)] == ["0", "3", "6", "9"]
    assert len(clips.evenly(many, 20)) == 10


# Movement without a beat


def test_shuffled_frames_are_the_same_frames() -> None:
    pose = dance()
    other = clips.shuffled(pose, np.random.default_rng(0))
    assert not np.array_equal(other.xy, pose.xy)
    np.testing.assert_array_equal(np.sort(other.xy[:, 4, 0]), np.sort(pose.xy[:, 4, 0]))
    np.testing.assert_array_equal(other.times_s, pose.times_s)


def test_somebody_idle_stands_under_noise_alone() -> None:
    pose = clips.scaled(dance(duration_s=60), 2.0)
    other = clips.idle(pose, np.random.default_rng(0))
    factor = float(np.median(body_height_px(pose))) / 500
    assert other.xy.std(axis=0).mean() == pytest.approx(3 * factor, rel=0.05)
    centred = other.xy - other.xy.mean(0)
    assert (centred[1:] * centred[:-1]).mean() / centred.var() == pytest.approx(0.5, abs=0.05)


def test_movement_without_a_beat_has_none_that_is_heard() -> None:
    made = clips.without_beat([dance(duration_s=12), dance(110)], seed=0)
    assert [len(some) for some in made.values()] == [2, 2, 2]
    for some in made.values():
        for clip in some:
            assert len(clip.beats_s) == 0
            assert decode(kinematic(clip.motion)).confidence < 0.3
    wander = made["joints that wander at random"][0].motion
    assert np.nanmedian(wander.speed) > 3 * np.nanmedian(made["standing, with noise"][0].motion.speed)
