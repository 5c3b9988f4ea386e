"""The plot of a performance shows the notes, both hands, and where they are not seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from kinebeat.performance.notes import Notes
from kinebeat.performance.plot import HANDS, NOTE, UNSEEN, plot_performance
from musicians import pianist, scale, unseen
from test_plot import pixels

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

OUTLINE = np.tile(np.array([[-0.5, 0.5]], np.float32), (500, 1))
LOUD = 127


def draw(path: Path, performer, notes: Notes, duration_s: float) -> NDArray[np.uint8]:
    plot_performance(path, performer.track, notes, duration_s, outline=OUTLINE, title="film.mp4", note="note")
    return np.asarray(Image.open(path).convert("RGB"))


def loud(duration_s: float) -> Notes:
    notes = scale(duration_s)
    return Notes.of(notes.onset_s, notes.offset_s, notes.pitch, LOUD)


def test_notes_and_hands_are_seen(tmp_path):
    picture = draw(tmp_path / "a.png", pianist(8.0), loud(8.0), 8.0)
    silent = draw(tmp_path / "b.png", pianist(8.0), Notes.none(), 8.0)
    assert pixels(picture, NOTE) > 5 * pixels(silent, NOTE) > 0  # the key has one
    for _, colour in HANDS:
        assert pixels(picture, colour) > 200


def test_a_longer_note_is_a_longer_bar_at_its_pitch(tmp_path):
    def bar(onset_s, offset_s, pitch):
        notes = Notes.of([onset_s], [offset_s], [pitch], LOUD)
        picture = draw(tmp_path / "a.png", pianist(8.0), notes, 8.0).astype(int)
        wanted = np.array([int(NOTE[i : i + 2], 16) for i in (1, 3, 5)])
        rows, columns = np.nonzero((np.abs(picture - wanted).max(2) < 4)[80:])  # below the key
        return rows.mean(), columns.min(), columns.max() - columns.min()

    row, begin, length = bar(2.0, 3.0, 60)
    later_row, later_begin, longer = bar(3.0, 5.0, 60)
    assert later_begin - begin == pytest.approx(length, abs=4)
    assert longer == pytest.approx(2 * length, abs=6)
    assert later_row == pytest.approx(row, abs=2)


def test_where_a_hand_is_not_seen_it_is_grey(tmp_path):
    seen = draw(tmp_path / "a.png", pianist(8.0), scale(8.0), 8.0)
    gone = draw(tmp_path / "b.png", unseen(pianist(8.0), slice(40, 120), slice(25, 46)), scale(8.0), 8.0)
    assert pixels(gone, UNSEEN) > pixels(seen, UNSEEN) + 5000


@pytest.mark.parametrize("duration_s", [0.05, 1.0, 39.0])
def test_films_of_one_line(tmp_path, duration_s):
    picture = draw(tmp_path / "a.png", pianist(duration_s), Notes.none(), duration_s)
    assert 700 < picture.shape[1] <= 2800


def test_long_films_are_wrapped_and_drawn_the_same_every_time(tmp_path):
    line = draw(tmp_path / "a.png", pianist(30.0), loud(30.0), 30.0)
    page = draw(tmp_path / "b.png", pianist(90.0), loud(90.0), 90.0)
    assert 2.7 * line.shape[0] < page.shape[0] < 3 * line.shape[0]
    for part in np.array_split(page, 3):
        assert pixels(part, NOTE) > 200
    draw(tmp_path / "c.png", pianist(30.0), loud(30.0), 30.0)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "c.png").read_bytes()
