"""What can go wrong, said so that the reader knows what to do next.

Every error that bad input can cause is a `KinebeatError`; the command line shows its one line and exits with 2.
"""

from __future__ import annotations

from pathlib import Path


class KinebeatError(Exception):
    """Base of all errors caused by input or surroundings rather than by a defect in Kinebeat."""


class InputError(KinebeatError):
    """A file cannot be used. The message is one line: the file, what was found, and the remedy.

    Args:
        path: the file the user gave.
        problem: what was expected and what came.
        remedy: what to do next.
    """

    def __init__(self, path: str | Path, problem: str, remedy: str) -> None:
        super().__init__(f"{path}: {problem}; {remedy}")
        self.path = Path(path)
        self.problem = problem
        self.remedy = remedy


class OutputError(InputError):
    """A result cannot be written (no such folder, no permission, disk full)."""


class OptionError(KinebeatError):
    """An option or argument is outside what it may be."""
