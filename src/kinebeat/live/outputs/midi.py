"""Drums and MIDI clock to a MIDI port."""

from __future__ import annotations

import heapq
import itertools
import sys
from typing import TYPE_CHECKING, Any, Protocol

from kinebeat.drums.kit import DRUMS
from kinebeat.errors import KinebeatError
from kinebeat.live.events import Beat, Change, Event, Hit
from kinebeat.live.outputs.midi_clock import STOP, ClockState, due_s, heard, tick
from kinebeat.live.outputs.output import Output, Seen, quietly
from kinebeat.score import HIT_S

if TYPE_CHECKING:
    from collections.abc import Callable

DRUM_CHANNEL = 9
"""General MIDI's channel 10, counted from 0."""
NOTE_ON, NOTE_OFF, CONTROL, ALL_NOTES_OFF = 0x90, 0x80, 0xB0, 123


class MidiError(KinebeatError):
    """A MIDI port cannot be used."""


class Port(Protocol):
    """What is needed of a MIDI port."""

    def send_message(self, message: list[int]) -> None:
        """Send the bytes of one message."""
        ...

    def close_port(self) -> None:
        """Let go of it."""
        ...


class MidiOutput(Output):
    """General MIDI drums on channel 10, and MIDI clock with start and stop.

    Args:
        port: where to.
        name: of the port, for the user.
        open_again: opens the port anew after a failure; None where that is not possible.
    """

    def __init__(self, port: Port, name: str, open_again: Callable[[], Port] | None = None) -> None:
        self.name = f"MIDI port {name}"
        self._port, self._open_again = port, open_again
        self._clock = ClockState()
        self._ends: list[tuple[float, int, int]] = []  # when a note ends, order, its pitch
        self._order = itertools.count()

    def announce(self, item: Event | Seen) -> None:
        """Keep the clock informed."""
        if isinstance(item, (Beat, Change)):
            self._clock = heard(item, self._clock)

    def play(self, event: Event) -> None:
        """Strike a drum; the note ends a little later."""
        if not isinstance(event, Hit):
            return
        pitch = DRUMS[event.drum].pitch
        if any(other == pitch for _, _, other in self._ends):
            self._ends = [end for end in self._ends if end[2] != pitch]
            heapq.heapify(self._ends)
            self._port.send_message([NOTE_OFF | DRUM_CHANNEL, pitch, 0])
        self._port.send_message([NOTE_ON | DRUM_CHANNEL, pitch, min(127, max(1, round(127 * event.velocity)))])
        heapq.heappush(self._ends, (event.time_s + HIT_S, next(self._order), pitch))

    def wake_s(self) -> float | None:
        """For the next tick of the clock or the next end of a note."""
        clock_s = due_s(self._clock)
        return min(
            (when for when in (clock_s, self._ends[0][0] if self._ends else None) if when is not None), default=None
        )

    def tick(self, now_s: float) -> None:
        """Send what is due; ticks that were missed are made up for, so that no sequencer falls behind."""
        while (when := due_s(self._clock)) is not None and when <= now_s:
            messages, self._clock = tick(now_s, self._clock)
            for message in messages:
                self._port.send_message(message)
        while self._ends and self._ends[0][0] <= now_s:
            self._port.send_message([NOTE_OFF | DRUM_CHANNEL, heapq.heappop(self._ends)[2], 0])

    def reopen(self) -> None:
        """Open the port anew."""
        if self._open_again is not None:
            self._port = self._open_again()

    def close(self) -> None:
        """Stop the clock, end all notes, let go of the port."""
        if self._clock.beat is not None:
            self._port.send_message([STOP])
        for _, _, pitch in self._ends:
            self._port.send_message([NOTE_OFF | DRUM_CHANNEL, pitch, 0])
        self._port.send_message([CONTROL | DRUM_CHANNEL, ALL_NOTES_OFF, 0])
        self._port.close_port()


def port_names() -> list[str]:
    """Names of the MIDI ports that can be played to.

    Raises:
        MidiError: this system has no MIDI.
    """
    midi = _system()
    names: list[str] = midi.get_ports()
    return names


def midi_output(name: str) -> MidiOutput:
    """Open a port.

    Args:
        name: of a port, or a part of it, whatever the case; where no port is called so, a virtual port of that name is
            made for other programs to listen to, if the system has such.

    Raises:
        MidiError: this system has no MIDI, several ports fit, or none does and virtual ones are not to be had.
    """
    port = _opened(name)
    return MidiOutput(port, name, lambda: _opened(name))


def _opened(name: str) -> Port:
    midi = _system()
    names: list[str] = midi.get_ports()
    exact = [i for i, other in enumerate(names) if other == name]
    fitting = exact or [i for i, other in enumerate(names) if name.lower() in other.lower()]
    if len(fitting) > 1 and not exact:
        raise MidiError(
            f"several MIDI ports are called so: {', '.join(names[i] for i in fitting)}; give more of the name"
        )
    try:
        port: Port
        if fitting:
            port = midi.open_port(fitting[0], "Kinebeat")
        elif sys.platform == "win32":
            known = ", ".join(names) if names else "none"
            raise MidiError(
                f"no MIDI port is called {name!r} (there are: {known}), and Windows makes no virtual ones; "
                "a loopback driver such as loopMIDI does"
            )
        else:
            port = midi.open_virtual_port(name)
    except MidiError:
        raise
    except Exception as error:
        raise MidiError(f"MIDI port {name!r} cannot be opened ({error}); close the program that has it") from error
    return port


def _system() -> Any:
    """The system's MIDI."""
    import rtmidi

    try:
        with quietly():
            return rtmidi.MidiOut(name="Kinebeat")
    except Exception as error:
        remedy = (
            "load the module snd-seq, or start JACK" if sys.platform.startswith("linux") else "see its MIDI settings"
        )
        raise MidiError(f"this system has no MIDI ({str(error).rstrip('.')}); {remedy}") from error
