"""The versions of one video: the same picture and length, other sounds, all equally loud."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from kinebeat.errors import InputError
from kinebeat.survey import rhythms
from kinebeat.survey.plan import OURS, RANDOM, SHUFFLED, SILENT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from kinebeat.audio import Mix
    from kinebeat.pipeline import Soundtrack

    Blocks = Iterator[NDArray[np.float32]]

LOUDEST_LUFS = -16.0
"""No version is louder; all are as quiet as the one that can be made least loud without its peaks being cut."""


@dataclass(frozen=True)
class Sound:
    """One version's sound.

    Attributes:
        draw: gives its blocks, (N, 2) float32 at 48 kHz, as often as wanted.
        gain_db: what is done to its level.
    """

    draw: Callable[[], Blocks]
    gain_db: float

    def blocks(self) -> Blocks:
        """The sound at its level."""
        from kinebeat.levels import amplitude

        gain = np.float32(amplitude(self.gain_db))
        return (block * gain for block in self.draw())


def versions(made: Soundtrack, others: dict[str, Path]) -> dict[str, Sound]:
    """All versions of a video's sound by name, equally loud while they sound.

    Args:
        made: our soundtrack.
        others: other systems' results for the same video, videos or sound files, by name.

    Raises:
        InputError: one of the others cannot be used.
    """
    from kinebeat.audio import RATE_HZ

    seed = made.settings.seed
    frames = round(made.duration_s * RATE_HZ)
    drawn: dict[str, Callable[[], Blocks]] = {OURS: _music(made)}
    for name, change in ((SHUFFLED, rhythms.shuffled), (RANDOM, rhythms.random)):
        drawn[name] = _music(replace(made, rhythm=change(made.rhythm, seed)).variant(seed))
    drawn |= {name: _other(path, frames) for name, path in others.items()}
    return {**_levelled(drawn, frames), SILENT: Sound(lambda: _silence(frames), 0.0)}


def _music(made: Soundtrack) -> Callable[[], Blocks]:
    from kinebeat.audio import mix

    sound: Mix = mix(made.score, soundfont=made.settings.soundfont)
    return sound.blocks


def _other(path: Path, frames: int) -> Callable[[], Blocks]:
    from kinebeat.clip_audio import clip_audio

    if clip_audio(path, frames).warnings:
        raise InputError(path, "has no sound", "give the other system's video with its sound, or the sound alone")
    return lambda: clip_audio(path, frames).blocks()


def _silence(frames: int) -> Blocks:
    from kinebeat.audio import RATE_HZ

    return (np.zeros((min(RATE_HZ, frames - begin), 2), np.float32) for begin in range(0, frames, RATE_HZ))


def _levelled(drawn: dict[str, Callable[[], Blocks]], frames: int) -> dict[str, Sound]:
    """Gains that make sounds equally loud; one that is silent stays so."""
    from kinebeat.audio import PEAK_DBFS
    from kinebeat.levels import SILENT_LUFS, decibels, levels, loudness_lufs

    loud = {name: loudness_lufs(draw(), frames) for name, draw in drawn.items()}
    peaks_db = {name: decibels(float(levels(draw(), frames).max(initial=0))) for name, draw in drawn.items()}
    heard = [name for name in drawn if loud[name] > SILENT_LUFS]
    aim = min([LOUDEST_LUFS, *(loud[name] + PEAK_DBFS - peaks_db[name] for name in heard)])
    return {name: Sound(draw, aim - loud[name] if name in heard else 0.0) for name, draw in drawn.items()}
