import subprocess
import sys

import numpy as np
import pytest

from kinebeat.beats.grid import BeatGrid
from kinebeat.drums import drummer as room
from kinebeat.drums.drummer import Drummer, follow_movement
from kinebeat.errors import OptionError
from kinebeat.rhythm import Rhythm

TEMPO_BPM = 110.0


def rhythm(bars=8, accents=(), energy=0.6, present=True, tempo_bpm=TEMPO_BPM):
    """A rhythm with accents (step, strength, offset)."""
    steps = bars * 16
    accent, offset = np.zeros((2, steps), np.float32)
    for step, strength, where in accents:
        accent[step], offset[step] = strength, where
    return Rhythm(
        BeatGrid(np.arange(bars * 4 + 1) * 60.0 / tempo_bpm),
        (np.arange(steps) % 4 == 0).astype(np.float32),
        accent,
        offset,
        np.broadcast_to(np.float32(energy), steps).copy(),
        np.broadcast_to(np.bool_(present), steps).copy(),
    )


def scattered(bars, seed):
    rng = np.random.default_rng(seed)
    steps = rng.permutation(bars * 16)[: bars * 3]
    return [(int(s), float(rng.uniform(0.2, 1)), float(rng.uniform(-0.5, 0.49))) for s in steps]


@pytest.fixture(scope="module")
def drummer():
    return Drummer()


def same(a, b):
    return all(np.array_equal(getattr(a, m), getattr(b, m)) for m in ("hits", "velocities", "offsets"))


def test_every_accent_is_heard_where_it_is_and_as_loud_as_it_is(drummer):
    accents = scattered(12, seed=1)
    track = drummer.play(rhythm(12, accents), density=0.3)
    for step, strength, offset in accents:
        hits = track.hits[step]
        assert hits.any()
        assert track.offsets[step, hits] == pytest.approx(offset, abs=1e-6)
        assert track.velocities[step].max() >= 0.45 + 0.5 * strength - 1e-6


def test_no_ordinary_hit_is_a_flam_of_an_accent(drummer):
    accents = [(step, 0.9, 0.45 if step % 8 == 0 else -0.45) for step in range(0, 128, 4)]
    track = drummer.play(rhythm(8, accents), density=2.0)
    own = {step for step, _, _ in accents}
    for step, _, offset in accents:
        for beside in {step - 1, step + 1} - own:
            if 0 <= beside < 128:
                where = beside + track.offsets[beside, track.hits[beside]]
                assert (np.abs(where - step - offset) >= 0.6 - 1e-6).all()


def test_where_nobody_is_there_is_silence(drummer):
    given = rhythm(8, [(40, 1.0, 0.0), (100, 1.0, 0.0)])
    given.present[32:64] = False
    track = drummer.play(given)
    assert not track.hits[32:64].any()
    assert track.hits[:32].any()
    assert track.hits[100].any()
    assert not drummer.play(rhythm(2, [(4, 1.0, 0.0)], present=False)).hits.any()


def test_stillness_is_quiet():
    hits = np.ones((128, 9), bool)
    velocity, offset = np.full((128, 9), 0.6, np.float32), np.zeros((128, 9), np.float32)
    loudness = [
        follow_movement(rhythm(8, energy=e), hits, velocity, offset).velocities.mean() for e in (0, 0.3, 0.6, 1)
    ]
    assert loudness == sorted(loudness)
    assert loudness[0] == pytest.approx(0.35 * 0.6, rel=1e-3)
    assert loudness[-1] == pytest.approx(1.1 * 0.6, rel=1e-3)


def test_numbers_stay_in_their_ranges(drummer):
    track = drummer.play(rhythm(8, scattered(8, seed=2), energy=1.0), density=2.0)
    assert track.hits.shape == track.velocities.shape == track.offsets.shape == (128, 9)
    assert (track.velocities[track.hits] > 0).all()
    assert track.velocities.max() <= 1.0
    assert track.offsets.min() >= -0.5
    assert track.offsets.max() < 0.5
    assert not track.velocities[~track.hits].any()
    assert not track.offsets[~track.hits].any()


def test_one_seed_gives_all_randomness(drummer):
    given = rhythm(8, scattered(8, seed=3))
    assert same(drummer.play(given, seed=5), Drummer().play(given, seed=5))
    assert not same(drummer.play(given, seed=5), drummer.play(given, seed=6))


def test_different_movements_give_different_drums(drummer):
    first, second = (drummer.play(rhythm(8, scattered(8, seed))) for seed in (1, 2))
    assert not np.array_equal(first.hits, second.hits)


def test_density_is_a_control(drummer):
    played = [drummer.play(rhythm(24), density=d).hits.sum() for d in (0.1, 0.4, 1.0, 1.5, 2.0)]
    assert played == sorted(played)
    assert played[-1] > 1.5 * played[2] > 3 * played[0]


@pytest.mark.parametrize("bars", [1, 2, 7, 9, 13])
def test_any_length_is_played_to_its_end(drummer, bars):
    accents = [(bars * 16 - 1, 1.0, 0.0)]
    track = drummer.play(rhythm(bars, accents))
    assert track.hits.shape == (bars * 16, 9)
    assert track.hits[-1].any()


def test_the_music_goes_on_rather_than_starting_again(drummer):
    words = drummer.play(rhythm(20)).hits.reshape(20, -1)
    assert len({bar.tobytes() for bar in words}) > 5


def test_progress_rises_to_the_end(drummer):
    shares = []
    drummer.play(rhythm(12), progress=shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert len(shares) > 2


@pytest.mark.parametrize(
    "option", [{"density": 0.0}, {"density": 2.1}, {"density": float("nan")}, {"temperature": 0.0}, {"top_k": 0}]
)
def test_options_out_of_range_are_refused(drummer, option):
    with pytest.raises(OptionError, match=next(iter(option))):
        drummer.play(rhythm(1), **option)


def test_velocities_do_not_depend_on_where_the_windows_fall(drummer):
    hits = np.zeros((320, 9), bool)
    hits[::4, 0] = hits[4::8, 1] = hits[::2, 2] = True
    velocities, offsets = room.perform(drummer._performance, hits, TEMPO_BPM)
    assert velocities.shape == offsets.shape == (320, 9)
    # deep inside a steady groove every bar is played alike, whichever window it came from
    middle = velocities[128:192].reshape(4, 16, 9)[:, hits[:16]]
    assert np.ptp(middle, 0).max() < 0.1


def test_playing_needs_no_torch():
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "import numpy as np\n"
        "from kinebeat.beats.grid import BeatGrid\n"
        "from kinebeat.drums.drummer import Drummer\n"
        "from kinebeat.rhythm import Rhythm\n"
        "ones = np.ones(16, np.float32)\n"
        "given = Rhythm(BeatGrid(np.arange(5) * 0.5), ones, ones, 0 * ones, ones, ones > 0)\n"
        "assert Drummer().play(given).hits.any(1).all()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
