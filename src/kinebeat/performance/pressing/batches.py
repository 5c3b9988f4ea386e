"""What the network of key presses is trained on: parts of keyboards over a few seconds, varied.

A batch is a function of (seed, step) alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import cv2
import numpy as np

from kinebeat.performance.batches import rolls
from kinebeat.performance.piano_keys import CENTRE_U, LOWEST_PITCH, PITCH_CLASSES, PITCHES
from kinebeat.performance.pressing.channels import channels, middle
from kinebeat.performance.pressing.pictures import COLUMNS, FINENESS, OUTSIDE, PICTURES_PER_S

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from kinebeat.performance.notes import Notes
    from kinebeat.performance.pressing.corpus import Film

TOLERATED_S = 0.075
"""How far from its onset a note is still partly struck: labels and pictures are on grids of 50 ms."""
_D4 = 62
MIRROR_U = 2 * float(CENTRE_U[_D4 - LOWEST_PITCH])
"""A keyboard mirrored about D4 is a keyboard: u and its mirror image add up to this."""
_STILLS = 48
_SHAKEN = 0.4  # of the films
_MARGIN_U = 1.0  # of a part; keys nearer to its edge are not asked for


@dataclass(frozen=True)
class Batch:
    """Parts of keyboards side by side.

    Attributes:
        pictures: (B, T, 3, V, U) float32.
        centres: (B, K) float32, middles of keys in white keys from the left edge.
        classes: (B, K) int64 pitch classes.
        struck: (B, T, K) float32 in [0, 1], 1 at onsets.
        held: (B, T, K) float32, whether a note sounds.
        asked: (B, K) float32, 1 for a key and 0 for filling.
    """

    pictures: NDArray[np.float32]
    centres: NDArray[np.float32]
    classes: NDArray[np.int64]
    struck: NDArray[np.float32]
    held: NDArray[np.float32]
    asked: NDArray[np.float32]


@dataclass(frozen=True)
class Drawing:
    """How batches are drawn.

    Attributes:
        batch: clips in a batch.
        frames: pictures of a clip.
        part_u: white keys of a part.
        busy: share of the parts that are about a note that is played in the clip.
        gain: standard deviation of the light's change over all of a clip, as a share.
        flicker: of each picture's.
        noise: of each pixel, in levels.
        shift_u: of where the keyboard is taken to be, in white keys; along the keys, in rows.
        scale: of its size, as a share.
        blurred: probability that a film is less sharp; as often one is sharper than it is.
        shaken: standard deviation of what is left of a camera's movement, in columns and rows, in some films.
        cut: probability that the picture ends within the part.
        mirror: probability that a clip is mirrored.
    """

    batch: int = 8
    frames: int = 48
    part_u: int = 20
    busy: float = 0.8
    gain: float = 0.15
    flicker: float = 0.005
    noise: float = 2.0
    shift_u: float = 0.1
    scale: float = 0.01
    blurred: float = 0.3
    shaken: float = 0.15
    cut: float = 0.15
    mirror: float = 0.5


def press_rolls(notes: Notes, frames: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """`kinebeat.performance.batches.rolls` at the pictures' rate."""
    return rolls(notes, frames, fps=PICTURES_PER_S, tolerated_s=TOLERATED_S)


def clip_of(film: Film, start: int, left_u: int, how: Drawing, rng: np.random.Generator) -> Batch:
    """A varied clip of a part of a keyboard, as a batch of one; its keys are not yet filled up to those of others."""
    end = start + how.frames
    stills = film.pictures[np.sort(rng.choice(len(film.pictures), min(_STILLS, len(film.pictures)), replace=False))]
    columns = slice(left_u * FINENESS, (left_u + how.part_u) * FINENESS)
    still = middle(stills[:, :, columns])
    before = film.pictures[max(0, start - 1) : start + 1][0, :, columns]
    pictures = film.pictures[start:end, :, columns]
    stack = np.concatenate([still[None], before[None], pictures])
    keys = _keys_within(left_u, how.part_u)
    centres = CENTRE_U[keys] - left_u
    stack = _moved(stack, how, rng)
    levels = _relit(stack, how, rng)
    struck, held = (roll[:, keys] for roll in press_rolls(film.notes.later(-start / PICTURES_PER_S), how.frames))
    classes = (keys + LOWEST_PITCH) % PITCH_CLASSES
    if rng.random() < how.mirror:
        levels, centres = levels[:, :, ::-1], how.part_u - centres
        classes = (2 * _D4 - (keys + LOWEST_PITCH)) % PITCH_CLASSES
    told = channels(levels[2:], levels[1], levels[0])
    asked = np.ones(len(keys), np.float32)
    middles = centres.astype(np.float32)
    return Batch(told[None], middles[None], classes[None], struck[None], held[None], asked[None])


def _keys_within(left_u: float, wide_u: float) -> NDArray[np.int64]:
    return np.flatnonzero(np.abs(CENTRE_U - left_u - wide_u / 2) <= wide_u / 2 - _MARGIN_U)


def _moved(stack: NDArray[np.uint8], how: Drawing, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Pictures as if the keyboard had been found a little elsewhere, by another camera."""
    rows, columns = stack.shape[1:]
    u, v = rng.normal(0, how.shift_u * FINENESS), rng.normal(0, 1.0)
    scale = np.exp(rng.normal(0, how.scale, 2) * (1, 3))
    slant = rng.normal(0, 0.02)
    move = np.array([[scale[0], slant, u - slant * rows / 2 + (1 - scale[0]) * columns / 2], [0, scale[1], v]])
    wide = (columns, rows)
    sharpness, degree = rng.random(), rng.uniform(1.0, 2.2)
    small = max(8, round(columns / degree)), max(8, round(rows / degree))
    shaken = how.shaken * rng.random() * (rng.random() < _SHAKEN)
    moved = np.empty_like(stack)
    for at, picture in enumerate(stack):
        if sharpness < how.blurred:
            picture = cv2.resize(cv2.resize(picture, small, interpolation=cv2.INTER_AREA), wide)
        elif sharpness > 1 - how.blurred:
            soft = cv2.GaussianBlur(picture, (0, 0), 1.0)
            picture = cv2.addWeighted(picture, degree, soft, 1 - degree, 0.0)
        here = move.copy()
        here[:, 2] += rng.normal(0, shaken, 2)
        moved[at] = cv2.warpAffine(picture, here, wide, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    if rng.random() < how.cut:
        edge = int(rng.integers(columns // 2))
        moved[:, :, slice(edge) if rng.random() < 0.5 else slice(columns - edge, None)] = OUTSIDE
    return moved


def _relit(stack: NDArray[np.uint8], how: Drawing, rng: np.random.Generator) -> NDArray[np.float32]:
    """Levels as another camera in another light would have them."""
    there = stack > OUTSIDE
    gamma = np.exp(rng.normal(0, how.gain))
    table = (255.0 * (np.arange(256) / 255.0) ** gamma * np.exp(rng.normal(0, how.gain))).astype(np.float32)
    levels = table[stack] * np.exp(rng.normal(0, how.flicker, (len(stack), 1, 1))).astype(np.float32)
    levels += rng.standard_normal(stack.shape, np.float32) * rng.uniform(0, how.noise)
    relit: NDArray[np.float32] = np.where(there, np.clip(levels, 1.0, 255.0), OUTSIDE)
    return relit


def side_by_side(clips: Sequence[Batch]) -> Batch:
    """One batch of many, filled up to the same number of keys."""
    most = max(clip.centres.shape[1] for clip in clips)

    def filled(clip: Batch) -> Batch:
        missing = most - clip.centres.shape[1]
        over_keys = [(0, 0), (0, missing)]
        in_time = [(0, 0), (0, 0), (0, missing)]
        return replace(
            clip,
            centres=np.pad(clip.centres, over_keys, mode="edge"),
            classes=np.pad(clip.classes, over_keys),
            struck=np.pad(clip.struck, in_time),
            held=np.pad(clip.held, in_time),
            asked=np.pad(clip.asked, over_keys),
        )

    columns = zip(*(vars(filled(clip)).values() for clip in clips), strict=True)
    return Batch(*(np.concatenate(parts) for parts in columns))


class Batches:
    """The batches of a training, by step.

    Args:
        films: all there are, longer than a clip.
        how: the batches are drawn.
        seed: of all that is random.
    """

    def __init__(self, films: Sequence[Film], how: Drawing, seed: int) -> None:
        self._how, self._seed = how, seed
        self._films = [film for film in films if len(film.pictures) > how.frames]
        self._sizes = np.array([len(film.pictures) for film in self._films], np.float64)

    def __call__(self, step: int) -> Batch:
        """The batch of a step."""
        rng, how = np.random.default_rng([self._seed, step]), self._how
        clips = []
        for _ in range(how.batch):
            film = self._films[int(rng.choice(len(self._films), p=self._sizes / self._sizes.sum()))]
            start = int(rng.integers(len(film.pictures) - how.frames))
            clips.append(clip_of(film, start, self._left_u(film.notes, start, rng), how, rng))
        return side_by_side(clips)

    def _left_u(self, notes: Notes, start: int, rng: np.random.Generator) -> int:
        """Where a part begins, in white keys."""
        how = self._how
        last = COLUMNS // FINENESS - how.part_u
        begin_s = start / PICTURES_PER_S
        played = notes[(notes.onset_s >= begin_s) & (notes.onset_s < begin_s + how.frames / PICTURES_PER_S)]
        known = played.pitch[(played.pitch >= LOWEST_PITCH) & (played.pitch < LOWEST_PITCH + PITCHES)]
        if not len(known) or rng.random() >= how.busy:
            return int(rng.integers(last + 1))
        about_u = CENTRE_U[int(rng.choice(known)) - LOWEST_PITCH]
        return int(np.clip(round(about_u - rng.uniform(0.15, 0.85) * how.part_u), 0, last))
