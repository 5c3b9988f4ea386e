from __future__ import annotations

import numpy as np
import pytest

from kinebeat.pose.shots import Changes, person_jumps
from kinebeat.pose.worker import THUMB_BYTES, THUMB_SIDE


def scene(seed: int, frames: int, drift: float = 0.1) -> np.ndarray:
    """(N, THUMB_BYTES) small pictures of a smooth room through which a camera pans slowly."""
    rng = np.random.default_rng(seed)
    waves = rng.uniform(0.05, 0.5, (4, 2))
    phase = rng.uniform(0, 6, 4)
    y, x = np.mgrid[:THUMB_SIDE, :THUMB_SIDE]
    pictures = np.full((frames, THUMB_BYTES), 128, np.uint8)
    for i in range(frames):
        luma = 128 + sum(20 * np.sin(a * (x + drift * i) + b * y + p) for (a, b), p in zip(waves, phase, strict=True))
        pictures[i, : THUMB_SIDE**2] = np.clip(luma, 0, 255).ravel()
    return pictures


def cuts(pictures: np.ndarray, chunk: int = 1000) -> list[int]:
    changes = Changes()
    for start in range(0, len(pictures), chunk):
        changes.add(pictures[start : start + chunk])
    return np.flatnonzero(changes.cuts()).tolist()


def test_cuts_are_found_where_scenes_change() -> None:
    pictures = np.concatenate([scene(0, 40), scene(1, 25), scene(2, 30)])
    assert cuts(pictures) == [40, 65]


@pytest.mark.parametrize("chunk", [1, 2, 7, 40, 41])
def test_chunks_make_no_difference(chunk: int) -> None:
    pictures = np.concatenate([scene(0, 40), scene(1, 25), scene(2, 30)])
    assert cuts(pictures, chunk) == [40, 65]


def test_panning_and_zooming_are_no_cuts() -> None:
    assert cuts(scene(0, 100, drift=1.5)) == []


def test_a_flash_is_no_cut() -> None:
    pictures = scene(0, 60)
    pictures[30:32, : THUMB_SIDE**2] = 240
    assert cuts(pictures) == []


def test_a_cut_to_black_and_back() -> None:
    pictures = scene(0, 60)
    pictures[20:40] = 16
    assert cuts(pictures) == [20, 40]


def test_cuts_near_the_ends_and_in_tiny_clips() -> None:
    assert cuts(np.concatenate([scene(0, 2), scene(1, 40)])) == [2]
    assert cuts(np.concatenate([scene(0, 40), scene(1, 1)])) == [40]
    assert cuts(scene(0, 1)) == []
    assert cuts(scene(0, 0)) == []


def test_jumps_to_another_body_but_not_quick_moves() -> None:
    times_s = np.arange(30) / 30
    xy = np.random.default_rng(0).uniform(0, 100, (1, 17, 2)).repeat(30, axis=0).astype(np.float32)
    xy[:, :, 0] += 3 * np.arange(30)[:, None]  # 90 pixels, nearly a torso, per second
    torso = np.full(30, 100.0, np.float32)
    assert not person_jumps(xy, times_s, torso).any()
    xy[12:, :, 0] += 150
    xy[20:22] = np.nan
    assert np.flatnonzero(person_jumps(xy, times_s, torso)).tolist() == [12]


def test_a_body_of_another_size_is_another_body() -> None:
    times_s = np.arange(20) / 30
    xy = np.random.default_rng(0).uniform(-100, 100, (1, 17, 2)).repeat(20, axis=0).astype(np.float32)
    xy[10:] *= 0.4
    torso = np.where(np.arange(20) < 10, 100.0, 40.0).astype(np.float32)
    assert np.flatnonzero(person_jumps(xy, times_s, torso)).tolist() == [10]


def test_nobody_jumps_nowhere() -> None:
    xy = np.full((5, 17, 2), np.nan, np.float32)
    assert not person_jumps(xy, np.arange(5) / 30, np.full(5, np.nan, np.float32)).any()
