"""What every verb shows of its work: progress and warnings, on the error stream."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kinebeat.clock import Progress


def warn(lines: list[str]) -> None:
    """One line each."""
    for line in lines:
        print(f"kinebeat: warning: {line}", file=sys.stderr)


@contextmanager
def progress_bar(quiet: bool) -> Iterator[Progress]:
    """A bar with the stage and the time left, on the error stream and only if someone is there to see it."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield lambda _stage, _share: None
        return
    with Progress(
        TextColumn("{task.description:>13}"),
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
