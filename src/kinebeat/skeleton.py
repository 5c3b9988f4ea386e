"""Joint layouts and the conversions between them, as data.

A layout names its joints in order. The same body part has the same name in every layout, so a conversion is a
look-up by name; `DERIVED` says how a joint that the source does not have is made from those it has.
Left and right are the person's own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kinebeat.errors import OptionError

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Layout:
    """An order of joints.

    Attributes:
        name: key in `LAYOUTS`.
        joints: joint names in the order of the arrays' joint axis.
        bones: pairs of joint names that a line is drawn between.
    """

    name: str
    joints: tuple[str, ...]
    bones: tuple[tuple[str, str], ...]

    def index(self, joint: str) -> int:
        """Position of a joint on the joint axis."""
        return self.joints.index(joint)

    @property
    def bone_indices(self) -> tuple[tuple[int, int], ...]:
        """The bones as positions on the joint axis."""
        return tuple((self.index(a), self.index(b)) for a, b in self.bones)

    @property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """Positions of (left, right) joints that mirroring exchanges."""
        return tuple(
            (i, self.index("right" + joint.removeprefix("left")))
            for i, joint in enumerate(self.joints)
            if joint.startswith("left")
        )


_BODY25 = (
    "nose",
    "neck",
    "right_shoulder",
    "right_elbow",
    "right_wrist",
    "left_shoulder",
    "left_elbow",
    "left_wrist",
    "mid_hip",
    "right_hip",
    "right_knee",
    "right_ankle",
    "left_hip",
    "left_knee",
    "left_ankle",
    "right_eye",
    "left_eye",
    "right_ear",
    "left_ear",
    "left_big_toe",
    "left_small_toe",
    "left_heel",
    "right_big_toe",
    "right_small_toe",
    "right_heel",
)
# MediaPipe Pose. Its "foot index" is the tip of the big toe, so it carries that name here.
_BLAZEPOSE33 = (
    "nose",
    "left_eye_inner",
    "left_eye",
    "left_eye_outer",
    "right_eye_inner",
    "right_eye",
    "right_eye_outer",
    "left_ear",
    "right_ear",
    "left_mouth",
    "right_mouth",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "left_pinky",
    "right_pinky",
    "left_index",
    "right_index",
    "left_thumb",
    "right_thumb",
    "left_hip",
    "right_hip",
    "left_knee",
    "right_knee",
    "left_ankle",
    "right_ankle",
    "left_heel",
    "right_heel",
    "left_big_toe",
    "right_big_toe",
)
_COCO17 = (
    "nose",
    "left_eye",
    "right_eye",
    "left_ear",
    "right_ear",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "left_hip",
    "right_hip",
    "left_knee",
    "right_knee",
    "left_ankle",
    "right_ankle",
)
# RhythmicNet's 17 joints: OpenPose BODY_25 0-14, 19 and 22.
_RHYTHMICNET17 = (*_BODY25[:15], "left_big_toe", "right_big_toe")
# A hand in OpenPose and in MediaPipe Hands: the wrist, then four joints per finger from its root to its tip.
_HAND21 = ("wrist", *(f"{f}{k}" for f in ("thumb", "index", "middle", "ring", "pinky") for k in (1, 2, 3, 4)))
_LIMBS = tuple(
    (f"{side}_{a}", f"{side}_{b}")
    for side in ("left", "right")
    for a, b in (("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle"))
)
_SPINE = (
    ("nose", "neck"),
    ("neck", "left_shoulder"),
    ("neck", "right_shoulder"),
    ("neck", "mid_hip"),
    ("mid_hip", "left_hip"),
    ("mid_hip", "right_hip"),
)
_TRUNK = (
    ("left_shoulder", "right_shoulder"),
    ("left_shoulder", "left_hip"),
    ("right_shoulder", "right_hip"),
    ("left_hip", "right_hip"),
)
_TOES = (("left_ankle", "left_big_toe"), ("right_ankle", "right_big_toe"))
_HEELS = (("left_ankle", "left_heel"), ("right_ankle", "right_heel"))
_HAND_BONES = tuple(
    (f"{side}_hand_{a}", f"{side}_hand_{b}")
    for side in ("left", "right")
    for finger in ("thumb", "index", "middle", "ring", "pinky")
    for a, b in (
        ("wrist", f"{finger}1"),
        (f"{finger}1", f"{finger}2"),
        (f"{finger}2", f"{finger}3"),
        (f"{finger}3", f"{finger}4"),
    )
)

LAYOUTS: dict[str, Layout] = {
    layout.name: layout
    for layout in (
        Layout("rhythmicnet17", _RHYTHMICNET17, _SPINE + _LIMBS + _TOES),
        Layout("blazepose33", _BLAZEPOSE33, _TRUNK + _LIMBS + _TOES + _HEELS),
        Layout("body25", _BODY25, _SPINE + _LIMBS + _TOES + _HEELS),
        Layout(
            "body25_hands",
            (*_BODY25, *(f"{side}_hand_{j}" for side in ("left", "right") for j in _HAND21)),
            _SPINE + _LIMBS + _TOES + _HEELS + _HAND_BONES,
        ),
        Layout("coco17", _COCO17, _TRUNK + _LIMBS),
    )
}

# joint -> the joints whose mean it is, where the source layout does not have it.
DERIVED: dict[str, tuple[str, ...]] = {
    "neck": ("left_shoulder", "right_shoulder"),
    "mid_hip": ("left_hip", "right_hip"),
    "left_hand_wrist": ("left_wrist",),
    "right_hand_wrist": ("right_wrist",),
    "left_hand_index1": ("left_index",),
    "right_hand_index1": ("right_index",),
    "left_hand_pinky1": ("left_pinky",),
    "right_hand_pinky1": ("right_pinky",),
    "left_index": ("left_hand_index1",),
    "right_index": ("right_hand_index1",),
    "left_pinky": ("left_hand_pinky1",),
    "right_pinky": ("right_hand_pinky1",),
}


def layout(name: str) -> Layout:
    """Look up a layout.

    Raises:
        OptionError: no layout has this name.
    """
    if name not in LAYOUTS:
        raise OptionError(f"no joint layout is called {name!r}; known are {', '.join(sorted(LAYOUTS))}")
    return LAYOUTS[name]


def convert(
    xy: NDArray[np.floating[Any]], score: NDArray[np.floating[Any]], from_layout: str, to_layout: str
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Rearrange joints from one layout into another.

    Args:
        xy: (..., J, 2) positions, NaN where a joint was not seen.
        score: (..., J) confidence.
        from_layout: the layout they are in.
        to_layout: the layout wanted.

    Returns:
        xy (..., K, 2) float32 and score (..., K) float32. Joints that cannot be had are NaN with score 0; a
        derived joint has the lowest score among those it is made from.

    Raises:
        OptionError: a layout is unknown or the joint axis does not fit it.
    """
    source, target = layout(from_layout), layout(to_layout)
    joints = len(source.joints)
    if xy.shape[-2:] != (joints, 2) or score.shape != xy.shape[:-1]:
        raise OptionError(
            f"layout {from_layout} has {joints} joints: expected xy (..., {joints}, 2) and score (..., {joints}),"
            f" got {xy.shape} and {score.shape}"
        )
    new_xy = np.full((*xy.shape[:-2], len(target.joints), 2), np.nan, np.float32)
    new_score = np.zeros((*xy.shape[:-2], len(target.joints)), np.float32)
    for k, joint in enumerate(target.joints):
        parts = (joint,) if joint in source.joints else DERIVED.get(joint, ())
        if not parts or not all(part in source.joints for part in parts):
            continue
        where = [source.index(part) for part in parts]
        new_xy[..., k, :] = xy[..., where, :].mean(axis=-2)
        new_score[..., k] = score[..., where].min(axis=-1)
    new_score[np.isnan(new_xy).any(axis=-1)] = 0.0
    return new_xy, new_score
