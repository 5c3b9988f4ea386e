"""Figures of one instrument's part, as RhythmicNet's Table 3 has them, and what else tells music from noise.

Parts are `kinebeat.accompaniment.parts.Part`: 48 positions to a bar, 12 to a beat. The paper takes its statistics from
Yang and Lerch 2020, "On the evaluation of generative models in music", section 3.1; where that leaves a choice it is
said here. A part without notes has no statistics: NaN.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kinebeat.accompaniment.harmony import chord_pitch_classes, scale_pitch_classes, sounding
from kinebeat.accompaniment.parts import POSITIONS_PER_BAR, POSITIONS_PER_BEAT

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from kinebeat.accompaniment.parts import Chords, DrumBars, Part

NOTE_LENGTHS = np.array([48, 24, 12, 6, 3, 36, 18, 9, 16, 8, 4, 2])
"""The twelve lengths of Yang and Lerch's histogram, in positions: whole to 16th note, dotted half to dotted 8th, the
triplets of half to 16th notes."""


def statistics(part: Part, tempo_bpm: float) -> dict[str, float]:
    """PC/bar, PI and IOI of a part, and how dense and how thick it is.

    Args:
        part: the notes.
        tempo_bpm: its tempo; IOI is in seconds.

    Returns:
        "pitch_count_per_bar": different pitches in a bar, mean over the bars in which notes start;
        "pitch_interval": mean distance in semitones between a note and the next (by onset, then by pitch);
        "ioi_s": mean time between a note and the next, zero for those of a chord;
        "onset_gap_s": the same between places at which notes start;
        "notes_per_bar", "onsets_per_bar": mean over all bars;
        "polyphony": notes that sound together, mean over the time in which any does;
        "silence": share of the time in which none does.
    """
    names = ("pitch_count_per_bar", "pitch_interval", "ioi_s", "onset_gap_s")
    found = dict.fromkeys(names, float("nan"))
    position_s = 60 / (tempo_bpm * POSITIONS_PER_BEAT)
    if len(part):
        bar = part.onset // POSITIONS_PER_BAR
        found["pitch_count_per_bar"] = len(np.unique(bar * 128 + part.pitch)) / len(np.unique(bar))
    if len(part) > 1:
        found["pitch_interval"] = float(np.abs(np.diff(part.pitch)).mean())
        found["ioi_s"] = float(np.diff(part.onset).mean()) * position_s
    places = np.unique(part.onset)
    if len(places) > 1:
        found["onset_gap_s"] = float(np.diff(places).mean()) * position_s
    together = sounding(part.bars, part.onset, part.duration, part.pitch).sum(1)
    anything = together > 0
    return found | {
        "notes_per_bar": len(part) / part.bars,
        "onsets_per_bar": len(places) / part.bars,
        "polyphony": float(together[anything].mean()) if anything.any() else float("nan"),
        "silence": float(1 - anything.mean()),
    }


def pitch_class_histogram(part: Part) -> NDArray[np.float64]:
    """Share of the notes on each pitch class, (12,) from C; NaN without notes."""
    return _shares(np.bincount(part.pitch % 12, minlength=12))


def note_length_histogram(part: Part) -> NDArray[np.float64]:
    """Share of the notes nearest (by ratio) to each of `NOTE_LENGTHS`, (12,); NaN without notes."""
    away = np.abs(np.log(part.duration)[:, None] - np.log(NOTE_LENGTHS))
    return _shares(np.bincount(away.argmin(1), minlength=len(NOTE_LENGTHS)))


def overlap(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Overlapping area of two histograms, 0 to 1; NaN if either is."""
    return float(np.minimum(one, other).sum())


def harmony_figures(part: Part, chords: Chords, key: int) -> dict[str, float]:
    """How the notes sit in the harmony.

    Args:
        part: the notes.
        chords: one chord per half bar.
        key: a number of `kinebeat.accompaniment.harmony`.

    Returns:
        "in_key", "in_chord": shares of the notes (NaN without notes; where the chord is N every note is outside);
        "chord_changes_per_bar": how often the chord is another than half a bar before.
    """
    symbols = chords.symbols
    half = POSITIONS_PER_BAR // 2
    inside = np.zeros((len(symbols), 12), bool)
    for i, chord in enumerate(symbols):
        inside[i, list(chord_pitch_classes(int(chord)))] = True
    scale = np.zeros(12, bool)
    scale[list(scale_pitch_classes(key))] = True
    nothing = float("nan")
    return {
        "in_key": float(scale[part.pitch % 12].mean()) if len(part) else nothing,
        "in_chord": float(inside[part.onset // half, part.pitch % 12].mean()) if len(part) else nothing,
        "chord_changes_per_bar": float((np.diff(symbols) != 0).sum()) / max(1, part.bars),
    }


def onset_agreement(part: Part, drums: DrumBars) -> float:
    """F-measure of the places at which notes start and those at which drums are struck; NaN if either has none."""
    ours, theirs = np.unique(part.onset), np.unique(drums.onset)
    if not len(ours) or not len(theirs):
        return float("nan")
    return 2 * len(np.intersect1d(ours, theirs)) / (len(ours) + len(theirs))


def longest_common_run(parts: Sequence[Part], known: Iterable[Part]) -> NDArray[np.int64]:
    """How many notes in a row each part has in common with any that is known, wherever it starts, in any key.

    Two runs are alike if their pitches and onsets differ by one constant each.

    Args:
        parts: that are asked about.
        known: that they may have copied.

    Returns:
        (len(parts),) numbers of notes; 1 for a part with notes but nothing in common, 0 for one without notes.
    """
    ours, theirs = _Runs(parts), _Runs(known)
    longest = np.array([min(1, len(part)) for part in parts], np.int64)
    notes = 1
    while ours.extend() and theirs.extend():
        notes += 1
        # Whatever is not alike so far never will be: what is left shrinks quickly.
        alike = np.intersect1d(ours.hash, theirs.hash)
        ours.keep(alike)
        theirs.keep(alike)
        longest[ours.part] = notes
    return longest


class _Runs:
    """Runs of notes that start anywhere in some parts, made longer note by note.

    Attributes:
        part: (R,) the part of each run.
        at: (R,) where its next move stands.
        hash: (R,) of all its moves, modulo 2^64.
    """

    def __init__(self, parts: Iterable[Part]) -> None:
        # From each note to the next: how far in time and in pitch, as one number. A part ends with no move.
        moves = [np.append(np.diff(p.onset) * 256 + np.diff(p.pitch) + 128, -1)[-max(1, len(p)) :] for p in parts]
        self.moves = np.concatenate([np.zeros(0, np.int64), *moves])
        self.part = np.repeat(np.arange(len(moves)), [len(m) for m in moves])
        self.at = np.arange(len(self.moves))
        self.hash = np.zeros(len(self.moves), np.uint64)

    def extend(self) -> bool:
        """Add the next note to every run that has one and forget the others; False if none is left."""
        further = self.moves[self.at] >= 0
        self.part, self.at = self.part[further], self.at[further]
        move = self.moves[self.at].astype(np.uint64)
        mixed = self.hash[further] * np.uint64(0x9E3779B97F4A7C15) + (move + np.uint64(1)) * np.uint64(
            0xBF58476D1CE4E5B9
        )
        self.hash = mixed ^ (mixed >> np.uint64(29))
        self.at = self.at + 1
        return bool(len(self.at))

    def keep(self, hashes: NDArray[np.uint64]) -> None:
        """Forget the runs whose hash is none of these."""
        kept = np.isin(self.hash, hashes)
        self.part, self.at, self.hash = self.part[kept], self.at[kept], self.hash[kept]


def _shares(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    total = counts.sum()
    return counts / total if total else np.full(len(counts), np.nan)
