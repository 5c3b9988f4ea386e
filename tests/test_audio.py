"""Music is mixed with the clip's own sound, never too loud and never cut."""

from __future__ import annotations

import wave
from dataclasses import replace
from typing import TYPE_CHECKING

import av
import numpy as np
import pytest

from kinebeat.audio import BLOCK_S, PEAK_DBFS, counted, envelope, mix, render, write_wav
from kinebeat.beats.grid import BeatGrid
from kinebeat.clip_audio import clip_audio
from kinebeat.errors import InputError, OptionError
from kinebeat.score import KITS, Score, Track
from kinebeat.soundfont import open_soundfont
from kinebeat.synth import Sampler

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from kinebeat.audio import Mix

RATE_HZ = 48000
PEAK = 10 ** (PEAK_DBFS / 20)


@pytest.fixture(autouse=True)
def _small_font(monkeypatch: pytest.MonkeyPatch) -> None:
    """The packaged font on every machine, so that levels are the same."""
    monkeypatch.setattr("kinebeat.soundfont.SYSTEM_FONTS", ())


def drumming(times_s: list[float], *, velocity: int = 100, pitch: int = 38, kit: int = 0, end_s: float = 4.0) -> Score:
    n = len(times_s)
    notes = np.array(times_s, float), np.full(n, 0.1), np.full(n, pitch), np.full(n, velocity)
    return Score((Track("Drums", kit, True, *notes),), BeatGrid(np.arange(0, end_s + 5, 0.5)), end_s)


def drawn(mixed: Mix) -> NDArray[np.float32]:
    return np.concatenate(list(mixed.blocks()))


def write_clip(
    path: Path,
    sound: NDArray[np.float32] | None,
    *,
    rate: int = 44100,
    layout: str = "stereo",
    delay_s: float = 0.0,
    video_delay_s: float = 0.0,
    length_s: float = 4.0,
) -> Path:
    """A grey clip with uncompressed sound (channels, samples) that starts `delay_s` after the file does."""
    with av.open(str(path), "w") as container:
        picture = container.add_stream("libx264", rate=10, options={"preset": "ultrafast"})
        picture.width = picture.height = 32
        picture.pix_fmt = "yuv420p"
        if sound is not None:
            audio = container.add_stream("pcm_s16le", rate=rate, layout=layout)
        for number in range(round(length_s * 10)):
            frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), 128, np.uint8), format="rgb24")
            frame.pts = number + round(video_delay_s * 10)
            container.mux(picture.encode(frame))
        container.mux(picture.encode(None))
        if sound is not None:
            for begin in range(0, sound.shape[1], 1000):
                part = (sound[:, begin : begin + 1000].T * 32767).astype(np.int16).reshape(1, -1)
                block = av.AudioFrame.from_ndarray(np.ascontiguousarray(part), "s16", layout)
                block.sample_rate = rate
                block.pts = begin + round(delay_s * rate)
                container.mux(audio.encode(block))
            container.mux(audio.encode(None))
    return path


def click(at_s: float, rate: int = 44100, channels: int = 2, end_s: float = 3.0) -> NDArray[np.float32]:
    sound = np.zeros((channels, round(end_s * rate)), np.float32)
    sound[:, round(at_s * rate) : round((at_s + 0.002) * rate)] = 0.5
    return sound


def tone(end_s: float = 4.0, level: float = 0.5) -> NDArray[np.float32]:
    wave_ = level * np.sin(2 * np.pi * 300 * np.arange(round(end_s * 44100)) / 44100)
    return np.stack([wave_, wave_]).astype(np.float32)


def loudest_at_s(sound: NDArray[np.float32]) -> float:
    return float(np.abs(sound).max(axis=1).argmax() / RATE_HZ)


def test_kits_differ() -> None:
    font = open_soundfont()
    assert all((128, program) in font.presets for program in KITS.values())
    sounds = [render(drumming([0.1], pitch=38, kit=program, end_s=0.5), font) for program in KITS.values()]
    different = {sound.tobytes() for sound in sounds}
    assert len(different) >= 6  # this small font plays one snare in two of its kits


@pytest.mark.parametrize("velocity", [127, 100])
def test_loud_music_comes_to_the_peak_and_no_higher(velocity: int) -> None:
    mixed = mix(drumming([0.5, 0.5, 1.0, 2.0], velocity=velocity))
    sound = drawn(mixed)
    assert sound.shape == (mixed.frames, 2) == (4 * RATE_HZ, 2)
    assert sound.dtype == np.float32
    assert np.abs(sound).max() == pytest.approx(PEAK, rel=1e-4)
    assert mixed.peak == pytest.approx(PEAK, rel=1e-4)


def test_quiet_music_stays_quiet() -> None:
    soft, softer = (mix(drumming([0.5], velocity=v)).peak for v in (30, 15))
    assert soft < 0.3 * PEAK
    assert softer / soft == pytest.approx(0.25, rel=0.01)


def test_counted_blocks_are_the_same_and_say_how_far_they_are() -> None:
    blocks = [np.full((size, 2), size, np.float32) for size in (3, 1, 4)]
    shares: list[float] = []
    out = list(counted(iter(blocks), 8, shares.append))
    assert all(one is other for one, other in zip(out, blocks, strict=True))
    assert shares == [3 / 8, 4 / 8, 1.0]
    assert list(counted(iter([]), 0, shares.append)) == []


def test_no_notes_no_sound() -> None:
    mixed = mix(drumming([]))
    assert not drawn(mixed).any()
    assert mixed.peak == 0


def test_a_mix_can_be_drawn_twice_and_is_the_same() -> None:
    mixed = mix(drumming([0.5, 11.0], end_s=21.3))
    blocks = list(mixed.blocks())
    assert max(len(block) for block in blocks) <= BLOCK_S * RATE_HZ
    assert np.array_equal(np.concatenate(blocks), drawn(mixed))


def test_the_end_fades_instead_of_being_cut() -> None:
    sound = np.abs(drawn(mix(drumming([1.9], pitch=49, end_s=2.0))))  # a crash
    assert sound[round(1.9 * RATE_HZ) :].max() > 0.1
    assert sound[-10:].max() < 1e-3
    unfaded = np.abs(render(drumming([1.9], pitch=49, end_s=2.0)))
    assert unfaded[-2000:].max() > 0.05


@pytest.mark.parametrize("end_s", [1 / RATE_HZ, 0.001, 0.02])
def test_the_shortest_clips(end_s: float) -> None:
    assert len(drawn(mix(drumming([0.0], end_s=end_s)))) == round(end_s * RATE_HZ)


@pytest.mark.parametrize(("rate", "layout"), [(44100, "stereo"), (48000, "stereo"), (22050, "mono"), (8000, "mono")])
@pytest.mark.parametrize("delay_s", [0.0, 0.3])
def test_the_clips_own_sound_is_where_it_was(tmp_path: Path, rate: int, layout: str, delay_s: float) -> None:
    sound = click(1.0, rate, 2 if layout == "stereo" else 1)
    path = write_clip(tmp_path / "clip.mkv", sound, rate=rate, layout=layout, delay_s=delay_s)
    found = clip_audio(path, 4 * RATE_HZ)
    assert found.warnings == ()
    own = np.concatenate(list(found.blocks()))
    assert own.shape == (4 * RATE_HZ, 2)
    assert loudest_at_s(own) == pytest.approx(1.0 + delay_s, abs=0.004)
    assert np.abs(own).max() == pytest.approx(0.5, rel=0.35)


@pytest.mark.parametrize(
    ("delay_s", "video_delay_s", "expected_s"), [(0.0, 0.5, 1.0), (0.5, 0.5, 1.0), (0.7, 0.5, 1.2)]
)
def test_time_0_is_where_the_container_starts(
    tmp_path: Path, delay_s: float, video_delay_s: float, expected_s: float
) -> None:
    path = write_clip(tmp_path / "clip.mkv", click(1.0), delay_s=delay_s, video_delay_s=video_delay_s)
    own = np.concatenate(list(clip_audio(path, 4 * RATE_HZ).blocks()))
    assert loudest_at_s(own) == pytest.approx(expected_s, abs=0.004)


def test_sound_before_the_files_start_and_beyond_the_clips_end_is_left_out(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mkv", click(1.0), length_s=1.5)
    assert sum(len(block) for block in clip_audio(path, 100).blocks()) == 100
    assert sum(len(block) for block in clip_audio(path, 60 * RATE_HZ).blocks()) == 60 * RATE_HZ


def test_keep_leaves_the_clips_sound_as_it_is(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mkv", tone(level=0.3))
    mixed = mix(drumming([1.0], velocity=60), clip=path, original="keep")
    sound = drawn(mixed)
    quiet = sound[2 * RATE_HZ : 3 * RATE_HZ]
    assert np.abs(quiet).max() == pytest.approx(0.3, rel=0.05)
    assert np.abs(sound[RATE_HZ : RATE_HZ + 2000]).max() > 0.35
    assert sound.shape == (4 * RATE_HZ, 2)


def test_loud_sound_and_loud_music_together_do_not_clip(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mkv", tone(level=0.99))
    times_s = [0.5, 1.0, 1.5, 2.0]
    sound = drawn(mix(drumming(times_s, velocity=127), clip=path, original="keep"))
    assert np.abs(sound).max() <= PEAK + 1e-6
    assert np.abs(sound[3 * RATE_HZ :]).max() > 0.95 * PEAK  # and between the drums the level comes back


def test_duck_lowers_the_clips_sound_and_more_under_a_drum(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mkv", tone())
    only = drawn(mix(drumming([]), clip=path, original="duck"))
    calm = np.abs(only[RATE_HZ : 2 * RATE_HZ]).max()
    assert calm == pytest.approx(0.5 * 10 ** (-6 / 20), rel=0.05)
    score = drumming([2.0], velocity=127, pitch=42)
    ducked = drawn(mix(score, clip=path, original="duck"))
    alone = drawn(mix(score, clip=write_clip(tmp_path / "quiet.mkv", tone(level=0.01)), original="duck"))
    under = np.abs(ducked - alone)[round(2.01 * RATE_HZ) : round(2.06 * RATE_HZ)].max()
    assert under < 0.5 * calm
    assert np.abs(ducked[round(3.8 * RATE_HZ) :]).max() == pytest.approx(calm, rel=0.05)


def holding(score: Score, pitch: int = 60, level_db: float = 0.0) -> Score:
    """The same with a piano that holds a note all the time."""
    end_s = score.duration_s
    notes = np.array([0.0]), np.array([end_s]), np.array([pitch]), np.array([100])
    return replace(score, tracks=(*score.tracks, Track("Piano", 0, False, *notes, level_db=level_db)))


def test_only_drums_push_the_clips_sound_away(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mkv", tone(level=0.3))
    score = holding(drumming([2.0], velocity=127, pitch=42))

    def clips_part(end_s: float) -> float:
        both, music = (drawn(mix(score, clip=clip, original="duck")) for clip in (path, silent))
        stretch = slice(round((end_s - 0.1) * RATE_HZ), round(end_s * RATE_HZ))
        return float(np.abs(both - music)[stretch].max())

    silent = write_clip(tmp_path / "quiet.mkv", tone(level=0.002))
    assert clips_part(1.0) == pytest.approx(0.3 * 10 ** (-6 / 20), rel=0.05)
    assert clips_part(2.1) < 0.6 * clips_part(1.0)


def test_stems_are_the_tracks_of_the_music(tmp_path: Path) -> None:
    score = holding(drumming([0.5, 1.0, 11.0], end_s=12.0))
    mixed = mix(score)
    drums, piano = (np.concatenate(list(mixed.stem(number))) for number in (0, 1))
    assert np.abs(drums + piano - drawn(mixed)).max() < 1e-6
    assert np.array_equal(drawn(mixed), drawn(mixed))
    assert not drums[: round(0.49 * RATE_HZ)].any()
    assert piano[: round(0.49 * RATE_HZ)].any()
    # With the clip's own sound they are what they are without it.
    path = write_clip(tmp_path / "clip.mkv", tone(level=0.9))
    kept = mix(score, clip=path, original="keep")
    assert np.array_equal(np.concatenate(list(kept.stem(1))), piano)


def test_a_sampler_that_has_played_other_music_plays_the_same(tmp_path: Path) -> None:
    score = holding(drumming([0.5, 1.0, 2.5]))
    worn = Sampler(open_soundfont())
    for other in (holding(drumming([0.1], pitch=49, end_s=12.0), pitch=60), holding(drumming([0.1], end_s=0.4))):
        mix(other, soundfont=worn)
    fresh, again = mix(score), mix(score, soundfont=worn)
    assert (again.gain_db, again.peak) == (fresh.gain_db, fresh.peak)
    assert np.array_equal(drawn(again), drawn(fresh))


def test_mute_and_a_clip_without_sound_are_the_music_alone(tmp_path: Path) -> None:
    score = drumming([1.0, 2.0])
    music = drawn(mix(score))
    assert np.array_equal(drawn(mix(score, clip=write_clip(tmp_path / "a.mkv", tone()), original="mute")), music)
    silent = mix(score, clip=write_clip(tmp_path / "b.mkv", None), original="keep")
    assert silent.warnings == ("b.mkv has no sound of its own",)
    assert np.array_equal(drawn(silent), music)
    zeros = mix(score, clip=write_clip(tmp_path / "c.mkv", tone(level=0.0)), original="keep")
    assert np.array_equal(drawn(zeros), music)


def test_bad_choices_are_refused(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="keep, duck, mute"):
        mix(drumming([1.0]), original="loud")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="no such file"):
        mix(drumming([1.0]), soundfont=tmp_path / "missing.sf2")
    (tmp_path / "text.mp4").write_text("hello")
    with pytest.raises(InputError, match="give a video file"):
        mix(drumming([1.0]), clip=tmp_path / "text.mp4", original="keep")


def test_a_cut_off_clip_gives_the_sound_it_has(tmp_path: Path) -> None:
    whole = write_clip(tmp_path / "clip.mkv", tone()).read_bytes()
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole[: len(whole) * 2 // 3])
    own = np.concatenate(list(clip_audio(cut, 4 * RATE_HZ).blocks()))
    assert own.shape == (4 * RATE_HZ, 2)
    assert np.abs(own[: RATE_HZ // 2]).max() > 0.4


def test_wav_files_say_what_was_written(tmp_path: Path) -> None:
    sound = np.array([[0.0, 0.5], [1.5, -1.0], [-2.0, 2**-22]], np.float32)
    write_wav(iter([sound[:1], sound[1:]]), tmp_path / "out.wav")
    with wave.open(str(tmp_path / "out.wav")) as file:
        assert file.getparams()[:4] == (2, 3, RATE_HZ, 3)
        content = np.frombuffer(file.readframes(3), np.uint8).reshape(-1, 3)
    whole = (np.pad(content, ((0, 0), (1, 0))).copy().view("<i4")[:, 0] >> 8).reshape(-1, 2)
    assert whole / (2**23 - 1) == pytest.approx(np.clip(sound, -1, 1), abs=2**-23)


def test_envelope_has_the_extremes_of_each_stretch() -> None:
    sound = np.zeros((1000, 2), np.float32)
    sound[10, 0], sound[499, 1], sound[990, 0] = 0.5, -0.25, 1.0
    for cut in (1000, 333, 1):
        outline = envelope((sound[i : i + cut] for i in range(0, 1000, cut)), 1000, 4)
        assert outline.tolist() == [[0, 0.5], [-0.25, 0], [0, 0], [0, 1]]
    assert envelope(iter([]), 0, 3).tolist() == [[0, 0]] * 3
