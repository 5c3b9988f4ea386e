"""A take as music: the drums of a session as a score, to be written as MIDI and WAV."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

from kinebeat.audio import mix, write_wav
from kinebeat.beats.grid import BEATS_PER_BAR, BeatGrid
from kinebeat.drums.kit import DRUMS
from kinebeat.errors import OptionError
from kinebeat.files import atomic_outputs
from kinebeat.live.events import Beat, Hit
from kinebeat.score import CHOKED, CHOKING, HIT_S, KITS, OPEN_HAT_S, SAME_HIT_S, Score, Track, save_midi

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from kinebeat.live.events import Event
    from kinebeat.live.recording import Take

TEMPO_BPM = 120.0
"""Of a take without beats, such as one in instrument mode."""
RING_S = 2.0
"""How long the sound goes on after the last hit."""


def take_score(events: Iterable[Event], duration_s: float, kit: str = "standard") -> Score:
    """The hits of a take on one percussion track, its beats as the tempo map.

    Args:
        events: of the take; time 0 is its first frame.
        duration_s: until the last frame.
        kit: a key of `kinebeat.score.KITS`.

    Raises:
        OptionError: there is no such kit.
    """
    if kit not in KITS:
        raise OptionError(f"there is no kit {kit!r}; choose one of {', '.join(KITS)}")
    kept = list(events)
    hits = sorted((event for event in kept if isinstance(event, Hit) and event.time_s >= 0), key=lambda hit: hit.time_s)
    beats = [event for event in kept if isinstance(event, Beat)]
    end_s = max([duration_s, *(hit.time_s + RING_S for hit in hits[-1:])])
    hits = _single(hits)
    time_s = np.array([hit.time_s for hit in hits], np.float64)
    drum = np.array([hit.drum for hit in hits], np.int64)
    velocity = np.clip(np.round([127 * hit.velocity for hit in hits]), 1, 127).astype(np.int64)
    pitch = np.array([own.pitch for own in DRUMS], np.int64)[drum]
    track = Track("Drums", KITS[kit], True, time_s, _lengths_s(time_s, drum), pitch, velocity)
    return Score((track,), take_grid(beats, end_s), end_s)


def take_grid(beats: Sequence[Beat], duration_s: float) -> BeatGrid:
    """The beats of a take as a grid of whole bars that covers it.

    Pauses of the music are filled with as many beats as keep its bars whole: nobody hears them.

    Args:
        beats: as the engine told them.
        duration_s: of the take.
    """
    if not beats:
        period_s = 60 / TEMPO_BPM
        bars = max(1, int(np.ceil(duration_s / (BEATS_PER_BAR * period_s))))
        return BeatGrid(period_s * np.arange(bars * BEATS_PER_BAR + 1), 0.0, "tempo")
    beats = sorted(beats, key=lambda beat: beat.time_s)
    first = beats[0]
    period_s = 60 / first.tempo_bpm
    lead = first.in_bar
    while first.time_s - lead * period_s > 0:
        lead += BEATS_PER_BAR
    times_s = [first.time_s - k * period_s for k in range(lead, 0, -1)]
    for beat, following in itertools.pairwise(beats):
        gap_s = following.time_s - beat.time_s
        if gap_s <= 0:
            continue
        count = _beats_between(gap_s * beat.tempo_bpm / 60, following.in_bar - beat.in_bar)
        times_s += [beat.time_s + gap_s * k / count for k in range(count)]
    last = beats[-1]
    times_s.append(last.time_s)
    while times_s[-1] < duration_s or (len(times_s) - 1) % BEATS_PER_BAR or len(times_s) <= BEATS_PER_BAR:
        times_s.append(times_s[-1] + 60 / last.tempo_bpm)
    return BeatGrid(np.array(times_s), float(np.mean([beat.confidence for beat in beats])))


def _beats_between(gap: float, places: int) -> int:
    """How many beats lie from one to the next: as many bars and beats as come nearest to a gap of so many."""
    rest = places % BEATS_PER_BAR
    return max(rest or BEATS_PER_BAR, rest + BEATS_PER_BAR * round((gap - rest) / BEATS_PER_BAR))


def _single(hits: Sequence[Hit]) -> list[Hit]:
    """Hits in order of time, without those that nearly coincide with one on the same drum; the stronger stays."""
    kept: list[Hit] = []
    last: dict[int, int] = {}
    for hit in hits:
        place = last.get(hit.drum)
        if place is not None and hit.time_s - kept[place].time_s < SAME_HIT_S:
            if hit.velocity > kept[place].velocity:
                kept[place] = Hit(kept[place].time_s, hit.drum, hit.velocity, hit.number, hit.joint)
            continue
        last[hit.drum] = len(kept)
        kept.append(hit)
    return kept


def _lengths_s(time_s: NDArray[np.float64], drum: NDArray[np.int64]) -> NDArray[np.float64]:
    """How long each note is written: until the next on its drum, an open hi-hat's until the next on either."""
    lengths_s = np.full(len(time_s), HIT_S)
    for number in range(len(DRUMS)):
        own = np.flatnonzero(drum == number)
        ending = np.flatnonzero(np.isin(drum, CHOKING)) if number in CHOKED else own
        after = np.searchsorted(time_s[ending], time_s[own], side="right")
        next_s = np.append(time_s[ending], np.inf)[after]
        longest_s = OPEN_HAT_S if number in CHOKED else HIT_S
        lengths_s[own] = np.maximum(np.minimum(longest_s, next_s - time_s[own]), SAME_HIT_S)
    return lengths_s


def write_music(
    take: Take,
    *,
    wav: Path | None = None,
    midi: Path | None = None,
    kit: str = "standard",
    soundfont: str | Path | None = None,
) -> tuple[str, ...]:
    """Write the drums of a take; both files appear, or none.

    Args:
        take: with one step at least.
        wav: the sound, 48 kHz; not written if None.
        midi: the notes; not written if None.
        kit: a key of `kinebeat.score.KITS`.
        soundfont: a font's path; None takes the one that `kinebeat.soundfont` finds.

    Returns:
        Warnings, one line each.

    Raises:
        OptionError: there is no such kit.
        InputError: the soundfont cannot be used.
        OutputError: a file cannot be written.
    """
    wanted = [path for path in (wav, midi) if path is not None]
    if not wanted:
        return ()
    score = take_score(take.events, take.duration_s, kit)
    warnings: tuple[str, ...] = ()
    with atomic_outputs(wanted) as parts:
        places = dict(zip(wanted, parts, strict=True))
        if wav is not None:
            mixed = mix(score, soundfont=soundfont)
            write_wav(mixed.blocks(), places[wav])
            warnings = mixed.warnings
        if midi is not None:
            save_midi(score, places[midi])
    return warnings
