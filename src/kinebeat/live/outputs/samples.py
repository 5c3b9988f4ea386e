"""The drums as short recordings, for whoever plays them live: the page and the loudspeakers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kinebeat.beats.grid import BeatGrid
from kinebeat.drums.kit import DRUMS
from kinebeat.errors import OptionError
from kinebeat.levels import amplitude
from kinebeat.score import KITS, Score, Track
from kinebeat.soundfont import open_soundfont
from kinebeat.synth import RATE_HZ, Sampler, render_blocks

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

LAYERS = (48, 88, 127)
"""MIDI velocities that each drum is recorded at; fonts have other recordings for soft strokes than for hard ones."""
LONGEST_S, FADE_S = 3.0, 0.4
LOUDEST_DBFS = -9.0
"""Peak of the loudest single stroke: a few may sound together."""
SILENT = 2**-13


@dataclass(frozen=True)
class DrumSamples:
    """All drums of a kit.

    Attributes:
        waves: waves[drum][layer] is (N, 2) float32 at 48 kHz, as loud as it is at that layer's velocity.
    """

    waves: tuple[tuple[NDArray[np.float32], ...], ...]

    def stroke(self, drum: int, velocity: float) -> tuple[NDArray[np.float32], float]:
        """The recording for a stroke and the gain to play it with.

        Args:
            drum: number in `DRUMS`.
            velocity: in (0, 1].
        """
        key = min(127.0, max(1.0, 127 * velocity))
        layer = next(i for i, own in enumerate(LAYERS) if key <= own)
        return self.waves[drum][layer], (key / LAYERS[layer]) ** 2


def drum_samples(kit: str = "standard", soundfont: str | Path | None = None) -> DrumSamples:
    """Record each drum of a kit at each of `LAYERS`.

    Args:
        kit: a key of `kinebeat.score.KITS`.
        soundfont: path of a font; None takes the one that `kinebeat.soundfont` finds.

    Raises:
        OptionError: there is no such kit.
        InputError: the soundfont cannot be used.
    """
    if kit not in KITS:
        raise OptionError(f"there is no kit {kit!r}; choose one of {', '.join(KITS)}")
    sampler = Sampler(open_soundfont(soundfont))
    raw = [[_recorded(drum.pitch, layer, KITS[kit], sampler) for layer in LAYERS] for drum in DRUMS]
    peak = max(float(np.abs(wave).max(initial=0)) for waves in raw for wave in waves)
    gain = np.float32(amplitude(LOUDEST_DBFS) / max(peak, 1e-9))
    return DrumSamples(tuple(tuple(wave * gain for wave in waves) for waves in raw))


def _recorded(pitch: int, velocity: int, program: int, sampler: Sampler) -> NDArray[np.float32]:
    """One stroke, without the silence after it."""
    one = (np.zeros(1), np.array([LONGEST_S]), np.array([pitch]), np.array([velocity]))
    track = Track("Drums", program, True, *one)
    score = Score((track,), BeatGrid(np.array([0.0, 2.0, 4.0])), LONGEST_S)
    wave = np.concatenate(list(render_blocks(score, sampler=sampler)))
    heard = np.flatnonzero(np.abs(wave).max(axis=1) > SILENT)
    wave = wave[: heard[-1] + 1 if len(heard) else 1].copy()
    fade = round(FADE_S * RATE_HZ)
    if len(wave) > round(LONGEST_S * RATE_HZ) - fade:
        wave[-fade:] *= np.linspace(1, 0, fade, dtype=np.float32)[:, None]
    return wave
