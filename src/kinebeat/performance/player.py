"""Hears what a musician plays.

Of those who play on keys that are seen in a film: the keys that go down in its pictures (`pressing`). Of everybody
else, and where there are keypoints alone: features of the joints, the trained network clip by clip, and the notes of
it all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kinebeat.performance.beam import BEAM, likeliest
from kinebeat.performance.events import TICKS_PER_S, Limits, decode
from kinebeat.performance.features import CLIP_FRAMES, FPS, Features, features_of
from kinebeat.performance.instruments import INSTRUMENTS
from kinebeat.performance.joining import clip_starts, joined
from kinebeat.performance.model import PerformanceModel
from kinebeat.performance.notes import Notes
from kinebeat.performance.picking import pick, pick_voices
from kinebeat.performance.pressing.model import PressModel
from kinebeat.performance.pressing.pictures import key_pictures
from kinebeat.performance.sight import KEYS_FAMILY

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from kinebeat.performance.keyboard import Keyboard
    from kinebeat.performance.keypoints import Performer

LEAST_FRAMES = 8
"""A film shorter than this shows no music."""


class Player:
    """Plays what is seen.

    Args:
        model: the network; the shipped one of the instrument if None.
        words: whether the notes are those that the decoder says; else those that are struck, frame by frame.
        beam: hypotheses of the decoder.
        pictures: whether keys that go down are looked for in the pictures of a film; else joints are all there is.
        presses: the network that sees them; the shipped one if None.
    """

    def __init__(
        self,
        model: PerformanceModel | None = None,
        *,
        words: bool = False,
        beam: int = BEAM,
        pictures: bool = True,
        presses: PressModel | None = None,
    ) -> None:
        self._model, self._words, self._beam = model, words, beam
        self._pictures, self._presses = pictures and not words, presses

    def ready(self, instrument: str) -> None:
        """Load the model of an instrument, so that what is wrong with it is known before a film is looked at.

        Raises:
            InputError: the instrument's weights are damaged.
            OptionError: no model of the instrument is shipped.
        """
        if self._pictures and INSTRUMENTS[instrument].family == KEYS_FAMILY:
            self._presses = self._presses or PressModel.shipped()
        self._model = self._model or PerformanceModel.of(instrument)

    def play(
        self,
        performer: Performer,
        keyboard: Keyboard | None,
        instrument: str,
        *,
        film: Path | None = None,
        seed: int = 0,  # noqa: ARG002  nothing is drawn: the likeliest is played
        progress: Callable[[float], None] | None = None,
    ) -> Notes:
        """The notes of a film, in its seconds.

        Args:
            performer: whom it shows.
            keyboard: where the keys are, for those who play on some.
            instrument: what is played, a key of `INSTRUMENTS`.
            film: whose pictures show the keys; None where there are keypoints alone.
            seed: of what is drawn.
            progress: called with the share done.

        Raises:
            InputError: the instrument's weights are damaged, or the film cannot be read.
            OptionError: no model of the instrument is shipped.
        """
        self.ready(instrument)
        if self._presses is not None and keyboard is not None and film is not None:
            return self._presses.play(key_pictures(film, keyboard, progress=progress))
        features = features_of(performer.track, keyboard)
        return self.hear(features, instrument, progress=progress)

    def hear(self, features: Features, instrument: str, *, progress: Callable[[float], None] | None = None) -> Notes:
        """The same of features."""
        self.ready(instrument)
        model = self._model
        assert model is not None  # noqa: S101  it is ready
        if len(features) < LEAST_FRAMES:
            return Notes.none()
        duration_s = len(features) / FPS
        starts = [round(start_s * FPS) for start_s in clip_starts(duration_s)]
        clips: list[tuple[float, Notes]] = []
        rolls = np.zeros((len(features), 88, 2), np.float32)
        weights = np.zeros((len(features), 1, 1), np.float32)
        for number, start in enumerate(starts):
            part = slice(start, start + CLIP_FRAMES)
            clip = Features(features.nodes[part], features.tips[part])
            seen = model.look(clip, instrument)
            if self._words:
                clips.append((start / FPS, self._said(model, seen, len(clip), instrument)))
            else:
                trust = _trust(len(clip))
                rolls[part] += trust * np.stack([seen.struck, seen.held], -1)
                weights[part] += trust
            if progress is not None:
                progress((number + 1) / len(starts))
        if self._words:
            return joined(clips)
        rolls /= np.maximum(weights, 1e-6)
        if model.keys:
            return pick(rolls[..., 0], rolls[..., 1], model.picking)
        return pick_voices(rolls[..., 0], rolls[..., 1], model.picking, INSTRUMENTS[instrument].voices)

    def _said(self, model: PerformanceModel, seen: object, frames: int, instrument: str) -> Notes:
        of = INSTRUMENTS[instrument]
        length_s = frames / FPS
        limits = Limits(round(length_s * TICKS_PER_S), of.lowest, of.highest, of.voices)
        return decode(likeliest(model, seen, limits, beam=self._beam), length_s)  # type: ignore[arg-type]


def _trust(frames: int) -> NDArray[np.float32]:
    """(T, 1, 1): a clip is believed in its middle, where what lies before and after is seen."""
    at = np.arange(frames) + 0.5
    return np.minimum(np.minimum(at, frames - at) / FPS, 1.0).astype(np.float32)[:, None, None]
