"""Do live drums fall on the accents of the movement (python benchmarks/live_alignment.py KEYPOINTS...)?"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from common import finish
from kinebeat.accents import find_accents
from kinebeat.drums.kit import DRUMS
from kinebeat.evaluation.alignment import Events, pooled_alignment
from kinebeat.live.engine import LiveEngine
from kinebeat.live.events import Event, Hit
from kinebeat.live.keypoints import from_layout
from kinebeat.live.settings import LiveSettings
from kinebeat.motion import compute_motion
from kinebeat.pose.files import load_pose

if TYPE_CHECKING:
    from kinebeat.pose.track import PoseTrack

SHORTEST_S = 5.0


def played(pose: PoseTrack, settings: LiveSettings) -> tuple[list[Event], list[float]]:
    """All events, and how long before they were due they were handed out."""
    engine = LiveEngine(settings)
    state = engine.begin()
    events: list[Event] = []
    ahead_s: list[float] = []
    for xy, score, time_s in zip(pose.xy, pose.score, pose.times_s, strict=True):
        keypoints = from_layout(xy, score, pose.layout, pose.size)
        some, state = engine.step(keypoints, float(time_s), state)
        events += some
        ahead_s += [event.time_s - float(time_s) for event in some if isinstance(event, Hit)]
    return events, ahead_s


def row(name: str, clips: list[PoseTrack], settings: LiveSettings, *, louder: bool) -> dict[str, Any]:
    """Figures over all clips, of all hits or of those that are louder than half of their clip's."""
    pooled, hits, ahead_s, seconds, onsets = [], np.zeros(len(DRUMS)), [], 0.0, 0
    for pose in clips:
        events, ahead = played(pose, settings)
        struck = [event for event in events if isinstance(event, Hit)]
        times_s, velocities = (np.array([getattr(hit, key) for hit in struck]) for key in ("time_s", "velocity"))
        if not len(times_s):
            continue
        duration_s = float(pose.times_s[-1])
        accents_s = find_accents(compute_motion(pose, duration_s)).times_s
        heard = velocities > np.median(velocities) if louder else np.ones(len(velocities), bool)
        pooled.append(Events(accents_s, np.unique(times_s[heard].round(4)), duration_s))
        hits += np.bincount([hit.drum for hit in struck], minlength=len(DRUMS))
        ahead_s += ahead
        seconds += duration_s
        onsets += len(np.unique(times_s.round(4)))
    there, back = pooled_alignment(pooled), pooled_alignment(pooled, reverse=True)
    return {
        "name": name,
        "clips": len(pooled),
        "bas": there.score,
        "bas_null": there.null_mean,
        "z": there.z,
        "bas_back": back.score,
        "bas_back_null": back.null_mean,
        "z_back": back.z,
        "onsets_per_s": onsets / seconds,
        "hits_per_s": float(hits.sum() / seconds),
        "ahead_p50_s": float(np.median(ahead_s)),
        **{f"share_{drum.name.replace(' ', '_')}": float(n / hits.sum()) for drum, n in zip(DRUMS, hits, strict=True)},
    }


def main() -> None:
    """Measure and write benchmarks/results/live_alignment.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clips", type=Path, nargs="+", help="keypoint files, as `kinebeat pose` writes them")
    options = parser.parse_args()
    start = time.perf_counter()
    clips = [pose for pose in map(load_pose, options.clips) if pose.times_s[-1] >= SHORTEST_S]
    rows = [
        row("groove, louder half of the hits", clips, LiveSettings(), louder=True),
        row("groove, all hits", clips, LiveSettings(), louder=False),
        row("instrument", clips, LiveSettings(mode="instrument"), louder=False),
    ]
    data = f"{len(clips)} real clips of {SHORTEST_S:g} s and more, keypoints as the product cleans them"
    finish("live_alignment", "live drums and accents", rows, data=data, seconds=time.perf_counter() - start)


if __name__ == "__main__":
    main()
