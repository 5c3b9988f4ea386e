"""The corpus of made dances: `python -m kinebeat.beats.truth.corpus --data DIR --out corpus`.

Its files are keypoint velocities as the product sees them, with the beats of the music that each dance was made for.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kinebeat.beats.truth.camera import Camera, body_height_m, film, in_front
from kinebeat.beats.truth.dances import USUAL, Choices, Dance, make_dance, make_labelled_dance, make_no_dance
from kinebeat.beats.truth.material import SOURCE_SHARES, Material
from kinebeat.beats.truth.mocap import Part, load_takes
from kinebeat.errors import InputError, OptionError
from kinebeat.motion import MOTION_FPS, compute_motion

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from numpy.typing import NDArray

    from kinebeat.pose.track import PoseTrack

DURATION_S = 20.0
NEGATIVE_SHARE, LABELLED_SHARE = 0.15, 0.12
LEAST_SEEN, FILMS = 0.25, 5
"""A film in which less of the joints is seen than this is made again, so many times at most."""
PARTS: tuple[Part, ...] = ("train", "validation", "test")
CLIPS = {"train": 3200, "validation": 300, "test": 300}
KINDS = ("warped", "choreonet", "negative")


@dataclass(frozen=True)
class Filming:
    """What varies between films of dances. An ablation turns one of them off at a time.

    Attributes:
        cameras: they are anywhere and see all or part of a person, at any frame rate; otherwise all of everybody is
            seen from the front, 30 times a second.
        noise: most films show a detector's noise and drop-outs; otherwise the joints are where they are.
        proportions: everybody is built differently.
    """

    cameras: bool = True
    noise: bool = True
    proportions: bool = True


EVERYTHING = Filming()


@dataclass(frozen=True)
class Corpus:
    """Filmed dances.

    Attributes:
        velocity: (N, T, 17, 2) float16, as `Motion.velocity`.
        beat_time_s: (M,) float32, beats of the music in seconds of their clip, clip after clip.
        beat_clip: (M,) int32, the clip each belongs to.
        kind: (N,) "warped", "choreonet" or "negative".
        content: (N,) classes of movement.
        tempo_bpm: (N,) float32, NaN where there is no music.
        lag_s: (N,) float32, how much later the music's beat is than the movement's landing; NaN where there is none.
    """

    velocity: NDArray[np.float16]
    beat_time_s: NDArray[np.float32]
    beat_clip: NDArray[np.int32]
    kind: NDArray[np.str_]
    content: NDArray[np.str_]
    tempo_bpm: NDArray[np.float32]
    lag_s: NDArray[np.float32]

    def beats_s(self, clip: int) -> NDArray[np.float64]:
        """Beats of one clip."""
        return np.asarray(self.beat_time_s[self.beat_clip == clip], np.float64)

    def save(self, path: Path) -> None:
        """Write to an .npz."""
        from kinebeat.files import atomic_outputs

        with atomic_outputs([path]) as (temporary,), temporary.open("wb") as file:
            np.savez(file, **{field.name: getattr(self, field.name) for field in fields(self)})


def load_corpus(path: Path) -> Corpus:
    """Read what `Corpus.save` wrote.

    Raises:
        InputError: the file is not one.
    """
    try:
        with np.load(path) as file:
            return Corpus(**{field.name: file[field.name] for field in fields(Corpus)})
    except (OSError, KeyError, ValueError) as error:
        raise InputError(path, f"no corpus of dances can be read from it ({error})", "make it again") from error


def ready(data: Path, part: Part, without: Collection[str] = ()) -> list[Material]:
    """All takes of one part, ready to be made into dances.

    Args:
        data: folder that holds `motion/` and `dance/`.
        part: "train", "validation" or "test".
        without: sets of motion capture to leave out: "cmu", "bandai", "choreonet".

    Raises:
        InputError: the folder does not hold the recordings, or nothing is left of them.
        OptionError: no such set.
    """
    unknown = sorted(set(without) - set(SOURCE_SHARES))
    if unknown:
        raise OptionError(f"no set of motion capture is called {unknown[0]!r}: known are {', '.join(SOURCE_SHARES)}")
    takes = [take for take in load_takes(data, part) if take.source not in without]
    if not takes:
        raise InputError(data, f"nothing is left of its {part} part", "leave fewer sets out")
    return [Material.of(take) for take in takes]


def build(
    data: Path,
    part: Part,
    clips: int,
    seed: int = 0,
    kinds: Sequence[str] = KINDS,
    progress: Callable[[float], None] | None = None,
    workers: int = 1,
    duration_s: float = DURATION_S,
    without: Collection[str] = (),
) -> Corpus:
    """Make and film dances of the takes of one part.

    Args:
        data: folder that holds `motion/` and `dance/`.
        part: "train", "validation" or "test".
        clips: how many.
        seed: the one source of chance; clip k depends on it and on k alone.
        kinds: of these kinds only.
        progress: called with the share done.
        workers: processes; the result does not depend on it.
        duration_s: length of a clip.
        without: sets of motion capture to leave out.

    Raises:
        InputError: the folder does not hold the recordings, or nothing is left of them.
        OptionError: no such set.
    """
    material = ready(data, part, without)
    return build_from(material, part, clips, seed, kinds, progress=progress, workers=workers, duration_s=duration_s)


def build_from(
    material: Sequence[Material],
    part: Part,
    clips: int,
    seed: int = 0,
    kinds: Sequence[str] = KINDS,
    *,
    choices: Choices = USUAL,
    filming: Filming = EVERYTHING,
    progress: Callable[[float], None] | None = None,
    workers: int = 1,
    duration_s: float = DURATION_S,
) -> Corpus:
    """Make and film dances of what `ready` gives, as `build` does, by usual choices or by others.

    Raises:
        OptionError: no clip of these kinds can be made of the material.
    """
    odds = _odds(material, kinds)
    plan = _Plan(seed, PARTS.index(part), tuple(kinds), odds, duration_s, choices, filming)
    made: list[tuple[Dance, NDArray[np.float16]]] = []
    if workers > 1:
        from multiprocessing import get_context

        with get_context("fork").Pool(workers, _share, (material, plan)) as pool:
            for k, one in enumerate(pool.imap(_one_of_shared, range(clips), chunksize=4)):
                made.append(one)
                if progress is not None:
                    progress((k + 1) / clips)
    else:
        for k in range(clips):
            made.append(_one(material, plan, k))
            if progress is not None:
                progress((k + 1) / clips)
    dances = [dance for dance, _ in made]
    return Corpus(
        velocity=np.stack([velocity for _, velocity in made]),
        beat_time_s=np.concatenate([dance.beats_s for dance in dances]).astype(np.float32),
        beat_clip=np.repeat(np.arange(clips), [len(dance.beats_s) for dance in dances]).astype(np.int32),
        kind=np.array([dance.kind for dance in dances]),
        content=np.array([dance.content for dance in dances]),
        tempo_bpm=np.array([dance.tempo_bpm for dance in dances], np.float32),
        lag_s=np.array([dance.lag_s for dance in dances], np.float32),
    )


@dataclass(frozen=True)
class _Plan:
    """All that decides a corpus besides its material."""

    seed: int
    part: int
    kinds: tuple[str, ...]
    odds: NDArray[np.float64]
    duration_s: float
    choices: Choices
    filming: Filming


def _odds(material: Sequence[Material], kinds: Sequence[str]) -> NDArray[np.float64]:
    """How often each kind is made; what nobody has labelled cannot be."""
    share = {"warped": 1.0 - NEGATIVE_SHARE - LABELLED_SHARE, "choreonet": LABELLED_SHARE, "negative": NEGATIVE_SHARE}
    if not any(len(m.take.labelled) for m in material):
        share["choreonet"] = 0.0
    odds = np.array([share[kind] for kind in kinds])
    if not odds.any():
        raise OptionError(
            "clips of the kind choreonet are made of labelled takes, and there are none: make other kinds"
        )
    return np.asarray(odds / odds.sum())


_SHARED: list[tuple[Sequence[Material], _Plan]] = []


def _share(material: Sequence[Material], plan: _Plan) -> None:
    _SHARED[:] = [(material, plan)]


def _one_of_shared(clip: int) -> tuple[Dance, NDArray[np.float16]]:
    return _one(*_SHARED[0], clip)


def _one(material: Sequence[Material], plan: _Plan, clip: int) -> tuple[Dance, NDArray[np.float16]]:
    """One dance, filmed."""
    rng = np.random.default_rng((plan.seed, plan.part, clip))
    kind = plan.kinds[int(rng.choice(len(plan.kinds), p=plan.odds))]
    make = {"warped": make_dance, "choreonet": make_labelled_dance, "negative": make_no_dance}[kind]
    dance = make(material, rng, plan.duration_s, plan.choices)
    for _ in range(FILMS):
        motion = compute_motion(_filmed(dance.xyz, rng, plan.filming), plan.duration_s)
        if np.isfinite(motion.velocity[..., 0]).mean() >= LEAST_SEEN:
            break
    frames = round(plan.duration_s * MOTION_FPS)
    return dance, motion.velocity[:frames].astype(np.float16)


def _filmed(xyz: NDArray[np.float32], rng: np.random.Generator, filming: Filming) -> PoseTrack:
    return film(
        xyz,
        rng,
        fps=None if filming.cameras else 30.0,
        body="draw" if filming.proportions else None,
        camera="draw" if filming.cameras else _in_front(xyz),
        noise="draw" if filming.noise else None,
    )


def _in_front(xyz: NDArray[np.float32]) -> Camera:
    """The plainest camera: level, before the person, with room for raised arms."""
    return in_front(xyz, px_per_m=0.55 * 720 / body_height_m(xyz), distance_m=4.0)


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line; see the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with motion/ and dance/")
    parser.add_argument("--out", type=Path, required=True, help="folder for train.npz, validation.npz and test.npz")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scale", type=float, default=1.0, help="makes the corpus smaller or larger")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument(
        "--without",
        action="append",
        default=[],
        choices=list(SOURCE_SHARES),
        help="leave a set of motion capture out, may be given again; Bandai's is CC BY-NC, ChoreoNet states no licence",
    )
    options = parser.parse_args(arguments)
    for part in PARTS:
        clips = max(4, round(CLIPS[part] * options.scale))
        material = ready(options.data, part, options.without)
        options.out.mkdir(parents=True, exist_ok=True)
        corpus = build_from(material, part, clips, options.seed, workers=options.workers)
        corpus.save(options.out / f"{part}.npz")


if __name__ == "__main__":
    main()
