"""The figures of notes: by hand, against mir_eval, and on empty, perfect, shifted, octave-off and random input."""

from __future__ import annotations

import numpy as np
import pytest
from mir_eval import transcription

from kinebeat.errors import OptionError
from kinebeat.evaluation.note_metrics import FIGURES, KINDS, note_figures
from kinebeat.performance.notes import Notes

ONSETS_S = np.arange(0.5, 30, 0.25)
MELODY = Notes.of(ONSETS_S, ONSETS_S + 0.2, 60 + np.arange(len(ONSETS_S)) * 7 % 24)


def random_notes(seed: int, count: int | None = None, duration_s: float = 20.0) -> Notes:
    rng = np.random.default_rng(seed)
    number = int(rng.integers(0, 150)) if count is None else count
    onset_s = rng.uniform(0, duration_s, number)
    return Notes.of(onset_s, onset_s + 0.1, rng.integers(48, 84, number))


def only_f(figures: dict[str, float]) -> list[float]:
    return [figures[f"{kind}_f"] for kind in KINDS]


def test_figures_have_their_names() -> None:
    assert tuple(note_figures(MELODY, MELODY)) == FIGURES


def test_perfect_notes_score_one_in_everything() -> None:
    assert note_figures(MELODY, MELODY) == pytest.approx(dict.fromkeys(FIGURES, 1.0))


def test_silence_scores_nothing() -> None:
    zero = dict.fromkeys(FIGURES, 0.0)
    assert note_figures(MELODY, Notes.none()) == zero
    nothing = note_figures(Notes.none(), MELODY)
    assert np.isnan(nothing.pop("density_ratio"))
    assert set(nothing.values()) == {0.0}
    assert only_f(note_figures(Notes.none(), Notes.none())) == [0.0, 0.0, 0.0]


@pytest.mark.parametrize(("shift_s", "expected"), [(0.05, 1.0), (-0.1, 1.0), (0.1, 1.0), (0.11, 0.0), (-0.12, 0.0)])
def test_a_shift_counts_from_the_window_on(shift_s: float, expected: float) -> None:
    assert only_f(note_figures(MELODY, MELODY.later(shift_s))) == [expected] * 3


def test_the_window_can_be_chosen() -> None:
    assert only_f(note_figures(MELODY, MELODY.later(0.05), window_s=0.03)) == [0, 0, 0]
    assert only_f(note_figures(MELODY, MELODY.later(0.05), window_s=0.06)) == [1, 1, 1]


@pytest.mark.parametrize("octaves", [-1, 1, 2])
def test_an_octave_off_keeps_the_pitch_class_and_loses_the_pitch(octaves: int) -> None:
    off = Notes(MELODY.onset_s, MELODY.offset_s, MELODY.pitch + 12 * octaves, MELODY.velocity)
    got = note_figures(MELODY, off)
    assert only_f(got) == [1, 0, 1]
    assert got["density_ratio"] == 1


def test_a_semitone_off_keeps_the_onset_alone() -> None:
    off = Notes(MELODY.onset_s, MELODY.offset_s, MELODY.pitch + 1, MELODY.velocity)
    assert only_f(note_figures(MELODY, off)) == [1, 0, 0]


def test_half_of_the_notes_are_half_of_the_recall() -> None:
    got = note_figures(MELODY, MELODY[::2])
    assert (got["pitch_precision"], got["pitch_recall"], got["density_ratio"]) == (1, 0.5, 0.5)
    assert got["pitch_f"] == pytest.approx(2 / 3)


def test_every_note_said_twice_is_half_of_the_precision() -> None:
    twice = Notes.of(*(np.repeat(part, 2) for part in (MELODY.onset_s, MELODY.offset_s, MELODY.pitch)))
    got = note_figures(MELODY, twice)
    assert (got["class_precision"], got["class_recall"], got["density_ratio"]) == (0.5, 1, 2)


def test_a_note_is_matched_with_one_alone_and_as_many_are_as_can_be() -> None:
    played = Notes.of([1.0, 1.08], [2, 2], [60, 60])
    # the first note said is near both; matched with the second played, it would leave the other without a partner
    said = Notes.of([1.05, 1.17], [2, 2], [60, 60])
    assert note_figures(played, said)["pitch_f"] == 1
    assert note_figures(played, said[:1])["pitch_recall"] == 0.5


def test_chords_are_matched_note_by_note() -> None:
    chord = Notes.of([1.0] * 3, [2.0] * 3, [60, 64, 67])
    other = Notes.of([1.04] * 3, [2.0] * 3, [60, 63, 79])
    got = note_figures(chord, other)
    assert only_f(got) == pytest.approx([1, 1 / 3, 2 / 3])


def test_random_notes_score_what_their_number_makes_likely() -> None:
    got = [note_figures(random_notes(k, 100), random_notes(1000 + k, 100)) for k in range(20)]
    onset, pitch, pitch_class = np.mean([only_f(one) for one in got], axis=0)
    assert 0.4 < onset < 0.6  # five notes a second within windows of 200 ms: onsets alone say little
    assert pitch_class == pytest.approx(1 / 12, abs=0.02)
    assert pitch == pytest.approx(1 / 36, abs=0.015)


def test_the_figures_are_those_of_mir_eval() -> None:
    for seed in range(40):
        played, said = random_notes(seed), random_notes(seed + 500)
        if not (len(played) and len(said)):
            continue
        got = note_figures(played, said)
        for kind, part in KINDS.items():
            expected = transcription.precision_recall_f1_overlap(
                *_as_mir_eval(played, part(played.pitch)),
                *_as_mir_eval(said, part(said.pitch)),
                onset_tolerance=0.1,
                offset_ratio=None,
            )[:3]
            assert [got[f"{kind}_{x}"] for x in ("precision", "recall", "f")] == pytest.approx(expected, abs=1e-12)


def _as_mir_eval(notes: Notes, kind: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Intervals, and the kind as semitones from 100 Hz."""
    return np.stack([notes.onset_s, notes.offset_s], 1), 100 * 2 ** (kind / 12)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_times_must_be_finite(bad: float) -> None:
    wrong = Notes.of([1.0, bad], [2.0, 3.0], [60, 61])
    for pair in ((wrong, MELODY), (MELODY, wrong)):
        with pytest.raises(OptionError, match="finite seconds"):
            note_figures(*pair)
