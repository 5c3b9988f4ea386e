"""What the live networks learn from: `python -m kinebeat.live.corpus --data DIR --out DIR`.

Each clip is a film of a movement, seen twice. A live engine sees it through a detector that errs, at whatever rate the
camera has, and has only its past: `live.movement`. The truth is what the offline motion makes of the same picture
without the detector's errors, knowing the whole clip: kinematic offsets and visual beats (InteractiveBeat 3.1.1).
Where the movement is a dance, the beats of its music are known as well.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kinebeat.beats.truth.camera import draw_body, draw_camera, film, in_proportion
from kinebeat.beats.truth.corpus import FILMS, LEAST_SEEN, PARTS, ready
from kinebeat.beats.truth.dances import make_dance, make_labelled_dance, make_no_dance
from kinebeat.beats.truth.joining import on_the_spot, unwarped
from kinebeat.beats.truth.material import SOURCE_SHARES, drawn
from kinebeat.beats.visual import kinematic_offsets, normalised, visual_beats
from kinebeat.errors import InputError, OptionError
from kinebeat.live.movement import LIVE_FPS, movement_of
from kinebeat.motion import MOTION_FPS, compute_motion

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from numpy.typing import NDArray

    from kinebeat.beats.truth.material import Material
    from kinebeat.beats.truth.mocap import Part
    from kinebeat.pose.track import PoseTrack

DURATION_S = 20.0
CLIPS = {"train": 4000, "validation": 150, "test": 200}
KIND_SHARES = {"warped": 0.45, "choreonet": 0.10, "moving": 0.22, "long": 0.15, "idle": 0.08}
"""Warped dances; ChoreoNet's counted units; unwarped pieces of everything, joined; one long unwarped take; standing."""
DANCES = ("warped", "choreonet")
SLOW_CAMERAS_SHARE = 0.1
"""How often the camera gives only 10 to 15 pictures a second."""
_AFTER_S = 0.1
# A film is a little longer than its clip, so that the last tick has a frame after it.


@dataclass(frozen=True)
class LiveCorpus:
    """Clips of movement as a live engine has it, at `LIVE_FPS`, with the truth about them.

    Attributes:
        directogram: (N, T, 18) float16, as `Tick.directogram`.
        offset: (N, T) float32, as `Tick.offset`.
        present: (N, T) bool.
        velocity: (N, T, 17, 2) float16, as `Tick.velocity`.
        truth: (N, T) float16, kinematic offsets of the offline motion, normalised to [0, 1] in each clip; the
            highest of the three offline frames about each tick. NaN where nobody is in the picture.
        beat_time_s: (M,) float32, visual beats in seconds from the first tick of their clip, clip after clip.
        beat_strength: (M,) float32, as `VisualBeats.strength`.
        beat_clip: (M,) int32, the clip each belongs to.
        music_time_s: (L,) float32, beats of the music that is danced to, in seconds from the first tick of their clip,
            clip after clip; those of the kinds in `DANCES` alone have any.
        music_clip: (L,) int32, the clip each belongs to.
        kind: (N,) a key of `KIND_SHARES`.
        content: (N,) classes of movement.
    """

    directogram: NDArray[np.float16]
    offset: NDArray[np.float32]
    present: NDArray[np.bool_]
    velocity: NDArray[np.float16]
    truth: NDArray[np.float16]
    beat_time_s: NDArray[np.float32]
    beat_strength: NDArray[np.float32]
    beat_clip: NDArray[np.int32]
    music_time_s: NDArray[np.float32]
    music_clip: NDArray[np.int32]
    kind: NDArray[np.str_]
    content: NDArray[np.str_]

    def beats_s(self, clip: int) -> NDArray[np.float64]:
        """Visual beats of one clip."""
        return np.asarray(self.beat_time_s[self.beat_clip == clip], np.float64)

    def music_s(self, clip: int) -> NDArray[np.float64]:
        """Beats of the music of one clip; none where nobody dances."""
        return np.asarray(self.music_time_s[self.music_clip == clip], np.float64)

    def save(self, path: Path) -> None:
        """Write to an .npz."""
        from kinebeat.files import atomic_outputs

        with atomic_outputs([path]) as (temporary,), temporary.open("wb") as file:
            np.savez(file, **{field.name: getattr(self, field.name) for field in fields(self)})


@dataclass(frozen=True)
class Film:
    """A movement, filmed.

    Attributes:
        found: what a detector found.
        exact: the joints themselves, on the same clock, in the same picture.
        kind: a key of `KIND_SHARES`.
        content: classes of movement.
        music_s: (L,) beats of the music that is danced to.
    """

    found: PoseTrack
    exact: PoseTrack
    kind: str
    content: str
    music_s: NDArray[np.float64]


@dataclass(frozen=True)
class Clip:
    """One clip of a `LiveCorpus`, whose fields see."""

    directogram: NDArray[np.float32]
    offset: NDArray[np.float32]
    present: NDArray[np.bool_]
    velocity: NDArray[np.float32]
    truth: NDArray[np.float64]
    beat_time_s: NDArray[np.float64]
    beat_strength: NDArray[np.float32]


def load_corpus(path: Path) -> LiveCorpus:
    """Read what `LiveCorpus.save` wrote.

    Raises:
        InputError: the file is not one.
    """
    try:
        with np.load(path) as file:
            return LiveCorpus(**{field.name: file[field.name] for field in fields(LiveCorpus)})
    except (OSError, KeyError, ValueError) as error:
        raise InputError(path, f"no corpus of live movement can be read from it ({error})", "make it again") from error


def films(
    material: Sequence[Material],
    part: Part,
    clips: int,
    seed: int = 0,
    kinds: Sequence[str] = tuple(KIND_SHARES),
    *,
    duration_s: float = DURATION_S,
) -> Iterator[Film]:
    """Make and film movement of what `kinebeat.beats.truth.corpus.ready` gives.

    Args:
        material: takes to make it of.
        part: "train", "validation" or "test".
        clips: how many.
        seed: the one source of chance; clip k depends on it, on the part and on k alone.
        kinds: keys of `KIND_SHARES`; where no take is labelled "choreonet" is left out.
        duration_s: length of a clip.

    Raises:
        OptionError: no such kind, or none is left.
    """
    unknown = sorted(set(kinds) - set(KIND_SHARES))
    if unknown:
        raise OptionError(f"no kind of clip is called {unknown[0]!r}: known are {', '.join(KIND_SHARES)}")
    labelled = any(len(m.take.labelled) for m in material)
    possible = [kind for kind in kinds if labelled or kind != "choreonet"]
    if not possible:
        raise OptionError("clips of the kind choreonet are made of labelled takes, and there are none")
    odds = np.array([KIND_SHARES[kind] for kind in possible])
    for k in range(clips):
        rng = np.random.default_rng((seed, PARTS.index(part), k))
        kind = possible[int(rng.choice(len(possible), p=odds / odds.sum()))]
        xyz, content, music_s = _movement(material, kind, rng, duration_s + _AFTER_S)
        found, exact = _filmed(xyz, rng)
        yield Film(found, exact, kind, content, music_s[music_s < duration_s])


def build(
    material: Sequence[Material],
    part: Part,
    clips: int,
    seed: int = 0,
    kinds: Sequence[str] = tuple(KIND_SHARES),
    *,
    duration_s: float = DURATION_S,
    progress: Callable[[float], None] | None = None,
) -> LiveCorpus:
    """A corpus of `films`, whose arguments these are.

    Args:
        material: see there.
        part: see there.
        clips: see there.
        seed: see there.
        kinds: see there.
        duration_s: see there.
        progress: called with the share done.

    Raises:
        OptionError: no such kind, or none is left.
    """
    made: list[Clip] = []
    kind_of, content_of, music = [], [], []
    for k, shot in enumerate(films(material, part, clips, seed, kinds, duration_s=duration_s)):
        made.append(seen_live(shot.found, shot.exact, duration_s))
        music.append(shot.music_s)
        kind_of.append(shot.kind)
        content_of.append(shot.content)
        if progress is not None:
            progress((k + 1) / clips)
    return LiveCorpus(
        directogram=np.stack([clip.directogram for clip in made]).astype(np.float16),
        offset=np.stack([clip.offset for clip in made]),
        present=np.stack([clip.present for clip in made]),
        velocity=np.stack([clip.velocity for clip in made]).astype(np.float16),
        truth=np.stack([clip.truth for clip in made]).astype(np.float16),
        beat_time_s=np.concatenate([clip.beat_time_s for clip in made]).astype(np.float32),
        beat_strength=np.concatenate([clip.beat_strength for clip in made]),
        beat_clip=np.repeat(np.arange(clips), [len(clip.beat_time_s) for clip in made]).astype(np.int32),
        music_time_s=np.concatenate(music).astype(np.float32),
        music_clip=np.repeat(np.arange(clips), [len(music_s) for music_s in music]).astype(np.int32),
        kind=np.array(kind_of),
        content=np.array(content_of),
    )


def seen_live(found: PoseTrack, exact: PoseTrack, duration_s: float) -> Clip:
    """One clip: what a live engine has of a film, and the truth.

    Args:
        found: what a detector found in it.
        exact: the joints themselves, on the same clock, in the same picture.
        duration_s: how much of it; what ends sooner goes on with nobody in it.
    """
    movement = movement_of(found)
    ticks = round(duration_s * LIVE_FPS)
    first_s = float(movement.times_s[0]) if len(movement.times_s) else 0.0
    motion = compute_motion(exact, first_s + duration_s)
    offsets = kinematic_offsets(motion.velocity)
    curve, beats = normalised(offsets), visual_beats(offsets)
    at = np.round((first_s + np.arange(ticks) / LIVE_FPS) * MOTION_FPS).astype(int)
    around = np.clip(at[:, None] + np.arange(-1, 2), 0, len(curve) - 1)
    inside = (beats.times_s >= first_s) & (beats.times_s < first_s + duration_s)
    return Clip(
        directogram=_filled(movement.directogram, ticks),
        offset=_filled(movement.offset, ticks),
        present=_filled(movement.present, ticks),
        velocity=_filled(movement.velocity, ticks, np.nan),
        # NaN where the tick itself is unknown; a neighbour that is unknown counts nothing.
        truth=np.where(np.isnan(curve[around[:, 1]]), np.nan, np.fmax.reduce(curve[around], axis=1)),
        beat_time_s=beats.times_s[inside] - first_s,
        beat_strength=beats.strength[inside],
    )


def bump(beats_s: NDArray[np.float64], ticks: int) -> NDArray[np.float32]:
    """Target of a beat activation, (T,): 1 on the tick nearest to each beat, less on its neighbours, by their distance.

    Args:
        beats_s: seconds from the first tick.
        ticks: T.
    """
    away = np.abs(np.arange(ticks)[:, None] - beats_s * LIVE_FPS) if len(beats_s) else np.full((ticks, 1), np.inf)
    nearest = away.min(axis=1)
    soft = np.where(nearest < 1.5, np.exp(-0.5 * (nearest / 0.75) ** 2), 0.0)
    return np.where(nearest <= 0.5, 1.0, soft).astype(np.float32)


def between(curve: NDArray[np.float32], at: NDArray[np.float64]) -> NDArray[np.float32]:
    """Values (K, ...) of a curve (T, ...) at places between its ticks; those at its ends beyond them."""
    at = np.clip(at, 0, len(curve) - 1)
    below = np.minimum(at.astype(int), max(0, len(curve) - 2))
    part = (at - below).astype(np.float32).reshape(-1, *([1] * (curve.ndim - 1)))
    above = np.minimum(below + 1, len(curve) - 1)
    # A neighbour that is not asked for may be unknown.
    return np.where(part > 0, curve[below] * (1 - part) + curve[above] * part, curve[below])


def _movement(
    material: Sequence[Material], kind: str, rng: np.random.Generator, duration_s: float
) -> tuple[NDArray[np.float32], str, NDArray[np.float64]]:
    """A movement of one kind, metres at `MOTION_FPS`, what it is made of, and the beats of its music."""
    if kind in DANCES:
        dance = (make_dance if kind == "warped" else make_labelled_dance)(material, rng, duration_s)
        return dance.xyz, dance.content, dance.beats_s
    if kind == "long":
        m = drawn(material, rng, duration_s)
        pace = float(rng.uniform(0.85, 1.15))
        start_s = float(rng.uniform(0.0, max(0.0, m.take.duration_s - duration_s * pace)))
        body = unwarped(m, start_s, pace, bool(rng.random() < 0.5))
        return on_the_spot(body(np.arange(round(duration_s * MOTION_FPS)) / MOTION_FPS)), m.take.content, np.zeros(0)
    while True:
        no_dance = make_no_dance(material, rng, duration_s)
        if no_dance.content != "shuffled" and (no_dance.content == "idle") == (kind == "idle"):
            return no_dance.xyz, no_dance.content, np.zeros(0)


def _filmed(xyz: NDArray[np.float32], rng: np.random.Generator) -> tuple[PoseTrack, PoseTrack]:
    """A movement as a detector finds it and as it is, filmed by a camera that sees enough of it."""
    xyz = in_proportion(xyz, draw_body(rng))
    for _ in range(FILMS):
        camera = draw_camera(xyz, rng)
        fps = float(rng.uniform(10.0, 15.0)) if rng.random() < SLOW_CAMERAS_SHARE else None
        found = _inside(film(xyz, rng, fps=fps, body=None, camera=camera, cleaned=False))
        if np.isfinite(found.xy[..., 0]).mean() >= LEAST_SEEN:
            break
    return found, film(xyz, rng, fps=MOTION_FPS, body=None, camera=camera, noise=None)


def _inside(pose: PoseTrack) -> PoseTrack:
    """Without what a detector guesses beyond the edges of the picture."""
    with np.errstate(invalid="ignore"):
        inside = ((pose.xy >= 0) & (pose.xy <= np.array(pose.size, np.float32))).all(axis=-1)
    return replace(pose, xy=np.where(inside[..., None], pose.xy, np.float32(np.nan)).astype(np.float32))


def _filled(ticks: NDArray[Any], count: int, value: float = 0.0) -> NDArray[Any]:
    """So many ticks exactly."""
    kept = ticks[:count]
    return np.concatenate([kept, np.full((count - len(kept), *kept.shape[1:]), value, kept.dtype)])


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line; see the module."""
    about = (__doc__ or "").split("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m kinebeat.live.corpus", description=about)
    parser.add_argument("--data", type=Path, required=True, help="folder with motion/ and dance/")
    parser.add_argument("--out", type=Path, required=True, help="folder for train.npz, validation.npz and test.npz")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scale", type=float, default=1.0, help="makes the corpus smaller or larger")
    parser.add_argument(
        "--without",
        action="append",
        default=[],
        choices=list(SOURCE_SHARES),
        help="leave a set of motion capture out, may be given again; Bandai's is CC BY-NC, ChoreoNet states no licence",
    )
    options = parser.parse_args(arguments)
    without: Collection[str] = options.without
    for part in PARTS:
        clips = max(4, round(CLIPS[part] * options.scale))
        material = ready(options.data, part, without)
        options.out.mkdir(parents=True, exist_ok=True)
        build(material, part, clips, options.seed).save(options.out / f"{part}.npz")


if __name__ == "__main__":
    main()
