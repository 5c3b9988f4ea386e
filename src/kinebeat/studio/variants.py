"""The variants of a job: made and remade, rendered, listened to in stretches, written for taking away."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import shutil
import time
from collections import defaultdict
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from kinebeat.audio import RATE_HZ
from kinebeat.faders import ORIGINAL
from kinebeat.studio.hands import Hand, RefusedError
from kinebeat.studio.jobs import JobError
from kinebeat.studio.store import Variant
from kinebeat.studio.wishes import DEFAULT, checked_levels, checked_wish
from kinebeat.studio.work import FRAME_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kinebeat.studio.folders import JobFolder
    from kinebeat.studio.jobs import Jobs
    from kinebeat.studio.settings import Limits
    from kinebeat.studio.store import Job, Store

    Message = dict[str, Any]

PLAYING = "kinebeat.studio.playing_worker"
LONGEST_STRETCH_S = 30.0
RENDERED_WITHIN_S = 25.0
"""How long a listener waits for sound that is being rendered."""
LOOK_EVERY_S = 0.02
KEPT_SOUND_BYTES = 2 * 2**30
"""Of rendered sound, the least used goes first; it is rendered again when it is wanted."""
FILES = {
    "mp4": (".mp4", "video/mp4"),
    "wav": (".wav", "audio/wav"),
    "midi": (".mid", "audio/midi"),
    "stems": (".stems.zip", "application/zip"),
    "report": (".json", "application/json"),
    "plot": (".png", "image/png"),
}
"""What can be taken away: how its name ends, and its media type."""
TRACK = re.compile(r"[a-z]{1,20}")
LONGEST_NAME = 60


class Variants:
    """All variants of a studio's jobs.

    Args:
        store: remembers them.
        limits: of the studio.
        soundfont: with which all is played; one that is found if None.
        log: gets the traceback of what was not expected.
    """

    def __init__(
        self, store: Store, limits: Limits, soundfont: Path | None = None, log: Callable[[str], None] | None = None
    ) -> None:
        self._store, self._limits = store, limits
        self._font = None if soundfont is None else str(soundfont.absolute())
        self._player, self._writer = Hand(PLAYING, log), Hand(PLAYING, log)
        self._one_at_a_time: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._rendering: dict[tuple[str, int, int], asyncio.Task[None]] = {}
        self.jobs: Jobs

    async def start(self) -> None:
        """Have the player ready before it is needed."""
        with suppress(RefusedError):
            await self._player.ask({"do": "ready", "font": self._font})

    async def stop(self) -> None:
        """End the processes."""
        for task in self._rendering.values():
            task.cancel()
        await asyncio.gather(*self._rendering.values(), return_exceptions=True)
        await asyncio.gather(self._player.stop(), self._writer.stop())

    async def first(self, job: Job, told: Callable[[Message], None]) -> Variant:
        """Make the first variant of a clip that has been heard; of a performance it is there already."""
        if job.kind == "performance":
            track = job.facts["track"]
            return Variant(1, "As it is heard", 1, {**DEFAULT, "levels": checked_levels({}, (track, ORIGINAL))})
        variant = Variant(1, "Variant 1", 1, checked_wish({}, self._limits.edits))
        told({"stage": "drums", "share": 0.0})
        await self._compose(job, variant, told)
        self._render(job, variant)
        return variant

    def get(self, name: str, number: int) -> Variant:
        """A variant of a job.

        Raises:
            JobError: there is none of this number.
        """
        found = next((one for one in self._store.variants(name) if one.number == number), None)
        if found is None:
            raise JobError(404, "there is no such variant", "it may have been removed; reload the page")
        return found

    def told(self, job: Job, variant: Variant) -> Message:
        """A variant as the page gets it.

        Raises:
            JobError: what was made is gone.
        """
        place = self._folder(job).told(variant.number, variant.revision)
        try:
            content: Message = json.loads(place.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise JobError(410, "what was made is gone", "change a setting to make it again") from error
        return content | vars(variant)

    async def make(self, job: Job, asked: Any, number: int | None) -> Message:
        """Make a new variant, or one anew.

        Args:
            job: whose.
            asked: settings, JSON of a page.
            number: of the one that is made anew; None for a new one.

        Raises:
            OptionError: the settings are not what settings may be.
            JobError: it cannot be made.
        """
        if job.kind == "performance":
            raise JobError(409, "a performance has one variant", "upload the film again with other options")
        wish = checked_wish(asked, self._limits.edits)
        async with self._one_at_a_time[job.id]:
            variants = self._store.variants(job.id)
            if number is not None:
                variant = replace(before := self.get(job.id, number), revision=before.revision + 1, settings=wish)
            else:
                if len(variants) >= self._limits.variants:
                    problem = f"there are {len(variants)} variants, as many as a clip may have"
                    raise JobError(409, problem, "remove one")
                number = max(self.jobs.get(job.id).facts.get("numbers", 1), *(one.number for one in variants)) + 1
                self._store.know(job.id, {"numbers": number})  # a number that was dropped is not given again
                variant = Variant(number, f"Variant {number}", 1, wish)
            await self._compose(job, variant, None)
            self._store.put(job.id, variant)
            self._render(job, variant)
        await asyncio.to_thread(_remove_old, self._folder(job), variant)
        self.jobs.announce(job.id)
        return self.told(job, variant)

    def change(self, job: Job, number: int, asked: Any) -> Variant:
        """Give a variant another name or other levels; nothing is made.

        Raises:
            OptionError: the levels are not what levels may be.
            JobError: there is no such variant.
        """
        variant = self.get(job.id, number)
        if not isinstance(asked, dict) or not set(asked) <= {"name", "levels"}:
            raise JobError(400, "expected a name or levels", "leave out what is not among them")
        if "name" in asked:
            name = asked["name"]
            plain = " ".join(name.split()) if isinstance(name, str) else ""
            if not plain or len(plain) > LONGEST_NAME or not plain.isprintable():
                raise JobError(400, f"a name has 1 to {LONGEST_NAME} letters", "choose another")
            variant = replace(variant, name=plain)
        if "levels" in asked:
            names = variant.settings["levels"] if job.kind == "performance" else None
            levels = checked_levels(asked["levels"], names)
            variant = replace(variant, settings={**variant.settings, "levels": levels})
        self._store.put(job.id, variant)
        self.jobs.announce(job.id)
        return variant

    async def drop(self, job: Job, number: int) -> None:
        """Remove a variant; one stays.

        Raises:
            JobError: there is none, or it is the last.
        """
        self.get(job.id, number)
        if len(self._store.variants(job.id)) == 1:
            raise JobError(409, "this is the only variant", "remove the whole job instead")
        self._store.drop(job.id, number)
        await self.forget(job.id, number)
        await asyncio.to_thread(shutil.rmtree, self._folder(job).variant(number), ignore_errors=True)
        self.jobs.announce(job.id)

    async def forget(self, name: str, number: int | None = None) -> None:
        """Have nothing more written for a variant that is no longer known, or for all of a job."""
        folder = str(self.jobs.folder(name).path)
        with suppress(RefusedError):
            if any(job == name and number in (None, of) for job, of, _ in self._rendering):
                await self._player.ask({"do": "forget", "folder": folder, "number": number})

    async def stretch(self, job: Job, number: int, revision: int, track: str, from_s: float, to_s: float) -> bytes:
        """A stretch of a track's sound, which is waited for if it is still being rendered.

        Args:
            job: whose.
            number: of the variant.
            revision: of the variant.
            track: its name, or "original" for the clip's own sound.
            from_s: where it begins.
            to_s: where it ends; what is beyond the clip's end is left out.

        Returns:
            Its samples: 16 bits, stereo.

        Raises:
            JobError: there is no such sound, or it is gone.
        """
        if not 0 <= from_s < to_s <= from_s + LONGEST_STRETCH_S:
            raise JobError(400, f"a stretch is at most {LONGEST_STRETCH_S:g} s long", "ask for less")
        folder, variant = self._folder(job), self.get(job.id, number)
        if not TRACK.fullmatch(track):
            raise JobError(404, "there is no such track", "reload the page")
        total = round(job.facts["duration_s"] * RATE_HZ)
        begin, end = min(round(from_s * RATE_HZ), total), min(round(to_s * RATE_HZ), total)
        if track == ORIGINAL:
            place = folder.original
            if not place.is_file():
                raise JobError(404, "the clip has no sound of its own", "leave it muted")
        else:
            place = folder.sound(number, revision, track)
            if variant.revision != revision and not place.is_file():
                raise JobError(410, "this has been made anew since", "reload the variant")
            if track not in _tracks(folder.told(number, revision)):
                raise JobError(404, "there is no such track", "reload the page")
        end_s = time.monotonic() + RENDERED_WITHIN_S
        while track != ORIGINAL and _frames(place) < end:
            if job.kind != "performance" and variant.revision == revision:
                self._render(job, variant)
            if time.monotonic() > end_s or self.get(job.id, number).revision != revision:
                raise JobError(503, "the sound is not there yet", "try again in a moment")
            await asyncio.sleep(LOOK_EVERY_S)
        return await asyncio.to_thread(_read, place, begin, end)

    async def download(self, job: Job, number: int, what: str) -> tuple[Path, str, str]:
        """A file to be taken away, made if it is not there.

        Returns:
            Where it is, what it is to be called, its media type.

        Raises:
            RefusedError: it cannot be made.
            JobError: there is no such file.
        """
        if what not in FILES:
            raise JobError(404, "there is no such file", f"choose among {', '.join(FILES)}")
        suffix, media = FILES[what]
        folder, variant = self._folder(job), self.get(job.id, number)
        stem = job.name.rpartition(".")[0] or job.name
        if job.kind == "performance":
            place = folder.download(number, f"performance{suffix}")
            if not place.is_file():
                raise JobError(404, "a performance has no such file", "choose another")
            return place, f"{stem}.performance{suffix}", media
        called = f"{stem}.soundtrack{f'.{number}' if number > 1 else ''}{suffix}"
        told = json.dumps(variant.settings["levels"], sort_keys=True)
        digest = hashlib.sha256(f"{variant.revision} {told}".encode()).hexdigest()[:12]
        place = folder.download(number, f"{what}.{digest}{suffix}")
        async with self._one_at_a_time[f"{job.id} {number} {what}"]:
            if not place.is_file():
                source = folder.source()
                if source is None:
                    raise JobError(410, "the clip is gone", "upload it again")
                order = {"do": "write", "what": what, "out": str(place), "name": job.name}
                await self._writer.ask({**order, **self._about(job, variant)})
                for older in place.parent.glob(f"{what}.*"):
                    if older != place:
                        older.unlink(missing_ok=True)
        return place, called, media

    def _folder(self, job: Job) -> JobFolder:
        return self.jobs.folder(job.id)

    def _about(self, job: Job, variant: Variant) -> Message:
        folder = self._folder(job)
        return {
            "folder": str(folder.path),
            "source": str(folder.source() or ""),
            "number": variant.number,
            "revision": variant.revision,
            "settings": variant.settings,
            "font": self._font,
        }

    async def _compose(self, job: Job, variant: Variant, told: Callable[[Message], None] | None) -> None:
        await self._player.ask({"do": "compose", **self._about(job, variant)}, told)

    def _render(self, job: Job, variant: Variant) -> None:
        """Have the sound of a variant rendered, if that is not being done."""
        key = (job.id, variant.number, variant.revision)
        if key not in self._rendering:
            task = self._rendering[key] = asyncio.create_task(self._rendered(job, variant))
            task.add_done_callback(lambda _: self._rendering.pop(key, None))

    async def _rendered(self, job: Job, variant: Variant) -> None:
        """Render until all is there, or another revision takes the place of this one."""
        whole = False
        with suppress(RefusedError, JobError):
            while not whole:
                about = self._about(job, variant)
                whole = (await self._player.ask({"do": "render", **about}, restful=True))["whole"]
                known = self._store.variants(job.id)
                if known and (variant.number, variant.revision) not in {(one.number, one.revision) for one in known}:
                    return
        await asyncio.to_thread(_make_room, self._folder(job).path.parent, KEPT_SOUND_BYTES)


def _frames(place: Path) -> int:
    try:
        return place.stat().st_size // FRAME_BYTES
    except OSError:
        return 0


def _read(place: Path, begin: int, end: int) -> bytes:
    try:
        with place.open("rb") as file:
            file.seek(begin * FRAME_BYTES)
            return file.read((end - begin) * FRAME_BYTES)
    except OSError as error:
        raise JobError(410, "this sound is gone", "reload the variant") from error


def _tracks(told: Path) -> set[str]:
    """Names of the tracks of what was made."""
    try:
        return {track["name"] for track in json.loads(told.read_text(encoding="utf-8"))["tracks"]}
    except (OSError, ValueError, KeyError):
        return set()


def _remove_old(folder: JobFolder, variant: Variant) -> None:
    """Remove what belongs to revisions before the last: that one may still be listened to."""
    for place in folder.variant(variant.number).glob("*.*"):
        revision = place.name.removesuffix(".json").rpartition(".")[2]
        if revision.isdecimal() and int(revision) < variant.revision - 1:
            if place.is_dir():
                shutil.rmtree(place, ignore_errors=True)
            else:
                place.unlink(missing_ok=True)


def _make_room(root: Path, most_bytes: int) -> None:
    """Remove rendered sound, the least used first, until there is no more than there may be."""
    kept = []
    for folder in root.glob("*/variants/*/sound.*"):
        with suppress(OSError):
            files = [place.stat() for place in folder.iterdir()]
            kept.append((max((one.st_atime for one in files), default=0.0), sum(one.st_size for one in files), folder))
    kept.sort(key=lambda one: one[0], reverse=True)
    used = 0
    for _, size, folder in kept:
        used += size
        if used > most_bytes and folder != kept[0][2]:
            shutil.rmtree(folder, ignore_errors=True)
