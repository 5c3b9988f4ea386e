"""Real pianists, filmed from above; needs the folder that KINEBEAT_DATA names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from kinebeat.performance.keypoints import read_performer

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.data


@pytest.mark.parametrize("name", ["TestSet_V10", "TrainSet_6_-45_2"])
def test_both_hands_of_a_pianist_are_seen_and_never_exchanged(data_dir: Path, name: str) -> None:
    performer = read_performer(data_dir / "performers" / "piano_videos" / f"{name}.mp4")
    left, right = performer.left_hand[:, 9, 0], performer.right_hand[:, 9, 0]
    assert np.isfinite(left).mean() > 0.6
    assert np.isfinite(right).mean() > 0.6
    assert performer.hands_share > 0.85
    assert np.isnan(performer.track.xy[:, :25]).all()
    assert performer.crowd < 0.2
    assert performer.warnings == ()
    # the player sits at the top of the picture and does not cross his hands: the right one is at its left
    both = np.isfinite(left) & np.isfinite(right)
    assert (right[both] < left[both]).all()


def test_a_right_hand_that_plays_alone_is_a_right_hand(data_dir: Path) -> None:
    performer = read_performer(data_dir / "performers" / "esnylmz_9th_symphony_righthand.mp4")
    assert np.isfinite(performer.right_hand[:, 8, 0]).mean() > 0.95
    assert np.isnan(performer.left_hand).all()
