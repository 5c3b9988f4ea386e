import numpy as np
import pytest

from kinebeat.drums.data import Performance
from kinebeat.drums.models import HitsModel
from kinebeat.evaluation import drums as table
from kinebeat.weights import load


def performance(split, seed, bars=5):
    rng = np.random.default_rng(seed)
    hits = rng.random((bars * 16, 9)) < 0.15
    velocities = (rng.uniform(0.2, 1.0, hits.shape) * hits).astype(np.float32)
    offsets = (rng.uniform(-0.4, 0.4, hits.shape) * hits).astype(np.float32)
    return Performance(f"{split}{seed}", "one", "rock", "beat", split, 100.0 + seed, hits, velocities, offsets)


@pytest.fixture(scope="module")
def files():
    return tuple(performance("train", i) for i in range(30)) + tuple(performance("test", i) for i in range(50, 53))


def test_errors_count_hits_alone_and_all_cells(files):
    truth = table.Truth(files[-3:])
    assert truth.hits.shape == (6, 32, 9)
    perfect = truth.errors(truth.velocities, truth.offsets)
    assert set(perfect.values()) == {0.0}
    # what is said where there is no hit does not count
    anything = np.where(truth.hits, 0.0, 0.3).astype(np.float32)
    assert set(truth.errors(truth.velocities + anything, truth.offsets + anything).values()) == {0.0}
    off = truth.errors(truth.velocities, truth.offsets + np.where(truth.offsets > 0, -0.1, 0.1).astype(np.float32))
    assert off["offset_mse"] == pytest.approx(0.01, rel=1e-4)
    assert off["offset_mse_all_cells"] == pytest.approx(0.01 * truth.hits.mean(), rel=1e-4)


def test_generated_hits_are_as_many_as_wished_and_of_one_seed(files):
    model = HitsModel(load("drums-multi-hits"))
    made = [table.generate_hits(model, files[-3:], 20, seed=seed) for seed in (0, 0, 1)]
    assert made[0].shape == (20, 288)
    assert set(np.unique(made[0])) <= {0.0, 1.0}
    assert np.array_equal(made[0], made[1])
    assert not np.array_equal(made[0], made[2])


def test_the_table_has_all_rows_of_the_paper_and_their_baselines(files, tmp_path, monkeypatch):
    monkeypatch.setattr(table, "read_groove", lambda *_, **__: files)
    shares = []
    found = table.evaluate_drums(tmp_path, samples=40, progress=shares.append)
    rows = {row["name"]: row for row in found["rows"]}
    ours = rows["TF w. hits sequence + U-Net"]
    models = [ours, *(rows[n] for n in rows if n.startswith(("TF", "GrooVAE")))]
    assert len(models) == 6
    for row in models:
        assert 0 <= row["ndb"] <= 50
        assert 0 < row["offset_mse"] < 0.3
        assert 0 < row["velocity_mse"] < 0.3
    # rows that know the answer, or that know nothing
    assert rows["real training windows, drawn again"]["ndb"] <= 5
    assert rows["each drum's mean velocity, no offset"]["offset_mse"] == pytest.approx(0.16 / 3, rel=0.1)
    assert all(row.get("quoted") for row in found["rows"] if row["name"].startswith(("paper", "authors")))
    assert found["protocol"]["generated_windows"] == 40
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
