"""Counts the answers of a survey: votes with intervals, where they fell, and the papers' tables beside them.

Shares have Wilson's 95 % interval, as if every vote were another person's, and one over people: those that took part
are drawn again, with all their votes, 2000 times. Where one person's votes are alike the second is wider, and the one
to go by.
"""

from __future__ import annotations

import csv
import json
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kinebeat.errors import InputError
from kinebeat.survey.making import KEY
from kinebeat.survey.papers import QUOTED
from kinebeat.survey.plan import QUESTIONS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

NEEDED = ("survey", "session", "trial", "shown", "chosen")
LARGEST_BYTES = 1 << 26
DRAWS = 2000
LEVEL = 0.95
_REMEDY = "give the files that the survey's page saved, as they are"


@dataclass(frozen=True)
class Vote:
    """One answer.

    Attributes:
        session: of whom.
        question: a key of `QUESTIONS`.
        version: the name of what was chosen.
        position: where it stood, from 1.
        asked: names of all that there were to choose from.
    """

    session: str
    question: str
    version: str
    position: int
    asked: tuple[str, ...]


def tally(answers: Sequence[str | Path], survey: str | Path) -> dict[str, Any]:
    """Count answers.

    Args:
        answers: CSV files that the page saved, of any number of people; an answer that is in two of them counts once.
        survey: the folder of the survey, or its `key.json`.

    Returns:
        "people", "votes", "warnings", and "questions": for each the rows of its versions, of the places, and the
        papers' tables.

    Raises:
        InputError: a file is not of this survey, or cannot be read.
    """
    key = read_key(Path(survey))
    votes, warnings = _votes([Path(path) for path in answers], key)
    return {
        "survey": key["survey"],
        "people": len({vote.session for vote in votes}),
        "votes": len(votes),
        "warnings": warnings,
        "questions": [
            _counted(name, [vote for vote in votes if vote.question == name])
            for name in QUESTIONS
            if any(vote.question == name for vote in votes)
        ],
    }


def read_key(survey: Path) -> dict[str, Any]:
    """The key of a survey.

    Raises:
        InputError: there is none.
    """
    path = survey / KEY if survey.is_dir() else survey
    remedy = f"name the folder of the survey, in which {KEY} is"
    try:
        key: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        key["trials"] = {trial["name"]: trial for trial in key["trials"]}
        if not all({"question", "versions"} <= set(trial) for trial in key["trials"].values()) or "survey" not in key:
            raise KeyError
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror})", remedy) from error
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(path, "is not the key of a survey", remedy) from error
    return key


def _votes(paths: Sequence[Path], key: dict[str, Any]) -> tuple[list[Vote], list[str]]:
    """All answers, each once, and what is to be said of them."""
    found: dict[tuple[str, str], Vote] = {}
    twice = 0
    for path in paths:
        for number, row in enumerate(_rows(path), start=2):
            vote = _vote(path, number, row, key)
            place = vote.session, row["trial"]
            if place in found and found[place] != vote:
                raise InputError(path, f"line {number} answers what {vote.session} has answered otherwise", _REMEDY)
            twice += place in found
            found[place] = vote
    if not found:
        raise InputError(paths[0] if paths else "answers", "there are no answers", _REMEDY)
    warnings = [f"{twice} answers are there twice and count once"] if twice else []
    answered = Counter(session for session, _ in found)
    part = sum(count < len(key["trials"]) for count in answered.values())
    if part:
        warnings.append(f"{part} of {len(answered)} people have not answered everything; what they answered counts")
    return list(found.values()), warnings


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise InputError(path, "is too large for a file of answers", _REMEDY)
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, strict=True)
            rows, columns = list(reader), reader.fieldnames or ()
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror})", _REMEDY) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(path, "is not a CSV file", _REMEDY) from error
    missing = [name for name in NEEDED if name not in columns]
    if missing:
        raise InputError(path, f"has no column {missing[0]!r}", _REMEDY)
    return rows


def _vote(path: Path, number: int, row: dict[str, str], key: dict[str, Any]) -> Vote:
    if any(not row[name] for name in NEEDED):
        raise InputError(path, f"line {number} is not whole", _REMEDY)
    if row["survey"] != key["survey"]:
        raise InputError(
            path, f"is of survey {row['survey']}, not of {key['survey']}", "name the folder of that survey"
        )
    trial = key["trials"].get(row["trial"])
    shown = row["shown"].split()
    if trial is None or row["chosen"] not in shown or sorted(shown) != sorted(trial["versions"]):
        raise InputError(path, f"line {number} answers what the survey did not ask", _REMEDY)
    versions = trial["versions"]
    chosen = row["chosen"]
    return Vote(
        row["session"], trial["question"], versions[chosen], shown.index(chosen) + 1, tuple(sorted(versions.values()))
    )


def _counted(question: str, votes: list[Vote]) -> dict[str, Any]:
    """One question's rows."""
    names = sorted({name for vote in votes for name in vote.asked})
    by_person = _by_person(votes, names)
    drawn = _drawn_again(by_person)
    rows: list[dict[str, Any]] = []
    for number, name in enumerate(names):
        asked = [vote for vote in votes if name in vote.asked]
        chance = float(np.mean([1 / len(vote.asked) for vote in asked]))
        count = sum(vote.version == name for vote in asked)
        low, high, p = _interval(count, len(asked), chance)
        row: dict[str, Any] = {
            "name": name,
            "votes": count,
            "of": len(asked),
            "share": count / len(asked),
            "low": low,
            "high": high,
        }
        people = (None, None) if drawn is None else tuple(np.quantile(drawn[:, number], (0.025, 0.975)).tolist())
        rows.append(row | {"people_low": people[0], "people_high": people[1], "chance": chance, "p": p})
    rows.sort(key=lambda row: -row["share"])
    places = Counter(vote.position for vote in votes)
    return {
        "question": question,
        "asked": QUESTIONS[question],
        "rows": rows,
        "places": [{"name": f"place {place}", "votes": places[place]} for place in range(1, max(places) + 1)],
        "papers": [vars(quoted) for quoted in QUOTED if quoted.question == question],
    }


def _interval(count: int, of: int, chance: float) -> tuple[float, float, float]:
    """Wilson's interval of a share, and how likely one as far from chance is by chance (exact, two-sided)."""
    from scipy.stats import binomtest

    found = binomtest(count, of, chance)
    interval = found.proportion_ci(LEVEL, method="wilson")
    return float(interval.low), float(interval.high), float(found.pvalue)


def _by_person(votes: list[Vote], names: list[str]) -> NDArray[np.float64]:
    """(P, 2, V) votes for each version, and how often it was asked about, of each person."""
    people: defaultdict[str, NDArray[np.float64]] = defaultdict(lambda: np.zeros((2, len(names))))
    for vote in votes:
        people[vote.session][0, names.index(vote.version)] += 1
        people[vote.session][1, [names.index(name) for name in vote.asked]] += 1
    return np.array(list(people.values()))


def _drawn_again(by_person: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """(DRAWS, V) shares among people drawn again; None for fewer than two people."""
    count = len(by_person)
    if count < 2:
        return None
    weights = np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), DRAWS)
    sums = np.einsum("dp,pkv->dkv", weights.astype(float), by_person)
    return np.asarray(sums[:, 0] / np.maximum(sums[:, 1], 1))
