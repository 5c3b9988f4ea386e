"""Time from keypoints to the beats of the next second, on one thread (python benchmarks/live_beats_speed.py)."""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from common import finish
from kinebeat.live import movement
from kinebeat.live.visbeat.model import VisBeatNet
from kinebeat.puppet import puppet_pose

if TYPE_CHECKING:
    from collections.abc import Callable


def timed(seconds: list[float], work: Callable[..., Any], *given: Any) -> Any:
    """What the work gives; how long it took is added to the list."""
    begun = time.perf_counter()
    done = work(*given)
    seconds.append(time.perf_counter() - begun)
    return done


def main() -> None:
    """Measure and write benchmarks/results/live_beats_speed.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="length of the movement")
    options = parser.parse_args()
    start = time.perf_counter()
    pose = puppet_pose(np.arange(round(options.seconds * 30)) / 30)
    net, moved = VisBeatNet(), movement.begin()
    state = net.begin()
    took: dict[str, list[float]] = {"movement.advance": [], "VisBeatNet.step": [], "VisBeatNet.forecast": []}
    for xy, score, time_s in zip(pose.xy, pose.score, pose.times_s, strict=True):
        ticks, moved = timed(took["movement.advance"], movement.advance, xy, score, float(time_s), moved)
        for tick in ticks:
            given = tick.directogram, tick.offset, tick.present, state
            _, _, state = timed(took["VisBeatNet.step"], net.step, *given)
            timed(took["VisBeatNet.forecast"], net.forecast, state)
    rows = [
        {"name": name} | {f"p{p}_ms": 1000 * float(np.percentile(seconds, p)) for p in (50, 95, 99)}
        for name, seconds in took.items()
    ]
    where = f"drawn dancer's joints at 30 fps, {options.seconds:g} s"
    finish("live_beats_speed", "From keypoints to beats", rows, data=where, seconds=time.perf_counter() - start)


if __name__ == "__main__":
    main()
