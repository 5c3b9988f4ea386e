"""Kinebeat hears the rhythm in human movement.

`soundtrack(path)` takes a video of someone moving and gives back a `Soundtrack`: the music on the movement and every
noun that led to it. `hear(path)` stops at the beats: a `Heard`. `accompany(path)` plays piano or guitar to the drums of
a MIDI file: an `Arrangement`. `perform(path)` hears what a musician plays in a silent film: a `Performance`.
`LiveEngine` plays drums to someone, frame by frame. Importing the package is quick and silent; what is heavy is loaded
when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kinebeat.accents import Accents
    from kinebeat.arrangement import Arrangement, accompany
    from kinebeat.beats.grid import BeatGrid
    from kinebeat.drums.track import DrumTrack
    from kinebeat.errors import InputError, KinebeatError, OptionError, OutputError
    from kinebeat.hearing import Heard, hear
    from kinebeat.live.engine import EngineState, LiveEngine
    from kinebeat.live.events import Beat, Change, Hit
    from kinebeat.live.keypoints import Keypoints
    from kinebeat.live.settings import LiveSettings
    from kinebeat.motion import Motion
    from kinebeat.performance.pipeline import Performance, perform
    from kinebeat.pipeline import Soundtrack, soundtrack
    from kinebeat.pose.track import PoseTrack
    from kinebeat.rhythm import Rhythm
    from kinebeat.score import Score
    from kinebeat.song import Song

__version__ = "0.1.0"

_HOME = {
    "Accents": "kinebeat.accents",
    "Arrangement": "kinebeat.arrangement",
    "Beat": "kinebeat.live.events",
    "BeatGrid": "kinebeat.beats.grid",
    "Change": "kinebeat.live.events",
    "DrumTrack": "kinebeat.drums.track",
    "Edit": "kinebeat.edits",
    "EngineState": "kinebeat.live.engine",
    "Heard": "kinebeat.hearing",
    "Hit": "kinebeat.live.events",
    "InputError": "kinebeat.errors",
    "Keypoints": "kinebeat.live.keypoints",
    "KinebeatError": "kinebeat.errors",
    "LiveEngine": "kinebeat.live.engine",
    "LiveSettings": "kinebeat.live.settings",
    "Motion": "kinebeat.motion",
    "OptionError": "kinebeat.errors",
    "OutputError": "kinebeat.errors",
    "Performance": "kinebeat.performance.pipeline",
    "PoseTrack": "kinebeat.pose.track",
    "Rhythm": "kinebeat.rhythm",
    "Score": "kinebeat.score",
    "Settings": "kinebeat.settings",
    "Song": "kinebeat.song",
    "Soundtrack": "kinebeat.pipeline",
    "accompany": "kinebeat.arrangement",
    "hear": "kinebeat.hearing",
    "load_heard": "kinebeat.heard_files",
    "perform": "kinebeat.performance.pipeline",
    "play_to": "kinebeat.pipeline",
    "save_heard": "kinebeat.heard_files",
    "soundtrack": "kinebeat.pipeline",
}

__all__ = [
    "Accents",
    "Arrangement",
    "Beat",
    "BeatGrid",
    "Change",
    "DrumTrack",
    "Edit",
    "EngineState",
    "Heard",
    "Hit",
    "InputError",
    "Keypoints",
    "KinebeatError",
    "LiveEngine",
    "LiveSettings",
    "Motion",
    "OptionError",
    "OutputError",
    "Performance",
    "PoseTrack",
    "Rhythm",
    "Score",
    "Settings",
    "Song",
    "Soundtrack",
    "accompany",
    "hear",
    "load_heard",
    "perform",
    "play_to",
    "save_heard",
    "soundtrack",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value
