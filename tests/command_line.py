"""Runs the command line in the tests' own process."""

from __future__ import annotations

import signal
import sys

import pytest

from kinebeat.cli import main


def run(*words: object) -> int:
    """Run `kinebeat` with these words; its exit code."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["kinebeat", *map(str, words)])
        before = signal.getsignal(signal.SIGTERM)
        try:
            main()
        except SystemExit as leave:
            return int(leave.code or 0)
        finally:
            signal.signal(signal.SIGTERM, before)
    return 0
