"""The beat of songs, and the drums that join it (python benchmarks/song_beats.py CLIP... [--poses DIR]).

CLIP is a video with sound of its own. Onsets are looked for with another curve than the one that finds the beats: the
rise of a 21 ms spectrum, every 2.5 ms.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from common import finish
from kinebeat import pipeline, soundtrack
from kinebeat.audio import mix, write_wav
from kinebeat.beats.grid import STEPS_PER_BAR, STEPS_PER_BEAT, BeatGrid
from kinebeat.clip_audio import clip_audio
from kinebeat.drums.drummer import Drummer
from kinebeat.drums.kit import DRUMS
from kinebeat.drums.track import DrumTrack
from kinebeat.errors import InputError
from kinebeat.evaluation.alignment import pooled_alignment
from kinebeat.levels import K_WEIGHTING, decibels, loudness_lufs
from kinebeat.rhythm import LANDING_TOLERANCE_S
from kinebeat.score import score_from_drums
from kinebeat.song import hear_song
from kinebeat.synth import RATE_HZ
from kinebeat.video_in import probe

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from kinebeat.pipeline import Soundtrack

FFT, HOP, RISE = 1024, 120, 8
NEAR_S, FAR_S = 0.02, 0.06
EARLY_S = 0.0075
"""The curve is as early at our own drums' hits: a frame looks ahead."""
HIT_S = 0.05
CLEAR_DB = -6.0
"""A hit that is no quieter than this beside the song is heard clearly."""
DRIFT = 0.002
KICK, SNARE, HAT = ([drum.name for drum in DRUMS].index(name) for name in ("kick", "snare", "closed hi-hat"))


class Onsets:
    """How strongly a sound begins anew at each moment; 1 on the mean."""

    def __init__(self, path: Path, duration_s: float) -> None:
        import librosa

        sound = np.concatenate(list(clip_audio(path, round(duration_s * RATE_HZ)).blocks())).mean(1)
        power = np.abs(librosa.stft(sound, n_fft=FFT, hop_length=HOP, center=True))
        loud = np.log1p(100 * power / (power.max() + 1e-9))
        rise = np.maximum(0, loud[:, RISE:] - loud[:, :-RISE]).sum(0)
        self.strength = rise / max(float(rise.mean()), 1e-9)
        self.time_s = (np.arange(len(rise)) + RISE / 2) * HOP / RATE_HZ + EARLY_S
        self.end_s = duration_s

    def at(self, times_s: ArrayLike) -> float:
        """Mean of the strongest within `NEAR_S` of each time."""
        found = []
        for time_s in np.asarray(times_s):
            near = np.abs(self.time_s - time_s) <= NEAR_S
            if FAR_S / 2 < time_s < self.end_s - FAR_S / 2 and near.any():
                found.append(self.strength[near].max())
        return float(np.mean(found)) if found else float("nan")

    def away_ms(self, times_s: NDArray[np.float64]) -> float:
        """Median distance from each time to the nearest onset, of those that have one within `FAR_S`."""
        middle = self.strength[1:-1]
        top = (middle > self.strength[:-2]) & (middle >= self.strength[2:]) & (middle > 1.5)
        peaks_s = self.time_s[1:-1][top]
        away_s = (peaks_s - times_s[:, None])[np.arange(len(times_s)), np.abs(peaks_s - times_s[:, None]).argmin(1)]
        near = np.abs(away_s) < FAR_S
        return 1000 * float(np.median(away_s[near])) if near.any() else float("nan")


def beat_figures(path: Path, duration_s: float) -> dict[str, Any]:
    """What is heard in a sound, and how strong its onsets are on the beats and between them."""
    try:
        song = hear_song(path, duration_s)
    except InputError as error:
        return {"note": f"refused: {error.problem}"}
    onsets, beats_s = Onsets(path, duration_s), song.grid.inside(duration_s)
    period_s = 60 / song.grid.tempo_bpm
    between = [onsets.at(beats_s + eighth / 8 * period_s) for eighth in range(1, 8)]
    return {
        "tempo_bpm": song.grid.tempo_bpm,
        "pulse": song.pulse,
        "onset_on_beats": onsets.at(beats_s),
        "onset_between_least": min(between),
        "onset_between_most": max(between),
        "onset_after_beat_ms": onsets.away_ms(beats_s),
    }


def playing_figures(path: Path, pose: Path) -> dict[str, Any]:
    """What the drums do on the song's beat, and how they stand out of the song."""
    made = soundtrack(path, pose=pose, background="clip")
    # The same with the tolerance of a soundtrack alone.
    usual, pipeline.SONG_TOLERANCE_S = pipeline.SONG_TOLERANCE_S, LANDING_TOLERANCE_S
    try:
        strict = soundtrack(path, pose=pose, background="clip")
    finally:
        pipeline.SONG_TOLERANCE_S = usual
    hits_s = np.unique(made.score.tracks[0].time_s.round(4))
    free_ms = 1000 * np.abs(off_grid_s(made)[1])
    drums = Drummer().play(made.rhythm, seed=made.settings.seed, density=made.settings.density)
    step, drum = np.nonzero(drums.hits & ~(made.rhythm.accent > 0)[:, None])
    early_s = made.grid.time_s(step + drums.offsets[step, drum]) - made.grid.time_s(step)
    accents = np.flatnonzero(made.rhythm.accent > 0)
    on_beats = hits_s[np.rint(made.grid.step(hits_s)).astype(int) % STEPS_PER_BEAT == 0]
    return {
        "accents": len(accents),
        "accents_played": float(made.drums.hits[accents].any(1).mean()) if len(accents) else float("nan"),
        "onset_at_hits_on_beats": Onsets(path, made.duration_s).at(on_beats),
        "alignment": pooled_alignment([made.events()]).score,
        "alignment_15_ms": pooled_alignment([strict.events()]).score,
        "hits_off_beat_p90_ms": percentile(1000 * np.abs(off_grid_s(made)[0]), 90),
        "hits_off_beat_p90_15_ms": percentile(1000 * np.abs(off_grid_s(strict)[0]), 90),
        "drummer_off_ms": percentile(1000 * early_s, 50),
        "no_accent_off_p90_ms": percentile(free_ms, 90),
        **mix_figures(made, hits_s),
    }


def off_grid_s(made: Soundtrack) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How far hits on beats are off them, and how far all hits without an accent are off their 16th."""
    step, drum = np.nonzero(made.drums.hits)
    away_s = made.grid.time_s(step + made.drums.offsets[step, drum]) - made.grid.time_s(step)
    return away_s[step % STEPS_PER_BEAT == 0], away_s[~(made.rhythm.accent > 0)[step]]


def mix_figures(made: Soundtrack, hits_s: NDArray[np.float64]) -> dict[str, float]:
    """Drums beside the song in the first `HIT_S` of each hit, K-weighted, and how much louder the whole is."""
    from scipy.signal import sosfilt

    mixed = mix(made.score, background=made.background)
    drums, song, whole = (np.concatenate(list(s)) for s in (mixed.stem(0), mixed.stem(1), mixed.blocks()))
    power = [np.square(sosfilt(K_WEIGHTING, sound, axis=0)).sum(1) for sound in (drums, song)]
    size = round(HIT_S * RATE_HZ)
    begins = [at for at in np.round(hits_s * RATE_HZ).astype(int) if at + size <= len(drums)]
    ours, theirs = (np.array([sound[at : at + size].mean() for at in begins]) for sound in power)
    beside_db = 10 * np.log10((ours + 1e-12) / (theirs + 1e-12))
    return {
        "hits_beside_song_db": percentile(beside_db, 50),
        "hits_clear": float(np.mean(beside_db > CLEAR_DB)),
        "louder_by_db": loudness_lufs([whole], len(whole)) - loudness_lufs([song], len(song)),
        "peak_dbfs": decibels(mixed.peak),
    }


def percentile(values: NDArray[np.float64], which: float) -> float:
    """NaN of nothing."""
    return float(np.percentile(values, which)) if len(values) else float("nan")


def drum_song(path: Path, beats_s: NDArray[np.float64]) -> Path:
    """Kick, snare and quarters on the hi-hat at known beats."""
    hits = np.zeros((STEPS_PER_BEAT * (len(beats_s) - 1), len(DRUMS)), bool)
    hits[::STEPS_PER_BAR, KICK] = hits[10::STEPS_PER_BAR, KICK] = hits[4::8, SNARE] = hits[::4, HAT] = True
    track = DrumTrack(BeatGrid(beats_s), hits, 0.8 * hits.astype(np.float32), np.zeros(hits.shape, np.float32))
    write_wav(mix(score_from_drums(track, float(beats_s[-1]))).blocks(), path)
    return path


def known_figures(path: Path, beats_s: NDArray[np.float64]) -> dict[str, Any]:
    """What is heard of beats that are known."""
    song = hear_song(path, float(beats_s[-1]))
    known_s = beats_s[(beats_s > 0) & (beats_s < beats_s[-1])]
    away_s = song.grid.beats_s[np.abs(song.grid.beats_s - known_s[:, None]).argmin(1)] - known_s
    bars_s = beats_s[4:-4:4]
    found = np.abs(song.grid.beats_s[::4] - bars_s[:, None]).min(1) < NEAR_S
    return {
        "tempo_bpm": song.grid.tempo_bpm,
        "pulse": song.pulse,
        "onset_after_beat_ms": Onsets(path, float(beats_s[-1])).away_ms(song.grid.inside(float(beats_s[-1]))),
        "off_known_median_ms": 1000 * float(np.median(away_s)),
        "off_known_most_ms": 1000 * float(np.abs(away_s).max()),
        "bars_right": float(found.mean()),
    }


def made_rows(folder: Path) -> list[dict[str, Any]]:
    """Our own drums, and noise."""
    rows = []
    for tempo_bpm, drift in ((84.0, 0.0), (110.0, DRIFT), (120.0, 0.0), (133.0, 0.0)):
        lengths_s = 60 / tempo_bpm * (1 + drift) ** np.arange(64)
        beats_s = np.concatenate([[0.0], np.cumsum(lengths_s)]) - 78 / tempo_bpm
        path = drum_song(folder / f"{tempo_bpm:.0f}.wav", beats_s)
        name = f"our drums, {tempo_bpm:.0f} BPM" + (f", each beat {drift:.1%} longer" if drift else "")
        rows.append({"name": name, **known_figures(path, beats_s)})
    sound = 0.1 * np.random.default_rng(0).standard_normal((30 * RATE_HZ, 2)).astype(np.float32)
    write_wav([sound], folder / "noise.wav")
    rows.append({"name": "noise", **beat_figures(folder / "noise.wav", len(sound) / RATE_HZ)})
    return rows


def main() -> None:
    """Measure and write benchmarks/results/song_beats.json."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("clips", type=Path, nargs="*")
    parser.add_argument("--poses", type=Path, help="folder of keypoints CLIP.npz; what has none is not played to")
    options = parser.parse_args()
    start = time.perf_counter()
    rows = []
    for clip in options.clips:
        found = {"name": clip.stem, **beat_figures(clip, probe(clip).duration_s)}
        pose = None if options.poses is None else options.poses / f"{clip.name}.npz"
        if pose is not None and pose.is_file() and "note" not in found:
            found |= playing_figures(clip, pose)
        rows.append(found)
    with tempfile.TemporaryDirectory() as folder:
        rows += made_rows(Path(folder))
    finish(
        "song_beats",
        "The beat of songs and the drums that join it",
        rows,
        data=f"{len(options.clips)} clips with sound of their own; our own drums at known beats; noise",
        seconds=time.perf_counter() - start,
    )


if __name__ == "__main__":
    main()
