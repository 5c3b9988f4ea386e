"""A pianist, filmed from above."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kinebeat.performance.notes import Notes
from kinebeat.performance.piano_keys import WHITE_KEYS
from kinebeat.performance.truth.simulator.detector import HANDS
from kinebeat.performance.truth.simulator.filming import draw_keyboard_camera
from kinebeat.performance.truth.simulator.hand import TIPS
from kinebeat.performance.truth.simulator.piano_motion import gone, move_hand
from kinebeat.performance.truth.simulator.piano_plan import KEY_M, LENGTH_M, draw_style, plan_hands

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kinebeat.performance.truth.simulator.filming import Camera
    from kinebeat.performance.truth.simulator.piano_plan import PianoStyle

    Floats = NDArray[np.float64]


def play_piano(
    notes: Notes, times_s: Floats, rng: np.random.Generator, style: PianoStyle | None = None
) -> tuple[Floats, Notes, NDArray[np.int64]]:
    """Play the piano.

    Args:
        notes: what is to be played.
        times_s: (T,) when to look.
        rng: where chance comes from.
        style: who plays; drawn if left out.

    Returns:
        Joints in space, (T, 67, 3) metres as in `piano_motion`, NaN where nothing is filmed; what is really played;
        and the joint that plays each note, (N,).
    """
    style = draw_style(rng) if style is None else style
    places = np.full((len(times_s), 67, 3), np.nan)
    played, joints = [], []
    for plan, where in zip(plan_hands(notes, style, rng), HANDS, strict=True):
        hand = move_hand(plan, times_s, style, rng)
        if hand is not None:
            places[:, where] = hand
            if len(plan.notes):
                places[gone(plan, times_s, rng), where] = np.nan
        played.append(plan.notes)
        joints.append(where.start + np.array(TIPS)[plan.finger])
    onset, offset, pitch, velocity = (
        np.concatenate([getattr(p, name) for p in played]) for name in ("onset_s", "offset_s", "pitch", "velocity")
    )
    order = np.lexsort((pitch, onset))
    return places, Notes.of(onset, offset, pitch, velocity), np.concatenate(joints)[order]


def film_from_above(places_m: Floats, rng: np.random.Generator) -> Camera:
    """A camera above the keyboard that shows where the hands are most of the time."""
    x = places_m[..., 0]
    x = x[np.isfinite(x)]
    low, high = np.percentile(x, [3, 97]) / KEY_M if len(x) else (15.0, 37.0)
    return draw_keyboard_camera(rng, float(low), float(high))


def white_keys_shown(camera: Camera) -> tuple[int, int]:
    """The lowest and the highest white key whose middle is in the picture."""
    middle = np.zeros((WHITE_KEYS, 3))
    middle[:, 0] = (np.arange(WHITE_KEYS) + 0.5) * KEY_M
    middle[:, 1] = 0.5 * LENGTH_M
    xy = camera.project(middle)
    inside = np.flatnonzero(((xy >= 0) & (xy <= np.asarray(camera.size, np.float64))).all(axis=-1))
    return (int(inside[0]), int(inside[-1])) if len(inside) else (0, WHITE_KEYS - 1)
