"""Figures of parts, on music whose figures are known."""

import numpy as np
import pytest

from kinebeat.accompaniment.harmony import chord_numbered
from kinebeat.accompaniment.parts import Chords, drums_from_hits, part_from_notes, transposed
from kinebeat.evaluation.part_metrics import (
    NOTE_LENGTHS,
    harmony_figures,
    longest_common_run,
    note_length_histogram,
    onset_agreement,
    overlap,
    pitch_class_histogram,
    statistics,
)

C_MAJOR, A_MINOR, NO_KEY = 0, 21, 24
SILENCE = part_from_notes(2, [], [], [], [])


def scale(bars=2):
    """A C major scale in quarters, up and up."""
    steps = np.array([0, 2, 4, 5, 7, 9, 11, 12])
    count = 4 * bars
    return part_from_notes(bars, 12 * np.arange(count), [12] * count, 60 + steps[np.arange(count) % 8], [80] * count)


def blocks():
    """Two bars of C major triads on each half."""
    onset = np.repeat([0, 24, 48, 72], 3)
    return part_from_notes(2, onset, [24] * 12, [60, 64, 67] * 4, [80] * 12)


def some_part(seed, bars=4, notes=60):
    rng = np.random.default_rng(seed)
    size = (notes,)
    return part_from_notes(
        bars, rng.integers(48 * bars, size=size), rng.integers(1, 30, size), rng.integers(40, 80, size), [90] * notes
    )


def test_statistics_of_a_scale():
    found = statistics(scale(), 120.0)
    assert found == pytest.approx(
        {
            "pitch_count_per_bar": 4.0,
            "pitch_interval": 12 / 7,
            "ioi_s": 0.5,
            "onset_gap_s": 0.5,
            "notes_per_bar": 4.0,
            "onsets_per_bar": 4.0,
            "polyphony": 1.0,
            "silence": 0.0,
        }
    )
    assert statistics(scale(), 60.0)["ioi_s"] == pytest.approx(1.0)


def test_statistics_of_block_chords():
    found = statistics(blocks(), 120.0)
    assert found["pitch_count_per_bar"] == 3.0
    assert found["polyphony"] == 3.0
    assert found["ioi_s"] == pytest.approx(3 * 1.0 / 11)  # three gaps of a second, eight of nothing
    assert found["onset_gap_s"] == pytest.approx(1.0)
    assert found["pitch_interval"] == pytest.approx((4 * (4 + 3) + 3 * 7) / 11)
    assert found["onsets_per_bar"] == 2.0


def test_a_bar_without_notes_is_silence_and_counts_as_a_bar():
    part = part_from_notes(2, [0], [48], [60], [80])
    found = statistics(part, 100.0)
    assert (found["silence"], found["notes_per_bar"], found["pitch_count_per_bar"]) == (0.5, 0.5, 1.0)
    assert np.isnan([found["ioi_s"], found["pitch_interval"], found["onset_gap_s"]]).all()


def test_without_notes_there_are_no_statistics():
    found = statistics(SILENCE, 100.0)
    assert (found["silence"], found["notes_per_bar"]) == (1.0, 0.0)
    assert np.isnan([found[name] for name in ("pitch_count_per_bar", "ioi_s", "polyphony")]).all()
    assert np.isnan(pitch_class_histogram(SILENCE)).all()
    assert np.isnan(note_length_histogram(SILENCE)).all()
    assert np.isnan(overlap(pitch_class_histogram(SILENCE), pitch_class_histogram(scale())))
    assert np.isnan(harmony_figures(SILENCE, Chords(np.full(4, chord_numbered("C"))), C_MAJOR)["in_key"])


def test_histograms_and_their_overlap():
    classes = pitch_class_histogram(blocks())
    assert classes[[0, 4, 7]] == pytest.approx(1 / 3)
    assert classes.sum() == pytest.approx(1.0)
    assert overlap(classes, classes) == pytest.approx(1.0)
    assert overlap(classes, pitch_class_histogram(transposed(blocks(), 1))) == 0.0
    assert overlap(classes, np.full(12, 1 / 12)) == pytest.approx(0.25)


@pytest.mark.parametrize("length", NOTE_LENGTHS)
def test_each_note_length_has_a_place_of_its_own(length):
    lengths = note_length_histogram(part_from_notes(2, [0], [length], [60], [80]))
    assert lengths[length == NOTE_LENGTHS] == 1.0
    near = note_length_histogram(part_from_notes(4, [0], [int(length * 1.04)], [60], [80]))
    assert near[length == NOTE_LENGTHS] == 1.0


def test_notes_in_key_and_in_chord():
    chords = Chords(np.array([chord_numbered(name) for name in ("C", "C", "Am", "F")]))
    figures = harmony_figures(scale(), chords, C_MAJOR)
    assert figures["in_key"] == 1.0
    # C D | E F over C, G A over Am, B C over F
    assert figures["in_chord"] == pytest.approx((1 + 1 + 1 + 1) / 8)
    assert figures["chord_changes_per_bar"] == 1.0
    assert harmony_figures(transposed(scale(), 1), chords, C_MAJOR)["in_key"] == pytest.approx(2 / 8)
    assert harmony_figures(scale(), chords, A_MINOR)["in_key"] == 1.0
    assert harmony_figures(transposed(scale(), 1), chords, NO_KEY)["in_key"] == 1.0
    nothing = Chords(np.full(4, chord_numbered("N")))
    assert harmony_figures(scale(), nothing, C_MAJOR)["in_chord"] == 0.0


def test_onsets_agree_with_the_drums_they_were_played_to():
    drums = drums_from_hits(2, [0, 0, 12, 24, 36, 48, 60, 72, 84], [0, 2, 2, 1, 2, 0, 2, 1, 2], [90] * 9)
    assert onset_agreement(scale(), drums) == 1.0
    assert onset_agreement(blocks(), drums) == pytest.approx(2 * 4 / (4 + 8))
    late = drums_from_hits(2, [1, 13], [0, 1], [90, 90])
    assert onset_agreement(scale(), late) == 0.0
    assert np.isnan(onset_agreement(SILENCE, drums))


def test_a_copy_is_found_in_any_key_and_at_any_place():
    known = [some_part(seed) for seed in range(6)]
    whole = known[3]
    middle = slice(20, 45)
    kept = (whole.onset[middle] - whole.onset[20] + 5, whole.duration[middle], whole.pitch[middle] + 3)
    copied = part_from_notes(4, *kept, [70] * 25)
    fresh = some_part(99)
    found = longest_common_run([copied, fresh, whole, SILENCE], known)
    assert found[0] == len(copied) == 25
    assert 1 <= found[1] < 6
    assert found[2] == len(whole)
    assert found[3] == 0


def test_runs_do_not_go_on_from_one_part_into_the_next():
    whole = scale(2)
    halves = [
        part_from_notes(1, whole.onset[:4], whole.duration[:4], whole.pitch[:4], [80] * 4),
        part_from_notes(1, whole.onset[4:] - 48, whole.duration[4:], whole.pitch[4:], [80] * 4),
    ]
    assert longest_common_run([whole], halves).tolist() == [4]
    assert longest_common_run([whole], []).tolist() == [1]
    assert longest_common_run([], halves).tolist() == []


def test_the_longest_common_run_is_that_of_a_plain_search():
    parts, known = [some_part(s, notes=40) for s in (1, 2, 3)], [some_part(s, notes=40) for s in (4, 5)]

    def moves(part):
        return list(zip(np.diff(part.onset), np.diff(part.pitch), strict=True))

    def plain(part):
        theirs = [moves(other) for other in known]
        best = 1
        for i in range(len(part)):
            for j in range(i + 1, len(part)):
                run = moves(part)[i:j]
                if any(run == other[k : k + len(run)] for other in theirs for k in range(len(other))):
                    best = max(best, len(run) + 1)
        return best

    assert longest_common_run(parts, known).tolist() == [plain(part) for part in parts]
