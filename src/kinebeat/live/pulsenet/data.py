"""Clips of live movement as batches that PulseNet learns from: dances with the beats of their music, and standing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kinebeat.beats.batches import Augmentation, Clips, augment
from kinebeat.live.corpus import between, bump
from kinebeat.live.movement import LIVE_FPS, VELOCITY_DELAY_S

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kinebeat.live.corpus import LiveCorpus

KIND_WEIGHTS = {"warped": 1.0, "choreonet": 0.25, "idle": 0.5}
"""How much a clip counts. ChoreoNet's beats are coarse in phase; of movement to no music nothing is known."""
SPEED = 1.25
"""A crop is at most so many times faster or slower than its clip."""
CHANGED_SHARE = 0.7
HURRIED_SHARE, HURRIED = 0.3, 1.4
"""In so many crops the speed leaps once, by up to that factor either way: music keeps its tempo, who moves may not."""


def usable(corpus: LiveCorpus) -> NDArray[np.int64]:
    """Clips whose beats are known, or known to be none."""
    return np.flatnonzero(np.isin(corpus.kind, list(KIND_WEIGHTS)))


def draw(corpus: LiveCorpus, size: int, ticks: int, seed: int, step: int, how: Augmentation) -> Clips:
    """A batch of crops, which depends on the seed and the step alone.

    Args:
        corpus: to cut them from.
        size: B.
        ticks: T; `target` is of the tick after each.
        seed: of the training.
        step: of the training.
        how: what is changed, beside the speed.
    """
    rng = np.random.default_rng((seed, step))
    length = corpus.velocity.shape[1]
    which = rng.choice(usable(corpus), size)
    velocity = np.zeros((size, ticks, *corpus.velocity.shape[2:]), np.float32)
    target = np.zeros((size, ticks), np.float32)
    for k, clip in enumerate(which):
        speed = _speed(ticks, length - 1, rng)
        at = np.cumsum(np.append(0.0, speed[1:]))
        first = rng.uniform(0.0, max(0.0, length - 1 - at[-1]))
        at += first if (speed != 1.0).any() else round(first)
        # A faster movement is not known any sooner: what lags behind by a constant lags behind as before.
        known_at = at - VELOCITY_DELAY_S * LIVE_FPS * (speed - 1)
        velocity[k] = speed[:, None, None] * between(corpus.velocity[clip].astype(np.float32), known_at)
        music_at = corpus.music_s(int(clip)) * LIVE_FPS
        music_at = music_at[(music_at >= at[0]) & (music_at <= at[-1])]
        target[k] = _target(np.interp(music_at, at, np.arange(ticks)) / LIVE_FPS, ticks)
    return augment(_clips(velocity, target, corpus.kind[which]), how, rng)


def whole(corpus: LiveCorpus) -> Clips:
    """All clips whose beats are known, as they are."""
    which = usable(corpus)
    target = np.stack([_target(corpus.music_s(int(clip)), corpus.velocity.shape[1]) for clip in which])
    return _clips(corpus.velocity[which].astype(np.float32), target, corpus.kind[which])


def _speed(ticks: int, most: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """How much faster than it was each tick of a crop is (T,); the crop takes at most so many ticks of its clip."""
    speed = np.full(ticks, float(SPEED ** rng.uniform(-1.0, 1.0)) if rng.random() < CHANGED_SHARE else 1.0)
    if rng.random() < HURRIED_SHARE:
        speed[rng.integers(ticks // 3, ticks) :] *= HURRIED ** rng.uniform(-1.0, 1.0)
    return np.asarray(speed * min(1.0, most / float(speed[1:].sum())))


def _target(beats_s: NDArray[np.float64], ticks: int) -> NDArray[np.float32]:
    """Of the tick after each."""
    return bump(beats_s, ticks + 1)[1:]


def _clips(velocity: NDArray[np.float32], target: NDArray[np.float32], kind: NDArray[np.str_]) -> Clips:
    seen = np.isfinite(velocity).all(-1)
    weight = np.array([KIND_WEIGHTS[str(k)] for k in kind], np.float32)
    return Clips(np.where(seen[..., None], velocity, 0.0).astype(np.float32), seen.astype(np.float32), target, weight)
