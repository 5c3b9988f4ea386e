"""The contrast that a style gets before it is played."""

from __future__ import annotations

import numpy as np
import pytest

from kinebeat.live.style.contrast import METRE, SHARES, STRENGTHS, contrasted


def test_a_flat_style_becomes_the_metre():
    style = contrasted(np.full(16, 0.8))
    by_step = style.reshape(4, 4).mean(0)
    assert np.argsort(by_step).tolist() == np.argsort(METRE).tolist()
    assert style.max() == pytest.approx(0.8, rel=0.01)
    assert (style == 0).sum() == 4


def test_what_the_movement_says_clearly_stays_in_its_order():
    said = np.random.default_rng(0).permutation(16) / 15
    strong = np.zeros(16)
    strong[[1, 7, 10, 15]] = 1.0
    assert set(np.argsort(contrasted(strong))[-4:]) == {1, 7, 10, 15}
    assert np.corrcoef(contrasted(said), said)[0, 1] > 0.9


def test_nothing_stays_nothing_and_little_stays_little():
    assert (contrasted(np.zeros(16)) == 0).all()
    assert contrasted(np.full(16, 0.1)).max() == pytest.approx(0.1)
    assert list(SHARES) == sorted(SHARES)
    assert list(STRENGTHS) == sorted(STRENGTHS)
