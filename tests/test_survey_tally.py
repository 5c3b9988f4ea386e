"""Answers counted: against figures made by hand, and answers that are not what they should be."""

import csv
import json

import pytest

from command_line import run
from kinebeat.errors import InputError
from kinebeat.survey import tally
from kinebeat.survey.papers import QUOTED
from kinebeat.survey.plan import OURS, QUESTIONS, RANDOM, SHUFFLED, SILENT, make_plan

VERSIONS = [OURS, SHUFFLED, RANDOM, SILENT]
PLAN = make_plan("abc", [f"{n}.mp4" for n in range(5)], VERSIONS, list(QUESTIONS), seed=0)


@pytest.fixture
def survey(tmp_path):
    trials = [vars(trial) for trial in PLAN.trials]
    (tmp_path / "key.json").write_text(json.dumps({"survey": "abc", "trials": trials}))
    return tmp_path


def write(path, session: str, chosen, sheet: int = 0, **changed: str):
    """What one person answered; `chosen` gives the version for a trial's question and place."""
    rows = []
    for place, (trial, codes) in enumerate(PLAN.sheet(sheet)):
        version = chosen(trial.question, place)
        code = next(code for code, name in trial.versions.items() if name == version)
        rows.append(
            {
                "survey": "abc",
                "session": session,
                "trial": trial.name,
                "shown": " ".join(codes),
                "chosen": code,
                **changed,
            }
        )
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return path


def by_name(found, question: str) -> dict[str, dict]:
    one = next(one for one in found["questions"] if one["question"] == question)
    return {row["name"]: row for row in one["rows"]}


def test_votes_shares_and_intervals(survey):
    one = write(survey / "1.csv", "p1", lambda question, _: OURS)
    two = write(survey / "2.csv", "p2", lambda question, place: OURS if place % 2 else SHUFFLED, sheet=1)
    found = tally([one, two], survey)
    assert (found["people"], found["votes"], found["warnings"]) == (2, 20, [])
    match = by_name(found, "match")
    assert set(match) == {OURS, SHUFFLED, RANDOM}
    ours = match[OURS]["votes"]
    assert ours in (7, 8)
    assert match[SHUFFLED]["votes"] == 10 - ours
    assert (match[RANDOM]["votes"], match[RANDOM]["of"], match[RANDOM]["chance"]) == (0, 10, pytest.approx(1 / 3))
    # Wilson (1927), by hand: (p + z^2 / 2n +- z sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n)
    z, n, p = 1.959964, 10, ours / 10
    half = z * (p * (1 - p) / n + z * z / (4 * n * n)) ** 0.5
    low, high = ((p + z * z / (2 * n) + side * half) / (1 + z * z / n) for side in (-1, 1))
    assert (match[OURS]["low"], match[OURS]["high"]) == (pytest.approx(low, abs=1e-5), pytest.approx(high, abs=1e-5))
    assert match[RANDOM]["low"] == 0
    assert 0.27 < match[RANDOM]["high"] < 0.29
    assert match[RANDOM]["p"] == pytest.approx(
        0.0361, abs=1e-3
    )  # (2/3)^10 = .0173, and 7 or more votes: .0197 less ...
    assert match[OURS]["people_low"] <= match[OURS]["share"] <= match[OURS]["people_high"] == 1.0
    prefer = by_name(found, "prefer")
    assert set(prefer) == set(VERSIONS)
    assert prefer[OURS]["chance"] == 0.25
    assert sum(row["votes"] for row in prefer.values()) == 10
    for one in found["questions"]:
        assert sum(place["votes"] for place in one["places"]) == 10


def test_one_person_has_no_spread_over_people(survey):
    found = tally([write(survey / "1.csv", "p1", lambda *_: OURS)], survey)
    assert by_name(found, "match")[OURS]["people_low"] is None


def test_what_is_there_twice_counts_once(survey):
    one = write(survey / "1.csv", "p1", lambda *_: OURS)
    found = tally([one, one], survey)
    assert found["votes"] == 10
    assert "10 answers are there twice" in found["warnings"][0]
    other = write(survey / "2.csv", "p1", lambda *_: SHUFFLED)
    with pytest.raises(InputError, match="answered otherwise"):
        tally([one, other], survey)


def test_who_did_not_answer_all_is_told_and_counts(survey):
    one = write(survey / "1.csv", "p1", lambda *_: OURS)
    one.write_text("".join(one.read_text().splitlines(keepends=True)[:4]))
    found = tally([one], survey)
    assert found["votes"] == 3
    assert "1 of 1 people have not answered everything" in found["warnings"][0]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "has no column 'survey'"),
        ("survey,session,trial,shown,chosen\n", "there are no answers"),
        ("survey,session,trial,shown,chosen\nabc,p\n", "line 2 is not whole"),
        ("survey,session,trial,shown,chosen\nother,p,match-1,a b,a\n", "is of survey other, not of abc"),
        ("survey,session,trial,shown,chosen\nabc,p,match-99,a b,a\n", "line 2 answers what the survey did not ask"),
        ("survey,session,trial,shown,chosen\nabc,p,match-1,a b,a\n", "line 2 answers what the survey did not ask"),
        ('survey,session\n"abc\n', "is not a CSV file"),
        ("\udcff", "is not a CSV file"),
    ],
)
def test_what_is_not_an_answer_is_refused(content, said, survey, capsys):
    path = survey / "bad.csv"
    path.write_bytes(content.encode(errors="surrogateescape"))
    assert run("survey", "--tally", path, "--out", survey) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "said"), [(None, "cannot be read"), ("{}", "is not the key"), ("x", "is not the key")]
)
def test_without_the_key_nothing_is_counted(content, said, survey, capsys):
    one = write(survey / "1.csv", "p1", lambda *_: OURS)
    (survey / "key.json").unlink()
    if content is not None:
        (survey / "key.json").write_text(content)
    assert run("survey", "--tally", one, "--out", survey) == 2
    assert said in capsys.readouterr().err


def test_the_command_shows_the_papers_tables_beside(survey, capsys):
    one, two = (write(survey / f"{n}.csv", f"p{n}", lambda *_: OURS, sheet=n) for n in (1, 2))
    assert run("survey", "--tally", one, two, "--out", survey, "--json", survey / "t.json") == 0
    said = capsys.readouterr().out
    assert "20 answers of 2 people to survey abc" in said
    for question in QUESTIONS.values():
        assert question in said
    assert "Random 30.8%, Shuffle 27.8%, RhythmicNet 41.4%" in said
    assert "No Soundtrack 7.3%, Drums Only 31.2%, Drums + Piano 32.1%, Drums + Guitar 29.4%" in said
    assert "InteractiveBeat 49.7%" in said
    assert json.loads((survey / "t.json").read_text())["votes"] == 20


def test_what_is_quoted_adds_up():
    for quoted in QUOTED:
        assert sum(quoted.votes.values()) == pytest.approx(1.0, abs=0.0011)


@pytest.mark.parametrize("words", [["--other", "a=b"], []])
def test_options_of_the_other_half_are_refused(words, survey, capsys):
    one = write(survey / "1.csv", "p1", lambda *_: OURS)
    half = ["--tally"] if words else ["--json", survey / "t.json"]
    assert run("survey", one, "--out", survey, *half, *words) == 2
    assert "leave it out" in capsys.readouterr().err
