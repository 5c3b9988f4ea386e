"""What the performance network learns from, kept in one file per part of it.

A piece is what a detector saw of somebody who plays, `FPS` times a second, and the notes. Of those who play on keys
both hands are kept in key units, of everybody else all joints in pixels.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kinebeat.errors import InputError
from kinebeat.files import atomic_output
from kinebeat.performance.features import FPS, HAND_NODES, Features, body_features, key_features, resampled
from kinebeat.performance.instruments import INSTRUMENTS
from kinebeat.performance.notes import Notes
from kinebeat.performance.piano_keys import KEY_LENGTH_U

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from numpy.typing import NDArray

    from kinebeat.performance.keyboard import Keyboard
    from kinebeat.pose.track import PoseTrack

_FORMAT = 1
_NAMES = tuple(INSTRUMENTS)
_REMEDY = "make the corpus with kinebeat train performance-corpus"


@dataclass(frozen=True, eq=False)
class Piece:
    """Somebody who plays.

    Attributes:
        joints: (T, 42, 2) widths of a white key, or (T, 67, 2) pixels; NaN where not seen; `FPS` a second.
        notes: what they play, in the same seconds.
        instrument: a key of `INSTRUMENTS`.
        real: whether it is a film, or made by the simulator.
        name: which film, or which simulation.
    """

    joints: NDArray[np.float32]
    notes: Notes
    instrument: str
    real: bool
    name: str

    @property
    def keys(self) -> bool:
        """Whether they play on keys."""
        return self.joints.shape[1] == len(HAND_NODES)

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.joints) / FPS

    def features(self, part: slice = slice(None)) -> Features:
        """Features of some of the frames."""
        return (key_features if self.keys else body_features)(self.joints[part])


def joints_of(track: PoseTrack, keyboard: Keyboard | None) -> NDArray[np.float32]:
    """What a piece keeps of a track; in key units where there is a keyboard."""
    xy = resampled(track)
    if keyboard is not None:
        xy = keyboard.key_units(xy[:, HAND_NODES]) * np.array([1.0, KEY_LENGTH_U])
    return xy.astype(np.float32)


def write_pieces(path: Path, pieces: Iterable[Piece]) -> None:
    """Keep pieces in a file.

    Raises:
        OutputError: it cannot be written.
    """
    arrays: dict[str, NDArray[np.generic]] = {"format": np.array(_FORMAT)}
    count = 0
    for number, piece in enumerate(pieces):
        notes = piece.notes
        arrays[f"joints{number}"] = piece.joints.astype(np.float32)
        arrays[f"times{number}"] = np.stack([notes.onset_s, notes.offset_s])
        arrays[f"keys{number}"] = np.stack([notes.pitch, notes.velocity]).astype(np.int16)
        arrays[f"about{number}"] = np.array([piece.instrument, str(int(piece.real)), piece.name])
        count = number + 1
    arrays["count"] = np.array(count)
    with atomic_output(path) as partial, partial.open("wb") as file:
        np.savez(file, **arrays)


def read_pieces(path: Path) -> list[Piece]:
    """The pieces of a file.

    Raises:
        InputError: it is not there, or is not such a file.
    """
    try:
        with np.load(path) as kept:
            if int(kept["format"]) != _FORMAT:
                raise InputError(path, f"expected format {_FORMAT}, found {int(kept['format'])}", _REMEDY)
            return [_piece(kept, number) for number in range(int(kept["count"]))]
    except FileNotFoundError as error:
        raise InputError(path, "there is no such corpus", _REMEDY) from error
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise InputError(path, f"cannot be read as a corpus ({error})", _REMEDY) from error


def _piece(kept: np.lib.npyio.NpzFile, number: int) -> Piece:
    (onset_s, offset_s), (pitch, velocity) = kept[f"times{number}"], kept[f"keys{number}"].astype(np.int64)
    instrument, real, name = kept[f"about{number}"].tolist()
    if instrument not in _NAMES:
        raise ValueError(f"no instrument {instrument!r}")
    return Piece(kept[f"joints{number}"], Notes(onset_s, offset_s, pitch, velocity), instrument, real == "1", name)
