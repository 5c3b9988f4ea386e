"""What the network of key presses learns from: films of keyboards, straightened, and what is played on them.

`python -m kinebeat.performance.pressing.corpus --data DATA --out CORPUS` makes it.

One file a film: `NAME.npz`.
"""

from __future__ import annotations

import argparse
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kinebeat.errors import InputError
from kinebeat.files import atomic_output
from kinebeat.performance.notes import Notes
from kinebeat.performance.pressing.pictures import COLUMNS, PICTURES_PER_S, ROWS, key_pictures

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from kinebeat.performance.truth.piano_videos import Split

_FORMAT = 1
_REMEDY = "make the corpus with kinebeat train performance-presses-corpus"
SPLITS: tuple[Split, ...] = ("train", "validation")
"""What there is a folder of."""


@dataclass(frozen=True, eq=False)
class Film:
    """A keyboard that is played.

    Attributes:
        pictures: (T, V, U) uint8, see `pictures.key_pictures`.
        notes: what is played, in seconds from the first picture.
        name: of the film.
    """

    pictures: NDArray[np.uint8]
    notes: Notes
    name: str

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.pictures) / PICTURES_PER_S


def films(data: Path, split: Split, *, keypoints: Path | None, out: Path, log: Callable[[str], None]) -> None:
    """Straighten the films of pianists of one split and keep them; those that are there already are left alone.

    Their notes are moved to the clock of the hands; a film in which no keyboard is found, or whose notes no hand
    plays, is left out.

    Args:
        data: folder of the data sets.
        split: see `piano_videos.PianoClip`.
        keypoints: see `watching.watch`.
        out: folder of the corpus.
        log: told of each film.

    Raises:
        InputError: the films are not there.
        OutputError: a file cannot be written.
    """
    from kinebeat.performance.truth.alignment import align
    from kinebeat.performance.truth.piano_videos import of_splits, read_clips
    from kinebeat.performance.truth.watching import watch

    folder = out / split
    folder.mkdir(parents=True, exist_ok=True)
    for clip in of_splits(read_clips(data), [split]):
        path = folder / f"{clip.name}.npz"
        if path.is_file():
            continue
        seen = watch(clip, keypoints)
        aligned = align(clip.notes, seen.performer, seen.keyboard) if seen.keyboard is not None else None
        if seen.keyboard is None or aligned is None or aligned.agreement <= 0:
            log(f"{clip.name}: left out, no keys or no hands that play them are seen")
            continue
        pictures = np.stack(list(key_pictures(clip.path, seen.keyboard)))
        write_film(path, Film(pictures, clip.notes.later(-aligned.lag_s), clip.name))
        log(f"{clip.name}: {len(pictures)} pictures, {len(clip.notes)} notes, {aligned.lag_s:+.3f} s")


def write_film(path: Path, film: Film) -> None:
    """Keep a film.

    Raises:
        OutputError: it cannot be written.
    """
    notes = film.notes
    with atomic_output(path) as partial, partial.open("wb") as file:
        np.savez(
            file,
            format=np.array(_FORMAT),
            pictures=film.pictures,
            times=np.stack([notes.onset_s, notes.offset_s]),
            keys=np.stack([notes.pitch, notes.velocity]).astype(np.int16),
        )


def read_films(folder: Path) -> list[Film]:
    """The films of a folder, by name.

    Raises:
        InputError: there are none, or one is not such a film.
    """
    paths = sorted(folder.glob("*.npz"))
    if not paths:
        raise InputError(folder, "no films are in it", _REMEDY)
    return [_read(path) for path in paths]


def _read(path: Path) -> Film:
    try:
        with np.load(path) as kept:
            if int(kept["format"]) != _FORMAT:
                raise InputError(path, f"expected format {_FORMAT}, found {int(kept['format'])}", _REMEDY)
            (onset_s, offset_s), (pitch, velocity) = kept["times"], kept["keys"].astype(np.int64)
            pictures = kept["pictures"]
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise InputError(path, f"cannot be read as a film ({error})", _REMEDY) from error
    if pictures.dtype != np.uint8 or pictures.shape[1:] != (ROWS, COLUMNS):
        raise InputError(path, f"expected pictures of {ROWS} x {COLUMNS}, found {pictures.shape[1:]}", _REMEDY)
    return Film(pictures, Notes(onset_s, offset_s, pitch, velocity), path.stem)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command `python -m kinebeat.performance.pressing.corpus`."""
    about = (__doc__ or "").split("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m kinebeat.performance.pressing.corpus", description=about)
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--out", type=Path, required=True, help="folder of the corpus")
    parser.add_argument("--keypoints", type=Path, help="keep the keypoints of the films here, or take them from here")
    options = parser.parse_args(arguments)
    for split in SPLITS:
        films(options.data, split, keypoints=options.keypoints, out=options.out, log=print)


if __name__ == "__main__":
    main()
