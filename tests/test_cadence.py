import numpy as np
import pytest

from kinebeat.pose.cadence import even_times, repeated_frames


def pulldown(frames: int, every: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Change between frames of a film in which each `every`-th frame repeats the one before."""
    rng = np.random.default_rng(seed)
    change = rng.uniform(2, 5, frames)
    repeat = np.arange(frames) % every == every - 1
    change[repeat] = rng.uniform(0, 0.2, repeat.sum())
    return change, repeat


@pytest.mark.parametrize("every", [2, 3, 5, 6])
def test_regular_repeats_are_found(every):
    change, repeat = pulldown(120, every)
    assert np.array_equal(repeated_frames(change), repeat)


def test_nothing_repeats_in_ordinary_video_a_pause_or_a_still():
    rng = np.random.default_rng(1)
    moving = rng.uniform(1, 4, 200)
    pause = moving.copy()
    pause[60:90] = 0.01
    still = rng.uniform(0, 0.03, 200)
    irregular = moving.copy()
    irregular[[20, 31, 37, 62, 99, 130]] = 0.0
    for change in (moving, pause, still, irregular, np.zeros(0), np.zeros(1), np.zeros(2)):
        assert not repeated_frames(change).any()


def test_a_film_at_24_shown_at_30_moves_evenly_again():
    true = np.arange(96) / 24
    shown = np.arange(int(96 * 30 / 24)) / 30
    picture = np.floor(shown * 24 + 1e-9).astype(int)
    repeated = np.concatenate([[False], np.diff(picture) == 0])
    times = even_times(shown, repeated, np.where(repeated, 0.0, 3.0))
    assert len(times) == len(np.unique(picture))
    error = times - true[np.unique(picture)]
    inner = error[6:-6]
    assert np.ptp(inner) < 0.002, "evenly spread"
    assert abs(inner.mean() - np.mean(shown[~repeated] - true)) < 0.005, "where it was shown"
    assert (np.diff(times) > 0).all()


def test_times_without_repeats_are_untouched():
    times = np.cumsum(np.random.default_rng(0).uniform(0.01, 0.05, 50))
    assert np.array_equal(even_times(times, np.zeros(50, bool), np.ones(50)), times)


@pytest.mark.parametrize("late", [1, 2, 3])
def test_where_a_picture_was_lost_for_a_repeat_the_pace_is_the_files_own(late):
    """Frame 4 of 5 repeats frame 3; `late` frames on, the picture that was pushed out is skipped."""
    frames = np.arange(150)
    shown = frames / 30
    repeated = frames % 5 == 4
    behind = np.where((frames % 5 >= 4) | (frames % 5 < late - 1), 1, 0)
    picture = frames - behind
    change = np.diff(picture, prepend=-1) * 3.0
    times = even_times(shown, repeated, change)
    assert np.ptp((times - picture[~repeated] / 30)[8:-8]) < 0.002
