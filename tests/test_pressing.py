"""Keys that go down in a film: pictures, their steadying, what the network is told, and notes; all of it drawn."""

import numpy as np
import pytest

from command_line import run
from keyboards import camera, draw_keyboard
from kinebeat.errors import InputError
from kinebeat.performance.keyboard import Keyboard
from kinebeat.performance.notes import Notes
from kinebeat.performance.piano_keys import BLACK_U, CENTRE_U, IS_BLACK, LOWEST_PITCH
from kinebeat.performance.pressing.batches import MIRROR_U, Batches, Drawing, clip_of, press_rolls
from kinebeat.performance.pressing.channels import channels, still_of
from kinebeat.performance.pressing.corpus import Film, read_films, write_film
from kinebeat.performance.pressing.model import parts_of
from kinebeat.performance.pressing.picking import struck_notes
from kinebeat.performance.pressing.pictures import (
    COLUMNS,
    FINENESS,
    OUTSIDE,
    PICTURES_PER_S,
    ROWS,
    Straightener,
    key_pictures,
)
from kinebeat.performance.pressing.steadying import lit_alike, steadied
from kinebeat.performance.truth.alignment import align_to_strokes
from pressed_keys import SIZE, TO_PIXELS, moved, part, played, pressed, still

MIDDLES = np.round(CENTRE_U * FINENESS - 0.5).astype(int)


def keyboard_of(to_pixels) -> Keyboard:
    to_keys = np.linalg.inv(to_pixels)
    return Keyboard(to_keys, 0, 51, 1.0, True, False)


# --- pictures ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "view", [{}, {"angle_deg": 180.0}, {"angle_deg": 7.0}, {"length": 4.5, "narrows": (0.1, 0.1)}, {"mirrored": True}]
)
def test_keys_lie_straight_whatever_the_camera(view):
    to_pixels = camera(key_px=12.0, middle_px=(360.0, 360.0), **view)
    straighten = Straightener(keyboard_of(to_pixels), (720, 720), (720, 720))
    straight = straighten(draw_keyboard(to_pixels))
    assert straight.shape == (ROWS, COLUMNS)
    upper, lower = straight[int(0.8 * ROWS)], straight[int(0.3 * ROWS)]
    assert (upper[MIDDLES[IS_BLACK]] < 100).all()
    assert (lower[MIDDLES] > 100).all()
    whites = np.setdiff1d(np.arange(52) + 0.5, BLACK_U)
    assert (lower[np.round(whites * FINENESS - 0.5).astype(int)] > 180).all()


def test_what_is_not_in_the_picture_is_told():
    to_pixels = camera(key_px=30.0, middle_px=(360.0, 360.0))  # 24 of 52 keys
    straight = Straightener(keyboard_of(to_pixels), (720, 720), (720, 720))(draw_keyboard(to_pixels))
    seen = (straight > OUTSIDE).all(0)
    assert not seen[: 13 * FINENESS].any()
    assert seen[15 * FINENESS : 37 * FINENESS].all()
    assert not seen[39 * FINENESS :].any()


@pytest.mark.parametrize("fps", [10.0, 20.0, 24.0, 30.0, 60.0])
def test_pictures_come_twenty_times_a_second(tmp_path, write_video, fps):
    # from 1 s to 2 s a key is down
    nobody = np.repeat(draw_keyboard(TO_PIXELS, SIZE, noise=0.0)[..., None], 3, -1)
    down = nobody.copy()
    left = round(TO_PIXELS[0, 0] * 20 + TO_PIXELS[0, 2])
    down[:, left : left + 12] = 10
    film = write_video(
        tmp_path / "piano.mp4", (down if 1 <= k / fps < 2 else nobody for k in range(round(3 * fps))), fps=fps
    )
    shares = []
    pictures = np.stack(list(key_pictures(film, keyboard_of(TO_PIXELS), progress=shares.append)))
    assert abs(len(pictures) - 60) <= 1
    assert pictures.shape[1:] == (ROWS, COLUMNS)
    levels = pictures[:, 10:20, 20 * FINENESS + 3 : 20 * FINENESS + 7].mean((1, 2))
    dark = np.flatnonzero(levels < 100)
    slack = 1 if fps < 20 else 0
    assert abs(dark[0] - 20) <= slack
    assert abs(dark[-1] - 39) <= slack
    assert (np.diff(dark) == 1).all()
    assert shares == sorted(shares)
    assert shares[-1] > 0.9


def test_a_large_film_is_seen_as_a_small_one_is(tmp_path, write_video):
    large = np.diag([3.0, 3.0, 1.0]) @ TO_PIXELS
    films = []
    for to_pixels, size in ((TO_PIXELS, SIZE), (large, (SIZE[0] * 3, SIZE[1] * 3))):
        picture = np.repeat(draw_keyboard(to_pixels, size, noise=0.0)[..., None], 3, -1)
        film = write_video(tmp_path / f"{size[0]}.mp4", [picture] * 10, fps=20.0)
        films.append(next(iter(key_pictures(film, keyboard_of(to_pixels)))).astype(float))
    assert np.abs(films[0] - films[1]).mean() < 8


def test_a_film_that_was_turned_is_seen_upright(tmp_path, write_video):
    upright = np.repeat(draw_keyboard(TO_PIXELS, SIZE, noise=0.0)[..., None], 3, -1)
    stored = np.ascontiguousarray(np.rot90(upright, -1))
    straight = []
    for name, picture, turn in (("plain", upright, 0), ("turned", stored, 90)):
        film = write_video(tmp_path / f"{name}.mp4", [picture] * 5, fps=20.0, rotation_deg=turn)
        straight.append(next(iter(key_pictures(film, keyboard_of(TO_PIXELS)))).astype(float))
    assert np.abs(straight[0] - straight[1]).mean() < 4


def test_a_missing_film_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match=r"missing\.mp4"):
        next(key_pictures(tmp_path / "missing.mp4", keyboard_of(TO_PIXELS)))


# --- steadying --------------------------------------------------------------------------------------------------------


def test_a_camera_that_stands_still_changes_nothing():
    pictures = played(part(5.0, 1), 5.0)
    laid, nobody = steadied(pictures)
    assert laid is pictures
    assert np.array_equal(nobody, still_of(pictures))


def test_a_shaken_film_is_laid_on_itself():
    pictures = played(part(4.0, 2), 4.0)
    times = np.arange(len(pictures)) / PICTURES_PER_S
    across, along = 2.5 * np.sin(5.0 * times), 1.0 * np.cos(3.0 * times)
    shaken = np.stack([moved(p, x, y) for p, x, y in zip(pictures, across, along, strict=True)])
    laid, nobody = steadied(shaken)
    inner = (slice(None), slice(5, -5), slice(10, -10))

    def off(film):
        return np.percentile(np.abs(np.diff(film[inner].astype(float), axis=0)), 90)

    assert off(laid) < 0.45 * off(shaken)
    # what is left differs from the film that was not shaken by one and the same small movement
    assert np.abs(nobody[inner[1:]].astype(float) - still_of(shaken)[inner[1:]]).mean() > 1
    away, truth = (
        (film.astype(float) - nobody_there)[:, 30:40, 20:-20].mean(1)
        for film, nobody_there in ((laid, nobody), (pictures, still_of(pictures)))
    )
    down = truth.min(1) < -20
    assert down.sum() > 20
    assert (np.abs(away.argmin(1) - truth.argmin(1))[down] < FINENESS).mean() > 0.95


def test_a_part_of_a_keyboard_is_steadied_and_its_edge_is_nothing():
    pictures = played(part(3.0, 3), 3.0)
    pictures[:, :, : 20 * FINENESS] = OUTSIDE
    shaken = np.stack([moved(p, 2.5 * np.sin(0.3 * k), 0.0) for k, p in enumerate(pictures)])
    laid, _ = steadied(shaken)
    assert not laid[:, :, : 20 * FINENESS - 3].any()
    inner = (slice(None), slice(5, -5), slice(21 * FINENESS, -10))
    changes = [np.percentile(np.abs(np.diff(film[inner].astype(float), axis=0)), 90) for film in (laid, shaken)]
    assert changes[0] < 0.5 * changes[1]


def test_nothing_at_all_is_left_alone():
    nothing = np.zeros((30, ROWS, COLUMNS), np.uint8)
    laid, nobody = steadied(nothing)
    assert laid is nothing
    assert not nobody.any()


# --- what the network is told -----------------------------------------------------------------------------------------


def test_a_key_that_is_down_differs_from_the_still_keyboard_where_it_is():
    nobody = still()
    told = channels(np.stack([nobody, pressed(nobody, [60])]), nobody, nobody)
    assert told.shape == (2, 3, ROWS, COLUMNS)
    assert not told[0, :2].any()
    (columns,) = np.nonzero(told[1, 0].any(0))
    assert abs(columns.mean() - (CENTRE_U[60 - LOWEST_PITCH] * FINENESS - 0.5)) < 1
    assert np.ptp(columns) <= 2 * FINENESS
    assert np.array_equal(told[1, 0], told[1, 1])


def test_what_is_outside_differs_from_nothing():
    nobody = still()
    dark = pressed(nobody, [60, 80])
    dark[:, :300] = OUTSIDE
    told = channels(dark[None], nobody, nobody)
    assert not told[:, :2, :, :300].any()
    assert told[:, 0, :, 300:].any()
    assert np.isfinite(channels(np.zeros_like(dark)[None], np.zeros_like(dark), np.zeros_like(dark))).all()


def test_a_film_in_less_light_is_told_almost_alike():
    nobody, down = still(), pressed(still(), [50, 61])
    bright = channels(down[None], nobody, nobody)
    dim = channels((down // 2)[None], nobody // 2, nobody // 2)
    assert np.abs(bright - dim).mean() < 0.02


@pytest.mark.parametrize("mirror", [0.0, 1.0])
def test_targets_lie_on_the_keys_that_go_down(mirror):
    notes = Notes.of([1.0, 1.5], [1.4, 2.4], [64, 70], 76)
    film = Film(played(notes, 3.0), notes, "drawn")
    how = Drawing(frames=50, part_u=20, mirror=mirror, shaken=0.0, shift_u=0.0, scale=0.0, blurred=0.0, cut=0.0)
    batch = clip_of(film, 5, 16, how, np.random.default_rng(0))
    wanted = {(2 * 62 - p) % 12 if mirror else p % 12 for p in (64, 70)}
    struck = np.flatnonzero(batch.struck[0].max(0) > 0.9)
    assert set(batch.classes[0][struck].tolist()) == wanted
    for key in struck:
        frame = int(batch.struck[0, :, key].argmax())
        assert frame in (15, 25)
        darker = -batch.pictures[0, frame + 2, 0, 30:40].mean(0)
        about = round(float(batch.centres[0, key]) * FINENESS - 0.5)
        assert darker[about - 2 : about + 3].mean() > darker.mean() + 0.1


def test_mirrored_keys_lie_on_keys():
    for pitch in range(30, 90):
        key, image = pitch - LOWEST_PITCH, 2 * 62 - pitch - LOWEST_PITCH
        assert CENTRE_U[key] + CENTRE_U[image] == pytest.approx(MIRROR_U, abs=1e-9)
        assert IS_BLACK[key] == IS_BLACK[image]


def test_a_batch_is_a_function_of_seed_and_step():
    films = [Film(played(part(4.0, seed), 4.0, seed), part(4.0, seed), str(seed)) for seed in (1, 2)]
    how = Drawing(batch=3, frames=24)
    one, same, other = (Batches(films, how, seed)(step) for seed, step in ((5, 7), (5, 7), (5, 8)))
    for name, value in vars(one).items():
        assert np.array_equal(value, getattr(same, name))
    assert not np.array_equal(one.struck, other.struck)
    assert one.pictures.shape == (3, 24, 3, ROWS, 20 * FINENESS)
    keys = one.centres.shape[1]
    assert one.struck.shape == one.held.shape == (3, 24, keys)
    assert one.asked.shape == one.classes.shape == (3, keys)
    assert np.isfinite(one.pictures).all()


def test_rolls_have_ones_at_onsets_and_while_a_note_sounds():
    struck, held = press_rolls(Notes.of([0.5, 1.02], [0.8, 1.2], [60, 21], 76), 40)
    assert struck[10, 39] == 1.0
    assert np.flatnonzero(struck[:, 39]).tolist() == [9, 10, 11]
    assert np.flatnonzero(held[:, 39]).tolist() == list(range(10, 16))
    assert struck[:, 0].max() == pytest.approx(1 - 0.02 / 0.075, abs=1e-6)
    assert struck.sum(0).astype(bool).sum() == 2


# --- notes ------------------------------------------------------------------------------------------------------------


def test_peaks_are_notes_until_the_key_is_let_go():
    struck, held = (np.zeros((60, 88), np.float32) for _ in range(2))
    struck[19:22, 39] = 0.4, 0.9, 0.4
    held[20:30, 39] = 0.8
    struck[40, 40] = 0.2  # too little
    notes = struck_notes(struck, held, 0.3, 0.3, 20.0)
    assert notes.pitch.tolist() == [60]
    assert notes.onset_s[0] == pytest.approx(1.0)
    assert notes.offset_s[0] == pytest.approx(1.5)


def test_a_peak_between_two_pictures_is_between_them():
    struck, held = (np.zeros((60, 88), np.float32) for _ in range(2))
    struck[19:23, 5] = 0.3, 0.8, 0.8, 0.3
    (onset_s,) = struck_notes(struck, held, 0.3, 0.3, 20.0).onset_s
    assert 1.0 <= onset_s <= 1.05


def test_neighbours_sound_together_and_one_key_not_twice_at_once():
    struck, held = (np.zeros((60, 88), np.float32) for _ in range(2))
    struck[20, [39, 40, 41]] = 0.9
    struck[22, 39] = 0.8  # a tenth of a second later: the same stroke
    struck[30, 39] = 0.9
    held[20:60, 39] = 0.9
    notes = struck_notes(struck, held, 0.3, 0.3, 20.0)
    assert sorted(notes.pitch.tolist()) == [60, 60, 61, 62]
    again = notes[notes.pitch == 60]
    assert again.offset_s[0] <= again.onset_s[1] == pytest.approx(1.5)


def test_nothing_struck_is_nothing():
    assert len(struck_notes(np.zeros((9, 88), np.float32), np.zeros((9, 88), np.float32), 0.3, 0.3, 20.0)) == 0


@pytest.mark.parametrize("count", [0, 1, 39, 40, 41, 99, 100, 139, 140, 141, 400, 777])
def test_parts_of_a_film_make_the_whole(count):
    pictures = [np.full((2, 2), k, np.int64) for k in range(count)]
    believed = []
    for some, first, last in parts_of(iter(pictures), part_s=5.0, beside_s=1.0):
        assert len(some) <= 140
        numbers = some[:, 0, 0]
        assert (np.diff(numbers) == 1).all()
        assert first == 0 or first == 20
        assert last == len(some) or len(some) - last == 20
        believed += numbers[first:last].tolist()
    assert believed == list(range(count))


@pytest.mark.parametrize("lag_s", [-0.2, -0.04, 0.0, 0.13])
def test_notes_are_moved_to_the_strokes(lag_s):
    notes = part(10.0, 4)
    struck, _ = press_rolls(notes, 200)
    assert align_to_strokes(notes.later(lag_s), struck, 20.0) == pytest.approx(lag_s, abs=0.011)
    assert align_to_strokes(Notes.none(), struck, 20.0) == 0.0


# --- corpus -----------------------------------------------------------------------------------------------------------


def test_films_are_kept(tmp_path):
    notes = part(3.0, 5)
    film = Film(played(notes, 3.0), notes, "drawn")
    write_film(tmp_path / "drawn.npz", film)
    (back,) = read_films(tmp_path)
    assert (back.name, back.duration_s) == ("drawn", 3.0)
    assert np.array_equal(back.pictures, film.pictures)
    assert np.array_equal(back.notes.onset_s, notes.onset_s)
    assert np.array_equal(back.notes.pitch, notes.pitch)


def test_bad_films_are_input_errors(tmp_path):
    with pytest.raises(InputError, match="no films"):
        read_films(tmp_path)
    (tmp_path / "torn.npz").write_bytes(b"PK nothing")
    with pytest.raises(InputError, match=r"torn\.npz"):
        read_films(tmp_path)
    (tmp_path / "torn.npz").unlink()
    small = np.zeros((5, 10, 10), np.uint8)
    write_film(tmp_path / "small.npz", Film(small, part(3.0, 1), "small"))
    with pytest.raises(InputError, match="expected pictures of"):
        read_films(tmp_path)


def test_without_the_data_no_films_are_made(tmp_path):
    assert run("train", "performance-presses-corpus", "--data", tmp_path / "none", "--out", tmp_path / "c") == 2


# --- light ------------------------------------------------------------------------------------------------------------


def test_light_that_changes_is_taken_back():
    pictures = played(part(3.0, 6), 3.0)
    pictures[:, :, :50] = OUTSIDE
    factor = 1 + 0.2 * np.sin(0.4 * np.arange(len(pictures)))
    changing = np.clip(pictures * factor[:, None, None], 0, 255).astype(np.uint8)
    lit = lit_alike(changing, still_of(pictures))
    inside = np.s_[:, :, 50:]
    assert np.abs(lit[inside].astype(float) - pictures[inside]).mean() < 2
    assert np.abs(changing[inside].astype(float) - pictures[inside]).mean() > 10
    assert not lit[:, :, :50].any()


def test_steady_light_changes_nothing():
    pictures = played(part(3.0, 6), 3.0)
    assert lit_alike(pictures, still_of(pictures)) is pictures
    black = np.zeros((5, ROWS, COLUMNS), np.uint8)
    assert lit_alike(black, black[0]) is black
