"""Video or keypoint files in, a `PoseTrack` out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kinebeat.pose.track import PoseTrack

if TYPE_CHECKING:
    from collections.abc import Callable

    from kinebeat.pose.processes import Workers

__all__ = ["PoseTrack", "is_keypoints", "load_pose", "read_pose", "save_pose"]


def read_pose(
    source: str | Path,
    *,
    workers: Workers = None,
    fps: float = 30.0,
    progress: Callable[[float], None] | None = None,
) -> PoseTrack:
    """Read one person's joints over time from a video or from keypoints.

    Args:
        source: a video, an `.npz` of keypoints (see `load_pose`), or a folder of OpenPose JSON files.
        workers: processes for a video, or kept ones (`kinebeat.pose.processes.PoseWorkers`); None takes the usable
            cores, 8 at most. The result does not depend on it.
        fps: frame rate of a folder of OpenPose JSON, which has no timestamps.
        progress: called with the share done, 0 to 1.

    Returns:
        The track in the layout `rhythmicnet17`, cleaned: see `kinebeat.pose.clean`.

    Raises:
        InputError: the source cannot be used; the message says why and what to do.
        KinebeatError: a worker process failed.
    """
    source = Path(source)
    if source.is_dir():
        from kinebeat.pose.files import read_openpose

        return read_openpose(source, fps=fps)
    if source.suffix.lower() == ".npz":
        return load_pose(source)
    from kinebeat.pose.cadence import even_times, repeated_frames
    from kinebeat.pose.clean import clean
    from kinebeat.pose.mediapipe_pose import find_landmarks

    raw = find_landmarks(source, workers=workers, progress=progress)
    repeated = repeated_frames(raw.change)
    times_s = even_times(raw.times_s, repeated, raw.change)
    new = ~repeated
    return clean(raw.xy[new], raw.visibility[new], times_s, "blazepose33", raw.size, raw.cuts[new])


def is_keypoints(source: Path) -> bool:
    """Whether a source is keypoints (an `.npz` or a folder of OpenPose JSON) rather than a video."""
    return source.is_dir() or source.suffix.lower() == ".npz"


def load_pose(path: str | Path, *, to: str = "rhythmicnet17") -> PoseTrack:
    """Read keypoints from an `.npz`; see `kinebeat.pose.files.load_pose`."""
    from kinebeat.pose.files import load_pose as load

    return load(path, to=to)


def save_pose(track: PoseTrack, path: str | Path) -> None:
    """Write a track to an `.npz`; see `kinebeat.pose.files.save_pose`."""
    from kinebeat.pose.files import save_pose as save

    save(track, path)
