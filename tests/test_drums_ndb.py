import numpy as np
import pytest

from kinebeat.errors import OptionError
from kinebeat.evaluation.ndb import Cells, different_cells, fit_cells


@pytest.fixture(scope="module")
def blobs():
    centres = np.eye(10, 20) * 10
    rng = np.random.default_rng(0)
    return (centres[np.repeat(np.arange(10), 100)] + rng.normal(0, 0.1, (1000, 20))).astype(np.float32)


def test_training_samples_differ_nowhere(blobs):
    cells = fit_cells(blobs, cells=10)
    assert sorted(cells.counts) == [100] * 10
    assert different_cells(cells, blobs) == 0


def test_samples_of_one_cell_differ_everywhere(blobs):
    cells = fit_cells(blobs, cells=10)
    assert different_cells(cells, blobs[:100].repeat(10, 0)) == 10


def test_a_share_differs_when_the_two_proportion_test_says_so():
    # 500 of 1000 against 500 of 1000, and the z of 540 of 1000 is 1.79, of 550 of 1000 is 2.24 (5 %: 1.96)
    cells = Cells(np.array([[0.0], [1.0]]), np.array([500, 500]))
    samples = lambda ones: np.repeat([[0.0], [1.0]], [1000 - ones, ones], 0).astype(np.float32)  # noqa: E731
    assert [different_cells(cells, samples(ones)) for ones in (500, 540, 550)] == [0, 0, 2]


def test_too_few_samples_say_so(blobs):
    with pytest.raises(OptionError, match="at least 50"):
        fit_cells(blobs[:20])
    with pytest.raises(OptionError, match="no samples"):
        different_cells(fit_cells(blobs, cells=10), blobs[:0])
