"""Drums and clock at a MIDI port."""

import numpy as np
import pytest

from kinebeat.live.events import Beat, Change, Hit
from kinebeat.live.outputs import midi, midi_clock
from kinebeat.live.outputs.midi import MidiError, MidiOutput
from kinebeat.live.outputs.midi_clock import CLOCK, CONTINUE, SONG_POSITION, START, STOP, ClockState

KICK = 0


def beat(number, time_s, tempo=120.0, in_bar=None):
    return Beat(time_s, number, number % 4 if in_bar is None else in_bar, tempo, 0.5)


def ticked(told, until_s):
    """Messages of a clock that is told events at times: [(time, message)]."""
    state, sent, told = ClockState(), [], list(told)
    while True:
        due = midi_clock.due_s(state)
        if told and (due is None or told[0][0] <= due):
            state = midi_clock.heard(told.pop(0)[1], state)
        elif due is None or due > until_s:
            return sent, state
        else:
            messages, state = midi_clock.tick(due, state)
            sent += [(due, message) for message in messages]


def test_a_steady_clock_has_24_even_ticks_a_beat():
    told = [(max(0.0, 0.5 * k - 0.12), beat(k, 1 + 0.5 * k)) for k in range(8)]
    sent, _ = ticked(told, 4.49)
    assert sent[0] == (1.0, [START])
    ticks = [time_s for time_s, message in sent if message == [CLOCK]]
    assert len(sent) == len(ticks) + 1
    np.testing.assert_allclose(ticks, 1 + np.arange(len(ticks)) * 0.5 / 24, atol=1e-9)
    assert len(ticks) == 168


def test_a_clock_bends_to_a_beat_that_comes_earlier_and_never_runs_back():
    times_s = [1.0, 1.5, 1.93, 2.5]  # told a tenth of a second ahead, the tempo says half a second each time
    told = [(time_s - 0.1, beat(k, time_s)) for k, time_s in enumerate(times_s)]
    sent, _ = ticked(told, 2.49)
    ticks = np.array([time_s for time_s, message in sent if message == [CLOCK]])
    assert (np.diff(ticks) > 0).all()
    np.testing.assert_allclose(ticks[::24], [1.0, 1.5, 1.93], atol=1e-9)


def test_a_clock_stops_with_the_music_and_starts_on_the_next_downbeat():
    told = [
        (0.9, beat(0, 1.0)),
        (1.4, beat(1, 1.5)),
        (1.4, Change(1.5, "waiting", "")),
        (4.9, Change(5.0, "playing", "")),
        (4.9, beat(2, 5.0, in_bar=0)),
    ]
    sent, state = ticked(told, 5.2)
    words = [(time_s, message[0]) for time_s, message in sent if message != [CLOCK]]
    assert words == [(1.0, START), (1.5, STOP), (5.0, START)]
    assert sum(message == [CLOCK] and time_s <= 1.5 for time_s, message in sent) == 25
    assert state.beat.number == 2


def test_a_clock_that_starts_inside_a_bar_says_where():
    sent, _ = ticked([(0.0, beat(2, 1.0))], 1.0)
    assert [message for _, message in sent] == [[SONG_POSITION, 8, 0], [CONTINUE], [CLOCK]]


def test_a_clock_stops_when_no_beat_comes_any_more():
    sent, state = ticked([(0.0, beat(0, 1.0))], 9.0)
    assert sent[-1] == (1.75, [STOP])
    assert state == ClockState()
    assert midi_clock.heard(Change(2.0, "waiting", ""), state) == state


class FakePort:
    def __init__(self):
        self.sent, self.closed = [], False

    def send_message(self, message):
        self.sent.append(list(message))

    def close_port(self):
        self.closed = True


def test_hits_are_general_midi_drums_and_every_note_ends():
    port = FakePort()
    output = MidiOutput(port, "here")
    output.play(Hit(1.0, KICK, 1.0, 0))
    output.play(Hit(1.05, KICK, 0.001, 1))
    assert port.sent == [[0x99, 36, 127], [0x89, 36, 0], [0x99, 36, 1]]
    assert output.wake_s() == pytest.approx(1.15)
    output.tick(1.2)
    assert port.sent[-1] == [0x89, 36, 0]
    assert output.wake_s() is None
    output.close()
    assert port.closed


def test_the_clock_runs_in_the_output_and_stops_at_its_end():
    port = FakePort()
    output = MidiOutput(port, "here")
    output.announce(beat(0, 1.0))
    output.announce(Hit(1.0, KICK, 1.0, 0))
    assert output.wake_s() == 1.0
    output.tick(1.1)  # late: what was missed is made up for
    assert port.sent == [[START]] + [[CLOCK]] * 5
    output.close()
    assert [STOP] in port.sent


class FakeSystem:
    names = ("Piano 20:0", "Drum machine 24:0", "Drum machine 24:1")

    def __init__(self):
        self.opened = None

    def get_ports(self):
        return list(self.names)

    def open_port(self, number, name):
        if number == 0:
            raise RuntimeError("busy")
        self.opened = number
        return FakePort()

    def open_virtual_port(self, name):
        self.opened = name
        return FakePort()


def test_ports_are_found_by_name(monkeypatch):
    system = FakeSystem()
    monkeypatch.setattr(midi, "_system", lambda: system)
    monkeypatch.setattr(midi.sys, "platform", "linux")
    assert midi.port_names() == list(FakeSystem.names)
    midi.midi_output("24:1")
    assert system.opened == 2
    midi.midi_output("Kinebeat")
    assert system.opened == "Kinebeat"
    with pytest.raises(MidiError, match="several"):
        midi.midi_output("drum")
    with pytest.raises(MidiError, match="close the program"):
        midi.midi_output("piano")
    monkeypatch.setattr(midi.sys, "platform", "win32")
    with pytest.raises(MidiError, match="loopMIDI"):
        midi.midi_output("Kinebeat")


def test_a_system_without_midi_is_an_error_in_one_line(monkeypatch):
    import rtmidi

    def fails(name):
        raise rtmidi.SystemError("no sequencer.")

    monkeypatch.setattr(rtmidi, "MidiOut", fails)
    with pytest.raises(MidiError, match=r"no MIDI \(no sequencer\)"):
        midi.port_names()
