"""Plots are pictures of the right things, for clips of any length."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from kinebeat.beats.grid import BeatGrid
from kinebeat.drums.track import DrumTrack
from kinebeat.plot import ACCENT, BEAT, DRUM_COLOURS, LANE_COLOURS, LANE_INCHES, Curve, beats_shown, plot
from kinebeat.rhythm import Rhythm
from kinebeat.score import Track

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


def draw(
    path: Path,
    duration_s: float = 8.0,
    *,
    accents: bool = True,
    drums: tuple[int, ...] = tuple(range(9)),
    moving: bool = True,
    title: str = "clip.mp4",
    others: tuple[Track, ...] = (),
) -> NDArray[np.uint8]:
    """Draw a made-up soundtrack and read the picture back."""
    bars = int(np.ceil(duration_s / 2)) or 1
    grid = BeatGrid(np.arange(bars * 4 + 1) * 0.5)
    hits = np.zeros((grid.steps, 9), bool)
    for drum in drums:
        hits[drum % grid.steps :: 16, drum] = True
    beat = np.zeros(grid.steps, np.float32)
    beat[::4] = 1
    accent = np.zeros(grid.steps, np.float32)
    accent[2::4] = 0.8 * accents
    times_s = np.arange(0, duration_s, 1 / 60)
    accents_s = np.arange(0.25, duration_s, 0.5) if accents else np.zeros(0)
    values = np.sin(times_s * 2 * np.pi) ** 2 * moving
    none = np.zeros(grid.steps, np.float32)
    plot(
        path,
        duration_s=duration_s,
        movement=Curve(times_s, values.astype(np.float32), "kinematic offsets"),
        accent_times_s=accents_s,
        accent_strength=np.full(len(accents_s), 0.7, np.float32),
        rhythm=Rhythm(grid, beat, accent, none, none, none > 0),
        drums=DrumTrack(grid, hits, hits.astype(np.float32) * 0.8, np.zeros_like(hits, np.float32)),
        others=others,
        outline=np.tile(np.array([[-0.5, 0.5]], np.float32), (500, 1)),
        title=title,
        note="movement on sound .64",
    )
    assert path.read_bytes().startswith(b"\x89PNG")
    return np.asarray(Image.open(path).convert("RGB"))


def test_downbeats_stay_where_beats_are_too_dense_to_see() -> None:
    grid = BeatGrid(np.arange(-4, 401) * 0.5)  # downbeats at even seconds
    downbeats_s, others_s = beats_shown(grid, (1.0, 5.0), 4.6)
    np.testing.assert_array_equal(downbeats_s, [2.0, 4.0])
    np.testing.assert_array_equal(others_s, [1.0, 1.5, 2.5, 3.0, 3.5, 4.5])
    downbeats_s, others_s = beats_shown(grid, (0.0, 200.0), 200.0)
    assert (len(downbeats_s), len(others_s)) == (101, 0)


def pixels(picture: NDArray[np.uint8], colour: str) -> int:
    """How many pixels have very nearly this colour."""
    wanted = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])
    return int((np.abs(picture.astype(int) - wanted).max(axis=2) < 4).sum())


def test_every_drum_and_row_is_seen(tmp_path: Path) -> None:
    picture = draw(tmp_path / "a.png")
    for colour in (*DRUM_COLOURS, BEAT, ACCENT):
        assert pixels(picture, colour) > 20
    without = draw(tmp_path / "b.png", drums=(0,), accents=False)
    assert pixels(without, DRUM_COLOURS[0]) > 20
    for colour in DRUM_COLOURS[3:]:
        assert pixels(without, colour) == 0
    # One dot of an accent stays: the one in the key.
    assert pixels(without, ACCENT) < 0.3 * pixels(picture, ACCENT)


def test_a_plot_is_the_same_every_time(tmp_path: Path) -> None:
    draw(tmp_path / "a.png")
    draw(tmp_path / "b.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


@pytest.mark.parametrize("duration_s", [0.01, 0.5, 39.0])
def test_clips_of_one_line(tmp_path: Path, duration_s: float) -> None:
    picture = draw(tmp_path / "a.png", duration_s)
    assert 700 < picture.shape[1] <= 2800
    assert picture.shape[0] < 1000


def test_long_clips_are_wrapped(tmp_path: Path) -> None:
    line = draw(tmp_path / "a.png", 30.0)
    page = draw(tmp_path / "b.png", 90.0)
    assert page.shape[1] == pytest.approx(line.shape[1], abs=2)
    assert 2.7 * line.shape[0] < page.shape[0] < 3 * line.shape[0]
    for part in np.array_split(page, 3):
        assert all(pixels(part, colour) > 20 for colour in DRUM_COLOURS)


def test_nothing_to_draw_is_drawn_too(tmp_path: Path) -> None:
    picture = draw(tmp_path / "a.png", accents=False, drums=(), moving=False, title="")
    assert all(pixels(picture, colour) == 0 for colour in DRUM_COLOURS)


def notes(name: str, pitch: list[int], velocity: int = 127) -> Track:
    n = len(pitch)
    rows = np.arange(n) * 0.5, np.full(n, 0.4), np.array(pitch, np.int64), np.full(n, velocity)
    return Track(name, 0, False, *rows)


def test_each_instrument_has_a_lane(tmp_path: Path) -> None:
    none = draw(tmp_path / "a.png")
    one = draw(tmp_path / "b.png", others=(notes("Piano", [48, 60, 64, 90]),))
    two = draw(tmp_path / "c.png", others=(notes("Piano", [48, 60, 64, 90]), notes("Guitar", [40])))
    assert two.shape[0] - one.shape[0] == one.shape[0] - none.shape[0] == round(100 * LANE_INCHES)
    seen = [[pixels(picture, colour) for colour in LANE_COLOURS] for picture in (none, one, two)]
    assert seen[0] == [0, 0]
    assert seen[1][0] > 40 > seen[1][1] == 0
    assert min(seen[2]) > 10


def test_an_instrument_that_does_not_play_has_an_empty_lane(tmp_path: Path) -> None:
    picture = draw(tmp_path / "a.png", others=(notes("Piano", []),))
    assert pixels(picture, LANE_COLOURS[0]) == 0
