from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np
import pytest

from kinebeat import skeleton
from kinebeat.errors import OptionError, OutputError
from kinebeat.puppet import Dance, draw_puppet_video, make_dance, puppet_pose
from kinebeat.video_in import frames, probe

if TYPE_CHECKING:
    from pathlib import Path

LAYOUT = skeleton.LAYOUTS["rhythmicnet17"]


def speed(times_s: np.ndarray, dance: Dance) -> np.ndarray:
    """(T - 1,) mean speed of all joints, pixels per second."""
    xy = puppet_pose(times_s, dance=dance).xy.astype(np.float64)
    return np.linalg.norm(np.diff(xy, axis=0), axis=-1).mean(axis=1) / np.diff(times_s)


def test_beats_are_as_far_apart_as_the_tempo_says() -> None:
    dance = make_dance(duration_s=20, tempo_bpm=97.3)
    np.testing.assert_allclose(np.diff(dance.beats_s), 60 / 97.3)
    assert 0.3 < dance.beats_s[0] < 1
    assert dance.beats_s[-1] < 20


def test_accents_are_between_beats_and_other_hits_on_them() -> None:
    dance = make_dance(duration_s=40, seed=3)
    beat_s = 60 / dance.tempo_bpm
    from_beat = np.abs(dance.hits_s[:, None] - dance.beats_s).min(axis=1)
    accent = np.isin(dance.hits_s, dance.accents_s)
    assert accent.sum() >= 5
    assert (from_beat[accent] > 0.2 * beat_s).all()
    np.testing.assert_allclose(from_beat[~accent], 0, atol=1e-9)


def test_the_body_stops_dead_at_every_hit() -> None:
    dance = make_dance(duration_s=12, seed=1)
    for hit in dance.hits_s:
        before, after = speed(hit + np.array([-0.03, -0.002, 0.0, 0.004]), dance)[[0, 2]]
        assert before > 3 * after
        assert before > 30


def test_there_is_a_pause_in_which_beats_go_on() -> None:
    dance = make_dance(duration_s=16)
    gaps = np.diff(dance.hits_s)
    longest = int(np.argmax(gaps))
    assert gaps[longest] > 3 * 60 / dance.tempo_bpm
    inside = (dance.beats_s > dance.hits_s[longest]) & (dance.beats_s < dance.hits_s[longest + 1])
    assert inside.sum() >= 3
    still = np.arange(dance.hits_s[longest] + 0.05, dance.hits_s[longest + 1] - 0.3, 0.02)
    dancing = np.arange(0.5, 4, 0.02)
    assert speed(still, dance).mean() < 0.2 * speed(dancing, dance).mean()


def test_seeds_give_different_dances_and_the_same_one_again() -> None:
    times_s = np.arange(0, 12, 0.1)
    tracks = {seed: puppet_pose(times_s, seed=seed).xy for seed in (0, 1, 2)}
    np.testing.assert_array_equal(tracks[0], puppet_pose(times_s, seed=0).xy)
    assert not np.array_equal(tracks[0], tracks[1])
    assert not np.array_equal(tracks[1], tracks[2])


def test_a_longer_clip_begins_like_a_shorter_one() -> None:
    times_s = np.arange(0, 3, 0.05)
    long = puppet_pose(times_s, dance=make_dance(duration_s=30)).xy
    np.testing.assert_array_equal(puppet_pose(times_s).xy, long)


@pytest.mark.parametrize("size", [(720, 960), (1280, 720), (360, 640)])
@pytest.mark.parametrize("seed", range(4))
def test_the_figure_stays_in_the_picture_and_whole(size: tuple[int, int], seed: int) -> None:
    track = puppet_pose(np.arange(0, 30, 0.05), size=size, seed=seed)
    assert (track.xy > 0).all()
    assert (track.xy < np.array(size)).all()
    assert track.size == size
    height = np.ptp(track.xy[0, :, 1])
    for a, b in (("elbow", "wrist"), ("shoulder", "elbow")):
        for side in ("left", "right"):
            ends = track.xy[:, [LAYOUT.index(f"{side}_{a}"), LAYOUT.index(f"{side}_{b}")]]
            length = np.linalg.norm(ends[:, 0] - ends[:, 1], axis=-1)
            assert np.ptp(length) < 0.01 * height
    # facing the camera, the figure's left is on the right
    left, right = LAYOUT.index("left_shoulder"), LAYOUT.index("right_shoulder")
    assert (track.xy[:, left, 0] > track.xy[:, right, 0]).all()


def test_the_video_is_what_was_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "dance.mp4"
    told: list[float] = []
    dance = draw_puppet_video(
        path, duration_s=1.5, fps=30000 / 1001, size=(180, 240), tempo_bpm=100, progress=told.append
    )
    info = probe(path)
    assert (info.width, info.height, info.codec) == (180, 240, "h264")
    times_s = np.array([t for t, _ in frames(path)])
    np.testing.assert_allclose(times_s, np.arange(45) * 1001 / 30000, atol=1e-4)
    assert dance.tempo_bpm == 100
    assert told[-1] == 1.0
    assert [p.name for p in tmp_path.iterdir()] == ["dance.mp4"]


def test_the_drawing_moves_with_the_dance(puppet_clip: tuple[Path, Dance]) -> None:
    path, dance = puppet_clip
    pictures, times_s = [], []
    for time_s, picture in frames(path):
        times_s.append(time_s)
        pictures.append(picture.astype(np.float32).mean(axis=2))
    change = np.array([np.abs(b - a).mean() for a, b in itertools.pairwise(pictures)])
    middle = (np.array(times_s[1:]) + np.array(times_s[:-1])) / 2
    arriving = np.array([((dance.hits_s - t > 0) & (dance.hits_s - t < 0.15)).any() for t in middle])
    assert change[arriving].mean() > 3 * change[~arriving].mean()


@pytest.mark.parametrize(
    "options",
    [
        {"duration_s": 0.0},
        {"duration_s": float("nan")},
        {"tempo_bpm": 5.0},
        {"fps": 0.0},
        {"size": (63, 64)},
        {"size": (10, 10)},
    ],
)
def test_impossible_wishes_are_refused(tmp_path: Path, options: dict[str, float]) -> None:
    with pytest.raises(OptionError, match="expected"):
        draw_puppet_video(tmp_path / "a.mp4", **options)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_to(tmp_path: Path) -> None:
    with pytest.raises(OutputError):
        draw_puppet_video(tmp_path / "missing" / "a.mp4", duration_s=0.1, size=(64, 64))
