"""Writes what was asked for of a soundtrack: video, MIDI, WAV, stems, plot, report; all of it, or nothing."""

from __future__ import annotations

import json
import math
import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kinebeat.errors import OptionError
from kinebeat.files import (
    TEMPORARY_PREFIX,
    atomic_outputs,
    check_distinct,
    check_folder,
    check_output,
    made_folder,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from kinebeat.audio import Mix, Original
    from kinebeat.clock import Clock
    from kinebeat.pipeline import Soundtrack
    from kinebeat.score import MidiTimes, Score

PLOT_POINTS = 4000
DRUMS, BACKGROUND = "drums", "background"
"""Names of stems."""


@dataclass(frozen=True)
class Outputs:
    """Where each kind of result goes; None is not wanted. `stems` is a folder, with a file for each track."""

    video: Path | None = None
    midi: Path | None = None
    wav: Path | None = None
    plot: Path | None = None
    report: Path | None = None
    stems: Path | None = None

    def paths(self) -> list[Path]:
        """All that is wanted."""
        return [path for path in (getattr(self, f.name) for f in fields(self)) if path is not None]

    def files(self, players: Iterable[str]) -> list[Path]:
        """All files that are wanted, those of the stems too.

        Args:
            players: of the music, the drums first.
        """
        return replace(self, stems=None).paths() + self.stem_files(players)

    def stem_files(self, players: Iterable[str]) -> list[Path]:
        """The files in the folder of stems, as many as there are players; none if they are not wanted."""
        return [] if self.stems is None else [self.stems / f"{player.lower()}.wav" for player in players]

    def numbered(self, number: int) -> Outputs:
        """The same with a number before the suffix: a.mp4 -> a.2.mp4; a folder gets it at the end."""
        named = {
            f.name: None if (path := getattr(self, f.name)) is None else path.with_suffix(f".{number}{path.suffix}")
            for f in fields(self)
            if f.name != "stems"
        }
        return Outputs(**named, stems=None if self.stems is None else Path(f"{self.stems}.{number}"))


def default_outputs(source: Path, chosen: Outputs) -> Outputs:
    """What is written where no output video is named: CLIP.soundtrack.mp4, or a WAV if there is no picture."""
    from kinebeat.pose import is_keypoints

    if not is_keypoints(source):
        return replace(chosen, video=source.with_suffix(".soundtrack.mp4"))
    if chosen.paths():
        return chosen
    return Outputs(wav=source.with_name(f"{source.stem}.soundtrack.wav"))


def check_outputs(outputs: Outputs, inputs: Iterable[Path], instruments: Sequence[str] = ()) -> None:
    """See before the work is done whether its results can be written.

    Args:
        outputs: what is wanted.
        inputs: files that are being read.
        instruments: who plays beside the drums.

    Raises:
        OutputError: a file cannot be written, is one of the inputs, or is no name for a video.
        OptionError: two outputs are the same file.
    """
    sources = list(inputs)
    if outputs.stems is not None:
        check_folder(outputs.stems)
    files = outputs.files((DRUMS, *instruments))
    for path in files:
        if path.parent != outputs.stems or path.parent.is_dir():
            check_output(path, sources)
    if outputs.video is not None:
        from kinebeat.video_out import check_container

        check_container(outputs.video)
    check_distinct([*files, *(path for path in (outputs.stems,) if path is not None)])


def check_original(original: Original, *, joined: bool) -> None:
    """Refuse the clip's own sound beside a background, with which there would be two.

    Args:
        original: what becomes of the clip's own sound.
        joined: whether the music joins a background.

    Raises:
        OptionError: both are wanted.
    """
    if joined and original != "mute":
        remedy = "leave one of them out, or take the clip's own sound for the background"
        raise OptionError(f"original sound {original!r} and a background: {remedy}")


@contextmanager
def opened(outputs: Outputs, inputs: Iterable[Path], players: Sequence[str]) -> Iterator[dict[Path, Path]]:
    """Temporary files for all that is wanted, which appear together when the block ends, or not at all.

    Args:
        outputs: what is wanted.
        inputs: files that are being read.
        players: of the music, the drums first.

    Yields:
        For each file its temporary one.

    Raises:
        OutputError: as `check_outputs`.
    """
    files = outputs.files(players)
    with ExitStack() as stack:
        if outputs.stems is not None:
            stack.enter_context(made_folder(outputs.stems))
        yield dict(zip(files, stack.enter_context(atomic_outputs(files, inputs)), strict=True))


def write_music(
    score: Score,
    sound: Mix | None,
    outputs: Outputs,
    temporary: dict[Path, Path],
    times: MidiTimes | None = None,
    others: Sequence[str] = (),
) -> tuple[str, ...]:
    """Write MIDI, WAV and stems, as far as they are wanted.

    Tracks that take from each other in the mix may be louder alone than a file can hold: then all stems are lower.

    Args:
        score: the music.
        sound: how it sounds; None if nothing wants it.
        outputs: what is wanted.
        temporary: where it is written, from `opened`.
        times: of the MIDI file; those of the score's grid if None.
        others: stems after those of the score's tracks.

    Returns:
        Warnings, one line each.
    """
    if outputs.midi:
        from kinebeat.score import save_midi

        save_midi(score, temporary[outputs.midi], times)
    if sound is None:
        return ()
    from kinebeat.audio import write_wav

    if outputs.wav:
        write_wav(sound.blocks(), temporary[outputs.wav])
    if outputs.stems is None:
        return ()
    files = outputs.stem_files([*(track.name for track in score.tracks), *others])
    warnings = [f"{path} is of an earlier run, not of this music" for path in _of_earlier_runs(outputs.stems, files)]
    peak = max(write_wav(sound.stem(number), temporary[path]) for number, path in enumerate(files))
    if peak > 1:
        for number, path in enumerate(files):
            write_wav((block / np.float32(peak) for block in sound.stem(number)), temporary[path])
        lower_db = 20 * math.log10(peak)
        warnings.append(f"a stem alone would be too loud for a file: all are {lower_db:.1f} dB lower than in the sound")
    return tuple(warnings)


def _of_earlier_runs(folder: Path, files: Sequence[Path]) -> list[Path]:
    """Files in a folder of stems that have a stem's name and will stay beside those that are written."""
    from kinebeat.score import SEATS

    usual = [folder / f"{name}.wav" for name in (DRUMS, *SEATS, BACKGROUND)]
    return [path for path in usual if path not in files and path.is_file()]


def save(
    made: Soundtrack,
    outputs: Outputs,
    *,
    original: Original,
    overlay: bool,
    clock: Clock,
    levels_db: Mapping[str, float | None] | None = None,
) -> tuple[str, ...]:
    """Write the files that are named; they appear together, or not at all.

    Args:
        made: the soundtrack.
        outputs: where each kind of result goes.
        original: what becomes of the clip's own sound.
        overlay: draw skeleton and hits on the picture.
        clock: times the stages.
        levels_db: faders, as in `kinebeat.audio.mix`.

    Returns:
        Warnings, one line each.

    Raises:
        OutputError: a file cannot be written.
        OptionError: a video is wanted but the source is keypoints alone, the clip's own sound beside a background, or a
            fader is outside what it may be.
    """
    from kinebeat.audio import mix
    from kinebeat.faders import check_faders, track_names

    if outputs.video is not None and made.video is None:
        raise OptionError(f"{made.source} has no picture: a video cannot be written; name a --wav or --midi file")
    background = made.background
    check_original(original, joined=background is not None)
    if levels_db is not None:
        check_faders(levels_db, track_names(made.score, joined=background is not None), original)
    others = () if background is None else (BACKGROUND,)
    inputs = [made.source] if background is None else [made.source, background.path]
    players = [*(track.name for track in made.score.tracks), *others]
    check_outputs(outputs, inputs, players[1:])
    with opened(outputs, inputs, players) as temporary:
        sound: Mix | None = None
        if outputs.video or outputs.wav or outputs.stems or outputs.plot:
            with clock.stage("sound"):
                clip = made.source if made.video is not None and made.video.has_audio else None
                font = made.settings.soundfont
                sound = mix(
                    made.score,
                    soundfont=font,
                    clip=clip,
                    original=original,
                    background=background,
                    levels_db=levels_db,
                )
        warnings = list(sound.warnings) if sound is not None else []
        with clock.stage("writing") as report:
            warnings += write_music(made.score, sound, outputs, temporary, others=others)
            if outputs.plot and sound:
                _draw_plot(made, sound, temporary[outputs.plot])
            if outputs.video and sound:
                warnings += _write_video(made, sound, temporary[outputs.video], overlay, report)
        if outputs.report:
            from kinebeat.report import report as describe

            content = describe(made) | {"warnings": [*made.warnings, *warnings], "peak_dbfs": None}
            content["levels_db"] = None if levels_db is None else dict(levels_db)
            if sound is not None:
                content["peak_dbfs"] = 20 * math.log10(max(sound.peak, 1e-6))
            temporary[outputs.report].write_text(
                json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8"
            )
    return tuple(warnings)


def _write_video(
    made: Soundtrack, sound: Mix, out: Path, overlay: bool, report: Callable[[float], None]
) -> tuple[str, ...]:
    """The picture with the new sound; with an overlay the picture is drawn and encoded first."""
    from kinebeat.audio import counted
    from kinebeat.video_out import mux

    blocks = counted(sound.blocks(), sound.frames, report)
    if not overlay:
        return mux(made.source, blocks, out)
    from kinebeat.overlay import draw_overlay

    with tempfile.TemporaryDirectory(dir=out.parent, prefix=TEMPORARY_PREFIX) as folder:
        drawn = Path(folder) / "drawn.mp4"
        draw_overlay(made.source, made.pose, made.drums, drawn)
        return mux(drawn, blocks, out)


def _from(made: Soundtrack) -> str:
    """Where the beat is from, where it is not the movement's."""
    if made.song is None:
        return ""
    return " of its own sound" if made.song.path == made.source else f" of {made.song.path.name}"


def _draw_plot(made: Soundtrack, sound: Mix, out: Path) -> None:
    from kinebeat.audio import envelope
    from kinebeat.evaluation.alignment import pooled_alignment
    from kinebeat.keys import key_spelled
    from kinebeat.plot import Curve, plot

    score = pooled_alignment([made.events()])
    key = f", {key_spelled(made.accompaniments[0].key)}" if made.accompaniments else ""
    plot(
        out,
        duration_s=made.duration_s,
        movement=Curve(made.motion.times_s, made.motion.deceleration, "deceleration"),
        accent_times_s=made.accents.times_s,
        accent_strength=made.accents.strength,
        rhythm=made.rhythm,
        drums=made.drums,
        others=made.score.tracks[1:],
        outline=envelope(sound.blocks(), sound.frames, PLOT_POINTS),
        title=f"{made.source.name}: {made.grid.tempo_bpm:.1f} BPM{_from(made)}{key}",
        note=f"alignment of movement with sound {score.score:.2f}, shifted at random "
        f"{score.null_mean:.2f} +- {score.null_sd:.2f} (z = {score.z:.1f})",
    )
