"""Parts to play: made up for each instrument, or taken from the corpus of songs."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from kinebeat.accompaniment.parts import INSTRUMENTS as SONG_INSTRUMENTS
from kinebeat.accompaniment.parts import POSITIONS_PER_BEAT
from kinebeat.errors import OptionError
from kinebeat.performance.instruments import INSTRUMENTS
from kinebeat.performance.notes import Notes

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from kinebeat.accompaniment.corpus import Segments
    from kinebeat.accompaniment.parts import Part

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

_SCALES = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "harmonic": (0, 2, 3, 5, 7, 8, 11),
    "pentatonic": (0, 2, 4, 7, 9),
    "chromatic": tuple(range(12)),
}
_CHORDS = ((0, 4, 7), (0, 3, 7), (0, 4, 7, 10), (0, 4, 7, 11), (0, 3, 7, 10))
# Rhythms of a beat, or of two, as lengths in beats.
_FIGURES = (
    (1.0,),
    (0.5, 0.5),
    (0.25, 0.25, 0.25, 0.25),
    (0.5, 0.25, 0.25),
    (0.25, 0.25, 0.5),
    (0.75, 0.25),
    (1 / 3, 1 / 3, 1 / 3),
    (2.0,),
    (1.5, 0.5),
)
_LATE_S = 0.012  # nobody plays like a machine


class Habits(NamedTuple):
    """What parts for an instrument are like.

    Attributes:
        common: semitones that are left out at the lower and the upper end of the range most of the time.
        quick: figures of short notes are so much likelier than others.
        breath_s: a phrase lasts so long, between these; then there is a rest.
        legato: share of its time that a note sounds, between these.
    """

    common: tuple[int, int]
    quick: float
    breath_s: tuple[float, float]
    legato: tuple[float, float]


_HABITS = {
    "keys": Habits((12, 12), 1.0, (3.0, 12.0), (0.4, 1.0)),
    "bowed": Habits((0, 12), 1.0, (3.0, 12.0), (0.8, 1.0)),
    "plucked": Habits((0, 10), 1.0, (3.0, 12.0), (0.6, 1.0)),
    "wind": Habits((3, 6), 0.8, (2.0, 6.0), (0.6, 0.98)),
    "bellows": Habits((0, 5), 0.9, (3.0, 9.0), (0.6, 1.0)),
}


def random_part(instrument: str, rng: np.random.Generator, duration_s: float) -> Notes:
    """Make a part up: melodies, scales, chords, as the instrument has them.

    Args:
        instrument: name in `INSTRUMENTS`.
        rng: where chance comes from.
        duration_s: how long; the first note begins after up to two seconds, the last ends before.

    Raises:
        OptionError: there is no such instrument.
    """
    if instrument not in INSTRUMENTS:
        raise OptionError(f"no instrument is called {instrument!r}; known are {', '.join(INSTRUMENTS)}")
    kinds = _KINDS[INSTRUMENTS[instrument].family]
    if instrument == "bass":
        kinds = ((melody, 1.0),)
    odds = np.array([share for _, share in kinds])
    make = kinds[int(rng.choice(len(kinds), p=odds / odds.sum()))][0]
    start_s = float(rng.uniform(0.2, 2.0))
    part = make(instrument, rng, duration_s - start_s - 0.2).later(start_s)
    return part[part.offset_s <= duration_s]


def melody(instrument: str, rng: np.random.Generator, duration_s: float) -> Notes:
    """A line that wanders through a scale in phrases."""
    about, habits = INSTRUMENTS[instrument], _HABITS[INSTRUMENTS[instrument].family]
    low, high = about.lowest, about.highest
    if rng.random() < 0.8:
        low, high = low + habits.common[0], high - habits.common[1]
    onset, length = _rhythm(habits, rng, duration_s)
    pitch = _walk(len(onset), _scale(rng, low, high), rng)
    return _sounding(onset, length, pitch, habits, rng)


def double_stops(instrument: str, rng: np.random.Generator, duration_s: float) -> Notes:
    """A melody with a second voice a third or a sixth below some of its notes."""
    line = melody(instrument, rng, duration_s)
    below = line.pitch - rng.choice([3, 4, 8, 9], len(line))
    with_two = (rng.random(len(line)) < rng.uniform(0.1, 0.5)) & (below >= INSTRUMENTS[instrument].lowest)
    return _joined([line, Notes(line.onset_s, line.offset_s, below, line.velocity)[with_two]])


def two_hands(instrument: str, rng: np.random.Generator, duration_s: float) -> Notes:
    """A melody over chords, broken or struck."""
    lowest, highest = INSTRUMENTS[instrument].lowest + 12, INSTRUMENTS[instrument].highest - 12
    middle = int(rng.integers(55, 66))
    habits = _HABITS["keys"]
    onset, length = _rhythm(habits, rng, duration_s)
    upper = _sounding(
        onset, length, _walk(len(onset), _scale(rng, middle, min(middle + 30, highest)), rng), habits, rng
    )
    if rng.random() < 0.4:
        upper = _joined([upper, _thickened(upper, rng)])
    beat_s = 60.0 / rng.uniform(60, 130)
    lower = []
    for at in np.arange(0.0, duration_s - 2 * beat_s, 2 * beat_s):
        root = int(rng.integers(lowest, middle - 8))
        chord = root + np.array(_CHORDS[int(rng.integers(len(_CHORDS)))])
        if rng.random() < 0.5:
            order = rng.permutation(len(chord)) if rng.random() < 0.5 else np.arange(len(chord))
            each = 2 * beat_s / len(chord)
            begin = at + each * np.arange(len(chord))
            lower.append(Notes.of(begin, begin + 0.9 * each, chord[order], 60))
        else:
            lower.append(Notes.of(np.full(len(chord), at), np.full(len(chord), at + 1.7 * beat_s), chord, 60))
    return _human(_joined([upper, *lower]), rng)


def keyboard_scale(instrument: str, rng: np.random.Generator, duration_s: float) -> Notes:
    """Steps up and down the whole keyboard, in one voice or two that go together or apart; or leaps without a plan."""
    about = INSTRUMENTS[instrument]
    each_s = float(np.exp(rng.uniform(np.log(0.14), np.log(0.7))))
    count = max(1, int(duration_s / each_s))
    low, high = int(rng.integers(about.lowest, about.lowest + 36)), int(rng.integers(about.highest - 36, about.highest))
    scale = _scale(rng, low, high)
    if rng.random() < 0.2:
        index = rng.integers(0, len(scale), count)
    else:
        index = _to_and_fro(int(rng.integers(len(scale))), count, len(scale))
    onset = each_s * np.arange(count)
    length = each_s * rng.uniform(0.3, 1.0)
    voices = [Notes.of(onset, onset + length, scale[index], 70)]
    if rng.random() < 0.45:
        other = len(scale) - 1 - index if rng.random() < 0.6 else np.clip(index - 7, 0, None)
        apart = np.abs(scale[other] - scale[index]) > 5
        voices.append(Notes.of(onset, onset + length, scale[other], 70)[apart])
    return _human(_joined(voices), rng)


def chords_only(instrument: str, rng: np.random.Generator, duration_s: float) -> Notes:
    """Chords after each other."""
    about, habits = INSTRUMENTS[instrument], _HABITS[INSTRUMENTS[instrument].family]
    onset, length = _rhythm(habits, rng, duration_s)
    slow = np.concatenate([[True], np.diff(onset) > 0.25]) if len(onset) else np.zeros(0, bool)
    low, high = about.lowest + habits.common[0], about.highest - habits.common[1] - 12
    roots = _walk(int(slow.sum()), _scale(rng, low, max(high, low + 12)), rng)
    lots = []
    for at, each, root in zip(onset[slow], length[slow], roots, strict=True):
        chord = root + np.array(_CHORDS[int(rng.integers(len(_CHORDS)))])[: int(rng.integers(2, about.voices + 1))]
        chord = chord[chord <= about.highest]
        lots.append(
            Notes.of(np.full(len(chord), at), np.full(len(chord), at + each * rng.uniform(0.6, 1.0)), chord, 75)
        )
    return _human(_joined(lots), rng)


def strummed(instrument: str, rng: np.random.Generator, duration_s: float) -> Notes:
    """Chords that are strummed down and up, as its strings have them."""
    from kinebeat.performance.truth.simulator.strings import chord_shape

    beat_s = 60.0 / rng.uniform(60, 150)
    stroke_s = beat_s / 2
    pattern = rng.random(8) < 0.65
    pattern[0] = True
    lots, shape = [], chord_shape(instrument, 0, (0, 4, 7))
    count = int(duration_s / stroke_s)
    for k in range(count):
        if k % 8 == 0:
            third = (0, 4, 7) if rng.random() < 0.6 else (0, 3, 7)
            shape = chord_shape(instrument, int(rng.integers(12)), third)
        if not pattern[k % 8] or len(shape) == 0:
            continue
        down = k % 2 == 0
        later = 0.006 * np.arange(len(shape)) if down else 0.006 * np.arange(len(shape))[::-1]
        until = next((j for j in range(k + 1, count) if pattern[j % 8]), count)
        at = k * stroke_s + later
        end = np.full(len(shape), until * stroke_s - 0.02)
        velocity = int(rng.integers(60, 105)) - (0 if down else 10)
        lots.append(Notes.of(at, np.maximum(end, at + 0.05), shape, velocity))
    return _joined(lots)


def picked(instrument: str, rng: np.random.Generator, duration_s: float) -> Notes:
    """Chords whose strings are plucked after each other."""
    from kinebeat.performance.truth.simulator.strings import chord_shape

    each_s = float(rng.uniform(0.13, 0.35))
    lots: list[Notes] = []
    for bar in range(int(duration_s / (8 * each_s))):
        shape = chord_shape(instrument, int(rng.integers(12)), (0, 4, 7) if rng.random() < 0.6 else (0, 3, 7))
        if len(shape) < 2:
            continue
        order = np.concatenate([[0], rng.integers(1, len(shape), 7)])
        onset = (8 * bar + np.arange(8)) * each_s
        # A string rings until it is plucked again.
        end = [
            next((onset[j] for j in range(k + 1, 8) if order[j] == order[k]), onset[0] + 8 * each_s) for k in range(8)
        ]
        lots.append(Notes.of(onset, np.array(end) - 0.02, shape[order], rng.integers(55, 95, 8)))
    return _human(_joined(lots), rng)


def trills(instrument: str, rng: np.random.Generator, duration_s: float) -> Notes:
    """Trills, tremolos and repeated notes, with rests between."""
    about = INSTRUMENTS[instrument]
    lots: list[Notes] = []
    now = 0.0
    while now < duration_s - 0.5:
        each_s = 1.0 / float(rng.uniform(3.5, 9.0))
        count = int(rng.integers(4, 20))
        low = int(rng.integers(about.lowest, about.highest - 11))
        high = low + int(rng.choice([0, 1, 2, 3, 8, 12]))
        onset = now + each_s * np.arange(count)
        onset = onset[onset < duration_s - 0.3]
        lots.append(Notes.of(onset, onset + 0.8 * each_s, np.where(np.arange(len(onset)) % 2, high, low), 70))
        now += each_s * count + float(rng.uniform(0.1, 1.0))
    return _human(_joined(lots), rng)


def song_part(segments: Segments, instrument: str, rng: np.random.Generator, duration_s: float) -> Notes:
    """A passage by chance of what an instrument plays in the corpus of songs.

    Args:
        segments: of one split, from `kinebeat.accompaniment.corpus.load_segments`.
        instrument: "piano" or "guitar".
        rng: where chance comes from.
        duration_s: how long; a segment that is shorter is left as it is.

    Raises:
        OptionError: there are no segments of this instrument.
    """
    numbers = np.flatnonzero(segments.instrument == SONG_INSTRUMENTS.index(instrument))
    if not len(numbers):
        raise OptionError(f"expected segments of the {instrument}, found none")
    segment = segments[int(rng.choice(numbers))]
    notes = notes_of_part(segment.part, segment.tempo_bpm)
    longest = float(notes.offset_s.max()) if len(notes) else 0.0
    notes = notes.later(-float(rng.uniform(0.0, max(longest - duration_s, 0.0))))
    about = INSTRUMENTS[instrument]
    inside = (notes.onset_s >= 0) & (notes.offset_s <= duration_s)
    return notes[inside & (notes.pitch >= about.lowest) & (notes.pitch <= about.highest)]


def notes_of_part(part: Part, tempo_bpm: float) -> Notes:
    """A part of the corpus of songs (`kinebeat.accompaniment.corpus`) in seconds."""
    position_s = 60.0 / tempo_bpm / POSITIONS_PER_BEAT
    onset = position_s * part.onset
    return Notes.of(onset, onset + position_s * part.duration, part.pitch, part.velocity)


def _scale(rng: np.random.Generator, low: int, high: int) -> Ints:
    """Pitches of a key by chance."""
    names = tuple(_SCALES)
    steps = _SCALES[names[int(rng.choice(len(names), p=(0.35, 0.2, 0.1, 0.1, 0.25)))]]
    key = int(rng.integers(12))
    pitch = np.arange(low, high + 1)
    return pitch[np.isin((pitch - key) % 12, steps)]


def _rhythm(
    habits: Habits, rng: np.random.Generator, duration_s: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Onsets and lengths in seconds, in phrases with rests between."""
    beat_s = 60.0 / float(np.exp(rng.uniform(np.log(55), np.log(160))))
    weight = np.array([habits.quick if min(f) < 0.4 else 1.0 for f in _FIGURES]) * rng.gamma(0.7, 1.0, len(_FIGURES))
    weight /= weight.sum()
    onset: list[float] = []
    length: list[float] = []
    now, until = 0.0, float(rng.uniform(*habits.breath_s))
    while now < duration_s - 0.1:
        for beats in _FIGURES[int(rng.choice(len(_FIGURES), p=weight))]:
            # Nothing is quicker than a quick player.
            each = max(beats * beat_s, 0.09)
            onset.append(now)
            length.append(each)
            now += each
        if now > until:
            now += beat_s * float(rng.choice([0.5, 1.0, 2.0, 4.0]))
            until = now + float(rng.uniform(*habits.breath_s))
    begin, lasts = np.array(onset), np.array(length)
    keep = begin + lasts < duration_s
    return begin[keep], lasts[keep]


def _walk(count: int, scale: Ints, rng: np.random.Generator) -> Ints:
    """Mostly steps, some leaps, runs that keep their direction."""
    step = np.where(
        rng.random(count) < 0.75, rng.choice([-1, 1], count), rng.integers(-5, 6, count) * (rng.random(count) < 0.8)
    )
    run = np.repeat(rng.choice([-1, 1], count // 6 + 1), 6)[:count]
    step = np.where((np.abs(step) == 1) & (rng.random(count) < 0.6), run, step)
    index = int(rng.integers(len(scale))) + np.cumsum(step)
    return scale[_folded(index, len(scale))]


def _folded(index: Ints, size: int) -> Ints:
    """Turns back at both ends."""
    if size < 2:
        return np.zeros_like(index)
    around = index % (2 * size - 2)
    return np.where(around < size, around, 2 * size - 2 - around)


def _to_and_fro(first: int, count: int, size: int) -> Ints:
    return _folded(first + np.arange(count), size)


def _sounding(onset: Floats, length: Floats, pitch: Ints, habits: Habits, rng: np.random.Generator) -> Notes:
    """Notes as long as the instrument's habit is, louder in the middle of what they are part of."""
    share = rng.uniform(*habits.legato)
    swell = 12 * np.sin(2 * np.pi * onset / rng.uniform(4, 12)) + rng.normal(0, 6, len(onset))
    velocity = np.clip(rng.uniform(55, 95) + swell, 20, 120).astype(np.int64)
    return _human(Notes.of(onset, onset + share * length, pitch, velocity), rng)


def _thickened(line: Notes, rng: np.random.Generator) -> Notes:
    """An octave, third or sixth below some of the notes."""
    some = rng.random(len(line)) < 0.4
    below = line.pitch - rng.choice([3, 4, 8, 9, 12], len(line))
    return Notes(line.onset_s, line.offset_s, below, line.velocity)[some & (below > 40)]


def _human(notes: Notes, rng: np.random.Generator) -> Notes:
    off = _LATE_S * rng.standard_normal(len(notes))
    off = np.clip(off, -notes.onset_s, 0.03)
    return Notes.of(notes.onset_s + off, notes.offset_s + off, notes.pitch, notes.velocity)


def _joined(lots: list[Notes]) -> Notes:
    """Several voices as one part; a pitch that two of them have at once counts once."""
    if not lots:
        return Notes.none()
    names = ("onset_s", "offset_s", "pitch", "velocity")
    notes = Notes.of(*(np.concatenate([getattr(lot, name) for lot in lots]) for name in names))
    keep = np.ones(len(notes), np.bool_)
    last: dict[int, float] = {}
    for n in range(len(notes)):
        pitch = int(notes.pitch[n])
        keep[n] = notes.onset_s[n] >= last.get(pitch, -np.inf)
        if keep[n]:
            last[pitch] = float(notes.offset_s[n])
    return notes[keep]


_Kind = tuple["Callable[[str, np.random.Generator, float], Notes]", float]
_KINDS: dict[str, tuple[_Kind, ...]] = {
    "keys": ((two_hands, 0.35), (keyboard_scale, 0.3), (melody, 0.12), (chords_only, 0.15), (trills, 0.08)),
    "bowed": ((melody, 0.8), (double_stops, 0.2)),
    "plucked": ((strummed, 0.4), (picked, 0.3), (melody, 0.3)),
    "wind": ((melody, 1.0),),
    "bellows": ((melody, 0.6), (chords_only, 0.4)),
}
