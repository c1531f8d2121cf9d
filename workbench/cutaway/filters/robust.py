"""Distances from the bulk of the data, with the bulk found by concentration steps."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from cutaway.filters.coordinates import principal

Array: TypeAlias = NDArray[np.float64]


def whitened(rows: Array, rank: float = 1e-4) -> Array:
    """Rows with unit variance along every principal direction above `rank` of the largest.

    Parameters
    ----------
    rows : ndarray of shape (n, p)
        Finite.
    rank : float
        Directions of less than this fraction of the largest variance are left out.

    Returns
    -------
    ndarray of shape (n, r)
        With r >= 1 unless the rows have no variance (then r = 0).
    """
    centred = rows - rows.mean(axis=0)
    variances, loadings = principal(centred)
    wide = (variances > rank * variances[0]) & (variances > 0.0)
    return np.asarray(centred @ (loadings[:, wide] / np.sqrt(variances[wide])))


def bulk_distances(
    white: Array, *, keep: float = 0.95, steps: int = 20, ridge: float = 0.02
) -> Array:
    """Squared Mahalanobis distances from the concentrated bulk of whitened rows.

    Parameters
    ----------
    white : ndarray of shape (n, r)
        Rows of about unit variance in every direction.
    keep : float
        Fraction of the rows that make the bulk.
    steps : int
        Most concentration steps; stops when the bulk no longer changes.
    ridge : float
        Added to the bulk's variances (in units of the whole data's): rectified maps have
        directions along which the bulk does not vary at all.

    Returns
    -------
    ndarray of shape (n,)
        Squared distances, no unit.

    Notes
    -----
    The C-step of the fast minimum covariance determinant [1]_, from one deterministic start.

    References
    ----------
    .. [1] Rousseeuw and Van Driessen, "A fast algorithm for the minimum covariance determinant
       estimator", Technometrics 41, 1999, theorem 1.
    """
    n, r = white.shape
    if r == 0:
        return np.zeros(n)
    size = min(n, max(int(np.ceil(keep * n)), r + 1))
    distances = (white**2).sum(axis=1)
    bulk = np.zeros(0, np.int64)
    for _ in range(steps):
        nearest = np.sort(np.argsort(distances, kind="stable")[:size])
        if np.array_equal(nearest, bulk):
            break
        bulk = nearest
        mean = white[bulk].mean(axis=0)
        around = white - mean
        scatter = around[bulk].T @ around[bulk] / size + ridge * np.eye(r)
        factor = np.linalg.cholesky(scatter)
        distances = ((around @ np.linalg.inv(factor).T) ** 2).sum(axis=1)
    return np.asarray(distances)
