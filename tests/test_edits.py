"""Beats and accents put by hand: what an edit may be, what becomes of the grid, and that it is heard."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

import kinebeat
from command_line import run
from kinebeat.accents import Accents
from kinebeat.beats.grid import BEATS_PER_BAR, BeatGrid
from kinebeat.edits import (
    ADDED_STRENGTH,
    CLOSEST_BEATS_S,
    Edit,
    check_edits,
    edited_accents,
    edited_beats,
    load_edits,
    read_edits,
    told_edits,
)
from kinebeat.errors import InputError, OptionError
from kinebeat.pose import save_pose
from kinebeat.rhythm import LANDING_TOLERANCE_S
from movers import frame_times_s, sharp_moves, standing, swing_arms, track

DURATION_S = 8.0
GRID = BeatGrid(np.arange(17) * 0.5)  # 120 BPM, four bars
EARLY = BeatGrid(np.arange(21) * 0.5 - 0.3)  # the same from before the clip on
HEARD = Accents(np.array([1.0, 2.0, 3.0]), np.array([0.5, 0.9, 0.2], np.float32))


def beat(at_s: float, to_s: float | None = None) -> Edit:
    return Edit("beat", at_s, to_s)


def accent(at_s: float | None, to_s: float | None = None) -> Edit:
    return Edit("accent", at_s, to_s)


def assert_whole(grid: BeatGrid, heard_s: np.ndarray, duration_s: float = DURATION_S) -> None:
    """What every grid promises: whole bars that cover the clip, no more than needed, and where each beat is from."""
    beats_s = grid.beats_s
    assert (len(beats_s) - 1) % BEATS_PER_BAR == 0
    assert (np.diff(beats_s) > 0).all()
    assert beats_s[0] <= 0
    assert beats_s[-1] >= duration_s
    assert len(beats_s) == BEATS_PER_BAR + 1 or (beats_s[4] > 0 and beats_s[-5] < duration_s)
    assert len(heard_s) == len(beats_s)


def test_no_edits_no_change():
    grid, heard_s = edited_beats(GRID, [accent(1.0)], DURATION_S)
    assert grid is GRID
    assert np.array_equal(heard_s, GRID.beats_s)


def test_a_beat_is_moved_and_nothing_else():
    grid, heard_s = edited_beats(GRID, [beat(2.0, 2.1)], DURATION_S)
    assert grid.beats_s[4] == 2.1
    assert np.array_equal(np.delete(grid.beats_s, 4), np.delete(GRID.beats_s, 4))
    assert np.array_equal(heard_s, GRID.beats_s)
    assert grid.time_s(14) == pytest.approx((1.5 + 2.1) / 2)  # the 16ths around it go along
    assert (grid.source, grid.confidence) == (GRID.source, GRID.confidence)
    assert_whole(grid, heard_s)


def test_a_beat_is_named_by_where_it_was_heard():
    assert edited_beats(GRID, [beat(2.0049, 2.1)], DURATION_S)[0].beats_s[4] == 2.1
    for at_s in (2.006, 1.99, 100.0):
        with pytest.raises(OptionError, match=r"no beat was heard at .*tempo"):
            edited_beats(GRID, [beat(at_s, 2.1)], DURATION_S)


def test_a_deleted_beat_joins_its_intervals_and_later_bars_shift():
    grid, heard_s = edited_beats(GRID, [beat(2.5)], DURATION_S)
    assert 2.5 not in grid.beats_s
    assert np.array_equal(grid.beats_s[:17], [*np.arange(0, 2.5, 0.5), *np.arange(3.0, 9.0, 0.5)])
    assert np.array_equal(grid.inside(DURATION_S, every=BEATS_PER_BAR), [0.0, 2.0, 4.5, 6.5])
    assert np.array_equal(heard_s[:15], np.delete(GRID.beats_s, 5)[:15])
    assert_whole(grid, heard_s)


def test_the_first_beat_can_be_deleted_or_moved():
    grid, heard_s = edited_beats(GRID, [beat(0.0)], DURATION_S)
    assert np.array_equal(grid.beats_s[:5], [-2.0, -1.5, -1.0, -0.5, 0.5])  # it does not come back as a pickup
    assert np.isnan(heard_s[:4]).all()
    assert np.array_equal(grid.inside(DURATION_S, every=BEATS_PER_BAR)[:2], [0.5, 2.5])
    assert_whole(grid, heard_s)
    for to_s in (-0.2, 0.2):
        grid, heard_s = edited_beats(GRID, [beat(0.0, to_s)], DURATION_S)
        assert to_s in grid.beats_s[::BEATS_PER_BAR]
        assert_whole(grid, heard_s)


def test_many_edits_in_any_order():
    edits = [beat(3.2), beat(0.7, 0.75), beat(3.7, 3.4), beat(9.2), beat(7.7)]
    one, heard_s = edited_beats(EARLY, edits, DURATION_S)
    other, _ = edited_beats(EARLY, edits[::-1], DURATION_S)
    assert np.array_equal(one.beats_s, other.beats_s)
    assert one.beats_s[np.isclose(heard_s, 0.7)].tolist() == [0.75]
    assert np.array_equal(one.inside(DURATION_S), [0.2, 0.75, 1.2, 1.7, 2.2, 2.7, 3.4, *np.arange(4.2, 7.5, 0.5)])
    assert_whole(one, heard_s)


@pytest.mark.parametrize("seed", range(20))
def test_whatever_is_deleted_bars_stay_whole(seed):
    chance = np.random.default_rng(seed)
    inside_s = EARLY.inside(DURATION_S)
    gone_s = chance.choice(inside_s, chance.integers(1, len(inside_s)), replace=False)
    grid, heard_s = edited_beats(EARLY, [beat(float(time_s)) for time_s in gone_s], DURATION_S)
    assert_whole(grid, heard_s)
    assert np.array_equal(grid.inside(DURATION_S), np.setdiff1d(inside_s, gone_s))


@pytest.mark.parametrize(
    "edits",
    [
        [beat(2.0, 2.0 + 0.5 - CLOSEST_BEATS_S + 0.01)],
        [beat(2.0, 1.5 + CLOSEST_BEATS_S - 0.01)],
        [beat(2.0, 4.2)],
        [beat(2.0, -50.0)],
        [beat(8.0, 1e300)],
        [beat(0.0, -1e300)],
        [beat(2.0, 2.2), beat(2.5, 2.3)],
    ],
)
def test_beats_stay_between_their_neighbours(edits):
    with pytest.raises(OptionError, match="away from the beats beside it"):
        edited_beats(GRID, edits, DURATION_S)


def test_moved_beats_may_use_the_room_that_others_leave():
    assert 2.7 in edited_beats(GRID, [beat(2.0, 2.7), beat(2.5)], DURATION_S)[0].beats_s
    assert 2.4 in edited_beats(GRID, [beat(2.0, 2.4), beat(2.5, 2.6)], DURATION_S)[0].beats_s


def test_one_beat_stays():
    with pytest.raises(OptionError, match="no beat would be left"):
        edited_beats(GRID, [beat(float(time_s)) for time_s in GRID.inside(DURATION_S)], DURATION_S)


def test_accents_are_moved_deleted_and_added():
    edits = [accent(2.0, 0.5), accent(3.0), accent(None, 2.5)]
    accents, heard_s, by_hand = edited_accents(HEARD, HEARD, edits, DURATION_S)
    assert accents.times_s.tolist() == [0.5, 1.0, 2.5]
    assert accents.strength.tolist() == pytest.approx([0.9, 0.5, ADDED_STRENGTH])
    assert accents.strength.dtype == np.float32
    assert heard_s.tolist() == pytest.approx([2.0, 1.0, np.nan], nan_ok=True)
    assert by_hand.tolist() == [True, False, True]
    assert HEARD.times_s.tolist() == [1.0, 2.0, 3.0]


def test_an_accent_that_is_not_played_is_left_alone():
    played = Accents(HEARD.times_s[:2], HEARD.strength[:2])
    accents, _, _ = edited_accents(played, HEARD, [accent(3.0, 3.5)], DURATION_S)
    assert accents.times_s.tolist() == [1.0, 2.0]
    with pytest.raises(OptionError, match=r"no accent was heard at 3\.500 s"):
        edited_accents(played, HEARD, [accent(3.5, 3.0)], DURATION_S)


@pytest.mark.parametrize("to_s", [-0.1, 8.0, 1e300])
def test_accents_stay_in_the_clip(to_s):
    for at_s in (None, 1.0):
        with pytest.raises(OptionError, match=r"the clip lasts 8\.000 s"):
            edited_accents(HEARD, HEARD, [accent(at_s, to_s)], DURATION_S)


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (Edit("drum", 1.0, 2.0), "expected 'beat' or 'accent'"),
        (Edit(["beat"], 1.0, 2.0), "expected 'beat' or 'accent'"),
        (beat(float("nan"), 1.0), "at no time"),
        (accent(1.0, float("inf")), "at no time"),
        (Edit("beat", None, 1.0), "cannot be added"),
        (accent(None, None), "without a time"),
    ],
)
def test_what_no_edit_can_be(edit, words):
    with pytest.raises(OptionError, match=words):
        check_edits([edit])


def test_one_thing_is_edited_once():
    with pytest.raises(OptionError, match="twice"):
        check_edits([beat(1.0, 1.1), beat(1.0)])
    with pytest.raises(OptionError, match="twice"):
        edited_beats(GRID, [beat(1.0, 1.1), beat(1.001)], DURATION_S)
    check_edits([beat(1.0, 1.1), accent(1.0), accent(None, 3.0), accent(None, 3.0)])


def test_edits_as_json(tmp_path):
    edits = (beat(2.0, 2.1), accent(3.0), accent(None, 1.5))
    assert read_edits(json.loads(json.dumps(told_edits(edits)))) == edits
    path = tmp_path / "edits.json"
    path.write_text(json.dumps(told_edits(edits)))
    assert load_edits(path) == edits
    path.write_text('[{"what": "beat", "at_s": 1, "to_s": null}]')
    assert load_edits(path) == (beat(1.0),)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[1]",
        '[{"what": "beat"}]',
        '[{"what": "beat", "at_s": 1, "to_s": 2, "more": 3}]',
        '[{"what": "beat", "at_s": "1", "to_s": 2}]',
        '[{"what": "beat", "at_s": true, "to_s": 2}]',
        '[{"what": "beat", "at_s": NaN, "to_s": 2}]',
        '[{"what": {}, "at_s": 1, "to_s": 2}]',
        '[{"what": "beat", "at_s": 1' + "0" * 400 + ', "to_s": 2}]',
        "[" * 100_000,
    ],
)
def test_other_json_is_refused(tmp_path, text):
    path = tmp_path / "edits.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"edits\.json: .*; "):
        load_edits(path)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="check the name"):
        load_edits(tmp_path / "edits.json")


@pytest.fixture(scope="module")
def mover(tmp_path_factory):
    """Somebody whose arms stop twice a second, and who leaves the picture for two seconds."""
    times_s = frame_times_s(DURATION_S)
    body = swing_arms(standing(times_s), sharp_moves(times_s, np.arange(1.0, 7.5, 0.5)))
    body[(times_s >= 4.2) & (times_s < 6.2)] = np.nan
    path = tmp_path_factory.mktemp("mover") / "mover.npz"
    save_pose(track(body, times_s), path)
    return path


@pytest.fixture(scope="module")
def made(mover):
    return kinebeat.soundtrack(mover, seed=3)


def edited(made, *edits, **changes):
    return made.remade(replace(made.settings, edits=edits, **changes))


def drums_s(made):
    return made.score.tracks[0].time_s


def away_s(made, time_s):
    return np.abs(drums_s(made) - time_s).min()


def test_everything_heard_can_be_named(made):
    assert np.array_equal(made.heard_beats_s, made.grid.beats_s)
    assert np.array_equal(made.heard_accents_s, made.accents.times_s)


@pytest.mark.parametrize("by_s", [-0.2, -0.07, -0.011, 0.011, 0.05, 0.13, 0.21])
def test_an_accent_moved_by_hand_is_heard_there(made, by_s):
    for at_s in made.accents.times_s[1:4]:
        other = edited(made, accent(float(at_s), float(at_s + by_s)))
        assert away_s(other, at_s + by_s) < LANDING_TOLERANCE_S
        assert at_s + by_s in other.accents.times_s
        assert at_s not in other.accents.times_s
        assert other.heard_accents_s[other.accents.times_s == at_s + by_s] == at_s


@pytest.mark.parametrize("to_s", [0.0, 0.004, 0.31, 3.33, 4.61, 5.5, 7.999])
def test_an_added_accent_is_heard_wherever_it_is(made, to_s):
    # Where nobody is in the picture too, and at the very ends.
    other = edited(made, accent(None, to_s))
    assert away_s(other, to_s) < LANDING_TOLERANCE_S
    assert np.isnan(other.heard_accents_s).sum() == 1


def test_a_deleted_accent_pulls_no_drum(made):
    made = edited(made, tempo_bpm=93.0)
    rhythm = made.rhythm
    pulled = np.flatnonzero((rhythm.accent > 0) & (rhythm.accent_offset != 0))
    step = int(pulled[0])
    at_s = made.accents.times_s[np.floor(made.grid.step(made.accents.times_s) + 0.5) == step]
    other = edited(made, *(accent(float(time_s)) for time_s in at_s), tempo_bpm=93.0)
    assert (other.rhythm.accent[step], other.rhythm.accent_offset[step]) == (0, 0)
    assert np.array_equal(np.delete(other.rhythm.accent, step), np.delete(rhythm.accent, step))
    everything = edited(made, *(accent(float(time_s)) for time_s in made.accents.times_s))
    assert not len(everything.accents.times_s)
    assert not everything.rhythm.accent.any()
    assert any("no accents" in line for line in everything.warnings)


def test_two_by_hand_on_one_sixteenth_are_refused(made):
    on_it = float(made.grid.time_s(9))
    with pytest.raises(OptionError, match="one sixteenth"):
        edited(made, accent(None, on_it), accent(None, on_it + 0.02))
    # One that was only heard there gives way.
    step = int(np.flatnonzero(made.rhythm.accent > 0)[0])
    to_s = float(made.grid.time_s(step + 0.4))
    assert away_s(edited(made, accent(None, to_s)), to_s) < 0.001


def test_drums_follow_a_beat_that_is_moved(made):
    beats_s = made.grid.inside(DURATION_S)
    at_s = float(beats_s[5])
    other = edited(made, beat(at_s, at_s + 0.1))
    assert at_s + 0.1 in other.grid.beats_s
    assert np.array_equal(other.heard_beats_s, made.heard_beats_s)
    assert other.grid.beats_s is other.score.grid.beats_s
    assert not np.array_equal(drums_s(other), drums_s(made))
    assert other.heard is made.heard  # what was heard stays as it was
    assert np.array_equal(other.remade(made.settings).grid.beats_s, made.grid.beats_s)


def test_edits_stay_with_another_seed_density_or_key_and_not_with_another_tempo(made):
    at_s = float(made.grid.inside(DURATION_S)[5])
    edits = (beat(at_s, at_s + 0.1), accent(float(made.accents.times_s[2]), 2.66))
    for changes in ({"seed": 9}, {"density": 0.1}, {"density": 2.0}, {"kit": "jazz"}):
        assert at_s + 0.1 in edited(made, *edits, **changes).grid.beats_s
    with pytest.raises(OptionError, match="the tempo may be another"):
        edited(made, *edits, tempo_bpm=93.0)
    assert 2.66 in edited(made, *edits[1:], tempo_bpm=93.0).accents.times_s


def test_the_same_from_the_start(mover, made, tmp_path):
    at_s = float(made.grid.inside(DURATION_S)[5])
    edits = (beat(at_s, at_s + 0.1), accent(float(made.accents.times_s[0])), accent(None, 3.33))
    from_the_start, remade = kinebeat.soundtrack(mover, seed=3, edits=edits), edited(made, *edits)
    assert np.array_equal(drums_s(from_the_start), drums_s(remade))
    assert np.array_equal(remade.variant(3).drums.hits, remade.drums.hits)
    remade.save(report=tmp_path / "a.json", midi=tmp_path / "a.mid", wav=tmp_path / "a.wav", plot=tmp_path / "a.png")
    said = json.loads((tmp_path / "a.json").read_text())
    assert read_edits(said["settings"]["edits"]) == edits
    assert at_s + 0.1 == pytest.approx(min(said["beats_s"], key=lambda time_s: abs(time_s - at_s - 0.1)), abs=1e-4)


def test_beats_of_a_song_are_not_edited(mover):
    with pytest.raises(OptionError, match="song's cannot be edited"):
        kinebeat.soundtrack(mover, background="song.mp3", edits=[beat(1.0)])


def test_the_command_line(mover, made, tmp_path, capsys):
    edits, report = tmp_path / "edits.json", tmp_path / "a.json"
    at_s = round(float(made.accents.times_s[1]), 4)
    edits.write_text(json.dumps([{"what": "accent", "at_s": at_s, "to_s": 1.77}]))
    words = ["soundtrack", mover, "--seed", 3, "--report", report, "-q", "--edits"]
    assert run(*words, edits) == 0
    assert 1.77 in json.loads(report.read_text())["accents_s"]
    for text, told in (
        ('[{"what": "accent", "at_s": 0.01, "to_s": 1}]', "no accent was heard"),
        ('[{"what": "accent"}]', "edits.json: edit 1"),
    ):
        edits.write_text(text)
        report.unlink(missing_ok=True)
        assert run(*words, edits) == 2
        assert told in capsys.readouterr().err
        assert not report.exists()
    assert run(*words[:-3], report, "-q", "--edits", report) == 2
