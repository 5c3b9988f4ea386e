"""Puts a model that plays at random in the place of the trained one, for tests of what is made of its notes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from accompaniments import RandomModel
from kinebeat.accompaniment import accompanist

if TYPE_CHECKING:
    import pytest


TRAINED = accompanist.shipped_model


def invent(patch: pytest.MonkeyPatch) -> None:
    """From now on the accompanist plays at random, by the seed, within its rules."""
    patch.setattr(accompanist, "shipped_model", RandomModel)


def read_music(patch: pytest.MonkeyPatch) -> None:
    """From now on the accompanist plays as it was trained."""
    patch.setattr(accompanist, "shipped_model", TRAINED)
