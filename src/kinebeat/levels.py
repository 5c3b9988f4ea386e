"""How loud a sound is over time, how loud it is heard to be, and gains that move gently; all of it block by block."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kinebeat.synth import RATE_HZ

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

HOP_FRAMES = 480  # levels are taken every 10 ms
LIMIT_HOPS = 5  # the limiter takes 50 ms to come and to go
GATE_FRAMES = RATE_HZ // 10  # loudness is taken in windows of four of these
SILENT_LUFS = -70.0

# ITU-R BS.1770-4, annex 1: what the head does to a sound, and how little of the bass is heard, at 48 kHz.
K_WEIGHTING = (
    (1.53512485958697, -2.69169618940638, 1.19839281085285, 1.0, -1.69065929318241, 0.73248077421585),
    (1.0, -2.0, 1.0, 1.0, -1.99004745483398, 0.99007225036621),
)


def amplitude(decibels: float) -> float:
    """The factor that so many decibels are."""
    return float(10 ** (decibels / 20))


def decibels(factor: float) -> float:
    """A factor in decibels; -180 for 0."""
    return float(20 * np.log10(max(factor, 1e-9)))


def levels(blocks: Iterable[NDArray[np.float32]], frames: int) -> NDArray[np.float32]:
    """Highest sample in every hop of a sound: (ceil(frames / HOP_FRAMES),) float32.

    Args:
        blocks: (N, 2) each.
        frames: length of them all.
    """
    highest = np.zeros(-(-frames // HOP_FRAMES), np.float32)
    begin = 0
    for block in blocks:
        loud = np.maximum(np.abs(block[:, 0]), np.abs(block[:, 1]))
        place = np.arange(begin, begin + len(block)) // HOP_FRAMES
        starts = np.flatnonzero(np.diff(place, prepend=-1))
        if len(starts):
            here = place[starts]
            highest[here] = np.maximum(highest[here], np.maximum.reduceat(loud, starts))
        begin += len(block)
    return highest


def loudness_lufs(blocks: Iterable[NDArray[np.float32]], frames: int) -> float:
    """Loudness of a sound while it sounds (ITU-R BS.1770-4, integrated): silence and pauses do not count.

    Args:
        blocks: (N, 2) each, 48 kHz.
        frames: length of them all.

    Returns:
        LUFS; `SILENT_LUFS` if nothing is louder than that.
    """
    from scipy.signal import sosfilt

    state = np.zeros((len(K_WEIGHTING), 2, 2))
    power = np.zeros(max(4, -(-frames // GATE_FRAMES)))
    begin = 0
    for block in blocks:
        if not len(block):
            continue
        heard, state = sosfilt(K_WEIGHTING, block.astype(np.float64), axis=0, zi=state)
        place = np.arange(begin, begin + len(block)) // GATE_FRAMES
        starts = np.flatnonzero(np.diff(place, prepend=-1))
        power[place[starts]] += np.add.reduceat(np.square(heard).sum(axis=1), starts) / GATE_FRAMES
        begin += len(block)
    windows = np.lib.stride_tricks.sliding_window_view(power, 4).mean(axis=1)
    windows = windows[windows > _power(SILENT_LUFS)]
    if not len(windows):
        return SILENT_LUFS
    return _lufs(float(windows[windows > windows.mean() / 10].mean()))


def _lufs(power: float) -> float:
    return float(10 * np.log10(power) - 0.691)


def _power(lufs: float) -> float:
    return float(10 ** ((lufs + 0.691) / 10))


def at(curve: NDArray[np.float32], begin: int, size: int) -> NDArray[np.float32]:
    """A curve with a value at every hop's border, read at every sample from `begin` on."""
    place = np.arange(begin, begin + size) / HOP_FRAMES
    read: NDArray[np.float64] = np.interp(place, np.arange(len(curve)), curve)
    return read.astype(np.float32)


def shaped(blocks: Iterable[NDArray[np.float32]], curve: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    """The blocks of a sound with a gain that has a value at every hop's border."""
    begin = 0
    for block in blocks:
        gain = at(curve, begin, len(block))
        out = np.empty_like(block)
        for side in (0, 1):  # with both at once numpy takes several times as long
            np.multiply(block[:, side], gain, out=out[:, side])
        yield out
        begin += len(block)


def limit_curve(highest: NDArray[np.float32], peak: float) -> NDArray[np.float32]:
    """Gain at every hop's border that keeps each hop below a peak, moving gently.

    The gain needed is taken at its least over some hops around and then averaged over as many, which comes
    down in time and never rises above what is needed.

    Args:
        highest: (H,) from `levels`.
        peak: the highest sample that may be.
    """
    needed = np.minimum(1, peak / np.maximum(highest, 1e-9))
    padded = np.pad(needed, LIMIT_HOPS, constant_values=1)
    around = np.lib.stride_tricks.sliding_window_view(padded, 2 * LIMIT_HOPS).min(axis=1)  # one value per border
    smooth = np.pad(around, (LIMIT_HOPS // 2, LIMIT_HOPS - 1 - LIMIT_HOPS // 2), mode="edge")
    return np.asarray(np.lib.stride_tricks.sliding_window_view(smooth, LIMIT_HOPS).mean(axis=1), np.float32)
