"""The way back: from some samples to the filters that hold them oddly."""

from collections.abc import Iterable
from typing import TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cutaway.filters import evidence
from cutaway.filters.filter_screen import FilterScreen

Array: TypeAlias = NDArray[np.float64]
_FEW = 8
"""Up to so many samples on one side the law of the rank sum is not yet normal: it is counted."""


def filters_of(screen: FilterScreen, ids: Iterable[int | str]) -> pd.DataFrame:
    """Filters by how oddly they hold some samples.

    Parameters
    ----------
    screen : FilterScreen
        Any.
    ids : iterable of int or str
        The samples; each counts once.

    Returns
    -------
    DataFrame
        A line a filter, in the order of ``screen.filters``: ``site``, ``unit``; ``inside`` and
        ``outside``, the mean tail (-log10 p) of these samples and of all others; ``auc``, the
        chance that one of these has a larger tail than one of the others (0.5: no difference,
        ties count half); ``p`` of the one-sided rank-sum test of that; ``q``, its
        Benjamini-Hochberg value over the filters. NaN where a filter has no tail on one side.

    Raises
    ------
    ValueError
        If there is no sample, or no other one.
    KeyError
        If an id is not in the screen.

    Notes
    -----
    Tails are ranks of distance from the bulk, so a filter stands high that finds these samples
    odd, not one that merely fires at them. Samples that were chosen by looking at a filter's own
    tails are no fresh evidence about that filter: read q as an order then.

    References
    ----------
    Mann, Whitney, "On a test of whether one of two random variables is stochastically larger than
    the other", Ann. Math. Stat. 18 (1947).
    """
    chosen = np.zeros(len(screen.rows), np.bool_)
    chosen[screen.rows.positions(list(ids))] = True
    count = int(chosen.sum())
    if not 0 < count < len(chosen):
        raise ValueError(
            f"ids must be some of the {len(chosen)} samples, got {count}; leave at least one "
            "sample on each side"
        )
    inside, outside = (screen.tails[:, side].astype(np.float64) for side in (chosen, ~chosen))
    auc, p = _rank_sums(inside, outside)
    known = np.isfinite(auc)
    return pd.DataFrame(
        {
            "site": screen.filters["site"],
            "unit": screen.filters["unit"],
            "inside": np.where(known, _mean(inside), np.nan),
            "outside": np.where(known, _mean(outside), np.nan),
            "auc": auc,
            "p": p,
            "q": evidence.benjamini_hochberg(p),
        }
    )


def _mean(values: Array) -> Array:
    finite = np.isfinite(values)
    total = np.where(finite, values, 0.0).sum(axis=1)
    return np.asarray(total / np.maximum(finite.sum(axis=1), 1))


def _rank_sums(inside: Array, outside: Array) -> tuple[Array, Array]:
    """(filters,) chance of a larger number inside, and its p; all whole lines in one call."""
    auc, p = np.full(len(inside), np.nan), np.full(len(inside), np.nan)
    whole = np.isfinite(inside).all(axis=1) & np.isfinite(outside).all(axis=1)
    if whole.any():
        auc[whole], p[whole] = _test(inside[whole], outside[whole])
    for f in np.flatnonzero(~whole):
        some = [side[f][np.isfinite(side[f])][None] for side in (inside, outside)]
        if all(one.size for one in some):
            auc[[f]], p[[f]] = _test(*some)
    return auc, p


def _test(inside: Array, outside: Array) -> tuple[Array, Array]:
    from scipy.stats import mannwhitneyu  # 0.5 s, only needed here

    m, n = inside.shape[1], outside.shape[1]
    method = "exact" if min(m, n) <= _FEW else "asymptotic"
    found = mannwhitneyu(inside, outside, axis=1, alternative="greater", method=method)
    return np.asarray(found.statistic) / (m * n), np.asarray(found.pvalue)
