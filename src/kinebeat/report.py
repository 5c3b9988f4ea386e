"""The report of a soundtrack: what was heard, what is played, how well they agree, as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from kinebeat.accompaniment.harmony import NO_CHORD, NO_KEY, scale_pitch_classes
from kinebeat.beats.grid import BEATS_PER_BAR, STEPS_PER_BAR
from kinebeat.drums.kit import DRUMS
from kinebeat.edits import told_edits
from kinebeat.evaluation.alignment import Alignment, pooled_alignment
from kinebeat.evaluation.tables import versions
from kinebeat.keys import chord_spelled, key_spelled

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from kinebeat.accompaniment.accompanist import Accompaniment
    from kinebeat.pipeline import Soundtrack
    from kinebeat.score import Track


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
        "background": _background(made),
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
        **harmony_told(made),
        "key_source": _key_source(made),
        "chord_source": _chord_source(made),
        "accompaniment": [
            _played(one, track) for one, track in zip(made.accompaniments, made.score.tracks[1:], strict=True)
        ],
        "alignment": {
            "movement_to_sound": alignment_told(pooled_alignment([events])),
            "sound_to_movement": alignment_told(pooled_alignment([events], reverse=True)),
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
            "instruments": list(settings.instruments),
            "key": settings.key,
            "background": None if settings.background is None else str(settings.background),
            "background_start_s": settings.background_start_s,
            "edits": told_edits(settings.edits),
        },
    }


def _background(made: Soundtrack) -> dict[str, Any] | None:
    """The song whose beat it is, and its key as it is heard."""
    if made.song is None:
        return None
    return {
        "path": str(made.song.path),
        "start_s": made.song.start_s,
        "pulse": round(made.song.pulse, 3),
        "key": key_spelled(made.song.key),
    }


def _key_source(made: Soundtrack) -> str | None:
    """Where the key of piano and guitar is from: "asked", "song" or "seed"."""
    if not made.accompaniments:
        return None
    if made.settings.key is not None:
        return "asked"
    return "seed" if made.song is None or made.song.key == NO_KEY else "song"


def _chord_source(made: Soundtrack) -> str | None:
    """Whose chords piano and guitar play on: "song" or "own"."""
    if not made.accompaniments:
        return None
    return "song" if made.song is not None and (made.song.chords.symbols != NO_CHORD).any() else "own"


def harmony_told(made: Soundtrack) -> dict[str, Any]:
    """Key and chords, a chord for every half bar that is in the clip; the instruments share them."""
    if not made.accompaniments:
        return {"key": None, "chords": []}
    key, symbols = made.accompaniments[0].key, made.accompaniments[0].chords.symbols
    begin_s = made.grid.time_s(np.arange(len(symbols) + 1) * (STEPS_PER_BAR // 2))
    inside = np.flatnonzero((begin_s[1:] > 0) & (begin_s[:-1] < made.duration_s))
    chords = [{"time_s": round(float(begin_s[i]), 4), "chord": chord_spelled(int(symbols[i]), key)} for i in inside]
    return {"key": key_spelled(key), "chords": chords}


def _played(made: Accompaniment, track: Track) -> dict[str, Any]:
    """What one instrument plays in the clip, and how much of it is in its key (minor: natural)."""
    rows = zip(track.time_s, track.duration_s, track.pitch, track.velocity, strict=True)
    in_key = np.isin(track.pitch % 12, scale_pitch_classes(made.key))
    return {
        "instrument": made.instrument,
        "program": track.program,
        "share_in_key": round(float(in_key.mean()), 4) if len(in_key) else None,
        "notes": [
            {
                "time_s": round(float(time_s), 4),
                "duration_s": round(float(length_s), 4),
                "pitch": int(pitch),
                "velocity": int(velocity),
            }
            for time_s, length_s, pitch, velocity in rows
        ],
    }


def alignment_told(score: Alignment) -> dict[str, float | int | None]:
    """An alignment with None for what cannot be said (JSON has no NaN)."""
    return {
        name: value if isinstance(value, int) or np.isfinite(value) else None for name, value in vars(score).items()
    }


def _rounded(values: ArrayLike) -> list[float]:
    return [round(float(value), 4) for value in np.asarray(values)]
