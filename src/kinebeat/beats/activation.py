"""Beat activation of a movement from a trained network, run by onnxruntime on one thread.

A network hears windows of 10 s. Windows start every 5 s, the last one ends with the clip, and where they overlap
their activations are averaged, a window counting less towards its edges, where it has heard one side only. Every window
is heard as it is and in the mirror, and the mean taken: a beat has no left and right.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from kinebeat import weights
from kinebeat.beats.batches import mirrored
from kinebeat.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from kinebeat.motion import Motion

WINDOW = 600
"""Frames a network hears at once: 10 s."""
HOP = WINDOW // 2
JOINTS = 17
_EDGE_WEIGHT = 0.05


def beat_activation(motion: Motion, model: str = "beats", part: str | None = None) -> NDArray[np.float32]:
    """How likely each frame is a beat of the music that the movement is danced to.

    Args:
        motion: the movement, of joints in the layout rhythmicnet17.
        model: a name in the registry of weights.
        part: one of its networks (a seed of its training); the one that did best on validation if None.

    Returns:
        (T,) in [0, 1] at `MOTION_FPS`; 0 in windows in which nobody is seen.

    Raises:
        OptionError: no such model or part, or joints in another layout.
        InputError: the weights are damaged.
    """
    shape = motion.velocity.shape
    if len(shape) != 3 or shape[1:] != (JOINTS, 2):
        raise OptionError(f"expected velocity (T, {JOINTS}, 2) in the layout rhythmicnet17, got {shape}")
    shipped = {name: weight for name, weight in weights.registry().items() if name.split("-")[0] == "beats"}
    if model not in shipped:
        raise OptionError(f"no beat model is called {model!r}: known are {', '.join(sorted(shipped))}")
    parts = sorted(shipped[model].sha256)
    if part is not None and part not in parts:
        raise OptionError(f"{model} has no part {part!r}: known are {', '.join(parts)}")
    session = _session(model, shipped[model].constants["best"] if part is None else part)

    def hear(velocity: NDArray[np.float32], seen: NDArray[np.float32]) -> NDArray[np.float32]:
        both = [(velocity, seen), mirrored(velocity, seen)]
        logits: NDArray[np.float32] = np.stack(
            [session.run(None, {"velocity": v[None], "seen": s[None]})[0][0] for v, s in both]
        )
        mean: NDArray[np.float32] = (1 / (1 + np.exp(-np.clip(logits, -30, 30)))).mean(0)
        return mean

    return through_windows(motion.velocity, hear)


def through_windows(
    velocity: NDArray[np.float32],
    hear: Callable[[NDArray[np.float32], NDArray[np.float32]], NDArray[np.float32]],
) -> NDArray[np.float32]:
    """Run a function of windows over a movement of any length, one window after the other.

    Args:
        velocity: (T, J, 2), NaN where a joint is not seen.
        hear: takes `velocity (WINDOW, J, 2)`, zero where unseen, and `seen (WINDOW, J)`, 1 or 0; gives (WINDOW,).

    Returns:
        (T,) float32.
    """
    frames = len(velocity)
    last = max(0, frames - WINDOW)
    total, weight = np.zeros(frames), np.zeros(frames)
    taper = _EDGE_WEIGHT + (1 - _EDGE_WEIGHT) * np.sin(np.pi * (np.arange(WINDOW) + 0.5) / WINDOW) ** 2
    for first in sorted({*range(0, last, HOP), last}):
        given = velocity[first : first + WINDOW]
        length = len(given)
        weight[first : first + length] += taper[:length]
        visible = np.isfinite(given).all(-1)
        if not visible.any():
            continue
        # A clip that is shorter than the window goes on with nobody in the picture.
        window = np.zeros((WINDOW, *given.shape[1:]), np.float32)
        seen = np.zeros(window.shape[:2], np.float32)
        window[:length] = np.where(visible[..., None], given, 0)
        seen[:length] = visible
        total[first : first + length] += taper[:length] * hear(window, seen)[:length]
    activation: NDArray[np.float32] = (total / np.maximum(weight, 1e-9)).astype(np.float32)
    return activation


@cache
def _session(model: str, part: str) -> Any:
    """The onnxruntime session of one network."""
    from kinebeat.weights.sessions import open_session

    return open_session(weights.load(model)[part])
