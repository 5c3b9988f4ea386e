"""It is said when nobody holds the instrument that is named."""

from dataclasses import replace

import numpy as np
import pytest

from kinebeat.performance.features import LAYOUT
from kinebeat.performance.instruments import INSTRUMENTS
from kinebeat.performance.postures import POSTURES, unlike
from kinebeat.performance.truth.simulator.parts import random_part
from kinebeat.performance.truth.simulator.simulate import simulate


@pytest.fixture(scope="module")
def tracks():
    made = {}
    for name in POSTURES:
        rng = np.random.default_rng(5)
        made[name] = simulate(random_part(name, rng, 6.0), name, rng).track
    return made


def test_every_instrument_without_keys_has_its_posture(tracks):
    assert set(POSTURES) == {name for name, of in INSTRUMENTS.items() if of.family != "keys"}
    assert sum(unlike(track, name) == () for name, track in tracks.items()) >= 10
    assert unlike(tracks["violin"], "piano") == ()


def test_who_plays_something_else_is_told_of(tracks):
    for played, named in (("flute", "guitar"), ("accordion", "violin"), ("guitar", "trumpet"), ("bassoon", "flute")):
        (said,) = unlike(tracks[played], named)
        assert named in said


def test_nobody_is_judged_by_what_is_not_seen(tracks):
    track = tracks["flute"]
    xy = track.xy.copy()
    xy[:, LAYOUT.index("left_shoulder")] = np.nan
    assert unlike(replace(track, xy=xy), "guitar") == ()
