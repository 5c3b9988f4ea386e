"""The beats of a song that somebody dances to, so that drums can join it; librosa hears them.

A song is read in blocks, so a long one needs hardly more memory than a short one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kinebeat.accompaniment.harmony import NO_CHORD
from kinebeat.accompaniment.parts import Chords
from kinebeat.background import Background, check_background
from kinebeat.beats.grid import BEATS_PER_BAR, STEPS_PER_BAR, BeatGrid
from kinebeat.errors import InputError
from kinebeat.song_chords import FFT as CHORD_FFT
from kinebeat.song_chords import HOP as CHORD_HOP
from kinebeat.song_chords import MOST_FRAMES, chords_of_tones, half_bar_tones
from kinebeat.synth import RATE_HZ

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from kinebeat.drums.track import DrumTrack
    from kinebeat.rhythm import Rhythm

SONG_HZ = RATE_HZ // 2
"""At which songs are listened to."""
HOP, FFT = 256, 2048
FRAME_S = HOP / SONG_HZ
LISTEN_S = 30.0
"""Of a song so much is heard, at least: a clip may be too short to tell a beat by."""
SILENT = 1e-8
"""What has less power than this share of the loudest is silence."""
LEAD_FRAMES = 8
TEMPO_FRAMES = 4096
BANDS = 40
"""Mel bands of the onset envelope."""
BASS_BANDS = 2
"""The lowest of them: where the bass drum is."""
BLOCK_FRAMES = 4096
LEAST_BEATS = 8
LEAST_PEAKS, LEAST_PULSE = 2.0, 1.15
"""How much stronger onsets are where beats are looked for than on the mean, and on beats made steady than between them,
at least, for there to be a beat."""
CLEAR_PULSE = 1.5
"""Below, a beat is not sure: the user is told."""
PHASES = 16
_HALF = STEPS_PER_BAR // 2
LATE_S = -0.022
"""By how much the onset envelope is late: it is early, since a frame looks ahead."""
STRAY = 0.15
"""A beat is believed if the gaps beside it are this near to whole beats."""


@dataclass(frozen=True)
class Song:
    """What is heard in a song.

    Attributes:
        path: the file.
        grid: its beats, in whole bars that cover the clip; `source` is "song".
        key: a number of `kinebeat.accompaniment.harmony`, for those who play along.
        chords: two for each bar of the grid; `NO_CHORD` where nothing is heard.
        pulse: how many times stronger its onsets are on the beats than anywhere; 1 is no beat.
        start_s: which second of the song falls on the clip's time 0.
    """

    path: Path
    grid: BeatGrid
    key: int
    chords: Chords
    pulse: float
    start_s: float = 0.0

    def over(self, duration_s: float) -> Song:
        """The same in as many bars as cover a clip that is longer or shorter than was thought."""
        grid = self.grid.moved(0.0, duration_s)
        half = np.floor(self.grid.step(grid.time_s(_HALF * (np.arange(grid.steps // _HALF) + 0.5))) / _HALF).astype(int)
        there = (half >= 0) & (half < len(self.chords.symbols))
        symbols = np.where(there, self.chords.symbols[np.where(there, half, 0)], NO_CHORD)
        return replace(self, grid=grid, chords=Chords(symbols))


def hear_song(
    path: str | Path,
    duration_s: float,
    progress: Callable[[float], None] | None = None,
    *,
    start_s: float = 0.0,
) -> Song:
    """Hear the beats of a song, or of a video's own sound.

    Args:
        path: a sound or video file.
        duration_s: length of the clip; the song is heard so far, at least `LISTEN_S`, and its beat goes on if it is
            shorter.
        progress: called with the share done, in [0, 1].
        start_s: which second of the song falls on the clip's time 0, from where it is heard; below 0 the song begins
            so much later.

    Raises:
        InputError: there is no sound in the file, or no beat in the sound.
    """
    path, report = Path(path), progress or (lambda _share: None)
    check_background(path)
    begin_s = max(0.0, start_s)
    loud, harmony = _listen(Background(path, begin_s), max(duration_s, LISTEN_S), lambda share: report(0.9 * share))
    level = loud.sum(0)
    sounding = np.flatnonzero(level > SILENT * level.max())
    remedy = "give a song with a clear beat, or leave the background out"
    if not len(sounding):
        where = f" from {begin_s:g} s on" if begin_s else ""
        raise InputError(path, f"no beat is heard in it: it is silent{where}", remedy)
    # What is silent before and after says nothing about the beat, but a first onset needs something before it.
    first, end = max(0, int(sounding[0]) - LEAD_FRAMES), int(sounding[-1]) + 1
    beats_s, downbeat, pulse = _beats(loud[:, first:end], harmony[:, first:end])
    if pulse < LEAST_PULSE:
        raise InputError(path, f"no steady beat is heard in {(end - first) * FRAME_S:.0f} s of it", remedy)
    grid = _in_bars(beats_s + first * FRAME_S + begin_s - start_s, downbeat, duration_s)
    bounds_s = grid.time_s(_HALF * np.arange(grid.steps // _HALF + 1)) + start_s - begin_s
    seconds = max(float(bounds_s[-1]), LISTEN_S)
    frames = round(seconds * RATE_HZ)
    pieces = (
        piece
        for piece, _ in _framed(Background(path, begin_s).blocks(frames), frames, CHORD_FFT, CHORD_HOP, MOST_FRAMES)
    )
    symbols, key = chords_of_tones(*half_bar_tones(pieces, SONG_HZ, bounds_s))
    report(1.0)
    return Song(path, replace(grid, confidence=1 - 1 / pulse), key, Chords(symbols), pulse, start_s)


def on_the_song(drums: DrumTrack, rhythm: Rhythm) -> DrumTrack:
    """Drums whose hits without an accent of the movement fall on the song's 16ths on the median.

    A drummer alone may be ahead of the beat by a constant that nobody hears; beside a song it is heard.

    Args:
        drums: what is played.
        rhythm: what it was played to.
    """
    free = drums.hits & ~(rhythm.accent > 0)[:, None]
    if not free.any():
        return drums
    moved = np.clip(drums.offsets - np.median(drums.offsets[free]), -0.5, np.nextafter(np.float32(0.5), np.float32(0)))
    return replace(drums, offsets=np.where(free, moved, drums.offsets).astype(np.float32))


def _listen(
    sound: Background, seconds: float, report: Callable[[float], None]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The power of a sound in `BANDS` mel bands and in 12 pitch classes, a column every `FRAME_S`."""
    import librosa

    mel, classes = [], []
    filters = librosa.filters.mel(sr=SONG_HZ, n_fft=FFT, n_mels=BANDS)
    chroma = librosa.filters.chroma(sr=SONG_HZ, n_fft=FFT)
    frames = round(seconds * RATE_HZ)
    for block, share in _framed(sound.blocks(frames), frames):
        spectrum = np.abs(librosa.stft(block, n_fft=FFT, hop_length=HOP, center=False)) ** 2
        mel.append((filters @ spectrum).astype(np.float32))
        classes.append((chroma @ spectrum).astype(np.float32))
        report(share)
    return np.concatenate(mel, 1), np.concatenate(classes, 1)


def _beats(power: NDArray[np.float32], harmony: NDArray[np.float32]) -> tuple[NDArray[np.float64], int, float]:
    """Beats in seconds, which of the first four begins a bar, and their `pulse`; 0 if there is no beat at all."""
    import librosa

    loudness = librosa.power_to_db(power, ref=np.max)
    onsets = librosa.onset.onset_strength(S=loudness, sr=SONG_HZ, hop_length=HOP, center=False)
    tempo_bpm = _tempo_bpm(onsets)
    _, frames = librosa.beat.beat_track(onset_envelope=onsets, sr=SONG_HZ, hop_length=HOP, bpm=tempo_bpm)
    if len(frames) < LEAST_BEATS or onsets[frames].mean() < LEAST_PEAKS * onsets.mean():
        return np.zeros(0), 0, 0.0
    beats_s = _steady(_between(onsets, frames) * FRAME_S - LATE_S)
    if len(beats_s) < LEAST_BEATS:
        return beats_s, 0, 0.0
    kicks = _rise(power[:BASS_BANDS]) - _rise(power[BASS_BANDS:])
    at = np.clip(np.rint((beats_s + LATE_S) / FRAME_S).astype(int), 0, len(onsets) - 1)
    return beats_s, _downbeat(kicks, harmony, at), _pulse(onsets, beats_s)


def _tempo_bpm(onsets: NDArray[np.float32]) -> float:
    """The tempo as `beat_track` itself would find it, from one stretch of the song after the other to save memory."""
    import librosa

    mean = 0.0
    for begin in range(0, len(onsets), TEMPO_FRAMES):
        piece = onsets[begin : begin + TEMPO_FRAMES]
        mean = mean + librosa.feature.tempogram(onset_envelope=piece, sr=SONG_HZ, hop_length=HOP).sum(1)
    return float(librosa.feature.tempo(tg=np.asarray(mean)[:, None] / len(onsets), sr=SONG_HZ, hop_length=HOP)[0])


def _pulse(onsets: NDArray[np.float32], beats_s: NDArray[np.float64]) -> float:
    """How many times stronger onsets are on steady beats than on the same beats moved, by all parts of a beat."""
    from scipy.ndimage import gaussian_filter1d

    near = gaussian_filter1d(onsets.astype(np.float64), 1.0)
    frame = (beats_s + LATE_S) / FRAME_S
    moves = np.arange(PHASES) / PHASES * np.median(np.diff(frame))
    found = np.interp(frame + moves[:, None], np.arange(len(near)), near).mean(1)
    return float(found[0] / max(float(found.mean()), 1e-9))


def _framed(
    blocks: Iterator[NDArray[np.float32]], frames: int, fft: int = FFT, hop: int = HOP, most: int = BLOCK_FRAMES
) -> Iterator[tuple[NDArray[np.float32], float]]:
    """Mono sound at `SONG_HZ` in pieces whose analysis frames follow on each other, and the share read so far.

    The first frame is centred on time 0, each later one `hop` later.
    """
    rest, read = np.zeros(fft // 2, np.float32), 0
    for block in blocks:
        read += len(block)
        even = block[: len(block) // 2 * 2].mean(1)
        # Half the rate by the mean of neighbours: what folds back is far above what beats are heard by.
        rest = np.concatenate([rest, even.reshape(-1, 2).mean(1)])
        count = (len(rest) - fft) // hop + 1
        if count >= most:
            yield rest[: (count - 1) * hop + fft], read / max(frames, 1)
            rest = rest[count * hop :]
    rest = np.concatenate([rest, np.zeros(fft, np.float32)])
    count = (len(rest) - fft) // hop + 1
    yield rest[: (count - 1) * hop + fft], 1.0


def _between(curve: NDArray[np.float32], frames: NDArray[np.int64]) -> NDArray[np.float64]:
    """Where between frames the peak of each beat is: the highest near it, by a parabola."""
    found = []
    for frame in frames:
        low = max(1, int(frame) - 2)
        near = curve[low : min(int(frame) + 3, len(curve) - 1)]
        top = low + int(near.argmax()) if len(near) else int(frame)
        if not 0 < top < len(curve) - 1:
            found.append(float(frame))
            continue
        before, peak, after = (float(x) for x in curve[top - 1 : top + 2])
        bend = before - 2 * peak + after
        found.append(top + (0.5 * (before - after) / bend if bend < 0 else 0.0))
    return np.array(found)


def _steady(heard_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Beats without strays and gaps, on a tempo that drifts but does not jump.

    A beat is believed if the gaps beside it are whole numbers of beats; all beats from the first to the last of them
    are put on a line through the nine believed ones nearest to it.
    """
    gaps = np.diff(heard_s)
    period_s = np.array([np.median(gaps[max(0, i - 8) : i + 9]) for i in range(len(gaps))])
    beats = np.maximum(1, np.rint(gaps / period_s))
    whole = np.abs(gaps / period_s - beats) < STRAY
    believed = np.append(whole, True) & np.insert(whole, 0, True)
    known, known_s = np.insert(np.cumsum(beats), 0, 0)[believed], heard_s[believed]
    if len(known) < 2:
        return np.asarray(known_s)
    found = []
    for beat in np.arange(known[0], known[-1] + 1):
        near = np.argsort(np.abs(known - beat), kind="stable")[:9]
        found.append(float(np.polyfit(known[near] - beat, known_s[near], 1)[1]))
    return np.array(found)


def _rise(power: NDArray[np.float32]) -> NDArray[np.float64]:
    """How much louder some bands (K, T) get from frame to frame, (T,) with mean 1; 0 where nothing sounds."""
    level = np.sqrt(power.sum(0, dtype=np.float64))
    return _even(np.maximum(0, np.diff(level, prepend=level[:1])))


def _even(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values whose mean size is 1."""
    return np.asarray(values / max(float(np.abs(values).mean()), 1e-9))


def _downbeat(kicks: NDArray[np.float64], classes: NDArray[np.float32], frames: NDArray[np.int64]) -> int:
    """Which of the first four beats begins a bar: where there is bass but no snare, and the harmony changes. A guess.

    Args:
        kicks: (T,) how much the bass rises more than all above it.
        classes: (12, T) pitch classes.
        frames: (B,) of the beats.
    """
    shape = classes / np.maximum(np.linalg.norm(classes, axis=0), 1e-9)
    between = [shape[:, a:b].mean(1) for a, b in pairwise(frames)]
    change = np.array([0.0, *(np.linalg.norm(b - a) for a, b in pairwise(between)), 0.0])
    struck = np.array([kicks[max(0, frame - 3) : frame + 4].sum() for frame in frames])
    scores = _even(struck) + _even(change)
    return int(np.argmax([scores[phase::BEATS_PER_BAR].mean() for phase in range(BEATS_PER_BAR)]))


def _in_bars(beats_s: NDArray[np.float64], first: int, duration_s: float) -> BeatGrid:
    """The beats in whole bars that cover the clip; beyond the ends the outermost tempo goes on."""
    grid = BeatGrid(beats_s, source="song")
    at = np.array([grid.step(0.0), grid.step(duration_s)]) / 4 - first
    bars = np.arange(np.floor(at[0] / BEATS_PER_BAR), np.ceil(at[1] / BEATS_PER_BAR) + 1)
    number = np.arange(bars[0] * BEATS_PER_BAR, bars[-1] * BEATS_PER_BAR + 1) + first
    return BeatGrid(grid.time_s(4 * number), source="song")
