"""Arguments and options that several verbs take."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


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
