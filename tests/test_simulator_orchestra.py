"""Simulated players of everything but the piano: the truth is in their movement."""

from __future__ import annotations

import numpy as np
import pytest

from kinebeat.accompaniment.corpus import Segment, load_segments, save_segments
from kinebeat.accompaniment.parts import Chords, DrumBars, Part
from kinebeat.errors import OptionError
from kinebeat.performance.instruments import INSTRUMENTS
from kinebeat.performance.notes import Notes
from kinebeat.performance.truth.simulator.bellows import bellows_turns, play_bellows
from kinebeat.performance.truth.simulator.bowed import SAME_BOW_SHARE, bow_path, bow_strokes, play_bowed
from kinebeat.performance.truth.simulator.detector import HANDS, LAYOUT, Noise, shown
from kinebeat.performance.truth.simulator.figure import (
    Figure,
    bent,
    curled_tips,
    draw_figure,
    frame_of,
    place_hand,
    seen_from_hand,
    stand,
    stepped,
)
from kinebeat.performance.truth.simulator.filming import camera, film_from_front
from kinebeat.performance.truth.simulator.motion import sway
from kinebeat.performance.truth.simulator.neck import Grip, Neck, left_hand, playable
from kinebeat.performance.truth.simulator.parts import notes_of_part, random_part, song_part
from kinebeat.performance.truth.simulator.plucked import play_plucked
from kinebeat.performance.truth.simulator.simulate import simulate
from kinebeat.performance.truth.simulator.strings import LENGTHS_M, TUNINGS, along_m, chord_shape, stop_notes
from kinebeat.performance.truth.simulator.winds import breaths, fingers_down, play_wind

STRINGS = tuple(TUNINGS)
OTHERS = tuple(name for name in INSTRUMENTS if name != "piano")
FRONT = camera(size=(1280, 1280), aim_m=(0.0, 0.2, 1.0), px_per_m=600.0, distance_m=4.0)


def line(instrument: str, count: int = 40, each_s: float = 0.3, seed: int = 0) -> Notes:
    about, rng = INSTRUMENTS[instrument], np.random.default_rng(seed)
    pitch = np.clip(about.lowest + 8 + np.cumsum(rng.integers(-3, 4, count)), about.lowest, about.highest)
    onset = 0.5 + each_s * np.arange(count)
    return Notes.of(onset, onset + 0.9 * each_s, pitch, rng.integers(40, 120, count))


@pytest.mark.parametrize("instrument", OTHERS)
def test_every_instrument_is_played_and_filmed(instrument):
    part = random_part(instrument, np.random.default_rng(1), 12.0)
    film, again = (simulate(part, instrument, np.random.default_rng(5), fps=30.0) for _ in range(2))
    np.testing.assert_array_equal(film.track.xy, again.track.xy)
    assert film.keyboard is None
    assert film.track.layout == "body25_hands"
    assert film.track.xy.shape == (len(film.track.times_s), 67, 2)
    asked = {(float(t), int(p), int(v)) for t, p, v in zip(part.onset_s, part.pitch, part.velocity, strict=True)}
    notes = film.notes
    got = {(float(t), int(p), int(v)) for t, p, v in zip(notes.onset_s, notes.pitch, notes.velocity, strict=True)}
    assert got <= asked
    assert len(got) == len(notes) == len(film.joint) >= 0.8 * len(part)
    assert (notes.offset_s > notes.onset_s).all()
    hands = film.clean.xy[:, 25:]
    assert np.isfinite(hands).mean() > 0.97  # mostly in the picture
    assert set(film.joint.tolist()) <= set(range(25, 67))
    seen = np.isfinite(film.track.xy[..., 0])
    np.testing.assert_array_equal(seen, film.track.score > 0)


@pytest.mark.parametrize("instrument", OTHERS)
def test_two_parts_give_two_movements(instrument):
    one, other = (
        simulate(line(instrument, seed=s), instrument, np.random.default_rng(0), fps=30.0, camera=FRONT).clean.xy
        for s in (0, 1)
    )
    frames = min(len(one), len(other))
    assert np.nanmax(np.abs(one[60:frames, 25:] - other[60:frames, 25:])) > 3.0


@pytest.mark.parametrize("instrument", STRINGS)
def test_the_fingertip_is_where_the_string_gives_the_pitch(instrument):
    notes = line(instrument)
    figure = Figure(seated=True)
    long = LENGTHS_M[instrument]
    neck = Neck(np.zeros(3), np.eye(3)[0], np.eye(3)[1], np.eye(3)[2], 0.01, len(TUNINGS[instrument]), long)
    grip = Grip((0.0, -0.05, -0.05), (0.0, 0.6, 0.8), (-1.0, 0.0, 0.0), vibrato=False)
    played, stopped = playable(notes, instrument, figure)
    times = np.unique(np.concatenate([[0.0], played.onset_s]))
    joints, tip = left_hand(played, stopped, instrument, neck, grip, times, figure, np.random.default_rng(0))
    assert len(played) > 30
    np.testing.assert_array_equal(np.array(TUNINGS[instrument])[stopped.string] + stopped.semitones, played.pitch)
    np.testing.assert_array_equal(tip > 0, stopped.semitones > 0)
    fingers = np.flatnonzero(tip)
    assert len(fingers) > 5
    at = joints[np.searchsorted(times, played.onset_s[fingers]), tip[fingers]]
    # The string from the fingertip to the bridge sounds: its length gives the pitch.
    semitones = 12 * np.log2(long / (long - at[:, 0]))
    np.testing.assert_allclose(semitones, stopped.semitones[fingers], atol=0.01)
    np.testing.assert_allclose(at[:, 1], 0.01 * (stopped.string[fingers] - (neck.strings - 1) / 2), atol=1e-6)
    np.testing.assert_allclose(at[:, 2], 0.0, atol=1e-6)


def test_open_strings_and_first_position():
    notes = Notes.of([0.0, 0.5, 1.0, 1.5], [0.4, 0.9, 1.4, 1.9], [55, 57, 59, 60])
    stopped = stop_notes(notes, "violin")
    assert stopped.kept.all()
    assert stopped.string.tolist() == [0, 0, 0, 0]
    assert stopped.finger.tolist() == [0, 1, 2, 3]
    np.testing.assert_allclose(along_m("violin", np.array([0, 12])), [0.0, 0.164])


def test_chords_lie_under_a_hand_and_impossible_ones_are_thinned():
    c_major = chord_shape("guitar", 0, (0, 4, 7))
    assert c_major.tolist() == [48, 52, 55, 60, 64]
    zeros = np.zeros(5)
    stopped = stop_notes(Notes.of(zeros, zeros + 1, c_major), "guitar")
    assert stopped.kept.all()
    assert len(set(stopped.string.tolist())) == 5
    impossible = Notes.of(np.zeros(3), np.ones(3), [40, 41, 42])
    assert stop_notes(impossible, "guitar").kept.sum() < 3
    assert not stop_notes(Notes.of([0.0], [1.0], [20]), "guitar").kept.any()
    assert len(stop_notes(Notes.none(), "violin").string) == 0


def test_a_hand_on_a_neck_needs_time():
    # Two octaves up and down the top string, sixteen times a second.
    onset = 0.0625 * np.arange(20)
    leaps = Notes.of(onset, onset + 0.05, np.tile([77, 98], 10))
    slow, quick = (playable(leaps, "violin", Figure(seated=True, fastest_m_s=v))[0] for v in (0.5, 50.0))
    assert len(slow) < len(quick) == 20


def test_bows_turn_and_stay_on_the_string():
    rng = np.random.default_rng(0)
    notes = line("violin", 400)
    strokes = bow_strokes(notes, rng)
    way = strokes.to_m - strokes.from_m
    assert (np.abs(way) > 0.01).all()
    close = strokes.start_s[1:] - strokes.end_s[:-1] < 0.15
    turned = np.sign(way[1:]) != np.sign(way[:-1])
    assert turned[close].mean() > 0.9
    np.testing.assert_allclose(strokes.to_m[:-1][close], strokes.from_m[1:][close])
    assert np.isin(strokes.start_s, notes.onset_s).all()
    changes = len(strokes.start_s) / len(notes)
    assert changes == pytest.approx(1 - SAME_BOW_SHARE, abs=0.07)
    times = np.arange(0.0, notes.offset_s.max(), 0.01)
    path = bow_path(strokes, times)
    assert path.min() >= 0.05
    assert path.max() <= 0.6
    assert np.abs(np.diff(path)).max() / 0.01 < 4.0


def test_the_bow_arm_moves_only_while_it_plays():
    notes = Notes.of([1.0, 4.0], [2.0, 5.0], [62, 69])
    times = np.arange(0.0, 6.0, 0.02)
    for seed in range(3):
        places, *_ = play_bowed(notes, "cello", times, np.random.default_rng(seed))
        speed = np.linalg.norm(np.diff(places[:, HANDS[1].start], axis=0), axis=1) / 0.02
        assert np.median(speed[60:90]) > 2 * np.median(speed[:20])


def test_a_strum_crosses_the_strings_at_its_onset():
    shape = chord_shape("guitar", 0, (0, 4, 7))
    down = np.concatenate([0.004 * np.arange(5), 1.0 + 0.004 * np.arange(5)[::-1]])
    notes = Notes.of(down, down + 0.5, np.tile(shape, 2))
    times = np.arange(0.0, 2.0, 0.01)
    places, played, joint, _ = play_plucked(notes, "guitar", times, np.random.default_rng(0))
    assert len(played) == 10
    height = places[:, HANDS[1].start, 2]
    assert height[5] < height[95]  # after a stroke down below, after a stroke up above
    speed = np.gradient(height, 0.01)
    assert speed[1] < -0.2
    assert speed[101] > 0.2
    assert (joint >= 25).all()


def test_the_plucking_fingertip_is_quick_at_the_onset():
    notes = Notes.of([1.0, 2.0, 3.0], [1.8, 2.8, 3.8], [64, 40, 59])
    times = np.arange(0.0, 4.0, 0.01)
    places, played, joint, _ = play_plucked(notes, "guitar", times, np.random.default_rng(0))
    assert joint[1] == HANDS[1].start + 4  # the thumb has the lowest string
    tip = places[:, joint[1]] - places[:, HANDS[1].start]
    speed = np.linalg.norm(np.gradient(tip, 0.01, axis=0), axis=1)
    assert speed[195:206].max() > 5 * np.median(speed)
    assert len(played) == 3


def test_fingers_of_known_notes():
    trumpet = {70: (), 69: (7,), 68: (6,), 67: (6, 7), 66: (7, 8), 65: (), 60: (6, 8), 59: (6, 7, 8)}
    for pitch, down in trumpet.items():
        assert fingers_down("trumpet", pitch) == down
    assert fingers_down("tuba", 34) == ()
    assert fingers_down("tuba", 33) == (7,)
    assert fingers_down("flute", 79) == (0, 1, 2, 3, 9)  # G5
    assert fingers_down("flute", 67) == fingers_down("flute", 79)
    assert fingers_down("flute", 71) == (0, 1, 9)
    assert len(fingers_down("bassoon", 41)) == 6
    assert len(fingers_down("bassoon", 52)) == 0
    for name in ("flute", "trumpet", "bassoon", "tuba"):
        about = INSTRUMENTS[name]
        for pitch in range(about.lowest, about.highest + 1):
            assert set(fingers_down(name, pitch)) <= set(range(10))


def test_valves_go_down_with_their_notes():
    notes = Notes.of([1.0, 2.0], [1.9, 2.9], [70, 69])
    times = np.arange(0.0, 3.0, 0.02)
    figure_still = np.random.default_rng(0)
    places, played, joint, _ = play_wind(notes, "trumpet", times, figure_still)
    second = places[:, HANDS[1].start + 12] - places[:, HANDS[1].start + 9]
    up, down = second[60:90].mean(axis=0), second[110:140].mean(axis=0)
    assert np.linalg.norm(up - down) > 0.008
    first = places[:, HANDS[1].start + 8] - places[:, HANDS[1].start + 5]
    assert np.linalg.norm(first[60:90].mean(axis=0) - first[110:140].mean(axis=0)) < 0.004
    assert joint[1] == HANDS[1].start + 12
    assert len(played) == 2


def test_one_breath_for_each_phrase():
    notes = Notes.of([1.0, 1.5, 3.0], [1.5, 2.0, 3.5], [70, 72, 74])
    assert breaths(notes).tolist() == [1.0, 3.0]
    assert len(breaths(Notes.none())) == 0
    both = Notes.of([1.0, 1.0], [2.0, 2.0], [70, 74])
    _, played, *_ = play_wind(both, "flute", np.arange(0, 3, 0.04), np.random.default_rng(0))
    assert len(played) == 1


def test_bellows_go_out_and_in():
    notes = line("accordion", 60)
    turns = bellows_turns(notes, np.random.default_rng(0), 19.0)
    assert 3 <= len(turns) <= 14
    assert np.isin(turns[:-1], notes.onset_s).all()
    times = np.arange(0.0, 19.0, 0.04)
    places, played, joint, _ = play_bellows(notes, "accordion", times, np.random.default_rng(0))
    out = -np.gradient(places[:, HANDS[0].start, 0], 0.04)
    assert (out > 0.01).mean() > 0.2
    assert (out < -0.01).mean() > 0.2
    assert (joint >= HANDS[1].start).all()
    assert len(played) > 50


def test_wrists_keep_to_human_speeds():
    for instrument in OTHERS:
        part = random_part(instrument, np.random.default_rng(2), 15.0)
        film = simulate(part, instrument, np.random.default_rng(2), fps=100.0, camera=FRONT)
        for hand in HANDS:
            step = np.diff(film.clean.xy[:, hand.start].astype(float), axis=0)
            fastest = np.nanmax(np.linalg.norm(step, axis=1)) * 100 / 600.0
            assert 0.005 < fastest < 5.0


def test_bodies_hang_together():
    rng = np.random.default_rng(0)
    figure = draw_figure(rng, seated_share=0.5)
    still = np.zeros((3, 3))
    frame = frame_of(np.tile([0.0, 1.0, 0.0], (3, 1)), np.tile([0.0, 0.0, 1.0], (3, 1)))
    tips = curled_tips(np.full((3, 5), 0.5), figure.hand)
    hands = [
        place_hand(np.tile([x, 0.3, figure.hip_m + 0.3], (3, 1)), frame, tips, figure.hand, right=x > 0)
        for x in (-0.2, 0.2)
    ]
    places = stand(figure, *hands, still, rng)
    assert np.isfinite(places).all()
    for side in ("left", "right"):
        shoulder, elbow, wrist = (places[0, LAYOUT.index(f"{side}_{j}")] for j in ("shoulder", "elbow", "wrist"))
        assert np.linalg.norm(elbow - shoulder) == pytest.approx(0.29 * figure.size, rel=0.02)
        assert np.linalg.norm(wrist - elbow) == pytest.approx(0.26 * figure.size, rel=0.02)
        np.testing.assert_allclose(wrist, places[0, LAYOUT.index(f"{side}_hand_wrist")])
    # Thumbs are on the inner sides of two hands that lie palm down, and the hands mirror each other.
    left, right = places[0, HANDS[0]], places[0, HANDS[1]]
    np.testing.assert_allclose(left * (-1, 1, 1), right, atol=1e-9)
    assert right[4, 0] < right[20, 0]
    moved = bent(places, figure, np.full((3, 3), 0.1))
    np.testing.assert_allclose(moved[0, LAYOUT.index("neck")] - places[0, LAYOUT.index("neck")], 0.1)
    np.testing.assert_allclose(moved[0, LAYOUT.index("left_heel")], places[0, LAYOUT.index("left_heel")])


def test_a_hands_own_space_and_back():
    rng = np.random.default_rng(0)
    frame = frame_of(rng.normal(size=(4, 3)), rng.normal(size=(4, 3)))
    wrist = rng.normal(size=(4, 3))
    tips = curled_tips(rng.random((4, 5)), 1.0)
    for right in (True, False):
        joints = place_hand(wrist, frame, tips, 1.0, right=right)
        np.testing.assert_allclose(seen_from_hand(joints[:, 4::4], wrist, frame, right=right), tips, atol=1e-9)


def test_stepped_arrives_in_time():
    times = np.linspace(0, 3, 301)
    path = stepped(times, np.array([0.5, 1.0, 2.0]), np.array([[0.0], [1.0], [5.0]]), 0.1)[:, 0]
    assert path[50] == 0
    assert path[89] == 0
    assert path[100] == pytest.approx(1.0)
    assert path[189] == pytest.approx(1.0)
    assert path[200] == pytest.approx(5.0)
    smooth = sway((20000, 1), 0.01, 0.1, np.random.default_rng(0))
    assert smooth.std() == pytest.approx(1.0, abs=0.06)


def test_from_the_front_the_players_right_is_on_the_left_and_heads_are_up():
    xy = FRONT.project(np.array([[0.3, 0.2, 1.0], [-0.3, 0.2, 1.0], [0.0, 0.2, 1.5], [0.0, 9.0, 1.0]]))
    assert xy[0, 0] == pytest.approx(640 - 180)
    assert xy[1, 0] == pytest.approx(640 + 180)
    assert xy[2, 1] == pytest.approx(640 - 300)
    assert np.isnan(xy[3]).all()  # behind the camera
    rng = np.random.default_rng(0)
    places, _, _, figure = play_wind(line("flute"), "flute", np.arange(0, 5, 0.04), rng)
    seen = [
        shown(film.project(places), film.size) for film in (film_from_front(places, figure, rng) for _ in range(20))
    ]
    assert np.mean([np.isfinite(xy[:, 25:]).mean() for xy in seen]) > 0.97


@pytest.mark.parametrize("instrument", tuple(INSTRUMENTS))
def test_parts_suit_their_instrument(instrument):
    about = INSTRUMENTS[instrument]
    lengths = []
    for seed in range(12):
        part = random_part(instrument, np.random.default_rng(seed), 15.0)
        lengths.append(len(part))
        assert (part.pitch >= about.lowest).all()
        assert (part.pitch <= about.highest).all()
        assert (np.diff(part.onset_s) >= 0).all()
        assert (part.onset_s >= 0).all()
        assert (part.offset_s > part.onset_s).all()
        assert (part.offset_s <= 15.0).all()
        assert ((part.velocity > 0) & (part.velocity < 128)).all()
    assert len(set(lengths)) > 4
    same = random_part(instrument, np.random.default_rng(3), 15.0)
    again = random_part(instrument, np.random.default_rng(3), 15.0)
    np.testing.assert_array_equal(same.onset_s, again.onset_s)


def test_parts_from_songs_and_strange_requests():
    part = Part(1, np.array([0, 12]), np.array([12, 6]), np.array([60, 64]), np.array([80, 90]))
    notes = notes_of_part(part, 120.0)
    np.testing.assert_allclose(notes.onset_s, [0.0, 0.5])
    np.testing.assert_allclose(notes.offset_s, [0.5, 0.75])
    with pytest.raises(OptionError, match="kazoo"):
        random_part("kazoo", np.random.default_rng(0), 10.0)


def test_a_passage_of_a_song(tmp_path):
    part = Part(1, 12 * np.arange(4), np.full(4, 6), np.array([60, 64, 67, 120]) - 12, np.full(4, 80))
    drums = DrumBars(1, *(np.zeros(0, np.int64) for _ in range(3)))
    chords = Chords(np.zeros(32, np.int64))
    segment = Segment(part, drums, chords, 0, 120.0, "piano", "a", "a", 0)
    save_segments([segment], tmp_path / "train.npz")
    segments = load_segments(tmp_path, "train")
    notes = song_part(segments, "piano", np.random.default_rng(0), 10.0)
    assert notes.pitch.tolist() == [48, 52, 55, 108]
    np.testing.assert_allclose(notes.onset_s, 0.5 * np.arange(4))
    short = song_part(segments, "piano", np.random.default_rng(0), 1.0)
    assert 0 < len(short) < 4
    assert (short.offset_s <= 1.0).all()
    with pytest.raises(OptionError, match="segments of the guitar"):
        song_part(segments, "guitar", np.random.default_rng(0), 10.0)


def test_silence_is_filmed_too():
    quiet = Noise(lost_per_s=0.0)
    for instrument in OTHERS:
        film = simulate(Notes.none(), instrument, np.random.default_rng(0), duration_s=2.0, noise=quiet)
        assert len(film.notes) == 0
        assert np.isfinite(film.clean.xy[:, 25:]).mean() > 0.9


@pytest.mark.parametrize("instrument", tuple(INSTRUMENTS))
def test_whatever_the_part_the_player_plays_some_of_it(instrument):
    about = INSTRUMENTS[instrument]
    for seed in range(4):
        rng = np.random.default_rng(seed)
        onset = np.round(np.sort(rng.uniform(0.0, 5.0, 200)) * (8 if seed % 2 else 1000)) / (8 if seed % 2 else 1000)
        pitch = rng.integers(about.lowest, about.highest + 1, 200)
        notes = Notes.of(onset, onset + rng.choice([0.01, 0.1, 2.0], 200), pitch, rng.integers(1, 128, 200))
        film = simulate(notes, instrument, rng)
        assert 5 < len(film.notes) == len(film.joint)
        assert (film.notes.offset_s > film.notes.onset_s).all()
        assert {*zip(film.notes.onset_s, film.notes.pitch, strict=True)} <= {*zip(onset, pitch, strict=True)}
        assert film.performer.track is film.track
        assert film.performer.crowd == 0
