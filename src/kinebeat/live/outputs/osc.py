"""Beats, hits, moods and keypoints as Open Sound Control 1.0 over UDP.

Messages go out when what they tell is due:

- `/kinebeat/beat`: number (int), place in the bar 0 to 3 (int), tempo in BPM (float), confidence 0 to 1 (float);
- `/kinebeat/hit`: drum 0 to 8 (int), its name (string), velocity 0 to 1 (float), number (int), joint that struck it
  (string, empty for the groove);
- `/kinebeat/state`: waiting, playing or ending (string), why (string);
- `/kinebeat/keypoints`: time in seconds (float), then for each of the 17 joints x and y as shares of the picture's
  width and height, and score (floats); a joint that is not seen is -1, -1, 0. With nobody in the picture it is the
  time alone.
"""

from __future__ import annotations

import socket
import struct

import numpy as np

from kinebeat.drums.kit import DRUMS
from kinebeat.errors import OptionError
from kinebeat.live.events import Beat, Change, Event
from kinebeat.live.outputs.output import Output, Seen


def encoded(address: str, *values: float | str) -> bytes:
    """One OSC message: integers as `i`, other numbers as `f`, text as `s`."""
    tags, content = ",", b""
    for value in values:
        if isinstance(value, str):
            tags, content = tags + "s", content + _padded(value)
        elif isinstance(value, int):
            tags, content = tags + "i", content + struct.pack(">i", value)
        else:
            tags, content = tags + "f", content + struct.pack(">f", value)
    return _padded(address) + _padded(tags) + content


def _padded(text: str) -> bytes:
    """Text with one to four zeros, a multiple of four bytes."""
    content = text.encode("utf-8", errors="replace")
    return content + bytes(4 - len(content) % 4)


def place(text: str) -> tuple[str, int]:
    """Host and port of `host:port`.

    Raises:
        OptionError: it is not of that form.
    """
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise OptionError(f"OSC goes to host:port, such as 127.0.0.1:9000; got {text!r}")
    return host.strip("[]") or "127.0.0.1", int(port)


class OscOutput(Output):
    """Sends to one place.

    Args:
        host: its name or address.
        port: of UDP.

    Raises:
        OptionError: there is no such host.
    """

    def __init__(self, host: str, port: int) -> None:
        self.name = f"OSC to {host}:{port}"
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
        except OSError as error:
            raise OptionError(f"{self.name}: there is no such host ({error.strerror})") from error
        self._to = found[4]
        self._socket = socket.socket(*found[:3])

    def announce(self, item: Event | Seen) -> None:
        """Send keypoints as they come."""
        if not isinstance(item, Seen) or item.idle:
            return
        values: list[float] = [item.time_s]
        if item.keypoints is not None:
            joints = np.concatenate([item.keypoints.shares, item.keypoints.score[:, None]], axis=1)
            joints[np.isnan(joints).any(axis=1)] = (-1.0, -1.0, 0.0)
            values += joints.ravel().tolist()
        self._send("/kinebeat/keypoints", *values)

    def play(self, event: Event) -> None:
        """Send an event."""
        if isinstance(event, Beat):
            self._send("/kinebeat/beat", event.number, event.in_bar, event.tempo_bpm, event.confidence)
        elif isinstance(event, Change):
            self._send("/kinebeat/state", event.mood, event.reason)
        else:
            name = DRUMS[event.drum].name
            self._send("/kinebeat/hit", event.drum, name, event.velocity, event.number, event.joint or "")

    def close(self) -> None:
        """Let go of the socket."""
        self._socket.close()

    def _send(self, address: str, *values: float | str) -> None:
        self._socket.sendto(encoded(address, *values), self._to)
