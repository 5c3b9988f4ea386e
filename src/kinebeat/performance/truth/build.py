"""What the performance network learns from, real and made: `python -m kinebeat.performance.truth.build --out CORPUS`.

With `--data` the films of pianists, their notes moved to the clock of the hands; and as many simulated players as are
wanted, of the instruments that are named. Files are called by what they are for: `train-real.npz`,
`validation-real.npz`, `train-simulated.npz`, `validation-simulated.npz`.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kinebeat.errors import OptionError
from kinebeat.performance.corpus import Piece, joints_of, write_pieces
from kinebeat.performance.instruments import INSTRUMENTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from kinebeat.performance.truth.piano_videos import Split

SIMULATED_S = 28.0
"""About how long a simulated player plays."""
VALIDATED = 0.05
"""Share of the simulated players that are validated on."""
REAL_SPLITS: dict[str, Split] = {"train": "train", "validation": "validation"}


def real_pieces(
    data: Path,
    split: Split,
    *,
    keypoints: Path | None = None,
    progress: Callable[[float], None] | None = None,
) -> list[Piece]:
    """The films of pianists of one split.

    A film in which no keyboard is found, or whose notes no hand plays, is left out.

    Args:
        data: folder of the data sets.
        split: see `piano_videos.PianoClip`.
        keypoints: folder with joints that were found before; those that are missing are written there.
        progress: called with the share done.

    Raises:
        InputError: the films are not there.
    """
    from kinebeat.performance.truth.alignment import align
    from kinebeat.performance.truth.piano_videos import of_splits, read_clips
    from kinebeat.performance.truth.watching import watch

    clips = of_splits(read_clips(data), [split])
    found: list[Piece] = []
    for number, clip in enumerate(clips):
        seen = watch(clip, keypoints)
        if seen.keyboard is not None:
            aligned = align(clip.notes, seen.performer, seen.keyboard)
            if aligned.agreement > 0:
                joints = joints_of(seen.performer.track, seen.keyboard)
                found.append(Piece(joints, clip.notes.later(-aligned.lag_s), "piano", True, clip.name))
        if progress is not None:
            progress((number + 1) / len(clips))
    return found


def simulated_pieces(instruments: Sequence[str], count: int, seed: int) -> Iterator[Piece]:
    """Simulated players, the instruments in turn; each is made of (seed, number) alone.

    Raises:
        OptionError: there is no such instrument.
    """
    from kinebeat.performance.truth.simulator.parts import random_part
    from kinebeat.performance.truth.simulator.simulate import simulate

    for name in instruments:
        if name not in INSTRUMENTS:
            raise OptionError(f"no instrument is called {name!r}; known are {', '.join(INSTRUMENTS)}")
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        instrument = instruments[number % len(instruments)]
        made = simulate(random_part(instrument, rng, SIMULATED_S), instrument, rng)
        joints = joints_of(made.performer.track, made.keyboard)
        yield Piece(joints, made.notes, instrument, False, f"simulated {seed}.{number}")


def build(
    out: Path,
    *,
    data: Path | None = None,
    keypoints: Path | None = None,
    instruments: Sequence[str] = ("piano",),
    simulated: int = 400,
    seed: int = 0,
    log: Callable[[str], None] | None = None,
) -> list[Path]:
    """Make a corpus.

    Args:
        out: folder of it, made if it is not there.
        data: folder of the data sets; without it no films.
        keypoints: see `real_pieces`.
        instruments: of the simulated players. The piano needs a corpus of its own: it is told in key units.
        simulated: how many of them.
        seed: of them.
        log: told of each file.

    Returns:
        The files written.

    Raises:
        InputError: the films are not there.
        OutputError: a file cannot be written.
        OptionError: piano and others are asked for together, or there is no such instrument.
    """
    keys = [name for name in instruments if name in INSTRUMENTS and INSTRUMENTS[name].family == "keys"]
    if keys and len(keys) < len(instruments):
        raise OptionError("those who play on keys and others cannot be in one corpus: make one of each")
    if data is not None and not keys:
        raise OptionError("the films are of pianists: name the piano, or leave --data out")
    out.mkdir(parents=True, exist_ok=True)
    lots: list[tuple[str, list[Piece]]] = []
    if data is not None:
        lots += [(f"{name}-real", real_pieces(data, split, keypoints=keypoints)) for name, split in REAL_SPLITS.items()]
    checked = max(1, round(VALIDATED * simulated)) if simulated else 0
    made = list(simulated_pieces(instruments, simulated + checked, seed))
    if simulated:
        lots += [("train-simulated", made[:simulated]), ("validation-simulated", made[simulated:])]
    paths = []
    for name, pieces in lots:
        paths.append(out / f"{name}.npz")
        write_pieces(paths[-1], pieces)
        if log is not None:
            minutes = sum(piece.duration_s for piece in pieces) / 60
            log(f"{paths[-1]}: {len(pieces)} players, {minutes:.0f} minutes, {sum(len(p.notes) for p in pieces)} notes")
    return paths


def main(arguments: Sequence[str] | None = None) -> None:
    """The command `python -m kinebeat.performance.truth.build`."""
    about = (__doc__ or "").split("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m kinebeat.performance.truth.build", description=about)
    parser.add_argument("--out", type=Path, required=True, help="folder of the corpus")
    parser.add_argument("--data", type=Path, help="folder of the data sets, for the films of pianists")
    parser.add_argument("--keypoints", type=Path, help="keep the keypoints of the films here, or take them from here")
    parser.add_argument("--instruments", nargs="+", default=["piano"], help="of the simulated players")
    parser.add_argument("--simulated", type=int, default=400, help="simulated players, half a minute each")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    build(
        options.out,
        data=options.data,
        keypoints=options.keypoints,
        instruments=options.instruments,
        simulated=options.simulated,
        seed=options.seed,
        log=print,
    )


if __name__ == "__main__":
    main()
