"""Writes the page: one HTML file that needs no server, and its videos beside it or within it."""

from __future__ import annotations

import base64
import hashlib
import html
import importlib.resources
import json
import re
import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from kinebeat.survey.plan import Plan

INDEX = "index.html"


def write_page(plan: Plan, folder: Path, media: Path, *, title: str, one_file: bool) -> None:
    """Write `index.html`, which opens from a disk as well as from a server.

    Args:
        plan: of the survey.
        folder: where to.
        media: the videos by code, a folder in `folder`; it goes if they are put into the page.
        title: of the page.
        one_file: put the videos into the page.
    """
    parts = importlib.resources.files("kinebeat.survey") / "page"
    style, script = ((parts / name).read_text(encoding="utf-8") for name in ("style.css", "survey.js"))
    files = {path.stem: path for path in sorted(media.iterdir())}
    plain = {code: f"{media.name}/{path.name}" for code, path in files.items()}
    told = plan.for_page() | {
        "title": title,
        "media": {code: _data(path) for code, path in files.items()} if one_file else plain,
    }
    policy = (
        "default-src 'none'; base-uri 'none'; form-action 'none'; "
        f"script-src '{_digest(script)}'; style-src '{_digest(style)}'; media-src 'self' file: data:"
    )
    page = (parts / INDEX).read_text(encoding="utf-8")
    values = {
        "policy": policy,
        "title": html.escape(title),
        "style": style,
        "script": script,
        # "</" would end the element that holds it
        "survey": json.dumps(told).replace("<", "\\u003c"),
    }
    page = re.sub(r"\{\{(\w+)\}\}", lambda mark: values[mark[1]], page)
    (folder / INDEX).write_text(page, encoding="utf-8")
    if one_file:
        shutil.rmtree(media)


def _data(path: Path) -> str:
    return "data:video/mp4;base64," + base64.b64encode(path.read_bytes()).decode()


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
