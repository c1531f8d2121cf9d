"""A few PCA coordinates a sample for every filter, with a status instead of an exception.

Notation: n samples, p pooled pixels of one map, d coordinates kept, λ₁ the largest variance.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutaway.core import check
from cutaway.core.scale import size_exponents

_RANK = 1e-10  # a direction counts while its variance exceeds this fraction of λ₁
_FLAT = 1e-12  # total variance at or below this, relative to |mean|², is none


@dataclass(frozen=True, eq=False)
class Coordinates:
    """PCA coordinates of the maps of many filters.

    Parameters
    ----------
    values : ndarray of shape (filters, n, d)
        Float64; NaN in dropped rows, in unused dimensions and in filters that were not reduced.
        Each filter is centred and divided by the standard deviation along its first direction.
    status : ndarray of shape (filters,)
        ``"ok"``, ``"nonfinite_dropped"`` (reduced, some rows left out), ``"dead"`` (all zero),
        ``"constant"`` (no variance), ``"too_few"`` (fewer than 25 finite samples: five for each
        parameter of a two-component mixture of one coordinate) or ``"off_axes"`` (no variance along
        the first axis that it shares with the other filters).
    explained : ndarray of shape (filters,)
        Fraction of the filter's variance that the coordinates keep; NaN where none were made.
    kept : ndarray of shape (filters, n)
        True where the sample's map is finite.
    """

    values: NDArray[np.float64]
    status: NDArray[np.str_]
    explained: NDArray[np.float64]
    kept: NDArray[np.bool_]

    def __post_init__(self) -> None:
        """Make the arrays read-only."""
        for array in (self.values, self.status, self.explained, self.kept):
            array.setflags(write=False)

    @property
    def fitted(self) -> NDArray[np.bool_]:
        """(filters,) True where there are coordinates to fit."""
        return np.isin(self.status, ("ok", "nonfinite_dropped"))


def prepare(
    maps: NDArray[Any],
    *,
    n_dims: int = 4,
    pool: int = 8,
    shared: bool | NDArray[np.float64] = False,
) -> Coordinates:
    """Return PCA coordinates and a status for every filter.

    Parameters
    ----------
    maps : array of shape (n, filters, ...)
        Feature maps, or one number a filter for shape (n, filters).
    n_dims : int
        Most coordinates to keep; fewer where the rank is lower, or where the samples are not five
        for each parameter of a two-component mixture: 4 take 145 samples, 3 take 95, 2 take 55.
    pool : int
        Maps of more than ``pool ** 2`` pixels are averaged to that many first.
    shared : bool or ndarray of shape (p, p)
        True: one PCA for all filters, so that a coordinate means the same direction of the map in
        each; filters count alike, whatever their scale. An array: the axes to use, from
        `shared_axes` (a layer that is read in pieces).

    Returns
    -------
    Coordinates
        In the order of the filters; signs are fixed by making the largest loading positive.

    Raises
    ------
    ValueError
        If `maps` has fewer than two axes or no sample, an option is out of range, or shared axes
        are of another number of pixels.

    Notes
    -----
    The GMM screen reduces every filter's maps by PCA [1]_, to two coordinates for its drawing;
    four see weaker outliers. One factor scales all coordinates, so the shape stays, and a filter's
    maps times any factor give the same coordinates and status.

    References
    ----------
    .. [1] Dou et al., "Explaining Model Overfitting in CNNs via GMM Clustering",
       arXiv:2412.10457, 2024.
    """
    check.whole("n_dims", n_dims, 1, 64)
    given = np.asarray(maps)
    exponents = size_exponents(given, 1) if given.ndim > 1 else np.zeros(0, np.int64)
    pixels = pooled(scaled(given, exponents), pool)
    n, filters = pixels.shape[:2]
    axes = shared_axes(scatter(pixels)) if shared is True else None
    if isinstance(shared, np.ndarray):
        check.same_length("shared", len(shared), "pixels", pixels.shape[2])
        axes = shared
    values = np.full((filters, n, n_dims), np.nan)
    status = np.full(filters, "ok", dtype="<U17")
    explained = np.full(filters, np.nan)
    kept: NDArray[np.bool_] = np.asarray(np.isfinite(pixels).all(axis=2)).T
    for f in range(filters):
        one, status[f], explained[f] = _reduce(pixels[kept[f], f], n_dims, axes)
        if one is not None:
            values[f, kept[f], : one.shape[1]] = one
            if not kept[f].all():
                status[f] = "nonfinite_dropped"
    return Coordinates(values, status, explained, np.ascontiguousarray(kept))


def scaled(maps: NDArray[Any], exponents: NDArray[np.int64]) -> NDArray[Any]:
    """Maps (n, filters, ...) divided by a power of two a filter: no digit changes."""
    if not exponents.any():
        return maps
    return np.asarray(np.ldexp(maps, -exponents.reshape(-1, *(1,) * (maps.ndim - 2))))


def scatter(pixels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum over filters of their covariance, each divided by its own total variance.

    Parameters
    ----------
    pixels : ndarray of shape (n, filters, p)
        As `pooled` gives them; rows that are not finite are left out, flat filters add nothing.

    Returns
    -------
    ndarray of shape (p, p)
        Of pieces of a layer these add up to that of the whole.
    """
    total = np.zeros((pixels.shape[2],) * 2)
    for rows in np.moveaxis(pixels, 1, 0):
        known = rows[np.isfinite(rows).all(axis=1)]
        if len(known) < 2:
            continue
        mean = known.mean(axis=0)
        centred = known - mean
        own = centred.T @ centred
        if np.trace(own) > _FLAT * len(known) * float(mean @ mean):
            total += own / np.trace(own)
    return total


def shared_axes(total: NDArray[np.float64]) -> NDArray[np.float64]:
    """Principal axes (columns) of what `scatter` gave, the largest first, signs fixed."""
    axes = np.linalg.eigh(total)[1][:, ::-1]
    signs = np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(len(axes))])
    return np.asarray(axes * signs)


def pooled(maps: NDArray[Any], pool: int) -> NDArray[np.float64]:
    """Maps as flat float64 rows of at most ``pool ** 2`` averaged pixels.

    Parameters
    ----------
    maps : array of shape (n, filters, ...)
        One, two or more spatial axes, or none.
    pool : int
        Side of the pooled square; a single axis keeps ``pool ** 2`` bins, three axes about
        ``pool ** (2 / 3)`` each.

    Returns
    -------
    ndarray of shape (n, filters, p)
        A non-finite pixel makes its whole row non-finite.
    """
    check.whole("pool", pool, 1, 64)
    given = np.asarray(maps)
    if given.ndim < 2 or 0 in given.shape:
        raise ValueError(
            f"maps must have shape (n, filters, ...) without an empty axis, got {given.shape}; "
            "capture at least one sample of one filter"
        )
    values = np.asarray(given, dtype=np.float64)
    space = values.shape[2:]
    if int(np.prod(space)) > pool**2:
        bins = max(1, round(pool ** (2 / len(space))))
        with np.errstate(invalid="ignore", over="ignore"):  # infinite maps are dropped later
            for axis, length in enumerate(space, start=2):
                if length > bins:
                    weights = _bins(length, bins)
                    values = np.moveaxis(np.tensordot(values, weights, (axis, 0)), -1, axis)
    return np.ascontiguousarray(values.reshape(*values.shape[:2], -1))


def _bins(length: int, bins: int) -> NDArray[np.float64]:
    """(length, bins) weights of adaptive average pooling (torch's rule: bins may overlap)."""
    weights = np.zeros((length, bins))
    for i in range(bins):
        start, stop = i * length // bins, -(-(i + 1) * length // bins)
        weights[start:stop, i] = 1.0 / (stop - start)
    return weights


def _reduce(
    rows: NDArray[np.float64], n_dims: int, axes: NDArray[np.float64] | None
) -> tuple[NDArray[np.float64] | None, str, float]:
    """Coordinates of one filter's finite rows (or None), its status, its explained fraction."""
    n = len(rows)
    if n < 2:
        return None, "too_few", float("nan")
    mean = rows.mean(axis=0)
    centred = rows - mean
    total = float(np.mean(centred**2, axis=0).sum())
    if total <= _FLAT * float(mean @ mean):
        return None, "dead" if not rows.any() else "constant", float("nan")
    if axes is not None:
        return _along(centred, axes, n_dims)
    variances, loadings = principal(centred)
    d = _affordable(n, min(n_dims, int((variances > _RANK * variances[0]).sum())))
    if d == 0:
        return None, "too_few", float("nan")
    signs = np.sign(loadings[np.abs(loadings[:, :d]).argmax(axis=0), np.arange(d)])
    coordinates = centred @ (loadings[:, :d] * signs) / np.sqrt(variances[0])
    return coordinates, "ok", float(variances[:d].sum() / variances.sum())


def _along(
    centred: NDArray[np.float64], axes: NDArray[np.float64], n_dims: int
) -> tuple[NDArray[np.float64] | None, str, float]:
    """Coordinates of one filter along the first of the shared axes, up to a flat one."""
    places = centred @ axes
    variances = places.var(axis=0, ddof=1)
    flat = np.flatnonzero(variances <= _RANK * variances.max())
    d = _affordable(len(places), min(n_dims, int(flat[0]) if len(flat) else len(axes)))
    if d == 0:
        few = _affordable(len(places), 1) == 0
        return None, "too_few" if few else "off_axes", float("nan")
    scale = np.sqrt(variances[0])
    return places[:, :d] / scale, "ok", float(variances[:d].sum() / variances.sum())


def _affordable(n: int, d: int) -> int:
    """The dimensions, of d at most, that n samples can support."""
    while d and n < 5 * two_component_parameters(d):
        d -= 1
    return d


def principal(
    centred: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Variances (falling, divisor n - 1) and loadings (p, rank) of centred rows."""
    n, p = centred.shape
    if p <= n:
        variances, loadings = np.linalg.eigh(centred.T @ centred / (n - 1))
        return np.maximum(variances[::-1], 0.0), loadings[:, ::-1]
    # More pixels than samples: the SVD needs no p x p matrix.
    _, singular, rows = np.linalg.svd(centred, full_matrices=False)
    return singular**2 / (n - 1), rows.T


def two_component_parameters(d: int) -> int:
    """Free parameters of a two-component full-covariance mixture in d dimensions."""
    return d * (d + 1) + 2 * d + 1
