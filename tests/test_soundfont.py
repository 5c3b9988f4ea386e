"""Soundfonts made here, of which every sample is known, sound as they should."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import av
import numpy as np
import pytest

from kinebeat import soundfont
from kinebeat.beats.grid import BeatGrid
from kinebeat.errors import InputError
from kinebeat.score import Score, Track
from kinebeat.soundfont import find_soundfont, open_soundfont
from kinebeat.synth import missing_programs, render, render_blocks
from soundfonts import (
    ATTENUATION,
    CLASS,
    CUTOFF,
    DECAY,
    LOOPED,
    PAN,
    RANGE,
    RATE_HZ,
    RELEASE,
    ROOT,
    SAMPLE,
    SUSTAIN,
    keys,
    sine,
    write_soundfont,
)

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

LOOP = (480, 960)  # whole periods of 500 Hz
SAMPLES = [(sine(500, 0.03), LOOP, 60), (np.ones(4800, np.float32) * 0.5, (0, 0), 60)]


def play(
    notes: list[tuple[float, float, int, int]], *, program: int = 0, drums: bool = False, end_s: float = 1.0
) -> Score:
    """A score of one track from (time, duration, pitch, velocity)."""
    time_s, length_s, pitch, velocity = (np.array(column) for column in zip(*notes, strict=True))
    track = Track("test", program, drums, time_s.astype(float), length_s.astype(float), pitch, velocity)
    return Score((track,), BeatGrid(np.arange(9.0)), end_s)


def font(tmp_path: Path, *zones: dict[int, int], bank: int = 0, program: int = 0) -> Path:
    return write_soundfont(tmp_path / "test.sf2", SAMPLES, {(bank, program): list(zones)})


def frequency_hz(sound: NDArray[np.float32]) -> float:
    rising = np.flatnonzero((sound[:-1] < 0) & (sound[1:] >= 0))
    return float((len(rising) - 1) / (rising[-1] - rising[0]) * RATE_HZ)


@pytest.mark.parametrize(("pitch", "expected_hz"), [(60, 500), (72, 1000), (48, 250), (67, 500 * 2 ** (7 / 12))])
def test_pitch_and_loop(tmp_path: Path, pitch: int, expected_hz: float) -> None:
    score = play([(0.1, 0.8, pitch, 127)])
    sound = render(score, font(tmp_path, {LOOPED: 1, SAMPLE: 0}))
    assert sound.shape == (RATE_HZ, 2)
    assert sound.dtype == np.float32
    held = sound[9600:38400, 0]
    assert frequency_hz(held) == pytest.approx(expected_hz, rel=1e-3)
    # A looped sine stays a sine: no clicks at the seam. Both channels at the middle's level.
    spectrum = np.abs(np.fft.rfft(held * np.hanning(len(held)))) ** 2
    peak = int(spectrum.argmax())
    assert spectrum[max(0, peak - 4) : peak + 5].sum() > 0.9999 * spectrum.sum()
    assert np.abs(held).max() == pytest.approx(np.sqrt(0.5), rel=0.01)
    assert np.array_equal(sound[:, 0], sound[:, 1])


def test_sound_begins_at_its_time_and_is_silence_before(tmp_path: Path) -> None:
    sound = render(play([(0.25, 0.5, 60, 127)]), font(tmp_path, {SAMPLE: 1}))
    heard = np.flatnonzero(np.abs(sound).max(axis=1))
    assert 12000 <= heard[0] <= 12001
    # A recording without a loop ends when it ends.
    assert heard[-1] == pytest.approx(12000 + 4800, abs=3)


@pytest.mark.parametrize("velocity", [1, 32, 64, 100, 127])
def test_loudness_goes_with_the_square_of_velocity(tmp_path: Path, velocity: int) -> None:
    path = font(tmp_path, {LOOPED: 1, SAMPLE: 0})
    loud, soft = (np.abs(render(play([(0.0, 0.9, 60, v)]), path)).max() for v in (127, velocity))
    assert soft / loud == pytest.approx((velocity / 127) ** 2, rel=1e-4)


def test_a_loop_that_is_off_zero_is_centred(tmp_path: Path) -> None:
    off = (0.3 * sine(500, 0.1) + 0.2 * np.clip(np.arange(4800) / 960, 0, 1)).astype(np.float32)
    path = write_soundfont(tmp_path / "off.sf2", [(off, (2400, 4800), 60)], {(0, 0): [{LOOPED: 1, SAMPLE: 0}]})
    sound = render(play([(0.0, 0.9, 60, 127)]), path)
    held = sound[4800:28800, 0]
    assert abs(held.mean()) < 1e-4
    assert np.abs(held).max() == pytest.approx(0.3 * np.sqrt(0.5), rel=0.01)
    assert np.abs(np.diff(sound[:, 0])).max() < 0.03  # and it does not click in


def test_pan_and_attenuation(tmp_path: Path) -> None:
    path = font(tmp_path, {LOOPED: 1, PAN: -500, ATTENUATION: 100, SAMPLE: 0})
    left, right = np.abs(render(play([(0.0, 0.9, 60, 127)]), path)).max(axis=0)
    assert left == pytest.approx(10 ** (-4 / 20), rel=0.01)  # 10 dB, of which cards heed 4
    assert right < 1e-6


def test_decay_and_release_fall_100_db_in_their_time(tmp_path: Path) -> None:
    one_s = 0  # timecents
    path = font(tmp_path, {LOOPED: 1, DECAY: one_s, SUSTAIN: 1000, RELEASE: one_s, SAMPLE: 0})
    sound = np.abs(render(play([(0.0, 2.0, 60, 127)]), path)[:, 0])
    levels_db = [20 * np.log10(sound[round(t * RATE_HZ) :][:480].max()) for t in (0.1, 0.3, 0.5)]
    assert np.diff(levels_db) == pytest.approx([-20, -20], abs=0.2)
    path = font(tmp_path, {LOOPED: 1, RELEASE: one_s, SAMPLE: 0})
    sound = np.abs(render(play([(0.0, 0.2, 60, 127)]), path)[:, 0])
    levels_db = [20 * np.log10(sound[round(t * RATE_HZ) :][:480].max()) for t in (0.19, 0.4, 0.6)]
    assert np.diff(levels_db) == pytest.approx([-20.5, -20], abs=0.8)


def test_low_pass_takes_the_height_out(tmp_path: Path) -> None:
    open_, closed = ({LOOPED: 1, SAMPLE: 0}, {LOOPED: 1, CUTOFF: 4500, SAMPLE: 0})  # 4500 cents are 110 Hz
    bright, dull = (render(play([(0.0, 0.9, 60, 127)]), font(tmp_path, zone))[24000:, 0] for zone in (open_, closed))
    assert 20 * np.log10(np.abs(dull).max() / np.abs(bright).max()) == pytest.approx(-26, abs=2)


def test_a_drum_rings_on_after_its_note_and_is_choked_by_its_class(tmp_path: Path) -> None:
    half_s = -1200
    ringing = {RANGE: keys(46, 46), LOOPED: 1, DECAY: half_s, SUSTAIN: 1000, CLASS: 1, SAMPLE: 0}
    short = {RANGE: keys(42, 42), CLASS: 1, ROOT: 42, SAMPLE: 1}
    other = {RANGE: keys(36, 36), ROOT: 36, SAMPLE: 1}
    path = font(tmp_path, ringing, short, other, bank=128)
    alone = render(play([(0.0, 0.02, 46, 127)], drums=True), path)
    assert np.abs(alone[9600:12000]).max() > 0.005  # 0.2 s after a note of 20 ms
    choked = render(play([(0.0, 0.02, 46, 127), (0.1, 0.02, 42, 127)], drums=True), path)
    assert np.array_equal(choked[:4800], alone[:4800])
    assert np.abs(choked[9600 + 100 :]).max() == 0
    kicked = render(play([(0.0, 0.02, 46, 127), (0.1, 0.02, 36, 127)], drums=True), path)
    assert np.abs(kicked[9600 + 100 : 12000]).max() > 0.005


def test_a_drum_that_never_ends_is_let_go_with_its_note(tmp_path: Path) -> None:
    path = font(tmp_path, {LOOPED: 1, SAMPLE: 0}, bank=128)
    sound = render(play([(0.0, 0.2, 60, 127)], drums=True), path)
    assert np.abs(sound[4800:9000]).max() > 0.6
    assert np.abs(sound[12000:]).max() == 0


def test_two_hits_at_one_moment_do_not_choke_each_other(tmp_path: Path) -> None:
    zone = {LOOPED: 0, CLASS: 1, SAMPLE: 1}
    path = font(tmp_path, zone, bank=128)
    one = render(play([(0.1, 0.1, 60, 127)], drums=True), path)
    two = render(play([(0.1, 0.1, 60, 127), (0.1, 0.1, 60, 127)], drums=True), path)
    assert np.array_equal(two, one * 2)


@pytest.mark.parametrize("block_s", [0.05, 0.37, 1.0, 10.0])
def test_blocks_change_nothing(tmp_path: Path, block_s: float) -> None:
    rng = np.random.default_rng(0)
    notes = [
        (float(t), 0.3, int(rng.integers(40, 80)), int(rng.integers(1, 127))) for t in np.sort(rng.uniform(0, 3, 60))
    ]
    score = play(notes, end_s=3.0)
    path = font(tmp_path, {LOOPED: 1, RELEASE: 0, SAMPLE: 0}, {SAMPLE: 1})
    blocks = list(render_blocks(score, path, block_s=block_s))
    assert max(len(block) for block in blocks) <= round(block_s * RATE_HZ)
    assert np.array_equal(np.concatenate(blocks), render(score, path))


def test_what_starts_before_the_clip_is_heard_from_its_start(tmp_path: Path) -> None:
    path = font(tmp_path, {SAMPLE: 1})
    early, later = (render(play([(t, 0.5, 60, 127)]), path) for t in (-0.05, 0.05))
    assert np.array_equal(early[:2000], later[4800:6800])


def test_a_missing_kit_is_told_and_the_first_plays(tmp_path: Path) -> None:
    path = font(tmp_path, {SAMPLE: 1}, bank=128)
    opened = open_soundfont(path)
    score = play([(0.0, 0.1, 60, 127)], drums=True, program=40)
    assert missing_programs(score, opened) == ["test.sf2 has no drum kit 40 for test; its first one plays"]
    assert np.abs(render(score, opened)).max() > 0
    assert missing_programs(play([(0.0, 0.1, 60, 127)], drums=True), opened) == []


def test_compressed_recordings_of_a_soundfont_3(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="ogg") as container:
        stream = container.add_stream("vorbis", rate=RATE_HZ, layout="stereo", options={"strict": "-2"})
        tone = np.stack([sine(500, 0.5)] * 2)
        for begin in range(0, tone.shape[1], 64 * 20):
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(tone[:, begin : begin + 1280]), "fltp", "stereo")
            frame.sample_rate = RATE_HZ
            frame.pts = begin
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    path = write_soundfont(tmp_path / "test.sf3", [(buffer.getvalue(), (0, 0), 60)], {(0, 0): [{SAMPLE: 0}]})
    sound = render(play([(0.0, 0.9, 72, 127)]), path)[2400:9600, 0]
    assert frequency_hz(sound) == pytest.approx(1000, rel=0.01)


def test_files_that_are_no_soundfonts_are_refused(tmp_path: Path) -> None:
    whole = font(tmp_path, {SAMPLE: 1}).read_bytes()
    (tmp_path / "text.sf2").write_text("hello")
    (tmp_path / "empty.sf2").write_bytes(b"")
    (tmp_path / "cut.sf2").write_bytes(whole[: len(whole) // 2])
    for name, message in [
        ("missing", "no such file"),
        ("text", "not a complete"),
        ("empty", "not a comp"),
        ("cut", "not a"),
    ]:
        with pytest.raises(InputError, match=message):
            open_soundfont(tmp_path / f"{name}.sf2")
    with pytest.raises(InputError, match=r"\.sf2"):
        open_soundfont(tmp_path)


def test_the_font_is_the_users_then_the_systems_then_the_packaged_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, system = tmp_path / "own.sf2", tmp_path / "system.sf2"
    system.touch()
    monkeypatch.setattr(soundfont, "SYSTEM_FONTS", (str(tmp_path / "missing.sf2"), str(system)))
    assert find_soundfont(own) == own
    assert find_soundfont() == system
    monkeypatch.setattr(soundfont, "SYSTEM_FONTS", ())
    assert find_soundfont().name == "TimGM6mb.sf2"
    monkeypatch.setattr(soundfont.importlib.resources, "files", lambda _: tmp_path)
    with pytest.raises(InputError, match="--soundfont"):
        find_soundfont()
