"""The verb `studio`: a page on which videos get their soundtracks."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kinebeat.cli.options import QuietOption, SoundfontOption
from kinebeat.errors import OptionError
from kinebeat.studio.settings import HOST, PORT

if TYPE_CHECKING:
    from kinebeat.studio.settings import StudioSettings

DATA = Path("~/.kinebeat/studio")
PASSWORD = "KINEBEAT_PASSWORD"  # noqa: S105  the name of the variable
SHORTEST_PASSWORD = 8


def open_studio(
    port: Annotated[int, typer.Option(help="Of the page; 0 takes a free one.", min=0, max=65535)] = PORT,
    host: Annotated[
        str,
        typer.Option(help="Address to serve on; any that others can reach needs a password."),
    ] = HOST,
    name: Annotated[
        list[str] | None, typer.Option(help="A name that leads here, such as studio.local; may be given again.")
    ] = None,
    data: Annotated[Path, typer.Option(help="Folder in which videos and soundtracks are kept.")] = DATA,
    password: Annotated[
        bool, typer.Option("--password", help=f"Ask for a password to set; or set {PASSWORD} in the environment.")
    ] = False,
    largest_mb: Annotated[int, typer.Option(help="Megabytes that a video may have.", min=1)] = 500,
    longest_minutes: Annotated[float, typer.Option(help="Minutes that a video may last.")] = 10.0,
    waiting: Annotated[int, typer.Option(help="Videos that may wait for their turn.", min=1, max=1000)] = 20,
    workers: Annotated[
        int | None, typer.Option(help="Processes that look for the person.", show_default="all cores", min=1)
    ] = None,
    soundfont: SoundfontOption = None,
    browser: Annotated[bool, typer.Option(help="Open the page in the browser.")] = True,
    quiet: QuietOption = False,
) -> None:
    """Open the studio: a page for dropping videos, and for hearing, changing and taking away their soundtracks."""
    from kinebeat.serving.names import is_loopback, own_names
    from kinebeat.studio.settings import Limits, StudioSettings

    if not 0 < longest_minutes <= 24 * 60:
        raise OptionError(f"--longest-minutes {longest_minutes:g}: expected more than 0, up to a day")
    words = _password(password)
    if words is None and not is_loopback(host):
        raise OptionError(f"--host {host} lets others in, which needs a password; give --password, or set {PASSWORD}")
    own_names(host, port, name or ())
    settings = StudioSettings(
        data=data.expanduser(),
        host=host,
        port=port,
        names=tuple(name or ()),
        password=words,
        limits=Limits(upload_bytes=largest_mb * 2**20, longest_s=60 * longest_minutes, waiting=waiting),
        live=is_loopback(host),
        workers=workers,
        soundfont=soundfont,
    )
    _run(settings, browser, quiet)


def _run(settings: StudioSettings, browser: bool, quiet: bool) -> None:
    """Serve until somebody ends it; that is how it should end, so it is no failure."""
    from kinebeat.studio.server import serve

    def ready(url: str) -> None:
        import webbrowser

        print(f"the studio is at {url}", flush=True)
        if not quiet:
            print("Ctrl-C ends it; what is not finished then goes on next time", flush=True)
        if browser:
            webbrowser.open(url)

    def log(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    with suppress(KeyboardInterrupt):
        serve(settings, ready=ready, log=log)
    if not quiet:
        print("the studio is closed", flush=True)


def _password(ask: bool) -> str | None:
    """The password that is to be set, if any."""
    words = os.environ.get(PASSWORD) or None
    if ask and words is None:
        if not sys.stdin.isatty():
            raise OptionError(f"--password asks on a terminal, and there is none; set {PASSWORD} instead")
        words = typer.prompt("password to set", hide_input=True, confirmation_prompt=True, err=True)
    if words is not None and not SHORTEST_PASSWORD <= len(words) <= 200:
        raise OptionError(f"the password has {len(words)} letters; choose one of at least {SHORTEST_PASSWORD}")
    return words
