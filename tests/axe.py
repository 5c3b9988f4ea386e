"""The accessibility rules of axe-core (Deque), which is not part of this repository: npm fetches it once."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from browser import Tab

VERSION = "4.14.1"
DIGEST = "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c"
"""SHA-256 of its `axe.min.js`."""
RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
FETCHED_WITHIN_S = 60


def axe_source(kept: Path) -> str:
    """The script, from the file named by KINEBEAT_AXE, from an earlier run or from npm; else the test is skipped.

    Args:
        kept: a folder in which it is kept for the next run.
    """
    place = Path(os.environ.get("KINEBEAT_AXE") or kept / f"axe-{VERSION}.min.js")
    if not place.is_file():
        _fetch(place)
    source = place.read_bytes()
    assert hashlib.sha256(source).hexdigest() == DIGEST, f"{place} is not axe.min.js of axe-core {VERSION}"
    return source.decode()


def _fetch(place: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip(f"axe-core is not here: set KINEBEAT_AXE to axe.min.js of axe-core {VERSION}, or install npm")
    try:
        command = [npm, "pack", "--silent", f"axe-core@{VERSION}"]
        subprocess.run(command, cwd=place.parent, check=True, capture_output=True, timeout=FETCHED_WITHIN_S)
    except (subprocess.SubprocessError, OSError):
        pytest.skip("axe-core cannot be fetched by npm")
    archive = place.parent / f"axe-core-{VERSION}.tgz"
    with tarfile.open(archive) as packed:
        file = packed.extractfile("package/axe.min.js")
        assert file is not None
        place.write_bytes(file.read())
    archive.unlink()


def broken_rules(tab: Tab, source: str) -> list[str]:
    """Each rule that what is shown breaks, with the first elements that break it."""
    tab.value(f"{source}\nundefined")  # the debugger may do what the page's policy forbids its scripts
    found = tab.value(
        "axe.run(document, {runOnly: " + str(list(RULES)) + ", resultTypes: ['violations']}).then((told) =>"
        " told.violations.map(({id, help, nodes}) => `${id} (${help}): ` +"
        " nodes.slice(0, 5).map((n) => n.target.join(' ') + ' ' + (n.any[0]?.message ?? '')).join('; ')))"
    )
    return list(found)
