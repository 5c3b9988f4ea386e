"""What the papers' listening tests found, to be shown beside ours. They asked other people about other videos."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Quoted:
    """One of the papers' tables.

    Attributes:
        source: where it is.
        asked: what was asked of whom.
        question: the one of ours that it is nearest to, a key of `kinebeat.survey.plan.QUESTIONS`.
        votes: share of the votes by version, as printed.
    """

    source: str
    asked: str
    question: str
    votes: dict[str, float]


RHYTHMICNET = "RhythmicNet (Su, Liu, Shlizerman, NeurIPS 2021)"
INTERACTIVEBEAT = "InteractiveBeat (Liu, Su, Shlizerman, WACV 2024)"
_RHYTHMICNET_ASKED = "85 people on Mechanical Turk, 10 videos in the wild of about 10 s each"

QUOTED = (
    Quoted(
        f"{RHYTHMICNET}, Table 5 left",
        f"in which video the sound best matches the movements; {_RHYTHMICNET_ASKED}",
        "match",
        {"Random": 0.308, "Shuffle": 0.278, "RhythmicNet": 0.414},
    ),
    Quoted(
        f"{RHYTHMICNET}, Table 5 right",
        f"the same with parts replaced; {_RHYTHMICNET_ASKED}",
        "match",
        {"Random + GrooVAE": 0.233, "Video2Rhythm + GrooVAE": 0.333, "Video2Rhythm + Rhythm2Drum": 0.434},
    ),
    Quoted(
        f"{RHYTHMICNET}, Table 4",
        f"which video is preferred; {_RHYTHMICNET_ASKED}",
        "prefer",
        {"No Soundtrack": 0.073, "Drums Only": 0.312, "Drums + Piano": 0.321, "Drums + Guitar": 0.294},
    ),
    Quoted(
        f"{INTERACTIVEBEAT}, Table 4, AIST",
        "which soundtrack is preferred",
        "prefer",
        {"Rule-based-Mono": 0.037, "RhythmicNet-Mono": 0.103, "RhythmicNet-Poly": 0.337, "InteractiveBeat": 0.523},
    ),
    Quoted(
        f"{INTERACTIVEBEAT}, Table 4, in the wild",
        "which soundtrack is preferred",
        "prefer",
        {"Rule-based-Mono": 0.030, "RhythmicNet-Mono": 0.127, "RhythmicNet-Poly": 0.353, "InteractiveBeat": 0.490},
    ),
    Quoted(
        f"{INTERACTIVEBEAT}, Table 5",
        "which drum soundtrack is preferred, considering alignment and latency; 30 videos, made live",
        "prefer",
        {"Rule-based-Mono": 0.037, "RhythmicNet-Mono": 0.113, "RhythmicNet-Poly": 0.353, "InteractiveBeat": 0.497},
    ),
)
