"""What the live networks learn from: films of puppets whose stops are known, and the truth about them."""

from __future__ import annotations

from dataclasses import fields, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pytest

from kinebeat.beats.truth.camera import film
from kinebeat.beats.truth.detector import Noise
from kinebeat.beats.truth.material import Material
from kinebeat.beats.truth.mocap import Take
from kinebeat.errors import InputError, OptionError
from kinebeat.live import corpus
from kinebeat.live.corpus import KIND_SHARES, LiveCorpus, build, bump, load_corpus, seen_live
from kinebeat.live.movement import LIVE_FPS, OFFSET_DELAY_S
from kinebeat.motion import MOTION_FPS
from movers import frame_times_s, in_space, punching, sharp_moves, standing, swing_arms, walk_on_the_spot

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

STRIKES_S = np.array([0.7, 1.3, 2.0, 2.9, 3.4, 4.1, 5.0, 5.6, 6.3, 7.1, 7.7, 8.5, 9.2])


def take_of(xyz: NDArray[np.float32], content: str) -> Take:
    return Take("puppet", "cmu", content, xyz, np.zeros((0, 2)), np.zeros(0))


@pytest.fixture(scope="module")
def material() -> list[Material]:
    """One mover who strikes at uneven times and one who walks."""
    times_s = np.arange(round(10 * MOTION_FPS)) / MOTION_FPS
    strikes = in_space(swing_arms(standing(times_s), sharp_moves(times_s, STRIKES_S, 1.2, 0.25)))
    walk = in_space(walk_on_the_spot(times_s, lambda t: 1.8 * t))
    return [Material.of(take_of(strikes, "strikes")), Material.of(take_of(walk, "walk"))]


@pytest.fixture(scope="module")
def made(material: list[Material]) -> LiveCorpus:
    return build(material, "test", 5, seed=3, duration_s=5.0)


def test_a_beats_target_is_a_narrow_bump() -> None:
    target = bump(np.array([0.1, 10.25 / LIVE_FPS]), 14)
    assert target[3] == 1.0
    assert target[10] == 1.0
    assert target[2] == target[4] == pytest.approx(np.exp(-0.5 / 0.75**2))
    assert target[11] == pytest.approx(np.exp(-0.5))  # three quarters of a tick away
    assert target[9] == pytest.approx(np.exp(-0.5 * (1.25 / 0.75) ** 2))
    assert target[[0, 1, 5, 6, 7, 8, 12, 13]].max() == 0.0
    assert bump(np.zeros(0), 5).tolist() == [0.0] * 5


def test_beats_are_at_the_stops_and_what_is_heard_of_them_comes_later() -> None:
    pose = punching(frame_times_s(12.0))
    clip = seen_live(pose, pose, 12.0)
    stops_s = 0.8 + 60 / 105.3 * np.arange(20)
    assert len(clip.beat_time_s) > 15
    assert max(np.abs(stops_s - beat_s).min() for beat_s in clip.beat_time_s) < 0.035
    heard = clip.offset / clip.offset.max()
    agreement = [np.corrcoef(clip.truth[: 360 - lag], heard[lag:])[0, 1] for lag in range(7)]
    assert int(np.argmax(agreement)) / LIVE_FPS == pytest.approx(OFFSET_DELAY_S, abs=0.6 / LIVE_FPS)
    at_beats = clip.truth[np.round(clip.beat_time_s * LIVE_FPS).astype(int)]
    np.testing.assert_allclose(at_beats, clip.beat_strength, atol=0.08)


def test_times_are_counted_from_the_first_frame() -> None:
    pose = punching(frame_times_s(10.0))
    late = replace(pose, times_s=pose.times_s + 0.4)
    one, other = seen_live(pose, pose, 8.0), seen_live(late, late, 8.0)
    np.testing.assert_allclose(other.beat_time_s, one.beat_time_s, atol=0.005)
    np.testing.assert_allclose(other.truth, one.truth, atol=0.05)


def test_what_ends_early_goes_on_with_nobody() -> None:
    pose = punching(frame_times_s(3.0))
    clip = seen_live(pose, pose, 4.0)
    assert len(clip.present) == len(clip.truth) == 120
    assert clip.present[:89].all()
    assert not clip.present[91:].any()
    assert np.isnan(clip.truth[95:]).all()
    assert np.isnan(clip.velocity[91:]).all()
    assert clip.beat_time_s.max() < 3.0


def test_a_clip_depends_on_its_number_alone(material: list[Material], made: LiveCorpus) -> None:
    fewer = build(material, "test", 2, seed=3, duration_s=5.0)
    np.testing.assert_array_equal(fewer.directogram, made.directogram[:2])
    np.testing.assert_array_equal(fewer.truth, made.truth[:2])
    np.testing.assert_array_equal(fewer.beats_s(1), made.beats_s(1))
    assert not np.array_equal(build(material, "train", 2, seed=3, duration_s=5.0).offset, fewer.offset)


def test_clips_have_their_shapes_and_ranges(made: LiveCorpus) -> None:
    assert made.directogram.shape == (5, 150, 18)
    assert made.velocity.shape == (5, 150, 17, 2)
    assert np.isfinite(made.directogram).all()
    assert np.isfinite(made.offset).all()
    assert 0 <= np.nanmin(made.truth) <= np.nanmax(made.truth) <= 1
    assert made.present.mean() > 0.5
    assert set(made.kind) <= set(KIND_SHARES) - {"choreonet"}  # nothing is labelled
    for clip in range(5):
        assert ((made.beats_s(clip) >= 0) & (made.beats_s(clip) < 5.0)).all()


@pytest.mark.parametrize("kind", ["warped", "moving", "long", "idle"])
def test_every_kind_can_be_had_alone(material: list[Material], kind: str) -> None:
    one = build(material, "train", 1, seed=1, kinds=[kind], duration_s=4.0)
    assert list(one.kind) == [kind]
    assert (one.content[0] == "idle") == (kind == "idle")


def test_who_stands_about_hardly_moves(material: list[Material]) -> None:
    idle = build(material, "train", 2, seed=1, kinds=["idle"], duration_s=5.0)
    dancing = build(material, "train", 2, seed=1, kinds=["warped"], duration_s=5.0)
    assert np.nanmean(idle.truth) < 0.5 * np.nanmean(dancing.truth)
    assert len(idle.beat_time_s) == 0
    assert len(dancing.beat_time_s) > 4


def test_the_beats_of_the_music_are_known_where_somebody_dances(material: list[Material]) -> None:
    dancing = build(material, "train", 2, seed=1, kinds=["warped"], duration_s=6.0)
    for clip in range(2):
        music_s = dancing.music_s(clip)
        assert ((music_s >= 0) & (music_s < 6.0)).all()
        gaps_s = np.diff(music_s)
        assert 60 / 160 < gaps_s.min() <= gaps_s.max() < 60 / 60
        assert gaps_s.max() < 1.1 * gaps_s.min()
    walking = build(material, "train", 2, seed=1, kinds=["moving", "idle"], duration_s=4.0)
    assert len(walking.music_time_s) == 0


def test_progress_is_told(material: list[Material]) -> None:
    told: list[float] = []
    build(material, "train", 2, kinds=["long"], duration_s=3.0, progress=told.append)
    assert told == [0.5, 1.0]


def test_a_kind_that_is_none_is_refused(material: list[Material]) -> None:
    with pytest.raises(OptionError, match="'ballet'"):
        build(material, "train", 1, kinds=["ballet"])
    with pytest.raises(OptionError, match="labelled"):
        build(material, "train", 1, kinds=["choreonet"])


def test_a_corpus_comes_back_as_it_was_saved(made: LiveCorpus, tmp_path: Path) -> None:
    made.save(tmp_path / "c.npz")
    again = load_corpus(tmp_path / "c.npz")
    for field in fields(LiveCorpus):
        np.testing.assert_array_equal(getattr(again, field.name), getattr(made, field.name))
    (tmp_path / "d.npz").write_bytes(b"no corpus")
    with pytest.raises(InputError, match="no corpus"):
        load_corpus(tmp_path / "d.npz")


def test_the_command_makes_three_parts(
    material: list[Material], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def ready(data: Path, part: str, without: list[str]) -> list[Material]:
        asked.append((part, without))
        return material

    monkeypatch.setattr(corpus, "ready", ready)
    monkeypatch.setattr(corpus, "build", partial(build, duration_s=2.0))
    corpus.main(["--data", str(tmp_path), "--out", str(tmp_path / "out"), "--scale", "0.001", "--without", "bandai"])
    assert asked == [(part, ["bandai"]) for part in ("train", "validation", "test")]
    assert len(load_corpus(tmp_path / "out" / "validation.npz").kind) == 4


def test_without_the_recordings_nothing_is_left_behind(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        corpus.main(["--data", str(tmp_path / "none"), "--out", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()


def test_what_a_detector_finds_can_be_had_as_it_is() -> None:
    times_s = np.arange(300) / MOTION_FPS
    xyz = in_space(walk_on_the_spot(times_s, lambda t: 2 * t))
    raw, clean = (
        film(xyz, np.random.default_rng(5), fps=30.0, noise=Noise(), cleaned=cleaned) for cleaned in (False, True)
    )
    shaking = [float(np.nanmean(np.abs(np.diff(pose.xy, 2, axis=0)))) for pose in (raw, clean)]
    assert shaking[0] > 1.5 * shaking[1]
