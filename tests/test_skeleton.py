from __future__ import annotations

import numpy as np
import pytest

from kinebeat import skeleton
from kinebeat.errors import OptionError
from kinebeat.skeleton import LAYOUTS


@pytest.mark.parametrize("name", sorted(LAYOUTS))
def test_layouts_are_consistent(name: str) -> None:
    layout = LAYOUTS[name]
    assert layout.name == name
    assert len(set(layout.joints)) == len(layout.joints)
    assert all(0 <= i < len(layout.joints) for bone in layout.bone_indices for i in bone)
    assert len(set(layout.bones)) == len(layout.bones)
    for left, right in layout.pairs:
        assert layout.joints[left].replace("left", "right") == layout.joints[right]


@pytest.mark.parametrize(
    ("name", "joints"),
    [("rhythmicnet17", 17), ("blazepose33", 33), ("body25", 25), ("body25_hands", 67), ("coco17", 17)],
)
def test_layouts_have_the_size_in_their_name(name: str, joints: int) -> None:
    assert len(LAYOUTS[name].joints) == joints


def test_rhythmicnet17_is_body25_0_to_14_19_and_22() -> None:
    body = LAYOUTS["body25"].joints
    assert LAYOUTS["rhythmicnet17"].joints == (*body[:15], body[19], body[22])
    xy = np.arange(50.0).reshape(1, 25, 2)
    new, _ = skeleton.convert(xy, np.ones((1, 25)), "body25", "rhythmicnet17")
    np.testing.assert_array_equal(new[0, :, 0] / 2, [*range(15), 19, 22])


def test_neck_and_hips_are_made_from_both_sides_with_the_lower_score() -> None:
    layout = LAYOUTS["blazepose33"]
    xy = np.zeros((33, 2))
    score = np.ones(33)
    xy[layout.index("left_shoulder")] = (10, 4)
    xy[layout.index("right_shoulder")] = (2, 6)
    score[layout.index("right_shoulder")] = 0.25
    new, new_score = skeleton.convert(xy, score, "blazepose33", "rhythmicnet17")
    neck = LAYOUTS["rhythmicnet17"].index("neck")
    np.testing.assert_allclose(new[neck], (6, 5))
    assert new_score[neck] == 0.25
    toe = LAYOUTS["rhythmicnet17"].index("left_big_toe")
    assert new_score[toe] == 1.0


def test_what_cannot_be_had_is_nan_with_score_0() -> None:
    new, score = skeleton.convert(np.ones((3, 17, 2)), np.ones((3, 17)), "coco17", "rhythmicnet17")
    toes = [LAYOUTS["rhythmicnet17"].index(f"{side}_big_toe") for side in ("left", "right")]
    assert np.isnan(new[:, toes]).all()
    assert (score[:, toes] == 0).all()
    assert np.isfinite(np.delete(new, toes, axis=1)).all()


def test_a_missing_shoulder_takes_the_neck_with_it() -> None:
    xy = np.ones((1, 17, 2))
    xy[0, LAYOUTS["coco17"].index("left_shoulder")] = np.nan
    new, score = skeleton.convert(xy, np.ones((1, 17)), "coco17", "rhythmicnet17")
    neck = LAYOUTS["rhythmicnet17"].index("neck")
    assert np.isnan(new[0, neck]).all()
    assert score[0, neck] == 0


@pytest.mark.parametrize("name", sorted(LAYOUTS))
def test_converting_to_the_same_layout_changes_nothing(name: str) -> None:
    rng = np.random.default_rng(3)
    joints = len(LAYOUTS[name].joints)
    xy, score = rng.random((4, joints, 2)).astype(np.float32), rng.random((4, joints)).astype(np.float32)
    new, new_score = skeleton.convert(xy, score, name, name)
    np.testing.assert_array_equal(new, xy)
    np.testing.assert_array_equal(new_score, score)


def test_hand_roots_stand_in_for_wrists_and_back() -> None:
    xy = np.arange(66.0).reshape(33, 2)
    new, _ = skeleton.convert(xy, np.ones(33), "blazepose33", "body25_hands")
    hands = LAYOUTS["body25_hands"]
    np.testing.assert_array_equal(new[hands.index("left_hand_wrist")], xy[15])
    np.testing.assert_array_equal(new[hands.index("right_hand_index1")], xy[20])
    assert np.isnan(new[hands.index("left_hand_ring4")]).all()


def test_unknown_layouts_and_wrong_shapes_are_named() -> None:
    with pytest.raises(OptionError, match="no joint layout is called 'kinect'"):
        skeleton.layout("kinect")
    with pytest.raises(OptionError, match=r"expected xy \(..., 17, 2\)"):
        skeleton.convert(np.ones((3, 16, 2)), np.ones((3, 16)), "coco17", "rhythmicnet17")
