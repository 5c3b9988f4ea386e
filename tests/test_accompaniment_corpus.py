"""The corpus of the accompaniment: songs written by hand as MIDI, kept and read again; then the real one."""

from __future__ import annotations

import csv
import tarfile
from typing import TYPE_CHECKING

import numpy as np
import pytest

from accompaniments import random_chords, random_drums, random_part
from kinebeat.accompaniment.corpus import (
    SPLITS,
    Segment,
    load_segments,
    main,
    make_corpus,
    read_segments,
    save_segments,
)
from kinebeat.accompaniment.grammar import first_fault
from kinebeat.accompaniment.harmony import NO_CHORD, chord_name, key_name
from kinebeat.accompaniment.parts import Chords
from kinebeat.accompaniment.songs import Song, Track, drums_of, harmony_of, part_of, read_song, tempo_of
from kinebeat.accompaniment.tokens import (
    Controls,
    decode_drums,
    decode_part,
    encode_drums,
    encode_part,
    notes_per_bar,
    quantised,
    quantised_drums,
)
from kinebeat.accompaniment.vocabulary import DECODER, ENCODER, notes_bin
from kinebeat.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

BAR = 1920
TICKS = 480


def track(player, notes, program=0):
    return Track(player, program, np.array(notes, np.int64).reshape(-1, 4))


def song(*tracks, tempos=((0.0, 120.0),)):
    return Song(TICKS, tracks, np.array(tempos))


def chords_in_ticks(bars=16, at=0):
    """C F G C, a bar each, over and over."""
    triads = [(60, 64, 67), (60, 65, 69), (59, 62, 67), (60, 64, 67)]
    return [(at + BAR * bar, BAR, pitch, 80) for bar in range(bars) for pitch in triads[bar % 4]]


def test_notes_go_to_the_nearest_twelfth_of_a_beat():
    # 40 ticks are a position.
    piano = track("PIANO", [(19, 10, 60, 80), (20, 59, 61, 80), (61, 60, 62, 80), (BAR - 1, 100, 63, 80)])
    part = part_of(song(piano), "piano", 0, 2)
    assert part.onset.tolist() == [0, 1, 2, 48]
    assert part.duration.tolist() == [1, 1, 2, 3]  # 10, 59, 60 and 100 ticks


def test_what_is_just_before_the_first_bar_belongs_to_it_and_just_before_the_end_does_not():
    piano = track("PIANO", [(BAR - 21, 40, 60, 80), (BAR - 20, 40, 61, 80), (2 * BAR - 20, 40, 62, 80)])
    part = part_of(song(piano), "piano", BAR, 1)
    assert part.pitch.tolist() == [61]
    assert part.onset.tolist() == [0]


def test_the_hands_of_a_pianist_are_one_and_guitars_are_several():
    right = [(240 * k, 200, 72, 80) for k in range(5)]
    left = [(480 * k, 400, 48, 80) for k in range(2)]
    other = [(480 * k, 400, 36, 80) for k in range(6)]
    for player, expected in (("PIANO", 7), ("GUITAR", 6)):
        tracks = [track(player, right, 1), track(player, left, 1), track(player, other, 5)]
        assert len(part_of(song(*tracks), player.lower(), 0, 4)) == expected
    # busiest in these bars, not in the file
    later = track("GUITAR", [(40 * BAR + 40 * k, 20, 60, 80) for k in range(40)], 1)
    assert part_of(song(later, track("GUITAR", left, 1)), "guitar", 0, 4).pitch.tolist() == [48, 48]
    assert len(part_of(song(track("BASS", left)), "piano", 0, 4)) == 0


def test_drums_are_the_nine_of_our_kit_from_all_tracks():
    one = track("DRUMS", [(0, 60, 36, 100), (0, 60, 54, 100), (480, 60, 38, 90)])
    two = track("DRUMS", [(485, 60, 40, 120), (960, 60, 22, 30), (960, 60, 75, 30)])
    drums = drums_of(song(one, two), 0, 1)
    assert drums.onset.tolist() == [0, 12, 24]
    assert drums.drum.tolist() == [0, 1, 2]
    assert drums.velocity.tolist() == [100, 120, 30]  # the louder of two snares


def test_harmony_is_the_whole_song_s_and_not_the_drums():
    chords = chords_in_ticks(4)
    bass = [(BAR * bar, BAR, pitch, 80) for bar, pitch in enumerate((36, 41, 43, 36))]
    drums = track("DRUMS", [(BAR * k // 4, 60, 38, 90) for k in range(16)])
    for tracks in (
        [track("PIANO", chords), track("BASS", bass)],
        [track("GUITAR", chords[:3]), track("BASS", [*chords, *bass])],
    ):
        heard = harmony_of(song(*tracks, drums), 0, 4)
        assert [chord_name(chord) for chord in heard.chords.symbols] == ["C", "C", "F", "F", "G", "G", "C", "C"]
        assert key_name(heard.key) == "C major"


def test_the_tempo_is_the_mean_of_the_bars():
    assert tempo_of(song(), 0, 4) == pytest.approx(120.0)
    # two bars at 120 (4 s), two at 60 (8 s): 16 beats in 12 s
    assert tempo_of(song(tempos=((0.0, 120.0), (2.0 * BAR, 60.0))), 0, 4) == pytest.approx(80.0)
    assert tempo_of(song(tempos=((0.0, 120.0), (2.0 * BAR, 60.0))), 3 * BAR, 2) == pytest.approx(60.0)
    assert tempo_of(song(tempos=((0.0, 120.0), (50.0 * BAR, 60.0))), 0, 4) == pytest.approx(120.0)


def midi_file(tracks, tempo_bpm=120.0):
    """A MIDI file of (name, program, notes), written with symusic."""
    import symusic

    score = symusic.Score(TICKS)
    score.tempos.append(symusic.Tempo(0, tempo_bpm))
    for name, program, notes in tracks:
        written = symusic.Track(name, program, name == "DRUMS")
        for onset, duration, pitch, velocity in notes:
            written.notes.append(symusic.Note(onset, duration, pitch, velocity))
        score.tracks.append(written)
    return score.dumps_midi()


def test_a_file_is_read_as_it_was_written():
    read = read_song(
        midi_file([("PIANO", 2, [(0, 480, 60, 80)]), ("VOICE", 3, [(0, 1, 60, 80)]), ("DRUMS", 0, [])], 90.0)
    )
    assert [(t.player, t.program) for t in read.tracks if len(t.notes)] == [("PIANO", 2)]
    assert read.tracks[0].notes.tolist() == [[0, 480, 60, 80]]
    assert read.tempos == pytest.approx(np.array([[0.0, 90.0]]), rel=1e-4)
    assert read.ticks_per_beat == TICKS


NAMES = ("midi/00/aa.mid", "midi/00/bb.mid", "midi/ff/cc.mid")


@pytest.fixture
def made_data(tmp_path) -> Path:
    """Three songs as the multi-track corpus has them: one per split, the second begins a beat late."""
    folder = tmp_path / "data" / "multitrack"
    rows = []
    for number, name in enumerate(NAMES):
        late = 480 * (number == 1)
        drums = [(late + BAR * bar + 480 * beat, 60, 36, 100) for bar in range(17) for beat in range(4)]
        tracks = [
            ("DRUMS", 0, drums),
            ("PIANO", 0, chords_in_ticks(17, late)),
            ("GUITAR", 26, chords_in_ticks(17, late)),
        ]
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(midi_file(tracks, 100.0 + number))
        split = ("train", "valid", "test")[number]
        rows += [(name, who, 0, late, split) for who in ("piano", "guitar")]
    rows.append((NAMES[0], "piano", 1, BAR, "train"))
    with (folder / "segments.csv").open("w", newline="") as handle:
        csv.writer(handle).writerows([("file", "instrument", "start_bar", "start_tick", "split"), *rows])
    with (folder / "manifest.csv").open("w", newline="") as handle:
        groups = [(name, "ABC"[number], f"g{number}") for number, name in enumerate(NAMES)]
        csv.writer(handle).writerows([("file", "licence_tier", "song_group"), *groups])
    return tmp_path / "data"


def pack(folder):
    with tarfile.open(folder / "midi.tar.xz", "w:xz") as archive:
        for name in NAMES:
            archive.add(folder / name, name)
            (folder / name).unlink()
    for inner in ("midi/00", "midi/ff", "midi"):
        (folder / inner).rmdir()


@pytest.mark.parametrize("packed", [False, True])
def test_a_made_corpus_is_read_kept_and_loaded(made_data, tmp_path, packed):
    if packed:
        pack(made_data / "multitrack")
    shares = []
    found = read_segments(made_data, progress=shares.append)
    assert shares == pytest.approx([1 / 3, 2 / 3, 1])
    assert {split: [(s.file, s.instrument, s.start_bar) for s in found[split]] for split in SPLITS} == {
        "train": [("aa", "guitar", 0), ("aa", "piano", 0), ("aa", "piano", 1)],
        "validation": [("bb", "guitar", 0), ("bb", "piano", 0)],
        "test": [("cc", "guitar", 0), ("cc", "piano", 0)],
    }
    late = found["validation"][1]
    assert (late.song, late.key) == ("g1", 0)
    assert late.tempo_bpm == pytest.approx(101.0, rel=1e-4)
    assert late.part.onset.tolist() == np.repeat(np.arange(16) * 48, 3).tolist()
    assert late.drums.onset.tolist() == list(range(0, 768, 12))
    assert [chord_name(chord) for chord in late.chords.symbols[:8]] == ["C", "C", "F", "F", "G", "G", "C", "C"]
    main(["--data", str(made_data / "multitrack"), "--out", str(tmp_path / "out")])
    for split in SPLITS:
        same(load_segments(tmp_path / "out", split), found[split])


def same(loaded, segments):
    assert len(loaded) == len(segments)
    for one, other in zip(loaded, segments, strict=True):
        for name in ("part", "drums", "chords", "key", "instrument", "file", "song", "start_bar"):
            assert getattr(one, name) == getattr(other, name), name
        assert one.tempo_bpm == pytest.approx(other.tempo_bpm)


def test_segments_with_too_little_of_our_drums_or_of_one_player_are_left_out(made_data):
    folder = made_data / "multitrack"
    cymbals = [(BAR * bar, 60, 54, 100) for bar in range(16)]  # a tambourine, not of our nine
    kicks = [(BAR * bar, 60, 36, 100) for bar in range(16)]
    for number, (drums, bars) in enumerate([(cymbals + kicks[:11], 16), (kicks[:12], 8), (kicks, 7)]):
        tracks = [("DRUMS", 0, drums), ("PIANO", 0, chords_in_ticks(bars)), ("GUITAR", 26, chords_in_ticks(16))]
        (folder / NAMES[number]).write_bytes(midi_file(tracks))
    rows = (folder / "segments.csv").read_text().splitlines()
    rows = [row.replace(",480,", ",0,") for row in rows if f",1,{BAR}," not in row]
    (folder / "segments.csv").write_text("\n".join(rows))
    found = read_segments(made_data)
    assert {split: [s.instrument for s in found[split]] for split in SPLITS} == {
        "train": [],
        "validation": ["guitar", "piano"],
        "test": ["guitar"],
    }


def test_licence_tiers_can_be_left_out(made_data, tmp_path):
    make_corpus(made_data, tmp_path / "out", without=["C", "B"])
    assert [len(load_segments(tmp_path / "out", split)) for split in SPLITS] == [3, 0, 0]
    assert [len(segments) for segments in read_segments(made_data, limit=2).values()] == [3, 2, 0]


def test_anything_at_all_is_kept_and_loaded(tmp_path):
    segments = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        part = random_part(rng, notes=0 if seed == 3 else None)
        drums = random_drums(rng, hits=0 if seed == 3 else None)
        who = ("piano", "guitar")[seed % 2]
        segments.append(
            Segment(
                part,
                drums,
                random_chords(rng),
                int(rng.integers(25)),
                rng.uniform(50, 220),
                who,
                f"f{seed // 3}",
                "s",
                seed,
            )
        )
    save_segments(segments, tmp_path / "train.npz")
    loaded = load_segments(tmp_path, "train")
    same(loaded, segments)
    for number in (-1, 20):
        with pytest.raises(IndexError):
            loaded[number]
    save_segments([], tmp_path / "test.npz")
    assert len(load_segments(tmp_path, "test")) == 0


def test_no_corpus_says_what_to_do(tmp_path):
    with pytest.raises(InputError, match=r"midi\.tar\.xz"):
        read_segments(tmp_path)
    with pytest.raises(InputError, match=r"make the corpus with python -m kinebeat\.accompaniment\.corpus"):
        load_segments(tmp_path, "train")
    (tmp_path / "train.npz").write_bytes(b"nothing of the kind")
    with pytest.raises(InputError, match="expected a split"):
        load_segments(tmp_path, "train")
    np.savez(tmp_path / "train.npz", format=1)
    with pytest.raises(InputError, match="expected a split"):
        load_segments(tmp_path, "train")
    np.savez(tmp_path / "train.npz", format=99)
    with pytest.raises(InputError, match="expected format 1, found 99"):
        load_segments(tmp_path, "train")


def replace_in(path, old, new):
    path.write_text(path.read_text().replace(old, new))


def break_columns(folder):
    replace_in(folder / "segments.csv", "start_tick", "tick")


def break_manifest(folder):
    replace_in(folder / "manifest.csv", NAMES[2], "midi/ff/dd.mid")


def break_rows(folder):
    (folder / "segments.csv").write_text("")


def break_split(folder):
    replace_in(folder / "segments.csv", "valid", "vain")


def break_start(folder):
    replace_in(folder / "segments.csv", f",1,{BAR},", ",1,soon,")


def break_midi(folder):
    (folder / NAMES[1]).write_bytes(b"MThd and no more")


def lose_midi(folder):
    (folder / NAMES[1]).unlink()


def cut_archive(folder):
    pack(folder)
    content = (folder / "midi.tar.xz").read_bytes()
    (folder / "midi.tar.xz").write_bytes(content[: len(content) // 2])


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (break_columns, r"segments\.csv: has no column start_tick"),
        (break_manifest, r"segments\.csv: does not agree with manifest\.csv"),
        (break_rows, r"segments\.csv: is empty"),
        (break_split, r"segments\.csv: .*vain"),
        (break_start, r"aa\.mid: cannot be read.*soon"),
        (break_midi, r"bb\.mid: cannot be read"),
        (lose_midi, r"1 files of segments\.csv are missing"),
        (cut_archive, r"midi\.tar\.xz: cannot be unpacked"),
    ],
)
def test_damage_is_named(made_data, damage, problem):
    damage(made_data / "multitrack")
    with pytest.raises(InputError, match=problem):
        read_segments(made_data)


@pytest.mark.data
def test_real_segments_survive_being_tokens_and_obey_the_grammar(data_dir):
    found = read_segments(data_dir, limit=60)
    segments = [segment for split in SPLITS for segment in found[split]]
    assert len(segments) > 300
    for segment in segments:
        stream = encode_part(segment.part, segment.chords, segment.tempo_bpm)
        part, chords, tempo = decode_part(stream.tokens)
        assert part == quantised(segment.part)
        assert chords == segment.chords
        assert np.array_equal(encode_part(part, chords, tempo).tokens, stream.tokens)
        assert first_fault(DECODER, stream.tokens) is None
        notes = notes_bin(notes_per_bar(segment.part)).tolist()
        told = encode_drums(segment.drums, Controls(segment.instrument, segment.tempo_bpm, segment.key, notes))
        assert decode_drums(told.tokens)[0] == quantised_drums(segment.drums)
        assert first_fault(ENCODER, told.tokens) is None
        assert len(np.unique(segment.drums.onset // 48)) >= 12
        assert len(np.unique(segment.part.onset // 48)) >= 8
    songs = [{segment.song for segment in found[split]} for split in SPLITS]
    assert not songs[0] & songs[1]
    assert not songs[0] & songs[2]
    assert not songs[1] & songs[2]


@pytest.mark.data
def test_every_file_of_the_corpus_survives_being_tokens_from_its_first_bar_to_its_last(data_dir):
    files = 0
    with tarfile.open(data_dir / "multitrack" / "midi.tar.xz") as archive:
        for member in archive:
            stream = archive.extractfile(member)
            if stream is None:
                continue
            played = read_song(stream.read())
            ends = [int(track.notes[:, 0].max(initial=0)) for track in played.tracks]
            bars = max(ends) // BAR + 1
            for who in ("piano", "guitar"):
                whole = part_of(played, who, 0, bars)
                tokens = encode_part(whole, Chords(np.full(2 * bars, NO_CHORD)), 120.0).tokens
                assert decode_part(tokens)[0] == quantised(whole), member.name
                assert first_fault(DECODER, tokens) is None, member.name
            drums = drums_of(played, 0, bars)
            tokens = encode_drums(drums, Controls("piano")).tokens
            assert decode_drums(tokens)[0] == quantised_drums(drums), member.name
            assert first_fault(ENCODER, tokens) is None, member.name
            files += 1
    assert files == 5378
