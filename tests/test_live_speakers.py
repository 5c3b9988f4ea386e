"""The drums as recordings, and on loudspeakers."""

import io
import time
import wave

import numpy as np
import pytest

from kinebeat.audio import pcm_16, wav_16
from kinebeat.drums.kit import DRUMS
from kinebeat.errors import OptionError
from kinebeat.live.clock import SessionClock
from kinebeat.live.events import Beat, Hit
from kinebeat.live.outputs import samples
from kinebeat.live.outputs.samples import LAYERS, DrumSamples, drum_samples
from kinebeat.live.outputs.speakers import Follower, Mixer, SpeakerError, SpeakerOutput
from kinebeat.synth import RATE_HZ

KICK, CLOSED, OPEN = 0, 2, 3


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
    with wave.open(io.BytesIO(wav_16(pcm_16(kit.waves[KICK][2])))) as file:
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
    output.announce(Beat(1.0, 0, 0, 120.0, 0.5))
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
