"""Twenty jobs from five clients while one plays live: do the drums stay in time (python benchmarks/studio_load.py)?

Live is measured twice, each time alone and with the jobs: a session as `kinebeat live --video` has it, whose events are
handed over when they are due, and the live page that the studio opens, with a client that sends pictures as a page does
and is told of events ahead of their time. Late is what comes after it was due. What other programs on the computer take
is measured all the while: beside all events stand those of moments in which they left the cores alone.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil

from common import finish
from kinebeat.evaluation.latency_sessions import Listener, spread
from kinebeat.live.clock import SessionClock
from kinebeat.live.engine import LiveEngine
from kinebeat.live.inputs.recorded import VideoInput
from kinebeat.live.session import Session
from kinebeat.live.settings import LiveSettings
from kinebeat.puppet import draw_puppet_video

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from studio_process import StudioProcess

if TYPE_CHECKING:
    from collections.abc import Callable

    from kinebeat.live.events import Event
    from kinebeat.live.inputs.frames import Frame

CLIENTS, JOBS_EACH = 5, 4
CLIP_S, FILM_S = 6.0, 12.0
ALONE_S = 40.0
FPS = 30.0
WITHIN_S = 900.0
LOOK_S = 0.5
PAGE_SIDE = 640
"""Longer side of the pictures that the page sends."""
IN_TIME_MS = 10.0
MOMENT_S, LEFT_ALONE, ENOUGH = 0.5, 0.15, 100
"""How often others are looked at, what they may have, and how many events tell something."""


class Timed(Listener):
    """Notes when each event was handed over, by a clock that other processes have, too."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.at_s: list[float] = []

    def play(self, event: Event) -> None:
        """An event is handed over."""
        before = len(self.past_due_s)
        super().play(event)
        self.at_s += [time.monotonic()] * (len(self.past_due_s) - before)


class AgainAndAgain(VideoInput):
    """A video that is played over and over until standard input ends."""

    def run(
        self,
        deliver: Callable[[Frame], None],
        clock: SessionClock,
        stop: threading.Event,
        notice: Callable[[str], None],
    ) -> None:
        """Deliver the pictures."""
        ended = threading.Event()
        threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
        print("plays", flush=True)
        while not stop.is_set() and not ended.is_set():
            super().run(deliver, clock, stop, notice)


def play_session(film: Path) -> None:
    """In a process of its own: a live session to a film, until standard input ends; prints how it went."""
    from kinebeat.live.inputs.pose import PoseFinder

    finder, clock = PoseFinder(), SessionClock()
    heard = Timed(clock, WITHIN_S)
    session = Session(AgainAndAgain(film), LiveEngine, LiveSettings(), outputs=[heard], find=finder.find, clock=clock)
    try:
        finder.warm_up()
        session.run()
    finally:
        finder.close()
    report = session.report()
    told = {
        "late_s": heard.past_due_s,
        "at_s": heard.at_s,
        "handed_over": spread(heard.error_s),
        "frame_to_events": spread(heard.delay_s),
        "frames": report.frames,
        "frames_lost": report.replaced + report.passed_over,
        "told_past_due": heard.late,
    }
    print(json.dumps(told), flush=True)


def play_page(url: str) -> None:
    """In a process of its own: a client of the live page, until standard input ends; prints how it went."""
    import cv2
    from websockets.exceptions import ConnectionClosed
    from websockets.sync.client import connect

    from kinebeat.live.server import HEAD
    from kinebeat.video_in import frames

    url, film = url.rsplit("|", 1)
    pictures = [
        cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1].tobytes()
        for _, picture in frames(Path(film), max_side=PAGE_SIDE)
    ]
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    with connect(f"{url.replace('http', 'ws')}live", origin=url.rstrip("/"), open_timeout=30) as page:
        page.recv(timeout=30)
        apart_s = _apart_s(page)
        late_s: list[float] = []
        at_s: list[float] = []
        seen: list[float] = []

        def listen() -> None:
            try:
                for text in page:
                    now_s, message = time.monotonic() + apart_s, json.loads(text)
                    if message["t"] in ("beat", "hit"):
                        late_s.append(now_s - message["at"])
                        at_s.append(now_s - apart_s)
                    elif message["t"] == "seen" and not message["idle"]:
                        seen.append(now_s - message["at"])
            except ConnectionClosed:
                return

        listener = threading.Thread(target=listen)
        listener.start()
        print("plays", flush=True)
        begin_s, number = time.monotonic(), 0
        while not ended.is_set():
            due_s = begin_s + number / FPS
            time.sleep(max(0.0, due_s - time.monotonic()))
            page.send(HEAD.pack(due_s + apart_s, number) + pictures[number % len(pictures)])
            number += 1
        time.sleep(0.5)
        page.close()
        listener.join()
    told = {"late_s": late_s, "at_s": at_s, "frame_to_seen": spread(seen), "frames": number}
    print(json.dumps(told | {"frames_lost": number - len(seen)}), flush=True)


def _apart_s(page: Any) -> float:
    """How far the session's clock is ahead of ours: by the quickest of some answers."""
    found = []
    for k in range(8):
        begin_s = time.monotonic()
        page.send(json.dumps({"t": "ping", "id": k}))
        while (message := json.loads(page.recv(timeout=30)))["t"] != "pong":
            pass
        end_s = time.monotonic()
        found.append((end_s - begin_s, message["now"] - (begin_s + end_s) / 2))
    return min(found)[1]


class Neighbours:
    """How many cores the other programs of this computer had, moment by moment."""

    def __init__(self) -> None:
        self.moments: list[tuple[float, float, float]] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()

    def end(self) -> None:
        """Look no more."""
        self._ended.set()
        self._thread.join()

    def left_alone(self, at_s: list[float]) -> list[bool]:
        """Of times, whether others left the cores alone then and the moment before."""
        ends = [end_s for _, end_s, _ in self.moments]
        calm = [cores <= LEFT_ALONE for _, _, cores in self.moments]
        both = [now and before for now, before in zip(calm, [False, *calm], strict=False)]
        return [k < len(both) and both[k] for k in np.searchsorted(ends, at_s).tolist()]

    def _look(self) -> None:
        before_s, before = time.monotonic(), _busy_s() - _own_s()
        while not self._ended.wait(MOMENT_S):
            now_s, now = time.monotonic(), _busy_s() - _own_s()
            self.moments.append((before_s, now_s, (now - before) / (now_s - before_s)))
            before_s, before = now_s, now


def _busy_s() -> float:
    """Processor seconds of the whole computer."""
    ticks = [int(word) for word in Path("/proc/stat").read_text().split("\n")[0].split()[1:9]]
    return (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK")


def _own_s() -> float:
    """Processor seconds of this process and all that it has started."""
    spent = 0.0
    me = psutil.Process()
    for process in (me, *me.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            spent += sum(process.cpu_times()[:4])
    return spent


class Playing:
    """Somebody who plays live, in a process of their own."""

    def __init__(self, how: str, what: str) -> None:
        command = [sys.executable, __file__, how, what]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        assert self._process.stdout is not None
        if "plays" not in self._process.stdout.readline():
            raise SystemExit("live does not begin")

    def end(self) -> dict[str, Any]:
        """How it went."""
        said, _ = self._process.communicate("", timeout=60)
        told: dict[str, Any] = json.loads(said.splitlines()[-1])
        return told


def jobs(studio: StudioProcess, clip: Path) -> dict[str, Any]:
    """Every client brings its clips one after the other and waits until all are done."""
    done: list[dict[str, Any]] = []
    refused: list[Any] = []
    begin_s = time.perf_counter()

    def client(number: int) -> None:
        own = []
        for k in range(JOBS_EACH):
            status, job, _ = studio.upload(clip, f"client {number} clip {k}.mp4")
            (own if status == 201 else refused).append(job)
        done.extend(studio.wait(job["id"], within_s=WITHIN_S, every_s=LOOK_S) for job in own)

    clients = [threading.Thread(target=client, args=(number,)) for number in range(CLIENTS)]
    for one in clients:
        one.start()
    for one in clients:
        one.join()
    states = [job["state"] for job in done]
    return {
        "jobs": CLIENTS * JOBS_EACH,
        "jobs_done": states.count("done"),
        "jobs_failed": states.count("failed"),
        "jobs_refused": len(refused),
        "jobs_s": time.perf_counter() - begin_s,
    }


def row(name: str, told: dict[str, Any], neighbours: Neighbours, more: dict[str, Any]) -> dict[str, Any]:
    """Of the table."""
    late_s, calm = told["late_s"], neighbours.left_alone(told["at_s"])
    kept = [late for late, so in zip(late_s, calm, strict=True) if so]
    facts: dict[str, Any] = {"name": name, "events": len(late_s), "events_left_alone": len(kept)}
    for which, values in (("left_alone", kept), ("all", late_s)):
        found = spread(values)
        facts |= {f"late_{which}_{key}": found.get(key) for key in ("p50_ms", "p95_ms", "p99_ms", "max_ms")}
    for kind in ("handed_over", "frame_to_events", "frame_to_seen"):
        if kind in told:
            facts |= {f"{kind}_{key}": told[kind].get(key) for key in ("p50_ms", "p95_ms")}
    facts |= {key: told[key] for key in ("frames", "frames_lost", "told_past_due") if key in told}
    return facts | {"others_cores": float(np.mean([cores for _, _, cores in neighbours.moments]))} | more


def main() -> None:
    """Measure and write benchmarks/results/studio_load.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--session", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--page", help=argparse.SUPPRESS)
    parser.add_argument("--quick", action="store_true", help="print only, write nothing")
    options = parser.parse_args()
    if options.session is not None:
        play_session(options.session)
        return
    if options.page is not None:
        play_page(options.page)
        return
    begin_s = time.perf_counter()
    rows = []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        film, clip = folder / "film.mp4", folder / "clip.mp4"
        draw_puppet_video(film, duration_s=FILM_S, fps=FPS, size=(1280, 720))
        draw_puppet_video(clip, duration_s=CLIP_S, fps=25.0, size=(360, 480), seed=1)
        studio = StudioProcess(folder / "studio")
        try:
            ways = {"session": ("--session", str(film))}
            url = studio.ask("GET", "/live")[2]["location"]
            ways["page"] = ("--page", f"{url}|{film}")
            for name, (how, what) in ways.items():
                for busy in (False, True):
                    neighbours, live = Neighbours(), Playing(how, what)
                    came = jobs(studio, clip) if busy else None
                    if came is None:
                        time.sleep(ALONE_S)
                    told = live.end()
                    neighbours.end()
                    rows.append(row(f"{name}, {'with 20 jobs' if busy else 'alone'}", told, neighbours, came or {}))
                    for job in studio.jobs():
                        studio.ask("DELETE", f"/api/jobs/{job['id']}")
        finally:
            studio.end()
    for one in rows:
        late_ms = one["late_left_alone_p95_ms"]
        one["p95_in_time"] = None if one["events_left_alone"] < ENOUGH else bool(late_ms <= IN_TIME_MS)
    if options.quick:
        print(json.dumps(rows, indent=1))
    else:
        finish("studio_load", "live beside jobs", rows, data=f"puppets, {os.cpu_count()} cores",
               seconds=time.perf_counter() - begin_s)  # fmt: skip
    raise SystemExit(not all(one["p95_in_time"] is not False and one.get("jobs_done", 20) == 20 for one in rows))


if __name__ == "__main__":
    main()
