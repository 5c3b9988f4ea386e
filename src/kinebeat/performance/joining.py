"""Long films: clips that overlap, and the notes heard in them made one.

A clip is believed in its middle, where what lies before and after is seen: between two clips the seam is in the middle
of what both have seen. A note struck near a seam may be early in one clip and late in the other, and is one note; a
note that sounds across a seam begins as the first clip has it and ends as the second has it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kinebeat.performance.notes import Notes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

CLIP_S = 6.0
"""Length of a clip (paper, section 4.1)."""
HOP_S = 4.0
SAME_S = 0.1
"""Onsets of one pitch in two clips that are as near as this are one note's."""
_EXACT_S = 1e-6


def clip_starts(
    duration_s: float, *, length_s: float = CLIP_S, hop_s: float = HOP_S, step_s: float = 0.1
) -> NDArray[np.float64]:
    """When the clips of a film begin, seconds: a hop apart, the last one ends with the film.

    Args:
        duration_s: length of the film.
        length_s: of a clip; a shorter film is one clip.
        hop_s: from one to the next, at most.
        step_s: clips begin at whole multiples of this (those of the features' frames and of the words' ticks).
    """
    last = int(np.ceil(max(duration_s - length_s, 0.0) / step_s - _EXACT_S))
    clips = int(np.ceil(last * step_s / hop_s - _EXACT_S)) + 1
    return np.asarray(np.unique(np.round(np.linspace(0, last, clips))) * step_s)


def joined(clips: Sequence[tuple[float, Notes]], length_s: float = CLIP_S) -> Notes:
    """The notes of overlapping clips as those of one film.

    Args:
        clips: the start of each in seconds, rising by no more than `length_s`, and its notes in its own time. What
            sounds when a clip begins has its onset at 0 there, what sounds when it ends has its end at `length_s`.
        length_s: of a clip.

    Returns:
        The notes in seconds of the film. No pitch sounds twice at once.
    """
    made = Notes.none()
    before_s = 0.0
    for number, (start_s, notes) in enumerate(clips):
        theirs = notes.later(start_s)
        made = _joined(made, theirs, (before_s + length_s + start_s) / 2, start_s) if number else theirs
        before_s = start_s
    return without_overlaps(made)


def without_overlaps(notes: Notes) -> Notes:
    """The same notes, each ended where its pitch is struck again; of two struck at once the longer."""
    order = np.lexsort((-notes.offset_s, notes.onset_s, notes.pitch))
    onset_s, offset_s, pitch = notes.onset_s[order], notes.offset_s[order].copy(), notes.pitch[order]
    again = np.flatnonzero((pitch[1:] == pitch[:-1]) & (onset_s[1:] - onset_s[:-1] < _EXACT_S)) + 1
    kept = np.ones(len(order), bool)
    kept[again] = False
    onset_s, offset_s, pitch, velocity = (x[kept] for x in (onset_s, offset_s, pitch, notes.velocity[order]))
    same = np.flatnonzero(pitch[1:] == pitch[:-1])
    offset_s[same] = np.minimum(offset_s[same], onset_s[same + 1])
    return Notes.of(onset_s, offset_s, pitch, velocity)


def _joined(ours: Notes, theirs: Notes, seam_s: float, start_s: float) -> Notes:
    """Our notes up to the seam, theirs from there on; `start_s` is when they begin to see."""
    struck = theirs.onset_s > start_s + _EXACT_S  # else it may have been before they saw it
    pairs = _pairs(ours, theirs, seam_s, struck)
    keep, take = ours.onset_s < seam_s, (theirs.onset_s >= seam_s) & (struck | (start_s < seam_s))
    end_s = ours.offset_s.copy()
    for i, j in pairs:
        keep[i] = (ours.onset_s[i] + theirs.onset_s[j]) / 2 < seam_s
        take[j] = not keep[i]
    partner = dict(pairs)
    begun = np.flatnonzero(~take & (theirs.onset_s <= seam_s) & (theirs.offset_s >= seam_s - _EXACT_S))
    going_on = {int(theirs.pitch[j]): int(j) for j in begun}  # the latest of a pitch: they are in order of onset
    for i in np.flatnonzero(keep & (end_s >= seam_s - _EXACT_S)).tolist():
        goes_on = partner.get(i, going_on.get(int(ours.pitch[i])))
        if goes_on is not None and theirs.offset_s[goes_on] > ours.onset_s[i]:
            end_s[i] = theirs.offset_s[goes_on]
    return Notes.of(
        np.concatenate([ours.onset_s[keep], theirs.onset_s[take]]),
        np.concatenate([end_s[keep], theirs.offset_s[take]]),
        np.concatenate([ours.pitch[keep], theirs.pitch[take]]),
        np.concatenate([ours.velocity[keep], theirs.velocity[take]]),
    )


def _pairs(ours: Notes, theirs: Notes, seam_s: float, struck: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Which notes near the seam are one note, in two clips; nearest first, each in one pair only."""
    near = np.flatnonzero(np.abs(ours.onset_s - seam_s) <= 2 * SAME_S)
    near_theirs = np.flatnonzero((np.abs(theirs.onset_s - seam_s) <= 2 * SAME_S) & struck)
    apart_s = np.abs(ours.onset_s[near][:, None] - theirs.onset_s[near_theirs])
    apart_s[ours.pitch[near][:, None] != theirs.pitch[near_theirs]] = np.inf
    pairs: list[tuple[int, int]] = []
    for flat in np.argsort(apart_s, axis=None, kind="stable").tolist():
        i, j = divmod(flat, len(near_theirs))
        if not apart_s[i, j] <= SAME_S:
            break
        if all(near[i] != ours_i and near_theirs[j] != theirs_j for ours_i, theirs_j in pairs):
            pairs.append((int(near[i]), int(near_theirs[j])))
    return pairs
