"""Distances from the bulk of the data, with the bulk found by concentration steps."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from cutaway.filters.coordinates import principal

Array: TypeAlias = NDArray[np.float64]
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
        Most concentration steps; stops when the bulk no longer changes.
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
    data's covariance, where outliers of many directions show, and along its two directions of
    largest fourth moment [2]_, where a tight group shows that has bent the covariance to itself.
    Leaving row x out of m rows with covariance S (divisor m) takes d² = x'S⁻¹x to
    a d² / (1 - d² / (m - 1)), a = m / (m - 1), by the formula of Sherman and Morrison; with a ridge
    this holds up to the fraction ridge / m.

    References
    ----------
    .. [1] Rousseeuw and Van Driessen, "A fast algorithm for the minimum covariance determinant
       estimator", Technometrics 41, 1999, theorem 1.
    .. [2] Tyler, Critchley, Dümbgen and Oja, "Invariant co-ordinate selection", J. R. Stat. Soc. B
       71, 2009.
    """
    n, r = white.shape
    if r == 0:
        return np.zeros(n)
    size = min(n, max(int(np.ceil(keep * n)), r + 1))
    whole = (white**2).sum(axis=1)
    _, directions = np.linalg.eigh((white * whole[:, None]).T @ white)
    starts = (whole, ((white @ directions[:, -2:]) ** 2).sum(axis=1))
    tried = [_concentrated(white, one, size, steps=min(steps, _TRIAL), ridge=ridge) for one in starts]
    best = min(tried, key=lambda one: one[2])
    distances, inside, _ = _concentrated(
        white, best[0], size, steps=steps - _TRIAL, ridge=ridge, inside=best[1]
    )
    own = distances[inside]
    share = np.maximum(1.0 - own / max(size - 1, 1), 1e-3)
    distances[inside] = own * (size / max(size - 1, 1)) / share
    return np.asarray(distances)


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
        if np.array_equal(nearest, bulk):
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
