"""Clips to score beats on: warped movement, ChoreoNet by dancer, street dance, puppets, and movement without a beat."""

from __future__ import annotations

import dataclasses
import itertools
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kinebeat.errors import InputError
from kinebeat.motion import MOTION_FPS, Motion, body_height_px, compute_motion, motion_from_velocity
from kinebeat.pose.files import load_pose
from kinebeat.pose.track import PoseTrack
from kinebeat.skeleton import LAYOUTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from kinebeat.beats.truth.corpus import Corpus

    Beats = NDArray[np.float64]

FEWEST_BEATS = 8
"""A labelled stretch with fewer says little about a beat."""
JOINED_S = 0.1
"""Labelled units nearer than this follow each other without a break."""
BODY_PX = 500.0
"""Height of a person who fills a 720p picture."""
DANCERS = {"14-16, trained on": ("14", "15", "16"), "17": ("17",), "ll, mm": ("ll", "mm")}
"""One person danced 14 to 17, another ll and mm; of the first, take 17 is kept from training."""
PUPPET_BPM = (66.0, 75.0, 84.0, 96.0, 108.0, 120.0, 132.0, 144.0)
RATES_FPS = (15.0, 24.0, 25.0, 30.0, 50.0)
NOISE_PX = 3.0


@dataclass(frozen=True)
class Clip:
    """Movement, and where the music's beats are.

    Attributes:
        name: of the recording.
        motion: what an estimator gets.
        duration_s: length of the clip.
        beats_s: (B,) the music's beats; none where the movement has no music.
        spans_s: (L, 2) stretches within which the beats are known; the whole clip if None.
    """

    name: str
    motion: Motion
    duration_s: float
    beats_s: Beats
    spans_s: NDArray[np.float64] | None = None

    def pieces(self, heard_s: Beats) -> list[tuple[Beats, Beats]]:
        """True and heard beats of each stretch that can be scored; of the whole clip, those between its ends."""
        if self.spans_s is None:
            return [(self.beats_s, heard_s[(heard_s >= 0) & (heard_s < self.duration_s)])]
        out = []
        for first_s, last_s in self.spans_s:
            truth = self.beats_s[(self.beats_s >= first_s - 1e-3) & (self.beats_s <= last_s + 1e-3)]
            if len(truth) >= FEWEST_BEATS:
                half = float(np.median(np.diff(truth))) / 2
                near = (heard_s > truth[0] - half) & (heard_s < truth[-1] + half)
                out.append((truth, heard_s[near]))
        return out


def corpus_clips(corpus: Corpus, kind: str) -> list[Clip]:
    """The clips of one kind of a corpus: "warped", "choreonet" or "negative"."""
    out = []
    for number in np.flatnonzero(corpus.kind == kind):
        velocity = corpus.velocity[number].astype(np.float32)
        name = f"{corpus.content[number]} {number}"
        out.append(Clip(name, motion_from_velocity(velocity), len(velocity) / MOTION_FPS, corpus.beats_s(int(number))))
    return out


def frontal(xyz: NDArray[np.floating[Any]]) -> PoseTrack:
    """A body filmed by an ideal camera that stands still, far off, and sees every joint exactly.

    Args:
        xyz: (T, 17, 3) metres, y up, `MOTION_FPS` frames per second, layout `rhythmicnet17`. The camera looks from
            where the body faces in the mean.
    """
    from kinebeat.beats.truth.camera import in_front, project

    camera = in_front(xyz, px_per_m=BODY_PX / 1.7, distance_m=100.0, perspective=False)
    xy = project(np.asarray(xyz, np.float32), camera)
    frames = len(xy)
    score, times_s = np.ones(xy.shape[:2], np.float32), np.arange(frames) / MOTION_FPS
    return PoseTrack(xy, score, times_s, "rhythmicnet17", np.zeros(frames, np.int32), camera.size)


def clip_of(name: str, pose: PoseTrack, beats_s: Beats, spans_s: NDArray[np.float64] | None = None) -> Clip:
    """A clip as the product would have it of these keypoints."""
    duration_s = duration_of(pose)
    return Clip(name, compute_motion(pose, duration_s), duration_s, beats_s, spans_s)


def duration_of(pose: PoseTrack) -> float:
    """Length of the clip in seconds: the last frame lasts as long as frames do."""
    times_s = pose.times_s
    return float(times_s[-1] + (np.median(np.diff(times_s)) if len(times_s) > 1 else 0.0))


def choreonet_clips(data: Path) -> dict[str, list[Clip]]:
    """ChoreoNet's labelled takes by dancer, filmed by an ideal frontal camera.

    Raises:
        InputError: the recordings are not there.
    """
    from kinebeat.beats.truth.mocap import load_takes

    takes = [take for part in ("train", "validation", "test") for take in load_takes(data, part)]
    labelled = [take for take in takes if take.source == "choreonet" and len(take.labelled)]
    out = {}
    for dancer, names in DANCERS.items():
        own = [take for take in labelled if take.name.split("_", maxsplit=1)[0] in names]
        clips = [clip_of(take.name, frontal(take.xyz), take.beats_s, joined(take.labelled)) for take in own]
        out[dancer] = [clip for clip in clips if clip.pieces(np.zeros(0))]
    return out


def joined(spans_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Stretches (L, 2) in order, those joined that follow each other without a break."""
    out: list[list[float]] = []
    for first_s, last_s in sorted(map(tuple, spans_s)):
        if out and first_s - out[-1][1] <= JOINED_S:
            out[-1][1] = max(out[-1][1], last_s)
        else:
            out.append([first_s, last_s])
    return np.array(out, float).reshape(-1, 2)


def street_poses(data: Path) -> list[tuple[str, PoseTrack, Beats]]:
    """The street-dance takes: name, keypoints and the music's beats. For scoring alone, never to train or tune on.

    Raises:
        InputError: they are not there, or a take has no beats.
    """
    folder = data / "dance" / "street"
    remedy = "name the folder that has dance/street/ in it"
    try:
        beats = json.loads((folder / "beats.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(folder / "beats.json", f"cannot be read ({error})", remedy) from error
    out = []
    for path in sorted(folder.glob("*.npz")):
        take = path.stem.rsplit("_", maxsplit=1)[0]
        if take not in beats:
            raise InputError(path, f"beats.json has no take {take}", "add its beats")
        out.append((path.stem, load_pose(path), np.array(beats[take]["beats"], float)))
    if not out:
        raise InputError(folder, "holds no keypoint files", remedy)
    return out


def puppet_clips(duration_s: float = 30.0) -> list[Clip]:
    """The package's own dancing figure at several tempi: movement driven by a metronome, seen exactly at 30 fps."""
    from kinebeat.puppet import make_dance, puppet_pose

    out = []
    times_s = np.arange(round(duration_s * 30)) / 30
    for number, tempo_bpm in enumerate(PUPPET_BPM):
        dance = make_dance(duration_s=duration_s, tempo_bpm=tempo_bpm, seed=number)
        beats_s = dance.beats_s[(dance.beats_s >= 0) & (dance.beats_s < duration_s)]
        out.append(clip_of(f"puppet at {tempo_bpm:g} BPM", puppet_pose(times_s, dance=dance), beats_s))
    return out


# The same movement as others would film it


def variants(pose: PoseTrack, seed: int) -> dict[str, PoseTrack]:
    """The same dance in another picture: scaled, mirrored, moved, noisy, at other frame rates."""
    width, height = pose.size
    rng = np.random.default_rng(seed)
    mirrored = pose.xy * np.array([-1, 1], np.float32) + np.array([width, 0], np.float32)
    mirrored, score = mirrored.copy(), pose.score.copy()
    for left, right in LAYOUTS[pose.layout].pairs:
        mirrored[:, [left, right]] = mirrored[:, [right, left]]
        score[:, [left, right]] = score[:, [right, left]]
    body_px = body_height_px(pose)
    seen = np.isfinite(body_px)
    at_720p = scaled(pose, BODY_PX / float(np.median(body_px[seen])) if seen.any() else 1.0)
    noise = rng.normal(0, NOISE_PX, pose.xy.shape).astype(np.float32)
    moved = pose.xy + np.array([0.21 * width, -0.13 * height], np.float32)
    return {
        "picture x0.5": scaled(pose, 0.5),
        "picture x2": scaled(pose, 2.0),
        "mirrored": dataclasses.replace(pose, xy=mirrored, score=score),
        "shifted": dataclasses.replace(pose, xy=moved),
        f"{NOISE_PX:g} px noise on a body of {BODY_PX:g} px": dataclasses.replace(at_720p, xy=at_720p.xy + noise),
        **{f"{fps:g} fps": resampled(pose, fps) for fps in RATES_FPS},
    }


def scaled(pose: PoseTrack, factor: float) -> PoseTrack:
    """The same picture, larger or smaller."""
    size = (max(1, round(pose.size[0] * factor)), max(1, round(pose.size[1] * factor)))
    return dataclasses.replace(pose, xy=(pose.xy * factor).astype(np.float32), size=size)


def resampled(pose: PoseTrack, fps: float) -> PoseTrack:
    """The same dance filmed at another frame rate; a joint is seen where both frames around the moment have it."""
    times_s = np.arange(pose.times_s[0], pose.times_s[-1], 1 / fps)
    after = np.clip(np.searchsorted(pose.times_s, times_s, side="right"), 1, len(pose.times_s) - 1)
    share = (times_s - pose.times_s[after - 1]) / (pose.times_s[after] - pose.times_s[after - 1])
    weight = share[:, None].astype(np.float32)
    xy = pose.xy[after - 1] * (1 - weight[..., None]) + pose.xy[after] * weight[..., None]
    score = pose.score[after - 1] * (1 - weight) + pose.score[after] * weight
    apart = pose.shot[after - 1] != pose.shot[after]
    xy[apart] = pose.xy[after[apart]]
    score = np.where(np.isfinite(xy[..., 0]), score, 0).astype(np.float32)
    return dataclasses.replace(pose, xy=xy, score=score, times_s=times_s, shot=pose.shot[after])


def excerpts(pose: PoseTrack, length_s: float) -> list[PoseTrack]:
    """As many whole stretches of a length as there are, one after the other; the whole where it is shorter."""
    starts = np.arange(pose.times_s[0], duration_of(pose) - length_s + 1e-3, length_s)
    return [excerpt(pose, start, length_s) for start in starts] or [pose]


def excerpt(pose: PoseTrack, start_s: float, length_s: float) -> PoseTrack:
    """A stretch of a track, its time from 0."""
    keep = (pose.times_s >= start_s - 1e-6) & (pose.times_s < start_s + length_s - 1e-6)
    return dataclasses.replace(
        pose, xy=pose.xy[keep], score=pose.score[keep], times_s=pose.times_s[keep] - start_s, shot=pose.shot[keep]
    )


# Movement without a beat


def shuffled(pose: PoseTrack, rng: np.random.Generator) -> PoseTrack:
    """The same pictures in an order drawn by lot."""
    order = rng.permutation(len(pose.times_s))
    return dataclasses.replace(pose, xy=pose.xy[order], score=pose.score[order])


def idle(pose: PoseTrack, rng: np.random.Generator) -> PoseTrack:
    """Somebody who stands still, under a detector's noise: the best seen frame, held; neighbouring frames are alike."""
    return _wandering(pose, rng, sd_px=NOISE_PX, alike=0.5)


def wandering(pose: PoseTrack, rng: np.random.Generator) -> PoseTrack:
    """Joints that wander at random, by a tenth of the body height within half a second, about one held frame."""
    step_s = float(np.median(np.diff(pose.times_s))) if len(pose.times_s) > 1 else 1.0
    return _wandering(pose, rng, sd_px=0.1 * BODY_PX, alike=float(np.exp(-step_s / 0.5)))


def _wandering(pose: PoseTrack, rng: np.random.Generator, *, sd_px: float, alike: float) -> PoseTrack:
    """One frame held, each joint a first-order autoregressive walk about its place, on a body of `BODY_PX`."""
    from scipy.signal import lfilter

    body_px = body_height_px(pose)
    seen = np.isfinite(body_px)
    factor = float(np.median(body_px[seen])) / BODY_PX if seen.any() else 1.0
    held = pose.xy[int(np.isfinite(pose.xy[..., 0]).sum(1).argmax())]
    white = rng.normal(0, np.sqrt(1 - alike**2), pose.xy.shape)
    white[0] /= np.sqrt(1 - alike**2)
    walk = lfilter([1.0], [1.0, -alike], white, axis=0)
    xy = (held + factor * sd_px * walk).astype(np.float32)
    score = np.isfinite(xy[..., 0]).astype(np.float32)
    return dataclasses.replace(pose, xy=xy, score=score, shot=np.zeros(len(xy), np.int32))


def without_beat(poses: Sequence[PoseTrack], seed: int) -> dict[str, list[Clip]]:
    """For each kind of movement without a beat, a clip made from each pose."""
    kinds = {"frames shuffled": shuffled, "standing, with noise": idle, "joints that wander at random": wandering}
    return {
        name: [
            clip_of(f"{name} {number}", make(pose, np.random.default_rng([seed, number])), np.zeros(0))
            for number, pose in enumerate(poses)
        ]
        for name, make in kinds.items()
    }


def evenly(clips: Iterable[Clip], most: int) -> list[Clip]:
    """At most so many clips, spread over all."""
    every = list(clips)
    if len(every) <= most:
        return every
    places = np.linspace(0, len(every) - 1, most).round().astype(int)
    return [every[i] for i, _ in itertools.groupby(places)]
