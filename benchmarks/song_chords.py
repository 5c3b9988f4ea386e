"""The chords that are heard in songs, and who plays on them (python benchmarks/song_chords.py --data DIR).

Songs are 16 bars of MIDI files, played by our own synthesizer with all that the files have: drums, piano, guitar, bass.
Their chords are found in the notes (`kinebeat.accompaniment.harmony`).
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from common import finish
from kinebeat.accompaniment.accompanist import Accompanist
from kinebeat.accompaniment.corpus import SPLITS
from kinebeat.accompaniment.harmony import (
    NO_CHORD,
    QUALITIES,
    TEMPLATES,
    scale_pitch_classes,
)
from kinebeat.accompaniment.limits import tonic_chord
from kinebeat.accompaniment.multitrack import INDEX, MANIFEST, find_folder, read_files, read_table
from kinebeat.accompaniment.parts import INSTRUMENTS, POSITIONS_PER_BAR, POSITIONS_PER_BEAT, SEGMENT_BARS
from kinebeat.accompaniment.songs import harmony_of, on_grid, read_song, tempo_of
from kinebeat.audio import mix, write_wav
from kinebeat.beats.grid import BEATS_PER_BAR, STEPS_PER_BAR, BeatGrid
from kinebeat.drums.kit import DRUMS
from kinebeat.drums.track import DrumTrack
from kinebeat.errors import InputError
from kinebeat.evaluation.part_sets import evenly
from kinebeat.score import Score, Track
from kinebeat.song import hear_song

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

PITCHED_DB = -3.0
"""How loud piano, guitar and bass are beside the drums."""
LOOKS = 8
"""At so many moments of each half bar chords are compared."""
_THIRD = np.array([intervals[1] for intervals in QUALITIES.values()] + [0])


@dataclass(frozen=True)
class Known:
    """A song whose chords are known: `symbols` for half bars that begin at `bounds_s`."""

    score: Score
    symbols: NDArray[np.int64]
    bounds_s: NDArray[np.float64]
    key: int

    def at(self, time_s: NDArray[np.float64]) -> NDArray[np.int64]:
        """The chord at some times; N outside."""
        half = np.searchsorted(self.bounds_s, time_s, side="right") - 1
        there = (half >= 0) & (half < len(self.symbols))
        return np.where(there, self.symbols[np.where(there, half, 0)], NO_CHORD)


def known_songs(data: Path, split: str, most: int) -> Iterator[Known]:
    """One place in each of some songs, spread evenly over a split."""
    folder = find_folder(data)
    group = {row["file"]: row["song_group"] for row in read_table(folder / MANIFEST, ("file", "song_group"))}
    places = {}
    for row in read_table(folder / INDEX, ("file", "start_tick", "split")):
        if row["split"] == SPLITS[split]:
            places.setdefault(group[row["file"]], (row["file"], int(row["start_tick"])))
    chosen = dict(evenly([places[name] for name in sorted(places)], most))
    for name, content in read_files(folder, set(chosen)):
        song, start = read_song(content), chosen[name]
        harmony, beat_s = harmony_of(song, start), 60 / tempo_of(song, start)
        tracks = []
        for track in song.tracks:
            notes = on_grid(song, track.notes, start)
            notes = notes[(notes[:, 0] >= 0) & (notes[:, 0] < SEGMENT_BARS * POSITIONS_PER_BAR)]
            begin, length, pitch, velocity = notes[np.argsort(notes[:, 0], kind="stable")].T
            drums = track.player == "DRUMS"
            times_s = begin * beat_s / POSITIONS_PER_BEAT, length * beat_s / POSITIONS_PER_BEAT
            loud, program, level = np.clip(velocity, 1, 127), 0 if drums else track.program, 0 if drums else PITCHED_DB
            if len(begin):
                tracks.append(Track(track.player, program, drums, *times_s, pitch, loud, level_db=level))
        tracks.sort(key=lambda track: not track.is_drum)
        beats_s = np.arange(SEGMENT_BARS * BEATS_PER_BAR + 1) * beat_s
        score = Score(tuple(tracks), BeatGrid(beats_s), float(beats_s[-1]))
        yield Known(score, harmony.chords.symbols, beats_s[:: BEATS_PER_BAR // 2], harmony.key)


def right(known: Known, heard: NDArray[np.int64], grid: BeatGrid) -> float:
    """For which share of the time that the song has a chord its root and third are heard."""
    step = np.diff(known.bounds_s)[0] / LOOKS
    time_s = np.arange(len(known.symbols) * LOOKS) * step + step / 2
    half = np.clip(np.floor(grid.step(time_s) / (STEPS_PER_BAR // 2)).astype(int), 0, len(heard) - 1)
    true, said = known.at(time_s), heard[half]
    same = (true // len(QUALITIES) == said // len(QUALITIES)) & (third(true) == third(said))
    return float(same[true != NO_CHORD].mean())


def third(chord: NDArray[np.int64]) -> NDArray[np.int64]:
    """Semitones from root to third."""
    return np.where(chord == NO_CHORD, 0, _THIRD[chord % len(QUALITIES)])


def in_chord(known: Known, time_s: NDArray[np.float64], pitch: NDArray[np.int64]) -> tuple[int, int]:
    """How many notes belong to the song's chord where they begin, and how many there are."""
    chord = known.at(time_s + 1e-6)
    there = chord != NO_CHORD
    return int(TEMPLATES[chord[there], pitch[there] % 12].sum()), int(there.sum())


def plain_drums(grid: BeatGrid) -> DrumTrack:
    """Eighths, kick and snare, for the accompanist to play to."""
    names = [drum.name for drum in DRUMS]
    hits = np.zeros((grid.steps, len(DRUMS)), bool)
    hits[::2, names.index("closed hi-hat")] = hits[::8, names.index("kick")] = hits[4::8, names.index("snare")] = True
    return DrumTrack(grid, hits, 0.6 * hits.astype(np.float32), np.zeros(hits.shape, np.float32))


def main() -> None:
    """Measure and write benchmarks/results/song_chords.json."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder that holds the multi-track corpus")
    parser.add_argument("--split", choices=list(SPLITS), default="validation")
    parser.add_argument("--songs", type=int, default=20)
    options = parser.parse_args()
    start = time.perf_counter()
    shares: dict[str, list[float]] = defaultdict(list)
    notes: dict[str, list[tuple[int, int]]] = defaultdict(list)
    refused = 0
    accompanist = Accompanist()
    with tempfile.TemporaryDirectory() as folder:
        for number, known in enumerate(known_songs(options.data, options.split, options.songs)):
            path = Path(folder) / "song.wav"
            write_wav(mix(known.score).blocks(), path)
            try:
                song = hear_song(path, known.score.duration_s)
            except InputError:
                refused += 1
                continue
            shares["chords as heard"].append(right(known, song.chords.symbols, song.grid))
            for name, key in (("the tonic of the key as heard", song.key), ("the tonic of the true key", known.key)):
                tonic = np.full(len(song.chords.symbols), tonic_chord(key))
                shares[f"always {name}"].append(right(known, tonic, song.grid))
            shares["key as heard"].append(float(song.key == known.key))
            scale, true = set(scale_pitch_classes(song.key)), set(scale_pitch_classes(known.key))
            shares["notes of the scale as heard"].append(len(scale & true) / len(true))
            for name, chords in (("key alone", None), ("key and chords", song.chords)):
                made = accompanist.play(
                    plain_drums(song.grid),
                    INSTRUMENTS,
                    duration_s=known.score.duration_s,
                    key=song.key,
                    chords=chords,
                    seed=number,
                )
                for one in made:
                    found = in_chord(known, one.times_s()[0], one.part.pitch)
                    notes[f"{one.instrument} on the {name}"].append(found)
            for track in known.score.tracks:
                if not track.is_drum:
                    notes["the song itself"].append(in_chord(known, track.time_s, track.pitch))
    rows: list[dict[str, object]] = [
        {
            "name": name,
            "songs": len(found),
            "share": float(np.mean(found)),
            "worst_quarter": float(np.percentile(found, 25)),
        }
        for name, found in shares.items()
    ]
    for name, found in notes.items():
        inside, total = np.sum(found, 0).tolist()
        rows.append({"name": f"notes in the song's chord: {name}", "share": inside / total, "notes": total})
    finish(
        "song_chords",
        "Chords of songs, and notes played on them",
        rows,
        data=f"multi-track corpus, {options.split} split, 16 bars of {options.songs} songs ({refused} refused: no "
        "beat), played by our synthesizer; share of the time with root and third right, of keys, of notes",
        seconds=time.perf_counter() - start,
    )


if __name__ == "__main__":
    main()
