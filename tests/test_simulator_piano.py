"""Simulated pianists: the truth is in their movement."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from kinebeat.errors import InputError, OptionError
from kinebeat.performance.notes import Notes
from kinebeat.performance.piano_keys import CENTRE_U, KEY_LENGTH_U, LOWEST_PITCH, pitch_at
from kinebeat.performance.truth.simulator import fingering
from kinebeat.performance.truth.simulator.czerny import Hand, agreement, measure_pairs, read_fingered
from kinebeat.performance.truth.simulator.detector import HANDS, Noise, detected
from kinebeat.performance.truth.simulator.filming import camera
from kinebeat.performance.truth.simulator.fingering import choose_fingers
from kinebeat.performance.truth.simulator.hand import BONES_M, TIPS, joints_of
from kinebeat.performance.truth.simulator.motion import drift, ease, glide, window
from kinebeat.performance.truth.simulator.piano import play_piano
from kinebeat.performance.truth.simulator.piano_hands import chords_of, share_out, within_reach
from kinebeat.performance.truth.simulator.piano_plan import KEY_M, LENGTH_M, PianoStyle, plan_hands
from kinebeat.performance.truth.simulator.simulate import simulate

PERFECT = Noise(0.0, 0.0, 0.0, 0.0, 0.0, 0.25, 0.0, 0.0)
OVERHEAD = camera(
    size=(1280, 540), aim_m=(26 * KEY_M, 0.0, 0.0), px_per_m=950.0, distance_m=1.5, elevation_rad=np.pi / 2
)


def scale(low: int = 60, high: int = 84, each_s: float = 0.25) -> Notes:
    pitch = np.array([p for p in range(low, high + 1) if p % 12 in (0, 2, 4, 5, 7, 9, 11)])
    onset = 0.5 + each_s * np.arange(len(pitch))
    return Notes.of(onset, onset + 0.9 * each_s, pitch)


def chords(count: int = 12) -> Notes:
    root = np.array([48, 53, 55, 48] * 3)[:count]
    onset = 0.6 + 0.8 * np.arange(count)
    pitch = np.concatenate([root + i for i in (0, 7, 16, 19, 24)])
    return Notes.of(np.tile(onset, 5), np.tile(onset + 0.6, 5), pitch)


def walk(seed: int, count: int = 200) -> Notes:
    rng = np.random.default_rng(seed)
    onset = 0.5 + np.cumsum(rng.choice([0.1, 0.2, 0.4], count))
    pitch = np.clip(64 + np.cumsum(rng.integers(-5, 6, count)), 30, 100)
    return Notes.of(onset, onset + rng.uniform(0.05, 0.5, count), pitch, rng.integers(30, 110, count))


def fingertip_units(notes: Notes, style: PianoStyle, seed: int = 0) -> tuple[np.ndarray, Notes]:
    """Key units (N, 2) of the fingertip that plays each note, exactly at its onset; and what is played."""
    plans = plan_hands(notes, style, np.random.default_rng(seed))
    times = np.sort(np.concatenate([p.notes.onset_s for p in plans]))
    times = np.unique(np.concatenate([[0.0], times, [times[-1] + 1.0]]))
    places, played, joint = play_piano(notes, times, np.random.default_rng(seed), style)
    at = places[np.searchsorted(times, played.onset_s), joint]
    return at[:, :2] / (KEY_M, LENGTH_M), played


@pytest.mark.parametrize("notes", [scale(), chords(), walk(1), walk(2)], ids=["scale", "chords", "walk", "other walk"])
@pytest.mark.parametrize("style", [PianoStyle(), PianoStyle(one_finger=True, row_v=0.3), PianoStyle(hands="right")])
def test_the_fingertip_is_on_its_key_at_every_onset(notes, style):
    at, played = fingertip_units(notes, style)
    assert len(played) > 0
    np.testing.assert_array_equal(pitch_at(at[:, 0], at[:, 1]), played.pitch)


def test_a_scale_and_chords_are_played_whole():
    for notes in (scale(), chords()):
        _, played = fingertip_units(notes, PianoStyle())
        np.testing.assert_array_equal(played.onset_s, notes.onset_s)
        np.testing.assert_array_equal(played.pitch, notes.pitch)
        np.testing.assert_array_equal(played.velocity, notes.velocity)
        assert (played.offset_s > played.onset_s).all()
        assert (played.offset_s <= notes.offset_s + 1e-9).all()


def test_what_is_played_is_part_of_the_part():
    notes = walk(3, 400)
    _, played = fingertip_units(notes, PianoStyle(one_finger=True, fastest_m_s=0.7))
    asked = {(float(t), int(p), int(v)) for t, p, v in zip(notes.onset_s, notes.pitch, notes.velocity, strict=True)}
    got = [(float(t), int(p), int(v)) for t, p, v in zip(played.onset_s, played.pitch, played.velocity, strict=True)]
    assert set(got) <= asked
    assert len(set(got)) == len(got) < len(asked)


def test_hands_keep_their_speed_limit():
    times = np.arange(0.0, 40.0, 0.005)
    notes = walk(4, 160)
    for fastest in (1.0, 2.5):
        style = PianoStyle(fastest_m_s=fastest, loose=0.0)
        places, _, _ = play_piano(notes, times, np.random.default_rng(0), style)
        for hand in HANDS:
            # Arcs and strokes come on top of the way itself.
            speed = np.linalg.norm(np.diff(places[:, hand][:, 0, :2], axis=0), axis=1) / 0.005
            assert 0.05 < np.nanmax(speed) < 1.4 * fastest


def test_bones_keep_their_length_while_fingers_are_within_reach():
    tips = np.array(
        [[[-0.05, 0.1, 0.0], [-0.03, 0.15, -0.02], [0.0, 0.155, -0.02], [0.02, 0.15, -0.02], [0.04, 0.12, -0.02]]]
    )
    for scaled in (0.9, 1.0):
        joints = joints_of(np.zeros((1, 3)), np.zeros(1), scaled * tips, scaled)[0]
        np.testing.assert_allclose(joints[list(TIPS)], scaled * tips[0])
        for finger in range(5):
            first, second = joints[1 + 4 * finger], joints[2 + 4 * finger]
            assert np.linalg.norm(second - first) == pytest.approx(scaled * BONES_M[finger, 0])


def test_fingertips_beyond_reach_are_reached_all_the_same():
    tips = np.full((1, 5, 3), 0.4)
    joints = joints_of(np.zeros((1, 3)), np.zeros(1), tips, 1.0)
    np.testing.assert_allclose(joints[0, list(TIPS)], tips[0])
    assert np.isfinite(joints).all()


def test_chords_keep_within_reach():
    rng = np.random.default_rng(0)
    pitch = np.sort(rng.integers(30, 100, (60, 6)), axis=1)
    onset = np.repeat(0.5 + np.arange(60), 6)
    notes = Notes.of(onset, onset + 0.8, pitch.ravel())
    for size in (0.85, 1.1):
        for plan in plan_hands(notes, PianoStyle(size=size), rng):
            for k in range(len(plan.at_s)):
                keys = CENTRE_U[plan.notes.pitch[plan.chord == k] - LOWEST_PITCH]
                assert keys.max() - keys.min() <= 9.0 * size + 1e-9
                assert len(set(plan.finger[plan.chord == k])) == (plan.chord == k).sum()


def test_the_same_seed_gives_the_same_film_and_another_part_another():
    notes = walk(5, 60)
    one, same, other = (simulate(n, "piano", np.random.default_rng(7)) for n in (notes, notes, walk(6, 60)))
    np.testing.assert_array_equal(one.track.xy, same.track.xy)
    np.testing.assert_array_equal(one.notes.onset_s, same.notes.onset_s)
    frames = min(len(one.clean.xy), len(other.clean.xy))
    assert not np.allclose(np.nan_to_num(one.clean.xy[:frames]), np.nan_to_num(other.clean.xy[:frames]), atol=1.0)


def test_pixels_and_keys_tell_the_same():
    rng = np.random.default_rng(0)
    film = simulate(scale(), "piano", rng, fps=100.0, style=PianoStyle(hands="right"), camera=OVERHEAD, noise=PERFECT)
    assert film.keyboard is not None
    frame = np.round(film.notes.onset_s * 100).astype(int)
    at = film.keyboard.key_units(film.track.xy[frame, film.joint])
    np.testing.assert_array_equal(pitch_at(at[:, 0], at[:, 1]), film.notes.pitch)
    back = film.keyboard.pixels(at)
    np.testing.assert_allclose(back, film.track.xy[frame, film.joint], atol=1e-2)
    np.testing.assert_allclose(film.track.xy, film.clean.xy, atol=1e-3)


def test_seen_from_above_the_player_is_at_the_top_and_the_bass_at_the_right():
    film = simulate(scale(), "piano", np.random.default_rng(0), camera=OVERHEAD, style=PianoStyle(hands="right"))
    low, high = film.keyboard.pixels([[0.5, 0.5], [51.5, 0.5]])
    assert low[0] > high[0]
    wrist, tip = film.clean.xy[:, HANDS[1].start], film.clean.xy[:, HANDS[1].start + 12]
    assert np.nanmedian(wrist[:, 1]) < np.nanmedian(tip[:, 1])


def test_only_gaps_are_not_a_number():
    film = simulate(walk(8), "piano", np.random.default_rng(3), style=PianoStyle(), camera=OVERHEAD)
    xy, score = film.track.xy, film.track.score
    assert xy.shape == (len(film.track.times_s), 67, 2)
    assert film.track.layout == "body25_hands"
    assert np.isnan(xy[:, :25]).all()  # no body in a film from above
    seen = np.isfinite(xy[..., 0])
    np.testing.assert_array_equal(seen, np.isfinite(xy[..., 1]))
    np.testing.assert_array_equal(seen, score > 0)
    for hand in HANDS:
        assert 0.5 < seen[:, hand].mean() <= 1
        # a hand is found whole or not at all
        assert (seen[:, hand].all(axis=1) | ~seen[:, hand].any(axis=1)).all()


def test_a_hand_that_does_not_play_may_be_absent_but_never_plays():
    for seed in range(6):
        places, played, joint = play_piano(
            scale(), np.arange(0, 5, 0.04), np.random.default_rng(seed), PianoStyle(hands="left")
        )
        assert len(played)
        assert (joint < HANDS[1].start).all()
        right = np.isfinite(places[:, HANDS[1]])
        assert right.all() or not right.any()


def test_hands_leave_the_picture_only_while_they_rest():
    onset = np.array([5.0, 5.5, 14.0, 14.5])
    notes = Notes.of(onset, onset + 0.4, [60, 62, 64, 65])
    times = np.arange(0.0, 22.0, 0.05)
    absent = np.zeros(len(times))
    for seed in range(12):
        places, _, _ = play_piano(notes, times, np.random.default_rng(seed), PianoStyle(hands="right"))
        absent += np.isnan(places[:, HANDS[1].start, 0])
    playing = ((times > 4.7) & (times < 6.2)) | ((times > 13.7) & (times < 15.2))
    assert (absent[playing] == 0).all()
    assert absent[~playing].mean() > 1


def test_one_finger_is_the_index_finger():
    _, played, joint = play_piano(scale(), np.arange(0, 5, 0.04), np.random.default_rng(0), PianoStyle(one_finger=True))
    assert len(played) == len(scale())
    assert set(joint.tolist()) <= {25 + 8, 46 + 8}


def test_silence_and_strange_requests():
    film = simulate(Notes.none(), "piano", np.random.default_rng(0), duration_s=3.0)
    assert len(film.notes) == len(film.joint) == 0
    with pytest.raises(OptionError, match="kazoo"):
        simulate(scale(), "kazoo", np.random.default_rng(0))
    with pytest.raises(OptionError, match="two pictures"):
        simulate(scale(), "piano", np.random.default_rng(0), duration_s=0.0)
    below = Notes.of([0.5, 1.0], [0.9, 1.4], [10, 60])
    assert simulate(below, "piano", np.random.default_rng(0)).notes.pitch.tolist() == [60]


def test_the_left_hand_has_the_lower_notes():
    notes = chords()
    right = share_out(notes, hands="both", reach_u=9.0, most=5)
    assert right.any()
    assert not right.all()
    for chord in chords_of(notes.onset_s):
        assert notes.pitch[chord][right[chord]].min() > notes.pitch[chord][~right[chord]].max()
    assert share_out(notes, hands="right", reach_u=9.0, most=5).all()
    assert not share_out(notes, hands="left", reach_u=9.0, most=5).any()


def test_reach_keeps_the_outer_notes():
    pitch = np.array([40, 60, 64, 67, 72])
    assert within_reach(pitch, right=True, reach_u=8.0, most=5).tolist() == [False, True, True, True, True]
    assert within_reach(pitch, right=False, reach_u=8.0, most=5).tolist() == [True, False, False, False, False]
    assert within_reach(pitch, right=True, reach_u=8.0, most=1).tolist() == [False] * 4 + [True]


def test_five_notes_take_five_fingers_and_a_scale_passes_the_thumb_under():
    up = [np.array([p]) for p in (60, 62, 64, 65, 67)]
    assert np.concatenate(choose_fingers(up, right=True)).tolist() == [1, 2, 3, 4, 5]
    assert np.concatenate(choose_fingers(up, right=False)).tolist() == [5, 4, 3, 2, 1]
    octave = [np.array([p]) for p in (60, 62, 64, 65, 67, 69, 71, 72)]
    assert np.concatenate(choose_fingers(octave, right=True)).tolist() == [1, 2, 3, 1, 2, 3, 4, 5]
    assert choose_fingers([np.array([60, 64, 67])], right=True)[0].tolist() == [1, 3, 5]
    assert choose_fingers([], right=True) == []


def test_fingers_that_hold_a_key_are_taken():
    held = [np.array([True]), np.array([False])]
    for key in (60, 62, 64):
        first, then = choose_fingers([np.array([60]), np.array([key])], right=True, held=held)
        assert first[0] != then[0]


def test_movement_helpers():
    assert ease([-1, 0, 0.5, 1, 2]).tolist() == [0, 0, 0.5, 1, 1]
    times = np.linspace(0, 4, 401)
    path, share = glide(times, np.array([1.0]), np.array([2.0]), np.array([[0.0], [3.0]]))
    assert path[100, 0] == 0
    assert path[150, 0] == pytest.approx(1.5)
    assert path[200, 0] == pytest.approx(3.0)
    assert share[-1] == 1
    alone, _ = glide(times, np.zeros(0), np.zeros(0), np.array([[5.0]]))
    assert (alone == 5).all()
    on = window(times, 1.0, 2.0, 3.0, 3.5)
    assert on[50] == 0
    assert (on[200:301] == 1).all()
    assert on[360] == 0
    noise = drift((20000, 2), 0.01, 0.1, np.random.default_rng(0))
    assert noise.std() == pytest.approx(1.0, abs=0.05)
    assert np.corrcoef(noise[:-10, 0], noise[10:, 0])[0, 1] == pytest.approx(np.exp(-1), abs=0.06)


def test_the_detector_loses_shakes_and_swaps_as_told():
    rng = np.random.default_rng(0)
    times = np.arange(3000) / 30
    xy = np.full((3000, 67, 2), np.nan)
    hand = np.stack([np.linspace(0, 40, 21), np.linspace(0, 80, 21)], axis=1)
    hand[0], hand[9] = (0.0, 0.0), (0.0, 50.0)
    xy[:, HANDS[0]], xy[:, HANDS[1]] = hand + 100, hand + np.array([400.0, 100.0])
    found, score = detected(xy, times, PERFECT, rng)
    np.testing.assert_allclose(found, xy, atol=1e-3)
    shaken, _ = detected(xy, times, replace(PERFECT, jitter=0.02), rng)
    assert np.nanstd((shaken - xy)[:, HANDS[0].start + 5]) == pytest.approx(1.0, rel=0.15)
    lost, score = detected(xy, times, replace(PERFECT, lost_per_s=0.2, lost_s=0.3), rng)
    gone = np.isnan(lost[:, HANDS[0].start, 0])
    assert 0.02 < gone.mean() < 0.3
    assert (score[gone][:, HANDS[0]] == 0).all()
    swapped, _ = detected(xy, times, replace(PERFECT, swaps_per_s=0.5), rng)
    assert 0.005 < (swapped[:, HANDS[0].start, 0] > 250).mean() < 0.3


def test_agreement_and_measured_pairs_of_a_table_made_by_hand():
    hand = Hand(
        "", "train", True, [np.array([p]) for p in (60, 62, 64, 65, 67)], [np.array([f]) for f in (1, 2, 3, 4, 0)]
    )
    assert agreement([hand]) == 1.0
    wrong = hand._replace(fingers=[np.array([f]) for f in (5, 5, 5, 5, 5)])
    assert agreement([wrong]) == pytest.approx(0.2)
    pairs = measure_pairs([hand], 1)
    assert pairs[0, 1].steps == 1.0
    assert pairs[0, 1].share == pytest.approx(1 / 3)


def test_no_table_of_fingering(tmp_path):
    with pytest.raises(InputError, match="expected fingered notes"):
        read_fingered(tmp_path)


@pytest.mark.data
def test_fingering_agrees_with_a_pianist_as_well_as_said(data_dir):
    hands = read_fingered(data_dir)
    assert agreement([h for h in hands if h.split == "train"]) > 0.72
    assert agreement([h for h in hands if h.split == "test"]) > 0.55
    measured = measure_pairs([h for h in hands if h.split == "train"], 1)
    for fingers, pair in fingering.NEXT.items():
        assert pair.share == pytest.approx(measured[fingers].share, abs=2e-3)
        assert pair.steps == pytest.approx(measured[fingers].steps, abs=0.02)


def test_keys_are_as_long_as_they_are():
    assert pytest.approx(KEY_LENGTH_U * KEY_M) == LENGTH_M
