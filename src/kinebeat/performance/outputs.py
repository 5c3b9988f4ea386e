"""Writes what was asked for of a performance: video, MIDI, WAV, plot, report; all of it, or nothing."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from kinebeat.errors import OptionError
from kinebeat.outputs import PLOT_POINTS, Outputs, check_outputs, opened, write_music
from kinebeat.performance.instruments import INSTRUMENTS
from kinebeat.performance.pipeline import TEMPO_BPM

if TYPE_CHECKING:
    from pathlib import Path

    from kinebeat.audio import Mix
    from kinebeat.clock import Clock
    from kinebeat.midi_in import FileTimes
    from kinebeat.performance.keyboard import Keyboard
    from kinebeat.performance.notes import Notes
    from kinebeat.performance.pipeline import Performance

TICKS_PER_BEAT = 500
"""At 120 BPM a tick is a millisecond, so that a MIDI file has the times of the notes as they are."""
LONG_TICKS_PER_BEAT = 50
"""And ten of them, as the events have it, in a film that would otherwise have too many ticks for some readers."""
BEAT_US = round(60e6 / TEMPO_BPM)


def default_outputs(source: Path, chosen: Outputs) -> Outputs:
    """What is written where no output video is named: CLIP.performance.mp4, or a WAV if there is no picture."""
    from kinebeat.pose import is_keypoints

    if not is_keypoints(source):
        return replace(chosen, video=source.with_suffix(".performance.mp4"))
    return chosen if chosen.paths() else Outputs(wav=source.with_name(f"{source.stem}.performance.wav"))


def save(made: Performance, outputs: Outputs, *, clock: Clock) -> tuple[str, ...]:
    """Write the files that are named; they appear together, or not at all.

    Args:
        made: the performance.
        outputs: where each kind of result goes; it has no stems.
        clock: times the stages.

    Returns:
        Warnings, one line each.

    Raises:
        OutputError: a file cannot be written.
        OptionError: a video is wanted but the source is keypoints alone, or two outputs are the same file.
    """
    from kinebeat.audio import counted, envelope, mix

    if outputs.video is not None and made.video is None:
        raise OptionError(f"{made.source} has no picture: a video cannot be written; name a --wav or --midi file")
    check_outputs(outputs, [made.source])
    warnings: list[str] = []
    with opened(outputs, [made.source], ()) as temporary:
        sound: Mix | None = None
        if outputs.video or outputs.wav or outputs.plot:
            with clock.stage("sound"):
                sound = mix(made.score, soundfont=made.settings.soundfont)
            warnings += sound.warnings
        with clock.stage("writing") as report:
            warnings += write_music(made.score, sound, outputs, temporary, midi_times(made.duration_s))
            if outputs.plot and sound is not None:
                from kinebeat.performance.plot import plot_performance

                outline = envelope(sound.blocks(), sound.frames, PLOT_POINTS)
                plot_performance(
                    temporary[outputs.plot],
                    made.performer.track,
                    made.notes,
                    made.duration_s,
                    outline=outline,
                    title=f"{made.source.name}: {in_words(made)}",
                    note=_note(made),
                )
            if outputs.video and sound is not None:
                from kinebeat.video_out import mux

                blocks = counted(sound.blocks(), sound.frames, report)
                warnings += mux(made.source, blocks, temporary[outputs.video])
        if outputs.report:
            content = describe(made) | {"warnings": [*made.warnings, *warnings]}
            content["peak_dbfs"] = None if sound is None else 20 * math.log10(max(sound.peak, 1e-6))
            text = json.dumps(content, indent=1, allow_nan=False)
            temporary[outputs.report].write_text(text + "\n", encoding="utf-8")
    return tuple(warnings)


def midi_times(duration_s: float) -> FileTimes:
    """Ticks of a performance's MIDI file: those of a clock at 120 BPM."""
    from kinebeat.midi_in import FileTimes
    from kinebeat.score import MOST_TICKS

    fine = duration_s * 1e6 / BEAT_US * TICKS_PER_BEAT <= MOST_TICKS
    return FileTimes(TICKS_PER_BEAT if fine else LONG_TICKS_PER_BEAT, ((0, BEAT_US),), ((0, 4, 4),))


def in_words(made: Performance) -> str:
    """Who plays how many notes, on what."""
    instrument = f"{made.instrument} (experimental)" if made.experimental else made.instrument
    edits = []
    if made.settings.transpose:
        edits.append(f"transposed by {made.settings.transpose:+d}")
    if made.settings.key is not None:
        edits.append(f"in {made.settings.key}")
    if made.sound != made.instrument:
        edits.append(f"sounding as {made.sound}")
    count = "1 note" if len(made.notes) == 1 else f"{len(made.notes)} notes"
    return ", ".join([instrument, count, *edits])


def describe(made: Performance) -> dict[str, Any]:
    """Everything about a performance that a script may want; times in seconds of the film, units in the names."""
    from kinebeat import __version__
    from kinebeat.evaluation.tables import versions
    from kinebeat.keys import key_spelled
    from kinebeat.performance.editing import heard_key

    sight, settings = made.sight, made.settings
    width, height = made.performer.track.size
    return {
        "source": str(made.source),
        "duration_s": made.duration_s,
        "instrument": made.instrument,
        "experimental": made.experimental,
        "learned_from": "simulated players alone" if made.experimental else "films of real players",
        "keypoints": {
            "frames": len(made.performer.track.times_s),
            "width": width,
            "height": height,
            "hands_share": _rounded(sight.hands),
            "left_hand_share": _rounded(sight.left),
            "right_hand_share": _rounded(sight.right),
            "body_share": _rounded(sight.body),
            "crowd_share": _rounded(sight.crowd),
            "over_keys_share": None if sight.over_keys is None else _rounded(sight.over_keys),
        },
        "keyboard": None if made.keyboard is None else _keyboard(made.keyboard),
        "heard_key": key_spelled(heard_key(made.played)),
        "notes_per_s": _rounded(len(made.played) / max(made.duration_s, 1e-6)),
        "played": _notes(made.played),
        "notes": _notes(made.notes),
        "seconds_by_stage": {stage: round(seconds, 3) for stage, seconds in made.seconds.items()},
        "warnings": list(made.warnings),
        "version": __version__,
        "versions": versions(),
        "seed": settings.seed,
        "settings": {
            "transpose": settings.transpose,
            "key": settings.key,
            "sound": made.sound,
            "program": INSTRUMENTS[made.sound].program,
            "soundfont": None if settings.soundfont is None else str(settings.soundfont),
        },
    }


def _keyboard(keyboard: Keyboard) -> dict[str, Any]:
    return {
        "confidence": _rounded(keyboard.confidence),
        "first_white_key": int(keyboard.first),
        "last_white_key": int(keyboard.last),
        "octave_known": bool(keyboard.octave_known),
        "mirrored": bool(keyboard.mirrored),
        "to_keys": [[float(value) for value in row] for row in keyboard.to_keys],
    }


def _notes(notes: Notes) -> list[dict[str, Any]]:
    rows = zip(notes.onset_s, notes.offset_s, notes.pitch, notes.velocity, strict=True)
    return [
        {
            "time_s": round(float(onset_s), 4),
            "duration_s": round(float(offset_s - onset_s), 4),
            "pitch": int(pitch),
            "velocity": int(velocity),
        }
        for onset_s, offset_s, pitch, velocity in rows
    ]


def _note(made: Performance) -> str:
    """What stands below the plot."""
    said = f"hands are seen in {made.sight.hands:.0%} of the frames"
    if made.keyboard is not None:
        said += f"; keyboard found with confidence {made.keyboard.confidence:.2f} of 1"
    if made.experimental:
        said += "\nexperimental: the model of this instrument has learned from simulated players alone"
    return said


def _rounded(value: float) -> float:
    return round(float(value), 4)
