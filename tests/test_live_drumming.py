"""DrumGenNet and the monophonic drummer: what they are fed, counts to beat, and how the shipped ones play."""

import numpy as np
import pytest

from kinebeat.drums.data import Performance, vocabulary_of
from kinebeat.drums.kit import DRUMS
from kinebeat.errors import OptionError
from kinebeat.live.drumming import data
from kinebeat.live.drumming.baselines import counted_nll, level_of, velocity_errors
from kinebeat.live.drumming.model import DrumGenNet, MonoNet
from kinebeat.weights import load


def performance(seed=0, bars=4, name="one"):
    rng = np.random.default_rng(seed)
    hits = np.zeros((16 * bars, 9), bool)
    hits[::8, 0] = hits[4::8, 1] = hits[::2, 2] = True
    velocities = (hits * rng.uniform(0.3, 1.0, hits.shape)).astype(np.float32)
    return Performance(name, "one", "rock", "beat", "train", 100.0, hits, velocities, np.zeros_like(velocities))


@pytest.fixture(scope="module")
def vocabulary():
    return vocabulary_of([performance().hits])


def test_a_window_is_three_beats_and_the_next(vocabulary):
    played = performance()
    material = data.material_of([performance(1, bars=2), played], vocabulary)
    assert len(material) == 8 + 16
    windows = data.take(material, np.arange(len(material)))
    assert windows.style.shape == windows.words.shape == (24, 16)
    # the first beat of the second file: nothing of the first file, then its own
    assert windows.words[8, :12].tolist() == [0] * 12
    assert np.array_equal(vocabulary.decode(windows.words[8, 12:]), played.hits[:4])
    assert np.array_equal(vocabulary.decode(windows.words[13]), played.hits[8:24])
    assert windows.beat_in_bar[8:14].tolist() == [0, 1, 2, 3, 0, 1]
    loudest = played.velocities[8:24].max(1)
    assert windows.style[13] == pytest.approx(loudest / loudest.max())
    assert set(data.take(material, np.arange(9), told=0.0).beat_in_bar) == {data.NOT_TOLD}


def test_batches_are_of_their_number_and_some_are_not_told(vocabulary):
    material = data.material_of([performance()], vocabulary)
    one, same, other = (data.draw(material, 200, 0, number, 0.7) for number in (3, 3, 4))
    assert np.array_equal(one.style, same.style)
    assert not np.array_equal(one.style, other.style)
    assert (one.beat_in_bar == data.NOT_TOLD).mean() == pytest.approx(0.3, abs=0.1)


def test_some_windows_begin_with_silence_that_the_style_does_not_know(vocabulary):
    material = data.material_of([performance()], vocabulary)
    every = np.full(400, 8)
    windows = data.take(material, every, np.random.default_rng(0), begun=0.5)
    silent = (windows.words == 0)[:, ::2].cumprod(1).sum(1) // 2  # hi-hat on every quaver, so beats before the first
    assert set(silent) == {0, 1, 2, 3}
    assert (silent > 0).mean() == pytest.approx(0.5, abs=0.1)
    assert windows.style[silent == 3, :12].max(1).min() > 0.2
    assert (windows.words[:, 12] != 0).all()
    assert (data.take(material, every).words[:, 0] != 0).all()


def test_styles_like_those_of_movement_are_rough_but_not_strange():
    rng = np.random.default_rng(0)
    strength = np.tile([0.9, 0.0, 0.5, 0.2], (500, 4)).astype(np.float32)
    rough = data.movement_like(strength, rng)
    assert rough.shape == strength.shape
    assert rough.min() >= 0
    likeness = [np.corrcoef(a, b)[0, 1] for a, b in zip(strength, rough, strict=True)]
    assert 0.5 < np.median(likeness) < 0.95
    past, new = (np.abs(rough - strength)[:, span].mean() for span in (slice(12), slice(12, 16)))
    assert new > past  # what is forecast is rougher
    silent = data.movement_like(np.zeros((200, 16), np.float32), rng)
    assert np.median(silent) < 0.15


def test_drum_notes_are_the_strongest_of_each_step():
    played = performance()
    notes = data.drum_notes(played)
    assert len(notes) == played.hits.any(1).sum()
    assert notes[1] == 2  # a hi-hat alone
    batch = data.note_batch([notes, notes[:5]], 16, 30, 0, 0)
    assert batch.shape == (30, 16)
    assert ((batch == -1) | (batch >= 0)).all()
    assert (batch[:, 0] >= 0).all()
    assert np.array_equal(batch, data.note_batch([notes, notes[:5]], 16, 30, 0, 0))


def test_counts_that_know_more_say_more(vocabulary):
    material = data.material_of([performance(i, bars=8) for i in range(4)], vocabulary)
    windows = data.take(material, np.arange(len(material)))
    found = counted_nll(windows, windows, len(vocabulary))
    assert found["unigram"] > found["unigram_style"]
    assert found["unigram"] > found["bigram"] > found["bigram_style"] > 0
    assert found["unigram"] < np.log(len(vocabulary))
    assert level_of(np.array([0.0, 0.05, 0.2, 1.0])).tolist() == [0, 0, 1, 4]


def test_the_drums_own_style_says_how_loud_they_are():
    files = [performance(i, bars=8) for i in range(4)]
    found = velocity_errors(files, files, np.random.default_rng(0))
    assert found["own_style"] < found["drum_mean"] <= found["constant"]
    assert found["own_style"] < found["style"]
    assert found["constant"] == pytest.approx(0.49 / 12, rel=0.1)  # velocities are even from 0.3 to 1


@pytest.fixture(scope="module")
def drummer():
    return DrumGenNet()


BACKBEAT = np.tile([1.0, 0.0, 0.5, 0.0, 0.9, 0.0, 0.5, 0.0], 2).astype(np.float32)


def context():
    hits = np.zeros((12, len(DRUMS)), bool)
    hits[::2, 2] = hits[[0, 8], 0] = hits[4, 1] = True
    return hits


def test_the_drummer_plays_words_of_groove_and_the_same_again(drummer):
    rng = np.random.default_rng(0)
    uniforms = rng.random((40, 4))
    played = [drummer.play(BACKBEAT, context(), 3, u) for u in uniforms]
    assert all(hits.shape == (4, 9) and hits.dtype == bool for hits in played)
    words = {tuple(row) for row in drummer.vocabulary.matrix}
    assert {tuple(step) for hits in played for step in hits} <= words
    assert len(drummer.vocabulary) == 152
    assert np.array_equal(played[0], drummer.play(BACKBEAT, context(), 3, uniforms[0]))
    assert len({hits.tobytes() for hits in played}) > 3


def test_many_at_once_are_each_alone(drummer):
    rng = np.random.default_rng(0)
    style, hits = rng.random((20, 16)).astype(np.float32), rng.random((20, 12, 9)) < 0.1
    beat, uniforms = rng.integers(-1, 4, 20), rng.random((20, 4))
    many = drummer.play_many(style, hits, beat, uniforms, 0.9)
    alone = [drummer.play(style[i], hits[i], int(beat[i]), uniforms[i], 0.9) for i in range(20)]
    assert np.array_equal(many, np.stack(alone))


def test_a_later_draw_never_changes_an_earlier_step(drummer):
    rng = np.random.default_rng(0)
    for _ in range(20):
        uniforms = rng.random(4)
        changed = uniforms.copy()
        changed[2:] = rng.random(2)
        one, other = (drummer.play(BACKBEAT, context(), 3, u) for u in (uniforms, changed))
        assert np.array_equal(one[:2], other[:2])


def test_the_drummer_goes_by_the_style(drummer):
    uniforms = np.random.default_rng(0).random((60, 4))
    full, empty = (np.tile(s, (60, 1)) for s in (BACKBEAT, np.where(np.arange(16) < 12, BACKBEAT, 0.0)))
    hits, beat = np.tile(context(), (60, 1, 1)), np.full(60, 3)
    played = drummer.play_many(full, hits, beat, uniforms)
    still = drummer.play_many(empty, hits, beat, uniforms)
    assert played[:, 0].any(1).mean() > 0.9
    assert played[:, ::2].any(2).mean() > played[:, 1::2].any(2).mean() + 0.3
    assert still.sum() < 0.4 * played.sum()


def test_low_temperature_is_the_likeliest(drummer):
    uniforms = np.random.default_rng(0).random((30, 4))
    many = drummer.play_many(np.tile(BACKBEAT, (30, 1)), np.tile(context(), (30, 1, 1)), np.full(30, 3), uniforms, 1e-3)
    assert len({hits.tobytes() for hits in many}) == 1
    with pytest.raises(OptionError, match="temperature"):
        drummer.play(BACKBEAT, context(), 0, uniforms[0], 0.0)


def test_one_drum_after_the_other():
    net = MonoNet()
    uniforms = np.random.default_rng(0).random(400)
    state, played = net.begin(), []
    for uniform in uniforms:
        drum, after = net.step(state, uniform)
        assert net.step(state, uniform)[0] == drum  # the state is not changed
        state = after
        played.append(drum)
    assert set(played) <= set(range(9))
    assert len(set(played)) >= 4
    with pytest.raises(OptionError, match="temperature"):
        net.step(state, 0.5, -1.0)


def test_the_shipped_graphs_are_one_call_each():
    for name in ("live-drums", "live-mono"):
        assert [part for part, value in load(name).items() if value.dtype == np.uint8] == ["net"]
