"""Music for drums that somebody already has: a MIDI file goes in, the same drums with piano or guitar come out."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kinebeat.beats.grid import STEPS_PER_BAR
from kinebeat.clock import Clock
from kinebeat.errors import OptionError
from kinebeat.pipeline import Settings, checked, each

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kinebeat.accompaniment.accompanist import Accompaniment
    from kinebeat.clock import Progress
    from kinebeat.drums.track import DrumTrack
    from kinebeat.midi_in import DrumFile
    from kinebeat.score import MidiTimes, Score

RING_S = 1.5
"""The sound goes on for so long after the last note has ended."""


@dataclass(frozen=True)
class Arrangement:
    """Drums of a file, and what is played on top of them.

    Attributes:
        source: the MIDI file.
        drums: its drums on the grid of its beats.
        accompaniments: what piano and guitar play, in the order in which they were asked for.
        score: all notes; the drums' are the file's own.
        times: ticks, tempos and bars of the file.
        settings: what the user chose.
        warnings: one line each, for the user.
        seconds: time spent by stage; saving adds its own.
    """

    source: Path
    drums: DrumTrack
    accompaniments: tuple[Accompaniment, ...]
    score: Score
    times: MidiTimes
    settings: Settings
    warnings: tuple[str, ...] = ()
    seconds: dict[str, float] = field(default_factory=dict)

    def save(
        self,
        midi: str | Path | None = None,
        *,
        wav: str | Path | None = None,
        stems: str | Path | None = None,
        progress: Progress | None = None,
    ) -> tuple[str, ...]:
        """Write the music; all named files appear, or none.

        Args:
            midi: the notes, with the tempos and bars of the source.
            wav: the sound, 48 kHz stereo.
            stems: a folder, made if it is not there, for one WAV of each track; they add up to the sound.
            progress: called with the stage and the share of it that is done.

        Returns:
            Warnings, one line each.

        Raises:
            OutputError: a file cannot be written.
            OptionError: two outputs are the same file.
        """
        from kinebeat.audio import mix
        from kinebeat.outputs import Outputs, check_outputs, opened, write_music

        midi, wav, stems = (None if path is None else Path(path) for path in (midi, wav, stems))
        outputs = Outputs(midi=midi, wav=wav, stems=stems)
        players = [track.name for track in self.score.tracks]
        check_outputs(outputs, [self.source], players[1:])
        clock = Clock(progress, self.seconds)
        with opened(outputs, [self.source], players) as temporary:
            sound = None
            if wav or stems:
                with clock.stage("sound"):
                    sound = mix(self.score, soundfont=self.settings.soundfont)
            with clock.stage("writing"):
                said = write_music(self.score, sound, outputs, temporary, self.times)
        return said if sound is None else (*sound.warnings, *said)


def accompany(
    source: str | Path,
    instruments: str | Sequence[str] = "piano",
    *,
    key: str | None = None,
    density: float = 1.0,
    temperature: float | None = None,
    kit: str | None = None,
    soundfont: str | Path | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Arrangement:
    """Play piano or guitar to the drums of a MIDI file.

    Args:
        source: a standard MIDI file in 4/4 with drums on channel 10 or in a track called Drums.
        instruments: who plays, of "piano" and "guitar"; the second plays on the chords of the first.
        key: what they play in, such as "A minor", "Bb" or "F#m"; drawn by the seed if None.
        density: how busy they are, 0.1 to 2; 1 is as in the songs that were learned from.
        temperature: how daring they are, more than 0 and at most 2; the usual one if None.
        kit: name of a drum kit; that of the file if None.
        soundfont: path of an .sf2 file.
        seed: the one source of chance.
        progress: called with the stage and the share of it that is done.

    Raises:
        InputError: the file cannot be used.
        OptionError: an option is outside what it may be.
    """
    from kinebeat.accompaniment.accompanist import Accompanist
    from kinebeat.accompaniment.player import TEMPERATURE
    from kinebeat.keys import key_number
    from kinebeat.midi_in import read_drums
    from kinebeat.score import KITS, with_accompaniments

    if not instruments:
        raise OptionError("no instrument is named: expected piano, guitar or both")
    if temperature is not None and not 0.0 < temperature <= 2.0:
        raise OptionError(f"temperature {temperature:g}: expected more than 0 and at most 2")
    font = None if soundfont is None else Path(soundfont)
    settings = Settings(None, density, "standard" if kit is None else kit, font, seed, each(instruments), key)
    settings = checked(settings)
    clock = Clock(progress, {})
    with clock.stage("drums"):
        found = read_drums(source)
        score = _score(found)
        if kit is not None:
            score = replace(score, tracks=(replace(score.tracks[0], program=KITS[kit]),))
    with clock.stage("accompaniment") as report:
        made = Accompanist().play(
            found.drums,
            settings.instruments,
            duration_s=float(found.drums.grid.beats_s[-1]),
            present=_begun(found.drums),
            key=None if settings.key is None else key_number(settings.key),
            seed=seed,
            density=density,
            temperature=TEMPERATURE if temperature is None else temperature,
            progress=report,
        )
    score = with_accompaniments(score, made)
    return Arrangement(
        source=found.path,
        drums=found.drums,
        accompaniments=tuple(made),
        score=score,
        times=found.times,
        settings=settings,
        warnings=found.warnings,
        seconds=clock.seconds,
    )


def _score(found: DrumFile) -> Score:
    """The drums alone, with time for all that comes to ring."""
    from kinebeat.score import Score

    end_s = max(float(found.drums.grid.beats_s[-1]), float((found.track.time_s + found.track.duration_s).max()))
    return Score((found.track,), found.drums.grid, end_s + RING_S)


def _begun(drums: DrumTrack) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """(S,), from the first bar with drums on: nobody plays before."""
    bar = drums.hits.any(1).reshape(-1, STEPS_PER_BAR).any(1)
    return np.repeat(np.maximum.accumulate(bar), STEPS_PER_BAR)
