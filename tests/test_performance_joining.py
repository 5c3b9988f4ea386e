"""Clips that overlap make one piece again: nothing doubled, nothing cut."""

import numpy as np
import pytest

from kinebeat.performance.events import decode, encode, on_grid
from kinebeat.performance.joining import CLIP_S, HOP_S, SAME_S, clip_starts, joined, without_overlaps
from kinebeat.performance.notes import Notes


def piece(rng, duration_s, gap_s=0.25, notes_per_s=6.0):
    """Random notes; those of one pitch are apart by `gap_s`, so that it is clear which is which."""
    count = int(duration_s * notes_per_s)
    onset_s = np.sort(rng.uniform(0, duration_s, count))
    offset_s, pitch = onset_s + rng.exponential(0.8, count) + 0.02, rng.integers(40, 80, count)
    kept, last = [], {}
    for i in range(count):
        if onset_s[i] > last.get(pitch[i], -9.0) + gap_s:
            kept.append(i)
            last[pitch[i]] = offset_s[i]
    rows = (onset_s[kept], np.minimum(offset_s[kept], duration_s), pitch[kept], rng.integers(20, 120, len(kept)))
    return on_grid(Notes.of(*rows), duration_s)


def seen(notes, start_s, jitter_s=0.0, rng=None):
    """What a clip has of a piece, through its words; a clip may be early or late with what it strikes and lets go."""
    move = np.zeros((2, len(notes))) if rng is None else rng.uniform(-jitter_s, jitter_s, (2, len(notes)))
    onset_s, offset_s = notes.onset_s + move[0], notes.offset_s + move[1]
    moved = Notes.of(onset_s, np.maximum(offset_s, onset_s + 0.01), notes.pitch, notes.velocity).later(-start_s)
    return decode(encode(moved, CLIP_S), CLIP_S)


def rows(notes):
    return [
        (round(float(a), 4), round(float(b), 4), int(p), int(v))
        for a, b, p, v in zip(notes.onset_s, notes.offset_s, notes.pitch, notes.velocity, strict=True)
    ]


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("hop_s", [1.5, 3.0, HOP_S, 5.5, CLIP_S])
def test_a_piece_seen_in_clips_is_the_piece(seed, hop_s):
    rng = np.random.default_rng(seed)
    notes = piece(rng, rng.uniform(3, 40))
    starts_s = clip_starts(float(notes.offset_s.max()), hop_s=hop_s)
    assert rows(joined([(start_s, seen(notes, start_s)) for start_s in starts_s])) == rows(notes)


@pytest.mark.parametrize("seed", range(20))
def test_clips_that_do_not_quite_agree(seed):
    rng = np.random.default_rng(seed)
    notes = piece(rng, 59.9)
    starts_s = clip_starts(60.0)
    made = joined([(start_s, seen(notes, start_s, 0.03, rng)) for start_s in starts_s])
    assert len(made) == len(notes)  # not one doubled or lost
    order, order_made = (np.lexsort((n.onset_s, n.pitch)) for n in (notes, made))
    assert np.array_equal(made.pitch[order_made], notes.pitch[order])
    assert np.abs(made.onset_s[order_made] - notes.onset_s[order]).max() <= 0.036
    assert np.abs(made.offset_s[order_made] - notes.offset_s[order]).max() <= 0.05


def test_a_note_on_the_seam_is_one_whichever_clip_is_early():
    seam_s = (CLIP_S + HOP_S) / 2
    for ours_s, theirs_s in ((-0.02, 0.02), (0.02, -0.02), (0.0, 0.0), (-0.04, -0.01), (0.01, 0.05)):
        first = Notes.of([seam_s + ours_s], [seam_s + 0.5], [60])
        second = Notes.of([seam_s + theirs_s - HOP_S], [seam_s + 0.4 - HOP_S], [60])
        made = joined([(0.0, first), (HOP_S, second)])
        assert len(made) == 1
        assert made.onset_s[0] - seam_s in (pytest.approx(ours_s), pytest.approx(theirs_s))
        assert made.offset_s[0] == pytest.approx(seam_s + 0.4)


def test_a_trill_over_the_seam_stays_a_trill():
    onset_s = np.arange(4.5, 5.5, 0.07)
    trill = Notes.of(onset_s, onset_s + 0.06, np.full(len(onset_s), 60))
    assert len(joined([(0.0, trill), (HOP_S, trill.later(-HOP_S))])) == len(trill)


def test_a_note_longer_than_a_clip_is_one_note():
    long = Notes.of([1.0], [23.5], [48])
    starts_s = clip_starts(25.0)
    assert len(starts_s) > 5
    assert rows(joined([(start_s, seen(long, start_s)) for start_s in starts_s])) == [(1.0, 23.5, 48, 82)]


def test_a_clip_is_believed_in_its_middle_only():
    first = Notes.of([1.0, 4.9, 5.3], [1.5, 5.0, 5.6], [60, 61, 62])  # at the end it imagines things
    second = Notes.of([0.0, 0.4, 1.6], [0.3, 0.8, 2.0], [70, 71, 72])  # at the start too
    made = joined([(0.0, first), (HOP_S, second)])
    assert made.pitch.tolist() == [60, 61, 72]


def test_held_in_one_clip_and_let_go_in_the_other():
    first, second = Notes.of([4.5], [CLIP_S], [60]), Notes.of([0.5], [3.0], [60])
    assert rows(joined([(0.0, first), (HOP_S, second)])) == [(4.5, 7.0, 60, 80)]
    assert rows(joined([(0.0, first), (HOP_S, Notes.none())])) == [(4.5, 6.0, 60, 80)]
    assert len(joined([(0.0, Notes.none()), (HOP_S, second)])) == 0


def test_none_and_one():
    assert len(joined([])) == 0
    notes = Notes.of([0.5, 0.7], [0.6, 0.9], [60, 64])
    assert rows(joined([(0.0, notes)])) == rows(notes)


@pytest.mark.parametrize("duration_s", [0.5, 6.0, 6.01, 7.0, 9.95, 10.0, 10.1, 61.7, 600.0])
def test_clips_cover_the_film(duration_s):
    starts_s = clip_starts(duration_s)
    assert starts_s[0] == 0
    assert (np.diff(starts_s) > 0).all()
    assert (np.diff(starts_s) <= HOP_S + 0.1).all()
    assert starts_s[-1] + CLIP_S >= duration_s - 1e-9
    assert len(starts_s) == 1 or starts_s[-1] + CLIP_S < duration_s + 0.1
    assert np.allclose(starts_s * 10, np.round(starts_s * 10))
    assert HOP_S + 2 * SAME_S < CLIP_S


def test_a_pitch_sounds_once_at_a_time():
    made = without_overlaps(Notes.of([0.0, 0.5, 0.5, 0.6], [2.0, 1.0, 3.0, 4.0], [60, 60, 60, 61]))
    assert rows(made) == [(0.0, 0.5, 60, 80), (0.5, 3.0, 60, 80), (0.6, 4.0, 61, 80)]
