"""Plays a score through a soundfont: 48 kHz stereo, block by block.

Written for Kinebeat because symusic's synthesizer (0.5.9) plays every note equally loud whatever its velocity,
which loses the movement's energy, and lets some drums end after 5 ms. Follows the SoundFont specification
2.04: volume and modulation envelopes, low-pass filter, loops, tuning, pan, attenuation, exclusive classes; not
LFOs, chorus and a font's own modulators. A block is the same to the last bit whatever the blocks' length.
"""

from __future__ import annotations

import itertools
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from kinebeat.soundfont import Gen, SoundFont, Zone, open_soundfont

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from kinebeat.score import Score, Track

RATE_HZ = 48000
INSTANTLY = -12000  # timecents: 1 ms, the shortest time that fonts write
BLOCK_S = 10.0
SILENT_DB = 96.0  # a voice this far down has ended
SILENT = 2**-16  # half a step of 16 bits
FULL_DB = 100.0  # envelopes' times are given for a fall by so much (section 8.1.3)
LONGEST_HIT_S = 10.0  # a drum that would ring longer is let go at the end of its note
SHORTEST_RELEASE_S = 0.005  # a voice cut off at once would click
CHOKE_S = 0.03  # how fast a voice stops when another of its exclusive class starts
EMU_ATTENUATION = 0.4  # the sound cards that fonts are made for heed so much of a zone's attenuation
CONTROL_FRAMES = 64  # a moving filter is set anew after so many samples, or a few times as many,
CONTROL_CENTS = 4  # when it has moved by so much
CENTRED_S = 0.02  # how long a held note takes to lose its constant
CACHE_BYTES = 48 * 2**20


@dataclass
class _Core:
    """A zone at one key before velocity, release and choke: as much of it as has been needed yet."""

    wave: NDArray[np.float32]  # (N, 2)
    complete: bool  # the voice has ended by itself


@dataclass
class Sampler:
    """Plays single notes of a soundfont and remembers their waves; the least used are forgotten first."""

    font: SoundFont
    cores: OrderedDict[Zone, _Core] = field(default_factory=OrderedDict)

    def core(self, zone: Zone, frames: int, is_drum: bool) -> _Core:
        """A zone's wave of at least `frames` samples, or less if it has ended by then."""
        known = self.cores.get(zone)
        if known is None or not (known.complete or len(known.wave) >= frames):
            known = _core(self.font, zone, -(-frames // RATE_HZ) * RATE_HZ, is_drum)
            self.cores[zone] = known
            used = sum(core.wave.nbytes for core in self.cores.values())
            while used > CACHE_BYTES and len(self.cores) > 1:
                used -= self.cores.popitem(last=False)[1].wave.nbytes
            if zone not in self.cores:
                return known
        self.cores.move_to_end(zone)
        return known


def render_blocks(
    score: Score,
    soundfont: SoundFont | str | Path | None = None,
    *,
    block_s: float = BLOCK_S,
    sampler: Sampler | None = None,
) -> Iterator[NDArray[np.float32]]:
    """Play a score, from time 0 to the clip's end.

    Args:
        score: the music.
        soundfont: an opened font, its path, or None for the one that `find_soundfont` finds.
        block_s: length of a block in seconds; it changes memory, not sound.
        sampler: remembers the notes' waves between calls with one font; a new one if None.

    Yields:
        (N, 2) float32, left and right at 48 kHz; they may exceed 1. Together round(duration_s * 48000) frames.

    Raises:
        InputError: the soundfont cannot be used.
    """
    if sampler is None:
        sampler = Sampler(soundfont if isinstance(soundfont, SoundFont) else open_soundfont(soundfont))
    font = sampler.font
    notes = _notes(score, font)
    end = round(score.duration_s * RATE_HZ)
    size = max(1, round(block_s * RATE_HZ))
    played = 0
    ringing = np.zeros((0, 2), np.float32)
    for begin in range(0, end, size):
        block = np.zeros((max(size, len(ringing)), 2), np.float32)
        block[: len(ringing)] = ringing
        while played < len(notes) and notes[played].frame < begin + size:
            for zone in notes[played].zones:
                wave = _voice(zone, notes[played], sampler)
                for side, gain in enumerate(notes[played].gain):  # with both at once numpy takes several times as long
                    wave[:, side] *= gain
                block = _added(block, notes[played].frame - begin, wave)
            played += 1
        yield block[: min(size, end - begin)]
        ringing = block[size:]


def render(score: Score, soundfont: SoundFont | str | Path | None = None) -> NDArray[np.float32]:
    """The whole score as `render_blocks` plays it: (round(duration_s * 48000), 2) float32."""
    return np.concatenate([np.zeros((0, 2), np.float32), *render_blocks(score, soundfont)])


def missing_programs(score: Score, font: SoundFont) -> list[str]:
    """Sounds that the font does not have, as warnings; the standard kit or piano plays in their place."""
    warnings = []
    for track in score.tracks:
        if font.program(track.program, track.is_drum)[1] != track.program:
            kind = "drum kit" if track.is_drum else "instrument"
            warnings.append(f"{font.path.name} has no {kind} {track.program} for {track.name}; its first one plays")
    return warnings


@dataclass(frozen=True)
class _Note:
    """One note, ready to be played."""

    frame: int
    held_frames: int
    velocity: int
    is_drum: bool
    zones: tuple[Zone, ...]
    gain: NDArray[np.float32]  # (2,), left and right
    choked: dict[int, int]  # exclusive class -> frames until another note of that class starts


def _notes(score: Score, font: SoundFont) -> list[_Note]:
    """All notes in order of time, with the sounds they make and the notes that choke them."""
    notes = []
    for track in score.tracks:
        bank, program = font.program(track.program, track.is_drum)
        gain = _gain(track)
        onsets = np.round(track.time_s * RATE_HZ).astype(np.int64)
        held = np.round(track.duration_s * RATE_HZ).astype(np.int64)
        following: dict[int, int] = {}  # exclusive class -> frame of its next note
        of_this_frame: dict[int, int] = {}
        for i in np.argsort(onsets, kind="stable")[::-1]:
            frame = int(onsets[i])
            if any(other != frame for other in of_this_frame.values()):
                following.update(of_this_frame)
                of_this_frame.clear()
            zones = font.zones(bank, program, int(track.pitch[i]), int(track.velocity[i]))
            groups = {zone.value(Gen.EXCLUSIVE_CLASS) for zone in zones} - {0}
            choked = {group: following[group] - frame for group in groups if group in following}
            of_this_frame.update(dict.fromkeys(groups, frame))
            velocity = int(track.velocity[i])
            notes.append(_Note(frame, int(held[i]), velocity, track.is_drum, zones, gain, choked))
    notes.reverse()
    return sorted(notes, key=lambda note: note.frame)


def _gain(track: Track) -> NDArray[np.float32]:
    """Of left and right: the track's level and place, with the same power everywhere."""
    angle = np.pi / 4 * (1 + track.pan)
    both = np.sqrt(2) * np.array([np.cos(angle), np.sin(angle)]) * 10 ** (track.level_db / 20)
    gain: NDArray[np.float32] = both.astype(np.float32)
    return gain


def _added(block: NDArray[np.float32], place: int, wave: NDArray[np.float32]) -> NDArray[np.float32]:
    """A block with a wave added at a place; it grows as the wave needs."""
    if place < 0:  # what would be before time 0 is not heard
        place, wave = 0, wave[-place:]
    if place + len(wave) > len(block):
        longer = np.zeros((place + len(wave) + RATE_HZ, 2), np.float32)
        longer[: len(block)] = block
        block = longer
    block[place : place + len(wave)] += wave
    return block


def _voice(zone: Zone, note: _Note, sampler: Sampler) -> NDArray[np.float32]:
    """One zone of one note: (N, 2) float32."""
    release_db_per_s = FULL_DB / max(_seconds(zone.value(Gen.VOL_RELEASE)), SHORTEST_RELEASE_S)
    let_go = note.held_frames
    frames = let_go + round(SILENT_DB / release_db_per_s * RATE_HZ)
    core = sampler.core(zone, round(LONGEST_HIT_S * RATE_HZ) if note.is_drum else frames, note.is_drum)
    if note.is_drum and core.complete:  # a drum is struck, not held: it rings as long as it likes
        let_go = frames = len(core.wave)
    choked_at = note.choked.get(zone.value(Gen.EXCLUSIVE_CLASS))
    choke_frames = round(CHOKE_S * RATE_HZ)
    if choked_at is not None:
        frames = min(frames, choked_at + choke_frames)
    fixed = zone.value(Gen.FIXED_VELOCITY)
    velocity = fixed if 0 < fixed <= 127 else note.velocity
    wave: NDArray[np.float32] = core.wave[:frames] * np.float32((velocity / 127) ** 2)
    if let_go < len(wave):
        fall_db = release_db_per_s / RATE_HZ * np.arange(1, len(wave) - let_go + 1)
        fall = (10 ** (-fall_db / 20)).astype(np.float32)
        wave[let_go:, 0] *= fall
        wave[let_go:, 1] *= fall
    if choked_at is not None and choked_at < len(wave):
        fade = np.linspace(1, 0, choke_frames, dtype=np.float32)
        wave[choked_at:] *= fade[: len(wave) - choked_at, None]
    return wave


def _core(font: SoundFont, zone: Zone, frames: int, is_drum: bool) -> _Core:
    """A zone's wave with its pitch, filter and volume envelope, as if the key were held on."""
    recording = font.recording(zone)
    if len(recording.pcm) < 2:
        return _Core(np.zeros((0, 2), np.float32), True)
    time_s = np.arange(frames) / RATE_HZ
    decibels = _volume_db(zone, time_s)
    sounding = np.flatnonzero(decibels < SILENT_DB)
    last = int(sounding[-1]) + 1 if len(sounding) else 0
    complete = last < frames
    time_s, decibels = time_s[:last], decibels[:last]
    semitones = (zone.key - recording.root_key) * zone.value(Gen.SCALE_TUNING) / 100
    semitones += zone.value(Gen.COARSE_TUNE) + zone.value(Gen.FINE_TUNE) / 100
    modulation = _modulation(zone, time_s)
    bend = semitones + modulation * zone.value(Gen.MOD_ENV_TO_PITCH) / 100
    steps = recording.rate_hz / RATE_HZ * 2 ** (bend / 12)
    position = np.concatenate([[0.0], np.cumsum(steps)[:-1]]) if last else np.zeros(0)
    if recording.loop is None:
        ended = int(np.searchsorted(position, len(recording.pcm) - 1))
        complete = complete or ended < last
        position, decibels, modulation = position[:ended], decibels[:ended], modulation[:ended]
    wave = _interpolated(recording.pcm, position, recording.loop)
    if recording.loop is not None and not is_drum:
        # Some loops are off zero by a twentieth of the note; in chords that adds up.
        wave -= recording.pcm[slice(*recording.loop)].mean() * np.clip(time_s[: len(wave)] / CENTRED_S, 0, 1)
    wave = _filtered(wave, zone, modulation)
    attack_s = _seconds(zone.value(Gen.VOL_ATTACK))
    rising = np.clip((time_s[: len(wave)] - _seconds(zone.value(Gen.VOL_DELAY))) / attack_s, 0, 1)
    attenuation_db = EMU_ATTENUATION * max(zone.value(Gen.ATTENUATION), 0) / 10
    wave = wave * rising * 10 ** (-(decibels + attenuation_db) / 20)
    if complete:
        heard = np.flatnonzero(np.abs(wave) > SILENT)
        wave = wave[: heard[-1] + 1 if len(heard) else 0]
    angle = np.pi / 4 * (1 + np.clip(zone.value(Gen.PAN), -500, 500) / 500)
    stereo: NDArray[np.float32] = np.stack([wave * np.cos(angle), wave * np.sin(angle)], 1).astype(np.float32)
    return _Core(stereo, complete)


def _seconds(timecents: int) -> float:
    """Absolute timecents as seconds; what is meant as no time at all becomes less than a sample."""
    return float(2 ** (timecents / 1200)) if timecents > INSTANTLY else 1e-6


def _volume_db(zone: Zone, time_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far down hold, decay and sustain have brought a held note, in dB; the attack is not in it."""
    start_s = _seconds(zone.value(Gen.VOL_DELAY)) + _seconds(zone.value(Gen.VOL_ATTACK))
    from_middle = 60 - zone.key
    hold_s = _seconds(zone.value(Gen.VOL_HOLD) + from_middle * zone.value(Gen.KEY_TO_VOL_HOLD))
    decay_s = _seconds(zone.value(Gen.VOL_DECAY) + from_middle * zone.value(Gen.KEY_TO_VOL_DECAY))
    sustain_db = np.clip(zone.value(Gen.VOL_SUSTAIN) / 10, 0, FULL_DB)
    fallen_db = (time_s - start_s - hold_s) / decay_s * FULL_DB
    return np.asarray(np.clip(fallen_db, 0, sustain_db))


def _modulation(zone: Zone, time_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """The modulation envelope of a held note, from 0 to 1 and down to its sustain level."""
    delay_s, attack_s = _seconds(zone.value(Gen.MOD_DELAY)), _seconds(zone.value(Gen.MOD_ATTACK))
    hold_s, decay_s = _seconds(zone.value(Gen.MOD_HOLD)), _seconds(zone.value(Gen.MOD_DECAY))
    sustain = 1 - np.clip(zone.value(Gen.MOD_SUSTAIN) / 1000, 0, 1)
    rise = np.clip((time_s - delay_s) / attack_s, 0, 1)
    fall = 1 - np.clip((time_s - delay_s - attack_s - hold_s) / decay_s, 0, 1)
    return np.asarray(np.minimum(rise, np.maximum(fall, sustain)))


def _interpolated(
    pcm: NDArray[np.float32], position: NDArray[np.float64], loop: tuple[int, int] | None
) -> NDArray[np.float64]:
    """Samples between samples, by the cubic through the four nearest (Catmull and Rom)."""
    whole = np.floor(position).astype(np.int64)
    x = position - whole
    before, here, after, beyond = (_looped(pcm, whole + shift, loop).astype(float) for shift in (-1, 0, 1, 2))
    slope = (after - before) / 2
    slope_after = (beyond - here) / 2
    rise = after - here
    cubic = here + x * (slope + x * (3 * rise - 2 * slope - slope_after + x * (slope + slope_after - 2 * rise)))
    return np.asarray(cubic)


def _looped(pcm: NDArray[np.float32], index: NDArray[np.int64], loop: tuple[int, int] | None) -> NDArray[np.float32]:
    """Samples at whole positions: round and round in the loop, or silence beyond the end."""
    if loop is not None:
        start, end = loop
        index = np.where(index >= end, start + (index - start) % (end - start), index)
    inside = (index >= 0) & (index < len(pcm))
    return np.where(inside, pcm[np.clip(index, 0, len(pcm) - 1)], np.float32(0))


def _filtered(wave: NDArray[np.float64], zone: Zone, modulation: NDArray[np.float64]) -> NDArray[np.float64]:
    """The zone's resonant low-pass; where its envelope moves it, in pieces that hand on their state."""
    cutoff, depth = zone.value(Gen.FILTER_CUTOFF), zone.value(Gen.MOD_ENV_TO_FILTER)
    cents = np.clip(cutoff + depth * modulation, 1500, 13500)
    resonance_db = float(np.clip(zone.value(Gen.FILTER_Q) / 10, 0, 96))
    if not len(wave) or (cents.min() >= 13500 and not resonance_db):
        return wave
    from scipy.signal import lfilter

    begins = np.zeros(1, np.int64)
    if depth:
        places = np.arange(0, len(wave), CONTROL_FRAMES)
        begins = places[np.flatnonzero(np.diff(np.round(cents[places] / CONTROL_CENTS), prepend=np.nan))]
    state = np.zeros(2)
    out = np.empty_like(wave)
    for begin, end in itertools.pairwise([*begins.tolist(), len(wave)]):
        b, a = _low_pass(8.176 * 2 ** (cents[begin] / 1200), resonance_db)
        out[begin:end], state = lfilter(b, a, wave[begin:end], zi=state)
    return out


def _low_pass(cutoff_hz: float, resonance_db: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Second-order low-pass (R. Bristow-Johnson, "Cookbook formulae for audio EQ biquad filters").

    The gain is lowered by half the resonance, as the specification asks (section 8.1.2, generator 9).
    """
    omega = 2 * np.pi * min(cutoff_hz / RATE_HZ, 0.45)
    quality = 10 ** ((resonance_db - 3.01) / 20)
    alpha = np.sin(omega) / (2 * quality)
    cos = np.cos(omega)
    b = np.array([(1 - cos) / 2, 1 - cos, (1 - cos) / 2]) * 10 ** (-resonance_db / 40)
    a = np.array([1 + alpha, -2 * cos, 1 - alpha])
    return b / a[0], a / a[0]
