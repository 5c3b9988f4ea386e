"""Finding keyboards that were drawn, whose keys are known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from keyboards import camera, draw_keyboard, errors, with_hands, with_noise
from kinebeat.errors import InputError
from kinebeat.performance.keyboard import Keyboard, find_keyboard, keyboard_in, steadiness

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

MOST_U, MOST_V = 0.15, 0.06


def found(picture: NDArray[np.uint8]) -> Keyboard:
    keyboard = keyboard_in(picture if picture.ndim == 3 else picture[None])
    assert keyboard is not None
    return keyboard


def assert_right(keyboard: Keyboard, to_pixels: NDArray[np.float64]) -> None:
    off_u, off_v = errors(keyboard, to_pixels)
    assert off_u < MOST_U
    assert off_v < MOST_V


@pytest.mark.parametrize("angle_deg", [0, 40, 85, 135, 180, 200, 270, 310])
def test_the_player_may_sit_on_any_side(angle_deg: float) -> None:
    to_pixels = camera(angle_deg=angle_deg)
    keyboard = found(draw_keyboard(to_pixels))
    assert_right(keyboard, to_pixels)
    assert (keyboard.first, keyboard.last) == (0, 51)
    assert keyboard.octave_known
    assert not keyboard.mirrored
    assert keyboard.confidence > 0.9


@pytest.mark.parametrize(("key_px", "size"), [(6, (380, 200)), (24, (1300, 400))])
def test_keys_may_be_small_or_large(key_px: float, size: tuple[int, int]) -> None:
    to_pixels = camera(key_px=key_px, middle_px=(size[0] / 2, size[1] / 2))
    assert_right(found(draw_keyboard(to_pixels, size)), to_pixels)


@pytest.mark.parametrize(
    ("narrows", "length"), [((0.8, 0.0), 6.4), ((0.0, 0.25), 4.5), ((0.6, 0.2), 3.0), ((0.8, -0.1), 6.4)]
)
def test_the_camera_may_look_at_a_slant(narrows: tuple[float, float], length: float) -> None:
    to_pixels = camera(narrows=narrows, length=length, angle_deg=190)
    keyboard = found(draw_keyboard(to_pixels))
    assert_right(keyboard, to_pixels)
    assert keyboard.octave_known


@pytest.mark.parametrize(("first", "last"), [(9, 44), (4, 48), (4, 46), (9, 37), (0, 49)])
def test_shorter_keyboards_are_told_by_their_ends(first: int, last: int) -> None:
    to_pixels = camera(key_px=13, middle_u=(first + last + 1) / 2)
    keyboard = found(draw_keyboard(to_pixels, first=first, last=last))
    assert_right(keyboard, to_pixels)
    assert (keyboard.first, keyboard.last, keyboard.octave_known) == (first, last, True)


@pytest.mark.parametrize(("first", "last", "angle_deg"), [(0, 51, 0), (0, 51, 160), (9, 44, 0)])
def test_a_mirrored_picture_is_told_by_the_ends(first: int, last: int, angle_deg: float) -> None:
    to_pixels = camera(mirrored=True, middle_u=(first + last + 1) / 2, angle_deg=angle_deg)
    keyboard = found(draw_keyboard(to_pixels, first=first, last=last))
    assert keyboard.mirrored
    assert keyboard.octave_known
    assert_right(keyboard, to_pixels)


@pytest.mark.parametrize(("middle_u", "first", "last"), [(10, 0, 27), (42, 24, 51)])
def test_one_end_in_the_picture_tells_the_octave(middle_u: float, first: int, last: int) -> None:
    to_pixels = camera(key_px=20, middle_u=middle_u)
    keyboard = found(draw_keyboard(to_pixels))
    assert_right(keyboard, to_pixels)
    assert keyboard.octave_known
    assert abs(keyboard.first - first) <= 1
    assert abs(keyboard.last - last) <= 1


@pytest.mark.parametrize("middle_u", [17.5, 24.5, 31.5])
def test_without_an_end_the_middle_is_taken_to_be_near_d4(middle_u: float) -> None:
    to_pixels = camera(key_px=36, middle_u=middle_u)
    keyboard = found(draw_keyboard(to_pixels))
    assert not keyboard.octave_known
    assert abs(keyboard.key_units([360.0, 360.0])[0] - 24.5) < 3.6
    # the pitch classes are right: keys are off by whole octaves
    here = keyboard.key_units([360.0, 360.0])[0] - middle_u
    assert abs(here / 7 - round(here / 7)) < 0.03


def test_one_end_that_a_mirrored_piano_shows_too_does_not_tell_the_octave() -> None:
    # the bass end of a mirrored 88 looks like the treble end of 76 keys
    to_pixels = camera(key_px=20, middle_u=10, mirrored=True)
    assert not found(draw_keyboard(to_pixels)).octave_known


def test_where_the_front_edge_is_out_of_the_picture_it_is_inferred() -> None:
    to_pixels = camera(middle_px=(360, 695))
    keyboard = found(draw_keyboard(to_pixels))
    assert_right(keyboard, to_pixels)
    assert keyboard.confidence < 0.9


@pytest.mark.parametrize("table", [60, 245])
def test_the_table_may_be_dark_or_white(table: float) -> None:
    to_pixels = camera(angle_deg=12)
    assert_right(found(draw_keyboard(to_pixels, table=table)), to_pixels)


@pytest.mark.parametrize("hands_u", [(15, 35), (3, 48), (10, 22, 40)])
def test_hands_that_never_move_may_cover_keys(hands_u: tuple[float, ...]) -> None:
    to_pixels = camera(angle_deg=12)
    keyboard = found(with_hands(draw_keyboard(to_pixels), to_pixels, hands_u))
    assert_right(keyboard, to_pixels)
    assert keyboard.octave_known == (hands_u != (3, 48))  # those two hide the ends


def test_moving_hands_vanish_and_noise_does_no_harm() -> None:
    to_pixels = camera(angle_deg=185)
    still, rng = draw_keyboard(to_pixels), np.random.default_rng(0)
    clip = [with_hands(still, to_pixels, tuple(rng.uniform(4, 48, 2))) for _ in range(16)]
    keyboard = found(np.stack([with_noise(picture, 20, seed) for seed, picture in enumerate(clip)]))
    assert_right(keyboard, to_pixels)
    assert keyboard.confidence > 0.9


def test_a_dim_or_blurred_picture_will_do() -> None:
    to_pixels = camera(angle_deg=12)
    picture = draw_keyboard(to_pixels)
    assert_right(found((picture * 0.25 + 5).astype(np.uint8)), to_pixels)
    assert_right(found(np.asarray(cv2.GaussianBlur(picture, (0, 0), 2.0))), to_pixels)


@pytest.mark.parametrize("moved_px", [6.0, 40.0])
def test_a_camera_that_moved_lowers_the_confidence(moved_px: float) -> None:
    before = draw_keyboard(camera(angle_deg=12))
    after = draw_keyboard(camera(angle_deg=12, middle_px=(360 + moved_px, 360)))
    half = np.stack([with_noise(before if i < 7 else after, 3, i) for i in range(12)])
    assert found(half).confidence < 0.7
    whole = found(before)
    assert steadiness(np.stack([before] * 3), whole) == 1.0
    assert steadiness(np.stack([after] * 3), whole) == 0.0


def test_in_a_clip_of_two_cameras_the_longer_one_is_found() -> None:
    to_pixels = camera(angle_deg=12)
    one, other = draw_keyboard(to_pixels), draw_keyboard(camera(angle_deg=100, key_px=10))
    keyboard = found(np.stack([one] * 8 + [other] * 4))
    assert_right(keyboard, to_pixels)
    assert 0.5 < keyboard.confidence < 0.8


def stripes(pattern: str) -> NDArray[np.uint8]:
    y, x = np.mgrid[:400, :600]
    if pattern == "crossing":
        shown = np.where((x // 14) % 2 == 0, 230, 60)
    elif pattern == "narrow stripes":
        shown = np.where(x % 17 < 7, 50, 220)
    elif pattern == "slanted stripes":
        shown = np.where((x + y // 2) % 23 < 10, 40, 210)
    elif pattern == "chess board":
        shown = np.where((x // 20 + y // 20) % 2 == 0, 230, 40)
    elif pattern == "noise":
        shown = np.random.default_rng(0).integers(0, 256, x.shape)
    elif pattern == "coarse noise":
        coarse = np.random.default_rng(0).integers(0, 256, (40, 60)).astype(np.uint8)
        shown = np.asarray(cv2.resize(coarse, (600, 400), interpolation=cv2.INTER_CUBIC))
    elif pattern == "bar code":
        edges = np.random.default_rng(0).integers(0, 2, 120)
        shown = np.where(edges[x // 5] > 0, 225, 45)
    else:
        shown = np.full(x.shape, 128)
    return with_noise(shown.astype(np.float64), 3, 0)


@pytest.mark.parametrize(
    "pattern",
    ["crossing", "narrow stripes", "slanted stripes", "chess board", "noise", "coarse noise", "bar code", "grey"],
)
def test_what_is_striped_but_no_keyboard_is_none(pattern: str) -> None:
    assert keyboard_in(stripes(pattern)[None]) is None


def test_a_dancer_is_no_keyboard(puppet_path: Path) -> None:
    assert find_keyboard(puppet_path) is None


def test_key_units_and_pixels_undo_each_other() -> None:
    keyboard = found(draw_keyboard(camera(angle_deg=190, narrows=(0.5, 0.1))))
    uv = np.array([[[0.0, 0.0], [52.0, 1.0]], [[24.5, 0.5], [30.0, -1.0]]])
    there = keyboard.pixels(uv)
    assert there.shape == uv.shape
    assert np.allclose(keyboard.key_units(there), uv)
    # what was not seen stays so
    there[1, 1] = np.nan
    assert np.isnan(keyboard.key_units(there)[1, 1]).all()


def test_what_lies_behind_the_horizon_has_no_key() -> None:
    to_keys = np.array([[0.1, 0, 0], [0, -0.02, 1], [0, 0.01, 1.0]])
    keyboard = Keyboard(to_keys, 0, 51, 1.0, True, False)
    assert np.isnan(keyboard.key_units([100.0, -200.0])).all()
    assert np.isfinite(keyboard.key_units([100.0, -50.0])).all()


def rgb(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.repeat(picture[:, :, None], 3, axis=2)


def test_it_is_found_in_a_film(tmp_path: Path, write_video: Callable[..., Path]) -> None:
    to_pixels = camera(angle_deg=180, middle_px=(360, 160))
    still = draw_keyboard(to_pixels, (720, 320))
    clip = [rgb(with_hands(still, to_pixels, (5 + 2.0 * i,))) for i in range(20)]
    told: list[float] = []
    keyboard = find_keyboard(write_video(tmp_path / "piano.mp4", clip, fps=10), progress=told.append)
    assert keyboard is not None
    assert_right(keyboard, to_pixels)
    assert told == sorted(told)
    assert told[-1] == 1.0


def test_pixels_are_those_of_the_upright_picture(tmp_path: Path, write_video: Callable[..., Path]) -> None:
    to_pixels = camera(angle_deg=90, middle_px=(160, 360))
    upright = draw_keyboard(to_pixels, (320, 720))
    stored = np.rot90(upright, -1)
    path = write_video(tmp_path / "phone.mp4", [rgb(stored)] * 3, rotation_deg=90)
    keyboard = find_keyboard(path)
    assert keyboard is not None
    assert_right(keyboard, to_pixels)


def test_pixels_are_those_of_a_large_picture(tmp_path: Path, write_video: Callable[..., Path]) -> None:
    to_pixels = camera(key_px=28, middle_px=(800, 200))
    path = write_video(tmp_path / "large.mp4", [rgb(draw_keyboard(to_pixels, (1600, 400)))] * 2)
    keyboard = find_keyboard(path)
    assert keyboard is not None
    assert_right(keyboard, to_pixels)


def test_a_small_keyboard_in_a_large_picture_is_found(tmp_path: Path, write_video: Callable[..., Path]) -> None:
    to_pixels = camera(key_px=7, middle_px=(900, 300), angle_deg=8)
    path = write_video(tmp_path / "far.mp4", [rgb(draw_keyboard(to_pixels, (1920, 600)))] * 2)
    keyboard = find_keyboard(path)
    assert keyboard is not None
    assert_right(keyboard, to_pixels)


def test_a_missing_film_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        find_keyboard(tmp_path / "none.mp4")


@pytest.mark.data
@pytest.mark.parametrize("clip", ["TrainSet_5_0_2", "TrainSet_11_+45_2"])
def test_real_pianos_are_found_where_their_labels_say(data_dir: Path, clip: str) -> None:
    path = data_dir / "performers" / "piano_videos" / f"{clip}.mp4"
    keyboard = find_keyboard(path)
    assert keyboard is not None
    assert (keyboard.first, keyboard.last) == (0, 51)
    assert keyboard.octave_known
    assert not keyboard.mirrored
    assert keyboard.confidence > 0.9
    # the player sits at the top of the picture: bass at the right
    left, right = keyboard.key_units([[100.0, 120.0], [500.0, 120.0]])[:, 0]
    assert left > right
