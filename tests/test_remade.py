"""Other music on a clip that was heard once: the same as from the start, to the last bit, kept in files or not."""

from __future__ import annotations

import json
import shutil
from dataclasses import fields, replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

import kinebeat
from kinebeat.errors import InputError, OptionError, OutputError
from kinebeat.heard_files import ABOUT, KEYPOINTS, load_heard, save_heard
from kinebeat.hearing import hear
from kinebeat.pipeline import Settings, Soundtrack, play_to
from kinebeat.pose import save_pose
from movers import frame_times_s, jitter, sharp_moves, standing, swing_arms, track
from players import invent
from songs import beats_of, drum_song

if TYPE_CHECKING:
    from pathlib import Path

DURATION_S = 10.0


@pytest.fixture(scope="module", autouse=True)
def _invented():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kinebeat.soundfont.SYSTEM_FONTS", ())
        invent(patch)
        yield


@pytest.fixture(scope="module")
def mover(tmp_path_factory):
    times_s = frame_times_s(DURATION_S)
    body = swing_arms(standing(times_s), sharp_moves(times_s, np.arange(1.0, 9.5, 0.5)))
    path = tmp_path_factory.mktemp("mover") / "mover.npz"
    save_pose(track(body, times_s), path)
    return path


@pytest.fixture(scope="module")
def made(mover):
    return kinebeat.soundtrack(mover, seed=3)


@pytest.fixture(scope="module")
def song(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kinebeat.soundfont.SYSTEM_FONTS", ())
        return drum_song(tmp_path_factory.mktemp("song") / "song.wav", beats_of(105.0, 6, early=0.4))


def assert_same(one: Soundtrack, other: Soundtrack) -> None:
    """All that can be heard or said of two soundtracks is the same."""
    assert one.settings == other.settings
    assert one.warnings == other.warnings
    assert (one.grid.source, one.grid.confidence) == (other.grid.source, other.grid.confidence)
    assert np.array_equal(one.grid.beats_s, other.grid.beats_s)
    assert np.array_equal(one.heard_beats_s, other.heard_beats_s, equal_nan=True)
    assert np.array_equal(one.heard_accents_s, other.heard_accents_s, equal_nan=True)
    for noun in ("pose", "motion", "peaks", "accents", "rhythm", "drums"):
        for field in fields(getattr(one, noun)):
            mine, theirs = (getattr(getattr(made, noun), field.name) for made in (one, other))
            if isinstance(mine, np.ndarray):
                assert mine.dtype == theirs.dtype
                assert np.array_equal(mine, theirs, equal_nan=mine.dtype.kind == "f"), (noun, field.name)
    assert len(one.score.tracks) == len(other.score.tracks)
    for mine, theirs in zip(one.score.tracks, other.score.tracks, strict=True):
        assert all(np.array_equal(getattr(mine, f.name), getattr(theirs, f.name)) for f in fields(mine))


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 4},
        {"density": 0.4},
        {"tempo_bpm": 97.0},
        {"kit": "jazz"},
        {"instruments": ("piano", "guitar"), "key": "A minor"},
    ],
)
def test_remade_is_the_same_as_made_so_from_the_start(mover, made, changes):
    settings = replace(made.settings, **changes)
    other = made.remade(settings)
    assert_same(other, kinebeat.soundtrack(mover, **{"seed": 3} | changes))
    assert other.motion is made.motion
    assert_same(other.remade(made.settings), made)


def test_a_variant_is_a_soundtrack_with_another_seed(made):
    assert_same(made.variant(5), made.remade(replace(made.settings, seed=5)))
    # On another rhythm too, which nobody heard.
    silent = replace(made.rhythm, accent=np.zeros_like(made.rhythm.accent))
    assert replace(made, rhythm=silent).variant(5).rhythm is silent


def test_only_the_music_is_made_again(made):
    stages = []
    other = made.remade(replace(made.settings, tempo_bpm=100.0), lambda stage, share: stages.append(stage))
    assert [*dict.fromkeys(stages)] == ["beats", "drums"]
    assert other.seconds["pose"] == made.seconds["pose"]
    assert "writing" not in other.seconds


def test_another_kit_is_played_the_same(mover, monkeypatch):
    made = kinebeat.soundtrack(mover, seed=3, instruments="piano")
    with monkeypatch.context() as patch:
        patch.setattr("kinebeat.drums.drummer.Drummer.play", lambda *_, **__: pytest.fail("drums are played again"))
        other = made.remade(replace(made.settings, kit="jazz"))
    assert_same(other, kinebeat.soundtrack(mover, seed=3, instruments="piano", kit="jazz"))
    assert other.score.tracks[0].program != made.score.tracks[0].program
    assert other.seconds is not made.seconds


def test_the_movements_own_beat_is_not_heard_twice(made, monkeypatch):
    at_100 = made.remade(replace(made.settings, tempo_bpm=100.0))
    monkeypatch.setattr("kinebeat.hearing.hear_beats", lambda *_: pytest.fail("the beat is heard again"))
    assert at_100.remade(made.settings).grid.tempo_bpm == pytest.approx(120, abs=1.5)


def test_where_beats_lie_does_not_depend_on_the_density(made):
    grids = [made.remade(replace(made.settings, density=density)).grid.beats_s for density in (0.1, 0.5, 2.0)]
    assert all(np.array_equal(grid, made.grid.beats_s) for grid in grids)


def test_what_is_said_of_the_beat_is_of_the_beat_there_is(tmp_path):
    times_s = frame_times_s(6.0)
    body = standing(times_s)
    save_pose(track(body + jitter(body.shape, 0.02, 1), times_s), tmp_path / "vague.npz")
    vague = kinebeat.soundtrack(tmp_path / "vague.npz")
    assert any("beat" in line for line in vague.warnings)
    fixed = vague.remade(replace(vague.settings, tempo_bpm=100.0))
    assert not any("beat" in line for line in fixed.warnings)
    assert fixed.remade(vague.settings).warnings == vague.warnings


@pytest.mark.parametrize(
    "changes",
    [{"density": 9.0}, {"seed": -1}, {"tempo_bpm": 1000.0}, {"tempo_bpm": float("nan")}, {"kit": "spoons"}],
)
def test_what_cannot_be_is_refused(made, changes):
    with pytest.raises(OptionError):
        made.remade(replace(made.settings, **changes))


def test_a_song_is_heard_or_not_once_and_for_all(mover, made, song):
    joined = kinebeat.soundtrack(mover, background=song)
    assert_same(joined.remade(replace(joined.settings, seed=4)), joined.variant(4))
    for one, changes in (
        (joined, {"background": None}),
        (joined, {"background_start_s": 0.5}),
        (joined, {"tempo_bpm": 100.0}),
        (made, {"background": song}),
    ):
        with pytest.raises(OptionError):
            one.remade(replace(one.settings, **changes))
    with pytest.raises(OptionError, match="background"):
        joined.heard.at_tempo(100.0)


@pytest.mark.parametrize("asked", [{}, {"tempo_bpm": 93.0}, {"seed": 2, "density": 1.7}])
def test_what_was_kept_gives_the_same_music(mover, tmp_path, asked):
    made = kinebeat.soundtrack(mover, **asked)
    save_heard(made.heard, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [ABOUT, KEYPOINTS]
    heard = load_heard(tmp_path)
    assert heard.source == mover
    assert heard.seconds == made.heard.seconds
    assert_same(play_to(heard, made.settings), made)
    assert_same(play_to(heard, Settings()), made.remade(Settings()))


def test_what_was_kept_of_a_song(mover, song, tmp_path):
    made = kinebeat.soundtrack(mover, background=song, instruments="piano")
    save_heard(made.heard, tmp_path)
    assert_same(play_to(load_heard(tmp_path, mover), made.settings), made)


def test_what_was_kept_of_a_video_whose_end_cannot_be_read(puppet_clip, tmp_path):
    clip, keypoints = puppet_clip[0], tmp_path / "keypoints.npz"
    (tmp_path / "kept").mkdir()
    heard = hear(clip)
    longer = replace(heard, duration_s=4.0, video=replace(heard.video, duration_s=9.5))
    save_heard(longer, tmp_path / "kept")
    moved = shutil.copy(clip, tmp_path / "moved.mp4")
    kept = load_heard(tmp_path / "kept", moved)
    assert (kept.duration_s, kept.video) == (4.0, replace(longer.video, path=moved))
    assert any("only the first 4.0 of 9.5 seconds" in line for line in kept.warnings)
    assert np.array_equal(kept.pose.xy, heard.pose.xy, equal_nan=True)
    assert np.array_equal(kept.pose.score, heard.pose.score)
    # What is kept are keypoints as any.
    shutil.copy(tmp_path / "kept" / KEYPOINTS, keypoints)
    assert np.array_equal(hear(clip, pose=keypoints).motion.speed, heard.motion.speed)


def test_what_was_kept_is_replaced_whole(made, mover, tmp_path):
    save_heard(made.heard, tmp_path)
    save_heard(hear(mover, tempo_bpm=77.0), tmp_path)
    assert load_heard(tmp_path).tempo_bpm == 77.0
    with pytest.raises(OutputError):
        save_heard(made.heard, tmp_path / "nowhere")
    assert sorted(path.name for path in tmp_path.iterdir()) == [ABOUT, KEYPOINTS]


def other_format(folder: Path) -> None:
    save = json.loads((folder / ABOUT).read_text())
    save["heard"]["format"] = 99
    (folder / ABOUT).write_text(json.dumps(save))


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / ABOUT).unlink(),
        lambda folder: (folder / KEYPOINTS).unlink(),
        lambda folder: (folder / ABOUT).write_text("{"),
        lambda folder: (folder / ABOUT).write_text("[1]"),
        lambda folder: (folder / ABOUT).write_bytes(b"\xff\xfe"),
        lambda folder: (folder / ABOUT).write_text("[" * 100_000),
        lambda folder: (folder / ABOUT).write_text((folder / ABOUT).read_text().replace("10.0", "11.0")),
        lambda folder: (folder / KEYPOINTS).write_bytes((folder / KEYPOINTS).read_bytes()[:-100]),
        other_format,
    ],
)
def test_a_damaged_file_is_told(made, tmp_path, damage):
    save_heard(made.heard, tmp_path)
    damage(tmp_path)
    with pytest.raises(InputError, match="hear the clip again"):
        load_heard(tmp_path)


def test_nothing_was_kept(tmp_path):
    with pytest.raises(InputError, match="hear the clip again"):
        load_heard(tmp_path / "nowhere")
