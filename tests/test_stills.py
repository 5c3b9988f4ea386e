"""A few pictures from all over a clip."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from kinebeat.errors import InputError
from kinebeat.performance.stills import stills

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray


def counting(frames: int, levels_per_frame: float, size: tuple[int, int] = (64, 48)) -> Iterator[NDArray[np.uint8]]:
    """Pictures that grow brighter."""
    for at in range(frames):
        yield np.full((size[1], size[0], 3), min(20 + at * levels_per_frame, 235), np.uint8)


def test_pictures_come_from_all_over_a_short_clip(tmp_path: Path, write_video: Callable[..., Path]) -> None:
    path = write_video(tmp_path / "short.mp4", counting(100, 2), fps=25)
    told: list[float] = []
    times, pictures, scale = stills(path, 10, max_side=640, progress=told.append)
    assert pictures.shape == (10, 48, 64)
    assert scale == 1.0
    assert np.abs(times - (np.arange(10) + 0.5) * 0.4).max() < 0.25
    # each shows what the clip shows at that time
    assert np.abs(pictures.mean(axis=(1, 2)) - (20 + times * 25 * 2)).max() < 4
    assert told == [(k + 1) / 10 for k in range(10)]


@pytest.mark.parametrize("group", [10, 1000])
def test_a_long_clip_is_jumped_through_or_read(tmp_path: Path, write_video: Callable[..., Path], group: int) -> None:
    path = write_video(
        tmp_path / "long.mp4", counting(300, 0.7), fps=10, options={"g": str(group), "sc_threshold": "0"}
    )
    times, pictures, _ = stills(path, 10, max_side=640)
    assert len(times) == 10
    assert (np.diff(times) > 0).all()
    assert np.abs(times - (np.arange(10) + 0.5) * 3).max() < 1.1
    assert np.abs(pictures.mean(axis=(1, 2)) - (20 + times * 10 * 0.7)).max() < 4


def test_a_clip_may_have_fewer_pictures_or_a_single_one(tmp_path: Path, write_video: Callable[..., Path]) -> None:
    assert len(stills(write_video(tmp_path / "one.mp4", counting(1, 0)), 24, max_side=640)[0]) == 1
    times = stills(write_video(tmp_path / "five.mp4", counting(5, 9)), 24, max_side=640)[0]
    assert 1 <= len(times) <= 5


def test_large_pictures_are_made_smaller_and_turned_upright(tmp_path: Path, write_video: Callable[..., Path]) -> None:
    left_is_bright = np.zeros((100, 200, 3), np.uint8)
    left_is_bright[:, :100] = 220
    path = write_video(tmp_path / "turned.mp4", [left_is_bright] * 3, rotation_deg=90)
    _, pictures, scale = stills(path, 2, max_side=100)
    assert pictures.shape[1:] == (100, 50)
    assert scale == 0.5
    # turned counter-clockwise, what was left is below
    assert pictures[0, -20:].mean() > 200
    assert pictures[0, :20].mean() < 40


def test_what_is_no_video_is_an_input_error(tmp_path: Path) -> None:
    path = tmp_path / "text.mp4"
    path.write_text("no video")
    with pytest.raises(InputError, match=r"text\.mp4"):
        stills(path, 5, max_side=640)
