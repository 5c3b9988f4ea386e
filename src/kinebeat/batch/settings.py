"""What is to be made of every clip, and the key under which it is remembered."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from kinebeat.background import CLIP, check_background
from kinebeat.batch.clips import Identity, content_sha256, identity
from kinebeat.errors import InputError, OptionError

if TYPE_CHECKING:
    from kinebeat.audio import Original
    from kinebeat.pipeline import Settings

KEY_DIGITS = 16
MOST_VARIANTS = 99


@dataclass(frozen=True)
class BatchSettings:
    """What is made of every clip; the music's part as in `kinebeat.pipeline.Settings`.

    Attributes:
        tempo_bpm: fixes the tempo.
        density: how busy the players are.
        kit: name of a drum kit.
        soundfont: path of an .sf2 file; one that is found if None.
        seed: the one source of chance; each clip has its own from it (`kinebeat.batch.clips.clip_seed`).
        instruments: who plays beside the drums.
        key: what they play in.
        background: a song for all clips, or "clip" for each one's own sound.
        background_start_s: which second of the song falls on a clip's time 0.
        original: the clip's own sound: "keep", "duck" or "mute".
        overlay: draw skeleton and hits on the picture.
        variants: how many soundtracks of each clip, with seeds one after the other.
        midi: also write the notes.
        wav: also write the sound.
        plot: also draw the plot.
        report: also write the report.
        stems: also write each track as a WAV.
    """

    tempo_bpm: float | None = None
    density: float = 1.0
    kit: str = "standard"
    soundfont: Path | None = None
    seed: int = 0
    instruments: tuple[str, ...] = ()
    key: str | None = None
    background: Path | Literal["clip"] | None = None
    background_start_s: float = 0.0
    original: Original = "mute"
    overlay: bool = False
    variants: int = 1
    midi: bool = False
    wav: bool = False
    plot: bool = False
    report: bool = False
    stems: bool = False

    def music(self) -> Settings:
        """The part that is the music's."""
        from kinebeat.pipeline import Settings

        return Settings(
            self.tempo_bpm,
            self.density,
            self.kit,
            self.soundfont,
            self.seed,
            self.instruments,
            self.key,
            self.background,
            self.background_start_s,
        )


@dataclass(frozen=True)
class Resolved:
    """Settings with everything that a worker needs to do the same as all others.

    Attributes:
        settings: with absolute paths, the soundfont that was found and the key by its usual name.
        font_sha256: digest of the soundfont.
        song_sha256: digest of the song that all clips join; None if there is none.
    """

    settings: BatchSettings
    font_sha256: str
    song_sha256: str | None

    @property
    def key(self) -> str:
        """Digest of all that the results depend on beside the clip; where a font or song lies is no part of it."""
        told = told_of(self.settings) | {"soundfont": self.font_sha256}
        if self.song_sha256 is not None:
            told["background"] = self.song_sha256
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:KEY_DIGITS]

    def as_json(self) -> dict[str, Any]:
        """For a worker."""
        return {"settings": told_of(self.settings), "font": self.font_sha256, "song": self.song_sha256}

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> Resolved:
        """What a worker was told."""
        values = dict(told["settings"])
        values["instruments"] = tuple(values["instruments"])
        values["soundfont"] = Path(values["soundfont"])
        if values["background"] not in (None, CLIP):
            values["background"] = Path(values["background"])
        return cls(BatchSettings(**values), told["font"], told["song"])

    def check_here(self) -> None:
        """See that the soundfont and the song are what they were where the batch was begun.

        Raises:
            InputError: one is missing or another.
        """
        settings = self.settings
        for path, expected in ((settings.soundfont, self.font_sha256), (settings.background, self.song_sha256)):
            if isinstance(path, Path) and digest_of(path) != expected:
                raise InputError(path, "is not the file the batch was begun with", "do not change it during a batch")


def told_of(settings: BatchSettings) -> dict[str, Any]:
    """Settings as JSON takes them."""
    return {name: str(value) if isinstance(value, Path) else value for name, value in asdict(settings).items()}


def resolved(settings: BatchSettings) -> Resolved:
    """Check the settings before any clip is looked at.

    Raises:
        OptionError: one is outside what it may be.
        InputError: the soundfont or the song cannot be used.
    """
    from kinebeat.outputs import check_original
    from kinebeat.pipeline import checked
    from kinebeat.soundfont import find_soundfont, open_soundfont

    if not 1 <= settings.variants <= MOST_VARIANTS:
        raise OptionError(f"{settings.variants} variants: expected 1 to {MOST_VARIANTS}")
    if settings.seed < 0:
        raise OptionError(f"seed {settings.seed}: expected 0 or more")
    check_original(settings.original, joined=settings.background is not None)
    if settings.tempo_bpm is not None:
        from kinebeat.beats.tracking import check_tempo

        check_tempo(settings.tempo_bpm)
    font = find_soundfont(settings.soundfont)
    open_soundfont(font)
    song = settings.background
    if isinstance(song, Path):
        check_background(song)
        song = song.absolute()
    sure = replace(settings, soundfont=font.absolute(), background=song)
    key = checked(sure.music()).key
    song_sha256 = digest_of(song) if isinstance(song, Path) else None
    return Resolved(replace(sure, key=key), digest_of(font), song_sha256)


def digest_of(path: Path) -> str:
    """Digest of a soundfont or song, read again only if the file has changed.

    Raises:
        InputError: it cannot be read.
    """
    try:
        return _digest(path, identity(path))
    except OSError as error:
        remedy = "it must be there, under this path, wherever clips are worked on"
        raise InputError(path, f"cannot be read ({error.strerror})", remedy) from error


@lru_cache(maxsize=8)
def _digest(path: Path, _identity: Identity) -> str:
    return content_sha256(path)
