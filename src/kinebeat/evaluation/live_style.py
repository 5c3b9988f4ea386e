"""How well MuStyleNet turns a movement into drum onsets, beside what is simpler than a network.

Measured on pairs of movement and drums (`kinebeat.live.style.pairs`) that it has not seen: figures of
`kinebeat.live.style.scores`. The drums of a pair are one answer of many, so no causal row can come near to them; what
counts is the way from the curve itself to them, and that the network follows the movement while it plays like drums.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from kinebeat.live.style.model import MuStyleNet
from kinebeat.live.style.pairs import Pairs, load_pairs
from kinebeat.live.style.scores import scores

if TYPE_CHECKING:
    from pathlib import Path


def evaluate_live_style(
    pairs: Path, *, split: str = "test", most: int = 2000, seed: int = 0, net: MuStyleNet | None = None
) -> dict[str, Any]:
    """Score MuStyleNet, the curve itself, other pairs' drums, and the drums of the pairs.

    Args:
        pairs: folder that `kinebeat.live.style.pairs` made.
        split: "test", or "validation" to choose by.
        most: pairs at most.
        seed: of whose drums are given to whom in the row that is drawn at random.
        net: instead of the shipped one.

    Returns:
        `table` and `rows`.

    Raises:
        InputError: no pairs.
    """
    found = load_pairs(pairs / f"{split}.npz")
    asked = Pairs(*(value[:most] for value in vars(found).values()))
    model = net or MuStyleNet()
    begun = model.begin()
    made, heard = (np.stack([model.forecast(c, begun) for c in curves]) for curves in (asked.offsets, asked.heard))
    others = np.roll(np.random.default_rng(seed).permutation(len(asked)), 1)
    rows = {
        "MuStyleNet on what VisBeatNet hears and forecasts": heard,
        "MuStyleNet on the true offsets": made,
        "what VisBeatNet hears and forecasts": asked.heard,
        "the true offsets": asked.offsets,
        "drums of another pair": asked.envelope[others],
        "the drums of the pair": asked.envelope,
    }
    return {
        "table": f"live style: onset envelopes of {len(asked)} pairs of movement and drums, {split}",
        "rows": [{"name": name, **scores(envelope, asked)} for name, envelope in rows.items()],
    }
