"""Movement and drums in pairs: `python -m kinebeat.live.style.pairs --corpus CORPUS --data DIR --out DIR`.

For MuStyleNet. InteractiveBeat 4.1 pairs 100 k curves of kinematic offsets with drums by dynamic time warping. Here
each curve, six seconds long, is offered several stretches of Groove, laid onto the visual beats of the curve; a time
warp of at most `REACH` ticks fits each to the curve, and the one that fits best is taken. Its onsets, moved along the
warp, make the target. Where nobody has moved for a while the drums are taken out: stillness is silence.

Nothing says which drums belong to which movement, neither here nor in the paper. What a network can learn from such
pairs is to strike where the movement stops and to fill what lies between like a drummer.
"""

from __future__ import annotations

import argparse
import io
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kinebeat.beats.grid import STEPS_PER_BEAT
from kinebeat.drums.data import read_groove
from kinebeat.errors import InputError
from kinebeat.live.corpus import load_corpus
from kinebeat.live.movement import LIVE_FPS
from kinebeat.live.style.accumulate import BUMP_SIGMA_S
from kinebeat.live.visbeat.model import VisBeatNet

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from kinebeat.drums.data import Performance

SECONDS = 6.0
TICKS = round(SECONDS * LIVE_FPS)
REACH = 2
"""Ticks by which a time warp may move a drum, 67 ms: half a 16th or so, as the visual beats are met already."""
BEND = 0.01
"""What it costs a warp to go one tick faster or slower."""
TOO_MANY = 0.3
"""Weight of a drum where nobody stops, against a stop without a drum: drummers play more notes than people move."""
CANDIDATES = 12
SLOWEST_BPM, FASTEST_BPM = 65.0, 170.0
"""Of the drums; visual beats outside are taken for halves or pairs of beats. As in `kinebeat.live.pulse`."""
MOST_BEATS = 32
TEMPO_RATIO = 1.4
"""Drums are not played faster or slower than they were by more than this, where there is a choice."""
FORECAST_HOP = 10
STILL = 0.08
"""Kinematic offsets, normalised, below which nobody moves."""
STILL_BEFORE_S, STILL_AFTER_S = 0.7, 0.3
"""A drum is taken out where nobody moves from so long before it until so long after it."""


@dataclass(frozen=True)
class Curve:
    """Kinematic offsets of a clip.

    Attributes:
        offsets: (T,) float32 in [0, 1] at `LIVE_FPS`.
        beats_s: (N,) float64, its visual beats.
        heard: (T,) float32, the offsets as VisBeatNet says them of the tick to come; None where it was not asked.
        ahead: (F, 36) float32, what it forecasts after every `FORECAST_HOP`th tick, the first after the tick before 0.
    """

    offsets: NDArray[np.float32]
    beats_s: NDArray[np.float64]
    heard: NDArray[np.float32] | None = None
    ahead: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class Pairs:
    """Curves and the drums that go with them, N of T ticks at `LIVE_FPS`.

    Attributes:
        offsets: (N, T) float32 in [0, 1].
        heard: (N, T) float32, the same as VisBeatNet hears it, towards the end as it forecasts it.
        envelope: (N, T) float32 in [0, 1], drum onsets: see `accumulate.envelope_of`.
        beats_s: (N, B) float32, the beats that the drums were laid on, seconds from the first tick; NaN after the last.
    """

    offsets: NDArray[np.float32]
    heard: NDArray[np.float32]
    envelope: NDArray[np.float32]
    beats_s: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.offsets)


def read_curves(corpus: Path, split: str, ears: VisBeatNet | None = None) -> list[Curve]:
    """The curves of a split of the live corpus (`kinebeat.live.corpus`).

    Args:
        corpus: its folder.
        split: "train", "validation" or "test".
        ears: hears each clip as it would live.

    Raises:
        InputError: it is not there.
    """
    kept = load_corpus(corpus / f"{split}.npz")
    curves = [Curve(np.nan_to_num(curve.astype(np.float32)), kept.beats_s(i)) for i, curve in enumerate(kept.truth)]
    if ears is None:
        return curves
    clips = zip(curves, kept.directogram, kept.offset, kept.present, strict=True)
    found = []
    for curve, *clip in clips:
        heard, ahead = _heard(ears, *clip)
        found.append(replace(curve, heard=heard, ahead=ahead))
    return found


def _heard(
    ears: VisBeatNet, directogram: NDArray[np.float16], offset: NDArray[np.float32], present: NDArray[np.bool_]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """`Curve.heard` and `Curve.ahead` of a clip."""
    heard, ahead, state = np.zeros(len(offset) + 1, np.float32), [], ears.begin()
    for t, (bins, braking, there) in enumerate(zip(directogram.astype(np.float32), offset, present, strict=True)):
        if t % FORECAST_HOP == 0:
            ahead.append(ears.forecast(state)[0])
        heard[t + 1], _, state = ears.step(bins, float(braking), bool(there), state)
    return heard[:-1], np.stack(ahead)


def drum_beats(
    beats_s: NDArray[np.float64], start_s: float, end_s: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """When the beats of the drums are, through a stretch of a curve and at least a beat beyond either end.

    They go through the visual beats: each, or every second, or twice as often, so that the tempo is a drummer's. Gaps
    are filled evenly. Without visual beats the tempo is drawn.

    Args:
        beats_s: (N,) visual beats, increasing.
        start_s: of the stretch.
        end_s: of the stretch.
        rng: draws what the movement leaves open.
    """
    near = beats_s[(beats_s > start_s - 2.0) & (beats_s < end_s + 2.0)]
    if len(near) < 2:
        period = 60.0 / float(np.exp(rng.uniform(np.log(80.0), np.log(140.0))))
        near = start_s + rng.uniform(0, period) + period * np.arange(2)
    gap = float(np.median(np.diff(near)))
    place = np.concatenate([[0.0], np.cumsum(np.maximum(1.0, np.round(np.diff(near) / gap)))])
    each = 1.0
    while each * gap < 60.0 / FASTEST_BPM:
        each *= 2
    while each * gap > 60.0 / SLOWEST_BPM:
        each /= 2
    # The line through the beats goes on beyond them at the median tempo.
    before, after = ((near[0] - start_s) / gap + 2 * each + 1, (end_s - near[-1]) / gap + 2 * each + 1)
    before, after = max(1.0, np.ceil(before)), max(1.0, np.ceil(after))
    knots = np.concatenate([[-before], place, [place[-1] + after]])
    times = np.concatenate([[near[0] - before * gap], near, [near[-1] + after * gap]])
    phase = float(rng.integers(int(each))) if each >= 2 else 0.0
    first = np.ceil((-before - phase) / each) * each + phase
    beats = np.interp(np.arange(first, knots[-1] + 1e-9, each), knots, times)
    within = np.flatnonzero((beats > start_s - 2 * each * gap) & (beats < end_s + 2 * each * gap))
    return np.asarray(beats[within[0] : within[-1] + 1])


def splat(onsets: NDArray[np.float64], velocities: NDArray[np.float32], ticks: int) -> NDArray[np.float32]:
    """`accumulate.envelope_of` of many: onsets (N, S) in ticks, NaN for none, velocities (N, S) -> (N, ticks)."""
    found = np.zeros((len(onsets), ticks), np.float32)
    sigma = BUMP_SIGMA_S * LIVE_FPS
    middle = np.floor(np.nan_to_num(onsets, nan=-100.0)).astype(np.int64)
    row = np.broadcast_to(np.arange(len(onsets))[:, None], onsets.shape)
    for step in range(-3, 5):
        at = middle + step
        inside = (at >= 0) & (at < ticks) & np.isfinite(onsets) & (velocities > 0)
        height = velocities[inside] * np.exp(-0.5 * ((at[inside] - onsets[inside]) / sigma) ** 2)
        np.maximum.at(found, (row[inside], at[inside]), height.astype(np.float32))
    return found


def warp(
    offsets: NDArray[np.float32], envelopes: NDArray[np.float32], reach: int = REACH
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Dynamic time warping of drums onto curves, all at once.

    At tick t of the curve the drums are at t + d(t); d changes by at most 1 a tick and stays within the reach.

    Args:
        offsets: (N, T) in [0, 1].
        envelopes: (N, T) in [0, 1].
        reach: largest |d|.

    Returns:
        cost (N,), the mean over the ticks; d (N, T).
    """
    count, ticks = offsets.shape
    shifts = 2 * reach + 1
    padded = np.pad(envelopes, ((0, 0), (reach, reach)))
    total = np.zeros((count, shifts), np.float32)
    came = np.zeros((ticks, count, shifts), np.int8)
    far = np.full((count, 1), np.inf, np.float32)
    for t in range(ticks):
        gap = offsets[:, t, None] - padded[:, t : t + shifts]
        cost = gap * gap * np.where(gap > 0, np.float32(1.0), np.float32(TOO_MANY))
        if t:
            slower, faster = np.concatenate([total[:, 1:], far], 1), np.concatenate([far, total[:, :-1]], 1)
            beside = np.minimum(slower, faster) + np.float32(BEND)
            came[t] = np.where(beside < total, np.where(slower < faster, 1, -1), 0)
            total = np.minimum(total, beside)
        total = total + cost
    shift = np.empty((count, ticks), np.int64)
    rows = np.arange(count)
    at = total.argmin(1)
    for t in range(ticks - 1, -1, -1):
        shift[:, t] = at - reach
        at = at + came[t, rows, at]
    return total.min(1) / np.float64(ticks), shift


def _strokes(performances: Sequence[Performance]) -> list[tuple[NDArray[np.float32], NDArray[np.float32], float]]:
    """Of each performance the strongest drum of each step: velocity (S,), offset in 16ths (S,); and the tempo."""
    found = []
    for p in performances:
        strongest = p.velocities.argmax(1)[:, None]
        velocity, offset = (np.take_along_axis(x, strongest, 1)[:, 0] for x in (p.velocities, p.offsets))
        found.append((velocity, offset, p.tempo_bpm))
    return found


class Matchmaker:
    """Draws curves and finds drums for them.

    Args:
        curves: of movement.
        performances: of drums.
    """

    def __init__(self, curves: Sequence[Curve], performances: Sequence[Performance]) -> None:
        self._curves = [c for c in curves if len(c.offsets) >= TICKS]
        self._strokes = _strokes([p for p in performances if len(p.hits) >= STEPS_PER_BEAT])
        self._log_tempo = np.log([s[2] for s in self._strokes])
        self._weight = np.array([float(len(s[0])) for s in self._strokes])

    def pairs(self, count: int, rng: np.random.Generator, *, candidates: int = CANDIDATES, fit: bool = True) -> Pairs:
        """Some pairs.

        Args:
            count: how many.
            rng: the only source of randomness.
            candidates: stretches of drums offered to each curve.
            fit: False leaves the drums where the visual beats put them.
        """
        clip = rng.integers(len(self._curves), size=count)
        offsets, heard = np.empty((2, count, TICKS), np.float32)
        onsets, velocities, grids = [], [], np.full((count, MOST_BEATS), np.nan, np.float32)
        for i, c in enumerate(clip):
            curve = self._curves[c]
            start = int(rng.integers(len(curve.offsets) - TICKS + 1))
            offsets[i] = curve.offsets[start : start + TICKS]
            heard[i] = _as_heard(curve, start, rng)
            start_s = start / LIVE_FPS
            beats = drum_beats(curve.beats_s, start_s, start_s + SECONDS, rng) - start_s
            grids[i, : len(beats)] = beats[:MOST_BEATS]
            found = self._offered(beats, (beats[-1] - beats[0]) / (len(beats) - 1), candidates, rng)
            onsets.append(found[0])
            velocities.append(found[1])
        steps = max(o.shape[1] for o in onsets)
        at = np.concatenate([np.pad(o, ((0, 0), (0, steps - o.shape[1])), constant_values=np.nan) for o in onsets])
        loud = np.concatenate([np.pad(v, ((0, 0), (0, steps - v.shape[1]))) for v in velocities])
        cost, shift = warp(np.repeat(offsets, candidates, 0), splat(at, loud, TICKS))
        best = np.arange(count) * candidates + cost.reshape(count, candidates).argmin(1)
        at, loud, shift = at[best], loud[best], shift[best]
        moved = _moved(at, shift) if fit else at
        return Pairs(offsets, heard, splat(_without_stillness(moved, offsets), loud, TICKS), grids)

    def _offered(
        self, beats: NDArray[np.float64], period_s: float, candidates: int, rng: np.random.Generator
    ) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
        """Onsets in ticks (candidates, S), NaN where nothing is struck, and velocities, of drums laid on beats."""
        near = np.abs(self._log_tempo - np.log(60.0 / period_s)) <= np.log(TEMPO_RATIO)
        weight = self._weight * near if near.any() else self._weight
        who = rng.choice(len(weight), candidates, p=weight / weight.sum())
        steps = (len(beats) - 1) * STEPS_PER_BEAT
        onsets = np.full((candidates, steps), np.nan)
        velocities = np.zeros((candidates, steps), np.float32)
        grid = np.arange(steps)
        for k, w in enumerate(who):
            velocity, offset, _ = self._strokes[w]
            start = STEPS_PER_BEAT * int(rng.integers(max(1, (len(velocity) - steps) // STEPS_PER_BEAT + 1)))
            velocity, offset = velocity[start : start + steps], offset[start : start + steps]
            struck = np.flatnonzero(velocity > 0)
            place = (grid[struck] + offset[struck]) / STEPS_PER_BEAT
            onsets[k, struck] = np.interp(place, np.arange(len(beats)), beats) * LIVE_FPS
            velocities[k, struck] = velocity[struck]
        return onsets, velocities


def _as_heard(curve: Curve, start: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Six seconds as they are heard, the last of them, up to a whole forecast, as they are forecast."""
    if curve.heard is None or curve.ahead is None:
        return curve.offsets[start : start + TICKS]
    heard = curve.heard[start : start + TICKS].copy()
    number = (start + TICKS - int(rng.integers(curve.ahead.shape[1]))) // FORECAST_HOP + 1
    first = number * FORECAST_HOP - start
    if number < len(curve.ahead) and first < TICKS:
        heard[first:] = curve.ahead[number][: TICKS - first]
    return heard


def _moved(onsets: NDArray[np.float64], shift: NDArray[np.int64]) -> NDArray[np.float64]:
    """Onsets (N, S) in the drums' ticks -> in the curve's: where t + shift(t) passes them."""
    ticks = np.arange(shift.shape[1], dtype=np.float64)
    found = np.empty_like(onsets)
    for row, (own, d) in enumerate(zip(onsets, shift, strict=True)):
        along = ticks + d
        # Beyond either end the shift stays what it was there.
        moved = np.interp(own, along, ticks)
        moved = np.where(own < along[0], own - d[0], moved)
        found[row] = np.where(own > along[-1], own - d[-1], moved)
    return found


def _without_stillness(onsets: NDArray[np.float64], offsets: NDArray[np.float32]) -> NDArray[np.float64]:
    """Onsets (N, S) in ticks, NaN where nobody moves about them; offsets (N, T)."""
    from scipy.ndimage import maximum_filter1d

    before, after = round(STILL_BEFORE_S * LIVE_FPS), round(STILL_AFTER_S * LIVE_FPS)
    size = before + after + 1
    # A window from t - before to t + after. Before the curve nobody moved, as before a performance.
    most = maximum_filter1d(offsets, size, axis=1, origin=before - size // 2, mode="constant")
    tick = np.clip(np.nan_to_num(onsets), 0, offsets.shape[1] - 1).astype(np.int64)
    moving = np.take_along_axis(most, tick, 1) >= STILL
    return np.where(moving, onsets, np.nan)


def make_pairs(
    curves: Sequence[Curve],
    performances: Sequence[Performance],
    count: int,
    seed: int,
    *,
    candidates: int = CANDIDATES,
    progress: Callable[[float], None] | None = None,
) -> Pairs:
    """Many pairs, made a few hundred at a time."""
    maker = Matchmaker(curves, performances)
    parts: list[Pairs] = []
    block = 256
    for number, start in enumerate(range(0, count, block)):
        some = min(block, count - start)
        parts.append(maker.pairs(some, np.random.default_rng([seed, number]), candidates=candidates))
        if progress is not None:
            progress(min(1.0, (start + block) / count))
    return Pairs(*(np.concatenate([getattr(p, key) for p in parts]) for key in vars(parts[0])))


def save_pairs(pairs: Pairs, path: Path) -> None:
    """Keep pairs in a file, in half precision."""
    path.parent.mkdir(parents=True, exist_ok=True)
    buffer: Any = io.BytesIO()
    halves = {name: getattr(pairs, name).astype(np.float16) for name in ("offsets", "heard", "envelope")}
    np.savez_compressed(buffer, beats_s=pairs.beats_s, **halves)
    partial = path.with_suffix(".partial")
    partial.write_bytes(buffer.getvalue())
    partial.replace(path)


def load_pairs(path: Path) -> Pairs:
    """Pairs that were kept.

    Raises:
        InputError: there are none.
    """
    if not path.is_file():
        raise InputError(
            path, "expected pairs of movement and drums, found none", "make them: kinebeat.live.style.pairs"
        )
    with np.load(path) as kept:
        return Pairs(*(np.asarray(kept[key], np.float32) for key in ("offsets", "heard", "envelope", "beats_s")))


COUNTS = {"train": 100_000, "validation": 2_000, "test": 2_000}


def main(arguments: Sequence[str] | None = None) -> None:
    """The command `python -m kinebeat.live.style.pairs`."""
    about = (__doc__ or "").split("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m kinebeat.live.style.pairs", description=about)
    parser.add_argument("--corpus", type=Path, required=True, help="folder of the movement's corpus")
    parser.add_argument("--data", type=Path, required=True, help="folder that holds the Groove MIDI Dataset")
    parser.add_argument("--out", type=Path, required=True, help="folder for the pairs")
    parser.add_argument("--count", type=int, default=COUNTS["train"], help="pairs to train on")
    parser.add_argument("--listen", action="store_true", help="keep beside each curve what VisBeatNet hears of it")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    performances = read_groove(options.data)
    for split, usual in COUNTS.items():
        count = options.count if split == "train" else min(usual, options.count)
        drums = [p for p in performances if p.split == split and p.kind == "beat"]
        curves = read_curves(options.corpus, split, VisBeatNet() if options.listen else None)
        save_pairs(make_pairs(curves, drums, count, options.seed), options.out / f"{split}.npz")


if __name__ == "__main__":
    main()
