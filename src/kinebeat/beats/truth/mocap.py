"""Motion capture as the truth room takes it: 17 joints in metres, y up, 60 frames per second, in three parts.

The parts never share a performer of a set whose performers are known, nor a class of content of one whose are not:
a figure on the test part is about people and movements that no training has seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from kinebeat.errors import InputError
from kinebeat.motion import MOTION_FPS
from kinebeat.skeleton import LAYOUTS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

Part = Literal["train", "validation", "test"]

JOINTS = LAYOUTS["rhythmicnet17"].joints
SMOOTHING_S = 0.020
NOSE_FORWARD_M = 0.10
"""From the centre of the head, which motion capture has, to the nose, which detectors find."""
SHORTEST_S = 1.2

_LIMBS = {
    f"{side}_{joint}": f"{short}_{joint}"
    for side, short in (("left", "l"), ("right", "r"))
    for joint in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
}
_CMU = {
    "nose": "head",
    "neck": "neck",
    "mid_hip": "pelvis",
    "left_big_toe": "l_toe",
    "right_big_toe": "r_toe",
    **_LIMBS,
}
_BANDAI = {"nose": "Head", "neck": "Neck", "mid_hip": "Hips"} | {
    f"{side}_{joint}": f"{name}_{side[0].upper()}"
    for side in ("left", "right")
    for joint, name in (
        ("shoulder", "UpperArm"),
        ("elbow", "LowerArm"),
        ("wrist", "Hand"),
        ("hip", "UpperLeg"),
        ("knee", "LowerLeg"),
        ("ankle", "Foot"),
        ("big_toe", "Toes"),
    )
}

_CMU_PART: dict[str, Part] = {
    "cmu_005": "test",
    "directing_traffic": "test",
    "washwindow": "test",
    "cmu_002": "validation",
    "basketball_signal": "validation",
}
_BANDAI_PART: dict[str, Part] = {
    **dict.fromkeys(("dance-short", "punch", "slash", "kick"), "test"),
    **dict.fromkeys(("guide", "bow", "respond", "call"), "validation"),
}
_CHOREONET_PART: dict[str, Part] = {"ll": "test", "mm": "test", "17": "validation"}


@dataclass(frozen=True)
class Take:
    """One recording of a person.

    Attributes:
        name: of the recording.
        source: "cmu", "bandai" or "choreonet".
        content: class of movement, as the set names it.
        xyz: (T, 17, 3) float32, metres, y up, `MOTION_FPS` frames per second, layout `rhythmicnet17`.
        labelled: (L, 2) float64, seconds between which a person has said where the beats are.
        beats_s: (B,) float64, those beats.
    """

    name: str
    source: str
    content: str
    xyz: NDArray[np.float32]
    labelled: NDArray[np.float64]
    beats_s: NDArray[np.float64]

    @property
    def duration_s(self) -> float:
        """Length of the recording."""
        return (len(self.xyz) - 1) / MOTION_FPS


def load_takes(data: Path, part: Part) -> list[Take]:
    """All takes of a part.

    Args:
        data: folder that holds `motion/` and `dance/`.
        part: "train", "validation" or "test".

    Raises:
        InputError: the folder does not hold the recordings.
    """
    takes = [take for read in (_cmu, _bandai, _choreonet) for belongs, take in read(data) if belongs == part]
    long_enough = [take for take in takes if take.duration_s >= SHORTEST_S]
    if not long_enough:
        raise InputError(data, "no motion capture was found in it", "name the folder that has motion/ and dance/ in it")
    return long_enough


def _cmu(data: Path) -> Iterator[tuple[Part, Take]]:
    for path in sorted((data / "motion").glob("cmu*/*.npz")):
        with np.load(path) as file:
            xyz, names, fps = file["keypoints"], [str(name) for name in file["joints"]], float(file["fps"])
            said = str(file["description"])
        part: Part = next((part for key, part in _CMU_PART.items() if key in path.stem), "train")
        content = said.split(" - ", maxsplit=1)[0]
        yield part, _take(path.stem, "cmu", content, xyz, fps, names, _CMU)


def _bandai(data: Path) -> Iterator[tuple[Part, Take]]:
    for path in sorted((data / "motion" / "bandai").glob("*.npz")):
        with np.load(path) as file:
            xyz = file["rel"].astype(np.float32) + file["root"][:, None].astype(np.float32)
            names, fps = [str(name) for name in file["joints"]], float(file["fps"])
            rows = zip(file["names"], file["content"], file["start"], file["end"], strict=True)
            clips = [(str(name), str(content), int(start), int(end)) for name, content, start, end in rows]
        for name, content, start, end in clips:
            part = _BANDAI_PART.get(content, "train")
            yield part, _take(name, "bandai", content, xyz[start:end], fps, names, _BANDAI)


def _choreonet(data: Path) -> Iterator[tuple[Part, Take]]:
    for path in sorted((data / "dance" / "choreonet" / "takes").glob("*.npz")):
        with np.load(path) as file:
            xyz, names, fps = file["keypoints"], [str(name) for name in file["joints"]], float(file["fps"])
            labelled, beats_s = file["labelled"].astype(float), file["beat_times"].astype(float)
        part = _CHOREONET_PART.get(path.stem.split("_", maxsplit=1)[0], "train")
        y_up = np.stack([xyz[..., 0], xyz[..., 2], -xyz[..., 1]], axis=-1)
        yield part, _take(path.stem, "choreonet", "ballroom", y_up, fps, names, _CMU, labelled, beats_s)


def _take(
    name: str,
    source: str,
    content: str,
    xyz: NDArray[np.float32],
    fps: float,
    names: list[str],
    joints: dict[str, str],
    labelled: NDArray[np.float64] | None = None,
    beats_s: NDArray[np.float64] | None = None,
) -> Take:
    """A take in our joints and at our frame rate, a little smoothed."""
    from scipy.interpolate import CubicSpline
    from scipy.ndimage import gaussian_filter1d

    ours = xyz[:, [names.index(joints[joint]) for joint in JOINTS]].astype(np.float64)
    ours = ours[np.isfinite(ours).all((1, 2))]
    if len(ours) >= 4:
        ours = gaussian_filter1d(ours, SMOOTHING_S * fps, axis=0, mode="nearest")
        times_s = np.arange(len(ours)) / fps
        ours = CubicSpline(times_s, ours)(np.arange(0.0, times_s[-1], 1 / MOTION_FPS))
        ours[:, JOINTS.index("nose")] += NOSE_FORWARD_M * facing(ours)
    none = np.zeros((0, 2)), np.zeros(0)
    return Take(
        name,
        source,
        content,
        ours.astype(np.float32),
        none[0] if labelled is None else labelled,
        none[1] if beats_s is None else beats_s,
    )


def facing(xyz: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Unit vector along the floor in which a body faces, (T, 3)."""
    left = sum(xyz[:, JOINTS.index(f"left_{j}")] - xyz[:, JOINTS.index(f"right_{j}")] for j in ("hip", "shoulder"))
    ahead = np.cross(left, [0.0, 1.0, 0.0])
    ahead[:, 1] = 0.0
    return np.asarray(ahead / np.maximum(np.linalg.norm(ahead, axis=1, keepdims=True), 1e-6))
