"""Dances made of movement whose landings are known by hand: found, warped onto a grid, joined, filmed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from kinebeat.beats.truth import corpus, dances, mocap
from kinebeat.beats.truth.camera import project
from kinebeat.beats.truth.corpus import Corpus, Filming, build, build_from, load_corpus, ready
from kinebeat.beats.truth.dances import Choices, make_dance, make_labelled_dance, make_no_dance
from kinebeat.beats.truth.landings import Landings, find_landings
from kinebeat.beats.truth.material import Material
from kinebeat.beats.truth.mocap import JOINTS, Take, facing, load_takes
from kinebeat.beats.truth.warp import FASTEST, SLOWEST, Fit, fit_to_beats, warp
from kinebeat.errors import InputError, OptionError
from kinebeat.motion import MOTION_FPS
from kinebeat.skeleton import LAYOUTS
from movers import in_space, standing, swing_arms, walk_on_the_spot

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

HIP = JOINTS.index("mid_hip")
WRIST = JOINTS.index("right_wrist")


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
    assert (~of_strong).sum() >= 3  # weak ones are left for between the beats
    assert np.mean(on_beat[~of_strong]) < 0.3


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


PLAIN = Choices(mixed_share=0.0, still_arms_share=0.0, groove_share=0.0, shifted_share=0.0)


def on_beat(material: list[Material], choices: Choices, seeds: int = 8) -> float:
    """How much of what lands in dances lands on the beat, mean over dances; 1 all of it, 0 as much as elsewhere."""
    concentration = []
    for seed in range(seeds):
        dance = make_dance(material, np.random.default_rng(seed), choices=choices)
        found = find_landings(dance.xyz, ("hands",))
        phase = np.interp(found.times_s + dance.lag_s, dance.beats_s, np.arange(len(dance.beats_s)))
        inside = (found.times_s + dance.lag_s > dance.beats_s[0]) & (found.times_s + dance.lag_s < dance.beats_s[-1])
        vector = np.sum(found.strength[inside] * np.exp(2j * np.pi * phase[inside])) / found.strength[inside].sum()
        concentration.append(vector.real)
    return float(np.mean(concentration))


def test_a_warped_dance_lands_on_its_beats(material: list[Material]) -> None:
    """Strikes at uneven times come out on the beat; the same strikes unwarped do not."""
    # By chance the mean is 0 with a standard error of about 0.06.
    assert on_beat(material[:1], PLAIN) > 0.4


def test_scatter_takes_landings_off_the_beat(material: list[Material]) -> None:
    exact, rough = (on_beat(material[:1], replace(PLAIN, scatter_s=scatter_s)) for scatter_s in (0.0, 0.1))
    assert exact > rough + 0.01


def test_the_lag_moves_the_dance_and_not_the_music(material: list[Material]) -> None:
    early, late = (
        make_dance(material[:1], np.random.default_rng(5), choices=Choices(lag_s=lag_s, lag_spread_s=0.0))
        for lag_s in (0.0, 0.1)
    )
    np.testing.assert_allclose(early.beats_s, late.beats_s)
    assert (early.lag_s, late.lag_s) == (0.0, pytest.approx(0.1))


def test_what_varies_can_be_turned_off(material: list[Material]) -> None:
    """Tempo and lag stay the same within and over dances; arms stay with their body."""
    steady = Choices(steady_share=1.0, lag_spread_s=0.0, mixed_share=0.0)
    made = [make_dance(material[:1], np.random.default_rng(seed), 8.0, steady) for seed in range(6)]
    usual = [make_dance(material[:1], np.random.default_rng(seed), 8.0) for seed in range(6)]
    assert {dance.lag_s for dance in made} == {0.05}
    assert len({dance.lag_s for dance in usual}) == 6
    assert max(np.ptp(np.diff(dance.beats_s)) for dance in made) < 1e-9
    assert max(np.ptp(np.diff(dance.beats_s)) for dance in usual) > 0.003
    assert {dance.content for dance in made} == {"strikes"}
    # He who strikes has no legs to dance with: the walker lends his, and either's arms go with them.
    mixed = make_dance(material, np.random.default_rng(0), 8.0, Choices(mixed_share=1.0))
    assert mixed.content.startswith("walk+")


@pytest.mark.parametrize(("groove_share", "bobs"), [(0.0, False), (1.0, True)])
def test_a_body_that_grooves_bobs(material: list[Material], groove_share: float, bobs: bool) -> None:
    """He who strikes moves his arms alone, and only the first pieces' joining moves his hips."""
    dance = make_dance(material[:1], np.random.default_rng(1), 8.0, Choices(groove_share=groove_share))
    assert (np.ptp(dance.xyz[:, HIP, 1]) > 0.004) == bobs
    assert np.ptp(dance.xyz[:, JOINTS.index("left_ankle"), 1]) < 1e-4


def test_nobody_is_mirrored_unless_asked(material: list[Material]) -> None:
    """One arm strikes: it is the right one in some pieces and the left one in others."""
    times_s = frames_s(10.0)
    angle = 0.8 + 0.7 * np.cos(2 * np.pi * times_s / 1.1)
    one_armed = [Material.of(take_of(in_space(swing_arms(standing(times_s), angle, "right")), "strikes"))]
    for share, left_moves in ((0.0, False), (1.0, True)):
        choices = Choices(mirrored_share=share, groove_share=0.0)
        dance = make_dance(one_armed, np.random.default_rng(2), 8.0, choices)
        hand = dance.xyz[:, JOINTS.index("left_wrist")] - dance.xyz[:, HIP]
        assert (np.ptp(hand[:, 0]) > 0.05) == left_moves


def test_who_never_lands_cannot_dance() -> None:
    still = [Material.of(take_of(in_space(standing(frames_s(8.0)))))]
    with pytest.raises(OptionError, match="lands"):
        make_dance(still, np.random.default_rng(0), 8.0)


def test_repeats_and_tries_decide_how_many_recordings_are_tried(
    material: list[Material], monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[float] = []

    def counting(*given: object) -> Fit | None:
        tried.append(1.0)
        return fit_to_beats(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(dances, "fit_to_beats", counting)
    counts = []
    for choices in (PLAIN, replace(PLAIN, repeats=False), replace(PLAIN, tries=1)):
        tried.clear()
        for seed in range(3):
            make_dance(material, np.random.default_rng(seed), 8.0, choices)
        counts.append(len(tried))
    usual, unrepeated, once = counts
    assert unrepeated > usual > once


def test_the_usual_dance_is_that_of_the_seed_it_has_always_been(material: list[Material]) -> None:
    """Numbers a change to the order in which chance is asked would move: the corpus would be another one."""
    dance = make_dance(material, np.random.default_rng(11))
    assert dance.tempo_bpm == pytest.approx(106.87344, abs=1e-4)
    assert dance.lag_s == pytest.approx(0.0346908, abs=1e-6)
    assert dance.content == "strikes+walk+walk+walk"
    places = [[-0.3613, 0.8995, 0.0], [-0.3186, 0.8962, 0.0], [-0.3592, 0.8989, 0.0], [-0.2174, 0.8740, 0.0]]
    np.testing.assert_allclose(dance.xyz[::300, WRIST], places, atol=1e-3)


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


def write_bandai(folder: Path) -> None:
    """A set of two clips, one of a class to train on and one to test on."""
    xyz = striking(np.arange(0.6, 6, 0.6), 6.0)
    root = xyz[:, HIP]
    (folder / "motion" / "bandai").mkdir(parents=True)
    np.savez(
        folder / "motion" / "bandai" / "puppet.npz",
        rel=np.tile((xyz - root[:, None]).astype(np.float16), (2, 1, 1)),
        root=np.tile(root, (2, 1)),
        joints=[mocap._BANDAI[joint] for joint in JOINTS],
        fps=60.0,
        names=["walk_1", "kick_1"],
        content=["walk", "kick"],
        start=[0, len(xyz)],
        end=[len(xyz), 2 * len(xyz)],
    )


def test_a_set_can_be_left_out(tmp_path: Path) -> None:
    """Bandai is CC BY-NC and ChoreoNet states no licence."""
    write_sets(tmp_path)
    write_bandai(tmp_path)
    assert {m.take.source for m in ready(tmp_path, "train")} == {"cmu", "bandai", "choreonet"}
    assert {m.take.source for m in ready(tmp_path, "train", ["bandai"])} == {"cmu", "choreonet"}
    assert [m.take.content for m in ready(tmp_path, "test", ["cmu", "choreonet"])] == ["kick"]
    made = build(tmp_path, "train", 12, duration_s=4.0, without=["choreonet", "bandai"])
    assert set(made.kind) == {"warped", "negative"}
    assert "walk" not in " ".join(made.content)
    assert "ballroom" not in " ".join(made.content)


def test_a_set_that_is_left_out_has_to_be_one_and_to_leave_something(tmp_path: Path) -> None:
    write_sets(tmp_path)
    with pytest.raises(OptionError, match="no set of motion capture is called 'aist'"):
        ready(tmp_path, "train", ["aist"])
    with pytest.raises(InputError, match="nothing is left"):
        ready(tmp_path, "train", ["cmu", "choreonet"])
    with pytest.raises(OptionError, match="labelled"):
        build(tmp_path, "train", 1, kinds=("choreonet",), without=("choreonet",))


def test_the_command_leaves_sets_out(tmp_path: Path) -> None:
    write_sets(tmp_path)
    write_bandai(tmp_path)
    out = tmp_path / "corpus"
    words = ["--data", str(tmp_path), "--out", str(out), "--scale", "0.001", "--workers", "1"]
    corpus.main([*words, "--without", "bandai", "--without", "choreonet"])
    for part in ("train", "validation", "test"):
        kept = load_corpus(out / f"{part}.npz")
        assert len(kept.kind) == 4
        assert not set("+".join(kept.content).split("+")) - {"strike", "idle", "shuffled"}


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


def test_without_cameras_noise_and_proportions_all_of_everybody_is_seen(tmp_path: Path) -> None:
    write_sets(tmp_path)
    material = ready(tmp_path, "train")
    plain = Filming(cameras=False, noise=False, proportions=False)
    bare, usual = (
        build_from(material, "train", 6, kinds=("warped",), filming=filming, duration_s=4.0)
        for filming in (plain, Filming())
    )
    # The last picture of 30 a second is taken a frame before the end.
    assert np.isfinite(bare.velocity[:, :-4]).all()
    assert not np.isfinite(usual.velocity[:, :-4]).all()
    assert not np.array_equal(bare.velocity, usual.velocity)
    np.testing.assert_array_equal(bare.tempo_bpm, usual.tempo_bpm)  # the dances are the same


@pytest.mark.parametrize("turned_deg", [0, 70, 200])
def test_the_plain_camera_looks_into_the_face(turned_deg: float) -> None:
    """Seen from the front, a person's left is at the right of the picture, wherever they look in the room."""
    angle = np.radians(turned_deg)
    xyz = in_space(standing(frames_s(1.0)))
    across = xyz[..., 0].copy()
    xyz[..., 0], xyz[..., 2] = across * np.cos(angle) + 3.0, -across * np.sin(angle)
    xy = project(xyz, corpus._in_front(xyz))
    left, right = (xy[0, JOINTS.index(f"{side}_shoulder"), 0] for side in ("left", "right"))
    assert left - right > 0.2 * 0.5 * 720 * 0.55
    assert xy[0, :, 1].min() > 0.1 * 720
    assert xy[0, :, 1].max() < 720
    np.testing.assert_allclose(xy[0, HIP], [640, 360], atol=1)
