"""How the drums of clips are played, beside Groove's drummers (python benchmarks/playing.py CLIP... --data DIR)."""

from __future__ import annotations

import argparse
import time
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from common import finish
from kinebeat import soundtrack
from kinebeat.drums.data import read_groove
from kinebeat.drums.kit import DRUMS

if TYPE_CHECKING:
    from numpy.typing import NDArray

TIMEKEEPERS = [i for i, drum in enumerate(DRUMS) if drum.name in ("closed hi-hat", "open hi-hat", "ride")]


def likeness(hits: NDArray[np.bool_]) -> float:
    """Mean share of hits that neighbouring bars have in common (Jaccard index)."""
    bars = hits[: len(hits) // 16 * 16].reshape(-1, 16 * 9)
    return float(np.mean([(a & b).sum() / max(1, (a | b).sum()) for a, b in pairwise(bars)]))


def row(name: str, played: list[tuple[NDArray[np.bool_], float]]) -> dict[str, float | str]:
    """Figures of some performances, each with its length in seconds."""
    share = np.mean([hits.sum(0) / hits.sum() for hits, _ in played], axis=0)
    return {
        "name": name,
        "performances": len(played),
        "onsets_per_s": float(np.mean([hits.any(1).sum() / seconds for hits, seconds in played])),
        "hits_per_s": float(np.mean([hits.sum() / seconds for hits, seconds in played])),
        "hi_hat_and_ride_share": float(share[TIMEKEEPERS].sum()),
        "likeness_of_neighbouring_bars": float(np.mean([likeness(hits) for hits, _ in played])),
        **{f"share_{drum.name.replace(' ', '_')}": float(part) for drum, part in zip(DRUMS, share, strict=True)},
    }


def main() -> None:
    """Measure and write benchmarks/results/playing.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "clips", type=Path, nargs="+", help="videos or keypoint files; those under two bars are left out"
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=4)
    options = parser.parse_args()
    start = time.perf_counter()
    ours = []
    for clip in options.clips:
        made = soundtrack(clip)
        if made.grid.steps >= 32 and made.rhythm.present.mean() > 0.8:
            ours += [(made.variant(seed).drums.hits, made.duration_s) for seed in range(options.seeds)]
    groove = [
        (p.hits, len(p.hits) * 15 / p.tempo_bpm)
        for p in read_groove(options.data)
        if p.split == "validation" and p.kind == "beat" and len(p.hits) >= 32 and p.hits.any()
    ]
    rows = [row("soundtracks", ours), row("Groove, validation", groove)]
    finish(
        "playing",
        "How the drums are played",
        rows,
        data=f"{len(ours) // options.seeds} clips, {options.seeds} seeds each",
        seconds=time.perf_counter() - start,
    )


if __name__ == "__main__":
    main()
