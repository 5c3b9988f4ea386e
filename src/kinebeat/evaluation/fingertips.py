"""The plainest way to hear a pianist: whenever a fingertip stops over a key, that key is played.

A fingertip that has moved over the keyboard and comes to rest has struck what is under it, if it reaches about as far
over the keys as the longest finger of its hand: who plays with one finger bends the others. Thresholds are chosen on
clips of the training (`tuned`).
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

import numpy as np

from kinebeat.evaluation.note_metrics import note_figures
from kinebeat.performance.notes import Notes
from kinebeat.performance.piano_keys import KEY_LENGTH_U, pitch_at
from kinebeat.skeleton import LAYOUTS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from kinebeat.performance.keyboard import Keyboard
    from kinebeat.performance.keypoints import Performer

RATE_HZ = 40.0
LONGEST_GAP_S = 0.25
"""A fingertip that is not seen for longer is nowhere."""
LONGEST_S = 0.5
"""A note lasts until the finger's next one, or so long."""
_TIPS = tuple(f"hand_{finger}4" for finger in ("thumb", "index", "middle", "ring", "pinky"))


@dataclass(frozen=True)
class Thresholds:
    """When a key counts as struck.

    Attributes:
        smooth_s: standard deviation of the filter that fingertips pass through.
        moving: a fingertip moves from this speed on, in white keys a second.
        resting: it has stopped when it is slower than this, in white keys a second.
        behind_v: how far behind the farthest fingertip of its hand it may be, in lengths of a white key.
        again_s: a finger does not strike twice within this time.
        later_s: the note begins so long after the stop.
    """

    smooth_s: float = 0.02
    moving: float = 1.4
    resting: float = 1.4
    behind_v: float = 0.4
    again_s: float = 0.13
    later_s: float = 0.0


SHIPPED = Thresholds()
"""Chosen by `tuned` on clips of the training, aligned: 23 clips, F of onset and pitch class 0.28."""
_RANGES: dict[str, tuple[float, float]] = {
    "smooth_s": (0.005, 0.12),
    "moving": (1.0, 12.0),
    "resting": (0.5, 6.0),
    "behind_v": (0.02, 0.6),
    "again_s": (0.08, 0.5),
    "later_s": (-0.2, 0.1),
}


@dataclass(frozen=True)
class Fingertips:
    """Where the fingertips are on the keyboard, on a uniform scale.

    Attributes:
        u: (T, 2, 5) float64 along the keyboard in white keys, hand by hand from the thumb on; NaN where not seen.
        v: (T, 2, 5) float64 along the keys.
    """

    u: NDArray[np.float64]
    v: NDArray[np.float64]


def fingertips(performer: Performer, keyboard: Keyboard) -> Fingertips:
    """The fingertips of a performer at `RATE_HZ`, from time 0 on."""
    track = performer.track
    names = LAYOUTS[track.layout].joints
    joints = [names.index(f"{hand}_{tip}") for hand in ("left", "right") for tip in _TIPS]
    uv = np.asarray(keyboard.key_units(track.xy[:, joints].astype(np.float64)), np.float64)
    grid_s = np.arange(0.0, float(track.times_s[-1]) + 0.5 / RATE_HZ, 1 / RATE_HZ)
    u, v = (np.stack([_on_grid(grid_s, track.times_s, uv[:, j, k]) for j in range(10)], 1) for k in (0, 1))
    return Fingertips(u.reshape(-1, 2, 5), v.reshape(-1, 2, 5))


def keys_under_fingertips(performer: Performer, keyboard: Keyboard, thresholds: Thresholds = SHIPPED) -> Notes:
    """What is played if every key is struck over which a fingertip stops.

    Args:
        performer: the player's joints.
        keyboard: where the keys are.
        thresholds: when a fingertip has stopped.
    """
    return struck(fingertips(performer, keyboard), thresholds)


def struck(tips: Fingertips, how: Thresholds) -> Notes:
    """The notes of fingertips."""
    u, v = (_smoothed(x, how.smooth_s * RATE_HZ) for x in (tips.u, tips.v))
    speed = np.hypot(np.gradient(u, axis=0), KEY_LENGTH_U * np.gradient(v, axis=0)) * RATE_HZ if len(u) > 1 else 0 * u
    over = (v >= 0) & (v <= 1)
    farthest = np.where(over, v, -np.inf).max(2, keepdims=True)
    may = over & (v >= farthest - how.behind_v)
    onset_s, offset_s, pitch = [], [], []
    for hand in range(u.shape[1]):
        for finger in range(u.shape[2]):
            at = _stops(speed[:, hand, finger], may[:, hand, finger], how)
            until = np.minimum(np.append(at, len(u))[1:], at + round(LONGEST_S * RATE_HZ))
            onset_s.append(at / RATE_HZ + how.later_s)
            offset_s.append(until / RATE_HZ + how.later_s)
            pitch.append(pitch_at(u[at, hand, finger], v[at, hand, finger]))
    onsets, offsets, pitches = (np.concatenate(part) for part in (onset_s, offset_s, pitch))
    inside = (pitches >= 0) & (onsets >= 0)
    return _once(Notes.of(onsets[inside], offsets[inside], pitches[inside]), how.again_s)


def tuned(
    clips: Sequence[tuple[Fingertips, Notes]],
    *,
    rounds: int = 300,
    seed: int = 0,
    progress: Callable[[float], None] | None = None,
) -> tuple[Thresholds, float]:
    """The thresholds of the best mean F of onset and pitch class, found by random search that narrows.

    Args:
        clips: fingertips, and what was played.
        rounds: how many thresholds are tried.
        seed: of the search.
        progress: called with the share done.

    Returns:
        The thresholds and their F.
    """
    rng = np.random.default_rng(seed)
    best, best_f = SHIPPED, _mean_f(clips, SHIPPED)
    for number in range(rounds):
        width = 1.0 if number < rounds // 3 else 0.5 * (1 - number / rounds) + 0.05
        tried = {}
        for field in fields(Thresholds):
            low, high = _RANGES[field.name]
            middle = getattr(best, field.name)
            reach = width * (high - low)
            tried[field.name] = float(np.clip(rng.uniform(middle - reach, middle + reach), low, high))
        candidate = replace(best, **tried)
        f = _mean_f(clips, candidate)
        if f > best_f:
            best, best_f = candidate, f
        if progress is not None:
            progress((number + 1) / rounds)
    return best, best_f


def _mean_f(clips: Sequence[tuple[Fingertips, Notes]], thresholds: Thresholds) -> float:
    return float(np.mean([note_figures(played, struck(tips, thresholds))["class_f"] for tips, played in clips]))


def _on_grid(grid_s: NDArray[np.float64], times_s: NDArray[np.float64], x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values between frames; NaN farther than half the longest gap from where there are any."""
    seen = np.isfinite(x)
    if not seen.any():
        return np.full(len(grid_s), np.nan)
    known_s = times_s[seen]
    after = np.searchsorted(known_s, grid_s)
    last_s = known_s[np.maximum(after - 1, 0)]
    next_s = known_s[np.minimum(after, len(known_s) - 1)]
    near = (next_s - last_s <= LONGEST_GAP_S) & (grid_s >= known_s[0]) & (grid_s <= known_s[-1])
    return np.where(near, np.interp(grid_s, known_s, x[seen]), np.nan)


def _smoothed(x: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    """Filtered along the first axis by a Gaussian that knows only what is seen; NaN stays NaN."""
    from scipy.ndimage import gaussian_filter1d

    seen = np.isfinite(x)
    filtered = gaussian_filter1d(np.where(seen, x, 0.0), sigma, axis=0, mode="nearest")
    weight = gaussian_filter1d(seen.astype(np.float64), sigma, axis=0, mode="nearest")
    return np.where(seen, filtered / np.maximum(weight, 1e-9), np.nan)


def _stops(speed: NDArray[np.float64], may: NDArray[np.bool_], how: Thresholds) -> NDArray[np.int64]:
    """The moments at which a fingertip that has moved is at rest again, at the place where it may strike."""
    with np.errstate(invalid="ignore"):
        moving, resting = speed >= how.moving, speed < min(how.resting, how.moving)
    found: list[int] = []
    armed = False
    for i in np.flatnonzero(moving | resting).tolist():
        if moving[i]:
            armed = True
        elif armed:
            armed = False
            if may[i] and not (found and i - found[-1] < how.again_s * RATE_HZ):
                found.append(i)
    return np.array(found, np.int64)


def _once(notes: Notes, again_s: float) -> Notes:
    """Of notes of one pitch that begin within a time, whatever finger strikes them, the first."""
    kept = np.ones(len(notes), bool)
    last: dict[int, float] = {}
    for i, (onset_s, pitch) in enumerate(zip(notes.onset_s.tolist(), notes.pitch.tolist(), strict=True)):
        kept[i] = onset_s - last.get(pitch, -np.inf) >= again_s
        if kept[i]:
            last[pitch] = onset_s
    return notes[kept]
