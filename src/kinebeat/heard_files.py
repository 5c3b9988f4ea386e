"""Keeps what was heard of a clip in a folder, so that music can be made for it again without looking at the picture.

Two files: the keypoints as `kinebeat pose` writes them, and JSON for the rest. The movement is computed from the
keypoints again; the beats are those that were heard then.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kinebeat.accompaniment.parts import Chords
from kinebeat.beats.grid import BeatGrid
from kinebeat.errors import InputError
from kinebeat.files import atomic_outputs
from kinebeat.hearing import Heard, with_warnings
from kinebeat.motion import compute_motion
from kinebeat.pose import load_pose, save_pose

if TYPE_CHECKING:
    from kinebeat.song import Song
    from kinebeat.video_in import VideoInfo

KEYPOINTS, ABOUT = "heard.npz", "heard.json"
FORMAT = 1
_REMEDY = "hear the clip again"


def save_heard(heard: Heard, folder: str | Path) -> None:
    """Keep a clip that was heard; the files appear whole or not at all, and older ones are replaced.

    Args:
        heard: from `kinebeat.hear`, or `heard` of a `Soundtrack`.
        folder: where to; it must be there.

    Raises:
        OutputError: nothing can be written there, or the disk is full.
    """
    folder = Path(folder)
    about = {
        "format": FORMAT,
        "source": str(heard.source),
        "duration_s": heard.duration_s,
        "video": None if heard.video is None else {k: v for k, v in asdict(heard.video).items() if k != "path"},
        "tempo_bpm": heard.tempo_bpm,
        "grid": _told_grid(heard.grid),
        "own_grid": None if heard.own_grid is None else _told_grid(heard.own_grid),
        "song": None if heard.song is None else _told_song(heard.song, heard.source),
        "seconds": heard.seconds,
    }
    with atomic_outputs([folder / KEYPOINTS, folder / ABOUT]) as (keypoints, rest):
        save_pose(heard.pose, keypoints)
        content = {"sha256": _digest(about, keypoints), "heard": about}
        rest.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def load_heard(folder: str | Path, source: str | Path | None = None) -> Heard:
    """A clip as it was heard and kept.

    Args:
        folder: where `save_heard` kept it.
        source: where the video or keypoint file is now; where it was then if None. It is not looked at.

    Raises:
        InputError: there is nothing, or it is damaged.
    """
    folder = Path(folder)
    try:
        content = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        about = content["heard"]
        if content["sha256"] != _digest(about, folder / KEYPOINTS):
            raise InputError(folder, "what was heard is damaged", _REMEDY)
        if about["format"] != FORMAT:
            raise InputError(folder, f"what was heard is kept in format {about['format']}, not {FORMAT}", _REMEDY)
        pose = load_pose(folder / KEYPOINTS)
        path = Path(about["source"] if source is None else source)
        grid = _grid(about["grid"])
        heard = Heard(
            path,
            None if about["video"] is None else _video(about["video"], path),
            about["duration_s"],
            pose,
            compute_motion(pose, about["duration_s"]),
            grid,
            (),
            about["seconds"],
            None if about["song"] is None else _song(about["song"], path, grid),
            about["tempo_bpm"],
            None if about["own_grid"] is None else _grid(about["own_grid"]),
        )
    except OSError as error:
        raise InputError(folder, f"what was heard cannot be read ({error.strerror})", _REMEDY) from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(folder, "what was heard is damaged", _REMEDY) from error
    return with_warnings(heard)


def _digest(about: dict[str, Any], keypoints: Path) -> str:
    """Of all that is kept: two files of different times, or one that was changed, are noticed."""
    rest = json.dumps(about, sort_keys=True).encode()
    return hashlib.sha256(rest + keypoints.read_bytes()).hexdigest()


def _told_grid(grid: BeatGrid) -> dict[str, Any]:
    return {"beats_s": grid.beats_s.tolist(), "confidence": float(grid.confidence), "source": grid.source}


def _grid(told: dict[str, Any]) -> BeatGrid:
    return BeatGrid(np.array(told["beats_s"], np.float64), told["confidence"], told["source"])


def _told_song(song: Song, source: Path) -> dict[str, Any]:
    """A song but for its grid, which is the clip's; without a path it is the clip's own sound."""
    return {
        "path": None if song.path == source else str(song.path),
        "key": int(song.key),
        "chords": song.chords.symbols.tolist(),
        "pulse": float(song.pulse),
        "start_s": float(song.start_s),
    }


def _song(told: dict[str, Any], source: Path, grid: BeatGrid) -> Song:
    from kinebeat.song import Song

    path = source if told["path"] is None else Path(told["path"])
    return Song(path, grid, told["key"], Chords(np.array(told["chords"])), told["pulse"], told["start_s"])


def _video(told: dict[str, Any], source: Path) -> VideoInfo:
    from kinebeat.video_in import VideoInfo

    return VideoInfo(path=source, **told)
