"""A take: everything that went into the engine and came out of it, kept, written, and played again bit for bit.

The file is a keypoint file (`.npz`: `xy`, `score`, `times_s`, `layout`, `size`), so every command that reads those
reads takes. It also holds the picture size of each frame, the settings and where they were changed, and all events.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kinebeat import __version__
from kinebeat.errors import InputError, OptionError
from kinebeat.files import atomic_output
from kinebeat.live.events import Beat, Change, Event, Hit
from kinebeat.live.keypoints import LAYOUT, Keypoints
from kinebeat.live.settings import LiveSettings
from kinebeat.pose import load_pose
from kinebeat.skeleton import LAYOUTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    from kinebeat.live.session import Engine

JOINTS = len(LAYOUTS[LAYOUT].joints)
NO_PICTURE = (1, 1)
"""Size of a take in which no picture was ever seen."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the engine.

    Attributes:
        keypoints: that went in; None for nobody.
        time_s: that went in.
        events: that came out.
    """

    keypoints: Keypoints | None
    time_s: float
    events: tuple[Event, ...]


@dataclass
class Take:
    """What a session has kept so far.

    Attributes:
        steps: all steps of the engine.
        settings: the settings and from which step on they hold: there the engine began anew.
    """

    steps: list[Step] = field(default_factory=list)
    settings: list[tuple[int, LiveSettings]] = field(default_factory=list)

    @property
    def events(self) -> list[Event]:
        """All events, in the order in which they were handed out."""
        return [event for step in self.steps for event in step.events]

    @property
    def duration_s(self) -> float:
        """From the first step's time 0 to the last."""
        return self.steps[-1].time_s if self.steps else 0.0


def save_take(take: Take, path: str | Path) -> None:
    """Write a take, whole or not at all.

    Args:
        take: with one step at least.
        path: the `.npz` to write.

    Raises:
        OptionError: nothing was recorded.
        OutputError: the file cannot be written.
    """
    if not take.steps:
        raise OptionError(f"{path}: nothing was recorded; not one frame came")
    size = next((step.keypoints.size for step in take.steps if step.keypoints is not None), NO_PICTURE)
    nowhere = np.full((JOINTS, 2), np.nan, np.float32)
    nothing = np.zeros(JOINTS, np.float32)
    seen = [step.keypoints for step in take.steps]
    arrays: dict[str, Any] = {
        "xy": np.stack([nowhere if keypoints is None else keypoints.xy for keypoints in seen]),
        "score": np.stack([nothing if keypoints is None else keypoints.score for keypoints in seen]),
        "times_s": np.array([step.time_s for step in take.steps], np.float64),
        "layout": np.array(LAYOUT),
        "size": np.array(size),
        "sizes": np.array([size if keypoints is None else keypoints.size for keypoints in seen], np.int32),
        "kinebeat": np.array(__version__),
        "seed": np.array(take.settings[0][1].seed),
        "settings_from": np.array([step for step, _ in take.settings], np.int64),
        "settings": np.array([json.dumps(asdict(settings)) for _, settings in take.settings]),
        **event_arrays(step.events for step in take.steps),
    }
    with atomic_output(path) as part, part.open("wb") as file:
        np.savez_compressed(file, **arrays)


def event_arrays(steps: Iterable[tuple[Event, ...]]) -> dict[str, NDArray[Any]]:
    """Events as arrays, one entry an event; `*_step` says which step of the engine handed it out.

    Args:
        steps: events of one step after the other.

    Returns:
        `beat_*`, `hit_*` and `change_*` arrays with the fields of `kinebeat.live.events`. A hit without a joint has an
        empty one.
    """
    rows: dict[type, list[tuple[int, Any]]] = {Beat: [], Hit: [], Change: []}
    for number, events in enumerate(steps):
        for event in events:
            rows[type(event)].append((number, event))
    arrays: dict[str, NDArray[Any]] = {}
    for kind, fields in _FIELDS.items():
        name = kind.__name__.lower()
        arrays[f"{name}_step"] = np.array([number for number, _ in rows[kind]], np.int64)
        for key, dtype in fields.items():
            values = [getattr(event, key) for _, event in rows[kind]]
            arrays[f"{name}_{key}"] = np.array(["" if value is None else value for value in values], dtype)
    return arrays


_FIELDS: dict[type, dict[str, Any]] = {
    Beat: {
        "time_s": np.float64,
        "number": np.int64,
        "in_bar": np.int64,
        "tempo_bpm": np.float64,
        "confidence": np.float64,
    },
    Hit: {"time_s": np.float64, "drum": np.int64, "velocity": np.float64, "number": np.int64, "joint": np.str_},
    Change: {"time_s": np.float64, "mood": np.str_, "reason": np.str_},
}


def load_take(path: str | Path) -> tuple[Take, dict[str, NDArray[Any]]]:
    """Read a take: what went into the engine, and the events that came out.

    Args:
        path: written by `save_take`.

    Returns:
        The take, its steps without events, and the events as `event_arrays`.

    Raises:
        InputError: it is no keypoint file, or holds no session.
    """
    path = Path(path)
    load_pose(path)  # says what is wrong with it as a keypoint file
    with np.load(path, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    wanted = ["settings", "settings_from", "sizes", *event_arrays([])]
    if missing := [name for name in wanted if name not in arrays]:
        raise InputError(
            path,
            f"holds keypoints but no recorded session ({missing[0]} is missing)",
            "record one with kinebeat live --record; plain keypoints are played with --video",
        )
    frames = len(arrays["times_s"])
    try:
        froms = [int(step) for step in arrays["settings_from"]]
        settings = [LiveSettings(**json.loads(str(text))) for text in arrays["settings"]]
        if len(froms) != len(settings) or not froms or froms != sorted(froms) or froms[0] != 0:
            raise ValueError("settings and where they hold do not fit")
        if arrays["sizes"].shape != (frames, 2) or arrays["xy"].shape != (frames, JOINTS, 2):
            raise ValueError("arrays of different lengths")
    except (ValueError, TypeError, OptionError) as error:
        raise InputError(
            path, f"is no session of this version ({error})", "replay it with the version that it names"
        ) from error
    steps = []
    for xy, score, time_s, size in zip(arrays["xy"], arrays["score"], arrays["times_s"], arrays["sizes"], strict=True):
        keypoints = None if np.isnan(xy).all() else Keypoints(xy, score, (int(size[0]), int(size[1])))
        steps.append(Step(keypoints, float(time_s), ()))
    events = {name: arrays[name] for name in event_arrays([])}
    return Take(steps, list(zip(froms, settings, strict=True))), events


@dataclass(frozen=True)
class Replayed:
    """What a replay has shown.

    Attributes:
        take: the same steps with the events that came out this time.
        difference: what differs from the recorded events; None where they are the same, bit for bit.
    """

    take: Take
    difference: str | None


def replay(path: str | Path, engine_of: Callable[[LiveSettings], Engine]) -> Replayed:
    """Let an engine play a recorded take again, as fast as it goes, and compare the events.

    Args:
        path: written by `save_take`.
        engine_of: makes the engine with given settings.

    Raises:
        InputError: the file cannot be used.
    """
    take, recorded = load_take(path)
    changes = dict(take.settings)
    steps = []
    engine = engine_of(take.settings[0][1])
    state = engine.begin()
    for number, step in enumerate(take.steps):
        if number and number in changes:
            engine = engine_of(changes[number])
            state = engine.begin()
        events, state = engine.step(step.keypoints, step.time_s, state)
        steps.append(Step(step.keypoints, step.time_s, tuple(events)))
    now = event_arrays(step.events for step in steps)
    return Replayed(Take(steps, take.settings), _difference(recorded, now))


def _difference(recorded: dict[str, NDArray[Any]], now: dict[str, NDArray[Any]]) -> str | None:
    """The first difference, in words."""
    for kind in ("beat", "hit", "change"):
        count, again = len(recorded[f"{kind}_step"]), len(now[f"{kind}_step"])
        if count != again:
            return f"{count} {kind}s were recorded, {again} came now"
        for name, array in recorded.items():
            if name.startswith(f"{kind}_") and not np.array_equal(array, now[name]):
                which = int(np.flatnonzero(array != now[name])[0])
                what = name.removeprefix(f"{kind}_")
                return f"{kind} {which} differs in its {what}: {array[which]} then, {now[name][which]} now"
    return None
