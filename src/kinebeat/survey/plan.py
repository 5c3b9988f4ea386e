"""What is asked, in which order, of whom: balanced, so that neither place nor turn favours a version.

Orders follow Williams' design: in every block of its rows each version stands in each place equally often, and follows
each other version equally often (Williams, Australian Journal of Scientific Research A 2, 1949).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import lcm
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

OURS, SHUFFLED, RANDOM, SILENT = "Kinebeat", "shuffled rhythm", "random rhythm", "no sound"
QUESTIONS = {
    "match": "In which video does the sound best match the movements?",
    "prefer": "Which video do you prefer?",
}
"""The papers' own words; the first is asked of those that have sound, the second of all."""
CODE_BYTES = 5


@dataclass(frozen=True)
class Trial:
    """One choice.

    Attributes:
        name: unique, such as "match-3".
        question: a key of `QUESTIONS`.
        video: number of the video.
        versions: what there is to choose from, by the code that the page knows it by.
    """

    name: str
    question: str
    video: int
    versions: dict[str, str]


@dataclass(frozen=True)
class Plan:
    """A whole survey.

    Attributes:
        survey: tells one survey from another.
        videos: names of the videos.
        codes: for each video the code of each version, by its name; codes are also the names of the media files.
        trials: all choices, by question.
    """

    survey: str
    videos: tuple[str, ...]
    codes: tuple[dict[str, str], ...]
    trials: tuple[Trial, ...]

    @property
    def sheets(self) -> int:
        """How many orders there are; with as many people, or twice as many, all is balanced."""
        blocks = self.blocks()
        rows = [len(design(len(trials[0].versions))) for trials in blocks]
        return len(blocks) * lcm(*rows, *(len(design(len(trials))) for trials in blocks))

    def blocks(self) -> list[list[Trial]]:
        """The trials of each question that is asked."""
        return [found for name in QUESTIONS if (found := [trial for trial in self.trials if trial.question == name])]

    def sheet(self, number: int) -> list[tuple[Trial, list[str]]]:
        """The order of one person: trials one after the other, each with its codes from the first place to the last.

        The page does the same (`page/survey.js`).

        Args:
            number: of the sheet, from 0.
        """
        blocks = self.blocks()
        turned = blocks[number % len(blocks) :] + blocks[: number % len(blocks)]
        asked = []
        for trials in turned:
            turns = design(len(trials))
            for place in turns[number // len(blocks) % len(turns)]:
                codes = list(trials[place].versions)
                rows = design(len(codes))
                asked.append((trials[place], [codes[i] for i in rows[(number + place) % len(rows)]]))
        return asked

    def for_page(self) -> dict[str, Any]:
        """All that the page is to know: nothing in it says which version is whose."""
        blocks: list[list[dict[str, Any]]] = [
            [
                {"name": one.name, "question": one.question, "video": one.video, "codes": list(one.versions)}
                for one in block
            ]
            for block in self.blocks()
        ]
        sizes = {len(trials) for trials in blocks} | {len(one["codes"]) for trials in blocks for one in trials}
        return {
            "survey": self.survey,
            "questions": QUESTIONS,
            "blocks": blocks,
            "designs": {str(size): design(size) for size in sorted(sizes)},
            "sheets": self.sheets,
        }


def design(size: int) -> list[list[int]]:
    """Williams' design: orders of 0 to `size` - 1, as many rows as things, or twice as many if they are odd."""
    first = [0]
    for step in range(1, size):
        first.append((first[-1] + (step if step % 2 else -step)) % size)
    rows = [[(row + place) % size for place in first] for row in range(size)]
    return rows + [row[::-1] for row in rows] if size % 2 and size > 1 else rows


def make_plan(survey: str, videos: Sequence[str], versions: Sequence[str], questions: Sequence[str], seed: int) -> Plan:
    """Draw up a survey.

    Args:
        survey: tells it from others.
        videos: names of the videos.
        versions: what there is of each; `SILENT` is not asked about where the sound is in question.
        questions: keys of `QUESTIONS`.
        seed: of the codes and of who stands where in the designs.
    """
    rng = np.random.default_rng(seed)
    codes = []
    taken: set[str] = set()
    for _ in videos:
        drawn: dict[str, str] = {}
        for version in versions:
            while (code := rng.bytes(CODE_BYTES).hex()) in taken:
                pass
            taken.add(code)
            drawn[version] = code
        codes.append(drawn)
    trials = []
    for question in questions:
        asked = [version for version in versions if question != "match" or version != SILENT]
        for number, video in enumerate(rng.permutation(len(videos)).tolist()):
            named = {codes[video][asked[i]]: asked[i] for i in rng.permutation(len(asked)).tolist()}
            trials.append(Trial(f"{question}-{number + 1}", question, video, named))
    return Plan(survey, tuple(videos), tuple(codes), tuple(trials))
