"""Whatever a model thinks, what is played is within what was asked for. Here the model thinks at random."""

import numpy as np
import pytest

from accompaniments import RandomModel
from kinebeat.accompaniment.grammar import first_fault
from kinebeat.accompaniment.harmony import (
    NO_CHORD,
    NO_KEY,
    chord_name,
    chord_numbered,
    chord_pitch_classes,
    key_name,
    scale_pitch_classes,
)
from kinebeat.accompaniment.limits import LATELY, LIMITS, Wish, chords_of, dominant_chord, tonic_chord
from kinebeat.accompaniment.parts import LOWEST_PITCH, POSITIONS_PER_BAR, Chords, drums_from_hits
from kinebeat.accompaniment.player import play, play_tokens
from kinebeat.accompaniment.tokens import decode_part, notes_per_bar
from kinebeat.accompaniment.vocabulary import DECODER, NO_NOTES, NOTES_FROM, tempo_bin
from kinebeat.errors import OptionError

BARS = 6
C_MAJOR, A_MINOR, EB_MAJOR, FS_MINOR = 0, 21, 3, 18
KINDS = ("Pitch", "Position", "Duration", "Chord", "Bar")


def beat(bars=BARS):
    onset = np.arange(bars * 4) * 12
    return drums_from_hits(bars, onset, np.arange(bars * 4) % 2, np.full(bars * 4, 90))


def wish(instrument="piano", key=C_MAJOR, bars=BARS, **others):
    return Wish(instrument, (120.0,) * bars, key, **others)


def played(asked, seed=0, leaning="", **others):
    (tokens,) = play_tokens(RandomModel(leaning), [beat(asked.bars)], [asked], [seed], **others)
    return tokens


def at_each_position(part):
    return [part.pitch[part.onset == onset] for onset in np.unique(part.onset)]


@pytest.mark.parametrize("leaning", ["", *KINDS])
@pytest.mark.parametrize("instrument", ["piano", "guitar"])
@pytest.mark.parametrize("key", [C_MAJOR, FS_MINOR, NO_KEY])
def test_what_is_played_is_in_key_in_register_and_in_hand(instrument, key, leaning):
    tokens = played(wish(instrument, key), leaning=leaning)
    assert first_fault(DECODER, tokens) is None
    part, chords, tempo = decode_part(tokens)
    assert part.bars == BARS
    assert (tempo_bin(tempo) == tempo_bin(120.0)).all()
    assert chords_of(key)[chords.symbols].all()
    limits = LIMITS[instrument]
    assert ((part.pitch >= limits.lowest) & (part.pitch <= limits.highest)).all()
    scale = set(scale_pitch_classes(key))
    for onset, pitch in zip(part.onset, part.pitch, strict=True):
        here = set(chord_pitch_classes(int(chords.symbols[onset // 24])))
        assert pitch % 12 in scale | here
    for pitches in at_each_position(part):
        assert len(pitches) <= limits.hands * limits.fingers
        if limits.hands == 1:
            assert pitches.max() - pitches.min() <= limits.span
    assert (part.onset + part.duration <= BARS * POSITIONS_PER_BAR).all()


def test_two_hands_each_take_what_they_can_reach():
    found = [at_each_position(decode_part(played(wish(), seed, "Pitch"))[0]) for seed in range(3)]
    for pitches in (pitches for piece in found for pitches in piece):
        left = pitches[pitches <= pitches[0] + 12][:5]
        right = pitches[len(left) :]
        assert len(right) <= 5
        assert not len(right) or right.max() - right.min() <= 12
    assert max(len(pitches) for piece in found for pitches in piece) > 5  # both hands were needed


@pytest.mark.parametrize("leaning", ["", *KINDS])
@pytest.mark.parametrize("key", [C_MAJOR, EB_MAJOR, A_MINOR, FS_MINOR])
def test_a_piece_ends_with_a_cadence(key, leaning):
    asked = wish("piano", key, last_bar=BARS - 2, notes=(NO_NOTES,) * (BARS - 1) + (0,))
    part, chords, _ = decode_part(played(asked, 5, leaning))
    end = (BARS - 2) * POSITIONS_PER_BAR
    assert chords.symbols[2 * BARS - 5] == dominant_chord(key)
    assert (chords.symbols[2 * BARS - 4 :] == tonic_chord(key)).all()
    final = part.onset >= end
    assert final.any()
    assert (part.onset[final] == end).all()
    assert set(part.pitch[final] % 12) <= set(chord_pitch_classes(tonic_chord(key)))
    assert (part.duration[final] >= 24).all()
    assert (part.onset + part.duration <= end + POSITIONS_PER_BAR).all()


def test_cadences_have_the_chords_that_musicians_would_name():
    named = {key_name(key): (chord_name(dominant_chord(key)), chord_name(tonic_chord(key))) for key in (0, 3, 21, 18)}
    assert named == {"C major": ("G", "C"), "D# major": ("A#", "D#"), "A minor": ("E", "Am"), "F# minor": ("C#", "F#m")}


def test_the_chords_of_a_key():
    names = {chord_name(chord) for chord in np.flatnonzero(chords_of(C_MAJOR))}
    assert names == {"C", "Dm", "Em", "F", "G", "Am", "Bdim", "Cmaj7", "Dm7", "Em7", "Fmaj7", "G7", "Am7"}
    minor = {chord_name(chord) for chord in np.flatnonzero(chords_of(A_MINOR))}
    assert minor == names | {"E", "E7", "G#dim"}
    assert chords_of(NO_KEY)[:-1].all()
    assert not chords_of(NO_KEY)[-1]


@pytest.mark.parametrize("leaning", ["", *KINDS])
def test_a_second_player_plays_on_the_chords_of_the_first(leaning):
    _, chords, _ = decode_part(played(wish(last_bar=BARS - 1), 3, "Chord"))
    assert len(np.unique(chords.symbols)) > 3
    asked = wish("guitar", chords=chords, last_bar=BARS - 1)
    tokens = played(asked, 4, leaning)
    assert first_fault(DECODER, tokens) is None
    assert decode_part(tokens)[1] == chords


@pytest.mark.parametrize("leaning", ["", *KINDS])
def test_where_a_chord_is_none_the_player_is_free(leaning):
    asked_for = np.full(2 * BARS, NO_CHORD)
    asked_for[[2, 5]] = chord_numbered("C#"), chord_numbered("F#m")
    asked = wish(chords=Chords(asked_for), last_bar=BARS - 1)
    tokens = played(asked, 4, leaning)
    assert first_fault(DECODER, tokens) is None
    said = decode_part(tokens)[1].symbols
    assert said[[2, 5]].tolist() == asked_for[[2, 5]].tolist()
    assert said[-3:].tolist() == [dominant_chord(C_MAJOR), *2 * [tonic_chord(C_MAJOR)]]
    own = np.isin(np.arange(2 * BARS), [0, 1, 4, 6, 7, 8])
    assert chords_of(C_MAJOR)[said[own]].all()


@pytest.mark.parametrize("leaning", ["", "Position", "Pitch"])
def test_no_bar_has_more_notes_than_were_asked_for(leaning):
    notes = (0, 1, 3, NO_NOTES, 7, 0)
    part, _, _ = decode_part(played(wish(notes=notes), 1, leaning))
    found = notes_per_bar(part)
    assert found[0] == found[5] == 0
    assert found[1] <= NOTES_FROM[2] - 1
    assert found[2] <= NOTES_FROM[4] - 1
    if leaning == "Position":
        assert found[3] > found[2] == NOTES_FROM[4] - 1


@pytest.mark.parametrize("leaning", ["", *KINDS])
def test_where_notes_are_asked_for_there_are_some(leaning):
    _, chords, _ = decode_part(played(wish(), 3, "Chord"))
    for others in ({}, {"chords": chords}):
        part, _, _ = decode_part(played(wish(notes=(1, 2, 0, 5, 0, 1), **others), 2, leaning))
        assert (notes_per_bar(part) > 0).tolist() == [True, True, False, True, False, True]
    silent, _, _ = decode_part(played(wish(), 2, "Bar"))
    assert (notes_per_bar(silent) == 0).any()  # nothing was said


class OneNoteModel(RandomModel):
    """Wants E4 and nothing else, at one position after another."""

    def step(self, tokens, state):
        logits, state = super().step(tokens, state)
        logits[..., DECODER.span("Position")] += 20
        logits[..., DECODER.span("Pitch").start + 64 - LOWEST_PITCH] += 40
        return logits, state


@pytest.mark.parametrize("instrument", ["piano", "guitar"])
def test_who_plays_varied_does_not_strike_one_note_for_ever(instrument):
    def most_of(varied):
        asked = wish(instrument, varied=varied, last_bar=BARS - 1)
        (tokens,) = play_tokens(OneNoteModel(), [beat()], [asked], [0])
        pitch = decode_part(tokens)[0].pitch[:-1]
        assert len(pitch) > LATELY
        return max(int((pitch[k : k + LATELY] == 64).sum()) for k in range(len(pitch) - LATELY))

    assert most_of(varied=False) > LIMITS[instrument].same
    assert most_of(varied=True) == LIMITS[instrument].same


@pytest.mark.parametrize("leaning", ["", *KINDS])
@pytest.mark.parametrize("room", [12, 20])
def test_a_bar_never_overflows(room, leaning):
    _, chords, _ = decode_part(played(wish(), 3, "Chord"))
    for others in ({}, {"chords": chords}, {"last_bar": BARS - 1}):
        asked = wish(**others)
        (tokens,) = play_tokens(RandomModel(leaning, room), [beat()], [asked], [0])
        assert first_fault(DECODER, tokens) is None
        part, found, _ = decode_part(tokens)
        assert part.bars == BARS
        assert np.diff(np.append(np.flatnonzero(DECODER.are(tokens, "Bar")), len(tokens))).max() <= room
        if "chords" in others:
            assert found == chords


def test_tempo_is_said_where_it_changes():
    asked = Wish("piano", (80.0, 80.0, 120.0, 121.0))
    (tokens,) = play_tokens(RandomModel(), [beat(4)], [asked], [0])
    tempo = decode_part(tokens)[2]
    assert tempo_bin(tempo).tolist() == tempo_bin(asked.tempo_bpm).tolist()
    assert DECODER.are(tokens, "Tempo").sum() == 2


def test_a_seed_plays_the_same_and_another_something_else():
    asked = wish()
    one, again, other = (played(asked, seed) for seed in (1, 1, 2))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


def test_pieces_side_by_side_are_as_alone():
    wishes = [wish("piano"), wish("guitar", A_MINOR, notes=(0, 1, 1, 2, 2, 3)), wish("piano", EB_MAJOR, last_bar=4)]
    together = play(RandomModel(), [beat()] * 3, wishes, [7, 8, 9])
    for (part, chords), asked, seed in zip(together, wishes, (7, 8, 9), strict=True):
        assert (part, chords) == decode_part(played(asked, seed))[:2]


def test_a_low_temperature_says_what_is_likeliest():
    coldly = [played(wish(), seed, temperature=1e-7) for seed in (1, 2)]
    greedily = [played(wish(), seed, top_k=1) for seed in (1, 2)]
    for tokens in (*coldly, *greedily):
        assert np.array_equal(tokens, coldly[0])


def test_progress_is_told():
    told = []
    play_tokens(RandomModel(), [beat()], [wish()], [0], progress=told.append)
    assert told == pytest.approx(np.arange(1, BARS + 1) / BARS)


def test_what_cannot_be_played_says_so():
    asked, model = wish(), RandomModel()
    with pytest.raises(OptionError, match="temperature"):
        play_tokens(model, [beat()], [asked], [0], temperature=0.0)
    with pytest.raises(OptionError, match="top_k"):
        play_tokens(model, [beat()], [asked], [0], top_k=0)
    with pytest.raises(OptionError, match="bars"):
        play_tokens(model, [beat(5)], [asked], [0])
    with pytest.raises(OptionError, match="no instrument 'tuba'"):
        wish("tuba")
    with pytest.raises(OptionError, match="notes of 2 bars"):
        wish(notes=(1, 1))
    with pytest.raises(OptionError, match="chords of 2 half bars"):
        wish(chords=Chords(np.array([chord_numbered("C")] * 2)))
