"""The command line: the only place that prints, asks or exits."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING

import typer

from kinebeat.cli.batching import batch
from kinebeat.cli.live import play_live
from kinebeat.cli.performing import perform
from kinebeat.cli.research import evaluate_app, train_app
from kinebeat.cli.studio import open_studio
from kinebeat.cli.surveying import survey
from kinebeat.cli.verbs import app
from kinebeat.errors import KinebeatError

if TYPE_CHECKING:
    from types import FrameType

__all__ = ["app", "main"]

app.command("live")(play_live)
app.command("perform")(perform)
app.command("batch")(batch)
app.command("survey")(survey)
app.command("studio")(open_studio)
app.add_typer(evaluate_app, name="evaluate")
app.add_typer(train_app, name="train")

BAD_INPUT = 2
STOPPED = 130


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
