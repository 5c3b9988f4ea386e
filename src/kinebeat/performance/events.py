"""Notes as words: the 240 events that the performance network reads and writes.

Oore et al. (2018), "This time with feeling", as Foley Music has it (section 3.1): 88 note-ons, 88 note-offs, 32
velocities and 32 time shifts, here on ticks of 10 ms. Within a tick come the note-offs, then the note-ons, both from
low to high; a velocity is said before a note-on, and only when it is another one.

A clip of a given length needs no word for its end: it is over when the shifts have come to its length. What sounds when
a clip begins is struck at its tick 0; what sounds when it ends has no note-off.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from kinebeat.performance.notes import Notes

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

LOWEST, HIGHEST = 21, 108
"""MIDI pitches of A0 and C8, the 88 keys of a piano."""
KEYS = HIGHEST - LOWEST + 1
TICKS_PER_S = 100
SHIFTS = (*range(1, 17), *range(20, 95, 5), 100)
"""Lengths of the time shifts in ticks. Any time up to a second takes two words at most; pictures that come 50 ms apart
take one, up to 900 ms."""
BINS, BIN = 32, 4
"""How many velocities there are, and how many of MIDI's each of them stands for."""
USUAL_VELOCITY = 80
"""What is played with as long as no velocity has been said."""
ON, OFF, VELOCITY, SHIFT, WORDS = 0, KEYS, 2 * KEYS, 2 * KEYS + BINS, 2 * KEYS + BINS + len(SHIFTS)
"""The first word of each kind, and how many words there are."""
_LENGTH = np.array(SHIFTS)


class Limits(NamedTuple):
    """What a clip's words keep to: its length in ticks, and its instrument's range (MIDI) and number of voices."""

    ticks: int
    lowest: int = LOWEST
    highest: int = HIGHEST
    voices: int = KEYS


@dataclass(frozen=True, eq=False)
class State:
    """All about the words said so far that decides what may follow.

    Attributes:
        tick: time from the clip's start.
        velocity: number of the last velocity.
        sounding: (88,) which keys sound.
        kind: `ON`, `OFF`, `VELOCITY` or `SHIFT`, of the last word.
        key: of the last note-on, or else note-off, at this tick; -1 before the first of that kind.
    """

    tick: int
    velocity: int
    sounding: NDArray[np.bool_]
    kind: int
    key: int


def first_state() -> State:
    """The state before the first word."""
    return State(0, USUAL_VELOCITY // BIN, np.zeros(KEYS, bool), SHIFT, -1)


def allowed(state: State, limits: Limits) -> NDArray[np.bool_]:
    """(240,) which words may follow; none when the clip is over.

    Whoever says allowed words alone comes to the clip's end, in the order in which `encode` says them. Only the shifts
    need not be the longest that fit.
    """
    words = np.zeros(WORDS, bool)
    if state.tick >= limits.ticks:
        return words
    keys = np.arange(KEYS)
    in_range = (keys >= limits.lowest - LOWEST) & (keys <= limits.highest - LOWEST)
    rising = keys > (state.key if state.kind in (ON, VELOCITY) else -1)
    free = int(state.sounding.sum()) < limits.voices
    words[ON:OFF] = in_range & rising & ~state.sounding & free
    if state.kind == VELOCITY:
        return words
    words[VELOCITY:SHIFT] = words[ON:OFF].any()
    words[VELOCITY + state.velocity] = False
    words[SHIFT:] = state.tick + _LENGTH <= limits.ticks
    if state.kind != ON:
        words[OFF:VELOCITY] = state.sounding & (keys > (state.key if state.kind == OFF else -1))
    return words


def after(state: State, word: int) -> State:
    """The state when a word that is allowed has been said."""
    if word >= SHIFT:
        return replace(state, tick=state.tick + SHIFTS[word - SHIFT], kind=SHIFT, key=-1)
    if word >= VELOCITY:
        key = state.key if state.kind == ON else -1
        return replace(state, velocity=word - VELOCITY, kind=VELOCITY, key=key)
    kind, key = (OFF, word - OFF) if word >= OFF else (ON, word)
    sounding = state.sounding.copy()
    sounding[key] = kind == ON
    return replace(state, sounding=sounding, kind=kind, key=key)


def on_grid(notes: Notes, length_s: float | None = None) -> Notes:
    """Notes as the words have them; again the same when they already are so.

    Onsets and ends are at the nearest tick, a note lasts for a tick at least, velocities are those of the bins. A key
    that is struck while it sounds ends its note; struck twice in a tick it is one note, the harder and the longer. What
    is outside the 88 keys is left out.

    Args:
        notes: in seconds from the clip's start.
        length_s: of the clip, to which the notes are cut; None keeps all from 0 on.
    """
    return _notes(*_on_ticks(notes, length_s))


def encode(notes: Notes, length_s: float | None = None) -> NDArray[np.int64]:
    """The words of notes.

    Args:
        notes: in seconds from the clip's start; they are taken as `on_grid` puts them.
        length_s: of the clip, which the words then come to the end of; None ends with the last note-off.
    """
    start, end, key, velocity = _on_ticks(notes, length_s)
    length = None if length_s is None else int(_tick(length_s))
    ending = end < length if length is not None else np.ones(len(end), bool)
    tick = np.concatenate([end[ending], start])
    word = np.concatenate([OFF + key[ending], ON + key])
    is_on = np.arange(len(tick)) >= ending.sum()
    order = np.lexsort((word % KEYS, is_on, tick))
    tick, word, is_on = tick[order], word[order], is_on[order]
    number = np.concatenate([np.zeros(ending.sum(), np.int64), velocity])[order]
    before = np.concatenate([[USUAL_VELOCITY // BIN], number[is_on]])[np.cumsum(is_on) - is_on]
    changing = is_on & (number != before)
    if length is not None:
        tick, word = np.append(tick, length), np.append(word, -1)
        changing, number = np.append(changing, False), np.append(number, 0)
    wait = np.diff(tick, prepend=0)
    seconds, rest = np.divmod(wait, TICKS_PER_S)
    first, second = _TWO[rest].T
    longest = SHIFT + len(SHIFTS) - 1
    # One row an event: whole seconds, two shifts, velocity, event; -1 where nothing is said.
    rows = np.stack([first, second, np.where(changing, VELOCITY + number, -1), word], 1)
    flat = np.insert(rows.ravel(), np.repeat(np.arange(len(rows)) * rows.shape[1], seconds), longest)
    return flat[flat >= 0]


def decode(words: ArrayLike, length_s: float | None = None) -> Notes:
    """The notes that words say, whichever they are and in whatever order.

    A note-off of a key that does not sound says nothing; a note-on of one that does ends its note and begins another.
    What is never ended sounds until the clip's end, or the last word's time.

    Args:
        words: (N,) each in 0..239.
        length_s: of the clip, beyond which nothing is heard; None takes all.

    Raises:
        ValueError: a number is no word.
    """
    said = np.asarray(words, np.int64).reshape(-1)
    if len(said) and not (said.min() >= 0 and said.max() < WORDS):
        raise ValueError(f"expected words from 0 to {WORDS - 1}, got {said.min()} to {said.max()}")
    tick = ticks_of(said)
    length = max(int(tick[-1]) + _shift(said[-1:])[0], 1) if len(said) else 0
    if length_s is not None:
        length = int(_tick(length_s))
    is_velocity = (said >= VELOCITY) & (said < SHIFT)
    number = np.concatenate([[USUAL_VELOCITY // BIN], said[is_velocity] - VELOCITY])[np.cumsum(is_velocity)]
    keyed = np.flatnonzero(said < VELOCITY)
    keyed = keyed[np.argsort(said[keyed] % KEYS, kind="stable")]
    key = said[keyed] % KEYS
    last = np.append(key[1:] != key[:-1], True)[: len(key)]
    end = np.where(last, length, np.append(tick[keyed][1:], length)[: len(key)])
    end = np.minimum(end, length)
    start = tick[keyed]
    kept = (said[keyed] < OFF) & (end > start)
    return _notes(start[kept], end[kept], key[kept], number[keyed][kept])


def ticks_of(words: ArrayLike) -> NDArray[np.int64]:
    """(N,) the tick at which each of (N,) words is said: a shift is said before its time passes."""
    shift = _shift(np.asarray(words, np.int64))
    ticks: NDArray[np.int64] = np.cumsum(shift) - shift
    return ticks


def _shift(words: NDArray[np.int64]) -> NDArray[np.int64]:
    """(N,) how many ticks pass with each word."""
    ticks: NDArray[np.int64] = np.where(words >= SHIFT, _LENGTH[np.maximum(words - SHIFT, 0)], 0)
    return ticks


def _tick(time_s: ArrayLike) -> NDArray[np.int64]:
    ticks: NDArray[np.int64] = np.floor(np.asarray(time_s) * TICKS_PER_S + 0.5).astype(np.int64)
    return ticks


def _on_ticks(notes: Notes, length_s: float | None) -> tuple[NDArray[np.int64], ...]:
    """Ticks of the onsets and ends, keys from 0 and numbers of the velocities, as `on_grid` has them."""
    kept = (notes.pitch >= LOWEST) & (notes.pitch <= HIGHEST)
    start, end = _tick(notes.onset_s[kept]), _tick(notes.offset_s[kept])
    key, velocity = notes.pitch[kept] - LOWEST, notes.velocity[kept] // BIN
    order = np.lexsort((start, key))
    start, end, key, velocity = start[order], end[order], key[order], velocity[order]
    new = np.flatnonzero(np.append(True, (np.diff(key) != 0) | (np.diff(start) != 0))[: len(key)])
    if len(new):
        end, velocity = np.maximum.reduceat(end, new), np.maximum.reduceat(velocity, new)
    start, key = start[new], key[new]
    end = np.maximum(end, start + 1)
    struck_again = np.flatnonzero(key[1:] == key[:-1])
    end[struck_again] = np.minimum(end[struck_again], start[struck_again + 1])
    latest = np.iinfo(np.int64).max if length_s is None else int(_tick(length_s))
    inside = (end > 0) & (start < latest)
    start, end = np.maximum(start[inside], 0), np.minimum(end[inside], latest)
    return start, end, key[inside], velocity[inside]


def _notes(
    start: NDArray[np.int64], end: NDArray[np.int64], key: NDArray[np.int64], number: NDArray[np.int64]
) -> Notes:
    return Notes.of(start / TICKS_PER_S, end / TICKS_PER_S, key + LOWEST, number * BIN + BIN // 2)


def _two_shifts() -> NDArray[np.int64]:
    """(100, 2) the words of every wait of less than a second, the longest that fits first; -1 is none."""
    table = np.full((TICKS_PER_S, 2), -1)
    for wait in range(1, TICKS_PER_S):
        rest = wait
        for place in range(2):
            if rest:
                number = int(np.searchsorted(_LENGTH, rest, side="right")) - 1
                table[wait, place] = SHIFT + number
                rest -= SHIFTS[number]
    return table


_TWO = _two_shifts()
