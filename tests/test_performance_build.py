"""The corpus of performances: simulated players anywhere, films where the data is."""

import numpy as np
import pytest

from command_line import run
from kinebeat.errors import OptionError
from kinebeat.performance.corpus import read_pieces
from kinebeat.performance.piano_keys import CENTRE_U, LOWEST_PITCH
from kinebeat.performance.truth.build import build, real_pieces, simulated_pieces
from kinebeat.pose import save_pose


def near_share(piece):
    """Share of the notes with a fingertip within a key of them."""
    tips = piece.features().tips[..., 0]
    frames = np.minimum(np.round(piece.notes.onset_s * 30).astype(int), len(tips) - 1)
    away = np.abs(tips[frames] - CENTRE_U[piece.notes.pitch - LOWEST_PITCH][:, None])
    return float((np.nan_to_num(away, nan=99).min(1) < 0.8).mean())


def test_simulated_pianists_are_written_and_play_what_is_said(tmp_path):
    files = build(tmp_path / "corpus", simulated=4, seed=3)
    assert [path.name for path in files] == ["train-simulated.npz", "validation-simulated.npz"]
    pieces = read_pieces(files[0])
    assert len(pieces) == 4
    assert len(read_pieces(files[1])) == 1
    assert all(piece.keys and not piece.real and piece.instrument == "piano" for piece in pieces)
    assert np.mean([near_share(piece) for piece in pieces]) > 0.6
    again = list(simulated_pieces(["piano"], 4, 3))
    for one, other in zip(pieces, again, strict=True):
        np.testing.assert_array_equal(one.joints, other.joints)
        np.testing.assert_array_equal(one.notes.pitch, other.notes.pitch)
    other_seed = next(simulated_pieces(["piano"], 1, 4))
    assert len(other_seed.notes) != len(pieces[0].notes) or (other_seed.notes.pitch != pieces[0].notes.pitch).any()


def test_what_cannot_be_in_one_corpus_is_said(tmp_path):
    with pytest.raises(OptionError, match="make one of each"):
        build(tmp_path, instruments=["piano", "violin"])
    with pytest.raises(OptionError, match="films are of pianists"):
        build(tmp_path, data=tmp_path, instruments=["violin"])
    with pytest.raises(OptionError, match="no instrument is called 'drum'"):
        build(tmp_path, instruments=["drum"], simulated=1)


def test_the_verb_makes_a_corpus(tmp_path, capsys):
    assert run("train", "performance-corpus", "--out", tmp_path / "c", "--simulated", 1) == 0
    assert "1 players" in capsys.readouterr().out
    assert run("train", "performance-corpus", "--out", tmp_path / "c", "--data", tmp_path / "none") == 2


def test_films_are_moved_to_the_clock_of_the_hands(tmp_path, data_dir):
    from kinebeat.performance.keypoints import read_performer
    from kinebeat.performance.truth import piano_videos

    clips = piano_videos.read_clips(data_dir)
    wanted = min((clip for clip in clips if clip.split == "validation"), key=lambda clip: clip.duration_s)
    save_pose(read_performer(wanted.path).track, tmp_path / f"{wanted.name}.npz")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(piano_videos, "of_splits", lambda clips, splits: [wanted])
        shares = []
        (piece,) = real_pieces(data_dir, "validation", keypoints=tmp_path, progress=shares.append)
    assert shares == [1.0]
    assert piece.real
    assert len(piece.notes) == len(wanted.notes)
    assert near_share(piece) > 0.7
