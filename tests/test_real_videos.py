"""Real and broken videos, end to end; they need the folder that KINEBEAT_DATA names."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

import kinebeat
from kinebeat.errors import InputError
from kinebeat.evaluation.alignment import pooled_alignment

pytestmark = pytest.mark.data

# What each broken or unusual file must lead to: a soundtrack, or an error that names the file.
EDGES = {
    "edge_anim.gif": "soundtrack",
    "edge_audio_only.m4a": "no picture",
    "edge_bitflips.mp4": "soundtrack",
    "edge_black.mp4": "nobody",
    "edge_black_then_freeze.mp4": "soundtrack",
    "edge_duo_sidebyside.mp4": "soundtrack",
    "edge_fps5_silent.mp4": "soundtrack",
    "edge_hevc10bit.mp4": "soundtrack",
    "edge_legs_crop.mp4": "soundtrack",
    "edge_lowfps10.mp4": "soundtrack",
    "edge_noise.mp4": "nobody",
    "edge_noperson_testpattern.mp4": "nobody",
    "edge_not_a_video.mp4": "not a video",
    "edge_odd_dims_yuv444.mp4": "soundtrack",
    "edge_rotated90_metadata.mp4": "soundtrack",
    "edge_single_frame.mp4": "soundtrack",
    "edge_slowmo4x.mp4": "soundtrack",
    "edge_tiny_96x54.mp4": "soundtrack",
    "edge_truncated_faststart.mp4": "soundtrack",
    "edge_truncated_nomoov.mp4": "cut off",
    "edge_upperbody_crop.mp4": "soundtrack",
    "edge_vfr_dropped.mp4": "soundtrack",
    "edge_vp9.webm": "soundtrack",
    "edge_zero_bytes.mp4": "empty",
}


@pytest.fixture(scope="module")
def videos():
    folder = os.environ.get("KINEBEAT_DATA")
    if not folder or not (Path(folder) / "videos").is_dir():
        pytest.skip("KINEBEAT_DATA does not name a folder with videos/")
    return Path(folder) / "videos"


@pytest.mark.parametrize("name", EDGES)
def test_edge_cases(name, videos, tmp_path):
    expected = EDGES[name]
    source = videos / "edge" / name
    out = tmp_path / "out.mp4"
    if expected == "soundtrack":
        made = kinebeat.soundtrack(source)
        made.save(out, report=tmp_path / "out.json")
        assert np.isfinite(made.drums.velocities).all()
        assert out.stat().st_size > 1000
        assert json.loads((tmp_path / "out.json").read_text())["duration_s"] > 0
    else:
        with pytest.raises(InputError, match=expected) as caught:
            kinebeat.soundtrack(source)
        assert name in str(caught.value)
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


def test_a_real_dancer_gets_drums_on_the_movement(videos):
    made = kinebeat.soundtrack(videos / "aist_d2m_test_0.mp4")
    score = pooled_alignment([made.events()])
    assert made.pose.detected_share > 0.9
    assert score.score > score.null_mean + 2 * score.null_sd
