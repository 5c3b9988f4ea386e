"""Writes what was asked for of the beats that were heard: JSON, plot, click track; all of it, or nothing."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from kinebeat.errors import OptionError, OutputError
from kinebeat.files import atomic_outputs, check_distinct, check_output

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from kinebeat.audio import Original
    from kinebeat.beats.grid import BeatGrid
    from kinebeat.clock import Clock
    from kinebeat.hearing import Heard

WAV = ".wav"
IN_WORDS = {
    "movement": "heard in the movement",
    "accents": "no clear beat: fitted to the accents",
    "tempo": "tempo as asked, phase from the accents",
}
DRAWN = {
    "movement": "activation: the network's; the beats are its own, or those of plain repetition if that is surer",
    "accents": "activation: the network's; the beats are fitted to the accents instead",
    "tempo": "activation: the network's; the beats are put on the accents instead",
}
"""What the drawn activation has to do with the beats, by their source."""


@dataclass(frozen=True)
class BeatOutputs:
    """Where each kind of result goes; None is not wanted."""

    json: Path | None = None
    plot: Path | None = None
    click: Path | None = None

    def paths(self) -> list[Path]:
        """All files that are wanted."""
        return [path for path in (getattr(self, f.name) for f in fields(self)) if path is not None]


def check_beat_outputs(outputs: BeatOutputs, source: Path, inputs: Iterable[Path] = ()) -> None:
    """See before the work is done whether its results can be written.

    Args:
        outputs: what is wanted.
        source: the video or the keypoints.
        inputs: other files that are being read and must not be overwritten.

    Raises:
        OutputError: a file cannot be written, is one of the inputs, or is no name for a click track.
        OptionError: two outputs are the same file, or a video is wanted of keypoints alone.
    """
    from kinebeat.pose import is_keypoints

    paths = outputs.paths()
    for path in paths:
        check_output(path, [source, *inputs])
    check_distinct(paths)
    if outputs.click is not None and _is_video(outputs.click) and is_keypoints(source):
        raise OptionError(f"{source} has no picture: {outputs.click} cannot be written; name a .wav file")


def save_beats(heard: Heard, outputs: BeatOutputs, *, original: Original, clock: Clock) -> tuple[str, ...]:
    """Write the files that are named; they appear together, or not at all.

    Args:
        heard: the beats and what they were heard in.
        outputs: where each kind of result goes.
        original: what becomes of the clip's own sound under the clicks.
        clock: times the stages.

    Returns:
        Warnings, one line each.

    Raises:
        OutputError: a file cannot be written.
        OptionError: a video is wanted but the source is keypoints alone, or `original` is unknown.
    """
    check_beat_outputs(outputs, heard.source)
    wanted = outputs.paths()
    warnings: list[str] = []
    with atomic_outputs(wanted, [heard.source]) as temporaries:
        temporary = dict(zip(wanted, temporaries, strict=True))
        if outputs.plot:
            with clock.stage("plot"):
                _draw(heard, temporary[outputs.plot])
        if outputs.click:
            with clock.stage("click") as report:
                warnings += _write_clicks(heard, temporary[outputs.click], original, report)
        if outputs.json:
            content = describe_beats(heard) | {"warnings": [*heard.warnings, *warnings]}
            temporary[outputs.json].write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    return tuple(warnings)


def describe_beats(heard: Heard) -> dict[str, Any]:
    """What was heard, for a script; times in seconds of the clip."""
    from kinebeat import __version__
    from kinebeat.evaluation.tables import versions

    return {
        "clip": str(heard.source),
        "duration_s": heard.duration_s,
        "tempo_bpm": heard.grid.tempo_bpm,
        "confidence": heard.grid.confidence,
        "source": heard.grid.source,
        "beats_s": [round(float(beat_s), 4) for beat_s in heard.beats_s],
        "downbeats_s": [round(float(beat_s), 4) for beat_s in heard.downbeats_s],
        "detected_share": heard.pose.detected_share,
        "seconds_by_stage": {stage: round(seconds, 3) for stage, seconds in heard.seconds.items()},
        "warnings": list(heard.warnings),
        "version": __version__,
        "versions": versions(),
    }


def in_words(grid: BeatGrid) -> str:
    """Tempo, where it comes from, and how sure it is, in one phrase."""
    said = f"{grid.tempo_bpm:.1f} BPM, {IN_WORDS.get(grid.source, grid.source)}"
    return said if grid.source == "tempo" else f"{said} (confidence {grid.confidence:.2f} of 1)"


def _is_video(click: Path) -> bool:
    """Whether a click track goes into a video, by its name.

    Raises:
        OutputError: the name is neither that of a video nor that of a sound.
    """
    from kinebeat.video_out import CONTAINERS

    suffix = click.suffix.lower()
    if suffix != WAV and suffix not in CONTAINERS:
        kinds = ", ".join((WAV, *CONTAINERS))
        raise OutputError(click, f"a click track ends in one of {kinds}", "name it OUT.mp4")
    return suffix != WAV


def _write_clicks(heard: Heard, out: Path, original: Original, report: Callable[[float], None]) -> tuple[str, ...]:
    """The sound of the clicks, or the clip's picture with it."""
    from kinebeat.audio import counted, write_wav
    from kinebeat.clicks import click_track
    from kinebeat.video_out import mux

    clip = heard.source if heard.video is not None and heard.video.has_audio else None
    clicks = click_track(heard.beats_s, heard.downbeats_s, heard.duration_s, clip=clip, original=original)
    blocks = counted(clicks.blocks(), clicks.frames, report)
    if _is_video(out):
        return (*clicks.warnings, *mux(heard.source, blocks, out))
    write_wav(blocks, out)
    return clicks.warnings


def _draw(heard: Heard, out: Path) -> None:
    """The plot, with the activation of the network whatever the beats came from, and a note that says which."""
    from kinebeat.accents import WEAKEST_PEAK, find_accents
    from kinebeat.beat_plot import plot_beats
    from kinebeat.beats.hearing import laid_over

    accents = find_accents(heard.motion, weakest=WEAKEST_PEAK)
    plot_beats(
        out,
        heard.motion,
        heard.grid,
        heard.duration_s,
        accents=accents,
        activation=laid_over(heard.motion),
        title=f"{heard.source.name}: {in_words(heard.grid)}",
        note=f"a person is seen in {heard.pose.detected_share:.0%} of the frames; the bars are a guess\n"
        f"{DRAWN[heard.grid.source]}",
    )
