"""The truth of the piano films: on a folder made by hand, and on the real one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from kinebeat.errors import InputError
from kinebeat.performance.notes import Notes
from kinebeat.performance.truth.piano_videos import (
    ONE_FINGER,
    TEST_FOLDERS,
    VALIDATION_FOLDER,
    is_one_finger,
    of_splits,
    read_clips,
    share_together,
    split_of,
)

if TYPE_CHECKING:
    from pathlib import Path

LISTED = "clip,split,performer_folder,camera,video_s,fps\nTrainSet_2_+45_1,TrainSet,2,+45,10.5,20.0\n"
HEARD = (
    "clip,onset_video_s,offset_video_s,midi_pitch_true,midi_pitch_in_file\n"
    "TrainSet_2_+45_1,2.5,2.9,64,52\nTrainSet_2_+45_1,1.5,1.9,62,50\nTrainSet_2_+45_1,3.5,3.5,65,53\n"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one clip."""
    inside = tmp_path / "performers" / "piano_videos"
    inside.mkdir(parents=True)
    (inside / "alignment.csv").write_text(LISTED, encoding="utf-8")
    (inside / "notes.csv").write_text(HEARD, encoding="utf-8")
    (inside / "TrainSet_2_+45_1.mp4").touch()
    return inside


def test_a_clip_is_read_with_its_true_pitch_in_order_of_time(folder: Path, tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "performers", folder):
        (clip,) = read_clips(place)
        assert (clip.name, clip.folder, clip.camera, clip.split) == ("TrainSet_2_+45_1", "2", "+45", "train")
        assert clip.path == folder / "TrainSet_2_+45_1.mp4"
        assert clip.duration_s == 10.5
        assert clip.notes.onset_s.tolist() == [1.5, 2.5, 3.5]
        assert clip.notes.pitch.tolist() == [62, 64, 65]
        assert (clip.notes.offset_s > clip.notes.onset_s).all()  # also where the list says that a note has no length
        assert clip.one_finger


@pytest.mark.parametrize(
    ("file", "content", "problem"),
    [
        ("alignment.csv", None, "found none"),
        ("notes.csv", None, "notes of the clips are not there"),
        ("TrainSet_2_+45_1.mp4", None, "names this film"),
        ("notes.csv", "clip,onset_video_s\n", "column offset_video_s"),
        ("notes.csv", HEARD.replace("2.5,", "soon,"), "expected a number, found 'soon'"),
        ("notes.csv", HEARD.replace("2.5,", "nan,"), "expected a number, found 'nan'"),
        ("notes.csv", HEARD.replace("TrainSet_2_+45_1", "another"), "no notes of TrainSet_2"),
        ("notes.csv", HEARD + "TrainSet_2_+45_1,7.5\n", "breaks off"),
        ("alignment.csv", b"\xff\xfe", "cannot be read as a table"),
        ("alignment.csv", "", "column clip"),
    ],
)
def test_what_is_missing_or_broken_is_named(folder: Path, file: str, content: str | bytes | None, problem: str) -> None:
    path = folder / file
    path.unlink()
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match=problem):
        read_clips(folder)


def test_splits_are_whole_players() -> None:
    assert split_of("TestSet", "test") == "test-clips"
    assert [split_of("TrainSet", folder) for folder in ("9", "13", "8", "1", "14")] == [
        *("test-players", "test-players", "validation", "train", "train"),
    ]


def test_a_scale_is_one_finger_and_thirds_are_not() -> None:
    at_s = np.arange(0, 10, 0.5)
    scale = Notes.of(at_s, at_s + 0.55, 60 + np.arange(20))  # each note rings a little into the next
    thirds = Notes.of(np.tile(at_s, 2), np.tile(at_s, 2) + 0.4, np.concatenate([scale.pitch, scale.pitch + 4]))
    held = Notes.of(np.append(at_s, 0), np.append(at_s + 0.4, 10), np.append(scale.pitch, 40))
    assert share_together(scale) == 0
    assert share_together(thirds) == share_together(held) == 1
    assert share_together(Notes.none()) == 0
    assert [is_one_finger(notes) for notes in (scale, thirds, held)] == [True, False, False]


@pytest.mark.data
def test_the_real_clips_are_split_by_players(data_dir: Path) -> None:
    clips = read_clips(data_dir)
    assert len(clips) == 66
    assert {clip.folder for clip in of_splits(clips, ["test-players"])} == set(TEST_FOLDERS)
    assert {clip.folder for clip in of_splits(clips, ["validation"])} == {VALIDATION_FOLDER}
    assert all(clip.name.startswith("TestSet") for clip in of_splits(clips, ["test-clips"]))
    assert not {clip.folder for clip in of_splits(clips, ["train"])} & {*TEST_FOLDERS, VALIDATION_FOLDER, "test"}
    assert all(clip.notes.pitch.min() >= 21 and clip.notes.pitch.max() <= 108 for clip in clips)
    assert all(clip.notes.onset_s[-1] < clip.duration_s for clip in clips)


@pytest.mark.data
def test_the_kinds_of_playing_lie_apart_and_the_rule_finds_the_player_of_validation(data_dir: Path) -> None:
    clips = read_clips(data_dir)
    shares = [share_together(clip.notes) for clip in clips]
    assert not [share for share in shares if abs(share - ONE_FINGER) < 0.07]
    rarer = {}
    for folder in {clip.folder for clip in clips if clip.split in ("train", "validation")}:
        own = [clip for clip in clips if clip.folder == folder]
        rarer[folder] = min(sum(len(c.notes) for c in own if c.one_finger == kind) for kind in (True, False))
    assert max(rarer, key=rarer.__getitem__) == VALIDATION_FOLDER
