"""The films of the data set as the product sees them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from kinebeat.performance.keyboard import Keyboard
    from kinebeat.performance.keypoints import Performer
    from kinebeat.performance.truth.piano_videos import PianoClip


@dataclass(frozen=True)
class Seen:
    """What a method may know of a clip: everything but its notes.

    Attributes:
        performer: the player's joints.
        keyboard: where the keys are; None where they were not found.
        duration_s: of the clip.
        film: the film itself.
    """

    performer: Performer
    keyboard: Keyboard | None
    duration_s: float
    film: Path | None = None


def watch(clip: PianoClip, keypoints: Path | None) -> Seen:
    """Look at a clip as the product does.

    Args:
        clip: whose film is read.
        keypoints: folder with joints that were found before, `NAME.npz`; those that are missing are written there.

    Raises:
        InputError: the film or a file of the folder cannot be used.
    """
    from kinebeat.performance.keyboard import find_keyboard
    from kinebeat.performance.keypoints import read_performer
    from kinebeat.pose import save_pose

    kept = keypoints / f"{clip.name}.npz" if keypoints is not None else None
    source = kept if kept is not None and kept.is_file() else clip.path
    performer = read_performer(source)
    if kept is not None and source != kept:
        save_pose(performer.track, kept)
    return Seen(performer, find_keyboard(clip.path), clip.duration_s, clip.path)
