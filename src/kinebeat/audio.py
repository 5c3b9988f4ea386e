"""The sound of a finished soundtrack: music, and the clip's own sound if wanted, mixed to 48 kHz stereo.

Everything goes through in blocks, twice: once to learn the levels (a number per 10 ms), once to write. So a
long clip needs hardly more memory than a short one.
"""

from __future__ import annotations

import wave
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from kinebeat.balance import balanced
from kinebeat.clip_audio import clip_audio
from kinebeat.errors import OptionError
from kinebeat.soundfont import SoundFont, open_soundfont
from kinebeat.synth import BLOCK_S, RATE_HZ, Sampler, missing_programs, render, render_blocks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from kinebeat.score import Score

    Blocks = Iterator[NDArray[np.float32]]

__all__ = ["RATE_HZ", "Mix", "counted", "envelope", "mix", "render", "render_blocks", "write_wav"]

Original = Literal["keep", "duck", "mute"]

HOP_FRAMES = 480  # levels are taken every 10 ms
PEAK_DBFS = -2.0  # of the samples; AAC then stays below -1 (see `video_out.AUDIO_BITS_PER_S`)
MOST_GAIN_DB = 9.0  # quiet music is made louder by no more than this, so that quiet stays quiet
BESIDE_ORIGINAL_DB = -4.0  # the music's level where the clip's own sound plays on
INAUDIBLE = 0.001  # a sound track that never gets louder than this is an empty one
DUCK_DB = -6.0  # the clip's own sound under music
DUCK_MORE_DB = -10.0  # and how much further a drum pushes it
DUCK_RELEASE_S = 0.35
LIMIT_HOPS = 5  # the limiter takes 50 ms to come and to go
FADE_S = 0.15  # the last notes ring into this fade at the very end


@dataclass(frozen=True)
class Mix:
    """A mix that is known but not yet written: blocks can be drawn from it as often as wanted.

    Attributes:
        frames: length at 48 kHz.
        peak: highest sample of the finished mix.
        gain_db: what was done to the music's level.
        levels: (H,) float32, highest sample of the music in every 10 ms, before `gain_db`.
        warnings: what the user should know, such as a drum kit that the soundfont lacks.
    """

    frames: int
    peak: float
    gain_db: float
    levels: NDArray[np.float32]
    warnings: tuple[str, ...]
    _draw: Callable[[], Blocks]
    _draw_track: Callable[[int], Blocks]

    def stem(self, track: int) -> Blocks:
        """One track of the score alone, as it is in the music without the clip's own sound; they add up to it."""
        return self._draw_track(track)

    def blocks(self) -> Blocks:
        """The finished sound: (N, 2) float32 blocks, 48 kHz."""
        return self._draw()


def mix(
    score: Score,
    *,
    soundfont: SoundFont | str | Path | None = None,
    clip: str | Path | None = None,
    original: Original = "mute",
) -> Mix:
    """Mix the music of a score with the clip's own sound; as long as the clip, peak at most `PEAK_DBFS`.

    Args:
        score: the music.
        soundfont: an opened font, its path, or None for the one that `find_soundfont` finds.
        clip: the video whose sound is kept or ducked; None or a video without sound is silence.
        original: "keep" leaves the clip's sound as it is, "duck" lowers it and lowers it further under every
            drum, "mute" leaves it out.

    Raises:
        InputError: the soundfont or the clip cannot be used.
        OptionError: `original` is none of the three.
    """
    if original not in get_args(Original):
        raise OptionError(f"original sound {original!r} is unknown; choose one of {', '.join(get_args(Original))}")
    font = soundfont if isinstance(soundfont, SoundFont) else open_soundfont(soundfont)
    warnings = missing_programs(score, font)
    score = balanced(score, font)
    sampler = Sampler(font)  # music is rendered twice, and once more for stems
    frames = round(score.duration_s * RATE_HZ)

    def music() -> Blocks:
        return _faded(render_blocks(score, sampler=sampler), frames)

    levels = _levels(music(), frames)
    gain = alone = _music_gain(float(levels.max(initial=0)))

    def stem(track: int) -> Blocks:
        one = replace(score, tracks=(score.tracks[track],))
        return (block * np.float32(alone) for block in _faded(render_blocks(one, sampler=sampler), frames))

    if original != "mute" and clip is not None:
        own = clip_audio(clip, frames)
        warnings += own.warnings
        heard = not own.warnings and float(_levels(own.blocks(), frames).max(initial=0)) > INAUDIBLE
    else:
        heard = False
    if clip is None or not heard:
        return Mix(
            frames,
            float(levels.max(initial=0)) * gain,
            _decibels(gain),
            levels,
            tuple(warnings),
            lambda: (block * np.float32(gain) for block in music()),
            stem,
        )
    gain *= _amplitude(BESIDE_ORIGINAL_DB)
    curve = np.ones(len(levels) + 1, np.float32)
    if original == "duck":
        drums = replace(score, tracks=tuple(track for track in score.tracks if track.is_drum))
        pushing = levels
        if len(drums.tracks) < len(score.tracks):
            pushing = _levels(_faded(render_blocks(drums, sampler=sampler), frames), frames)
        curve = _duck_curve(pushing * gain)

    def both() -> Blocks:
        begin = 0
        for ours, theirs in zip(music(), _in_blocks(clip_audio(clip, frames).blocks(), frames), strict=True):
            yield ours * np.float32(gain) + theirs * _at(curve, begin, len(ours))[:, None]
            begin += len(ours)

    limit = _limit_curve(_levels(both(), frames))

    def limited() -> Blocks:
        begin = 0
        for block in both():
            yield block * _at(limit, begin, len(block))[:, None]
            begin += len(block)

    peak = float(_levels(limited(), frames).max(initial=0))
    return Mix(frames, peak, _decibels(gain), levels, tuple(warnings), limited, stem)


def write_wav(blocks: Iterable[NDArray[np.float32]], path: str | Path) -> None:
    """Write sound as a 24-bit 48 kHz stereo WAV file.

    Args:
        blocks: (N, 2) float32 in [-1, 1].
        path: the file; wrap in `kinebeat.files.atomic_output` to have it appear whole.
    """
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(3)
        file.setframerate(RATE_HZ)
        for block in blocks:
            whole = np.round(np.clip(block, -1, 1) * (2**23 - 1)).astype("<i4")
            # The lower three of the four bytes of each sample.
            file.writeframesraw(whole.view(np.uint8).reshape(-1, 4)[:, :3].tobytes())


def counted(blocks: Blocks, frames: int, report: Callable[[float], None]) -> Blocks:
    """The same blocks, with word of how far they have come.

    Args:
        blocks: (n, 2) each.
        frames: length of them all.
        report: called with the share that has been taken.
    """
    done = 0
    for block in blocks:
        yield block
        done += len(block)
        report(done / max(frames, 1))


def envelope(blocks: Iterable[NDArray[np.float32]], frames: int, points: int) -> NDArray[np.float32]:
    """The outline of a sound, for drawing it.

    Args:
        blocks: (N, 2) float32 blocks, together `frames` long.
        frames: length of the sound.
        points: into how many equal stretches of time it is cut.

    Returns:
        (points, 2) float32: lowest and highest sample of either channel in each stretch.
    """
    outline = np.zeros((points, 2), np.float32)
    begin = 0
    for block in blocks:
        if len(block):
            place = (np.arange(begin, begin + len(block)) * points // max(frames, 1)).clip(0, points - 1)
            starts = np.flatnonzero(np.diff(place, prepend=-1))
            here = place[starts]
            outline[here, 0] = np.minimum(outline[here, 0], np.minimum.reduceat(block.min(axis=1), starts))
            outline[here, 1] = np.maximum(outline[here, 1], np.maximum.reduceat(block.max(axis=1), starts))
        begin += len(block)
    return outline


def _amplitude(decibels: float) -> float:
    return float(10 ** (decibels / 20))


def _decibels(amplitude: float) -> float:
    return float(20 * np.log10(max(amplitude, 1e-9)))


def _music_gain(peak: float) -> float:
    """The gain that brings the peak to `PEAK_DBFS`, but raises by no more than `MOST_GAIN_DB`."""
    return min(_amplitude(PEAK_DBFS) / max(peak, 1e-9), _amplitude(MOST_GAIN_DB))


def _faded(blocks: Blocks, frames: int) -> Blocks:
    """Let what still rings at the end of the clip go out in `FADE_S`, or in half of a shorter clip."""
    length = min(round(FADE_S * RATE_HZ), frames // 2)
    begin = 0
    for block in blocks:
        place = np.arange(begin, begin + len(block)) - (frames - length)
        begin += len(block)
        if length and place[-1] > 0:
            phase = np.clip(place / length, 0, 1)
            yield (block * np.cos(np.pi / 2 * phase)[:, None] ** 2).astype(np.float32)
        else:
            yield block


def _levels(blocks: Blocks, frames: int) -> NDArray[np.float32]:
    """Highest sample in every hop of a sound: (ceil(frames / HOP_FRAMES),) float32."""
    levels = np.zeros(-(-frames // HOP_FRAMES), np.float32)
    begin = 0
    for block in blocks:
        loud = np.abs(block).max(axis=1)
        place = np.arange(begin, begin + len(block)) // HOP_FRAMES
        starts = np.flatnonzero(np.diff(place, prepend=-1))
        if len(starts):
            here = place[starts]
            levels[here] = np.maximum(levels[here], np.maximum.reduceat(loud, starts))
        begin += len(block)
    return levels


def _at(curve: NDArray[np.float32], begin: int, size: int) -> NDArray[np.float32]:
    """A curve with a value at every hop's border, read at every sample from `begin` on."""
    place = np.arange(begin, begin + size) / HOP_FRAMES
    read: NDArray[np.float64] = np.interp(place, np.arange(len(curve)), curve)
    return read.astype(np.float32)


def _duck_curve(levels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Gain of the clip's own sound at every hop's border: at once down before a drum, slowly up after it."""
    release = np.exp(-HOP_FRAMES / RATE_HZ / DUCK_RELEASE_S)
    strength = np.zeros(len(levels) + 1)
    now = 0.0
    for hop, level in enumerate(levels):
        now = max(float(level), now * release)
        strength[hop] = now
    strength[1:] = np.maximum(strength[1:], strength[:-1])  # both borders of a hop are under its drum
    # A drum 20 dB below full scale pushes half as far as a full one, one 40 dB below not at all.
    push = np.clip(1 + np.log10(np.maximum(strength, 1e-6)) / 2, 0, 1)
    return np.asarray(10 ** ((DUCK_DB + DUCK_MORE_DB * push) / 20), np.float32)


def _limit_curve(levels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Gain at every hop's border that keeps each hop below `PEAK_DBFS`, moving gently.

    The gain needed is taken at its least over some hops around and then averaged over as many, which comes
    down in time and never rises above what is needed.
    """
    needed = np.minimum(1, _amplitude(PEAK_DBFS) / np.maximum(levels, 1e-9))
    padded = np.pad(needed, LIMIT_HOPS, constant_values=1)
    around = np.lib.stride_tricks.sliding_window_view(padded, 2 * LIMIT_HOPS).min(axis=1)  # one value per border
    smooth = np.pad(around, (LIMIT_HOPS // 2, LIMIT_HOPS - 1 - LIMIT_HOPS // 2), mode="edge")
    return np.asarray(np.lib.stride_tricks.sliding_window_view(smooth, LIMIT_HOPS).mean(axis=1), np.float32)


def _in_blocks(blocks: Blocks, frames: int) -> Blocks:
    """A sound of so many frames in blocks as long as those of `render_blocks`."""
    size = round(BLOCK_S * RATE_HZ)
    waiting = np.zeros((0, 2), np.float32)
    for begin in range(0, frames, size):
        wanted = min(size, frames - begin)
        parts = [waiting]
        while sum(len(part) for part in parts) < wanted:
            parts.append(next(blocks))
        waiting = np.concatenate(parts)
        yield waiting[:wanted]
        waiting = waiting[wanted:]
