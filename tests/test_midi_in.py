"""Drums of MIDI files, our own and anybody's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import mido
import numpy as np
import pytest

from kinebeat.beats.grid import BeatGrid
from kinebeat.drums.kit import DRUMS
from kinebeat.drums.track import DrumTrack
from kinebeat.errors import InputError
from kinebeat.midi_in import LONGEST_S, FileTimes, read_drums
from kinebeat.score import save_midi, score_from_drums

if TYPE_CHECKING:
    from pathlib import Path

KICK, SNARE, HAT = range(3)


def write(path: Path, notes, *, bars=((0, 4, 4),), tempos=((0, 500000),), channel=9, name="Drums", ticks=480) -> Path:
    """A MIDI file of notes (tick, pitch, velocity), each 60 ticks long; None for `bars` says nothing about them."""
    file = mido.MidiFile(ticks_per_beat=ticks)
    events = [(t, 0, mido.MetaMessage("time_signature", numerator=n, denominator=d)) for t, n, d in bars or ()]
    events += [(t, 0, mido.MetaMessage("set_tempo", tempo=us)) for t, us in tempos]
    for tick, pitch, velocity in notes:
        events.append((tick, 2, mido.Message("note_on", channel=channel, note=pitch, velocity=velocity)))
        events.append((tick + 60, 1, mido.Message("note_off", channel=channel, note=pitch)))
    track = mido.MidiTrack([mido.MetaMessage("track_name", name=name)])
    now = 0
    for tick, _, message in sorted(events, key=lambda event: event[:2]):
        track.append(message.copy(time=tick - now))
        now = tick
    file.tracks.append(track)
    file.save(path)
    return path


def beat(bars=4, first=0, bar=1920):
    """Kick and snare on the beats."""
    return [(first + bar * b + 480 * q, (36, 38)[q % 2], 80 + q) for b in range(bars) for q in range(4)]


def performance(grid: BeatGrid, end_s: float, seed: int = 0) -> DrumTrack:
    """Hits anywhere in the clip, looser than any drummer's."""
    rng = np.random.default_rng(seed)
    hits = rng.random((grid.steps, 9)) < 0.2
    offsets = np.where(hits, rng.uniform(-0.4, 0.4, hits.shape), 0).astype(np.float32)
    time_s = grid.time_s(np.arange(grid.steps)[:, None] + offsets)
    hits &= (time_s > 0.01) & (time_s < end_s)
    velocities = np.where(hits, rng.integers(1, 128, hits.shape) / 127, 0).astype(np.float32)
    return DrumTrack(grid, hits, velocities, np.where(hits, offsets, 0).astype(np.float32))


@pytest.mark.parametrize("first_s", [0.0, -0.2, -0.3, -0.5, -1.1, -1.6, -1.95])
def test_what_we_wrote_comes_back_as_it_was(tmp_path: Path, first_s: float) -> None:
    grid = BeatGrid(first_s + 0.5 * np.arange(33))
    drums = performance(grid, float(grid.beats_s[-1]) - 0.2)
    save_midi(score_from_drums(drums, 60.0), tmp_path / "a.mid")
    found = read_drums(tmp_path / "a.mid").drums
    steps = found.grid.steps
    assert found.grid.beats_s == pytest.approx(grid.beats_s[: len(found.grid.beats_s)], abs=3e-4)
    assert not drums.hits[steps:].any()
    assert np.array_equal(found.hits, drums.hits[:steps])
    assert found.velocities == pytest.approx(drums.velocities[:steps], abs=1e-6)
    assert found.offsets == pytest.approx(drums.offsets[:steps], abs=0.006)  # 100 us of tempo, half a tick


def test_a_drifting_tempo_comes_back(tmp_path: Path) -> None:
    grid = BeatGrid(np.concatenate([[0.0], np.cumsum(0.5 + 0.05 * np.sin(np.arange(64) / 5))]))
    drums = performance(grid, float(grid.beats_s[-1]) - 0.2)
    save_midi(score_from_drums(drums, 60.0), tmp_path / "a.mid")
    found = read_drums(tmp_path / "a.mid").drums
    assert np.array_equal(found.hits, drums.hits)
    assert found.offsets == pytest.approx(drums.offsets, abs=0.006)
    assert found.grid.beats_s == pytest.approx(grid.beats_s, abs=3e-4)


def test_anybodys_drums(tmp_path: Path) -> None:
    notes = [(0, 35, 100), (480, 40, 64), (960, 56, 90), (1000, 42, 127), (1920 * 2 + 110, 57, 1)]
    found = read_drums(write(tmp_path / "a.mid", notes))
    drums = found.drums
    step, drum = np.nonzero(drums.hits)
    assert [(s, DRUMS[d].name) for s, d in zip(step, drum, strict=True)] == [
        (0, "kick"),
        (4, "snare"),
        (8, "closed hi-hat"),
        (33, "crash"),
    ]
    assert drums.offsets[8, HAT] == pytest.approx(1 / 3, abs=1e-5)
    assert drums.velocities[4, SNARE] == pytest.approx(64 / 127)
    assert drums.grid.beats_s == pytest.approx(0.5 * np.arange(13))
    # The cowbell is none of the nine and stays.
    assert found.track.pitch.tolist() == [35, 40, 56, 42, 57]
    assert found.track.velocity.tolist() == [100, 64, 90, 127, 1]
    assert found.times.tick(found.track.time_s).tolist() == [note[0] for note in notes]
    assert found.warnings == ()


def test_of_several_strokes_in_a_16th_the_hardest_is_heard(tmp_path: Path) -> None:
    found = read_drums(write(tmp_path / "a.mid", [(0, 38, 20), (20, 38, 90), (40, 40, 50)]))
    assert found.drums.hits.sum() == 1
    assert found.drums.velocities[0, SNARE] == pytest.approx(90 / 127)
    assert found.drums.offsets[0, SNARE] == pytest.approx(20 / 120, abs=1e-5)
    assert len(found.track.time_s) == 3


def test_tempo_changes_in_the_middle_of_beats(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mid", beat(), tempos=((0, 600000), (700, 400000), (1920, 1000000)))
    found = read_drums(path)
    second_s = 0.6 * 220 / 480 + 0.4 * 260 / 480
    assert np.diff(found.drums.grid.beats_s)[:5] == pytest.approx([0.6, second_s, 0.4, 0.4, 1.0])
    assert np.flatnonzero(found.drums.hits.any(1)).tolist() == list(range(0, 64, 4))
    assert not found.drums.offsets.any()
    assert found.times.tempos == ((0, 600000), (700, 400000), (1920, 1000000))


def test_seconds_and_ticks_of_a_file_are_inverse() -> None:
    times = FileTimes(96, ((0, 500000), (100, 2000000), (101, 100), (5000, 700000)), ((0, 4, 4),))
    ticks = np.arange(0, 9000)
    assert np.array_equal(times.tick(times.time_s(ticks)), ticks)


@pytest.mark.parametrize(("numerator", "denominator", "ticks"), [(1, 4, 480), (3, 4, 1440), (1, 8, 240), (7, 8, 1680)])
def test_a_pickup_comes_before_the_first_bar(tmp_path: Path, numerator: int, denominator: int, ticks: int) -> None:
    notes = [(0, 42, 70), *beat(first=ticks)]
    found = read_drums(write(tmp_path / "a.mid", notes, bars=((0, numerator, denominator), (ticks, 4, 4))))
    grid = found.drums.grid
    assert grid.beats_s[0] == pytest.approx(ticks / 960 - 2)
    assert len(grid.beats_s) == 21
    assert found.drums.hits[16::4, [KICK, SNARE]].sum() == 16
    assert np.flatnonzero(found.drums.hits[:16].any(1)).tolist() == [16 - ticks // 120]


@pytest.mark.parametrize("bars", [None, ((0, 2, 2),), ((0, 4, 4), (3840, 4, 4)), ((0, 4, 4), (1920 * 9, 3, 4))])
def test_other_ways_to_say_four_quarters(tmp_path: Path, bars) -> None:
    found = read_drums(write(tmp_path / "a.mid", beat(), bars=bars))
    assert found.drums.grid.beats_s == pytest.approx(0.5 * np.arange(17))


def test_a_stroke_just_before_its_bar_line_has_a_bar(tmp_path: Path) -> None:
    found = read_drums(write(tmp_path / "a.mid", [(0, 36, 90), (1900, 49, 90)]))
    assert len(found.drums.grid.beats_s) == 9
    assert found.drums.hits[16, 7]
    assert found.drums.offsets[16, 7] == pytest.approx(-20 / 120, abs=1e-5)


def test_drums_by_name_and_others_left_out(tmp_path: Path) -> None:
    found = read_drums(write(tmp_path / "a.mid", beat(), channel=2, name="My Drum Kit"))
    assert found.drums.hits.sum() == 16
    both = mido.MidiFile(write(tmp_path / "b.mid", beat()))
    both.tracks += mido.MidiFile(write(tmp_path / "c.mid", [(0, 60, 90)], channel=0, name="Steel drums")).tracks
    both.save(tmp_path / "d.mid")
    found = read_drums(tmp_path / "d.mid")
    assert found.drums.hits.sum() == len(found.track.time_s) == 16
    assert found.warnings == ("d.mid: 1 track beside the drums is left out",)


def bad(folder: Path, case: str) -> Path:
    path = folder / f"{case}.mid"
    good = write(folder / "good.mid", beat()).read_bytes()
    if case == "missing":
        return path
    if case == "folder":
        path.mkdir()
    elif case in ("empty", "text", "cut", "header", "tracks", "smpte"):
        smpte = bytearray(good)
        smpte[12:14] = b"\xe7\x28"
        path.write_bytes(
            {
                "empty": b"",
                "text": b"not MIDI at all" * 9,
                "cut": good[: len(good) // 2],
                "header": good[:9],
                "tracks": good[:14],
                "smpte": bytes(smpte),
            }[case]
        )
    elif case == "silent":
        write(path, [])
    elif case == "piano":
        write(path, beat(), channel=0, name="Piano")
    elif case == "cowbells":
        write(path, [(0, 56, 90)])
    elif case == "waltz":
        write(path, beat(bar=1440), bars=((0, 3, 4),))
    elif case == "changing":
        write(path, beat(8), bars=((0, 4, 4), (3840, 2, 4), (4800, 4, 4)))
    elif case == "crooked":
        write(path, beat(8), bars=((0, 4, 4), (3840 + 480, 4, 4)))
    elif case == "long":
        write(path, [(0, 36, 90), (480 * 2 * 7200, 36, 90)])
    elif case == "endless":
        write(path, [(0, 36, 90), (2**27, 36, 90)], tempos=((0, 1),))
    return path


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("missing", "no such file"),
        ("folder", "cannot be read"),
        ("empty", "is empty"),
        ("text", "not a MIDI file"),
        ("cut", "cut off"),
        ("header", "ticks per beat"),
        ("tracks", "cut off"),
        ("smpte", "ticks per beat"),
        ("silent", "no notes"),
        ("piano", "channel 10"),
        ("cowbells", "General MIDI"),
        ("waltz", "3/4 at 0.0 s"),
        ("changing", "2/4 at 4.0 s"),
        ("crooked", "not whole before 4.5 s"),
        ("long", "120 minutes"),
        ("endless", "beats"),
    ],
)
def test_what_cannot_be_used_is_named_with_its_remedy(tmp_path: Path, case: str, words: str) -> None:
    path = bad(tmp_path, case)
    with pytest.raises(InputError, match=words) as raised:
        read_drums(path)
    assert str(raised.value).startswith(f"{path}: ")
    assert raised.value.remedy


def test_an_hour_is_enough() -> None:
    assert LONGEST_S == 3600


def test_every_cut_of_a_file_is_music_or_an_input_error(tmp_path: Path) -> None:
    good = write(tmp_path / "good.mid", beat(2)).read_bytes()
    for size in range(0, len(good), 7):
        (tmp_path / "cut.mid").write_bytes(good[:size])
        with pytest.raises(InputError):
            read_drums(tmp_path / "cut.mid")
    rng = np.random.default_rng(0)
    for _ in range(200):
        spoilt = bytearray(good)
        for place in rng.integers(14, len(good), 3):
            spoilt[place] = int(rng.integers(256))
        (tmp_path / "spoilt.mid").write_bytes(spoilt)
        try:
            found = read_drums(tmp_path / "spoilt.mid")
        except InputError:
            continue
        assert (np.diff(found.drums.grid.beats_s) > 0).all()
