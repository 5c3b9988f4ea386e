"""A rehearsal: hearing a made-up clip loads what the first real one would have to wait for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from kinebeat.hearing import Heard

SECONDS, FPS, TEMPO_BPM = 4.0, 30.0, 120.0
HEIGHT_PX = 400.0


def rehearsed() -> Heard:
    """A few seconds of somebody whose joints all swing, as they are heard."""
    from kinebeat.beats.hearing import hear_beats
    from kinebeat.hearing import Heard
    from kinebeat.motion import compute_motion
    from kinebeat.pose.track import PoseTrack
    from kinebeat.skeleton import LAYOUTS

    joints = len(LAYOUTS["rhythmicnet17"].joints)
    times_s = np.arange(round(SECONDS * FPS)) / FPS
    still = np.random.default_rng(0).uniform(0.2, 0.8, (joints, 2)) * HEIGHT_PX
    swing = 0.1 * HEIGHT_PX * np.sin(np.pi * TEMPO_BPM / 60 * times_s)
    moved = np.stack([swing, np.zeros_like(swing)], axis=-1)[:, None] * np.linspace(0, 1, joints)[:, None]
    xy = (still + moved).astype(np.float32)
    shot, score = np.zeros(len(xy), np.int32), np.ones(xy.shape[:2], np.float32)
    track = PoseTrack(xy, score, times_s, "rhythmicnet17", shot, (round(HEIGHT_PX), round(HEIGHT_PX)))
    motion = compute_motion(track, SECONDS)
    return Heard(Path("rehearsal"), None, SECONDS, track, motion, hear_beats(motion, SECONDS))
