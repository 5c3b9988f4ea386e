"""Dances made of recorded movement, with music that was chosen first: the truth a beat net learns from.

A dance is a chain of pieces. A piece is a stretch of a recording, warped so that its landings fall on the grid,
repeated a few times, mirrored or not. Pieces and their repeats are joined at random places of the beat, never on it:
what the joining does to the movement must not tell where the beat is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kinebeat.beats.truth.joining import Piece, joined, on_the_spot, player, unwarped, with_arms
from kinebeat.beats.truth.landings import JOINTS
from kinebeat.beats.truth.material import Material, drawn
from kinebeat.beats.truth.warp import Fit, fit_to_beats
from kinebeat.errors import OptionError
from kinebeat.motion import MOTION_FPS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.random import Generator
    from numpy.typing import NDArray

SLOWEST_BPM, FASTEST_BPM = 65.0, 150.0
LEAST_LAG_S, MOST_LAG_S = -0.05, 0.15
MOST_SCATTER_S = 0.045
"""Two landings on neighbouring quarters keep their order."""
DRIFT = 0.03
ARM_LEVELS = (0.5, 1.0, 1.0, 2.0)
"""Beats that the arms' own fit counts as one."""
PIECE_BEATS = (2, 4, 8)
ATTEMPTS = 300
GROOVE_M = (0.01, 0.05)
GROOVE_DOWN_SHARE = 0.8
"""Of those who bob, how many are lowest on the beat; the others are highest."""
GROOVE_BEATS, GROOVE_BEATS_ODDS = (0.5, 1.0, 2.0), (0.15, 0.7, 0.15)


@dataclass(frozen=True)
class Choices:
    """What varies between made dances. An ablation turns one of them off at a time.

    Attributes:
        mixed_share: share of pieces whose arms are another recording's, on a fit of their own.
        still_arms_share: share of pieces whose arms move only in part.
        groove_share: share of dances whose body bobs with the music through the knees, as dancers do who keep the beat.
        shifted_share: share of pieces whose strong landings are on the off-beat.
        mirrored_share: share of pieces seen in a mirror, and of those that change sides with every repeat.
        scatter_s: standard deviation by which a landing is off its place.
        lag_s: by how much the beat follows the landing. It is constant within a dance, and normally distributed about
            this. A landing here is when a limb has all but stopped. The body is slowest some 15 ms later, and research
            on dance has the lows of the body's speed on the beat (Li et al. 2021, Beat Alignment Score; in the few
            videos of dance with their own music that were measured, they came some 30 ms before it).
        lag_spread_s: standard deviation of the lag over dances, which is cut at `LEAST_LAG_S` and `MOST_LAG_S`.
        steady_share: share of dances to music of exactly one tempo; the others drift by up to `DRIFT`.
        repeats: pieces are repeated.
        tries: recordings that are tried for a piece; the one whose landings sit best is taken.
    """

    mixed_share: float = 0.35
    still_arms_share: float = 0.12
    groove_share: float = 0.40
    shifted_share: float = 0.04
    mirrored_share: float = 0.4
    scatter_s: float = 0.020
    lag_s: float = 0.05
    lag_spread_s: float = 0.03
    steady_share: float = 0.5
    repeats: bool = True
    tries: int = 6


USUAL = Choices()


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


def make_dance(
    material: Sequence[Material], rng: Generator, duration_s: float = 20.0, choices: Choices = USUAL
) -> Dance:
    """A dance of warped pieces.

    Args:
        material: what it may be made of.
        rng: the source of chance.
        duration_s: its length.
        choices: what varies.

    Raises:
        OptionError: hardly any of the material lands.
    """
    beats_s, tempo_bpm = _music(rng, duration_s, choices)
    lag_s = float(np.clip(rng.normal(choices.lag_s, choices.lag_spread_s), LEAST_LAG_S, MOST_LAG_S))
    beat = _beat_of_frames(beats_s, duration_s, lag_s)
    pieces: list[Piece] = []
    now = float(beat[0])
    while now < beat[-1]:
        for _ in range(ATTEMPTS):
            found = _warped_pieces(material, rng, now, 60 / tempo_bpm, choices)
            if found:
                break
        else:
            raise OptionError("no recording lands often enough to be danced: give more material")
        pieces += found
        now = found[-1].end_beat
    xyz = _grooving(on_the_spot(joined(pieces, beat, rng)), beat, rng, choices.groove_share)
    return Dance(
        _still_for_a_while(xyz, rng), _inside(beats_s, duration_s), tempo_bpm, lag_s, "warped", _contents(pieces)
    )


def make_labelled_dance(
    material: Sequence[Material], rng: Generator, duration_s: float = 20.0, choices: Choices = USUAL
) -> Dance:
    """A dance of units whose beats a person has counted (ChoreoNet), at one tempo."""
    units = [
        (m, start_s, end_s, m.take.beats_s[(m.take.beats_s >= start_s - 0.01) & (m.take.beats_s < end_s - 0.05)])
        for m in material
        for start_s, end_s in m.take.labelled
    ]
    units = [unit for unit in units if len(unit[3]) >= 2 and unit[2] - unit[1] < 12]
    beats_s, tempo_bpm = _music(rng, duration_s, choices)
    beat = _beat_of_frames(beats_s, duration_s, 0.0)
    pieces: list[Piece] = []
    now = float(np.floor(beat[0]))
    while now < beat[-1]:
        m, start_s, end_s, counted_s = units[rng.integers(len(units))]
        count = len(counted_s)
        fit = Fit(np.append(counted_s[1:], end_s), now + np.arange(1, count + 1), 0.0)
        mirrored = bool(rng.random() < choices.mirrored_share)
        pieces.append(Piece(now, now + count, player(m, fit, start_s, now, mirrored), m.take.content))
        now += count
    xyz = on_the_spot(joined(pieces, beat, rng))
    return Dance(xyz, _inside(beats_s, duration_s), tempo_bpm, 0.0, "choreonet", _contents(pieces))


def make_no_dance(
    material: Sequence[Material], rng: Generator, duration_s: float = 20.0, choices: Choices = USUAL
) -> Dance:
    """Movement without music: recordings as they are, standing about, or frames in no order."""
    frames = np.arange(round(duration_s * MOTION_FPS)) / MOTION_FPS
    kind = rng.random()
    if kind < 0.3:
        m = drawn(material, rng)
        xyz, contents = _idle(m, rng, frames), "idle"
    else:
        pieces: list[Piece] = []
        now = 0.0
        while now < duration_s:
            m = drawn(material, rng)
            length_s = min(m.take.duration_s, float(rng.uniform(3.0, 15.0)))
            start_s = float(rng.uniform(0.0, m.take.duration_s - length_s))
            pace = float(rng.uniform(0.85, 1.15))
            mirrored = bool(rng.random() < choices.mirrored_share)
            body = unwarped(m, start_s - now * pace, pace, mirrored)
            pieces.append(Piece(now, now + length_s / pace, body, m.take.content))
            now = pieces[-1].end_beat
        xyz, contents = on_the_spot(joined(pieces, frames, rng)), _contents(pieces)
        if kind > 0.9:
            xyz, contents = xyz[rng.permutation(len(xyz))], "shuffled"
    return Dance(xyz, np.zeros(0), float("nan"), float("nan"), "negative", contents)


def _music(rng: Generator, duration_s: float, choices: Choices) -> tuple[NDArray[np.float64], float]:
    """Beats that cover a dance with a margin, and their tempo."""
    while not SLOWEST_BPM <= (tempo_bpm := float(np.exp(rng.normal(np.log(106.0), 0.24)))) <= FASTEST_BPM:
        pass
    count = int(np.ceil((duration_s + 4) * tempo_bpm / 60)) + 2
    periods = np.full(count, 60 / tempo_bpm)
    if rng.random() > choices.steady_share:
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


def _warped_pieces(
    material: Sequence[Material], rng: Generator, now: float, period_s: float, choices: Choices
) -> list[Piece]:
    """One stretch of a recording on the grid, and its repeats; none if no recording that was tried fits."""
    mixed = rng.random() < choices.mixed_share
    on_beat = 0.5 if rng.random() < choices.shifted_share else 0.0
    count = int(rng.choice(PIECE_BEATS, p=(0.25, 0.45, 0.3)))
    part = "lower" if mixed else "whole"
    tried = [_fitted(material, rng, now, count, period_s, on_beat, part) for _ in range(choices.tries)]
    best = max((one for one in tried if one is not None), key=lambda one: one[1].worth, default=None)
    if best is None:
        return []
    m, fit, start_s = best
    arms = None
    if mixed:
        level = float(rng.choice(ARM_LEVELS))
        arms = _fitted(material, rng, now, count, period_s, 0.0, "arms", level)
    repeats = 1 if count == 8 and rng.random() < 0.5 else int(rng.integers(1, 1 + max(1, 16 // count)))
    repeats = min(repeats, 4) if choices.repeats else 1
    mirrored, alternating = rng.random() < choices.mirrored_share, rng.random() < choices.mirrored_share
    still_arms = float(rng.uniform(0.1, 0.5)) if rng.random() < choices.still_arms_share else 1.0
    pieces = []
    for k in range(repeats):
        flipped = bool(mirrored != (alternating and k % 2 == 1))
        start = now + k * count
        lower = player(m, _scattered(fit, rng, period_s, choices.scatter_s), start_s, now, flipped, k * count)
        upper = None
        if arms is not None:
            other, own_fit, from_s = arms
            own_fit = _scattered(own_fit, rng, period_s, choices.scatter_s)
            upper = player(other, own_fit, from_s, now, flipped, k * count)
        body = with_arms(lower, upper, still_arms)
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
    m = drawn(material, rng, need_s + 0.6)
    start_s = float(rng.uniform(0.0, max(0.1, m.take.duration_s - need_s - 0.5)))
    fit = fit_to_beats(getattr(m, part), start_s, now / level, (now + count) / level, period_s * level, on_beat)
    return None if fit is None else (m, Fit(fit.at_s, fit.at_beat * level, fit.worth), start_s)


def _scattered(fit: Fit, rng: Generator, period_s: float, scatter_s: float) -> Fit:
    """The same with a person's inexactness."""
    off_s = np.clip(rng.normal(0, scatter_s, len(fit.at_beat)), -MOST_SCATTER_S, MOST_SCATTER_S)
    return Fit(fit.at_s, fit.at_beat + off_s / period_s, fit.worth)


def _grooving(
    xyz: NDArray[np.float32], beat: NDArray[np.float64], rng: Generator, groove_share: float
) -> NDArray[np.float32]:
    """The body bobs with the beat: hips and all above them by the whole way, knees by half of it, feet not at all."""
    if rng.random() > groove_share:
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
