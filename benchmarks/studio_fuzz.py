"""A thousand wrong inputs: does anything crash, hang, leak, or stay behind (python benchmarks/studio_fuzz.py)?

Videos go to a studio as uploads and are worked on; keypoint files and MIDI files to the command line; messages to the
WebSockets of the live page and of the studio; calls to the studio's API. All from one seed. A crash is an exception
that nobody expected, a process that died, or a job that failed for a defect of ours; a hang is an input that takes more
than 30 s, to which music that is composed to adds a twentieth of its length; a leak is the growth of a process from its
first third of the inputs on. Files that are left are counted.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np
import psutil

from common import finish
from mutations import NASTY, films, good_keypoints, good_midi, nasty_json, spoiled, spoiled_keypoints, spoiled_midi

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from studio_process import StudioProcess, is_plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HANG_S = 30.0
LEAK_BYTES = 100 * 2**20
SETTINGS = {
    "tempo_bpm": None, "density": 1.0, "kit": "jazz", "seed": 3, "instruments": ["piano"], "key": "A minor",
    "edits": [{"what": "beat", "at_s": 0.5, "to_s": 0.52}, {"what": "accent", "at_s": None, "to_s": 0.7}],
    "levels": {"drums": 0.0, "original": None},
}  # fmt: skip
DEFECTS = ("went wrong", "worker died", "worker was killed")
"""What the studio says when something happened that it did not expect."""


@dataclass
class Section:
    """What came of the inputs of one kind."""

    name: str
    inputs: int = 0
    taken: int = 0
    refused: int = 0
    slowest_s: float = 0.0
    crashes: list[str] = field(default_factory=list)
    hangs: list[str] = field(default_factory=list)
    strays: list[str] = field(default_factory=list)
    sizes: dict[int, list[tuple[int, int]]] = field(default_factory=dict)

    @contextlib.contextmanager
    def one(self, what: str, wanted: int) -> Iterator[None]:
        """An input: how long it takes, and what nobody expected of it."""
        begin_s = time.monotonic()
        try:
            yield
        except TimeoutError:
            self.hangs.append(what)
        except Exception as error:
            self.crashes.append(f"{what}: {type(error).__name__}: {error}"[:300])
        self.inputs += 1
        self.slowest_s = max(self.slowest_s, time.monotonic() - begin_s)
        if self.inputs % 50 == 0:
            print(f"{self.name}: {self.inputs} of {wanted}, {len(self.crashes)} crashes, {len(self.hangs)} hangs")

    def weigh(self, processes: list[psutil.Process]) -> None:
        """Note how much memory processes hold."""
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                self.sizes.setdefault(process.pid, []).append((self.inputs, process.memory_info().rss))

    @property
    def grown_bytes(self) -> int:
        """How much the process that grew most has grown since the first third of the inputs."""
        grown = [0]
        for sizes in self.sizes.values():
            early = [size for number, size in sizes if number <= max(5, self.inputs // 3)]
            if early:
                grown.append(sizes[-1][1] - max(early))
        return max(grown)

    def row(self) -> dict[str, Any]:
        """For the table."""
        return {
            "name": self.name,
            "inputs": self.inputs,
            "taken": self.taken,
            "refused": self.refused,
            "crashes": len(self.crashes),
            "hangs_over_30_s": len(self.hangs),
            "stray_files": len(self.strays),
            "grown_mb": round(self.grown_bytes / 2**20, 1),
            "slowest_s": round(self.slowest_s, 2),
        }

    @property
    def troubles(self) -> list[str]:
        """All that should not be."""
        leak = [f"grown by {self.grown_bytes / 2**20:.0f} MB"] if self.grown_bytes > LEAK_BYTES else []
        return [
            *self.crashes,
            *(f"hang: {what}" for what in self.hangs),
            *(f"stray: {one}" for one in self.strays),
            *leak,
        ]


def videos(studio: StudioProcess, count: int, rng: np.random.Generator, folder: Path) -> Section:
    """Spoiled films are uploaded, and worked on to their end."""
    section = Section("videos")
    bases = films(folder)
    studio.done(studio.upload(bases[0])[1]["id"])
    for k in range(count):
        base = bases[int(rng.integers(len(bases)))]
        content = spoiled(base.read_bytes(), rng) or b"x"
        with section.one(f"video {k} ({base.name})", count):
            status, job, _ = studio.upload(content, base.name)
            if status != 201:
                raise AssertionError(f"{status} {job}")
            _worked(studio, job["id"], section)
            studio.ask("DELETE", f"/api/jobs/{job['id']}")
        section.weigh([psutil.Process(studio.process.pid), *studio.family()])
    section.strays += studio.strays()
    return section


def _worked(studio: StudioProcess, job: str, section: Section) -> None:
    end_s = time.monotonic() + HANG_S
    while (told := studio.job(job))["state"] not in ("done", "failed"):
        if time.monotonic() > end_s:
            raise TimeoutError
        time.sleep(0.02)
    if told["state"] == "done":
        section.taken += 1
        return
    section.refused += 1
    if any(word in told["problem"] for word in DEFECTS):
        raise AssertionError(told["problem"])
    if not is_plain({"problem": told["problem"], "remedy": told["remedy"]}, str(studio.data)):
        raise AssertionError(f"not plain: {told['problem']}; {told['remedy']}")


class Subject:
    """The command line in a process of its own, which is watched."""

    def __init__(self, temporary: Path) -> None:
        self._temporary = temporary
        self._start()

    def _start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--subject"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "TMPDIR": str(self._temporary), "OMP_NUM_THREADS": "1"},
        )
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        threading.Thread(target=self._read, args=(self.process, self._lines), daemon=True).start()

    @staticmethod
    def _read(process: subprocess.Popen[str], lines: queue.SimpleQueue[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            lines.put(line)
        lines.put("")

    def run(self, *words: object, within_s: float = HANG_S) -> int:
        """The exit code of `kinebeat` with these words.

        Args:
            words: of the command.
            within_s: how long it may take.

        Raises:
            TimeoutError: it hangs.
            AssertionError: it crashed, or said more than a line of why not.
        """
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps([str(word) for word in words]) + "\n")
        self.process.stdin.flush()
        try:
            line = self._lines.get(timeout=within_s)
        except queue.Empty:
            self.end()
            self._start()
            raise TimeoutError from None
        if not line:
            code = self.process.wait()
            self._start()
            raise AssertionError(f"died with {code}")
        said = json.loads(line)
        if said["crash"]:
            raise AssertionError(said["crash"])
        complaint = [one for one in said["errors"].splitlines() if "warning:" not in one]
        if said["code"] not in (0, 2) or len(complaint) > 1:
            raise AssertionError(f"exit code {said['code']}: {said['errors'][:300]}")
        return int(said["code"])

    def end(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()


def serve_subject() -> None:
    """The other end: run the command line with each line of words."""
    from kinebeat.cli import main as kinebeat

    answers = os.fdopen(os.dup(1), "w", buffering=1)
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
    for line in sys.stdin:
        sys.argv = ["kinebeat", *json.loads(line)]
        code, crash, errors = 0, None, io.StringIO()
        with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(io.StringIO()):
            try:
                kinebeat()
            except SystemExit as leave:
                code = int(leave.code or 0)
            except BaseException as error:
                import traceback

                place = traceback.extract_tb(error.__traceback__)[-1]
                crash = f"{type(error).__name__}: {str(error)[:150]} ({Path(place.filename).name}:{place.lineno})"
        answers.write(json.dumps({"code": code, "crash": crash, "errors": errors.getvalue()}) + "\n")


def files(
    name: str,
    count: int,
    rng: np.random.Generator,
    folder: Path,
    make: Callable[[Path, str, np.random.Generator], Path],
    good: Callable[[Path], Path],
    words: Callable[[Path, Path, int], list[object]],
) -> Section:
    """Spoiled files are given to the command line.

    Args:
        name: of the section.
        count: how many.
        rng: the source of chance.
        folder: an empty one.
        make: writes one.
        good: writes one with nothing wrong in it; what all need is loaded with that.
        words: of the command, given the file, where the result goes, and the number of the input.
    """
    section = Section(name)
    inputs, outputs, temporary = (folder / part for part in ("in", "out", "tmp"))
    for one in (inputs, outputs, temporary):
        one.mkdir(parents=True)
    subject = Subject(temporary)
    try:
        for k in (0, 1):
            if subject.run(*words(good(inputs), outputs, k)):
                raise SystemExit(f"{name}: what is good is refused")
        for k in range(count):
            for place in (inputs, outputs):
                shutil.rmtree(place)
                place.mkdir()
            path = make(inputs, f"i{k}", rng)
            result = words(path, outputs, k)
            with section.one(f"{name} {k}", count):
                code = subject.run(*result, within_s=HANG_S + _music_s(path) / 20)
                left = sorted(one.name for one in outputs.iterdir())
                section.taken, section.refused = section.taken + (code == 0), section.refused + (code == 2)
                if (code == 2 and left) or any(one.startswith(".") for one in left):
                    section.strays += left
            section.weigh([psutil.Process(subject.process.pid)])
    finally:
        subject.end()
    section.strays += [one.name for one in temporary.iterdir()]
    return section


def _music_s(path: Path) -> float:
    """How long the music of a MIDI file lasts."""
    from kinebeat.errors import KinebeatError
    from kinebeat.midi_in import read_drums

    if path.suffix != ".mid":
        return 0.0
    try:
        track = read_drums(path).track
    except KinebeatError:
        return 0.0
    return float((track.time_s + track.duration_s).max())


def _midi_file(folder: Path, name: str, rng: np.random.Generator) -> Path:
    path = folder / f"{name}.mid"
    path.write_bytes(spoiled_midi(rng))
    return path


def _keypoint_words(path: Path, out: Path, number: int) -> list[object]:
    if number % 5 or path.is_dir():
        return ["beats", path, "--json", out / "beats.json", "-q"]
    return ["soundtrack", path, "--wav", out / "made.wav", "-q"]


def messages(studio: StudioProcess, count: int, rng: np.random.Generator) -> Section:
    """Spoiled messages go to the WebSockets of the live page and the studio."""
    import cv2
    from websockets.exceptions import ConnectionClosed
    from websockets.sync.client import connect

    section = Section("messages")
    status, _, headers = studio.ask("GET", "/live")
    if status != 303:
        raise SystemExit(f"the live page does not open: {status}")
    url = headers["location"]
    picture = rng.integers(0, 255, (120, 160, 3), dtype=np.uint8)
    jpeg = cv2.imencode(".jpg", picture)[1].tobytes()
    known = [{"t": "ping", "id": 1}, {"t": "set", "mode": "both", "sensitivity": 2.0}, {"t": "take"}, {"t": "end"}]

    def live(message: str | bytes) -> None:
        with connect(f"{url.replace('http', 'ws')}live", origin=url.rstrip("/"), open_timeout=HANG_S) as page:
            page.recv(timeout=HANG_S)
            try:
                page.send(message)
                page.send('{"t":"ping","id":"mine"}')
                while True:
                    if '"mine"' in page.recv(timeout=HANG_S):
                        return
            except ConnectionClosed:
                section.refused += 1
        # It was let go: the next page must be welcome, which the next message shows.

    def events(message: str | bytes) -> None:
        with studio.events() as page, contextlib.suppress(ConnectionClosed):
            page.recv(timeout=HANG_S)
            page.send(message)
        if studio.ask("GET", "/api/state", timeout_s=HANG_S)[0] != 200:
            raise AssertionError("the studio does not answer")

    def some() -> str | bytes:
        way = int(rng.integers(6))
        if way == 0:
            return rng.bytes(int(rng.integers(0, 3000)))
        if way == 1:
            head = np.array([rng.choice([0.0, 1e9, -1e9, np.nan, np.inf])]).tobytes() + rng.bytes(4)
            return head + spoiled(jpeg, rng)
        if way == 2:
            return np.array([rng.random() * 3]).tobytes() + rng.bytes(4) + spoiled(jpeg, rng)
        if way == 3:
            return "[" * int(rng.integers(1, 200_000))
        text = nasty_json(rng, known[int(rng.integers(len(known)))])
        return text if way == 5 else text.decode("utf-8", "replace")

    for k in range(count):
        message = some()
        with section.one(f"message {k}: {message[:60]!r}", count):
            (events if k % 4 == 3 else live)(message)
            section.taken += 1
        section.weigh([psutil.Process(studio.process.pid), *studio.family()])
    section.taken -= section.refused
    return section


def calls(studio: StudioProcess, job: str, count: int, rng: np.random.Generator) -> Section:
    """Spoiled calls of the API."""
    section = Section("calls")
    one, variant = f"/api/jobs/{job}", f"/api/jobs/{job}/variants/1"
    options = "kind=performance&instrument=piano&transpose=0&key=A+minor&sound=piano"
    known: list[tuple[str, str, Any]] = [
        *(("GET", path, None) for path in ("/api/state", "/api/jobs", "/main.js", "/login", one, variant)),
        *(("GET", f"{one}/{path}", None) for path in ("video", "movement", "variants/1/files/midi")),
        *(("GET", f"{variant}/{path}", None) for path in ("sound/1/drums?from_s=0&to_s=1", "files/stems")),
        ("POST", "/api/jobs?name=a.mp4&kind=soundtrack", b"film"),
        ("POST", f"/api/jobs?name=a.mp4&{options}", b"film"),
        ("POST", "/api/demo", None),
        ("POST", f"{one}/retry", None),
        ("POST", f"{one}/variants", SETTINGS),
        *[("PUT", variant, SETTINGS)] * 3,
        ("PATCH", variant, {"name": "n", "levels": {"drums": -3.0}}),
        ("DELETE", f"{one}/variants/2", None),
        ("POST", "/api/login", {"password": "x"}),
    ]
    names = ("Range", "Accept", "Cookie", "Content-Type", "If-None-Match", "If-Range", "Origin")
    values = ("bytes=0-", "bytes=-5", "bytes=9-1", "bytes=0-1,3-4", "x", "a" * 9000, "\xff", "null")
    studio.ask("PUT", variant, SETTINGS)
    for k in range(count):
        method, path, body = known[int(rng.integers(len(known)))]
        content = None if body is None else body if isinstance(body, bytes) else nasty_json(rng, body)
        headers = {}
        if rng.random() < 0.5:
            path = _other_path(path, job, rng)
        if rng.random() < 0.2:
            method = str(rng.choice(["GET", "POST", "PUT", "PATCH", "HEAD", "OPTIONS", "TRACE", "X"]))
        if rng.random() < 0.2:
            headers = {str(rng.choice(names)): str(rng.choice(values))}
        if method == "POST" and path.startswith("/api/demo") and k % 5:
            method, path = "GET", "/api/state"
        with section.one(f"{method} {path[:80]} {str(content)[:80]} {headers}"[:300], count):
            status, said, _ = studio.ask(method, path, content, headers, timeout_s=HANG_S)
            if status >= 500 and status != 507:
                raise AssertionError(f"{status} {said}")
            if status >= 400 and method != "HEAD" and not _is_told(said, studio):
                raise AssertionError(f"not plain: {status} {str(said)[:200]}")
            section.taken, section.refused = section.taken + (status < 400), section.refused + (status >= 400)
            if status == 201 and isinstance(said, dict) and "id" in said:
                studio.ask("DELETE", f"/api/jobs/{said['id']}")
            if status == 201 and isinstance(said, dict) and said.get("number", 1) > 1:
                studio.ask("DELETE", f"{one}/variants/{said['number']}")
        section.weigh([psutil.Process(studio.process.pid), *studio.family()])
    if studio.log:
        section.crashes.append(studio.log[-300:])
    section.strays += studio.strays()
    return section


def _is_told(said: Any, studio: StudioProcess) -> bool:
    """Whether an error is plain; it may say again what it was given."""
    if not isinstance(said, dict) or said.keys() != {"problem", "remedy"}:
        return False
    text = f"{said['problem']} {said['remedy']}"
    return not any(word in text for word in (str(studio.data), "Traceback", "kinebeat.", 'File "'))


def _other_path(path: str, job: str, rng: np.random.Generator) -> str:
    """An address with a part that is something else."""
    parts = path.split("/")
    k = int(rng.integers(1, len(parts)))
    junk = str(NASTY[int(rng.integers(len(NASTY)))])[:2000]
    way = int(rng.integers(4))
    if way == 0 and parts[k] != job:
        parts[k] = quote(junk, safe="")
    elif way == 1:
        parts.insert(k, quote(junk, safe=""))
    elif way == 2:
        return f"{path}{'&' if '?' in path else '?'}{quote(junk, safe='')}={quote(junk, safe='')}"
    elif "=" in path:
        key, _, rest = path.partition("=")
        return f"{key}={quote(junk, safe='')}{'&' + rest.partition('&')[2] if '&' in rest else ''}"
    return "/".join(parts)


def fuzz(each: int, seed: int, folder: Path, kinds: list[str]) -> list[Section]:
    """All sections, or those that are named."""
    made: list[Section] = []
    rngs = {name: np.random.default_rng([seed, k]) for k, name in enumerate(KINDS)}
    if "keypoints" in kinds:
        made.append(
            files(
                "keypoints",
                each,
                rngs["keypoints"],
                folder / "keypoints",
                spoiled_keypoints,
                good_keypoints,
                _keypoint_words,
            )
        )
    if "midi" in kinds:
        made.append(
            files("midi", each, rngs["midi"], folder / "midi", _midi_file, good_midi,
                  lambda path, out, _: ["accompany", path, "-o", out / "made.mid", "-q"])
        )  # fmt: skip
    if not {"videos", "messages", "calls"} & set(kinds):
        return made
    temporary = folder / "tmp"
    temporary.mkdir()
    os.environ["TMPDIR"] = str(temporary)
    (folder / "films").mkdir()
    studio = StudioProcess(folder / "studio", "--longest-minutes", "0.2", "--largest-mb", "5")
    try:
        if "videos" in kinds:
            made.append(videos(studio, each, rngs["videos"], folder / "films"))
        if "messages" in kinds:
            made.append(messages(studio, each, rngs["messages"]))
        if "calls" in kinds:
            good = folder / "films" / "drawn.mp4"
            if not good.exists():
                films(folder / "films")
            job = studio.done(studio.upload(good)[1]["id"])["id"]
            made.append(calls(studio, job, each, rngs["calls"]))
    finally:
        studio.end()
    made[-1].strays += [one.name for one in temporary.iterdir()]
    return made


KINDS = ("videos", "keypoints", "midi", "messages", "calls")


def main() -> None:
    """Fuzz and write benchmarks/results/studio_fuzz.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--each", type=int, default=200, help="inputs of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=KINDS, action="append", help="this kind alone; may be given again")
    parser.add_argument("--quick", action="store_true", help="print only, write nothing")
    parser.add_argument("--subject", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.subject:
        serve_subject()
        return
    begin_s = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        made = fuzz(options.each, options.seed, Path(folder), options.only or list(KINDS))
    for section in made:
        for trouble in section.troubles:
            print(f"{section.name}: {trouble}")
    rows = [section.row() for section in made]
    if options.quick:
        print(json.dumps(rows, indent=1))
    else:
        finish("studio_fuzz", "wrong inputs", rows, data=f"spoiled with seed {options.seed}",
               seconds=time.perf_counter() - begin_s)  # fmt: skip
    raise SystemExit(any(section.troubles for section in made))


if __name__ == "__main__":
    main()
