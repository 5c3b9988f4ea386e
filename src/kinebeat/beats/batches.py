"""Training clips of the beat networks, as numpy arrays.

A corpus is a folder with `train.npz`, `validation.npz` and `test.npz`; see `read_corpus`. Every batch is drawn by its
own generator, seeded with (seed, batch number), so that a training that was stopped goes on exactly as if it had not
been.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kinebeat.errors import InputError
from kinebeat.motion import MOTION_FPS
from kinebeat.skeleton import LAYOUTS

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from numpy.typing import NDArray

WINDOW = 600
"""Frames of a training clip: 10 s."""
KIND_WEIGHTS = {"choreonet": 0.25, "negative": 0.5}
"""How much a clip of a kind counts in the loss; the others count 1. ChoreoNet's beats are coarse in phase."""
BUMP = (0.2, 0.65, 1.0, 0.65, 0.2)
"""Target around a beat, frame by frame: movement shows its beats to a few hundredths of a second at best."""
_SKELETON = LAYOUTS["rhythmicnet17"]
_LIMBS = tuple(
    [_SKELETON.index(f"{side}_{joint}") for side in sides for joint in limb]
    for limb, sides in (
        (("wrist",), ("left",)),
        (("wrist",), ("right",)),
        (("elbow", "wrist"), ("left",)),
        (("elbow", "wrist"), ("right",)),
        (("knee", "ankle", "big_toe"), ("left",)),
        (("knee", "ankle", "big_toe"), ("right",)),
        (("ankle", "big_toe"), ("left", "right")),
        (("knee", "ankle", "big_toe"), ("left", "right")),  # the picture ends at the hips
    )
)


@dataclass(frozen=True)
class Corpus:
    """Clips of movement with the music's beats.

    Attributes:
        velocity: (N, T, 17, 2) float16, body heights per second at `MOTION_FPS`, NaN where a joint is not seen.
        beats_s: N arrays of beat times, empty for clips without a beat.
        kind: (N,) "warped", "choreonet" or "negative".
    """

    velocity: NDArray[np.float16]
    beats_s: tuple[NDArray[np.float64], ...]
    kind: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.velocity)


@dataclass(frozen=True)
class Clips:
    """A batch.

    Attributes:
        velocity: (B, T, 17, 2) float32, 0 where unseen.
        seen: (B, T, 17) float32, 1 or 0.
        target: (B, T) float32 in [0, 1].
        weight: (B,) float32, how much each clip counts.
    """

    velocity: NDArray[np.float32]
    seen: NDArray[np.float32]
    target: NDArray[np.float32]
    weight: NDArray[np.float32]


@dataclass(frozen=True)
class Augmentation:
    """How much the clips of a training are varied; each number is a bound or a probability.

    Attributes:
        stretch: largest factor on the tempo, and its inverse the smallest.
        roll_deg: the camera's roll, either way.
        speed: largest factor on all velocities, and its inverse the smallest.
        squash: smallest factor on one of the picture's axes.
        limb: probability that a limb is not seen in the whole clip (twice tried).
        blank: probability that nobody is seen at the beginning or end of the clip, as in a clip that is short.
    """

    stretch: float = 1.15
    roll_deg: float = 10.0
    speed: float = 1.4
    squash: float = 0.7
    limb: float = 0.15
    blank: float = 0.1


def read_corpus(folder: Path, split: str, without: Collection[str] = ()) -> Corpus:
    """Read one split of a corpus.

    The file holds `velocity (N, T, 17, 2)`, `beat_time_s (M,)` with the clip `beat_clip (M,)` of each, and `kind (N,)`.

    Args:
        folder: of the corpus.
        split: "train", "validation" or "test".
        without: kinds of clips to leave out.

    Raises:
        InputError: the file is missing or is none of ours, or nothing is left.
    """
    path = folder / f"{split}.npz"
    remedy = "make the corpus with python -m kinebeat.beats.truth.corpus"
    try:
        with np.load(path, allow_pickle=False) as kept:
            velocity, kind = kept["velocity"], kept["kind"]
            time_s, clip = kept["beat_time_s"].astype(np.float64), kept["beat_clip"]
    except OSError as error:
        raise InputError(path, "expected a split of a corpus, found no file that can be read", remedy) from error
    except (KeyError, ValueError, zipfile.BadZipFile) as error:
        raise InputError(path, f"expected a split of a corpus ({error})", remedy) from error
    if velocity.ndim != 4 or velocity.shape[2:] != (len(_SKELETON.joints), 2) or velocity.shape[1] < WINDOW:
        raise InputError(path, f"expected velocity (N, {WINDOW} or more, 17, 2), found {velocity.shape}", remedy)
    keep = np.flatnonzero(~np.isin(kind, list(without)))
    if not len(keep):
        raise InputError(path, "no clip is left", "leave fewer kinds out")
    order = np.lexsort([time_s, clip])
    bounds = np.searchsorted(clip[order], np.arange(len(velocity) + 1))
    beats_s = [time_s[order[bounds[i] : bounds[i + 1]]] for i in keep]
    return Corpus(velocity if len(keep) == len(velocity) else velocity[keep], tuple(beats_s), kind[keep])


def draw(corpus: Corpus, size: int, seed: int, number: int, augmentation: Augmentation | None = None) -> Clips:
    """Batch `number` of a training: clips cut at random and varied."""
    how = augmentation or Augmentation()
    rng = np.random.default_rng([seed, number])
    frames = corpus.velocity.shape[1]
    which = rng.integers(len(corpus), size=size)
    tempo = np.exp(rng.uniform(-1, 1, size) * np.log(how.stretch))
    tempo = np.minimum(tempo, (frames - 1) / (WINDOW - 1))  # no more than the clip has
    first = rng.integers(np.maximum(1, frames - np.ceil((WINDOW - 1) * tempo).astype(int)))
    return augment(cut(corpus, which, first, tempo), how, rng)


def whole(corpus: Corpus) -> Clips:
    """All clips in windows without overlap, as they are: for validation."""
    firsts = np.arange(0, corpus.velocity.shape[1] - WINDOW + 1, WINDOW)
    which, first = np.meshgrid(np.arange(len(corpus)), firsts, indexing="ij")
    return cut(corpus, which.ravel(), first.ravel())


def cut(
    corpus: Corpus, which: NDArray[np.int64], first: NDArray[np.int64], tempo: NDArray[np.float64] | None = None
) -> Clips:
    """Windows of the corpus.

    Args:
        corpus: the clips.
        which: (B,) the clip of each window.
        first: (B,) its first frame.
        tempo: (B,) how many times faster each is danced; as it was if None.
    """
    tempo = np.ones(len(which)) if tempo is None else tempo
    velocity = np.zeros((len(which), WINDOW, *corpus.velocity.shape[2:]), np.float32)
    target = np.zeros(velocity.shape[:2], np.float32)
    for k, (i, f) in enumerate(zip(which, first, strict=True)):
        velocity[k] = tempo[k] * _between(corpus.velocity[i], f + np.arange(WINDOW) * tempo[k])
        target[k] = bumps((corpus.beats_s[i] - f / MOTION_FPS) / tempo[k])
    seen = np.isfinite(velocity).all(-1)
    weight = np.array([KIND_WEIGHTS.get(str(kind), 1.0) for kind in corpus.kind[which]], np.float32)
    velocity[~seen] = 0
    return Clips(velocity, seen.astype(np.float32), target, weight)


def _between(values: NDArray[np.float16], at: NDArray[np.float64]) -> NDArray[np.float32]:
    """Rows of an array at places between them; NaN where either neighbour is."""
    below = np.floor(at).astype(int)
    share = (at - below).astype(np.float32)[:, None, None]
    found: NDArray[np.float32] = values[below].astype(np.float32)
    if share.any():
        found += share * (values[np.minimum(below + 1, len(values) - 1)] - found)
    return found


def bumps(beats_s: NDArray[np.float64], frames: int = WINDOW) -> NDArray[np.float32]:
    """The target of a window whose beats are at these times, (frames,)."""
    target = np.zeros(frames, np.float32)
    centre = np.round(beats_s * MOTION_FPS).astype(int)
    for away, height in enumerate(BUMP, -(len(BUMP) // 2)):
        at = centre + away
        at = at[(at >= 0) & (at < frames)]
        target[at] = np.maximum(target[at], np.float32(height))
    return target


def mirrored(velocity: NDArray[np.float32], seen: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
    """A mover seen in a mirror: x turned round, left and right exchanged; (..., 17, 2) and (..., 17)."""
    order = np.arange(len(_SKELETON.joints))
    for left, right in _SKELETON.pairs:
        order[[left, right]] = right, left
    return velocity[..., order, :] * np.array([-1, 1], np.float32), seen[..., order]


def augment(clips: Clips, how: Augmentation, rng: np.random.Generator) -> Clips:
    """Each clip varied in its own way; the beats stay where they are."""
    velocity, seen, target = clips.velocity.copy(), clips.seen.copy(), clips.target.copy()
    for i in range(len(velocity)):
        if rng.random() < 0.5:
            velocity[i], seen[i] = mirrored(velocity[i], seen[i])
        roll = np.radians(rng.uniform(-how.roll_deg, how.roll_deg))
        turn = np.array([[np.cos(roll), np.sin(roll)], [-np.sin(roll), np.cos(roll)]])
        narrow = np.ones(2)
        narrow[rng.integers(2)] = rng.uniform(how.squash, 1.0)
        fast = np.exp(rng.uniform(-1, 1) * np.log(how.speed))
        velocity[i] @= (turn * narrow * fast).astype(np.float32)
        for _ in range(2):
            if rng.random() < how.limb:
                seen[i][:, _LIMBS[rng.integers(len(_LIMBS))]] = 0
        if rng.random() < how.blank:
            frames = int(rng.integers(1, WINDOW // 2))
            part = slice(frames) if rng.random() < 0.5 else slice(-frames, None)
            seen[i, part] = target[i, part] = 0
    return Clips(velocity * seen[..., None], seen, target, clips.weight)
