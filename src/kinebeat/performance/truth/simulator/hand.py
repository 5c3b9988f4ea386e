"""A hand of bones: where its 21 joints are when its wrist and its fingertips are given.

Space is metres: x to the player's right, y forward, z up. All is said of a right hand; a left hand is its mirror image.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

JOINTS = 21
TIPS = (4, 8, 12, 16, 20)
"""The fingertips among the joints, thumb first."""
KNUCKLES_M = np.array(
    [
        [-0.026, 0.021, -0.006],
        [-0.022, 0.071, 0.004],
        [0.000, 0.070, 0.006],
        [0.018, 0.067, 0.003],
        [0.034, 0.058, -0.003],
    ]
)
"""(5, 3) the root of each finger, from the wrist of a flat hand that points forward: the thumb's is at the wrist."""
BONES_M = np.array(
    [
        [0.038, 0.031, 0.025],
        [0.044, 0.027, 0.021],
        [0.049, 0.031, 0.024],
        [0.045, 0.029, 0.024],
        [0.035, 0.021, 0.019],
    ]
)
"""(5, 3) lengths of each finger's bones from its root. An adult's, in the proportions in which MediaPipe Hands sees the
hands of pianists from above, who play with all fingers or point with one."""
# Where a bent finger's joints go: up and forward; the thumb's go outward.
_BEND = np.array([[-0.8, -0.3, 0.4], [0.0, 0.55, 0.85], [0.0, 0.55, 0.85], [0.0, 0.55, 0.85], [0.0, 0.55, 0.85]])
_STRAIGHT = 0.985


def pointing(yaw_rad: Floats, vectors: Floats) -> Floats:
    """Vectors of a hand that points forward, for one that is turned: (T,), (K, 3) or (T, K, 3) -> (T, K, 3).

    A positive yaw turns the fingers to the right.
    """
    cos, sin = np.cos(yaw_rad)[:, None], np.sin(yaw_rad)[:, None]
    x, y, z = vectors[..., 0], vectors[..., 1], vectors[..., 2]
    return np.stack([x * cos + y * sin, y * cos - x * sin, np.broadcast_to(z, (len(yaw_rad), vectors.shape[-2]))], -1)


def joints_of(wrist_m: Floats, yaw_rad: Floats, tips_m: Floats, scale: float) -> Floats:
    """The joints of a right hand.

    Args:
        wrist_m: (T, 3).
        yaw_rad: (T,) where the hand points, from forward to the right.
        tips_m: (T, 5, 3) fingertips. One beyond reach makes its finger longer: it is where it is said to be.
        scale: size of the hand, an adult's being 1.

    Returns:
        (T, 21, 3) in the order of `kinebeat.skeleton`'s hand.
    """
    roots = wrist_m[:, None] + pointing(yaw_rad, scale * KNUCKLES_M)
    bones = scale * BONES_M
    first, rest = bones[:, 0], bones[:, 1] + bones[:, 2]
    way = tips_m - roots
    far = np.maximum(np.linalg.norm(way, axis=-1), 1e-3)
    # Stretch what is too short, and keep a triangle where the tip comes close.
    longer = np.maximum(far / (_STRAIGHT * (first + rest)), 1.0)
    first, rest = first * longer, rest * longer
    bent = np.maximum(far, np.abs(first - rest) + 1e-4)
    along = (first**2 - rest**2 + bent**2) / (2 * bent)
    high = np.sqrt(np.maximum(first**2 - along**2, 0.0))
    unit = way / far[..., None]
    bend = pointing(yaw_rad, _BEND)
    bend = bend - (bend * unit).sum(-1, keepdims=True) * unit
    bend /= np.maximum(np.linalg.norm(bend, axis=-1, keepdims=True), 1e-6)
    middle = roots + along[..., None] * unit + high[..., None] * bend
    share = (bones[:, 1] / (bones[:, 1] + bones[:, 2]))[:, None]
    last = middle + share * (tips_m - middle) + 0.12 * high[..., None] * bend
    fingers = np.stack([roots, middle, last, tips_m], axis=2).reshape(len(wrist_m), 20, 3)
    return np.concatenate([wrist_m[:, None], fingers], axis=1)
