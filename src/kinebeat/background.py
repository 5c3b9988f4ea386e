"""The sound that a soundtrack's drums join: a song, or the clip's own sound."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from kinebeat.clip_audio import clip_audio
from kinebeat.errors import InputError
from kinebeat.synth import RATE_HZ

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

CLIP: Final = "clip"
"""The background that is the clip's own sound."""


@dataclass(frozen=True)
class Background:
    """A sound that goes through a clip.

    Attributes:
        path: a sound file, or a video with sound.
        start_s: which second of it falls on the clip's time 0; below 0 it begins so much later.
    """

    path: Path
    start_s: float = 0.0

    def blocks(self, frames: int) -> Iterator[NDArray[np.float32]]:
        """The sound from the clip's time 0 on: (N, 2) float32 blocks at 48 kHz, together `frames` long.

        Before it begins and after it has ended there is silence.
        """
        ahead = round(self.start_s * RATE_HZ)
        silent = min(max(-ahead, 0), frames)
        for begin in range(0, silent, RATE_HZ):
            yield np.zeros((min(RATE_HZ, silent - begin), 2), np.float32)
        left_out = max(ahead, 0)
        for block in clip_audio(self.path, left_out + frames - silent).blocks():
            if left_out < len(block):
                yield block[left_out:]
            left_out = max(0, left_out - len(block))


def check_background(path: Path) -> None:
    """See whether a file has sound, before long work is done for it.

    Raises:
        InputError: it is missing, no media file, or has no sound.
    """
    remedy = "give a sound file such as .mp3 or .wav, or a video with sound"
    try:
        found = clip_audio(path, 0)
    except InputError as error:
        raise InputError(path, error.problem, remedy) from error
    if found.warnings:
        raise InputError(path, "has no sound to take a beat from", remedy)
