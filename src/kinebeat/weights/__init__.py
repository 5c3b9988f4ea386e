"""The shipped models and their registry.

A model is one or more ONNX graphs `NAME.PART.onnx` in this folder. `registry.json` says of each model where it comes
from, and holds whatever data belongs to its graphs (such as a vocabulary); a card `NAME.md` says it in prose.
"""

from __future__ import annotations

import hashlib
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
REGISTRY = "registry.json"


@dataclass(frozen=True)
class Weight:
    """One shipped model.

    Attributes:
        name: short name; the files are `NAME.PART.onnx`, the card is `NAME.md`.
        sha256: of the file of each part.
        constants: data that belongs to the graphs, by name.
        licence: of the weights.
        data: what it was trained on, and the data's licence.
        recipe: the command that trains it.
        scores: rows of the table it is in.
        date: when it was trained.
        folder: where its files are.
    """

    name: str
    sha256: dict[str, str]
    constants: dict[str, Any]
    licence: str
    data: str
    recipe: str
    scores: list[dict[str, Any]]
    date: str
    folder: Path = FOLDER

    def file(self, part: str) -> Path:
        """The ONNX file of a part."""
        return self.folder / f"{self.name}.{part}.onnx"

    @property
    def files(self) -> list[Path]:
        """All its ONNX files."""
        return [self.file(part) for part in self.sha256]

    @property
    def card(self) -> Path:
        """What a reader should know before using it."""
        return self.folder / f"{self.name}.md"


@cache
def registry(folder: Path | None = None) -> dict[str, Weight]:
    """All models of a folder, the shipped ones if none is given, by name.

    Raises:
        InputError: the folder has no registry.
    """
    where = folder or FOLDER
    try:
        text = (where / REGISTRY).read_text(encoding="utf-8")
    except OSError as error:
        remedy = "name the folder that a training was exported to"
        raise InputError(where / REGISTRY, f"no models ({error.strerror})", remedy) from error
    entries: dict[str, dict[str, Any]] = json.loads(text)
    return {name: Weight(name=name, folder=where, **entry) for name, entry in entries.items()}


def load(name: str, folder: Path | None = None) -> dict[str, NDArray[Any]]:
    """The parts of a model: ONNX graphs as uint8 arrays, constants as arrays.

    Args:
        name: a name in `registry(folder)`.
        folder: where it is; None for those that are shipped.

    Raises:
        InputError: there is no such model, or a file of it is missing or is not the one that was shipped.
    """
    remedy = "install kinebeat again" if folder is None else "export the training again"
    if name not in registry(folder):
        raise InputError((folder or FOLDER) / REGISTRY, f"expected a model {name!r} and found none", remedy)
    weight = registry(folder)[name]
    parts: dict[str, NDArray[Any]] = {key: np.array(value) for key, value in weight.constants.items()}
    for part, sha256 in weight.sha256.items():
        file = weight.file(part)
        try:
            content = file.read_bytes()
        except OSError as error:
            raise InputError(file, f"the model cannot be read ({error.strerror})", remedy) from error
        if hashlib.sha256(content).hexdigest() != sha256:
            raise InputError(file, "the model is not the one that was shipped (its sha256 differs)", remedy)
        parts[part] = np.frombuffer(content, np.uint8)
    return parts


def total_bytes() -> int:
    """Size of all shipped models together."""
    return sum(file.stat().st_size for weight in registry().values() for file in weight.files)
