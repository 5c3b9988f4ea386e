"""The verb `batch`: soundtracks for all clips of a folder or list."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kinebeat.cli.options import (
    BackgroundOption,
    BackgroundStartOption,
    KeyOption,
    KitOption,
    Original,
    PlayersOption,
    QuietOption,
    SoundfontOption,
    TempoOption,
)
from kinebeat.cli.screen import progress_bar, warn

if TYPE_CHECKING:
    from kinebeat.batch import BatchResult

SOME_FAILED = 1


def batch(
    source: Annotated[
        Path, typer.Argument(metavar="DIR|LIST", help="A folder of videos, or a text file with one path on each line.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the results and manifest.jsonl.")],
    workers: Annotated[
        int | None, typer.Option(help="Clips that are worked on at a time.", show_default="all cores", min=1)
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS|auto|local", help="Work on this Ray cluster (needs the extra named cluster)."),
    ] = None,
    redo: Annotated[bool, typer.Option("--redo", help="Do clips again that are done already.")] = False,
    limit: Annotated[
        float | None,
        typer.Option(help="Seconds after which a clip has failed.", show_default="none", metavar="SECONDS"),
    ] = None,
    midi: Annotated[bool, typer.Option("--midi", help="Also write the notes as MIDI.")] = False,
    wav: Annotated[bool, typer.Option("--wav", help="Also write the sound as WAV.")] = False,
    stems: Annotated[bool, typer.Option("--stems", help="Also write each track as a WAV.")] = False,
    plot: Annotated[bool, typer.Option("--plot", help="Also draw movement, beats and drums as PNG.")] = False,
    report: Annotated[bool, typer.Option("--report", help="Also write times, alignment and settings as JSON.")] = False,
    players: PlayersOption = None,
    key: KeyOption = None,
    tempo: TempoOption = None,
    density: Annotated[float, typer.Option(help="How busy the players are: 0.1 to 2, 1 is a drummer's.")] = 1.0,
    kit: KitOption = "standard",
    soundfont: SoundfontOption = None,
    original: Annotated[Original, typer.Option(help="The clip's own sound.")] = Original.MUTE,
    background: BackgroundOption = None,
    background_start: BackgroundStartOption = 0.0,
    overlay: Annotated[bool, typer.Option("--overlay", help="Draw skeleton and hits on the picture.")] = False,
    variants: Annotated[int, typer.Option(help="Soundtracks of each clip.", min=1, max=99)] = 1,
    seed: Annotated[
        int, typer.Option(help="The one source of chance: each clip's seed is drawn from it and what it holds.", min=0)
    ] = 0,
    quiet: QuietOption = False,
) -> None:
    """Make the soundtracks of many clips; what is done is skipped, so a batch that was stopped goes on.

    The exit code is 0 if all clips are done, 1 if some failed, 2 if the batch could not be run, 130 if it was stopped.
    """
    from kinebeat.background import CLIP
    from kinebeat.batch import BatchSettings, run_batch

    settings = BatchSettings(
        tempo_bpm=tempo,
        density=density,
        kit=kit,
        soundfont=soundfont,
        seed=seed,
        instruments=tuple(player.value for player in players or ()),
        key=key,
        background=Path(background) if background not in (None, CLIP) else CLIP if background else None,
        background_start_s=background_start,
        original=original.value,
        overlay=overlay,
        variants=variants,
        midi=midi,
        wav=wav,
        plot=plot,
        report=report,
        stems=stems,
    )
    with progress_bar(quiet) as progress:
        result = run_batch(source, out, settings, workers=workers, ray=ray, redo=redo, limit_s=limit, progress=progress)
    warn(list(result.failures))
    if result.failed > len(result.failures):
        warn([f"and {result.failed - len(result.failures)} more; see {result.manifest}"])
    if not quiet:
        _summarise(result)
    if result.failed:
        raise typer.Exit(SOME_FAILED)


def _summarise(result: BatchResult) -> None:
    """What came of it, in a line, and where that is written down."""
    print(f"{result.done} clips done, {result.skipped} done before, {result.failed} failed, in {result.seconds:.1f} s")
    print(f"wrote {result.manifest}")
