"""Instruments come to their level beside the drums, whatever font plays them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from kinebeat.balance import MOST_DB, balanced
from kinebeat.beats.grid import BeatGrid
from kinebeat.score import Score, Track
from kinebeat.soundfont import open_soundfont
from kinebeat.synth import Sampler, render
from soundfonts import ATTENUATION, LOOPED, SAMPLE, sine, write_soundfont

if TYPE_CHECKING:
    from pathlib import Path

    from kinebeat.soundfont import SoundFont


def font(path: Path, piano: dict[int, int], drums: dict[int, int]) -> SoundFont:
    """A font whose drums and piano are sines of these generators."""
    samples = [(sine(500, 0.1), (0, 4800), 60)]
    presets = {(0, 0): [piano | {LOOPED: 1, SAMPLE: 0}], (128, 0): [drums | {LOOPED: 0, SAMPLE: 0}]}
    return open_soundfont(write_soundfont(path, samples, presets))


def score(level_db: float = 0.0) -> Score:
    def track(name: str, is_drum: bool, level_db: float) -> Track:
        return Track(name, 0, is_drum, *(np.array([x]) for x in (0.1, 0.5, 60, 100)), level_db=level_db)

    return Score((track("Drums", True, 0.0), track("Piano", False, level_db)), BeatGrid(np.arange(9) * 0.5), 1.0)


def test_a_louder_font_is_made_quieter(tmp_path: Path) -> None:
    plain, soft = font(tmp_path / "a.sf2", {}, {}), font(tmp_path / "b.sf2", {ATTENUATION: 200}, {})
    there, here = (balanced(score(), Sampler(one)).tracks[1].level_db for one in (soft, plain))
    assert there - here == pytest.approx(8.0, abs=0.05)  # 20 dB, of which cards heed 4 in 10
    loud = font(tmp_path / "c.sf2", {}, {ATTENUATION: 100})
    assert balanced(score(), Sampler(loud)).tracks[1].level_db - here == pytest.approx(-4.0, abs=0.05)


def test_a_level_is_kept_relative_and_drums_are_left_alone(tmp_path: Path) -> None:
    one = font(tmp_path / "a.sf2", {}, {})
    made, louder = (balanced(score(level_db), Sampler(one)).tracks for level_db in (0.0, 3.0))
    assert louder[1].level_db - made[1].level_db == pytest.approx(3.0)
    assert made[0] is not None
    assert made[0].level_db == 0.0
    alone = replace(score(), tracks=score().tracks[:1])
    assert balanced(alone, Sampler(one)) is alone


def test_an_instrument_that_is_not_there_is_not_made_infinitely_loud(tmp_path: Path) -> None:
    silent = font(tmp_path / "a.sf2", {ATTENUATION: 1440, 43: 0}, {})  # and no key but 0
    assert balanced(score(), Sampler(silent)).tracks[1].level_db == MOST_DB


def test_place_and_level_are_heard(tmp_path: Path) -> None:
    one = font(tmp_path / "a.sf2", {}, {})
    middle = score().tracks[1]

    def power(track: Track) -> np.ndarray:
        return np.square(render(Score((track,), BeatGrid(np.arange(9) * 0.5), 1.0), one), dtype=float).mean(0)

    left, right = power(middle)
    assert left == pytest.approx(right)
    left_db, right_db = 10 * np.log10(power(replace(middle, pan=-0.5)) / left)
    assert left_db == pytest.approx(20 * np.log10(np.sqrt(2) * np.cos(np.pi / 8)), abs=1e-3)
    assert right_db == pytest.approx(20 * np.log10(np.sqrt(2) * np.sin(np.pi / 8)), abs=1e-3)
    assert power(replace(middle, pan=1.0))[0] < 1e-12
    assert 10 * np.log10(power(replace(middle, level_db=-6.0))[0] / left) == pytest.approx(-6.0, abs=1e-3)
