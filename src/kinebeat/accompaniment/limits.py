"""What a player can and would play: register, hands, key, chords and cadence, as masks over the decoder's tokens."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from kinebeat.accompaniment.grammar import Place, after, allowed
from kinebeat.accompaniment.harmony import (
    MODES,
    NO_CHORD,
    NO_KEY,
    TEMPLATES,
    chord_numbered,
    chord_pitch_classes,
    scale_pitch_classes,
    transposed_chords,
)
from kinebeat.accompaniment.parts import LOWEST_PITCH, POSITIONS_PER_BAR, Chords
from kinebeat.accompaniment.vocabulary import DECODER, DURATIONS, NO_NOTES, NOTES_FROM, tempo_bin
from kinebeat.errors import OptionError

Mask = NDArray[np.bool_]
_MIDDLE = POSITIONS_PER_BAR // 2
_HELD = POSITIONS_PER_BAR // 2
"""A last chord is held for half a bar at least."""
_NOTE = 3
"""Tokens of a note."""


@dataclass(frozen=True)
class Limits:
    """What an instrument can play at once. Of the corpus's moments 99.6 % and more keep to it.

    Attributes:
        lowest: MIDI pitch.
        highest: MIDI pitch.
        hands: how many there are.
        span: semitones from a hand's lowest note to its highest.
        fingers: notes of a hand.
        same: how many of the last `LATELY` notes may have been one pitch before it has to rest, for who plays varied.
    """

    lowest: int
    highest: int
    hands: int
    span: int
    fingers: int
    same: int


LATELY = 16
LIMITS = {"piano": Limits(28, 100, 2, 12, 5, 7), "guitar": Limits(40, 84, 1, 27, 6, 10)}
"""Of the notes of test songs 97 % (piano) and 95 % (guitar) keep to `same`."""


@dataclass(frozen=True)
class Wish:
    """What a player is asked for.

    Attributes:
        instrument: one of `parts.INSTRUMENTS`.
        tempo_bpm: of each bar, (bars,); their number is that of the piece.
        key: a number of `harmony`, or `NO_KEY`: then any note and any chord may come, and a piece just stops.
        notes: for each bar the bin of how many positions have notes (`notes_bin`), or `NO_NOTES` for what the player
            likes. No bar has more than its bin says, nor none where some are asked for.
        chords: to be played on; the player's own if None, and where one is N.
        last_bar: the bar whose first beat ends the piece, or None for a piece that goes on. The bars after it should
            ask for no notes.
        varied: no pitch is struck again and again. A model that plays to itself for long may come to do nothing else.
    """

    instrument: str
    tempo_bpm: tuple[float, ...]
    key: int = NO_KEY
    notes: tuple[int, ...] = ()
    chords: Chords | None = None
    last_bar: int | None = None
    varied: bool = False

    def __post_init__(self) -> None:
        if self.instrument not in LIMITS:
            raise OptionError(f"no instrument {self.instrument!r}: expected one of {', '.join(LIMITS)}")
        if self.notes and len(self.notes) != self.bars:
            raise OptionError(f"how many notes of {len(self.notes)} bars: expected {self.bars}")
        if self.chords is not None and len(self.chords.symbols) != 2 * self.bars:
            raise OptionError(f"chords of {len(self.chords.symbols)} half bars: expected {2 * self.bars}")

    @property
    def bars(self) -> int:
        """How many there are."""
        return len(self.tempo_bpm)

    def notes_in(self, bar: int) -> int:
        """The bin of a bar."""
        return self.notes[bar] if self.notes else NO_NOTES

    def most_places(self, bar: int) -> int:
        """At how many positions of a bar notes may start."""
        number = self.notes_in(bar)
        return int(NOTES_FROM[number + 1]) - 1 if number + 1 < len(NOTES_FROM) else POSITIONS_PER_BAR

    def chord(self, half: int) -> int | None:
        """The chord that a half bar has to have, None if the player is free."""
        if self.chords is not None and self.chords.symbols[half] != NO_CHORD:
            return int(self.chords.symbols[half])
        if self.last_bar is None or self.key == NO_KEY:
            return None
        if half // 2 >= self.last_bar:
            return tonic_chord(self.key)
        return dominant_chord(self.key) if half == 2 * self.last_bar - 1 else None


def tonic_chord(key: int) -> int:
    """The triad on the tonic of a key."""
    mode, tonic = divmod(key, 12)
    return int(transposed_chords(chord_numbered(("C", "Cm")[mode]), tonic))


def dominant_chord(key: int) -> int:
    """The major triad on the fifth step, in minor too: it leads home."""
    return int(transposed_chords(chord_numbered("G"), key % 12))


@lru_cache(maxsize=32)
def chords_of(key: int) -> Mask:
    """Which chords belong to a key, (CHORDS,): those of its scale, in minor the dominant with its leading note too."""
    found = np.zeros(NO_CHORD + 1, bool)
    outside = [pc for pc in range(12) if pc not in scale_pitch_classes(key)]
    found[:NO_CHORD] = ~(TEMPLATES[:, outside] > 0).any(1)
    if key != NO_KEY and key // 12 == list(MODES).index("minor"):
        tonic = key % 12
        found[[transposed_chords(chord_numbered(name), tonic) for name in ("G", "G7", "Bdim")]] = True
    found.flags.writeable = False  # it is kept for the next caller
    return found


@dataclass(frozen=True)
class Playing:
    """Where a player is in a piece.

    Attributes:
        bar: from 0.
        place: in it, by the grammar.
        struck: pitches that started at this position, rising.
        places: at how many positions of the bar notes have started.
        lately: the last `LATELY` pitches of the piece.
    """

    bar: int = -1
    place: Place = field(default_factory=Place)
    struck: tuple[int, ...] = ()
    places: int = 0
    lately: tuple[int, ...] = ()

    def then(self, token: int) -> Playing:
        """When one more token has been said."""
        place = after(self.place, token)
        kind = DECODER.kinds[DECODER.kind[token]]
        if kind == "Bar":
            return Playing(self.bar + 1, place, lately=self.lately)
        if kind == "Position":
            return replace(self, place=place, struck=())
        if kind == "Pitch":
            pitch = place.pitch + LOWEST_PITCH
            struck, lately = (*self.struck, pitch), (*self.lately, pitch)[-LATELY:]
            return replace(self, place=place, struck=struck, places=self.places + (not self.struck), lately=lately)
        return replace(self, place=place)


def playable(wish: Wish, playing: Playing, room: int) -> Mask:
    """Which tokens may come next, (V,); `Bar` means that the bar is done. There is always one.

    Args:
        wish: what is asked for.
        playing: where the player is, in a bar of the piece.
        room: how many tokens the bar may still have, at the bar's start at least 6.
    """
    place, bar = playing.place, playing.bar
    mask = allowed(place)
    if place.kind == "Velocity":
        return mask & _lengths(wish, playing)
    if place.kind in ("", "Bar", "Pitch"):
        return mask
    if place.kind == "Tempo" or (place.kind == "Position" and place.position == 0):
        # Tempo and chord are said as they are, not as the model would have them.
        tempo = DECODER.span("Tempo").start + int(tempo_bin(wish.tempo_bpm[bar]))
        return _only(tempo) if mask[tempo] else mask & _chords(wish, 2 * bar)
    asked, middle = wish.chord(2 * bar + 1), place.position == _MIDDLE
    owed = asked is not None and asked != place.chord and place.position <= _MIDDLE
    if place.kind == "Position":
        if middle and owed:
            return mask & _chords(wish, 2 * bar + 1)
        if middle and asked is None:
            return mask & (_pitches(wish, playing) | _chords(wish, 2 * bar + 1))
        return mask & _pitches(wish, playing)
    # Here the position may be over. Two tokens are always kept for a chord that is owed.
    last, fresh = bar == wish.last_bar, playing.places < wish.most_places(bar)
    pitches = mask & _pitches(wish, playing)
    if room < _NOTE + 2 or not (playing.struck or fresh):
        pitches[:] = False
    position = DECODER.span("Position")
    further = mask[position]
    if not fresh or last or room < _NOTE + 3:
        further &= owed & (np.arange(POSITIONS_PER_BAR) == _MIDDLE)
    if owed:
        further[_MIDDLE + 1 :] = False
    found = pitches
    found[position] = further
    # A bar for which notes are asked has some, and so has the last.
    waited_for = (
        not playing.places and (last or wish.notes_in(bar) not in (0, NO_NOTES)) and (pitches.any() or further.any())
    )
    found[DECODER.first["Bar"]] = not owed and not waited_for
    return found


def _only(token: int) -> Mask:
    mask = np.zeros(len(DECODER), bool)
    mask[token] = True
    return mask


def _chords(wish: Wish, half: int) -> Mask:
    """The chords that a half bar may have."""
    asked, chord = wish.chord(half), DECODER.span("Chord")
    if asked is not None:
        return _only(chord.start + asked)
    mask = np.zeros(len(DECODER), bool)
    mask[chord] = chords_of(wish.key)
    return mask


def _pitches(wish: Wish, playing: Playing) -> Mask:
    """The pitches that are in key, in reach, and not worn out."""
    limits, chord = LIMITS[wish.instrument], playing.place.chord
    pitch = np.arange(LOWEST_PITCH, LOWEST_PITCH + len(DECODER.value[DECODER.span("Pitch")]))
    good = (pitch >= limits.lowest) & (pitch <= limits.highest)
    ends = playing.bar == wish.last_bar and chord != NO_CHORD
    classes = {*chord_pitch_classes(chord), *(() if ends else scale_pitch_classes(wish.key))}
    good &= np.isin(pitch % 12, list(classes))
    if playing.struck:
        # From the lowest note up every hand takes what it can.
        hand, lowest, count = 1, playing.struck[0], 0
        for struck in playing.struck:
            if struck > lowest + limits.span or count == limits.fingers:
                hand, lowest, count = hand + 1, struck, 0
            count += 1
        if hand == limits.hands:
            good &= (pitch <= lowest + limits.span) & (count < limits.fingers)
    if wish.varied and not ends:
        fresh = good & (np.bincount(np.array(playing.lately, np.int64), minlength=pitch[-1] + 1)[pitch] < limits.same)
        good = fresh if fresh.any() else good
    mask = np.zeros(len(DECODER), bool)
    mask[DECODER.span("Pitch")] = good
    return mask


def _lengths(wish: Wish, playing: Playing) -> Mask:
    """The durations that end with the piece at the latest; at its end those that last."""
    final = wish.bars - 1 if wish.last_bar is None else wish.last_bar
    left = (final - playing.bar + 1) * POSITIONS_PER_BAR - playing.place.position
    mask = np.zeros(len(DECODER), bool)
    mask[DECODER.span("Duration")] = (max(1, left) >= DURATIONS) & (_HELD * (playing.bar == wish.last_bar) <= DURATIONS)
    return mask
