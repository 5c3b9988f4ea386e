"""The trained network that sees keys go down, run by onnxruntime on one thread.

Shapes: T pictures, V x U a straightened keyboard, W width of what is known of a key.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from kinebeat.performance.notes import Notes
from kinebeat.performance.piano_keys import PITCHES
from kinebeat.performance.pressing.channels import channels
from kinebeat.performance.pressing.picking import struck_notes
from kinebeat.performance.pressing.pictures import PICTURES_PER_S
from kinebeat.performance.pressing.steadying import steadied
from kinebeat.weights import load
from kinebeat.weights.sessions import open_session

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from numpy.typing import NDArray

WEIGHT = "performance-presses"
PART_S = 60.0
"""A film is heard in parts of this length, each compared with its own still keyboard: light and camera may change, and
memory does not grow with the film."""
BESIDE_S = 2.0
"""Parts overlap by this on either side, and are believed within it."""
_AT_ONCE = 16


class PressModel:
    """A trained network.

    Args:
        parts: what `kinebeat.weights.load` gives: the graphs "see" and "follow", and the constants "threshold" and
            "held", see `picking.struck_notes`.
    """

    def __init__(self, parts: Mapping[str, NDArray[Any]]) -> None:
        self._see, self._follow = open_session(parts["see"]), open_session(parts["follow"])
        self._threshold, self._held = float(parts["threshold"]), float(parts["held"])

    @classmethod
    def shipped(cls) -> PressModel:
        """The one that is shipped.

        Raises:
            InputError: its weights are damaged.
        """
        return cls(load(WEIGHT))

    def play(self, pictures: Iterable[NDArray[np.uint8]]) -> Notes:
        """The notes of a film, in seconds from its first picture; see `pictures.key_pictures`."""
        rolls = list(self.hear(pictures))
        if not rolls:
            return Notes.none()
        roll = np.concatenate(rolls)
        return struck_notes(roll[..., 0], roll[..., 1], self._threshold, self._held, PICTURES_PER_S)

    def hear(self, pictures: Iterable[NDArray[np.uint8]]) -> Iterator[NDArray[np.float32]]:
        """How likely each key is struck and held: (T, 88, 2) of part after part, all together of every picture."""
        for part, first, last in parts_of(pictures):
            yield self._heard(part)[first:last]

    def _heard(self, part: NDArray[np.uint8]) -> NDArray[np.float32]:
        part, still = steadied(part)
        seen = []
        for start in range(0, len(part), _AT_ONCE):
            told = channels(part[start : start + _AT_ONCE], part[max(0, start - 1)], still)
            seen.append(self._see.run(None, {"pictures": told})[0])
        done: NDArray[np.float32] = self._follow.run(None, {"told": np.concatenate(seen)})[0]
        assert done.shape == (len(part), PITCHES, 2)  # noqa: S101  what `export` writes
        return done


def parts_of(
    pictures: Iterable[NDArray[np.uint8]], *, part_s: float = PART_S, beside_s: float = BESIDE_S
) -> Iterator[tuple[NDArray[np.uint8], int, int]]:
    """Parts of a film as they are looked at, and from which to which of its pictures each is believed."""
    size, beside = round(part_s * PICTURES_PER_S), round(beside_s * PICTURES_PER_S)
    coming = iter(pictures)
    kept: list[NDArray[np.uint8]] = []
    first = 0
    while True:
        new = list(islice(coming, size + (beside if first == 0 else 0)))
        kept += new
        if len(kept) <= first:
            return
        ended = len(kept) < first + size + beside
        last = len(kept) if ended else first + size
        yield np.stack(kept), first, last
        if ended:
            return
        kept, first = kept[last - beside :], beside
