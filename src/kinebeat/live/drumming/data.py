"""What the networks of this room are fed: windows of Groove with a style like that of movement.

Conventions: a window is 16 steps (16ths), three beats of past and the next beat. Velocities are in [0, 1]; the
strongest drum of a step is its "loudest", 0 where nothing is hit ("Extracting the strongest onset in each frame gives
rise to what we define as the drum 'style'", InteractiveBeat 3.2).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kinebeat.beats.grid import BEATS_PER_BAR, STEPS_PER_BEAT
from kinebeat.live.style.accumulate import normalised

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from kinebeat.drums.data import Performance, Vocabulary

CONTEXT_BEATS = 3
CONTEXT = CONTEXT_BEATS * STEPS_PER_BEAT
NEW = STEPS_PER_BEAT
WINDOW = CONTEXT + NEW
NOT_TOLD = -1
"""In the place of the beat of the bar where it is not known."""


@dataclass(frozen=True)
class Windows:
    """Windows for DrumGenNet, B of them.

    Attributes:
        style: (B, 16) float32 in [0, 1].
        words: (B, 16) int64, what is played; before the start of a file the empty step.
        beat_in_bar: (B,) int64 of the beat to be played, or `NOT_TOLD`.
    """

    style: NDArray[np.float32]
    words: NDArray[np.int64]
    beat_in_bar: NDArray[np.int64]


@dataclass(frozen=True)
class Material:
    """Performances one after the other, each with three empty beats before it.

    Attributes:
        loudest: (S,) float32.
        words: (S,) int64.
        starts: (N,) int64, where the windows of all beats begin.
        beat_in_bar: (N,) int64 of those beats.
    """

    loudest: NDArray[np.float32]
    words: NDArray[np.int64]
    starts: NDArray[np.int64]
    beat_in_bar: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.starts)


def material_of(performances: Iterable[Performance], vocabulary: Vocabulary) -> Material:
    """All beats of some performances."""
    loudest, words, starts, beats, at = [], [], [], [], 0
    for performance in performances:
        steps = len(performance.hits)
        loudest.append(np.pad(performance.velocities.max(1, initial=0.0), (CONTEXT, 0)))
        words.append(np.pad(vocabulary.encode(performance.hits), (CONTEXT, 0)))
        count = steps // STEPS_PER_BEAT
        starts.append(at + STEPS_PER_BEAT * np.arange(count))
        beats.append(np.arange(count) % BEATS_PER_BAR)
        at += CONTEXT + steps
    return Material(
        np.concatenate([np.zeros(0), *loudest]).astype(np.float32),
        np.concatenate([np.zeros(0, np.int64), *words]),
        np.concatenate([np.zeros(0, np.int64), *starts]),
        np.concatenate([np.zeros(0, np.int64), *beats]),
    )


def take(
    material: Material,
    which: NDArray[np.integer[Any]],
    rng: np.random.Generator | None = None,
    told: float = 1.0,
    begun: float = 0.0,
) -> Windows:
    """Some windows.

    Args:
        material: the performances.
        which: (B,) numbers of beats.
        rng: makes the style look like a movement's; the drums' own style if None.
        told: share of the windows that are told the beat of the bar.
        begun: share of the windows in which the drums begin only now or a beat or two ago, while the style knows the
            beats before: somebody moves already when the music starts.
    """
    steps = material.starts[which][:, None] + np.arange(WINDOW)
    strength = material.loudest[steps]
    beat = material.beat_in_bar[which]
    if rng is not None:
        beat = np.where(rng.random(len(which)) < told, beat, NOT_TOLD)
        strength = movement_like(strength, rng)
    elif told < 1.0:
        beat = np.full_like(beat, NOT_TOLD)
    words = material.words[steps]
    if rng is not None and begun:
        silent = rng.integers(1, CONTEXT_BEATS + 1, len(which)) * (rng.random(len(which)) < begun)
        words = np.where(np.arange(WINDOW) < STEPS_PER_BEAT * silent[:, None], 0, words)
    return Windows(normalised(strength), words, beat)


def draw(material: Material, size: int, seed: int, number: int, told: float, begun: float = 0.0) -> Windows:
    """Batch `number` of a training: every beat of the data as likely as any other."""
    rng = np.random.default_rng([seed, number])
    return take(material, rng.integers(len(material), size=size), rng, told, begun)


def movement_like(strength: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Strength of 16ths (B, 16) as MuStyleNet would give it: smeared, with strokes missing and added, out of scale.

    How much of it is drawn for each window, from nothing at all on. The four steps that are forecast suffer more.

    Args:
        strength: (B, 16) velocities of the strongest drum.
        rng: the only source of randomness.
    """
    shape = strength.shape
    rough = rng.uniform(0.0, 1.0, (shape[0], 1)) * np.where(np.arange(shape[1]) < CONTEXT, 1.0, 1.5)
    missing = rng.random(shape) < 0.15 * rough
    found = strength * np.where(missing, rng.uniform(0.0, 0.5, shape), 1.0)
    added = rng.random(shape) < 0.10 * rough
    found = np.where(added, np.maximum(found, rng.uniform(0.05, 0.7, shape)), found)
    # Each stroke is early or late by itself, and all of them together where the beat was not quite met.
    off = rng.uniform(-0.5, 0.5, (shape[0], 1)) * rough
    early = np.minimum(np.abs(rng.normal(0.0, 0.2, shape)) * rough + np.maximum(-off, 0), 0.6)
    late = np.minimum(np.abs(rng.normal(0.0, 0.2, shape)) * rough + np.maximum(off, 0), 0.6)
    kept = found * (1 - 0.7 * np.minimum(early + late, 1.0))
    kept[:, :-1] += (found * early)[:, 1:]
    kept[:, 1:] += (found * late)[:, :-1]
    kept = kept * np.exp(rng.normal(0.0, 0.3, shape) * rough) * np.exp(rng.normal(0.0, 0.4, (shape[0], 1)))
    # A network that is not sure says a little everywhere.
    hum = np.abs(rng.normal(0.0, 0.15, (shape[0], 1))) * rough
    return np.asarray(kept + hum, np.float32)


def drum_notes(performance: Performance) -> NDArray[np.int64]:
    """The strongest drum of each step in which something is hit, (N,): what a monophonic drummer would play."""
    struck = performance.hits.any(1)
    return np.asarray(performance.velocities[struck].argmax(1), np.int64)


def note_batch(notes: Sequence[NDArray[np.int64]], length: int, size: int, seed: int, number: int) -> NDArray[np.int64]:
    """Batch `number` of drum notes (size, length), -1 after the end of a file; files as likely as they are long."""
    rng = np.random.default_rng([seed, number])
    counts = np.array([max(1, len(n) - length // 2) for n in notes])
    flat = rng.integers(counts.sum(), size=size)
    ends = np.cumsum(counts)
    which = np.searchsorted(ends, flat, side="right")
    first = flat - (ends[which] - counts[which])
    batch = np.full((size, length), -1, np.int64)
    for row, file, start in zip(batch, which, first, strict=True):
        some = notes[file][start : start + length]
        row[: len(some)] = some
    return batch
