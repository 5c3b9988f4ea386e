"""How far a job has come, and how long it will still take, as far as that can be known."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

EXPECTED_S = {
    "checking": (0.5, 0.01),
    "drawing": (0.5, 0.5),
    "pose": (2.0, 0.3),
    "keyboard": (2.0, 0.02),
    "keypoints": (2.0, 0.25),
    "listening": (1.0, 0.1),
    "movement": (0.1, 0.002),
    "beats": (0.2, 0.01),
    "sound": (0.1, 0.005),
    "picture": (0.2, 0.1),
    "drums": (0.3, 0.015),
}
"""Seconds that a stage takes, for a start and for each second of the clip, before the machine is known."""
UNKNOWN_S = 15.0
"""Length of a clip that has not been looked into."""
BELIEVED_SHARE = 0.1
"""From this share of a stage on, what is left of it is told by how long it has taken."""
SOUNDTRACK = ("checking", "pose", "movement", "beats", "sound", "drums")
PERFORMANCE = ("checking", "keyboard", "keypoints", "listening", "sound")
KEYLESS = ("checking", "keypoints", "listening", "sound")


@dataclass
class Progress:
    """Of one job that is being worked on.

    Attributes:
        stages: that it goes through.
        duration_s: length of the clip; None while it is not known.
        stage: at which it is.
        share: of that stage.
    """

    stages: Sequence[str]
    duration_s: float | None = None
    stage: str | None = None
    share: float = 0.0
    _begun_s: float = field(default_factory=time.monotonic)

    def report(self, stage: str, share: float) -> bool:
        """Take word of a stage; whether it is another than before."""
        new = stage != self.stage
        if new:
            self.stage, self._begun_s = stage, time.monotonic()
        self.share = min(max(share, 0.0), 1.0)
        return new

    @property
    def done_share(self) -> float:
        """Of the whole, in [0, 1]."""
        before, now, after = self._expected_s()
        return (before + now * self.share) / max(before + now + after, 1e-6)

    @property
    def left_s(self) -> float:
        """Seconds until it is done."""
        _, now, after = self._expected_s()
        if self.share >= BELIEVED_SHARE:
            spent_s = time.monotonic() - self._begun_s
            return spent_s / self.share * (1 - self.share) + after
        return now * (1 - self.share) + after

    def _expected_s(self) -> tuple[float, float, float]:
        """Seconds for the stages before, the one at hand and those after it."""
        clip_s = UNKNOWN_S if self.duration_s is None else self.duration_s
        place = self.stages.index(self.stage) if self.stage in self.stages else 0
        spans = [start + each * clip_s for start, each in (EXPECTED_S[stage] for stage in self.stages)]
        return sum(spans[:place]), spans[place], sum(spans[place + 1 :])
