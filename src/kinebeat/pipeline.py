"""The offline pipeline: a video of someone moving goes in, a soundtrack on the movement comes out."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from kinebeat.background import CLIP, Background, check_background
from kinebeat.clock import Clock
from kinebeat.errors import OptionError
from kinebeat.hearing import hear
from kinebeat.moments import Moments, find_moments
from kinebeat.settings import Settings, background_of, checked, each

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from kinebeat.accents import Accents
    from kinebeat.accompaniment.accompanist import Accompaniment
    from kinebeat.audio import Original
    from kinebeat.beats.grid import BeatGrid
    from kinebeat.clock import Progress
    from kinebeat.drums.track import DrumTrack
    from kinebeat.edits import Edit
    from kinebeat.evaluation.alignment import Events
    from kinebeat.hearing import Heard
    from kinebeat.motion import Motion
    from kinebeat.pose.processes import Workers
    from kinebeat.pose.track import PoseTrack
    from kinebeat.rhythm import Rhythm
    from kinebeat.score import Score
    from kinebeat.song import Song
    from kinebeat.video_in import VideoInfo

__all__ = ["Settings", "Soundtrack", "background_of", "checked", "each", "play_to", "soundtrack"]

HEARING = ("song", "pose", "movement", "beats")
"""Stages that all variants of a soundtrack share."""


@dataclass(frozen=True)
class Soundtrack:
    """A finished soundtrack with everything that led to it.

    Attributes:
        heard: the clip as it was heard, before any edit by hand.
        peaks: all kinematic peaks, against which alignment is scored.
        accents: the moments that the drums must play.
        rhythm: beats and accents on the grid (`rhythm.grid`).
        drums: the performance.
        score: the notes.
        settings: what the user chose.
        heard_beats_s: (B,) when each beat of the grid was heard, by which edits name it; NaN where there is one only to
            fill a bar.
        heard_accents_s: (N,) when each accent was heard, by which edits name it; NaN for those added by hand.
        warnings: one line each, for the user.
        seconds: time spent by stage; saving adds its own.
        accompaniments: what piano and guitar play, in the order in which they were asked for.
    """

    heard: Heard
    peaks: Accents
    accents: Accents
    rhythm: Rhythm
    drums: DrumTrack
    score: Score
    settings: Settings
    heard_beats_s: NDArray[np.float64]
    heard_accents_s: NDArray[np.float64]
    warnings: tuple[str, ...] = ()
    seconds: dict[str, float] = field(default_factory=dict)
    accompaniments: tuple[Accompaniment, ...] = ()

    @property
    def source(self) -> Path:
        """The video or keypoint file."""
        return self.heard.source

    @property
    def video(self) -> VideoInfo | None:
        """What is known of the video; None if the source is keypoints alone."""
        return self.heard.video

    @property
    def duration_s(self) -> float:
        """Length of the clip."""
        return self.heard.duration_s

    @property
    def pose(self) -> PoseTrack:
        """The person's joints."""
        return self.heard.pose

    @property
    def motion(self) -> Motion:
        """Directogram, kinematic offsets, speed."""
        return self.heard.motion

    @property
    def song(self) -> Song | None:
        """What was heard in the background; None if there is none."""
        return self.heard.song

    @property
    def background(self) -> Background | None:
        """The sound that the music joins; None if there is none."""
        return background_of(self.source, self.settings)

    @property
    def grid(self) -> BeatGrid:
        """The beats of the whole clip."""
        return self.rhythm.grid

    def events(self) -> Events:
        """Kinematic peaks and drum onsets, for scoring; drums that sound as one count once."""
        from kinebeat.evaluation.alignment import Events

        onsets_s = self.score.tracks[0].time_s
        return Events(self.peaks.times_s, np.unique(np.round(onsets_s, 3)), self.duration_s)

    def remade(self, settings: Settings, progress: Progress | None = None) -> Soundtrack:
        """Other music on the same movement; nothing of the picture is looked at again.

        Args:
            settings: of everything, such as `dataclasses.replace(made.settings, tempo_bpm=110)`.
            progress: called with the stage and the share of it that is done.

        Returns:
            What `soundtrack` would make of the clip with these settings.

        Raises:
            OptionError: one is outside what it may be, an edit is of what is not there, or the background is another.
            InputError: the soundfont cannot be used.
        """
        settings = checked(settings)
        if replace(settings, kit=self.settings.kit, soundfont=self.settings.soundfont) == self.settings:
            score = _scored(self.drums, self.accompaniments, self.duration_s, settings)  # all play what they played
            return replace(self, score=score, settings=settings, seconds=dict(self.seconds))
        return play_to(self.heard, settings, progress=progress)

    def variant(self, seed: int, progress: Progress | None = None) -> Soundtrack:
        """Other drums on the same rhythm, and others on top of them."""
        moments = Moments(self.peaks, self.accents, self.heard_accents_s, self.rhythm, self.heard_beats_s)
        clock = Clock(progress, {stage: self.seconds[stage] for stage in HEARING if stage in self.seconds})
        return _with_music(self.heard, moments, checked(replace(self.settings, seed=seed)), clock)

    def save(
        self,
        out: str | Path | None = None,
        *,
        midi: str | Path | None = None,
        wav: str | Path | None = None,
        plot: str | Path | None = None,
        report: str | Path | None = None,
        stems: str | Path | None = None,
        original: Original = "mute",
        overlay: bool = False,
        levels_db: Mapping[str, float | None] | None = None,
        progress: Progress | None = None,
    ) -> tuple[str, ...]:
        """Write the soundtrack; all named files appear, or none.

        Args:
            out: video with the picture of the source and the new sound (needs a video source).
            midi: the notes.
            wav: the sound, 48 kHz stereo.
            plot: movement, beats, accents, drums and sound on one time axis, PNG.
            report: times, alignment and settings, JSON.
            stems: a folder, made if it is not there, for one WAV of each track; they add up to the music without the
                clip's own sound. A background is one of them.
            original: the clip's own sound: "keep", "duck" or "mute"; with a background there is no other sound.
            overlay: draw skeleton and hits on the picture.
            levels_db: faders by name ("drums", "piano", "guitar", "background", "original"), in dB, None mutes; the
                clip's own sound is muted unless it is named. The stems are at their levels too.
            progress: called with the stage and the share of it that is done.

        Returns:
            Warnings, one line each.

        Raises:
            OutputError: a file cannot be written.
            OptionError: an option is outside what it may be.
        """
        from kinebeat.outputs import Outputs, save

        outputs = Outputs(*(None if p is None else Path(p) for p in (out, midi, wav, plot, report, stems)))
        clock = Clock(progress, self.seconds)
        return save(self, outputs, original=original, overlay=overlay, clock=clock, levels_db=levels_db)


def soundtrack(
    source: str | Path,
    *,
    pose: str | Path | None = None,
    tempo_bpm: float | None = None,
    density: float = 1.0,
    kit: str = "standard",
    soundfont: str | Path | None = None,
    seed: int = 0,
    instruments: str | Sequence[str] = (),
    key: str | None = None,
    background: str | Path | None = None,
    background_start_s: float = 0.0,
    edits: Sequence[Edit] = (),
    workers: Workers = None,
    progress: Progress | None = None,
) -> Soundtrack:
    """Hear the movement in a clip and make drums that land on it, and piano or guitar on top of them if wanted.

    With a background the drums join a song: its beats are theirs, the accents are the movement's, and piano and guitar
    play on its chords.

    Args:
        source: a video, an .npz of keypoints, or a folder of OpenPose JSON.
        pose: keypoints to use with a video instead of looking for them.
        tempo_bpm: fixes the tempo.
        density: how busy the players are, 0.1 to 2; 1 is a drummer's.
        kit: name of a drum kit.
        soundfont: path of an .sf2 file.
        seed: the one source of chance.
        instruments: who plays beside the drums, of "piano" and "guitar"; the drums are the same whoever does.
        key: what they play in, such as "A minor", "Bb" or "F#m"; if None the background's, or drawn by the seed.
        background: a song, or "clip" for the clip's own sound (a file of that name is given as a `Path`).
        background_start_s: which second of the song falls on the clip's time 0; below 0 it begins so much later.
        edits: beats and accents that are moved, deleted or added by hand, named by when they are heard.
        workers: processes that look for the person, or kept ones (`kinebeat.pose.processes.PoseWorkers`); all cores if
            None.
        progress: called with the stage and the share of it that is done.

    Raises:
        InputError: the source cannot be used, nobody is seen in it, or no beat is heard in the background.
        OptionError: an option is outside what it may be.
    """
    source, font = Path(source), None if soundfont is None else Path(soundfont)
    chosen = _background(background)
    settings = checked(
        Settings(tempo_bpm, density, kit, font, seed, each(instruments), key, chosen, background_start_s, tuple(edits))
    )
    joined = background_of(source, settings)
    if joined is not None:
        check_background(joined.path)
    heard = hear(source, pose=pose, tempo_bpm=tempo_bpm, background=joined, workers=workers, progress=progress)
    return play_to(heard, settings, progress=progress)


def play_to(heard: Heard, settings: Settings, *, progress: Progress | None = None) -> Soundtrack:
    """Make the music of a clip that has been heard: drums that land on the movement, and who plays on top of them.

    Args:
        heard: the clip, from `hear` or `kinebeat.heard_files.load_heard`; at another tempo its beats are heard anew.
        settings: what is wanted.
        progress: called with the stage and the share of it that is done.

    Raises:
        OptionError: one is outside what it may be, an edit is of what is not there, or the clip was heard with another
            background.
        InputError: the soundfont cannot be used.
    """
    settings = checked(settings)
    _check_heard_with(heard, background_of(heard.source, settings))
    clock = Clock(progress, dict(heard.seconds))
    with clock.stage("beats"):
        heard = heard.at_tempo(settings.tempo_bpm)
        moments = find_moments(heard, settings)
    return _with_music(heard, moments, settings, clock)


def _check_heard_with(heard: Heard, background: Background | None) -> None:
    """Refuse a background whose beats are not those that were heard."""
    song = heard.song
    if background != (None if song is None else Background(song.path, song.start_s)):
        given = "without a background" if song is None else f"with {song.path.name} from {song.start_s:g} s on"
        raise OptionError(f"the clip was heard {given}; make a soundtrack anew for another")


def _with_music(heard: Heard, moments: Moments, settings: Settings, clock: Clock) -> Soundtrack:
    drums, made, score = _play(moments.rhythm, heard.duration_s, settings, clock, heard.song)
    warnings = list(heard.warnings)
    if not len(moments.accents.times_s):
        warnings.append("there are no accents; the drums only keep the beat, quietly")
    warnings += [
        f"the {track.name.lower()} has nothing to play in so short a clip"
        for track in score.tracks[1:]
        if not len(track.time_s)
    ]
    return Soundtrack(
        heard=heard,
        peaks=moments.peaks,
        accents=moments.accents,
        rhythm=moments.rhythm,
        drums=drums,
        score=score,
        settings=settings,
        heard_beats_s=moments.heard_beats_s,
        heard_accents_s=moments.heard_accents_s,
        warnings=tuple(warnings),
        seconds=clock.seconds,
        accompaniments=made,
    )


def _background(chosen: str | Path | None) -> Path | Literal["clip"] | None:
    if chosen is None or chosen == CLIP:
        return None if chosen is None else CLIP
    return Path(chosen)


def _play(
    rhythm: Rhythm, duration_s: float, settings: Settings, clock: Clock, song: Song | None
) -> tuple[DrumTrack, tuple[Accompaniment, ...], Score]:
    from kinebeat.drums.drummer import Drummer
    from kinebeat.song import on_the_song

    with clock.stage("drums") as report:
        drums = Drummer().play(rhythm, seed=settings.seed, density=settings.density, progress=report)
        if song is not None:
            drums = on_the_song(drums, rhythm)
    if not settings.instruments:
        return drums, (), _scored(drums, (), duration_s, settings)
    from kinebeat.accompaniment.accompanist import Accompanist

    with clock.stage("accompaniment") as report:
        made = Accompanist().play(
            drums,
            settings.instruments,
            duration_s=duration_s,
            energy=rhythm.energy,
            present=rhythm.present,
            key=_key(settings, song),
            chords=None if song is None else song.chords,
            seed=settings.seed,
            density=settings.density,
            progress=report,
        )
    return drums, tuple(made), _scored(drums, made, duration_s, settings)


def _scored(drums: DrumTrack, made: Sequence[Accompaniment], duration_s: float, settings: Settings) -> Score:
    """The notes of who plays."""
    from kinebeat.score import score_from_drums, with_accompaniments

    return with_accompaniments(score_from_drums(drums, duration_s, settings.kit), made)


def _key(settings: Settings, song: Song | None) -> int | None:
    """What is played in: the key that was asked for, the song's, or one that the seed draws."""
    from kinebeat.accompaniment.harmony import NO_KEY
    from kinebeat.keys import key_number

    if settings.key is not None:
        return key_number(settings.key)
    return None if song is None or song.key == NO_KEY else song.key
