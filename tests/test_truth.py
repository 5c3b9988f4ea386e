"""Dances made of movement whose landings are known by hand: found, warped onto a grid, joined, filmed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from kinebeat.beats.truth import dances
from kinebeat.beats.truth.corpus import Corpus, build, load_corpus
from kinebeat.beats.truth.dances import Material, make_dance, make_labelled_dance, make_no_dance
from kinebeat.beats.truth.landings import Landings, find_landings
from kinebeat.beats.truth.mocap import JOINTS, Take, facing, load_takes
from kinebeat.beats.truth.warp import FASTEST, SLOWEST, Fit, fit_to_beats, warp
from kinebeat.errors import InputError
from kinebeat.motion import MOTION_FPS
from kinebeat.skeleton import LAYOUTS
from movers import standing, swing_arms, walk_on_the_spot

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

HEIGHT_M = 1.7
HIP = JOINTS.index("mid_hip")
WRIST = JOINTS.index("right_wrist")


def in_space(body: NDArray[np.float64]) -> NDArray[np.float32]:
    """A flat puppet (movers: body heights, y down) in metres, y up."""
    xyz = np.zeros((*body.shape[:2], 3), np.float32)
    xyz[..., 0], xyz[..., 1] = HEIGHT_M * body[..., 0], -HEIGHT_M * body[..., 1]
    return xyz


def frames_s(duration_s: float) -> NDArray[np.float64]:
    return np.arange(round(duration_s * MOTION_FPS)) / MOTION_FPS


def striking(strikes_s: NDArray[np.float64], duration_s: float) -> NDArray[np.float32]:
    """Arms go from one pose to the other in 0.25 s and stop dead at each strike."""
    times_s = frames_s(duration_s)
    angle = np.zeros(len(times_s))
    for k, strike_s in enumerate(strikes_s):
        part = np.clip((times_s - strike_s + 0.25) / 0.25, 0, 1)
        angle += (1 if k % 2 == 0 else -1) * 1.4 * part**2
    return in_space(swing_arms(standing(times_s), 0.3 + angle))


def take_of(xyz: NDArray[np.float32], content: str = "puppet", **labels: NDArray[np.float64]) -> Take:
    none = {"labelled": np.zeros((0, 2)), "beats_s": np.zeros(0)}
    return Take("puppet", "cmu", content, xyz, **(none | labels))


STRIKES_S = np.array([0.7, 1.3, 2.0, 2.9, 3.4, 4.1, 5.0, 5.6, 6.3, 7.1, 7.7, 8.5, 9.2])


@pytest.fixture(scope="module")
def material() -> list[Material]:
    """One mover who strikes at uneven times and one who walks."""
    times_s = frames_s(10.0)
    walk = in_space(walk_on_the_spot(times_s, lambda t: 1.8 * t))
    return [Material.of(take_of(striking(STRIKES_S, 10.0), "strikes")), Material.of(take_of(walk, "walk"))]


def test_landings_are_where_the_arms_stop_dead() -> None:
    found = find_landings(striking(STRIKES_S, 10.0), ("hands",))
    strong = found.times_s[found.strength > 0.3]
    assert len(strong) == len(STRIKES_S)
    # The search allows a limb to be nearly at rest, and neighbouring landings are melted together over 45 ms.
    assert np.abs(strong - STRIKES_S).max() < 0.04


def test_a_bow_lands_at_its_lowest() -> None:
    times_s = frames_s(6.0)
    body = in_space(standing(times_s))
    body[..., 1] += (0.06 * np.cos(2 * np.pi * times_s / 1.2))[:, None].astype(np.float32)
    found = find_landings(body, ("trunk",))
    np.testing.assert_allclose(found.times_s, [0.6, 1.8, 3.0, 4.2, 5.4], atol=0.02)


def test_standing_still_lands_nowhere() -> None:
    assert not len(find_landings(in_space(standing(frames_s(5.0)))).times_s)


def test_strong_landings_are_put_on_beats_at_a_pace_a_person_could_have() -> None:
    rng = np.random.default_rng(0)
    times_s = np.cumsum(rng.uniform(0.25, 0.45, 40))
    strong = np.arange(40) % 2 == 0
    landings = Landings(times_s, np.where(strong, 1.0, 0.2))
    fit = fit_to_beats(landings, 0.1, 0.3, 8.3, 0.6)
    assert fit is not None
    assert (np.diff(fit.at_beat) > 0).all()
    np.testing.assert_allclose(fit.at_beat * 4, np.round(fit.at_beat * 4), atol=1e-9)
    pace = np.diff(fit.at_s) / (np.diff(fit.at_beat) * 0.6)
    assert pace.min() > SLOWEST
    assert pace.max() < FASTEST
    of_strong = np.isin(fit.at_s, times_s[strong])
    on_beat = fit.at_beat % 1 == 0
    assert np.mean(on_beat[of_strong]) > 0.8
    assert np.mean(on_beat[of_strong]) > np.mean(on_beat[~of_strong]) if (~of_strong).any() else True


def test_an_off_beat_mover_is_put_between_the_beats() -> None:
    landings = Landings(np.arange(0.5, 12, 0.55), np.ones(21))
    fit = fit_to_beats(landings, 0.0, 0.0, 8.0, 0.55, on_beat=0.5)
    assert fit is not None
    assert np.mean(fit.at_beat % 1 == 0.5) > 0.8


def test_no_landings_no_fit() -> None:
    assert fit_to_beats(Landings(np.zeros(0), np.zeros(0)), 0.0, 0.0, 4.0, 0.5) is None
    assert fit_to_beats(Landings(np.array([0.5]), np.ones(1)), 0.0, 0.0, 4.0, 0.5) is None


def test_the_warp_goes_through_its_points_and_never_back() -> None:
    fit = Fit(np.array([0.5, 1.3, 1.8]), np.array([1.0, 2.0, 3.0]), 0.0)
    np.testing.assert_allclose(warp(fit, 0.1, 0.25, np.array([0.25, 1.0, 2.0, 3.0])), [0.1, 0.5, 1.3, 1.8])
    assert (np.diff(warp(fit, 0.1, 0.25, np.linspace(-1, 5, 400))) > 0).all()


def test_a_warped_dance_lands_on_its_beats(material: list[Material], monkeypatch: pytest.MonkeyPatch) -> None:
    """Strikes at uneven times come out on the beat; the same strikes unwarped do not."""
    for name in ("MIXED_SHARE", "STILL_ARMS_SHARE", "GROOVE_SHARE", "SHIFTED_SHARE"):
        monkeypatch.setattr(dances, name, 0.0)
    concentration = []
    for seed in range(8):
        dance = make_dance(material[:1], np.random.default_rng(seed))
        found = find_landings(dance.xyz, ("hands",))
        phase = np.interp(found.times_s + dance.lag_s, dance.beats_s, np.arange(len(dance.beats_s)))
        inside = (found.times_s + dance.lag_s > dance.beats_s[0]) & (found.times_s + dance.lag_s < dance.beats_s[-1])
        vector = np.sum(found.strength[inside] * np.exp(2j * np.pi * phase[inside])) / found.strength[inside].sum()
        concentration.append(vector.real)
    # By chance the mean is 0 with a standard error of about 0.06.
    assert np.mean(concentration) > 0.4


def test_the_lag_moves_the_dance_and_not_the_music(material: list[Material], monkeypatch: pytest.MonkeyPatch) -> None:
    dances_by_lag = []
    for lag_s in (0.0, 0.1):
        monkeypatch.setattr(dances, "LAG_S", lag_s)
        monkeypatch.setattr(dances, "LAG_SPREAD_S", 0.0)
        dances_by_lag.append(make_dance(material[:1], np.random.default_rng(5)))
    early, late = dances_by_lag
    np.testing.assert_allclose(early.beats_s, late.beats_s)
    assert (early.lag_s, late.lag_s) == (0.0, pytest.approx(0.1))


@pytest.mark.parametrize("seed", range(6))
def test_dances_are_whole(material: list[Material], seed: int) -> None:
    dance = make_dance(material, np.random.default_rng(seed))
    assert dance.xyz.shape == (1200, len(JOINTS), 3)
    assert np.isfinite(dance.xyz).all()
    assert (np.diff(dance.beats_s) > 0.3).all()
    assert dance.beats_s[0] < 1.0
    assert dance.beats_s[-1] > 19.0
    assert 60 / np.median(np.diff(dance.beats_s)) == pytest.approx(dance.tempo_bpm, rel=0.04)
    assert dances.LEAST_LAG_S <= dance.lag_s <= dances.MOST_LAG_S
    assert dances.SLOWEST_BPM <= dance.tempo_bpm <= dances.FASTEST_BPM
    # Joined without a jump: nobody's hip moves faster than a sprinter.
    assert np.linalg.norm(np.diff(dance.xyz[:, HIP], axis=0), axis=1).max() * MOTION_FPS < 12
    shoulders_m = np.linalg.norm(np.diff(dance.xyz[:, [2, 5]], axis=1)[:, 0], axis=1)
    np.testing.assert_allclose(shoulders_m, np.median(shoulders_m), rtol=0.1)


def test_a_seed_is_a_dance(material: list[Material]) -> None:
    one, two, other = (make_dance(material, np.random.default_rng(seed)) for seed in (3, 3, 4))
    np.testing.assert_array_equal(one.xyz, two.xyz)
    assert not np.array_equal(one.xyz, other.xyz)


def test_labelled_units_keep_their_count_at_one_tempo() -> None:
    counted_s = np.arange(1.0, 8.0, 0.6)
    xyz = striking(counted_s[counted_s < 9.5], 10.0)
    take = take_of(xyz, labelled=np.array([[1.0, 1.0 + 0.6 * 10]]), beats_s=counted_s[:10])
    dance = make_labelled_dance([Material.of(take)], np.random.default_rng(2))
    assert dance.kind == "choreonet"
    found = find_landings(dance.xyz, ("hands",))
    beat = np.interp(found.times_s, dance.beats_s, np.arange(len(dance.beats_s)))
    strong = (found.strength > 0.5) & (found.times_s > dance.beats_s[0]) & (found.times_s < dance.beats_s[-1])
    away = np.abs(beat[strong] - np.round(beat[strong]))
    assert np.median(away) < 0.1


def test_what_is_no_dance_has_no_beats(material: list[Material]) -> None:
    contents = set()
    for seed in range(40):
        dance = make_no_dance(material, np.random.default_rng(seed), 8.0)
        assert dance.kind == "negative"
        assert not len(dance.beats_s)
        assert np.isnan(dance.tempo_bpm)
        assert np.isfinite(dance.xyz).all()
        contents.add(dance.content)
    assert {"idle", "shuffled"} < contents


def test_standing_about_hardly_moves(material: list[Material]) -> None:
    idle = [make_no_dance(material, np.random.default_rng(seed), 8.0) for seed in range(20)]
    speeds = [
        np.linalg.norm(np.diff(dance.xyz, axis=0), axis=2).mean() * MOTION_FPS
        for dance in idle
        if dance.content == "idle"
    ]
    assert speeds
    assert max(speeds) < 0.15


def write_sets(folder: Path) -> None:
    """Motion capture files as the published sets have them, made of puppets."""
    times_s = frames_s(6.0)
    ours = striking(np.arange(0.6, 6, 0.6), 6.0)
    cmu = {"nose": "head", "neck": "neck", "mid_hip": "pelvis", "left_big_toe": "l_toe", "right_big_toe": "r_toe"}
    short = {j: cmu.get(j, j.replace("left", "l").replace("right", "r")) for j in JOINTS}
    names = [*short.values(), "spine"]
    xyz = np.concatenate([ours, ours[:, :1]], axis=1)
    (folder / "motion" / "cmu").mkdir(parents=True)
    (folder / "dance" / "choreonet" / "takes").mkdir(parents=True)
    for name in ("cmu_001_01", "cmu_002_01", "cmu_005_01"):
        np.savez(
            folder / "motion" / "cmu" / f"{name}.npz",
            keypoints=xyz,
            fps=60.0,
            joints=names,
            description="strike - hard",
        )
    z_up = np.stack([xyz[..., 0], -xyz[..., 2], xyz[..., 1]], -1)[::2]
    for name in ("14", "17", "ll_01"):
        np.savez(
            folder / "dance" / "choreonet" / "takes" / f"{name}.npz",
            keypoints=z_up,
            fps=30.0,
            joints=names,
            labelled=np.array([[0.6, 4.2]]),
            beat_times=np.arange(0.6, 4.2, 0.6),
        )
    assert len(times_s) == len(ours)


def test_sets_are_read_into_our_joints(tmp_path: Path) -> None:
    write_sets(tmp_path)
    takes = {part: load_takes(tmp_path, part) for part in ("train", "validation", "test")}
    assert {part: [t.name for t in some] for part, some in takes.items()} == {
        "train": ["cmu_001_01", "14"],
        "validation": ["cmu_002_01", "17"],
        "test": ["cmu_005_01", "ll_01"],
    }
    cmu, choreonet = takes["train"]
    assert cmu.content == "strike"
    np.testing.assert_allclose(choreonet.xyz[60, WRIST], cmu.xyz[60, WRIST], atol=0.02)
    assert cmu.xyz[:, JOINTS.index("nose"), 1].min() > cmu.xyz[:, JOINTS.index("left_ankle"), 1].max() + 1
    np.testing.assert_allclose(choreonet.labelled, [[0.6, 4.2]])


def test_a_folder_without_motion_capture_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no motion capture"):
        load_takes(tmp_path, "train")


def test_a_body_faces_where_its_nose_is_not_needed_to_tell() -> None:
    """Its left side lies to its left: with y up and the left hand on +x a body looks along +z."""
    xyz = np.zeros((1, len(JOINTS), 3))
    for left, right in LAYOUTS["rhythmicnet17"].pairs:
        xyz[0, left, 0], xyz[0, right, 0] = 0.2, -0.2
    np.testing.assert_allclose(facing(xyz), [[0, 0, 1]])


def test_a_corpus_is_the_same_for_any_number_of_processes_and_survives_a_file(tmp_path: Path) -> None:
    write_sets(tmp_path)
    corpus = build(tmp_path, "train", 6, seed=1, duration_s=8.0)
    again = build(tmp_path, "train", 6, seed=1, duration_s=8.0, workers=2)
    np.testing.assert_array_equal(corpus.velocity, again.velocity)
    np.testing.assert_array_equal(corpus.beat_time_s, again.beat_time_s)
    assert corpus.velocity.shape == (6, 480, 17, 2)
    assert np.isfinite(corpus.velocity.astype(float)).any((1, 2, 3)).all()
    for k in range(6):
        assert (len(corpus.beats_s(k)) == 0) == (corpus.kind[k] == "negative")
    path = tmp_path / "corpus.npz"
    corpus.save(path)
    loaded = load_corpus(path)
    assert isinstance(loaded, Corpus)
    np.testing.assert_array_equal(loaded.kind, corpus.kind)


def test_another_file_is_no_corpus(tmp_path: Path) -> None:
    np.savez(tmp_path / "other.npz", x=1)
    with pytest.raises(InputError, match="no corpus"):
        load_corpus(tmp_path / "other.npz")
