"""Tokens of the accompaniment: truth by hand, round trips over made music, transposition, the grammar."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from accompaniments import made_music, random_chords, random_drums, random_part
from kinebeat.accompaniment.grammar import FOLLOWERS, Place, after, allowed, first_fault
from kinebeat.accompaniment.harmony import NO_CHORD, NO_KEY, chord_numbered, transposed_chords
from kinebeat.accompaniment.parts import (
    Chords,
    Part,
    drums_from_hits,
    drums_on_grid,
    fold,
    part_from_notes,
    released,
    transposed,
)
from kinebeat.accompaniment.tokens import (
    Controls,
    decode_drums,
    decode_part,
    encode_drums,
    encode_part,
    notes_per_bar,
    quantised,
    quantised_drums,
    stream_of,
    without_hits,
)
from kinebeat.accompaniment.vocabulary import (
    DECODER,
    DURATIONS,
    ENCODER,
    NO_NOTES,
    PAD,
    TEMPOS,
    VELOCITIES,
    duration_bin,
    free_shifts,
    hit_band,
    notes_bin,
    shift_table,
    silence_table,
    tempo_bin,
    velocity_bin,
)
from kinebeat.beats.grid import BeatGrid
from kinebeat.drums.kit import DRUMS
from kinebeat.drums.track import DrumTrack
from kinebeat.errors import OptionError

C, F, G = (chord_numbered(name) for name in "CFG")


def two_bars() -> tuple[Part, Chords]:
    """C E G, then an F on the second beat; an A in the second bar; chords C F | G G."""
    part = part_from_notes(2, [0, 0, 0, 12, 48 + 20], [12, 12, 24, 7, 300], [67, 60, 64, 65, 69], [127, 1, 64, 65, 100])
    return part, Chords(np.array([C, F, G, G]))


def test_two_bars_by_hand():
    stream = encode_part(*two_bars(), 120.0)
    assert DECODER.describe(stream.tokens) == (
        "Bar Position_0 Tempo_121 Chord_C Pitch_60 Velocity_4 Duration_12 Pitch_64 Velocity_60 Duration_24 "
        "Pitch_67 Velocity_124 Duration_12 Position_12 Pitch_65 Velocity_68 Duration_8 Position_24 Chord_F "
        "Bar Position_0 Chord_G Position_20 Pitch_69 Velocity_100 Duration_96"
    )
    assert stream.when.tolist() == [0] + [1] * 12 + [13] * 4 + [25] * 2 + [0] + [1] * 2 + [21] * 4
    assert stream.bar.tolist() == [0] * 19 + [1] * 7


def test_a_bar_of_drums_by_hand():
    drums = drums_from_hits(2, [0, 12, 0, 48 + 4], [2, 1, 0, 8], [40, 127, 90, 50])
    stream = encode_drums(drums, Controls("guitar", 120.0, 21, [3, NO_NOTES]))
    assert ENCODER.describe(stream.tokens) == (
        "Bar For_guitar Tempo_121 Key_A-minor Notes_from-3 Position_0 Hit_kick-loud Hit_closed-hi-hat-soft "
        "Position_12 Hit_snare-loud Bar For_guitar Tempo_121 Key_A-minor Notes_none Position_4 Hit_ride-middle"
    )
    assert stream.when.tolist() == [0] * 5 + [1] * 3 + [13] * 2 + [0] * 5 + [5] * 2
    assert stream.bar.tolist() == [0] * 10 + [1] * 7


def test_an_empty_bar_has_its_chord_alone():
    stream = encode_part(part_from_notes(1, [], [], [], []), Chords(np.array([NO_CHORD, NO_CHORD])), [np.nan])
    assert DECODER.describe(stream.tokens) == "Bar Position_0 Chord_N"


def test_the_tempo_is_said_at_first_and_where_its_bin_changes():
    part = part_from_notes(4, [], [], [], [])
    stream = encode_part(part, Chords(np.full(8, C)), [120.0, 121.0, 150.0, 150.0])
    said = DECODER.are(stream.tokens, "Tempo")
    assert stream.bar[said].tolist() == [0, 2]
    tempo = decode_part(stream.tokens)[2]
    assert tempo == pytest.approx(TEMPOS[tempo_bin([120.0, 120.0, 150.0, 150.0])])
    assert np.abs(np.log(tempo / [120.0, 121.0, 150.0, 150.0])).max() < np.log(220 / 50) / 32 + 1e-9


def test_notes_that_cannot_be_played_are_made_playable():
    part = part_from_notes(
        1, [5, 5, 9, -1, 48, 20, 21], [0, 6, 3, 9, 9, 9, 9], [60, 60, 60, 50, 50, 20, 115], [0, 90, 200, 9, 9, 9, 9]
    )
    assert part.onset.tolist() == [5, 9, 20, 21]
    assert part.pitch.tolist() == [60, 60, 32, 103]
    assert part.duration.tolist() == [4, 3, 9, 9]  # the first C ends where it is struck again
    assert part.velocity.tolist() == [90, 127, 9, 9]


def test_notes_out_of_order_twice_or_outside_are_no_part():
    for onset, pitch in (([3, 1], [60, 60]), ([1, 1], [60, 60]), ([1, 1], [62, 60]), ([48], [60]), ([-1], [60])):
        count = np.ones(len(onset), np.int64)
        with pytest.raises(OptionError, match="part_from_notes"):
            Part(1, np.array(onset), count, np.array(pitch), count)


def test_a_struck_note_lets_the_one_before_go_and_no_other():
    part = Part(1, np.array([0, 6, 12]), np.array([40, 40, 40]), np.array([60, 61, 60]), np.array([9, 9, 9]))
    assert released(part).duration.tolist() == [12, 40, 40]


def test_pitches_fold_by_whole_octaves_and_no_further_than_needed():
    pitches = np.arange(-24, 150)
    folded = fold(pitches)
    assert ((folded - pitches) % 12 == 0).all()
    assert folded.min() >= 21
    assert folded.max() <= 108
    assert (folded[(pitches >= 21) & (pitches <= 108)] == pitches[(pitches >= 21) & (pitches <= 108)]).all()
    assert fold([109, 20, 121, 8]).tolist() == [97, 32, 109 - 12, 32]


@pytest.mark.parametrize(
    ("bins", "values"), [(velocity_bin, VELOCITIES), (duration_bin, DURATIONS), (tempo_bin, TEMPOS)]
)
def test_a_bin_stands_for_a_value_of_its_own_and_order_is_kept(bins, values):
    assert bins(values).tolist() == list(range(len(values)))
    many = bins(np.linspace(1, 127, 999).round())
    assert (np.diff(many) >= 0).all()


def test_bins_at_their_edges():
    assert velocity_bin([1, 8, 9, 127]).tolist() == [0, 0, 1, 15]
    assert DURATIONS[duration_bin([1, 7, 11, 13, 26, 90, 999])].tolist() == [1, 8, 12, 12, 28, 96, 96]
    assert tempo_bin([10.0, 50.0, 219.9, 999.0]).tolist() == [0, 0, 15, 15]
    assert notes_bin([0, 1, 2, 3, 4, 5, 8, 9, 12, 13, 48]).tolist() == [0, 1, 2, 3, 3, 4, 5, 6, 6, 7, 7]
    assert hit_band([1, 49, 50, 89, 90, 127]).tolist() == [0, 0, 1, 1, 2, 2]


def test_vocabularies_number_every_token_once():
    for vocabulary in (DECODER, ENCODER):
        assert len(set(vocabulary.names)) == len(vocabulary)
        assert vocabulary.names[PAD] == "Pad"
        for number, kind in enumerate(vocabulary.kinds):
            span = vocabulary.span(kind)
            assert (vocabulary.kind[span] == number).all()
            assert vocabulary.value[span].tolist() == list(range(span.stop - span.start))
    assert len(DECODER) == 1 + 1 + 16 + 48 + 85 + 88 + 16 + 28
    assert len(ENCODER) == 1 + 1 + 2 + 16 + 25 + 9 + 48 + 27


def test_parts_survive_being_tokens():
    for number, (name, part) in enumerate(made_music()):
        chords = random_chords(np.random.default_rng(number))
        stream = encode_part(part, chords, 50.0 + 5 * (number % 30))
        played, harmony, tempo = decode_part(stream.tokens)
        assert played == quantised(part), name
        assert harmony == chords, name
        again = encode_part(played, harmony, tempo)
        assert np.array_equal(again.tokens, stream.tokens), name
        told = stream_of(DECODER, stream.tokens)
        assert np.array_equal(told.when, stream.when), name
        assert np.array_equal(told.bar, stream.bar), name
        assert first_fault(DECODER, stream.tokens) is None, name


def test_quantising_changes_no_onset_and_no_pitch_and_little_else():
    for _, part in made_music():
        exact = quantised(part)
        assert np.array_equal(exact.onset, part.onset)
        assert np.array_equal(exact.pitch, part.pitch)
        assert (np.abs(exact.velocity - part.velocity) <= 4).all()
        short = part.duration <= 96
        assert (np.abs(exact.duration - part.duration)[short] <= 0.15 * part.duration[short]).all()
        assert quantised(exact) == exact


def test_drums_survive_being_tokens():
    for seed in range(60):
        rng = np.random.default_rng(seed)
        drums = random_drums(rng) if seed else random_drums(rng, hits=0)
        controls = Controls(
            "piano", rng.uniform(60, 200, 16).tolist(), int(rng.integers(25)), rng.integers(0, 9, 16).tolist()
        )
        stream = encode_drums(drums, controls)
        struck, told = decode_drums(stream.tokens)
        assert struck == quantised_drums(drums)
        assert (told.instrument, told.key, list(told.notes)) == (
            controls.instrument,
            controls.key,
            list(controls.notes),
        )
        assert tempo_bin(told.tempo_bpm).tolist() == tempo_bin(controls.tempo_bpm).tolist()
        assert np.array_equal(encode_drums(struck, told).tokens, stream.tokens)
        same = stream_of(ENCODER, stream.tokens)
        assert np.array_equal(same.when, stream.when)
        assert np.array_equal(same.bar, stream.bar)
        assert first_fault(ENCODER, stream.tokens) is None
        headers = without_hits(stream)
        assert len(headers) == 16 * 5
        assert len(decode_drums(headers.tokens)[0]) == 0


def test_tokens_transpose_as_music_does():
    for seed, semitones in enumerate(range(-7, 8)):
        rng = np.random.default_rng(seed)
        part, chords = random_part(rng, low=30, high=96), random_chords(rng)
        moved = encode_part(transposed(part, semitones), Chords(transposed_chords(chords.symbols, semitones)), 100.0)
        by_table = shift_table(DECODER, semitones)[encode_part(part, chords, 100.0).tokens]
        assert np.array_equal(by_table, moved.tokens)


def test_transposition_stays_in_the_range_and_comes_back_where_nothing_folds():
    for seed in range(8):
        rng = np.random.default_rng(seed)
        tokens = encode_part(random_part(rng, notes=50, low=35, high=90), random_chords(rng), 100.0).tokens
        lowest, highest = free_shifts(tokens)
        assert lowest < 0 < highest
        for semitones in (lowest, -1, 1, highest):
            moved = shift_table(DECODER, semitones)[tokens]
            assert np.array_equal(shift_table(DECODER, -semitones)[moved], tokens)
            assert first_fault(DECODER, moved) is None
        folded = decode_part(shift_table(DECODER, highest + 1)[tokens])[0]
        top = decode_part(tokens)[0].pitch.max()
        assert top + highest == 108
        assert folded.pitch.max() <= 108
    assert free_shifts(np.zeros(0, np.int16)) == (-87, 87)


def test_the_key_moves_with_the_pitches_and_nothing_else_of_the_drums_does():
    drums = random_drums(np.random.default_rng(0))
    stream = encode_drums(drums, Controls("piano", 100.0, 9, 2))
    moved, told = decode_drums(shift_table(ENCODER, 5, 1)[stream.tokens])
    assert moved == quantised_drums(drums)
    assert told.key == 2
    assert tempo_bin(told.tempo_bpm[0]) == tempo_bin(100.0) + 1
    minor = encode_drums(drums, Controls("piano", 100.0, 12 + 9, 2))
    assert decode_drums(shift_table(ENCODER, 5)[minor.tokens])[1].key == 12 + 2
    silent = encode_drums(drums, Controls("piano", 100.0))
    assert np.array_equal(shift_table(ENCODER, 5)[silent.tokens], silent.tokens)
    assert tempo_bin(TEMPOS[-1]) == DECODER.value[shift_table(DECODER, 0, 3)[DECODER.span("Tempo")][-1]]


def test_controls_can_be_left_unsaid():
    stream = encode_drums(random_drums(np.random.default_rng(0)), Controls("piano", 100.0, 9, 2))
    key, notes = (decode_drums(silence_table(key=k, notes=not k)[stream.tokens])[1] for k in (True, False))
    assert (key.key, set(key.notes)) == (NO_KEY, {2})
    assert (notes.key, set(notes.notes)) == (9, {NO_NOTES})


def test_a_chord_counts_once_as_a_position_with_notes():
    assert notes_per_bar(two_bars()[0]).tolist() == [2, 1]


def test_a_note_cut_off_at_the_end_is_left_out_and_one_said_twice_is_one():
    tokens = encode_part(*two_bars(), 120.0).tokens
    for cut in (1, 2):
        assert len(decode_part(tokens[:-cut])[0]) == len(two_bars()[0]) - 1
    twice = np.concatenate([tokens, tokens[-3:]])
    twice[-1] = DECODER.first["Duration"]
    part = decode_part(twice)[0]
    assert (len(part), part.duration[-1]) == (len(two_bars()[0]), 1)


def test_no_tokens_are_no_bars():
    part, chords, tempo = decode_part([])
    assert (part.bars, len(part), len(chords.symbols), len(tempo)) == (0, 0, 0, 0)


def word(*names):
    return [DECODER.names.index(name) for name in names]


START = ("Bar", "Position_0", "Chord_C")
NOTE = ("Pitch_60", "Velocity_60", "Duration_6")


@pytest.mark.parametrize(
    ("names", "fault"),
    [
        ((*START, *NOTE, "Bar", "Position_0", "Chord_C"), None),
        ((*START, "Position_24", "Chord_F", *NOTE), None),
        (("Position_0",), 0),
        (("Bar", "Chord_C"), 1),
        (("Bar", "Position_3"), 1),
        (("Bar", "Position_0", *NOTE), 2),
        ((*START, "Pitch_60", "Duration_6"), 4),
        ((*START, "Pitch_60", "Velocity_60", "Pitch_62"), 5),
        ((*START, *NOTE, *NOTE), 6),
        ((*START, *NOTE, "Pitch_59"), 6),
        ((*START, "Position_6", *NOTE, "Position_6"), 7),
        ((*START, "Position_6", *NOTE, "Position_5"), 7),
        ((*START, "Position_6", "Position_7"), 4),
        ((*START, "Position_6", "Chord_F"), 4),
        ((*START, "Position_24", "Chord_C"), 4),
        ((*START, "Position_24", "Tempo_100"), 4),
        (("Bar", "Position_0", "Tempo_100", "Chord_C", "Bar", "Position_0", "Tempo_100"), 6),
        ((*START, "Chord_F"), 3),
        ((*START, "Pad"), 3),
    ],
)
def test_faults_are_found_where_they_are_and_sampling_never_makes_them(names, fault):
    tokens = word(*names)
    assert first_fault(DECODER, tokens) == fault
    place = Place()
    for number, token in enumerate(tokens):
        assert allowed(place)[token] == (number != fault), number
        if number == fault:
            break
        place = after(place, token)


def test_faults_of_drums_are_found():
    drums = drums_from_hits(2, [0, 0, 12], [0, 2, 1], [90, 90, 90])
    tokens = encode_drums(drums, Controls("piano")).tokens
    assert first_fault(ENCODER, tokens) is None
    for one, other in pairwise(range(len(tokens))):
        swapped = tokens.copy()
        swapped[[one, other]] = swapped[[other, one]]
        assert first_fault(ENCODER, swapped) is not None, ENCODER.describe(swapped)
    assert first_fault(ENCODER, np.concatenate([tokens, [PAD]])) == len(tokens)
    assert first_fault(ENCODER, []) is None


def test_what_sampling_may_say_is_music_and_is_found_without_fault():
    for seed in range(12):
        rng = np.random.default_rng(seed)
        place, tokens, bars = Place(), [], 0
        while bars < 5:
            # Mostly a kind first, so that long lists of pitches do not drown the bars.
            options = np.flatnonzero(allowed(place))
            kinds = DECODER.kind[options]
            token = int(rng.choice(options[kinds == rng.choice(np.unique(kinds))]))
            bars += DECODER.names[token] == "Bar"
            tokens.append(token)
            place = after(place, token)
        tokens.pop()
        assert first_fault(DECODER, tokens) is None
        part, chords, tempo = decode_part(tokens)
        assert part.bars == 4
        assert np.array_equal(encode_part(part, chords, tempo).tokens, tokens)


def test_allowed_and_first_fault_agree_on_any_token_anywhere():
    rng = np.random.default_rng(5)
    for seed in range(4):
        tokens = encode_part(random_part(np.random.default_rng(seed), 2, 12), random_chords(rng, 2), 90.0).tokens
        place = Place()
        for number, token in enumerate(tokens):
            mask = allowed(place)
            for other in rng.choice(len(DECODER), 12):
                fault = first_fault(DECODER, [*tokens[:number], other])
                assert (fault is None) == mask[other], (number, DECODER.names[other])
            place = after(place, int(token))


def test_every_kind_but_pad_has_followers_that_exist():
    for vocabulary, table in FOLLOWERS.items():
        assert set(table) == set(vocabulary.kinds) - {"Pad"}
        assert set().union(*table.values()) == set(table)


def drum_track(offset_of, steps=32):
    hits = np.zeros((steps, 9), bool)
    hits[::2, 2] = hits[::8, 0] = hits[3::4, 1] = True
    velocities = np.where(hits, 0.5, 0).astype(np.float32)
    offsets = np.where(hits, np.array([offset_of(k) for k in range(steps)])[:, None], 0).astype(np.float32)
    return DrumTrack(BeatGrid(np.arange(steps // 4 + 1) * 0.5), hits, velocities, offsets)


def test_our_own_drums_stand_on_their_16ths():
    drums = drums_on_grid(drum_track(lambda k: 0.0))
    assert drums.bars == 2
    assert drums.onset[drums.drum == 2].tolist() == list(range(0, 96, 6))
    assert drums.onset[drums.drum == 0].tolist() == [0, 24, 48, 72]
    assert set(drums.velocity) == {93}  # 63.5 of 127 is a little below the middle, which is 95 in songs
    assert len(DRUMS) > drums.drum.max()


def test_louder_drums_stay_louder_and_the_loudest_loudest():
    loud = np.linspace(0.01, 1.0, 32)
    track = drum_track(lambda k: 0.0)
    hits = np.zeros_like(track.hits)
    hits[:, 1] = True
    drums = drums_on_grid(DrumTrack(track.grid, hits, hits * loud[:, None].astype(np.float32), track.offsets * 0))
    assert (np.diff(drums.velocity) > 0).all()
    assert drums.velocity[0] >= 1
    assert drums.velocity[-1] == 127


def test_a_shuffle_is_kept_and_looseness_is_not():
    shuffled = drums_on_grid(drum_track(lambda k: {2: 0.4, 3: -0.35}.get(k % 4, 0.0)))
    assert set(shuffled.onset[shuffled.drum == 2] % 12) == {0, 7}
    assert set(shuffled.onset[shuffled.drum == 1] % 12) == {8}  # the third of a triplet
    rng = np.random.default_rng(0)
    loose = drums_on_grid(drum_track(lambda k: rng.uniform(-0.45, 0.45) if k % 8 else 0.0, 256))
    assert set(loose.onset % 3) == {0}


def test_no_drums_are_no_bars():
    assert drums_on_grid(drum_track(lambda k: 0.0, 0)).bars == 0
