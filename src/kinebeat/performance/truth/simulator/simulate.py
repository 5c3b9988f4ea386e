"""A MIDI part and an instrument -> a film of somebody who plays it, as a detector of joints sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kinebeat.errors import OptionError
from kinebeat.performance.instruments import INSTRUMENTS
from kinebeat.performance.keyboard import Keyboard
from kinebeat.performance.truth.simulator.bellows import play_bellows
from kinebeat.performance.truth.simulator.bowed import play_bowed
from kinebeat.performance.truth.simulator.detector import LAYOUT, detected, draw_noise, shown
from kinebeat.performance.truth.simulator.filming import draw_fps, film_from_front
from kinebeat.performance.truth.simulator.piano import film_from_above, play_piano, white_keys_shown
from kinebeat.performance.truth.simulator.plucked import play_plucked
from kinebeat.performance.truth.simulator.stage import Simulated
from kinebeat.performance.truth.simulator.winds import play_wind
from kinebeat.pose.track import PoseTrack

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kinebeat.performance.notes import Notes
    from kinebeat.performance.truth.simulator.detector import Noise
    from kinebeat.performance.truth.simulator.filming import Camera
    from kinebeat.performance.truth.simulator.piano_plan import PianoStyle

_AFTER_S = 2.0
_PLAYERS = {"bowed": play_bowed, "plucked": play_plucked, "wind": play_wind, "bellows": play_bellows}


def simulate(
    notes: Notes,
    instrument: str,
    rng: np.random.Generator,
    *,
    duration_s: float | None = None,
    fps: float | None = None,
    style: PianoStyle | None = None,
    camera: Camera | None = None,
    noise: Noise | None = None,
) -> Simulated:
    """Have somebody play a part, and film it.

    Args:
        notes: the part, in seconds of the film.
        instrument: name in `INSTRUMENTS`.
        rng: where all chance comes from; the same state gives the same performance.
        duration_s: of the film; two seconds more than the part if left out.
        fps: pictures a second; drawn if left out.
        style: who plays the piano; drawn if left out.
        camera: where the film is taken from; drawn if left out.
        noise: what the detector does wrong; drawn if left out.

    Returns:
        The performance.

    Raises:
        OptionError: there is no such instrument, or a film of no time is asked for.
    """
    if instrument not in INSTRUMENTS:
        raise OptionError(f"no instrument is called {instrument!r}; known are {', '.join(INSTRUMENTS)}")
    if duration_s is None:
        duration_s = (float(notes.offset_s.max()) if len(notes) else 0.0) + _AFTER_S
    fps = draw_fps(rng) if fps is None else fps
    if not (np.isfinite(duration_s) and np.isfinite(fps)) or min(duration_s, fps) <= 0 or duration_s * fps < 2:
        raise OptionError(f"a film of two pictures or more was expected, got {duration_s} s at {fps} pictures a second")
    times_s = np.arange(int(duration_s * fps)) / fps
    notes = notes[notes.onset_s < times_s[-1]]
    keyboard = None
    family = INSTRUMENTS[instrument].family
    if family == "keys":
        places, played, joint = play_piano(notes, times_s, rng, style)
        camera = film_from_above(places, rng) if camera is None else camera
        keyboard = Keyboard(camera.to_keys(), *white_keys_shown(camera), 1.0, True, False)
    else:
        in_range = (notes.pitch >= INSTRUMENTS[instrument].lowest) & (notes.pitch <= INSTRUMENTS[instrument].highest)
        places, played, joint, figure = _PLAYERS[family](notes[in_range], instrument, times_s, rng)
        camera = film_from_front(places, figure, rng) if camera is None else camera
    xy = shown(camera.project(places), camera.size)
    noise = draw_noise(rng, holding=keyboard is None) if noise is None else noise
    found, score = detected(xy, times_s, noise, rng)
    clean = _track(xy.astype(np.float32), np.isfinite(xy[..., 0]).astype(np.float32), times_s, camera.size)
    return Simulated(_track(found, score, times_s, camera.size), clean, played, joint, keyboard, instrument)


def _track(
    xy: NDArray[np.float32], score: NDArray[np.float32], times_s: NDArray[np.float64], size: tuple[int, int]
) -> PoseTrack:
    return PoseTrack(xy, score, times_s, LAYOUT.name, np.zeros(len(times_s), np.int32), size)
