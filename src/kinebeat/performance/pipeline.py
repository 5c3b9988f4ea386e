"""A silent film of a musician goes in, the music comes out."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kinebeat.clock import Clock
from kinebeat.errors import InputError, OptionError
from kinebeat.performance.editing import in_key, in_range, transposed
from kinebeat.performance.instruments import INSTRUMENTS, Instrument
from kinebeat.performance.postures import unlike
from kinebeat.performance.sight import KEYS_FAMILY, Sight, check_sight, look, played_by_hands, unmirrored

if TYPE_CHECKING:
    from kinebeat.clock import Progress
    from kinebeat.performance.keyboard import Keyboard
    from kinebeat.performance.keypoints import Performer
    from kinebeat.performance.notes import Notes
    from kinebeat.pose.processes import Workers
    from kinebeat.score import Score
    from kinebeat.video_in import VideoInfo

FURTHEST = 48
"""Semitones that notes may be transposed by."""
TEMPO_BPM = 120.0
"""Of the bars in a MIDI file of a performance, which has no beat of its own: a beat is half a second."""
LONGEST_STILL_S = 1.0
"""A film whose last picture comes sooner before its end than this is whole; else its end cannot be read."""
HANDS_STEP_S = 0.095
"""How often hands are looked for where the keys are seen, at most: this far apart."""
SEEN_STAGES = ("keyboard", "keypoints", "listening")
"""Stages that all edits of a performance share."""


@dataclass(frozen=True)
class Settings:
    """What the user chose about the music.

    Attributes:
        transpose: semitones up, or down if negative.
        key: what is played in, such as "A minor"; as it was if None.
        sound: the instrument that is heard, a key of `INSTRUMENTS`; the one that is seen if None.
        soundfont: path of an .sf2 file; one that is found if None.
        seed: the one source of chance.
    """

    transpose: int = 0
    key: str | None = None
    sound: str | None = None
    soundfont: Path | None = None
    seed: int = 0


@dataclass(frozen=True)
class Performance:
    """What is heard in a film of a musician, with everything that led to it.

    Attributes:
        source: the film or keypoint file.
        video: what is known of the film; None if the source is keypoints alone.
        duration_s: length of the film.
        instrument: what is played, a key of `INSTRUMENTS`.
        performer: the player's joints.
        keyboard: where the keys are; None of an instrument without.
        sight: how much of the player is seen.
        played: the notes as they are heard in the movement.
        notes: the same as edited: transposed, in another key, within the range of the instrument that sounds.
        score: the notes as music; its beats are those of a clock (`TEMPO_BPM`).
        settings: what the user chose.
        warnings: one line each, for the user.
        seconds: time spent by stage; saving adds its own.
    """

    source: Path
    video: VideoInfo | None
    duration_s: float
    instrument: str
    performer: Performer
    keyboard: Keyboard | None
    sight: Sight
    played: Notes
    notes: Notes
    score: Score
    settings: Settings
    warnings: tuple[str, ...] = ()
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def experimental(self) -> bool:
        """Whether the model of this instrument has learned from simulated players alone."""
        return not INSTRUMENTS[self.instrument].real

    @property
    def sound(self) -> str:
        """The instrument that is heard."""
        return self.settings.sound or self.instrument

    def edited(self, *, transpose: int = 0, key: str | None = None, sound: str | None = None) -> Performance:
        """The notes as they were played, edited anew; see `perform`.

        Raises:
            OptionError: an option is outside what it may be.
        """
        settings = checked(replace(self.settings, transpose=transpose, key=key, sound=sound))
        notes, score = _edited(self.played, self.instrument, settings, self.duration_s)
        seconds = {stage: self.seconds[stage] for stage in SEEN_STAGES if stage in self.seconds}
        return replace(self, notes=notes, score=score, settings=settings, seconds=seconds)

    def save(
        self,
        video: str | Path | None = None,
        *,
        midi: str | Path | None = None,
        wav: str | Path | None = None,
        plot: str | Path | None = None,
        report: str | Path | None = None,
        progress: Progress | None = None,
    ) -> tuple[str, ...]:
        """Write the performance; all named files appear, or none.

        Args:
            video: the picture of the source with its music (needs a video source).
            midi: the notes, in ticks of a millisecond.
            wav: the sound, 48 kHz stereo.
            plot: a roll of the notes under the movement of the hands, PNG.
            report: what was seen and heard, JSON.
            progress: called with the stage and the share of it that is done.

        Returns:
            Warnings, one line each.

        Raises:
            OutputError: a file cannot be written.
            OptionError: a video is wanted of keypoints alone, or two outputs are the same file.
        """
        from kinebeat.outputs import Outputs
        from kinebeat.performance.outputs import save

        outputs = Outputs(*(None if p is None else Path(p) for p in (video, midi, wav, plot, report)))
        return save(self, outputs, clock=Clock(progress, self.seconds))


def perform(
    source: str | Path,
    instrument: str = "piano",
    *,
    transpose: int = 0,
    key: str | None = None,
    sound: str | None = None,
    soundfont: str | Path | None = None,
    pose: str | Path | None = None,
    workers: Workers = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Performance:
    """Hear the music that a musician plays in a silent film.

    Args:
        source: a video, or an .npz of keypoints where the instrument has no keys.
        instrument: what is played, a key of `kinebeat.performance.instruments.INSTRUMENTS`.
        transpose: semitones up, or down if negative; what leaves the instrument's range comes back by octaves.
        key: what it is to be in, such as "A minor", "Bb" or "F#m"; after transposing.
        sound: another instrument to sound it with.
        soundfont: path of an .sf2 file.
        pose: keypoints to use with a video instead of looking for them.
        workers: processes that look for hands and body, or kept ones (`kinebeat.pose.processes.PoseWorkers`); all cores
            if None.
        seed: the one source of chance.
        progress: called with the stage and the share of it that is done.

    Raises:
        InputError: the source cannot be used, or no music is to be seen in it.
        OptionError: an option is outside what it may be.
    """
    from kinebeat.performance.keypoints import read_performer
    from kinebeat.performance.player import Player
    from kinebeat.pose import is_keypoints
    from kinebeat.video_in import probe

    source = Path(source)
    _instrument("instrument", instrument)
    font = None if soundfont is None else Path(soundfont)
    settings = checked(Settings(transpose, key, sound, font, seed))
    clock = Clock(progress, {})
    video = None if is_keypoints(source) else probe(source)
    player = Player()
    player.ready(instrument)  # what fails quickly comes first
    keyboard = _keyboard(source, video, instrument, clock)
    with clock.stage("keypoints") as report:
        # What is heard in the keys needs hands only to know whether somebody plays them.
        step_s = 0.0 if keyboard is None else HANDS_STEP_S
        performer = read_performer(
            source if pose is None else Path(pose), workers=workers, least_step_s=step_s, progress=report
        )
    if keyboard is not None and video is not None:
        _check_size(Path(pose or source), performer, video)
        if keyboard.mirrored:
            performer = unmirrored(performer)
    sight = look(performer, keyboard)
    warnings = [*performer.warnings, *check_sight(source, sight, keyboard, instrument)]
    if not INSTRUMENTS[instrument].real:
        warnings.append(f"the {instrument} is experimental: its model has learned from simulated players alone")
        warnings += unlike(performer.track, instrument)
    duration_s = _duration_s(performer, video, whole=pose is not None)
    if video is not None and duration_s < video.duration_s:
        warnings.append(f"only the first {duration_s:.1f} of {video.duration_s:.1f} seconds can be read")
    with clock.stage("listening") as report:
        film = None if video is None else source
        heard = player.play(performer, keyboard, instrument, film=film, seed=seed, progress=report)
    played = _within(heard, duration_s)
    played = played[played_by_hands(played, performer, keyboard)]
    if not len(played):
        warnings.append("not one note is heard; the music is silence")
    notes, score = _edited(played, instrument, settings, duration_s)
    return Performance(
        source=source,
        video=video,
        duration_s=duration_s,
        instrument=instrument,
        performer=performer,
        keyboard=keyboard,
        sight=sight,
        played=played,
        notes=notes,
        score=score,
        settings=settings,
        warnings=tuple(warnings),
        seconds=clock.seconds,
    )


def checked(settings: Settings) -> Settings:
    """The same settings with the key by its usual name.

    Raises:
        OptionError: one is outside what it may be.
        InputError: the soundfont cannot be used.
    """
    from kinebeat.keys import key_number, key_spelled

    if not -FURTHEST <= settings.transpose <= FURTHEST:
        raise OptionError(f"transpose {settings.transpose}: expected {-FURTHEST} to {FURTHEST} semitones")
    if settings.sound is not None:
        _instrument("sound", settings.sound)
    if settings.soundfont is not None:
        from kinebeat.soundfont import open_soundfont

        open_soundfont(settings.soundfont)
    return settings if settings.key is None else replace(settings, key=key_spelled(key_number(settings.key)))


def score_of(notes: Notes, instrument: str, duration_s: float) -> Score:
    """Notes as music: one track, over beats of a clock."""
    from kinebeat.beats.grid import BEATS_PER_BAR, BeatGrid
    from kinebeat.score import Score, Track

    bars = max(1, int(np.ceil(duration_s * TEMPO_BPM / 60 / BEATS_PER_BAR)))
    grid = BeatGrid(np.arange(bars * BEATS_PER_BAR + 1) * 60 / TEMPO_BPM, 0.0, "clock")
    length_s = notes.offset_s - notes.onset_s
    program = INSTRUMENTS[instrument].program
    columns = notes.onset_s, length_s, notes.pitch, notes.velocity
    return Score((Track(instrument.capitalize(), program, False, *columns),), grid, duration_s)


def _instrument(option: str, name: str) -> Instrument:
    if name not in INSTRUMENTS:
        raise OptionError(f"{option} {name!r}: expected one of {', '.join(INSTRUMENTS)}")
    return INSTRUMENTS[name]


def _keyboard(source: Path, video: VideoInfo | None, instrument: str, clock: Clock) -> Keyboard | None:
    """Where the keys are; None of an instrument without."""
    from kinebeat.performance.keyboard import find_keyboard

    if INSTRUMENTS[instrument].family != KEYS_FAMILY:
        return None
    if video is None:
        problem = f"keypoints alone do not show the keys of the {instrument}"
        raise InputError(source, problem, "give the video, and the keypoints beside it")
    with clock.stage("keyboard") as report:
        keyboard = find_keyboard(source, progress=report)
    if keyboard is None:
        problem = f"no keyboard was found in the picture, and without its keys a {instrument} cannot be heard"
        raise InputError(source, problem, "film the keys from above, still and in focus, or name another instrument")
    return keyboard


def _check_size(path: Path, performer: Performer, video: VideoInfo) -> None:
    """Keypoints of another picture than the keyboard's would strike other keys."""
    if performer.track.size != (video.width, video.height):
        width, height = performer.track.size
        problem = f"keypoints of a picture of {width} x {height}, but the video has {video.width} x {video.height}"
        raise InputError(path, problem, "look for them anew in this video")


def _duration_s(performer: Performer, video: VideoInfo | None, *, whole: bool) -> float:
    """Length of a film: unless it is known to be whole, to the end of its last frame where the rest cannot be read."""
    times_s = performer.track.times_s
    readable_s = float(times_s[-1] + (np.median(np.diff(times_s)) if len(times_s) > 1 else 0.0))
    if video is None or (not whole and readable_s < video.duration_s - LONGEST_STILL_S):
        return readable_s
    return max(video.duration_s, float(times_s[-1]))


def _within(notes: Notes, duration_s: float) -> Notes:
    """The notes of a film, ended where it ends."""
    from kinebeat.performance.notes import Notes

    kept = notes[(notes.onset_s >= 0) & (notes.onset_s < duration_s)]
    return Notes(kept.onset_s, np.minimum(kept.offset_s, duration_s), kept.pitch, kept.velocity)


def _edited(played: Notes, instrument: str, settings: Settings, duration_s: float) -> tuple[Notes, Score]:
    """The notes as they are to sound, and their score."""
    from kinebeat.keys import key_number

    sound = settings.sound or instrument
    notes = transposed(played, settings.transpose)
    if settings.key is not None:
        notes = in_key(notes, key_number(settings.key))
    notes = in_range(notes, INSTRUMENTS[sound].lowest, INSTRUMENTS[sound].highest)
    return notes, score_of(notes, sound, duration_s)
