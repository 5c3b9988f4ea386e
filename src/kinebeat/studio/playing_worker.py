"""The worker that plays: composes variants to what was heard, renders their sound, writes what is taken away.

Orders are lines of JSON with a `do`: "ready", "compose", "render", "write". It keeps what it needs for the next change
of the same clip, so that a change is heard at once. Rendering makes way for the next order and is taken up again.
"""

from __future__ import annotations

import json
import zipfile
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kinebeat.children import Desk, yield_to_others
from kinebeat.files import atomic_output
from kinebeat.studio.rehearsal import rehearsed
from kinebeat.studio.telling import variant_told
from kinebeat.studio.wishes import checked_wish, settings_of
from kinebeat.studio.work import answer, as_pcm, folder_of, hide_paths, plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import BinaryIO

    from numpy.typing import NDArray

    from kinebeat.audio import Mix
    from kinebeat.hearing import Heard
    from kinebeat.pipeline import Soundtrack

    Message = dict[str, Any]
    Key = tuple[str, int, int]

NICENESS = 2
MOST_HEARD, MOST_MADE = 3, 6
"""How many clips and variants are remembered."""
PART = ".part"


@dataclass
class _Made:
    """A variant that is remembered, and how far its sound has been rendered."""

    soundtrack: Soundtrack
    mix: Mix | None = None
    files: dict[str, BinaryIO] = field(default_factory=dict)
    blocks: dict[str, Iterator[NDArray[Any]]] = field(default_factory=dict)
    rendered: bool = False

    def close(self) -> None:
        """Let go of files that are half written."""
        for file in self.files.values():
            file.close()


class _Player:
    """Does the orders."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._heard: OrderedDict[str, Heard] = OrderedDict()
        self._made: OrderedDict[Key, _Made] = OrderedDict()

    def do(self, order: Message) -> Message:
        """Carry out an order."""
        doers: dict[str, Callable[[Message], Message]] = {
            "ready": self._ready,
            "compose": self._compose,
            "render": self._render,
            "write": self._write,
        }
        return doers[order["do"]](order)

    def _tell(self, stage: str, share: float) -> None:
        self._desk.tell({"stage": stage, "share": share})

    def _ready(self, order: Message) -> Message:
        """Load what every clip needs before the first comes."""
        import kinebeat.heard_files  # noqa: F401  loaded, not used
        from kinebeat.audio import mix
        from kinebeat.pipeline import play_to
        from kinebeat.score import SEATS

        wish = checked_wish({"instruments": list(SEATS)}, 0)
        made = play_to(rehearsed(), settings_of(wish, order["font"]))
        variant_told(made, wish)
        next(mix(made.score, soundfont=order["font"]).stem(0))
        return {}

    def _compose(self, order: Message) -> Message:
        """Make a variant and tell what is played in it."""
        folder, number, revision = folder_of(order), order["number"], order["revision"]
        made = self._soundtrack(order)
        told = variant_told(made, order["settings"])
        told["warnings"] = [plain(line, order) for line in told["warnings"]]
        place = folder.told(number, revision)
        place.parent.mkdir(parents=True, exist_ok=True)
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

        made = play_to(self._listen(order), settings_of(order["settings"], order["font"]), progress=self._tell)
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
        from kinebeat.audio import mix

        made = self._soundtrack(order)
        key = (order["folder"], order["number"], order["revision"])
        kept = self._made[key]
        folder = folder_of(order)
        if kept.mix is None:
            kept.mix = mix(made.score, soundfont=made.settings.soundfont)
            for index, track in enumerate(made.score.tracks):
                name = track.name.lower()
                place = folder.sound(order["number"], order["revision"], name)
                place.parent.mkdir(parents=True, exist_ok=True)
                kept.files[name] = place.open("wb", buffering=0)
                kept.blocks[name] = kept.mix.stem(index)
        while kept.blocks and not self._desk.paused:
            for name in list(kept.blocks):
                block = next(kept.blocks[name], None)
                if block is None:
                    kept.files.pop(name).close()
                    del kept.blocks[name]
                else:
                    kept.files[name].write(as_pcm(block))
            self._desk.tell({"rendered": True})
        return {"whole": not kept.blocks}

    def _write(self, order: Message) -> Message:
        """Write one file to be taken away, with the levels of the variant."""
        made, out, what = self._soundtrack(order), Path(order["out"]), order["what"]
        out.parent.mkdir(parents=True, exist_ok=True)
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
