"""The orders of a survey, and the rhythms that are not the movement's."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from kinebeat.beats.grid import BeatGrid
from kinebeat.rhythm import Rhythm
from kinebeat.survey import rhythms
from kinebeat.survey.plan import OURS, QUESTIONS, RANDOM, SHUFFLED, SILENT, design, make_plan

GRID = BeatGrid(0.5 * np.arange(41), 1.0, "movement")
VERSIONS = [OURS, SHUFFLED, RANDOM, "theirs", SILENT]


@pytest.mark.parametrize("size", range(1, 9))
def test_in_a_design_places_and_neighbours_are_balanced(size):
    rows = design(size)
    assert all(sorted(row) == list(range(size)) for row in rows)
    places = Counter((place, one) for row in rows for place, one in enumerate(row))
    assert len(places) == size**2
    assert len(set(places.values())) == 1
    pairs = Counter(pair for row in rows for pair in pairwise(row))
    assert len(pairs) == size * (size - 1)
    assert len(set(pairs.values())) <= 1


def test_over_all_sheets_every_version_of_every_video_stands_everywhere_equally_often():
    plan = make_plan("s", ["a", "b", "c"], VERSIONS, list(QUESTIONS), seed=4)
    seen = Counter()
    turns = Counter()
    first = Counter()
    for number in range(plan.sheets):
        sheet = plan.sheet(number)
        assert len(sheet) == 6
        first[sheet[0][0].question] += 1
        for turn, (trial, codes) in enumerate(sheet):
            turns[trial.name, turn] += 1
            for place, code in enumerate(codes):
                seen[trial.name, trial.versions[code], place] += 1
    assert len(set(first.values())) == 1
    assert len(first) == 2
    assert len(seen) == 3 * 4 * 4 + 3 * 5 * 5
    for trial in plan.trials:
        assert len({count for (name, *_), count in seen.items() if name == trial.name}) == 1
        assert len({count for (name, _), count in turns.items() if name == trial.name}) == 1
    assert plan.sheet(plan.sheets) == plan.sheet(0)


def test_where_the_sound_is_in_question_no_version_is_silent():
    plan = make_plan("s", ["a"], VERSIONS, list(QUESTIONS), seed=0)
    by_question = {trial.question: set(trial.versions.values()) for trial in plan.trials}
    assert by_question == {"match": set(VERSIONS) - {SILENT}, "prefer": set(VERSIONS)}


def test_the_page_is_told_codes_alone():
    plan = make_plan("s", ["a.mp4"], VERSIONS, list(QUESTIONS), seed=0)
    told = str(plan.for_page())
    assert not any(name in told for name in (*VERSIONS, "a.mp4"))
    assert make_plan("s", ["a.mp4"], VERSIONS, list(QUESTIONS), seed=1).codes != plan.codes
    assert make_plan("s", ["a.mp4"], VERSIONS, list(QUESTIONS), seed=0) == plan


@pytest.fixture
def rhythm():
    rng = np.random.default_rng(1)
    steps = 160
    accent = np.where(rng.random(steps) < 0.2, rng.uniform(0.2, 1, steps), 0).astype(np.float32)
    beat = np.zeros(steps, np.float32)
    beat[::4] = 1
    offset = np.where(accent > 0, rng.uniform(-0.4, 0.4, steps), 0).astype(np.float32)
    return Rhythm(GRID, beat, accent, offset, rng.random(steps).astype(np.float32), np.ones(steps, bool))


def test_a_shuffled_rhythm_has_the_same_accents_elsewhere(rhythm):
    other = rhythms.shuffled(rhythm, 3)
    for name in ("beat", "accent", "accent_offset"):
        assert sorted(getattr(other, name)) == sorted(getattr(rhythm, name))
        assert (getattr(other, name) != getattr(rhythm, name)).any()
    together = set(zip(rhythm.accent.tolist(), rhythm.accent_offset.tolist(), strict=True))
    assert set(zip(other.accent.tolist(), other.accent_offset.tolist(), strict=True)) == together
    assert other.energy is rhythm.energy
    assert (rhythms.shuffled(rhythm, 3).accent == other.accent).all()
    assert (rhythms.shuffled(rhythm, 4).accent != other.accent).any()


def test_a_random_rhythm_is_on_half_the_time(rhythm):
    other = rhythms.random(rhythm, 3)
    assert 0.35 < other.beat.mean() < 0.65
    assert ((other.accent > 0) == (other.beat > 0)).all()
    assert set(other.accent[other.accent > 0]) <= set(rhythm.accent[rhythm.accent > 0])
    still = rhythms.random(
        Rhythm(rhythm.grid, rhythm.beat, 0 * rhythm.accent, rhythm.beat, rhythm.energy, rhythm.present), 3
    )
    assert set(still.accent.tolist()) == {0.0, rhythms.USUAL_STRENGTH}
