"""A plainly drawn figure that dances: the video of `kinebeat demo`, and a movement whose truth is known.

The dance is a list of hits. At each the body arrives somewhere and stops dead, on a beat or, for an accent, between
beats. Positions follow from it at any time, so tests can have the exact joints (`puppet_pose`) as well as a video
(`draw_puppet_video`). Lengths in the dance are in body heights.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from kinebeat import skeleton
from kinebeat.errors import OptionError
from kinebeat.files import atomic_output
from kinebeat.pose.track import PoseTrack

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    Points = NDArray[np.float64]

TEMPO_BPM = 112.0
SIZE = (720, 960)
# The first beat is not at 0: whoever assumes that it is shall be seen to be wrong.
FIRST_BEAT_S = 0.62
# How long a limb takes to get where it stops. It gets faster all the way: the stop is the sharpest moment.
_MOVE_S = 0.24

# Where an arm points: angle of the upper and the lower arm in degrees from hanging down, outwards positive.
_ARMS = {
    "rest": (14.0, 24.0),
    "low": (42.0, 48.0),
    "side": (88.0, 92.0),
    "flex": (80.0, 172.0),
    "high": (138.0, 150.0),
    "up": (164.0, 174.0),
    "hip": (48.0, -38.0),
    "chest": (34.0, -112.0),
    "swing": (30.0, 96.0),
}
# A phrase of eight beats: (beat within the phrase, what moves where). Beats that are not whole are accents.
# arms: (left, right); step: feet and pelvis shift in body heights; dip: how far the pelvis sinks; lean: degrees.
_Move = tuple[float, dict[str, Any]]
_PHRASES: dict[str, tuple[_Move, ...]] = {
    "steps": (
        (0, {"left_foot": 0.17, "pelvis": 0.06, "arms": ("swing", "rest")}),
        (1, {"right_foot": 0.03, "pelvis": 0.10, "arms": ("rest", "swing")}),
        (2, {"right_foot": -0.12, "pelvis": 0.0, "arms": ("swing", "rest")}),
        (3, {"left_foot": 0.07, "pelvis": -0.02, "arms": ("rest", "rest")}),
        (3.5, {"arms": ("side", "side"), "dip": 0.03}),
        (4, {"right_foot": -0.20, "pelvis": -0.06, "arms": ("rest", "swing"), "dip": 0.0}),
        (5, {"left_foot": -0.03, "pelvis": -0.10, "arms": ("swing", "rest")}),
        (6, {"left_foot": 0.10, "pelvis": 0.0, "arms": ("rest", "swing")}),
        (7, {"right_foot": -0.10, "arms": ("rest", "rest")}),
        (7.5, {"arms": ("chest", "chest"), "lean": 0.0}),
    ),
    "hits": (
        (0, {"left_foot": 0.14, "right_foot": -0.14, "arms": ("up", "rest"), "dip": 0.02}),
        (1, {"arms": ("up", "up"), "lean": -4.0}),
        (2, {"arms": ("side", "side"), "lean": 0.0}),
        (2.5, {"arms": ("flex", "flex"), "dip": 0.04}),
        (3, {"arms": ("low", "low"), "dip": 0.01}),
        (4, {"arms": ("chest", "high"), "lean": 7.0, "pelvis": 0.03}),
        (5, {"arms": ("high", "chest"), "lean": -7.0, "pelvis": -0.03}),
        (5.75, {"arms": ("side", "hip"), "lean": 0.0, "pelvis": 0.0}),
        (7, {"arms": ("rest", "rest"), "left_foot": 0.10, "right_foot": -0.10, "dip": 0.0}),
    ),
    "squat": (
        (0, {"left_foot": 0.17, "right_foot": -0.17, "dip": 0.15, "arms": ("flex", "flex")}),
        (2, {"dip": 0.01, "arms": ("up", "up")}),
        (3, {"dip": 0.12, "arms": ("low", "low"), "lean": 6.0}),
        (3.5, {"arms": ("low", "high")}),
        (4, {"dip": 0.02, "arms": ("side", "side"), "lean": 0.0}),
        (5, {"dip": 0.12, "arms": ("low", "low"), "lean": -6.0}),
        (5.5, {"arms": ("high", "low")}),
        (6, {"dip": 0.0, "arms": ("hip", "hip"), "lean": 0.0}),
        (7, {"left_foot": 0.10, "right_foot": -0.10, "arms": ("rest", "rest")}),
    ),
    # Strikes a pose and holds it for more than three beats: the music has to hold its breath too.
    "freeze": (
        (0, {"arms": ("up", "hip"), "lean": -8.0, "pelvis": 0.05, "left_foot": 0.16, "dip": 0.03}),
        (3.5, {"arms": ("side", "hip")}),
        (4, {"arms": ("side", "side"), "lean": 0.0, "pelvis": 0.0}),
        (5, {"arms": ("flex", "flex"), "dip": 0.06}),
        (6, {"arms": ("high", "high"), "dip": 0.0, "left_foot": 0.10}),
        (6.75, {"arms": ("low", "low")}),
        (7, {"arms": ("rest", "rest")}),
    ),
}
_BEATS_PER_PHRASE = 8
_START = {
    "left_foot": 0.10,
    "right_foot": -0.10,
    "pelvis": 0.0,
    "dip": 0.0,
    "lean": 0.0,
    "arms": ("rest", "rest"),
}

# Body, in body heights.
_ANKLE, _SHIN, _THIGH, _TORSO, _NECK, _HEAD = 0.045, 0.225, 0.235, 0.285, 0.045, 0.068
_SHOULDER, _HIP, _UPPER_ARM, _FOREARM, _HAND, _FOOT = 0.105, 0.062, 0.155, 0.14, 0.045, 0.075


@dataclass(frozen=True)
class Dance:
    """A dance whose truth is known.

    Attributes:
        tempo_bpm: beats per minute.
        beats_s: (B,) all beats from the first to the end, those that are held through too.
        hits_s: (H,) when something arrives and stops, on a beat or between.
        accents_s: (A,) those of the hits that are between beats.
        channels: for each moving part its hits: (times_s, values), the first value being that before the first hit.
    """

    tempo_bpm: float
    beats_s: NDArray[np.float64]
    hits_s: NDArray[np.float64]
    accents_s: NDArray[np.float64]
    channels: dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]


def make_dance(*, duration_s: float = 12.0, tempo_bpm: float = TEMPO_BPM, seed: int = 0) -> Dance:
    """Put phrases together: steps first, a pause no later than third, sides exchanged by chance.

    Args:
        duration_s: length.
        tempo_bpm: beats per minute.
        seed: decides the order of the phrases and their sides.

    Returns:
        The dance.

    Raises:
        OptionError: the duration is not above 0, or the tempo not between 30 and 240.
    """
    if not np.isfinite(duration_s) or duration_s <= 0:
        raise OptionError(f"a duration above 0 seconds was expected, got {duration_s}")
    if not 30 <= tempo_bpm <= 240:
        raise OptionError(f"a tempo between 30 and 240 beats per minute was expected, got {tempo_bpm}")
    rng = np.random.default_rng(seed)
    beat_s = 60.0 / tempo_bpm
    beats_s = np.arange(FIRST_BEAT_S, duration_s, beat_s)
    moves: list[tuple[float, bool, dict[str, float]]] = []
    for phrase in range(len(beats_s) // _BEATS_PER_PHRASE + 1):
        if phrase == 0:
            name = "steps"
        elif phrase % 3 == 2:
            name = "freeze"
        else:
            name = str(rng.choice(["hits", "squat"] if phrase % 2 else ["steps", "hits", "squat"]))
        mirrored = bool(rng.integers(2))
        for beat, targets in _PHRASES[name]:
            time_s = FIRST_BEAT_S + (phrase * _BEATS_PER_PHRASE + beat) * beat_s
            if time_s < duration_s:
                moves.append((time_s, beat % 1 != 0, _values(targets, mirrored)))
    channels = {}
    for name, start in _values(_START, False).items():
        own = [(t, values[name]) for t, _, values in moves if name in values]
        channels[name] = (np.array([t for t, _ in own]), np.array([start, *(v for _, v in own)]))
    return Dance(
        tempo_bpm=tempo_bpm,
        beats_s=beats_s,
        hits_s=np.array([t for t, _, _ in moves]),
        accents_s=np.array([t for t, off_beat, _ in moves if off_beat]),
        channels=channels,
    )


def puppet_pose(
    times_s: NDArray[np.float64],
    *,
    tempo_bpm: float = TEMPO_BPM,
    size: tuple[int, int] = SIZE,
    seed: int = 0,
    dance: Dance | None = None,
) -> PoseTrack:
    """The exact joints of the dancing figure, as a perfect pose estimator would see them.

    Args:
        times_s: (T,) increasing.
        tempo_bpm: beats per minute.
        size: width and height of the picture.
        seed: as for `make_dance`.
        dance: a dance of one's own in place of tempo and seed.

    Returns:
        The track, layout `rhythmicnet17`, all scores 1.
    """
    times_s = np.asarray(times_s, np.float64)
    if dance is None:
        end_s = float(times_s[-1]) + 4.0 if len(times_s) else 4.0
        dance = make_dance(duration_s=max(end_s, 4.0), tempo_bpm=tempo_bpm, seed=seed)
    points = _body(dance, times_s, size)
    layout = skeleton.layout("rhythmicnet17")
    xy = np.stack([points[joint] for joint in layout.joints], axis=1).astype(np.float32)
    frames = len(times_s)
    score = np.ones((frames, len(layout.joints)), np.float32)
    return PoseTrack(xy, score, times_s, layout.name, np.zeros(frames, np.int32), size)


def draw_puppet_video(
    path: str | Path,
    *,
    duration_s: float = 12.0,
    fps: float = 30.0,
    tempo_bpm: float = TEMPO_BPM,
    size: tuple[int, int] = SIZE,
    seed: int = 0,
    progress: Callable[[float], None] | None = None,
) -> Dance:
    """Write a silent H.264 mp4 of the dancing figure.

    Args:
        path: the file to write; it appears whole or not at all.
        duration_s: length.
        fps: frame rate; need not be whole.
        tempo_bpm: beats per minute.
        size: width and height in pixels, even.
        seed: as for `make_dance`.
        progress: called with the share done, 0 to 1.

    Returns:
        The dance, with its beats and accents.

    Raises:
        OptionError: an argument is out of range.
        OutputError: the file cannot be written.
    """
    import av

    from kinebeat.puppet_drawing import Painter

    if not 1 <= fps <= 240:
        raise OptionError(f"a frame rate between 1 and 240 was expected, got {fps}")
    if min(size) < 64 or size[0] % 2 or size[1] % 2:
        raise OptionError(f"an even width and height of at least 64 were expected, got {size[0]}x{size[1]}")
    dance = make_dance(duration_s=duration_s, tempo_bpm=tempo_bpm, seed=seed)
    rate = Fraction(fps).limit_denominator(1001)
    frames = max(1, round(duration_s * rate))
    times_s = np.arange(frames) / float(rate)
    points = _body(dance, times_s, size)
    painter = Painter(size, _pixels_per_height(size))
    with atomic_output(path) as part, av.open(str(part), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=rate, options={"crf": "19", "preset": "veryfast"})
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        for i in range(frames):
            picture = painter.draw({name: where[i] for name, where in points.items()})
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            if progress is not None:
                progress((i + 1) / frames)
        container.mux(stream.encode(None))
    return dance


def _values(targets: dict[str, Any], mirrored: bool) -> dict[str, float]:
    """Numbers per channel from a move's targets; mirrored, left and right are exchanged."""
    values: dict[str, float] = {}
    for name, target in targets.items():
        if name == "arms":
            for side, pose in zip(("left", "right"), target, strict=True):
                values[f"{side}_upper_arm"], values[f"{side}_forearm"] = _ARMS[pose]
        else:
            values[name] = float(target)
    if not mirrored:
        return values
    other = {"left": "right", "right": "left"}
    signed = {"left_foot", "right_foot", "pelvis", "lean"}
    return {
        (other[name.split("_")[0]] + name[name.index("_") :] if name[0] in "lr" and "_" in name else name): (
            -value if name in signed else value
        )
        for name, value in values.items()
    }


def _channel(dance: Dance, name: str, times_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """(T,) value of a moving part: it waits, then moves ever faster, and stops dead at the hit."""
    hits, values = dance.channels[name]
    result = np.full(len(times_s), values[0])
    for k, hit in enumerate(hits):
        since = hit - hits[k - 1] if k else np.inf
        share = np.clip(1 + (times_s - hit) / min(_MOVE_S, 0.9 * since), 0.0, 1.0)
        result += (values[k + 1] - values[k]) * share**2
    return result


def _lift(dance: Dance, name: str, times_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """(T,) how high a foot is while it moves, body heights."""
    hits, values = dance.channels[name]
    result = np.zeros(len(times_s))
    for k, hit in enumerate(hits):
        share = np.clip(1 + (times_s - hit) / _MOVE_S, 0.0, 1.0)
        result += 0.35 * abs(values[k + 1] - values[k]) * np.sin(np.pi * share**2)
    return result


def _pixels_per_height(size: tuple[int, int]) -> float:
    """Pixels that the figure is tall: it must fit with its arms up and its steps to both sides."""
    return min(0.70 * size[1], 1.0 * size[0])


def _body(dance: Dance, times_s: NDArray[np.float64], size: tuple[int, int]) -> dict[str, Points]:
    """Every point of the figure by name, (T, 2) pixels each."""
    value = {name: _channel(dance, name, times_s) for name in dance.channels}
    beat = (times_s - FIRST_BEAT_S) * dance.tempo_bpm / 60
    alive = 0.006 * np.cos(2 * np.pi * beat)  # the knees give a little on every beat
    legs = _ANKLE + _SHIN + _THIGH
    pelvis = np.stack([value["pelvis"], 0.012 + value["dip"] + alive - legs], axis=1)
    lean = np.radians(value["lean"])
    spine = np.stack([np.sin(lean), -np.cos(lean)], axis=1)
    across = np.stack([np.cos(lean), np.sin(lean)], axis=1)
    neck = pelvis + _TORSO * spine
    # the head stays more upright than the back
    upright = np.stack([np.sin(0.4 * lean), -np.cos(0.4 * lean)], axis=1)
    head = neck + (_NECK + _HEAD) * upright
    points = {"mid_hip": pelvis, "neck": neck, "head": head, "nose": head - 0.1 * _HEAD * upright}
    # Facing the camera, the figure's left is on the right of the picture.
    for side, sign in (("left", 1.0), ("right", -1.0)):
        shoulder = neck + sign * _SHOULDER * across + 0.012 * -spine
        upper, lower = np.radians(value[f"{side}_upper_arm"]), np.radians(value[f"{side}_forearm"])
        elbow = shoulder + _UPPER_ARM * np.stack([sign * np.sin(upper), np.cos(upper)], axis=1)
        along = np.stack([sign * np.sin(lower), np.cos(lower)], axis=1)
        wrist = elbow + _FOREARM * along
        hip = pelvis + sign * _HIP * np.array([1.0, 0.0])
        foot = value[f"{side}_foot"]
        ankle = np.stack([foot, -_ANKLE - _lift(dance, f"{side}_foot", times_s)], axis=1)
        points |= {
            f"{side}_shoulder": shoulder,
            f"{side}_elbow": elbow,
            f"{side}_wrist": wrist,
            f"{side}_hand": wrist + _HAND * along,
            f"{side}_hip": hip,
            f"{side}_knee": _knee(hip, ankle, sign),
            f"{side}_ankle": ankle,
            f"{side}_big_toe": ankle + np.array([sign * 0.5 * _FOOT, 0.8 * _ANKLE]),
        }
    scale = _pixels_per_height(size)
    ground = np.array([size[0] / 2, 0.5 * (size[1] + scale * 1.08)])
    return {name: ground + scale * where for name, where in points.items()}


def _knee(hip: Points, ankle: Points, sign: float) -> Points:
    """(T, 2) where thigh and shin meet: bent outwards by what the leg is too long for the distance."""
    line = ankle - hip
    length = np.linalg.norm(line, axis=1)
    reach = np.minimum(length, 0.999 * (_THIGH + _SHIN))
    along = (reach**2 + _THIGH**2 - _SHIN**2) / (2 * reach)
    # Seen from the front a knee bends mostly towards the viewer; only part of it shows sideways.
    out = 0.6 * np.sqrt(np.maximum(_THIGH**2 - along**2, 0.0))
    unit = line / length[:, None]
    normal = np.stack([unit[:, 1], -unit[:, 0]], axis=1) * sign
    knee: Points = hip + unit * (along * length / reach)[:, None] + normal * out[:, None]
    return knee
