"""What a set of parts is like beside another, and whether its parts go with their drums.

A set is a list of `Segment`: whoever played, the drums, the tempo and the song are those of a real segment. Figures
are means over the parts that have them. The overlap of histograms that the paper reports can be read in three ways:
see `mean_overlap`, `distance_overlap` and `sample_overlap`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from kinebeat.accompaniment.harmony import find_chords, find_key, sounding
from kinebeat.evaluation.part_metrics import (
    harmony_figures,
    longest_common_run,
    note_length_histogram,
    overlap,
    pitch_class_histogram,
    statistics,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from kinebeat.accompaniment.corpus import Segment
    from kinebeat.accompaniment.parts import Part

    Figures = dict[str, float]

Name = TypeVar("Name")
SAME_TEMPO = 0.05
"""Drums whose tempo is nearer than this share are at the same tempo."""
DRAWS = 1000
STATISTICS = {"pc_per_bar": "pitch_count_per_bar", "pi": "pitch_interval", "ioi_s": "ioi_s"}
"""The columns of Table 3, and what `part_metrics.statistics` calls them."""
HISTOGRAMS = {"pch": "pitch_classes", "nlh": "note_lengths"}
LISTENING = ("notes_per_bar", "onsets_per_bar", "polyphony", "silence", "in_key", "in_chord", "chord_changes_per_bar")
_GRID = np.linspace(-0.5, 2.0, 2501)


@dataclass(frozen=True)
class Described:
    """Figures of each part of a set; NaN where a part has none.

    Attributes:
        figures: by name, (N,): those of `part_metrics.statistics` and `harmony_figures`.
        pitch_classes: (N, 12) histograms.
        note_lengths: (N, 12) histograms.
    """

    figures: dict[str, NDArray[np.float64]]
    pitch_classes: NDArray[np.float64]
    note_lengths: NDArray[np.float64]

    def mean(self, name: str) -> float:
        """A figure's mean over the parts that have it, NaN if none has."""
        return _mean(self.figures[name])


def evenly(segments: Sequence[Segment], most: int) -> list[Segment]:
    """At most so many, spread evenly over all."""
    places = np.linspace(0, len(segments) - 1, min(most, len(segments))).round().astype(int)
    return [segments[place] for place in np.unique(places).tolist()]


def halves(segments: Sequence[Segment]) -> tuple[list[Segment], list[Segment]]:
    """The segments of every other song, and the rest."""
    number = {song: i for i, song in enumerate(sorted({segment.song for segment in segments}))}
    return tuple([one for one in segments if number[one.song] % 2 == half] for half in (0, 1))  # type: ignore[return-value]


def describe(segments: Sequence[Segment]) -> Described:
    """Describe the parts of a set. Key and chords are found in each part's own sound, whatever was asked for."""
    rows = []
    for segment in segments:
        part = segment.part
        sound = sounding(part.bars, part.onset, part.duration, part.pitch)
        key = find_key(sound)
        harmony = harmony_figures(part, find_chords(sound, key), key)
        rows.append(statistics(part, segment.tempo_bpm) | harmony)
    return Described(
        {name: np.array([row[name] for row in rows]) for name in rows[0]},
        np.array([pitch_class_histogram(segment.part) for segment in segments]),
        np.array([note_length_histogram(segment.part) for segment in segments]),
    )


def table_figures(made: Described, truth: Described) -> Figures:
    """Table 3's columns but for NLL: means, how far from the truth's, and overlaps."""
    found: Figures = {}
    for column, name in STATISTICS.items():
        found[column] = made.mean(name)
        found[f"{column}_off"] = made.mean(name) - truth.mean(name)
    for column, name in HISTOGRAMS.items():
        ours, theirs = getattr(made, name), getattr(truth, name)
        found[column] = mean_overlap(ours, theirs)
        found[f"{column}_each"] = sample_overlap(ours, theirs, same=made is truth)
        if made is not truth:
            found[f"{column}_oa"] = distance_overlap(ours, theirs)
    return found


def listening_figures(made: Described) -> Figures:
    """What would be heard: how much plays at once, in which key, on which chords."""
    return {name: made.mean(name) for name in LISTENING}


def said_harmony(segments: Sequence[Segment]) -> Figures:
    """How the notes sit in the chords that each segment says itself, be they the song's or the model's."""
    rows = [harmony_figures(segment.part, segment.chords, segment.key) for segment in segments]
    return {
        "in_chord_said": _mean(np.array([row["in_chord"] for row in rows])),
        "chord_changes_said_per_bar": _mean(np.array([row["chord_changes_per_bar"] for row in rows])),
    }


def mean_overlap(made: NDArray[np.float64], truth: NDArray[np.float64]) -> float:
    """Each sample's histogram against that of the test set, mean over samples.

    The test set's histogram is the mean over its parts. Real parts, each in one key and with few lengths, fill only a
    part of it, and what is spread evenly over all keys and lengths fills more: read it by the test set's own score.

    Args:
        made: (N, K) histograms.
        truth: (M, K) histograms.
    """
    middle = _whole(truth).mean(0)
    return _mean(np.array([overlap(one, middle) for one in made]))


def distance_overlap(made: NDArray[np.float64], truth: NDArray[np.float64]) -> float:
    """OA of Yang and Lerch 2020, section 3.3: how alike are distances to the truth and distances within it.

    Euclidean distances between all pairs of the truth, and between all samples and all of the truth; their densities by
    Gaussian kernels, bandwidth by Scott's rule (standard deviation times n^(-1/5)); the area under both. It asks
    whether the set is as varied as the truth and in the same place.

    Args:
        made: (N, K) histograms.
        truth: (M, K) histograms.

    Returns:
        0 to 1, NaN where there are too few parts.
    """
    ours, theirs = _whole(made), _whole(truth)
    if len(ours) < 1 or len(theirs) < 3:
        return float("nan")
    between = _density(_distances(ours, theirs).ravel())
    return float(np.minimum(_density_within(theirs), between).sum())


def sample_overlap(made: NDArray[np.float64], truth: NDArray[np.float64], *, same: bool = False) -> float:
    """The same as `distance_overlap` "for each sample", as the paper has it, and the mean.

    The density of one sample's distances to the truth against that of all distances within the truth. It asks whether
    each sample is as far from real parts as these are from each other, no nearer and no farther.

    Args:
        made: (N, K) histograms.
        truth: (M, K) histograms.
        same: whether they are one set: then no part is compared with itself.
    """
    ours, theirs = _whole(made), _whole(truth)
    if len(ours) < 1 or len(theirs) < 3:
        return float("nan")
    within, between = _density_within(theirs), _distances(ours, theirs)
    rows = [np.delete(row, i) if same else row for i, row in enumerate(between)]
    return float(np.mean([np.minimum(within, _density(row)).sum() for row in rows]))


def _density_within(histograms: NDArray[np.float64]) -> NDArray[np.float64]:
    return _density(_distances(histograms, histograms)[np.triu_indices(len(histograms), 1)])


def _whole(histograms: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(histograms[np.isfinite(histograms).all(1)])


def _distances(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    square = (one**2).sum(1)[:, None] + (other**2).sum(1) - 2 * one @ other.T
    return np.asarray(np.sqrt(np.maximum(square, 0.0)))


def _density(distances: NDArray[np.float64]) -> NDArray[np.float64]:
    """The kernel density on the cells of a grid, with sum 1; distances of histograms are 0 to sqrt 2."""
    cell = _GRID[1] - _GRID[0]
    width = max(float(distances.std()) * len(distances) ** -0.2, 2 * cell)
    away = np.arange(-int(4 * width / cell) - 1, int(4 * width / cell) + 2) * cell
    kernel = np.exp(-0.5 * (away / width) ** 2)
    counts = np.bincount(np.rint((distances - _GRID[0]) / cell).astype(np.int64), minlength=len(_GRID))
    density = np.convolve(counts, kernel, "same")
    return np.asarray(density / density.sum())


def following(played: Sequence[Segment], others: Sequence[Segment], *, seed: int = 0) -> Figures:
    """Whether parts go with their own drums rather than with any at their tempo.

    The score is the F-measure of onsets (`part_metrics.onset_agreement`), mean over parts. For the null each part is
    given the drums of another segment at random: of another song, and within `SAME_TEMPO` of its tempo.

    Args:
        played: parts with their own drums.
        others: segments whose drums are given instead.
        seed: of the drawing.

    Returns:
        "agreement"; "agreement_null", "agreement_sd": mean and standard deviation over `DRAWS` drawings; "agreement_z";
        "agreement_t": the mean over songs of what the parts of a song have above their null, by its standard error
        (parts of one song are much alike, which z does not know); "agreement_above": how often its own drums agree
        better than another's, ties by half; "agreement_parts": how many parts have notes, drums, and others to
        compare with.
    """
    bars = max(segment.part.bars for segment in (*played, *others))
    notes = _places([segment.part.onset for segment in played], bars)
    own = _agreement(notes, _places([segment.drums.onset for segment in played], bars), paired=True)
    table = _agreement(notes, _places([segment.drums.onset for segment in others], bars))
    tempo, other_tempo = (np.array([segment.tempo_bpm for segment in side]) for side in (played, others))
    song, other_song = (np.array([segment.song for segment in side]) for side in (played, others))
    usable = np.abs(other_tempo / tempo[:, None] - 1) <= SAME_TEMPO
    usable &= (other_song != song[:, None]) & np.isfinite(table)
    kept = np.flatnonzero(np.isfinite(own) & usable.any(1))
    if not len(kept):
        return {"agreement": _mean(own), "agreement_parts": 0}
    rng = np.random.default_rng(seed)
    drawn = np.array([rng.choice(table[i, usable[i]], DRAWS) for i in kept]).mean(0)
    above = [((own[i] > table[i, usable[i]]) + 0.5 * (own[i] == table[i, usable[i]])).mean() for i in kept]
    mean, null, sd = float(own[kept].mean()), float(drawn.mean()), float(drawn.std())
    excess = own[kept] - [table[i, usable[i]].mean() for i in kept]
    by_song = np.array([excess[song[kept] == one].mean() for one in np.unique(song[kept])])
    error = float(by_song.std(ddof=1)) / len(by_song) ** 0.5 if len(by_song) > 1 else 0.0
    return {
        "agreement": mean,
        "agreement_null": null,
        "agreement_sd": sd,
        "agreement_z": (mean - null) / sd if sd > 1e-12 else float("nan"),
        "agreement_t": float(by_song.mean()) / error if error > 1e-12 else float("nan"),
        "agreement_above": float(np.mean(above)),
        "agreement_parts": len(kept),
    }


def _places(onsets: Sequence[NDArray[np.int64]], bars: int) -> NDArray[np.float32]:
    """1 where anything starts, (N, positions)."""
    found = np.zeros((len(onsets), 48 * bars), np.float32)
    for row, onset in zip(found, onsets, strict=True):
        row[onset] = 1
    return found


def _agreement(notes: NDArray[np.float32], drums: NDArray[np.float32], *, paired: bool = False) -> NDArray[np.float64]:
    """`onset_agreement` of all with all (N, M), or of each with its own (N,); NaN where either has none."""
    both = (notes * drums).sum(1) if paired else notes @ drums.T
    ours, theirs = notes.sum(1), drums.sum(1)
    ours = ours if paired else ours[:, None]
    missing = (ours == 0) | (theirs == 0)
    return np.where(missing, np.nan, 2 * both.astype(np.float64) / np.maximum(ours + theirs, 1))


def common_runs(sets: Mapping[Name, Sequence[Part]], known: Iterable[Part]) -> dict[Name, Figures]:
    """The longest runs of notes that the parts of each set have in common with any that is known.

    See `part_metrics.longest_common_run`. All sets are looked at together, as going through what is known takes long.
    """
    found = longest_common_run([part for parts in sets.values() for part in parts], known)
    figures: dict[Name, Figures] = {}
    at = 0
    for name, parts in sets.items():
        own, at = found[at : at + len(parts)], at + len(parts)
        figures[name] = {
            "common_run_median": float(np.median(own)),
            "common_run_p95": float(np.percentile(own, 95)),
            "common_run_max": float(own.max()),
            # Whole parts are short or long: which share of its notes a part's longest run is.
            "common_run_share_p95": float(
                np.percentile([run / max(1, len(part)) for run, part in zip(own, parts, strict=True)], 95)
            ),
        }
    return figures


def _mean(values: NDArray[np.float64]) -> float:
    there = values[np.isfinite(values)]
    return float(there.mean()) if len(there) else float("nan")
