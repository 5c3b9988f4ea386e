"""The classifier as trained and shipped, run by onnxruntime on one thread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from kinebeat.weights import load
from kinebeat.weights.sessions import open_session

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

WEIGHT = "drum-genres"
BATCH = 64


class GenreNet:
    """Genres of drums, and the features that it tells them by.

    Args:
        parts: what `kinebeat.weights.load` gives; the shipped ones if None.
    """

    def __init__(self, parts: Mapping[str, NDArray[Any]] | None = None) -> None:
        parts = load(WEIGHT) if parts is None else parts
        self.genres = tuple(str(genre) for genre in parts["genres"])
        self._net = open_session(parts["net"])

    def look(self, spectrograms: NDArray[np.floating[Any]]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Features (N, 64) and logits (N, genres) of spectrograms (N, 40, 100): `drum_audio.Kit.spectrogram`."""
        parts = [
            self._net.run(None, {"spectrogram": spectrograms[i : i + BATCH].astype(np.float32)})
            for i in range(0, len(spectrograms), BATCH)
        ]
        return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])
