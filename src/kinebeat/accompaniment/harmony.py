"""The key of a stretch of music, and its chord in every half bar.

Keys: correlation of how long each pitch class sounds with the profiles of Krumhansl and Kessler (1982), as in the
Krumhansl-Schmuckler algorithm (Krumhansl 1990, "Cognitive Foundations of Musical Pitch", chapter 4).
Chords: similarity of how long each pitch class sounds with binary templates (Fujishima 1999), and a
Viterbi search in which changing costs a little (Sheh and Ellis 2003 have a hidden Markov model there; ours has one cost
for all changes).
The bonuses and costs below are our own choice.

Everything is equivariant under transposition, ties included: they are broken relative to the key, and those of the key
relative to the lowest note.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kinebeat.accompaniment.parts import POSITIONS_PER_BAR, Chords

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

PITCH_CLASSES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
QUALITIES: dict[str, tuple[int, ...]] = {
    "": (0, 4, 7),
    "m": (0, 3, 7),
    "dim": (0, 3, 6),
    "aug": (0, 4, 8),
    "7": (0, 4, 7, 10),
    "maj7": (0, 4, 7, 11),
    "m7": (0, 3, 7, 10),
}
"""Chord qualities: what their names end in, and semitones above the root. Chord number = root * 7 + quality."""
NO_CHORD = 12 * len(QUALITIES)
"""The chord N: nothing sounds."""
CHORDS = NO_CHORD + 1
MODES: dict[str, tuple[int, ...]] = {"major": (0, 2, 4, 5, 7, 9, 11), "minor": (0, 2, 3, 5, 7, 8, 10)}
"""Modes and their scales (minor: natural). Key number = mode * 12 + tonic."""
NO_KEY = 24
KEYS = NO_KEY + 1

PROFILES = np.array(
    [
        [6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88],
        [6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17],
    ]
)
"""Krumhansl and Kessler's probe tone ratings, major and minor, from the tonic up."""

_HALF = POSITIONS_PER_BAR // 2
RARITY = np.array([0.0, 0.0, 0.05, 0.05, 0.03, 0.03, 0.03])
"""What a quality costs: plain triads are likelier."""
_EVENNESS = 0.7  # power of durations; below 1, or a bass that is held drowns what is played above it
_BASS = 0.15  # bonus of a chord whose root is the lowest note
_IN_KEY = 0.03  # bonus of a chord of the key's own notes: decides between the thirds of an open fifth
_CHANGE = (0.1037, 0.1537)  # cost of a new chord on the first and on the third beat; odd so that nothing is a tie
_TIE = 1e-6


def _templates() -> NDArray[np.float64]:
    table = np.zeros((NO_CHORD, 12))
    for chord in range(NO_CHORD):
        table[chord, list(chord_pitch_classes(chord))] = 1.0
    return table


def chord_pitch_classes(chord: int) -> tuple[int, ...]:
    """Pitch classes of a chord, root first; none for N."""
    if chord == NO_CHORD:
        return ()
    root, quality = divmod(int(chord), len(QUALITIES))
    return tuple((root + above) % 12 for above in list(QUALITIES.values())[quality])


def scale_pitch_classes(key: int) -> tuple[int, ...]:
    """Pitch classes of a key's scale, tonic first (minor: natural); all twelve where there is no key."""
    if key == NO_KEY:
        return tuple(range(12))
    mode, tonic = divmod(int(key), 12)
    return tuple((tonic + above) % 12 for above in list(MODES.values())[mode])


def chord_name(chord: int) -> str:
    """The name musicians write, such as "C", "F#m7" or "N"."""
    if chord == NO_CHORD:
        return "N"
    root, quality = divmod(int(chord), len(QUALITIES))
    return PITCH_CLASSES[root] + list(QUALITIES)[quality]


def key_name(key: int) -> str:
    """The key's name, such as "A minor", or "none"."""
    return "none" if key == NO_KEY else f"{PITCH_CLASSES[key % 12]} {list(MODES)[key // 12]}"


def chord_numbered(name: str) -> int:
    """The number of a chord by its `chord_name`; KeyError if there is none."""
    return {chord_name(chord): chord for chord in range(CHORDS)}[name]


def transposed_chords(chords: ArrayLike, semitones: int) -> NDArray[np.int64]:
    """Chord numbers moved up; N stays."""
    at = np.asarray(chords, np.int64)
    return np.where(at == NO_CHORD, NO_CHORD, (at + semitones * len(QUALITIES)) % NO_CHORD)


def transposed_keys(keys: ArrayLike, semitones: int) -> NDArray[np.int64]:
    """Key numbers moved up; "none" stays."""
    at = np.asarray(keys, np.int64)
    return np.where(at == NO_KEY, NO_KEY, at // 12 * 12 + (at + semitones) % 12)


def sounding(bars: int, onset: ArrayLike, duration: ArrayLike, pitch: ArrayLike) -> NDArray[np.bool_]:
    """Which pitches sound at which position, (48 * bars, 128).

    Args:
        bars: how many bars.
        onset: (N,) whole positions; what started before the first bar counts for what is left of it.
        duration: (N,) whole positions.
        pitch: (N,) MIDI pitches.
    """
    length = bars * POSITIONS_PER_BAR
    start = np.asarray(onset, np.int64)
    end = np.clip(start + np.asarray(duration, np.int64), 0, length)
    sound = np.zeros((128, length), bool)
    for first, last, key in zip(np.maximum(start, 0).tolist(), end.tolist(), np.asarray(pitch).tolist(), strict=True):
        sound[key, first:last] = True
    return np.ascontiguousarray(sound.T)


def find_key(sound: NDArray[np.bool_]) -> int:
    """The key of what sounds (P, 128), `NO_KEY` for silence or for all pitch classes alike."""
    if not sound.any():
        return NO_KEY
    return key_of(_by_class(sound.sum(0)[None])[0], int(np.flatnonzero(sound.any(0))[0]) % 12)


def key_of(weight: NDArray[np.float64], bass: int = 0) -> int:
    """The key in which pitch classes weigh so much.

    Args:
        weight: (12,) from C, of any scale.
        bass: the pitch class that a tie goes to.

    Returns:
        The key's number, `NO_KEY` if all weigh alike.
    """
    if np.ptp(weight) == 0:
        return NO_KEY
    away_from_mean = weight - weight.mean()
    scores = _PROFILES_OF_KEYS @ (away_from_mean / np.linalg.norm(away_from_mean))
    away = (np.arange(24) % 12 - bass) % 12 + 12 * (np.arange(24) // 12)
    return int(np.argmax(scores - _TIE * away))


def find_chords(sound: NDArray[np.bool_], key: int | None = None) -> Chords:
    """The chord of every half bar of what sounds.

    Args:
        sound: (48 * bars, 128) from `sounding`.
        key: the key; found if None.
    """
    key = find_key(sound) if key is None else key
    halves = len(sound) // _HALF
    weight = _by_class(sound.reshape(halves, _HALF, 128).sum(1)) ** _EVENNESS
    silent = weight.sum(1) == 0
    if silent.all():
        return Chords(np.full(halves, NO_CHORD))
    if key == NO_KEY:
        tonic, in_key = int(np.flatnonzero(sound.any(0))[0]) % 12, np.zeros(NO_CHORD)
    else:
        tonic = key % 12
        in_key = 1.0 * ~TEMPLATES[:, [pc for pc in range(12) if pc not in scale_pitch_classes(key)]].any(1)
    number = np.arange(NO_CHORD)
    root, quality = number // len(QUALITIES), number % len(QUALITIES)
    length = np.linalg.norm(weight, axis=1, keepdims=True)
    score = np.zeros((halves, CHORDS))
    score[:, :NO_CHORD] = weight / np.maximum(length, 1) @ (TEMPLATES / np.linalg.norm(TEMPLATES, axis=1)[:, None]).T
    score[:, :NO_CHORD] += _BASS * _bass(sound)[:, root] + _IN_KEY * in_key - RARITY[quality]
    score[:, :NO_CHORD] -= _TIE * ((root - tonic) % 12 * len(QUALITIES) + quality)
    score[silent, :NO_CHORD] = 0.0
    score[silent, NO_CHORD] = 1.0
    return Chords(best_path(score, _CHANGE))


def _by_class(weight: NDArray[np.int64]) -> NDArray[np.float64]:
    """Weights of pitches (H, 128) as weights of pitch classes (H, 12)."""
    padded = np.zeros((len(weight), 132))
    padded[:, :128] = weight
    return np.asarray(padded.reshape(-1, 11, 12).sum(1))


def _bass(sound: NDArray[np.bool_]) -> NDArray[np.float64]:
    """For what share of the sounding time of each half bar each pitch class is the lowest, (H, 12)."""
    halves = len(sound) // _HALF
    at = np.flatnonzero(sound.any(1))
    lowest = sound[at].argmax(1) % 12
    share = np.bincount(at // _HALF * 12 + lowest, minlength=halves * 12).reshape(halves, 12).astype(np.float64)
    return np.asarray(share / np.maximum(share.sum(1, keepdims=True), 1))


def best_path(score: NDArray[np.float64], change: tuple[float, float]) -> NDArray[np.int64]:
    """The states (T,) with the greatest sum of scores (T, S) less the costs of changing, on even and on odd steps."""
    back = np.empty(score.shape, np.int64)
    total = score[0]
    for t in range(1, len(score)):
        best = int(total.argmax())
        moved = total[best] - change[t % 2]
        back[t] = np.where(total >= moved, np.arange(len(total)), best)
        total = np.maximum(total, moved) + score[t]
    path = np.empty(len(score), np.int64)
    path[-1] = total.argmax()
    for t in range(len(score) - 1, 0, -1):
        path[t - 1] = back[t, path[t]]
    return path


def _profiles_of_keys() -> NDArray[np.float64]:
    """The profiles of all keys (24, 12), each with mean 0 and length 1, so that a product is a correlation."""
    table = np.array([np.roll(profile, tonic) for profile in PROFILES for tonic in range(12)])
    table -= table.mean(1, keepdims=True)
    return np.asarray(table / np.linalg.norm(table, axis=1, keepdims=True))


_PROFILES_OF_KEYS = _profiles_of_keys()
TEMPLATES = _templates()
"""(84, 12) 1.0 where a pitch class belongs to a chord."""
