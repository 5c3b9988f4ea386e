"""A made pianist: one finger, in key units, that dips towards the keys where notes begin."""

import numpy as np

from kinebeat.performance.corpus import Piece
from kinebeat.performance.features import FPS
from kinebeat.performance.notes import Notes
from kinebeat.performance.piano_keys import CENTRE_U, IS_BLACK, LOWEST_PITCH

RIGHT_INDEX_TIP = 21 + 8


def random_notes(seed=0, seconds=12.0, apart_s=0.4, low=20, high=70):
    """Notes of one voice, a walk over the keys."""
    rng = np.random.default_rng(seed)
    onset_s = np.cumsum(rng.uniform(apart_s, 2 * apart_s, int(seconds / apart_s)))
    onset_s = onset_s[onset_s < seconds - 0.5]
    keys = np.clip(44 + np.cumsum(rng.integers(-3, 4, len(onset_s))), low, high)
    return Notes.of(onset_s, onset_s + 0.2, keys + LOWEST_PITCH, 76)


def one_finger(notes, seconds=12.0, seed=0, *, real=True):
    """The piece of somebody who plays notes with the right index finger; the left hand is not in the picture."""
    rng = np.random.default_rng(seed)
    times_s = np.arange(int(seconds * FPS)) / FPS
    keys = notes.pitch - LOWEST_PITCH
    joints = np.full((len(times_s), 42, 2), np.nan, np.float32)
    u = np.interp(times_s, notes.onset_s, CENTRE_U[keys])
    black = IS_BLACK[keys][np.clip(np.searchsorted(notes.onset_s, times_s), 0, len(notes) - 1)]
    dip = np.exp(-0.5 * ((times_s[:, None] - notes.onset_s) / 0.04) ** 2).max(1)
    tip = np.stack([u, 1.5 + 2.0 * black + 0.6 * dip], -1)
    joints[:, 21:] = tip[:, None] + np.array([0.0, -2.0]) + rng.normal(0, 0.8, (21, 2))
    joints[:, RIGHT_INDEX_TIP] = tip
    joints += rng.normal(0, 0.03, joints.shape)
    return Piece(joints.astype(np.float32), notes, "piano", real, f"one finger {seed}")
