"""The report of a soundtrack: what was heard, what is played, how well they agree, as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from kinebeat.beats.grid import BEATS_PER_BAR
from kinebeat.drums.kit import DRUMS
from kinebeat.evaluation.alignment import Alignment, pooled_alignment
from kinebeat.evaluation.tables import versions

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from kinebeat.pipeline import Soundtrack


def report(made: Soundtrack) -> dict[str, Any]:
    """Everything about a soundtrack that a script may want; times in seconds of the clip, units in the names."""
    time_s, drum, velocity = made.drums.onsets()
    inside = (time_s >= 0) & (time_s < made.duration_s)
    events = made.events()
    settings = made.settings
    return {
        "source": str(made.source),
        "duration_s": made.duration_s,
        "tempo_bpm": made.grid.tempo_bpm,
        "beat_source": made.grid.source,
        "beat_confidence": made.grid.confidence,
        "beats_s": _rounded(made.grid.inside(made.duration_s)),
        "downbeats_s": _rounded(made.grid.inside(made.duration_s, every=BEATS_PER_BAR)),
        "accents_s": _rounded(made.accents.times_s),
        "accent_strength": _rounded(made.accents.strength),
        "movement_peaks_s": _rounded(made.peaks.times_s),
        "onsets": [
            {
                "time_s": round(float(t), 4),
                "pitch": DRUMS[d].pitch,
                "drum": DRUMS[d].name,
                "velocity": round(float(v), 3),
            }
            for t, d, v in zip(time_s[inside], drum[inside], velocity[inside], strict=True)
        ],
        "alignment": {
            "movement_to_sound": _alignment(pooled_alignment([events])),
            "sound_to_movement": _alignment(pooled_alignment([events], reverse=True)),
        },
        "detected_share": made.pose.detected_share,
        "seconds_by_stage": {stage: round(seconds, 3) for stage, seconds in made.seconds.items()},
        "warnings": list(made.warnings),
        "versions": versions(),
        "seed": settings.seed,
        "settings": {
            "tempo_bpm": settings.tempo_bpm,
            "density": settings.density,
            "kit": settings.kit,
            "soundfont": None if settings.soundfont is None else str(settings.soundfont),
        },
    }


def _alignment(score: Alignment) -> dict[str, float | int | None]:
    """An alignment with None for what cannot be said (JSON has no NaN)."""
    return {
        name: value if isinstance(value, int) or np.isfinite(value) else None for name, value in vars(score).items()
    }


def _rounded(values: ArrayLike) -> list[float]:
    return [round(float(value), 4) for value in np.asarray(values)]
