"""The moments of a clip that its music is made for: its beats and accents, as they are heard or put by hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kinebeat.accents import WEAKEST_ACCENT, WEAKEST_PEAK, find_accents, movement_peaks
from kinebeat.edits import check_apart, edited_accents, edited_beats
from kinebeat.rhythm import LANDING_TOLERANCE_S, compose, settled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kinebeat.accents import Accents
    from kinebeat.hearing import Heard
    from kinebeat.rhythm import Rhythm
    from kinebeat.settings import Settings

SONG_TOLERANCE_S = 0.025
"""With a song, whose own drums are heard beside ours, a hit this close to its movement stays on the song's grid."""
STRONGEST_LEAST = 0.9
"""However low the density, accents from this strength on are played."""


@dataclass(frozen=True)
class Moments:
    """What the players are given, and where it is from.

    Attributes:
        peaks: all kinematic peaks.
        accents: the moments that the drums must play.
        heard_accents_s: (N,) when each accent was heard; NaN for those that were added by hand.
        rhythm: beats and accents on the grid.
        heard_beats_s: (B,) when each beat of the grid was heard; NaN where there is one only to fill a bar.
    """

    peaks: Accents
    accents: Accents
    heard_accents_s: NDArray[np.float64]
    rhythm: Rhythm
    heard_beats_s: NDArray[np.float64]


def find_moments(heard: Heard, settings: Settings) -> Moments:
    """Beats and accents of a clip at a density, with the edits by hand.

    Args:
        heard: the clip, heard at the tempo of the settings.
        settings: the density and the edits.

    Raises:
        OptionError: an edit is of a beat or an accent that is not there, or cannot be.
    """
    motion, duration_s = heard.motion, heard.duration_s
    everything = find_accents(motion, weakest=WEAKEST_PEAK)
    played = find_accents(motion, weakest=_weakest(settings.density))
    accents, heard_accents_s, by_hand = edited_accents(played, everything, settings.edits, duration_s)
    # Beats are where they are at the usual density, whatever it is: edits name them by their times.
    grid = heard.grid if heard.song else settled(heard.grid, find_accents(motion), duration_s)
    grid, heard_beats_s = edited_beats(grid, settings.edits, duration_s)
    check_apart(grid, accents.times_s[by_hand])
    tolerance_s = SONG_TOLERANCE_S if heard.song else LANDING_TOLERANCE_S
    rhythm = compose(grid, accents, motion, tolerance_s=tolerance_s, by_hand=by_hand)
    return Moments(movement_peaks(motion), accents, heard_accents_s, rhythm, heard_beats_s)


def _weakest(density: float) -> float:
    """The least strength of an accent that is played."""
    return float(np.clip(WEAKEST_ACCENT / density, WEAKEST_PEAK, STRONGEST_LEAST))
