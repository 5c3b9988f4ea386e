"""What the accompanist asks for and makes of it; the model thinks at random here too."""

from dataclasses import replace

import numpy as np
import pytest

from accompaniments import RandomModel
from kinebeat.accompaniment.accompanist import KEYS_DRAWN, Accompanist, drum_energy
from kinebeat.accompaniment.harmony import chord_pitch_classes, scale_pitch_classes
from kinebeat.accompaniment.limits import dominant_chord, tonic_chord
from kinebeat.accompaniment.parts import Chords
from kinebeat.accompaniment.tokens import notes_per_bar
from kinebeat.beats.grid import STEPS_PER_BAR, BeatGrid
from kinebeat.drums.track import DrumTrack
from kinebeat.errors import OptionError

BARS = 6
G_MAJOR = 7


def drums(bars=BARS, drift=0.0, velocity=0.8):
    """Kick and snare on the beats; the tempo 120 BPM, or slowing down."""
    beats_s = np.concatenate([[0], np.cumsum(0.5 * (1 + drift) ** np.arange(4 * bars))])
    hits = np.zeros((bars * STEPS_PER_BAR, 9), bool)
    hits[::8, 0] = hits[4::8, 1] = True
    velocities = np.where(hits, np.float32(velocity), np.float32(0))
    return DrumTrack(BeatGrid(beats_s), hits, velocities, np.zeros(hits.shape, np.float32))


def played(instruments=("piano",), track=None, duration_s=12.0, **others):
    track = drums() if track is None else track
    return Accompanist(RandomModel()).play(track, instruments, duration_s=duration_s, **others)


def test_notes_are_on_the_grid_and_drift_with_it():
    track = drums(drift=0.01)
    (made,) = played(track=track, duration_s=float(track.grid.beats_s[-1]))
    begin_s, duration_s = made.times_s()
    assert len(begin_s) == len(made.part) > 20
    step = track.grid.step(begin_s)
    assert step * 3 == pytest.approx(made.part.onset, abs=1e-9)
    assert track.grid.step(begin_s + duration_s) * 3 == pytest.approx(made.part.onset + made.part.duration)
    on_beats = made.part.onset % 12 == 0
    assert np.isin(np.round(begin_s[on_beats], 9), np.round(track.grid.beats_s, 9)).all()


def test_the_second_plays_on_the_chords_of_the_first():
    piano, guitar = played(("piano", "guitar"))
    assert (piano.instrument, guitar.instrument) == ("piano", "guitar")
    assert piano.chords == guitar.chords
    assert piano.key == guitar.key
    assert piano.part != guitar.part


def test_all_play_on_chords_that_are_given():
    given = Chords(np.array([0, 7, 14, 21, 0, 36, 36, 42, 42, 0, 0, 0]))
    for made in played(("piano", "guitar"), chords=given, key=0):
        assert made.chords == given
        for onset, pitch in zip(made.part.onset, made.part.pitch, strict=True):
            here = chord_pitch_classes(int(given.symbols[onset // 24]))
            assert pitch % 12 in {*here, *scale_pitch_classes(0)}


def test_the_first_plays_as_if_alone():
    assert played(("piano", "guitar"))[0].part == played(("piano",))[0].part


def test_other_drums_have_other_notes_with_the_same_seed():
    class Deaf(RandomModel):
        """Does not hear the drums, so that chance alone tells them apart."""

        def begin_bar(self, drums, state=None, played=None):
            return super().begin_bar([replace(bar, tokens=bar.tokens[:0]) for bar in drums], state, played)

    other = drums()
    other.hits[:, 2] = True
    one, again, two = (Accompanist(Deaf()).play(t, ["piano"], duration_s=12.0)[0] for t in (drums(), drums(), other))
    assert one.key == again.key == two.key
    assert one.part == again.part
    assert one.part != two.part


def test_a_key_is_kept_and_drawn_where_none_is_chosen():
    (made,) = played(key=G_MAJOR)
    assert made.key == G_MAJOR
    drawn = [played(seed=seed)[0].key for seed in range(12)]
    assert set(drawn) <= set(KEYS_DRAWN)
    assert len(set(drawn)) > 3
    assert drawn == [played(seed=seed)[0].key for seed in range(12)]


def test_the_piece_ends_on_the_last_bar_line_that_is_heard():
    # A bar is 2 s: the sixth begins at 10 s.
    for duration_s, last in ((12.0, 5), (10.9, 5), (10.7, 4), (1.0, 0)):
        (made,) = played(key=G_MAJOR, duration_s=duration_s)
        assert made.part.onset[-1] == last * 48
        final = made.part.pitch[made.part.onset == last * 48]
        assert set(final % 12) <= set(chord_pitch_classes(tonic_chord(G_MAJOR)))
        assert last == 0 or made.chords.symbols[2 * last - 1] == dominant_chord(G_MAJOR)


def test_where_nobody_is_nothing_is_played():
    present = np.ones(BARS * STEPS_PER_BAR, bool)
    present[: 2 * STEPS_PER_BAR] = False
    present[5 * STEPS_PER_BAR :] = False
    (made,) = played(present=present)
    found = notes_per_bar(made.part)
    assert found[:2].sum() == 0
    assert (found[2:5] > 0).all()
    assert found[5] == 0
    assert (made.part.onset == 4 * 48).any()  # the cadence


def test_within_a_bar_too_nobody_plays_where_nobody_is():
    present = np.ones(BARS * STEPS_PER_BAR, bool)
    present[STEPS_PER_BAR + 5 : STEPS_PER_BAR + 11] = False
    present[5 * STEPS_PER_BAR : 5 * STEPS_PER_BAR + 2] = False
    gone = np.repeat(~present, 3)
    for seed in range(8):
        (made,) = played(present=present, seed=seed)
        assert (made.part.onset == 4 * 48).any()  # the cadence: somebody is there at its beginning
        for begin, length in zip(made.part.onset, made.part.duration, strict=True):
            assert not gone[begin : begin + length].any()


def test_energy_shapes_how_many_notes_there_are_and_how_loud():
    energy = np.repeat([0.0, 0.0, 0.0, 1.0, 1.0, 1.0], STEPS_PER_BAR)
    many, quiet, loud = [], [], []
    for seed in range(8):
        (made,) = played(energy=energy, seed=seed)
        found = notes_per_bar(made.part)
        many.append((found[:3].sum(), found[3:5].sum()))
        quiet += made.part.velocity[made.part.onset < 3 * 48].tolist()
        loud += made.part.velocity[made.part.onset >= 3 * 48].tolist()
    still, moving = np.sum(many, 0)
    assert still <= 8 * 3  # one place a bar
    assert moving > 2 * still
    assert np.mean(loud) > 1.5 * np.mean(quiet)


def test_density_is_kept():
    energy = np.full(BARS * STEPS_PER_BAR, 0.6)
    few, many = (
        np.mean([notes_per_bar(played(energy=energy, density=density, seed=s)[0].part)[:-1] for s in range(6)])
        for density in (0.3, 1.0)
    )
    assert few < 0.6 * many


def test_the_energy_of_drums():
    soft, hard = drum_energy(drums(velocity=0.2)), drum_energy(drums(velocity=1.0))
    assert len(soft) == BARS * STEPS_PER_BAR
    assert (hard > soft).all()
    track = drums()
    track.hits[STEPS_PER_BAR : 2 * STEPS_PER_BAR] = False
    energy = drum_energy(track)
    assert energy[STEPS_PER_BAR] == 0 < energy[0] < 1


def test_progress_is_told():
    told = []
    played(("piano", "guitar"), progress=told.append)
    assert told == sorted(told)
    assert told[-1] == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("others", "words"),
    [
        ({"instruments": ("tuba",)}, "no instrument 'tuba'"),
        ({"instruments": ("piano", "piano")}, "each once"),
        ({"key": 24}, "0 to 23"),
        ({"density": 0.0}, "density"),
        ({"temperature": -1.0}, "temperature"),
    ],
)
def test_what_cannot_be_played_says_so(others, words):
    with pytest.raises(OptionError, match=words):
        played(**others)
