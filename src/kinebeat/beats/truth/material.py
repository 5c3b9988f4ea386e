"""Recordings made ready for dances: everybody as large as the others, with landings found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kinebeat.beats.truth.landings import JOINTS, Landings, find_landings
from kinebeat.motion import MOTION_FPS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.random import Generator
    from numpy.typing import NDArray

    from kinebeat.beats.truth.mocap import Take

STANDARD_M = 1.38
"""Length of trunk, thigh and shank together to which everybody is scaled."""
SOURCE_SHARES = {"choreonet": 0.35, "cmu": 0.30, "bandai": 0.35}


@dataclass(frozen=True)
class Material:
    """A take made ready: scaled, with its landings found."""

    take: Take
    xyz: NDArray[np.float32]
    whole: Landings
    lower: Landings
    arms: Landings

    @classmethod
    def of(cls, take: Take) -> Material:
        """Prepare a take."""
        size_m = sum(
            float(np.median(np.linalg.norm(take.xyz[:, JOINTS.index(a)] - take.xyz[:, JOINTS.index(b)], axis=1)))
            for a, b in (("neck", "mid_hip"), ("left_hip", "left_knee"), ("left_knee", "left_ankle"))
        )
        xyz = take.xyz * np.float32(STANDARD_M / size_m)
        lower, arms = find_landings(xyz, ("feet", "trunk")), find_landings(xyz, ("hands",))
        return cls(take, xyz, find_landings(xyz), lower, arms)

    def at(self, time_s: NDArray[np.float64]) -> NDArray[np.float32]:
        """The body at any seconds of the take, (N, 17, 3); beyond its ends it goes back the way it came."""
        last = len(self.xyz) - 1
        frame = np.abs((np.asarray(time_s) * MOTION_FPS + last) % (2 * last) - last)
        below = np.minimum(frame.astype(int), last - 1)
        part = (frame - below).astype(np.float32)[:, None, None]
        return np.asarray(self.xyz[below] * (1 - part) + self.xyz[below + 1] * part)


def drawn(material: Sequence[Material], rng: Generator, shortest_s: float = 0.0) -> Material:
    """A take: first the set, then the class of movement, so that walking does not drown the rest."""
    fit = [m for m in material if m.take.duration_s >= shortest_s] or [max(material, key=lambda m: m.take.duration_s)]
    sources = sorted({m.take.source for m in fit})
    share = np.array([SOURCE_SHARES.get(source, 0.3) for source in sources])
    source = sources[rng.choice(len(sources), p=share / share.sum())]
    contents = sorted({m.take.content for m in fit if m.take.source == source})
    content = contents[rng.integers(len(contents))]
    same = [m for m in fit if (m.take.source, m.take.content) == (source, content)]
    length = np.array([m.take.duration_s for m in same])
    return same[rng.choice(len(same), p=length / length.sum())]
