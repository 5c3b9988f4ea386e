"""The corpus of made dances: `python -m kinebeat.beats.truth.corpus --data DIR --out corpus`.

Its files are keypoint velocities as the product sees them, with the beats of the music that each dance was made for.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kinebeat.beats.truth.camera import film
from kinebeat.beats.truth.dances import Dance, Material, make_dance, make_labelled_dance, make_no_dance
from kinebeat.beats.truth.mocap import Part, load_takes
from kinebeat.errors import InputError
from kinebeat.motion import MOTION_FPS, compute_motion

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

DURATION_S = 20.0
NEGATIVE_SHARE, LABELLED_SHARE = 0.15, 0.12
LEAST_SEEN, FILMS = 0.25, 5
"""A film in which less of the joints is seen than this is made again, so many times at most."""
PARTS: tuple[Part, ...] = ("train", "validation", "test")
CLIPS = {"train": 3200, "validation": 300, "test": 300}


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


def build(
    data: Path,
    part: Part,
    clips: int,
    seed: int = 0,
    kinds: Sequence[str] = ("warped", "choreonet", "negative"),
    progress: Callable[[float], None] | None = None,
    workers: int = 1,
    duration_s: float = DURATION_S,
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

    Raises:
        InputError: the folder does not hold the recordings.
    """
    material = [Material.of(take) for take in load_takes(data, part)]
    made: list[tuple[Dance, NDArray[np.float16]]] = []
    jobs = [(seed, PARTS.index(part), k, tuple(kinds), duration_s) for k in range(clips)]
    if workers > 1:
        from multiprocessing import get_context

        with get_context("fork").Pool(workers, _share, (material,)) as pool:
            for k, one in enumerate(pool.imap(_one_of_shared, jobs, chunksize=4)):
                made.append(one)
                if progress is not None:
                    progress((k + 1) / clips)
    else:
        for k, job in enumerate(jobs):
            made.append(_one(material, *job))
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


_SHARED: list[Material] = []


def _share(material: list[Material]) -> None:
    _SHARED[:] = material


def _one_of_shared(job: tuple[int, int, int, tuple[str, ...], float]) -> tuple[Dance, NDArray[np.float16]]:
    return _one(_SHARED, *job)


def _one(
    material: Sequence[Material], seed: int, part: int, clip: int, kinds: tuple[str, ...], duration_s: float
) -> tuple[Dance, NDArray[np.float16]]:
    """One dance, filmed."""
    rng = np.random.default_rng((seed, part, clip))
    share = {"warped": 1.0 - NEGATIVE_SHARE - LABELLED_SHARE, "choreonet": LABELLED_SHARE, "negative": NEGATIVE_SHARE}
    if not any(len(m.take.labelled) for m in material):
        share["choreonet"] = 0.0
    odds = np.array([share[kind] for kind in kinds])
    kind = kinds[int(rng.choice(len(kinds), p=odds / odds.sum()))]
    make = {"warped": make_dance, "choreonet": make_labelled_dance, "negative": make_no_dance}[kind]
    dance = make(material, rng, duration_s)
    for _ in range(FILMS):
        motion = compute_motion(film(dance.xyz, rng), duration_s)
        if np.isfinite(motion.velocity[..., 0]).mean() >= LEAST_SEEN:
            break
    frames = round(duration_s * MOTION_FPS)
    return dance, motion.velocity[:frames].astype(np.float16)


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line; see the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with motion/ and dance/")
    parser.add_argument("--out", type=Path, required=True, help="folder for train.npz, validation.npz and test.npz")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scale", type=float, default=1.0, help="makes the corpus smaller or larger")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    for part in PARTS:
        clips = max(4, round(CLIPS[part] * options.scale))
        build(options.data, part, clips, options.seed, workers=options.workers).save(options.out / f"{part}.npz")


if __name__ == "__main__":
    main()
