"""Time from kinematic offsets to the drums of the next beat, on one thread (python benchmarks/live_drums_speed.py)."""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from common import finish
from kinebeat.live.drumming.data import CONTEXT, NEW, WINDOW
from kinebeat.live.drumming.model import DrumGenNet, MonoNet
from kinebeat.live.style.accumulate import style_of
from kinebeat.live.style.model import MuStyleNet

if TYPE_CHECKING:
    from collections.abc import Callable

FORECAST_TICKS = 36


def main() -> None:
    """Measure and write benchmarks/results/live_drums_speed.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--beats", type=int, default=1000, help="how many are played")
    options = parser.parse_args()
    start = time.perf_counter()
    rng = np.random.default_rng(0)
    stylist, drummer, mono = MuStyleNet(), DrumGenNet(), MonoNet()
    took: dict[str, list[float]] = {}

    def timed(name: str, work: Callable[..., Any], *given: Any) -> Any:
        begun = time.perf_counter()
        done = work(*given)
        took.setdefault(name, []).append(time.perf_counter() - begun)
        return done

    styled, note = stylist.begin(), mono.begin()
    times_s, steps_s = np.arange(150) / 30, 2.0 + 0.125 * np.arange(WINDOW)
    past = np.zeros(150 - FORECAST_TICKS, np.float32)
    hits = np.zeros((CONTEXT, 9), bool)
    for beat in range(options.beats):
        for offset in rng.random(15):
            envelope, styled = timed("MuStyleNet.step", stylist.step, float(offset), styled)
            past = np.append(past[1:], np.float32(envelope))
        begun = time.perf_counter()
        ahead = timed("MuStyleNet.forecast, 36 ticks", stylist.forecast, rng.random(FORECAST_TICKS), styled)
        style = timed("style_of", style_of, np.concatenate([past, ahead]), times_s, steps_s)
        new = timed("DrumGenNet.play", drummer.play, style, hits, beat % 4, rng.random(NEW))
        took.setdefault("forecast, style_of and play together", []).append(time.perf_counter() - begun)
        hits = np.concatenate([hits[NEW:], new])
        _, note = timed("MonoNet.step", mono.step, note, float(rng.random()))
    rows = [
        {"name": name} | {f"p{p}_ms": 1000 * float(np.percentile(seconds, p)) for p in (50, 95, 99)}
        for name, seconds in took.items()
    ]
    where = f"random offsets at 30 a second, {options.beats} beats"
    finish("live_drums_speed", "From offsets to drums", rows, data=where, seconds=time.perf_counter() - start)


if __name__ == "__main__":
    main()
