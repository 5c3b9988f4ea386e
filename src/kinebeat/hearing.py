"""Hears a clip: a video or keypoints go in, the movement and its beats come out."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kinebeat.accents import WEAKEST_PEAK, find_accents
from kinebeat.beats.grid import BEATS_PER_BAR
from kinebeat.beats.hearing import hear_beats
from kinebeat.beats.tracking import CLEAR_BEAT, check_tempo
from kinebeat.clock import Clock
from kinebeat.errors import InputError, OptionError
from kinebeat.motion import compute_motion

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kinebeat.audio import Original
    from kinebeat.background import Background
    from kinebeat.beats.grid import BeatGrid
    from kinebeat.clock import Progress
    from kinebeat.motion import Motion
    from kinebeat.pose.processes import Workers
    from kinebeat.pose.track import PoseTrack
    from kinebeat.song import Song
    from kinebeat.video_in import VideoInfo

LONGEST_STILL_S = 1.0
"""A video whose last picture comes sooner before its end than this is whole; else its end cannot be read."""
SELDOM_SEEN = 0.5
"""Share of frames with a person below which the user is told."""


@dataclass(frozen=True)
class Heard:
    """A clip's movement and the beat that is heard in it.

    Attributes:
        source: the video or keypoint file.
        video: what is known of the video; None if the source is keypoints alone.
        duration_s: length of the clip.
        pose: the person's joints.
        motion: velocities, kinematic offsets, speed.
        grid: the beats; they cover the clip and reach beyond it (`beats_s` here has those inside).
        warnings: one line each, for the user.
        seconds: time spent by stage; saving adds its own.
        song: whose beats they are; None if they are the movement's.
        tempo_bpm: the tempo that was asked for; None if it was heard.
        own_grid: the movement's own beats, where they were heard before a tempo was asked for.
    """

    source: Path
    video: VideoInfo | None
    duration_s: float
    pose: PoseTrack
    motion: Motion
    grid: BeatGrid
    warnings: tuple[str, ...] = ()
    seconds: dict[str, float] = field(default_factory=dict)
    song: Song | None = None
    tempo_bpm: float | None = None
    own_grid: BeatGrid | None = None

    @property
    def beats_s(self) -> NDArray[np.float64]:
        """(N,) beats inside the clip, seconds."""
        return self.grid.inside(self.duration_s)

    @property
    def downbeats_s(self) -> NDArray[np.float64]:
        """(N,) those of the beats at which a bar begins, as far as the movement tells; seconds."""
        return self.grid.inside(self.duration_s, every=BEATS_PER_BAR)

    def at_tempo(self, tempo_bpm: float | None) -> Heard:
        """The same clip with its beats at another tempo, or with its own; nothing of the picture is looked at again.

        Args:
            tempo_bpm: the tempo; the movement's own if None.

        Raises:
            OptionError: the tempo is outside what it may be, or the beats are a song's.
        """
        if tempo_bpm == self.tempo_bpm:
            return self
        if self.song is not None:
            raise OptionError("a tempo and a background: the background's beat is the tempo; leave one of them out")
        own = self.grid if self.tempo_bpm is None else self.own_grid
        if tempo_bpm is None and own is not None:
            heard = replace(self, grid=own, tempo_bpm=None, own_grid=None)
        else:
            grid = hear_beats(self.motion, self.duration_s, tempo_bpm)
            heard = replace(self, grid=grid, tempo_bpm=tempo_bpm, own_grid=None if tempo_bpm is None else own)
        return with_warnings(heard)

    def save(
        self,
        *,
        json: str | Path | None = None,
        plot: str | Path | None = None,
        click: str | Path | None = None,
        original: Original = "keep",
        progress: Progress | None = None,
    ) -> tuple[str, ...]:
        """Write what was heard; all named files appear, or none.

        Args:
            json: beats, tempo, confidence.
            plot: movement and beats on one time axis, PNG.
            click: a click on every beat: the video with it (.mp4, .m4v, .mov, .mkv), or the sound alone (.wav).
            original: the clip's own sound under the clicks: "keep", "duck" or "mute".
            progress: called with the stage and the share of it that is done.

        Returns:
            Warnings, one line each.

        Raises:
            OutputError: a file cannot be written.
            OptionError: a video is wanted but the source is keypoints alone, or an option is outside what it may be.
        """
        from kinebeat.beat_outputs import BeatOutputs, save_beats

        outputs = BeatOutputs(*(None if p is None else Path(p) for p in (json, plot, click)))
        return save_beats(self, outputs, original=original, clock=Clock(progress, self.seconds))


def hear(
    source: str | Path,
    *,
    pose: str | Path | None = None,
    tempo_bpm: float | None = None,
    background: Background | None = None,
    workers: Workers = None,
    progress: Progress | None = None,
) -> Heard:
    """Hear the beat of the movement in a clip, or that of a song which the movement is to be heard with.

    Args:
        source: a video, an .npz of keypoints, or a folder of OpenPose JSON.
        pose: keypoints to use with a video instead of looking for them.
        tempo_bpm: fixes the tempo.
        background: the song whose beat it is; the movement's if None.
        workers: processes that look for the person, or kept ones (`kinebeat.pose.processes.PoseWorkers`); all cores if
            None.
        progress: called with the stage and the share of it that is done.

    Raises:
        InputError: the source cannot be used, nobody is seen in it, or no beat is heard in the background.
        OptionError: the tempo is outside what it may be.
    """
    from kinebeat.pose import is_keypoints, read_pose
    from kinebeat.video_in import probe

    source = Path(source)
    if tempo_bpm is not None:
        check_tempo(tempo_bpm)
    clock = Clock(progress, {})
    video = None if is_keypoints(source) else probe(source)
    song = None if video is None else _song(background, video.duration_s, clock)  # what fails quickly comes first
    with clock.stage("pose") as report:
        track = read_pose(source if pose is None else Path(pose), workers=workers, progress=report)
    if not np.isfinite(track.xy).any():
        raise InputError(source, "nobody was found in it", "use a clip in which a person is seen, or give keypoints")
    readable_s = _readable_s(track)
    cut_off = video is not None and pose is None and readable_s < video.duration_s - LONGEST_STILL_S
    duration_s = readable_s if video is None or cut_off else max(video.duration_s, float(track.times_s[-1]))
    with clock.stage("movement"):
        motion = compute_motion(track, duration_s)
    song = _song(background, duration_s, clock) if song is None else song.over(duration_s)
    with clock.stage("beats"):
        grid = hear_beats(motion, duration_s, tempo_bpm) if song is None else song.grid
    heard = Heard(source, video, duration_s, track, motion, grid, (), clock.seconds, song, tempo_bpm)
    return with_warnings(heard)


def _song(background: Background | None, duration_s: float, clock: Clock) -> Song | None:
    if background is None:
        return None
    from kinebeat.song import hear_song

    with clock.stage("song") as report:
        return hear_song(background.path, duration_s, report, start_s=background.start_s)


def _readable_s(track: PoseTrack) -> float:
    """When the last frame that could be read ends."""
    times_s = track.times_s
    return float(times_s[-1] + (np.median(np.diff(times_s)) if len(times_s) > 1 else 0.0))


def with_warnings(heard: Heard) -> Heard:
    """The same with what the user should know of it."""
    said = []
    if heard.video is not None and heard.duration_s < heard.video.duration_s - LONGEST_STILL_S:
        said.append(f"only the first {heard.duration_s:.1f} of {heard.video.duration_s:.1f} seconds can be read")
    if heard.pose.detected_share < SELDOM_SEEN:
        share = f"{heard.pose.detected_share:.0%}"
        said.append(f"a person is seen in only {share} of the frames; there is nothing to hear in the rest")
    if heard.song is not None:
        from kinebeat.song import CLEAR_PULSE

        if heard.song.pulse < CLEAR_PULSE:
            said.append(
                f"{heard.song.path.name} has no clear beat (onsets are {heard.song.pulse:.2f} times stronger on it, "
                f"{CLEAR_PULSE:g} needed); the drums may not agree with it"
            )
    if heard.grid.source == "accents":
        if len(find_accents(heard.motion, weakest=WEAKEST_PEAK).times_s):
            said.append(
                "the movement has no clear beat of its own "
                f"(confidence {heard.grid.confidence:.2f}, {CLEAR_BEAT:.2f} needed); "
                "the accents lead, on the tempo that fits them best; another can be given"
            )
        else:
            said.append("hardly any movement was found; the beat is a guess")
    return replace(heard, warnings=tuple(said))
