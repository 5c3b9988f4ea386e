"""Keypoint files: `.npz` of our own, folders of OpenPose JSON."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kinebeat import skeleton
from kinebeat.errors import InputError, OptionError
from kinebeat.files import atomic_output
from kinebeat.pose.clean import clean
from kinebeat.pose.track import PoseTrack

if TYPE_CHECKING:
    from numpy.typing import NDArray

_WANTED = "xy (T, J, 2), score (T, J), times_s (T,) and layout"
_NEEDED = ("xy", "score", "times_s", "layout")
_LARGEST_SIDE = 1 << 20
_LONGEST_S = 4 * 3600.0
_MOST_BYTES = 1 << 30
"""Of arrays in one file, unpacked: hours of keypoints. A packed file can hold a thousand times its own size."""
_REMEDY = "write it again with these arrays (see the README, keypoint files)"


def load_pose(path: str | Path, *, to: str = "rhythmicnet17") -> PoseTrack:
    """Read a keypoint file: `xy (T, J, 2)`, `score (T, J)`, `times_s (T,)`, `layout`; `shot`, `size` if it has them.

    The joints are taken as they are, apart from the conversion to one layout: a file made by `save_pose` comes
    back unchanged. Joints at exactly (0, 0) with score 0 count as not seen.

    Args:
        path: an `.npz` file.
        to: layout of the track.

    Returns:
        The track.

    Raises:
        InputError: missing, not an npz, arrays missing or of the wrong shape, times that do not increase, values
            that are infinite, or an unknown layout.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(path, "no such file", "check the name and the folder")
    arrays = _arrays(path)
    missing = [name for name in _NEEDED if name not in arrays]
    if missing:
        raise InputError(path, f"expected {_WANTED}; {', '.join(missing)} missing", _REMEDY)
    layout = str(arrays["layout"])
    if layout not in skeleton.LAYOUTS:
        raise InputError(
            path, f"unknown joint layout {layout[:60]!r}", f"use one of {', '.join(sorted(skeleton.LAYOUTS))}"
        )
    joints = len(skeleton.LAYOUTS[layout].joints)
    xy, score, times_s = (_real(path, name, arrays[name]) for name in ("xy", "score", "times_s"))
    frames = len(times_s) if times_s.ndim == 1 else -1
    if times_s.ndim != 1 or xy.shape != (frames, joints, 2) or score.shape != (frames, joints):
        raise InputError(
            path,
            f"layout {layout} needs xy (T, {joints}, 2), score (T, {joints}) and times_s (T,), "
            f"got {xy.shape}, {score.shape} and {times_s.shape}",
            _REMEDY,
        )
    if not frames:
        raise InputError(path, "holds no frames", _REMEDY)
    _check_times(path, times_s)
    if np.isinf(xy).any() or np.isinf(score).any():
        raise InputError(path, "holds infinite positions or scores", "write NaN where a joint was not seen")
    if (np.abs(xy) > _LARGEST_SIDE).any():
        raise InputError(path, f"holds positions beyond {_LARGEST_SIDE} pixels", "write them in pixels")
    size = _size(path, arrays.get("size"), xy)
    shot = _shot(path, arrays.get("shot"), frames)
    xy = np.where(((xy == 0).all(axis=-1) & (np.nan_to_num(score) == 0))[..., None], np.nan, xy)
    xy = np.where(np.isnan(xy).any(axis=-1, keepdims=True), np.nan, xy)
    if layout == to:
        new_xy, new_score = xy.astype(np.float32), np.nan_to_num(score).astype(np.float32)
        new_score[np.isnan(new_xy[..., 0])] = 0
    else:
        new_xy, new_score = skeleton.convert(xy, np.nan_to_num(score), layout, to)
    return PoseTrack(new_xy, np.clip(new_score, 0, 1), times_s, to, shot, size)


def save_pose(track: PoseTrack, path: str | Path) -> None:
    """Write a track as `.npz`, whole or not at all.

    Args:
        track: what to write.
        path: where to; an older file is replaced.

    Raises:
        OutputError: the folder is missing or cannot be written, or the disk is full.
    """
    with atomic_output(path) as part, part.open("wb") as file:
        np.savez_compressed(
            file,
            xy=track.xy,
            score=track.score,
            times_s=track.times_s,
            layout=np.array(track.layout),
            shot=track.shot,
            size=np.array(track.size),
        )


def read_openpose(folder: str | Path, *, fps: float = 30.0) -> PoseTrack:
    """Read a folder of OpenPose BODY_25 files, `NAME_000000000000_keypoints.json`, one per frame.

    Frames are ordered by their number; a number that is missing is a frame in which nobody was seen. Where several
    people were found, the one most like the person in the frame before is followed, at first the largest.

    Args:
        folder: the folder.
        fps: frame rate; the files hold no times.

    Returns:
        The track, layout `rhythmicnet17`, cleaned. The size of the picture is guessed from the joints.

    Raises:
        InputError: no such files in the folder, or one that is not OpenPose BODY_25.
        OptionError: the frame rate is not above 0.
    """
    folder = Path(folder)
    if not np.isfinite(fps) or fps <= 0:
        raise OptionError(f"a frame rate above 0 was expected, got {fps}")
    files = _numbered(folder)
    if not files:
        raise InputError(
            folder,
            "holds no OpenPose files (NAME_000000000000_keypoints.json)",
            "name a folder written by OpenPose --write_json, or a video",
        )
    first, last = min(files), max(files)
    if last - first > 100 * len(files) + 1000:
        raise InputError(folder, f"frame numbers run from {first} to {last} with too few files between", "check it")
    xy = np.full((last - first + 1, 25, 2), np.nan, np.float32)
    score = np.zeros((last - first + 1, 25), np.float32)
    before: NDArray[np.float32] | None = None
    for number in sorted(files):
        people = _people(files[number])
        if not len(people):
            continue
        person = people[_follow(people, before)]
        before = person
        xy[number - first], score[number - first] = person[:, :2], person[:, 2]
    unseen = (score <= 0) | (xy == 0).all(axis=-1)
    xy[unseen] = np.nan
    score[unseen] = 0
    seen = xy[np.isfinite(xy[..., 0])]
    width, height = (int(np.ceil(v)) + 1 for v in seen.max(axis=0)) if len(seen) else (1, 1)
    times_s = np.arange(len(xy)) / float(fps)
    return clean(xy, score, times_s, "body25", (width, height))


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of a keypoint file that are looked at."""
    remedy = f"write one with numpy.savez: {_WANTED}"
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            held = sum(member.file_size for member in archive.zip.infolist())
            if held > _MOST_BYTES:
                problem = f"holds {held / 2**20:.0f} MB of arrays, {_MOST_BYTES / 2**20:.0f} MB were expected at most"
                raise InputError(path, problem, "cut it into pieces")
            return {name: archive[name] for name in archive.files if name in (*_NEEDED, "shot", "size")}
    except InputError:
        raise
    except Exception as error:  # NumPy and its zip reader raise whatever a spoiled file leads them to
        raise InputError(path, "not an npz file of plain arrays", remedy) from error


def _numbered(folder: Path) -> dict[int, Path]:
    """OpenPose's files by frame number; without numbers, by their order."""
    paths = sorted(folder.glob("*_keypoints.json"))
    found = [(re.search(r"(\d+)_keypoints\.json$", path.name), path) for path in paths]
    if any(match is None for match, _ in found):
        return dict(enumerate(paths))
    return {int(match.group(1)): path for match, path in found if match is not None}


def _people(path: Path) -> NDArray[np.float32]:
    """(P, 25, 3) x, y, score of everyone in one file."""
    try:
        people = json.loads(path.read_text(encoding="utf-8"))["people"]
        with np.errstate(over="ignore"):  # what is too large becomes infinite, and is refused as that
            rows = [np.asarray(person["pose_keypoints_2d"], np.float32) for person in people]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(
            path, "not an OpenPose keypoint file (people, pose_keypoints_2d)", "write it again with OpenPose"
        ) from error
    rows = [row for row in rows if row.size]
    for row in rows:
        if row.shape != (75,) or not (np.abs(row) <= _LARGEST_SIDE).all():
            raise InputError(
                path,
                f"expected 25 x 3 finite numbers per person (BODY_25), got {row.size}",
                "run OpenPose with --model_pose BODY_25",
            )
    return np.stack(rows).reshape(-1, 25, 3) if rows else np.zeros((0, 25, 3), np.float32)


def _follow(people: NDArray[np.float32], before: NDArray[np.float32] | None) -> int:
    """Which of (P, 25, 3) to go on with: the nearest to (25, 3), else the one whose box is largest."""
    seen = people[..., 2] > 0
    if before is not None:
        both = seen & (before[:, 2] > 0)
        apart = np.linalg.norm(people[..., :2] - before[:, :2], axis=-1)
        mean = np.where(both, apart, 0).sum(axis=1) / np.maximum(both.sum(axis=1), 1)
        mean[both.sum(axis=1) < 3] = np.inf
        if np.isfinite(mean).any():
            return int(np.argmin(mean))
    high = np.where(seen[..., None], people[..., :2], -np.inf).max(axis=1)
    low = np.where(seen[..., None], people[..., :2], np.inf).min(axis=1)
    area = np.where(seen.any(axis=1), np.prod(np.maximum(high - low, 0), axis=-1), -1)
    return int(np.argmax(area))


def _real(path: Path, name: str, array: NDArray[Any]) -> NDArray[np.float64]:
    """The array as float64; an error that names it where it is not of numbers."""
    if array.dtype.kind not in "fiu":
        raise InputError(path, f"{name} holds {array.dtype}, numbers were expected", _REMEDY)
    return array.astype(np.float64)


def _check_times(path: Path, times_s: NDArray[np.float64]) -> None:
    if not np.isfinite(times_s).all():
        raise InputError(path, "times_s holds NaN or infinite values", "give every frame its time in seconds")
    if np.abs(times_s).max() > _LONGEST_S:
        problem = f"times_s goes to {np.abs(times_s).max():g} s, {_LONGEST_S:g} s were expected at most"
        raise InputError(path, problem, "write seconds, and begin at 0")
    if (np.diff(times_s) <= 0).any():
        where = int(np.argmax(np.diff(times_s) <= 0)) + 1
        raise InputError(path, f"times_s does not increase at frame {where}", "sort the frames and drop repeated ones")


def _shot(path: Path, shot: NDArray[Any] | None, frames: int) -> NDArray[np.int32]:
    if shot is None:
        return np.zeros(frames, np.int32)
    if shot.shape != (frames,) or shot.dtype.kind not in "iub":
        raise InputError(path, f"shot must be {frames} whole numbers, got {shot.dtype} {shot.shape}", _REMEDY)
    return shot.astype(np.int32)


def _size(path: Path, size: NDArray[Any] | None, xy: NDArray[np.float64]) -> tuple[int, int]:
    """Picture size from the file, else the smallest picture that holds the joints."""
    if size is not None:
        numbers = size.shape == (2,) and size.dtype.kind in "iuf"
        if not numbers or not ((size >= 1) & (size <= _LARGEST_SIDE)).all():
            raise InputError(path, f"size must be width and height, got {str(size.tolist())[:60]}", _REMEDY)
        return int(size[0]), int(size[1])
    seen = xy[np.isfinite(xy).all(axis=-1)]
    if not len(seen):
        return 1, 1
    width, height = np.maximum(np.ceil(seen.max(axis=0)) + 1, 1)
    return int(width), int(height)
