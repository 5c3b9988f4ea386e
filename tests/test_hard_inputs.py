"""Clips at the edges of what a user may bring, and disks that do not take the result."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import kinebeat
from kinebeat.clip_audio import clip_audio
from kinebeat.errors import InputError, OutputError
from kinebeat.pose import read_pose, save_pose
from kinebeat.puppet import draw_puppet_video
from kinebeat.video_in import frames, probe
from kinebeat.video_out import write_pictures

BLACK = np.zeros((96, 128, 3), np.uint8)


def figure(seconds: float, fps: float, tmp_path: Path) -> list[tuple[float, np.ndarray]]:
    """Pictures of the dancing figure."""
    clip = tmp_path / "figure.mp4"
    draw_puppet_video(clip, duration_s=max(2.0, seconds), fps=fps, size=(360, 480))
    shown = [(time_s, picture) for time_s, picture in frames(clip) if time_s < seconds]
    clip.unlink()
    return shown


def test_one_frame_of_a_person_is_a_soundtrack_with_a_warning(tmp_path):
    clip = tmp_path / "one.mp4"
    write_pictures(figure(0.03, 30, tmp_path)[:1], clip, fps=30)
    made = kinebeat.soundtrack(clip)
    made.save(tmp_path / "out.mp4")
    assert made.warnings
    assert (tmp_path / "out.mp4").stat().st_size > 500


def test_a_person_seen_for_half_a_second_is_heard_only_there(tmp_path):
    clip = tmp_path / "glimpse.mp4"
    black = np.zeros((480, 360, 3), np.uint8)
    before = [(i / 30, black) for i in range(75)]
    seen = [(2.5 + t, picture) for t, picture in figure(0.5, 30, tmp_path)]
    after = [(3.0 + i / 30, black) for i in range(60)]
    write_pictures([*before, *seen, *after], clip, fps=30)
    made = kinebeat.soundtrack(clip)
    onsets = made.score.tracks[0].time_s
    assert made.pose.detected_share < 0.3
    assert any("seen in only" in line for line in made.warnings)
    assert ((onsets > 2.2) & (onsets < 3.3)).all()


@pytest.mark.parametrize(("seconds", "fps"), [(4.0, 1.0), (7200.0, 1.0)])
def test_black_however_long_says_that_nobody_is_there(seconds, fps, tmp_path):
    clip = tmp_path / "black.mp4"
    write_pictures(((i / fps, BLACK) for i in range(round(seconds * fps))), clip, fps=fps)
    with pytest.raises(InputError, match="nobody"):
        kinebeat.soundtrack(clip)


@pytest.mark.parametrize("fps", [5.0, 240.0])
def test_unusual_frame_rates_find_the_same_dance(fps, tmp_path):
    clip = tmp_path / "clip.mp4"
    dance = draw_puppet_video(clip, duration_s=6.0, fps=fps, size=(360, 480))
    made = kinebeat.soundtrack(clip)
    made.save(tmp_path / "out.mp4")
    assert made.duration_s == pytest.approx(6.0, abs=0.3)
    assert len(made.accents.times_s) > 3
    if fps > 30:
        beats = made.grid.tempo_bpm / dance.tempo_bpm
        assert min(abs(beats - ratio) for ratio in (0.5, 1.0, 2.0)) < 0.04


def test_an_unwritable_place_is_said_before_the_work(tmp_path, puppet_path):
    seen = []
    made = kinebeat.soundtrack(puppet_path, progress=lambda stage, share: seen.append(stage))
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    with pytest.raises(OutputError, match="folder"):
        made.save(blocked / "out.mp4")
    with pytest.raises(OutputError, match="mp4"):
        made.save(tmp_path / "out.txt")
    with pytest.raises(OutputError, match="input"):
        made.save(puppet_path)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("more", [[], ["--wav", "HERE/o.wav"]], ids=["video", "video and wav"])
def test_a_disk_that_fills_up_leaves_nothing_and_says_so(more, tmp_path, tmp_path_factory, puppet_path):
    code = (
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))\n"
        "from kinebeat.cli import main; main()"
    )
    pose = tmp_path_factory.mktemp("pose") / "pose.npz"
    save_pose(read_pose(puppet_path), pose)
    words = ["soundtrack", str(puppet_path), "--pose", str(pose), "-o", str(tmp_path / "o.mp4"), "-q", *more]
    words = [word.replace("HERE", str(tmp_path)) for word in words]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1
    assert "o." in done.stderr
    assert not list(tmp_path.iterdir())


def spoilt_film(write_video, tmp_path, old, new):
    """A film with sound in which four bytes are others."""
    path = write_video(tmp_path / "good.mp4", [np.zeros((32, 32, 3), np.uint8)] * 5, audio_s=0.2)
    content = path.read_bytes()
    assert old in content
    (tmp_path / "spoilt.mp4").write_bytes(content.replace(old, new))
    return tmp_path / "spoilt.mp4"


def test_a_picture_in_an_unknown_form_is_told(write_video, tmp_path):
    with pytest.raises(InputError, match="in a form that is not known"):
        probe(spoilt_film(write_video, tmp_path, b"avc1", b"zzzz"))


def test_names_inside_a_film_that_are_no_text_do_not_matter(write_video, tmp_path):
    path = spoilt_film(write_video, tmp_path, b"Lavf", b"\xff\xfe\xfd\xff")
    assert probe(path).has_audio
    assert sum(len(block) for block in clip_audio(path, 4800).blocks()) == 4800


def test_pictures_of_gigabytes_in_small_files_are_not_unpacked(write_video, tmp_path, monkeypatch):
    honest = write_video(tmp_path / "honest.mov", [BLACK] * 2, codec="png", pix_fmt="rgb24")
    assert len(list(frames(honest))) == 2
    monkeypatch.setattr("kinebeat.video_in._MOST_PIXELS", 96 * 128 - 1)
    with pytest.raises(InputError, match="128 x 96 pixels, too many"):
        probe(honest)
    content = honest.read_bytes()
    size = (96).to_bytes(2, "big"), (128).to_bytes(2, "big")
    claimed = content.replace(size[1] + size[0], (16).to_bytes(2, "big") * 2)
    assert claimed != content
    (tmp_path / "claimed.mov").write_bytes(claimed)
    with pytest.raises(InputError):
        probe(tmp_path / "claimed.mov")
