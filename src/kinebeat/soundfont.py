"""SoundFont 2 and 3 files: which recordings a key plays, and how.

Read after the "SoundFont Technical Specification" version 2.04 (Creative Technology, 2006); its section numbers
are named below. SoundFont 3 is the same with Ogg Vorbis recordings. Recordings are mapped, not loaded: a font of
150 MB costs the memory of the few notes in use.
"""

from __future__ import annotations

import enum
import importlib.resources
import io
import itertools
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kinebeat.errors import InputError

if TYPE_CHECKING:
    import av
    from numpy.typing import NDArray

DRUM_BANK = 128
COMPRESSED = 0x10  # flag of a SoundFont 3 recording
ROM = 0x8000  # flag of a recording in the read-only memory of a sound card
SYSTEM_FONTS = (
    "/usr/share/sounds/sf2/FluidR3_GM.sf2",
    "/usr/share/sounds/sf2/default-GM.sf2",
    "/usr/share/sounds/sf3/default-GM.sf3",
    "/usr/share/sounds/sf3/MuseScore_General_Lite.sf3",
    "/usr/share/soundfonts/FluidR3_GM.sf2",
    "/usr/share/soundfonts/default.sf2",
    "/usr/local/share/soundfonts/default.sf2",
    "/opt/homebrew/share/soundfonts/default.sf2",
)


class Gen(enum.IntEnum):
    """The generators that are heeded (section 8.1.2)."""

    START_OFFSET = 0
    END_OFFSET = 1
    LOOP_START_OFFSET = 2
    LOOP_END_OFFSET = 3
    START_COARSE = 4
    MOD_ENV_TO_PITCH = 7
    FILTER_CUTOFF = 8
    FILTER_Q = 9
    MOD_ENV_TO_FILTER = 11
    END_COARSE = 12
    PAN = 17
    MOD_DELAY = 25
    MOD_ATTACK = 26
    MOD_HOLD = 27
    MOD_DECAY = 28
    MOD_SUSTAIN = 29
    MOD_RELEASE = 30
    VOL_DELAY = 33
    VOL_ATTACK = 34
    VOL_HOLD = 35
    VOL_DECAY = 36
    VOL_SUSTAIN = 37
    VOL_RELEASE = 38
    KEY_TO_VOL_HOLD = 39
    KEY_TO_VOL_DECAY = 40
    INSTRUMENT = 41
    KEY_RANGE = 43
    VELOCITY_RANGE = 44
    LOOP_START_COARSE = 45
    FIXED_KEY = 46
    FIXED_VELOCITY = 47
    ATTENUATION = 48
    LOOP_END_COARSE = 50
    COARSE_TUNE = 51
    FINE_TUNE = 52
    SAMPLE = 53
    SAMPLE_MODES = 54
    SCALE_TUNING = 56
    EXCLUSIVE_CLASS = 57
    ROOT_KEY = 58


DEFAULTS: dict[int, int] = {
    Gen.FILTER_CUTOFF: 13500,
    **dict.fromkeys(
        (
            Gen.MOD_DELAY,
            Gen.MOD_ATTACK,
            Gen.MOD_HOLD,
            Gen.MOD_DECAY,
            Gen.MOD_RELEASE,
            Gen.VOL_DELAY,
            Gen.VOL_ATTACK,
            Gen.VOL_HOLD,
            Gen.VOL_DECAY,
            Gen.VOL_RELEASE,
        ),
        -12000,
    ),
    Gen.FIXED_KEY: -1,
    Gen.FIXED_VELOCITY: -1,
    Gen.SCALE_TUNING: 100,
    Gen.ROOT_KEY: -1,
}
"""Values of the generators that a font leaves out, where they are not 0 (section 8.1.3)."""

# These belong to an instrument alone and are ignored in a preset (section 8.5).
_ONLY_IN_INSTRUMENTS = frozenset(
    {
        Gen.START_OFFSET,
        Gen.END_OFFSET,
        Gen.LOOP_START_OFFSET,
        Gen.LOOP_END_OFFSET,
        Gen.START_COARSE,
        Gen.END_COARSE,
        Gen.LOOP_START_COARSE,
        Gen.LOOP_END_COARSE,
        Gen.FIXED_KEY,
        Gen.FIXED_VELOCITY,
        Gen.SAMPLE_MODES,
        Gen.EXCLUSIVE_CLASS,
        Gen.ROOT_KEY,
    }
)

_RECORDS: dict[str, Any] = {
    "phdr": [("name", "S20"), ("program", "<u2"), ("bank", "<u2"), ("bag", "<u2"), ("rest", "<u4", 3)],
    "pbag": [("gen", "<u2"), ("mod", "<u2")],
    "pgen": [("gen", "<u2"), ("amount", "<i2")],
    "inst": [("name", "S20"), ("bag", "<u2")],
    "ibag": [("gen", "<u2"), ("mod", "<u2")],
    "igen": [("gen", "<u2"), ("amount", "<i2")],
    "shdr": [
        ("name", "S20"),
        ("start", "<u4"),
        ("end", "<u4"),
        ("loop_start", "<u4"),
        ("loop_end", "<u4"),
        ("rate", "<u4"),
        ("key", "u1"),
        ("cents", "i1"),
        ("link", "<u2"),
        ("kind", "<u2"),
    ],
}


@dataclass(frozen=True, eq=False)
class Zone:
    """One recording that a key plays, with everything that shapes it. The same zone is the same object.

    Attributes:
        sample: number of the recording.
        gens: the generators that are set, see `value`.
        key: the key that sounds, which a zone may fix.
    """

    sample: int
    gens: dict[int, int]
    key: int

    def value(self, gen: Gen) -> int:
        """A generator's value in its own unit, or its default."""
        return self.gens.get(gen, DEFAULTS.get(gen, 0))


@dataclass(frozen=True)
class Recording:
    """The samples of a zone.

    Attributes:
        pcm: (N,) float32 in [-1, 1].
        rate_hz: sample rate.
        loop: first and one past the last sample of the loop, or None.
        root_key: key at which it sounds as recorded, with cents as fraction.
    """

    pcm: NDArray[np.float32]
    rate_hz: int
    loop: tuple[int, int] | None
    root_key: float


@dataclass
class SoundFont:
    """An opened soundfont; `open_soundfont` makes it.

    Attributes:
        path: where it came from.
        pcm: all recordings, 16-bit, on disk.
        raw: the same as bytes, for compressed ones.
        tables: the records of the font by the names of their chunks.
        presets: (bank, program) -> generators of its zones.
    """

    path: Path
    pcm: NDArray[np.int16]
    raw: NDArray[np.uint8]
    tables: dict[str, NDArray[np.void]]
    presets: dict[tuple[int, int], list[dict[int, int]]] = field(default_factory=dict)
    _instruments: dict[int, list[dict[int, int]]] = field(default_factory=dict, repr=False)
    _sounding: dict[tuple[int, int, int, int], tuple[Zone, ...]] = field(default_factory=dict, repr=False)
    _layers: dict[tuple[int, int, int], Zone] = field(default_factory=dict, repr=False)

    def program(self, program: int, is_drum: bool) -> tuple[int, int]:
        """Bank and program to play: the one asked for, else the first kit or piano, else the first there is."""
        bank = DRUM_BANK if is_drum else 0
        for choice in ((bank, program), (bank, 0)):
            if choice in self.presets:
                return choice
        return min(self.presets, key=lambda preset: (preset[0] != bank, preset))

    def zones(self, bank: int, program: int, key: int, velocity: int) -> tuple[Zone, ...]:
        """The recordings that sound for a key at a velocity (section 9.4: instrument values plus preset's)."""
        note = (bank, program, key, velocity)
        if note not in self._sounding:
            layers = [
                self._layer(preset, zone, key)
                for preset in self.presets[bank, program]
                if _within(preset, key, velocity)
                for zone in self._instrument(preset[Gen.INSTRUMENT])
                if _within(zone, key, velocity)
            ]
            self._sounding[note] = tuple(layers)
        return self._sounding[note]

    def _layer(self, preset: dict[int, int], zone: dict[int, int], key: int) -> Zone:
        """An instrument's zone at one key with the preset's changes."""
        layer = (id(preset), id(zone), key)
        if layer not in self._layers:
            gens = {gen: amount for gen, amount in zone.items() if gen not in _SELECTING}
            for gen, amount in preset.items():
                if gen not in _ONLY_IN_INSTRUMENTS and gen not in _SELECTING:
                    gens[gen] = gens.get(gen, DEFAULTS.get(gen, 0)) + amount
            fixed = gens.get(Gen.FIXED_KEY, -1)
            self._layers[layer] = Zone(gens.pop(Gen.SAMPLE), gens, fixed if 0 <= fixed <= 127 else key)
        return self._layers[layer]

    def recording(self, zone: Zone) -> Recording:
        """The samples of a zone, with its offsets and loop."""
        header = self.tables["shdr"][zone.sample]
        start, end = int(header["start"]), int(header["end"])
        kind = int(header["kind"])
        if kind & COMPRESSED:
            pcm = _decode_vorbis(self.raw[start:end].tobytes())
            loop_start, loop_end, start, end = int(header["loop_start"]), int(header["loop_end"]), 0, len(pcm)
        else:
            pcm = np.zeros(0, np.float32)
            loop_start, loop_end = int(header["loop_start"]), int(header["loop_end"])
        first = start + zone.value(Gen.START_OFFSET) + 32768 * zone.value(Gen.START_COARSE)
        last = end + zone.value(Gen.END_OFFSET) + 32768 * zone.value(Gen.END_COARSE)
        loop_start += zone.value(Gen.LOOP_START_OFFSET) + 32768 * zone.value(Gen.LOOP_START_COARSE)
        loop_end += zone.value(Gen.LOOP_END_OFFSET) + 32768 * zone.value(Gen.LOOP_END_COARSE)
        if kind & COMPRESSED:
            pcm = pcm[max(first, 0) : last]
        else:
            pcm = self.pcm[max(first, 0) : max(last, 0)].astype(np.float32) / 32768
        if kind & ROM:
            pcm = pcm[:0]
        loop = (loop_start - first, loop_end - first)
        looped = zone.value(Gen.SAMPLE_MODES) & 1 and 0 <= loop[0] < loop[1] <= len(pcm)
        root = zone.value(Gen.ROOT_KEY)
        root = root if 0 <= root <= 127 else int(header["key"]) if header["key"] <= 127 else 60
        return Recording(pcm, int(header["rate"]), loop if looped else None, root - int(header["cents"]) / 100)

    def _instrument(self, number: int) -> list[dict[int, int]]:
        """Zones of an instrument, read when first needed."""
        if number not in self._instruments:
            inst, bags = self.tables["inst"], self.tables["ibag"]
            first, last = int(inst["bag"][number]), int(inst["bag"][number + 1])
            self._instruments[number] = _zones(bags, self.tables["igen"], first, last, Gen.SAMPLE)
        return self._instruments[number]


_SELECTING = frozenset({Gen.KEY_RANGE, Gen.VELOCITY_RANGE, Gen.INSTRUMENT})


def find_soundfont(path: str | Path | None = None) -> Path:
    """Which soundfont to play: the one given, else a system General MIDI font, else pretty_midi's small one.

    Args:
        path: the user's choice, or None.

    Raises:
        InputError: there is none.
    """
    if path is not None:
        return Path(path)
    for place in SYSTEM_FONTS:
        if Path(place).is_file():
            return Path(place)
    small = importlib.resources.files("pretty_midi") / "TimGM6mb.sf2"
    if isinstance(small, Path) and small.is_file():
        return small
    raise InputError("soundfont", "none was found", "install fluid-soundfont-gm or give one with --soundfont")


def open_soundfont(path: str | Path | None = None) -> SoundFont:
    """Open a SoundFont 2 or 3 file.

    Args:
        path: the file, or None for the one that `find_soundfont` finds.

    Raises:
        InputError: the file is missing or is no soundfont.
    """
    found = find_soundfont(path)
    remedy = "give a General MIDI .sf2 or .sf3 file with --soundfont"
    if not found.is_file():
        raise InputError(found, "there is no such file", remedy)
    try:
        with found.open("rb") as file:
            font = _parse(found, file)
    except OSError as error:
        raise InputError(found, f"cannot be read ({error.strerror})", remedy) from error
    except (ValueError, KeyError, IndexError) as error:
        raise InputError(found, "is not a complete SoundFont file", remedy) from error
    if not font.presets:
        raise InputError(found, "has no sounds in it", remedy)
    return font


def _parse(path: Path, file: io.BufferedReader) -> SoundFont:
    """Read the lists of a font and map its recordings (sections 4 to 7)."""
    size = path.stat().st_size
    if file.read(4) != b"RIFF" or file.read(8)[4:] != b"sfbk":
        raise ValueError("no RIFF sfbk")
    chunks: dict[str, tuple[int, int]] = {}
    _chunks(file, 12, size, chunks)
    tables = {}
    for name, fields in _RECORDS.items():
        kind = np.dtype(fields)
        place, length = chunks[name]
        file.seek(place)
        tables[name] = np.frombuffer(file.read(length // kind.itemsize * kind.itemsize), kind)
    place, length = chunks["smpl"]
    raw = np.memmap(path, np.uint8, "r", place, (min(length, size - place) // 2 * 2,))
    font = SoundFont(path, raw.view("<i2"), raw, tables)
    heads = tables["phdr"]
    for head, after in itertools.pairwise(heads):
        key = int(head["bank"]), int(head["program"])
        zones = _zones(tables["pbag"], tables["pgen"], int(head["bag"]), int(after["bag"]), Gen.INSTRUMENT)
        font.presets.setdefault(key, zones)
    return font


def _chunks(file: io.BufferedReader, place: int, end: int, found: dict[str, tuple[int, int]]) -> None:
    """Note place and length of every chunk, looking into lists."""
    while place + 8 <= end:
        file.seek(place)
        name, length = file.read(4), int.from_bytes(file.read(4), "little")
        if name == b"LIST":
            _chunks(file, place + 12, min(place + 8 + length, end), found)
        else:
            found[name.decode("latin-1")] = (place + 8, length)
        place += 8 + length + length % 2


def _zones(bags: NDArray[np.void], gens: NDArray[np.void], first: int, last: int, ending: Gen) -> list[dict[int, int]]:
    """Generators of the zones between two bags; a first zone without `ending` holds for all (section 7.3)."""
    common: dict[int, int] = {}
    zones = []
    for bag in range(first, last):
        rows = gens[int(bags["gen"][bag]) : int(bags["gen"][bag + 1])]
        zone = dict(zip(rows["gen"].tolist(), rows["amount"].tolist(), strict=True))
        if ending in zone:
            zones.append({**common, **zone})
        elif bag == first:
            common = zone
    return zones


def _within(zone: dict[int, int], key: int, velocity: int) -> bool:
    """Whether a zone's key and velocity ranges hold this note; a range is two bytes, low and high."""
    for gen, value in ((Gen.KEY_RANGE, key), (Gen.VELOCITY_RANGE, velocity)):
        if gen in zone:
            both = zone[gen] & 0xFFFF
            if not both & 0xFF <= value <= both >> 8:
                return False
    return True


def _decode_vorbis(ogg: bytes) -> NDArray[np.float32]:
    """The samples of an Ogg Vorbis recording, as one channel."""
    import av

    with av.open(io.BytesIO(ogg), "r") as container:
        parts = [_first_channel(frame) for frame in container.decode(audio=0)]
    pcm: NDArray[np.float32] = np.concatenate([np.zeros(0, np.float32), *parts]).astype(np.float32)
    return pcm


def _first_channel(frame: av.AudioFrame) -> NDArray[np.float32]:
    """Recordings have one channel; of a file that has more the first is taken."""
    samples: NDArray[Any] = frame.to_ndarray()
    one = samples[0] if frame.format.is_planar else samples.reshape(-1, len(frame.layout.channels))[:, 0]
    return one.astype(np.float32)
