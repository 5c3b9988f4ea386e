"""NDB: how many kinds of samples come up more or less often than in the training data.

Richardson and Weiss 2018, "On GANs and GMMs": training samples are clustered into k cells; a cell counts when the
share of generated samples in it differs from the share of training samples by a two-sample test of proportions.
Samples are rows (N, D) of any numbers. Lower is better; of k cells about alpha * k differ by chance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kinebeat.errors import OptionError

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Cells:
    """Voronoi cells of training samples.

    Attributes:
        centres: (k, D) float64.
        counts: (k,) int64, training samples in each.
    """

    centres: NDArray[np.float64]
    counts: NDArray[np.int64]


def fit_cells(training: NDArray[np.float32], *, cells: int = 50, seed: int = 0) -> Cells:
    """Cluster training samples (N, D) by k-means.

    Raises:
        OptionError: there are fewer samples than cells.
    """
    from sklearn.cluster import KMeans

    if len(training) < cells:
        raise OptionError(f"{len(training)} training samples: expected at least {cells}, one for each cell")
    means = KMeans(cells, n_init=3, random_state=seed).fit(training)
    centres = np.asarray(means.cluster_centers_, np.float64)
    return Cells(centres, np.bincount(nearest(centres, training), minlength=cells))


def nearest(centres: NDArray[np.float64], samples: NDArray[np.float32]) -> NDArray[np.int64]:
    """The cell (N,) of each sample (N, D)."""
    distance = (centres**2).sum(1) - 2.0 * samples.astype(np.float64) @ centres.T
    return np.asarray(distance.argmin(1))


def different_cells(cells: Cells, samples: NDArray[np.float32], *, alpha: float = 0.05) -> int:
    """The NDB score of samples (N, D): cells whose share differs by a two-sided two-proportion z test at `alpha`."""
    from scipy.stats import norm

    if not len(samples):
        raise OptionError("no samples: expected at least one")
    found = np.bincount(nearest(cells.centres, samples), minlength=len(cells.counts))
    total, generated = cells.counts.sum(), found.sum()
    pooled = (cells.counts + found) / (total + generated)
    error = np.sqrt(pooled * (1 - pooled) * (1 / total + 1 / generated))
    gap = np.abs(cells.counts / total - found / generated)
    z = np.divide(gap, error, out=np.zeros_like(gap), where=error > 0)
    return int((z > norm.ppf(1 - alpha / 2)).sum())
