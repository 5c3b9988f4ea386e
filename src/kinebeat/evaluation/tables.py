"""What every evaluation and benchmark writes: rows of figures, and where and how they were measured."""

from __future__ import annotations

import json
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from kinebeat.files import atomic_output

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_PACKAGES = ("kinebeat", "mediapipe", "numpy", "onnxruntime", "av", "symusic")


def table(name: str, rows: Sequence[dict[str, Any]], *, data: str, seconds: float) -> dict[str, Any]:
    """A table ready to be written as JSON.

    Args:
        name: what the table shows.
        rows: one dictionary a row with "name" and figures, units in their names.
        data: what it was measured on.
        seconds: how long measuring took.
    """
    return {
        "table": name,
        "rows": list(rows),
        "data": data,
        "commit": commit(),
        "machine": machine(),
        "versions": versions(),
        "seconds": round(seconds, 2),
    }


def write_json(content: dict[str, Any], path: Path) -> None:
    """Write a table, whole or not at all.

    Raises:
        OutputError: the file cannot be written.
    """
    with atomic_output(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2, allow_nan=True) + "\n", encoding="utf-8")


def machine() -> str:
    """The machine in words: processor, cores, system."""
    import os

    return f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"


def versions() -> dict[str, str]:
    """Versions of Kinebeat and of the libraries that decide its results."""
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def commit() -> str | None:
    """Commit of the source tree that is running, if it is one."""
    from pathlib import Path

    here = Path(__file__).resolve().parent
    try:
        done = subprocess.run(  # noqa: S603 - nothing of it comes from outside
            ["git", "-C", str(here), "rev-parse", "--short", "HEAD"],  # noqa: S607 - git as the user has it
            capture_output=True,
            text=True,
            timeout=5,
            check=False,
        )
    except OSError:
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None


def as_text(content: dict[str, Any]) -> str:
    """A table as aligned text for the screen."""
    columns: list[str] = []
    for row in content["rows"]:
        columns += [key for key in row if key not in columns]
    lines = [columns] + [[_cell(row.get(key)) for key in columns] for row in content["rows"]]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    text = [
        "  ".join(
            cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    ]
    return "\n".join([content["table"], *text])


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value)
