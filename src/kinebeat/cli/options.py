"""Arguments and options that several verbs take."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Instrument(StrEnum):
    """Who plays beside the drums."""

    PIANO = "piano"
    GUITAR = "guitar"


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
PlayersOption = Annotated[
    list[Instrument] | None, typer.Option("--with", help="Who plays on top of the drums; may be given twice.")
]
KeyOption = Annotated[
    str | None,
    typer.Option(
        help='Key of piano and guitar, such as "A minor", Bb or F#m.',
        show_default="drawn by the seed",
    ),
]
KITS_HELP = "standard, room, power, electronic, tr808, jazz, brush, orchestra"
KitOption = Annotated[str, typer.Option(help=KITS_HELP)]
SoundfontOption = Annotated[Path | None, typer.Option(help="An .sf2 soundfont to play with.")]
StemsOption = Annotated[
    Path | None, typer.Option(help="Also write each track as a WAV into this folder; together they are the music.")
]
BackgroundOption = Annotated[
    str | None,
    typer.Option(metavar="SONG|clip", help="Join this song, on its beat and in its key; or the clip's own sound."),
]
BackgroundStartOption = Annotated[
    float, typer.Option(help="Second of the song at which the clip begins; below 0 the song begins so much later.")
]
EditsOption = Annotated[
    Path | None,
    typer.Option(help='Beats and accents put by hand: a JSON list of {"what", "at_s", "to_s"}.', show_default=False),
]
LevelOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=DB",
        help="Level of drums, piano, guitar, background or original, the clip's own sound: -40 to 6 dB, or off. May be "
        "given several times.",
    ),
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar and no summary.")]
DataOption = Annotated[Path, typer.Option("--data", help="Folder of the data sets.", envvar="KINEBEAT_DATA")]
JsonOption = Annotated[Path | None, typer.Option("--json", help="Write the table here as JSON.")]
