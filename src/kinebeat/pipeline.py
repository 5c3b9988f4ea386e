"""The offline pipeline: a video of someone moving goes in, a soundtrack on the movement comes out."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from kinebeat.accents import WEAKEST_ACCENT, find_accents, movement_peaks
from kinebeat.background import CLIP, Background, check_background
from kinebeat.clock import Clock
from kinebeat.errors import OptionError
from kinebeat.hearing import hear
from kinebeat.rhythm import compose, settled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kinebeat.accents import Accents
    from kinebeat.accompaniment.accompanist import Accompaniment
    from kinebeat.audio import Original
    from kinebeat.beats.grid import BeatGrid
    from kinebeat.clock import Progress
    from kinebeat.drums.track import DrumTrack
    from kinebeat.evaluation.alignment import Events
    from kinebeat.motion import Motion
    from kinebeat.pose.track import PoseTrack
    from kinebeat.rhythm import Rhythm
    from kinebeat.score import Score
    from kinebeat.song import Song
    from kinebeat.video_in import VideoInfo

SONG_TOLERANCE_S = 0.025
"""With a song, whose own drums are heard beside ours, a hit this close to its movement stays on the song's grid."""
SPARSEST, DENSEST = 0.1, 2.0
HEARING = ("song", "pose", "movement", "beats")
"""Stages that all variants of a soundtrack share."""


@dataclass(frozen=True)
class Settings:
    """What the user chose about the music.

    Attributes:
        tempo_bpm: tempo of the grid; heard from the movement if None.
        density: how busy the players are, 1 is a drummer's.
        kit: name of a drum kit, a key of `kinebeat.score.KITS`.
        soundfont: path of an .sf2 file; one that is found if None.
        seed: the one source of chance.
        instruments: who plays beside the drums, of "piano" and "guitar".
        key: what they play in, such as "A minor"; if None the background's, or drawn by the seed.
        background: a song, or "clip" for the clip's own sound: its beats are the grid, and the music is mixed under it.
        background_start_s: which second of the song falls on the clip's time 0; below 0 it begins so much later.
    """

    tempo_bpm: float | None = None
    density: float = 1.0
    kit: str = "standard"
    soundfont: Path | None = None
    seed: int = 0
    instruments: tuple[str, ...] = ()
    key: str | None = None
    background: Path | Literal["clip"] | None = None
    background_start_s: float = 0.0


@dataclass(frozen=True)
class Soundtrack:
    """A finished soundtrack with everything that led to it.

    Attributes:
        source: the video or keypoint file.
        video: what is known of the video; None if the source is keypoints alone.
        duration_s: length of the clip.
        pose: the person's joints.
        motion: directogram, kinematic offsets, speed.
        peaks: all kinematic peaks, against which alignment is scored.
        accents: the moments that the drums must play.
        rhythm: beats and accents on the grid (`rhythm.grid`).
        drums: the performance.
        score: the notes.
        settings: what the user chose.
        warnings: one line each, for the user.
        seconds: time spent by stage; saving adds its own.
        accompaniments: what piano and guitar play, in the order in which they were asked for.
        song: what was heard in the background; None if there is none.
    """

    source: Path
    video: VideoInfo | None
    duration_s: float
    pose: PoseTrack
    motion: Motion
    peaks: Accents
    accents: Accents
    rhythm: Rhythm
    drums: DrumTrack
    score: Score
    settings: Settings
    warnings: tuple[str, ...] = ()
    seconds: dict[str, float] = field(default_factory=dict)
    accompaniments: tuple[Accompaniment, ...] = ()
    song: Song | None = None

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

    def variant(self, seed: int, progress: Progress | None = None) -> Soundtrack:
        """Other drums on the same movement, and others on top of them."""
        clock = Clock(progress, {stage: self.seconds[stage] for stage in HEARING if stage in self.seconds})
        settings = replace(self.settings, seed=seed)
        drums, made, score = _play(self.rhythm, self.duration_s, settings, clock, self.song)
        return replace(self, drums=drums, accompaniments=made, score=score, settings=settings, seconds=clock.seconds)

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
            progress: called with the stage and the share of it that is done.

        Returns:
            Warnings, one line each.

        Raises:
            OutputError: a file cannot be written.
            OptionError: an option is outside what it may be.
        """
        from kinebeat.outputs import Outputs, save

        outputs = Outputs(*(None if p is None else Path(p) for p in (out, midi, wav, plot, report, stems)))
        return save(self, outputs, original=original, overlay=overlay, clock=Clock(progress, self.seconds))


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
    workers: int | None = None,
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
        workers: processes that look for the person; all cores if None.
        progress: called with the stage and the share of it that is done.

    Raises:
        InputError: the source cannot be used, nobody is seen in it, or no beat is heard in the background.
        OptionError: an option is outside what it may be.
    """
    source, font = Path(source), None if soundfont is None else Path(soundfont)
    chosen = _background(background)
    settings = checked(
        Settings(tempo_bpm, density, kit, font, seed, each(instruments), key, chosen, background_start_s)
    )
    joined = background_of(source, settings)
    if joined is not None:
        check_background(joined.path)
    heard = hear(source, pose=pose, tempo_bpm=tempo_bpm, background=joined, workers=workers, progress=progress)
    clock = Clock(progress, heard.seconds)
    with clock.stage("beats"):
        peaks = movement_peaks(heard.motion)
        accents = find_accents(heard.motion, weakest=float(np.clip(WEAKEST_ACCENT / density, 0.12, 0.9)))
        if heard.song is None:
            rhythm = compose(settled(heard.grid, accents, heard.duration_s), accents, heard.motion)
        else:
            rhythm = compose(heard.grid, accents, heard.motion, tolerance_s=SONG_TOLERANCE_S)
    drums, made, score = _play(rhythm, heard.duration_s, settings, clock, heard.song)
    warnings = list(heard.warnings)
    if not len(accents.times_s):
        warnings.append("there are no accents; the drums only keep the beat, quietly")
    warnings += [
        f"the {track.name.lower()} has nothing to play in so short a clip"
        for track in score.tracks[1:]
        if not len(track.time_s)
    ]
    return Soundtrack(
        source=heard.source,
        video=heard.video,
        duration_s=heard.duration_s,
        pose=heard.pose,
        motion=heard.motion,
        peaks=peaks,
        accents=accents,
        rhythm=rhythm,
        drums=drums,
        accompaniments=made,
        score=score,
        settings=settings,
        warnings=tuple(warnings),
        seconds=clock.seconds,
        song=heard.song,
    )


def _background(chosen: str | Path | None) -> Path | Literal["clip"] | None:
    if chosen is None or chosen == CLIP:
        return None if chosen is None else CLIP
    return Path(chosen)


def background_of(source: Path, settings: Settings) -> Background | None:
    """The sound that the music of a clip is to join; None if there is none."""
    if settings.background is None:
        return None
    path = settings.background if isinstance(settings.background, Path) else source
    return Background(path, settings.background_start_s)


def each(names: str | Sequence[str]) -> tuple[str, ...]:
    """Names one by one; a single one may come alone."""
    return (names,) if isinstance(names, str) else tuple(names)


def checked(settings: Settings) -> Settings:
    """The same settings with the key by its usual name.

    Raises:
        OptionError: one is outside what it may be.
        InputError: the soundfont cannot be used.
    """
    from kinebeat.score import KITS, SEATS
    from kinebeat.soundfont import open_soundfont

    if not SPARSEST <= settings.density <= DENSEST:
        raise OptionError(f"density {settings.density:g}: expected {SPARSEST:g} to {DENSEST:g}")
    if settings.kit not in KITS:
        raise OptionError(f"kit {settings.kit!r}: expected one of {', '.join(KITS)}")
    for number, instrument in enumerate(settings.instruments):
        if instrument not in SEATS:
            raise OptionError(f"instrument {instrument!r}: expected one of {', '.join(SEATS)}")
        if instrument in settings.instruments[:number]:
            raise OptionError(f"instrument {instrument!r} is named twice: expected each once")
    _check_background_options(settings)
    if settings.soundfont is not None:
        open_soundfont(settings.soundfont)
    if settings.key is None:
        return settings
    from kinebeat.keys import key_number, key_spelled

    return replace(settings, key=key_spelled(key_number(settings.key)))


def _check_background_options(settings: Settings) -> None:
    start_s = settings.background_start_s
    if not np.isfinite(start_s):
        raise OptionError(f"start of the background {start_s:g}: expected seconds")
    if settings.background is None and start_s:
        raise OptionError("a start of the background without a background; name a song")
    if settings.background == CLIP and start_s:
        raise OptionError("the clip's own sound starts with the clip; leave the start of the background out")
    if settings.background is not None and settings.tempo_bpm is not None:
        raise OptionError("a tempo and a background: the background's beat is the tempo; leave one of them out")


def _play(
    rhythm: Rhythm, duration_s: float, settings: Settings, clock: Clock, song: Song | None
) -> tuple[DrumTrack, tuple[Accompaniment, ...], Score]:
    from kinebeat.drums.drummer import Drummer
    from kinebeat.score import score_from_drums, with_accompaniments
    from kinebeat.song import on_the_song

    with clock.stage("drums") as report:
        drums = Drummer().play(rhythm, seed=settings.seed, density=settings.density, progress=report)
        if song is not None:
            drums = on_the_song(drums, rhythm)
        score = score_from_drums(drums, duration_s, settings.kit)
    if not settings.instruments:
        return drums, (), score
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
    return drums, tuple(made), with_accompaniments(score, made)


def _key(settings: Settings, song: Song | None) -> int | None:
    """What is played in: the key that was asked for, the song's, or one that the seed draws."""
    from kinebeat.accompaniment.harmony import NO_KEY
    from kinebeat.keys import key_number

    if settings.key is not None:
        return key_number(settings.key)
    return None if song is None or song.key == NO_KEY else song.key
