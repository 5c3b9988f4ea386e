"""The worker that plays: composes variants to what was heard, renders their sound, writes what is taken away.

Orders are lines of JSON with a `do`: "ready", "compose", "render", "write", "forget". It keeps what it needs for the
next change of the same clip, so that a change is heard at once. Rendering makes way for the next order and is taken up
again.
"""

from __future__ import annotations

import json
import zipfile
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kinebeat.audio import RATE_HZ, mix, pcm_16
from kinebeat.children import Desk, yield_to_others
from kinebeat.files import atomic_output
from kinebeat.studio.rehearsal import rehearsed
from kinebeat.studio.telling import variant_told
from kinebeat.studio.wishes import checked_wish, settings_of
from kinebeat.studio.work import FRAME_BYTES, answer, folder_of, hide_paths, plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import BinaryIO

    from numpy.typing import NDArray

    from kinebeat.hearing import Heard
    from kinebeat.pipeline import Soundtrack
    from kinebeat.synth import Sampler

    Message = dict[str, Any]
    Key = tuple[str, int, int]

NICENESS = 2
MOST_HEARD, MOST_MADE = 3, 6
"""How many clips and variants are remembered."""


@dataclass
class _Made:
    """A variant that is remembered, and what of its sound is still to be rendered."""

    soundtrack: Soundtrack
    files: dict[str, BinaryIO] = field(default_factory=dict)
    blocks: dict[str, Iterator[NDArray[Any]]] = field(default_factory=dict)

    def begin(self, places: dict[str, Path], sampler: Sampler) -> None:
        """Begin to render, into a file for each track; the folder of the variant must be there."""
        sound = mix(self.soundtrack.score, soundfont=sampler)
        for number, (name, place) in enumerate(places.items()):
            place.parent.mkdir(exist_ok=True)
            self.files[name] = place.open("wb", buffering=0)
            self.blocks[name] = sound.stem(number)

    def go_on(self) -> None:
        """Render one block of each track."""
        for name in list(self.blocks):
            block = next(self.blocks[name], None)
            if block is None:
                self.files.pop(name).close()
                del self.blocks[name]
            else:
                self.files[name].write(pcm_16(block))

    def close(self) -> None:
        """Let go of what is half rendered."""
        for file in self.files.values():
            file.close()
        self.files.clear()
        self.blocks.clear()


class _Player:
    """Does the orders."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._heard: OrderedDict[str, Heard] = OrderedDict()
        self._made: OrderedDict[Key, _Made] = OrderedDict()
        self._sampler: Sampler | None = None

    def do(self, order: Message) -> Message:
        """Carry out an order."""
        doers: dict[str, Callable[[Message], Message]] = {
            "ready": self._ready,
            "compose": self._compose,
            "render": self._render,
            "write": self._write,
            "forget": self._forget,
        }
        return doers[order["do"]](order)

    def _tell(self, stage: str, share: float) -> None:
        self._desk.tell({"stage": stage, "share": share})

    def _ready(self, order: Message) -> Message:
        """Load what every clip needs before the first comes."""
        import kinebeat.heard_files  # noqa: F401  loaded, not used
        from kinebeat.pipeline import play_to
        from kinebeat.score import SEATS

        wish = checked_wish({"instruments": list(SEATS)}, 0)
        made = play_to(rehearsed(), settings_of(wish, order["font"]))
        variant_told(made, wish)
        next(mix(made.score, soundfont=self._sampler_of(order)).stem(0))
        return {}

    def _sampler_of(self, order: Message) -> Sampler:
        """Plays notes, and remembers their waves from one variant to the next; a studio has one soundfont."""
        if self._sampler is None:
            from kinebeat.soundfont import open_soundfont
            from kinebeat.synth import Sampler

            self._sampler = Sampler(open_soundfont(order["font"]))
        return self._sampler

    def _compose(self, order: Message) -> Message:
        """Make a variant and tell what is played in it."""
        folder, number, revision = folder_of(order), order["number"], order["revision"]
        made = self._soundtrack(order)
        told = variant_told(made, order["settings"])
        told["warnings"] = [plain(line, order) for line in told["warnings"]]
        place = folder.told(number, revision)
        for parent in (place.parent.parent, place.parent):  # not the job's own folder: it may have been removed
            parent.mkdir(exist_ok=True)
        with atomic_output(place) as temporary:
            temporary.write_text(json.dumps(told, allow_nan=False), encoding="utf-8")
        return {"tracks": [track["name"] for track in told["tracks"]]}

    def _soundtrack(self, order: Message) -> Soundtrack:
        """The variant an order is about, remembered or made."""
        key = (order["folder"], order["number"], order["revision"])
        known = self._made.get(key)
        if known is not None:
            self._made.move_to_end(key)
            return known.soundtrack
        from kinebeat.pipeline import play_to

        settings = settings_of(order["settings"], order["font"])
        of_this_clip = [one.soundtrack for (folder, *_), one in self._made.items() if folder == order["folder"]]
        if of_this_clip:  # what is the same in the last one need not be done again
            made = of_this_clip[-1].remade(settings, self._tell)
        else:
            made = play_to(self._listen(order), settings, progress=self._tell)
        self._made[key] = _Made(made)
        while len(self._made) > MOST_MADE:
            self._made.popitem(last=False)[1].close()
        return made

    def _listen(self, order: Message) -> Heard:
        """What was heard in a clip, remembered or read."""
        name = order["folder"]
        if name not in self._heard:
            from kinebeat.heard_files import load_heard

            self._heard[name] = load_heard(folder_of(order).heard, Path(order["source"]))
            while len(self._heard) > MOST_HEARD:
                self._heard.popitem(last=False)
        self._heard.move_to_end(name)
        return self._heard[name]

    def _render(self, order: Message) -> Message:
        """Render the tracks of a variant side by side, as far as nobody waits."""
        made = self._soundtrack(order)
        kept = self._made[order["folder"], order["number"], order["revision"]]
        folder = folder_of(order)
        places = {
            track.name.lower(): folder.sound(order["number"], order["revision"], track.name.lower())
            for track in made.score.tracks
        }
        size = round(made.score.duration_s * RATE_HZ) * FRAME_BYTES
        try:
            if not kept.blocks and not all(_has(place, size) for place in places.values()):
                kept.begin(places, self._sampler_of(order))
            while kept.blocks and not self._desk.paused:
                kept.go_on()
                self._desk.tell({"rendered": True})
        except BaseException:
            kept.close()
            raise
        return {"whole": not kept.blocks}

    def _forget(self, order: Message) -> Message:
        """Let go of a variant that has been removed, or of all of a job."""
        for key in [key for key in self._made if key[0] == order["folder"] and order["number"] in (None, key[1])]:
            self._made.pop(key).close()
        if order["number"] is None:
            self._heard.pop(order["folder"], None)
        return {}

    def _write(self, order: Message) -> Message:
        """Write one file to be taken away, with the levels of the variant."""
        made, out, what = self._soundtrack(order), Path(order["out"]), order["what"]
        out.parent.mkdir(exist_ok=True)
        levels_db = {name: level for name, level in order["settings"]["levels"].items() if name in _tracks(made)}
        if what == "stems":
            _write_stems(made, out, levels_db)
        elif what == "report":
            with atomic_output(out) as temporary:
                made.save(report=temporary, levels_db=levels_db)
                hide_paths(temporary, order["name"])
        else:
            wanted = {kind: out if kind == what else None for kind in ("mp4", "wav", "midi", "plot")}
            made.save(
                wanted["mp4"],
                wav=wanted["wav"],
                midi=wanted["midi"],
                plot=wanted["plot"],
                levels_db=levels_db,
                progress=self._tell,
            )
        return {}


def main() -> None:
    """Serve the studio until its end."""
    yield_to_others(NICENESS)
    desk = Desk()
    player = _Player(desk)
    desk.work(lambda order: answer(player.do, order))


def _has(place: Path, size: int) -> bool:
    """Whether a file is there, and whole."""
    try:
        return place.stat().st_size == size
    except OSError:
        return False


def _tracks(made: Soundtrack) -> set[str]:
    """Names of what can be louder or quieter."""
    return {"original", *(track.name.lower() for track in made.score.tracks)}


def _write_stems(made: Soundtrack, out: Path, levels_db: dict[str, float | None]) -> None:
    """Write the tracks, one WAV each, into a zip."""
    import tempfile

    with atomic_output(out) as temporary, tempfile.TemporaryDirectory(dir=out.parent, prefix=".kinebeat-") as folder:
        made.save(stems=Path(folder) / "stems", levels_db=levels_db)
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
            for stem in sorted((Path(folder) / "stems").iterdir()):
                archive.write(stem, stem.name)
