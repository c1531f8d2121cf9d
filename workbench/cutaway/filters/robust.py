"""Distances from the bulk of the data, with the bulk found by concentration steps."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from cutaway.filters.coordinates import principal

Array: TypeAlias = NDArray[np.float64]
_DIRECTIONS = 250
_SETTLED = 1000  # the bulk has settled when fewer than one row in as many changes
_TRIAL = 2  # steps before only the better start goes on


def whitened(rows: Array, rank: float = 1e-4, most: int | None = None) -> Array:
    """Rows with unit variance along every principal direction above `rank` of the largest.

    Parameters
    ----------
    rows : ndarray of shape (n, p)
        Finite.
    rank : float
        Directions of less than this fraction of the largest variance are left out.
    most : int, optional
        Most directions, the widest first.

    Returns
    -------
    ndarray of shape (n, r)
        With r >= 1 unless the rows have no variance (then r = 0).
    """
    centred = rows - rows.mean(axis=0)
    variances, loadings = principal(centred)
    wide = (variances > rank * variances[0]) & (variances > 0.0)
    if most is not None:
        wide[most:] = False
    return np.asarray(centred @ (loadings[:, wide] / np.sqrt(variances[wide])))


def bulk_distances(
    white: Array, *, keep: float = 0.95, steps: int = 10, ridge: float = 0.02
) -> Array:
    """Squared Mahalanobis distances from the concentrated bulk of whitened rows.

    Parameters
    ----------
    white : ndarray of shape (n, r)
        Rows of about unit variance in every direction.
    keep : float
        Fraction of the rows that make the bulk.
    steps : int
        Most concentration steps; they stop when fewer than one row in 1,000 changes.
    ridge : float
        Added to the bulk's variances (in units of the whole data's): rectified maps have
        directions along which the bulk does not vary at all.

    Returns
    -------
    ndarray of shape (n,)
        Squared distances, no unit. A row of the bulk is measured from the bulk without itself, so
        that rows inside and outside obey one law.

    Notes
    -----
    The C-step of the fast minimum covariance determinant [1]_, from two deterministic starts, of
    which the one with the smaller determinant after two steps goes on: distances in the whole
    data's covariance, where outliers of many directions show, and the largest projection onto the
    direction of another row (up to 250 of them) [2]_, where a tight group shows that has bent the
    covariance to itself.
    Leaving row x out of m rows with covariance S (divisor m) takes d² = x'S⁻¹x to
    a d² / (1 - d² / (m - 1)), a = m / (m - 1), by the formula of Sherman and Morrison; with a ridge
    this holds up to the fraction ridge / m.

    References
    ----------
    .. [1] Rousseeuw and Van Driessen, "A fast algorithm for the minimum covariance determinant
       estimator", Technometrics 41, 1999, theorem 1.
    .. [2] After Stahel and Donoho; Maronna and Yohai, "The behavior of the Stahel-Donoho robust
       multivariate estimator", J. Am. Stat. Assoc. 90, 1995.
    """
    n, r = white.shape
    if r == 0:
        return np.zeros(n)
    size = min(n, max(int(np.ceil(keep * n)), r + 1))
    whole = (white**2).sum(axis=1)
    starts = (whole, _along_others(white, whole))
    tried = [
        _concentrated(white, one, size, steps=min(steps, _TRIAL), ridge=ridge) for one in starts
    ]
    best = min(tried, key=lambda one: one[2])
    distances, inside, _ = _concentrated(
        white, best[0], size, steps=steps - _TRIAL, ridge=ridge, inside=best[1]
    )
    own = distances[inside]
    share = np.maximum(1.0 - own / max(size - 1, 1), 1e-3)
    distances[inside] = own * (size / max(size - 1, 1)) / share
    return np.asarray(distances)


def _along_others(white: Array, squared: Array) -> Array:
    """(n,) largest projection of each row onto the directions of other rows, in absolute value."""
    some = np.argsort(squared, kind="stable")[:: max(1, len(white) // _DIRECTIONS)]
    single = white.astype(np.float32)  # a start only: half the time
    largest = np.zeros(len(white), np.float32)
    for first in range(0, len(some), 50):
        rows = some[first : first + 50]
        lengths = np.sqrt(np.maximum(squared[rows], 1e-30)).astype(np.float32)
        projected = np.abs(single @ (single[rows] / lengths[:, None]).T)
        projected[rows, np.arange(len(rows))] = 0.0
        np.maximum(largest, projected.max(axis=1), out=largest)
    return largest.astype(np.float64)


def _concentrated(
    white: Array,
    distances: Array,
    size: int,
    *,
    steps: int,
    ridge: float,
    inside: NDArray[np.bool_] | None = None,
) -> tuple[Array, NDArray[np.bool_], float]:
    """Distances, the bulk that they are measured from, and the log determinant of its scatter.

    `inside` is the bulk that `distances` come from; the steps end where the nearest rows are it.
    """
    n, r = white.shape
    bulk = np.zeros(n, bool) if inside is None else inside
    chosen = white[bulk]
    total, outer = chosen.sum(axis=0), chosen.T @ chosen
    volume = np.inf
    for _ in range(steps):
        nearest = np.zeros(n, bool)
        nearest[np.argpartition(distances, size - 1)[:size]] = True
        if np.count_nonzero(nearest != bulk) <= 2 * (n // _SETTLED):
            break
        for rows, sign in ((white[nearest & ~bulk], 1.0), (white[bulk & ~nearest], -1.0)):
            total = total + sign * rows.sum(axis=0)
            outer = outer + sign * (rows.T @ rows)
        bulk = nearest
        mean = total / size
        scatter = outer / size - np.outer(mean, mean) + ridge * np.eye(r)
        factor = np.linalg.cholesky(scatter)
        distances = (((white - mean) @ np.linalg.inv(factor).T) ** 2).sum(axis=1)
        volume = float(np.log(np.diag(factor)).sum())
    return distances.copy(), bulk, volume
