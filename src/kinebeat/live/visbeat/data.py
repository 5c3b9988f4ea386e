"""Clips of live movement as batches that VisBeatNet learns from: crops, at another speed, in the mirror, turned."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from kinebeat.beats.batches import mirrored
from kinebeat.beats.visual import BINS
from kinebeat.live.corpus import between, bump
from kinebeat.live.movement import LIVE_FPS, OFFSET_DELAY_S, VELOCITY_DELAY_S

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from kinebeat.live.corpus import LiveCorpus


@dataclass(frozen=True)
class Augmentation:
    """How crops differ from the clips they are cut from.

    Attributes:
        speed: at most so many times faster or slower.
        changed_share: share of the crops whose speed is changed.
        mirrored_share: share that is seen in a mirror.
        turned_share: share that is turned by one bin of the directogram, 20 degrees, either way.
    """

    speed: float = 1.25
    changed_share: float = 0.6
    mirrored_share: float = 0.5
    turned_share: float = 0.3


@dataclass(frozen=True)
class Batch:
    """Crops.

    Attributes:
        ticks: (B, T, 20) float32: directogram, offset, present.
        truth: (B, T) float32, the true K of each tick, 0 where unknown.
        beat: (B, T) float32, target of the beat activation.
        known: (B, T) float32, 1 where the truth is known.
    """

    ticks: NDArray[np.float32]
    truth: NDArray[np.float32]
    beat: NDArray[np.float32]
    known: NDArray[np.float32]


def ticks_of(directogram: NDArray[Any], offset: NDArray[Any], present: NDArray[Any]) -> NDArray[np.float32]:
    """Ticks as the network takes them, (..., 20)."""
    rest = [np.asarray(part, np.float32)[..., None] for part in (offset, present)]
    return np.concatenate([np.asarray(directogram, np.float32), *rest], axis=-1)


def whole(corpus: LiveCorpus) -> Batch:
    """All clips of a corpus as they are."""
    ticks = corpus.offset.shape[1]
    truth = corpus.truth.astype(np.float32)
    beat = np.stack([bump(corpus.beats_s(k), ticks) for k in range(len(truth))])
    known = np.isfinite(truth)
    return Batch(
        ticks_of(corpus.directogram, corpus.offset, corpus.present),
        np.nan_to_num(truth),
        beat * known,
        known.astype(np.float32),
    )


def draw(corpus: LiveCorpus, clips: int, ticks: int, seed: int, step: int, how: Augmentation) -> Batch:
    """A batch of crops, which depends on the seed and the step alone.

    Args:
        corpus: to cut them from.
        clips: B.
        ticks: T.
        seed: of the training.
        step: of the training.
        how: what is changed.
    """
    rng = np.random.default_rng((seed, step))
    crops = [_crop(corpus, int(rng.integers(len(corpus.kind))), ticks, rng, how) for _ in range(clips)]
    return Batch(*(np.stack([getattr(crop, name) for crop in crops]) for name in ("ticks", "truth", "beat", "known")))


def _crop(corpus: LiveCorpus, clip: int, ticks: int, rng: np.random.Generator, how: Augmentation) -> Batch:
    speed = 1.0
    if rng.random() < how.changed_share:
        speed = float(how.speed ** rng.uniform(-1.0, 1.0))
    length = corpus.offset.shape[1]
    room = length - 1 - (ticks - 1) * speed
    at = rng.uniform(0.0, max(0.0, room)) + np.arange(ticks) * speed
    if speed == 1.0:
        at = np.round(at)
    # A faster movement is not known any sooner: what lags behind by a constant lags behind as before.
    velocity_at = at - VELOCITY_DELAY_S * LIVE_FPS * (speed - 1)
    offset_at = at - OFFSET_DELAY_S * LIVE_FPS * (speed - 1)
    directogram = speed * between(corpus.directogram[clip].astype(np.float32), velocity_at)
    offset = speed**2 * between(corpus.offset[clip], offset_at)
    there = np.clip(np.round(at).astype(int), 0, length - 1)
    inside = at <= length - 1
    if rng.random() < how.mirrored_share:
        directogram = directogram[:, (BINS // 2 - np.arange(BINS)) % BINS]
    if rng.random() < how.turned_share:
        directogram = np.roll(directogram, int(rng.choice((-1, 1))), axis=1)
    truth = between(corpus.truth[clip].astype(np.float32), at)
    known = np.isfinite(truth) & inside
    return Batch(
        ticks_of(directogram, offset, corpus.present[clip][there] & inside),
        np.where(known, truth, 0.0).astype(np.float32),
        bump((corpus.beats_s(clip) - at[0] / LIVE_FPS) / speed, ticks) * known,
        known.astype(np.float32),
    )


@dataclass(frozen=True)
class Windows:
    """Contexts of three seconds with what comes after them: what the heavy baseline learns from.

    Attributes:
        velocity: (B, T, 17, 2) float32, 0 where unseen.
        seen: (B, T, 17) float32, 1 where a joint is followed.
        truth: (B, F) float32, the true K of the ticks after the context.
        beat: (B, F) float32, target of the beat activation.
        known: (B, F) float32, 1 where the truth is known.
    """

    velocity: NDArray[np.float32]
    seen: NDArray[np.float32]
    truth: NDArray[np.float32]
    beat: NDArray[np.float32]
    known: NDArray[np.float32]


def windows_at(corpus: LiveCorpus, clips: Sequence[int], ends: Sequence[int], context: int, ticks: int) -> Windows:
    """Windows of a corpus as it is.

    Args:
        corpus: to cut them from.
        clips: (B,) of which clip each is.
        ends: (B,) the tick after its context.
        context: T.
        ticks: F.
    """
    rows = np.asarray(clips)[:, None]
    before = np.asarray(ends)[:, None] + np.arange(-context, 0)
    after = np.asarray(ends)[:, None] + np.arange(ticks)
    velocity = corpus.velocity[rows, before].astype(np.float32)
    seen = np.isfinite(velocity).all(-1)
    truth = corpus.truth[rows, after].astype(np.float32)
    known = np.isfinite(truth)
    beat = np.stack([bump(corpus.beats_s(clip) - end / LIVE_FPS, ticks) for clip, end in zip(clips, ends, strict=True)])
    return Windows(
        np.where(seen[..., None], velocity, 0.0).astype(np.float32),
        seen.astype(np.float32),
        np.nan_to_num(truth),
        beat * known,
        known.astype(np.float32),
    )


def draw_windows(corpus: LiveCorpus, count: int, context: int, ticks: int, seed: int, step: int) -> Windows:
    """A batch of windows, half of them mirrored, which depends on the seed and the step alone."""
    rng = np.random.default_rng((seed, step))
    clips = rng.integers(len(corpus.kind), size=count)
    ends = rng.integers(context, corpus.offset.shape[1] - ticks + 1, size=count)
    drawn = windows_at(corpus, clips.tolist(), ends.tolist(), context, ticks)
    flipped = rng.random(count) < 0.5
    velocity, seen = drawn.velocity.copy(), drawn.seen.copy()
    velocity[flipped], seen[flipped] = mirrored(drawn.velocity[flipped], drawn.seen[flipped])
    return replace(drawn, velocity=velocity, seen=seen)
