"""Groove MIDI files as matrices on 16th steps, and hits as words.

Conventions: a matrix is (S, 9), S 16th steps (a whole number of 4/4 bars, step 0 a downbeat), columns in the order
of `kinebeat.drums.kit.DRUMS`. Velocities are in [0, 1]; offsets are in 16ths from the step, in [-0.5, 0.5).
This is the representation of GrooVAE (Gillick et al. 2019) that RhythmicNet's Rhythm2Drum takes over.
"""

from __future__ import annotations

import csv
import hashlib
import io
import tarfile
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from kinebeat.beats.grid import STEPS_PER_BAR, STEPS_PER_BEAT
from kinebeat.drums.kit import DRUM_OF_PITCH, DRUMS
from kinebeat.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from numpy.typing import ArrayLike, NDArray

ARCHIVE = "groove.tar.xz"
INDEX = "info.csv"
BITS = 1 << np.arange(len(DRUMS))


@dataclass(frozen=True)
class Performance:
    """One file of the Groove MIDI Dataset on its own 16ths.

    Attributes:
        name: the file's path inside the dataset.
        drummer: who plays.
        style: the dataset's label, such as "funk/groove1".
        kind: "beat" (a long performance) or "fill" (a bar or two).
        split: "train", "validation" or "test", the dataset's own.
        tempo_bpm: the metronome the drummer played to.
        hits: (S, 9) bool.
        velocities: (S, 9) float32, 0 where there is no hit.
        offsets: (S, 9) float32, 0 where there is no hit.
    """

    name: str
    drummer: str
    style: str
    kind: str
    split: str
    tempo_bpm: float
    hits: NDArray[np.bool_]
    velocities: NDArray[np.float32]
    offsets: NDArray[np.float32]


def quantise(
    step: ArrayLike, pitch: ArrayLike, velocity: ArrayLike
) -> tuple[NDArray[np.bool_], NDArray[np.float32], NDArray[np.float32]]:
    """Put notes on the nearest 16th; of two notes of one drum in one step the louder stays.

    Args:
        step: (N,) onsets in fractional 16ths from the first downbeat.
        pitch: (N,) MIDI pitches; those that are no drum of the kit are left out.
        velocity: (N,) MIDI velocities in 1..127.

    Returns:
        hits, velocities, offsets, each (S, 9), S a multiple of a bar.
    """
    at = np.asarray(step, np.float64)
    pitches = np.asarray(pitch, np.int64)
    loudness = np.asarray(velocity, np.float64) / 127.0
    drum = np.array([DRUM_OF_PITCH.get(int(p), -1) for p in pitches], np.int64)
    # A note exactly between two steps is a late one of the first: then Groove has the paper's 152 combinations of
    # hits, the empty step among them (152 and the empty step the other way).
    nearest = np.ceil(at - 0.5).astype(np.int64)
    keep = (drum >= 0) & (nearest >= 0)
    at, loudness, drum, nearest = at[keep], loudness[keep], drum[keep], nearest[keep]
    bars = int(nearest.max()) // STEPS_PER_BAR + 1 if len(nearest) else 0
    shape = (bars * STEPS_PER_BAR, len(DRUMS))
    hits = np.zeros(shape, bool)
    velocities = np.zeros(shape, np.float32)
    offsets = np.zeros(shape, np.float32)
    order = np.argsort(loudness, kind="stable")  # the louder is written last
    where = (nearest[order], drum[order])
    hits[where] = True
    velocities[where] = loudness[order]
    offsets[where] = np.clip(at[order] - nearest[order], -0.5, np.nextafter(np.float32(0.5), np.float32(0)))
    return hits, velocities, offsets


def read_midi(content: bytes) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Onsets in 16ths of the file's own tempo (N,), pitches (N,) and velocities (N,) of all notes of a MIDI file."""
    import symusic

    score: Any = symusic.Score.from_midi(content)
    notes = [(note.time, note.pitch, note.velocity) for track in score.tracks for note in track.notes]
    table = np.array(notes, np.int64).reshape(-1, 3)
    return table[:, 0] * (STEPS_PER_BEAT / score.ticks_per_quarter), table[:, 1], table[:, 2]


def read_groove(
    data: Path, *, cache: Path | None = None, progress: Callable[[float], None] | None = None
) -> tuple[Performance, ...]:
    """Read all 4/4 files of the Groove MIDI Dataset.

    Args:
        data: a folder that holds `groove.tar.xz` and `info.csv`, or holds a folder `groove` that does.
        cache: a folder in which the parsed matrices are kept for the next time.
        progress: called with the share done.

    Raises:
        InputError: the dataset is not there or one of its files cannot be read.
    """
    folder = next((f for f in (data / "groove", data) if (f / ARCHIVE).is_file()), None)
    if folder is None or not (folder / INDEX).is_file():
        remedy = f"get the Groove MIDI Dataset and put {ARCHIVE} and {INDEX} there"
        raise InputError(data, f"expected {ARCHIVE} and {INDEX}, found none", remedy)
    kept = None
    if cache is not None:
        stat = (folder / ARCHIVE).stat()
        key = f"{stat.st_size}-{stat.st_mtime_ns}-{[drum.pitches for drum in DRUMS]}"
        kept = cache / f"groove-{hashlib.sha256(key.encode()).hexdigest()[:12]}.npz"
        if kept.is_file():
            return _load(kept)
    with (folder / INDEX).open(newline="") as handle:
        rows = {row["midi_filename"]: row for row in csv.DictReader(handle) if row["time_signature"] == "4-4"}
    found: dict[str, Performance] = {}
    with tarfile.open(folder / ARCHIVE) as archive:
        for member in archive:
            name = member.name.partition("/")[2]
            row = rows.get(name)
            stream = archive.extractfile(member) if row is not None else None
            if row is None or stream is None:
                continue
            found[name] = _performance(folder / name, name, row, stream.read())
            if progress is not None:
                progress(len(found) / len(rows))
    missing = sorted(rows.keys() - found.keys())
    if missing:
        raise InputError(
            folder / ARCHIVE, f"{len(missing)} files of {INDEX} are missing ({missing[0]})", "get it whole"
        )
    performances = tuple(found[name] for name in sorted(found))
    if kept is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        _save(kept, performances)
    return performances


def _performance(path: Path, name: str, row: dict[str, str], content: bytes) -> Performance:
    try:
        notes = read_midi(content)
    except Exception as error:  # symusic raises its own and plain runtime errors
        raise InputError(path, f"not readable as MIDI ({error})", "get the dataset again") from error
    hits, velocities, offsets = quantise(*notes)
    return Performance(
        name, row["drummer"], row["style"], row["beat_type"], row["split"], float(row["bpm"]), hits, velocities, offsets
    )


_TEXTS = ("name", "drummer", "style", "kind", "split")


def _save(path: Path, performances: Sequence[Performance]) -> None:
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        steps=np.array([len(p.hits) for p in performances]),
        tempo_bpm=np.array([p.tempo_bpm for p in performances]),
        hits=np.concatenate([p.hits for p in performances]),
        velocities=np.concatenate([p.velocities for p in performances]),
        offsets=np.concatenate([p.offsets for p in performances]),
        **{text: np.array([getattr(p, text) for p in performances]) for text in _TEXTS},
    )
    partial = path.with_suffix(".partial")
    partial.write_bytes(buffer.getvalue())
    partial.replace(path)


def _load(path: Path) -> tuple[Performance, ...]:
    with np.load(path) as kept:
        table = {key: kept[key] for key in kept.files}
    ends = np.cumsum(table["steps"])
    return tuple(
        Performance(
            **{text: str(table[text][i]) for text in _TEXTS},
            tempo_bpm=float(table["tempo_bpm"][i]),
            hits=table["hits"][end - steps : end],
            velocities=table["velocities"][end - steps : end],
            offsets=table["offsets"][end - steps : end],
        )
        for i, (end, steps) in enumerate(zip(ends, table["steps"], strict=True))
    )


@dataclass(frozen=True)
class Vocabulary:
    """All combinations of hits that drummers play: one word for each 16th.

    Attributes:
        codes: (W,) int64, sorted; bit d of a code is a hit of drum d. Word 0 is the empty step.
    """

    codes: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.codes)

    @cached_property
    def matrix(self) -> NDArray[np.bool_]:
        """(W, 9) bool: the hits of each word."""
        return _hits_of(self.codes)

    @cached_property
    def nearest(self) -> NDArray[np.int64]:
        """(512,), for each code the first of the words with the fewest hits between them."""
        return np.asarray((_hits_of(np.arange(1 << len(DRUMS)))[:, None] != self.matrix).sum(-1).argmin(1))

    def encode(self, hits: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Words (...,) of hits (..., 9); a combination that nobody plays becomes the nearest that somebody does."""
        return np.asarray(self.nearest[hits.astype(np.int64) @ BITS])

    def decode(self, words: ArrayLike) -> NDArray[np.bool_]:
        """Hits (..., 9) of words (...,)."""
        return np.asarray(self.matrix[np.asarray(words)])


def _hits_of(codes: NDArray[np.int64]) -> NDArray[np.bool_]:
    return (codes[:, None] & BITS) > 0


def vocabulary_of(hits: Iterable[NDArray[np.bool_]]) -> Vocabulary:
    """All combinations in matrices (S, 9), with the empty step."""
    found = [np.unique(matrix.astype(np.int64) @ BITS) for matrix in hits]
    return Vocabulary(np.unique(np.concatenate([np.zeros(1, np.int64), *found])))


def windows(matrix: NDArray[np.generic], bars: int = 2, hop_bars: int | None = None) -> NDArray[np.generic]:
    """Cut (S, ...) into (N, bars * 16, ...), every `hop_bars` (default: `bars`); a rest is left out."""
    length, hop = bars * STEPS_PER_BAR, (hop_bars or bars) * STEPS_PER_BAR
    starts = range(0, len(matrix) - length + 1, hop)
    if not len(starts):
        return np.zeros((0, length, *matrix.shape[1:]), matrix.dtype)
    return np.stack([matrix[start : start + length] for start in starts])
