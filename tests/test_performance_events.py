"""The 240 words: what they mean, that nothing is lost on the way through them, and what may follow what."""

import numpy as np
import pytest

from kinebeat.performance.events import (
    KEYS,
    OFF,
    ON,
    SHIFT,
    SHIFTS,
    VELOCITY,
    WORDS,
    Limits,
    after,
    allowed,
    decode,
    encode,
    first_state,
    on_grid,
    ticks_of,
)
from kinebeat.performance.notes import Notes


def rows(notes):
    return [
        (round(float(a), 6), round(float(b), 6), int(p), int(v))
        for a, b, p, v in zip(notes.onset_s, notes.offset_s, notes.pitch, notes.velocity, strict=True)
    ]


def random_notes(rng, count=60, length_s=8.0):
    onset_s = rng.uniform(-1, length_s, count)
    velocity = rng.integers(1, 128, count)
    return Notes.of(onset_s, onset_s + rng.exponential(0.4, count), rng.integers(15, 115, count), velocity)


def shift(ticks):
    return SHIFT + SHIFTS.index(ticks)


def test_there_are_as_many_words_as_in_the_paper():
    assert (OFF - ON, VELOCITY - OFF, SHIFT - VELOCITY, WORDS - SHIFT, WORDS) == (88, 88, 32, 32, 240)
    assert list(SHIFTS) == sorted(set(SHIFTS))


def test_a_melody_word_by_word():
    notes = Notes.of([0.25, 0.75, 0.75], [0.75, 1.0, 3.0], [60, 60, 64], [80, 80, 100])
    words = encode(notes)
    fast, slow = shift(25), shift(50)
    c, e = 60 - 21, 64 - 21
    assert words.tolist() == [
        fast, ON + c,
        slow, OFF + c, ON + c, VELOCITY + 25, ON + e,
        fast, OFF + c,
        shift(100), shift(100), OFF + e,
    ]  # fmt: skip
    assert ticks_of(words).tolist() == [0, 25, 25, 75, 75, 75, 75, 75, 100, 100, 200, 300]
    assert rows(decode(words)) == [(0.25, 0.75, 60, 82), (0.75, 1.0, 60, 82), (0.75, 3.0, 64, 102)]


@pytest.mark.parametrize("ticks", range(1, 101))
def test_any_time_up_to_a_second_takes_two_words_at_most(ticks):
    words = encode(Notes.none(), ticks / 100)
    assert len(words) <= 2
    assert sum(SHIFTS[word - SHIFT] for word in words) == ticks
    assert words[0] == max(shift(s) for s in SHIFTS if s <= ticks)


@pytest.mark.parametrize("seed", range(40))
def test_round_trip_of_random_notes(seed):
    rng = np.random.default_rng(seed)
    notes = random_notes(rng)
    for length_s in (None, 6.0, 2.34):
        grid = on_grid(notes, length_s)
        assert len(grid) > 5
        assert rows(on_grid(grid, length_s)) == rows(grid)
        words = encode(notes, length_s)
        assert words.min() >= 0
        assert words.max() < WORDS
        assert rows(decode(words, length_s)) == rows(grid)
        assert encode(decode(words, length_s), length_s).tolist() == words.tolist()


def test_the_grid_moves_nothing_by_more_than_half_a_tick():
    rng = np.random.default_rng(3)
    onset_s = np.sort(rng.uniform(0, 20, 88))
    notes = Notes.of(onset_s, onset_s + rng.uniform(0.02, 2, 88), rng.permutation(88) + 21, rng.integers(1, 128, 88))
    grid = on_grid(notes)
    by_pitch, by_pitch_before = np.argsort(grid.pitch), np.argsort(notes.pitch)
    for name in ("onset_s", "offset_s"):
        moved = getattr(grid, name)[by_pitch] - getattr(notes, name)[by_pitch_before]
        assert np.abs(moved).max() <= 0.005 + 1e-9
    assert np.abs(grid.velocity[by_pitch] - notes.velocity[by_pitch_before]).max() <= 2


def test_a_key_struck_while_it_sounds_ends_its_note():
    held = Notes.of([0.0, 0.5, 0.6], [2.0, 1.0, 0.9], [60, 60, 62])
    assert rows(on_grid(held)) == [(0.0, 0.5, 60, 82), (0.5, 1.0, 60, 82), (0.6, 0.9, 62, 82)]


def test_struck_twice_in_a_tick_it_is_one_note():
    twice = Notes.of([0.1, 0.102], [0.4, 0.2], [60, 60], [40, 100])
    assert rows(on_grid(twice)) == [(0.1, 0.4, 60, 102)]


def test_what_the_clips_ends_cut():
    notes = Notes.of([-1.0, -2.0, 5.5, 5.9, 6.0], [0.5, 0.0, 9.0, 6.0, 7.0], [60, 62, 64, 65, 67])
    words = encode(notes, 6.0)
    assert words[0] == ON + 60 - 21  # sounds already: struck at tick 0
    assert words[-1] == shift(10)  # the end is said by time alone
    assert not np.isin([OFF + 64 - 21, OFF + 65 - 21], words).any()
    assert rows(decode(words, 6.0)) == [(0.0, 0.5, 60, 82), (5.5, 6.0, 64, 82), (5.9, 6.0, 65, 82)]


def test_silence():
    assert encode(Notes.none()).tolist() == []
    assert len(decode([])) == len(decode([], 6.0)) == len(decode(encode(Notes.none(), 6.0), 6.0)) == 0
    assert encode(Notes.none(), 6.0).tolist() == [shift(100)] * 6


def test_pitches_beyond_the_piano_are_left_out():
    assert rows(on_grid(Notes.of([0, 0, 0], [1, 1, 1], [20, 21, 109]))) == [(0.0, 1.0, 21, 82)]


@pytest.mark.parametrize("seed", range(30))
def test_any_words_decode(seed):
    rng = np.random.default_rng(seed)
    words = rng.integers(0, WORDS, rng.integers(0, 400))
    for length_s in (None, 6.0):
        notes = decode(words, length_s)
        assert (notes.offset_s > notes.onset_s).all()
        assert (notes.velocity >= 1).all()
        assert length_s is None or not len(notes) or notes.offset_s.max() <= length_s
        assert rows(decode(encode(notes, length_s), length_s)) == rows(notes)


@pytest.mark.parametrize("wrong", [[-1], [3, WORDS]])
def test_what_is_no_word(wrong):
    with pytest.raises(ValueError, match="words from 0 to 239"):
        decode(wrong)


@pytest.mark.parametrize("seed", range(20))
def test_what_is_encoded_is_allowed(seed):
    notes = random_notes(np.random.default_rng(seed))
    state, limits = first_state(), Limits(600)
    for word in encode(notes, 6.0):
        assert allowed(state, limits)[word]
        state = after(state, word)
    assert state.tick == 600
    assert not allowed(state, limits).any()


@pytest.mark.parametrize("limits", [Limits(200), Limits(120, 60, 72, 1), Limits(150, 40, 83, 3)])
@pytest.mark.parametrize("seed", range(5))
def test_allowed_words_come_to_the_end_and_keep_the_limits(seed, limits):
    rng = np.random.default_rng(seed)
    state, words = first_state(), []
    while (may := allowed(state, limits)).any():
        words.append(int(rng.choice(np.flatnonzero(may))))
        state = after(state, words[-1])
        assert state.sounding.sum() <= limits.voices
    assert state.tick == limits.ticks
    notes = decode(words, limits.ticks / 100)
    assert len(notes) == sum(word < OFF for word in words)  # not one was struck in vain
    assert notes.pitch.min() >= limits.lowest
    assert notes.pitch.max() <= limits.highest
    unshifted = [word for word in words if word < SHIFT]
    again = [word for word in encode(notes, limits.ticks / 100) if word < SHIFT]
    assert unshifted == again  # in the very order in which they are encoded


def test_what_may_not_follow():
    c, e = 60 - 21, 64 - 21
    state = after(first_state(), ON + e)
    may = allowed(state, Limits(600))
    assert not may[[ON + c, ON + e, OFF + e, VELOCITY + 20]].any()
    assert may[[ON + e + 1, VELOCITY + 3, shift(1)]].all()
    may = allowed(after(state, VELOCITY + 3), Limits(600))
    assert not may[OFF:].any()
    assert may[ON : ON + KEYS].sum() == KEYS - e - 1
    state = after(after(state, shift(100)), OFF + e)
    assert allowed(state, Limits(600))[ON + e]
    assert not allowed(state, Limits(101))[shift(2)]


@pytest.mark.data
def test_every_file_of_the_multitrack_corpus_and_of_groove_comes_back(data_dir):
    """Each pitched or drum track as it is written, seconds on the grid; 600 files of the corpus, all of Groove."""
    import tarfile

    import symusic

    counts = []
    for folder, name, most in (("multitrack", "midi.tar.xz", 600), ("groove", "groove.tar.xz", 2000)):
        notes_seen = files_seen = 0
        with tarfile.open(data_dir / folder / name) as archive:
            for member in archive:
                if not member.name.endswith((".mid", ".midi")) or files_seen >= most:
                    continue
                try:
                    score = symusic.Score.from_midi(archive.extractfile(member).read(), ttype="second")
                except Exception:  # the corpus has files that are no MIDI
                    continue
                files_seen += 1
                for track in score.tracks:
                    raw = track.notes.numpy()
                    if not len(raw["time"]):
                        continue
                    velocity = np.clip(raw["velocity"], 1, 127)
                    notes = Notes.of(raw["time"], raw["time"] + raw["duration"], raw["pitch"], velocity)
                    grid = on_grid(notes)
                    back = decode(encode(grid))
                    for field in ("onset_s", "offset_s", "pitch", "velocity"):
                        assert np.array_equal(getattr(back, field), getattr(grid, field)), (member.name, field)
                    notes_seen += len(grid)
        counts.append((files_seen, notes_seen))
    assert counts[0][1] > 500_000
    assert counts[1][0] > 1000
