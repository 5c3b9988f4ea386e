"""Video of a musician, or keypoints, in; a `Performer` out: body and both hands over time.

Hands are found by MediaPipe Hands, the body, where there is one, by MediaPipe Pose; see `kinebeat.pose`. Here left
and right are told apart over the whole clip, single frames that went wrong are taken out, short gaps are bridged and
jitter is weakened without moving anything in time.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kinebeat import skeleton
from kinebeat.errors import InputError
from kinebeat.performance import sides
from kinebeat.pose import filter as joint_filter
from kinebeat.pose.track import PoseTrack

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from kinebeat.pose.mediapipe_musician import RawMusician
    from kinebeat.pose.processes import Workers

LAYOUT = "body25_hands"
BODY_JOINTS, HAND_JOINTS = 25, 21
# Gaps in a hand that are bridged: 0.15 s, a little more as clocks waver. In a longer one a note may have been played.
_BRIDGE_S = 0.152
# Share of the frames with hands under which the music will have holes.
_FEW_HANDS = 0.5
# Share of the frames in which more hands than two are seen from which there is more than one player.
_CROWD = 0.3
# A body seen in less of the clip than this, beside hands, was made of hands and sleeves.
_LEAST_BODY = 0.25
# A joint that wobbles by this part of the hand's size counts half.
_WOBBLE = 0.05
# A joint of a hand may be outside the picture by this part of the hand: MediaPipe sees a hand as a whole, and a wrist
# below the edge is where the fingers say. It is worth this much less.
_OUTSIDE_HANDS, _OUTSIDE_SCORE = 0.6, 0.25
_REMEDY = "film the player so that both hands are well lit, in the picture and not too small"


@dataclass(frozen=True, eq=False)
class Performer:
    """A musician at play.

    Attributes:
        track: layout `body25_hands`: 25 joints of the body, 21 of the left hand, 21 of the right; left and right are
            the person's own. NaN with score 0 where a joint was not seen. Of a hand that is partly in the picture, the
            joints little outside are there too, with a low score.
        crowd: share of the frames with more hands than one player has.
        warnings: what may make the music worse, as sentences for the user.
    """

    track: PoseTrack
    crowd: float = 0.0
    warnings: tuple[str, ...] = ()

    @property
    def left_hand(self) -> NDArray[np.float32]:
        """(T, 21, 2) the left hand, pixels; NaN where it was not seen."""
        return self.track.xy[:, BODY_JOINTS : BODY_JOINTS + HAND_JOINTS]

    @property
    def right_hand(self) -> NDArray[np.float32]:
        """(T, 21, 2) the right hand, pixels; NaN where it was not seen."""
        return self.track.xy[:, BODY_JOINTS + HAND_JOINTS :]

    @property
    def hands_share(self) -> float:
        """Share of the frames in which at least one hand was seen."""
        return float(np.isfinite(self.track.xy[:, BODY_JOINTS:, 0]).any(axis=1).mean())


def read_performer(
    source: str | Path,
    *,
    workers: Workers = None,
    least_step_s: float = 0.0,
    progress: Callable[[float], None] | None = None,
) -> Performer:
    """Read body and hands of one musician from a video or from keypoints.

    Args:
        source: a video, or an `.npz` of keypoints (see `kinebeat.pose.load_pose`), which are taken as they are.
        workers: processes for a video, or kept ones; None takes the usable cores, 8 at most. The result does not depend
            on it.
        least_step_s: pictures of a video that are nearer in time than this to the last one looked at are left out.
        progress: called with the share done, 0 to 1.

    Returns:
        The musician.

    Raises:
        InputError: the source cannot be used, or neither hands nor a body are seen in it.
        KinebeatError: a worker process failed.
    """
    source = Path(source)
    if source.suffix.lower() == ".npz":
        from kinebeat.pose.files import load_pose

        track = load_pose(source, to=LAYOUT)
        return _checked(source, track, 0.0)
    from kinebeat.pose.mediapipe_musician import find_musician

    return performer_of(find_musician(source, workers=workers, least_step_s=least_step_s, progress=progress), source)


def performer_of(raw: RawMusician, source: str | Path) -> Performer:
    """Make a performer of what MediaPipe saw.

    Args:
        raw: body and hands, in no order.
        source: where they come from, for messages.

    Returns:
        The musician.

    Raises:
        InputError: neither hands nor a body are in it.
    """
    from kinebeat.pose.cadence import even_times, repeated_frames
    from kinebeat.pose.clean import clean

    repeated = repeated_frames(raw.change)
    times_s = even_times(raw.times_s, repeated, raw.change)
    new = ~repeated
    hands_xy, right_share = raw.hands_xy[new], raw.right_share[new]
    body = clean(raw.body_xy[new], raw.visibility[new], times_s, "blazepose33", raw.size, raw.cuts[new], to="body25")
    if np.isfinite(right_share).any() and body.detected_share < _LEAST_BODY:
        nobody = np.full_like(body.xy, np.nan)
        body = PoseTrack(nobody, np.zeros_like(body.score), times_s, "body25", _shots(raw.cuts[new]), raw.size)
    where = skeleton.layout("body25")
    wrists = body.xy[:, [where.index("left_wrist"), where.index("right_wrist")]]
    whose = sides.assigned(hands_xy, right_share, times_s, body.shot, wrists)
    xy, score = [body.xy], [body.score]
    size_px = sides.hand_size_px(hands_xy)
    for side in (sides.LEFT, sides.RIGHT):
        hand_xy, hand_score = clean_hand(*_chosen(hands_xy, right_share, whose[:, side]), body, size_px)
        xy.append(hand_xy)
        score.append(hand_score)
    track = PoseTrack(np.concatenate(xy, 1), np.concatenate(score, 1), times_s, LAYOUT, body.shot, raw.size)
    counted = raw.counted[np.isfinite(raw.counted)]
    return _checked(Path(source), track, float((counted > 2).mean()) if len(counted) else 0.0)


def clean_hand(
    xy: NDArray[np.float32], sure: NDArray[np.float32], body: PoseTrack, size_px: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Take out what cannot be, bridge short gaps, weaken jitter.

    Args:
        xy: (T, 21, 2) one hand, pixels, NaN where not seen.
        sure: (T,) how sure MediaPipe is of the hand.
        body: times, shots and the size of the picture.
        size_px: typical hand.

    Returns:
        xy (T, 21, 2), and a score for each joint (T, 21): that of the hand, less where the joint wobbles or is
        outside the picture.
    """
    outside = np.fmax(-xy, xy - np.array(body.size, np.float32)).max(axis=-1)
    with np.errstate(invalid="ignore"):
        xy = np.where((outside < _OUTSIDE_HANDS * size_px)[..., None], xy, np.nan).astype(np.float32)
        score = (sure[:, None] * np.where(outside > 0, _OUTSIDE_SCORE, 1)).astype(np.float32)
    xy = joint_filter.without_teleports(xy, body.times_s, body.shot, size_px)
    raw, score = joint_filter.bridged(xy, score, body.times_s, body.shot, longest_s=_BRIDGE_S)
    raw = joint_filter.without_islands(raw, body.times_s, body.shot)
    xy = joint_filter.smoothed(raw, body.times_s, body.shot)
    wobble = np.linalg.norm(raw - xy, axis=-1) / (_WOBBLE * size_px)
    score = np.where(np.isfinite(xy[..., 0]), score / (1 + wobble**2), 0).astype(np.float32)
    return xy, score


def _chosen(
    hands_xy: NDArray[np.float32], right_share: NDArray[np.float32], which: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(T, 21, 2) and (T,) the hand that was chosen in each frame and how sure its label is; NaN and 0 for none."""
    frame = np.arange(len(which))
    none = which < 0
    xy = np.where(none[:, None, None], np.nan, hands_xy[frame, which]).astype(np.float32)
    share = right_share[frame, which]
    sure = np.where(none, 0.0, np.nan_to_num(np.maximum(share, 1 - share))).astype(np.float32)
    return xy, sure


def _shots(cuts: NDArray[np.bool_]) -> NDArray[np.int32]:
    later = cuts.copy()
    later[:1] = False
    return np.cumsum(later).astype(np.int32)


def _checked(source: Path, track: PoseTrack, crowd: float) -> Performer:
    """The performer with its warnings; an error where nothing is seen at all."""
    if not np.isfinite(track.xy).any():
        raise InputError(source, "neither hands nor a player are seen in it", _REMEDY)
    performer = Performer(track, crowd)
    warnings = []
    if performer.hands_share < _FEW_HANDS:
        warnings.append(
            f"hands are seen in {performer.hands_share:.0%} of the pictures only, so much of the music will be missing:"
            f" {_REMEDY}"
        )
    if crowd > _CROWD:
        warnings.append(
            f"more than two hands are seen in {crowd:.0%} of the pictures: the music of several players cannot be told"
            " apart; cut the picture to one of them"
        )
    return Performer(track, crowd, tuple(warnings))
