"""What the performance network is trained on: clips of pieces, varied, in batches of numpy arrays.

A batch is a function of (seed, step) alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kinebeat.performance.events import WORDS, encode, ticks_of
from kinebeat.performance.features import CLIP_FRAMES, FPS, HAND_NODES, LAYOUT, body_features, key_features
from kinebeat.performance.instruments import INSTRUMENTS
from kinebeat.performance.joining import CLIP_S
from kinebeat.performance.notes import Notes
from kinebeat.performance.piano_keys import CENTRE_U, KEY_LENGTH_U, LOWEST_PITCH, PITCHES, WHITE_KEYS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from kinebeat.performance.corpus import Piece

NOTHING = -1
"""The target where no word is asked for."""
TOLERATED_S = 0.07
"""How far from its onset a note is still partly struck: labels are on a grid of 50 ms, frames on one of 33 ms."""
_MIRRORED_PITCH = 2 * 62
"""A keyboard mirrored about D4 is a keyboard again; pitches then add up to this."""
_D4_U = float(CENTRE_U[62 - LOWEST_PITCH])
_NAMES = list(INSTRUMENTS)


@dataclass(frozen=True)
class Batch:
    """Clips side by side.

    Attributes:
        nodes: (B, T, V, C) float32.
        tips: (B, T, F, 2) float32, NaN where not seen; F is 0 without keys.
        instrument: (B,) int64.
        struck: (B, T, 88) float32 in [0, 1], 1 at onsets.
        held: (B, T, 88) float32, whether a note sounds.
        words: (B, L) int64: the start, then what is said; then any.
        seconds: (B, L) float32, when the word after each is said.
        target: (B, L) int64, the word after each, `NOTHING` after the last.
    """

    nodes: NDArray[np.float32]
    tips: NDArray[np.float32]
    instrument: NDArray[np.int64]
    struck: NDArray[np.float32]
    held: NDArray[np.float32]
    words: NDArray[np.int64]
    seconds: NDArray[np.float32]
    target: NDArray[np.int64]


@dataclass(frozen=True)
class Drawing:
    """How batches are drawn.

    Attributes:
        batch: clips in a batch.
        real: share of them that are of films, where there are films.
        turn: standard deviation of a rotation, radians.
        scale: of a change of size, as a share; of both axes together, and of each.
        shift: of where the keyboard is taken to be, in widths of a white key.
        jitter: of every joint in every frame, in widths of a white key, or in hundredths of how large a body is.
        lost: probability that a hand is not seen for a while.
        mirror: probability that all is mirrored.
    """

    batch: int = 8
    real: float = 0.5
    turn: float = 0.03
    scale: float = 0.05
    shift: float = 0.12
    jitter: float = 0.06
    lost: float = 0.15
    mirror: float = 0.5


def rolls(
    notes: Notes, frames: int, *, fps: float = FPS, tolerated_s: float = TOLERATED_S
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What is played, by frame.

    Args:
        notes: in seconds from the first frame.
        frames: how many.
        fps: of them a second.
        tolerated_s: how far from its onset a note is still partly struck.

    Returns:
        How far each key is struck, 1 at an onset, and whether it is held, (T, 88) each.
    """
    struck, held = (np.zeros((frames, PITCHES), np.float32) for _ in range(2))
    times_s = np.arange(frames) / fps
    for onset_s, offset_s, pitch in zip(notes.onset_s, notes.offset_s, notes.pitch, strict=True):
        key = pitch - LOWEST_PITCH
        if not 0 <= key < PITCHES:
            continue
        away = np.abs(times_s - onset_s)
        struck[:, key] = np.maximum(struck[:, key], np.clip(1 - away / tolerated_s, 0, 1))
        held[(times_s >= onset_s) & (times_s < offset_s), key] = 1.0
    return struck, held


def cut(notes: Notes, start_s: float, length_s: float = CLIP_S) -> Notes:
    """What sounds in a clip, in its own time."""
    inside = (notes.onset_s < start_s + length_s) & (notes.offset_s > start_s)
    return notes[inside].later(-start_s)


def mirrored(joints: NDArray[np.float32], notes: Notes) -> tuple[NDArray[np.float32], Notes]:
    """Hands on keys and their notes as in a mirror: left is right, and D4 stays where it is."""
    turned = np.concatenate([joints[:, 21:], joints[:, :21]], 1)
    turned[..., 0] = 2 * _D4_U - turned[..., 0]
    pitch = _MIRRORED_PITCH - notes.pitch
    # Beside the 88 keys nothing can be played: D4 is not quite their middle.
    kept = (pitch >= LOWEST_PITCH) & (pitch < LOWEST_PITCH + PITCHES)
    return turned, Notes.of(notes.onset_s[kept], notes.offset_s[kept], pitch[kept], notes.velocity[kept])


def varied(
    joints: NDArray[np.float32], notes: Notes, how: Drawing, rng: np.random.Generator
) -> tuple[NDArray[np.float32], Notes]:
    """A clip as another camera and another detector would have it: an affine map of all frames, jitter, drop-outs."""
    keys = joints.shape[1] == len(HAND_NODES)
    if keys and rng.random() < how.mirror:
        joints, notes = mirrored(joints, notes)
    joints = joints.copy()
    unit = 1.0 if keys else max(1e-6, _extent(joints) / 100)
    angle, whole = rng.normal(0, how.turn), np.exp(rng.normal(0, how.scale))
    if keys:
        # Along the keys only: a key's width and place are known far better than how deep a hand is in them.
        joints[..., 1] = joints[..., 1] * whole * np.exp(rng.normal(0, how.scale)) + rng.normal(0, 4 * how.shift)
        joints[..., 0] += rng.normal(0, how.shift) + angle * (joints[..., 1] - KEY_LENGTH_U / 2)
        joints[..., 0] += (joints[..., 0] - WHITE_KEYS / 2) * rng.normal(0, how.scale / 20)
    else:
        middle = np.nanmean(joints.reshape(-1, 2), 0)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        sizes = whole * np.exp(rng.normal(0, how.scale, 2))
        joints = ((joints - middle) @ turn.T * sizes + middle).astype(np.float32)
    joints += rng.normal(0, how.jitter * unit * rng.uniform(0.3, 1.0), joints.shape).astype(np.float32)
    parts = (slice(0, 21), slice(21, 42)) if keys else (slice(25, 46), slice(46, 67))
    for hand in parts:
        if rng.random() < how.lost:
            start = int(rng.integers(len(joints)))
            joints[start : start + int(rng.integers(2, 20)), hand] = np.nan
    return joints, notes


def _extent(joints: NDArray[np.float32]) -> float:
    """About how large a body is in the picture."""
    seen = joints.reshape(-1, 2)
    seen = seen[np.isfinite(seen).all(1)]
    return float(np.ptp(seen[:, 1])) if len(seen) else 1.0


def clip_of(
    piece: Piece, start: int, how: Drawing | None, rng: np.random.Generator
) -> tuple[NDArray[np.float32], Notes]:
    """A clip of a piece from some frame on, (T, V, 2), padded with nothing seen; varied where it is said how."""
    part = piece.joints[start : start + CLIP_FRAMES]
    joints = np.full((CLIP_FRAMES, *part.shape[1:]), np.nan, np.float32)
    joints[: len(part)] = part
    notes = cut(piece.notes, start / FPS)
    return (joints, notes) if how is None else varied(joints, notes, how, rng)


def side_by_side(clips: Sequence[tuple[NDArray[np.float32], Notes]], instruments: Sequence[str]) -> Batch:
    """A batch of clips of equal length, all with keys or all without."""
    keys = clips[0][0].shape[1] != len(LAYOUT.joints)
    features = [(key_features if keys else body_features)(joints) for joints, _ in clips]
    both = [rolls(notes, CLIP_FRAMES) for _, notes in clips]
    said = [encode(notes, CLIP_S) for _, notes in clips]
    shape = len(clips), 1 + max(len(words) for words in said)
    words, target = np.full(shape, WORDS, np.int64), np.full(shape, NOTHING, np.int64)
    seconds = np.zeros(shape, np.float32)
    for row, one in enumerate(said):
        words[row, 1 : 1 + len(one)] = one
        target[row, : len(one)] = one
        seconds[row, : len(one)] = ticks_of(one) / 100
        seconds[row, len(one) :] = CLIP_S
    return Batch(
        np.stack([f.nodes for f in features]),
        np.stack([f.tips for f in features]) if keys else np.zeros((len(clips), CLIP_FRAMES, 0, 2), np.float32),
        np.array([_NAMES.index(name) for name in instruments]),
        np.stack([struck for struck, _ in both]),
        np.stack([held for _, held in both]),
        words,
        seconds,
        target,
    )


class Batches:
    """The batches of a training, by step.

    Args:
        pieces: all there are.
        how: the batches are drawn.
        seed: of all that is random.
    """

    def __init__(self, pieces: Sequence[Piece], how: Drawing, seed: int) -> None:
        self._how, self._seed = how, seed
        groups = [[p for p in pieces if p.real], [p for p in pieces if not p.real]]
        self._groups = [(group, np.array([len(p.joints) for p in group], np.float64)) for group in groups]

    def __call__(self, step: int) -> Batch:
        """The batch of a step."""
        rng = np.random.default_rng([self._seed, step])
        clips, names = [], []
        for _ in range(self._how.batch):
            real = bool(rng.random() < self._how.real)
            pieces, sizes = self._groups[0 if (real and self._groups[0][0]) or not self._groups[1][0] else 1]
            piece = pieces[int(rng.choice(len(pieces), p=sizes / sizes.sum()))]
            start = int(rng.integers(max(1, len(piece.joints) - CLIP_FRAMES + 1)))
            clips.append(clip_of(piece, start, self._how, rng))
            names.append(piece.instrument)
        return side_by_side(clips, names)


def whole(pieces: Sequence[Piece], batch: int) -> list[Batch]:
    """Pieces as they are, in clips one after the other: for validation."""
    rng = np.random.default_rng(0)  # nothing is drawn
    found = [
        (clip_of(piece, start, None, rng), piece.instrument)
        for piece in pieces
        for start in range(0, max(1, len(piece.joints) - CLIP_FRAMES // 2), CLIP_FRAMES)
    ]
    groups = [found[i : i + batch] for i in range(0, len(found), batch)]
    return [side_by_side([clip for clip, _ in group], [name for _, name in group]) for group in groups]
