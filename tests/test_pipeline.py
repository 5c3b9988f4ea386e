"""The whole way from keypoints to files, on movers whose every stop is known."""

import json
import wave
from pathlib import Path

import numpy as np
import pytest

import kinebeat
from kinebeat.errors import InputError, KinebeatError, OptionError, OutputError
from kinebeat.evaluation.alignment import beat_alignment
from kinebeat.pose import save_pose
from movers import frame_times_s, sharp_moves, standing, swing_arms, track

DURATION_S = 16.0
STOPS_S = np.arange(1.0, 15.5, 0.5)
SYNCOPATED_S = np.sort(
    np.concatenate([np.arange(1.0, 15.0, 2.0), np.arange(1.75, 15.0, 2.0), np.arange(2.375, 15, 2.0)])
)


def mover(path: Path, stops_s: np.ndarray, gone: tuple[float, float] | None = None) -> Path:
    times_s = frame_times_s(DURATION_S)
    body = swing_arms(standing(times_s), sharp_moves(times_s, stops_s))
    if gone is not None:
        body[(times_s >= gone[0]) & (times_s < gone[1])] = np.nan
    save_pose(track(body, times_s), path)
    return path


@pytest.fixture(scope="module")
def steady(tmp_path_factory):
    return mover(tmp_path_factory.mktemp("movers") / "steady.npz", STOPS_S)


@pytest.fixture(scope="module")
def made(steady):
    return kinebeat.soundtrack(steady, seed=3)


def onset_times(made):
    return made.drums.onsets()[0]


def test_the_movers_tempo_is_heard_and_its_stops_are_accents(made):
    assert made.grid.source == "movement"
    assert any(abs(made.grid.tempo_bpm - tempo) < 1.5 for tempo in (60, 120))
    found = np.abs(made.accents.times_s[:, None] - STOPS_S[None]).min(0)
    assert np.mean(found < 0.06) > 0.9


def test_every_accent_is_heard(made):
    hits = made.drums.hits.any(1)
    assert hits[made.rhythm.accent > 0].all()
    inside = made.accents.times_s[made.accents.times_s < DURATION_S - 0.1]
    assert np.abs(inside[:, None] - onset_times(made)[None]).min(1).max() < 0.06


def test_drums_land_on_the_stops_better_than_shifted_ones(made):
    own = beat_alignment(STOPS_S, onset_times(made)).mean()
    shifted = [beat_alignment(STOPS_S, (onset_times(made) + s) % DURATION_S).mean() for s in (0.07, 0.18, 0.31, 0.43)]
    assert own > 0.8
    assert own > np.mean(shifted) + 0.1


def test_same_seed_same_drums_other_seed_other_drums(steady, made):
    again = kinebeat.soundtrack(steady, seed=3)
    assert np.array_equal(again.drums.hits, made.drums.hits)
    assert np.array_equal(again.drums.velocities, made.drums.velocities)
    other = made.variant(4)
    assert not np.array_equal(other.drums.hits, made.drums.hits)
    assert other.motion is made.motion


def test_two_movements_give_two_rhythms_at_one_tempo(tmp_path, steady):
    other = mover(tmp_path / "syncopated.npz", SYNCOPATED_S)
    one, two = (kinebeat.soundtrack(path, tempo_bpm=120, seed=0) for path in (steady, other))
    assert one.grid.tempo_bpm == pytest.approx(120)
    assert two.grid.tempo_bpm == pytest.approx(120)
    assert not np.array_equal(one.rhythm.accent > 0, two.rhythm.accent > 0)
    own, crossed = (beat_alignment(two.accents.times_s, onset_times(m)).mean() for m in (two, one))
    assert own > crossed


def test_density_is_a_control(steady, made):
    sparse, dense = (kinebeat.soundtrack(steady, seed=3, density=d) for d in (0.3, 1.8))
    assert sparse.drums.hits.sum() < made.drums.hits.sum() < dense.drums.hits.sum()


def test_an_empty_picture_is_silence_and_the_rest_is_not(tmp_path):
    made = kinebeat.soundtrack(mover(tmp_path / "gone.npz", STOPS_S, gone=(6.0, 10.0)))
    times_s = onset_times(made)
    assert not ((times_s > 6.3) & (times_s < 9.7)).any()
    assert ((times_s > 1) & (times_s < 6)).sum() > 5
    assert ((times_s > 10) & (times_s < 15)).sum() > 5


def test_stillness_is_quieter_than_movement(tmp_path):
    made = kinebeat.soundtrack(mover(tmp_path / "half.npz", STOPS_S[STOPS_S < 8]))
    time_s, _, velocity = made.drums.onsets()
    moving, still = velocity[(time_s > 1) & (time_s < 8)], velocity[time_s > 10]
    assert moving.mean() > 1.5 * (still.mean() if len(still) else 0.0)


def test_all_files_are_written(tmp_path, made):
    midi, wav, plot, report = (tmp_path / name for name in ("a.mid", "a.wav", "a.png", "a.json"))
    made.save(midi=midi, wav=wav, plot=plot, report=report)
    with wave.open(str(wav)) as sound:
        assert sound.getframerate() == 48000
        assert sound.getnchannels() == 2
        assert sound.getnframes() == round(made.duration_s * 48000)
    assert midi.read_bytes()[:4] == b"MThd"
    assert plot.read_bytes()[1:4] == b"PNG"
    said = json.loads(report.read_text())
    assert said["seed"] == 3
    assert said["tempo_bpm"] == pytest.approx(made.grid.tempo_bpm)
    assert len(said["onsets"]) == len(made.score.tracks[0].time_s)
    assert said["alignment"]["movement_to_sound"]["score"] > 0.8
    assert {"beats_s", "accents_s", "detected_share", "seconds_by_stage", "versions", "warnings"} <= set(said)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.json", "a.mid", "a.png", "a.wav"]


def test_all_or_nothing(tmp_path, made):
    with pytest.raises(OutputError):
        made.save(wav=tmp_path / "a.wav", report=tmp_path / "nowhere" / "a.json")
    assert not list(tmp_path.iterdir())


def test_keypoints_alone_have_no_picture(tmp_path, made):
    with pytest.raises(OptionError, match="video"):
        made.save(tmp_path / "a.mp4")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("options", [{"density": 0.0}, {"density": 3.0}, {"kit": "spoons"}, {"tempo_bpm": 1000}])
def test_options_outside_their_range_are_refused(steady, options):
    with pytest.raises(OptionError):
        kinebeat.soundtrack(steady, **options)


def test_what_cannot_be_is_refused_before_the_work(steady, tmp_path):
    seen = []
    for options in ({"soundfont": tmp_path / "missing.sf2"}, {"tempo_bpm": 5}, {"kit": "spoons"}):
        with pytest.raises(KinebeatError):
            kinebeat.soundtrack(steady, progress=lambda stage, share: seen.append(stage), **options)
    assert seen == []


def test_nobody_in_the_keypoints_is_an_input_error(tmp_path):
    times_s = frame_times_s(2.0)
    save_pose(track(np.full((len(times_s), 17, 2), np.nan), times_s), tmp_path / "nobody.npz")
    with pytest.raises(InputError, match="nobody"):
        kinebeat.soundtrack(tmp_path / "nobody.npz")


def test_progress_tells_the_stages_in_order(steady):
    seen = []
    kinebeat.soundtrack(steady, progress=lambda stage, share: seen.append((stage, share)))
    assert [*dict.fromkeys(stage for stage, _ in seen)] == ["pose", "movement", "beats", "drums"]
    assert all(0 <= share <= 1 for _, share in seen)
