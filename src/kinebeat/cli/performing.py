"""The verb `perform`: the music of a musician in a silent film."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kinebeat.cli.options import PoseOption, QuietOption, SeedOption, SoundfontOption
from kinebeat.cli.screen import progress_bar, warn
from kinebeat.errors import OptionError
from kinebeat.performance.instruments import INSTRUMENTS

if TYPE_CHECKING:
    from kinebeat.outputs import Outputs
    from kinebeat.performance.pipeline import Performance

REAL = ", ".join(name for name, instrument in INSTRUMENTS.items() if instrument.real)
EXPERIMENTAL = ", ".join(name for name, instrument in INSTRUMENTS.items() if not instrument.real)


def perform(
    source: Annotated[Path, typer.Argument(help="A video, or an .npz of keypoints of an instrument without keys.")],
    instrument: Annotated[
        str,
        typer.Option(
            "--instrument",
            "-i",
            help=f"What is played: {REAL}. Experimental, learned from simulated players alone: {EXPERIMENTAL}.",
        ),
    ] = "piano",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Video to write.", show_default="CLIP.performance.mp4")
    ] = None,
    midi: Annotated[Path | None, typer.Option(help="Also write the notes as MIDI.")] = None,
    wav: Annotated[Path | None, typer.Option(help="Also write the sound as WAV.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Also draw the notes under the hands' movement as PNG.")] = None,
    report: Annotated[Path | None, typer.Option(help="Also write what was seen and heard as JSON.")] = None,
    transpose: Annotated[int, typer.Option(help="Semitones up, or down if negative.")] = 0,
    key: Annotated[
        str | None, typer.Option(help='Key to put it in, such as "A minor", Bb or F#m.', show_default="as it is played")
    ] = None,
    sound: Annotated[
        str | None,
        typer.Option(help="Sound it with another of the instruments.", show_default="the one that is played"),
    ] = None,
    pose: PoseOption = None,
    soundfont: SoundfontOption = None,
    seed: SeedOption = 0,
    workers: Annotated[
        int | None,
        typer.Option(help="Processes that look for hands and body.", show_default="all cores", min=1),
    ] = None,
    quiet: QuietOption = False,
) -> None:
    """Hear the music that a musician plays in a silent film, and give it back to the film."""
    from kinebeat import perform as make
    from kinebeat.outputs import Outputs, check_outputs
    from kinebeat.performance.outputs import default_outputs
    from kinebeat.pose import is_keypoints

    outputs = Outputs(out, midi, wav, plot, report)
    if out is None:
        outputs = default_outputs(source, outputs)
    elif is_keypoints(source):
        raise OptionError(f"{source} has no picture: {out} cannot be written; name a --wav or --midi file")
    check_outputs(outputs, [path for path in (source, pose, soundfont) if path is not None])
    with progress_bar(quiet) as progress:
        made = make(
            source,
            instrument,
            transpose=transpose,
            key=key,
            sound=sound,
            soundfont=soundfont,
            pose=pose,
            workers=workers,
            seed=seed,
            progress=progress,
        )
        said = made.save(
            outputs.video,
            midi=outputs.midi,
            wav=outputs.wav,
            plot=outputs.plot,
            report=outputs.report,
            progress=progress,
        )
    warn([*made.warnings, *said])
    if not quiet:
        _summarise(made, outputs)


def _summarise(made: Performance, outputs: Outputs) -> None:
    """A few lines on what came out."""
    from kinebeat.performance.outputs import in_words

    print(f"{in_words(made)} in {made.duration_s:.1f} s")
    for path in outputs.paths():
        print(f"wrote {path}")
