"""What a pose estimator says -> a `PoseTrack`: doubtful joints out, shots numbered, gaps bridged, jitter weakened."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kinebeat import skeleton
from kinebeat.pose import filter as joint_filter
from kinebeat.pose.shots import person_jumps
from kinebeat.pose.track import PoseTrack

if TYPE_CHECKING:
    from numpy.typing import NDArray

LAYOUT = "rhythmicnet17"
# Joints that the detector believes less than this are left out: below it MediaPipe draws the likeliest body rather
# than the one in the picture.
LEAST_SCORE = 0.3
# A limb that hangs on a joint which is not seen has to be believed more: below the edge of a picture MediaPipe goes on
# with a body of its own, and now and then bends it back into the picture.
_LEAST_SCORE_ALONE = 0.6
_HANGS_ON = {
    f"{side}_{joint}": f"{side}_{above}"
    for side in ("left", "right")
    for joint, above in (("elbow", "shoulder"), ("wrist", "elbow"), ("knee", "hip"), ("ankle", "knee"))
}
# How far outside the picture, as a share of its longer side, a joint may lie. MediaPipe guesses on beyond the edge.
_MARGIN = 0.01
# Fewer joints than this are no person.
_LEAST_JOINTS = 4


def clean(
    xy: NDArray[np.float32],
    score: NDArray[np.float32],
    times_s: NDArray[np.float64],
    layout: str,
    size: tuple[int, int],
    cuts: NDArray[np.bool_] | None = None,
    *,
    to: str = LAYOUT,
) -> PoseTrack:
    """Turn raw joints into a track that motion can be computed from.

    Args:
        xy: (T, J, 2) pixels of the upright picture, NaN where not seen.
        score: (T, J) in [0, 1].
        times_s: (T,) strictly increasing.
        layout: of the joints.
        size: width and height of the picture.
        cuts: (T,) where a new shot begins as far as the picture tells; None where there is no picture.
        to: layout of the track, one that has all joints of `rhythmicnet17`.

    Returns:
        The track.
    """
    xy, score = skeleton.convert(xy, score, layout, to)
    xy = believed(xy, score, size, to)
    new_shot = person_jumps(xy, times_s, joint_filter.torso_px(xy, to))
    if cuts is not None:
        new_shot = new_shot | cuts
    if len(new_shot):
        new_shot[0] = False
    shot = np.cumsum(new_shot).astype(np.int32)
    torso = joint_filter.body_size_px(xy, to)
    xy, score = joint_filter.unswapped(xy, score, shot, torso, to)
    xy = joint_filter.without_teleports(xy, times_s, shot, torso)
    xy, score = joint_filter.bridged(xy, score, times_s, shot)
    xy = joint_filter.without_islands(xy, times_s, shot)
    xy = joint_filter.smoothed(xy, times_s, shot)
    score = np.where(np.isfinite(xy[..., 0]), score, 0).astype(np.float32)
    return PoseTrack(xy, score, times_s, to, shot, size)


def believed(
    xy: NDArray[np.float32], score: NDArray[np.float32], size: tuple[int, int], layout: str = LAYOUT
) -> NDArray[np.float32]:
    """Joints that are inside the picture and believed; none at all where too few are left for a person.

    Args:
        xy: (T, J, 2) pixels, NaN where not seen.
        score: (T, J) in [0, 1].
        size: width and height of the picture.
        layout: of the joints, one that has all of `rhythmicnet17`.

    Returns:
        (T, J, 2) the places, NaN where they are not believed.
    """
    margin = _MARGIN * max(size)
    with np.errstate(invalid="ignore"):
        inside = ((xy >= -margin) & (xy <= np.array(size, np.float32) + margin)).all(axis=-1)
    keep = inside & (score >= LEAST_SCORE)
    where = skeleton.layout(layout)
    for joint, above in _HANGS_ON.items():
        at = where.index(joint)
        keep[:, at] &= keep[:, where.index(above)] | (score[:, at] >= _LEAST_SCORE_ALONE)
    keep &= (keep.sum(axis=1) >= _LEAST_JOINTS)[:, None]
    result: NDArray[np.float32] = np.where(keep[..., None], xy, np.nan).astype(np.float32)
    return result
