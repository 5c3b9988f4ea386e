"""The verbs of whoever measures and trains: `evaluate` and `train`."""

from __future__ import annotations

import time
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kinebeat.cli.options import DataOption, JsonOption, QuietOption, SeedOption, WorkersOption
from kinebeat.cli.screen import progress_bar
from kinebeat.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Callable

evaluate_app = typer.Typer(help="Score a stage beside its baselines.", no_args_is_help=True)
train_app = typer.Typer(help="Train the networks of a stage (needs the extra 'train').", no_args_is_help=True)
PASSED_ON = {"allow_extra_args": True, "ignore_unknown_options": True}


@evaluate_app.command("alignment")
def evaluate_alignment(
    videos: Annotated[list[Path], typer.Argument(help="Videos or keypoint files.")],
    json: JsonOption = None,
    seed: SeedOption = 0,
    workers: WorkersOption = None,
    quiet: QuietOption = False,
) -> None:
    """Score how well the drums of each clip land on its movement, beside a shift null."""
    from kinebeat.evaluation.soundtracks import evaluate_alignment as evaluate

    with progress_bar(quiet) as progress:
        _finish_table(
            lambda: evaluate(videos, seed=seed, workers=workers, progress=progress), json, f"{len(videos)} clips"
        )


@evaluate_app.command("drums")
def evaluate_drums(
    data: DataOption,
    json: JsonOption = None,
    seed: SeedOption = 0,
    quiet: QuietOption = False,
) -> None:
    """Score the drum networks on Groove's test files: the paper's Table 2, beside trivial baselines."""
    from kinebeat.evaluation.drums import evaluate_drums as evaluate

    with progress_bar(quiet) as progress:
        _finish_table(
            lambda: evaluate(data, seed=seed, progress=lambda share: progress("drums", share)),
            json,
            "Groove MIDI Dataset, official test split, 4/4 beat files",
        )


@evaluate_app.command("beats")
def evaluate_beats(
    data: DataOption,
    clips: Annotated[int, typer.Option(help="Clips of warped movement, 20 s each.", min=1)] = 40,
    json: JsonOption = None,
    seed: SeedOption = 0,
    quiet: QuietOption = False,
) -> None:
    """Score the beats on movement whose beat is known: RhythmicNet's Table 1, beside trivial baselines."""
    from kinebeat.evaluation.beats import as_text
    from kinebeat.evaluation.beats import evaluate_beats as evaluate

    with progress_bar(quiet) as progress:
        _finish_table(
            lambda: evaluate(data, clips=clips, seed=seed, progress=lambda _, share: progress("beats", share)),
            json,
            f"{clips} clips of beat-warped motion capture, ChoreoNet, street dance",
            as_text,
        )


@evaluate_app.command("accompaniment")
def evaluate_accompaniment(
    data: DataOption,
    corpus: Annotated[Path | None, typer.Option(help="Keep the segments here, or take them from here.")] = None,
    samples: Annotated[
        int, typer.Option(help="Pieces of 16 bars that every model plays, for each instrument.", min=1)
    ] = 200,
    ablation: Annotated[
        Path | None, typer.Option(help="Networks without memory or drums were exported here; see docs.")
    ] = None,
    workers: Annotated[int | None, typer.Option(help="Threads.", show_default="all cores", min=1)] = None,
    json: JsonOption = None,
    seed: SeedOption = 0,
    quiet: QuietOption = False,
) -> None:
    """Score piano and guitar on the drums of test songs: RhythmicNet's Table 3, beside baselines."""
    from kinebeat.evaluation.accompaniment import Sampling
    from kinebeat.evaluation.accompaniment import evaluate_accompaniment as evaluate
    from kinebeat.evaluation.part_table import as_text

    with progress_bar(quiet) as bar:
        how = Sampling(samples, seed, workers=workers)

        def told(_stage: str, share: float) -> None:
            bar("accompaniment", share)

        _finish_table(
            lambda: evaluate(data, corpus=corpus, ablation=ablation, sampling=how, progress=told),
            json,
            f"multi-track corpus, test split by song, {samples} samples of each model and instrument",
            as_text,
        )


@evaluate_app.command("following")
def evaluate_following(
    data: Annotated[Path | None, typer.Option(help="The data folder; without it the dancing figure is all.")] = None,
    clips: Annotated[int, typer.Option(help="Dances of recorded people, of each kind.", min=1)] = 20,
    json: JsonOption = None,
    seed: SeedOption = 0,
    quiet: QuietOption = False,
) -> None:
    """Score how the live engine follows a mover: is it locked, and how soon after a change of tempo."""
    from kinebeat.evaluation.following import evaluate_following as evaluate
    from kinebeat.evaluation.tables import as_text

    with progress_bar(quiet) as bar:
        _finish_table(
            lambda: evaluate(data, clips=clips, seed=seed, progress=lambda share: bar("following", share)),
            json,
            "the dancing figure" + (f"; {clips} dances of unseen people, twice" if data is not None else ""),
            as_text,
        )


@evaluate_app.command("visual-beats")
def evaluate_visual_beats(
    data: DataOption,
    clips: Annotated[int, typer.Option(help="Made films in each set, 20 s each.", min=1)] = 60,
    keypoints: Annotated[
        Path | None, typer.Option(help="Keep the keypoints of the videos here, or take them from here.")
    ] = None,
    json: JsonOption = None,
    seed: SeedOption = 0,
    quiet: QuietOption = False,
) -> None:
    """Score visual beats that are said before they happen: InteractiveBeat's Table 2, beside trivial baselines."""
    from kinebeat.evaluation.visual_beats import as_text
    from kinebeat.evaluation.visual_beats import evaluate_visual_beats as evaluate

    with progress_bar(quiet) as bar:
        _finish_table(
            lambda: evaluate(data, clips=clips, seed=seed, keypoints=keypoints, progress=bar),
            json,
            f"{clips} films of motion capture in each made set, test split; street dance; real videos",
            as_text,
        )


@evaluate_app.command("live-style")
def evaluate_live_style(
    pairs: Annotated[Path, typer.Option(help="Folder that kinebeat train live-style-pairs made.")],
    json: JsonOption = None,
    seed: SeedOption = 0,
) -> None:
    """Score the drum onsets that the live style network makes of movement, beside what is simpler."""
    from kinebeat.evaluation.live_style import evaluate_live_style as evaluate

    _finish_table(lambda: evaluate(pairs, seed=seed), json, "pairs of movement and Groove, test split")


@evaluate_app.command("live-drums")
def evaluate_live_drums(
    data: DataOption,
    corpus: Annotated[
        Path | None, typer.Option(help="What kinebeat train live-corpus made; made anew if none.")
    ] = None,
    samples: Annotated[int, typer.Option(help="Takes of four seconds that each row plays.", min=50)] = 5000,
    clips: Annotated[int, typer.Option(help="Clips of movement, 20 s each.", min=1)] = 200,
    json: JsonOption = None,
    seed: SeedOption = 0,
    quiet: QuietOption = False,
) -> None:
    """Score how much like real drums the live pipelines sound: InteractiveBeat's Table 4, beside baselines."""
    from kinebeat.evaluation.live_drums import evaluate_live_drums as evaluate

    with progress_bar(quiet) as progress:
        _finish_table(
            lambda: evaluate(data, corpus=corpus, samples=samples, clips=clips, seed=seed, progress=progress),
            json,
            f"Groove MIDI Dataset and {clips} clips of movement, test split, {samples} samples a row",
        )


@evaluate_app.command("latency")
def evaluate_latency(
    video: Annotated[
        Path | None,
        typer.Option(help="Of one person who moves, for the frames.", show_default="the dancing figure, 720p"),
    ] = None,
    seconds: Annotated[float, typer.Option(help="How long each part plays.", min=5.0)] = 60.0,
    json: JsonOption = None,
    seed: SeedOption = 0,
    quiet: QuietOption = False,
) -> None:
    """Measure how long it takes from movement to drums on this machine: InteractiveBeat's Table 5."""
    from kinebeat.evaluation.latency import as_text
    from kinebeat.evaluation.latency import evaluate_latency as evaluate

    with progress_bar(quiet) as bar:
        _finish_table(
            lambda: evaluate(video, seconds=seconds, seed=seed, progress=bar),
            json,
            f"the dancing figure, 30 frames a second, {seconds:g} s a part"
            + (f"; frames of {video.name}" if video is not None else "; its film, 1280 x 720"),
            as_text,
        )


@evaluate_app.command("performance")
def evaluate_performance(
    data: Annotated[
        Path | None, typer.Option("--data", help="Folder of the data sets, for the films.", envvar="KINEBEAT_DATA")
    ] = None,
    simulated: Annotated[
        bool, typer.Option("--simulated", help="The other instruments, on simulated players, instead of the films.")
    ] = False,
    players: Annotated[int, typer.Option(help="Simulated players of each instrument.", min=1)] = 10,
    ablation: Annotated[
        Path | None, typer.Option(help="With --simulated: networks of Table 5 were exported here; see docs.")
    ] = None,
    keypoints: Annotated[
        Path | None, typer.Option(help="Keep the keypoints of the films here, or take them from here.")
    ] = None,
    validation: Annotated[bool, typer.Option(help="On the player to choose by, instead of the tests'.")] = False,
    json: JsonOption = None,
    seed: SeedOption = 0,
    quiet: QuietOption = False,
) -> None:
    """Score the notes heard in silent films of pianists, or of simulated players: Foley Music, beside baselines."""
    if simulated:
        _evaluate_simulated(players, ablation, json, seed, quiet=quiet)
        return
    if data is None:
        raise OptionError("name the folder of the data sets with --data, or say --simulated")
    from kinebeat.evaluation.performance import TESTS, as_text
    from kinebeat.evaluation.performance import evaluate_performance as evaluate

    with progress_bar(quiet) as bar:
        _finish_table(
            lambda: evaluate(
                data,
                keypoints=keypoints,
                splits=("validation",) if validation else TESTS,
                seed=seed,
                progress=lambda _clip, share: bar("performance", share),
            ),
            json,
            "AI-Pianist films, whole; " + ("the player of validation" if validation else "unseen players, test clips"),
            as_text,
        )


def _evaluate_simulated(players: int, ablation: Path | None, json: Path | None, seed: int, *, quiet: bool) -> None:
    """The instruments that no films are there of."""
    from kinebeat.evaluation.performance_simulated import SEED, as_text, evaluate_simulated

    with progress_bar(quiet) as bar:
        _finish_table(
            lambda: evaluate_simulated(
                players=players,
                ablation=ablation,
                seed=SEED + seed,
                progress=lambda _stage, share: bar("performance", share),
            ),
            json,
            f"{players} simulated players of each instrument, whom no training has seen",
            as_text,
        )


TRAININGS = {
    "drums": ("kinebeat.drums.train", "Train the drum networks"),
    "beats": ("kinebeat.beats.train", "Train the beat networks"),
    "beat-corpus": ("kinebeat.beats.truth.corpus", "Make the movement they learn from"),
    "accompaniment": ("kinebeat.accompaniment.train", "Train the network of piano and guitar"),
    "accompaniment-corpus": ("kinebeat.accompaniment.corpus", "Make the segments it learns from"),
    "live-corpus": ("kinebeat.live.corpus", "Make the films that the live networks learn from"),
    "live-beats": ("kinebeat.live.visbeat.train", "Train the network of the visual beats to come"),
    "live-pulse": ("kinebeat.live.pulsenet.train", "Train the network of the beat of a dance, live"),
    "live-drums": ("kinebeat.live.drumming.train", "Train the live drummers"),
    "live-style": ("kinebeat.live.style.train", "Train the network of the live style"),
    "live-style-pairs": ("kinebeat.live.style.pairs", "Pair movement with drums for it"),
    "performance": ("kinebeat.performance.train", "Train the network that hears musicians"),
    "performance-corpus": (
        "kinebeat.performance.truth.build",
        "Make the players that it learns from",
    ),
    "performance-presses": ("kinebeat.performance.pressing.train", "Train the network that sees keys go down"),
    "performance-presses-corpus": ("kinebeat.performance.pressing.corpus", "Make the films that it learns from"),
    "drum-genres": ("kinebeat.evaluation.genre.train", "Train the classifier of drum genres"),
}
"""The verbs of `kinebeat train`: modules that have a command line of their own, and what they do."""


def _passing_on(module: str) -> Callable[[typer.Context], None]:
    def verb(context: typer.Context) -> None:
        _pass_on(module, context)

    return verb


for _name, (_module, _what) in TRAININGS.items():
    _help = f"{_what}; takes the options of python -m {_module}."
    train_app.command(_name, context_settings=PASSED_ON, help=_help)(_passing_on(_module))


def _pass_on(module: str, context: typer.Context) -> None:
    """Run the `main` of a training module with the words that are left on the command line."""
    try:
        main = import_module(module).main
    except ImportError as error:
        raise OptionError(f"training needs the extra 'train' ({error}); pip install 'kinebeat[train]'") from error
    main(context.args)


def _finish_table(
    measure: Callable[[], dict[str, Any]],
    json: Path | None,
    data: str,
    as_text: Callable[[dict[str, Any]], str] | None = None,
) -> None:
    """Measure, print, and write a table."""
    from kinebeat.evaluation import tables
    from kinebeat.files import check_output

    if json is not None:
        check_output(json)
    start = time.perf_counter()
    measured = measure()
    done = tables.table(measured["table"], measured["rows"], data=data, seconds=time.perf_counter() - start)
    if json is not None:
        tables.write_json(done, json)
    print((as_text or tables.as_text)(done))
