"""The shipped models and their registry.

A model is one file `NAME.npz` in this folder: its ONNX graphs as bytes, with whatever data belongs to them (such as
a vocabulary). `registry.json` says of each where it comes from; a card `NAME.md` beside the file says it in prose.
"""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kinebeat.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

FOLDER = Path(__file__).parent
REGISTRY = FOLDER / "registry.json"


@dataclass(frozen=True)
class Weight:
    """One shipped model.

    Attributes:
        name: short name; the file is `NAME.npz`, its card `NAME.md`.
        sha256: of the file.
        licence: of the weights.
        data: what it was trained on, and the data's licence.
        recipe: the command that trains it.
        scores: rows of the table it is in.
        date: when it was trained.
    """

    name: str
    sha256: str
    licence: str
    data: str
    recipe: str
    scores: list[dict[str, Any]]
    date: str

    @property
    def file(self) -> Path:
        """The file itself."""
        return FOLDER / f"{self.name}.npz"

    @property
    def card(self) -> Path:
        """What a reader should know before using it."""
        return FOLDER / f"{self.name}.md"


@cache
def registry() -> dict[str, Weight]:
    """All shipped models by name."""
    entries: dict[str, dict[str, Any]] = json.loads(REGISTRY.read_text(encoding="utf-8"))
    return {name: Weight(name=name, **entry) for name, entry in entries.items()}


def load(name: str) -> dict[str, NDArray[Any]]:
    """The parts of a shipped model; ONNX graphs are uint8 arrays.

    Args:
        name: a name in `registry()`.

    Raises:
        InputError: the file is missing or is not the one that was shipped.
    """
    weight = registry()[name]
    remedy = "install kinebeat again"
    try:
        content = weight.file.read_bytes()
    except OSError as error:
        raise InputError(weight.file, f"the model cannot be read ({error.strerror})", remedy) from error
    if hashlib.sha256(content).hexdigest() != weight.sha256:
        raise InputError(weight.file, "the model is not the one that was shipped (its sha256 differs)", remedy)
    with np.load(io.BytesIO(content)) as parts:
        return {part: parts[part] for part in parts.files}
