"""MIDI clock out of beats: 24 ticks a beat, evenly spread, on time for each beat.

The engine tells a beat only some tenths of a second before it is due, so the ticks until then go by the tempo of the
beat before. When the next beat is told, what is left of its ticks is spread evenly over the time that is left: the
clock is bent, never broken, and each 24th tick is a beat.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from kinebeat.live.events import Beat, Change

TICKS_PER_BEAT = 24
SIXTEENTHS_PER_BEAT = 4
CLOCK, START, CONTINUE, STOP, SONG_POSITION = 0xF8, 0xFA, 0xFB, 0xFC, 0xF2
PATIENCE_BEATS = 0.5
"""A beat that is overdue by so much does not come: the clock stops."""


@dataclass(frozen=True)
class ClockState:
    """Where the clock is.

    Attributes:
        coming: what is known to come: beats, and changes to waiting, which end the music.
        beat: the beat that the last ticks belong to; None where the clock stands still.
        sent: ticks sent of `beat`, 1 to 24.
        last_s: when the last tick was.
    """

    coming: tuple[Beat | Change, ...] = ()
    beat: Beat | None = None
    sent: int = 0
    last_s: float = 0.0


def heard(event: Beat | Change, state: ClockState) -> ClockState:
    """The clock after word of a beat, or of a change of the engine's mood."""
    if isinstance(event, Change) and event.mood != "waiting":
        return state
    if isinstance(event, Change) and state.beat is None and not state.coming:
        return state  # it stands still already
    return replace(state, coming=(*state.coming, event))


def due_s(state: ClockState) -> float | None:
    """When something is to be sent next; None where nothing is known to come."""
    following = _following(state)
    return None if following is None else following[0]


def tick(now_s: float, state: ClockState) -> tuple[list[list[int]], ClockState]:
    """Send what is due.

    Args:
        now_s: the time, `due_s` or a little later.
        state: of the clock.

    Returns:
        MIDI messages, and the state after them.
    """
    following = _following(state)
    if following is None or now_s < following[0]:
        return [], state
    time_s, what = following
    if what == "stop":
        return [[STOP]], ClockState(state.coming[1:])
    if what == "tick":
        return [[CLOCK]], replace(state, sent=state.sent + 1, last_s=time_s)
    beat = state.coming[0]
    if isinstance(beat, Change):  # it ends what has not begun
        return [], replace(state, coming=state.coming[1:])
    messages = [[CLOCK]] if what == "beat" else _started(beat)
    return messages, ClockState(state.coming[1:], beat, 1, time_s)


def _following(state: ClockState) -> tuple[float, Literal["start", "beat", "tick", "stop"]] | None:
    """When there is something to send next, and what."""
    first = state.coming[0] if state.coming else None
    if state.beat is None:
        return None if first is None else (first.time_s, "start")
    period_s = 60 / state.beat.tempo_bpm
    end_s = max(state.last_s, first.time_s if isinstance(first, Beat) else state.beat.time_s + period_s)
    next_s = state.last_s + (end_s - state.last_s) / (TICKS_PER_BEAT + 1 - state.sent)
    if isinstance(first, Change) and (first.time_s <= next_s or state.sent == TICKS_PER_BEAT):
        return max(first.time_s, state.last_s), "stop"
    if state.sent < TICKS_PER_BEAT:
        return next_s, "tick"
    return (end_s + PATIENCE_BEATS * period_s, "stop") if first is None else (end_s, "beat")


def _started(beat: Beat) -> list[list[int]]:
    """Messages with which a sequencer begins at a beat: on a downbeat at its first bar, else inside it."""
    if beat.in_bar == 0:
        return [[START], [CLOCK]]
    return [[SONG_POSITION, beat.in_bar * SIXTEENTHS_PER_BEAT, 0], [CONTINUE], [CLOCK]]
