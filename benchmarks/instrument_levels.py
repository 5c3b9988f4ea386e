"""How loud piano and guitar are beside the drums (python benchmarks/instrument_levels.py CLIP... --data DIR).

Loudness is K-weighted and gated (ITU-R BS.1770), so each counts while it plays. Without balance is as the soundfont has
it: the level of every track alike.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from common import finish
from kinebeat import soundtrack
from kinebeat.accompaniment.accompanist import WEIGHT, Accompaniment
from kinebeat.accompaniment.corpus import load_segments, read_segments
from kinebeat.accompaniment.model import AccompanimentModel
from kinebeat.accompaniment.parts import INSTRUMENTS
from kinebeat.balance import balanced
from kinebeat.evaluation.part_players import drum_track, play_as_product
from kinebeat.evaluation.part_sets import evenly
from kinebeat.levels import SILENT_LUFS, loudness_lufs
from kinebeat.score import score_from_drums, with_accompaniments
from kinebeat.soundfont import open_soundfont
from kinebeat.synth import RATE_HZ, Sampler, render_blocks
from kinebeat.weights import load

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kinebeat.accompaniment.corpus import Segment
    from kinebeat.score import Score, Track

SONGS, OURS, CLIPS = "songs' parts", "accompanist, songs' drums", "soundtracks of clips"


@dataclass(frozen=True)
class Beside:
    """How loud one part is beside its drums, dB, and how hard it is played."""

    balanced_db: float
    as_in_font_db: float
    velocity: float


def score_of(segment: Segment) -> Score:
    """A segment with its own drums, played as loud as ours are."""
    drums = drum_track(segment.drums, segment.tempo_bpm)
    made = Accompaniment(segment.instrument, drums.grid, segment.part, segment.chords, segment.key)
    return with_accompaniments(score_from_drums(drums, float(drums.grid.beats_s[-1])), [made])


def lufs(score: Score, track: Track, sampler: Sampler) -> float:
    """Loudness of one track."""
    alone = replace(score, tracks=(track,))
    return loudness_lufs(render_blocks(alone, sampler=sampler), round(score.duration_s * RATE_HZ))


def beside_drums(score: Score, sampler: Sampler) -> Iterator[tuple[str, Beside]]:
    """Each instrument that is heard, and how loud it is."""
    drums, *others = balanced(score, sampler).tracks
    drums_lufs = lufs(score, drums, sampler)
    for track in others:
        own = lufs(score, track, sampler)
        if min(own, drums_lufs) > SILENT_LUFS:
            away_db = own - drums_lufs
            yield track.name.lower(), Beside(away_db, away_db - track.level_db, float(np.median(track.velocity)))


def row(name: str, instrument: str, font: str, found: list[Beside]) -> dict[str, object]:
    """Quartiles over parts."""
    low, middle, high = np.percentile([one.balanced_db for one in found], [25, 50, 75])
    return {
        "name": name,
        "instrument": instrument,
        "font": font,
        "parts": len(found),
        "beside_drums_db": float(middle),
        "p25_db": float(low),
        "p75_db": float(high),
        "without_balance_db": float(np.median([one.as_in_font_db for one in found])),
        "louder_than_drums": float(np.mean([one.balanced_db > 0 for one in found])),
        "velocity": float(np.median([one.velocity for one in found])),
    }


def main() -> None:
    """Measure and write benchmarks/results/instrument_levels.json."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("clips", type=Path, nargs="*", help="videos or keypoint files")
    data = parser.add_mutually_exclusive_group(required=True)
    data.add_argument("--data", type=Path, help="folder that holds the multi-track corpus")
    data.add_argument("--corpus", type=Path, help="its segments, as kinebeat.accompaniment.corpus keeps them")
    parser.add_argument("--parts", type=int, default=20, help="of each instrument")
    parser.add_argument("--soundfont", type=Path, action="append", help="may be given again; the usual one if not")
    options = parser.parse_args()
    start = time.perf_counter()
    test = list(load_segments(options.corpus, "test")) if options.corpus else read_segments(options.data)["test"]
    chosen = [
        part for who in INSTRUMENTS for part in evenly([one for one in test if one.instrument == who], options.parts)
    ]
    scores = {
        SONGS: [score_of(one) for one in chosen],
        OURS: [score_of(one) for one in play_as_product(AccompanimentModel(load(WEIGHT)), chosen)],
        CLIPS: [soundtrack(clip, instruments=INSTRUMENTS, workers=1).score for clip in options.clips],
    }
    rows = []
    for path in options.soundfont or [None]:
        sampler = Sampler(open_soundfont(path))
        for name, music in scores.items():
            found = defaultdict(list)
            for score in music:
                for instrument, beside in beside_drums(score, sampler):
                    found[instrument].append(beside)
            rows += [row(name, who, sampler.font.path.name, found[who]) for who in INSTRUMENTS if found[who]]
    finish(
        "instrument_levels",
        "Loudness of piano and guitar beside the drums",
        rows,
        data=f"multi-track corpus, test split, {options.parts} segments of each instrument; {len(options.clips)} clips",
        seconds=time.perf_counter() - start,
    )


if __name__ == "__main__":
    main()
