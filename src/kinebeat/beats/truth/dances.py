"""Dances made of recorded movement, with music that was chosen first: the truth a beat net learns from.

A dance is a chain of pieces. A piece is a stretch of a recording, warped so that its landings fall on the grid,
repeated a few times, mirrored or not. Pieces and their repeats are joined at random places of the beat, never on it:
what the joining does to the movement must not tell where the beat is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kinebeat.beats.truth.landings import JOINTS, UPPER, Landings, find_landings
from kinebeat.beats.truth.mocap import facing
from kinebeat.beats.truth.warp import Fit, fit_to_beats, warp
from kinebeat.motion import MOTION_FPS
from kinebeat.skeleton import LAYOUTS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.random import Generator
    from numpy.typing import NDArray

    from kinebeat.beats.truth.mocap import Take

SLOWEST_BPM, FASTEST_BPM = 65.0, 150.0
LAG_S, LAG_SPREAD_S = 0.05, 0.03
LEAST_LAG_S, MOST_LAG_S = -0.05, 0.15
"""The beat follows the landing by a lag that is constant within a dance, normally distributed between these limits.

A landing here is when a limb has all but stopped. The body is slowest some 15 ms later, and research on dance has the
lows of the body's speed on the beat (Li et al. 2021, Beat Alignment Score; in the few videos of dance with their own
music that were measured, they came some 30 ms before it)."""
SCATTER_S, MOST_SCATTER_S = 0.020, 0.045
"""A landing is off its place by this, standard deviation and most: two on neighbouring quarters keep their order."""
STEADY_SHARE = 0.5
"""Share of dances to music of exactly one tempo."""
DRIFT = 0.03
SHIFTED_SHARE = 0.04
"""Share of pieces whose strong landings are on the off-beat."""
MIXED_SHARE = 0.35
"""Share of pieces whose arms are another recording's, on a fit of their own."""
ARM_LEVELS = (0.5, 1.0, 1.0, 2.0)
"""Beats that the arms' own fit counts as one."""
STILL_ARMS_SHARE = 0.12
MIRRORED_SHARE = 0.4
PIECE_BEATS = (2, 4, 8)
TRIES = 6
GROOVE_SHARE = 0.40
"""Share of dances whose body bobs with the music through the knees, as dancers do who keep the beat."""
GROOVE_M = (0.01, 0.05)
GROOVE_DOWN_SHARE = 0.8
"""Of those, how many are lowest on the beat; the others are highest."""
GROOVE_BEATS, GROOVE_BEATS_ODDS = (0.5, 1.0, 2.0), (0.15, 0.7, 0.15)
TREADMILL_SIGMA_S, TREADMILL = 1.0, 0.9
"""Share of the way across the floor that is taken out, so that a dance of joined pieces stays in the picture."""
STANDARD_M = 1.38
"""Length of trunk, thigh and shank together to which everybody is scaled."""
SOURCE_SHARES = {"choreonet": 0.35, "cmu": 0.30, "bandai": 0.35}
MIDDLE = JOINTS.index("mid_hip")
_SWAPPED = np.arange(len(JOINTS))
for _left, _right in LAYOUTS["rhythmicnet17"].pairs:
    _SWAPPED[[_left, _right]] = _right, _left


@dataclass(frozen=True)
class Dance:
    """Movement with the beats of the music it was made for.

    Attributes:
        xyz: (T, 17, 3) float32, metres, y up, 60 fps.
        beats_s: (B,) float64, beats of the music within the movement's time; none for what is no dance.
        tempo_bpm: of the music; NaN for what is no dance.
        lag_s: how much later the music's beat is than the movement's landing; NaN for what is no dance.
        kind: "warped", "choreonet" (human labels), or "negative".
        content: classes of movement it is made of.
    """

    xyz: NDArray[np.float32]
    beats_s: NDArray[np.float64]
    tempo_bpm: float
    lag_s: float
    kind: str
    content: str


@dataclass(frozen=True)
class Material:
    """A take made ready: scaled, with its landings found."""

    take: Take
    xyz: NDArray[np.float32]
    whole: Landings
    lower: Landings
    arms: Landings

    @classmethod
    def of(cls, take: Take) -> Material:
        """Prepare a take."""
        size_m = sum(
            float(np.median(np.linalg.norm(take.xyz[:, JOINTS.index(a)] - take.xyz[:, JOINTS.index(b)], axis=1)))
            for a, b in (("neck", "mid_hip"), ("left_hip", "left_knee"), ("left_knee", "left_ankle"))
        )
        xyz = take.xyz * np.float32(STANDARD_M / size_m)
        lower, arms = find_landings(xyz, ("feet", "trunk")), find_landings(xyz, ("hands",))
        return cls(take, xyz, find_landings(xyz), lower, arms)

    def at(self, time_s: NDArray[np.float64]) -> NDArray[np.float32]:
        """The body at any seconds of the take, (N, 17, 3); beyond its ends it goes back the way it came."""
        last = len(self.xyz) - 1
        frame = np.abs((np.asarray(time_s) * MOTION_FPS + last) % (2 * last) - last)
        below = np.minimum(frame.astype(int), last - 1)
        part = (frame - below).astype(np.float32)[:, None, None]
        return np.asarray(self.xyz[below] * (1 - part) + self.xyz[below + 1] * part)


@dataclass(frozen=True)
class Piece:
    """A stretch of a dance: the body at any beat of the grid from `start_beat`, usable a little beyond `end_beat`."""

    start_beat: float
    end_beat: float
    body: Callable[[NDArray[np.float64]], NDArray[np.float32]]
    content: str


def make_dance(material: Sequence[Material], rng: Generator, duration_s: float = 20.0) -> Dance:
    """A dance of warped pieces.

    Args:
        material: what it may be made of.
        rng: the source of chance.
        duration_s: its length.
    """
    beats_s, tempo_bpm = _music(rng, duration_s)
    lag_s = float(np.clip(rng.normal(LAG_S, LAG_SPREAD_S), LEAST_LAG_S, MOST_LAG_S))
    beat = _beat_of_frames(beats_s, duration_s, lag_s)
    pieces: list[Piece] = []
    now = float(beat[0])
    while now < beat[-1]:
        found = _warped_pieces(material, rng, now, 60 / tempo_bpm)
        pieces += found
        now = found[-1].end_beat
    xyz = _grooving(_on_the_spot(_joined(pieces, beat, rng)), beat, rng)
    return Dance(
        _still_for_a_while(xyz, rng), _inside(beats_s, duration_s), tempo_bpm, lag_s, "warped", _contents(pieces)
    )


def make_labelled_dance(material: Sequence[Material], rng: Generator, duration_s: float = 20.0) -> Dance:
    """A dance of units whose beats a person has counted (ChoreoNet), at one tempo."""
    units = [
        (m, start_s, end_s, m.take.beats_s[(m.take.beats_s >= start_s - 0.01) & (m.take.beats_s < end_s - 0.05)])
        for m in material
        for start_s, end_s in m.take.labelled
    ]
    units = [unit for unit in units if len(unit[3]) >= 2 and unit[2] - unit[1] < 12]
    beats_s, tempo_bpm = _music(rng, duration_s)
    beat = _beat_of_frames(beats_s, duration_s, 0.0)
    pieces: list[Piece] = []
    now = float(np.floor(beat[0]))
    while now < beat[-1]:
        m, start_s, end_s, counted_s = units[rng.integers(len(units))]
        count = len(counted_s)
        fit = Fit(np.append(counted_s[1:], end_s), now + np.arange(1, count + 1), 0.0)
        mirrored = bool(rng.random() < MIRRORED_SHARE)
        pieces.append(Piece(now, now + count, _player(m, fit, start_s, now, mirrored), m.take.content))
        now += count
    xyz = _on_the_spot(_joined(pieces, beat, rng))
    return Dance(xyz, _inside(beats_s, duration_s), tempo_bpm, 0.0, "choreonet", _contents(pieces))


def make_no_dance(material: Sequence[Material], rng: Generator, duration_s: float = 20.0) -> Dance:
    """Movement without music: recordings as they are, standing about, or frames in no order."""
    frames = np.arange(round(duration_s * MOTION_FPS)) / MOTION_FPS
    kind = rng.random()
    if kind < 0.3:
        m = _drawn(material, rng)
        xyz, contents = _idle(m, rng, frames), "idle"
    else:
        pieces: list[Piece] = []
        now = 0.0
        while now < duration_s:
            m = _drawn(material, rng)
            length_s = min(m.take.duration_s, float(rng.uniform(3.0, 15.0)))
            start_s = float(rng.uniform(0.0, m.take.duration_s - length_s))
            pace = float(rng.uniform(0.85, 1.15))
            mirrored = bool(rng.random() < MIRRORED_SHARE)
            body = _unwarped(m, start_s - now * pace, pace, mirrored)
            pieces.append(Piece(now, now + length_s / pace, body, m.take.content))
            now = pieces[-1].end_beat
        xyz, contents = _on_the_spot(_joined(pieces, frames, rng)), _contents(pieces)
        if kind > 0.9:
            xyz, contents = xyz[rng.permutation(len(xyz))], "shuffled"
    return Dance(xyz, np.zeros(0), float("nan"), float("nan"), "negative", contents)


def _music(rng: Generator, duration_s: float) -> tuple[NDArray[np.float64], float]:
    """Beats that cover a dance with a margin, and their tempo."""
    while not SLOWEST_BPM <= (tempo_bpm := float(np.exp(rng.normal(np.log(106.0), 0.24)))) <= FASTEST_BPM:
        pass
    count = int(np.ceil((duration_s + 4) * tempo_bpm / 60)) + 2
    periods = np.full(count, 60 / tempo_bpm)
    if rng.random() > STEADY_SHARE:
        bend = np.interp(np.arange(count), np.linspace(0, count, 5), rng.normal(0, DRIFT / 2, 5))
        periods *= 1 + np.clip(bend, -DRIFT, DRIFT)
    beats_s = np.concatenate([[0.0], np.cumsum(periods)])
    return beats_s - float(rng.uniform(1.0, 2.0)), tempo_bpm


def _beat_of_frames(beats_s: NDArray[np.float64], duration_s: float, lag_s: float) -> NDArray[np.float64]:
    """Which beat of the music a movement belongs to that lands before its beats by the lag."""
    frames_s = np.arange(round(duration_s * MOTION_FPS)) / MOTION_FPS
    return np.interp(frames_s + lag_s, beats_s, np.arange(len(beats_s)))


def _inside(beats_s: NDArray[np.float64], duration_s: float) -> NDArray[np.float64]:
    return beats_s[(beats_s >= 0) & (beats_s < duration_s)]


def _contents(pieces: Sequence[Piece]) -> str:
    return "+".join(sorted({piece.content for piece in pieces}))


def _drawn(material: Sequence[Material], rng: Generator, shortest_s: float = 0.0) -> Material:
    """A take: first the set, then the class of movement, so that walking does not drown the rest."""
    fit = [m for m in material if m.take.duration_s >= shortest_s] or [max(material, key=lambda m: m.take.duration_s)]
    sources = sorted({m.take.source for m in fit})
    share = np.array([SOURCE_SHARES.get(source, 0.3) for source in sources])
    source = sources[rng.choice(len(sources), p=share / share.sum())]
    contents = sorted({m.take.content for m in fit if m.take.source == source})
    content = contents[rng.integers(len(contents))]
    same = [m for m in fit if (m.take.source, m.take.content) == (source, content)]
    length = np.array([m.take.duration_s for m in same])
    return same[rng.choice(len(same), p=length / length.sum())]


def _warped_pieces(material: Sequence[Material], rng: Generator, now: float, period_s: float) -> list[Piece]:
    """One stretch of a recording on the grid, and its repeats."""
    mixed = rng.random() < MIXED_SHARE
    on_beat = 0.5 if rng.random() < SHIFTED_SHARE else 0.0
    count = int(rng.choice(PIECE_BEATS, p=(0.25, 0.45, 0.3)))
    best: tuple[Material, Fit, float] | None = None
    for _ in range(TRIES):
        found = _fitted(material, rng, now, count, period_s, on_beat, "lower" if mixed else "whole")
        if found is not None and (best is None or found[1].worth > best[1].worth):
            best = found
    if best is None:
        return _warped_pieces(material, rng, now, period_s)
    m, fit, start_s = best
    arms = None
    if mixed:
        level = float(rng.choice(ARM_LEVELS))
        arms = _fitted(material, rng, now, count, period_s, 0.0, "arms", level)
    repeats = 1 if count == 8 and rng.random() < 0.5 else int(rng.integers(1, 1 + max(1, 16 // count)))
    repeats = min(repeats, 4)
    mirrored, alternating = rng.random() < MIRRORED_SHARE, rng.random() < MIRRORED_SHARE
    still_arms = float(rng.uniform(0.1, 0.5)) if rng.random() < STILL_ARMS_SHARE else 1.0
    pieces = []
    for k in range(repeats):
        flipped = bool(mirrored != (alternating and k % 2 == 1))
        start = now + k * count
        lower = _player(m, _scattered(fit, rng, period_s), start_s, now, flipped, k * count)
        upper = None
        if arms is not None:
            upper = _player(arms[0], _scattered(arms[1], rng, period_s), arms[2], now, flipped, k * count)
        body = _with_arms(lower, upper, still_arms)
        content = m.take.content if arms is None else f"{m.take.content}+{arms[0].take.content}"
        pieces.append(Piece(start, start + count, body, content))
    return pieces


def _fitted(
    material: Sequence[Material],
    rng: Generator,
    now: float,
    count: int,
    period_s: float,
    on_beat: float,
    part: str,
    level: float = 1.0,
) -> tuple[Material, Fit, float] | None:
    """A recording fitted to the grid for `count` beats from `now`, and where in it that begins.

    At a level of 2 what counts as a beat for the fit is two beats of the grid.
    """
    need_s = count * period_s * 0.8
    m = _drawn(material, rng, need_s + 0.6)
    start_s = float(rng.uniform(0.0, max(0.1, m.take.duration_s - need_s - 0.5)))
    fit = fit_to_beats(getattr(m, part), start_s, now / level, (now + count) / level, period_s * level, on_beat)
    return None if fit is None else (m, Fit(fit.at_s, fit.at_beat * level, fit.worth), start_s)


def _scattered(fit: Fit, rng: Generator, period_s: float) -> Fit:
    """The same with a person's inexactness."""
    at_beat = (
        fit.at_beat + np.clip(rng.normal(0, SCATTER_S, len(fit.at_beat)), -MOST_SCATTER_S, MOST_SCATTER_S) / period_s
    )
    return Fit(fit.at_s, at_beat, fit.worth)


def _player(
    m: Material, fit: Fit, start_s: float, start_beat: float, mirrored: bool, later: float = 0.0
) -> Callable[[NDArray[np.float64]], NDArray[np.float32]]:
    """The body of a fitted recording at any beat, `later` beats after where it was fitted."""
    inner = fit.at_beat > start_beat + 0.05
    kept = Fit(fit.at_s[inner], fit.at_beat[inner], fit.worth)

    def body(beats: NDArray[np.float64]) -> NDArray[np.float32]:
        xyz = m.at(warp(kept, start_s, start_beat, beats - later))
        return _mirrored(xyz) if mirrored else xyz

    return body


def _unwarped(
    m: Material, offset_s: float, pace: float, mirrored: bool
) -> Callable[[NDArray[np.float64]], NDArray[np.float32]]:
    def body(times_s: NDArray[np.float64]) -> NDArray[np.float32]:
        xyz = m.at(times_s * pace + offset_s)
        return _mirrored(xyz) if mirrored else xyz

    return body


def _mirrored(xyz: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(xyz[:, _SWAPPED] * np.array([-1, 1, 1], np.float32))


def _with_arms(
    lower: Callable[[NDArray[np.float64]], NDArray[np.float32]],
    upper: Callable[[NDArray[np.float64]], NDArray[np.float32]] | None,
    moving: float,
) -> Callable[[NDArray[np.float64]], NDArray[np.float32]]:
    """A body with another one's arms, or with arms that move only in part."""
    if upper is None and moving == 1.0:
        return lower
    elbows, wrists = UPPER[::2], UPPER[1::2]
    shoulders = [JOINTS.index(f"{side}_shoulder") for side in ("left", "right")]

    def body(beats: NDArray[np.float64]) -> NDArray[np.float32]:
        xyz = lower(beats)
        arms = xyz if upper is None else upper(beats)
        turn = _yaw(facing(xyz)) - _yaw(facing(arms))
        hanging = arms[:, [*elbows, *wrists]] - arms[:, [*shoulders, *shoulders]]
        hanging = _turned(hanging, turn)
        if moving != 1.0:
            middle = hanging.mean(0, keepdims=True)
            hanging = middle + np.float32(moving) * (hanging - middle)
        xyz = xyz.copy()
        xyz[:, [*elbows, *wrists]] = xyz[:, [*shoulders, *shoulders]] + hanging
        return xyz

    return body


def _yaw(ahead: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.arctan2(ahead[:, 0], ahead[:, 2]))


def _turned(xyz: NDArray[np.float32], yaw: NDArray[np.float64] | float) -> NDArray[np.float32]:
    """Positions turned about the upright axis."""
    cos, sin = (np.asarray(f(yaw), np.float32) for f in (np.cos, np.sin))
    if cos.ndim:
        cos, sin = cos[:, None], sin[:, None]
    x, z = xyz[..., 0], xyz[..., 2]
    return np.stack([x * cos + z * sin, xyz[..., 1], z * cos - x * sin], axis=-1)


def _joined(pieces: Sequence[Piece], beat: NDArray[np.float64], rng: Generator) -> NDArray[np.float32]:
    """The body at each frame: pieces one after the other, each turned and moved to where the last one stands."""
    out = np.zeros((len(beat), len(JOINTS), 3), np.float32)
    first_frame = into = 0
    for k, piece in enumerate(pieces):
        last_frame = min(len(beat), int(np.searchsorted(beat, piece.end_beat)))
        fade = round(float(rng.uniform(0.15, 0.40)) * MOTION_FPS)
        until = min(len(beat), last_frame + fade)
        if until <= first_frame or first_frame >= len(beat):
            continue
        xyz = piece.body(beat[first_frame:until])
        if k == 0:
            out[first_frame:until] = xyz
        else:
            overlap = min(into, until - first_frame)
            middle = min(overlap // 2, len(xyz) - 1)
            there = out[first_frame + middle]
            yaw = float(_yaw(facing(there[None]))[0] - _yaw(facing(xyz[middle : middle + 1]))[0])
            xyz = _turned(xyz, yaw)
            moved = there[MIDDLE] - xyz[middle, MIDDLE]
            moved[1] = 0.0
            xyz = xyz + moved
            ramp = np.linspace(0, 1, overlap + 2, dtype=np.float32)[1:-1, None, None]
            ramp = ramp * ramp * (3 - 2 * ramp)
            out[first_frame : first_frame + overlap] *= 1 - ramp
            out[first_frame : first_frame + overlap] += ramp * xyz[:overlap]
            out[first_frame + overlap : until] = xyz[overlap:]
        into, first_frame = until - last_frame, last_frame
    return out


def _on_the_spot(xyz: NDArray[np.float32]) -> NDArray[np.float32]:
    """Most of the way across the floor taken out."""
    from scipy.ndimage import gaussian_filter1d

    way = xyz[:, MIDDLE] * np.array([1, 0, 1], np.float32)
    slow = gaussian_filter1d(way, TREADMILL_SIGMA_S * MOTION_FPS, axis=0, mode="nearest")
    return np.asarray(xyz - np.float32(TREADMILL) * slow[:, None])


def _grooving(xyz: NDArray[np.float32], beat: NDArray[np.float64], rng: Generator) -> NDArray[np.float32]:
    """The body bobs with the beat: hips and all above them by the whole way, knees by half of it, feet not at all."""
    if rng.random() > GROOVE_SHARE:
        return xyz
    every = float(rng.choice(GROOVE_BEATS, p=GROOVE_BEATS_ODDS))
    depth_m = float(rng.uniform(*GROOVE_M)) * min(1.0, every)
    down = 1.0 if rng.random() < GROOVE_DOWN_SHARE else -1.0
    # A little sharper at its turn on the beat than a sine is.
    turn = 2 * np.pi * beat / every
    bob = -depth_m / 2 * down * (np.cos(turn) + 0.25 * np.cos(2 * turn))
    share = np.ones(len(JOINTS))
    for k, joint in enumerate(JOINTS):
        if joint.endswith(("ankle", "big_toe")):
            share[k] = 0.0
        elif joint.endswith("knee"):
            share[k] = 0.5
    moved = xyz.copy()
    moved[..., 1] += (bob[:, None] * share).astype(np.float32)
    return moved


def _still_for_a_while(xyz: NDArray[np.float32], rng: Generator) -> NDArray[np.float32]:
    """Now and then a dancer stops for a few beats while the music goes on."""
    if rng.random() > 0.08:
        return xyz
    length_s, start_s = float(rng.uniform(1.5, 4.0)), float(rng.uniform(0, len(xyz) / MOTION_FPS - 4.0))
    frames_s = np.arange(len(xyz)) / MOTION_FPS - start_s
    still = np.interp(frames_s, [0, 0.25, length_s, length_s + 0.5], [0, 1, 1, 0])
    share = (still * still * (3 - 2 * still)).astype(np.float32)[:, None, None]
    return np.asarray(xyz * (1 - share) + xyz[round(start_s * MOTION_FPS)] * share)


def _idle(m: Material, rng: Generator, frames_s: NDArray[np.float64]) -> NDArray[np.float32]:
    """Standing about: one pose that sways a little."""
    pose = m.at(np.array([rng.uniform(0, m.take.duration_s)]))
    sway = np.zeros((len(frames_s), len(JOINTS), 3))
    for _ in range(4):
        slow = np.sin(2 * np.pi * rng.uniform(0.05, 0.6) * frames_s + rng.uniform(0, 2 * np.pi))
        sway += slow[:, None, None] * rng.normal(0, 0.006, (1, len(JOINTS), 3))
        sway += slow[:, None, None] * rng.normal(0, 0.012, (1, 1, 3))
    return np.asarray(pose + sway, np.float32)
