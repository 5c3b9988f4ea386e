"""A click track: a short tone on every beat, a higher one on downbeats, with the clip's own sound under it.

48 kHz stereo, in blocks: a long clip needs no more memory than a short one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

import numpy as np

from kinebeat.audio import INAUDIBLE, PEAK_DBFS, Original
from kinebeat.clip_audio import clip_audio
from kinebeat.errors import OptionError
from kinebeat.synth import RATE_HZ

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    Blocks = Iterator[NDArray[np.float32]]

BEAT_HZ, DOWNBEAT_HZ = 1000.0, 1600.0
CLICK_S = 0.010
DECAY_S = 0.003
PEAK = 10 ** (PEAK_DBFS / 20)
ALONE = PEAK
"""Level of a downbeat's click where nothing else sounds."""
BESIDE_ORIGINAL = 0.5 * PEAK
"""The same over the clip's own sound, which gets the other half; a click that music hides is of no use."""
BEAT_LEVEL = 0.7
"""Level of the other clicks against a downbeat's."""
DUCK = 10 ** (-12 / 20)
SILENCE_FRAMES = RATE_HZ


@dataclass(frozen=True)
class ClickTrack:
    """A click track that is known but not yet written: blocks can be drawn from it as often as wanted.

    Attributes:
        frames: length at 48 kHz.
        original_gain: what the clip's own sound is multiplied by; 0 if it is not heard.
        warnings: one line each, for the user.
    """

    frames: int
    original_gain: float
    warnings: tuple[str, ...]
    _draw: Callable[[], Blocks]

    def blocks(self) -> Blocks:
        """The finished sound: (N, 2) float32 blocks, 48 kHz, nowhere above `PEAK`."""
        return self._draw()


def click_track(
    beats_s: NDArray[np.float64],
    downbeats_s: NDArray[np.float64],
    duration_s: float,
    *,
    clip: str | Path | None = None,
    original: Original = "keep",
) -> ClickTrack:
    """Put a click on every beat; each begins at the sample nearest to its beat.

    Args:
        beats_s: (B,) seconds, increasing; those outside the clip are not heard.
        downbeats_s: (D,) those of the beats that get the higher click.
        duration_s: length of the clip.
        clip: the video whose sound is kept or ducked; None or a video without sound is silence.
        original: "keep" leaves the clip's sound as loud as the clicks allow, "duck" lowers it by 12 dB more, "mute"
            leaves it out. One gain for the whole clip: the sound must not breathe in the rhythm that is judged.

    Raises:
        InputError: the clip cannot be read.
        OptionError: `original` is none of the three.
    """
    if original not in get_args(Original):
        raise OptionError(f"original sound {original!r} is unknown; choose one of {', '.join(get_args(Original))}")
    frames = round(duration_s * RATE_HZ)
    warnings: tuple[str, ...] = ()
    gain = 0.0
    if clip is not None and original != "mute":
        own = clip_audio(clip, frames)
        warnings = own.warnings
        loudest = 0.0 if warnings else max((float(np.abs(block).max(initial=0)) for block in own.blocks()), default=0.0)
        if loudest > INAUDIBLE:
            gain = min(1.0, (PEAK - BESIDE_ORIGINAL) / loudest) * (DUCK if original == "duck" else 1.0)
    level = BESIDE_ORIGINAL if gain else ALONE
    inside = (beats_s >= 0) & (beats_s < duration_s)
    start = np.round(beats_s[inside] * RATE_HZ).astype(np.int64)
    high = np.isin(beats_s[inside], downbeats_s)
    tones = burst(BEAT_HZ) * np.float32(level * BEAT_LEVEL), burst(DOWNBEAT_HZ) * np.float32(level)

    def drawn() -> Blocks:
        under = clip_audio(clip, frames).blocks() if clip is not None and gain else _silence(frames)
        begin = 0
        for block in under:
            mixed = block * np.float32(gain)
            _add(mixed, begin, start, high, tones)
            yield mixed
            begin += len(block)

    return ClickTrack(frames, gain, warnings, drawn)


def burst(frequency_hz: float) -> NDArray[np.float32]:
    """A click: a sine that starts at once, falls off, and is gone after `CLICK_S`; (N,), 1 at the most."""
    t = np.arange(round(CLICK_S * RATE_HZ)) / RATE_HZ
    # The second factor takes what is left of the decay to nothing at the end.
    tone = np.sin(2 * np.pi * frequency_hz * t) * np.exp(-t / DECAY_S) * (1 - t / CLICK_S)
    return np.asarray(tone / np.abs(tone).max(), np.float32)


def _add(
    block: NDArray[np.float32],
    begin: int,
    start: NDArray[np.int64],
    high: NDArray[np.bool_],
    tones: tuple[NDArray[np.float32], NDArray[np.float32]],
) -> None:
    """Add to a block, whose first frame is number `begin`, the clicks that sound in it, or the parts that do."""
    length = len(tones[0])
    first, last = np.searchsorted(start, [begin - length + 1, begin + len(block)])
    for number in range(int(first), int(last)):
        at = int(start[number]) - begin
        tone = tones[int(high[number])][max(0, -at) : len(block) - at]
        block[max(0, at) : max(0, at) + len(tone)] += tone[:, None]


def _silence(frames: int) -> Blocks:
    for begin in range(0, frames, SILENCE_FRAMES):
        yield np.zeros((min(SILENCE_FRAMES, frames - begin), 2), np.float32)
