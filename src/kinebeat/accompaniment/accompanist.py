"""The accompanist: drums in, what piano and guitar play on top out.

The trained model writes the notes within what `limits.py` allows. Here is what it is asked for: the key, how many notes
the energy of a bar calls for, how loud, and where the piece ends.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from kinebeat.accompaniment.harmony import NO_KEY, key_name
from kinebeat.accompaniment.limits import LIMITS, Wish
from kinebeat.accompaniment.model import AccompanimentModel
from kinebeat.accompaniment.parts import (
    POSITIONS_PER_STEP,
    Chords,
    Part,
    drums_on_grid,
    part_from_notes,
)
from kinebeat.accompaniment.player import TEMPERATURE, TOP_K, play
from kinebeat.accompaniment.vocabulary import notes_bin
from kinebeat.beats.grid import BEATS_PER_BAR, STEPS_PER_BAR
from kinebeat.errors import OptionError
from kinebeat.weights import load

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from kinebeat.accompaniment.player import Model
    from kinebeat.beats.grid import BeatGrid
    from kinebeat.drums.track import DrumTrack

WEIGHT = "accompaniment"
KEYS_DRAWN = (0, 7, 2, 9, 5, 21, 16, 14, 23, 19)
"""Keys that are drawn from if none is chosen: C, G, D, A, F major, A, E, D, B, G minor. Pianists and guitarists like
them."""
_ENERGIES = (0.0, 0.15, 0.5, 1.0)
_PLACES = {"piano": (1.0, 3.0, 6.0, 10.0), "guitar": (1.0, 3.0, 6.5, 10.0)}
"""At how many positions of a bar notes start at those energies: quantiles .05, .2, .55 and .9 of the corpus."""
QUIET_GAIN, FULL_GAIN = 0.6, 1.1
"""On the velocities, when the mover stands still and when they move most."""
LEAST_PRESENT = 0.25
"""A bar in less of which anyone is in the picture is a rest."""
LAST_S = 0.8
"""How much of the last bar has to be inside the clip for its chord to be heard."""


@dataclass(frozen=True)
class Accompaniment:
    """What one instrument plays.

    Attributes:
        instrument: "piano" or "guitar".
        grid: the beats, the drums' own.
        part: the notes, 12 positions to a beat of the grid.
        chords: two for each bar.
        key: its number in `kinebeat.accompaniment.harmony`.
    """

    instrument: str
    grid: BeatGrid
    part: Part
    chords: Chords
    key: int

    def times_s(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """When each note begins and how long it lasts, (N,) seconds each: on the grid, whose tempo may drift."""
        step = np.stack([self.part.onset, self.part.onset + self.part.duration]) / POSITIONS_PER_STEP
        begin_s, end_s = self.grid.time_s(step)
        return begin_s, end_s - begin_s


@cache
def shipped_model() -> AccompanimentModel:
    """The model as shipped; it keeps no state."""
    return AccompanimentModel(load(WEIGHT))


class Accompanist:
    """Plays piano and guitar to drums; all accompanists share the shipped model, which is read once."""

    def __init__(self, model: Model | None = None) -> None:
        self._model = shipped_model() if model is None else model

    def play(
        self,
        drums: DrumTrack,
        instruments: Sequence[str],
        *,
        duration_s: float,
        energy: NDArray[np.float32] | NDArray[np.float64] | None = None,
        present: NDArray[np.bool_] | None = None,
        key: int | None = None,
        chords: Chords | None = None,
        seed: int = 0,
        density: float = 1.0,
        temperature: float = TEMPERATURE,
        top_k: int = TOP_K,
        progress: Callable[[float], None] | None = None,
    ) -> list[Accompaniment]:
        """Play to a drum performance; the second instrument plays on the chords of the first.

        Args:
            drums: the drums.
            instruments: who plays, of "piano" and "guitar", none twice.
            duration_s: length of the clip; the last chord falls on the last bar line that leaves it time to be heard.
            energy: (S,) in [0, 1], how much the mover moves at each 16th step; that of the drums if None.
            present: (S,), whether anyone is in the picture; always if None.
            key: a number in `kinebeat.accompaniment.harmony`; drawn by the seed if None.
            chords: to be played on, two for each bar, such as a song's; where one is N, or if None, the first
                instrument's own.
            seed: all randomness; the same seed plays the same.
            density: how busy, 1 is as in the songs that were learned from.
            temperature: of the notes; lower is plainer.
            top_k: how many tokens are in question each time.
            progress: called with the share done, in [0, 1].

        Raises:
            OptionError: an option is out of range.
        """
        _check(instruments, key, density)
        steps = len(drums.hits)
        moved = drum_energy(drums) if energy is None else np.asarray(energy, np.float64)
        seen = np.ones(steps, bool) if present is None else present
        drawn = KEYS_DRAWN[int(np.random.default_rng([seed, 4]).integers(len(KEYS_DRAWN)))]
        home = drawn if key is None else key
        # Other chances for other drums: two clips with one seed shall have one key but not one tune.
        rng = np.random.default_rng([seed, 5, zlib.crc32(drums.hits.tobytes())])
        heard, last_bar = drums_on_grid(drums), _last_bar(drums.grid, seen, duration_s)
        made = []
        for number, instrument in enumerate(instruments):
            wish = Wish(
                instrument,
                _tempo_of_bars(drums.grid),
                home,
                _notes(instrument, moved, seen, last_bar, density),
                chords,
                last_bar,
                varied=True,
            )

            def told(share: float, number: int = number) -> None:
                if progress is not None:
                    progress((number + share) / len(instruments))

            own_seed = int(rng.integers(2**63))
            part, chords = play(
                self._model, [heard], [wish], [own_seed], temperature=temperature, top_k=top_k, progress=told
            )[0]
            made.append(Accompaniment(instrument, drums.grid, _shaded(part, moved, seen), chords, home))
        return made


def _check(instruments: Sequence[str], key: int | None, density: float) -> None:
    for instrument in instruments:
        if instrument not in LIMITS:
            raise OptionError(f"no instrument {instrument!r}: expected one of {', '.join(LIMITS)}")
    if len(set(instruments)) < len(instruments):
        raise OptionError(f"instruments {', '.join(instruments)}: expected each once")
    if key is not None and not 0 <= key < NO_KEY:
        raise OptionError(f"key {key}: expected 0 to {NO_KEY - 1} ({key_name(0)} to {key_name(NO_KEY - 1)})")
    if not 0.0 < density <= 2.0:
        raise OptionError(f"density is {density:g}: expected more than 0 and at most 2")


def drum_energy(drums: DrumTrack) -> NDArray[np.float64]:
    """What stands for the energy of a movement where there are drums alone, (S,) in [0, 1], one value for each bar.

    Half of it is how hard the drums are struck, half how many 16ths are.
    """
    loudest = np.where(drums.hits, drums.velocities, 0).max(1).astype(np.float64).reshape(-1, STEPS_PER_BAR)
    struck = drums.hits.any(1).reshape(-1, STEPS_PER_BAR)
    mean = loudest.sum(1) / np.maximum(1, struck.sum(1))
    return np.repeat(0.5 * mean + 0.5 * struck.mean(1), STEPS_PER_BAR)


def _tempo_of_bars(grid: BeatGrid) -> tuple[float, ...]:
    return tuple((60 * BEATS_PER_BAR / np.diff(grid.beats_s[::BEATS_PER_BAR])).tolist())


def _last_bar(grid: BeatGrid, present: NDArray[np.bool_], duration_s: float) -> int:
    """The bar in which the piece ends: the last that is heard long enough and has anyone in it when it begins."""
    begins_s = grid.beats_s[:-1:BEATS_PER_BAR]
    long_enough = begins_s <= max(0.0, duration_s - LAST_S)
    bars = present.reshape(-1, STEPS_PER_BAR)
    found = np.flatnonzero(long_enough & bars[:, 0] & (bars.mean(1) >= LEAST_PRESENT))
    return int(found[-1]) if len(found) else 0


def _notes(
    instrument: str, energy: NDArray[np.float64], present: NDArray[np.bool_], last_bar: int, density: float
) -> tuple[int, ...]:
    """For each bar the bin of how many positions have notes."""
    felt = energy.reshape(-1, STEPS_PER_BAR).mean(1)
    there = present.reshape(-1, STEPS_PER_BAR).mean(1) >= LEAST_PRESENT
    there[last_bar + 1 :] = False
    places = density * np.interp(felt, _ENERGIES, _PLACES[instrument])
    return tuple(np.where(there, notes_bin(np.maximum(1, np.rint(places))), 0).tolist())


def _shaded(part: Part, energy: NDArray[np.float64], present: NDArray[np.bool_]) -> Part:
    """The part as loud as the movement is large, silent where nobody is, and without notes that run into each other."""
    step = part.onset // POSITIONS_PER_STEP
    gain = QUIET_GAIN + (FULL_GAIN - QUIET_GAIN) * energy[step]
    gone = np.append(np.flatnonzero(~present) * POSITIONS_PER_STEP, np.iinfo(np.int64).max)
    longest = gone[np.searchsorted(gone, part.onset, side="right")] - part.onset
    kept = present[step]
    notes = part.onset, np.minimum(part.duration, longest), part.pitch, np.rint(part.velocity * gain)
    return part_from_notes(part.bars, *(column[kept] for column in notes))
