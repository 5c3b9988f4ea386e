"""The music that the accompaniment learns from: `python -m kinebeat.accompaniment.corpus --data DIR --out CORPUS`.

Reads the multi-track corpus (MIDI files, `manifest.csv`, `segments.csv`) into segments of 16 bars and keeps them in one
file per split. Splits never share a song.
"""

from __future__ import annotations

import argparse
import zipfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kinebeat.accompaniment.multitrack import INDEX, MANIFEST, find_folder, read_files, read_table
from kinebeat.accompaniment.parts import INSTRUMENTS, POSITIONS_PER_BAR, SEGMENT_BARS, Chords, DrumBars, Part
from kinebeat.accompaniment.songs import Harmony, drums_of, harmony_of, part_of, read_song, tempo_of
from kinebeat.errors import InputError
from kinebeat.files import atomic_output

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from numpy.typing import NDArray

SPLITS = {"train": "train", "validation": "valid", "test": "test"}
"""The splits, and what `segments.csv` calls them."""
LEAST_DRUM_BARS, LEAST_PART_BARS = 12, 8
"""In how many of the 16 bars the drums and the instrument play. `segments.csv` has asked so of all drums and players of
a file; we ask it again of our nine drums and the player chosen."""
_FORMAT = 1
_REMEDY = "make the corpus with python -m kinebeat.accompaniment.corpus"


@dataclass(frozen=True)
class Segment:
    """16 bars of a song.

    Attributes:
        part: what the instrument plays.
        drums: what the drums play.
        chords: the song's, all its pitched instruments together.
        key: the song's in these bars.
        tempo_bpm: the mean of these bars.
        instrument: one of `INSTRUMENTS`.
        file: which file it comes from.
        song: which song; files of one song, in whatever arrangement, have the same.
        start_bar: of the file, from 0.
    """

    part: Part
    drums: DrumBars
    chords: Chords
    key: int
    tempo_bpm: float
    instrument: str
    file: str
    song: str
    start_bar: int


@dataclass(frozen=True, eq=False)
class Segments:
    """Many segments in flat arrays; `segments[i]` is one of them.

    Attributes:
        notes: (M, 4) int16, all parts after each other: onset, duration, pitch, velocity.
        note_from: (N + 1,) where each segment's notes begin.
        hits: (H, 3) int16, all drums after each other: onset, drum, velocity.
        hit_from: (N + 1,) where each segment's hits begin.
        chords: (N, 32) uint8.
        key: (N,) uint8.
        tempo_bpm: (N,) float32.
        instrument: (N,) uint8, index in `INSTRUMENTS`.
        start_bar: (N,) int16.
        file: (N,) index in `files`.
        song: (N,) index in `songs`.
        files: names of files.
        songs: names of songs.
    """

    notes: NDArray[np.int16]
    note_from: NDArray[np.int64]
    hits: NDArray[np.int16]
    hit_from: NDArray[np.int64]
    chords: NDArray[np.uint8]
    key: NDArray[np.uint8]
    tempo_bpm: NDArray[np.float32]
    instrument: NDArray[np.uint8]
    start_bar: NDArray[np.int16]
    file: NDArray[np.int64]
    song: NDArray[np.int64]
    files: NDArray[np.str_]
    songs: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.key)

    def __getitem__(self, number: int) -> Segment:
        if not 0 <= number < len(self):
            raise IndexError(number)
        note = self.notes[self.note_from[number] : self.note_from[number + 1]].astype(np.int64)
        hit = self.hits[self.hit_from[number] : self.hit_from[number + 1]].astype(np.int64)
        return Segment(
            Part(SEGMENT_BARS, *np.ascontiguousarray(note.T)),
            DrumBars(SEGMENT_BARS, *np.ascontiguousarray(hit.T)),
            Chords(self.chords[number].astype(np.int64)),
            int(self.key[number]),
            float(self.tempo_bpm[number]),
            INSTRUMENTS[self.instrument[number]],
            str(self.files[self.file[number]]),
            str(self.songs[self.song[number]]),
            int(self.start_bar[number]),
        )

    def __iter__(self) -> Iterator[Segment]:
        return (self[number] for number in range(len(self)))


def read_segments(
    data: Path,
    *,
    without: Collection[str] = (),
    limit: int | None = None,
    progress: Callable[[float], None] | None = None,
) -> dict[str, list[Segment]]:
    """Read the multi-track corpus.

    Args:
        data: a folder that holds `manifest.csv`, `segments.csv` and `midi.tar.xz` or the folder `midi`, or holds a
            folder `multitrack` that does.
        without: licence tiers to leave out, as the manifest names them.
        limit: at most so many files, for trying things out.
        progress: called with the share done.

    Returns:
        The segments of each split, in order of file, instrument and bar. What falls short of `LEAST_DRUM_BARS` or
        `LEAST_PART_BARS` is left out.

    Raises:
        InputError: the corpus is not there, is not whole, or one of its files cannot be read.
    """
    folder = find_folder(data)
    manifest = {row["file"]: row for row in read_table(folder / MANIFEST, ("file", "song_group", "licence_tier"))}
    wanted: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in read_table(folder / INDEX, ("file", "instrument", "start_bar", "start_tick", "split")):
        if row["file"] not in manifest or row["split"] not in SPLITS.values() or row["instrument"] not in INSTRUMENTS:
            raise InputError(folder / INDEX, f"does not agree with {MANIFEST} or is damaged ({row})", "get it whole")
        if manifest[row["file"]]["licence_tier"] not in without:
            wanted[row["file"]].append(row)
    names = sorted(wanted)[:limit]
    found: dict[str, list[Segment]] = {split: [] for split in SPLITS}
    split_called = {called: split for split, called in SPLITS.items()}
    done = 0
    for name, content in read_files(folder, set(names)):
        try:
            for split, segment in _cut(content, name, wanted[name], manifest[name]["song_group"]):
                found[split_called[split]].append(segment)
        except (RuntimeError, ValueError) as error:
            raise InputError(folder / name, f"cannot be read as segments ({error})", "get the corpus whole") from error
        done += 1
        if progress is not None:
            progress(done / len(names))
    if done < len(names):
        raise InputError(folder, f"{len(names) - done} files of {INDEX} are missing", "get the corpus whole")
    for segments in found.values():
        segments.sort(key=lambda segment: (segment.file, segment.instrument, segment.start_bar))
    return found


def _cut(content: bytes, name: str, rows: Sequence[dict[str, str]], group: str) -> Iterator[tuple[str, Segment]]:
    """The segments of a file, with the split of each."""
    song = read_song(content)
    heard: dict[int, tuple[DrumBars, Harmony, float]] = {}  # piano and guitar often begin together
    for row in rows:
        start = int(row["start_tick"])
        if start not in heard:
            heard[start] = drums_of(song, start), harmony_of(song, start), tempo_of(song, start)
        drums, harmony, tempo_bpm = heard[start]
        part = part_of(song, row["instrument"], start)
        if _bars_with(drums.onset) < LEAST_DRUM_BARS or _bars_with(part.onset) < LEAST_PART_BARS:
            continue
        yield (
            row["split"],
            Segment(
                part,
                drums,
                harmony.chords,
                harmony.key,
                tempo_bpm,
                row["instrument"],
                Path(name).stem,
                group,
                int(row["start_bar"]),
            ),
        )


def _bars_with(onset: NDArray[np.int64]) -> int:
    return len(np.unique(onset // POSITIONS_PER_BAR))


def save_segments(segments: Sequence[Segment], path: Path) -> None:
    """Keep segments in a file.

    Notes are kept as counts per bar and positions within it, which is small and compresses well.

    Args:
        segments: in any order.
        path: the `.npz` file, replaced if it is there.

    Raises:
        OutputError: it cannot be written.
    """
    files, file = np.unique([segment.file for segment in segments], return_inverse=True)
    songs, song = np.unique([segment.song for segment in segments], return_inverse=True)
    notes = [np.stack([s.part.duration, s.part.pitch, s.part.velocity], axis=1) for s in segments]
    hits = [np.stack([s.drums.drum, s.drums.velocity], axis=1) for s in segments]
    with atomic_output(path) as temporary:
        np.savez_compressed(
            temporary,
            format=_FORMAT,
            notes_per_bar=_per_bar([s.part.onset for s in segments]),
            note_position=_positions([s.part.onset for s in segments]),
            # Nothing is said of what is longer than 255 positions, five bars.
            note=np.minimum(np.concatenate([*notes, np.zeros((0, 3), np.int64)]), 255).astype(np.uint8).T,
            hits_per_bar=_per_bar([s.drums.onset for s in segments]),
            hit_position=_positions([s.drums.onset for s in segments]),
            hit=np.concatenate([*hits, np.zeros((0, 2), np.int64)]).astype(np.uint8).T,
            chords=np.array([s.chords.symbols for s in segments], np.uint8).reshape(-1, 2 * SEGMENT_BARS),
            key=np.array([s.key for s in segments], np.uint8),
            tempo_bpm=np.array([s.tempo_bpm for s in segments], np.float32),
            instrument=np.array([INSTRUMENTS.index(s.instrument) for s in segments], np.uint8),
            start_bar=np.array([s.start_bar for s in segments], np.int16),
            file_number=file.astype(np.uint16),
            song_number=song.astype(np.uint16),
            files=np.asarray(files, np.str_),
            songs=np.asarray(songs, np.str_),
        )


def _per_bar(onsets: Sequence[NDArray[np.int64]]) -> NDArray[np.uint16]:
    rows = [np.bincount(onset // POSITIONS_PER_BAR, minlength=SEGMENT_BARS) for onset in onsets]
    return np.array(rows, np.uint16).reshape(-1, SEGMENT_BARS)


def _positions(onsets: Sequence[NDArray[np.int64]]) -> NDArray[np.uint8]:
    flat = np.concatenate([*onsets, np.zeros(0, np.int64)]) % POSITIONS_PER_BAR
    return np.asarray(flat, np.uint8)


def load_segments(folder: Path, split: str) -> Segments:
    """Load one split of the corpus.

    Args:
        folder: of the corpus.
        split: one of `SPLITS`.

    Raises:
        InputError: the file is missing or is none of ours.
    """
    path = folder / f"{split}.npz"
    try:
        with np.load(path, allow_pickle=False) as kept:
            table = {name: kept[name] for name in kept.files}
        if int(table["format"]) != _FORMAT:
            raise InputError(path, f"expected format {_FORMAT}, found {int(table['format'])}", _REMEDY)
        notes, note_from = _flat(table["notes_per_bar"], table["note_position"], table["note"])
        hits, hit_from = _flat(table["hits_per_bar"], table["hit_position"], table["hit"])
        names = (
            "chords",
            "key",
            "tempo_bpm",
            "instrument",
            "start_bar",
            "file_number",
            "song_number",
            "files",
            "songs",
        )
        return Segments(notes, note_from, hits, hit_from, *(table[name] for name in names))
    except OSError as error:
        raise InputError(path, "expected a split of the corpus, found no file that can be read", _REMEDY) from error
    except (KeyError, ValueError, zipfile.BadZipFile, EOFError) as error:
        raise InputError(path, f"expected a split of the corpus ({error})", _REMEDY) from error


def _flat(
    per_bar: NDArray[np.uint16], position: NDArray[np.uint8], rest: NDArray[np.uint8]
) -> tuple[NDArray[np.int16], NDArray[np.int64]]:
    """Onsets and what belongs to them (M, 1 + ...), and where each segment's begin (N + 1,)."""
    bar = np.arange(SEGMENT_BARS, dtype=np.int16) * POSITIONS_PER_BAR
    rows = np.empty((len(position), 1 + len(rest)), np.int16)
    rows[:, 0] = np.repeat(np.tile(bar, len(per_bar)), per_bar.ravel()) + position
    rows[:, 1:] = rest.T
    return rows, np.concatenate([[0], np.cumsum(per_bar.sum(1, dtype=np.int64))])


def make_corpus(
    data: Path, out: Path, *, without: Collection[str] = (), progress: Callable[[float], None] | None = None
) -> None:
    """Read the multi-track corpus and keep its segments, one file for each split.

    Args:
        data: the folder that holds the multi-track corpus.
        out: the folder for `train.npz`, `validation.npz` and `test.npz`, made if it is not there.
        without: licence tiers to leave out.
        progress: called with the share done.

    Raises:
        InputError: the corpus cannot be read.
        OutputError: a file cannot be written.
    """
    found = read_segments(data, without=without, progress=progress)
    out.mkdir(parents=True, exist_ok=True)
    for split, segments in found.items():
        save_segments(segments, out / f"{split}.npz")


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line; see the module."""
    parser = argparse.ArgumentParser(
        prog="python -m kinebeat.accompaniment.corpus", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--data", type=Path, required=True, help="folder that holds the multi-track corpus")
    parser.add_argument("--out", type=Path, required=True, help="folder for train.npz, validation.npz and test.npz")
    parser.add_argument(
        "--without",
        action="append",
        default=[],
        choices=["A", "B", "C"],
        help="leave files of a licence tier out, may be given again (B: transcriptions under MIT, C: no licence)",
    )
    options = parser.parse_args(arguments)
    make_corpus(options.data, options.out, without=options.without)


if __name__ == "__main__":
    main()
