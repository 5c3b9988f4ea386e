"""Rhythms that are not the movement's, which a soundtrack has to be better than (RhythmicNet, section 4, Table 5)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from kinebeat.rhythm import Rhythm

CHANCE_ON = 0.5
USUAL_STRENGTH = 0.5
"""Of a random accent where the movement has none of its own to draw from."""


def shuffled(rhythm: Rhythm, seed: int) -> Rhythm:
    """The same beats and accents in another order: the 16ths of the clip are dealt out anew.

    Energy and presence stay as they are, so the drums are as busy and as loud as ours where the movement is; what is
    lost is when the accents are.

    Args:
        rhythm: of the movement.
        seed: of the order.
    """
    order = np.random.default_rng(seed).permutation(len(rhythm.beat))
    return replace(
        rhythm, beat=rhythm.beat[order], accent=rhythm.accent[order], accent_offset=rhythm.accent_offset[order]
    )


def random(rhythm: Rhythm, seed: int) -> Rhythm:
    """Each 16th is on with a chance of one half, as strong as one of the movement's own accents; energy stays.

    Args:
        rhythm: of the movement.
        seed: of the chance.
    """
    rng = np.random.default_rng(seed)
    on = rng.random(len(rhythm.beat)) < CHANCE_ON
    own = rhythm.accent[rhythm.accent > 0]
    strength = rng.choice(own, len(on)) if len(own) else np.full(len(on), USUAL_STRENGTH)
    accent = np.where(on, strength, 0.0).astype(np.float32)
    return replace(rhythm, beat=on.astype(np.float32), accent=accent, accent_offset=np.zeros(len(on), np.float32))
