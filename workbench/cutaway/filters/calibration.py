"""From squared distances to tail probabilities, each filter calibrated on its own bulk.

Notation: t² squared robust distance, u = -log10 P(chi² > t²) its surprise under a Gaussian bulk,
S the fraction of samples at least as far, c the shape of the tail. Tails are -log10 p: 3 is one in
a thousand.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from cutaway.core import Tick, silent

Array: TypeAlias = NDArray[np.float64]
Tails: TypeAlias = NDArray[np.float32]
SHAPES = np.linspace(0.0, 1.0, 11)
_FROM, _TO = 0.50, 0.97  # quantiles of the bulk that the lines are fitted on
_UPPER = 0.75  # where the power law's begins: nearer the tail it is steeper, and still too flat
_PRIOR = 3.0  # the site's filters count as this many of the filter itself when its shape is chosen


def shapes(
    squared: Array, rank: NDArray[np.int64], group: NDArray[np.int64], tick: Tick = silent
) -> Array:
    """Shape of every filter's tail, from its own bulk and from those of its site.

    Parameters
    ----------
    squared : ndarray of shape (filters, n)
        Squared distances with the median of a chi-squared variable; NaN where there is none.
    rank : ndarray of shape (filters,)
        Degrees of freedom; 0 where the filter is unusable.
    group : ndarray of shape (filters,)
        Filters of one number (a site) share what they know.
    tick : Tick
        Progress.

    Returns
    -------
    ndarray of shape (filters,)
        c in 0..1: 1 is a Gaussian tail, 0 a power law; NaN where unusable.

    Notes
    -----
    One filter's bulk says little about how its tail bends (the standard error of c is about 0.2 for
    600 samples), and the few farthest samples, which would, may be the outliers. So the shape is
    the one with the least squared residuals of the line, where the mean log residual over the
    site's filters counts three times as much as the filter's own.
    """
    used = np.flatnonzero(rank > 0)
    misfit = np.zeros((len(rank), len(SHAPES)))
    for i, f in enumerate(used):
        tick(i / len(used), "shapes of the tails")
        misfit[f] = _misfit(*_bulk(squared[f], int(rank[f]))[1:])
    chosen = np.full(len(rank), np.nan)
    for one in np.unique(group[used]):
        here = used[group[used] == one]
        shared = misfit[here] + _PRIOR * misfit[here].mean(axis=0)
        chosen[here] = SHAPES[shared.argmin(axis=1)]
    return chosen


def calibrated(
    squared: Array, rank: NDArray[np.int64], shape: Array, tick: Tick = silent
) -> tuple[Tails, Tails]:
    """Two tails a filter and sample, both -log10 p: the sharp one, and the conservative one.

    Parameters
    ----------
    squared, rank, tick
        As in `shapes`.
    shape : ndarray of shape (filters,)
        Of the tails.

    Returns
    -------
    sharp, strict : ndarray of shape (filters, n)
        Float32. Up to the filter's median both are the empirical -log10 S. Beyond it, sharp follows
        the line -log10 S = a + b g(u), fitted on the 50-97 % quantiles, where g(u) = (u^c - 1) / c
        bends as the tails of the site's filters do. Strict is the smaller of that and of a line in
        log t² over the 75-97 % quantiles, which holds for heavy tails whatever the other filters
        say, and misses weak outliers. NaN where the distance is.
    """
    sharp = np.full(squared.shape, np.nan, np.float32)
    strict = sharp.copy()
    used = np.flatnonzero(rank > 0)
    for i, f in enumerate(used):
        tick(i / len(used), "calibrating tails")
        rows, surprise, empirical, bulk = _bulk(squared[f], int(rank[f]))
        one = _extended(bent(surprise, float(shape[f])), empirical, bulk)
        upper = bulk & (empirical > -np.log10(1.0 - _UPPER))
        power = _extended(np.log(np.maximum(squared[f, rows], 1e-300)), empirical, upper)
        sharp[f, rows], strict[f, rows] = one, np.minimum(one, power)
    return sharp, strict


def upper_tail(values: Array, to: float = _TO) -> Array:
    """-log10 p of values by the line of their own -log10 S over the 50 % .. `to` quantiles."""
    survival = _survival(values)
    bulk = (survival < 1.0 - _FROM) & (survival > 1.0 - to)
    return _extended(values, -np.log10(survival), bulk)


def bent(surprise: Array, shape: float) -> Array:
    """Box-Cox scale (u^c - 1) / c of a surprise, log u for c = 0."""
    positive = np.maximum(surprise, 1e-300)
    return np.log(positive) if shape == 0.0 else np.asarray((positive**shape - 1.0) / shape)


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


def _bulk(squared: Array, rank: int) -> tuple[NDArray[np.int64], Array, Array, NDArray[np.bool_]]:
    """Present rows of one filter, their surprise, empirical tail, and which the line is fitted on.

    Samples that share one distance (a filter silent on most of them) are one point of the bulk.
    """
    rows = np.flatnonzero(np.isfinite(squared))
    survival = _survival(squared[rows])
    bulk = (survival < 1.0 - _FROM) & (survival > 1.0 - _TO)
    return rows, chi2_surprise(squared[rows], rank), -np.log10(survival), bulk


def _misfit(surprise: Array, empirical: Array, bulk: NDArray[np.bool_]) -> Array:
    """(shapes,) log of the squared residuals of the line by shape, the least being 0."""
    level = empirical[bulk] - empirical[bulk].mean() if bulk.any() else empirical[bulk]
    whole = float(level @ level)
    if whole <= 0.0:
        return np.zeros(len(SHAPES))
    left = np.empty(len(SHAPES))
    for i, shape in enumerate(SHAPES):
        at = bent(surprise[bulk], shape)
        at = at - at.mean()
        left[i] = 1.0 - float(at @ level) ** 2 / max(float(at @ at) * whole, 1e-300)
    logs = np.log(np.maximum(left, 1e-9))
    return np.asarray(logs - logs.min())


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
