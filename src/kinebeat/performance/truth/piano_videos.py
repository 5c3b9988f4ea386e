"""Films of pianists, seen from above, with the notes that a machine heard in their sound (AI-Pianist, 66 clips).

The films are silent. Onsets were heard on a grid of 50 ms and every note is equally loud, so onsets are worth scoring
to 100 ms and velocities not at all. `notes.csv` has the true pitch; the MIDI files beside it are an octave low.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from kinebeat.errors import InputError
from kinebeat.performance.notes import Notes

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

Split = Literal["train", "validation", "test-players", "test-clips"]
SPLITS: tuple[Split, ...] = get_args(Split)
CLIPS_CSV, NOTES_CSV = "alignment.csv", "notes.csv"
TEST_FOLDERS = ("9", "13")
VALIDATION_FOLDER = "8"
"""Of the players who play in both ways, the one whose rarer way has the most notes, the tests' players left out."""
TEST_CLIPS = "TestSet"
VELOCITY = 76
"""Of every note, as in the MIDI files."""
SHORTEST_S = 0.01
ONE_FINGER = 0.35
"""Where fewer of the notes than this come together with another, one finger plays: in the data the shares lie below
0.28 or above 0.43."""
TOGETHER_S = 0.05
"""Notes that begin within this begin together."""
_REMEDY = "name the folder that has performers/piano_videos in it"


@dataclass(frozen=True)
class PianoClip:
    """A film and what is played in it.

    Attributes:
        name: the file's name without its suffix.
        path: the film.
        folder: of the player ("1" to "14"), or "test": nobody knows who plays in those.
        camera: its tilt, "+45", "0" or "-45"; empty where it is not told.
        split: what the clip is for; the players of the tests and of validation are in nothing else.
        notes: what is played, in seconds of the film.
        one_finger: whether it is played note after note, as a scale by one finger; see `is_one_finger`.
        duration_s: of the film.
    """

    name: str
    path: Path
    folder: str
    camera: str
    split: Split
    notes: Notes
    one_finger: bool
    duration_s: float


def read_clips(data: Path) -> list[PianoClip]:
    """All clips that a folder has, in the order of its list.

    Args:
        data: a folder that holds `performers/piano_videos`, or `piano_videos`, or the clips themselves.

    Raises:
        InputError: the lists or a film are not there, or a list does not say what it should.
    """
    places = (data / "performers" / "piano_videos", data / "piano_videos", data)
    folder = next((place for place in places if (place / CLIPS_CSV).is_file()), None)
    if folder is None:
        raise InputError(data, f"expected performers/piano_videos/{CLIPS_CSV}, found none", _REMEDY)
    if not (folder / NOTES_CSV).is_file():
        raise InputError(folder / NOTES_CSV, "the notes of the clips are not there", "get the data set again")
    heard = _notes(folder / NOTES_CSV)
    clips = []
    for row in _rows(folder / CLIPS_CSV, ("clip", "split", "performer_folder", "camera", "video_s")):
        name, path = row["clip"], folder / f"{row['clip']}.mp4"
        if not path.is_file():
            raise InputError(path, f"{CLIPS_CSV} names this film, which is not there", "get the data set again")
        if name not in heard:
            raise InputError(folder / NOTES_CSV, f"no notes of {name} are in it", "get the data set again")
        split = split_of(row["split"], row["performer_folder"])
        notes = heard[name]
        duration_s = _number(row["video_s"], folder / CLIPS_CSV)
        clips.append(
            PianoClip(
                name, path, row["performer_folder"], row["camera"], split, notes, is_one_finger(notes), duration_s
            )
        )
    return clips


def of_splits(clips: Iterable[PianoClip], splits: Iterable[Split]) -> list[PianoClip]:
    """The clips of some splits."""
    wanted = set(splits)
    return [clip for clip in clips if clip.split in wanted]


def split_of(kind: str, folder: str) -> Split:
    """What a clip is for, by the data set's own word for it ("TrainSet", "TestSet") and its player's folder."""
    if kind == TEST_CLIPS:
        return "test-clips"
    if folder in TEST_FOLDERS:
        return "test-players"
    return "validation" if folder == VALIDATION_FOLDER else "train"


def is_one_finger(notes: Notes) -> bool:
    """Whether few of the notes come together with another, see `share_together`."""
    return share_together(notes) < ONE_FINGER


def share_together(notes: Notes) -> float:
    """Share of the notes that begin together with another or sound with it for over half of the shorter."""
    if not len(notes):
        return 0.0
    length_s = notes.offset_s - notes.onset_s
    begins = np.abs(notes.onset_s[:, None] - notes.onset_s) <= TOGETHER_S
    common_s = np.minimum(notes.offset_s[:, None], notes.offset_s) - np.maximum(notes.onset_s[:, None], notes.onset_s)
    together = begins | (common_s > 0.5 * np.minimum(length_s[:, None], length_s))
    np.fill_diagonal(together, False)
    return float(together.any(1).mean())


def _notes(path: Path) -> dict[str, Notes]:
    """The notes of each clip."""
    columns = ("onset_video_s", "offset_video_s", "midi_pitch_true")
    found: dict[str, list[tuple[float, ...]]] = {}
    for row in _rows(path, ("clip", *columns)):
        found.setdefault(row["clip"], []).append(tuple(_number(row[column], path) for column in columns))
    notes = {}
    for name, rows in found.items():
        onset_s, offset_s, pitch = np.array(rows, np.float64).T
        notes[name] = Notes.of(onset_s, np.maximum(offset_s, onset_s + SHORTEST_S), pitch, VELOCITY)
    return notes


def _rows(path: Path, columns: tuple[str, ...]) -> list[dict[str, str]]:
    """The rows of a table that has these columns."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            missing = [column for column in columns if column not in (reader.fieldnames or ())]
            if missing:
                raise InputError(path, f"expected a table with a column {missing[0]}", "get the data set again")
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(path, f"cannot be read as a table ({error})", "get the data set again") from error
    if any(row[column] is None for row in rows for column in columns):
        raise InputError(path, "a row of the table breaks off", "get the data set again")
    return rows


def _number(text: str, path: Path) -> float:
    """A finite number of a table."""
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not np.isfinite(value):
        raise InputError(path, f"expected a number, found {text!r}", "get the data set again")
    return value
