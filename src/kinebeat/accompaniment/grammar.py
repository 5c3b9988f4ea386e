"""Which token may follow which: for sampling that is never wrong, and for checking what was encoded.

The kinds that may follow a kind are data (`FOLLOWERS`). Beyond that positions rise within a bar, pitches (and drums)
within a position; a bar of the decoder starts with position 0 and its chord; another chord is said on the third beat
alone, another tempo at the start of a bar alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from kinebeat.accompaniment.parts import POSITIONS_PER_BAR
from kinebeat.accompaniment.tokens import stream_of
from kinebeat.accompaniment.vocabulary import DECODER, ENCODER, HITS_FROM, Vocabulary

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

FOLLOWERS: dict[Vocabulary, dict[str, tuple[str, ...]]] = {
    DECODER: {
        "Bar": ("Position",),
        "Tempo": ("Chord",),
        "Position": ("Tempo", "Chord", "Pitch"),
        "Chord": ("Pitch", "Position", "Bar"),
        "Pitch": ("Velocity",),
        "Velocity": ("Duration",),
        "Duration": ("Pitch", "Position", "Bar"),
    },
    ENCODER: {
        "Bar": ("For",),
        "For": ("Tempo",),
        "Tempo": ("Key",),
        "Key": ("Notes",),
        "Notes": ("Position", "Bar"),
        "Position": ("Hit",),
        "Hit": ("Hit", "Position", "Bar"),
    },
}
"""For each kind of token the kinds that may follow. A piece begins with `Bar`, and ends where `Bar` might follow."""
_MIDDLE = POSITIONS_PER_BAR // 2


@dataclass(frozen=True)
class Place:
    """All about the decoder's last tokens that decides what may follow.

    Attributes:
        kind: of the last token, "" before the first.
        position: of the bar, -1 before the first.
        pitch: value of the last pitch at this position, -1 before the first.
        chord: value of the last chord, -1 before the first of the bar.
        tempo: value of the last tempo, -1 before the first.
    """

    kind: str = ""
    position: int = -1
    pitch: int = -1
    chord: int = -1
    tempo: int = -1


def after(place: Place, token: int) -> Place:
    """Where one is when `token` has been said at `place`."""
    kind, value = DECODER.kinds[DECODER.kind[token]], int(DECODER.value[token])
    if kind == "Bar":
        return Place(kind, tempo=place.tempo)
    if kind == "Position":
        return replace(place, kind=kind, position=value, pitch=-1)
    if kind == "Chord":
        return replace(place, kind=kind, chord=value)
    if kind == "Pitch":
        return replace(place, kind=kind, pitch=value)
    if kind == "Tempo":
        return replace(place, kind=kind, tempo=value)
    return replace(place, kind=kind)


def allowed(place: Place) -> NDArray[np.bool_]:
    """Which of the decoder's tokens may follow, (V,)."""
    mask = np.zeros(len(DECODER), bool)
    for kind in FOLLOWERS[DECODER][place.kind] if place.kind else ("Bar",):
        mask[DECODER.span(kind)] = True
    position, pitch, chord, tempo = (DECODER.span(kind) for kind in ("Position", "Pitch", "Chord", "Tempo"))
    mask[position.start : position.start + place.position + 1] = False
    mask[pitch.start : pitch.start + place.pitch + 1] = False
    if place.kind == "Bar":
        mask[position.start + 1 : position.stop] = False
    if place.kind == "Position":
        mask[pitch] &= place.position > 0
        mask[tempo] &= place.position == 0
        mask[chord] &= place.position in (0, _MIDDLE)
        if place.chord >= 0:
            mask[chord.start + place.chord] = False
        if place.tempo >= 0:
            mask[tempo.start + place.tempo] = False
    return mask


def first_fault(vocabulary: Vocabulary, tokens: ArrayLike) -> int | None:
    """The index of the first token that may not be where it is, None if all may. The end is not looked at."""
    stream = stream_of(vocabulary, tokens)
    flat = stream.tokens.astype(np.int64)
    if not len(flat):
        return None
    kind = vocabulary.kind[flat]
    follows = np.zeros((len(vocabulary.kinds), len(vocabulary.kinds)), bool)
    for before, afters in FOLLOWERS[vocabulary].items():
        follows[vocabulary.kinds.index(before), [vocabulary.kinds.index(name) for name in afters]] = True
    wrong = ~np.concatenate([[bool(vocabulary.are(flat[:1], "Bar")[0])], follows[kind[:-1], kind[1:]]])
    wrong |= _not_rising(vocabulary.are(flat, "Position"), vocabulary.value[flat], stream.bar)
    place = stream.bar.astype(np.int64) * (POSITIONS_PER_BAR + 1) + stream.when
    if vocabulary is ENCODER:
        wrong |= _not_rising(vocabulary.are(flat, "Hit"), vocabulary.value[flat] // len(HITS_FROM), place)
    else:
        wrong |= _not_rising(vocabulary.are(flat, "Pitch"), vocabulary.value[flat], place)
        wrong |= _decoder_faults(flat, stream.when)
    return int(wrong.argmax()) if wrong.any() else None


def _not_rising(
    those: NDArray[np.bool_], value: NDArray[np.int64], group: NDArray[np.integer[Any]]
) -> NDArray[np.bool_]:
    """Where a value among `those` is not greater than the one before in its group."""
    at = np.flatnonzero(those)
    wrong = np.zeros(len(those), bool)
    wrong[at[1:]] = (group[at[1:]] == group[at[:-1]]) & (value[at[1:]] <= value[at[:-1]])
    return wrong


def _decoder_faults(tokens: NDArray[np.int64], when: NDArray[np.int16]) -> NDArray[np.bool_]:
    """Bars that do not start on 0, positions without what they need, chords and tempos where none may be."""
    before = np.concatenate([[-1], tokens[:-1]])
    after_bar = before == DECODER.first["Bar"]
    on_position = (before >= 0) & DECODER.are(before, "Position")
    chord = DECODER.are(tokens, "Chord")
    wrong = after_bar & (tokens != DECODER.first["Position"])
    wrong |= on_position & DECODER.are(tokens, "Pitch") & (when == 1)
    tempo = np.flatnonzero(DECODER.are(tokens, "Tempo"))
    wrong[tempo] |= when[tempo] != 1
    wrong[tempo[1:]] |= tokens[tempo[1:]] == tokens[tempo[:-1]]
    wrong |= chord & (when != 1) & (when != _MIDDLE + 1)
    at = np.flatnonzero(chord)
    wrong[at[1:]] |= (when[at[1:]] != 1) & (tokens[at[1:]] == tokens[at[:-1]])
    return np.asarray(wrong)
