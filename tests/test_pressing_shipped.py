"""The shipped network that sees keys go down, on keyboards it has not seen: drawn here, filmed where the data is."""

from difflib import SequenceMatcher

import numpy as np
import pytest

from kinebeat import perform
from kinebeat.evaluation.note_metrics import note_figures
from kinebeat.performance.keyboard import find_keyboard
from kinebeat.performance.player import Player
from kinebeat.performance.pressing.model import PressModel
from kinebeat.performance.pressing.pictures import key_pictures
from kinebeat.performance.truth.alignment import align_to_strokes
from kinebeat.performance.truth.piano_videos import read_clips
from pressed_keys import part, played

ODE_TO_JOY = [4, 4, 5, 7, 7, 5, 4, 2, 0, 0, 2, 4, 4, 2, 2, 4, 4, 5, 7, 7, 5, 4, 2, 0, 0, 2, 4, 2, 0, 0]


def test_drawn_keys_are_heard():
    notes = part(8.0, 3)
    heard = PressModel.shipped().play(iter(played(notes, 8.0, 3)))
    assert note_figures(notes, heard)["pitch_f"] > 0.5
    assert note_figures(part(8.0, 4), heard)["pitch_f"] < 0.15


def test_keys_that_lie_still_say_nothing():
    still = played(part(0.5, 1, per_s=0.1), 6.0, 5)
    assert len(PressModel.shipped().play(iter(still))) == 0


@pytest.mark.parametrize("name", ["TestSet_V10", "TrainSet_13_0_2"])
def test_real_keys_are_heard(data_dir, name):
    clip = next(clip for clip in read_clips(data_dir) if clip.name == name)
    keyboard = find_keyboard(clip.path)
    assert keyboard is not None
    model = PressModel.shipped()
    pictures = np.stack(list(key_pictures(clip.path, keyboard)))
    roll = np.concatenate(list(model.hear(iter(pictures))))
    notes = clip.notes.later(-align_to_strokes(clip.notes, roll[..., 0], 20.0))
    heard = model.play(iter(pictures))
    assert note_figures(notes, heard)["pitch_f"] > 0.7
    assert np.array_equal(Player().play(None, keyboard, "piano", film=clip.path).pitch, heard.pitch)


def test_a_melody_filmed_from_the_hand_is_heard(data_dir):
    # thirteen white keys, close up; the camera shakes
    made = perform(data_dir / "performers" / "esnylmz_9th_symphony_righthand.mp4", workers=1)
    said = (made.played.pitch % 12).tolist()
    same = sum(block.size for block in SequenceMatcher(None, ODE_TO_JOY, said, autojunk=False).get_matching_blocks())
    assert same >= 20
    assert len(said) <= same + 4
