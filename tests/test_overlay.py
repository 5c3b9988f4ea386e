"""What is drawn on the picture is where the person is and when the drums are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import av
import numpy as np
import pytest

from kinebeat.beats.grid import BeatGrid
from kinebeat.drums.kit import DRUMS
from kinebeat.drums.track import DrumTrack
from kinebeat.overlay import LEFT, LIT, RIGHT, SHORT_NAMES, Painter, draw_overlay
from kinebeat.pose.track import PoseTrack
from kinebeat.skeleton import LAYOUTS
from kinebeat.video_out import write_pictures

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

LAYOUT = LAYOUTS["rhythmicnet17"]
SIZE = (320, 240)


def standing(times_s: list[float], *, seen: bool = True, score: float = 0.9) -> PoseTrack:
    """A person with the right arm on the left of the picture and the left arm on the right, all else unseen."""
    xy = np.full((len(times_s), len(LAYOUT.joints), 2), np.nan, np.float32)
    if seen:
        for side, x in (("right", 80), ("left", 240)):
            for y, joint in ((40, "shoulder"), (90, "elbow"), (140, "wrist")):
                xy[:, LAYOUT.index(f"{side}_{joint}")] = x, y
    n = len(times_s)
    scores = np.where(np.isfinite(xy[..., 0]), score, 0).astype(np.float32)
    return PoseTrack(xy, scores, np.array(times_s), LAYOUT.name, np.zeros(n, np.int32), SIZE)


def drumming(hits: list[tuple[int, int]]) -> DrumTrack:
    """Hits (step, drum) on a grid of 120 BPM from 0 on: a step is 125 ms."""
    grid = BeatGrid(np.arange(9) * 0.5)
    played = np.zeros((grid.steps, 9), bool)
    for step, drum in hits:
        played[step, drum] = True
    return DrumTrack(grid, played, played.astype(np.float32), np.zeros((grid.steps, 9), np.float32))


def grey(size: tuple[int, int] = SIZE) -> NDArray[np.uint8]:
    return np.full((size[1], size[0], 3), 120, np.uint8)


def near(picture: NDArray[np.uint8], colour: tuple[int, int, int]) -> NDArray[np.bool_]:
    return np.abs(picture.astype(int) - colour).max(axis=2) < 40


def test_the_skeleton_is_where_the_person_is() -> None:
    picture = Painter(standing([0.0, 0.1]), drumming([])).paint(0.1, grey())
    for colour, x in ((RIGHT, 80), (LEFT, 240)):
        rows, columns = np.nonzero(near(picture[:200], colour))
        assert len(rows) > 20
        assert np.abs(columns - x).max() <= 4
        assert rows.min() >= 36
        assert rows.max() <= 144


def test_a_picture_of_another_size_has_the_skeleton_at_the_same_place() -> None:
    picture = Painter(standing([0.0]), drumming([])).paint(0.0, grey((640, 480)))
    _, columns = np.nonzero(near(picture[:400], LEFT))
    assert np.abs(columns - 480).max() <= 6


@pytest.mark.parametrize("time_s", [0.5, 10.0])
def test_no_skeleton_where_the_person_was_not_looked_for(time_s: float) -> None:
    painter = Painter(standing([0.0, 0.04, 0.08]), drumming([]))
    assert np.array_equal(painter.paint(time_s, grey())[:200], grey()[:200])


def test_unseen_and_doubtful_joints_are_not_drawn() -> None:
    for pose in (standing([0.0], seen=False), standing([0.0], score=0.1), standing([])):
        assert np.array_equal(Painter(pose, drumming([])).paint(0.0, grey())[:200], grey()[:200])


def test_joints_far_outside_the_picture_do_no_harm() -> None:
    pose = standing([0.0])
    pose.xy[:, LAYOUT.index("left_wrist")] = 1e9, -1e9
    pose.xy[:, LAYOUT.index("right_wrist")] = -50, 300
    assert Painter(pose, drumming([])).paint(0.0, grey()).shape == (240, 320, 3)


def test_a_lamp_lights_with_its_hit_and_fades() -> None:
    painter = Painter(standing([0.0]), drumming([(4, 1), (6, 1), (12, 8)]))
    assert painter.drum_glow(0.49).max() == 0
    assert painter.drum_glow(0.5).argmax() == 1
    assert painter.drum_glow(0.5)[1] == pytest.approx(1)
    assert painter.drum_glow(0.62)[1] == pytest.approx(np.exp(-0.12 / 0.14))
    assert painter.drum_glow(0.76)[1] > 0.9
    assert painter.drum_glow(1.5)[8] == pytest.approx(1)
    assert painter.drum_glow(1.5)[1] < 0.01
    assert painter.drum_glow(-5.0).max() == painter.drum_glow(500.0).max() == 0
    lit = painter.paint(0.5, grey())
    dark = painter.paint(0.45, grey())
    assert near(lit[222:], LIT[1]).sum() > 20
    assert near(dark[222:], LIT[1]).sum() == 0


def test_the_beats_of_the_bar_go_round() -> None:
    painter = Painter(standing([], seen=False), drumming([]))
    places = [
        np.nonzero((painter.paint(t, grey())[222:, :60] > 150).all(axis=2))[1].mean() for t in (0.0, 0.5, 1.0, 1.5)
    ]
    assert np.all(np.diff(places) > 5)
    again = np.nonzero((painter.paint(2.0, grey())[222:, :60] > 150).all(axis=2))[1].mean()
    assert again == pytest.approx(places[0], abs=1)


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (16, 9), (96, 54), (54, 960), (1920, 1080)])
def test_pictures_of_any_size(size: tuple[int, int]) -> None:
    before = grey(size)
    painted = Painter(standing([0.0]), drumming([(0, 0)])).paint(0.0, before)
    assert painted.shape == before.shape
    assert np.array_equal(before, grey(size))


def test_there_is_a_name_and_a_colour_for_every_drum() -> None:
    assert len(SHORT_NAMES) == len(LIT) == len(DRUMS)


def test_a_whole_clip_is_drawn_with_its_times(tmp_path: Path) -> None:
    times_s = [0.0, 0.1, 0.15, 0.4, 0.5]
    write_pictures([(t, grey()) for t in times_s], tmp_path / "clip.mp4", fps=10, end_s=0.6)
    draw_overlay(tmp_path / "clip.mp4", standing(times_s), drumming([(4, 0)]), tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as container:
        frames = list(container.decode(video=0))
    assert [float(frame.time) for frame in frames] == pytest.approx(times_s, abs=1e-4)
    last = frames[-1].to_ndarray(format="rgb24")
    assert near(last[222:], LIT[0]).sum() > 20
    assert near(frames[3].to_ndarray(format="rgb24")[222:], LIT[0]).sum() == 0
    _, columns = np.nonzero(np.abs(last[:200, :160].astype(int) - 120).max(axis=2) > 50)
    assert abs(np.median(columns) - 80) <= 3
