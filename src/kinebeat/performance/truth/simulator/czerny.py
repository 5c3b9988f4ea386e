"""Fingering written by a pianist, to measure `fingering.py` on: Czerny's studies, each note with its finger."""

from __future__ import annotations

import csv
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from kinebeat.errors import InputError
from kinebeat.performance.truth.simulator.fingering import FINGERS, Pair, choose_fingers, steps_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

WHERE = ("performers", "fingering", "czerny_fingering", "czerny_fingered_notes.csv")
_RIGHT = {"P1": True, "P2": False}  # parts of a study; those of other names do not tell their hand
_D4 = 62


class Hand(NamedTuple):
    """What one hand plays in a study.

    Attributes:
        piece: name of the study.
        split: "train", "test" or "extra".
        right: whether it is the right hand.
        chords: pitches that begin together, rising.
        fingers: 1 to 5 for each of them; 0 where none is written.
    """

    piece: str
    split: str
    right: bool
    chords: list[Ints]
    fingers: list[Ints]


def read_fingered(data: Path) -> list[Hand]:
    """Read the fingered studies.

    Args:
        data: the folder that holds `performers`.

    Raises:
        InputError: the table is not there or is not such a table.
    """
    path = data.joinpath(*WHERE)
    found: dict[tuple[str, str, str], set[tuple[float, int, int]]] = {}
    try:
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                if row["part"] in _RIGHT and not row["staff"]:
                    note = round(float(row["onset_quarters"]), 3), int(row["midi_pitch"]), int(row["finger"] or 0)
                    found.setdefault((row["piece"], row["split"], row["part"]), set()).add(note)
    except (OSError, KeyError, ValueError) as error:
        raise InputError(path, f"expected fingered notes ({error})", "get the table whole") from error
    hands = []
    for (piece, split, part), notes in sorted(found.items()):
        # A pitch that two voices share counts once.
        chords = [{pitch: finger for _, pitch, finger in chord} for _, chord in groupby(sorted(notes), lambda n: n[0])]
        pitches = [np.array(sorted(chord), np.int64)[:FINGERS] for chord in chords]
        fingers = [np.array([chord[p] for p in pitch], np.int64) for chord, pitch in zip(chords, pitches, strict=True)]
        hands.append(Hand(piece, split, _RIGHT[part], pitches, fingers))
    return hands


def agreement(hands: Sequence[Hand]) -> float:
    """Share of the written fingers that `choose_fingers` chooses too; NaN where none is written."""
    same, written = 0, 0
    for hand in hands:
        chosen = choose_fingers(hand.chords, right=hand.right)
        for ours, theirs in zip(chosen, hand.fingers, strict=True):
            same += int((ours == theirs).sum())
            written += int((theirs > 0).sum())
    return same / written if written else float("nan")


def measure_pairs(hands: Sequence[Hand], apart: int) -> dict[tuple[int, int], Pair]:
    """How fingers follow each other, as `fingering.NEXT` (apart 1) and `fingering.NEXT_BUT_ONE` (2) have it.

    Args:
        hands: what to measure on.
        apart: how many chords later.

    Returns:
        By fingers from 0, the lower first. Deviations beyond six steps, which are leaps, are left out of the spread,
        and 0.15 is added to it: no two fingers always lie the same way.
    """
    steps: dict[tuple[int, int], list[float]] = {}
    for hand in hands:
        chords = hand.chords if hand.right else [2 * _D4 - chord[::-1] for chord in hand.chords]
        fingers = hand.fingers if hand.right else [f[::-1] for f in hand.fingers]
        for k in range(apart, len(chords)):
            before, after = steps_of(chords[k - apart]), steps_of(chords[k])
            ends = ((0, 0),) if len(before) == len(after) == 1 else ((0, 0), (-1, -1))
            for a, b in ends:
                first, then, up = int(fingers[k - apart][a]), int(fingers[k][b]), float(after[b] - before[a])
                if first and then:
                    low, high = min(first, then) - 1, max(first, then) - 1
                    steps.setdefault((low, high), []).append(up if first <= then else -up)
    total = sum(map(len, steps.values()))
    pairs = {}
    for (low, high), found in sorted(steps.items()):
        up_steps = np.array(found)
        off = np.abs(up_steps - np.median(up_steps))
        middle = float((up_steps == 0).mean()) if low == high else float(np.median(up_steps))
        pairs[low, high] = Pair(len(found) / total, middle, float(off[off < 6].mean()) + 0.15)
    return pairs
