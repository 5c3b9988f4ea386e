"""What is played in a variant, in JSON for the page: everything its time axis shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from kinebeat.beats.grid import BEATS_PER_BAR
from kinebeat.drums.kit import DRUMS
from kinebeat.faders import ORIGINAL
from kinebeat.report import alignment_told, harmony_told

if TYPE_CHECKING:
    from kinebeat.performance.pipeline import Performance
    from kinebeat.pipeline import Soundtrack
    from kinebeat.score import Track

    Message = dict[str, Any]


def variant_told(made: Soundtrack, wish: Message) -> Message:
    """A soundtrack for the page.

    Args:
        made: the soundtrack.
        wish: the settings it was asked with.
    """
    from kinebeat.evaluation.alignment import pooled_alignment

    return {
        "settings": wish,
        "tempo_bpm": made.grid.tempo_bpm,
        "beat_source": made.grid.source,
        "beat_confidence": made.grid.confidence,
        "duration_s": made.duration_s,
        "beats": _beats(made),
        "accents": [
            {"time_s": _ms(time_s), "heard_s": _ms(heard_s), "strength": round(float(strength), 3)}
            for time_s, heard_s, strength in zip(
                made.accents.times_s, made.heard_accents_s, made.accents.strength, strict=True
            )
        ],
        "tracks": [_drums(made), *(_notes(track) for track in made.score.tracks[1:])],
        **harmony_told(made),
        "alignment": alignment_told(pooled_alignment([made.events()])),
        "warnings": list(made.warnings),
    }


def performance_told(made: Performance) -> Message:
    """A performance for the page: one track, no beats."""
    return {
        "settings": {"levels": {made.sound: 0.0, ORIGINAL: None}},
        "tempo_bpm": None,
        "beat_source": None,
        "beat_confidence": None,
        "duration_s": made.duration_s,
        "beats": [],
        "accents": [],
        "tracks": [_notes(made.score.tracks[0])],
        "key": made.settings.key,
        "chords": [],
        "alignment": None,
        "warnings": list(made.warnings),
    }


def _beats(made: Soundtrack) -> list[Message]:
    """The beats that are in the clip."""
    beats_s = made.grid.beats_s
    inside = np.flatnonzero((beats_s >= 0) & (beats_s < made.duration_s))
    return [
        {
            "time_s": _ms(beats_s[number]),
            "heard_s": _ms(made.heard_beats_s[number]),
            "down": int(number) % BEATS_PER_BAR == 0,
        }
        for number in inside
    ]


def _drums(made: Soundtrack) -> Message:
    time_s, drum, velocity = made.drums.onsets()
    inside = (time_s >= 0) & (time_s < made.duration_s)
    return {
        "name": made.score.tracks[0].name.lower(),
        "drum": True,
        "lanes": [one.name for one in DRUMS],
        "notes": [
            [_ms(when), int(lane), round(float(loud), 3)]
            for when, lane, loud in zip(time_s[inside], drum[inside], velocity[inside], strict=True)
        ],
    }


def _notes(track: Track) -> Message:
    rows = zip(track.time_s, track.duration_s, track.pitch, track.velocity, strict=True)
    return {
        "name": track.name.lower(),
        "drum": False,
        "lowest": int(track.pitch.min()) if len(track.pitch) else 60,
        "highest": int(track.pitch.max()) if len(track.pitch) else 72,
        "notes": [
            [_ms(time_s), _ms(length_s), int(pitch), round(int(velocity) / 127, 3)]
            for time_s, length_s, pitch, velocity in rows
        ],
    }


def _ms(time_s: float) -> float | None:
    """Seconds, to a tenth of a millisecond; None where there is no time."""
    return round(float(time_s), 4) if np.isfinite(time_s) else None
