"""How far in its filter's tail each sample lies, calibrated on the filter's own bulk.

Notation: t² squared robust distance, u = -log10 P(chi² > t²) its surprise under a Gaussian bulk,
S the fraction of samples at least as far. Tails are -log10 p: 3 is one in a thousand.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from cutaway.core import Tick, check, silent
from cutaway.filters.coordinates import pooled
from cutaway.filters.robust import bulk_distances, whitened

Array: TypeAlias = NDArray[np.float64]
POOL = 4  # maps are averaged to 4 x 4 for the distance: 16 directions at most
GAIN_FILTERS = 8  # among fewer, the median over filters follows single filters
GAIN_DIRECTIONS = 128  # ranks added up: the gain's relative error is about sqrt(pi / this) = 0.16
CLASS_SAMPLES = 20  # smallest class whose own bulk can be estimated
_FROM, _TO = 0.50, 0.97  # quantiles of the bulk that the lines are fitted on


@dataclass(frozen=True, eq=False)
class Distances:
    """Squared robust distances of many filters.

    Parameters
    ----------
    squared : ndarray of shape (filters, n)
        With the median of a chi-squared variable; NaN in dropped rows and unusable filters.
    rank : ndarray of shape (filters,)
        Degrees of freedom; 0 where the filter is unusable.
    """

    squared: Array
    rank: NDArray[np.int64]


def distances(
    maps: NDArray[np.generic],
    kept: NDArray[np.bool_],
    fitted: NDArray[np.bool_],
    labels: NDArray[np.int64] | None = None,
) -> Distances:
    """Squared distances of all samples from the bulk of each filter's whole pooled maps.

    Parameters
    ----------
    maps : array of shape (n, filters, ...)
        Feature maps.
    kept : ndarray of shape (filters, n)
        Finite rows.
    fitted : ndarray of shape (filters,)
        Filters to use.
    labels : ndarray of shape (n,), optional
        Classes: the bulk is then that of the sample's own class.

    Returns
    -------
    Distances
        Class-conditional where `labels` are given.
    """
    pixels = pooled(maps, POOL)
    squared = np.full(kept.shape, np.nan)
    rank = np.zeros(len(kept), np.int64)
    for f in np.flatnonzero(fitted):
        rows = np.flatnonzero(kept[f])
        white = whitened(pixels[rows, f])
        rank[f] = white.shape[1]
        groups = np.zeros(len(rows), np.int64) if labels is None else labels[rows]
        for group in np.unique(groups):
            inside = groups == group
            squared[f, rows[inside]] = _own_bulk(white[inside], labels is not None)
    with np.errstate(invalid="ignore"):
        return Distances(squared * _chi2_median(rank)[:, None], rank)


def check_classes(labels: NDArray[np.int64], n: int) -> None:
    """Raise `ValueError` unless there is a label a sample and every class has enough samples."""
    check.same_length("labels", len(labels), "the activations", n)
    classes, counts = np.unique(labels, return_counts=True)
    if counts.min() < CLASS_SAMPLES:
        small = int(counts.argmin())
        raise ValueError(
            f"labels must give at least {CLASS_SAMPLES} samples a class, got {counts[small]} of "
            f"class {classes[small]}; capture more of it, merge it, or leave labels out"
        )


def without_gain(found: Distances) -> Distances:
    """Distances with the contrast that a sample shares across filters divided out.

    A bright image lies far out in every filter, and that says nothing about one filter. So each
    sample's squared distances are divided by their median over filters. With fewer than 8 filters
    or 128 directions in all, the error of that median would itself make tails (a median of chi²
    variables varies by a fraction of about sqrt(pi / directions)): the distances stay.
    """
    used = found.rank > 0
    if used.sum() < GAIN_FILTERS or found.rank.sum() < GAIN_DIRECTIONS:
        return found
    relative = found.squared[used] / _chi2_median(found.rank[used])[:, None]
    present = np.isfinite(relative).any(axis=0)
    gain = np.ones(relative.shape[1])
    gain[present] = np.nanmedian(relative[:, present], axis=0)
    return Distances(found.squared / np.where(gain > 0, gain, 1.0), found.rank)


def calibrated(found: Distances, tick: Tick = silent) -> tuple[Array, Array]:
    """Two tails a filter and sample, both -log10 p: the sharp one, and the conservative one.

    Parameters
    ----------
    found : Distances
        Squared distances.
    tick : Tick
        Progress.

    Returns
    -------
    sharp, strict : ndarray of shape (filters, n)
        Up to the filter's median both are the empirical -log10 S. Beyond it, sharp follows the
        line -log10 S = a + b u, fitted on the 50-97 % quantiles: right for tails of Gaussian to
        exponential decay. Strict is the smaller of that and of a line in log t², a power law: it
        holds for heavy tails too and misses weak outliers. NaN where the distance is.
    """
    sharp = np.full(found.squared.shape, np.nan)
    strict = sharp.copy()
    for f in np.flatnonzero(found.rank > 0):
        tick(f / len(found.rank), "calibrating tails")
        rows = np.flatnonzero(np.isfinite(found.squared[f]))
        squared = found.squared[f, rows]
        survival = _survival(squared)
        empirical = -np.log10(survival)
        bulk = (survival < 1.0 - _FROM) & (survival > 1.0 - _TO)
        surprise = chi2_surprise(squared, int(found.rank[f]))
        one = _extended(surprise, empirical, bulk)
        power = _extended(np.log(np.maximum(squared, 1e-300)), empirical, bulk)
        sharp[f, rows], strict[f, rows] = one, np.minimum(one, power)
    return sharp, strict


def chi2_surprise(squared: Array, rank: int) -> Array:
    """-log10 P(chi² with `rank` degrees of freedom > `squared`), finite for any finite distance.

    Notes
    -----
    Where the upper incomplete gamma function underflows, its asymptotic series is used
    (DLMF 8.11.2), whose first omitted term is far below 1e-6 there for the ranks in use.
    """
    from scipy.special import gammaincc, gammaln  # 0.1 s, only needed here

    shape, z = rank / 2.0, np.maximum(squared, 0.0) / 2.0
    upper = gammaincc(shape, z)
    far = upper < 1e-280
    surprise = -np.log10(np.where(far, 1.0, upper))
    big = z[far]
    series = 1.0 + (shape - 1.0) / big * (1.0 + (shape - 2.0) / big * (1.0 + (shape - 3.0) / big))
    logs = (shape - 1.0) * np.log(big) - big - gammaln(shape) + np.log(series)
    surprise[far] = -logs / np.log(10.0)
    return np.asarray(surprise + 0.0)  # no negative zero


def _own_bulk(white: Array, within_class: bool) -> Array:
    """Squared distances over their median; a class is centred and whitened by itself first."""
    squared = bulk_distances(whitened(white) if within_class else white)
    middle = float(np.median(squared))
    return squared / middle if middle > 0 else np.zeros(len(white))


def _chi2_median(rank: NDArray[np.int64]) -> Array:
    """Median of chi² by degrees of freedom (exact to 1e-9 through the inverse gamma function)."""
    from scipy.special import gammaincinv  # 0.1 s, only needed here

    return np.asarray(2.0 * gammaincinv(np.maximum(rank, 1) / 2.0, 0.5))


def _survival(values: Array) -> Array:
    """Fraction of the values at least as large, ties shared: never 0 and never 1."""
    ordered = np.sort(values)
    below = np.searchsorted(ordered, values, side="left")
    upto = np.searchsorted(ordered, values, side="right")
    return np.asarray(1.0 - (below + upto) / (2.0 * len(values)))


def _extended(scale: Array, empirical: Array, bulk: NDArray[np.bool_]) -> Array:
    """Empirical tails up to the median, their straight line on `scale` beyond it."""
    at, level = scale[bulk], empirical[bulk]
    spread = at - at.mean() if at.size else at
    weight = float(spread @ spread)
    # Ties (a filter silent on most samples) leave no line to extend.
    slope = float(spread @ level) / weight if weight > 1e-12 else 0.0
    if slope <= 0.0:
        return empirical
    middle = -np.log10(1.0 - _FROM)
    line = level.mean() + slope * (scale - at.mean())
    return np.where(empirical <= middle, empirical, np.maximum(line, middle))
