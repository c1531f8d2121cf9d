"""From tails of single filter-sample pairs to evidence about samples and about filters.

Tails are -log10 p throughout, so that 1e-400 is still a number.
"""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.floating[Any]]
PAIR_LEVEL = 0.01  # a sample hits a filter when p is below this divided by the sample count
PAIR_HITS = 2  # hits that flag a filter: a single stray sample is none
_FLOOR = 1e-16  # p below this is not reported: no calibration reaches that far
_TOP = 8.0  # tails beyond this are summed as logs
_BLOCK = 2_000_000  # tails combined at once


def combine_samples(tails: Array, weights: Array | None = None) -> tuple[Array, Array]:
    """Score and p of every sample over all lines, by the Cauchy combination.

    Parameters
    ----------
    tails : ndarray of shape (lines, n)
        -log10 p, a line a filter; NaN where it has no say.
    weights : ndarray of shape (lines,), optional
        Positive; equal by default.

    Returns
    -------
    score : ndarray of shape (n,)
        -log10 of the combined p without a floor, for ranking; NaN without any line.
    p : ndarray of shape (n,)
        Combined p, at least 1e-16.

    Notes
    -----
    T = mean tan((0.5 - p) pi) is Cauchy under the null however the lines depend, in the limit
    of small p [1]_. For p < 1e-8 the tangent is 1 / (pi p), summed here in the log domain.

    References
    ----------
    .. [1] Liu and Xie, "Cauchy combination test", J. Am. Stat. Assoc. 115, 2020, theorem 1.
    """
    n = tails.shape[1]
    each = np.ones(len(tails)) if weights is None else weights
    score, combined = np.full(n, np.nan), np.full(n, np.nan)
    size = max(1, _BLOCK // max(len(tails), 1))
    for first in range(0, n, size):
        part = slice(first, first + size)
        score[part], combined[part] = _combined(tails[:, part].astype(np.float64), each[:, None])
    return score, combined


def _combined(tails: Array, weights: Array) -> tuple[Array, Array]:
    present = np.isfinite(tails)
    total = (weights * present).sum(axis=0)
    some = total > 0
    whole = np.where(some, total, 1.0)
    u = np.where(present, tails, np.log10(2.0))  # p = 0.5 adds nothing to T
    p = np.clip(10.0**-u, _FLOOR, 1.0 - 1e-12)
    statistic = (weights * np.tan((0.5 - p) * np.pi)).sum(axis=0) / whole
    combined = np.clip(0.5 - np.arctan(statistic) / np.pi, _FLOOR, 1.0)
    top = u.max(axis=0, initial=0.0)
    sums = (weights * present * 10.0 ** (u - top)).sum(axis=0)
    far = top + np.log10(np.where(sums > 0, sums, 1.0)) - np.log10(whole)
    score = np.where(top > _TOP, np.maximum(far, 0.0), -np.log10(combined))
    combined = np.where(top > _TOP, np.clip(10.0**-score, _FLOOR, 1.0), combined)
    return np.where(some, score, np.nan), np.where(some, combined, np.nan)


def hit_level(tails: Array) -> Array:
    """(filters,) tail beyond which a sample hits the filter: p = 0.01 / n over its n samples."""
    return np.asarray(np.log10(np.maximum(np.isfinite(tails).sum(axis=1), 1) / PAIR_LEVEL))


def hits(tails: Array) -> NDArray[np.bool_]:
    """(filters, n) True where a sample hits a filter."""
    return np.asarray(tails > hit_level(tails)[:, None])


def second_largest(tails: Array) -> Array:
    """(filters,) second largest tail: what one stray sample alone cannot raise; NaN without."""
    if tails.shape[1] < 2:
        return np.full(len(tails), np.nan)
    known = np.where(np.isfinite(tails), tails, -np.inf)
    second = np.partition(known, -2, axis=1)[:, -2].astype(np.float64)
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
