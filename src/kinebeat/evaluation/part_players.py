"""Lets the trained accompaniment play to the drums of real segments, as in the paper and as in the product."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from kinebeat.accompaniment.accompanist import Accompanist
from kinebeat.accompaniment.harmony import NO_KEY
from kinebeat.accompaniment.limits import Wish
from kinebeat.accompaniment.parts import (
    PLAYED_VELOCITIES,
    POSITIONS_PER_STEP,
    SONG_VELOCITIES,
    DrumBars,
    drums_from_hits,
)
from kinebeat.accompaniment.player import TEMPERATURE, TOP_K, play
from kinebeat.beats.grid import BEATS_PER_BAR, STEPS_PER_BAR, BeatGrid
from kinebeat.drums.kit import DRUMS
from kinebeat.drums.track import DrumTrack
from kinebeat.evaluation.part_likelihood import in_threads

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kinebeat.accompaniment.corpus import Segment
    from kinebeat.accompaniment.player import Model

BATCH = 16


def play_freely(
    model: Model,
    segments: Sequence[Segment],
    *,
    hits: bool = True,
    seed: int = 0,
    temperature: float = TEMPERATURE,
    top_k: int = TOP_K,
    batch: int = BATCH,
    workers: int = 1,
    progress: Callable[[float], None] | None = None,
) -> list[Segment]:
    """What a model plays when it is told the drums and the tempo alone.

    No key, no number of notes, no chords and no ending are asked for. What stays of the player's limits is the grammar,
    the instrument's register and reach, the tempo as it is, no chord N, and no note longer than the piece.

    Args:
        model: the trained model.
        segments: to whose drums it plays.
        hits: whether it hears the drums; else bars and tempo alone.
        seed: of all chance.
        temperature: see `kinebeat.accompaniment.player.play_tokens`.
        top_k: see there.
        batch: pieces played side by side.
        workers: threads, each with a batch.
        progress: called with the share done.

    Returns:
        The segments with what was played, and the chords that were said, instead of their own.
    """
    seeds = np.random.default_rng([seed, 5]).integers(2**63, size=len(segments)).tolist()

    def made(first: int) -> list[Segment]:
        some, own = segments[first : first + batch], seeds[first : first + batch]
        wishes = [Wish(one.instrument, (one.tempo_bpm,) * one.part.bars) for one in some]
        drums = [one.drums if hits else drums_from_hits(one.drums.bars, [], [], []) for one in some]
        played = play(model, drums, wishes, own, temperature=temperature, top_k=top_k)
        return [replace(one, part=part, chords=chords) for one, (part, chords) in zip(some, played, strict=True)]

    firsts = range(0, len(segments), batch)
    return [one for some in in_threads(made, firsts, workers, progress) for one in some]


def play_as_product(
    model: Model,
    segments: Sequence[Segment],
    *,
    seed: int = 0,
    workers: int = 1,
    progress: Callable[[float], None] | None = None,
) -> list[Segment]:
    """What `kinebeat.accompaniment.accompanist.Accompanist` makes of the drums of segments, in their keys.

    Everything is as in the product: the player's limits, the energy of the drums, and a cadence in the last bar.
    """
    accompanist = Accompanist(model)
    seeds = np.random.default_rng([seed, 6]).integers(2**63, size=len(segments)).tolist()

    def made(number: int) -> Segment:
        segment = segments[number]
        track = drum_track(segment.drums, segment.tempo_bpm)
        length_s = float(track.grid.beats_s[-1])
        key = None if segment.key == NO_KEY else segment.key
        who = (segment.instrument,)
        (played,) = accompanist.play(track, who, duration_s=length_s, key=key, seed=seeds[number])
        return replace(segment, part=played.part, chords=played.chords, key=played.key)

    return in_threads(made, range(len(segments)), workers, progress)


def drum_track(drums: DrumBars, tempo_bpm: float) -> DrumTrack:
    """Drums of a song as our drummer would hand them on: on 16th steps with offsets, as loud as ours.

    Of two hits on one drum and step the louder stays.
    """
    steps = drums.bars * STEPS_PER_BAR
    step = np.minimum((drums.onset + 1) // POSITIONS_PER_STEP, steps - 1)
    offset = np.clip(drums.onset / POSITIONS_PER_STEP - step, -1 / 3, 1 / 3)
    loud = np.interp(drums.velocity, SONG_VELOCITIES, PLAYED_VELOCITIES) / 127
    hits = np.zeros((steps, len(DRUMS)), bool)
    velocities, offsets = (np.zeros(hits.shape, np.float32) for _ in range(2))
    quiet_first = np.argsort(loud, kind="stable")
    place = step[quiet_first], drums.drum[quiet_first]
    hits[place], velocities[place], offsets[place] = True, loud[quiet_first], offset[quiet_first]
    beats_s = np.arange(drums.bars * BEATS_PER_BAR + 1) * 60 / tempo_bpm
    return DrumTrack(BeatGrid(beats_s, source="tempo"), hits, velocities, offsets)
