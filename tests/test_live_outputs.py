"""What the outputs make of events, and when they get them."""

import socket
import struct
import threading

import numpy as np
import pytest

from kinebeat.errors import OptionError
from kinebeat.live.clock import SessionClock
from kinebeat.live.events import Beat, Change, Hit
from kinebeat.live.keypoints import Keypoints
from kinebeat.live.outputs import output as outputs
from kinebeat.live.outputs.osc import OscOutput, encoded, place
from kinebeat.live.outputs.output import Output, Runner, Seen

KICK = 0


def beat(number, time_s, tempo=120.0, in_bar=None):
    return Beat(time_s, number, number % 4 if in_bar is None else in_bar, tempo, 0.5)


class Kept(Output):
    """Remembers what it was handed and when."""

    name = "kept"

    def __init__(self, clock, latency_s=0.0):
        self.latency_s = latency_s
        self.clock, self.announced, self.played, self.closed = clock, [], [], False

    def announce(self, item):
        self.announced.append(item)

    def play(self, event):
        self.played.append((self.clock.now_s(), event))

    def close(self):
        self.closed = True


def run(output, clock, items, notices=None, within_s=1.0):
    runner = Runner(output, clock, [].append if notices is None else notices.append)
    for item in items:
        runner.give(item)
    runner.end(within_s)
    runner.join()
    return runner


def test_events_are_announced_at_once_and_handed_over_when_due():
    clock = SessionClock()
    output = Kept(clock, latency_s=0.05)
    now_s = clock.now_s()
    late, early = Hit(now_s + 0.3, 1, 1.0, 1), Hit(now_s + 0.15, 0, 1.0, 0)
    seen = Seen(now_s, None, 1, 0.0)
    runner = run(output, clock, [late, early, seen])
    assert output.announced == [late, early, seen]
    assert [event for _, event in output.played] == [early, late]
    for when_s, event in output.played:
        assert when_s >= event.time_s - 0.05  # never before its time
    assert runner.errors.spread().count == 2
    assert runner.errors.values_s().min() >= 0
    assert output.closed


def test_a_hit_that_is_due_already_is_handed_over_at_once_and_counted_as_late():
    clock = SessionClock()
    output = Kept(clock)
    runner = run(output, clock, [Hit(clock.now_s() - 0.1, 0, 1.0, 0)])
    assert len(output.played) == 1
    assert runner.late.values_s() == pytest.approx([0.1], abs=0.25)
    assert runner.dropped == 0


def test_hits_of_long_ago_are_left_out_but_beats_are_not():
    clock = SessionClock()
    output = Kept(clock)
    old_s = clock.now_s() - 2 * outputs.LATEST_S
    runner = run(output, clock, [Hit(old_s, 0, 1.0, 0), beat(0, old_s)])
    assert [type(event) for _, event in output.played] == [Beat]
    assert runner.dropped == 1


def test_a_failing_output_is_told_of_once_and_tried_again(monkeypatch):
    monkeypatch.setattr(outputs, "AGAIN_S", 0.15)
    clock = SessionClock()

    class Broken(Kept):
        broken = True

        def play(self, event):
            if self.broken:
                raise OSError("the cable is out")
            super().play(event)

        def reopen(self):
            self.broken = False

    output, notices = Broken(clock), []
    now_s = clock.now_s()
    hits = [Hit(now_s + 0.05 * k, 0, 1.0, k) for k in range(12)]
    runner = run(output, clock, hits, notices)
    assert [text.split(";")[0] for text in notices] == ["kept: the cable is out", "kept: works again"]
    numbers = [event.number for _, event in output.played]
    assert numbers
    assert numbers == list(range(numbers[0], 12))
    assert runner.dropped + len(numbers) == 11  # and one on which it failed


def test_a_slow_output_does_not_hold_up_another():
    clock = SessionClock()
    release = threading.Event()

    class Slow(Kept):
        def play(self, event):
            release.wait(5)

    quick, notices = Kept(clock), []
    slow_runner = Runner(Slow(clock), clock, notices.append)
    quick_runner = Runner(quick, clock, notices.append)
    for runner in (slow_runner, quick_runner):
        for k in range(3):
            runner.give(Hit(clock.now_s(), 0, 1.0, k))
        runner.end(0.2)
    quick_runner.join()
    assert len(quick.played) == 3
    assert not release.is_set()
    release.set()
    slow_runner.join()


def test_an_output_that_never_answers_is_left_behind(monkeypatch):
    monkeypatch.setattr(outputs, "DRAIN_S", 0.05)
    clock, release, notices = SessionClock(), threading.Event(), []

    class Stuck(Kept):
        def play(self, event):
            release.wait(10)

    runner = Runner(Stuck(clock), clock, notices.append)
    runner.give(Hit(clock.now_s(), 0, 1.0, 0))
    runner.end(0.0)
    runner.join()
    release.set()
    assert notices == ["kept: does not answer any more and is left behind"]


def decoded(content):
    """An OSC message as address and values, read after the specification."""

    def text(at):
        end = content.index(b"\0", at)
        return content[at:end].decode(), end + 4 - end % 4

    address, at = text(0)
    tags, at = text(at)
    values = []
    for tag in tags[1:]:
        if tag == "s":
            value, at = text(at)
        else:
            value = struct.unpack_from(">i" if tag == "i" else ">f", content, at)[0]
            at += 4
        values.append(value)
    assert at == len(content)
    return address, values


def test_osc_messages_are_padded_as_the_specification_says():
    assert encoded("/a", 1) == b"/a\0\0,i\0\0\0\0\0\1"
    for name in ("", "abc", "abcd", "Bb ♯"):
        assert decoded(encoded("/kinebeat", name, 2.5, 7)) == ("/kinebeat", [name, 2.5, 7])


def test_events_and_keypoints_go_out_over_udp():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(5)
        output = OscOutput("127.0.0.1", receiver.getsockname()[1])
        xy = np.tile(np.array([50.0, 50.0], np.float32), (17, 1))
        xy[3] = np.nan
        output.play(beat(5, 1.0))
        output.play(Hit(1.0, KICK, 0.5, 9, "left_wrist"))
        output.play(Change(1.0, "playing", "you move"))
        output.announce(Seen(2.0, Keypoints(xy, np.ones(17, np.float32), (200, 100)), 1, 0.0))
        output.announce(Seen(3.0, None, 2, 0.0))
        output.announce(Seen(4.0, None, 0, 0.0, idle=True))
        output.announce(beat(6, 1.5))
        got = [decoded(receiver.recv(4096)) for _ in range(5)]
        output.close()
    assert got[0] == ("/kinebeat/beat", [5, 1, 120.0, 0.5])
    assert got[1] == ("/kinebeat/hit", [0, "kick", 0.5, 9, "left_wrist"])
    assert got[2] == ("/kinebeat/state", ["playing", "you move"])
    address, values = got[3]
    assert address == "/kinebeat/keypoints"
    assert values[:4] == [2.0, 0.25, 0.5, 1.0]
    assert values[10:13] == [-1.0, -1.0, 0.0]
    assert len(values) == 52
    assert got[4] == ("/kinebeat/keypoints", [3.0])


@pytest.mark.parametrize("text", ["9000", "host", "host:", "host:0", "host:70000", "host:x"])
def test_places_that_are_none_are_refused(text):
    with pytest.raises(OptionError, match="host:port"):
        place(text)


def test_places():
    assert place("127.0.0.1:9000") == ("127.0.0.1", 9000)
    assert place(":9000") == ("127.0.0.1", 9000)
    assert place("[::1]:9000") == ("::1", 9000)
    with pytest.raises(OptionError, match="no such host"):
        OscOutput("no-such-host.invalid", 9000)
