"""Drums become notes, and notes become MIDI files that say the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import mido
import numpy as np
import pretty_midi
import pytest

from kinebeat.accompaniment.accompanist import Accompaniment
from kinebeat.accompaniment.parts import Chords, part_from_notes
from kinebeat.beats.grid import BeatGrid
from kinebeat.drums.kit import DRUMS
from kinebeat.drums.track import DrumTrack
from kinebeat.errors import OptionError
from kinebeat.score import KITS, Score, Track, save_midi, score_from_drums, tempo_map, with_accompaniments

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

KICK, SNARE, CLOSED, OPEN = range(4)


def steady(tempo_bpm: float, first_s: float, end_s: float) -> BeatGrid:
    """Whole bars at one tempo from `first_s` (at or before 0) until they cover `end_s`."""
    bars = int(np.ceil((end_s - first_s) * tempo_bpm / 240)) or 1
    return BeatGrid(first_s + np.arange(bars * 4 + 1) * 60 / tempo_bpm)


def drumming(grid: BeatGrid, hits: list[tuple[int, int, float, float]]) -> DrumTrack:
    """A drum track of hits (step, drum, velocity, offset)."""
    drums = DrumTrack(
        grid,
        np.zeros((grid.steps, 9), bool),
        np.zeros((grid.steps, 9), np.float32),
        np.zeros((grid.steps, 9), np.float32),
    )
    for step, drum, velocity, offset in hits:
        drums.hits[step, drum] = True
        drums.velocities[step, drum] = velocity
        drums.offsets[step, drum] = offset
    return drums


def notes_at(times_s: NDArray[np.float64], grid: BeatGrid, duration_s: float) -> Score:
    n = len(times_s)
    pitch = np.full(n, 38)
    return Score((Track("Drums", 8, True, times_s, np.full(n, 0.02), pitch, pitch),), grid, duration_s)


def test_hits_become_notes_of_their_drum_time_and_strength() -> None:
    drums = drumming(steady(120, 0, 4), [(0, KICK, 1.0, 0.0), (4, SNARE, 0.5, 0.25), (4, 8, 0.001, 0.0)])
    score = score_from_drums(drums, 4.0, "jazz")
    (track,) = score.tracks
    assert (track.name, track.program, track.is_drum) == ("Drums", 32, True)
    assert track.time_s == pytest.approx([0, 0.5, 0.5 + 0.25 * 0.125])
    assert track.pitch.tolist() == [36, 51, 38]
    assert track.velocity.tolist() == [127, 1, 64]
    assert score.duration_s == 4.0


def test_hits_outside_the_clip_are_left_out() -> None:
    drums = drumming(steady(120, -0.5, 3), [(0, KICK, 1, 0), (4, KICK, 1, -0.2), (5, KICK, 1, 0), (12, KICK, 1, 0)])
    assert score_from_drums(drums, 1.0).tracks[0].time_s == pytest.approx([0.125])


def test_open_hat_ends_at_the_next_hat_and_strokes_do_not_overlap() -> None:
    hits = [(0, OPEN, 1.0, 0.0), (2, CLOSED, 1.0, 0.0), (4, OPEN, 1.0, 0.0), (8, KICK, 1, 0), (9, KICK, 1, -0.4)]
    (track,) = score_from_drums(drumming(steady(120, 0, 4), hits), 4.0).tracks
    opened = track.pitch == DRUMS[OPEN].pitch
    assert track.duration_s[opened] == pytest.approx([0.25, 1.0])
    kicks = track.pitch == 36
    assert track.duration_s[kicks][0] == pytest.approx(0.6 * 0.125)


def test_two_strokes_at_one_moment_are_one_stroke() -> None:
    hits = [(3, SNARE, 0.3, 0.49), (4, SNARE, 1.0, -0.5)]
    (track,) = score_from_drums(drumming(steady(120, 0, 4), hits), 4.0).tracks
    assert track.velocity.tolist() == [127]


def test_no_hits_no_notes() -> None:
    assert len(score_from_drums(drumming(steady(120, 0, 4), []), 4.0).tracks[0].time_s) == 0


def test_unknown_kit_is_refused_with_the_list() -> None:
    with pytest.raises(OptionError, match="standard, room"):
        score_from_drums(drumming(steady(120, 0, 4), []), 4.0, "washboard")
    assert len(set(KITS.values())) == len(KITS) == 8


def wandering(rng: np.random.Generator, beats: int, first_s: float) -> BeatGrid:
    """Beats that drift between 70 and 150 BPM."""
    tempo = 110 + 40 * np.sin(np.arange(beats) / 17) + rng.normal(0, 2, beats)
    return BeatGrid(first_s + np.concatenate([[0.0], np.cumsum(60 / tempo)]))


@pytest.mark.parametrize("first_s", [0.0, -1e-5, -0.001, -0.2, -0.5, -1.1, -1.9, -2.1])
def test_notes_and_beats_come_back_from_the_file(tmp_path: Path, first_s: float) -> None:
    rng = np.random.default_rng(1)
    grid = wandering(rng, 128, first_s)
    duration_s = float(grid.beats_s[-1])
    times_s = np.sort(rng.uniform(0, duration_s, 400))
    times_s = times_s[np.append(True, np.diff(times_s) > 0.03)]
    save_midi(notes_at(times_s, grid, duration_s), tmp_path / "out.mid")
    midi = pretty_midi.PrettyMIDI(str(tmp_path / "out.mid"))
    (track,) = midi.instruments
    assert (track.name, track.program, track.is_drum) == ("Drums", 8, True)
    assert np.abs(np.array([note.start for note in track.notes]) - times_s).max() < 0.001
    # Every downbeat of the file after the pickup is a bar line of the grid, and none is missing.
    bars_s = grid.beats_s[::4]
    downbeats_s = midi.get_downbeats()
    downbeats_s = downbeats_s[downbeats_s > 0.3]
    bars_s = bars_s[(bars_s > 0.3) & (bars_s <= times_s[-1] + 0.02)]
    assert np.abs(downbeats_s[-len(bars_s) :] - bars_s).max() < 0.001
    beats_s = midi.get_beats()[8:]
    assert np.abs(beats_s[:, None] - grid.beats_s).min(axis=1).max() < 0.001


def test_the_file_is_within_a_tenth_of_a_millisecond_of_any_grid() -> None:
    grid = wandering(np.random.default_rng(2), 4000, 0.0)
    assert np.abs(tempo_map(grid).beats_s - grid.beats_s).max() <= 1.01e-4


def test_two_hours_can_be_read_back(tmp_path: Path) -> None:
    grid = wandering(np.random.default_rng(3), 14000, -0.7)
    times_s = np.arange(0.1, 7200, 1.87)
    save_midi(notes_at(times_s, grid, 7200.0), tmp_path / "out.mid")
    (track,) = pretty_midi.PrettyMIDI(str(tmp_path / "out.mid")).instruments
    assert np.abs(np.array([note.start for note in track.notes]) - times_s).max() < 0.001


def test_a_pickup_has_the_beats_before_the_first_bar_line() -> None:
    period_s = 0.5
    for first_s, pickup, first_tempo_s in [
        (0.0, 0, 0.5),
        (-0.2, 4, 0.3),  # the bar line is 3.6 beats away: the first beat is short
        (-0.3, 3, 0.7),  # 3.4 beats: the first is long
        (-1.6, 1, 0.4),
        (-1.95, 4, 0.55),  # a bar line at 0.05 s: the next one ends the pickup
    ]:
        tempos = tempo_map(steady(60 / period_s, first_s, 10))
        assert tempos.pickup_beats == pickup
        assert tempos.beats_s[1] == pytest.approx(first_tempo_s, abs=1e-4)
        assert np.diff(tempos.beats_s[1:]) == pytest.approx(period_s, abs=2e-4)


def test_two_hours_of_an_odd_tempo_do_not_drift() -> None:
    grid = steady(60 / 0.4871234567, 0, 7200)
    tempos = tempo_map(grid)
    assert np.abs(tempos.beats_s - grid.beats_s).max() <= 1.01e-4
    # A steady tempo stays one tempo for many beats instead of one event a beat.
    assert len(tempos.tempos_us) < len(grid.beats_s) / 100


def test_a_clip_shorter_than_its_first_bar(tmp_path: Path) -> None:
    grid = BeatGrid(np.array([-0.1, 0.5, 1.1, 1.7, 2.3]))
    save_midi(notes_at(np.array([0.2]), grid, 0.4), tmp_path / "out.mid")
    (track,) = pretty_midi.PrettyMIDI(str(tmp_path / "out.mid")).instruments
    assert track.notes[0].start == pytest.approx(0.2, abs=0.001)


def test_a_grid_that_ends_before_the_music(tmp_path: Path) -> None:
    tempos = tempo_map(BeatGrid(np.array([-3.0, -2.0, -1.0, 0.5, 1.0])))
    assert tempos.tick(np.array([0.0, 2.0, 10.0])).tolist() == [0, 1920, 9600]


def test_channel_names_and_an_empty_score(tmp_path: Path) -> None:
    empty = np.zeros(0)
    none = np.zeros(0, np.int64)
    one = np.array([60])
    tracks = (
        Track("Drums", 0, True, empty, empty, none, none),
        Track("Piano", 3, False, np.array([1.0]), np.array([0.5]), one, one),
    )
    save_midi(Score(tracks, steady(100, 0, 2), 2.0), tmp_path / "out.mid")
    messages = [message for track in mido.MidiFile(tmp_path / "out.mid").tracks for message in track]
    assert {m.name for m in messages if m.type == "track_name"} == {"Drums", "Piano"}
    assert [m.note for m in messages if m.type == "note_on" and m.channel != 9 and m.velocity] == [60]
    assert [m.channel == 9 for m in messages if m.type == "program_change" and m.program == 3] == [False]


def test_drums_are_on_channel_10(tmp_path: Path) -> None:
    save_midi(notes_at(np.array([0.5]), steady(100, 0, 2), 2.0), tmp_path / "out.mid")
    messages = [message for track in mido.MidiFile(tmp_path / "out.mid").tracks for message in track]
    assert {m.channel for m in messages if m.type in ("note_on", "program_change")} == {9}
    assert [m.program for m in messages if m.type == "program_change"] == [8]


def test_instruments_have_their_place_and_level_in_the_file(tmp_path: Path) -> None:
    notes = np.array([1.0]), np.array([0.5]), np.array([60]), np.array([90])
    drums = Track("Drums", 0, True, notes[0], notes[1], np.array([38]), notes[3])
    tracks = (drums, Track("Piano", 0, False, *notes, pan=-0.25), Track("Guitar", 25, False, *notes, pan=0.3))
    save_midi(Score(tracks, steady(100, 0, 2), 2.0), tmp_path / "out.mid")
    messages = [message for track in mido.MidiFile(tmp_path / "out.mid").tracks for message in track]
    controls = [(m.channel == 9, m.control, m.value) for m in messages if m.type == "control_change"]
    assert controls == [(False, 7, 64), (False, 10, 48), (False, 7, 64), (False, 10, 83)]


def test_what_is_played_along_is_cut_to_the_clip() -> None:
    grid = steady(120, -0.5, 4)
    part = part_from_notes(3, [0, 12, 13, 100, 143], [6, 6, 200, 6, 6], [60, 62, 64, 65, 67], [90] * 5)
    made = Accompaniment("guitar", grid, part, Chords(np.zeros(6, np.int64)), 0)
    score = with_accompaniments(score_from_drums(drumming(grid, [(8, KICK, 1.0, 0.0)]), 3.0), [made])
    drums, guitar = score.tracks
    assert (drums.name, guitar.name, guitar.program, guitar.is_drum) == ("Drums", "Guitar", 25, False)
    # Position p of 12 a beat is at p / 24 - 0.5 s: the first note is before the clip, the last after it.
    assert guitar.time_s == pytest.approx([0.0, 1 / 24])
    assert guitar.duration_s == pytest.approx([0.25, 3.0 - 1 / 24])
    assert guitar.pitch.tolist() == [62, 64]
