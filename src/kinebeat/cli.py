"""The command line: the only place that prints, asks or exits."""

from __future__ import annotations

import signal
import sys
import time
from contextlib import contextmanager
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kinebeat import __version__
from kinebeat.errors import KinebeatError, OptionError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from kinebeat.hearing import Heard
    from kinebeat.outputs import Outputs
    from kinebeat.pipeline import Soundtrack

    Progress = Callable[[str, float], None]

app = typer.Typer(
    name="kinebeat",
    help="Hears the rhythm in human movement: a video goes in, a soundtrack comes out.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
evaluate_app = typer.Typer(help="Score a stage beside its baselines.", no_args_is_help=True)
train_app = typer.Typer(help="Train the networks of a stage (needs the extra 'train').", no_args_is_help=True)
app.add_typer(evaluate_app, name="evaluate")
app.add_typer(train_app, name="train")

PASSED_ON = {"allow_extra_args": True, "ignore_unknown_options": True}
BAD_INPUT = 2
STOPPED = 130


class Original(StrEnum):
    """What becomes of the clip's own sound."""

    KEEP = "keep"
    DUCK = "duck"
    MUTE = "mute"


SourceArgument = Annotated[Path, typer.Argument(help="A video, an .npz of keypoints, or a folder of OpenPose JSON.")]
TempoOption = Annotated[
    float | None, typer.Option(help="Fix the tempo, in BPM.", show_default="heard from the movement")
]
PoseOption = Annotated[Path | None, typer.Option(help="Use these keypoints instead of looking for them.")]
SeedOption = Annotated[int, typer.Option(help="The one source of chance: same seed, same soundtrack.")]
WorkersOption = Annotated[
    int | None, typer.Option(help="Processes that look for the person.", show_default="all cores", min=1)
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar and no summary.")]
DataOption = Annotated[Path, typer.Option("--data", help="Folder of the data sets.", envvar="KINEBEAT_DATA")]
JsonOption = Annotated[Path | None, typer.Option("--json", help="Write the table here as JSON.")]


@app.callback(invoke_without_command=True)
def _root(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        print(__version__)
        raise typer.Exit


@app.command()
def soundtrack(
    source: SourceArgument,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Video to write.", show_default="CLIP.soundtrack.mp4")
    ] = None,
    midi: Annotated[Path | None, typer.Option(help="Also write the drums as MIDI.")] = None,
    wav: Annotated[Path | None, typer.Option(help="Also write the sound as WAV.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Also draw movement, beats and drums as PNG.")] = None,
    report: Annotated[Path | None, typer.Option(help="Also write times, alignment and settings as JSON.")] = None,
    tempo: TempoOption = None,
    density: Annotated[float, typer.Option(help="How busy the drums are: 0.1 to 2, 1 is a drummer's.")] = 1.0,
    kit: Annotated[
        str, typer.Option(help="standard, room, power, electronic, tr808, jazz, brush, orchestra")
    ] = "standard",
    soundfont: Annotated[Path | None, typer.Option(help="An .sf2 soundfont to play with.")] = None,
    original: Annotated[Original, typer.Option(help="The clip's own sound.")] = Original.MUTE,
    pose: PoseOption = None,
    overlay: Annotated[bool, typer.Option("--overlay", help="Draw skeleton and hits on the picture.")] = False,
    variants: Annotated[int, typer.Option(help="Write several, with seeds from --seed on.", min=1, max=99)] = 1,
    seed: SeedOption = 0,
    workers: WorkersOption = None,
    quiet: QuietOption = False,
) -> None:
    """Make a soundtrack whose drums land on the movement."""
    from kinebeat import soundtrack as make
    from kinebeat.outputs import Outputs, check_outputs, default_outputs

    chosen = Outputs(out, midi, wav, plot, report)
    if out is None:
        chosen = default_outputs(source, chosen)
    numbered = [chosen.numbered(n + 1) if variants > 1 else chosen for n in range(variants)]
    inputs = [path for path in (source, pose, soundfont) if path is not None]
    for outputs in numbered:
        check_outputs(outputs, inputs)
    with _progress(quiet) as progress:
        made = make(
            source,
            pose=pose,
            tempo_bpm=tempo,
            density=density,
            kit=kit,
            soundfont=soundfont,
            seed=seed,
            workers=workers,
            progress=progress,
        )
        warnings = list(made.warnings)
        finished = []
        for number, outputs in enumerate(numbered):
            variant = made if number == 0 else made.variant(seed + number, progress=progress)
            said = variant.save(
                outputs.video,
                midi=outputs.midi,
                wav=outputs.wav,
                plot=outputs.plot,
                report=outputs.report,
                original=original.value,
                overlay=overlay,
                progress=progress,
            )
            warnings += [line for line in said if line not in warnings]
            finished.append((variant, outputs))
    _warn(warnings)
    if not quiet:
        for variant, outputs in finished:
            _summarise(variant, outputs)


@app.command()
def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Video to write.")] = Path("kinebeat-demo.mp4"),
    seconds: Annotated[float, typer.Option(help="Length of the demo.", min=2, max=120)] = 12.0,
    plot: Annotated[Path | None, typer.Option(help="Also draw movement, beats and drums as PNG.")] = None,
    overlay: Annotated[bool, typer.Option("--overlay", help="Draw skeleton and hits on the picture.")] = False,
    seed: SeedOption = 0,
    workers: WorkersOption = None,
    quiet: QuietOption = False,
) -> None:
    """Draw a dancing figure and make its soundtrack; needs no file and no network."""
    import tempfile

    from kinebeat import soundtrack as make
    from kinebeat.files import check_output
    from kinebeat.outputs import Outputs
    from kinebeat.puppet import draw_puppet_video

    for path in (out, plot):
        if path is not None:
            check_output(path)
    with tempfile.TemporaryDirectory(prefix="kinebeat-") as folder, _progress(quiet) as progress:
        clip = Path(folder) / "dancer.mp4"
        progress("drawing", 0.0)
        draw_puppet_video(clip, duration_s=seconds, seed=seed)
        made = make(clip, seed=seed, workers=workers, progress=progress)
        warnings = [*made.warnings, *made.save(out, plot=plot, overlay=overlay, progress=progress)]
    _warn(warnings)
    if not quiet:
        _summarise(made, Outputs(video=out, plot=plot))


@app.command()
def beats(
    source: SourceArgument,
    pose: PoseOption = None,
    tempo: TempoOption = None,
    json: Annotated[Path | None, typer.Option(help="Write beats, tempo and confidence as JSON.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw movement and beats as PNG.")] = None,
    click: Annotated[
        Path | None, typer.Option(help="Write the video (.mp4), or WAV, with a click on each beat.")
    ] = None,
    original: Annotated[Original, typer.Option(help="The clip's own sound, under the clicks.")] = Original.KEEP,
    workers: WorkersOption = None,
    quiet: QuietOption = False,
) -> None:
    """Say which beat is heard in the movement; a click track lets a person judge it."""
    from kinebeat.beat_outputs import BeatOutputs, check_beat_outputs
    from kinebeat.hearing import hear

    outputs = BeatOutputs(json, plot, click)
    check_beat_outputs(outputs, source, [] if pose is None else [pose])
    with _progress(quiet) as progress:
        heard = hear(source, pose=pose, tempo_bpm=tempo, workers=workers, progress=progress)
        said = heard.save(json=json, plot=plot, click=click, original=original.value, progress=progress)
    _warn([*heard.warnings, *said])
    if not quiet:
        _say_beats(heard)
        for path in outputs.paths():
            print(f"wrote {path}")


@app.command()
def pose(
    source: SourceArgument,
    out: Annotated[Path, typer.Option("--out", "-o", help="Keypoint file to write (.npz).")],
    workers: WorkersOption = None,
    quiet: QuietOption = False,
) -> None:
    """Find the person and write the keypoints, which every command takes in place of a video."""
    from kinebeat.files import check_output
    from kinebeat.pose import read_pose, save_pose

    check_output(out, [source])
    with _progress(quiet) as progress:
        track = read_pose(source, workers=workers, progress=lambda share: progress("pose", share))
        save_pose(track, out)


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

    with _progress(quiet) as progress:
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

    with _progress(quiet) as progress:
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

    with _progress(quiet) as progress:
        _finish_table(
            lambda: evaluate(data, clips=clips, seed=seed, progress=lambda _, share: progress("beats", share)),
            json,
            f"{clips} clips of beat-warped motion capture, ChoreoNet, street dance",
            as_text,
        )


@train_app.command("drums", context_settings=PASSED_ON)
def train_drums(context: typer.Context) -> None:
    """Train the drum networks; takes the options of python -m kinebeat.drums.train."""
    _pass_on("kinebeat.drums.train", context)


@train_app.command("beats", context_settings=PASSED_ON)
def train_beats(context: typer.Context) -> None:
    """Train the beat networks; takes the options of python -m kinebeat.beats.train."""
    _pass_on("kinebeat.beats.train", context)


@train_app.command("beat-corpus", context_settings=PASSED_ON)
def train_beat_corpus(context: typer.Context) -> None:
    """Make the movement they learn from; takes the options of python -m kinebeat.beats.truth.corpus."""
    _pass_on("kinebeat.beats.truth.corpus", context)


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


def _summarise(made: Soundtrack, outputs: Outputs) -> None:
    """A few lines on what came out."""
    heard = {"movement": "heard in the movement", "accents": "fitted to the accents", "tempo": "as asked"}
    print(
        f"{made.grid.tempo_bpm:.1f} BPM ({heard[made.grid.source]}), {len(made.accents.times_s)} accents, "
        f"{int(made.drums.hits.sum())} drum hits in {made.duration_s:.1f} s"
    )
    for path in outputs.paths():
        print(f"wrote {path}")


def _say_beats(heard: Heard) -> None:
    """What is heard, in words."""
    from kinebeat.beat_outputs import in_words

    beats_s, downbeats_s = heard.beats_s, heard.downbeats_s
    print(in_words(heard.grid))
    where = f", the first at {beats_s[0]:.2f} s" if len(beats_s) else ""
    bar = f"; a bar seems to begin at {downbeats_s[0]:.2f} s" if len(downbeats_s) else ""
    print(f"{len(beats_s)} beats in {heard.duration_s:.1f} s{where}{bar}")


def _warn(lines: list[str]) -> None:
    for line in lines:
        print(f"kinebeat: warning: {line}", file=sys.stderr)


@contextmanager
def _progress(quiet: bool) -> Iterator[Progress]:
    """A bar with the stage and the time left, on the error stream and only if someone is there to see it."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield lambda _stage, _share: None
        return
    with Progress(
        TextColumn("{task.description:>10}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    ) as bar:
        tasks: dict[str, Any] = {}

        def report(stage: str, share: float) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(stage, total=1.0)
            bar.update(tasks[stage], completed=share)

        yield report


def main() -> None:
    """Entry point of `kinebeat`: bad input is one line and exit code 2, Ctrl-C leaves nothing behind."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    try:
        status = app(standalone_mode=False) or 0
    except KinebeatError as error:
        print(f"kinebeat: {error}", file=sys.stderr)
        status = BAD_INPUT
    except typer.Exit as leave:
        status = leave.exit_code
    except (KeyboardInterrupt, typer.Abort):
        status = STOPPED
    except Exception as error:
        show = getattr(error, "show", None)  # a usage error of the command line library
        if show is None:
            raise
        show()
        status = BAD_INPUT
    if status == STOPPED:
        print("kinebeat: stopped; nothing unfinished was left", file=sys.stderr)
    sys.exit(status)
