"""What the outputs make of events, and when they get them."""

import io
import socket
import struct
import threading
import time
import wave

import numpy as np
import pytest

from kinebeat.drums.kit import DRUMS
from kinebeat.errors import OptionError
from kinebeat.live.clock import SessionClock
from kinebeat.live.events import Beat, Change, Hit
from kinebeat.live.keypoints import Keypoints
from kinebeat.live.outputs import midi, midi_clock, samples
from kinebeat.live.outputs import output as outputs
from kinebeat.live.outputs.midi import MidiError, MidiOutput
from kinebeat.live.outputs.midi_clock import CLOCK, CONTINUE, SONG_POSITION, START, STOP, ClockState
from kinebeat.live.outputs.osc import OscOutput, encoded, place
from kinebeat.live.outputs.output import Output, Runner, Seen
from kinebeat.live.outputs.samples import LAYERS, DrumSamples, drum_samples, wav_bytes
from kinebeat.live.outputs.speakers import Follower, Mixer, SpeakerError, SpeakerOutput
from kinebeat.synth import RATE_HZ

KICK, CLOSED, OPEN = 0, 2, 3


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


# --- MIDI clock


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


# --- MIDI port


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


# --- OSC


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


# --- drums as recordings, loudspeakers


@pytest.fixture(scope="module")
def kit():
    return drum_samples()


def test_every_drum_is_recorded_and_louder_strokes_are_louder(kit):
    assert len(kit.waves) == len(DRUMS)
    for waves in kit.waves:
        peaks = [float(np.abs(wave).max()) for wave in waves]
        assert len(waves) == len(LAYERS)
        assert 0 < peaks[0] < peaks[1] < peaks[2] < 0.5
        assert all(np.abs(wave[:480]).max() > 0.1 * peak for wave, peak in zip(waves, peaks, strict=True))  # at once


def test_a_stroke_takes_the_next_louder_recording_turned_down(kit):
    wave, gain = kit.stroke(KICK, LAYERS[1] / 127)
    assert wave is kit.waves[KICK][1]
    assert gain == pytest.approx(1)
    wave, gain = kit.stroke(KICK, (LAYERS[1] + 1) / 127)
    assert wave is kit.waves[KICK][2]
    assert gain == pytest.approx(((LAYERS[1] + 1) / 127) ** 2)
    assert kit.stroke(KICK, 0.0)[1] > 0


def test_recordings_are_wav_files(kit):
    with wave.open(io.BytesIO(wav_bytes(kit.waves[KICK][2]))) as file:
        assert (file.getnchannels(), file.getframerate(), file.getsampwidth()) == (2, RATE_HZ, 2)
        assert file.getnframes() == len(kit.waves[KICK][2])


def test_there_is_no_other_kit():
    with pytest.raises(OptionError, match="no kit"):
        drum_samples("pots and pans")


def tone(length):
    """Drums that are all one steady value, so that what is heard is easily counted."""
    return DrumSamples(tuple(tuple(np.full((length, 2), 0.5, np.float32) for _ in LAYERS) for _ in DRUMS))


def played(mixer, blocks, frames=480, begin_s=10.0):
    return np.concatenate([mixer.block(frames, begin_s + k * frames / RATE_HZ) for k in range(blocks)])[:, 0]


def test_a_stroke_begins_at_its_sample():
    mixer = Mixer(tone(100))
    mixer.strike(KICK, 1.0, 10.0 + 700 / RATE_HZ)
    sound = played(mixer, 3)
    np.testing.assert_array_equal(np.flatnonzero(sound), np.arange(700, 800))


def test_a_stroke_that_is_past_sounds_at_once_and_whole():
    mixer = Mixer(tone(1000))
    mixer.strike(KICK, 1.0, 9.0)
    np.testing.assert_array_equal(np.flatnonzero(played(mixer, 3)), np.arange(1000))


@pytest.mark.parametrize("order", [(OPEN, CLOSED), (CLOSED, OPEN)])
def test_a_closed_hi_hat_ends_an_open_one_whichever_is_told_first(order):
    starts = {OPEN: 10.0, CLOSED: 10.0 + 1000 / RATE_HZ}
    mixer = Mixer(tone(20000))
    for drum in order:
        mixer.strike(drum, 1.0, starts[drum])
    sound = played(mixer, 10)
    assert sound[999] == pytest.approx(0.5)
    assert sound[1001] > 0.8
    assert sound[3000] == pytest.approx(0.5)  # the closed one alone


def test_many_strokes_never_exceed_full_scale():
    mixer = Mixer(tone(1000))
    for _ in range(60):
        mixer.strike(KICK, 1.0, 10.0)
    sound = played(mixer, 2)
    assert 0.99 < sound.max() <= 1.0


def test_a_device_that_asks_unevenly_is_followed_evenly():
    follower, chances, frames = Follower(0.02), np.random.default_rng(0), 480
    asked = 5.0 + np.arange(400) * frames / RATE_HZ
    heard = np.array([follower.heard_s(float(t + chances.uniform(0, 0.005)), frames) for t in asked])
    assert np.abs(np.diff(heard) - frames / RATE_HZ).max() < 2e-4
    assert abs((heard - asked)[-1] - 0.0225) < 0.002
    late = follower.heard_s(float(asked[-1]) + 1.0, frames)
    assert late == pytest.approx(asked[-1] + 1.02)


def test_hits_reach_a_device():
    clock = SessionClock()
    output = SpeakerOutput(tone(100), clock, null=True)
    asked = []
    mixed = output._mixer.block
    output._mixer.block = lambda frames, begin_s: asked.append(begin_s) or mixed(frames, begin_s)
    output.announce(Hit(clock.now_s() + 0.02, KICK, 1.0, 0))
    output.announce(beat(0, 1.0))
    end_s = time.monotonic() + 10
    while (output._mixer._voices or len(asked) < 3) and time.monotonic() < end_s:
        time.sleep(0.01)
    assert not output._mixer._voices
    output.reopen()
    output.close()


def test_a_computer_without_loudspeakers_is_told_so(monkeypatch):
    import miniaudio

    def fails(**_options):
        raise miniaudio.MiniaudioError("failed to init device", -401)

    monkeypatch.setattr(miniaudio, "PlaybackDevice", fails)
    with pytest.raises(SpeakerError, match="no loudspeakers"):
        SpeakerOutput(tone(10), SessionClock())


def test_the_loudest_stroke_leaves_room_for_others(kit):
    peak = max(float(np.abs(wave).max()) for waves in kit.waves for wave in waves)
    assert peak == pytest.approx(10 ** (samples.LOUDEST_DBFS / 20), rel=1e-3)
