"""The sound of a finished soundtrack: music, and the clip's own sound if wanted, mixed to 48 kHz stereo.

Everything goes through in blocks, twice: once to learn the levels (a number per 10 ms), once to write. So a
long clip needs hardly more memory than a short one.
"""

from __future__ import annotations

import io
import wave
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from kinebeat.balance import balanced
from kinebeat.clip_audio import clip_audio
from kinebeat.errors import OptionError
from kinebeat.faders import ORIGINAL, check_faders, faded, summed, track_names
from kinebeat.levels import HOP_FRAMES, SILENT_LUFS, amplitude, decibels, levels, limit_curve, loudness_lufs, shaped
from kinebeat.soundfont import SoundFont, open_soundfont
from kinebeat.synth import BLOCK_S, RATE_HZ, Sampler, missing_programs, render, render_blocks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from kinebeat.background import Background
    from kinebeat.score import Score

    Blocks = Iterator[NDArray[np.float32]]

__all__ = [
    "RATE_HZ",
    "Mix",
    "counted",
    "envelope",
    "mix",
    "pcm_16",
    "render",
    "render_blocks",
    "wav_16",
    "write_wav",
]

Original = Literal["keep", "duck", "mute"]

PEAK_DBFS = -2.0  # of the samples; AAC then stays below -1 (see `video_out.AUDIO_BITS_PER_S`)
MOST_GAIN_DB = 9.0  # quiet music is made louder by no more than this, so that quiet stays quiet
BESIDE_ORIGINAL_DB = -4.0  # the music's level where the clip's own sound plays on
INAUDIBLE = 0.001  # a sound track that never gets louder than this is an empty one
BESIDE_SONG_DB = -4.0  # the drums' loudness beside that of a song, each while it sounds
QUIET_DB = 6.0  # drums whose peak alone would be lower by more than this stay as much quieter under a song
MOST_SONG_GAIN_DB = 20.0  # a quiet recording and the drums under it are made louder by no more than this
LIMITED_DB = 1.0  # of the sum of music and song the limiter takes off no more
SONG_FADE_S = 1.0  # a song that is longer than the clip goes out in
DUCK_DB = -6.0  # the clip's own sound under music
DUCK_MORE_DB = -10.0  # and how much further a drum pushes it
DUCK_RELEASE_S = 0.35
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
        """One track of the score alone, as it is in the music without the clip's own sound; they add up to it.

        With a background they are as they are in the whole mix, and the background is the one after the last track.
        With faders they are at their levels, as they are before the limiter. Several may be drawn side by side.
        """
        return self._draw_track(track)

    def blocks(self) -> Blocks:
        """The finished sound: (N, 2) float32 blocks, 48 kHz."""
        return self._draw()


def mix(
    score: Score,
    *,
    soundfont: Sampler | SoundFont | str | Path | None = None,
    clip: str | Path | None = None,
    original: Original = "mute",
    background: Background | None = None,
    levels_db: Mapping[str, float | None] | None = None,
) -> Mix:
    """Mix the music of a score with the clip's own sound or a song; as long as the clip, peak at most `PEAK_DBFS`.

    Args:
        score: the music.
        soundfont: an opened font, its path, or None for the one that `find_soundfont` finds; a sampler remembers the
            waves of notes from one mix to the next, which sounds the same and is sooner there.
        clip: the video whose sound is kept or ducked; None or a video without sound is silence.
        original: "keep" leaves the clip's sound as it is, "duck" lowers it and lowers it further under every
            drum, "mute" leaves it out.
        background: a song that the music joins, `BESIDE_SONG_DB` below it; `clip` is not heard then.
        levels_db: faders by the names of tracks in lower case, "background" and "original", the clip's own sound; None
            mutes. A track that is not named stays as it is, the clip's own sound is muted unless it is named. What is
            too loud together is limited. With faders `original` has to be "mute".

    Raises:
        InputError: the soundfont or the clip cannot be used.
        OptionError: `original` is none of the three, or a fader is outside what it may be.
    """
    if original not in get_args(Original):
        raise OptionError(f"original sound {original!r} is unknown; choose one of {', '.join(get_args(Original))}")
    names = track_names(score, joined=background is not None)
    if levels_db is not None:
        check_faders(levels_db, names, original)
    if isinstance(soundfont, Sampler):
        sampler = soundfont
    else:  # music is rendered twice, and once more for stems
        sampler = Sampler(soundfont if isinstance(soundfont, SoundFont) else open_soundfont(soundfont))
    warnings = missing_programs(score, sampler.font)
    score = balanced(score, sampler)
    frames = round(score.duration_s * RATE_HZ)

    def music() -> Blocks:
        return _faded(render_blocks(score, sampler=sampler), frames)

    heard = levels(music(), frames)
    gain = _music_gain(float(heard.max(initial=0)))
    if background is not None:
        joined = _joined(score, sampler, background, heard)
        if joined is not None:
            joined = replace(joined, warnings=tuple(warnings))
            return joined if levels_db is None else _at_faders(joined, names, levels_db, None)
        warnings.append(f"{background.path.name} is silent for as long as the clip lasts")

    def stem(track: int) -> Blocks:
        if background is not None and track == len(score.tracks):
            return background.blocks(frames)
        return (block * np.float32(gain) for block in _played(score, sampler, frames, track))

    alone = Mix(
        frames,
        float(heard.max(initial=0)) * gain,
        decibels(gain),
        heard,
        tuple(warnings),
        lambda: (block * np.float32(gain) for block in music()),
        stem,
    )
    if levels_db is not None:
        wanted = clip is not None and levels_db.get(ORIGINAL) is not None
        return _at_faders(alone, names, levels_db, clip if wanted else None)
    if original == "mute" or clip is None or background is not None:
        return alone
    own = clip_audio(clip, frames)
    alone = replace(alone, warnings=(*warnings, *own.warnings))
    if own.warnings or float(levels(own.blocks(), frames).max(initial=0)) <= INAUDIBLE:
        return alone
    beside = gain * amplitude(BESIDE_ORIGINAL_DB)
    curve = np.ones(len(heard) + 1, np.float32)
    if original == "duck":
        drums = replace(score, tracks=tuple(track for track in score.tracks if track.is_drum))
        pushing = heard
        if len(drums.tracks) < len(score.tracks):
            pushing = levels(_faded(render_blocks(drums, sampler=sampler), frames), frames)
        curve = _duck_curve(pushing * beside)

    def both() -> Blocks:
        theirs = shaped(_in_blocks(clip_audio(clip, frames).blocks(), frames), curve)
        for ours, own_block in zip(music(), theirs, strict=True):
            yield ours * np.float32(beside) + own_block

    return replace(_limited(alone, both), gain_db=decibels(beside))


def _limited(mixed: Mix, draw: Callable[[], Blocks]) -> Mix:
    """The same mix with another sound, of which the limiter takes off what is above `PEAK_DBFS`."""
    raw = levels(draw(), mixed.frames)
    limit = limit_curve(raw, amplitude(PEAK_DBFS))
    if (limit == 1).all():
        return replace(mixed, peak=float(raw.max(initial=0)), _draw=draw)

    def limited() -> Blocks:
        return shaped(draw(), limit)

    return replace(mixed, peak=float(levels(limited(), mixed.frames).max(initial=0)), _draw=limited)


def _at_faders(
    mixed: Mix, names: tuple[str, ...], levels_db: Mapping[str, float | None], clip: Path | str | None
) -> Mix:
    """A mix whose stems are at other levels, and the clip's own sound beside them if there is a clip."""
    own = None if clip is None else clip_audio(clip, mixed.frames)

    def stem(track: int) -> Blocks:
        return faded(mixed.stem(track), levels_db.get(names[track], 0.0))

    def all_of_it() -> Blocks:
        sounds = [stem(track) for track, name in enumerate(names) if levels_db.get(name, 0.0) is not None]
        if own is not None:
            sounds.append(faded(_in_blocks(own.blocks(), mixed.frames), levels_db[ORIGINAL]))
        return summed(sounds or [faded(mixed.blocks(), None)])

    warnings = mixed.warnings if own is None else (*mixed.warnings, *own.warnings)
    return replace(_limited(mixed, all_of_it), warnings=warnings, _draw_track=stem)


def _joined(score: Score, sampler: Sampler, background: Background, heard: NDArray[np.float32]) -> Mix | None:
    """The music of a score under a song; None if the song is silent.

    One gain for all brings the sum to `LIMITED_DB` above the peak, and the limiter takes that off: it acts on few
    moments and so little that it is not heard.

    Args:
        score: the music, balanced.
        sampler: plays it.
        background: the song.
        heard: (H,) levels of the music.
    """
    frames = round(score.duration_s * RATE_HZ)
    song_levels = levels(background.blocks(frames), frames)
    if float(song_levels.max(initial=0)) <= INAUDIBLE:
        return None
    fade = _fade_curve(song_levels)

    def song() -> Blocks:
        return shaped(_in_blocks(background.blocks(frames), frames), fade)

    def music() -> Blocks:
        return _faded(render_blocks(score, sampler=sampler), frames)

    drums = replace(score, tracks=tuple(track for track in score.tracks if track.is_drum))
    drums_lufs = loudness_lufs(_faded(render_blocks(drums, sampler=sampler), frames), frames)
    under = amplitude(_under_song_db(loudness_lufs(song(), frames), drums_lufs, float(heard.max(initial=0))))

    def both() -> Blocks:
        return (theirs + ours * np.float32(under) for ours, theirs in zip(music(), song(), strict=True))

    raw = levels(both(), frames)
    whole = min(amplitude(PEAK_DBFS + LIMITED_DB) / max(float(raw.max()), 1e-9), amplitude(MOST_SONG_GAIN_DB))
    curve = limit_curve(raw * np.float32(whole), amplitude(PEAK_DBFS)) * np.float32(whole)

    def stem(track: int) -> Blocks:
        if track == len(score.tracks):
            return shaped(song(), curve)
        return (block * np.float32(under) for block in shaped(_played(score, sampler, frames, track), curve))

    peak = float(levels(shaped(both(), curve), frames).max(initial=0))
    return Mix(frames, peak, decibels(under * whole), heard, (), lambda: shaped(both(), curve), stem)


def _under_song_db(song_lufs: float, drums_lufs: float, peak: float) -> float:
    """What is done to the music's level so that its drums are heard with a song.

    Drums that alone would stay quiet (`_music_gain`) are not made loud here either.

    Args:
        song_lufs: loudness of the song while it sounds.
        drums_lufs: that of the drums, as the soundfont plays them.
        peak: highest sample of the music, as the soundfont plays it.
    """
    if drums_lufs <= SILENT_LUFS:
        return decibels(_music_gain(peak))
    quiet_db = PEAK_DBFS - decibels(peak * _music_gain(peak))
    return song_lufs + BESIDE_SONG_DB - drums_lufs - max(0.0, quiet_db - QUIET_DB)


def _played(score: Score, sampler: Sampler, frames: int, track: int) -> Blocks:
    """One track of a score alone."""
    return _faded(render_blocks(replace(score, tracks=(score.tracks[track],)), sampler=sampler), frames)


def _fade_curve(song_levels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Gain of a song at every hop's border: it fades out where it ends, or longer where the clip ends before it."""
    hops = len(song_levels)
    end = int(np.flatnonzero(song_levels > INAUDIBLE)[-1]) + 1
    length_s = SONG_FADE_S if end == hops else FADE_S
    length = max(1.0, min(length_s * RATE_HZ / HOP_FRAMES, hops / 4))
    phase = np.clip((np.arange(hops + 1) - (end - length)) / length, 0, 1)
    return np.asarray(np.cos(np.pi / 2 * phase) ** 2, np.float32)


def write_wav(blocks: Iterable[NDArray[np.float32]], path: str | Path) -> float:
    """Write sound as a 24-bit 48 kHz stereo WAV file.

    Args:
        blocks: (N, 2) float32 in [-1, 1]; what is beyond is cut off.
        path: the file; wrap in `kinebeat.files.atomic_output` to have it appear whole.

    Returns:
        The highest sample that there was.
    """
    peak = 0.0
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(3)
        file.setframerate(RATE_HZ)
        for block in blocks:
            peak = max(peak, float(np.abs(block).max(initial=0)))
            whole = np.round(np.clip(block, -1, 1) * (2**23 - 1)).astype("<i4")
            # The lower three of the four bytes of each sample.
            file.writeframesraw(whole.view(np.uint8).reshape(-1, 4)[:, :3].tobytes())
    return peak


def pcm_16(samples: NDArray[np.float32]) -> bytes:
    """Sound as 16-bit samples without a head: (N, 2) float32 in [-1, 1]; what is beyond is cut off."""
    whole: NDArray[np.int16] = np.round(np.clip(samples, -1, 1) * 32767).astype("<i2")
    return whole.tobytes()


def wav_16(samples: bytes) -> bytes:
    """Samples from `pcm_16` as a WAV file; browsers do not take 24 bits everywhere."""
    target = io.BytesIO()
    with wave.open(target, "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframesraw(samples)
    return target.getvalue()


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
            outline[here, 0] = np.minimum(outline[here, 0], np.minimum.reduceat(np.minimum(*block.T), starts))
            outline[here, 1] = np.maximum(outline[here, 1], np.maximum.reduceat(np.maximum(*block.T), starts))
        begin += len(block)
    return outline


def _music_gain(peak: float) -> float:
    """The gain that brings the peak to `PEAK_DBFS`, but raises by no more than `MOST_GAIN_DB`."""
    return min(amplitude(PEAK_DBFS) / max(peak, 1e-9), amplitude(MOST_GAIN_DB))


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
