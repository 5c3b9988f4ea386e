"""Puts a model that plays at random in the place of the trained one, for tests of what is made of its notes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from accompaniments import RandomModel

if TYPE_CHECKING:
    import pytest


def invent(patch: pytest.MonkeyPatch) -> None:
    """From now on the accompanist plays at random, by the seed, within its rules."""
    patch.setattr("kinebeat.accompaniment.accompanist.load", lambda name: {})
    patch.setattr("kinebeat.accompaniment.accompanist.AccompanimentModel", lambda parts: RandomModel())
