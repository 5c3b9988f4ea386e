"""The verb `survey`: makes a listening test, or counts its answers."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from kinebeat.cli.options import JsonOption, KitOption, PlayersOption, QuietOption, SoundfontOption, WorkersOption
from kinebeat.cli.screen import progress_bar, warn
from kinebeat.errors import OptionError


class Question(StrEnum):
    """What people are asked."""

    MATCH = "match"
    PREFER = "prefer"
    BOTH = "both"


def survey(
    files: Annotated[
        list[Path], typer.Argument(metavar="VIDEO|CSV...", help="Videos to ask about; with --tally files of answers.")
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder of the survey: a new one, with --tally the one that was made.")
    ],
    count: Annotated[bool, typer.Option("--tally", help="Count the answers in these CSV files.")] = False,
    json: JsonOption = None,
    other: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=PATH",
            help="Another system: a folder with a file of each video's name, or with one video a file; again for more.",
        ),
    ] = None,
    question: Annotated[
        Question, typer.Option(help="Best match to the movements, preference, or both.")
    ] = Question.BOTH,
    title: Annotated[str, typer.Option(help="Title of the page.")] = "Which sound fits?",
    one_file: Annotated[bool, typer.Option("--one-file", help="Put the videos into the page itself.")] = False,
    players: PlayersOption = None,
    density: Annotated[float, typer.Option(help="How busy the players are: 0.1 to 2, 1 is a drummer's.")] = 1.0,
    kit: KitOption = "standard",
    soundfont: SoundfontOption = None,
    seed: Annotated[int, typer.Option(help="The one source of chance: of the music and of the orders.", min=0)] = 0,
    workers: WorkersOption = None,
    quiet: QuietOption = False,
) -> None:
    """Make a page that asks people which sound fits a movement best, or count what they answered (--tally).

    Each video is there with our drums, with drums to its rhythm shuffled, to a random rhythm, without sound, and as
    other systems made it. The page works from a disk; orders are balanced; each person saves a CSV.
    """
    if count:
        if other:
            raise OptionError("--other is for making a survey; leave it out with --tally")
        _count(files, out, json)
        return
    if json is not None:
        raise OptionError("--json is for --tally; leave it out where a survey is made")
    from kinebeat.survey import SurveySettings, make_survey

    settings = SurveySettings(
        question=question.value,
        title=title,
        seed=seed,
        density=density,
        kit=kit,
        soundfont=soundfont,
        instruments=tuple(player.value for player in players or ()),
        one_file=one_file,
    )
    with progress_bar(quiet) as progress:
        said = make_survey(files, out, settings, others=_others(other or []), workers=workers, progress=progress)
    warn(list(said))
    if not quiet:
        print(f"wrote {out / 'page'} (pass this folder on; people open index.html in it)")
        print(f"wrote {out / 'key.json'} (keep it: answers are counted with it)")


def _others(words: list[str]) -> dict[str, Path]:
    """Names and paths from NAME=PATH."""
    named: dict[str, Path] = {}
    for word in words:
        name, equals, path = word.partition("=")
        if not equals or not path:
            raise OptionError(f"--other {word}: expected NAME=PATH")
        if name in named:
            raise OptionError(f"--other {name} is named twice; give each system its own name")
        named[name] = Path(path)
    return named


def _count(files: list[Path], out: Path, json: Path | None) -> None:
    """Show the tables, and write them if wanted."""
    from kinebeat.evaluation.tables import as_text, write_json
    from kinebeat.survey import tally

    found = tally(files, out)
    if json is not None:
        write_json(found, json)
    warn(found["warnings"])
    print(f"{found['votes']} answers of {found['people']} people to survey {found['survey']}")
    for one in found["questions"]:
        print(f"\n{as_text({'table': one['asked'], 'rows': one['rows']})}")
        print(f"by place: {', '.join(str(place['votes']) for place in one['places'])}")
        for quoted in one["papers"]:
            print(f"\n{_quoted(quoted)}")


def _quoted(quoted: dict[str, Any]) -> str:
    """A paper's table in two lines."""
    votes = ", ".join(f"{name} {share:.1%}" for name, share in quoted["votes"].items())
    return f"{quoted['source']} ({quoted['asked']}):\n  {votes}"
