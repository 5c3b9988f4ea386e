"""What is seen of a musician, and which films are refused or warned about."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kinebeat.errors import InputError
from kinebeat.performance.notes import Notes
from kinebeat.performance.sight import check_sight, hand_speeds, look, played_by_hands, unmirrored
from musicians import flat_keyboard, pianist, pose_of, unseen, with_body

FILM = Path("film.mp4")
LEFT, RIGHT = slice(25, 46), slice(46, 67)


def checked(performer, keyboard=None, instrument="piano"):
    return check_sight(FILM, look(performer, keyboard), keyboard, instrument)


def test_a_pianist_from_above_is_seen_well():
    keyboard = flat_keyboard()
    sight = look(pianist(), keyboard)
    assert (sight.hands, sight.left, sight.right, sight.body, sight.crowd, sight.over_keys) == (1, 1, 1, 0, 0, 1)
    assert checked(pianist(), keyboard) == ()


def test_shares_are_counted_hand_by_hand():
    performer = unseen(unseen(pianist(), slice(0, 40), LEFT), slice(20, 60), RIGHT)
    sight = look(performer, flat_keyboard())
    assert (sight.left, sight.right, sight.hands) == (0.5, 0.5, 0.75)
    assert look(with_body(performer), None).body == 1
    assert look(performer, None).over_keys is None


def test_a_wrist_of_the_body_is_no_hand():
    xy = np.full((40, 67, 2), np.nan, np.float32)
    xy[:, [25, 46, 4, 7, 1]] = 100.0
    sight = look(replace(pianist(), track=pose_of(xy, np.arange(40) / 20)), None)
    assert (sight.hands, sight.body) == (0, 1)


def test_no_hands():
    with pytest.raises(InputError, match=r"hands are seen in only 0% of the frames.*hands in the picture"):
        checked(unseen(pianist(), slice(None)), flat_keyboard())


def test_three_pianists():
    with pytest.raises(InputError, match="more players than one are in 80% of the frames; crop"):
        checked(pianist(crowd=0.8), flat_keyboard())
    assert checked(pianist(crowd=0.2), flat_keyboard()) == ()


def test_hands_that_are_never_over_the_keys():
    for v in (-2.0, 3.0):
        with pytest.raises(InputError, match=r"over the keys in only 0%.*name what is played"):
            checked(pianist(v=v), flat_keyboard())
    with pytest.raises(InputError, match="over the keys"):
        checked(pianist(), flat_keyboard(first=44))  # the keys in the picture are others


def test_hands_that_are_seldom_over_the_keys():
    performer = pianist()
    away = performer.track.xy.copy()
    away[:60, :, 1] += 300
    performer = replace(performer, track=pose_of(away, performer.track.times_s))
    (line,) = checked(performer, flat_keyboard())
    assert "over the keys in only 25%" in line


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"confidence": 0.3}, "not surely found"),
        ({"mirrored": True}, "mirrored, as selfies are"),
        ({"octave_known": False}, "transposing it by 12 or -12"),
    ],
)
def test_keyboards_that_are_not_quite_known(change, said):
    (line,) = checked(pianist(), flat_keyboard(**change))
    assert said in line


def test_who_has_no_keys_is_heard_by_the_body():
    (line,) = checked(pianist(), None, "violin")
    assert "a body is seen in only 0%" in line
    assert checked(with_body(pianist()), None, "violin") == ()


def test_notes_without_a_hand_are_not_believed():
    performer = unseen(pianist(6.0), slice(40, 80))  # from 2 to 4 s
    notes = Notes.of([0.5, 2.2, 3.0, 3.8, 5.0], [1, 2.5, 3.5, 4, 5.5], [60] * 5)
    assert played_by_hands(notes, performer, None).tolist() == [True, True, False, True, True]
    assert played_by_hands(notes, performer, flat_keyboard()).tolist() == [True, True, False, True, True]
    assert not played_by_hands(notes, pianist(6.0, v=3.0), flat_keyboard()).any()
    assert not played_by_hands(notes, unseen(performer, slice(None)), None).any()


def test_a_mirrored_player_gets_his_own_hands_back():
    performer = unseen(pianist(), slice(0, 20), LEFT)
    turned = unmirrored(performer)
    assert np.array_equal(turned.right_hand, performer.left_hand, equal_nan=True)
    assert np.array_equal(turned.left_hand, performer.right_hand)
    assert np.array_equal(turned.track.score[:20, RIGHT], np.zeros((20, 21)))
    again = unmirrored(turned)
    assert np.array_equal(again.track.xy, performer.track.xy, equal_nan=True)


def test_speeds_of_hands():
    times_s = np.arange(40) / 20
    xy = np.full((40, 67, 2), np.nan, np.float32)
    still = pianist().track.xy[0, LEFT] * 0 + np.arange(21)[:, None] * np.array([0.0, 4.0])
    xy[:, LEFT] = still[None] + np.array([3.0, 4.0]) * np.arange(40)[:, None, None]  # 5 pixels a frame
    xy[10, LEFT] = np.nan
    speeds = hand_speeds(pose_of(xy, times_s))
    length = 4.0 * 9  # from the wrist to the middle finger's knuckle
    assert np.isnan(speeds[:, 1]).all()
    assert np.flatnonzero(np.isnan(speeds[:, 0])).tolist() == [10, 11]
    assert speeds[5, 0] == pytest.approx(5 * 20 / length, rel=1e-4)
    assert np.isnan(hand_speeds(pose_of(xy[:1], times_s[:1]))).all()
