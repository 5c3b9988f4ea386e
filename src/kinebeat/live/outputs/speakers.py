"""The drums on this computer's loudspeakers."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kinebeat.errors import KinebeatError
from kinebeat.live.events import Event, Hit
from kinebeat.live.outputs.output import Output, Seen, quietly
from kinebeat.score import CHOKED, CHOKING
from kinebeat.synth import CHOKE_S, RATE_HZ

if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Any

    from numpy.typing import NDArray

    from kinebeat.live.clock import SessionClock
    from kinebeat.live.outputs.samples import DrumSamples

BUFFER_MS = 20
MOST_VOICES = 48
LEAP_S = 0.05
"""The device's clock is followed slowly; off by more than this (it stood still for a while) it is taken anew."""
FOLLOWED = 0.02
BENT_FROM = 0.8
"""Samples beyond this are bent so that none is beyond 1."""


class SpeakerError(KinebeatError):
    """No sound can be played on this computer."""


@dataclass
class _Voice:
    """A stroke that sounds or will sound."""

    wave: NDArray[np.float32]  # (N, 2), with its gain
    begin_s: float
    drum: int
    place: int | None = None  # samples played; None before it has begun
    end_s: float = np.inf  # when another stroke ends it


class Mixer:
    """Mixes strokes into blocks of sound, each exactly at its time.

    Args:
        samples: of the drums.
    """

    def __init__(self, samples: DrumSamples) -> None:
        self._samples = samples
        self._voices: list[_Voice] = []
        self._lock = threading.Lock()

    def strike(self, drum: int, velocity: float, time_s: float) -> None:
        """Let a drum sound at a time, at once if that is past; a stroke on a hi-hat ends an open one."""
        wave, gain = self._samples.stroke(drum, velocity)
        new = _Voice(wave * np.float32(gain), time_s, drum)
        with self._lock:
            for voice in self._voices:
                if drum in CHOKING and voice.drum in CHOKED and voice.begin_s < time_s:
                    voice.end_s = min(voice.end_s, time_s)
                if drum in CHOKED and voice.drum in CHOKING and voice.begin_s > time_s:
                    new.end_s = min(new.end_s, voice.begin_s)
            self._voices.append(new)
            if len(self._voices) > MOST_VOICES:
                del self._voices[0]

    def block(self, frames: int, begin_s: float) -> NDArray[np.float32]:
        """The next sound.

        Args:
            frames: how much of it, at 48 kHz.
            begin_s: when its first sample is heard.

        Returns:
            (frames, 2) float32 in [-1, 1]; peaks beyond are bent, not cut.
        """
        out = np.zeros((frames, 2), np.float32)
        with self._lock:
            for voice in self._voices:
                first = 0
                if voice.place is None:
                    first = max(0, round((voice.begin_s - begin_s) * RATE_HZ))
                    if first >= frames:
                        continue
                    voice.place = 0
                part = voice.wave[voice.place : voice.place + frames - first]
                if voice.end_s < begin_s + frames / RATE_HZ:
                    past_s = begin_s + np.arange(first, first + len(part)) / RATE_HZ - voice.end_s
                    part = part * np.clip(1 - past_s / CHOKE_S, 0, 1).astype(np.float32)[:, None]
                out[first : first + len(part)] += part
                voice.place += frames - first
            self._voices = [
                voice
                for voice in self._voices
                if (voice.place is None or voice.place < len(voice.wave)) and voice.end_s + CHOKE_S > begin_s
            ]
        loud = np.abs(out)
        bent = np.sign(out) * (BENT_FROM + (1 - BENT_FROM) * np.tanh((loud - BENT_FROM) / (1 - BENT_FROM)))
        return np.where(loud > BENT_FROM, bent, out).astype(np.float32)


class Follower:
    """Says when the samples of a device are heard: its calls come unevenly, its samples do not.

    Args:
        latency_s: from a call for samples until the first of them is heard.
    """

    def __init__(self, latency_s: float) -> None:
        self._latency_s = latency_s
        self._next_s: float | None = None

    def heard_s(self, now_s: float, frames: int) -> float:
        """When the first of the samples that are asked for now is heard.

        Args:
            now_s: the time of the call.
            frames: how many samples are asked for.
        """
        guess_s = now_s + self._latency_s
        if self._next_s is None or abs(guess_s - self._next_s) > LEAP_S:
            begin_s = guess_s
        else:
            begin_s = self._next_s + FOLLOWED * (guess_s - self._next_s)
        self._next_s = begin_s + frames / RATE_HZ
        return begin_s


class SpeakerOutput(Output):
    """Plays hits on a device of this computer. Hits are mixed in at their time, so they need not be handed over then.

    Args:
        samples: of the drums.
        clock: of the session.
        null: play to nothing, as if there were a device; for tests.

    Raises:
        SpeakerError: there is no device, or it cannot be used.
    """

    name = "speakers"

    def __init__(self, samples: DrumSamples, clock: SessionClock, *, null: bool = False) -> None:
        self._mixer = Mixer(samples)
        self._clock = clock
        self._null = null
        self._device = self._opened()

    def announce(self, item: Event | Seen) -> None:
        """Take a hit into the mix."""
        if isinstance(item, Hit):
            self._mixer.strike(item.drum, item.velocity, item.time_s)

    def reopen(self) -> None:
        """Open the device anew."""
        self._device.close()
        self._device = self._opened()

    def close(self) -> None:
        """Let go of the device."""
        self._device.close()

    def _opened(self) -> Any:
        try:
            import miniaudio
        except ImportError as error:
            raise SpeakerError(f"miniaudio, which plays sound, cannot be loaded ({error}); install it again") from error
        nothing = miniaudio.Backend.NULL
        backends = [nothing] if self._null else [backend for backend in miniaudio.Backend if backend != nothing]
        try:
            with quietly():
                device = miniaudio.PlaybackDevice(
                    output_format=miniaudio.SampleFormat.FLOAT32,
                    nchannels=2,
                    sample_rate=RATE_HZ,
                    buffersize_msec=BUFFER_MS,
                    backends=backends,
                    app_name="Kinebeat",
                )
                sound = self._sound()
                next(sound)
                device.start(sound)
        except miniaudio.MiniaudioError as error:
            raise SpeakerError(
                f"no loudspeakers can be played to ({error.args[0]}); connect some, or use --midi-port, --wav or "
                "the page"
            ) from error
        return device

    def _sound(self) -> Generator[bytes, int, None]:
        """What the device asks for: it sends the number of frames it wants."""
        follower = Follower(BUFFER_MS / 1000)
        frames = yield b""
        while True:
            block = self._mixer.block(frames, follower.heard_s(self._clock.now_s(), frames))
            frames = yield block.tobytes()
