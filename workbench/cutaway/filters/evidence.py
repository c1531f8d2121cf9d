"""From tails of single filter-sample pairs to evidence about samples and about filters.

Tails are -log10 p throughout, so that 1e-400 is still a number.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]
_FLOOR = 1e-16  # p below this is not reported: no calibration reaches that far


def combine_samples(tails: Array) -> tuple[Array, Array]:
    """Score and p of every sample over all filters, by the Cauchy combination.

    Parameters
    ----------
    tails : ndarray of shape (filters, n)
        -log10 p; NaN where a filter has no say.

    Returns
    -------
    score : ndarray of shape (n,)
        -log10 of the combined p without a floor, for ranking; NaN without any filter.
    p : ndarray of shape (n,)
        Combined p, at least 1e-16.

    Notes
    -----
    T = mean tan((0.5 - p) pi) is Cauchy under the null however the filters depend, in the limit
    of small p [1]_. For p < 1e-8 the tangent is 1 / (pi p), summed here in the log domain.

    References
    ----------
    .. [1] Liu and Xie, "Cauchy combination test", J. Am. Stat. Assoc. 115, 2020, theorem 1.
    """
    count = np.isfinite(tails).sum(axis=0)
    u = np.where(np.isfinite(tails), tails, np.log10(2.0))  # p = 0.5 adds nothing to T
    p = np.clip(10.0**-u, _FLOOR, 1.0 - 1e-12)
    total = np.tan((0.5 - p) * np.pi).sum(axis=0) / np.maximum(count, 1)
    combined = np.clip(0.5 - np.arctan(total) / np.pi, _FLOOR, 1.0)
    top = u.max(axis=0)
    far = top + np.log10((10.0 ** (u - top)).sum(axis=0)) - np.log10(np.maximum(count, 1))
    score = np.where(top > 8.0, far, -np.log10(combined))
    combined = np.where(top > 8.0, np.maximum(10.0**-far, _FLOOR), combined)
    return np.where(count > 0, score, np.nan), np.where(count > 0, combined, np.nan)


def second_largest(tails: Array) -> Array:
    """(filters,) second largest tail: what one stray sample alone cannot raise; NaN without."""
    if tails.shape[1] < 2:
        return np.full(len(tails), np.nan)
    second = np.sort(np.where(np.isfinite(tails), tails, -np.inf), axis=1)[:, -2]
    return np.where(np.isfinite(second), second, np.nan)


def pair_p(tails: Array) -> Array:
    """(filters,) probability that two of N uniform p lie as low as the filter's second smallest.

    Notes
    -----
    P(p_(2) <= t) = 1 - (1 - t)^N - N t (1 - t)^(N - 1), the law of the second order statistic.
    """
    n = np.maximum(np.isfinite(tails).sum(axis=1), 2)
    t = 10.0 ** -second_largest(tails)
    none = n * np.log1p(-np.minimum(t, 1.0 - 1e-12))
    exact = -np.expm1(none) - n * t * np.exp(none * (n - 1) / n)
    # For small n t the difference cancels; its series starts at (n t)² / 2.
    return np.asarray(np.where(n * t < 1e-4, n * (n - 1) * t**2 / 2.0, np.clip(exact, 0.0, 1.0)))


def benjamini_hochberg(p: Array) -> Array:
    """Q values: the least false discovery rate that accepts each p; NaN stays NaN.

    References
    ----------
    Benjamini and Hochberg, "Controlling the false discovery rate", J. R. Stat. Soc. B 57, 1995.
    """
    q = np.full(p.shape, np.nan)
    known = np.flatnonzero(np.isfinite(p))
    order = known[np.argsort(-p[known], kind="stable")]
    rank = np.arange(len(known), 0, -1)
    q[order] = np.minimum(np.minimum.accumulate(p[order] * len(known) / rank), 1.0)
    return q
