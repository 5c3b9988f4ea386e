"""An hour live: is anything lost, doubled, drifting, or growing (python benchmarks/live_hour.py)?"""

from __future__ import annotations

import argparse
import sys
import time

import numpy as np
import psutil

from common import finish, spread
from kinebeat.evaluation.following import JITTER_PX, coherence
from kinebeat.live.engine import LiveEngine
from kinebeat.live.events import Beat, Change, Hit
from kinebeat.live.keypoints import Keypoints
from kinebeat.live.settings import LiveSettings
from kinebeat.puppet import make_dance, puppet_pose

FPS, TEMPO_BPM = 30.0, 104.0
CHUNK_S = 60.0
PAUSE_EVERY_S, PAUSE_S = 300.0, 8.0
"""Every five minutes the figure rests, so that the drums end and begin again."""


def main() -> None:
    """Measure and write benchmarks/results/live_hour.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    options = parser.parse_args()
    start = time.perf_counter()
    duration_s = 60 * options.minutes
    dance = make_dance(duration_s=duration_s + 4, tempo_bpm=TEMPO_BPM)
    rng = np.random.default_rng(0)
    engine, process = LiveEngine(LiveSettings(mode="both")), psutil.Process()
    state = engine.begin()
    beats: list[Beat] = []
    hits: list[Hit] = []
    changes: list[Change] = []
    steps_s: list[float] = []
    megabytes: list[float] = []
    for first in np.arange(0.0, duration_s, CHUNK_S):
        times_s = first + np.arange(round(CHUNK_S * FPS)) / FPS
        shown_s = times_s.copy()
        resting = (times_s % PAUSE_EVERY_S) > PAUSE_EVERY_S - PAUSE_S
        if resting.any():
            shown_s[resting] = times_s[resting][0]  # what is shown stands still, and then goes on in time
        pose = puppet_pose(shown_s, dance=dance)
        xy = (pose.xy + rng.normal(0, JITTER_PX, pose.xy.shape)).astype(np.float32)
        for frame, score, time_s in zip(xy, pose.score, times_s, strict=True):
            began = time.process_time()
            events, state = engine.step(Keypoints(frame, score, pose.size), float(time_s), state)
            steps_s.append(time.process_time() - began)
            beats += [event for event in events if isinstance(event, Beat)]
            hits += [event for event in events if isinstance(event, Hit)]
            changes += [event for event in events if isinstance(event, Change)]
        megabytes.append(process.memory_info().rss / 1e6)
    at_s = np.array([beat.time_s for beat in beats])
    tenth = duration_s / 6
    early, late = (
        coherence(at_s[(at_s > low) & (at_s < high)], dance.beats_s)
        for low, high in ((10.0, tenth), (duration_s - tenth, duration_s))
    )
    groove = [hit for hit in hits if hit.joint is None]
    row = {
        "name": f"{options.minutes:g} minutes at {TEMPO_BPM:g} BPM, with rests",
        "beats": len(beats),
        "beats_lost_or_doubled": sum(beat.number != k for k, beat in enumerate(beats)),
        "beats_out_of_order": int((np.diff(at_s) <= 0).sum()),
        "hits": len(hits),
        "hits_lost_or_doubled": len(hits) - len({hit.number for hit in hits} & set(range(len(hits)))),
        "hits_struck_twice": len(groove) - len({(hit.time_s, hit.drum) for hit in groove}),
        "rests": sum(change.mood == "waiting" for change in changes),
        "coherence_first_sixth": early[0],
        "coherence_last_sixth": late[0],
        "late_beats_first_sixth": early[1],
        "late_beats_last_sixth": late[1],
        "megabytes_after_a_minute": megabytes[0],
        "megabytes_grown_since": megabytes[-1] - megabytes[0],
        "bytes_kept_by_events": sys.getsizeof(hits) + sys.getsizeof(beats) + 200 * (len(hits) + len(beats)),
        **{f"cpu_per_frame_{key}": value for key, value in spread(steps_s).items()},
    }
    finish("live_hour", "an hour live", [row], data="the dancing figure", seconds=time.perf_counter() - start)


if __name__ == "__main__":
    main()
